//! `host tick`: a checklist entry was done by a person.

use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;

use super::place::of_bundle;
use super::{check, fail, print, run};
use crate::bundle::{Bundle, ChecklistEntry};
use crate::history::calendar::{self, Period};
use crate::history::{self, Entry, Target, Ticked};
use crate::plugin::{did_you_mean, nearest_word};
use crate::policy::text::clean_line;

/// Bytes of a name or a note.
const NAME_LIMIT: usize = 200;
const NOTE_LIMIT: usize = 4096;

#[derive(Args)]
pub(super) struct Arguments {
    /// The bundle file, which has the checklist.
    bundle: PathBuf,
    /// The entry's title, or a part of it that no other has.
    #[arg(value_name = "TITLE")]
    title: String,
    /// Who did it [default: the user's name].
    #[arg(long, value_name = "NAME", env = "TASKHOST_MAINTAINER")]
    by: Option<String>,
    /// What there is to say about it.
    #[arg(long, value_name = "TEXT", conflicts_with = "undo")]
    note: Option<String>,
    /// Take back the tick of this period.
    #[arg(long)]
    undo: bool,
    /// Where it is recorded, where that is not in the bundle's history: a file, `postgres://...` or `env:NAME`.
    #[arg(long, value_name = "FILE|URL")]
    record: Option<String>,
}

/// 0 when it was done, 1 when there was nothing to do.
pub(super) async fn execute(arguments: &Arguments) -> u8 {
    match tick(arguments).await {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

async fn tick(arguments: &Arguments) -> Result<u8, String> {
    let path = arguments.bundle.as_path();
    let text = check::text(path)?;
    let Some(bundle) = check::bundle(path, &text) else { return Ok(3) };
    let target = match &arguments.record {
        Some(written) => Target::from_flag(written).map_err(|error| format!("--record: {error}"))?,
        None => of_bundle(path, &bundle).await?,
    };
    let entry = find(&bundle, path, &arguments.title)?;
    let today = calendar::day(Timestamp::now(), &bundle.time_zone);
    let period = Period::of(entry.kind, today).name;
    let by = clean_line(&run::maintainer(arguments.by.clone()), NAME_LIMIT);
    let name = clean_line(&bundle.name, 512);
    let what = Entry { bundle: &name, checklist: &bundle.checklist, entry, period: &period, by: &by };
    if arguments.undo {
        return match history::untick(&target, what).await.map_err(|error| error.to_string())? {
            Some(tick) => {
                print(&format!("{}: the tick of {} for {period} is taken back\n", entry.title, tick.by));
                Ok(0)
            }
            None => {
                print(&format!("{}: not ticked for {period}\n", entry.title));
                Ok(1)
            }
        };
    }
    let note = arguments.note.as_ref().map(|note| clean_line(note, NOTE_LIMIT));
    match history::tick(&target, what, note.as_deref()).await.map_err(|error| error.to_string())? {
        Ticked::Done(tick) => {
            print(&format!("{}: done for {period}, by {}\n", entry.title, tick.by));
            Ok(0)
        }
        Ticked::Already(tick) => {
            let at = tick.at.to_zoned_datetime(bundle.time_zone.clone()).strftime("%F %H:%M").to_string();
            print(&format!(
                "{}: was done for {period} already, by {} on {at}; --undo takes it back\n",
                entry.title, tick.by
            ));
            Ok(1)
        }
    }
}

/// The entry that is meant.
fn find<'a>(bundle: &'a Bundle, path: &Path, title: &str) -> Result<&'a ChecklistEntry, String> {
    let lower = title.to_lowercase();
    let named = |entry: &&ChecklistEntry| entry.title.to_lowercase() == lower;
    let part = |entry: &&ChecklistEntry| entry.title.to_lowercase().contains(&lower);
    let mut found: Vec<&ChecklistEntry> = bundle.checklist.iter().filter(named).collect();
    if found.is_empty() && !lower.trim().is_empty() {
        found = bundle.checklist.iter().filter(part).collect();
    }
    match found.as_slice() {
        [entry] => Ok(entry),
        [] => {
            let titles = || bundle.checklist.iter().map(|entry| entry.title.as_str());
            let near = did_you_mean(nearest_word(title, titles()));
            let all = titles().collect::<Vec<_>>().join(", ");
            let all = if all.is_empty() { String::new() } else { format!("; it has {all}") };
            Err(format!("the checklist of {} has no `{title}`{near}{all}", path.display()))
        }
        several => {
            let titles: Vec<String> =
                several.iter().map(|entry| format!("{} ({})", entry.title, entry.kind.name())).collect();
            Err(format!("`{title}` may be {}; write more of it", titles.join(" or ")))
        }
    }
}
