//! An archive: the files of a directory, stored as they are read.

use tar_stream::write::{Entry as Header, end, zeros};
use taskhost_sdk::files::{self, Codec, Directory, Entry, Filter, Kind, Range, WriteMode, Writer};
use taskhost_sdk::prelude::*;
use taskhost_sdk::words::{counted, size};

use crate::name::Content;
use crate::outcome::{NotMade, Wrong, unwritten};
use crate::path::bytes;
use crate::told::Told;
use crate::{Job, Made, Options};

/// Bytes that are written at once.
const PIECE: usize = 64 << 10;
/// How often it is told how far it is, in bytes.
const STEP: u64 = 64 << 20;

/// What there is to be archived.
pub(crate) struct Measured {
    pub(crate) bytes: u64,
    members: u64,
}

fn filter(options: &Options) -> Filter {
    Filter {
        include: options.include.clone(),
        exclude: options.exclude.clone(),
        kinds: vec![Kind::File, Kind::Directory, Kind::Symlink, Kind::Other],
        ..Filter::default()
    }
}

fn unread(error: files::Error) -> NotMade {
    match error {
        files::Error::Invalid(message) => {
            NotMade::Stopped(Failure::invalid(format!("`include` or `exclude`: {message}")))
        }
        files::Error::Refused(_) | files::Error::OverBudget(_) => NotMade::Stopped(error.into()),
        error => Wrong::new(
            "files could not be read",
            files::message(&error),
            "see the directory of slot `source` and the rights of the host's user",
        )
        .into(),
    }
}

/// How much there is, so that it can be told whether it fits, and how far it is.
pub(crate) async fn measure(source: &Directory, options: &Options) -> Result<Measured, NotMade> {
    let mut entries = source.entries(filter(options)).await.map_err(unread)?;
    let mut measured = Measured { bytes: 0, members: 0 };
    while let Some(entry) = entries.next().await.map_err(unread)? {
        if entry.kind == Kind::File {
            measured.bytes = measured.bytes.saturating_add(entry.size);
        }
        measured.members += u64::from(matches!(entry.kind, Kind::File | Kind::Directory));
    }
    if measured.members == 0 {
        return Err(Wrong::new(
            "there is nothing to back up",
            "slot `source` has no file that is wanted",
            "see whether its directory is the right one, and mounted, and what include and exclude say",
        )
        .into());
    }
    Ok(measured)
}

/// Stores an archive under its name, or leaves nothing.
pub(crate) async fn archive(job: &Job<'_>, source: &Directory, measured: &Measured) -> Result<Made, NotMade> {
    let (path, codec) = Content::Tar.file(&job.options.name, &job.stamp, job.options.compress);
    let mut told = Told::default();
    let mut stopped = None;
    let (tally, reason) = (&mut told, &mut stopped);
    let stored = job.backups.write_with(&path, WriteMode::Create, codec, async move |file| {
        let mut out = Out { file, buffer: Vec::new() };
        let packed = pack(source, job.options, measured.bytes, &mut out, tally).await;
        if let Err(Broken::Source(error)) = packed {
            *reason = Some(error);
            return Err(Failure::new("the files could not be read"));
        }
        packed.map_err(|broken| match broken {
            Broken::Backups(error) | Broken::Source(error) => error.into(),
        })
    });
    let stored = stored.await;
    if let Some(error) = stopped {
        return Err(unread(error));
    }
    let written = stored.map_err(unwritten)?;
    told.report(&job.options.name);
    let what = format!("a tar of {}, {}", counted(told.members, "member"), size(told.bytes));
    Ok(Made { path, written, content: told.bytes, what })
}

/// Which side failed.
enum Broken {
    Source(files::Error),
    Backups(files::Error),
}

/// The file that is written, in pieces that are worth a call.
struct Out<'a> {
    file: &'a mut Writer,
    buffer: Vec<u8>,
}

impl Out<'_> {
    async fn add(&mut self, bytes: impl IntoIterator<Item = u8>) -> Result<(), Broken> {
        self.buffer.extend(bytes);
        if self.buffer.len() >= PIECE { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), Broken> {
        let full = std::mem::take(&mut self.buffer);
        self.buffer = self.file.write(full).await.map_err(Broken::Backups)?;
        Ok(())
    }
}

async fn pack(
    source: &Directory,
    options: &Options,
    total: u64,
    out: &mut Out<'_>,
    told: &mut Told,
) -> Result<(), Broken> {
    let mut entries = source.entries(filter(options)).await.map_err(Broken::Source)?;
    let mut said = 0;
    while let Some(entry) = entries.next().await.map_err(Broken::Source)? {
        match entry.kind {
            Kind::File => file(source, &entry, out, told).await?,
            Kind::Directory => {
                let path = [bytes(&entry.path).as_slice(), b"/"].concat();
                member(&path, &entry, true, out, told).await?;
            }
            // The files room tells no link's target.
            Kind::Symlink => told.links.add(entry.path),
            Kind::Other => told.others.add(entry.path),
        }
        if told.bytes - said >= STEP {
            said = told.bytes;
            progress(told.bytes, Some(total), "archiving");
        }
    }
    for problem in entries.walked().map(|walked| walked.problems.clone()).unwrap_or_default() {
        told.unread.add(format!("{} ({})", problem.path, problem.message));
    }
    out.add(end()).await?;
    out.flush().await
}

async fn member(path: &[u8], entry: &Entry, directory: bool, out: &mut Out<'_>, told: &mut Told) -> Result<(), Broken> {
    told.members += 1;
    let header = Header { path, directory, size: entry.size, mode: entry.mode, modified: entry.modified };
    out.add(header.header()).await
}

/// One file: as many bytes as it had when it was found, whatever becomes of it meanwhile.
async fn file(source: &Directory, entry: &Entry, out: &mut Out<'_>, told: &mut Told) -> Result<(), Broken> {
    let part = Range { offset: 0, length: Some(entry.size) };
    let mut content = match source.open_read_part(&entry.path, part, Codec::None).await {
        Ok(content) => content,
        Err(error @ (files::Error::Refused(_) | files::Error::OverBudget(_))) => return Err(Broken::Source(error)),
        // It went since it was found.
        Err(files::Error::NotFound(_)) => return Ok(()),
        Err(error) => {
            told.unread.add(format!("{} ({})", entry.path, files::message(&error)));
            return Ok(());
        }
    };
    member(&bytes(&entry.path), entry, false, out, told).await?;
    let (mut left, mut piece) = (entry.size, Vec::new());
    while left > 0 {
        match content.next(piece).await {
            Ok(Some(read)) => {
                let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(read.len());
                out.add(read.iter().copied().take(wanted)).await?;
                left -= wanted as u64;
                piece = read;
            }
            Ok(None) => break,
            Err(error @ files::Error::OverBudget(_)) => return Err(Broken::Source(error)),
            Err(error) => {
                told.unread.add(format!("{} ({})", entry.path, files::message(&error)));
                break;
            }
        }
    }
    told.bytes += entry.size - left;
    let cut = left > 0;
    // Its header has promised them.
    while left > 0 {
        let filled = left.min(PIECE as u64);
        out.add(std::iter::repeat_n(0, usize::try_from(filled).unwrap_or(PIECE))).await?;
        left -= filled;
    }
    let same = source.stat(entry.path.clone()).await;
    if cut || same.is_ok_and(|now| (now.size, now.modified) != (entry.size, entry.modified)) {
        told.changed.add(entry.path.clone());
    }
    out.add(zeros(entry.size)).await
}
