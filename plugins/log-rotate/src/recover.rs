//! Going on where a run was killed: copies whose log was not cut yet, or whose last name is missing, and files that are
//! there both plain and compressed. Nothing goes of which there is no second, compared byte by byte.

use taskhost_sdk::files::{self, Codec, Directory};
use taskhost_sdk::prelude::*;
use taskhost_sdk::{ByteStream, Result};

use crate::model::{Log, Old};
use crate::work::{Work, say_what_is_lost};
use log_names::{COPYING, Packing};

/// Brings what is there of a log in order; whether it can be worked on.
pub(crate) async fn recover(work: &mut Work<'_>, log: &mut Log) -> Result<bool> {
    for copy in log.rotated.extract_if(.., |old| old.copying).collect::<Vec<_>>() {
        match finish(work, log, copy).await? {
            Some(done) => log.rotated.push(done),
            None => return Ok(false),
        }
    }
    let packed: Vec<Old> = log.rotated.iter().filter(|old| old.packing != Packing::Plain).cloned().collect();
    for packed in packed {
        let bare = packed.path.strip_suffix(packed.packing.suffix()).unwrap_or_default();
        let Some(plain) = log.rotated.iter().find(|old| old.path == bare).cloned() else { continue };
        if let Some(gone) = settle(work, &plain, &packed).await? {
            log.rotated.retain(|old| old.path != gone);
        }
    }
    Ok(true)
}

/// Cuts the log, if that still begins with what was copied of it, and gives the copy its name. None when it cannot be.
async fn finish(work: &mut Work<'_>, log: &mut Log, copy: Old) -> Result<Option<Old>> {
    let to = copy.path.strip_suffix(COPYING).unwrap_or_default().to_owned();
    log::warn(format!("{}: an earlier run was interrupted between copying and cutting; going on", copy.path));
    let digest = work.directory.digest(copy.path.clone()).await?;
    if let Some(live) = log.live.as_mut().filter(|live| live.size >= digest.bytes && live.not_appending.is_empty()) {
        match work.directory.cut(log.path.clone(), digest.bytes, digest.sha256).await {
            Ok(cut) => {
                say_what_is_lost(&log.path, &cut);
                (live.size, live.modified) = (cut.size, work.settings.now);
            }
            // It was cut, and what it has is new.
            Err(files::Error::Invalid(_) | files::Error::NotFound(_)) => {}
            Err(error) => {
                work.failed(&log.path, "could not be cut", error)?;
                return Ok(None);
            }
        }
    }
    if let Err(error) = work.directory.rename(copy.path.clone(), to.clone()).await {
        work.failed(&copy.path, "could not be renamed", error)?;
        return Ok(None);
    }
    Ok(Some(Old { path: to, copying: false, changed: work.settings.now, ..copy }))
}

/// Of a file that is there plain and compressed, removes the one that has nothing of its own; its path.
async fn settle(work: &mut Work<'_>, plain: &Old, packed: &Old) -> Result<Option<String>> {
    let both = compare(work.directory, &plain.path, &packed.path).await;
    match both {
        Ok(Both::Same) if plain.writers.is_empty() => {
            let gone = work.remove(&plain.path, "it is there compressed").await?;
            Ok(gone.then(|| plain.path.clone()))
        }
        Ok(Both::Same) => Ok(None),
        Ok(Both::PlainHasMore) => {
            let gone = work.remove(&packed.path, "the plain file has all of it, and more").await?;
            Ok(gone.then(|| packed.path.clone()))
        }
        Ok(Both::Differ) => {
            Finding::warning(&plain.path, "there plain and compressed, with different content")
                .detail(format!("{} is not made of it", packed.path))
                .remedy("see what is in both, and remove or rename one")
                .report();
            Ok(None)
        }
        Err(error) => {
            work.failed(&packed.path, "could not be compared with its plain file", error)?;
            Ok(None)
        }
    }
}

/// How a plain file and a compressed one stand to each other.
enum Both {
    Same,
    PlainHasMore,
    Differ,
}

async fn compare(directory: &Directory, plain: &str, packed: &str) -> Result<Both, files::Error> {
    let mut plain = Reader::open(directory, plain, Codec::None).await?;
    let mut packed = Reader::open(directory, packed, Codec::Auto).await?;
    loop {
        let (left, right) = (plain.rest().await?.len(), packed.rest().await?.len());
        let common = left.min(right);
        if common == 0 {
            return Ok(match (left, right) {
                (0, 0) => Both::Same,
                (_, 0) => Both::PlainHasMore,
                _ => Both::Differ,
            });
        }
        if plain.rest().await?.get(..common) != packed.rest().await?.get(..common) {
            return Ok(Both::Differ);
        }
        plain.skip(common);
        packed.skip(common);
    }
}

/// A file that is read and compared in pieces of any size.
pub(crate) struct Reader {
    bytes: ByteStream<files::Error>,
    piece: Vec<u8>,
    at: usize,
    ended: bool,
}

impl Reader {
    pub(crate) async fn open(directory: &Directory, path: &str, decode: Codec) -> Result<Self, files::Error> {
        let bytes = directory.open_read(path, decode).await?;
        Ok(Self { bytes, piece: Vec::new(), at: 0, ended: false })
    }

    /// What was read and not yet skipped; empty only at the end of the file.
    pub(crate) async fn rest(&mut self) -> Result<&[u8], files::Error> {
        while self.at >= self.piece.len() && !self.ended {
            self.at = 0;
            match self.bytes.next(std::mem::take(&mut self.piece)).await? {
                Some(piece) => self.piece = piece,
                None => self.ended = true,
            }
        }
        Ok(self.piece.get(self.at..).unwrap_or_default())
    }

    pub(crate) fn skip(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// Whether `expected` comes next; it is then skipped.
    pub(crate) async fn has(&mut self, mut expected: &[u8]) -> Result<bool, files::Error> {
        while !expected.is_empty() {
            let rest = self.rest().await?;
            let common = rest.len().min(expected.len());
            let (head, tail) = expected.split_at(common);
            if common == 0 || rest.get(..common) != Some(head) {
                return Ok(false);
            }
            self.skip(common);
            expected = tail;
        }
        Ok(true)
    }
}
