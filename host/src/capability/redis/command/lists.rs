//! What the server's flags do not say of a command, or say otherwise than it matters here. A name stands for a command
//! with all its subcommands, or for one subcommand.

/// Commands that are told apart by their subcommand.
pub(super) const CONTAINERS: &[&str] = &[
    "ACL", "CLIENT", "CLUSTER", "COMMAND", "CONFIG", "DEBUG", "FUNCTION", "LATENCY", "MEMORY", "MODULE", "OBJECT",
    "PUBSUB", "SCRIPT", "SLOWLOG", "XGROUP", "XINFO",
];

/// They change what the connection is, or make it one that no longer answers a command with a reply.
pub(super) const NEVER: &[&str] = &[
    "ASKING",
    "AUTH",
    "CLIENT CACHING",
    "CLIENT NO-EVICT",
    "CLIENT NO-TOUCH",
    "CLIENT REPLY",
    "CLIENT SETINFO",
    "CLIENT SETNAME",
    "CLIENT TRACKING",
    "DISCARD",
    "EXEC",
    "HELLO",
    "MONITOR",
    "MULTI",
    "PSUBSCRIBE",
    "PSYNC",
    "PUNSUBSCRIBE",
    "QUIT",
    "READONLY",
    "READWRITE",
    "REPLCONF",
    "RESET",
    "SELECT",
    "SSUBSCRIBE",
    "SUBSCRIBE",
    "SUNSUBSCRIBE",
    "SYNC",
    "UNSUBSCRIBE",
    "UNWATCH",
    "WAIT",
    "WAITAOF",
    "WATCH",
];

/// Code that the server runs, whatever is in it.
pub(super) const SCRIPTS: &[&str] =
    &["EVAL", "EVAL_RO", "FCALL", "FCALL_RO", "FUNCTION", "SCRIPT LOAD", "SCRIPT DEBUG"];

/// Let through for nobody, since there is a better way.
pub(super) const BETTER: &[(&str, &str)] = &[
    ("KEYS", "it stops the server while it walks over every key; use `scan`"),
    ("SCAN", "`scan` leaves out what the grant does not let be seen"),
    ("DEL", "it stops the server while it frees a big key; use UNLINK"),
    ("MOVE", "it writes to a database that is not the one in use"),
    ("SWAPDB", "it exchanges whole databases under those who use them"),
];

/// Flags of commands that an operator must name.
pub(super) const RISKY_FLAGS: &[&str] = &["admin", "blocking", "noscript", "pubsub"];

/// They only look, and at nothing that holds data, though they are flagged as something else or not at all.
pub(super) const HARMLESS: &[&str] = &[
    "COMMAND",
    "ECHO",
    "INFO",
    "LASTSAVE",
    "LATENCY DOCTOR",
    "LATENCY GRAPH",
    "LATENCY HISTOGRAM",
    "LATENCY HISTORY",
    "LATENCY LATEST",
    "MEMORY DOCTOR",
    "MEMORY MALLOC-STATS",
    "MEMORY STATS",
    "PING",
    "ROLE",
    "TIME",
];

/// In the ACL category `dangerous` for the time they may take, or for what is checked here.
pub(super) const NOT_SO_DANGEROUS: &[&str] = &["SORT", "SORT_RO"];

/// Flagged `readonly` by some servers, though they write.
pub(super) const WRITES_UNSAID: &[&str] = &["PFCOUNT"];

/// Reads that need no key even where keys are restricted.
pub(super) const KEYLESS: &[&str] = &[
    "COMMAND",
    "DBSIZE",
    "ECHO",
    "INFO",
    "LASTSAVE",
    "LATENCY",
    "LOLWUT",
    "MEMORY DOCTOR",
    "MEMORY MALLOC-STATS",
    "MEMORY STATS",
    "PING",
    "ROLE",
    "TIME",
];

/// Subcommands that do what the container's own description says.
pub(super) const TOLD_BY_CONTAINER: &[&str] =
    &["MEMORY USAGE", "OBJECT ENCODING", "OBJECT FREQ", "OBJECT IDLETIME", "OBJECT REFCOUNT", "XGROUP", "XINFO"];

/// Writes that add, or alter what can be had again. All others are taken for ones that lose what was there.
pub(super) const CHANGES: &[&str] = &[
    "APPEND",
    "DECR",
    "DECRBY",
    "EXPIRE",
    "EXPIREAT",
    "GEOADD",
    "HINCRBY",
    "HINCRBYFLOAT",
    "HSETNX",
    "INCR",
    "INCRBY",
    "INCRBYFLOAT",
    "LINSERT",
    "LPUSH",
    "LPUSHX",
    "MSETNX",
    "PERSIST",
    "PEXPIRE",
    "PEXPIREAT",
    "PFADD",
    "PFCOUNT",
    "RENAMENX",
    "RPUSH",
    "RPUSHX",
    "SADD",
    "SETNX",
    "XADD",
    "ZADD",
    "ZINCRBY",
];

/// Administrative commands after which something is gone, beside those that are flagged as writes.
pub(super) const DESTROYS: &[&str] = &[
    "ACL DELUSER",
    "ACL LOG",
    "CLIENT KILL",
    "CLUSTER RESET",
    "CONFIG RESETSTAT",
    "DEBUG",
    "LATENCY RESET",
    "MODULE UNLOAD",
    "REPLICAOF",
    "SCRIPT FLUSH",
    "SHUTDOWN",
    "SLAVEOF",
    "SLOWLOG RESET",
];

/// Administrative commands that only look.
pub(super) const LOOKS: &[&str] = &[
    "ACL CAT",
    "ACL GETUSER",
    "ACL LIST",
    "ACL USERS",
    "ACL WHOAMI",
    "CLIENT GETNAME",
    "CLIENT ID",
    "CLIENT INFO",
    "CLIENT LIST",
    "CLUSTER INFO",
    "CLUSTER NODES",
    "CLUSTER SHARDS",
    "CLUSTER SLOTS",
    "CONFIG GET",
    "MODULE LIST",
    "PUBSUB",
    "SCRIPT EXISTS",
    "SLOWLOG GET",
    "SLOWLOG LEN",
];
