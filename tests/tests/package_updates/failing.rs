//! Indexes that fail for one package, or for all, and names that are no names.

use super::*;
use indexes::answer;
use taskhost_tests::http::{Reply, Server};

#[test]
fn an_index_that_fails_for_one_package_ends_nothing() {
    let project = Project::new(&[("requirements.txt", "flask==2.3.0\nbroken==1.0\nclick==8.1.0\n")]);
    for reply in [
        Reply::new("500 Internal Server Error", &[], ""),
        Reply::new("403 Forbidden", &[], ""),
        Reply::raw(""),
        Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"info\""),
        Reply::ok("<html>"),
        Reply::ok("{\"info\": {}, \"releases\": ".to_owned() + &"[".repeat(1_000_000)),
        Reply::ok(format!("{{\"info\": {{}}, \"releases\": {{{}\"a\": []}}}}", "\"a\":[],".repeat(1_000_000))),
        Reply::redirect("302 Found", "https://evil.test/broken"),
        Reply::ok(vec![b' '; (16 << 20) + 1]),
    ] {
        let server = Server::start(move |request| match request.path() {
            "/pypi/broken/json" => reply.clone(),
            _ => answer(request),
        });
        let output = updates("run", &project, &server, &["pypi"]).run();
        assert!(output.peak_memory < 1 << 30, "{} MiB", output.peak_memory >> 20);
        let report = output.expect_code(1).report();
        assert!(
            finding(&report, "PyPI", "not checked")["detail"].as_str().unwrap().starts_with("1 package: broken ("),
            "{report:#}"
        );
        assert_eq!(finding(&report, "flask 2.3.0", "outdated")["severity"], "warning");
        assert_eq!(report["summary"].as_str().unwrap().split(':').next(), Some("2 pins of 1 file compared"));
    }
}

#[test]
fn an_index_that_answers_nothing_ends_the_run_and_is_not_asked_forever() {
    let lines: String = (0..500).map(|number| format!("package-{number}==1.0\n")).collect();
    let project = Project::new(&[("requirements.txt", &lines)]);
    let server = Server::start(|_| Reply::new("503 Service Unavailable", &[], ""));
    let report = updates("run", &project, &server, &["pypi"]).run().expect_code(3).report();
    assert_eq!(report["run"]["outcome"], "unavailable", "{report:#}");
    assert!(server.seen().len() < 100, "{}", server.seen().len());
    // One of two: the other is compared.
    let both = Project::new(&[
        ("requirements.txt", &lines),
        (
            "web/package-lock.json",
            r#"{"lockfileVersion": 3, "packages": {"": {"dependencies": {"lodash": "4"}}, "node_modules/lodash": {"version": "4.17.20"}}}"#,
        ),
    ]);
    let server = Server::start(|request| match request.path() {
        "/npm/lodash" => answer(request),
        _ => Reply::raw(""),
    });
    let report = updates("run", &both, &server, &["pypi", "npm"]).run().expect_code(1).report();
    assert!(finding(&report, "PyPI", "not checked")["detail"].as_str().unwrap().starts_with("500 packages: "));
    assert_eq!(finding(&report, "lodash 4.17.20", "outdated")["severity"], "warning");
}

#[test]
fn a_document_that_is_too_long_is_asked_for_in_short() {
    let lock = r#"{"lockfileVersion": 3, "packages": {"": {"dependencies": {"lodash": "4"}}, "node_modules/lodash": {"version": "4.17.20"}}}"#;
    let project = Project::new(&[("package-lock.json", lock)]);
    let server = Server::start(|request| match request.header("accept") {
        "application/vnd.npm.install-v1+json" => Reply::ok(
            r#"{"name": "lodash", "dist-tags": {"latest": "4.17.21"}, "versions": {"4.17.20": {}, "4.17.21": {}}}"#,
        ),
        _ => Reply::ok(vec![b' '; (16 << 20) + 1]),
    });
    let report = updates("run", &project, &server, &["npm"]).run().expect_code(0).report();
    assert_eq!(
        finding(&report, "package-lock.json", "can be updated")["detail"],
        "1 package: lodash 4.17.20 to 4.17.21 (patch)"
    );
}

#[test]
fn names_that_are_no_names_become_no_addresses() {
    let lock = "[[package]]\nname = \"../../admin\"\nversion = \"1.0\"\n[[package]]\nname = \"http://evil.test/x\"\nversion = \"1.0\"\n\
                [[package]]\nname = \"flask\"\nversion = \"2.3.0\"\n[[package]]\nname = \"a/../../b\"\nversion = \"1.0\"\n";
    let project = Project::new(&[("poetry.lock", lock)]);
    let server = Server::start(answer);
    let report = updates("run", &project, &server, &["pypi"]).run().expect_code(1).report();
    assert!(
        finding(&report, "PyPI", "not checked")["detail"].as_str().unwrap().starts_with("3 packages: "),
        "{report:#}"
    );
    assert_eq!(asked(&server), ["/pypi/flask/json"]);
}

#[test]
fn what_is_not_granted_is_named_with_the_way_out() {
    let project = Project::new(&[
        ("requirements.txt", "flask==2.3.0\n"),
        ("Cargo.lock", "version = 4\n[[package]]\nname = \"x\"\nversion = \"1.0.0\"\nsource = \"registry+x\"\n"),
    ]);
    let server = Server::start(answer);
    let report = updates("run", &project, &server, &[]).run().expect_code(3).report();
    assert_eq!(report["run"]["outcome"], "invalid");
    assert!(report["error"].to_string().contains("--http pypi=https://pypi.org"), "{report:#}");
    let report = updates("run", &project, &server, &["pypi"]).args(["indirect=true"]).run().expect_code(1).report();
    assert_eq!(
        finding(&report, "crates.io", "not looked up")["detail"],
        "1 package without an index; bind --http crates=URL to do so"
    );
    let empty = Project::new(&[("README.md", "nothing")]);
    let report = updates("run", &empty, &server, &["pypi"]).run().expect_code(3).report();
    assert!(report["error"].to_string().contains("is a lockfile"), "{report:#}");
}
