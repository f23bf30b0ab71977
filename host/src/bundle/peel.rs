//! Reads a document into a type and goes on after what does not fit, so that every mistake is found at once: each is
//! taken out of the document, and the rest is read again.

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer, Error};

/// The most mistakes that are looked for.
const LIMIT: usize = 100;

/// The value, if what was left of the document makes one, and every mistake with its place.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> (Option<T>, Vec<Error>) {
    let (mut document, mut errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return (None, errors);
    }
    // Of each thing that was taken out, the keys that lead to it.
    let mut removed: Vec<Vec<String>> = Vec::new();
    while errors.len() < LIMIT {
        let error = match T::deserialize(Deserializer::from(document.clone())) {
            Ok(value) => return (Some(value), errors),
            Err(error) => error,
        };
        let Some(path) = error.span().and_then(|span| remove(document.get_mut(), &span)) else {
            errors.push(error);
            break;
        };
        // A field that was there and wrong is not missing too.
        let missing = error.message().strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
        let own = missing.map(|field| [path.as_slice(), &[field.to_owned()]].concat());
        if own.is_none_or(|own| !removed.contains(&own)) {
            errors.push(error);
        }
        removed.push(path);
    }
    (None, errors)
}

/// Takes out the innermost key at that place, and returns the keys that lead to it.
fn remove(table: &mut DeTable<'_>, place: &Range<usize>) -> Option<Vec<String>> {
    let holds = |span: Range<usize>| span.start <= place.start && place.end <= span.end;
    let mut at = None;
    for (key, value) in table.iter_mut() {
        if let Some(mut path) = remove_within(value, place) {
            path.insert(0, key.get_ref().to_string());
            return Some(path);
        }
        if holds(key.span()) || holds(value.span()) {
            at = Some(key.get_ref().to_string());
        }
    }
    let key = at?;
    table.remove(key.as_str())?;
    Some(vec![key])
}

fn remove_within(value: &mut Spanned<DeValue<'_>>, place: &Range<usize>) -> Option<Vec<String>> {
    match value.get_mut() {
        DeValue::Table(table) => remove(table, place),
        // An entry of `[[checklist]]`, by where it is; what is wrong in a plain list is the list.
        DeValue::Array(values) => {
            let index =
                values.iter().position(|value| value.span().start <= place.start && place.end <= value.span().end);
            // The span of an entry is its heading.
            let index = index.or_else(|| values.iter().rposition(|value| value.span().start <= place.start))?;
            let entry = values.get_mut(index)?;
            let name = entry.span().start.to_string();
            let DeValue::Table(table) = entry.get_mut() else { return None };
            let path = remove(table, place).unwrap_or_default();
            if path.is_empty() {
                let rest = values.iter().enumerate().filter(|(at, _)| *at != index);
                *values = rest.map(|(_, entry)| entry.clone()).collect();
            }
            Some([vec![name], path].concat())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "what is read is of no matter here")]
    struct Inner {
        number: u8,
        words: Option<Vec<String>>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        inner: BTreeMap<String, Inner>,
        #[serde(default)]
        list: Vec<Inner>,
    }

    #[test]
    fn every_mistake_is_found() {
        let text = "nothing = 1\n\
                    [inner.a]\nnumber = 'x'\nwords = [1]\n\
                    [inner.b]\nnumber = 1\nmore = 2\n\
                    [inner.c]\nnumber = 3\n\
                    [[list]]\nnumber = 300\n\
                    [[list]]\nnumber = 3\n";
        let (value, errors) = read::<Outer>(text);
        let line = |error: &Error| text[..error.span().unwrap().start].matches('\n').count() + 1;
        let mut lines: Vec<_> = errors.iter().map(line).collect();
        lines.sort_unstable();
        lines.dedup();
        assert_eq!(lines, [1, 3, 4, 7, 11], "{errors:#?}");
        // What had mistakes is left out, and what had none is read.
        assert!(value.is_none_or(|value| value.inner.contains_key("c") && value.list.len() <= 2));
    }

    #[test]
    fn a_text_that_is_no_toml_is_named_by_its_place() {
        let (value, errors) = read::<Outer>("[inner\n");
        assert!(value.is_none());
        assert_eq!(errors.len(), 1);
    }
}
