//! What is let through, from descriptions as real servers give them.

use super::*;

const CACHE: SlotName<'static> = SlotName::flag("redis", "cache");

fn grant(settings: &str) -> Grant {
    toml::from_str(&format!("target = \"redis://cache\"\n{settings}")).unwrap()
}

fn arguments(line: &str) -> Vec<Vec<u8>> {
    line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

fn described(flags: &str, categories: &str) -> Described {
    let words = |text: &str| text.split_whitespace().map(Into::into).collect();
    Described { flags: words(flags), categories: words(categories), has_keys: true, own: true }
}

const READ: &str = "access = [\"read\"]";
const WRITE: &str = "access = [\"read\", \"write\"]\nkey = \"a*\"";
const ADMIN: &str = "access = [\"read\", \"admin\"]\ncommand = [\"CONFIG SET\", \"FLUSHALL\"]";

#[test]
fn names_are_read_in_any_case_and_nothing_else_passes_for_one() {
    for (line, name) in [
        ("get a", Some("GET")),
        ("gEt a", Some("GET")),
        ("config set a b", Some("CONFIG SET")),
        ("Object Freq a", Some("OBJECT FREQ")),
        ("JSON.GET a", Some("JSON.GET")),
        ("COMMAND", Some("COMMAND")),
        ("CONFIG", None),
        ("", None),
        ("config|set a b", None),
        ("GET\0 a", None),
        ("FLUSHALL\r\n", None),
        ("CONFIG S\0T a", None),
    ] {
        assert_eq!(Name::of(&arguments(line)).map(|name| name.to_string()).as_deref(), name, "{line:?}");
    }
    assert_eq!(Name::of(&[b"FLUSH ALL".to_vec()]), None);
    assert_eq!(Name::of(&[vec![b'A'; 100]]), None);
    assert_eq!(Name::of(&[]), None);
    assert_eq!(Name::of(&arguments("config set a")).unwrap().for_server(), "config|set");
}

#[test]
fn what_no_grant_lets_through_is_refused_by_its_name() {
    let all = "access = [\"read\", \"write\", \"admin\"]\nkey = \"*\"\ncommand = [\"CONFIG SET\"]";
    for (line, message) in [
        ("eval return 0", "`,script=SHA1`"),
        ("EVAL_RO x 0", "`,script=SHA1`"),
        ("fcall f 0", "`,script=SHA1`"),
        ("FUNCTION LOAD x", "`,script=SHA1`"),
        ("SCRIPT LOAD x", "`,script=SHA1`"),
        ("evalsha e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0", "does not grant the script e0e1f9"),
        ("AUTH x", "never let through"),
        ("select 1", "never let through"),
        ("HELLO 2", "never let through"),
        ("RESET", "never let through"),
        ("Quit", "never let through"),
        ("MULTI", "never let through"),
        ("WATCH a", "never let through"),
        ("subscribe a", "never let through"),
        ("SSUBSCRIBE a", "never let through"),
        ("MONITOR", "never let through"),
        ("CLIENT REPLY OFF", "never let through"),
        ("CLIENT NO-EVICT ON", "never let through"),
        ("WAIT 1 0", "never let through"),
        ("KEYS *", "use `scan`"),
        ("SCAN 0", "`scan` leaves out"),
        ("DEL a", "use UNLINK"),
        ("MOVE a 1", "a database that is not the one in use"),
        ("SWAPDB 0 1", "exchanges whole databases"),
        ("COPY a a2 DB 1", "leave out DB"),
        ("CONFIG", "lacks its subcommand"),
    ] {
        let refusal = judge_name(&grant(all), CACHE, &arguments(line)).unwrap_err().to_string();
        assert!(refusal.contains(message), "{line}: {refusal}");
    }
}

#[test]
fn a_command_is_classed_by_its_description() {
    use Impact::{Change, Destroy, Observe};
    use Kind::{Administers, Reads, Writes};
    for (case, settings, line, flags, categories, kind, impact, allowed) in [
        ("a read", READ, "GET a", "readonly fast", "read string fast", Reads, Observe, true),
        ("a write under read", READ, "SET a 1", "write denyoom", "write string slow", Writes, Destroy, false),
        ("a write", WRITE, "SET a 1", "write denyoom", "write string slow", Writes, Destroy, true),
        ("one that adds", WRITE, "INCR a", "write denyoom fast", "write string fast", Writes, Change, true),
        ("a read that removes", READ, "GETDEL a", "write fast", "write string fast", Writes, Destroy, false),
        ("a count that writes", READ, "PFCOUNT a", "readonly may_replicate", "read", Writes, Change, false),
        ("the same on an older server", READ, "PFCOUNT a", "readonly", "read", Writes, Change, false),
        (
            "a write that is dangerous",
            WRITE,
            "MIGRATE h 1 a 0 1",
            "write movablekeys",
            "dangerous",
            Administers,
            Destroy,
            false,
        ),
        ("one that blocks", READ, "BLPOP a 0", "write blocking", "write blocking", Administers, Destroy, false),
        (
            "an administrative one",
            READ,
            "CONFIG SET a b",
            "admin noscript",
            "admin dangerous",
            Administers,
            Change,
            false,
        ),
        ("the same, named", ADMIN, "CONFIG SET a b", "admin noscript", "admin dangerous", Administers, Change, true),
        ("another one", ADMIN, "CONFIG REWRITE", "admin noscript", "admin dangerous", Administers, Change, false),
        ("one that empties", READ, "FLUSHALL", "write", "keyspace write slow dangerous", Administers, Destroy, false),
        ("the same, named", ADMIN, "FLUSHALL", "write", "keyspace write slow dangerous", Administers, Destroy, true),
        (
            "a message",
            READ,
            "PUBLISH a b",
            "pubsub loading stale fast may_replicate",
            "pubsub",
            Administers,
            Change,
            false,
        ),
        ("no flag that tells", READ, "CLUSTER INFO", "stale", "slow", Administers, Observe, false),
        ("harmless without a flag", READ, "PING", "fast", "fast connection", Reads, Observe, true),
        ("harmless though dangerous", READ, "INFO", "loading stale", "slow dangerous", Reads, Observe, true),
        ("a look that takes long", READ, "SORT_RO a", "readonly movablekeys", "read dangerous", Reads, Observe, true),
    ] {
        let grant = grant(settings);
        let name = judge_name(&grant, CACHE, &arguments(line)).unwrap();
        let (class, verdict) = judge_class(&grant, CACHE, &name, Some(&described(flags, categories)));
        assert_eq!((class.kind, class.impact, verdict.is_ok()), (kind, impact, allowed), "{case}: {line}: {verdict:?}");
    }
}

#[test]
fn what_the_server_does_not_describe_is_refused() {
    let grant = grant(WRITE);
    let name = Name::granted("FROBNICATE").unwrap();
    assert!(judge_class(&grant, CACHE, &name, None).1.is_err());
}

#[test]
fn a_containers_description_does_not_speak_for_all_that_is_in_it() {
    for (line, allowed) in [("MEMORY USAGE a", true), ("MEMORY PURGE", false), ("OBJECT FREQ a", true)] {
        let container = Described { own: false, ..described("readonly random movablekeys", "read slow") };
        let name = Name::of(&arguments(line)).unwrap();
        let (_, verdict) = judge_class(&grant(READ), CACHE, &name, Some(&container));
        assert_eq!(verdict.is_ok(), allowed, "{line}");
    }
}

#[test]
fn keys_must_be_told_and_granted() {
    use Kind::{Administers, Reads, Script, Writes};
    for (case, settings, command, kind, keys, allowed) in [
        ("read of any key", READ, "GET", Reads, Some(&["b"][..]), true),
        ("read within", WRITE, "GET", Reads, Some(&["a"]), true),
        ("read of another", WRITE, "GET", Reads, Some(&["b"]), false),
        ("one of several is another", WRITE, "MGET", Reads, Some(&["a", "b"]), false),
        ("a read without keys", READ, "RANDOMKEY", Reads, Some(&[]), true),
        ("which shows keys of others", WRITE, "RANDOMKEY", Reads, Some(&[]), false),
        ("harmless without keys", WRITE, "DBSIZE", Reads, Some(&[]), true),
        ("keys that cannot be told", READ, "GET", Reads, None, false),
        ("write within", WRITE, "SET", Writes, Some(&["a"]), true),
        ("write of another", WRITE, "RENAME", Writes, Some(&["a", "b"]), false),
        ("a write without keys", WRITE, "FLUSHDB", Writes, Some(&[]), false),
        ("a script without keys", WRITE, "EVALSHA", Script, Some(&[]), true),
        ("a script with another's", WRITE, "EVALSHA", Script, Some(&["b"]), false),
        ("administration without keys", ADMIN, "FLUSHALL", Administers, Some(&[]), true),
    ] {
        let keys = keys.map(|keys| keys.iter().map(|key| key.as_bytes().to_vec()).collect::<Vec<_>>());
        let name = Name::granted(command).unwrap();
        let verdict = judge_keys(&grant(settings), CACHE, &name, kind, keys.as_deref());
        assert_eq!(verdict.is_ok(), allowed, "{case}: {verdict:?}");
    }
}

#[test]
fn a_sort_that_looks_up_other_keys_is_refused_where_keys_are_restricted() {
    for (settings, line, allowed) in [
        (WRITE, "SORT a", true),
        (WRITE, "SORT a BY nosort GET # LIMIT 0 1", true),
        (WRITE, "SORT a BY weight_*", false),
        (WRITE, "SORT_RO a get other", false),
        (WRITE, "SORT by BY w_*", false),
        (READ, "SORT_RO a BY weight_* GET o_*", true),
    ] {
        assert_eq!(judge_name(&grant(settings), CACHE, &arguments(line)).is_ok(), allowed, "{line}");
    }
}

#[test]
fn a_script_runs_by_its_digest_and_writes_only_with_write() {
    let digest = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db";
    let script = format!("\nscript = \"{digest}\"");
    for (settings, command, allowed) in
        [(READ, "EVALSHA", false), (WRITE, "EVALSHA", true), (READ, "EVALSHA_RO", true), (WRITE, "EVALSHA_RO", true)]
    {
        let grant = grant(&format!("{settings}{script}"));
        let name = judge_name(&grant, CACHE, &arguments(&format!("{command} {digest} 0"))).unwrap();
        let (class, verdict) = judge_class(&grant, CACHE, &name, Some(&described("noscript movablekeys", "scripting")));
        assert_eq!((class.kind, verdict.is_ok()), (Kind::Script, allowed), "{settings} {command}");
    }
}
