//! What an operator grants to a `files` slot: a directory, what may be done there, and to which names. Pure.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::capability::binding::OneOrMany;
use crate::gate::{Refusal, SlotName};
use crate::policy::glob::Globs;
use crate::policy::path::RelativePath;

/// The directory of a slot. The default allows nothing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Grant {
    target: PathBuf,
    access: Vec<Access>,
    /// Only what one of these matches, and what is below a directory that one matches; none means everything.
    include: GlobList,
    /// Not what one of these matches, nor what is below it.
    exclude: GlobList,
    /// Of new files, less the host's umask; what replaces a file has the mode of that.
    mode: FileMode,
}

/// Permission bits, written in octal digits: `0600`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct FileMode(u32);

impl Default for FileMode {
    fn default() -> Self {
        Self(0o666)
    }
}

impl TryFrom<String> for FileMode {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digits = (3..=4).contains(&text.len()) && text.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
        let bits =
            u32::from_str_radix(&text, 8).ok().filter(|bits| digits && bits & !0o666 == 0 && bits & 0o600 == 0o600);
        bits.map(Self).ok_or_else(|| {
            format!("`{text}` is no mode of a file that its owner reads and writes and nobody runs; write it as 0600 or 0640")
        })
    }
}

/// What may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Access {
    /// List, read, search.
    Read,
    /// Create, replace, append, rename, compress, archive.
    Write,
    /// Remove.
    Delete,
}

impl Access {
    fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Delete => "delete",
        }
    }
}

/// Whether an entry is in scope, going down from the root name by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Granted, and all below it that is not left out by itself.
    Granted,
    /// Not granted, though what is below it may be.
    Outside,
    /// Left out, with all below it.
    LeftOut,
}

/// Names of this form are the host's own, of files that are being written.
pub(super) const MARK: (&str, &str) = (".taskhost-", ".tmp");

/// Whether `name` is one of the host's own temporary files.
pub(super) fn is_marked(name: &[u8]) -> bool {
    name.starts_with(MARK.0.as_bytes()) && name.ends_with(MARK.1.as_bytes())
}

impl Grant {
    pub(super) fn access(&self) -> Vec<&'static str> {
        let granted = [Access::Read, Access::Write, Access::Delete].into_iter();
        granted.filter(|access| self.access.contains(access)).map(Access::word).collect()
    }

    pub(super) fn check(&self) -> Result<(), String> {
        if self.target.as_os_str().is_empty() {
            return Err("there is no directory; write one like /var/log/app".into());
        }
        Ok(())
    }

    /// The mode of new files, less the umask.
    pub(super) fn mode(&self) -> u32 {
        self.mode.0
    }

    pub(super) fn target(&self) -> &Path {
        &self.target
    }

    /// Whether all names in the directory are granted.
    pub(super) fn is_whole(&self) -> bool {
        self.include.0.is_empty() && self.exclude.0.is_empty()
    }

    /// Whether the slot may be used in this way at all.
    pub(super) fn allows(&self, slot: SlotName<'_>, access: Access) -> Result<(), Refusal> {
        if self.target.as_os_str().is_empty() {
            let bind = slot.bind("DIRECTORY", &[]);
            return Err(Refusal::NotGranted(format!("slot `{slot}` is bound to no directory; {bind}")));
        }
        if self.access.contains(&access) {
            return Ok(());
        }
        let word = access.word();
        Err(Refusal::NotGranted(format!("slot `{slot}` does not grant {word}; {}", slot.with(&[word]))))
    }

    /// How the entry stands whose path below the root is `path` and whose name is the last `name` bytes of that, in a
    /// directory that stands as `parent` does. The root itself stands as [`root`](Self::root) says.
    pub(super) fn standing(&self, parent: Standing, path: &[u8], name: usize) -> Standing {
        let (_, last) = path.split_at(path.len().saturating_sub(name));
        if parent == Standing::LeftOut || is_marked(last) || self.exclude.0.matches(path, name) {
            Standing::LeftOut
        } else if parent == Standing::Granted || self.include.0.matches(path, name) {
            Standing::Granted
        } else {
            Standing::Outside
        }
    }

    /// How the root stands.
    pub(super) fn root(&self) -> Standing {
        if self.include.0.is_empty() { Standing::Granted } else { Standing::Outside }
    }

    /// Whether `path` may be touched.
    pub(super) fn allows_path(&self, slot: SlotName<'_>, path: &RelativePath) -> Result<(), Refusal> {
        let mut standing = self.root();
        let mut whole = Vec::new();
        for name in path.names() {
            if !whole.is_empty() {
                whole.push(b'/');
            }
            whole.extend_from_slice(name);
            standing = self.standing(standing, &whole, name.len());
        }
        match standing {
            Standing::Granted => Ok(()),
            Standing::Outside if path.names().is_empty() => Ok(()),
            Standing::Outside => Err(Refusal::NotGranted(format!(
                "slot `{slot}` does not grant `{path}`: it includes {} only; {}",
                list(self.include.0.written()),
                slot.with(&[&format!("include={path}")])
            ))),
            Standing::LeftOut if path.names().iter().any(|name| is_marked(name)) => Err(Refusal::NotGranted(format!(
                "`{path}` is a file that a host is writing; it is gone when that ends"
            ))),
            Standing::LeftOut => Err(Refusal::NotGranted(format!(
                "slot `{slot}` does not grant `{path}`: it excludes {}; change that in {}",
                list(self.exclude.0.written()),
                slot.place()
            ))),
        }
    }
}

fn list(globs: &[String]) -> String {
    globs.iter().map(|glob| format!("`{glob}`")).collect::<Vec<_>>().join(", ")
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "OneOrMany")]
struct GlobList(Globs);

impl TryFrom<OneOrMany> for GlobList {
    type Error = String;

    fn try_from(texts: OneOrMany) -> Result<Self, String> {
        Globs::new(texts.0).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(text: &str) -> Grant {
        toml::from_str(&format!("target = \"/srv\"\n{text}")).unwrap()
    }

    #[test]
    fn a_mode_is_that_of_a_plain_file_that_its_owner_writes() {
        assert_eq!(grant("").mode(), 0o666);
        for (text, bits) in [("0600", 0o600), ("640", 0o640), ("0666", 0o666)] {
            assert_eq!(grant(&format!("mode = '{text}'")).mode(), bits);
        }
        for text in ["", "0700", "0400", "4600", "06000", "+600", "rw", "0x600", "0689"] {
            let error = toml::from_str::<Grant>(&format!("mode = '{text}'")).unwrap_err();
            assert!(error.message().contains("write it as 0600 or 0640"), "{text}: {error}");
        }
    }

    #[test]
    fn the_default_allows_nothing() {
        let grant = Grant::default();
        assert_eq!(grant.access(), Vec::<&str>::new());
        assert!(grant.check().is_err());
        for access in [Access::Read, Access::Write, Access::Delete] {
            let refusal = grant.allows(SlotName::flag("files", "logs"), access).unwrap_err().to_string();
            assert_eq!(refusal, "slot `logs` is bound to no directory; add --files logs=DIRECTORY");
        }
    }

    #[test]
    fn each_access_is_granted_by_its_word_alone() {
        for (words, granted) in [
            (&["read"][..], &[Access::Read][..]),
            (&["read", "write"], &[Access::Read, Access::Write]),
            (&["read", "delete"], &[Access::Read, Access::Delete]),
            (&[], &[]),
        ] {
            let grant = grant(&format!("access = {words:?}"));
            for access in [Access::Read, Access::Write, Access::Delete] {
                assert_eq!(
                    grant.allows(SlotName::flag("files", "logs"), access).is_ok(),
                    granted.contains(&access),
                    "{words:?} {access:?}"
                );
            }
            assert_eq!(grant.access(), words);
        }
        assert_eq!(
            grant("access = [\"read\"]")
                .allows(SlotName::flag("files", "logs"), Access::Delete)
                .unwrap_err()
                .to_string(),
            "slot `logs` does not grant delete; add `,delete` to --files logs=..."
        );
    }

    #[test]
    fn globs_scope_what_may_be_touched() {
        for (case, settings, path, allowed) in [
            ("everything", "", "a/b", true),
            ("included by name", "include = \"*.log\"", "a/b.log", true),
            ("not included", "include = \"*.log\"", "a/b.txt", false),
            ("in an included directory", "include = \"logs\"", "logs/a/b.txt", true),
            ("included by path", "include = \"logs/**\"", "logs/a", true),
            ("beside the included path", "include = \"logs/**\"", "log/a", false),
            ("the root, to list what is included", "include = \"*.log\"", ".", true),
            ("excluded by name", "exclude = \"*.key\"", "a/b.key", false),
            ("in an excluded directory", "exclude = \"secrets\"", "secrets/a/b", false),
            ("in an excluded directory, deeper", "exclude = \"secrets\"", "a/secrets/b", false),
            ("excluded wins", "include = \"*.log\"\nexclude = \"old\"", "old/b.log", false),
            ("one of several", "include = [\"*.log\", \"*.gz\"]", "b.gz", true),
            ("written otherwise", "exclude = \"secrets\"", "s\\x65crets/b", false),
            ("the host's own", "", "a/.taskhost-1.tmp", false),
        ] {
            let grant = grant(settings);
            let verdict = grant.allows_path(SlotName::flag("files", "logs"), &RelativePath::parse(path).unwrap());
            assert_eq!(verdict.is_ok(), allowed, "{case}: {verdict:?}");
        }
    }

    #[test]
    fn a_refusal_says_what_would_allow_it() {
        let path = RelativePath::parse("a.txt").unwrap();
        assert_eq!(
            grant("include = [\"*.log\", \"*.gz\"]")
                .allows_path(SlotName::flag("files", "logs"), &path)
                .unwrap_err()
                .to_string(),
            "slot `logs` does not grant `a.txt`: it includes `*.log`, `*.gz` only; add `,include=a.txt` to --files logs=..."
        );
        assert_eq!(
            grant("exclude = \"a.*\"").allows_path(SlotName::flag("files", "logs"), &path).unwrap_err().to_string(),
            "slot `logs` does not grant `a.txt`: it excludes `a.*`; change that in --files logs=..."
        );
    }

    #[test]
    fn a_grant_that_makes_no_sense_says_what_to_write() {
        for (text, message) in [
            ("include = \"a[\"", "`a[` is not a glob"),
            ("includes = \"a\"", "unknown field `includes`"),
            ("access = [\"remove\"]", "unknown variant `remove`"),
        ] {
            let error = toml::from_str::<Grant>(text).unwrap_err();
            assert!(error.message().contains(message), "{text}: {}", error.message());
        }
    }
}
