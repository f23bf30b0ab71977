//! What is remembered of each log from run to run: how far it was read, and how many errors there were.

use taskhost_sdk::prelude::*;
use taskhost_sdk::state::{self, Measurement, Value, measured};

use crate::judge::EARLIER;
use crate::position::{Position, hash};

const MEMORY: &state::Slot = &crate::MEMORY;
/// The series of errors an hour.
const ERRORS: &str = "errors-per-hour";
/// The longest path that is a key as it is.
const KEY: usize = 400;

/// What an earlier run left of a log.
pub(crate) struct Remembered {
    pub(crate) position: Option<Position>,
    /// When that run was, in seconds since 1970.
    pub(crate) at: u64,
}

fn key(log: &str) -> String {
    if log.len() > KEY { format!("at#{:016x}", hash(log.as_bytes())) } else { format!("at:{log}") }
}

fn subject(log: &str) -> String {
    if log.len() > KEY { format!("#{:016x}", hash(log.as_bytes())) } else { log.into() }
}

/// Recalls how far a log was read.
pub(crate) async fn recall(log: &str) -> Result<Remembered> {
    let entry = MEMORY.get(&key(log)).await.context("recalling from slot `memory`")?;
    let position = entry.as_ref().and_then(|entry| match &entry.value {
        Value::Text(text) => Position::read(text),
        _ => None,
    });
    Ok(Remembered { position, at: entry.map_or(0, |entry| entry.written) })
}

/// Errors an hour at the last runs, the oldest first.
pub(crate) async fn earlier(log: &str) -> Result<Vec<f64>> {
    let samples = MEMORY.samples(ERRORS, &subject(log), u32::try_from(EARLIER).unwrap_or(u32::MAX)).await;
    Ok(samples.context("recalling from slot `memory`")?.into_iter().map(|sample| sample.value).collect())
}

/// Remembers how far a log was read, and how many errors an hour it had.
pub(crate) async fn keep(log: &str, position: Option<&Position>, per_hour: Option<f64>) -> Result<()> {
    if let Some(position) = position {
        MEMORY.put(&key(log), position.write()).await.context("remembering in slot `memory`")?;
    }
    let measurements: Vec<Measurement> =
        per_hour.map(|per_hour| measured(ERRORS, &subject(log), per_hour)).into_iter().collect();
    if measurements.is_empty() {
        return Ok(());
    }
    MEMORY.append(measurements).await.context("remembering in slot `memory`")
}
