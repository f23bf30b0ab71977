//! The functions of `wit/files.wit`: effect, gate, backend, error.

mod call;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, oneshot};
use wasmtime::component::{Accessor, FutureReader, Resource, StreamReader};

use super::backend::create::{self};
use super::backend::root::Root;
use super::backend::walk::{self, Matcher};
use super::backend::{Wanted as _, archive, cut, read, search, tail};
use super::bindings::{
    self, Codec, Cut, Digest, Entry, Examined, Filter, Host, HostDirectory, HostDirectoryWithStore, Line, ReadOptions,
    Removed, SearchOptions, Searched, Space, Walked, WriteMode, Written,
};
use super::error::Error;
use super::grant::{Access, Grant};
use super::{Files, State};
use crate::capability::load::bytes_of;
use crate::capability::stream::{Batches, ByteChunks, into_receiver};
use crate::capability::{Data, Room as _, View};
use crate::gate::{Effect, Impact, Permit, Refusal};

pub(super) use call::Call;

/// The directory behind a slot, as a guest holds it.
pub struct Directory {
    slot: Arc<str>,
    grant: Arc<Grant>,
    root: Arc<Root>,
}

/// A guest's stream, and the future of how it ended.
type Streamed<T, R> = (StreamReader<T>, FutureReader<Result<R, bindings::Error>>);

/// Bytes that the files of one `read-all` may have together.
const READ_ALL_LIMIT: u64 = 64 << 20;
/// Batches that wait for a guest.
const AHEAD: usize = 2;

impl Host for View<'_, State> {
    fn convert_error(&mut self, error: Error) -> wasmtime::Result<bindings::Error> {
        error.for_guest()
    }

    fn open(&mut self, slot: String) -> Result<Resource<Directory>, Error> {
        let grant = self.state.grants.get(&slot).cloned().unwrap_or_default();
        let slot: Arc<str> = slot.into();
        let target = grant.target().display().to_string();
        let effect = Effect::new(Files::NAME, Arc::clone(&slot), "open", Impact::Observe, &target);
        let permit =
            self.state.gate.enter(effect, grant.allows(self.state.gate.slot(Files::NAME, &slot), Access::Read))?;
        let root = match self.state.roots.get(&*slot) {
            Some(root) => permit.finish(Ok::<_, Error>(Arc::clone(root)))?,
            None => {
                let rehearsed = Arc::clone(&self.state.rehearsed);
                let written = self.state.gate.written().clone();
                let root = Root::open(Arc::clone(&slot), Arc::clone(&grant), rehearsed);
                permit.finish(root.map(|root| Arc::new(root.written(written))))?
            }
        };
        self.state.roots.insert(slot.to_string(), Arc::clone(&root));
        Ok(self.table.push(Directory { slot, grant, root }).map_err(wasmtime::Error::from)?)
    }
}

impl HostDirectory for View<'_, State> {
    fn drop(&mut self, directory: Resource<Directory>) -> wasmtime::Result<()> {
        self.table.delete(directory)?;
        Ok(())
    }
}

impl<T: Send + 'static> HostDirectoryWithStore<T> for Data<Files> {
    async fn walk(
        accessor: &Accessor<T, Self>,
        directory: Resource<Directory>,
        filter: Filter,
    ) -> Result<Streamed<Entry, Walked>, Error> {
        let call = Call::new(accessor, &directory, bytes_of(filter.include.iter().chain(&filter.exclude))).await?;
        let shown = filter.include.join(" ");
        let permit = call.enter("walk", Impact::Observe, &[Access::Read], &shown, Ok(()))?;
        let matcher = match Matcher::new(filter, now()) {
            Ok(matcher) => matcher,
            Err(error) => return settle(permit, Err(error)),
        };
        let (permit, place) = call.stream_place(permit).await?;
        let (sender, receiver) = mpsc::channel(AHEAD);
        let (done, walked) = oneshot::channel();
        let root = call.root;
        call.ticket.start(place, move |ticket| {
            let wanted = || ticket.wanted().is_ok() && !sender.is_closed();
            let give = |batch| sender.blocking_send(batch).map_err(|_| Error::GivenUp);
            let (walked, ended) = walk::walk(&root, &matcher, wanted, give);
            let _ = done.send(streamed(permit, ended, |permit| permit.rows(walked.visited)).map(|()| walked));
        });
        reader(accessor, Batches::new(receiver), walked)
    }

    async fn stat(accessor: &Accessor<T, Self>, directory: Resource<Directory>, path: String) -> Result<Entry, Error> {
        let call = Call::new(accessor, &directory, path.len()).await?;
        let (permit, path) = call.enter_path("stat", Impact::Observe, &[Access::Read], &path)?;
        let root = Arc::clone(&call.root);
        settle(permit, call.ticket.wait(move |_| root.stat(&path)).await)
    }

    async fn read(
        accessor: &Accessor<T, Self>,
        directory: Resource<Directory>,
        path: String,
        options: ReadOptions,
    ) -> Result<Streamed<u8, u64>, Error> {
        let call = Call::new(accessor, &directory, path.len()).await?;
        let (permit, opened) = call.open_file("read", &path).await?;
        let (permit, place) = call.stream_place(permit).await?;
        let (sender, receiver) = mpsc::channel(AHEAD);
        let (done, given) = oneshot::channel();
        call.ticket.start(place, move |ticket| {
            let wanted = || ticket.wanted().is_ok() && !sender.is_closed();
            let give = |chunk| sender.blocking_send(chunk).map_err(|_| Error::GivenUp);
            let (given, ended) = read::read(&opened, &options, &wanted, give);
            let _ = done.send(streamed(permit, ended, |permit| permit.bytes(given)).map(|()| given));
        });
        reader(accessor, ByteChunks::new(receiver), given)
    }

    async fn read_all(
        accessor: &Accessor<T, Self>,
        directory: Resource<Directory>,
        paths: Vec<String>,
        limit: u64,
    ) -> wasmtime::Result<Vec<Result<Vec<u8>, bindings::Error>>> {
        let call = match Call::new(accessor, &directory, bytes_of(&paths)).await {
            Ok(call) => call,
            Err(error) => return error.for_guest().map(|error| vec![Err(error); paths.len()]),
        };
        let _place = call.ticket.read_all_place().await;
        let files = call.ticket().wait(move |ticket| Ok(call.read_all(&paths, limit, ticket))).await;
        let files = files.map_err(|error| match error {
            Error::Trap(error) => error,
            other => wasmtime::Error::msg(other.to_string()),
        })?;
        each_for_guest(files)
    }

    async fn write(
        accessor: &Accessor<T, Self>,
        directory: Resource<Directory>,
        path: String,
        mode: WriteMode,
        encode: Codec,
        data: StreamReader<u8>,
    ) -> Result<Written, Error> {
        let mut call = Call::new(accessor, &directory, path.len()).await?;
        let mut data = accessor.with(|access| into_receiver(data, access))?;
        let impact = if mode == WriteMode::Replace { Impact::Destroy } else { Impact::Change };
        let (permit, path) = call.enter_path("write", impact, &[Access::Write], &path)?;
        let (permit, place) = call.stream_place(permit).await?;
        // What is written may depend on what other calls return.
        call.place = None;
        call.make(permit, move |root, writing| {
            let _place = place;
            create::write(root, &path, mode, encode, || data.blocking_next(), writing)
        })
        .await
    }

    async fn digest(
        accessor: &Accessor<T, Self>,
        directory: Resource<Directory>,
        path: String,
    ) -> Result<Digest, Error> {
        let call = Call::new(accessor, &directory, path.len()).await?;
        let (mut permit, opened) = call.open_file("digest", &path).await?;
        let digest = call.ticket.wait(move |ticket| read::digest(&opened, ticket)).await;
        if let Ok(digest) = &digest {
            permit.bytes(digest.bytes);
        }
        settle(permit, digest)
    }

    async fn rename(
        accessor: &Accessor<T, Self>,
        directory: Resource<Directory>,
        from: String,
        to: String,
    ) -> Result<(), Error> {
        let call = Call::new(accessor, &directory, from.len() + to.len()).await?;
        let (permit, from, to) = call.enter_pair("rename", Impact::Change, &[Access::Write], &from, &to)?;
        call.change(permit, move |root, rehearse| create::rename(root, &from, &to, rehearse)).await
    }

    async fn create_directory(
        accessor: &Accessor<T, Self>,
        directory: Resource<Directory>,
        path: String,
    ) -> Result<(), Error> {
        let call = Call::new(accessor, &directory, path.len()).await?;
        let (permit, path) = call.enter_path("create-directory", Impact::Change, &[Access::Write], &path)?;
        call.change(permit, move |root, rehearse| create::create_directory(root, &path, rehearse)).await
    }

    async fn create_like(
        accessor: &Accessor<T, Self>,
        directory: Resource<Directory>,
        path: String,
        like: String,
    ) -> Result<(), Error> {
        let call = Call::new(accessor, &directory, path.len() + like.len()).await?;
        let (permit, path, like) = call.enter_pair("create-like", Impact::Change, &[Access::Write], &path, &like)?;
        call.make(permit, move |root, writing| create::create_like(root, &path, &like, writing)).await.map(drop)
    }

    async fn compress(
        accessor: &Accessor<T, Self>,
        directory: Resource<Directory>,
        path: String,
        to: String,
        encode: Codec,
        remove_source: bool,
    ) -> Result<Written, Error> {
        let call = Call::new(accessor, &directory, path.len() + to.len()).await?;
        let (impact, access) = if remove_source {
            (Impact::Destroy, &[Access::Read, Access::Write, Access::Delete][..])
        } else {
            (Impact::Change, &[Access::Read, Access::Write][..])
        };
        let (permit, path, to) = call.enter_pair("compress", impact, access, &path, &to)?;
        call.make(permit, move |root, writing| create::compress(root, &path, &to, encode, remove_source, writing)).await
    }

    async fn archive(
        accessor: &Accessor<T, Self>,
        directory: Resource<Directory>,
        paths: Vec<String>,
        to: String,
        encode: Codec,
    ) -> Result<Written, Error> {
        let call = Call::new(accessor, &directory, bytes_of(&paths) + to.len()).await?;
        let (permit, paths, to) = call.enter_archive(&paths, &to)?;
        call.make(permit, move |root, writing| archive::archive(root, &paths, &to, encode, writing)).await
    }

    async fn cut(
        accessor: &Accessor<T, Self>,
        directory: Resource<Directory>,
        path: String,
        bytes: u64,
        sha256: String,
    ) -> Result<Cut, Error> {
        let call = Call::new(accessor, &directory, path.len() + sha256.len()).await?;
        let access = &[Access::Read, Access::Write, Access::Delete];
        let (mut permit, path) = call.enter_path("cut", Impact::Destroy, access, &path)?;
        let root = Arc::clone(&call.root);
        let cut = call.ticket.wait(move |ticket| {
            let rehearse = permit.rehearse();
            let charge = |bytes| {
                permit.charge("files", 1)?;
                permit.charge("bytes", bytes)?;
                permit.bytes(bytes);
                Ok(())
            };
            let cut = cut::cut(&root, &path, bytes, &sha256, rehearse, ticket, charge);
            settle(permit, cut)
        });
        cut.await
    }

    async fn examine(
        accessor: &Accessor<T, Self>,
        directory: Resource<Directory>,
        paths: Vec<String>,
    ) -> Result<Examined, Error> {
        let call = Call::new(accessor, &directory, bytes_of(&paths)).await?;
        let (files, unseen) = call.ticket().wait(move |ticket| call.examine(&paths, ticket)).await?;
        Ok(Examined { files: each_for_guest(files)?, unseen })
    }

    async fn remove(
        accessor: &Accessor<T, Self>,
        directory: Resource<Directory>,
        paths: Vec<String>,
    ) -> wasmtime::Result<Vec<Result<Removed, bindings::Error>>> {
        let call = match Call::new(accessor, &directory, bytes_of(&paths)).await {
            Ok(call) => call,
            Err(error) => return error.for_guest().map(|error| vec![Err(error); paths.len()]),
        };
        let removed = call.ticket().wait(move |ticket| Ok(call.remove_all(&paths, ticket))).await;
        let removed = removed.map_err(|error| wasmtime::Error::msg(error.to_string()))?;
        each_for_guest(removed)
    }

    async fn search(
        accessor: &Accessor<T, Self>,
        directory: Resource<Directory>,
        path: String,
        options: SearchOptions,
    ) -> Result<Streamed<Line, Searched>, Error> {
        let call = Call::new(accessor, &directory, path.len() + options.pattern.len()).await?;
        let (permit, opened) = call.open_file("search", &path).await?;
        let (permit, place) = call.stream_place(permit).await?;
        let pattern = match search::pattern(&options) {
            Ok(pattern) => pattern,
            Err(error) => return settle(permit, Err(error)),
        };
        let (sender, receiver) = mpsc::channel(AHEAD);
        let (done, searched) = oneshot::channel();
        call.ticket.start(place, move |ticket| {
            let wanted = || ticket.wanted().is_ok() && !sender.is_closed();
            let give = |batch| sender.blocking_send(batch).map_err(|_| Error::GivenUp);
            let (searched, ended) = search::search(&opened, &pattern, &options, &wanted, give);
            let noted = |permit: &mut Permit| {
                permit.rows(searched.matches);
                permit.bytes(searched.bytes);
            };
            let _ = done.send(streamed(permit, ended, noted).map(|()| searched));
        });
        reader(accessor, Batches::new(receiver), searched)
    }

    async fn tail(
        accessor: &Accessor<T, Self>,
        directory: Resource<Directory>,
        path: String,
        lines: u32,
    ) -> Result<Vec<String>, Error> {
        let call = Call::new(accessor, &directory, path.len()).await?;
        let (mut permit, opened) = call.open_file("tail", &path).await?;
        let lines = call.ticket.wait(move |ticket| tail::tail(&opened, lines, ticket)).await;
        permit.rows(lines.as_ref().map_or(0, |lines| lines.len() as u64));
        settle(permit, lines)
    }

    async fn space(accessor: &Accessor<T, Self>, directory: Resource<Directory>) -> Result<Space, Error> {
        let call = Call::new(accessor, &directory, 0).await?;
        let permit = call.enter("space", Impact::Observe, &[Access::Read], ".", Ok(()))?;
        let root = Arc::clone(&call.root);
        settle(permit, call.ticket.wait(move |_| root.space()).await)
    }
}

/// Journals how a call ended, and hands its result on.
pub(super) fn settle<T>(mut permit: Permit, result: Result<T, Error>) -> Result<T, Error> {
    match &result {
        // Journaled as abandoned.
        Err(Error::GivenUp) => drop(permit),
        Err(Error::Refused(reason)) => {
            let refused = permit.admit(Err(Refusal::NotGranted(reason.clone())));
            return permit.finish(refused.map_err(Error::from)).and(result);
        }
        _ => return permit.finish(result),
    }
    result
}

/// Journals how a stream ended. One that the guest let go of is abandoned, and has no error that anyone reads.
fn streamed(
    mut permit: Permit,
    ended: Result<(), Error>,
    note: impl FnOnce(&mut Permit),
) -> Result<(), bindings::Error> {
    note(&mut permit);
    match settle(permit, ended) {
        Ok(()) | Err(Error::GivenUp) => Ok(()),
        Err(error) => {
            let message = error.to_string();
            Err(error.for_guest().unwrap_or(bindings::Error::Io(message)))
        }
    }
}

/// A stream for the guest, and the future of how it ended.
fn reader<T, I, R>(
    accessor: &Accessor<T, Data<Files>>,
    producer: impl wasmtime::component::StreamProducer<T, Item = I>,
    ended: oneshot::Receiver<Result<R, bindings::Error>>,
) -> Result<Streamed<I, R>, Error>
where
    T: Send + 'static,
    I: wasmtime::component::Lower + wasmtime::component::Lift + Send + Sync + 'static,
    R: Send + Sync + 'static,
    Result<R, bindings::Error>: wasmtime::component::Lower + wasmtime::component::Lift,
{
    Ok(accessor.with(|mut access| {
        let stream = StreamReader::new(&mut access, producer)?;
        wasmtime::error::Ok((stream, FutureReader::new(&mut access, ended)?))
    })?)
}

fn each_for_guest<T>(results: Vec<Result<T, Error>>) -> wasmtime::Result<Vec<Result<T, bindings::Error>>> {
    let each = results.into_iter().map(|result| match result {
        Ok(value) => Ok(Ok(value)),
        Err(error) => error.for_guest().map(Err),
    });
    each.collect()
}

/// Seconds since 1970.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
