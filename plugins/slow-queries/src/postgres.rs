//! `pg_stat_statements`, whatever its version: its columns changed names in 1.8 (PostgreSQL 13) and 1.11 (17), and a
//! server that was upgraded keeps the old extension until someone updates it, so that the view itself is asked.

use taskhost_sdk::prelude::*;
use taskhost_sdk::words::count;

use crate::judge::time;
use crate::shape::Grammar;
use crate::statement::{Figures, Survey, Tally};

/// What the server puts where the role may not see a text.
const HIDDEN: &str = "<insufficient privilege>";
/// Characters of a text that are read.
const TEXT: u32 = 2_000;
/// SQLSTATE of a library that was not loaded when the server started.
const NOT_LOADED: &str = "55000";
/// SQLSTATE of a right that the role has not.
const DENIED: &str = "42501";

/// A setting of the library's is described only once it is loaded; without, `postgresql.conf` may still name it.
const SETTINGS: &str = "
select current_user::text as role,
       exists (select 1 from pg_settings where name = 'pg_stat_statements.max' and short_desc is not null) as loaded,
       exists (select 1 from pg_available_extensions where name = 'pg_stat_statements') as available,
       coalesce(current_setting('pg_stat_statements.track', true), '') as track,
       coalesce(current_setting('compute_query_id', true), '') as identified,
       coalesce((select setting from pg_settings where name = 'shared_preload_libraries'), '?') as libraries,
       current_setting('track_io_timing') = 'on' as times_io,
       current_setting('block_size')::bigint as block,
       pg_has_role('pg_read_all_stats', 'USAGE') as sees_all";

const EXTENSION: &str = "
select n.nspname::text as schema, e.extversion::text as version
from pg_extension e join pg_namespace n on n.oid = e.extnamespace
where e.extname = 'pg_stat_statements'";

const COLUMNS: &str = "
select c.relname::text as view, a.attname::text as name
from pg_attribute a
join pg_class c on c.oid = a.attrelid
join pg_namespace n on n.oid = c.relnamespace
where n.nspname = $1 and c.relname in ('pg_stat_statements', 'pg_stat_statements_info')
  and a.attnum > 0 and not a.attisdropped";

/// What of the server bears on its statistics.
#[expect(clippy::struct_excessive_bools, reason = "each is an answer of the server's own")]
struct Settings {
    role: String,
    loaded: bool,
    available: bool,
    track: String,
    identified: String,
    libraries: String,
    times_io: bool,
    block: u64,
    sees_all: bool,
}

/// What the statements of this database cost; none where the server does not count, which is reported.
pub(crate) async fn survey(database: &sql::Database) -> Result<Option<Survey>> {
    let settings = settings(database).await?;
    let extension = database.query_optional(EXTENSION, params![]).await?;
    let (schema, version): (String, String) = match &extension {
        Some(row) if settings.loaded => (row.get("schema")?, row.get("version")?),
        _ => {
            settings.report_missing(extension.is_some());
            return Ok(None);
        }
    };
    let rows = database.query_all(COLUMNS, params![&schema]).await?;
    let columns = |view: &str| -> Result<Vec<String>> {
        let of_view = rows.iter().filter(|row| row.get::<String>("view").is_ok_and(|name| name == view));
        of_view.map(|row| row.get("name")).collect()
    };
    let Some(statement) = select(&schema, &columns("pg_stat_statements")?) else {
        bail!("pg_stat_statements {version} has columns that are not known; this plugin knows those of 1.4 to 1.12");
    };
    let mut tally = Tally::new("pg_stat_statements", Grammar::Postgres);
    let counted = read(database, &statement, &settings, &mut tally).await;
    match counted {
        Ok(()) => {}
        Err(sql::Error::Database(error)) if error.code == NOT_LOADED => {
            settings.report_missing(true);
            return Ok(None);
        }
        Err(sql::Error::Database(error)) if error.code == DENIED => {
            Finding::warning(&settings.role, "may not read pg_stat_statements")
                .detail(error.message)
                .remedy(format!(
                    "grant usage on schema {} to {}; grant pg_read_all_stats to {1};",
                    sql::identifier(&schema),
                    sql::identifier(&settings.role)
                ))
                .report();
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    }
    let mut survey = tally.survey();
    if !columns("pg_stat_statements_info")?.is_empty() {
        let info = format!(
            "select dealloc::bigint as evictions, extract(epoch from now() - stats_reset)::bigint as age \
             from {}.pg_stat_statements_info",
            sql::identifier(&schema)
        );
        let row = database.query_one(&info, params![]).await?;
        survey.evictions = Some(unsigned(row.get("evictions")?));
        survey.age = row.get::<Option<i64>>("age")?.map(unsigned);
    }
    settings.report_blind(&survey);
    Ok(Some(survey))
}

/// Reads every statement of this database.
async fn read(
    database: &sql::Database,
    statement: &str,
    settings: &Settings,
    tally: &mut Tally,
) -> Result<(), sql::Error> {
    let wrong = |failure: Failure| sql::Error::Invalid(failure.message);
    let mut rows = database.rows(statement, params![]).await?;
    while let Some(row) = rows.next().await? {
        let figures = figures(&row, settings).map_err(wrong)?;
        let nested = !row.get::<bool>("toplevel").map_err(wrong)?;
        let text: Option<String> = row.get("text").map_err(wrong)?;
        match text.filter(|text| text != HIDDEN) {
            Some(text) => tally.add(row.get("id").map_err(wrong)?, &text, nested, &figures),
            None => tally.hide(nested, &figures),
        }
    }
    Ok(())
}

/// The statement that reads the view by the names that its columns have; none for a view that is not known.
fn select(schema: &str, columns: &[String]) -> Option<String> {
    let has = |name: &str| columns.iter().any(|column| column == name);
    let one_of = |names: [&'static str; 2]| names.into_iter().find(|name| has(name));
    let total = one_of(["total_exec_time", "total_time"])?;
    let longest = one_of(["max_exec_time", "max_time"])?;
    let read = one_of(["shared_blk_read_time", "blk_read_time"])?;
    let written = one_of(["shared_blk_write_time", "blk_write_time"])?;
    // Until 1.9 those that a function calls are not told apart.
    let toplevel = if has("toplevel") { "s.toplevel" } else { "true" };
    let temporary = if has("temp_blk_read_time") { " + s.temp_blk_read_time + s.temp_blk_write_time" } else { "" };
    Some(format!(
        "select s.queryid::text as id, left(s.query, {TEXT}) as text, {toplevel} as toplevel, s.calls::bigint as calls, \
         s.{total}::float8 as total_ms, s.{longest}::float8 as max_ms, s.rows::bigint as rows, \
         s.shared_blks_hit::bigint as hit, s.shared_blks_read::bigint as read, \
         s.temp_blks_written::bigint as temporary, (s.{read} + s.{written}{temporary})::float8 as io_ms \
         from {}.pg_stat_statements s \
         where s.dbid = (select d.oid from pg_database d where d.datname = current_database()) \
         order by s.{total} desc",
        sql::identifier(schema)
    ))
}

fn figures(row: &sql::Row, settings: &Settings) -> Result<Figures> {
    let blocks = |name: &str| row.get::<i64>(name).map(|blocks| unsigned(blocks).saturating_mul(settings.block));
    Ok(Figures {
        calls: unsigned(row.get("calls")?),
        total_ms: row.get("total_ms")?,
        max_ms: row.get("max_ms")?,
        rows: unsigned(row.get("rows")?),
        hit: Some(blocks("hit")?),
        read: Some(blocks("read")?),
        io_ms: if settings.times_io { Some(row.get("io_ms")?) } else { None },
        temporary: Some(blocks("temporary")?),
        ..Figures::default()
    })
}

impl Settings {
    /// Says how to have the server count.
    fn report_missing(&self, created: bool) {
        let (detail, remedy) = self.enabling(created);
        Finding::warning("pg_stat_statements", "statements are not counted").detail(detail).remedy(remedy).report();
    }

    /// What is missing, and each step of what to do, in order.
    fn enabling(&self, created: bool) -> (String, String) {
        let create = "create extension pg_stat_statements;";
        if self.loaded {
            return ("the library is loaded, and this database has not created the extension".into(), create.into());
        }
        let mut steps = Vec::new();
        if !self.available {
            steps.push("install the contrib modules (Debian before 10: postgresql-contrib)".to_owned());
        }
        steps.push(preload(&self.libraries));
        steps.push("restart the server".into());
        if !created {
            steps.push(create.into());
        }
        let detail = "the library is not loaded: it must be in shared_preload_libraries when the server starts";
        (detail.into(), steps.join(" then "))
    }

    /// Says what the figures leave out, or leave unknown.
    fn report_blind(&self, survey: &Survey) {
        if survey.hidden > 0 && !self.sees_all {
            Finding::warning(&self.role, "cannot see others' statements")
                .detail(format!(
                    "{} statements of other roles, {} of {}, are hidden from `{}`",
                    count(survey.hidden),
                    time(survey.hidden_ms),
                    time(survey.total_ms),
                    self.role
                ))
                .remedy(format!("grant pg_read_all_stats to {};", sql::identifier(&self.role)))
                .report();
        }
        if self.track == "none" {
            Finding::warning("pg_stat_statements.track", "statements are not counted")
                .detail("pg_stat_statements.track is none: the figures are old, or there are none")
                .remedy("alter system set pg_stat_statements.track = top; select pg_reload_conf();")
                .report();
        }
        if self.identified == "off" {
            Finding::warning("compute_query_id", "statements are not counted")
                .detail("compute_query_id is off: the server gives statements no number, by which they are counted")
                .remedy("alter system set compute_query_id = auto; select pg_reload_conf();")
                .report();
        }
        if !self.times_io {
            Finding::ok("track_io_timing", "times of reading and writing are not measured")
                .detail("how much is read is known, how long it took is not")
                .remedy("alter system set track_io_timing = on; select pg_reload_conf();")
                .report();
        }
    }
}

/// The setting with the library added to those that are there. It is a list: one quoted text with a comma in it would
/// keep the server from starting.
fn preload(libraries: &str) -> String {
    if libraries == "?" {
        return "add pg_stat_statements to what `show shared_preload_libraries` says, for instance: alter system set \
                shared_preload_libraries = 'pg_stat_statements';"
            .into();
    }
    let present = libraries.split(',').map(|library| library.trim().trim_matches('"')).filter(|name| !name.is_empty());
    let mut names: Vec<&str> = present.collect();
    if !names.contains(&"pg_stat_statements") {
        names.push("pg_stat_statements");
    }
    let quoted: Vec<_> = names.iter().map(|name| format!("'{}'", name.replace('\'', "''"))).collect();
    format!("alter system set shared_preload_libraries = {};", quoted.join(", "))
}

async fn settings(database: &sql::Database) -> Result<Settings> {
    let row = database.query_one(SETTINGS, params![]).await?;
    Ok(Settings {
        role: row.get("role")?,
        loaded: row.get("loaded")?,
        available: row.get("available")?,
        track: row.get("track")?,
        identified: row.get("identified")?,
        libraries: row.get("libraries")?,
        times_io: row.get("times_io")?,
        block: unsigned(row.get("block")?),
        sees_all: row.get("sees_all")?,
    })
}

/// No count is below nothing.
fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The columns that matter, as the extension's versions have them.
    const V1_4: &str = "queryid query calls total_time max_time rows shared_blks_hit shared_blks_read temp_blks_written \
                        blk_read_time blk_write_time";
    const V1_8: &str = "queryid query calls total_exec_time max_exec_time rows shared_blks_hit shared_blks_read \
                        temp_blks_written blk_read_time blk_write_time";
    const V1_10: &str = "toplevel queryid query calls total_exec_time max_exec_time rows shared_blks_hit \
                         shared_blks_read temp_blks_written blk_read_time blk_write_time temp_blk_read_time \
                         temp_blk_write_time";
    const V1_11: &str = "toplevel queryid query calls total_exec_time max_exec_time rows shared_blks_hit \
                         shared_blks_read temp_blks_written shared_blk_read_time shared_blk_write_time \
                         local_blk_read_time local_blk_write_time temp_blk_read_time temp_blk_write_time stats_since";

    #[test]
    fn the_view_is_read_by_the_names_of_its_version() {
        for (version, columns, has) in [
            (
                "1.4",
                V1_4,
                ["s.total_time::", "s.max_time::", "(s.blk_read_time + s.blk_write_time)", "true as toplevel"],
            ),
            ("1.8", V1_8, ["s.total_exec_time::", "s.max_exec_time::", "s.blk_write_time)", "true as toplevel"]),
            ("1.10", V1_10, ["s.total_exec_time::", "s.max_exec_time::", "+ s.temp_blk_write_time)", "s.toplevel as"]),
            ("1.11", V1_11, ["s.total_exec_time::", "(s.shared_blk_read_time + s.sha", "s.temp_blk", "s.toplevel as"]),
        ] {
            let columns: Vec<String> = columns.split(' ').map(Into::into).collect();
            let statement = select("My stats", &columns).unwrap();
            assert!(statement.contains("from \"My stats\".pg_stat_statements s"), "{statement}");
            for words in has {
                assert!(statement.contains(words), "{version}: `{words}` is not in {statement}");
            }
        }
        assert_eq!(select("public", &["query".into(), "calls".into()]), None);
    }

    #[test]
    fn the_way_to_have_statements_counted_is_told_step_by_step() {
        let settings = |loaded, available, libraries: &str| Settings {
            role: "app".into(),
            loaded,
            available,
            track: "top".into(),
            identified: "auto".into(),
            libraries: libraries.into(),
            times_io: false,
            block: 8192,
            sees_all: true,
        };
        for (settings, created, expected) in [
            (settings(true, true, "pg_stat_statements"), false, "create extension pg_stat_statements;"),
            (
                settings(false, true, ""),
                false,
                "alter system set shared_preload_libraries = 'pg_stat_statements'; then restart the server then create \
                 extension pg_stat_statements;",
            ),
            (
                settings(false, true, "auto_explain, \"my lib\""),
                true,
                "alter system set shared_preload_libraries = 'auto_explain', 'my lib', 'pg_stat_statements'; then \
                 restart the server",
            ),
        ] {
            assert_eq!(settings.enabling(created).1, expected);
        }
        let blind = settings(false, false, "?").enabling(false).1;
        assert!(blind.starts_with("install the contrib modules") && blind.contains("show shared_preload_libraries"));
    }
}
