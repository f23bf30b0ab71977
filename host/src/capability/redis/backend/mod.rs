//! What the room asks of servers. The only module that knows the client library.

mod connect;
mod facts;
mod keys;
mod looking;
mod pool;
mod reply;
mod scan;
mod throwaway;

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, PoisonError};

pub(super) use facts::measure;
pub(super) use keys::{Expiry, command_keys, expirable, expire, get, present, run, unlink};
pub(super) use looking::{background_save, clients, configuration, describe, info, last_save, server, size, slowlog};
pub(super) use pool::{Lease, Pool, Pools};
pub(super) use scan::{Scan, scan};
pub(crate) use throwaway::Throwaway;

/// Keys that are asked about in one round trip.
const CHUNK: usize = 1_000;

/// The keys that a rehearsal has unlinked, by their hashes: unlinked again, they are gone.
#[derive(Default)]
pub(super) struct Rehearsed {
    hasher: RandomState,
    gone: Mutex<HashSet<u64>>,
}

impl Rehearsed {
    /// Notes that a key of that target is gone.
    pub(super) fn remove(&self, target: &str, key: &[u8]) {
        let hash = self.hasher.hash_one((target, key));
        self.gone.lock().unwrap_or_else(PoisonError::into_inner).insert(hash);
    }

    /// Whether it is.
    pub(super) fn is_gone(&self, target: &str, key: &[u8]) -> bool {
        let hash = self.hasher.hash_one((target, key));
        self.gone.lock().unwrap_or_else(PoisonError::into_inner).contains(&hash)
    }
}
