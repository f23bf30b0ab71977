//! Compiled components on disk, by digest. A cache only: an entry that is missing, damaged, cut short, another user's or
//! from another version is compiled anew, and a cache that cannot be written is done without.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::Description;

/// A directory of compiled components.
pub(super) struct Cache {
    directory: PathBuf,
}

/// A file begins with this, then the SHA-256 of the rest: the length of the description (8 bytes, little-endian), the
/// description as JSON, the compiled code.
const MAGIC: &[u8] = b"taskhost compiled plugin 1\n";

impl Cache {
    /// The cache below `root` of what `engine` compiles: another version of wasmtime or another setting has its own
    /// directory. None when the directory cannot be made, or others may write to it: compiled code is trusted.
    pub(super) fn open(root: &Path, engine: &Engine) -> Option<Self> {
        use std::hash::{DefaultHasher, Hash as _, Hasher as _};
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let directory = root.join(format!("compiled-{}-{:016x}", env!("CARGO_PKG_VERSION"), hasher.finish()));
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory);
        let trusted = made.and_then(|()| directory.metadata()).is_ok_and(|metadata| {
            metadata.uid() == rustix::process::geteuid().as_raw() && metadata.permissions().mode() & 0o022 == 0
        });
        if !trusted {
            tracing::warn!(
                "{} is not a directory that only you can write to: plugins are compiled at each run",
                directory.display()
            );
        }
        trusted.then_some(Self { directory })
    }

    fn path(&self, digest: &str) -> PathBuf {
        self.directory.join(format!("{}.bin", digest.trim_start_matches("sha256:")))
    }

    /// The component of that digest, if it is here and whole.
    pub(super) fn get(&self, engine: &Engine, digest: &str) -> Option<(Component, Description)> {
        let bytes = fs::read(self.path(digest)).ok()?;
        let (sum, rest) = bytes.strip_prefix(MAGIC)?.split_at_checked(32)?;
        if *Sha256::digest(rest) != *sum {
            tracing::warn!("the compiled form of {digest} is damaged: compiling it again");
            return None;
        }
        let (length, rest) = rest.split_first_chunk::<8>()?;
        let (description, code) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        let description = serde_json::from_slice(description).ok()?;
        // SAFETY: the bytes are what `put` wrote, by their checksum, into a directory that only this user can write to;
        // wasmtime itself refuses another version's code.
        #[expect(unsafe_code, reason = "the only way to load compiled code")]
        let component = unsafe { Component::deserialize(engine, code) }.ok()?;
        Some((component, description))
    }

    /// Keeps a compiled component. Written beside and renamed, so that hosts at the same time see all of it or nothing.
    pub(super) fn put(&self, digest: &str, component: &Component, description: &Description) -> Result<(), String> {
        let description = serde_json::to_vec(description).map_err(|error| error.to_string())?;
        let code = component.serialize().map_err(|error| error.to_string())?;
        let length = (description.len() as u64).to_le_bytes();
        let sum = Sha256::new().chain_update(length).chain_update(&description).chain_update(&code).finalize();
        let write = || -> std::io::Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(&self.directory)?;
            for part in [MAGIC, &*sum, &length, &description, &code] {
                file.write_all(part)?;
            }
            file.persist(self.path(digest))?;
            Ok(())
        };
        write().map_err(|error| error.to_string())
    }
}

/// Where compiled plugins are kept unless the operator says otherwise.
pub(super) fn default_root() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("XDG_CACHE_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("taskhost"))
}
