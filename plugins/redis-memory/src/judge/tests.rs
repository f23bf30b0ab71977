use super::*;
use crate::figures::Allocator;

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;
const HOUR: u64 = 3_600;
const NOW: u64 = 1_000_000;

const LIMITS: Limits = Limits {
    warn_percent: 80.0,
    critical_percent: 95.0,
    floor: 64 * MIB,
    fragmentation: 1.5,
    no_maxmemory: Severity::Warning,
    client_memory: 64 * MIB,
    buffers_percent: 25.0,
    evictions_per_hour: 1_000,
    jump_percent: 50.0,
    full_within: 86_400,
};

/// A server at which there is nothing to see.
fn calm() -> Figures {
    Figures {
        used: GIB,
        rss: GIB + 100 * MIB,
        peak: GIB,
        startup: MIB,
        overhead: 100 * MIB,
        dataset: GIB - 100 * MIB,
        maxmemory: 4 * GIB,
        policy: "noeviction".into(),
        system: Some(16 * GIB),
        allocator: Some(Allocator { allocated: GIB, active: GIB + 10 * MIB, resident: GIB + 80 * MIB }),
        keys: 1_000,
        expiring: 500,
        uptime: 10 * HOUR,
        run_id: "a".into(),
        ..Figures::default()
    }
}

fn before(used: u64, seconds: u64) -> Snapshot {
    Snapshot { at: NOW - seconds, run_id: "a".into(), used, evicted: 0 }
}

/// Severity, title, and the text.
fn judged(figures: &Figures, holders: &[Holder], previous: Option<&Snapshot>) -> Vec<(Severity, String, String)> {
    let findings = judge(figures, holders, previous, NOW, &LIMITS);
    findings.iter().map(|finding| (finding.severity(), finding.title().to_owned(), finding.text())).collect()
}

/// Asserts that there is this finding and no other, and that its text says all of `words`.
#[track_caller]
fn assert_one(findings: &[(Severity, String, String)], severity: Severity, title: &str, words: &[&str]) {
    let [(found, named, text)] = findings else { panic!("not one finding `{title}`: {findings:#?}") };
    assert_eq!((*found, named.as_str()), (severity, title));
    for word in words {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
}

#[test]
fn a_server_in_order_has_no_findings() {
    assert_eq!(judged(&calm(), &[], None), []);
    assert_eq!(judged(&calm(), &[], Some(&before(GIB, HOUR))), []);
}

#[test]
fn the_limit_counts_where_nothing_can_be_evicted() {
    for (policy, used, expected) in [
        ("noeviction", 3 * GIB, None),
        ("noeviction", 3 * GIB + 300 * MIB, Some(Severity::Warning)),
        ("noeviction", 3 * GIB + 950 * MIB, Some(Severity::Critical)),
        ("allkeys-lru", 4 * GIB, None),
        ("volatile-lru", 4 * GIB, None),
    ] {
        let figures = Figures { used, rss: used, dataset: used, policy: policy.into(), allocator: None, ..calm() };
        let findings = judged(&figures, &[], None);
        match expected {
            None => assert_eq!(findings, [], "{policy} {used}"),
            Some(severity) => assert_one(&findings, severity, "near maxmemory", &["of 4 GiB", "OOM", "noeviction"]),
        }
    }
    // A replica leaves it to its master, whatever its own policy.
    let replica = Figures { used: 4 * GIB, rss: 4 * GIB, is_replica: true, allocator: None, ..calm() };
    assert_eq!(judged(&replica, &[], None), []);
    // Buffers of replicas are not what fills it.
    let replicas = Figures { used: 3 * GIB + 300 * MIB, rss: 3 * GIB, not_counted: 300 * MIB, ..calm() };
    assert_eq!(judged(&replicas, &[], None), []);
}

#[test]
fn a_policy_without_keys_to_evict_is_said_before_it_is_full() {
    let figures = Figures { policy: "volatile-ttl".into(), expiring: 0, ..calm() };
    let words = ["volatile-ttl", "none of 1,000 has one"];
    assert_one(&judged(&figures, &[], None), Severity::Warning, "nothing can be evicted", &words);
    let full = Figures { used: 4 * GIB, rss: 4 * GIB, allocator: None, ..figures.clone() };
    let titles: Vec<_> = judged(&full, &[], None).into_iter().map(|(severity, title, _)| (severity, title)).collect();
    let expected = [(Severity::Warning, "nothing can be evicted"), (Severity::Critical, "near maxmemory")];
    assert_eq!(titles, expected.map(|(severity, title)| (severity, title.to_owned())));
    assert_eq!(judged(&Figures { keys: 0, ..figures }, &[], None), []);
}

#[test]
fn without_a_limit_the_machine_is_the_limit() {
    for (system, rss, expected, words) in [
        (Some(16 * GIB), GIB, Severity::Warning, "6.2% of the machine's 16 GiB"),
        (Some(16 * GIB), 13 * GIB, Severity::Warning, "81.2%"),
        (Some(16 * GIB), 16 * GIB, Severity::Critical, "100.0%"),
        (None, GIB, Severity::Warning, "not known"),
    ] {
        let figures = Figures { used: rss, rss, dataset: rss, maxmemory: 0, system, allocator: None, ..calm() };
        assert_one(&judged(&figures, &[], None), expected, "no maxmemory", &[words]);
    }
    let allowed = Limits { no_maxmemory: Severity::Ok, ..LIMITS };
    let findings = judge(&Figures { maxmemory: 0, ..calm() }, &[], None, NOW, &allowed);
    assert_eq!(findings.iter().map(Finding::severity).collect::<Vec<_>>(), [Severity::Ok]);
}

#[test]
fn a_limit_that_the_machine_cannot_keep_is_said() {
    let figures = Figures { maxmemory: 20 * GIB, ..calm() };
    let title = "maxmemory is more than the machine has";
    assert_one(&judged(&figures, &[], None), Severity::Warning, title, &["20 GiB of 16 GiB"]);
    let figures = Figures { system: Some(GIB + 250 * MIB), ..calm() };
    assert_one(&judged(&figures, &[], None), Severity::Warning, "near the machine's memory", &["1.1 GiB resident"]);
}

#[test]
fn fragmentation_is_told_by_its_place() {
    let waste = GIB;
    let clean = Allocator { allocated: GIB, active: GIB, resident: GIB };
    for (allocator, title, words) in [
        (Some(Allocator { active: GIB + waste, resident: GIB + waste, ..clean }), "fragmented", "activedefrag yes"),
        (Some(Allocator { resident: GIB + waste, ..clean }), "fragmented", "MEMORY PURGE"),
        (Some(clean), "process takes more than its data", "outside the allocator"),
        (None, "fragmented", "MEMORY DOCTOR"),
    ] {
        let figures = Figures { rss: GIB + waste, allocator, ..calm() };
        let words = ["2 GiB resident for 1 GiB used: 2.00", words];
        assert_one(&judged(&figures, &[], None), Severity::Warning, title, &words);
    }
    let pages = Some(Allocator { active: GIB + waste, resident: GIB + waste, ..clean });
    let running = Figures { rss: GIB + waste, allocator: pages, defragmenting: true, ..calm() };
    assert_one(&judged(&running, &[], None), Severity::Warning, "fragmented", &["let the defragmentation that runs"]);
}

#[test]
fn a_small_server_is_not_fragmented_however_it_looks() {
    let figures = Figures { used: MIB, rss: 50 * MIB, overhead: MIB, dataset: 0, clients: MIB, ..calm() };
    assert_eq!(judged(&figures, &[], Some(&before(10 * MIB, HOUR))), []);
}

#[test]
fn what_is_used_and_not_resident_is_swapped_out() {
    let figures = Figures { rss: GIB / 2, ..calm() };
    assert_one(&judged(&figures, &[], None), Severity::Warning, "swapped out", &["1 GiB used, of which 512 MiB"]);
}

#[test]
fn evictions_count_by_the_hour_since_the_last_run_of_the_same_server() {
    let cache = |evicted| Figures { policy: "allkeys-lru".into(), evicted, ..calm() };
    let last = Snapshot { evicted: 8_000, ..before(GIB, 2 * HOUR) };
    let restarted = Snapshot { run_id: "b".into(), ..last.clone() };
    let recent = Snapshot { at: NOW - 10, ..last.clone() };
    for (evicted, previous, expected) in [
        (9_999, None, None),
        (10_000, None, Some("10,000 evicted since the server started (10 h), some 1,000 an hour")),
        (9_999, Some(&last), None),
        (10_000, Some(&last), Some("2,000 evicted since the last run (2 h), some 1,000 an hour")),
        (9_999, Some(&restarted), None),
        (10_000, Some(&restarted), Some("since the server started")),
        (8_999, Some(&recent), None),
        (9_000, Some(&recent), Some("1,000 evicted since the last run (10 s)")),
        (5, Some(&last), None),
    ] {
        let findings = judged(&cache(evicted), &[], previous);
        match expected {
            None => assert_eq!(findings, [], "{evicted} {previous:?}"),
            Some(words) => assert_one(&findings, Severity::Warning, "many keys are evicted", &[words, "allkeys-lru"]),
        }
    }
    let behind = Figures { exceeded_ms: 1_500, ..cache(0) };
    assert_one(&judged(&behind, &[], None), Severity::Critical, "eviction does not keep up", &["1,500 ms"]);
}

#[test]
fn clients_that_hold_much_are_named_with_the_way_to_end_them() {
    for (flags, words) in [
        ("N", "CLIENT KILL ID 7; client-output-buffer-limit normal"),
        ("P", "a subscriber"),
        ("O", "a client in MONITOR"),
        ("S", "client-output-buffer-limit replica"),
    ] {
        let holder = Holder {
            id: "7".into(),
            address: "10.0.0.9:5100".into(),
            name: "report".into(),
            command: "hgetall".into(),
            flags: flags.into(),
            output: 60 * MIB,
            total: 70 * MIB,
        };
        let small = Holder { total: 64 * MIB - 1, ..holder.clone() };
        let words = ["10.0.0.9:5100: 70 MiB, of it 60 MiB", "`hgetall`", words];
        let findings = judged(&calm(), &[holder, small], None);
        assert_one(&findings, Severity::Warning, "client holds much memory", &words);
    }
    let many = vec![Holder { total: GIB, ..Holder::default() }; 20];
    assert_eq!(judged(&calm(), &many, None).len(), 5);
}

#[test]
fn buffers_count_together_too() {
    let clients = Figures { clients: 300 * MIB, ..calm() };
    let words = ["300 MiB in 2 clients, 29.3%"];
    let holders = [Holder::default(), Holder::default()];
    assert_one(&judged(&clients, &holders, None), Severity::Warning, "clients hold much memory", &words);
    let replication = Figures { replication: 300 * MIB, ..calm() };
    let words = ["300 MiB of backlog and buffers, 29.3%"];
    assert_one(&judged(&replication, &[], None), Severity::Warning, "replication holds much memory", &words);
}

#[test]
fn overhead_and_scripts_are_said() {
    let overhead = Figures { overhead: 800 * MIB, ..calm() };
    assert_one(
        &judged(&overhead, &[], None),
        Severity::Warning,
        "more overhead than data",
        &["78.1% of", "1,000 keys"],
    );
    let scripts = Figures { cached_scripts: 1_000, scripts: 5 * MIB, ..calm() };
    assert_one(&judged(&scripts, &[], None), Severity::Warning, "many cached scripts", &["1,000 scripts, 5 MiB"]);
}

#[test]
fn jumps_are_told_in_both_directions() {
    for (used, then, title, words) in [
        (GIB, GIB * 2 / 3, "memory jumped", "1 GiB now, 682.7 MiB before, 1 h ago (+50.0%)"),
        (GIB, 2 * GIB, "memory fell", "1 GiB now, 2 GiB before, 1 h ago (-50.0%)"),
        (10 * MIB, GIB, "memory fell", "(-99.0%)"),
    ] {
        // So near that it is not also full soon.
        let figures = Figures { used, rss: used, policy: "allkeys-lru".into(), allocator: None, ..calm() };
        assert_one(&judged(&figures, &[], Some(&before(then, HOUR))), Severity::Warning, title, &[words]);
    }
    let restarted = Snapshot { run_id: "b".into(), ..before(3 * GIB, HOUR) };
    assert_one(&judged(&calm(), &[], Some(&restarted)), Severity::Warning, "memory fell", &["started again"]);
    let calm_before = before(GIB - 300 * MIB, HOUR);
    let evicts = Figures { policy: "allkeys-lru".into(), ..calm() };
    assert_eq!(judged(&evicts, &[], Some(&calm_before)), []);
}

#[test]
fn what_fills_up_is_said_before_it_is_full() {
    let then = before(GIB - 256 * MIB, HOUR);
    let words = ["256 MiB more in 1 h: at this rate maxmemory (4 GiB) is reached in 12 h"];
    assert_one(&judged(&calm(), &[], Some(&then)), Severity::Warning, "full soon", &words);
    for (figures, previous) in [
        (Figures { policy: "allkeys-lru".into(), ..calm() }, then.clone()),
        (calm(), Snapshot { run_id: "b".into(), ..then.clone() }),
        (calm(), before(GIB - 50 * MIB, 300)),
        (calm(), before(GIB - 100 * MIB, HOUR)),
        (calm(), before(GIB + 1, HOUR)),
        (calm(), Snapshot { at: NOW + 50, ..then }),
    ] {
        assert_eq!(judged(&figures, &[], Some(&previous)), [], "{previous:?}");
    }
}
