//! Pins of each ecosystem, compared with its index.

use super::*;
use indexes::answer;

const CARGO: &str = r#"version = 4

[[package]]
name = "tool"
version = "0.1.0"
dependencies = ["serde", "time", "abc"]

[[package]]
name = "serde"
version = "1.0.200"
source = "registry+https://github.com/rust-lang/crates.io-index"

[[package]]
name = "time"
version = "0.1.43"
source = "registry+https://github.com/rust-lang/crates.io-index"

[[package]]
name = "abc"
version = "1.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"

[[package]]
name = "deep"
version = "1.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"

[[package]]
name = "ours"
version = "1.0.0"
source = "git+https://example.org/ours.git#0000"
"#;

const NPM: &str = r#"{"lockfileVersion": 3, "packages": {
    "": {"dependencies": {"lodash": "^4", "@scope/ui": "1"}, "devDependencies": {"request": "2"}},
    "node_modules/lodash": {"version": "4.17.20"}, "node_modules/@scope/ui": {"version": "1.2.3"},
    "node_modules/request": {"version": "2.88.2", "dev": true}, "node_modules/deep": {"version": "1.0.0"}}}"#;

const GO: &str = "module example.org/shop\n\ngo 1.22.1\n\nrequire (\n\tgolang.org/x/net v0.16.0\n\tgithub.com/BurntSushi/toml v1.3.0\n\t\
                  github.com/golang-jwt/jwt/v4 v4.5.0\n\texample.org/deep v1.0.0 // indirect\n)\n";

#[test]
fn pins_of_each_ecosystem_are_compared_with_its_index() {
    let project = Project::new(&[
        ("requirements.txt", "flask==2.3.1\nclick==8.1.0\nnose==1.3.7\nflask-gone==1.0\nflask==3.9\n"),
        ("Cargo.lock", CARGO),
        ("web/package-lock.json", NPM),
        ("go.mod", GO),
    ]);
    let server = taskhost_tests::http::Server::start(answer);
    let report = updates("run", &project, &server, &ALL).run().expect_code(1).report();
    let told: Vec<_> =
        found(&report).into_iter().map(|[severity, subject, title]| format!("{severity} {subject}: {title}")).collect();
    assert_eq!(
        told,
        [
            // Go: what goes on under another path, what was retracted, and what is just far behind.
            "warning github.com/BurntSushi/toml v1.3.0: yanked release",
            "warning github.com/golang-jwt/jwt/v4 v4.5.0: deprecated package",
            "warning github.com/golang-jwt/jwt/v4 v4.5.0: outdated",
            "warning golang.org/x/net v0.16.0: outdated",
            "warning flask 2.3.1: yanked release",
            "warning flask 2.3.1: outdated",
            "warning flask 3.9: not in the index",
            "warning flask-gone 1.0: not in the index",
            "warning nose 1.3.7: deprecated package",
            "warning abc 1.0.0: yanked release",
            "warning serde 1.0.200: yanked release",
            "warning time 0.1.43: outdated",
            "warning lodash 4.17.20: outdated",
            "warning request 2.88.2: deprecated package",
            "ok Cargo.lock: can be updated",
            "ok go.mod: can be updated",
            "ok requirements.txt: can be updated",
            "ok web/package-lock.json: can be updated",
        ]
        .map(str::to_owned)
        .to_vec(),
        "{told:#?}"
    );
    let detail = |subject: &str, title: &str| finding(&report, subject, title)["detail"].as_str().unwrap().to_owned();
    assert!(
        detail("flask 2.3.1", "outdated")
            .starts_with("3.1.0 of 2024-11-13 (major) is there, the pin is of 2023-04-25, 2 releases behind over "),
        "{}",
        detail("flask 2.3.1", "outdated")
    );
    assert_eq!(detail("flask 2.3.1", "yanked release"), "it was taken back: Broken typing; pinned in requirements.txt");
    assert!(
        detail("github.com/golang-jwt/jwt/v4 v4.5.0", "outdated")
            .starts_with("github.com/golang-jwt/jwt/v5 v5.2.2 (major)")
    );
    // The newest was retracted as well.
    assert_eq!(finding(&report, "github.com/BurntSushi/toml v1.3.0", "yanked release")["remedy"], "pin v1.4.0");
    assert_eq!(
        detail("web/package-lock.json", "can be updated"),
        "1 package: @scope/ui 1.2.3 to 1.4.0 of 2099-01-02 (minor)"
    );
    assert!((metric(&report, "packages_yanked", None) - 4.0).abs() < 0.1);
    assert!((metric(&report, "packages_outdated", Some("major")) - 3.0).abs() < 0.1);
    assert!(report["summary"].as_str().unwrap().starts_with("14 pins of 4 files compared: "), "{report:#}");
    // Each package once, none that is not asked for, and nothing of what is from elsewhere.
    let asked = asked(&server);
    assert_eq!(asked.iter().filter(|path| path.contains("flask/")).count(), 1, "{asked:?}");
    assert!(
        !asked.iter().any(|path| path.contains("deep") || path.contains("ours") || path.contains("stdlib")),
        "{asked:?}"
    );
}

#[test]
fn a_rehearsal_compares_the_same() {
    let project = Project::new(&[("requirements.txt", "flask==2.3.1\n"), ("web/package-lock.json", NPM)]);
    let server = taskhost_tests::http::Server::start(answer);
    let planned = updates("plan", &project, &server, &ALL).run().expect_code(1).report();
    let ran = updates("run", &project, &server, &ALL).run().expect_code(1).report();
    assert_eq!(planned["findings"], ran["findings"]);
    assert!(planned["effects"].as_array().unwrap().iter().all(|effect| effect["impact"] == "observe"), "{planned:#}");
}

#[test]
fn which_releases_count_is_the_operators() {
    let server = taskhost_tests::http::Server::start(answer);
    for (pin, arguments, expected) in [
        ("flask==3.0.0", &[][..], Some("3.1.0")),
        ("flask==3.0.0", &["python=3.8"], None),
        ("flask==2.3.0", &["python=3.8"], Some("3.0.0")),
        ("flask==3.1.0", &[], None),
        ("flask==3.1.0", &["pre-releases=true"], Some("4.0.0rc1")),
        ("flask==4.0.0rc1", &[], None),
        ("click==8.1.0", &[], Some("8.1.7")),
        ("click==8.1.0", &["min-age=1d"], None),
    ] {
        let project = Project::new(&[("requirements.txt", pin)]);
        let report = updates("run", &project, &server, &["pypi"]).args(arguments.iter().copied()).run().report();
        assert!(report["error"].is_null(), "{report:#}");
        let text = report["findings"].to_string();
        match expected {
            Some(version) => assert!(text.contains(version), "{pin} {arguments:?}: {report:#}"),
            None => assert_eq!(found(&report), [[""; 3]; 0], "{pin} {arguments:?}"),
        }
    }
    let project = Project::new(&[("requirements.txt", "flask==3.0.0")]);
    let report = updates("run", &project, &server, &["pypi"]).args(["python=three"]).run().expect_code(3).report();
    assert_eq!(report["run"]["outcome"], "invalid");
}

#[test]
fn what_is_a_warning_is_the_operators() {
    let server = taskhost_tests::http::Server::start(answer);
    let project = Project::new(&[("requirements.txt", "flask==2.3.0\n"), ("web/package-lock.json", NPM)]);
    for (arguments, code, warnings) in [
        (&["max-behind=520w"][..], 1, &["flask 2.3.0", "request 2.88.2"][..]),
        (&["max-behind=520w", "warn=minor"], 1, &["flask 2.3.0", "@scope/ui 1.2.3", "request 2.88.2"]),
        (
            &["max-behind=520w", "warn=patch"],
            1,
            &["flask 2.3.0", "@scope/ui 1.2.3", "lodash 4.17.20", "request 2.88.2"],
        ),
        (&["max-behind=520w", "warn=never"], 1, &["request 2.88.2"]),
        (&["max-behind=520w", "warn=never", "development=false"], 0, &[]),
        (&["warn=never", "development=false", "ignore=flask until 2999-12-31: frozen"], 1, &["lodash 4.17.20"]),
        (
            &["warn=never", "development=false", "max-behind=520w", "ignore=flask until 2020-12-31: frozen"],
            1,
            &["flask"],
        ),
    ] {
        let report =
            updates("run", &project, &server, &ALL).args(arguments.iter().copied()).run().expect_code(code).report();
        let warned = found(&report).into_iter().filter(|one| one[0] == "warning").map(|[_, subject, _]| subject);
        assert_eq!(warned.collect::<Vec<_>>(), warnings, "{arguments:?}");
    }
    // What only others ask for counts when it is told to; an index that does not know it says so.
    let report = updates("run", &project, &server, &ALL).args(["indirect=true"]).run().expect_code(1).report();
    assert_eq!(finding(&report, "deep 1.0.0", "not in the index")["severity"], "warning");
}

#[test]
fn a_mirror_with_the_simple_api_alone_will_do() {
    let project = Project::new(&[("requirements.txt", "flask==2.3.0\n")]);
    let server = taskhost_tests::http::Server::start(answer);
    let report = updates("run", &project, &server, &[])
        .args(["--http", &format!("pypi={}", server.url("pypi/simple"))])
        .run()
        .expect_code(1)
        .report();
    assert!(
        finding(&report, "flask 2.3.0", "outdated")["detail"]
            .as_str()
            .unwrap()
            .starts_with("3.0.0 of 2023-09-30 (major)")
    );
    let accepted = server.seen()[0].header("accept").to_owned();
    assert_eq!(accepted, "application/vnd.pypi.simple.v1+json");
}

#[test]
fn what_people_read_is_in_their_words() {
    let project = Project::new(&[("requirements.txt", "nose==1.3.7\nflask==3.0.0\n"), ("go.mod", GO)]);
    let server = taskhost_tests::http::Server::start(answer);
    let output = updates_for_people("run", &project, &server, &["pypi"]).args(["max-behind=520w"]).run();
    let text = output.expect_code(1).stdout;
    for words in [
        "package-updates: warning - 2 pins of 2 files compared: 1 behind (1 minor), 1 deprecated",
        "nose 1.3.7: deprecated package",
        "it should not be used any more: its authors call it inactive; pinned in requirements.txt",
        "Go: not looked up",
        "3 packages without an index; bind --http go=URL to do so",
        "1 package: flask 3.0.0 to 3.1.0 of 2024-11-13 (minor)",
    ] {
        assert!(text.contains(words), "`{words}` is not in {text}");
    }
}
