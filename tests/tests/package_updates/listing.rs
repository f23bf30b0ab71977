//! Lists of package managers, by commands that the operator wrote down.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

/// A directory with programs, and a file of templates that run them.
struct Programs(tempfile::TempDir);

impl Programs {
    /// Name, what it prints, and the rest of its template.
    fn new(programs: &[(&str, &str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut templates = String::new();
        for (name, script, more) in programs {
            let path = directory.path().join(format!("{name}.sh"));
            std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            templates += &format!("[template.{name}]\nargv = [\"./{name}.sh\"]\n{more}\n");
        }
        std::fs::write(directory.path().join("templates.toml"), templates).unwrap();
        Self(directory)
    }

    fn host(&self, command: &str) -> Host {
        let path = self.0.path().display();
        let list = format!("list={path},templates={path}/templates.toml");
        host().args([command, "package-updates", "--format=json", "--command", &list])
    }
}

const PIP: &str = r#"echo '[{"name": "certifi", "version": "2023.7.22", "latest_version": "2024.2.2", "latest_filetype": "wheel"},
    {"name": "idna", "version": "3.6", "latest_version": "3.7", "latest_filetype": "wheel"}]'"#;
const NPM: &str = r#"echo '{"lodash": {"current": "4.17.20", "wanted": "4.17.21", "latest": "4.17.21", "dependent": "x", "location": "y"}}'; exit 1"#;
const APT: &str =
    "echo 'Listing...'; echo 'libssl3/stable-security 3.0.13-1~deb12u1 amd64 [upgradable from: 3.0.11-1~deb12u2]'";
const OBSERVES: &str = "impact = \"observe\"";

#[test]
fn what_package_managers_list_is_judged_alike_in_a_rehearsal_too() {
    let programs = Programs::new(&[
        ("pip", PIP, OBSERVES),
        ("npm", NPM, "impact = \"observe\"\nsuccess = [0, 1]"),
        ("apt", APT, OBSERVES),
    ]);
    for command in ["plan", "run"] {
        let report = programs.host(command).run().expect_code(1).report();
        assert_eq!(
            found(&report),
            [
                ["warning", "libssl3 3.0.11-1~deb12u2", "security update"],
                ["warning", "certifi 2023.7.22", "outdated"],
                ["ok", "npm", "can be updated"],
                ["ok", "pip", "can be updated"],
            ]
        );
        assert_eq!(report["next_actions"][0]["action"], "install the security update 3.0.13-1~deb12u1");
        assert_eq!(finding(&report, "npm", "can be updated")["detail"], "1 package: lodash 4.17.20 to 4.17.21 (patch)");
        assert_eq!(
            report["summary"],
            "1 update listed by `apt`, 1 update listed by `npm`, 2 updates listed by `pip`: 4 behind (1 major, 1 minor, 2 patch), 1 \
             for security"
        );
    }
}

#[test]
fn a_list_that_is_none_is_said() {
    for (script, more, title, words) in [
        (
            "echo oops; echo 'no such command' >&2; exit 127",
            OBSERVES,
            "no list",
            "it ended with code 127: no such command",
        ),
        ("exit 3", OBSERVES, "no list", "it lists nothing; it ended with code 3"),
        ("echo '{'", OBSERVES, "no list", "it is not what `npm outdated --json` prints"),
        ("head -c 20000000 /dev/zero | tr '\\0' x", OBSERVES, "no list", "more than"),
        ("kill -9 $$", OBSERVES, "no list", "a signal"),
        (PIP, "", "template not run", "it is not marked as one that observes"),
    ] {
        let programs = Programs::new(&[("odd", script, more), ("pip", PIP, OBSERVES)]);
        let report = programs.host("run").run().expect_code(1).report();
        let detail = finding(&report, "odd", title)["detail"].as_str().unwrap();
        assert!(detail.contains(words), "{script}: {detail}");
        assert!(found(&report).iter().any(|one| one[1] == "certifi 2023.7.22"), "{report:#}");
    }
}

#[test]
fn lists_and_pins_go_together() {
    let programs = Programs::new(&[("pip", PIP, OBSERVES)]);
    let project = Project::new(&[("requirements.txt", "flask==2.3.0\n")]);
    let server = taskhost_tests::http::Server::start(indexes::answer);
    let report = programs
        .host("run")
        .args([
            "--files",
            &format!("lockfiles={}", project.path().display()),
            "--http",
            &format!("pypi={}", server.url("pypi")),
        ])
        .run()
        .expect_code(1)
        .report();
    let summary = report["summary"].as_str().unwrap();
    assert_eq!(summary, "1 pin of 1 file compared, 2 updates listed by `pip`: 3 behind (2 major, 1 minor)");
}
