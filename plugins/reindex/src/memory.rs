//! How large indexes were after this task rebuilt them, from run to run: where the estimate is wrong, an index is not
//! rebuilt night after night. Pure but for the two calls at the end.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use taskhost_sdk::prelude::*;

/// Indexes that are remembered: with this a text stays below what the slot keeps of one.
const INDEXES: usize = 400;
/// Bytes of a name that are kept.
const NAME: usize = 130;
/// The first line, by which the text is known.
const HEADER: &str = "reindex 1";

/// Sizes by the indexes' names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory(BTreeMap<String, u64>);

impl Memory {
    pub(crate) fn of(&self, name: &str) -> Option<u64> {
        self.0.get(name).copied()
    }

    /// Remembers an index; one more than fit pushes the smallest out.
    pub(crate) fn keep(&mut self, name: &str, bytes: u64) {
        if name.len() > NAME || name.contains('\n') {
            return;
        }
        self.0.insert(name.into(), bytes);
        if self.0.len() > INDEXES {
            let smallest = self.0.iter().min_by_key(|(_, bytes)| **bytes).map(|(name, _)| name.clone());
            self.0.remove(&smallest.unwrap_or_default());
        }
    }

    fn write(&self) -> String {
        let mut text = format!("{HEADER}\n");
        for (name, bytes) in &self.0 {
            let _ = writeln!(text, "{bytes} {name}");
        }
        text
    }

    /// None for a text that is not one of these.
    fn read(text: &str) -> Option<Self> {
        let lines = text.strip_prefix(HEADER)?.strip_prefix('\n')?;
        let index = |line: &str| {
            let (bytes, name) = line.split_once(' ')?;
            Some((name.to_owned(), bytes.parse().ok()?))
        };
        lines.lines().map(index).collect::<Option<_>>().map(Self)
    }

    /// What earlier runs left in the slot; nothing where it is not bound.
    pub(crate) async fn recall(slot: &state::Slot, key: &str) -> Result<Self> {
        match slot.get(key).await {
            Ok(None) | Err(state::Error::Refused(_)) => Ok(Self::default()),
            Ok(Some(state::Entry { value: state::Value::Text(text), .. })) => match Self::read(&text) {
                Some(memory) => Ok(memory),
                None => bail!("`{key}` in slot `memory` is not of reindex; remove it with `host state`"),
            },
            Ok(Some(_)) => bail!("`{key}` in slot `memory` is no text of reindex; remove it with `host state`"),
            Err(error) => Err(error).context("recalling earlier rebuilds from slot `memory`"),
        }
    }

    pub(crate) async fn remember(&self, slot: &state::Slot, key: &str) -> Result<()> {
        match slot.put(key, self.write()).await {
            Ok(_) | Err(state::Error::Refused(_)) => Ok(()),
            Err(error) => Err(error).context("keeping the sizes in slot `memory`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let mut memory = Memory::default();
        memory.keep("public.My index", 8_192);
        memory.keep("public.b", u64::MAX);
        assert_eq!(Memory::read(&memory.write()), Some(memory.clone()));
        assert_eq!((memory.of("public.My index"), memory.of("public.c")), (Some(8_192), None));
        for text in ["", "notes", "reindex 1\nx y\n", "reindex 2\n"] {
            assert_eq!(Memory::read(text), None, "{text}");
        }
    }

    #[test]
    fn it_stays_small_and_keeps_the_largest() {
        let mut memory = Memory::default();
        for number in 0..2_000_u64 {
            memory.keep(&format!("{number:0130}"), number);
        }
        memory.keep(&"x".repeat(NAME + 1), 1 << 40);
        assert!(memory.write().len() < 64 * 1024, "{}", memory.write().len());
        assert_eq!((memory.of(&format!("{:0130}", 1_999)), memory.of(&format!("{:0130}", 0))), (Some(1_999), None));
    }
}
