//! Removes from a Docker engine what nothing uses, in the order in which things free each other: what `docker system
//! prune` does, with a list first, an age, a number of tags that stay, and a budget.

use taskhost_sdk::docker::{
    Daemon, DiskUsage, Prune, PruneBuildCache, PruneContainers, PruneImages, PruneNetworks, PruneVolumes, Pruned,
};
use taskhost_sdk::prelude::*;
use taskhost_sdk::words::{counted, size};

const ENGINE: docker::Slot = docker::Slot::new("engine", "what nothing uses is listed and removed").prune();

/// What can be pruned, in the order in which it is: a container holds its image, network and volumes.
const KINDS: [&str; 5] = ["containers", "images", "networks", "volumes", "build-cache"];

#[derive(Parameters)]
struct Options {
    /// What is removed: some of containers, images, networks, volumes, build-cache.
    #[parameter(default = "containers,images,networks,build-cache")]
    what: Vec<String>,
    /// Only what ended, was made, or was last used longer ago than this.
    #[parameter(default = "7d")]
    older_than: Duration,
    /// The newest so many tags of each repository stay, however old they are.
    #[parameter(default = 3, max = 1000)]
    keep: u32,
    /// Only images of repositories that match one of these globs.
    #[parameter(default = "")]
    repository: Vec<String>,
    /// Only what has all of these labels: `NAME` or `NAME=VALUE`. Build cache has none.
    #[parameter(default = "")]
    label: Vec<String>,
    /// Only what has none of these labels.
    #[parameter(default = "")]
    without_label: Vec<String>,
    /// Volumes that were given a name, too.
    #[parameter(default = false)]
    named_volumes: bool,
}

#[task(summary = "removes what nothing uses from a Docker engine, and says how many bytes that frees", slots = [ENGINE])]
async fn docker_prune(options: Options) -> Result<String> {
    let kinds = chosen_kinds(&options.what)?;
    let engine = ENGINE.open()?;
    let before = engine.disk_usage().await?;
    let mut totals = Vec::new();
    for (done, kind) in kinds.iter().enumerate() {
        progress(done as u64, Some(kinds.len() as u64), *kind);
        let so_far = || format!("stopped at {kind}, after {}", summary(&totals));
        let pruned = engine.prune(request(kind, &options)).await.map_err(Failure::from);
        let pruned =
            pruned.map_err(|failure| Failure { message: format!("{}: {}", so_far(), failure.message), ..failure })?;
        report(kind, &pruned);
        totals.push((*kind, pruned.items.len() as u64, pruned.bytes));
    }
    measure(&engine, &before, &totals).await?;
    Ok(summary(&totals))
}

/// The kinds asked for, each once, in their order.
fn chosen_kinds(asked: &[String]) -> Result<Vec<&'static str>> {
    if let Some(unknown) = asked.iter().find(|kind| !KINDS.contains(&kind.as_str())) {
        return Err(Failure::invalid(format!("`what` has no `{unknown}`; it takes {}", KINDS.join(", "))));
    }
    let chosen: Vec<_> = KINDS.into_iter().filter(|kind| asked.iter().any(|asked| asked == kind)).collect();
    if chosen.is_empty() {
        return Err(Failure::invalid(format!("`what` is empty; it takes some of {}", KINDS.join(", "))));
    }
    Ok(chosen)
}

fn request(kind: &str, options: &Options) -> Prune {
    let older_than = Some(options.older_than.as_secs());
    let (labels, without_labels) = (options.label.clone(), options.without_label.clone());
    match kind {
        "containers" => Prune::Containers(PruneContainers { older_than, labels, without_labels }),
        "images" => Prune::Images(PruneImages {
            older_than,
            labels,
            without_labels,
            repositories: options.repository.clone(),
            dangling: false,
            keep: options.keep,
        }),
        "networks" => Prune::Networks(PruneNetworks { older_than, labels, without_labels }),
        "volumes" => Prune::Volumes(PruneVolumes { named: options.named_volumes, older_than, labels, without_labels }),
        _ => Prune::BuildCache(PruneBuildCache { older_than }),
    }
}

/// One finding for what went, and one for each thing that stayed against expectation.
fn report(kind: &str, pruned: &Pruned) {
    if !pruned.items.is_empty() {
        let title = if rehearsing() { "would be removed" } else { "removed" };
        let mut biggest: Vec<_> = pruned.items.iter().collect();
        biggest.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
        let named = biggest.iter().take(SHOWN).map(|item| {
            let name = if item.name.is_empty() { short(&item.id) } else { &item.name };
            if item.bytes == 0 { name.to_owned() } else { format!("{name} ({})", size(item.bytes)) }
        });
        let mut detail = named.collect::<Vec<_>>().join(", ");
        if biggest.len() > SHOWN {
            detail += &format!(" and {} more", biggest.len() - SHOWN);
        }
        Finding::ok(kind, title).detail(detail).report();
    }
    for kept in pruned.kept.iter().take(SHOWN) {
        let name = if kept.name.is_empty() { short(&kept.id) } else { &kept.name };
        Finding::ok(name, "stays").detail(&kept.why).report();
    }
}

/// The most things that a finding names.
const SHOWN: usize = 10;

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
async fn measure(engine: &Daemon, before: &DiskUsage, totals: &[(&str, u64, u64)]) -> Result<()> {
    let bytes = |usage: &DiskUsage| {
        (usage.images.bytes + usage.containers.bytes + usage.volumes.bytes + usage.build_cache.bytes) as f64
    };
    Metric::new("engine_bytes_before", bytes(before)).unit(Unit::Bytes).report();
    if !rehearsing() {
        let after = engine.disk_usage().await?;
        Metric::new("engine_bytes_after", bytes(&after)).unit(Unit::Bytes).report();
    }
    for (kind, removed, _) in totals {
        Metric::new(format!("{}_removed", kind.replace('-', "_")), *removed as f64).report();
    }
    Metric::new("bytes_freed", totals.iter().map(|(_, _, bytes)| bytes).sum::<u64>() as f64).unit(Unit::Bytes).report();
    Ok(())
}

/// `removed 2 containers and 5 images, freed 1.2 GiB`.
fn summary(totals: &[(&str, u64, u64)]) -> String {
    let (removed, freed) = if rehearsing() { ("would remove", "freeing") } else { ("removed", "freed") };
    let things: Vec<String> = totals
        .iter()
        .filter(|(_, count, _)| *count > 0)
        .map(|(kind, count, _)| match *kind {
            "build-cache" => counted(*count, "build cache record"),
            kind => counted(*count, kind.trim_end_matches('s')),
        })
        .collect();
    let bytes = totals.iter().map(|(_, _, bytes)| bytes).sum();
    match things.as_slice() {
        [] if bytes == 0 => "there is nothing to remove".into(),
        [] => format!("{freed} {}", size(bytes)),
        [only] => format!("{removed} {only}, {freed} {}", size(bytes)),
        [first @ .., last] => format!("{removed} {} and {last}, {freed} {}", first.join(", "), size(bytes)),
    }
}

/// An id as people see it.
fn short(id: &str) -> &str {
    let hex = id.strip_prefix("sha256:").unwrap_or(id);
    hex.get(..12).unwrap_or(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_come_in_the_order_in_which_they_free_each_other() {
        let asked = |kinds: &[&str]| chosen_kinds(&kinds.iter().map(|kind| (*kind).into()).collect::<Vec<_>>());
        assert_eq!(asked(&["volumes", "images", "containers", "images"]).unwrap(), ["containers", "images", "volumes"]);
        assert!(asked(&["image"]).unwrap_err().message.contains("it takes containers, images"));
        assert!(asked(&[]).is_err());
    }
}
