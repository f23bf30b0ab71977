//! The way out to a host, for rooms that connect: a name is resolved, each address is judged by the grant, and the
//! connection goes to an address that was judged. Nothing here may connect to a name: it could mean something else by
//! then.

use std::net::IpAddr;

use futures::future::BoxFuture;
use ipnet::IpNet;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::binding::OneOrMany;
use crate::gate::{Refusal, SlotName};
use crate::policy::address;
use crate::policy::endpoint::HostName;

/// Networks of the host's own that a name may lead to, as a grant's `address=` has them; loopback, private and other
/// special addresses are refused otherwise. A host that is written as an address, or as `localhost`, needs none.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "OneOrMany")]
pub struct Networks(Vec<IpNet>);

impl TryFrom<OneOrMany> for Networks {
    type Error = String;

    fn try_from(texts: OneOrMany) -> Result<Self, String> {
        texts.0.iter().map(|text| address::network(text)).collect::<Result<_, _>>().map(Self)
    }
}

impl Networks {
    /// Whether `host`, which a slot grants, may be at `address`.
    ///
    /// # Errors
    /// An address in the host's own network that was not meant.
    pub fn allow(&self, slot: SlotName<'_>, host: &HostName, address: IpAddr) -> Result<(), Refusal> {
        let Some(kind) = address::special(address) else { return Ok(()) };
        let meant = match host {
            HostName::Address(named) => *named == address.to_canonical(),
            HostName::Name(name) => name == "localhost" && address.to_canonical().is_loopback(),
        };
        if meant || address::covered(address, &self.0) {
            return Ok(());
        }
        Err(Refusal::NotGranted(format!(
            "{host} resolves to {address}, {kind}; if that is meant, {}",
            slot.with(&[&format!("address={address}")])
        )))
    }
}

type Lookup = dyn Fn(String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> + Send + Sync;

/// How names become addresses.
pub struct Resolver(Box<Lookup>);

impl Default for Resolver {
    /// As the system does it.
    fn default() -> Self {
        Self(Box::new(|name| {
            Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect()) })
        }))
    }
}

/// The most addresses of one name that are tried.
const ADDRESSES: usize = 8;

impl Resolver {
    /// Names resolve as the test says, and no others do.
    #[cfg(test)]
    pub fn of(names: std::collections::BTreeMap<String, Vec<IpAddr>>) -> Self {
        Self(Box::new(move |name| {
            let found = names.get(&name).cloned().ok_or_else(|| std::io::ErrorKind::NotFound.into());
            Box::pin(std::future::ready(found))
        }))
    }

    /// The addresses of `host`, each once; at least one.
    ///
    /// # Errors
    /// A name that does not resolve, for people.
    pub async fn resolve(&self, host: &HostName) -> Result<Vec<IpAddr>, String> {
        let name = match host {
            HostName::Address(address) => return Ok(vec![*address]),
            HostName::Name(name) => name,
        };
        let found = (self.0)(name.clone()).await.map_err(|error| format!("{name} does not resolve: {error}"))?;
        let mut addresses: Vec<IpAddr> = Vec::new();
        for address in found.into_iter().map(|address| address.to_canonical()) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        addresses.truncate(ADDRESSES);
        if addresses.is_empty() { Err(format!("{name} does not resolve: it has no address")) } else { Ok(addresses) }
    }
}

/// Why no address answered; of the last one that was tried.
#[derive(Debug)]
pub enum Unreached {
    /// There was none to try.
    Nothing,
    /// It could not be connected to.
    Failed(IpAddr, std::io::Error),
    /// Its share of the time was over.
    Silent(IpAddr),
}

/// A connection to the first of `addresses` that answers; each has its share of the time that is left.
///
/// # Errors
/// What became of the last one.
pub async fn connect(addresses: &[IpAddr], port: u16, deadline: Instant) -> Result<TcpStream, Unreached> {
    let mut last = Unreached::Nothing;
    for (index, address) in addresses.iter().enumerate() {
        let left = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        let share = deadline.saturating_duration_since(Instant::now()) / left;
        last = match tokio::time::timeout(share, TcpStream::connect((*address, port))).await {
            Ok(Ok(tcp)) => return Ok(tcp),
            Ok(Err(error)) => Unreached::Failed(*address, error),
            Err(_) => Unreached::Silent(*address),
        };
    }
    Err(last)
}
