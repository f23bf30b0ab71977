//! Nothing of a program is left: not when it ends, not when its time is over, not when the run or the host ends.

use serde_json::json;

use super::{World, eventually, is_alive, journal, run, said};

/// A program that leaves processes in every way there is: in the background, in a session of its own, with a parent that
/// went away, deaf to being asked; and then goes on.
const FAMILY: &str = "echo $$ > self\n\
    sh -c 'echo $$ > background; exec sleep 600' &\n\
    setsid sh -c 'echo $$ > session; exec sleep 600' &\n\
    sh -c 'setsid sh -c \"(sh -c '\\''echo \\$\\$ > orphan; exec sleep 600'\\'' &) \"; exit 0'\n\
    sh -c 'trap \"\" TERM HUP INT; echo $$ > deaf; while :; do sleep 1; done' &\n\
    while [ ! -s background ] || [ ! -s session ] || [ ! -s orphan ] || [ ! -s deaf ]; do sleep 0.01; done\n\
    echo ready";
const MEMBERS: [&str; 5] = ["self", "background", "session", "orphan", "deaf"];

fn family(more: &str, settings: &str) -> World {
    World::new(&format!("[template.family]\nargv = ['./family']\n{settings}\n"))
        .script("family", &format!("{FAMILY}\n{more}"))
}

fn assert_gone(world: &World) {
    for member in MEMBERS {
        assert!(!world.text(member).is_empty(), "{member} was never there");
        assert!(!is_alive(&world.path(member)), "{member} is left");
    }
}

#[test]
fn what_a_program_leaves_in_the_background_ends_with_it_and_holds_up_nothing() {
    let world = family("exit 0", "");
    let output = world.host("run", ",run", &json!([run("family", &json!({}))])).run();
    let found = said(&output);
    // The deaf one's own `sleep` is counted when it is there.
    assert!(found[0].starts_with("done: ended with code 0, success true, 6 bytes, left "), "{found:?}");
    assert!(output.report()["notices"].to_string().contains("processes at work in the background"), "{output}");
    assert_gone(&world);
}

#[test]
fn a_program_whose_time_is_over_ends_with_all_that_it_started() {
    let world = family("sleep 600", "timeout = '3s'");
    let output = world.host("run", ",run", &json!([run("family", &json!({}))])).run();
    assert!(said(&output)[0].starts_with("timed-out: template `family` did not end within 3s"), "{output}");
    assert!(journal(&output)[0].contains("| failed | template `family` did not end within 3s"), "{output}");
    assert_gone(&world);
}

#[test]
fn a_run_that_ends_traps_or_is_over_leaves_no_process() {
    for (read, arguments, outcome) in
        [("forget", &[][..], "ok"), ("trap", &[], "trapped"), ("nothing", &["--timeout", "4s"], "timed-out")]
    {
        let world = family("echo more; sleep 600", "");
        if read == "trap" {
            // It is to be there before the plugin breaks.
            std::fs::write(world.path("family"), "#!/bin/sh\necho $$ > self\nexec sleep 600\n").unwrap();
        }
        let steps = json!([{"do": "run", "template": "family", "read": read}]);
        let output = world.host("run", ",run", &steps).args(arguments.iter().copied()).run();
        assert_eq!(output.report()["run"]["outcome"], outcome, "{output}");
        if read == "trap" {
            assert!(!is_alive(&world.path("self")), "{output}");
        } else {
            assert_gone(&world);
        }
        assert!(journal(&output)[0].ends_with("| abandoned | "), "{output}");
    }
}

#[test]
fn an_interrupted_host_leaves_no_process() {
    let world = family("sleep 600", "");
    let host = world.host("run", ",run", &json!([{"do": "run", "template": "family", "read": "nothing"}])).spawn();
    eventually("the family", || MEMBERS.iter().all(|member| is_alive(&world.path(member))));
    host.interrupt();
    assert_eq!(host.wait().report()["run"]["outcome"], "cancelled");
    assert_gone(&world);
}

#[test]
fn a_host_that_is_killed_leaves_no_process_either() {
    let world = family("sleep 600", "");
    let host = world.host("run", ",run", &json!([{"do": "run", "template": "family", "read": "nothing"}])).spawn();
    eventually("the family", || MEMBERS.iter().all(|member| is_alive(&world.path(member))));
    host.kill_hard();
    eventually("the end of the family", || MEMBERS.iter().all(|member| !is_alive(&world.path(member))));
}

#[test]
fn a_program_that_kills_its_supervisor_is_ended_and_said_to_have_been() {
    let world = World::new("[template.rebel]\nargv = ['./rebel']\n")
        .script("rebel", "echo $$ > self; sh -c 'echo $$ > background; exec sleep 600' & while [ ! -s background ]; do sleep 0.01; done; kill -9 $PPID; exec sleep 600");
    let found = world.said(",run", &json!([run("rebel", &json!({}))]));
    assert!(
        found[0].starts_with("unavailable: template `rebel`: what watches over the program was killed"),
        "{found:?}"
    );
    for member in ["self", "background"] {
        eventually("the end of the rebel", || !is_alive(&world.path(member)));
    }
}

#[test]
fn a_program_that_is_stopped_or_closes_everything_is_ended_too() {
    let world =
        World::new("[template.a]\nargv = ['./a']\ntimeout = '2s'\n[template.b]\nargv = ['./b']\ntimeout = '2s'\n")
            .script("a", "echo $$ > a.pid; kill -STOP $$; sleep 600")
            .script("b", "echo $$ > b.pid; exec > /dev/null 2>&1 < /dev/null; sleep 600");
    let found = world.said(",run", &json!([run("a", &json!({})), run("b", &json!({}))]));
    assert!(found.iter().all(|found| found.starts_with("timed-out: ")), "{found:?}");
    assert!(!is_alive(&world.path("a.pid")) && !is_alive(&world.path("b.pid")));
}

/// Processes that are never the same for long: each forks, in a session of its own, and is gone.
#[test]
fn a_program_that_runs_away_from_process_to_process_is_caught() {
    let world = World::new("[template.hop]\nargv = ['./hop']\n[template.fast]\nargv = ['./fast']\n")
        .script("hop", "echo $$ >> hops; setsid ./hop > /dev/null 2>&1 & exit 0")
        .script(
            "fast",
            "exec perl -e 'use POSIX; $SIG{TERM} = \"IGNORE\"; my $n = 0; while (1) { my $child = fork(); exit 0 if $child; \
             POSIX::setsid(); if ($n++ % 100 == 0) { open(my $f, \">>\", \"steps\") or exit 0; print $f \"x\"; close $f; } }'",
        );
    let output = world.host("run", ",run", &json!([run("hop", &json!({})), run("fast", &json!({}))])).run();
    let found = said(&output);
    assert!(found.iter().all(|found| found.starts_with("done: ended with code 0, success true")), "{found:?}");
    let counts = || (world.text("hops").len(), world.text("steps").len());
    let before = counts();
    assert!(before.0 > 0 && before.1 > 0, "{output}");
    // Both would take thousands of steps in that time.
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert_eq!(counts(), before, "{output}");
}

#[test]
fn a_run_has_sixteen_programs_at_once_and_no_more() {
    let world = World::new("[template.wait]\nargv = ['./wait']\nimpact = 'observe'\n")
        .script("wait", "echo $$ > pid.$$; cat /dev/zero");
    let output = world.host("run", "", &json!([{"do": "many", "template": "wait", "count": 40}])).run();
    assert_eq!(
        said(&output),
        ["done: 16 started, 24 not: a run has at most 16 programs at work at once; wait for one to end"]
    );
    let pids: Vec<_> = std::fs::read_dir(world.path("")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(pids.iter().filter(|path| path.to_string_lossy().contains("pid.")).all(|pid| !is_alive(pid)));
}

#[test]
fn three_hundred_programs_one_after_another_leave_no_zombie_and_no_descriptor() {
    let world = World::new("[template.quick]\nargv = ['true']\nimpact = 'observe'\n[template.open]\nargv = ['./open']\nimpact = 'observe'\n")
        .script("open", "host=$(cut -d' ' -f4 /proc/$PPID/stat); ls /proc/$host/fd | wc -l; cat /proc/[0-9]*/stat 2> /dev/null | awk -v host=$host '$4 == host && $3 == \"Z\"' | wc -l");
    let mut steps = vec![run("open", &json!({}))];
    steps.extend((0..300).map(|_| run("quick", &json!({}))));
    steps.push(run("open", &json!({})));
    let found = world.said("", &json!(steps));
    let counts = |found: &str| {
        let numbers = found
            .split("bytes: ")
            .nth(1)
            .unwrap()
            .split('|')
            .next()
            .unwrap()
            .lines()
            .map(|line| line.trim().parse().unwrap());
        numbers.collect::<Vec<i64>>()
    };
    let (before, after) = (counts(&found[0]), counts(found.last().unwrap()));
    assert!(after[0] <= before[0] + 8, "{before:?} {after:?}");
    assert_eq!((before[1], after[1]), (0, 0));
}
