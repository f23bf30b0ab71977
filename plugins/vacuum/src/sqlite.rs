//! SQLite: one file, sound or not, with free pages or without.

use taskhost_sdk::prelude::*;

use crate::Options;
use crate::judge::{self, Rewrite, Thresholds, percent};
use crate::upkeep::{self, Tally, Turn, bytes};
use taskhost_sdk::words::size;

/// Below this a rewrite wins nothing that anybody would notice.
const FREE_SPACE: u64 = 64 << 10;
/// Damage that is listed.
const DAMAGE: usize = 5;

/// The file's pages.
struct File {
    pages: u64,
    free: u64,
    page_size: u64,
}

impl File {
    async fn read(database: &sql::Database) -> Result<Self> {
        Ok(Self {
            pages: number(database, "page_count").await?,
            free: number(database, "freelist_count").await?,
            page_size: number(database, "page_size").await?,
        })
    }

    fn size(&self) -> u64 {
        self.pages.saturating_mul(self.page_size)
    }

    fn free_bytes(&self) -> u64 {
        self.free.saturating_mul(self.page_size)
    }

    fn line(&self) -> String {
        let (free, all) = (self.free_bytes(), self.size());
        format!("{} free of {} ({:.1} %)", size(free), size(all), percent(free, all))
    }
}

/// Vacuums the file where it has enough free pages.
pub(crate) async fn run(database: &sql::Database, server: &sql::Server, options: &Options) -> Result<String> {
    if !options.tables.is_empty() {
        return Err(Failure::invalid("`tables` picks single tables, and SQLite vacuums a whole file; leave it out"));
    }
    let name = &*server.database;
    let mut tally = Tally::default();
    if !is_sound(database, name).await? {
        return Ok(format!("not vacuumed: {name} is damaged"));
    }
    let before = File::read(database).await?;
    let mode = match number(database, "auto_vacuum").await? {
        1 => "full",
        2 => "incremental",
        _ => "none",
    };
    let journal = text(database, "journal_mode").await?;
    let details = format!("auto_vacuum {mode}, journal {journal}");
    bytes("free_bytes_before", before.free_bytes()).report();

    let least = options.free_space.map_or(FREE_SPACE, |size| size.0);
    let thresholds = Thresholds { percent: options.dead_percent, least };
    match judge::rewrite(before.free_bytes(), before.size(), thresholds, Some(options.rewrite_limit.0)) {
        Rewrite::Leave => {
            Finding::ok(name, "sound, little free space").detail(format!("{}; {details}", before.line())).report();
            tally.report(before.size());
            return Ok(format!("nothing to vacuum: {}", before.line()));
        }
        Rewrite::TooBig => {
            Finding::warning(name, "skipped: too big to rewrite unasked")
                .detail(format!("{}; {details}; the limit is {}", before.line(), size(options.rewrite_limit.0)))
                .remedy("in a quiet hour, with twice its size of disk free: raise `rewrite-limit`")
                .report();
            tally.skipped = 1;
            tally.report(before.size());
            return Ok(format!("not vacuumed: {}, and it is bigger than `rewrite-limit`", before.line()));
        }
        Rewrite::Do => {}
    }

    let turn = upkeep::vacuum(database, None, options.analyze).await?;
    if !matches!(turn, Turn::Done) {
        let remedy =
            "run again when no other process has the file open for writing, and twice its size of disk is free";
        upkeep::skipped(name, &turn, remedy);
        tally.skipped = 1;
        tally.report(before.size());
        return Ok(format!("not vacuumed: {}", before.line()));
    }
    if journal.eq_ignore_ascii_case("wal") {
        checkpoint(database, name).await?;
    }
    if rehearsing() {
        tally.report(before.size());
        Finding::ok(name, "would be vacuumed").detail(format!("{}; {details}", before.line())).report();
        return Ok(format!("would vacuum {name}: {}", before.line()));
    }
    let after = File::read(database).await?;
    tally.vacuumed(before.size(), after.size());
    bytes("free_bytes_after", after.free_bytes()).report();
    tally.report(after.size());
    Finding::ok(name, "vacuumed")
        .detail(format!("before: {}\nafter: {}\nsound; {details}", before.line(), after.line()))
        .report();
    Ok(format!("vacuumed {name}: {} to {}, {} given back", size(before.size()), size(after.size()), size(tally.freed)))
}

/// With a write-ahead log the smaller file reaches the disk only with a checkpoint, and the vacuum has written as much
/// as the whole file into the log.
async fn checkpoint(database: &sql::Database, name: &str) -> Result<()> {
    let message = match database.maintain(sql::Maintenance::Checkpoint).await {
        Ok(()) => return Ok(()),
        Err(sql::Error::TimedOut(message) | sql::Error::Refused(message)) => message,
        Err(sql::Error::Database(error)) => error.message,
        Err(error) => return Err(error.into()),
    };
    Finding::warning(name, "write-ahead log not emptied")
        .detail(format!(
            "{message}; until a checkpoint gets through, the file keeps its size and the log is as big again"
        ))
        .remedy("end the process that keeps a read open, then run `pragma wal_checkpoint(truncate)`")
        .report();
    Ok(())
}

/// Whether every page is where it should be. What is not is reported: a vacuum of a damaged file can lose what could
/// still be saved.
async fn is_sound(database: &sql::Database, name: &str) -> Result<bool> {
    let damage = match database.query_all("pragma quick_check", params![]).await {
        Ok(rows) => {
            let lines: Vec<String> = rows.iter().map(|row| row.get(0)).collect::<Result<_>>()?;
            lines.into_iter().filter(|line| line != "ok").collect()
        }
        // Bad enough that the check itself cannot be read to its end.
        Err(sql::Error::Database(error)) if is_damage(&error.code) => vec![error.message],
        Err(error) => return Err(error.into()),
    };
    if damage.is_empty() {
        return Ok(true);
    }
    report_damage(name, &damage);
    Ok(false)
}

/// Reports what SQLite says of the damage.
pub(crate) fn report_damage(name: &str, damage: &[String]) {
    let shown = damage.iter().take(DAMAGE).map(String::as_str).collect::<Vec<_>>().join("\n");
    let more = damage.len().saturating_sub(DAMAGE);
    let more = if more > 0 { format!("\nand {more} lines more") } else { String::new() };
    Finding::critical(name, "damaged")
        .detail(format!("SQLite says:\n{shown}{more}"))
        .remedy(
            "stop what writes to it, copy it away, and restore a backup; `sqlite3 FILE .recover` saves what is left",
        )
        .report();
}

/// `SQLITE_CORRUPT` and `SQLITE_NOTADB`, extended or not: the low byte is the primary code. Other databases' codes have
/// five characters.
pub(crate) fn is_damage(code: &str) -> bool {
    code.len() < 5 && code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 11 | 26))
}

async fn number(database: &sql::Database, pragma: &str) -> Result<u64> {
    database.query_one(&format!("pragma {pragma}"), params![]).await?.get(0)
}

async fn text(database: &sql::Database, pragma: &str) -> Result<String> {
    database.query_one(&format!("pragma {pragma}"), params![]).await?.get(0)
}

#[cfg(test)]
mod tests {
    use super::is_damage;

    #[test]
    fn damage_is_told_from_other_errors() {
        for (code, expected) in
            [("11", true), ("26", true), ("267", true), ("5", false), ("261", false), ("", false), ("42507", false)]
        {
            assert_eq!(is_damage(code), expected, "{code}");
        }
    }
}
