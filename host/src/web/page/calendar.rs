//! The maintenance calendar: what is done daily to quarterly, by the host and by people, and what the next days bring.

use std::collections::BTreeMap;

use jiff::Span;
use jiff::civil::Date;
use maud::{Markup, html};

use super::parts::{clock, outcome};
use super::past::Past;
use super::{Answer, Call, Frame, checklist, links};
use crate::bundle::{Kind, Task};
use crate::history::Run;
use crate::history::calendar::{self, Period};
use crate::policy::text::clean_line;
use crate::serve::{Loaded, Standing};
use crate::web::words::Clock;

/// Days that are looked ahead.
const DAYS: i64 = 7;
/// What runs more often than so in these is named once.
const OFTEN: usize = 21;

pub(super) async fn show(call: Call) -> Answer {
    let served = call.served()?;
    let (frame, loaded) = (Frame::of(&call), served.service.loaded());
    let (clock, bundle) = (clock(&loaded), served.name.as_str());
    let names: Vec<String> = loaded.bundle.tasks.iter().map(|task| task.name.clone()).collect();
    let newest = served.reader.newest_of(bundle, &names).await?;
    let newest: BTreeMap<&str, &Run> = newest.iter().map(|run| (run.task.as_str(), run)).collect();
    let standing = served.service.standing().await;
    let standing: BTreeMap<&str, &Standing> = standing.iter().map(|one| (one.task.as_str(), one)).collect();
    let items = checklist::items(&served, clock.now).await?;
    let today = calendar::day(clock.now, &clock.zone);
    let listed = served.reader.listed(Some(&clean_line(bundle, checklist::NAME_LIMIT))).await?;
    let mut parts = Vec::new();
    for kind in [Some(Kind::Daily), Some(Kind::Weekly), Some(Kind::Monthly), Some(Kind::Quarterly), None] {
        let tasks: Vec<&Task> = loaded.bundle.tasks.iter().filter(|task| task.kind == kind).collect();
        let people: Vec<&checklist::Item> = items.iter().filter(|item| Some(item.entry.kind) == kind).collect();
        if !tasks.is_empty() || !people.is_empty() {
            let past = Past::of(&served, kind, &tasks, &listed, today, &clock).await?;
            parts.push((kind, tasks, people, past));
        }
    }
    let body = html! {
        div.title { h1 { "Calendar" } (frame.why_not()) }
        @for (kind, tasks, people, past) in &parts {
            section data-part=(kind.map_or("on-demand", Kind::name)) {
                (heading(*kind, today))
                @if !tasks.is_empty() { (table(bundle, &clock, tasks, past, &newest, &standing)) }
                @if !people.is_empty() { (checklist::list(&frame, bundle, &clock, people, Some(past))) }
            }
        }
        div data-part="ahead" { (ahead(bundle, &clock, &loaded, today)) }
    };
    Ok(frame.standing("Calendar", "calendar", &body))
}

fn heading(kind: Option<Kind>, today: Date) -> Markup {
    html! {
        @match kind {
            Some(kind) => {
                @let period = Period::of(kind, today);
                h2 { (capital(kind.name())) " " span.quiet {
                    (period.name)
                    @if kind != Kind::Daily { ", until " (period.last()) }
                } }
            }
            None => { h2 { "On demand" } }
        }
    }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn table(
    bundle: &str,
    clock: &Clock,
    tasks: &[&Task],
    past: &Past<'_>,
    newest: &BTreeMap<&str, &Run>,
    standing: &BTreeMap<&str, &Standing>,
) -> Markup {
    html! {
        div.wide { table.even {
            thead { tr { th { "Task" } th { "Schedule" } th { "Last" } th { "Next" } th.past { (past.title()) } } }
            tbody {
                @for task in tasks {
                    @let stands = standing.get(task.name.as_str());
                    tr {
                        td {
                            a href=(links::task(bundle, &task.name)) { (task.name) }
                            @if let Some(description) = &task.description { br; span.quiet { (description) } }
                        }
                        td { @if let Some(schedule) = &task.schedule { (schedule.written()) } @else { span.quiet { "by hand" } } }
                        td {
                            @if let Some(run) = newest.get(task.name.as_str()) {
                                (outcome(run.outcome)) " "
                                a href=(links::run(bundle, &run.id)) { (clock.distance(run.started)) }
                            } @else { span.quiet { "never" } }
                        }
                        td {
                            @if stands.is_some_and(|stands| stands.paused) { span.tag.warning { "paused" } }
                            @else if let Some(next) = stands.and_then(|stands| stands.next) { (clock.short(next)) }
                        }
                        td { (past.of_task(bundle, &task.name)) }
                    }
                }
            }
        } }
    }
}

/// What the next days bring.
fn ahead(bundle: &str, clock: &Clock, loaded: &Loaded, today: Date) -> Markup {
    let mut days: BTreeMap<Date, Vec<(jiff::Timestamp, &str)>> = BTreeMap::new();
    let mut often = Vec::new();
    let timings = loaded.timings();
    let end = calendar::begin(today.saturating_add(Span::new().days(DAYS)), &clock.zone);
    for (task, timing) in loaded.bundle.tasks.iter().zip(&timings) {
        let Some(schedule) = &task.schedule else { continue };
        let times: Vec<_> = timing.ahead(clock.now).take_while(|time| *time < end).take(OFTEN + 1).collect();
        if times.len() > OFTEN {
            often.push((task.name.as_str(), schedule.written()));
            continue;
        }
        for time in times {
            days.entry(calendar::day(time, &clock.zone)).or_default().push((time, task.name.as_str()));
        }
    }
    html! {
        @if !days.is_empty() || !often.is_empty() {
            section {
                h2 { "The next " (DAYS) " days" }
                div.days {
                    @for (day, times) in &mut days {
                        @let () = times.sort_unstable();
                        div.day {
                            h3 { (day.strftime("%a %e %b").to_string()) }
                            ul.lines {
                                @for (time, task) in times.iter() {
                                    li { span.quiet { (clock.local(*time, "%H:%M")) } " " a href=(links::task(bundle, task)) { (task) } }
                                }
                            }
                        }
                    }
                }
                @if !often.is_empty() {
                    p.quiet {
                        "And often: "
                        @for (place, (task, schedule)) in often.iter().enumerate() {
                            @if place > 0 { ", " }
                            a href=(links::task(bundle, task)) { (task) } " (" (schedule) ")"
                        }
                    }
                }
            }
        }
    }
}
