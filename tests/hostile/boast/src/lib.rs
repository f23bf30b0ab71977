//! Describes itself in texts that a terminal would obey.
#![allow(missing_docs, unsafe_code, clippy::pedantic, reason = "misbehaving is its purpose")]

use exports::taskhost::host::task::{Argument, Description, Failure, Guest, Parameter, ParameterType, Slot, Value};

wit_bindgen::generate!({ path: "../../../wit", world: "plugin" });

struct Boast;
export!(Boast);

const ESCAPES: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}gnol\0\r\nowned";

impl Guest for Boast {
    fn describe() -> Description {
        let parameter = |name: &str, kind, default| Parameter {
            name: name.into(),
            kind,
            summary: ESCAPES.into(),
            default: Some(default),
            required: false,
            minimum: None,
            maximum: None,
        };
        Description {
            name: "boast".into(),
            version: ESCAPES.into(),
            summary: ESCAPES.into(),
            parameters: vec![
                parameter("text", ParameterType::Text, Value::Text(ESCAPES.into())),
                parameter("texts", ParameterType::Texts, Value::Texts(vec![ESCAPES.into(), "x".into()])),
            ],
            slots: vec![Slot {
                name: "database".into(),
                capability: "sql".into(),
                access: vec!["read".into()],
                optional: false,
                why: ESCAPES.into(),
            }],
            memory: Some(u64::MAX),
        }
    }

    async fn run(_: Vec<Argument>) -> Result<String, Failure> {
        Ok(String::new())
    }
}
