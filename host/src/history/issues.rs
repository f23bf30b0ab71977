//! Findings through time. A warning or critical finding is opened by the first run that has it, carried on by each that
//! has it again, and resolved by the first run of the same task that came to its end without it. A run that broke off
//! resolves nothing: what it did not come to is not mended. Pure.

use std::collections::BTreeMap;

use super::sql::{Value, values};
use crate::report::{Finding, Severity};

/// What tells one from another, within a task.
type Key<'a> = (&'a str, &'a str);

/// One that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Open {
    pub(super) id: String,
    pub(super) subject: String,
    pub(super) title: String,
}

/// What a run does to the open ones of its task.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Steps<'a> {
    pub(super) opened: Vec<&'a Finding>,
    pub(super) again: Vec<(&'a str, &'a Finding)>,
    /// Ids.
    pub(super) resolved: Vec<&'a str>,
}

/// Findings of one run past which it says too little of what it does not have: its report was cut.
const CUT: usize = 10_000;
/// Open ones of one task past which no more are opened: a plugin that never ends well would fill the disk.
const MOST_OPEN: usize = 20_000;

/// What a run with these findings does; `ended` is whether it came to its end.
pub(super) fn steps<'a>(open: &'a [Open], findings: &'a [Finding], ended: bool) -> Steps<'a> {
    let mut found: BTreeMap<Key<'a>, &Finding> = BTreeMap::new();
    for finding in findings.iter().filter(|finding| finding.severity != Severity::Ok) {
        let kept = found.entry((&finding.subject, &finding.title)).or_insert(finding);
        if finding.severity > kept.severity {
            *kept = finding;
        }
    }
    let mut steps = Steps::default();
    let resolves = ended && findings.len() < CUT;
    for issue in open {
        match found.remove(&(issue.subject.as_str(), issue.title.as_str())) {
            Some(finding) => steps.again.push((&issue.id, finding)),
            None if resolves => steps.resolved.push(&issue.id),
            None => {}
        }
    }
    let room = MOST_OPEN.saturating_sub(open.len());
    // In the order in which the run had them.
    let kept = |finding: &&Finding| {
        let key = (finding.subject.as_str(), finding.title.as_str());
        found.get(&key).is_some_and(|kept| std::ptr::eq(*kept, *finding))
    };
    steps.opened = findings.iter().filter(kept).take(room).collect();
    steps
}

/// One that a run resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Closed {
    pub(super) id: String,
    pub(super) subject: String,
    pub(super) title: String,
    pub(super) severity: String,
    pub(super) first_seen: i64,
    pub(super) first_run: String,
    pub(super) last_seen: i64,
    pub(super) runs: i64,
    pub(super) resolved: i64,
}

impl Closed {
    /// As it is digested.
    pub(super) fn values(&self) -> Vec<Value<'_>> {
        let Self { id, subject, title, severity, first_seen, first_run, last_seen, runs, resolved } = self;
        values![id, subject, title, severity, *first_seen, first_run, *last_seen, *runs, *resolved].into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(severity: Severity, subject: &str) -> Finding {
        Finding { severity, subject: subject.into(), title: "full".into(), detail: String::new(), remedy: None }
    }

    fn open(subjects: &[&str]) -> Vec<Open> {
        let open =
            |subject: &&str| Open { id: format!("#{subject}"), subject: (*subject).into(), title: "full".into() };
        subjects.iter().map(open).collect()
    }

    /// `+` opened, `=` again, `-` resolved.
    fn told(before: &[&str], findings: &[(Severity, &str)], ended: bool) -> String {
        let findings: Vec<Finding> = findings.iter().map(|(severity, subject)| finding(*severity, subject)).collect();
        let before = open(before);
        let steps = steps(&before, &findings, ended);
        let opened = steps.opened.iter().map(|finding| format!("+{}", finding.subject));
        let again = steps.again.iter().map(|(id, _)| format!("={id}"));
        let resolved = steps.resolved.iter().map(|id| format!("-{id}"));
        opened.chain(again).chain(resolved).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_finding_is_opened_carried_on_and_resolved() {
        use Severity::{Critical, Ok, Warning};
        for (before, findings, ended, expected) in [
            (&[][..], &[(Warning, "a")][..], true, "+a"),
            (&[], &[(Ok, "a")], true, ""),
            (&["a"], &[(Critical, "a")], true, "=#a"),
            (&["a"], &[(Ok, "a")], true, "-#a"),
            (&["a", "b"], &[(Warning, "b"), (Warning, "c")], true, "+c =#b -#a"),
            (&["a"], &[(Warning, "b")], false, "+b"),
            (&["a"], &[], false, ""),
            (&[], &[(Warning, "b"), (Warning, "a"), (Warning, "b")], true, "+b +a"),
        ] {
            assert_eq!(told(before, findings, ended), expected, "{before:?} {findings:?} {ended}");
        }
    }

    #[test]
    fn of_two_that_are_the_same_the_worse_is_kept() {
        let findings = [finding(Severity::Warning, "a"), finding(Severity::Critical, "a")];
        assert_eq!(steps(&[], &findings, true).opened, [&findings[1]]);
    }

    #[test]
    fn a_report_that_was_cut_resolves_nothing_and_a_flood_opens_no_more_than_it_may() {
        let many: Vec<Finding> = (0..CUT).map(|index| finding(Severity::Warning, &index.to_string())).collect();
        let before = open(&["gone"]);
        let told = steps(&before, &many, true);
        assert_eq!((told.opened.len(), told.resolved.len()), (CUT, 0));
        let names: Vec<String> = (0..MOST_OPEN - 1).map(|index| format!("old {index}")).collect();
        let before = open(&names.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(steps(&before, &many, false).opened.len(), 1);
    }
}
