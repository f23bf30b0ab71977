//! `cert-renew` with a script in certbot's place, real files and links, real handshakes, and a container of the engine's.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on stops here")]

mod issued;
mod restart;
mod unfinished;
mod world;

use std::os::unix::fs::symlink;

use world::{World, found, serve, summary, watched};

#[test]
fn a_certificate_that_ends_soon_is_renewed_copied_and_presented() {
    let world = World::new(5);
    let new = world.next_of(89);
    let port = serve(watched(&world));
    let report = world.run(&["--tls", &world.endpoint(port)]).expect_code(0).report();
    assert_eq!(found(&report), [""; 0]);
    assert_eq!(world.text("done"), "renew\n");
    assert_eq!(world.installed(), world.pair(&new));
    assert_eq!((world.mode("ssl/fullchain.pem"), world.mode("ssl/privkey.pem")), (0o644, 0o600));
    // What the old key was kept in is no wider open, and empty again.
    assert_eq!((world.mode("ssl/privkey.pem.previous"), world.kept()), (0o600, [String::new(), String::new()]));
    let said = summary(&report);
    assert!(
        said.starts_with("installed `www.example.org`, valid until ") && said.ends_with("the endpoint presents it"),
        "{said}"
    );
    let days = &report["metrics"][0];
    assert_eq!(
        (days["name"].as_str(), days["subject"].as_str()),
        (Some("certificate_days_left"), Some("fullchain.pem"))
    );
    assert!((days["value"].as_f64().unwrap() - 89.0).abs() < 0.1, "{days}");

    // The next run finds nothing to do, and does not ask for another.
    let before = world.all();
    let report = world.run(&["--tls", &world.endpoint(port)]).expect_code(0).report();
    assert!(summary(&report).starts_with("nothing to do: `www.example.org` is valid for 89 days yet"), "{report:#}");
    assert_eq!(world.all(), before);
}

#[test]
fn what_lasts_is_left_and_what_was_issued_by_a_timer_is_taken() {
    let world = World::new(60);
    world.next_of(89);
    let report = world.run(&[]).expect_code(0).report();
    assert!(summary(&report).starts_with("nothing to do: "), "{report:#}");
    assert_eq!(world.text("done"), "");
    // A server that presents another than the one installed is told of.
    let other = world.pair(&world.leaf(40));
    let port = serve(move || Some(other.clone()));
    let report = world.run(&["--tls", &world.endpoint(port)]).expect_code(1).report();
    let expected = format!("warning | 127.0.0.1:{port} | does not present the installed certificate");
    assert_eq!(found(&report), [expected]);

    let new = world.leaf(80);
    world.write("letsencrypt/archive/www.example.org/fullchain1.pem", world.chain(&new), 0o644);
    world.write("letsencrypt/archive/www.example.org/privkey1.pem", &new.key, 0o600);
    let report = world.run(&[]).expect_code(0).report();
    assert_eq!((world.text("done").as_str(), world.installed()), ("", world.pair(&new)));
    assert_eq!(report["next_actions"].as_array().map(Vec::len), Some(1), "nothing was restarted: {report:#}");
}

#[test]
fn a_rehearsal_lists_all_that_would_be_done_and_does_none_of_it() {
    for days in [5, 60] {
        let world = World::new(days);
        world.next_of(89);
        let port = serve(watched(&world));
        let before = world.all();
        let output = world.quiet(world.host("plan", &["--tls", &world.endpoint(port)]).run()).expect_code(0);
        assert_eq!(world.all(), before);
        let report = output.report();
        let would = "would have a certificate issued, check it, copy it with its key, restart and look";
        assert!(days == 60 || summary(&report) == would, "{report:#}");
        let effects = report["effects"].as_array().unwrap().iter().filter(|effect| effect["decision"] == "rehearse");
        let targets: Vec<_> = effects.map(|effect| effect["target"].as_str().unwrap().to_owned()).collect();
        if days == 60 {
            assert_eq!(targets, [""; 0]);
            continue;
        }
        for part in ["renew", "fullchain.pem", "privkey.pem", "privkey.pem.previous"] {
            assert!(targets.iter().any(|target| target.contains(part)), "{part}: {targets:?}");
        }
    }
}

#[test]
fn without_a_grant_nothing_is_begun() {
    let world = World::new(5);
    world.next_of(89);
    let place = world.directory.path().display();
    let command = format!("renew={place},run,templates={place}/templates.toml");
    let observed = format!("renew={place},templates={place}/templates.toml");
    let (issued, live) = (format!("issued={place}/letsencrypt"), format!("issued={place}/letsencrypt/live"));
    let (installed, read) = (format!("installed={place}/ssl,write"), format!("installed={place}/ssl"));
    let narrow = format!("issued={place}/letsencrypt,include=live");
    let before = world.all();
    for (case, grants, lineage, said) in [
        ("no command", vec!["--files", &issued, "--files", &installed], "live/www.example.org", "--command renew="),
        (
            "observing only",
            vec!["--command", &observed, "--files", &issued, "--files", &installed],
            "live/www.example.org",
            "run",
        ),
        (
            "nothing issued",
            vec!["--command", &command, "--files", &installed],
            "live/www.example.org",
            "--files issued=",
        ),
        (
            "reading only",
            vec!["--command", &command, "--files", &issued, "--files", &read],
            "live/www.example.org",
            "write",
        ),
        (
            "links that lead out of the directory",
            vec!["--command", &command, "--files", &live, "--files", &installed],
            "www.example.org",
            "grant the directory that holds both",
        ),
        (
            "links that lead out of what is included",
            vec!["--command", &command, "--files", &narrow, "--files", &installed],
            "live/www.example.org",
            "grant the directory that holds both",
        ),
        (
            "a lineage that leads out",
            vec!["--command", &command, "--files", &live, "--files", &installed],
            "../archive/www.example.org",
            "..",
        ),
    ] {
        let host = taskhost_tests::host().args(["run", "cert-renew", "--format=json"]).args(grants);
        let output = host.arg(format!("lineage={lineage}")).run().expect_code(3);
        let report = output.report();
        assert!(report["error"].as_str().unwrap().contains(said), "{case}: {report:#}");
        assert_eq!(world.all(), before, "{case}");
    }
    // The grant that a cautious operator gives.
    let include = format!("issued={place}/letsencrypt,include=live/www.example.org,include=archive/www.example.org");
    let host = taskhost_tests::host().args(["run", "cert-renew", "lineage=live/www.example.org"]);
    host.args(["--command", &command, "--files", &include, "--files", &installed]).run().expect_code(0);
}

#[test]
fn what_cannot_be_mended_on_the_way_is_told_before_anything_is_run() {
    for (case, prepare, code, expected) in [
        (
            "no key",
            &(|world: &World| std::fs::remove_file(world.path("ssl/privkey.pem")).unwrap()) as &dyn Fn(&World),
            2,
            "critical | privkey.pem | no file for the private key",
        ),
        (
            "a link",
            &|world| {
                std::fs::remove_file(world.path("ssl/privkey.pem")).unwrap();
                symlink("../letsencrypt/live/www.example.org/privkey.pem", world.path("ssl/privkey.pem")).unwrap();
            },
            2,
            "critical | privkey.pem | not a plain file",
        ),
        (
            "a directory",
            &|world| {
                std::fs::remove_file(world.path("ssl/fullchain.pem")).unwrap();
                std::fs::create_dir(world.path("ssl/fullchain.pem")).unwrap();
            },
            2,
            "critical | fullchain.pem | not a plain file",
        ),
        (
            "a wide open place for the old key",
            &|world| {
                world.write("ssl/privkey.pem.previous", "", 0o644);
            },
            2,
            "critical | fullchain.pem | the old pair cannot be kept",
        ),
    ] {
        let world = World::new(5);
        let new = world.next_of(89);
        prepare(&world);
        let report = world.run(&[]).expect_code(code).report();
        assert_eq!(found(&report), [expected], "{case}");
        assert_ne!(world.text("ssl/privkey.pem"), new.key, "{case}");
    }
}

#[test]
fn a_key_is_no_wider_open_than_it_was_and_one_that_is_open_is_told_of() {
    let world = World::new(5);
    world.next_of(89);
    world.write("ssl/privkey.pem", world.text("ssl/privkey.pem"), 0o644);
    let report = world.run(&[]).expect_code(1).report();
    assert_eq!(found(&report), ["warning | privkey.pem | private key is open to everyone"]);

    // The first one: an empty file says what mode the key is to have.
    let world = World::new(5);
    let new = world.next_of(89);
    std::fs::remove_file(world.path("ssl/fullchain.pem")).unwrap();
    world.write("ssl/privkey.pem", "", 0o600);
    let report = world.run(&[]).expect_code(0).report();
    assert_eq!((found(&report), world.installed()), (vec![], world.pair(&new)));
    assert_eq!(world.mode("ssl/privkey.pem"), 0o600);
}

#[test]
fn what_makes_no_sense_is_answered_with_what_to_write() {
    let world = World::new(5);
    for (arguments, said) in [
        (&["template=certbot"][..], "there is no template `certbot`; there are renew"),
        (&["containers=web"], "--docker server="),
        (&["certificate=one.pem", "key=one.pem"], "name two"),
        (&["--tls", "endpoint=*.example.org:443"], "names no endpoint exactly"),
    ] {
        let report = world.run(arguments).expect_code(3).report();
        assert!(report["error"].as_str().unwrap().contains(said), "{arguments:?}: {report:#}");
    }
    assert_eq!(world.text("done"), "");
}
