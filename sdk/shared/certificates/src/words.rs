//! Certificates in words: dates, spans of time, who issued what.

use crate::certificate::Certificate;

/// The date of a time in seconds since 1970, in the proleptic Gregorian calendar: `2026-11-23`.
pub fn date(seconds: i64) -> String {
    // Days from civil, turned around: years begin in March, so that the leap day is the last.
    let days = seconds.div_euclid(86_400) + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// A span of time in days, to the nearest, or in hours below two days: `12 days`, `5 hours`.
pub fn span(seconds: i64) -> String {
    let seconds = seconds.abs();
    let days = seconds >= 2 * 86_400;
    let (count, unit) = if days { ((seconds + 43_200) / 86_400, "day") } else { (seconds / 3_600, "hour") };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// A certificate with its issuer, for a detail.
pub fn described(certificate: &Certificate) -> String {
    if certificate.self_issued() {
        format!("`{}`, self-signed", certificate.name)
    } else {
        format!("`{}`, issued by `{}`", certificate.name, certificate.issuer_name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_spans_are_as_people_write_them() {
        for (seconds, text) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (4_107_542_400, "2100-03-01"),
            (253_402_300_799, "9999-12-31"),
        ] {
            assert_eq!(date(seconds), text);
        }
        for (seconds, text) in [
            (0, "0 hours"),
            (3_600, "1 hour"),
            (172_799, "47 hours"),
            (172_800, "2 days"),
            (1_036_799, "12 days"),
            (-1_036_800, "12 days"),
        ] {
            assert_eq!(span(seconds), text);
        }
    }
}
