//! The report before it is written in one form or another. Pure.

use taskhost_sdk::history::{Change, Finding, NextAction, Severity, Tick};
use taskhost_sdk::words::{counted, size, some_of};

use crate::figures::Figure;
use crate::period::Time;
use crate::runs::{End, Ran};

/// Issues, actions and the like that are listed; what is more is counted.
pub(crate) const LISTED: usize = 200;

/// All that is told.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) title: String,
    pub(crate) maintainer: String,
    pub(crate) time: Time,
    pub(crate) ran: Ran,
    pub(crate) ticks: Vec<Tick>,
    pub(crate) open: Vec<Finding>,
    pub(crate) resolved: Vec<Finding>,
    pub(crate) figures: Vec<Figure>,
    pub(crate) next: Vec<NextAction>,
    pub(crate) changes: Vec<Change>,
}

impl Page {
    /// Puts what was found in order: the worst first, and of the same the one that stands for longest.
    pub(crate) fn sort(&mut self) {
        let rank = |finding: &Finding| {
            let severity = match finding.severity {
                Severity::Critical => 0,
                Severity::Warning => 1,
                Severity::Ok => 2,
            };
            (severity, finding.first_seen, finding.task.clone(), finding.subject.clone(), finding.title.clone())
        };
        self.open.sort_by_key(rank);
        self.resolved.sort_by_key(rank);
        self.changes.sort_by(|one, other| {
            (&one.task, &one.capability, &one.slot, &one.operation).cmp(&(
                &other.task,
                &other.capability,
                &other.slot,
                &other.operation,
            ))
        });
    }

    /// Effects that changed or destroyed something.
    pub(crate) fn effects(&self) -> u64 {
        self.changes.iter().fold(0, |sum, change| sum.saturating_add(change.effects))
    }

    /// `37 runs of 12 tasks: 30 ok, 5 with warnings, 2 critical; 2 issues open, 3 resolved; 14 changes`.
    pub(crate) fn totals(&self) -> String {
        let ends: Vec<String> = End::ALL
            .iter()
            .filter(|end| self.ran.ends.of(**end) > 0)
            .map(|end| format!("{} {}", self.ran.ends.of(*end), end.name()))
            .collect();
        let ends = if ends.is_empty() { String::new() } else { format!(": {}", ends.join(", ")) };
        format!(
            "{} of {}{ends}; {} open, {} resolved; {}",
            counted(self.ran.ends.all(), "run"),
            counted(self.ran.tasks.len(), "task"),
            counted(self.open.len(), "issue"),
            self.resolved.len(),
            counted(self.effects(), "change"),
        )
    }

    /// What else there is to say.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for task in &self.ran.tasks {
            let (broken, all) = (task.ends.of(End::Unknown), task.ends.all());
            if broken > 0 && all > 1 {
                notes.push(format!("{} ran {all} times, of which {broken} did not come to an end.", task.name));
            }
        }
        if self.ran.rehearsals > 0 {
            notes.push(format!(
                "{} left out of all this, as nothing was changed.",
                counted(self.ran.rehearsals, "rehearsal")
            ));
        }
        let operators: Vec<&str> = self.ran.operators.iter().map(String::as_str).collect();
        if operators.iter().any(|operator| *operator != self.maintainer) {
            notes.push(format!("Run by {}.", some_of(&operators, 8)));
        }
        notes
    }
}

/// `on directory, 12 x, 40 rows, 34 MiB`.
pub(crate) fn amount(change: &Change) -> String {
    let mut text = format!("on {}, {} x", change.slot, change.effects);
    if change.rows > 0 {
        text += &format!(", {}", counted(change.rows, "row"));
    }
    if change.bytes > 0 {
        text += &format!(", {}", size(change.bytes));
    }
    text
}

/// How bad a finding is, in words.
pub(crate) fn severity(finding: &Finding) -> &'static str {
    match finding.severity {
        Severity::Critical => "critical",
        Severity::Warning => "warning",
        Severity::Ok => "ok",
    }
}

/// Microseconds for people.
#[expect(clippy::cast_precision_loss, reason = "some decimals are shown")]
pub(crate) fn took(microseconds: u64) -> String {
    taskhost_sdk::words::took(microseconds as f64 / 1e6)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::figures::tests::{samples, series};
    use crate::figures::{self};
    use crate::period::{DAY, Period};
    use crate::runs::tests::run;

    /// 2026-03-14, noon.
    pub(crate) const NOW: u64 = 1_773_489_600;
    /// What a stranger may have a plugin say.
    pub(crate) const HOSTILE: &str =
        "</li><script>alert(1)</script> `code` | **b** [x](y) \"on' &amp; \u{202e}\u{1b}\n# h";

    pub(crate) fn finding(severity: Severity, subject: &str, resolved: Option<u64>) -> Finding {
        Finding {
            task: "size".into(),
            severity,
            subject: subject.into(),
            title: "it grew".into(),
            detail: "9 GiB".into(),
            remedy: Some("look".into()),
            first_seen: NOW - 3 * DAY,
            last_seen: NOW - DAY,
            runs: 2,
            resolved,
            resolved_run: resolved.map(|_| "r1".into()),
        }
    }

    /// A week in which something of everything happened, and texts that are `hostile`.
    pub(crate) fn week(hostile: &str) -> Page {
        let time = Time::new(Period::Weekly, None, NOW);
        let mut ran = Ran::new(&time);
        for (days, outcome) in [(3, "ok"), (2, "timed-out"), (1, "warning")] {
            ran.add(run("size", NOW - days * DAY, outcome), &time);
        }
        let mut last = run("clean", NOW - 100, "ok");
        last.summary = hostile.into();
        ran.add(last, &time);
        let disk = series("size", "disk", Some(hostile), "percent", 0.0);
        let figure = figures::figure(Some("Disk"), &disk, &samples(&[40.0, 50.0, 60.0]), 101);
        let mut page = Page {
            title: hostile.into(),
            maintainer: "ops".into(),
            time,
            ran,
            ticks: vec![Tick {
                title: hostile.into(),
                kind: "quarterly".into(),
                period: "2026-Q1".into(),
                at: NOW,
                by: "Ann".into(),
                note: Some(hostile.into()),
            }],
            open: vec![finding(Severity::Warning, hostile, None), finding(Severity::Critical, "orders", None)],
            resolved: vec![finding(Severity::Warning, "old", Some(NOW - DAY))],
            figures: figure.into_iter().collect(),
            next: vec![NextAction { task: "size".into(), action: hostile.into(), subject: Some("x".into()), at: NOW }],
            changes: vec![Change {
                task: "clean".into(),
                capability: "files".into(),
                slot: hostile.into(),
                operation: "remove".into(),
                effects: 3,
                rows: 1,
                bytes: 2048,
                runs: 1,
            }],
        };
        page.sort();
        page
    }

    #[test]
    fn the_worst_stands_first_and_all_is_added_up() {
        let page = week("x");
        assert_eq!(page.open[0].subject, "orders");
        assert_eq!(
            page.totals(),
            "4 runs of 2 tasks: 2 ok, 1 with warnings, 1 did not end well; 2 issues open, 1 resolved; 3 changes"
        );
        assert_eq!(page.notes(), ["size ran 3 times, of which 1 did not come to an end.", "Run by alice."]);
        assert_eq!(amount(&page.changes[0]), "on x, 3 x, 1 row, 2 KiB");
        assert_eq!(took(1_500_000), "1.5 s");
    }
}
