//! A PostgreSQL table's figures, and what its storage options say. Pure.

use std::collections::HashMap;

/// What of the server holds for all tables.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) autovacuum: bool,
    pub(crate) counted: bool,
    /// Seconds that changes have been counted for.
    pub(crate) observed: u64,
    pub(crate) vacuum_threshold: f64,
    pub(crate) vacuum_scale: f64,
    pub(crate) freeze_max_age: i64,
    pub(crate) multixact_freeze_max_age: i64,
}

/// A table, or the parent of parts.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an answer of the server's own")]
pub(crate) struct Table {
    pub(crate) name: String,
    /// For a statement.
    pub(crate) quoted: String,
    pub(crate) partitioned: bool,
    pub(crate) bytes: u64,
    pub(crate) live: u64,
    pub(crate) dead: u64,
    /// Rows changed since it was last analyzed.
    pub(crate) changed: u64,
    pub(crate) inserted: u64,
    pub(crate) updated: u64,
    pub(crate) deleted: u64,
    /// Updates that needed no entry in any index.
    pub(crate) hot: u64,
    /// Updates that found no room on their page; told from PostgreSQL 16 on.
    pub(crate) moved: Option<u64>,
    /// Seconds ago, by whomever.
    pub(crate) vacuumed: Option<u64>,
    pub(crate) analyzed: Option<u64>,
    /// The planner has statistics of it, whenever they are from. A role sees them of what it may read alone.
    pub(crate) has_statistics: bool,
    pub(crate) seen: bool,
    /// Autovacuum was there once, as far as is counted.
    pub(crate) attended: bool,
    /// Transactions, and multixacts, since its oldest row.
    pub(crate) age: i64,
    pub(crate) multixact_age: i64,
    pub(crate) options: Options,
}

/// Storage options, by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options(HashMap<String, String>);

impl Options {
    /// From `fillfactor=90,autovacuum_enabled=off`.
    pub(crate) fn read(text: &str) -> Self {
        let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
        Self(pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_lowercase())).collect())
    }

    fn number(&self, name: &str) -> Option<f64> {
        self.0.get(name)?.parse().ok()
    }

    /// Room that is used when a page is first filled, in per cent.
    pub(crate) fn fillfactor(&self) -> u64 {
        self.0.get("fillfactor").and_then(|value| value.parse().ok()).unwrap_or(100)
    }

    /// Autovacuum leaves it alone.
    pub(crate) fn unattended(&self) -> bool {
        // Whatever PostgreSQL takes for a false boolean: any beginning of these words.
        self.0.get("autovacuum_enabled").is_some_and(|value| {
            !value.is_empty()
                && (value == "0"
                    || "false".starts_with(&**value)
                    || "no".starts_with(&**value)
                    || value.starts_with("of"))
        })
    }

    /// Dead rows from which autovacuum comes.
    pub(crate) fn vacuum_from(&self, live: u64, settings: &Settings) -> f64 {
        let threshold = self.number("autovacuum_vacuum_threshold").unwrap_or(settings.vacuum_threshold);
        let scale = self.number("autovacuum_vacuum_scale_factor").unwrap_or(settings.vacuum_scale);
        threshold + scale * float(live)
    }

    /// Ages at which autovacuum freezes, whatever else: of transactions and of multixacts. An option can only lower them.
    pub(crate) fn freeze_max_ages(&self, settings: &Settings) -> (i64, i64) {
        let lower = |name: &str, global: i64| {
            self.0.get(name).and_then(|value| value.parse().ok()).map_or(global, |own: i64| own.min(global))
        };
        (
            lower("autovacuum_freeze_max_age", settings.freeze_max_age),
            lower("autovacuum_multixact_freeze_max_age", settings.multixact_freeze_max_age),
        )
    }
}

impl Table {
    /// Dead rows among all, in per cent.
    pub(crate) fn dead_percent(&self) -> f64 {
        percent(self.dead, self.live.saturating_add(self.dead))
    }

    /// Updates that needed no entry in an index, in per cent.
    pub(crate) fn hot_percent(&self) -> f64 {
        percent(self.hot, self.updated)
    }
}

/// `part` of `whole` in per cent; 0 of nothing.
pub(crate) fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { float(part) * 100.0 / float(whole) }
}

/// Exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts of rows, shown and compared")]
pub(crate) fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storage_options_are_read_as_the_server_reads_them() {
        for (text, unattended, fillfactor) in [
            ("", false, 100),
            ("fillfactor=70,autovacuum_enabled=false", true, 70),
            ("autovacuum_enabled=OFF", true, 100),
            ("autovacuum_enabled=f", true, 100),
            ("autovacuum_enabled=n", true, 100),
            ("autovacuum_enabled=0", true, 100),
            ("autovacuum_enabled=on", false, 100),
            ("autovacuum_enabled=true", false, 100),
            ("autovacuum_enabled=", false, 100),
            ("fillfactor=x", false, 100),
        ] {
            let options = Options::read(text);
            assert_eq!((options.unattended(), options.fillfactor()), (unattended, fillfactor), "{text}");
        }
    }

    #[test]
    fn a_table_s_own_thresholds_come_before_the_server_s() {
        let settings = Settings {
            vacuum_threshold: 50.0,
            vacuum_scale: 0.2,
            freeze_max_age: 200,
            multixact_freeze_max_age: 400,
            ..Settings::default()
        };
        for (text, expected) in [
            ("", "250"),
            ("autovacuum_vacuum_scale_factor=0.01", "60"),
            ("autovacuum_vacuum_scale_factor=0,autovacuum_vacuum_threshold=7", "7"),
        ] {
            assert_eq!(Options::read(text).vacuum_from(1_000, &settings).to_string(), expected, "{text}");
        }
        for (text, expected) in [
            ("", (200, 400)),
            ("autovacuum_freeze_max_age=100", (100, 400)),
            ("autovacuum_freeze_max_age=900,autovacuum_multixact_freeze_max_age=3", (200, 3)),
        ] {
            assert_eq!(Options::read(text).freeze_max_ages(&settings), expected, "{text}");
        }
    }
}
