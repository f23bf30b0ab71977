//! Compression: undone while reading, done while writing.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::super::bindings::Codec;
use super::super::error::Error;
use super::CHUNK;
use crate::policy::path::RelativePath;

/// The level at which zstd is as fast as it is asked to be by default.
const ZSTD_LEVEL: i32 = 3;

/// What a file's stored bytes are, once `auto` is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Format {
    Plain,
    Gzip,
    Zstd,
}

impl Format {
    fn named(codec: Codec) -> Option<Self> {
        match codec {
            Codec::None => Some(Self::Plain),
            Codec::Gzip => Some(Self::Gzip),
            Codec::Zstd => Some(Self::Zstd),
            Codec::Auto => None,
        }
    }

    /// By the name of what is written.
    pub(in super::super) fn to_write(codec: Codec, path: &RelativePath) -> Self {
        let name = path.names().last().map_or(&b""[..], Vec::as_slice);
        Self::named(codec).unwrap_or_else(|| match name.rsplit(|byte| *byte == b'.').next() {
            Some(b"gz" | b"tgz") => Self::Gzip,
            Some(b"zst" | b"tzst") => Self::Zstd,
            _ => Self::Plain,
        })
    }

    /// By the first bytes of what is read.
    fn to_read(codec: Codec, first: &[u8]) -> Self {
        Self::named(codec).unwrap_or(match first {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            _ => Self::Plain,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// A file's content, decoded.
pub(super) struct Decoder<R> {
    inner: Inner<R>,
    format: Format,
    stored: Arc<AtomicU64>,
}

enum Inner<R> {
    Plain(BufReader<Counted<R>>),
    Gzip(Box<MultiGzDecoder<BufReader<Counted<R>>>>),
    Zstd(zstd::Decoder<'static, BufReader<Counted<R>>>),
}

impl<R: Read> Decoder<R> {
    /// Decodes `reader` as `codec` says.
    pub(super) fn new(reader: R, codec: Codec) -> io::Result<Self> {
        let stored = Arc::new(AtomicU64::new(0));
        let mut reader = BufReader::with_capacity(CHUNK, Counted { reader, count: Arc::clone(&stored) });
        let format = Format::to_read(codec, reader.fill_buf()?);
        let inner = match format {
            Format::Plain => Inner::Plain(reader),
            Format::Gzip => Inner::Gzip(Box::new(MultiGzDecoder::new(reader))),
            Format::Zstd => Inner::Zstd(zstd::Decoder::with_buffer(reader)?),
        };
        Ok(Self { inner, format, stored })
    }

    /// Bytes taken from the file so far.
    pub(super) fn stored(&self) -> u64 {
        self.stored.load(Ordering::Relaxed)
    }

    /// What an error means that came up while reading `path`.
    pub(super) fn failed(&self, path: &RelativePath, error: &io::Error) -> Error {
        failed(self.format, self.stored(), path, error)
    }
}

/// As [`Decoder::failed`], for who has given the decoder away.
pub(super) fn failed(format: Format, stored: u64, path: &RelativePath, error: &io::Error) -> Error {
    if error.raw_os_error().is_some() || format == Format::Plain {
        return Error::system("read", path, error);
    }
    let name = format.name();
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return Error::Invalid(format!("the {name} stream in `{path}` ends early at byte {stored}"));
    }
    Error::Invalid(format!("the {name} stream in `{path}` is damaged at or before byte {stored}: {error}"))
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.inner {
            Inner::Plain(reader) => reader.read(buffer),
            Inner::Gzip(reader) => reader.read(buffer),
            Inner::Zstd(reader) => reader.read(buffer),
        }
    }
}

struct Counted<R> {
    reader: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.count.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Writes encoded.
pub(super) enum Encoder<W: Write> {
    Plain(W),
    Gzip(GzEncoder<W>),
    Zstd(Box<zstd::Encoder<'static, W>>),
}

impl<W: Write> Encoder<W> {
    pub(super) fn new(writer: W, format: Format) -> io::Result<Self> {
        Ok(match format {
            Format::Plain => Self::Plain(writer),
            Format::Gzip => Self::Gzip(GzEncoder::new(writer, Compression::default())),
            Format::Zstd => {
                let mut encoder = zstd::Encoder::new(writer, ZSTD_LEVEL)?;
                encoder.include_checksum(true)?;
                Self::Zstd(Box::new(encoder))
            }
        })
    }

    pub(super) fn get_ref(&self) -> &W {
        match self {
            Self::Plain(writer) => writer,
            Self::Gzip(encoder) => encoder.get_ref(),
            Self::Zstd(encoder) => encoder.get_ref(),
        }
    }

    /// Writes what is still held back, and the end.
    pub(super) fn finish(self) -> io::Result<W> {
        match self {
            Self::Plain(writer) => Ok(writer),
            Self::Gzip(encoder) => encoder.finish(),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(writer) => writer.write(bytes),
            Self::Gzip(encoder) => encoder.write(bytes),
            Self::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(writer) => writer.flush(),
            Self::Gzip(encoder) => encoder.flush(),
            Self::Zstd(encoder) => encoder.flush(),
        }
    }
}

impl<R> Decoder<R> {
    pub(super) fn format(&self) -> Format {
        self.format
    }

    /// The count of bytes taken from the file, for who gives the decoder away.
    pub(super) fn counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.stored)
    }
}
