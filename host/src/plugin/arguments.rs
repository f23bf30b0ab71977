//! From `NAME=VALUE` as an operator writes it to typed values within the plugin's bounds. Pure.

use super::description::{Description, Parameter, ParameterType, Value};
use super::error::{RequestError, did_you_mean, nearest_word};
use crate::policy::units::{Seconds, Size};

/// The values for a run: what was written, and the defaults of the rest.
///
/// # Errors
/// Every unknown, repeated, missing, malformed and out-of-bounds parameter, together.
pub fn parse(description: &Description, written: &[(String, String)]) -> Result<Vec<(String, Value)>, RequestError> {
    let mut wrong = Vec::new();
    let mut values = Vec::new();
    for (index, (name, text)) in written.iter().enumerate() {
        let Some(parameter) = description.parameters.iter().find(|parameter| parameter.name == *name) else {
            let known = description.parameters.iter().map(|parameter| parameter.name.as_str());
            let list = known.clone().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let all = if list.is_empty() { "it has none".into() } else { format!("it has {list}") };
            wrong.push(format!(
                "{} has no parameter `{name}`{}; {all}",
                description.name,
                did_you_mean(nearest_word(name, known))
            ));
            continue;
        };
        if written.iter().take(index).any(|(other, _)| other == name) {
            wrong.push(format!("parameter `{name}` is given twice"));
            continue;
        }
        match parameter.parse(text) {
            Ok(value) => values.push((name.clone(), value)),
            Err(error) => wrong.push(error),
        }
    }
    for parameter in &description.parameters {
        if written.iter().any(|(name, _)| *name == parameter.name) {
            continue;
        }
        match &parameter.default {
            Some(default) => values.push((parameter.name.clone(), default.clone())),
            None if parameter.required => wrong.push(format!(
                "{} needs the parameter `{}` ({}): add {}={}",
                description.name,
                parameter.name,
                parameter.summary.trim_end_matches('.'),
                parameter.name,
                parameter.kind.example()
            )),
            None => {}
        }
    }
    if wrong.is_empty() { Ok(values) } else { Err(RequestError(wrong)) }
}

impl Parameter {
    fn parse(&self, text: &str) -> Result<Value, String> {
        let refused = |what: &str| format!("parameter `{}`: `{text}` is not {what}", self.name);
        let value = match &self.kind {
            ParameterType::Text => Value::Text(text.into()),
            ParameterType::Integer => Value::Integer(text.parse().map_err(|_| refused("a whole number"))?),
            ParameterType::Number => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Value::Number(number),
                _ => return Err(refused("a number")),
            },
            ParameterType::Boolean => match text {
                "true" | "yes" | "on" => Value::Boolean(true),
                "false" | "no" | "off" => Value::Boolean(false),
                _ => return Err(refused("`true` or `false`")),
            },
            ParameterType::Duration => {
                let Seconds(seconds) = text.parse().map_err(|error| format!("parameter `{}`: {error}", self.name))?;
                Value::Duration(seconds)
            }
            ParameterType::Size => {
                let Size(bytes) = text.parse().map_err(|error| format!("parameter `{}`: {error}", self.name))?;
                Value::Size(bytes)
            }
            ParameterType::Choice(_) => Value::Choice(text.into()),
            ParameterType::Texts => {
                Value::Texts(text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(String::from).collect())
            }
        };
        self.check_value(&value)?;
        Ok(value)
    }

    /// That `value` is of this parameter's type and within its bounds.
    pub(super) fn check_value(&self, value: &Value) -> Result<(), String> {
        let name = &self.name;
        #[expect(clippy::cast_precision_loss, reason = "bounds are compared, not kept")]
        let (number, shown): (f64, fn(f64) -> String) = match (&self.kind, value) {
            // A plugin's own default may be any bits.
            (ParameterType::Number, Value::Number(number)) if !number.is_finite() => {
                return Err(format!("parameter `{name}` must be a number, not {number}"));
            }
            (ParameterType::Integer, Value::Integer(number)) => (*number as f64, |bound| bound.to_string()),
            (ParameterType::Number, Value::Number(number)) => (*number, |bound| bound.to_string()),
            (ParameterType::Duration, Value::Duration(seconds)) => {
                (*seconds as f64, |bound| Seconds(whole(bound)).to_string())
            }
            (ParameterType::Size, Value::Size(bytes)) => (*bytes as f64, |bound| Size(whole(bound)).to_string()),
            (ParameterType::Choice(words), Value::Choice(word)) => {
                if words.contains(word) {
                    return Ok(());
                }
                let list = words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
                let near = did_you_mean(nearest_word(word, words.iter().map(String::as_str)));
                return Err(format!("parameter `{name}`: `{word}` is no choice{near}; there are {list}"));
            }
            (ParameterType::Text, Value::Text(_))
            | (ParameterType::Boolean, Value::Boolean(_))
            | (ParameterType::Texts, Value::Texts(_)) => return Ok(()),
            _ => return Err(format!("parameter `{name}` has a value of another type than its own")),
        };
        if self.minimum.is_some_and(|minimum| number < minimum) || self.maximum.is_some_and(|maximum| number > maximum)
        {
            let range = match (self.minimum, self.maximum) {
                (Some(minimum), Some(maximum)) => format!("between {} and {}", shown(minimum), shown(maximum)),
                (Some(minimum), None) => format!("at least {}", shown(minimum)),
                (None, Some(maximum)) => format!("at most {}", shown(maximum)),
                (None, None) => String::new(),
            };
            return Err(format!("parameter `{name}` must be {range}, not {}", shown(number)));
        }
        Ok(())
    }
}

impl ParameterType {
    /// Its name, for people.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Duration => "duration",
            Self::Size => "size",
            Self::Choice(_) => "choice",
            Self::Texts => "texts",
        }
    }

    fn example(&self) -> &str {
        match self {
            Self::Text => "TEXT",
            Self::Integer | Self::Number => "NUMBER",
            Self::Boolean => "true",
            Self::Duration => "30d",
            Self::Size => "64MiB",
            Self::Choice(words) => words.first().map_or("", String::as_str),
            Self::Texts => "TEXT,TEXT",
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast saturates; shown only")]
fn whole(number: f64) -> u64 {
    number as u64
}

impl std::fmt::Display for Value {
    /// As an operator would write it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) | Self::Choice(text) => f.write_str(text),
            Self::Integer(number) => number.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Boolean(truth) => truth.fmt(f),
            Self::Duration(seconds) => Seconds(*seconds).fmt(f),
            Self::Size(bytes) => Size(*bytes).fmt(f),
            Self::Texts(texts) => f.write_str(&texts.join(",")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(name: &str, kind: ParameterType) -> Parameter {
        Parameter {
            name: name.into(),
            kind,
            summary: "what it is.".into(),
            default: None,
            required: false,
            minimum: None,
            maximum: None,
        }
    }

    fn description() -> Description {
        Description {
            name: "cert-check".into(),
            version: "1".into(),
            summary: String::new(),
            parameters: vec![
                Parameter {
                    default: Some(Value::Integer(30)),
                    minimum: Some(1.0),
                    maximum: Some(3650.0),
                    ..parameter("warn-days", ParameterType::Integer)
                },
                Parameter { required: true, minimum: Some(3600.0), ..parameter("older-than", ParameterType::Duration) },
                parameter("format", ParameterType::Choice(vec!["pem".into(), "der".into()])),
            ],
            slots: vec![],
            memory: None,
        }
    }

    fn parse_words(words: &str) -> Result<String, String> {
        let written: Vec<_> = words
            .split_whitespace()
            .map(|word| word.split_once('=').unwrap())
            .map(|(n, v)| (n.into(), v.into()))
            .collect();
        parse(&description(), &written)
            .map(|values| values.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_written_is_typed_and_the_rest_is_default() {
        assert_eq!(parse_words("older-than=30d"), Ok("older-than=30d warn-days=30".into()));
        assert_eq!(
            parse_words("older-than=2h warn-days=5 format=der"),
            Ok("older-than=2h warn-days=5 format=der".into())
        );
    }

    #[test]
    fn each_mistake_is_named_with_the_way_out() {
        for (words, message) in [
            ("", "cert-check needs the parameter `older-than` (what it is): add older-than=30d"),
            (
                "older-than=1d warn-dais=3",
                "has no parameter `warn-dais` (did you mean `warn-days`?); it has `warn-days`",
            ),
            ("older-than=1d warn-days=soon", "parameter `warn-days`: `soon` is not a whole number"),
            ("older-than=1d warn-days=0", "parameter `warn-days` must be between 1 and 3650, not 0"),
            ("older-than=1m", "parameter `older-than` must be at least 1h, not 1m"),
            ("older-than=1y", "parameter `older-than`: `1y` is not a duration; write it like 90s"),
            ("older-than=1d format=pen", "`pen` is no choice (did you mean `pem`?); there are `pem`, `der`"),
            ("older-than=1d older-than=2d", "parameter `older-than` is given twice"),
        ] {
            let error = parse_words(words).unwrap_err();
            assert!(error.contains(message), "{words}: {error}");
        }
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        assert_eq!(parse_words("warn-days=0 x=1").unwrap_err().lines().count(), 3);
    }
}
