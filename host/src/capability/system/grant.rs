//! What an operator binds to a `system` slot, and what that allows. Pure.
//!
//! ```toml
//! target = "local"                   # the machine that the host runs on
//! access = ["processes"]             # read always
//! mount = ["/", "/srv/**"]           # disks by where they are mounted; all when absent
//! interface = "eth*"                 # networks by name; all when absent
//! ```

use std::collections::BTreeSet;

use crate::capability::binding::OneOrMany;
use crate::gate::{Refusal, SlotName};
use crate::policy::glob::Globs;

/// What an operator bound to a slot. The default grants nothing.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Grant {
    target: Option<Target>,
    access: BTreeSet<Access>,
    mount: Option<Mounts>,
    interface: Option<Interfaces>,
}

/// The one machine there is.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[serde(try_from = "String")]
struct Target;

/// One word of access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Access {
    /// Figures of the machine.
    Read,
    /// What runs on it.
    Processes,
}

impl Access {
    /// Every word, the one that binding a slot grants first.
    pub(super) const WORDS: &'static [&'static str] = &["read", "processes"];

    fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Processes => "processes",
        }
    }
}

/// Mounts by where they are. `/` alone is the root, which is below no glob.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(try_from = "OneOrMany")]
struct Mounts {
    root: bool,
    globs: Globs,
}

/// Interfaces by their name.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(try_from = "OneOrMany")]
struct Interfaces(Globs);

impl Grant {
    /// The words of access that it holds.
    pub(super) fn words(&self) -> Vec<&'static str> {
        self.access.iter().map(|access| access.word()).collect()
    }

    /// What of it cannot be told from its form.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.target.is_none() {
            return Err("the target is `local`, the machine that the host runs on".into());
        }
        Ok(())
    }

    /// Whether that access is granted.
    pub(super) fn allows(&self, slot: SlotName<'_>, access: Access) -> Result<(), Refusal> {
        if self.target.is_none() {
            let bind = slot.bind("local", &[]);
            return Err(Refusal::NotGranted(format!("slot `{slot}` is bound to no machine; {bind}")));
        }
        if self.access.contains(&access) {
            return Ok(());
        }
        let word = access.word();
        Err(Refusal::NotGranted(format!("slot `{slot}` does not grant {word}; {}", slot.with(&[word]))))
    }

    /// Whether what is mounted at `point`, an absolute path in bytes, may be seen.
    pub(super) fn shows_mount(&self, point: &[u8]) -> bool {
        self.target.is_some() && self.mount.as_ref().is_none_or(|mounts| mounts.contain(point))
    }

    /// Whether the interface of that name may be seen.
    pub(super) fn shows_interface(&self, name: &str) -> bool {
        let matches = |interfaces: &Interfaces| interfaces.0.matches(name.as_bytes(), name.len());
        self.target.is_some() && self.interface.as_ref().is_none_or(matches)
    }
}

impl Mounts {
    fn contain(&self, point: &[u8]) -> bool {
        let path = point.strip_prefix(b"/").unwrap_or(point);
        if path.is_empty() {
            return self.root;
        }
        self.globs.matches(path, path.rsplit(|byte| *byte == b'/').next().map_or(0, <[u8]>::len))
    }
}

impl TryFrom<String> for Target {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text == "local" { Ok(Self) } else { Err("the target is `local`, the machine that the host runs on") }
    }
}

impl TryFrom<OneOrMany> for Mounts {
    type Error = String;

    fn try_from(written: OneOrMany) -> Result<Self, String> {
        let (roots, globs): (Vec<_>, Vec<_>) = written.0.into_iter().partition(|glob| glob == "/");
        if roots.is_empty() && globs.is_empty() {
            return Err("there is no mount in the list; leave it out for all".into());
        }
        // `**` is everything, and the root is part of that.
        let root = !roots.is_empty() || globs.iter().any(|glob| matches!(glob.as_str(), "*" | "**" | "/**"));
        Ok(Self { root, globs: Globs::new(globs)? })
    }
}

impl TryFrom<OneOrMany> for Interfaces {
    type Error = String;

    fn try_from(written: OneOrMany) -> Result<Self, String> {
        if written.0.is_empty() {
            return Err("there is no interface in the list; leave it out for all".into());
        }
        if let Some(path) = written.0.iter().find(|glob| glob.contains('/')) {
            return Err(format!("`{path}` is no name of an interface; write one like eth0 or `enp*`"));
        }
        Globs::new(written.0).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(text: &str) -> Grant {
        toml::from_str(&format!("target = 'local'\naccess = ['read']\n{text}")).unwrap()
    }

    #[test]
    fn the_default_allows_nothing() {
        let grant = Grant::default();
        assert_eq!(grant.words(), Vec::<&str>::new());
        assert!(grant.check().is_err());
        for access in [Access::Read, Access::Processes] {
            let refusal = grant.allows(SlotName::flag("system", "machine"), access).unwrap_err().to_string();
            assert_eq!(refusal, "slot `machine` is bound to no machine; add --system machine=local");
        }
        assert!(!grant.shows_mount(b"/") && !grant.shows_mount(b"/srv") && !grant.shows_interface("eth0"));
    }

    #[test]
    fn reading_does_not_grant_the_processes() {
        let read = grant("");
        assert!(read.allows(SlotName::flag("system", "machine"), Access::Read).is_ok());
        let refusal = read.allows(SlotName::flag("system", "machine"), Access::Processes).unwrap_err().to_string();
        assert_eq!(refusal, "slot `machine` does not grant processes; add `,processes` to --system machine=...");
        let both: Grant = toml::from_str("target = 'local'\naccess = ['processes', 'read']").unwrap();
        assert!(both.allows(SlotName::flag("system", "machine"), Access::Processes).is_ok());
        assert_eq!(both.words(), Access::WORDS);
    }

    #[test]
    fn mounts_and_interfaces_are_those_of_the_globs() {
        for (mount, point, shown) in [
            ("", "/", true),
            ("", "/srv/data", true),
            ("mount = '/'", "/", true),
            ("mount = '/'", "/srv", false),
            ("mount = '/srv'", "/srv", true),
            ("mount = '/srv'", "/", false),
            ("mount = '/srv'", "/srv/data", false),
            ("mount = '/srv'", "/mnt/srv", false),
            ("mount = 'srv'", "/mnt/srv", true),
            ("mount = '/srv/**'", "/srv/data/one", true),
            ("mount = ['/', '/srv/*']", "/srv/data", true),
            ("mount = ['/', '/srv/*']", "/", true),
            ("mount = ['/', '/srv/*']", "/srv/data/one", false),
            ("mount = '**'", "/", true),
            ("mount = '**'", "/a/b", true),
        ] {
            assert_eq!(grant(mount).shows_mount(point.as_bytes()), shown, "{mount} on {point}");
        }
        for (interface, name, shown) in [
            ("", "lo", true),
            ("interface = 'eth*'", "eth0", true),
            ("interface = 'eth*'", "lo", false),
            ("interface = ['lo', 'eth*']", "lo", true),
        ] {
            assert_eq!(grant(interface).shows_interface(name), shown, "{interface} on {name}");
        }
    }

    #[test]
    fn a_grant_that_makes_no_sense_says_what_to_write() {
        for (text, message) in [
            ("target = 'db.internal'", "the target is `local`"),
            ("target = 'local'\nmount = '['", "`[` is not a glob"),
            ("target = 'local'\nmount = ''", "a glob is empty"),
            ("target = 'local'\nmount = []", "there is no mount in the list"),
            ("target = 'local'\ninterface = []", "there is no interface in the list"),
            ("target = 'local'\ninterface = '/dev/eth0'", "is no name of an interface"),
            ("target = 'local'\naccess = ['write']", "unknown variant `write`"),
            ("target = 'local'\ndisk = '/'", "unknown field `disk`"),
        ] {
            let error = toml::from_str::<Grant>(text).unwrap_err();
            assert!(error.message().contains(message), "{text}: {}", error.message());
        }
    }
}
