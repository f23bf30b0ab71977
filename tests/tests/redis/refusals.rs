//! What no grant, or not this grant, lets through: refused at the gate, and nothing changed on the server.

use taskhost_tests::{RedisClient, RedisReply, RedisServer, redis};

use super::script::bound;

/// Under `read` each of these is refused, in whatever case it is written. `%00` and the like stand for bytes.
const UNDER_READ: &[&str] = &[
    // Code.
    "command EVAL return%20redis.call('set','a',1) 0",
    "command eval_ro return%201 0",
    "command EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0",
    "command FCALL f 0",
    "command FCALL_RO f 0",
    "command FUNCTION LOAD x",
    "command FUNCTION FLUSH",
    "command SCRIPT LOAD return%201",
    "command SCRIPT FLUSH",
    "command script kill",
    // Writes that look like reads.
    "command SORT list STORE a",
    "command sort list",
    "command GETDEL a",
    "command GETEX a EX 1",
    "command GETSET a 2",
    "command GeTeX a PERSIST",
    "command PFCOUNT hll",
    "command BITFIELD a SET u8 0 255",
    "command BITFIELD a GET u8 0",
    "command XREADGROUP GROUP g c STREAMS stream >",
    "command XGROUP CREATE stream g $",
    "command XINFO HELP",
    "command GEORADIUS geo 0 0 1 km STORE a",
    "command GEORADIUS geo 0 0 1 km",
    "command OBJECT HELP",
    "command COPY a b",
    "command RENAME a b",
    "command MIGRATE 127.0.0.1 1 a 0 1",
    "command RESTORE b 0 x",
    "command SET a 2",
    "command set a 2",
    "command APPEND a x",
    "command UNLINK a",
    "command DEL a",
    "command EXPIRE a 1",
    "command PERSIST a",
    "command LPOP list",
    "command ZPOPMIN zset",
    "command SPOP set",
    "command XADD stream * f v",
    "command MOVE a 1",
    // Whole databases.
    "command FLUSHALL",
    "command flushdb",
    "command SWAPDB 0 1",
    "command KEYS *",
    "command SCAN 0",
    // The server.
    "command DEBUG SLEEP 0",
    "command DEBUG OBJECT a",
    "command MODULE LOAD /x.so",
    "command CONFIG SET maxmemory 1",
    "command CONFIG REWRITE",
    "command CONFIG RESETSTAT",
    "command CONFIG GET requirepass",
    "command REPLICAOF 127.0.0.1 1",
    "command SLAVEOF NO ONE",
    "command FAILOVER",
    "command SHUTDOWN NOSAVE",
    "command SAVE",
    "command BGSAVE",
    "command BGREWRITEAOF",
    "command ACL SETUSER x on",
    "command ACL LIST",
    "command CLUSTER RESET",
    "command MEMORY PURGE",
    "command LATENCY RESET",
    "command SLOWLOG RESET",
    "command SLOWLOG GET",
    "command CLIENT KILL TYPE normal",
    "command CLIENT PAUSE 1",
    "command CLIENT LIST",
    // The connection, which others use.
    "command SELECT 1",
    "command AUTH x",
    "command HELLO 2",
    "command RESET",
    "command QUIT",
    "command MULTI",
    "command EXEC",
    "command DISCARD",
    "command WATCH a",
    "command UNWATCH",
    "command SUBSCRIBE c",
    "command psubscribe *",
    "command SSUBSCRIBE c",
    "command UNSUBSCRIBE",
    "command MONITOR",
    "command SYNC",
    "command PSYNC ? -1",
    "command CLIENT REPLY OFF",
    "command CLIENT NO-EVICT ON",
    "command CLIENT TRACKING ON",
    "command CLIENT SETNAME x",
    "command WAIT 0 0",
    "command PUBLISH c m",
    "command SPUBLISH c m",
    // Commands that wait.
    "command BLPOP list 1",
    "command BLMOVE list list LEFT LEFT 1",
    "command BZPOPMIN zset 1",
    "command XREAD BLOCK 1 STREAMS stream 0",
    // Names that are none.
    "command FLUSHALL%20",
    "command %20FLUSHALL",
    "command FLUSHALL%00",
    "command FLUSHALL%0D%0A",
    "command config|set maxmemory 1",
    "command CONFIG SET%00 maxmemory 1",
    "command CONFIG",
    "command %FF%FE",
    "command FROBNICATE a",
    "command {5000*A}",
    // What has a function of its own.
    "unlink a",
    "expire 1000 always a",
    "background-save",
];

/// A server with a key of each kind.
fn seeded() -> RedisServer {
    let server = RedisServer::start(&[]);
    let mut client = server.client();
    for line in [
        "SET a 1",
        "RPUSH list 3 1 2",
        "HSET hash f v",
        "ZADD zset 1 a",
        "SADD set a b",
        "XADD stream 1-1 f v",
        "PFADD hll a b",
        "GEOADD geo 0 0 here",
        "SET b:1 secret",
        "SET weight_1 5",
    ] {
        client.run(&line.split(' ').collect::<Vec<_>>());
    }
    server
}

/// All that a command could have changed.
fn state(client: &mut RedisClient) -> String {
    let settings = client.run(&["CONFIG", "GET", "*"]);
    let (users, functions) = (client.run(&["ACL", "LIST"]), client.run(&["FUNCTION", "LIST"]));
    format!("{:?} {settings:?} {users:?} {functions:?}", client.everything())
}

#[test]
fn under_read_nothing_changes_and_each_refusal_is_journaled() {
    let server = seeded();
    let mut client = server.client();
    let before = state(&mut client);
    let run = bound(server.url(), "").run(UNDER_READ);
    for (line, (kind, message)) in UNDER_READ.iter().zip(&run.lines) {
        // Two of them only look at the description of what they are.
        let harmless = ["command XINFO HELP", "command OBJECT HELP"].contains(line);
        assert!(kind == "refused" || harmless, "{line}: {kind}: {message}");
        assert!(!message.is_empty() || harmless, "{line}");
    }
    let refused = run.effects().iter().filter(|effect| effect["decision"] == "refuse").count();
    assert!(refused + 2 >= UNDER_READ.len(), "{refused}: {}", run.report);
    assert_eq!(state(&mut client), before);
    assert_eq!(client.text(&["PING"]), "PONG");
    assert_eq!(client.run(&["LASTSAVE"]), client.run(&["LASTSAVE"]));
    // Nothing of it reached the server, but questions about it.
    let said = client.text(&["INFO", "commandstats"]);
    for never in ["flushall", "eval", "getdel", "migrate", "shutdown", "config|set", "subscribe", "blpop", "multi"] {
        let own = format!("cmdstat_{never}:");
        let rejected = said.lines().find(|line| line.starts_with(&own));
        assert!(rejected.is_none(), "{rejected:?}");
    }
}

#[test]
fn what_only_looks_is_let_through_in_any_case() {
    let server = seeded();
    let lines = [
        "command get a",
        "command GeT a",
        "command STRLEN a",
        "command LRANGE list 0 -1",
        "command BITFIELD_RO a GET u8 0",
        "command SORT_RO list",
        "command OBJECT ENCODING a",
        "command object idletime a",
        "command MEMORY USAGE a",
        "command MEMORY STATS",
        "command XINFO STREAM stream",
        "command XRANGE stream - +",
        "command GEORADIUS_RO geo 0 0 1 km",
        "command DUMP a",
        "command EXISTS a list",
        "command TTL a",
        "command DBSIZE",
        "command TIME",
        "command ECHO %00%FF",
        "command ROLE",
        "command LATENCY LATEST",
        "command RANDOMKEY",
        "command SINTERCARD 1 set",
    ];
    let run = bound(server.url(), "").run(&lines);
    for (index, line) in lines.iter().enumerate() {
        assert!(!run.done(index).is_empty(), "{line}");
    }
    assert!(run.effects().iter().all(|effect| effect["impact"] == "observe"), "{}", run.report);
}

#[test]
fn keys_outside_of_the_grant_are_neither_read_nor_named() {
    let server = seeded();
    let lines = [
        "command GET b:1",
        "command MGET a b:1",
        "get b:1",
        "measure k b:1",
        "command OBJECT ENCODING b:1",
        "command MEMORY USAGE b:1",
        "command SORT_RO a BY weight_*",
        "command SORT_RO a GET b:*",
        "command SORT_RO a get b:1",
        "command RANDOMKEY",
        "command SCAN 0",
        "command SINTERCARD 2 set b:1",
        "command LCS a b:1",
        "command DUMP b:1",
        "command TOUCH b:1",
        "command EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 1 b:1",
        "unlink b:1",
        "unlink a b:1",
        "expire 1000 always b:1",
        "command SET b:1 x",
        "command RENAME a b:1",
        "command COPY b:1 a",
        "command COPY a a DB 1",
        "command BITOP AND a a b:1",
        "command SORT a STORE b:1",
        "command GEORADIUS a 0 0 1 km STORE b:1",
        "command SINTERSTORE a 1",
        "command ZUNIONSTORE a 1 b:1",
        "command MOVE a 1",
        "command MIGRATE 127.0.0.1 1 a 0 1",
        "command RESTORE a 0 x",
        "command FLUSHDB",
        "command DEL a",
    ];
    let before = server.client().everything();
    let run = bound(server.url(), ",write,key=a,key=set").run(&lines);
    for (index, line) in lines.iter().enumerate() {
        assert_eq!(run.kind(index), "refused", "{line}: {:?}", run.lines[index]);
    }
    assert!(!run.output.to_string().contains("secret"), "{}", run.output);
    assert_eq!(server.client().everything(), before);
    let refusal =
        "slot `cache` does not grant the key `b:1`: it grants `a`, `set` only; add `,key=PATTERN` to --redis cache=...";
    assert_eq!(run.lines[0].1, refusal);
    assert!(run.lines[32].1.contains("use UNLINK"));
}

#[test]
fn administrative_commands_take_admin_and_their_names() {
    let server = seeded();
    let mut client = server.client();
    let lines =
        ["command CONFIG SET maxmemory-samples 7", "command CONFIG REWRITE", "command FLUSHALL", "command SELECT 1"];
    let run = bound(server.url(), ",admin,command=CONFIG SET").run(&lines);
    assert_eq!(run.done(0), "+OK");
    assert_eq!((run.kind(1), run.kind(2), run.kind(3)), ("refused", "refused", "refused"));
    assert_eq!(
        run.lines[1].1,
        "slot `cache` does not grant CONFIG REWRITE, which is administrative; add `,admin,command=CONFIG REWRITE` to --redis cache=..."
    );
    assert_eq!(run.effects()[0]["target"], "CONFIG SET", "its arguments can be a password");
    let RedisReply::List(set) = client.run(&["CONFIG", "GET", "maxmemory-samples"]) else { panic!("no list") };
    assert_eq!(set[1], RedisReply::Text(b"7".to_vec()));

    let plan = bound(server.url(), ",admin,command=FLUSHALL").plan(&["command FLUSHALL", "background-save"]);
    assert_eq!(plan.done(0), "nil");
    assert_eq!((&plan.effects()[0]["impact"], &plan.effects()[0]["decision"]), (&"destroy".into(), &"rehearse".into()));
    assert_eq!(client.text(&["DBSIZE"]), "10");
    let run = bound(server.url(), ",admin,command=flushall").run(&["command FLUSHALL", "background-save", "size"]);
    assert_eq!((run.done(0), run.kind(1), run.done(2)), ("+OK", "done", "0"));
}

#[test]
fn a_script_runs_only_when_the_grant_lists_its_digest() {
    let server = seeded();
    let mut client = server.client();
    let digest = client.text(&["SCRIPT", "LOAD", "return redis.call('INCR', KEYS[1])"]);
    let reading = client.text(&["SCRIPT", "LOAD", "return redis.call('GET', KEYS[1])"]);
    let settings = format!(",write,key=a,script={digest},script={reading}");
    let other = "0".repeat(40);
    let lines = [
        &*format!("command EVALSHA {digest} 1 a"),
        &*format!("command evalsha {} 1 a", digest.to_uppercase()),
        &*format!("command EVALSHA {digest} 1 b:1"),
        &*format!("command EVALSHA {other} 1 a"),
        &*format!("command EVALSHA_RO {reading} 1 a"),
        "command EVAL return%201 0",
    ];
    let run = bound(server.url(), &settings).run(&lines);
    assert_eq!((run.done(0), run.done(1)), ("2", "3"));
    assert_eq!((run.kind(2), run.kind(3), run.done(4), run.kind(5)), ("refused", "refused", "\"3\"", "refused"));
    let plan = bound(server.url(), &settings).plan(&lines[..1]);
    assert_eq!(plan.done(0), "nil");
    assert_eq!(client.text(&["GET", "a"]), "3");
    let reader = bound(server.url(), &format!(",script={digest},script={reading}"));
    let run = reader.run(&[lines[0], lines[4]]);
    assert_eq!((run.kind(0), run.done(1)), ("refused", "\"3\""));
}

#[test]
fn a_connection_is_as_the_next_one_expects_it() {
    let database = redis();
    database.client().run(&["SET", "a", "1"]);
    let run = bound(database.url(), "").run(&[
        "command SELECT 0",
        "command MULTI",
        "get a",
        "command CLIENT REPLY OFF",
        "get a",
    ]);
    assert_eq!((run.done(2), run.done(4)), ("1", "1"));
}
