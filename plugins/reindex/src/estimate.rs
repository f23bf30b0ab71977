//! How large a PostgreSQL btree would be if it were built anew. Pure.
//!
//! The well-known estimate, from the planner's statistics: rows times the size of an entry, in pages that are filled to the
//! fillfactor. An entry is 4 bytes of pointer, and 8 bytes of header (16 with a null in it) and the key's average width, to
//! the next multiple of 8. From PostgreSQL 13 on, equal keys share one entry, and each row is 6 bytes of it, as far as a tenth
//! of a page goes.
//!
//! Its error: within some per cent where the statistics are true. It takes an index to be smaller than it will be where the
//! planner believes in fewer distinct keys than there are (`n_distinct` of big tables), and so finds bloat that is none; it
//! overlooks bloat where rows were removed and not vacuumed, and where columns hang together.

/// A column of the key, as the planner's statistics have it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Column {
    /// Bytes of a value on average.
    pub(crate) width: f64,
    /// Share of nulls, 0 to 1.
    pub(crate) nulls: f64,
    /// Distinct values; below 0 their share of the rows, as PostgreSQL writes it.
    pub(crate) distinct: f64,
    /// Equal values have equal bytes, so that they can share an entry.
    pub(crate) plain: bool,
}

/// What else bears on the size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Build {
    pub(crate) rows: f64,
    /// Bytes of a page.
    pub(crate) page: f64,
    /// Per cent.
    pub(crate) fillfactor: f64,
    /// Equal keys may share an entry: the server can, the index is not unique, and nothing switched it off.
    pub(crate) shares: bool,
}

const POINTER: f64 = 4.0;
const HEADER: f64 = 8.0;
const HEADER_WITH_NULLS: f64 = 16.0;
const ROW: f64 = 6.0;
/// Of each page: its header, and the btree's own.
const PAGE_OVERHEAD: f64 = 40.0;
/// How full pages above the leaves are built.
const INNER_FILL: f64 = 0.7;

fn aligned(bytes: f64) -> f64 {
    (bytes / 8.0).ceil() * 8.0
}

/// Bytes of the index when it is built anew.
pub(crate) fn rebuilt(columns: &[Column], build: &Build) -> f64 {
    let rows = build.rows.max(0.0);
    let room = build.page - PAGE_OVERHEAD;
    let nulls = columns.iter().map(|column| column.nulls.clamp(0.0, 1.0)).fold(0.0, f64::max);
    let shares = build.shares && columns.iter().all(|column| column.plain);
    let width = |present: bool| -> f64 {
        let of = |column: &Column| if present { column.width } else { column.width * (1.0 - column.nulls) };
        columns.iter().map(of).sum()
    };
    // Those without a null, and those with one; of a single column all of these are equal.
    let whole =
        Kind { rows: rows * (1.0 - nulls), entry: aligned(HEADER + width(true)), distinct: distinct(columns, rows) };
    let partly = Kind {
        rows: rows * nulls,
        entry: aligned(HEADER_WITH_NULLS + width(false) * f64::from(u8::from(columns.len() > 1))),
        distinct: if columns.len() > 1 { distinct(columns, rows) } else { 1.0 },
    };
    let bytes = whole.bytes(shares, build.page) + partly.bytes(shares, build.page);
    let leaves = (bytes / (room * build.fillfactor.clamp(10.0, 100.0) / 100.0)).ceil().max(1.0);
    let fan_out = (room * INNER_FILL / (POINTER + whole.entry)).max(2.0);
    let (mut pages, mut level) = (leaves, leaves);
    while level > 1.0 {
        level = (level / fan_out).ceil();
        pages += level;
    }
    // The first page is about the index.
    (pages + 1.0) * build.page
}

/// Entries of one size.
struct Kind {
    rows: f64,
    entry: f64,
    distinct: f64,
}

impl Kind {
    fn bytes(&self, shares: bool, page: f64) -> f64 {
        let alone = POINTER + self.entry;
        let equal = self.rows / self.distinct.max(1.0);
        if !shares || equal < 2.0 {
            return self.rows * alone;
        }
        let most = ((page / 10.0 - self.entry) / ROW).floor().max(1.0);
        self.rows * (ROW + alone / equal.min(most)).min(alone)
    }
}

/// Distinct keys: as if the columns had nothing to do with each other, and never more than rows.
fn distinct(columns: &[Column], rows: f64) -> f64 {
    let of = |column: &Column| if column.distinct < 0.0 { -column.distinct * rows } else { column.distinct };
    columns.iter().map(|column| of(column).max(1.0)).product::<f64>().min(rows).max(1.0)
}

/// The same, from what `pgstatindex` measured: leaves as full as they are, filled to the fillfactor.
pub(crate) fn rebuilt_from(leaves: f64, inner: f64, density: f64, build: &Build) -> f64 {
    let fill = (density / build.fillfactor.clamp(10.0, 100.0)).clamp(0.0, 1.0);
    ((leaves * fill).ceil() + (inner * fill).ceil() + 1.0) * build.page
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUILD: Build = Build { rows: 200_000.0, page: 8192.0, fillfactor: 90.0, shares: true };

    fn column(width: f64, distinct: f64) -> Column {
        Column { width, nulls: 0.0, distinct, plain: true }
    }

    /// Of 200,000 rows each, built by PostgreSQL 18 and by 12, which shares no entries.
    #[test]
    fn it_comes_within_a_twentieth_of_what_postgres_builds() {
        let rare = Column { nulls: 0.9, ..column(33.0, -0.0972) };
        let alone = Build { shares: false, ..BUILD };
        for (case, columns, build, built) in [
            ("a primary key", vec![column(4.0, -1.0)], alone, 4_513_792.0),
            ("fifty values", vec![column(4.0, 50.0)], BUILD, 1_433_600.0),
            ("fifty values, each with its entry", vec![column(4.0, 50.0)], alone, 4_513_792.0),
            ("texts", vec![column(11.0, -1.0)], BUILD, 6_332_416.0),
            ("two columns", vec![column(4.0, 50.0), column(11.0, -1.0)], BUILD, 6_332_416.0),
            ("mostly null", vec![rare], BUILD, 2_457_600.0),
            ("an expression", vec![column(14.0, -1.0)], BUILD, 6_332_416.0),
        ] {
            let estimated = rebuilt(&columns, &build);
            assert!((estimated - built).abs() < built * 0.05, "{case}: {estimated} for {built}");
        }
    }

    #[test]
    fn fullness_types_and_odd_statistics_are_reckoned_with() {
        let of = |columns: &[Column], build: &Build| rebuilt(columns, build);
        let plain = of(&[column(4.0, 50.0)], &BUILD);
        assert!(of(&[column(4.0, 50.0)], &Build { fillfactor: 45.0, ..BUILD }) > plain * 1.9);
        assert!(of(&[Column { plain: false, ..column(4.0, 50.0) }], &BUILD) > plain * 2.0);
        for (columns, build) in [
            (vec![], BUILD),
            (vec![column(0.0, 0.0)], Build { rows: -1.0, ..BUILD }),
            (vec![column(4.0, f64::MAX)], BUILD),
            (vec![Column { nulls: 7.0, ..column(4.0, -1.0) }], BUILD),
            (vec![column(9_000.0, 2.0)], BUILD),
            (vec![column(4.0, 1.0)], Build { fillfactor: 0.0, rows: 1.0, ..BUILD }),
        ] {
            let bytes = rebuilt(&columns, &build);
            assert!(bytes.is_finite() && bytes >= 2.0 * 8192.0, "{columns:?} {build:?}: {bytes}");
        }
    }

    #[test]
    fn what_was_measured_is_filled_anew() {
        let pages = |leaves, inner, density| rebuilt_from(leaves, inner, density, &BUILD) / 8192.0;
        for (measured, expected) in [
            ((547.0, 3.0, 90.0), 551.0),
            ((1_000.0, 10.0, 45.0), 506.0),
            ((1_000.0, 10.0, 0.0), 1.0),
            ((1_000.0, 10.0, 99.0), 1_011.0),
        ] {
            let (leaves, inner, density) = measured;
            assert!((pages(leaves, inner, density) - expected).abs() < 1e-9, "{measured:?}");
        }
    }
}
