//! `host test`: what is wrong with a file of cases is said at once and nothing of it runs; what a plugin does is held
//! against what is expected of it; and every world is thrown away.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on stops here")]

mod accepting;
mod mistakes;
mod verdicts;
mod worlds;

use std::path::PathBuf;

use taskhost_tests::{Host, Output, host, plugin};

/// A directory with a file of cases.
struct Cases {
    directory: tempfile::TempDir,
}

impl Cases {
    fn new(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("cases")).unwrap();
        let cases = Self { directory };
        cases.write(text);
        cases
    }

    fn write(&self, text: &str) {
        std::fs::write(self.path("cases/all.toml"), text).unwrap();
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.path("cases/all.toml")).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A run of them on a plugin, in their directory.
    fn on(&self, name: &str) -> Host {
        host().arg("test").arg(plugin(name)).arg("cases/all.toml").directory(self.directory.path())
    }
}

/// What is said, without what differs from run to run.
fn said(output: &Output) -> String {
    let mut said = format!("{}{}", output.stdout, output.stderr);
    for unit in [" ms\n", " s\n"] {
        said = said
            .split_inclusive(unit)
            .map(|part| match part.strip_suffix(unit) {
                Some(rest) => format!("{}N{unit}", rest.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.')),
                None => part.into(),
            })
            .collect();
    }
    said
}
