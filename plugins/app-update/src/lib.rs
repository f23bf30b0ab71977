//! Updates an application by steps that the operator wrote down: one after the other, with a look at its health after each,
//! and a way back from where it matters.
//!
//! It must never begin what it can see will not end: a template that is not there or not granted, a placeholder without a
//! value, an application that is not healthy to begin with. It does not roll back what changed nothing that is served.

mod health;
mod plan;
mod steps;

use taskhost_sdk::prelude::*;
use taskhost_sdk::words::{counted, took};

use health::Health;
use plan::{Offered, Plan, Step, Written};
use steps::{Ending, Steps};

const STEPS: command::Slot = command::Slot::new("steps", "its templates are the steps of the update").run();
const HEALTH: http::Slot =
    http::Slot::new("health", "asked after each step, whether the application is well").optional();
const ENGINE: docker::Slot =
    docker::Slot::new("engine", "containers are restarted where a step is `restart:NAME`").control().optional();

/// What an operator may set.
#[derive(Parameters)]
struct Options {
    /// Templates in the order in which they are run, and restart:CONTAINER.
    steps: Vec<String>,
    /// NAME=VALUE for the placeholders of the templates.
    #[parameter(default = "")]
    arguments: Vec<String>,
    /// Steps that undo the update, in their order.
    #[parameter(default = "")]
    rollback: Vec<String>,
    /// The first step whose failure is undone; the last step when not given.
    rollback_from: Option<String>,
    /// A template that observes and prints the application's version.
    version: Option<String>,
    /// Paths to ask below each address of the health slot; the addresses themselves when there are none.
    #[parameter(default = "")]
    paths: Vec<String>,
    /// The status of a healthy answer.
    #[parameter(default = 200, min = 100, max = 599)]
    expect: u32,
    /// How long it may take until it is healthy after a step.
    #[parameter(default = "2m", min = "1s", max = "1h")]
    settle: Duration,
    /// Begin only if it is healthy now.
    #[parameter(default = true)]
    healthy_first: bool,
    /// How long a container has to stop when it is restarted.
    #[parameter(default = "10s", min = "1s", max = "10m")]
    grace: Duration,
}

/// Checks, steps, and tells.
#[task(summary = "updates an application by steps, with a health check after each and a way back", slots = [STEPS, HEALTH, ENGINE])]
async fn app_update(options: Options) -> Result<String> {
    let offered: Vec<Offered> = STEPS.templates()?.into_iter().map(Offered::from).collect();
    let health = Health::of(&HEALTH, &options.paths, options.expect, options.settle)?;
    let written = Written {
        steps: &options.steps,
        rollback: &options.rollback,
        rollback_from: options.rollback_from.as_deref(),
        version: options.version.as_deref(),
        arguments: &options.arguments,
    };
    let plan = Plan::new(&written, &offered, ENGINE.open().is_ok()).map_err(Failure::invalid)?;
    if options.healthy_first
        && let Some(reason) = health.now().await?
    {
        Finding::critical("application", "not healthy before the update")
            .detail(reason)
            .remedy("mend it first, or say healthy-first=false")
            .report();
        return Ok("not begun: the application is not healthy".into());
    }

    let steps = Steps { slot: &STEPS, engine: &ENGINE, health: &health, grace: options.grace };
    let before = steps.version(plan.version.as_deref()).await?;
    if rehearsing() {
        for step in &plan.steps {
            steps.rehearse(step).await?;
        }
        let back = if plan.rollback.is_empty() { "" } else { ", with a way back" };
        return Ok(format!("would run {}{back}{}", counted(plan.steps.len(), "step"), of(before.as_deref())));
    }
    let ending = steps.all(&plan).await;
    let after = steps.version(plan.version.as_deref()).await;
    match ending {
        Ending::Done { seconds } => {
            let after = after?;
            // A restart alone changes nothing.
            if let (Some(before), Some(after)) = (&before, &after)
                && before == after
                && plan.steps.iter().any(|step| matches!(step, Step::Command { .. }))
            {
                Finding::warning("application", "the version is the same")
                    .detail(format!("{before} before and after"))
                    .report();
            }
            let change = match (before, after) {
                (Some(before), Some(after)) => format!(": {before} to {after}"),
                _ => String::new(),
            };
            Ok(format!("updated by {} in {}{change}", counted(plan.steps.len(), "step"), took(seconds)))
        }
        Ending::Failed { step, back, failure } => {
            let what = match back {
                None => "nothing was rolled back",
                Some(true) => "rolled back",
                Some(false) => "the rollback failed too",
            };
            // What was refused or ran out is the run's own outcome.
            match failure {
                Some(failure) => {
                    Err(Failure { message: format!("step {step}: {}; {what}", failure.message), ..failure })
                }
                None => Ok(format!("step {step} failed; {what}{}", of(after.ok().flatten().as_deref()))),
            }
        }
    }
}

fn of(version: Option<&str>) -> String {
    version.map(|version| format!("; the version is {version}")).unwrap_or_default()
}
