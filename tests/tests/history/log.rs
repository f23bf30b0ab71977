//! The maintenance log: in the runbook's template, with what was resolved, by whom and when, whatever texts are in it.

use super::{World, listed, text};
use serde_json::Value;
use taskhost::bundle::Kind;
use taskhost::report::{Bounds, Outcome, Report, Severity, Unit};
use taskhost_tests::history::{Past, ended, finding, metric, next_action, removed};
use taskhost_tests::{Host, host};

/// A week of a shop, as its hosts recorded it.
async fn week(world: &World) {
    let past = Past::new(world.history().to_str().unwrap(), Some("shop"));
    let daily =
        |task: &str, day: u8, hour: u8, outcome| ended(task, &format!("2026-03-0{day}T0{hour}:00:00Z"), outcome);
    for day in 1..=5 {
        let mut clean = daily("clean", day, 2, Outcome::Ok);
        clean.effects.push(removed("directory", "a.log", 1 << 20));
        clean.effects.push(removed("directory", "b.log", 2 << 20));
        clean.metrics.push(metric("files_removed", None, 2.0, Unit::None));
        past.add(Some(Kind::Daily), clean).await;

        let found = (2..=3).contains(&day);
        let mut check = daily("certificates", day, 3, if found { Outcome::Critical } else { Outcome::Ok });
        if found {
            let mut expired = finding(Severity::Critical, "shop.pem", "it expires soon");
            expired.detail = format!("in {} days", 6 - day);
            check.findings.push(expired);
            check.next_actions.push(next_action("renew shop.pem"));
        }
        past.add(Some(Kind::Daily), check).await;

        for (hour, cpu) in [(4, 40.0), (5, 61.5), (6, 55.0)] {
            let mut kpi = daily("kpi", day, hour, Outcome::Warning);
            kpi.metrics.push(Bounded(metric("cpu_used_percent", None, cpu, Unit::Percent)).above(60.0, 80.0));
            kpi.metrics.push(metric("memory_used_percent", None, 71.0, Unit::Percent));
            kpi.metrics.push(metric("disk_used_percent", Some("/"), 60.0, Unit::Percent));
            kpi.metrics.push(metric("disk_used_percent", Some("/srv"), 80.0 + f64::from(day), Unit::Percent));
            kpi.metrics.push(metric("response_time_p95", None, 0.132, Unit::Seconds));
            kpi.findings.push(finding(Severity::Warning, "/srv", "disk nearly full"));
            past.add(Some(Kind::Daily), kpi).await;
        }
    }
    past.add(Some(Kind::Weekly), ended("vacuum", "2026-03-01T01:00:00Z", Outcome::TimedOut)).await;
    past.add(None, ended("by-hand", "2026-03-04T10:00:00Z", Outcome::Ok)).await;
    past.close().await;
}

struct Bounded(taskhost::report::Metric);

impl Bounded {
    fn above(self, warn: f64, crit: f64) -> taskhost::report::Metric {
        let high = |high| Some(Bounds { low: None, high: Some(high) });
        taskhost::report::Metric { warn: high(warn), crit: high(crit), ..self.0 }
    }
}

fn log(world: &World, words: &[&str]) -> Host {
    world.host("log").args(words.iter().copied())
}

/// What is written, without the ids that differ between runs of the test.
fn plain(text: &str) -> String {
    let part = |c: char| c.is_ascii_hexdigit() || c == '-';
    let is_id = |word: &str| matches!((word.len(), word.matches('-').count()), (36, 4) | (12, 0));
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(part) {
        let (before, from) = rest.split_at(start);
        let (word, after) = from.split_at(from.find(|c| !part(c)).unwrap_or(from.len()));
        out.extend([before, if is_id(word) { "RUN" } else { word }]);
        rest = after;
    }
    out + rest
}

/// The log as JSON, which keeps to its schema.
fn json(host: Host) -> Value {
    let log = host.args(["--format", "json"]).run().expect_code(0).json();
    let schema: Value = serde_json::from_str(include_str!("../../../docs/log.schema.json")).unwrap();
    let problems: Vec<_> =
        jsonschema::validator_for(&schema).unwrap().iter_errors(&log).map(|error| error.to_string()).collect();
    assert!(problems.is_empty(), "against docs/log.schema.json: {problems:?}\n{log:#}");
    log
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_is_an_entry_in_the_runbooks_template() {
    let world = World::new();
    week(&world).await;
    let day = log(&world, &["--since", "2026-03-03", "--until", "2026-03-04"]).run().expect_code(0);
    insta::assert_snapshot!(plain(&day.stdout));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finding_that_goes_away_is_resolved_when_after_how_long_and_by_which_run() {
    let world = World::new();
    week(&world).await;
    let log = json(log(&world, &["--since", "2026-03-01", "--until", "2026-03-07"]));
    let entries = log["entries"].as_array().unwrap();
    let of = |date: &str| entries.iter().find(|entry| entry["date"] == date && entry["type"] == "daily").unwrap();
    let issue = |date: &str| {
        let issues = of(date)["issues"].as_array().unwrap();
        issues.iter().find(|issue| issue["subject"] == "shop.pem").cloned().unwrap_or_default()
    };
    assert_eq!(issue("2026-03-01"), Value::Null);
    let runs = listed(world.history().to_str().unwrap());
    let resolving =
        runs.iter().find(|run| text(run, "started").starts_with("2026-03-04T03") && run["task"] == "certificates");
    for (date, found) in [("2026-03-02", true), ("2026-03-03", true), ("2026-03-04", false)] {
        let issue = issue(date);
        assert_eq!((&issue["found"], text(&issue, "resolved")), (&found.into(), "2026-03-04T03:00:02Z"), "{issue:#}");
        assert_eq!(
            (&issue["open_seconds"], text(&issue, "first_seen")),
            (&(2 * 86_400).into(), "2026-03-02T03:00:02Z")
        );
        assert_eq!(issue["resolved_run"], resolving.unwrap()["id"]);
    }
    assert_eq!(
        (text(&issue("2026-03-02"), "detail"), text(&issue("2026-03-03"), "detail")),
        ("in 4 days", "in 3 days")
    );
    assert_eq!((&log["totals"]["open"], &log["totals"]["resolved"]), (&1.into(), &1.into()));
    // What is still there says since when.
    let srv = of("2026-03-05")["issues"][0].clone();
    assert_eq!((text(&srv, "first_seen"), &srv["resolved"]), ("2026-03-01T04:00:02Z", &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_come_from_whatever_measured_them() {
    let world = World::new();
    week(&world).await;
    let log = json(log(&world, &["--since", "2026-03-05", "--until", "2026-03-05"]));
    let metrics = &log["entries"][0]["metrics"];
    let vital = |name: &str| {
        let vital = &metrics[name];
        (vital["value"].as_f64().unwrap(), vital["lowest"].as_f64().unwrap(), vital["highest"].as_f64().unwrap())
    };
    assert_eq!(vital("cpu"), (55.0, 40.0, 61.5));
    assert_eq!(vital("memory"), (71.0, 71.0, 71.0));
    assert_eq!((vital("disk").0, &metrics["disk"]["subject"]), (85.0, &"/srv".into()));
    assert_eq!(metrics["response_time"]["value"], 0.132);
    assert_eq!(metrics["tasks"].as_array().unwrap().len(), 2);
    assert_eq!((&log["totals"]["runs"], &log["totals"]["changes"]), (&5.into(), &2.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_are_days_weeks_months_and_quarters_and_parts_of_the_calendar() {
    let world = World::new();
    week(&world).await;
    let entries = |words: &[&str]| {
        let log = json(log(&world, words));
        let entry = |entry: &Value| format!("{} {}", &text(entry, "date")[5..], text(entry, "type"));
        let entries: Vec<_> = log["entries"].as_array().unwrap().iter().map(entry).collect();
        (format!("{} {}", text(&log, "since"), text(&log, "until")), entries)
    };
    let (span, all) = entries(&["--since", "2026-03-04", "--period", "weekly"]);
    assert_eq!(span, "2026-03-02 2026-03-08");
    assert_eq!(all, ["03-05 daily", "03-04 on-demand", "03-04 daily", "03-03 daily", "03-02 daily"]);
    assert_eq!(entries(&["--until", "2026-03-04", "--period", "monthly"]).0, "2026-03-01 2026-03-31");
    assert_eq!(entries(&["--until", "2026-03-04", "--period", "quarterly"]).0, "2026-01-01 2026-03-31");
    assert_eq!(entries(&["--until", "2026-03-04", "--period", "daily"]).1, ["03-04 on-demand", "03-04 daily"]);
    assert_eq!(entries(&["--until", "2026-03-31", "--kind", "weekly"]).1, ["03-01 weekly"]);
    assert_eq!(entries(&["--until", "2026-03-31", "--kind", "on-demand"]).1, ["03-04 on-demand"]);
    assert_eq!(entries(&["--until", "2026-02-20"]).1, Vec::<String>::new());
    let empty = log(&world, &["--until", "2026-02-20"]).run().expect_code(0);
    assert_eq!(empty.stdout, "Nothing was recorded from 2026-01-21 to 2026-02-20.\n");
    for (words, why) in [
        (&["--since", "2026-03-05", "--until", "2026-03-04"][..], "the first day, 2026-03-05, is after the last"),
        (&["--since", "2026-03-01", "--until", "2026-03-04", "--period", "daily"], "--period goes with"),
        (&["--since", "soon"], "`soon` is no day"),
    ] {
        let output = log(&world, words).run().expect_code(3);
        assert!(output.stderr.contains(why), "{output}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_did_not_do_is_in_the_last_entry_of_its_period() {
    let world = World::of(&super::BUNDLE.replace("kind = \"quarterly\"", "kind = \"weekly\""));
    // The list is known from the first run that is recorded on.
    world.daily().expect_code(0);
    super::tamper(world.history().to_str().unwrap(), "UPDATE checklist SET first_seen = 1772323200000000000").await;
    week(&world).await;
    let people = json(log(&world, &["--since", "2026-03-01", "--until", "2026-03-10"]));
    let people: Vec<String> = people["entries"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|entry| {
            let open = entry["checklist"].as_array().unwrap().iter();
            open.map(|open| {
                format!(
                    "{} {} {} {}",
                    text(entry, "date"),
                    text(open, "title"),
                    text(open, "period"),
                    text(open, "due")
                )
            })
        })
        .filter(|line| line.contains("Vendor"))
        .collect();
    assert_eq!(
        people,
        [
            // A week that is cut by the end of the log; one that has no entry of its kind; the one of the vacuum.
            "2026-03-10 Vendor review 2026-W11 2026-03-15",
            "2026-03-08 Vendor review 2026-W10 2026-03-08",
            "2026-03-01 Vendor review 2026-W09 2026-03-01",
        ]
    );
}

/// Texts that are nobody's friend.
const HOSTILE: [&str; 8] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "# heading\n\n- [x] done",
    "[click](javascript:alert(1)) ![x](http://evil/x.png)",
    "`code` **bold** | table | ~~gone~~",
    "\u{1b}[2J\u{202e}gnp.exe\u{0}",
    "' onmouseover='alert(1)",
    "</style><style>*{display:none}</style>&lt;b&gt;",
];

/// A report that has each of them in each place; cleaned as a plugin's words are.
fn hostile() -> Report {
    let clean = |text: &str| taskhost::policy::text::clean_line(text, 512);
    let mut report = ended("hostile", "2026-03-01T02:00:00Z", Outcome::Critical);
    report.summary = Some(clean(&HOSTILE.join(" ")));
    for text in HOSTILE.map(clean) {
        let mut found = finding(Severity::Critical, &text, &text);
        (found.detail, found.remedy) = (text.clone(), Some(text.clone()));
        report.findings.push(found);
        report.metrics.push(metric("cpu_percent", Some(&text), 50.0, Unit::Percent));
        report.next_actions.push(next_action(&text));
        report.effects.push(removed(&text, &text, 1));
        report.notices.push(text);
    }
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn no_text_of_anyone_is_markup_in_the_log() {
    let world = World::of(
        &super::BUNDLE.replace("the team", HOSTILE[0]).replace("Vendor review", "<b>Vendor</b> \\\"review\\\""),
    );
    let past = Past::new(world.history().to_str().unwrap(), Some("shop"));
    past.add(Some(Kind::Daily), hostile()).await;
    past.close().await;
    let tick = ["vendor", "--by", HOSTILE[1], "--note", HOSTILE[0]];
    world.host("tick").args(tick).run().expect_code(0);
    let span = ["--since", "2026-03-01", "--until", "today", "--format"];
    let html = log(&world, &[&span[..], &["html"]].concat()).run().expect_code(0).stdout;
    let body = html.split_once("</head>").unwrap().1;
    for tag in ["<script", "<img", "<b>Vendor", "<style", "onerror=alert(1)>", "' onmouseover"] {
        assert!(!body.contains(tag), "{tag}");
    }
    // The only quotes in the body are those of the page's own attributes.
    for part in body.split('<').skip(1) {
        let tag = part.split('>').next().unwrap();
        let name = tag.trim_start_matches('/').split(' ').next().unwrap();
        let known = [
            "body", "html", "header", "main", "h1", "h2", "h3", "p", "ul", "li", "b", "span", "time", "nav", "details",
            "summary", "a", "article", "section", "code", "br", "div", "table", "thead", "tbody", "tr", "th", "td",
        ];
        assert!(known.contains(&name), "<{tag}>");
        assert!(!tag.contains(" on") || tag.contains("id=\"d"), "<{tag}>");
    }
    assert!(!html.contains('\u{1b}') && !html.contains('\u{202e}'));
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    let markdown = log(&world, &[&span[..], &["markdown"]].concat()).run().expect_code(0).stdout;
    for mark in ["<script", "<img", "[click](", "![x](", "**bold**", "~~gone~~", "\n#", "`code`"] {
        assert!(!markdown.contains(mark), "{mark}: {markdown}");
    }
    json(log(&world, &span[..4]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_needs_nothing_beside_it_and_lets_nothing_in() {
    let world = World::new();
    week(&world).await;
    let file = world.path("log.html");
    let output = log(&world, &["--since", "2026-03-03", "--until", "2026-03-04", "--format", "html", "--output"]);
    let output = output.arg(&file).run().expect_code(0);
    assert_eq!(output.stdout, "");
    let html = std::fs::read_to_string(&file).unwrap();
    for word in ["http://", "https://", "src=", "@import", "url(", "javascript"] {
        assert!(!html.contains(word), "{word}");
    }
    let policy = html.split_once("Content-Security-Policy\" content=\"").unwrap().1.split('"').next().unwrap();
    let style = html.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    let digest = <sha2::Sha256 as sha2::Digest>::digest(style);
    let digest = base64(&digest);
    assert!(policy.contains(&format!("default-src 'none'; style-src 'sha256-{digest}'")), "{policy}");
    let body = html.split_once("<body>").unwrap().1;
    let (before, after) = body.split_once(", written ").unwrap();
    let after = after.split_once(')').unwrap().1;
    insta::assert_snapshot!(plain(&format!("{before}){after}")));
    // A file that cannot be written is said, and the old one stays.
    let none = log(&world, &["--output", "/no/such/log.md"]).run().expect_code(3);
    assert!(none.stderr.contains("failed to write /no/such/log.md"), "{none}");
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letter = |number: u32| char::from(LETTERS[number as usize & 63]);
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let number =
            chunk.iter().fold(0_u32, |number, byte| (number << 8) | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            out.push(letter(number >> (18 - 6 * place)));
        }
        out.push_str(&"=".repeat(3 - chunk.len()));
    }
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_by_itself_and_one_on_a_server_are_logged_alike() {
    let places = super::Places::new().await;
    let mut logs = Vec::new();
    for place in places.all() {
        let past = Past::new(&place, Some("shop"));
        let mut report = ended("clean", "2026-03-01T02:00:00Z", Outcome::Warning);
        report.findings.push(finding(Severity::Warning, "größe", "it is odd"));
        report.metrics.push(metric("cpu_percent", None, 12.5, Unit::Percent));
        report.effects.push(removed("directory", "a.log", 12));
        report.next_actions.push(next_action("look"));
        past.add(Some(Kind::Daily), report).await;
        past.close().await;
        let output =
            host().args(["log", &place, "--since", "2026-03-01", "--until", "2026-03-01"]).run().expect_code(0);
        logs.push(plain(&output.stdout));
    }
    assert_eq!(logs[0], logs[1]);
    assert!(logs[0].contains("Maintainer: alice") && logs[0].contains("CPU: 12.5% (clean)"), "{}", logs[0]);
}
