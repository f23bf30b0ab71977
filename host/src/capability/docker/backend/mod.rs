//! The only part of the room that knows the client library: connections to engines, and their answers in the contract's
//! words. It decides nothing about grants, apart from leaving out what a grant's scope does not see.

mod listing;
mod removal;
mod running;
mod streams;
mod throwaway;
mod usage;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bollard::auth::DockerCredentials;
use bollard::errors::Error as ClientError;
use tokio::sync::{OnceCell, OwnedSemaphorePermit};

use super::bindings as wit;
use super::error::Error;
use super::grant::{Grant, Target};
use super::reference::Reference;

pub(super) use running::Ceiling;
pub(crate) use throwaway::{Things, Throwaway};

/// One connection an engine, shared by all runs of the process and made when first used.
#[derive(Default)]
pub struct Engines(Mutex<HashMap<Target, Arc<OnceCell<bollard::Docker>>>>);

/// An engine as one grant sees it.
#[derive(Clone)]
pub(super) struct Engine {
    client: bollard::Docker,
    grant: Arc<Grant>,
    /// Among those that its run may have; given back with the last clone.
    _place: Arc<OwnedSemaphorePermit>,
}

/// The oldest version of the API that is spoken: that of engine 20.10.
const OLDEST: bollard::ClientVersion = bollard::ClientVersion { major_version: 1, minor_version: 41 };

impl Engines {
    /// The engine behind a grant; connects when nobody has yet.
    pub(super) async fn engine(&self, grant: &Arc<Grant>, place: OwnedSemaphorePermit) -> Result<Engine, Error> {
        let cell = {
            let mut engines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(engines.entry(grant.target().clone()).or_default())
        };
        let client = cell.get_or_try_init(|| connect(grant)).await?;
        Ok(Engine { client: client.clone(), grant: Arc::clone(grant), _place: Arc::new(place) })
    }
}

async fn connect(grant: &Grant) -> Result<bollard::Docker, Error> {
    let timeout = grant.timeout();
    let seconds = timeout.as_secs();
    let version = bollard::API_DEFAULT_VERSION;
    let client = match (grant.target(), grant.tls()) {
        (Target::None, _) => return Err(Error::Unavailable("there is no engine".into())),
        (Target::Unix(path), _) => {
            // The library's own check says only that there is none.
            if let Err(error) = tokio::net::UnixStream::connect(path).await {
                return Err(Error::Unavailable(unix_trouble(path, &error)));
            }
            bollard::Docker::connect_with_unix(path, seconds, version)
        }
        (Target::Tcp(address), Some((ca, cert, key))) => {
            bollard::Docker::connect_with_ssl(address, key, cert, ca, seconds, version)
        }
        (Target::Tcp(address), None) => bollard::Docker::connect_with_http(address, seconds, version),
    };
    let unreachable = |error| match (error, grant.target()) {
        (Error::Unavailable(reason), Target::Tcp(address)) => Error::Unavailable(tcp_trouble(address, &reason)),
        (error, _) => error,
    };
    let client = client.map_err(from_client).map_err(unreachable)?;
    let client = within(timeout, client.negotiate_version()).await.map_err(unreachable)?;
    let spoken = client.client_version();
    if spoken < OLDEST {
        return Err(Error::Unsupported(format!(
            "the engine speaks version {spoken} of its API, and {OLDEST} is the oldest that is understood; \
             it needs Docker 20.10 or later"
        )));
    }
    // The library negotiates a version and leaves it out of its requests: the engine would answer in its newest form.
    let prefix = format!("/v{}.{}", spoken.major_version, spoken.minor_version);
    let client = client.with_request_modifier(move |mut request| {
        let mut parts = request.uri().clone().into_parts();
        let asked = parts.path_and_query.take().map(|asked| format!("{prefix}{asked}"));
        parts.path_and_query = asked.and_then(|asked| asked.parse().ok());
        if let Ok(versioned) = parts.try_into() {
            *request.uri_mut() = versioned;
        }
        request
    });
    Ok(client)
}

fn unix_trouble(path: &str, error: &std::io::Error) -> String {
    let hint = match error.kind() {
        std::io::ErrorKind::PermissionDenied => "; the host's user must be able to write to the socket (group docker)",
        std::io::ErrorKind::NotFound => "; is the engine running, and is this its socket?",
        _ => "",
    };
    format!("the Docker engine at {path} cannot be reached: {error}{hint}")
}

fn tcp_trouble(address: &str, reason: &str) -> String {
    // The library tells what refused the other end in words alone.
    let hints = [
        ("invalid peer certificate: UnknownIssuer", "`,ca=` names the authority that signed the engine's certificate"),
        ("not valid for name", "write the engine's address by a name that its certificate is for"),
        ("fatal alert", "`,cert=` and `,key=` are to be signed by an authority that the engine knows"),
        ("invalid HTTP version", "it seems to speak TLS: add `,ca=FILE,cert=FILE,key=FILE`"),
        ("InvalidContentType", "it seems to speak no TLS: leave out `ca=`, `cert=` and `key=`"),
    ];
    let reason = reason.strip_prefix(WENT_AWAY).unwrap_or(reason);
    let hint = hints.iter().find(|(part, _)| reason.contains(part)).map(|(_, hint)| format!("; {hint}"));
    // What stands before names the library's own layers.
    let reason = reason.rsplit_once("client error (Connect): ").map_or(reason, |(_, reason)| reason);
    let reason = reason.rsplit_once("connection error: ").map_or(reason, |(_, reason)| reason);
    format!("the Docker engine at tcp://{address} cannot be reached: {reason}{}", hint.unwrap_or_default())
}

/// An answer of the engine, if it comes in time.
async fn within<T>(limit: Duration, answer: impl Future<Output = Result<T, ClientError>>) -> Result<T, Error> {
    match tokio::time::timeout(limit, answer).await {
        Ok(answer) => answer.map_err(from_client),
        Err(_) => Err(Error::TimedOut(format!(
            "the Docker engine did not answer within {} s; `,timeout=` allows it longer",
            limit.as_secs()
        ))),
    }
}

const WENT_AWAY: &str = "the Docker engine went away: ";

/// An error of the library, by what it is about.
fn from_client(error: ClientError) -> Error {
    match error {
        ClientError::DockerResponseServerError { status_code, message } => match status_code {
            404 => Error::NotFound(message),
            409 => Error::Conflict(message),
            status => Error::Engine { status, message },
        },
        ClientError::RequestTimeoutError => Error::TimedOut("the Docker engine did not answer in time".into()),
        ClientError::DockerStreamError { error } => Error::Engine { status: 500, message: error },
        ClientError::JsonDataError { .. }
        | ClientError::JsonSerdeError { .. }
        | ClientError::APIVersionParseError {} => {
            Error::Unsupported(format!("the Docker engine's answer is not understood: {error}"))
        }
        other => Error::Unavailable(format!("{WENT_AWAY}{}", with_sources(&other))),
    }
}

/// An error with those that caused it, each said once.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

impl Engine {
    async fn within<T>(&self, answer: impl Future<Output = Result<T, ClientError>>) -> Result<T, Error> {
        within(self.grant.timeout(), answer).await
    }

    /// What the engine says of itself.
    pub(super) async fn info(&self) -> Result<wit::Engine, Error> {
        let info = self.within(self.client.info()).await?;
        Ok(wit::Engine {
            version: info.server_version.unwrap_or_default(),
            api_version: self.client.client_version().to_string(),
            operating_system: info.operating_system.unwrap_or_default(),
            architecture: info.architecture.unwrap_or_default(),
            kernel: info.kernel_version.unwrap_or_default(),
            storage_driver: info.driver.unwrap_or_default(),
            cpus: info.ncpu.and_then(|cpus| u32::try_from(cpus).ok()).unwrap_or_default(),
            memory: listing::bytes(info.mem_total),
            warnings: info.warnings.unwrap_or_default(),
        })
    }

    /// The digest that the registry has for a name now.
    pub(super) async fn remote_digest(&self, reference: &Reference) -> Result<String, Error> {
        let credentials = self.credentials(reference).await?;
        let found = self.within(self.client.inspect_registry_image(&reference.to_string(), credentials)).await?;
        found.descriptor.digest.ok_or_else(|| Error::Unsupported(format!("the registry of {reference} gave no digest")))
    }

    pub(super) async fn start(&self, id: &str) -> Result<(), Error> {
        self.within(self.client.start_container(id, None)).await
    }

    pub(super) async fn stop(&self, id: &str, grace: u32) -> Result<(), Error> {
        let t = Some(i32::try_from(grace).unwrap_or(i32::MAX));
        let options = bollard::query_parameters::StopContainerOptions { t, ..Default::default() };
        self.with_grace(grace, self.client.stop_container(id, Some(options))).await
    }

    pub(super) async fn restart(&self, id: &str, grace: u32) -> Result<(), Error> {
        let t = Some(i32::try_from(grace).unwrap_or(i32::MAX));
        let options = bollard::query_parameters::RestartContainerOptions { t, ..Default::default() };
        self.with_grace(grace, self.client.restart_container(id, Some(options))).await
    }

    /// The engine answers when the grace is over at the latest.
    async fn with_grace<T>(
        &self,
        grace: u32,
        answer: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, Error> {
        within(self.grant.timeout().saturating_add(Duration::from_secs(grace.into())), answer).await
    }

    /// The credentials that the grant's file has for the registry of an image, and for no other.
    async fn credentials(&self, reference: &Reference) -> Result<Option<DockerCredentials>, Error> {
        let Some(path) = self.grant.docker_config() else { return Ok(None) };
        let unusable = |why: &str| Error::Invalid(format!("docker-config={}: {why}", path.display()));
        let text = tokio::fs::read(path).await.map_err(|error| unusable(&error.to_string()))?;
        let config: Config = serde_json::from_slice(&text).map_err(|_| unusable("it is no config.json of Docker's"))?;
        let registry = reference.registry();
        let Some(entry) = config.auths.get(registry) else { return Ok(None) };
        let server = Some(registry.to_owned());
        if let Some(token) = &entry.identitytoken {
            return Ok(Some(DockerCredentials {
                identitytoken: Some(token.clone()),
                serveraddress: server,
                ..Default::default()
            }));
        }
        let decoded = data_encoding::BASE64.decode(entry.auth.trim().as_bytes()).ok();
        let pair = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
        let (username, password) = pair
            .as_deref()
            .and_then(|pair| pair.split_once(':'))
            .ok_or_else(|| unusable(&format!("the entry of {registry} has no `auth`")))?;
        Ok(Some(DockerCredentials {
            username: Some(username.into()),
            password: Some(password.into()),
            serveraddress: server,
            ..Default::default()
        }))
    }
}

/// What is used of a `config.json`.
#[derive(serde::Deserialize)]
struct Config {
    #[serde(default)]
    auths: HashMap<String, ConfigEntry>,
}

#[derive(serde::Deserialize)]
struct ConfigEntry {
    #[serde(default)]
    auth: String,
    identitytoken: Option<String>,
}
