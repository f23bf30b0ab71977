//! What one run leaves for the next, as one text. Pure.

use crate::figures::Figures;

/// The first line: another form would have another number.
const HEADER: &str = "redis-memory 1";

/// Figures of an earlier run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// Seconds since 1970.
    pub(crate) at: u64,
    pub(crate) run_id: String,
    pub(crate) used: u64,
    pub(crate) evicted: u64,
}

impl Snapshot {
    pub(crate) fn of(figures: &Figures, now: u64) -> Self {
        Self { at: now, run_id: figures.run_id.clone(), used: figures.used, evicted: figures.evicted }
    }

    pub(crate) fn write(&self) -> String {
        let Self { at, run_id, used, evicted } = self;
        format!("{HEADER}\nat={at}\nrun-id={run_id}\nused={used}\nevicted={evicted}\n")
    }

    /// None for a text that is not one of these.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let lines = text.strip_prefix(HEADER)?;
        let value = |name: &str| lines.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        let number = |name: &str| value(name)?.parse().ok();
        Some(Self {
            at: number("at")?,
            run_id: value("run-id")?.into(),
            used: number("used")?,
            evicted: number("evicted")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let snapshot = Snapshot { at: 5, run_id: "c7bf".into(), used: u64::MAX, evicted: 0 };
        assert_eq!(Snapshot::read(&snapshot.write()), Some(snapshot));
        for text in ["", "my notes\nused=1\n", "redis-memory 1\nat=1\nrun-id=x\nused=1\n", "redis-memory 1\nat=x\n"] {
            assert_eq!(Snapshot::read(text), None, "{text}");
        }
    }
}
