//! Who the tasks are to their databases is asked where it can be, and a check says it with the line of the grant.

use std::net::TcpListener;

use serde_json::Value;
use taskhost_tests::{Host, Output, mariadb, postgres};

use super::World;

const BUNDLE: &str = r#"
[connections.shop]
sql = "env:SUPERUSER_URL"

[connections.narrow]
sql = "env:ROLE_URL"

[connections.maria]
sql = "env:MARIA_URL"

[connections.silent]
sql = "env:SILENT_URL"

[connections.away]
sql = "postgres://task@127.0.0.1:1/shop"

[connections.unset]
sql = "env:NOT_SET"

[connections.program]
sql = { command = ["touch", "started"] }

[tasks.size]
plugin = "database-size"
grants.database = { connection = "shop" }

[tasks.sessions]
plugin = "session-review"
grants.database = { connection = "shop" }

[tasks.narrow]
plugin = "database-size"
grants.database = { connection = "narrow" }

[tasks.maria]
plugin = "database-size"
grants.database = { connection = "maria" }

[tasks.silent]
plugin = "database-size"
grants.database = { connection = "silent" }

[tasks.away]
plugin = "database-size"
grants.database = { connection = "away" }

[tasks.unset]
plugin = "database-size"
grants.database = { connection = "unset" }

[tasks.program]
plugin = "database-size"
grants.database = { connection = "program" }

[tasks.file]
plugin = "database-size"
grants.database = { sql = "sqlite:none.db" }
"#;

#[tokio::test]
async fn a_superuser_behind_a_read_grant_is_said_with_its_line() {
    let (shop, maria) = (postgres().await, mariadb().await);
    let role = shop.role(&[]).await;
    // Takes connections and never says a word.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("postgres://task:hunter2@{}/shop", listener.local_addr().unwrap());
    let world = World::new(BUNDLE);
    let check = || -> Host {
        let host = world.host("check").env("SUPERUSER_URL", shop.url()).env("ROLE_URL", role.as_str());
        host.env("MARIA_URL", maria.url()).env("SILENT_URL", silent.as_str())
    };
    let output = check().args(["--format", "json"]).run().expect_code(1);
    let warnings = warnings(&output);
    let [unset, size, maria_db] = warnings.as_slice() else { panic!("{warnings:?}") };
    let (shown, of_maria) = (without_password(&shop.url()), without_password(&maria.url()));
    assert_eq!(
        *size,
        format!(
            "25: task `size`: slot `database`: the role of {shown} is a superuser, which is more than the grant (read) \
             needs; bind it to a role that can do no more than that -> one more grant is of the same role"
        )
    );
    assert_eq!(
        *maria_db,
        format!(
            "37: task `maria`: slot `database`: the role of {of_maria} has ALL PRIVILEGES on the whole server, which is \
             more than the grant (read) needs; bind it to a role that can do no more than that"
        )
    );
    assert!(unset.contains("the environment variable NOT_SET is not set here"), "{unset}");

    let output = check().run().expect_code(1);
    for part in ["connection `away`: cannot connect to postgres://task@127.0.0.1:1/shop", "connection `silent`: "] {
        assert!(output.stdout.contains(&format!("not looked at: {part}")), "{part}: {output}");
    }
    assert!(!output.stdout.contains("hunter2"), "{output}");
    assert!(!world.path("started").exists() && !world.path("none.db").exists());

    let output = check().args(["--offline", "--format", "json"]).run().expect_code(1);
    assert_eq!(self::warnings(&output).len(), 1, "{output}");
}

/// The line of each, what it is, and what to do.
fn warnings(output: &Output) -> Vec<String> {
    let shown = |problem: &Value| {
        let help = problem["help"].as_str().map(|help| format!(" -> {help}")).unwrap_or_default();
        format!("{}: {}{help}", problem["line"], problem["message"].as_str().unwrap())
    };
    output.json().as_array().unwrap().iter().map(shown).collect()
}

fn without_password(url: &url::Url) -> String {
    let mut url = url.clone();
    url.set_password(None).unwrap();
    url.set_query(None);
    url.to_string()
}
