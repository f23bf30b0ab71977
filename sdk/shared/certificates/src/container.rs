//! The certificates and keys in a file: PEM (RFC 7468, leniently), DER and PKCS#12.

use crate::certificate::Certificate;
use crate::key::public_half;

/// What was found in one file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// In the file's order.
    pub certificates: Vec<Certificate>,
    /// The public halves of the private keys.
    pub keys: Vec<Vec<u8>>,
    /// What could not be read.
    pub problems: Vec<Problem>,
}

/// Why a file, or a part of it, could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// It has no bytes.
    Empty,
    /// It is neither PEM, DER nor PKCS#12.
    Unknown,
    /// A certificate in it is damaged, and how.
    Damaged(String),
    /// PKCS#12 that no password at hand opens.
    Locked,
}

const BEGIN: &[u8] = b"-----BEGIN ";

/// Reads a file; PKCS#12 is tried without a password and then with `passwords`.
pub fn read(bytes: &[u8], passwords: &[String]) -> Contents {
    let mut contents = Contents::default();
    if bytes.trim_ascii().is_empty() {
        contents.problems.push(Problem::Empty);
    } else if is_pem(bytes) {
        read_pem(bytes, &mut contents);
    } else if bytes.first() == Some(&0x30) {
        read_der(bytes, passwords, &mut contents);
    } else {
        contents.problems.push(Problem::Unknown);
    }
    contents
}

/// Whether a file has a block of PEM: servers that know nothing else read it.
pub fn is_pem(bytes: &[u8]) -> bool {
    find(bytes, BEGIN).is_some()
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn read_pem(bytes: &[u8], contents: &mut Contents) {
    let mut rest = bytes;
    while let Some(block) = next_block(&mut rest) {
        let number = contents.certificates.len() + 1;
        match block.label {
            b"CERTIFICATE" | b"X509 CERTIFICATE" | b"TRUSTED CERTIFICATE" => {
                match block.decode().and_then(|der| Certificate::from_der(&der)) {
                    Ok(certificate) => contents.certificates.push(certificate),
                    Err(reason) => contents.problems.push(Problem::Damaged(format!("certificate {number}: {reason}"))),
                }
            }
            b"PRIVATE KEY" | b"RSA PRIVATE KEY" | b"EC PRIVATE KEY" => {
                contents.keys.extend(block.decode().ok().as_deref().and_then(public_half));
            }
            _ => {}
        }
    }
}

/// One block of PEM; without a body when its end is missing.
struct Block<'a> {
    label: &'a [u8],
    body: Option<&'a [u8]>,
}

/// Takes the next block off `rest`, over any text before it.
fn next_block<'a>(rest: &mut &'a [u8]) -> Option<Block<'a>> {
    let start = find(rest, BEGIN)? + BEGIN.len();
    let after = rest.get(start..)?;
    let Some(length) = find(after, b"-----").filter(|length| *length <= 64) else {
        *rest = after;
        return Some(Block { label: b"", body: None });
    };
    let (label, after) = after.split_at_checked(length)?;
    let after = after.get(5..)?;
    let end = [b"-----END ", label, b"-----"].concat();
    // A block whose end is missing ends where the next begins.
    let next = find(after, BEGIN).unwrap_or(after.len());
    let within = after.get(..next)?;
    let body = find(within, &end).and_then(|at| within.get(..at));
    *rest = after.get(body.map_or(next, |body| body.len() + end.len())..)?;
    Some(Block { label, body })
}

impl Block<'_> {
    fn decode(&self) -> Result<Vec<u8>, String> {
        let body = self.body.ok_or("its end is missing: the file was cut off")?;
        // `Proc-Type` and the like (RFC 1421) end with an empty line: the key after them is encrypted.
        if body.contains(&b':') {
            return Err("it is encrypted".into());
        }
        let text: Vec<u8> = body.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        data_encoding::BASE64
            .decode(&text)
            .or_else(|_| data_encoding::BASE64_NOPAD.decode(&text))
            .map_err(|error| format!("it is not base64: {error}"))
    }
}

fn read_der(bytes: &[u8], passwords: &[String], contents: &mut Contents) {
    let reason = match Certificate::from_der(bytes) {
        Ok(certificate) => return contents.certificates.push(certificate),
        Err(reason) => reason,
    };
    if let Some(key) = public_half(bytes) {
        return contents.keys.push(key);
    }
    match open_pkcs12(bytes, passwords) {
        Some(Ok(archive)) => {
            for bag in &archive.certs {
                match Certificate::from_der(bag.cert.as_der()) {
                    Ok(certificate) => contents.certificates.push(certificate),
                    Err(reason) => contents.problems.push(Problem::Damaged(reason)),
                }
            }
            contents.keys.extend(archive.keys.iter().filter_map(|bag| public_half(bag.key.as_der())));
        }
        Some(Err(problem)) => contents.problems.push(problem),
        None => contents.problems.push(Problem::Damaged(reason)),
    }
}

/// None for what is not PKCS#12 at all.
fn open_pkcs12(bytes: &[u8], passwords: &[String]) -> Option<Result<p12_keystore::Pkcs12Archive, Problem>> {
    use p12_keystore::error::Error;
    let mut reason = None;
    for password in std::iter::once("").chain(passwords.iter().map(String::as_str)) {
        match p12_keystore::Pkcs12Archive::from_pkcs12(bytes, password) {
            Ok(archive) => return Some(Ok(archive)),
            Err(Error::MacError(_) | Error::Pkcs5Error(_) | Error::UnpadError) => reason = Some(Problem::Locked),
            // DER that is something else.
            Err(Error::DerError(_)) if reason.is_none() => return None,
            Err(Error::DerError(_)) => {}
            Err(error) => reason = Some(Problem::Damaged(error.to_string())),
        }
    }
    reason.map(Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn bytes(name: &str) -> Vec<u8> {
        std::fs::read(format!("{}/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    #[test]
    fn the_same_certificate_comes_out_of_every_container() {
        let leaf = fixture("www.example.org");
        for (name, certificates, keys) in
            [("www.example.org.pem", 1, 0), ("www.example.org.der", 1, 0), ("modern.p12", 2, 1), ("legacy.p12", 2, 1)]
        {
            let contents = read(&bytes(name), &[]);
            assert_eq!(contents.problems, [], "{name}");
            assert_eq!(contents.certificates.first(), Some(&leaf), "{name}");
            assert_eq!((contents.certificates.len(), contents.keys.len()), (certificates, keys), "{name}");
        }
    }

    #[test]
    fn a_locked_archive_opens_with_its_password_only() {
        let locked = bytes("locked.p12");
        assert_eq!(read(&locked, &[]).problems, [Problem::Locked]);
        assert_eq!(read(&locked, &["wrong".into()]).problems, [Problem::Locked]);
        let contents = read(&locked, &["wrong".into(), "secret".into()]);
        assert_eq!((contents.certificates.len(), contents.problems.len()), (2, 0));
    }

    #[test]
    fn pem_is_read_as_leniently_as_others_read_it() {
        let (leaf, issuer) = (bytes("www.example.org.pem"), bytes("intermediate.pem"));
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let (leaf, issuer) = (text(&leaf), text(&issuer));
        for (case, bundle) in [
            ("one after the other", format!("{leaf}{issuer}")),
            ("text between", format!("subject: a\n{leaf}\n# the issuer: b\n{issuer}trailing")),
            ("line ends of Windows", format!("{leaf}{issuer}").replace('\n', "\r\n")),
            ("line ends of old", format!("{leaf}{issuer}").replace('\n', "\r")),
            ("no newline between", format!("{}{issuer}", leaf.trim_end())),
            ("a byte order mark", format!("\u{feff}{leaf}{issuer}")),
            ("indented", format!("{leaf}{issuer}").replace('\n', "\n  ")),
            ("other blocks", format!("-----BEGIN X509 CRL-----\nAA==\n-----END X509 CRL-----\n{leaf}{issuer}")),
        ] {
            let contents = read(bundle.as_bytes(), &[]);
            let names: Vec<_> = contents.certificates.iter().map(|certificate| certificate.name.as_str()).collect();
            assert_eq!(names, ["www.example.org", "intermediate"], "{case}");
            assert_eq!(contents.problems, [], "{case}");
        }
    }

    #[test]
    fn a_damaged_block_does_not_hide_the_next() {
        let (leaf, issuer) = (bytes("www.example.org.pem"), bytes("intermediate.pem"));
        for end in [40, 300, leaf.len() - 10] {
            let contents = read(&[&leaf[..end], b"\n", &issuer].concat(), &[]);
            assert_eq!((contents.certificates.len(), contents.problems.len()), (1, 1), "{end}");
        }
    }

    #[test]
    fn no_prefix_of_a_file_makes_it_fall() {
        for name in ["www.example.org.pem", "www.example.org.der", "modern.p12", "sec1.key", "pkcs1.key"] {
            let whole = bytes(name);
            for end in (0..whole.len()).step_by(if name == "modern.p12" { 37 } else { 1 }) {
                read(&whole[..end], &[]);
            }
        }
    }
}
