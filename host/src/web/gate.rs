//! Who asks, and whether they may: the one place that every request passes.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::http::header::{AUTHORIZATION, COOKIE, HOST};
use axum::http::{HeaderMap, HeaderName};

use super::auth::{Person, Right, Sessions, Tokens, TokensFile, Verdict};
use super::csrf;
use super::failure::Failure;
use super::limit::Limit;

/// How a host is reached and by whom.
#[derive(Debug)]
pub struct Gate {
    /// Who has tokens; without, everybody who reaches the host may look and nobody may do anything.
    pub tokens: Option<TokensFile>,
    /// Only this machine can reach it: no other name than this machine's own is asked for.
    pub loopback: bool,
    /// It speaks TLS itself.
    pub tls: bool,
    /// A proxy stands before it, which speaks TLS.
    pub proxy: bool,
    /// The header in which that proxy names who signed in there.
    pub user_header: Option<HeaderName>,
    pub(super) sessions: Sessions,
    pub(super) csrf: csrf::Key,
    limit: Mutex<Limit>,
}

/// Whoever asks.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// None when nobody knows.
    pub(super) person: Option<Person>,
    pub(super) how: How,
    pub(super) address: IpAddr,
}

/// How that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum How {
    Unknown,
    /// A token came with the request: no other site's page can have sent it.
    Token,
    /// A cookie, which a browser sends whoever's page asks.
    Session(String),
    /// A proxy says so, whoever's page asks.
    Proxy(String),
}

impl Gate {
    /// What `host serve` was told.
    ///
    /// # Errors
    /// No random numbers are to be had.
    pub fn new(tokens: Option<TokensFile>) -> Result<Self, String> {
        Ok(Self {
            tokens,
            loopback: true,
            tls: false,
            proxy: false,
            user_header: None,
            sessions: Sessions::default(),
            csrf: csrf::Key::new(super::random()?),
            limit: Mutex::default(),
        })
    }

    /// The browser reaches it by TLS.
    pub(super) fn secure(&self) -> bool {
        self.tls || self.proxy
    }

    pub(super) fn cookie(&self) -> &'static str {
        // Browsers take a cookie of such a name from nobody but this host itself, and by TLS alone.
        if self.secure() { "__Host-taskhost" } else { "taskhost" }
    }

    pub(super) fn tokens_now(&self) -> Option<Arc<Tokens>> {
        self.tokens.as_ref().map(TokensFile::now)
    }

    /// Who asks.
    pub(super) fn caller(&self, headers: &HeaderMap, peer: IpAddr) -> Result<Caller, Failure> {
        self.check_host(headers)?;
        let address = self.address(headers, peer);
        let caller = |person, how| Caller { person, how, address };
        let Some(tokens) = self.tokens_now() else { return Ok(caller(None, How::Unknown)) };
        let now = Instant::now();
        if let Some(given) = headers.get(AUTHORIZATION) {
            let token = given.to_str().ok().and_then(|given| given.split_once(' '));
            let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
            let digest = token.map(|(_, token)| super::auth_digest(token.trim()));
            let person = digest.and_then(|digest| tokens.whose(&digest));
            return match person {
                Some(person) => Ok(caller(Some(person), How::Token)),
                None => {
                    self.check_limit(address)?;
                    self.failed(address);
                    Err(Failure::unauthorized("the token in the header `authorization` is none that this host knows"))
                }
            };
        }
        if let Some(header) = self.user_header.as_ref().filter(|_| self.proxy) {
            let mut given = headers.get_all(header).iter();
            // Of several, a proxy added one to what the browser sent.
            if let (Some(name), None) = (given.next(), given.next()) {
                let name = name.to_str().unwrap_or_default().trim();
                if !name.is_empty() {
                    let person = tokens.named(name);
                    let how = How::Proxy(person.name.clone());
                    return Ok(caller(Some(person), how));
                }
            }
        }
        let session = cookie(headers, self.cookie());
        let person = session.as_deref().and_then(|id| self.sessions.token(id, now));
        let person = person.and_then(|token| tokens.whose(&token));
        Ok(match (person, session) {
            (Some(person), Some(id)) => caller(Some(person), How::Session(id)),
            _ => caller(None, How::Unknown),
        })
    }

    /// Whether they may.
    pub(super) fn check(&self, caller: &Caller, right: Right) -> Result<(), Failure> {
        let role = caller.person.as_ref().map(|person| person.role);
        match right.judge(self.tokens.is_some(), role) {
            Verdict::Go => Ok(()),
            Verdict::SignIn => Err(Failure::unauthorized("sign in, or send `authorization: Bearer TOKEN`")),
            Verdict::NoTokens => Err(Failure::forbidden(
                "this host was started without tokens, so nobody may change anything; make one with `host token add \
                 NAME --role operator --tokens FILE` and start it with `--tokens FILE`",
            )),
            Verdict::Needs(role) => {
                Err(Failure::forbidden(format!("that takes the role {}; yours is {}", role.name(), word(caller))))
            }
        }
    }

    /// Whether a change comes from a page of ours.
    pub(super) fn check_form(&self, caller: &Caller, given: Option<&str>) -> Result<(), Failure> {
        let whose = match &caller.how {
            // No other's page can make a browser send a token, and for who is not known nothing is changed.
            How::Token | How::Unknown => return Ok(()),
            How::Session(id) => id.clone(),
            How::Proxy(name) => format!("proxy:{name}"),
        };
        if given.is_some_and(|given| self.csrf.holds(&whose, given)) {
            return Ok(());
        }
        Err(Failure::forbidden(
            "the form is out of date, or not from this page; go back, load the page anew and try again",
        ))
    }

    /// What forms carry.
    pub(super) fn form_token(&self, caller: &Caller) -> String {
        match &caller.how {
            How::Token | How::Unknown => String::new(),
            How::Session(id) => self.csrf.token(id),
            How::Proxy(name) => self.csrf.token(&format!("proxy:{name}")),
        }
    }

    /// Whether that address may try to sign in.
    pub(super) fn check_limit(&self, address: IpAddr) -> Result<(), Failure> {
        let mut limit = self.limit.lock().unwrap_or_else(PoisonError::into_inner);
        limit.check(address, Instant::now()).map_err(Failure::too_many)
    }

    pub(super) fn failed(&self, address: IpAddr) {
        tracing::warn!(%address, "failed to sign in");
        self.limit.lock().unwrap_or_else(PoisonError::into_inner).failed(address, Instant::now());
    }

    /// A page of another site can have its own name lead here; then the browser asks for that name.
    fn check_host(&self, headers: &HeaderMap) -> Result<(), Failure> {
        if !self.loopback || self.proxy {
            return Ok(());
        }
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        if is_local(host) { Ok(()) } else { Err(Failure::misdirected()) }
    }

    /// Whose address counts: behind a proxy, the one that it speaks for.
    fn address(&self, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
        let forwarded = headers.get_all("x-forwarded-for").iter().next_back().filter(|_| self.proxy);
        let last = forwarded.and_then(|value| value.to_str().ok()).and_then(|value| value.rsplit(',').next());
        last.and_then(|address| address.trim().parse().ok()).unwrap_or(peer)
    }
}

fn word(caller: &Caller) -> &'static str {
    caller.person.as_ref().map_or("none", |person| person.role.name())
}

/// A name by which this machine alone reaches itself, with or without a port.
fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => return rest.split_once(']').is_some_and(|(name, _)| name == "::1"),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let all = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(named, _)| *named == name).map(|(_, value)| value.to_owned()).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loopback_host_answers_to_its_own_names_alone() {
        for (host, local) in [
            ("127.0.0.1:7717", true),
            ("localhost", true),
            ("LOCALHOST:1", true),
            ("[::1]:7717", true),
            ("127.0.0.1.evil.example:7717", false),
            ("evil.example", false),
            ("[::2]", false),
            ("[::1", false),
            ("", false),
        ] {
            assert_eq!(is_local(host), local, "{host}");
        }
    }

    #[test]
    fn a_proxys_word_counts_only_where_it_is_configured() {
        let tokens = || TokensFile::open("/nonexistent/tokens".into()).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("x-user", "alice".parse().unwrap());
        headers.insert("x-forwarded-for", "198.51.100.1, 203.0.113.9".parse().unwrap());
        headers.insert(HOST, "localhost".parse().unwrap());
        let peer: IpAddr = "192.0.2.1".parse().unwrap();
        let mut gate = Gate::new(Some(tokens())).unwrap();
        for (proxy, header, name, address) in [
            (false, None, None, "192.0.2.1"),
            (false, Some("x-user"), None, "192.0.2.1"),
            (true, None, None, "203.0.113.9"),
            (true, Some("x-user"), Some("alice"), "203.0.113.9"),
        ] {
            gate.proxy = proxy;
            gate.user_header = header.map(HeaderName::from_static);
            let caller = gate.caller(&headers, peer).unwrap();
            assert_eq!(caller.person.map(|person| person.name), name.map(String::from));
            assert_eq!(caller.address.to_string(), address);
        }
        headers.append("x-user", "bob".parse().unwrap());
        assert!(gate.caller(&headers, peer).unwrap().person.is_none());
    }

    #[test]
    fn one_cookie_of_many() {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, "a=1; taskhost=x; b=2".parse().unwrap());
        assert_eq!(cookie(&headers, "taskhost"), Some("x".into()));
        assert_eq!(cookie(&headers, "task"), None);
    }
}
