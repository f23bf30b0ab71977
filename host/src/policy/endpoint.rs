//! Which `HOST:PORT` a grant means. Pure: never resolves a name; what a name resolves to is for
//! [`address`](super::address) to judge.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use url::Host;

/// A host in the one form that is compared: a lower-case ASCII name without the dot at its end, or an address. All the
/// ways in which a resolver would read an address (`0x7f.1`, `2130706433`, `::ffff:127.0.0.1`) are that address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostName {
    /// A DNS name, or one that only this machine knows.
    Name(String),
    /// An address; IPv6 that carries IPv4 is IPv4.
    Address(IpAddr),
}

/// The most bytes of a DNS name (RFC 1035, 2.3.4).
const NAME_LIMIT: usize = 253;

impl FromStr for HostName {
    type Err = String;

    /// Reads a name or an address; IPv6 with brackets or without.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{}` is not a host name or an address", super::text::clean_line(text, 64));
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(Self::Address(address.to_canonical()));
        }
        // `Host::parse` undoes percent signs, which no host name has.
        if text.contains('%') {
            return Err(wrong());
        }
        match Host::parse(text).map_err(|_| wrong())? {
            Host::Ipv4(address) => Ok(Self::Address(address.into())),
            Host::Ipv6(address) => Ok(Self::Address(IpAddr::V6(address).to_canonical())),
            Host::Domain(name) => {
                let name = name.strip_suffix('.').unwrap_or(&name);
                let fits =
                    name.len() <= NAME_LIMIT && name.split('.').all(|label| !label.is_empty() && label.len() <= 63);
                if fits && !name.contains('*') { Ok(Self::Name(name.into())) } else { Err(wrong()) }
            }
        }
    }
}

impl fmt::Display for HostName {
    /// As it stands before a port: IPv6 in brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// A host, or all hosts below a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// This host and no other.
    Exact(HostName),
    /// `*.example.org`: every name below `example.org` at any depth, and not `example.org` itself.
    Below(String),
}

impl HostPattern {
    /// Whether `host` is meant.
    pub fn matches(&self, host: &HostName) -> bool {
        match (self, host) {
            (Self::Exact(exact), host) => exact == host,
            (Self::Below(parent), HostName::Name(name)) => name
                .strip_suffix(parent.as_str())
                .and_then(|labels| labels.strip_suffix('.'))
                .is_some_and(|labels| !labels.is_empty()),
            (Self::Below(_), HostName::Address(_)) => false,
        }
    }
}

impl FromStr for HostPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(parent) = text.strip_prefix("*.") else {
            if text.contains('*') {
                return Err(format!("`{text}`: a `*` stands for the first labels of a name, as in *.example.org"));
            }
            return text.parse().map(Self::Exact);
        };
        match parent.parse()? {
            HostName::Name(name) => Ok(Self::Below(name)),
            HostName::Address(_) => Err(format!("`{text}`: an address has no names below it")),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => host.fmt(f),
            Self::Below(parent) => write!(f, "*.{parent}"),
        }
    }
}

/// A host pattern and a port: `example.org:443`, `*.example.org:443`, `[::1]:443`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointPattern {
    /// Which hosts.
    pub host: HostPattern,
    /// Which port; there is no pattern for ports.
    pub port: u16,
}

impl EndpointPattern {
    /// Whether `host` and `port` are meant.
    pub fn matches(&self, host: &HostName, port: u16) -> bool {
        self.port == port && self.host.matches(host)
    }
}

impl FromStr for EndpointPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form =
            || format!("`{text}` is not an endpoint; write it like example.org:443, *.example.org:443 or [::1]:443");
        let (host, port) = text.rsplit_once(':').ok_or_else(form)?;
        let bracketed = host.starts_with('[') && host.ends_with(']');
        let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|port| digits && *port != 0).ok_or_else(form)?;
        if host.is_empty() || (host.contains(':') && !bracketed) {
            return Err(form());
        }
        Ok(Self { host: host.parse()?, port })
    }
}

impl fmt::Display for EndpointPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_these_endpoints_and_no_others() {
        for (pattern, host, port, matches) in [
            ("example.org:443", "example.org", 443, true),
            ("example.org:443", "EXAMPLE.org.", 443, true),
            ("example.org:443", "example.org", 8443, false),
            ("example.org:443", "www.example.org", 443, false),
            ("example.org:443", "example.org.evil.test", 443, false),
            ("*.example.org:443", "www.example.org", 443, true),
            ("*.example.org:443", "a.b.example.org", 443, true),
            ("*.example.org:443", "example.org", 443, false),
            ("*.example.org:443", "evilexample.org", 443, false),
            ("*.example.org:443", "www.example.org.evil.test", 443, false),
            ("*.org:443", "127.0.0.1", 443, false),
            ("bücher.example:443", "xn--bcher-kva.example", 443, true),
            ("127.0.0.1:443", "127.0.0.1", 443, true),
            ("127.0.0.1:443", "localhost", 443, false),
            ("localhost:443", "127.0.0.1", 443, false),
            ("127.0.0.1:443", "2130706433", 443, true),
            ("[::1]:443", "::1", 443, true),
            ("[::1]:443", "[0:0::1]", 443, true),
            ("[::ffff:10.0.0.1]:443", "10.0.0.1", 443, true),
        ] {
            let pattern: EndpointPattern = pattern.parse().unwrap();
            assert_eq!(pattern.matches(&host.parse().unwrap(), port), matches, "{pattern} {host}:{port}");
        }
    }

    #[test]
    fn an_address_in_disguise_is_an_address() {
        for text in
            ["127.1", "0x7f.0.0.1", "0177.0.0.1", "2130706433", "[::ffff:7f00:1]", "::ffff:127.0.0.1", "127。0。0。1"]
        {
            assert_eq!(text.parse(), Ok(HostName::Address([127, 0, 0, 1].into())), "{text}");
        }
    }

    #[test]
    fn what_is_no_endpoint_is_refused_with_how_to_write_it() {
        for (text, message) in [
            ("example.org", "is not an endpoint; write it like example.org:443"),
            ("example.org:", "is not an endpoint"),
            ("example.org:0", "is not an endpoint"),
            ("example.org:+443", "is not an endpoint"),
            ("example.org:65536", "is not an endpoint"),
            (":443", "is not an endpoint"),
            ("::1:443", "is not an endpoint"),
            ("*:443", "a `*` stands for the first labels"),
            ("www.*.org:443", "a `*` stands for the first labels"),
            ("*.10.0.0.1:443", "an address has no names below it"),
            ("*.*.org:443", "is not a host name"),
            ("a b:443", "is not a host name"),
            ("a..b:443", "is not a host name"),
            ("user@example.org:443", "is not a host name"),
            ("example.org/x:443", "is not a host name"),
            ("%31.2.3.4:443", "is not a host name"),
            ("[fe80::1%25eth0]:443", "is not a host name"),
        ] {
            let error = text.parse::<EndpointPattern>().unwrap_err();
            assert!(error.contains(message), "{text}: {error}");
        }
    }

    #[test]
    fn it_is_shown_as_it_is_written() {
        for text in ["example.org:443", "*.example.org:443", "[::1]:443", "10.0.0.1:5432"] {
            assert_eq!(text.parse::<EndpointPattern>().unwrap().to_string(), text);
        }
    }
}
