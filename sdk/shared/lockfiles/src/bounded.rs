//! JSON whose lists and maps hold so many entries and no more, all of them together: a file of a few megabytes can
//! name millions. What is of another kind than expected is empty, and the rest is read.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// More than any project has in one file; fewer than what fills a plugin's memory.
pub const MOST: usize = 200_000;

thread_local! {
    /// Of the document that is being read.
    static ENTRIES: Cell<usize> = const { Cell::new(0) };
}

/// Reads a document.
///
/// # Errors
/// What is wrong with it, and where.
pub fn json<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, serde_json::Error> {
    ENTRIES.set(0);
    serde_json::from_slice(bytes)
}

/// A list. What is no list is an empty one: nobody asked for it to be there.
#[derive(Clone, Debug, PartialEq)]
pub struct Items<T>(pub Vec<T>);

/// A map, in the file's order.
#[derive(Clone, Debug, PartialEq)]
pub struct Entries<T>(pub Vec<(String, T)>);

/// A text; none where there is something else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(pub Option<String>);

impl<T> Default for Items<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl Text {
    /// Empty where it is none.
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }
}

fn count<E: Error>() -> Result<(), E> {
    let entries = ENTRIES.get() + 1;
    ENTRIES.set(entries);
    if entries > MOST { Err(E::custom(format!("more than {MOST} entries"))) } else { Ok(()) }
}

/// The cases of a value that are none of those wanted.
macro_rules! otherwise {
    ($empty:expr) => {
        fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
            Ok($empty)
        }

        fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
            Ok($empty)
        }

        fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
            Ok($empty)
        }

        fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
            Ok($empty)
        }

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok($empty)
        }
    };
}

fn skip_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<(), A::Error> {
    while list.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

fn skip_map<'de, A: MapAccess<'de>>(mut map: A) -> Result<(), A::Error> {
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Items<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Visit<T> {
            type Value = Items<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    count()?;
                    items.push(item);
                }
                Ok(Items(items))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                skip_map(map).map(|()| Items(Vec::new()))
            }

            fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
                Ok(Items(Vec::new()))
            }

            otherwise!(Items(Vec::new()));
        }

        deserializer.deserialize_any(Visit(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Visit<T> {
            type Value = Entries<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    count()?;
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                skip_list(list).map(|()| Entries(Vec::new()))
            }

            fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
                Ok(Entries(Vec::new()))
            }

            otherwise!(Entries(Vec::new()));
        }

        deserializer.deserialize_any(Visit(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;

        impl<'de> Visitor<'de> for Visit {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Some(text.into())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                skip_list(list).map(|()| Text(None))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                skip_map(map).map(|()| Text(None))
            }

            otherwise!(Text(None));
        }

        deserializer.deserialize_any(Visit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_another_kind_is_empty_and_the_rest_is_read() {
        for (json, items, entries, text) in [
            ("[\"a\"]", 1, 0, false),
            ("{\"a\": \"b\"}", 0, 1, false),
            ("\"a\"", 0, 0, true),
            ("null", 0, 0, false),
            ("true", 0, 0, false),
            ("-1", 0, 0, false),
            ("1.5", 0, 0, false),
            ("[[{\"a\": []}], 3]", 2, 0, false),
        ] {
            let bytes = json.as_bytes();
            assert_eq!(super::json::<Items<Text>>(bytes).unwrap().0.len(), items, "{json}");
            assert_eq!(super::json::<Entries<Text>>(bytes).unwrap().0.len(), entries, "{json}");
            assert_eq!(super::json::<Text>(bytes).unwrap().0.is_some(), text, "{json}");
        }
    }

    #[test]
    fn more_than_is_meant_is_an_error_wherever_it_is() {
        let half = "0,".repeat(MOST / 2);
        for (many, good) in [
            (format!("[[{half}0], [0]]"), true),
            (format!("[[{half}0], [{half}0]]"), false),
            (format!("[[{half}{half}0]]"), false),
        ] {
            assert_eq!(json::<Items<Items<Text>>>(many.as_bytes()).is_ok(), good);
        }
        let many = format!("{{{}\"a\":0}}", "\"a\":0,".repeat(MOST));
        assert!(json::<Entries<Text>>(many.as_bytes()).unwrap_err().to_string().contains("more than 200000"));
    }
}
