//! Runs cases: each in its world, several at a time, and the world thrown away however it went.

use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt as _;
use tokio_util::sync::CancellationToken;

use super::accept::propose;
use super::compare::compare;
use super::verdict::{Mismatch, State, Verdict};
use super::world::{Afterwards, Trouble, World};
use super::{Case, Origin, Step};
use crate::plugin::{Host, Plugin, Request};
use crate::report::Report;

/// How cases are to be run.
pub(crate) struct Order<'a> {
    /// How many at a time.
    pub(crate) jobs: usize,
    /// Work out what to expect from now on.
    pub(crate) accept: bool,
    /// Told of each that ended.
    pub(crate) ended: &'a (dyn Fn(&Verdict) + Sync),
    /// Stops them.
    pub(crate) cancel: CancellationToken,
}

/// Runs all of them; the verdicts are in their order.
pub(crate) async fn run(host: &Host, plugin: &Plugin, cases: &[(&Origin, &Case)], order: &Order<'_>) -> Vec<Verdict> {
    let each = cases.iter().map(|(origin, case)| async move {
        let verdict = one(host, plugin, origin, case, order).await;
        (order.ended)(&verdict);
        verdict
    });
    // Collected first: a stream that borrows is not general enough for what it is awaited in.
    let each: Vec<_> = each.collect();
    futures::stream::iter(each).buffered(order.jobs.max(1)).collect().await
}

async fn one(host: &Host, plugin: &Plugin, origin: &Origin, case: &Case, order: &Order<'_>) -> Verdict {
    let begun = Instant::now();
    let before = origin.text.get(..case.place.start).unwrap_or_default();
    let mut verdict = Verdict {
        name: case.name.clone(),
        file: origin.name.clone(),
        line: before.matches('\n').count() + 1,
        state: State::Passed,
        duration: begun.elapsed(),
        reports: vec![],
        left: vec![],
        index: case.index,
        proposed: vec![],
    };
    if order.cancel.is_cancelled() {
        verdict.state = State::NotRun("stopped".into());
        return verdict;
    }
    verdict.state = match World::begin(origin) {
        Err(Trouble(reason)) => State::NotRun(reason),
        Ok(mut world) => {
            let ran = steps(host, plugin, case, order, &mut world, &mut verdict).await;
            verdict.left = world.finish().await;
            match ran {
                Err(Trouble(reason)) => State::NotRun(reason),
                Ok(_) if order.cancel.is_cancelled() => State::NotRun("stopped".into()),
                Ok(steps) if steps.iter().all(Vec::is_empty) => State::Passed,
                Ok(steps) => State::Failed(steps),
            }
        }
    };
    verdict.duration = begun.elapsed();
    verdict
}

/// By run, what is not as expected.
async fn steps(
    host: &Host,
    plugin: &Plugin,
    case: &Case,
    order: &Order<'_>,
    world: &mut World,
    verdict: &mut Verdict,
) -> Result<Vec<Vec<Mismatch>>, Trouble> {
    stoppable(order, world.make(case)).await?;
    let mut all = Vec::new();
    for step in &case.steps {
        stoppable(order, world.prepare(step)).await?;
        let report = step_report(host, plugin, case, step, order, world).await?;
        let filled = |text: &str| world.filled(text);
        let mismatches = match &step.expect {
            None => {
                let nothing =
                    Mismatch::new("expect", "outcome = ... and more", "nothing is expected: write [case.expect]");
                if order.accept {
                    let emptied = |text: &str| world.emptied(text);
                    verdict.proposed.push(propose(None, &[], &report, &Afterwards::default(), &emptied));
                }
                vec![nothing]
            }
            Some(expect) => {
                let emptied = |text: &str| world.emptied(text);
                let afterwards = stoppable(order, world.look(expect)).await?;
                let mismatches = compare(expect, &report, &afterwards, &filled);
                if order.accept {
                    verdict.proposed.push(propose(Some(expect), &mismatches, &report, &afterwards, &emptied));
                }
                mismatches.into_iter().map(|mismatch| mismatch.named(&emptied)).collect()
            }
        };
        all.push(mismatches);
        verdict.reports.push(report);
    }
    Ok(all)
}

/// Work on a world is given up where it is when it is to stop: the world is thrown away next. A run is not, it cleans up.
async fn stoppable<T>(order: &Order<'_>, work: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    tokio::select! {
        biased;
        () = order.cancel.cancelled() => Err(Trouble("stopped".into())),
        done = work => done,
    }
}

async fn step_report(
    host: &Host,
    plugin: &Plugin,
    case: &Case,
    step: &Step,
    order: &Order<'_>,
    world: &World,
) -> Result<Report, Trouble> {
    let arguments = step.arguments.iter().map(|(name, value)| (name.clone(), world.filled(value)));
    let request = Request {
        task: None,
        mode: step.mode,
        arguments: arguments.collect(),
        grants: world.grants(&case.grants)?,
        budgets: step.budgets.clone(),
        timeout: case.timeout,
        memory: case.memory,
        observer: Arc::new(|_| {}),
        cancel: order.cancel.clone(),
    };
    Ok(host.run(plugin, request).await)
}
