//! Dumps made by the real tools (testdata/), and named cases.

use super::*;

use Dialect::{Mysql, Postgres, Sqlite};

const FIXTURES: [(&str, Dialect, &[u8]); 4] = [
    ("pg_dump", Postgres, include_bytes!("../testdata/pg_dump.sql")),
    ("pg_dump_inserts", Postgres, include_bytes!("../testdata/pg_dump_inserts.sql")),
    ("mariadb-dump", Mysql, include_bytes!("../testdata/mariadb-dump.sql")),
    ("sqlite", Sqlite, include_bytes!("../testdata/sqlite.sql")),
];

type Read = (Vec<Event>, Result<Summary, DumpError>);

/// The events of `chunks`, with rows that follow one another joined.
fn read<'a>(dialect: Dialect, chunks: impl IntoIterator<Item = &'a [u8]>) -> Read {
    let mut events: Vec<Event> = Vec::new();
    let mut emit = |event: Event| match (events.last_mut(), event) {
        (Some(Event::CopyData(before)), Event::CopyData(more)) => *before = [&before[..], &more[..]].concat().into(),
        (_, event) => events.push(event),
    };
    let mut dump = Dump::new(dialect);
    for chunk in chunks {
        if let Err(error) = dump.push(Bytes::copy_from_slice(chunk), &mut emit) {
            return (events, Err(error));
        }
    }
    let ended = dump.finish(&mut emit);
    (events, ended)
}

fn whole(dialect: Dialect, text: &str) -> Read {
    read(dialect, [text.as_bytes()])
}

fn statements(dialect: Dialect, text: &str) -> Vec<String> {
    let (events, ended) = whole(dialect, text);
    ended.unwrap();
    events
        .into_iter()
        .map(|event| match event {
            Event::Statement(text) | Event::CopyBegin(text) | Event::Meta(text) => text,
            Event::CopyData(rows) => format!("{rows:?}"),
            Event::CopyEnd => "\\.".into(),
        })
        .collect()
}

#[test]
fn real_dumps_are_told_apart_statement_by_statement() {
    for (name, dialect, bytes) in FIXTURES {
        let (events, ended) = read(dialect, [bytes]);
        assert_eq!(ended, Ok(Summary { bytes: bytes.len() as u64, complete: true }), "{name}");
        let lines: Vec<_> = events
            .iter()
            .map(|event| match event {
                Event::Statement(text) | Event::CopyBegin(text) => line(&classify(dialect, Origin::Dump, text), text),
                Event::Meta(text) => line(&classify_meta(text), text.split(' ').next().unwrap()),
                Event::CopyData(rows) => format!("          rows: {rows:?}"),
                Event::CopyEnd => "          end of rows".into(),
            })
            .collect();
        insta::assert_snapshot!(name, lines.join("\n"));
    }
}

fn line(verdict: &Verdict, text: &str) -> String {
    let word = match verdict {
        Verdict::Run => "run".into(),
        Verdict::Confined(_) => "confined".into(),
        Verdict::Skip(kind) => format!("skip {}", kind.name()),
        Verdict::Refuse(why) => format!("REFUSE {why}"),
    };
    format!("{word:<9} {}", text.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[test]
fn chunks_may_be_cut_anywhere() {
    for (name, dialect, bytes) in FIXTURES {
        let expected = read(dialect, [bytes]);
        // Together these cut at every byte, with little and with much on either side.
        for first in 0..80 {
            let (head, tail) = bytes.split_at(first);
            let chunks = std::iter::once(head).chain(tail.chunks(80));
            assert_eq!(read(dialect, chunks), expected, "{name} cut at {first} and every 80 bytes on");
        }
        for size in 1..8 {
            assert_eq!(read(dialect, bytes.chunks(size)), expected, "{name} in pieces of {size}");
        }
    }
}

#[test]
fn a_dump_cut_off_anywhere_is_never_complete() {
    for (name, dialect, bytes) in FIXTURES {
        let closing: &[u8] = match dialect {
            Postgres => b"-- PostgreSQL database dump complete",
            Mysql => b"-- Dump completed",
            Sqlite => b"COMMIT;",
        };
        let end = memchr::memmem::find(bytes, closing).unwrap() + closing.len();
        let mut inside = std::collections::BTreeSet::new();
        for length in (0..end).rev().step_by(5) {
            match read(dialect, [&bytes[..length]]).1 {
                Ok(summary) => assert!(!summary.complete, "{name} cut off at {length}"),
                Err(DumpError::Truncated { byte, inside: of, .. }) => {
                    assert_eq!(byte, length as u64);
                    inside.insert(of.to_string());
                }
                Err(error) => panic!("{name} cut off at {length}: {error}"),
            }
        }
        assert!(inside.contains("a statement") && inside.contains("a string"), "{name}: {inside:?}");
    }
}

#[test]
fn a_truncated_dump_is_named_with_its_place() {
    for (dialect, text, expected) in [
        (Postgres, "SELECT 1;\nINSERT INTO t VALUES ('a", "truncated at byte 34 (line 2) inside a string"),
        (Postgres, "COPY t FROM stdin;\n1\n2\n", "truncated at byte 23 (line 4) inside a COPY block"),
        (Postgres, "COPY t FROM stdin;\n1\n\\.", "truncated at byte 23 (line 3) inside a COPY block"),
        (Postgres, "CREATE FUNCTION f() AS $x$ begin", "truncated at byte 32 (line 1) inside a dollar-quoted string"),
        (Postgres, "CREATE TABLE t (", "truncated at byte 16 (line 1) inside a statement"),
        (Postgres, "/* /* */", "truncated at byte 8 (line 1) inside a comment"),
        (Mysql, "INSERT INTO `t", "truncated at byte 14 (line 1) inside a quoted name"),
        (Mysql, "INSERT INTO t VALUES ('a\\'", "truncated at byte 26 (line 1) inside a string"),
        (Sqlite, "CREATE TRIGGER x BEGIN SELECT 1;", "truncated at byte 32 (line 1) inside a statement"),
    ] {
        assert_eq!(whole(dialect, text).1.unwrap_err().to_string(), expected, "{text}");
    }
}

#[test]
fn statements_end_where_the_client_ends_them() {
    for (dialect, text, expected) in [
        (Postgres, "a; b ;;c;", &["a", "b", "c"][..]),
        (Postgres, "'a;''b' ; E'a\\';b' ; \"a;\"\"b\" ;", &["'a;''b'", "E'a\\';b'", "\"a;\"\"b\""]),
        (Postgres, "'a\\' ; b;", &["'a\\'", "b"]),
        (Postgres, "$$;$$ ; $a$;$$;$b$;$a$ ; a$b$;", &["$$;$$", "$a$;$$;$b$;$a$", "a$b$"]),
        (Postgres, "a -- ;\n /* ; /* ; */ ; */ b;", &["a -- ;\n /* ; /* ; */ ; */ b"]),
        (Postgres, "-- x;\n/* y; */ a;", &["a"]),
        (
            Postgres,
            "CREATE RULE r AS ON INSERT TO t DO (a; b); c;",
            &["CREATE RULE r AS ON INSERT TO t DO (a; b)", "c"],
        ),
        (
            Postgres,
            "CREATE OR REPLACE FUNCTION f() BEGIN ATOMIC a; CASE WHEN b THEN c END; END; d;",
            &["CREATE OR REPLACE FUNCTION f() BEGIN ATOMIC a; CASE WHEN b THEN c END; END", "d"],
        ),
        (Postgres, "BEGIN; a; COMMIT;", &["BEGIN", "a", "COMMIT"]),
        (Postgres, "\\connect x\na;", &["\\connect x", "a"]),
        (Postgres, "COPY t FROM stdin;\n\\.\na;", &["COPY t FROM stdin", "\\.", "a"]),
        (
            Postgres,
            "COPY t FROM stdin; \r\n1\\.\n\\.x\n\\N\n\\.\r\na;",
            &["COPY t FROM stdin", "b\"1\\\\.\\n\\\\.x\\n\\\\N\\n\"", "\\.", "a"],
        ),
        (Postgres, "COPY t TO stdout; a;", &["COPY t TO stdout", "a"]),
        (Mysql, "a; -- ;\n # ;\nb;", &["a", "b"]),
        (Mysql, "a--;b;", &["a--", "b"]),
        (Mysql, "'a\\';' ; \"b\\\";\" ; `c\\` ; d;", &["'a\\';'", "\"b\\\";\"", "`c\\`", "d"]),
        (Mysql, "DELIMITER //\na; b//\ndelimiter ;\nc;", &["a; b", "c"]),
        (Mysql, "/*!40101 SET a=1 */; b;", &["/*!40101 SET a=1 */", "b"]),
        (Mysql, "/*M!999999\\- sandbox; */\nb;", &["b"]),
        (Mysql, "/* ; */ /* /* ; */ b;", &["b"]),
        (
            Sqlite,
            "CREATE TEMP TRIGGER x BEGIN a; CASE b END; END; c;",
            &["CREATE TEMP TRIGGER x BEGIN a; CASE b END; END", "c"],
        ),
        (Sqlite, "[a;b] `c;d` 'e\\' ; f;", &["[a;b] `c;d` 'e\\'", "f"]),
        (Sqlite, ".open other.db\na;", &[".open other.db", "a"]),
        (Sqlite, "\u{feff}a;", &["a"]),
        (Mysql, "INSERT INTO t VALUES (0x27,1e5,b'1') ; a;", &["INSERT INTO t VALUES (0x27,1e5,b'1')", "a"]),
        (Postgres, "", &[]),
        (Postgres, "-- nothing", &[]),
    ] {
        assert_eq!(statements(dialect, text), expected, "{dialect:?} {text}");
        let (events, ended) = whole(dialect, text);
        let bytewise = read(dialect, text.as_bytes().chunks(1));
        assert_eq!(bytewise, (events, ended), "{dialect:?} {text}, byte by byte");
    }
}

#[test]
fn what_cannot_be_read_on_is_an_error() {
    assert_eq!(whole(Postgres, "PGDMP\x01").1, Err(DumpError::Archive));
    assert_eq!(whole(Postgres, "a\nb \\! sh").1, Err(DumpError::Meta { line: 1 }));
    assert_eq!(whole(Postgres, "a;\nCOPY t FROM stdin; 1\n").1, Err(DumpError::CopyLine { line: 2 }));
    assert_eq!(read(Mysql, [&b"a;\n'\xff';"[..]]).1, Err(DumpError::Encoding { line: 2 }));
    let long = vec![b'x'; 1 << 20];
    let chunks = std::iter::repeat_n(&long[..], 65);
    assert_eq!(read(Postgres, chunks).1, Err(DumpError::TooLong { line: 1 }));
    let comment = std::iter::once(&b"-- "[..]).chain(std::iter::repeat_n(&long[..], 65));
    assert!(read(Postgres, comment).1.is_ok(), "a comment between statements is not held");
}

#[test]
fn a_dump_can_not_leave_the_scratch_database() {
    let mut failures = Vec::new();
    for (dialect, text) in [
        (Postgres, "COPY t FROM PROGRAM 'sh'"),
        (Postgres, "COPY t FROM '/etc/passwd'"),
        (Postgres, "COPY t (a, b) FROM /* x */ PROGRAM 'sh'"),
        (Postgres, "COPY t TO STDOUT"),
        (Postgres, "COPY (SELECT 1) TO PROGRAM 'sh'"),
        (Postgres, "COPY t FROM E'/etc/passwd'"),
        (Postgres, "ALTER SYSTEM SET archive_command = 'sh'"),
        (Postgres, "ALTER ROLE r SUPERUSER"),
        (Postgres, "CREATE ROLE r"),
        (Postgres, "CREATE USER r"),
        (Postgres, "CREATE GROUP r"),
        (Postgres, "CREATE SERVER s FOREIGN DATA WRAPPER w"),
        (Postgres, "CREATE FOREIGN DATA WRAPPER w"),
        (Postgres, "CREATE FOREIGN TABLE t () SERVER s"),
        (Postgres, "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p"),
        (Postgres, "CREATE TABLESPACE s LOCATION 'x'"),
        (Postgres, "CREATE LANGUAGE plpython3u"),
        (Postgres, "CREATE EXTENSION dblink"),
        (Postgres, "CREATE EXTENSION IF NOT EXISTS file_fdw WITH SCHEMA public"),
        (Postgres, "CREATE FUNCTION f() RETURNS void AS '$libdir/x', 'y' LANGUAGE c"),
        (Postgres, "CREATE FUNCTION f() RETURNS void LANGUAGE plperlu AS 'x'"),
        (Postgres, "DO $$ BEGIN END $$"),
        (Postgres, "CALL p()"),
        (Postgres, "LOAD 'x'"),
        (Postgres, "SET foo.bar = 1"),
        (Postgres, "SET standard_conforming_strings = off"),
        (Postgres, "SET local_preload_libraries = 'x'"),
        (Postgres, "SELECT set_config('role', 'postgres', false)"),
        (Postgres, "SELECT pg_catalog.set_config('search_path', '', false), set_config('role', 'x', false)"),
        (Postgres, "INSERT INTO t VALUES (set_config('role', 'x', false))"),
        (Postgres, "SELECT pg_catalog.lo_import('/etc/passwd')"),
        (Postgres, "SELECT pg_read_file('x')"),
        (Postgres, "SELECT purge()"),
        (Postgres, "INSERT INTO t VALUES (1, pg_read_file('/etc/passwd'))"),
        (Postgres, "INSERT INTO t VALUES (1, 'a', \"dblink\" ('x'))"),
        (Postgres, "CREATE INDEX i ON t (pg_ls_dir(a))"),
        (Postgres, "REASSIGN OWNED BY a TO b"),
        (Mysql, "USE mysql"),
        (Mysql, "INSERT INTO mysql.user VALUES (1)"),
        (Mysql, "INSERT INTO `mysql` . `user` VALUES (1)"),
        (Mysql, "/*!50000 INSERT INTO mysql.user VALUES (1) */"),
        (Mysql, "INSERT IGNORE INTO mysql.user SELECT 1"),
        (Mysql, "REPLACE INTO mysql.user VALUES (1)"),
        (Mysql, "UPDATE mysql.user SET a = 1"),
        (Mysql, "DELETE FROM mysql.user"),
        (Mysql, "DROP TABLE IF EXISTS shop.orders"),
        (Mysql, "CREATE TABLE shop.x (a int)"),
        (Mysql, "CREATE TABLE IF NOT EXISTS `shop`.`x` (a int)"),
        (Mysql, "ALTER TABLE shop.x ADD a int"),
        (Mysql, "ALTER TABLE x RENAME shop.x"),
        (Mysql, "TRUNCATE TABLE shop.x"),
        (Mysql, "LOCK TABLES shop.x WRITE"),
        (Mysql, "LOCK TABLES a READ, b READ, c READ, d READ, e READ, f READ, g READ, h READ, i READ, shop.x WRITE"),
        (Mysql, "ALTER TABLE x ENGINE=CONNECT"),
        (Mysql, "CREATE TABLE x (a int) ENGINE='FEDERATED'"),
        (Mysql, "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE t"),
        (Mysql, "INSERT INTO t VALUES (load_file('/etc/passwd'))"),
        (Mysql, "SELECT 1 INTO OUTFILE 'x'"),
        (Mysql, "SET foo = 1"),
        (Mysql, "SET @a = 1, foo = 2"),
        (Mysql, "SET sql_mode = 'ANSI_QUOTES'"),
        (Mysql, "SET sql_mode = 'NO_BACKSLASH_ESCAPES'"),
        (Mysql, "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1"),
        (Mysql, "CREATE FUNCTION f RETURNS STRING SONAME 'x'"),
        (Mysql, "PREPARE p FROM @a"),
        (Mysql, "CALL p()"),
        (Mysql, "HANDLER t OPEN"),
        (Mysql, "source /etc/passwd"),
        (Mysql, "system sh"),
        (Sqlite, "ATTACH 'x' AS y"),
        (Sqlite, "PRAGMA writable_schema=ON"),
        (Sqlite, "INSERT INTO sqlite_schema VALUES (1)"),
        (Sqlite, "INSERT INTO \"sqlite_master\" VALUES (1)"),
        (Sqlite, "CREATE VIRTUAL TABLE t USING csv(filename=x)"),
        (Sqlite, "VACUUM INTO 'x'"),
        (Sqlite, "INSERT INTO t VALUES (readfile('/etc/passwd'))"),
        (Sqlite, "CREATE VIEW v AS SELECT load_extension('x')"),
    ] {
        let verdict = classify(dialect, Origin::Dump, text);
        if !matches!(verdict, Verdict::Refuse(_)) {
            failures.push(format!("{text}: {verdict:?}"));
        }
    }
    for line in ["\\! sh", "\\copy t from x", "\\i /etc/passwd", "\\o |sh", "\\gexec", ".shell sh", ".open x"] {
        if !matches!(classify_meta(line), Verdict::Refuse(_)) {
            failures.push(line.into());
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn what_a_scratch_database_does_not_need_is_left_out() {
    for (dialect, text, kind) in [
        (Postgres, "ALTER TABLE public.t OWNER TO app", Skipped::Ownership),
        (Postgres, "ALTER FUNCTION f() OWNER TO app", Skipped::Ownership),
        (Postgres, "ALTER LARGE OBJECT 1 OWNER TO app", Skipped::Ownership),
        (Postgres, "SET SESSION AUTHORIZATION 'app'", Skipped::Ownership),
        (Postgres, "GRANT ALL ON TABLE t TO app", Skipped::Privileges),
        (Postgres, "REVOKE ALL ON SCHEMA public FROM PUBLIC", Skipped::Privileges),
        (Postgres, "ALTER DEFAULT PRIVILEGES FOR ROLE a GRANT SELECT ON TABLES TO b", Skipped::Privileges),
        (Postgres, "SECURITY LABEL ON TABLE t IS 'x'", Skipped::Privileges),
        (Postgres, "COMMENT ON EXTENSION plpgsql IS 'x'", Skipped::Database),
        (Postgres, "CREATE EXTENSION IF NOT EXISTS plpgsql WITH SCHEMA pg_catalog", Skipped::Database),
        (Postgres, "CREATE DATABASE d WITH TEMPLATE = template0", Skipped::Database),
        (Postgres, "ALTER DATABASE d SET a = 1", Skipped::Database),
        (Postgres, "DROP DATABASE IF EXISTS d", Skipped::Database),
        (Postgres, "SET statement_timeout = 0", Skipped::Settings),
        (Mysql, "/*!40000 DROP DATABASE IF EXISTS `d`*/", Skipped::Database),
        (Mysql, "CREATE DATABASE /*!32312 IF NOT EXISTS*/ `d`", Skipped::Database),
        (Mysql, "SET @@SESSION.SQL_LOG_BIN= 0", Skipped::Settings),
        (Mysql, "SET @@GLOBAL.GTID_PURGED='x'", Skipped::Settings),
        (Mysql, "GRANT ALL ON d.* TO a", Skipped::Privileges),
    ] {
        assert_eq!(classify(dialect, Origin::Dump, text), Verdict::Skip(kind), "{text}");
    }
    assert_eq!(classify_meta("\\connect d"), Verdict::Skip(Skipped::Database));
}
