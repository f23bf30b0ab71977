//! A history in a file of its own, with the runs that a case says, written as the host's own runs are.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::Trouble;
use crate::cases::file::{Finding, History, PastRun};
use crate::gate::Mode;
use crate::history::{Keep, Recorder, Target};
use crate::report::{self, Metric, Outcome, Report, RunFacts, Severity, Unit};

/// How long each run took.
const TOOK: Duration = Duration::from_secs(1);

/// Makes one.
pub(super) async fn make(file: &Path, history: &History) -> Result<(), Trouble> {
    let keep = Keep { age: Duration::MAX, runs: u64::MAX };
    let recorder = Recorder::new(Target::File(file.to_owned()), None, "cases", keep);
    for run in &history.runs {
        recorder.keep(&mut report(run)?, None).await;
    }
    let lost = recorder.close().await;
    if lost.is_empty() { Ok(()) } else { Err(Trouble(lost.join("; "))) }
}

fn report(run: &PastRun) -> Result<Report, Trouble> {
    let started = Timestamp::now().checked_sub(Duration::from_secs(run.age.0))?;
    let outcome = run.outcome.unwrap_or(Outcome::Ok);
    let said = Some(run.summary.clone());
    let (summary, error) = if outcome.exit_code() < 3 { (said, None) } else { (None, said) };
    Ok(Report {
        run: RunFacts {
            id: Uuid::now_v7().to_string(),
            task: run.task.clone(),
            plugin: None,
            mode: Mode::Perform,
            outcome,
            started,
            finished: started.saturating_add(TOOK)?,
            duration_us: crate::gate::micros(TOOK),
        },
        summary,
        findings: run.findings.iter().map(finding).collect(),
        metrics: run.metrics.iter().map(|(name, value)| metric(name, *value)).collect(),
        next_actions: vec![],
        effects: vec![],
        notices: vec![],
        log: vec![],
        error,
    })
}

fn finding(written: &Finding) -> report::Finding {
    report::Finding {
        severity: written.severity.unwrap_or(Severity::Warning),
        subject: written.subject.clone().unwrap_or_default(),
        title: written.title.clone().unwrap_or_default(),
        detail: written.detail.clone().unwrap_or_default(),
        remedy: written.remedy.clone(),
    }
}

/// One by its name, or by `name(subject)`.
fn metric(written: &str, value: f64) -> Metric {
    let parts = written.strip_suffix(')').and_then(|written| written.split_once('('));
    let (name, subject) = parts.map_or((written, None), |(name, subject)| (name, Some(subject.to_owned())));
    Metric { name: name.into(), subject, value, unit: Unit::None, warn: None, crit: None }
}
