//! A report as a monitoring plugin prints it: one line, performance data after `|`, then the findings.
//! <https://www.monitoring-plugins.org/doc/guidelines.html>

use std::fmt::Write as _;

use super::{Bounds, Metric, Outcome, Report, Severity, Unit};

/// The report as monitoring plugins print it.
pub fn render(report: &Report) -> String {
    let state = state(report.run.outcome);
    let said = report.summary.as_deref().or(report.error.as_deref()).unwrap_or_default();
    let why =
        if report.run.outcome.exit_code() == 3 { format!("{}: ", report.run.outcome.name()) } else { String::new() };
    let mut out = format!("{} {state} - {why}{}", report.run.task.to_uppercase(), plain(said));
    if !report.metrics.is_empty() {
        let data: Vec<String> = report.metrics.iter().map(performance).collect();
        let _ = write!(out, " | {}", data.join(" "));
    }
    out.push('\n');
    for finding in report.worst_first() {
        let severity = match finding.severity {
            Severity::Ok => "OK",
            Severity::Warning => "WARNING",
            Severity::Critical => "CRITICAL",
        };
        let detail = if finding.detail.is_empty() { String::new() } else { format!(" - {}", plain(&finding.detail)) };
        let _ = writeln!(out, "{severity}: {}: {}{detail}", plain(&finding.subject), plain(&finding.title));
    }
    for notice in &report.notices {
        let _ = writeln!(out, "NOTE: {}", plain(notice));
    }
    out
}

/// The word for an exit code.
pub(super) fn state(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "OK",
        Outcome::Warning => "WARNING",
        Outcome::Critical => "CRITICAL",
        _ => "UNKNOWN",
    }
}

/// Text in which nothing begins the performance data or another line.
fn plain(text: &str) -> String {
    text.replace('|', "¦").replace(['\n', '\r'], " ").trim_end().to_owned()
}

/// `'label'=value[unit];warn;crit`.
fn performance(metric: &Metric) -> String {
    let subject = metric.subject.as_ref().map(|subject| format!(" {subject}")).unwrap_or_default();
    let label = format!("{}{}", metric.name, plain(&subject)).replace('=', "_").replace('\'', "''");
    let unit = match metric.unit {
        Unit::None | Unit::Days => "",
        Unit::Seconds => "s",
        Unit::Bytes => "B",
        Unit::Percent => "%",
        Unit::Total => "c",
    };
    let (warn, crit) = (range(metric.warn), range(metric.crit));
    let data = format!("'{label}'={}{unit};{warn};{crit}", metric.value);
    data.trim_end_matches(';').to_owned()
}

/// The range that is in order: `low:high`, `low:`, `high`, with `~` for no lower end.
fn range(bounds: Option<Bounds>) -> String {
    match bounds.map(|bounds| (bounds.low, bounds.high)) {
        None | Some((None, None)) => String::new(),
        Some((Some(low), None)) => format!("{low}:"),
        Some((None, Some(high))) => format!("~:{high}"),
        Some((Some(low), Some(high))) => format!("{low}:{high}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::Mode;
    use crate::report::Finding;

    fn metric(subject: Option<&str>) -> Metric {
        Metric {
            name: "days_left".into(),
            subject: subject.map(Into::into),
            value: 12.0,
            unit: Unit::Days,
            warn: Some(Bounds { low: Some(30.0), high: None }),
            crit: Some(Bounds { low: None, high: Some(7.5) }),
        }
    }

    #[test]
    fn performance_data_follows_the_guidelines() {
        for (metric, data) in [
            (metric(None), "'days_left'=12;30:;~:7.5"),
            (metric(Some("a b")), "'days_left a b'=12;30:;~:7.5"),
            (Metric { warn: None, crit: None, unit: Unit::Bytes, ..metric(None) }, "'days_left'=12B"),
        ] {
            assert_eq!(performance(&metric), data);
        }
    }

    #[test]
    fn a_name_cannot_forge_another_metric_or_line() {
        let forged = metric(Some("x'=1 'up'=0\n| 'y'=2"));
        assert_eq!(performance(&forged), "'days_left x''_1 ''up''_0 ¦ ''y''_2'=12;30:;~:7.5");
        let mut report = Report::not_begun("t", Mode::Perform, Outcome::Failed, "a|b\nOK: c");
        report.findings.push(Finding {
            severity: Severity::Ok,
            subject: "s|".into(),
            title: "t".into(),
            detail: "d\nCRITICAL: x".into(),
            remedy: None,
        });
        assert_eq!(render(&report), "T UNKNOWN - failed: a¦b OK: c\nOK: s¦: t - d CRITICAL: x\n");
    }
}
