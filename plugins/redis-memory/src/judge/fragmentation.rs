//! Memory that the process has and the keys do not: the allocator's, in its pages or beside them, or the process's own.

use taskhost_sdk::prelude::*;
use taskhost_sdk::words::size;

use super::{Limits, is_sizeable};
use crate::figures::{Allocator, Figures};

/// Resident share of what is used, below which it must be swapped out.
const SWAPPED: f64 = 0.8;

pub(super) fn judge(figures: &Figures, limits: &Limits) -> Option<Finding> {
    if !is_sizeable(figures, limits) {
        return None;
    }
    let ratio = ratio(figures.rss, figures.used);
    if ratio < SWAPPED {
        return Some(
            Finding::warning("memory", "swapped out")
                .detail(format!("{} used, of which {} resident: {ratio:.2}", size(figures.used), size(figures.rss)))
                .remedy("give the machine more memory or lower maxmemory: every access to a swapped page waits for the disk"),
        );
    }
    if ratio < limits.fragmentation {
        return None;
    }
    let wasted = figures.rss.saturating_sub(figures.used);
    let seen =
        format!("{} resident for {} used: {ratio:.2}, {} more", size(figures.rss), size(figures.used), size(wasted));
    let Some((bytes, place)) = figures.allocator.and_then(|allocator| worst(allocator, figures.rss)) else {
        return Some(
            Finding::warning("memory", "fragmented")
                .detail(seen)
                .remedy("run MEMORY PURGE, and MEMORY DOCTOR to see more"),
        );
    };
    let (what, remedy) = match place {
        Place::Pages if figures.defragmenting => {
            ("in pages half given out", "let the defragmentation that runs finish")
        }
        Place::Pages => ("in pages half given out", "run CONFIG SET activedefrag yes, or fail over to a fresh replica"),
        Place::Kept => ("in pages that the allocator keeps", "run MEMORY PURGE"),
        Place::Process => (
            "outside the allocator",
            "see whether a fork is running (copies count), what modules and scripts hold; else restart at a quiet hour",
        ),
    };
    let title = if place == Place::Process { "process takes more than its data" } else { "fragmented" };
    Some(Finding::warning("memory", title).detail(format!("{seen}, of them {} {what}", size(bytes))).remedy(remedy))
}

/// Where memory is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Process,
    Kept,
    Pages,
}

/// The place where the most is lost, if there is any.
fn worst(allocator: Allocator, rss: u64) -> Option<(u64, Place)> {
    let Allocator { allocated, active, resident } = allocator;
    let losses = [
        (active.saturating_sub(allocated), Place::Pages),
        (resident.saturating_sub(active), Place::Kept),
        (rss.saturating_sub(resident), Place::Process),
    ];
    losses.into_iter().max().filter(|(bytes, _)| *bytes > 0)
}

/// Resident against used.
#[expect(clippy::cast_precision_loss, reason = "two decimals are shown")]
pub(crate) fn ratio(rss: u64, used: u64) -> f64 {
    if used == 0 { 1.0 } else { rss as f64 / used as f64 }
}
