//! What of the sessions should not be. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;

use taskhost_sdk::prelude::*;
use taskhost_sdk::words::{counted, span};

use crate::sessions::{Review, Session};

/// From where something is said.
pub(crate) struct Limits {
    /// Seconds.
    pub(crate) idle: u64,
    pub(crate) statement: u64,
    pub(crate) blocking: u64,
    pub(crate) warn_percent: f64,
    pub(crate) critical_percent: f64,
    pub(crate) networks: Vec<Network>,
    pub(crate) superusers: Vec<String>,
}

/// Addresses that begin alike.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Network {
    address: IpAddr,
    length: u32,
}

impl Network {
    /// Reads `10.0.0.0/8`, or one address.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let (address, length) = text.split_once('/').unwrap_or((text, ""));
        let Ok(address) = address.parse::<IpAddr>() else {
            bail!("networks: `{text}` is no network; write it like 10.0.0.0/8");
        };
        let most = if address.is_ipv4() { 32 } else { 128 };
        match if length.is_empty() { Ok(most) } else { length.parse::<u32>() } {
            Ok(length) if length <= most => Ok(Self { address, length }),
            _ => bail!("networks: `{text}` has no length from 0 to {most}"),
        }
    }

    fn holds(&self, address: IpAddr) -> bool {
        let bits = |address: IpAddr| match address {
            IpAddr::V4(address) => (u128::from(u32::from(address)) << 96, 32),
            IpAddr::V6(address) => (u128::from(address), 128),
        };
        let ((own, family), (other, others)) = (bits(self.address), bits(address));
        family == others && (self.length == 0 || (own ^ other) >> (128 - self.length) == 0)
    }
}

/// Every finding.
pub(crate) fn all(review: &Review, limits: &Limits) -> Vec<Finding> {
    let mut findings = room(review, limits);
    findings.extend(review.sessions.iter().filter_map(|session| idle(session, limits)));
    findings.extend(review.sessions.iter().filter_map(|session| long(session, limits)));
    findings.extend(blocking(review, limits));
    findings.extend(superusers(review, limits));
    findings.extend(strangers(review, limits));
    findings
}

fn room(review: &Review, limits: &Limits) -> Vec<Finding> {
    let percent = f64::from(review.taken) * 100.0 / f64::from(review.most.max(1));
    let finding = if percent >= limits.critical_percent {
        Finding::critical
    } else if percent >= limits.warn_percent {
        Finding::warning
    } else {
        return vec![];
    };
    let detail = format!("{} of {} are taken ({percent:.0} %)", review.taken, review.most);
    vec![finding("connections", "few are left").detail(detail).remedy("use a pool, or raise max_connections")]
}

fn idle(session: &Session, limits: &Limits) -> Option<Finding> {
    let seconds = session.idle.filter(|seconds| *seconds >= limits.idle)?;
    let finding = if seconds >= limits.idle.saturating_mul(10) { Finding::critical } else { Finding::warning };
    let detail = format!(
        "{} does nothing for {}; it keeps locks, and dead rows from being removed",
        who(session),
        span(seconds)
    );
    Some(finding(&session.user, "a transaction is open and idle").detail(detail).remedy(
        "end it, or set idle_in_transaction_session_timeout (PostgreSQL) or idle_transaction_timeout (MariaDB)",
    ))
}

fn long(session: &Session, limits: &Limits) -> Option<Finding> {
    // One that waits is told by whom it waits for.
    let seconds = session.running.filter(|seconds| *seconds >= limits.statement && session.waiting.is_none())?;
    let detail = format!("{} for {}", who(session), span(seconds));
    Some(Finding::warning(&session.user, "a statement runs long").detail(detail))
}

/// Those for whom others wait, each once, with how many do.
fn blocking(review: &Review, limits: &Limits) -> Vec<Finding> {
    let mut held: BTreeMap<i64, (usize, u64)> = BTreeMap::new();
    for session in &review.sessions {
        let waited = session.waiting.unwrap_or_default();
        for holder in session.blocked_by.iter().filter(|_| waited >= limits.blocking) {
            let (count, longest) = held.entry(*holder).or_default();
            *count += 1;
            *longest = (*longest).max(waited);
        }
    }
    let finding = |(id, (count, longest)): (i64, (usize, u64))| {
        let holder = review.sessions.iter().find(|session| session.id == id);
        let (user, who) =
            holder.map_or_else(|| ("?", format!("session {id}")), |holder| (holder.user.as_str(), who(holder)));
        let waits = format!("{} for it, {} the longest", counted(count as u64, "session waits"), span(longest));
        Finding::warning(user, "others wait for its locks").detail(format!("{who}: {waits}"))
    };
    held.into_iter().map(finding).collect()
}

fn superusers(review: &Review, limits: &Limits) -> Vec<Finding> {
    let mut found: BTreeMap<&str, Vec<&Session>> = BTreeMap::new();
    for session in &review.sessions {
        if session.superuser && !limits.superusers.contains(&session.user) {
            found.entry(&session.user).or_default().push(session);
        }
    }
    let finding = |(user, sessions): (&str, Vec<&Session>)| {
        let who: Vec<String> = sessions.iter().take(5).map(|session| who(session)).collect();
        Finding::warning(user, "a superuser is connected")
            .detail(who.join("; "))
            .remedy("give the application a role of its own, or name it in `superusers`")
    };
    found.into_iter().map(finding).collect()
}

fn strangers(review: &Review, limits: &Limits) -> Vec<Finding> {
    if limits.networks.is_empty() {
        return vec![];
    }
    let strange = |session: &&Session| {
        let Some(address) = &session.address else { return false };
        // A name that the server resolved is in no network.
        address.parse().map_or(true, |address| !limits.networks.iter().any(|network| network.holds(address)))
    };
    let finding = |session: &Session| {
        Finding::critical(&session.user, "it comes from an address that is not known").detail(who(session))
    };
    review.sessions.iter().filter(strange).map(finding).collect()
}

/// A session for people.
fn who(session: &Session) -> String {
    let application =
        if session.application.is_empty() { String::new() } else { format!(" ({})", session.application) };
    let from = session.address.as_ref().map(|address| format!(" from {address}")).unwrap_or_default();
    format!("session {} of {}{application}{from}", session.id, session.user)
}

#[expect(clippy::cast_precision_loss, reason = "a count of sessions")]
pub(crate) fn figure(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            idle: 300,
            statement: 3600,
            blocking: 30,
            warn_percent: 80.0,
            critical_percent: 95.0,
            networks: vec![],
            superusers: vec!["postgres".into()],
        }
    }

    fn session(user: &str) -> Session {
        Session { id: 7, user: user.into(), ..Session::default() }
    }

    fn titles(sessions: Vec<Session>, limits: &Limits) -> Vec<String> {
        let review = Review { sessions, taken: 1, most: 100, hidden: None };
        all(&review, limits).iter().map(|finding| format!("{:?} {}", finding.severity(), finding.title())).collect()
    }

    #[test]
    fn what_lasts_too_long_is_said() {
        for (session, expected) in [
            (Session { idle: Some(299), ..session("app") }, vec![]),
            (Session { idle: Some(300), ..session("app") }, vec!["Severity::Warning a transaction is open and idle"]),
            (Session { idle: Some(3000), ..session("app") }, vec!["Severity::Critical a transaction is open and idle"]),
            (Session { running: Some(3600), ..session("app") }, vec!["Severity::Warning a statement runs long"]),
            (Session { running: Some(3600), waiting: Some(9), ..session("app") }, vec![]),
            (Session { superuser: true, ..session("root") }, vec!["Severity::Warning a superuser is connected"]),
            (Session { superuser: true, ..session("postgres") }, vec![]),
        ] {
            assert_eq!(titles(vec![session.clone()], &limits()), expected, "{session:?}");
        }
    }

    #[test]
    fn whoever_blocks_is_said_once() {
        let waits = |id| Session { id, waiting: Some(60), blocked_by: vec![7], ..session("web") };
        let brief = Session { id: 9, waiting: Some(5), blocked_by: vec![8], ..session("web") };
        let found = titles(vec![session("app"), waits(1), waits(2), brief], &limits());
        assert_eq!(found, ["Severity::Warning others wait for its locks"]);
    }

    #[test]
    fn connections_run_short() {
        for (taken, expected) in [(79, 0), (80, 1), (95, 1)] {
            let review = Review { sessions: vec![], taken, most: 100, hidden: None };
            assert_eq!(all(&review, &limits()).len(), expected, "{taken}");
        }
    }

    #[test]
    fn an_address_is_in_a_network_or_strange() {
        let network = |text: &str| Network::parse(text).unwrap();
        for (text, address, holds) in [
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("192.168.1.7", "192.168.1.7", true),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("0.0.0.0/0", "::1", false),
            ("2001:db8::/32", "2001:db8::1", true),
        ] {
            assert_eq!(network(text).holds(address.parse().unwrap()), holds, "{text} {address}");
        }
        for text in ["", "10.0.0.0/33", "x/8", "10.0.0.0/x"] {
            assert!(Network::parse(text).is_err(), "{text}");
        }
        let limits = Limits { networks: vec![network("10.0.0.0/8")], ..limits() };
        let from = |address: &str| Session { address: Some(address.into()), ..session("app") };
        assert_eq!(titles(vec![from("10.0.0.1"), session("app")], &limits), Vec::<String>::new());
        assert_eq!(titles(vec![from("8.8.8.8"), from("db.example.org")], &limits).len(), 2);
    }
}
