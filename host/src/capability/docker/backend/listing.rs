//! What there is, in the contract's words, without what a grant's scope does not see.

use std::collections::{BTreeMap, HashMap, HashSet};

use bollard::models;
use bollard::query_parameters::{ListContainersOptions, ListImagesOptions, ListNetworksOptions, ListVolumesOptions};

use super::super::reference;
use super::usage::volume_size;
use super::{Engine, Error, wit};

/// What a prune of images must know at one moment.
pub(crate) struct Listed {
    pub(crate) images: Vec<wit::Image>,
    /// Layers of each image of the engine, the base first.
    pub(crate) layers: HashMap<String, Vec<String>>,
    /// Images that have a name out of the scope, too, and stay for it.
    pub(crate) held: HashSet<String>,
}

/// How a container's networks and volumes are counted.
#[derive(Default)]
struct InUse {
    images: BTreeMap<String, u32>,
    networks: BTreeMap<String, u32>,
    volumes: BTreeMap<String, u32>,
}

/// The most that is kept of a health check's output.
const HEALTH_OUTPUT: usize = 4 * 1024;

impl Engine {
    /// The containers in the scope that a filter chooses.
    pub(crate) async fn containers(&self, sizes: bool) -> Result<Vec<wit::Container>, Error> {
        let mut seen = Vec::new();
        for mut container in self.all_containers(sizes).await? {
            // Once its name means another image, the engine lists an image's id instead.
            let named = container.image.as_deref().is_some_and(|image| !is_id(image));
            if !named {
                let id = container.id.clone().unwrap_or_default();
                match self.within(self.client.inspect_container(&id, None)).await {
                    Ok(found) => container.image = found.config.and_then(|config| config.image),
                    // Removed while it was listed.
                    Err(Error::NotFound(_)) => continue,
                    Err(error) => return Err(error),
                }
            }
            seen.extend(self.container_seen(&container));
        }
        Ok(seen)
    }

    async fn all_containers(&self, size: bool) -> Result<Vec<models::ContainerSummary>, Error> {
        let options = ListContainersOptions { all: true, size, ..Default::default() };
        self.within(self.client.list_containers(Some(options))).await
    }

    fn container_seen(&self, found: &models::ContainerSummary) -> Option<wit::Container> {
        let name = found.names.iter().flatten().next().map(|name| name.trim_start_matches('/')).unwrap_or_default();
        let image = found.image.as_deref().unwrap_or_default();
        let labels = found.labels.clone().unwrap_or_default();
        if !self.grant.sees_container(name, image, |label| labels.get(label).map(String::as_str)) {
            return None;
        }
        Some(wit::Container {
            id: found.id.clone().unwrap_or_default(),
            name: name.into(),
            image: image.into(),
            image_id: found.image_id.clone().unwrap_or_default(),
            state: found.state.map_or(wit::ContainerState::Dead, |state| state_of(state.as_ref())),
            status: found.status.clone().unwrap_or_default(),
            created: found.created.unwrap_or_default(),
            labels: self.labels(&labels),
            size: found.size_rw.map(|size| bytes(Some(size))),
        })
    }

    /// The container in the scope that `name` (or an id, or the beginning of one) means.
    pub(crate) async fn find_container(&self, name: &str) -> Result<wit::Container, Error> {
        let mut seen = self.containers(false).await?;
        let exact = |container: &wit::Container| container.name == name || container.id == name;
        if let Some(index) = seen.iter().position(exact) {
            return Ok(seen.swap_remove(index));
        }
        let abbreviates = |container: &wit::Container| is_abbreviation(name) && container.id.starts_with(name);
        let mut fitting = seen.into_iter().filter(abbreviates);
        match (fitting.next(), fitting.next()) {
            (Some(container), None) => Ok(container),
            _ => Err(Error::NotFound(format!("there is no container {} in the slot's scope", shown(name)))),
        }
    }

    pub(crate) async fn container(&self, name: &str) -> Result<wit::ContainerDetails, Error> {
        let container = self.find_container(name).await?;
        let found = self.within(self.client.inspect_container(&container.id, None)).await?;
        let state = found.state.unwrap_or_default();
        let host = found.host_config.unwrap_or_default();
        let health = state.health.unwrap_or_default();
        let output = health.log.unwrap_or_default().pop().and_then(|last| last.output);
        let restart_policy = host.restart_policy.and_then(|policy| policy.name).map(|name| name.to_string());
        let networks = found.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
        let environment = found.config.and_then(|config| config.env).unwrap_or_default();
        let mut networks: Vec<String> = networks.into_keys().collect();
        networks.sort_unstable();
        #[expect(clippy::cast_precision_loss, reason = "thousandths of a CPU")]
        let cpu_limit = host.nano_cpus.filter(|cpus| *cpus > 0).map(|cpus| cpus as f64 / 1e9);
        #[expect(clippy::cast_precision_loss, reason = "thousandths of a CPU")]
        let quota = match (host.cpu_quota, host.cpu_period) {
            (Some(quota), period) if quota > 0 => {
                Some(quota as f64 / period.filter(|period| *period > 0).unwrap_or(100_000) as f64)
            }
            _ => None,
        };
        Ok(wit::ContainerDetails {
            container,
            health: match health.status {
                Some(models::HealthStatusEnum::STARTING) => wit::Health::Starting,
                Some(models::HealthStatusEnum::HEALTHY) => wit::Health::Healthy,
                Some(models::HealthStatusEnum::UNHEALTHY) => wit::Health::Unhealthy,
                _ => wit::Health::None,
            },
            health_output: output.map(|output| cut(output, HEALTH_OUTPUT)),
            restarts: bytes(found.restart_count),
            oom_killed: state.oom_killed.unwrap_or_default(),
            exit_code: state.exit_code.filter(|_| !state.running.unwrap_or_default()),
            started: state.started_at.as_deref().and_then(seconds),
            finished: state.finished_at.as_deref().and_then(seconds),
            restart_policy: restart_policy.filter(|policy| !policy.is_empty()).unwrap_or_else(|| "no".into()),
            memory_limit: host.memory.filter(|limit| *limit > 0).map(|limit| bytes(Some(limit))),
            cpu_limit: cpu_limit.or(quota),
            privileged: host.privileged.unwrap_or_default(),
            host_network: host.network_mode.as_deref() == Some("host"),
            mounts: found.mounts.unwrap_or_default().into_iter().map(mount).collect(),
            networks,
            environment: environment.iter().filter_map(|pair| Some(pair.split_once('=')?.0.to_owned())).collect(),
        })
    }

    /// The images in the scope, with those of their names that are. Sizes are the engine's.
    pub(crate) async fn images(&self) -> Result<Vec<wit::Image>, Error> {
        let options = ListImagesOptions { all: false, digests: true, ..Default::default() };
        let found = self.within(self.client.list_images(Some(options))).await?;
        let used = self.in_use().await?;
        Ok(found.into_iter().filter_map(|image| self.image_seen(image, &used)).collect())
    }

    fn image_seen(&self, found: models::ImageSummary, used: &InUse) -> Option<wit::Image> {
        let named = |listed: &String| reference::repository(listed).is_some();
        let nameless = !found.repo_tags.iter().any(named);
        let tags: Vec<String> = found.repo_tags.into_iter().filter(named).collect();
        let tags: Vec<String> = tags.into_iter().filter(|tag| self.grant.sees_image_name(tag)).collect();
        let digests: Vec<String> =
            found.repo_digests.into_iter().filter(|name| named(name) && self.grant.sees_image_name(name)).collect();
        let by_name = !tags.is_empty() || !digests.is_empty() || (nameless && self.grant.sees_nameless_images());
        if !by_name || !self.grant.sees_image_labels(|label| found.labels.get(label).map(String::as_str)) {
            return None;
        }
        Some(wit::Image {
            containers: used.images.get(&found.id).copied().unwrap_or_default(),
            id: found.id,
            tags,
            digests,
            created: found.created,
            size: bytes(Some(found.size)),
            labels: self.labels(&found.labels),
        })
    }

    /// The image in the scope that `name` (a tag, a digest, or an id or the beginning of one) means.
    pub(crate) async fn image(&self, name: &str) -> Result<wit::Image, Error> {
        let wanted = name.parse::<reference::Reference>().map(|reference| reference.to_string());
        let is_it = |image: &wit::Image| {
            let id = image.id.strip_prefix("sha256:").unwrap_or(&image.id);
            let asked = name.strip_prefix("sha256:").unwrap_or(name);
            id == asked
                || (is_abbreviation(asked) && id.starts_with(asked))
                || wanted.as_ref().is_ok_and(|wanted| {
                    let mut names = image.tags.iter().chain(&image.digests);
                    names.any(|listed| {
                        listed.parse::<reference::Reference>().is_ok_and(|listed| listed.to_string() == *wanted)
                    })
                })
        };
        let found = self.images().await?.into_iter().find(is_it);
        found.ok_or_else(|| Error::NotFound(format!("there is no image {} in the slot's scope", shown(name))))
    }

    pub(crate) async fn networks(&self) -> Result<Vec<wit::Network>, Error> {
        let found = self.within(self.client.list_networks(None::<ListNetworksOptions>)).await?;
        let used = self.in_use().await?;
        let seen = found.into_iter().filter_map(|network| {
            let (name, labels) = (network.name.unwrap_or_default(), network.labels.unwrap_or_default());
            let id = network.id.unwrap_or_default();
            self.grant.sees_named(&name, |label| labels.get(label).map(String::as_str)).then(|| wit::Network {
                containers: [&id, &name].iter().filter_map(|key| used.networks.get(*key)).sum(),
                driver: network.driver.unwrap_or_default(),
                created: network.created.as_deref().and_then(seconds).unwrap_or_default(),
                labels: self.labels(&labels),
                id,
                name,
            })
        });
        Ok(seen.collect())
    }

    pub(crate) async fn volumes(&self) -> Result<Vec<wit::Volume>, Error> {
        let found = self.within(self.client.list_volumes(None::<ListVolumesOptions>)).await?;
        let used = self.in_use().await?;
        // The engine measures all volumes for it, which may take it long: a list without sizes is better than none.
        let sizes: HashMap<_, _> = match self.usage().await {
            Ok(usage) => usage.volumes.iter().map(|volume| (volume.name.clone(), volume_size(volume))).collect(),
            Err(Error::TimedOut(_)) => HashMap::new(),
            Err(error) => return Err(error),
        };
        let seen = found.volumes.unwrap_or_default().into_iter().filter_map(|volume| {
            let labels = volume.labels;
            self.grant.sees_named(&volume.name, |label| labels.get(label).map(String::as_str)).then(|| wit::Volume {
                containers: used.volumes.get(&volume.name).copied().unwrap_or_default(),
                anonymous: is_anonymous(&volume.name, &labels),
                size: sizes.get(&volume.name).copied().flatten(),
                created: volume.created_at.as_deref().and_then(seconds),
                driver: volume.driver,
                labels: self.labels(&labels),
                name: volume.name,
            })
        });
        Ok(seen.collect())
    }

    /// What containers of the whole engine use, in or out of the scope, running or not.
    async fn in_use(&self) -> Result<InUse, Error> {
        let mut used = InUse::default();
        for container in self.all_containers(false).await? {
            *used.images.entry(container.image_id.unwrap_or_default()).or_default() += 1;
            let networks = container.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
            // By name, too: a container that never ran has not yet met its network's id.
            for (name, network) in networks {
                *used.networks.entry(network.network_id.filter(|id| !id.is_empty()).unwrap_or(name)).or_default() += 1;
            }
            for volume in container.mounts.unwrap_or_default().into_iter().filter_map(|mount| mount.name) {
                *used.volumes.entry(volume).or_default() += 1;
            }
        }
        Ok(used)
    }

    /// Images with their layers, for telling what is shared.
    pub(crate) async fn images_with_layers(&self) -> Result<Listed, Error> {
        let images = self.images().await?;
        let (mut layers, mut held) = (HashMap::new(), HashSet::new());
        // All of the engine's: an image out of the scope keeps the layers that it shares.
        let options = ListImagesOptions { all: false, ..Default::default() };
        for image in self.within(self.client.list_images(Some(options))).await? {
            if image
                .repo_tags
                .iter()
                .any(|tag| reference::repository(tag).is_some() && !self.grant.sees_image_name(tag))
            {
                held.insert(image.id.clone());
            }
            match self.within(self.client.inspect_image(&image.id)).await {
                Ok(found) => {
                    let own = found.root_fs.and_then(|files| files.layers).unwrap_or_default();
                    layers.insert(image.id, own);
                }
                // Removed since it was listed.
                Err(Error::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Listed { images, layers, held })
    }

    pub(crate) async fn disk_usage(&self) -> Result<wit::DiskUsage, Error> {
        let options = ListImagesOptions { all: false, ..Default::default() };
        let images = self.within(self.client.list_images(Some(options))).await?;
        let containers = self.all_containers(true).await?;
        let used = self.in_use().await?;
        let mut image_usage = empty();
        for image in &images {
            let active = used.images.contains_key(&image.id);
            count(&mut image_usage, active, bytes(Some(image.size)));
        }
        let mut container_usage = empty();
        for container in &containers {
            let running = container.state.is_some_and(|state| state_of(state.as_ref()) == wit::ContainerState::Running);
            count(&mut container_usage, running, bytes(container.size_rw));
        }
        let mut volume_usage = empty();
        let usage = self.usage().await?;
        for volume in &usage.volumes {
            let size = volume_size(volume).unwrap_or_default();
            count(&mut volume_usage, used.volumes.contains_key(&volume.name), size);
        }
        let mut build_cache = empty();
        for entry in &usage.build_cache {
            // The bytes of a shared one are an image's too.
            let size = if entry.shared.unwrap_or_default() { 0 } else { bytes(entry.size) };
            count(&mut build_cache, entry.in_use.unwrap_or_default(), size);
        }
        Ok(wit::DiskUsage { images: image_usage, containers: container_usage, volumes: volume_usage, build_cache })
    }

    /// Labels in the order of their names; those that look like secrets without their values.
    pub(super) fn labels(&self, labels: &HashMap<String, String>) -> Vec<wit::Label> {
        let sorted: BTreeMap<_, _> = labels.iter().collect();
        let label = |(name, value): (&String, &String)| wit::Label {
            name: name.clone(),
            value: (!self.grant.is_secret(name)).then(|| value.clone()),
        };
        sorted.into_iter().map(label).collect()
    }
}

fn empty() -> wit::Usage {
    wit::Usage { total: 0, active: 0, bytes: 0, reclaimable: 0 }
}

fn count(usage: &mut wit::Usage, active: bool, bytes: u64) {
    usage.total += 1;
    usage.bytes += bytes;
    if active {
        usage.active += 1;
    } else {
        usage.reclaimable += bytes;
    }
}

fn mount(mount: models::MountPoint) -> wit::Mount {
    wit::Mount {
        kind: mount.typ.unwrap_or_default(),
        source: mount.name.or(mount.source).unwrap_or_default(),
        destination: mount.destination.unwrap_or_default(),
        writable: mount.rw.unwrap_or_default(),
    }
}

fn state_of(word: &str) -> wit::ContainerState {
    match word {
        "created" => wit::ContainerState::Created,
        "running" => wit::ContainerState::Running,
        "paused" => wit::ContainerState::Paused,
        "restarting" => wit::ContainerState::Restarting,
        "removing" => wit::ContainerState::Removing,
        "exited" => wit::ContainerState::Exited,
        _ => wit::ContainerState::Dead,
    }
}

/// Made without a name: the engine marks it since 23.0, and gives it 64 hex digits for a name before.
fn is_anonymous(name: &str, labels: &HashMap<String, String>) -> bool {
    labels.contains_key("com.docker.volume.anonymous")
        || (name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn is_id(image: &str) -> bool {
    image.starts_with("sha256:") || is_abbreviation(image)
}

/// Long enough to mean one thing, and nothing but an id.
fn is_abbreviation(text: &str) -> bool {
    text.len() >= 12 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn shown(name: &str) -> String {
    crate::policy::text::clean_line(name, 128)
}

fn cut(mut text: String, limit: usize) -> String {
    text.truncate(text.floor_char_boundary(limit));
    text
}

/// Seconds since 1970; none for Docker's year 1, which stands for never.
pub(crate) fn seconds(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second).filter(|seconds| *seconds > 0)
}

/// A number that is never below zero but in what the engine does not know.
pub(crate) fn bytes(number: Option<i64>) -> u64 {
    number.and_then(|number| u64::try_from(number).ok()).unwrap_or_default()
}
