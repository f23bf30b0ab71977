//! Replies as the trees that they are: the contract's types cannot name themselves, so that the host gives their nodes
//! one after the other.

use std::borrow::Cow;

use super::{Error, Node, ServerError};

/// How deep replies may be nested. No command's are deeper than a handful; a module's could be made to exhaust the stack.
const DEPTH: usize = 64;

/// What a server answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// Nothing, as for a key that is not there.
    Nil,
    /// `true` or `false`, of RESP3.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number, of RESP3.
    Double(f64),
    /// Decimal digits, of RESP3.
    BigNumber(String),
    /// `OK` and its like.
    Status(String),
    /// Bytes.
    Bulk(Vec<u8>),
    /// An error inside a reply.
    Failure(ServerError),
    /// Replies in order.
    Array(Vec<Reply>),
    /// Replies in no order, of RESP3.
    Set(Vec<Reply>),
    /// Pairs, of RESP3.
    Map(Vec<(Reply, Reply)>),
}

/// ```
/// use taskhost_sdk::redis::{Node, Reply};
///
/// // What MEMORY STATS and its like give: an array of one name and one more array.
/// let nodes = vec![Node::Array(2), Node::Bulk(b"db.0".to_vec()), Node::Array(1), Node::Integer(72)];
/// let reply = Reply::from_nodes(nodes)?;
/// let [name, inner] = reply.items() else { panic!("two items") };
/// assert_eq!((name.text().as_deref(), inner.items()[0].integer()), (Some("db.0"), Some(72)));
/// # Ok::<(), taskhost_sdk::redis::Error>(())
/// ```
impl Reply {
    /// The tree whose nodes these are, in pre-order.
    ///
    /// # Errors
    /// Nodes that are no one tree, or one too deep.
    pub fn from_nodes(nodes: Vec<Node>) -> Result<Self, Error> {
        // The branches from the root to where the next node belongs.
        let mut open: Vec<Branch> = Vec::new();
        let mut nodes = nodes.into_iter();
        while let Some(node) = nodes.next() {
            let mut reply = match node {
                Node::Array(count) => match Branch::open(Shape::Array, count, 1, &mut open)? {
                    Some(empty) => empty,
                    None => continue,
                },
                Node::Set(count) => match Branch::open(Shape::Set, count, 1, &mut open)? {
                    Some(empty) => empty,
                    None => continue,
                },
                Node::Map(pairs) => match Branch::open(Shape::Map, pairs, 2, &mut open)? {
                    Some(empty) => empty,
                    None => continue,
                },
                leaf => Self::leaf(leaf),
            };
            // What is complete completes, as its last item, what it lies in.
            loop {
                let Some(branch) = open.last_mut() else {
                    return if nodes.next().is_none() { Ok(reply) } else { Err(broken("more than one tree")) };
                };
                branch.items.push(reply);
                branch.missing -= 1;
                if branch.missing > 0 {
                    break;
                }
                let Some(branch) = open.pop() else { break };
                reply = branch.close();
            }
        }
        Err(broken("less than a tree"))
    }

    fn leaf(node: Node) -> Self {
        match node {
            Node::Boolean(value) => Self::Boolean(value),
            Node::Integer(value) => Self::Integer(value),
            Node::Double(value) => Self::Double(value),
            Node::BigNumber(digits) => Self::BigNumber(digits),
            Node::Status(text) => Self::Status(text),
            Node::Bulk(bytes) => Self::Bulk(bytes),
            Node::Failure(error) => Self::Failure(error),
            Node::Nil | Node::Array(_) | Node::Set(_) | Node::Map(_) => Self::Nil,
        }
    }

    /// The items of an array or a set; none of anything else.
    pub fn items(&self) -> &[Self] {
        match self {
            Self::Array(items) | Self::Set(items) => items,
            _ => &[],
        }
    }

    /// A whole number, or the text of one.
    pub fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(value) => Some(*value),
            Self::Bulk(_) | Self::Status(_) => self.text()?.parse().ok(),
            _ => None,
        }
    }

    /// A text; bytes that are not UTF-8 are replaced.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Bulk(bytes) => Some(String::from_utf8_lossy(bytes)),
            Self::Status(text) | Self::BigNumber(text) => Some(text.into()),
            _ => None,
        }
    }

    /// The value of a name: in a map, or in an array of names and values, as RESP2 has them.
    pub fn field(&self, name: &str) -> Option<&Self> {
        let named = |key: &Self| key.text().is_some_and(|text| text == name);
        match self {
            Self::Map(pairs) => pairs.iter().find(|(key, _)| named(key)).map(|(_, value)| value),
            _ => self.items().chunks_exact(2).find_map(|pair| match pair {
                [key, value] if named(key) => Some(value),
                _ => None,
            }),
        }
    }
}

impl PartialEq for ServerError {
    fn eq(&self, other: &Self) -> bool {
        (&self.code, &self.message) == (&other.code, &other.message)
    }
}

#[derive(Clone, Copy)]
enum Shape {
    Array,
    Set,
    Map,
}

/// A branch of which not all items have come.
struct Branch {
    shape: Shape,
    items: Vec<Reply>,
    missing: u64,
}

impl Branch {
    /// Opens a branch; one without items is complete at once.
    fn open(shape: Shape, count: u32, each: u64, open: &mut Vec<Self>) -> Result<Option<Reply>, Error> {
        // No room is made before the items come: the count is a claim.
        let branch = Self { shape, items: Vec::new(), missing: u64::from(count) * each };
        if count == 0 {
            return Ok(Some(branch.close()));
        }
        if open.len() == DEPTH {
            return Err(broken("a tree too deep"));
        }
        open.push(branch);
        Ok(None)
    }

    fn close(self) -> Reply {
        match self.shape {
            Shape::Array => Reply::Array(self.items),
            Shape::Set => Reply::Set(self.items),
            Shape::Map => {
                let mut items = self.items.into_iter();
                Reply::Map(std::iter::from_fn(|| Some((items.next()?, items.next()?))).collect())
            }
        }
    }
}

fn broken(what: &str) -> Error {
    Error::Invalid(format!("the nodes of the reply make {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Node {
        Node::Bulk(text.into())
    }

    #[test]
    fn nested_replies_keep_their_nesting() {
        let nodes = vec![
            Node::Array(4),
            Node::Map(1),
            bulk("name"),
            Node::Set(2),
            Node::Integer(1),
            Node::Boolean(true),
            Node::Array(0),
            Node::Nil,
            Node::Array(1),
            Node::Array(1),
            Node::Status("OK".into()),
        ];
        let expected = Reply::Array(vec![
            Reply::Map(vec![(
                Reply::Bulk(b"name".to_vec()),
                Reply::Set(vec![Reply::Integer(1), Reply::Boolean(true)]),
            )]),
            Reply::Array(vec![]),
            Reply::Nil,
            Reply::Array(vec![Reply::Array(vec![Reply::Status("OK".into())])]),
        ]);
        assert_eq!(Reply::from_nodes(nodes).unwrap(), expected);
        for (empty, expected) in [
            (Node::Array(0), Reply::Array(vec![])),
            (Node::Set(0), Reply::Set(vec![])),
            (Node::Map(0), Reply::Map(vec![])),
        ] {
            assert_eq!(Reply::from_nodes(vec![empty]).unwrap(), expected);
        }
    }

    #[test]
    fn nodes_that_are_no_tree_are_an_error() {
        let deep = std::iter::repeat_n(Node::Array(1), DEPTH + 1).chain([Node::Nil]).collect();
        let within = std::iter::repeat_n(Node::Array(1), DEPTH).chain([Node::Nil]).collect();
        assert!(Reply::from_nodes(within).is_ok());
        for (nodes, expected) in [
            (vec![], "less than a tree"),
            (vec![Node::Array(2), Node::Nil], "less than a tree"),
            (vec![Node::Map(1), Node::Nil], "less than a tree"),
            (vec![Node::Array(u32::MAX)], "less than a tree"),
            (vec![Node::Map(u32::MAX), Node::Nil], "less than a tree"),
            (vec![Node::Nil, Node::Nil], "more than one tree"),
            (vec![Node::Array(1), Node::Nil, Node::Nil], "more than one tree"),
            (deep, "a tree too deep"),
        ] {
            let Err(Error::Invalid(message)) = Reply::from_nodes(nodes) else { panic!("{expected}: a tree was made") };
            assert_eq!(message, format!("the nodes of the reply make {expected}"));
        }
    }

    #[test]
    fn fields_are_found_whichever_way_the_server_gives_them() {
        let flat = vec![Node::Array(4), bulk("a"), Node::Integer(1), bulk("b"), bulk("2")];
        let map = vec![Node::Map(2), bulk("a"), Node::Integer(1), bulk("b"), bulk("2")];
        for nodes in [flat, map] {
            let reply = Reply::from_nodes(nodes).unwrap();
            assert_eq!(reply.field("a").and_then(Reply::integer), Some(1));
            assert_eq!(reply.field("b").and_then(Reply::integer), Some(2));
            assert_eq!(reply.field("c"), None);
        }
    }
}
