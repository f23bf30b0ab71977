//! What comes bit by bit: samples, logs, events, and how a pull goes.

use std::collections::HashMap;

use bollard::models;
use bollard::query_parameters::{CreateImageOptions, EventsOptions, LogsOptions, StatsOptions};
use bytes::Bytes;
use futures::{Stream, StreamExt as _};

use super::super::reference::{Reference, Version};
use super::super::tasks::Sink;
use super::listing::bytes;
use super::{ClientError, Engine, Error, from_client, wit};

/// The next of a stream, which is over where it gives none.
async fn next<T, C>(
    stream: &mut (impl Stream<Item = Result<T, ClientError>> + Unpin),
    sink: &Sink<C>,
) -> Result<Option<T>, Error> {
    sink.unless_let_go(stream.next()).await?.transpose().map_err(from_client)
}

impl Engine {
    /// Samples until the container ends, or so many were given.
    pub(crate) async fn stats(
        self,
        id: String,
        samples: Option<u32>,
        sink: Sink<Vec<wit::Sample>>,
    ) -> Result<u64, Error> {
        let options = StatsOptions { stream: true, one_shot: false };
        let mut stream = Box::pin(self.client.stats(&id, Some(options)));
        let mut given = 0;
        while samples.is_none_or(|samples| given < u64::from(samples)) {
            let Some(found) = next(&mut stream, &sink).await? else { break };
            // A container that has ended goes on to be reported, as nothing.
            let Some(sample) = sample(&found) else { break };
            sink.give(vec![sample]).await?;
            given += 1;
        }
        Ok(given)
    }

    pub(crate) async fn logs(self, id: String, options: wit::LogOptions, sink: Sink<Bytes>) -> Result<u64, Error> {
        // The library has 32 bits for times, in which there is no later one than in 2038.
        let time = |time: Option<i64>| time.map_or(0, |time| i32::try_from(time).unwrap_or(i32::MAX));
        let options = LogsOptions {
            follow: options.follow,
            stdout: options.standard_output,
            stderr: options.standard_error,
            since: time(options.since),
            until: time(options.until),
            timestamps: options.timestamps,
            tail: options.tail.map_or_else(|| "all".into(), |lines| lines.to_string()),
        };
        let mut stream = Box::pin(self.client.logs(&id, Some(options)));
        let mut given = 0;
        while let Some(output) = next(&mut stream, &sink).await? {
            let output = output.into_bytes();
            given += output.len() as u64;
            sink.give(output).await?;
        }
        Ok(given)
    }

    pub(crate) async fn events(self, filter: wit::EventFilter, sink: Sink<Vec<wit::Event>>) -> Result<u64, Error> {
        let mut filters = HashMap::new();
        for (name, values) in [("type", filter.kinds), ("event", filter.actions)] {
            if !values.is_empty() {
                filters.insert(name.to_owned(), values);
            }
        }
        let options = EventsOptions {
            since: filter.since.map(|time| time.to_string()),
            until: filter.until.map(|time| time.to_string()),
            filters: Some(filters),
        };
        let mut stream = Box::pin(self.client.events(Some(options)));
        let mut given = 0;
        while let Some(found) = next(&mut stream, &sink).await? {
            if let Some(event) = self.event_seen(found) {
                sink.give(vec![event]).await?;
                given += 1;
            }
        }
        Ok(given)
    }

    /// An event of something in the scope. The engine puts labels and names among the attributes.
    fn event_seen(&self, found: models::EventMessage) -> Option<wit::Event> {
        let kind = found.typ.map(|kind| kind.to_string()).unwrap_or_default();
        let actor = found.actor.unwrap_or_default();
        let mut attributes = actor.attributes.unwrap_or_default();
        let id = actor.id.unwrap_or_default();
        let name = attributes.remove("name").unwrap_or_default();
        let image = attributes.remove("image").unwrap_or_default();
        let label = |label: &str| attributes.get(label).map(String::as_str);
        let seen = match kind.as_str() {
            "container" => self.grant.sees_container(&name, &image, label),
            "image" => {
                let named = if id.starts_with("sha256:") { &name } else { &id };
                self.grant.sees_image_labels(label) && self.grant.sees_image_name(named)
            }
            "network" | "volume" => {
                self.grant.sees_named(if name.is_empty() { id.as_str() } else { name.as_str() }, label)
            }
            _ => self.grant.sees_everything(),
        };
        // `exec_create: /bin/sh -c ...` holds a command line, which can hold a secret.
        let action = found.action.unwrap_or_default();
        let action = action.split_once(':').map_or(action.as_str(), |(word, _)| word).to_owned();
        let at = found.time_nano.map(|nanoseconds| nanoseconds / 1_000_000);
        seen.then(|| wit::Event {
            at: at.or(found.time.map(|seconds| seconds.saturating_mul(1_000))).unwrap_or_default(),
            labels: self.labels(&attributes),
            kind,
            action,
            id,
            name,
        })
    }

    pub(crate) async fn pull(
        self,
        reference: Reference,
        sink: Sink<Vec<wit::PullProgress>>,
    ) -> Result<wit::Pulled, Error> {
        let before = sink.unless_let_go(self.local_digest(&reference)).await??;
        let credentials = self.credentials(&reference).await?;
        let (image, tag) = match &reference.version {
            Version::Tag(tag) => (reference.repository.clone(), tag.clone()),
            Version::Digest(digest) => (reference.repository.clone(), digest.clone()),
        };
        let options = CreateImageOptions { from_image: Some(image), tag: Some(tag), ..Default::default() };
        let mut stream = Box::pin(self.client.create_image(Some(options), None, credentials));
        while let Some(found) = next(&mut stream, &sink).await? {
            let detail = found.progress_detail.unwrap_or_default();
            sink.give(vec![wit::PullProgress {
                layer: found.id.unwrap_or_default(),
                status: found.status.unwrap_or_default(),
                current: bytes(detail.current),
                total: bytes(detail.total),
            }])
            .await?;
        }
        let image = self.within(self.client.inspect_image(&reference.to_string())).await?;
        let after = digest_of(&image, &reference);
        let id = image.id.unwrap_or_default();
        Ok(wit::Pulled { before, after: after.unwrap_or_else(|| id.clone()), id })
    }

    /// What a pull would come to, asked of the registry; nothing is downloaded.
    pub(crate) async fn would_pull(&self, reference: &Reference) -> Result<wit::Pulled, Error> {
        let before = self.local_digest(reference).await?;
        let after = self.remote_digest(reference).await?;
        Ok(wit::Pulled { before, after, id: String::new() })
    }

    /// The digest of the image behind a name here, if there is one.
    pub(crate) async fn local_digest(&self, reference: &Reference) -> Result<Option<String>, Error> {
        match self.within(self.client.inspect_image(&reference.to_string())).await {
            Ok(image) => Ok(digest_of(&image, reference).or(image.id)),
            Err(Error::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What the registry of `reference` calls the image.
fn digest_of(image: &models::ImageInspect, reference: &Reference) -> Option<String> {
    let digests = image.repo_digests.iter().flatten();
    let parsed = digests.filter_map(|digest| digest.parse::<Reference>().ok());
    parsed.filter(|found| found.repository == reference.repository).find_map(|found| match found.version {
        Version::Digest(digest) => Some(digest),
        Version::Tag(_) => None,
    })
}

/// None for a container that does not run.
fn sample(found: &models::ContainerStatsResponse) -> Option<wit::Sample> {
    let cpu = found.cpu_stats.clone().unwrap_or_default();
    let memory = found.memory_stats.clone().unwrap_or_default();
    let details = memory.stats.unwrap_or_default();
    // What `docker stats` leaves out, too: cgroup version 2 calls it one thing, version 1 another.
    let cache =
        details.get("inactive_file").or_else(|| details.get("total_inactive_file")).copied().unwrap_or_default();
    let usage = memory.usage?;
    let moment = found.read.as_deref().and_then(|read| read.parse::<jiff::Timestamp>().ok());
    let networks = found.networks.iter().flatten().map(|(_, network)| network);
    let (received, sent) = networks.fold((0, 0), |(received, sent), network| {
        (received + network.rx_bytes.unwrap_or_default(), sent + network.tx_bytes.unwrap_or_default())
    });
    let disk = found.blkio_stats.as_ref().and_then(|disk| disk.io_service_bytes_recursive.as_ref());
    let moved = |direction: &str| {
        let fitting = disk
            .into_iter()
            .flatten()
            .filter(|entry| entry.op.as_deref().is_some_and(|operation| operation.eq_ignore_ascii_case(direction)));
        fitting.filter_map(|entry| entry.value).sum()
    };
    let per_cpu = cpu.cpu_usage.as_ref().and_then(|usage| usage.percpu_usage.as_ref()).map_or(0, Vec::len);
    Some(wit::Sample {
        at: moment.map(jiff::Timestamp::as_millisecond).unwrap_or_default(),
        cpu: cpu.cpu_usage.as_ref().and_then(|usage| usage.total_usage).unwrap_or_default(),
        cpu_total: cpu.system_cpu_usage.unwrap_or_default(),
        cpus: cpu.online_cpus.unwrap_or_else(|| u32::try_from(per_cpu).unwrap_or_default()),
        memory: usage.saturating_sub(cache),
        memory_limit: memory.limit.unwrap_or_default(),
        processes: found.pids_stats.as_ref().and_then(|pids| pids.current).unwrap_or_default(),
        received,
        sent,
        read: moved("read"),
        written: moved("write"),
    })
}
