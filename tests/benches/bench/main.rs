//! `cargo xtask bench`: measures Taskhost beside the tools it replaces and writes docs/benchmarks.md. Arguments are the
//! names of benchmarks; none means all. The page also keeps what was measured before and not now.

mod crowd;
mod database;
mod engine;
mod growth;
mod inprocess;
mod keys;
mod measure;
mod page;
mod pages;
mod process;
mod serve;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;

use measure::{Comparison, ratio, shown};
use process::Places;

/// In the page's order.
const NAMES: [&str; 17] = [
    "inprocess",
    "crowd",
    "gate",
    "start",
    "certificates",
    "walk",
    "search",
    "rows",
    "restore",
    "keys",
    "prune",
    "stats",
    "served-sqlite",
    "served-postgres",
    "scheduled",
    "pages-sqlite",
    "pages-postgres",
];
const CERTIFICATES: usize = 10_000;
const FILES: usize = 200_000;
const LOG_BYTES: u64 = 1 << 30;
const DUMP_MEGABYTES: usize = 500;

#[expect(clippy::too_many_lines, reason = "one benchmark after another")]
fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let runtime = tokio::runtime::Runtime::new()?;
    if let [command, url] = arguments.as_slice()
        && command == "native-rows"
    {
        return runtime.block_on(database::native_rows(url));
    }
    let wanted = |name: &str| arguments.is_empty() || arguments.iter().any(|argument| argument == name);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("a workspace")?;
    let places = Places {
        host: root.join("target/release/host"),
        plugins: root.join("target/plugins"),
        fixtures: root.join("target/fixtures"),
        world: root.join("target/bench"),
    };
    std::fs::create_dir_all(&places.world)?;

    let results = places.world.join("results");
    std::fs::create_dir_all(&results)?;
    let keep = |name: &str, comparison: &Comparison| -> anyhow::Result<()> {
        for (name, time) in &comparison.times {
            eprintln!("  {name}: {}", shown(*time));
        }
        if let Some(((_, ours), others)) = comparison.times.split_first() {
            for (name, theirs) in others {
                println!("{}: {:.3} x {name}", comparison.title, ratio(*ours, *theirs));
            }
        }
        Ok(std::fs::write(results.join(name).with_extension("json"), serde_json::to_vec(comparison)?)?)
    };
    if wanted("inprocess") {
        eprintln!("an empty run, in-process");
        keep("inprocess", &inprocess::compare(Path::new(&places.fixture("empty")))?)?;
    }
    if wanted("crowd") {
        eprintln!("a thousand runs at once");
        keep("crowd", &crowd::runs(Path::new(&places.fixture("empty")))?)?;
    }
    if wanted("gate") {
        eprintln!("the gate");
        keep("gate", &crowd::gate()?)?;
    }
    if wanted("start") {
        eprintln!("an empty run, as a process");
        let certificate = certificates(&places.world.join("certificate"), 1)?.join("0.pem");
        keep("start", &process::start(&places, &certificate)?)?;
    }
    if wanted("certificates") {
        eprintln!("certificates");
        let directory = certificates(&places.world.join("certificates"), CERTIFICATES)?;
        keep("certificates", &process::certificates(&places, &directory, CERTIFICATES)?)?;
    }
    if wanted("walk") {
        eprintln!("a walk");
        keep("walk", &process::walk(&places, &tree(&places.world.join("tree"), FILES)?, FILES)?)?;
    }
    if wanted("search") {
        eprintln!("a search");
        keep("search", &process::search(&places, &log(&places.world.join("log"), LOG_BYTES)?)?)?;
    }
    if wanted("rows") || wanted("restore") {
        let url = std::env::var("TASKHOST_TEST_POSTGRES")
            .context("TASKHOST_TEST_POSTGRES is not set; run `cargo xtask bench`, which starts a server")?;
        if wanted("rows") {
            eprintln!("a million rows");
            runtime.block_on(database::prepare(&url))?;
            keep("rows", &database::rows(&places, &url)?)?;
        }
        if wanted("restore") {
            eprintln!("a restore");
            let backups = places.world.join("backups");
            std::fs::create_dir_all(&backups)?;
            database::dump(&backups.join("bench.sql"), DUMP_MEGABYTES)?;
            keep("restore", &database::restore(&places, &url, &backups, DUMP_MEGABYTES)?)?;
        }
    }
    if wanted("keys") {
        eprintln!("a million keys");
        let url =
            std::env::var("TASKHOST_TEST_REDIS").context("TASKHOST_TEST_REDIS is not set; run `cargo xtask bench`")?;
        keep("keys", &keys::compare(&places, &url)?)?;
    }
    if wanted("prune") {
        eprintln!("docker-prune");
        keep("prune", &engine::prune(&places)?)?;
    }
    if wanted("stats") {
        eprintln!("container-stats");
        keep("stats", &engine::stats(&places)?)?;
    }
    if wanted("served-sqlite") {
        eprintln!("runs through the whole path, SQLite");
        let file = |_: &Path| "history.db".to_owned();
        keep("served-sqlite", &serve::served(Path::new(&places.fixture("empty")), "SQLite", &file)?)?;
    }
    if wanted("served-postgres") {
        eprintln!("runs through the whole path, PostgreSQL");
        let url = std::env::var("TASKHOST_TEST_POSTGRES").context("TASKHOST_TEST_POSTGRES is not set")?;
        keep("served-postgres", &serve::served(Path::new(&places.fixture("empty")), "PostgreSQL", &|_| url.clone())?)?;
    }
    if wanted("scheduled") {
        eprintln!("ten thousand tasks");
        keep("scheduled", &serve::scheduled(Path::new(&places.fixture("empty")))?)?;
    }
    if wanted("pages-sqlite") {
        eprintln!("the page, SQLite");
        let file = |_: &Path| "history.db".to_owned();
        keep("pages-sqlite", &pages::views(Path::new(&places.fixture("empty")), "SQLite", &file)?)?;
    }
    if wanted("pages-postgres") {
        eprintln!("the page, PostgreSQL");
        let url = std::env::var("TASKHOST_TEST_POSTGRES").context("TASKHOST_TEST_POSTGRES is not set")?;
        keep("pages-postgres", &pages::views(Path::new(&places.fixture("empty")), "PostgreSQL", &|_| url.clone())?)?;
    }
    if wanted("growth") {
        eprintln!("growth");
        let server =
            |name: &str| std::env::var(name).with_context(|| format!("{name} is not set; run `cargo xtask bench`"));
        let (postgres, redis) = (server("TASKHOST_TEST_POSTGRES")?, server("TASKHOST_TEST_REDIS")?);
        runtime.block_on(database::prepare(&postgres))?;
        let lines = growth::measure(&places, &postgres, &redis)?;
        std::fs::write(results.join("growth.json"), serde_json::to_vec(&lines)?)?;
        std::fs::write(root.join("docs/growth.svg"), growth::picture(&lines))?;
    }
    publish(root, &results)
}

/// Writes the page from all that was ever measured.
fn publish(root: &Path, results: &Path) -> anyhow::Result<()> {
    let mut comparisons = Vec::new();
    for name in NAMES {
        match std::fs::read(results.join(name).with_extension("json")) {
            Ok(result) => comparisons.push(serde_json::from_slice(&result)?),
            Err(_) => eprintln!("docs/benchmarks.md will lack `{name}`, which was never measured"),
        }
    }
    let page = root.join("docs/benchmarks.md");
    let growth: Vec<growth::Line> = match std::fs::read(results.join("growth.json")) {
        Ok(lines) => serde_json::from_slice(&lines)?,
        Err(_) => vec![],
    };
    std::fs::write(&page, page::render(&comparisons, &growth, &machine()))?;
    eprintln!("wrote {}", page.display());
    Ok(())
}

/// `count` certificates, a PEM file each, of which some have expired.
fn certificates(directory: &Path, count: usize) -> anyhow::Result<PathBuf> {
    if directory.join(format!("{}.pem", count - 1)).exists() {
        return Ok(directory.into());
    }
    std::fs::create_dir_all(directory)?;
    let key = rcgen::KeyPair::generate()?;
    for index in 0..count {
        let mut parameters = rcgen::CertificateParams::new(vec![format!("host-{index}.example.org")])?;
        parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(if index % 100 == 0 { 2024 } else { 2040 }, 1, 1);
        let certificate = parameters.self_signed(&key)?;
        std::fs::write(directory.join(format!("{index}.pem")), certificate.pem())?;
    }
    Ok(directory.into())
}

/// `count` empty files in directories of 500, every other one old.
fn tree(directory: &Path, count: usize) -> anyhow::Result<PathBuf> {
    if directory.join("complete").exists() {
        return Ok(directory.into());
    }
    let old = SystemTime::now() - Duration::from_hours(90 * 24);
    for index in 0..count {
        let parent = directory.join(format!("{:03}", index / 500));
        if index % 500 == 0 {
            std::fs::create_dir_all(&parent)?;
        }
        let file = std::fs::File::create(parent.join(format!("file-{index}.log")))?;
        if index % 2 == 0 {
            file.set_modified(old)?;
        }
    }
    std::fs::write(directory.join("complete"), "")?;
    Ok(directory.into())
}

/// A log of about so many bytes, in which one line of some thousand matches.
fn log(directory: &Path, bytes: u64) -> anyhow::Result<PathBuf> {
    let path = directory.join("app.log");
    if path.metadata().is_ok_and(|metadata| metadata.len() >= bytes) {
        return Ok(path);
    }
    std::fs::create_dir_all(directory)?;
    let mut file = std::io::BufWriter::with_capacity(1 << 20, std::fs::File::create(&path)?);
    let (mut written, mut line) = (0, 0_u64);
    while written < bytes {
        let level = match line % 4000 {
            0 => "ERROR upstream timeout",
            n if n % 50 == 0 => "WARNING slow answer",
            _ => "INFO request served",
        };
        let text = format!(
            "2026-11-23T{:02}:{:02}:{:02}Z {level} id={line} path=/api/v1/agents/{} duration_ms={}\n",
            line / 3600 % 24,
            line / 60 % 60,
            line % 60,
            line % 977,
            line % 1300
        );
        file.write_all(text.as_bytes())?;
        written += text.len() as u64;
        line += 1;
    }
    file.flush()?;
    Ok(path)
}

/// The processor and how many of it.
fn machine() -> String {
    let information = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        information.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map(|(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{} with {cores} cores, {}", model.unwrap_or("unknown processor"), std::env::consts::OS)
}
