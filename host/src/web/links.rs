//! Addresses of pages: what a bundle or a run is called is never taken for a part of one.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

fn part(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

/// A page of a bundle: `today` is its first.
pub(super) fn of(bundle: &str, page: &str) -> String {
    format!("/{}/{page}", part(bundle))
}

pub(super) fn task(bundle: &str, task: &str) -> String {
    of(bundle, &format!("tasks/{}", part(task)))
}

pub(super) fn run(bundle: &str, run: &str) -> String {
    of(bundle, &format!("runs/{}", part(run)))
}

/// The same with a query; what is empty is left out.
pub(super) fn with(address: &str, query: &[(&str, &str)]) -> String {
    let mut pairs = url::form_urlencoded::Serializer::new(String::new());
    pairs.extend_pairs(query.iter().filter(|(_, value)| !value.is_empty()));
    let pairs = pairs.finish();
    if pairs.is_empty() { address.to_owned() } else { format!("{address}?{pairs}") }
}

/// Where somebody who signed in may be led: to a page of this host, and nowhere else.
pub(super) fn own(target: &str) -> &str {
    let clean = target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if clean && target.starts_with('/') && !target.starts_with("//") { target } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_part_of_an_address() {
        assert_eq!(task("a/b?c#d", "x"), "/a%2Fb%3Fc%23d/tasks/x");
        assert_eq!(of("größe", "log"), "/gr%C3%B6%C3%9Fe/log");
        assert_eq!(with("/x", &[("a", "1 &"), ("b", "")]), "/x?a=1+%26");
    }

    #[test]
    fn nobody_is_led_elsewhere() {
        for (target, own_target) in [
            ("/shop/tasks/x?a=b", "/shop/tasks/x?a=b"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("https://evil.example", "/"),
            ("/a\r\nset-cookie: x", "/"),
            ("/\t/evil.example", "/"),
            ("", "/"),
        ] {
            assert_eq!(own(target), own_target, "{target}");
        }
    }
}
