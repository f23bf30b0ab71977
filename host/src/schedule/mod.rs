//! When tasks run, decided without a clock, a disk or a thread: [`Scheduler`] is told what time it is and what has ended,
//! and says what to start, what to stop and what is left out. It must never start a due time twice, and never drop one
//! without saying so; [`Past`] is what has to outlive the process for that.

#[cfg(test)]
mod model;
mod opening;
mod scheduler;
mod state;
mod task;

pub use opening::{Opening, Window};
pub use scheduler::{Action, Limits, Scheduler, Start, Ticket, Why};
pub use task::{Asked, CatchUp, Past, Timing, Waiting};
