//! Asking the indexes, each package once. An index that does not answer for one package ends nothing: it is told.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt as _;
use lockfiles::{Ecosystem, OffsetDateTime, Package, Version};
use taskhost_sdk::http::Error;
use taskhost_sdk::prelude::*;
use taskhost_sdk::words::counted;

use crate::release::{Listing, Release};
use crate::{crates, goproxy, npm, pypi};

/// Where Python's packages are looked up.
pub const PYPI: http::Slot =
    http::Slot::new("pypi", "Python's index, asked for the releases of each package by name").optional();
/// Where Rust's are.
pub const CRATES: http::Slot =
    http::Slot::new("crates", "the sparse index of Rust's crates, asked for the releases of each by name").optional();
/// Where JavaScript's are.
pub const NPM: http::Slot =
    http::Slot::new("npm", "npm's registry, asked for the releases of each package by name").optional();
/// Where Go's are.
pub const GO: http::Slot =
    http::Slot::new("go", "Go's module proxy, asked for the newest release of each module by name").optional();

/// Packages that are asked for at the same time.
const AT_ONCE: usize = 6;
/// The most bytes of an answer.
const ANSWER: usize = 16 << 20;
/// So many failures and no answer, and the rest of an index is not tried.
const FAILURES: usize = 20;
/// How often a request is sent that got no answer.
const TRIES: usize = 2;
/// Generations of a Go module that are looked for beyond its own.
const GENERATIONS: usize = 8;

/// What the indexes said.
#[derive(Debug, Default)]
pub struct Answers {
    /// By ecosystem and name.
    pub listings: BTreeMap<(Ecosystem, String), Listing>,
    /// The index knows no such package.
    pub missing: BTreeSet<(Ecosystem, String)>,
    /// It did not answer, and why.
    pub unanswered: BTreeMap<(Ecosystem, String), String>,
    /// Packages that there is no index for.
    pub without: BTreeMap<Ecosystem, usize>,
    /// Of the first request that failed.
    pub failure: Option<Failure>,
}

/// What a request may come to instead of an answer.
enum Trouble {
    /// There is no such thing.
    Missing,
    /// The answer is longer than what is read.
    TooLarge(Failure),
    /// It may do better for another.
    Failed(Failure),
    /// None will do better.
    Ends(Failure),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(_) | Error::OverBudget(_) => Self::Ends(error.into()),
            Error::TooLarge(_) => Self::TooLarge(error.into()),
            _ => Self::Failed(error.into()),
        }
    }
}

/// The slot that serves an ecosystem.
fn slot(ecosystem: &Ecosystem) -> Option<http::Slot> {
    match ecosystem.as_str() {
        "PyPI" => Some(PYPI),
        "crates.io" => Some(CRATES),
        "npm" => Some(NPM),
        "Go" => Some(GO),
        _ => None,
    }
}

/// The first address of a slot; none where it is not bound.
fn base(slot: &http::Slot) -> Result<Option<String>> {
    match slot.bases() {
        Ok(bases) => Ok(bases.into_iter().next()),
        Err(Error::Refused(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether there is any index.
///
/// # Errors
/// What the host says of a slot.
pub fn any() -> Result<bool> {
    for slot in [PYPI, CRATES, NPM, GO] {
        if base(&slot)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Asks for all packages, one ecosystem after the other.
///
/// # Errors
/// A grant that does not allow it, and a budget that is spent.
pub async fn ask(packages: &[&Package], now: OffsetDateTime) -> Result<Answers> {
    let mut answers = Answers::default();
    let mut by_name: BTreeMap<&Ecosystem, BTreeMap<&str, Vec<&str>>> = BTreeMap::new();
    for package in packages {
        by_name.entry(&package.ecosystem).or_default().entry(&package.name).or_default().push(&package.version);
    }
    for (ecosystem, names) in by_name {
        match slot(ecosystem) {
            Some(slot) if base(&slot)?.is_some() => {
                let base = base(&slot)?.unwrap_or_default();
                ask_one(ecosystem, &base, &names, now, &mut answers).await?;
            }
            _ => drop(answers.without.insert(ecosystem.clone(), names.len())),
        }
    }
    Ok(answers)
}

async fn ask_one(
    ecosystem: &Ecosystem,
    base: &str,
    names: &BTreeMap<&str, Vec<&str>>,
    now: OffsetDateTime,
    answers: &mut Answers,
) -> Result<()> {
    let total = names.len() as u64;
    let mut asked = futures::stream::iter(names)
        .map(|(name, versions)| async move { (*name, look_up(ecosystem, base, name, versions, now).await) })
        .buffered(AT_ONCE);
    let (mut done, mut failures, mut answered) = (0, 0, false);
    while let Some((name, answer)) = asked.next().await {
        done += 1;
        progress(done, Some(total), format!("asking the index of {ecosystem}"));
        let key = (ecosystem.clone(), name.to_owned());
        match answer {
            Ok(listing) => {
                answered = true;
                answers.listings.insert(key, listing);
            }
            Err(Trouble::Missing) => {
                answered = true;
                answers.missing.insert(key);
            }
            Err(Trouble::Failed(failure) | Trouble::TooLarge(failure)) => {
                failures += 1;
                answers.unanswered.insert(key, failure.message.clone());
                answers.failure.get_or_insert(failure);
            }
            Err(Trouble::Ends(failure)) => return Err(failure),
        }
        if failures >= FAILURES && !answered {
            break;
        }
    }
    drop(asked);
    for name in names.keys() {
        let key = (ecosystem.clone(), (*name).to_owned());
        if !answers.listings.contains_key(&key) && !answers.missing.contains(&key) {
            answers.unanswered.entry(key).or_insert_with(|| "the index had failed too often".into());
        }
    }
    Ok(())
}

async fn look_up(
    ecosystem: &Ecosystem,
    base: &str,
    name: &str,
    versions: &[&str],
    now: OffsetDateTime,
) -> Result<Listing, Trouble> {
    if !is_name(ecosystem, name) {
        let shown: String = name.chars().take(100).collect();
        return Err(Trouble::Failed(Failure::new(format!("`{shown}` is no name of a package"))));
    }
    let strange =
        |what: String| Trouble::Failed(Failure::new(format!("the index's answer is not as it should be: {what}")));
    match ecosystem.as_str() {
        "PyPI" if pypi::is_simple(base) => {
            let bytes = get(&PYPI, format!("{name}/"), Some(pypi::SIMPLE)).await?;
            pypi::simple(name, &bytes).map_err(strange)
        }
        "PyPI" => {
            let inside = if base.trim_end_matches('/').ends_with("/pypi") { "" } else { "pypi/" };
            let bytes = get(&PYPI, format!("{inside}{name}/json"), None).await?;
            pypi::project(&bytes).map_err(strange)
        }
        "crates.io" => {
            let path = crates::path(name).ok_or_else(|| strange("a name that is none".into()))?;
            let bytes = get(&CRATES, path, None).await?;
            crates::listing(name, &bytes).map_err(strange)
        }
        "npm" => {
            let bytes = match get(&NPM, npm::path(name), None).await {
                Err(Trouble::TooLarge(_)) => get(&NPM, npm::path(name), Some(npm::ABBREVIATED)).await?,
                other => other?,
            };
            npm::listing(name, &bytes).map_err(strange)
        }
        _ => module(name, versions, now).await,
    }
}

/// Go: the newest release, what its `go.mod` says, and the module's next generations.
async fn module(name: &str, versions: &[&str], now: OffsetDateTime) -> Result<Listing, Trouble> {
    let strange =
        |what: String| Trouble::Failed(Failure::new(format!("the proxy's answer is not as it should be: {what}")));
    let path = goproxy::path(name);
    let latest = goproxy::latest(&get(&GO, format!("{path}/@latest"), None).await?).map_err(strange)?;
    if !is_go_version(&latest.version) {
        return Err(strange("a version that is none".into()));
    }
    // Where it cannot be had, nothing is said against the module.
    let file = match get(&GO, format!("{path}/@v/{}.mod", goproxy::path(&latest.version)), None).await {
        Err(Trouble::Ends(failure)) => return Err(Trouble::Ends(failure)),
        other => other.unwrap_or_default(),
    };
    let notices = goproxy::notices(&String::from_utf8_lossy(&file));
    let mut newest = Release { version: latest.version, published: latest.published, ..Release::default() };
    if notices.retracted(&newest.version).is_some() {
        let list = get(&GO, format!("{path}/@v/list"), None).await?;
        newest = highest(&String::from_utf8_lossy(&list), &notices).unwrap_or_default();
    }
    let mut listing = Listing { deprecated: notices.deprecated.clone(), ..Listing::default() };
    for version in versions {
        listing.releases.push(Release {
            version: (*version).to_owned(),
            published: goproxy::pseudo_time(version).filter(|time| *time <= now),
            yanked: notices.retracted(version).map(Into::into),
            ..Release::default()
        });
    }
    if !newest.version.is_empty() && !versions.contains(&newest.version.as_str()) {
        listing.releases.push(newest);
    }
    let mut next = versions.first().and_then(|version| goproxy::next_generation(name, version));
    for _ in 0..GENERATIONS {
        let Some(path) = next.take() else { break };
        match get(&GO, format!("{}/@latest", goproxy::path(&path)), None).await {
            Ok(bytes) => {
                let Ok(found) = goproxy::latest(&bytes) else { break };
                let release =
                    Version::parse(&Ecosystem::GO, &found.version).is_some_and(|version| !version.is_pre_release());
                if release {
                    listing.successor = Some((path.clone(), found.version.clone()));
                }
                next = goproxy::next_generation(&path, &found.version);
            }
            Err(Trouble::Ends(failure)) => return Err(Trouble::Ends(failure)),
            Err(_) => break,
        }
    }
    Ok(listing)
}

/// The highest release of a list that was not taken back.
fn highest(list: &str, notices: &goproxy::Notices) -> Option<Release> {
    let parse = |text: &str| Version::parse(&Ecosystem::GO, text);
    let sound =
        list.lines().map(str::trim).filter(|version| is_go_version(version) && notices.retracted(version).is_none());
    let sound = sound.filter_map(|text| Some((text, parse(text)?))).filter(|(_, version)| !version.is_pre_release());
    let highest = sound.reduce(|one, other| if other.1.is_after(&one.1) { other } else { one });
    highest.map(|(version, _)| Release { version: version.to_owned(), ..Release::default() })
}

fn is_go_version(text: &str) -> bool {
    text.len() < 128
        && text.starts_with('v')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-+".contains(&byte))
}

/// The body of a GET.
async fn get(slot: &http::Slot, path: String, accept: Option<&str>) -> Result<Vec<u8>, Trouble> {
    let mut tries = 1;
    loop {
        let mut request = slot.get(&path);
        if let Some(accept) = accept {
            request = request.header("accept", accept);
        }
        match request.await {
            Ok(answer) if matches!(answer.status(), 404 | 410) => return Err(Trouble::Missing),
            Ok(answer) if (300..400).contains(&answer.status()) => {
                let to = answer.header("location").unwrap_or("elsewhere").chars().take(200).collect::<String>();
                return Err(Trouble::Failed(Failure::new(format!(
                    "the index leads on to {to}; name that as its address"
                ))));
            }
            Ok(answer) if answer.status() < 500 || tries == TRIES => {
                return Ok(answer.success()?.bytes(ANSWER).await?);
            }
            // A connection that was lost is perhaps not lost again.
            Err(error) if !matches!(error, Error::Unavailable(_)) || tries == TRIES => return Err(error.into()),
            _ => tries += 1,
        }
    }
}

/// Whether a name is one that the ecosystem has: what a lockfile says becomes part of an address.
fn is_name(ecosystem: &Ecosystem, name: &str) -> bool {
    let plain = |text: &str, also: &str| {
        !text.is_empty()
            && !text.starts_with('.')
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || also.as_bytes().contains(&byte))
    };
    let fits = match ecosystem.as_str() {
        "PyPI" | "crates.io" => plain(name, "-_."),
        "npm" => match name.strip_prefix('@') {
            Some(scoped) => {
                scoped.split_once('/').is_some_and(|(scope, name)| plain(scope, "-_.~") && plain(name, "-_.~"))
            }
            None => plain(name, "-_.~"),
        },
        "Go" => {
            name.split('/').all(|part| plain(part, "-_.~"))
                && name.split('/').next().is_some_and(|host| host.contains('.'))
        }
        _ => false,
    };
    fits && name.len() <= 214
}

impl Answers {
    /// What was not answered, and what was not asked.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut by_ecosystem: BTreeMap<&Ecosystem, Vec<(&str, &str)>> = BTreeMap::new();
        for ((ecosystem, name), why) in &self.unanswered {
            by_ecosystem.entry(ecosystem).or_default().push((name, why));
        }
        for (ecosystem, names) in by_ecosystem {
            let told: Vec<String> = names.iter().take(5).map(|(name, why)| format!("{name} ({why})")).collect();
            let more = if names.len() > told.len() {
                format!(" and {} more", names.len() - told.len())
            } else {
                String::new()
            };
            findings.push(
                Finding::warning(ecosystem.as_str(), "not checked")
                    .detail(format!("{}: {}{more}", counted(names.len(), "package"), told.join(", ")))
                    .remedy("run it again; until then nothing is known of these"),
            );
        }
        for (ecosystem, count) in &self.without {
            let way = slot(ecosystem).map(|slot| format!("; bind --http {}=URL to do so", slot.describe().name));
            findings.push(Finding::ok(ecosystem.as_str(), "not looked up").detail(format!(
                "{} without an index{}",
                counted(*count, "package"),
                way.unwrap_or_default()
            )));
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_become_addresses() {
        for (ecosystem, name, expected) in [
            (Ecosystem::PYPI, "zope-interface", true),
            (Ecosystem::PYPI, "../admin", false),
            (Ecosystem::PYPI, "..", false),
            (Ecosystem::PYPI, "", false),
            (Ecosystem::PYPI, "a b", false),
            (Ecosystem::PYPI, "a?x=1", false),
            (Ecosystem::CRATES_IO, "serde_json", true),
            (Ecosystem::CRATES_IO, "http://evil.test/x", false),
            (Ecosystem::NPM, "@babel/core", true),
            (Ecosystem::NPM, "lodash.merge", true),
            (Ecosystem::NPM, "@babel", false),
            (Ecosystem::NPM, "@a/b/c", false),
            (Ecosystem::NPM, "@../b", false),
            (Ecosystem::NPM, "a/b", false),
            (Ecosystem::GO, "github.com/BurntSushi/toml", true),
            (Ecosystem::GO, "gopkg.in/yaml.v3", true),
            (Ecosystem::GO, "github.com/../x", false),
            (Ecosystem::GO, "github.com//x", false),
            (Ecosystem::GO, "stdlib", false),
            (Ecosystem::named("Maven"), "a", false),
        ] {
            assert_eq!(is_name(&ecosystem, name), expected, "{ecosystem} {name}");
        }
        assert!(!is_name(&Ecosystem::PYPI, &"a".repeat(300)));
    }

    #[test]
    fn of_a_list_the_highest_counts_that_was_not_taken_back() {
        let notices = goproxy::notices("module a\nretract [v1.5.0, v1.9.9]\n");
        for (list, expected) in [
            ("v1.4.0\nv1.10.0-rc.1\nv1.5.0\nv1.4.10\n", Some("v1.4.10")),
            ("v1.5.0\n", None),
            ("", None),
            ("<html>\n", None),
        ] {
            assert_eq!(highest(list, &notices).map(|release| release.version).as_deref(), expected, "{list}");
        }
    }
}
