//! What a plugin says of itself, checked: nothing in it is believed before it passed here.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::bindings::exports::taskhost::host::task as wit;
use crate::policy::text::clean_line;

/// A plugin's own description.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// kebab-case.
    pub name: String,
    /// As the plugin's author numbers it.
    pub version: String,
    /// One line.
    pub summary: String,
    /// In the author's order.
    pub parameters: Vec<Parameter>,
    /// In the author's order.
    pub slots: Vec<Slot>,
    /// Bytes of memory that a run needs, if more than the default.
    pub memory: Option<u64>,
}

/// One parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// kebab-case.
    pub name: String,
    /// Its type.
    pub kind: ParameterType,
    /// One line.
    pub summary: String,
    /// Used when none is given.
    pub default: Option<Value>,
    /// Must be given.
    pub required: bool,
    /// Inclusive.
    pub minimum: Option<f64>,
    /// Inclusive.
    pub maximum: Option<f64>,
}

/// The type of a parameter; see `wit/task.wit`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "wit/task.wit says it")]
pub enum ParameterType {
    Text,
    Integer,
    Number,
    Boolean,
    Duration,
    Size,
    Choice(Vec<String>),
    Texts,
}

/// A parameter's value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "wit/task.wit says it")]
pub enum Value {
    Text(String),
    Integer(i64),
    Number(f64),
    Boolean(bool),
    Duration(u64),
    Size(u64),
    Choice(String),
    Texts(Vec<String>),
}

/// One slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// kebab-case.
    pub name: String,
    /// The room's name; one that this host does not have is kept, and refused when it is needed.
    pub capability: String,
    /// In the room's words.
    pub access: Vec<String>,
    /// A run can do without it.
    pub optional: bool,
    /// What it is for.
    pub why: String,
}

/// The most parameters, and the most slots.
const MOST: usize = 64;
/// The longest name, in bytes.
const NAME_LIMIT: usize = 64;
/// The longest of the other texts, in bytes.
const TEXT_LIMIT: usize = 500;

impl Description {
    /// Checks what a plugin returned from `describe`.
    pub(crate) fn check(raw: wit::Description) -> Result<Self, String> {
        name("name", &raw.name)?;
        if raw.parameters.len() > MOST || raw.slots.len() > MOST {
            return Err(format!("it has more than {MOST} parameters or slots"));
        }
        let mut names = BTreeSet::new();
        let parameters = raw.parameters.into_iter().map(Parameter::check).collect::<Result<Vec<_>, _>>()?;
        if let Some(twice) = parameters.iter().find(|parameter| !names.insert(parameter.name.clone())) {
            return Err(format!("it has two parameters named `{}`", twice.name));
        }
        names.clear();
        let slots = raw.slots.into_iter().map(Slot::check).collect::<Result<Vec<_>, _>>()?;
        if let Some(twice) = slots.iter().find(|slot| !names.insert(slot.name.clone())) {
            return Err(format!("it has two slots named `{}`", twice.name));
        }
        Ok(Self {
            name: raw.name,
            version: clean_line(&raw.version, NAME_LIMIT),
            summary: clean_line(&raw.summary, TEXT_LIMIT),
            parameters,
            slots,
            memory: raw.memory,
        })
    }
}

impl Parameter {
    fn check(raw: wit::Parameter) -> Result<Self, String> {
        name("a parameter's name", &raw.name)?;
        let kind = match raw.kind {
            wit::ParameterType::Text => ParameterType::Text,
            wit::ParameterType::Integer => ParameterType::Integer,
            wit::ParameterType::Number => ParameterType::Number,
            wit::ParameterType::Boolean => ParameterType::Boolean,
            wit::ParameterType::Duration => ParameterType::Duration,
            wit::ParameterType::Size => ParameterType::Size,
            wit::ParameterType::Texts => ParameterType::Texts,
            wit::ParameterType::Choice(words) => {
                if words.is_empty() || words.len() > MOST {
                    return Err(format!("parameter `{}` offers no choice, or more than {MOST}", raw.name));
                }
                for word in &words {
                    name("a choice", word)?;
                }
                ParameterType::Choice(words)
            }
        };
        if [raw.minimum, raw.maximum].into_iter().flatten().any(f64::is_nan) {
            return Err(format!("parameter `{}` has a bound that is no number", raw.name));
        }
        let parameter = Self {
            kind,
            summary: clean_line(&raw.summary, TEXT_LIMIT),
            default: raw.default.map(Value::from),
            required: raw.required,
            minimum: raw.minimum,
            maximum: raw.maximum,
            name: raw.name,
        };
        if let Some(default) = &parameter.default {
            parameter.check_value(default).map_err(|wrong| {
                // It quotes the plugin.
                clean_line(&format!("its own default is refused: {wrong}"), TEXT_LIMIT)
            })?;
        }
        Ok(parameter)
    }
}

impl Slot {
    fn check(raw: wit::Slot) -> Result<Self, String> {
        name("a slot's name", &raw.name)?;
        name("a slot's capability", &raw.capability)?;
        if raw.access.len() > MOST {
            return Err(format!("slot `{}` asks for more than {MOST} kinds of access", raw.name));
        }
        for word in &raw.access {
            name("a word of access", word)?;
        }
        Ok(Self {
            name: raw.name,
            capability: raw.capability,
            access: raw.access,
            optional: raw.optional,
            why: clean_line(&raw.why, TEXT_LIMIT),
        })
    }
}

/// Names are shown, used as flags and as keys: kebab-case, and short.
fn name(what: &str, name: &str) -> Result<(), String> {
    let kebab = name.len() <= NAME_LIMIT
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if kebab {
        return Ok(());
    }
    Err(format!("{what} must be kebab-case and at most {NAME_LIMIT} bytes, not `{}`", clean_line(name, NAME_LIMIT)))
}

impl From<wit::Value> for Value {
    fn from(value: wit::Value) -> Self {
        match value {
            wit::Value::Text(text) => Self::Text(text),
            wit::Value::Integer(number) => Self::Integer(number),
            wit::Value::Number(number) => Self::Number(number),
            wit::Value::Boolean(truth) => Self::Boolean(truth),
            wit::Value::Duration(seconds) => Self::Duration(seconds),
            wit::Value::Size(bytes) => Self::Size(bytes),
            wit::Value::Choice(word) => Self::Choice(word),
            wit::Value::Texts(texts) => Self::Texts(texts),
        }
    }
}

impl From<Value> for wit::Value {
    fn from(value: Value) -> Self {
        match value {
            Value::Text(text) => Self::Text(text),
            Value::Integer(number) => Self::Integer(number),
            Value::Number(number) => Self::Number(number),
            Value::Boolean(truth) => Self::Boolean(truth),
            Value::Duration(seconds) => Self::Duration(seconds),
            Value::Size(bytes) => Self::Size(bytes),
            Value::Choice(word) => Self::Choice(word),
            Value::Texts(texts) => Self::Texts(texts),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description() -> wit::Description {
        wit::Description {
            name: "vacuum".into(),
            version: "1.0.0".into(),
            summary: "vacuums".into(),
            parameters: vec![],
            slots: vec![],
            memory: None,
        }
    }

    fn parameter(name: &str) -> wit::Parameter {
        wit::Parameter {
            name: name.into(),
            kind: wit::ParameterType::Integer,
            summary: "a number".into(),
            default: None,
            required: false,
            minimum: None,
            maximum: None,
        }
    }

    #[test]
    fn a_hostile_description_is_refused() {
        type Spoil = fn(&mut wit::Description);
        let cases: [(&str, Spoil, &str); 8] = [
            ("an empty name", |d| d.name.clear(), "kebab-case"),
            ("a name with an escape", |d| d.name = "\u{1b}[2J".into(), "kebab-case"),
            ("a name that is a path", |d| d.name = "../../etc".into(), "kebab-case"),
            ("a name without end", |d| d.name = "a".repeat(100_000), "at most 64"),
            ("the same parameter twice", |d| d.parameters = vec![parameter("a"), parameter("a")], "two parameters"),
            (
                "a parameter flood",
                |d| d.parameters = (0..100).map(|n| parameter(&format!("p{n}"))).collect(),
                "more than",
            ),
            (
                "a default of another type",
                |d| {
                    d.parameters =
                        vec![wit::Parameter { default: Some(wit::Value::Text("x".into())), ..parameter("a") }];
                },
                "its own default",
            ),
            (
                "a bound that is no number",
                |d| d.parameters = vec![wit::Parameter { minimum: Some(f64::NAN), ..parameter("a") }],
                "no number",
            ),
        ];
        for (case, spoil, message) in cases {
            let mut raw = description();
            spoil(&mut raw);
            let error = Description::check(raw).unwrap_err();
            assert!(error.contains(message), "{case}: {error}");
            assert!(!error.contains('\u{1b}') && error.len() < 500, "{case}: {error}");
        }
        assert!(Description::check(description()).is_ok());
    }

    #[test]
    fn texts_for_people_are_cleaned_not_refused() {
        let raw = wit::Description { summary: "\u{1b}[31mred\n".into(), ..description() };
        assert_eq!(Description::check(raw).unwrap().summary, "\\u{1b}[31mred ");
    }
}
