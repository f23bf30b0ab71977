//! Control, pull and run: what the grant allows, what a rehearsal leaves, and what can never be had.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use taskhost_tests::docker::{Engine, engine};

use super::{call, planned, said, summary};

#[test]
fn without_its_word_nothing_is_done() {
    let mine = engine();
    let image = mine.name("app:1");
    mine.image(&image, "x", &[]);
    let web = mine.start("web", &[], &image, &["busybox", "sleep", "600"]);
    for (what, word) in [
        (format!("stop {web}"), "control"),
        (format!("start {web}"), "control"),
        (format!("restart {web}"), "control"),
        ("prune images".into(), "prune"),
        ("prune containers".into(), "prune"),
        ("prune volumes named".into(), "prune"),
        ("prune networks".into(), "prune"),
        ("prune build-cache".into(), "prune"),
        ("pull nginx".into(), "pull"),
        (format!("run {image} busybox true"), "run"),
    ] {
        let answer = said(&mine, "", &what);
        assert!(answer.starts_with("refused: ") && answer.contains(&format!("add `,{word}`")), "{what}: {answer}");
    }
    assert!(said(&mine, ",prune", "prune build-cache").contains("the build cache is the whole engine's"));
    assert_eq!(mine.list(&["ps"], "{{.State}}"), ["running"]);
    assert_eq!(mine.list(&["images"], "{{.Tag}}"), ["1"]);
}

#[test]
fn containers_are_stopped_started_and_restarted_and_a_rehearsal_leaves_them() {
    let mine = engine();
    let image = mine.name("app:1");
    mine.image(&image, "x", &[]);
    let web = mine.start("web", &[], &image, &["busybox", "sleep", "600"]);
    let state = || mine.docker(["inspect", "--format", "{{.State.Status}} {{.State.StartedAt}}", &web]);
    let before = state();
    assert_eq!(planned(&mine, ",control", &format!("stop {web}")), "stopped");
    assert_eq!(planned(&mine, ",control", &format!("restart {web}")), "restarted");
    assert_eq!(state(), before);
    assert_eq!(said(&mine, ",control", &format!("restart {web}")), "restarted");
    assert!(state() != before && state().starts_with("running"));
    assert_eq!(said(&mine, ",control", &format!("stop {web}")), "stopped");
    assert!(state().starts_with("exited"));
    assert_eq!(said(&mine, ",control", &format!("start {web}")), "started");
    assert!(state().starts_with("running"));
    let over = call("run", &mine, ",control", &format!("stop {web}")).args(["--budget", "engine.containers=0"]).run();
    assert!(summary(&over).starts_with("over budget"), "{over}");
    assert!(state().starts_with("running"));
}

/// A binding that may run one image of the test's own.
fn running(image: &str) -> String {
    format!(",run,run-image={image},memory=32MiB")
}

#[test]
fn an_image_runs_to_its_end_and_can_do_nothing_but_compute() {
    let _alone = alone();
    let mine = engine();
    let image = mine.name("tool:1");
    mine.image(&image, "x", &[]);
    let words = running(&image);
    for (command, expected) in [
        ("busybox echo hello", "0: hello"),
        ("busybox sh -c echo_$GREETING;exit_7", "7: hello"),
        ("busybox sh -c echo_two_>&2", "0: two"),
        // The loopback alone.
        ("busybox sh -c ls_/sys/class/net", "0: lo"),
        ("busybox sh -c (echo_x_>/file)_2>/dev/null_||_echo_read-only", "0: read-only"),
        ("busybox grep CapEff /proc/self/status", "0: CapEff: 0000000000000000"),
        ("busybox grep NoNewPrivs /proc/self/status", "0: NoNewPrivs: 1"),
        ("busybox sh -c ls_/dev/sda_/dev/kmsg_/var/run/docker.sock_2>/dev/null_|_busybox_wc_-l", "0: 0"),
    ] {
        assert_eq!(said(&mine, &words, &format!("run {image} {command}")), expected, "{command}");
    }
    assert_eq!(planned(&mine, &words, &format!("run {image} busybox echo hello")), "0: ");
    assert_eq!(
        said(&mine, &words, &format!("run {image} timeout=1 busybox sleep 600")).split(':').next(),
        Some("timed out")
    );
    for (what, expected) in [
        ("run nginx busybox true".to_owned(), "refused: slot `engine` does not grant to run nginx:latest"),
        (format!("run {image}@sha256:{} x", "a".repeat(64)), "refused: "),
        ("run ../../x busybox true".to_owned(), "invalid: "),
        (format!("run {image} memory=1073741824 busybox true"), "refused: slot `engine` does not grant so much memory"),
        (format!("run {image} nothing-such"), "engine: "),
    ] {
        let answer = said(&mine, &words, &what);
        assert!(answer.starts_with(expected), "{what}: {answer}");
    }
    assert_eq!(left(&mine, &image), Vec::<String>::new(), "every container is gone");
}

/// Whoever runs containers sweeps up the whole engine's, so that one test at a time does.
fn alone() -> MutexGuard<'static, ()> {
    static RUNNING: Mutex<()> = Mutex::new(());
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The containers made from an image.
fn left(engine: &Engine, image: &str) -> Vec<String> {
    let filter = format!("ancestor={image}");
    let listed = engine.docker(["ps", "--all", "--filter", &filter, "--format", "{{.ID}}"]);
    listed.lines().map(Into::into).collect()
}

#[test]
fn a_container_of_a_run_that_ends_early_is_gone_and_a_killed_hosts_is_swept_up() {
    let _alone = alone();
    let mine = engine();
    let image = mine.name("tool:1");
    mine.image(&image, "x", &[]);
    let words = running(&image);
    let timed_out = call("run", &mine, &words, &format!("run {image} busybox sleep 600")).args(["--timeout=3s"]).run();
    assert_eq!(timed_out.report()["run"]["outcome"], "timed-out", "{timed_out}");
    assert_eq!(left(&mine, &image), Vec::<String>::new());

    let killed = call("run", &mine, &words, &format!("run {image} busybox sleep 600")).spawn();
    let begun = std::time::Instant::now();
    while left(&mine, &image).is_empty() {
        assert!(begun.elapsed() < Duration::from_mins(1), "it never ran");
        std::thread::sleep(Duration::from_millis(50));
    }
    killed.kill_hard();
    assert_eq!(left(&mine, &image).len(), 1, "nobody could remove it");
    // Its time is not over: it may be another host's that works. One whose time is over is nobody's.
    let overdue =
        mine.start("overdue", &["--label", "org.taskhost.run.until=1000"], &image, &["busybox", "sleep", "600"]);
    let working =
        mine.start("working", &["--label", "org.taskhost.run.until=99999999999"], &image, &["busybox", "sleep", "600"]);
    said(&mine, ",control,prune", "info");
    planned(&mine, &words, &format!("run {image} busybox true"));
    assert!(mine.list(&["ps"], "{{.Names}}").contains(&overdue), "who does not run containers removes none");
    assert_eq!(said(&mine, &words, &format!("run {image} busybox true")), "0: ");
    let names = mine.list(&["ps"], "{{.Names}}");
    assert!(!names.contains(&overdue) && names.contains(&working), "{names:?}");
    for id in left(&mine, &image) {
        mine.docker(["rm", "--force", &id]);
    }
}

#[test]
fn an_image_is_pulled_from_the_repositories_named_and_a_rehearsal_asks_the_registry_only() {
    let mine = engine();
    let image = mine.in_registry("app:1");
    mine.image(&image, "one", &[]);
    mine.docker(["push", "--quiet", &image]);
    mine.docker(["rmi", &image]);
    let repository = image.rsplit_once(':').unwrap().0;
    let words = format!(",pull,image={repository}");

    let digest = said(&mine, &words, &format!("remote-digest {image}"));
    assert!(digest.starts_with("sha256:"), "{digest}");
    assert_eq!(planned(&mine, &words, &format!("pull {image}")), format!("None to {digest}, no steps"));
    assert_eq!(mine.list(&["images"], "{{.Repository}}"), Vec::<String>::new(), "nothing was pulled");
    assert_eq!(said(&mine, &words, &format!("pull {image}")), format!("None to {digest}, some steps"));
    assert_eq!(mine.list(&["images"], "{{.Repository}}"), [repository]);
    let again = said(&mine, &words, &format!("pull {image}"));
    assert_eq!(again, format!("Some(\"{digest}\") to {digest}, some steps"));

    for (what, expected) in [
        (format!("pull {repository}2:1"), "refused: "),
        (format!("pull {repository}:none"), "not found: "),
        ("pull nginx".to_owned(), "refused: slot `engine` does not grant the repository nginx"),
        ("remote-digest nginx".to_owned(), "refused: "),
        ("pull evil.example/x/../y".to_owned(), "invalid: "),
    ] {
        let answer = said(&mine, &words, &what);
        assert!(answer.starts_with(expected), "{what}: {answer}");
    }
}
