//! Whatever a plugin says of itself is refused, or can be shown: in one line each, without a character that a terminal
//! obeys, of a bounded length; and comes back from the cache as it was.

use arbitrary::{Arbitrary, Unstructured};
use serde::Deserialize;
use taskhost::fuzzing::{describe, inspect, task};
use taskhost::plugin::{Description, arguments};

use super::{Found, ensure, is_treacherous};

/// The most that `host inspect` may print of any plugin.
const MOST: usize = 1 << 20;

/// A text of a description. Half of those made of bytes are names, which most checks stand behind.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
struct Text(String);

impl<'a> Arbitrary<'a> for Text {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        const LETTERS: &[u8; 16] = b"abcdefghijklm-09";
        if bytes.arbitrary()? {
            return bytes.arbitrary().map(Self);
        }
        let length = bytes.int_in_range(0..=9)?;
        let rest = (0..length).map(|_| bytes.choose(LETTERS).map(|letter| char::from(*letter)));
        let rest = rest.collect::<arbitrary::Result<String>>()?;
        Ok(Self(format!("n{rest}x")))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Raw {
    name: Text,
    version: Text,
    summary: Text,
    parameters: Vec<Parameter>,
    slots: Vec<Slot>,
    memory: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Parameter {
    name: Text,
    kind: Kind,
    summary: Text,
    default: Option<Value>,
    required: bool,
    minimum: Option<f64>,
    maximum: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    #[default]
    Text,
    Integer,
    Number,
    Boolean,
    Duration,
    Size,
    Choice(Vec<Text>),
    Texts,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Value {
    Text(Text),
    Integer(i64),
    Number(f64),
    Boolean(bool),
    Duration(u64),
    Size(u64),
    Choice(Text),
    Texts(Vec<Text>),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Slot {
    name: Text,
    capability: Text,
    access: Vec<Text>,
    optional: bool,
    why: Text,
}

/// Each field from the bytes that are left. (Deriving it is a feature of `arbitrary`, with which most dependencies would
/// be built a second time.)
macro_rules! from_bytes {
    ($($name:ident { $($field:ident),* })*) => {$(
        impl<'a> Arbitrary<'a> for $name {
            fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
                Ok(Self { $($field: bytes.arbitrary()?),* })
            }
        }
    )*};
}

from_bytes! {
    Raw { name, version, summary, parameters, slots, memory }
    Parameter { name, kind, summary, default, required, minimum, maximum }
    Slot { name, capability, access, optional, why }
}

impl<'a> Arbitrary<'a> for Kind {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(match bytes.int_in_range(0..=7)? {
            0 => Self::Text,
            1 => Self::Integer,
            2 => Self::Number,
            3 => Self::Boolean,
            4 => Self::Duration,
            5 => Self::Size,
            6 => Self::Choice(bytes.arbitrary()?),
            _ => Self::Texts,
        })
    }
}

impl<'a> Arbitrary<'a> for Value {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(match bytes.int_in_range(0..=7)? {
            0 => Self::Text(bytes.arbitrary()?),
            1 => Self::Integer(bytes.arbitrary()?),
            2 => Self::Number(bytes.arbitrary()?),
            3 => Self::Boolean(bytes.arbitrary()?),
            4 => Self::Duration(bytes.arbitrary()?),
            5 => Self::Size(bytes.arbitrary()?),
            6 => Self::Choice(bytes.arbitrary()?),
            _ => Self::Texts(bytes.arbitrary()?),
        })
    }
}

impl From<Raw> for task::Description {
    fn from(raw: Raw) -> Self {
        Self {
            name: raw.name.0,
            version: raw.version.0,
            summary: raw.summary.0,
            parameters: raw.parameters.into_iter().map(task::Parameter::from).collect(),
            slots: raw.slots.into_iter().map(task::Slot::from).collect(),
            memory: raw.memory,
        }
    }
}

impl From<Parameter> for task::Parameter {
    fn from(raw: Parameter) -> Self {
        Self {
            name: raw.name.0,
            kind: match raw.kind {
                Kind::Text => task::ParameterType::Text,
                Kind::Integer => task::ParameterType::Integer,
                Kind::Number => task::ParameterType::Number,
                Kind::Boolean => task::ParameterType::Boolean,
                Kind::Duration => task::ParameterType::Duration,
                Kind::Size => task::ParameterType::Size,
                Kind::Choice(words) => task::ParameterType::Choice(texts(words)),
                Kind::Texts => task::ParameterType::Texts,
            },
            summary: raw.summary.0,
            default: raw.default.map(task::Value::from),
            required: raw.required,
            minimum: raw.minimum,
            maximum: raw.maximum,
        }
    }
}

impl From<Value> for task::Value {
    fn from(raw: Value) -> Self {
        match raw {
            Value::Text(text) => Self::Text(text.0),
            Value::Integer(number) => Self::Integer(number),
            Value::Number(number) => Self::Number(number),
            Value::Boolean(truth) => Self::Boolean(truth),
            Value::Duration(seconds) => Self::Duration(seconds),
            Value::Size(bytes) => Self::Size(bytes),
            Value::Choice(word) => Self::Choice(word.0),
            Value::Texts(list) => Self::Texts(texts(list)),
        }
    }
}

impl From<Slot> for task::Slot {
    fn from(raw: Slot) -> Self {
        Self {
            name: raw.name.0,
            capability: raw.capability.0,
            access: texts(raw.access),
            optional: raw.optional,
            why: raw.why.0,
        }
    }
}

fn texts(texts: Vec<Text>) -> Vec<String> {
    texts.into_iter().map(|text| text.0).collect()
}

/// A description as JSON, which people can write, or else made of the bytes as `arbitrary` makes it.
pub(super) fn check(input: &[u8]) -> Found {
    let raw = serde_json::from_slice(input).or_else(|_| Raw::arbitrary_take_rest(Unstructured::new(input)));
    let Ok(raw) = raw else { return Ok(()) };
    match describe(raw.into()) {
        Ok(description) => shown(&description),
        Err(refusal) => {
            plain("the refusal", &refusal, 0)?;
            ensure(refusal.len() < 1_000, || format!("the refusal has {} bytes", refusal.len()))
        }
    }
}

fn shown(description: &Description) -> Found {
    let (text, json) = inspect(description)?;
    ensure(text.len() + json.len() < MOST, || {
        format!("`inspect` prints {} bytes of text and {} of JSON", text.len(), json.len())
    })?;
    let mut bare = text;
    for colour in ["\u{1b}[1m", "\u{1b}[2m", "\u{1b}[0m"] {
        bare = bare.replace(colour, "");
    }
    plain("`inspect`", &bare, lines(description))?;
    serde_json::from_str::<serde_json::Value>(&json).map_err(|error| format!("the JSON of `inspect`: {error}"))?;

    let kept = serde_json::to_vec(description).map_err(|error| format!("the cache cannot keep it: {error}"))?;
    let read: Description =
        serde_json::from_slice(&kept).map_err(|error| format!("the cache cannot give it back: {error}"))?;
    ensure(read == *description, || format!("the cache gives back {read:?} for {description:?}"))?;

    let twice = description.parameters.iter().map(|parameter| (parameter.name.clone(), String::new()));
    for written in [vec![], twice.chain([("no-such".to_owned(), "1".to_owned())]).collect()] {
        if let Err(wrong) = arguments::parse(description, &written) {
            let wrong = wrong.to_string();
            plain("the refusal of arguments", &wrong, wrong.matches('\n').count())?;
        }
    }
    Ok(())
}

/// How many line ends `inspect` prints when no text brings one of its own.
fn lines(description: &Description) -> usize {
    let of_slot = |slot: &taskhost::plugin::description::Slot| {
        2 + usize::from(taskhost::capability::room(&slot.capability).is_some())
    };
    let slots = description.slots.iter().map(of_slot).sum::<usize>().max(1);
    let parameters = (2 * description.parameters.len()).max(1);
    2 + 2 + slots + 2 + parameters + 2
}

/// That `text` has this many line ends, and nothing else that a terminal obeys.
fn plain(what: &str, text: &str, line_ends: usize) -> Found {
    let found = text.matches('\n').count();
    ensure(found == line_ends, || format!("{what} has {found} line ends for {line_ends}: {text:?}"))?;
    let treacherous = text.chars().find(|character| *character != '\n' && is_treacherous(*character));
    ensure(treacherous.is_none(), || format!("{what} shows {treacherous:?}: {text:?}"))
}
