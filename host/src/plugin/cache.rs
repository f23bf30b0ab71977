//! Compiled components on disk, by digest. A cache only: an entry that is missing, damaged, cut short, another plugin's,
//! another user's or from another version is compiled anew, and a cache that cannot be written is done without.
//!
//! Compiled code is run without a check, so that it must never come from anyone but this user: the directory is opened
//! once, and looked at through that handle; it and each entry must belong to this user and be closed to writing by
//! others; no link is followed.

use std::fs::{DirBuilder, File};
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, fstat, openat, renameat, unlinkat};
use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::Description;

/// A directory of compiled components, held open.
pub(super) struct Cache {
    directory: OwnedFd,
}

/// A file begins with this, then the SHA-256 of the plugin's digest and the rest: the length of the description (8
/// bytes, little-endian), the description as JSON, the compiled code.
const MAGIC: &[u8] = b"taskhost compiled plugin 2\n";

impl Cache {
    /// The cache below `root` of what `engine` compiles: another version of wasmtime or another setting has its own
    /// directory. None when the directory cannot be made, or is not this user's alone.
    pub(super) fn open(root: &Path, engine: &Engine) -> Option<Self> {
        use std::hash::{DefaultHasher, Hash as _, Hasher as _};
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let path = root.join(format!("compiled-{}-{:016x}", env!("CARGO_PKG_VERSION"), hasher.finish()));
        // A failure to make it shows when it is opened.
        drop(DirBuilder::new().recursive(true).mode(0o700).create(&path));
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = rustix::fs::open(&path, flags, Mode::empty()).ok();
        let trusted = directory.filter(|directory| is_ours(directory, FileType::Directory));
        if trusted.is_none() {
            tracing::warn!(
                "{} is not a directory that only you can write to: plugins are compiled at each run",
                path.display()
            );
        }
        trusted.map(|directory| Self { directory })
    }

    /// The component of that digest, if it is here and whole.
    pub(super) fn get(&self, engine: &Engine, digest: &str) -> Option<(Component, Description)> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&self.directory, name(digest), flags, Mode::empty()).ok()?;
        if !is_ours(&file, FileType::RegularFile) {
            tracing::warn!(
                "the compiled form of {digest} is not a file that only you can write to: compiling it again"
            );
            return None;
        }
        let mut bytes = Vec::new();
        File::from(file).read_to_end(&mut bytes).ok()?;
        let (sum, rest) = bytes.strip_prefix(MAGIC)?.split_at_checked(32)?;
        if checksum(digest, &[rest]) != *sum {
            tracing::warn!("the compiled form of {digest} is damaged: compiling it again");
            return None;
        }
        let (length, rest) = rest.split_first_chunk::<8>()?;
        let (description, code) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        let description = serde_json::from_slice(description).ok()?;
        // SAFETY: the bytes are what `put` wrote, by their checksum, into a directory and a file that only this user can
        // write to; wasmtime itself refuses another version's code.
        #[expect(unsafe_code, reason = "the only way to load compiled code")]
        let component = unsafe { Component::deserialize(engine, code) }.ok()?;
        Some((component, description))
    }

    /// Keeps a compiled component. Written beside and renamed, so that hosts at the same time see all of it or nothing.
    pub(super) fn put(&self, digest: &str, component: &Component, description: &Description) -> Result<(), String> {
        let description = serde_json::to_vec(description).map_err(|error| error.to_string())?;
        let code = component.serialize().map_err(|error| error.to_string())?;
        let length = (description.len() as u64).to_le_bytes();
        let sum = checksum(digest, &[&length, &description, &code]);
        let unfinished = format!(".{}", uuid::Uuid::now_v7());
        let write = || -> std::io::Result<()> {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let mut file = File::from(openat(&self.directory, &unfinished, flags, Mode::RUSR | Mode::WUSR)?);
            for part in [MAGIC, &sum, &length, &description, &code] {
                file.write_all(part)?;
            }
            Ok(renameat(&self.directory, &unfinished, &self.directory, name(digest))?)
        };
        write().map_err(|error| {
            // The error is told; what is left of it is in nobody's way.
            let _ = unlinkat(&self.directory, &unfinished, AtFlags::empty());
            error.to_string()
        })
    }
}

fn name(digest: &str) -> String {
    format!("{}.bin", digest.trim_start_matches("sha256:"))
}

/// Bound to the plugin's digest: an entry under another's name is none.
fn checksum(digest: &str, parts: &[&[u8]]) -> [u8; 32] {
    parts.iter().fold(Sha256::new().chain_update(digest), Sha256::chain_update).finalize().into()
}

/// Whether what is open is of that kind, this user's, and closed to writing by others.
fn is_ours(open: impl AsFd, kind: FileType) -> bool {
    fstat(open).is_ok_and(|stat| {
        FileType::from_raw_mode(stat.st_mode) == kind
            && stat.st_uid == rustix::process::geteuid().as_raw()
            && stat.st_mode & 0o022 == 0
    })
}

/// Where compiled plugins are kept unless the operator says otherwise.
pub(super) fn default_root() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("XDG_CACHE_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("taskhost"))
}
