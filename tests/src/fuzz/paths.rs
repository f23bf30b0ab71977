//! No path leads out of the root: not by its text, and not through what lies in the tree.
//!
//! An input is a guest's calls, a line each: a word, and one or two arguments with a tab before each. The word `link` is
//! not the guest's: it lays a symbolic link into the tree, as someone else with access to it could.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use taskhost::fuzzing::files::{Directory, Operation};
use taskhost::policy::path::RelativePath;

use super::{Found, ensure};

/// What stands in files that are outside of the root.
const OUTSIDE: &str = "outside-of-the-root";

pub(super) fn check(input: &[u8]) -> Found {
    let Ok(text) = std::str::from_utf8(input) else { return Ok(()) };
    let calls: Vec<_> = text.lines().take(24).map(Call::read).collect();
    for call in calls.iter().flatten() {
        for path in call.paths() {
            text_of(path)?;
        }
    }
    let world = World::new().map_err(|error| format!("failed to make a tree: {error}"))?;
    let directory = Directory::bind(&world.root)?;
    for call in calls.iter().flatten() {
        world.perform(&directory, call)?;
    }
    Ok(())
}

/// A path that is understood is below the root, and is shown so that it is understood again.
fn text_of(text: &str) -> Found {
    let Ok(path) = RelativePath::parse(text) else { return Ok(()) };
    for name in path.names() {
        let sound =
            !name.is_empty() && name != b"." && name != b".." && !name.iter().any(|byte| matches!(byte, 0 | b'/'));
        ensure(sound, || format!("{text:?} is understood as {path:?}"))?;
    }
    let shown = path.to_string();
    ensure(RelativePath::parse(&shown) == Ok(path.clone()), || format!("{text:?} is {path:?}, shown as {shown:?}"))?;
    let again = RelativePath::from_resolved(&path.to_bytes());
    ensure(again == path, || format!("{text:?} is {path:?}, and {again:?} on disk"))
}

struct Call<'a> {
    word: &'a str,
    first: &'a str,
    second: &'a str,
}

impl<'a> Call<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let mut parts = line.split('\t');
        Some(Self { word: parts.next()?, first: parts.next()?, second: parts.next().unwrap_or_default() })
    }

    fn paths(&self) -> impl Iterator<Item = &'a str> {
        [self.first, self.second].into_iter()
    }

    /// Whether it can do harm elsewhere, should the path lead there after all.
    fn changes(&self) -> bool {
        !matches!(self.word, "stat" | "read" | "digest" | "tail" | "walk")
    }

    fn operation(&self) -> Option<Operation<'a>> {
        Some(match self.word {
            "stat" => Operation::Stat(self.first),
            "read" => Operation::Read(self.first),
            "digest" => Operation::Digest(self.first),
            "tail" => Operation::Tail(self.first),
            "walk" => Operation::Walk(self.first),
            "write" => Operation::Write(self.first, self.second),
            "create" => Operation::CreateDirectory(self.first),
            "rename" => Operation::Rename(self.first, self.second),
            "compress" => Operation::Compress(self.first, self.second),
            "archive" => Operation::Archive(self.first, self.second),
            "remove" => Operation::Remove(self.first),
            _ => return None,
        })
    }
}

/// A root with a few files and links, and a directory beside it.
struct World {
    directory: tempfile::TempDir,
    root: PathBuf,
    outside: PathBuf,
}

impl World {
    fn new() -> std::io::Result<Self> {
        // In memory, where there is such a file system.
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())?;
        let (root, outside) = (directory.path().join("root"), directory.path().join("outside"));
        for path in [root.join("a/b"), root.join("logs"), outside.join("inner")] {
            std::fs::create_dir_all(path)?;
        }
        for (path, content) in [(root.join("a/b/c.log"), "c"), (root.join("d.log"), "d"), (root.join("logs/e"), "e")] {
            std::fs::write(path, content)?;
        }
        for path in [outside.join("secret"), outside.join("inner/secret")] {
            std::fs::write(path, OUTSIDE)?;
        }
        let world = Self { directory, root, outside };
        for (name, target) in [("up", ".."), ("out", "{outside}"), ("loop", "loop"), ("inside", "a/b"), ("gone", "no")]
        {
            world.link(name, target)?;
        }
        Ok(world)
    }

    /// `{outside}` stands for the directory beside the root. Never leads anywhere else outside: a mistake of the host's
    /// would be found on the machine that runs this.
    fn link(&self, name: &str, target: &str) -> std::io::Result<()> {
        let depth = target.split('/').filter(|part| *part == "..").count();
        let harmless = target.strip_prefix("{outside}").map_or(!target.starts_with('/') && depth <= 1, |rest| {
            depth == 0 && (rest.is_empty() || rest.starts_with('/'))
        });
        let place = RelativePath::parse(name).ok().and_then(|path| path.split().map(|(_, name)| name.to_vec()));
        let Some(place) = place.filter(|_| harmless) else { return Ok(()) };
        let target = target.replace("{outside}", &self.outside.to_string_lossy());
        match std::os::unix::fs::symlink(target, self.root.join(std::ffi::OsStr::from_bytes(&place))) {
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::AlreadyExists
                        | std::io::ErrorKind::InvalidInput
                        | std::io::ErrorKind::NotFound
                        | std::io::ErrorKind::InvalidFilename
                ) =>
            {
                Ok(())
            }
            result => result,
        }
    }

    fn perform(&self, directory: &Directory, call: &Call<'_>) -> Found {
        if call.word == "link" {
            return self.link(call.first, call.second).map_err(|error| format!("failed to lay a link: {error}"));
        }
        let Some(operation) = call.operation() else { return Ok(()) };
        let understood = call.paths().all(|path| RelativePath::parse(path).is_ok());
        if call.changes() && !understood && call.word != "write" {
            return Ok(());
        }
        if call.word == "write" && RelativePath::parse(call.first).is_err() {
            return Ok(());
        }
        let answer = directory.perform(operation);
        if let Ok(answer) = &answer {
            let told = String::from_utf8_lossy(answer);
            ensure(!told.contains(OUTSIDE), || format!("{operation:?} tells what is outside: {told}"))?;
            ensure(call.word == "walk" || RelativePath::parse(call.first).is_ok(), || {
                format!("{operation:?} is answered, and is no path")
            })?;
        }
        self.unchanged().map_err(|what| format!("{operation:?} ({answer:?}) reached out of the root: {what}"))
    }

    fn unchanged(&self) -> Found {
        let list = |path: &Path| -> Vec<String> {
            let mut names: Vec<_> = std::fs::read_dir(path)
                .map(|entries| {
                    entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
                })
                .unwrap_or_default();
            names.sort();
            names
        };
        for (path, expected) in [
            (self.directory.path(), &["outside", "root"][..]),
            (&self.outside, &["inner", "secret"]),
            (&self.outside.join("inner"), &["secret"]),
        ] {
            let found = list(path);
            ensure(found == expected, || format!("{} has {found:?}", path.display()))?;
        }
        for path in [self.outside.join("secret"), self.outside.join("inner/secret")] {
            let content = std::fs::read_to_string(&path).unwrap_or_default();
            ensure(content == OUTSIDE, || format!("{} has the content {content:?}", path.display()))?;
        }
        Ok(())
    }
}
