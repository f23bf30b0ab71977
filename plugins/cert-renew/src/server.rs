//! What serves the certificate: containers that are restarted, endpoints that are looked at. Without endpoints, a container
//! that stays up is all there is to see.

use std::collections::BTreeSet;
use std::time::Instant;

use certificates::Certificate;
use certificates::words::{date, described};
use taskhost_sdk::docker::{ContainerState, Daemon};
use taskhost_sdk::prelude::*;
use taskhost_sdk::tls::{Endpoint, Handshake};
use taskhost_sdk::words::counted;

use crate::trouble::Trouble;

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(1);
/// A container that is still up after so many looks stays up.
const STEADY: u32 = 3;

/// What serves it, as far as it is bound.
pub(crate) struct Server {
    slot: &'static tls::Slot,
    endpoints: Vec<Endpoint>,
    sni: Option<String>,
    engine: Option<Daemon>,
    containers: Vec<String>,
    grace: u32,
    settle: Duration,
}

/// What an endpoint answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) endpoint: String,
    /// Whether the certificate is the one that it should be.
    pub(crate) right: bool,
    /// Whether the host's trust roots accept it.
    pub(crate) trusted: bool,
    /// In words.
    pub(crate) text: String,
}

impl Server {
    pub(crate) fn open(
        (slot, sni): (&'static tls::Slot, Option<&String>),
        (engine, containers): (&docker::Slot, &[String]),
        (grace, settle): (Duration, Duration),
    ) -> Result<Self> {
        let endpoints = match slot.endpoints() {
            Ok(endpoints) if endpoints.is_empty() => {
                return Err(Failure::invalid(
                    "slot `endpoint` names no endpoint exactly; write one like example.org:443",
                ));
            }
            Ok(endpoints) => endpoints,
            Err(tls::Error::Refused(_)) => vec![],
            Err(error) => return Err(error.into()),
        };
        let engine = match engine.open() {
            Ok(_) if containers.is_empty() => {
                return Err(Failure::invalid("slot `server` is bound, and no container named; add containers=NAME"));
            }
            Ok(engine) => Some(engine),
            Err(docker::Error::Refused(_)) if containers.is_empty() => None,
            Err(error) => return Err(error.into()),
        };
        Ok(Self {
            slot,
            endpoints,
            sni: sni.cloned(),
            engine,
            containers: containers.to_vec(),
            grace: u32::try_from(grace.as_secs()).unwrap_or(u32::MAX),
            settle,
        })
    }

    /// Whether nothing of it is bound.
    pub(crate) fn is_unknown(&self) -> bool {
        self.containers.is_empty() && self.endpoints.is_empty()
    }

    /// For a summary: `1 container restarted, 1 endpoint presents it`.
    pub(crate) fn shown(&self) -> String {
        let restarted =
            (!self.containers.is_empty()).then(|| counted(self.containers.len(), "container") + " restarted");
        let presents = match self.endpoints.len() {
            0 => None,
            1 => Some("the endpoint presents it".to_owned()),
            several => Some(format!("{several} endpoints present it")),
        };
        let parts: Vec<String> = restarted.into_iter().chain(presents).collect();
        if parts.is_empty() { "what serves it was not restarted".into() } else { parts.join(", ") }
    }

    /// That each container is there, before anything is begun.
    pub(crate) async fn check(&self) -> Result<()> {
        if let Some(engine) = &self.engine {
            for name in &self.containers {
                engine.container(name.clone()).await?;
            }
        }
        Ok(())
    }

    /// What each endpoint answers now.
    pub(crate) async fn look(&self, expected: &Certificate) -> Result<Vec<Answer>, Trouble> {
        let mut answers = Vec::new();
        for endpoint in &self.endpoints {
            let seen = self.slot.handshake(endpoint, self.sni.as_deref()).await;
            let seen = match seen.map_err(Trouble::from) {
                Ok(seen) => Ok(seen),
                Err(Trouble::Broken(message)) => Err(message),
                Err(stopped) => return Err(stopped),
            };
            answers.push(answer(endpoint.to_string(), seen, expected));
        }
        Ok(answers)
    }

    /// The endpoints of which the host's roots accept what they present now.
    pub(crate) fn trusted(answers: &[Answer]) -> BTreeSet<String> {
        answers.iter().filter(|answer| answer.trusted).map(|answer| answer.endpoint.clone()).collect()
    }

    pub(crate) async fn restart(&self) -> Result<(), Trouble> {
        let Some(engine) = &self.engine else { return Ok(()) };
        for name in &self.containers {
            progress(0, None, format!("restarting {name}"));
            engine.restart(name.clone(), self.grace).await?;
        }
        Ok(())
    }

    /// Looks until all endpoints present it, as long as it may take; `trusted` are those that the roots must accept.
    pub(crate) async fn proves(&self, expected: &Certificate, trusted: &BTreeSet<String>) -> Result<(), Trouble> {
        let begun = Instant::now();
        loop {
            let answers = self.look(expected).await?;
            let wrong = answers.iter().find_map(|answer| answer.wrong(trusted));
            match wrong {
                None => break,
                Some(wrong) if begun.elapsed() >= self.settle => return Err(Trouble::Broken(wrong)),
                Some(_) => std::thread::sleep(PAUSE.min(self.settle)),
            }
        }
        self.stays_up().await
    }

    async fn stays_up(&self) -> Result<(), Trouble> {
        let Some(engine) = &self.engine else { return Ok(()) };
        let looks = if self.endpoints.is_empty() { STEADY } else { 1 };
        for look in 0..looks {
            if look > 0 {
                std::thread::sleep(PAUSE);
            }
            for name in &self.containers {
                let container = engine.container(name.clone()).await?.container;
                if !matches!(container.state, ContainerState::Running) {
                    return Err(Trouble::Broken(format!("container {name} does not run: {}", container.status)));
                }
            }
        }
        Ok(())
    }
}

impl Answer {
    /// What is wrong with it, in words.
    fn wrong(&self, trusted: &BTreeSet<String>) -> Option<String> {
        let text = format!("{}: {}", self.endpoint, self.text);
        if !self.right {
            return Some(text);
        }
        (trusted.contains(&self.endpoint) && !self.trusted)
            .then(|| format!("{text}, which is not trusted, as the one before was"))
    }
}

fn answer(endpoint: String, seen: Result<Handshake, String>, expected: &Certificate) -> Answer {
    let seen = match seen {
        Ok(seen) => seen,
        Err(message) => {
            let text = message.strip_prefix(&format!("{endpoint}: ")).unwrap_or(&message).into();
            return Answer { endpoint, right: false, trusted: false, text };
        }
    };
    let right = seen.chain.first().is_some_and(|first| *first == expected.der);
    let trusted = seen.trusted.is_ok();
    let presented = seen.chain.first().map(|first| Certificate::from_der(first));
    let text = match (presented, seen.trusted) {
        (None, _) => "presents no certificate".into(),
        (Some(Err(reason)), _) => format!("presents what is no certificate: {reason}"),
        (Some(Ok(_)), Err(reason)) if right => format!("presents the certificate ({reason})"),
        (Some(Ok(_)), _) if right => "presents the certificate".into(),
        (Some(Ok(other)), _) => format!("presents {}, valid until {}", described(&other), date(other.not_after)),
    };
    Answer { endpoint, right, trusted, text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pair;

    fn seen(chain: Vec<Vec<u8>>, trusted: Result<(), &str>) -> Handshake {
        Handshake {
            chain,
            protocol: "TLSv1.3".into(),
            cipher: "TLS13_AES_128_GCM_SHA256".into(),
            address: "192.0.2.7:443".into(),
            trusted: trusted.map_err(Into::into),
            duration_us: 1,
        }
    }

    #[test]
    fn only_the_very_certificate_is_right() {
        let (expected, other) = (pair("rsa", "pkcs1.key").leaf, pair("www.example.org", "sec1.key").leaf);
        for (case, answered, right, text) in [
            ("it", Ok(seen(vec![expected.der.clone()], Ok(()))), true, "presents the certificate"),
            ("unknown root", Ok(seen(vec![expected.der.clone()], Err("no"))), true, "presents the certificate (no)"),
            (
                "another",
                Ok(seen(vec![other.der.clone(), expected.der.clone()], Ok(()))),
                false,
                "presents `www.example.org`, issued by `intermediate`, valid until ",
            ),
            ("none", Ok(seen(vec![], Ok(()))), false, "presents no certificate"),
            ("rubbish", Ok(seen(vec![vec![1, 2, 3]], Ok(()))), false, "presents what is no certificate: "),
            ("nobody", Err("a:443: connection refused".to_owned()), false, "connection refused"),
        ] {
            let answer = answer("a:443".into(), answered, &expected);
            assert_eq!(answer.right, right, "{case}");
            assert!(answer.text.starts_with(text), "{case}: {}", answer.text);
        }
    }

    #[test]
    fn what_was_trusted_must_stay_so() {
        let expected = pair("rsa", "pkcs1.key").leaf;
        let answer = answer("a:443".into(), Ok(seen(vec![expected.der.clone()], Err("unknown issuer"))), &expected);
        assert_eq!(answer.wrong(&BTreeSet::new()), None);
        let wrong = answer.wrong(&BTreeSet::from(["a:443".to_owned()])).unwrap();
        assert!(wrong.contains("not trusted, as the one before was"), "{wrong}");
    }
}
