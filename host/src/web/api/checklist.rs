//! What people do: what is to be ticked in the current periods, and ticking it.

use axum::http::StatusCode;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bundle::Kind;
use crate::history::{Tick, Ticked};
use crate::web::Answer;
use crate::web::call::{Call, json};
use crate::web::failure::Failure;
use crate::web::page::checklist::{self, Item};

/// An entry in its current period.
#[derive(Serialize, JsonSchema)]
pub(super) struct Entry {
    title: String,
    kind: Kind,
    detail: Option<String>,
    /// `2026-03-14`, `2026-W11`, `2026-03` or `2026-Q1`.
    period: String,
    /// The last day on which it can be done.
    due: String,
    done: bool,
    by: Option<String>,
    #[schemars(with = "Option<String>")]
    at: Option<Timestamp>,
    note: Option<String>,
}

/// What was done.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Ticking {
    title: String,
    /// Where two entries of different kinds have that title.
    kind: Option<Kind>,
    /// What there is to say about it.
    note: Option<String>,
}

/// What was not.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Unticking {
    title: String,
    /// Where two entries of different kinds have that title.
    kind: Option<Kind>,
}

fn shown(item: &Item, tick: Option<&Tick>) -> Entry {
    Entry {
        title: item.entry.title.clone(),
        kind: item.entry.kind,
        detail: item.entry.detail.clone(),
        period: item.period.name.clone(),
        due: item.period.last().to_string(),
        done: tick.is_some(),
        by: tick.map(|tick| tick.by.clone()),
        at: tick.map(|tick| tick.at),
        note: tick.and_then(|tick| tick.note.clone()),
    }
}

pub(super) async fn list(call: Call) -> Answer {
    let items = checklist::items(&*call.served()?, Timestamp::now()).await?;
    json(StatusCode::OK, &items.iter().map(|item| shown(item, item.tick.as_ref())).collect::<Vec<_>>())
}

pub(super) async fn tick(mut call: Call) -> Answer {
    let served = call.served()?;
    let Ticking { title, kind, note } = call.json().await?;
    let item = checklist::find(&served, &title, kind).await?;
    match checklist::tick(&served, &item, call.by(), note.as_deref()).await? {
        Ticked::Done(tick) => json(StatusCode::OK, &shown(&item, Some(&tick))),
        Ticked::Already(tick) => Err(Failure::conflict(format!("{} ticked it already", tick.by))),
    }
}

pub(super) async fn untick(mut call: Call) -> Answer {
    let served = call.served()?;
    let Unticking { title, kind } = call.json().await?;
    let item = checklist::find(&served, &title, kind).await?;
    match checklist::untick(&served, &item, call.by()).await? {
        Some(_) => json(StatusCode::OK, &shown(&item, None)),
        None => Err(Failure::conflict("it is not ticked")),
    }
}
