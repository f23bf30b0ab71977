//! Components that no compiler made: handles out of thin air, memory that is none, files that are made to be hard to
//! read or to compile.

use std::time::{Duration, Instant};

use taskhost::capability::Grants;
use taskhost::plugin::{Host, HostConfig, LoadError, Plugin, Request};
use taskhost::report::{Outcome, Report};
use taskhost_tests::hostile;

use crate::scene::{PATIENCE, SHORT, World, conduct, expect, expect_unharmed, host, request, shown};
use crate::wat::{Guest, component};

/// Loads a guest that was written by hand.
async fn load(host: &Host, guest: &Guest<'_>) -> Result<Plugin, LoadError> {
    load_bytes(host, &guest.component()).await
}

async fn load_bytes(host: &Host, bytes: &[u8]) -> Result<Plugin, LoadError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("guest.wasm");
    std::fs::write(&path, bytes).unwrap();
    host.load(&path).await
}

async fn run(host: &Host, plugin: &Plugin, grants: Grants, timeout: Duration) -> Report {
    host.run(plugin, Request { arguments: vec![], grants, ..request("", timeout) }).await
}

/// The guest, with its slots bound, ends so; then one that behaves ends well in the same process.
async fn expect_end(guest: &Guest<'_>, outcome: Outcome, says: &str) {
    let (host, behaved) = conduct().await;
    let plugin = load(&host, guest).await.unwrap();
    let world = World::new();
    let grants = if guest.slots { world.grants() } else { Grants::default() };
    expect(&run(&host, &plugin, grants, SHORT * 4).await, outcome, says);
    expect_unharmed(&host, &behaved).await;
}

const OPEN: &str = r#"
    (import "taskhost:host/sql@0.1.0" "open" (func $open (param i32 i32 i32)))
    (import "taskhost:host/sql@0.1.0" "[resource-drop]database" (func $drop (param i32)))
    (import "taskhost:host/files@0.1.0" "[resource-drop]directory" (func $drop-directory (param i32)))
"#;
/// Opens the slot `database`; its handle is then at 1028.
const OPENED: &str = "(call $open (i32.const 300) (i32.const 8) (i32.const 1024))";

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_guest_written_by_hand_runs() {
    expect_end(&Guest::default(), Outcome::Ok, "wat").await;
    let body = format!("{OPENED} (call $drop (i32.load (i32.const 1028)))");
    expect_end(&Guest { slots: true, imports: OPEN, run: &body, ..Guest::default() }, Outcome::Ok, "wat").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handle_that_was_never_given_ends_the_run() {
    for number in [0, 1, 2, 7, 65_536, 0x7fff_ffff, -1] {
        let body = format!("(call $drop (i32.const {number}))");
        let guest = Guest { slots: true, imports: OPEN, run: &body, ..Guest::default() };
        expect_end(&guest, Outcome::Trapped, "unknown handle index").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handle_used_after_it_was_dropped_ends_the_run() {
    let drop = "(call $drop (i32.load (i32.const 1028)))";
    let body = format!("{OPENED} {drop} {drop}");
    let guest = Guest { slots: true, imports: OPEN, run: &body, ..Guest::default() };
    expect_end(&guest, Outcome::Trapped, "unknown handle index").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handle_of_another_room_ends_the_run() {
    let body = format!("{OPENED} (call $drop-directory (i32.load (i32.const 1028)))");
    let guest = Guest { slots: true, imports: OPEN, run: &body, ..Guest::default() };
    expect_end(&guest, Outcome::Trapped, "handle index").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handle_of_an_earlier_run_ends_the_run() {
    let host = host();
    let world = World::new();
    let keeps = Guest { slots: true, imports: OPEN, run: OPENED, ..Guest::default() };
    let keeps = load(&host, &keeps).await.unwrap();
    expect(&run(&host, &keeps, world.grants(), PATIENCE).await, Outcome::Ok, "wat");
    // The first handle of a run has the number 1.
    let uses = Guest { slots: true, imports: OPEN, run: "(call $drop (i32.const 1))", ..Guest::default() };
    let uses = load(&host, &uses).await.unwrap();
    expect(&run(&host, &uses, world.grants(), PATIENCE).await, Outcome::Trapped, "unknown handle index");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_memory_that_is_not_the_guests_ends_the_run() {
    // The slot `x` is not bound: the error's text is to be put where `cabi_realloc` says.
    let asks = "(call $open (i32.const 256) (i32.const 1) (i32.const 1024))";
    for (realloc, says) in [("i32.const -16", "realloc"), ("i32.const 0x7fffffff", "realloc"), ("unreachable", "")] {
        let guest = Guest { slots: true, imports: OPEN, run: asks, realloc, ..Guest::default() };
        expect_end(&guest, Outcome::Trapped, says).await;
    }
    let loops =
        Guest { slots: true, imports: OPEN, run: asks, realloc: "(loop (br 0)) unreachable", ..Guest::default() };
    expect_end(&loops, Outcome::TimedOut, "was stopped").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_lies_outside_of_memory_ends_the_run() {
    for body in ["(return (i32.const -8))", "(return (i32.const 0x7fffffff))"] {
        expect_end(&Guest { run: body, ..Guest::default() }, Outcome::Trapped, "").await;
    }
    // A result whose text is 4 GiB long.
    let body = "(i32.store (i32.const 136) (i32.const -1))";
    expect_end(&Guest { run: body, ..Guest::default() }, Outcome::Trapped, "out of bounds").await;
    // One that is neither the first nor the second case.
    let body = "(i32.store8 (i32.const 128) (i32.const 9))";
    expect_end(&Guest { run: body, ..Guest::default() }, Outcome::Trapped, "discriminant").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_random_bytes_than_there_is_memory_end_the_run() {
    let imports = r#"(import "wasi:random/random@0.2.0" "get-random-bytes" (func $random (param i64 i32)))"#;
    for (length, says) in [("0x7fffffffffffffff", "exceeds limit"), ("0x100000000", "exceeds limit"), ("60000000", "")]
    {
        let body = format!("(call $random (i64.const {length}) (i32.const 1024))");
        expect_end(&Guest { imports, run: &body, ..Guest::default() }, Outcome::Trapped, says).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_without_a_slot_is_refused_before_the_first_instruction() {
    let imports = r#"(import "taskhost:host/sql@0.1.0" "open" (func $open (param i32 i32 i32)))"#;
    let guest = Guest { imports, run: OPENED, ..Guest::default() };
    expect_end(&guest, Outcome::Refused, "imports taskhost:host/sql@0.1.0 and declares no slot for it").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_never_ends_is_no_plugin() {
    let host = host();
    let guest = Guest { more: "(func $for-ever (loop (br 0))) (start $for-ever)", ..Guest::default() };
    let error = load(&host, &guest).await.err().unwrap().to_string();
    assert!(error.contains("`describe` did not return within 100 ms"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_or_a_table_beyond_the_limit_is_not_made() {
    let host = host();
    for (guest, says) in [
        (Guest { pages: 65_536, ..Guest::default() }, "wants more than 16 MiB"),
        (Guest { more: "(table 10000000 funcref)", ..Guest::default() }, "table"),
    ] {
        let error = load(&host, &guest).await.err().unwrap().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_plugin_needs_of_webassembly_is_switched_off() {
    let host = host();
    for (name, module) in [
        ("a memory of 64 bits", "(memory i64 1)"),
        ("a shared memory", "(memory 1 1 shared)"),
        ("atomics", "(memory 1) (func (drop (i32.atomic.load (i32.const 0))))"),
        ("objects that are collected", "(type (array (mut i32))) (func (drop (array.new_default 0 (i32.const 9))))"),
        ("exceptions", "(tag) (func (throw 0))"),
        ("pages of another size", "(memory 1 (pagesize 1))"),
    ] {
        let error = load_bytes(&host, &component(module)).await.err().unwrap();
        assert!(matches!(error, LoadError::NotAComponent { .. }), "{name}: {error}");
    }
}

/// What is hard to read: each is refused by the built host, in good time, with little memory and without a crash.
#[test]
fn a_file_made_to_be_hard_to_read_is_refused_in_good_time() {
    let directory = tempfile::tempdir().unwrap();
    for (name, bytes) in bombs() {
        let path = directory.path().join("bomb.wasm");
        std::fs::write(&path, bytes).unwrap();
        let begun = Instant::now();
        let host = taskhost_tests::host().args(["inspect", &shown(&path), "--compile-timeout", "3s"]);
        let output = host.env("TASKHOST_CACHE", shown(&directory.path().join("cache"))).run();
        assert_eq!(output.code, Some(3), "{name}: {output}");
        assert!(output.stderr.contains("bomb.wasm"), "{name}: {output}");
        assert!(output.peak_memory < 1 << 30, "{name}: {} MiB", output.peak_memory >> 20);
        assert!(begun.elapsed() < PATIENCE, "{name} took {:?}", begun.elapsed());
    }
}

fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let many = |count: usize, text: &str| text.repeat(count);
    let nested = |depth: usize, open: &str, close: &str| format!("{}{}", open.repeat(depth), close.repeat(depth));
    let text = |text: String| ::wat::parse_str(text).unwrap();
    vec![
        ("many functions", component(&many(100_000, "(func)"))),
        ("many imports", component(&many(50_000, "(import \"a\" \"b\" (func))"))),
        ("many core types", component(&many(200_000, "(type (func))"))),
        (
            "many instances",
            text(format!("(component (core module $m) {})", many(5_000, "(core instance (instantiate $m))"))),
        ),
        ("many component types", text(format!("(component {})", many(100_000, "(type (list u8))")))),
        ("components in components", text(format!("(component {})", nested(90, "(component ", ")")))),
        ("deep blocks", component(&format!("(func {})", nested(30_000, "(block ", ")")))),
        (
            "a large function",
            component(&format!("(func (param i32) {})", many(400_000, "(drop (i32.add (local.get 0) (i32.const 1)))"))),
        ),
        ("many locals", component(&format!("(func (local {}))", many(49_000, "i64 ")))),
        ("a large segment", component(&format!("(memory 1024) (data (i32.const 0) \"{}\")", many(32 << 20, "x")))),
        ("a section longer than the file", b"\0asm\x0d\0\x01\0\x01\xff\xff\xff\xff\x0f".to_vec()),
        ("a name without end", text(format!("(component (import \"{}\" (func)))", many(1_000_000, "a")))),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_named_by_an_escape_sequence_is_not_shown_raw() {
    let host = host();
    let bytes = ::wat::parse_str("(component (import \"url=<\\1b]0;owned\\07>\" (func)))");
    let error = match bytes {
        Ok(bytes) => load_bytes(&host, &bytes).await.err().unwrap().to_string(),
        Err(error) => panic!("{error}"),
    };
    crate::output::assert_plain(&error);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changes_after_it_was_loaded_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("plugin.wasm");
    std::fs::copy(hostile("conduct"), &path).unwrap();
    let host = host();
    let plugin = host.load(&path).await.unwrap();
    let digest = plugin.digest().to_owned();
    std::fs::write(&path, Guest::default().component()).unwrap();
    let report = host.run(&plugin, request("well-behaved", PATIENCE)).await;
    expect(&report, Outcome::Ok, "well-behaved");
    assert_eq!(report.run.plugin.unwrap().digest, digest);
    assert_ne!(host.load(&path).await.unwrap().digest(), digest, "loaded again, it is another plugin");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_a_pipe_or_too_large_is_no_plugin() {
    let directory = tempfile::tempdir().unwrap();
    let host = Host::new(HostConfig { cache: Some(directory.path().into()), ..HostConfig::default() }).unwrap();
    let large = directory.path().join("large.wasm");
    // It takes no room on the disk.
    std::fs::File::create(&large).unwrap().set_len(1 << 40).unwrap();
    let pipe = directory.path().join("pipe.wasm");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
    for (path, says) in
        [(large, "is larger than 256 MiB"), (pipe, "no plain file"), ("/dev/zero".into(), "no plain file")]
    {
        let error = host.load(&path).await.err().unwrap().to_string();
        assert!(error.contains(says), "{error}");
    }
}
