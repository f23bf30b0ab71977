//! The page for authors of plugins is true: its commands are run, its files are written, and what it shows is what comes.
//!
//! `TASKHOST_TEST_UPDATE=1 cargo test --test plugin_author` writes what came into the page, where it differs in more than
//! times and digests.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops here")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use taskhost_tests::{binary, cargo};

/// What the page has its reader do.
#[derive(Debug)]
enum Step {
    /// Write a file, in the directory that the commands have come to.
    File {
        path: String,
        text: String,
    },
    Command {
        line: String,
        shown: String,
    },
}

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/plugin-author.md")
}

/// The steps of a page: of each block of `console` its commands with what they print, and of each other block that follows
/// a line which ends with a file's name, that file.
fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut lines = page.lines();
    let mut before = "";
    while let Some(line) = lines.next() {
        match line.strip_prefix("```") {
            Some("console") => {
                for line in lines.by_ref().take_while(|line| *line != "```") {
                    match (line.strip_prefix("$ "), steps.last_mut()) {
                        (Some(command), _) => {
                            steps.push(Step::Command { line: command.into(), shown: String::new() });
                        }
                        (None, Some(Step::Command { shown, .. })) => *shown += &format!("{line}\n"),
                        (None, _) => panic!("`{line}` comes from no command"),
                    }
                }
            }
            Some(_) => {
                let text: String =
                    lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect();
                if let Some(path) = before.strip_suffix("`:").and_then(|rest| rest.rsplit('`').next()) {
                    steps.push(Step::File { path: path.into(), text });
                }
            }
            None => {}
        }
        if !line.is_empty() {
            before = line;
        }
    }
    steps
}

/// Runs all of them in one shell, as a reader does, and gives what each command printed.
fn run(steps: &[Step], directory: &Path) -> Vec<String> {
    const MARK: &str = "---- command ";
    let mut script = String::new();
    for (number, step) in steps.iter().enumerate() {
        match step {
            Step::File { path, text } => {
                let file = directory.join(format!("file-{number}"));
                std::fs::write(&file, text).unwrap();
                script += &format!("cp '{}' '{path}'\n", file.display());
            }
            Step::Command { line, .. } => {
                script += &format!("echo '{MARK}{number}'\n{line}\n");
                // One build directory for all crates of the tests, where the reader has one of each crate's own; and
                // the SDK beside these tests, where the reader has it from the repository.
                if line.starts_with("host new ") {
                    script += "for crate in */; do ln -s \"$SHARED\" \"${crate}target\"\n";
                    script += "sed -i \"s|^taskhost-sdk = .*|taskhost-sdk = { path = \\\"$SDK\\\" }|\" \"${crate}Cargo.toml\"; done\n";
                }
            }
        }
    }
    let home = directory.join("home");
    let work = directory.join("work");
    std::fs::create_dir(&home).unwrap();
    std::fs::create_dir(&work).unwrap();
    let mut shell = Command::new("bash");
    shell.env_clear().current_dir(&work).env("HOME", &home).env("SHARED", "");
    cargo(|name, value| {
        shell.env(if name == "CARGO_TARGET_DIR" { "SHARED" } else { name }, value);
    });
    let path = std::env::var_os("PATH").unwrap_or_default();
    let host = directory.join("bin");
    std::fs::create_dir(&host).unwrap();
    std::os::unix::fs::symlink(binary(), host.join("host")).unwrap();
    let path = std::env::join_paths(std::iter::once(host).chain(std::env::split_paths(&path))).unwrap();
    shell.env("PATH", path).env("SDK", Path::new(env!("CARGO_MANIFEST_DIR")).join("../sdk"));
    // As one sees them at a terminal: what is complained of between what is printed.
    shell.arg("-c").arg(format!("exec 2>&1\n{script}")).stdin(Stdio::null());
    let output = shell.output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let mut outputs = vec![String::new(); steps.len()];
    let mut current = None;
    for line in printed.lines() {
        if let Some(number) = line.strip_prefix(MARK) {
            current = Some(number.parse::<usize>().unwrap());
        } else if let Some(output) = current.and_then(|current| outputs.get_mut(current))
            && !of_cargo(line)
        {
            *output += &format!("{}\n", line.replace(&work.display().to_string(), "/home/you"));
        }
    }
    outputs
}

/// Whether cargo says it on the way: it differs from one time to the next.
fn of_cargo(line: &str) -> bool {
    let verbs =
        ["Compiling", "Finished", "Locking", "Updating", "Adding", "Downloading", "Downloaded", "Blocking", "Running"];
    let trimmed = line.trim_start();
    line.len() - trimmed.len() >= 3 && verbs.iter().any(|verb| trimmed.starts_with(&format!("{verb} ")))
}

/// A text in which digests, sizes of components and times, which differ from one time to the next, are the same.
fn alike(text: &str) -> String {
    let is_figure = |word: &str| word.parse::<f64>().is_ok();
    let lines = text.lines().map(|line| {
        let mut out: Vec<&str> = Vec::new();
        for word in line.split_whitespace() {
            let bare = word.trim_matches(['"', ',', '(', ')']);
            let is_unit = matches!(bare, "ms" | "s" | "KiB");
            if is_unit && out.last().is_some_and(|last| is_figure(last.trim_matches('('))) {
                out.pop();
                out.push("N");
            } else if bare.strip_suffix('s').is_some_and(is_figure) {
                out.push("N");
            } else {
                out.push(if bare.starts_with("sha256:") { "sha256" } else { word });
            }
        }
        out.join(" ")
    });
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

/// The page with what came in place of what it shows.
fn updated(page: &str, steps: &[Step], outputs: &[String]) -> String {
    let mut commands = steps.iter().zip(outputs).filter(|(step, _)| matches!(step, Step::Command { .. }));
    let mut out = String::new();
    let mut within = false;
    for line in page.lines() {
        within = match line {
            "```console" => true,
            "```" => false,
            _ => within,
        };
        if within && line != "```console" {
            if line.starts_with("$ ") {
                let (_, output) = commands.next().unwrap();
                let output = output.trim_matches('\n');
                out += &format!("{line}\n{output}{}", if output.is_empty() { "" } else { "\n" });
            }
            continue;
        }
        out += &format!("{line}\n");
    }
    out
}

#[test]
fn the_page_for_authors_is_true_from_its_first_command_to_its_last() {
    let directory = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(page()).unwrap();
    let steps = steps(&text);
    assert!(steps.iter().filter(|step| matches!(step, Step::Command { .. })).count() > 15, "{steps:#?}");
    assert!(steps.iter().filter(|step| matches!(step, Step::File { .. })).count() >= 3, "{steps:#?}");
    let outputs = run(&steps, directory.path());
    let update = std::env::var_os("TASKHOST_TEST_UPDATE").is_some();
    for (step, output) in steps.iter().zip(&outputs) {
        let Step::Command { line, shown } = step else { continue };
        if update && alike(shown) != alike(output) {
            // All of it, so that a digest is the same wherever it is shown.
            std::fs::write(page(), updated(&text, &steps, &outputs)).unwrap();
            return;
        }
        assert_eq!(alike(shown), alike(output), "$ {line}\n{output}\n(see this file's first lines)");
    }
}
