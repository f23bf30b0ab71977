//! Two runs in one process: neither sees the other, nor keeps it from its work.

use taskhost::capability::Grants;
use taskhost::plugin::Request;
use taskhost::report::Outcome;

use crate::scene::{PATIENCE, SHORT, World, bind, conduct, expect, request};

/// Runs of a good neighbour while another misbehaves.
const NEIGHBOURS: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_done_whatever_another_does_meanwhile() {
    let (host, plugin) = conduct().await;
    for case in ["loop", "recurse", "allocate", "flood-log", "flood-findings", "sleep", "hold-reads", "many-read-alls"]
    {
        let (theirs, ours) = (World::new(), World::new());
        let other = Request { grants: theirs.grants(), ..request(case, SHORT * 2) };
        let good = async {
            let mut ended = Vec::new();
            for _ in 0..NEIGHBOURS {
                // It looks at files, and asks its database.
                let report = host.run(&plugin, Request { grants: ours.grants(), ..request("texts", PATIENCE) }).await;
                ended.push((report.run.outcome, report.error));
            }
            ended
        };
        let (_, ended) = tokio::join!(host.run(&plugin, other), good);
        for (outcome, error) in ended {
            assert_eq!(outcome, Outcome::Ok, "beside {case}: {error:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_holds_connections_leaves_some_for_another() {
    let (host, plugin) = conduct().await;
    let world = World::new();
    let mut impatient = Grants::default();
    bind(&mut impatient, "sql", &format!("database=sqlite:{},lock-timeout=1s", world.database().display()));
    let hog = Request { grants: impatient, ..request("hold-queries", PATIENCE) };
    let good = async {
        tokio::time::sleep(SHORT).await;
        host.run(&plugin, Request { grants: world.grants(), ..request("texts", PATIENCE) }).await
    };
    let (hog, good) = tokio::join!(host.run(&plugin, hog), good);
    expect(&hog, Outcome::Ok, "held, then Error::TimedOut(\"this run has 4 connections");
    let answers = good.summary.unwrap_or_default();
    assert!(answers.contains("Ok(\"was answered\")"), "{answers}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_run_is_granted_another_is_not() {
    let (host, plugin) = conduct().await;
    let world = World::new();
    let granted = Request { grants: world.grants(), ..request("hold-query", PATIENCE) };
    let asks = || host.run(&plugin, Request { grants: Grants::default(), ..request("leak-databases", PATIENCE) });
    let (granted, refused) = tokio::join!(host.run(&plugin, granted), asks());
    expect(&granted, Outcome::Ok, "never read");
    expect(&refused, Outcome::Failed, "0: Error::Refused(\"slot `database` is not bound");
    expect(&asks().await, Outcome::Failed, "0: Error::Refused(\"slot `database` is not bound");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_name_of_another_task_is_refused_and_journaled() {
    let (host, plugin) = conduct().await;
    let world = World::new();
    let report = host.run(&plugin, Request { grants: world.grants(), ..request("forge-slots", PATIENCE) }).await;
    expect(&report, Outcome::Ok, "all refused");
    assert_eq!(report.effects.len(), 18);
    for entry in &report.effects {
        assert_eq!(entry.outcome.name(), "refused", "{entry:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_run_reports_is_in_no_others_report() {
    let (host, plugin) = conduct().await;
    let (loud, quiet) = tokio::join!(
        host.run(&plugin, request("forge-markup", PATIENCE)),
        host.run(&plugin, request("remember", PATIENCE))
    );
    assert!(loud.findings.len() == 3 && !loud.log.is_empty());
    assert!(quiet.findings.is_empty() && quiet.log.is_empty() && quiet.metrics.is_empty() && quiet.effects.is_empty());
    assert_ne!(loud.run.id, quiet.run.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_endpoint_that_was_granted_is_reached_however_another_is_written() {
    let (host, plugin) = conduct().await;
    let mut grants = Grants::default();
    bind(&mut grants, "tls", "endpoints=example.org:443");
    let report = host.run(&plugin, Request { grants, ..request("connect-anywhere", PATIENCE) }).await;
    expect(&report, Outcome::Ok, "36 refused");
}
