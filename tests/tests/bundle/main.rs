//! Bundles: what is wrong with one is said at once and nothing of it runs, and one without mistakes does what it says.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

mod mistakes;
mod refusals;
mod roles;
mod running;

use std::path::PathBuf;

use taskhost_tests::{Host, host};

/// A directory with a bundle file, a database with dead space and a directory of logs.
struct World {
    directory: tempfile::TempDir,
}

impl World {
    fn new(bundle: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("bundle.toml"), bundle).unwrap();
        let logs = directory.path().join("logs");
        std::fs::create_dir(&logs).unwrap();
        for (name, days) in [("new.log", 0), ("old.log", 60), ("older.log", 90)] {
            std::fs::write(logs.join(name), "a line\n").unwrap();
            let time = std::time::SystemTime::now() - std::time::Duration::from_hours(24 * days);
            std::fs::File::options().write(true).open(logs.join(name)).unwrap().set_modified(time).unwrap();
        }
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A `host` in another directory than the bundle's, whose paths are its own.
    fn host(&self, command: &str) -> Host {
        host().arg(command).arg(self.path("bundle.toml"))
    }

    /// What is said, without what differs between machines.
    fn plain(&self, text: &str) -> String {
        let text = text.replace(&self.directory.path().display().to_string(), "DIRECTORY");
        let plugins = taskhost_tests::plugin("vacuum").parent().unwrap().display().to_string();
        text.replace(&plugins, "PLUGINS")
    }

    fn logs(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.path("logs"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}
