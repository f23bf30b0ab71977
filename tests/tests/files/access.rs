//! What a grant holds: words of access, names in and out of scope, slots.

use super::scene::{Ran, Scene};

fn scene() -> Scene {
    let scene = Scene::new();
    std::fs::create_dir_all(scene.path("logs/private")).unwrap();
    scene.file("own", "its own").file("logs/a.log", "a").file("logs/b.txt", "b").file("logs/private/c.log", "c");
    scene
}

#[test]
fn what_is_not_granted_is_refused_with_the_word_to_add() {
    let scene = scene();
    let before = scene.everything();
    for (grant, line, word) in [
        ("", "write create none new text", "write"),
        ("", "write replace none own text", "write"),
        ("", "write append none own text", "write"),
        ("", "rename own new", "write"),
        ("", "create-directory new", "write"),
        ("", "compress gzip own own.gz", "write"),
        ("", "archive gzip all.tar.gz .", "write"),
        ("", "remove own", "delete"),
        (",delete", "write replace none own text", "write"),
        (",delete", "rename own new", "write"),
        (",write", "remove own", "delete"),
        (",write", "compress gzip own own.gz remove", "delete"),
    ] {
        for run in [scene.run(grant, &[line]), scene.plan(grant, &[line])] {
            let message = format!("slot `directory` does not grant {word}; add `,{word}` to --files directory=...");
            assert_eq!(run.line(0), ("refused", message.as_str()), "{line} with `{grant}`");
            assert!(run.effects().iter().all(|effect| effect.ends_with(" refused")), "{:?}", run.effects());
        }
    }
    assert_eq!(scene.everything(), before);
}

#[test]
fn a_refusal_that_the_plugin_does_not_handle_ends_the_run() {
    let scene = scene();
    let ran = Ran::of(scene.host("run", "", &["remove own", "write create none new text"]).args(["strict=true"]));
    let ran = ran.expect_code(3);
    assert_eq!(ran.outcome(), "refused");
    assert_eq!(ran.report["error"], "slot `directory` does not grant delete; add `,delete` to --files directory=...");
    assert_eq!(ran.effects(), ["remove own refused"]);
}

#[test]
fn names_out_of_scope_are_neither_listed_nor_touched() {
    let scene = scene();
    for (case, scope, listed, refused) in [
        ("included by its directory", ",include=logs", "logs/a.log logs/b.txt logs/private/c.log", "own"),
        ("included by name", ",include=*.log", "logs/a.log logs/private/c.log", "own logs/b.txt"),
        ("excluded by its directory", ",exclude=private", "logs/a.log logs/b.txt own", "logs/private/c.log"),
        (
            "included, and excluded",
            ",include=logs/**,exclude=**/private/**",
            "logs/a.log logs/b.txt",
            "own logs/private/c.log",
        ),
    ] {
        let before = scene.everything();
        let grant = format!(",write,delete{scope}");
        let ran = scene.run(&grant, &["walk"]);
        let mut names: Vec<_> = ran.done(0).lines().skip(1).collect();
        names.sort_unstable();
        assert_eq!(names.join(" "), listed, "{case}");
        for path in refused.split(' ') {
            let script = [
                format!("read auto {path}"),
                format!("stat {path}"),
                format!("digest {path}"),
                format!("search {path} ."),
                format!("tail {path} 1"),
                format!("write replace none {path} text"),
                format!("write append none {path} text"),
                format!("rename {path} logs/d.log"),
                format!("compress gzip {path} logs/d.log"),
                format!("archive gzip logs/d.log {path}"),
                format!("remove {path}"),
            ];
            let ran = scene.run(&grant, &script.each_ref().map(String::as_str));
            for (line, (outcome, detail)) in script.iter().zip(&ran.lines) {
                assert_eq!(outcome, "refused", "{case}: {line}: {detail}");
                assert!(detail.contains("slot `directory` does not grant `"), "{case}: {line}: {detail}");
            }
        }
        assert_eq!(scene.everything(), before, "{case}");
    }
}

#[test]
fn an_archive_holds_nothing_that_is_out_of_scope() {
    let scene = scene();
    scene.run(",write,exclude=private", &["archive none all.tar logs"]).done(0);
    let packed = scene.content("all.tar");
    let mut archive = tar::Archive::new(packed.as_slice());
    let names = archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string());
    assert_eq!(names.collect::<Vec<_>>(), ["logs/", "logs/a.log", "logs/b.txt"]);
}

#[test]
fn a_slot_that_is_not_bound_gives_no_directory() {
    let scene = scene();
    let ran = scene.run("", &["open-other", "open-undeclared"]);
    for (index, slot) in ["other", "undeclared"].into_iter().enumerate() {
        let message = format!("slot `{slot}` is bound to no directory; add --files {slot}=DIRECTORY");
        assert_eq!(ran.line(index), ("refused", message.as_str()));
    }
    let elsewhere = format!("other={}", scene.outside("").display());
    let bound = Ran::of(scene.host("run", "", &["open-other"]).args(["--files", &elsewhere])).expect_code(0);
    assert_eq!(bound.done(0), "opened");
    // A slot that the plugin does not declare cannot be bound either.
    let elsewhere = format!("undeclared={}", scene.outside("").display());
    let output = scene.host("run", "", &["open-undeclared"]).args(["--files", &elsewhere]).run().expect_code(3);
    assert_eq!(output.json()["run"]["outcome"], "invalid");
    assert!(output.stdout.contains("undeclared"), "{output}");
}
