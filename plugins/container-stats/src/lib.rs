//! How the containers of an engine are: what they use, whether they are healthy, and whether one's memory only ever grows.

mod judge;
mod trend;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use taskhost_sdk::docker::{ContainerDetails, ContainerFilter, ContainerState, Daemon, Error, Sample};
use taskhost_sdk::prelude::*;
use taskhost_sdk::report::{Severity, next_action_on};
use taskhost_sdk::words::{count, counted, size};

use judge::{Limits, Usage, Watched};

const ENGINE: docker::Slot = docker::Slot::new("engine", "containers are listed, inspected and sampled").read();

#[derive(Parameters)]
struct Options {
    /// How many samples of each running container, about one a second.
    #[parameter(default = 10, min = 2, max = 3600)]
    samples: u32,
    /// Only containers whose name matches one of these globs.
    #[parameter(default = "")]
    name: Vec<String>,
    /// A warning above so many percent of the container's CPU limit, or of the machine where it has none.
    #[parameter(default = 80, min = 1, max = 100)]
    cpu_warn: u32,
    /// Critical above so many percent.
    #[parameter(default = 95, min = 1, max = 100)]
    cpu_critical: u32,
    /// A warning above so many percent of the container's memory limit, or of the machine where it has none.
    #[parameter(default = 85, min = 1, max = 100)]
    memory_warn: u32,
    /// Critical above so many percent.
    #[parameter(default = 95, min = 1, max = 100)]
    memory_critical: u32,
    /// A warning when the engine restarted a container more often.
    #[parameter(default = 3, max = 1_000_000)]
    restarts: u64,
    /// A warning when memory grows by more percent an hour, steadily.
    #[parameter(default = 10, min = 1, max = 100_000)]
    leak_per_hour: u32,
}

/// Containers that are sampled at the same time.
const AT_ONCE: usize = 32;
/// Containers that have metrics of their own: those that use the most memory.
const MEASURED: usize = 50;

#[task(summary = "looks at CPU, memory, health and restarts of containers, and for leaks", slots = [ENGINE])]
async fn container_stats(options: Options) -> Result<String> {
    if options.cpu_warn > options.cpu_critical || options.memory_warn > options.memory_critical {
        return Err(Failure::invalid("a warning is to come before what is critical: lower cpu-warn or memory-warn"));
    }
    let engine = ENGINE.open()?;
    let machine = engine.info().await?;
    let listed =
        engine.containers(ContainerFilter { names: options.name.clone(), ..ContainerFilter::default() }).await?;
    let limits = Limits {
        cpu: (f64::from(options.cpu_warn), f64::from(options.cpu_critical)),
        memory: (f64::from(options.memory_warn), f64::from(options.memory_critical)),
        restarts: options.restarts,
        leak_per_hour: f64::from(options.leak_per_hour),
    };

    let mut watched = Vec::new();
    let total = listed.len() as u64;
    for group in listed.chunks(AT_ONCE) {
        progress(watched.len() as u64, Some(total), "containers looked at");
        let looks = group.iter().map(|container| look(&engine, &container.id, options.samples)).collect();
        for (details, samples) in all(looks).await.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten() {
            let usage = Usage::new(&details, &samples, &machine);
            watched.push(Watched { details, usage });
        }
    }
    let mut bad = 0;
    for finding in watched.iter().flat_map(|watched| judge::judge(watched, &limits)) {
        if finding.severity() != Severity::Ok {
            bad += 1;
        }
        if finding.severity() == Severity::Critical {
            next_action_on(finding.subject(), format!("see to it now: {}", finding.title()));
        }
        finding.report();
    }
    measure(&mut watched, &limits);
    Ok(summary(&watched, bad))
}

/// What is known of one container; none of one that was removed meanwhile.
async fn look(engine: &Daemon, id: &str, samples: u32) -> Result<Option<(ContainerDetails, Vec<Sample>)>> {
    let looked = async {
        let details = engine.container(id.into()).await?;
        let mut taken = Vec::new();
        if details.container.state == ContainerState::Running {
            let mut stream = engine.samples(id, Some(samples)).await?;
            while let Some(sample) = stream.next().await? {
                taken.push(sample);
            }
        }
        Ok((details, taken))
    };
    match looked.await {
        Ok(found) => Ok(Some(found)),
        Err(Error::NotFound(_)) => Ok(None),
        Err(error) => Err(Failure::from(error)),
    }
}

/// Waits for all of them at the same time.
async fn all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut waiting: Vec<Pin<Box<F>>> = futures.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = waiting.iter().map(|_| None).collect();
    poll_fn(|context| {
        let mut pending = false;
        for (future, done) in waiting.iter_mut().zip(&mut done).filter(|(_, done)| done.is_none()) {
            match future.as_mut().poll(context) {
                Poll::Ready(output) => *done = Some(output),
                Poll::Pending => pending = true,
            }
        }
        if pending { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn measure(watched: &mut [Watched], limits: &Limits) {
    let running = watched.iter().filter(|watched| watched.usage.is_some()).count();
    Metric::new("containers", watched.len() as f64).report();
    Metric::new("containers_running", running as f64).report();
    watched.sort_by_key(|watched| std::cmp::Reverse(watched.usage.as_ref().map_or(0, |usage| usage.memory)));
    for Watched { details, usage } in watched.iter().take(MEASURED) {
        let name = details.container.name.as_str();
        Metric::new("restarts", details.restarts as f64).unit(Unit::Total).subject(name).report();
        let Some(usage) = usage else { continue };
        Metric::new("memory", usage.memory as f64).unit(Unit::Bytes).subject(name).report();
        for (metric, percent, (warn, critical)) in
            [("memory_percent", usage.memory_percent, limits.memory), ("cpu_percent", usage.cpu_percent, limits.cpu)]
        {
            Metric::new(metric, (percent * 10.0).round() / 10.0)
                .unit(Unit::Percent)
                .subject(name)
                .warn_above(warn)
                .crit_above(critical)
                .report();
        }
    }
}

/// `12 containers, 10 running; most memory: web 1.2 GiB, most CPU: db 34 %; 2 findings`.
fn summary(watched: &[Watched], bad: usize) -> String {
    let running: Vec<(&str, &Usage)> = watched
        .iter()
        .filter_map(|watched| Some((watched.details.container.name.as_str(), watched.usage.as_ref()?)))
        .collect();
    let mut text = format!("{}, {} running", counted(watched.len(), "container"), count(running.len() as u64));
    if let Some((name, usage)) = running.iter().max_by_key(|(_, usage)| usage.memory) {
        text += &format!("; most memory: {name} {}", size(usage.memory));
    }
    if let Some((name, usage)) = running.iter().max_by(|(_, a), (_, b)| a.cpu_percent.total_cmp(&b.cpu_percent)) {
        text += &format!(", most CPU: {name} {:.0} %", usage.cpu_percent);
    }
    if bad == 0 { text + ": in order" } else { text + &format!("; {}", counted(bad, "finding")) }
}
