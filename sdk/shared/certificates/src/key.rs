//! Private keys, read for one purpose: to see whether they belong to a certificate. Only the public half is kept.

use p256::elliptic_curve::sec1::ToSec1Point as _;
use p256::pkcs8::DecodePrivateKey as _;
use rsa::pkcs1::der::{Decode as _, Encode as _};

/// The content of the public key's bit string, as a certificate has it, for a private key in DER: PKCS#8 (RFC 5208),
/// PKCS#1 (RFC 8017) or SEC 1 (RFC 5915). None for what is none of these, is encrypted, or is of another kind than RSA,
/// P-256, P-384 and Ed25519.
pub fn public_half(der: &[u8]) -> Option<Vec<u8>> {
    let Ok(info) = rsa::pkcs8::PrivateKeyInfoRef::from_der(der) else {
        return rsa(der).or_else(|| {
            let p256 = p256::SecretKey::from_sec1_der(der).ok().map(|key| p256_point(&key));
            p256.or_else(|| p384::SecretKey::from_sec1_der(der).ok().map(|key| p384_point(&key)))
        });
    };
    match info.algorithm.oid.to_string().as_str() {
        "1.2.840.113549.1.1.1" => rsa(info.private_key.as_bytes()),
        "1.2.840.10045.2.1" => {
            let p256 = p256::SecretKey::from_pkcs8_der(der).ok().map(|key| p256_point(&key));
            p256.or_else(|| p384::SecretKey::from_pkcs8_der(der).ok().map(|key| p384_point(&key)))
        }
        // RFC 8410: an octet string in the octet string.
        "1.3.101.112" => {
            let seed = info.private_key.as_bytes().strip_prefix(&[0x04, 0x20])?;
            let key = ed25519_dalek::SigningKey::from_bytes(seed.try_into().ok()?);
            Some(key.verifying_key().to_bytes().to_vec())
        }
        _ => None,
    }
}

fn rsa(der: &[u8]) -> Option<Vec<u8>> {
    let private = rsa::pkcs1::RsaPrivateKeyRef::from_der(der).ok()?;
    private.public_key().to_der().ok()
}

fn p256_point(key: &p256::SecretKey) -> Vec<u8> {
    key.public_key().to_sec1_point(false).as_bytes().to_vec()
}

fn p384_point(key: &p384::SecretKey) -> Vec<u8> {
    key.public_key().to_sec1_point(false).as_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::{Contents, read};
    use crate::fixture;

    #[test]
    fn each_form_of_a_key_belongs_to_its_certificate() {
        macro_rules! keys {
            ($(($file:literal, $certificate:literal)),* $(,)?) => {
                [$(($file, include_bytes!(concat!("../fixtures/", $file)).as_slice(), $certificate)),*]
            };
        }
        for (file, bytes, certificate) in keys![
            ("pkcs8-ec.key", "www.example.org"),
            ("sec1.key", "www.example.org"),
            ("sec1-bare.key", "www.example.org"),
            ("pkcs8-rsa.key", "rsa"),
            ("pkcs1.key", "rsa"),
            ("ed25519.key", "ed25519"),
        ] {
            let Contents { keys, problems, .. } = read(bytes, &[]);
            assert_eq!(keys, [fixture(certificate).public_key], "{file}");
            assert!(problems.is_empty(), "{file}: {problems:?}");
        }
    }

    #[test]
    fn what_is_no_key_has_no_public_half() {
        for bytes in [&b""[..], b"0", b"garbage", &[0x30, 0x82, 0xff, 0xff], &fixture("root").der] {
            assert_eq!(public_half(bytes), None);
        }
    }
}
