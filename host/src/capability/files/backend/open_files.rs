//! Which files are open now, in any process that the host's user may look into.
//!
//! Taken once a walk from `/proc`: a file that is opened later is not among them, nor one that is only mapped into
//! memory.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt as _;

/// Files by device and inode.
#[derive(Debug, Default)]
pub(super) struct OpenFiles(HashSet<(u64, u64)>);

impl OpenFiles {
    /// Looks through all processes.
    pub(super) fn now() -> Self {
        let mut open = HashSet::new();
        for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            if !process.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit) {
                continue;
            }
            // A process that has ended, or belongs to another user, has nothing to show.
            for descriptor in std::fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten() {
                if let Ok(file) = std::fs::metadata(descriptor.path())
                    && file.is_file()
                {
                    open.insert((file.dev(), file.ino()));
                }
            }
        }
        Self(open)
    }

    pub(super) fn contains(&self, device: u64, inode: u64) -> bool {
        self.0.contains(&(device, inode))
    }
}
