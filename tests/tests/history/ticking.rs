//! What people do is ticked once a period, taken back, and told.

use super::{World, assert_whole};

#[test]
fn an_entry_is_ticked_once_a_period_and_taken_back() {
    let world = World::new();
    let tick = |words: &[&str]| world.host("tick").args(words.iter().copied()).run();
    let undone = tick(&["Vendor review", "--undo"]).expect_code(1);
    assert!(undone.stdout.starts_with("Vendor review: not ticked for 2"), "{undone}");
    let done = tick(&["Vendor review", "--by", "Ann", "--note", "all\nfine \u{1b}[2J"]).expect_code(0);
    assert!(done.stdout.starts_with("Vendor review: done for 2") && done.stdout.contains("-Q"), "{done}");
    let again = tick(&["vendor", "--by", "Bob"]).expect_code(1);
    assert!(again.stdout.contains("already, by Ann on ") && again.stdout.contains("--undo takes it back"), "{again}");
    let log = world.host("log").run().expect_code(0).stdout;
    assert!(log.contains("- [x] Vendor review (for 2") && log.contains(", by Ann, "), "{log}");
    assert!(log.contains("): all fine \\\\u{1b}\\[2J"), "{log}");
    assert!(log.contains("- [ ] Read the error log (due 2"), "{log}");
    assert!(tick(&["vendor", "--undo", "--by", "Bob"]).expect_code(0).stdout.contains("the tick of Ann"));
    assert!(world.host("log").run().expect_code(0).stdout.contains("- [ ] Vendor review"));
    tick(&["vendor", "--by", "Bob"]).expect_code(0);
    assert!(world.host("log").run().expect_code(0).stdout.contains(", by Bob, "));
    assert_whole(world.history().to_str().unwrap());
}

#[test]
fn what_is_ticked_is_done_in_the_report_of_its_kind() {
    let world = World::new();
    world.host("tick").args(["read the error log", "--by", "Ann"]).run().expect_code(0);
    let run = |form: &str| world.host("run").args(["--all", "--format", form]).run().expect_code(0);
    let text = run("text").stdout;
    assert!(
        text.contains("[x] Read the error log, by Ann for 2") && text.contains("[ ] Vendor review: With"),
        "{text}"
    );
    assert!(run("markdown").stdout.contains("- [x] Read the error log\n- [ ] Vendor review"));
    let json = run("json").json();
    assert_eq!(
        (&json["checklist"][0]["done"]["by"], &json["checklist"][1]["done"]),
        (&"Ann".into(), &serde_json::Value::Null)
    );
}

#[test]
fn what_is_not_on_the_list_is_answered_with_what_is() {
    let world = World::new();
    let tick = |words: &[&str]| world.host("tick").args(words.iter().copied()).run().expect_code(3).stderr;
    assert!(tick(&["Vendor revue"]).contains("has no `Vendor revue` (did you mean `Vendor review`?)"));
    assert!(tick(&["nothing like it"]).contains("it has Read the error log, Vendor review"));
    assert!(tick(&["r"]).contains("`r` may be Read the error log (daily) or Vendor review (quarterly)"));
    assert!(tick(&[" "]).contains("has no ` `"));
    let none = World::of("[[checklist]]\ntitle = \"a\"\nkind = \"daily\"\n");
    let output = none.host("tick").arg("a").run().expect_code(3);
    assert!(output.stderr.contains("keeps no history"), "{output}");
    let elsewhere = none.path("elsewhere.db").display().to_string();
    none.host("tick").args(["a", "--record", &elsewhere]).run().expect_code(0);
    assert_whole(&elsewhere);
}
