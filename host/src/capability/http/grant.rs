//! What an operator grants to an `http` slot: base addresses, methods, and the credentials that go with them. Pure.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use data_encoding::BASE64;
use serde::Deserialize;

use super::MOST_BODY;
use super::bindings::Method;
use super::header;
use super::location::{Location, Wrong};
use crate::capability::Secret;
use crate::capability::binding::OneOrMany;
use crate::capability::network::Networks;
use crate::gate::{Impact, Refusal, SlotName};
use crate::policy::endpoint::HostName;
use crate::policy::units::{Seconds, Size};

/// The addresses of a slot, and what may be asked of them. The default allows nothing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Grant {
    target: Bases,
    access: Vec<Access>,
    /// Paths below which a POST is a question: it observes, and needs `get` alone.
    query: OneOrMany,
    /// A token that is sent as `Authorization: Bearer`.
    bearer: Option<Secret>,
    /// `USER:PASSWORD`, sent as `Authorization: Basic`.
    basic: Option<Secret>,
    /// `NAME:VALUE` of headers that are sent with every request.
    header: Headers,
    /// A PEM file of certificates to trust in addition to the system's.
    ca: Option<PathBuf>,
    /// A PEM file with the client's certificate and its chain.
    cert: Option<PathBuf>,
    /// A PEM file with the client certificate's private key.
    key: Option<PathBuf>,
    /// Networks of the host's own that a name may lead to.
    address: Networks,
    /// For one request, redirects and body included; the time in which the guest does not read is not counted.
    timeout: Option<Seconds>,
    /// The most bytes of an answer's body.
    max_body: Option<Size>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Access {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

/// Addresses, as they were written and as they are compared.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "OneOrMany")]
struct Bases(Vec<(String, Location)>);

/// Headers with values that are kept to themselves.
#[derive(Clone, Default, Deserialize)]
#[serde(try_from = "OneOrMany")]
struct Headers(Vec<(String, Secret)>);

const TIMEOUT: Seconds = Seconds(30);
const LONGEST_TIMEOUT: Seconds = Seconds(3_600);
const LARGEST_BODY: Size = Size(16 << 30);

impl Access {
    fn word(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
            Self::Put => "put",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }
}

impl Grant {
    pub(super) fn access(&self) -> Vec<&'static str> {
        let words = [Access::Get, Access::Post, Access::Put, Access::Patch, Access::Delete];
        words.into_iter().filter(|word| self.access.contains(word)).map(Access::word).collect()
    }

    pub(super) fn check(&self) -> Result<(), String> {
        let Some((_, first)) = self.target.0.first() else {
            return Err("there is no address; write one like https://example.org/api".into());
        };
        let has_credentials =
            self.bearer.is_some() || self.basic.is_some() || self.cert.is_some() || !self.header.0.is_empty();
        if has_credentials && self.target.0.iter().any(|(_, base)| !base.same_origin(first)) {
            return Err("credentials are for one server, and the addresses are of several; bind a slot for each".into());
        }
        self.check_credentials()?;
        for path in &self.query.0 {
            let inside = |(_, base): &(String, Location)| {
                base.below(path).is_ok_and(|place| base.covers(&place) && !place.has_query())
            };
            if path.is_empty() || !self.target.0.iter().any(inside) {
                return Err(format!("`query={path}` is no path below the slot's address"));
            }
        }
        if self.timeout.is_some_and(|timeout| timeout.0 == 0 || timeout > LONGEST_TIMEOUT) {
            return Err(format!("timeout is from 1s to {LONGEST_TIMEOUT}"));
        }
        if self.max_body.is_some_and(|size| size.0 == 0 || size > LARGEST_BODY) {
            return Err(format!("max-body is from 1 to {LARGEST_BODY}"));
        }
        Ok(())
    }

    fn check_credentials(&self) -> Result<(), String> {
        let visible = |secret: &Secret| {
            let text = secret.expose();
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
        };
        let authorizes = |name: &&str| name.eq_ignore_ascii_case("authorization");
        let names = || self.header.0.iter().map(|(name, _)| name.as_str());
        let ways =
            usize::from(self.bearer.is_some()) + usize::from(self.basic.is_some()) + names().filter(authorizes).count();
        if ways > 1 {
            return Err("there are several credentials for `authorization`; write `bearer` or `basic`, once".into());
        }
        if self.bearer.as_ref().is_some_and(|token| !visible(token)) {
            return Err("`bearer` is a token without spaces or line ends".into());
        }
        if self.basic.as_ref().is_some_and(|basic| !basic.expose().contains(':') || !header::is_value(basic.expose())) {
            return Err("`basic` is written USER:PASSWORD, such as `basic=admin:env:PASSWORD`".into());
        }
        for (name, value) in &self.header.0 {
            if !header::is_name(name) || !header::is_value(value.expose()) {
                return Err("`header` is written NAME:VALUE, such as `header=X-Api-Key:env:KEY`".into());
            }
            if header::is_framing(name) {
                return Err(format!("`header={name}:...` cannot be set; the client does"));
            }
        }
        match (&self.cert, &self.key) {
            (Some(_), None) => Err("`cert` needs the private key: add `,key=PATH`".into()),
            (None, Some(_)) => Err("`key` needs its certificate: add `,cert=PATH`".into()),
            (Some(_), Some(_)) if !self.target.0.iter().any(|(_, base)| base.is_encrypted()) => {
                Err("a client certificate is for https, and the address is http".into())
            }
            _ => Ok(()),
        }
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(TIMEOUT).into()
    }

    pub(super) fn max_body(&self) -> u64 {
        self.max_body.map_or(MOST_BODY, |size| size.0)
    }

    pub(super) fn ca(&self) -> Option<&PathBuf> {
        self.ca.as_ref()
    }

    /// The client's certificate and its key.
    pub(super) fn identity(&self) -> Option<(&PathBuf, &PathBuf)> {
        self.cert.as_ref().zip(self.key.as_ref())
    }

    /// The addresses as they were written.
    pub(super) fn bases(&self) -> Vec<String> {
        self.target.0.iter().map(|(written, _)| written.clone()).collect()
    }

    /// The place that a guest asks for, which may be relative to the first address.
    pub(super) fn locate(&self, url: &str) -> Result<Location, Wrong> {
        match self.target.0.first() {
            Some((_, base)) => base.below(url),
            None => Location::parse(url),
        }
    }

    /// What a request does to the world.
    pub(super) fn impact(&self, method: Method, location: Option<&Location>) -> Impact {
        match method {
            Method::Get | Method::Head => Impact::Observe,
            Method::Post if location.is_some_and(|location| self.is_question(location)) => Impact::Observe,
            Method::Post | Method::Put | Method::Patch => Impact::Change,
            Method::Delete => Impact::Destroy,
        }
    }

    /// Whether a POST there only asks.
    fn is_question(&self, location: &Location) -> bool {
        let asks = |base: &Location, path: &String| {
            base.covers(location) && base.below(path).is_ok_and(|place| base.covers(&place) && place.covers(location))
        };
        self.target.0.iter().any(|(_, base)| self.query.0.iter().any(|path| asks(base, path)))
    }

    /// Whether the slot may be used at all.
    pub(super) fn allows(&self, slot: SlotName<'_>) -> Result<(), Refusal> {
        if self.access.contains(&Access::Get) && !self.target.0.is_empty() {
            return Ok(());
        }
        Err(Refusal::NotGranted(format!("slot `{slot}` is bound to no address; {}", slot.bind("URL", &[]))))
    }

    /// Whether the method is granted, at that place where there is one.
    pub(super) fn allows_request(
        &self,
        slot: SlotName<'_>,
        method: Method,
        location: Option<&Location>,
    ) -> Result<(), Refusal> {
        self.allows(slot)?;
        if let Some(location) = location
            && !self.target.0.iter().any(|(_, base)| base.covers(location))
        {
            let granted = self.bases();
            let shown = granted.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
            let more = if granted.len() > 3 { ", ..." } else { "" };
            let place = location.place();
            return Err(Refusal::NotGranted(format!(
                "slot `{slot}` does not grant {place} (it grants {shown}{more}); {}",
                slot.bind_also(&place)
            )));
        }
        let asks = location.is_some_and(|location| self.is_question(location));
        let needed = match method {
            Method::Get | Method::Head => Access::Get,
            Method::Post if asks => Access::Get,
            Method::Post => Access::Post,
            Method::Put => Access::Put,
            Method::Patch => Access::Patch,
            Method::Delete => Access::Delete,
        };
        if self.access.contains(&needed) {
            return Ok(());
        }
        let word = needed.word();
        let or = if needed == Access::Post { " (or `query=PATH`, where a POST only asks)" } else { "" };
        Err(Refusal::NotGranted(format!("slot `{slot}` does not grant {word}; {}{or}", slot.with(&[word]))))
    }

    /// Whether the host of a granted address may be at `address`.
    pub(super) fn allows_address(&self, slot: SlotName<'_>, host: &HostName, address: IpAddr) -> Result<(), Refusal> {
        self.address.allow(slot, host, address)
    }

    /// Whether the grant sets that header, named in lower case.
    pub(super) fn sets(&self, name: &str) -> bool {
        self.header.0.iter().any(|(set, _)| set.eq_ignore_ascii_case(name))
    }

    /// The headers that the host adds to a request to that place: none where it is not the slot's own server.
    pub(super) fn credentials(&self, location: &Location) -> Vec<(String, Secret)> {
        if !self.target.0.iter().any(|(_, base)| base.same_origin(location)) {
            return vec![];
        }
        let bearer = self.bearer.iter().map(|token| format!("Bearer {}", token.expose()));
        let basic = self.basic.iter().map(|basic| format!("Basic {}", BASE64.encode(basic.expose().as_bytes())));
        let authorization = bearer.chain(basic).map(|value| ("authorization".to_owned(), Secret::new(value)));
        self.header.0.iter().cloned().chain(authorization).collect()
    }
}

impl TryFrom<OneOrMany> for Bases {
    type Error = String;

    /// An address may stand for a variable's content, and is not quoted.
    fn try_from(texts: OneOrMany) -> Result<Self, String> {
        let base = |text: String| {
            let form = || "an address is written like https://example.org/api or http://localhost:8080".to_owned();
            let location = Location::parse(&text).map_err(|_| form())?;
            if location.has_query() || text.contains('#') {
                return Err("an address has no query; what is below its path is granted".to_owned());
            }
            Ok((text, location))
        };
        texts.0.into_iter().map(base).collect::<Result<_, _>>().map(Self)
    }
}

impl TryFrom<OneOrMany> for Headers {
    type Error = String;

    fn try_from(texts: OneOrMany) -> Result<Self, String> {
        let header = |text: &String| {
            let (name, value) = text.split_once(':')?;
            Some((name.trim().to_owned(), Secret::new(value.trim())))
        };
        let headers: Option<_> = texts.0.iter().map(header).collect();
        headers.map(Self).ok_or_else(|| "`header` is written NAME:VALUE, such as `header=X-Api-Key:env:KEY`".into())
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests;
