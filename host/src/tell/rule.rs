//! Whether somebody is told. Pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::glob::Globs;
use crate::report::Outcome;

/// How bad it stands with a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// All is well.
    #[default]
    Ok,
    /// Its worst finding is a warning.
    Warning,
    /// Its worst finding is critical.
    Critical,
    /// It did not do its work: it failed, was refused, timed out, or found a server away.
    Broken,
}

impl Level {
    /// By how a run ended; none where that tells nothing: a person stopped it.
    pub fn of(outcome: Outcome) -> Option<Self> {
        match outcome {
            Outcome::Ok => Some(Self::Ok),
            Outcome::Warning => Some(Self::Warning),
            Outcome::Critical => Some(Self::Critical),
            Outcome::Cancelled => None,
            _ => Some(Self::Broken),
        }
    }

    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Critical => "critical",
            Self::Broken => "broken",
        }
    }
}

/// What is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Say {
    /// All was well, and is not any more.
    Breaks,
    /// It was bad, and is worse.
    Worse,
    /// It was bad, and is well.
    Mends,
}

/// Of which tasks a channel tells, and from when on.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Names; all tasks when there is none.
    pub tasks: Option<Globs>,
    /// The mildest that is told.
    pub from: Level,
}

impl Rule {
    /// Whether it is about that task.
    pub fn concerns(&self, task: &str) -> bool {
        self.tasks.as_ref().is_none_or(|globs| globs.matches(task.as_bytes(), task.len()))
    }

    /// What is said when it stood so `before`, as far as was told, and stands so now.
    pub fn say(&self, before: Level, now: Level) -> Option<Say> {
        let bad = |level: Level| level >= self.from;
        match (bad(before), bad(now)) {
            (false, true) => Some(Say::Breaks),
            (true, false) => Some(Say::Mends),
            (true, true) if now > before => Some(Say::Worse),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_message_when_it_breaks_and_one_when_it_mends() {
        use Level::{Broken, Critical, Ok, Warning};
        for (from, levels, said) in [
            (
                Warning,
                &[Ok, Warning, Warning, Ok, Ok][..],
                &[None, Some(Say::Breaks), None, Some(Say::Mends), None][..],
            ),
            (Warning, &[Warning, Critical, Warning, Critical], &[Some(Say::Breaks), Some(Say::Worse), None, None]),
            (
                Critical,
                &[Warning, Critical, Warning, Broken],
                &[None, Some(Say::Breaks), Some(Say::Mends), Some(Say::Breaks)],
            ),
            (Broken, &[Critical, Broken, Broken, Ok], &[None, Some(Say::Breaks), None, Some(Say::Mends)]),
        ] {
            let rule = Rule { tasks: None, from };
            let mut told = Ok;
            for (level, expected) in levels.iter().zip(said) {
                let say = rule.say(told, *level);
                assert_eq!(say, *expected, "from {from:?}: {told:?} to {level:?}");
                told = match say {
                    Some(Say::Mends) => Ok,
                    Some(_) => *level,
                    None => told,
                };
            }
        }
    }

    #[test]
    fn a_person_who_stops_a_run_breaks_nothing() {
        assert_eq!(Level::of(Outcome::Cancelled), None);
        assert_eq!(Level::of(Outcome::Interrupted), Some(Level::Broken));
    }
}
