//! How an operator wrote what a run was granted, so that a refusal says what to write, and where: a flag of the command line,
//! or a key of a bundle. Pure.

use std::fmt;
use std::sync::Arc;

/// The way in which a run's grants were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Written {
    /// As flags.
    #[default]
    Flags,
    /// In a bundle, at the task of that name.
    Task(Arc<str>),
}

/// A slot, for messages. It shows as its name.
#[derive(Clone, Copy, Debug)]
pub struct SlotName<'a> {
    room: &'a str,
    name: &'a str,
    written: &'a Written,
}

impl Written {
    /// A slot of a room.
    pub fn slot<'a>(&'a self, room: &'a str, name: &'a str) -> SlotName<'a> {
        SlotName { room, name, written: self }
    }

    /// Where a budget is written: `--budget logs.files`, `tasks.clean.budget."logs.files"`.
    pub fn budget(&self, slot: &str, what: &str) -> String {
        match self {
            Self::Flags => format!("--budget {slot}.{what}"),
            Self::Task(task) => format!("tasks.{task}.budget.\"{slot}.{what}\""),
        }
    }

    /// What makes a budget larger.
    pub(super) fn raise(&self, slot: &str, what: &str, to: u64) -> String {
        let place = self.budget(slot, what);
        match self {
            Self::Flags => format!("raise it with {place}={to}"),
            Self::Task(_) => format!("raise {place} to {to}"),
        }
    }
}

#[cfg(test)]
impl<'a> SlotName<'a> {
    /// One that is bound by a flag.
    pub(crate) const fn flag(room: &'a str, name: &'a str) -> Self {
        Self { room, name, written: &Written::Flags }
    }
}

impl SlotName<'_> {
    /// Where its grant is written: `--files logs=...`, `tasks.clean.grants.logs`.
    pub fn place(self) -> String {
        let Self { room, name, written } = self;
        match written {
            Written::Flags => format!("--{room} {name}=..."),
            Written::Task(task) => format!("tasks.{task}.grants.{name}"),
        }
    }

    /// What binds it to `target`, with words of access and settings, each written `WORD` or `KEY=VALUE`:
    /// ``add --files logs=DIRECTORY,write``.
    pub fn bind(self, target: &str, what: &[&str]) -> String {
        let Self { room, name, written } = self;
        match written {
            Written::Flags => format!("add --{room} {name}={}{}", comma_out(target), appended(what)),
            Written::Task(task) => {
                let (words, mut settings) = told_apart(what);
                settings.insert(0, format!("{room} = {}", text(target)));
                if !words.is_empty() {
                    settings.push(format!("access = [{}]", quoted(&words)));
                }
                format!("add {name} = {{ {} }} to tasks.{task}.grants", settings.join(", "))
            }
        }
    }

    /// What binds it to one more target, where a slot may stand for several.
    pub fn bind_also(self, target: &str) -> String {
        let Self { room, name, written } = self;
        match written {
            Written::Flags => format!("add --{room} {name}={}", comma_out(target)),
            Written::Task(task) => format!("add {} to tasks.{task}.grants.{name}.{room}", text(target)),
        }
    }

    /// What adds words of access and settings, each written `WORD` or `KEY=VALUE`: ``add `,write,key=a:*` to --redis cache=...``,
    /// `add "write" to tasks.clean.grants.cache.access and key = "a:*" to tasks.clean.grants.cache`.
    pub fn with(self, what: &[&str]) -> String {
        let place = self.place();
        if *self.written == Written::Flags {
            return format!("add `{}` to {place}", appended(what));
        }
        let (words, settings) = told_apart(what);
        let mut parts = Vec::new();
        if !words.is_empty() {
            parts.push(format!("{} to {place}.access", quoted(&words)));
        }
        if !settings.is_empty() {
            parts.push(format!("{} to {place}", settings.join(", ")));
        }
        format!("add {}", parts.join(" and "))
    }

    /// What gives a setting another value: ``write `,memory=1GiB` in --docker engine=...``.
    pub fn set(self, key: &str, value: &str) -> String {
        let place = self.place();
        match self.written {
            Written::Flags => format!("write `,{key}={}` in {place}", comma_out(value)),
            Written::Task(_) => format!("write {key} = {} in {place}", text(value)),
        }
    }
}

impl fmt::Display for SlotName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// A flag's parts are told apart by commas.
fn comma_out(part: &str) -> String {
    part.replace(',', "%2C")
}

fn appended(parts: &[&str]) -> String {
    parts.iter().map(|part| format!(",{}", comma_out(part))).collect()
}

/// Words of access, and settings as TOML has them.
fn told_apart<'a>(what: &[&'a str]) -> (Vec<&'a str>, Vec<String>) {
    let words = what.iter().filter(|one| !one.contains('=')).copied().collect();
    let settings = what.iter().filter_map(|one| one.split_once('='));
    (words, settings.map(|(key, value)| format!("{key} = {}", text(value))).collect())
}

/// As TOML has it.
fn text(value: &str) -> String {
    toml::Value::from(value).to_string()
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| text(word)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(say: impl Fn(SlotName<'_>) -> String) -> [String; 2] {
        let task = Written::Task("clean".into());
        [say(Written::Flags.slot("files", "logs")), say(task.slot("files", "logs"))]
    }

    #[test]
    fn what_to_write_is_said_as_the_operator_writes() {
        for (said, flags, bundle) in [
            (
                both(|slot| format!("{slot}: {}", slot.place())),
                "logs: --files logs=...",
                "logs: tasks.clean.grants.logs",
            ),
            (
                both(|slot| slot.bind("DIRECTORY", &[])),
                "add --files logs=DIRECTORY",
                "add logs = { files = \"DIRECTORY\" } to tasks.clean.grants",
            ),
            (
                both(|slot| slot.bind("a,b", &["write", "delete"])),
                "add --files logs=a%2Cb,write,delete",
                "add logs = { files = \"a,b\", access = [\"write\", \"delete\"] } to tasks.clean.grants",
            ),
            (
                both(|slot| slot.bind("DIRECTORY", &["run", "templates=FILE"])),
                "add --files logs=DIRECTORY,run,templates=FILE",
                "add logs = { files = \"DIRECTORY\", templates = \"FILE\", access = [\"run\"] } to tasks.clean.grants",
            ),
            (
                both(|slot| slot.bind_also("h:1")),
                "add --files logs=h:1",
                "add \"h:1\" to tasks.clean.grants.logs.files",
            ),
            (
                both(|slot| slot.with(&["write"])),
                "add `,write` to --files logs=...",
                "add \"write\" to tasks.clean.grants.logs.access",
            ),
            (
                both(|slot| slot.with(&["write", "delete", "include=a,\"b\""])),
                "add `,write,delete,include=a%2C\"b\"` to --files logs=...",
                "add \"write\", \"delete\" to tasks.clean.grants.logs.access and include = 'a,\"b\"' to tasks.clean.grants.logs",
            ),
            (
                both(|slot| slot.with(&["include=a"])),
                "add `,include=a` to --files logs=...",
                "add include = \"a\" to tasks.clean.grants.logs",
            ),
            (
                both(|slot| slot.set("memory", "1GiB")),
                "write `,memory=1GiB` in --files logs=...",
                "write memory = \"1GiB\" in tasks.clean.grants.logs",
            ),
        ] {
            assert_eq!(said, [flags, bundle]);
        }
    }

    #[test]
    fn a_budget_is_raised_where_it_is_written() {
        assert_eq!(Written::Flags.raise("logs", "files", 3), "raise it with --budget logs.files=3");
        let task = Written::Task("clean".into());
        assert_eq!(task.raise("logs", "files", 3), "raise tasks.clean.budget.\"logs.files\" to 3");
    }
}
