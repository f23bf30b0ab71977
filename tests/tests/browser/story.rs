//! What people do.

use serde_json::json;
use taskhost_tests::{Browser, By, Script};

use super::World;

#[test]
fn a_task_is_run_and_watched_and_the_rest_is_ticked_and_read() {
    let (world, browser) = (World::served(), Browser::start(Script::On));
    world.sign_in(&browser);

    // Long enough to be watched: a line every few seconds.
    world.run(&browser, "collect", "10", "5s");
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
    world.run(&browser, "collect", "1", "3s");
    browser.wait_text("h1 .tag", "ok");
    assert_eq!(browser.text(".summary"), "1 files, 3 bytes");

    // What it does to the world is seen as it happens.
    world.run(&browser, "write", "10", "3s");
    browser.wait("an effect", || browser.has("#effects") && browser.text("#effects").contains("write out"));
    let effects = "return [location.href, document.querySelectorAll('#effects li').length]";
    let before = browser.run(effects, &json!([]));
    browser.wait("another effect on the same page", || {
        let now = browser.run(effects, &json!([]));
        now[0] == before[0] && now[1].as_u64() > before[1].as_u64()
    });
    browser.picture("live-effects");
    browser.click(By::Button("Stop it"));
    browser.wait_text("h1 .tag", "cancelled");

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
fn how_things_stand_is_kept_up_to_date_but_not_what_somebody_is_busy_with() {
    let (world, browser) = (World::served(), Browser::start(Script::On));
    world.sign_in(&browser);
    let note = "[data-part=people] input[name=note]";
    browser.fill(note, "half a no");
    browser.run("window.before = document.querySelector('[data-part=people] .checklist li')", &json!([]));
    // Somebody else does something.
    let other = Browser::start(Script::Off);
    world.sign_in(&other);
    world.run(&other, "collect", "1", "0s");
    browser.wait_text("[data-part=ran]", "1 files, 3 bytes");
    browser.wait_text("[data-part=totals]", "1 ok today");
    let kept = "return [window.before.isConnected, document.querySelector(arguments[0]).value]";
    assert_eq!(browser.run(kept, &json!([note])), json!([true, "half a no"]));
    other.open(&world.page("calendar"));
    other.click(".checklist .open button");
    other.wait_text(".checklist .done", "by olga");
    browser.open(&world.page("calendar"));
    browser.wait_text(".checklist .done", "by olga");
    assert!(browser.has(".strip a.ok"), "what was ticked is marked in the calendar");

    let hidden = || browser.run("return document.getElementById('stale').hidden", &json!([]));
    assert_eq!(hidden(), true);
    world.process.interrupt();
    browser.wait("that the host is away", || hidden() == false);
    browser.picture("stale");
}

#[test]
fn a_task_is_run_without_script() {
    let (world, browser) = (World::served(), Browser::start(Script::Off));
    // No script of a page's is run, which this could not tell otherwise.
    browser.open("data:text/html,<p>still</p><script>document.querySelector('p').textContent = 'moved'</script>");
    assert_eq!(browser.text("p"), "still");
    world.sign_in(&browser);
    world.run(&browser, "collect", "2", "3s");
    browser.wait_text("noscript", "The page loads itself anew");
    browser.wait_text("h1 .tag", "ok");
    assert_eq!(browser.text(".summary"), "1 files, 3 bytes");
    assert_eq!(browser.complaints(), [""; 0]);
}
