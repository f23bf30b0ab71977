//! Compiled code that someone else put where the host keeps its own: it is never run.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use taskhost::plugin::{Host, HostConfig};
use taskhost::report::Outcome;
use taskhost_tests::hostile;

use crate::scene::{PATIENCE, expect, request};

fn host(cache: &Path) -> Host {
    Host::new(HostConfig { cache: Some(cache.into()), ..HostConfig::default() }).unwrap()
}

fn only(directory: &Path) -> PathBuf {
    let mut entries = fs::read_dir(directory).unwrap();
    let entry = entries.next().unwrap().unwrap().path();
    assert!(entries.next().is_none(), "{} holds more than one entry", directory.display());
    entry
}

/// A cache with the compiled form of `plugin`: its root and that file.
async fn filled(plugin: &str) -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    host(root.path()).load(&hostile(plugin)).await.unwrap();
    let entry = only(&only(root.path()));
    (root, entry)
}

/// The plugin is what it is, and its entry is what the host wrote.
async fn expect_sound(root: &Path, entry: &Path, whole: &[u8]) {
    let host = host(root);
    let plugin = host.load(&hostile("conduct")).await.unwrap();
    assert_eq!(plugin.description().name, "conduct");
    expect(&host.run(&plugin, request("well-behaved", PATIENCE)).await, Outcome::Ok, "well-behaved");
    let kind = entry.symlink_metadata().unwrap();
    assert!(kind.is_file() && kind.permissions().mode() & 0o777 == 0o600, "{kind:?}");
    assert_eq!(fs::read(entry).unwrap().len(), whole.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn code_of_another_plugin_under_this_ones_name_is_not_run() {
    let (root, entry) = filled("conduct").await;
    let (_other, planted) = filled("boast").await;
    let whole = fs::read(&entry).unwrap();
    fs::copy(planted, &entry).unwrap();
    expect_sound(root.path(), &entry, &whole).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn code_in_a_file_that_others_may_write_to_is_not_run() {
    let (root, entry) = filled("conduct").await;
    let whole = fs::read(&entry).unwrap();
    fs::set_permissions(&entry, fs::Permissions::from_mode(0o666)).unwrap();
    expect_sound(root.path(), &entry, &whole).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn code_behind_a_link_is_not_run() {
    let (root, entry) = filled("conduct").await;
    let whole = fs::read(&entry).unwrap();
    let elsewhere = root.path().join("elsewhere");
    fs::rename(&entry, &elsewhere).unwrap();
    symlink(&elsewhere, &entry).unwrap();
    expect_sound(root.path(), &entry, &whole).await;
    assert_eq!(fs::read(&elsewhere).unwrap(), whole, "it was written through the link");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_for_code_does_not_hold_the_host_up() {
    let (root, entry) = filled("conduct").await;
    let whole = fs::read(&entry).unwrap();
    fs::remove_file(&entry).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &entry, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
    expect_sound(root.path(), &entry, &whole).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_behind_a_link_is_neither_read_nor_written() {
    let (root, entry) = filled("conduct").await;
    let directory = entry.parent().unwrap().to_owned();
    let elsewhere = tempfile::tempdir().unwrap();
    fs::rename(&directory, elsewhere.path().join("cache")).unwrap();
    symlink(elsewhere.path().join("cache"), &directory).unwrap();
    fs::write(&entry, b"planted").unwrap();
    let plugin = host(root.path()).load(&hostile("conduct")).await.unwrap();
    assert_eq!(plugin.description().name, "conduct");
    assert_eq!(fs::read(&entry).unwrap(), b"planted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_that_is_swapped_while_the_host_runs_is_not_believed() {
    let (root, entry) = filled("conduct").await;
    let directory = entry.parent().unwrap().to_owned();
    let host = host(root.path());
    fs::rename(&directory, root.path().join("away")).unwrap();
    fs::create_dir(&directory).unwrap();
    fs::write(&entry, b"planted").unwrap();
    let plugin = host.load(&hostile("conduct")).await.unwrap();
    expect(&host.run(&plugin, request("well-behaved", PATIENCE)).await, Outcome::Ok, "well-behaved");
    assert_eq!(fs::read(&entry).unwrap(), b"planted");
}
