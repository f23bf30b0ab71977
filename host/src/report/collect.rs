//! Takes in what a plugin reports, as it comes: cleaned, bounded, and kept even when the plugin traps afterwards.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Bounds, Finding, LogLine, Metric, NextAction, Severity, Unit};
use crate::gate::{Entry, Mode};
use crate::plugin::bindings::taskhost::host::report as wit;
use crate::policy::text::{clean_line, clean_paragraph};

/// What a run does while it runs, for whoever watches.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "named by what they carry")]
pub enum Event {
    Finding(Finding),
    Log(LogLine),
    Progress {
        done: u64,
        total: Option<u64>,
        message: String,
    },
    /// One that changed the world, failed or was refused.
    Effect(Entry),
}

/// Watches a run. Called on the run's own thread: it must not block.
pub type Observer = Arc<dyn Fn(Event) + Send + Sync>;

/// One run's intake.
#[derive(Clone)]
pub struct Collector {
    mode: Mode,
    observer: Observer,
    kept: Arc<Mutex<Kept>>,
}

/// What was kept of it.
#[derive(Default)]
pub struct Kept {
    /// Findings, metrics and next actions in order.
    pub findings: Vec<Finding>,
    /// See [`findings`](Self::findings).
    pub metrics: Vec<Metric>,
    /// See [`findings`](Self::findings).
    pub next_actions: Vec<NextAction>,
    /// The first lines of the log.
    pub log: Vec<LogLine>,
    log_bytes: usize,
    log_left_out: u64,
    findings_left_out: u64,
    others_left_out: u64,
    worst: Option<Severity>,
}

/// Findings and metrics kept of each kind.
const ENTRY_LIMIT: usize = 10_000;
/// Bytes of log kept.
const LOG_LIMIT: usize = 1 << 20;
/// Bytes of one text.
const TEXT_LIMIT: usize = 4096;
/// Bytes of a subject or title.
const NAME_LIMIT: usize = 512;

impl Collector {
    /// An empty intake.
    pub fn new(mode: Mode, observer: Observer) -> Self {
        Self { mode, observer, kept: Arc::default() }
    }

    /// The worst finding so far, whether it was kept or only counted.
    pub fn worst(&self) -> Option<Severity> {
        self.lock().worst
    }

    /// What was collected; what was left out is named in the log.
    pub fn take(&self) -> Kept {
        let mut kept = std::mem::take(&mut *self.lock());
        for (count, what) in [
            (kept.findings_left_out, "findings"),
            (kept.others_left_out, "metrics and next actions"),
            (kept.log_left_out, "lines of the log"),
        ] {
            if count > 0 {
                let message = format!("{count} more {what} were counted and not kept: the run's limit was reached");
                kept.log.push(LogLine { level: "warn".into(), message });
            }
        }
        kept
    }

    /// A line that the guest printed.
    pub fn print(&self, line: &str) {
        if !line.trim().is_empty() {
            self.add_log("info", line);
        }
    }

    fn add_log(&self, level: &'static str, message: &str) {
        let line = LogLine { level: level.into(), message: clean_line(message, TEXT_LIMIT) };
        {
            let mut kept = self.lock();
            if kept.log_bytes >= LOG_LIMIT {
                kept.log_left_out += 1;
                return;
            }
            kept.log_bytes += line.message.len() + 64;
            kept.log.push(line.clone());
        }
        (self.observer)(Event::Log(line));
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl wit::Host for Collector {
    fn add_finding(&mut self, finding: wit::Finding) {
        let finding = Finding {
            severity: match finding.severity {
                wit::Severity::Ok => Severity::Ok,
                wit::Severity::Warning => Severity::Warning,
                wit::Severity::Critical => Severity::Critical,
            },
            subject: clean_line(&finding.subject, NAME_LIMIT),
            title: clean_line(&finding.title, NAME_LIMIT),
            detail: clean_paragraph(&finding.detail, TEXT_LIMIT),
            remedy: finding.remedy.map(|remedy| clean_paragraph(&remedy, TEXT_LIMIT)),
        };
        {
            let mut kept = self.lock();
            kept.worst = kept.worst.max(Some(finding.severity));
            if kept.findings.len() >= ENTRY_LIMIT {
                kept.findings_left_out += 1;
                return;
            }
            kept.findings.push(finding.clone());
        }
        (self.observer)(Event::Finding(finding));
    }

    fn add_metric(&mut self, metric: wit::Metric) {
        // A bound that is no number bounds nothing.
        let finite = |end: Option<f64>| end.filter(|end| end.is_finite());
        let bounds = |bounds: wit::Bounds| Bounds { low: finite(bounds.low), high: finite(bounds.high) };
        let metric = Metric {
            name: metric_name(&metric.name),
            subject: metric.subject.map(|subject| clean_line(&subject, NAME_LIMIT)),
            value: metric.value,
            unit: match metric.unit {
                wit::Unit::None => Unit::None,
                wit::Unit::Seconds => Unit::Seconds,
                wit::Unit::Bytes => Unit::Bytes,
                wit::Unit::Percent => Unit::Percent,
                wit::Unit::Days => Unit::Days,
                wit::Unit::Total => Unit::Total,
            },
            warn: metric.warn.map(bounds),
            crit: metric.crit.map(bounds),
        };
        let mut kept = self.lock();
        // A value that is no number means nothing to any of the outputs.
        if metric.value.is_finite() && kept.metrics.len() < ENTRY_LIMIT {
            kept.metrics.push(metric);
        } else {
            kept.others_left_out += 1;
        }
    }

    fn add_next_action(&mut self, action: wit::NextAction) {
        let action = NextAction {
            action: clean_line(&action.action, TEXT_LIMIT),
            subject: action.subject.map(|subject| clean_line(&subject, NAME_LIMIT)),
        };
        let mut kept = self.lock();
        if kept.next_actions.len() < ENTRY_LIMIT {
            kept.next_actions.push(action);
        } else {
            kept.others_left_out += 1;
        }
    }

    fn progress(&mut self, step: wit::Step) {
        let message = clean_line(&step.message, NAME_LIMIT);
        (self.observer)(Event::Progress { done: step.done, total: step.total, message });
    }

    fn log(&mut self, level: wit::Level, message: String) {
        let level = match level {
            wit::Level::Debug => "debug",
            wit::Level::Info => "info",
            wit::Level::Warn => "warn",
            wit::Level::Error => "error",
        };
        self.add_log(level, &message);
    }

    fn rehearsing(&mut self) -> bool {
        self.mode == Mode::Rehearse
    }
}

/// A metric's name goes unquoted into other formats: what does not belong there becomes `_`.
fn metric_name(name: &str) -> String {
    let mut clean: String =
        name.chars().take(64).map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    if !clean.starts_with(|first: char| first.is_ascii_lowercase()) {
        clean.insert(0, 'm');
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::wit::Host as _;
    use super::*;

    fn collector() -> Collector {
        Collector::new(Mode::Perform, Arc::new(|_| {}))
    }

    fn finding(severity: wit::Severity, title: &str) -> wit::Finding {
        wit::Finding { severity, subject: "s".into(), title: title.into(), detail: String::new(), remedy: None }
    }

    #[test]
    fn a_flood_of_findings_is_counted_and_the_worst_still_counts() {
        let mut collector = collector();
        for _ in 0..ENTRY_LIMIT {
            collector.add_finding(finding(wit::Severity::Warning, "again"));
        }
        collector.add_finding(finding(wit::Severity::Critical, "last"));
        assert_eq!(collector.worst(), Some(Severity::Critical));
        let kept = collector.take();
        assert_eq!(kept.findings.len(), ENTRY_LIMIT);
        assert!(kept.log[0].message.starts_with("1 more findings"));
    }

    #[test]
    fn a_flood_of_the_log_is_bounded() {
        let collector = collector();
        let line = "x".repeat(TEXT_LIMIT);
        for _ in 0..10_000 {
            collector.print(&line);
        }
        let kept = collector.take();
        assert!(kept.log.iter().map(|line| line.message.len()).sum::<usize>() < 2 * LOG_LIMIT);
        assert!(kept.log.last().unwrap().message.contains("lines of the log"));
    }

    #[test]
    fn names_cannot_forge_another_metric() {
        for (name, clean) in [
            ("dead_rows", "dead_rows"),
            ("a=1;;; b", "a_1____b"),
            ("x{y=\"z\"} 1\nup 0", "x_y__z___1_up_0"),
            ("9lives", "m9lives"),
            ("", "m"),
        ] {
            assert_eq!(metric_name(name), clean);
        }
        let mut collector = collector();
        collector.add_finding(finding(wit::Severity::Ok, "\u{1b}]0;owned\u{7}"));
        assert_eq!(collector.take().findings[0].title, "\\u{1b}]0;owned\\u{7}");
    }
}
