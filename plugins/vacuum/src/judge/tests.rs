use super::*;

const USUAL: Thresholds = Thresholds { percent: 10, least: 1000 };
const FREEZE: i64 = 200_000_000;

#[test]
fn both_thresholds_must_be_reached() {
    for (case, dead, whole, expected) in [
        ("nothing dead", 0, 0, false),
        ("many, but a small share", 5_000, 100_000, false),
        ("a big share, but few", 999, 1_000, false),
        ("exactly both", 1_000, 10_000, true),
        ("a hair under the share", 1_000, 10_001, false),
        ("all of it", 4_000_000, 4_000_000, true),
    ] {
        assert_eq!(USUAL.reached(dead, whole), expected, "{case}");
    }
    let zero = Thresholds { percent: 0, least: 0 };
    assert!(!zero.reached(0, 10), "nothing dead is never worth it, whatever the thresholds");
    assert!(zero.reached(1, 1_000_000));
}

#[test]
fn a_table_is_vacuumed_for_dead_rows_or_for_its_age() {
    let rows = |live, dead, age| Rows { live, dead, bytes: 1 << 20, age };
    for (case, rows, expected) in [
        ("clean and young", rows(100_000, 10, 50), None),
        ("dead rows", rows(50_000, 50_000, 50), Some(Reason::Dead)),
        ("age alone", rows(50_000, 0, FREEZE), Some(Reason::Age)),
        ("one transaction short of the age", rows(50_000, 0, FREEZE - 1), None),
        ("both: the age is worse", rows(0, 50_000, FREEZE + 1), Some(Reason::Age)),
    ] {
        assert_eq!(rows.reason(USUAL, FREEZE), expected, "{case}");
    }
}

#[test]
fn the_worst_goes_first() {
    let table = |name, dead, live, bytes, age| (name, Rows { live, dead, bytes, age });
    let mut tables = [
        table("small and rotten", 9_000, 1_000, 1 << 20, 0),
        table("aged", 0, 10, 8 << 10, FREEZE),
        table("big and half dead", 50_000, 50_000, 1 << 30, 0),
        table("older", 0, 10, 8 << 10, FREEZE * 2),
        table("beyond four terabytes", 20, 80, u64::MAX, 0),
    ];
    tables.sort_by_key(|(_, rows)| rows.order(rows.reason(USUAL, FREEZE).unwrap_or(Reason::Dead)));
    let names = tables.map(|(name, _)| name);
    assert_eq!(names, ["older", "aged", "beyond four terabytes", "big and half dead", "small and rotten"]);
}

#[test]
fn wraparound_warns_before_the_database_stands_still() {
    use Level::{Critical, Warning};
    for (case, age, freeze, expected) in [
        ("young", 1_000, FREEZE, None),
        ("autovacuum has just begun on it", FREEZE + 1, FREEZE, None),
        ("autovacuum does not keep up", 250_000_000, FREEZE, Some(Warning)),
        ("a high setting is no excuse", 1_300_000_000, 2_000_000_000, Some(Warning)),
        ("the failsafe's age", 1_600_000_000, FREEZE, Some(Critical)),
        ("the very end", XID_LIMIT - 1, 2_000_000_000, Some(Critical)),
    ] {
        assert_eq!(age_level(age, freeze), expected, "{case}");
    }
}

#[test]
fn who_holds_the_horizon_back_is_judged_by_time_and_by_transactions() {
    use Level::{Critical, Warning};
    let long = 600;
    for (case, seconds, held, expected) in [
        ("a short query", Some(3), 10, None),
        ("just under", Some(599), 10, None),
        ("long", Some(600), 10, Some(Warning)),
        ("for hours", Some(14_400), 10, Some(Critical)),
        ("short, on a server in a great hurry", Some(3), HELD_CRITICAL, Some(Critical)),
        ("its age cannot be seen", None, 10, None),
        ("its age cannot be seen, but it holds much", None, HELD_WARNING, Some(Warning)),
    ] {
        assert_eq!(transaction_level(seconds, held, long), expected, "{case}");
    }
    for (case, active, held, expected) in [
        ("in use", true, 50, None),
        ("in use and far behind", true, HELD_WARNING, Some(Warning)),
        ("nobody reads it", false, 2, Some(Warning)),
        ("nobody has for long", false, HELD_CRITICAL, Some(Critical)),
    ] {
        assert_eq!(slot_level(active, held), expected, "{case}");
    }
    assert_eq!(history_level(999_999), None);
    assert_eq!(history_level(1_000_000), Some(Warning));
    assert_eq!(history_level(10_000_000), Some(Critical));
}

#[test]
fn a_rewrite_must_be_worth_it_and_not_too_big() {
    let thresholds = Thresholds { percent: 10, least: 1 << 20 };
    for (case, free, size, limit, expected) in [
        ("nothing free", 0, 1 << 30, Some(1 << 40), Rewrite::Leave),
        ("free, but a small share", 2 << 20, 1 << 30, Some(1 << 40), Rewrite::Leave),
        ("worth it", 512 << 20, 1 << 30, Some(1 << 40), Rewrite::Do),
        ("what is left to copy is too big", 512 << 20, 1 << 30, Some(100 << 20), Rewrite::TooBig),
        ("big, but almost empty", 1020 << 20, 1 << 30, Some(100 << 20), Rewrite::Do),
        ("named", 512 << 20, 1 << 30, None, Rewrite::Do),
        ("more free than there is", 2 << 30, 1 << 30, Some(1), Rewrite::Do),
    ] {
        assert_eq!(rewrite(free, size, thresholds, limit), expected, "{case}");
    }
}

#[test]
fn tables_are_named_with_or_without_their_schema() {
    let names = ["orders".to_owned(), "audit.log".to_owned(), "a.b".to_owned()];
    for (schema, table, expected) in [
        ("public", "orders", true),
        ("old", "orders", true),
        ("audit", "log", true),
        ("public", "log", false),
        ("audit", "logs", false),
        ("a", "b", true),
        ("public", "a.b", true),
    ] {
        assert_eq!(is_named(&names, schema, table), expected, "{schema}.{table}");
    }
    let present = [("public".to_owned(), "orders".to_owned())];
    assert_eq!(missing(&names, &present), ["audit.log", "a.b"]);
}
