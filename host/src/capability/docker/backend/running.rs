//! Runs an image to its end, in a container that can do nothing but compute, and that is gone afterwards, whatever
//! happened to the run or to the host.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig};
use bollard::query_parameters::{ListContainersOptions, LogsOptions, RemoveContainerOptions, WaitContainerOptions};
use bytes::Bytes;
use futures::StreamExt as _;

use super::super::reference::Reference;
use super::super::tasks::Sink;
use super::{ClientError, Engine, Error, from_client, wit};

/// The host's own mark: a container with it was made by `run`. Its value is the second since 1970 after which its run is
/// certainly over.
const MARK: &str = "org.taskhost.run.until";
/// How long after its time a container may still be about to be removed.
const MARGIN: Duration = Duration::from_mins(5);
/// The most processes in a container.
const PROCESSES: i64 = 256;
/// How long the engine is given to remove one.
const REMOVAL: Duration = Duration::from_secs(30);

/// The most that one may use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ceiling {
    /// Bytes.
    pub(crate) memory: u64,
    pub(crate) cpus: f64,
    pub(crate) time: Duration,
}

impl Engine {
    /// Runs an image and gives what it writes; its exit code.
    pub(crate) async fn run(
        self,
        image: Reference,
        options: wit::RunOptions,
        ceiling: Ceiling,
        sink: Sink<Bytes>,
    ) -> Result<i64, Error> {
        // An engine that refuses this is no reason not to work.
        if let Err(error) = self.sweep().await {
            tracing::warn!("containers that an earlier run left could not be looked for: {error}");
        }
        let body = container(&image, options, ceiling);
        let made = self.within(self.client.create_container(None, body)).await;
        let id = made
            .map_err(|error| match error {
                Error::NotFound(_) => {
                    Error::NotFound(format!("there is no image {image} on the engine; pull it first"))
                }
                other => other,
            })?
            .id;
        let run = tokio::time::timeout(ceiling.time, self.attended(&id, &sink)).await;
        let removed = self.remove_by_force(&id).await;
        let code = run.unwrap_or_else(|_| {
            Err(Error::TimedOut(format!("{image} had not ended after {} s and was killed", ceiling.time.as_secs())))
        })?;
        removed.map(|()| code)
    }

    /// Removes the containers of runs that are certainly over: those of a host that was killed. For slots that may run
    /// containers themselves, and only when they do: whoever reads, or rehearses, removes nothing.
    async fn sweep(&self) -> Result<(), Error> {
        let filters = Some(HashMap::from([("label".to_owned(), vec![MARK.to_owned()])]));
        let options = ListContainersOptions { all: true, filters, ..Default::default() };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        for container in self.within(self.client.list_containers(Some(options))).await? {
            let until = container.labels.as_ref().and_then(|labels| labels.get(MARK)?.parse::<u64>().ok());
            if let (Some(id), true) = (container.id, until.is_some_and(|until| until < now)) {
                // Another host may have been faster.
                if let Err(error) = self.remove_by_force(&id).await {
                    tracing::debug!("container {id} of an earlier run was not removed: {error}");
                }
            }
        }
        Ok(())
    }

    async fn attended(&self, id: &str, sink: &Sink<Bytes>) -> Result<i64, Error> {
        sink.unless_let_go(self.start(id)).await??;
        let follow = LogsOptions { follow: true, stdout: true, stderr: true, tail: "all".into(), ..Default::default() };
        let mut output = Box::pin(self.client.logs(id, Some(follow)));
        while let Some(piece) = sink.unless_let_go(output.next()).await? {
            sink.give(piece.map_err(from_client)?.into_bytes()).await?;
        }
        let wait = WaitContainerOptions { condition: "not-running".into() };
        let ended = sink.unless_let_go(Box::pin(self.client.wait_container(id, Some(wait))).next()).await?;
        match ended {
            Some(Ok(ended)) => Ok(ended.status_code),
            // The library makes an error of every code but 0.
            Some(Err(ClientError::DockerContainerWaitError { code, .. })) => Ok(code),
            Some(Err(error)) => Err(from_client(error)),
            None => Err(Error::Unavailable("the Docker engine went away before the container ended".into())),
        }
    }

    async fn remove_by_force(&self, id: &str) -> Result<(), Error> {
        let options = RemoveContainerOptions { force: true, v: true, link: false };
        match super::within(REMOVAL, self.client.remove_container(id, Some(options))).await {
            Err(Error::NotFound(_)) => Ok(()),
            other => other,
        }
    }
}

fn container(image: &Reference, options: wit::RunOptions, ceiling: Ceiling) -> ContainerCreateBody {
    let until = SystemTime::now().checked_add(ceiling.time.saturating_add(MARGIN));
    let until = until.and_then(|until| until.duration_since(SystemTime::UNIX_EPOCH).ok()).unwrap_or_default();
    let memory = i64::try_from(ceiling.memory).ok();
    #[expect(clippy::cast_possible_truncation, reason = "the grant's bounds are far below")]
    let nano_cpus = Some((ceiling.cpus * 1e9) as i64);
    ContainerCreateBody {
        image: Some(image.to_string()),
        cmd: (!options.command.is_empty()).then_some(options.command),
        env: Some(options.environment.into_iter().map(|(name, value)| format!("{name}={value}")).collect()),
        labels: Some(HashMap::from([(MARK.to_owned(), until.as_secs().to_string())])),
        network_disabled: Some(true),
        host_config: Some(HostConfig {
            memory,
            // No swap beside it.
            memory_swap: memory,
            nano_cpus,
            pids_limit: Some(PROCESSES),
            network_mode: Some("none".into()),
            privileged: Some(false),
            readonly_rootfs: Some(true),
            cap_drop: Some(vec!["ALL".into()]),
            // The engine's own choice may be one that cannot be read back; the size is all that a run can fill a disk with.
            log_config: Some(HostConfigLogConfig {
                typ: Some("json-file".into()),
                config: Some(HashMap::from([
                    ("max-size".to_owned(), "64m".to_owned()),
                    ("max-file".to_owned(), "2".to_owned()),
                ])),
            }),
            security_opt: Some(vec!["no-new-privileges".into()]),
            ..Default::default()
        }),
        ..Default::default()
    }
}
