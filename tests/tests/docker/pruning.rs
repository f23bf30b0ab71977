//! Prune: the rehearsal's list is what the run removes, and what is used or not of the scope stays.

use taskhost_tests::docker::{Engine, engine};

use super::{call, planned, said, summary, targets};

/// What there is of this test's own, by kind.
fn everything(engine: &Engine) -> Vec<Vec<String>> {
    vec![
        engine.list(&["ps", "--all"], "{{.Names}}"),
        engine.list(&["images", "--all"], "{{.Repository}}:{{.Tag}} {{.ID}}"),
        engine.list(&["network", "ls"], "{{.Name}}"),
        engine.list(&["volume", "ls"], "{{.Name}}"),
    ]
}

/// Rehearses and then does it; both say the same. What was said.
#[track_caller]
fn pruned(engine: &Engine, what: &str, operation: &str) -> String {
    let before = everything(engine);
    let plan = call("plan", engine, ",prune", what).run().expect_code(0);
    assert_eq!(everything(engine), before, "a rehearsal changes nothing");
    let run = call("run", engine, ",prune", what).run().expect_code(0);
    assert_eq!(summary(&plan), summary(&run), "{what}");
    assert_eq!(targets(&plan.report(), operation), targets(&run.report(), operation));
    assert_eq!(planned(engine, ",prune", what), "[] 0", "nothing is left of it");
    summary(&run)
}

#[test]
fn containers_that_ended_go() {
    let (mine, theirs) = (engine(), engine());
    let image = mine.name("app:1");
    mine.image(&image, "x", &[]);
    let ended = mine.start("ended", &[], &image, &["busybox", "sh", "-c", "busybox head -c 1000 /dev/zero > /file"]);
    let running = mine.start("running", &[], &image, &["busybox", "sleep", "600"]);
    let other = theirs.start("ended", &[], &image, &["busybox", "true"]);
    mine.docker(["create", "--label", &mine.label(), "--name", &mine.name("created"), &image, "busybox", "true"]);
    mine.docker(["wait", &ended]);
    mine.docker(["wait", &other]);
    assert_eq!(said(&mine, ",prune", "prune containers older-than=3600"), "[] 0", "they are young");
    let label = format!("prune containers label={}", theirs.label());
    assert_eq!(said(&mine, ",prune", &label), "[] 0", "another team's label gives nothing");
    let gone = pruned(&mine, "prune containers", "remove-container");
    assert_eq!(gone, format!("[{} 0, {ended} 1000] 1000", mine.name("created")));
    assert_eq!(mine.list(&["ps", "--all"], "{{.Names}}"), [running]);
    assert_eq!(theirs.list(&["ps", "--all"], "{{.Names}}"), [other]);
}

#[test]
fn images_that_nothing_uses_go_by_tag_and_the_newest_stay() {
    let mine = engine();
    let repository = mine.name("app");
    let tag = |version: &str| format!("{repository}:{version}");
    for version in ["1", "2", "3", "4"] {
        mine.image(&tag(version), version, &[]);
        // The engine dates images to the second.
        std::thread::sleep(std::time::Duration::from_millis(1100));
    }
    mine.docker(["tag", &tag("1"), &tag("first")]);
    let user = mine.start("user", &[], &tag("2"), &["busybox", "sleep", "600"]);
    let nameless = mine.image(&mine.name("old:1"), "nameless", &[]);
    mine.image(&mine.name("old:1"), "its name went here", &[]);
    let size = |image: &str| mine.docker(["inspect", "--format", "{{.Size}}", image]).parse::<u64>().unwrap();

    let what = format!("prune images repository={repository} keep=2");
    let first = size(&tag("1"));
    // With an image's first name goes what it takes.
    let gone = pruned(&mine, &what, "remove-image");
    assert_eq!(gone, format!("[{} {first}, {} 0] {first}", tag("1"), tag("first")));
    let left = mine.list(&["images"], "{{.Repository}}:{{.Tag}}");
    assert!(left.contains(&tag("2")) && left.contains(&tag("3")) && left.contains(&tag("4")), "{left:?}");
    let bytes = size(&nameless);
    assert_eq!(pruned(&mine, "prune images dangling", "remove-image"), format!("[(nameless) {bytes}] {bytes}"));
    let gone = pruned(&mine, "prune images", "remove-image");
    assert!(!gone.contains(&tag("2")) && gone.contains(&tag("3")) && gone.contains(&mine.name("old:1")), "{gone}");
    assert_eq!(mine.list(&["images"], "{{.Tag}}"), ["2"], "{user} uses it");
}

#[test]
fn layers_that_stay_are_not_counted_as_freed() {
    let mine = engine();
    let base = mine.name("base:1");
    // Of a content that no other test has: layers are shared by content.
    mine.image(&base, &base, &[]);
    let made = mine.start("made", &[], &base, &["busybox", "sh", "-c", "busybox head -c 50000 /dev/zero > /file"]);
    mine.docker(["wait", &made]);
    let child = mine.name("child:1");
    mine.docker(["commit", &made, &child]);
    mine.docker(["rm", &made]);
    let size = |image: &str| mine.docker(["inspect", "--format", "{{.Size}}", image]).parse::<u64>().unwrap();
    let (whole, own) = (size(&child), size(&child) - size(&base));
    assert!(own >= 50_000);
    let repository = child.rsplit_once(':').unwrap().0;
    assert_eq!(
        planned(&mine, ",prune", &format!("prune images repository={repository}")),
        format!("[{child} {own}] {own}")
    );
    assert_eq!(
        pruned(&mine, "prune images", "remove-image"),
        format!("[{base} {}, {child} {own}] {whole}", size_before(whole, own))
    );
}

fn size_before(whole: u64, own: u64) -> u64 {
    whole - own
}

#[test]
fn networks_and_volumes_that_nothing_uses_go() {
    let mine = engine();
    let image = mine.name("app:1");
    mine.image(&image, "x", &[]);
    let (free, busy) = (mine.name("free"), mine.name("busy"));
    for name in [&free, &busy] {
        mine.docker(["volume", "create", "--label", &mine.label(), name]);
        mine.docker(["network", "create", "--label", &mine.label(), name]);
    }
    let anonymous = mine.docker(["volume", "create", "--label", &mine.label()]);
    mine.start("user", &["--volume", &format!("{busy}:/data")], &image, &["busybox", "sleep", "600"]);
    mine.docker(["create", "--label", &mine.label(), "--name", &mine.name("on"), "--network", &busy, &image, "true"]);

    // The engine's list of volumes has no sizes: they are asked for by themselves.
    let fill = |volume: &str, bytes: &str| {
        let script = format!("busybox head -c {bytes} /dev/zero > /data/file");
        mine.docker(["run", "--rm", "--volume", &format!("{volume}:/data"), &image, "busybox", "sh", "-c", &script]);
    };
    fill(&anonymous, "70000");
    fill(&free, "123456");
    fill(&busy, "5000");
    let gone = pruned(&mine, "prune volumes", "remove-volume");
    assert_eq!(gone, "[(nameless) 70000] 70000", "those with names stay until they are asked for");
    assert!(!mine.list(&["volume", "ls"], "{{.Name}}").contains(&anonymous));
    assert_eq!(pruned(&mine, "prune volumes named", "remove-volume"), format!("[{free} 123456] 123456"));
    assert_eq!(mine.list(&["volume", "ls"], "{{.Name}}"), std::slice::from_ref(&busy));
    assert_eq!(pruned(&mine, "prune networks", "remove-network"), format!("[{free} 0] 0"));
    assert_eq!(mine.list(&["network", "ls"], "{{.Name}}"), [busy]);
}

#[test]
fn a_budget_stops_between_two_things() {
    let mine = engine();
    let image = mine.name("app:1");
    mine.image(&image, "x", &[]);
    for name in ["one", "two", "three"] {
        let name = mine.start(name, &[], &image, &["busybox", "true"]);
        mine.docker(["wait", &name]);
    }
    for command in ["plan", "run"] {
        let output = call(command, &mine, ",prune", "prune containers").args(["--budget", "engine.containers=2"]).run();
        let said = summary(&output);
        assert!(said.starts_with("over budget: ") && said.contains("--budget engine.containers=3"), "{output}");
    }
    assert_eq!(mine.list(&["ps", "--all"], "{{.Names}}").len(), 1);
}
