//! A statement's figures, added up by its shape. Pure.

use std::collections::HashMap;

use crate::shape::{Grammar, Shape, shape};

/// Shapes that are told apart; what comes after them counts in the totals alone.
const SHAPES: usize = 20_000;
/// The server's own names that are kept of a shape.
const KEYS: usize = 3;
/// Characters of a text that are kept.
const TEXT: usize = 1_200;

/// What a shape of statements has cost.
#[derive(Clone, Debug, Default)]
pub(crate) struct Statement {
    pub(crate) id: String,
    /// Without values.
    pub(crate) text: String,
    /// The server's own names: queryid, digest.
    pub(crate) keys: Vec<String>,
    /// Statements of the server's that have this shape.
    pub(crate) variants: u64,
    /// Called by a function, whose time holds its own.
    pub(crate) nested: bool,
    pub(crate) figures: Figures,
}

/// What one statement has cost; what the server does not tell is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Figures {
    pub(crate) calls: u64,
    pub(crate) total_ms: f64,
    pub(crate) max_ms: f64,
    pub(crate) rows: u64,
    /// Bytes found in the server's memory.
    pub(crate) hit: Option<u64>,
    /// Bytes read from the system.
    pub(crate) read: Option<u64>,
    pub(crate) io_ms: Option<f64>,
    /// Bytes written to temporary files.
    pub(crate) temporary: Option<u64>,
    /// Temporary tables on disk.
    pub(crate) temporary_tables: Option<u64>,
    /// Rows looked at.
    pub(crate) examined: Option<u64>,
    /// Calls that used no index.
    pub(crate) without_index: Option<u64>,
}

impl Figures {
    pub(crate) fn mean_ms(&self) -> f64 {
        if self.calls == 0 { 0.0 } else { self.total_ms / float(self.calls) }
    }

    fn add(&mut self, other: &Self) {
        fn sum<T: std::ops::Add<Output = T>>(one: Option<T>, other: Option<T>) -> Option<T> {
            match (one, other) {
                (Some(one), Some(other)) => Some(one + other),
                (one, other) => one.or(other),
            }
        }
        self.calls = self.calls.saturating_add(other.calls);
        self.total_ms += other.total_ms;
        self.max_ms = self.max_ms.max(other.max_ms);
        self.rows = self.rows.saturating_add(other.rows);
        self.hit = sum(self.hit, other.hit);
        self.read = sum(self.read, other.read);
        self.io_ms = sum(self.io_ms, other.io_ms);
        self.temporary = sum(self.temporary, other.temporary);
        self.temporary_tables = sum(self.temporary_tables, other.temporary_tables);
        self.examined = sum(self.examined, other.examined);
        self.without_index = sum(self.without_index, other.without_index);
    }
}

/// All that a server tells of its statements.
#[derive(Clone, Debug, Default)]
pub(crate) struct Survey {
    /// What tells it: `pg_stat_statements`, `performance_schema`.
    pub(crate) source: &'static str,
    pub(crate) statements: Vec<Statement>,
    /// Of all that were called from outside, those included that the role may not see.
    pub(crate) total_ms: f64,
    pub(crate) calls: u64,
    /// Those whose text the role may not see, and their time.
    pub(crate) hidden: u64,
    pub(crate) hidden_ms: f64,
    /// Seconds that the figures cover, where that is known.
    pub(crate) age: Option<u64>,
    /// How often the server made room by forgetting the rarest.
    pub(crate) evictions: Option<u64>,
    /// What the figures leave out.
    pub(crate) only: Option<String>,
}

impl Survey {
    /// A share of all time, in per cent.
    pub(crate) fn share(&self, ms: f64) -> f64 {
        if self.total_ms > 0.0 { ms * 100.0 / self.total_ms } else { 0.0 }
    }

    /// Sessions that were at work on average.
    pub(crate) fn busy(&self, ms: f64) -> Option<f64> {
        let age = self.age.filter(|age| *age >= SHORTEST)?;
        Some(ms / 1000.0 / float(age))
    }
}

/// A shorter time says nothing of how busy a server is: seconds.
const SHORTEST: u64 = 3_600;

/// Adds statements up by their shape.
pub(crate) struct Tally {
    grammar: Grammar,
    statements: HashMap<(String, bool), Statement>,
    survey: Survey,
}

impl Tally {
    pub(crate) fn new(source: &'static str, grammar: Grammar) -> Self {
        Self { grammar, statements: HashMap::new(), survey: Survey { source, ..Survey::default() } }
    }

    /// Counts one that is called from outside, or by a function.
    pub(crate) fn add(&mut self, key: Option<String>, text: &str, nested: bool, figures: &Figures) {
        if !nested {
            self.survey.calls = self.survey.calls.saturating_add(figures.calls);
            self.survey.total_ms += figures.total_ms;
        }
        let Shape { text, id } = shape(text, self.grammar);
        let full = self.statements.len() >= SHAPES;
        let statement = match self.statements.entry((id, nested)) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(_) if full => return,
            std::collections::hash_map::Entry::Vacant(entry) => {
                let id = entry.key().0.clone();
                let text = crate::shape::cut(&text, TEXT);
                entry.insert(Statement { id, text, nested, ..Statement::default() })
            }
        };
        statement.figures.add(figures);
        statement.variants += 1;
        if let Some(key) = key.filter(|_| statement.keys.len() < KEYS) {
            statement.keys.push(key);
        }
    }

    /// Counts one whose text the role may not see.
    pub(crate) fn hide(&mut self, nested: bool, figures: &Figures) {
        self.survey.hidden += 1;
        if !nested {
            self.survey.hidden_ms += figures.total_ms;
            self.survey.calls = self.survey.calls.saturating_add(figures.calls);
            self.survey.total_ms += figures.total_ms;
        }
    }

    /// All of it, the costliest first.
    pub(crate) fn survey(self) -> Survey {
        let mut statements: Vec<Statement> = self.statements.into_values().collect();
        sort_by(&mut statements, |figures| figures.total_ms);
        Survey { statements, ..self.survey }
    }
}

/// The largest first; equals in the order of their names.
pub(crate) fn sort_by(statements: &mut [Statement], figure: impl Fn(&Figures) -> f64) {
    statements.sort_by(|one, other| {
        figure(&other.figures).total_cmp(&figure(&one.figures)).then_with(|| one.id.cmp(&other.id))
    });
}

/// Exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts of calls and rows, shown and divided")]
pub(crate) fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(calls: u64, total_ms: f64) -> Figures {
        Figures { calls, total_ms, max_ms: total_ms, temporary: Some(calls), ..Figures::default() }
    }

    #[test]
    fn statements_of_one_shape_are_added_up() {
        let mut tally = Tally::new("pg_stat_statements", Grammar::Postgres);
        tally.add(Some("1".into()), "select a from t where b in ($1, $2)", false, &figures(10, 100.0));
        tally.add(Some("2".into()), "select a from t where b in ($1)", false, &figures(30, 20.0));
        tally.add(Some("3".into()), "select a from t where b in ($1)", true, &figures(1, 5.0));
        tally.hide(false, &figures(5, 80.0));
        let survey = tally.survey();
        assert_eq!((survey.calls, survey.total_ms, survey.hidden), (45, 200.0, 1));
        let [first, nested] = &*survey.statements else { panic!("{survey:?}") };
        assert_eq!((first.figures.calls, first.figures.mean_ms(), first.figures.max_ms), (40, 3.0, 100.0));
        assert_eq!((first.keys.join(" "), first.variants, first.figures.temporary), ("1 2".into(), 2, Some(40)));
        assert!(nested.nested && !first.nested);
        assert!((survey.share(first.figures.total_ms) - 60.0).abs() < 1e-9);
    }

    #[test]
    fn how_busy_it_was_is_told_from_an_hour_on() {
        let survey = |age| Survey { age, ..Survey::default() };
        for (age, expected) in [(None, None), (Some(3_599), None), (Some(7_200), Some(0.5))] {
            assert_eq!(survey(age).busy(3_600_000.0), expected, "{age:?}");
        }
    }

    #[test]
    fn shapes_beyond_the_limit_count_in_the_totals() {
        let mut tally = Tally::new("the slow log", Grammar::Mysql);
        for number in 0..SHAPES + 10 {
            tally.add(None, &format!("select a from t_{number}"), false, &figures(1, 1.0));
        }
        let survey = tally.survey();
        assert_eq!((survey.statements.len(), survey.calls), (SHAPES, SHAPES as u64 + 10));
    }
}
