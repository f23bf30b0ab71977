//! Writes docs/benchmarks.md.

use std::fmt::Write as _;

use crate::growth;
use crate::measure::{Comparison, ratio, shown};

pub(super) fn render(comparisons: &[Comparison], growth: &[growth::Line], machine: &str) -> String {
    let mut page = String::from(
        "# Benchmarks\n\n\
         Made by `cargo xtask bench`, which measures all candidates of a comparison side by side, in turns, in one run, and rewrites this page. \
         Read the ratios: absolute times belong to one machine on one day.\n\n",
    );
    let _ = writeln!(page, "Machine: {machine}.\n");
    page.push_str("| what | Taskhost | compared with | ratio | aim | met |\n| --- | --- | --- | --- | --- | --- |\n");
    for comparison in comparisons {
        let Some(((_, ours), others)) = comparison.times.split_first() else { continue };
        for (index, (name, theirs)) in others.iter().enumerate() {
            let (title, own) = if index == 0 { (comparison.title.as_str(), shown(*ours)) } else { ("", String::new()) };
            let (aim, met) = match (index, comparison.met) {
                (0, true) => (comparison.aim.as_str(), "yes"),
                (0, false) => (comparison.aim.as_str(), "no"),
                _ => ("", ""),
            };
            let _ = writeln!(
                page,
                "| {title} | {own} | {name}: {} | {} | {aim} | {met} |",
                shown(*theirs),
                factor(ratio(*ours, *theirs))
            );
        }
    }
    if !growth.is_empty() {
        page.push_str(
            "\n## How it grows\n\n![time and peak memory over the number of rows, keys and files](growth.svg)\n\n",
        );
        page.push_str(&growth::table(growth));
    }
    page.push_str("\n## How each was measured\n");
    for comparison in comparisons {
        let _ = writeln!(
            page,
            "\n### {}\n\n{} Medians of {} rounds.",
            comparison.title, comparison.method, comparison.rounds
        );
        if !comparison.met && !comparison.missed.is_empty() {
            let _ = writeln!(page, "\nThe aim is missed. {}", comparison.missed);
        }
    }
    page.push_str("\n## To repeat\n\n`cargo xtask bench`, or `cargo xtask bench NAME...` for some of them. It builds in release, starts its own PostgreSQL, and needs some 4 GiB of free disk under `target/bench`.\n");
    page
}

/// `0.21 x`: ours takes so much of their time.
fn factor(ratio: f64) -> String {
    if ratio < 0.1 { format!("{ratio:.3} x") } else { format!("{ratio:.2} x") }
}
