//! Walks over the keys of a Redis or Valkey server and says what takes its memory: by kind, by the beginning of the names,
//! the biggest, and what never ends.
//!
//! It walks with SCAN and never KEYS, reads no value, and holds no more than a table of fixed size, however many keys
//! there are.

mod prefixes;
mod tally;
mod top;

use taskhost_sdk::prelude::*;
use taskhost_sdk::redis::{Facts, Keys, ScanOptions, Scanned};
use taskhost_sdk::words::{count, counted, size};

use prefixes::{Cut, Sum};
use tally::{KindSeen, Limits, Seen, Tally};
use top::Key;

const CACHE: redis::Slot = redis::Slot::new("cache", "its keys are walked over and measured; no value is read").read();

/// Keys between two words on how far it is.
const STEP: u64 = 50_000;

#[derive(Parameters)]
struct Options {
    /// Only keys that match this glob, in Redis's own syntax.
    pattern: Option<String>,
    /// Only keys of this kind: string, list, set, zset, hash, stream, or a module's own.
    kind: Option<String>,
    /// The database, by its number; the one that is bound when absent.
    database: Option<u32>,
    /// What the parts of names are separated by.
    #[parameter(default = ":")]
    separator: String,
    /// Parts of a name that keys are taken together by.
    #[parameter(default = 1, min = 1, max = 10)]
    depth: usize,
    /// Look at every so-manieth key only, and estimate the rest.
    #[parameter(default = 1, min = 1, max = 1_000_000)]
    sample: u32,
    /// Kinds, prefixes and keys of each kind to name.
    #[parameter(default = 10, min = 1, max = 100)]
    top: usize,
    /// A warning for a key that takes so much.
    #[parameter(default = "10MiB", min = 1)]
    big_bytes: Size,
    /// A warning for a list, set, sorted set, hash or stream with so many elements.
    #[parameter(default = 1_000_000, min = 1)]
    big_elements: u64,
    /// A warning for a prefix of whose keys this share has no TTL, in per cent; absent for none.
    #[parameter(min = 1, max = 100)]
    without_ttl_percent: Option<u32>,
    /// Elements measured of each key (MEMORY USAGE SAMPLES), 0 for all; the server's default, 5, when absent.
    memory_samples: Option<u32>,
}

#[task(summary = "says which keys take the memory: by kind, by prefix, the biggest, without TTL", slots = [CACHE])]
async fn redis_keys(options: Options) -> Result<String> {
    let cache = CACHE.open_database(options.database)?;
    let size = cache.size().await?;
    let scan = ScanOptions {
        pattern: options.pattern.clone().map(Into::into),
        kind: options.kind.clone(),
        memory_samples: options.memory_samples,
        every: options.sample,
        facts: Facts::KIND | Facts::MEMORY | Facts::EXPIRY | Facts::LENGTH,
        ..ScanOptions::new()
    };
    let limits = Limits { bytes: options.big_bytes.0, elements: options.big_elements };
    let cut = Cut { separator: options.separator.clone().into(), depth: options.depth };
    let mut tally = Tally::new(options.top, limits, cut);

    let mut keys = cache.keys(scan).await?;
    let walked = walk(&mut keys, &mut tally, size / u64::from(options.sample)).await;
    let seen = tally.finish();
    let view = View { every: options.sample.into(), seen: &seen };
    view.report(&options);
    // What was seen is true, and not all: the run fails after it was said.
    let scanned = walked.context(format!("stopped after {}", counted(seen.sum.keys, "key")))?;
    for (name, value) in [("keys_visited", scanned.visited), ("keys_vanished", scanned.vanished)] {
        metric(name, value, Unit::None).report();
    }
    Ok(view.summary(scanned.visited))
}

/// Takes in all keys; `expected` is about how many there are.
async fn walk(keys: &mut Keys, tally: &mut Tally, expected: u64) -> Result<Scanned> {
    while let Some(entry) = keys.next().await? {
        tally.add(entry);
        let so_far = tally.keys();
        if so_far.is_multiple_of(STEP) {
            progress(so_far, Some(expected.max(so_far)), "keys measured");
        }
    }
    keys.scanned().copied().ok_or_else(|| Failure::new("the scan did not say how it ended"))
}

/// What was seen, for people and monitoring.
struct View<'a> {
    seen: &'a Seen,
    /// Every so-manieth key was looked at: figures are shown for all.
    every: u64,
}

impl View<'_> {
    fn report(&self, options: &Options) {
        let total = self.seen.sum.times(self.every);
        for (name, value, unit) in [
            ("keys", total.keys, Unit::None),
            ("keys_bytes", total.bytes, Unit::Bytes),
            ("keys_without_ttl", total.lasting, Unit::None),
            ("keys_without_ttl_bytes", total.lasting_bytes, Unit::Bytes),
            ("big_keys", self.seen.big_count * self.every, Unit::None),
        ] {
            metric(name, value, unit).report();
        }
        self.big(options);
        for kind in self.seen.kinds.iter().take(options.top) {
            self.kind(kind);
        }
        for (prefix, sum) in &self.seen.prefixes {
            self.prefix(&shown_prefix(prefix), *sum, options);
        }
        if self.seen.other_prefixes.keys > 0 {
            self.prefix("other prefixes", self.seen.other_prefixes, options);
        }
        if self.seen.unmeasured > 0 {
            Finding::warning("memory", "not measured")
                .detail(format!("the server did not say what {} take", counted(self.seen.unmeasured, "key")))
                .remedy("let the user run MEMORY USAGE (`+memory|usage`)")
                .report();
        }
    }

    fn big(&self, options: &Options) {
        for key in &self.seen.big {
            Finding::warning(redis::shown(&key.name), "big key").detail(described(key)).remedy(remedy(key)).report();
        }
        let more = self.seen.big_count.saturating_sub(self.seen.big.len() as u64);
        if more > 0 {
            Finding::warning("keys", "more keys are big")
                .detail(format!("{} of those looked at, besides the worst that are named", count(more)))
                .remedy("name them with pattern=..., or raise big-bytes and big-elements")
                .report();
        }
        if let Some(largest) = self.seen.kinds.iter().filter_map(|kind| kind.biggest.first()).map(|key| key.bytes).max()
        {
            #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
            metric("largest_key", largest, Unit::Bytes).warn_above(options.big_bytes.0 as f64).report();
        }
    }

    fn kind(&self, kind: &KindSeen) {
        let list = |keys: &[Key]| keys.iter().map(named).collect::<Vec<_>>().join("\n");
        let mut detail = format!("{}\nbiggest:\n{}", self.sum(kind.sum), list(&kind.biggest));
        let length = |keys: &[Key]| keys.iter().map(|key| key.length).max().unwrap_or_default();
        if length(&kind.longest) > length(&kind.biggest) {
            detail += &format!("\nlongest:\n{}", list(&kind.longest));
        }
        Finding::ok(&kind.name, "keys by kind").detail(detail).report();
        let sum = kind.sum.times(self.every);
        metric("kind_keys", sum.keys, Unit::None).subject(&kind.name).report();
        metric("kind_bytes", sum.bytes, Unit::Bytes).subject(&kind.name).report();
    }

    fn prefix(&self, subject: &str, sum: Sum, options: &Options) {
        let share = percent(sum.lasting, sum.keys);
        let limit = options.without_ttl_percent.map(f64::from);
        if limit.is_some_and(|limit| share >= limit) {
            Finding::warning(subject, "keys without TTL")
                .detail(self.sum(sum))
                .remedy(
                    "set a TTL where they are written; those that are there can be given one by redis-cleanup with \
                     pattern=... without-ttl=true expire-in=...",
                )
                .report();
        } else {
            Finding::ok(subject, "keys by prefix").detail(self.sum(sum)).report();
        }
        let sum = sum.times(self.every);
        metric("prefix_keys", sum.keys, Unit::None).subject(subject).report();
        metric("prefix_bytes", sum.bytes, Unit::Bytes).subject(subject).report();
        let metric = Metric::new("prefix_without_ttl", share).unit(Unit::Percent).subject(subject);
        if let Some(limit) = limit { metric.warn_above(limit) } else { metric }.report();
    }

    /// `8,000 keys (65.0%), 1.1 GiB (91.2%); 12.0% without TTL (1.0 GiB)`.
    fn sum(&self, sum: Sum) -> String {
        let total = self.seen.sum;
        let (keys, bytes) = (percent(sum.keys, total.keys), percent(sum.bytes, total.bytes));
        let lasting = percent(sum.lasting, sum.keys);
        let sum = sum.times(self.every);
        format!(
            "{}{} ({keys:.1}%), {} ({bytes:.1}%); {lasting:.1}% without TTL ({})",
            self.about(),
            counted(sum.keys, "key"),
            size(sum.bytes),
            size(sum.lasting_bytes)
        )
    }

    fn about(&self) -> &'static str {
        if self.every > 1 { "about " } else { "" }
    }

    /// `12,000 keys, 1.2 GiB, 45.0% without TTL; 1 big key`.
    fn summary(&self, visited: u64) -> String {
        if self.seen.sum.keys == 0 {
            return format!("no such keys; looked at {}", count(visited));
        }
        let total = self.seen.sum.times(self.every);
        let of = if visited > total.keys { format!(" of {}", count(visited)) } else { String::new() };
        let big = match self.seen.big_count {
            0 => "no big ones".into(),
            number => counted(number, "big key"),
        };
        format!(
            "{}{}{of}, {}, {:.1}% without TTL; {big}",
            self.about(),
            counted(total.keys, "key"),
            size(total.bytes),
            percent(self.seen.sum.lasting, self.seen.sum.keys)
        )
    }
}

/// `session:*`.
fn shown_prefix(prefix: &[u8]) -> String {
    if prefix.is_empty() { "no prefix".into() } else { format!("{}*", redis::shown(prefix)) }
}

/// `cart:7: 3.0 MiB, 12,000 elements, no TTL`.
fn named(key: &Key) -> String {
    format!("{}: {}", redis::shown(&key.name), facts(key))
}

fn described(key: &Key) -> String {
    format!("{}: {}", key.kind, facts(key))
}

fn facts(key: &Key) -> String {
    // A string's length is its size.
    let length = if key.kind == "string" { String::new() } else { format!(", {}", counted(key.length, "element")) };
    let lasting = if key.lasting { ", no TTL" } else { "" };
    format!("{}{length}{lasting}", size(key.bytes))
}

fn remedy(key: &Key) -> &'static str {
    match key.kind.as_str() {
        "string" => "keep it compressed, in parts, or elsewhere: it is sent whole each time it is read",
        "list" => "trim it (LTRIM) as it grows, or keep it in parts; remove it with UNLINK, not DEL",
        "stream" => "bound it (XADD MAXLEN ~, or XTRIM)",
        _ => {
            "keep it in parts by a hash of the member; read it with SSCAN, HSCAN or ZSCAN; remove it with UNLINK, not DEL"
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share is shown with one decimal")]
fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn metric(name: &str, value: u64, unit: Unit) -> Metric {
    Metric::new(name, value as f64).unit(unit)
}
