use super::*;
use crate::figures::{Aof, Link, Loading, Rdb, Replica, Role, Settings};

const HOUR: u64 = 3_600;
const MIB: u64 = 1 << 20;
const NOW: u64 = 1_800_000_000;

const LIMITS: Limits = Limits {
    max_age: 24 * HOUR,
    slow_save: HOUR / 2,
    slow_fork: 500_000,
    delays_per_hour: 10,
    unpersisted: Severity::Warning,
    max_silence: 30,
    max_lag: 16 * MIB,
    min_replicas: 1,
};

fn settings() -> Settings {
    Settings {
        save: Some("3600 1".into()),
        stops_writes: Some(true),
        fsync: Some("everysec".into()),
        rewrite_percent: Some(100),
        min_replicas: Some(0),
    }
}

fn aof() -> Aof {
    Aof { rewrite_good: true, failures: Some(0), write_good: true, size: MIB, base: MIB, ..Aof::default() }
}

fn replica() -> Replica {
    Replica { address: "10.0.0.2:6379".into(), state: "online".into(), offset: 5_000, lag: Some(0) }
}

fn link() -> Link {
    Link { master: "10.0.0.1:6379".into(), up: true, silent: Some(3), read_only: true, ..Link::default() }
}

/// A master in order.
fn calm() -> Figures {
    Figures {
        now: Some(NOW),
        uptime: 100 * HOUR,
        used: 512 * MIB,
        rdb: Rdb { last_save: NOW - HOUR, changes: 5, good: true, running: None, saves: Some(9) },
        aof: Some(aof()),
        fork_us: 20_000,
        offset: 5_200,
        backlog: MIB,
        replicas: vec![replica()],
        settings: settings(),
        ..Figures::default()
    }
}

/// Without the append-only file.
fn snapshots(rdb: Rdb) -> Figures {
    Figures { aof: None, rdb, ..calm() }
}

fn following(link: Link) -> Figures {
    Figures { role: Role::Replica(link), ..calm() }
}

/// Severity and title of all findings, then their texts.
fn judged(figures: &Figures) -> (Vec<(Severity, String)>, String) {
    let findings = judge(figures, NOW, &LIMITS);
    let titles = findings.iter().map(|finding| (finding.severity(), finding.title().to_owned())).collect();
    (titles, findings.iter().map(Finding::text).collect::<Vec<_>>().join("\n"))
}

#[track_caller]
fn assert_calm(figures: &Figures) {
    assert_eq!(judged(figures), (vec![], String::new()), "{figures:#?}");
}

/// Asserts that there is this finding and no other, and that its text says all of `words`.
#[track_caller]
fn assert_one(figures: &Figures, severity: Severity, title: &str, words: &[&str]) {
    let (found, text) = judged(figures);
    assert_eq!(found, [(severity, title.to_owned())], "{text}");
    for word in words {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
}

#[test]
fn servers_in_order_have_no_findings() {
    assert_calm(&calm());
    assert_calm(&snapshots(calm().rdb));
    assert_calm(&following(link()));
    assert_calm(&Figures { settings: Settings::default(), ..calm() });
}

#[test]
fn a_server_that_loads_is_not_there() {
    let loading = Loading { percent: Some(42.5), remaining: Some(90) };
    let figures = Figures { loading: Some(loading), uptime: 30, ..calm() };
    assert_one(&figures, Severity::Critical, "loading", &["up for 30 s, 42.5% done, about 1 min 30 s to go"]);
    let figures = Figures { loading: Some(Loading::default()), uptime: 30, ..calm() };
    assert_one(&figures, Severity::Critical, "loading", &["up for 30 s; wait"]);
}

#[test]
fn a_failed_save_says_what_it_means_for_writers() {
    let failed = Rdb { good: false, ..calm().rdb };
    for (stops_writes, words) in [
        (Some(true), "writes are refused"),
        (Some(false), "writes go on"),
        (None, "5 changes not saved, the last good one 1 h ago; see"),
    ] {
        let figures = Figures { settings: Settings { stops_writes, ..settings() }, ..snapshots(failed.clone()) };
        assert_one(&figures, Severity::Critical, "last save failed", &["5 changes not saved", words]);
    }
}

#[test]
fn a_snapshot_is_old_only_while_there_is_something_to_save() {
    let old = |hours: u64| Rdb { last_save: NOW - hours * HOUR, ..calm().rdb };
    assert_calm(&snapshots(old(23)));
    assert_one(&snapshots(old(24)), Severity::Warning, "snapshot is old", &["1 d old, 5 changes since; run BGSAVE"]);
    assert_one(&snapshots(old(240)), Severity::Critical, "snapshot is old", &["10 d old"]);
    let never = Rdb { saves: Some(0), ..old(24) };
    assert_one(&snapshots(never), Severity::Warning, "snapshot is old", &["none since the server started"]);
    assert_calm(&snapshots(Rdb { changes: 0, ..old(240) }));
    assert_calm(&snapshots(Rdb { running: Some(5), ..old(240) }));
    // The append-only file has the changes.
    let figures = Figures { rdb: old(240), ..calm() };
    assert_one(&figures, Severity::Warning, "snapshot is old", &[]);
    assert_calm(&Figures { settings: Settings { save: Some(String::new()), ..settings() }, ..figures });
}

#[test]
fn no_persistence_is_as_bad_as_the_operator_says() {
    let nothing = Settings { save: Some(String::new()), ..settings() };
    let alone = Figures { settings: nothing, replicas: vec![replica()], ..snapshots(calm().rdb) };
    let words = ["9 saves by hand", "its 1 replica will empty themselves too"];
    assert_one(&alone, Severity::Warning, "no persistence", &words);
    for severity in [Severity::Ok, Severity::Critical] {
        let findings = judge(&alone, NOW, &Limits { unpersisted: severity, ..LIMITS });
        assert_eq!(findings.iter().map(Finding::severity).collect::<Vec<_>>(), [severity]);
    }
    // Where CONFIG is hidden, a server that never saved is taken at its word, and one that says nothing is not accused.
    let hidden = |saves| Figures { settings: Settings::default(), ..snapshots(Rdb { saves, ..calm().rdb }) };
    assert_one(&hidden(Some(0)), Severity::Warning, "no persistence", &[]);
    assert_calm(&hidden(Some(1)));
    assert_calm(&hidden(None));
}

#[test]
fn the_append_only_file_is_seen_to() {
    let with = |aof: Aof| Figures { aof: Some(aof), ..calm() };
    let title = "last write failed";
    assert_one(&with(Aof { write_good: false, ..aof() }), Severity::Critical, title, &["refuses writes"]);
    let title = "last rewrite failed";
    for (failures, severity, words) in [
        (None, Severity::Warning, "the file grows, 1 MiB by now"),
        (Some(1), Severity::Warning, "1 failure one after the other"),
        (Some(3), Severity::Critical, "3 failures one after the other"),
    ] {
        assert_one(&with(Aof { rewrite_good: false, failures, ..aof() }), severity, title, &[words]);
    }
    assert_calm(&with(Aof { running: Some(HOUR / 2 - 1), ..aof() }));
    assert_one(&with(Aof { running: Some(HOUR / 2), ..aof() }), Severity::Warning, "rewrite takes long", &["30 min"]);
    let grown = Aof { size: 300 * MIB, base: 30 * MIB, ..aof() };
    assert_one(&with(grown.clone()), Severity::Warning, "file has grown", &["300 MiB, 30 MiB after the last rewrite;"]);
    assert_calm(&with(Aof { base: 31 * MIB, ..grown.clone() }));
    assert_calm(&with(Aof { size: 200 * MIB, base: MIB, ..grown.clone() }));
    let off = Settings { rewrite_percent: Some(0), ..settings() };
    let words = ["auto-aof-rewrite-percentage is 0"];
    assert_one(&Figures { settings: off, ..with(grown) }, Severity::Warning, "file has grown", &words);
}

#[test]
fn waits_for_the_disk_count_by_the_hour() {
    let delayed = |delayed, uptime| Figures { aof: Some(Aof { delayed, ..aof() }), uptime, ..calm() };
    assert_calm(&delayed(999, 100 * HOUR));
    let words = ["1,000 times in 4 d 4 h (aof_delayed_fsync), some 10 an hour; appendfsync everysec"];
    assert_one(&delayed(1_000, 100 * HOUR), Severity::Warning, "writes wait for the disk", &words);
    assert_one(&delayed(10_000, 100 * HOUR), Severity::Critical, "writes wait for the disk", &[]);
    assert_calm(&delayed(9, 60));
    assert_one(&delayed(10, 60), Severity::Warning, "writes wait for the disk", &["10 times in 1 min"]);
}

#[test]
fn slow_forks_and_saves_are_said() {
    let figures = Figures { fork_us: 500_000, ..calm() };
    assert_one(&figures, Severity::Warning, "forks slowly", &["for 500 ms, with 512 MiB used"]);
    assert_one(&Figures { fork_us: 5_000_000, ..calm() }, Severity::Critical, "forks slowly", &["5,000 ms"]);
    let saving = Rdb { running: Some(HOUR / 2), ..calm().rdb };
    assert_one(&snapshots(saving), Severity::Warning, "save takes long", &["running for 30 min"]);
}

#[test]
fn a_master_knows_which_replicas_are_behind() {
    let with = |replica: Replica| Figures { offset: 200 * MIB, backlog: 64 * MIB, replicas: vec![replica], ..calm() };
    let at = |offset| Replica { offset, ..replica() };
    assert_calm(&with(at(200 * MIB)));
    assert_calm(&with(at(184 * MIB + 1)));
    assert_one(&with(at(184 * MIB)), Severity::Warning, "replica is behind", &["16 MiB behind; see"]);
    let words = ["100 MiB behind; more than the backlog (64 MiB)"];
    assert_one(&with(at(100 * MIB)), Severity::Critical, "replica is behind", &words);
    // One that acknowledged after the offset was read is not behind.
    assert_calm(&with(at(201 * MIB)));
    let silent = |lag| with(Replica { lag: Some(lag), ..at(200 * MIB) });
    assert_calm(&silent(29));
    assert_one(&silent(30), Severity::Warning, "replica is silent", &["nothing heard for 30 s"]);
    assert_one(&silent(300), Severity::Critical, "replica is silent", &["5 min"]);
    let copying = Replica { state: "send_bulk".into(), ..replica() };
    let figures = Figures { replicas: vec![copying, replica()], full_syncs: 7, ..calm() };
    assert_one(&figures, Severity::Warning, "replica is not online", &["state send_bulk; 7 full syncs"]);
}

#[test]
fn replicas_that_are_missing_are_missed() {
    let figures = Figures { replicas: vec![], ..calm() };
    assert_one(&figures, Severity::Critical, "replicas are missing", &["0 of 1 are connected"]);
    let needs = Settings { min_replicas: Some(2), ..settings() };
    let figures = Figures { settings: needs, good_replicas: Some(1), ..calm() };
    assert_one(&figures, Severity::Critical, "writes are refused", &["1 of 2 replicas are near enough"]);
    assert_calm(&Figures { good_replicas: Some(2), ..figures });
}

#[test]
fn a_replica_knows_how_it_stands_with_its_master() {
    let down = Link { up: false, down: Some(75), silent: None, ..link() };
    let words = ["down for 1 min 15 s"];
    assert_one(&following(down.clone()), Severity::Critical, "link to the master is down", &words);
    let words = ["copies everything anew, 4 KiB to come"];
    let copying = Link { copying: true, to_come: Some(4_096), ..down };
    assert_one(&following(copying), Severity::Warning, "full copy under way", &words);
    assert_calm(&following(Link { silent: Some(29), ..link() }));
    assert_one(&following(Link { silent: Some(30), ..link() }), Severity::Warning, "master is silent", &["30 s"]);
    let behind = Link { unapplied: 20 * MIB, ..link() };
    assert_one(&following(behind), Severity::Warning, "replica applies too slowly", &["20 MiB have come"]);
    let written = Link { read_only: false, ..link() };
    assert_one(&following(written), Severity::Warning, "replica takes writes", &["replica-read-only is no"]);
}
