use super::*;
use crate::index::Key;

const MIB: u64 = 1 << 20;

fn limits() -> Limits {
    Limits { unused_for: 30 * DAY, min_size: MIB, table_size: 64 * MIB, scans_per_day: 24 }
}

fn index(name: &str, keys: &[&str], scans: u64) -> Index {
    Index {
        table: "t".into(),
        name: name.into(),
        quoted: name.into(),
        quoted_table: "t".into(),
        method: "btree".into(),
        keys: keys.iter().map(|what| Key { what: (*what).into(), ..Key::default() }).collect(),
        bytes: Some(10 * MIB),
        scans: Some(scans),
        valid: true,
        ..Index::default()
    }
}

fn catalog(indexes: Vec<Index>) -> Catalog {
    Catalog { indexes, observed: Some(60 * DAY), ..Catalog::new(Dialect::Postgres) }
}

fn said(catalog: &Catalog) -> Vec<String> {
    let findings = all(catalog, &limits()).findings;
    let worth = findings.iter().filter(|finding| finding.title() != "least used");
    worth.map(|finding| format!("{}: {}", finding.subject(), finding.title())).collect()
}

#[test]
fn an_index_is_unused_only_when_nothing_can_need_it() {
    let unused = || index("i", &["a"], 0);
    for (case, index, expected) in [
        ("never used", unused(), Some("i: nothing uses it")),
        ("used once", index("i", &["a"], 1), None),
        ("unique", Index { unique: true, ..unused() }, None),
        ("a constraint's", Index { bound: Some("constraint"), ..unused() }, None),
        ("a foreign key points at it", Index { referenced: true, ..unused() }, None),
        ("small", Index { bytes: Some(MIB - 1), ..unused() }, None),
        ("of unknown size", Index { bytes: None, ..unused() }, Some("i: nothing uses it")),
        (
            "its table was made anew meanwhile",
            Index { observed: Some(29 * DAY), ..unused() },
            Some("statistics: too young to call an index unused"),
        ),
        ("uses are not told", Index { scans: None, ..unused() }, None),
        ("not valid", Index { valid: false, ..unused() }, Some("i: it is not valid")),
        ("being built", Index { valid: false, under_way: true, ..unused() }, Some("i: it is being built")),
    ] {
        let expected: Vec<_> = expected.into_iter().collect();
        assert_eq!(said(&catalog(vec![index])), expected, "{case}");
    }
}

#[test]
fn time_and_standbys_keep_an_index_from_being_called_unused() {
    let one = || catalog(vec![index("i", &["a"], 0)]);
    let young = Catalog { observed: Some(29 * DAY), ..one() };
    assert_eq!(said(&young), ["statistics: too young to call an index unused"]);
    assert_eq!(said(&Catalog { observed: None, ..one() }), [""; 0]);
    let read = Catalog { elsewhere: Elsewhere::Standbys(1), ..one() };
    assert_eq!(said(&read), ["i: unused on the primary"]);
    assert_eq!(all(&read, &limits()).findings.last().map(Finding::severity), Some(taskhost_sdk::report::Severity::Ok));
    let standby = Catalog { elsewhere: Elsewhere::Primary, ..one() };
    assert_eq!(said(&standby), ["statistics: not judged by use: this is a standby"]);
}

#[test]
fn an_index_that_a_foreign_key_needs_stays() {
    let key = || ForeignKey { name: "k".into(), table: "t".into(), columns: vec!["a".into()], ..ForeignKey::default() };
    let with = |indexes| Catalog { foreign_keys: vec![key()], ..catalog(indexes) };
    assert_eq!(said(&with(vec![index("i", &["a"], 0)])), [""; 0]);
    assert_eq!(said(&with(vec![index("i", &["b", "a"], 0)])), ["i: nothing uses it", "t: a foreign key has no index"]);
    // Another serves it, and is used.
    let other = index("other", &["a", "b"], 5);
    assert_eq!(said(&with(vec![index("i", &["a"], 0), other])), ["i: a longer index does the same"]);
    // Several unused ones: none is said to go that would leave the key without one.
    let both = with(vec![index("i", &["a", "b"], 0), index("j", &["a", "c"], 0)]);
    assert_eq!(said(&both), [""; 0]);
    let pointed = Catalog { needs: vec![("t".into(), vec!["a".into()])], ..catalog(vec![index("i", &["a"], 0)]) };
    assert_eq!(said(&pointed), [""; 0]);
}

#[test]
fn nothing_that_is_used_is_left_without_an_index() {
    // The longer one is unused and could go: then the shorter one must stay.
    let found = said(&catalog(vec![index("short", &["a"], 9), index("long", &["a", "b"], 0)]));
    assert_eq!(found, ["long: nothing uses it"]);
    let found = said(&catalog(vec![index("one", &["a"], 9), index("two", &["a"], 0), index("three", &["a"], 3)]));
    assert_eq!(found, ["two: another index is the same", "three: another index is the same"]);
    let verdict = all(&catalog(vec![index("one", &["a"], 9), index("two", &["a"], 0)]), &limits());
    assert_eq!((verdict.covered, verdict.covered_bytes, verdict.unused), (1, 10 * MIB, 0));
}

#[test]
fn a_foreign_key_without_an_index_is_named_with_the_statement_that_makes_one() {
    let key = ForeignKey {
        name: "fk".into(),
        table: "t".into(),
        quoted_table: "public.t".into(),
        columns: vec!["a".into(), "\"B\"".into()],
        parent: "p".into(),
        parent_changes: Some(7),
        partitioned: false,
    };
    let table = |bytes| Table { name: "t".into(), bytes, rows: 100, ..Table::default() };
    for (bytes, partitioned, expected) in [
        (MIB - 1, false, None),
        (MIB, false, Some("create index concurrently on public.t (a, \"B\");")),
        (MIB, true, Some("create index on public.t (a, \"B\");")),
    ] {
        let key = ForeignKey { partitioned, ..key.clone() };
        let catalog = Catalog { foreign_keys: vec![key], tables: vec![table(bytes)], ..catalog(vec![]) };
        let found = all(&catalog, &limits()).findings;
        let text = found.first().map(Finding::text);
        assert_eq!(text.is_some(), expected.is_some(), "{bytes}");
        assert!(text.is_none_or(|text| text.ends_with(expected.unwrap()) && text.contains("7 rows")));
    }
}

#[test]
fn a_table_that_is_read_from_end_to_end_is_named() {
    let table = |scans, scanned, bytes| Table { name: "s.t".into(), rows: 1_000, bytes, scans, scanned };
    let often = 60 * 24;
    for (case, table, expected) in [
        ("all day long", table(often, often * 1_000, 64 * MIB), true),
        ("once in a while", table(often - 1, often * 1_000, 64 * MIB), false),
        ("a few rows each time", table(often, often * 99, 64 * MIB), false),
        ("a small table", table(often, often * 1_000, MIB), false),
    ] {
        let catalog = Catalog { tables: vec![table], ..catalog(vec![]) };
        assert_eq!(!all(&catalog, &limits()).findings.is_empty(), expected, "{case}");
    }
}

#[test]
fn what_a_failed_rebuild_left_is_known_by_its_name() {
    let invalid = |name: &str| Index { valid: false, ..index(name, &["a"], 0) };
    for (name, expected) in [
        ("public.i_ccnew", "drop index concurrently"),
        ("public.i_ccnew12", "drop index concurrently"),
        ("public.i_ccold", "the new index is in use"),
        ("public.i_ccnewer", "reindex index concurrently"),
        ("public.i", "reindex index concurrently"),
    ] {
        let found = all(&catalog(vec![invalid(name)]), &limits()).findings;
        let text = found.iter().find(|finding| finding.title() == "it is not valid").unwrap().text();
        assert!(text.contains(expected), "{name}: {text}");
    }
}

#[test]
fn the_summary_counts_what_was_found() {
    let catalog = catalog(vec![index("one", &["a"], 9), index("two", &["a"], 0), index("i", &["b"], 0)]);
    let verdict = all(&catalog, &limits());
    assert_eq!(summary(&catalog, &verdict), "3 indexes of 30 MiB: 1 unused (10 MiB), 1 superfluous (10 MiB)");
}
