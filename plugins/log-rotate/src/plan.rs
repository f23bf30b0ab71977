//! What is to be done with one log, step by step. Pure: the same facts make the same steps, in a plan and in a run.
//!
//! Every step leaves all lines somewhere, so that a host that is killed between two of them has lost nothing, and the
//! next run makes the steps that are left from what it finds.

use crate::Style;
use crate::model::{Live, Log, Old, Settings, Way};
use log_names::{COPYING, Mark, Packing, stamp};

/// How long a file must have been left alone to count as closed, where not all processes can be looked into.
const LEFT_ALONE: i64 = 3_600;

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A rotated file gets the next number.
    Shift {
        from: String,
        to: String,
    },
    /// The log itself is renamed.
    Rotate {
        to: String,
    },
    /// The log is copied to `by`, cut, and the copy named `to`.
    Copy {
        by: String,
        to: String,
    },
    Compress {
        from: String,
        to: String,
    },
    /// It is put into the run's archive.
    Pack {
        path: String,
    },
    Remove {
        path: String,
        why: String,
    },
}

/// What becomes of a rotated file.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fate {
    Stays,
    Compressed,
    Packed,
    Goes(String),
}

/// The steps for a log; `due` says whether it is rotated.
pub(crate) fn plan(log: &Log, due: Option<&Live>, settings: &Settings) -> Vec<Step> {
    let mut old = log.rotated.clone();
    let target = due.map(|live| {
        let mark = match settings.style {
            Style::Numbered => Mark::Number(1),
            Style::Dated => Mark::Time { at: settings.now, exact: true },
        };
        let to = name(&log.path, mark, Packing::Plain);
        old.insert(0, newly(&to, mark, live, settings));
        to
    });
    let fates: Vec<Fate> = old.iter().enumerate().map(|(place, old)| fate(place, old, settings)).collect();
    let mut steps = Vec::new();
    let shifted = match &target {
        Some(_) if settings.style == Style::Numbered => shift(log, &mut old, &fates, settings, &mut steps),
        _ => vec![],
    };
    if let Some(to) = target {
        steps.push(match settings.way {
            Way::Rename => Step::Rotate { to },
            Way::Copy => Step::Copy { by: format!("{to}{COPYING}"), to },
        });
    }
    for (place, (old, fate)) in old.iter().zip(&fates).enumerate() {
        match fate {
            Fate::Compressed if !shifted.contains(&place) => {
                let to = format!("{}{}", old.path, settings.packing.suffix());
                steps.push(Step::Compress { from: old.path.clone(), to });
            }
            Fate::Packed => steps.push(Step::Pack { path: old.path.clone() }),
            _ => {}
        }
    }
    for (old, fate) in old.iter().zip(fates) {
        if let Fate::Goes(why) = fate {
            steps.push(Step::Remove { path: old.path.clone(), why });
        }
    }
    steps
}

fn name(log: &str, mark: Mark, packing: Packing) -> String {
    let suffix = packing.suffix();
    match mark {
        Mark::Number(number) => format!("{log}.{number}{suffix}"),
        Mark::Time { at, .. } => format!("{log}-{}{suffix}", stamp(at)),
    }
}

/// The log as it will be once it is rotated. Who writes to it goes on doing so after a rename; a copy is nobody's.
fn newly(path: &str, mark: Mark, live: &Live, settings: &Settings) -> Old {
    let writers = if settings.way == Way::Rename { live.writers.clone() } else { vec![] };
    let modified = live.modified;
    Old {
        path: path.into(),
        mark,
        packing: Packing::Plain,
        copying: false,
        size: live.size,
        modified,
        changed: settings.now,
        writers,
    }
}

/// Whether nobody writes to a rotated file any more.
pub(crate) fn is_closed(old: &Old, settings: &Settings) -> bool {
    old.writers.is_empty() && !(settings.blind && old.modified > settings.now - LEFT_ALONE)
}

fn fate(place: usize, old: &Old, settings: &Settings) -> Fate {
    if old.copying || !is_closed(old, settings) {
        return Fate::Stays;
    }
    let age = u64::try_from(settings.now.saturating_sub(old.modified)).unwrap_or_default();
    if !settings.packs
        && let Some(why) = settings.keep.goes(place, age)
    {
        return Fate::Goes(why);
    }
    if old.packing != Packing::Plain || (settings.delay && place == 0) {
        return Fate::Stays;
    }
    match settings.packing {
        _ if settings.packs => Fate::Packed,
        Packing::Plain => Fate::Stays,
        _ => Fate::Compressed,
    }
}

/// Makes room for a new number 1: each up to the first gap gets the next number, the last one first. One that is to be
/// compressed is on that way; these are returned, by their places.
fn shift(log: &Log, old: &mut [Old], fates: &[Fate], settings: &Settings, steps: &mut Vec<Step>) -> Vec<usize> {
    let taken = |number: u32, old: &[Old]| old.iter().skip(1).any(|old| old.mark == Mark::Number(number));
    let last = (1..u32::MAX).take_while(|number| taken(*number, old)).last().unwrap_or(0);
    let mut compressed = Vec::new();
    for number in (1..=last).rev() {
        for (place, (old, fate)) in old.iter_mut().zip(fates).enumerate().skip(1) {
            if old.mark != Mark::Number(number) {
                continue;
            }
            let from = std::mem::take(&mut old.path);
            old.mark = Mark::Number(number + 1);
            let packing = if *fate == Fate::Compressed { settings.packing } else { old.packing };
            old.path = name(&log.path, old.mark, packing);
            if old.copying {
                old.path += COPYING;
            }
            let to = old.path.clone();
            if *fate == Fate::Compressed {
                compressed.push(place);
                steps.push(Step::Compress { from, to });
            } else {
                steps.push(Step::Shift { from, to });
            }
        }
    }
    compressed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Keep;
    use crate::model::tests::old;

    /// 2026-11-23 03:10:05.
    const NOW: i64 = 1_795_403_405;
    const DAY: i64 = 86_400;

    fn settings(style: Style) -> Settings {
        Settings {
            way: Way::Rename,
            style,
            every: None,
            larger_than: None,
            at_least: 1,
            packing: Packing::Gzip,
            delay: true,
            keep: Keep::default(),
            packs: false,
            now: NOW,
            blind: false,
        }
    }

    fn log(rotated: &[(&str, i64)]) -> Log {
        let rotated = rotated.iter().map(|(path, days)| old(path, NOW - days * DAY)).collect();
        let mut log = Log { path: "a.log".into(), live: None, rotated };
        log.sort();
        log
    }

    fn live(writers: &[&str]) -> Live {
        let writers = writers.iter().map(|writer| (*writer).to_owned()).collect();
        Live { size: 9, modified: NOW - 5, writers, ..Live::default() }
    }

    /// Each step in a line.
    fn steps(log: &Log, due: Option<&Live>, settings: &Settings) -> Vec<String> {
        let shown = |step| match step {
            Step::Shift { from, to } => format!("{from} > {to}"),
            Step::Rotate { to } => format!("rotate {to}"),
            Step::Copy { by, to } => format!("copy {by} {to}"),
            Step::Compress { from, to } => format!("compress {from} > {to}"),
            Step::Pack { path } => format!("pack {path}"),
            Step::Remove { path, .. } => format!("remove {path}"),
        };
        plan(log, due, settings).into_iter().map(shown).collect()
    }

    #[test]
    fn numbers_move_up_to_the_first_gap_and_nothing_is_overwritten() {
        let live = live(&["app (process 1)"]);
        for (rotated, expected) in [
            (&[][..], &["rotate a.log.1"][..]),
            (&[("a.log.1", 1)], &["compress a.log.1 > a.log.2.gz", "rotate a.log.1"]),
            (
                &[("a.log.1", 1), ("a.log.2.gz", 2), ("a.log.3.zst", 3), ("a.log.5.gz", 5)],
                &[
                    "a.log.3.zst > a.log.4.zst",
                    "a.log.2.gz > a.log.3.gz",
                    "compress a.log.1 > a.log.2.gz",
                    "rotate a.log.1",
                ],
            ),
            // A run that was killed after the shift.
            (&[("a.log.2.gz", 1), ("a.log.3.gz", 2)], &["rotate a.log.1"]),
            (
                &[("a.log.1", 1), ("a.log.1.gz", 1)],
                &["compress a.log.1 > a.log.2.gz", "a.log.1.gz > a.log.2.gz", "rotate a.log.1"],
            ),
        ] {
            assert_eq!(steps(&log(rotated), Some(&live), &settings(Style::Numbered)), expected, "{rotated:?}");
        }
    }

    #[test]
    fn the_newest_rotated_file_waits_for_the_next_rotation() {
        let rotated = log(&[("a.log-20261121-000000", 2), ("a.log-20261122-000000", 1)]);
        let compressed = "compress a.log-20261121-000000 > a.log-20261121-000000.gz";
        assert_eq!(steps(&rotated, None, &settings(Style::Dated)), [compressed]);
        let at_once = Settings { delay: false, ..settings(Style::Dated) };
        let last = "compress a.log-20261122-000000 > a.log-20261122-000000.gz";
        assert_eq!(steps(&rotated, None, &at_once), [last, compressed]);
        assert_eq!(
            steps(&rotated, Some(&live(&[])), &settings(Style::Dated)),
            ["rotate a.log-20261123-031005", last, compressed]
        );
        let none = Settings { packing: Packing::Plain, ..at_once };
        assert_eq!(steps(&rotated, None, &none), [""; 0]);
    }

    #[test]
    fn what_is_still_open_is_neither_compressed_nor_packed_nor_removed() {
        let mut rotated = log(&[("a.log-20261001-000000", 50), ("a.log-20261002-000000.gz", 40)]);
        let strict = Settings { delay: false, keep: Keep { newest: Some(1), younger: None }, ..settings(Style::Dated) };
        assert_eq!(steps(&rotated, None, &strict), ["remove a.log-20261001-000000"]);
        for old in &mut rotated.rotated {
            old.writers = vec!["app (process 1)".into()];
        }
        assert_eq!(steps(&rotated, None, &strict), [""; 0]);
        let packs = Settings { packs: true, ..strict.clone() };
        assert_eq!(steps(&rotated, None, &packs), [""; 0]);
        // Its writer keeps a log that was renamed just now; a copy is nobody's.
        let written = live(&["app (process 1)"]);
        let at_once = Settings { keep: Keep::default(), ..strict };
        assert_eq!(steps(&log(&[]), Some(&written), &at_once), ["rotate a.log-20261123-031005"]);
        let copied = Settings { way: Way::Copy, ..at_once.clone() };
        assert_eq!(
            steps(&log(&[]), Some(&written), &copied),
            [
                "copy a.log-20261123-031005.copying a.log-20261123-031005",
                "compress a.log-20261123-031005 > a.log-20261123-031005.gz"
            ]
        );
        // Where not all processes can be seen, what was written within the hour counts as open.
        let blind = Settings { blind: true, ..at_once };
        assert_eq!(steps(&log(&[]), Some(&live(&[])), &blind), ["rotate a.log-20261123-031005"]);
    }

    #[test]
    fn what_is_beyond_what_is_kept_goes_last_and_is_not_compressed_before() {
        let rotated = log(&[("a.log.1", 1), ("a.log.2", 2), ("a.log.3.gz", 3)]);
        let two = Settings { keep: Keep { newest: Some(2), younger: None }, ..settings(Style::Numbered) };
        assert_eq!(
            steps(&rotated, Some(&live(&[])), &two),
            [
                "a.log.3.gz > a.log.4.gz",
                "a.log.2 > a.log.3",
                "compress a.log.1 > a.log.2.gz",
                "rotate a.log.1",
                "remove a.log.3",
                "remove a.log.4.gz"
            ]
        );
        let young =
            Settings { keep: Keep { newest: Some(2), younger: Some(30 * 86_400) }, ..settings(Style::Numbered) };
        assert!(steps(&rotated, None, &young).iter().all(|step| !step.starts_with("remove")));
    }

    #[test]
    fn rotated_files_are_packed_when_that_is_wanted() {
        let rotated = log(&[("a.log.1", 1), ("a.log.2", 2), ("a.log.3.gz", 3)]);
        let packs = Settings { packs: true, delay: false, ..settings(Style::Numbered) };
        assert_eq!(steps(&rotated, None, &packs), ["pack a.log.1", "pack a.log.2"]);
        assert_eq!(
            steps(&rotated, Some(&live(&[])), &packs),
            [
                "a.log.3.gz > a.log.4.gz",
                "a.log.2 > a.log.3",
                "a.log.1 > a.log.2",
                "rotate a.log.1",
                "pack a.log.1",
                "pack a.log.2",
                "pack a.log.3"
            ]
        );
    }

    #[test]
    fn once_a_log_was_rotated_there_is_nothing_more_to_do() {
        for style in [Style::Dated, Style::Numbered] {
            let mut after = log(&[("a.log.3.gz", 3)]);
            let to = if style == Style::Numbered { "a.log.1" } else { "a.log-20261123-031005" };
            after.rotated.insert(0, old(to, NOW - 5));
            assert_eq!(steps(&after, None, &settings(style)), [""; 0]);
        }
    }
}
