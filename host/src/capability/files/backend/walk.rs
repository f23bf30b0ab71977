//! `walk`: lists a tree, filtered on this side, in batches.

use super::super::bindings::{Entry, Filter, Kind, Problem, Walked};
use super::super::error::Error;
use super::open_files::OpenFiles;
use super::root::Root;
use super::tree::{self, Seen, Visitor};
use super::{Wanted, count, entry};
use crate::policy::glob::Globs;
use crate::policy::path::RelativePath;

/// Entries that are given at once.
const BATCH: usize = 1_024;
/// Problems that are kept; all are counted.
const PROBLEMS: usize = 100;

/// A filter that has been understood.
#[derive(Debug)]
pub(in super::super) struct Matcher {
    include: Globs,
    exclude: Globs,
    kinds: Vec<Kind>,
    /// Not modified after this second.
    until: Option<i64>,
    /// Modified after this second.
    after: Option<i64>,
    larger_than: u64,
    smaller_than: u64,
    max_depth: u32,
    closed_only: bool,
}

impl Matcher {
    /// Understands a filter, at `now` in seconds since 1970.
    pub(in super::super) fn new(filter: Filter, now: i64) -> Result<Self, Error> {
        let before = |age: u64| now.saturating_sub(i64::try_from(age).unwrap_or(i64::MAX));
        Ok(Self {
            include: Globs::new(filter.include).map_err(Error::Invalid)?,
            exclude: Globs::new(filter.exclude).map_err(Error::Invalid)?,
            kinds: if filter.kinds.is_empty() { vec![Kind::File] } else { filter.kinds },
            until: filter.older_than.map(before),
            after: filter.newer_than.map(before),
            larger_than: filter.larger_than.unwrap_or(0),
            smaller_than: filter.smaller_than.unwrap_or(u64::MAX),
            max_depth: filter.max_depth.unwrap_or(u32::MAX),
            closed_only: filter.closed_only,
        })
    }

    /// What can be told of an entry from its name and kind.
    fn matches_name(&self, seen: &Seen<'_>) -> bool {
        self.kinds.contains(&seen.kind)
            && (self.include.is_empty() || self.include.matches(seen.path, seen.name().len()))
    }

    fn matches_entry(&self, entry: &Entry) -> bool {
        self.until.is_none_or(|until| entry.modified <= until)
            && self.after.is_none_or(|after| entry.modified > after)
            && (self.larger_than..=self.smaller_than).contains(&entry.size)
    }
}

struct Listing<'a, W, F> {
    matcher: &'a Matcher,
    open_files: OpenFiles,
    wanted: W,
    give: F,
    batch: Vec<Entry>,
    walked: Walked,
}

impl<W: Wanted, F: FnMut(Vec<Entry>) -> Result<(), Error>> Visitor for Listing<'_, W, F> {
    const SORTED: bool = false;

    fn entry(&mut self, seen: &Seen<'_>) -> Result<bool, Error> {
        self.walked.visited += 1;
        if self.walked.visited.is_multiple_of(BATCH as u64) {
            self.wanted.wanted()?;
        }
        if self.matcher.exclude.matches(seen.path, seen.name().len()) {
            return Ok(false);
        }
        if seen.granted
            && self.matcher.matches_name(seen)
            && let Err(error) = self.consider(seen)
        {
            match error {
                Error::GivenUp => return Err(error),
                error => self.problem(seen.text(), &error)?,
            }
        }
        Ok(seen.depth < self.matcher.max_depth)
    }

    fn problem(&mut self, path: String, error: &Error) -> Result<(), Error> {
        self.walked.problem_count += 1;
        if self.walked.problems.len() < PROBLEMS {
            self.walked.problems.push(Problem { path, message: error.to_string() });
        }
        Ok(())
    }
}

impl<W: Wanted, F: FnMut(Vec<Entry>) -> Result<(), Error>> Listing<'_, W, F> {
    fn consider(&mut self, seen: &Seen<'_>) -> Result<(), Error> {
        let Some(stat) = seen.stat()? else { return Ok(()) };
        let mut entry = entry(String::new(), &stat);
        // What it was when the directory was read may have been replaced since.
        if entry.kind != seen.kind || !self.matcher.matches_entry(&entry) {
            return Ok(());
        }
        if self.matcher.closed_only && self.open_files.contains(count(stat.st_dev), count(stat.st_ino)) {
            self.walked.open += 1;
            return Ok(());
        }
        entry.path = seen.text();
        self.walked.matched += 1;
        self.batch.push(entry);
        if self.batch.len() == BATCH {
            (self.give)(std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH)))?;
        }
        Ok(())
    }
}

/// Lists the tree below `root`. When it is given up before its end, what was seen until then is the answer, too.
pub(in super::super) fn walk(
    root: &Root,
    matcher: &Matcher,
    wanted: impl Wanted,
    give: impl FnMut(Vec<Entry>) -> Result<(), Error>,
) -> (Walked, Result<(), Error>) {
    let walked = Walked { visited: 0, matched: 0, open: 0, problems: Vec::new(), problem_count: 0 };
    let open_files = if matcher.closed_only { OpenFiles::now() } else { OpenFiles::default() };
    let mut listing = Listing { matcher, open_files, wanted, give, batch: Vec::new(), walked };
    let ended = (|| {
        if matcher.max_depth > 0 {
            let directory = root.listable().map_err(|error| Error::system("list", &".", &error))?;
            tree::visit(root, &RelativePath::default(), root.grant().root(), directory, &mut listing)?;
        }
        let rest = std::mem::take(&mut listing.batch);
        if rest.is_empty() { Ok(()) } else { (listing.give)(rest) }
    })();
    (listing.walked, ended)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_problems_are_kept_and_all_are_counted() {
        let filter = Filter {
            include: vec![],
            exclude: vec![],
            kinds: vec![],
            older_than: None,
            newer_than: None,
            larger_than: None,
            smaller_than: None,
            max_depth: None,
            closed_only: false,
        };
        let matcher = Matcher::new(filter, 0).unwrap();
        let walked = Walked { visited: 0, matched: 0, open: 0, problems: Vec::new(), problem_count: 0 };
        let open_files = OpenFiles::default();
        let give = |_| Ok(());
        let mut listing = Listing { matcher: &matcher, open_files, wanted: || true, give, batch: Vec::new(), walked };
        for number in 0..250 {
            listing.problem(number.to_string(), &Error::Io("unreadable".into())).unwrap();
        }
        assert_eq!((listing.walked.problems.len(), listing.walked.problem_count), (100, 250));
        assert_eq!(listing.walked.problems.last().map(|problem| problem.path.as_str()), Some("99"));
    }
}
