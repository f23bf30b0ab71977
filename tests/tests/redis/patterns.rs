//! The globs of a grant mean what they mean to the server.

use taskhost_tests::{RedisReply, redis};

use super::script::bound;

/// Characters that make patterns, and keys that could match them.
const LETTERS: [&str; 9] = ["a", "b", "c", "*", "?", "[", "]", "^", "-"];

#[test]
fn a_grant_shows_exactly_the_keys_that_keys_shows() {
    let database = redis();
    let mut client = database.client();
    let mut keys: Vec<String> = Vec::new();
    for one in LETTERS {
        keys.push(one.into());
        for two in LETTERS {
            keys.push(format!("{one}{two}"));
        }
    }
    keys.extend(["abc", "session:1", "session:", "a\\b", "a/b/c", "[a-c]", "a{b,c}"].map(String::from));
    client.run_all(keys.iter().map(|key| vec!["SET".into(), key.clone(), "1".into()]));
    for pattern in [
        "*",
        "?",
        "??",
        "a*",
        "*a",
        "a*c",
        "[abc]",
        "[^a]",
        "[a-c]",
        "[c-a]",
        "[a-c]*",
        "[^a-c]?",
        "\\*",
        "\\?*",
        "[]]",
        "[\\]]",
        "[\\]*]",
        "[a",
        "[",
        "a\\\\b",
        "session:*",
        "**",
        "*?*",
        "a[",
        "[^",
        "[-a]",
        "[a-]",
        "^a",
        "a{b,c}",
        "\\",
        "[]",
    ] {
        let RedisReply::List(expected) = client.run(&["KEYS", pattern]) else { panic!("no list") };
        let key = |reply| match reply {
            RedisReply::Text(key) => key.iter().map(|byte| format!("%{byte:02X}")).collect::<String>(),
            other => panic!("{other:?}"),
        };
        let mut expected: Vec<String> = expected.into_iter().map(key).collect();
        expected.sort();
        // Two patterns, so that the host and not the server leaves keys out; no key matches the second.
        let written = pattern.replace(',', "%2C");
        let shown = bound(database.url(), &format!(",key={written},key=none")).done("scan show");
        let mut given: Vec<String> = shown.lines().skip(1).map(encoded).collect();
        given.sort();
        assert_eq!(given, expected, "{pattern}");
    }
}

/// Every byte as `%XX`.
fn encoded(shown: &str) -> String {
    let mut out = String::new();
    let mut rest = shown;
    while let Some(first) = rest.chars().next() {
        let (piece, after) = rest.split_at(if first == '%' { 3 } else { first.len_utf8() });
        out += &if first == '%' { piece.to_owned() } else { format!("%{:02X}", piece.as_bytes()[0]) };
        rest = after;
    }
    out
}
