//! The runbook's page is true: every command of docs/runbook.md is run on a system that is small but real, in the page's
//! order, and what the page shows is what comes. What is rehearsed changes nothing.
//!
//! `TASKHOST_TEST_UPDATE=1 cargo test --test reflexion` writes what came into the page.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops here")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use taskhost_tests::reflexion::World;
use taskhost_tests::{Output, host};

/// Tasks of which only the first words are compared: what they find depends on the machine, or on who else is there.
const OF_THE_MACHINE: [&str; 9] = [
    "key-figures",
    "prometheus",
    "prometheus-reload",
    "containers",
    "slow-queries",
    "table-stats",
    "redis-memory",
    "redis-persistence",
    "sessions",
];
/// As long may a line of the page be.
const WIDTH: usize = 150;

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/runbook.md")
}

/// Runs `host` in the system's directory.
fn run(world: &World, line: &str) -> Output {
    let mut host = host().directory(world.directory()).args(line.split_whitespace());
    for (name, value) in world.environment() {
        host = host.env(name, value);
    }
    host.run()
}

/// What the page shows of it: with the bundle's names, lines of a bearable length, and only once what is said twice.
fn visible(world: &World, output: &Output) -> String {
    let mut text = output.stdout.clone();
    for (here, named) in world.names() {
        text = text.replace(here, named);
    }
    text = text.replace(world.database().name(), "reflexion").replace(&world.engine().name(""), "");
    text = text.replace(&world.directory().display().to_string(), "/srv/reflexion");
    // At the end is the summary of all tasks.
    if let Some(at) = text.rfind("\nreflexion, ") {
        let (reports, whole) = text.split_at(at + 1);
        let is_one = whole.lines().next().is_some_and(|line| line.contains(" 1 task in "));
        text = if is_one { reports.to_owned() } else { format!("...\n{whole}") };
    }
    let mut out = String::new();
    for line in text.lines().filter(|line| !line.starts_with("note: ")) {
        let line = line.trim_end();
        if line.is_empty() && (out.is_empty() || out.ends_with("\n\n")) {
            continue;
        }
        match line.char_indices().nth(WIDTH) {
            Some((at, _)) => writeln!(out, "{}…", line.split_at(at).0).unwrap(),
            None => writeln!(out, "{line}").unwrap(),
        }
    }
    out.trim_end().to_owned()
}

/// A text in which figures, with their units, are the same: times, sizes, ports, dates, ids and counts.
fn alike(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        let of_the_machine =
            OF_THE_MACHINE.iter().find(|task| line.split([' ', ':']).take(20).any(|word| word == **task));
        if let Some(task) = of_the_machine {
            lines.push((*task).to_owned());
            // A report of that task alone.
            if lines.len() == 1 {
                break;
            }
            continue;
        }
        let mut figures = String::new();
        let is_id = |word: &&str| word.len() >= 12 && word.chars().all(|character| character.is_ascii_hexdigit());
        let ids: Vec<&str> = line.split(|character: char| !character.is_alphanumeric()).filter(is_id).collect();
        let line = ids.iter().fold(line.to_owned(), |line, id| line.replace(id, "0"));
        for character in line.chars() {
            if !character.is_ascii_digit() {
                figures.push(character);
            } else if !figures.ends_with('0') {
                figures.push('0');
            }
        }
        for between in ["0.0", "0,0", "0:0", "0-0"] {
            while figures.contains(between) {
                figures = figures.replace(between, "0");
            }
        }
        let mut words: Vec<&str> = Vec::new();
        for word in figures.split_whitespace() {
            let bare = word.trim_matches(|character: char| ",;:()".contains(character));
            let follows = words.last().is_some_and(|last| *last == "0");
            match bare {
                "B" | "KiB" | "MiB" | "GiB" | "s" | "ms" | "min" | "h" | "d" | "0" | "0%" if follows => {}
                "0" => words.push("0"),
                _ if follows => words.push(word.trim_end_matches(',').trim_end_matches('s')),
                _ => words.push(word),
            }
        }
        let joined = words.join(" ");
        // What is cut off is cut off at another place where a figure is longer.
        lines.push(if line.ends_with('…') { joined.chars().take(80).collect() } else { joined });
    }
    lines.join("\n")
}

/// The page's blocks of `console`: each command after its `$ host `, with what is shown.
fn commands(page: &str) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    let mut within = false;
    for line in page.lines() {
        within = match line {
            "```console" => true,
            "```" => false,
            _ => within,
        };
        if within && let Some(command) = line.strip_prefix("$ host ") {
            commands.push((command.into(), String::new()));
        } else if within && line != "```console" {
            let (_, shown) = commands.last_mut().unwrap_or_else(|| panic!("`{line}` comes from no command"));
            writeln!(shown, "{line}").unwrap();
        }
    }
    commands
}

/// The page with what came.
fn updated(page: &str, outputs: &[String]) -> String {
    let mut outputs = outputs.iter();
    let mut out = String::new();
    let mut within = false;
    for line in page.lines() {
        within = match line {
            "```console" => true,
            "```" => false,
            _ => within,
        };
        if !within || line == "```console" {
            writeln!(out, "{line}").unwrap();
        } else if line.starts_with("$ host ") {
            writeln!(out, "{line}\n{}", outputs.next().unwrap()).unwrap();
        }
    }
    out
}

/// All that a rehearsal could change: files (but what runs leave and tasks remember), rows, containers and images.
fn state(world: &World, rows: &[i64]) -> BTreeMap<String, Vec<u8>> {
    fn walk(directory: &Path, all: &mut BTreeMap<String, Vec<u8>>) {
        for entry in directory.read_dir().unwrap().map(Result::unwrap) {
            let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
            let kept_by_host = name.starts_with("reflexion-history.db") || name.starts_with("reflexion-state.db");
            if path.is_symlink() {
                let target = std::fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes();
                all.insert(path.display().to_string(), target);
            } else if path.is_dir() {
                walk(&path, all);
            } else if !kept_by_host {
                all.insert(path.display().to_string(), std::fs::read(&path).unwrap());
            }
        }
    }
    let mut all = BTreeMap::new();
    walk(world.directory(), &mut all);
    let engine = world.engine();
    let containers = engine.list(&["ps", "--all", "--no-trunc"], "{{.ID}} {{.Names}} {{.State}}");
    let images = engine.list(&["images", "--no-trunc"], "{{.ID}} {{.Repository}}:{{.Tag}}");
    all.insert("engine".into(), [containers, images].concat().join("\n").into_bytes());
    all.insert("rows".into(), format!("{rows:?}").into_bytes());
    all
}

async fn rows(world: &World) -> Vec<i64> {
    let mut rows = Vec::new();
    for table in ["agents", "sessions", "application_logs", "memory_episodes"] {
        rows.push(world.database().number(&format!("SELECT count(*) FROM {table}")).await);
    }
    rows
}

#[tokio::test]
async fn the_runbook_is_true_and_what_is_rehearsed_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let world = World::make(&directory.path().join("reflexion")).await;
    // As a service has it whose backups nobody else may read.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    run(&world, "check reflexion.toml").expect_code(0);

    let before = state(&world, &rows(&world).await);
    let planned = run(&world, "plan reflexion.toml --all");
    assert!(matches!(planned.code, Some(1 | 2)), "{planned}");
    let after = state(&world, &rows(&world).await);
    for (what, content) in &after {
        assert!(before.get(what) == Some(content), "the rehearsal changed {what}");
    }
    assert_eq!(before.len(), after.len(), "the rehearsal removed something");

    let text = std::fs::read_to_string(page()).unwrap();
    let commands = commands(&text);
    let tasks: Vec<&str> = include_str!("../../plugins/reflexion.toml")
        .lines()
        .filter_map(|line| line.strip_prefix("[tasks.")?.strip_suffix(']'))
        .collect();
    for task in tasks {
        let word = format!("--task {task}");
        let shown = commands.iter().any(|(line, _)| line.ends_with(&word) || line.contains(&format!("{word} ")));
        assert!(shown, "docs/runbook.md does not show {task}");
    }
    let mut outputs = Vec::new();
    for (line, _) in &commands {
        let output = run(&world, line);
        assert!(matches!(output.code, Some(0..=2)), "$ host {line}\n{output}");
        outputs.push(visible(&world, &output));
    }
    if std::env::var_os("TASKHOST_TEST_UPDATE").is_some() {
        std::fs::write(page(), updated(&text, &outputs)).unwrap();
    } else {
        let mut wrong = String::new();
        for ((line, shown), output) in commands.iter().zip(&outputs) {
            let (shown, came) = (alike(shown.trim_end()), alike(output));
            if shown != came {
                writeln!(wrong, "$ host {line}\n{output}\n-- that is\n{came}\n-- and the page has\n{shown}\n").unwrap();
            }
        }
        assert!(wrong.is_empty(), "{wrong}(see this file's first lines)");
    }

    // An exporter is not there, which the day finds, and whoever loads Prometheus' configuration anew.
    for (kind, code) in [("daily", 2), ("weekly", 1), ("monthly", 2), ("quarterly", 0)] {
        run(&world, &format!("run reflexion.toml --kind {kind}")).expect_code(code);
    }
}
