//! The room against a real file system. Each test has a directory that is the root and one beside it that nothing may
//! touch.

mod cutting;
mod escapes;
mod examining;
mod reading;
mod removing;
mod walking;
mod writing;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::backend::root::Root;
use super::backend::walk::{Matcher, walk};
use super::backend::{archive, create, cut, read, search, tail};
use super::bindings::{
    Codec, Cut, Details, Entry, Filter, Kind, Line, Range, ReadOptions, Removed, SearchOptions, Searched, Walked,
    WriteMode, Written,
};
use super::error::Error;
use super::grant::{Access, Grant};
use super::host::Call;
use super::tasks::Tasks;
use crate::gate::{Budgets, Gate, Impact, Mode};

/// A root, what is outside of it, and a call of a run.
struct World {
    _directory: tempfile::TempDir,
    root: PathBuf,
    outside: PathBuf,
    tasks: Tasks,
    call: Call,
    runtime: tokio::runtime::Runtime,
}

const ALL: &str = "access = [\"read\", \"write\", \"delete\"]";

impl World {
    fn new() -> Self {
        Self::with(Mode::Perform, ALL, Budgets::default())
    }

    fn rehearsing() -> Self {
        Self::with(Mode::Rehearse, ALL, Budgets::default())
    }

    fn with(mode: Mode, settings: &str, budgets: Budgets) -> Self {
        Self::at(tempfile::tempdir().unwrap(), mode, settings, budgets)
    }

    /// In memory, where there is such a file system: some others take milliseconds to remove a directory.
    fn in_memory() -> Self {
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        Self::at(directory, Mode::Perform, ALL, Budgets::default())
    }

    fn at(directory: tempfile::TempDir, mode: Mode, settings: &str, budgets: Budgets) -> Self {
        let (root, outside) = (directory.path().join("root"), directory.path().join("outside"));
        fs::create_dir(&root).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("secret"), "outside").unwrap();
        let grant = Arc::new(toml::from_str::<Grant>(&format!("target = {root:?}\n{settings}")).unwrap());
        let tasks = Tasks::default();
        let call = Call {
            slot: "logs".into(),
            gate: Gate::new(mode, budgets, Instant::now),
            root: Arc::new(Root::open("logs".into(), Arc::clone(&grant), Arc::default()).unwrap()),
            grant,
            swept: Arc::default(),
            ticket: tasks.ticket(),
            _held: None,
            place: None,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        Self { _directory: directory, root, outside, tasks, call, runtime }
    }

    /// Makes files with their directories: a name that ends in `/` is a directory.
    fn files(&self, files: &[(&str, &str)]) -> &Self {
        for (name, content) in files {
            let path = self.root.join(name);
            fs::create_dir_all(if name.ends_with('/') { &path } else { path.parent().unwrap() }).unwrap();
            if !name.ends_with('/') {
                fs::write(path, content).unwrap();
            }
        }
        self
    }

    fn content(&self, name: &str) -> String {
        fs::read_to_string(self.root.join(name)).unwrap()
    }

    fn exists(&self, name: &str) -> bool {
        self.root.join(name).symlink_metadata().is_ok()
    }

    /// What is outside, to see that it stays as it is.
    fn outside(&self) -> Vec<(String, String)> {
        let mut all: Vec<_> = fs::read_dir(&self.outside)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap()))
            .collect();
        all.sort();
        all
    }

    fn names(&self, directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(self.root.join(directory)).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Effects as they were journaled: operation, target, outcome.
    fn journal(&self) -> Vec<(String, String, String)> {
        let journal = self.call.gate.journal();
        let entries = journal.entries();
        entries
            .map(|entry| {
                ((*entry.effect.operation).into(), entry.effect.target.clone(), entry.outcome.name().to_owned())
            })
            .collect()
    }

    fn stat(&self, path: &str) -> Result<Entry, Error> {
        let (permit, path) = self.call.enter_path("stat", Impact::Observe, &[Access::Read], path)?;
        super::host::settle(permit, self.call.root.stat(&path))
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, Error> {
        self.read_with(path, ReadOptions { range: None, decode: Codec::None }).1
    }

    /// Bytes given before the end, and all of them or what went wrong.
    fn read_with(&self, path: &str, options: ReadOptions) -> (u64, Result<Vec<u8>, Error>) {
        let (permit, opened) = match self.runtime.block_on(self.call.open_file("read", path)) {
            Ok(opened) => opened,
            Err(error) => return (0, Err(error)),
        };
        let mut content = Vec::new();
        let give = |chunk: Bytes| {
            content.extend_from_slice(&chunk);
            Ok(())
        };
        let (given, ended) = read::read(&opened, &options, &|| true, give);
        (given, super::host::settle(permit, ended.map(|()| content)))
    }

    fn read_all(&self, paths: &[&str], limit: u64) -> Vec<Result<Vec<u8>, Error>> {
        let paths: Vec<_> = paths.iter().map(|path| (*path).to_owned()).collect();
        self.call.read_all(&paths, limit, &self.tasks.ticket())
    }

    fn digest(&self, path: &str) -> Result<String, Error> {
        let (_permit, opened) = self.runtime.block_on(self.call.open_file("digest", path))?;
        Ok(read::digest(&opened, &|| true)?.sha256)
    }

    fn tail(&self, path: &str, lines: u32) -> Result<Vec<String>, Error> {
        let (_permit, opened) = self.runtime.block_on(self.call.open_file("tail", path))?;
        tail::tail(&opened, lines, &|| true)
    }

    fn search(&self, path: &str, options: &SearchOptions) -> Result<(Vec<Line>, Searched), Error> {
        let (_permit, opened) = self.runtime.block_on(self.call.open_file("search", path))?;
        let pattern = search::pattern(options)?;
        let mut lines = Vec::new();
        let give = |batch: Vec<Line>| {
            lines.extend(batch);
            Ok(())
        };
        let (searched, ended) = search::search(&opened, &pattern, options, &|| true, give);
        ended.map(|()| (lines, searched))
    }

    fn write(&self, path: &str, mode: WriteMode, content: &str) -> Result<Written, Error> {
        self.write_chunks(path, mode, Codec::None, vec![content.to_owned().into()])
    }

    fn write_chunks(&self, path: &str, mode: WriteMode, encode: Codec, chunks: Vec<Bytes>) -> Result<Written, Error> {
        let (permit, path) = self.call.enter_path("write", Impact::Change, &[Access::Write], path)?;
        let mut chunks = chunks.into_iter();
        let made = self
            .call
            .make(permit, move |root, writing| create::write(root, &path, mode, encode, || chunks.next(), writing));
        self.runtime.block_on(made)
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), Error> {
        let (permit, from, to) = self.call.enter_pair("rename", Impact::Change, &[Access::Write], from, to)?;
        let renamed = self.call.change(permit, move |root, rehearse| create::rename(root, &from, &to, rehearse));
        self.runtime.block_on(renamed)
    }

    fn create_like(&self, path: &str, like: &str) -> Result<Written, Error> {
        let (permit, path, like) = self.call.enter_pair("create-like", Impact::Change, &[Access::Write], path, like)?;
        let made = self.call.make(permit, move |root, writing| create::create_like(root, &path, &like, writing));
        self.runtime.block_on(made)
    }

    fn cut(&self, path: &str, bytes: u64, sha256: &str) -> Result<Cut, Error> {
        let (permit, path) = self.call.enter_path("cut", Impact::Destroy, &[Access::Delete], path)?;
        let rehearse = permit.rehearse();
        let cut = cut::cut(&self.call.root, &path, bytes, sha256, rehearse, &|| true, |_| Ok(()));
        super::host::settle(permit, cut)
    }

    fn examine(&self, paths: &[&str]) -> Vec<Result<Details, Error>> {
        let paths: Vec<_> = paths.iter().map(|path| (*path).to_owned()).collect();
        self.call.examine(&paths, &self.tasks.ticket()).unwrap().0
    }

    fn create_directory(&self, path: &str) -> Result<(), Error> {
        let (permit, path) = self.call.enter_path("create-directory", Impact::Change, &[Access::Write], path)?;
        let made = self.call.change(permit, move |root, rehearse| create::create_directory(root, &path, rehearse));
        self.runtime.block_on(made)
    }

    fn compress(&self, path: &str, to: &str, remove_source: bool) -> Result<Written, Error> {
        let (permit, path, to) = self.call.enter_pair("compress", Impact::Change, &[Access::Write], path, to)?;
        let made = self
            .call
            .make(permit, move |root, writing| create::compress(root, &path, &to, Codec::Auto, remove_source, writing));
        self.runtime.block_on(made)
    }

    fn archive(&self, paths: &[&str], to: &str) -> Result<Written, Error> {
        let paths: Vec<_> = paths.iter().map(|path| (*path).to_owned()).collect();
        let (permit, paths, to) = self.call.enter_archive(&paths, to)?;
        let made =
            self.call.make(permit, move |root, writing| archive::archive(root, &paths, &to, Codec::Auto, writing));
        self.runtime.block_on(made)
    }

    fn remove(&self, paths: &[&str]) -> Vec<Result<Removed, Error>> {
        let paths: Vec<_> = paths.iter().map(|path| (*path).to_owned()).collect();
        self.call.remove_all(&paths, &self.tasks.ticket())
    }

    fn walk(&self, filter: Filter) -> (Vec<Entry>, Walked) {
        let matcher = Matcher::new(filter, super::host::now()).unwrap();
        let mut entries = Vec::new();
        let give = |batch: Vec<Entry>| {
            entries.extend(batch);
            Ok(())
        };
        let (walked, ended) = walk(&self.call.root, &matcher, || true, give);
        ended.unwrap();
        entries.sort_by(|one, other| one.path.cmp(&other.path));
        (entries, walked)
    }

    fn walk_names(&self, filter: Filter) -> Vec<String> {
        self.walk(filter).0.into_iter().map(|entry| entry.path).collect()
    }
}

/// Everything, of all kinds.
fn everything() -> Filter {
    Filter { kinds: vec![Kind::File, Kind::Directory, Kind::Symlink, Kind::Other], ..files() }
}

/// All files.
fn files() -> Filter {
    Filter {
        include: vec![],
        exclude: vec![],
        kinds: vec![],
        older_than: None,
        newer_than: None,
        larger_than: None,
        smaller_than: None,
        max_depth: None,
        closed_only: false,
    }
}

fn range(offset: u64, length: Option<u64>) -> ReadOptions {
    ReadOptions { range: Some(Range { offset, length }), decode: Codec::None }
}
