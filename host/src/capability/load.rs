//! What a run's calls under way hold of the guest's bytes. One call may bring many megabytes, and a guest may make ten
//! thousand at once that all bring the same: the host has a copy for each. Past the limit a call is answered with an
//! error at once, and its copy is given back; nothing waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One run's count. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Load(Arc<AtomicUsize>);

/// Bytes that the arguments of a run's calls under way may have together; as many as one call may bring.
const LIMIT: usize = 64 << 20;

/// The arguments of one call, counted until this is dropped.
#[derive(Debug)]
pub struct Held {
    load: Load,
    bytes: usize,
}

/// The calls under way hold all that they may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the calls under way hold {} MiB of arguments together; wait for some of them to end", LIMIT >> 20)]
pub struct Overload;

impl Load {
    /// Counts the arguments of a call, as long as the answer is kept.
    ///
    /// # Errors
    /// [`Overload`], with which nothing is counted.
    pub fn hold(&self, bytes: usize) -> Result<Held, Overload> {
        let add = |held: usize| held.checked_add(bytes).filter(|sum| *sum <= LIMIT);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).map_err(|_| Overload)?;
        Ok(Held { load: self.clone(), bytes })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.load.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Bytes of several texts.
pub fn bytes_of<'a>(texts: impl IntoIterator<Item = &'a String>) -> usize {
    texts.into_iter().map(|text| text.len() + size_of::<String>()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_together_and_until_they_end() {
        let load = Load::default();
        let first = load.hold(LIMIT - 10).unwrap();
        assert_eq!(load.hold(11).unwrap_err(), Overload);
        assert_eq!(load.hold(usize::MAX).unwrap_err(), Overload);
        let second = load.clone().hold(10).unwrap();
        assert!(load.hold(1).is_err());
        drop(first);
        drop(load.hold(LIMIT - 10).unwrap());
        drop(second);
        assert_eq!(load.0.load(Ordering::Relaxed), 0);
    }
}
