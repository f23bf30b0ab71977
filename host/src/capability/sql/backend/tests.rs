//! The drivers, driven without a guest. SQLite needs no server; the others are shown by the integration tests.

mod enforced;

use std::sync::Arc;
use std::time::Instant;

use super::wit::{Column, Maintenance, Row, Value};
use super::{Connection, Error, Jobs, Pools, Purpose, ScratchDatabase, Slot, channel};
use crate::capability::sql::grant::Grant;
use crate::capability::{Load, Notices, RunContext};
use crate::gate::{Budgets, Gate, Mode};

pub(super) fn slot(grant: &str) -> Arc<Slot> {
    let grant: Grant = toml::from_str(grant).unwrap();
    let run = RunContext {
        gate: Gate::new(Mode::Perform, Budgets::default(), Instant::now),
        notices: Notices::default(),
        load: Load::default(),
        task: "test".into(),
    };
    Arc::new(Slot::new("database", grant, run, Arc::new(Pools::default()), Jobs::default()))
}

/// A file with a table of three rows, and a slot on it.
async fn shop(access: &str) -> (tempfile::TempDir, Arc<Slot>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    std::fs::File::create(&path).unwrap();
    let slot = slot(&format!("target = 'sqlite:{}'\naccess = {access}\nlock-timeout = '1s'", path.display()));
    let mut lease = slot.lease_from(&super::Target::new(&slot.grant).unwrap(), Purpose::Scratch).await.unwrap();
    let setup = "CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT, price REAL, data BLOB);
        INSERT INTO orders VALUES (1, 'a', 1.5, x'00ff'), (2, NULL, 2.5, NULL), (3, CAST(x'ff' AS TEXT), 'text', 7);
        CREATE VIEW cheap AS SELECT * FROM orders WHERE price < 2;
        CREATE VIRTUAL TABLE places USING rtree (id, west, east); INSERT INTO places VALUES (1, 2, 3)";
    lease.connection().unwrap().run(setup).await.unwrap();
    lease.close().await;
    (folder, slot)
}

pub(super) async fn rows(slot: &Slot, text: &str, parameters: &[Value]) -> Result<(Vec<Column>, Vec<Row>), Error> {
    let lease = slot.lease(None, Purpose::Read).await?;
    let (mut sink, mut source) = channel();
    let reading = async {
        let result = super::read(lease, true, text, parameters, &mut sink).await;
        drop(sink);
        result
    };
    let gathering = async {
        let mut rows = Vec::new();
        while let Some(batch) = source.batches.recv().await {
            assert!(batch.len() <= 1024);
            rows.extend(batch);
        }
        rows
    };
    let (count, rows) = tokio::join!(reading, gathering);
    assert_eq!(count?, rows.len() as u64);
    Ok((source.columns.await.unwrap(), rows))
}

pub(super) fn shown(rows: &[Row]) -> String {
    format!("{rows:?}").replace("Value::", "")
}

#[tokio::test]
async fn values_come_as_they_are_stored() {
    let (_folder, slot) = shop("['read']").await;
    let (columns, found) = rows(&slot, "SELECT id, note, price, data FROM orders", &[]).await.unwrap();
    assert_eq!(
        columns.iter().map(|column| column.type_name.as_str()).collect::<Vec<_>>(),
        ["integer", "text", "real", "blob"]
    );
    assert_eq!(
        shown(&found),
        "[[Integer(1), Text(\"a\"), Float(1.5), Blob([0, 255])], [Integer(2), Null, Float(2.5), Null], \
         [Integer(3), Blob([255]), Text(\"text\"), Integer(7)]]"
    );
    let parameters = [Value::Integer(1), Value::Text("a".into())];
    let (_, found) = rows(&slot, "SELECT id FROM orders WHERE id = ? AND note = ?", &parameters).await.unwrap();
    assert_eq!(shown(&found), "[[Integer(1)]]");
    let error = rows(&slot, "SELECT ?", &[]).await.unwrap_err();
    assert_eq!(error.to_string(), "the statement takes 1 parameters and was given 0");
    slot.jobs.clone().finish().await;
}

#[tokio::test]
async fn many_rows_come_in_batches() {
    let (_folder, slot) = shop("['read']").await;
    let text = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) SELECT i FROM n";
    assert_eq!(rows(&slot, text, &[]).await.unwrap().1.len(), 100_000);
}

#[tokio::test]
async fn a_transaction_is_taken_back_unless_it_is_committed() {
    let (_folder, slot) = shop("['read', 'write']").await;
    for (commit, left) in [(false, 3), (true, 2)] {
        let mut lease = slot.lease(None, Purpose::Write).await.unwrap();
        let connection = lease.connection().unwrap();
        connection.begin(false).await.unwrap();
        assert_eq!(connection.change("DELETE FROM orders WHERE id = ?", &[Value::Integer(1)]).await.unwrap(), 1);
        if commit {
            connection.commit().await.unwrap();
        }
        lease.give_back().await;
        assert_eq!(rows(&slot, "SELECT id FROM orders", &[]).await.unwrap().1.len(), left);
    }
}

#[tokio::test]
async fn a_read_inside_a_transaction_changes_nothing() {
    let (_folder, slot) = shop("['read', 'write']").await;
    let mut lease = slot.lease(None, Purpose::Write).await.unwrap();
    lease.connection().unwrap().begin(false).await.unwrap();
    lease.connection().unwrap().change("DELETE FROM orders WHERE id = 1", &[]).await.unwrap();
    for (text, ok) in [("DELETE FROM orders", false), ("SELECT 1 FROM orders", true)] {
        let (mut sink, _source) = channel();
        let result = super::read_within(&mut lease, true, text, &[], &mut sink).await;
        assert_eq!(result.is_ok(), ok, "{text}");
    }
    assert_eq!(lease.connection().unwrap().change("UPDATE orders SET note = ''", &[]).await.unwrap(), 2);
}

#[tokio::test]
async fn a_view_is_no_target() {
    let (_folder, slot) = shop("['read', 'write']").await;
    let mut lease = slot.lease(None, Purpose::Write).await.unwrap();
    let connection = lease.connection().unwrap();
    let target = |name: &str| [super::TableName { schema: None, name: name.into() }];
    assert!(connection.check_targets(&target("Orders"), "main").await.is_ok());
    let error = connection.check_targets(&target("cheap"), "main").await.unwrap_err();
    assert_eq!(error.to_string(), "`cheap` is no base table; change the tables behind it");
}

#[tokio::test]
async fn a_statement_ends_at_its_time_out() {
    let (_folder, slot) = shop("['read']\nstatement-timeout = '1s'").await;
    let text = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let start = Instant::now();
    let error = rows(&slot, text, &[]).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut(_)), "{error}");
    assert!(start.elapsed().as_secs() < 3);
}

#[tokio::test]
async fn a_runs_end_stops_its_statements() {
    let (_folder, slot) = shop("['read']").await;
    let text = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let (mut sink, source) = channel();
    let lease = slot.lease(None, Purpose::Read).await.unwrap();
    let job = slot.jobs.run(async move { super::read(lease, true, text, &[], &mut sink).await });
    source.columns.await.unwrap();
    let start = Instant::now();
    slot.jobs.clone().finish().await;
    assert!(start.elapsed().as_secs() < 2);
    assert!(matches!(job.await, Err(Error::Abandoned)));
}

#[tokio::test]
async fn a_locked_file_is_waited_for_and_then_named() {
    let (_folder, slot) = shop("['read', 'write']").await;
    let mut first = slot.lease(None, Purpose::Write).await.unwrap();
    first.connection().unwrap().begin(false).await.unwrap();
    let mut second = slot.lease(None, Purpose::Write).await.unwrap();
    let error = second.connection().unwrap().begin(false).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut(_)), "{error}");
    assert!(error.to_string().contains("another program holds sqlite:"), "{error}");
}

#[tokio::test]
async fn what_is_no_database_is_said_to_be_none() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("notes.db");
    std::fs::write(&text, "not a database, but long enough to look at".repeat(100)).unwrap();
    for (path, reason) in [
        (text, "the file is no SQLite database"),
        (folder.path().join("missing.db"), "No such file or directory"),
        (folder.path().to_owned(), "it is no regular file"),
    ] {
        let slot = slot(&format!("target = 'sqlite:{}'\naccess = ['read']", path.display()));
        let error = rows(&slot, "SELECT 1", &[]).await.unwrap_err();
        assert!(matches!(error, Error::Unavailable(_)), "{error}");
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[tokio::test]
async fn upkeep_is_done_and_rehearsed() {
    let (folder, slot) = shop("['read', 'maintain']").await;
    let mut lease = slot.lease(None, Purpose::Scratch).await.unwrap();
    let fill = "CREATE TABLE big AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) \
        SELECT i, hex(randomblob(20)) AS h FROM n; DROP TABLE big";
    lease.connection().unwrap().run(fill).await.unwrap();
    lease.close().await;
    let size = || std::fs::metadata(folder.path().join("shop.db")).unwrap().len();
    let vacuum = Maintenance::Vacuum(super::wit::Vacuum { table: None, analyze: true });
    let missing = super::wit::Table { schema: None, name: "missing".into() };
    let mut lease = slot.lease(None, Purpose::Maintain).await.unwrap();
    let connection = lease.connection().unwrap();
    let full = size();
    connection.maintain(&vacuum, true).await.unwrap();
    assert_eq!(size(), full);
    connection.maintain(&vacuum, false).await.unwrap();
    assert!(size() < full / 2);
    for operation in [Maintenance::Analyze(None), Maintenance::Optimize(None), Maintenance::Checkpoint] {
        connection.maintain(&operation, false).await.unwrap();
    }
    for rehearsal in [true, false] {
        let error = connection.maintain(&Maintenance::Analyze(Some(missing.clone())), rehearsal).await.unwrap_err();
        assert_eq!(error.to_string(), "no such table: missing (1)");
    }
}

/// Bytes as a guest's stream would bring them.
pub(super) fn stream(text: &str) -> crate::capability::stream::ByteReceiver {
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let chunks: Vec<_> = text.as_bytes().chunks(7).map(bytes::Bytes::copy_from_slice).collect();
    tokio::spawn(async move {
        for chunk in chunks {
            if sender.send(chunk).await.is_err() {
                break;
            }
        }
    });
    receiver.into()
}

#[tokio::test]
async fn a_dump_is_restored_into_a_scratch_file_that_goes_with_its_handle() {
    let (_folder, slot) = shop("['read', 'scratch']").await;
    let scratch = ScratchDatabase::create(&slot).await.unwrap();
    let directory = std::env::temp_dir().join(&scratch.name);
    let dump = "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE t (a, b);\n\
        INSERT INTO t VALUES(1,'it''s; fine');\nINSERT INTO t VALUES(2,NULL);\nCOMMIT;\n";
    let mut lease = slot.lease(Some(&scratch), Purpose::Scratch).await.unwrap();
    let restored = super::restore(&mut lease, slot.dialect(), stream(dump)).await.unwrap();
    assert_eq!((restored.rows, restored.bytes), (2, dump.len() as u64));
    let connection = lease.connection().unwrap();
    assert_eq!(connection.change("DELETE FROM t", &[]).await.unwrap(), 2);
    let table = super::TableName { schema: None, name: "t".into() };
    let columns = ["a".to_owned(), "b".to_owned()];
    assert_eq!(connection.copy_in(&table, &columns, &mut stream("1,\n2,\"\"\n")).await.unwrap(), 2);
    assert_eq!(connection.change("DELETE FROM t WHERE b IS NULL", &[]).await.unwrap(), 1);
    assert!(directory.exists());
    drop(lease);
    drop(scratch);
    slot.jobs.clone().finish().await;
    assert!(!directory.exists());
}

#[tokio::test]
async fn a_dump_that_leaves_its_file_is_refused() {
    let (_folder, slot) = shop("['read', 'scratch']").await;
    let scratch = ScratchDatabase::create(&slot).await.unwrap();
    for (dump, expected) in [
        ("CREATE TABLE t (a);\nATTACH '/tmp/x.db' AS x;\n", "refused before line"),
        ("CREATE TABLE u (a);\nINSERT INTO v VALUES (1);\n", "no such table: v"),
        ("CREATE TABLE w (a", "the dump cannot be read: truncated"),
    ] {
        let mut lease = slot.lease(Some(&scratch), Purpose::Scratch).await.unwrap();
        let error = super::restore(&mut lease, slot.dialect(), stream(dump)).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    let mut lease = slot.lease(Some(&scratch), Purpose::Scratch).await.unwrap();
    assert!(matches!(lease.connection().unwrap(), Connection::Sqlite(_)));
    assert!(lease.connection().unwrap().run("ATTACH '/tmp/x.db' AS x").await.is_err(), "SQLite refuses it too");
    lease.give_back().await;
    scratch.discard().await.unwrap();
    assert!(matches!(slot.lease(Some(&scratch), Purpose::Scratch).await, Err(Error::Invalid(_))));
}

/// Its module compiles what it writes with before it reads.
#[tokio::test]
async fn a_tree_of_places_can_be_read_and_checked() {
    let (_folder, slot) = shop("['read']").await;
    for (text, expected) in [
        ("SELECT * FROM places", "[[Integer(1), Float(2.0), Float(3.0)]]"),
        ("PRAGMA integrity_check", "[[Text(\"ok\")]]"),
    ] {
        assert_eq!(shown(&rows(&slot, text, &[]).await.unwrap().1), expected, "{text}");
    }
}
