//! Databases as judges: what the classifier calls a read runs on a connection that may do everything, outside of the
//! room and of any read-only transaction, and must change nothing even so. Views, operators and defaults that call
//! functions are left out of these worlds: they are not the classifier's to see.

use std::sync::OnceLock;

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, MySqlConnection, PgConnection, Row as _, SqliteConnection};
use taskhost::fuzzing::{Dialect, session_settings};

use super::{Found, Random, ensure};
use crate::Database;

/// What each dialect's world is made of.
pub const WORLDS: &[(Dialect, &[&str])] = &[
    (
        Dialect::Postgres,
        &[
            "CREATE TABLE t (a int, b text)",
            "INSERT INTO t VALUES (1, 'x'), (2, 'y')",
            "CREATE TABLE u (a int)",
            "CREATE SEQUENCE s",
            "CREATE FUNCTION wipe() RETURNS int LANGUAGE plpgsql AS $$ BEGIN DELETE FROM t; RETURN 1; END $$",
        ],
    ),
    (
        Dialect::Mysql,
        &[
            "CREATE SEQUENCE s",
            "CREATE TABLE t (a int, b text, n bigint DEFAULT NEXTVAL(s))",
            "INSERT INTO t VALUES (1, 'x', 0), (2, 'y', 0)",
            "CREATE TABLE u (a int)",
            // For the counters of compression, which one of the server's tables resets when it is read.
            "CREATE TABLE z (a int PRIMARY KEY, b text) ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=1",
            "INSERT INTO z SELECT seq, REPEAT('x', 100) FROM seq_1_to_200",
            "CREATE FUNCTION wipe() RETURNS int BEGIN DELETE FROM t; RETURN 1; END",
        ],
    ),
    (
        Dialect::Sqlite,
        &[
            "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)",
            "INSERT INTO t VALUES (1, 'x'), (2, 'y')",
            "CREATE TABLE u (a)",
            "CREATE VIRTUAL TABLE f USING fts5(z)",
        ],
    ),
];

/// What the state of a PostgreSQL session and database is told by. The first is set by any write at all.
const POSTGRES_STATE: &str = "SELECT concat_ws('; ', pg_current_xact_id_if_assigned(), \
    (SELECT md5(string_agg(name || '=' || setting, ',' ORDER BY name)) FROM pg_settings), \
    (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'), \
    (SELECT count(*) FROM pg_prepared_statements WHERE from_sql), (SELECT count(*) FROM pg_listening_channels()), \
    (SELECT count(*) FROM t), (SELECT count(*) FROM u), (SELECT last_value || ' ' || is_called FROM s), \
    (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
     AND backend_type = 'client backend'))";

// Not by counters of row changes: a window function changes rows of a table of its own.
const MARIADB_STATE: &str = "SELECT CAST(CONCAT_WS('; ', \
    (SELECT MD5(GROUP_CONCAT(COALESCE(a, '-'), b, COALESCE(n, '-') ORDER BY a, b, n)) FROM t), (SELECT COUNT(*) FROM u), \
    (SELECT next_not_cached_value FROM s), \
    (SELECT SUM(compress_ops) > 0 FROM information_schema.innodb_cmp), \
    (SELECT GROUP_CONCAT(variable_value ORDER BY variable_name) FROM information_schema.session_status \
     WHERE variable_name = 'Com_commit'), \
    (SELECT MD5(GROUP_CONCAT(variable_name, variable_value ORDER BY variable_name)) \
     FROM information_schema.session_variables WHERE variable_name NOT IN ('timestamp', 'last_insert_id', \
     'rand_seed1', 'rand_seed2', 'pseudo_thread_id', 'error_count', 'warning_count', 'in_transaction', \
     'last_gtid', 'gtid_binlog_pos', 'gtid_current_pos')), \
    COALESCE(IS_USED_LOCK('x'), 0)) AS CHAR)";

/// A server that judges, with a session of its own in a world of its own.
pub struct Server {
    session: Session,
    /// Dropped last.
    _database: Database,
}

enum Session {
    Postgres(PgConnection),
    MariaDb(MySqlConnection),
}

impl Server {
    /// A world on the server of that dialect.
    pub async fn new(dialect: Dialect) -> Self {
        let database = if dialect == Dialect::Postgres { crate::postgres().await } else { crate::mariadb().await };
        let world = WORLDS.iter().find(|(of, _)| *of == dialect).expect("each dialect has a world").1;
        database.execute(world).await;
        let url = database.url();
        let session = if dialect == Dialect::Postgres {
            Session::Postgres(PgConnection::connect(url.as_str()).await.expect("the administrator may connect"))
        } else {
            Session::MariaDb(MySqlConnection::connect(url.as_str()).await.expect("the administrator may connect"))
        };
        let mut server = Self { session, _database: database };
        for (name, value) in session_settings(dialect) {
            server.run(&format!("SET {name} = '{value}'")).await.expect("the room sets it too");
        }
        let limit = if dialect == Dialect::Postgres { "statement_timeout = 2000" } else { "max_statement_time = 2" };
        server.run(&format!("SET {limit}")).await.expect("statements can be limited");
        server
    }

    /// Runs what was called a read, in a transaction that may write, and says what it changed.
    pub async fn judge(&mut self, text: &str) -> Found {
        self.run("START TRANSACTION READ WRITE").await.map_err(|error| format!("failed to begin: {error}"))?;
        let before = self.state().await?;
        // It may well fail: the classifier knows no types.
        let said = self.run(text).await;
        if said.is_err() && matches!(self.session, Session::Postgres(_)) {
            // All of it is taken back; what is not part of a transaction stays to be seen.
            self.run("ROLLBACK").await.map_err(|error| format!("{text:?} ended the session: {error}"))?;
            self.run("START TRANSACTION READ WRITE").await.map_err(|error| format!("failed to begin: {error}"))?;
        }
        let after = self.state().await?;
        self.run("ROLLBACK").await.map_err(|error| format!("failed to roll back: {error}"))?;
        ensure(before == after, || format!("{text:?} is called a read, and made {before} into {after}"))
    }

    async fn run(&mut self, text: &str) -> Result<(), sqlx::Error> {
        match &mut self.session {
            Session::Postgres(session) => session.execute(AssertSqlSafe(text)).await.map(|_| ()),
            Session::MariaDb(session) => session.execute(AssertSqlSafe(text)).await.map(|_| ()),
        }
    }

    async fn state(&mut self) -> Result<String, String> {
        let state = match &mut self.session {
            Session::Postgres(session) => sqlx::query_scalar(POSTGRES_STATE).fetch_one(session).await,
            Session::MariaDb(session) => sqlx::query_scalar(MARIADB_STATE).fetch_one(session).await,
        };
        state.map_err(|error| format!("the state cannot be told: {error}"))
    }
}

/// Runs what was called a read of a SQLite database in memory, with nothing to hold it back.
///
/// # Errors
/// What it changed.
pub fn sqlite(text: &str) -> Found {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime starts")
    });
    let ended = std::thread::scope(|scope| scope.spawn(|| runtime.block_on(judge_sqlite(text))).join());
    ended.expect("judging does not panic")
}

async fn judge_sqlite(text: &str) -> Found {
    let failed = |error: sqlx::Error| format!("no database in memory: {error}");
    let mut database = SqliteConnection::connect("sqlite::memory:").await.map_err(failed)?;
    let world = WORLDS.iter().find(|(of, _)| *of == Dialect::Sqlite).expect("each dialect has a world").1;
    for statement in world {
        database.execute(*statement).await.map_err(failed)?;
    }
    // An endless one is stopped after so many steps.
    let mut steps = 0;
    database.lock_handle().await.map_err(failed)?.set_progress_handler(1_000, move || {
        steps += 1;
        steps < 500
    });
    let before = sqlite_state(&mut database).await?;
    let _ = database.execute(AssertSqlSafe(text)).await;
    database.lock_handle().await.map_err(failed)?.remove_progress_handler();
    let after = sqlite_state(&mut database).await?;
    ensure(before == after, || format!("{text:?} is called a read, and made {before} into {after}"))
}

async fn sqlite_state(database: &mut SqliteConnection) -> Result<String, String> {
    let mut state = Vec::new();
    for question in [
        "SELECT total_changes()",
        "SELECT count(*) FROM sqlite_schema",
        "SELECT count(*) FROM sqlite_temp_schema",
        "SELECT count(*) FROM pragma_database_list",
        "PRAGMA schema_version",
        "PRAGMA user_version",
        "PRAGMA application_id",
        "PRAGMA query_only",
        "PRAGMA foreign_keys",
        "PRAGMA trusted_schema",
        "PRAGMA cache_size",
        "PRAGMA hard_heap_limit",
    ] {
        let row = database.fetch_one(question).await.map_err(|error| format!("{question}: {error}"))?;
        state.push(row.try_get::<i64, _>(0).map_err(|error| format!("{question}: {error}"))?);
    }
    Ok(format!("{state:?}"))
}

/// Statements made of the corpus: a token changed, left out or put in, a call of a harmless function put around one.
pub struct Statements {
    dialect: Dialect,
    random: Random,
    seeds: Vec<Vec<String>>,
    functions: Vec<&'static str>,
}

/// What a token is exchanged for.
const WORDS: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "t",
    "u",
    "s",
    "a",
    "b",
    "1",
    "'x'",
    "'s'",
    "'t'",
    "NULL",
    "(",
    ")",
    ",",
    "*",
    "=",
    "AS",
    "INTO",
    "UPDATE",
    "DELETE",
    "INSERT",
    "FOR",
    "WITH",
    "x",
    "RETURNING",
    "EXPLAIN",
    "ANALYZE",
    "UNION",
    "ALL",
    "LIMIT",
    "ORDER",
    "BY",
    "wipe",
    "wipe()",
    "NEXT",
    "VALUE",
    "SET",
    "@x",
    ":=",
    "::",
    "text",
    "regclass",
    "'DELETE FROM t'",
    "'/etc/hostname'",
    "nextval",
    "CASE",
    "WHEN",
    "END",
    "DISTINCT",
    "LOCK",
    "SHARE",
    "MODE",
    "TABLE",
    "VALUES",
    "ARRAY[1]",
    "||",
    ".",
    ";",
    "--\n",
    "/* */",
    "\"t\"",
    "`t`",
    "DEFAULT",
    "OVER",
    "CAST",
    "INTERVAL",
    "-1",
    "0",
    "current_user",
];

impl Statements {
    /// From `seeds`, always the same for the same `seed`.
    pub fn new(dialect: Dialect, seeds: &[(String, Vec<u8>)], seed: u64) -> Self {
        let seeds = seeds.iter().map(|(_, text)| tokens(&String::from_utf8_lossy(text))).collect();
        let functions = taskhost::fuzzing::harmless_functions(dialect);
        Self { dialect, random: Random::new(seed), seeds, functions }
    }

    /// Every harmless function with a few arguments each.
    pub fn calls(&self) -> Vec<String> {
        const ARGUMENTS: &[&str] = &[
            "",
            "a",
            "b",
            "'s'",
            "1",
            "'t', 's'",
            "b, 'x'",
            "a, 1",
            "'s', 1",
            "n",
            "'DELETE FROM t', 'x'",
            "b, 'x', 'y'",
        ];
        let calls = |name: &&str| -> Vec<String> {
            ARGUMENTS.iter().map(|list| format!("SELECT {name}({list}) FROM t")).collect()
        };
        self.functions.iter().flat_map(calls).collect()
    }

    /// The next text that is called a read: what would run of it.
    pub fn next_reading(&mut self) -> String {
        loop {
            let text = self.mutant();
            if let Ok(passed) = taskhost::fuzzing::reading(self.dialect, &text)
                && passed.parameters == 0
            {
                return passed.text;
            }
        }
    }

    fn mutant(&mut self) -> String {
        let random = &mut self.random;
        let mut tokens = random.pick(&self.seeds).clone();
        for _ in 0..=random.below(3) {
            let at = random.below(tokens.len() + 1);
            let end = (at + random.below(4)).min(tokens.len());
            match random.below(5) {
                0 => drop(tokens.splice(at..end, [(*random.pick(WORDS)).to_owned()])),
                1 => tokens.insert(at, (*random.pick(WORDS)).to_owned()),
                2 => drop(tokens.drain(at..end)),
                3 => {
                    let other = random.pick(&self.seeds);
                    let from = random.below(other.len().max(1)).min(other.len());
                    let to = (from + random.below(8)).min(other.len());
                    drop(tokens.splice(at..end, other[from..to].iter().cloned()));
                }
                _ => {
                    let inner = tokens.get(at).cloned().unwrap_or_else(|| "1".into());
                    let call = format!("{}({inner})", random.pick(&self.functions));
                    drop(tokens.splice(at..(at + 1).min(tokens.len()), [call]));
                }
            }
        }
        tokens.join(" ")
    }
}

/// Words, strings and single characters; near enough for mutations.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let (mut quote, mut word) = (None, false);
    for character in text.chars() {
        let continues = word && (character.is_alphanumeric() || character == '_');
        match (quote, tokens.last_mut()) {
            (Some(end), Some(last)) => {
                last.push(character);
                if character == end {
                    quote = None;
                }
                continue;
            }
            (None, Some(last)) if continues => {
                last.push(character);
                continue;
            }
            _ => {}
        }
        word = character.is_alphanumeric() || character == '_';
        quote = Some(character).filter(|character| matches!(character, '\'' | '"' | '`'));
        if !character.is_whitespace() {
            tokens.push(character.to_string());
        }
    }
    tokens
}
