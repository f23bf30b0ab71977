//! What is to be run, checked against what the operator offers. Pure.

use std::collections::{BTreeMap, BTreeSet};

use taskhost_sdk::command::{Impact, Template};

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A template, with values for its placeholders.
    Command { template: String, values: Vec<(String, String)> },
    /// The restart of a container.
    Restart(String),
}

impl Step {
    /// As it was written.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Command { template, .. } => template.clone(),
            Self::Restart(container) => format!("{RESTART}{container}"),
        }
    }
}

const RESTART: &str = "restart:";

/// A template that the operator offers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Offered {
    pub(crate) name: String,
    /// Name, and whether a value must be given.
    pub(crate) placeholders: Vec<(String, bool)>,
    pub(crate) granted: bool,
    pub(crate) observes: bool,
}

impl From<Template> for Offered {
    fn from(template: Template) -> Self {
        Self {
            name: template.name,
            placeholders: template.placeholders.into_iter().map(|one| (one.name, one.required)).collect(),
            granted: template.granted,
            observes: matches!(template.impact, Impact::Observe),
        }
    }
}

/// What the operator wrote.
pub(crate) struct Written<'a> {
    pub(crate) steps: &'a [String],
    pub(crate) rollback: &'a [String],
    pub(crate) rollback_from: Option<&'a str>,
    pub(crate) version: Option<&'a str>,
    pub(crate) arguments: &'a [String],
}

/// What is to be run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) steps: Vec<Step>,
    pub(crate) rollback: Vec<Step>,
    /// The first step whose failure is undone.
    pub(crate) rollback_from: usize,
    pub(crate) version: Option<String>,
}

impl Plan {
    /// Checks all of it, and says everything that is wrong at once.
    pub(crate) fn new(written: &Written<'_>, offered: &[Offered], restarts: bool) -> Result<Self, String> {
        let mut wrong = Vec::new();
        let mut arguments = BTreeMap::new();
        for argument in written.arguments {
            match argument.split_once('=') {
                Some((name, value)) => {
                    if arguments.insert(name.trim(), value).is_some() {
                        wrong.push(format!("`{}` is given twice in arguments", name.trim()));
                    }
                }
                None => wrong.push(format!("`{argument}` in arguments is not written NAME=VALUE")),
            }
        }
        let mut reading = Reading { offered, arguments, used: BTreeSet::new(), restarts, wrong };
        let steps = reading.steps(written.steps);
        let rollback = reading.steps(written.rollback);
        if let Some(version) = written.version {
            let known = reading.command(version);
            if known.is_some() && offered.iter().any(|one| one.name == version && !one.observes) {
                reading.wrong.push(format!("template `{version}` is for the version and does not observe"));
            }
        }
        let unused = reading.arguments.keys().filter(|name| !reading.used.contains(*name));
        let unused: Vec<String> = unused.map(|name| format!("no template has the placeholder `{name}`")).collect();
        let mut wrong = reading.wrong;
        wrong.extend(unused);
        if steps.is_empty() {
            wrong.push("there are no steps; name templates as in steps=build,deploy".into());
        }
        let last = written.steps.len().saturating_sub(1);
        let from = match written.rollback_from {
            None => last,
            Some(_) if written.rollback.is_empty() => {
                wrong.push("rollback-from is given, and there is no rollback".into());
                last
            }
            Some(name) => written.steps.iter().position(|step| step == name).unwrap_or_else(|| {
                wrong.push(format!("rollback-from names `{name}`, which is no step"));
                last
            }),
        };
        if wrong.is_empty() {
            Ok(Self { steps, rollback, rollback_from: from, version: written.version.map(Into::into) })
        } else {
            Err(wrong.join("; "))
        }
    }

    /// Whether the failure of that step is undone.
    pub(crate) fn undoes(&self, step: usize) -> bool {
        step >= self.rollback_from && !self.rollback.is_empty()
    }
}

struct Reading<'a> {
    offered: &'a [Offered],
    arguments: BTreeMap<&'a str, &'a str>,
    used: BTreeSet<&'a str>,
    restarts: bool,
    wrong: Vec<String>,
}

impl Reading<'_> {
    fn steps(&mut self, written: &[String]) -> Vec<Step> {
        written.iter().filter_map(|name| self.step(name)).collect()
    }

    fn step(&mut self, name: &str) -> Option<Step> {
        match name.strip_prefix(RESTART) {
            None => self.command(name),
            Some("") => {
                self.wrong.push("`restart:` names no container".into());
                None
            }
            Some(_) if !self.restarts => {
                self.wrong.push(format!("`{name}` takes the slot `engine`; bind it with --docker engine=...,control"));
                None
            }
            Some(container) => Some(Step::Restart(container.into())),
        }
    }

    fn command(&mut self, name: &str) -> Option<Step> {
        let Some(template) = self.offered.iter().find(|one| one.name == name) else {
            let known = self.offered.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(", ");
            self.wrong.push(format!("there is no template `{name}`; there are {known}"));
            return None;
        };
        if !template.granted {
            self.wrong.push(format!("template `{name}` is not granted; it takes `run`"));
        }
        let mut values = Vec::new();
        for (placeholder, required) in &template.placeholders {
            match self.arguments.get_key_value(placeholder.as_str()) {
                Some((name, value)) => {
                    self.used.insert(name);
                    values.push((placeholder.clone(), (*value).to_owned()));
                }
                None if *required => {
                    self.wrong.push(format!(
                        "template `{name}` needs a value for `{placeholder}`: add arguments={placeholder}=..."
                    ));
                }
                None => {}
            }
        }
        Some(Step::Command { template: name.into(), values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered() -> Vec<Offered> {
        let one = |name: &str, placeholders: &[(&str, bool)], observes| Offered {
            name: name.into(),
            placeholders: placeholders.iter().map(|(name, required)| ((*name).into(), *required)).collect(),
            granted: true,
            observes,
        };
        vec![
            one("build", &[("tag", true), ("jobs", false)], false),
            one("deploy", &[], false),
            one("rollback", &[], false),
            one("version", &[], true),
            Offered { granted: false, ..one("secret", &[], false) },
        ]
    }

    fn plan(
        steps: &[&str],
        rollback: &[&str],
        from: Option<&str>,
        version: Option<&str>,
        arguments: &[&str],
    ) -> Result<Plan, String> {
        let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (steps, rollback, arguments) = (texts(steps), texts(rollback), texts(arguments));
        let written =
            Written { steps: &steps, rollback: &rollback, rollback_from: from, version, arguments: &arguments };
        Plan::new(&written, &offered(), true)
    }

    #[test]
    fn steps_get_their_values_and_a_way_back_from_the_last_on() {
        let plan =
            plan(&["build", "deploy", "restart:web"], &["rollback"], None, Some("version"), &["tag=1.2=3"]).unwrap();
        let values = vec![("tag".to_owned(), "1.2=3".to_owned())];
        assert_eq!(plan.steps[0], Step::Command { template: "build".into(), values });
        assert_eq!(plan.steps[2], Step::Restart("web".into()));
        assert_eq!([0, 1, 2].map(|step| plan.undoes(step)), [false, false, true]);
    }

    #[test]
    fn a_way_back_begins_where_it_is_told() {
        let plan = |rollback: &[&str]| plan(&["build", "deploy"], rollback, Some("build"), None, &["tag=1"]);
        assert!(plan(&["rollback"]).unwrap().undoes(0));
        assert_eq!(plan(&[]).unwrap_err(), "rollback-from is given, and there is no rollback");
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let error = plan(
            &["build", "deplyo", "secret", "restart:"],
            &["rollback"],
            Some("nothing"),
            Some("deploy"),
            &["x", "a=1", "a=2"],
        )
        .unwrap_err();
        for said in [
            "`x` in arguments is not written NAME=VALUE",
            "`a` is given twice",
            "needs a value for `tag`: add arguments=tag=...",
            "there is no template `deplyo`; there are build, deploy, rollback, version, secret",
            "template `secret` is not granted",
            "`restart:` names no container",
            "template `deploy` is for the version and does not observe",
            "no template has the placeholder `a`",
            "rollback-from names `nothing`, which is no step",
        ] {
            assert!(error.contains(said), "{said}: {error}");
        }
        assert!(plan(&[], &[], None, None, &[]).unwrap_err().contains("there are no steps"));
    }

    #[test]
    fn a_restart_takes_its_slot() {
        let steps = ["restart:web".to_owned()];
        let written = Written { steps: &steps, rollback: &[], rollback_from: None, version: None, arguments: &[] };
        assert!(Plan::new(&written, &[], false).unwrap_err().contains("--docker engine=...,control"));
    }
}
