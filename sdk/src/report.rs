//! What a run leaves behind for people and monitoring. Each call reaches the host as it is made.

use crate::bindings::taskhost::host::report as wit;
use crate::parameters::Choice;

pub use wit::{Severity, Unit};

/// How bad something is can be left to the operator: a `Severity` is a parameter's type.
impl Choice for Severity {
    const WORDS: &'static [&'static str] = &["ok", "warning", "critical"];

    fn from_word(word: &str) -> Option<Self> {
        [Self::Ok, Self::Warning, Self::Critical].into_iter().find(|severity| severity.word() == word)
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

crate::parameter_from_choice!(Severity);

/// Something found; [`report`](Self::report) sends it.
#[derive(Clone, Debug)]
#[must_use = "a finding is sent with `.report()`"]
pub struct Finding(wit::Finding);

impl Finding {
    /// Checked, and good: worth a line in the report.
    pub fn ok(subject: impl Into<String>, title: impl Into<String>) -> Self {
        Self::new(Severity::Ok, subject, title)
    }

    /// Someone should look at it.
    pub fn warning(subject: impl Into<String>, title: impl Into<String>) -> Self {
        Self::new(Severity::Warning, subject, title)
    }

    /// Someone must act.
    pub fn critical(subject: impl Into<String>, title: impl Into<String>) -> Self {
        Self::new(Severity::Critical, subject, title)
    }

    /// `subject` is the thing it is about, stable between runs; `title` a few words, the same for all of this kind.
    pub fn new(severity: Severity, subject: impl Into<String>, title: impl Into<String>) -> Self {
        Self(wit::Finding {
            severity,
            subject: subject.into(),
            title: title.into(),
            detail: String::new(),
            remedy: None,
        })
    }

    /// What was seen, with figures.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = detail.into();
        self
    }

    /// What a person should do about it.
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.0.remedy = Some(remedy.into());
        self
    }

    /// How bad it is; for tests of what a plugin makes of its figures, with the others.
    pub fn severity(&self) -> Severity {
        self.0.severity
    }

    /// The thing it is about.
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// The kind of finding.
    pub fn title(&self) -> &str {
        &self.0.title
    }

    /// What was seen, and what to do about it, one after the other.
    pub fn text(&self) -> String {
        let remedy = self.0.remedy.as_deref().unwrap_or_default();
        if remedy.is_empty() { self.0.detail.clone() } else { format!("{}; {remedy}", self.0.detail) }
    }

    /// Sends it.
    pub fn report(self) {
        wit::add_finding(&self.0);
    }
}

/// Something measured; [`report`](Self::report) sends it.
#[derive(Clone, Debug)]
#[must_use = "a metric is sent with `.report()`"]
pub struct Metric(wit::Metric);

impl Metric {
    /// `name` is `snake_case`.
    pub fn new(name: impl Into<String>, value: f64) -> Self {
        Self(wit::Metric { name: name.into(), subject: None, value, unit: Unit::None, warn: None, crit: None })
    }

    /// What it was measured on, where a run measures several.
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.0.subject = Some(subject.into());
        self
    }

    /// What it counts.
    pub fn unit(mut self, unit: Unit) -> Self {
        self.0.unit = unit;
        self
    }

    /// A warning above this value.
    pub fn warn_above(mut self, high: f64) -> Self {
        self.0.warn.get_or_insert(OPEN).high = Some(high);
        self
    }

    /// A warning below this value.
    pub fn warn_below(mut self, low: f64) -> Self {
        self.0.warn.get_or_insert(OPEN).low = Some(low);
        self
    }

    /// Critical above this value.
    pub fn crit_above(mut self, high: f64) -> Self {
        self.0.crit.get_or_insert(OPEN).high = Some(high);
        self
    }

    /// Critical below this value.
    pub fn crit_below(mut self, low: f64) -> Self {
        self.0.crit.get_or_insert(OPEN).low = Some(low);
        self
    }

    /// Sends it.
    pub fn report(self) {
        wit::add_metric(&self.0);
    }
}

const OPEN: wit::Bounds = wit::Bounds { low: None, high: None };

/// Leaves something for a person to do, in the imperative.
pub fn next_action(action: impl Into<String>) {
    wit::add_next_action(&wit::NextAction { action: action.into(), subject: None });
}

/// [`next_action`] about something.
pub fn next_action_on(subject: impl Into<String>, action: impl Into<String>) {
    wit::add_next_action(&wit::NextAction { action: action.into(), subject: Some(subject.into()) });
}

/// Says how far the run is.
pub fn progress(done: u64, total: Option<u64>, message: impl Into<String>) {
    wit::progress(&wit::Step { done, total, message: message.into() });
}

/// Whether this is a rehearsal: for the wording of a summary only. What changes nothing is decided by the host.
pub fn rehearsing() -> bool {
    wit::rehearsing()
}

/// The run's log.
pub mod log {
    use super::wit::{self, Level};

    /// For whoever debugs the plugin.
    pub fn debug(message: impl AsRef<str>) {
        wit::log(Level::Debug, message.as_ref());
    }

    /// What is being done.
    pub fn info(message: impl AsRef<str>) {
        wit::log(Level::Info, message.as_ref());
    }

    /// Something odd that is no finding.
    pub fn warn(message: impl AsRef<str>) {
        wit::log(Level::Warn, message.as_ref());
    }

    /// Something that failed.
    pub fn error(message: impl AsRef<str>) {
        wit::log(Level::Error, message.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_for_severities_are_those_of_reports() {
        for word in Severity::WORDS {
            assert_eq!(Severity::from_word(word).as_ref().map(Choice::word), Some(*word));
        }
        assert_eq!(Severity::from_word("bad"), None);
    }

    #[test]
    fn a_finding_s_text_is_what_was_seen_and_what_to_do() {
        let finding = Finding::warning("disk", "nearly full").detail("95% used");
        assert_eq!((finding.subject(), finding.title(), finding.text().as_str()), ("disk", "nearly full", "95% used"));
        assert_eq!(finding.remedy("remove something").text(), "95% used; remove something");
    }
}
