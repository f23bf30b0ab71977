//! One run's view over all files and endpoints: what each gives on its own is told at once, and what only all of them
//! together can tell (issuers kept in other files, keys beside certificates, what expires first) at the end.

use std::collections::{HashMap, HashSet};

use certificates::Certificate;
use certificates::container::{Contents, Problem};
use certificates::words::date;
use taskhost_sdk::words::counted;

use crate::checks::{self, DAY, Open, Settings};
use crate::finding::{Finding, Severity};

/// How long a certificate is valid yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expiry {
    /// Seconds since 1970.
    pub not_after: i64,
    /// A path or an endpoint.
    pub subject: String,
}

impl Expiry {
    /// Days from `now`, with two decimals, negative when it is over.
    #[expect(clippy::cast_precision_loss, reason = "hundredths of days are far below 2^52")]
    pub fn days_left(&self, now: i64) -> f64 {
        ((self.not_after - now) * 100).div_euclid(DAY) as f64 / 100.0
    }
}

/// The most leaves without an issuer that get a finding each.
const OPEN_LIMIT: usize = 20;
/// The most links or directories that a finding names.
const NAMED: usize = 5;

/// What is kept of a file's leaf, to hold keys against.
struct Leaf {
    path: String,
    name: String,
    public_key: Vec<u8>,
}

/// The survey as it grows.
pub struct Survey {
    settings: Settings,
    now: i64,
    seen: HashSet<[u8; 32]>,
    expiries: Vec<Expiry>,
    open: Vec<Open>,
    /// Key identifiers of the authorities met, by subject.
    authorities: HashMap<Vec<u8>, Vec<Option<Vec<u8>>>>,
    /// The leaf of each file, by the path without its extension.
    leaves: HashMap<String, Vec<Leaf>>,
    /// Private keys in files of their own.
    keys: Vec<(String, Vec<u8>)>,
    outside: Vec<String>,
    files: usize,
    endpoints: usize,
    worst: (usize, usize),
}

impl Survey {
    /// With nothing seen yet; `now` is in seconds since 1970.
    pub fn new(settings: Settings, now: i64) -> Self {
        Self {
            settings,
            now,
            seen: HashSet::new(),
            expiries: Vec::new(),
            open: Vec::new(),
            authorities: HashMap::new(),
            leaves: HashMap::new(),
            keys: Vec::new(),
            outside: Vec::new(),
            files: 0,
            endpoints: 0,
            worst: (0, 0),
        }
    }

    /// Takes in what a file holds.
    pub fn file(&mut self, path: &str, contents: Contents) -> Vec<Finding> {
        let Contents { certificates, keys, problems } = contents;
        // What is kept for its key is no certificate that could be damaged.
        let key_file = has_extension(path, "key");
        let damaged = problems.into_iter().filter(|_| !key_file).map(|problem| unreadable(path, &problem));
        let mut findings: Vec<Finding> = damaged.collect();
        if certificates.is_empty() {
            self.keys.extend(keys.into_iter().map(|key| (path.to_owned(), key)));
            return self.count(findings);
        }
        self.files += 1;
        let verdict = checks::file(
            path,
            &certificates,
            |certificate| self.seen.contains(&certificate.fingerprint),
            &self.settings,
            self.now,
        );
        findings.extend(verdict.findings);
        self.open.extend(verdict.open);
        if let Some(leaf) = certificates::chain::leaf(&certificates) {
            if !keys.is_empty() && !keys.contains(&leaf.public_key) {
                findings.push(key_mismatch(path, &leaf.name, "in the same file"));
            }
            let leaf = Leaf { path: path.into(), name: leaf.name.clone(), public_key: leaf.public_key.clone() };
            self.leaves.entry(stem(path).into()).or_default().push(leaf);
        }
        self.expire(path, &certificates);
        for certificate in certificates {
            self.seen.insert(certificate.fingerprint);
            if certificate.authority {
                self.authorities.entry(certificate.subject).or_default().push(certificate.key_id);
            }
        }
        self.count(findings)
    }

    /// Notes a file that could not be read.
    pub fn unread(&mut self, path: &str, reason: &str) -> Vec<Finding> {
        if has_extension(path, "key") || has_extension(path, "password") {
            return Vec::new();
        }
        self.count(vec![Finding::warning(
            path,
            "cannot be read",
            reason,
            "let the host's user read it, or leave it out with `pattern` or `exclude`",
        )])
    }

    /// Notes a link that leads out of the directory.
    pub fn outside(&mut self, path: &str) {
        if !has_extension(path, "key") && !has_extension(path, "password") {
            self.outside.push(path.into());
        }
    }

    /// Takes in what an endpoint presented; certificates in DER.
    pub fn endpoint(
        &mut self,
        subject: &str,
        host: &str,
        chain: &[Vec<u8>],
        trusted: Result<(), &str>,
    ) -> Vec<Finding> {
        self.endpoints += 1;
        let mut certificates = Vec::new();
        let mut findings = Vec::new();
        for (index, der) in chain.iter().enumerate() {
            match Certificate::from_der(der) {
                Ok(certificate) => certificates.push(certificate),
                Err(reason) => findings.push(Finding::critical(
                    subject,
                    "damaged certificate",
                    format!("certificate {} of the chain: {reason}", index + 1),
                    "configure the server with the certificate as it was issued",
                )),
            }
        }
        findings.extend(checks::endpoint(subject, host, &certificates, trusted, &self.settings, self.now));
        self.expire(subject, &certificates);
        self.count(findings)
    }

    /// Notes an endpoint that presented nothing.
    pub fn unreachable(&mut self, subject: &str, reason: &str) -> Vec<Finding> {
        self.endpoints += 1;
        self.count(vec![Finding::critical(
            subject,
            "no TLS connection",
            reason,
            "look whether the server runs, and whether host, port and protocol of the endpoint are right",
        )])
    }

    /// What only all files together tell.
    pub fn finish(&mut self) -> Vec<Finding> {
        let mut findings = self.keys_beside();
        let open = std::mem::take(&mut self.open);
        let missing: Vec<&Open> =
            open.iter().filter(|open| self.settings.require_issuer && !self.has_issuer(open)).collect();
        findings.extend(missing.iter().take(OPEN_LIMIT).map(|open| checks::without_issuer(open)));
        if missing.len() > OPEN_LIMIT {
            let rest = missing.len() - OPEN_LIMIT;
            findings.push(Finding::warning(
                "certificates",
                "missing intermediate",
                format!("{rest} more are issued by an authority whose certificate is in none of the files"),
                "add the issuers' certificates to the files; require-issuer=false if they are kept elsewhere",
            ));
        }
        if !self.outside.is_empty() {
            findings.push(Finding::warning(
                "links",
                "leads out of the directory",
                format!(
                    "{} not checked, since their targets lie elsewhere: {}",
                    links(&self.outside),
                    list(&self.outside)
                ),
                "bind the directory that the links lead to, or leave them out with `exclude`",
            ));
        }
        self.count(findings)
    }

    fn has_issuer(&self, open: &Open) -> bool {
        self.authorities.get(&open.issuer).is_some_and(|ids| {
            ids.iter().any(|id| match (id, &open.issuer_key_id) {
                (Some(id), Some(named)) => id == named,
                _ => true,
            })
        })
    }

    /// Keys whose file stands beside a certificate's: `site.key` or `site-key.pem` and `site.pem`, `privkey.pem` and
    /// `cert.pem`.
    fn keys_beside(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (path, key) in &self.keys {
            let stem = stem(path);
            let (directory, name) = stem.rfind('/').map_or(("", stem), |slash| stem.split_at(slash + 1));
            let mut certificates = vec![stem.to_owned()];
            if let Some(own) = stem.strip_suffix("key") {
                certificates.push(own.trim_end_matches(['-', '_', '.']).to_owned());
            }
            if matches!(name, "privkey" | "key") {
                certificates.extend([format!("{directory}cert"), format!("{directory}fullchain")]);
            }
            let beside = certificates.iter().filter_map(|stem| self.leaves.get(stem)).flatten();
            let foreign = beside.filter(|leaf| leaf.public_key != *key);
            findings.extend(foreign.map(|leaf| key_mismatch(&leaf.path, &leaf.name, &format!("in {path}"))));
        }
        findings
    }

    fn expire(&mut self, subject: &str, certificates: &[Certificate]) {
        let first = certificates.iter().map(|certificate| certificate.not_after).min();
        self.expiries.extend(first.map(|not_after| Expiry { not_after, subject: subject.into() }));
    }

    fn count(&mut self, findings: Vec<Finding>) -> Vec<Finding> {
        for finding in &findings {
            match finding.severity {
                Severity::Critical => self.worst.0 += 1,
                Severity::Warning => self.worst.1 += 1,
            }
        }
        findings
    }

    /// The files and endpoints whose first certificate expires soonest, at most `limit`, that one first.
    pub fn soonest(&mut self, limit: usize) -> &[Expiry] {
        self.expiries.sort_unstable();
        self.expiries.get(..limit).unwrap_or(&self.expiries)
    }

    /// How many files with certificates, and how many endpoints, were looked at.
    pub fn counts(&self) -> (usize, usize) {
        (self.files, self.endpoints)
    }

    /// The run in one line.
    pub fn summary(&self) -> String {
        let (critical, warnings) = self.worst;
        let looked = match (self.files, self.endpoints) {
            (files, 0) => counted(files, "file"),
            (0, endpoints) => counted(endpoints, "endpoint"),
            (files, endpoints) => format!("{} and {}", counted(files, "file"), counted(endpoints, "endpoint")),
        };
        let found = match (critical, warnings) {
            (0, 0) => "no problem".to_owned(),
            (0, warnings) => counted(warnings, "warning"),
            (critical, 0) => format!("{critical} critical"),
            (critical, warnings) => format!("{critical} critical, {}", counted(warnings, "warning")),
        };
        let next = self.expiries.iter().filter(|expiry| expiry.not_after >= self.now).min();
        let next = next.map(|next| format!("; next to expire: {} on {}", next.subject, date(next.not_after)));
        format!("certificates of {looked} checked: {found}{}", next.unwrap_or_default())
    }
}

/// The file that holds the password of the PKCS#12 file at `path`.
pub fn password_file(path: &str) -> String {
    format!("{path}.password")
}

/// Whether the name at the end of `path` ends so, in whatever case.
pub fn has_extension(path: &str, extension: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, end)| end.eq_ignore_ascii_case(extension))
}

/// `path` without the extension.
fn stem(path: &str) -> &str {
    path.rsplit_once('.').map_or(path, |(stem, _)| stem)
}

fn links(paths: &[String]) -> String {
    if paths.len() == 1 { "1 link was".into() } else { format!("{} links were", paths.len()) }
}

/// The first few of `items`, and how many more there are.
pub fn list(items: &[String]) -> String {
    let shown = items.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if items.len() > NAMED { format!("{shown} and {} more", items.len() - NAMED) } else { shown }
}

fn unreadable(path: &str, problem: &Problem) -> Finding {
    let (title, detail, remedy) = match problem {
        Problem::Empty => ("no certificate", "the file is empty".to_owned(), "put the certificate in, or remove it"),
        Problem::Unknown => (
            "no certificate",
            "the file is neither PEM, DER nor PKCS#12".to_owned(),
            "remove it, or leave it out with `pattern` or `exclude`",
        ),
        Problem::Damaged(reason) => ("damaged certificate", reason.clone(), "copy it again from where it was issued"),
        Problem::Locked => (
            "locked",
            "no password at hand opens this PKCS#12 file".to_owned(),
            "put its password in a file of the same name with `.password` after it",
        ),
    };
    Finding::warning(path, title, detail, remedy)
}

fn key_mismatch(path: &str, name: &str, place: &str) -> Finding {
    Finding::critical(
        path,
        "key does not match",
        format!("the private key {place} does not belong to `{name}`"),
        "put the key that the certificate was requested with beside it, or have a new one issued",
    )
}

#[cfg(test)]
mod tests {
    use certificates::container::read;

    use super::*;
    use crate::bytes;

    /// The titles with their subjects of all findings on `files`, each a path with the fixtures put together in it.
    fn survey(files: &[(&str, &[&str])], adjust: impl FnOnce(&mut Settings)) -> Vec<(String, &'static str)> {
        let mut settings = Settings { warn_days: 30, critical_days: 7, host_name: None, require_issuer: true };
        adjust(&mut settings);
        let now = crate::fixture("www.example.org").not_before + DAY;
        let mut survey = Survey::new(settings, now);
        let mut findings = Vec::new();
        for (path, names) in files {
            let bytes: Vec<u8> = names.iter().flat_map(|name| bytes(name)).collect();
            findings.extend(survey.file(path, read(&bytes, &[])));
        }
        findings.extend(survey.finish());
        findings.into_iter().map(|finding| (finding.subject, finding.title)).collect()
    }

    fn found(subject: &str, title: &'static str) -> (String, &'static str) {
        (subject.into(), title)
    }

    #[test]
    fn an_issuer_in_another_file_will_do() {
        let alone: (&str, &[&str]) = ("live/cert.pem", &["www.example.org.pem"]);
        assert_eq!(survey(&[alone], |_| ()), [found("live/cert.pem", "missing intermediate")]);
        assert_eq!(survey(&[alone], |settings| settings.require_issuer = false), []);
        assert_eq!(survey(&[alone, ("live/chain.pem", &["intermediate.pem", "root.pem"])], |_| ()), []);
        assert_eq!(
            survey(&[alone, ("chain.pem", &["root.pem"])], |_| ()),
            [found("live/cert.pem", "missing intermediate")]
        );
    }

    #[test]
    fn many_without_an_issuer_are_told_of_together() {
        let mut survey = Survey::new(
            Settings { warn_days: 30, critical_days: 7, host_name: None, require_issuer: true },
            crate::fixture("rsa").not_before,
        );
        let leaf = crate::fixture("rsa");
        for number in 0..25 {
            // As many certificates that are told apart.
            let certificate = Certificate { fingerprint: [number; 32], ..leaf.clone() };
            survey.file(&format!("{number}.pem"), Contents { certificates: vec![certificate], ..Contents::default() });
        }
        let findings = survey.finish();
        assert_eq!(findings.len(), 21);
        assert!(findings[20].detail.starts_with("5 more"), "{}", findings[20].detail);
    }

    #[test]
    fn a_certificate_under_two_names_is_told_of_once() {
        assert_eq!(
            survey(&[("a.pem", &["small.pem"]), ("b.pem", &["small.pem"]), ("root.pem", &["root.pem"])], |_| ()),
            [found("a.pem", "weak key")]
        );
    }

    #[test]
    fn a_key_is_held_against_the_certificate_beside_it() {
        let (certificate, root): (&[&str], (&str, &[&str])) = (&["rsa.pem"], ("root.pem", &["root.pem"]));
        for (path, key, fits) in [
            ("d/site.key", "pkcs8-rsa.key", true),
            ("d/site.key", "sec1.key", false),
            ("d/site-key.pem", "sec1.key", false),
            ("d/site.key.pem", "pkcs1.key", true),
            ("d/site.key.pem", "sec1.key", false),
            ("d/other.key", "sec1.key", true),
            ("e/site.key", "sec1.key", true),
            ("d/site.key", "encrypted.key", true),
        ] {
            let findings = survey(&[("d/site.pem", certificate), (path, &[key]), root], |_| ());
            let expected = if fits { vec![] } else { vec![found("d/site.pem", "key does not match")] };
            assert_eq!(findings, expected, "{path} {key}");
        }
        let mismatch = [found("live/fullchain.pem", "key does not match")];
        let files: [(&str, &[&str]); 3] =
            [("live/fullchain.pem", certificate), ("live/privkey.pem", &["sec1.key"]), root];
        assert_eq!(survey(&files, |_| ()), mismatch);
        assert_eq!(
            survey(&[("both.pem", &["sec1.key", "rsa.pem"]), root], |_| ()),
            [found("both.pem", "key does not match")]
        );
        assert_eq!(survey(&[("both.pem", &["pkcs1.key", "rsa.pem"]), root], |_| ()), []);
    }

    #[test]
    fn what_is_no_certificate_is_told_of_and_what_need_not_be_one_is_not() {
        let mut survey = Survey::new(
            Settings { warn_days: 30, critical_days: 7, host_name: None, require_issuer: true },
            crate::fixture("root").not_before,
        );
        let cut = &bytes("root.pem")[..500];
        let der = bytes("www.example.org.der");
        for (path, bytes, title) in [
            ("a.pem", &b""[..], Some("no certificate")),
            ("a.pem", b" \n", Some("no certificate")),
            ("a.crt", b"hello", Some("no certificate")),
            ("a.der", b"\x30\x03abc", Some("damaged certificate")),
            ("a.der", &der[..der.len() - 1], Some("damaged certificate")),
            ("a.pem", cut, Some("damaged certificate")),
            ("a.pem", b"-----BEGIN CERTIFICATE-----\n???\n-----END CERTIFICATE-----\n", Some("damaged certificate")),
            ("a.p12", &bytes("locked.p12"), Some("locked")),
            ("a.key", b"hello", None),
            ("a.pem", b"-----BEGIN DH PARAMETERS-----\nAAAA\n-----END DH PARAMETERS-----\n", None),
            ("a.pem", &bytes("encrypted.key"), None),
        ] {
            let titles: Vec<_> = survey.file(path, read(bytes, &[])).iter().map(|finding| finding.title).collect();
            assert_eq!(titles, Vec::from_iter(title), "{path}");
        }
    }

    #[test]
    fn the_summary_names_what_expires_next() {
        let leaf = crate::fixture("rsa");
        let mut survey = Survey::new(
            Settings { warn_days: 30, critical_days: 7, host_name: None, require_issuer: false },
            leaf.not_after - 12 * DAY,
        );
        survey.file("a.pem", Contents { certificates: vec![leaf.clone()], ..Contents::default() });
        let expires = date(leaf.not_after);
        assert_eq!(
            survey.summary(),
            format!("certificates of 1 file checked: 1 warning; next to expire: a.pem on {expires}")
        );
        assert!((survey.soonest(1)[0].days_left(leaf.not_after - 12 * DAY) - 12.0).abs() < 0.001);
    }
}
