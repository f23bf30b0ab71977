//! Who is connected to a database, and what of it should not be: transactions that nobody ends, sessions that others wait
//! for, superusers, addresses that are not known, and how many connections are left.
//!
//! It reads what the server says of its sessions. It must never show a statement: it may hold what is secret.

mod judge;
mod sessions;

use taskhost_sdk::prelude::*;
use taskhost_sdk::words::counted;

use judge::{Limits, Network};

const DATABASE: sql::Slot = sql::Slot::new("database", "reads the server's list of sessions").read();

/// What an operator may set.
#[derive(Parameters)]
struct Options {
    /// A warning when a transaction does nothing for longer; ten times as long is critical.
    #[parameter(default = "5m", min = "1s", max = "52w")]
    idle_in_transaction: Duration,
    /// A warning when a statement runs for longer.
    #[parameter(default = "1h", min = "1s", max = "52w")]
    long_statement: Duration,
    /// A warning when others wait for a session's locks for longer.
    #[parameter(default = "30s", min = "0s", max = "52w")]
    blocking: Duration,
    /// A warning when so many per cent of the connections are taken.
    #[parameter(default = 80, min = 1, max = 100)]
    connections_percent: u32,
    /// Critical when so many are.
    #[parameter(default = 95, min = 1, max = 100)]
    connections_critical: u32,
    /// Networks that sessions may come from, such as `10.0.0.0/8`; none means any.
    #[parameter(default = "")]
    networks: Vec<String>,
    /// Superusers that may be connected.
    #[parameter(default = "")]
    superusers: Vec<String>,
}

/// Reads and judges.
#[task(summary = "says who is connected, who waits for whom, and what should not be", slots = [DATABASE])]
async fn session_review(options: Options) -> Result<String> {
    let networks: Vec<Network> = options.networks.iter().map(|text| Network::parse(text)).collect::<Result<_>>()?;
    let database = DATABASE.open()?;
    let server = database.server().await?;
    let Some(review) = sessions::read(&database, server.dialect).await? else {
        return Ok("a SQLite file has no sessions".into());
    };
    let limits = Limits {
        idle: options.idle_in_transaction.as_secs(),
        statement: options.long_statement.as_secs(),
        blocking: options.blocking.as_secs(),
        warn_percent: f64::from(options.connections_percent),
        critical_percent: f64::from(options.connections_critical),
        networks,
        superusers: options.superusers,
    };
    let taken = f64::from(review.taken);
    let most = f64::from(review.most);
    Metric::new("connections", taken)
        .warn_above(most * limits.warn_percent / 100.0)
        .crit_above(most * limits.critical_percent / 100.0)
        .report();
    Metric::new("connections_most", most).report();
    if let Some(grant) = &review.hidden {
        Finding::warning("sessions", "what others do is hidden from this role").remedy(grant.clone()).report();
    }
    for finding in judge::all(&review, &limits) {
        finding.report();
    }
    let waiting = review.sessions.iter().filter(|session| !session.blocked_by.is_empty()).count();
    Metric::new("sessions_blocked", judge::figure(waiting)).report();
    Ok(format!(
        "{} of {} connections, {waiting} of them wait for another",
        counted(review.taken, "session"),
        review.most
    ))
}
