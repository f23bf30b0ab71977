//! What a host that serves writes: runs that begin and end together with what its scheduler must not forget, in one
//! transaction, so that a run that is lost to a crash is neither forgotten nor started twice.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::chain::{Chain, What};
use super::change::{Finished, Started};
use super::checklist::Listing;
use super::digest::Digest;
use super::error::{Error, Fault};
use super::reader::{Conditions, Reader};
use super::retain::{Keep, Removed, Removing};
use super::rows::Start;
use super::sql::{Row, Session, Value, values};
use super::store::{Change, Store};
use super::words::{nanos, of_word, time, word};
use super::{RUNNING, Target};
use crate::bundle::{ChecklistEntry, Kind};
use crate::gate::Mode;
use crate::policy::text::clean_line;
use crate::report::{PluginId, Report};
use crate::schedule::Past;
use crate::tell::{Level, Told};

/// Bytes of a name, and of what there is to say.
const NAME_LIMIT: usize = 512;
const TEXT_LIMIT: usize = 4096;

/// Writes for one bundle that is served.
#[derive(Debug)]
pub struct Writer {
    store: Store,
    bundle: String,
}

/// A run that begins.
#[derive(Clone, Debug)]
pub struct Beginning(Start);

/// Something to write.
#[derive(Clone, Debug)]
pub enum Note {
    /// A run begins.
    Began(Beginning),
    /// It has ended.
    Ended(Beginning, Box<Report>),
    /// What the scheduler must know of a task.
    Past(String, Past),
    /// Somebody was told through that channel how it stands with that task.
    Told(String, String, Level),
    /// Somebody did something.
    Event(Event),
}

/// What was done, and by whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// A person's name, or the host's.
    pub by: String,
    /// What.
    pub what: Deed,
    /// With which task.
    pub task: Option<String>,
    /// With which run.
    pub run: Option<String>,
    /// In words.
    pub detail: String,
}

/// What can be done about runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "their names say it")]
pub enum Deed {
    Served,
    Drained,
    Reloaded,
    ReloadRefused,
    Paused,
    Resumed,
    Asked,
    Cancelled,
    LeftOut,
    SignedIn,
}

impl Writer {
    /// Opens nothing yet. `operator` is who runs the host.
    pub fn new(target: Target, bundle: &str, operator: &str) -> Self {
        Self { store: Store::new(target, &clean_line(operator, NAME_LIMIT)), bundle: clean_line(bundle, NAME_LIMIT) }
    }

    /// A run of the bundle that is about to begin, at `started`.
    pub fn beginning(
        &self,
        id: &str,
        task: &str,
        kind: Option<Kind>,
        mode: Mode,
        by: &str,
        started: Timestamp,
    ) -> Beginning {
        Beginning(Start {
            id: id.into(),
            bundle: self.bundle.clone(),
            task: clean_line(task, NAME_LIMIT),
            kind,
            mode,
            operator: clean_line(by, NAME_LIMIT),
            plugin: None,
            process: self.store.process().into(),
            started,
        })
    }

    /// Takes the bundle for this process, and returns what is remembered of its tasks, and of what was told.
    ///
    /// # Errors
    /// Another process that lives serves it, or the history cannot be written.
    pub async fn claim(&self) -> Result<(BTreeMap<String, Past>, Told), Error> {
        let others = self.store.change(&Serving { bundle: &self.bundle }).await?;
        let lives = match others.filter(|other| other != self.store.process()) {
            Some(other) => self.store.lives(&other).await?.then_some(other),
            None => None,
        };
        match lives {
            Some(_) => Err(Fault::Said(format!(
                "another host serves the bundle `{}` with this history; stop that one, or give this one another history",
                self.bundle
            ))
            .at(self.store.target())),
            None => self.store.change(&Claiming { bundle: &self.bundle, process: self.store.process() }).await,
        }
    }

    /// Writes all of it, or nothing.
    pub async fn write(&self, notes: &[&Note]) -> Result<(), Error> {
        self.store.change(&Batch { bundle: &self.bundle, notes }).await
    }

    /// Notes what people do.
    pub async fn list(&self, entries: &[ChecklistEntry]) -> Result<(), Error> {
        self.store.change(&Listing { bundle: &self.bundle, entries }).await
    }

    /// Removes some of what is too old; when it was none, there is no more.
    pub async fn remove(&self, keep: Keep) -> Result<Removed, Error> {
        self.store.change(&Removing { keep, now: Timestamp::now() }).await
    }

    /// Closes it in order.
    pub async fn close(&self) {
        self.store.close().await;
    }
}

impl Beginning {
    /// The run's id.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// When it began.
    pub fn started(&self) -> Timestamp {
        self.0.started
    }

    /// With the plugin that runs.
    #[must_use]
    pub fn with_plugin(mut self, plugin: Option<PluginId>) -> Self {
        self.0.plugin = plugin;
        self
    }
}

/// The process that serves the bundle, by what is written.
struct Serving<'a> {
    bundle: &'a str,
}

impl Change for Serving<'_> {
    type Done = Option<String>;

    async fn apply(&self, session: &mut Session<'_>, _: &mut Chain) -> Result<Option<String>, Fault> {
        let row = session.row("SELECT process FROM serving WHERE bundle = $1", &values![self.bundle]).await?;
        Ok(row.map(|row| row.get(0)).transpose()?)
    }
}

struct Claiming<'a> {
    bundle: &'a str,
    process: &'a str,
}

impl Change for Claiming<'_> {
    type Done = (BTreeMap<String, Past>, Told);

    async fn apply(&self, session: &mut Session<'_>, _: &mut Chain) -> Result<Self::Done, Fault> {
        let Self { bundle, process } = self;
        session
            .execute(
                "INSERT INTO serving (bundle, process) VALUES ($1, $2) \
                 ON CONFLICT (bundle) DO UPDATE SET process = excluded.process",
                &values![*bundle, *process],
            )
            .await?;
        let rows = session.rows("SELECT task, past FROM schedule WHERE bundle = $1", &values![*bundle]).await?;
        let mut pasts = BTreeMap::new();
        for row in rows {
            let (task, past): (String, String) = (row.get(0)?, row.get(1)?);
            let past: Past = serde_json::from_str(&past)
                .map_err(|error| format!("what is remembered of task `{task}` is not understood: {error}"))?;
            pasts.insert(task, past);
        }
        // A run that was lost has an end that the scheduler never heard of.
        let lost = session
            .rows(
                "SELECT task FROM runs WHERE bundle = $1 AND mode = 'perform' AND number IN \
                 (SELECT max(number) FROM runs WHERE bundle = $1 AND mode = 'perform' GROUP BY task) \
                 AND outcome = 'interrupted'",
                &values![*bundle],
            )
            .await?;
        for row in lost {
            if let Some(past) = pasts.get_mut(&row.get::<String>(0)?) {
                past.outcome = Some(crate::report::Outcome::Interrupted);
            }
        }
        let rows = session.rows("SELECT channel, task, level FROM told WHERE bundle = $1", &values![*bundle]).await?;
        let mut told = Told::new();
        for row in rows {
            let level = row.text(2)?.and_then(of_word).unwrap_or_default();
            told.insert((row.get(0)?, row.get(1)?), level);
        }
        Ok((pasts, told))
    }
}

struct Batch<'a> {
    bundle: &'a str,
    notes: &'a [&'a Note],
}

impl Change for Batch<'_> {
    type Done = ();

    async fn apply(&self, session: &mut Session<'_>, chain: &mut Chain) -> Result<(), Fault> {
        for note in self.notes {
            match note {
                Note::Began(Beginning(start)) => Started(start).apply(session, chain).await?,
                Note::Ended(Beginning(start), report) => Finished { start, report }.apply(session, chain).await?,
                Note::Past(task, past) => {
                    let past = serde_json::to_string(past).map_err(|error| error.to_string())?;
                    session
                        .execute(
                            "INSERT INTO schedule (bundle, task, past) VALUES ($1, $2, $3) \
                             ON CONFLICT (bundle, task) DO UPDATE SET past = excluded.past",
                            &values![self.bundle, task, past],
                        )
                        .await?;
                }
                Note::Told(channel, task, level) => {
                    session
                        .execute(
                            "INSERT INTO told (bundle, channel, task, level) VALUES ($1, $2, $3, $4) \
                             ON CONFLICT (bundle, channel, task) DO UPDATE SET level = excluded.level",
                            &values![self.bundle, channel, task, word(*level)],
                        )
                        .await?;
                }
                Note::Event(event) => add(self.bundle, event, session, chain).await?,
            }
        }
        Ok(())
    }
}

/// All columns of an event, as they are digested.
pub(super) const EVENT: &str = "id, bundle, noted, operator, what, task, run, detail";

async fn add(bundle: &str, event: &Event, session: &mut Session<'_>, chain: &mut Chain) -> Result<(), Fault> {
    let id = uuid::Uuid::now_v7().to_string();
    let clean = |text: &Option<String>| text.as_ref().map(|text| clean_line(text, NAME_LIMIT));
    let row: Vec<Value<'_>> = values![
        &id,
        bundle,
        nanos(event.at),
        clean_line(&event.by, NAME_LIMIT),
        word(event.what),
        &clean(&event.task),
        &clean(&event.run),
        clean_line(&event.detail, TEXT_LIMIT),
    ]
    .into_iter()
    .map(owned)
    .collect();
    let digest = digest_of(&row);
    session.insert("events", EVENT, &[row]).await?;
    chain.add(What::Noted, &id, digest);
    Ok(())
}

fn owned(value: Value<'_>) -> Value<'static> {
    match value {
        Value::Integer(value) => Value::Integer(value),
        Value::Real(value) => Value::Real(value),
        Value::Text(value) => Value::Text(value.map(|text| text.into_owned().into())),
    }
}

fn digest_of(row: &[Value<'_>]) -> String {
    let mut digest = Digest::new();
    digest.row("event", row);
    digest.finish()
}

/// The id of an event that was read, and its digest as it stands.
pub(super) fn digest(row: &Row) -> Result<(String, String), sqlx::Error> {
    let mut values: Vec<Value<'static>> = Vec::new();
    for column in 0..8 {
        values.push(if column == 2 {
            Value::Integer(row.get(column)?)
        } else {
            Value::Text(row.get::<Option<String>>(column)?.map(Into::into))
        });
    }
    Ok((row.get(0)?, digest_of(&values)))
}

impl Reader {
    /// The newest events of a bundle, the newest first; with a task, of that alone.
    ///
    /// # Errors
    /// A history that cannot be read.
    pub async fn events(&self, bundle: &str, task: Option<&str>, limit: u32) -> Result<Vec<Event>, Error> {
        self.events_before(bundle, task, None, limit).await
    }

    /// [`events`](Self::events), those noted before that time.
    ///
    /// # Errors
    /// A history that cannot be read.
    pub async fn events_before(
        &self,
        bundle: &str,
        task: Option<&str>,
        before: Option<Timestamp>,
        limit: u32,
    ) -> Result<Vec<Event>, Error> {
        let mut conditions = Conditions::new(vec![]);
        conditions.add("bundle = ?", bundle);
        if let Some(task) = task {
            conditions.add("task = ?", task);
        }
        if let Some(before) = before {
            conditions.add("noted < ?", nanos(before));
        }
        let statement = format!(
            "SELECT {EVENT} FROM events WHERE {} ORDER BY noted DESC, id DESC LIMIT {limit}",
            conditions.text()
        );
        self.list(statement, &conditions.values, |row| {
            Ok(Event {
                at: time(row.get(2)?),
                by: row.get(3)?,
                what: row.text(4)?.and_then(of_word).unwrap_or(Deed::Served),
                task: row.get(5)?,
                run: row.get(6)?,
                detail: row.get(7)?,
            })
        })
        .await
    }

    /// How many runs are under way, by what is written.
    ///
    /// # Errors
    /// A history that cannot be read.
    pub async fn under_way(&self, bundle: &str) -> Result<u64, Error> {
        let statement = "SELECT count(*) FROM runs WHERE bundle = $1 AND outcome = $2";
        let counts = self.list(statement, &values![bundle, RUNNING], |row| row.count(0)).await?;
        Ok(counts.first().copied().unwrap_or(0))
    }
}
