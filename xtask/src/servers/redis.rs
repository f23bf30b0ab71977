//! A private Redis server, on a port and a Unix socket.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use super::account::Account;
use super::{Server, free_port, own_directory, password};

/// Starts one under `parent` and returns it with the URL of its administrator.
pub(super) fn start(program: &Path, parent: &Path, certificates: &Path) -> anyhow::Result<(Server, String)> {
    let account = Account::of("redis")?;
    let directory = own_directory(parent, "redis", &account, certificates)?;
    let (port, password) = (free_port()?, password()?);
    let shown = directory.display();
    // In a file that only its account reads: every user of the machine sees a command line.
    let settings = directory.join("redis.conf");
    std::fs::write(
        &settings,
        format!(
            "bind 127.0.0.1\nport {port}\ndir {shown}\nunixsocket {shown}/socket\nunixsocketperm 700\n\
             requirepass {password}\n\
             # Each test takes a database of its own.\n\
             databases 1024\n\
             # Nothing here has to outlive a crash.\n\
             save \"\"\nappendonly no\n"
        ),
    )?;
    account.own(&settings, 0o600)?;
    let mut server = account.command(program, "TERM");
    server.arg(&settings);
    let server = Server::start("Redis", server, Signal::TERM, directory.join("log"), || answers(port))?;
    println!("Redis on 127.0.0.1:{port} ({})", program.display());
    Ok((server, format!("redis://:{password}@127.0.0.1:{port}/0")))
}

/// Whether the server answers, be it only that it wants a password.
fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let limited = stream.set_read_timeout(Some(Duration::from_secs(1)));
    limited.is_ok() && stream.write_all(b"PING\r\n").is_ok() && stream.read_exact(&mut [0; 5]).is_ok()
}
