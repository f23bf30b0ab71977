//! What a database answers with: bytes that are no text, sequences that a terminal would obey, and what is left in a
//! connection that the next run gets.

use serde_json::{Value, json};
use taskhost::capability::Grants;
use taskhost::plugin::Request;
use taskhost::report::{Outcome, Report};
use taskhost_tests::{Output, fixture, mariadb, postgres};

use crate::output::assert_plain;
use crate::scene::{PATIENCE, World, bind, host, request, shown};

/// What the statements give, in the report and in the form for people, which is looked through.
fn queried(target: &str, statements: &[&str]) -> (Value, Output) {
    let steps: Vec<_> = statements.iter().map(|text| json!({"do": "query", "text": text})).collect();
    let run = |form: &[&str]| {
        let host = taskhost_tests::host().args(["run".into(), shown(&fixture("sql"))]);
        let host = host.arg(format!("script={}", Value::Array(steps.clone()))).args(form.iter().copied());
        let host = host.args(["--sql", "database=env:URL"]).env("URL", target);
        host.env("CLICOLOR_FORCE", "1").env("TASKHOST_LOG", "trace").run()
    };
    let output = run(&["--format", "text", "--verbose"]);
    assert_plain(&output.stdout);
    assert_plain(&output.stderr);
    let report = run(&["--format", "json"]).report();
    assert_eq!(report["findings"].as_array().unwrap().len(), statements.len(), "{report}");
    (report, output)
}

#[test]
fn text_of_sqlite_that_is_no_utf8_is_bounded_to_an_answer_or_an_error() {
    let world = World::new();
    let target = format!("sqlite:{}", shown(&world.database()));
    let (report, _) = queried(
        &target,
        &["SELECT CAST(x'ff41' AS TEXT)", "SELECT CAST(x'00' AS TEXT)", "SELECT x'ff' || 'a'", "SELECT char(55296)"],
    );
    assert!(report["error"].is_null(), "{report}");
}

#[test]
fn a_value_of_sqlite_that_is_made_out_of_nothing_does_not_fill_the_hosts_memory() {
    let world = World::new();
    let target = format!("sqlite:{}", shown(&world.database()));
    let statements = [
        "SELECT zeroblob(900000000)",
        "SELECT hex(zeroblob(450000000))",
        "SELECT group_concat(zeroblob(60000000)) FROM (SELECT 1 UNION ALL SELECT 2)",
    ];
    let (report, output) = queried(&target, &statements);
    for finding in report["findings"].as_array().unwrap() {
        assert_ne!(finding["title"], "ok", "{report}");
    }
    assert!(output.peak_memory < 512 << 20, "{} MiB", output.peak_memory >> 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn text_of_mariadb_that_is_no_utf8_is_bounded_to_an_answer_or_an_error() {
    let server = mariadb().await;
    server
        .execute(&[
            "CREATE TABLE t (l varchar(9) CHARACTER SET latin1, b varbinary(9), u varchar(9) CHARACTER SET ucs2)",
            "INSERT INTO t VALUES (x'e9ff', x'fffe', x'd800')",
        ])
        .await;
    let statements =
        ["SELECT l FROM t", "SELECT b FROM t", "SELECT u FROM t", "SELECT CONVERT(b USING utf8mb4) FROM t"];
    let (report, _) = queried(server.url().as_str(), &statements);
    assert!(report["error"].is_null(), "{report}");
    assert_eq!(report["findings"][0]["detail"], "text:éÿ", "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_database_says_does_not_reach_a_terminal_raw() {
    let world = World::new();
    let (postgres, mariadb) = (postgres().await, mariadb().await);
    for (target, escape) in [
        (format!("sqlite:{}", shown(&world.database())), "char(27)"),
        (postgres.url().to_string(), "chr(27)"),
        (mariadb.url().to_string(), "CHAR(27)"),
    ] {
        let value = format!("SELECT {escape}");
        let quote = if target.starts_with("mysql") { '`' } else { '"' };
        let error = format!("SELECT 1 FROM {quote}\u{1b}]0;owned\u{7}{quote}");
        let name = format!("SELECT 1 AS {quote}\u{1b}[2J{quote}");
        let text = "SELECT '\u{1b}[2J\u{202e}'";
        queried(&target, &[&value, &error, &name, text]);
    }
}

async fn one(host: &taskhost::plugin::Host, plugin: &taskhost::plugin::Plugin, target: &str, text: &str) -> Report {
    let mut grants = Grants::default();
    bind(&mut grants, "sql", &format!("database={target}"));
    let arguments = vec![("script".into(), json!([{"do": "query", "text": text}]).to_string())];
    let report = host.run(plugin, Request { arguments, grants, ..request("", PATIENCE) }).await;
    assert_eq!(report.run.outcome, Outcome::Ok, "{:?}", report.error);
    report
}

/// The connection is the same: what is shown is that nothing in it is the other run's.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_remembers_nothing_of_the_run_before() {
    let (postgres, mariadb) = (postgres().await, mariadb().await);
    for (target, leaves, finds) in [
        (mariadb.url(), "SELECT LAST_INSERT_ID(424242)", "SELECT LAST_INSERT_ID()"),
        (mariadb.url(), "SELECT @left := 424242", "SELECT @left"),
        (
            postgres.url(),
            "SELECT set_config('taskhost.left', '424242', false)",
            "SELECT current_setting('taskhost.left', true)",
        ),
        (postgres.url(), "SELECT setseed(0.424242)", "SELECT 1"),
    ] {
        let host = host();
        let plugin = host.load(&fixture("sql")).await.unwrap();
        one(&host, &plugin, target.as_str(), leaves).await;
        let found = one(&host, &plugin, target.as_str(), finds).await;
        let shown = format!("{:?}", found.findings);
        assert!(!shown.contains("424242"), "{leaves}: {shown}");
    }
}
