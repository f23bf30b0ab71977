//! What a backup is called, so that those who verify, test and remove backups know its kind, its series and its time. Pure.

use backup_files::{Foreign, Form};
use taskhost_sdk::files::Codec;
use time::OffsetDateTime;

use crate::Compress;

/// The longest name of a series: a date, endings and a manifest's ending come behind it in 255 bytes.
const LONGEST: usize = 150;

/// Whether backups may be called that.
pub(crate) fn check(name: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !begins || !name.chars().all(plain) || name.len() > LONGEST {
        return Err(format!(
            "`name` is \"{}\"; it takes letters, digits, `-`, `_` and `.`, a letter or digit first, {LONGEST} at most",
            name.escape_debug()
        ));
    }
    if backup_files::made(name).is_some() {
        return Err(format!("`name` is \"{name}\", which has a date in it; each backup is given its own"));
    }
    Ok(())
}

/// `20261123T031005Z`.
pub(crate) fn stamp(now: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp(now).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (date, time) = (at.date(), at.time());
    let (month, day) = (u8::from(date.month()), date.day());
    format!("{:04}{month:02}{day:02}T{:02}{:02}{:02}Z", date.year(), time.hour(), time.minute(), time.second())
}

/// `2026-11-23T03:10:05Z`, for the manifest.
pub(crate) fn moment(now: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp(now).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (date, time) = (at.date(), at.time());
    let (month, day) = (u8::from(date.month()), date.day());
    format!("{:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", date.year(), time.hour(), time.minute(), time.second())
}

/// What is in a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Statements, as text.
    Sql,
    /// A tar: of files, or what `pg_dump --format=tar` writes.
    Tar,
    /// Something that its maker has compressed, or whose form is its own.
    Opaque,
}

impl Content {
    /// What a program writes, by how it begins.
    pub(crate) fn of(form: Form) -> Self {
        match form {
            Form::Plain => Self::Sql,
            Form::Tar => Self::Tar,
            Form::Compressed | Form::Foreign(_) => Self::Opaque,
        }
    }

    /// The name of the backup, and how it is compressed on the way.
    pub(crate) fn file(self, name: &str, stamp: &str, compress: Compress) -> (String, Codec) {
        let kind = match self {
            Self::Sql => "sql",
            Self::Tar => "tar",
            // To compress once more gains nothing.
            Self::Opaque => return (format!("{name}-{stamp}.dump"), Codec::None),
        };
        let (ending, codec) = match compress {
            Compress::None => ("", Codec::None),
            Compress::Gzip => (".gz", Codec::Gzip),
            Compress::Zstd => (".zst", Codec::Zstd),
        };
        (format!("{name}-{stamp}.{kind}{ending}"), codec)
    }
}

/// What a form is, for people.
pub(crate) fn what(form: Form) -> &'static str {
    match form {
        Form::Plain => "text",
        Form::Tar => "a tar",
        Form::Compressed => "compressed by its own program",
        Form::Foreign(foreign) => Foreign::what(foreign),
    }
}

#[cfg(test)]
mod tests {
    use backup_files::{Made, made, series_of};

    use super::*;

    /// 2026-11-23, 03:10:05.
    const THEN: i64 = 1_795_403_405;

    #[test]
    fn a_name_has_its_time_kind_and_series() {
        let stamp = stamp(THEN);
        for (content, compress, file, codec, series) in [
            (Content::Sql, Compress::Zstd, "db1-20261123T031005Z.sql.zst", Codec::Zstd, "db1-#T#Z.sql"),
            (Content::Sql, Compress::Gzip, "db1-20261123T031005Z.sql.gz", Codec::Gzip, "db1-#T#Z.sql"),
            (Content::Tar, Compress::None, "db1-20261123T031005Z.tar", Codec::None, "db1-#T#Z.tar"),
            (Content::Opaque, Compress::Zstd, "db1-20261123T031005Z.dump", Codec::None, "db1-#T#Z.dump"),
        ] {
            let made_of = content.file("db1", &stamp, compress);
            assert_eq!(made_of, (file.into(), codec));
            assert_eq!(made(file), Some(Made { at: THEN, exact: true }), "{file}");
            assert_eq!(series_of(file), series);
        }
        assert_eq!(moment(THEN), "2026-11-23T03:10:05Z");
        assert_eq!(Content::of(Form::Foreign(Foreign::Custom)), Content::Opaque);
    }

    #[test]
    fn a_name_leads_nowhere_and_has_no_date() {
        for (name, good) in [
            ("app", true),
            ("db1.main_x-y", true),
            ("", false),
            ("-rf", false),
            (".hidden", false),
            ("../app", false),
            ("a/b", false),
            ("a b", false),
            ("a\nb", false),
            ("app-20261123", false),
        ] {
            assert_eq!(check(name).is_ok(), good, "{name:?}");
        }
        assert!(check(&"x".repeat(151)).is_err());
    }
}
