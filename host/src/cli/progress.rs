//! What a person sees while a run goes on: a bar on a terminal; in a pipe, quiet lines at most every few seconds.

use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::report::{Event, Observer, Report};

/// How often a line is written where no bar can be drawn.
const QUIET: Duration = Duration::from_secs(10);

/// Draws a run's progress on standard error.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    /// A bar if standard error is a terminal.
    pub(super) fn new(task: &str) -> Self {
        let terminal = std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let bar = terminal.then(|| {
            let bar = ProgressBar::new_spinner().with_style(spinner()).with_prefix(task.to_owned());
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self { bar }
    }

    /// Feeds it. `verbose` also shows the log as it comes.
    pub(super) fn observer(&self, verbose: bool) -> Observer {
        let bar = self.bar.clone();
        let last = Mutex::new(Instant::now());
        Arc::new(move |event| match event {
            Event::Progress { done, total, message } => match &bar {
                Some(bar) => draw(bar, done, total, message),
                None => {
                    let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                    if last.elapsed() >= QUIET {
                        *last = Instant::now();
                        let of = total.map(|total| format!(" of {total}")).unwrap_or_default();
                        eprintln!("{message}: {done}{of}");
                    }
                }
            },
            Event::Log(line) if verbose => {
                say(bar.as_ref(), &format!("{}: {}", line.level, line.message));
            }
            Event::Log(_) | Event::Finding(_) | Event::Effect(_) => {}
        })
    }

    /// Takes the bar away.
    pub(super) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// The progress of several tasks on standard error: a bar, or a line for each that ended.
pub(super) struct TaskProgress {
    bar: Option<ProgressBar>,
}

impl TaskProgress {
    /// Of a bundle, for that many tasks.
    pub(super) fn new(bundle: &str, tasks: usize) -> Self {
        let Progress { bar } = Progress::new(bundle);
        if let Some(bar) = &bar {
            bar.set_length(tasks as u64);
            bar.set_style(line());
        }
        Self { bar }
    }

    /// Feeds it from one task. `verbose` also shows the log as it comes.
    pub(super) fn observer(&self, task: &str, verbose: bool) -> Observer {
        let (bar, task) = (self.bar.clone(), task.to_owned());
        Arc::new(move |event| match event {
            Event::Progress { message, .. } => {
                if let Some(bar) = &bar {
                    bar.set_message(format!("{task}: {message}"));
                }
            }
            Event::Log(line) if verbose => say(bar.as_ref(), &format!("{task}: {}: {}", line.level, line.message)),
            Event::Log(_) | Event::Finding(_) | Event::Effect(_) => {}
        })
    }

    /// A task has ended.
    pub(super) fn ended(&self, report: &Report) {
        let seconds = Duration::from_micros(report.run.duration_us).as_secs_f64();
        say(self.bar.as_ref(), &format!("{}: {} ({seconds:.2} s)", report.run.task, report.run.outcome.name()));
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(self) {
        Progress { bar: self.bar }.finish();
    }
}

/// The progress of a plugin's cases on standard error: a bar, and nothing where none can be drawn.
pub(super) struct TestProgress {
    bar: Option<ProgressBar>,
}

impl TestProgress {
    /// Of that many cases of a plugin.
    pub(super) fn new(plugin: &str, cases: usize) -> Self {
        let TaskProgress { bar } = TaskProgress::new(plugin, cases);
        Self { bar }
    }

    /// A case has ended.
    pub(super) fn ended(&self, name: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(crate::policy::text::clean_line(name, 100));
            bar.inc(1);
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(self) {
        Progress { bar: self.bar }.finish();
    }
}

fn say(bar: Option<&ProgressBar>, text: &str) {
    match bar {
        Some(bar) => bar.println(text),
        None => eprintln!("{text}"),
    }
}

fn draw(bar: &ProgressBar, done: u64, total: Option<u64>, message: String) {
    match total {
        Some(total) if bar.length() != Some(total) => {
            bar.set_length(total);
            bar.set_style(line());
        }
        None if bar.length().is_some() => {
            bar.unset_length();
            bar.set_style(spinner());
        }
        _ => {}
    }
    bar.set_position(done);
    bar.set_message(message);
}

fn spinner() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {prefix} {elapsed} {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn line() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {prefix} [{bar:30}] {human_pos}/{human_len} {msg} ({eta})")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}
