//! `search`: a regular expression over the lines of a file, with the engine of ripgrep.

use std::io::{self, Read, Seek as _, SeekFrom};
use std::sync::atomic::Ordering;

use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use grep_searcher::{BinaryDetection, MmapChoice, Searcher, SearcherBuilder, Sink, SinkMatch};

use super::super::bindings::{Line, SearchOptions, Searched};
use super::super::error::Error;
use super::codec::{self, Decoder};
use super::lines::{Tallied, Tally};
use super::root::Opened;
use super::{Wanted, count};

/// The longest pattern, in bytes.
const PATTERN_LIMIT: usize = 64 * 1024;
/// Bytes that a compiled pattern may take, and as many again for its automaton.
const REGEX_LIMIT: usize = 16 << 20;
/// Memory that a search may take for lines: several times the longest, which is cut before.
const HEAP_LIMIT: usize = 64 << 20;
/// Bytes of a line that are given.
const SHOWN_LIMIT: usize = 64 * 1024;
/// Lines, and bytes of them, that are given at once.
const BATCH: usize = 1_024;
const BATCH_BYTES: usize = 256 * 1024;

/// Understands a pattern.
pub(in super::super) fn pattern(options: &SearchOptions) -> Result<RegexMatcher, Error> {
    if options.pattern.len() > PATTERN_LIMIT {
        return Err(Error::Invalid(format!(
            "a pattern of {} bytes is longer than {PATTERN_LIMIT}",
            options.pattern.len()
        )));
    }
    RegexMatcherBuilder::new()
        .case_insensitive(options.ignore_case)
        .line_terminator(Some(b'\n'))
        .size_limit(REGEX_LIMIT)
        .dfa_size_limit(REGEX_LIMIT)
        .build(&options.pattern)
        .map_err(|error| Error::Invalid(format!("the pattern is not a regular expression: {error}")))
}

struct Found<'a, F> {
    options: &'a SearchOptions,
    tally: &'a Tally,
    start: u64,
    give: F,
    batch: Vec<Line>,
    batch_bytes: usize,
    matches: u64,
}

/// Why a search came to an end before that of the file.
enum Ended {
    Reading(io::Error),
    Giving(Error),
}

impl grep_searcher::SinkError for Ended {
    fn error_message<T: std::fmt::Display>(message: T) -> Self {
        Self::Giving(Error::Invalid(format!("the search failed: {message}")))
    }

    fn error_io(error: io::Error) -> Self {
        Self::Reading(error)
    }
}

impl<F: FnMut(Vec<Line>) -> Result<(), Error>> Sink for Found<'_, F> {
    type Error = Ended;

    /// One line: nothing is searched across lines.
    fn matched(&mut self, _: &Searcher, found: &SinkMatch<'_>) -> Result<bool, Ended> {
        let most = self.options.max_matches.unwrap_or(u64::MAX);
        if self.matches >= most {
            return Ok(false);
        }
        self.matches += 1;
        if !self.options.count_only {
            let line = found.bytes();
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let text = shown(line.strip_suffix(b"\r").unwrap_or(line));
            self.batch_bytes += text.len();
            let offset = self.start.saturating_add(self.tally.offset(found.absolute_byte_offset()));
            self.batch.push(Line { number: found.line_number().unwrap_or_default(), offset, text });
            if self.batch.len() == BATCH || self.batch_bytes >= BATCH_BYTES {
                self.flush().map_err(Ended::Giving)?;
            }
        }
        Ok(self.matches < most)
    }
}

impl<F: FnMut(Vec<Line>) -> Result<(), Error>> Found<'_, F> {
    fn flush(&mut self) -> Result<(), Error> {
        self.batch_bytes = 0;
        if self.batch.is_empty() { Ok(()) } else { (self.give)(std::mem::take(&mut self.batch)) }
    }
}

/// A line as text, cut at the limit.
pub(super) fn shown(line: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(line.get(..SHOWN_LIMIT).unwrap_or(line)).into_owned();
    text.truncate(text.floor_char_boundary(SHOWN_LIMIT));
    text
}

/// Reads on only while the result is wanted.
struct While<R, W> {
    reader: R,
    wanted: W,
}

impl<R: Read, W: Wanted> Read for While<R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.wanted.wanted().is_err() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        self.reader.read(buffer)
    }
}

/// Searches a file. When it is given up before its end, what was counted until then is the answer, too.
pub(in super::super) fn search(
    opened: &Opened,
    matcher: &RegexMatcher,
    options: &SearchOptions,
    wanted: &impl Wanted,
    give: impl FnMut(Vec<Line>) -> Result<(), Error>,
) -> (Searched, Result<(), Error>) {
    let tally = Tally::default();
    let mut found = Found { options, tally: &tally, start: 0, give, batch: Vec::new(), batch_bytes: 0, matches: 0 };
    let ended = (|| {
        let failed = |error: io::Error| opened.failed("search", &error);
        let mut file = &opened.file;
        let mut length = u64::MAX;
        if let Some(range) = options.range {
            found.start = range.offset;
            length = range.length.unwrap_or(u64::MAX);
        } else if let Some(tail) = options.tail_bytes {
            found.start = count(opened.stat.st_size).saturating_sub(tail);
        }
        if i64::try_from(found.start).is_err() {
            return Err(Error::Invalid("the offset is too large".into()));
        }
        file.seek(SeekFrom::Start(found.start)).map_err(failed)?;
        let mut searcher = SearcherBuilder::new()
            .line_number(!options.count_only)
            .invert_match(options.invert)
            .binary_detection(BinaryDetection::none())
            .memory_map(MmapChoice::never())
            .bom_sniffing(false)
            .heap_limit(Some(HEAP_LIMIT))
            .build();
        let decoder = Decoder::new(file.take(length), options.decode).map_err(failed)?;
        let (format, stored) = (decoder.format(), decoder.counter());
        let reader = While { reader: Tallied::new(decoder, &tally), wanted: (|| wanted.wanted().is_ok()) };
        match searcher.search_reader(matcher, reader, &mut found) {
            Ok(()) => found.flush(),
            Err(Ended::Giving(error)) => Err(error),
            Err(Ended::Reading(error)) if error.kind() == io::ErrorKind::ConnectionAborted => Err(Error::GivenUp),
            Err(Ended::Reading(error)) => {
                Err(codec::failed(format, stored.load(Ordering::Relaxed), &opened.path, &error))
            }
        }
    })();
    (Searched { matches: found.matches, bytes: tally.bytes(), lines: tally.lines() }, ended)
}
