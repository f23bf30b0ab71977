//! What there is: logs, their rotated files and archives, and who has them open. It changes nothing.

use std::collections::BTreeMap;

use taskhost_sdk::files::{self, Details, Directory, Entry, Filter, Holder};
use taskhost_sdk::prelude::*;
use taskhost_sdk::words::count;

use crate::model::{Live, Log, Old};
use crate::{Options, SLOT};

/// Files that are looked at in one call.
const BATCH: usize = 500;

/// All that was found.
pub(crate) struct Survey {
    pub(crate) logs: Vec<Log>,
    /// Archives of rotated files with the time in their names, the newest first.
    pub(crate) archives: Vec<(i64, Entry)>,
    /// Processes that could not be looked into.
    pub(crate) unseen: u64,
}

pub(crate) async fn survey(directory: &Directory, options: &Options) -> Result<Survey> {
    let mut exclude = options.exclude.clone();
    exclude.extend(options.archive.as_ref().map(|archive| format!("/{}", literal(archive))));
    let mut files = BTreeMap::new();
    walk(directory, options.pattern.clone(), exclude.clone(), |entry| {
        files.insert(entry.path.clone(), entry);
    })
    .await?;
    walk(directory, log_names::rotated_patterns(&options.pattern), exclude, |entry| {
        if log_names::parse(&entry.path).is_some() {
            files.insert(entry.path.clone(), entry);
        }
    })
    .await?;
    let (details, unseen) = examine(directory, &files).await?;
    let mut logs = BTreeMap::<String, Log>::new();
    for (path, entry) in &files {
        // One that vanished meanwhile is none.
        let Some(details) = details.get(path) else { continue };
        let named = log_names::parse(path);
        let name = named.map_or(path.as_str(), |rotated| rotated.log);
        let log = logs.entry(name.into()).or_insert_with(|| Log { path: name.into(), ..Log::default() });
        match named {
            Some(rotated) => log.rotated.push(old(entry, rotated, details)),
            None => log.live = Some(live(entry, details)),
        }
    }
    let archives = archives(directory, options).await?;
    Ok(Survey { logs: logs.into_values().collect(), archives, unseen })
}

/// Walks over the files that `include` names.
async fn walk(
    directory: &Directory,
    include: Vec<String>,
    exclude: Vec<String>,
    mut take: impl FnMut(Entry),
) -> Result<()> {
    let filter = Filter { include, exclude, ..Filter::new() };
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

/// Details of the files that are there, and how many processes could not be looked into.
async fn examine(directory: &Directory, files: &BTreeMap<String, Entry>) -> Result<(BTreeMap<String, Details>, u64)> {
    let paths: Vec<&String> = files.keys().collect();
    let (mut known, mut unseen) = (BTreeMap::new(), 0);
    for batch in paths.chunks(BATCH) {
        let examined = directory.examine(batch.iter().map(|path| (*path).clone()).collect()).await?;
        unseen = examined.unseen.max(unseen);
        for (path, details) in batch.iter().zip(examined.files) {
            match details {
                Ok(details) => drop(known.insert((*path).clone(), details)),
                Err(files::Error::NotFound(_)) => {}
                Err(error) => {
                    Finding::warning(*path, "could not be read").detail(files::message(&error)).report();
                }
            }
        }
    }
    Ok((known, unseen))
}

fn live(entry: &Entry, details: &Details) -> Live {
    let writers =
        |which: fn(&Holder) -> bool| details.holders.iter().filter(|holder| which(holder)).map(named).collect();
    Live {
        size: entry.size,
        modified: entry.modified,
        created: details.created,
        writers: writers(|holder| holder.writes),
        not_appending: writers(|holder| holder.writes && !holder.appends),
    }
}

fn old(entry: &Entry, rotated: log_names::Rotated<'_>, details: &Details) -> Old {
    Old {
        path: entry.path.clone(),
        mark: rotated.mark,
        packing: rotated.packing,
        copying: rotated.copying,
        size: entry.size,
        modified: entry.modified,
        changed: details.changed,
        writers: details.holders.iter().filter(|holder| holder.writes).map(named).collect(),
    }
}

/// `nginx (process 812)`.
fn named(holder: &Holder) -> String {
    format!("{} (process {})", holder.program, holder.process)
}

/// The archives of earlier runs.
async fn archives(directory: &Directory, options: &Options) -> Result<Vec<(i64, Entry)>> {
    let Some(archive) = &options.archive else { return Ok(vec![]) };
    let mut found = Vec::new();
    let filter = Filter::new().include(format!("/{}/*", literal(archive)));
    let mut entries = directory.entries(filter).await?;
    while let Some(entry) = entries.next().await? {
        if let Some(at) = crate::pack::archived_at(&entry.path, archive, &options.archive_name) {
            found.push((at, entry));
        }
    }
    found.sort_by(|(one, first), (other, second)| other.cmp(one).then_with(|| first.path.cmp(&second.path)));
    Ok(found)
}

/// A path as a glob that means it as it is.
fn literal(path: &str) -> String {
    let mut glob = String::with_capacity(path.len());
    for character in path.chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '{' | '}' | '!' | ',') {
            glob.push('\\');
        }
        glob.push(character);
    }
    glob
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_named_as_it_is() {
        assert_eq!(literal("old/a[1]*"), "old/a\\[1\\]\\*");
        assert_eq!(literal("archive"), "archive");
    }
}
