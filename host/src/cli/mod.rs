//! The command line: one file a subcommand.

mod build;
mod check;
mod completions;
mod ending;
mod grants;
mod history;
pub(crate) mod inspect;
mod log;
mod logs;
mod new;
mod options;
mod place;
mod progress;
mod run;
mod schema;
mod serve;
mod show;
mod state;
mod tasks;
mod test;
mod tick;
mod token;

use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};

use crate::plugin::{Host, HostConfig};
use crate::policy::units::{Seconds, Size};

/// Runs maintenance tasks as sandboxed WebAssembly plugins, with exactly the databases, directories and endpoints you
/// grant.
///
/// Exit code, as monitoring plugins have it: 0 ok, 1 warning, 2 critical, 3 unknown (refused, trapped, timed out, over
/// budget, unavailable, bad usage; the JSON report says which).
#[derive(Parser)]
#[command(name = "host", version, propagate_version = true, max_term_width = 110)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    global: Global,
}

impl Arguments {
    /// What is logged unless `TASKHOST_LOG` says otherwise: whoever leaves a host running reads what it did.
    pub fn log_level(&self) -> &'static str {
        if matches!(self.command, Command::Serve(_)) { "error,taskhost=info" } else { "error" }
    }
}

#[derive(Args)]
struct Global {
    /// Directories in which plugins are looked up by name, separated by `:`.
    #[arg(long, global = true, value_name = "DIRS", env = "TASKHOST_PLUGINS", value_delimiter = ':')]
    plugins: Vec<PathBuf>,
    /// Where compiled plugins are kept [default: taskhost in the user's cache directory].
    #[arg(long, global = true, value_name = "DIR", env = "TASKHOST_CACHE")]
    cache: Option<PathBuf>,
    /// How long a plugin may take to compile, which is done once.
    #[arg(long, global = true, value_name = "TIME", default_value = "2m", hide_short_help = true)]
    compile_timeout: Seconds,
    /// How long a plugin may take to describe itself, in milliseconds; interpreter-based plugins need more.
    #[arg(long, global = true, value_name = "MS", default_value_t = 100, hide_short_help = true)]
    describe_timeout: u64,
    /// How much memory a plugin may use to describe itself.
    #[arg(long, global = true, value_name = "SIZE", default_value = "16MiB", hide_short_help = true)]
    describe_memory: Size,
}

#[derive(Subcommand)]
enum Command {
    /// Run one plugin, or tasks of a bundle.
    Run(run::Arguments),
    /// Rehearse one plugin, or tasks of a bundle: everything is read, nothing is changed, and what would be is listed.
    Plan(run::Arguments),
    /// Serve bundles: run their tasks at their times, for as long as it lives.
    Serve(serve::Arguments),
    /// Say everything that is wrong with a bundle, or unwise. Changes nothing.
    Check(check::Arguments),
    /// Show who may touch what, by task and by resource.
    Grants(grants::Arguments),
    /// Show a plugin's parameters, slots and imports. Grants nothing.
    Inspect(inspect::Arguments),
    /// Make a new plugin that builds, and passes its test and its cases.
    New(new::Arguments),
    /// Run a plugin's cases, each in a world that is made for it and thrown away.
    Test(test::Arguments),
    /// Show what tasks remember between their runs.
    State(state::Arguments),
    /// Write the maintenance log: what was done, found, resolved, measured and changed, day by day.
    Log(log::Arguments),
    /// Tick a checklist entry for its current period.
    Tick(tick::Arguments),
    /// Say who may use the page and the API of `host serve`.
    Token(token::Arguments),
    /// List recorded runs, say whether the record holds, remove what is old.
    History(history::Arguments),
    /// Show one recorded run.
    Show(show::Arguments),
    /// Print what one run said, also while it runs.
    Logs(logs::Arguments),
    /// Print the JSON Schema of bundle files, for editors.
    Schema(schema::Arguments),
    /// Print a completion script for a shell.
    Completions(completions::Arguments),
}

/// Carries out the command and returns the exit code.
pub fn execute(arguments: Arguments) -> u8 {
    // Two at least, on a machine of one core too: a room that makes its thread wait must not keep another from ending that.
    let workers = std::thread::available_parallelism().map_or(2, usize::from).max(2);
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("failed to start: {error}")),
    };
    let global = arguments.global;
    let code = runtime.block_on(async {
        fail_where_files_may_not_grow();
        match arguments.command {
            Command::Run(run) => run::execute(&global, run, crate::gate::Mode::Perform).await,
            Command::Plan(run) => run::execute(&global, run, crate::gate::Mode::Rehearse).await,
            Command::Serve(serve) => serve::execute(&global, serve).await,
            Command::Inspect(inspect) => inspect::execute(&global, &inspect).await,
            Command::Check(check) => check::execute(&global, &check).await,
            Command::Grants(grants) => grants::execute(&grants),
            Command::New(new) => new::execute(&new),
            Command::Test(test) => test::execute(&global, &test).await,
            Command::State(state) => state::execute(&state).await,
            Command::Log(log) => log::execute(&log).await,
            Command::Tick(tick) => tick::execute(&tick).await,
            Command::Token(token) => token::execute(&token),
            Command::History(history) => history::execute(&history).await,
            Command::Show(show) => show::execute(&show).await,
            Command::Logs(logs) => logs::execute(&logs).await,
            Command::Schema(schema) => schema::execute(&schema),
            Command::Completions(completions) => completions::execute(&completions),
        }
    });
    // Threads that are still reading or hashing for a run that is over must not hold the process.
    runtime.shutdown_background();
    code
}

/// Writing past the largest size that a file may have (`ulimit -f`) kills a process that does not listen for this signal,
/// and the half file stays. For one that does, the write fails as on a full disk.
fn fail_where_files_may_not_grow() {
    let exceeded = SignalKind::from_raw(Signal::XFSZ.as_raw());
    // Tokio listens from now on, whether or not anyone waits for it.
    drop(signal(exceeded));
}

/// Says what went wrong, and returns the exit code for it.
fn fail(message: &str) -> u8 {
    let style = anstyle::Style::new().bold().fg_color(Some(anstyle::AnsiColor::Red.into()));
    // It may quote a file's name or a plugin.
    for line in crate::policy::text::clean_paragraph(message, 64 * 1024).lines() {
        anstream::eprintln!("{style}error:{style:#} {line}");
    }
    3
}

/// Writes what was asked for. Colours are taken out where they do not belong.
fn print(text: &str) {
    // A reader that has gone away (`| head`) is no failure.
    let _ = anstream::stdout().lock().write_all(text.as_bytes());
}

/// Writes a file whole or not at all: beside it, then in its place.
fn write_whole(path: &std::path::Path, text: &str) -> std::io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(std::path::Path::new("."));
    let mut file = tempfile::Builder::new().permissions(permissions()).tempfile_in(directory)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

/// Those of any new file, and not those of a secret one.
fn permissions() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o666)
}

/// For machines.
fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).map_or_else(|error| error.to_string(), |json| json + "\n")
}

impl Global {
    fn host(&self) -> Result<Host, String> {
        let describe = crate::plugin::DescribeLimits {
            timeout: std::time::Duration::from_millis(self.describe_timeout),
            memory: self.describe_memory.0,
        };
        let config = HostConfig {
            cache: self.cache.clone(),
            compile_timeout: self.compile_timeout.into(),
            describe,
            ..HostConfig::default()
        };
        Host::new(config).map_err(|error| format!("failed to set up the engine: {error}"))
    }

    /// The plugin path: as given, else `plugins` beside the binary and its `target/plugins`.
    fn plugin_path(&self) -> Vec<PathBuf> {
        if !self.plugins.is_empty() {
            return self.plugins.clone();
        }
        let binary = std::env::current_exe().ok();
        let beside = binary.as_deref().and_then(std::path::Path::parent);
        let candidates = beside
            .into_iter()
            .flat_map(|beside| [Some(beside.join("plugins")), beside.parent().map(|target| target.join("plugins"))]);
        candidates.flatten().filter(|directory| directory.is_dir()).collect()
    }
}
