//! What a plugin may say in a request's headers. Pure. A header must not carry another, lead the server to another
//! place or method than the one that was judged, or pass the plugin off as someone else.

use super::bindings::Header;
use crate::gate::{Refusal, SlotName};

/// The most headers of one request.
const COUNT_LIMIT: usize = 64;
/// The most bytes of one request's headers.
const SIZE_LIMIT: usize = 16 * 1024;

/// Headers that frame the message or steer the connection: nobody sets them but the client.
const FRAMING: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "max-forwards",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// Headers with which a server takes the request for another one, or for another client's.
const STEERING: [&str; 9] = [
    "forwarded",
    "true-client-ip",
    "via",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-host",
    "x-http-method",
    "x-method-override",
    "x-real-ip",
];
/// The same, by how they begin.
const STEERING_PREFIXES: [&str; 6] = ["proxy-", "sec-", "x-forwarded", "x-http-method-", "x-original-", "x-rewrite-"];

/// Whether `name` is a header's: letters, digits and `-`. An underscore is a `-` to some servers.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 128 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Whether `value` can stand in a header: visible characters, spaces and tabs.
pub(super) fn is_value(value: &str) -> bool {
    !value.chars().any(|character| character.is_control() && character != '\t')
}

/// Whether an operator may set it: what frames the message is the client's own.
pub(super) fn is_framing(name: &str) -> bool {
    FRAMING.iter().any(|framing| framing.eq_ignore_ascii_case(name))
}

/// Whether a plugin may set these, where the grant sets `granted`.
pub(super) fn allow(slot: SlotName<'_>, headers: &[Header], granted: impl Fn(&str) -> bool) -> Result<(), Refusal> {
    for header in headers {
        let name = header.name.to_ascii_lowercase();
        let refused = |why: String| Err(Refusal::NotGranted(why));
        if name == "authorization" {
            return refused(format!(
                "a plugin cannot set `authorization`; credentials come with the grant: {} (or basic=USER:env:NAME)",
                slot.with(&["bearer=env:NAME"])
            ));
        }
        let steers = STEERING.contains(&name.as_str()) || STEERING_PREFIXES.iter().any(|of| name.starts_with(of));
        if is_framing(&name) || steers {
            let shown = crate::policy::text::clean_line(&name, 64);
            return refused(format!("a plugin cannot set the header `{shown}`; the host's client does, or nobody"));
        }
        if granted(&name) {
            return refused(format!("the header `{name}` is set by the grant of slot `{slot}`"));
        }
    }
    Ok(())
}

/// Whether they are headers at all, and not too many.
pub(super) fn check(headers: &[Header]) -> Result<(), String> {
    if headers.len() > COUNT_LIMIT {
        return Err(format!("{} headers are more than {COUNT_LIMIT}", headers.len()));
    }
    let mut size = 0;
    for Header { name, value } in headers {
        let shown = crate::policy::text::clean_line(name, 64);
        if !is_name(name) {
            return Err(format!("`{shown}` is no name of a header; it has letters, digits and `-`"));
        }
        if !is_value(value) {
            return Err(format!("the value of the header `{shown}` has a line end or a control character"));
        }
        size += name.len() + value.len();
    }
    if size > SIZE_LIMIT { Err(format!("headers of {size} bytes are more than {SIZE_LIMIT}")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, value: &str) -> Header {
        Header { name: name.into(), value: value.into() }
    }

    #[test]
    fn what_frames_or_steers_a_request_is_not_the_plugins() {
        for name in [
            "Host",
            "AUTHORIZATION",
            "Content-Length",
            "Transfer-Encoding",
            "Connection",
            "Keep-Alive",
            "TE",
            "Trailer",
            "Upgrade",
            "Expect",
            "Proxy-Authorization",
            "Proxy-Connection",
            "X-Forwarded-For",
            "X-Forwarded-Host",
            "Forwarded",
            "X-HTTP-Method-Override",
            "X-HTTP-Method",
            "X-Method-Override",
            "X-Original-URL",
            "X-Rewrite-URL",
            "X-Real-IP",
            "Sec-Fetch-Site",
            "x-api-key",
        ] {
            let verdict = allow(SlotName::flag("http", "s"), &[header("accept", "*/*"), header(name, "x")], |name| {
                name == "x-api-key"
            });
            assert!(verdict.is_err(), "{name}");
        }
        for name in ["Accept", "Content-Type", "If-None-Match", "X-Grafana-Org-Id", "Cookie", "User-Agent", "Range"] {
            assert_eq!(allow(SlotName::flag("http", "s"), &[header(name, "x")], |_| false), Ok(()), "{name}");
        }
        let refusal =
            allow(SlotName::flag("http", "s"), &[header("authorization", "x")], |_| false).unwrap_err().to_string();
        assert!(refusal.contains("add `,bearer=env:NAME`"), "{refusal}");
    }

    #[test]
    fn a_header_carries_no_other() {
        for (name, value, message) in [
            ("x-a", "b\r\nHost: evil", "has a line end"),
            ("x-a", "b\nc", "has a line end"),
            ("x-a", "b\0", "has a line end"),
            ("x-a\r\nHost", "b", "is no name of a header"),
            ("x-a: b", "c", "is no name of a header"),
            ("content_length", "0", "is no name of a header"),
            ("", "c", "is no name of a header"),
            ("ä", "c", "is no name of a header"),
            ("x-a", &*"v".repeat(SIZE_LIMIT), "bytes are more than 16384"),
        ] {
            let error = check(&[header(name, value)]).unwrap_err();
            assert!(error.contains(message), "{name}: {error}");
        }
        assert_eq!(check(&vec![header("a", "b"); 65]).unwrap_err(), "65 headers are more than 64");
        assert_eq!(check(&[header("x-a", "b\tc ä")]), Ok(()));
    }
}
