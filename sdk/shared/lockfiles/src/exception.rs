//! What an operator lets pass, until a day, and why: `CVE-2024-3772 until 2026-12-01: no input from outside`.
//!
//! Nothing is let pass forever: what has no day is no exception, and one whose day is over is told of.

use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

const DAY: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// What it is about: a package, an advisory.
    pub subject: String,
    /// In which package alone, where it says so: `CVE-2024-3772 in pydantic until ...`.
    pub package: Option<String>,
    /// The last day on which it holds.
    pub until: Date,
    /// Why.
    pub reason: String,
}

impl Exception {
    /// # Errors
    /// What is missing.
    pub fn parse(text: &str) -> Result<Self, String> {
        let form = || format!("`{text}` is no exception; write it like `NAME until 2030-12-31: why it may wait`");
        let (what, rest) = text.split_once(" until ").ok_or_else(form)?;
        let (day, reason) = rest.split_once(':').ok_or_else(form)?;
        let until = date(day.trim())
            .ok_or_else(|| format!("`{}` in `{text}` is no day; write it like 2030-12-31", day.trim()))?;
        let (subject, package) = match what.split_once(" in ") {
            Some((subject, package)) => (subject.trim(), Some(package.trim())),
            None => (what.trim(), None),
        };
        if subject.is_empty() || package.is_some_and(str::is_empty) || reason.trim().is_empty() {
            return Err(form());
        }
        Ok(Self { subject: subject.into(), package: package.map(Into::into), until, reason: reason.trim().into() })
    }

    /// Whether it is about one of these names of a thing, in this package.
    fn is_about(&self, names: &[&str], package: &str) -> bool {
        self.package.as_deref().is_none_or(|own| own.eq_ignore_ascii_case(package))
            && names.iter().any(|name| name.eq_ignore_ascii_case(&self.subject))
    }
}

/// All exceptions of a run, and which of them it had a use for.
#[derive(Debug, Default)]
pub struct Exceptions {
    all: Vec<(Exception, bool)>,
}

impl Exceptions {
    /// # Errors
    /// What is wrong with the first that is none.
    pub fn parse(texts: &[String]) -> Result<Self, String> {
        let all = texts.iter().map(|text| Ok((Exception::parse(text)?, false))).collect::<Result<_, String>>()?;
        Ok(Self { all })
    }

    /// Adds one.
    pub fn add(&mut self, exception: Exception) {
        self.all.push((exception, false));
    }

    /// The exception that holds today for a thing that goes by any of `names`. One whose day is over holds for nothing,
    /// but has had its use.
    pub fn hold(&mut self, names: &[&str], package: &str, today: Date) -> Option<&Exception> {
        let mut holds = None;
        for (exception, used) in &mut self.all {
            if exception.is_about(names, package) {
                *used = true;
                if exception.until >= today {
                    holds = holds.or(Some(&*exception));
                }
            }
        }
        holds
    }

    /// Those whose day is over.
    pub fn expired(&self, today: Date) -> impl Iterator<Item = &Exception> {
        self.all.iter().map(|(exception, _)| exception).filter(move |exception| exception.until < today)
    }

    /// Those that hold, and that the run met nothing for.
    pub fn unused(&self, today: Date) -> impl Iterator<Item = &Exception> {
        let unused = self.all.iter().filter(move |(exception, used)| !used && exception.until >= today);
        unused.map(|(exception, _)| exception)
    }
}

/// A time as indexes and advisories have it: `2023-05-22T20:36:32Z`.
pub fn rfc3339(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text.trim(), &Rfc3339).ok()
}

/// `2026-12-01`.
fn date(text: &str) -> Option<Date> {
    Date::parse(text, DAY).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_has_a_day_and_a_reason() {
        let parsed =
            Exception::parse("CVE-2024-3772 in pydantic until 2026-12-01: not reached, see #12: wontfix").unwrap();
        assert_eq!(
            parsed,
            Exception {
                subject: "CVE-2024-3772".into(),
                package: Some("pydantic".into()),
                until: date("2026-12-01").unwrap(),
                reason: "not reached, see #12: wontfix".into(),
            }
        );
        for text in [
            "",
            "CVE-2024-3772",
            "CVE-2024-3772: why",
            "CVE-2024-3772 until 2026-12-01",
            "CVE-2024-3772 until 2026-12-01: ",
            "CVE-2024-3772 until tomorrow: why",
            "CVE-2024-3772 until 2026-02-30: why",
            " until 2026-02-01: why",
            "a in  until 2026-02-01: why",
        ] {
            assert!(Exception::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn one_whose_day_is_over_holds_for_nothing_and_is_told_of() {
        let texts =
            ["A until 2026-05-01: a", "B until 2026-05-02: b", "C in p until 2027-01-01: c", "D until 2027-01-01: d"];
        let mut exceptions = Exceptions::parse(&texts.map(Into::into)).unwrap();
        let today = date("2026-05-02").unwrap();
        for (names, package, holds) in
            [(&["a"][..], "p", None), (&["x", "b"], "p", Some("b")), (&["C"], "P", Some("c")), (&["C"], "q", None)]
        {
            let held = exceptions.hold(names, package, today).map(|held| held.reason.as_str());
            assert_eq!(held, holds, "{names:?}");
        }
        assert_eq!(exceptions.expired(today).map(|one| one.subject.as_str()).collect::<Vec<_>>(), ["A"]);
        assert_eq!(exceptions.unused(today).map(|one| one.subject.as_str()).collect::<Vec<_>>(), ["D"]);
    }
}
