//! Which backups an earlier run has read to their last byte, so that each is read once, and again after a time.

use std::collections::BTreeSet;

use taskhost_sdk::files::Entry;
use taskhost_sdk::prelude::*;
use taskhost_sdk::state::{self, Value};

use crate::check::Found;

const MEMORY: &state::Slot = &crate::MEMORY;
/// The longest path that is remembered.
const KEY: usize = 500;

/// What an earlier run found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) size: u64,
    pub(crate) modified: i64,
    pub(crate) sha256: String,
    pub(crate) sealed: bool,
    /// What it was, for people.
    pub(crate) what: String,
    /// When that was, in seconds since 1970.
    pub(crate) at: u64,
}

impl Seen {
    fn write(entry: &Entry, found: &Found) -> String {
        let sealed = u8::from(found.sealed);
        format!("1 {} {} {} {sealed} {}", entry.size, entry.modified, found.sha256, found.what)
    }

    fn read(text: &str, at: u64) -> Option<Self> {
        let mut words = text.strip_prefix("1 ")?.splitn(5, ' ');
        Some(Self {
            size: words.next()?.parse().ok()?,
            modified: words.next()?.parse().ok()?,
            sha256: words.next().filter(|sum| sum.len() == 64)?.into(),
            sealed: words.next()? == "1",
            what: words.next()?.into(),
            at,
        })
    }

    /// Whether the file is as it was.
    pub(crate) fn is_of(&self, entry: &Entry) -> bool {
        (self.size, self.modified) == (entry.size, entry.modified)
    }
}

fn key(path: &str) -> Option<String> {
    (path.len() <= KEY).then(|| format!("seen:{path}"))
}

pub(crate) async fn recall(path: &str) -> Result<Option<Seen>> {
    let Some(key) = key(path) else { return Ok(None) };
    let entry = MEMORY.get(&key).await.context("recalling from slot `memory`")?;
    Ok(entry.and_then(|entry| match entry.value {
        Value::Text(text) => Seen::read(&text, entry.written),
        _ => None,
    }))
}

pub(crate) async fn keep(entry: &Entry, found: &Found) -> Result<()> {
    let Some(key) = key(&entry.path) else { return Ok(()) };
    MEMORY.put(&key, Seen::write(entry, found)).await.context("remembering in slot `memory`")?;
    Ok(())
}

/// Forgets backups that are gone.
pub(crate) async fn forget_others(there: &BTreeSet<&str>) -> Result<()> {
    for key in MEMORY.keys("seen:").await.context("recalling from slot `memory`")? {
        if !there.contains(key.strip_prefix("seen:").unwrap_or_default()) {
            MEMORY.remove(&key).await.context("forgetting in slot `memory`")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::tests::entry;

    #[test]
    fn what_was_seen_is_read_back_and_nothing_else() {
        let found = Found {
            what: "a tar of 3 members".into(),
            sha256: "ab".repeat(32),
            content: None,
            sealed: true,
            opaque: None,
        };
        let file = entry("a b.tar", 7, 9);
        let seen = Seen::read(&Seen::write(&file, &found), 5).unwrap();
        assert_eq!(
            (seen.size, seen.modified, seen.sealed, seen.what.as_str(), seen.at),
            (9, 7, true, "a tar of 3 members", 5)
        );
        assert!(seen.is_of(&file) && !seen.is_of(&entry("a b.tar", 8, 9)) && !seen.is_of(&entry("a b.tar", 7, 8)));
        for text in ["", "1 9 7 abc 1 x", "2 9 7", "1 x 7"] {
            assert_eq!(Seen::read(text, 5), None, "{text}");
        }
    }
}
