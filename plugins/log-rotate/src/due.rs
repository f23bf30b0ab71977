//! Whether a log is to be rotated now. Pure.

use taskhost_sdk::words::{size, span};

use crate::model::{Live, Log, Settings, Way};
use log_names::Mark;

/// Why a log stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stays {
    Empty,
    Small,
    NotYet,
    /// Nothing was written since its rotation.
    Unchanged,
}

/// Why the log is to be rotated, for people. `archived` is when rotated files were last packed away.
///
/// # Errors
/// Why it is not.
pub(crate) fn due(log: &Log, live: &Live, archived: Option<i64>, settings: &Settings) -> Result<String, Stays> {
    if live.size == 0 {
        return Err(Stays::Empty);
    }
    if live.size < settings.at_least {
        return Err(Stays::Small);
    }
    // There is no second name for the same second.
    if log.rotated.iter().any(|old| matches!(old.mark, Mark::Time { at, exact: true } if at >= settings.now)) {
        return Err(Stays::NotYet);
    }
    if let Some(larger) = settings.larger_than.filter(|larger| live.size >= *larger) {
        return Ok(format!("{} or more", size(larger)));
    }
    let Some(every) = settings.every else { return Err(Stays::NotYet) };
    let Some(begun) = begun(log, live, archived, settings) else { return Ok("never rotated".into()) };
    let age = u64::try_from(settings.now.saturating_sub(begun)).unwrap_or_default();
    if age < every {
        return Err(Stays::NotYet);
    }
    let last = log.rotated.iter().map(crate::model::Old::rotated).max();
    if last.is_some_and(|last| live.modified < last) {
        return Err(Stays::Unchanged);
    }
    Ok(format!("{} old", span(age)))
}

/// Since when the log has been written to: since its last rotation, or else since it was made. None when that is not
/// known.
fn begun(log: &Log, live: &Live, archived: Option<i64>, settings: &Settings) -> Option<i64> {
    if let Some(last) = log.rotated.iter().map(crate::model::Old::rotated).max() {
        return Some(last);
    }
    // Whose last line is that old is so itself, whenever the file was made: it may have been brought here.
    let made = live.created.map(|created| created.min(live.modified))?;
    match (settings.way, archived) {
        // It is still the same file after a cut.
        (Way::Copy, Some(archived)) => Some(archived.max(made)),
        _ => Some(made),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Style;
    use crate::model::tests::old;
    use crate::model::{Keep, Old};
    use log_names::Packing;

    const NOW: i64 = 1_795_403_405;
    const DAY: i64 = 86_400;

    fn settings(every: Option<i64>, larger_than: Option<u64>) -> Settings {
        Settings {
            way: Way::Rename,
            style: Style::Dated,
            every: every.map(i64::unsigned_abs),
            larger_than,
            at_least: 1,
            packing: Packing::Gzip,
            delay: true,
            keep: Keep::default(),
            packs: false,
            now: NOW,
            blind: false,
        }
    }

    fn live(size: u64, modified: i64, created: Option<i64>) -> Live {
        Live { size, modified: NOW - modified, created: created.map(|age| NOW - age), ..Live::default() }
    }

    fn rotated(age: i64) -> Vec<Old> {
        vec![Old { changed: NOW - age, ..old("app.log.1", NOW - age) }]
    }

    #[test]
    fn a_log_is_rotated_by_its_age_or_its_size() {
        for (case, every, larger, live, rotated, expected) in [
            ("a day old", Some(DAY), None, live(9, 5, Some(DAY)), vec![], Ok("1 d old")),
            ("younger", Some(DAY), None, live(9, 5, Some(DAY - 1)), vec![], Err(Stays::NotYet)),
            ("old content in a new file", Some(DAY), None, live(9, 2 * DAY, Some(0)), vec![], Ok("2 d old")),
            ("made at an unknown time", Some(DAY), None, live(9, 0, None), vec![], Ok("never rotated")),
            ("rotated a day ago", Some(DAY), None, live(9, 5, Some(9 * DAY)), rotated(DAY), Ok("1 d old")),
            ("rotated just now", Some(DAY), None, live(9, 0, Some(9 * DAY)), rotated(3), Err(Stays::NotYet)),
            ("idle since", Some(DAY), None, live(9, 3 * DAY, None), rotated(2 * DAY), Err(Stays::Unchanged)),
            ("large", Some(DAY), Some(100), live(100, 0, Some(0)), rotated(3), Ok("100 B or more")),
            ("not large", None, Some(100), live(99, 9 * DAY, Some(9 * DAY)), vec![], Err(Stays::NotYet)),
            ("empty", Some(DAY), Some(0), live(0, 9 * DAY, Some(9 * DAY)), vec![], Err(Stays::Empty)),
        ] {
            let log = Log { path: "app.log".into(), live: None, rotated };
            let verdict = due(&log, &live, None, &settings(every, larger));
            assert_eq!(verdict, expected.map(Into::into), "{case}");
        }
    }

    #[test]
    fn what_is_small_stays_and_so_does_what_was_rotated_this_second() {
        let log = |rotated| Log { path: "app.log".into(), live: None, rotated };
        let small = Settings { at_least: 10, ..settings(Some(DAY), None) };
        assert_eq!(due(&log(vec![]), &live(9, DAY, Some(DAY)), None, &small), Err(Stays::Small));
        let this = log(vec![old("app.log-20261123-031005", NOW)]);
        assert_eq!(due(&this, &live(900, 0, Some(0)), None, &settings(None, Some(1))), Err(Stays::NotYet));
    }

    #[test]
    fn a_log_that_is_copied_stays_the_same_file_and_its_archive_says_when() {
        let log = Log { path: "app.log".into(), live: None, rotated: vec![] };
        let copied = Settings { way: Way::Copy, ..settings(Some(DAY), None) };
        let old_file = live(9, 0, Some(90 * DAY));
        assert_eq!(due(&log, &old_file, Some(NOW - 60), &copied), Err(Stays::NotYet));
        assert_eq!(due(&log, &old_file, Some(NOW - DAY), &copied), Ok("1 d old".into()));
        assert_eq!(due(&log, &old_file, Some(NOW - 60), &settings(Some(DAY), None)), Ok("90 d old".into()));
    }
}
