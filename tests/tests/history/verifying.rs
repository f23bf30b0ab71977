//! A history is what was written: whatever is changed, taken out, put in or moved is found.

use super::{Places, World, assert_whole, tamper};
use taskhost::bundle::Kind;
use taskhost::report::{LogLine, Outcome, Severity, Unit};
use taskhost_tests::history::{Past, ended, finding, metric, next_action, removed};
use taskhost_tests::{Output, host};

/// Three runs with something of everything; the second resolves what the first found.
async fn past(place: &str) -> Vec<String> {
    let past = Past::new(place, Some("shop"));
    let mut ids = Vec::new();
    for (day, found) in [(1, true), (2, false), (3, true)] {
        let mut report = ended("check", &format!("2026-03-0{day}T03:00:00.5Z"), Outcome::Warning);
        if found {
            report.findings.push(finding(Severity::Warning, "disk", "nearly full"));
        }
        report.metrics.push(metric("used", Some("disk"), 0.1 + f64::from(day), Unit::Percent));
        report.metrics.push(metric("zero", None, -0.0, Unit::None));
        report.next_actions.push(next_action("buy a disk"));
        report.effects.push(removed("logs", "a.log", 12));
        report.notices.push("the role is a superuser".into());
        report.log.push(LogLine { level: "info".into(), message: "looked".into() });
        ids.push(past.add(Some(Kind::Daily), report).await);
    }
    past.close().await;
    ids
}

fn verify(place: &str) -> Output {
    host().args(["history", "verify", place]).run()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_changed_taken_out_put_in_or_moved_is_found() {
    let places = Places::new().await;
    for place in places.all() {
        let ids = past(&place).await;
        let [first, second, third] = ids.as_slice() else { panic!("{ids:?}") };
        assert_whole(&place);
        let changed = |id: &str| format!("run {id}: its record was changed");
        // What is done, what undoes it, and what is said of it.
        for (done, undone, said) in [
            ("UPDATE findings SET detail = 'x'", "UPDATE findings SET detail = 'seen at disk'", changed(first)),
            (
                "UPDATE metrics SET value = 1.25 WHERE value > 1 AND value < 2",
                "UPDATE metrics SET value = 1.1 WHERE value = 1.25",
                changed(first),
            ),
            ("UPDATE effects SET target = 'b.log'", "UPDATE effects SET target = 'a.log'", changed(second)),
            ("UPDATE log SET level = 'warn'", "UPDATE log SET level = 'info'", changed(third)),
            ("UPDATE notices SET notice = ''", "UPDATE notices SET notice = 'the role is a superuser'", changed(first)),
            ("UPDATE next_actions SET action = ''", "UPDATE next_actions SET action = 'buy a disk'", changed(first)),
            ("UPDATE runs SET outcome = 'ok'", "UPDATE runs SET outcome = 'warning'", changed(first)),
            ("UPDATE runs SET summary = NULL", "UPDATE runs SET summary = 'all looked at'", changed(second)),
            (
                "UPDATE runs SET operator = 'mallory'",
                "UPDATE runs SET operator = 'alice'",
                format!("run {first}: what was noted at its start was changed"),
            ),
            (
                "UPDATE issues SET runs = 7 WHERE resolved IS NOT NULL",
                "UPDATE issues SET runs = 1 WHERE resolved IS NOT NULL",
                changed(second),
            ),
            (
                "UPDATE findings SET position = position + 1",
                "UPDATE findings SET position = position - 1",
                // Their order is what counts.
                "whole".into(),
            ),
            (
                "UPDATE journal SET operator = 'mallory' WHERE seq = 2",
                "UPDATE journal SET operator = 'alice' WHERE seq = 2",
                "link 2 was changed: its hash is not that of what it says".into(),
            ),
            (
                "UPDATE journal SET seq = 99 WHERE seq = 3",
                "UPDATE journal SET seq = 3 WHERE seq = 99",
                "link 3 is missing".into(),
            ),
            (
                "UPDATE journal SET seq = 0 - seq WHERE seq IN (3, 4); UPDATE journal SET seq = seq + 7 WHERE seq < 0",
                "UPDATE journal SET seq = 0 - seq WHERE seq IN (3, 4); UPDATE journal SET seq = seq + 7 WHERE seq < 0",
                "link 3 does not follow link 2: they were moved or changed".into(),
            ),
            (
                "UPDATE head SET seq = 5",
                "UPDATE head SET seq = 6",
                "the chain ends with link 6, and should with link 5".into(),
            ),
        ] {
            tamper(&place, done).await;
            let verdict = verify(&place);
            assert!(verdict.stdout.contains(&said), "{place}: {done}: no `{said}` in {verdict}");
            assert_eq!(verdict.code, Some(if said == "whole" { 0 } else { 2 }), "{done}: {verdict}");
            tamper(&place, undone).await;
            assert_whole(&place);
        }
        let finds =
            |said: String| assert!(verify(&place).expect_code(2).stdout.contains(&said), "{said}: {}", verify(&place));
        let stray = "INSERT INTO findings (run, position, severity, subject, title, detail) \
                     VALUES ('nobody', 0, 'ok', '', '', '')";
        tamper(&place, stray).await;
        finds("findings of run nobody are there, and the run is not".into());
        tamper(&place, "DELETE FROM findings WHERE run = 'nobody'").await;
        let more = format!(
            "INSERT INTO findings (run, position, severity, subject, title, detail) VALUES ('{second}', 0, 'ok', '', '', '')"
        );
        tamper(&place, &more).await;
        finds(changed(second));
        tamper(&place, &format!("DELETE FROM findings WHERE run = '{second}'")).await;
        assert_whole(&place);
        // A run with all that belongs to it, and a whole end.
        tamper(&place, &format!("DELETE FROM runs WHERE id = '{third}'")).await;
        finds(format!("{third}: its record is missing; the chain says `finished` of it"));
        tamper(&place, "DELETE FROM journal WHERE seq > 4").await;
        finds("the chain ends with link 4, and should with link 6".into());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_was_made_anew_is_told_by_a_link_that_was_noted() {
    let world = World::new();
    let place = world.history().display().to_string();
    past(&place).await;
    let verdict = verify(&place).expect_code(0).stdout;
    let head = verdict.lines().find_map(|line| line.strip_prefix("head ")).unwrap().to_owned();
    let noted = |head: &str| host().args(["history", "verify", &place, "--head", head]).run();
    noted(&head).expect_code(0);
    // It goes on, and the noted link is still in it.
    world.daily().expect_code(0);
    noted(&head).expect_code(0);
    std::fs::remove_file(&place).unwrap();
    past(&place).await;
    verify(&place).expect_code(0);
    let anew = noted(&head).expect_code(2);
    assert!(anew.stdout.contains("the link that was noted is not in the chain"), "{anew}");
    let json =
        host().args(["history", "verify", &place, "--head", &head, "--format", "json"]).run().expect_code(2).json();
    assert_eq!((&json["runs"], json["problems"].as_array().unwrap().len()), (&3.into(), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tick_that_was_changed_or_put_in_is_found() {
    let world = World::new();
    let place = world.history().display().to_string();
    let tick = |words: &[&str]| world.host("tick").args(words.iter().copied()).run().expect_code(0);
    tick(&["vendor", "--by", "Ann"]);
    tick(&["vendor", "--undo", "--by", "Ann"]);
    tick(&["error log", "--by", "Ann"]);
    assert_whole(&place);
    tamper(&place, "UPDATE ticks SET undone = NULL").await;
    assert!(verify(&place).expect_code(2).stdout.contains("was changed"));
    tamper(&place, "DELETE FROM ticks").await;
    assert!(verify(&place).expect_code(2).stdout.contains("its record is missing; the chain says `unticked` of it"));
}
