//! What an operator grants to a `docker` slot: access, and the scope outside which nothing is seen. Pure.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::reference::{self, Reference};
use crate::capability::binding::OneOrMany;
use crate::gate::{Refusal, SlotName};
use crate::policy::glob::Globs;
use crate::policy::units::{Seconds, Size};

/// The engine of a slot, and how far it reaches. The default reaches nothing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Grant {
    target: Target,
    access: Vec<Access>,
    /// `NAME` or `NAME=VALUE`; what lacks one of them is outside the scope.
    label: Labels,
    /// Globs over the names of containers, networks and volumes.
    name: Patterns,
    /// Globs over the repositories of images, and of the images that containers are made from.
    image: Patterns,
    /// The images that `run` may run, exactly.
    run_image: Images,
    /// The most memory that a container of `run` has.
    memory: Option<Size>,
    /// The most CPUs that a container of `run` has.
    cpus: Option<Cpus>,
    /// For one answer of the engine.
    timeout: Option<Seconds>,
    /// Globs over the names of labels whose values stay with the host, besides those that look like secrets.
    secret_label: Patterns,
    /// PEM files for TLS to a `tcp:` engine.
    ca: Option<PathBuf>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    /// A `config.json` of the Docker command line with the credentials of registries.
    docker_config: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Access {
    Read,
    Pull,
    Prune,
    Control,
    Run,
}

impl Access {
    const ALL: [Self; 5] = [Self::Read, Self::Pull, Self::Prune, Self::Control, Self::Run];

    fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Pull => "pull",
            Self::Prune => "prune",
            Self::Control => "control",
            Self::Run => "run",
        }
    }
}

/// Where the engine listens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub(super) enum Target {
    #[default]
    None,
    Unix(String),
    /// `HOST:PORT`.
    Tcp(String),
}

/// A label that must be there, with its value where one is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LabelMatch {
    name: String,
    value: Option<String>,
}

/// Labels that must all be there.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "OneOrMany")]
pub(super) struct Labels(Vec<LabelMatch>);

/// Globs over a whole name, in which `*` does not cross a `/`. None means any.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "OneOrMany")]
pub(super) struct Patterns(Globs);

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "OneOrMany")]
struct Images(Vec<Reference>);

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
struct Cpus(f64);

const TIMEOUT: Seconds = Seconds(30);
const RUN_MEMORY: Size = Size(256 << 20);
const RUN_CPUS: Cpus = Cpus(1.0);

/// Parts of a label's name that make its value a secret, whatever the grant says.
const SECRET_WORDS: [&str; 8] = ["password", "passwd", "secret", "token", "credential", "api-key", "api_key", "apikey"];

impl Grant {
    pub(super) fn access(&self) -> Vec<&'static str> {
        Access::ALL.into_iter().filter(|access| self.access.contains(access)).map(Access::word).collect()
    }

    pub(super) fn check(&self) -> Result<(), String> {
        match &self.target {
            Target::None => return Err("there is no engine; write one like unix:///var/run/docker.sock".into()),
            Target::Unix(_) if self.ca.is_some() || self.cert.is_some() || self.key.is_some() => {
                return Err("ca, cert and key are for an engine at tcp://HOST:PORT".into());
            }
            Target::Tcp(address) if !self.has_tls() && !is_loopback(address) => {
                return Err(format!(
                    "tcp://{address} without TLS gives whoever is on the way the whole machine; \
                     add `,ca=FILE,cert=FILE,key=FILE`"
                ));
            }
            Target::Tcp(_) if (self.ca.is_some() || self.cert.is_some() || self.key.is_some()) && !self.has_tls() => {
                return Err("TLS needs all of ca=FILE, cert=FILE and key=FILE".into());
            }
            _ => {}
        }
        if self.access.contains(&Access::Pull) && self.image.is_empty() {
            return Err("pull needs the repositories that may be pulled; add `,image=REPOSITORY`".into());
        }
        if self.access.contains(&Access::Run) && self.run_image.0.is_empty() {
            return Err("run needs the images that may be run; add `,run-image=IMAGE`".into());
        }
        if self.timeout.is_some_and(|timeout| timeout.0 == 0) {
            return Err("timeout is at least 1s".into());
        }
        Ok(())
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// The files of certificate authority, certificate and key.
    pub(super) fn tls(&self) -> Option<(&PathBuf, &PathBuf, &PathBuf)> {
        Some((self.ca.as_ref()?, self.cert.as_ref()?, self.key.as_ref()?))
    }

    fn has_tls(&self) -> bool {
        self.tls().is_some()
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(TIMEOUT).into()
    }

    pub(super) fn docker_config(&self) -> Option<&PathBuf> {
        self.docker_config.as_ref()
    }

    /// The ceilings of a container of `run`: bytes and CPUs.
    pub(super) fn run_limits(&self) -> (u64, f64) {
        (self.memory.unwrap_or(RUN_MEMORY).0, self.cpus.unwrap_or(RUN_CPUS).0)
    }

    /// Whether the slot has this access.
    pub(super) fn allows(&self, slot: SlotName<'_>, access: Access) -> Result<(), Refusal> {
        if self.access.contains(&access) {
            return Ok(());
        }
        Err(Refusal::NotGranted(match self.target {
            Target::None => format!("slot `{slot}` is bound to no engine; {}", slot.bind(super::SOCKET, &[])),
            _ => format!("slot `{slot}` does not grant {}; {}", access.word(), slot.with(&[access.word()])),
        }))
    }

    /// Whether images of this repository may be pulled, or asked for at their registry.
    pub(super) fn allows_repository(&self, slot: SlotName<'_>, reference: &Reference) -> Result<(), Refusal> {
        if !self.image.is_empty() && self.image.matches(&reference.repository) {
            return Ok(());
        }
        Err(Refusal::NotGranted(format!(
            "slot `{slot}` does not grant the repository {repository}; {}",
            slot.with(&[&format!("image={}", reference.repository)]),
            repository = reference.repository,
        )))
    }

    /// Whether the image may be run.
    pub(super) fn allows_run(&self, slot: SlotName<'_>, image: &Reference) -> Result<(), Refusal> {
        self.allows(slot, Access::Run)?;
        if self.run_image.0.contains(image) {
            return Ok(());
        }
        Err(Refusal::NotGranted(format!(
            "slot `{slot}` does not grant to run {image}; {}",
            slot.with(&[&format!("run-image={image}")])
        )))
    }

    /// Whether a container is within the scope.
    pub(super) fn sees_container<'a>(&self, name: &str, image: &str, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.name.matches_any(name)
            && self.label.hold(label)
            && (self.image.is_empty() || reference::repository(image).is_some_and(|image| self.image.matches(image)))
    }

    /// Whether a network or volume is within the scope.
    pub(super) fn sees_named<'a>(&self, name: &str, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.name.matches_any(name) && self.label.hold(label)
    }

    /// Whether an image with these labels is within the scope, by its labels.
    pub(super) fn sees_image_labels<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.label.hold(label)
    }

    /// Whether one name of an image, as listed, is within the scope.
    pub(super) fn sees_image_name(&self, listed: &str) -> bool {
        self.image.is_empty() || reference::repository(listed).is_some_and(|name| self.image.matches(name))
    }

    /// Whether images without a name are within the scope: they have no repository to be granted by.
    pub(super) fn sees_nameless_images(&self) -> bool {
        self.image.is_empty()
    }

    /// Whether the whole engine is within the scope: what has neither name nor label, such as the build cache.
    pub(super) fn sees_everything(&self) -> bool {
        self.image.is_empty() && self.name.is_empty() && self.label.0.is_empty()
    }

    /// Whether a label's value stays with the host.
    pub(super) fn is_secret(&self, label: &str) -> bool {
        let lower = label.to_ascii_lowercase();
        SECRET_WORDS.iter().any(|word| lower.contains(word))
            || (!self.secret_label.is_empty() && self.secret_label.matches(label))
    }
}

fn is_loopback(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host).trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl TryFrom<String> for Target {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let path = text.strip_prefix("unix://").or_else(|| text.starts_with('/').then_some(text.as_str()));
        if let Some(path) = path.filter(|path| path.starts_with('/')) {
            return Ok(Self::Unix(path.into()));
        }
        let is_address = |address: &&str| {
            address.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
                && !address.contains(['/', '@', '?', '#'])
        };
        if let Some(address) = text.strip_prefix("tcp://").filter(is_address) {
            return Ok(Self::Tcp(address.into()));
        }
        Err("an engine is written unix:///PATH or tcp://HOST:PORT".into())
    }
}

impl Labels {
    /// Those of a filter, written as in a grant.
    pub(super) fn new(written: &[String]) -> Result<Self, String> {
        written.iter().map(|text| label(text)).collect::<Result<_, _>>().map(Self)
    }

    /// Whether all are there; `label` gives a label's value.
    pub(super) fn hold<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.0.iter().all(|wanted| wanted.is_among(&label))
    }

    /// Whether one of them is there.
    pub(super) fn any_holds<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.0.iter().any(|wanted| wanted.is_among(&label))
    }
}

impl LabelMatch {
    fn is_among<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        match (label(&self.name), &self.value) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(found), Some(wanted)) => found == wanted,
        }
    }
}

fn label(text: &str) -> Result<LabelMatch, String> {
    let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value.to_owned())));
    if name.is_empty() {
        return Err("a label is written NAME or NAME=VALUE".into());
    }
    Ok(LabelMatch { name: name.into(), value })
}

impl TryFrom<OneOrMany> for Labels {
    type Error = String;

    fn try_from(texts: OneOrMany) -> Result<Self, String> {
        Self::new(&texts.0)
    }
}

impl Patterns {
    /// Those of a filter, written as in a grant.
    pub(super) fn new(written: Vec<String>) -> Result<Self, String> {
        Globs::new(written).map(Self)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one matches.
    pub(super) fn matches(&self, name: &str) -> bool {
        self.0.matches(name.as_bytes(), name.len())
    }

    /// Whether one matches, or there are none.
    pub(super) fn matches_any(&self, name: &str) -> bool {
        self.is_empty() || self.matches(name)
    }
}

impl TryFrom<OneOrMany> for Patterns {
    type Error = String;

    fn try_from(texts: OneOrMany) -> Result<Self, String> {
        Self::new(texts.0)
    }
}

impl TryFrom<OneOrMany> for Images {
    type Error = String;

    fn try_from(texts: OneOrMany) -> Result<Self, String> {
        texts.0.iter().map(|text| text.parse()).collect::<Result<_, _>>().map(Self)
    }
}

impl TryFrom<String> for Cpus {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let cpus = text.parse::<f64>().ok().filter(|cpus| (0.01..=1_024.0).contains(cpus));
        cpus.map(Self).ok_or_else(|| format!("`{text}` is no number of CPUs; write it like 0.5 or 2"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(settings: &str) -> Result<Grant, String> {
        let grant: Grant = toml::from_str(settings).map_err(|error| error.message().to_owned())?;
        grant.check().map(|()| grant)
    }

    fn labels(pairs: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<&'static str> {
        move |name| pairs.iter().find(|(found, _)| *found == name).map(|(_, value)| *value)
    }

    #[test]
    fn the_default_grants_nothing() {
        let grant = Grant::default();
        for access in Access::ALL {
            assert!(grant.allows(SlotName::flag("docker", "engine"), access).is_err(), "{access:?}");
        }
        assert!(grant.access().is_empty() && grant.check().is_err());
        assert!(grant.allows_repository(SlotName::flag("docker", "engine"), &"nginx".parse().unwrap()).is_err());
        assert!(grant.allows_run(SlotName::flag("docker", "engine"), &"nginx".parse().unwrap()).is_err());
    }

    #[test]
    fn what_makes_no_sense_is_answered_with_what_to_write() {
        for (settings, expected) in [
            ("access = ['read']", "there is no engine"),
            ("target = 'tcp://10.0.0.1:2375'", "add `,ca=FILE,cert=FILE,key=FILE`"),
            ("target = 'tcp://10.0.0.1:2375'\nca = 'a'", "add `,ca=FILE,cert=FILE,key=FILE`"),
            ("target = 'unix:///s'\nca = 'a'", "are for an engine at tcp"),
            ("target = 'http://x'", "an engine is written"),
            ("target = 'tcp://u:p@h:1'", "an engine is written"),
            ("target = 'unix://relative'", "an engine is written"),
            ("target = '/s'\naccess = ['pull']", "add `,image=REPOSITORY`"),
            ("target = '/s'\naccess = ['run']", "add `,run-image=IMAGE`"),
            ("target = '/s'\nlabel = '=x'", "NAME or NAME=VALUE"),
            ("target = '/s'\nname = 'a['", "is not a glob"),
            ("target = '/s'\nrun-image = 'A B'", "is no name of an image"),
            ("target = '/s'\ncpus = 'many'", "is no number of CPUs"),
            ("target = '/s'\nprivileged = true", "unknown field"),
        ] {
            let error = grant(settings).unwrap_err();
            assert!(error.contains(expected), "{settings}: {error}");
        }
        assert!(grant("target = 'tcp://127.0.0.1:2375'").is_ok());
        assert!(grant("target = 'tcp://[::1]:2375'").is_ok());
    }

    #[test]
    fn a_scope_is_all_of_its_parts() {
        let scoped = grant("target = '/s'\nlabel = ['team=a', 'tier']\nname = 'web-*'\nimage = 'team/*'").unwrap();
        let mine = labels(&[("team", "a"), ("tier", "x")]);
        for (name, image, found, expected) in [
            ("web-1", "team/app:1", &mine as &dyn Fn(&str) -> Option<&'static str>, true),
            ("db-1", "team/app:1", &mine, false),
            ("web-1", "other/app:1", &mine, false),
            ("web-1", "team/sub/app:1", &mine, false),
            ("web-1", "evil.example/team/app:1", &mine, false),
            ("web-1", "sha256:aa", &mine, false),
            ("web-1", "team/app:1", &labels(&[("team", "b"), ("tier", "x")]), false),
            ("web-1", "team/app:1", &labels(&[("team", "a")]), false),
        ] {
            assert_eq!(scoped.sees_container(name, image, found), expected, "{name} {image}");
        }
        assert!(!scoped.sees_everything() && !scoped.sees_nameless_images());
        let open = grant("target = '/s'").unwrap();
        assert!(open.sees_everything() && open.sees_container("x", "y", |_| None));
    }

    #[test]
    fn pulling_and_running_are_for_the_images_named() {
        let grant =
            grant("target = '/s'\naccess = ['pull', 'run']\nimage = 'ghcr.io/team/**'\nrun-image = 'team/fix:1'")
                .unwrap();
        for (image, pulls, runs) in [
            ("ghcr.io/team/app", true, false),
            ("ghcr.io/team/a/b:2", true, false),
            ("team/fix:1", false, true),
            ("team/fix:2", false, false),
            ("docker.io/team/fix:1", false, true),
            ("evil.example/team/fix:1", false, false),
            ("nginx", false, false),
        ] {
            let reference = image.parse().unwrap();
            assert_eq!(
                grant.allows_repository(SlotName::flag("docker", "engine"), &reference).is_ok(),
                pulls,
                "pull {image}"
            );
            assert_eq!(grant.allows_run(SlotName::flag("docker", "engine"), &reference).is_ok(), runs, "run {image}");
        }
    }

    #[test]
    fn values_of_labels_that_look_like_secrets_stay() {
        let grant = grant("target = '/s'\nsecret-label = 'com.example.*'").unwrap();
        for (label, secret) in
            [("DB_PASSWORD", true), ("api-token", true), ("com.example.x", true), ("team", false), ("tier", false)]
        {
            assert_eq!(grant.is_secret(label), secret, "{label}");
        }
    }
}
