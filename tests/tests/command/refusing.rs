//! What is refused, and what a rehearsal leaves out: nothing of it is started.

use std::os::unix::fs::symlink;

use serde_json::json;

use super::{World, journal, run, said};

const MARK: &str = "[template.mark]\nargv = ['./mark', '{a}']\nplaceholder.a = { type = 'name' }\n\
                    [template.look]\nargv = ['./mark', 'looked']\nimpact = 'observe'\n\
                    [template.wipe]\nargv = ['./mark', 'wiped']\nimpact = 'destroy'\n\
                    [template.read]\nargv = ['./mark', '--file={p}']\nimpact = 'observe'\nplaceholder.p = { type = 'path' }\n";

fn world() -> World {
    World::new(MARK).script("mark", "echo \"$1\" >> marks")
}

#[test]
fn without_its_word_only_what_observes_is_run() {
    let world = world();
    let steps = json!([run("mark", &json!({"a": "x"})), run("wipe", &json!({})), run("look", &json!({}))]);
    let output = world.host("run", "", &steps).run();
    let found = said(&output);
    for refused in &found[..2] {
        assert_eq!(refused, "refused: slot `programs` does not grant run; add `,run` to --command programs=...");
    }
    assert!(found[2].starts_with("done: "), "{found:?}");
    assert_eq!(world.text("marks"), "looked\n");
    let lines = journal(&output);
    assert!(lines[0].starts_with("change | mark: ./mark x | refuse | refused | "), "{lines:?}");
    assert!(lines[1].starts_with("destroy | wipe: ./mark wiped | refuse | refused | "), "{lines:?}");
    assert_eq!(lines[2], "observe | look: ./mark looked | perform | done | ");
    world.said(",run", &steps);
    assert_eq!(world.text("marks"), "looked\nx\nwiped\nlooked\n");
}

#[test]
fn a_rehearsal_runs_what_observes_and_lists_the_rest_whole() {
    let world = world();
    let steps = json!([run("mark", &json!({"a": "x"})), run("wipe", &json!({})), run("look", &json!({}))]);
    let output = world.host("plan", ",run", &steps).run();
    let found = said(&output);
    assert_eq!(found[..2], ["done: rehearsed", "done: rehearsed"]);
    assert_eq!(world.text("marks"), "looked\n");
    assert_eq!(
        journal(&output),
        [
            "change | mark: ./mark x | rehearse | done | ",
            "destroy | wipe: ./mark wiped | rehearse | done | ",
            "observe | look: ./mark looked | perform | done | ",
        ]
    );
}

#[test]
fn a_budget_of_commands_stops_before_the_next_one_starts() {
    let world = world();
    let steps = json!([run("look", &json!({})), run("mark", &json!({"a": "x"})), run("mark", &json!({"a": "y"}))]);
    for mode in ["plan", "run"] {
        let found = said(&world.host(mode, ",run", &steps).args(["--budget", "programs.commands=2"]).run());
        assert!(found[2].starts_with("over-budget: slot `programs` has a budget of 2 commands"), "{found:?}");
    }
    assert_eq!(world.text("marks"), "looked\nlooked\nx\n");
}

#[test]
fn values_that_do_not_fit_start_nothing_and_are_journaled() {
    let world = world();
    symlink("/etc", world.path("etc")).unwrap();
    symlink(world.path("inner"), world.path("in")).unwrap();
    std::fs::create_dir(world.path("inner")).unwrap();
    let mut cases = Vec::new();
    for (template, with, wrong) in [
        ("mark", json!({"a": "-rf"}), "invalid: template `mark`: `a` is `-rf`; it takes: name"),
        ("mark", json!({"a": "x y"}), "invalid: template `mark`: `a` is `x y`"),
        ("mark", json!({"a": "a\u{0}b"}), "control character"),
        ("mark", json!({"a": ""}), "`a` is empty"),
        ("mark", json!({}), "invalid: template `mark`: `a` is not given"),
        ("mark", json!({"b": "x"}), "it has no placeholder `b`; it has `a`"),
        ("look", json!({"a": "x"}), "it has no placeholder `a`; it has none"),
        ("marc", json!({}), "slot `programs` has no template `marc`; it has `look`, `mark`, `read`, `wipe`"),
        ("read", json!({"p": "/etc/passwd"}), "relative path below"),
        ("read", json!({"p": "../templates.toml"}), "relative path below"),
        ("read", json!({"p": "in/../../x"}), "relative path below"),
        (
            "read",
            json!({"p": "etc/passwd"}),
            "refused: slot `programs`, template `read`: `p` is etc/passwd, a link that leads out",
        ),
        ("read", json!({"p": "etc"}), "a link that leads out"),
    ] {
        cases.push((run(template, &with), wrong));
    }
    cases.push((json!({"do": "twice", "template": "mark"}), "invalid: `a` is given twice"));
    let long = "x".repeat(100_000);
    cases.push((run("mark", &json!({"a": long})), "; it takes: name"));
    let steps: Vec<_> = cases.iter().map(|(step, _)| step.clone()).collect();
    let output = world.host("run", ",run", &json!(steps)).run();
    let found = said(&output);
    for ((step, wrong), found) in cases.iter().zip(&found) {
        assert!(
            found.contains(wrong) && found.len() < 1000,
            "{}: {found}",
            &step.to_string()[..100.min(step.to_string().len())]
        );
    }
    assert_eq!(journal(&output).len(), cases.len(), "{output}");
    assert!(!world.path("marks").exists());
    // What stays below is passed on.
    let found = world.said("", &json!([run("read", &json!({"p": "in/new"})), run("read", &json!({"p": "-x"}))]));
    assert!(found.iter().all(|found| found.starts_with("done: ended with code 0")), "{found:?}");
    assert_eq!(world.text("marks"), "--file=in/new\n--file=-x\n");
}

#[test]
fn a_program_that_cannot_be_started_is_unavailable_and_says_why() {
    let world = World::new(
        "[template.none]\nargv = ['no-such-program']\n[template.plain]\nargv = ['./plain']\n\
         [template.bad]\nargv = ['./bad']\n[template.text]\nargv = ['./text']\n",
    )
    .script("bad", "");
    std::fs::write(world.path("plain"), "no program").unwrap();
    std::fs::write(world.path("bad"), "#!/no/such/interpreter\n").unwrap();
    std::fs::copy(world.path("bad"), world.path("text")).unwrap();
    std::fs::write(world.path("text"), [0x7f, b'E', b'L', b'F', 0, 0]).unwrap();
    let steps: Vec<_> = ["none", "plain", "bad", "text"].map(|name| run(name, &json!({}))).into();
    let found = world.said(",run", &json!(steps));
    for (found, part) in found.iter().zip([
        "unavailable: template `none`: there is no program `no-such-program` in /usr/local/sbin:",
        "/app/plain, or it may not be executed",
        "/app/bad in ",
        "Exec format error",
    ]) {
        assert!(found.starts_with("unavailable: ") && found.contains(part), "{found}");
    }
    let gone = world.path("");
    std::fs::remove_dir_all(&gone).unwrap();
    let found = world.said(",run", &json!([run("none", &json!({}))]));
    assert!(found[0].starts_with("unavailable: "), "{found:?}");
}

#[test]
fn a_grant_that_makes_no_sense_is_answered_with_what_to_write() {
    let refused = |flag: &str| {
        let host = taskhost_tests::host().arg("run").arg(taskhost_tests::fixture("command"));
        host.args(["script=[]", "--command", flag]).run().expect_code(3).to_string()
    };
    for (flag, part) in [
        ("programs=/srv", "slot `programs`: there is no template; name a file of them"),
        ("programs=/srv,template=x", "`template` is a table of templates"),
        ("programs=/srv,templates=/no/such.toml", "failed to read the templates in /no/such.toml"),
        ("programs=/srv,shell=true", "unknown field `shell`"),
        ("programs=/srv,write", "`write` is no access of command; there are `observe`, `run`"),
    ] {
        let output = refused(flag);
        assert!(output.contains(part), "{flag}: {output}");
    }
    let world = World::new("[template.a]\nargv = ['sh', '-c', 'rm {x}']\n\n[template.b]\nargv = ['{x}']\n");
    let output = world.host("run", ",run", &json!([])).run().expect_code(3).to_string();
    for part in [
        "templates.toml:2: template `a`: argv names the placeholder {x}",
        "templates.toml:2: template `a`: argument 2 is a program of its own to sh",
        "templates.toml:5: template `b`: the program itself is no matter of a placeholder",
    ] {
        assert!(output.contains(part), "{part}: {output}");
    }
}

#[test]
fn the_slot_of_another_is_refused() {
    let output = taskhost_tests::host()
        .arg("run")
        .arg(taskhost_tests::fixture("command"))
        .args([r#"script=[{"do":"run","template":"x"}]"#, "--format", "json"])
        .run()
        .expect_code(3);
    assert!(output.to_string().contains("add --command programs=DIRECTORY"), "{output}");
}
