//! What people do: the entries of a bundle in their current periods, and who ticked them.

use jiff::Timestamp;
use maud::{Markup, html};

use super::past::Past;
use super::{Frame, links};
use crate::bundle::{ChecklistEntry, Kind};
use crate::history::calendar::{self, Period};
use crate::history::{self, Entry, Tick, Ticked};
use crate::policy::text::clean_line;
use crate::web::Served;
use crate::web::failure::Failure;
use crate::web::words::Clock;

/// Bytes of a title, or of a bundle's name.
pub(super) const NAME_LIMIT: usize = 512;
/// Bytes of what there is to say about a tick.
const NOTE_LIMIT: usize = 4096;

/// An entry in its current period.
pub(in crate::web) struct Item {
    pub(in crate::web) entry: ChecklistEntry,
    pub(in crate::web) period: Period,
    pub(in crate::web) tick: Option<Tick>,
}

/// All of them, in the bundle's order.
pub(in crate::web) async fn items(served: &Served, now: Timestamp) -> Result<Vec<Item>, Failure> {
    let loaded = served.service.loaded();
    let today = calendar::day(now, &loaded.bundle.time_zone);
    let items = loaded.bundle.checklist.iter();
    let mut items: Vec<Item> =
        items.map(|entry| Item { entry: entry.clone(), period: Period::of(entry.kind, today), tick: None }).collect();
    let mut periods: Vec<String> = items.iter().map(|item| item.period.name.clone()).collect();
    periods.sort();
    periods.dedup();
    if periods.is_empty() {
        return Ok(items);
    }
    let ticks = served.reader.ticked(&clean_line(&served.name, NAME_LIMIT), &periods).await?;
    for item in &mut items {
        let title = clean_line(&item.entry.title, NAME_LIMIT);
        let same =
            |tick: &&Tick| tick.title == title && tick.kind == item.entry.kind && tick.period == item.period.name;
        item.tick = ticks.iter().find(same).cloned();
    }
    Ok(items)
}

/// The one that is meant.
pub(in crate::web) async fn find(served: &Served, title: &str, kind: Option<Kind>) -> Result<Item, Failure> {
    let all = items(served, Timestamp::now()).await?;
    let mut found =
        all.into_iter().filter(|item| item.entry.title == title && kind.is_none_or(|kind| kind == item.entry.kind));
    match (found.next(), found.next()) {
        (Some(item), None) => Ok(item),
        (Some(_), Some(_)) => Err(Failure::invalid("two entries have that title; say of which `kind`")),
        (None, _) => Err(Failure::not_found("the checklist has no such entry")),
    }
}

pub(in crate::web) async fn tick(
    served: &Served,
    item: &Item,
    by: &str,
    note: Option<&str>,
) -> Result<Ticked, Failure> {
    let loaded = served.service.loaded();
    let name = clean_line(&served.name, NAME_LIMIT);
    let note = note.map(|note| clean_line(note.trim(), NOTE_LIMIT)).filter(|note| !note.is_empty());
    let entry =
        Entry { bundle: &name, checklist: &loaded.bundle.checklist, entry: &item.entry, period: &item.period.name, by };
    Ok(history::tick(served.service.target(), entry, note.as_deref()).await?)
}

pub(in crate::web) async fn untick(served: &Served, item: &Item, by: &str) -> Result<Option<Tick>, Failure> {
    let loaded = served.service.loaded();
    let name = clean_line(&served.name, NAME_LIMIT);
    let entry =
        Entry { bundle: &name, checklist: &loaded.bundle.checklist, entry: &item.entry, period: &item.period.name, by };
    Ok(history::untick(served.service.target(), entry).await?)
}

/// Some of them, to tick; with what became of them in the periods before, where that is known.
pub(super) fn list(frame: &Frame, bundle: &str, clock: &Clock, items: &[&Item], past: Option<&Past<'_>>) -> Markup {
    html! {
        ul.checklist {
            @for item in items {
                @let fields = [("title", item.entry.title.as_str()), ("kind", item.entry.kind.name())];
                li class=(if item.tick.is_some() { "done" } else { "open" }) {
                    div.head {
                        span class={ "mark " (if item.tick.is_some() { "ok" } else { "open" }) } aria-hidden="true" {
                            (if item.tick.is_some() { "✓" } else { "○" })
                        }
                        strong { (item.entry.title) }
                        " " span.quiet { (item.period.name) }
                    }
                    @if let Some(detail) = &item.entry.detail { p.detail.quiet { (detail) } }
                    @if let Some(past) = past {
                        div.row.quiet { (past.title()) " " (past.of_entry(bundle, &item.entry.title)) }
                    }
                    @if let Some(tick) = &item.tick {
                        p.quiet {
                            "by " (tick.by) ", " (clock.short(tick.at))
                            @if let Some(note) = &tick.note { ": " span.note { (note) } }
                        }
                        @if frame.operates { (frame.button(&links::of(bundle, "untick"), "Take back", "plain", &fields)) }
                    } @else {
                        p.quiet { "due by " (item.period.last()) }
                        @if frame.operates {
                            form.row method="post" action=(links::of(bundle, "tick")) {
                                (frame.token())
                                @for (name, value) in fields { input type="hidden" name=(name) value=(value); }
                                input type="text" name="note" maxlength="1000" placeholder="Note" aria-label={ "Note on " (item.entry.title) };
                                button { "Done" }
                            }
                        }
                    }
                }
            }
        }
    }
}
