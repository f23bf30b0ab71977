//! Search against grep, on a file of everything that is odd about lines.

use std::process::Command;
use std::time::{Duration, Instant};

use super::scene::Scene;

/// Ends of lines of both kinds, none at the end; bytes that are NUL or not UTF-8; a line of a million bytes.
fn odd() -> Vec<u8> {
    let mut content = Vec::new();
    for number in 0..2_000 {
        content.extend(match number % 7 {
            0 => format!("error {number}\n").into_bytes(),
            1 => format!("Error {number}\r\n").into_bytes(),
            2 => b"\n".to_vec(),
            3 => [b"error \xff\xfe ", number.to_string().as_bytes(), b"\n"].concat(),
            4 => b"nul \0 error\n".to_vec(),
            5 => format!("quiet {number}\n").into_bytes(),
            _ => "käse 🧀 error\n".into(),
        });
    }
    content.extend(vec![b'x'; 1_000_000]);
    content.extend(b" error at the end of a long line\nerror, and no end");
    content
}

/// Matching lines as `grep -anb` numbers them: number and offset of each.
fn grep(scene: &Scene, arguments: &[&str]) -> Vec<String> {
    let mut grep = Command::new("grep");
    grep.env("LC_ALL", "C.UTF-8").args(["-a", "-n", "-b", "-E"]).args(arguments).arg(scene.path("odd"));
    let output = grep.output().unwrap();
    let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let place = |line: &[u8]| {
        let mut parts = line.splitn(3, |byte| *byte == b':');
        let mut part = || String::from_utf8_lossy(parts.next().unwrap()).into_owned();
        format!("{}:{}", part(), part())
    };
    lines.map(place).collect()
}

#[test]
fn the_lines_are_those_that_grep_finds() {
    let scene = Scene::new();
    scene.file("odd", odd());
    for (ours, theirs) in [
        ("error", &["error"][..]),
        ("error ignore-case", &["-i", "error"]),
        ("error invert", &["-v", "error"]),
        ("error ignore-case invert", &["-i", "-v", "error"]),
        ("^error", &["^error"]),
        ("error$", &["error$"]),
        ("^$", &["^$"]),
        ("[0-9]{4}", &["[0-9]{4}"]),
        ("(k.se|quiet%20[0-9]+5)", &["(k.se|quiet [0-9]+5)"]),
        ("error max=5", &["-m5", "error"]),
        ("error invert max=3", &["-v", "-m3", "error"]),
        ("error max=0", &["-m0", "error"]),
        ("%F0%9F%A7%80", &["🧀"]),
        ("no%20end$", &["no end$"]),
        ("nowhere", &["nowhere"]),
    ] {
        let expected = grep(&scene, theirs);
        let (with, without) = (format!("search odd {ours}"), format!("search odd {ours} count-only"));
        let ran = scene.run("", &[&with, &without]);
        let (head, lines) = ran.done(0).split_once('\n').unwrap_or((ran.done(0), ""));
        let given = format!(", {} lines given", expected.len());
        assert!(head.starts_with(&format!("{} matches", expected.len())) && head.contains(&given), "{ours}: {head}");
        assert!(ran.done(1).starts_with(&format!("{} matches", expected.len())), "{ours}: {}", ran.done(1));
        assert!(ran.done(1).contains(", 0 lines given"), "{ours}: {}", ran.done(1));
        // The guest shows the first of them.
        for (found, place) in lines.lines().zip(&expected) {
            assert!(found.starts_with(&format!("{place}:")), "{ours}: {found:?}, not at {place}");
        }
    }
}

#[test]
fn a_long_line_is_cut_and_its_end_is_not_shown() {
    let scene = Scene::new();
    scene.file("odd", odd()).file("windows", "one\r\ntwo\r\n").file("empty", "");
    let ran =
        scene.run("", &["search odd long%20line", "search windows o", "tail windows 5", "tail empty 5", "tail odd 1"]);
    assert!(ran.done(0).contains("1 lines given, the longest of 65536"), "{}", ran.done(0));
    assert!(ran.done(1).ends_with("\n1:0:one\n2:5:two"), "{}", ran.done(1));
    assert_eq!(ran.done(2), "one\ntwo");
    assert_eq!(ran.done(3), "");
    assert_eq!(ran.done(4), "error, and no end");
}

#[test]
fn only_the_end_of_a_file_is_searched_when_that_is_asked_for() {
    let scene = Scene::new();
    scene.file("log", "first\nsecond\nthird\n");
    for (line, found) in [
        ("search log . tail=6", "1 matches in 6 bytes, 1 lines given, the longest of 5\n1:13:third"),
        ("search log ir tail=1000", "2 matches in 19 bytes, 2 lines given, the longest of 5\n1:0:first\n3:13:third"),
        ("search log . tail=0", "0 matches in 0 bytes, 0 lines given, the longest of 0"),
    ] {
        assert_eq!(scene.run("", &[line]).done(0), found, "{line}");
    }
}

#[test]
fn a_pattern_that_would_take_forever_is_refused_or_fast() {
    let scene = Scene::new();
    scene.file("as", "a".repeat(100_000)).file("odd", odd());
    for (case, pattern, message) in [
        ("not a pattern", "(unclosed", Some("the pattern is not a regular expression")),
        ("a look behind, which the syntax lacks", "(?<=a)b", Some("the pattern is not a regular expression")),
        (
            "repetitions of repetitions",
            "((((a{100}){100}){100}){100})",
            Some("the pattern is not a regular expression"),
        ),
        ("a large class, many times", "(%5Cpw{1000}){1000}", Some("the pattern is not a regular expression")),
        ("nested without end", "{60000*(}", Some("the pattern is not a regular expression")),
        ("too long", "{70000*a}", Some("a pattern of 70000 bytes is longer than 65536")),
        ("the end of a line in it", "a%0Ab", Some("the pattern is not a regular expression")),
        // These take a backtracking engine longer than anyone waits.
        ("ambiguous", "(a*)*b", None),
        ("ambiguous in another way", "(a|aa)+$b", None),
        ("optional many times", "(a?){50}a{50}b", None),
    ] {
        let begun = Instant::now();
        let ran = scene.run("", &[&format!("search as {pattern}")]);
        let (outcome, detail) = ran.line(0);
        match message {
            Some(message) => {
                assert_eq!(outcome, "invalid", "{case}: {detail}");
                assert!(detail.contains(message), "{case}: {detail}");
            }
            None => assert!(detail.starts_with("0 matches"), "{case}: {outcome}: {detail}"),
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{case} took {:?}", begun.elapsed());
    }
}
