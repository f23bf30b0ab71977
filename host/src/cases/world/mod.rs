//! A case's world: made before its first run, changed between runs, looked at afterwards, and thrown away however it
//! went. It lies in a temporary directory and on servers that the environment names; it must never touch what it did
//! not make.

mod files;
mod history;
mod http;
mod tls;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::file::{Expect, Words};
use super::{Case, Database, Grant, Origin, Step};
use crate::capability::{Binding, Grants, Secret, docker, redis, sql};

pub(super) use self::files::Found;

/// A case's world, while it is.
pub(super) struct World {
    directory: tempfile::TempDir,
    /// The directory that the cases lie in.
    beside: PathBuf,
    /// What files were when the last run began.
    before: BTreeMap<String, Found>,
    databases: BTreeMap<String, sql::Throwaway>,
    redis: BTreeMap<String, redis::Throwaway>,
    engines: BTreeMap<String, docker::Throwaway>,
    endpoints: BTreeMap<String, tls::Endpoint>,
    servers: BTreeMap<String, http::Server>,
}

/// What of a world is not as it should be, or could not be made.
#[derive(Debug)]
pub(super) struct Trouble(pub(super) String);

impl<T: std::fmt::Display> From<T> for Trouble {
    fn from(error: T) -> Self {
        Self(error.to_string())
    }
}

/// What was found afterwards, as far as anything of it is expected.
#[derive(Debug, Default)]
pub(super) struct Afterwards {
    pub(super) files: BTreeMap<String, Option<Found>>,
    /// What they were when the run began.
    pub(super) before: BTreeMap<String, Found>,
    /// By database and query.
    #[expect(clippy::type_complexity, reason = "rows of columns, of which each may be null")]
    pub(super) rows: BTreeMap<(String, String), Result<Vec<Vec<Option<String>>>, String>>,
    /// By database and command.
    pub(super) replies: BTreeMap<(String, String), Result<String, String>>,
    pub(super) things: BTreeMap<String, docker::Things>,
}

impl World {
    /// An empty one: what is made of it is thrown away with [`Self::finish`], also when the making fails half-way.
    pub(super) fn begin(origin: &Origin) -> Result<Self, Trouble> {
        let directory = tempfile::Builder::new().prefix("taskhost-case-").tempdir()?;
        std::fs::create_dir(directory.path().join(FILES))?;
        Ok(Self {
            directory,
            beside: origin.directory().to_owned(),
            before: BTreeMap::new(),
            databases: BTreeMap::new(),
            redis: BTreeMap::new(),
            engines: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            servers: BTreeMap::new(),
        })
    }

    /// Makes all of it.
    pub(super) async fn make(&mut self, case: &Case) -> Result<(), Trouble> {
        for (name, tls) in &case.plan.tls {
            let endpoint = tls::Endpoint::start(tls, &self.directory.path().join(format!("{name}.pem"))).await?;
            self.endpoints.insert(name.clone(), endpoint);
        }
        for (name, answers) in &case.plan.http {
            self.servers.insert(name.clone(), http::Server::start(answers.clone()).await?);
        }
        for (name, past) in &case.plan.history {
            history::make(&self.history(name), past).await.map_err(|trouble| named("history", name, trouble))?;
        }
        for (name, database) in &case.plan.sql {
            self.database(name, database).await.map_err(|trouble| named("database", name, trouble))?;
        }
        for (name, commands) in &case.plan.redis {
            let made = redis::Throwaway::take(&server("TASKHOST_TEST_REDIS")?).await;
            self.redis.insert(name.clone(), made.map_err(|error| named("redis", name, error.into()))?);
            self.commands(name, commands).await?;
        }
        for (name, things) in &case.plan.docker {
            let begun = docker::Throwaway::begin(&server("TASKHOST_TEST_DOCKER")?).await;
            let begun = begun.map_err(|error| named("docker", name, error.into()))?;
            // It is in the world before it holds anything, so that it is thrown away however far it gets.
            let engine = self.engines.entry(name.clone()).or_insert(begun);
            let made = engine.make(&things.into()).await;
            made.map_err(|error| named("docker", name, error.into()))?;
        }
        // Last, so that the ages of files are those that the run finds.
        let files = case.plan.files.iter();
        files::make(&self.files(), &self.beside, files, |text| self.filled(text))?;
        for grant in &case.grants {
            if let ("files" | "command", Some(directory)) = (grant.room.name, grant.targets.first()) {
                files::directory(&self.files(), directory)?;
            }
        }
        Ok(())
    }

    async fn database(&mut self, name: &str, database: &Database) -> Result<(), Trouble> {
        let made = match database.server.variable() {
            None => sql::Throwaway::in_file(&self.directory.path().join(format!("{name}.db"))).await?,
            Some(variable) => sql::Throwaway::on_server(&server(variable)?).await?,
        };
        let made = self.databases.entry(name.to_owned()).or_insert(made);
        if let Some(file) = &database.file {
            let path = files::beside(&self.beside, file)?;
            made.run(&std::fs::read_to_string(&path).map_err(|error| format!("{file}: {error}"))?).await?;
        }
        let statements = &database.statements;
        if !statements.trim().is_empty() {
            made.run(statements).await?;
        }
        Ok(())
    }

    async fn commands(&self, name: &str, commands: &[Words]) -> Result<(), Trouble> {
        let Some(redis) = self.redis.get(name) else { return Ok(()) };
        let commands: Vec<Vec<String>> = commands.iter().map(|words| words.0.clone()).collect();
        redis.run(&commands).await.map_err(|error| named("redis", name, error.into()))
    }

    /// Does what a step does before its run, and takes note of how things stand.
    pub(super) async fn prepare(&mut self, step: &Step) -> Result<(), Trouble> {
        for (name, statements) in &step.sql {
            if let Some(database) = self.databases.get(name) {
                database.run(statements).await.map_err(|error| named("database", name, error.into()))?;
            }
        }
        for (name, commands) in &step.redis {
            self.commands(name, commands).await?;
        }
        files::make(&self.files(), &self.beside, step.files.iter(), |text| self.filled(text))?;
        let expected = step.expect.iter().flat_map(|expect| expect.files.keys());
        let found = expected.filter_map(|path| Some((path.clone(), files::look(&self.files(), path)?)));
        self.before = found.collect();
        Ok(())
    }

    /// What the case's slots are bound to.
    pub(super) fn grants(&self, grants: &[Grant]) -> Result<Grants, Trouble> {
        let mut bound = Grants::default();
        for grant in grants {
            let bindings = grant.targets.iter().enumerate();
            let bindings: Result<Vec<Binding>, Trouble> =
                bindings.map(|(index, target)| self.binding(grant, target, index == 0)).collect();
            bound.bind(grant.room.name, &grant.slot, bindings?)?;
        }
        Ok(bound)
    }

    /// What binds one target; the settings come with the first.
    fn binding(&self, grant: &Grant, target: &str, first: bool) -> Result<Binding, Trouble> {
        let mut settings = toml::Table::new();
        if first {
            for (key, value) in &grant.settings {
                settings.insert(key.clone(), self.filled_value(value));
            }
            for path in grant.room.paths {
                if let Some(toml::Value::String(written)) = settings.get_mut(*path) {
                    *written = self.beside.join(&*written).display().to_string();
                }
            }
        }
        let gone = || Trouble(format!("the world has no {} `{target}`", grant.room.name));
        let target = match grant.room.name {
            "files" | "command" => Secret::new(files::directory(&self.files(), target)?.display().to_string()),
            "state" => Secret::new(self.directory.path().join(format!("{target}.state")).display().to_string()),
            "history" => Secret::new(self.history(target).display().to_string()),
            "sql" => self.databases.get(target).ok_or_else(gone)?.target().clone(),
            "redis" => self.redis.get(target).ok_or_else(gone)?.target(),
            "docker" => {
                let engine = self.engines.get(target).ok_or_else(gone)?;
                add(&mut settings, "label", engine.scope());
                engine.target().clone()
            }
            "tls" => {
                let endpoint = self.endpoints.get(target).ok_or_else(gone)?;
                if let Some(authority) = endpoint.authority().filter(|_| !settings.contains_key("ca")) {
                    settings.insert("ca".into(), authority.display().to_string().into());
                }
                Secret::new(endpoint.address())
            }
            "http" => Secret::new(self.servers.get(target).ok_or_else(gone)?.base()),
            _ => Secret::new(self.filled(target)),
        };
        Ok(Binding { secrets: std::collections::BTreeMap::new(), target, settings })
    }

    /// A text in which `{NAME}` is put for each part of the world: a database's name, an endpoint's address, an HTTP
    /// server's URL, the mark of things on an engine; `{files}` is the directory of its files.
    pub(super) fn filled(&self, text: &str) -> String {
        if !text.contains('{') {
            return text.to_owned();
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            match after.split_once('}').and_then(|(name, after)| Some((self.part(name)?, after))) {
                Some((part, after)) => {
                    out.push_str(&part);
                    rest = after;
                }
                None => {
                    out.push('{');
                    rest = after;
                }
            }
        }
        out + rest
    }

    fn part(&self, name: &str) -> Option<String> {
        let database = || self.databases.get(name).map(|database| database.name().to_owned());
        let redis = || self.redis.get(name).map(|redis| redis.number().to_string());
        let engine = || self.engines.get(name).map(|engine| engine.mark().to_owned());
        let endpoint = || self.endpoints.get(name).map(tls::Endpoint::address);
        let server = || self.servers.get(name).map(http::Server::base);
        let files = || (name == "files").then(|| self.files().display().to_string());
        database().or_else(redis).or_else(engine).or_else(endpoint).or_else(server).or_else(files)
    }

    /// The other way: a text of a report in which each part of the world is `{NAME}`, for one that is to be accepted.
    pub(super) fn emptied(&self, text: &str) -> String {
        let names = self.databases.keys().chain(self.engines.keys()).chain(self.endpoints.keys());
        let names = names.chain(self.servers.keys()).map(String::as_str).chain(["files"]);
        names.fold(text.to_owned(), |text, name| match self.part(name) {
            // A file's name is no more than what the case itself calls it.
            Some(part) if Path::new(&part).extension().is_none_or(|ending| ending != "db") => {
                text.replace(&part, &format!("{{{name}}}"))
            }
            _ => text,
        })
    }

    fn filled_value(&self, value: &toml::Value) -> toml::Value {
        match value {
            toml::Value::String(text) => self.filled(text).into(),
            toml::Value::Array(values) => {
                toml::Value::Array(values.iter().map(|value| self.filled_value(value)).collect())
            }
            other => other.clone(),
        }
    }

    /// Looks at what is expected to be in some way.
    pub(super) async fn look(&self, expect: &Expect) -> Result<Afterwards, Trouble> {
        let mut afterwards = Afterwards { before: self.before.clone(), ..Afterwards::default() };
        for path in expect.files.keys() {
            afterwards.files.insert(path.clone(), files::look(&self.files(), path));
        }
        for (name, queries) in &expect.rows {
            let Some(database) = self.databases.get(name) else { continue };
            for query in queries.keys() {
                afterwards.rows.insert((name.clone(), query.clone()), database.rows(&self.filled(query)).await);
            }
        }
        for (name, commands) in &expect.replies {
            let Some(redis) = self.redis.get(name) else { continue };
            for command in commands.keys() {
                let words: Vec<String> = command.split_whitespace().map(|word| self.filled(word)).collect();
                afterwards.replies.insert((name.clone(), command.clone()), redis.reply(&words).await);
            }
        }
        for name in expect.things.keys() {
            let Some(engine) = self.engines.get(name) else { continue };
            let things = engine.things().await.map_err(|error| named("docker", name, error.into()))?;
            afterwards.things.insert(name.clone(), things);
        }
        Ok(afterwards)
    }

    /// Throws all of it away. What could not be is named.
    pub(super) async fn finish(self) -> Vec<String> {
        let mut left = Vec::new();
        for (name, database) in self.databases {
            left.extend(database.discard().await.err().map(|error| format!("database `{name}`: {error}")));
        }
        for (name, redis) in self.redis {
            left.extend(redis.discard().await.err().map(|error| format!("redis `{name}`: {error}")));
        }
        for (name, engine) in self.engines {
            left.extend(engine.discard().await.err().map(|error| format!("docker `{name}`: {error}")));
        }
        // A directory that its owner may not enter holds what cannot be removed.
        files::open_up(&self.directory.path().join(FILES));
        left.extend(self.directory.close().err().map(|error| error.to_string()));
        left
    }

    /// The file of a history.
    fn history(&self, name: &str) -> PathBuf {
        self.directory.path().join(format!("{name}.history"))
    }

    fn files(&self) -> PathBuf {
        self.directory.path().join(FILES)
    }
}

/// The directory of a world's files.
const FILES: &str = "files";

/// The server that a variable names.
fn server(variable: &str) -> Result<Secret, Trouble> {
    std::env::var(variable).map(Secret::new).map_err(|_| {
        Trouble(format!(
            "{variable} is not set: it names the server, by the URL of an administrator, on which a case's world is made"
        ))
    })
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn named(what: &str, name: &str, trouble: Trouble) -> Trouble {
    Trouble(format!("{what} `{name}`: {}", trouble.0))
}

/// Adds a text to a setting that holds one or several.
fn add(settings: &mut toml::Table, key: &str, text: String) {
    let mut all = match settings.remove(key) {
        None => vec![],
        Some(toml::Value::Array(values)) => values,
        Some(single) => vec![single],
    };
    all.push(text.into());
    settings.insert(key.into(), all.into());
}

impl From<&super::file::Docker> for docker::Things {
    fn from(written: &super::file::Docker) -> Self {
        Self {
            containers: written.containers.clone(),
            images: written.images.clone(),
            networks: written.networks.clone(),
            volumes: written.volumes.clone(),
        }
    }
}
