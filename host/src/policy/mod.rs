//! Pure matchers and units that rooms, the gate and the command line share. No I/O.

pub mod address;
pub mod endpoint;
pub mod glob;
pub mod path;
pub mod place;
pub mod text;
pub mod units;
