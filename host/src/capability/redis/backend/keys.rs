//! Values, and what changes keys.

use std::collections::BTreeSet;

use redis::Value;

use super::super::bindings::{ExpireWhen, Node};
use super::super::error::Error;
use super::super::info;
use super::pool::Lease;
use super::{CHUNK, reply};

/// Bytes that the values of one `get` may have together.
const GET_LIMIT: u64 = 64 << 20;
/// Bytes that the reply to a `command` may have. Taken apart it is many times as large.
const REPLY_LIMIT: u64 = 16 << 20;
/// What a bulk has around it.
const AROUND: u64 = 32;

/// The values of strings, in the order of their keys.
pub(in super::super) async fn get(lease: &mut Lease, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, Error> {
    let mut values = Vec::with_capacity(keys.len());
    let mut total = 0;
    for chunk in keys.chunks(CHUNK) {
        // What is no string has no length here, and no value below.
        let lengths: Vec<_> = chunk.iter().map(|key| reply::command_with(&["STRLEN"], &[key])).collect();
        for length in lease.ask(&lengths).await? {
            match reply::good(length) {
                Ok(length) => {
                    total += reply::number(&length).and_then(|length| u64::try_from(length).ok()).unwrap_or(0);
                }
                Err(Error::Server { code, .. }) if code == "WRONGTYPE" => {}
                Err(error) => return Err(error),
            }
        }
        if total > GET_LIMIT {
            return Err(Error::Invalid("the values of one call come to more than 64 MiB; ask for fewer".into()));
        }
        let limit = GET_LIMIT + AROUND * (chunk.len() as u64 + 1);
        let reply = lease.run(&[reply::command_with(&["MGET"], chunk)], limit).await?.pop().unwrap_or(Value::Nil);
        let found = reply::items(reply::good(reply)?).filter(|found| found.len() == chunk.len());
        values.extend(found.ok_or_else(|| reply::strange("MGET"))?.into_iter().map(reply::bytes));
    }
    Ok(values)
}

/// A key that is there, and the memory it takes, where the server tells.
pub(in super::super) struct Present {
    pub(in super::super) key: Vec<u8>,
    pub(in super::super) bytes: u64,
}

/// Those of `keys` that are there, each once.
pub(in super::super) async fn present(lease: &mut Lease, keys: Vec<Vec<u8>>) -> Result<Vec<Present>, Error> {
    let keys = each_once(keys);
    let mut there = Vec::new();
    for chunk in keys.chunks(CHUNK) {
        let asked: Vec<_> = chunk
            .iter()
            .flat_map(|key| {
                [reply::command_with(&["EXISTS"], &[key]), reply::command_with(&["MEMORY", "USAGE"], &[key])]
            })
            .collect();
        let mut replies = lease.ask(&asked).await?.into_iter();
        for key in chunk {
            let exists = reply::good(replies.next().unwrap_or(Value::Nil))?;
            // The ACL may not let it be asked.
            let bytes =
                replies.next().and_then(|memory| reply::good(memory).ok()).and_then(|memory| reply::number(&memory));
            if reply::number(&exists) == Some(1) {
                let bytes = bytes.and_then(|bytes| bytes.try_into().ok()).unwrap_or(0);
                there.push(Present { key: key.clone(), bytes });
            }
        }
    }
    Ok(there)
}

fn each_once(mut keys: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut seen = BTreeSet::new();
    keys.retain(|key| seen.insert(key.clone()));
    keys
}

/// Removes keys, and gives how many there were.
pub(in super::super) async fn unlink(lease: &mut Lease, keys: &[Present]) -> Result<u64, Error> {
    let mut removed = 0;
    for chunk in keys.chunks(CHUNK) {
        let keys: Vec<_> = chunk.iter().map(|present| &present.key).collect();
        let reply = lease.ask(&[reply::command_with(&["UNLINK"], &keys)]).await?.pop().unwrap_or(Value::Nil);
        let count = reply::number(&reply::good(reply)?).ok_or_else(|| reply::strange("UNLINK"))?;
        removed += u64::try_from(count).unwrap_or(0);
    }
    Ok(removed)
}

/// When keys are to end, and on what condition.
#[derive(Clone, Copy)]
pub(in super::super) struct Expiry {
    pub(in super::super) milliseconds: u64,
    pub(in super::super) when: ExpireWhen,
}

/// The latest that makes sense to a server: some thirty thousand years.
const LATEST: u64 = 1_000_000_000_000_000;

impl Expiry {
    pub(in super::super) fn check(self) -> Result<Self, Error> {
        match self.milliseconds {
            0 => Err(Error::Invalid("to end a key at once, use unlink".into())),
            1..=LATEST => Ok(self),
            _ => Err(Error::Invalid(format!("{} ms are too many; at most {LATEST}", self.milliseconds))),
        }
    }

    fn condition(self) -> Option<&'static str> {
        match self.when {
            ExpireWhen::Always => None,
            ExpireWhen::NoExpiry => Some("NX"),
            ExpireWhen::HasExpiry => Some("XX"),
            ExpireWhen::Later => Some("GT"),
            ExpireWhen::Earlier => Some("LT"),
        }
    }

    /// Whether it is set for a key that has so many milliseconds left, none meaning that it has no end.
    fn is_met(self, left: Option<u64>) -> bool {
        match (self.when, left) {
            (ExpireWhen::Always, _)
            | (ExpireWhen::NoExpiry | ExpireWhen::Earlier, None)
            | (ExpireWhen::HasExpiry, Some(_)) => true,
            (ExpireWhen::Later, Some(left)) => self.milliseconds > left,
            (ExpireWhen::Earlier, Some(left)) => self.milliseconds < left,
            (ExpireWhen::NoExpiry, Some(_)) | (ExpireWhen::HasExpiry | ExpireWhen::Later, None) => false,
        }
    }
}

/// Those of `keys` that are there and meet the condition, each once.
pub(in super::super) async fn expirable(
    lease: &mut Lease,
    keys: Vec<Vec<u8>>,
    expiry: Expiry,
) -> Result<Vec<Vec<u8>>, Error> {
    if expiry.condition().is_some() {
        let fields = info::parse(&reply::text(&lease.ask_one(&["INFO", "server"]).await?).unwrap_or_default());
        let server = info::server(&fields, 0);
        if server.version_number < 70_000 {
            return Err(Error::Unsupported(format!(
                "a condition for expire takes Redis 7; this is {}",
                server.version
            )));
        }
    }
    let mut met = Vec::new();
    for chunk in each_once(keys).chunks(CHUNK) {
        let asked: Vec<_> = chunk.iter().map(|key| reply::command_with(&["PTTL"], &[key])).collect();
        for (key, left) in chunk.iter().zip(lease.ask(&asked).await?) {
            match reply::number(&reply::good(left)?) {
                Some(-1) if expiry.is_met(None) => met.push(key.clone()),
                Some(left @ 0..) if expiry.is_met(left.try_into().ok()) => met.push(key.clone()),
                _ => {}
            }
        }
    }
    Ok(met)
}

/// Sets when keys end, and gives how many it was set for.
pub(in super::super) async fn expire(lease: &mut Lease, keys: &[Vec<u8>], expiry: Expiry) -> Result<u64, Error> {
    let mut set = 0;
    for chunk in keys.chunks(CHUNK) {
        let one = |key| {
            let mut command = reply::command_with(&["PEXPIRE"], &[key]);
            command.arg(expiry.milliseconds).arg(expiry.condition());
            command
        };
        for reply in lease.ask(&chunk.iter().map(one).collect::<Vec<_>>()).await? {
            set += u64::from(reply::number(&reply::good(reply)?) == Some(1));
        }
    }
    Ok(set)
}

/// The keys among the arguments of a command, by the server; none where it cannot tell.
pub(in super::super) async fn command_keys(
    lease: &mut Lease,
    arguments: &[Vec<u8>],
) -> Result<Option<Vec<Vec<u8>>>, Error> {
    let asked = reply::command_with(&["COMMAND", "GETKEYS"], arguments);
    match reply::good(lease.ask(&[asked]).await?.pop().unwrap_or(Value::Nil)) {
        Ok(reply) => Ok(reply::items(reply).and_then(|keys| keys.into_iter().map(reply::bytes).collect())),
        Err(Error::Server { message, .. }) if message.contains("no key arguments") => Ok(Some(vec![])),
        Err(Error::Server { code, .. }) if code == "ERR" => Ok(None),
        Err(error) => Err(error),
    }
}

/// Sends a command and gives its reply in pre-order.
pub(in super::super) async fn run(lease: &mut Lease, arguments: &[Vec<u8>]) -> Result<Vec<Node>, Error> {
    let reply = lease.run(&[reply::command(arguments)], REPLY_LIMIT).await?.pop().unwrap_or(Value::Nil);
    Ok(reply::nodes(reply::good(reply)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rehearsal_sets_an_end_where_the_server_would() {
        use ExpireWhen::{Always, Earlier, HasExpiry, Later, NoExpiry};
        for (when, left, met) in [
            (Always, None, true),
            (Always, Some(5), true),
            (NoExpiry, None, true),
            (NoExpiry, Some(5), false),
            (HasExpiry, None, false),
            (HasExpiry, Some(5), true),
            (Later, None, false),
            (Later, Some(999), true),
            (Later, Some(1_000), false),
            (Earlier, None, true),
            (Earlier, Some(1_001), true),
            (Earlier, Some(1_000), false),
        ] {
            assert_eq!(Expiry { milliseconds: 1_000, when }.is_met(left), met, "{when:?} {left:?}");
        }
    }

    #[test]
    fn an_end_that_is_none_is_refused() {
        let check = |milliseconds| Expiry { milliseconds, when: ExpireWhen::Always }.check().is_ok();
        assert!(check(1) && check(LATEST) && !check(0) && !check(LATEST + 1) && !check(u64::MAX));
    }

    #[test]
    fn a_key_that_is_named_twice_counts_once() {
        let keys = ["b", "a", "b"].map(|key| key.as_bytes().to_vec()).to_vec();
        assert_eq!(each_once(keys), [b"b".to_vec(), b"a".to_vec()]);
    }
}
