//! What several pages show.

use std::sync::Arc;

use jiff::Timestamp;
use maud::{Markup, html};

use super::links;
use crate::gate::Mode;
use crate::history::{Issue, Run};
use crate::report::{Finding, Outcome, Severity};
use crate::serve::Loaded;
use crate::web::words::{Clock, measured};

/// Times as the people of a bundle have them.
pub(super) fn clock(loaded: &Arc<Loaded>) -> Clock {
    Clock { zone: loaded.bundle.time_zone.clone(), now: Timestamp::now() }
}

/// The class of an outcome.
pub(super) fn class(outcome: Option<Outcome>) -> &'static str {
    match outcome {
        None => "running",
        Some(Outcome::Ok) => "ok",
        Some(Outcome::Warning | Outcome::Cancelled) => "warning",
        Some(_) => "critical",
    }
}

pub(super) fn outcome(outcome: Option<Outcome>) -> Markup {
    html! { span class={ "tag " (class(outcome)) } { (outcome.map_or("running", Outcome::name)) } }
}

pub(super) fn severity(severity: Severity) -> Markup {
    html! { span class={ "tag " (severity.name()) } { (severity.name()) } }
}

/// Runs as a table.
pub(super) fn runs(bundle: &str, clock: &Clock, runs: &[Run], with_task: bool) -> Markup {
    html! {
        div.wide {
            table.runs {
                thead { tr {
                    th { "When" }
                    @if with_task { th { "Task" } }
                    th { "Outcome" }
                    th.number { "Took" }
                    th { "By" }
                    th { "What it said" }
                } }
                tbody {
                    @for run in runs {
                        tr {
                            td.when { a href=(links::run(bundle, &run.id)) { (clock.short(run.started)) } }
                            @if with_task { td { a href=(links::task(bundle, &run.task)) { (run.task) } } }
                            td {
                                (outcome(run.outcome))
                                @if run.mode == Mode::Rehearse { " " span.tag.plain { "rehearsal" } }
                            }
                            td.number { @if run.finished.is_some() { (measured(run.duration_us)) } }
                            td { (run.operator) }
                            td.said { (first_line(run.said())) }
                        }
                    }
                }
            }
        }
    }
}

pub(super) fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// What is wrong, one by one.
pub(super) fn issues(bundle: &str, clock: &Clock, issues: &[Issue], with_task: bool) -> Markup {
    html! {
        ul.issues {
            @for issue in issues {
                li class=(issue.severity.name()) {
                    div.head {
                        (severity(issue.severity)) " "
                        strong { (issue.title) }
                        @if !issue.subject.is_empty() { " " span.subject { (issue.subject) } }
                    }
                    @if !issue.detail.is_empty() { p.detail { (issue.detail) } }
                    @if let Some(remedy) = &issue.remedy { p.remedy { (remedy) } }
                    p.quiet {
                        @if with_task { a href=(links::task(bundle, &issue.task)) { (issue.task) } ", " }
                        "since " (clock.short(issue.first_seen)) ", "
                        a href=(links::run(bundle, &issue.last_run)) { "last seen " (clock.distance(issue.last_seen)) }
                    }
                }
            }
        }
    }
}

/// What a run found.
pub(super) fn finding(finding: &Finding) -> Markup {
    html! {
        li class=(finding.severity.name()) {
            div.head {
                (severity(finding.severity)) " "
                strong { (finding.title) }
                @if !finding.subject.is_empty() { " " span.subject { (finding.subject) } }
            }
            @if !finding.detail.is_empty() { p.detail { (finding.detail) } }
            @if let Some(remedy) = &finding.remedy { p.remedy { (remedy) } }
        }
    }
}

/// `Next`, where there is more.
pub(super) fn older(address: Option<String>, newest: Option<&str>) -> Markup {
    html! {
        @if address.is_some() || newest.is_some() {
            nav.pager aria-label="More" {
                @if let Some(newest) = newest { a href=(newest) rel="first" { "Newest" } }
                @if let Some(address) = address { a href=(address) rel="next" { "Older" } }
            }
        }
    }
}

/// A piece of a list that is all there, by the place where it begins.
pub(super) struct Piece {
    pub(super) from: usize,
    pub(super) size: usize,
    pub(super) of: usize,
}

impl Piece {
    pub(super) fn pager(&self, address: &str, field: &str, anchor: &str) -> Markup {
        let lead = |from: usize| format!("{}#{anchor}", links::with(address, &[(field, from.to_string().as_str())]));
        let next = (self.from + self.size < self.of).then(|| lead(self.from + self.size));
        let before = (self.from > 0).then(|| lead(self.from.saturating_sub(self.size)));
        html! {
            @if next.is_some() || before.is_some() {
                nav.pager aria-label="More" {
                    @if let Some(before) = before { a href=(before) { "Before" } }
                    span.quiet { (self.from + 1) " to " ((self.from + self.size).min(self.of)) " of " (self.of) }
                    @if let Some(next) = next { a href=(next) { "More" } }
                }
            }
        }
    }
}
