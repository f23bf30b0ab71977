//! Times, lengths of time and figures as people read them. Pure.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{Markup, html};

/// How times are shown: there, as seen now.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    pub(super) zone: TimeZone,
    pub(super) now: Timestamp,
}

impl Clock {
    /// A moment, and in UTC on asking.
    pub(super) fn moment(&self, time: Timestamp) -> Markup {
        Self::shown(time, &self.local(time, "%F %H:%M:%S"))
    }

    /// How long ago, or in how long.
    pub(super) fn distance(&self, time: Timestamp) -> Markup {
        let seconds = time.as_second().saturating_sub(self.now.as_second());
        let span = span(seconds.unsigned_abs());
        Self::shown(time, &if seconds >= 0 { format!("in {span}") } else { format!("{span} ago") })
    }

    /// The day is left out where it is today.
    pub(super) fn short(&self, time: Timestamp) -> Markup {
        let day = |time: Timestamp| self.local(time, "%F");
        let form = if day(time) == day(self.now) { "%H:%M" } else { "%a %e %b %H:%M" };
        Self::shown(time, &self.local(time, form))
    }

    pub(super) fn local(&self, time: Timestamp, form: &str) -> String {
        time.to_zoned_datetime(self.zone.clone()).strftime(form).to_string()
    }

    fn shown(time: Timestamp, text: &str) -> Markup {
        let utc = time.strftime("%F %H:%M:%S UTC").to_string();
        html! { time datetime=(time.strftime("%FT%H:%M:%SZ").to_string()) title=(utc) { (text) } }
    }
}

/// A length of time in its largest unit.
pub(super) fn span(seconds: u64) -> String {
    match seconds {
        0..90 => format!("{seconds} s"),
        90..5_400 => format!("{} min", (seconds + 30) / 60),
        5_400..172_800 => format!("{} h", (seconds + 1_800) / 3_600),
        _ => format!("{} d", (seconds + 43_200) / 86_400),
    }
}

/// A length of time that was measured.
#[expect(clippy::cast_precision_loss, reason = "shown only")]
pub(super) fn measured(microseconds: u64) -> String {
    match microseconds {
        0..1_000 => format!("{microseconds} µs"),
        1_000..1_000_000 => format!("{} ms", microseconds / 1_000),
        1_000_000..60_000_000 => format!("{:.1} s", microseconds as f64 / 1e6),
        _ => span(microseconds / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        for (seconds, text) in
            [(0, "0 s"), (89, "89 s"), (90, "2 min"), (5_399, "90 min"), (7_200, "2 h"), (172_800, "2 d")]
        {
            assert_eq!(span(seconds), text);
        }
        for (time, text) in [(12, "12 µs"), (12_500, "12 ms"), (1_250_000, "1.2 s"), (90_000_000, "2 min")] {
            assert_eq!(measured(time), text);
        }
    }

    #[test]
    fn times_are_shown_where_people_are() {
        let clock =
            Clock { zone: TimeZone::get("Europe/Berlin").unwrap(), now: "2026-03-14T23:30:00Z".parse().unwrap() };
        let today = clock.short("2026-03-14T23:15:00Z".parse().unwrap()).into_string();
        assert!(today.contains(">00:15<") && today.contains("title=\"2026-03-14 23:15:00 UTC\""), "{today}");
        let before = clock.short("2026-03-14T22:15:00Z".parse().unwrap()).into_string();
        assert!(before.contains(">Sat 14 Mar 23:15<"), "{before}");
        let ago = clock.distance("2026-03-14T22:30:00Z".parse().unwrap()).into_string();
        assert!(ago.contains(">60 min ago<"), "{ago}");
    }
}
