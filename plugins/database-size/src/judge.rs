//! What a size means, from what it was before. Pure.

use taskhost_sdk::report::Finding;
use taskhost_sdk::state::Trend;
use taskhost_sdk::words::size;

/// One size through time.
pub(crate) struct History {
    /// Bytes.
    pub(crate) now: f64,
    /// At the last run.
    pub(crate) before: Option<f64>,
    /// Over all that is remembered.
    pub(crate) trend: Option<Trend>,
}

/// From where something is said.
pub(crate) struct Limits {
    pub(crate) full: Option<f64>,
    pub(crate) warn_days: f64,
    pub(crate) critical_days: f64,
    pub(crate) jump_percent: f64,
    pub(crate) floor: f64,
}

/// What is said of the whole database.
pub(crate) struct Verdict {
    pub(crate) findings: Vec<Finding>,
    /// Behind the size, in one line.
    pub(crate) summary: String,
}

/// The whole database: its limit, when it is reached, and a jump.
pub(crate) fn whole(name: &str, history: &History, limits: &Limits) -> Verdict {
    let mut findings: Vec<Finding> = jump(name, history, limits).into_iter().collect();
    let mut summary = match history.before {
        None => String::new(),
        Some(before) => format!(", {} since the last run", change(history.now - before)),
    };
    let Some(full) = limits.full else { return Verdict { findings, summary } };
    if history.now >= full {
        let detail = format!("{} of {}", bytes(history.now), bytes(full));
        findings.push(Finding::critical(name, "the limit is reached").detail(detail).remedy(ROOM));
        return Verdict { findings, summary };
    }
    let Some((trend, days)) = history.trend.and_then(|trend| Some((trend, trend.days_until(full)?))) else {
        return Verdict { findings, summary };
    };
    summary += &format!(", {} in {}", bytes(full), in_days(days));
    let finding = if days <= limits.critical_days {
        Finding::critical
    } else if days <= limits.warn_days {
        Finding::warning
    } else {
        return Verdict { findings, summary };
    };
    let detail = format!(
        "{} of {}, growing by {} a day over the last {}: full in {}",
        bytes(history.now),
        bytes(full),
        bytes(trend.per_day),
        in_days(trend.days),
        in_days(days)
    );
    findings.push(finding(name, "it will reach its limit").detail(detail).remedy(ROOM));
    Verdict { findings, summary }
}

const ROOM: &str = "make room (row-retention, vacuum), or give it a larger disk";

/// Growth since the last run that is more than usual.
pub(crate) fn jump(name: &str, history: &History, limits: &Limits) -> Option<Finding> {
    let before = history.before?;
    let grown = history.now - before;
    if grown < limits.floor || grown <= before * limits.jump_percent / 100.0 {
        return None;
    }
    let detail = format!("{} at the last run, {} now: {}", bytes(before), bytes(history.now), change(grown));
    Some(Finding::warning(name, "it grew more than usual").detail(detail))
}

fn change(grown: f64) -> String {
    if grown < 0.0 { format!("{} less", bytes(-grown)) } else { format!("{} more", bytes(grown)) }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast saturates; shown only")]
fn bytes(number: f64) -> String {
    size(number as u64)
}

fn in_days(days: f64) -> String {
    match days {
        days if days < 1.0 => "less than a day".into(),
        days if days < 730.0 => format!("{days:.0} days"),
        days => format!("{:.0} years", days / 365.25),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use taskhost_sdk::report::Severity;

    const MIB: f64 = 1_048_576.0;

    fn limits(full: Option<f64>) -> Limits {
        Limits { full, warn_days: 30.0, critical_days: 7.0, jump_percent: 50.0, floor: 10.0 * MIB }
    }

    fn history(now: f64, before: Option<f64>, per_day: Option<f64>) -> History {
        History { now, before, trend: per_day.map(|per_day| Trend { per_day, now, days: 20.0 }) }
    }

    #[test]
    fn a_limit_is_judged_by_when_it_is_reached() {
        for (now, per_day, expected) in [
            (100.0, Some(1.0), None),
            (100.0, Some(5.0), Some(Severity::Warning)),
            (100.0, Some(20.0), Some(Severity::Critical)),
            (100.0, Some(-5.0), None),
            (100.0, None, None),
            (200.0, None, Some(Severity::Critical)),
        ] {
            let history = history(now * MIB, None, per_day.map(|per_day| per_day * MIB));
            let verdict = whole("shop", &history, &limits(Some(200.0 * MIB)));
            assert_eq!(verdict.findings.first().map(Finding::severity), expected, "{now} {per_day:?}");
        }
        assert!(whole("shop", &history(1e18, None, Some(1e18)), &limits(None)).findings.is_empty());
    }

    #[test]
    fn a_jump_is_large_in_bytes_and_in_per_cent() {
        for (before, now, expected) in [
            (None, 900.0, false),
            (Some(100.0), 151.0, true),
            (Some(100.0), 150.0, false),
            (Some(4.0), 13.0, false),
            (Some(100.0), 20.0, false),
        ] {
            let history = history(now * MIB, before.map(|before: f64| before * MIB), None);
            assert_eq!(jump("shop", &history, &limits(None)).is_some(), expected, "{before:?} {now}");
        }
    }

    #[test]
    fn the_summary_says_what_changed_and_when_it_is_full() {
        let verdict =
            whole("shop", &history(100.0 * MIB, Some(90.0 * MIB), Some(2.0 * MIB)), &limits(Some(200.0 * MIB)));
        assert_eq!(verdict.summary, ", 10 MiB more since the last run, 200 MiB in 50 days");
        let verdict = whole("shop", &history(80.0 * MIB, Some(90.0 * MIB), None), &limits(None));
        assert_eq!(verdict.summary, ", 10 MiB less since the last run");
    }
}
