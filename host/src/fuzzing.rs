//! The way in for the fuzz targets in `tests/`: narrow functions over what is not public, in types that are. This is no
//! interface, and nothing but those targets may use it. It must never do what the host itself does not: each function
//! only passes on.

use bytes::{Bytes, BytesMut};

use crate::capability::http::location::Location;
use crate::capability::sql::dump::{Dump, Event, Origin, classify, classify_meta};
use crate::capability::sql::{grant, statement};
use crate::cli::inspect::Inspection;
use crate::plugin::Description;
use crate::policy::endpoint::HostName;

pub use crate::capability::files::fuzzing as files;
/// The contract's types of a plugin's description, unchecked.
pub use crate::plugin::bindings::exports::taskhost::host::task;

/// Which grammar a statement is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    Mysql,
    /// SQLite.
    Sqlite,
}

impl From<Dialect> for grant::Dialect {
    fn from(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Postgres => Self::Postgres,
            Dialect::Mysql => Self::Mysql,
            Dialect::Sqlite => Self::Sqlite,
        }
    }
}

/// A statement that was let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// What would run.
    pub text: String,
    /// How many parameters it takes.
    pub parameters: usize,
    /// The tables that it changes, as the grant would see them; none for what reads.
    pub targets: Vec<String>,
}

/// What `text` is when it only reads, with no function granted.
///
/// # Errors
/// Why it is refused.
pub fn reading(dialect: Dialect, text: &str) -> Result<Passed, String> {
    statement::reading(dialect.into(), text, &[])
        .map(|reading| Passed { text: reading.text, parameters: reading.parameters, targets: vec![] })
        .map_err(|refusal| refusal.to_string())
}

/// What `text` changes, with no function granted.
///
/// # Errors
/// Why it is refused.
pub fn changing(dialect: Dialect, text: &str) -> Result<Passed, String> {
    statement::changing(dialect.into(), text, &[])
        .map(|changing| Passed {
            text: changing.text,
            parameters: changing.parameters,
            targets: changing.targets.iter().map(ToString::to_string).collect(),
        })
        .map_err(|refusal| refusal.to_string())
}

/// The functions that every statement may call.
pub fn harmless_functions(dialect: Dialect) -> Vec<&'static str> {
    statement::harmless(dialect.into())
}

/// The settings that the room's own connections have.
pub fn session_settings(dialect: Dialect) -> &'static [(&'static str, &'static str)] {
    statement::session_settings(dialect.into())
}

/// What a dump that comes in these chunks holds: a line for each statement with what restore would do about it, COPY
/// rows joined, and at last how the dump ended.
pub fn dump<'a>(dialect: Dialect, chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
    let dialect = dialect.into();
    let (mut lines, mut rows) = (Vec::new(), BytesMut::new());
    let mut emit = |event: Event| match &event {
        Event::Statement(text) | Event::CopyBegin(text) => {
            lines.push(format!("{event:?}: {:?}", classify(dialect, Origin::Dump, text)));
        }
        Event::Meta(text) => lines.push(format!("{event:?}: {:?}", classify_meta(text))),
        Event::CopyData(data) => rows.extend_from_slice(data),
        Event::CopyEnd => lines.push(format!("rows {:?}", rows.split())),
    };
    let mut dump = Dump::new(dialect);
    let mut pushed = Ok(());
    for chunk in chunks {
        pushed = dump.push(Bytes::copy_from_slice(chunk), &mut emit);
        if pushed.is_err() {
            break;
        }
    }
    let ended = pushed.and_then(|()| dump.finish(&mut emit));
    if !rows.is_empty() {
        lines.push(format!("rows without an end {rows:?}"));
    }
    lines.push(format!("{ended:?}"));
    lines
}

/// Checks what a plugin says of itself.
///
/// # Errors
/// Why it is refused, as an operator would read it.
pub fn describe(raw: task::Description) -> Result<Description, String> {
    Description::check(raw)
}

/// What `host inspect` shows: its text with colours, and its JSON.
///
/// # Errors
/// A description that has no form in JSON.
pub fn inspect(description: &Description) -> Result<(String, String), String> {
    let inspection = Inspection::new(description, "sha256:0", 0, &[]);
    Ok((inspection.text(), inspection.json().map_err(|error| error.to_string())?))
}

/// A request as it would be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Whether it is https.
    pub encrypted: bool,
    /// To whom.
    pub host: HostName,
    /// At which port.
    pub port: u16,
    /// Its `Host`.
    pub authority: String,
    /// Path and query.
    pub target: String,
}

/// What is sent for `url` where a slot is bound to `base` alone, if that grants it.
pub fn http_sent(base: &str, url: &str) -> Option<Sent> {
    let base = Location::parse(base).ok().filter(|base| !base.has_query())?;
    let location = base.below(url).ok().filter(|location| base.covers(location))?;
    Some(Sent {
        encrypted: location.is_encrypted(),
        host: location.host().clone(),
        port: location.port(),
        authority: location.authority(),
        target: location.target(),
    })
}
