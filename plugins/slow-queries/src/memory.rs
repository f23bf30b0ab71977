//! What one run leaves for the next: the counters of the costliest statements, and how long they took lately. Pure.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::statement::{Figures, Survey, float};

/// Statements that are remembered. With this a text stays well below what the slot keeps of one.
const STATEMENTS: usize = 300;
/// Times between runs that are remembered of each.
const MEANS: usize = 7;
/// The first line, by which the text is known.
const HEADER: &str = "slow-queries 1";

/// What is remembered, by the statements' names.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Memory(HashMap<String, Past>);

/// A statement as an earlier run saw it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Past {
    pub(crate) calls: u64,
    pub(crate) total_ms: f64,
    /// How long a call took on average between two runs, the newest last.
    pub(crate) means: Vec<f64>,
}

impl Past {
    /// What was done since: the counters' difference, or the counters themselves when they were set back meanwhile.
    pub(crate) fn since(&self, now: &Figures) -> (u64, f64) {
        if now.calls < self.calls || now.total_ms < self.total_ms {
            return (now.calls, now.total_ms);
        }
        (now.calls - self.calls, now.total_ms - self.total_ms)
    }

    /// How long a call took before the last run: the middle one of the times between runs, or the average of all.
    pub(crate) fn usual_ms(&self) -> Option<f64> {
        let mut means = self.means.clone();
        means.sort_by(f64::total_cmp);
        let middle = means.get(means.len() / 2).copied();
        middle.or_else(|| (self.calls > 0).then(|| self.total_ms / float(self.calls)))
    }
}

impl Memory {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn of(&self, id: &str) -> Option<&Past> {
        self.0.get(id)
    }

    /// What the next run is to know.
    pub(crate) fn next(&self, survey: &Survey) -> Self {
        let costliest = survey.statements.iter().filter(|statement| !statement.nested).take(STATEMENTS);
        let pasts = costliest.map(|statement| {
            let past = self.0.get(&statement.id);
            let mut means = past.map(|past| past.means.clone()).unwrap_or_default();
            if let Some((calls, ms)) = past.map(|past| past.since(&statement.figures))
                && calls > 0
            {
                means.push(ms / float(calls));
            }
            means.drain(..means.len().saturating_sub(MEANS));
            let Figures { calls, total_ms, .. } = statement.figures;
            (statement.id.clone(), Past { calls, total_ms, means })
        });
        Self(pasts.collect())
    }

    pub(crate) fn write(&self) -> String {
        let mut pasts: Vec<_> = self.0.iter().collect();
        pasts.sort_unstable_by_key(|(id, _)| *id);
        let mut text = format!("{HEADER}\n");
        for (id, past) in pasts {
            let _ = write!(text, "{id} {} {:.3}", past.calls, past.total_ms);
            for mean in &past.means {
                let _ = write!(text, " {mean:.3}");
            }
            text.push('\n');
        }
        text
    }

    /// None for a text that is not one of these.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let lines = text.strip_prefix(HEADER)?.strip_prefix('\n')?;
        let past = |line: &str| {
            let mut words = line.split(' ');
            let id = words.next()?.to_owned();
            let (calls, total_ms) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            let means = words.map(str::parse).collect::<Result<_, _>>().ok()?;
            Some((id, Past { calls, total_ms, means }))
        };
        lines.lines().map(past).collect::<Option<_>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::Statement;

    fn survey(statements: &[(&str, u64, f64)]) -> Survey {
        let statement = |&(id, calls, total_ms): &(&str, u64, f64)| Statement {
            id: id.into(),
            figures: Figures { calls, total_ms, ..Figures::default() },
            ..Statement::default()
        };
        Survey { statements: statements.iter().map(statement).collect(), ..Survey::default() }
    }

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let memory = Memory::default().next(&survey(&[("b", 10, 100.5), ("a", u64::MAX, 0.0)]));
        let memory = memory.next(&survey(&[("b", 20, 300.5), ("a", 1, 7.0)]));
        assert_eq!(Memory::read(&memory.write()), Some(memory.clone()));
        assert_eq!(memory.of("b").unwrap().means, [20.0]);
        assert_eq!(memory.of("a").unwrap().means, [7.0], "its counters were set back");
        for text in ["", "my notes\n", "slow-queries 1\na 1\n", "slow-queries 1\na 1 2 x\n", "slow-queries 11\n"] {
            assert_eq!(Memory::read(text), None, "{text}");
        }
        assert_eq!(Memory::read("slow-queries 1\n"), Some(Memory::default()));
    }

    #[test]
    fn it_stays_small_whatever_there_is() {
        let many: Vec<(String, u64, f64)> = (0..5_000).map(|i| (format!("{i:012x}"), u64::MAX, 1e15)).collect();
        let many: Vec<(&str, u64, f64)> = many.iter().map(|(id, calls, ms)| (id.as_str(), *calls, *ms)).collect();
        let mut memory = Memory::default();
        for _ in 0..20 {
            memory = memory.next(&survey(&many));
        }
        let written = memory.write();
        assert!(written.len() < 64 * 1024 && written.lines().count() == STATEMENTS + 1, "{}", written.len());
    }

    #[test]
    fn what_is_usual_is_the_middle_of_what_was() {
        for (means, calls, total_ms, expected) in [
            (vec![], 0, 0.0, None),
            (vec![], 10, 50.0, Some(5.0)),
            (vec![1.0, 900.0, 2.0], 10, 50.0, Some(2.0)),
            (vec![3.0], 10, 50.0, Some(3.0)),
        ] {
            let past = Past { calls, total_ms, means };
            assert_eq!(past.usual_ms(), expected, "{past:?}");
        }
    }
}
