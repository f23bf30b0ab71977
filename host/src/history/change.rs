//! What is added to a history: a run's start, its end, that it came to none, and what is removed because it is old.

use jiff::Timestamp;

use super::RUNNING;
use super::chain::{Chain, What};
use super::error::Fault;
use super::issues::{Closed, Open, Steps, steps};
use super::rows::{self, END, START, Start, TABLES};
use super::sql::{Row, Session, Value, places, values};
use super::store::Change;
use super::words::{nanos, word};
use crate::gate::Mode;
use crate::report::Report;

/// A run is about to begin.
pub(super) struct Started<'a>(pub(super) &'a Start);

impl Change for Started<'_> {
    type Done = ();

    async fn apply(&self, session: &mut Session<'_>, chain: &mut Chain) -> Result<(), Fault> {
        let number = chain.add(What::Started, &self.0.id, self.0.digest());
        let columns = format!("number, {}, outcome, changes, changed_rows, changed_bytes", START.names());
        let row = [values![number].into(), self.0.values(), values![RUNNING, 0, 0, 0].into()].concat();
        Ok(session.insert("runs", &columns, &[row]).await?)
    }
}

/// A run has ended.
pub(super) struct Finished<'a> {
    pub(super) start: &'a Start,
    pub(super) report: &'a Report,
}

impl Change for Finished<'_> {
    type Done = ();

    async fn apply(&self, session: &mut Session<'_>, chain: &mut Chain) -> Result<(), Fault> {
        let Self { start, report } = self;
        let there = session.row("SELECT outcome FROM runs WHERE id = $1", &values![&start.id]).await?;
        if there.is_none() {
            // Its start could not be written, when it was.
            Started(start).apply(session, chain).await?;
        }
        let end = rows::end(report);
        write_end(session, &start.id, &end).await?;
        let children = rows::children(report);
        for (table, rows) in TABLES.iter().zip(&children) {
            let numbered: Vec<Vec<Value<'_>>> =
                (0_i64..).zip(rows).map(|(position, row)| [&values![&start.id, position][..], row].concat()).collect();
            session.insert(table.name, &format!("run, position, {}", table.names()), &numbered).await?;
        }
        let closed = match report.run.mode {
            Mode::Perform => follow(session, start, report).await?,
            // What is found while nothing is mended says nothing of what was mended.
            Mode::Rehearse => vec![],
        };
        let children = TABLES.iter().map(|table| table.name).zip(children.iter().map(Vec::as_slice));
        let digest = rows::digest_of_run(&start.values(), &end, children, &closed);
        chain.add(What::Finished, &start.id, digest);
        Ok(())
    }
}

async fn write_end(session: &mut Session<'_>, id: &str, end: &[Value<'_>]) -> Result<(), sqlx::Error> {
    let set: Vec<String> = END.columns.iter().zip(2..).map(|((name, _), place)| format!("{name} = ${place}")).collect();
    let statement = format!("UPDATE runs SET {} WHERE id = $1", set.join(", "));
    session.execute(statement, &[&values![id][..], end].concat()).await?;
    Ok(())
}

/// Carries the task's findings on through time, and returns those that went away with this run.
async fn follow(session: &mut Session<'_>, start: &Start, report: &Report) -> Result<Vec<Closed>, Fault> {
    let open = session
        .rows(
            "SELECT id, subject, title FROM issues WHERE bundle = $1 AND task = $2 AND resolved IS NULL \
             ORDER BY first_seen, id",
            &values![&start.bundle, &start.task],
        )
        .await?;
    let open = open
        .iter()
        .map(|row| Ok(Open { id: row.get(0)?, subject: row.get(1)?, title: row.get(2)? }))
        .collect::<Result<Vec<_>, sqlx::Error>>()?;
    let Steps { opened, again, resolved } = steps(&open, &report.findings, report.run.outcome.exit_code() < 3);
    let now = nanos(report.run.finished);
    let opened: Vec<Vec<Value<'_>>> = opened
        .into_iter()
        .map(|finding| {
            values![
                uuid::Uuid::now_v7().to_string(),
                &start.bundle,
                &start.task,
                &finding.subject,
                &finding.title,
                word(finding.severity),
                &finding.detail,
                &finding.remedy,
                now,
                &start.id,
                now,
                &start.id,
                1,
            ]
            .into()
        })
        .collect();
    let columns = "id, bundle, task, subject, title, severity, detail, remedy, first_seen, first_run, last_seen, \
                   last_run, runs";
    session.insert("issues", columns, &opened).await?;
    for (id, finding) in again {
        let values = values![id, word(finding.severity), &finding.detail, &finding.remedy, now, &start.id];
        session
            .execute(
                "UPDATE issues SET severity = $2, detail = $3, remedy = $4, last_seen = $5, last_run = $6, \
                 runs = runs + 1 WHERE id = $1",
                &values,
            )
            .await?;
    }
    for some in resolved.chunks(MANY) {
        let statement =
            format!("UPDATE issues SET resolved = $1, resolved_run = $2 WHERE id IN ({})", places(3, some.len()));
        let ids = some.iter().map(|id| Value::from(*id));
        session.execute(statement, &values![now, &start.id].into_iter().chain(ids).collect::<Vec<_>>()).await?;
    }
    Ok(if resolved.is_empty() { vec![] } else { closed(session, &start.id).await? })
}

/// Ids in one statement.
pub(super) const MANY: usize = 500;

/// What runs resolved; a list of runs follows.
pub(super) const CLOSED: &str = "SELECT resolved_run, id, subject, title, severity, first_seen, first_run, last_seen, \
                                 runs, resolved FROM issues WHERE resolved_run";

/// What a run resolved, with the run.
pub(super) fn read_closed(row: &Row) -> Result<(String, Closed), sqlx::Error> {
    let closed = Closed {
        id: row.get(1)?,
        subject: row.get(2)?,
        title: row.get(3)?,
        severity: row.get(4)?,
        first_seen: row.get(5)?,
        first_run: row.get(6)?,
        last_seen: row.get(7)?,
        runs: row.get(8)?,
        resolved: row.get(9)?,
    };
    Ok((row.get(0)?, closed))
}

/// What a run resolved, in the order in which it is digested.
async fn closed(session: &mut Session<'_>, run: &str) -> Result<Vec<Closed>, sqlx::Error> {
    let rows = session.rows(format!("{CLOSED} = $1"), &values![run]).await?;
    let mut all = rows.iter().map(|row| Ok(read_closed(row)?.1)).collect::<Result<Vec<_>, sqlx::Error>>()?;
    // Databases differ in how they sort texts.
    all.sort_by(|first, second| first.id.cmp(&second.id));
    Ok(all)
}

/// The runs of a process that is gone.
pub(super) struct Interrupted<'a> {
    pub(super) process: &'a str,
    pub(super) error: String,
}

/// What is said of a run of which no end came.
pub(super) fn marked() -> String {
    let now = Timestamp::now().strftime("%F %T UTC");
    format!("no end of it was recorded: the host ended before it did, or could not write; noticed {now}")
}

/// The same of one that nobody has marked yet.
pub(super) fn unmarked() -> String {
    "no end of it was recorded: the host ended before it did, or could not write".into()
}

impl Change for Interrupted<'_> {
    type Done = ();

    async fn apply(&self, session: &mut Session<'_>, chain: &mut Chain) -> Result<(), Fault> {
        // Read within the transaction: another may have marked them meanwhile.
        let columns = START.names();
        let statement = format!("SELECT {columns} FROM runs WHERE process = $1 AND outcome = $2 ORDER BY number");
        let runs = session.rows(statement, &values![self.process, RUNNING]).await?;
        for row in runs {
            let (id, start): (String, _) = (row.get(0)?, START.values(&row, 0)?);
            let end = rows::no_end(&self.error);
            write_end(session, &id, &end).await?;
            let digest = rows::digest_of_run(&start, &end, [], &[]);
            chain.add(What::Interrupted, &id, digest);
        }
        Ok(())
    }
}
