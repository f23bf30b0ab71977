//! What comes at its time, and what becomes of it when things change.

use super::*;

const BUNDLE: &str = r#"
name = "shop"
history = "history.db"

[tasks.first]
plugin = ERRAND
grants.directory = { files = "files", access = ["write"] }
schedule = "* * * * *"

[tasks.second]
plugin = ERRAND
grants.directory = { files = "files", access = ["write"] }
schedule = "* * * * *"
after = ["first"]

[tasks.breaks]
plugin = CONDUCT
parameters = { case = "panic" }
schedule = "* * * * *"

[tasks.never]
plugin = ERRAND
grants.directory = { files = "files", access = ["write"] }
schedule = "* * * * *"
after = ["breaks"]

[tasks.sleeps]
plugin = CONDUCT
parameters = { case = "sleep" }
schedule = "* * * * *"

[tasks.by-hand]
plugin = ERRAND
grants.directory = { files = "files", access = ["write"] }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_is_served_until_the_host_is_told_to_end() {
    let world = World::new(BUNDLE);
    let mut serving = world.serve(&["--grace", "1s"]);
    let first = world.wait_for("first", 1);
    let second = world.wait_for("second", 1);
    let text = |run: &Value, key: &str| run[key].as_str().unwrap().to_owned();
    assert!(text(&first[0], "finished") <= text(&second[0], "started"), "{first:?} before {second:?}");
    assert_eq!((text(&first[0], "outcome"), text(&first[0], "kind")), ("ok".into(), "daily".into()));
    world.wait_for("sleeps", 1);

    // Another host leaves it alone.
    let other = world.serve(&[]).wait().expect_code(3);
    assert!(other.stderr.contains("another host serves the bundle `shop`"), "{other}");

    // A bundle that is wrong changes nothing; one that is right does.
    world.write(&BUNDLE.replace("* * * * *", "* * *"));
    world.wait_for_event("reload-refused").await;
    assert!(serving.is_running());
    world.write(&format!("{BUNDLE}\n[[checklist]]\ntitle = \"Look\"\nkind = \"daily\"\n"));
    world.wait_for_event("reloaded").await;

    // What sleeps is stopped, and the others are through.
    serving.interrupt();
    let ended = serving.wait().expect_code(0);
    assert!(ended.stderr.contains("told to end"), "{ended}");
    let sleeps = world.runs("sleeps");
    assert_eq!(text(&sleeps[0], "outcome"), "cancelled", "{sleeps:?}");
    assert!(text(&sleeps[0], "error").contains("the host was told to end"), "{sleeps:?}");
    assert_eq!(world.runs("never"), Vec::<Value>::new());
    assert_eq!(world.runs("by-hand"), Vec::<Value>::new());
    let events = world.events().await;
    let left_out = events.iter().find(|(what, task, _)| what == "left-out" && task.as_deref() == Some("never"));
    let (_, _, why) = left_out.unwrap_or_else(|| panic!("never is not left out: {events:?}"));
    assert!(why.ends_with("`breaks`, which it comes after, ended with trapped"), "{why}");
    assert_eq!(events.last().map(|(what, ..)| what.as_str()), Some("drained"), "{events:?}");
    world.holds();
}

#[test]
fn what_cannot_be_served_says_why() {
    for (bundle, why) in [
        (BUNDLE.replace("history = \"history.db\"", ""), "keeps no history"),
        (BUNDLE.replace("\"* * * * *\"", "\"often\""), "is no schedule"),
        (BUNDLE.replace("after = [\"first\"]", "windows = [\"late\"]"), "is no window"),
        (format!("limits.connections = {{ database = 1 }}\n{BUNDLE}"), "there is no connection `database`"),
        (BUNDLE.replace("history.db", "nowhere/history.db"), "there is no directory"),
    ] {
        let refused = World::new(&bundle).serve(&[]).wait().expect_code(3);
        assert!(refused.stderr.contains(why), "{why}: {refused}");
    }
}

impl World {
    async fn wait_for_event(&self, what: &str) {
        let begun = Instant::now();
        while !self.events().await.iter().any(|(event, ..)| event == what) {
            assert!(begun.elapsed() < PATIENCE, "no {what}: {:?}", self.events().await);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
