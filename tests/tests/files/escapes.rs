//! Ways out that a guest would try. Whatever it asks for, the secret beside its directory shows up in no output, and
//! nothing out there changes.

use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::scene::{Ran, SECRET, Scene};

/// A directory with every kind of way out.
fn scene() -> Scene {
    let scene = Scene::new();
    scene.file("own", "its own");
    symlink("../outside/secret", scene.path("link-up")).unwrap();
    symlink(scene.outside("secret"), scene.path("link-absolute")).unwrap();
    symlink("../outside", scene.path("link-directory")).unwrap();
    symlink(scene.outside(""), scene.path("link-directory-absolute")).unwrap();
    symlink("link-up", scene.path("link-to-link")).unwrap();
    symlink("/proc/self/root", scene.path("link-magic")).unwrap();
    symlink("/proc/self/environ", scene.path("link-environ")).unwrap();
    symlink("../outside/new", scene.path("link-dangling")).unwrap();
    symlink("circle", scene.path("circle")).unwrap();
    std::fs::hard_link(scene.outside("secret"), scene.path("hard")).unwrap();
    mknodat(CWD, scene.path("pipe"), FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
    scene
}

/// Every way of naming what lies outside, and what is said of it.
const WAYS_OUT: &[(&str, &str, &str)] = &[
    ("upwards", "../outside/secret", "refused"),
    ("upwards in the middle", "own/../../outside/secret", "refused"),
    ("upwards at the end", "link-directory/..", "refused"),
    ("upwards, encoded", "\\x2e\\x2e/outside/secret", "refused"),
    ("upwards, encoded in part", ".\\x2e/outside/secret", "refused"),
    ("upwards by an encoded slash", "..\\x2foutside\\x2fsecret", "invalid"),
    ("absolute", "/etc/passwd", "refused"),
    ("absolute, with more slashes", "//etc/passwd", "refused"),
    ("through a link to a file", "link-up", "refused"),
    ("through an absolute link to a file", "link-absolute", "refused"),
    ("through a link to a directory", "link-directory/secret", "refused"),
    ("through an absolute link to a directory", "link-directory-absolute/secret", "refused"),
    ("through two links", "link-to-link", "refused"),
    ("through the root of a process", "link-magic/etc/passwd", "refused"),
    ("into the environment of the host", "link-environ", "refused"),
    ("through a link in a circle", "circle/own", "refused"),
    ("NUL, to cut the name short", "own%00/../../outside/secret", "invalid"),
    ("NUL in a name", "own%00", "invalid"),
    ("an escape that is none", "\\xzz", "invalid"),
    ("an escape that is cut short", "own\\x2", "invalid"),
    ("a name that is too long", "{300*n}", "invalid"),
    ("a path that is too long", "{150000*a/}b", "invalid"),
    ("a path that is long, and leads nowhere", "{100000*a/}b", "not-found"),
];

/// Runs `script`, and makes sure that nothing of what lies outside was shown or changed.
fn run(scene: &Scene, script: &[&str]) -> Ran {
    let before: Vec<_> =
        scene.everything().into_iter().filter(|(path, _)| path.starts_with(scene.outside(""))).collect();
    let ran = Ran::of(scene.host("run", ",write,delete", script).args(["--verbose"])).expect_code(0);
    let after: Vec<_> =
        scene.everything().into_iter().filter(|(path, _)| path.starts_with(scene.outside(""))).collect();
    assert_eq!(before, after, "{script:?}");
    for (place, text) in [("printed", &ran.output.stdout), ("complained of", &ran.output.stderr)] {
        assert!(!text.contains(SECRET) && !text.contains("root:x:0"), "{place} what lies outside: {text}");
    }
    assert_eq!(ran.lines.len(), script.len(), "{}", ran.output);
    ran
}

#[test]
fn no_operation_that_reads_leaves_the_directory() {
    let scene = scene();
    let operations = ["read auto", "read-all 1000000", "digest", "tail_", "search", "stat", "examine"];
    for operation in operations {
        let line = |path: &str| match operation {
            "tail_" => format!("tail {path} 5"),
            "search" => format!("search {path} ."),
            other => format!("{other} {path}"),
        };
        let script: Vec<String> = WAYS_OUT.iter().map(|(_, path, _)| line(path)).collect();
        let ran = run(&scene, &script.iter().map(String::as_str).collect::<Vec<_>>());
        for (index, (case, path, kind)) in WAYS_OUT.iter().enumerate() {
            let (outcome, detail) = ran.line(index);
            match operation {
                // One outcome for each of its paths.
                "read-all 1000000" => assert!(detail.starts_with(kind), "{operation}: {case}: {outcome}: {detail}"),
                // It looks at the link, which is inside, and not at what it leads to.
                "stat" if path.starts_with("link-") && !path.contains('/') => {
                    assert!(detail.contains("Symlink"), "{operation}: {case}: {outcome}: {detail}");
                }
                "examine" if path.starts_with("link-") && !path.contains('/') => {
                    assert_eq!(outcome, "wrong-kind", "{operation}: {case}: {detail}");
                }
                _ => assert_eq!(outcome, *kind, "{operation}: {case}: {detail}"),
            }
        }
    }
}

#[test]
fn no_operation_that_changes_leaves_the_directory() {
    let scene = scene();
    for to in [
        "../outside/new",
        "\\x2e\\x2e/outside/new",
        "/tmp/taskhost-new",
        "link-directory/new",
        "link-directory-absolute/new",
        "link-magic/tmp/taskhost-new",
        "link-directory/secret",
    ] {
        let script = [
            format!("write create none {to} text"),
            format!("write replace none {to} text"),
            format!("write append none {to} text"),
            format!("rename own {to}"),
            format!("rename {to} taken"),
            format!("create-directory {to}"),
            format!("create-like {to} own"),
            format!("create-like taken {to}"),
            format!("cut {to} 1 x"),
            format!("compress gzip own {to}"),
            format!("compress gzip {to} taken.gz remove"),
            format!("archive gzip {to} own"),
            format!("archive gzip taken.tar.gz {to}"),
            format!("remove {to}"),
        ];
        let ran = run(&scene, &script.each_ref().map(String::as_str));
        for (line, (outcome, detail)) in script.iter().zip(&ran.lines) {
            assert_eq!(outcome, "refused", "{line}: {detail}");
        }
        assert!(!std::path::Path::new("/tmp/taskhost-new").exists());
    }
    assert_eq!(scene.content("own"), b"its own");
}

#[test]
fn a_link_as_the_last_name_is_not_written_through() {
    let scene = scene();
    for (line, kind) in [
        ("write create none link-dangling text", "already-exists"),
        ("write replace none link-dangling text", "wrong-kind"),
        ("write append none link-dangling text", "wrong-kind"),
        ("write replace none link-up text", "wrong-kind"),
        ("write append none link-up text", "wrong-kind"),
        ("create-directory link-dangling", "already-exists"),
        ("rename own link-dangling", "already-exists"),
        ("compress gzip own link-dangling", "already-exists"),
        ("archive gzip link-dangling own", "already-exists"),
        ("create-like link-dangling own", "already-exists"),
        ("create-like new link-up", "wrong-kind"),
        ("cut link-up 0 x", "wrong-kind"),
        ("cut hard 0 x", "refused"),
        // A hard link's other names may be anywhere.
        ("write append none hard text", "refused"),
    ] {
        let ran = run(&scene, &[line]);
        let (outcome, detail) = ran.line(0);
        assert_eq!(outcome, kind, "{line}: {detail}");
    }
    // Replacing takes the name away from the old content, and removing a link takes the link.
    let ran = run(&scene, &["write replace none hard text", "remove link-up", "remove link-directory"]);
    assert_eq!(ran.lines.iter().map(|(outcome, _)| outcome.as_str()).collect::<Vec<_>>(), ["done"; 3]);
    assert_eq!(scene.content("hard"), b"text");
}

#[test]
fn an_archive_keeps_links_as_links() {
    let scene = scene();
    std::fs::remove_file(scene.path("hard")).unwrap();
    let ran = run(&scene, &["archive none all.tar .", "walk all-kinds"]);
    ran.done(0);
    let packed = scene.content("all.tar");
    assert!(!packed.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()));
    let mut archive = tar::Archive::new(packed.as_slice());
    let mut links = 0;
    for entry in archive.entries().unwrap() {
        let entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        assert!(!name.starts_with('/') && !name.contains("..") && name != "pipe", "{name}");
        if name.starts_with("link-") || name == "circle" {
            assert_eq!(entry.header().entry_type(), tar::EntryType::Symlink, "{name}");
            let target = entry.link_name().unwrap().unwrap().into_owned();
            assert_eq!(target, std::fs::read_link(scene.path(&name)).unwrap());
            links += 1;
        }
    }
    assert_eq!(links, 9);
    assert!(!ran.done(1).contains("secret"), "{}", ran.done(1));
}

#[test]
fn a_pipe_or_a_device_holds_nobody_up() {
    let scene = scene();
    let begun = Instant::now();
    let script = [
        "read auto pipe",
        "digest pipe",
        "tail pipe 5",
        "search pipe .",
        "write append none pipe text",
        "write replace none pipe text",
        "compress gzip pipe pipe.gz",
        "rename pipe elsewhere",
        "remove pipe",
        "cut pipe 0 x",
        "create-like new pipe",
        "examine pipe",
    ];
    let ran = run(&scene, &script);
    for (line, (outcome, detail)) in script.iter().zip(&ran.lines) {
        assert_eq!(outcome, "wrong-kind", "{line}: {detail}");
        assert!(detail.contains("`pipe` is a socket, pipe or device"), "{line}: {detail}");
    }
    assert!(begun.elapsed() < Duration::from_secs(30));
}
