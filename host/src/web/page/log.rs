//! The maintenance log of a span of days, to look at and to take along.

use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, HeaderValue};
use jiff::civil::Date;
use jiff::{Span, Timestamp};
use maud::{PreEscaped, html};
use serde::Deserialize;

use super::{Answer, Call, Frame, links};
use crate::history::calendar;
use crate::history::log::{Log, Part, Question};
use crate::web::Served;
use crate::web::api::BASE;
use crate::web::call::typed;
use crate::web::failure::Failure;

/// Days of the page, and of what programs get, unless something else is asked for; and the most.
const DAYS: i64 = 7;
const DAYS_WHOLE: i64 = 31;
/// Where so many runs are in fewer days, the page has those unless more are asked for.
const BUSY: u32 = 2_500;
const MOST: i64 = 100;

#[derive(Deserialize)]
struct Wanted {
    /// A date; a form that is left empty has none.
    #[serde(default)]
    since: String,
    #[serde(default)]
    until: String,
    /// A part of the calendar.
    #[serde(default)]
    part: String,
    /// `markdown` or `html`, to take along.
    #[serde(default)]
    format: String,
}

const PARTS: [Part; 5] = [Part::Daily, Part::Weekly, Part::Monthly, Part::Quarterly, Part::OnDemand];

fn word(part: Part) -> String {
    part.name().to_lowercase().replace(' ', "-")
}

/// The log of these days, 31 where nobody says.
pub(in crate::web) async fn read(
    served: &Served,
    since: Option<Date>,
    until: Option<Date>,
    part: Option<Part>,
) -> Result<Log, Failure> {
    let loaded = served.service.loaded();
    let (bundle, now) = (&loaded.bundle, Timestamp::now());
    let until = until.unwrap_or_else(|| calendar::day(now, &bundle.time_zone));
    let since = since.unwrap_or_else(|| until.saturating_sub(Span::new().days(DAYS_WHOLE - 1)));
    if since > until {
        return Err(Failure::invalid(format!("the first day, {since}, is after the last, {until}")));
    }
    if until.saturating_sub(Span::new().days(MOST)) >= since {
        return Err(Failure::invalid(format!("a log has {MOST} days at most here; `host log` writes longer ones")));
    }
    let question = Question {
        since,
        until,
        zone: bundle.time_zone.clone(),
        part,
        bundle: Some(&served.name),
        maintainer: bundle.maintainer.as_deref(),
        checklist: &bundle.checklist,
        now,
    };
    let _turn = served.logs.acquire().await.map_err(|error| Failure::internal(&error))?;
    // One of its own: it sees one state of the history while it reads.
    Ok(Log::read(&served.service.reader(), &question).await?)
}

fn date(text: &str) -> Result<Option<Date>, Failure> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| Failure::invalid("a day is written like 2026-03-14"))
}

pub(super) async fn show(call: Call) -> Answer {
    let served = call.served()?;
    let wanted: Wanted = call.query()?;
    let frame = Frame::of(&call);
    let zone = served.service.loaded().bundle.time_zone.clone();
    let until = date(&wanted.until)?.unwrap_or_else(|| calendar::day(Timestamp::now(), &zone));
    let week = until.saturating_sub(Span::new().days(DAYS - 1));
    let since = match date(&wanted.since)? {
        Some(since) => since,
        None if wanted.until.is_empty() => {
            let busy = served.reader.since(&served.name, BUSY).await?;
            // Whole days, and the last in any case.
            busy.map_or(week, |busy| calendar::day(busy, &zone).saturating_add(Span::new().days(1)).clamp(week, until))
        }
        None => week,
    };
    let part = PARTS.into_iter().find(|part| word(*part) == wanted.part);
    let log = read(&served, Some(since), Some(until), part).await?;
    match wanted.format.as_str() {
        "markdown" => return Ok(attached("text/markdown; charset=utf-8", "maintenance-log.md", log.markdown())),
        "html" => return Ok(attached("text/html; charset=utf-8", "maintenance-log.html", log.html())),
        _ => {}
    }
    let here = links::of(&served.name, "log");
    let (first, last) = (since.to_string(), until.to_string());
    let lead = |since: Date, until: Date| {
        links::with(&here, &[("since", &since.to_string()), ("until", &until.to_string()), ("part", &wanted.part)])
    };
    let length = since.until(until).map_or(0, |span| i64::from(span.get_days())) + 1;
    let (back, on) = (Span::new().days(-length), Span::new().days(length));
    let taken = |format: &str| {
        links::with(&here, &[("since", &first), ("until", &last), ("part", &wanted.part), ("format", format)])
    };
    let json = links::with(&format!("{BASE}/log"), &[("bundle", &served.name), ("since", &first), ("until", &last)]);
    let body = html! {
        form.filter.row method="get" action=(here) {
            label { "From " input type="date" name="since" value=(first); }
            label { "to " input type="date" name="until" value=(last); }
            label { "Part "
                select name="part" {
                    option value="" { "all" }
                    @for one in PARTS { option value=(word(one)) selected[Some(one) == part] { (one.name()) } }
                }
            }
            button { "Show" }
        }
        nav.pager aria-label="Days" {
            a href=(lead(since.saturating_add(back), until.saturating_add(back))) { "Before" }
            a href=(lead(since.saturating_add(on), until.saturating_add(on))) { "After" }
            @if since > week && wanted.since.is_empty() {
                span.quiet { "Fewer days are shown, as much ran in them: " a href=(lead(week, until)) { "the whole week" } }
            }
            span.quiet { "Take along: " a href=(taken("markdown")) { "Markdown" } ", " a href=(taken("html")) { "HTML" } ", " a href=(json) { "JSON" } }
        }
        // Escaped where it is made: history::log::html holds every text to that.
        div.whole-log { (PreEscaped(log.fragment())) }
    };
    Ok(frame.show("Maintenance log", "log", &body))
}

fn attached(media_type: &'static str, name: &str, text: String) -> axum::response::Response {
    let mut response = typed(StatusCode::OK, media_type, text);
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        response.headers_mut().insert(CONTENT_DISPOSITION, value);
    }
    response
}
