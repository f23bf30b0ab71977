//! Where in a text of TOML a value stands, by the keys that lead to it. Pure.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The place of the innermost of `keys` that is there, in bytes: its value where that is written out, and the key of a
/// table.
pub fn of(text: &str, keys: &[String]) -> Option<Range<usize>> {
    let (document, _) = DeTable::parse_recoverable(text);
    let mut table = document.get_ref();
    let mut place = None;
    for key in keys {
        let Some((key, value)) = table.iter().find(|(known, _)| known.get_ref() == key.as_str()) else { break };
        place = Some(span(key, value));
        let DeValue::Table(inner) = value.get_ref() else { break };
        table = inner;
    }
    place
}

fn span<K>(key: &Spanned<K>, value: &Spanned<DeValue<'_>>) -> Range<usize> {
    if matches!(value.get_ref(), DeValue::Table(_)) { key.span() } else { value.span() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_its_keys() {
        let text = "[a.b]\nc = 'x'\nd = { e = 1 }\n[f]\n";
        for (keys, found) in [
            (&["a", "b", "c"][..], "'x'"),
            (&["a", "b", "d", "e"], "1"),
            (&["a", "b", "d"], "d"),
            (&["a", "b", "z"], "b"),
            (&["f"], "f"),
        ] {
            let keys: Vec<String> = keys.iter().map(|key| (*key).into()).collect();
            assert_eq!(&text[of(text, &keys).unwrap()], found, "{keys:?}");
        }
        assert_eq!(of(text, &["z".into()]), None);
        // What stands before a mistake is found all the same.
        assert_eq!(of("b = 1\n[a\n", &["b".into()]), Some(4..5));
    }
}
