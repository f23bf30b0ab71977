//! Worlds are made as they are written, reach no further than themselves, and are gone afterwards.

use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use taskhost_tests::{mariadb, postgres, redis};

use super::{Cases, said};

const SERVERS: &str = r#"
[[case]]
name = "rows"
parameters = { table = "old", column = "t", older-than = "1d" }
grants.database = { sql = "shop", access = "write", table = "old" }

[case.sql.shop]
server = ["sqlite", "postgres", "mariadb"]
statements = """
CREATE TABLE old (id INTEGER PRIMARY KEY, t BIGINT, word VARCHAR(20), part NUMERIC(6, 2));
INSERT INTO old VALUES (1, 1, 'it''s; {shop}', 1.50), (2, 4000000000, NULL, NULL);
"""

[case.expect]
outcome = "ok"
rows = { shop = { "SELECT id, word, part FROM old" = [[2, "NULL", "NULL"]], "SELECT count(*) FROM old" = 1 } }

[[case]]
name = "keys"
parameters = { pattern = "a:*" }
grants.cache = { redis = "cache", access = "write", key = "a:*" }
redis.cache.commands = ["SET a:1 x", ["SET", "b 1", "a value"], "RPUSH list one two"]
expect = { outcome = "ok", replies = { cache = { "EXISTS a:1" = 0, "LRANGE list 0 -1" = ["one", "two"], "TYPE list" = "list" } } }

[[case]]
name = "things on an engine"
parameters = { what = "containers,networks,volumes", older-than = "0s", named-volumes = true }
grants.engine = { docker = "engine", access = "prune" }
docker.engine = { containers = ["web"], volumes = ["data"], networks = ["net"], images = ["app:1", "app:2"] }

[case.expect]
outcome = "ok"
effects = [
    { operation = "remove-container", target = "{engine}-web", decision = "perform" },
    { operation = "remove-network", target = "{engine}-net", decision = "perform" },
    { operation = "remove-volume", target = "{engine}-data", decision = "perform" },
]
things.engine = { images = ["app:1", "app:2"] }
"#;

#[test]
fn databases_keys_and_things_are_made_and_are_gone_afterwards() {
    let output = Cases::new(SERVERS).on("row-retention").args(["--case", "rows"]).servers().run().expect_code(0);
    assert!(output.stdout.contains("3 passed"), "{output}");
    Cases::new(SERVERS).on("redis-cleanup").args(["--case", "keys"]).servers().run().expect_code(0);
    let output = Cases::new(SERVERS).on("docker-prune").args(["--case", "things"]).servers().run().expect_code(0);
    assert!(!output.stdout.contains("left behind"), "{output}");
}

#[tokio::test]
async fn nothing_is_left_on_a_server() {
    // Names of scratch databases begin so; other tests have some, under other names than before.
    const POSTGRES: &str = "SELECT count(*) FROM pg_database WHERE datname LIKE 'taskhost_scratch_%' AND NOT EXISTS \
        (SELECT FROM pg_stat_activity a WHERE a.application_name = datname)";
    const MARIADB: &str = "SELECT count(*) FROM information_schema.schemata WHERE schema_name LIKE \
        'taskhost_scratch_%' AND IS_FREE_LOCK(schema_name)";
    let (postgres, mariadb) = (postgres().await, mariadb().await);
    let before = (postgres.number(POSTGRES).await, mariadb.number(MARIADB).await);
    let cases = Cases::new(SERVERS);
    let output = cases.on("row-retention").args(["--case", "rows", "--format", "json"]).servers().run().expect_code(0);
    for case in output.json()["cases"].as_array().unwrap() {
        assert_eq!(case["left"], serde_json::json!([]), "{case:#}");
    }
    // Other tests make some, too, and drop them.
    let begun = std::time::Instant::now();
    loop {
        let after = (postgres.number(POSTGRES).await, mariadb.number(MARIADB).await);
        if after.0 <= before.0 && after.1 <= before.1 {
            break;
        }
        assert!(begun.elapsed() < std::time::Duration::from_mins(1), "{after:?} are left of {before:?}");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

/// A case whose set-up never ends, with a statement that has `mine` in it.
fn asleep(mine: &str) -> String {
    format!(
        r#"
[[case]]
name = "it waits in its set-up"
parameters = {{ table = "t", column = "t", older-than = "1d" }}
grants.database = {{ sql = "shop", access = "write", table = "t" }}
expect = {{ outcome = "ok" }}

[case.sql.shop]
server = "postgres"
statements = "SELECT pg_sleep(600) AS {mine}"
"#
    )
}

/// How many sessions in scratch databases are at such a statement.
fn sleepers(mine: &str) -> String {
    format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname LIKE 'taskhost_scratch_%' AND query LIKE '%{mine}%' AND \
         pid <> pg_backend_pid()"
    )
}

async fn until_asleep(postgres: &taskhost_tests::Database, mine: &str) {
    let begun = Instant::now();
    while postgres.number(&sleepers(mine)).await == 0 {
        assert!(begun.elapsed() < Duration::from_mins(1), "the case does not begin");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The next that makes one drops what nobody holds any more, and what is still at work in it.
#[tokio::test]
async fn what_a_host_that_is_killed_leaves_is_dropped_by_the_next() {
    let postgres = postgres().await;
    let mine = format!("victim_{}", postgres.name());
    let cases = Cases::new(&asleep(&mine));
    let process = cases.on("row-retention").servers().spawn();
    until_asleep(&postgres, &mine).await;
    process.kill_hard();
    assert_eq!(postgres.number(&sleepers(&mine)).await, 1);
    let begun = Instant::now();
    while postgres.number(&sleepers(&mine)).await > 0 {
        assert!(begun.elapsed() < Duration::from_mins(1), "the database stays");
        Cases::new(SERVERS).on("row-retention").args(["--case", "rows"]).servers().run().expect_code(0);
    }
}

#[test]
fn a_server_that_is_not_named_keeps_its_cases_from_running_and_no_others() {
    let output = Cases::new(SERVERS).on("row-retention").args(["--case", "rows"]).run().expect_code(3);
    assert!(output.stdout.contains("1 passed, 2 not run"), "{output}");
    assert!(output.stdout.contains("TASKHOST_TEST_POSTGRES is not set"), "{output}");
    let cases = Cases::new(SERVERS);
    let output = cases
        .on("row-retention")
        .args(["--case", "rows"])
        .env("TASKHOST_TEST_POSTGRES", "postgres://u:hunter2@127.0.0.1:1/x")
        .env("TASKHOST_TEST_MYSQL", "mysql:hunter2")
        .run()
        .expect_code(3);
    assert!(!said(&output).contains("hunter2"), "{output}");
}

#[tokio::test]
async fn a_case_that_is_interrupted_in_its_set_up_is_not_run_and_leaves_nothing() {
    let postgres = postgres().await;
    let mine = format!("waits_{}", postgres.name());
    let cases = Cases::new(&asleep(&mine));
    let process = cases.on("row-retention").servers().spawn();
    until_asleep(&postgres, &mine).await;
    process.interrupt();
    let output = process.wait().expect_code(3);
    assert!(output.stdout.contains("not run  it waits in its set-up") && output.stdout.contains("stopped"), "{output}");
    assert!(!output.stdout.contains("left behind"), "{output}");
    assert_eq!(postgres.number(&sleepers(&mine)).await, 0);
}

#[test]
fn a_run_that_is_interrupted_is_stopped_and_its_world_is_emptied() {
    let redis = redis();
    let mine = format!("a:{}:{}", redis.number(), std::process::id());
    let text = format!(
        r#"
[[case]]
name = "long"
parameters = {{ pattern = "{mine}:*", batch = 1, pause-ms = 60000 }}
grants.cache = {{ redis = "cache", access = "write", key = "a:*" }}
timeout = "10m"
redis.cache.commands = ["SET {mine}:1 x", "SET {mine}:2 x"]
expect = {{ outcome = "ok" }}
"#
    );
    let cases = Cases::new(&text);
    let process = cases.on("redis-cleanup").servers().spawn();
    // In the middle of it one of the two keys is gone.
    let mut client = redis.client();
    let left = |client: &mut taskhost_tests::RedisClient| -> u64 {
        let information = client.text(&["INFO", "keyspace"]);
        let databases = information.lines().filter_map(|line| line.strip_prefix("db")?.split_once(':'));
        let databases: Vec<String> = databases.map(|(number, _)| number.into()).collect();
        databases
            .iter()
            .map(|number| {
                client.run(&["SELECT", number]);
                let exists = client.text(&["EXISTS", &format!("{mine}:1"), &format!("{mine}:2")]);
                exists.parse::<u64>().unwrap()
            })
            .sum()
    };
    let begun = Instant::now();
    while left(&mut client) != 1 {
        assert!(begun.elapsed() < Duration::from_mins(1), "the run does not begin");
        std::thread::sleep(Duration::from_millis(20));
    }
    process.interrupt();
    let output = process.wait().expect_code(3);
    assert!(output.stdout.contains("not run  long") && !output.stdout.contains("left behind"), "{output}");
    assert_eq!(left(&mut client), 0);
}

#[test]
fn no_case_reaches_out_of_its_directory() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "keep me").unwrap();
    let place = outside.path().display();
    for (files, expected) in [
        // A link is made as it is written; nothing is made, or bound, through it.
        (format!("\"a\" = {{ link = \"{place}\" }}, \"a/made\" = \"x\""), "a/made: "),
        (format!("\"logs\" = {{ link = \"{place}\" }}"), "logs: File exists"),
        (format!("\"a\" = {{ link = \"{place}/secret\", age = \"1d\" }}, \"b\" = \"x\""), ""),
        ("\"a\" = { copy = \"link\" }".into(), "does not lie below the directory around the one of the cases"),
        ("\"a\" = { copy = \"nothing\" }".into(), "nothing: No such file"),
        ("\"a\" = { size = \"2TiB\" }".into(), "are more than 1024 MiB"),
    ] {
        let cases = Cases::new(&format!(
            "[[case]]\nname = \"out\"\nparameters = {{ older-than = \"1m\" }}\ngrants.directory = {{ files = \"logs\", access = \
             \"delete\" }}\nfiles = {{ {files} }}\nexpect = {{ outcome = \"ok\" }}\n"
        ));
        symlink(outside.path().join("secret"), cases.path("cases/link")).unwrap();
        let output = cases.on("file-cleanup").run();
        assert!(output.stdout.contains(expected), "{files}: {output}");
        assert_eq!(output.code, Some(if expected.is_empty() { 0 } else { 3 }), "{files}: {output}");
        let names: Vec<_> = outside.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["secret"], "{files}");
        assert_eq!(std::fs::read_to_string(outside.path().join("secret")).unwrap(), "keep me");
    }
}

#[test]
fn a_file_is_made_as_it_is_written_and_a_directory_that_nobody_may_enter_is_removed() {
    let cases = Cases::new(
        r#"
[[case]]
name = "modes, sizes, copies and links"
parameters = { older-than = "30d", pattern = "*.old" }
grants.directory = { files = ".", access = "delete" }

[case.files]
"closed" = { directory = true, mode = "000" }
"secret.txt" = { content = "in {files}", mode = "600" }
"large.old" = { size = "3MiB", age = "31d" }
"copy.toml" = { copy = "all.toml" }
"link" = { link = "secret.txt" }
"young.old" = { content = "", age = "29d" }

[case.expect]
outcome = "ok"
metrics = { bytes_freed = 3145728, files_removed = 1 }

[case.expect.files]
"closed" = { mode = "000" }
"secret.txt" = { content = "in {files}", mode = "600" }
"large.old" = false
"copy.toml" = { contains = "modes, sizes, copies and links" }
"link" = { content = "secret.txt" }
"young.old" = { size = 0, unchanged = true }
"#,
    );
    let temporary = tempfile::tempdir().unwrap();
    let place = temporary.path().display().to_string();
    cases.on("file-cleanup").env("TMPDIR", place).run().expect_code(0);
    let left: Vec<_> = temporary.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_plugin_that_never_ends_is_a_case_like_any_other() {
    let cases = Cases::new(
        "[[case]]\nname = \"it is timed out\"\ntimeout = 1\nparameters = { case = \"loop\" }\nexpect = { outcome = \"timed-out\", error = \"it did not end within 1s\" }\n",
    );
    let host = taskhost_tests::host().arg("test").arg(taskhost_tests::hostile("conduct")).arg("cases/all.toml");
    host.directory(cases.directory.path()).run().expect_code(0);
}

#[test]
fn a_hundred_cases_run_a_few_at_a_time_and_are_told_in_their_order() {
    let case = |number: usize| {
        format!(
            "[[case]]\nname = \"case {number}\"\nparameters = {{ older-than = \"1d\" }}\ngrants.directory = {{ files = \".\", \
             access = \"delete\" }}\nfiles = {{ \"{number}\" = {{ content = \"{number}\", age = \"2d\" }} }}\nexpect = {{ outcome = \
             \"ok\", files = {{ \"{number}\" = false }} }}\n"
        )
    };
    let cases = Cases::new(&(0..100).map(case).collect::<String>());
    let output = cases.on("file-cleanup").args(["--jobs", "8", "--format", "json"]).run().expect_code(0);
    let json = output.json();
    let names: Vec<_> = json["cases"].as_array().unwrap().iter().map(|case| case["name"].as_str().unwrap()).collect();
    let expected: Vec<String> = (0..100).map(|number| format!("case {number}")).collect();
    assert_eq!(names, expected);
}
