//! What INFO says, looked up by name.

use std::str::FromStr;

use super::InfoField;

/// The fields of INFO, in the server's order. A field that a version does not have is absent, never zero.
///
/// ```
/// use taskhost_sdk::redis::Info;
///
/// let info = Info::parse("# Memory\r\nused_memory:916376\r\n\r\n# Keyspace\r\ndb0:keys=3,expires=1,avg_ttl=0\r\n");
/// assert_eq!(info.number("used_memory"), Some(916_376_u64));
/// assert_eq!(info.number::<u64>("used_memory_scripts"), None);
/// assert_eq!(info.pairs("db0").next(), Some(("keys", "3")));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Info(Vec<InfoField>);

impl Info {
    /// From the fields that the host gives.
    pub fn new(fields: Vec<InfoField>) -> Self {
        Self(fields)
    }

    /// From the text of INFO, for tests.
    pub fn parse(text: &str) -> Self {
        let mut section = String::new();
        let mut fields = Vec::new();
        for line in text.lines().map(str::trim_end) {
            if let Some(name) = line.strip_prefix('#') {
                section = name.trim().to_lowercase();
            } else if let Some((name, value)) = line.split_once(':') {
                fields.push(InfoField { section: section.clone(), name: name.into(), value: value.into() });
            }
        }
        Self(fields)
    }

    /// The fields, in the server's order.
    pub fn fields(&self) -> &[InfoField] {
        &self.0
    }

    /// The value of a field.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|field| field.name == name).map(|field| field.value.as_str())
    }

    /// The value of a field that holds a number; absent too when it holds none.
    pub fn number<T: FromStr>(&self, name: &str) -> Option<T> {
        self.get(name)?.trim_end_matches('%').parse().ok()
    }

    /// Whether a field says yes: `1`. What is absent says no.
    pub fn is_set(&self, name: &str) -> bool {
        self.get(name) == Some("1")
    }

    /// The parts of a field like `ip=10.0.0.2,port=6379,state=online`.
    pub fn pairs(&self, name: &str) -> impl Iterator<Item = (&str, &str)> {
        pairs(self.get(name).unwrap_or_default())
    }

    /// The fields whose names are `prefix` and a number, by that number: `db0`, `slave1`.
    pub fn numbered<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (u32, &'a str)> {
        self.0.iter().filter_map(move |field| {
            let digits = field.name.strip_prefix(prefix)?;
            let number = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
            Some((number, field.value.as_str()))
        })
    }
}

/// `a=1,b=2` in parts.
pub fn pairs(value: &str) -> impl Iterator<Item = (&str, &str)> {
    value.split(',').filter_map(|part| part.split_once('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Server\r\nredis_version:7.0.15\r\nexecutable:/usr/bin/redis:server\r\n\r\n# Memory\r\n\
                        used_memory_dataset_perc:99.50%\r\nmaxmemory:0\r\n\r\n# Keyspace\r\ndb0:keys=1\r\ndb12:keys=2\r\n\
                        dbx:keys=3\r\ndb:keys=4\r\n";

    #[test]
    fn fields_are_found_by_name_in_their_sections() {
        let info = Info::parse(TEXT);
        assert_eq!(info.get("executable"), Some("/usr/bin/redis:server"));
        assert_eq!(info.fields()[2].section, "memory");
        assert_eq!(info.number("used_memory_dataset_perc"), Some(99.5));
        assert_eq!((info.number::<u64>("redis_version"), info.number::<u64>("absent")), (None, None));
        assert!(!info.is_set("maxmemory") && !info.is_set("absent"));
    }

    #[test]
    fn numbered_fields_are_told_from_others_of_the_same_beginning() {
        let info = Info::parse(TEXT);
        assert_eq!(info.numbered("db").collect::<Vec<_>>(), [(0, "keys=1"), (12, "keys=2")]);
        assert_eq!(pairs("a=1,nothing,b=x=y").collect::<Vec<_>>(), [("a", "1"), ("b", "x=y")]);
    }
}
