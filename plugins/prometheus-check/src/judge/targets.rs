//! Targets and their scrapes.

use std::collections::{BTreeMap, BTreeSet};

use taskhost_sdk::report::{Finding, Severity};
use taskhost_sdk::words::{counted, some_of};

use super::{beginning, span};
use crate::api::{Labels, Sample, Target};

/// What an operator allows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Limits {
    /// Seconds since 1970.
    pub(crate) now: f64,
    /// When the server was started, or had its configuration loaded.
    pub(crate) loaded: f64,
    /// A target that is down for longer is critical, in seconds.
    pub(crate) critical_after: f64,
    /// How far back it was looked for, in seconds.
    pub(crate) look_back: f64,
    /// Over which time scrapes are counted, in seconds.
    pub(crate) window: f64,
    /// A warning when more are missing.
    pub(crate) gap_percent: f64,
    /// Jobs that must have targets.
    pub(crate) jobs: Vec<String>,
}

/// Series by the target that they are of.
pub(crate) struct ByTarget(BTreeMap<(String, String), f64>);

impl ByTarget {
    /// Of several series of one target, the highest counts.
    pub(crate) fn new(samples: &[Sample]) -> Self {
        let mut values = BTreeMap::new();
        for sample in samples {
            let value = values.entry(key(&sample.metric)).or_insert(f64::NEG_INFINITY);
            *value = value.max(sample.value());
        }
        Self(values)
    }

    fn of(&self, target: &Target) -> Option<f64> {
        self.0.get(&key(&target.labels)).copied().filter(|value| value.is_finite())
    }
}

/// Sorts by job and instance, which tell targets apart.
fn key(labels: &Labels) -> (String, String) {
    let label = |name: &str| labels.get(name).cloned().unwrap_or_default();
    (label("job"), label("instance"))
}

fn name(target: &Target) -> String {
    let (job, instance) = key(&target.labels);
    format!("{job}/{instance}")
}

/// Jobs of which every one of this many targets is down are one finding.
const WHOLE_JOB: usize = 2;
/// What so many targets, and more than half of all, have in common is one finding.
const MOST: usize = 4;

/// Those that are down, by job: `up` is when each was last seen up.
pub(crate) fn down(targets: &[Target], up: &ByTarget, limits: &Limits) -> Vec<Finding> {
    let mut jobs: BTreeMap<String, Vec<&Target>> = BTreeMap::new();
    for target in targets {
        jobs.entry(key(&target.labels).0).or_default().push(target);
    }
    let mut findings = Vec::new();
    for (job, targets) in jobs {
        let down: Vec<&Target> = targets.iter().copied().filter(|target| target.health == "down").collect();
        if down.len() >= WHOLE_JOB && down.len() == targets.len() {
            let instances: Vec<String> = down.iter().map(|target| key(&target.labels).1).collect();
            let shown = some_of(&instances.iter().map(String::as_str).collect::<Vec<_>>(), 5);
            let said = down.first().map(|target| beginning(&target.last_error)).unwrap_or_default();
            // It is as bad as the one that is down the longest.
            let times: Vec<(Severity, String)> = down.iter().map(|target| since(target, up, limits)).collect();
            let worst = times.iter().max_by_key(|(severity, _)| *severity == Severity::Critical);
            let (severity, time) = worst.cloned().unwrap_or((Severity::Critical, String::new()));
            findings.push(
                Finding::new(severity, job, "all targets are down")
                    .detail(format!("{} ({shown}), one of them {time}: {said}", counted(down.len(), "target"))),
            );
            continue;
        }
        for target in down {
            let (severity, time) = since(target, up, limits);
            let detail = format!("{time}: {}", beginning(&target.last_error));
            findings.push(Finding::new(severity, name(target), "target is down").detail(detail));
        }
    }
    findings
}

/// For how long a target is down, and how bad that is.
fn since(target: &Target, up: &ByTarget, limits: &Limits) -> (Severity, String) {
    match up.of(target) {
        Some(last) => {
            let down = (limits.now - last).max(0.0);
            let severity = if down > limits.critical_after { Severity::Critical } else { Severity::Warning };
            (severity, format!("down for {}", span(down)))
        }
        None => (Severity::Critical, format!("not up once in the last {}", span(limits.look_back))),
    }
}

/// Scrapes that do not come, come late, or take nearly too long. `counts` is how many there were in the window,
/// `first` when the first of them was.
pub(crate) fn scrapes(targets: &[Target], counts: &ByTarget, first: &ByTarget, limits: &Limits) -> Vec<Finding> {
    let mut findings = Vec::new();
    for target in targets {
        let (interval, timeout) = (target.scrape_interval.0, target.scrape_timeout.0);
        // A scrape is spread over the interval, and takes up to its time-out.
        let patience = 3.0 * interval + timeout;
        let last = target.last_scrape.0;
        if interval > 0.0 && last == 0.0 {
            if limits.now - limits.loaded > patience {
                findings.push(
                    Finding::warning(name(target), "target was never scraped")
                        .detail(format!("in {} since the configuration was loaded", span(limits.now - limits.loaded))),
                );
            }
            continue;
        }
        if interval > 0.0 && limits.now - last > patience {
            findings.push(Finding::warning(name(target), "scrapes are late").detail(format!(
                "the last was {} ago, and one is due every {}",
                span(limits.now - last),
                span(interval)
            )));
            continue;
        }
        if target.health == "up" && timeout > 0.0 && target.last_scrape_duration > 0.8 * timeout {
            findings.push(
                Finding::warning(name(target), "scrapes are slow")
                    .detail(format!("the last took {:.1} s of the {timeout} s allowed", target.last_scrape_duration))
                    .remedy("raise scrape_timeout, or have the target expose less"),
            );
        }
        findings.extend(gaps(target, counts, first, limits));
    }
    together(&findings, targets.len())
}

/// What most targets have in common is the server's, and one finding.
fn together(findings: &[Finding], targets: usize) -> Vec<Finding> {
    let mut out = Vec::new();
    let mut titles: Vec<String> = findings.iter().map(|finding| finding.title().to_owned()).collect();
    titles.sort_unstable();
    titles.dedup();
    for title in titles {
        let same: Vec<&Finding> = findings.iter().filter(|finding| finding.title() == title).collect();
        match same.as_slice() {
            [first, ..] if same.len() >= MOST && same.len() * 2 > targets => out.push(
                Finding::warning("server", title)
                    .detail(format!(
                        "of {} of {targets} targets, such as {}: {}",
                        same.len(),
                        first.subject(),
                        first.text()
                    ))
                    .remedy("look at the server's own load, disk and restarts"),
            ),
            _ => out.extend(same.into_iter().cloned()),
        }
    }
    out
}

fn gaps(target: &Target, counts: &ByTarget, first: &ByTarget, limits: &Limits) -> Option<Finding> {
    let interval = target.scrape_interval.0;
    let (count, first) = (counts.of(target)?, first.of(target)?);
    let known = (limits.now - first).clamp(0.0, limits.window);
    // At its beginning and its end, one may be just outside.
    let expected = (known / interval).floor() - 1.0;
    if !expected.is_finite() || expected < 5.0 {
        return None;
    }
    let missing = 100.0 * (1.0 - count / expected);
    (missing > limits.gap_percent).then(|| {
        Finding::warning(name(target), "scrapes are missing")
            .detail(format!("{missing:.0} % of those of the last {}: {count} of {expected}", span(known)))
    })
}

/// Seconds after a configuration was loaded in which its targets may not be found yet: discovery takes five.
const SETTLING: f64 = 10.0;

/// Jobs that have no target: those that must have some, and those that are configured.
pub(crate) fn jobs(targets: &[Target], configured: &[&str], limits: &Limits) -> Vec<Finding> {
    if limits.now - limits.loaded < SETTLING {
        return vec![];
    }
    let with: BTreeSet<&str> = targets
        .iter()
        .flat_map(|target| {
            target.labels.get("job").map(String::as_str).into_iter().chain([target.scrape_pool.as_str()])
        })
        .collect();
    let wanted = limits
        .jobs
        .iter()
        .filter(|job| !with.contains(job.as_str()))
        .map(|job| Finding::critical(job, "job has no target").detail("it is one of those that must have some"));
    let others = configured.iter().filter(|job| !with.contains(*job) && !limits.jobs.iter().any(|named| named == *job));
    let others = others.map(|job| {
        Finding::warning(*job, "job has no target")
            .detail("it is configured, and nothing is found for it")
            .remedy("mend its service discovery or relabelling, or remove it")
    });
    wanted.chain(others).collect()
}

/// The jobs of a configuration, as the server writes it: one line names each.
pub(crate) fn configured(yaml: &str) -> Vec<&str> {
    let names = yaml.lines().filter_map(|line| line.trim_start().trim_start_matches("- ").strip_prefix("job_name: "));
    names.map(|name| name.trim().trim_matches(['"', '\''])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Moment, Span};

    const NOW: f64 = 1_800_000_000.0;

    fn limits() -> Limits {
        Limits {
            now: NOW,
            loaded: NOW - 86_400.0,
            critical_after: 600.0,
            look_back: 604_800.0,
            window: 3_600.0,
            gap_percent: 10.0,
            jobs: vec![],
        }
    }

    fn target(job: &str, instance: &str, health: &str) -> Target {
        Target {
            labels: [("job", job), ("instance", instance)].map(|(name, value)| (name.into(), value.into())).into(),
            scrape_pool: job.into(),
            last_error: if health == "down" { "connection refused".into() } else { String::new() },
            last_scrape: Moment(NOW - 5.0),
            last_scrape_duration: 0.1,
            health: health.into(),
            scrape_interval: Span(15.0),
            scrape_timeout: Span(10.0),
        }
    }

    fn series(of: &[(&str, &str, f64)]) -> ByTarget {
        ByTarget(of.iter().map(|(job, instance, value)| (((*job).into(), (*instance).into()), *value)).collect())
    }

    fn said(findings: &[Finding]) -> Vec<String> {
        let line = |finding: &Finding| {
            format!("{:?} {} {}: {}", finding.severity(), finding.subject(), finding.title(), finding.text())
        };
        findings.iter().map(|finding| line(finding).replace("Severity::", "")).collect()
    }

    #[test]
    fn a_target_that_is_down_is_told_with_since_when() {
        for (targets, up, expected) in [
            (vec![target("a", "1", "up")], vec![], vec![]),
            (
                vec![target("a", "1", "down"), target("a", "2", "up")],
                vec![("a", "1", NOW - 300.0)],
                vec!["Warning a/1 target is down: down for 5 min: connection refused"],
            ),
            (
                vec![target("a", "1", "down"), target("a", "2", "up")],
                vec![("a", "1", NOW - 7_320.0)],
                vec!["Critical a/1 target is down: down for 2 h 2 min: connection refused"],
            ),
            (
                vec![target("a", "1", "down")],
                vec![],
                vec!["Critical a/1 target is down: not up once in the last 7 d: connection refused"],
            ),
            (
                vec![target("a", "1", "down"), target("a", "2", "down"), target("b", "1", "up")],
                vec![("a", "1", NOW - 60.0), ("a", "2", NOW - 900.0)],
                vec![
                    "Critical a all targets are down: 2 targets (1, 2), one of them down for 15 min: connection refused",
                ],
            ),
            (
                vec![target("a", "1", "down"), target("a", "2", "down")],
                vec![("a", "1", NOW - 60.0), ("a", "2", NOW - 60.0)],
                vec![
                    "Warning a all targets are down: 2 targets (1, 2), one of them down for 1 min: connection refused",
                ],
            ),
        ] {
            assert_eq!(said(&down(&targets, &series(&up), &limits())), expected);
        }
    }

    #[test]
    fn scrapes_are_late_slow_missing_or_never_were() {
        let change = |change: fn(&mut Target)| {
            let mut target = target("a", "1", "up");
            change(&mut target);
            target
        };
        let loaded_now = Limits { loaded: NOW - 10.0, ..limits() };
        for (target, count, first, limits, expected) in [
            (change(|_| ()), 240.0, NOW - 3_600.0, limits(), vec![]),
            (change(|_| ()), 216.0, NOW - 3_600.0, limits(), vec![]),
            (
                change(|_| ()),
                180.0,
                NOW - 3_600.0,
                limits(),
                vec!["Warning a/1 scrapes are missing: 25 % of those of the last 1 h: 180 of 239"],
            ),
            // One that is new has fewer, and misses none.
            (change(|_| ()), 40.0, NOW - 600.0, limits(), vec![]),
            (change(|_| ()), 1.0, NOW - 60.0, limits(), vec![]),
            (
                change(|target| target.last_scrape = Moment(NOW - 120.0)),
                0.0,
                NOW,
                limits(),
                vec!["Warning a/1 scrapes are late: the last was 2 min ago, and one is due every 15 s"],
            ),
            (
                change(|target| target.last_scrape_duration = 8.5),
                240.0,
                NOW - 3_600.0,
                limits(),
                vec![
                    "Warning a/1 scrapes are slow: the last took 8.5 s of the 10 s allowed; raise scrape_timeout, or have the target expose less",
                ],
            ),
            (
                change(|target| target.last_scrape = Moment(0.0)),
                0.0,
                NOW,
                limits(),
                vec!["Warning a/1 target was never scraped: in 1 d since the configuration was loaded"],
            ),
            (change(|target| target.last_scrape = Moment(0.0)), 0.0, NOW, loaded_now, vec![]),
            (change(|target| target.scrape_interval = Span(0.0)), 0.0, NOW - 3_600.0, limits(), vec![]),
        ] {
            let found = scrapes(&[target], &series(&[("a", "1", count)]), &series(&[("a", "1", first)]), &limits);
            assert_eq!(said(&found), expected);
        }
    }

    #[test]
    fn the_jobs_of_a_configuration_are_read() {
        let yaml = "global:\n  scrape_interval: 15s\nscrape_configs:\n- job_name: self\n  static_configs: []\n\
                    - honor_labels: true\n  job_name: \"two words\"\n  authorization:\n    credentials: <secret>\n";
        assert_eq!(configured(yaml), ["self", "two words"]);
        assert!(configured("").is_empty());
    }

    #[test]
    fn what_most_targets_have_in_common_is_said_once() {
        let late = |instance: &str| Target { last_scrape: Moment(NOW - 120.0), ..target("a", instance, "up") };
        let none = series(&[]);
        let found = |late_ones: usize| {
            let mut targets: Vec<Target> = (0..late_ones).map(|index| late(&index.to_string())).collect();
            targets.extend((late_ones..7).map(|index| target("a", &index.to_string(), "up")));
            said(&scrapes(&targets, &none, &none, &limits()))
        };
        assert_eq!(found(3).len(), 3);
        assert_eq!(
            found(4),
            [
                "Warning server scrapes are late: of 4 of 7 targets, such as a/0: the last was 2 min ago, and one is due every 15 s; look at the server's own load, disk and restarts"
            ]
        );
    }

    #[test]
    fn a_job_without_targets_is_named() {
        let limits = Limits { jobs: vec!["a".into(), "b".into()], ..limits() };
        let just_loaded = Limits { loaded: NOW - 3.0, ..limits.clone() };
        assert!(jobs(&[], &["a", "b", "c"], &just_loaded).is_empty());
        let found = jobs(&[target("a", "1", "up")], &["a", "b", "c"], &limits);
        assert_eq!(
            said(&found),
            [
                "Critical b job has no target: it is one of those that must have some",
                "Warning c job has no target: it is configured, and nothing is found for it; mend its service discovery or relabelling, or remove it",
            ]
        );
    }
}
