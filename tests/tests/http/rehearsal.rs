//! A rehearsal sends what only asks, and says what else would be sent; budgets hold in both.

use taskhost_tests::http::{Reply, Server};

use super::script::bound;

const CHANGES: &[&str] = &["get x", "post x body=abc", "put x size=1000", "patch x", "delete x", "head x"];

#[test]
fn a_plan_sends_nothing_that_changes_and_lists_what_the_run_does() {
    let server = Server::start(|request| Reply::ok(&request.method));
    let api = bound(&format!("{},post,put,patch,delete", server.url("")));
    let plan = api.plan(CHANGES);
    let answers: Vec<_> = (0..CHANGES.len()).map(|index| plan.done(index)).collect();
    assert_eq!(answers, ["200 GET", "none", "none", "none", "none", "200 "]);
    let methods = |from: usize| server.seen()[from..].iter().map(|request| request.method.clone()).collect::<Vec<_>>();
    assert_eq!(methods(0), ["GET", "HEAD"]);
    let run = api.run(CHANGES);
    assert_eq!(methods(2), ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"]);
    let performed = |effects: Vec<String>| -> Vec<String> {
        effects.iter().map(|effect| effect.replace(" rehearse ", " perform ")).collect()
    };
    assert_eq!(performed(plan.effects()), run.effects());
    assert!(plan.effects()[2].ends_with(" 1000") && plan.effects()[2].starts_with("put change rehearse done "));
}

#[test]
fn a_plan_refuses_what_the_run_would_refuse() {
    let server = Server::start(|_| Reply::ok(""));
    let api = bound(&format!("{},post", server.url("api")));
    for (line, kind) in [
        ("post /elsewhere", "refused"),
        ("delete x", "refused"),
        ("post x header=Host:evil", "refused"),
        ("post x header=X_A:b", "invalid"),
        ("post x size=17000000", "invalid"),
    ] {
        assert_eq!(api.plan(&[line]).lines[0].0, kind, "{line}");
        assert_eq!(api.run(&[line]).lines[0].0, kind, "{line}");
    }
    let ran = bound("http://host.invalid,post").plan(&["post x"]);
    assert_eq!(ran.lines[0].0, "unavailable");
    assert!(server.seen().is_empty());
}

#[test]
fn a_budget_counts_what_changes() {
    let server = Server::start(|_| Reply::ok("ok"));
    let api = bound(&format!("{},post,delete", server.url("")));
    let two = api.clone().args(&["--budget", "api.requests=2"]);
    let script = &["get x", "post x", "get x", "delete x", "post x", "get x"];
    for ran in [two.plan(script), two.run(script)] {
        let kinds: Vec<_> = ran.lines.iter().map(|(kind, _)| kind.as_str()).collect();
        assert_eq!(kinds, ["done", "done", "done", "done", "over budget", "done"]);
        assert!(ran.lines[4].1.contains("raise it with --budget api.requests=3"), "{:?}", ran.lines[4]);
    }
    let bytes = api.args(&["--budget", "api.bytes=10"]);
    let ran = bytes.run(&["post x size=6", "post x size=5", "post x size=4"]);
    let kinds: Vec<_> = ran.lines.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["done", "over budget", "done"]);
    let sent = server.seen().iter().filter(|request| request.method == "POST").count();
    assert_eq!(sent, 1 + 2);
}
