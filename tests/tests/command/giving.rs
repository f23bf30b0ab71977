//! What a program is given: its arguments, its directory, its environment, and nothing else.

use serde_json::{Value, json};

use super::{World, journal, run, said};

const SHOW: &str = "printf '%s\\n' \"$#\" \"$@\"";

#[test]
fn a_value_is_one_argument_whatever_is_in_it() {
    let world = World::new(
        "[template.show]\nargv = ['./show', '--', '{a}', 'x{b}y', '--c={c}', 'plain $HOME `id` *']\nimpact = 'observe'\n\
         [template.show.placeholder]\na = { type = 'text' }\nb = { type = 'text', default = '' }\nc = { type = 'text', optional = true }\n",
    );
    // An empty default is none.
    let refused = world.said("", &json!([{"do": "templates"}]));
    assert!(refused.is_empty());
    let world = World::new(
        "[template.show]\nargv = ['./show', '--', '{a}', 'x{b}y', '--c={c}', 'plain $HOME `id` *']\nimpact = 'observe'\n\
         [template.show.placeholder]\na = { type = 'text' }\nb = { type = 'text', default = 'B' }\nc = { type = 'text', optional = true }\n",
    )
    .script("show", SHOW);
    for (a, c) in [
        ("a b", None),
        ("$(touch hacked); `touch hacked` && touch hacked | touch hacked > hacked", Some("-rf")),
        ("' \" \\ * ? ~ ! # %s", Some("a=b c")),
        ("ä 𝄞", Some("--")),
    ] {
        let with = c.map_or(json!({"a": a}), |c| json!({"a": a, "c": c}));
        let mut expected = vec!["--".to_owned(), a.into(), "xBy".into()];
        expected.extend(c.map(|c| format!("--c={c}")));
        expected.push("plain $HOME `id` *".into());
        let lines = format!("{}\n{}\n", expected.len(), expected.join("\n"));
        let found = world.said("", &json!([run("show", &with)]));
        assert_eq!(found, [format!("done: ended with code 0, success true, {} bytes: {lines}|", lines.len())]);
    }
    assert!(!world.path("hacked").exists());
}

#[test]
fn a_program_gets_its_directory_and_an_environment_of_its_own_and_no_descriptor_or_terminal() {
    let world = World::new(
        "[template.look]\nargv = ['./look']\nimpact = 'observe'\n\
         environment = { SHOWN = 'a $HOME', FROM = 'env:OUTSIDE', PGPASSWORD = 'env:SECRET' }\n",
    )
    .script(
        "look",
        "pwd\nenv | grep -v '^PWD=\\|^_=\\|^SHLVL=\\|^OLDPWD=' | sort\nls -l /proc/self/fd | sed 's/.*[0-9][0-9]:[0-9][0-9] //' | grep -v '/proc/\\|^total'\n\
         cat && (exec < /dev/tty) 2>/dev/null && echo a terminal\ncut -d' ' -f6 /proc/$$/stat > sid\necho $PPID > supervisor",
    );
    let descriptor = std::fs::File::open("/etc/passwd").unwrap();
    // As whoever starts a host may have left them open.
    rustix::io::fcntl_setfd(&descriptor, rustix::io::FdFlags::empty()).unwrap();
    let host = world.host("run", "", &json!([run("look", &json!({}))]));
    let output = host.env("OUTSIDE", "let in").env("SECRET", "hunter2").env("OTHER", "not let in").run();
    let found = said(&output);
    let directory = world.path("").canonicalize().unwrap();
    let expected = format!("{}\nFROM=let in\nHOME=", directory.display());
    assert!(found[0].contains(&expected), "{found:?}");
    for part in
        ["LANG=C.UTF-8\n", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n", "SHOWN=a $HOME\n"]
    {
        assert!(found[0].contains(part), "{part}: {found:?}");
    }
    for part in ["OTHER", "TASKHOST", "not let in", "passwd", "socket", "a terminal"] {
        assert!(!found[0].contains(part), "{part}: {found:?}");
    }
    assert!(found[0].contains("0 -> /dev/null"), "{found:?}");
    // What it prints is the plugin's; nobody else shows it.
    let plain = world.host("run", "", &json!([])).env("OUTSIDE", "x").env("SECRET", "hunter2");
    assert!(!plain.env("TASKHOST_LOG", "trace").run().to_string().contains("hunter2"));
    // A session of its own, which the supervisor leads.
    assert_eq!(world.text("sid").trim(), world.text("supervisor").trim());
}

#[test]
fn secrets_are_stars_in_complaints_and_in_no_argument_of_any_process() {
    let world = World::new(
        "[template.leak]\nargv = ['./leak']\nenvironment = { PGPASSWORD = 'env:SECRET', KEY = 'file:/CREDENTIAL' }\nimpact = 'observe'\n",
    )
    .script("leak", "echo \"failed: $PGPASSWORD and $KEY\" >&2\ntr '\\0' ' ' < /proc/$PPID/cmdline; tr '\\0' ' ' < /proc/$PPID/environ\nexit 4");
    let file = world.directory.path().join("credential");
    std::fs::write(&file, "from-a-file\n").unwrap();
    let path = world.directory.path().join("templates.toml");
    let text = std::fs::read_to_string(&path).unwrap().replace("/CREDENTIAL", file.to_str().unwrap());
    std::fs::write(&path, text).unwrap();
    let output = world.host("run", "", &json!([run("leak", &json!({}))])).env("SECRET", "hunter2").run();
    let found = said(&output);
    assert!(found[0].starts_with("done: ended with code 4: failed: *** and ***, success false"), "{found:?}");
    assert!(found[0].contains("supervise-command"), "{found:?}");
    assert!(!output.to_string().contains("hunter2") && !output.to_string().contains("from-a-file"), "{output}");
    assert!(journal(&output)[0].ends_with("failed | ended with code 4: failed: *** and ***"), "{output}");
}

#[test]
fn what_an_environment_needs_and_is_not_there_stops_the_run_before_it_begins() {
    let world = World::new("[template.a]\nargv = ['true']\nenvironment = { A = 'env:NOT_SET', B = 'file:/no/such' }\n");
    let output = world.host("run", ",run", &json!([run("a", &json!({}))])).run().expect_code(3);
    for part in [
        "slot `programs`: template `a`: A: the environment variable NOT_SET is not set",
        "slot `programs`: template `a`: B: failed to read the credential file /no/such: ",
    ] {
        assert!(output.to_string().contains(part), "{part}: {output}");
    }
}

#[test]
fn a_plugin_sees_what_the_operator_offers() {
    let world = World::new(
        "[template.status]\nargv = ['git', 'status']\nsummary = 'what is changed'\nimpact = 'observe'\n\
         [template.build]\nargv = ['./build', '{version}', '--jobs={jobs}']\nimpact = 'destroy'\n\
         [template.build.placeholder]\nversion = { type = 'version' }\njobs = { type = 'integer', min = 1, max = 8, default = '2' }\n",
    );
    for (words, granted) in [("", "false"), (",run", "true")] {
        let found = world.said(words, &json!([{"do": "templates"}]));
        let listed: Value = serde_json::from_str(found[0].strip_prefix("done: ").unwrap()).unwrap();
        assert_eq!(
            listed,
            json!([
                ["build", "", "Impact::Destroy", granted, "jobs false integer 1..8", "version true version (1.2.3)"],
                ["status", "what is changed", "Impact::Observe", "true"],
            ])
        );
    }
}

#[test]
fn a_relative_directory_is_the_callers_and_a_program_beside_it_is_found() {
    let world = World::new("[template.here]\nargv = ['./here']\nimpact = 'observe'\n").script("here", "pwd");
    let steps = json!([run("here", &json!({}))]);
    let output = taskhost_tests::host()
        .directory(world.directory.path())
        .arg("run")
        .arg(taskhost_tests::fixture("command"))
        .arg(format!("script={steps}"))
        .args(["--command", "programs=app,templates=templates.toml", "--format", "json"])
        .run();
    let expected = format!("{}\n", world.path("").canonicalize().unwrap().display());
    assert!(said(&output)[0].contains(&expected), "{output}");
}
