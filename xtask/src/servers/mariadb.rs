//! A private MariaDB server.

use std::io::Read as _;
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use super::account::Account;
use super::install::MariaDbPrograms;
use super::{Server, free_port, own_directory, password, set_up};

/// Starts one under `parent` and returns it with the URL of its administrator.
pub(super) fn start(
    programs: &MariaDbPrograms,
    parent: &Path,
    certificates: &Path,
) -> anyhow::Result<(Server, String)> {
    let account = Account::of("mysql")?;
    let directory = own_directory(parent, "mariadb", &account, certificates)?;
    let (data, first) = (directory.join("data"), directory.join("first.sql"));
    let (port, password) = (free_port()?, password()?);
    // Run by the server itself before it takes connections: no account without a password is ever reachable.
    std::fs::write(
        &first,
        format!(
            "DELETE FROM mysql.global_priv WHERE User <> 'mariadb.sys';\n\
             FLUSH PRIVILEGES;\n\
             CREATE USER taskhost@'127.0.0.1' IDENTIFIED BY '{password}';\n\
             GRANT ALL ON *.* TO taskhost@'127.0.0.1' WITH GRANT OPTION;\n"
        ),
    )?;
    account.own(&first, 0o600)?;

    let mut install = account.command(&programs.install_db, "KILL");
    install.args(["--no-defaults", "--skip-test-db", "--skip-name-resolve"]);
    install.arg("--auth-root-authentication-method=normal").arg(format!("--datadir={}", data.display()));
    set_up(install)?;

    let mut mariadbd = account.command(&programs.mariadbd, "TERM");
    let shown = directory.display();
    mariadbd.args(["--no-defaults", "--skip-name-resolve", "--skip-log-bin", "--bind-address=127.0.0.1"]);
    mariadbd.args(["--innodb-flush-log-at-trx-commit=0", "--character-set-server=utf8mb4"]);
    mariadbd.arg(format!("--port={port}")).arg(format!("--datadir={}", data.display()));
    mariadbd.arg(format!("--socket={shown}/socket")).arg(format!("--pid-file={shown}/pid"));
    mariadbd.arg(format!("--ssl-cert={shown}/server.pem")).arg(format!("--ssl-key={shown}/server.key"));
    mariadbd.arg(format!("--init-file={}", first.display()));
    let server = Server::start("MariaDB", mariadbd, Signal::TERM, directory.join("log"), || greets(port))?;
    println!("MariaDB on 127.0.0.1:{port} ({})", programs.mariadbd.display());
    Ok((server, format!("mysql://taskhost:{password}@127.0.0.1:{port}/mysql")))
}

/// Whether the server sends its greeting, which it does once it takes connections.
fn greets(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let limited = stream.set_read_timeout(Some(Duration::from_secs(1)));
    limited.is_ok() && stream.read_exact(&mut [0; 5]).is_ok()
}
