//! Which files a log is in, and which parts of them are to be read: all of them, or what came since an earlier run, though
//! the log was rotated in between.

use std::collections::{BTreeMap, BTreeSet};

use log_names::Packing;
use taskhost_sdk::files::{self, Codec, Directory, Entry, Filter, Range};
use taskhost_sdk::prelude::*;
use taskhost_sdk::words::count;

use crate::position::{HEAD, Known, Position};
use crate::{Options, SLOT};

/// Files that are looked at in one call.
const BATCH: usize = 500;
/// Enough of a compressed file to have a block of what is in it.
const PACKED_HEAD: u64 = 256 << 10;
/// How far back the end of the last whole line is looked for.
const REACH: u64 = 8 << 20;

/// A log with the files it is in: rotated ones, the oldest first, and the one that is written now.
#[derive(Debug, Default)]
pub(crate) struct Source {
    pub(crate) log: String,
    files: Vec<File>,
}

#[derive(Clone, Debug)]
struct File {
    entry: Entry,
    /// Empty where nobody asked for it.
    identity: String,
    /// The operator's pattern names it.
    wanted: bool,
}

/// What is read of one file.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) path: String,
    pub(crate) identity: String,
    pub(crate) packed: bool,
    /// Bytes that were read before, of what is in it.
    pub(crate) from: u64,
    /// Lines that were.
    pub(crate) lines_before: u64,
    /// Bytes of the file.
    pub(crate) size: u64,
    pub(crate) modified: i64,
    /// A last line that has no end yet is left for the next run.
    pub(crate) whole_lines: bool,
}

/// What is read of a log.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    pub(crate) parts: Vec<Part>,
    /// It was rotated since, and what was left to read of it is nowhere.
    pub(crate) missed: bool,
}

/// Finds the logs. With `remembers`, also the rotated files in which one may go on.
pub(crate) async fn survey(directory: &Directory, options: &Options, remembers: bool) -> Result<Vec<Source>> {
    let mut files = BTreeMap::<String, (Entry, bool)>::new();
    walk(directory, options.pattern.clone(), options, |entry| {
        files.insert(entry.path.clone(), (entry, true));
    })
    .await?;
    if remembers {
        walk(directory, log_names::rotated_patterns(&options.pattern), options, |entry| {
            if log_names::parse(&entry.path).is_some_and(|rotated| !rotated.copying) {
                files.entry(entry.path.clone()).or_insert((entry, false));
            }
        })
        .await?;
    }
    let identities = if remembers { identities(directory, files.keys()).await? } else { BTreeMap::new() };
    let mut sources = BTreeMap::<String, Source>::new();
    for (path, (entry, wanted)) in files {
        let log = log_names::parse(&path).map_or(path.as_str(), |rotated| rotated.log).to_owned();
        let identity = identities.get(&path).cloned().unwrap_or_default();
        let source = sources.entry(log.clone()).or_insert_with(|| Source { log, files: vec![] });
        source.files.push(File { entry, identity, wanted });
    }
    let mut sources: Vec<_> =
        sources.into_values().filter(|source| source.files.iter().any(|file| file.wanted)).collect();
    for source in &mut sources {
        let log = source.log.clone();
        source.files.sort_by_key(|file| (file.entry.path == log, file.entry.modified, file.entry.path.clone()));
    }
    Ok(sources)
}

async fn walk(
    directory: &Directory,
    include: Vec<String>,
    options: &Options,
    mut take: impl FnMut(Entry),
) -> Result<()> {
    let filter = Filter { include, exclude: options.exclude.clone(), ..Filter::new() };
    let mut entries = directory.entries(filter).await.map_err(|error| match error {
        files::Error::Invalid(message) => Failure::invalid(format!("`pattern` or `exclude`: {message}")),
        error => error.into(),
    })?;
    while let Some(entry) = entries.next().await? {
        take(entry);
    }
    let Some(walked) = entries.walked() else { bail!("the walk did not say how it ended") };
    for problem in &walked.problems {
        Finding::warning(&problem.path, "could not be read")
            .detail(&problem.message)
            .remedy("give the host's user the right to read it, or leave it out with exclude=...")
            .report();
    }
    if walked.problem_count > walked.problems.len() as u64 {
        Finding::warning(SLOT, "more could not be read")
            .detail(format!("{} in all", count(walked.problem_count)))
            .report();
    }
    Ok(())
}

/// Which file each is.
async fn identities(directory: &Directory, paths: impl Iterator<Item = &String>) -> Result<BTreeMap<String, String>> {
    let paths: BTreeSet<String> = paths.cloned().collect();
    let paths: Vec<String> = paths.into_iter().collect();
    let mut found = BTreeMap::new();
    for batch in paths.chunks(BATCH) {
        let examined = directory.examine(batch.to_vec()).await?;
        for (path, details) in batch.iter().zip(examined.files) {
            if let Ok(details) = details {
                found.insert(path.clone(), details.identity);
            }
        }
    }
    Ok(found)
}

impl File {
    fn is_packed(&self) -> bool {
        log_names::parse(&self.entry.path).is_some_and(|rotated| rotated.packing != Packing::Plain)
            || [".gz", ".zst"].iter().any(|end| self.entry.path.ends_with(end))
    }

    fn part(&self, position: Option<&Position>) -> Part {
        Part {
            path: self.entry.path.clone(),
            identity: self.identity.clone(),
            packed: self.is_packed(),
            from: position.map_or(0, |position| position.offset),
            lines_before: position.map_or(0, |position| position.lines),
            size: self.entry.size,
            modified: self.entry.modified,
            whole_lines: false,
        }
    }

    async fn is(&self, directory: &Directory, position: &Position) -> bool {
        let packed = self.is_packed();
        let Ok(head) = head(directory, &self.entry.path, packed, HEAD).await else { return false };
        let size = (!packed).then_some(self.entry.size);
        position.is_of(&Known { identity: &self.identity, head: &head, size })
    }
}

impl Source {
    /// Some file of it.
    pub(crate) fn any_path(&self) -> Option<&str> {
        self.files.last().map(|file| file.entry.path.as_str())
    }

    /// What is to be read: from `position` on where there is one, else all that the operator's pattern names.
    pub(crate) async fn reading(&self, directory: &Directory, position: Option<&Position>) -> Reading {
        let live = self.files.last().filter(|file| file.entry.path == self.log);
        let mut reading = match position {
            None => {
                let wanted = self.files.iter().filter(|file| file.wanted);
                Reading { parts: wanted.map(|file| file.part(None)).collect(), missed: false }
            }
            Some(position) => self.since(directory, live, position).await,
        };
        if let Some(part) = reading.parts.iter_mut().find(|part| part.path == self.log) {
            part.whole_lines = true;
        }
        reading
    }

    async fn since(&self, directory: &Directory, live: Option<&File>, position: &Position) -> Reading {
        if let Some(live) = live
            && live.is(directory, position).await
        {
            return Reading { parts: vec![live.part(Some(position))], missed: false };
        }
        for (place, file) in self.files.iter().enumerate().rev() {
            if file.entry.path != self.log && file.is(directory, position).await {
                let later = self.files.iter().skip(place + 1).map(|file| file.part(None));
                return Reading {
                    parts: std::iter::once(file.part(Some(position))).chain(later).collect(),
                    missed: false,
                };
            }
        }
        // Nothing had been read of it, or nothing is left of what was.
        Reading { parts: live.map(|live| live.part(None)).into_iter().collect(), missed: position.offset > 0 }
    }
}

impl Part {
    /// How its bytes are read.
    pub(crate) fn codec(&self) -> Codec {
        if self.packed { Codec::Auto } else { Codec::None }
    }

    /// How far it is read: to its end, or to that of its last whole line.
    pub(crate) async fn end(&self, directory: &Directory) -> Result<u64, files::Error> {
        if !self.whole_lines || self.packed {
            return Ok(self.size);
        }
        let mut end = self.size;
        while end > self.from && self.size - end < REACH {
            let length = (end - self.from).min(64 << 10);
            let range = Range { offset: end - length, length: Some(length) };
            let block = directory.open_read_part(&self.path, range, Codec::None).await?;
            let block = block.collect(1 << 20).await?;
            if let Some(last) = memchr::memrchr(b'\n', &block) {
                return Ok(end - length + last as u64 + 1);
            }
            end -= length;
        }
        // Nothing but one line that has no end: what is longer than anyone waits for is read as it is.
        Ok(if self.size - self.from > REACH { self.size } else { self.from })
    }
}

/// The first bytes of a file, of what is in it where it is compressed.
pub(crate) async fn head(
    directory: &Directory,
    path: &str,
    packed: bool,
    count: usize,
) -> Result<Vec<u8>, files::Error> {
    let (length, decode) = if packed { (PACKED_HEAD, Codec::Auto) } else { (count as u64, Codec::None) };
    let mut bytes = directory.open_read_part(path, Range { offset: 0, length: Some(length) }, decode).await?;
    let mut head = Vec::new();
    while head.len() < count {
        match bytes.next(Vec::new()).await {
            Ok(Some(piece)) => head.extend_from_slice(&piece),
            Ok(None) => break,
            // The part of a compressed file ends early, and that is what was asked for.
            Err(files::Error::Invalid(_)) if packed => break,
            Err(error) => return Err(error),
        }
    }
    head.truncate(count);
    Ok(head)
}
