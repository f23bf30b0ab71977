//! What does not end well is put back, and what was cut off is mended by the next run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::world::{World, found, serve, summary, watched};

const NONE: [String; 2] = [String::new(), String::new()];

/// Whether something is to be seen of a run.
type Happened<'a> = &'a dyn Fn(&World) -> bool;

/// Keeps what is kept in a run that is not over.
fn keep(world: &World) {
    let [chain, key] = world.installed();
    world.write("ssl/fullchain.pem.previous", chain, 0o644);
    world.write("ssl/privkey.pem.previous", key, 0o600);
}

#[test]
fn a_server_that_does_not_take_it_gets_the_old_pair_back() {
    let world = World::new(5);
    world.next_of(89);
    let before = world.installed();
    let deaf = before.clone();
    let port = serve(move || Some(deaf.clone()));
    let report = world.run(&["--tls", &world.endpoint(port)]).expect_code(2).report();
    assert_eq!(
        found(&report),
        [
            "critical | fullchain.pem | the new certificate is not served",
            "warning | fullchain.pem | the old pair was put back",
        ]
    );
    let detail = report["findings"][0]["detail"].as_str().unwrap();
    assert!(detail.starts_with(&format!("127.0.0.1:{port}: presents `www.example.org`, issued by ")), "{detail}");
    assert_eq!(summary(&report), "the new certificate is not served; the old pair was put back");
    assert_eq!((world.installed(), world.kept(), world.mode("ssl/privkey.pem")), (before, NONE, 0o600));
}

#[test]
fn a_server_that_stops_answering_is_told_of_and_the_old_pair_is_kept() {
    let world = World::new(5);
    let new = world.next_of(89);
    let (before, mut read) = (world.installed(), watched(&world));
    let old = before.clone();
    // After it saw another certificate, it no longer speaks TLS.
    let mut broken = false;
    let port = serve(move || {
        broken |= read().is_some_and(|now| now != old);
        read().filter(|_| !broken)
    });
    let report = world.run(&["--tls", &world.endpoint(port)]).expect_code(2).report();
    assert_eq!(
        found(&report),
        [
            "critical | fullchain.pem | the new certificate is not served",
            "critical | fullchain.pem | putting the old pair back failed",
        ]
    );
    assert_eq!((world.installed(), world.kept()), (before.clone(), before));

    // The next run finds it mended: what was kept is no more, and the renewal is done.
    let port = serve(watched(&world));
    let report = world.run(&["--tls", &world.endpoint(port)]).expect_code(1).report();
    assert_eq!(found(&report), ["warning | fullchain.pem | an earlier renewal was cut off"]);
    assert_eq!((world.installed(), world.kept()), (world.pair(&new), NONE));
}

#[test]
fn what_clients_no_longer_trust_is_put_back() {
    let world = World::new(5);
    let other = taskhost_tests::certificates::Authority::root("Other Root").unwrap();
    let signing = other.intermediate("Other Signing").unwrap();
    let new = signing.leaf(&[super::world::NAME, "127.0.0.1"], -1, 89).unwrap();
    world.next(format!("{}{}", new.certificate, signing.pem()), &new.key);
    let before = world.installed();
    let port = serve(watched(&world));
    let report = world.run(&["--tls", &world.endpoint(port)]).expect_code(2).report();
    assert!(report["findings"][0]["detail"].as_str().unwrap().contains("not trusted"), "{report:#}");
    assert_eq!(world.installed(), before);
}

#[test]
fn a_run_that_was_killed_between_the_copies_is_mended() {
    let world = World::new(5);
    let new = world.next_of(89);
    keep(&world);
    world.write("ssl/privkey.pem", &new.key, 0o600);
    let port = serve(watched(&world));
    // What a rehearsal says of it leaves it as it is.
    let before = world.all();
    let report = world.host("plan", &["--tls", &world.endpoint(port)]).run().expect_code(1).report();
    assert_eq!((summary(&report), world.all()), ("would put the old pair back", before));

    std::fs::create_dir(world.path("away")).unwrap();
    std::fs::rename(world.path("next"), world.path("away/next")).unwrap();
    // Nothing better is issued: the old pair comes back.
    let old = world.kept();
    let report = world.run(&["--tls", &world.endpoint(port)]).expect_code(1).report();
    assert_eq!(
        found(&report),
        [
            "warning | fullchain.pem | an earlier renewal was cut off",
            "warning | fullchain.pem | the old pair was put back",
            "warning | fullchain.pem | key does not match",
        ]
    );
    assert_eq!((world.installed(), world.kept()), (old, NONE));

    // With the new one issued already, that goes on.
    keep(&world);
    world.write("ssl/privkey.pem", &new.key, 0o600);
    for (name, text) in [("fullchain1.pem", world.chain(&new)), ("privkey1.pem", new.key.clone())] {
        world.write(&format!("letsencrypt/archive/www.example.org/{name}"), text, 0o600);
    }
    let report = world.run(&["--tls", &world.endpoint(port)]).expect_code(1).report();
    assert_eq!(
        found(&report),
        ["warning | fullchain.pem | an earlier renewal was cut off", "warning | fullchain.pem | key does not match",]
    );
    assert_eq!((world.installed(), world.kept()), (world.pair(&new), NONE));
}

#[test]
fn a_pair_that_somebody_tore_is_put_right_or_told_of() {
    let world = World::new(60);
    let new = world.next_of(89);
    let torn = world.leaf(60).key;
    world.write("ssl/privkey.pem", &torn, 0o600);
    let report = world.run(&[]).expect_code(1).report();
    // What is issued is that very certificate with its own key.
    assert_eq!(found(&report), ["warning | fullchain.pem | key does not match"]);
    assert!(report["findings"][0]["detail"].as_str().unwrap().ends_with("it was put right"), "{report:#}");
    assert_eq!(world.text("done"), "");

    world.write("ssl/privkey.pem", &torn, 0o600);
    std::fs::remove_file(world.path("letsencrypt/live/www.example.org/privkey.pem")).unwrap();
    let report = world.run(&[]).expect_code(1).report();
    assert_eq!(found(&report), ["warning | fullchain.pem | key does not match"], "it was renewed: {report:#}");
    assert_eq!(world.installed(), world.pair(&new));

    world.write("ssl/privkey.pem", &torn, 0o600);
    std::fs::remove_dir_all(world.path("next")).unwrap();
    std::fs::remove_file(world.path("letsencrypt/live/www.example.org/privkey.pem")).unwrap();
    let report = world.run(&[]).expect_code(2).report();
    assert_eq!(
        found(&report),
        [
            "critical | live/www.example.org/fullchain.pem | no private key",
            "critical | fullchain.pem | key does not match",
        ]
    );
}

#[test]
fn a_run_that_was_killed_before_its_last_look_is_proven_or_put_back() {
    for takes in [true, false] {
        let world = World::new(5);
        let new = world.next_of(89);
        let before = world.installed();
        let (obeys, old, mut read) = (Arc::new(AtomicBool::new(false)), before.clone(), watched(&world));
        let told = Arc::clone(&obeys);
        let port = serve(move || if told.load(Ordering::Relaxed) { read() } else { Some(old.clone()) });
        let endpoint = world.endpoint(port);
        let process = world.host("run", &["settle=60s", "--tls", &endpoint]).spawn();
        let begun = Instant::now();
        while world.installed() != world.pair(&new) {
            assert!(begun.elapsed() < Duration::from_mins(1), "nothing was copied");
            std::thread::sleep(Duration::from_millis(5));
        }
        process.kill_hard();
        assert_eq!(world.kept(), before);

        obeys.store(takes, Ordering::Relaxed);
        let output = world.run(&["--tls", &endpoint]);
        let findings = found(&output.report());
        assert_eq!(findings[0], "warning | fullchain.pem | an earlier renewal was cut off");
        if takes {
            output.expect_code(1);
            assert_eq!((world.installed(), findings.len()), (world.pair(&new), 1));
        } else {
            output.expect_code(2);
            assert_eq!((world.installed(), findings.len()), (before, 3));
        }
        assert_eq!(world.kept(), NONE);
    }
}

#[test]
fn killed_as_soon_as_anything_happened_the_next_run_leaves_a_pair_that_is_served() {
    let size = |world: &World, name: &str| world.path(name).metadata().map_or(0, |file| file.len());
    let happened: [(&str, Happened<'_>); 6] = [
        ("the program ran", &|world| world.path("done").exists()),
        ("it issued", &|world| world.path("letsencrypt/archive/www.example.org/privkey2.pem").exists()),
        ("the certificate was kept", &|world| size(world, "ssl/fullchain.pem.previous") > 0),
        ("the key was kept", &|world| size(world, "ssl/privkey.pem.previous") > 0),
        ("the key was copied", &|world| world.text("ssl/privkey.pem") == world.text("next/privkey.pem")),
        ("both were copied", &|world| world.text("ssl/fullchain.pem") == world.text("next/fullchain.pem")),
    ];
    let mut in_the_midst = 0;
    for (case, happened) in happened.into_iter().cycle().take(18) {
        let world = World::new(5);
        let leaf = world.leaf(89);
        // What takes longer to write can be cut off more easily.
        let new = [format!("{}{}", "# a comment\n".repeat(20_000), world.chain(&leaf)), leaf.key];
        world.next(&new[0], &new[1]);
        let endpoint = world.endpoint(serve(watched(&world)));
        let mut process = world.host("run", &["--tls", &endpoint]).spawn();
        while !happened(&world) && process.is_running() {}
        process.kill_hard();
        in_the_midst += u32::from(!world.kept()[1].is_empty());
        let output = world.run(&["--tls", &endpoint]);
        assert!(output.code.is_some_and(|code| code <= 1), "{case}: {output}");
        assert_eq!((world.installed(), world.kept()), (new, NONE), "{case}");
        assert_eq!(world.mode("ssl/privkey.pem"), 0o600);
    }
    assert!(in_the_midst > 0, "no run was cut off between its copies and its last look");
}

#[test]
fn a_budget_that_runs_out_on_the_way_is_the_outcome_and_the_next_run_mends_it() {
    let world = World::new(5);
    let new = world.next_of(89);
    let size = world.installed().iter().map(String::len).sum::<usize>() + new.key.len();
    let budget = format!("installed.bytes={}", size + 10);
    let report = world.run(&["--budget", &budget]).expect_code(3).report();
    assert_eq!(report["run"]["outcome"], "over-budget", "{report:#}");
    assert!(report["error"].as_str().unwrap().ends_with("putting the old pair back failed, too"), "{report:#}");
    let report = world.run(&[]).expect_code(1).report();
    assert_eq!((world.installed(), world.kept()), (world.pair(&new), NONE), "{report:#}");
}
