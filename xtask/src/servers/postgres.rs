//! A private PostgreSQL server.

use std::path::Path;

use rustix::process::Signal;

use super::account::Account;
use super::install::PostgresPrograms;
use super::{Server, free_port, own_directory, password, set_up};

/// Starts one under `parent` and returns it with the URL of its superuser.
pub(super) fn start(
    programs: &PostgresPrograms,
    parent: &Path,
    certificates: &Path,
) -> anyhow::Result<(Server, String)> {
    let account = Account::of("postgres")?;
    let directory = own_directory(parent, "postgres", &account, certificates)?;
    let (data, secret) = (directory.join("data"), directory.join("password"));
    let (port, password) = (free_port()?, password()?);
    std::fs::write(&secret, &password)?;
    account.own(&secret, 0o600)?;

    let mut initdb = account.command(&programs.initdb, "KILL");
    initdb.args(["--username=taskhost", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]);
    set_up({
        initdb.arg("--pgdata").arg(&data).arg("--pwfile").arg(&secret);
        initdb
    })?;
    let shown = directory.display();
    let settings = format!(
        "listen_addresses = '127.0.0.1'\n\
         port = {port}\n\
         unix_socket_directories = ''\n\
         max_connections = 100\n\
         # Tests look at replication slots and prepared transactions, and at what they hold back.\n\
         wal_level = logical\n\
         max_prepared_transactions = 4\n\
         # And at what statements cost.\n\
         shared_preload_libraries = 'pg_stat_statements'\n\
         ssl = on\n\
         ssl_cert_file = '{shown}/server.pem'\n\
         ssl_key_file = '{shown}/server.key'\n\
         # Nothing here has to outlive a crash.\n\
         fsync = off\n\
         synchronous_commit = off\n\
         full_page_writes = off\n"
    );
    let file = data.join("postgresql.conf");
    std::fs::write(&file, settings)?;
    account.own(&file, 0o600)?;

    let mut postgres = account.command(&programs.postgres, "QUIT");
    postgres.arg("-D").arg(&data);
    let state = data.join("postmaster.pid");
    // The eighth line of its state file says when it takes connections.
    let ready =
        || std::fs::read_to_string(&state).is_ok_and(|state| state.lines().nth(7).is_some_and(|s| s.trim() == "ready"));
    let server = Server::start("PostgreSQL", postgres, Signal::INT, directory.join("log"), ready)?;
    println!("PostgreSQL on 127.0.0.1:{port} ({})", programs.postgres.display());
    Ok((server, format!("postgres://taskhost:{password}@127.0.0.1:{port}/postgres")))
}
