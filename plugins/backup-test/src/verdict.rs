//! What a restore that went wrong says about the backup, and what it only says about the test. Pure.

use backup_files::{Ending, Foreign, Form, Maker};
use taskhost_sdk::sql::{self, DatabaseError, Dialect};
use taskhost_sdk::{Failure, files};

/// Why a backup is not one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) title: &'static str,
    pub(crate) detail: String,
    pub(crate) remedy: String,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// The backup does not restore.
    Backup(Broken),
    /// The test could not be made; the backup may be good.
    Test(Failure),
}

const CUT_SHORT: &str = "make a new backup now, and see the log and the disk space of the run that wrote this one";

/// How the restore ended and how reading the file did; at least one of them went wrong.
pub(crate) fn failed(path: &str, restore: Option<sql::Error>, read: Option<files::Error>) -> Wrong {
    let broken = |title, detail| Wrong::Backup(Broken { title, detail, remedy: CUT_SHORT.into() });
    match (read, restore) {
        (Some(files::Error::Invalid(why)), restore) => {
            let sql = match restore {
                Some(sql::Error::Invalid(within)) => format!("; the SQL in it: {}", place(&within)),
                _ => String::new(),
            };
            broken("backup is cut short or damaged", format!("{why}{sql}"))
        }
        (Some(files::Error::Io(why)), _) => Wrong::Backup(Broken {
            title: "backup cannot be read",
            detail: why,
            remedy: "see the disk or share that it lies on, and make a new backup elsewhere".into(),
        }),
        (Some(files::Error::NotFound(why)), _) => Wrong::Test(Failure::new(format!(
            "{path} went away while it was read ({why}); run the test when no rotation is under way"
        ))),
        (Some(error), _) => Wrong::Test(tested(path, error.into())),
        (None, Some(sql::Error::Invalid(why))) => broken("backup is cut short or damaged", place(&why).into()),
        (None, Some(sql::Error::Database(error))) => database(path, error),
        (None, Some(error)) => Wrong::Test(tested(path, error.into())),
        (None, None) => broken("backup is cut short or damaged", "the restore ended without a result".into()),
    }
}

/// Where a dump breaks, without the words that the title has already.
fn place(why: &str) -> &str {
    why.strip_prefix("the dump cannot be read: ").unwrap_or(why)
}

fn tested(path: &str, mut failure: Failure) -> Failure {
    failure.message = format!("{path} could not be tested: {}", failure.message);
    failure
}

/// The server's own error, by its code: what a dump can cause is the backup's fault, what a server can is not.
fn database(path: &str, error: DatabaseError) -> Wrong {
    let code = error.code.clone();
    let message = sql::message(&sql::Error::Database(error));
    let lacking = message.contains("extension") || message.contains("Unknown storage engine");
    let newer = ["unrecognized configuration parameter", "Unknown collation", "Unknown system variable"]
        .iter()
        .any(|sign| message.contains(sign));
    // SQLSTATE classes 53, 57 and 58: out of resources, shut down, disk trouble. SQLite: out of memory, read-only, I/O,
    // full, cannot open; extended codes keep these in their low byte.
    let server = match code.len() {
        5 => matches!(code.get(..2), Some("53" | "57" | "58")),
        _ => code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 7 | 8 | 10 | 13 | 14)),
    };
    // PostgreSQL has a code for it, MariaDB only the words.
    if code == "42501" || message.contains("Access denied") || message.contains("command denied") {
        let remedy = "let the slot's role do what the dump does in its own database, or bind another role";
        return Wrong::Test(tested(path, Failure::new(format!("{message}; {remedy}"))));
    }
    if server && !lacking {
        return Wrong::Test(tested(path, Failure::new(message)));
    }
    let remedy = if lacking {
        "install on this server what the dump needs, as the server that a disaster leaves you with will need it too"
    } else if newer {
        "restore it on a server of the version that it was dumped from; bind such a one for this test"
    } else {
        "restore it by hand into an empty database to see more, correct the dump command, and make a new backup"
    };
    Wrong::Backup(Broken { title: "backup does not restore", detail: message, remedy: remedy.into() })
}

/// What the marks of its maker say against a dump.
pub(crate) fn ended(ending: Ending) -> Option<Broken> {
    match ending {
        Ending::Whole | Ending::Unmarked => None,
        Ending::CutShort(maker) => Some(Broken {
            title: "backup is cut short or damaged",
            detail: format!(
                "every statement in it restores, but the last line that {} writes is missing: it ended before it was \
                 done, and what it had not yet written is lost",
                maker.program()
            ),
            remedy: CUT_SHORT.into(),
        }),
        Ending::Failed(maker) => Some(Broken {
            title: "backup was made with errors",
            detail: format!("{} ended it with ROLLBACK because it could not read the whole database", maker.program()),
            remedy:
                "run pragma integrity_check on the original, repair it or take an older backup of it, and dump again"
                    .into(),
        }),
    }
}

/// What cannot be restored from a stream of SQL is, and what to do about it.
pub(crate) fn not_plain(form: Form) -> Option<(&'static str, &'static str)> {
    match form {
        Form::Plain | Form::Compressed => None,
        Form::Tar => Some((
            "a tar archive",
            "make the backup with pg_dump --format=plain, or unpack the archive and name the dump in it with file=...",
        )),
        Form::Foreign(foreign) => {
            let remedy = match foreign {
                Foreign::Custom => {
                    "make the backup with pg_dump --format=plain, or write one from it: pg_restore --file=NAME.sql ARCHIVE"
                }
                Foreign::Sqlite => "keep a dump of it: sqlite3 FILE .dump | gzip > NAME.sql.gz",
                Foreign::Zip | Foreign::Xz | Foreign::Packed => "compress the dump with gzip or zstd",
                Foreign::Encrypted => "decrypt a copy for the test, and name it with file=...",
            };
            Some((foreign.what(), remedy))
        }
    }
}

/// Whether a server of that dialect can load what that program wrote.
fn fits(maker: Maker, dialect: Dialect) -> bool {
    matches!(
        (maker, dialect),
        (Maker::Postgres | Maker::Cluster, Dialect::Postgres)
            | (Maker::Mysql, Dialect::Mysql | Dialect::Mariadb)
            | (Maker::Sqlite, Dialect::Sqlite)
    )
}

/// Why a dump of that maker cannot be tested on a server of that dialect.
pub(crate) fn unfit(maker: Option<Maker>, dialect: Dialect) -> Option<(String, &'static str)> {
    match maker {
        Some(maker) if !fits(maker, dialect) => Some((
            format!("{} wrote it, and the slot `database` is {}", maker.program(), name(dialect)),
            "bind a database of the kind that the dump is of, or name the right backups with pattern=...",
        )),
        Some(Maker::Cluster) => Some((
            "pg_dumpall wrote it: it holds a whole server's databases and roles".into(),
            "dump each database by itself with pg_dump, and only the roles with pg_dumpall --globals-only",
        )),
        _ => None,
    }
}

fn name(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => "PostgreSQL",
        Dialect::Mysql => "MySQL",
        Dialect::Mariadb => "MariaDB",
        Dialect::Sqlite => "SQLite",
    }
}

#[cfg(test)]
mod tests {
    use taskhost_sdk::FailureKind;

    use super::*;

    fn said(code: &str, message: &str) -> sql::Error {
        let (code, message) = (code.into(), message.into());
        sql::Error::Database(DatabaseError { code, message, detail: None, constraint: None })
    }

    fn is_broken(wrong: &Wrong) -> bool {
        matches!(wrong, Wrong::Backup(_))
    }

    #[test]
    fn a_codecs_error_says_more_than_what_followed_from_it() {
        let Wrong::Backup(broken) = failed(
            "a.sql.gz",
            Some(sql::Error::Invalid("the dump cannot be read: truncated inside a COPY block".into())),
            Some(files::Error::Invalid("gzip ends early at byte 12".into())),
        ) else {
            panic!("the backup is broken");
        };
        assert_eq!(broken.title, "backup is cut short or damaged");
        assert_eq!(broken.detail, "gzip ends early at byte 12; the SQL in it: truncated inside a COPY block");
    }

    #[test]
    fn what_the_server_lacks_is_not_held_against_the_backup() {
        for (error, broken) in [
            (said("23505", "duplicate key"), true),
            (said("42601", "syntax error"), true),
            (said("53100", "could not extend file: No space left on device"), false),
            (said("57P01", "terminating connection due to administrator command"), false),
            (said("42501", "permission denied to create extension \"x\""), false),
            (said("42000", "Access denied; you need (at least one of) the SUPER privilege(s)"), false),
            (said("42000", "CREATE VIEW command denied to user 'a'@'b' for table `c`"), false),
            (said("0A000", "extension \"postgis\" is not available"), true),
            (said("58P01", "could not open extension control file"), true),
            (said("13", "database or disk is full"), false),
            (said("3082", "disk I/O error"), false),
            (said("1555", "UNIQUE constraint failed"), true),
            (sql::Error::Invalid("the dump cannot be read".into()), true),
            (sql::Error::Unavailable("connection lost".into()), false),
            (sql::Error::TimedOut("statement".into()), false),
            (sql::Error::OverBudget("bytes".into()), false),
        ] {
            let wrong = failed("a.sql", Some(error.clone()), None);
            assert_eq!(is_broken(&wrong), broken, "{error:?}: {wrong:?}");
        }
    }

    #[test]
    fn a_test_that_cannot_be_made_keeps_its_outcome_and_names_the_file() {
        let Wrong::Test(failure) = failed("a.sql", Some(sql::Error::Refused("DROP ROLE".into())), None) else {
            panic!("the backup is not to blame");
        };
        assert_eq!(failure.kind, FailureKind::Refused);
        assert_eq!(failure.message, "a.sql could not be tested: DROP ROLE");
        assert!(!is_broken(&failed("a.sql", None, Some(files::Error::NotFound("a.sql".into())))));
        assert!(is_broken(&failed("a.sql", None, Some(files::Error::Io("EIO".into())))));
    }

    #[test]
    fn remedies_go_with_the_cause() {
        let remedy = |message: &str| match failed("a", Some(said("42704", message)), None) {
            Wrong::Backup(broken) => broken.remedy,
            Wrong::Test(failure) => failure.message,
        };
        assert!(remedy("unrecognized configuration parameter \"transaction_timeout\"").contains("version"));
        assert!(remedy("extension \"x\" is not available").contains("install"));
        assert!(remedy("type \"mood\" does not exist").contains("by hand"));
    }

    #[test]
    fn a_dump_that_its_maker_did_not_end_is_broken() {
        assert_eq!(ended(Ending::Whole), None);
        assert_eq!(ended(Ending::Unmarked), None);
        assert!(ended(Ending::CutShort(Maker::Mysql)).unwrap().detail.contains("mysqldump or mariadb-dump"));
        assert_eq!(ended(Ending::Failed(Maker::Sqlite)).unwrap().title, "backup was made with errors");
    }

    #[test]
    fn a_dump_of_another_kind_is_told_before_it_is_tried() {
        assert_eq!(
            unfit(Some(Maker::Mysql), Dialect::Postgres).unwrap().0,
            "mysqldump or mariadb-dump wrote it, and the slot `database` is PostgreSQL"
        );
        assert!(unfit(Some(Maker::Cluster), Dialect::Postgres).unwrap().0.contains("pg_dumpall"));
        assert_eq!(unfit(Some(Maker::Postgres), Dialect::Postgres), None);
        assert_eq!(unfit(None, Dialect::Sqlite), None);
    }

    #[test]
    fn a_dump_fits_its_own_kind_of_server() {
        assert!(fits(Maker::Postgres, Dialect::Postgres) && fits(Maker::Mysql, Dialect::Mariadb));
        assert!(!fits(Maker::Mysql, Dialect::Postgres) && !fits(Maker::Sqlite, Dialect::Mysql));
    }
}
