//! From what an operator wrote (`database=sqlite:app.db,maintain,lock-timeout=5s`) to a room's grant.

use std::collections::BTreeMap;
use std::fmt;

use super::Room;

/// What binds a slot: a target, words of access, and settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// What the slot stands for; may hold a credential.
    pub target: Secret,
    /// Words of access and settings, as a table the room reads its grant from.
    pub settings: toml::Table,
    /// The settings that hold a credential ([`Room::SECRETS`]), looked up.
    pub secrets: BTreeMap<String, Vec<Secret>>,
}

/// A text that may hold a credential: shown by no output, log or `Debug`.
#[derive(Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the client library that needs it and for nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Why a slot could not be bound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum BindingError {
    #[error("there is no capability `{capability}`; there are {}", super::ROOMS.iter().map(|room| format!("`{}`", room.name)).collect::<Vec<_>>().join(", "))]
    UnknownCapability { capability: String },
    #[error("--{room} {written}: write it as SLOT={target}[,ACCESS|KEY=VALUE]...")]
    Form { room: String, written: String, target: &'static str },
    #[error("slot `{slot}`: the environment variable {name} is not set")]
    NoVariable { slot: String, name: String },
    #[error("slot `{slot}`: failed to read the credential file {path}: {error}")]
    NoFile { slot: String, path: String, error: String },
    #[error("slot `{slot}` is bound twice; a {room} slot stands for one target")]
    Twice { slot: String, room: &'static str },
    #[error("slot `{slot}`: {message}")]
    Invalid { slot: String, message: String },
}

impl Binding {
    /// Reads `SLOT=TARGET[,ACCESS|KEY=VALUE]...`. A comma inside a part is written `%2C`. `env:NAME` and `file:PATH`
    /// as a target, or in a setting that holds a credential, stand for what they hold; `variable` and `file` look them
    /// up.
    ///
    /// # Errors
    /// A text that is not of that form, and a credential that is not there.
    pub fn parse(
        room: &super::RoomWords,
        written: &str,
        variable: impl Fn(&str) -> Option<String>,
        file: impl Fn(&str) -> std::io::Result<String>,
    ) -> Result<(String, Self), BindingError> {
        let form = || BindingError::Form {
            room: room.name.into(),
            written: written.split_once('=').map_or(written, |(slot, _)| slot).into(),
            target: room.target,
        };
        let (slot, rest) = written.split_once('=').ok_or_else(form)?;
        let mut parts = rest.split(',').map(|part| part.replace("%2C", ",").replace("%2c", ","));
        let target = parts.next().filter(|target| !target.is_empty()).ok_or_else(form)?;
        if slot.is_empty() {
            return Err(form());
        }
        let looked_up = |text: &str| {
            if let Some(name) = text.strip_prefix("env:") {
                variable(name).ok_or_else(|| BindingError::NoVariable { slot: slot.into(), name: name.into() })
            } else if let Some(path) = text.strip_prefix("file:") {
                file(path).map(|text| text.trim_end_matches(['\r', '\n']).to_owned()).map_err(|error| {
                    BindingError::NoFile { slot: slot.into(), path: path.into(), error: error.to_string() }
                })
            } else {
                Ok(text.into())
            }
        };
        let target = looked_up(&target)?;
        let mut secrets: BTreeMap<String, Vec<Secret>> = BTreeMap::new();
        let mut settings = toml::Table::new();
        for part in parts {
            // A credential with a comma that is not written as %2C was cut there: what is no word is not shown.
            let name = part.split_once('=').map_or(part.as_str(), |(key, _)| key);
            let word = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '-');
            let cut = part == name && !secrets.is_empty() && !room.access.contains(&name);
            if !word || cut {
                let message = "what follows the target is access and KEY=VALUE, in lower-case words; \
                               a comma inside a target or a value is written %2C";
                return Err(BindingError::Invalid { slot: slot.into(), message: message.into() });
            }
            match part.split_once('=') {
                Some((key, value)) if room.secrets.contains(&key) => {
                    let (plain, rest) = parted(value);
                    let secret = Secret::new(format!("{plain}{}", looked_up(rest)?));
                    secrets.entry(key.into()).or_default().push(secret);
                    None
                }
                Some((key, value)) => match settings.remove(key) {
                    None => settings.insert(key.into(), value.into()),
                    Some(toml::Value::Array(mut values)) => {
                        values.push(value.into());
                        settings.insert(key.into(), values.into())
                    }
                    Some(first) => settings.insert(key.into(), toml::Value::Array(vec![first, value.into()])),
                },
                None => {
                    match settings.entry("access").or_insert_with(|| toml::Value::Array(vec![])) {
                        toml::Value::Array(words) => words.push(part.into()),
                        other => *other = toml::Value::Array(vec![other.clone(), part.into()]),
                    }
                    None
                }
            };
        }
        Ok((slot.into(), Self { target: Secret::new(target), settings, secrets }))
    }
}

/// A setting that holds a credential, in what stands there plainly and what is looked up: `env:NAME` and `file:PATH` are
/// the whole value, or all after its first colon (`X-Api-Key:env:KEY`).
pub fn parted(value: &str) -> (&str, &str) {
    let refers = |text: &str| text.starts_with("env:") || text.starts_with("file:");
    match value.split_once(':') {
        Some((plain, rest)) if !refers(value) && refers(rest) => value.split_at(plain.len() + 1),
        _ => ("", value),
    }
}

/// The grant that `bindings` of one slot make together. The first word of access is always in it.
pub(super) fn grant<R: Room>(slot: &str, bindings: Vec<Binding>) -> Result<R::Grant, BindingError> {
    let invalid = |message: String| BindingError::Invalid { slot: slot.into(), message };
    if bindings.len() > 1 && !R::SEVERAL_TARGETS {
        return Err(BindingError::Twice { slot: slot.into(), room: R::NAME });
    }
    let mut table = toml::Table::new();
    let mut targets = Vec::new();
    for binding in bindings {
        targets.push(toml::Value::from(binding.target.expose()));
        let secrets = binding.secrets.into_iter().map(|(key, values)| {
            let mut values = values.iter().map(|value| toml::Value::from(value.expose()));
            let value = if values.len() == 1 { values.next() } else { None };
            (key, value.unwrap_or_else(|| toml::Value::Array(values.collect())))
        });
        for (key, value) in binding.settings.into_iter().chain(secrets) {
            // A setting that is given with several of a slot's targets holds for the slot: all of its values do.
            let value = match (table.remove(&key), value) {
                (None, value) => value,
                (Some(earlier), value) => {
                    let list = |value| match value {
                        toml::Value::Array(values) => values,
                        single => vec![single],
                    };
                    toml::Value::Array(list(earlier).into_iter().chain(list(value)).collect())
                }
            };
            table.insert(key, value);
        }
    }
    let target =
        if R::SEVERAL_TARGETS { toml::Value::Array(targets) } else { targets.pop().unwrap_or_else(|| "".into()) };
    R::expand(&mut table).map_err(invalid)?;
    table.insert("target".into(), target);
    let access = table.entry("access").or_insert_with(|| toml::Value::Array(vec![]));
    if let (toml::Value::Array(words), Some(first)) = (access, R::ACCESS.first()) {
        for word in words.iter().filter_map(toml::Value::as_str) {
            if !R::ACCESS.contains(&word) {
                return Err(invalid(format!(
                    "`{word}` is no access of {}; there are {}, and settings are written KEY=VALUE",
                    R::NAME,
                    R::ACCESS.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
                )));
            }
        }
        words.push((*first).into());
    }
    // The error of a value could quote the target: only its first line, which names the field, is passed on.
    let grant = R::Grant::deserialize(toml::Value::Table(table))
        .map_err(|error| invalid(error.message().lines().next().unwrap_or_default().to_owned()))?;
    R::check(&grant).map_err(invalid)?;
    Ok(grant)
}

use serde::Deserialize as _;

/// One text or several: `table = "a"`, `table = ["a", "b"]`, or a flag's setting given once or more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OneOrMany(pub Vec<String>);

impl<'de> serde::Deserialize<'de> for OneOrMany {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = OneOrMany;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany(vec![text.into()]))
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<OneOrMany, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = list.next_element()? {
                    texts.push(text);
                }
                Ok(OneOrMany(texts))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::room;

    fn parse(written: &str) -> Result<(String, Binding), BindingError> {
        Binding::parse(
            room("sql").unwrap(),
            written,
            |name| (name == "DATABASE_URL").then(|| "postgres://u:p@h/d".into()),
            |path| {
                if path == "/secret" { Ok("postgres://f\n".into()) } else { Err(std::io::ErrorKind::NotFound.into()) }
            },
        )
    }

    #[test]
    fn a_binding_is_a_target_then_words_and_settings() {
        let (slot, binding) = parse("database=sqlite:a%2Cb.db,maintain,table=x,table=y,lock-timeout=5s").unwrap();
        assert_eq!((slot.as_str(), binding.target.expose()), ("database", "sqlite:a,b.db"));
        assert_eq!(
            binding.settings.to_string(),
            "access = [\"maintain\"]\nlock-timeout = \"5s\"\ntable = [\"x\", \"y\"]\n"
        );
    }

    #[test]
    fn credentials_come_from_a_variable_or_a_file() {
        assert_eq!(parse("d=env:DATABASE_URL").unwrap().1.target.expose(), "postgres://u:p@h/d");
        assert_eq!(parse("d=file:/secret").unwrap().1.target.expose(), "postgres://f");
        assert_eq!(
            parse("d=env:NOT_SET").unwrap_err().to_string(),
            "slot `d`: the environment variable NOT_SET is not set"
        );
        assert!(parse("d=file:/none").unwrap_err().to_string().starts_with("slot `d`: failed to read"));
    }

    #[test]
    fn a_setting_that_holds_a_credential_is_looked_up_and_hidden() {
        let written = "api=http://h,bearer=env:TOKEN,header=X-Key:file:/key,header=X-Plain:a%2Cb,basic=u:env:TOKEN";
        let variable = |name: &str| (name == "TOKEN").then(|| "t0ken".to_owned());
        let (_, binding) = Binding::parse(room("http").unwrap(), written, variable, |_| Ok("k3y\n".into())).unwrap();
        let all = |key: &str| binding.secrets[key].iter().map(|secret| secret.expose().to_owned()).collect::<Vec<_>>();
        assert_eq!(all("bearer"), ["t0ken"]);
        assert_eq!(all("header"), ["X-Key:k3y", "X-Plain:a,b"]);
        assert_eq!(all("basic"), ["u:t0ken"]);
        assert!(binding.settings.is_empty());
        let shown = format!("{binding:?}");
        assert!(!shown.contains("t0ken") && !shown.contains("k3y"), "{shown}");
    }

    #[test]
    fn a_credential_that_a_comma_cut_is_not_quoted() {
        let parse = |written: &str| Binding::parse(room("http").unwrap(), written, |_| None, |_| Ok(String::new()));
        let error = parse("api=http://h,basic=user:half,otherhalf").unwrap_err().to_string();
        assert!(!error.contains("half") && error.contains("%2C"), "{error}");
        let error = parse("api=http://h,bearer=env:T").unwrap_err().to_string();
        assert_eq!(error, "slot `api`: the environment variable T is not set");
    }

    #[test]
    fn a_malformed_binding_is_named_without_its_target() {
        for written in ["database", "=x", "database=", "database=,read"] {
            let message = parse(written).unwrap_err().to_string();
            assert!(message.contains("write it as SLOT="), "{written}: {message}");
        }
    }

    #[test]
    fn a_secret_does_not_show_itself() {
        let (_, binding) = parse("d=postgres://user:hunter2@host/db").unwrap();
        assert!(!format!("{binding:?}").contains("hunter2"));
    }
}
