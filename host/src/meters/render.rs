//! The text of what is known. Pure.

#![expect(clippy::cast_precision_loss, reason = "what is counted here is far from 2^52")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::{Last, Meter, Queue, label};
use crate::report::{Outcome, Unit};

/// Which text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// The text format of Prometheus, version 0.0.4, as the textfile collector reads it.
    Prometheus,
}

impl Form {
    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// Everything that is known, family by family.
pub fn render(form: Form, meters: &BTreeMap<(String, String), Meter>, queues: &[Queue]) -> String {
    let mut page = Page { form, text: String::new() };
    of_tasks(&mut page, meters);
    of_plugins(&mut page, meters);
    of_queues(&mut page, queues);
    if form == Form::OpenMetrics {
        page.text += "# EOF\n";
    }
    page.text
}

/// The outcomes that are told apart.
const OUTCOMES: [Outcome; 12] = [
    Outcome::Ok,
    Outcome::Warning,
    Outcome::Critical,
    Outcome::Failed,
    Outcome::Trapped,
    Outcome::Refused,
    Outcome::OverBudget,
    Outcome::TimedOut,
    Outcome::Unavailable,
    Outcome::Invalid,
    Outcome::HostFault,
    Outcome::Interrupted,
];

fn of_tasks(page: &mut Page, meters: &BTreeMap<(String, String), Meter>) {
    type Of = fn(&Meter) -> Option<f64>;
    let gauges: [(&str, &str, Of); 3] = [
        (
            "taskhost_task_last_success_timestamp_seconds",
            "When the task last did its work without a critical finding.",
            |meter| meter.succeeded.map(seconds),
        ),
        ("taskhost_task_last_run_timestamp_seconds", "When the task's last run ended.", |meter| {
            meter.last.as_ref().map(|last| seconds(last.finished))
        }),
        ("taskhost_task_last_duration_seconds", "How long the task's last run took.", |meter| {
            meter.last.as_ref().map(|last| last.duration)
        }),
    ];
    for (name, help, value) in gauges {
        page.family(name, "gauge", help);
        for ((bundle, task), meter) in meters {
            if let Some(value) = value(meter) {
                page.sample(name, &[("bundle", bundle), ("task", task)], value);
            }
        }
    }
    let lasts = || meters.iter().filter_map(|((bundle, task), meter)| Some((bundle, task, meter.last.as_ref()?)));
    let name = "taskhost_task_last_outcome";
    page.family(name, "gauge", "1 for the outcome of the task's last run, 0 for the others.");
    for (bundle, task, last) in lasts() {
        for outcome in OUTCOMES {
            let is = f64::from(u8::from(outcome == last.outcome));
            page.sample(name, &[("bundle", bundle), ("task", task), ("outcome", &label(outcome))], is);
        }
    }
    let name = "taskhost_task_findings";
    page.family(name, "gauge", "Findings of the task's last run, by severity.");
    for (bundle, task, last) in lasts() {
        for (severity, count) in ["ok", "warning", "critical"].into_iter().zip(last.findings) {
            page.sample(name, &[("bundle", bundle), ("task", task), ("severity", severity)], count as f64);
        }
    }
    let name = page.counter("taskhost_task_runs", "Runs since the host began, by outcome.");
    for ((bundle, task), meter) in meters {
        for (outcome, count) in &meter.runs {
            page.sample(&name, &[("bundle", bundle), ("task", task), ("outcome", outcome)], *count as f64);
        }
    }
    let name =
        page.counter("taskhost_effects", "Effects that were done since the host began, by capability and impact.");
    for ((bundle, task), meter) in meters {
        for ((capability, impact), count) in &meter.effects {
            let labels = [("bundle", bundle.as_str()), ("task", task), ("capability", capability), ("impact", impact)];
            page.sample(&name, &labels, *count as f64);
        }
    }
}

/// What plugins measured: one family a unit, since names are theirs.
fn of_plugins(page: &mut Page, meters: &BTreeMap<(String, String), Meter>) {
    let name = "taskhost_metric";
    page.family(name, "gauge", "What the task's last run measured, by the plugin's own name for it.");
    for ((bundle, task), meter) in meters {
        let mut seen = BTreeSet::new();
        for metric in meter.last.iter().flat_map(|last: &Last| &last.metrics) {
            let subject = metric.subject.as_deref().unwrap_or_default();
            // A series has one value.
            if seen.insert((metric.name.as_str(), subject)) {
                let unit = if metric.unit == Unit::None { "" } else { metric.unit.name() };
                let labels = [
                    ("bundle", bundle.as_str()),
                    ("task", task),
                    ("name", &metric.name),
                    ("subject", subject),
                    ("unit", unit),
                ];
                page.sample(name, &labels, metric.value);
            }
        }
    }
}

fn of_queues(page: &mut Page, queues: &[Queue]) {
    type Of = fn(&Queue) -> f64;
    let gauges: [(&str, &str, Of); 4] = [
        ("taskhost_runs_running", "Runs that go on.", |queue| queue.running as f64),
        ("taskhost_runs_waiting", "Runs that are due and wait.", |queue| queue.waiting as f64),
        ("taskhost_tasks_paused", "Tasks that nobody wants to run for now.", |queue| queue.paused as f64),
        ("taskhost_history_writable", "1 when the history took what was written last.", |queue| {
            f64::from(u8::from(queue.recording))
        }),
    ];
    for (name, help, value) in gauges.into_iter().filter(|_| !queues.is_empty()) {
        page.family(name, "gauge", help);
        for queue in queues {
            page.sample(name, &[("bundle", &queue.bundle)], value(queue));
        }
    }
    if !queues.is_empty() {
        let name = page.counter("taskhost_history_lost", "Entries of the history that could not be written.");
        for queue in queues {
            page.sample(&name, &[("bundle", &queue.bundle)], queue.lost as f64);
        }
    }
}

struct Page {
    form: Form,
    text: String,
}

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// A counter, and the name of its samples.
    fn counter(&mut self, name: &str, help: &str) -> String {
        let total = format!("{name}_total");
        self.family(if self.form == Form::OpenMetrics { name } else { &total }, "counter", help);
        total
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let labels = labels.iter().filter(|(_, value)| !value.is_empty());
        let labels: Vec<String> = labels.map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let _ = writeln!(self.text, "{name}{{{}}} {value}", labels.join(","));
    }
}

fn seconds(time: jiff::Timestamp) -> f64 {
    time.as_millisecond() as f64 / 1000.0
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Metric;

    fn known() -> BTreeMap<(String, String), Meter> {
        let metric = |name: &str, subject: Option<&str>, value| Metric {
            name: name.into(),
            subject: subject.map(Into::into),
            value,
            unit: Unit::Bytes,
            warn: None,
            crit: None,
        };
        let meter = Meter {
            last: Some(Last {
                finished: "2026-03-14T03:00:02.5Z".parse().unwrap(),
                outcome: Outcome::Warning,
                duration: 2.25,
                findings: [0, 1, 0],
                metrics: vec![
                    metric("size", Some("a \"b\"\\\nc"), 12.5),
                    metric("size", Some("a \"b\"\\\nc"), 1.0),
                    metric("total", None, 7.0),
                ],
            }),
            succeeded: Some("2026-03-14T03:00:02.5Z".parse().unwrap()),
            runs: BTreeMap::from([("warning".into(), 1)]),
            effects: BTreeMap::from([(("sql".into(), "observe"), 3)]),
        };
        BTreeMap::from([(("shop".into(), "vacuum".into()), meter), (("shop".into(), "new".into()), Meter::default())])
    }

    #[test]
    fn it_is_openmetrics() {
        let queue = Queue { bundle: "shop".into(), waiting: 2, recording: true, ..Queue::default() };
        let text = render(Form::OpenMetrics, &known(), &[queue]);
        for line in [
            "# TYPE taskhost_task_last_success_timestamp_seconds gauge",
            "taskhost_task_last_success_timestamp_seconds{bundle=\"shop\",task=\"vacuum\"} 1773457202.5",
            "taskhost_task_last_duration_seconds{bundle=\"shop\",task=\"vacuum\"} 2.25",
            "taskhost_task_last_outcome{bundle=\"shop\",task=\"vacuum\",outcome=\"warning\"} 1",
            "taskhost_task_last_outcome{bundle=\"shop\",task=\"vacuum\",outcome=\"ok\"} 0",
            "taskhost_task_findings{bundle=\"shop\",task=\"vacuum\",severity=\"warning\"} 1",
            "# TYPE taskhost_task_runs counter",
            "taskhost_task_runs_total{bundle=\"shop\",task=\"vacuum\",outcome=\"warning\"} 1",
            "taskhost_effects_total{bundle=\"shop\",task=\"vacuum\",capability=\"sql\",impact=\"observe\"} 3",
            "taskhost_metric{bundle=\"shop\",task=\"vacuum\",name=\"size\",subject=\"a \\\"b\\\"\\\\\\nc\",unit=\"bytes\"} 12.5",
            "taskhost_metric{bundle=\"shop\",task=\"vacuum\",name=\"total\",unit=\"bytes\"} 7",
            "taskhost_runs_waiting{bundle=\"shop\"} 2",
            "taskhost_history_writable{bundle=\"shop\"} 1",
        ] {
            assert!(text.lines().any(|known| known == line), "{line}\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
        let mut series: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.rsplit_once(' '))
            .map(|(name, _)| name)
            .collect();
        let all = series.len();
        series.sort_unstable();
        series.dedup();
        assert_eq!(series.len(), all, "a series comes twice");
    }

    #[test]
    fn a_textfile_names_its_counters_whole_and_has_no_end() {
        let text = render(Form::Prometheus, &known(), &[]);
        assert!(text.contains("# TYPE taskhost_task_runs_total counter\n"), "{text}");
        assert!(!text.contains("EOF") && !text.contains("taskhost_runs_waiting"), "{text}");
    }
}
