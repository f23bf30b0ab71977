//! A directory of backups of any age, and runs of the plugin on it.

use std::fs::{File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use taskhost_tests::{Host, host};

const DAY: u64 = 86_400;

pub(crate) struct Backups(tempfile::TempDir);

impl Backups {
    pub(crate) fn new() -> Self {
        let backups = Self(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap());
        std::fs::create_dir(backups.0.path().join("backups")).unwrap();
        backups
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join("backups").join(name)
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.0.path().join("state.db")
    }

    /// Puts a file there that only its owner may read, written so many hours ago.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>, hours: u64) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        self.age(name, hours * 3_600);
    }

    pub(crate) fn age(&self, name: &str, seconds: u64) {
        let modified = SystemTime::now() - Duration::from_secs(seconds);
        File::options().append(true).open(self.path(name)).unwrap().set_modified(modified).unwrap();
    }

    /// A gzipped dump for each of the last days, each larger than the one before; their names, the newest first.
    pub(crate) fn daily(&self, days: u64) -> Vec<String> {
        let write = |ago: u64| {
            let name = format!("app-{}.sql.gz", date(ago));
            self.write(&name, gzip(dump(1_000 - ago).as_bytes()), ago * 24);
            name
        };
        (0..days).map(write).collect()
    }

    pub(crate) fn host(&self, arguments: &[&str]) -> Host {
        let slot = format!("backups={}", self.path("").display());
        host().args(["run", "backup-verify", "--format=json", "--files", &slot]).args(arguments.iter().copied())
    }

    pub(crate) fn verify(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.host(arguments))
    }

    /// With a memory.
    pub(crate) fn remember(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.host(arguments).args(["--state", &format!("memory={},write", self.state().display())]))
    }
}

/// A report.
pub(crate) struct Ran {
    pub(crate) report: Value,
    pub(crate) code: i32,
    pub(crate) peak_memory: u64,
}

impl Ran {
    fn of(host: Host) -> Self {
        let output = host.run();
        assert!(output.code.is_some_and(|code| code < 3), "{output}");
        Self { report: output.report(), code: output.code.unwrap(), peak_memory: output.peak_memory }
    }

    /// Severity, subject and title of what is not merely told.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let text = |it: &Value, key: &str| it[key].as_str().unwrap().to_owned();
        let findings = self.report["findings"].as_array().unwrap().iter().filter(|it| it["severity"] != "ok");
        findings.map(|it| ["severity", "subject", "title"].map(|key| text(it, key)).join(" ")).collect()
    }

    pub(crate) fn detail(&self, title: &str) -> &str {
        let findings = self.report["findings"].as_array().unwrap();
        let found = findings.iter().find(|it| it["title"] == title);
        found.unwrap_or_else(|| panic!("no `{title}`: {:#}", self.report))["detail"].as_str().unwrap()
    }

    pub(crate) fn metric(&self, name: &str, series: &str) -> f64 {
        let metrics = self.report["metrics"].as_array().unwrap();
        let found = metrics.iter().find(|it| it["name"] == name && it["subject"] == series);
        found.unwrap_or_else(|| panic!("no {name} of {series}: {:#}", self.report))["value"].as_f64().unwrap()
    }

    pub(crate) fn summary(&self) -> &str {
        self.report["summary"].as_str().unwrap()
    }

    /// The files that were read as a whole.
    pub(crate) fn read(&self) -> Vec<&str> {
        let effects = self.report["effects"].as_array().unwrap().iter();
        effects.filter(|it| it["operation"] == "digest").map(|it| it["target"].as_str().unwrap()).collect()
    }
}

/// `20261123`, so many days ago.
pub(crate) fn date(ago: u64) -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() - ago * DAY;
    let date = time::OffsetDateTime::from_unix_timestamp(seconds.try_into().unwrap()).unwrap().date();
    format!("{:04}{:02}{:02}", date.year(), u8::from(date.month()), date.day())
}

/// As PostgreSQL writes one.
pub(crate) fn dump(rows: u64) -> String {
    let rows: String = (0..rows).map(|n| format!("{n}\tname {}\n", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    format!(
        "--\n-- PostgreSQL database dump\n--\n\nCREATE TABLE t (id int, name text);\nCOPY t (id, name) FROM stdin;\n{rows}\\.\n\n\
         --\n-- PostgreSQL database dump complete\n--\n\n"
    )
}

pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// An archive of some files, with a time of its own.
pub(crate) fn tar(files: &[(&str, &[u8])], modified: u64) -> Vec<u8> {
    let mut builder = tar::Builder::new(vec![]);
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(modified);
        builder.append_data(&mut header, path, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

pub(crate) fn sha256(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}
