//! The room without a guest, for the fuzz targets in `tests/`; see [`crate::fuzzing`].

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::backend::root::Root;
use super::backend::walk::{Matcher, walk};
use super::backend::{archive, create, read, tail};
use super::bindings::{Codec, Filter, Kind, ReadOptions, WriteMode};
use super::error::Error;
use super::grant::{Access, Grant};
use super::host::Call;
use super::tasks::Tasks;
use crate::gate::{Budgets, Gate, Impact, Mode};

/// A slot with every access on a directory.
pub struct Directory {
    tasks: Tasks,
    call: Call,
    runtime: tokio::runtime::Runtime,
}

/// What a guest may ask for. Paths are the guest's own words.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "wit/files.wit says it")]
pub enum Operation<'a> {
    Stat(&'a str),
    Read(&'a str),
    Digest(&'a str),
    Tail(&'a str),
    Walk(&'a str),
    Write(&'a str, &'a str),
    CreateDirectory(&'a str),
    Rename(&'a str, &'a str),
    Compress(&'a str, &'a str),
    Archive(&'a str, &'a str),
    Remove(&'a str),
}

impl Directory {
    /// Binds `root`.
    ///
    /// # Errors
    /// A directory that cannot be opened.
    pub fn bind(root: &Path) -> Result<Self, String> {
        let mut settings = toml::Table::new();
        settings.insert("target".into(), root.to_string_lossy().into_owned().into());
        settings.insert("access".into(), vec!["read", "write", "delete"].into());
        let grant: Arc<Grant> = Arc::new(settings.try_into().map_err(|error| error.to_string())?);
        let tasks = Tasks::default();
        let opened =
            Root::open("logs".into(), Arc::clone(&grant), Arc::default()).map_err(|error| error.to_string())?;
        let call = Call {
            slot: "logs".into(),
            gate: Gate::new(Mode::Perform, Budgets::default(), Instant::now),
            root: Arc::new(opened),
            grant,
            swept: Arc::default(),
            ticket: tasks.ticket(),
            _held: None,
            place: None,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(|error| error.to_string())?;
        Ok(Self { tasks, call, runtime })
    }

    /// Carries one out, and gives all that the guest would learn of it.
    ///
    /// # Errors
    /// What the guest would be told instead.
    pub fn perform(&self, operation: Operation<'_>) -> Result<Vec<u8>, String> {
        self.answer(operation).map_err(|error| error.to_string())
    }

    fn answer(&self, operation: Operation<'_>) -> Result<Vec<u8>, Error> {
        let shown = |value: &dyn std::fmt::Debug| format!("{value:?}").into_bytes();
        match operation {
            Operation::Stat(path) => {
                let (permit, path) = self.call.enter_path("stat", Impact::Observe, &[Access::Read], path)?;
                super::host::settle(permit, self.call.root.stat(&path)).map(|entry| shown(&entry))
            }
            Operation::Read(path) => {
                let (_permit, opened) = self.runtime.block_on(self.call.open_file("read", path))?;
                let mut content = Vec::new();
                let options = ReadOptions { range: None, decode: Codec::None };
                let give = |chunk: bytes::Bytes| {
                    content.extend_from_slice(&chunk);
                    Ok(())
                };
                read::read(&opened, &options, &|| true, give).1.map(|()| content)
            }
            Operation::Digest(path) => {
                let (_permit, opened) = self.runtime.block_on(self.call.open_file("digest", path))?;
                read::digest(&opened, &|| true).map(|digest| digest.sha256.into_bytes())
            }
            Operation::Tail(path) => {
                let (_permit, opened) = self.runtime.block_on(self.call.open_file("tail", path))?;
                tail::tail(&opened, 10, &|| true).map(|lines| lines.concat().into_bytes())
            }
            Operation::Walk(glob) => {
                let matcher = Matcher::new(everything(glob), super::host::now())?;
                let mut entries = Vec::new();
                let give = |batch| {
                    entries.push(batch);
                    Ok(())
                };
                walk(&self.call.root, &matcher, || true, give).1.map(|()| shown(&entries))
            }
            Operation::Write(path, content) => {
                let (permit, path) = self.call.enter_path("write", Impact::Change, &[Access::Write], path)?;
                let mut chunks = Some(bytes::Bytes::copy_from_slice(content.as_bytes())).into_iter();
                let made = self.call.make(permit, move |root, writing| {
                    create::write(root, &path, WriteMode::Replace, Codec::None, || chunks.next(), writing)
                });
                self.runtime.block_on(made).map(|written| shown(&written))
            }
            Operation::CreateDirectory(path) => {
                let (permit, path) =
                    self.call.enter_path("create-directory", Impact::Change, &[Access::Write], path)?;
                let made =
                    self.call.change(permit, move |root, rehearse| create::create_directory(root, &path, rehearse));
                self.runtime.block_on(made).map(|()| Vec::new())
            }
            Operation::Rename(from, to) => {
                let (permit, from, to) = self.call.enter_pair("rename", Impact::Change, &[Access::Write], from, to)?;
                let renamed =
                    self.call.change(permit, move |root, rehearse| create::rename(root, &from, &to, rehearse));
                self.runtime.block_on(renamed).map(|()| Vec::new())
            }
            Operation::Compress(path, to) => {
                let (permit, path, to) =
                    self.call.enter_pair("compress", Impact::Change, &[Access::Write], path, to)?;
                let made = self
                    .call
                    .make(permit, move |root, writing| create::compress(root, &path, &to, Codec::Gzip, false, writing));
                self.runtime.block_on(made).map(|written| shown(&written))
            }
            Operation::Archive(path, to) => {
                let (permit, paths, to) = self.call.enter_archive(&[path.to_owned()], to)?;
                let made = self
                    .call
                    .make(permit, move |root, writing| archive::archive(root, &paths, &to, Codec::None, writing));
                self.runtime.block_on(made).map(|written| shown(&written))
            }
            Operation::Remove(path) => {
                let removed = self.call.remove_all(&[path.to_owned()], &self.tasks.ticket());
                removed.into_iter().next().map_or(Ok(Vec::new()), |removed| removed.map(|removed| shown(&removed)))
            }
        }
    }
}

/// All that a glob matches, of every kind.
fn everything(glob: &str) -> Filter {
    Filter {
        include: vec![glob.to_owned()],
        exclude: vec![],
        kinds: vec![Kind::File, Kind::Directory, Kind::Symlink, Kind::Other],
        older_than: None,
        newer_than: None,
        larger_than: None,
        smaller_than: None,
        max_depth: None,
        closed_only: false,
    }
}
