//! What a rehearsal has done so far, in thought: which names would be gone by now, which would be there, and what would lie
//! under another name. So that the plan of a run that renames, compresses and removes one file after another names what
//! that run does. Nothing is ever noted here in a run.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cap_std::fs::Dir;
use rustix::fs::Stat;

use super::root::Place;

/// What a rehearsal has done so far.
#[derive(Debug, Default)]
pub(in super::super) struct Rehearsed(Mutex<Thought>);

#[derive(Debug, Default)]
struct Thought {
    fates: HashMap<Name, Fate>,
    /// How many names of a file are gone, by its device and inode.
    links: HashMap<(u64, u64), u64>,
}

/// Device and inode of the directory, and the name in it; none and the whole path in one that is there in thought only.
type Name = (u64, u64, Vec<u8>);

/// What became of a name.
#[derive(Clone, Debug)]
pub(super) enum Fate {
    Gone,
    /// Something new is there, of which nothing else is known.
    Made,
    /// What is there lies on disk under this name in that directory: it was moved, or copied.
    Moved(Arc<Dir>, Vec<u8>),
}

impl Rehearsed {
    fn lock(&self) -> MutexGuard<'_, Thought> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing was done, as in a run.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().fates.is_empty()
    }

    /// What became of a place.
    pub(super) fn fate(&self, place: &Place) -> Option<Fate> {
        if self.is_empty() {
            return None;
        }
        self.lock().fates.get(&name_of(place)?).cloned()
    }

    /// Notes that something is there now.
    pub(super) fn made(&self, place: &Place) {
        self.note(place, Fate::Made);
    }

    /// Notes that nothing is there any more; `stat` is what was.
    pub(super) fn gone(&self, place: &Place, stat: &Stat) {
        self.note(place, Fate::Gone);
        *self.lock().links.entry((stat.st_dev, stat.st_ino)).or_default() += 1;
    }

    /// Notes that what was in one place is in the other.
    pub(super) fn moved(&self, from: &Place, to: &Place) {
        let (parent, name) = from.on_disk();
        let fate = Fate::Moved(Arc::clone(parent), name.as_encoded_bytes().to_vec());
        self.note(from, Fate::Gone);
        self.note(to, fate);
    }

    /// Notes that one is a copy of the other, byte by byte.
    pub(super) fn copied(&self, from: &Place, to: &Place) {
        let (parent, name) = from.on_disk();
        self.note(to, Fate::Moved(Arc::clone(parent), name.as_encoded_bytes().to_vec()));
    }

    fn note(&self, place: &Place, fate: Fate) {
        if let Some(name) = name_of(place) {
            self.lock().fates.insert(name, fate);
        }
    }

    /// How many names of a file are gone.
    pub(super) fn names_gone(&self, stat: &Stat) -> u64 {
        self.lock().links.get(&(stat.st_dev, stat.st_ino)).copied().unwrap_or_default()
    }

    /// Whether a name that is in `directory` on disk is gone from it.
    pub(super) fn is_gone(&self, directory: &Stat, name: &[u8]) -> bool {
        let thought = self.lock();
        !thought.fates.is_empty()
            && matches!(thought.fates.get(&(directory.st_dev, directory.st_ino, name.to_vec())), Some(Fate::Gone))
    }

    /// Whether something is in `directory` that is not on disk.
    pub(super) fn has_made(&self, directory: &Stat) -> bool {
        let here = |(device, inode, _): &Name| (*device, *inode) == (directory.st_dev, directory.st_ino);
        self.lock().fates.iter().any(|(name, fate)| here(name) && !matches!(fate, Fate::Gone))
    }
}

fn name_of(place: &Place) -> Option<Name> {
    if place.in_thought {
        return Some((0, 0, place.path.to_bytes()));
    }
    let parent = rustix::fs::fstat(&*place.parent).ok()?;
    Some((parent.st_dev, parent.st_ino, place.name.clone()))
}
