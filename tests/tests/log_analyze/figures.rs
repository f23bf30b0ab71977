//! The runbook's lines of grep and awk, and that the plugin says the same.

use super::scene::{Logs, clock, gzip, random};

#[test]
fn errors_are_as_many_as_grep_counts_and_grouped() {
    let mut random = random();
    let mut log = String::new();
    for number in 0..20_000 {
        let level = ["INFO", "ERROR", "DEBUG", "CRITICAL", "WARNING", "TERROR"][usize::try_from(random() % 6).unwrap()];
        log += &format!(
            "{} {level} db: query {} of \"{}\" took {} ms\n",
            clock(number),
            random(),
            random(),
            random() % 900
        );
    }
    let logs = Logs::new(&[("reflexion.log", &log)]);
    let ran = logs.run(&["errors=(ERROR|CRITICAL)"]);
    let expected: u64 = logs.shell("grep -cE '(ERROR|CRITICAL)' reflexion.log").trim().parse().unwrap();
    assert_eq!(ran.lines("reflexion.log"), (20_000, expected));
    let detail = ran.detail("errors");
    let critical = logs.shell("grep -c CRITICAL reflexion.log");
    let kind = format!("{} x CRITICAL db: query # of \"*\" took # ms (2026-11-23 00:00:0", thousands(critical.trim()));
    assert!(detail.contains(&kind), "{kind}: {detail}");
    assert!(detail.contains("x TERROR db"), "as grep does: {detail}");
    // By default a word is one.
    let words: u64 = logs.shell("grep -cwE 'ERROR|CRITICAL' reflexion.log").trim().parse().unwrap();
    assert_eq!(logs.run(&[]).lines("reflexion.log"), (20_000, words));
    let slow: u64 = logs.shell("grep -ciE '(slow|timeout|took 1)' reflexion.log").trim().parse().unwrap();
    assert_eq!(logs.run(&["errors=(?i)(slow|timeout|took 1)"]).lines("reflexion.log"), (20_000, slow));
}

fn thousands(digits: &str) -> String {
    let (head, tail) = digits.split_at(digits.len().saturating_sub(3));
    if head.is_empty() { tail.into() } else { format!("{head},{tail}") }
}

#[test]
fn percentiles_are_those_of_sorted_values() {
    let mut random = random();
    let mut log = String::new();
    for number in 0..30_000 {
        // Spread as answers are: most quick, some very slow.
        let shift = random() % 12;
        let micros = (random() % 1_000 + 100) << shift;
        log += &format!("{} INFO served path=/x response_time {:.6}\n", clock(number), micros as f64 / 1e6);
    }
    log += "no number: response_time unknown\n";
    let logs = Logs::new(&[("access.log", &log)]);
    for field in ["response_time", "response_time:-1"] {
        let ran = logs.run(&[&format!("field={field}"), "percentile=99.9"]);
        let name = if field.contains(':') { "response_time_1" } else { "response_time" };
        let sorted = logs.shell("awk '/response_time [0-9]/ {print $NF}' access.log | sort -n");
        let sorted: Vec<f64> = sorted.lines().map(|line| line.parse().unwrap()).collect();
        assert_eq!(sorted.len(), 30_000);
        for (percent, metric) in [(50.0, "p50"), (90.0, "p90"), (95.0, "p95"), (99.0, "p99"), (99.9, "p99_9")] {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank")]
            let real = sorted[(percent / 100.0 * 30_000.0_f64).ceil() as usize - 1];
            let found = ran.metric(&format!("{name}_{metric}"), "access.log").unwrap();
            assert!((found - real).abs() <= real * 0.004, "{field} {metric}: {found} is not {real}");
        }
        assert!(ran.detail(&format!("values of {field}")).contains("of 30,000 values"), "{field}");
    }
    let ran = logs.run(&["field=response_time", "warn-above=0.5", "critical-above=100"]);
    assert_eq!((ran.code, ran.complaints()), (1, vec!["warning values of response_time".into()]));
    let ran = logs.run(&["field=response_time", "warn-above=0.1", "critical-above=0.5"]);
    assert_eq!(ran.code, 2);
    assert_eq!(logs.run(&["field=response_time", "warn-above=100"]).code, 0);
}

#[test]
fn memory_that_rises_is_told_and_steady_memory_is_not() {
    let log = |rise: u64| -> String {
        (0..1_000_u64)
            .map(|n| format!("{} memory_usage: {} MiB\n", clock(n * 60), 500 + n * rise / 10 + n % 7))
            .collect()
    };
    let logs = Logs::new(&[("reflexion.log", &log(1)), ("calm.log", &log(0))]);
    let ran = logs.run(&["field=memory_usage", "warn-rise-percent=10"]);
    assert_eq!(ran.complaints(), ["warning memory_usage rises"]);
    let per_day = ran.metric("memory_usage_per_day", "reflexion.log").unwrap();
    assert!((per_day - 144.0).abs() < 2.0, "{per_day}");
    assert!(logs.run(&["field=memory_usage:4"]).detail("values of memory_usage:4").contains(" to "));
}

/// A web server's log: address, status and seconds of each request.
fn access(requests: u64) -> String {
    let mut random = random();
    let mut log = String::new();
    for number in 0..requests {
        // Some addresses ask far more often than others.
        let address = random() % 200 * (random() % 200) / 200;
        let status = [200, 200, 200, 200, 301, 404, 500, 503][usize::try_from(random() % 8).unwrap()];
        log += &format!(
            "10.0.{}.{address} - - [23/Nov/2026:{}] \"GET /api/agents/{}?q={} HTTP/1.1\" {status} {} \"-\" \"curl/8.{}\" 0.{:03}\n",
            address % 3,
            clock(number).replace("2026-11-23 ", "") + " +0000",
            random() % 50,
            random() % 9,
            random() % 5_000,
            random() % 4,
            random() % 1_000
        );
    }
    log
}

#[test]
fn top_talkers_and_statuses_are_those_of_awk_sort_and_uniq() {
    let logs = Logs::new(&[("access.log", &access(20_000))]);
    let ran = logs.run(&["field=:-1", "top-by=address,status,agent,path"]);
    let count = |line: &str| -> u64 { logs.shell(line).trim().parse().unwrap() };
    assert_eq!(ran.lines("access.log"), (20_000, count("awk '$9 >= 500' access.log | wc -l")));
    for (name, column) in [("address", "$1"), ("status", "$9")] {
        let line = format!("awk '{{print {column}}}' access.log | sort | uniq -c | sort -k1,1nr -k2,2 | head -10");
        let detail = ran.detail(&format!("most frequent {name}"));
        let lines = detail.lines().filter(|line| !line.starts_with("and "));
        let ours: Vec<String> = lines.map(|line| line.split(" (").next().unwrap().replace(',', "")).collect();
        let theirs: Vec<String> =
            logs.shell(&line).lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(ours, theirs, "{name}");
    }
    assert!(ran.detail("most frequent path").contains(" /api/agents/"), "without what follows the ?");
    let found = ran.metric("answers_5xx_percent", "access.log").unwrap();
    let real = count("awk '$9 >= 500' access.log | wc -l");
    assert!((found - real as f64 / 200.0).abs() < 1e-9);
    assert!(ran.detail("errors").contains("x GET /api/agents/# 503"), "{}", ran.detail("errors"));
    // By a pattern of one's own instead.
    let own = logs.run(&["errors=\" 404 "]);
    assert_eq!(own.lines("access.log"), (20_000, count("grep -c '\" 404 ' access.log")));
}

#[test]
fn failed_logins_are_counted_by_address() {
    let mut log = String::new();
    for number in 0..300_u64 {
        let (process, address) = (1_000 + number, if number % 3 == 0 { "203.0.113.9" } else { "198.51.100.7" });
        let head = format!("Nov 23 03:{:02}:{:02} web sshd[{process}]:", number / 60 % 60, number % 60);
        log += &format!("{head} Invalid user admin{number} from {address} port {number}\n");
        log += &format!("{head} pam_unix(sshd:auth): authentication failure; logname= uid=0 rhost={address}\n");
        log += &format!("{head} Failed password for invalid user admin{number} from {address} port {number} ssh2\n");
        log += &format!("{head} Accepted publickey for deploy from 10.0.0.1 port {number}\n");
    }
    let logs = Logs::new(&[("auth.log", &log)]);
    let ran = logs.run(&["logins=true"]);
    assert_eq!(ran.count("failed_logins", "auth.log"), 300);
    let detail = ran.detail("failed logins");
    assert!(detail.contains("200 198.51.100.7 (66.7 %)") && detail.contains("100 203.0.113.9 (33.3 %)"), "{detail}");
    assert_eq!(ran.complaints(), ["warning failed logins"]);
    assert_eq!(logs.run(&["logins=true", "warn-logins=201"]).complaints(), [""; 0]);
    assert!(logs.run(&[]).metric("failed_logins", "auth.log").is_none());
}

#[test]
fn every_format_tells_the_same() {
    let (mut text, mut json, mut logfmt) = (String::new(), String::new(), String::new());
    for number in 0..1_000_u64 {
        let (level, message) = match number % 10 {
            0 => ("error", format!("no row {number} in table")),
            _ => ("info", format!("row {number} read")),
        };
        let (at, took) = (clock(number), number % 100);
        text += &format!("{at} {} {message} took={took}ms user=u{}\n", level.to_uppercase(), number % 3);
        json += &format!(
            "{{\"ts\":\"{at}\",\"level\":\"{level}\",\"msg\":\"{message}\",\"took\":\"{took}ms\",\"user\":\"u{}\"}}\n",
            number % 3
        );
        logfmt += &format!("ts=\"{at}\" level={level} msg=\"{message}\" took={took}ms user=u{}\n", number % 3);
    }
    let whole = Logs::new(&[("text.log", &text), ("json.log", &json), ("logfmt.log", &logfmt)]);
    // With a carriage return at each end, and compressed.
    whole.write("crlf.log", text.replace('\n', "\r\n"));
    whole.write("gzip.log.1.gz", gzip(text.as_bytes()));
    whole.write("zstd.log.1.zst", zstd::encode_all(json.as_bytes(), 3).unwrap());
    let ran = whole.run(&["pattern=*.log,*.log.*", "field=took", "top-by=user"]);
    for log in ["text.log", "json.log", "logfmt.log", "crlf.log", "gzip.log", "zstd.log"] {
        assert_eq!(ran.lines(log), (1_000, 100), "{log}");
        let p95 = ran.metric("took_p95", log).unwrap();
        assert!((p95 - 0.094).abs() < 0.001, "{log}: {p95}");
    }
    let findings = ran.report["findings"].as_array().unwrap();
    for finding in findings.iter().filter(|it| it["title"] == "errors") {
        let detail = finding["detail"].as_str().unwrap();
        let kind = detail.lines().nth(1).unwrap().to_lowercase();
        assert!(kind.starts_with("100 x error") && kind.contains(" no row # in table"), "{detail}");
        assert!(kind.contains("(2026-11-23 00:00:00 to 2026-11-23 00:16:30)"), "{detail}");
    }
    for finding in findings.iter().filter(|it| it["title"] == "most frequent user") {
        assert_eq!(finding["detail"], "334 u0 (33.4 %)\n333 u1 (33.3 %)\n333 u2 (33.3 %)");
    }
    assert_eq!(findings.len(), 6 * 3);
}

#[test]
fn only_the_last_hours_are_read_when_that_is_wanted() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let log: String = (0..200_000_u64).map(|n| format!("{} ERROR number {n}\n", now - 200_000 + n)).collect();
    let logs = Logs::new(&[("app.log", &log), ("small.log", "1000000000 ERROR long ago\n"), ("empty.log", "")]);
    logs.write("old.log.1.gz", gzip(b"ERROR\n"));
    let old = std::time::SystemTime::now() - std::time::Duration::from_hours(48);
    std::fs::File::options().write(true).open(logs.path("old.log.1.gz")).unwrap().set_modified(old).unwrap();
    let ran = logs.run(&["since=1h", "pattern=*.log,*.log.*"]);
    let (lines, errors) = ran.lines("app.log");
    assert!((3_590..3_601).contains(&lines) && errors == lines, "{lines} {errors}");
    assert_eq!(ran.lines("small.log"), (0, 0));
    assert_eq!(ran.lines("old.log"), (0, 0));
    assert_eq!(logs.run(&["since=4w"]).lines("app.log").0, 200_000);
}
