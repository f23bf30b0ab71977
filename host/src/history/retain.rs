//! How long a history keeps what is in it: by age and by number of runs. Always the oldest goes, and of the chain its
//! beginning, so that what stays still holds together.

use std::time::Duration;

use jiff::Timestamp;

use super::RUNNING;
use super::chain::{Chain, What};
use super::change::MANY;
use super::error::Fault;
use super::rows::TABLES;
use super::sql::{Session, Value, places, values};
use super::store::Change;
use super::words::{column, nanos};

/// How long, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Runs and ticks that are older go.
    pub age: Duration,
    /// Of more runs, the oldest go.
    pub runs: u64,
}

impl Default for Keep {
    /// Two years, and a hundred thousand runs.
    fn default() -> Self {
        Self { age: Duration::from_hours(24 * 731), runs: 100_000 }
    }
}

/// Runs that go in one transaction: others wait meanwhile.
const AT_ONCE: i64 = 500;

/// Removes what is too old or too many, up to some hundred runs.
pub(super) struct Removing {
    pub(super) keep: Keep,
    pub(super) now: Timestamp,
}

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Runs.
    pub runs: u64,
    /// Ticks.
    pub ticks: u64,
}

impl Change for Removing {
    type Done = Removed;

    async fn apply(&self, session: &mut Session<'_>, chain: &mut Chain) -> Result<Removed, Fault> {
        let age = i64::try_from(self.keep.age.as_nanos()).unwrap_or(i64::MAX);
        let before = nanos(self.now).saturating_sub(age);
        // Of as many as are kept, the oldest.
        let most = column(self.keep.runs.max(1)) - 1;
        let newest =
            one(session, "SELECT number FROM runs ORDER BY number DESC LIMIT 1 OFFSET $1", &values![most]).await?;
        let newest = newest.unwrap_or(0);
        let stays = one(
            session,
            "SELECT min(number) FROM runs WHERE outcome = $1 OR (started >= $2 AND number >= $3)",
            &values![RUNNING, before, newest],
        )
        .await?;
        // The chain ends where the first thing begins that stays.
        let ends = [
            stays,
            one(
                session,
                "SELECT min(seq) FROM journal WHERE subject IN (SELECT id FROM ticks WHERE ticked >= $1)",
                &values![before],
            )
            .await?,
            one(
                session,
                // What was noted between runs goes with the run after it; before the first that stays, by its own age.
                "SELECT min(seq) FROM journal WHERE subject IN (SELECT id FROM events WHERE noted >= $1) AND \
                 seq > coalesce((SELECT max(number) FROM runs WHERE number < $2), 0)",
                &values![before, stays.unwrap_or(i64::MAX)],
            )
            .await?,
            one(session, "SELECT number FROM runs ORDER BY number LIMIT 1 OFFSET $1", &values![AT_ONCE]).await?,
        ];
        let through = ends.into_iter().flatten().min().map_or(chain.seq, |first| first - 1);
        let last = "SELECT hash FROM journal WHERE seq = $1";
        let Some(hash) = session.row(last, &values![through]).await? else { return Ok(Removed::default()) };
        let hash: String = hash.get(0)?;
        // What is noted of it later holds it, whole.
        let over = "NOT EXISTS (SELECT 1 FROM journal WHERE subject = id AND seq > $1)";
        let runs =
            session.rows(format!("SELECT id FROM runs WHERE number <= $1 AND {over}"), &values![through]).await?;
        let ids = runs.iter().map(|row| row.get(0)).collect::<Result<Vec<String>, _>>()?;
        let ticks = format!("DELETE FROM ticks WHERE id IN (SELECT subject FROM journal WHERE seq <= $1) AND {over}");
        let ticks = session.execute(ticks, &values![through]).await?;
        let events = format!("DELETE FROM events WHERE id IN (SELECT subject FROM journal WHERE seq <= $1) AND {over}");
        let events = session.execute(events, &values![through]).await?;
        for some in ids.chunks(MANY) {
            let values: Vec<Value<'_>> = some.iter().map(Value::from).collect();
            let among = places(1, some.len());
            for table in TABLES {
                session.execute(format!("DELETE FROM {} WHERE run IN ({among})", table.name), &values).await?;
            }
            session.execute(format!("DELETE FROM issues WHERE resolved_run IN ({among})"), &values).await?;
            session.execute(format!("DELETE FROM runs WHERE id IN ({among})"), &values).await?;
        }
        if ids.is_empty() && ticks == 0 && events == 0 {
            // Links alone are not worth a new one.
            return Ok(Removed::default());
        }
        session.execute("DELETE FROM journal WHERE seq <= $1", &values![through]).await?;
        chain.add(What::Removed, &through.to_string(), hash);
        Ok(Removed { runs: ids.len() as u64, ticks })
    }
}

/// A number, where there is one.
async fn one(
    session: &mut Session<'_>,
    statement: &'static str,
    values: &[Value<'_>],
) -> Result<Option<i64>, sqlx::Error> {
    let row = session.row(statement, values).await?;
    Ok(row.map(|row| row.get::<Option<i64>>(0)).transpose()?.flatten())
}
