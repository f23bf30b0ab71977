//! Dates and times as text, RFC 3339 in form, for any year that a database can hold.

const DAY: i64 = 86_400_000_000;

/// `YYYY-MM-DD` of a number of days since 1970-01-01.
pub(super) fn date(days: i64) -> String {
    let mut out = String::with_capacity(10);
    push_date(&mut out, days);
    out
}

/// `HH:MM:SS[.ffffff]` of microseconds since midnight; 24:00:00 is one.
pub(super) fn time(micros: i64) -> String {
    let mut out = String::with_capacity(15);
    push_time(&mut out, micros);
    out
}

/// `YYYY-MM-DDTHH:MM:SS[.ffffff]` and `Z` where there is a `zone`, of microseconds since 1970-01-01.
pub(super) fn timestamp(micros: i64, zone: bool) -> String {
    let mut out = String::with_capacity(27);
    push_date(&mut out, micros.div_euclid(DAY));
    out.push('T');
    push_time(&mut out, micros.rem_euclid(DAY));
    if zone {
        out.push('Z');
    }
    out
}

/// The same of parts that need make no date: MySQL has 0000-00-00.
pub(super) fn date_of(year: i64, month: i64, day: i64) -> String {
    let mut out = String::with_capacity(10);
    push_parts(&mut out, year, month, day);
    out
}

fn push_parts(out: &mut String, year: i64, month: i64, day: i64) {
    if year < 0 {
        out.push('-');
    }
    let year = year.unsigned_abs();
    if year > 9999 {
        out.push_str(&year.to_string());
    } else {
        push_digits(out, year / 100);
        push_digits(out, year % 100);
    }
    out.push('-');
    push_digits(out, month.unsigned_abs());
    out.push('-');
    push_digits(out, day.unsigned_abs());
}

/// The proleptic Gregorian calendar, in eras of 400 years that start on the first of March.
fn push_date(out: &mut String, days: i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    push_parts(out, year_of_era + era * 400 + carry, month, day);
}

fn push_time(out: &mut String, micros: i64) {
    let micros = micros.unsigned_abs();
    let seconds = micros / 1_000_000;
    push_digits(out, seconds / 3600);
    out.push(':');
    push_digits(out, seconds / 60 % 60);
    out.push(':');
    push_digits(out, seconds % 60);
    let fraction = micros % 1_000_000;
    if fraction > 0 {
        out.push('.');
        push_digits(out, fraction / 10_000);
        push_digits(out, fraction / 100 % 100);
        push_digits(out, fraction % 100);
        out.truncate(out.trim_end_matches('0').len());
    }
}

/// Two digits; more where the number has more.
fn push_digits(out: &mut String, number: u64) {
    if number > 99 {
        out.push_str(&number.to_string());
        return;
    }
    let digit = |digit: u64| char::from(b'0' + u8::try_from(digit).unwrap_or_default());
    out.push(digit(number / 10));
    out.push(digit(number % 10));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_make_dates() {
        for (days, text) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (11_016, "2000-02-29"),
            (20_780, "2026-11-23"),
            (-719_528, "0000-01-01"),
            (-719_529, "-0001-12-31"),
            (2_932_897, "10000-01-01"),
        ] {
            assert_eq!(date(days), text);
        }
    }

    #[test]
    fn microseconds_make_times() {
        assert_eq!(time(0), "00:00:00");
        assert_eq!(time(DAY), "24:00:00");
        assert_eq!(time(1_500_000), "00:00:01.5");
        assert_eq!(timestamp(1, true), "1970-01-01T00:00:00.000001Z");
        assert_eq!(timestamp(-1, false), "1969-12-31T23:59:59.999999");
    }
}
