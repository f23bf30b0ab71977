//! `host new NAME`: a plugin to begin with, that builds, has a test and cases, and passes them. It never overwrites
//! anything: a plugin's directory is made whole, beside its place, and moved there.

mod name;
mod template;

use std::path::{Path, PathBuf};

use clap::Args;

use super::{fail, print};
use template::{Capability, Home, Plan, Sdk};

/// Where the SDK is, unless a path is named.
const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");
/// What plugins are built for.
const TARGET: &str = "wasm32-wasip2";

#[derive(Args)]
pub(super) struct Arguments {
    /// What it is to be called: lower-case words with hyphens, such as old-logs.
    name: String,
    /// Where to make it; nothing may be there [default: NAME here, or plugins/NAME in Taskhost's own repository].
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// What it looks at, such as sql,files: of each a slot, parameters and a function to begin with.
    #[arg(long = "capability", value_name = "NAMES", value_delimiter = ',', default_value = "files")]
    capabilities: Vec<Capability>,
    /// The SDK as a directory, in place of the repository [default: a git dependency].
    #[arg(long, value_name = "PATH", env = "TASKHOST_SDK")]
    sdk: Option<PathBuf>,
}

pub(super) fn execute(arguments: &Arguments) -> u8 {
    match make(arguments) {
        Ok(said) => {
            print(&said);
            0
        }
        Err(error) => fail(&error),
    }
}

fn make(arguments: &Arguments) -> Result<String, String> {
    let name = arguments.name.as_str();
    name::check(name)?;
    let mut capabilities = Vec::new();
    for capability in &arguments.capabilities {
        if capabilities.contains(capability) {
            return Err(format!("--capability names {} twice; a second slot is written by hand", capability.name));
        }
        capabilities.push(*capability);
    }
    let here = std::env::current_dir().map_err(|error| format!("failed to find the current directory: {error}"))?;
    let (directory, home) = place(arguments, &here)?;
    if directory.symlink_metadata().is_ok() {
        return Err(format!("{} is there already, and nothing is overwritten", directory.display()));
    }
    let plan = Plan { name, capabilities: &capabilities, home: &home };
    let files = plan.files()?;
    write(&directory, &files)?;
    Ok(said(&plan, &directory, &here, &files))
}

/// The plugin's directory, and whether it is one of this project's own.
fn place(arguments: &Arguments, here: &Path) -> Result<(PathBuf, Home), String> {
    let name = &arguments.name;
    let written = arguments.directory.as_ref().map(|directory| here.join(directory));
    // Of what is not there yet, the nearest directory above it that is; by its own name, whatever links lead there.
    let above = written.as_deref().map_or(Some(here), Path::parent).unwrap_or(here);
    let above = above.ancestors().find_map(|above| above.canonicalize().ok()).unwrap_or_else(|| here.to_owned());
    let workspace = above.ancestors().find(|root| is_this_project(root));
    match (written, workspace) {
        (None, Some(root)) => Ok((root.join("plugins").join(name), Home::Workspace)),
        (Some(directory), Some(root)) if above == root.join("plugins") => {
            if directory.file_name().is_none_or(|last| last != name.as_str()) {
                return Err(format!("in this repository a plugin lives in plugins/{name}: leave --directory out"));
            }
            Ok((directory, Home::Workspace))
        }
        (written, _) => {
            let sdk = arguments.sdk.as_deref().map_or(Ok(Sdk::Git(REPOSITORY)), |path| sdk(&here.join(path)))?;
            Ok((written.unwrap_or_else(|| here.join(name)), Home::Anywhere { sdk }))
        }
    }
}

/// Whether the directory is a clone of Taskhost: a workspace whose members are `plugins/*`, with the SDK in it.
fn is_this_project(root: &Path) -> bool {
    let members = manifest(root).and_then(|manifest| manifest.get("workspace")?.get("members").cloned());
    let members = members.as_ref().and_then(toml::Value::as_array);
    members.is_some_and(|members| members.iter().any(|member| member.as_str() == Some("plugins/*")))
        && is_sdk(&root.join("sdk"))
}

fn is_sdk(directory: &Path) -> bool {
    let name = manifest(directory).and_then(|manifest| manifest.get("package")?.get("name").cloned());
    name.as_ref().and_then(toml::Value::as_str) == Some("taskhost-sdk")
}

fn manifest(directory: &Path) -> Option<toml::Table> {
    toml::from_str(&std::fs::read_to_string(directory.join("Cargo.toml")).ok()?).ok()
}

/// The SDK's own directory: the one that was named, or `sdk` in a clone that was.
fn sdk(path: &Path) -> Result<Sdk, String> {
    let found = [path.to_owned(), path.join("sdk")].into_iter().find(|directory| is_sdk(directory));
    let found = found.and_then(|directory| directory.canonicalize().ok());
    found.map(Sdk::Path).ok_or_else(|| {
        format!("{} is not the SDK: name the directory `sdk` of a clone of {REPOSITORY}", path.display())
    })
}

/// Makes the directory whole or not at all.
fn write(directory: &Path, files: &[(String, String)]) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("failed to make {}: {error}", directory.display());
    let parent = directory.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(parent).map_err(failed)?;
    let made = tempfile::Builder::new()
        .prefix(".host-new-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777))
        .tempdir_in(parent)
        .map_err(failed)?;
    for (path, text) in files {
        let file = made.path().join(path);
        if let Some(parent) = file.parent() {
            std::fs::create_dir_all(parent).map_err(failed)?;
        }
        std::fs::write(file, text).map_err(failed)?;
    }
    // An empty directory that came to be there meanwhile is replaced; anything else is an error.
    std::fs::rename(made.path(), directory).map_err(failed)?;
    let _moved = made.keep();
    Ok(())
}

/// What was made, and what to do next.
fn said(plan: &Plan<'_>, directory: &Path, here: &Path, files: &[(String, String)]) -> String {
    let bold = anstyle::Style::new().bold();
    let dim = anstyle::Style::new().dimmed();
    let about = |path: &str| match path {
        "Cargo.toml" => match plan.home {
            Home::Workspace => "a member of this workspace".into(),
            Home::Anywhere { sdk: Sdk::Git(repository) } => format!("the SDK comes from {repository}"),
            Home::Anywhere { sdk: Sdk::Path(path) } => format!("the SDK comes from {}", path.display()),
        },
        "src/lib.rs" => "slots, parameters, the task, and a decision with its test".into(),
        "README.md" => "what an operator reads first".into(),
        ".gitignore" | "rustfmt.toml" => String::new(),
        _ => "what it should find, in worlds that are made for it".into(),
    };
    let width = files.iter().map(|(path, _)| path.len()).max().unwrap_or(0);
    let shown = directory.strip_prefix(here).unwrap_or(directory).display();
    let mut out = format!("made {bold}{shown}{bold:#}, a plugin that asks for {}\n\n", plan.asks());
    for (path, _) in files {
        let line = format!("  {path:width$}  {}", about(path));
        out += &format!("{}\n", line.trim_end());
    }
    let component = format!("target/{TARGET}/release/{}.wasm", plan.name.replace('-', "_"));
    let mut steps: Vec<(String, &str)> = Vec::new();
    if !has_target() {
        steps.push((format!("rustup target add {TARGET}"), "once on a machine"));
    }
    match plan.home {
        Home::Anywhere { .. } => {
            steps.push((format!("cd {}", quoted(&shown.to_string())), ""));
            steps.push(("cargo test".into(), "tests its decision, without a host"));
            steps.push(("host test .".into(), "builds it, and runs its cases"));
            steps.push((format!("host inspect {component}"), "what an operator sees before granting anything"));
        }
        Home::Workspace => {
            steps.push((format!("cargo test --package {}", plan.name), "tests its decision, without a host"));
            steps.push((format!("host test {}", plan.place()), "builds it, and runs its cases"));
            steps.push(("cargo xtask plugins".into(), "builds it with all others, to target/plugins"));
            steps.push((format!("host inspect {}", plan.name), "what an operator sees before granting anything"));
        }
    }
    out += &format!("\n{bold}Next{bold:#}\n");
    let width = steps.iter().map(|(step, _)| step.len()).max().unwrap_or(0);
    for (step, why) in steps {
        let line = format!("  {step:width$}  {dim}{why}{dim:#}");
        out += &format!("{}\n", if why.is_empty() { format!("  {step}") } else { line });
    }
    if *plan.home == Home::Workspace {
        out += &format!("  {dim}and a line in the table of plugins in README.md{dim:#}\n");
    }
    out
}

/// Whether the Rust that is here builds plugins. Where there is none, saying so is `cargo`'s to do.
fn has_target() -> bool {
    let output = std::process::Command::new("rustc").args(["--print", "sysroot"]).output();
    let Some(output) = output.ok().filter(|output| output.status.success()) else { return true };
    Path::new(String::from_utf8_lossy(&output.stdout).trim()).join("lib/rustlib").join(TARGET).is_dir()
}

/// A path as one types it in a shell.
fn quoted(word: &str) -> String {
    let plain = |character: char| character.is_alphanumeric() || "-_./@%+".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
