//! What people do: ticked once a period, by whom, and taken back where it was a mistake.

use jiff::Timestamp;

use super::chain::{Chain, What};
use super::digest::Digest;
use super::error::Fault;
use super::sql::{Row, Session, Value, values};
use super::store::Change;
use super::words::{nanos, of_word, time};
use crate::bundle::{ChecklistEntry, Kind};
use crate::policy::text::clean_line;

/// Bytes of a title, a note or a detail.
const TEXT_LIMIT: usize = 4096;
/// Bytes of a title.
const TITLE_LIMIT: usize = 512;

/// A title as it is kept.
pub(super) fn title(written: &str) -> String {
    clean_line(written, TITLE_LIMIT)
}

/// A tick.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Tick {
    /// A name of its own.
    #[serde(skip)]
    pub id: String,
    /// What was done.
    pub title: String,
    /// Which part of the calendar it belongs to.
    pub kind: Kind,
    /// For which period: `2026-Q1`.
    pub period: String,
    /// When it was ticked.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
    /// What they had to say.
    pub note: Option<String>,
}

/// The columns of a tick, in the order in which [`Tick::read`] takes them.
pub(super) const COLUMNS: &str = "id, title, kind, period, ticked, operator, note";

impl Tick {
    pub(super) fn read(row: &Row) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.get(0)?,
            title: row.get(1)?,
            kind: row.text(2)?.and_then(of_word).unwrap_or(Kind::Daily),
            period: row.get(3)?,
            at: time(row.get(4)?),
            by: row.get(5)?,
            note: row.get(6)?,
        })
    }
}

/// All columns of a tick, as they are digested.
pub(super) const DIGESTED: &str = "id, bundle, title, kind, period, ticked, operator, note, undone, undone_by";

/// The digest of a tick as it stands.
pub(super) fn digest(row: &Row) -> Result<String, sqlx::Error> {
    let mut values: Vec<Value<'static>> = Vec::new();
    for column in 0..10 {
        values.push(if matches!(column, 5 | 8) {
            Value::Integer(row.get(column)?)
        } else {
            Value::Text(row.get::<Option<String>>(column)?.map(Into::into))
        });
    }
    let mut digest = Digest::new();
    digest.row("tick", &values);
    Ok(digest.finish())
}

async fn digest_of(session: &mut Session<'_>, id: &str) -> Result<String, Fault> {
    let statement = format!("SELECT {DIGESTED} FROM ticks WHERE id = $1");
    let row = session.row(statement, &values![id]).await?.ok_or_else(|| "the tick is gone".to_owned())?;
    Ok(digest(&row)?)
}

async fn standing(
    session: &mut Session<'_>,
    bundle: &str,
    title: &str,
    kind: Kind,
    period: &str,
) -> Result<Option<Tick>, sqlx::Error> {
    let statement = format!(
        "SELECT {COLUMNS} FROM ticks WHERE bundle = $1 AND title = $2 AND kind = $3 AND period = $4 AND undone IS NULL"
    );
    let row = session.row(statement, &values![bundle, title, kind.name(), period]).await?;
    row.map(|row| Tick::read(&row)).transpose()
}

/// What became of a tick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ticked {
    /// It stands now.
    Done(Tick),
    /// It was ticked already, and stays as it was.
    Already(Tick),
}

/// Ticks an entry.
pub(super) struct Ticking<'a> {
    pub(super) bundle: &'a str,
    pub(super) entry: &'a ChecklistEntry,
    pub(super) period: &'a str,
    pub(super) by: &'a str,
    pub(super) note: Option<&'a str>,
}

impl Change for Ticking<'_> {
    type Done = Ticked;

    async fn apply(&self, session: &mut Session<'_>, chain: &mut Chain) -> Result<Ticked, Fault> {
        let Self { bundle, entry, period, by, note } = self;
        let title = title(&entry.title);
        if let Some(tick) = standing(session, bundle, &title, entry.kind, period).await? {
            return Ok(Ticked::Already(tick));
        }
        let tick = Tick {
            id: uuid::Uuid::now_v7().to_string(),
            title,
            kind: entry.kind,
            period: (*period).into(),
            at: Timestamp::now(),
            by: (*by).into(),
            note: note.map(|note| clean_line(note, TEXT_LIMIT)),
        };
        let row = values![
            &tick.id,
            *bundle,
            &tick.title,
            tick.kind.name(),
            &tick.period,
            nanos(tick.at),
            &tick.by,
            &tick.note,
        ];
        session.insert("ticks", "id, bundle, title, kind, period, ticked, operator, note", &[row.into()]).await?;
        let digest = digest_of(session, &tick.id).await?;
        chain.add(What::Ticked, &tick.id, digest);
        Ok(Ticked::Done(tick))
    }
}

/// Takes a tick back.
pub(super) struct Unticking<'a> {
    pub(super) bundle: &'a str,
    pub(super) entry: &'a ChecklistEntry,
    pub(super) period: &'a str,
    pub(super) by: &'a str,
}

impl Change for Unticking<'_> {
    /// The tick that was taken back, if there was one.
    type Done = Option<Tick>;

    async fn apply(&self, session: &mut Session<'_>, chain: &mut Chain) -> Result<Option<Tick>, Fault> {
        let Self { bundle, entry, period, by } = self;
        let Some(tick) = standing(session, bundle, &title(&entry.title), entry.kind, period).await? else {
            return Ok(None);
        };
        let statement = "UPDATE ticks SET undone = $2, undone_by = $3 WHERE id = $1";
        session.execute(statement, &values![&tick.id, nanos(Timestamp::now()), *by]).await?;
        let digest = digest_of(session, &tick.id).await?;
        chain.add(What::Unticked, &tick.id, digest);
        Ok(Some(tick))
    }
}

/// Notes what a bundle has people do, so that the log knows it later.
pub(super) struct Listing<'a> {
    pub(super) bundle: &'a str,
    pub(super) entries: &'a [ChecklistEntry],
}

impl Change for Listing<'_> {
    type Done = ();

    async fn apply(&self, session: &mut Session<'_>, _: &mut Chain) -> Result<(), Fault> {
        let now = nanos(Timestamp::now());
        for entry in self.entries {
            let (title, detail) = (title(&entry.title), entry.detail.as_deref());
            let detail = detail.map(|detail| clean_line(detail, TEXT_LIMIT));
            session
                .execute(
                    "INSERT INTO checklist (bundle, title, kind, detail, first_seen, last_seen) \
                     VALUES ($1, $2, $3, $4, $5, $5) ON CONFLICT (bundle, title, kind) DO UPDATE SET \
                     detail = excluded.detail, last_seen = excluded.last_seen",
                    &values![self.bundle, &title, entry.kind.name(), &detail, now],
                )
                .await?;
        }
        Ok(())
    }
}
