//! Servers that go away half-way: what was done is said, and the run does not end well.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use taskhost_tests::{Host, Output, host};

use super::counted;
use super::server::Server;

/// Stands between a server and those who ask it, until so many bytes of answers went through.
struct Proxy {
    socket: PathBuf,
    _directory: tempfile::TempDir,
}

impl Proxy {
    fn before(server: &Server, bytes: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        let left = Arc::new(AtomicUsize::new(bytes));
        let server = server.socket();
        // It ends with the test's process.
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                if left.load(Ordering::SeqCst) > 0 {
                    connect(client, &server, &left);
                }
            }
        });
        Self { socket, _directory: directory }
    }

    fn task(&self, plugin: &str, words: &str, arguments: &[&str]) -> Host {
        let binding = format!("cache=unix:{}{words}", self.socket.display());
        host().args(["run", plugin, "--format=json", "--redis", &binding]).args(arguments.iter().copied())
    }
}

fn connect(client: UnixStream, server: &Path, left: &Arc<AtomicUsize>) {
    let server = UnixStream::connect(server).unwrap();
    let (mut asking, mut asked) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    thread::spawn(move || std::io::copy(&mut asking, &mut asked));
    let (mut answering, mut answered, left) = (server, client, Arc::clone(left));
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = answering.read(&mut buffer) {
            let before = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| Some(left.saturating_sub(read)));
            if before.unwrap() < read || answered.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        let _ = answered.shutdown(Shutdown::Both);
        let _ = answering.shutdown(Shutdown::Both);
    });
}

const KEYS: u32 = 50_000;

fn server() -> Server {
    let server = Server::start(&[]);
    server.fill("session", KEYS, 10);
    server
}

/// Enough for some thousand keys, and not for all of them.
const SOME: usize = 400_000;

#[track_caller]
fn assert_stopped(output: &Output, done: u64) {
    let report = output.report();
    let outcome = report["run"]["outcome"].as_str().unwrap();
    assert!(matches!(outcome, "unavailable" | "failed"), "{output}");
    let error = report["error"].as_str().unwrap();
    assert!(error.starts_with("stopped after ") && done > 0 && done < KEYS.into(), "{done}: {output}");
}

#[test]
fn keys_that_were_seen_are_reported_though_the_run_fails() {
    let server = server();
    let output = Proxy::before(&server, SOME).task("redis-keys", "", &[]).run().expect_code(3);
    let report = output.report();
    assert_stopped(&output, counted(&report, "keys", None));
    assert_eq!(counted(&report, "prefix_keys", Some("session:*")), counted(&report, "keys", None));
}

#[test]
fn keys_that_were_removed_are_counted_though_the_run_fails() {
    let server = server();
    let arguments = ["pattern=session:*", "batch=50"];
    let output = Proxy::before(&server, SOME).task("redis-cleanup", ",write,key=*", &arguments).run().expect_code(3);
    let removed = counted(&output.report(), "keys_removed", None);
    assert_stopped(&output, removed);
    // Of the last batch no answer may have come.
    let gone = u64::from(KEYS) - server.keys();
    assert!(gone >= removed && gone - removed <= 50, "{gone} gone, {removed} counted");
}
