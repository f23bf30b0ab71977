//! The test of one backup: restore it into a scratch database, look at what came of it, drop the database. It must never
//! leave the scratch database behind, whatever it found, nor blame the backup for what the server did.

use std::time::Instant;

use backup_files::{Form, MARKS, Manifest, Marks, PEEK, form, manifest_paths};
use taskhost_sdk::files::{Codec, Directory, Entry, Range, ReadOptions, SearchOptions};
use taskhost_sdk::prelude::*;
use taskhost_sdk::sql::{Database, Dialect};

use crate::catalog::Catalog;
use crate::judge::{self, Judgement};
use crate::reference::Reference;
use crate::verdict::{self, Broken, Wrong};
use crate::{Compare, Options};
use taskhost_sdk::words::size;

/// Bytes of a manifest that are read: some 100,000 tables.
const MANIFEST_LIMIT: u64 = 8 << 20;

/// What the tests of a run share.
pub(crate) struct Bench<'a> {
    pub(crate) directory: &'a Directory,
    /// Where scratch databases are made.
    pub(crate) database: &'a Database,
    /// What is live; the same where no other is bound.
    pub(crate) live: &'a Database,
    pub(crate) dialect: Dialect,
    pub(crate) options: &'a Options,
    /// How many backups were tested, and how many may be.
    pub(crate) step: (usize, usize),
    /// The live database's tables, once they were asked for.
    pub(crate) reference: Option<Reference>,
}

/// What became of one backup.
pub(crate) enum Verdict {
    /// It restores; the judgements say whether what came back is good.
    Restored(Box<Restored>),
    /// It is no backup.
    Broken(Broken),
    /// It cannot be tested here: what it is, and what to do.
    Unfit(String, String),
}

/// A backup that was restored.
pub(crate) struct Restored {
    pub(crate) seconds: f64,
    /// Bytes of SQL.
    pub(crate) bytes: u64,
    pub(crate) rows: u64,
    pub(crate) tables: u64,
    pub(crate) judgements: Vec<Judgement>,
    /// What it was held against, for people.
    pub(crate) compared: String,
}

impl Restored {
    pub(crate) fn is_good(&self) -> bool {
        !self.judgements.iter().any(Judgement::is_critical)
    }
}

impl Bench<'_> {
    /// Tests one backup.
    pub(crate) async fn test(&mut self, entry: &Entry) -> Result<Verdict> {
        let path = entry.path.as_str();
        if entry.size == 0 {
            return Ok(Verdict::Broken(Broken {
                title: "backup is empty",
                detail: "the file has no byte".into(),
                remedy: "see the log and the disk space of the run that wrote it, and make a new backup now".into(),
            }));
        }
        let form = form(&self.head(path, Codec::None).await?);
        let within = match form {
            Form::Compressed => backup_files::form(&self.head(path, Codec::Auto).await?),
            other => other,
        };
        if let Some((what, remedy)) = verdict::not_plain(within) {
            return Ok(Verdict::Unfit(format!("it is {what}, not a dump in plain SQL"), remedy.into()));
        }
        let mut marks = Marks::default();
        self.find_marks(path, Some(1), None, &mut marks).await;
        if let Some((what, remedy)) = verdict::unfit(marks.maker(), self.dialect) {
            return Ok(Verdict::Unfit(what, remedy.into()));
        }
        let head = (form == Form::Plain).then_some(marks);
        let manifest = self.manifest(path).await?;
        if let Some(broken) = self.checksum(path, manifest.as_ref()).await? {
            return Ok(Verdict::Broken(broken));
        }
        let scratch = self.database.scratch().await.context("making a scratch database")?;
        let verdict = self.examine(&scratch, entry, head, manifest).await;
        if let Err(error) = Database::discard(scratch).await {
            Finding::warning("scratch database", "could not be dropped")
                .detail(sql::message(&error))
                .remedy("the next run drops what this one left; see that its role may drop its own databases")
                .report();
        }
        verdict
    }

    pub(crate) fn say(&self, doing: String) {
        progress(self.step.0 as u64, Some(self.step.1 as u64), doing);
    }

    /// Restores it, and looks at what came of it. `head` is what the start of a plain file has said.
    async fn examine(
        &mut self,
        scratch: &Database,
        entry: &Entry,
        head: Option<Marks>,
        manifest: Option<Manifest>,
    ) -> Result<Verdict> {
        let path = entry.path.as_str();
        let begun = Instant::now();
        let stream = self.directory.open_read(path, Codec::Auto).await.context(path)?;
        // The bytes go from the file to the database inside the host.
        let (bytes, end) = stream.split();
        let restored = scratch.restore(bytes).await;
        // A stream that was cut short looks like one that ended: only its end tells.
        let read = end.finish().await;
        let seconds = begun.elapsed().as_secs_f64();
        let restored = match (restored, read) {
            (Ok(restored), Ok(_)) => restored,
            (restored, read) => {
                return match verdict::failed(path, restored.err(), read.err()) {
                    Wrong::Backup(broken) => Ok(Verdict::Broken(broken)),
                    Wrong::Test(failure) => Err(failure),
                };
            }
        };
        // Of a plain file the last bytes suffice; a compressed one can only be read from its start.
        let mut marks = head.unwrap_or_default();
        self.find_marks(path, None, head.map(|_| PEEK), &mut marks).await;
        if let Some(broken) = verdict::ended(marks.ending()) {
            return Ok(Verdict::Broken(broken));
        }
        self.say(format!("checking what {path} brought back"));
        let catalog = Catalog::scratch(scratch, self.database).await?;
        let mut tables = Vec::new();
        for table in catalog.tables().await.context("listing the restored tables")? {
            let rows = catalog.count(&table).await.context(table.label())?;
            tables.push(judge::Restored { name: table.label(), rows, has_primary_key: table.has_primary_key });
        }
        let mut judgements = judge::on_its_own(path, &tables, &self.options.expect_tables, self.options.minimum_rows);
        for orphans in catalog.orphans().await.context("checking foreign keys")? {
            judgements.push(judge::orphans(&orphans.child, &orphans.parent, orphans.rows, orphans.enforced));
        }
        if let Some(first) = catalog.damage().await.context("checking the restored file")?.first() {
            judgements.push(judge::damage(path, first));
        }
        let compared = self.compare(path, &catalog, &tables, manifest, &mut judgements).await?;
        Ok(Verdict::Restored(Box::new(Restored {
            seconds,
            bytes: restored.bytes,
            rows: tables.iter().map(|table| table.rows).sum(),
            tables: tables.len() as u64,
            judgements,
            compared,
        })))
    }

    /// Holds the tables against the manifest or the live database, and says against which.
    async fn compare(
        &mut self,
        path: &str,
        catalog: &Catalog<'_>,
        tables: &[judge::Restored],
        manifest: Option<Manifest>,
        judgements: &mut Vec<Judgement>,
    ) -> Result<String> {
        let tolerance = self.options.tolerance_percent;
        let manifest = manifest.filter(|manifest| !manifest.tables.is_empty());
        match (self.options.compare, manifest) {
            (Compare::Nothing, _) => return Ok("row counts compared with nothing (compare=nothing)".into()),
            (Compare::Manifest, None) => {
                judgements.push(judge::no_manifest(path));
                return Ok("row counts compared with nothing".into());
            }
            (Compare::Auto | Compare::Manifest, Some(manifest)) => {
                judgements.extend(judge::against_manifest(tables, &manifest.tables, tolerance));
                let made = manifest.created.map(|created| format!(" of {created}")).unwrap_or_default();
                return Ok(format!("row counts compared with the manifest{made}"));
            }
            (Compare::Auto | Compare::Live, _) => {}
        }
        let reference = match self.reference.take() {
            Some(reference) => reference,
            None => Reference::of(self.live, tables).await?,
        };
        let compared = match (reference.tables(), reference.strangers()) {
            (None, _) => "row counts compared with nothing: the live database could not be read",
            (Some(live), None) => {
                judgements.extend(judge::against_live(tables, live, tolerance));
                let objects = catalog.objects().await.context("counting what else came back")?;
                judgements.extend(judge::objects(path, &objects, reference.objects()));
                "row counts compared with the live database"
            }
            (Some(_), Some(number)) if self.options.compare == Compare::Live => {
                judgements.push(judge::strangers(path, number));
                "row counts compared with nothing"
            }
            (Some(_), Some(_)) => {
                "row counts compared with nothing: there is no manifest, and the live database has none of these tables"
            }
        };
        self.reference = Some(reference);
        Ok(compared.into())
    }

    /// The first bytes, of the file as it is stored or of what is compressed in it. What keeps the latter from being read
    /// shows in the restore.
    async fn head(&self, path: &str, decode: Codec) -> Result<Vec<u8>> {
        // One block of zstd is up to 128 KiB, and is had whole or not at all.
        let length = if decode == Codec::None { PEEK } else { 256 << 10 };
        let options = ReadOptions { range: Some(Range { offset: 0, length: Some(length) }), decode };
        let (mut bytes, _) = self.directory.read(path.into(), options).await.context(path)?;
        let (_, head) = bytes.read(Vec::with_capacity(usize::try_from(PEEK).unwrap_or(4096))).await;
        Ok(head)
    }

    /// Takes in the lines that mark a dump's begin and end. What keeps them from being read shows in the restore.
    async fn find_marks(&self, path: &str, first: Option<u64>, tail: Option<u64>, marks: &mut Marks) {
        let options = SearchOptions { max_matches: first, tail_bytes: tail, ..SearchOptions::new(MARKS) };
        let Ok(mut lines) = self.directory.find_lines(path, options).await else { return };
        while let Ok(Some(line)) = lines.next().await {
            marks.line(&line.text);
        }
    }

    /// The manifest beside a backup. One that cannot be read is a finding, and otherwise as if it were not there.
    async fn manifest(&self, path: &str) -> Result<Option<Manifest>> {
        if matches!(self.options.compare, Compare::Nothing) {
            return Ok(None);
        }
        let paths = manifest_paths(path);
        for (path, read) in paths.iter().zip(self.directory.read_all(paths.clone(), MANIFEST_LIMIT).await) {
            let problem = match read {
                Ok(bytes) => match Manifest::parse(&bytes) {
                    Ok(manifest) => return Ok(Some(manifest)),
                    Err(problem) => problem,
                },
                Err(files::Error::NotFound(_)) => continue,
                Err(error) => files::message(&error),
            };
            Finding::warning(path, "manifest cannot be used")
                .detail(problem)
                .remedy("write it as the README of backup-test shows, or remove it")
                .report();
        }
        Ok(None)
    }

    /// Holds the file against the checksum that its manifest gives.
    async fn checksum(&self, path: &str, manifest: Option<&Manifest>) -> Result<Option<Broken>> {
        let Some(expected) = manifest.and_then(|manifest| manifest.sha256.as_ref()) else { return Ok(None) };
        self.say(format!("taking the checksum of {path}"));
        let digest = self.directory.digest(path.into()).await.context(path)?;
        Ok((!digest.sha256.eq_ignore_ascii_case(expected)).then(|| Broken {
            title: "backup is not the file that its manifest is of",
            detail: format!("SHA-256 of its {} is {}, the manifest says {expected}", size(digest.bytes), digest.sha256),
            remedy: "it was cut short, damaged or written over since: copy it again from where it was made, or make a \
                     new backup"
                .into(),
        }))
    }
}
