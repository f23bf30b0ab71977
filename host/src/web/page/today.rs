//! The first page: what runs, what is wrong, what is next, what ran today.

use std::sync::atomic::Ordering;

use maud::{Markup, html};

use super::parts::{class, clock, first_line, issues, outcome, runs};
use super::{Answer, Call, Frame, checklist, links, see};
use crate::history::calendar;
use crate::history::{Issue, Next, Page, Run};
use crate::policy::text::count;
use crate::report::Outcome;
use crate::serve::{Loaded, Standing};
use crate::web::Served;
use crate::web::words::Clock;

/// What is shown of each.
const ISSUES: usize = 50;
const RUNS: u32 = 200;
const NEXT: usize = 12;
const TO_DO: usize = 20;

/// The only bundle, or all of them.
pub(super) async fn first(call: Call) -> Answer {
    if let [one] = call.site.bundles.as_slice() {
        return see(&links::of(&one.name, ""));
    }
    let mut all = Vec::new();
    for served in &call.site.bundles {
        let wrong = served.reader.open_issues(&served.name, None, 100).await?;
        let running = served.service.standing().await.iter().filter(|task| task.running.is_some()).count();
        all.push((served.name.clone(), served.service.loaded().bundle.tasks.len(), running, wrong));
    }
    let body = html! {
        h1 { "Bundles" }
        div.wide { table {
            thead { tr { th { "Bundle" } th.number { "Tasks" } th.number { "Running" } th { "Wrong" } } }
            tbody {
                @for (name, tasks, running, wrong) in &all {
                    tr {
                        td { a href=(links::of(name, "")) { (name) } }
                        td.number { (tasks) }
                        td.number { (running) }
                        td { (worst(wrong)) }
                    }
                }
            }
        } }
    };
    Ok(Frame::of(&call).show("Bundles", "-", &body))
}

fn worst(wrong: &[Issue]) -> Markup {
    html! {
        @if let Some(issue) = wrong.first() {
            span class={ "tag " (issue.severity.name()) } { (count(wrong.len(), "issue")) }
        } @else { span.tag.ok { "nothing" } }
    }
}

/// Without the `/` that pages are counted from.
pub(super) async fn lead(call: Call) -> Answer {
    see(&links::of(&call.served()?.name, ""))
}

/// What is asked of the history.
struct Seen {
    standing: Vec<Standing>,
    issues: Vec<Issue>,
    /// Of each task, the newest.
    newest: Vec<Run>,
    today: Vec<Run>,
    next_actions: Vec<Next>,
    checklist: Vec<checklist::Item>,
}

async fn look(served: &Served, loaded: &Loaded, clock: &Clock) -> Result<Seen, crate::web::failure::Failure> {
    let names: Vec<String> = loaded.bundle.tasks.iter().map(|task| task.name.clone()).collect();
    let newest = served.reader.newest_of(&served.name, &names).await?;
    let ids: Vec<String> = newest.iter().map(|run| run.id.clone()).collect();
    let page = Page { bundle: &served.name, limit: RUNS, ..Page::default() };
    let mut today = served.reader.page(&page).await?;
    let began = calendar::begin(calendar::day(clock.now, &clock.zone), &clock.zone);
    today.retain(|run| run.started >= began);
    Ok(Seen {
        standing: served.service.standing().await,
        issues: served.reader.open_issues(&served.name, None, 1_000).await?,
        next_actions: served.reader.left_by(&ids).await?,
        checklist: checklist::items(served, clock.now).await?,
        newest,
        today,
    })
}

pub(super) async fn show(call: Call) -> Answer {
    let served = call.served()?;
    let (frame, loaded) = (Frame::of(&call), served.service.loaded());
    let clock = clock(&loaded);
    let seen = look(&served, &loaded, &clock).await?;
    let bundle = served.name.as_str();
    let body = html! {
        div.title {
            h1 { "Today" }
            p.quiet data-part="time" { (clock.local(clock.now, "%A, %e %B %Y, %H:%M")) " " (zone(&clock)) }
        }
        div data-part="totals" { (ledger(&served)) (totals(&seen)) }
        div.columns {
            div {
                div data-part="wrong" { (wrong(bundle, &clock, &seen)) }
                section data-part="ran" {
                    h2 { "Ran today" }
                    @if seen.today.is_empty() {
                        p.quiet { "Nothing yet. " a href=(links::of(bundle, "runs")) { "All runs" } }
                    } @else {
                        (runs(bundle, &clock, &seen.today, true))
                        @if seen.today.len() == RUNS as usize {
                            p { a href=(links::of(bundle, "runs")) { "All runs" } }
                        }
                    }
                }
            }
            div {
                div data-part="next" { (now(bundle, &clock, &seen.standing)) (next(bundle, &clock, &seen.standing)) }
                div data-part="people" { (to_do(&frame, bundle, &clock, &seen)) }
                @if frame.approves {
                    section { (frame.button(&links::of(bundle, "reload"), "Read the bundle anew", "plain", &[])) }
                }
                (frame.why_not())
            }
        }
    };
    Ok(frame.standing("Today", "", &body))
}

fn zone(clock: &Clock) -> String {
    clock.zone.iana_name().unwrap_or("UTC").to_owned()
}

/// What must not be overlooked: a history that is not written is none.
fn ledger(served: &Served) -> Markup {
    let ledger = served.service.ledger();
    let lost = ledger.lost.load(Ordering::Relaxed);
    html! {
        @if ledger.failing.load(Ordering::Relaxed) {
            p.banner.critical { "The history cannot be written; runs wait until it can. The host's log says why." }
        }
        @if lost > 0 { p.banner.critical { (lost) " entries of the history are lost. The host's log says why." } }
    }
}

fn totals(seen: &Seen) -> Markup {
    let ended = |wanted: fn(Outcome) -> bool| seen.today.iter().filter(|run| run.outcome.is_some_and(wanted)).count();
    let open = seen.checklist.iter().filter(|item| item.tick.is_none()).count();
    let running = seen.standing.iter().filter(|task| task.running.is_some()).count();
    let paused = seen.standing.iter().filter(|task| task.paused).count();
    let cells = [
        (running, "running", "running"),
        (seen.issues.len(), "wrong", "critical"),
        (ended(|outcome| outcome == Outcome::Ok), "ok today", "ok"),
        (ended(|outcome| outcome == Outcome::Warning), "with warnings", "warning"),
        (ended(|outcome| outcome != Outcome::Ok && outcome != Outcome::Warning), "not well", "critical"),
        (open, "to tick", "plain"),
        (paused, "paused", "warning"),
    ];
    html! {
        ul.totals {
            @for (number, name, class) in cells {
                li class=(if number == 0 { "none" } else { class }) { b { (number) } " " (name) }
            }
        }
    }
}

fn wrong(bundle: &str, clock: &Clock, seen: &Seen) -> Markup {
    // What did not come to its end left no finding that says so.
    let broken: Vec<&Run> =
        seen.newest.iter().filter(|run| run.outcome.is_some_and(|outcome| outcome.exit_code() == 3)).collect();
    let paused: Vec<&Standing> = seen.standing.iter().filter(|task| task.paused).collect();
    html! {
        section {
            h2 { "Wrong" }
            @if broken.is_empty() && seen.issues.is_empty() && paused.is_empty() {
                p.well { "Nothing that is known." }
            }
            @if !broken.is_empty() {
                ul.issues {
                    @for run in broken {
                        li class=(class(run.outcome)) {
                            div.head {
                                (outcome(run.outcome)) " "
                                strong { a href=(links::task(bundle, &run.task)) { (run.task) } }
                                " " a.quiet href=(links::run(bundle, &run.id)) { (clock.distance(run.started)) }
                            }
                            p.detail { (first_line(run.said())) }
                        }
                    }
                }
            }
            (issues(bundle, clock, seen.issues.get(..ISSUES).unwrap_or(&seen.issues), true))
            @if seen.issues.len() > ISSUES {
                p.quiet { "and " (seen.issues.len() - ISSUES) " more; each task's page has its own" }
            }
            @for task in paused {
                p { span.tag.warning { "paused" } " " a href=(links::task(bundle, &task.task)) { (task.task) } }
            }
        }
    }
}

fn now(bundle: &str, clock: &Clock, standing: &[Standing]) -> Markup {
    let running = || standing.iter().filter_map(|task| Some((task, task.running.as_ref()?)));
    let waiting = || standing.iter().flat_map(|task| task.waiting.iter().map(move |waits| (task, waits)));
    html! {
        @if running().next().is_some() || waiting().next().is_some() {
            section {
                h2 { "Now" }
                ul.lines {
                    @for (task, run) in running() {
                        li {
                            span.tag.running { (if run.rehearsal { "rehearses" } else { "runs" }) } " "
                            a href=(links::run(bundle, &run.run)) { (task.task) }
                            span.quiet { " since " (clock.short(run.started)) @if let Some(by) = &run.by { ", for " (by) } }
                        }
                    }
                    @for (task, waits) in waiting().take(NEXT) {
                        li {
                            span.tag.plain { "waits" } " "
                            a href=(links::task(bundle, &task.task)) { (task.task) }
                            span.quiet { " since " (clock.short(waits.due)) @if let Some(by) = &waits.by { ", for " (by) } }
                        }
                    }
                }
            }
        }
    }
}

fn next(bundle: &str, clock: &Clock, standing: &[Standing]) -> Markup {
    let mut next: Vec<_> = standing.iter().filter_map(|task| Some((task.next?, task))).collect();
    next.sort_by_key(|(time, _)| *time);
    html! {
        section {
            h2 { "Next" }
            @if next.is_empty() { p.quiet { "Nothing is scheduled." } }
            ul.lines {
                @for (time, task) in next.iter().take(NEXT) {
                    li.spread {
                        a href=(links::task(bundle, &task.task)) { (task.task) }
                        span { (clock.short(*time)) " " span.quiet { (clock.distance(*time)) } }
                    }
                }
            }
        }
    }
}

fn to_do(frame: &Frame, bundle: &str, clock: &Clock, seen: &Seen) -> Markup {
    let open: Vec<&checklist::Item> = seen.checklist.iter().filter(|item| item.tick.is_none()).collect();
    html! {
        @if !open.is_empty() || !seen.next_actions.is_empty() {
            section {
                h2 { "For people" }
                (checklist::list(frame, bundle, clock, open.get(..TO_DO).unwrap_or(&open), None))
                ul.lines {
                    @for next in seen.next_actions.iter().take(TO_DO) {
                        li {
                            @if let Some(subject) = &next.subject { strong { (subject) } ": " }
                            (next.action) " " a.quiet href=(links::task(bundle, &next.task)) { (next.task) }
                        }
                    }
                }
                @let more = open.len().saturating_sub(TO_DO) + seen.next_actions.len().saturating_sub(TO_DO);
                @if more > 0 { p.quiet { "and " (more) " more" } }
            }
        }
    }
}
