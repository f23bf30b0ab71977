//! Asks URLs as their users would, and says which of them do not answer, answer wrongly, slowly, or only at times.
//!
//! Times are the host's own measurements. It must never take an answer for a good one by its status alone where the
//! operator said what it contains, nor call a URL slow by a single try out of many.

mod expect;
mod judge;
mod place;

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use futures::future::join_all;
use taskhost_sdk::http::{Error, Response};
use taskhost_sdk::prelude::*;
use taskhost_sdk::words::counted;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use expect::{Content, Statuses};
use judge::{Answer, Limits, Try};

const ENDPOINTS: http::Slot = http::Slot::new("endpoints", "each URL is asked, to see whether it answers well");

/// The most bytes of a body that are looked at.
const LOOKED_AT: usize = 1 << 20;

/// What an operator may set.
#[derive(Parameters)]
struct Options {
    /// Paths to ask below each URL of the slot; the URLs themselves when there are none.
    #[parameter(default = "")]
    paths: Vec<String>,
    /// Statuses of a good answer, such as 200,204 or 2xx.
    #[parameter(default = "2xx")]
    expect: Vec<String>,
    /// A text that the answer contains.
    contains: Option<String>,
    /// A text that it does not contain.
    lacks: Option<String>,
    /// A regular expression that it matches; ^ and $ are a line's ends.
    matches: Option<String>,
    /// How often each is asked.
    #[parameter(default = 5, min = 1, max = 100)]
    tries: u32,
    /// Milliseconds between the tries.
    #[parameter(default = 100, min = 0, max = 60_000)]
    pause_ms: u32,
    /// How long one try may take.
    #[parameter(default = "10s", min = "1s", max = "10m")]
    timeout: Duration,
    /// Follow redirects, as far as they are granted.
    #[parameter(default = false)]
    follow: bool,
    /// The times are judged by this percentile.
    #[parameter(default = 95, min = 1, max = 100)]
    percentile: u32,
    /// A warning when it is more milliseconds.
    #[parameter(default = 500, min = 1, max = 600_000)]
    warn_ms: u32,
    /// Critical when it is more.
    #[parameter(default = 2000, min = 1, max = 600_000)]
    critical_ms: u32,
    /// A warning when a certificate expires within so many days.
    #[parameter(default = 21, min = 0, max = 3650)]
    warn_days: i64,
    /// Critical when it does within so many.
    #[parameter(default = 7, min = 0, max = 3650)]
    critical_days: i64,
}

/// Asks, judges and tells.
#[task(summary = "asks URLs, and says which do not answer well or in time", slots = [ENDPOINTS])]
async fn endpoint_health(options: Options) -> Result<String> {
    if options.critical_ms < options.warn_ms || options.critical_days > options.warn_days {
        return Err(Failure::invalid("critical-ms is at least warn-ms, and critical-days at most warn-days"));
    }
    let statuses = Statuses::parse(&options.expect).map_err(Failure::invalid)?;
    let content = Content::new(options.contains.clone(), options.lacks.clone(), options.matches.clone());
    let content = content.map_err(Failure::invalid)?;
    let urls = place::urls(&ENDPOINTS.bases()?, &options.paths).map_err(Failure::invalid)?;

    let mut tries: Vec<Vec<Try>> = vec![vec![]; urls.len()];
    for round in 0..options.tries {
        if round > 0 {
            std::thread::sleep(Duration::from_millis(options.pause_ms.into()));
        }
        progress(round.into(), Some(options.tries.into()), "asking");
        // All at once: one that does not answer holds up no other.
        let answers = join_all(urls.iter().map(|url| ask(url, &options, &content))).await;
        for (tries, answer) in tries.iter_mut().zip(answers) {
            tries.push(answer?);
        }
    }

    let limits = Limits {
        statuses,
        percentile: options.percentile,
        warn_ms: options.warn_ms.into(),
        critical_ms: options.critical_ms.into(),
        warn_days: options.warn_days,
        critical_days: options.critical_days,
        now: now(),
    };
    let (mut up, mut well) = (0, 0);
    for (url, tries) in urls.iter().zip(&tries) {
        let verdict = judge::judge(url, tries, &limits);
        up += usize::from(verdict.up);
        well += usize::from(verdict.findings.is_empty());
        verdict.metrics.into_iter().for_each(Metric::report);
        verdict.findings.into_iter().for_each(Finding::report);
    }
    let asked = counted(urls.len(), "URL");
    Ok(if well == urls.len() {
        format!("{asked} answer as they should")
    } else {
        format!("{asked}: {up} answer, {well} as they should")
    })
}

/// One try. What the grant or a budget refuses ends the run; what is wrong with the server is an answer.
async fn ask(url: &str, options: &Options, content: &Content) -> Result<Try> {
    let request = || ENDPOINTS.get(url).timeout(options.timeout);
    let sent = if options.follow { request().follow().await } else { request().await };
    let response = match sent {
        Ok(response) => response,
        // Refused on the way, it is the redirect that is not granted; refused without it, it is the URL.
        Err(Error::Refused(reason)) if options.follow => {
            let alone = request().await?;
            return Ok(Try::Missed("redirects to what is not granted", format!("{} ({reason})", alone.status_line())));
        }
        Err(error) => return missed(error),
    };
    let mut answer = Answer {
        status: response.status(),
        status_line: response.status_line(),
        location: response.header("location").map(Into::into),
        not_after: response.certificate().and_then(not_after),
        ..Answer::default()
    };
    let timing = response.timing();
    let began = Instant::now();
    let body = match read(response).await {
        Ok(body) => body,
        Err(error) => return missed(error),
    };
    answer.body = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    (answer.resolve, answer.connect, answer.tls, answer.wait) =
        (timing.resolve, timing.connect, timing.tls, timing.wait);
    answer.total = timing.total.saturating_add(answer.body);
    if content.is_any() {
        answer.wrong = content.wrong(&String::from_utf8_lossy(&body));
    }
    Ok(Try::Answered(answer))
}

/// The whole body is read, and its beginning kept.
async fn read(response: Response) -> Result<Vec<u8>, Error> {
    let (mut stream, mut buffer, mut body) = (response.stream(), Vec::new(), Vec::new());
    while let Some(bytes) = stream.next(buffer).await? {
        let room = LOOKED_AT.saturating_sub(body.len()).min(bytes.len());
        body.extend_from_slice(bytes.get(..room).unwrap_or_default());
        buffer = bytes;
    }
    Ok(body)
}

fn missed(error: Error) -> Result<Try> {
    let reason = http::message(&error);
    Ok(Try::Missed(
        match error {
            Error::Refused(_) | Error::OverBudget(_) | Error::Invalid(_) => return Err(error.into()),
            Error::Unavailable(_) => "down",
            Error::TimedOut(_) => "times out",
            Error::Tls(_) => "TLS fails",
            Error::TooLarge(_) => "answers too much",
            Error::Protocol(_) => "speaks no HTTP",
        },
        reason,
    ))
}

/// When a certificate expires, in seconds since 1970.
fn not_after(der: &[u8]) -> Option<i64> {
    X509Certificate::from_der(der).ok().map(|(_, certificate)| certificate.validity().not_after.timestamp())
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
