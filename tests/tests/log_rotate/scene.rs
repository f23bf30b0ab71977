//! A directory of logs of any age, runs of the plugin on it, and all lines that are in it, wherever they went.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use taskhost_tests::{Host, host};

pub(crate) struct Logs(tempfile::TempDir);

impl Logs {
    /// With these files: name, content, days since the last line.
    pub(crate) fn new(files: &[(&str, &str, u64)]) -> Self {
        // Beside the build: a file system that can take off the front of a file, as that of a server does.
        let logs = Self(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap());
        for (name, content, days) in files {
            logs.write(name, content, *days);
        }
        logs
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>, days: u64) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self.age(name, days);
    }

    /// As if the last line were that old.
    pub(crate) fn age(&self, name: &str, days: u64) {
        let modified = SystemTime::now() - Duration::from_hours(days * 24);
        File::options().write(true).open(self.path(name)).unwrap().set_modified(modified).unwrap();
    }

    pub(crate) fn append(&self, name: &str) -> File {
        File::options().append(true).create(true).open(self.path(name)).unwrap()
    }

    pub(crate) fn content(&self, name: &str) -> String {
        String::from_utf8(std::fs::read(self.path(name)).unwrap()).unwrap()
    }

    /// What a file with a date in its name is called, by its name without.
    pub(crate) fn dated(&self, undated_name: &str) -> String {
        let name = self.raw_names().into_iter().find(|name| undated(name) == undated_name);
        name.unwrap_or_else(|| panic!("no {undated_name}: {:?}", self.names()))
    }

    fn raw_names(&self) -> Vec<String> {
        fn list(directory: &Path, root: &Path, names: &mut Vec<String>) {
            for entry in std::fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_symlink() {
                    continue;
                }
                if path.is_dir() {
                    list(&path, root, names);
                } else {
                    names.push(path.strip_prefix(root).unwrap().to_string_lossy().into_owned());
                }
            }
        }
        let mut names = Vec::new();
        list(self.0.path(), self.0.path(), &mut names);
        names.sort();
        names
    }

    /// All files, with `DATE` for the date of a rotation.
    pub(crate) fn names(&self) -> Vec<String> {
        self.raw_names().iter().map(|name| undated(name)).collect()
    }

    /// Every file with its content.
    pub(crate) fn everything(&self) -> BTreeMap<String, Vec<u8>> {
        let read = |name: String| {
            let content = std::fs::read(self.path(&name)).unwrap_or_default();
            (name, content)
        };
        self.raw_names().into_iter().map(read).collect()
    }

    /// Every line of every file, decompressed and unpacked, with how often it is there. Blank lines are none.
    pub(crate) fn lines(&self) -> BTreeMap<String, usize> {
        let mut lines = BTreeMap::new();
        for (name, content) in self.everything() {
            count_lines(&name, &content, &mut lines);
        }
        lines
    }

    pub(crate) fn host(&self, command: &str, arguments: &str) -> Host {
        let slot = format!("logs={},write,delete", self.0.path().display());
        host().args([command, "log-rotate", "--format=json", "--files", &slot]).args(arguments.split_whitespace())
    }

    pub(crate) fn run(&self, arguments: &str) -> Ran {
        let output = self.host("run", arguments).run();
        assert!(output.code.is_some_and(|code| code < 2), "{output}");
        Ran(output.report())
    }

    /// Rehearses, runs, and shows that the run did what the rehearsal said, and that a second run does nothing.
    pub(crate) fn rotate(&self, arguments: &str) -> Ran {
        let before = self.everything();
        let plan = Ran(self.host("plan", arguments).run().report());
        assert_eq!(self.everything(), before, "the rehearsal of `{arguments}` changed something");
        let run = self.run(arguments);
        assert_eq!(plan.changes(), run.changes(), "the rehearsal and the run of `{arguments}` differ");
        let again = self.run(arguments);
        assert_eq!(again.changes(), [""; 0], "a second run of `{arguments}` does something");
        run
    }
}

/// Counts the lines of a file, of what is compressed in it, and of what is packed in it.
fn count_lines(name: &str, content: &[u8], lines: &mut BTreeMap<String, usize>) {
    let is = |end: &str| Path::new(name).extension().is_some_and(|extension| extension == end);
    if is("gz") {
        let mut decoded = Vec::new();
        flate2::read::MultiGzDecoder::new(content).read_to_end(&mut decoded).unwrap();
        return count_lines(name.trim_end_matches(".gz"), &decoded, lines);
    }
    if is("zst") {
        return count_lines(name.trim_end_matches(".zst"), &zstd::decode_all(content).unwrap(), lines);
    }
    if is("tar") {
        let mut archive = tar::Archive::new(content);
        for member in archive.entries().unwrap() {
            let mut member = member.unwrap();
            let (path, mut inner) = (member.path().unwrap().display().to_string(), Vec::new());
            member.read_to_end(&mut inner).unwrap();
            count_lines(&path, &inner, lines);
        }
        return;
    }
    for line in String::from_utf8_lossy(content).lines().filter(|line| !line.trim().is_empty()) {
        *lines.entry(line.trim().to_owned()).or_default() += 1;
    }
}

/// A report.
pub(crate) struct Ran(pub(crate) Value);

impl Ran {
    /// What was changed, or would be, each as `OPERATION TARGET`, with `DATE` for the date of the run.
    pub(crate) fn changes(&self) -> Vec<String> {
        let effects = self.0["effects"].as_array().unwrap().iter();
        let changes = effects.filter(|effect| effect["impact"] != "observe");
        changes
            .map(|effect| {
                let text = |key: &str| effect[key].as_str().unwrap_or_default();
                let outcome = if effect["outcome"] == "done" { "" } else { text("outcome") };
                undated(format!("{} {} {outcome}", text("operation"), text("target")).trim_end())
            })
            .collect()
    }

    /// Severity, subject and title of each finding.
    pub(crate) fn findings(&self) -> Vec<String> {
        let findings = self.0["findings"].as_array().unwrap().iter();
        let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
        let shown = |finding| ["severity", "subject", "title"].map(|key| text(finding, key)).join(" ");
        findings.map(|finding| undated(&shown(finding))).filter(|shown| !shown.starts_with("ok")).collect()
    }

    /// All of the report's text.
    pub(crate) fn text(&self) -> String {
        undated(&self.0.to_string())
    }

    pub(crate) fn summary(&self) -> &str {
        self.0["summary"].as_str().unwrap()
    }
}

/// `DATE` for each `20261123-031005`, of this century.
pub(crate) fn undated(text: &str) -> String {
    let is_date = |part: &str| {
        part.starts_with("20")
            && part.bytes().enumerate().all(|(at, byte)| if at == 8 { byte == b'-' } else { byte.is_ascii_digit() })
    };
    let (mut out, mut rest) = (String::new(), text);
    while let Some(first) = rest.chars().next() {
        if rest.get(..15).is_some_and(is_date) {
            out += "DATE";
            rest = &rest[15..];
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

/// `count` lines that are in no other log of that `name`.
pub(crate) fn lines(name: &str, count: usize) -> String {
    (0..count).map(|number| format!("{name} line {number}\n")).collect()
}
