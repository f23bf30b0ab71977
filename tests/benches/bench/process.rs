//! Whole processes: `host` beside the tools that a runbook would call.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;

use crate::measure::{Comparison, ratio, side_by_side};

/// Where things are.
pub(super) struct Places {
    /// The release build of `host`.
    pub(super) host: PathBuf,
    /// Plugins and fixtures, by name.
    pub(super) plugins: PathBuf,
    pub(super) fixtures: PathBuf,
    /// Everything made for the benchmarks.
    pub(super) world: PathBuf,
}

impl Places {
    /// `host`, with a cache of its own.
    pub(super) fn host(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.host);
        command.args(arguments).env("TASKHOST_CACHE", self.world.join("cache")).env("TASKHOST_PLUGINS", &self.plugins);
        command
    }

    pub(super) fn fixture(&self, name: &str) -> String {
        self.fixtures.join(format!("{name}.wasm")).display().to_string()
    }
}

/// Runs to its end, its output read and thrown away, and fails on an exit code that is not among `expected`.
pub(super) fn run(command: &mut Command, expected: &[i32]) -> anyhow::Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("failed to start {command:?}"))?;
    let code = output.status.code();
    anyhow::ensure!(
        code.is_some_and(|code| expected.contains(&code)),
        "{command:?} ended with {code:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The most memory that a process had, in bytes.
pub(super) fn peak(mut command: Command) -> anyhow::Result<u64> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let high =
            text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        most = most.max(high.unwrap_or_default() * 1024);
        if let Some(ended) = child.try_wait()? {
            anyhow::ensure!(ended.code().is_some_and(|code| code < 2), "{command:?} ended with {ended}");
            return Ok(most);
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// `host run` of an empty plugin beside `openssl x509` and `python3 -c pass`.
pub(super) fn start(places: &Places, certificate: &Path) -> anyhow::Result<Comparison> {
    let empty = places.fixture("empty");
    let rounds = 100;
    let times = side_by_side(
        rounds,
        &mut [
            ("Taskhost", Box::new(|| run(&mut places.host(&["run", &empty]), &[0]).map(drop))),
            (
                "openssl x509 -enddate",
                Box::new(|| {
                    let mut openssl = Command::new("openssl");
                    run(openssl.args(["x509", "-noout", "-enddate", "-in"]).arg(certificate), &[0]).map(drop)
                }),
            ),
            ("python3 -c pass", Box::new(|| run(Command::new("python3").args(["-c", "pass"]), &[0]).map(drop))),
        ],
    )?;
    let met = matches!(times.as_slice(), [(_, ours), (_, openssl), ..] if ratio(*ours, *openssl) <= 0.25);
    Ok(Comparison {
        missed: "Three quarters of it are the kernel's: mapping a binary of some 60 MB, its relocations, and pages for the \
                 allocator, which touches more of them at its start than the system's does. That costs some two \
                 milliseconds here and is what rows are read faster with. Tried: one worker thread, which let a run hang; \
                 the allocator without huge pages, a millisecond faster, which can be set by the environment only. Not \
                 tried, for its price: a binary without address randomisation."
            .into(),
        title: "`host run` of an empty plugin, as a whole process".into(),
        aim: "at most a quarter of openssl".into(),
        method: "The fixture `empty` with a warm cache; `openssl x509 -noout -enddate` on one certificate.".into(),
        times,
        met,
        rounds,
    })
}

/// Of how many certificates openssl does one: a process each takes minutes for all of them.
const SAMPLE: usize = 20;

/// `cert-check` on a directory of certificates beside a loop of openssl.
pub(super) fn certificates(places: &Places, directory: &Path, count: usize) -> anyhow::Result<Comparison> {
    let slot = format!("certs={}", directory.display());
    let rounds = 3;
    let script = format!(
        "for i in $(seq 0 {SAMPLE} {}); do openssl x509 -noout -enddate -in {}/$i.pem; done",
        count - 1,
        directory.display()
    );
    let mut times = side_by_side(
        rounds,
        &mut [
            (
                "Taskhost",
                Box::new(|| run(&mut places.host(&["run", "cert-check", "--files", &slot]), &[0, 1, 2]).map(drop)),
            ),
            ("a loop of openssl", Box::new(|| run(Command::new("sh").args(["-c", &script]), &[0]).map(drop))),
        ],
    )?;
    if let Some((_, openssl)) = times.last_mut() {
        *openssl *= u32::try_from(SAMPLE)?;
    }
    let met = matches!(times.as_slice(), [(_, ours), (_, openssl)] if ratio(*ours, *openssl) <= 1.0 / 20.0);
    Ok(Comparison {
        title: "cert-check on 10,000 PEM files".into(),
        aim: "20 times faster".into(),
        method: format!(
            "{count} certificates, a file each. `openssl x509 -noout -enddate` in a shell loop on every {SAMPLE}th of \
             them, and its time multiplied by {SAMPLE}."
        ),
        times,
        met,
        rounds,
        missed: String::new(),
    })
}

/// A walk of a big tree beside `find`.
pub(super) fn walk(places: &Places, tree: &Path, count: usize) -> anyhow::Result<Comparison> {
    let slot = format!("tree={}", tree.display());
    let fixture = places.fixture("measure");
    let ours = run(&mut places.host(&["run", &fixture, "work=walk", "--files", &slot]), &[0])?;
    let theirs = run(Command::new("find").arg(tree).args(["-type", "f", "-mtime", "+30"]), &[0])?;
    let found = theirs.lines().count();
    anyhow::ensure!(ours.contains(&format!("{found} files")), "find sees {found} files: {ours}");
    let rounds = 9;
    let times = side_by_side(
        rounds,
        &mut [
            (
                "Taskhost",
                Box::new(|| run(&mut places.host(&["run", &fixture, "work=walk", "--files", &slot]), &[0]).map(drop)),
            ),
            (
                "find -type f -mtime +30",
                Box::new(|| run(Command::new("find").arg(tree).args(["-type", "f", "-mtime", "+30"]), &[0]).map(drop)),
            ),
        ],
    )?;
    let met = matches!(times.as_slice(), [(_, ours), (_, find)] if ratio(*ours, *find) <= 1.0);
    Ok(Comparison {
        title: "Walking a tree of 200,000 files".into(),
        aim: "not slower than find".into(),
        method: format!("{count} empty files in 400 directories, half of them old; both give the {found} old ones."),
        times,
        met,
        rounds,
        missed: String::new(),
    })
}

/// A search in a big log beside `grep`.
pub(super) fn search(places: &Places, log: &Path) -> anyhow::Result<Comparison> {
    let directory = log.parent().context("a log in a directory")?;
    let slot = format!("tree={}", directory.display());
    let file = format!("file={}", log.file_name().and_then(std::ffi::OsStr::to_str).context("a plain name")?);
    let pattern = "(ERROR|CRITICAL) .*timeout";
    let argument = format!("pattern={pattern}");
    let fixture = places.fixture("measure");
    let arguments = ["run", &fixture, "work=search", &file, &argument, "--files", &slot];
    let grep = || {
        let mut command = Command::new("grep");
        command.args(["-E", pattern]).arg(log);
        command
    };
    let ours = run(&mut places.host(&arguments), &[0])?;
    let found = run(&mut grep(), &[0])?.lines().count();
    anyhow::ensure!(ours.contains(&format!("{found} lines")), "grep sees {found} lines: {ours}");
    let rounds = 5;
    let times = side_by_side(
        rounds,
        &mut [
            ("Taskhost", Box::new(|| run(&mut places.host(&arguments), &[0]).map(drop))),
            ("grep -E (C.UTF-8)", Box::new(|| run(grep().env("LC_ALL", "C.UTF-8"), &[0]).map(drop))),
            ("grep -E (C)", Box::new(|| run(grep().env("LC_ALL", "C"), &[0]).map(drop))),
        ],
    )?;
    let met = matches!(times.as_slice(), [(_, ours), (_, grep), ..] if ratio(*ours, *grep) <= 1.0);
    Ok(Comparison {
        title: "Searching a 1 GiB log for a pattern".into(),
        aim: "not slower than grep -E".into(),
        method: format!("`{pattern}` in a log of 1 GiB; both give the {found} lines that match."),
        times,
        met,
        rounds,
        missed: String::new(),
    })
}
