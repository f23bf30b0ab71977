//! Plugins that are written in Python: their tests, and their components, made by componentize-py in a virtual environment
//! of the build directory's own. A plugin is a directory of `plugins/` with `app.py` and `requirements.txt`.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, bail};

use crate::guests::place;
use crate::process;
use crate::servers::apt_install;
use crate::workspace::{self, Guest, Workspace};

/// What Debian and Ubuntu call what is needed.
const PACKAGES: [&str; 2] = ["python3", "python3-venv"];

/// Builds those whose sources changed since.
pub(crate) async fn build(workspace: &Workspace) -> anyhow::Result<()> {
    for Guest { package, component } in workspace.python_plugins()? {
        let sources = workspace.root.join("plugins").join(&package);
        let requirements = sources.join("requirements.txt");
        let environment = environment(workspace, &package, &requirements).await?;
        if built_since(&component, &[&sources, &workspace.root.join("wit")]) {
            continue;
        }
        println!("building {} with componentize-py", workspace.shown(&sources));
        let unfinished = workspace.target.join("python").join(format!("{package}.wasm"));
        let mut command = workspace.command(environment.join("bin/componentize-py"));
        // What it says of itself is of interest when it fails, and then it says that all the same.
        command.arg("--quiet").arg("-d").arg(workspace.root.join("wit")).arg("-d").arg(sources.join("wit"));
        command.arg("-w").arg(format!("taskhost:{package}/plugin"));
        command.arg("componentize").arg("app").arg("-o").arg(&unfinished);
        command.current_dir(&sources).env("PYTHONDONTWRITEBYTECODE", "1").env("VIRTUAL_ENV", &environment);
        process::succeed(&mut command).await?;
        place(&unfinished, &component).with_context(|| format!("failed to copy {}", unfinished.display()))?;
        std::fs::remove_file(&unfinished)?;
    }
    Ok(())
}

/// Their tests of what calls nothing, which run without a host.
pub(crate) async fn test(workspace: &Workspace) -> anyhow::Result<()> {
    for Guest { package, .. } in workspace.python_plugins()? {
        let python = python().await?;
        let mut command = workspace.command(python);
        command.args(["-m", "unittest", "discover"]).current_dir(workspace.root.join("plugins").join(package));
        process::succeed(command.env("PYTHONDONTWRITEBYTECODE", "1")).await?;
    }
    Ok(())
}

/// The virtual environment of a plugin, with what it requires, made anew when that changed.
async fn environment(workspace: &Workspace, package: &str, requirements: &Path) -> anyhow::Result<PathBuf> {
    let environment = workspace.target.join("python").join(package);
    let installed = environment.join("installed.txt");
    let wanted = std::fs::read_to_string(requirements)?;
    if std::fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(environment);
    }
    let python = python().await?;
    println!("installing what {} names", workspace.shown(requirements));
    process::succeed(workspace.command(python).args(["-m", "venv", "--clear"]).arg(&environment)).await?;
    let mut pip = workspace.command(environment.join("bin/pip"));
    pip.args(["--quiet", "--disable-pip-version-check", "install", "--requirement"]).arg(requirements);
    process::succeed(&mut pip).await.context("pip could not install them, which takes a network once")?;
    std::fs::write(installed, wanted)?;
    Ok(environment)
}

/// Python, with which virtual environments can be made; installed where that can be done.
async fn python() -> anyhow::Result<PathBuf> {
    if let Some(python) = usable().await {
        return Ok(python);
    }
    apt_install(&PACKAGES).await?;
    match usable().await {
        Some(python) => Ok(python),
        None => bail!(
            "plugins in Python are built with python3 (3.10 or later) and its module venv, and they are not here; on \
             Debian or Ubuntu: `sudo apt-get install {}`",
            PACKAGES.join(" ")
        ),
    }
}

async fn usable() -> Option<PathBuf> {
    let python = workspace::program("python3", &["/usr/bin", "/usr/local/bin"].map(PathBuf::from))?;
    // Debian parts ensurepip from the rest, without which an environment has no pip.
    let check = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))";
    let ran = tokio::process::Command::new(&python).args(["-c", check]).output().await.ok()?;
    ran.status.success().then_some(python)
}

/// Whether a file is younger than all that is in the directories.
fn built_since(file: &Path, directories: &[&Path]) -> bool {
    let Ok(built) = file.metadata().and_then(|file| file.modified()) else { return false };
    directories.iter().all(|directory| newest(directory).is_ok_and(|newest| newest < built))
}

fn newest(directory: &Path) -> std::io::Result<SystemTime> {
    let mut newest = directory.metadata()?.modified()?;
    for entry in directory.read_dir()? {
        let entry = entry?;
        let changed =
            if entry.file_type()?.is_dir() { self::newest(&entry.path())? } else { entry.metadata()?.modified()? };
        newest = newest.max(changed);
    }
    Ok(newest)
}
