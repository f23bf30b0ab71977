//! One run: check the request, make a store, call the plugin under its deadline, clean up, report.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use wasmtime::{PoolConcurrencyLimitError, Store, Trap, WasmtimeBug};

use super::bindings::PluginPre;
use super::bindings::exports::taskhost::host::task as wit;
use super::description::{Description, Value};
use super::error::RequestError;
use super::fit;
use super::limits::Limits;
use super::load::{Host, Plugin};
use super::store::Ctx;
use crate::capability::{Grants, HostFault, Load, Notices, RunContext, States};
use crate::gate::{Budgets, Gate, Mode, Watch, Written};
use crate::policy::units::{Seconds, Size};
use crate::report::{Collector, Event, Observer, Outcome, Report, RunFacts};

/// How long a run may take unless the operator says otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_mins(30);
/// Bytes of linear memory that a run may use unless the plugin or the operator says more.
const DEFAULT_MEMORY: u64 = 64 << 20;
/// The most that a plugin's own word gets it.
const MOST_MEMORY_BY_PLUGIN: u64 = 1 << 30;
/// How long the rooms may take to clean up after a run.
const CLEAN_UP: Duration = Duration::from_secs(30);
/// The most bytes that one host call copies out of a guest.
const HOSTCALL_BYTES: usize = 64 << 20;

/// What an operator asked for.
#[derive(Clone)]
pub struct Request {
    /// The name of a bundle's task; the plugin's when absent.
    pub task: Option<String>,
    /// Run or rehearsal.
    pub mode: Mode,
    /// Parameters as written.
    pub arguments: Vec<(String, String)>,
    /// What was bound.
    pub grants: Grants,
    /// How much may be changed.
    pub budgets: Budgets,
    /// Wall-clock time, waiting in host calls included.
    pub timeout: Duration,
    /// Bytes of linear memory; the operator's word is last.
    pub memory: Option<u64>,
    /// Watches the run.
    pub observer: Observer,
    /// Stops it.
    pub cancel: CancellationToken,
}

/// How the call into the plugin ended.
enum Ended {
    Returned(Result<String, wit::Failure>),
    Broke(wasmtime::Error),
    TimedOut,
    Cancelled,
}

impl Host {
    /// Runs or rehearses a plugin. Whatever it does, there is a report.
    pub async fn run(&self, plugin: &Plugin, request: Request) -> Report {
        let started = Timestamp::now();
        let clock = Instant::now();
        let (mode, timeout) = (request.mode, request.timeout);
        let watch: Watch = {
            let observer = request.observer.clone();
            Arc::new(move |entry| observer(Event::Effect(entry)))
        };
        let gate = Gate::of(mode, request.budgets.clone(), Instant::now, written(&request), Some(watch));
        let task = request.task.as_deref().unwrap_or(&plugin.description().name).to_owned();
        let context = RunContext {
            gate: gate.clone(),
            notices: Notices::default(),
            load: Load::default(),
            task: task.as_str().into(),
        };
        let collector = Collector::new(mode, request.observer.clone());

        let (outcome, summary, error) = match self.prepare(plugin, &request) {
            Err(problems) => (problems.0, None, Some(problems.1.to_string())),
            Ok((pre, arguments)) => {
                let memory = request.memory.unwrap_or_else(|| own_memory(plugin.description()));
                let states = States::new(&self.shared, request.grants, &context);
                let ctx = Ctx::new(states, Limits::new(memory), collector.clone());
                let mut store = Store::new(&self.engine, ctx);
                store.limiter(|ctx| &mut ctx.limits);
                store.set_epoch_deadline(1);
                store.epoch_deadline_async_yield_and_update(1);
                store.set_hostcall_fuel(HOSTCALL_BYTES);
                let ended = tokio::select! {
                    biased;
                    () = request.cancel.cancelled() => Ended::Cancelled,
                    ended = tokio::time::timeout(timeout, call(&mut store, &pre, arguments)) => match ended {
                        Ok(Ok(returned)) => Ended::Returned(returned),
                        Ok(Err(error)) => Ended::Broke(error),
                        Err(_) => Ended::TimedOut,
                    },
                };
                let ctx = store.into_data();
                let verdict = judge(ended, &ctx, &collector, timeout);
                if tokio::time::timeout(CLEAN_UP, ctx.into_rooms().finish()).await.is_err() {
                    context.notices.add(format!(
                        "the clean-up after the run did not end within {} s; what it left is removed at the next start",
                        CLEAN_UP.as_secs()
                    ));
                }
                verdict
            }
        };

        let kept = collector.take();
        let journal = gate.journal();
        if journal.left_out() > 0 {
            context.notices.add(format!("{} more effects were counted and not listed", journal.left_out()));
        }
        Report {
            run: RunFacts {
                id: uuid::Uuid::now_v7().to_string(),
                task,
                plugin: Some(plugin.id()),
                mode,
                outcome,
                started,
                finished: Timestamp::now(),
                duration_us: crate::gate::micros(clock.elapsed()),
            },
            summary,
            findings: kept.findings,
            metrics: kept.metrics,
            next_actions: kept.next_actions,
            effects: journal.into_entries(),
            notices: context.notices.all(),
            log: kept.log,
            error,
        }
    }

    /// Everything that can be refused before the plugin's first instruction.
    fn prepare(
        &self,
        plugin: &Plugin,
        request: &Request,
    ) -> Result<(PluginPre<Ctx>, Vec<wit::Argument>), (Outcome, RequestError)> {
        let description = plugin.description();
        let misfits = fit::misfits(description, &request.grants, &request.budgets, &written(request));
        let refused = misfits.iter().any(|misfit| misfit.lacks);
        let mut wrong: Vec<String> = misfits.into_iter().map(|misfit| misfit.message).collect();
        let arguments = super::arguments::parse(description, &request.arguments).unwrap_or_else(|error| {
            wrong.extend(error.0);
            Vec::new()
        });
        if !wrong.is_empty() {
            let outcome = if refused { Outcome::Refused } else { Outcome::Invalid };
            return Err((outcome, RequestError(wrong)));
        }
        let bound = request.grants.slots().map(|(capability, _)| capability.to_owned());
        let optional = description.slots.iter().map(|slot| slot.capability.clone());
        let capabilities: BTreeSet<String> = bound.chain(optional).collect();
        let pre = plugin.linked(self, &capabilities).map_err(|error| (Outcome::Refused, error))?;
        let argument = |(name, value): (String, Value)| wit::Argument { name, value: value.into() };
        Ok((pre, arguments.into_iter().map(argument).collect()))
    }
}

/// A task has a name of its own in a bundle, where its grants are written.
fn written(request: &Request) -> Written {
    request.task.as_deref().map_or(Written::Flags, |task| Written::Task(task.into()))
}

/// Instantiates and calls. Cancelled by dropping.
async fn call(
    store: &mut Store<Ctx>,
    pre: &PluginPre<Ctx>,
    arguments: Vec<wit::Argument>,
) -> wasmtime::Result<Result<String, wit::Failure>> {
    let plugin = pre.instantiate_async(&mut *store).await?;
    store.run_concurrent(async |accessor| plugin.taskhost_host_task().call_run(accessor, arguments).await).await?
}

fn own_memory(description: &Description) -> u64 {
    description.memory.unwrap_or(0).clamp(DEFAULT_MEMORY, MOST_MEMORY_BY_PLUGIN)
}

/// The outcome, by how the call ended and what was found before.
fn judge(
    ended: Ended,
    ctx: &Ctx,
    collector: &Collector,
    timeout: Duration,
) -> (Outcome, Option<String>, Option<String>) {
    match ended {
        Ended::Returned(Ok(summary)) => {
            let summary = crate::policy::text::clean_line(&summary, 1000);
            (Outcome::of(collector.worst()), Some(summary), None)
        }
        Ended::Returned(Err(failure)) => {
            let outcome = match failure.kind {
                wit::FailureKind::Failed => Outcome::Failed,
                wit::FailureKind::Refused => Outcome::Refused,
                wit::FailureKind::OverBudget => Outcome::OverBudget,
                wit::FailureKind::Unavailable => Outcome::Unavailable,
                wit::FailureKind::TimedOut => Outcome::TimedOut,
                wit::FailureKind::InvalidParameters => Outcome::Invalid,
            };
            (outcome, None, Some(crate::policy::text::clean_paragraph(&failure.message, 4096)))
        }
        Ended::TimedOut => {
            let limit = if timeout.subsec_nanos() == 0 {
                Seconds(timeout.as_secs()).to_string()
            } else {
                format!("{} ms", timeout.as_millis())
            };
            let error = format!("it did not end within {limit} and was stopped; allow more with --timeout");
            (Outcome::TimedOut, None, Some(error))
        }
        Ended::Cancelled => (Outcome::Cancelled, None, Some("it was stopped before its end".into())),
        Ended::Broke(_) if ctx.limits.memory_refused => {
            let error = format!(
                "the plugin needs more than its {} of memory; allow more with --memory",
                Size(ctx.limits.memory())
            );
            (Outcome::Trapped, None, Some(error))
        }
        Ended::Broke(error) => {
            // A guest can break a run in more ways than have a type: handles that do not exist, texts that are none.
            // What is the host's own doing has one.
            let own = error.is::<HostFault>() || error.is::<WasmtimeBug>() || error.is::<PoolConcurrencyLimitError>();
            let outcome = if own { Outcome::HostFault } else { Outcome::Trapped };
            tracing::debug!("{error:?}");
            (outcome, None, Some(trap_reason(&error)))
        }
    }
}

/// What broke a guest, for people.
pub(super) fn trap_reason(error: &wasmtime::Error) -> String {
    if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
        return format!("the plugin exited with status {} instead of returning", exit.0);
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => "the plugin recursed until its stack was full".into(),
        Some(Trap::UnreachableCodeReached) => {
            "the plugin panicked (see its log for the message, or it reached code that cannot be reached)".into()
        }
        Some(trap) => format!("the plugin trapped: {trap}"),
        None => super::describe::first_line(error),
    }
}
