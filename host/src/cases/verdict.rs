//! What became of a case, and what of it was not as expected.

use std::time::Duration;

use serde::Serialize;

use crate::report::Report;

/// What became of a case.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// What it shows.
    pub(crate) name: String,
    /// The file that it is in, as it is shown, and its line.
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) state: State,
    /// From the beginning of its world to its end.
    pub(crate) duration: Duration,
    /// The reports of its runs, in their order.
    pub(crate) reports: Vec<Report>,
    /// What of its world could not be thrown away.
    pub(crate) left: Vec<String>,
    /// Its position among the cases of its file.
    pub(super) index: usize,
    /// By run, what to expect from now on; only where that was asked for.
    pub(super) proposed: Vec<super::accept::Proposal>,
}

/// How it ended.
#[derive(Debug)]
pub(crate) enum State {
    Passed,
    /// By run, what was not as expected.
    Failed(Vec<Vec<Mismatch>>),
    /// Its world could not be made or looked at: nothing can be said of the plugin.
    NotRun(String),
}

/// Something that is not as expected, as lines that are missing and lines that are there instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mismatch {
    /// What it is about: `outcome`, `findings`, `file logs/old.log`.
    pub(crate) what: String,
    pub(crate) expected: Vec<String>,
    pub(crate) found: Vec<String>,
}

impl Mismatch {
    pub(super) fn new(what: impl Into<String>, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { what: what.into(), expected: vec![expected.into()], found: vec![found.into()] }
    }

    /// The same with the parts of the world by their names, as the case has them.
    pub(super) fn named(self, emptied: &dyn Fn(&str) -> String) -> Self {
        let all = |lines: Vec<String>| lines.iter().map(|line| emptied(line)).collect();
        Self { what: self.what, expected: all(self.expected), found: all(self.found) }
    }
}

impl Verdict {
    /// `passed`, `failed` or `not run`.
    pub(crate) fn word(&self) -> &'static str {
        match self.state {
            State::Passed => "passed",
            State::Failed(_) => "failed",
            State::NotRun(_) => "not run",
        }
    }

    /// Every mismatch with the number of its run, from 1.
    pub(crate) fn mismatches(&self) -> impl Iterator<Item = (usize, &Mismatch)> {
        let steps = match &self.state {
            State::Failed(steps) => steps.as_slice(),
            State::Passed | State::NotRun(_) => &[],
        };
        steps.iter().enumerate().flat_map(|(step, mismatches)| mismatches.iter().map(move |one| (step + 1, one)))
    }
}

impl Serialize for Verdict {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Numbered<'a> {
            run: usize,
            what: &'a str,
            expected: &'a [String],
            found: &'a [String],
        }
        use serde::ser::SerializeStruct as _;
        fn numbered((run, mismatch): (usize, &Mismatch)) -> Numbered<'_> {
            let Mismatch { what, expected, found } = mismatch;
            Numbered { run, what, expected, found }
        }
        let mismatches: Vec<_> = self.mismatches().map(numbered).collect();
        let reason = match &self.state {
            State::NotRun(reason) => Some(reason),
            State::Passed | State::Failed(_) => None,
        };
        let outcomes: Vec<_> = self.reports.iter().map(|report| report.run.outcome).collect();
        let mut verdict = serializer.serialize_struct("Verdict", 9)?;
        verdict.serialize_field("name", &self.name)?;
        verdict.serialize_field("file", &self.file)?;
        verdict.serialize_field("line", &self.line)?;
        verdict.serialize_field("state", self.word())?;
        verdict.serialize_field("duration_us", &crate::gate::micros(self.duration))?;
        verdict.serialize_field("outcomes", &outcomes)?;
        verdict.serialize_field("mismatches", &mismatches)?;
        verdict.serialize_field("reason", &reason)?;
        verdict.serialize_field("left", &self.left)?;
        verdict.end()
    }
}
