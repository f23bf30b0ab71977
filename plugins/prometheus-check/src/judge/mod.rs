//! What a server's figures say of it. Pure: figures in, findings out.

pub(crate) mod rules;
pub(crate) mod server;
pub(crate) mod targets;

use taskhost_sdk::words;

use crate::api::Labels;

/// For people: `3 h 2 min`.
fn span(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole seconds are shown")]
    words::span(seconds.max(0.0) as u64)
}

/// Labels but for those named, for people: `instance=a, job=b`.
fn shown(labels: &Labels, without: &[&str]) -> String {
    let kept = labels.iter().filter(|(name, _)| !without.contains(&name.as_str()));
    kept.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ")
}

/// The beginning of what a server said.
fn beginning(text: &str) -> String {
    const SHOWN: usize = 300;
    let cut = text.char_indices().nth(SHOWN).map_or(text.len(), |(at, _)| at);
    let mut shown = text.get(..cut).unwrap_or(text).to_owned();
    if cut < text.len() {
        shown.push('…');
    }
    shown
}
