//! What the figures of a log mean, and how they are told. Pure.

use taskhost_sdk::report::{Finding, Metric, Severity, Unit};
use taskhost_sdk::words::{count, counted};

use crate::clock;
use crate::fields;
use crate::figures::{about, figure, goes, metric_name, percents, with_unit};
use crate::secrets::Secrets;
use crate::sketch::Sketch;
use crate::spread::ERROR_PERCENT;
use crate::tally::{Tally, Values, Wanted};

/// How much of a template and of a sample is shown, in bytes.
const TEMPLATE: usize = 200;
const SAMPLE: usize = 240;
const WHOLE: usize = 400;
/// Kinds of errors that a sample is shown of.
const SAMPLES: usize = 3;
/// Earlier runs whose median a rate is held against.
pub(crate) const EARLIER: usize = 7;

/// From where something is a warning.
#[derive(Clone, Debug, Default)]
pub(crate) struct Limits {
    pub(crate) warn_error_percent: Option<f64>,
    pub(crate) critical_error_percent: Option<f64>,
    pub(crate) jump_percent: f64,
    /// Fewer errors than this are no jump.
    pub(crate) floor: u64,
    pub(crate) percentile: f64,
    pub(crate) warn_above: Option<f64>,
    pub(crate) critical_above: Option<f64>,
    pub(crate) warn_rise_percent: Option<f64>,
    pub(crate) warn_logins: u64,
    pub(crate) top: usize,
}

/// What a log is told with.
pub(crate) struct Telling<'a> {
    pub(crate) log: &'a str,
    pub(crate) tally: &'a mut Tally,
    pub(crate) wanted: &'a Wanted,
    pub(crate) limits: &'a Limits,
    pub(crate) secrets: &'a Secrets,
    /// Hours that the lines cover.
    pub(crate) hours: Option<f64>,
    /// Errors an hour at earlier runs, the oldest first.
    pub(crate) earlier: &'a [f64],
}

/// Everything that is said of a log.
#[derive(Default)]
pub(crate) struct Said {
    pub(crate) findings: Vec<Finding>,
    pub(crate) metrics: Vec<Metric>,
}

#[expect(clippy::cast_precision_loss, reason = "counts of lines are far below 2^52")]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 * 100.0 }
}

#[expect(clippy::cast_precision_loss, reason = "counts of lines are far below 2^52")]
fn number(count: u64) -> f64 {
    count as f64
}

/// The value in the middle.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

impl Telling<'_> {
    pub(crate) fn all(&mut self) -> Said {
        let mut said = Said::default();
        let patterns = self.patterns();
        self.errors(patterns, &mut said);
        self.values(&mut said);
        self.tops(&mut said);
        self.statuses(&mut said);
        self.logins(&mut said);
        if self.tally.unlike > 0 && ratio(self.tally.unlike, self.tally.lines) > 1.0 {
            said.findings.push(Finding::ok(self.log, "lines are not of the log's format").detail(format!(
                "{} of {}",
                count(self.tally.unlike),
                counted(self.tally.lines, "line")
            )));
        }
        said
    }

    /// Errors an hour; none where that is not known.
    pub(crate) fn errors_per_hour(&self) -> Option<f64> {
        let hours = self.hours.filter(|hours| *hours > 1.0 / 60.0)?;
        Some(number(self.tally.errors) / hours)
    }

    fn metric(&self, name: &str, value: f64) -> Metric {
        Metric::new(name, value).subject(self.log)
    }

    fn errors(&self, patterns: Vec<String>, said: &mut Said) {
        let (tally, limits) = (&*self.tally, self.limits);
        let percent = ratio(tally.errors, tally.lines);
        said.metrics.push(self.metric("log_lines", number(tally.lines)));
        said.metrics.push(self.metric("log_errors", number(tally.errors)));
        let mut rate = self.metric("log_error_percent", percent).unit(Unit::Percent);
        if let Some(warn) = limits.warn_error_percent {
            rate = rate.warn_above(warn);
        }
        if let Some(critical) = limits.critical_error_percent {
            rate = rate.crit_above(critical);
        }
        said.metrics.push(rate);
        if let Some(per_hour) = self.errors_per_hour() {
            said.metrics.push(self.metric("log_errors_per_hour", per_hour));
        }
        said.findings.extend(self.jump());
        if tally.errors == 0 {
            return;
        }
        let severity = severity(percent, limits.warn_error_percent, limits.critical_error_percent);
        let mut lines = vec![format!(
            "{} of {} ({}){}",
            counted(tally.errors, "error"),
            counted(tally.lines, "line"),
            percents(percent),
            self.errors_per_hour().map_or(String::new(), |rate| format!(", {} an hour", figure(rate)))
        )];
        lines.extend(patterns);
        let finding = Finding::new(severity, self.log, "errors").detail(lines.join("\n"));
        said.findings.push(match severity {
            Severity::Ok => finding,
            _ => finding
                .remedy("see the kinds of errors above, the most frequent first; errors=... says what counts as one"),
        });
    }

    /// Kinds of errors, the most frequent first.
    fn patterns(&mut self) -> Vec<String> {
        let shown = |slot: &crate::sketch::Slot<crate::tally::Pattern>| {
            let seen = match (slot.kept.first, slot.kept.last) {
                // The first time is known only where the kind always had its place.
                (Some(first), Some(last)) if slot.excess == 0 && first < last => {
                    format!(" ({} to {})", clock::shown(first), clock::shown(last))
                }
                (_, Some(last)) => format!(" (last {})", clock::shown(last)),
                _ => String::new(),
            };
            let (whole, sample) =
                (self.secrets.masked(&slot.kept.sample, WHOLE), self.secrets.masked(&slot.kept.sample, SAMPLE));
            (about(slot.count, slot.excess), whole, seen, sample, slot.count)
        };
        let slots: Vec<_> = self.tally.patterns.top(self.limits.top).into_iter().map(shown).collect();
        let mut lines = Vec::new();
        for (place, (number, whole, seen, sample, times)) in slots.into_iter().enumerate() {
            lines.push(format!("{number} x {}{seen}", self.tally.shown_template(&whole)));
            if place < SAMPLES && times > 1 {
                lines.push(format!("    such as: {sample}"));
            }
        }
        lines.extend(more(&self.tally.patterns, self.limits.top, "kind"));
        lines
    }

    /// Errors that come faster than at earlier runs.
    fn jump(&self) -> Option<Finding> {
        let now = self.errors_per_hour()?;
        let usual = median(self.earlier)?;
        let limit = usual * (1.0 + self.limits.jump_percent / 100.0);
        if self.tally.errors < self.limits.floor || now <= limit {
            return None;
        }
        let detail = format!("{} an hour, {} at earlier runs", figure(now), figure(usual));
        Some(
            Finding::warning(self.log, "errors come faster than before")
                .detail(detail)
                .remedy("see what changed since"),
        )
    }

    fn values(&self, said: &mut Said) {
        for (place, (field, values)) in self.wanted.fields.iter().zip(&self.tally.values).enumerate() {
            if values.spread.count() == 0 {
                if values.odd > 0 {
                    said.findings.push(
                        Finding::ok(self.log, format!("no values of {}", field.written))
                            .detail(format!("{} are no numbers", counted(values.odd, "value"))),
                    );
                }
                continue;
            }
            // The limits are for the first field that is named.
            let limits = if place == 0 { self.limits } else { &Limits::default() };
            self.spread(&field.written, values, limits, said);
        }
    }

    fn spread(&self, name: &str, values: &Values, limits: &Limits, said: &mut Said) {
        let unit = values.unit.unwrap_or(fields::Unit::Plain);
        let shown = |value: f64| with_unit(value, unit);
        let metric_name = metric_name(name);
        let metric_unit = match unit {
            fields::Unit::Plain => Unit::None,
            fields::Unit::Time => Unit::Seconds,
            fields::Unit::Size => Unit::Bytes,
            fields::Unit::Percent => Unit::Percent,
        };
        let judged = self.limits.percentile;
        let mut percents = vec![50.0, 90.0, 95.0, 99.0];
        if !percents.iter().any(|percent| (percent - judged).abs() < 1e-9) {
            percents.push(judged);
            percents.sort_by(f64::total_cmp);
        }
        let mut parts = Vec::new();
        let mut severity = Severity::Ok;
        for percent in percents {
            let Some(value) = values.spread.percentile(percent) else { continue };
            parts.push(format!("p{} {}", figure(percent), shown(value)));
            let name = format!("{metric_name}_p{}", figure(percent).replace('.', "_"));
            let mut metric = self.metric(&name, value).unit(metric_unit);
            if (percent - judged).abs() < 1e-9 {
                severity = self::severity(value, limits.warn_above, limits.critical_above);
                metric = match limits.warn_above {
                    Some(warn) => metric.warn_above(warn),
                    None => metric,
                };
                metric = match limits.critical_above {
                    Some(critical) => metric.crit_above(critical),
                    None => metric,
                };
            }
            said.metrics.push(metric);
        }
        let spread = &values.spread;
        parts.push(format!("from {} to {}", shown(spread.least()), shown(spread.greatest())));
        parts.push(format!("mean {}", shown(spread.mean())));
        let odd = if values.odd > 0 { format!("; {} are none", count(values.odd)) } else { String::new() };
        let mut lines = vec![
            parts.join(", "),
            format!("of {}{odd}, each percentile within {ERROR_PERCENT} %", counted(spread.count(), "value")),
        ];
        if let Some(slope) = values.line.slope() {
            said.metrics.push(self.metric(&format!("{metric_name}_per_day"), slope.per_day).unit(metric_unit));
            lines.push(goes(&slope, unit));
            let rise = slope.percent().filter(|rise| limits.warn_rise_percent.is_some_and(|warn| *rise > warn));
            if let Some(rise) = rise {
                said.findings.push(
                    Finding::warning(self.log, format!("{name} rises"))
                        .detail(format!("by {rise:.0} %: {}", goes(&slope, unit)))
                        .remedy("see what it belongs to: memory that only rises is not given back"),
                );
            }
        }
        let finding = Finding::new(severity, self.log, format!("values of {name}")).detail(lines.join("\n"));
        said.findings.push(match severity {
            Severity::Ok => finding,
            _ => finding.remedy(format!("p{} is above its limit; see what the slowest have in common", figure(judged))),
        });
    }

    fn tops(&self, said: &mut Said) {
        for (field, top) in self.wanted.top_by.iter().zip(&self.tally.tops) {
            if top.total() == 0 {
                continue;
            }
            let lines = self.shares(top, "other");
            said.findings
                .push(Finding::ok(self.log, format!("most frequent {}", field.written)).detail(lines.join("\n")));
        }
    }

    /// The most frequent keys with their share.
    fn shares(&self, sketch: &Sketch<()>, more_of: &str) -> Vec<String> {
        let slots = sketch.top(self.limits.top);
        let line = |slot: &&crate::sketch::Slot<()>| {
            let share = percents(ratio(slot.count, sketch.total()));
            format!("{} {} ({share})", about(slot.count, slot.excess), self.secrets.masked(&slot.key, TEMPLATE))
        };
        let mut lines: Vec<_> = slots.iter().map(line).collect();
        lines.extend(more(sketch, self.limits.top, more_of));
        lines
    }

    fn statuses(&self, said: &mut Said) {
        let statuses = self.tally.statuses;
        let all: u64 = statuses.iter().sum();
        if all == 0 {
            return;
        }
        let mut parts = Vec::new();
        for (class, answers) in statuses.into_iter().enumerate().filter(|(_, answers)| *answers > 0) {
            let name = if class == 0 { "others".into() } else { format!("{class}xx") };
            parts.push(format!("{name} {} ({})", count(answers), percents(ratio(answers, all))));
            if class > 0 {
                said.metrics
                    .push(self.metric(&format!("answers_{class}xx_percent"), ratio(answers, all)).unit(Unit::Percent));
            }
        }
        said.findings.push(Finding::ok(self.log, "answers by status").detail(parts.join(", ")));
    }

    fn logins(&self, said: &mut Said) {
        if !self.wanted.logins {
            return;
        }
        let logins = &self.tally.logins;
        said.metrics.push(self.metric("failed_logins", number(logins.count)));
        if logins.count == 0 {
            return;
        }
        let worst = logins.addresses.top(1).first().map_or(0, |slot| slot.count - slot.excess);
        let mut lines = vec![counted(logins.count, "failed attempt")];
        for (title, sketch) in [("by address:", &logins.addresses), ("by user:", &logins.users)] {
            if sketch.total() > 0 {
                lines.push(title.into());
                lines.extend(self.shares(sketch, "other"));
            }
        }
        let many = worst >= self.limits.warn_logins;
        let finding = if many { Finding::warning } else { Finding::ok };
        let finding = finding(self.log, "failed logins").detail(lines.join("\n"));
        said.findings.push(if many {
            finding
                .remedy("see that passwords cannot be guessed from there: keys only, a limit on attempts, a firewall")
        } else {
            finding
        });
    }
}

fn severity(value: f64, warn: Option<f64>, critical: Option<f64>) -> Severity {
    match (warn, critical) {
        (_, Some(critical)) if value > critical => Severity::Critical,
        (Some(warn), _) if value > warn => Severity::Warning,
        _ => Severity::Ok,
    }
}

/// How many more there are than are shown.
fn more<T: Default>(sketch: &Sketch<T>, shown: usize, thing: &str) -> Option<String> {
    let (keys, full) = sketch.keys();
    let rest = u64::try_from(keys.saturating_sub(shown)).unwrap_or_default();
    (rest > 0).then(|| format!("and {}{}", counted(rest, thing), if full { ", and more than are counted" } else { "" }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::Field;
    use crate::format::Format;

    const THEN: i64 = 1_795_403_405;

    fn wanted(fields: &[&str]) -> Wanted {
        Wanted { fields: fields.iter().map(|name| Field::parse(name).unwrap()).collect(), top_by: vec![], logins: true }
    }

    fn limits() -> Limits {
        Limits { jump_percent: 100.0, floor: 10, percentile: 95.0, warn_logins: 5, top: 2, ..Limits::default() }
    }

    fn said(
        tally: &mut Tally,
        wanted: &Wanted,
        limits: &Limits,
        hours: Option<f64>,
        earlier: &[f64],
    ) -> Vec<(Severity, String, String)> {
        let secrets = Secrets::new(&[]).unwrap();
        let mut telling = Telling { log: "app.log", tally, wanted, limits, secrets: &secrets, hours, earlier };
        let findings = telling.all().findings;
        findings.into_iter().map(|it| (it.severity(), it.title().to_owned(), it.text())).collect()
    }

    fn erring(errors: u64, lines: u64) -> Tally {
        let mut tally = Tally::new(Format::Text, THEN, &wanted(&[]));
        (0..errors).for_each(|n| tally.error(format!("2026-11-23 03:10:05 ERROR {n} password=x{n}").as_bytes()));
        tally.lines = lines;
        tally
    }

    #[test]
    fn errors_are_judged_by_their_share_of_lines() {
        for (errors, lines, warn, critical, expected) in [
            (0, 100, Some(1.0), Some(5.0), None),
            (1, 100, Some(1.0), Some(5.0), Some(Severity::Ok)),
            (2, 100, Some(1.0), Some(5.0), Some(Severity::Warning)),
            (6, 100, Some(1.0), Some(5.0), Some(Severity::Critical)),
            (6, 100, None, None, Some(Severity::Ok)),
            (6, 100, None, Some(5.0), Some(Severity::Critical)),
        ] {
            let limits = Limits { warn_error_percent: warn, critical_error_percent: critical, ..limits() };
            let said = said(&mut erring(errors, lines), &wanted(&[]), &limits, None, &[]);
            assert_eq!(said.first().map(|(severity, ..)| *severity), expected, "{errors} of {lines}");
        }
    }

    #[test]
    fn errors_are_told_by_kind_without_their_secrets() {
        let said = said(&mut erring(3, 1_000), &wanted(&[]), &limits(), Some(2.0), &[]);
        assert_eq!(
            said[0].2,
            "3 errors of 1,000 lines (0.30 %), 1.5 an hour\n3 x ERROR # password=*** (last 2026-11-23 03:10:05)\n    such \
             as: 2026-11-23 03:10:05 ERROR 2 password=***"
        );
    }

    #[test]
    fn a_jump_is_large_in_number_and_against_what_is_usual() {
        for (errors, hours, earlier, expected) in [
            (50, Some(1.0), &[10.0, 12.0, 11.0][..], true),
            (20, Some(1.0), &[10.0, 12.0, 11.0], false),
            (50, Some(10.0), &[10.0, 12.0, 11.0], false),
            (9, Some(1.0), &[0.0], false),
            (50, Some(1.0), &[], false),
            (50, None, &[1.0], false),
            (50, Some(0.001), &[1.0], false),
            (12, Some(1.0), &[0.0, 0.0], true),
        ] {
            let said = said(&mut erring(errors, 10_000), &wanted(&[]), &limits(), hours, earlier);
            let jumped = said.iter().any(|(_, title, _)| title == "errors come faster than before");
            assert_eq!(jumped, expected, "{errors} {hours:?} {earlier:?}");
        }
    }

    #[test]
    fn percentiles_and_a_rise_are_judged() {
        let wanted = wanted(&["took", "other"]);
        let mut tally = Tally::new(Format::Text, THEN, &wanted);
        for minute in 0..60_u32 {
            let line = format!("2026-11-23 03:{minute:02}:00 took={}ms other=fast", 100 + minute);
            tally.line(line.as_bytes(), &wanted);
        }
        for (warn, critical, rise, expected, rises) in [
            (None, None, None, Severity::Ok, false),
            (Some(0.155), None, Some(59.0), Severity::Warning, false),
            (Some(0.1), Some(0.155), Some(58.0), Severity::Critical, true),
            (Some(0.159), Some(0.2), None, Severity::Ok, false),
        ] {
            let limits = Limits { warn_above: warn, critical_above: critical, warn_rise_percent: rise, ..limits() };
            let said = said(&mut tally, &wanted, &limits, None, &[]);
            let values = said.iter().find(|(_, title, _)| title == "values of took").unwrap();
            assert_eq!(values.0, expected, "{warn:?} {critical:?}");
            assert!(values.2.contains("from 100 ms to 159 ms") && values.2.contains("of 60 values"), "{}", values.2);
            assert_eq!(said.iter().any(|(_, title, _)| title == "took rises"), rises, "{rise:?}");
            assert!(
                said.iter().any(|(_, title, text)| title == "no values of other" && text.contains("60 values are no"))
            );
        }
    }

    #[test]
    fn many_failed_logins_from_one_address_are_a_warning() {
        for (attempts, expected) in [(4, Severity::Ok), (5, Severity::Warning)] {
            let mut tally = Tally::new(Format::Text, THEN, &wanted(&[]));
            for number in 0..attempts {
                tally.login(&format!("sshd[{number}]: Failed password for root from 203.0.113.9 port 1 ssh2"));
            }
            let said = said(&mut tally, &wanted(&[]), &limits(), None, &[]);
            assert_eq!((said[0].0, said[0].1.as_str()), (expected, "failed logins"));
            assert!(
                said[0].2.contains("203.0.113.9 (100.0 %)") && said[0].2.contains("root (100.0 %)"),
                "{}",
                said[0].2
            );
        }
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!((median(&[3.0, 1.0, 2.0]), median(&[])), (Some(2.0), None));
    }
}
