//! The files of a world: made as a case says, and looked at afterwards.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, Permissions, PermissionsExt as _};
use sha2::{Digest as _, Sha256};

use super::Trouble;
use crate::cases::file::FileTable;

/// Bytes of a file that are compared as a text.
const TEXT_LIMIT: u64 = 1 << 20;
/// The largest file that is made.
const SIZE_LIMIT: u64 = 1 << 30;

/// A file as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// The first bytes of it; of a link, where it leads.
    pub(crate) text: Vec<u8>,
    pub(crate) size: u64,
    pub(crate) mode: u32,
    modified: Option<SystemTime>,
    digest: [u8; 32],
}

/// Makes files below `root`, or takes away those that are gone. No link that a case makes leads out of it.
pub(super) fn make<'a>(
    root: &Path,
    beside: &Path,
    files: impl Iterator<Item = (&'a String, &'a FileTable)>,
    filled: impl Fn(&str) -> String,
) -> Result<(), Trouble> {
    let root = Dir::open_ambient_dir(root, ambient_authority())?;
    let files: Vec<_> = files.collect();
    for (path, table) in &files {
        one(&root, path, beside, table, &filled).map_err(|trouble| Trouble(format!("{path}: {}", trouble.0)))?;
    }
    // Modes and times afterwards: a file that is made changes the directory that it is in.
    for (path, table) in files.iter().rev() {
        marks(&root, path, table).map_err(|error| Trouble(format!("{path}: {error}")))?;
    }
    Ok(())
}

fn one(
    root: &Dir,
    path: &str,
    beside: &Path,
    table: &FileTable,
    filled: &impl Fn(&str) -> String,
) -> Result<(), Trouble> {
    if table.gone {
        return Ok(root.remove_file(path)?);
    }
    if table.directory {
        return Ok(root.create_dir_all(path)?);
    }
    if let Some(parent) = Path::new(path).parent().filter(|parent| !parent.as_os_str().is_empty()) {
        root.create_dir_all(parent)?;
    }
    if let Some(link) = &table.link {
        return Ok(root.symlink_contents(filled(link), path)?);
    }
    if let Some(copy) = &table.copy {
        let from = self::beside(beside, copy)?;
        let mut from = std::fs::File::open(from).map_err(|error| format!("{copy}: {error}"))?;
        std::io::copy(&mut from, &mut root.create(path)?)?;
        return Ok(());
    }
    if let Some(size) = table.size {
        if size.0 > SIZE_LIMIT {
            return Err(Trouble(format!("{size} are more than {} MiB", SIZE_LIMIT >> 20)));
        }
        return Ok(root.create(path)?.set_len(size.0)?);
    }
    Ok(root.write(path, filled(table.content.as_deref().unwrap_or_default()))?)
}

fn marks(root: &Dir, path: &str, table: &FileTable) -> std::io::Result<()> {
    if table.gone || table.link.is_some() {
        return Ok(());
    }
    if let Some(age) = table.age {
        let time = SystemTime::now().checked_sub(age.into()).unwrap_or(SystemTime::UNIX_EPOCH);
        root.open(path)?.into_std().set_modified(time)?;
    }
    if let Some(bits) = table.mode.as_deref().and_then(|mode| u32::from_str_radix(mode, 8).ok()) {
        root.set_permissions(path, Permissions::from_mode(bits))?;
    }
    Ok(())
}

/// A directory below `root` for a slot, made where it is missing. A link that leads out of it is none.
pub(super) fn directory(root: &Path, written: &str) -> Result<PathBuf, Trouble> {
    if written != "." {
        Dir::open_ambient_dir(root, ambient_authority())?
            .create_dir_all(written)
            .map_err(|error| format!("{written}: {error}"))?;
    }
    let (root, directory) = (root.canonicalize()?, root.join(written).canonicalize()?);
    if !directory.starts_with(&root) {
        return Err(Trouble(format!("{written} leads out of the case's own directory")));
    }
    Ok(directory)
}

/// A file beside the cases: below the directory around the one that they lie in, whatever links there are.
pub(super) fn beside(beside: &Path, written: &str) -> Result<PathBuf, Trouble> {
    let wrong = |error: std::io::Error| Trouble(format!("{written}: {error}"));
    let path = beside.join(written).canonicalize().map_err(wrong)?;
    let beside = beside.canonicalize().map_err(wrong)?;
    if !path.starts_with(beside.parent().unwrap_or(&beside)) {
        return Err(Trouble(format!("{written} does not lie below the directory around the one of the cases")));
    }
    Ok(path)
}

/// What is at a path, if anything is.
pub(super) fn look(root: &Path, path: &str) -> Option<Found> {
    let root = Dir::open_ambient_dir(root, ambient_authority()).ok()?;
    let facts = root.symlink_metadata(path).ok()?;
    let mut found = Found {
        text: vec![],
        size: facts.len(),
        mode: facts.permissions().mode() & 0o7777,
        modified: facts.modified().ok().map(cap_std::time::SystemTime::into_std),
        digest: [0; 32],
    };
    if facts.is_symlink() {
        found.text = root.read_link_contents(path).ok()?.into_os_string().into_encoded_bytes();
    }
    if facts.is_file()
        && let Ok(mut file) = root.open(path)
    {
        let mut hasher = Sha256::new();
        // A file that cannot be read to its end differs from what it was.
        let _ = (&mut file).take(TEXT_LIMIT).read_to_end(&mut found.text);
        hasher.update(&found.text);
        let _ = std::io::copy(&mut file, &mut hasher);
        found.digest = hasher.finalize().into();
    }
    Some(found)
}

/// Gives the owner back what a run or a case took of each directory, so that it can be removed.
pub(super) fn open_up(directory: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let _ = std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700));
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        // Links are no directories here, and are not followed.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_up(&entry.path());
        }
    }
}
