//! A run: what it found, measured and did; while it goes on, what it says as it says it.

use maud::{Markup, html};
use serde::Deserialize;

use super::parts::{Piece, clock, finding, outcome};
use super::task::standing_of;
use super::{Answer, Call, Frame, links};
use crate::gate::{EffectOutcome, Entry, Impact, Mode, micros};
use crate::history::Run;
use crate::policy::text::count;
use crate::policy::units::Size;
use crate::report::{Metric, Report, text};
use crate::serve::Said;
use crate::web::failure::Failure;
use crate::web::words::{Clock, measured};
use crate::web::{Coming, Found};

/// Of each list at a time.
const PIECE: usize = 200;

/// Where lists begin.
#[derive(Deserialize)]
struct From {
    #[serde(default)]
    findings: usize,
    #[serde(default)]
    metrics: usize,
    #[serde(default)]
    effects: usize,
    #[serde(default)]
    log: usize,
}

pub(super) async fn show(call: Call) -> Answer {
    let served = call.served()?;
    let (frame, loaded) = (Frame::of(&call), served.service.loaded());
    let (clock, bundle) = (clock(&loaded), served.name.as_str());
    let from: From = call.query()?;
    let id = call.param("id").to_owned();
    drop(call);
    let run = match served.find(&id).await? {
        Some(Found::Recorded(run)) => run,
        Some(Found::Coming(coming)) => {
            return Ok(frame.passing(&coming.task, &waiting(&frame, bundle, &clock, &id, &coming)));
        }
        None => {
            let why = "no such run is recorded; it was removed, or taken back before it began";
            return Err(Failure::not_found(why));
        }
    };
    let Some(ended) = run.outcome else {
        let before = served.service.live().watch(&run.id).map(|watch| watch.before).unwrap_or_default();
        let said: Vec<Said> = before.into_iter().map(|(_, said)| said).collect();
        return Ok(frame.passing(&run.task, &going_on(&frame, bundle, &clock, &run, &said)));
    };
    let report = served.reader.report(&run).await?;
    let here = links::run(bundle, &run.id);
    let body = html! {
        (head(bundle, &clock, &run))
        @if let Some(summary) = &report.summary { p.summary { (summary) } }
        @if let Some(error) = &report.error { p.banner.critical.detail { (error) } }
        @for notice in &report.notices { p.banner.warning { (notice) } }
        div.columns {
            div { (found(&report, &here, from.findings)) (journal(&report, &here, from.effects)) (log(&report, &here, from.log)) }
            div { (facts(&run)) (figures(&report, &here, from.metrics)) (left(&report)) }
        }
    };
    Ok(frame.show(&format!("{} {}", run.task, ended.name()), "-", &body))
}

fn head(bundle: &str, clock: &Clock, run: &Run) -> Markup {
    html! {
        div.title {
            h1 { a href=(links::task(bundle, &run.task)) { (run.task) } " " (outcome(run.outcome)) @if run.mode == Mode::Rehearse { " " span.tag.plain { "rehearsal" } } }
            p.quiet {
                (clock.moment(run.started))
                @if run.finished.is_some() { ", took " (measured(run.duration_us)) }
                ", by " (run.operator)
            }
        }
    }
}

fn waiting(frame: &Frame, bundle: &str, clock: &Clock, id: &str, coming: &Coming) -> Markup {
    let Coming { task, since, by, waits } = coming;
    html! {
        div.title {
            h1 {
                a href=(links::task(bundle, task)) { (task) } " "
                @if *waits { span.tag.plain { "waits" } } @else { span.tag.running { "begins" } }
            }
        }
        p data-events=(events(bundle, id)) {
            "Asked for " (clock.distance(*since)) @if let Some(by) = by { " by " (by) }
            @if *waits { "; it begins when there is room." } @else { "." }
        }
        @if frame.operates { (frame.button(&format!("{}/cancel", links::run(bundle, id)), "Take it back", "plain", &[])) }
    }
}

fn events(bundle: &str, id: &str) -> String {
    // An id is a UUID, or comes from the path, where only such a one was found.
    links::with(&format!("{}/runs/{id}/events", crate::web::api::BASE), &[("bundle", bundle)])
}

fn going_on(frame: &Frame, bundle: &str, clock: &Clock, run: &Run, said: &[Said]) -> Markup {
    let progress = said.iter().rev().find_map(|said| match said {
        Said::Progress { done, total, message } => Some((*done, *total, message.as_str())),
        _ => None,
    });
    html! {
        (head(bundle, clock, run))
        div.live data-events=(events(bundle, &run.id)) {
            p.step #step role="status" {
                @if let Some((done, total, message)) = progress {
                    (done) @if let Some(total) = total { " of " (total) } " " (message)
                } @else { "It runs." }
            }
            @if frame.operates {
                p { (frame.button(&format!("{}/cancel", links::run(bundle, &run.id)), "Stop it", "danger", &[])) }
            }
            section {
                h2 { "Findings" }
                ul.issues #findings {
                    @for said in said { @if let Said::Finding(one) = said { (finding(one)) } }
                }
            }
            section {
                h2 { (if run.mode == Mode::Rehearse { "What it would change" } else { "What it changes" }) }
                ol.effects #effects {
                    @for said in said { @if let Said::Effect(entry) = said { (happened(entry)) } }
                }
            }
            section {
                h2 { "Log" }
                ol.log #log {
                    @for said in said { @if let Said::Log(line) = said { li class=(line.level) { (line.message) } } }
                }
            }
            noscript { p.quiet { "The page loads itself anew every few seconds." } }
        }
    }
}

/// An effect on one line, as it happens.
fn happened(entry: &Entry) -> Markup {
    html! {
        li {
            span class={ "tag " (impact(entry)) } { (entry.effect.impact.name()) } " "
            (entry.effect.capability) " " (entry.effect.slot) " " strong { (entry.effect.operation) } " "
            (entry.effect.target)
            @if entry.outcome != EffectOutcome::Done {
                " " span.tag.critical { (entry.outcome.name()) }
                @if let Some(reason) = entry.outcome.reason() { " " span.quiet { (reason) } }
            }
        }
    }
}

fn impact(entry: &Entry) -> &'static str {
    match entry.effect.impact {
        Impact::Observe => "plain",
        Impact::Change => "warning",
        Impact::Destroy => "critical",
    }
}

fn facts(run: &Run) -> Markup {
    html! {
        section {
            h2 { "Facts" }
            dl {
                dt { "Run" } dd { code { (run.id) } }
                @if let Some(plugin) = &run.plugin {
                    dt { "Plugin" } dd { (plugin.name) " " (plugin.version) br; code.quiet { (plugin.digest) } }
                }
                dt { "Changed" }
                dd {
                    (count(usize::try_from(run.changes).unwrap_or(usize::MAX), "effect"))
                    @if run.rows > 0 { ", " (run.rows) " rows" }
                    @if run.bytes > 0 { ", " (Size(run.bytes)) }
                }
            }
        }
    }
}

fn piece<T>(all: &[T], from: usize) -> (&[T], Piece) {
    let from = if from < all.len() { from } else { 0 };
    let end = (from + PIECE).min(all.len());
    (all.get(from..end).unwrap_or_default(), Piece { from, size: PIECE, of: all.len() })
}

fn found(report: &Report, here: &str, from: usize) -> Markup {
    let mut findings: Vec<_> = report.findings.iter().collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let (shown, pages) = piece(&findings, from);
    html! {
        section #findings {
            h2 { "Findings" }
            @if findings.is_empty() { p.quiet { "None." } }
            ul.issues { @for one in shown { (finding(one)) } }
            (pages.pager(here, "findings", "findings"))
        }
    }
}

fn figures(report: &Report, here: &str, from: usize) -> Markup {
    let (shown, pages) = piece(&report.metrics, from);
    html! {
        @if !report.metrics.is_empty() {
            section #metrics {
                h2 { "Measured" }
                div.wide { table { tbody { @for metric in shown { (figure(metric)) } } } }
                (pages.pager(here, "metrics", "metrics"))
            }
        }
    }
}

fn figure(metric: &Metric) -> Markup {
    html! {
        tr {
            td { (metric.name) @if let Some(subject) = &metric.subject { " " span.subject { (subject) } } }
            td class={ "number " (standing_of(metric)) } { (text::value(metric)) }
        }
    }
}

fn left(report: &Report) -> Markup {
    html! {
        @if !report.next_actions.is_empty() {
            section {
                h2 { "Next actions" }
                ul.lines {
                    @for next in report.next_actions.iter().take(PIECE) {
                        li { @if let Some(subject) = &next.subject { strong { (subject) } ": " } (next.action) }
                    }
                }
            }
        }
    }
}

fn journal(report: &Report, here: &str, from: usize) -> Markup {
    // What changed the world comes first: it is what one looks for.
    let mut effects: Vec<&Entry> = report.effects.iter().collect();
    effects.sort_by_key(|entry| (entry.effect.impact == Impact::Observe, entry.sequence));
    let (shown, pages) = piece(&effects, from);
    html! {
        section #effects {
            h2 { "Journal" }
            @if effects.is_empty() { p.quiet { "It did nothing through the gate." } } @else {
                div.wide { table.journal {
                    thead { tr { th.number { "#" } th { "Effect" } th { "Target" } th { "Outcome" } th.number { "Rows" } th.number { "Bytes" } th.number { "Took" } } }
                    tbody { @for entry in shown { (effect(entry)) } }
                } }
                (pages.pager(here, "effects", "effects"))
            }
        }
    }
}

fn effect(entry: &Entry) -> Markup {
    let outcome = match &entry.outcome {
        EffectOutcome::Done => "plain",
        EffectOutcome::Abandoned => "warning",
        EffectOutcome::Failed(_) | EffectOutcome::Refused(_) => "critical",
    };
    html! {
        tr {
            td.number { (entry.sequence) }
            td {
                span class={ "tag " (impact(entry)) } { (entry.effect.impact.name()) } " "
                (entry.effect.capability) " " (entry.effect.slot) " " strong { (entry.effect.operation) }
            }
            td.target { (entry.effect.target) }
            td {
                @if entry.outcome == EffectOutcome::Done { (entry.decision.name()) }
                @else { span class={ "tag " (outcome) } { (entry.outcome.name()) } }
                @if let Some(reason) = entry.outcome.reason() { " " span.quiet { (reason) } }
            }
            td.number { @if let Some(rows) = entry.rows { (rows) } }
            td.number { @if let Some(bytes) = entry.bytes { (Size(bytes)) } }
            td.number { (measured(micros(entry.duration))) }
        }
    }
}

fn log(report: &Report, here: &str, from: usize) -> Markup {
    let (shown, pages) = piece(&report.log, from);
    html! {
        @if !report.log.is_empty() {
            section #log {
                h2 { "Log" }
                ol.log { @for line in shown { li class=(line.level) { (line.message) } } }
                (pages.pager(here, "log", "log"))
            }
        }
    }
}
