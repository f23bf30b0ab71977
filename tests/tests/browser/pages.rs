//! What holds for every page.

use serde_json::{Value, json};
use taskhost_tests::{Browser, Script};

use super::World;

/// A telephone and a desk.
const SCREENS: [(u32, u32); 2] = [(390, 844), (1280, 900)];

/// What is wider than the screen and is not scrolled in a place of its own: nothing, where the page is not.
const WIDE: &str = r"
    const root = document.documentElement, width = Math.min(arguments[0], root.clientWidth);
    if (root.scrollWidth <= width && innerWidth <= arguments[0]) return [];
    const beyond = [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > width + 1);
    return [`${root.scrollWidth}`, ...beyond.map(e => e.outerHTML.slice(0, 120))];
";

/// What no one can name: a field without a label, for which a placeholder is none; a link or a button without a text.
const NAMELESS: &str = r"
    const said = e => (e.getAttribute('aria-label') || '').trim();
    const fields = [...document.querySelectorAll('input:not([type=hidden]), select, textarea')];
    const others = [...document.querySelectorAll('button, a, summary')];
    return [
        ...fields.filter(e => !said(e) && ![...e.labels].some(label => label.innerText.trim())),
        ...others.filter(e => !said(e) && !e.textContent.trim()),
    ].map(e => e.outerHTML);
";

/// Follows the focus; how many there are that it has to come to.
const FOLLOW: &str = r"
    window.wanted = [...document.querySelectorAll('input:not([type=hidden]), select, textarea, button, a[href], summary')];
    window.reached = new Set();
    document.addEventListener('focusin', event => window.reached.add(event.target));
    if (document.activeElement) window.reached.add(document.activeElement);
    return window.wanted.length;
";
const UNREACHED: &str = "return window.wanted.filter(e => !window.reached.has(e)).map(e => e.outerHTML)";

/// How light the page is behind all that is on it, from 0 to 255.
const LIGHTNESS: &str = r"
    const parts = getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).map(Number);
    return Math.max(...parts.slice(0, 3));
";

/// What is not so on the page, by that screen.
fn faults(browser: &Browser, (width, height): (u32, u32)) -> Vec<String> {
    browser.screen(width, height);
    let mut faults = Vec::new();
    let mut note = |what: &str, found: &Value| {
        faults.extend(found.as_array().unwrap().iter().map(|one| format!("{what} at {width}: {one}")));
    };
    for scheme in ["light", "dark"] {
        browser.scheme(scheme);
        note("too wide", &browser.run(WIDE, &json!([width])));
        let lightness = browser.run(LIGHTNESS, &json!([])).as_u64().unwrap();
        if (lightness > 127) != (scheme == "light") {
            note(scheme, &json!([lightness]));
        }
    }
    note("nameless", &browser.run(NAMELESS, &json!([])));
    let controls = browser.run(FOLLOW, &json!([])).as_u64().unwrap();
    // A date takes a Tab for each of its parts; so does a place that is scrolled.
    browser.press('\u{E004}', usize::try_from(controls).unwrap() + 20);
    note("not reached", &browser.run(UNREACHED, &json!([])));
    faults
}

/// Holds the page to it.
fn hold(browser: &Browser, name: &str) {
    browser.run("for (const part of document.querySelectorAll('details')) part.open = true", &json!([]));
    for screen in SCREENS {
        assert_eq!(faults(browser, screen), [""; 0], "{name}");
        for scheme in ["light", "dark"] {
            browser.scheme(scheme);
            browser.picture(&format!("{name}-{}-{scheme}", screen.0));
        }
    }
}

#[test]
fn what_is_not_so_is_found() {
    let browser = Browser::start(Script::On);
    browser.open(
        "data:text/html,<meta name=viewport content=width=device-width><body style='background:white'>\
         <div style='width:500px'>wide</div><input placeholder=Name><button tabindex=-1>Go</button>",
    );
    let found = faults(&browser, SCREENS[0]);
    for part in
        ["too wide at 390: \"<div", "dark at 390: 255", "nameless at 390: \"<input", "not reached at 390: \"<button"]
    {
        assert!(found.iter().any(|fault| fault.starts_with(part)), "{part}: {found:?}");
    }
}

#[test]
fn every_page_fits_a_telephone_and_a_desk_and_is_used_by_keyboard() {
    let (world, browser) = (World::served(), Browser::start(Script::On));
    browser.open(&world.url);
    hold(&browser, "sign-in");
    world.sign_in(&browser);
    // Something to show.
    world.run(&browser, "collect", "1", "0s");
    browser.wait_text("h1 .tag", "ok");
    hold(&browser, "run-ok");
    for task in ["forge", "clean"] {
        browser.open(&world.page(&format!("tasks/{task}")));
        browser.click("button[value=perform]");
        browser.wait("its end", || browser.has("h1 .tag") && !browser.has("[data-events]"));
        hold(&browser, &format!("run-{task}"));
    }
    browser.open(&world.page("tasks/sleep"));
    browser.click("button[value=perform]");
    browser.wait("a run that goes on", || browser.has(".live"));
    hold(&browser, "run-going-on");
    for (page, name) in [
        ("", "today"),
        ("calendar", "calendar"),
        ("tasks/clean", "task-clean"),
        ("tasks/collect", "task-collect"),
        ("tasks/forge", "task-forge"),
        ("runs", "runs"),
        ("grants", "grants"),
        ("log", "log"),
        ("events", "events"),
    ] {
        browser.open(&world.page(page));
        hold(&browser, name);
    }
    assert_eq!(browser.complaints(), [""; 0]);
    browser.open(&world.page("tasks/none"));
    assert_eq!(browser.run("return document.querySelector('h1').innerText", &Value::Array(vec![])), "Not Found");
    hold(&browser, "failure");
}
