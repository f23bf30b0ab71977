//! A password that is planted in every place where an operator may write one, and looked for in all that the host says:
//! in each form, well and badly ended, at its loudest.

use serde_json::json;
use taskhost::capability::Grants;
use taskhost_tests::{Database, Host, fixture, mariadb, postgres};

use crate::scene::{bind, shown};

const PASSWORD: &str = "Pl4nted-S3cret-w0rd";

/// What the host says of `target` in every subcommand and form; the password is in none of it.
#[track_caller]
fn assert_kept(what: &str, bind: &dyn Fn(Host) -> Host, password: &str) {
    let sql = shown(&fixture("sql"));
    let works = json!([{"do": "server"}, {"do": "query", "text": "SELECT 1"}]).to_string();
    let fails = json!([
        {"do": "query", "text": "SELECT nonsense"},
        {"do": "execute", "text": "DELETE FROM t"},
        {"do": "scratch", "as": "s"},
        {"do": "trap"},
    ])
    .to_string();
    for mode in ["run", "plan"] {
        for (form, script) in [
            (&["--format", "text", "--verbose"][..], &works),
            (&["--format", "json"], &fails),
            (&["--format", "nagios"], &fails),
            (&["--format", "markdown"], &works),
        ] {
            let host = taskhost_tests::host().args([mode, sql.as_str()]).arg(format!("script={script}"));
            let host = bind(host.args(form.iter().copied()));
            let loud = host.env("TASKHOST_LOG", "trace").env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full");
            let output = loud.run();
            assert!(!output.stdout.is_empty(), "{what}: {output}");
            let text = output.to_string();
            let shown: Vec<_> = text.lines().filter(|line| line.contains(password)).collect();
            assert!(shown.is_empty(), "{what}, {mode} {form:?}: {shown:#?}");
        }
    }
}

/// A role of the database whose password is the planted one.
async fn planted(server: &Database) -> url::Url {
    let url = server.role(&[]).await;
    let role = url.username().to_owned();
    let change = if url.scheme().starts_with("postgres") {
        format!("ALTER ROLE {role} PASSWORD '{PASSWORD}'")
    } else {
        format!("ALTER USER {role}@'%' IDENTIFIED BY '{PASSWORD}'")
    };
    server.execute(&[&change]).await;
    let mut planted = url;
    planted.set_password(Some(PASSWORD)).unwrap();
    planted
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_works_is_in_no_output() {
    let directory = tempfile::tempdir().unwrap();
    for server in [postgres().await, mariadb().await] {
        let url = planted(&server).await;
        let file = directory.path().join("credential");
        std::fs::write(&file, format!("{url}\n")).unwrap();
        let scheme = url.scheme().to_owned();
        let environment = |host: Host| host.args(["--sql", "database=env:URL,scratch"]).env("URL", url.as_str());
        assert_kept(&format!("{scheme} in the environment"), &environment, PASSWORD);
        let in_file = |host: Host| host.args(["--sql".into(), format!("database=file:{},scratch", shown(&file))]);
        assert_kept(&format!("{scheme} in a file"), &in_file, PASSWORD);
        let in_flag = |host: Host| host.args(["--sql".into(), format!("database={url},scratch")]);
        assert_kept(&format!("{scheme} in a flag"), &in_flag, PASSWORD);
    }
}

#[test]
fn a_password_in_a_binding_that_is_wrong_is_in_no_output() {
    let secret = PASSWORD;
    for target in [
        format!("postgres://user:{secret}@127.0.0.1:1/d"),
        format!("postgres://user:{secret}@127.0.0.1:1/d,lock-timeout=soon"),
        format!("postgres://user:{secret}@127.0.0.1:1/d,no-such-setting=x"),
        format!("postgres://user:{secret}@127.0.0.1:1/d,no-such-word"),
        format!("postgres://user:{secret}@127.0.0.1:99999/d"),
        format!("postgres://user:{secret}@host.invalid/d"),
        format!("postgres://user:{secret}@[::1/d"),
        format!("postgres://user:{secret}@/d?host=/nowhere&sslmode=nonsense"),
        format!("postgres://h/d?user=u&password={secret}"),
        format!("postgres://h/d?user=u&pasword={secret}"),
        format!("postgre://user:{secret}@h/d"),
        format!("mysql://user:{secret}@127.0.0.1:1/d?ssl-mode=nonsense"),
        format!("mysql://user:{secret}@127.0.0.1:1/d?no-such={secret}"),
        format!("user:{secret}@h/d"),
        // A comma that was not written as %2C cuts the password in two.
        format!("postgres://user:a,{secret}@127.0.0.1:1/d"),
        format!("postgres://user:a,{secret}/b@127.0.0.1:1/d"),
        format!("postgres://user:a,{secret}=b@127.0.0.1:1/d"),
        format!("postgres://user:a,b={secret}@127.0.0.1:1/d"),
    ] {
        let bind = |host: Host| host.args(["--sql".into(), format!("database={target}")]);
        assert_kept(&target, &bind, secret);
    }
    for flag in ["--files", "--tls"] {
        let bind = |host: Host| host.args([flag.into(), format!("x=https://user:{secret}@h/d,a,{secret}@b")]);
        assert_kept(flag, &bind, secret);
    }
}

#[test]
fn a_password_is_not_in_what_debug_shows() {
    for target in [
        format!("postgres://user:{PASSWORD}@h/d"),
        format!("mysql://user:{PASSWORD}@h/d"),
        format!("postgres://h/d?user=u&password={PASSWORD}"),
    ] {
        let mut grants = Grants::default();
        bind(&mut grants, "sql", &format!("database={target},write,table=t"));
        let shown = format!("{grants:?} {grants:#?}");
        assert!(!shown.contains(PASSWORD), "{shown}");
    }
}
