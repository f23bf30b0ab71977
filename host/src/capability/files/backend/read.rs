//! `read`, `read-all` and `digest`.

use std::io::{Read, Seek as _, SeekFrom};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::super::bindings::{Digest, ReadOptions};
use super::super::error::Error;
use super::codec::Decoder;
use super::root::{LastDirectory, Opened, Root};
use super::{CHUNK, Wanted, fill};
use crate::policy::path::RelativePath;

impl Root {
    /// Opens a file, to be streamed.
    pub(in super::super) fn open_file(&self, path: &RelativePath) -> Result<Opened, Error> {
        self.file(path, &mut LastDirectory::default())
    }

    /// A small file as a whole.
    pub(in super::super) fn read_small(
        &self,
        path: &RelativePath,
        limit: u64,
        last: &mut LastDirectory,
    ) -> Result<Vec<u8>, Error> {
        let opened = self.file(path, last)?;
        let too_large =
            |size: u64| Error::Invalid(format!("`{path}` has {size} bytes or more, over the limit of {limit}"));
        if opened.size() > limit {
            return Err(too_large(opened.size()));
        }
        let mut content = Vec::with_capacity(usize::try_from(opened.size()).unwrap_or_default());
        // It may have grown since, and files of /proc say that they are empty.
        let read = (&opened.file).take(limit.saturating_add(1)).read_to_end(&mut content);
        match read {
            Ok(size) if size as u64 > limit => Err(too_large(size as u64)),
            Ok(_) => Ok(content),
            Err(error) => Err(opened.failed("read", &error)),
        }
    }
}

/// Streams a file, decoded, from a range of its stored bytes. The count is of bytes given, also when that ended early.
pub(in super::super) fn read(
    opened: &Opened,
    options: &ReadOptions,
    wanted: &impl Wanted,
    mut give: impl FnMut(Bytes) -> Result<(), Error>,
) -> (u64, Result<(), Error>) {
    let mut given = 0;
    let ended = (|| {
        let path = opened.path.clone();
        let mut file = &opened.file;
        let mut length = u64::MAX;
        if let Some(range) = options.range {
            let offset = i64::try_from(range.offset).map_err(|_| Error::Invalid("the offset is too large".into()))?;
            file.seek(SeekFrom::Start(offset.unsigned_abs())).map_err(|error| opened.failed("read", &error))?;
            length = range.length.unwrap_or(u64::MAX);
        }
        let mut decoder =
            Decoder::new(file.take(length), options.decode).map_err(|error| opened.failed("read", &error))?;
        loop {
            wanted.wanted()?;
            let mut chunk = vec![0; CHUNK];
            let read = fill(&mut decoder, &mut chunk).map_err(|error| decoder.failed(&path, &error))?;
            if read == 0 {
                return Ok(());
            }
            chunk.truncate(read);
            give(chunk.into())?;
            given += read as u64;
        }
    })();
    (given, ended)
}

/// The SHA-256 of a file as it is stored.
pub(in super::super) fn digest(opened: &Opened, wanted: &impl Wanted) -> Result<Digest, Error> {
    let (mut hash, mut bytes, mut chunk) = (Sha256::new(), 0, vec![0; CHUNK]);
    loop {
        wanted.wanted()?;
        let read = fill(&mut &opened.file, &mut chunk).map_err(|error| opened.failed("read", &error))?;
        if read == 0 {
            return Ok(Digest { bytes, sha256: hex(hash) });
        }
        hash.update(chunk.split_at(read).0);
        bytes += read as u64;
    }
}

/// A finished hash in lower-case hexadecimal.
pub(super) fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
