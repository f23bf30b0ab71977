//! The whole circle: a database is dumped by its own program, verified, and restored and counted.

use serde_json::{Value, json};
use taskhost_tests::{Database, host, mariadb, postgres};

use super::scene::{World, content, findings};

const TABLES: &[&str] = &[
    "CREATE TABLE users (id int PRIMARY KEY, name varchar(50) NOT NULL)",
    "CREATE TABLE orders (id int PRIMARY KEY, buyer int NOT NULL REFERENCES users (id))",
    "CREATE TABLE empty_one (id int PRIMARY KEY)",
    "INSERT INTO users VALUES (1, 'one'), (2, 'two'), (3, '-- PostgreSQL database dump complete')",
    "INSERT INTO orders VALUES (10, 1), (11, 2)",
];

/// A world whose template dumps the database, the password being kept out of its arguments.
fn world(database: &Database, argv: &str, environment: &str) -> World {
    let world = World::new();
    let url = database.url();
    let fill = |text: &str| {
        text.replace("{host}", url.host_str().unwrap())
            .replace("{port}", &url.port().unwrap().to_string())
            .replace("{user}", url.username())
            .replace("{password}", url.password().unwrap())
            .replace("{name}", database.name())
    };
    world.templates(&format!(
        "[template.dump]\nargv = {}\nenvironment = {{ {} }}\nimpact = \"observe\"\n",
        fill(argv),
        fill(environment)
    ));
    world
}

fn pg_dump(database: &Database) -> World {
    world(
        database,
        r#"["pg_dump", "--no-owner", "--dbname={name}"]"#,
        r#"PGHOST = "{host}", PGPORT = "{port}", PGUSER = "{user}", PGPASSWORD = "{password}""#,
    )
}

/// Makes the backup, counting the rows.
fn create(world: &World, database: &Database, arguments: &[&str]) -> Value {
    let host = world.with_dump(world.host("run")).args(["--sql", &format!("database={}", database.url())]);
    host.args(arguments.iter().copied()).run().expect_code(0).report()
}

/// What the two others say of it.
fn verify_and_restore(world: &World, database: &Database, name: &str) {
    let slot = world.slot("backups", "backups", "");
    let verify = ["run", "backup-verify", "require-checksum=true", "private=false", "--format=json", "--files", &slot];
    let report = host().args(verify).run().expect_code(0).report();
    assert_eq!(findings(&report), [format!("ok {name}: backup is readable to its last byte")]);
    let said = report["findings"][0]["detail"].as_str().unwrap();
    assert!(said.ends_with("to its last line, as its checksum says"), "{said}");

    let scratch = format!("database={},scratch", database.url());
    let test = ["run", "backup-test", "compare=manifest", "--format=json", "--files", &slot, "--sql", &scratch];
    let report = host().args(test).run().expect_code(0).report();
    assert_eq!(findings(&report), [format!("ok {name}: backup restores")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_pg_dump_writes_is_stored_verified_and_restored() {
    let database = postgres().await;
    database.execute(TABLES).await;
    database
        .execute(&[
            "CREATE SCHEMA \"odd \"\"schema\"",
            "CREATE TABLE \"odd \"\"schema\".\"a b\" AS SELECT generate_series(1, 7) n",
        ])
        .await;
    for compress in ["zstd", "gzip", "none"] {
        let world = pg_dump(&database);
        let report = create(&world, &database, &[&format!("compress={compress}")]);
        assert!(report["summary"].as_str().unwrap().ends_with(", 4 tables counted"), "{}", report["summary"]);
        let ending = [("zstd", ".sql.zst"), ("gzip", ".sql.gz"), ("none", ".sql")];
        let (path, manifest) = world.backup(ending.iter().find(|it| it.0 == compress).unwrap().1);
        let expected = json!({"public.users": 3, "public.orders": 2, "public.empty_one": 0, "odd \"schema.a b": 7});
        assert_eq!(manifest["tables"], expected);
        verify_and_restore(&world, &database, path.file_name().unwrap().to_str().unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_mariadb_dump_writes_is_stored_verified_and_restored() {
    let database = mariadb().await;
    database.execute(TABLES).await;
    let world = world(
        &database,
        r#"["mariadb-dump", "--host={host}", "--port={port}", "--user={user}", "--single-transaction", "{name}"]"#
            .replace("\"{name}\"", &format!("\"{}\"", database.name()))
            .as_str(),
        r#"MYSQL_PWD = "{password}""#,
    );
    create(&world, &database, &[]);
    let (path, manifest) = world.backup(".sql.zst");
    assert_eq!(manifest["tables"], json!({"users": 3, "orders": 2, "empty_one": 0}));
    verify_and_restore(&world, &database, path.file_name().unwrap().to_str().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_lost_rows_after_it_was_made_is_told_by_its_manifest() {
    let database = postgres().await;
    database.execute(TABLES).await;
    let world = pg_dump(&database);
    create(&world, &database, &["compress=none"]);
    let (path, _) = world.backup(".sql");
    let text = String::from_utf8(content(&path)).unwrap();
    assert!(text.contains("10\t1\n"));
    std::fs::write(&path, text.replace("10\t1\n", "")).unwrap();
    let slot = world.slot("backups", "backups", "");
    let verify = ["run", "backup-verify", "private=false", "--format=json", "--files", &slot];
    let name = path.file_name().unwrap().to_str().unwrap();
    let report = host().args(verify).run().expect_code(2).report();
    assert_eq!(findings(&report), [format!("critical {name}: backup is not what its checksum is of")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_written_meanwhile_or_may_not_be_read_is_not_in_the_manifest() {
    let database = postgres().await;
    database.execute(TABLES).await;
    let role = database.role(&["GRANT SELECT ON users, orders TO {role}"]).await;
    let world =
        World::dumping("pg_dump --dbname=\"$URL\"; psql --quiet \"$URL\" -c 'INSERT INTO orders VALUES (12, 3)' >&2");
    world.templates(&format!(
        "[template.dump]\nargv = [\"./dump.sh\"]\nimpact = \"observe\"\nenvironment = {{ URL = \"{}\" }}\n",
        database.url()
    ));
    let host = world.with_dump(world.host("run")).args(["--sql", &format!("database={role}")]);
    let report = host.run().expect_code(1).report();
    assert_eq!(findings(&report), ["warning app: tables could not be counted"]);
    assert_eq!(world.backup(".sql.zst").1["tables"], json!({"public.users": 3}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_is_backed_up_by_its_program_all_the_same_and_a_program_that_cannot_reach_it_fails() {
    let database = postgres().await;
    database.execute(TABLES).await;
    let world = pg_dump(&database);
    let mut away = database.url();
    away.set_port(Some(1)).unwrap();
    let host = world.with_dump(world.host("run")).args(["--sql", &format!("database={away}")]);
    assert_eq!(findings(&host.run().expect_code(1).report()), ["warning app: rows could not be counted"]);
    assert_eq!(world.backup(".sql.zst").1.get("tables"), None);

    let world = world_of_another_port(&database);
    let report = world.dump(&[]).expect_code(2).report();
    assert_eq!(findings(&report), ["critical app: dump failed"]);
    assert_eq!(world.everything(), [""; 0]);
}

fn world_of_another_port(database: &Database) -> World {
    let name = database.name();
    let world = World::new();
    world.templates(&format!(
        "[template.dump]\nargv = [\"pg_dump\", \"--host=127.0.0.1\", \"--port=1\", \"--dbname={name}\"]\nimpact = \"observe\"\n"
    ));
    world
}
