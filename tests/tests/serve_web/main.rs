//! The page and the API of `host serve`: what they show, what they let whom do, and what they keep out.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on stops here")]

mod access;
mod acting;
mod document;
mod http;
mod metrics;
mod pages;
mod watching;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use http::{Answer, Request};
use serde_json::{Value, json};
use taskhost_tests::{Process, serving};

/// How long something may take that comes within seconds.
const PATIENCE: Duration = Duration::from_mins(1);

const BUNDLE: &str = r#"
name = "shop & <b>sons</b>"
maintainer = "the team"
time-zone = "Europe/Berlin"
history = "history.db"

[tasks.clean]
plugin = "file-cleanup"
description = "Removes <i>old</i> logs"
schedule = "daily at 03:00"
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
parameters = { errand = "collect", pause = "3s" }
grants.directory = { files = "logs", access = ["write"] }

[[checklist]]
title = "Read the <error> log"
kind = "daily"

[[checklist]]
title = "Vendor review"
kind = "quarterly"
detail = "With the contracts."
"#;

/// The bundle's name in an address.
const NAME: &str = "/shop%20%26%20%3Cb%3Esons%3C%2Fb%3E";

/// A bundle that is served, and who has tokens.
struct World {
    directory: tempfile::TempDir,
    process: Option<Process>,
    address: String,
}

impl World {
    /// Not served yet.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("logs")).unwrap();
        std::fs::write(directory.path().join("bundle.toml"), serving::with_plugins(BUNDLE)).unwrap();
        Self { directory, process: None, address: String::new() }
    }

    /// Served to whom the tokens file names.
    fn served() -> Self {
        let mut world = Self::new();
        world.token("vera", "viewer");
        world.serve(&["--tokens", &world.path("tokens").display().to_string()]);
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A token that is new.
    fn token(&self, name: &str, role: &str) -> String {
        serving::token(&self.path("tokens"), name, role)
    }

    fn serve(&mut self, words: &[&str]) {
        let (process, url) = serving::serve(&self.path("bundle.toml"), |host| host.args(words.iter().copied()));
        let (_, address) = url.split_once("://").unwrap();
        address.clone_into(&mut self.address);
        self.process = Some(process);
    }

    /// Ends it in order.
    fn end(&mut self) {
        let process = self.process.take().unwrap();
        process.interrupt();
        process.wait().expect_code(0);
    }

    /// A request that is not yet sent.
    fn request(&self, method: &str, target: &str) -> Request {
        Request::new(&self.address, method, target)
    }

    fn get(&self, token: &str, target: &str) -> Answer {
        self.request("GET", target).token(token).send()
    }

    fn post(&self, token: &str, target: &str, body: &Value) -> Answer {
        self.request("POST", target).token(token).json(body).send()
    }

    /// Asks for a run.
    fn run(&self, token: &str, task: &str) -> String {
        let asked = self.post(token, &format!("/api/v1/tasks/{task}/runs"), &json!({"mode": "perform"}));
        asked.expect(202).json()["run"].as_str().unwrap().to_owned()
    }

    /// Waits until a run has ended, and returns it.
    fn ended(&self, token: &str, run: &str) -> Value {
        self.wait(token, run, |found| !found["run"]["outcome"].is_null())
    }

    /// Waits until a run has begun.
    fn begun(&self, token: &str, run: &str) {
        self.wait(token, run, |_| true);
    }

    fn wait(&self, token: &str, run: &str, enough: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let answer = self.get(token, &format!("/api/v1/runs/{run}"));
            if answer.status == 200 && enough(&answer.json()) {
                return answer.json();
            }
            assert!(begun.elapsed() < PATIENCE, "{run}: {answer:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until such an event is noted.
    fn noted(&self, token: &str, wanted: impl Fn(&Value) -> bool) {
        let begun = Instant::now();
        loop {
            let events = self.get(token, "/api/v1/events").expect(200).json();
            if events["events"].as_array().unwrap().iter().any(&wanted) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{events}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Signs in as a browser does; the cookie.
    fn sign_in(&self, token: &str) -> String {
        let answer = self.request("POST", "/sign-in").form(&[("token", token)]).send().expect(303);
        answer.header("set-cookie").split(';').next().unwrap().to_owned()
    }

    /// The field against forged forms, from a page.
    fn csrf(&self, cookie: &str) -> String {
        let page = self.request("GET", &format!("{NAME}/tasks/clean")).header("cookie", cookie).send().expect(200).body;
        let (_, after) = page.split_once("name=\"csrf\" value=\"").unwrap();
        after.split_once('"').unwrap().0.to_owned()
    }
}
