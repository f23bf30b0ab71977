//! Bytes to and from programs: as many as there are, no faster than they are taken, and bounded.

use serde_json::json;

use super::{World, run, said};

#[test]
fn output_comes_whole_and_the_end_with_it() {
    let world = World::new(
        "[template.count]\nargv = ['./count']\nimpact = 'observe'\nmax-output = '200MiB'\n\
         [template.fail]\nargv = ['./fail']\nsuccess = [0, 3]\n[template.signal]\nargv = ['./signal']\n",
    )
    .script("count", "head -c 100000000 /dev/zero")
    .script("fail", "echo out; echo one >&2; echo two >&2; exit 3")
    .script("signal", "echo bye >&2; kill -USR1 $$; sleep 60");
    let count = json!({"do": "run", "template": "count", "read": "count"});
    let output = world.host("run", ",run", &json!([count, run("fail", &json!({})), run("signal", &json!({}))])).run();
    assert_eq!(
        said(&output),
        [
            "done: 100000000 bytes, ended with code 0, success true, 100000000 bytes: |",
            "done: ended with code 3, success true, 4 bytes: out\n|one\ntwo\n",
            "done: ended by signal 10: bye, success false, 0 bytes: |bye\n",
        ]
    );
    let effects = output.report()["effects"].clone();
    assert_eq!((&effects[0]["bytes"], &effects[0]["outcome"]), (&json!(100_000_000), &json!("done")));
    assert_eq!(effects[2]["reason"], "ended by signal 10: bye");
}

#[test]
fn output_that_ended_stays_ended_however_often_it_is_asked_for() {
    let world = World::new(
        "[template.some]\nargv = ['printf', 'abc']\nimpact = 'observe'\n[template.none]\nargv = ['true']\nimpact = 'observe'\n",
    );
    let read = |name: &str| json!({"do": "run", "template": name, "read": "again"});
    assert_eq!(
        world.said("", &json!([read("some"), read("none")])),
        [
            "done: 3 bytes and 0 pieces after them, ended with code 0, success true, 3 bytes: |",
            "done: 0 bytes and 0 pieces after them, ended with code 0, success true, 0 bytes: |",
        ]
    );
}

#[test]
fn what_writes_faster_than_it_is_read_waits_in_little_memory() {
    let world = World::new("[template.flood]\nargv = ['./flood']\ntimeout = '2s'\nmax-output = '100GiB'\n")
        .script("flood", "yes | tee >(cat) > /dev/null 2>&1; exec cat /dev/zero");
    std::fs::write(world.path("flood"), "#!/bin/sh\nexec cat /dev/zero\n").unwrap();
    let quiet = world.host("run", ",run", &json!([])).run().peak_memory;
    let steps = json!([{"do": "run", "template": "flood", "read": "nothing"}]);
    let output = world.host("run", ",run", &steps).run();
    let found = said(&output);
    assert!(found[0].starts_with("timed-out: template `flood` did not end within 2s and was stopped"), "{found:?}");
    assert!(output.peak_memory < quiet + (32 << 20), "{} and {quiet}", output.peak_memory);
}

#[test]
fn more_than_a_template_may_write_ends_it() {
    let world = World::new(
        "[template.flood]\nargv = ['cat', '/dev/zero']\nmax-output = '1MiB'\n\
         [template.exact]\nargv = ['head', '-c', '1048576', '/dev/zero']\nmax-output = '1MiB'\n",
    );
    let read = |name: &str| json!({"do": "run", "template": name, "read": "count"});
    let found = world.said(",run", &json!([read("flood"), read("exact")]));
    assert_eq!(found[0], "too-large: template `flood` wrote more than 1 MiB and was stopped; raise its max-output");
    assert_eq!(found[1], "done: 1048576 bytes, ended with code 0, success true, 1048576 bytes: |");
}

#[test]
fn complaints_are_bounded_and_hold_nobody_up() {
    let world = World::new("[template.complain]\nargv = ['./complain']\ntimeout = '60s'\n")
        .script("complain", "head -c 50000000 /dev/zero | tr '\\0' 'x' | fold -w 99 >&2; echo last >&2; echo out");
    let output = world.host("run", ",run", &json!([run("complain", &json!({}))])).run();
    let found = said(&output);
    assert!(found[0].contains("ended with code 0, success true, 4 bytes: out\n|xxxx"), "{}", &found[0][..200]);
    assert!(output.peak_memory < 400 << 20, "{}", output.peak_memory);
}

#[test]
fn input_reaches_a_program_and_one_that_wants_none_is_not_waited_for() {
    let world = World::new(
        "[template.echo]\nargv = ['cat']\nimpact = 'observe'\n[template.size]\nargv = ['wc', '-c']\nimpact = 'observe'\n\
         [template.deaf]\nargv = ['true']\nimpact = 'observe'\n[template.closes]\nargv = ['./closes']\nimpact = 'observe'\n\
         [template.zeros]\nargv = ['head', '-c', '30000000', '/dev/zero']\nimpact = 'observe'\n",
    )
    .script("closes", "exec < /dev/null; echo closed; sleep 1; echo done");
    let steps = json!([
        {"do": "run", "template": "echo", "input": "a\nb ä"},
        {"do": "run", "template": "size", "input-bytes": 5_000_000},
        {"do": "run", "template": "deaf", "input_bytes": 5_000_000},
        {"do": "run", "template": "closes", "input_bytes": 5_000_000},
        {"do": "run", "template": "echo"},
        {"do": "run", "template": "size", "input": ""},
        {"do": "pipe", "from": "zeros", "to": "size"},
        {"do": "pipe", "from": "zeros", "to": "deaf"},
    ]);
    let steps: serde_json::Value =
        serde_json::from_str(&steps.to_string().replace("input-bytes", "input_bytes")).unwrap();
    let found = world.said("", &steps);
    assert_eq!(
        found[..7],
        [
            "done: ended with code 0, success true, 6 bytes: a\nb ä|",
            "done: ended with code 0, success true, 8 bytes: 5000000\n|",
            "done: ended with code 0, success true, 0 bytes: |",
            "done: ended with code 0, success true, 12 bytes: closed\ndone\n|",
            "done: ended with code 0, success true, 0 bytes: |",
            "done: ended with code 0, success true, 2 bytes: 0\n|",
            "done: ended with code 0; ended with code 0: 30000000\n",
        ]
    );
    // The first of a pipe whose second goes away is ended.
    assert!(
        found[7].starts_with("done: ended by signal 15; ended with code 0") || found[7].contains("code 0; ended"),
        "{found:?}"
    );
}

#[test]
fn output_that_is_let_go_of_ends_its_program() {
    let world = World::new("[template.endless]\nargv = ['./endless']\nmax-output = '100GiB'\n")
        .script("endless", "echo $$ > pid; while :; do echo line; done");
    let output = world.host("run", ",run", &json!([{"do": "run", "template": "endless", "read": "some"}])).run();
    let found = said(&output);
    assert!(found[0].starts_with("done: true, ended by signal 15, success false"), "{found:?}");
    assert!(!super::is_alive(&world.path("pid")));
    assert!(super::journal(&output)[0].ends_with("perform | abandoned | "), "{output}");
}
