//! `host test PLUGIN`: runs a plugin's cases, each in a world that is made for it and thrown away.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::progress::TestProgress;
use super::run::stop_on_signal;
use super::{Global, build, check, fail, json, options, print};
use crate::cases::{self, Case, Order, Origin, State, Verdict};

/// What `test` takes.
#[derive(Args)]
pub(super) struct Arguments {
    /// The directory of its crate, which is built, or of a component; or a component: a path, or a name on the plugin path.
    #[arg(value_name = "PLUGIN|DIRECTORY")]
    plugin: String,
    /// Files of cases, or directories of them [default: cases/*.toml in the plugin's directory].
    #[arg(value_name = "CASES")]
    cases: Vec<PathBuf>,
    /// Only cases whose name holds this text; repeat it for more.
    #[arg(long = "case", value_name = "TEXT")]
    only: Vec<String>,
    /// How many cases run at a time.
    #[arg(long, value_name = "N", default_value_t = 4)]
    jobs: usize,
    /// Write what was found into the cases that fail, as what to expect from now on.
    #[arg(long)]
    accept: bool,
    /// How the verdicts are printed.
    #[arg(long, value_enum, default_value_t = Format::Text, help_heading = "Output")]
    format: Format,
    /// Also show the report of each run.
    #[arg(long, short, help_heading = "Output")]
    verbose: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For machines.
    Json,
    /// The XML of CI systems.
    Junit,
}

/// All verdicts, for machines.
#[derive(Serialize)]
struct Whole<'a> {
    plugin: &'a str,
    version: &'a str,
    digest: &'a str,
    passed: usize,
    failed: usize,
    not_run: usize,
    cases: &'a [Verdict],
}

/// 0 when all passed, 1 when one failed, 3 when one could not be run, or nothing could.
pub(super) async fn execute(global: &Global, arguments: &Arguments) -> u8 {
    let read = match read(arguments) {
        Ok(Some(read)) => read,
        // What is wrong was said.
        Ok(None) => return 3,
        Err(error) => return fail(&error),
    };
    let all: Vec<(&Origin, &Case)> =
        read.iter().flat_map(|(origin, cases)| cases.iter().map(move |case| (origin, case))).collect();
    let wanted = |case: &Case| arguments.only.is_empty() || arguments.only.iter().any(|text| case.name.contains(text));
    let chosen: Vec<_> = all.iter().copied().filter(|(_, case)| wanted(case)).collect();
    if chosen.is_empty() {
        return fail(&format!("none of the {} cases has a name with {}", all.len(), arguments.only.join(" or ")));
    }
    let loaded = match component(&arguments.plugin).await {
        Ok(component) => options::load(global, &component).await,
        Err(error) => Err(error),
    };
    let (host, plugin) = match loaded {
        Ok(loaded) => loaded,
        Err(error) => return fail(&error),
    };
    let begun = Instant::now();
    let progress = TestProgress::new(&plugin.description().name, chosen.len());
    let cancel = CancellationToken::new();
    let signals = tokio::spawn(stop_on_signal(cancel.clone()));
    let ended = |verdict: &Verdict| progress.ended(&verdict.name);
    let order = Order { jobs: arguments.jobs, accept: arguments.accept, ended: &ended, cancel };
    let verdicts = cases::run(&host, &plugin, &chosen, &order).await;
    signals.abort();
    progress.finish();

    let seconds = begun.elapsed().as_secs_f64();
    let description = plugin.description();
    let count = |word: &str| verdicts.iter().filter(|verdict| verdict.word() == word).count();
    let (failed, not_run) = (count("failed"), count("not run"));
    print(&match arguments.format {
        Format::Text => {
            let title = format!("{} {}", description.name, description.version);
            cases::text(&title, &verdicts, seconds, arguments.verbose)
        }
        Format::Junit => cases::junit(&description.name, &verdicts, seconds),
        Format::Json => json(&Whole {
            plugin: &description.name,
            version: &description.version,
            digest: plugin.digest(),
            passed: count("passed"),
            failed,
            not_run,
            cases: &verdicts,
        }),
    });
    if arguments.accept {
        return accept(&read, &verdicts, not_run, arguments.format);
    }
    match (failed, not_run) {
        (_, 1..) => 3,
        (1.., 0) => 1,
        (0, 0) => 0,
    }
}

/// Writes what was found into the files.
fn accept(read: &[(Origin, Vec<Case>)], verdicts: &[Verdict], not_run: usize, format: Format) -> u8 {
    for (origin, _) in read {
        match cases::accept(origin, verdicts) {
            Ok(names) => {
                for name in names.iter().filter(|_| format == Format::Text) {
                    print(&format!("accepted in {}: {name}\n", origin.name));
                }
            }
            Err(error) => return fail(&error),
        }
    }
    if verdicts.iter().any(|verdict| matches!(verdict.state, State::NotRun(_))) || not_run > 0 { 3 } else { 0 }
}

/// The files of cases with what is in them; none when a mistake was found and said.
#[expect(clippy::type_complexity, reason = "files, and the cases of each")]
fn read(arguments: &Arguments) -> Result<Option<Vec<(Origin, Vec<Case>)>>, String> {
    let mut paths = Vec::new();
    if arguments.cases.is_empty() {
        let directory = Path::new(&arguments.plugin);
        if !directory.is_dir() {
            return Err(format!(
                "say where the cases of {0} are: host test {0} DIRECTORY/cases, or name the directory of its crate",
                arguments.plugin
            ));
        }
        paths.extend(files(&directory.join("cases"))?);
    }
    for named in &arguments.cases {
        if named.is_dir() { paths.extend(files(named)?) } else { paths.push(named.clone()) }
    }
    let mut read = Vec::new();
    let mut wrong = false;
    for path in paths {
        let text = std::fs::read_to_string(&path)
            .map_err(|error| format!("failed to read the cases {}: {error}", path.display()))?;
        let name = path.strip_prefix(".").unwrap_or(&path).display().to_string();
        let origin = Origin { name, path, text };
        match cases::read(&origin) {
            Ok(cases) => read.push((origin, cases)),
            Err(problems) => {
                check::complain_of(&origin.path, &origin.text, &problems, "no case of it is run");
                wrong = true;
            }
        }
    }
    Ok((!wrong).then_some(read))
}

/// The files of cases in a directory, by their names.
fn files(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(directory)
        .map_err(|error| format!("failed to list the cases in {}: {error}", directory.display()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort_unstable();
    if files.is_empty() {
        return Err(format!("there are no cases in {}: write one as NAME.toml", directory.display()));
    }
    Ok(files)
}

/// The component that is meant: of a crate, the one that it is built to.
async fn component(named: &str) -> Result<String, String> {
    let directory = Path::new(named);
    if !directory.is_dir() {
        return Ok(named.into());
    }
    if directory.join("Cargo.toml").is_file() {
        return build::component(directory).await.map(|path| path.display().to_string());
    }
    let entries = std::fs::read_dir(directory).map_err(|error| format!("failed to list {named}: {error}"))?;
    let mut components: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    components.retain(|path| path.extension().is_some_and(|extension| extension == "wasm"));
    match components.as_slice() {
        [one] => Ok(one.display().to_string()),
        _ => Err(format!("{named} is neither a crate nor the directory of one component; name the component")),
    }
}
