//! Rules and the alerts that they raise.

use taskhost_sdk::report::{Finding, Severity};
use taskhost_sdk::words::counted;

use super::{beginning, shown, span};
use crate::api::{Alert, Group, Rule};

/// What an operator allows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Limits {
    /// Seconds since 1970.
    pub(crate) now: f64,
    /// Alerts that are not looked at.
    pub(crate) ignored: Vec<String>,
    /// The alert that must fire, where there is a rule of that name.
    pub(crate) watchdog: String,
    /// How many Alertmanagers there are.
    pub(crate) alertmanagers: usize,
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) rules: usize,
    pub(crate) failing: usize,
    pub(crate) firing: usize,
    pub(crate) pending: usize,
}

/// Alerts of one rule that are shown.
const SHOWN: usize = 5;

/// Judges all groups.
pub(crate) fn judge(groups: &[Group], limits: &Limits) -> (Counts, Vec<Finding>) {
    let (mut counts, mut findings) = (Counts::default(), Vec::new());
    let mut alerting = false;
    for group in groups {
        findings.extend(lag(group, limits));
        for rule in &group.rules {
            counts.rules += 1;
            if rule.health == "err" {
                counts.failing += 1;
                findings.push(
                    Finding::warning(&rule.name, "rule fails")
                        .detail(format!("in group {}: {}", group.name, beginning(&rule.last_error)))
                        .remedy("mend its expression; `promtool check rules` finds what is malformed"),
                );
            }
            if rule.kind != "alerting" {
                continue;
            }
            alerting = true;
            let firing: Vec<&Alert> = rule.alerts.iter().filter(|alert| alert.state == "firing").collect();
            if rule.name == limits.watchdog {
                if firing.is_empty() {
                    findings.push(
                        Finding::critical(&rule.name, "watchdog does not fire")
                            .detail(format!("it is {}, and must always fire", rule.state)),
                    );
                }
                continue;
            }
            if limits.ignored.contains(&rule.name) {
                continue;
            }
            counts.firing += firing.len();
            counts.pending += rule.alerts.iter().filter(|alert| alert.state == "pending").count();
            findings.extend(fires(rule, &firing, limits));
        }
    }
    if alerting && limits.alertmanagers == 0 {
        findings.push(
            Finding::warning("alerts", "alerts go nowhere")
                .detail("there are alerting rules, and no Alertmanager is known")
                .remedy("name one under `alerting` in the configuration"),
        );
    }
    (counts, findings)
}

fn fires(rule: &Rule, firing: &[&Alert], limits: &Limits) -> Option<Finding> {
    let first = firing.iter().map(|alert| alert.active_at.0).min_by(f64::total_cmp)?;
    // The worst of its alerts, which may set the label each for itself.
    let words = firing.iter().map(|alert| alert.labels.get("severity").or(rule.labels.get("severity")));
    let severities: Vec<Severity> = words.map(|word| severity(word.map_or("", String::as_str))).collect();
    let worst = [Severity::Critical, Severity::Warning].into_iter().find(|severity| severities.contains(severity));
    let lines = firing.iter().take(SHOWN).map(|alert| {
        let labels = shown(&alert.labels, &["alertname", "severity"]);
        let said = ["summary", "description", "message"].iter().find_map(|name| alert.annotations.get(*name));
        match said {
            Some(said) if labels.is_empty() => beginning(said),
            Some(said) => format!("{} ({labels})", beginning(said)),
            None => labels,
        }
    });
    let lines = lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ");
    let more = if firing.len() > SHOWN { ", ..." } else { "" };
    let separator = if lines.is_empty() { "" } else { ": " };
    let detail = format!(
        "{}, the first for {}{separator}{lines}{more}",
        counted(firing.len(), "alert"),
        span(limits.now - first)
    );
    Some(Finding::new(worst.unwrap_or(Severity::Ok), &rule.name, "alert fires").detail(detail))
}

/// How bad a rule says that its alert is.
fn severity(word: &str) -> Severity {
    match word.to_ascii_lowercase().as_str() {
        "critical" | "page" | "error" | "high" | "emergency" | "disaster" => Severity::Critical,
        "info" | "none" | "ok" | "debug" => Severity::Ok,
        _ => Severity::Warning,
    }
}

/// A group that takes longer than its interval, or is not evaluated at all.
fn lag(group: &Group, limits: &Limits) -> Option<Finding> {
    let (interval, last) = (group.interval, group.last_evaluation.0);
    if interval <= 0.0 || last == 0.0 {
        return None;
    }
    let ago = limits.now - last;
    if ago > 5.0 * interval + 10.0 {
        return Some(Finding::critical(&group.name, "rules are not evaluated").detail(format!(
            "the last time was {} ago, and it is due every {}",
            span(ago),
            span(interval)
        )));
    }
    (group.evaluation_time > interval).then(|| {
        Finding::warning(&group.name, "rules are slower than their interval")
            .detail(format!("{:.1} s, and due every {}", group.evaluation_time, span(interval)))
            .remedy("split the group, record what its rules share, or raise its interval")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Moment;

    const NOW: f64 = 1_800_000_000.0;

    fn limits() -> Limits {
        Limits { now: NOW, ignored: vec!["Quiet".into()], watchdog: "Watchdog".into(), alertmanagers: 1 }
    }

    fn group(rules: Vec<Rule>) -> Group {
        Group { name: "g".into(), interval: 15.0, evaluation_time: 0.1, last_evaluation: Moment(NOW - 5.0), rules }
    }

    fn rule(name: &str, severity: &str, states: &[&str]) -> Rule {
        let labels = |of: &[(&str, &str)]| of.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let alert = |state: &&str| Alert {
            labels: labels(&[("alertname", name), ("instance", "db"), ("severity", severity)]),
            annotations: labels(&[("summary", "db is down")]),
            state: (*state).into(),
            active_at: Moment(NOW - 3_600.0),
        };
        Rule {
            name: name.into(),
            kind: "alerting".into(),
            state: states.last().copied().unwrap_or("inactive").into(),
            health: "ok".into(),
            alerts: states.iter().map(alert).collect(),
            ..Rule::default()
        }
    }

    fn said(groups: &[Group], limits: &Limits) -> Vec<String> {
        let line = |finding: &Finding| {
            format!("{:?} {} {}: {}", finding.severity(), finding.subject(), finding.title(), finding.text())
        };
        judge(groups, limits).1.iter().map(|finding| line(finding).replace("Severity::", "")).collect()
    }

    #[test]
    fn alerts_are_as_bad_as_their_rules_say() {
        for (rule, expected) in [
            (
                rule("Down", "critical", &["firing"]),
                vec!["Critical Down alert fires: 1 alert, the first for 1 h: db is down (instance=db)"],
            ),
            (
                rule("Down", "page", &["firing"]),
                vec!["Critical Down alert fires: 1 alert, the first for 1 h: db is down (instance=db)"],
            ),
            (
                rule("Down", "warning", &["firing"]),
                vec!["Warning Down alert fires: 1 alert, the first for 1 h: db is down (instance=db)"],
            ),
            (
                rule("Down", "", &["firing"]),
                vec!["Warning Down alert fires: 1 alert, the first for 1 h: db is down (instance=db)"],
            ),
            (
                rule("Down", "info", &["firing"]),
                vec!["Ok Down alert fires: 1 alert, the first for 1 h: db is down (instance=db)"],
            ),
            (rule("Down", "critical", &["pending"]), vec![]),
            (rule("Down", "critical", &[]), vec![]),
            (rule("Quiet", "critical", &["firing"]), vec![]),
            (rule("Watchdog", "none", &["firing"]), vec![]),
            (
                rule("Watchdog", "none", &[]),
                vec!["Critical Watchdog watchdog does not fire: it is inactive, and must always fire"],
            ),
        ] {
            assert_eq!(said(&[group(vec![rule])], &limits()), expected);
        }
        let many = rule("Down", "critical", &["firing"; 7]);
        assert!(said(&[group(vec![many])], &limits())[0].ends_with(", ..."));
    }

    #[test]
    fn rules_that_fail_or_lag_are_named() {
        let failing = Rule {
            name: "r".into(),
            kind: "recording".into(),
            health: "err".into(),
            last_error: "many-to-many".into(),
            ..Rule::default()
        };
        for (group, expected) in [
            (
                group(vec![failing]),
                vec![
                    "Warning r rule fails: in group g: many-to-many; mend its expression; `promtool check rules` finds what is malformed",
                ],
            ),
            (Group { evaluation_time: 14.0, ..group(vec![]) }, vec![]),
            (
                Group { evaluation_time: 20.0, ..group(vec![]) },
                vec![
                    "Warning g rules are slower than their interval: 20.0 s, and due every 15 s; split the group, record what its rules share, or raise its interval",
                ],
            ),
            (
                Group { last_evaluation: Moment(NOW - 300.0), ..group(vec![]) },
                vec!["Critical g rules are not evaluated: the last time was 5 min ago, and it is due every 15 s"],
            ),
            (Group { last_evaluation: Moment(0.0), ..group(vec![]) }, vec![]),
        ] {
            assert_eq!(said(&[group], &limits()), expected);
        }
    }

    #[test]
    fn alerts_that_nobody_gets_are_named_once() {
        let alone = Limits { alertmanagers: 0, ..limits() };
        let groups = [group(vec![rule("Down", "x", &[])]), group(vec![rule("Up", "x", &[])])];
        assert_eq!(
            said(&groups, &alone),
            [
                "Warning alerts alerts go nowhere: there are alerting rules, and no Alertmanager is known; name one under `alerting` in the configuration"
            ]
        );
        assert!(said(&[group(vec![])], &alone).is_empty());
        let counts =
            judge(&[group(vec![rule("A", "x", &["firing", "pending"]), rule("B", "x", &["firing"])])], &alone).0;
        assert_eq!(counts, Counts { rules: 2, failing: 0, firing: 2, pending: 1 });
    }
}
