//! `remove`: what goes, what it frees, and that a plan says the same.

use std::fs;
use std::os::unix::fs::symlink;

use super::*;

fn tree(world: &World) {
    world.files(&[
        ("a/1", "12345"),
        ("a/2", "123"),
        ("a/b/3", "1"),
        ("kept", "kept"),
        ("shared", "1234567"),
        ("empty/", ""),
    ]);
    fs::hard_link(world.root.join("shared"), world.root.join("a/shared")).unwrap();
    fs::hard_link(world.outside.join("secret"), world.root.join("elsewhere")).unwrap();
    symlink("kept", world.root.join("link")).unwrap();
    symlink(&world.outside, world.root.join("directory-link")).unwrap();
}

/// All of it: files, a directory that is empty only after them, both names of one file, links, what is twice, absent,
/// not empty or outside.
const PATHS: &[&str] = &[
    "a/1",
    "a/2",
    "a/b",
    "a/b/3",
    "a/b",
    "a/shared",
    "shared",
    "a",
    "elsewhere",
    "link",
    "directory-link/secret",
    "directory-link",
    "empty",
    "a/1",
    "absent",
    "../outside/secret",
    ".",
];

fn outcomes(world: &World) -> Vec<Result<u64, String>> {
    let removed = world.remove(PATHS).into_iter();
    removed.map(|removed| removed.map(|removed| removed.bytes).map_err(|error| error.to_string())).collect()
}

#[test]
fn a_plan_lists_exactly_what_the_run_then_removes() {
    let (plan, run) = (World::rehearsing(), World::new());
    tree(&plan);
    tree(&run);
    let before = plan.walk_names(everything());
    let (planned, removed) = (outcomes(&plan), outcomes(&run));
    assert_eq!(planned, removed);
    assert_eq!(plan.walk_names(everything()), before, "nothing went");
    assert_eq!(run.walk_names(everything()), ["kept"]);
    assert_eq!(run.content("kept"), "kept");
    assert_eq!(run.outside(), [("secret".to_owned(), "outside".to_owned())]);
    let freed: Vec<_> = removed.iter().map(|removed| removed.as_ref().ok().copied()).collect();
    // The first name of the shared file frees nothing, the last one does; one with a name elsewhere never does.
    let (none, some) = (None, Some);
    let expected =
        [[some(5), some(3), none, some(1), some(0), some(0)], [some(7), some(0), some(0), some(0), none, some(0)]];
    assert_eq!(freed, [&expected.concat()[..], &[some(0), none, none, none, none]].concat());
    assert_eq!(plan.journal(), run.journal());
    assert_eq!(plan.journal().len(), PATHS.len(), "each is an effect of its own");
}

#[test]
fn each_says_why_it_stays() {
    let world = World::new();
    tree(&world);
    let outcomes = outcomes(&world);
    for (index, message) in [
        (2, "`a/b` is a directory that is not empty"),
        (10, "`directory-link/secret` leads out of the slot's directory through a symbolic link"),
        (13, "`a/1` does not exist"),
        (14, "`absent` does not exist"),
        (15, "`../outside/secret` leads upwards by `..`; no path leaves the slot's directory"),
        (16, "`.` is the slot's directory itself; name something in it"),
    ] {
        assert_eq!(outcomes[index], Err(message.into()), "{}", PATHS[index]);
    }
}

#[test]
fn a_budget_stops_it_before_the_file_goes() {
    let mut budgets = Budgets::default();
    budgets.set("logs", "files", 2);
    for (mode, left) in [(Mode::Perform, vec!["c"]), (Mode::Rehearse, vec!["a", "b", "c"])] {
        let world = World::with(mode, ALL, budgets.clone());
        world.files(&[("a", "1"), ("b", "1"), ("c", "1")]);
        let removed = world.remove(&["a", "b", "c"]);
        assert!(removed[0].is_ok() && removed[1].is_ok());
        assert!(matches!(&removed[2], Err(Error::OverBudget(reason)) if reason.contains("--budget logs.files=3")));
        assert_eq!(world.walk_names(files()), left);
    }
    let mut budgets = Budgets::default();
    budgets.set("logs", "bytes", 4);
    let world = World::with(Mode::Perform, ALL, budgets);
    world.files(&[("large", "12345")]);
    assert!(matches!(world.remove(&["large"])[0], Err(Error::OverBudget(_))));
    assert!(world.exists("large"));
}

#[test]
fn without_delete_nothing_goes() {
    let world = World::with(Mode::Perform, "access = [\"read\", \"write\"]", Budgets::default());
    world.files(&[("a", "1")]);
    let removed = world.remove(&["a"]);
    assert!(matches!(&removed[0], Err(Error::Refused(reason)) if reason.contains("add `,delete`")));
    assert!(world.exists("a"));
    assert_eq!(world.journal(), [("remove".to_owned(), "a".to_owned(), "refused".to_owned())]);
}

#[test]
fn what_is_not_in_scope_stays() {
    let world =
        World::with(Mode::Perform, &format!("{ALL}\ninclude = \"*.log\"\nexclude = \"old\""), Budgets::default());
    world.files(&[("a.log", "1"), ("a.txt", "1"), ("old/a.log", "1")]);
    let removed = world.remove(&["a.log", "a.txt", "old/a.log", "old"]);
    assert_eq!(removed.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, false, false]);
    assert!(world.exists("a.txt") && world.exists("old/a.log"));
}
