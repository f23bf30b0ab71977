//! Pure matchers and units that rooms, the gate and the command line share. No I/O.

pub mod text;
pub mod units;
