//! What a task remembers between its runs.

use crate::bindings::exports::taskhost::host::task;
use crate::bindings::taskhost::host::state as wit;
use crate::parameters::is_kebab;
use crate::{Failure, FailureKind, Result};

pub use wit::{Entry, Error, Measurement, Sample, Value};

const DAY: f64 = 86_400.0;

/// A slot for what is remembered. Make it a constant and name it in `#[task(slots = [...])]`.
#[derive(Clone, Copy, Debug)]
#[must_use = "name the slot in `#[task(slots = [...])]`"]
pub struct Slot {
    name: &'static str,
    why: &'static str,
    write: bool,
    optional: bool,
}

impl Slot {
    /// `why` is shown to the operator who decides.
    ///
    /// # Panics
    /// While compiling, if the name is not kebab-case.
    pub const fn new(name: &'static str, why: &'static str) -> Self {
        assert!(is_kebab(name), "a slot's name is kebab-case: a to z, 0 to 9 and `-`, and a letter first");
        Self { name, why, write: false, optional: false }
    }

    /// Asks for recalling, which is all that binding grants.
    pub const fn read(self) -> Self {
        self
    }

    /// Asks for remembering too.
    pub const fn write(self) -> Self {
        Self { write: true, ..self }
    }

    /// The run can do without it.
    pub const fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// Whether the operator bound it, which an optional one may be without. Asks the host, once.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub async fn is_bound(&self) -> Result<bool, Error> {
        match self.get("bound").await {
            Ok(_) => Ok(true),
            Err(Error::Refused(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A value, with its version.
    ///
    /// # Errors
    /// A slot that is not bound, and a file that cannot be read.
    pub async fn get(&self, key: &str) -> Result<Option<Entry>, Error> {
        wit::get(self.name.into(), key.into()).await
    }

    /// Remembers a value, and returns its version.
    ///
    /// # Errors
    /// A slot that does not grant it, and a file that cannot be written.
    pub async fn put(&self, key: &str, value: impl Into<Value>) -> Result<u64, Error> {
        wit::put(self.name.into(), key.into(), value.into(), None).await
    }

    /// Remembers a value if nobody else did since `version` was read, 0 standing for none.
    ///
    /// # Errors
    /// As [`put`](Self::put), and [`Error::Changed`].
    pub async fn replace(&self, key: &str, value: impl Into<Value>, version: u64) -> Result<u64, Error> {
        wit::put(self.name.into(), key.into(), value.into(), Some(version)).await
    }

    /// Forgets a value. Returns whether it was there.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub async fn remove(&self, key: &str) -> Result<bool, Error> {
        wit::remove(self.name.into(), key.into()).await
    }

    /// The keys that begin so.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn keys(&self, prefix: &str) -> Result<Vec<String>, Error> {
        wit::keys(self.name.into(), prefix.into()).await
    }

    /// Adds measurements of now to their series.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub async fn append(&self, measurements: Vec<Measurement>) -> Result<(), Error> {
        wit::append(self.name.into(), measurements).await
    }

    /// The newest `limit` samples of a series with one subject, the oldest first.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn samples(&self, series: &str, subject: &str, limit: u32) -> Result<Vec<Sample>, Error> {
        wit::samples(self.name.into(), series.into(), subject.into(), 0, limit).await
    }

    /// The subjects of a series.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn subjects(&self, series: &str) -> Result<Vec<String>, Error> {
        wit::subjects(self.name.into(), series.into()).await
    }

    #[doc(hidden)]
    pub fn describe(&self) -> task::Slot {
        let access = if self.write { vec!["read".into(), "write".into()] } else { vec!["read".into()] };
        task::Slot {
            name: self.name.into(),
            capability: "state".into(),
            access,
            optional: self.optional,
            why: self.why.into(),
        }
    }
}

/// A measurement of now.
pub fn measured(series: &str, subject: &str, value: f64) -> Measurement {
    Measurement { series: series.into(), subject: subject.into(), value }
}

/// How a series goes: the straight line through its samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// How much it grows in a day.
    pub per_day: f64,
    /// What the line says of the newest sample's time.
    pub now: f64,
    /// How many days the samples cover.
    pub days: f64,
}

impl Trend {
    /// By least squares, of at least three samples at different times.
    #[expect(clippy::cast_precision_loss, reason = "seconds and counts are far below 2^52")]
    pub fn of(samples: &[Sample]) -> Option<Self> {
        let (first, last) = (samples.first()?, samples.last()?);
        if samples.len() < 3 || last.at <= first.at {
            return None;
        }
        let day = |sample: &Sample| sample.at.saturating_sub(first.at) as f64 / DAY;
        let count = samples.len() as f64;
        let (mean_x, mean_y) =
            samples.iter().fold((0.0, 0.0), |(x, y), sample| (x + day(sample) / count, y + sample.value / count));
        let (covariance, variance) = samples.iter().fold((0.0, 0.0), |(both, own), sample| {
            let x = day(sample) - mean_x;
            (both + x * (sample.value - mean_y), own + x * x)
        });
        let per_day = covariance / variance;
        let days = day(last);
        Some(Self { per_day, now: mean_y + per_day * (days - mean_x), days })
    }

    /// Days from the newest sample until the line reaches `limit`: 0 when it has, none when it never does.
    pub fn days_until(&self, limit: f64) -> Option<f64> {
        let left = limit - self.now;
        if left <= 0.0 {
            return Some(0.0);
        }
        (self.per_day > 0.0).then(|| left / self.per_day)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Boolean(truth)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Refused(_) => FailureKind::Refused,
            Error::OverBudget(_) => FailureKind::OverBudget,
            Error::Unavailable(_) => FailureKind::Unavailable,
            Error::Changed(_) | Error::Full(_) | Error::Invalid(_) => FailureKind::Failed,
        };
        Self { kind, message: message(&error) }
    }
}

/// An error for people.
pub fn message(error: &Error) -> String {
    match error {
        Error::Refused(message)
        | Error::OverBudget(message)
        | Error::Changed(message)
        | Error::Full(message)
        | Error::Unavailable(message)
        | Error::Invalid(message) => message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(of: &[(u64, f64)]) -> Vec<Sample> {
        of.iter().map(|&(days, value)| Sample { at: 1_000_000 + days * 86_400, value }).collect()
    }

    #[test]
    fn a_trend_is_the_line_through_the_samples() {
        let trend = Trend::of(&samples(&[(0, 10.0), (1, 12.0), (2, 14.0), (4, 18.0)])).unwrap();
        assert!((trend.per_day - 2.0).abs() < 1e-9 && (trend.now - 18.0).abs() < 1e-9, "{trend:?}");
        assert_eq!(trend.days_until(18.0), Some(0.0));
        assert!((trend.days_until(38.0).unwrap() - 10.0).abs() < 1e-6);
        let shrinks = Trend::of(&samples(&[(0, 10.0), (1, 8.0), (2, 6.0)])).unwrap();
        assert_eq!(shrinks.days_until(100.0), None);
    }

    #[test]
    fn too_little_makes_no_trend() {
        for few in [&[][..], &[(0, 1.0)], &[(0, 1.0), (1, 2.0)], &[(1, 1.0), (1, 2.0), (1, 3.0)]] {
            assert_eq!(Trend::of(&samples(few)), None);
        }
    }

    #[test]
    fn every_error_ends_the_run_in_its_outcome() {
        for (error, kind) in [
            (Error::Refused("no".into()), FailureKind::Refused),
            (Error::OverBudget("no".into()), FailureKind::OverBudget),
            (Error::Unavailable("no".into()), FailureKind::Unavailable),
            (Error::Changed("no".into()), FailureKind::Failed),
            (Error::Full("no".into()), FailureKind::Failed),
            (Error::Invalid("no".into()), FailureKind::Failed),
        ] {
            assert_eq!(Failure::from(error), Failure { kind, message: "no".into() });
        }
    }
}
