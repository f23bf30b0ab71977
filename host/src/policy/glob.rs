//! Globs over paths below a root, matched on the bytes that the names have on disk.

use globset::{Candidate, GlobBuilder, GlobSet, GlobSetBuilder};

/// Globs of which any one suffices. One with a `/` is matched against the path below the root, in which `*` does not
/// cross a `/` and `**` does; one without is matched against the name, at any depth.
#[derive(Clone, Debug)]
pub struct Globs {
    written: Vec<String>,
    names: GlobSet,
    paths: GlobSet,
}

impl Default for Globs {
    /// None: nothing matches.
    fn default() -> Self {
        Self { written: Vec::new(), names: GlobSet::empty(), paths: GlobSet::empty() }
    }
}

/// The longest glob, in bytes.
const LENGTH_LIMIT: usize = 1_024;
/// The most globs in one list.
const COUNT_LIMIT: usize = 256;

impl Globs {
    /// Reads globs: `*`, `?`, `[a-z]`, `{a,b}`, `**`, and a backslash before a character that is meant as it is. A `/` at
    /// the beginning is the root.
    ///
    /// # Errors
    /// A glob that is malformed, empty or too long, and a list that is too long.
    pub fn new(written: Vec<String>) -> Result<Self, String> {
        if written.len() > COUNT_LIMIT {
            return Err(format!("{} globs are more than {COUNT_LIMIT}", written.len()));
        }
        let (mut names, mut paths) = (GlobSetBuilder::new(), GlobSetBuilder::new());
        for text in &written {
            let shown = super::text::clean_line(text, 128);
            if text.len() > LENGTH_LIMIT {
                return Err(format!("the glob `{shown}` is longer than {LENGTH_LIMIT} bytes"));
            }
            let pattern = text.strip_prefix('/').unwrap_or(text);
            if pattern.is_empty() {
                return Err("a glob is empty; write one like `*.log` or `app/**`".into());
            }
            let glob = GlobBuilder::new(pattern)
                .literal_separator(true)
                .backslash_escape(true)
                .build()
                .map_err(|error| format!("`{shown}` is not a glob: {}", error.kind()))?;
            if text.contains('/') {
                paths.add(glob)
            } else {
                names.add(glob)
            };
        }
        let build =
            |builder: GlobSetBuilder| builder.build().map_err(|error| format!("the globs are too large: {error}"));
        Ok(Self { names: build(names)?, paths: build(paths)?, written })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.written.is_empty()
    }

    /// The globs as they were written.
    pub fn written(&self) -> &[String] {
        &self.written
    }

    /// Whether one matches. `path` is the whole path below the root, of which the last `name` bytes are the name.
    pub fn matches(&self, path: &[u8], name: usize) -> bool {
        let (_, last) = path.split_at(path.len().saturating_sub(name));
        (!self.names.is_empty() && self.names.is_match_candidate(&Candidate::from_bytes(last)))
            || (!self.paths.is_empty() && self.paths.is_match_candidate(&Candidate::from_bytes(path)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(glob: &str, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap().len();
        Globs::new(vec![glob.into()]).unwrap().matches(path.as_bytes(), name)
    }

    #[test]
    fn without_a_slash_it_is_the_name_and_with_one_the_path() {
        for (glob, path, expected) in [
            ("*.log", "app.log", true),
            ("*.log", "a/b/app.log", true),
            ("*.log", "app.log.gz", false),
            ("app/*.log", "app/x.log", true),
            ("app/*.log", "app/y/x.log", false),
            ("app/**", "app/y/x.log", true),
            ("app/**", "app", false),
            ("**/*.log", "x.log", true),
            ("/x.log", "x.log", true),
            ("/x.log", "a/x.log", false),
            ("{a,b}.txt", "c/b.txt", true),
            ("[!a]?", "zz", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            (".*", ".hidden", true),
            ("*", ".hidden", true),
        ] {
            assert_eq!(matches(glob, path), expected, "{glob} on {path}");
        }
    }

    #[test]
    fn names_that_are_not_text_match_as_well() {
        assert!(Globs::new(vec!["*.log".into()]).unwrap().matches(b"\xff\n.log", 6));
    }

    #[test]
    fn none_match_nothing() {
        assert!(!Globs::default().matches(b"a", 1));
    }

    #[test]
    fn a_bad_glob_is_named() {
        for (glob, message) in [
            ("a[", "`a[` is not a glob"),
            ("{a", "`{a` is not a glob"),
            ("", "a glob is empty"),
            ("/", "a glob is empty"),
            (&*"a".repeat(2_000), "is longer than 1024 bytes"),
        ] {
            let error = Globs::new(vec![glob.into()]).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
        assert!(Globs::new(vec!["a".into(); 257]).is_err());
    }
}
