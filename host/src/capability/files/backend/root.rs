//! The directory behind a slot, and how a path below it becomes something open.
//!
//! A path is walked name by name, each opened relative to the one before and never through a link, so that nothing
//! that happens to the tree meanwhile can lead out of it. A link on the way is resolved once by cap-std, which keeps it
//! below the root; where it leads is judged by the grant, and walked again without following any.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

use cap_fs_ext::{DirExt as _, FollowSymlinks, OpenOptionsFollowExt as _};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt as _};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, StatxFlags};
use rustix::io::Errno;

use super::super::Files;
use super::super::bindings::{Kind, Space};
use super::super::error::Error;
use super::super::grant::Grant;
use super::rehearsed::{Fate, Rehearsed};
use super::{count, kind, not_a_file};
use crate::capability::Room as _;
use crate::gate::{SlotName, Written};
use crate::policy::path::RelativePath;

/// The directory behind a slot, held open.
pub(in super::super) struct Root {
    slot: Arc<str>,
    grant: Arc<Grant>,
    written: Written,
    dir: Arc<Dir>,
    volume: Volume,
    rehearsed: Arc<Rehearsed>,
}

/// What is mounted at one place: two directories with the same are in one file system and under one mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Volume {
    device: (u32, u32),
    /// 0 on kernels that do not tell.
    mount: u64,
}

impl Volume {
    pub(super) fn of(directory: impl AsFd) -> io::Result<Self> {
        let wanted = StatxFlags::TYPE | StatxFlags::MNT_ID;
        let found = rustix::fs::statx(directory, "", AtFlags::EMPTY_PATH, wanted)?;
        let mount = if found.stx_mask & StatxFlags::MNT_ID.bits() == 0 { 0 } else { found.stx_mnt_id };
        Ok(Self { device: (found.stx_dev_major, found.stx_dev_minor), mount })
    }
}

/// The directory that something is in, held open, and its name there.
pub(in super::super) struct Place {
    pub(super) parent: Arc<Dir>,
    pub(super) name: Vec<u8>,
    /// Where it is, links on the way resolved.
    pub(super) path: RelativePath,
    /// What the rehearsal has done to it.
    pub(super) fate: Option<Fate>,
    /// The directory is there in the rehearsal only; `parent` is one above it.
    pub(super) in_thought: bool,
}

/// A plain file, open for reading.
pub(in super::super) struct Opened {
    pub(super) file: File,
    pub(super) stat: Stat,
    pub(super) path: RelativePath,
    /// Where it was found.
    pub(super) place: Place,
}

/// The directory that was opened last, so that the next path in it needs not walk again.
#[derive(Default)]
pub(in super::super) struct LastDirectory(Option<(RelativePath, Arc<Dir>, RelativePath)>);

impl Root {
    /// Opens the directory that the operator named; that path may lead through links.
    pub(in super::super) fn open(slot: Arc<str>, grant: Arc<Grant>, rehearsed: Arc<Rehearsed>) -> Result<Self, Error> {
        let target = grant.target();
        let failed = |error: &io::Error| match Error::system("open", &target.display(), error) {
            Error::NotFound(_) => {
                Error::NotFound(format!("slot `{slot}`: the directory `{}` does not exist", target.display()))
            }
            Error::WrongKind(_) => Error::WrongKind(format!("slot `{slot}`: `{}` is no directory", target.display())),
            Error::Io(reason) => Error::Io(format!("slot `{slot}`: {reason}")),
            other => other,
        };
        let dir = Dir::open_ambient_dir(target, ambient_authority()).map_err(|error| failed(&error))?;
        let volume = Volume::of(&dir).map_err(|error| failed(&error))?;
        Ok(Self { slot, grant, written: Written::default(), dir: Arc::new(dir), volume, rehearsed })
    }

    /// The same, of a grant that was written in this way.
    pub(in super::super) fn written(self, written: Written) -> Self {
        Self { written, ..self }
    }

    /// For refusals.
    fn named(&self) -> SlotName<'_> {
        self.written.slot(Files::NAME, &self.slot)
    }

    /// cap-std's own handle, to see what it refuses where nothing is checked before.
    #[cfg(test)]
    pub(in super::super) fn dir(&self) -> &Dir {
        &self.dir
    }

    pub(in super::super) fn grant(&self) -> &Grant {
        &self.grant
    }

    pub(super) fn slot(&self) -> &Arc<str> {
        &self.slot
    }

    /// What the rehearsal has done so far; nothing in a run.
    pub(super) fn rehearsed(&self) -> &Rehearsed {
        &self.rehearsed
    }

    pub(super) fn volume(&self) -> Volume {
        self.volume
    }

    /// The root, open so that it can be listed.
    pub(super) fn listable(&self) -> io::Result<OwnedFd> {
        Ok(rustix::fs::openat(&*self.dir, ".", LIST, Mode::empty())?)
    }

    /// The directory at `path`, and where it is with the links resolved.
    pub(super) fn directory(&self, path: &RelativePath) -> Result<(Arc<Dir>, RelativePath), Error> {
        self.directory_for(path, path)
    }

    /// As [`directory`](Self::directory), for what is asked for in it, which errors name.
    fn directory_for(&self, path: &RelativePath, asked: &RelativePath) -> Result<(Arc<Dir>, RelativePath), Error> {
        match self.descend(path) {
            Ok(dir) => Ok((dir, path.clone())),
            Err(Stopped::Link) => {
                let resolved = self.resolve(path, asked)?;
                let dir = self.descend(&resolved).map_err(|stopped| stopped.into_error(asked))?;
                Ok((dir, resolved))
            }
            Err(stopped) => Err(stopped.into_error(asked)),
        }
    }

    /// Where `path` leads with all links followed, below the root.
    fn resolve(&self, path: &RelativePath, asked: &RelativePath) -> Result<RelativePath, Error> {
        let bytes = path.to_bytes();
        let found = self.dir.canonicalize(Path::new(OsStr::from_bytes(&bytes)));
        let found = found.map_err(|error| match Error::system("follow", asked, &error) {
            Error::Refused(_) => {
                Error::Refused(format!("`{asked}` leads out of the slot's directory through a symbolic link"))
            }
            other => other,
        })?;
        Ok(RelativePath::from_resolved(found.as_os_str().as_bytes()))
    }

    fn descend(&self, path: &RelativePath) -> Result<Arc<Dir>, Stopped> {
        let mut dir = Arc::clone(&self.dir);
        for name in path.names() {
            let name = OsStr::from_bytes(name);
            let next = dir.open_dir_nofollow(name).map_err(|error| {
                let is_link = matches!(Errno::from_io_error(&error), Some(Errno::NOTDIR | Errno::LOOP))
                    && rustix::fs::statat(&*dir, name, AtFlags::SYMLINK_NOFOLLOW)
                        .is_ok_and(|stat| kind(&stat) == Kind::Symlink);
                if is_link { Stopped::Link } else { Stopped::System(error) }
            })?;
            if Volume::of(&next).map_err(Stopped::System)? != self.volume {
                return Err(Stopped::Mount);
            }
            dir = Arc::new(next);
        }
        Ok(dir)
    }

    /// The place of `path`, whether or not there is something.
    pub(super) fn place(&self, path: &RelativePath, last: &mut LastDirectory) -> Result<Place, Error> {
        let Some((parent, name)) = path.split() else {
            return Err(Error::WrongKind("`.` is the slot's directory itself; name something in it".into()));
        };
        let (dir, resolved) = match &last.0 {
            Some((known, dir, resolved)) if *known == parent => (Arc::clone(dir), resolved.clone()),
            _ => match self.directory_for(&parent, path) {
                Err(Error::NotFound(_)) if !self.rehearsed.is_empty() => {
                    return self.place_in_thought(path, &parent, name);
                }
                found => {
                    let (dir, resolved) = found?;
                    last.0 = Some((parent.clone(), Arc::clone(&dir), resolved.clone()));
                    (dir, resolved)
                }
            },
        };
        let mut place =
            Place { parent: dir, name: name.to_vec(), path: resolved.join(name), fate: None, in_thought: false };
        if resolved != parent {
            self.grant.allows_path(self.named(), &place.path)?;
        }
        place.fate = self.rehearsed.fate(&place);
        Ok(place)
    }

    /// The place of `path` in a directory that is there in the rehearsal only.
    fn place_in_thought(&self, path: &RelativePath, parent: &RelativePath, name: &[u8]) -> Result<Place, Error> {
        let above = self.place(parent, &mut LastDirectory::default())?;
        if !matches!(above.fate, Some(Fate::Made)) {
            return Err(Error::system("open", path, &Errno::NOENT.into()));
        }
        let path = above.path.join(name);
        let mut place = Place { parent: above.parent, name: name.to_vec(), path, fate: None, in_thought: true };
        self.grant.allows_path(self.named(), &place.path)?;
        place.fate = Some(self.rehearsed.fate(&place).unwrap_or(Fate::Gone));
        Ok(place)
    }

    /// The plain file at `path`, open for reading. A link is followed where it leads below the root to what is granted.
    pub(super) fn file(&self, path: &RelativePath, last: &mut LastDirectory) -> Result<Opened, Error> {
        let place = self.place(path, last)?;
        let stat = place.stat("read")?;
        let place = match kind(&stat) {
            Kind::Symlink => {
                let resolved = self.resolve(path, path)?;
                self.grant.allows_path(self.named(), &resolved)?;
                self.place(&resolved, &mut LastDirectory::default())?
            }
            Kind::File => place,
            other => return Err(not_a_file(path, other)),
        };
        place.open(path)
    }

    /// The size of the file system.
    pub(in super::super) fn space(&self) -> Result<Space, Error> {
        let found = rustix::fs::fstatvfs(&*self.dir).map_err(|errno| Error::system("measure", &".", &errno.into()))?;
        Ok(Space {
            total: found.f_blocks.saturating_mul(found.f_frsize),
            free: found.f_bavail.saturating_mul(found.f_frsize),
        })
    }

    /// What `path` is; a link is not followed.
    pub(in super::super) fn stat(&self, path: &RelativePath) -> Result<super::super::bindings::Entry, Error> {
        if path.names().is_empty() {
            let stat = rustix::fs::fstat(&*self.dir).map_err(|errno| Error::system("look at", path, &errno.into()))?;
            return Ok(super::entry(path.to_string(), &stat));
        }
        let stat = self.place(path, &mut LastDirectory::default())?.stat("look at")?;
        Ok(super::entry(path.to_string(), &stat))
    }
}

/// How a directory is opened to list it.
pub(super) const LIST: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

/// Why a walk down a path came to an end before it.
enum Stopped {
    Link,
    Mount,
    System(io::Error),
}

impl Stopped {
    fn into_error(self, path: &RelativePath) -> Error {
        match self {
            Self::Link => Error::Refused(format!("`{path}` leads through a link that changed meanwhile")),
            Self::Mount => Error::Refused(format!(
                "`{path}` is in another file system that is mounted below the slot's directory; bind that to a slot of \
                 its own"
            )),
            Self::System(error) => Error::system("open", path, &error),
        }
    }
}

impl Place {
    /// What is there; a link is not followed.
    pub(super) fn stat(&self, act: &str) -> Result<Stat, Error> {
        let found = match &self.fate {
            None => rustix::fs::statat(&*self.parent, self.name(), AtFlags::SYMLINK_NOFOLLOW),
            Some(Fate::Gone) => Err(Errno::NOENT),
            Some(Fate::Made) => {
                return Err(Error::NotFound(format!("`{}` is there after a run only, and this is a plan", self.path)));
            }
            Some(Fate::Moved(parent, name)) => {
                rustix::fs::statat(&**parent, OsStr::from_bytes(name), AtFlags::SYMLINK_NOFOLLOW)
            }
        };
        found.map_err(|errno| Error::system(act, &self.path, &errno.into()))
    }

    /// Where it is on disk: elsewhere when the rehearsal has moved it.
    pub(super) fn on_disk(&self) -> (&Arc<Dir>, &OsStr) {
        match &self.fate {
            Some(Fate::Moved(parent, name)) => (parent, OsStr::from_bytes(name)),
            _ => (&self.parent, self.name()),
        }
    }

    /// What is there, if anything is.
    pub(super) fn stat_if_any(&self, act: &str) -> Result<Option<Stat>, Error> {
        match self.stat(act) {
            Ok(stat) => Ok(Some(stat)),
            Err(Error::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn name(&self) -> &OsStr {
        OsStr::from_bytes(&self.name)
    }

    /// Opens it for reading, unless it is anything but a plain file. `NONBLOCK`: what was a file a moment ago may be a
    /// pipe by now, and must not hold the host.
    fn open(self, asked: &RelativePath) -> Result<Opened, Error> {
        let mut options = OpenOptions::new();
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        options.read(true).follow(FollowSymlinks::No).custom_flags(flags.bits().cast_signed());
        let (parent, name) = self.on_disk();
        let file = parent.open_with(name, &options).map_err(|error| Error::system("open", asked, &error))?;
        let file = file.into_std();
        let stat = rustix::fs::fstat(&file).map_err(|errno| Error::system("open", asked, &errno.into()))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(not_a_file(asked, kind(&stat)));
        }
        Ok(Opened { file, stat, path: asked.clone(), place: self })
    }
}

impl Opened {
    /// Its size when it was opened.
    pub(super) fn size(&self) -> u64 {
        count(self.stat.st_size)
    }

    pub(super) fn failed(&self, act: &str, error: &io::Error) -> Error {
        Error::system(act, &self.path, error)
    }
}
