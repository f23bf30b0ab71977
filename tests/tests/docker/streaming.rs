//! Samples, logs and events, and an engine that goes away while they come.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use taskhost_tests::docker::engine;
use taskhost_tests::{fixture, host};

use super::{call, said, summary};

#[test]
fn samples_and_logs_come_as_streams() {
    let mine = engine();
    let image = mine.name("app:1");
    mine.image(&image, "x", &[]);
    let web = mine.start("web", &[], &image, &["busybox", "sh", "-c", "echo one; echo two >&2; sleep 600"]);
    assert_eq!(said(&mine, "", &format!("stats {web} 2")), "2 samples, memory known");
    for _ in 0..100 {
        if said(&mine, "", &format!("logs {web}")).len() >= 7 {
            break;
        }
    }
    let mut lines: Vec<String> = said(&mine, "", &format!("logs {web}")).split('|').map(Into::into).collect();
    lines.sort_unstable();
    assert_eq!(lines, ["one", "two"]);
    assert_eq!(said(&mine, "", &format!("logs {web} 1")).split('|').count(), 1);

    let ended = mine.start("ended", &[], &image, &["busybox", "echo", "gone"]);
    mine.docker(["wait", &ended]);
    assert_eq!(said(&mine, "", &format!("logs {ended} all follow")), "gone");
    assert_eq!(said(&mine, "", &format!("stats {ended} 5")), "0 samples, memory unknown");
}

#[test]
fn events_are_those_of_the_scope() {
    let (mine, theirs) = (engine(), engine());
    let image = mine.name("app:1");
    mine.image(&image, "x", &[]);
    let begun = now() - 1;
    let one = mine.start("one", &[], &image, &["busybox", "true"]);
    let other = theirs.start("other", &[], &image, &["busybox", "true"]);
    mine.docker(["wait", &one]);
    mine.docker(["wait", &other]);
    let seen = said(&mine, "", &format!("events {begun} {}", now() + 1));
    assert!(seen.contains(&format!("start {one}")) && seen.contains(&format!("die {one}")), "{seen}");
    assert!(!seen.contains(&other), "{seen}");
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

#[test]
fn streams_that_nobody_reads_end_with_the_run() {
    let mine = engine();
    let image = mine.name("app:1");
    mine.image(&image, "x", &[]);
    let web = mine.start("web", &[], &image, &["busybox", "yes"]);
    let output = call("run", &mine, "", &format!("abandon {web}")).run().expect_code(0);
    assert_eq!(summary(&output), "abandoned");
    let effects = output.report()["effects"].as_array().unwrap().clone();
    assert!(effects.iter().all(|effect| effect["outcome"] == "abandoned"), "{output}");
    assert!(output.peak_memory < 512 << 20, "{} bytes", output.peak_memory);
}

/// A socket in front of the engine's, which can be cut.
fn cuttable(engine: &str, path: &std::path::Path) -> Arc<AtomicBool> {
    let cut = Arc::new(AtomicBool::new(false));
    let listener = UnixListener::bind(path).unwrap();
    let engine = engine.trim_start_matches("unix://").to_owned();
    let is_cut = Arc::clone(&cut);
    std::thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let far = UnixStream::connect(&engine).unwrap();
            for (mut from, mut to) in [
                (near.try_clone().unwrap(), far.try_clone().unwrap()),
                (far.try_clone().unwrap(), near.try_clone().unwrap()),
            ] {
                let is_cut = Arc::clone(&is_cut);
                std::thread::spawn(move || {
                    from.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
                    let mut buffer = [0; 4096];
                    while !is_cut.load(Ordering::Relaxed) {
                        match from.read(&mut buffer) {
                            Ok(0) => break,
                            Ok(count) => {
                                if to.write_all(&buffer[..count]).is_err() {
                                    break;
                                }
                            }
                            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                            Err(_) => break,
                        }
                    }
                    let _ = to.shutdown(std::net::Shutdown::Both);
                    let _ = from.shutdown(std::net::Shutdown::Both);
                });
            }
        }
    });
    cut
}

#[test]
fn an_engine_that_goes_away_half_way_is_no_end() {
    let mine = engine();
    let image = mine.name("app:1");
    mine.image(&image, "x", &[]);
    let web = mine.start("web", &[], &image, &["busybox", "sh", "-c", "echo begun; sleep 600"]);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("engine.sock");
    let cut = cuttable(mine.url(), &path);
    let running = host()
        .arg("run")
        .arg(fixture("docker"))
        .args([&format!("call=logs {web} all follow"), "--format=json", "--docker"])
        .args([format!("engine={}", path.display())])
        .spawn();
    std::thread::sleep(Duration::from_secs(2));
    cut.store(true, Ordering::Relaxed);
    let answer = summary(&running.wait());
    assert!(answer.starts_with("unavailable: the Docker engine went away"), "{answer}");
}
