//! Where a request goes, in the one form that is compared with the grant and then sent: nothing is left in it that a
//! server could read as another place. Pure.

use std::fmt;

use percent_encoding::percent_decode_str;
use url::Url;

use crate::policy::endpoint::HostName;
use crate::policy::text::clean_line;

/// A place in that form: a scheme, a host, a port, a path without `..` and without empty names, and perhaps a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    url: Url,
    host: HostName,
    port: u16,
}

/// Why a text is no such place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Wrong {
    #[error("{0}")]
    Malformed(String),
    /// It would lead out of what it seems to be in.
    #[error("{0}")]
    Escapes(String),
}

/// The most bytes of a URL.
const LENGTH_LIMIT: usize = 8 * 1024;
/// How often a name may be percent-encoded over.
const ENCODINGS: usize = 4;

impl Location {
    /// Reads an absolute URL.
    pub(crate) fn parse(text: &str) -> Result<Self, Wrong> {
        plain(text)?;
        let url = Url::parse(text).map_err(|error| malformed(text, &format!("is no URL: {error}")))?;
        Self::of(url, text)
    }

    /// Reads a URL that is absolute, or relative to this place as to a directory.
    pub(crate) fn below(&self, text: &str) -> Result<Self, Wrong> {
        plain(text)?;
        match Url::parse(text) {
            Ok(url) => return Self::of(url, text),
            Err(url::ParseError::RelativeUrlWithoutBase) => {}
            Err(error) => return Err(malformed(text, &format!("is no URL: {error}"))),
        }
        let mut base = self.url.clone();
        if !(text.is_empty() || text.starts_with(['?', '#']) || base.path().ends_with('/')) {
            let directory = format!("{}/", base.path());
            base.set_path(&directory);
        }
        let url = base.join(text).map_err(|error| malformed(text, &format!("is no URL: {error}")))?;
        Self::of(url, text)
    }

    /// Where a redirect from here leads.
    pub(crate) fn redirected(&self, to: &str) -> Result<Self, Wrong> {
        plain(to)?;
        let url = self.url.join(to).map_err(|error| malformed(to, &format!("is no URL: {error}")))?;
        Self::of(url, to)
    }

    fn of(mut url: Url, text: &str) -> Result<Self, Wrong> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(malformed(text, "begins with neither http:// nor https://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(malformed(text, "has a user in it; credentials are added by the grant"));
        }
        let host: HostName = url.host_str().unwrap_or_default().parse().map_err(Wrong::Malformed)?;
        let port = url.port_or_known_default().filter(|port| *port != 0);
        let port = port.ok_or_else(|| malformed(text, "has no port"))?;
        let path = path(url.path())?;
        url.set_path(&path);
        url.set_fragment(None);
        url.set_host(Some(&host.to_string())).map_err(|_| malformed(text, "has a host that is none"))?;
        if url.as_str().len() > LENGTH_LIMIT {
            return Err(malformed(text, &format!("has more than {LENGTH_LIMIT} bytes")));
        }
        Ok(Self { url, host, port })
    }

    /// Without a query: for messages, and for addresses of grants.
    pub(crate) fn place(&self) -> String {
        let mut url = self.url.clone();
        url.set_query(None);
        url.into()
    }

    pub(crate) fn as_str(&self) -> &str {
        self.url.as_str()
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.url.scheme() == "https"
    }

    pub(crate) fn host(&self) -> &HostName {
        &self.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The host, and the port where it is not the scheme's own: a request's `Host`.
    pub(crate) fn authority(&self) -> String {
        match self.url.port() {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.to_string(),
        }
    }

    /// The path and the query, as they are sent.
    pub(crate) fn target(&self) -> String {
        match self.url.query() {
            Some(query) => format!("{}?{query}", self.url.path()),
            None => self.url.path().into(),
        }
    }

    pub(crate) fn has_query(&self) -> bool {
        self.url.query().is_some()
    }

    /// Whether scheme, host and port are the same.
    pub(crate) fn same_origin(&self, other: &Self) -> bool {
        self.is_encrypted() == other.is_encrypted() && self.host == other.host && self.port == other.port
    }

    /// Whether `other` is at this place or below it, by whole names of the path.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let mut names = other.names();
        self.same_origin(other) && self.names().all(|name| names.next() == Some(name))
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.url.path().split('/').filter(|name| !name.is_empty())
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_str())
    }
}

fn malformed(text: &str, what: &str) -> Wrong {
    // A user and password may be in it.
    let shown = if text.contains('@') { "the URL".into() } else { format!("`{}`", clean_line(text, 256)) };
    Wrong::Malformed(format!("{shown} {what}"))
}

/// What a URL parser would leave out, or read in its own way.
fn plain(text: &str) -> Result<(), Wrong> {
    if text.len() > LENGTH_LIMIT {
        return Err(Wrong::Malformed(format!("a URL has {} bytes, more than {LENGTH_LIMIT}", text.len())));
    }
    if text.chars().any(|character| character.is_control() || character.is_whitespace() || character == '\\') {
        return Err(malformed(text, "has a space, a backslash or a control character in it; write it as %20"));
    }
    Ok(())
}

/// The path without empty names, in which no name is another's `..`. Dots that are written plainly, or as `%2e`, were
/// resolved where the URL was parsed.
fn path(written: &str) -> Result<String, Wrong> {
    let mut path = String::with_capacity(written.len());
    for name in written.split('/').filter(|name| !name.is_empty()) {
        judge(name)?;
        path.push('/');
        path += name;
    }
    if path.is_empty() || written.ends_with('/') {
        path.push('/');
    }
    Ok(path)
}

/// Servers differ in when they decode, and in what they take for a separator or the end of a name: what is a `..` to
/// any of them is refused.
fn judge(name: &str) -> Result<(), Wrong> {
    let shown = || clean_line(name, 128);
    let mut decoded = name.to_owned();
    for _ in 0..ENCODINGS {
        let next = percent_decode_str(&decoded).decode_utf8().map(std::borrow::Cow::into_owned);
        let next = next.map_err(|_| Wrong::Malformed(format!("`{}` in a path is no UTF-8", shown())))?;
        if next == decoded {
            break;
        }
        decoded = next;
    }
    if percent_decode_str(&decoded).collect::<Vec<u8>>() != decoded.as_bytes() {
        return Err(Wrong::Escapes(format!("`{}` in a path is encoded over and over", shown())));
    }
    if decoded.chars().any(char::is_control) {
        return Err(Wrong::Malformed(format!("`{}` in a path has a control character", shown())));
    }
    let is_dots = |part: &str| matches!(part.split(';').next().unwrap_or_default().trim(), "." | "..");
    if decoded.split(['/', '\\']).any(is_dots) {
        return Err(Wrong::Escapes(format!(
            "`{}` in a path leads upwards for some servers; nothing leaves the slot's addresses",
            shown()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(text: &str) -> Location {
        Location::parse(text).unwrap()
    }

    #[test]
    fn a_place_covers_what_is_at_it_or_below_it_and_nothing_else() {
        for (base, url, covered) in [
            ("http://h/", "http://h", true),
            ("http://h", "http://h/any/thing?x=1", true),
            ("http://h:80", "http://h/", true),
            ("https://h", "https://h:443/", true),
            ("http://h", "https://h/", false),
            ("http://h:80", "https://h:80/", false),
            ("http://h", "http://h:8080/", false),
            ("http://h", "http://h.evil.test/", false),
            ("http://h", "http://H./", true),
            ("http://127.0.0.1", "http://0x7f.1/", true),
            ("http://127.0.0.1", "http://[::ffff:127.0.0.1]/", true),
            ("http://localhost", "http://127.0.0.1/", false),
            ("http://h/api", "http://h/api", true),
            ("http://h/api", "http://h/api/", true),
            ("http://h/api/", "http://h/api", true),
            ("http://h/api", "http://h/api?a=/../..", true),
            ("http://h/api", "http://h/api/v1/x", true),
            ("http://h/api", "http://h/apis", false),
            ("http://h/api", "http://h/", false),
            ("http://h/api", "http://h/API", false),
            ("http://h/api", "http://h/%61pi", false),
            ("http://h/api", "http://h//api", true),
            ("http://h/api", "http://h/api//x", true),
            ("http://h/api", "http://h/api/../admin", false),
            ("http://h/api", "http://h/api/%2e%2e/admin", false),
            ("http://h/api", "http://h/api/%2E./admin", false),
            ("http://h/api", "http://h/api/.%2e/api/x", true),
            ("http://h/api", "http://h/x/../api/y", true),
            ("http://h/api", "http://h/api/x//../../..", false),
            ("http://h/api", "http://h/api#/../..", true),
            ("http://h/a%20b", "http://h/a%20b/c", true),
            ("http://h/a%2Fb", "http://h/a/b", false),
        ] {
            assert_eq!(location(base).covers(&location(url)), covered, "{base} and {url}");
        }
    }

    #[test]
    fn what_some_server_would_read_as_upwards_is_refused() {
        for path in [
            "..%2fadmin",
            "x/..%2f..%2fadmin",
            "..%2Fadmin",
            "%2e%2e%2fadmin",
            "..%5cadmin",
            "..%252fadmin",
            "%252e%252e/admin",
            "%252e%252e%252fadmin",
            "%25252e%25252e/x",
            "..;/admin",
            "..;a=b/admin",
            "%2e%2e;/admin",
            "..%3b/admin",
            ".;/x",
            "..%20/admin",
            "a%2f..",
            "%2e%2e%5c",
        ] {
            let found = Location::parse(&format!("http://h/api/{path}"));
            assert!(matches!(found, Err(Wrong::Escapes(_))), "{path}: {found:?}");
        }
        let nested = format!("http://h/{}2e", "%25".to_string() + &"25".repeat(8));
        assert!(matches!(Location::parse(&nested), Err(Wrong::Escapes(_))), "{nested}");
        for path in ["group%2Fproject", "100%25", "a..b", "...", "..x", "x;v=1", "%C3%A4", "a%2Fb%2Fc", "v1.2"] {
            assert!(Location::parse(&format!("http://h/api/{path}")).is_ok(), "{path}");
        }
    }

    #[test]
    fn what_is_malformed_is_named_without_its_credentials() {
        for (text, message) in [
            ("ftp://h/", "`ftp://h/` begins with neither http:// nor https://"),
            ("file:///etc/passwd", "begins with neither"),
            ("http://user:hunter2@h/", "the URL has a user in it"),
            ("http://user@h/", "the URL has a user in it"),
            ("http://user:hunter2@h:x/", "the URL is no URL"),
            ("http://h:0/", "has no port"),
            ("http://h:99999/", "is no URL"),
            ("http://*.h/", "is not a host name"),
            ("http:///", "is no URL"),
            ("http://h/a b", "has a space"),
            ("http://h/a\tb", "has a space"),
            ("http://h/a\r\nX: y", "has a space"),
            ("http:\\\\h\\x", "a backslash"),
            ("http://h/a%00", "has a control character"),
            ("http://h/a%0d%0ab", "has a control character"),
            ("http://h/%c0%ae%c0%ae/x", "is no UTF-8"),
            ("relative", "is no URL"),
        ] {
            let error = Location::parse(text).unwrap_err().to_string();
            assert!(error.contains(message) && !error.contains("hunter2"), "{text}: {error}");
        }
        let long = format!("http://h/{}", "a".repeat(LENGTH_LIMIT));
        assert!(Location::parse(&long).unwrap_err().to_string().contains("more than 8192"));
    }

    #[test]
    fn a_relative_url_is_below_the_base() {
        for (base, text, found) in [
            ("http://h", "api/x?y=1", "http://h/api/x?y=1"),
            ("http://h/p", "api/x", "http://h/p/api/x"),
            ("http://h/p/", "api/x", "http://h/p/api/x"),
            ("http://h/p", "", "http://h/p"),
            ("http://h/p", "?q=1", "http://h/p?q=1"),
            ("http://h/p", "#part", "http://h/p"),
            ("http://h/p", "/api", "http://h/api"),
            ("http://h/p", "../x", "http://h/x"),
            ("http://h/p", "//evil.test/x", "http://evil.test/x"),
            ("http://h/p", "https://h/x", "https://h/x"),
            ("http://h/p", "a//b///c/", "http://h/p/a/b/c/"),
            ("http://h/p", "ä", "http://h/p/%C3%A4"),
        ] {
            assert_eq!(location(base).below(text).unwrap().as_str(), found, "{base} and {text}");
        }
        assert_eq!(location("http://h/p/q").redirected("r").unwrap().as_str(), "http://h/p/r");
        assert_eq!(location("https://h:8443/p").redirected("//h/r").unwrap().as_str(), "https://h/r");
        assert!(location("http://h").redirected("http://u:p@h/").is_err());
    }

    #[test]
    fn what_is_sent_is_what_was_compared() {
        let found = location("https://EXAMPLE.org.:8443/a/./b/../c//d?x=%20y&z#f");
        assert_eq!(found.as_str(), "https://example.org:8443/a/c/d?x=%20y&z");
        assert_eq!((found.authority().as_str(), found.target().as_str()), ("example.org:8443", "/a/c/d?x=%20y&z"));
        assert_eq!(found.place(), "https://example.org:8443/a/c/d");
        assert_eq!(
            (location("http://[::1]:80/").authority().as_str(), location("http://h").target().as_str()),
            ("[::1]", "/")
        );
    }
}
