//! The account that a server runs under: the caller's own, or, as root, the server's.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

/// Whoever a server runs as.
pub(super) struct Account {
    /// Name, user and group; none is the caller's own.
    other: Option<(String, u32, u32)>,
}

impl Account {
    /// The caller's, or as root `wanted`, else `nobody`.
    pub(super) fn of(wanted: &str) -> anyhow::Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self { other: None });
        }
        let accounts = std::fs::read_to_string("/etc/passwd").context("failed to read /etc/passwd")?;
        let find = |wanted: &str| {
            accounts.lines().find_map(|line| {
                let mut fields = line.split(':');
                let name = fields.next().filter(|name| *name == wanted)?;
                let user = fields.nth(1)?.parse().ok()?;
                Some((name.to_owned(), user, fields.next()?.parse().ok()?))
            })
        };
        let other = find(wanted).or_else(|| find("nobody"));
        other.map(|other| Self { other: Some(other) }).with_context(|| {
            format!("a database server does not run as root, and there is neither an account {wanted} nor nobody")
        })
    }

    /// `program` under this account. Where setpriv is there (on Linux it is), the process also ends when the one that
    /// started it ends in whatever way.
    pub(super) fn command(&self, program: &Path, dies_with: &str) -> Command {
        let mut command = match crate::workspace::program("setpriv", &["/usr/bin".into()]) {
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                if let Some((_, user, group)) = &self.other {
                    command.args([format!("--reuid={user}"), format!("--regid={group}"), "--clear-groups".into()]);
                }
                command.args(["--pdeathsig", dies_with, "--"]).arg(program);
                command
            }
            None => {
                use std::os::unix::process::CommandExt as _;
                let mut command = Command::new(program);
                if let Some((_, user, group)) = self.other {
                    command.uid(user).gid(group);
                }
                command
            }
        };
        command.current_dir("/").env("LC_ALL", "C");
        command
    }

    /// Makes a file or directory this account's, with these permissions.
    pub(super) fn own(&self, path: &Path, mode: u32) -> anyhow::Result<()> {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
        if let Some((name, user, group)) = &self.other {
            chown(path, Some(*user), Some(*group))
                .with_context(|| format!("failed to give {} to {name}", path.display()))?;
        }
        Ok(())
    }
}
