//! Commands, and what their replies say.

use std::collections::BTreeSet;

use redis::{Cmd, Value};

use super::super::bindings::{self, Node};
use super::super::command::Described;
use super::super::error::Error;

/// A command of these words.
pub(in super::super) fn command<A: AsRef<[u8]>>(words: &[A]) -> Cmd {
    let mut command = Cmd::new();
    for word in words {
        command.arg(word.as_ref());
    }
    command
}

/// The same with arguments after them.
pub(in super::super) fn command_with<A: AsRef<[u8]>>(words: &[&str], arguments: &[A]) -> Cmd {
    let mut all = command(words);
    for argument in arguments {
        all.arg(argument.as_ref());
    }
    all
}

/// The reply, if it is no error.
pub(in super::super) fn good(reply: Value) -> Result<Value, Error> {
    match reply {
        Value::ServerError(error) => Err(Error::server(error.code(), error.details().unwrap_or_default())),
        Value::Attribute { data, .. } => good(*data),
        reply => Ok(reply),
    }
}

/// All replies, if none is an error.
pub(in super::super) fn all_good(replies: Vec<Value>) -> Result<Vec<Value>, Error> {
    replies.into_iter().map(good).collect()
}

/// A reply that is text, or a number.
pub(in super::super) fn text(reply: &Value) -> Option<String> {
    match reply {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text.clone()),
        Value::Okay => Some("OK".into()),
        Value::Int(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A reply that is a whole number.
pub(in super::super) fn number(reply: &Value) -> Option<i64> {
    match reply {
        Value::Int(number) => Some(*number),
        other => text(other)?.parse().ok(),
    }
}

/// A reply that is bytes.
pub(in super::super) fn bytes(reply: Value) -> Option<Vec<u8>> {
    match reply {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text.into_bytes()),
        Value::Int(number) => Some(number.to_string().into_bytes()),
        _ => None,
    }
}

/// The items of a reply that is a list.
pub(in super::super) fn items(reply: Value) -> Option<Vec<Value>> {
    match reply {
        Value::Array(items) | Value::Set(items) => Some(items),
        Value::Map(pairs) => Some(pairs.into_iter().flat_map(|(key, value)| [key, value]).collect()),
        _ => None,
    }
}

/// An answer that makes no sense.
pub(in super::super) fn strange(command: &str) -> Error {
    Error::Unavailable(format!("the server answered {command} with something that is no answer to it"))
}

/// The answer to COMMAND INFO of a name and, where it is a `subcommand`'s, its container.
pub(super) fn described(reply: &Value, subcommand: bool) -> Option<Described> {
    let Value::Array(entries) = reply else { return None };
    let one = |entry: &Value, own| {
        let Value::Array(fields) = entry else { return None };
        let words = |index: usize| {
            let Some(Value::Array(words) | Value::Set(words)) = fields.get(index) else { return BTreeSet::new() };
            words.iter().filter_map(text).map(|word| word.trim_start_matches('@').to_ascii_lowercase()).collect()
        };
        let flags: BTreeSet<String> = words(2);
        let first = fields.get(3).and_then(number).unwrap_or(0);
        let specs = matches!(fields.get(8), Some(Value::Array(specs) | Value::Set(specs)) if !specs.is_empty());
        let has_keys = first != 0 || specs || flags.contains("movablekeys");
        Some(Described { flags, categories: words(6), has_keys, own })
    };
    if let Some(own) = entries.first().and_then(|entry| one(entry, true)) {
        return Some(own);
    }
    let container = entries.get(1).filter(|_| subcommand)?;
    // A server that describes subcommands would have described this one, if it were there.
    let Value::Array(fields) = container else { return None };
    if matches!(fields.get(9), Some(Value::Array(known) | Value::Set(known)) if !known.is_empty()) {
        return None;
    }
    one(container, false)
}

/// Whether ACL GETUSER shows a user who may run every command.
pub(super) fn has_every_right(reply: &Value) -> bool {
    let Some(fields) = items(reply.clone()) else { return false };
    let commands = fields.chunks(2).find_map(|pair| match pair {
        [name, value] if text(name).as_deref() == Some("commands") => text(value),
        _ => None,
    });
    commands.is_some_and(|commands| commands.trim() == "+@all")
}

/// A reply as its nodes in pre-order.
pub(in super::super) fn nodes(reply: Value) -> Vec<Node> {
    let mut nodes = Vec::new();
    add(reply, &mut nodes);
    nodes
}

fn add(reply: Value, nodes: &mut Vec<Node>) {
    let count = |items: usize| u32::try_from(items).unwrap_or(u32::MAX);
    match reply {
        Value::Nil => nodes.push(Node::Nil),
        Value::Int(number) => nodes.push(Node::Integer(number)),
        Value::BulkString(bytes) => nodes.push(Node::Bulk(bytes)),
        Value::SimpleString(text) => nodes.push(Node::Status(text)),
        Value::Okay => nodes.push(Node::Status("OK".into())),
        Value::VerbatimString { text, .. } => nodes.push(Node::Bulk(text.into_bytes())),
        Value::Double(number) => nodes.push(Node::Double(number)),
        Value::Boolean(truth) => nodes.push(Node::Boolean(truth)),
        Value::BigNumber(digits) => nodes.push(Node::BigNumber(String::from_utf8_lossy(&digits).into_owned())),
        Value::Attribute { data, .. } => add(*data, nodes),
        Value::ServerError(error) => nodes.push(Node::Failure(bindings::ServerError {
            code: error.code().into(),
            message: error.details().unwrap_or_default().into(),
        })),
        Value::Set(items) => {
            nodes.push(Node::Set(count(items.len())));
            for item in items {
                add(item, nodes);
            }
        }
        Value::Array(items) | Value::Push { data: items, .. } => {
            nodes.push(Node::Array(count(items.len())));
            for item in items {
                add(item, nodes);
            }
        }
        Value::Map(pairs) => {
            nodes.push(Node::Map(count(pairs.len())));
            for (key, value) in pairs {
                add(key, nodes);
                add(value, nodes);
            }
        }
        other => nodes.push(Node::Bulk(format!("{other:?}").into_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_keeps_its_nesting() {
        let reply =
            redis::parse_redis_value(b"*3\r\n%1\r\n$1\r\na\r\n*2\r\n:1\r\n_\r\n~1\r\n#t\r\n|1\r\n+x\r\n:2\r\n,1.5\r\n");
        let shown: Vec<String> = nodes(reply.unwrap()).iter().map(|node| format!("{node:?}")).collect();
        assert_eq!(
            shown,
            [
                "Node::Array(3)",
                "Node::Map(1)",
                "Node::Bulk([97])",
                "Node::Array(2)",
                "Node::Integer(1)",
                "Node::Nil",
                "Node::Set(1)",
                "Node::Boolean(true)",
                "Node::Double(1.5)",
            ]
        );
    }

    #[test]
    fn command_info_is_read_and_a_subcommand_told_from_its_container() {
        let entry = |name: &str, first: i64, flags: &[&str], subcommands: Vec<Value>| {
            let flags = flags.iter().map(|flag| Value::SimpleString((*flag).into())).collect();
            Value::Array(vec![
                Value::BulkString(name.into()),
                Value::Int(-2),
                Value::Set(flags),
                Value::Int(first),
                Value::Int(first),
                Value::Int(1),
                Value::Set(vec![Value::SimpleString("@slow".into())]),
                Value::Array(vec![]),
                Value::Array(vec![]),
                Value::Array(subcommands),
            ])
        };
        let get = Value::Array(vec![entry("get", 1, &["readonly"], vec![]), entry("get", 1, &["readonly"], vec![])]);
        let get = described(&get, false).unwrap();
        assert!(get.has_keys && get.own && get.flags.contains("readonly") && get.categories.contains("slow"));

        let own = Value::Array(vec![entry("config|set", 0, &["admin"], vec![]), entry("config", 0, &[], vec![])]);
        assert!(described(&own, true).unwrap().flags.contains("admin"));
        let old = Value::Array(vec![Value::Nil, entry("config", 0, &["admin"], vec![])]);
        assert!(!described(&old, true).unwrap().own);
        let none = Value::Array(vec![Value::Nil, entry("config", 0, &["admin"], vec![Value::Nil])]);
        assert_eq!(described(&none, true), None);
        assert_eq!(described(&Value::Array(vec![Value::Nil, Value::Nil]), false), None);
    }
}
