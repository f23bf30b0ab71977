//! Loads a plain SQL dump into a scratch database. The dump is read on a thread of its own, so that reading it and the
//! server's work overlap; what waits in between is bounded.

use bytes::Bytes;
use tokio::sync::mpsc;

use super::{Connection, Dialect, Error, Lease, wit};
use crate::capability::sql::dump::{Dump, DumpError, Event, Origin, Verdict, classify, classify_meta, without_definer};
use crate::capability::stream::ByteReceiver;
use crate::gate::Refusal;

/// Steps that may wait for the server.
const STEPS: usize = 16;
/// COPY rows are sent on in pieces of at least this size.
const PIECE: usize = 64 * 1024;

/// What is to be done next.
enum Step {
    Run { text: String, line: u64 },
    CopyBegin { text: String, line: u64 },
    CopyData(Bytes),
    CopyEnd,
}

/// What reading the dump came to.
struct Read {
    bytes: u64,
    skipped: u64,
}

/// Loads `dump` through `lease`, which is connected to a scratch database.
pub(crate) async fn restore(lease: &mut Lease, dialect: Dialect, dump: ByteReceiver) -> Result<wit::Restored, Error> {
    let connection = lease.connection()?;
    let confined = connection.is_confined().await?;
    let (sender, receiver) = mpsc::channel(STEPS);
    let reader = tokio::task::spawn_blocking(move || read(dialect, confined, dump, &sender));
    prepare(connection, dialect).await?;
    let (statements, rows) = carry_out(connection, receiver).await?;
    let read = reader.await.map_err(|_| Error::Bug(wasmtime::Error::msg("reading a dump panicked")))??;
    settle(connection, dialect).await?;
    Ok(wit::Restored { statements, rows, bytes: read.bytes, skipped: read.skipped })
}

/// Nothing of a scratch database need outlive a crash of the server.
async fn prepare(connection: &mut Connection, dialect: Dialect) -> Result<(), Error> {
    match dialect {
        Dialect::Postgres => connection.run("SET synchronous_commit = off").await?,
        Dialect::Mysql => connection.run("SET SESSION autocommit = 0").await?,
        Dialect::Sqlite => 0,
    };
    Ok(())
}

/// A dump leaves its settings behind; the connection is closed for that, and what is open made lasting.
async fn settle(connection: &mut Connection, dialect: Dialect) -> Result<(), Error> {
    if dialect == Dialect::Mysql {
        connection.run("COMMIT").await?;
    }
    Ok(())
}

async fn carry_out(connection: &mut Connection, mut steps: mpsc::Receiver<Step>) -> Result<(u64, u64), Error> {
    let (mut statements, mut rows) = (0, 0);
    while let Some(step) = steps.recv().await {
        statements += 1;
        match step {
            Step::Run { text, line } => {
                let changed = connection.run(&text).await.map_err(|error| error.at(&place(line, statements)))?;
                let inserts = text.trim_start().get(..6).is_some_and(|word| word.eq_ignore_ascii_case("insert"));
                rows += if inserts { changed } else { 0 };
            }
            Step::CopyBegin { text, line } => {
                rows +=
                    copy(connection, &text, &mut steps).await.map_err(|error| error.at(&place(line, statements)))?;
            }
            Step::CopyData(_) | Step::CopyEnd => return Err(Error::Invalid("rows without a COPY".into())),
        }
    }
    Ok((statements, rows))
}

async fn copy(connection: &mut Connection, text: &str, steps: &mut mpsc::Receiver<Step>) -> Result<u64, Error> {
    let Connection::Postgres(connection) = connection else {
        return Err(Error::Unsupported("COPY .. FROM stdin is PostgreSQL's".into()));
    };
    let mut block = connection.copy_block(text).await?;
    let mut piece = Vec::with_capacity(2 * PIECE);
    loop {
        match steps.recv().await {
            Some(Step::CopyData(data)) if piece.is_empty() && data.len() >= PIECE => block.send(&data).await?,
            Some(Step::CopyData(data)) => {
                piece.extend_from_slice(&data);
                if piece.len() >= PIECE {
                    block.send(&piece).await?;
                    piece.clear();
                }
            }
            Some(Step::CopyEnd) => {
                if !piece.is_empty() {
                    block.send(&piece).await?;
                }
                return block.finish().await;
            }
            // The reader stopped inside the block; its error says why.
            _ => return Ok(0),
        }
    }
}

fn place(line: u64, statement: u64) -> String {
    format!("statement {statement}, before line {line}")
}

/// Reads the dump to its end, and sends what is to be done.
fn read(dialect: Dialect, confined: bool, mut data: ByteReceiver, steps: &mpsc::Sender<Step>) -> Result<Read, Error> {
    let mut dump = Dump::new(dialect);
    let (mut events, mut skipped) = (Vec::new(), 0);
    while let Some(chunk) = data.blocking_next() {
        dump.push(chunk, &mut |event| events.push(event)).map_err(|error| unreadable(&error))?;
        let line = dump.line();
        send(dialect, confined, &mut events, line, &mut skipped, steps)?;
    }
    let line = dump.line();
    let summary = dump.finish(&mut |event| events.push(event)).map_err(|error| unreadable(&error))?;
    send(dialect, confined, &mut events, line, &mut skipped, steps)?;
    Ok(Read { bytes: summary.bytes, skipped })
}

fn send(
    dialect: Dialect,
    confined: bool,
    events: &mut Vec<Event>,
    line: u64,
    skipped: &mut u64,
    steps: &mpsc::Sender<Step>,
) -> Result<(), Error> {
    for event in events.drain(..) {
        let (verdict, step) = match event {
            Event::Statement(text) => {
                let verdict = classify(dialect, Origin::Dump, &text);
                let text = if dialect == Dialect::Mysql { without_definer(text) } else { text };
                (verdict, Step::Run { text, line })
            }
            Event::CopyBegin(text) => (classify(dialect, Origin::Dump, &text), Step::CopyBegin { text, line }),
            Event::Meta(text) => (classify_meta(&text), Step::CopyEnd),
            Event::CopyData(data) => (Verdict::Run, Step::CopyData(data)),
            Event::CopyEnd => (Verdict::Run, Step::CopyEnd),
        };
        match verdict {
            Verdict::Run => {}
            Verdict::Confined(_) if confined => {}
            Verdict::Skip(_) => {
                *skipped += 1;
                continue;
            }
            Verdict::Confined(why) => return Err(refused(line, &unconfined(why))),
            Verdict::Refuse(why) => return Err(refused(line, &why)),
        }
        steps.blocking_send(step).map_err(|_| Error::Abandoned)?;
    }
    Ok(())
}

/// Why a statement that only a confined role may run is refused, and the way out.
pub(crate) fn unconfined(why: &str) -> String {
    format!("{why}; bind the slot to a role that can do nothing but make scratch databases")
}

fn refused(line: u64, why: &str) -> Error {
    Refusal::NotGranted(format!("the dump is refused before line {line}: {why}")).into()
}

fn unreadable(error: &DumpError) -> Error {
    Error::Invalid(format!("the dump cannot be read: {error}"))
}
