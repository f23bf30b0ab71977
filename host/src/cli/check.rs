//! `host check BUNDLE`: everything that is wrong with it or unwise, each with its line.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Global, fail, json, print};
use crate::bundle::{Accepted, Bundle, Plugins, Problem, Problems, Weight, read};
use crate::plugin::Host;
use crate::policy::text::count;

#[derive(Args)]
pub(super) struct Arguments {
    /// The bundle file.
    bundle: PathBuf,
    /// Accept its plugins as they are: until this is said again, one that has changed does not run. Written to a .lock
    /// file beside the bundle.
    #[arg(long)]
    accept: bool,
    /// Do not connect to any server. Otherwise the databases whose credentials are set are asked whether their roles can do
    /// more than the grants say.
    #[arg(long)]
    offline: bool,
    /// How the problems are printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// A list, for editors and pipelines.
    Json,
}

/// 0 when all is well, 1 when something is unwise, 3 when something is wrong.
pub(super) async fn execute(global: &Global, arguments: &Arguments) -> u8 {
    let path = arguments.bundle.as_path();
    let text = match text(path) {
        Ok(text) => text,
        Err(error) => return fail(&error),
    };
    let (accepted, host) = match Accepted::read(path).and_then(|accepted| Ok((accepted, global.host()?))) {
        Ok(both) => both,
        // It is about to be written anew.
        Err(_) if arguments.accept => match global.host() {
            Ok(host) => (None, host),
            Err(error) => return fail(&error),
        },
        Err(error) => return fail(&error),
    };
    let accepted = accepted.filter(|_| !arguments.accept);
    let (problems, tasks, locked, unasked) = match read(path, &text) {
        Err(problems) => (problems, 0, None, vec![]),
        Ok(bundle) => {
            let mut checked = bundle.check(&global.plugins(&host), accepted.as_ref(), |_| false).await;
            let wrong = checked.problems.iter().any(|problem| problem.weight == Weight::Error);
            let lock = (arguments.accept && !wrong).then(|| Accepted::now(&checked.ready).write(path));
            let unasked = if arguments.offline { vec![] } else { checked.ask_roles().await };
            (checked.problems, bundle.tasks.len(), lock, unasked)
        }
    };
    let shown = Problems { name: &path.display().to_string(), text: &text, problems: &problems };
    match arguments.format {
        Format::Json => print(&json(&shown.placed())),
        Format::Text => {
            print(&shown.shown(true));
            for unasked in &unasked {
                print(&format!("not looked at: {unasked}\n"));
            }
            print(&format!("{}\n", summary(path, tasks, &problems)));
        }
    }
    match locked {
        Some(Ok(path)) if arguments.format == Format::Text => print(&format!("accepted: {}\n", path.display())),
        Some(Err(error)) => return fail(&error),
        Some(Ok(_)) | None => {}
    }
    match problems.iter().map(|problem| problem.weight).min() {
        None => 0,
        Some(Weight::Warning) => 1,
        Some(Weight::Error) => 3,
    }
}

fn summary(path: &Path, tasks: usize, problems: &[Problem]) -> String {
    let of = |weight| problems.iter().filter(|problem| problem.weight == weight).count();
    let (wrong, unwise) = (of(Weight::Error), of(Weight::Warning));
    match (wrong, unwise) {
        (0, 0) => format!("{}: {}, all is well", path.display(), count(tasks, "task")),
        (0, _) => format!("{}: {}, {}", path.display(), count(tasks, "task"), count(unwise, "warning")),
        _ => format!(
            "{}: {}, {}; nothing of it runs before they are mended",
            path.display(),
            count(wrong, "mistake"),
            count(unwise, "warning")
        ),
    }
}

/// The file's text.
pub(super) fn text(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("failed to read the bundle {}: {error}", path.display()))
}

/// The bundle, or its mistakes on standard error.
pub(super) fn bundle(path: &Path, text: &str) -> Option<Bundle> {
    read(path, text).map_err(|problems| complain(path, text, &problems)).ok()
}

/// Shows problems on standard error.
pub(super) fn complain(path: &Path, text: &str, problems: &[Problem]) {
    show(path, text, problems);
    eprintln!("{}", summary(path, 0, problems));
}

/// The same of another kind of file, of which `so` is what follows from them.
pub(super) fn complain_of(path: &Path, text: &str, problems: &[Problem], so: &str) {
    show(path, text, problems);
    let plural = if problems.len() == 1 { "" } else { "s" };
    eprintln!("{}: {} mistake{plural}; {so}", path.display(), problems.len());
}

fn show(path: &Path, text: &str, problems: &[Problem]) {
    let shown = Problems { name: &path.display().to_string(), text, problems };
    anstream::eprint!("{}", shown.shown(true));
}

impl Global {
    /// Where a bundle's plugins come from.
    pub(super) fn plugins<'a>(&self, host: &'a Host) -> Plugins<'a> {
        Plugins { host, directories: self.plugin_path() }
    }
}
