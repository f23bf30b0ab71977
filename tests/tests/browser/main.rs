//! The page of `host serve` in a real browser, as people use it: with scripts and without, on a telephone, in the dark, by
//! keyboard. Where `TASKHOST_TEST_SCREENSHOTS` names a directory, it gets a picture of each page.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on stops here")]

mod pages;
mod story;

use taskhost_tests::{Browser, By, Process, serving};

const BUNDLE: &str = r#"
name = "shop & <b>sons</b>"
maintainer = "the team"
history = "history.db"

[tasks.clean]
plugin = "file-cleanup"
description = "Removes LONG from where the shop keeps them"
schedule = "daily at 03:00"
kind = "daily"
parameters = { older-than = "30d" }
grants.directory = { files = "logs", access = ["delete"] }
budget = { "directory.files" = 10 }

[tasks.forge]
plugin = CONDUCT
parameters = { case = "forge-markup" }

[tasks.sleep]
plugin = CONDUCT
parameters = { case = "sleep" }

[tasks.collect]
plugin = ERRAND
parameters = { errand = "collect" }
grants.directory = { files = "logs", access = ["write"] }

[tasks.write]
plugin = ERRAND
parameters = { errand = "write" }
grants.directory = { files = "logs", access = ["write"] }

[[checklist]]
title = "Read the <error> log"
kind = "daily"

[[checklist]]
title = "Vendor review of LONG"
kind = "quarterly"
detail = "With the contracts."
"#;

/// Without a place to break a line at.
const LONG: &str = "a-name_that.does/not:end=before@the+edge_of-a.telephone/whatever:it=is@called+by-those_who.keep/it";

/// The bundle's name in an address.
const NAME: &str = "/shop%20%26%20%3Cb%3Esons%3C%2Fb%3E";

/// A bundle that is served, and an operator's token.
struct World {
    url: String,
    token: String,
    process: Process,
    // Removed after the host ended.
    _directory: tempfile::TempDir,
}

impl World {
    fn served() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::create_dir(path("logs")).unwrap();
        std::fs::write(path("logs/a.log"), "one").unwrap();
        std::fs::write(path("bundle.toml"), serving::with_plugins(BUNDLE).replace("LONG", LONG)).unwrap();
        let token = serving::token(&path("tokens"), "olga", "approver");
        let (process, url) = serving::serve(&path("bundle.toml"), |host| host.arg("--tokens").arg(path("tokens")));
        Self { url, token, process, _directory: directory }
    }

    /// The address of a page of the bundle's.
    fn page(&self, page: &str) -> String {
        format!("{}{NAME}/{page}", self.url)
    }

    /// Signs in, from the first page, by keyboard.
    fn sign_in(&self, browser: &Browser) {
        browser.open(&self.url);
        assert!(browser.url().contains("/sign-in"), "{}", browser.url());
        browser.fill("#token", &format!("{}\u{E007}", self.token));
        browser.wait_text("h1", "Today");
        assert_eq!(browser.text(".account span"), "olga approver");
    }

    /// Has a task run by its form.
    fn run(&self, browser: &Browser, task: &str, times: &str, pause: &str) {
        browser.open(&self.page(&format!("tasks/{task}")));
        browser.fill("#p-times", times);
        browser.fill("#p-pause", pause);
        browser.click(By::Button("Run now"));
        browser.wait("a run's page", || browser.url().contains("/runs/"));
    }
}
