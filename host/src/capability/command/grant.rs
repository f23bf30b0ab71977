//! What an operator binds to a `command` slot, and what that allows. Pure but for [`Grant::doubts`], which looks at this
//! machine.
//!
//! ```toml
//! target = "/srv/app"                   # the working directory of every template
//! access = ["run"]                      # observe always
//! templates = "deploy.toml"             # or here:
//! [template.build]
//! argv = ["./scripts/build.sh", "--lint", "{version}"]
//! placeholder.version = { type = "version" }
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::arguments::check_name;
use super::environment::program_here;
use super::template::Template;
use crate::capability::Doubt;
use crate::gate::{Impact, Refusal, SlotName};

/// What an operator bound to a slot. The default grants nothing.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Grant {
    target: PathBuf,
    access: BTreeSet<Access>,
    template: BTreeMap<String, Template>,
}

/// One word of access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Access {
    /// The templates that observe.
    Observe,
    /// All of them.
    Run,
}

impl Access {
    /// Every word, the one that binding a slot grants first.
    pub(super) const WORDS: &'static [&'static str] = &["observe", "run"];

    fn word(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Run => "run",
        }
    }

    /// What a template of that impact takes.
    pub(super) fn needed(impact: Impact) -> Self {
        if impact == Impact::Observe { Self::Observe } else { Self::Run }
    }
}

impl Grant {
    /// The words of access that it holds.
    pub(super) fn words(&self) -> Vec<&'static str> {
        self.access.iter().map(|access| access.word()).collect()
    }

    /// What of it cannot be told from its form.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.target.as_os_str().is_empty() {
            return Err("the target is the directory that programs run in; write it as /srv/app".into());
        }
        if self.template.is_empty() {
            return Err(
                "there is no template; name a file of them with `templates`, such as templates=deploy.toml, or \
                        write [...template.NAME] with argv = [\"PROGRAM\", \"ARGUMENT\"]"
                    .into(),
            );
        }
        self.template.keys().try_for_each(|name| check_name(name))
    }

    /// Whether that access is granted.
    pub(super) fn allows(&self, slot: SlotName<'_>, access: Access) -> Result<(), Refusal> {
        if self.access.contains(&access) {
            return Ok(());
        }
        Err(Refusal::NotGranted(if self.access.is_empty() {
            format!("slot `{slot}` is not bound; {}", slot.bind("DIRECTORY", &["templates=FILE.toml"]))
        } else {
            format!("slot `{slot}` does not grant {}; {}", access.word(), slot.with(&[access.word()]))
        }))
    }

    /// The working directory.
    pub(super) fn directory(&self) -> &Path {
        &self.target
    }

    /// All templates, by name.
    pub(super) fn templates(&self) -> &BTreeMap<String, Template> {
        &self.template
    }

    /// What it needs and is not here: the program of a template, a variable, a file; and what stands in it that should
    /// not.
    pub(super) fn doubts(&self) -> Vec<Doubt> {
        let mut doubts = Vec::new();
        for (name, template) in &self.template {
            if let Err(error) = program_here(&template.program(), &self.target, &template.environment) {
                doubts.push(Doubt { lacking: false, message: format!("template `{name}`: {error} here") });
            }
            for (variable, source) in &template.environment {
                if let Some(error) = source.lacking() {
                    doubts.push(Doubt { lacking: true, message: format!("template `{name}`: {variable}: {error}") });
                }
                if source.is_written_secret(variable) {
                    let message = format!(
                        "template `{name}`: a secret stands in the file for {variable}; write env:NAME or file:/PATH"
                    );
                    doubts.push(Doubt { lacking: false, message });
                }
            }
        }
        doubts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::Written;

    fn grant(text: &str) -> Grant {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn the_default_allows_nothing() {
        for access in [Access::Observe, Access::Run] {
            let refusal = Grant::default().allows(SlotName::flag("command", "deploy"), access).unwrap_err().to_string();
            assert_eq!(refusal, "slot `deploy` is not bound; add --command deploy=DIRECTORY,templates=FILE.toml");
        }
        assert!(Grant::default().templates().is_empty());
        assert!(Grant::default().check().is_err());
    }

    #[test]
    fn what_observes_comes_with_binding_and_the_rest_is_spelled() {
        let observes = grant("target = '/'\naccess = ['observe']\ntemplate.a.argv = ['true']");
        let runs = grant("target = '/'\naccess = ['observe', 'run']\ntemplate.a.argv = ['true']");
        let slot = SlotName::flag("command", "s");
        for (impact, allowed) in [(Impact::Observe, true), (Impact::Change, false), (Impact::Destroy, false)] {
            assert_eq!(observes.allows(slot, Access::needed(impact)).is_ok(), allowed, "{impact:?}");
            assert!(runs.allows(slot, Access::needed(impact)).is_ok(), "{impact:?}");
        }
        let refusal = observes.allows(slot, Access::Run).unwrap_err().to_string();
        assert_eq!(refusal, "slot `s` does not grant run; add `,run` to --command s=...");
        let task = Written::Task("deploy-app".into());
        let refusal = observes.allows(task.slot("command", "s"), Access::Run).unwrap_err().to_string();
        assert_eq!(refusal, "slot `s` does not grant run; add \"run\" to tasks.deploy-app.grants.s.access");
    }

    #[test]
    fn a_grant_that_makes_no_sense_says_what_to_write() {
        for (text, message) in [
            ("target = '/'", "there is no template"),
            ("template.a.argv = ['true']", "the target is the directory"),
            ("target = '/'\ntemplate.A.argv = ['true']", "`A` is no name"),
        ] {
            let error = grant(text).check().unwrap_err();
            assert!(error.contains(message), "{text}: {error}");
        }
        for (text, message) in [
            ("template.a.argv = []", "argv is empty"),
            ("template.a.args = ['true']", "unknown field `args`"),
            ("template.a.summary = 'x'", "missing field `argv`"),
            ("template = 'a'", "invalid type"),
            ("access = ['write']", "unknown variant `write`"),
            ("shell = true", "unknown field `shell`"),
        ] {
            let error = toml::from_str::<Grant>(text).unwrap_err();
            assert!(error.message().contains(message), "{text}: {}", error.message());
        }
    }

    #[test]
    fn what_is_not_here_is_doubted_and_no_value_is_shown() {
        let doubts = grant(
            "target = '/'\n[template.a]\nargv = ['no-such-program']\n\
             environment = { A = 'env:TASKHOST_NO_SUCH_VARIABLE', PGPASSWORD = 'hunter2', MODE = 'x' }",
        )
        .doubts();
        let said: Vec<_> = doubts.iter().map(|doubt| (doubt.lacking, doubt.message.as_str())).collect();
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(said[0].1.contains("there is no program `no-such-program`") && !said[0].0, "{said:?}");
        assert!(said[1].1.contains("TASKHOST_NO_SUCH_VARIABLE is not set") && said[1].0, "{said:?}");
        assert!(said[2].1.contains("PGPASSWORD") && !said[2].1.contains("hunter2"), "{said:?}");
    }
}
