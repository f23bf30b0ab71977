//! What an operator grants to a `tls` slot: endpoints, and what a name among them may resolve to. Pure.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;

use super::bindings::Starttls;
use crate::capability::binding::OneOrMany;
use crate::capability::network::Networks;
use crate::gate::{Refusal, SlotName};
use crate::policy::endpoint::{EndpointPattern, HostName, HostPattern};
use crate::policy::units::Seconds;

/// The endpoints of a slot. The default allows none.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Grant {
    target: Targets,
    access: Vec<Access>,
    /// Networks of the host's own that a name may lead to; loopback, private and other special addresses are refused
    /// otherwise. An endpoint that is written as an address, or as `localhost`, needs none.
    address: Networks,
    /// For the whole of one connection, from resolving to the end of the handshake.
    timeout: Option<Seconds>,
    /// A PEM file of certificates to trust in addition to the system's.
    ca: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Access {
    Connect,
}

/// One target: what stands before the port's protocol, and the endpoints meant.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    starttls: Starttls,
    endpoint: EndpointPattern,
}

/// An endpoint that a guest asks for, in the form that grants are compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) host: HostName,
    pub(super) port: u16,
    pub(super) starttls: Starttls,
}

const TIMEOUT: Seconds = Seconds(10);
const LONGEST_TIMEOUT: Seconds = Seconds(3_600);

impl Grant {
    pub(super) fn access(&self) -> Vec<&'static str> {
        if self.access.contains(&Access::Connect) { vec!["connect"] } else { vec![] }
    }

    pub(super) fn check(&self) -> Result<(), String> {
        if self.target.0.is_empty() {
            return Err("there is no endpoint; write one like example.org:443".into());
        }
        if self.timeout.is_some_and(|timeout| timeout.0 == 0 || timeout > LONGEST_TIMEOUT) {
            return Err(format!("timeout is from 1s to {LONGEST_TIMEOUT}"));
        }
        Ok(())
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(TIMEOUT).into()
    }

    pub(super) fn ca(&self) -> Option<&PathBuf> {
        self.ca.as_ref()
    }

    /// The endpoints that are named exactly, in the order in which they were written, each once.
    pub(super) fn endpoints(&self) -> Vec<Endpoint> {
        let mut endpoints = Vec::new();
        for target in &self.target.0 {
            if let HostPattern::Exact(host) = &target.endpoint.host {
                let endpoint = Endpoint { host: host.clone(), port: target.endpoint.port, starttls: target.starttls };
                if !endpoints.contains(&endpoint) {
                    endpoints.push(endpoint);
                }
            }
        }
        endpoints
    }

    /// Whether the slot may be used at all.
    pub(super) fn allows(&self, slot: SlotName<'_>) -> Result<(), Refusal> {
        if self.access.contains(&Access::Connect) && !self.target.0.is_empty() {
            return Ok(());
        }
        let bind = slot.bind("HOST:PORT", &[]);
        Err(Refusal::NotGranted(format!("slot `{slot}` is bound to no endpoint; {bind}")))
    }

    /// Whether the endpoint is among the targets.
    pub(super) fn allows_endpoint(&self, slot: SlotName<'_>, endpoint: &Endpoint) -> Result<(), Refusal> {
        self.allows(slot)?;
        let mut named = self.target.0.iter().filter(|target| target.endpoint.matches(&endpoint.host, endpoint.port));
        if named.clone().any(|target| target.starttls == endpoint.starttls) {
            return Ok(());
        }
        let instead = named.next().map(|target| format!(" (it grants {target})")).unwrap_or_default();
        Err(Refusal::NotGranted(format!(
            "slot `{slot}` does not grant {endpoint}{instead}; {}",
            slot.bind_also(&endpoint.to_string())
        )))
    }

    /// Whether the host of a granted endpoint may be at `address`.
    pub(super) fn allows_address(&self, slot: SlotName<'_>, host: &HostName, address: IpAddr) -> Result<(), Refusal> {
        self.address.allow(slot, host, address)
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (starttls, rest) = match text.split_once("://") {
            None => (Starttls::None, text),
            Some(("tls", rest)) => (Starttls::None, rest),
            Some(("smtp", rest)) => (Starttls::Smtp, rest),
            Some(("imap", rest)) => (Starttls::Imap, rest),
            Some(("postgres", rest)) => (Starttls::Postgres, rest),
            Some((scheme, rest)) => {
                return Err(format!(
                    "`{scheme}://` is no protocol of tls; there are smtp, imap and postgres, which begin in plain text, \
                     and {rest} alone for TLS from the first byte"
                ));
            }
        };
        Ok(Self { starttls, endpoint: rest.parse()? })
    }
}

/// What stands before an endpoint that begins in plain text.
fn scheme(starttls: Starttls) -> &'static str {
    match starttls {
        Starttls::None => "",
        Starttls::Smtp => "smtp://",
        Starttls::Imap => "imap://",
        Starttls::Postgres => "postgres://",
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", scheme(self.starttls), self.endpoint)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}:{}", scheme(self.starttls), self.host, self.port)
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "OneOrMany")]
struct Targets(Vec<Target>);

impl TryFrom<OneOrMany> for Targets {
    type Error = String;

    fn try_from(texts: OneOrMany) -> Result<Self, String> {
        texts.0.iter().map(|text| text.parse()).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(text: &str) -> Grant {
        toml::from_str(&format!("access = [\"connect\"]\n{text}")).unwrap()
    }

    fn endpoint(text: &str) -> Endpoint {
        let Target { starttls, endpoint } = text.parse().unwrap();
        let HostPattern::Exact(host) = endpoint.host else { panic!("{text} is a pattern") };
        Endpoint { host, port: endpoint.port, starttls }
    }

    #[test]
    fn the_default_allows_nothing() {
        let grant = Grant::default();
        assert_eq!(grant.access(), Vec::<&str>::new());
        assert!(grant.check().is_err());
        assert_eq!(grant.endpoints(), []);
        let refusal = grant.allows(SlotName::flag("tls", "endpoints")).unwrap_err().to_string();
        assert_eq!(refusal, "slot `endpoints` is bound to no endpoint; add --tls endpoints=HOST:PORT");
        assert!(grant.allows_endpoint(SlotName::flag("tls", "endpoints"), &endpoint("example.org:443")).is_err());
        let name: HostName = "example.org".parse().unwrap();
        assert!(grant.allows_address(SlotName::flag("tls", "endpoints"), &name, [127, 0, 0, 1].into()).is_err());
    }

    #[test]
    fn a_grant_allows_its_targets_in_their_own_protocol_only() {
        let grant = grant(
            r#"target = ["example.org:443", "*.example.org:443", "smtp://mail.example.org:25", "tls://[::1]:443"]"#,
        );
        for (asked, refused) in [
            ("example.org:443", None),
            ("tls://EXAMPLE.org:443", None),
            ("www.example.org:443", None),
            ("smtp://mail.example.org:25", None),
            ("[::1]:443", None),
            ("example.org:8443", Some("slot `s` does not grant example.org:8443; add --tls s=example.org:8443")),
            (
                "smtp://example.org:443",
                Some(
                    "slot `s` does not grant smtp://example.org:443 (it grants example.org:443); \
                     add --tls s=smtp://example.org:443",
                ),
            ),
            (
                "mail.example.org:25",
                Some(
                    "slot `s` does not grant mail.example.org:25 (it grants smtp://mail.example.org:25); \
                     add --tls s=mail.example.org:25",
                ),
            ),
            ("127.0.0.1:443", Some("slot `s` does not grant 127.0.0.1:443; add --tls s=127.0.0.1:443")),
        ] {
            let verdict = grant
                .allows_endpoint(SlotName::flag("tls", "s"), &endpoint(asked))
                .map_err(|refusal| refusal.to_string());
            assert_eq!(verdict.err().as_deref(), refused, "{asked}");
        }
    }

    #[test]
    fn a_name_leads_into_the_own_network_only_where_the_grant_says_so() {
        let grant = grant("target = \"example.org:443\"\naddress = [\"10.0.0.0/8\", \"192.168.1.7\", \"fd00::/8\"]");
        for (host, address, allowed) in [
            ("example.org", "93.184.215.14", true),
            ("example.org", "10.9.8.7", true),
            ("example.org", "::ffff:10.9.8.7", true),
            ("example.org", "192.168.1.7", true),
            ("example.org", "192.168.1.8", false),
            ("example.org", "fd00::1", true),
            ("example.org", "127.0.0.1", false),
            ("example.org", "::1", false),
            ("example.org", "::ffff:127.0.0.1", false),
            ("example.org", "64:ff9b::7f00:1", false),
            ("example.org", "169.254.169.254", false),
            ("example.org", "0.0.0.0", false),
            ("localhost", "127.0.0.1", true),
            ("localhost", "::1", true),
            ("localhost", "192.168.1.8", false),
            ("db.localhost", "127.0.0.1", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("169.254.169.254", "169.254.169.254", true),
            ("172.16.0.1", "172.16.0.2", false),
        ] {
            let verdict =
                grant.allows_address(SlotName::flag("tls", "s"), &host.parse().unwrap(), address.parse().unwrap());
            assert_eq!(verdict.is_ok(), allowed, "{host} at {address}");
        }
        let refusal = grant
            .allows_address(SlotName::flag("tls", "s"), &"example.org".parse().unwrap(), [127, 0, 0, 1].into())
            .unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "example.org resolves to 127.0.0.1, a loopback address; if that is meant, add `,address=127.0.0.1` to \
             --tls s=..."
        );
    }

    #[test]
    fn what_is_there_to_check_is_named_exactly_once_and_in_order() {
        let grant =
            grant(r#"target = ["smtp://b.example:25", "*.example:443", "a.example:443", "tls://A.example.:443"]"#);
        let endpoints: Vec<_> = grant.endpoints().iter().map(ToString::to_string).collect();
        assert_eq!(endpoints, ["smtp://b.example:25", "a.example:443"]);
    }

    #[test]
    fn a_grant_that_makes_no_sense_says_what_to_write() {
        for (text, message) in [
            ("target = \"example.org\"", "write it like example.org:443"),
            ("target = \"https://example.org:443\"", "`https://` is no protocol of tls"),
            ("target = \"a:1\"\naddress = \"10.0.0.0/40\"", "is not an address range"),
            ("target = \"a:1\"\ntimeout = \"soon\"", "is not a duration"),
            ("target = \"a:1\"\ncas = \"roots.pem\"", "unknown field `cas`"),
            ("target = \"a:1\"\naccess = [\"send\"]", "unknown variant `send`"),
        ] {
            let error = toml::from_str::<Grant>(text).unwrap_err();
            assert!(error.message().contains(message), "{text}: {}", error.message());
        }
        for text in ["target = []", "target = \"a:1\"\ntimeout = 0", "target = \"a:1\"\ntimeout = \"2h\""] {
            assert!(toml::from_str::<Grant>(text).unwrap().check().is_err(), "{text}");
        }
    }
}
