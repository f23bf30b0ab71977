//! A directory for backups, one to be backed up, and programs that write dumps; and runs of the plugin on them.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use taskhost_tests::{Host, Output, host};

pub(crate) struct World(tempfile::TempDir);

impl World {
    pub(crate) fn new() -> Self {
        let world = Self(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap());
        for directory in ["backups", "source"] {
            std::fs::create_dir(world.path(directory)).unwrap();
        }
        world
    }

    /// With a program that does that.
    pub(crate) fn dumping(script: &str) -> Self {
        let world = Self::new();
        world.script(script);
        world.templates("[template.dump]\nargv = [\"./dump.sh\"]\nimpact = \"observe\"\n");
        world
    }

    pub(crate) fn script(&self, script: &str) {
        std::fs::write(self.path("dump.sh"), format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(self.path("dump.sh"), std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub(crate) fn templates(&self, text: &str) {
        std::fs::write(self.path("templates.toml"), text).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A file to be backed up.
    pub(crate) fn source(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path("source").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub(crate) fn slot(&self, slot: &str, directory: &str, access: &str) -> String {
        format!("{slot}={}{access}", self.path(directory).display())
    }

    /// `host run` or `host plan`, the series being called `app`.
    pub(crate) fn host(&self, mode: &str) -> Host {
        host()
            .args([mode, "backup-create", "name=app", "--format=json"])
            .args(["--files", &self.slot("backups", "backups", ",write")])
    }

    pub(crate) fn with_dump(&self, host: Host) -> Host {
        host.args([
            "--command",
            &self.slot("dump", "", &format!(",templates={}", self.path("templates.toml").display())),
        ])
    }

    pub(crate) fn with_source(&self, host: Host) -> Host {
        host.args(["--files", &self.slot("source", "source", "")])
    }

    /// Runs the program, and stores what it writes.
    pub(crate) fn dump(&self, arguments: &[&str]) -> Output {
        self.with_dump(self.host("run")).args(arguments.iter().copied()).run()
    }

    pub(crate) fn archive(&self, arguments: &[&str]) -> Output {
        self.with_source(self.host("run")).args(arguments.iter().copied()).run()
    }

    /// Everything in the directory of backups, the host's own files too.
    pub(crate) fn everything(&self) -> Vec<String> {
        let entries = self.path("backups").read_dir().unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// The only backup of that kind, and its manifest.
    pub(crate) fn backup(&self, ending: &str) -> (PathBuf, Value) {
        let names = self.everything();
        let backups: Vec<_> = names.iter().filter(|name| name.ends_with(ending)).collect();
        let [name] = backups.as_slice() else { panic!("{ending}: {names:?}") };
        let manifest = std::fs::read(self.path("backups").join(format!("{name}.manifest.json"))).unwrap();
        (self.path("backups").join(name), serde_json::from_slice(&manifest).unwrap())
    }
}

/// What is compressed in a file.
pub(crate) fn content(path: &Path) -> Vec<u8> {
    let stored = std::fs::read(path).unwrap();
    let mut content = Vec::new();
    match path.extension().unwrap().to_str().unwrap() {
        "zst" => content = zstd::decode_all(stored.as_slice()).unwrap(),
        "gz" => drop(flate2::read::GzDecoder::new(stored.as_slice()).read_to_end(&mut content).unwrap()),
        _ => content = stored,
    }
    content
}

/// `severity subject: title` of each finding.
pub(crate) fn findings(report: &Value) -> Vec<String> {
    let text = |it: &Value, key: &str| it[key].as_str().unwrap().to_owned();
    let line = |it| format!("{} {}: {}", text(it, "severity"), text(it, "subject"), text(it, "title"));
    report["findings"].as_array().unwrap().iter().map(line).collect()
}

pub(crate) fn detail<'a>(report: &'a Value, title: &str) -> &'a str {
    let found = report["findings"].as_array().unwrap().iter().find(|it| it["title"] == title);
    found.unwrap_or_else(|| panic!("no `{title}`: {report:#}"))["detail"].as_str().unwrap()
}

/// Text that a shell script writes as it is.
pub(crate) fn says(text: &str) -> String {
    format!("cat <<'END_OF_DUMP'\n{text}\nEND_OF_DUMP")
}

/// As `pg_dump` writes one.
pub(crate) const WHOLE: &str =
    "--\n-- PostgreSQL database dump\n--\n\nCREATE TABLE t (id int);\n\n--\n-- PostgreSQL database dump complete\n--\n";
