//! The plugin's way to the host: parameters and slots in, findings and metrics out.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use certificates::container;
use certificates::words::date;
use taskhost_sdk::files::{Directory, Filter, Kind};
use taskhost_sdk::prelude::*;
use taskhost_sdk::report::{self, next_action_on};
use taskhost_sdk::tls::Endpoint;

use crate::checks::{DAY, Settings};
use crate::finding;
use crate::survey::{Survey, has_extension, list, password_file};

const CERTS: files::Slot = files::Slot::new(
    "certs",
    "the directory with certificates; private keys beside them are read to see whether they match",
)
.read()
.optional();

const ENDPOINTS: tls::Slot =
    tls::Slot::new("endpoints", "the servers whose certificates to look at").connect().optional();

/// Files read in one call of the host.
const BATCH: usize = 256;
/// Nothing larger is a file of certificates.
const FILE_LIMIT: u64 = 4 << 20;
/// Nothing larger is a password.
const PASSWORD_LIMIT: u64 = 4 << 10;
/// Certificates with a metric of their own.
const METRICS: usize = 100;
/// Certificates with a next action of their own.
const ACTIONS: usize = 20;
/// Private keys and passwords, to hold against certificates.
const COMPANIONS: [&str; 2] = ["*.key", "*.password"];

#[derive(Parameters)]
struct Options {
    /// A certificate that expires within so many days is a warning.
    #[parameter(default = 30, min = 0, max = 36_500)]
    warn_days: i64,
    /// And within so many it is critical.
    #[parameter(default = 7, min = 0, max = 36_500)]
    critical_days: i64,
    /// Names of the files to read.
    #[parameter(default = "*.pem,*.crt,*.cer,*.der,*.p12,*.pfx")]
    pattern: Vec<String>,
    /// Paths or names to leave out, as in archive/**.
    #[parameter(default = "")]
    exclude: Vec<String>,
    /// A host that every server's certificate in the files, and at an address, must be valid for.
    host_name: Option<String>,
    /// Warn of a certificate whose issuer's is in none of the files.
    #[parameter(default = true)]
    require_issuer: bool,
}

#[task(
    summary = "checks certificates in files and at endpoints: expiry, chain, names, keys",
    slots = [CERTS, ENDPOINTS]
)]
async fn cert_check(options: Options) -> Result<String> {
    let (warn, critical) = (options.warn_days, options.critical_days);
    if critical > warn {
        return Err(Failure::invalid(format!(
            "critical-days={critical} is more than warn-days={warn}; it must not be"
        )));
    }
    let directory = match CERTS.open() {
        Ok(directory) => Some(directory),
        Err(files::Error::Refused(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let endpoints = match ENDPOINTS.endpoints() {
        Ok(endpoints) => endpoints,
        Err(tls::Error::Refused(_)) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    if directory.is_none() && endpoints.is_empty() {
        return Err(Failure::invalid(
            "there is nothing to check; add --files certs=DIRECTORY, or --tls endpoints=HOST:PORT with a host that is \
             no pattern",
        ));
    }
    let settings = Settings {
        warn_days: warn,
        critical_days: critical,
        host_name: options.host_name.clone(),
        require_issuer: options.require_issuer,
    };
    let mut survey = Survey::new(settings, now());
    if let Some(directory) = directory {
        check_files(&directory, &options, &mut survey).await?;
    }
    check_endpoints(&endpoints, options.host_name.as_deref(), &mut survey).await?;
    tell(survey.finish());
    conclude(&mut survey, warn, critical);
    Ok(survey.summary())
}

async fn check_files(directory: &Directory, options: &Options, survey: &mut Survey) -> Result<()> {
    let filter = Filter {
        include: options.pattern.iter().cloned().chain(COMPANIONS.map(Into::into)).collect(),
        exclude: options.exclude.clone(),
        // Certificates are often kept as links to the one that is current.
        kinds: vec![Kind::File, Kind::Symlink],
        ..Filter::default()
    };
    let (entries, walked) = directory.entries(filter).await?.collect().await?;
    if walked.problem_count > 0 {
        let problems: Vec<_> =
            walked.problems.iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect();
        let reason = format!("{} entries could not be looked at: {}", walked.problem_count, list(&problems));
        tell(survey.unread(".", &reason));
    }
    // A walk is in no order; what is found should be the same each time.
    let mut links = BTreeSet::new();
    let (mut paths, mut passwords) = (Vec::new(), BTreeSet::new());
    for entry in entries {
        if matches!(entry.kind, Kind::Symlink) {
            links.insert(entry.path.clone());
        }
        if has_extension(&entry.path, "password") {
            passwords.insert(entry.path);
        } else {
            paths.push(entry.path);
        }
    }
    paths.sort_unstable();
    for (number, batch) in paths.chunks(BATCH).enumerate() {
        progress((number * BATCH) as u64, Some(paths.len() as u64), "reading certificates");
        let read = directory.read_all(batch.to_vec(), FILE_LIMIT).await;
        for (path, bytes) in batch.iter().zip(read) {
            let link = links.contains(path);
            match bytes {
                Ok(bytes) => {
                    let password = password(directory, path, &passwords).await;
                    tell(survey.file(path, container::read(&bytes, password.as_slice())));
                }
                // Gone since the walk.
                Err(files::Error::NotFound(_)) if !link => {}
                // A link to a directory: what is in it is found where it is.
                Err(files::Error::WrongKind(_)) if link => {}
                Err(files::Error::Refused(_)) if link => survey.outside(path),
                Err(error @ files::Error::OverBudget(_)) => return Err(error.into()),
                Err(error) => tell(survey.unread(path, &files::message(&error))),
            }
        }
    }
    Ok(())
}

/// The password that lies beside a PKCS#12 file.
async fn password(directory: &Directory, path: &str, passwords: &BTreeSet<String>) -> Option<String> {
    let file = passwords.get(&password_file(path))?;
    let bytes = directory.read_small(file, PASSWORD_LIMIT).await.ok()?;
    String::from_utf8(bytes).ok()?.lines().next().map(Into::into)
}

async fn check_endpoints(endpoints: &[Endpoint], host_name: Option<&str>, survey: &mut Survey) -> Result<()> {
    // An address stands for any of the hosts behind it; the operator says for which.
    let name = |endpoint: &Endpoint| host_name.filter(|_| endpoint.host.parse::<IpAddr>().is_ok());
    // All at once: one that does not answer holds up no other.
    let handshakes = endpoints.iter().map(|endpoint| ENDPOINTS.handshake(endpoint, name(endpoint)));
    for (endpoint, handshake) in endpoints.iter().zip(futures::future::join_all(handshakes).await) {
        let subject = endpoint.to_string();
        match handshake {
            Ok(seen) => {
                let host = name(endpoint).unwrap_or(&endpoint.host);
                let trusted = seen.trusted.as_ref().copied().map_err(String::as_str);
                tell(survey.endpoint(&subject, host, &seen.chain, trusted));
            }
            Err(error @ tls::Error::OverBudget(_)) => return Err(error.into()),
            Err(error) => {
                let message = tls::message(&error);
                // The finding names the endpoint already.
                let reason = message.strip_prefix(&format!("{subject}: ")).unwrap_or(&message);
                tell(survey.unreachable(&subject, reason));
            }
        }
    }
    Ok(())
}

fn tell(findings: Vec<finding::Finding>) {
    for finding in findings {
        let severity = match finding.severity {
            finding::Severity::Warning => report::Severity::Warning,
            finding::Severity::Critical => report::Severity::Critical,
        };
        Finding::new(severity, finding.subject, finding.title).detail(finding.detail).remedy(finding.remedy).report();
    }
}

/// Figures and next actions.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn conclude(survey: &mut Survey, warn: i64, critical: i64) {
    let now = now();
    let days = |name: &str, left: f64| {
        Metric::new(name, left).unit(Unit::Days).warn_below(warn as f64).crit_below(critical as f64)
    };
    let (files, endpoints) = survey.counts();
    for (name, number) in [("certificate_files", files), ("certificate_endpoints", endpoints)] {
        if number > 0 {
            Metric::new(name, number as f64).report();
        }
    }
    let soonest = survey.soonest(METRICS);
    if let Some(first) = soonest.first() {
        days("certificate_days_left_lowest", first.days_left(now)).report();
    }
    for expiry in soonest {
        days("certificate_days_left", expiry.days_left(now)).subject(&expiry.subject).report();
    }
    for expiry in soonest.iter().filter(|expiry| expiry.not_after < now + warn * DAY).take(ACTIONS) {
        let day = date(expiry.not_after);
        if expiry.not_after < now {
            next_action_on(&expiry.subject, format!("renew or remove the certificate that expired on {day}"));
        } else {
            next_action_on(&expiry.subject, format!("renew the certificate before {day}"));
        }
    }
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
