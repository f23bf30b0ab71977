//! What is to be said of a container, from its state and its samples. Pure.

use taskhost_sdk::docker::{ContainerDetails, ContainerState, Engine, Health, Sample};
use taskhost_sdk::report::{Finding, Severity};
use taskhost_sdk::words::{counted, size};

use crate::trend;

/// Above what something is said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Percent: a warning, and critical.
    pub(crate) cpu: (f64, f64),
    pub(crate) memory: (f64, f64),
    pub(crate) restarts: u64,
    /// Percent.
    pub(crate) leak_per_hour: f64,
}

/// One container, with its use where it runs.
pub(crate) struct Watched {
    pub(crate) details: ContainerDetails,
    pub(crate) usage: Option<Usage>,
}

/// What a running container used, over its samples.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Usage {
    /// Percent of its limit, or of the machine.
    pub(crate) cpu_percent: f64,
    /// Bytes, at the end.
    pub(crate) memory: u64,
    pub(crate) memory_limit: u64,
    pub(crate) memory_percent: f64,
    /// Percent of its memory an hour, where it grew steadily.
    pub(crate) growth_per_hour: Option<f64>,
}

/// Fewer samples tell nothing about a trend.
const TREND_SAMPLES: usize = 10;
/// A trend that the samples fit worse is noise.
const TREND_FIT: f64 = 0.8;
/// Growth over the samples that is less is no leak, but a cache that warms up or an allocator's page.
const TREND_GROWTH: f64 = 1_048_576.0;

#[expect(clippy::cast_precision_loss, reason = "percentages")]
impl Usage {
    /// None for a container without two samples to compare.
    pub(crate) fn new(details: &ContainerDetails, samples: &[Sample], machine: &Engine) -> Option<Self> {
        let (first, last) = (samples.first()?, samples.last()?);
        let seconds = (last.at - first.at) as f64 / 1_000.0;
        if seconds <= 0.0 {
            return None;
        }
        let used = last.cpu.saturating_sub(first.cpu) as f64 / 1e9 / seconds;
        let cpus = details.cpu_limit.unwrap_or_else(|| f64::from(machine.cpus.max(1)));
        let memory_limit = details.memory_limit.unwrap_or(machine.memory).max(1);
        Some(Self {
            cpu_percent: used / cpus * 100.0,
            memory: last.memory,
            memory_limit,
            memory_percent: last.memory as f64 / memory_limit as f64 * 100.0,
            growth_per_hour: growth(samples, seconds),
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "percentages")]
fn growth(samples: &[Sample], seconds: f64) -> Option<f64> {
    let begun = samples.first()?.at;
    let points: Vec<_> =
        samples.iter().map(|sample| ((sample.at - begun) as f64 / 1_000.0, sample.memory as f64)).collect();
    let line = trend::line(&points)?;
    let mean = points.iter().map(|(_, memory)| memory).sum::<f64>() / points.len() as f64;
    let certain = samples.len() >= TREND_SAMPLES && line.fit >= TREND_FIT && line.slope * seconds >= TREND_GROWTH;
    (certain && mean > 0.0).then(|| line.slope * 3_600.0 / mean * 100.0)
}

pub(crate) fn judge(watched: &Watched, limits: &Limits) -> Vec<Finding> {
    let Watched { details, usage } = watched;
    let name = details.container.name.as_str();
    let mut findings = Vec::new();
    state(details, limits, &mut findings);
    if let Some(usage) = usage {
        let of = |limited: bool| if limited { "of its limit" } else { "of the machine" };
        if let Some(severity) = severity(usage.memory_percent, limits.memory) {
            findings.push(
                Finding::new(severity, name, "much memory")
                    .detail(format!(
                        "{}, {:.0} % {}",
                        size(usage.memory),
                        usage.memory_percent,
                        of(details.memory_limit.is_some())
                    ))
                    .remedy("find what holds it, or raise the limit before the kernel ends the container"),
            );
        }
        if let Some(severity) = severity(usage.cpu_percent, limits.cpu) {
            findings.push(
                Finding::new(severity, name, "much CPU")
                    .detail(format!("{:.0} % {}", usage.cpu_percent, of(details.cpu_limit.is_some())))
                    .remedy("look at what it does, or give it more CPUs"),
            );
        }
        if let Some(growth) = usage.growth_per_hour.filter(|growth| *growth > limits.leak_per_hour) {
            findings.push(
                Finding::warning(name, "memory grows steadily")
                    .detail(format!("{} now, {growth:.0} % more an hour at this rate", size(usage.memory)))
                    .remedy("sample it for longer; if it goes on it is a leak: restart it, and tell its authors"),
            );
        }
    }
    findings
}

fn severity(percent: f64, (warn, critical): (f64, f64)) -> Option<Severity> {
    match percent {
        percent if percent > critical => Some(Severity::Critical),
        percent if percent > warn => Some(Severity::Warning),
        _ => None,
    }
}

fn state(details: &ContainerDetails, limits: &Limits, findings: &mut Vec<Finding>) {
    let name = details.container.name.as_str();
    let code = details.exit_code.map(|code| format!("its last exit code was {code}")).unwrap_or_default();
    match details.container.state {
        ContainerState::Restarting => findings.push(
            Finding::critical(name, "restarts again and again")
                .detail(format!("{}; {code}", counted(details.restarts, "restart")))
                .remedy("read its log: docker logs"),
        ),
        ContainerState::Exited
            if matches!(details.restart_policy.as_str(), "always" | "on-failure")
                && details.exit_code.is_some_and(|code| code != 0) =>
        {
            findings.push(
                Finding::critical(name, "ended and was not restarted")
                    .detail(format!("{code}, and its restart policy is {}", details.restart_policy))
                    .remedy("read its log, and start it"),
            );
        }
        ContainerState::Dead => {
            findings.push(
                Finding::warning(name, "is dead")
                    .detail("the engine could not remove it")
                    .remedy("remove it: docker rm"),
            );
        }
        _ => {}
    }
    if details.oom_killed {
        findings.push(
            Finding::critical(name, "was ended for want of memory")
                .detail(match details.memory_limit {
                    Some(limit) => format!("its limit is {}", size(limit)),
                    None => "it has no limit: the machine had no more".into(),
                })
                .remedy("raise its limit, or find what takes the memory"),
        );
    }
    if details.health == Health::Unhealthy {
        let said = details.health_output.as_deref().unwrap_or_default().trim();
        findings.push(
            Finding::critical(name, "is unhealthy")
                .detail(said.chars().take(300).collect::<String>())
                .remedy("run its check by hand, and read its log"),
        );
    }
    if details.restarts > limits.restarts && details.container.state != ContainerState::Restarting {
        findings.push(
            Finding::warning(name, "was restarted often")
                .detail(format!("{}; {code}", counted(details.restarts, "restart")).trim_end_matches("; ").to_owned())
                .remedy("read its log from before the last restart"),
        );
    }
}

#[cfg(test)]
mod tests {
    use taskhost_sdk::docker::Container;

    use super::*;

    const LIMITS: Limits = Limits { cpu: (80.0, 95.0), memory: (85.0, 95.0), restarts: 3, leak_per_hour: 10.0 };
    const MIB: u64 = 1 << 20;

    fn details() -> ContainerDetails {
        ContainerDetails {
            container: Container {
                id: "1".into(),
                name: "web".into(),
                image: "app:1".into(),
                image_id: "sha256:1".into(),
                state: ContainerState::Running,
                status: "Up".into(),
                created: 0,
                labels: vec![],
                size: None,
            },
            health: Health::None,
            health_output: None,
            restarts: 0,
            oom_killed: false,
            exit_code: None,
            started: None,
            finished: None,
            restart_policy: "always".into(),
            memory_limit: Some(100 * MIB),
            cpu_limit: Some(0.5),
            privileged: false,
            host_network: false,
            mounts: vec![],
            networks: vec![],
            environment: vec![],
        }
    }

    fn machine() -> Engine {
        Engine {
            version: String::new(),
            api_version: String::new(),
            operating_system: String::new(),
            architecture: String::new(),
            kernel: String::new(),
            storage_driver: String::new(),
            cpus: 4,
            memory: 1000 * MIB,
            warnings: vec![],
        }
    }

    /// One a second: `cpu` CPUs busy, memory as told.
    fn samples(count: u64, cpu: f64, memory: impl Fn(u64) -> u64) -> Vec<Sample> {
        let sample = |second: u64| Sample {
            at: i64::try_from(second * 1_000).unwrap(),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "small"
            )]
            cpu: (second as f64 * cpu * 1e9) as u64,
            cpu_total: 0,
            cpus: 4,
            memory: memory(second),
            memory_limit: 0,
            processes: 1,
            received: 0,
            sent: 0,
            read: 0,
            written: 0,
        };
        (0..count).map(sample).collect()
    }

    fn titles(details: ContainerDetails, samples: &[Sample]) -> Vec<(Severity, String)> {
        let usage = Usage::new(&details, samples, &machine());
        let findings = judge(&Watched { details, usage }, &LIMITS);
        findings.iter().map(|finding| (finding.severity(), finding.title().to_owned())).collect()
    }

    #[test]
    fn use_is_judged_against_the_limit_or_the_machine() {
        let steady = |memory: u64| move |_: u64| memory * MIB;
        let unlimited = || ContainerDetails { memory_limit: None, cpu_limit: None, ..details() };
        for (case, details, samples, expected) in [
            ("idle", details(), samples(5, 0.1, steady(10)), &[][..]),
            ("busy", details(), samples(5, 0.45, steady(10)), &[(Severity::Warning, "much CPU")]),
            ("at its limit", details(), samples(5, 0.5, steady(10)), &[(Severity::Critical, "much CPU")]),
            ("full", details(), samples(5, 0.1, steady(90)), &[(Severity::Warning, "much memory")]),
            ("very full", details(), samples(5, 0.1, steady(99)), &[(Severity::Critical, "much memory")]),
            ("no limit", unlimited(), samples(5, 2.0, steady(99)), &[]),
            ("one sample", details(), samples(1, 9.0, steady(99)), &[]),
        ] {
            let found = titles(details, &samples);
            let found: Vec<_> = found.iter().map(|(severity, title)| (*severity, title.as_str())).collect();
            assert_eq!(found, expected, "{case}");
        }
    }

    #[test]
    fn memory_that_only_grows_may_be_a_leak() {
        let leak = [(Severity::Warning, "memory grows steadily".to_owned())];
        assert_eq!(titles(details(), &samples(20, 0.0, |second| (10 + second) * MIB)), leak);
        let saw = |second: u64| (10 + second % 3) * MIB;
        assert_eq!(titles(details(), &samples(20, 0.0, saw)), [], "up and down");
        assert_eq!(titles(details(), &samples(5, 0.0, |second| (10 + second) * MIB)), [], "too few samples");
        assert_eq!(titles(details(), &samples(20, 0.0, |second| 10 * MIB + second * 4096)), [], "too little");
    }

    #[test]
    fn what_a_state_says_is_found() {
        let with = |change: fn(&mut ContainerDetails)| {
            let mut details = details();
            change(&mut details);
            titles(details, &[])
        };
        let critical = |title: &str| vec![(Severity::Critical, title.to_owned())];
        assert_eq!(with(|one| one.health = Health::Unhealthy), critical("is unhealthy"));
        assert_eq!(with(|one| one.oom_killed = true), critical("was ended for want of memory"));
        assert_eq!(with(|one| one.container.state = ContainerState::Restarting), critical("restarts again and again"));
        let ended = |one: &mut ContainerDetails| {
            one.container.state = ContainerState::Exited;
            one.exit_code = Some(1);
        };
        assert_eq!(with(ended), critical("ended and was not restarted"));
        assert_eq!(
            with(|one| {
                one.container.state = ContainerState::Exited;
                one.exit_code = Some(0);
            }),
            [],
            "it did its work"
        );
        assert_eq!(with(|one| one.restarts = 4), [(Severity::Warning, "was restarted often".to_owned())]);
    }
}
