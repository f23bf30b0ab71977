//! One figure against its limits: what becomes a metric, and a finding when it is out of bounds. Pure.

use taskhost_sdk::prelude::*;
use taskhost_sdk::report::Severity;
use taskhost_sdk::words::size;

/// On which side of its limits a figure is out of bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Above,
    Below,
}

/// From where on a figure is a warning, and critical.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Limit {
    pub(crate) side: Side,
    pub(crate) warn: f64,
    pub(crate) critical: Option<f64>,
}

impl Limit {
    /// A warning above the first, critical above the second.
    pub(crate) fn above(warn: f64, critical: f64) -> Self {
        Self { side: Side::Above, warn, critical: Some(critical) }
    }

    /// How bad the value is; none when it is in order.
    pub(crate) fn severity(&self, value: f64) -> Option<Severity> {
        let passed = |limit: f64| match self.side {
            Side::Above => value > limit,
            Side::Below => value < limit,
        };
        if self.critical.is_some_and(passed) {
            Some(Severity::Critical)
        } else {
            passed(self.warn).then_some(Severity::Warning)
        }
    }

    fn word(&self) -> &'static str {
        match self.side {
            Side::Above => "above",
            Side::Below => "below",
        }
    }
}

/// What a figure counts, as the operator wrote it: `s`, `ms`, `%`, `B`, or any other word, which is shown and no more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scale(pub(crate) String);

impl Scale {
    pub(crate) fn of(unit: &str) -> Self {
        Self(unit.into())
    }

    /// A figure for people.
    pub(crate) fn shown(&self, value: f64) -> String {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes are whole and below 2^52")]
        if matches!(self.0.as_str(), "B" | "bytes") && value >= 0.0 && value.is_finite() {
            return size(value as u64);
        }
        let figure = rounded(value);
        match self.0.as_str() {
            "" => figure,
            unit if unit.starts_with('/') => format!("{figure}{unit}"),
            unit => format!("{figure} {unit}"),
        }
    }

    /// A figure beside a limit that it passed: with as many decimals as tell them apart.
    fn beside(&self, value: f64, limit: f64) -> String {
        let (shown, other) = (self.shown(value), self.shown(limit));
        if shown != other {
            return shown;
        }
        let unit = if self.0.is_empty() || self.0.starts_with('/') { self.0.clone() } else { format!(" {}", self.0) };
        format!("{value}{unit}")
    }

    /// The contract's unit, and what a figure is multiplied by for it.
    fn unit(&self) -> (Unit, f64) {
        match self.0.as_str() {
            "s" => (Unit::Seconds, 1.0),
            "ms" => (Unit::Seconds, 0.001),
            "%" => (Unit::Percent, 1.0),
            "B" | "bytes" => (Unit::Bytes, 1.0),
            "d" | "days" => (Unit::Days, 1.0),
            _ => (Unit::None, 1.0),
        }
    }
}

/// With as many decimals as say something.
fn rounded(value: f64) -> String {
    let decimals = match value.abs() {
        0.0 | 100.0.. => 0,
        10.0..100.0 => 1,
        0.1..10.0 => 2,
        _ => 4,
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// One figure.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Measure {
    /// For people: `CPU`, `response time p95`.
    pub(crate) name: String,
    /// What it was measured on: a mount, an address, a set of labels. The machine or the system as a whole has none.
    pub(crate) subject: Option<String>,
    pub(crate) value: f64,
    pub(crate) scale: Scale,
    pub(crate) limit: Option<Limit>,
    /// What to do when it is out of bounds.
    pub(crate) remedy: &'static str,
}

impl Measure {
    pub(crate) fn new(name: impl Into<String>, value: f64, unit: &str) -> Self {
        Self { name: name.into(), subject: None, value, scale: Scale::of(unit), limit: None, remedy: "" }
    }

    pub(crate) fn on(self, subject: impl Into<String>) -> Self {
        Self { subject: Some(subject.into()), ..self }
    }

    pub(crate) fn limit(self, limit: Option<Limit>) -> Self {
        Self { limit, ..self }
    }

    pub(crate) fn remedy(self, remedy: &'static str) -> Self {
        Self { remedy, ..self }
    }

    /// How bad it is; none when it is in order, or has no limit.
    pub(crate) fn severity(&self) -> Option<Severity> {
        self.limit.and_then(|limit| limit.severity(self.value))
    }

    /// What is out of bounds.
    pub(crate) fn finding(&self) -> Option<Finding> {
        let limit = self.limit?;
        let severity = limit.severity(self.value)?;
        let (word, warn) = (limit.word(), self.scale.shown(limit.warn));
        let passed = if severity == Severity::Critical { limit.critical.unwrap_or(limit.warn) } else { limit.warn };
        let value = self.scale.beside(self.value, passed);
        let critical = limit.critical.map(|critical| self.scale.shown(critical));
        let detail = match (severity, critical) {
            (Severity::Critical, Some(critical)) => format!("{value}, {word} {critical}"),
            (_, Some(critical)) => format!("{value}, {word} {warn}; critical {word} {critical}"),
            (_, None) => format!("{value}, {word} {warn}"),
        };
        let subject = self.subject.clone().unwrap_or_else(|| self.name.clone());
        let finding = Finding::new(severity, subject, format!("{} is {word} its limit", self.name)).detail(detail);
        Some(if self.remedy.is_empty() { finding } else { finding.remedy(self.remedy) })
    }

    /// What monitoring takes; none of what is no number.
    pub(crate) fn metric(&self) -> Option<Metric> {
        if !self.value.is_finite() {
            return None;
        }
        let (unit, factor) = self.scale.unit();
        let mut metric = Metric::new(snake(&self.name), self.value * factor).unit(unit);
        if let Some(subject) = &self.subject {
            metric = metric.subject(subject);
        }
        Some(match self.limit {
            None => metric,
            Some(Limit { side: Side::Above, warn, critical }) => {
                let metric = metric.warn_above(warn * factor);
                critical.map_or(metric.clone(), |critical| metric.crit_above(critical * factor))
            }
            Some(Limit { side: Side::Below, warn, critical }) => {
                let metric = metric.warn_below(warn * factor);
                critical.map_or(metric.clone(), |critical| metric.crit_below(critical * factor))
            }
        })
    }

    /// `CPU 34 %`.
    pub(crate) fn line(&self) -> String {
        let subject = self.subject.as_ref().map(|subject| format!(" ({subject})")).unwrap_or_default();
        format!("{} {}{subject}", self.name, self.scale.shown(self.value))
    }
}

/// Bytes of a set of labels as it is shown.
const LABELS: usize = 160;

/// `{job="app", path="/x"}`, cut when it is long; none when there are none.
pub(crate) fn labels<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Option<String> {
    let pairs: Vec<String> = pairs.map(|(name, value)| format!("{name}={value:?}")).collect();
    if pairs.is_empty() {
        return None;
    }
    let mut shown = format!("{{{}}}", pairs.join(", "));
    if shown.len() > LABELS {
        let cut = shown.char_indices().map(|(at, _)| at).take_while(|at| *at <= LABELS).last().unwrap_or(0);
        shown.truncate(cut);
        shown.push_str("…}");
    }
    Some(shown)
}

/// A metric's name of a name for people: `response time p95` is `response_time_p95`, and `disk I/O` is `disk_io`.
pub(crate) fn snake(name: &str) -> String {
    let mut out = String::new();
    for character in name.chars() {
        if character.is_ascii_alphanumeric() {
            out.push(character.to_ascii_lowercase());
        } else if character != '/' && !out.is_empty() && !out.ends_with('_') {
            out.push('_');
        }
    }
    let out = out.trim_end_matches('_');
    if out.starts_with(|first: char| first.is_ascii_lowercase()) { out.into() } else { format!("kpi_{out}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_as_bad_as_the_furthest_limit_that_it_passed() {
        let above = Limit::above(80.0, 95.0);
        let below = Limit { side: Side::Below, warn: 99.9, critical: Some(99.0) };
        let alone = Limit { critical: None, ..above };
        for (limit, value, severity) in [
            (above, 80.0, None),
            (above, 80.1, Some(Severity::Warning)),
            (above, 95.0, Some(Severity::Warning)),
            (above, 95.1, Some(Severity::Critical)),
            (above, f64::INFINITY, Some(Severity::Critical)),
            (above, f64::NAN, None),
            (below, 99.9, None),
            (below, 99.5, Some(Severity::Warning)),
            (below, 98.0, Some(Severity::Critical)),
            (alone, 1000.0, Some(Severity::Warning)),
        ] {
            assert_eq!(limit.severity(value), severity, "{limit:?} {value}");
        }
    }

    #[test]
    fn a_finding_says_the_figure_and_the_limit() {
        let measure =
            Measure::new("disk", 91.25, "%").on("/srv").limit(Some(Limit::above(80.0, 95.0))).remedy("clean up");
        let finding = measure.finding().unwrap();
        assert_eq!((finding.subject(), finding.title()), ("/srv", "disk is above its limit"));
        assert_eq!(finding.text(), "91.2 %, above 80 %; critical above 95 %; clean up");
        let critical = Measure { value: 96.0, remedy: "", ..measure.clone() };
        assert_eq!(critical.finding().unwrap().text(), "96 %, above 95 %");
        assert!(Measure { value: 80.0, ..measure.clone() }.finding().is_none());
        assert!(Measure { limit: None, ..measure }.finding().is_none());
        let below = Limit { side: Side::Below, warn: 99.9, critical: None };
        let availability = Measure::new("availability", 99.87, "%").limit(Some(below)).finding().unwrap();
        assert_eq!((availability.subject(), availability.text().as_str()), ("availability", "99.87 %, below 99.9 %"));
    }

    #[test]
    fn figures_are_written_for_people() {
        for (value, unit, shown) in [
            (0.0, "%", "0 %"),
            (12.345, "%", "12.3 %"),
            (100.0, "%", "100 %"),
            (0.2, "s", "0.2 s"),
            (0.012_34, "s", "0.0123 s"),
            (1536.0, "B", "1.5 KiB"),
            (3.5, "/s", "3.5/s"),
            (1234.0, "", "1234"),
            (f64::INFINITY, "s", "inf s"),
        ] {
            assert_eq!(Scale::of(unit).shown(value), shown);
        }
    }

    #[test]
    fn every_name_makes_a_metrics_name() {
        for (name, snaked) in [
            ("CPU", "cpu"),
            ("disk I/O", "disk_io"),
            ("response time p95", "response_time_p95"),
            ("5xx: rate!", "kpi_5xx_rate"),
            ("ä", "kpi_"),
        ] {
            assert_eq!(snake(name), snaked);
        }
    }

    #[test]
    fn what_is_no_number_is_no_metric() {
        assert!(Measure::new("x", f64::NAN, "").metric().is_none());
        assert!(Measure::new("x", f64::INFINITY, "").metric().is_none());
        assert!(Measure::new("x", 1.0, "ms").limit(Some(Limit::above(1.0, 2.0))).metric().is_some());
    }
}
