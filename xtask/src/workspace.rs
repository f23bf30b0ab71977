//! Where things are: the repository, its build directory, its guest crates.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tokio::process::Command;

/// The repository and its build directory.
pub(crate) struct Workspace {
    /// The repository's root; every process is started here.
    pub(crate) root: PathBuf,
    /// The build directory, `target` unless cargo was told otherwise.
    pub(crate) target: PathBuf,
    /// Where this very build puts its binaries.
    binaries: PathBuf,
}

/// A crate that is built to a component.
pub(crate) struct Guest {
    /// The package's name.
    pub(crate) package: String,
    /// The component's file.
    pub(crate) component: PathBuf,
}

impl Workspace {
    pub(crate) fn find() -> anyhow::Result<Self> {
        // At run time: a clone may have been moved since xtask was built.
        let xtask = std::env::var_os("CARGO_MANIFEST_DIR").map_or(env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
        let root = xtask.parent().context("xtask has no directory above it")?.to_owned();
        let binary = std::env::current_exe().context("failed to find this program's own file")?;
        let binaries = binary.parent().context("this program lies in no directory")?.to_owned();
        let target = binaries.parent().context("this program lies in no build directory")?.to_owned();
        Ok(Self { root, target, binaries })
    }

    /// A binary of this build.
    pub(crate) fn binary(&self, name: &str) -> PathBuf {
        self.binaries.join(name)
    }

    /// A path as one types it in the repository's root.
    pub(crate) fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }

    /// Cargo, without what the cargo that runs xtask says of xtask: build scripts that watch these variables would
    /// run again each time.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = self.command("cargo");
        command.args(arguments);
        for (name, _) in std::env::vars_os() {
            let of_xtask = name.to_str().is_some_and(|name| {
                ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"].iter().any(|of| name.starts_with(of))
                    || name == "CARGO_PRIMARY_PACKAGE"
                    || name == "LD_LIBRARY_PATH"
            });
            if of_xtask {
                command.env_remove(name);
            }
        }
        command
    }

    /// Any other program, in the repository's root.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root).stdin(std::process::Stdio::null());
        command
    }

    /// The plugins: a directory's name is its package's.
    pub(crate) fn plugins(&self) -> anyhow::Result<Vec<Guest>> {
        self.guests("plugins", "", "plugins")
    }

    /// The plugins in Python.
    pub(crate) fn python_plugins(&self) -> anyhow::Result<Vec<Guest>> {
        let directory = self.root.join("plugins");
        let mut plugins = Vec::new();
        for entry in directory.read_dir().with_context(|| format!("failed to list {}", directory.display()))? {
            let entry = entry?;
            if entry.path().join("app.py").is_file() && entry.path().join("requirements.txt").is_file() {
                let package = entry.file_name().to_string_lossy().into_owned();
                let component = self.target.join("plugins").join(format!("{package}.wasm"));
                plugins.push(Guest { package, component });
            }
        }
        plugins.sort_by(|one, other| one.package.cmp(&other.package));
        Ok(plugins)
    }

    /// The guests of the tests: package `fixture-NAME` or `hostile-NAME` in directory NAME.
    pub(crate) fn fixtures(&self) -> anyhow::Result<Vec<Guest>> {
        let mut guests = self.guests("tests/fixtures", "fixture-", "fixtures")?;
        guests.extend(self.guests("tests/hostile", "hostile-", "hostile")?);
        Ok(guests)
    }

    fn guests(&self, directory: &str, prefix: &str, output: &str) -> anyhow::Result<Vec<Guest>> {
        let directory = self.root.join(directory);
        let mut guests = Vec::new();
        for entry in directory.read_dir().with_context(|| format!("failed to list {}", directory.display()))? {
            let entry = entry?;
            if entry.path().join("Cargo.toml").is_file() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let component = self.target.join(output).join(format!("{name}.wasm"));
                guests.push(Guest { package: format!("{prefix}{name}"), component });
            }
        }
        guests.sort_by(|one, other| one.package.cmp(&other.package));
        Ok(guests)
    }
}

/// A program's file: on PATH, else in one of `also`.
pub(crate) fn program(name: &str, also: &[PathBuf]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::env::split_paths(&path).chain(also.iter().cloned());
    directories.map(|directory| directory.join(name)).find(|file| file.is_file())
}
