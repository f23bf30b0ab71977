//! The `system` room against the machine that the tests run on: what it says is what the kernel and `df` say, load shows, and
//! nothing is said that was not granted.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on stops here")]
#![allow(clippy::float_cmp, reason = "whole numbers are compared")]

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command};

use serde_json::Value;
use taskhost_tests::{Host, fixture, host};

fn script(command: &str, words: &str, script: &str) -> Host {
    let slot = format!("machine=local{words}");
    host().arg(command).arg(fixture("system")).arg(format!("script={script}")).args(["--system", &slot])
}

fn said(host: Host) -> Vec<String> {
    let report = host.args(["--format", "json"]).run().report();
    let finding = |finding: &Value| {
        let text = |key: &str| finding.get(key).and_then(Value::as_str).unwrap().to_owned();
        format!("{}: {}", text("title"), text("detail"))
    };
    report.get("findings").and_then(Value::as_array).unwrap().iter().map(finding).collect()
}

/// The figures of one measurement, by their names.
fn figures(words: &str) -> BTreeMap<String, String> {
    let said = said(script("run", words, "measure 200"));
    let shown = said[0].strip_prefix("done: ").unwrap_or_else(|| panic!("{said:?}"));
    shown.lines().filter_map(|line| line.split_once('=')).map(|(name, value)| (name.into(), value.into())).collect()
}

fn number(figures: &BTreeMap<String, String>, name: &str) -> f64 {
    let text = figures.get(name).unwrap_or_else(|| panic!("no {name} in {figures:?}"));
    text.trim_start_matches("Some(").trim_end_matches(')').parse().unwrap_or_else(|_| panic!("{name}={text}"))
}

fn kernel(file: &str) -> String {
    std::fs::read_to_string(format!("/proc/{file}")).unwrap()
}

/// Bytes of a line of `/proc/meminfo`.
fn meminfo(name: &str) -> f64 {
    let text = kernel("meminfo");
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<f64>().unwrap() * 1024.0
}

fn uptime() -> f64 {
    kernel("uptime").split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn the_figures_are_those_of_the_kernel() {
    let (before, earlier) = (uptime(), meminfo("MemAvailable"));
    let figures = figures("");
    let after = uptime();
    let up = number(&figures, "uptime");
    assert!((before.floor()..=after).contains(&up), "{before} {up} {after}");
    let processors = kernel("stat").lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")).count();
    assert_eq!(number(&figures, "processors"), f64::from(u32::try_from(processors).unwrap()));
    assert_eq!(figures["each"], processors.to_string());
    assert_eq!(number(&figures, "memory.total"), meminfo("MemTotal"));
    assert_eq!(number(&figures, "swap.total"), meminfo("SwapTotal"));
    // Others use the machine meanwhile.
    let available = number(&figures, "memory.available");
    assert!((available - earlier).abs() < meminfo("MemTotal") / 2.0, "{available} {earlier}");
    assert!((0.0..=100.0).contains(&number(&figures, "busy")), "{figures:?}");
    assert!(number(&figures, "measured") >= 0.2);
    assert!(figures["system"].contains(kernel("sys/kernel/osrelease").trim()), "{figures:?}");
}

#[test]
fn the_disks_are_as_large_as_df_says_and_each_is_listed_once() {
    let figures = figures("");
    let disks: Vec<&str> =
        figures.keys().filter_map(|name| name.strip_prefix("disk.")?.strip_suffix(".total")).collect();
    assert!(!disks.is_empty(), "{figures:?}");
    let mut devices = BTreeMap::new();
    for mount in disks {
        let df = Command::new("df").args(["-B1", "--output=size,used,avail,itotal,fstype", "--", mount]).output();
        let df = String::from_utf8(df.unwrap().stdout).unwrap();
        let row: Vec<&str> = df.lines().nth(1).unwrap().split_whitespace().collect();
        let figure = |what: &str| number(&figures, &format!("disk.{mount}.{what}"));
        let counted = |index: usize| row[index].parse::<f64>().unwrap();
        assert_eq!(figure("total"), counted(0), "{mount}: {df}");
        for (what, index) in [("used", 1), ("available", 2)] {
            let (own, other) = (figure(what), counted(index));
            assert!((own - other).abs() <= counted(0) / 4.0, "{mount} {what}: {own} {other}");
        }
        if counted(3) > 0.0 {
            assert_eq!(figure("inodes"), counted(3), "{mount}: {df}");
        }
        let kind = figures[&format!("disk.{mount}.type")].trim_matches('"').to_owned();
        assert_eq!(kind, row[4], "{mount}");
        assert!(!["tmpfs", "proc", "sysfs", "devtmpfs", "squashfs"].contains(&kind.as_str()), "{mount} {kind}");
        let device = figures[&format!("disk.{mount}.device")].clone();
        assert!(devices.insert(device, mount).is_none(), "{figures:?}");
    }
}

/// A process that is ended with this.
struct Running(Child);

impl Running {
    fn new(program: &str, arguments: &[&str]) -> Self {
        Self(Command::new(program).args(arguments).spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The rows of a list of processes, by their numbers: name, user, busy, memory, age.
fn processes(words: &str, line: &str) -> BTreeMap<u32, Vec<String>> {
    let said = said(script("run", words, line));
    let shown = said[0].strip_prefix("done: ").unwrap_or_else(|| panic!("{said:?}")).to_owned();
    let row = |line: &str| {
        let mut cells = line.split('\t').map(str::to_owned);
        Some((cells.next()?.parse().ok()?, cells.collect()))
    };
    shown.lines().filter_map(row).collect()
}

#[test]
fn load_shows_and_who_makes_it() {
    let spinning = Running::new("sh", &["-c", "while :; do :; done"]);
    let found = processes(",processes", "processes 500 40");
    let own = found.get(&spinning.0.id()).unwrap_or_else(|| panic!("{found:?}"));
    assert_eq!(own[0], "sh");
    assert!(own[2].parse::<f64>().unwrap() > 1.0, "{own:?}");
    assert!(number(&figures(""), "busy") > 0.0);
    let id = Command::new("id").args(["-un"]).output().unwrap().stdout;
    assert_eq!(own[1], String::from_utf8(id).unwrap().trim());
}

#[test]
fn what_goes_over_a_network_is_counted() {
    let before = number(&figures(",interface=lo"), "network.lo.received");
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = std::net::TcpStream::connect(server.local_addr().unwrap()).unwrap();
    let (mut taken, _) = server.accept().unwrap();
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        taken.read_to_end(&mut all).unwrap();
        all.len()
    });
    client.write_all(&vec![7; 4 << 20]).unwrap();
    drop(client);
    assert_eq!(reader.join().unwrap(), 4 << 20);
    let after = number(&figures(",interface=lo"), "network.lo.received");
    assert!(after - before >= f64::from(4 << 20), "{before} {after}");
}

#[test]
fn what_the_grant_does_not_show_is_not_said() {
    let all = figures("");
    assert!(all.keys().any(|name| name.starts_with("disk.")) && all.keys().any(|name| name.starts_with("network.lo.")));
    let none = figures(",mount=/no/such/mount,interface=nosuch*");
    assert!(!none.keys().any(|name| name.starts_with("disk.") || name.starts_with("network.")), "{none:?}");
    let mount = all.keys().find_map(|name| name.strip_prefix("disk.")?.strip_suffix(".total")).unwrap();
    let one = figures(&format!(",mount={mount},interface=lo"));
    let disks: Vec<_> = one.keys().filter(|name| name.starts_with("disk.") && name.contains(".total")).collect();
    assert_eq!(disks, [&format!("disk.{mount}.total")]);
    assert!(one.keys().filter(|name| name.starts_with("network.")).all(|name| name.starts_with("network.lo.")));
}

#[test]
fn each_refusal_names_what_would_allow_it_and_is_journaled() {
    let lines = "processes 100 5\nmeasure 99\nmeasure 60001\nmeasure x\nprocesses 100 0";
    assert_eq!(
        said(script("run", "", lines)),
        [
            "refused: slot `machine` does not grant processes; add `,processes` to --system machine=...",
            "invalid: what is measured is measured over 100 ms to 60000 ms, not 99 ms",
            "invalid: what is measured is measured over 100 ms to 60000 ms, not 60001 ms",
            "invalid: what is measured is measured over 100 ms to 60000 ms, not 4294967295 ms",
            "refused: slot `machine` does not grant processes; add `,processes` to --system machine=...",
        ]
    );
    let report = script("run", "", lines).args(["--format", "json"]).run().report();
    let effects = report.get("effects").and_then(Value::as_array).unwrap();
    let outcomes = effects.iter().map(|effect| {
        let text = |key: &str| effect.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        format!("{} {} {}", text("operation"), text("impact"), text("outcome"))
    });
    let outcomes: Vec<_> = outcomes.collect();
    assert_eq!(outcomes[..2], ["processes observe refused", "measure observe failed"], "{report}");
    let none = "processes 100 0\nprocesses 100 1001";
    for line in said(script("run", ",processes", none)) {
        assert!(line.starts_with("invalid: a list has 1 to 1000 processes, not "), "{line}");
    }
}

#[test]
fn a_rehearsal_measures_as_a_run_does_and_a_budget_bounds_it() {
    let planned = said(script("plan", ",processes", "measure 100\nprocesses 100 3"));
    assert!(planned.iter().all(|line| line.starts_with("done: ")), "{planned:?}");
    let bounded = script("run", "", "measure 100\nmeasure 100").args(["--budget", "machine.measurements=1"]);
    let bounded = said(bounded);
    assert!(bounded[0].starts_with("done: ") && bounded[1].starts_with("over-budget: "), "{bounded:?}");
}

#[test]
fn another_machine_or_an_unknown_setting_is_no_binding() {
    for (slot, message) in [
        ("machine=db.internal", "the target is `local`, the machine that the host runs on"),
        ("machine=local,write", "`write` is no access of system; there are `read`, `processes`"),
        ("machine=local,disk=/", "unknown field `disk`"),
        ("machine=local,mount=[", "is not a glob"),
    ] {
        let output = host().arg("run").arg(fixture("system")).arg("script=").args(["--system", slot]).run();
        let output = output.expect_code(3);
        assert!(output.to_string().contains(message), "{slot}: {output}");
    }
    let unbound = host().arg("run").arg(fixture("system")).arg("script=measure 100").run().expect_code(3);
    assert!(unbound.to_string().contains("--system machine=local"), "{unbound}");
}

#[test]
fn processes_are_shown_without_their_arguments() {
    let running = Running::new("sleep", &["100000", "1"]);
    let output = script("run", ",processes", "processes 100 1000 sleep").args(["--format", "json"]).run();
    let number = format!("{}\\tsleep", running.0.id());
    assert!(output.stdout.contains(&number) && !output.stdout.contains("100000"), "{number} {output}");
}

#[test]
fn a_measurement_ends_with_its_run_and_many_wait_their_turn() {
    let output = script("run", "", "measure 60000").args(["--timeout", "1s", "--format", "json"]).run().expect_code(3);
    assert_eq!(output.report().pointer("/run/outcome").unwrap(), "timed-out");
    assert_eq!(said(script("run", "", "measure-many 40 100")), ["done: 40"]);
}
