//! `host logs --follow`: what a run says as it says it, and its exit code.

use super::*;

const BUNDLE: &str = r#"
name = "shop"
history = "history.db"

[tasks.says]
plugin = CONDUCT
parameters = { case = "trap-after-finding" }
schedule = "* * * * *"
"#;

#[test]
fn a_log_is_printed_when_it_has_ended_and_followed_to_its_end() {
    let world = World::new(BUNDLE);
    let serving = world.serve(&[]);
    world.wait_for("says", 1);
    let logs = |words: &[&str]| host().arg("logs").arg(world.path("bundle.toml")).args(words.iter().copied()).run();
    let followed = logs(&["says", "--follow"]).expect_code(0);
    assert!(followed.stdout.contains("info  said before the trap"), "{followed}");
    let json = logs(&["says", "--format", "json"]).expect_code(0);
    assert!(json.stdout.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{json}");
    let none = logs(&["no-such"]).expect_code(3);
    assert!(none.stderr.contains("there is no run and no task `no-such`"), "{none}");
    serving.interrupt();
    serving.wait().expect_code(0);
}
