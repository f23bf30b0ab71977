//! The chain: for everything that is noted one link, which carries the hash of the link before. Whoever changes, takes
//! out or moves something in the database leaves a chain that does not hold; only whoever makes the whole chain anew
//! does not, and against that a hash that is noted elsewhere helps (`host history verify --head`).

use jiff::Timestamp;

use super::digest::Digest;
use super::sql::{Row, Session, Value, values};
use super::words::nanos;

/// What a link is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum What {
    /// A run, before its first instruction.
    Started,
    /// A run with all that it left.
    Finished,
    /// A run of which no end came.
    Interrupted,
    /// A checklist entry that was done.
    Ticked,
    /// One of which that was taken back.
    Unticked,
    /// Something that was done about runs.
    Noted,
    /// All links up to the one that the subject numbers, which had the hash that is the digest.
    Removed,
}

/// One link.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) seq: i64,
    pub(super) noted: i64,
    pub(super) what: String,
    pub(super) subject: String,
    pub(super) operator: String,
    pub(super) digest: String,
    pub(super) previous: String,
    pub(super) hash: String,
}

/// The columns of a link, in the order in which [`Link::read`] takes them.
pub(super) const COLUMNS: &str = "seq, noted, what, subject, operator, digest, previous, hash";

impl Link {
    pub(super) fn read(row: &Row) -> Result<Self, sqlx::Error> {
        Ok(Self {
            seq: row.get(0)?,
            noted: row.get(1)?,
            what: row.get(2)?,
            subject: row.get(3)?,
            operator: row.get(4)?,
            digest: row.get(5)?,
            previous: row.get(6)?,
            hash: row.get(7)?,
        })
    }

    /// The hash that it must have.
    pub(super) fn expected(&self) -> String {
        let mut digest = Digest::new();
        let Self { seq, noted, what, subject, operator, digest: own, previous, hash: _ } = self;
        digest.row("link", &values![*seq, *noted, what, subject, operator, own, previous]);
        digest.finish()
    }
}

/// The end of the chain, held while something is added: writers wait for each other here.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) seq: i64,
    pub(super) hash: String,
    operator: String,
    added: Vec<Link>,
}

impl Chain {
    /// Takes hold of the end, until the transaction ends.
    pub(super) async fn hold(session: &mut Session<'_>, operator: &str) -> Result<Self, sqlx::Error> {
        let statement = if session.is_postgres() {
            "SELECT seq, hash FROM head WHERE one = 1 FOR UPDATE"
        } else {
            // The transaction holds the whole file.
            "SELECT seq, hash FROM head WHERE one = 1"
        };
        let row = session.row(statement, &[]).await?.ok_or(sqlx::Error::RowNotFound)?;
        Ok(Self { seq: row.get(0)?, hash: row.get(1)?, operator: operator.into(), added: vec![] })
    }

    /// Adds a link, and returns its number. It is written with the others when the change is made.
    pub(super) fn add(&mut self, what: What, subject: &str, digest: String) -> i64 {
        let mut link = Link {
            seq: self.seq + 1,
            noted: nanos(Timestamp::now()),
            what: super::words::word(what),
            subject: subject.into(),
            operator: self.operator.clone(),
            digest,
            previous: self.hash.clone(),
            hash: String::new(),
        };
        link.hash = link.expected();
        self.seq = link.seq;
        self.hash.clone_from(&link.hash);
        self.added.push(link);
        self.seq
    }

    /// Writes the links that were added, and where the chain ends now.
    pub(super) async fn settle(&mut self, session: &mut Session<'_>) -> Result<(), sqlx::Error> {
        if self.added.is_empty() {
            return Ok(());
        }
        let rows: Vec<Vec<Value<'_>>> = self
            .added
            .iter()
            .map(|link| {
                let Link { seq, noted, what, subject, operator, digest, previous, hash } = link;
                values![*seq, *noted, what, subject, operator, digest, previous, hash].into()
            })
            .collect();
        session.insert("journal", COLUMNS, &rows).await?;
        session.execute("UPDATE head SET seq = $1, hash = $2 WHERE one = 1", &values![self.seq, &self.hash]).await?;
        self.added.clear();
        Ok(())
    }
}
