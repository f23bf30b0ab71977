//! A task: how it stands, running and rehearsing it with its parameters, what is wrong, how its figures went, what it may
//! touch, and what was done about it.

use jiff::Timestamp;
use maud::{Markup, html};

use super::actions::value_now;
use super::parts::{clock, issues, runs};
use super::{Answer, Call, Frame, events, grants, links};
use crate::bundle::{Task, granted};
use crate::history::{Page, Sample};
use crate::plugin::description::{Parameter, ParameterType};
use crate::report::{Metric, text};
use crate::serve::{Armed, Standing};
use crate::web::failure::Failure;
use crate::web::plot::Plot;
use crate::web::words::Clock;

/// What is shown of each.
const RUNS: u32 = 15;
const EVENTS: u32 = 15;
const ISSUES: u32 = 100;
/// Runs that the pictures go back.
const BACK: u32 = 120;
/// Pictures, unless all are asked for.
const PLOTS: usize = 12;
const ALL_PLOTS: usize = 200;

#[derive(serde::Deserialize)]
struct Shown {
    /// `all` of the pictures.
    #[serde(default)]
    trend: String,
}

pub(super) async fn show(call: Call) -> Answer {
    let served = call.served()?;
    let name = call.task(&served)?;
    let Shown { trend } = call.query()?;
    let (frame, loaded) = (Frame::of(&call), served.service.loaded());
    let (task, armed) = loaded.task(&name).ok_or_else(|| Failure::not_found("the bundle has no such task"))?;
    let (clock, bundle, reader) = (clock(&loaded), served.name.as_str(), &served.reader);
    let stands = served.service.standing().await.into_iter().find(|stands| stands.task == name);
    let open = reader.open_issues(bundle, Some(&name), ISSUES).await?;
    let page = Page { bundle, task: Some(&name), limit: RUNS, ..Page::default() };
    let newest = reader.page(&page).await?;
    let samples = reader.trend(bundle, &name, BACK).await?;
    let done = reader.events_before(bundle, Some(&name), None, EVENTS).await?;
    let touches: Vec<_> = granted(&loaded.bundle).into_iter().filter(|grant| grant.task == name).collect();
    let here = links::task(bundle, &name);
    let body = html! {
        div.title { h1 { (name) } (about(task, armed)) }
        div.columns {
            div {
                section {
                    h2 { "Now" }
                    (standing(&frame, bundle, &clock, task, stands.as_ref(), &here))
                }
                @if !open.is_empty() { section { h2 { "Wrong" } (issues(bundle, &clock, &open, false)) } }
                (trends(&clock, &samples, if trend == "all" { ALL_PLOTS } else { PLOTS }, &here))
                section {
                    h2 { "Runs" }
                    @if newest.is_empty() { p.quiet { "None yet." } } @else {
                        (runs(bundle, &clock, &newest, false))
                        p { a href=(links::with(&links::of(bundle, "runs"), &[("task", name.as_str())])) { "All its runs" } }
                    }
                }
            }
            div {
                section {
                    h2 { "Run it" }
                    @if frame.operates { (form(&frame, task, armed, &here)) } @else { (settings(task, armed)) (frame.why_not()) }
                }
                section {
                    h2 { "May touch" }
                    @if touches.is_empty() { p.quiet { "Nothing." } } @else { (grants::list(&touches)) }
                }
                @if !done.is_empty() { section { h2 { "Who did what" } (events::list(bundle, &clock, &done, false)) } }
            }
        }
    };
    Ok(frame.show(&name, "-", &body))
}

fn about(task: &Task, armed: &Armed) -> Markup {
    let description = armed.plugin.description();
    html! {
        p { (task.description.as_deref().unwrap_or(&description.summary)) }
        p.quiet {
            (description.name) " " (description.version)
            @if let Some(kind) = task.kind { ", " (kind.name()) }
            @if let Some(schedule) = &task.schedule { ", " (schedule.written()) }
        }
    }
}

fn standing(frame: &Frame, bundle: &str, clock: &Clock, task: &Task, stands: Option<&Standing>, here: &str) -> Markup {
    let Some(stands) = stands else { return html! { p.quiet { "The host is ending." } } };
    html! {
        @if let Some(run) = &stands.running {
            p {
                span.tag.running { (if run.rehearsal { "rehearses" } else { "runs" }) } " "
                a href=(links::run(bundle, &run.run)) { "since " (clock.short(run.started)) }
                @if let Some(by) = &run.by { ", for " (by) }
            }
        }
        @for waits in stands.waiting.iter().take(20) {
            p {
                span.tag.plain { "waits" } " since " (clock.short(waits.due))
                @if let Some(by) = &waits.by { ", for " (by) }
                @if waits.attempt > 0 { ", attempt " (u32::from(waits.attempt) + 1) }
            }
        }
        p {
            @if stands.paused { span.tag.warning { "paused" } " It does not run by its schedule until somebody has it run again." }
            @else if let Some(next) = stands.next { "Next " (clock.short(next)) " " span.quiet { (clock.distance(next)) } }
            @else if task.schedule.is_none() { span.quiet { "It runs when somebody asks." } }
        }
        @if frame.operates {
            div.row {
                @if stands.paused { (frame.button(&format!("{here}/resume"), "Resume", "", &[])) }
                @else { (frame.button(&format!("{here}/pause"), "Pause", "plain", &[])) }
                @if !stands.waiting.is_empty() { (frame.button(&format!("{here}/drop"), "Drop what waits", "plain", &[])) }
            }
        }
    }
}

fn form(frame: &Frame, task: &Task, armed: &Armed, here: &str) -> Markup {
    let parameters = &armed.plugin.description().parameters;
    html! {
        form.parameters method="post" action={ (here) "/run" } {
            (frame.token())
            @for parameter in parameters {
                @let id = format!("p-{}", parameter.name);
                div.field {
                    label for=(id) { (parameter.name) @if parameter.required { span.quiet { " needed" } } }
                    (input(&id, parameter, value_now(parameter, &task.arguments).as_deref()))
                    p.quiet id={ (id) "-about" } { (parameter.summary) }
                }
            }
            div.row {
                button.strong name="mode" value="rehearse" { "Rehearse" }
                button.danger name="mode" value="perform" { "Run now" }
            }
            p.quiet { "A rehearsal changes nothing, and lists what a run would." }
        }
    }
}

fn input(id: &str, parameter: &Parameter, value: Option<&str>) -> Markup {
    let name = format!("p.{}", parameter.name);
    let value = value.unwrap_or_default();
    let about = format!("{id}-about");
    let select = |words: &[String]| {
        html! {
            select id=(id) name=(name) aria-describedby=(about) {
                @if value.is_empty() { option value="" selected { "-" } }
                @for word in words { option value=(word) selected[word == value] { (word) } }
            }
        }
    };
    let text = |mode: &str, hint: &str| {
        html! {
            input id=(id) name=(name) type="text" value=(value) required[parameter.required] inputmode=(mode) placeholder=(hint)
                autocomplete="off" autocapitalize="none" spellcheck="false" aria-describedby=(about);
        }
    };
    match &parameter.kind {
        ParameterType::Boolean => select(&["true".into(), "false".into()]),
        ParameterType::Choice(words) => select(words),
        ParameterType::Integer | ParameterType::Number => {
            let step = if parameter.kind == ParameterType::Integer { "1" } else { "any" };
            html! {
                input id=(id) name=(name) type="number" value=(value) step=(step) min=[parameter.minimum] max=[parameter.maximum]
                    required[parameter.required] aria-describedby=(about);
            }
        }
        ParameterType::Duration => text("text", "such as 30d"),
        ParameterType::Size => text("text", "such as 64MiB"),
        ParameterType::Texts => text("text", "one, another"),
        ParameterType::Text => text("text", ""),
    }
}

/// What it is told, for who may not tell it otherwise.
fn settings(task: &Task, armed: &Armed) -> Markup {
    html! {
        dl {
            @for parameter in &armed.plugin.description().parameters {
                dt title=(parameter.summary) { (parameter.name) }
                dd { (value_now(parameter, &task.arguments).unwrap_or_else(|| "-".into())) }
            }
        }
    }
}

/// The samples of each metric and subject, in the order of the newest run.
fn series(samples: &[Sample]) -> Vec<(&Metric, Vec<(Timestamp, f64)>)> {
    let mut all: Vec<(&Metric, Vec<(Timestamp, f64)>)> = Vec::new();
    let mut places = std::collections::BTreeMap::new();
    for Sample { at, metric } in samples {
        let place = *places.entry((&metric.name, &metric.subject)).or_insert(all.len());
        if place == all.len() {
            all.push((metric, vec![]));
        }
        let Some((newest, points)) = all.get_mut(place) else { continue };
        *newest = metric;
        points.push((*at, metric.value));
    }
    let newest = samples.last().map(|sample| sample.at);
    // What the newest run no longer measured comes last.
    all.sort_by_key(|(_, points)| points.last().map(|(at, _)| *at) != newest);
    all
}

fn trends(clock: &Clock, samples: &[Sample], most: usize, here: &str) -> Markup {
    let all = series(samples);
    html! {
        @if !all.is_empty() {
            section {
                h2 { "Trend" }
                div.plots {
                    @for (newest, points) in all.iter().take(most) {
                        figure {
                            figcaption {
                                span { (newest.name) @if let Some(subject) = &newest.subject { " " span.subject { (subject) } } }
                                b class=(standing_of(newest)) { (text::value(newest)) }
                            }
                            @if points.len() > 1 {
                                (Plot { samples: points, newest }.draw())
                                p.quiet.spread {
                                    @if let Some((first, _)) = points.first() { span { (clock.short(*first)) } }
                                    @if let Some((last, _)) = points.last() { span { (clock.short(*last)) } }
                                }
                            }
                        }
                    }
                }
                @if all.len() > most && most < ALL_PLOTS {
                    p { a href=(links::with(here, &[("trend", "all")])) { "All " (all.len()) " figures" } }
                }
            }
        }
    }
}

/// Whether a value is within its bounds.
pub(super) fn standing_of(metric: &Metric) -> &'static str {
    let outside = |bounds: Option<crate::report::Bounds>| {
        bounds.is_some_and(|bounds| {
            bounds.low.is_some_and(|low| metric.value < low) || bounds.high.is_some_and(|high| metric.value > high)
        })
    };
    if outside(metric.crit) {
        "critical"
    } else if outside(metric.warn) {
        "warning"
    } else {
        "plain"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Bounds, Unit};

    #[test]
    fn each_metric_and_subject_is_a_series_and_the_newest_come_first() {
        let sample = |second: i64, name: &str, value: f64| Sample {
            at: Timestamp::from_second(second).unwrap(),
            metric: Metric { name: name.into(), subject: None, value, unit: Unit::None, warn: None, crit: None },
        };
        let samples = [sample(1, "gone", 1.0), sample(1, "a", 2.0), sample(2, "a", 3.0), sample(2, "b", 4.0)];
        let shown: Vec<_> =
            series(&samples).iter().map(|(newest, points)| (newest.name.clone(), newest.value, points.len())).collect();
        assert_eq!(shown, [("a".into(), 3.0, 2), ("b".into(), 4.0, 1), ("gone".into(), 1.0, 1)]);
    }

    #[test]
    fn a_value_beyond_its_bounds_shows_it() {
        for (value, class) in [(1.0, "critical"), (3.0, "plain"), (5.5, "warning"), (7.0, "critical")] {
            let warn = Some(Bounds { low: None, high: Some(5.0) });
            let crit = Some(Bounds { low: Some(2.0), high: Some(6.0) });
            let metric = Metric { name: "m".into(), subject: None, value, unit: Unit::None, warn, crit };
            assert_eq!(standing_of(&metric), class, "{value}");
        }
    }
}
