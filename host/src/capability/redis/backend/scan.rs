//! A walk over the keys, with their facts asked for in the same round trips.

use std::collections::VecDeque;
use std::sync::Arc;

use redis::{Cmd, Value};
use tokio::sync::OwnedSemaphorePermit;

use super::super::bindings::{Entry, ScanOptions, Scanned};
use super::super::error::Error;
use super::super::grant::Grant;
use super::super::info::Identity;
use super::super::tasks::Ticket;
use super::facts::Wanted;
use super::looking::{identifying, size};
use super::pool::{Lease, Pool};
use super::{CHUNK, reply};

/// How much work each step of the server's is, unless the guest says otherwise, and at most.
const COUNT: (u32, u32) = (1_000, 10_000);
/// How often in a row a connection may be lost before the walk is given up.
const ATTEMPTS: u32 = 3;

/// A walk that is to be made.
pub(in super::super) struct Scan {
    pub(in super::super) pool: Arc<Pool>,
    pub(in super::super) grant: Arc<Grant>,
    pub(in super::super) ticket: Ticket,
    pub(in super::super) options: ScanOptions,
}

impl Scan {
    /// That the options make sense.
    pub(in super::super) fn check(&self) -> Result<(), Error> {
        if self.options.every == 0 {
            return Err(Error::Invalid("every=0 gives no key; 1 gives each".into()));
        }
        if self.options.pattern.as_ref().is_some_and(|pattern| pattern.len() > 65_536) {
            return Err(Error::Invalid("the pattern is longer than 64 KiB".into()));
        }
        Ok(())
    }

    /// A place among the run's connections, which is asked for before the walk begins.
    pub(in super::super) async fn place(&self) -> Result<OwnedSemaphorePermit, Error> {
        self.ticket.place(self.grant.timeout()).await
    }

    /// One step of the server's. The grant's own glob spares keys that would be left out.
    fn step(&self, cursor: &str) -> Cmd {
        let (usual, most) = COUNT;
        let mut command = reply::command(&["SCAN", cursor]);
        command.arg("COUNT").arg(self.options.count.unwrap_or(usual).clamp(1, most));
        match (&self.options.pattern, self.grant.single_pattern()) {
            (Some(pattern), _) => drop(command.arg("MATCH").arg(pattern.as_slice())),
            (None, Some(pattern)) => drop(command.arg("MATCH").arg(pattern)),
            (None, None) => {}
        }
        if let Some(kind) = &self.options.kind {
            command.arg("TYPE").arg(kind);
        }
        command
    }

    /// Whether the server leaves out keys by itself, so that nobody counts them.
    fn is_filtered(&self) -> bool {
        self.options.pattern.is_some() || self.options.kind.is_some() || self.grant.single_pattern().is_some()
    }
}

/// Where a walk is.
struct Progress {
    cursor: String,
    ended: bool,
    /// Keys whose facts are still to be asked for.
    waiting: VecDeque<Vec<u8>>,
    /// Entries that lack only their lengths.
    lengths: Vec<Entry>,
    /// Granted keys seen, of which some are given.
    seen: u64,
    scanned: Scanned,
}

/// Walks, and hands entries to `give` in batches, until it says that nobody takes them any more. What was seen is told
/// also when it ends badly.
pub(in super::super) async fn scan<G: Future<Output = Result<(), Error>>>(
    scan: Scan,
    place: OwnedSemaphorePermit,
    give: impl Fn(Vec<Entry>) -> G,
) -> (Scanned, Result<(), Error>) {
    let mut progress = Progress {
        cursor: "0".into(),
        ended: false,
        waiting: VecDeque::new(),
        lengths: vec![],
        seen: 0,
        scanned: Scanned { visited: 0, matched: 0, vanished: 0 },
    };
    let ended = walk(&scan, place, &mut progress, give).await;
    (progress.scanned, ended)
}

async fn walk<G: Future<Output = Result<(), Error>>>(
    scan: &Scan,
    place: OwnedSemaphorePermit,
    progress: &mut Progress,
    give: impl Fn(Vec<Entry>) -> G,
) -> Result<(), Error> {
    let mut lease = scan.pool.lease(scan.grant.timeout(), place).await?;
    let before = Identity::of(&identifying(&mut lease).await?);
    let wanted = Wanted { facts: scan.options.facts, samples: scan.options.memory_samples };
    let mut attempts = 0;
    loop {
        let keys: Vec<_> = progress.waiting.iter().take(CHUNK).cloned().collect();
        let steps = !progress.ended && progress.waiting.len() <= CHUNK;
        if !steps && keys.is_empty() && progress.lengths.is_empty() {
            break;
        }
        let mut commands = wanted.second(progress.lengths.iter());
        commands.extend(if wanted.any() { wanted.first(&keys) } else { vec![] });
        commands.extend(steps.then(|| scan.step(&progress.cursor)));
        let replies = match lease.ask(&commands).await {
            Ok(replies) => replies,
            Err(Error::Unavailable(reason)) if attempts < ATTEMPTS => {
                // All of it only looks: on the same server, the same is asked again.
                attempts += 1;
                drop(lease);
                lease = resumed(scan, &before, progress, &reason).await?;
                continue;
            }
            Err(error) => return Err(error),
        };
        attempts = 0;
        let mut replies = replies.into_iter();
        let mut finished = std::mem::take(&mut progress.lengths);
        wanted.read_second(finished.iter_mut(), &mut replies)?;
        progress.waiting.drain(..keys.len());
        if wanted.any() {
            let found = wanted.read_first(keys, &mut replies)?;
            progress.scanned.vanished += found.iter().filter(|entry| entry.is_none()).count() as u64;
            progress.lengths = found.into_iter().flatten().collect();
        } else {
            finished.extend(keys.into_iter().map(bare));
        }
        if steps {
            take_step(scan, progress, replies.next().unwrap_or(Value::Nil))?;
        }
        if !finished.is_empty() {
            progress.scanned.matched += finished.len() as u64;
            give(finished).await?;
        }
    }
    let lost = |error| match error {
        Error::Unavailable(reason) => incomplete(progress.scanned, &reason),
        error => error,
    };
    let after = Identity::of(&identifying(&mut lease).await.map_err(lost)?);
    if let Some(change) = before.change(&after) {
        return Err(incomplete(progress.scanned, change));
    }
    if scan.is_filtered() {
        progress.scanned.visited = size(&mut lease).await.map_err(lost)?;
    }
    Ok(())
}

/// A new connection, if it leads to the same server as before: a cursor holds for as long as that runs.
async fn resumed(scan: &Scan, before: &Identity, progress: &Progress, reason: &str) -> Result<Lease, Error> {
    let again = async {
        let mut lease = scan.pool.lease(scan.grant.timeout(), scan.place().await?).await?;
        let now = Identity::of(&identifying(&mut lease).await?);
        Ok::<_, Error>((lease, now))
    };
    match again.await {
        Ok((lease, now)) => match before.change(&now) {
            None => Ok(lease),
            Some(change) => Err(incomplete(progress.scanned, change)),
        },
        Err(error) => Err(incomplete(progress.scanned, &format!("{reason}; then {error}"))),
    }
}

fn incomplete(scanned: Scanned, reason: &str) -> Error {
    Error::Incomplete(format!("the scan gave {} keys and not all: {reason}", scanned.matched))
}

/// Takes what one SCAN gave.
fn take_step(scan: &Scan, progress: &mut Progress, reply: Value) -> Result<(), Error> {
    let parts = reply::items(reply::good(reply)?).and_then(|parts| <[Value; 2]>::try_from(parts).ok());
    let [cursor, keys] = parts.ok_or_else(|| reply::strange("SCAN"))?;
    progress.cursor = reply::text(&cursor).ok_or_else(|| reply::strange("SCAN"))?;
    progress.ended = progress.cursor == "0";
    for key in reply::items(keys).ok_or_else(|| reply::strange("SCAN"))?.into_iter().filter_map(reply::bytes) {
        progress.scanned.visited += 1;
        if scan.grant.grants_key(&key) {
            if progress.seen.is_multiple_of(u64::from(scan.options.every)) {
                progress.waiting.push_back(key);
            }
            progress.seen += 1;
        }
    }
    Ok(())
}

fn bare(key: Vec<u8>) -> Entry {
    Entry { key, kind: None, memory: None, expiry: None, length: None, idle: None }
}
