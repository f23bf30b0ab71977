//! What the checks need to know of a certificate, taken out of its DER (RFC 5280).

use std::net::IpAddr;

use sha1::Digest as _;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::public_key::PublicKey;
use x509_parser::x509::X509Name;

/// One certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// As it was found.
    pub der: Vec<u8>,
    /// Of `der`; equal for equal certificates only.
    pub fingerprint: [u8; 32],
    /// The subject's DER: names are compared by it.
    pub subject: Vec<u8>,
    /// The issuer's DER.
    pub issuer: Vec<u8>,
    /// What people call it: the common name, the first host name, or the whole subject.
    pub name: String,
    /// What people call its issuer.
    pub issuer_name: String,
    /// Seconds since 1970.
    pub not_before: i64,
    /// Seconds since 1970.
    pub not_after: i64,
    /// The public key.
    pub key: Key,
    /// The content of the public key's bit string: two certificates for one key have it in common.
    pub public_key: Vec<u8>,
    /// What the issuer signed with.
    pub signature: SignatureHash,
    /// Whether it may issue certificates.
    pub authority: bool,
    /// Subject key identifier.
    pub key_id: Option<Vec<u8>>,
    /// The issuer's key identifier.
    pub issuer_key_id: Option<Vec<u8>>,
    /// Host names it is valid for, lower-case, with wildcards as written.
    pub dns_names: Vec<String>,
    /// Addresses it is valid for.
    pub addresses: Vec<IpAddr>,
}

/// The kind of a public key, with its size in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// RSA, with the modulus's bits.
    Rsa(usize),
    /// An elliptic curve, with its field's bits.
    Curve(usize),
    /// DSA, which clients refuse.
    Dsa,
    /// Anything else, such as Ed25519: not judged.
    Other,
}

/// The hash in a signature algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureHash {
    /// MD2, MD4 or MD5: broken.
    Md,
    /// SHA-1: broken.
    Sha1,
    /// No known weakness, or not known.
    Fine,
}

/// Signature algorithms with a broken hash.
const WEAK_SIGNATURES: [(&str, SignatureHash); 10] = [
    ("1.2.840.113549.1.1.2", SignatureHash::Md),
    ("1.2.840.113549.1.1.3", SignatureHash::Md),
    ("1.2.840.113549.1.1.4", SignatureHash::Md),
    ("1.3.14.3.2.3", SignatureHash::Md),
    ("1.2.840.113549.1.1.5", SignatureHash::Sha1),
    ("1.3.14.3.2.29", SignatureHash::Sha1),
    ("1.3.14.3.2.27", SignatureHash::Sha1),
    ("1.2.840.10040.4.3", SignatureHash::Sha1),
    ("1.2.840.10045.4.1", SignatureHash::Sha1),
    ("1.3.36.3.3.1.2", SignatureHash::Sha1),
];

impl Certificate {
    /// Reads one certificate; what follows it is not looked at.
    ///
    /// # Errors
    /// What is not a certificate.
    pub fn from_der(der: &[u8]) -> Result<Self, String> {
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|error| match error {
            x509_parser::nom::Err::Incomplete(_) => "it ends in the middle".to_owned(),
            x509_parser::nom::Err::Error(error) | x509_parser::nom::Err::Failure(error) => error.to_string(),
        })?;
        let der = der.get(..der.len() - rest.len()).unwrap_or(der);
        let mut certificate = Self {
            der: der.to_vec(),
            fingerprint: rsa::sha2::Sha256::digest(der).into(),
            subject: parsed.subject().as_raw().to_vec(),
            issuer: parsed.issuer().as_raw().to_vec(),
            name: String::new(),
            issuer_name: display(parsed.issuer()),
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
            key: key(&parsed),
            public_key: parsed.public_key().subject_public_key.data.to_vec(),
            signature: signature_hash(&parsed),
            authority: parsed.is_ca(),
            key_id: None,
            issuer_key_id: None,
            dns_names: Vec::new(),
            addresses: Vec::new(),
        };
        certificate.read_extensions(&parsed);
        certificate.name = match (common_name(parsed.subject()), certificate.dns_names.first()) {
            (Some(name), _) => name,
            (None, Some(name)) => name.clone(),
            (None, None) => display(parsed.subject()),
        };
        Ok(certificate)
    }

    fn read_extensions(&mut self, parsed: &X509Certificate<'_>) {
        use x509_parser::extensions::ParsedExtension as E;
        for extension in parsed.extensions() {
            match extension.parsed_extension() {
                E::SubjectKeyIdentifier(id) => self.key_id = Some(id.0.to_vec()),
                E::AuthorityKeyIdentifier(id) => {
                    self.issuer_key_id = id.key_identifier.as_ref().map(|id| id.0.to_vec());
                }
                E::SubjectAlternativeName(names) => {
                    for name in &names.general_names {
                        match name {
                            GeneralName::DNSName(name) => self.dns_names.push(name.to_ascii_lowercase()),
                            GeneralName::IPAddress(octets) => self.addresses.extend(address(octets)),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// Whether it names itself as its issuer.
    pub fn self_issued(&self) -> bool {
        self.subject == self.issuer
    }

    /// Whether `issuer` may have issued it, by names and key identifiers.
    pub fn names_as_issuer(&self, issuer: &Self) -> bool {
        self.issuer == issuer.subject
            && match (&self.issuer_key_id, &issuer.key_id) {
                (Some(named), Some(id)) => named == id,
                _ => true,
            }
    }

    /// Whether it is a server's or a client's own, rather than an authority's. An authority that names hosts is meant
    /// for them.
    pub fn is_leaf(&self) -> bool {
        !self.authority || !self.dns_names.is_empty() || !self.addresses.is_empty()
    }
}

fn display(name: &X509Name<'_>) -> String {
    common_name(name).unwrap_or_else(|| {
        let whole = name.to_string();
        if whole.is_empty() { "(no name)".into() } else { whole }
    })
}

fn common_name(name: &X509Name<'_>) -> Option<String> {
    name.iter_common_name().find_map(|name| name.as_str().ok()).filter(|name| !name.is_empty()).map(Into::into)
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(octets).map(IpAddr::from).or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok()
}

fn key(parsed: &X509Certificate<'_>) -> Key {
    match parsed.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => {
            let significant = key.modulus.iter().skip_while(|byte| **byte == 0);
            let zeros = significant.clone().next().map_or(0, |byte| byte.leading_zeros() as usize);
            Key::Rsa(significant.count() * 8 - zeros)
        }
        Ok(PublicKey::EC(point)) => Key::Curve(point.key_size()),
        Ok(PublicKey::DSA(_)) => Key::Dsa,
        _ => Key::Other,
    }
}

fn signature_hash(parsed: &X509Certificate<'_>) -> SignatureHash {
    let algorithm = parsed.signature_algorithm.algorithm.to_id_string();
    WEAK_SIGNATURES.iter().find(|(id, _)| *id == algorithm).map_or(SignatureHash::Fine, |(_, hash)| *hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn the_facts_are_those_that_openssl_put_in() {
        let leaf = fixture("www.example.org");
        assert_eq!((leaf.name.as_str(), leaf.issuer_name.as_str()), ("www.example.org", "intermediate"));
        assert_eq!(leaf.key, Key::Curve(256));
        assert_eq!(leaf.dns_names, ["www.example.org", "*.shop.example.org"]);
        assert_eq!(leaf.addresses, ["192.0.2.7".parse::<IpAddr>().unwrap(), "2001:db8::7".parse().unwrap()]);
        assert!(leaf.is_leaf() && !leaf.authority && !leaf.self_issued());
        let days = (leaf.not_after - leaf.not_before) / 86_400;
        assert_eq!(days, 36_500);
        for (name, key) in [
            ("root", Key::Rsa(2048)),
            ("small", Key::Rsa(1024)),
            ("curve", Key::Curve(224)),
            ("intermediate", Key::Curve(384)),
            ("dsa", Key::Dsa),
            ("ed25519", Key::Other),
        ] {
            assert_eq!(fixture(name).key, key, "{name}");
        }
        for (name, hash) in
            [("sha1", SignatureHash::Sha1), ("md5", SignatureHash::Md), ("www.example.org", SignatureHash::Fine)]
        {
            assert_eq!(fixture(name).signature, hash, "{name}");
        }
    }

    #[test]
    fn an_issuer_is_named_by_name_and_key() {
        let (leaf, intermediate, root) = (fixture("www.example.org"), fixture("intermediate"), fixture("root"));
        assert!(leaf.names_as_issuer(&intermediate) && intermediate.names_as_issuer(&root));
        assert!(!leaf.names_as_issuer(&root) && !intermediate.names_as_issuer(&leaf));
        assert!(root.self_issued() && root.names_as_issuer(&root) && !root.is_leaf());
    }

    #[test]
    fn no_prefix_of_a_certificate_is_one() {
        let der = fixture("www.example.org").der;
        for end in 0..der.len() {
            assert!(Certificate::from_der(&der[..end]).is_err(), "{end}");
        }
    }
}
