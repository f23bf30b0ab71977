//! Redis and Valkey behind a slot. Keys, values and patterns are bytes.

mod info;
mod reply;

use std::time::Duration;

use crate::bindings::exports::taskhost::host::task;
use crate::bindings::taskhost::host::redis as wit;
use crate::parameters::is_kebab;
use crate::stream::Batched;
use crate::{Failure, FailureKind, Result};

pub use info::{Info, pairs};
pub use reply::Reply;
pub use wit::{
    Client, Entry, Error, ExpireWhen, Expiry, Facts, InfoField, Node, Product, Role, ScanOptions, Scanned, Server,
    ServerError, SlowCall, Store,
};

/// A slot for a server. Make it a constant and name it in `#[task(slots = [...])]`.
///
/// ```
/// use taskhost_sdk::prelude::*;
///
/// const CACHE: redis::Slot = redis::Slot::new("cache", "sessions that nobody uses are removed").write();
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "name the slot in `#[task(slots = [...])]`"]
pub struct Slot {
    name: &'static str,
    why: &'static str,
    write: bool,
    admin: bool,
    optional: bool,
}

impl Slot {
    /// `why` is shown to the operator who decides.
    ///
    /// # Panics
    /// While compiling, if the name is not kebab-case.
    pub const fn new(name: &'static str, why: &'static str) -> Self {
        assert!(is_kebab(name), "a slot's name is kebab-case: a to z, 0 to 9 and `-`, and a letter first");
        Self { name, why, write: false, admin: false, optional: false }
    }

    /// Asks for reading, which is all that binding grants.
    pub const fn read(self) -> Self {
        self
    }

    /// Asks for removing, expiring and changing the keys whose patterns the operator names, too.
    pub const fn write(self) -> Self {
        Self { write: true, ..self }
    }

    /// Asks for saving, and for the administrative commands that the operator names, too.
    pub const fn admin(self) -> Self {
        Self { admin: true, ..self }
    }

    /// The run can do without it.
    pub const fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// The server behind the slot, with the database that the operator bound. No connection is made yet.
    ///
    /// # Errors
    /// An optional slot that is not bound.
    pub fn open(&self) -> Result<Store, Error> {
        wit::open(self.name, None)
    }

    /// The same with another database that the grant lists, by its number; with `None` as [`open`](Self::open).
    ///
    /// # Errors
    /// As [`open`](Self::open), and a database that is not granted.
    pub fn open_database(&self, database: Option<u32>) -> Result<Store, Error> {
        wit::open(self.name, database)
    }

    #[doc(hidden)]
    pub fn describe(&self) -> task::Slot {
        let words = [(true, "read"), (self.write, "write"), (self.admin, "admin")];
        task::Slot {
            name: self.name.into(),
            capability: "redis".into(),
            access: words.iter().filter(|(asked, _)| *asked).map(|(_, word)| (*word).into()).collect(),
            optional: self.optional,
            why: self.why.into(),
        }
    }
}

impl Default for ScanOptions {
    fn default() -> Self {
        Self { pattern: None, kind: None, count: None, facts: Facts::empty(), memory_samples: None, every: 1 }
    }
}

/// ```
/// use taskhost_sdk::prelude::*;
/// use taskhost_sdk::redis::{Facts, ScanOptions};
///
/// let sessions = ScanOptions::new().pattern("session:*").kind("hash").facts(Facts::MEMORY | Facts::EXPIRY);
/// ```
impl ScanOptions {
    /// Every key that the grant lets be seen, and of each its name only.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only keys that match a glob in Redis's own syntax.
    #[must_use]
    pub fn pattern(mut self, glob: impl Into<Vec<u8>>) -> Self {
        self.pattern = Some(glob.into());
        self
    }

    /// Only keys of this kind, e.g. `hash`.
    #[must_use]
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.kind = Some(kind.into());
        self
    }

    /// What to find out about each key.
    #[must_use]
    pub fn facts(mut self, facts: Facts) -> Self {
        self.facts = facts;
        self
    }

    /// Only every so-manieth key.
    #[must_use]
    pub fn every(mut self, every: u32) -> Self {
        self.every = every;
        self
    }
}

impl Store {
    /// INFO: every section, or the named ones.
    ///
    /// # Errors
    /// What the server says.
    pub async fn information(&self, sections: &[&str]) -> Result<Info, Error> {
        self.info(sections.iter().map(|section| (*section).into()).collect()).await.map(Info::new)
    }

    /// The keys that pass, as the server walks over them, with the facts asked for. A key that is there from beginning to
    /// end comes at least once, and can come twice.
    ///
    /// # Errors
    /// A bad pattern, and a server that cannot be asked.
    pub async fn keys(&self, options: ScanOptions) -> Result<Keys, Error> {
        let (entries, end) = self.scan(options).await?;
        Ok(Keys(Batched::new(entries, end)))
    }

    /// Lets keys end in a time from now, and gives for how many it was set.
    ///
    /// # Errors
    /// As [`unlink`](Self::unlink).
    pub async fn expire_in(&self, keys: Vec<Vec<u8>>, time: Duration, when: ExpireWhen) -> Result<u64, Error> {
        self.expire(keys, u64::try_from(time.as_millis()).unwrap_or(u64::MAX), when).await
    }

    /// Sends a command that has no function of its own, in words.
    ///
    /// ```no_run
    /// # use taskhost_sdk::prelude::*;
    /// # async fn example(cache: redis::Store) -> Result<()> {
    /// let encoding = cache.call(["OBJECT", "ENCODING", "session:1"]).await?;
    /// log::info(encoding.text().unwrap_or_default());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// A command that is refused, and what the server says of it.
    pub async fn call(&self, words: impl IntoIterator<Item = impl Into<Vec<u8>>>) -> Result<Reply, Error> {
        Reply::from_nodes(self.command(words.into_iter().map(Into::into).collect()).await?)
    }
}

/// The keys of a scan.
pub struct Keys(Batched<Entry, Scanned, Error>);

impl Keys {
    /// The next one. Keys are read from the host 1,024 at a time.
    ///
    /// # Errors
    /// What cut the scan short.
    pub async fn next(&mut self) -> Result<Option<Entry>, Error> {
        self.0.next().await
    }

    /// What the scan says at its end; none before.
    pub fn scanned(&self) -> Option<&Scanned> {
        self.0.summary.as_ref()
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("scanned", &self.0.summary).finish_non_exhaustive()
    }
}

/// The value of a name in a line of CLIENT LIST.
///
/// ```
/// let client = vec![("id".into(), "4".into()), ("omem".into(), "20504".into())];
/// assert_eq!(taskhost_sdk::redis::field(&client, "omem"), Some("20504"));
/// ```
pub fn field<'a>(client: &'a [(String, String)], name: &str) -> Option<&'a str> {
    client.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// A key for people: what cannot be shown is written `\x00`, as redis-cli does, so that two keys never look the same.
///
/// ```
/// use taskhost_sdk::redis::shown;
///
/// assert_eq!(shown("größe:1".as_bytes()), "größe:1");
/// assert_eq!(shown(b"a\n\xff\\"), r"a\x0a\xff\\");
/// ```
pub fn shown(key: &[u8]) -> String {
    let mut out = String::with_capacity(key.len());
    for chunk in key.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => out.push_str("\\\\"),
                control if control.is_control() => {
                    let mut buffer = [0; 4];
                    escape(&mut out, control.encode_utf8(&mut buffer).as_bytes());
                }
                plain => out.push(plain),
            }
        }
        escape(&mut out, chunk.invalid());
    }
    out
}

fn escape(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        out.push_str(&format!("\\x{byte:02x}"));
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Refused(_) => FailureKind::Refused,
            Error::OverBudget(_) => FailureKind::OverBudget,
            Error::Unavailable(_) => FailureKind::Unavailable,
            Error::TimedOut(_) => FailureKind::TimedOut,
            Error::Incomplete(_) | Error::Server(_) | Error::Unsupported(_) | Error::Invalid(_) => FailureKind::Failed,
        };
        Self { kind, message: message(&error) }
    }
}

/// An error for people.
pub fn message(error: &Error) -> String {
    match error {
        Error::Refused(message)
        | Error::OverBudget(message)
        | Error::Unavailable(message)
        | Error::TimedOut(message)
        | Error::Incomplete(message)
        | Error::Unsupported(message)
        | Error::Invalid(message) => message.clone(),
        // The code is often the message's first word already.
        Error::Server(error) if error.code.is_empty() || error.message.starts_with(&error.code) => {
            error.message.clone()
        }
        Error::Server(error) => format!("{} [{}]", error.message, error.code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_asks_for_all_that_it_was_told_to() {
        const SLOT: Slot = Slot::new("cache", "it is read").write().admin().optional();
        let described = SLOT.describe();
        assert_eq!((described.capability.as_str(), described.optional), ("redis", true));
        assert_eq!(described.access, ["read", "write", "admin"]);
        assert_eq!(Slot::new("cache", "it is read").read().describe().access, ["read"]);
    }

    #[test]
    fn every_error_ends_the_run_in_its_outcome() {
        let server =
            |code: &str, message: &str| Error::Server(ServerError { code: code.into(), message: message.into() });
        for (error, kind, message) in [
            (Error::Refused("no".into()), FailureKind::Refused, "no"),
            (Error::OverBudget("no".into()), FailureKind::OverBudget, "no"),
            (Error::Unavailable("no".into()), FailureKind::Unavailable, "no"),
            (Error::TimedOut("no".into()), FailureKind::TimedOut, "no"),
            (Error::Incomplete("no".into()), FailureKind::Failed, "no"),
            (Error::Unsupported("no".into()), FailureKind::Failed, "no"),
            (Error::Invalid("no".into()), FailureKind::Failed, "no"),
            (server("OOM", "command not allowed"), FailureKind::Failed, "command not allowed [OOM]"),
            (server("OOM", "OOM command not allowed"), FailureKind::Failed, "OOM command not allowed"),
            (server("", "odd"), FailureKind::Failed, "odd"),
        ] {
            assert_eq!(Failure::from(error), Failure { kind, message: message.into() });
        }
    }

    #[test]
    fn keys_that_differ_are_shown_differently() {
        let keys: [&[u8]; 6] = [b"a\x00b", br"a\x00b", b"\xff", b"\xc3\xbf", "\u{9f}".as_bytes(), b"\x1b[31m"];
        let shown: Vec<_> = keys.iter().map(|key| shown(key)).collect();
        assert_eq!(shown, [r"a\x00b", r"a\\x00b", r"\xff", "ÿ", r"\xc2\x9f", r"\x1b[31m"]);
    }
}
