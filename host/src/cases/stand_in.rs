//! What stands in the JSON Schema for values that are read as TOML or as text.

#![expect(dead_code, reason = "for the schema alone")]

use std::collections::BTreeMap;

use schemars::JsonSchema;

/// One text or several.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub(super) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// Any value.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub(super) enum Any {
    Text(String),
    Number(f64),
    Boolean(bool),
    List(Vec<serde_json::Value>),
}

/// A part of the world by its capability (`sql = "shop"`), access and settings.
#[derive(JsonSchema)]
pub(super) struct Table(BTreeMap<String, serde_json::Value>);

/// A length of time such as `90s` or `30d`, or a whole number of seconds.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub(super) enum Span {
    Seconds(u64),
    Text(String),
}

/// A number or a size such as `500` or `64KiB`.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub(super) enum Amount {
    Number(u64),
    Text(String),
}
