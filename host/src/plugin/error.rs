//! Why a plugin could not be loaded, or a run not begun.

use std::path::PathBuf;

use crate::policy::units::{Seconds, Size};

/// Why a plugin could not be loaded.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum LoadError {
    #[error("there is no plugin `{name}`{}; looked in {}", did_you_mean(.nearest.as_deref()), shown(.searched))]
    Unknown { name: String, nearest: Option<String>, searched: Vec<PathBuf> },
    #[error("failed to read the plugin {}: {error}", .path.display())]
    Unreadable { path: PathBuf, error: std::io::Error },
    #[error("the plugin {} is larger than {limit}", .path.display())]
    TooLarge { path: PathBuf, limit: Size },
    #[error("{} was not compiled within {limit}; allow more with --compile-timeout", .path.display())]
    SlowToCompile { path: PathBuf, limit: Seconds },
    #[error("{} is a core WebAssembly module, not a component; build it for the target wasm32-wasip2", .path.display())]
    CoreModule { path: PathBuf },
    #[error("{} is no WebAssembly component: {reason}", .path.display())]
    NotAComponent { path: PathBuf, reason: String },
    #[error("{} is a component of another world: {reason}; a plugin exports taskhost:host/task@0.1.0 (see wit/)", .path.display())]
    OtherWorld { path: PathBuf, reason: String },
    #[error("{} could not describe itself: {reason}", .path.display())]
    Describe { path: PathBuf, reason: String },
}

/// Why a run was not begun. All problems of a request are named together.
#[derive(Debug, Default, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct RequestError(pub Vec<String>);

/// `, did you mean ...` or nothing.
pub(crate) fn did_you_mean(name: Option<&str>) -> String {
    name.map(|name| format!(" (did you mean `{name}`?)")).unwrap_or_default()
}

fn shown(paths: &[PathBuf]) -> String {
    if paths.is_empty() {
        return "no directory; name one with --plugins".into();
    }
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// The candidate nearest to `word`, if any is near.
pub(crate) fn nearest_word<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
