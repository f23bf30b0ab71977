//! Removing or expiring, batch by batch, and keeping count.

use taskhost_sdk::prelude::*;
use taskhost_sdk::redis::{Entry, ExpireWhen, Store};
use taskhost_sdk::words::{counted, size};

use crate::choice::{Choice, Verdict};

/// What is done with the keys that were chosen.
pub(crate) struct Removal {
    cache: Store,
    choice: Choice,
    /// None: removed at once.
    expire_in: Option<Duration>,
    batch_size: usize,
    pause: Duration,
    batch: Vec<Vec<u8>>,
    batch_bytes: u64,
    begun: bool,
    pub(crate) keys: u64,
    pub(crate) bytes: u64,
    /// Keys that were gone, or changed, when their turn came.
    pub(crate) missed: u64,
}

impl Removal {
    pub(crate) fn new(
        cache: Store,
        choice: Choice,
        expire_in: Option<Duration>,
        batch_size: usize,
        pause: Duration,
    ) -> Self {
        Self {
            cache,
            choice,
            expire_in,
            batch_size,
            pause,
            batch: Vec::new(),
            batch_bytes: 0,
            begun: false,
            keys: 0,
            bytes: 0,
            missed: 0,
        }
    }

    /// Takes in a key that is to go; it goes with its batch.
    pub(crate) async fn add(&mut self, entry: Entry) -> Result<()> {
        self.batch.push(entry.key);
        self.batch_bytes = self.batch_bytes.saturating_add(entry.memory.unwrap_or_default());
        if self.batch.len() >= self.batch_size { self.flush().await } else { Ok(()) }
    }

    /// Lets go of what is still held.
    pub(crate) async fn flush(&mut self) -> Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        // Others get their turn between two batches; a rehearsal takes nobody's.
        if self.begun && !rehearsing() {
            std::thread::sleep(self.pause);
        }
        self.begun = true;
        let mut batch = std::mem::take(&mut self.batch);
        let mut bytes = std::mem::take(&mut self.batch_bytes);
        if self.choice.is_conditional() {
            (batch, bytes) = self.still_chosen(batch).await?;
        }
        let asked = batch.len() as u64;
        if asked == 0 {
            return Ok(());
        }
        let done = match self.expire_in {
            None => self.cache.unlink(batch).await?,
            // Which ones end later anyway, is decided already, and every version of Redis takes this.
            Some(time) => self.cache.expire_in(batch, time, ExpireWhen::Always).await?,
        };
        self.keys += done;
        self.missed += asked.saturating_sub(done);
        // Which ones were gone is not said: what they took is shared out.
        self.bytes += u64::try_from(u128::from(bytes) * u128::from(done) / u128::from(asked)).unwrap_or(bytes);
        Ok(())
    }

    /// Those of a batch that are still as they were when they were chosen, with what they take: a session that was used
    /// again meanwhile stays.
    async fn still_chosen(&mut self, batch: Vec<Vec<u8>>) -> Result<(Vec<Vec<u8>>, u64)> {
        let asked = batch.len();
        let measured = self.cache.measure(batch, self.choice.facts()).await?;
        let kept = measured.into_iter().flatten().filter(|entry| self.choice.judge(entry) == Verdict::Take);
        let (mut keys, mut bytes) = (Vec::new(), 0_u64);
        for entry in kept {
            bytes = bytes.saturating_add(entry.memory.unwrap_or_default());
            keys.push(entry.key);
        }
        self.missed += (asked - keys.len()) as u64;
        Ok((keys, bytes))
    }

    /// Sends what there is to send at the end, however the run ends.
    pub(crate) fn report(&self) {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let measure = |name: &str, value: u64, unit| Metric::new(name, value as f64).unit(unit).report();
        if self.expire_in.is_some() {
            measure("keys_expired", self.keys, Unit::None);
            measure("bytes_to_be_freed", self.bytes, Unit::Bytes);
        } else {
            measure("keys_removed", self.keys, Unit::None);
            measure("bytes_freed", self.bytes, Unit::Bytes);
        }
        measure("keys_missed", self.missed, Unit::None);
    }

    /// `12 keys, 3.4 MiB`.
    pub(crate) fn so_far(&self) -> String {
        format!("{}, {}", counted(self.keys, "key"), size(self.bytes))
    }
}
