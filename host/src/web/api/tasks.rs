//! Tasks: as they stand, and what they are told.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shapes::{Done, Run};
use crate::bundle::{self, Granted, Kind};
use crate::gate::Mode;
use crate::serve::Standing;
use crate::web::call::{Call, json};
use crate::web::failure::Failure;
use crate::web::{Answer, Served};

/// A bundle that is served.
#[derive(Serialize, JsonSchema)]
pub(super) struct Bundle {
    name: String,
    maintainer: Option<String>,
    time_zone: Option<String>,
    /// How many it has.
    tasks: usize,
}

/// A task.
#[derive(Serialize, JsonSchema)]
pub(super) struct Task {
    name: String,
    description: Option<String>,
    /// None when it is on demand.
    kind: Option<Kind>,
    /// As it is written.
    schedule: Option<String>,
    /// The plugin's name and version.
    plugin: String,
    standing: Option<Standing>,
    /// Its newest run; rehearsals left out.
    last: Option<Run>,
}

/// A task with all that is said of it.
#[derive(Serialize, JsonSchema)]
pub(super) struct Whole {
    task: Task,
    parameters: Vec<Parameter>,
    grants: Vec<Granted>,
}

/// What a task can be told.
#[derive(Serialize, JsonSchema)]
struct Parameter {
    name: String,
    /// `text`, `integer`, `number`, `boolean`, `duration`, `size`, `choice` or `texts`.
    #[serde(rename = "type")]
    kind: String,
    summary: String,
    required: bool,
    /// What the bundle gives it, or else the plugin.
    value: Option<String>,
}

/// What is asked for.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// `perform` or `rehearse`.
    #[schemars(with = "Modes")]
    mode: Mode,
    /// In the place of the bundle's parameters of the same names.
    #[serde(default)]
    arguments: BTreeMap<String, String>,
}

/// Whether changes are made, or only listed.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
#[expect(dead_code, reason = "the schema of Mode")]
enum Modes {
    Perform,
    Rehearse,
}

/// The run that was asked for: it begins when there is room.
#[derive(Serialize, JsonSchema)]
pub(super) struct Asked {
    run: String,
}

/// Whether that is new.
#[derive(Serialize, JsonSchema)]
pub(super) struct Changed {
    changed: bool,
}

/// How many were dropped.
#[derive(Serialize, JsonSchema)]
pub(super) struct Dropped {
    dropped: usize,
}

pub(super) async fn bundles(call: Call) -> Answer {
    let bundles = call.site.bundles.iter().map(|served| {
        let loaded = served.service.loaded();
        Bundle {
            name: loaded.bundle.name.clone(),
            maintainer: loaded.bundle.maintainer.clone(),
            time_zone: loaded.bundle.time_zone.iana_name().map(Into::into),
            tasks: loaded.bundle.tasks.len(),
        }
    });
    json(StatusCode::OK, &bundles.collect::<Vec<_>>())
}

/// What is said of these tasks.
async fn tasks(served: &Served, wanted: impl Fn(&bundle::Task) -> bool) -> Result<Vec<Task>, Failure> {
    let loaded = served.service.loaded();
    let chosen: Vec<&bundle::Task> = loaded.bundle.tasks.iter().filter(|task| wanted(task)).collect();
    let names: Vec<String> = chosen.iter().map(|task| task.name.clone()).collect();
    let newest = served.reader.newest_of(&served.name, &names).await?;
    let mut newest: BTreeMap<String, Run> = newest.into_iter().map(|run| (run.task.clone(), run.into())).collect();
    let mut standing: BTreeMap<String, Standing> =
        served.service.standing().await.into_iter().map(|one| (one.task.clone(), one)).collect();
    let tasks = chosen.into_iter().map(|task| {
        let plugin = loaded.task(&task.name).map(|(_, armed)| armed.plugin.id());
        Task {
            name: task.name.clone(),
            description: task.description.clone(),
            kind: task.kind,
            schedule: task.schedule.as_ref().map(|schedule| schedule.written().into()),
            plugin: plugin.map(|plugin| format!("{} {}", plugin.name, plugin.version)).unwrap_or_default(),
            standing: standing.remove(&task.name),
            last: newest.remove(&task.name),
        }
    });
    Ok(tasks.collect())
}

pub(super) async fn list(call: Call) -> Answer {
    json(StatusCode::OK, &tasks(&*call.served()?, |_| true).await?)
}

pub(super) async fn show(call: Call) -> Answer {
    let served = call.served()?;
    let name = call.task(&served)?;
    let gone = || Failure::not_found("the bundle has no such task");
    let task = tasks(&served, |task| task.name == name).await?.pop().ok_or_else(gone)?;
    let loaded = served.service.loaded();
    let (own, armed) = loaded.task(&name).ok_or_else(gone)?;
    let parameters = armed.plugin.description().parameters.iter().map(|parameter| {
        let given = own.arguments.iter().find(|(name, _)| *name == parameter.name).map(|(_, value)| value.clone());
        Parameter {
            name: parameter.name.clone(),
            kind: parameter.kind.name().into(),
            summary: parameter.summary.clone(),
            required: parameter.required,
            value: given.or_else(|| parameter.default.as_ref().map(ToString::to_string)),
        }
    });
    let grants = bundle::granted(&loaded.bundle).into_iter().filter(|grant| grant.task == name).collect();
    json(StatusCode::OK, &Whole { task, parameters: parameters.collect(), grants })
}

pub(super) async fn run(mut call: Call) -> Answer {
    let served = call.served()?;
    let task = call.task(&served)?;
    let Wanted { mode, arguments } = call.json().await?;
    let asked = served.service.run(&task, call.by(), mode, arguments.into_iter().collect()).await;
    let run = asked.map_err(Failure::invalid)?;
    json(StatusCode::ACCEPTED, &Asked { run })
}

pub(super) async fn pause(call: Call) -> Answer {
    set_paused(call, true).await
}

pub(super) async fn resume(call: Call) -> Answer {
    set_paused(call, false).await
}

async fn set_paused(call: Call, paused: bool) -> Answer {
    let served = call.served()?;
    let task = call.task(&served)?;
    call.check_program()?;
    let changed = served.service.pause(&task, paused, call.by()).await.map_err(Failure::conflict)?;
    json(StatusCode::OK, &Changed { changed })
}

pub(super) async fn drop_waiting(call: Call) -> Answer {
    let served = call.served()?;
    let task = call.task(&served)?;
    call.check_program()?;
    let dropped = served.service.drop_waiting(&task, call.by()).await.map_err(Failure::conflict)?;
    json(StatusCode::OK, &Dropped { dropped })
}

pub(super) async fn reload(call: Call) -> Answer {
    let served = call.served()?;
    call.check_program()?;
    served.service.reload(call.by()).await.map_err(Failure::conflict)?;
    json(StatusCode::OK, &Done { done: true })
}
