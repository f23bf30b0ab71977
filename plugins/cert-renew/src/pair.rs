//! A certificate's chain and its private key, as two files hold them. Pure. The key's bytes are there to be copied: they
//! must never be shown.

use certificates::{Certificate, container};

/// Nothing longer is a server's chain.
const CHAIN: usize = 16;

/// Why something cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    /// The same for all of this kind.
    pub(crate) title: &'static str,
    pub(crate) detail: String,
}

impl Flaw {
    pub(crate) fn new(title: &'static str, detail: impl Into<String>) -> Self {
        Self { title, detail: detail.into() }
    }
}

/// A chain, and the key that fits its first certificate.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    /// What is presented first.
    pub(crate) leaf: Certificate,
    /// With the leaf, in the file's order.
    pub(crate) chain: Vec<Certificate>,
    /// The file of the chain.
    pub(crate) certificate: Vec<u8>,
    /// The file of the key.
    pub(crate) key: Vec<u8>,
}

impl Pair {
    /// Reads two files, both PEM.
    pub(crate) fn read(certificate: Vec<u8>, key: Vec<u8>) -> Result<Self, Flaw> {
        let (leaf, chain) = chain_of(&certificate)?;
        if !container::is_pem(&key) {
            return Err(Flaw::new("no private key", "its file is not PEM"));
        }
        // A server takes the first.
        let first = container::read(&key, &[]).keys.into_iter().next();
        let Some(public) = first else {
            let kinds = "it is damaged, encrypted, or of another kind than RSA, P-256, P-384 and Ed25519";
            return Err(Flaw::new("no private key", kinds));
        };
        if public != leaf.public_key {
            return Err(Flaw::new("key does not match", format!("the private key is not that of `{}`", leaf.name)));
        }
        Ok(Self { leaf, chain, certificate, key })
    }

    /// Whether it is the same certificate with the same key.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.leaf.fingerprint == other.leaf.fingerprint
    }
}

/// Without the key.
impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pair").field("leaf", &self.leaf.name).finish_non_exhaustive()
    }
}

/// The first certificate of a file, and all of them.
pub(crate) fn chain_of(bytes: &[u8]) -> Result<(Certificate, Vec<Certificate>), Flaw> {
    if bytes.trim_ascii().is_empty() {
        return Err(Flaw::new("no certificate", "its file is empty"));
    }
    if !container::is_pem(bytes) {
        return Err(Flaw::new("no certificate", "its file is not PEM"));
    }
    let contents = container::read(bytes, &[]);
    match contents.problems.into_iter().next() {
        Some(container::Problem::Damaged(reason)) => return Err(Flaw::new("damaged certificate", reason)),
        Some(_) => return Err(Flaw::new("no certificate", "its file holds none")),
        None => {}
    }
    // The file of a chain may be read by everyone.
    if !contents.keys.is_empty() {
        return Err(Flaw::new("private key in the certificate's file", "only the file of the key may hold one"));
    }
    if contents.certificates.len() > CHAIN {
        let detail = format!("{} certificates; a server's chain has at most {CHAIN}", contents.certificates.len());
        return Err(Flaw::new("too many certificates", detail));
    }
    match contents.certificates.first() {
        Some(leaf) => Ok((leaf.clone(), contents.certificates)),
        None => Err(Flaw::new("no certificate", "its file holds none")),
    }
}

/// What is where servers read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Installed {
    /// Nothing yet: no certificate, and an empty file for the key.
    Absent,
    /// What no server can use; the certificate, as far as there is one.
    Broken(Flaw, Option<Certificate>),
    /// A pair.
    Whole(Pair),
}

impl Installed {
    pub(crate) fn read(certificate: Vec<u8>, key: Vec<u8>) -> Self {
        if certificate.trim_ascii().is_empty() && key.trim_ascii().is_empty() {
            return Self::Absent;
        }
        let leaf = chain_of(&certificate).ok().map(|(leaf, _)| leaf);
        match Pair::read(certificate, key) {
            Ok(pair) => Self::Whole(pair),
            Err(flaw) => Self::Broken(flaw, leaf),
        }
    }

    pub(crate) fn pair(&self) -> Option<&Pair> {
        match self {
            Self::Whole(pair) => Some(pair),
            _ => None,
        }
    }

    /// The certificate, whether its key is there or not.
    pub(crate) fn leaf(&self) -> Option<&Certificate> {
        match self {
            Self::Whole(pair) => Some(&pair.leaf),
            Self::Broken(_, leaf) => leaf.as_ref(),
            Self::Absent => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{bytes, pair};

    #[test]
    fn a_pair_is_a_certificate_with_its_own_key() {
        let (leaf, issuer, key) = (bytes("www.example.org.pem"), bytes("intermediate.pem"), bytes("pkcs8-ec.key"));
        let whole = Pair::read([leaf.clone(), issuer.clone()].concat(), key.clone()).unwrap();
        assert_eq!((whole.leaf.name.as_str(), whole.chain.len()), ("www.example.org", 2));
        let many = leaf.repeat(CHAIN + 1);
        for (case, certificate, key, title) in [
            ("another's key", &leaf, &bytes("pkcs1.key"), "key does not match"),
            ("the issuer's first", &[issuer, leaf.clone()].concat(), &key, "key does not match"),
            ("encrypted", &leaf, &bytes("encrypted.key"), "no private key"),
            ("no key", &leaf, &b"hello".to_vec(), "no private key"),
            ("a certificate for a key", &leaf, &leaf, "no private key"),
            ("half a key", &leaf, &key[..key.len() / 2].to_vec(), "no private key"),
            ("no certificate", &key, &key, "private key in the certificate's file"),
            ("nothing", &vec![], &key, "no certificate"),
            ("DER", &bytes("www.example.org.der"), &key, "no certificate"),
            ("an archive", &bytes("modern.p12"), &key, "no certificate"),
            ("half of one", &leaf[..leaf.len() / 2].to_vec(), &key, "damaged certificate"),
            ("both in one", &[leaf.clone(), key.clone()].concat(), &key, "private key in the certificate's file"),
            ("too many", &many, &key, "too many certificates"),
        ] {
            let flaw = Pair::read(certificate.clone(), key.clone()).unwrap_err();
            assert_eq!(flaw.title, title, "{case}");
        }
    }

    #[test]
    fn no_key_is_shown() {
        let whole = pair("rsa", "pkcs1.key");
        assert_eq!(format!("{whole:?}"), "Pair { leaf: \"rsa\", .. }");
        assert_eq!(format!("{:?}", Installed::Whole(whole)), "Whole(Pair { leaf: \"rsa\", .. })");
    }

    #[test]
    fn what_is_installed_is_nothing_half_or_whole() {
        assert_eq!(Installed::read(vec![], b"\n".to_vec()), Installed::Absent);
        let torn = Installed::read(bytes("rsa.pem"), bytes("pkcs8-ec.key"));
        assert_eq!((torn.leaf().map(|leaf| leaf.name.as_str()), torn.pair()), (Some("rsa"), None));
        assert_eq!(Installed::read(vec![], bytes("pkcs1.key")).leaf(), None);
        assert!(Installed::read(bytes("rsa.pem"), bytes("pkcs1.key")).pair().is_some());
    }
}
