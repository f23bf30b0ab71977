//! `log-analyze` on real logs: held against what grep, awk and sort say, across rotations, and on what no log should be.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on stops here")]
#![allow(clippy::cast_precision_loss, reason = "counts of some thousands")]

mod continuing;
mod figures;
mod hostile;
mod scene;
mod telling;
