//! What watches the host reads how it stands, in a form that Prometheus takes.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::World;

#[test]
fn what_watches_the_host_reads_how_it_stands() {
    let world = World::served();
    let token = world.token("olga", "operator");
    world.request("GET", "/metrics").send().expect(401);
    let run = world.run(&token, "clean");
    world.ended(&token, &run);
    let (broken, sleeps) = (world.run(&token, "forge"), world.run(&token, "sleep"));
    world.ended(&token, &broken);
    world.begun(&token, &sleeps);

    let answer = world.get(&token, "/metrics").expect(200);
    assert_eq!(answer.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let bundle = "bundle=\"shop & <b>sons</b>\"";
    for line in [
        format!("taskhost_task_last_outcome{{{bundle},task=\"clean\",outcome=\"ok\"}} 1"),
        format!("taskhost_task_runs_total{{{bundle},task=\"clean\",outcome=\"ok\"}} 1"),
        format!("taskhost_metric{{{bundle},task=\"clean\",name=\"files_removed\"}} 0"),
        format!("taskhost_runs_running{{{bundle}}} 1"),
        format!("taskhost_history_writable{{{bundle}}} 1"),
    ] {
        assert!(answer.body.lines().any(|known| known == line), "{line}\n{}", answer.body);
    }
    assert!(answer.body.ends_with("# EOF\n"));

    let plain = world.request("GET", "/metrics").token(&token).header("accept", "text/plain").send().expect(200);
    assert!(plain.header("content-type").starts_with("text/plain; version=0.0.4"));
    // It comes with Prometheus.
    let mut check = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    check.stdin.take().unwrap().write_all(plain.body.as_bytes()).unwrap();
    let checked = check.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(checked.status.code().is_some_and(|code| code != 1) && !said.contains("error"), "{said}\n{}", plain.body);
}
