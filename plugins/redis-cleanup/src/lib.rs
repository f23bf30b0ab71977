//! Removes keys that match a pattern, or lets them end: what a script of KEYS and DEL does, without anybody waiting for it,
//! with a list first, a budget and a limit.
//!
//! It must never use KEYS or DEL, nor take a pattern that says nothing for an order to remove everything.

mod choice;
mod removal;

use taskhost_sdk::prelude::*;
use taskhost_sdk::redis::{Keys, ScanOptions};
use taskhost_sdk::report::next_action_on;
use taskhost_sdk::words::{count, counted, size, span};

use choice::{Choice, Taken, Verdict, names_something};
use removal::Removal;

const CACHE: redis::Slot =
    redis::Slot::new("cache", "keys that match the task's pattern are listed and removed").write();

/// Keys between two words on how far it is.
const STEP: u64 = 50_000;

#[derive(Parameters)]
struct Options {
    /// Keys to remove: a glob in Redis's own syntax, such as `session:*`.
    pattern: String,
    /// Take a pattern that names no character of the keys, such as `*`, at its word.
    #[parameter(default = false)]
    everything: bool,
    /// Only keys of this kind: string, list, set, zset, hash, stream, or a module's own.
    kind: Option<String>,
    /// The database, by its number; the one that is bound when absent.
    database: Option<u32>,
    /// Only keys that never end.
    #[parameter(default = false)]
    without_ttl: bool,
    /// Only keys that were not used for this time.
    #[parameter(min = "1s")]
    idle_longer_than: Option<Duration>,
    /// Only keys that take at least so much.
    larger_than: Option<Size>,
    /// Let them end after this time instead of removing them; those that end sooner are left as they are.
    #[parameter(min = "1s")]
    expire_in: Option<Duration>,
    /// Keys in one run.
    #[parameter(default = 1_000_000, min = 1, max = 5_000_000)]
    limit: u64,
    /// Keys at once.
    #[parameter(default = 500, min = 1, max = 10_000)]
    batch: usize,
    /// Milliseconds of rest between two batches.
    #[parameter(default = 0, min = 0, max = 60_000)]
    pause_ms: u64,
}

#[task(
    summary = "removes keys by pattern, or lets them end, in batches that nobody waits for",
    slots = [CACHE],
    // For the keys that were taken, when `limit` is as high as it goes.
    memory = "192MiB"
)]
async fn redis_cleanup(options: Options) -> Result<String> {
    if !options.everything && !names_something(&options.pattern) {
        return Err(Failure::invalid(format!(
            "pattern=`{}` names no character of the keys and matches all of them, or nearly all; name some, as in \
             `session:*`, or say everything=true",
            options.pattern
        )));
    }
    let choice = Choice {
        without_ttl: options.without_ttl,
        idle: options.idle_longer_than.map(|time| time.as_secs()),
        larger_than: options.larger_than.map(|size| size.0),
        expire_in: options.expire_in.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
    };
    let cache = CACHE.open_database(options.database)?;
    let scan = ScanOptions { kind: options.kind.clone(), ..ScanOptions::new() };
    let keys = cache.keys(scan.pattern(options.pattern.as_str()).facts(choice.facts())).await?;
    let pause = Duration::from_millis(options.pause_ms);
    let mut removal = Removal::new(cache, choice.clone(), options.expire_in, options.batch, pause);

    let mut seen = Sweep::default();
    let swept = seen.sweep(keys, &choice, options.limit, &mut removal).await;
    removal.report();
    seen.report(&options);
    swept.context(format!("stopped after {}", removal.so_far()))?;
    Ok(summary(&options, &removal, &seen))
}

/// A walk over the keys.
#[derive(Default)]
struct Sweep {
    /// Keys that match the pattern, the same one more than once if the scan came by it again.
    matched: u64,
    /// Keys of which it is not known whether they are to go.
    unknown: u64,
    /// As many were chosen as are allowed in one run.
    full: bool,
}

impl Sweep {
    async fn sweep(&mut self, mut keys: Keys, choice: &Choice, limit: u64, removal: &mut Removal) -> Result<()> {
        let mut taken = Taken::default();
        while let Some(entry) = keys.next().await? {
            self.matched += 1;
            if self.matched.is_multiple_of(STEP) {
                progress(self.matched, None, format!("keys looked at, {} chosen", count(taken.len())));
            }
            match choice.judge(&entry) {
                Verdict::Leave => continue,
                Verdict::Unknown => {
                    self.unknown += 1;
                    continue;
                }
                Verdict::Take => {}
            }
            if taken.len() == limit {
                self.full = true;
                break;
            }
            if taken.insert(&entry.key) {
                removal.add(entry).await?;
            }
        }
        removal.flush().await
    }

    fn report(&self, options: &Options) {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        Metric::new("keys_matched", self.matched as f64).report();
        if self.unknown > 0 {
            let mut hidden = Vec::new();
            if options.idle_longer_than.is_some() {
                hidden.push("how long they were idle (a server that evicts by LFU does not know)");
            }
            if options.larger_than.is_some() {
                hidden.push("what they take (MEMORY USAGE)");
            }
            if options.without_ttl || options.expire_in.is_some() {
                hidden.push("when they end (PTTL)");
            }
            Finding::warning("keys", "could not be judged")
                .detail(format!(
                    "{} left alone: the server did not say {}",
                    counted(self.unknown, "key"),
                    hidden.join(", or ")
                ))
                .remedy("choose by what the server knows, and let its user ask for it")
                .report();
        }
        if self.full {
            next_action_on(
                &options.pattern,
                format!("run it again: limit={} was reached, and there are more", options.limit),
            );
        }
    }
}

/// `removed 1,200 keys, freed 3.4 MiB; looked at 20,000`.
fn summary(options: &Options, removal: &Removal, seen: &Sweep) -> String {
    let keys = counted(removal.keys, "key");
    let bytes = size(removal.bytes);
    let done = match options.expire_in {
        None if rehearsing() => format!("would remove {keys}, freeing {bytes}"),
        None => format!("removed {keys}, freed {bytes}"),
        Some(time) => {
            let verb = if rehearsing() { "would let" } else { "let" };
            format!("{verb} {keys} end in {}, which frees {bytes}", span(time.as_secs()))
        }
    };
    let limit = if seen.full { format!("; stopped at limit={}", options.limit) } else { String::new() };
    let unknown =
        if seen.unknown > 0 { format!("; {} could not be judged", count(seen.unknown)) } else { String::new() };
    format!("{done}; {} matched{unknown}{limit}", count(seen.matched))
}
