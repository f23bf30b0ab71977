//! MariaDB and MySQL: the digests of `performance_schema`, which are of all statements; else the slow log, where it is a
//! table.

use std::collections::HashMap;

use taskhost_sdk::prelude::*;
use taskhost_sdk::words::{count, span};

use crate::shape::Grammar;
use crate::statement::{Figures, Survey, Tally};

/// Characters of a text that are read.
const TEXT: u32 = 2_000;
/// Entries of the slow log that are read.
const ENTRIES: u64 = 500_000;
/// SQLSTATE of a right that the role has not, among others.
const DENIED: &str = "42000";

const VARIABLES: &str = "
show global variables where variable_name in
    ('performance_schema', 'slow_query_log', 'log_output', 'long_query_time', 'slow_query_log_file')";

const UPTIME: &str = "show global status where variable_name = 'Uptime'";

const CONSUMER: &str = "
select c.enabled as enabled from performance_schema.setup_consumers c where c.name = 'statements_digest'";

const DIGESTS: &str = "
select d.digest as id, d.digest_text as text, cast(d.count_star as signed) as calls,
       cast(d.sum_timer_wait / 1000000000 as double) as total_ms,
       cast(d.max_timer_wait / 1000000000 as double) as max_ms,
       cast(d.sum_rows_sent + d.sum_rows_affected as signed) as row_count,
       cast(d.sum_rows_examined as signed) as examined,
       cast(d.sum_created_tmp_disk_tables as signed) as tables_on_disk,
       cast(d.sum_no_index_used as signed) as without_index
from performance_schema.events_statements_summary_by_digest d
where d.schema_name = database() and d.digest is not null
order by d.sum_timer_wait desc";

/// What no longer fits is counted in one row without a digest.
const OVERFLOW: &str = "
select cast(d.count_star as signed) as calls
from performance_schema.events_statements_summary_by_digest d
where d.digest is null and d.schema_name is null and d.count_star > 0";

/// What the statements of this database cost; none where the server does not count, which is reported.
pub(crate) async fn survey(database: &sql::Database, window: u64) -> Result<Option<Survey>> {
    let variables = pairs(database, VARIABLES).await?;
    let is = |name: &str, value: &str| variables.get(name).is_some_and(|own| own.eq_ignore_ascii_case(value));
    let value = |name: &str| variables.get(name).map(String::as_str).unwrap_or_default();
    if is("performance_schema", "ON") {
        return digests(database).await;
    }
    let to_table = value("log_output").split(',').any(|place| place.trim().eq_ignore_ascii_case("TABLE"));
    if is("slow_query_log", "ON") && to_table {
        return slow_log(database, window, value("long_query_time")).await;
    }
    let log = if is("slow_query_log", "ON") {
        format!("the slow log goes to the file {}, which is not read from here", value("slow_query_log_file"))
    } else {
        "there is no slow log".to_owned()
    };
    Finding::warning("performance_schema", "statements are not counted")
        .detail(format!("performance_schema is off, and {log}"))
        .remedy(
            "for all statements: performance_schema = ON below [mariadb] in the server's configuration, and restart it; \
             for the slow ones, without a restart: set global log_output = 'TABLE', long_query_time = 1, \
             slow_query_log = ON;",
        )
        .report();
    Ok(None)
}

async fn digests(database: &sql::Database) -> Result<Option<Survey>> {
    let mut tally = Tally::new("performance_schema", Grammar::Mysql);
    let wrong = |failure: Failure| sql::Error::Invalid(failure.message);
    let read = async {
        let enabled = database.query_optional(CONSUMER, params![]).await?;
        let mut rows = database.rows(DIGESTS, params![]).await?;
        while let Some(row) = rows.next().await? {
            let (id, text): (String, Option<String>) = (row.get("id").map_err(wrong)?, row.get("text").map_err(wrong)?);
            tally.add(Some(id), &text.unwrap_or_default(), false, &figures(&row).map_err(wrong)?);
        }
        let overflow = database.query_optional(OVERFLOW, params![]).await?;
        Ok::<_, sql::Error>((enabled, overflow))
    };
    let (enabled, overflow) = match read.await {
        Ok(read) => read,
        Err(sql::Error::Database(error)) if error.code == DENIED => {
            report_denied(database, "performance_schema", &error.message, "select on performance_schema.*").await?;
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    if enabled.map(|row| row.get::<String>("enabled")).transpose()?.is_none_or(|word| word != "YES") {
        Finding::warning("statements_digest", "statements are not counted")
            .detail("the consumer statements_digest is off: the figures are old, or there are none")
            .remedy("update performance_schema.setup_consumers set enabled = 'YES' where name = 'statements_digest';")
            .report();
    }
    let mut survey = tally.survey();
    // The figures are since the server started, or since somebody emptied the table.
    let uptime = pairs(database, UPTIME).await?;
    survey.age = uptime.get("uptime").and_then(|seconds| seconds.parse().ok());
    if let Some(row) = overflow {
        let calls: u64 = row.get("calls")?;
        survey.only = Some(format!(
            "{} calls had no room of their own: raise performance_schema_digests_size, or truncate table \
             performance_schema.events_statements_summary_by_digest",
            count(calls)
        ));
    }
    Ok(Some(survey))
}

fn figures(row: &sql::Row) -> Result<Figures> {
    Ok(Figures {
        calls: row.get("calls")?,
        total_ms: row.get("total_ms")?,
        max_ms: row.get("max_ms")?,
        rows: row.get("row_count")?,
        examined: Some(row.get("examined")?),
        temporary_tables: Some(row.get("tables_on_disk")?),
        without_index: Some(row.get("without_index")?),
        ..Figures::default()
    })
}

async fn slow_log(database: &sql::Database, window: u64, threshold: &str) -> Result<Option<Survey>> {
    let statement = format!(
        "select convert(left(l.sql_text, {TEXT}) using utf8mb4) as text, \
                cast(time_to_sec(l.query_time) * 1000 as double) as ms, \
                cast(l.rows_sent as signed) as row_count, cast(l.rows_examined as signed) as examined, \
                cast(timestampdiff(second, l.start_time, now()) as signed) as age \
         from mysql.slow_log l \
         where l.db = database() and l.start_time > now() - interval {window} second limit {ENTRIES}"
    );
    let mut tally = Tally::new("the slow log", Grammar::Mysql);
    let wrong = |failure: Failure| sql::Error::Invalid(failure.message);
    let read = async {
        let (mut oldest, mut entries) = (0, 0_u64);
        let mut rows = database.rows(&statement, params![]).await?;
        while let Some(row) = rows.next().await? {
            let ms: f64 = row.get("ms").map_err(wrong)?;
            let figures = Figures {
                calls: 1,
                total_ms: ms,
                max_ms: ms,
                rows: row.get("row_count").map_err(wrong)?,
                examined: Some(row.get("examined").map_err(wrong)?),
                ..Figures::default()
            };
            let text: Option<String> = row.get("text").map_err(wrong)?;
            tally.add(None, &text.unwrap_or_default(), false, &figures);
            oldest = row.get::<i64>("age").map_err(wrong)?.max(oldest);
            entries += 1;
        }
        Ok::<_, sql::Error>((oldest, entries))
    };
    let (oldest, entries) = match read.await {
        Ok(read) => read,
        Err(sql::Error::Database(error)) if error.code == DENIED => {
            report_denied(database, "mysql.slow_log", &error.message, "select on mysql.slow_log").await?;
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    let mut survey = tally.survey();
    survey.age = u64::try_from(oldest).ok();
    let seconds: f64 = threshold.parse().unwrap_or_default();
    let full =
        if entries == ENTRIES { format!("; {} entries were read, not all", count(ENTRIES)) } else { String::new() };
    survey.only = Some(format!(
        "the slow log holds those that took {seconds} s or longer; read are those of the last {}{full}",
        span(window)
    ));
    Ok(Some(survey))
}

/// Says what the role may not read, and what would let it.
async fn report_denied(database: &sql::Database, subject: &str, message: &str, right: &str) -> Result<()> {
    let role: String = database.query_one("select current_user() as role", params![]).await?.get("role")?;
    let (user, host) = role.rsplit_once('@').unwrap_or((&role, "%"));
    Finding::warning(subject, "may not be read")
        .detail(message)
        .remedy(format!("grant {right} to '{user}'@'{host}';"))
        .report();
    Ok(())
}

/// The rows of a SHOW of names and values, by their names in lower case.
async fn pairs(database: &sql::Database, statement: &str) -> Result<HashMap<String, String>> {
    let rows = database.query_all(statement, params![]).await?;
    let pair = |row: &sql::Row| Ok((row.get::<String>(0)?.to_lowercase(), row.get::<String>(1)?));
    rows.iter().map(pair).collect()
}
