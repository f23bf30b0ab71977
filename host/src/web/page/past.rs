//! The periods before this one at a glance: a mark for each, of what ran in it and of what people did.

use jiff::civil::Date;
use maud::{Markup, html};

use super::links;
use crate::bundle::{Kind, Task};
use crate::history::calendar::{Period, begin};
use crate::history::{Listed, Tally, Tick};
use crate::policy::text::{clean_line, count};
use crate::report::Outcome;
use crate::web::Served;
use crate::web::failure::Failure;
use crate::web::page::checklist;
use crate::web::words::Clock;

/// Periods of one kind up to the current one, the oldest first, with what is known of them.
pub(super) struct Past<'a> {
    kind: Kind,
    /// Of the maintenance log.
    part: &'static str,
    periods: Vec<Period>,
    tallies: Vec<Tally>,
    ticks: Vec<Tick>,
    /// Since when entries are on the checklist.
    listed: &'a [Listed],
    zone: jiff::tz::TimeZone,
}

/// A mark.
struct Mark {
    class: &'static str,
    /// What it stands for.
    text: String,
    /// Where it says more.
    leads: bool,
}

impl<'a> Past<'a> {
    /// Of these tasks, and of the bundle's checklist. What is on demand is shown by days.
    pub(super) async fn of(
        served: &Served,
        kind: Option<Kind>,
        tasks: &[&Task],
        listed: &'a [Listed],
        today: Date,
        clock: &Clock,
    ) -> Result<Self, Failure> {
        let part = kind.map_or("on-demand", Kind::name);
        let kind = kind.unwrap_or(Kind::Daily);
        let mut periods = vec![Period::of(kind, today)];
        while let Some(first) = periods.last()
            && periods.len() < number(kind)
        {
            periods.push(first.before(kind));
        }
        periods.reverse();
        let spans: Vec<_> =
            periods.iter().map(|period| (begin(period.first, &clock.zone), begin(period.next, &clock.zone))).collect();
        let names: Vec<String> = tasks.iter().map(|task| task.name.clone()).collect();
        let period_names: Vec<String> = periods.iter().map(|period| period.name.clone()).collect();
        let bundle = clean_line(&served.name, checklist::NAME_LIMIT);
        Ok(Self {
            kind,
            part,
            tallies: served.reader.tally(&served.name, &names, &spans).await?,
            ticks: served.reader.ticked(&bundle, &period_names).await?,
            listed,
            periods,
            zone: clock.zone.clone(),
        })
    }

    /// `Last 14 days`.
    pub(super) fn title(&self) -> String {
        let unit = match self.kind {
            Kind::Daily => "days",
            Kind::Weekly => "weeks",
            Kind::Monthly => "months",
            Kind::Quarterly => "quarters",
        };
        format!("Last {} {unit}", self.periods.len())
    }

    /// A task's marks.
    pub(super) fn of_task(&self, bundle: &str, task: &str) -> Markup {
        let marks = (0..self.periods.len()).map(|place| {
            let here = self.tallies.iter().filter(|tally| tally.task == task && tally.span == place);
            ran(&here.collect::<Vec<_>>())
        });
        self.strip(bundle, marks)
    }

    /// The marks of an entry of the checklist.
    pub(super) fn of_entry(&self, bundle: &str, title: &str) -> Markup {
        let title = clean_line(title, checklist::NAME_LIMIT);
        let same = |listed: &&Listed| listed.title == title && listed.kind == self.kind;
        let since = self.listed.iter().find(same).map(|listed| listed.first_seen);
        let last = self.periods.len() - 1;
        let marks = self.periods.iter().enumerate().map(|(place, period)| {
            let tick = self
                .ticks
                .iter()
                .find(|tick| tick.title == title && tick.kind == self.kind && tick.period == period.name);
            let was_listed = since.is_some_and(|since| since < begin(period.next, &self.zone));
            match tick {
                Some(tick) => Mark { class: "ok", text: format!("done by {}", tick.by), leads: true },
                None if place == last => Mark { class: "none", text: "not yet".into(), leads: false },
                None if was_listed => Mark { class: "critical", text: "not done".into(), leads: true },
                None => Mark { class: "none", text: "not on the list".into(), leads: false },
            }
        });
        self.strip(bundle, marks)
    }

    fn strip(&self, bundle: &str, marks: impl Iterator<Item = Mark>) -> Markup {
        html! {
            ul.strip {
                @for (mark, period) in marks.zip(&self.periods) {
                    @let text = format!("{}: {}", period.name, mark.text);
                    li {
                        @if mark.leads {
                            a class=(mark.class) href=(self.log(bundle, period)) title=(text) aria-label=(text) {}
                        } @else {
                            span class=(mark.class) role="img" title=(text) aria-label=(text) {}
                        }
                    }
                }
            }
        }
    }

    /// The maintenance log of that period.
    fn log(&self, bundle: &str, period: &Period) -> String {
        let (first, last) = (period.first.to_string(), period.last().to_string());
        links::with(&links::of(bundle, "log"), &[("since", &first), ("until", &last), ("part", self.part)])
    }
}

/// How many periods are looked back.
fn number(kind: Kind) -> usize {
    match kind {
        Kind::Daily => 14,
        Kind::Weekly | Kind::Monthly => 12,
        Kind::Quarterly => 8,
    }
}

/// What ran, by the worst of it.
fn ran(tallies: &[&Tally]) -> Mark {
    let worst = tallies.iter().filter_map(|tally| tally.outcome).max_by_key(|outcome| outcome.exit_code());
    let class = match worst {
        None if tallies.is_empty() => return Mark { class: "none", text: "did not run".into(), leads: false },
        None => "running",
        Some(Outcome::Ok) => "ok",
        Some(Outcome::Warning) => "warning",
        Some(_) => "critical",
    };
    let runs: u64 = tallies.iter().map(|tally| tally.runs).sum();
    let mut of: Vec<&&Tally> = tallies.iter().collect();
    of.sort_by_key(|tally| std::cmp::Reverse(tally.outcome.map(Outcome::exit_code)));
    let each: Vec<String> = of
        .iter()
        .map(|tally| format!("{} {}", tally.runs, tally.outcome.map_or("running", |outcome| outcome.name())))
        .collect();
    let runs = count(usize::try_from(runs).unwrap_or(usize::MAX), "run");
    Mark { class, text: format!("{runs}, {}", each.join(", ")), leads: class != "ok" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_as_bad_as_the_worst_run() {
        let tally = |outcome, runs| Tally { task: "clean".into(), span: 0, outcome, runs };
        for (tallies, class, text) in [
            (vec![], "none", "did not run"),
            (vec![tally(Some(Outcome::Ok), 1)], "ok", "1 run, 1 ok"),
            (vec![tally(None, 1)], "running", "1 run, 1 running"),
            (
                vec![tally(Some(Outcome::Ok), 20), tally(Some(Outcome::TimedOut), 1), tally(Some(Outcome::Warning), 3)],
                "critical",
                "24 runs, 1 timed out, 3 warning, 20 ok",
            ),
        ] {
            let mark = ran(&tallies.iter().collect::<Vec<_>>());
            assert_eq!((mark.class, mark.text.as_str()), (class, text));
        }
    }
}
