//! Credentials: added by the host, for the slot's own server alone, and shown by nothing.

use serde_json::Value;
use taskhost_tests::host;
use taskhost_tests::http::{Reply, Server};

use super::script::{Bound, bound};

const SECRET: &str = "Pl4nted-S3cret-t0ken";

/// Answers 200 to whoever has the credentials, and says nothing of them.
fn guarded() -> Server {
    Server::start(|request| {
        let known = [
            ("authorization", format!("Bearer {SECRET}")),
            ("authorization", "Basic YWRtaW46UGw0bnRlZC1TM2NyZXQtdDBrZW4=".to_owned()),
            ("x-api-key", SECRET.to_owned()),
        ];
        if known.iter().any(|(name, value)| request.header(name) == value) {
            Reply::ok("welcome")
        } else {
            Reply::new("401 Unauthorized", &[("www-authenticate", "Bearer")], "who are you")
        }
    })
}

#[test]
fn they_come_from_a_flag_a_variable_or_a_file() {
    let server = guarded();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, format!("{SECRET}\n")).unwrap();
    let file = file.display();
    for words in [
        format!("bearer={SECRET}"),
        "bearer=env:TOKEN".into(),
        format!("bearer=file:{file}"),
        format!("basic=admin:{SECRET}"),
        "basic=admin:env:TOKEN".into(),
        format!("basic=admin:file:{file}"),
        "basic=env:BOTH".into(),
        format!("header=X-Api-Key:{SECRET}"),
        "header=X-Api-Key:env:TOKEN".into(),
        format!("header=X-Other:1,header=x-api-key:file:{file}"),
    ] {
        let api = bound(&format!("{},{words}", server.url("")));
        let api = api.env("TOKEN", SECRET).env("BOTH", &format!("admin:{SECRET}"));
        assert_eq!(api.done("get x"), "200 welcome", "{words}");
    }
    assert_eq!(bound(&server.url("")).done("get x"), "401 who are you");
}

/// All that the host says, at its loudest, of a run and a rehearsal.
fn said(api: &Bound, script: &[&str]) -> String {
    let mut said = String::new();
    for mode in ["run", "plan"] {
        for form in
            [&["--format=text", "--verbose"][..], &["--format=json"], &["--format=nagios"], &["--format=markdown"]]
        {
            let host = api.host(mode, script).args(form.iter().copied());
            let output = host.env("TASKHOST_LOG", "trace").env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full").run();
            assert!(!output.stdout.is_empty(), "{output}");
            said += &output.to_string();
        }
    }
    said
}

#[track_caller]
fn assert_kept(said: &str) {
    let shown: Vec<_> =
        said.lines().filter(|line| line.contains(SECRET) || line.contains("UGw0bnRlZC1TM2NyZXQ")).collect();
    assert!(shown.is_empty(), "{shown:#?}");
}

#[test]
fn they_are_in_no_output() {
    let server = guarded();
    let elsewhere = Server::start(|_| Reply::ok("elsewhere"));
    let to = elsewhere.url("");
    let broken = Server::start(move |request| match request.path() {
        "/redirect" => Reply::redirect("302 Found", &to),
        "/broken" => Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"),
        _ => Reply::raw("no HTTP"),
    });
    let script = &[
        "get x show=url",
        "get redirect follow",
        "get broken",
        "post x",
        "get /..%2f",
        "get http://h/",
        "get x header=authorization:x",
    ];
    for words in ["bearer=env:TOKEN,post", "basic=admin:env:TOKEN", "header=X-Api-Key:env:TOKEN"] {
        for server in [&server, &broken] {
            let api = bound(&format!("{},{words}", server.url(""))).env("TOKEN", SECRET);
            assert_kept(&said(&api, script));
        }
        // Nobody is there, and somebody without TLS.
        for address in ["http://127.0.0.1:1".to_owned(), server.url("").replace("http:", "https:")] {
            let api = bound(&format!("{address},{words},timeout=1s")).env("TOKEN", SECRET);
            assert_kept(&said(&api, &["get x"]));
        }
    }
    assert!(elsewhere.seen().is_empty());
}

#[test]
fn they_are_in_no_output_where_the_binding_is_wrong() {
    for words in [
        format!("https://user:{SECRET}@h"),
        format!("https://h?token={SECRET}"),
        SECRET.to_string(),
        format!("https://h,bearer={SECRET} "),
        format!("https://h,bearer={SECRET},bearer={SECRET}"),
        format!("https://h,basic={SECRET}"),
        format!("https://h,header={SECRET}"),
        format!("https://h,header=X Y:{SECRET}"),
        format!("https://h,header=Host:{SECRET}"),
        format!("https://h,header=X:{SECRET},basic=a:{SECRET},bearer=env:NOT_SET"),
        format!("https://h,bearer={SECRET},timeout=never"),
        format!("https://h,bearer={SECRET},no-such=x"),
        format!("https://h,bearer=a,{}", SECRET.to_lowercase()),
    ] {
        let said = said(&bound(&words), &["get x"]);
        let said = said.replace(&SECRET.to_lowercase(), SECRET);
        assert_kept(&said);
        assert!(said.contains("slot `api`: "), "{words}: {said}");
    }
}

#[test]
fn they_do_not_go_to_another_server() {
    let other = Server::start(|request| Reply::ok(format!("{:?}", request.headers)));
    let to = other.url("");
    let server = Server::start(move |_| Reply::redirect("307 Temporary Redirect", &to));
    for words in ["bearer=env:TOKEN", "basic=a:env:TOKEN", "header=X-Api-Key:env:TOKEN"] {
        let api = bound(&format!("{},{words}", server.url(""))).env("TOKEN", SECRET);
        api.fails("get x follow", "refused", "redirects: ");
        // Nor is a slot bound that could send them to two.
        let both = api.clone().and(&other.url(""));
        let output = both.host("run", &["get x"]).args(["--format=json"]).run().expect_code(3);
        assert!(output.stdout.contains("credentials are for one server"), "{output}");
    }
    assert!(other.seen().is_empty());
    // Within the server they go along.
    let own = Server::start(|request| match request.path() {
        "/from" => Reply::redirect("302 Found", "/to"),
        _ => Reply::ok(request.header("authorization")),
    });
    let api = bound(&format!("{},bearer=env:TOKEN", own.url(""))).env("TOKEN", "t0ken");
    assert_eq!(api.done("get from follow"), "200 Bearer t0ken");
}

const BUNDLE: &str = r#"
[connections.api]
http = "SERVER"
bearer = "env:TOKEN"

[tasks.named]
plugin = "PLUGIN"
parameters = { script = "get x" }
grants.api = { connection = "api" }

[tasks.filed]
plugin = "PLUGIN"
parameters = { script = "get x" }
grants.api = { http = "SERVER", header = ["X-Other:1", "X-Api-Key:file:token"] }

[tasks.printed]
plugin = "PLUGIN"
parameters = { script = "get x" }
grants.api = { http = "SERVER", basic = { command = ["printf", "admin:SECRET"] } }
"#;

#[test]
fn a_bundle_has_them_from_the_same_places_and_lists_where_they_come_from() {
    let server = guarded();
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("token"), SECRET).unwrap();
    let bundle = directory.path().join("bundle.toml");
    let plugin = taskhost_tests::fixture("http");
    let text =
        BUNDLE.replace("SERVER", &server.url("")).replace("PLUGIN", plugin.to_str().unwrap()).replace("SECRET", SECRET);
    std::fs::write(&bundle, text).unwrap();
    let output = host().arg("run").arg(&bundle).args(["--all", "--format=json"]).env("TOKEN", SECRET).run();
    let output = output.expect_code(0);
    let whole = output.json();
    let runs = whole["runs"].as_array().unwrap();
    let detail = |run: &Value| run["findings"][0]["detail"].as_str().unwrap().to_owned();
    assert_eq!(runs.iter().map(detail).collect::<Vec<_>>(), vec!["200 welcome"; 3], "{output}");
    assert_kept(&output.to_string());
    // What is not there is named by where it should be.
    let output = host().arg("run").arg(&bundle).args(["--all"]).run().expect_code(3);
    assert!(output.to_string().contains("the environment variable TOKEN is not set"), "{output}");
    let listed = host().arg("grants").arg(&bundle).run().expect_code(0);
    for shown in ["bearer env:TOKEN", "header ***, X-Api-Key:file:token", "basic command:printf"] {
        assert!(listed.stdout.contains(shown), "{shown}: {listed}");
    }
}

#[test]
fn one_that_stands_in_a_bundle_is_warned_of_and_not_shown() {
    let directory = tempfile::tempdir().unwrap();
    let bundle = directory.path().join("bundle.toml");
    let plugin = taskhost_tests::fixture("http");
    for (setting, mistake) in [
        (format!("bearer = \"{SECRET}\""), ""),
        (format!("basic = 'admin:{SECRET}'"), ""),
        (format!("header = [\"X-A:{SECRET}\"]"), ""),
        (format!("bearer = \"{SECRET}\""), "no-such = 1"),
        (format!("bearer = \"{SECRET}\""), "broken"),
        (format!("bearer = \"{SECRET} with a space\""), ""),
        (format!("bearer = [[\"{SECRET}\"]]"), ""),
    ] {
        let text = format!(
            "[tasks.t]\nplugin = {plugin:?}\nparameters = {{ script = \"bases\" }}\n[tasks.t.grants.api]\n\
             http = \"https://h\"\n{setting}\n{mistake}\n"
        );
        std::fs::write(&bundle, text).unwrap();
        for form in ["text", "json"] {
            let checked = host().arg("check").arg(&bundle).args([format!("--format={form}")]).run();
            let said = checked.to_string();
            assert_kept(&said);
            assert!(checked.code == Some(1) || checked.code == Some(3), "{said}");
            assert!(
                mistake.is_empty() == (checked.code == Some(1)) || setting.contains("space") || setting.contains("[["),
                "{said}"
            );
        }
        let listed = host().arg("grants").arg(&bundle).run();
        assert_kept(&listed.to_string());
    }
}
