//! What the tries of a URL say of it. Pure: figures in, findings and metrics out.

use taskhost_sdk::report::{Finding, Metric, Severity, Unit};
use taskhost_sdk::words::{counted, span};

use crate::expect::Statuses;

/// Seconds of a day.
const DAY: i64 = 86_400;

/// One try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Try {
    Answered(Answer),
    /// There was no answer: the kind, and why.
    Missed(&'static str, String),
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// With its phrase.
    pub(crate) status_line: String,
    /// Where a redirect leads.
    pub(crate) location: Option<String>,
    /// What is wrong with its content.
    pub(crate) wrong: Option<String>,
    /// Microseconds of each part.
    pub(crate) resolve: u64,
    pub(crate) connect: u64,
    pub(crate) tls: u64,
    pub(crate) wait: u64,
    pub(crate) body: u64,
    /// Of all, with redirects before.
    pub(crate) total: u64,
    /// When its certificate expires, in seconds since 1970.
    pub(crate) not_after: Option<i64>,
}

/// What an operator allows.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) statuses: Statuses,
    pub(crate) percentile: u32,
    pub(crate) warn_ms: f64,
    pub(crate) critical_ms: f64,
    pub(crate) warn_days: i64,
    pub(crate) critical_days: i64,
    /// Seconds since 1970.
    pub(crate) now: i64,
}

/// What is said of a URL.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) findings: Vec<Finding>,
    pub(crate) metrics: Vec<Metric>,
    /// Whether any try went well.
    pub(crate) up: bool,
}

/// Judges the tries of `url`.
pub(crate) fn judge(url: &str, tries: &[Try], limits: &Limits) -> Verdict {
    let mut verdict = Verdict::default();
    let mut good: Vec<&Answer> = Vec::new();
    let mut bad = Vec::new();
    for one in tries {
        match fault(one, limits) {
            Ok(answer) => good.push(answer),
            Err(fault) => bad.push(fault),
        }
    }
    verdict.up = !good.is_empty();
    verdict.metrics.push(
        Metric::new("endpoint_success_percent", percent(good.len(), tries.len()))
            .subject(url)
            .unit(Unit::Percent)
            .warn_below(100.0)
            .crit_below(50.0),
    );
    verdict.findings.extend(failures(url, &bad, tries.len()));
    good.sort_by_key(|answer| answer.total);
    if let (Some(slowest), Some(median), Some(fastest)) =
        (at(&good, limits.percentile), at(&good, 50), good.first().copied())
    {
        let metric =
            |name: &str, microseconds| Metric::new(name, seconds(microseconds)).subject(url).unit(Unit::Seconds);
        verdict.metrics.push(
            metric("endpoint_latency_seconds", slowest.total)
                .warn_above(limits.warn_ms / 1000.0)
                .crit_above(limits.critical_ms / 1000.0),
        );
        verdict.metrics.push(metric("endpoint_median_seconds", median.total));
        verdict.metrics.push(metric("endpoint_server_seconds", median.wait));
        verdict.findings.extend(slow(url, slowest, median, fastest, good.len(), limits));
    }
    // The one that expires first: behind a balancer, servers may differ.
    let answers = tries.iter().filter_map(|one| match one {
        Try::Answered(answer) => answer.not_after,
        Try::Missed(..) => None,
    });
    if let Some(not_after) = answers.min() {
        let left = not_after.saturating_sub(limits.now);
        verdict.metrics.push(
            Metric::new("endpoint_certificate_days_left", days(left))
                .subject(url)
                .unit(Unit::Days)
                .warn_below(figure(limits.warn_days))
                .crit_below(figure(limits.critical_days)),
        );
        verdict.findings.extend(expiry(url, left, limits));
    }
    verdict
}

/// What is wrong with one try: its kind, and what was seen.
fn fault<'a>(one: &'a Try, limits: &Limits) -> Result<&'a Answer, (&'static str, String)> {
    let answer = match one {
        Try::Answered(answer) => answer,
        Try::Missed(kind, reason) => return Err((kind, reason.clone())),
    };
    if !limits.statuses.hold(answer.status) {
        let (line, expected) = (&answer.status_line, &limits.statuses);
        if let Some(to) = answer.location.as_ref().filter(|_| (300..400).contains(&answer.status)) {
            return Err(("redirects", format!("it answered {line}, to {to}; expected {expected}")));
        }
        return Err(("wrong status", format!("it answered {line}; expected {expected}")));
    }
    match &answer.wrong {
        Some(wrong) => Err(("wrong content", wrong.clone())),
        None => Ok(answer),
    }
}

/// One finding for all that failed: of its kind when nothing went well, else that it fails at times.
fn failures(url: &str, bad: &[(&'static str, String)], tries: usize) -> Option<Finding> {
    let (kind, reason) = bad.last()?;
    if bad.len() == tries {
        let same = bad.iter().filter(|(other, _)| other == kind).count();
        let detail = match (tries, same == tries) {
            (1, _) => reason.clone(),
            (_, true) => format!("{reason} (all {tries} tries)"),
            (_, false) => format!("none of {tries} tries went well; at last: {reason}"),
        };
        let finding = Finding::critical(url, *kind).detail(detail);
        return Some(match *kind {
            "redirects" => finding.remedy("ask where it leads, follow it with follow=true, or expect it"),
            _ => finding,
        });
    }
    let severity = if bad.len() * 2 >= tries { Severity::Critical } else { Severity::Warning };
    let detail = format!(
        "{} of {} failed, at last: {kind}: {reason}",
        bad.len(),
        counted(tries, "try").replace("trys", "tries")
    );
    Some(Finding::new(severity, url, "fails at times").detail(detail))
}

fn slow(
    url: &str,
    slowest: &Answer,
    median: &Answer,
    fastest: &Answer,
    count: usize,
    limits: &Limits,
) -> Option<Finding> {
    let took = milliseconds(slowest.total);
    let (severity, limit) = if took > limits.critical_ms {
        (Severity::Critical, limits.critical_ms)
    } else if took > limits.warn_ms {
        (Severity::Warning, limits.warn_ms)
    } else {
        return None;
    };
    let parts = [
        (slowest.resolve, "resolving the name"),
        (slowest.connect, "connecting"),
        (slowest.tls, "the TLS handshake"),
        (slowest.wait, "waiting for the server"),
        (slowest.body, "reading the body"),
    ];
    let known: u64 = parts.iter().map(|(part, _)| part).sum();
    let before = slowest.total.saturating_sub(known);
    let all = parts.iter().copied().chain([(before, "redirects before")]);
    let most = all.max_by_key(|(part, _)| *part).map(|(part, what)| format!("; {what} took {}", ms(part)));
    let of = if count == 1 {
        format!("it took {}, more than {limit} ms", ms(slowest.total))
    } else {
        format!(
            "the {}th percentile of {count} tries is {}, more than {limit} ms (median {}, fastest {})",
            limits.percentile,
            ms(slowest.total),
            ms(median.total),
            ms(fastest.total)
        )
    };
    Some(Finding::new(severity, url, "slow").detail(format!("{of}{}", most.unwrap_or_default())))
}

fn expiry(url: &str, left: i64, limits: &Limits) -> Option<Finding> {
    let severity = if left < limits.critical_days * DAY {
        Severity::Critical
    } else if left < limits.warn_days * DAY {
        Severity::Warning
    } else {
        return None;
    };
    let left = u64::try_from(left).unwrap_or(0);
    let finding = Finding::new(severity, url, "certificate expires soon").detail(format!("in {}", span(left)));
    Some(finding.remedy("renew the certificate"))
}

/// The answer at that percentile, by nearest rank.
fn at<'a>(sorted: &[&'a Answer], percentile: u32) -> Option<&'a Answer> {
    let rank = (sorted.len() * usize::try_from(percentile).unwrap_or(100)).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied()
}

fn ms(microseconds: u64) -> String {
    let milliseconds = milliseconds(microseconds);
    if milliseconds < 10.0 { format!("{milliseconds:.1} ms") } else { format!("{milliseconds:.0} ms") }
}

fn milliseconds(microseconds: u64) -> f64 {
    seconds(microseconds) * 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn seconds(microseconds: u64) -> f64 {
    microseconds as f64 / 1e6
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn figure(number: i64) -> f64 {
    number as f64
}

fn days(seconds: i64) -> f64 {
    figure(seconds) / figure(DAY)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn limits() -> Limits {
        Limits {
            statuses: Statuses::parse(&["2xx".into()]).unwrap(),
            percentile: 95,
            warn_ms: 500.0,
            critical_ms: 2000.0,
            warn_days: 21,
            critical_days: 7,
            now: NOW,
        }
    }

    fn answer(milliseconds: u64) -> Answer {
        let total = milliseconds * 1000;
        Answer { status: 200, status_line: "200 OK".into(), wait: total, total, ..Answer::default() }
    }

    fn good(milliseconds: u64) -> Try {
        Try::Answered(answer(milliseconds))
    }

    fn status(status: u16, line: &str) -> Try {
        Try::Answered(Answer { status, status_line: line.into(), ..answer(10) })
    }

    fn missed() -> Try {
        Try::Missed("down", "no connection".into())
    }

    fn found(tries: &[Try]) -> Vec<String> {
        let verdict = judge("u", tries, &limits());
        let shown = |finding: &Finding| format!("{:?} {}: {}", finding.severity(), finding.title(), finding.text());
        verdict.findings.iter().map(|finding| shown(finding).replace("Severity::", "")).collect()
    }

    #[test]
    fn what_fails_is_named_by_how_and_how_often() {
        for (tries, expected) in [
            (&[good(10), good(20)][..], &[][..]),
            (&[missed()], &["Critical down: no connection"]),
            (&[missed(), missed()], &["Critical down: no connection (all 2 tries)"]),
            (
                &[status(503, "503 Service Unavailable")],
                &["Critical wrong status: it answered 503 Service Unavailable; expected 2xx"],
            ),
            (
                &[missed(), status(500, "500")],
                &["Critical wrong status: none of 2 tries went well; at last: it answered 500; expected 2xx"],
            ),
            (
                &[good(10), missed(), good(10)],
                &["Warning fails at times: 1 of 3 tries failed, at last: down: no connection"],
            ),
            (&[good(10), missed()], &["Critical fails at times: 1 of 2 tries failed, at last: down: no connection"]),
            (
                &[Try::Answered(Answer { wrong: Some("it does not contain `ok`".into()), ..answer(1) })],
                &["Critical wrong content: it does not contain `ok`"],
            ),
            (
                &[Try::Answered(Answer {
                    status: 301,
                    status_line: "301 Moved Permanently".into(),
                    location: Some("/x".into()),
                    ..answer(1)
                })],
                &[
                    "Critical redirects: it answered 301 Moved Permanently, to /x; expected 2xx; ask where it leads, follow it with follow=true, or expect it",
                ],
            ),
            (&[Try::Missed("TLS fails", "expired".into())], &["Critical TLS fails: expired"]),
            (&[], &[]),
        ] {
            assert_eq!(found(tries), expected, "{tries:?}");
        }
    }

    #[test]
    fn slowness_is_told_by_percentile_with_what_made_it() {
        for (tries, expected) in [
            (vec![good(500)], vec![]),
            (
                vec![good(501)],
                vec!["Warning slow: it took 501 ms, more than 500 ms; waiting for the server took 501 ms"],
            ),
            (
                vec![good(2_001)],
                vec!["Critical slow: it took 2001 ms, more than 2000 ms; waiting for the server took 2001 ms"],
            ),
            (
                vec![good(5), good(10), good(900)],
                vec![
                    "Warning slow: the 95th percentile of 3 tries is 900 ms, more than 500 ms (median 10 ms, fastest 5.0 ms); waiting for the server took 900 ms",
                ],
            ),
            (
                vec![Try::Answered(Answer { resolve: 700_000, wait: 10_000, ..answer(800) })],
                vec!["Warning slow: it took 800 ms, more than 500 ms; resolving the name took 700 ms"],
            ),
            (
                vec![Try::Answered(Answer { wait: 10_000, ..answer(800) })],
                vec!["Warning slow: it took 800 ms, more than 500 ms; redirects before took 790 ms"],
            ),
        ] {
            assert_eq!(found(&tries), expected);
        }
        // One in forty is not the 95th percentile.
        let mut many: Vec<Try> = (0..39).map(|_| good(10)).collect();
        many.push(good(10_000));
        assert!(found(&many).is_empty());
    }

    #[test]
    fn a_certificate_is_judged_by_the_days_that_are_left() {
        let expires = |days: i64| vec![Try::Answered(Answer { not_after: Some(NOW + days * DAY), ..answer(10) })];
        for (days, expected) in [
            (21, vec![]),
            (20, vec!["Warning certificate expires soon: in 20 d; renew the certificate"]),
            (6, vec!["Critical certificate expires soon: in 6 d; renew the certificate"]),
            (-3, vec!["Critical certificate expires soon: in 0 s; renew the certificate"]),
        ] {
            assert_eq!(found(&expires(days)), expected, "{days}");
        }
        // The one that expires first counts.
        assert_eq!(found(&[expires(90), expires(5)].concat()).len(), 1);
    }

    #[test]
    fn ranks_are_the_nearest() {
        let answers: Vec<Answer> = (1..=10).map(answer).collect();
        let sorted: Vec<&Answer> = answers.iter().collect();
        for (percentile, expected) in [(50, 5), (90, 9), (91, 10), (95, 10), (100, 10), (1, 1)] {
            assert_eq!(at(&sorted, percentile).map(|answer| answer.total / 1000), Some(expected), "{percentile}");
        }
        assert_eq!(at(&[], 50), None);
    }
}
