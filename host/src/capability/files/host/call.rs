//! One call on its way: from the state, through the gate, to the backend.

use std::sync::Arc;

use wasmtime::component::{Accessor, Resource};

use super::super::Files;
use super::super::backend::Wanted as _;
use super::super::backend::create::{Prepared, Writing};
use super::super::backend::root::{LastDirectory, Opened, Root};
use super::super::backend::staged::Swept;
use super::super::backend::{examine, remove};
use super::super::bindings::{Details, Removed, Written};
use super::super::error::Error;
use super::super::grant::{Access, Grant};
use super::super::tasks::{CallPlace, StreamPlace, Ticket};
use super::{Directory, READ_ALL_LIMIT, settle};
use crate::capability::load::Held;
use crate::capability::{Data, Room as _, View};
use crate::gate::{Effect, Gate, Impact, Permit, Refusal, SlotName};
use crate::policy::path::RelativePath;

/// What one call needs of the state, taken out of the store so that others may run meanwhile.
pub(in crate::capability::files) struct Call {
    pub(in crate::capability::files) slot: Arc<str>,
    pub(in crate::capability::files) gate: Arc<Gate>,
    pub(in crate::capability::files) grant: Arc<Grant>,
    pub(in crate::capability::files) root: Arc<Root>,
    pub(in crate::capability::files) swept: Arc<Swept>,
    pub(in crate::capability::files) ticket: Ticket,
    /// Its arguments, counted.
    pub(in crate::capability::files) _held: Option<Held>,
    /// Its place among the run's calls, until it returns.
    pub(in crate::capability::files) place: Option<CallPlace>,
}

impl Call {
    /// A call whose arguments have so many bytes. It waits for its turn.
    pub(super) async fn new<T: 'static>(
        accessor: &Accessor<T, Data<Files>>,
        directory: &Resource<Directory>,
        bytes: usize,
    ) -> Result<Self, Error> {
        let (mut call, places) = accessor.with(|mut access| {
            let View { state, table } = access.get();
            let directory = table.get(directory).map_err(wasmtime::Error::from)?;
            let held = state.load.hold(bytes)?;
            let call = Self {
                slot: Arc::clone(&directory.slot),
                gate: Arc::clone(&state.gate),
                grant: Arc::clone(&directory.grant),
                root: Arc::clone(&directory.root),
                swept: Arc::clone(&state.swept),
                ticket: state.tasks.ticket(),
                _held: Some(held),
                place: None,
            };
            Ok::<_, Error>((call, state.tasks.places()))
        })?;
        call.place = Some(places.acquire_owned().await.map_err(wasmtime::Error::from)?);
        Ok(call)
    }

    pub(super) fn ticket(&self) -> Ticket {
        self.ticket.clone()
    }

    pub(super) fn named(&self) -> SlotName<'_> {
        self.gate.slot(Files::NAME, &self.slot)
    }

    pub(super) fn enter(
        &self,
        operation: &'static str,
        impact: Impact,
        access: &[Access],
        target: &str,
        verdict: Result<(), Refusal>,
    ) -> Result<Permit, Refusal> {
        let verdict = access.iter().try_for_each(|access| self.grant.allows(self.named(), *access)).and(verdict);
        self.gate.enter(Effect::new(Files::NAME, Arc::clone(&self.slot), operation, impact, target), verdict)
    }

    /// Whether the grant allows `text` as a path; one that is malformed is no matter of the grant.
    pub(super) fn judge(&self, text: &str) -> (Result<(), Refusal>, Result<RelativePath, Error>) {
        match RelativePath::parse(text) {
            Ok(path) => (self.grant.allows_path(self.named(), &path), Ok(path)),
            Err(error) if error.escapes() => (Err(Refusal::NotGranted(error.to_string())), Err(error.into())),
            Err(error) => (Ok(()), Err(error.into())),
        }
    }

    pub(in crate::capability::files) fn enter_path(
        &self,
        operation: &'static str,
        impact: Impact,
        access: &[Access],
        path: &str,
    ) -> Result<(Permit, RelativePath), Error> {
        let (verdict, parsed) = self.judge(path);
        let permit = self.enter(operation, impact, access, path, verdict)?;
        match parsed {
            Ok(path) => Ok((permit, path)),
            Err(error) => settle(permit, Err(error)),
        }
    }

    pub(in crate::capability::files) fn enter_pair(
        &self,
        operation: &'static str,
        impact: Impact,
        access: &[Access],
        from: &str,
        to: &str,
    ) -> Result<(Permit, RelativePath, RelativePath), Error> {
        let ((first, from_path), (second, to_path)) = (self.judge(from), self.judge(to));
        let permit = self.enter(operation, impact, access, &format!("{from} -> {to}"), first.and(second))?;
        match (from_path, to_path) {
            (Ok(from), Ok(to)) => Ok((permit, from, to)),
            (Err(error), _) | (_, Err(error)) => settle(permit, Err(error)),
        }
    }

    pub(in crate::capability::files) fn enter_archive(
        &self,
        paths: &[String],
        to: &str,
    ) -> Result<(Permit, Vec<RelativePath>, RelativePath), Error> {
        let (verdicts, parsed): (Vec<_>, Vec<_>) =
            paths.iter().map(String::as_str).chain([to]).map(|path| self.judge(path)).unzip();
        let target = format!("{} -> {to}", paths.join(" "));
        let verdict = verdicts.into_iter().collect();
        let permit = self.enter("archive", Impact::Change, &[Access::Read, Access::Write], &target, verdict)?;
        match parsed.into_iter().collect::<Result<Vec<_>, _>>() {
            Ok(mut paths) => {
                let to = paths.pop().unwrap_or_default();
                Ok((permit, paths, to))
            }
            Err(error) => settle(permit, Err(error)),
        }
    }

    /// A place for one more stream, which is asked for once the gate has let the call in.
    pub(in crate::capability::files) async fn stream_place(
        &self,
        permit: Permit,
    ) -> Result<(Permit, StreamPlace), Error> {
        match self.ticket.stream_place().await {
            Ok(place) => Ok((permit, place)),
            Err(error) => settle(permit, Err(error)),
        }
    }

    pub(in crate::capability::files) async fn open_file(
        &self,
        operation: &'static str,
        path: &str,
    ) -> Result<(Permit, Opened), Error> {
        let (permit, path) = self.enter_path(operation, Impact::Observe, &[Access::Read], path)?;
        let root = Arc::clone(&self.root);
        match self.ticket.wait(move |_| root.open_file(&path)).await {
            Ok(opened) => Ok((permit, opened)),
            Err(error) => settle(permit, Err(error)),
        }
    }

    /// Prepares a new file, and makes it lasting only while the run still waits for it.
    pub(in crate::capability::files) async fn make(
        &self,
        mut permit: Permit,
        prepare: impl FnOnce(&Root, &mut Writing<'_>) -> Result<Prepared, Error> + Send + 'static,
    ) -> Result<Written, Error> {
        let (root, swept) = (Arc::clone(&self.root), Arc::clone(&self.swept));
        let prepared = self.ticket.wait(move |ticket| {
            let rehearse = permit.rehearse();
            let prepared = permit.charge("files", 1).map_err(Error::from).and_then(|()| {
                let mut charge = |bytes| Ok(permit.charge("bytes", bytes)?);
                prepare(
                    &root,
                    &mut Writing {
                        rehearse,
                        mode: root.grant().mode(),
                        swept: &swept,
                        wanted: ticket,
                        charge: &mut charge,
                    },
                )
            });
            match prepared {
                Ok(prepared) => Ok((permit, prepared)),
                Err(error) => settle(permit, Err(error)),
            }
        });
        let (mut permit, prepared) = prepared.await?;
        let commit = move |_: &Ticket| {
            permit.bytes(prepared.bytes());
            settle(permit, prepared.commit())
        };
        self.ticket.wait(commit).await
    }

    /// Changes a name.
    pub(in crate::capability::files) async fn change(
        &self,
        mut permit: Permit,
        work: impl FnOnce(&Root, bool) -> Result<(), Error> + Send + 'static,
    ) -> Result<(), Error> {
        let root = Arc::clone(&self.root);
        let changed = self.ticket.wait(move |_| {
            let rehearse = permit.rehearse();
            let changed = permit.charge("files", 1).map_err(Error::from).and_then(|()| work(&root, rehearse));
            settle(permit, changed)
        });
        changed.await
    }

    /// Reads small files, as one effect: there may be thousands.
    pub(in crate::capability::files) fn read_all(
        &self,
        paths: &[String],
        limit: u64,
        ticket: &Ticket,
    ) -> Vec<Result<Vec<u8>, Error>> {
        let target = match paths {
            [path] => path.clone(),
            paths => format!("{} files", paths.len()),
        };
        let mut permit = match self.enter("read-all", Impact::Observe, &[Access::Read], &target, Ok(())) {
            Ok(permit) => permit,
            Err(refusal) => return paths.iter().map(|_| Err(refusal.clone().into())).collect(),
        };
        let (mut last, mut total, mut read) = (LastDirectory::default(), 0, 0);
        let mut one = |path: &str| {
            ticket.wanted()?;
            let (verdict, path) = self.judge(path);
            verdict?;
            let content = self.root.read_small(&path?, limit, &mut last)?;
            if total + content.len() as u64 > READ_ALL_LIMIT {
                return Err(Error::Invalid("the files of one call come to more than 64 MiB; ask for fewer".into()));
            }
            total += content.len() as u64;
            read += 1;
            Ok(content)
        };
        let files = paths.iter().map(|path| one(path)).collect();
        permit.rows(read);
        permit.bytes(total);
        permit.succeed();
        files
    }

    /// Looks at files and at who has them open, as one effect.
    pub(in crate::capability::files) fn examine(
        &self,
        paths: &[String],
        ticket: &Ticket,
    ) -> Result<(Vec<Result<Details, Error>>, u64), Error> {
        let target = match paths {
            [path] => path.clone(),
            paths => format!("{} files", paths.len()),
        };
        let mut permit = self.enter("examine", Impact::Observe, &[Access::Read], &target, Ok(()))?;
        let mut last = LastDirectory::default();
        let mut one = |path: &str| {
            ticket.wanted()?;
            let (verdict, path) = self.judge(path);
            verdict?;
            examine::look(&self.root, &path?, &mut last)
        };
        let found: Vec<_> = paths.iter().map(|path| one(path)).collect();
        permit.rows(found.iter().flatten().count() as u64);
        permit.succeed();
        Ok(examine::examine(found))
    }

    /// Removes what is at `paths`, each as an effect of its own, so that a plan names each. A spent budget is the end:
    /// what comes after, and would still fit, stays.
    pub(in crate::capability::files) fn remove_all(
        &self,
        paths: &[String],
        ticket: &Ticket,
    ) -> Vec<Result<Removed, Error>> {
        let mut last = LastDirectory::default();
        let mut spent = None;
        let mut one = |path: &str| {
            ticket.wanted()?;
            if let Some(reason) = &spent {
                return Err(Error::OverBudget(String::clone(reason)));
            }
            let (mut permit, path) = self.enter_path("remove", Impact::Destroy, &[Access::Delete], path)?;
            let rehearse = permit.rehearse();
            let removed = remove::remove(&self.root, &path, &mut last, rehearse, |bytes| {
                permit.charge("files", 1)?;
                permit.charge("bytes", bytes)?;
                permit.bytes(bytes);
                Ok(())
            });
            if let Err(Error::OverBudget(reason)) = &removed {
                spent = Some(reason.clone());
            }
            settle(permit, removed)
        };
        paths.iter().map(|path| one(path)).collect()
    }
}
