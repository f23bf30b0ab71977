//! All runs, the newest first, piece by piece.

use maud::html;
use serde::Deserialize;

use super::parts::{clock, older, runs};
use super::{Answer, Call, Frame, links};
use crate::gate::Mode;
use crate::history::Page;
use crate::report::Outcome;

const PIECE: u32 = 50;

#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    task: String,
    /// An outcome's word, `running` or `rehearsals`.
    #[serde(default)]
    show: String,
    before: Option<i64>,
}

const SHOW: [(&str, &str, Option<Outcome>); 12] = [
    ("", "all", None),
    ("running", "running", None),
    ("rehearsals", "rehearsals", None),
    ("ok", "ok", Some(Outcome::Ok)),
    ("warning", "warning", Some(Outcome::Warning)),
    ("critical", "critical", Some(Outcome::Critical)),
    ("failed", "failed", Some(Outcome::Failed)),
    ("refused", "refused", Some(Outcome::Refused)),
    ("timed-out", "timed out", Some(Outcome::TimedOut)),
    ("unavailable", "unavailable", Some(Outcome::Unavailable)),
    ("cancelled", "cancelled", Some(Outcome::Cancelled)),
    ("interrupted", "interrupted", Some(Outcome::Interrupted)),
];

pub(super) async fn show(call: Call) -> Answer {
    let served = call.served()?;
    let Wanted { task, show, before } = call.query()?;
    let (frame, loaded) = (Frame::of(&call), served.service.loaded());
    let (clock, bundle) = (clock(&loaded), served.name.as_str());
    let outcome = SHOW.iter().find(|(word, ..)| *word == show).and_then(|(_, _, outcome)| *outcome);
    let page = Page {
        bundle,
        task: Some(task.as_str()).filter(|task| !task.is_empty()),
        outcome,
        running: show == "running",
        mode: (show == "rehearsals").then_some(Mode::Rehearse),
        before,
        limit: PIECE + 1,
    };
    let mut found = served.reader.page(&page).await?;
    let more = found.len() > PIECE as usize;
    found.truncate(PIECE as usize);
    let here = links::of(bundle, "runs");
    let lead =
        |before: &str| links::with(&here, &[("task", task.as_str()), ("show", show.as_str()), ("before", before)]);
    let next = found.last().filter(|_| more).map(|run| lead(&run.number.to_string()));
    let newest = before.map(|_| lead(""));
    let body = html! {
        div.title { h1 { "Runs" } }
        form.filter.row method="get" action=(here) {
            label { "Task "
                select name="task" {
                    option value="" { "all" }
                    @for one in &loaded.bundle.tasks { option value=(one.name) selected[one.name == task] { (one.name) } }
                }
            }
            label { "Show "
                select name="show" {
                    @for (word, name, _) in SHOW { option value=(word) selected[word == show] { (name) } }
                }
            }
            button { "Show" }
        }
        @if found.is_empty() { p.quiet { "No such run is recorded." } } @else { (runs(bundle, &clock, &found, true)) }
        (older(next, newest.as_deref()))
    };
    Ok(frame.show("Runs", "runs", &body))
}
