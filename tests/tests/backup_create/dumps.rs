//! What programs write: what is whole is stored with its checksum, and of the rest nothing is left.

use sha2::{Digest as _, Sha256};

use super::scene::{WHOLE, World, content, detail, findings, says};

#[test]
fn a_dump_is_stored_compressed_and_its_manifest_is_of_it() {
    for (compress, ending, form) in [("zstd", ".sql.zst", "ZSTD"), ("gzip", ".sql.gz", "GZIP"), ("none", ".sql", "")] {
        let world = World::dumping(&says(WHOLE));
        let report = world.dump(&[&format!("compress={compress}")]).expect_code(0).report();
        assert_eq!(findings(&report), [""; 0], "{form}");
        let (path, manifest) = world.backup(ending);
        assert_eq!(content(&path), format!("{WHOLE}\n").as_bytes(), "{ending}");
        let stored = std::fs::read(&path).unwrap();
        let sum: String = Sha256::digest(&stored).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((manifest["sha256"].as_str(), manifest["bytes"].as_u64()), (Some(&*sum), Some(stored.len() as u64)));
        assert_eq!(world.everything().len(), 2, "{:?}", world.everything());
        // Each metric once.
        let metrics = report["metrics"].as_array().unwrap();
        let mut names: Vec<_> = metrics.iter().map(|it| (it["name"].to_string(), it["subject"].to_string())).collect();
        let all = names.len();
        names.dedup();
        assert_eq!((all, names.len()), (4, 4), "{metrics:?}");
    }
}

#[test]
fn what_is_no_whole_dump_leaves_nothing() {
    let rows = "row\n".repeat(100_000);
    let cut = WHOLE.replace("complete", "");
    for (case, script, title, words) in [
        (
            "a program that fails",
            format!("{}\necho 'connection lost' >&2; exit 1", says(WHOLE)),
            "dump failed",
            "ended with code 1: connection lost",
        ),
        (
            "one that fails at once",
            "echo 'no password' >&2; exit 3".into(),
            "dump failed",
            "ended with code 3: no password",
        ),
        ("one that is killed", format!("{}\nkill -9 $$", says(WHOLE)), "dump failed", "ended by signal 9"),
        ("one that writes nothing", "true".into(), "dump is empty", "wrote nothing"),
        (
            "no closing line",
            says(&cut),
            "dump is cut short",
            "pg_dump ended with success, and its last line is missing",
        ),
        ("that, and long", says(&format!("{cut}{rows}")), "dump is cut short", "its last line is missing"),
        (
            "errors in SQLite's",
            says("PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nROLLBACK; -- due to errors"),
            "dump was made with errors",
            "ROLLBACK",
        ),
        ("another text", says("usage: pg_dump [OPTION]..."), "dump has no mark of its end", "no program marks"),
        (
            "compressed already",
            format!("{{ {}\n}} | gzip", says(WHOLE)),
            "dump is compressed by its own program",
            "cannot be told",
        ),
        ("no program of that name in it", "exec ./not-there".into(), "dump failed", "ended with code 127"),
    ] {
        let world = World::dumping(&script);
        let report = world.dump(&[]).expect_code(2).report();
        assert_eq!(findings(&report), [format!("critical app: {title}")], "{case}");
        assert!(detail(&report, title).contains(words), "{case}: {}", detail(&report, title));
        assert_eq!(report["summary"], format!("no backup of the database: {title}"), "{case}");
        assert_eq!(world.everything(), [""; 0], "{case}");
    }
}

#[test]
fn a_dump_without_marks_is_kept_where_that_is_said() {
    for (script, ending) in [
        (says("dn: dc=example,dc=org"), ".sql.zst"),
        (format!("{{ {}\n}} | gzip", says(WHOLE)), ".dump"),
        ("printf 'PGDMP\\001\\016 and so on'".into(), ".dump"),
    ] {
        let world = World::dumping(&script);
        world.dump(&["require-end=false"]).expect_code(0);
        world.backup(ending);
    }
    // What pg_dump writes in a form of its own says by its exit code alone whether it is whole.
    let world = World::dumping("printf 'PGDMP\\001\\016 and so on'");
    world.dump(&[]).expect_code(0);
    assert_eq!(content(&world.backup(".dump").0), b"PGDMP\x01\x0e and so on");
}

#[test]
fn a_program_that_takes_too_long_or_writes_too_much_leaves_nothing() {
    for (limit, script, outcome, words) in [
        ("timeout = \"1s\"", format!("{}\nsleep 30", says(WHOLE)), "timed-out", "`dump`"),
        (
            "max-output = \"10KiB\"",
            "yes | head -c 1000000".into(),
            "critical",
            "no backup of the database: dump failed",
        ),
    ] {
        let world = World::dumping(&script);
        world.templates(&format!("[template.dump]\nargv = [\"./dump.sh\"]\nimpact = \"observe\"\n{limit}\n"));
        let report = world.dump(&[]).report();
        assert_eq!(report["run"]["outcome"], outcome, "{report:#}");
        assert!(report.to_string().contains(words), "{report:#}");
        assert_eq!(world.everything(), [""; 0], "{limit}");
    }
}

#[test]
fn a_template_is_chosen_and_given_its_values() {
    let world = World::dumping(&format!("[ \"$1\" = --database=shop ] || exit 9\n{}", says(WHOLE)));
    world.templates(
        "[template.shop]\nargv = [\"./dump.sh\", \"--database={database}\"]\nimpact = \"observe\"\n\
         placeholder.database = { type = \"name\" }\n[template.purge]\nargv = [\"./dump.sh\"]\n",
    );
    let refused = |arguments: &[&str]| {
        let report = world.dump(arguments).expect_code(3).report();
        assert_eq!(world.everything(), [""; 0]);
        report["error"]["message"].as_str().map_or_else(|| report["error"].to_string(), ToOwned::to_owned)
    };
    assert!(refused(&[]).contains("say template=... of"));
    assert!(refused(&["template=purge"]).contains("may change things"));
    assert!(refused(&["template=shop"]).contains("add arguments=database=..."));
    assert!(refused(&["template=shop", "arguments=database=a b; rm -rf /"]).contains("database"));
    world.dump(&["template=shop", "arguments=database=shop"]).expect_code(0);
}

#[test]
fn a_large_dump_is_stored_in_little_memory() {
    let world = World::dumping(
        "echo '-- PostgreSQL database dump'; yes 'a row of some text' | head -c 300000000; echo; \
         echo '-- PostgreSQL database dump complete'",
    );
    world.templates("[template.dump]\nargv = [\"./dump.sh\"]\nimpact = \"observe\"\nmax-output = \"1GiB\"\n");
    let output = world.dump(&[]).expect_code(0);
    assert!(output.peak_memory < 300 << 20, "{} MiB", output.peak_memory >> 20);
    let report = output.report();
    let bytes = report["metrics"].as_array().unwrap().iter().find(|it| it["name"] == "backup_content").unwrap();
    assert_eq!(bytes["value"].as_f64(), Some(300_000_066.0), "{report:#}");
}
