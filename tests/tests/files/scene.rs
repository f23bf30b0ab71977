//! A directory for the slot, something beside it that nobody may touch, and runs of the guest.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use taskhost_tests::{Host, Output, Process, fixture, host};

/// What lies beside the slot's directory, and must show up nowhere.
pub(crate) const SECRET: &str = "swordfish-8271";

/// A directory for the slot, and one beside it.
pub(crate) struct Scene {
    directory: tempfile::TempDir,
}

/// What there is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Thing {
    kind: &'static str,
    mode: u32,
    modified: (i64, i64),
    content: String,
}

/// A run that ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) output: Output,
    pub(crate) report: Value,
    /// What came of each line: `done` or the kind of error, and the result or the message.
    pub(crate) lines: Vec<(String, String)>,
}

impl Scene {
    /// The slot's directory is empty; beside it is a file with the secret.
    pub(crate) fn new() -> Self {
        Self::within(&std::env::temp_dir())
    }

    /// As [`new`](Self::new), in a directory of the caller's choice.
    pub(crate) fn within(parent: &Path) -> Self {
        let directory = tempfile::tempdir_in(parent).unwrap();
        std::fs::create_dir(directory.path().join("root")).unwrap();
        std::fs::create_dir(directory.path().join("outside")).unwrap();
        std::fs::write(directory.path().join("outside/secret"), SECRET).unwrap();
        Self { directory }
    }

    /// A path below the slot's directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("root").join(name)
    }

    /// A path below the directory beside it.
    pub(crate) fn outside(&self, name: &str) -> PathBuf {
        self.directory.path().join("outside").join(name)
    }

    /// Puts a file there.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        std::fs::write(self.path(name), content).unwrap();
        self
    }

    /// What a file there holds.
    pub(crate) fn content(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// The names in the slot's directory, sorted, with those of files that are being written.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path("")).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Everything in both directories: names, kinds, modes, times of change to the nanosecond, hashes.
    pub(crate) fn everything(&self) -> BTreeMap<PathBuf, Thing> {
        let mut all = BTreeMap::new();
        gather(self.directory.path(), &mut all);
        all
    }

    /// The same without the slot's directory itself, whose time changes with a file that came and went.
    pub(crate) fn everything_in_it(&self) -> BTreeMap<PathBuf, Thing> {
        let mut all = self.everything();
        all.remove(&self.directory.path().join("root"));
        all
    }

    /// A host that is to carry out `script`; `grant` is what follows the directory, as in `,write`.
    pub(crate) fn host(&self, subcommand: &str, grant: &str, script: &[&str]) -> Host {
        let slot = format!("directory={}{grant}", self.path("").display());
        let script = format!("script={}", script.join("\n"));
        host().arg(subcommand).arg(fixture("files")).args(["--format=json", "--files", &slot, &script])
    }

    /// Starts it.
    pub(crate) fn start(&self, grant: &str, script: &[&str]) -> Process {
        self.host("run", grant, script).spawn()
    }

    /// Runs it to its end, which is a good one.
    pub(crate) fn run(&self, grant: &str, script: &[&str]) -> Ran {
        Ran::of(self.host("run", grant, script)).expect_code(0)
    }

    /// Rehearses it.
    pub(crate) fn plan(&self, grant: &str, script: &[&str]) -> Ran {
        Ran::of(self.host("plan", grant, script)).expect_code(0)
    }
}

impl Ran {
    pub(crate) fn of(host: Host) -> Self {
        let output = host.run();
        let report = output.report();
        let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
        let findings = report["findings"].as_array().unwrap().iter();
        let lines = findings.map(|finding| (text(finding, "title"), text(finding, "detail"))).collect();
        Self { output, report, lines }
    }

    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.output.code, Some(code), "{}", self.output);
        self
    }

    /// What came of the line with that index.
    pub(crate) fn line(&self, index: usize) -> (&str, &str) {
        let (kind, detail) = self.lines.get(index).unwrap_or_else(|| panic!("no line {index}: {}", self.output));
        (kind, detail)
    }

    /// What the line with that index gave, which must have gone well.
    pub(crate) fn done(&self, index: usize) -> &str {
        let (kind, detail) = self.line(index);
        assert_eq!(kind, "done", "line {index}: {detail}");
        detail
    }

    /// The effects but `open`, each as `OPERATION TARGET OUTCOME`.
    pub(crate) fn effects(&self) -> Vec<String> {
        let effects = self.report["effects"].as_array().unwrap().iter();
        let effects = effects.filter(|effect| effect["operation"] != "open");
        let text = |effect: &Value, key: &str| effect[key].as_str().unwrap_or_default().to_owned();
        let shown = |effect| ["operation", "target", "outcome"].map(|key| text(effect, key)).join(" ");
        effects.map(shown).collect()
    }

    pub(crate) fn outcome(&self) -> &str {
        self.report["run"]["outcome"].as_str().unwrap()
    }
}

/// SHA-256 in hexadecimal, by another way than the host's.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How the guest shows a content: size, FNV-1a of 64 bits, and its first hundred bytes, which `start` are.
pub(crate) fn shown(content: &[u8], start: &str) -> String {
    let sum = content
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{} {sum:016x} {start}", content.len()).trim_end().to_owned()
}

/// Bytes that do not compress well, different from those of the guest.
pub(crate) fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut all: Vec<u8> = (0..bytes.div_ceil(8)).flat_map(|_| next()).collect();
    all.truncate(bytes);
    all
}

fn gather(directory: &Path, all: &mut BTreeMap<PathBuf, Thing>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let facts = path.symlink_metadata().unwrap();
        let (kind, content) = if facts.is_file() {
            ("file", sha256(&std::fs::read(&path).unwrap()))
        } else if facts.is_symlink() {
            ("link", std::fs::read_link(&path).unwrap().display().to_string())
        } else if facts.is_dir() {
            gather(&path, all);
            ("directory", String::new())
        } else {
            ("other", String::new())
        };
        let modified = (facts.mtime(), facts.mtime_nsec());
        all.insert(path, Thing { kind, mode: facts.permissions().mode(), modified, content });
    }
}
