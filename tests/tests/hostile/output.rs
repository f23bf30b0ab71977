//! Texts that would be more than text where they are shown: escape sequences for a terminal, other metrics for a
//! monitoring system, markup for a page.

use std::sync::{Arc, Mutex};

use taskhost::report::Event;
use taskhost_tests::{Output, hostile};

use crate::scene::{PATIENCE, World, conduct, request, shown};

/// Every form in which a report is printed, and the loudest.
const FORMS: [&[&str]; 5] = [
    &["--format", "text"],
    &["--format", "text", "--verbose"],
    &["--format", "json"],
    &["--format", "nagios"],
    &["--format", "markdown"],
];

/// The case in one form, with colours as on a terminal.
fn printed(case: &str, form: &[&str]) -> Output {
    World::new().host(case).args(form.iter().copied()).env("CLICOLOR_FORCE", "1").env("TASKHOST_LOG", "trace").run()
}

/// Nothing that a terminal would obey, apart from the host's own colours and line ends.
#[track_caller]
pub(crate) fn assert_plain(text: &str) {
    let mut rest = text;
    while let Some(position) = rest.find(is_obeyed) {
        let after = &rest[position..];
        let sequence = after.strip_prefix("\u{1b}[").and_then(|style| style.split_once('m'));
        match sequence {
            Some((style, next)) if style.chars().all(|c| c.is_ascii_digit() || c == ';') => rest = next,
            _ => panic!("{:?} in {:?}", after.chars().next(), line_at(text, after)),
        }
    }
}

/// The line in which `rest`, which is the end of `text`, begins.
fn line_at<'a>(text: &'a str, rest: &str) -> Option<&'a str> {
    let begin = text[..text.len() - rest.len()].rfind('\n').map_or(0, |end| end + 1);
    text[begin..].lines().next()
}

fn is_obeyed(character: char) -> bool {
    let reorders = matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}' | '\u{feff}');
    (character.is_control() && character != '\n') || reorders
}

#[test]
fn no_text_of_a_guest_reaches_a_terminal_raw() {
    for case in ["forge-escapes", "forge-escapes-failure", "forge-slots"] {
        for form in FORMS {
            let output = printed(case, form);
            assert_plain(&output.stdout);
            assert_plain(&output.stderr);
            assert!(!output.stdout.is_empty(), "{case} {form:?}: {output}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_and_the_log_are_clean_as_they_come() {
    let (host, plugin) = conduct().await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let watching = Arc::clone(&seen);
    let mut request = request("forge-escapes", PATIENCE);
    request.observer = Arc::new(move |event| watching.lock().unwrap().push(event));
    host.run(&plugin, request).await;
    let seen = seen.lock().unwrap();
    let texts: Vec<&str> = seen
        .iter()
        .filter_map(|event| match event {
            Event::Progress { message, .. } => Some(message.as_str()),
            Event::Log(line) => Some(line.message.as_str()),
            Event::Effect(entry) => Some(entry.effect.target.as_str()),
            Event::Finding(_) => None,
        })
        .collect();
    assert!(texts.len() >= 4, "{texts:?}");
    for text in texts {
        assert_plain(text);
    }
}

#[test]
fn no_text_of_a_description_reaches_a_terminal_raw() {
    let boast = shown(&hostile("boast"));
    for arguments in [
        vec!["inspect", &boast],
        vec!["inspect", &boast, "--format", "json"],
        // What is missing quotes why it is asked for.
        vec!["run", &boast],
        vec!["run", &boast, "text=x", "tetx=\u{1b}[2J"],
        vec!["plan", &boast, "--sql", "\u{1b}[2J=\u{1b}[2J", "--budget", "\u{1b}[2J"],
        vec!["run", "\u{1b}[2J"],
        vec!["run", "./\u{1b}[2J.wasm"],
        vec!["inspect", "./\u{1b}[2J.wasm"],
    ] {
        let output = taskhost_tests::host().args(arguments.clone()).env("CLICOLOR_FORCE", "1").run();
        assert_plain(&output.stdout);
        assert_plain(&output.stderr);
        assert!(!output.stdout.is_empty() || !output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn json_stays_json_and_keeps_to_its_schema() {
    for case in ["forge-escapes", "forge-markup", "forge-markup-failure", "forge-slots", "forge-numbers"] {
        let report = printed(case, &["--format", "json"]).report();
        assert_eq!(report["run"]["task"], "conduct", "{case}");
    }
}

#[test]
fn markdown_has_no_markup_of_a_guest() {
    for case in ["forge-markup", "forge-markup-failure"] {
        let output = printed(case, &["--format", "markdown"]);
        for line in output.stdout.lines() {
            let own = ["- [x] ", "- [ ] ", "- **critical** ", "- **warning** "];
            let text = own.iter().find_map(|own| line.strip_prefix(own)).unwrap_or(line);
            let mut characters = text.chars();
            while let Some(character) = characters.next() {
                match character {
                    // What follows is text.
                    '\\' => drop(characters.next()),
                    '<' | '>' | '`' | '[' | ']' | '|' | '*' | '~' => panic!("{case}: {line}"),
                    _ => {}
                }
            }
        }
        let tasks = output.stdout.lines().filter(|line| line.starts_with("- [")).count();
        assert_eq!(tasks, 1, "{case}: another task is forged:\n{output}");
    }
}

#[test]
fn nagios_has_one_line_of_state_and_no_forged_metric() {
    for case in ["forge-markup", "forge-markup-failure", "forge-escapes", "forge-numbers"] {
        let output = printed(case, &["--format", "nagios"]);
        let (first, rest) = output.stdout.split_once('\n').unwrap();
        assert!(!rest.contains('|'), "{case}: {output}");
        let (state, data) = first.split_once(" | ").unwrap();
        assert!(state.starts_with("CONDUCT "), "{case}: {state}");
        assert!(!data.contains('|'), "{case}: {data}");
        let mut rest = data;
        let mut labels = Vec::new();
        while !rest.is_empty() {
            let (label, after) = label(rest).unwrap_or_else(|| panic!("{case}: {rest}"));
            let (value, after) = after.split_once(' ').unwrap_or((after, ""));
            let mut parts = value.split(';');
            let number = parts.next().unwrap().trim_end_matches(|unit: char| unit.is_ascii_alphabetic() || unit == '%');
            assert!(number.parse::<f64>().is_ok_and(f64::is_finite), "{case}: {value}");
            assert!(parts.all(|range| range.chars().all(|c| c.is_ascii_digit() || "~:.-".contains(c))), "{value}");
            labels.push(label);
            rest = after;
        }
        assert!(!labels.is_empty() && !labels.iter().any(|label| label == "up"), "{case}: {labels:?}");
    }
}

/// A quoted label and what follows its `=`; two quotes stand for one inside.
fn label(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix('\'')?;
    let mut label = String::new();
    loop {
        let (before, after) = rest.split_once('\'')?;
        label.push_str(before);
        match after.strip_prefix('\'') {
            Some(more) => {
                label.push('\'');
                rest = more;
            }
            None => return Some((label, after.strip_prefix('=')?)),
        }
    }
}

#[test]
fn a_file_name_with_a_line_end_or_an_escape_is_shown_and_never_obeyed() {
    let world = World::new();
    for name in ["two\nlines", "\u{1b}]0;owned\u{7}", "a|b", "<b>", "- [x] done"] {
        let file = std::fs::File::create(world.directory().join(name)).unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    }
    let cleanup = shown(&taskhost_tests::plugin("file-cleanup"));
    for form in FORMS {
        let host = taskhost_tests::host().args(["plan", &cleanup, "older-than=30d"]);
        let host = host.args(["--files".into(), format!("directory={},delete", world.directory().display())]);
        let output = host.args(form.iter().copied()).env("CLICOLOR_FORCE", "1").run();
        assert_plain(&output.stdout);
        assert_plain(&output.stderr);
        if form.contains(&"json") {
            let targets: Vec<_> = output.report()["effects"].as_array().unwrap().clone();
            assert!(targets.iter().any(|effect| effect["target"] == "two lines"), "{output}");
        }
    }
}
