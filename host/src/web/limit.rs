//! How often somebody may fail to sign in. Pure: the time is passed in.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Failures that an address may have in a while.
const MOST: usize = 5;
const WHILE: Duration = Duration::from_mins(1);
/// Addresses that are remembered; of more, all are told to wait.
const ADDRESSES: usize = 10_000;

/// The failures of the last while.
#[derive(Debug, Default)]
pub(super) struct Limit(BTreeMap<IpAddr, Vec<Instant>>);

impl Limit {
    /// For how many seconds that address must wait.
    ///
    /// # Errors
    /// It must.
    pub(super) fn check(&mut self, address: IpAddr, now: Instant) -> Result<(), u64> {
        self.0.retain(|_, failures| {
            failures.retain(|failure| now.duration_since(*failure) < WHILE);
            !failures.is_empty()
        });
        let failures = self.0.get(&network(address));
        let oldest = failures.filter(|failures| failures.len() >= MOST).and_then(|failures| failures.first());
        match oldest {
            Some(oldest) => Err(WHILE.saturating_sub(now.duration_since(*oldest)).as_secs() + 1),
            None if failures.is_none() && self.0.len() >= ADDRESSES => Err(WHILE.as_secs()),
            None => Ok(()),
        }
    }

    /// It failed.
    pub(super) fn failed(&mut self, address: IpAddr, now: Instant) {
        let failures = self.0.entry(network(address)).or_default();
        if failures.len() < MOST {
            failures.push(now);
        }
    }
}

/// Whoever has one address of IPv6 has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into()),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_failures_a_minute_by_address() {
        let (mut limit, begun) = (Limit::default(), Instant::now());
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        for second in 0..5 {
            let now = begun + Duration::from_secs(second);
            assert_eq!(limit.check(address("192.0.2.1"), now), Ok(()));
            limit.failed(address("192.0.2.1"), now);
        }
        let now = begun + Duration::from_secs(10);
        assert_eq!(limit.check(address("192.0.2.1"), now), Err(51));
        assert_eq!(limit.check(address("::ffff:192.0.2.1"), now), Err(51));
        assert_eq!(limit.check(address("192.0.2.2"), now), Ok(()));
        assert_eq!(limit.check(address("192.0.2.1"), begun + WHILE), Ok(()));
        for host in 1..=5 {
            limit.failed(address(&format!("2001:db8::{host}")), now);
        }
        assert!(limit.check(address("2001:db8::ffff"), now).is_err());
        assert!(limit.check(address("2001:db8:0:1::1"), now).is_ok());
    }
}
