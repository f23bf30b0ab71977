//! Where a slot's server is, read from its URL. No message here shows the password. Pure.

use std::fmt;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use url::Url;

use crate::capability::Secret;

/// One server and database, and who asks. Two that are equal share connections.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) address: Address,
    pub(super) tls: bool,
    /// Roots to trust beside the system's.
    pub(super) ca: Option<PathBuf>,
    pub(super) user: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) database: u32,
}

/// How a server is reached.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Address {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

const FORMS: &str = "write it as redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], rediss://... for TLS, or \
                     unix:/PATH/TO/SOCKET[?db=DATABASE]";

impl Target {
    /// Reads a URL: `redis:`, `rediss:`, `unix:` or `redis+unix:`. The user and the password may be percent-encoded.
    pub(super) fn parse(written: &Secret, ca: Option<PathBuf>) -> Result<Self, String> {
        let url = Url::parse(written.expose()).map_err(|error| {
            format!("the target's URL is malformed ({error}); {FORMS}, with @ : / # in a password percent-encoded")
        })?;
        let unix = matches!(url.scheme(), "unix" | "redis+unix");
        if !unix && !matches!(url.scheme(), "redis" | "rediss") {
            return Err(format!("that target is no Redis server; {FORMS}"));
        }
        if url.fragment().is_some() {
            return Err(format!("the target has a part after `#`, which would be ignored; {FORMS}"));
        }
        let (mut user, mut password) = (decoded(url.username())?, url.password().map(decoded).transpose()?);
        let mut database = None;
        if !unix {
            database = Some(url.path().trim_start_matches('/').to_owned()).filter(|path| !path.is_empty());
        }
        for (key, value) in url.query_pairs() {
            match &*key {
                "db" if unix => database = Some(value.into_owned()),
                "user" if unix => user = value.into_owned(),
                "pass" | "password" if unix => password = Some(value.into_owned()),
                _ => return Err(format!("the target's URL has the setting `{key}`, which is none; {FORMS}")),
            }
        }
        let database = match database {
            None => 0,
            Some(number) => number.parse().map_err(|_| format!("the target's database is no number; {FORMS}"))?,
        };
        let address = if unix {
            if url.host_str().is_some_and(|host| !host.is_empty()) || !url.path().starts_with('/') {
                return Err(format!("the target's socket is no absolute path; {FORMS}"));
            }
            Address::Unix(decoded(url.path())?.into())
        } else {
            let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
            if host.is_empty() {
                return Err(format!("the target names no host; {FORMS}"));
            }
            Address::Tcp { host: host.into(), port: url.port().unwrap_or(6379) }
        };
        let tls = url.scheme() == "rediss";
        if ca.is_some() && !tls {
            return Err("ca= is for TLS; write the target as rediss://...".into());
        }
        Ok(Self {
            address,
            tls,
            ca,
            user: (!user.is_empty()).then_some(user),
            password: password.filter(|password| !password.is_empty()).map(Secret::new),
            database,
        })
    }
}

fn decoded(text: &str) -> Result<String, String> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(Into::into).map_err(|_| format!("the target's URL is not UTF-8 once it is decoded; {FORMS}"))
}

impl fmt::Display for Target {
    /// For people: without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
        match &self.address {
            Address::Tcp { host, port } => {
                let scheme = if self.tls { "rediss" } else { "redis" };
                let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
                write!(f, "{scheme}://{user}{host}:{port}/{}", self.database)
            }
            Address::Unix(path) => write!(f, "unix:{}?db={}", path.display(), self.database),
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(written: &str) -> Result<Target, String> {
        Target::parse(&Secret::new(written), None)
    }

    #[test]
    fn urls_name_a_server_a_database_and_a_user() {
        for (written, shown, password) in [
            ("redis://cache", "redis://cache:6379/0", None),
            ("redis://cache:7000/3", "redis://cache:7000/3", None),
            ("redis://:p%40ss@cache", "redis://cache:6379/0", Some("p@ss")),
            ("rediss://me:s3cret@cache/1", "rediss://me@cache:6379/1", Some("s3cret")),
            ("redis://[::1]:7000", "redis://[::1]:7000/0", None),
            ("unix:/run/redis.sock", "unix:/run/redis.sock?db=0", None),
            ("unix:///run/redis.sock?db=2", "unix:/run/redis.sock?db=2", None),
            ("redis+unix:///run/redis.sock?user=me&pass=x&db=1", "unix:/run/redis.sock?db=1", Some("x")),
        ] {
            let target = parse(written).unwrap();
            assert_eq!(target.to_string(), shown, "{written}");
            assert_eq!(target.password.as_ref().map(Secret::expose), password, "{written}");
        }
    }

    #[test]
    fn a_target_that_makes_no_sense_says_what_to_write_and_no_password() {
        for (written, message) in [
            ("cache:6379", "is no Redis server"),
            ("http://u:hunter2@cache", "is no Redis server"),
            ("redis://u:hunter2@:6379", "malformed"),
            ("redis:///0", "names no host"),
            ("redis://u:hunter2@cache/first", "database is no number"),
            ("rediss://u:hunter2@cache/#insecure", "after `#`"),
            ("redis://u:hunter2@cache/?db=1", "the setting `db`"),
            ("unix:redis.sock", "no absolute path"),
            ("unix://host/redis.sock", "no absolute path"),
        ] {
            let error = parse(written).unwrap_err();
            assert!(error.contains(message), "{written}: {error}");
            assert!(error.contains("write it as redis://") && !error.contains("hunter2"), "{written}: {error}");
        }
        let ca = Target::parse(&Secret::new("redis://cache"), Some("/ca.pem".into()));
        assert!(ca.unwrap_err().contains("rediss://"));
    }
}
