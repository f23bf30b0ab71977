//! The checks of one certificate, one chain, one endpoint. Pure: the time is passed in.

use certificates::certificate::{Certificate, Key, SignatureHash};
use certificates::chain::{self, Fault, Shape};
use certificates::name;
use certificates::words::{date, described, span};

use crate::finding::{Finding, Severity, numbered};

/// What the operator set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// A certificate that expires within so many days is a warning.
    pub warn_days: i64,
    /// And within so many it is critical.
    pub critical_days: i64,
    /// Every leaf must be valid for it.
    pub host_name: Option<String>,
    /// A leaf whose issuer is nowhere is a warning.
    pub require_issuer: bool,
}

/// Seconds of a day.
pub const DAY: i64 = 86_400;

/// A leaf whose issuer must be looked for elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// Which certificate.
    pub subject: String,
    /// What people call it.
    pub name: String,
    /// What people call its issuer.
    pub issuer_name: String,
    /// The issuer's DER.
    pub issuer: Vec<u8>,
    /// The issuer's key identifier.
    pub issuer_key_id: Option<Vec<u8>>,
}

/// What the checks of one file or handshake gave.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The problems, one finding each.
    pub findings: Vec<Finding>,
    /// Leaves whose issuer is not among the certificates.
    pub open: Vec<Open>,
}

/// Checks what one file holds. `known` says which certificates were checked before, under another name.
pub fn file(
    path: &str,
    certificates: &[Certificate],
    known: impl Fn(&Certificate) -> bool,
    settings: &Settings,
    now: i64,
) -> Verdict {
    let mut verdict = Verdict::default();
    let shape = chain::shape(certificates);
    for (index, certificate) in certificates.iter().enumerate() {
        if known(certificate) {
            continue;
        }
        let subject = numbered(path, index);
        let mut findings = strength(&subject, certificate);
        findings.extend(validity(&subject, certificate, settings, now));
        if certificate.is_leaf() {
            findings.extend(settings.host_name.as_deref().and_then(|host| host_name(&subject, certificate, host)));
            findings.extend(role(&subject, certificate));
        }
        if shape == Shape::Authorities || now < certificate.not_before {
            // Nothing is served with it (yet).
            for finding in &mut findings {
                finding.severity = Severity::Warning;
            }
        }
        verdict.findings.extend(findings);
    }
    let open = |index: usize, certificate: &Certificate| Open {
        subject: numbered(path, index),
        name: certificate.name.clone(),
        issuer_name: certificate.issuer_name.clone(),
        issuer: certificate.issuer.clone(),
        issuer_key_id: certificate.issuer_key_id.clone(),
    };
    match shape {
        Shape::Authorities => {}
        Shape::Chain => {
            for fault in chain::faults(certificates) {
                match fault {
                    Fault::Open(index) => {
                        let leaf = certificates.get(index).filter(|certificate| !known(certificate));
                        verdict.open.extend(leaf.map(|leaf| open(index, leaf)));
                    }
                    fault => verdict.findings.extend(chain_fault(path, certificates, &fault)),
                }
            }
        }
        Shape::Collection => {
            for (index, leaf) in certificates.iter().enumerate() {
                let issued = certificates.iter().any(|issuer| leaf.names_as_issuer(issuer));
                if leaf.is_leaf() && !issued && !known(leaf) {
                    verdict.open.push(open(index, leaf));
                }
            }
        }
    }
    verdict
}

/// Checks what an endpoint presented for `host`; `trusted` is the verdict of the host's trust roots.
pub fn endpoint(
    subject: &str,
    host: &str,
    certificates: &[Certificate],
    trusted: Result<(), &str>,
    settings: &Settings,
    now: i64,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Some(leaf) = certificates.first() else {
        return vec![Finding::critical(
            subject,
            "no certificate",
            "the server presented no certificate that can be read",
            "configure a certificate on the server",
        )];
    };
    for (index, certificate) in certificates.iter().enumerate() {
        let subject = numbered(subject, index);
        findings.extend(validity(&subject, certificate, settings, now));
        findings.extend(strength(&subject, certificate));
    }
    findings.extend(host_name(subject, leaf, host));
    let untrusted = trusted.is_err();
    // A chain that is trusted may end in a root that is its own leaf, or leave out what clients know.
    for mut finding in role(subject, leaf).into_iter().filter(|_| untrusted || !leaf.self_issued()) {
        if let Err(reason) = trusted {
            finding.severity = Severity::Critical;
            finding.detail = format!("{} (the host's trust roots: {reason})", finding.detail);
        }
        findings.push(finding);
    }
    if chain::shape(certificates) == Shape::Chain {
        for fault in chain::faults(certificates) {
            match (&fault, trusted) {
                (Fault::Open(_), Ok(())) => {}
                (Fault::Open(_), Err(reason)) => findings.push(Finding::critical(
                    subject,
                    MISSING,
                    format!(
                        "the server presents {} and nothing else, and that is not trusted: {reason}",
                        described(leaf)
                    ),
                    format!(
                        "configure the chain with the certificate of `{}`; if that is a private root, add \
                         `,ca=PATH` to the grant",
                        leaf.issuer_name
                    ),
                )),
                (_, trusted) => findings.extend(chain_fault(subject, certificates, &fault).map(|mut finding| {
                    if trusted.is_err() && finding.title == MISSING {
                        finding.severity = Severity::Critical;
                    }
                    finding
                })),
            }
        }
    }
    // The verdict is a finding of its own where none of those above explains it.
    if let Err(reason) = trusted
        && !findings.iter().any(|finding| finding.severity == Severity::Critical && EXPLAINS.contains(&finding.title))
    {
        findings.push(Finding::critical(
            subject,
            "not trusted",
            format!("the host's trust roots do not accept {}: {reason}", described(leaf)),
            "have it issued by an authority that clients know; for a private one add `,ca=PATH` to the grant",
        ));
    }
    findings
}

const EXPIRED: &str = "expired";
const EARLY: &str = "not yet valid";
const NAME: &str = "wrong host name";
const SELF: &str = "self-signed";
const MISSING: &str = "missing intermediate";
const SIGNATURE: &str = "signature does not fit";
const EXPLAINS: [&str; 6] = [EXPIRED, EARLY, NAME, SELF, MISSING, SIGNATURE];

fn validity(subject: &str, certificate: &Certificate, settings: &Settings, now: i64) -> Option<Finding> {
    let left = certificate.not_after - now;
    let (described, expiry) = (described(certificate), date(certificate.not_after));
    if now < certificate.not_before {
        let from = date(certificate.not_before);
        let wait = span(certificate.not_before - now);
        return Some(Finding::critical(
            subject,
            EARLY,
            format!("{described}, is valid from {from}, in {wait}"),
            "use it from that day on, or look whether the clock of the machine that made it was right",
        ));
    }
    if left < 0 {
        let detail = format!("{described}, expired {} ago, on {expiry}", span(left));
        return Some(Finding::critical(subject, EXPIRED, detail, "renew it, or remove it if it is no longer in use"));
    }
    let detail = format!("{described}, expires in {}, on {expiry}", span(left));
    let remedy = "renew it, and load the new one in what serves it";
    if left < settings.critical_days.saturating_mul(DAY) {
        return Some(Finding::critical(subject, "expires soon", detail, remedy));
    }
    (left < settings.warn_days.saturating_mul(DAY)).then(|| Finding::warning(subject, "expires soon", detail, remedy))
}

/// The smallest RSA key (NIST SP 800-57: 112 bits of strength).
const RSA_BITS: usize = 2_048;
/// The smallest curve that clients offer.
const CURVE_BITS: usize = 256;

fn strength(subject: &str, certificate: &Certificate) -> Vec<Finding> {
    let mut findings = Vec::new();
    let described = described(certificate);
    let key = match certificate.key {
        Key::Rsa(bits) if bits < RSA_BITS => Some(format!("an RSA key of {bits} bits")),
        Key::Curve(bits) if bits < CURVE_BITS => Some(format!("a key on a curve of {bits} bits")),
        Key::Dsa => Some("a DSA key, which clients no longer accept".into()),
        _ => None,
    };
    findings.extend(key.map(|key| {
        Finding::warning(
            subject,
            "weak key",
            format!("{described}, has {key}"),
            "have it issued again for a new key: ECDSA P-256, or RSA of at least 2048 bits",
        )
    }));
    let hash = match certificate.signature {
        SignatureHash::Md => Some("MD5"),
        SignatureHash::Sha1 => Some("SHA-1"),
        SignatureHash::Fine => None,
    };
    // A root is trusted for itself: nobody looks at the signature it gave itself.
    let root = certificate.authority && certificate.self_issued();
    findings.extend(hash.filter(|_| !root).map(|hash| {
        Finding::warning(
            subject,
            "weak signature",
            format!("{described}, is signed with {hash}"),
            "have it issued again, signed with SHA-256 or better",
        )
    }));
    findings
}

fn host_name(subject: &str, certificate: &Certificate, host: &str) -> Option<Finding> {
    if name::covers(certificate, host) {
        return None;
    }
    let addresses = certificate.addresses.iter().map(ToString::to_string);
    let names: Vec<String> = certificate.dns_names.iter().cloned().chain(addresses).collect();
    let detail = if names.is_empty() {
        format!("`{}` has no subject alternative name, and clients do not look at its common name", certificate.name)
    } else {
        let shown = names.iter().take(NAMES).cloned().collect::<Vec<_>>().join(", ");
        let more = if names.len() > NAMES { format!(" and {} more", names.len() - NAMES) } else { String::new() };
        format!("it is not valid for {host}, only for {shown}{more}")
    };
    Some(Finding::critical(subject, NAME, detail, format!("have it issued with {host} as a subject alternative name")))
}

/// The most names of a certificate that a finding lists.
const NAMES: usize = 5;

/// A leaf that is not fit to be one.
fn role(subject: &str, leaf: &Certificate) -> Option<Finding> {
    if leaf.self_issued() {
        return Some(Finding::warning(
            subject,
            SELF,
            format!("`{}` is signed by its own key: no client can tell it from an impostor's", leaf.name),
            "have it issued by an authority that its clients trust",
        ));
    }
    leaf.authority.then(|| {
        Finding::warning(
            subject,
            "authority used as a leaf",
            format!("{}, may issue certificates: who steals its key can issue more", described(leaf)),
            "have the server's certificate issued with basicConstraints CA:FALSE",
        )
    })
}

fn chain_fault(subject: &str, certificates: &[Certificate], fault: &Fault) -> Option<Finding> {
    let name = |index: usize| certificates.get(index).map_or("", |certificate| certificate.name.as_str());
    let issuer = |index: usize| certificates.get(index).map_or("", |certificate| certificate.issuer_name.as_str());
    match *fault {
        Fault::Order { found, expected } => Some(Finding::warning(
            subject,
            "chain out of order",
            format!(
                "`{}` is certificate {} of the chain and belongs in place {}",
                name(found),
                found + 1,
                expected + 1
            ),
            "put the server's own certificate first, and after each the one that issued it",
        )),
        Fault::Missing(index) => Some(Finding::warning(
            subject,
            MISSING,
            format!(
                "`{}` is issued by `{}`, which is not among the {} certificates here",
                name(index),
                issuer(index),
                certificates.len()
            ),
            format!("put the certificate of `{}` after that of `{}`", issuer(index), name(index)),
        )),
        Fault::Signature(index, next) => Some(Finding::critical(
            subject,
            SIGNATURE,
            format!(
                "`{}` names `{}` as its issuer, and the key of certificate {} did not sign it",
                name(index),
                issuer(index),
                next + 1
            ),
            format!("get the certificate of `{}` that belongs to the key which signed", issuer(index)),
        )),
        Fault::Open(_) => None,
    }
}

/// The finding for a leaf whose issuer was found nowhere.
pub fn without_issuer(open: &Open) -> Finding {
    let (name, issuer) = (&open.name, &open.issuer_name);
    Finding::warning(
        &open.subject,
        MISSING,
        format!("`{name}` is issued by `{issuer}`, whose certificate is in none of the files"),
        format!("add the certificate of `{issuer}` to the file; require-issuer=false if it is kept elsewhere"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn settings() -> Settings {
        Settings { warn_days: 30, critical_days: 7, host_name: None, require_issuer: true }
    }

    fn certificates(names: &[&str]) -> Vec<Certificate> {
        names.iter().map(|name| fixture(name)).collect()
    }

    /// The findings on a file with these, `days` before the first expires.
    fn checked(names: &[&str], days: i64, settings: &Settings) -> Vec<(Severity, &'static str)> {
        let certificates = certificates(names);
        let now = certificates[0].not_after - days * DAY;
        let verdict = file("a.pem", &certificates, |_| false, settings, now);
        verdict.findings.iter().map(|finding| (finding.severity, finding.title)).collect()
    }

    #[test]
    fn time_left_decides_how_bad_it_is() {
        use Severity::{Critical, Warning};
        for (days, expected) in [
            (400, vec![]),
            (30, vec![]),
            (29, vec![(Warning, "expires soon")]),
            (7, vec![(Warning, "expires soon")]),
            (6, vec![(Critical, "expires soon")]),
            (0, vec![(Critical, "expires soon")]),
            (-1, vec![(Critical, "expired")]),
            (36_501, vec![(Warning, "not yet valid")]),
        ] {
            assert_eq!(checked(&["rsa"], days, &settings()), expected, "{days} days");
        }
        // A root that nobody serves.
        assert_eq!(checked(&["root"], -1, &settings()), [(Warning, "expired")]);
    }

    #[test]
    fn what_is_weak_or_out_of_place_is_told_once_each() {
        use Severity::{Critical, Warning};
        for (names, expected) in [
            (&["www.example.org", "intermediate", "root"][..], vec![]),
            (&["small"], vec![(Warning, "weak key")]),
            (&["curve"], vec![(Warning, "weak key")]),
            (&["dsa"], vec![(Warning, "weak key")]),
            (&["sha1"], vec![(Warning, "weak signature")]),
            (&["md5"], vec![(Warning, "weak signature")]),
            (&["self"], vec![(Warning, "self-signed")]),
            (&["authority"], vec![(Warning, "authority used as a leaf")]),
            (&["www.example.org", "root"], vec![(Warning, "missing intermediate")]),
            (&["intermediate", "www.example.org"], vec![(Warning, "chain out of order")]),
            (&["anonymous", "impostor"], vec![(Critical, "signature does not fit")]),
        ] {
            assert_eq!(checked(names, 1_000, &settings()), expected, "{names:?}");
        }
    }

    #[test]
    fn every_leaf_must_bear_the_host_name_that_is_set() {
        for (host, expected) in
            [("www.example.org", vec![]), ("example.org", vec![(Severity::Critical, "wrong host name")])]
        {
            let settings = Settings { host_name: Some(host.into()), ..settings() };
            assert_eq!(checked(&["www.example.org", "intermediate"], 1_000, &settings), expected, "{host}");
        }
    }

    #[test]
    fn an_endpoint_is_told_of_with_one_finding_for_one_problem() {
        let untrusted = Err("nobody knows its issuer");
        for (names, host, trusted, days, expected) in [
            (&["www.example.org", "intermediate"][..], "www.example.org", Ok(()), 400, &[][..]),
            (&["rsa"], "www.example.org", Ok(()), 400, &[]),
            (&["self"], "www.example.org", Ok(()), 400, &[]),
            (&["rsa"], "example.net", untrusted, 400, &["wrong host name", "missing intermediate"]),
            (&["rsa"], "www.example.org", untrusted, 400, &["missing intermediate"]),
            (&["rsa"], "www.example.org", untrusted, -1, &["expired", "missing intermediate"]),
            (&["rsa", "root"], "www.example.org", untrusted, -1, &["expired", "expired"]),
            (&["self"], "www.example.org", untrusted, 400, &["self-signed"]),
            (&["rsa", "root"], "www.example.org", untrusted, 400, &["not trusted"]),
            (&["www.example.org", "root"], "www.example.org", untrusted, 400, &["missing intermediate"]),
            (&["www.example.org", "intermediate"], "www.example.org", untrusted, 400, &["not trusted"]),
            (&[], "www.example.org", untrusted, 400, &["no certificate"]),
        ] {
            let certificates = certificates(names);
            let now = certificates.first().map_or(0, |leaf| leaf.not_after - days * DAY);
            let findings = endpoint("example:443", host, &certificates, trusted, &settings(), now);
            let titles: Vec<_> = findings.iter().map(|finding| finding.title).collect();
            assert_eq!(titles, expected, "{names:?} {host} {days}");
            assert!(findings.iter().all(|finding| finding.severity == Severity::Critical), "{findings:?}");
        }
    }
}
