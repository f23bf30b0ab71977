use super::*;

fn table(name: &str, rows: u64) -> Restored {
    Restored { name: name.into(), rows, has_primary_key: true }
}

fn live(rows: u64) -> Live {
    Live { rows, estimated: false, has_primary_key: true }
}

/// Severity, subject and title of each.
fn told(judgements: &[Judgement]) -> Vec<(Severity, &str, &str)> {
    judgements.iter().map(|judgement| (judgement.severity, judgement.subject.as_str(), judgement.title)).collect()
}

const CRITICAL: Severity = Severity::Critical;
const WARNING: Severity = Severity::Warning;
const MISSING: &str = "table is missing from the backup";
const EMPTY: &str = "table is empty in the backup";

#[test]
fn a_manifest_is_to_be_met_row_for_row() {
    const OTHER: &str = "row count is not the manifest's";
    for (rows, expected, verdict) in [
        (Some(100), 100, None),
        (Some(0), 0, None),
        (Some(99), 100, Some((WARNING, OTHER))),
        (Some(101), 100, Some((WARNING, OTHER))),
        (Some(90), 100, Some((WARNING, OTHER))),
        (Some(89), 100, Some((CRITICAL, OTHER))),
        (Some(5), 0, Some((CRITICAL, OTHER))),
        (Some(0), 3, Some((CRITICAL, EMPTY))),
        (None, 3, Some((CRITICAL, MISSING))),
        (None, 0, Some((CRITICAL, MISSING))),
    ] {
        let restored: Vec<Restored> = rows.map(|rows| table("t", rows)).into_iter().collect();
        let judgements = against_manifest(&restored, &BTreeMap::from([("t".into(), expected)]), 10.0);
        let verdict: Vec<_> = verdict.map(|(severity, title)| (severity, "t", title)).into_iter().collect();
        assert_eq!(told(&judgements), verdict, "{rows:?} of {expected}");
    }
}

#[test]
fn a_manifest_may_name_tables_with_or_without_their_schema() {
    let manifest = |name: &str| BTreeMap::from([(name.to_owned(), 1)]);
    for (restored, name, found) in [
        ("public.users", "public.users", true),
        ("public.users", "users", true),
        ("shop.users", "users", true),
        ("users", "app.users", true),
        ("public.users", "shop.users", false),
    ] {
        let judgements = against_manifest(&[table(restored, 1)], &manifest(name), 10.0);
        assert_eq!(judgements.is_empty(), found, "{restored} for {name}");
    }
    let two = [table("public.users", 1), table("shop.users", 1)];
    assert_eq!(told(&against_manifest(&two, &manifest("users"), 10.0)), [(CRITICAL, "users", MISSING)]);
}

#[test]
fn a_live_table_may_go_on_but_not_be_lost() {
    const FAR: &str = "row count is far from the live table's";
    for (rows, there, verdict) in [
        (Some(1000), 1000, None),
        (Some(900), 1000, None),
        (Some(899), 1000, Some((WARNING, FAR))),
        (Some(1101), 1000, Some((WARNING, FAR))),
        (Some(2), 12, None),
        (Some(1), 12, Some((WARNING, FAR))),
        (Some(0), 1, Some((CRITICAL, EMPTY))),
        (Some(0), 0, None),
        (None, 1, Some((CRITICAL, MISSING))),
        (None, 0, Some((WARNING, MISSING))),
    ] {
        let restored: Vec<Restored> = rows.map(|rows| table("t", rows)).into_iter().collect();
        let judgements = against_live(&restored, &BTreeMap::from([("t".into(), live(there))]), 10.0);
        let verdict: Vec<_> = verdict.map(|(severity, title)| (severity, "t", title)).into_iter().collect();
        assert_eq!(told(&judgements), verdict, "{rows:?} of {there}");
    }
}

#[test]
fn a_key_that_is_live_must_come_back() {
    let restored = [Restored { has_primary_key: false, ..table("t", 5) }];
    let judgements = against_live(&restored, &BTreeMap::from([("t".into(), live(5))]), 10.0);
    assert_eq!(told(&judgements), [(CRITICAL, "t", "primary key is missing from the backup")]);
    let keyless = Live { has_primary_key: false, ..live(5) };
    assert!(against_live(&restored, &BTreeMap::from([("t".into(), keyless)]), 10.0).is_empty());
}

#[test]
fn an_estimate_is_called_one() {
    let estimate = Live { estimated: true, ..live(5000) };
    let judgements = against_live(&[], &BTreeMap::from([("t".into(), estimate)]), 10.0);
    assert_eq!(judgements[0].detail, "the live table has about 5,000 rows");
}

#[test]
fn a_backup_is_judged_on_its_own_too() {
    let keyless = Restored { has_primary_key: false, ..table("t", 5) };
    for (restored, expected, minimum, verdict) in [
        (vec![table("t", 5)], vec!["t"], 5, vec![]),
        (vec![table("t", 5)], vec!["u"], 0, vec![(CRITICAL, "u", MISSING)]),
        (vec![table("t", 0), table("u", 1)], vec!["t"], 0, vec![(CRITICAL, "t", EMPTY)]),
        (vec![table("t", 5)], vec![], 6, vec![(CRITICAL, "f", "backup holds too few rows")]),
        (vec![table("t", 0)], vec![], 0, vec![(CRITICAL, "f", "backup holds no rows")]),
        (vec![], vec![], 0, vec![(CRITICAL, "f", "backup holds no tables")]),
        (vec![keyless.clone()], vec![], 0, vec![(WARNING, "f", "backup holds no primary keys")]),
        (vec![keyless, table("u", 1)], vec![], 0, vec![]),
    ] {
        let expected: Vec<String> = expected.into_iter().map(Into::into).collect();
        assert_eq!(told(&on_its_own("f", &restored, &expected, minimum)), verdict);
    }
}

#[test]
fn what_did_not_come_back_is_counted_by_kind() {
    let counts = |views, routines| BTreeMap::from([("views".to_owned(), views), ("routines".to_owned(), routines)]);
    assert!(objects("f", &counts(2, 3), &counts(2, 3)).is_empty());
    assert!(objects("f", &counts(3, 3), &counts(2, 3)).is_empty());
    let judgements = objects("f", &counts(2, 0), &counts(2, 3));
    assert_eq!(told(&judgements), [(WARNING, "f", "backup holds less than the live schema")]);
    assert_eq!(judgements[0].detail, "came back: 0 of 3 routines");
}

#[test]
fn rows_without_a_parent_are_critical_where_the_database_enforces_it() {
    assert_eq!(told(&[orphans("c", "p", 1, true)]), [(CRITICAL, "c", "rows without their parent")]);
    assert_eq!(told(&[orphans("c", "p", 1, false)]), [(WARNING, "c", "rows without their parent")]);
}
