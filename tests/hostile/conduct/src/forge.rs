//! Texts that would be more than text where they are shown.

use crate::exports::taskhost::host::task::{Failure, FailureKind};
use crate::taskhost::host::report::{self, Bounds, Finding, Level, Metric, NextAction, Severity, Step, Unit};
use crate::taskhost::host::{files, sql, tls};

/// Clears the screen, sets the window's title, colours, links, asks the terminal to answer, in 7 and in 8 bits; then
/// what reorders text, and what ends a line.
const ESCAPES: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{1b}]8;;http://evil.example\u{1b}\\\u{1b}[6n\u{9b}31m\u{90}x\u{9c}\
                       \u{8}\u{7f}\u{202e}gnol\u{2066}\u{61c}\u{200b}\u{feff}\u{85}\u{2028}\0\r\nowned";
/// What would be markup, another metric, another line.
const MARKUP: &str = "<script>alert(1)</script> | cell | `code` [link](http://evil.example) ![i](x) **b** ~~s~~ \
                      'up'=1;2;3 up{a=\"b\"} 1\n# HELP up\nup 1\nCRITICAL: forged | up=0\n- [x] done";

pub(crate) fn run(case: &str) -> Option<Result<String, Failure>> {
    let text = match case {
        "forge-escapes" | "forge-escapes-failure" | "forge-slots" => ESCAPES,
        "forge-markup" | "forge-markup-failure" => MARKUP,
        "forge-numbers" => {
            numbers();
            return Some(Ok(case.into()));
        }
        _ => return None,
    };
    if case == "forge-slots" {
        return Some(Ok(slots()));
    }
    say_everywhere(text);
    if case.ends_with("failure") {
        return Some(Err(Failure { kind: FailureKind::Failed, message: text.into() }));
    }
    Some(Ok(text.into()))
}

/// Each text that the contract takes.
fn say_everywhere(text: &str) {
    for severity in [Severity::Ok, Severity::Warning, Severity::Critical] {
        report::add_finding(&Finding {
            severity,
            subject: text.into(),
            title: text.into(),
            detail: text.into(),
            remedy: Some(text.into()),
        });
    }
    let bounds = Some(Bounds { low: Some(1.0), high: None });
    let metric = |name: &str, unit| Metric {
        name: name.into(),
        subject: Some(text.into()),
        value: 1.0,
        unit,
        warn: bounds,
        crit: bounds,
    };
    report::add_metric(&metric(text, Unit::None));
    report::add_metric(&metric("a=1 'up'=1 b{c=\"d\"} 1\nup", Unit::Bytes));
    report::add_next_action(&NextAction { action: text.into(), subject: Some(text.into()) });
    report::progress(&Step { done: 1, total: Some(2), message: text.into() });
    report::log(Level::Error, text);
    println!("{text}");
    eprintln!("{text}");
}

/// Names that the journal keeps.
fn slots() -> String {
    let names = [ESCAPES, "database\0", "other-tasks-database", "", "../database", "DATABASE"];
    for name in names {
        let outcomes = [sql::open(name).is_ok(), files::open(name).is_ok(), tls::endpoints(name).is_ok()];
        if outcomes.contains(&true) {
            return format!("{name:?} was opened");
        }
    }
    "all refused".into()
}

/// Values that are no numbers.
fn numbers() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN_POSITIVE, -0.0] {
        let bounds = Some(Bounds { low: Some(value), high: Some(-value) });
        for unit in [Unit::None, Unit::Bytes, Unit::Seconds, Unit::Percent, Unit::Days, Unit::Total] {
            report::add_metric(&Metric { name: "n".into(), subject: None, value, unit, warn: bounds, crit: bounds });
            report::add_metric(&Metric {
                name: "m".into(),
                subject: None,
                value: 1.0,
                unit,
                warn: bounds,
                crit: bounds,
            });
        }
    }
    report::progress(&Step { done: u64::MAX, total: Some(0), message: String::new() });
}
