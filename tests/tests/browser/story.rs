//! What people do.

use serde_json::json;
use taskhost_tests::{Browser, By, Script};

use super::World;

#[test]
fn a_task_is_run_and_watched_and_the_rest_is_ticked_and_read() {
    let (world, browser) = (World::served(), Browser::start(Script::On));
    world.sign_in(&browser);

    // Long enough to be watched: a line every few seconds.
    world.run(&browser, "10", "5s");
    let lines = "return window.before = document.querySelectorAll('#log li').length";
    browser.wait("a line of the log", || browser.has("#log") && browser.run(lines, &json!([])) != 0);
    // A page that was loaded anew would not know what was there before.
    let more = "return document.querySelectorAll('#log li').length > window.before";
    browser.wait("another line on the same page", || browser.run(more, &json!([])) == true);
    assert!(browser.text("#log").starts_with("listed"), "{}", browser.text("#log"));
    browser.picture("live");
    browser.click(By::Button("Stop it"));
    browser.wait_text("h1 .tag", "cancelled");

    // Its end is seen by whoever does nothing.
    world.run(&browser, "1", "3s");
    browser.wait_text("h1 .tag", "ok");
    assert_eq!(browser.text(".summary"), "1 files, 3 bytes");

    browser.open(&world.page("tasks/clean"));
    browser.click(By::Button("Rehearse"));
    browser.wait_text("h1", "rehearsal");

    browser.click(By::Link("Calendar"));
    browser.fill(".checklist .open input[name=note]", "all quiet");
    browser.click(".checklist .open button");
    browser.wait_text(".checklist .done", "all quiet");
    let done = browser.text(".checklist .done");
    assert!(done.contains("Read the <error> log") && done.contains("by olga"), "{done}");

    browser.click(By::Link("Log"));
    browser.wait("the log", || browser.has(".whole-log"));
    let log = browser.text(".whole-log");
    for part in ["Read the <error> log", "all quiet", "collect", "1 files, 3 bytes"] {
        assert!(log.contains(part), "{part}: {log}");
    }

    browser.open(&world.page("tasks/clean"));
    browser.click(By::Button("Pause"));
    browser.wait_text(".tag.warning", "paused");
    browser.click(By::Button("Resume"));
    browser.wait("Pause", || browser.has(By::Button("Pause")));

    browser.click(By::Link("Events"));
    browser.wait_text("h1", "Who did what");
    let events = browser.text(".events");
    for part in ["signed in", "asked for collect", "stopped collect", "paused clean", "resumed clean"] {
        assert!(events.contains(part), "{part}: {events}");
    }

    browser.click(By::Button("Sign out"));
    browser.wait_text("h1", "Sign in");
    browser.open(&world.page("calendar"));
    assert!(browser.url().contains("/sign-in"), "{}", browser.url());
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn a_task_is_run_without_script() {
    let (world, browser) = (World::served(), Browser::start(Script::Off));
    // No script of a page's is run, which this could not tell otherwise.
    browser.open("data:text/html,<p>still</p><script>document.querySelector('p').textContent = 'moved'</script>");
    assert_eq!(browser.text("p"), "still");
    world.sign_in(&browser);
    world.run(&browser, "2", "3s");
    browser.wait_text("noscript", "The page loads itself anew");
    browser.wait_text("h1 .tag", "ok");
    assert_eq!(browser.text(".summary"), "1 files, 3 bytes");
    assert_eq!(browser.complaints(), [""; 0]);
}
