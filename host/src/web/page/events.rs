//! Who did what: paused, resumed, asked for, stopped, signed in; and what the host left out.

use jiff::Timestamp;
use maud::{Markup, html};
use serde::Deserialize;

use super::parts::{clock, older};
use super::{Answer, Call, Frame, links};
use crate::history::{Deed, Event};
use crate::web::words::Clock;

const PIECE: u32 = 100;

#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    task: String,
    before: Option<Timestamp>,
}

pub(super) async fn show(call: Call) -> Answer {
    let served = call.served()?;
    let Wanted { task, before } = call.query()?;
    let (frame, loaded) = (Frame::of(&call), served.service.loaded());
    let (clock, bundle) = (clock(&loaded), served.name.as_str());
    let whose = Some(task.as_str()).filter(|task| !task.is_empty());
    let mut found = served.reader.events_before(bundle, whose, before, PIECE + 1).await?;
    let more = found.len() > PIECE as usize;
    found.truncate(PIECE as usize);
    let here = links::of(bundle, "events");
    let lead = |before: &str| links::with(&here, &[("task", task.as_str()), ("before", before)]);
    let next = found.last().filter(|_| more).map(|event| lead(&event.at.to_string()));
    let newest = before.map(|_| lead(""));
    let body = html! {
        div.title { h1 { "Who did what" } @if let Some(task) = whose { p.quiet { "about " (task) } } }
        @if found.is_empty() { p.quiet { "Nothing is noted." } } @else { (list(bundle, &clock, &found, true)) }
        (older(next, newest.as_deref()))
    };
    Ok(frame.show("Who did what", "events", &body))
}

fn words(deed: Deed) -> &'static str {
    match deed {
        Deed::Served => "began to serve",
        Deed::Drained => "ended",
        Deed::Reloaded => "read the bundle anew",
        Deed::ReloadRefused => "found the bundle wrong",
        Deed::Paused => "paused",
        Deed::Resumed => "resumed",
        Deed::Asked => "asked for",
        Deed::Cancelled => "stopped",
        Deed::LeftOut => "left out",
        Deed::SignedIn => "signed in",
    }
}

pub(super) fn list(bundle: &str, clock: &Clock, events: &[Event], with_task: bool) -> Markup {
    html! {
        ul.events {
            @for event in events {
                li {
                    span.quiet { (clock.short(event.at)) } " "
                    strong { (event.by) } " " (words(event.what))
                    @if let Some(task) = event.task.as_ref().filter(|_| with_task) { " " a href=(links::task(bundle, task)) { (task) } }
                    @if !event.detail.is_empty() { ": " span.detail { (event.detail) } }
                    @if let Some(run) = event.run.as_ref().filter(|run| !run.is_empty()) { " " a.quiet href=(links::run(bundle, run)) { "run" } }
                }
            }
        }
    }
}
