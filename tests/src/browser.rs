//! A real browser of a test's own: Chromium, which chromedriver has do what a person would, told in the W3C's protocol for
//! that, `WebDriver`. It has a profile of its own, reaches nothing but the loopback, and ends with the test, also with one
//! that fails.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use serde_json::{Value, json};

/// How long it may take to start, or until something that a test waits for is so.
const PATIENCE: Duration = Duration::from_mins(1);
/// What the protocol calls the reference to an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// What the driver says when the page was changed beneath a question, or is not there yet: it can be asked again.
const PASSING: [&str; 4] =
    ["no such element", "stale element reference", "element not interactable", "element click intercepted"];

/// Whether pages may run scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they say it")]
pub enum Script {
    On,
    Off,
}

/// How something on a page is found.
#[derive(Clone, Copy, Debug)]
pub enum By<'a> {
    /// The first that the CSS selector names.
    Css(&'a str),
    /// A link with that text.
    Link(&'a str),
    /// A button with that text.
    Button(&'a str),
}

impl<'a> From<&'a str> for By<'a> {
    fn from(selector: &'a str) -> Self {
        Self::Css(selector)
    }
}

/// A browser. It is ended when this is dropped.
#[derive(Debug)]
pub struct Browser {
    driver: Child,
    port: u16,
    /// Where the session is.
    session: String,
    // Removed after the browser ended.
    directory: tempfile::TempDir,
}

impl Browser {
    /// Starts one.
    pub fn start(script: Script) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let log = std::fs::File::create(directory.path().join("log")).expect("a file in a directory of our own");
        let program = std::env::var("TASKHOST_TEST_CHROMEDRIVER").unwrap_or_else(|_| "chromedriver".into());
        let mut command = Command::new(&program);
        // A group of its own, with the browsers that it starts.
        command.arg("--port=0").process_group(0);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", directory.path()).env("TMPDIR", directory.path()).current_dir(directory.path());
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a file")).stderr(log);
        let driver = command.spawn().unwrap_or_else(|error| {
            panic!(
                "this test needs Chromium and its driver: run `cargo xtask test`, which installs them, or name the \
                 driver in TASKHOST_TEST_CHROMEDRIVER ({program}: {error})"
            )
        });
        let mut browser = Self { driver, port: 0, session: String::new(), directory };
        browser.port = browser.listening();
        let profile = browser.directory.path().join("profile");
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--no-first-run",
            "--no-proxy-server",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            "--lang=en-US",
            &format!("--user-data-dir={}", profile.display()),
        ];
        let scripts = if script == Script::On { 1 } else { 2 };
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {
                "args": arguments,
                "prefs": {"profile.managed_default_content_settings.javascript": scripts},
            },
        }}});
        let session = browser.send("POST", "/session", &wanted).unwrap_or_else(|error| panic!("no session: {error}"));
        browser.session = format!("/session/{}", word(&session, "sessionId"));
        browser
    }

    /// Opens a page, and waits until it is loaded.
    #[track_caller]
    pub fn open(&self, url: &str) {
        self.ask("POST", "/url", &json!({"url": url}));
    }

    /// The address of the page.
    pub fn url(&self) -> String {
        self.ask("GET", "/url", &Value::Null).as_str().expect("an address is text").to_owned()
    }

    /// Clicks where it is, once it is there; what lies upon it takes the click from it.
    #[track_caller]
    pub fn click<'a>(&self, at: impl Into<By<'a>>) {
        self.on(at.into(), |element| self.command("POST", &format!("/element/{element}/click"), &json!({})));
    }

    /// Replaces what is in a field; `\u{E007}` is Enter.
    #[track_caller]
    pub fn fill<'a>(&self, at: impl Into<By<'a>>, text: &str) {
        self.on(at.into(), |element| {
            self.command("POST", &format!("/element/{element}/clear"), &json!({}))?;
            self.command("POST", &format!("/element/{element}/value"), &json!({"text": text}))
        });
    }

    /// The text that is to be seen of it.
    #[track_caller]
    pub fn text<'a>(&self, at: impl Into<By<'a>>) -> String {
        let text = self.on(at.into(), |element| self.command("GET", &format!("/element/{element}/text"), &Value::Null));
        text.as_str().expect("a text is text").to_owned()
    }

    /// Whether there is such a thing.
    pub fn has<'a>(&self, at: impl Into<By<'a>>) -> bool {
        self.find(at.into()).is_ok()
    }

    /// Waits until there is one whose text has that in it.
    #[track_caller]
    pub fn wait_text(&self, selector: &str, text: &str) {
        self.wait(&format!("{text:?} in {selector}"), || {
            let script =
                "return [...document.querySelectorAll(arguments[0])].some(e => e.innerText.includes(arguments[1]))";
            self.try_run(script, &json!([selector, text])).is_ok_and(|found| found == true)
        });
    }

    /// Waits until that is so.
    #[track_caller]
    pub fn wait(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !holds() {
            assert!(begun.elapsed() < PATIENCE, "there never was {what}; the page is {}", self.page());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Runs the body of a function; also where pages may not.
    #[track_caller]
    pub fn run(&self, body: &str, arguments: &Value) -> Value {
        self.try_run(body, arguments).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Presses a key so often.
    #[track_caller]
    pub fn press(&self, key: char, times: usize) {
        let stroke = [json!({"type": "keyDown", "value": key}), json!({"type": "keyUp", "value": key})];
        let strokes: Vec<Value> = std::iter::repeat_n(stroke, times).flatten().collect();
        self.ask("POST", "/actions", &json!({"actions": [{"type": "key", "id": "keys", "actions": strokes}]}));
    }

    /// Has a screen of that width: up to 600 pixels it is a telephone's.
    #[track_caller]
    pub fn screen(&self, width: u32, height: u32) {
        let screen = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width <= 600});
        self.chromium("Emulation.setDeviceMetricsOverride", &screen);
    }

    /// Has whoever looks prefer `light` or `dark`.
    #[track_caller]
    pub fn scheme(&self, scheme: &str) {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.chromium("Emulation.setEmulatedMedia", &features);
    }

    /// Keeps a picture of the whole page where `TASKHOST_TEST_SCREENSHOTS` says, if it does.
    #[track_caller]
    pub fn picture(&self, name: &str) {
        let Some(directory) = std::env::var_os("TASKHOST_TEST_SCREENSHOTS") else { return };
        self.run("document.activeElement?.blur(); scrollTo(0, 0)", &json!([]));
        let taken = self.chromium("Page.captureScreenshot", &json!({"captureBeyondViewport": true}));
        let bytes = data_encoding::BASE64.decode(word(&taken, "data").as_bytes()).expect("a picture is in Base64");
        std::fs::create_dir_all(&directory).expect("a directory for pictures");
        std::fs::write(Path::new(&directory).join(format!("{name}.png")), bytes).expect("a picture can be kept");
    }

    /// What the console has of warnings and errors since it was last asked for.
    pub fn complaints(&self) -> Vec<String> {
        let entries = self.ask("POST", "/se/log", &json!({"type": "browser"}));
        let entries = entries.as_array().expect("a log is a list").iter();
        let bad = entries.filter(|entry| ["SEVERE", "WARNING"].contains(&word(entry, "level")));
        bad.map(|entry| word(entry, "message").to_owned()).collect()
    }

    /// Chromium's own commands, beside the protocol's.
    #[track_caller]
    fn chromium(&self, command: &str, parameters: &Value) -> Value {
        self.ask("POST", "/goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    fn try_run(&self, body: &str, arguments: &Value) -> Result<Value, String> {
        self.command("POST", "/execute/sync", &json!({"script": body, "args": arguments}))
    }

    fn find(&self, at: By<'_>) -> Result<String, String> {
        let (using, value) = match at {
            By::Css(selector) => ("css selector", selector.to_owned()),
            By::Link(text) => ("link text", text.to_owned()),
            By::Button(text) => ("xpath", format!("//button[normalize-space()=\"{text}\"]")),
        };
        let found = self.command("POST", "/element", &json!({"using": using, "value": value}))?;
        Ok(word(&found, ELEMENT).to_owned())
    }

    /// Finds it and does that, until it could be done.
    #[track_caller]
    fn on(&self, at: By<'_>, deed: impl Fn(&str) -> Result<Value, String>) -> Value {
        let begun = Instant::now();
        loop {
            match self.find(at).and_then(|element| deed(&element)) {
                Ok(answer) => return answer,
                Err(error) if begun.elapsed() < PATIENCE && PASSING.iter().any(|one| error.starts_with(one)) => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(error) => panic!("{at:?}: {error}; the page is {}", self.page()),
            }
        }
    }

    /// The page, for whoever has to find out why it is not as it should be.
    fn page(&self) -> String {
        let text = self.try_run("return location.href + '\\n' + document.body.innerText", &json!([]));
        text.unwrap_or_else(Value::from).as_str().unwrap_or_default().to_owned()
    }

    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        self.command(method, path, body).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn command(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        self.send(method, &format!("{}{path}", self.session), body)
    }

    /// What the driver answers; a failure begins with the protocol's word for it.
    fn send(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let answer = self.exchange(method, path, body).map_err(|error| format!("{error}; it said: {}", self.said()))?;
        let value = answer.get("value").cloned().unwrap_or_default();
        if value.get("error").is_some() {
            return Err(format!("{}: {}", word(&value, "error"), word(&value, "message")));
        }
        Ok(value)
    }

    fn exchange(&self, method: &str, path: &str, body: &Value) -> std::io::Result<Value> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let head = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n", self.port);
        let head = format!("{head}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all((head + &body).as_bytes())?;
        let mut stream = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            let read = stream.read_line(&mut line)?;
            if read == 0 || line.trim_end().is_empty() {
                break;
            }
            let header = line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
            length = header.and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(length);
        }
        let mut answer = vec![0; length];
        stream.read_exact(&mut answer)?;
        Ok(serde_json::from_slice(&answer)?)
    }

    /// The port that the driver has chosen.
    fn listening(&mut self) -> u16 {
        let begun = Instant::now();
        loop {
            let said = self.said();
            let port = said.split_once("started successfully on port ").and_then(|(_, rest)| rest.split_once('.'));
            if let Some(port) = port.and_then(|(port, _)| port.parse().ok()) {
                return port;
            }
            let ended = self.driver.try_wait().expect("the process is ours");
            assert!(ended.is_none() && begun.elapsed() < PATIENCE, "chromedriver did not start: {said}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

/// A text that the protocol has there.
#[track_caller]
fn word<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_else(|| panic!("no {name}: {value}"))
}

impl Drop for Browser {
    fn drop(&mut self) {
        let group = i32::try_from(self.driver.id()).ok().and_then(Pid::from_raw).expect("a process has an id");
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.driver.wait();
        // The browsers are nobody's children now. While one ends, its profile cannot be removed.
        let begun = Instant::now();
        while test_kill_process_group(group).is_ok() && begun.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
