//! What there is to know about a key, asked for many keys in one round trip.

use redis::{Cmd, Value};

use super::super::bindings::{Entry, Expiry, Facts};
use super::super::error::Error;
use super::pool::Lease;
use super::{CHUNK, reply};

/// Which facts, and how `memory` is estimated.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    pub(super) facts: Facts,
    pub(super) samples: Option<u32>,
}

impl Wanted {
    /// Whether anything is asked of the server.
    pub(super) fn any(self) -> bool {
        self.facts != Facts::empty()
    }

    /// The first round: what can be asked of a key of any kind.
    pub(super) fn first(self, keys: &[Vec<u8>]) -> Vec<Cmd> {
        let mut commands = Vec::new();
        for key in keys {
            // Also says whether the key is there.
            commands.push(reply::command_with(&["TYPE"], &[key]));
            if self.facts.contains(Facts::MEMORY) {
                let mut command = reply::command_with(&["MEMORY", "USAGE"], &[key]);
                if let Some(samples) = self.samples {
                    command.arg("SAMPLES").arg(samples);
                }
                commands.push(command);
            }
            if self.facts.contains(Facts::EXPIRY) {
                commands.push(reply::command_with(&["PTTL"], &[key]));
            }
            if self.facts.contains(Facts::IDLE) {
                commands.push(reply::command_with(&["OBJECT", "IDLETIME"], &[key]));
            }
        }
        commands
    }

    /// What the first round said; none for a key that is not there.
    pub(super) fn read_first(
        self,
        keys: Vec<Vec<u8>>,
        replies: &mut impl Iterator<Item = Value>,
    ) -> Result<Vec<Option<Entry>>, Error> {
        let mut entries = Vec::with_capacity(keys.len());
        for key in keys {
            let mut next = |wanted: bool| if wanted { told(replies.next()) } else { Ok(None) };
            let kind = next(true)?.as_ref().and_then(reply::text);
            let memory = next(self.facts.contains(Facts::MEMORY))?.as_ref().and_then(unsigned);
            let left = next(self.facts.contains(Facts::EXPIRY))?.as_ref().and_then(reply::number);
            let idle = next(self.facts.contains(Facts::IDLE))?.as_ref().and_then(unsigned);
            if kind.as_deref() == Some("none") || left == Some(-2) {
                entries.push(None);
                continue;
            }
            let expiry = left.map(|left| u64::try_from(left).map_or(Expiry::Never, Expiry::In));
            entries.push(Some(Entry { key, kind, memory, expiry, length: None, idle }));
        }
        Ok(entries)
    }

    /// The second round: the lengths, which are asked for in a way of each kind's own.
    pub(super) fn second<'a>(self, entries: impl Iterator<Item = &'a Entry>) -> Vec<Cmd> {
        let wanted = self.facts.contains(Facts::LENGTH);
        let asked = entries.filter(|_| wanted);
        asked.filter_map(|entry| Some(reply::command_with(&[length_of(entry)?], &[&entry.key]))).collect()
    }

    /// What the second round said, put into the entries that it was asked about.
    pub(super) fn read_second<'a>(
        self,
        entries: impl Iterator<Item = &'a mut Entry>,
        replies: &mut impl Iterator<Item = Value>,
    ) -> Result<(), Error> {
        for entry in entries {
            if self.facts.contains(Facts::LENGTH) && length_of(entry).is_some() {
                entry.length = told(replies.next())?.as_ref().and_then(unsigned);
            }
            if !self.facts.contains(Facts::KIND) && !self.facts.contains(Facts::LENGTH) {
                entry.kind = None;
            }
        }
        Ok(())
    }
}

fn length_of(entry: &Entry) -> Option<&'static str> {
    Some(match entry.kind.as_deref()? {
        "string" => "STRLEN",
        "list" => "LLEN",
        "set" => "SCARD",
        "zset" => "ZCARD",
        "hash" => "HLEN",
        "stream" => "XLEN",
        _ => return None,
    })
}

fn unsigned(reply: &Value) -> Option<u64> {
    reply::number(reply).and_then(|number| number.try_into().ok())
}

/// A fact, or none where this server, its policy or its ACL does not tell it, or the key has changed its kind since. An
/// error that says that the server answers nothing at all is one here as well.
fn told(reply: Option<Value>) -> Result<Option<Value>, Error> {
    match reply::good(reply.unwrap_or(Value::Nil)) {
        Ok(Value::Nil) | Err(Error::Server { .. } | Error::Unsupported(_)) => Ok(None),
        Ok(reply) => Ok(Some(reply)),
        Err(error) => Err(error),
    }
}

/// The facts of `keys`, in their order.
pub(in super::super) async fn measure(
    lease: &mut Lease,
    keys: Vec<Vec<u8>>,
    facts: Facts,
) -> Result<Vec<Option<Entry>>, Error> {
    let wanted = Wanted { facts, samples: None };
    let mut all = Vec::with_capacity(keys.len());
    for chunk in keys.chunks(CHUNK) {
        let mut replies = lease.ask(&wanted.first(chunk)).await?.into_iter();
        let mut entries = wanted.read_first(chunk.to_vec(), &mut replies)?;
        let lengths = lease.ask(&wanted.second(entries.iter().flatten())).await?;
        wanted.read_second(entries.iter_mut().flatten(), &mut lengths.into_iter())?;
        all.append(&mut entries);
    }
    Ok(all)
}
