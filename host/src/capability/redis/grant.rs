//! What an operator binds to a `redis` slot, and what that allows. Pure: nothing here opens a connection, and no message
//! here shows the target's password.
//!
//! ```toml
//! target = "rediss://task:PASSWORD@cache.internal/0"  # or redis://, or unix:/run/redis.sock?db=0
//! access = ["write"]                  # read always; write on the keys below; admin for the commands below
//! key = ["session:*", "lock:*"]       # globs as KEYS has them; none means every key, which write does not take
//! database = ["1"]                    # beside the URL's
//! command = ["CONFIG SET"]            # administrative commands, each by its whole name
//! script = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db"  # the SHA-1 of a loaded script that EVALSHA may run
//! timeout = "5s"                      # of each command; 10 seconds when absent
//! ca = "/etc/ssl/cache-ca.pem"        # a root to trust beside the system's
//! ```

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use super::command::{self, Name};
use super::pattern::Pattern;
use super::target::Target;
use crate::capability::Secret;
use crate::capability::binding::OneOrMany;
use crate::gate::{Refusal, SlotName};
use crate::policy::units::Seconds;

/// What an operator bound to a slot. The default grants nothing.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Grant {
    target: Secret,
    access: BTreeSet<Access>,
    key: Patterns,
    database: Databases,
    command: Commands,
    script: Scripts,
    timeout: Option<Seconds>,
    ca: Option<PathBuf>,
}

/// One word of access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Access {
    /// Everything that only looks.
    Read,
    /// Changes to the granted keys.
    Write,
    /// Saving in the background, the slow log's arguments, and the commands that the grant names.
    Admin,
}

impl Access {
    /// Every word, the one that binding a slot grants first.
    pub(super) const WORDS: &'static [&'static str] = &["read", "write", "admin"];

    fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

/// How long a command may take unless the grant says otherwise.
const TIMEOUT: Seconds = Seconds(10);

impl Grant {
    pub(super) fn words(&self) -> Vec<&'static str> {
        self.access.iter().map(|access| access.word()).collect()
    }

    pub(super) fn has(&self, access: Access) -> bool {
        self.access.contains(&access)
    }

    /// What of the grant cannot be told from its form.
    pub(super) fn check(&self) -> Result<(), String> {
        self.target()?;
        if self.timeout == Some(Seconds(0)) {
            return Err("timeout=0 would end every command at once; write a time like 5s".into());
        }
        if self.has(Access::Write) && self.key.0.is_empty() {
            return Err(
                "write needs the keys that may be changed; add `,key=PATTERN`, or `,key=*` for every key".into()
            );
        }
        if !self.command.0.is_empty() && !self.has(Access::Admin) {
            return Err("command= names administrative commands, and admin is not granted; add `,admin`".into());
        }
        self.command.0.iter().try_for_each(command::may_be_granted)
    }

    /// Where the server is.
    pub(super) fn target(&self) -> Result<Target, String> {
        Target::parse(&self.target, self.ca.clone())
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(TIMEOUT).into()
    }

    /// Whether every key may be seen.
    pub(super) fn grants_every_key(&self) -> bool {
        self.key.0.is_empty() || self.key.0.iter().any(Pattern::is_all)
    }

    /// The glob of the keys that may be seen, where it is a single one.
    pub(super) fn single_pattern(&self) -> Option<&str> {
        match self.key.0.as_slice() {
            [pattern] if !pattern.is_all() => Some(pattern.written()),
            _ => None,
        }
    }

    /// Whether `key` may be seen, and with `write` changed.
    pub(super) fn grants_key(&self, key: &[u8]) -> bool {
        self.key.0.is_empty() || self.key.0.iter().any(|pattern| pattern.matches(key))
    }

    pub(super) fn grants_command(&self, name: &Name) -> bool {
        self.has(Access::Admin) && self.command.0.contains(name)
    }

    pub(super) fn grants_script(&self, digest: &[u8]) -> bool {
        self.script.0.iter().any(|script| script.as_bytes().eq_ignore_ascii_case(digest))
    }

    /// Whether the slot may be used in this way at all.
    pub(super) fn allows(&self, slot: SlotName<'_>, access: Access) -> Result<(), Refusal> {
        let refused = |reason| Err(Refusal::NotGranted(reason));
        if self.target.expose().is_empty() {
            return refused(format!("slot `{slot}` is bound to nothing; {}", slot.bind("redis://HOST", &[])));
        }
        if self.has(access) {
            return Ok(());
        }
        let word = access.word();
        let no_keys = access == Access::Write && self.key.0.is_empty();
        let add = if no_keys { slot.with(&[word, "key=PATTERN"]) } else { slot.with(&[word]) };
        refused(format!("slot `{slot}` does not grant {word}; {add}"))
    }

    /// Whether all of `keys` may be touched in this way.
    pub(super) fn allows_keys(&self, slot: SlotName<'_>, access: Access, keys: &[Vec<u8>]) -> Result<(), Refusal> {
        self.allows(slot, access)?;
        let Some(key) = keys.iter().find(|key| !self.grants_key(key)) else { return Ok(()) };
        let granted = self.key.0.iter().map(|pattern| format!("`{}`", pattern.written())).collect::<Vec<_>>();
        Err(Refusal::NotGranted(format!(
            "slot `{slot}` does not grant the key `{}`: it grants {} only; {}",
            super::shown::key(key),
            granted.join(", "),
            slot.with(&["key=PATTERN"])
        )))
    }

    /// The database that a guest asks for, or the URL's.
    pub(super) fn allows_database(&self, slot: SlotName<'_>, asked: u32, own: u32) -> Result<(), Refusal> {
        if asked == own || self.database.0.contains(&asked) {
            return Ok(());
        }
        Err(Refusal::NotGranted(format!(
            "slot `{slot}` does not grant database {asked}; {}",
            slot.with(&[&format!("database={asked}")])
        )))
    }
}

/// A list that is read from one text or several.
macro_rules! list {
    ($name:ident, $item:ty, $read:expr) => {
        #[derive(Clone, Debug, Default, serde::Deserialize)]
        #[serde(try_from = "OneOrMany")]
        struct $name(Vec<$item>);

        impl TryFrom<OneOrMany> for $name {
            type Error = String;

            fn try_from(texts: OneOrMany) -> Result<Self, String> {
                texts.0.into_iter().map($read).collect::<Result<_, _>>().map(Self)
            }
        }
    };
}

list!(Patterns, Pattern, Pattern::new);
list!(Databases, u32, |text: String| text.parse().map_err(|_| format!("database={text}: write a number like 1")));
list!(Commands, Name, |text: String| Name::granted(&text));
list!(Scripts, String, script);

fn script(text: String) -> Result<String, String> {
    if text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(text);
    }
    Err(format!("script={text}: write the SHA-1 that SCRIPT LOAD gives, 40 hexadecimal digits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(settings: &str) -> Grant {
        toml::from_str(&format!("target = \"redis://u:hunter2@cache/2\"\n{settings}")).unwrap()
    }

    fn keys(keys: &[&str]) -> Vec<Vec<u8>> {
        keys.iter().map(|key| key.as_bytes().to_vec()).collect()
    }

    #[test]
    fn the_default_allows_nothing() {
        let grant = Grant::default();
        assert!(grant.words().is_empty());
        assert!(grant.check().is_err());
        for access in [Access::Read, Access::Write, Access::Admin] {
            let refusal = grant.allows(SlotName::flag("redis", "cache"), access).unwrap_err().to_string();
            assert_eq!(refusal, "slot `cache` is bound to nothing; add --redis cache=redis://HOST");
        }
        assert!(!grant.grants_script(b"e0e1f9fabfc9d4800c877a703b823ac0578ff8db"));
        assert!(!grant.grants_command(&Name::granted("CONFIG SET").unwrap()));
    }

    #[test]
    fn access_and_keys_scope_what_may_be_touched() {
        use Access::{Admin, Read, Write};
        for (case, settings, access, key, allowed) in [
            ("read sees every key", "access = [\"read\"]", Read, "a", true),
            ("read within patterns", "access = [\"read\"]\nkey = \"a:*\"", Read, "a:1", true),
            ("read outside of them", "access = [\"read\"]\nkey = \"a:*\"", Read, "b:1", false),
            ("read is not write", "access = [\"read\"]\nkey = \"a:*\"", Write, "a:1", false),
            ("write within patterns", "access = [\"read\", \"write\"]\nkey = [\"a:*\", \"b\"]", Write, "b", true),
            ("write outside of them", "access = [\"read\", \"write\"]\nkey = [\"a:*\", \"b\"]", Write, "bb", false),
            ("write on every key", "access = [\"read\", \"write\"]\nkey = \"*\"", Write, "z", true),
            ("admin is not write", "access = [\"read\", \"admin\"]", Write, "a", false),
            ("write is not admin", "access = [\"read\", \"write\"]\nkey = \"*\"", Admin, "a", false),
            ("no access at all", "access = []", Read, "a", false),
        ] {
            let verdict = grant(settings).allows_keys(SlotName::flag("redis", "cache"), access, &keys(&[key]));
            assert_eq!(verdict.is_ok(), allowed, "{case}: {verdict:?}");
        }
    }

    #[test]
    fn a_refusal_says_what_would_allow_it() {
        for (settings, access, key, message) in [
            (
                "access = [\"read\"]",
                Access::Write,
                "a",
                "slot `cache` does not grant write; add `,write,key=PATTERN` to --redis cache=...",
            ),
            (
                "access = [\"read\"]\nkey = \"a:*\"",
                Access::Write,
                "a",
                "slot `cache` does not grant write; add `,write` to --redis cache=...",
            ),
            (
                "access = [\"read\"]",
                Access::Admin,
                "a",
                "slot `cache` does not grant admin; add `,admin` to --redis cache=...",
            ),
            (
                "access = [\"read\"]\nkey = [\"a:*\", \"b\"]",
                Access::Read,
                "c\n",
                "slot `cache` does not grant the key `c\\n`: it grants `a:*`, `b` only; add `,key=PATTERN` to --redis cache=...",
            ),
        ] {
            let refusal =
                grant(settings).allows_keys(SlotName::flag("redis", "cache"), access, &keys(&[key])).unwrap_err();
            assert_eq!(refusal.to_string(), message);
        }
    }

    #[test]
    fn the_urls_database_and_the_listed_ones_are_granted() {
        let grant = grant("access = [\"read\"]\ndatabase = [\"5\"]");
        let own = grant.target().unwrap().database;
        for (asked, allowed) in [(2, true), (5, true), (0, false)] {
            assert_eq!(grant.allows_database(SlotName::flag("redis", "cache"), asked, own).is_ok(), allowed, "{asked}");
        }
        assert_eq!(
            grant.allows_database(SlotName::flag("redis", "cache"), 0, own).unwrap_err().to_string(),
            "slot `cache` does not grant database 0; add `,database=0` to --redis cache=..."
        );
    }

    #[test]
    fn commands_and_scripts_are_granted_by_their_whole_names() {
        let grant = grant(
            "access = [\"read\", \"admin\"]\ncommand = [\"config set\", \"FLUSHDB\"]\n\
             script = \"E0E1F9FABFC9D4800C877A703B823AC0578FF8DB\"",
        );
        assert!(grant.check().is_ok());
        for (name, granted) in [("CONFIG SET", true), ("CONFIG GET", false), ("config|set", true), ("flushdb", true)] {
            assert_eq!(grant.grants_command(&Name::granted(name).unwrap()), granted, "{name}");
        }
        assert!(grant.grants_script(b"e0e1f9fabfc9d4800c877a703b823ac0578ff8db"));
        assert!(!grant.grants_script(b"e0e1f9fabfc9d4800c877a703b823ac0578ff8dc"));
    }

    #[test]
    fn a_grant_that_makes_no_sense_says_what_to_write() {
        for (settings, message) in [
            ("access = [\"read\", \"write\"]", "add `,key=PATTERN`, or `,key=*` for every key"),
            ("command = \"CONFIG SET\"", "add `,admin`"),
            ("access = [\"admin\"]\ncommand = \"EVAL\"", "script=SHA1"),
            ("access = [\"admin\"]\ncommand = \"SELECT\"", "never granted"),
            ("access = [\"admin\"]\ncommand = \"CONFIG\"", "write it with its subcommand"),
            ("access = [\"admin\"]\ncommand = \"a b c\"", "write it as"),
            ("script = \"abc\"", "40 hexadecimal digits"),
            ("database = \"first\"", "write a number"),
            ("key = \"\"", "key= is empty"),
            ("timeout = \"0s\"", "timeout=0"),
            ("ca = \"/ca.pem\"", "rediss://"),
            ("keys = \"a\"", "unknown field `keys`"),
        ] {
            let error = match toml::from_str::<Grant>(&format!("target = \"redis://u:hunter2@cache\"\n{settings}")) {
                Ok(grant) => grant.check().unwrap_err(),
                Err(error) => error.message().to_owned(),
            };
            assert!(error.contains(message) && !error.contains("hunter2"), "{settings}: {error}");
        }
    }
}
