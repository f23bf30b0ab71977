//! What no log should be: lines without end, bytes that are no text, files that are damaged, and more kinds of errors than
//! anyone can count.

use std::os::unix::fs::{FileExt as _, symlink};

use super::scene::{Logs, gzip};

/// What a host may take for any log.
const MEMORY: u64 = 300 << 20;

#[test]
fn a_line_of_a_gigabyte_is_one_line() {
    let logs = Logs::new(&[("app.log", "ERROR first value=1\nERROR long value=2 ")]);
    let file = std::fs::File::options().write(true).open(logs.path("app.log")).unwrap();
    // All holes, as a writer leaves that does not append.
    file.write_all_at(b" ERROR value=3\nERROR last value=4\n", 1 << 30).unwrap();
    let ran = logs.run(&["field=value", "top-by=value"]);
    assert_eq!(ran.lines("app.log"), (3, 3));
    assert_eq!(ran.complaints(), [""; 0]);
    let detail = ran.detail("values of value");
    assert!(detail.contains("of 3 values") && detail.contains("from 1 to 4"), "{detail}");
    assert!(ran.peak_memory < MEMORY, "{} MiB", ran.peak_memory >> 20);
    // One that has no end is read when it has one.
    logs.write("endless.log", "x");
    std::fs::File::options().write(true).open(logs.path("endless.log")).unwrap().set_len(1 << 20).unwrap();
    assert_eq!(logs.go_on(&["pattern=endless.log"]).lines("endless.log"), (0, 0));
    logs.append("endless.log", "\nERROR\n");
    assert_eq!(logs.go_on(&["pattern=endless.log"]).lines("endless.log"), (2, 1));
}

#[test]
fn bytes_that_are_no_text_are_counted_like_others() {
    let mut log = Vec::new();
    for number in 0..1_000_u32 {
        log.extend_from_slice(b"ERROR \xff\xfe\0 broken ");
        log.extend_from_slice(&number.to_le_bytes().map(|byte| if byte == b'\n' { 0 } else { byte }));
        log.extend_from_slice(if number % 2 == 0 { b"\r\n" } else { b"\n" });
    }
    let logs = Logs::new(&[]);
    logs.write("binary.log", &log);
    logs.write("\u{1f408} \"quoted\"\n.log", "ERROR\n");
    logs.write("json.log", "{\"level\":\"error\",\"msg\":\"\\\n{\"level\":\"error\"\n\"\"\"\"\n{{{{[[[[\n");
    logs.write("access.log", "a - - [x] \"GET / HTTP/1.1\" 200 1\n- - [] \"\"\"\n\"\n[\n");
    let ran = logs.run(&["field=:-1", "top-by=:1,user", "logins=true"]);
    assert_eq!(ran.lines("binary.log"), (1_000, 1_000));
    assert_eq!(ran.lines("\u{1f408} \"quoted\" .log"), (1, 1));
    assert_eq!(ran.lines("json.log").0, 4);
    assert_eq!(ran.lines("access.log").0, 4);
    assert!(ran.complaints().iter().all(|complaint| complaint.ends_with("no values of :-1")), "{:?}", ran.complaints());
}

#[test]
fn more_kinds_than_can_be_held_are_counted_within_bounds_in_little_memory() {
    let word = |mut number: u64| {
        let mut word = String::new();
        while number > 0 {
            word.push(char::from(b'g' + u8::try_from(number % 20).unwrap()));
            number /= 20;
        }
        word
    };
    let mut log = String::new();
    for number in 1..300_000_u64 {
        log += &format!("ERROR rare {} from {}\n", word(number), word(number * 7));
        if number % 3 == 0 {
            log += "ERROR frequent kind\n";
        }
    }
    let logs = Logs::new(&[("app.log", &log)]);
    let ran = logs.run(&["top-by=:3,:5"]);
    assert_eq!(ran.lines("app.log"), (399_998, 399_998));
    let detail = ran.detail("errors");
    let first = detail.lines().nth(1).unwrap();
    let (count, kind) = first.split_once(" x ").unwrap();
    assert_eq!(kind.split(" (").next().unwrap(), "ERROR frequent kind");
    let bounds: Vec<u64> = count.split(" to ").map(|number| number.replace(',', "").parse().unwrap()).collect();
    assert!(bounds[0] <= 99_999 && *bounds.last().unwrap() >= 99_999, "{first}");
    assert!(detail.contains("and more than are counted"), "{detail}");
    assert!(ran.peak_memory < MEMORY, "{} MiB", ran.peak_memory >> 20);
}

#[test]
fn a_damaged_file_is_said_and_what_was_read_of_it_and_the_others_count() {
    let logs = Logs::new(&[("good.log", "ERROR\n")]);
    let whole = gzip("ERROR in a file\n".repeat(200_000).as_bytes());
    logs.write("cut.log.1.gz", &whole[..whole.len() / 2]);
    logs.write("none.log.1.gz", "ERROR and no gzip\n");
    let ran = logs.run(&["pattern=*.log,*.log.*"]);
    assert_eq!(ran.complaints(), ["warning could not be read to its end"]);
    assert_eq!(ran.lines("good.log"), (1, 1));
    assert!(ran.count("log_errors", "cut.log") > 10_000);
    assert_eq!(ran.lines("none.log"), (1, 1), "whatever it is called");
}

#[test]
fn links_and_names_out_of_scope_are_not_read() {
    let elsewhere = Logs::new(&[("secret.log", "ERROR swordfish\n")]);
    let logs = Logs::new(&[("app.log", "ERROR\n"), ("audit.log", "ERROR swordfish\n")]);
    symlink(elsewhere.path("secret.log"), logs.path("link.log")).unwrap();
    symlink(elsewhere.path(""), logs.path("directory")).unwrap();
    let output = logs.host("log-analyze", ",exclude=audit.*", &[]).run().expect_code(0);
    assert!(!output.stdout.contains("swordfish"), "{output}");
    assert!(output.stdout.contains("app.log"));
}

#[test]
fn secrets_in_lines_are_shown_nowhere() {
    let line = "ERROR login password=swordfish1 token: swordfish2 https://eve:swordfish3@db/ Authorization: Bearer \
                swordfish4 mail swordfish5@example.org\n";
    let logs = Logs::new(&[("app.log", &line.repeat(3))]);
    let shown = logs.host("log-analyze", "", &["mask=[\\w.]+@[\\w.]+"]).args(["--verbose"]).run().expect_code(0);
    for text in [&shown.stdout, &shown.stderr] {
        assert!(!text.contains("swordfish"), "{text}");
    }
    assert!(shown.stdout.contains("password=***") && shown.stdout.contains("mail ***"), "{shown}");
    let unmasked = logs.host("log-analyze", "", &[]).run().expect_code(0);
    assert!(unmasked.stdout.contains("swordfish5"), "only what is named or looks like a secret");
}
