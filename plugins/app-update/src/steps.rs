//! The steps, carried out.

use std::time::Instant;

use taskhost_sdk::prelude::*;

use crate::health::Health;
use crate::plan::{Plan, Step};

/// Bytes of a version, or of what a step wrote last.
const LINE: usize = 4096;

/// With what steps are carried out.
pub(crate) struct Steps<'a> {
    pub(crate) slot: &'a command::Slot,
    pub(crate) engine: &'a docker::Slot,
    pub(crate) health: &'a Health,
    pub(crate) grace: Duration,
}

/// How it ended.
pub(crate) enum Ending {
    Done {
        seconds: f64,
    },
    /// A step failed; whether what was done is undone, if that was tried; what the run ends with, if not with the finding.
    Failed {
        step: String,
        back: Option<bool>,
        failure: Option<Failure>,
    },
}

/// What stands against a step.
enum Trouble {
    /// It did not do its work.
    Broken(String),
    /// It was not let.
    Stopped(Failure),
}

impl Steps<'_> {
    /// All of them, and back where one fails.
    pub(crate) async fn all(&self, plan: &Plan) -> Ending {
        let begun = Instant::now();
        for (index, step) in plan.steps.iter().enumerate() {
            let name = step.name();
            progress(index as u64, Some(plan.steps.len() as u64), name.clone());
            let Err(trouble) = self.one(step).await else { continue };
            let (detail, failure) = match trouble {
                Trouble::Broken(detail) => (detail, None),
                Trouble::Stopped(failure) => (failure.message.clone(), Some(failure)),
            };
            Finding::critical(&name, "the step failed").detail(detail).report();
            let back = if plan.undoes(index) { Some(self.back(plan).await) } else { None };
            return Ending::Failed { step: name, back, failure };
        }
        Ending::Done { seconds: begun.elapsed().as_secs_f64() }
    }

    /// A step is done when it succeeded and the application is well.
    async fn one(&self, step: &Step) -> Result<(), Trouble> {
        let begun = Instant::now();
        self.carry_out(step).await?;
        let seconds = begun.elapsed().as_secs_f64();
        Metric::new("step_seconds", seconds).subject(step.name()).unit(Unit::Seconds).report();
        match self.health.settles().await {
            Ok(None) => Ok(()),
            Ok(Some(wrong)) => Err(Trouble::Broken(format!("the application is not healthy after it: {wrong}"))),
            Err(failure) => Err(Trouble::Stopped(failure)),
        }
    }

    async fn carry_out(&self, step: &Step) -> Result<(), Trouble> {
        let (template, values) = match step {
            Step::Restart(container) => return self.restart(container).await,
            Step::Command { template, values } => (template, values),
        };
        let command =
            values.iter().fold(self.slot.template(template), |command, (name, value)| command.with(name, value));
        let run = async {
            let Some(mut running) = command.start().await? else { return Ok(None) };
            let (mut last, mut buffer) = (Vec::new(), Vec::new());
            while let Some(piece) = running.next(buffer).await {
                last.extend_from_slice(&piece);
                last.drain(..last.len().saturating_sub(LINE));
                buffer = piece;
            }
            Ok::<_, command::Error>(Some((last, running.finish().await?)))
        };
        match run.await {
            Ok(Some((_, ended))) if ended.success() => Ok(()),
            Ok(None) => Ok(()),
            Ok(Some((last, ended))) => {
                // Some programs complain on standard output.
                let last = String::from_utf8_lossy(&last).into_owned();
                let said = last.lines().rev().map(str::trim).find(|line| !line.is_empty());
                let said = said.filter(|_| ended.last_words().is_none()).map(|said| format!(": {said}"));
                Err(Trouble::Broken(format!("{ended}{}", said.unwrap_or_default())))
            }
            Err(error @ (command::Error::Refused(_) | command::Error::OverBudget(_))) => {
                Err(Trouble::Stopped(error.into()))
            }
            Err(error) => Err(Trouble::Broken(command::message(&error))),
        }
    }

    async fn restart(&self, container: &str) -> Result<(), Trouble> {
        let engine = self.engine.open().map_err(|error| Trouble::Stopped(error.into()))?;
        let grace = u32::try_from(self.grace.as_secs()).unwrap_or(u32::MAX);
        match engine.restart(container.into(), grace).await {
            Ok(()) => Ok(()),
            Err(error @ (docker::Error::Refused(_) | docker::Error::OverBudget(_))) => {
                Err(Trouble::Stopped(error.into()))
            }
            Err(error) => Err(Trouble::Broken(docker::message(&error))),
        }
    }

    /// Whether what was done is undone, and the application well.
    async fn back(&self, plan: &Plan) -> bool {
        for step in &plan.rollback {
            progress(0, None, format!("rolling back: {}", step.name()));
            if let Err(trouble) = self.carry_out(step).await {
                let detail = match trouble {
                    Trouble::Broken(detail) => detail,
                    Trouble::Stopped(failure) => failure.message,
                };
                self.stuck(step, detail);
                return false;
            }
        }
        match self.health.settles().await {
            Ok(None) => {
                let well = if self.health.is_asked() { "; the application is healthy" } else { "" };
                let steps = plan.rollback.iter().map(Step::name).collect::<Vec<_>>().join(", ");
                Finding::warning("application", "rolled back").detail(format!("by {steps}{well}")).report();
                true
            }
            Ok(Some(wrong)) => {
                Finding::critical("application", "not healthy after the rollback").detail(wrong).report();
                false
            }
            Err(failure) => {
                Finding::critical("application", "its health after the rollback is not known")
                    .detail(failure.message)
                    .report();
                false
            }
        }
    }

    fn stuck(&self, step: &Step, detail: String) {
        let healthy = if self.health.is_asked() { "look at its health" } else { "look at the application" };
        Finding::critical(step.name(), "the rollback failed")
            .detail(detail)
            .remedy(format!("{healthy}, and finish the rollback by hand"))
            .report();
    }

    /// Lists a step: its program is not run, its container not restarted.
    pub(crate) async fn rehearse(&self, step: &Step) -> Result<()> {
        match self.carry_out(step).await {
            Ok(()) => Ok(()),
            Err(Trouble::Stopped(failure)) => Err(failure),
            // What observes is run in a rehearsal, too.
            Err(Trouble::Broken(detail)) => {
                Finding::critical(step.name(), "the step failed").detail(detail).report();
                Ok(())
            }
        }
    }

    /// What the template of the version prints first.
    pub(crate) async fn version(&self, template: Option<&str>) -> Result<Option<String>> {
        let Some(template) = template else { return Ok(None) };
        let Some((text, ended)) = self.slot.template(template).output_text(LINE).await? else { return Ok(None) };
        if !ended.success() {
            Finding::warning(template, "the version is not known").detail(ended.to_string()).report();
            return Ok(None);
        }
        Ok(text.lines().map(str::trim).find(|line| !line.is_empty()).map(Into::into))
    }
}
