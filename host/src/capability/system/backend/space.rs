//! How full a file system is. Its own answer is the only one, and one whose server is gone never gives it: who asks is left
//! waiting in the kernel, where nothing ends it. So a thread of its own asks, which nobody waits for past the limit, also not
//! the process at its end; and what was silent is not asked again before it has answered.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

/// How long a file system is waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

/// What a file system says of itself, in bytes and inodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Space {
    pub(super) total: u64,
    pub(super) used: u64,
    pub(super) available: u64,
    pub(super) inodes: u64,
    pub(super) inodes_free: u64,
}

/// What came of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Space(Space),
    /// It is none that can be looked at: a file, hidden, closed to this user, or without a size.
    None,
    Silent,
}

/// Asks file systems.
pub(super) struct Asker {
    ask: fn(&Path) -> Option<Space>,
    patience: Duration,
    /// Those that have not answered yet, past the limit.
    silent: Arc<Mutex<BTreeSet<PathBuf>>>,
}

impl Default for Asker {
    fn default() -> Self {
        Self { ask, patience: PATIENCE, silent: Arc::default() }
    }
}

impl Asker {
    #[cfg(test)]
    pub(super) fn new(ask: fn(&Path) -> Option<Space>, patience: Duration) -> Self {
        Self { ask, patience, silent: Arc::default() }
    }

    pub(super) async fn ask(&self, point: &Path) -> Answer {
        let lock = || self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        if lock().contains(point) {
            return Answer::Silent;
        }
        let (sender, mut receiver) = oneshot::channel();
        let (ask, path, silent) = (self.ask, point.to_owned(), Arc::clone(&self.silent));
        let thread = std::thread::Builder::new().name("statvfs".into()).spawn(move || {
            let space = ask(&path);
            // Under the lock, so that it is not called silent just after.
            let mut silent = silent.lock().unwrap_or_else(PoisonError::into_inner);
            silent.remove(&path);
            let _ = sender.send(space);
        });
        if thread.is_err() {
            return Answer::None;
        }
        let answer = match tokio::time::timeout(self.patience, &mut receiver).await {
            Ok(answer) => answer.ok(),
            Err(_) => {
                let mut silent = lock();
                match receiver.try_recv() {
                    Ok(space) => Some(space),
                    Err(_) => {
                        silent.insert(point.into());
                        return Answer::Silent;
                    }
                }
            }
        };
        answer.flatten().map_or(Answer::None, Answer::Space)
    }
}

fn ask(point: &Path) -> Option<Space> {
    let is_directory = point.metadata().is_ok_and(|file| file.is_dir());
    let volume = rustix::fs::statvfs(point).ok().filter(|_| is_directory)?;
    // A file system of some user's says what it likes.
    let bytes = |blocks: u64| blocks.saturating_mul(volume.f_frsize);
    let space = Space {
        total: bytes(volume.f_blocks),
        used: bytes(volume.f_blocks.saturating_sub(volume.f_bfree)),
        available: bytes(volume.f_bavail),
        inodes: volume.f_files,
        inodes_free: volume.f_ffree.min(volume.f_files),
    };
    (space.total > 0).then_some(space)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;

    const SOME: Space = Space { total: 9, used: 5, available: 3, inodes: 0, inodes_free: 0 };

    #[tokio::test]
    async fn one_that_does_not_answer_is_left_out_and_asked_once() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        static ANSWERS: AtomicBool = AtomicBool::new(false);
        fn ask(point: &Path) -> Option<Space> {
            if point == Path::new("/gone") {
                ASKED.fetch_add(1, Ordering::SeqCst);
                while !ANSWERS.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            point.starts_with("/").then_some(SOME)
        }
        let asker = Asker::new(ask, Duration::from_millis(50));
        for _ in 0..3 {
            assert_eq!(asker.ask(Path::new("/gone")).await, Answer::Silent);
            assert_eq!(asker.ask(Path::new("/")).await, Answer::Space(SOME));
        }
        assert_eq!(ASKED.load(Ordering::SeqCst), 1);
        ANSWERS.store(true, Ordering::SeqCst);
        // It is asked again as soon as the first question is answered.
        while asker.ask(Path::new("/gone")).await != Answer::Space(SOME) {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn what_is_no_disk_has_no_space() {
        let asker = Asker::default();
        assert!(matches!(asker.ask(Path::new("/")).await, Answer::Space(space) if space.total >= space.used));
        for point in ["/no/such/mount", "/etc/passwd", "/proc"] {
            assert_eq!(asker.ask(Path::new(point)).await, Answer::None, "{point}");
        }
    }
}
