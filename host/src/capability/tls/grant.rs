//! What an operator grants to a `tls` slot: endpoints, and what a name among them may resolve to. Pure.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;

use super::bindings::Starttls;
use crate::capability::binding::OneOrMany;
use crate::gate::Refusal;
use crate::policy::address;
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
                let endpoint =
                    Endpoint { host: host.clone(), port: target.endpoint.port, starttls: target.starttls };
                if !endpoints.contains(&endpoint) {
                    endpoints.push(endpoint);
                }
            }
        }
        endpoints
    }

    /// Whether the slot may be used at all.
    pub(super) fn allows(&self, slot: &str) -> Result<(), Refusal> {
        if self.access.contains(&Access::Connect) && !self.target.0.is_empty() {
            return Ok(());
        }
        Err(Refusal::NotGranted(format!("slot `{slot}` is bound to no endpoint; add --tls {slot}=HOST:PORT")))
    }

    /// Whether the endpoint is among the targets.
    pub(super) fn allows_endpoint(&self, slot: &str, endpoint: &Endpoint) -> Result<(), Refusal> {
        self.allows(slot)?;
        let mut named = self.target.0.iter().filter(|target| target.endpoint.matches(&endpoint.host, endpoint.port));
        if named.clone().any(|target| target.starttls == endpoint.starttls) {
            return Ok(());
        }
        let instead = named.next().map(|target| format!(" (it grants {target})")).unwrap_or_default();
        Err(Refusal::NotGranted(format!(
            "slot `{slot}` does not grant {endpoint}{instead}; add --tls {slot}={endpoint}"
        )))
    }

    /// Whether the host of a granted endpoint may be at `address`.
    pub(super) fn allows_address(&self, slot: &str, host: &HostName, address: IpAddr) -> Result<(), Refusal> {
        let Some(kind) = address::special(address) else { return Ok(()) };
        let meant = match host {
            HostName::Address(named) => *named == address.to_canonical(),
            HostName::Name(name) => name == "localhost" && address.to_canonical().is_loopback(),
        };
        if meant || address::covered(address, &self.address.0) {
            return Ok(());
        }
        Err(Refusal::NotGranted(format!(
            "{host} resolves to {address}, {kind}; if that is meant, add `,address={address}` to --tls {slot}=..."
        )))
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

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "OneOrMany")]
struct Networks(Vec<IpNet>);

impl TryFrom<OneOrMany> for Networks {
    type Error = String;

    fn try_from(texts: OneOrMany) -> Result<Self, String> {
        texts.0.iter().map(|text| address::network(text)).collect::<Result<_, _>>().map(Self)
    }
}
