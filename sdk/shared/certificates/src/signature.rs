//! Whether a certificate was signed with another's key.

use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use rsa::pkcs1::der::Decode as _;
use rsa::pkcs1v15::Pkcs1v15Sign;
use rsa::sha2::{Sha256, Sha384, Sha512};
use rsa::signature::Verifier as _;
use rsa::{BoxedUint, PublicKey};
use sha1::{Digest as _, Sha1};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// The largest RSA key that is looked at: what a signature costs to check grows with it.
const RSA_BITS: usize = 8_192;

/// Whether `issuer`'s key made the signature of `certificate`, both in DER; none where the algorithm, or the issuer's
/// key, is not of those known here.
pub fn verifies(certificate: &[u8], issuer: &[u8]) -> Option<bool> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let (_, issuer) = X509Certificate::from_der(issuer).ok()?;
    let message = certificate.tbs_certificate.as_ref();
    let signature = certificate.signature_value.data.as_ref();
    let public_key = issuer.public_key();
    let key = public_key.subject_public_key.data.as_ref();
    let key_algorithm = public_key.algorithm.algorithm.to_id_string();
    let curve = public_key.algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
    let algorithm = certificate.signature_algorithm.algorithm.to_id_string();
    match (algorithm.as_str(), key_algorithm.as_str()) {
        ("1.2.840.113549.1.1.5", RSA) => rsa(key, Pkcs1v15Sign::new::<Sha1>(), &Sha1::digest(message), signature),
        ("1.2.840.113549.1.1.11", RSA) => rsa(key, Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(message), signature),
        ("1.2.840.113549.1.1.12", RSA) => rsa(key, Pkcs1v15Sign::new::<Sha384>(), &Sha384::digest(message), signature),
        ("1.2.840.113549.1.1.13", RSA) => rsa(key, Pkcs1v15Sign::new::<Sha512>(), &Sha512::digest(message), signature),
        ("1.2.840.10045.4.1", CURVE) => ecdsa(&curve?.to_id_string(), key, &Sha1::digest(message), signature),
        ("1.2.840.10045.4.3.2", CURVE) => ecdsa(&curve?.to_id_string(), key, &Sha256::digest(message), signature),
        ("1.2.840.10045.4.3.3", CURVE) => ecdsa(&curve?.to_id_string(), key, &Sha384::digest(message), signature),
        ("1.2.840.10045.4.3.4", CURVE) => ecdsa(&curve?.to_id_string(), key, &Sha512::digest(message), signature),
        ("1.3.101.112", ED25519) => {
            let key = ed25519_dalek::VerifyingKey::from_bytes(key.try_into().ok()?).ok()?;
            let signature = ed25519_dalek::Signature::from_slice(signature);
            Some(signature.is_ok_and(|signature| key.verify(message, &signature).is_ok()))
        }
        // A signature of one kind by a key of another.
        (algorithm, RSA | CURVE | ED25519) if KNOWN.contains(&algorithm) => Some(false),
        _ => None,
    }
}

const RSA: &str = "1.2.840.113549.1.1.1";
const CURVE: &str = "1.2.840.10045.2.1";
const ED25519: &str = "1.3.101.112";

/// The signature algorithms above.
const KNOWN: [&str; 9] = [
    "1.2.840.113549.1.1.5",
    "1.2.840.113549.1.1.11",
    "1.2.840.113549.1.1.12",
    "1.2.840.113549.1.1.13",
    "1.2.840.10045.4.1",
    "1.2.840.10045.4.3.2",
    "1.2.840.10045.4.3.3",
    "1.2.840.10045.4.3.4",
    "1.3.101.112",
];

fn rsa(key: &[u8], scheme: Pkcs1v15Sign, hash: &[u8], signature: &[u8]) -> Option<bool> {
    let key = rsa::pkcs1::RsaPublicKeyRef::from_der(key).ok()?;
    let modulus = BoxedUint::from_be_slice_vartime(key.modulus.as_bytes());
    let exponent = BoxedUint::from_be_slice_vartime(key.public_exponent.as_bytes());
    let key = PublicKey::new_with_size_limits(modulus, exponent, 0..=RSA_BITS).ok()?;
    Some(key.verify(scheme, hash, signature).is_ok())
}

fn ecdsa(curve: &str, key: &[u8], hash: &[u8], signature: &[u8]) -> Option<bool> {
    match curve {
        "1.2.840.10045.3.1.7" => {
            let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(key).ok()?;
            let signature = p256::ecdsa::Signature::from_der(signature);
            Some(signature.is_ok_and(|signature| key.verify_prehash(hash, &signature).is_ok()))
        }
        "1.3.132.0.34" => {
            let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(key).ok()?;
            let signature = p384::ecdsa::Signature::from_der(signature);
            Some(signature.is_ok_and(|signature| key.verify_prehash(hash, &signature).is_ok()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn a_signature_fits_the_key_that_made_it_and_no_other() {
        for (certificate, issuer, fits) in [
            ("root", "root", Some(true)),
            ("intermediate", "root", Some(true)),
            ("rsa", "root", Some(true)),
            ("sha1", "root", Some(true)),
            ("small", "root", Some(true)),
            ("www.example.org", "intermediate", Some(true)),
            ("ed25519", "intermediate", Some(true)),
            ("self", "self", Some(true)),
            ("anonymous", "impostor", Some(false)),
            ("www.example.org", "impostor", Some(false)),
            ("www.example.org", "self", Some(false)),
            ("www.example.org", "root", Some(false)),
            ("intermediate", "rsa", Some(false)),
            ("md5", "root", None),
        ] {
            assert_eq!(verifies(&fixture(certificate).der, &fixture(issuer).der), fits, "{certificate} by {issuer}");
        }
    }

    #[test]
    fn a_changed_certificate_no_longer_fits() {
        let (mut leaf, issuer) = (fixture("www.example.org").der, fixture("intermediate").der);
        let at = leaf.windows(15).position(|window| window == b"www.example.org").unwrap();
        leaf[at] = b'v';
        assert_eq!(verifies(&leaf, &issuer), Some(false));
    }
}
