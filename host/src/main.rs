//! The `host` binary: parse, set up tracing, turn the outcome into an exit code.

use std::io;
use std::process::ExitCode;

use clap::Parser as _;
use taskhost::cli::{Arguments, execute};
use taskhost::policy::text::clean_log;
use tracing_subscriber::EnvFilter;

/// Rows and entries are allocated on one thread and freed on another, which the system's allocator is slow at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if let Some(code) = taskhost::capability::command::supervise() {
        return ExitCode::from(code);
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Monitoring takes 2 for critical: bad usage is unknown, 3. Help and version are no errors.
            let code = if error.use_stderr() { 3 } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let coloured = anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter(arguments.log_level()))
        .with_writer(|| Log)
        .with_ansi(coloured)
        .with_target(false);
    if std::env::var_os("TASKHOST_LOG_FORMAT").is_some_and(|format| format == "json") {
        subscriber.with_ansi(false).json().flatten_event(true).init();
    } else {
        subscriber.init();
    }
    ExitCode::from(execute(arguments))
}

/// The crates that compile, by the names they log under. What follows in a filter has the last word.
const COMPILER: &str = "cranelift=error,regalloc2=error,wasmtime_internal_cranelift=error,";

/// What is logged, by `TASKHOST_LOG`. Never what the database library says while it reads a URL: it quotes the value of a
/// parameter that it does not know, which may be a password behind a misspelt key. And of the compiler, which at `trace`
/// writes gigabytes for one plugin, only what is asked for by its name (`cranelift=trace`).
fn filter(level: &str) -> EnvFilter {
    let wanted = std::env::var("TASKHOST_LOG").unwrap_or_default();
    let filter = EnvFilter::try_new(format!("{level},{COMPILER}{wanted}")).unwrap_or_else(|_| EnvFilter::new(level));
    let silent = ["sqlx_postgres::options=off", "sqlx_mysql::options=off", "sqlx_sqlite::options=off"];
    silent.into_iter().filter_map(|silent| silent.parse().ok()).fold(filter, EnvFilter::add_directive)
}

/// Standard error, for what libraries say: they may quote a statement or a name.
struct Log;

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::Write::write_all(&mut io::stderr(), clean_log(&String::from_utf8_lossy(bytes)).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::Write::flush(&mut io::stderr())
    }
}
