//! The texts that a server answers with, taken apart. Pure.

use super::bindings::{InfoField, Product, Role, Server};

/// The lines of INFO.
pub(super) fn parse(text: &str) -> Vec<InfoField> {
    let mut section = String::new();
    let mut fields = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('#') {
            section = name.trim().to_ascii_lowercase();
        } else if let Some((name, value)) = line.split_once(':') {
            fields.push(InfoField { section: section.clone(), name: name.into(), value: value.into() });
        }
    }
    fields
}

/// The value of a field.
pub(super) fn field<'a>(fields: &'a [InfoField], name: &str) -> Option<&'a str> {
    fields.iter().find(|field| field.name == name).map(|field| field.value.as_str())
}

/// What a server is, from its sections `server` and `replication`.
pub(super) fn server(fields: &[InfoField], database: u32) -> Server {
    let named = [("valkey_version", Product::Valkey), ("dragonfly_version", Product::Other)];
    let named = named.into_iter().find_map(|(name, product)| Some((product, field(fields, name)?)));
    let (product, version) = named.unwrap_or_else(|| match field(fields, "redis_version") {
        Some(version) if field(fields, "redis_mode").is_some() => (Product::Redis, version),
        Some(version) => (Product::Other, version),
        None => (Product::Other, ""),
    });
    let role = match field(fields, "role") {
        Some("slave" | "replica") => Role::Replica,
        _ => Role::Master,
    };
    Server { product, version: version.into(), version_number: number(version), role, database }
}

/// `7.0.15` as 70015. What is no number counts as none.
fn number(version: &str) -> u32 {
    let mut parts = version.trim_start_matches('v').split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0).min(999);
    next() * 10_000 + next().min(99) * 100 + next().min(99)
}

/// What must stay the same for a walk over the keys to be a whole one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    run: String,
    replica: bool,
}

impl Identity {
    /// Of the server that gave these sections.
    pub(super) fn of(fields: &[InfoField]) -> Self {
        Self {
            run: field(fields, "run_id").unwrap_or_default().into(),
            replica: matches!(field(fields, "role"), Some("slave" | "replica")),
        }
    }

    /// What happened between this and `later`.
    pub(super) fn change(&self, later: &Self) -> Option<&'static str> {
        match () {
            () if self.run != later.run => Some("the server was restarted, or another took its place"),
            () if self.replica != later.replica && later.replica => Some("the server became a replica of another"),
            () if self.replica != later.replica => Some("the server became the master"),
            () => None,
        }
    }
}

/// The lines of CLIENT LIST. A value can be empty, and holds no space.
pub(super) fn clients(text: &str) -> Vec<Vec<(String, String)>> {
    let pair = |word: &str| word.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    text.lines().filter(|line| !line.is_empty()).map(|line| line.split(' ').filter_map(pair).collect()).collect()
}

/// Whether a setting of CONFIG GET holds a password or a key.
pub(super) fn is_secret(setting: &str) -> bool {
    let setting = setting.to_ascii_lowercase();
    let about = ["pass", "secret", "token", "credential", "masterauth", "primaryauth", "auth-key"];
    about.iter().any(|word| setting.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REDIS: &str = "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\nrun_id:abc\r\n\r\n\
                         # Replication\r\nrole:slave\r\nmaster_host:a:b\r\n";

    #[test]
    fn every_line_is_a_field_of_its_section() {
        let fields = parse(REDIS);
        let last = fields.last().unwrap();
        assert_eq!((&*last.section, &*last.name, &*last.value), ("replication", "master_host", "a:b"));
        assert_eq!(fields.len(), 5);
    }

    #[test]
    fn redis_valkey_and_others_are_told_apart() {
        for (text, product, version, number) in [
            (REDIS, Product::Redis, "7.0.15", 70_015),
            ("redis_version:6.0.16\r\nredis_mode:standalone\r\n", Product::Redis, "6.0.16", 60_016),
            (
                "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.1\r\nredis_mode:standalone\r\n",
                Product::Valkey,
                "8.1.1",
                80_101,
            ),
            ("redis_version:7.4.0\r\ndragonfly_version:v1.2.3\r\n", Product::Other, "v1.2.3", 10_203),
            ("redis_version:8.0-rc1\r\nredis_mode:standalone\r\n", Product::Redis, "8.0-rc1", 80_000),
            ("", Product::Other, "", 0),
        ] {
            let server = server(&parse(text), 3);
            assert_eq!((server.product, &*server.version, server.version_number), (product, version, number), "{text}");
            assert_eq!(server.database, 3);
        }
        assert_eq!(server(&parse(REDIS), 0).role, Role::Replica);
    }

    #[test]
    fn a_restart_and_a_failover_are_seen() {
        let identity = |run: &str, role: &str| Identity::of(&parse(&format!("run_id:{run}\r\nrole:{role}\r\n")));
        let before = identity("a", "master");
        assert_eq!(before.change(&identity("a", "master")), None);
        assert!(before.change(&identity("b", "master")).unwrap().contains("restarted"));
        assert!(before.change(&identity("a", "slave")).unwrap().contains("became a replica"));
        assert!(identity("a", "slave").change(&before).unwrap().contains("became the master"));
    }

    #[test]
    fn clients_are_pairs_in_their_order() {
        let clients = clients("id=3 addr=127.0.0.1:5 name= cmd=client|list\nid=4 addr=[::1]:6 name=x=y\n");
        let pairs =
            |line: &[(String, String)]| line.iter().map(|(n, v)| format!("{n}:{v}")).collect::<Vec<_>>().join(" ");
        assert_eq!(pairs(&clients[0]), "id:3 addr:127.0.0.1:5 name: cmd:client|list");
        assert_eq!(pairs(&clients[1]), "id:4 addr:[::1]:6 name:x=y");
    }

    #[test]
    fn secrets_are_known_by_their_names() {
        for (setting, secret) in [
            ("requirepass", true),
            ("masterauth", true),
            ("primaryauth", true),
            ("tls-key-file-pass", true),
            ("tls-client-key-file-pass", true),
            ("search.OSS_GLOBAL_PASSWORD", true),
            ("maxmemory", false),
            ("tls-auth-clients", false),
            ("acl-pubsub-default", false),
        ] {
            assert_eq!(is_secret(setting), secret, "{setting}");
        }
    }
}
