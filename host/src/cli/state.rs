//! `host state FILE`: what tasks remember.

use std::path::PathBuf;

use anstyle::Style;
use clap::Args;
use jiff::Timestamp;

use super::{fail, json, print};
use crate::capability::state::{Kept, read_all};
use crate::policy::text::clean_line;

/// Bytes of a value that are shown.
const SHOWN: usize = 60;

#[derive(Args)]
pub(super) struct Arguments {
    /// The file that a `state` slot is bound to.
    file: PathBuf,
    /// Only what this task remembers.
    #[arg(long, value_name = "NAME")]
    task: Option<String>,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For machines.
    Json,
}

pub(super) async fn execute(arguments: &Arguments) -> u8 {
    let mut kept = match read_all(&arguments.file).await {
        Ok(kept) => kept,
        Err(error) => return fail(&error.to_string()),
    };
    if let Some(task) = &arguments.task {
        kept.retain(|kept| kept.task == *task);
    }
    print(&match arguments.format {
        Format::Json => json(&kept),
        Format::Text => text(&kept),
    });
    0
}

fn text(kept: &[Kept]) -> String {
    if kept.is_empty() {
        return "nothing is remembered\n".into();
    }
    let (bold, dim) = (Style::new().bold(), Style::new().dimmed());
    let name = |kept: &Kept| {
        let subject = kept.subject.as_ref().filter(|subject| !subject.is_empty());
        clean_line(&subject.map_or_else(|| kept.name.clone(), |subject| format!("{} ({subject})", kept.name)), SHOWN)
    };
    let width = kept.iter().map(|kept| name(kept).chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    let mut task = None;
    for kept in kept {
        if task != Some(&kept.task) {
            let gap = if task.is_some() { "\n" } else { "" };
            out += &format!("{gap}{bold}{}{bold:#}\n", clean_line(&kept.task, SHOWN));
            task = Some(&kept.task);
        }
        let written = Timestamp::from_second(kept.written).map(|time| time.to_string()).unwrap_or_default();
        let count = match kept.kind {
            "series" => format!("{} samples", kept.count),
            _ => format!("version {}", kept.count),
        };
        let value = clean_line(&kept.value, SHOWN);
        out += &format!("  {:width$}  {value}  {dim}{count}, {written}{dim:#}\n", name(kept));
    }
    out
}
