//! Things on a Docker engine for one trial of a plugin: images with nothing in them, containers that are not started,
//! networks and volumes. Each carries the trial's label, which is all that a slot of the trial sees, and which it is
//! removed by. A plugin never comes here. It must never touch a thing without its own label.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use bollard::models::{ContainerCreateBody, NetworkCreateRequest, VolumeCreateRequest};
use bollard::query_parameters::{
    CreateContainerOptions, CreateImageOptions, ListContainersOptions, ListImagesOptions, ListNetworksOptions,
    ListVolumesOptions, RemoveContainerOptions, RemoveImageOptions, RemoveVolumeOptions,
};
use bytes::Bytes;
use futures::TryStreamExt as _;

use super::{Grant, connect};
use crate::capability::Secret;

/// The label's name. Its value is the trial's mark, and the second since 1970 after which the trial is certainly over.
const LABEL: &str = "org.taskhost.trial";
/// How long a trial may take.
const LONGEST: Duration = Duration::from_hours(24);
/// An archive with nothing in it: two blocks of zeros.
const EMPTY: &[u8] = &[0; 1024];

/// What a trial has on an engine, while this is.
pub(crate) struct Throwaway {
    client: bollard::Docker,
    url: Secret,
    mark: String,
    label: String,
}

/// Names of things, without the trial's mark.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Things {
    pub(crate) containers: Vec<String>,
    pub(crate) images: Vec<String>,
    pub(crate) networks: Vec<String>,
    pub(crate) volumes: Vec<String>,
}

/// An engine's answer that was not expected, in one line.
fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl Throwaway {
    /// Nothing yet, on the engine of that URL. What trials that were killed left is removed.
    pub(crate) async fn begin(url: &Secret) -> Result<Self, String> {
        let mut grant = toml::Table::new();
        grant.insert("target".into(), url.expose().into());
        let grant: Grant = serde::Deserialize::deserialize(toml::Value::Table(grant)).map_err(said)?;
        grant.check()?;
        let client = connect(&grant).await.map_err(said)?;
        let mark = format!("t{}", uuid::Uuid::now_v7().simple());
        let until = now() + LONGEST.as_secs();
        let begun = Self { client, url: url.clone(), label: format!("{mark}.{until}"), mark };
        begun.sweep().await?;
        Ok(begun)
    }

    /// What a slot is bound to.
    pub(crate) fn target(&self) -> &Secret {
        &self.url
    }

    /// `NAME=VALUE`, as the grant of a slot of this trial has it.
    pub(crate) fn scope(&self) -> String {
        format!("{LABEL}={}", self.label)
    }

    /// What the names of this trial's things begin with; a `-` follows.
    pub(crate) fn mark(&self) -> &str {
        &self.mark
    }

    /// Makes things.
    pub(crate) async fn make(&self, things: &Things) -> Result<(), String> {
        let labels = HashMap::from([(LABEL.to_owned(), self.label.clone())]);
        for image in &things.images {
            self.import(&self.own(image)).await?;
        }
        for name in &things.networks {
            let request =
                NetworkCreateRequest { name: self.own(name), labels: Some(labels.clone()), ..Default::default() };
            self.client.create_network(request).await.map_err(said)?;
        }
        for name in &things.volumes {
            let request =
                VolumeCreateRequest { name: Some(self.own(name)), labels: Some(labels.clone()), ..Default::default() };
            self.client.create_volume(request).await.map_err(said)?;
        }
        if things.containers.is_empty() {
            return Ok(());
        }
        // What containers are made of; it is no thing of the trial's own, and has another name.
        let image = format!("{}:container", self.mark);
        self.import(&image).await?;
        for name in &things.containers {
            let body = ContainerCreateBody {
                image: Some(image.clone()),
                cmd: Some(vec!["/nothing".into()]),
                labels: Some(labels.clone()),
                ..Default::default()
            };
            let options = CreateContainerOptions { name: Some(self.own(name)), ..Default::default() };
            self.client.create_container(Some(options), body).await.map_err(said)?;
        }
        Ok(())
    }

    async fn import(&self, reference: &str) -> Result<(), String> {
        let (repository, tag) = reference.rsplit_once(':').unwrap_or((reference, "latest"));
        let options = CreateImageOptions {
            from_src: Some("-".into()),
            repo: Some(repository.into()),
            tag: Some(tag.into()),
            changes: vec![format!("LABEL {LABEL}={}", self.label)],
            ..Default::default()
        };
        let body = bollard::body_full(Bytes::from_static(EMPTY));
        self.client.create_image(Some(options), Some(body), None).try_collect::<Vec<_>>().await.map(drop).map_err(said)
    }

    fn own(&self, name: &str) -> String {
        format!("{}-{name}", self.mark)
    }

    /// What of its things is there.
    pub(crate) async fn things(&self) -> Result<Things, String> {
        let listed = self.listed(&self.scope()).await?;
        let prefix = format!("{}-", self.mark);
        let names = |things: Vec<Thing>| {
            let mut names: Vec<String> =
                things.iter().filter_map(|thing| thing.name.strip_prefix(&prefix).map(Into::into)).collect();
            names.sort_unstable();
            names
        };
        let [containers, images, networks, volumes] = listed.map(names);
        Ok(Things { containers, images, networks, volumes })
    }

    /// Removes all of it.
    pub(crate) async fn discard(self) -> Result<(), String> {
        let listed = self.listed(&self.scope()).await?;
        self.remove(listed).await
    }

    /// Removes what trials left that are certainly over.
    async fn sweep(&self) -> Result<(), String> {
        let now = now();
        let over = |thing: &Thing| {
            let until = thing.label.rsplit_once('.').and_then(|(_, until)| until.parse::<u64>().ok());
            until.is_some_and(|until| until < now)
        };
        let listed = self.listed(LABEL).await?;
        let left = listed.map(|things| things.into_iter().filter(over).collect());
        self.remove(left).await
    }

    /// Containers, images, networks and volumes with a label.
    async fn listed(&self, label: &str) -> Result<[Vec<Thing>; 4], String> {
        let filters = Some(HashMap::from([("label".to_owned(), vec![label.to_owned()])]));
        let options = ListContainersOptions { all: true, filters: filters.clone(), ..Default::default() };
        let containers = self.client.list_containers(Some(options)).await.map_err(said)?;
        let options = ListImagesOptions { all: true, filters: filters.clone(), ..Default::default() };
        let images = self.client.list_images(Some(options)).await.map_err(said)?;
        let options = ListNetworksOptions { filters: filters.clone() };
        let networks = self.client.list_networks(Some(options)).await.map_err(said)?;
        let options = ListVolumesOptions { filters };
        let volumes = self.client.list_volumes(Some(options)).await.map_err(said)?;
        let thing = |name: Option<&String>, labels: Option<&HashMap<String, String>>| {
            let label = labels.and_then(|labels| labels.get(LABEL)).cloned().unwrap_or_default();
            Some(Thing { name: name?.trim_start_matches('/').into(), label })
        };
        let containers = containers.iter().filter_map(|container| {
            thing(container.names.as_ref().and_then(|names| names.first()), container.labels.as_ref())
        });
        let images = images.iter().flat_map(|image| {
            // One that lost its name is removed by its id.
            let names = if image.repo_tags.is_empty() { vec![&image.id] } else { image.repo_tags.iter().collect() };
            names.into_iter().filter_map(|name| thing(Some(name), Some(&image.labels)))
        });
        let networks = networks.iter().filter_map(|network| thing(network.name.as_ref(), network.labels.as_ref()));
        let volumes = volumes.volumes.unwrap_or_default();
        let volumes = volumes.iter().filter_map(|volume| thing(Some(&volume.name), Some(&volume.labels)));
        Ok([containers.collect(), images.collect(), networks.collect(), volumes.collect()])
    }

    async fn remove(&self, [containers, images, networks, volumes]: [Vec<Thing>; 4]) -> Result<(), String> {
        let mut failed = Vec::new();
        for Thing { name, .. } in containers {
            let options = RemoveContainerOptions { force: true, v: true, ..Default::default() };
            failed.extend(self.client.remove_container(&name, Some(options)).await.err());
        }
        for Thing { name, .. } in images {
            let options = RemoveImageOptions { force: true, ..Default::default() };
            failed.extend(self.client.remove_image(&name, Some(options), None).await.err());
        }
        for Thing { name, .. } in networks {
            failed.extend(self.client.remove_network(&name).await.err());
        }
        for Thing { name, .. } in volumes {
            failed.extend(self.client.remove_volume(&name, None::<RemoveVolumeOptions>).await.err());
        }
        // Another host may have been faster.
        let missing = |error: &bollard::errors::Error| {
            matches!(error, bollard::errors::Error::DockerResponseServerError { status_code: 404, .. })
        };
        failed.iter().find(|error| !missing(error)).map_or(Ok(()), |error| Err(said(error)))
    }
}

/// Something that carries the label.
struct Thing {
    name: String,
    label: String,
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}
