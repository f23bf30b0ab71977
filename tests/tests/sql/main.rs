//! The `sql` room on real servers and files, through the guest `sql`, which does what a script tells it. A database is
//! looked at from outside, by its administrator, for what was really done.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on stops here")]
#![allow(clippy::needless_pass_by_value, reason = "a step is written where it is passed")]

mod ending;
mod maintenance;
mod reaching;
mod refusals;
mod scratch;
mod script;
mod times;
mod values;
mod writes;
