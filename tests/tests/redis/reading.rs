//! What `read` gives.

use taskhost_tests::{RedisServer, redis};

use super::script::bound;

#[test]
fn a_server_says_what_it_is() {
    let database = redis();
    let version = database.client().text(&["INFO", "server"]);
    let version = version.lines().find_map(|line| line.strip_prefix("redis_version:")).unwrap().trim();
    let bound = bound(database.url(), "");
    let server = bound.done("server");
    assert!(server.contains(version) && server.ends_with(&format!(" {}", database.number())), "{server}");
    let info = bound.done("info server memory");
    assert!(info.contains("server.run_id=") && info.contains("memory.used_memory="), "{info}");
    // The findings are cut at 4 KiB; the number of all fields is not.
    let all = bound.done("info");
    assert!(all.starts_with("server.redis_version=") && all.len() > 4_000, "{all}");
    assert!(bound.done("last-save").parse::<i64>().unwrap() > 0);
}

#[test]
fn keys_are_measured_in_the_order_asked() {
    let database = redis();
    let mut client = database.client();
    client.run(&["SET", "text", "hello"]);
    client.run(&["SET", "ends", "x", "PX", "3600000"]);
    client.run(&["RPUSH", "list", "a", "b", "c"]);
    client.run(&["HSET", "hash", "f", "v"]);
    client.run(&["ZADD", "zset", "1", "a", "2", "b"]);
    client.run(&["SADD", "set", "a"]);
    client.run(&["XADD", "stream", "*", "f", "v"]);
    client.run(&[&b"SET"[..], b"\xff\0\n key", b"\x00\xff"]);
    let bound = bound(database.url(), "");
    let run = bound.run(&[
        "measure kl text gone list hash zset set stream",
        "measure e ends text",
        "measure m text",
        "measure i text",
        "measure l text",
        "measure - text gone",
        "measure k %FF%00%0A%20key",
        "get text gone list %FF%00%0A%20key",
        "size",
    ]);
    let kinds = "text string length=5\nnone\nlist list length=3\nhash hash length=1\nzset zset length=2\nset set length=1\n\
                 stream stream length=1";
    assert_eq!(run.done(0), kinds);
    let (ends, never) = run.done(1).split_once('\n').unwrap();
    let left: u64 = ends.strip_prefix("ends in=").unwrap().parse().unwrap();
    assert!((3_000_000..=3_600_000).contains(&left) && never == "text never", "{ends} {never}");
    let memory: u64 = run.done(2).strip_prefix("text memory=").unwrap().parse().unwrap();
    assert!(memory > 5);
    assert!(run.done(3).starts_with("text idle="));
    assert_eq!(run.done(4), "text string length=5");
    assert_eq!(run.done(5), "text\nnone");
    assert_eq!(run.done(6), "%FF%00%0A%20key string");
    assert_eq!(run.done(7), "hello none none %00%FF");
    assert_eq!(run.done(8), "8");
    let effects = run.effects();
    assert_eq!(effects[6]["target"], "\\xff\\u{0}\\n key");
    assert_eq!((&effects[7]["rows"], &effects[7]["bytes"]), (&2.into(), &7.into()));
}

#[test]
fn replies_keep_their_nesting() {
    let database = redis();
    let mut client = database.client();
    client.run(&["HSET", "hash", "f", "v"]);
    client.run(&["ZADD", "zset", "1.5", "a"]);
    client.run(&["XADD", "stream", "1-1", "f", "v"]);
    let run = bound(database.url(), "").run(&[
        "command HGETALL hash",
        "command ZRANGE zset 0 -1 WITHSCORES",
        "command XRANGE stream - +",
        "command GET gone",
        "command PING",
        "command SMISMEMBER gone a b",
        "command LRANGE zset 0 -1",
        "command GET",
    ]);
    assert_eq!(run.done(0), "map(1) \"f\" \"v\"");
    assert_eq!(run.done(1), "array(1) array(2) \"a\" 1.5");
    assert_eq!(run.done(2), "array(1) array(2) \"1-1\" array(2) \"f\" \"v\"");
    assert_eq!((run.done(3), run.done(4)), ("nil", "+PONG"));
    assert_eq!(run.done(5), "array(2) 0 0");
    assert_eq!(run.kind(6), "WRONGTYPE");
    assert!(run.lines[6].1.starts_with("the key holds another kind of value"), "{:?}", run.lines[6]);
    assert_eq!(run.kind(7), "refused", "its keys cannot be told: {:?}", run.lines[7]);
}

#[test]
fn a_reply_that_is_too_large_is_an_error_and_harms_nothing_else() {
    let server = RedisServer::start(&[]);
    let mut client = server.client();
    let value = "x".repeat(1 << 20);
    client.run_all((0..70).map(|number| vec!["SET".into(), format!("v{number}"), value.clone()]));
    client.run_all((0..20).map(|_| vec!["RPUSH".into(), "list".into(), value.clone()]));
    let run =
        bound(server.url(), "").run(&["command LRANGE list 0 -1", "get 0..69*v", "get 0..2*v", "command LLEN list"]);
    assert_eq!(run.kind(0), "invalid");
    assert_eq!(run.lines[0].1, "the reply is larger than 16 MiB; ask for less of it at once");
    assert_eq!(run.kind(1), "invalid");
    assert!(run.lines[1].1.contains("64 MiB"), "{:?}", run.lines[1]);
    assert_eq!(run.done(2), "1048576 bytes 1048576 bytes 1048576 bytes");
    assert_eq!(run.done(3), "20");
}

#[test]
fn passwords_are_left_out_of_the_configuration_and_arguments_out_of_the_slow_log() {
    let server = RedisServer::start(&["requirepass hunter2", "masterauth hunter3", "slowlog-log-slower-than 0"]);
    server.client().run(&["SET", "key", "swordfish"]);
    let reading = bound(server.url(), "").run(&[
        "configuration *pass* *auth* *user*",
        "configuration maxmemory requirepass",
        "slowlog 100",
        "clients",
    ]);
    let settings = reading.done(0);
    let names: Vec<_> = settings.lines().filter_map(|line| line.split('=').next()).collect();
    assert!(names.contains(&"masteruser") && names.contains(&"tls-auth-clients"), "{settings}");
    assert!(!names.iter().any(|name| ["requirepass", "masterauth", "tls-key-file-pass"].contains(name)), "{settings}");
    assert_eq!(reading.done(1), "maxmemory=0");
    assert!(reading.done(2).lines().any(|line| line == "SET"), "{}", reading.done(2));
    assert!(reading.done(3).contains(" name=taskhost "), "{}", reading.done(3));
    let administering = bound(server.url(), ",admin").run(&["slowlog 100"]);
    assert!(administering.done(0).contains("SET key swordfish"), "{}", administering.done(0));
    let everything = format!("{}{}", reading.output, reading.report);
    for secret in ["hunter2", "hunter3", "swordfish"] {
        assert!(!everything.contains(secret), "{secret}: {everything}");
    }
}

#[test]
fn other_databases_are_seen_only_when_they_are_granted() {
    let (one, other, third) = (redis(), redis(), redis());
    other.client().run(&["SET", "here", "other"]);
    let settings = format!(",database={}", other.number());
    let run = bound(one.url(), &settings).run(&[
        &format!("open {}", other.number()),
        "get here",
        &format!("open {}", third.number()),
        "get here",
    ]);
    assert_eq!(run.done(1), "other");
    assert_eq!(run.kind(2), "refused");
    assert!(run.lines[2].1.contains(&format!("add `,database={}` to --redis cache=", third.number())));
    assert_eq!(run.done(3), "other", "the store of before is still the guest's");
    assert_eq!(bound(one.url(), "").one("get here"), ("done".into(), "none".into()));
}
