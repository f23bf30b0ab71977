//! The key performance indicators of a system against their limits: of the machine, of the way to its endpoints, of an
//! application's own page of metrics, and of anything that a Prometheus server can be asked for.
//!
//! Each source is a slot of its own, and one of them is enough. It must never call a figure good that it did not get: a
//! series that is not there, and a share of nothing, are said.

mod answer;
mod exposition;
mod kpi;
mod latency;
mod machine;
mod measure;
mod ready;

use std::time::{SystemTime, UNIX_EPOCH};

use taskhost_sdk::http::{Error, query};
use taskhost_sdk::prelude::*;
use taskhost_sdk::report::Severity;
use taskhost_sdk::words::counted;

use answer::Envelope;
use kpi::Kpi;
use measure::{Limit, Measure};

const MACHINE: system::Slot =
    system::Slot::new("machine", "processors, memory, disks and network are measured").optional();
const PROCESSES: system::Slot =
    system::Slot::new("processes", "what takes most is named when processors or memory are above their limits")
        .processes()
        .optional();
const PROMETHEUS: http::Slot = http::Slot::new("prometheus", "its API is asked for the figures").optional();
const APPLICATION: http::Slot = http::Slot::new("application", "its page of metrics is read").optional();
const ENDPOINTS: http::Slot = http::Slot::new("endpoints", "how long connecting takes is measured").optional();

/// Bytes of an answer, and of a page of metrics: what either becomes has to fit into a plugin's memory.
const ANSWER: usize = 4 << 20;
const PAGE: usize = 8 << 20;
/// Processes that are named.
const NAMED: usize = 5;

/// What an operator may set.
#[derive(Parameters)]
struct Options {
    /// Figures to ask Prometheus for, one a line (or joined with ;): NAME: EXPRESSION > WARN, CRITICAL [UNIT]; with < for
    /// what must not fall below.
    #[parameter(default = "")]
    kpis: String,
    /// Sets of ready figures to ask Prometheus for: application, availability, node; none when empty.
    #[parameter(default = "application,availability")]
    ready: Vec<String>,
    /// How bad it is that a figure of kpis has no series, or is no number.
    #[parameter(default = Severity::Warning)]
    unknown: Severity,
    /// How long the machine is measured.
    #[parameter(default = "5s", min = "1s", max = "1m")]
    sample: Duration,
    /// A warning above so many per cent of all processors' time.
    #[parameter(default = 80, min = 0, max = 100)]
    cpu_warning: u32,
    /// Critical above so many.
    #[parameter(default = 95, min = 0, max = 100)]
    cpu_critical: u32,
    /// A warning above so many per cent of the memory.
    #[parameter(default = 85, min = 0, max = 100)]
    memory_warning: u32,
    /// Critical above so many.
    #[parameter(default = 95, min = 0, max = 100)]
    memory_critical: u32,
    /// A warning above so many per cent of a disk's space or inodes.
    #[parameter(default = 80, min = 0, max = 100)]
    disk_warning: u32,
    /// Critical above so many.
    #[parameter(default = 90, min = 0, max = 100)]
    disk_critical: u32,
    /// A warning above so many per cent of the time in which a disk was at work.
    #[parameter(default = 80, min = 0, max = 100)]
    io_warning: u32,
    /// Critical above so many.
    #[parameter(default = 95, min = 0, max = 100)]
    io_critical: u32,
    /// A warning when connecting to an endpoint takes more milliseconds.
    #[parameter(default = 100, min = 0, max = 60_000)]
    latency_warning_ms: u32,
    /// Critical when it takes more.
    #[parameter(default = 500, min = 0, max = 60_000)]
    latency_critical_ms: u32,
    /// How often each endpoint is connected to; the median counts.
    #[parameter(default = 3, min = 1, max = 20)]
    tries: u32,
    /// Where the application's page of metrics is, below its address.
    #[parameter(default = "metrics")]
    metrics_path: String,
    /// Metrics of that page that are shown, by the beginnings of their names.
    #[parameter(default = "http_requests,response_time")]
    show: Vec<String>,
    /// A warning when the 95th percentile of the application's response times is above so many milliseconds.
    #[parameter(default = 500, min = 0, max = 600_000)]
    response_warning_ms: u32,
    /// Critical above so many.
    #[parameter(default = 1000, min = 0, max = 600_000)]
    response_critical_ms: u32,
    /// A warning above so many per cent of failed requests.
    #[parameter(default = 1.0, min = 0, max = 100)]
    error_warning: f64,
    /// Critical above so many.
    #[parameter(default = 5.0, min = 0, max = 100)]
    error_critical: f64,
}

/// What came of all sources.
#[derive(Default)]
struct Tally {
    sources: usize,
    figures: usize,
    wrong: usize,
    unknown: usize,
    headlines: Vec<String>,
}

impl Tally {
    /// Sends figures to the report.
    fn take(&mut self, measures: Vec<Measure>) {
        for measure in measures {
            self.figures += 1;
            if let Some(metric) = measure.metric() {
                metric.report();
            }
            if let Some(finding) = measure.finding() {
                self.wrong += 1;
                finding.report();
            }
        }
    }

    fn summary(&self) -> String {
        let mut parts = self.headlines.clone();
        let figures = counted(self.figures, "figure");
        parts.push(match self.wrong {
            0 => format!("{figures}, none out of bounds"),
            wrong => format!("{figures}, {wrong} out of bounds"),
        });
        if self.unknown > 0 {
            parts.push(format!("{} not known", self.unknown));
        }
        parts.join(", ")
    }
}

/// Measures, asks, judges and tells.
#[task(
    summary = "holds figures of a machine, an application and a Prometheus server against their limits",
    slots = [MACHINE, PROCESSES, PROMETHEUS, APPLICATION, ENDPOINTS]
)]
async fn kpi_check(options: Options) -> Result<String> {
    let limits = limits(&options)?;
    let written = kpi::parse(&options.kpis).map_err(Failure::invalid)?;
    let ready = ready::figures(&options.ready, &written).map_err(Failure::invalid)?;
    let mut tally = Tally::default();
    if !written.is_empty() && bases(&PROMETHEUS)?.is_none() {
        return Err(Failure::invalid("kpis are asked of a Prometheus server: bind the slot `prometheus`"));
    }
    let machine = of_machine(&options, &limits.machine, &mut tally).await;
    // A source that fails keeps none of the others from being looked at.
    let others = [
        of_endpoints(&options, limits.latency, &mut tally).await,
        of_application(&options, &limits.application, &mut tally).await,
        of_prometheus(&options, &written, &ready, &mut tally).await,
    ];
    let unbound = machine?;
    others.into_iter().collect::<Result<()>>()?;
    if tally.sources == 0 {
        return Err(Failure::from(Error::Refused(format!(
            "nothing is bound to measure: one of the slots machine, prometheus, application and endpoints; {}",
            unbound.unwrap_or_default()
        ))));
    }
    Ok(tally.summary())
}

struct Limits {
    machine: machine::Limits,
    latency: Limit,
    application: exposition::Limits,
}

fn limits(options: &Options) -> Result<Limits> {
    let limit = |name: &str, warn: f64, critical: f64| {
        if critical < warn {
            return Err(Failure::invalid(format!("the critical limit of {name} comes before the one of a warning")));
        }
        Ok(Limit::above(warn, critical))
    };
    let milliseconds =
        |name: &str, warn: u32, critical: u32| limit(name, f64::from(warn) / 1000.0, f64::from(critical) / 1000.0);
    Ok(Limits {
        machine: machine::Limits {
            processor: limit("cpu", options.cpu_warning.into(), options.cpu_critical.into())?,
            memory: limit("memory", options.memory_warning.into(), options.memory_critical.into())?,
            disk: limit("disk", options.disk_warning.into(), options.disk_critical.into())?,
            busy: limit("io", options.io_warning.into(), options.io_critical.into())?,
        },
        latency: limit("latency", options.latency_warning_ms.into(), options.latency_critical_ms.into())?,
        application: exposition::Limits {
            response: milliseconds("response", options.response_warning_ms, options.response_critical_ms)?,
            errors: limit("error", options.error_warning, options.error_critical)?,
        },
    })
}

/// The machine's figures. What would bind it, when it is not bound.
async fn of_machine(options: &Options, limits: &machine::Limits, tally: &mut Tally) -> Result<Option<String>> {
    let machine = match MACHINE.measure(options.sample).await {
        Ok(machine) => machine,
        Err(system::Error::Refused(unbound)) => return Ok(Some(unbound)),
        Err(error) => return Err(error.into()),
    };
    tally.sources += 1;
    let measures = machine::measures(&machine, limits);
    tally.headlines.extend(measures.iter().take(2).map(Measure::line));
    let strained = measures.iter().take(2).any(|measure| measure.severity().is_some());
    let silent = machine::silent(&machine);
    tally.wrong += silent.len();
    tally.figures += silent.len();
    tally.take(measures);
    silent.into_iter().for_each(Finding::report);
    if strained {
        match PROCESSES.list_processes(Duration::from_secs(1), 20).await {
            Ok(processes) => machine::culprits(&processes, NAMED).report(),
            // An optional slot that is not bound.
            Err(system::Error::Refused(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// How long connecting takes.
async fn of_endpoints(options: &Options, limit: Limit, tally: &mut Tally) -> Result<()> {
    let Some(bases) = bases(&ENDPOINTS)? else { return Ok(()) };
    tally.sources += 1;
    for base in bases {
        let mut tries = Vec::new();
        for _ in 0..options.tries {
            match ENDPOINTS.head(&base).await {
                Ok(answer) => tries.push(Ok(answer.timing().connect)),
                Err(error @ (Error::Refused(_) | Error::OverBudget(_))) => return Err(error.into()),
                Err(error) => tries.push(Err(http::message(&error))),
            }
        }
        match latency::judge(&base, &tries, limit) {
            Ok(measure) => {
                tally.headlines.extend((tally.headlines.len() < 4).then(|| measure.line()));
                tally.take(vec![measure]);
            }
            Err(finding) => {
                tally.figures += 1;
                tally.wrong += 1;
                finding.report();
            }
        }
    }
    Ok(())
}

/// What an application says of itself.
async fn of_application(options: &Options, limits: &exposition::Limits, tally: &mut Tally) -> Result<()> {
    let Some(bases) = bases(&APPLICATION)? else { return Ok(()) };
    tally.sources += 1;
    for base in bases {
        let base = base.trim_end_matches('/');
        let path = options.metrics_path.trim_matches('/');
        let url = if base.ends_with(&format!("/{path}")) { base.to_owned() } else { format!("{base}/{path}") };
        let page =
            APPLICATION.get(&url).header("accept", "text/plain;version=0.0.4").await?.success()?.text(PAGE).await?;
        let Some(samples) = exposition::read(&page) else {
            tally.unknown += 1;
            Finding::warning(&url, "is no page of metrics")
                .detail("no line of it is a metric in Prometheus' text format")
                .remedy("set metrics-path to where the application shows them")
                .report();
            continue;
        };
        let measures = exposition::measures(&samples, base, now(), limits);
        if measures.is_empty() {
            let names = "http_requests_total, http_request_duration_seconds and their like";
            Finding::ok(&url, "no figure of requests").detail(format!("there are none of {names}")).report();
        }
        tally.take(measures);
        tally.take(exposition::shown(&samples, &options.show));
    }
    Ok(())
}

/// What a Prometheus server knows.
async fn of_prometheus(options: &Options, written: &[Kpi], ready: &[Kpi], tally: &mut Tally) -> Result<()> {
    if bases(&PROMETHEUS)?.is_none() {
        return Ok(());
    }
    tally.sources += 1;
    let mut absent = Vec::new();
    let all = written.len() + ready.len();
    for (index, kpi) in written.iter().chain(ready).enumerate() {
        progress(index as u64, Some(all as u64), &kpi.name);
        let came = ask(kpi).await?;
        let is_ready = index >= written.len();
        if came.unknown.is_some() {
            tally.unknown += 1;
        }
        if is_ready && came.measures.is_empty() {
            absent.push(format!("{}: {}", kpi.name, came.unknown.as_deref().unwrap_or_default()));
            continue;
        }
        let unknown_is = if is_ready { Severity::Ok } else { options.unknown };
        came.remarks(kpi, unknown_is).into_iter().for_each(Finding::report);
        tally.take(came.measures);
    }
    if !absent.is_empty() {
        Finding::ok("prometheus", "ready figures that are not known")
            .detail(absent.join("\n"))
            .remedy("ask for them by the names that they have here, with kpis, or leave their set out of ready")
            .report();
    }
    Ok(())
}

/// One question.
async fn ask(kpi: &Kpi) -> Result<answer::Came> {
    let url = format!("api/v1/query?{}", query(&[("query", &kpi.expression)]));
    let response = PROMETHEUS.get(url).await?;
    // What is wrong with the question comes with 400 or 422, and says so.
    let response = if matches!(response.status(), 400 | 422) { response } else { response.success()? };
    let answer: Envelope = response.json(ANSWER).await?;
    Ok(answer::read(kpi, &answer))
}

/// The addresses of a slot; none when it is not bound.
fn bases(slot: &http::Slot) -> Result<Option<Vec<String>>> {
    match slot.bases() {
        Ok(bases) => Ok(Some(bases)),
        Err(Error::Refused(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
