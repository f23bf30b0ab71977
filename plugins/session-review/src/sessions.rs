//! The sessions as each server tells them.

use taskhost_sdk::prelude::*;
use taskhost_sdk::sql::{Database, Dialect};

/// What a server says of its sessions.
pub(crate) struct Review {
    pub(crate) sessions: Vec<Session>,
    /// Connections of clients.
    pub(crate) taken: u32,
    /// As many as there may be.
    pub(crate) most: u32,
    /// What would let this role see what others do, where it does not.
    pub(crate) hidden: Option<String>,
}

/// One of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Session {
    pub(crate) id: i64,
    pub(crate) user: String,
    pub(crate) application: String,
    /// None when it comes through a socket of the machine.
    pub(crate) address: Option<String>,
    pub(crate) superuser: bool,
    /// Since when a transaction does nothing, in seconds.
    pub(crate) idle: Option<u64>,
    /// Since when a statement runs.
    pub(crate) running: Option<u64>,
    /// Since when it waits for the sessions below.
    pub(crate) waiting: Option<u64>,
    pub(crate) blocked_by: Vec<i64>,
}

/// The kind of a session that is hidden is hidden too; a process of the server's own has no user.
const POSTGRES: &str = "
select a.pid::bigint as id, coalesce(a.usename::text, '') as role, coalesce(a.application_name, '') as application,
       host(a.client_addr) as address, coalesce(r.rolsuper, false) as superuser,
       case when a.state like 'idle in transaction%'
            then extract(epoch from clock_timestamp() - a.state_change)::bigint end as idle,
       case when a.state = 'active'
            then extract(epoch from clock_timestamp() - a.query_start)::bigint end as running,
       case when a.wait_event_type = 'Lock'
            then extract(epoch from clock_timestamp() - a.query_start)::bigint end as waiting,
       a.state is null as hidden
from pg_stat_activity a left join pg_roles r on r.oid = a.usesysid
where a.pid <> pg_backend_pid() and coalesce(a.backend_type, 'client backend') = 'client backend'
  and a.usesysid is not null";

/// Who holds what another waits for: of the same thing, and not both for sharing.
const POSTGRES_LOCKS: &str = "
select distinct waits.pid::bigint as waiting, holds.pid::bigint as holding
from pg_locks waits
join pg_locks holds on holds.granted and holds.pid <> waits.pid and holds.locktype = waits.locktype
 and holds.database is not distinct from waits.database and holds.relation is not distinct from waits.relation
 and holds.page is not distinct from waits.page and holds.tuple is not distinct from waits.tuple
 and holds.virtualxid is not distinct from waits.virtualxid
 and holds.transactionid is not distinct from waits.transactionid
 and holds.classid is not distinct from waits.classid and holds.objid is not distinct from waits.objid
where not waits.granted";

const POSTGRES_ROOM: &str = "
select (select count(*) from pg_stat_activity
        where coalesce(backend_type, 'client backend') = 'client backend' and usesysid is not null)::bigint as taken,
       current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint as most,
       current_user::text as role";

const MARIADB: &str = "
select cast(p.id as signed) as id, p.user as role, substring_index(p.host, ':', 1) as address,
       cast(p.time as signed) as seconds, p.command as command,
       cast(timestampdiff(second, x.trx_started, now()) as signed) as started,
       x.trx_state as state, cast(timestampdiff(second, x.trx_wait_started, now()) as signed) as waiting
from information_schema.processlist p left join information_schema.innodb_trx x on x.trx_mysql_thread_id = p.id
where p.id <> connection_id() and p.user not in ('system user', 'event_scheduler') and p.command <> 'Daemon'";

const MARIADB_LOCKS: &str = "
select cast(waits.trx_mysql_thread_id as signed) as waiting, cast(holds.trx_mysql_thread_id as signed) as holding
from information_schema.innodb_lock_waits w
join information_schema.innodb_trx waits on waits.trx_id = w.requesting_trx_id
join information_schema.innodb_trx holds on holds.trx_id = w.blocking_trx_id";

/// None for a file, which has no sessions.
pub(crate) async fn read(database: &Database, dialect: Dialect) -> Result<Option<Review>> {
    match dialect {
        Dialect::Postgres => postgres(database).await.map(Some),
        Dialect::Mariadb | Dialect::Mysql => mariadb(database, dialect).await.map(Some),
        Dialect::Sqlite => Ok(None),
    }
}

async fn postgres(database: &Database) -> Result<Review> {
    let room = database.query_one(POSTGRES_ROOM, &[]).await?;
    let mut hidden = false;
    let mut sessions = Vec::new();
    for row in database.query_all(POSTGRES, &[]).await? {
        hidden |= row.get::<bool>("hidden")?;
        sessions.push(Session {
            id: row.get("id")?,
            user: row.get("role")?,
            application: row.get("application")?,
            address: row.get("address")?,
            superuser: row.get("superuser")?,
            idle: seconds(row.get("idle")?),
            running: seconds(row.get("running")?),
            waiting: seconds(row.get("waiting")?),
            blocked_by: vec![],
        });
    }
    block(&mut sessions, database, POSTGRES_LOCKS).await?;
    let role: String = room.get("role")?;
    Ok(Review {
        sessions,
        taken: small(room.get("taken")?),
        most: small(room.get("most")?),
        hidden: hidden.then(|| format!("GRANT pg_read_all_stats TO {role}")),
    })
}

async fn mariadb(database: &Database, dialect: Dialect) -> Result<Review> {
    let mut hidden = None;
    let rows = match database.query_all(MARIADB, &[]).await {
        Ok(rows) => rows,
        Err(sql::Error::Database(error)) => {
            hidden = Some(format!("GRANT PROCESS ON *.* to this user ({})", error.message));
            vec![]
        }
        Err(error) => return Err(error.into()),
    };
    let supers = "select distinct grantee from information_schema.user_privileges where privilege_type = 'SUPER'";
    let supers: Vec<String> = match database.query_all(supers, &[]).await {
        Ok(rows) => rows.iter().map(|row| row.get(0)).collect::<Result<_>>()?,
        Err(_) => vec![],
    };
    let mut sessions = Vec::new();
    for row in &rows {
        let user: String = row.get("role")?;
        let command: String = row.get("command")?;
        let time = seconds(row.get("seconds")?);
        let started: Option<i64> = row.get("started")?;
        let address: String = row.get("address")?;
        sessions.push(Session {
            id: row.get("id")?,
            superuser: supers.iter().any(|grantee| grantee.starts_with(&format!("'{user}'@"))),
            user,
            application: String::new(),
            address: (address != "localhost").then_some(address),
            // It sleeps, and a transaction is open.
            idle: time.filter(|_| command == "Sleep" && started.is_some()),
            running: time.filter(|_| command == "Query"),
            waiting: seconds(row.get("waiting")?),
            blocked_by: vec![],
        });
    }
    // MySQL keeps its lock waits elsewhere.
    if hidden.is_none() && dialect == Dialect::Mariadb {
        block(&mut sessions, database, MARIADB_LOCKS).await?;
    }
    let taken: i64 = match database
        .query_optional("select cast(variable_value as signed) from information_schema.global_status where variable_name = 'THREADS_CONNECTED'", &[])
        .await?
    {
        Some(row) => row.get(0)?,
        None => i64::try_from(sessions.len() + 1).unwrap_or(i64::MAX),
    };
    let most = "select cast(variable_value as signed) from information_schema.global_variables where variable_name = 'MAX_CONNECTIONS'";
    let most: i64 = database.query_one(most, &[]).await?.get(0)?;
    Ok(Review { sessions, taken: small(taken), most: small(most), hidden })
}

/// Notes who waits for whom.
async fn block(sessions: &mut [Session], database: &Database, statement: &str) -> Result<()> {
    for row in database.query_all(statement, &[]).await? {
        let (waiting, holding): (i64, i64) = (row.get("waiting")?, row.get("holding")?);
        if let Some(session) = sessions.iter_mut().find(|session| session.id == waiting && session.waiting.is_some()) {
            session.blocked_by.push(holding);
        }
    }
    Ok(())
}

fn seconds(number: Option<i64>) -> Option<u64> {
    number.map(|number| u64::try_from(number).unwrap_or_default())
}

fn small(number: i64) -> u32 {
    u32::try_from(number).unwrap_or_default()
}
