//! How much of the host one store may use.

use wasmtime::ResourceLimiter;

/// Refuses growth past the run's limits, and remembers that it did: a guest whose allocation fails ends in a trap that
/// does not say why.
#[derive(Debug)]
pub(super) struct Limits {
    memory: usize,
    used: usize,
    /// Whether growth of memory was refused.
    pub(super) memory_refused: bool,
}

/// The most elements of one table; a component's tables hold its function pointers.
const TABLE_ELEMENTS: usize = 100_000;
/// Core instances, tables and memories of one component.
const INSTANCES: usize = 64;

impl Limits {
    /// At most `memory` bytes of linear memory, over all of the store's memories.
    pub(super) fn new(memory: u64) -> Self {
        Self { memory: usize::try_from(memory).unwrap_or(usize::MAX), used: 0, memory_refused: false }
    }

    /// The limit in bytes.
    pub(super) fn memory(&self) -> u64 {
        self.memory as u64
    }
}

impl ResourceLimiter for Limits {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let used = self.used.saturating_add(desired.saturating_sub(current));
        if used > self.memory {
            self.memory_refused = true;
            return Ok(false);
        }
        self.used = used;
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS)
    }

    fn instances(&self) -> usize {
        INSTANCES
    }

    fn tables(&self) -> usize {
        INSTANCES
    }

    fn memories(&self) -> usize {
        INSTANCES
    }
}
