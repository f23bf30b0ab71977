//! Brings images up to date and names the running containers that are behind. It must never restart or recreate one:
//! that is for those who know what depends on it.

use std::collections::{BTreeMap, BTreeSet};

use taskhost_sdk::docker::{Container, ContainerFilter, ContainerState, Daemon, Error, PullProgress};
use taskhost_sdk::prelude::*;
use taskhost_sdk::report::next_action_on;
use taskhost_sdk::words::counted;

const ENGINE: docker::Slot =
    docker::Slot::new("engine", "images are pulled, and compared with those that running containers are made from")
        .pull();

#[derive(Parameters)]
struct Options {
    /// Only these images, like `nginx:1.27`; none means all that running containers use.
    #[parameter(default = "")]
    images: Vec<String>,
    /// Ask the registries for their digests and pull nothing.
    #[parameter(default = false)]
    check_only: bool,
}

/// What became of one image.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Current,
    /// Its digests, the first of which is missing where there was no such image.
    Updated(Option<String>, String),
    /// There is a newer one, which was not pulled.
    Available(Option<String>, String),
    Failed(String),
}

#[task(summary = "pulls images and says which running containers are behind", slots = [ENGINE])]
async fn image_update(options: Options) -> Result<String> {
    let engine = ENGINE.open()?;
    let running = ContainerFilter { states: vec![ContainerState::Running], ..ContainerFilter::default() };
    let running = engine.containers(running).await?;
    let images = chosen(&options.images, &running);
    let mut outcomes = BTreeMap::new();
    for (done, image) in images.iter().enumerate() {
        progress(done as u64, Some(images.len() as u64), image.as_str());
        let outcome = update(&engine, image, options.check_only, done as u64, images.len() as u64).await?;
        report_image(image, &outcome);
        outcomes.insert(image.as_str(), outcome);
    }
    let behind = behind(&engine, &running, &outcomes).await?;
    for (container, image, why) in &behind {
        Finding::warning(*container, "runs an older image")
            .detail(format!("{image}: {why}"))
            .remedy("recreate it, for instance with docker compose up -d, and look at its health")
            .report();
        next_action_on(*container, format!("recreate it from the current {image}"));
    }
    measure(&outcomes, behind.len());
    Ok(summary(&outcomes, behind.len(), running.len()))
}

/// The names to look at, each once. A name with a digest always means the same image, and an id has no name to ask for.
fn chosen(asked: &[String], running: &[Container]) -> BTreeSet<String> {
    if !asked.is_empty() {
        return asked.iter().cloned().collect();
    }
    running.iter().map(|container| &container.image).filter(|image| has_tag(image)).cloned().collect()
}

fn has_tag(image: &str) -> bool {
    let is_id = image.len() >= 12 && image.bytes().all(|byte| byte.is_ascii_hexdigit());
    !image.contains('@') && !image.starts_with("sha256:") && !is_id && !image.is_empty()
}

/// One image that cannot be pulled does not keep the others from it; a refusal or an engine that is gone ends the run.
async fn update(engine: &Daemon, image: &str, check_only: bool, done: u64, all: u64) -> Result<Outcome> {
    let asked = if check_only {
        check(engine, image).await
    } else {
        let told = |step: &PullProgress| {
            progress(done, Some(all), format!("{image}: {} {}", step.layer, step.status));
        };
        engine.pull_image(image, told).await.map(|pulled| (pulled.before, pulled.after))
    };
    match asked {
        Ok((before, after)) if before.as_deref() == Some(after.as_str()) => Ok(Outcome::Current),
        Ok((before, after)) if check_only || rehearsing() => Ok(Outcome::Available(before, after)),
        Ok((before, after)) => Ok(Outcome::Updated(before, after)),
        Err(error @ (Error::NotFound(_) | Error::Engine(_) | Error::TimedOut(_) | Error::Conflict(_))) => {
            Ok(Outcome::Failed(docker::message(&error)))
        }
        Err(error) => Err(Failure::from(error)),
    }
}

/// The digests here and at the registry.
async fn check(engine: &Daemon, image: &str) -> Result<(Option<String>, String), Error> {
    let there = engine.remote_digest(image.into()).await?;
    let here = match engine.image(image.into()).await {
        Ok(found) => found.digests.iter().find_map(|digest| Some(digest.split_once('@')?.1.to_owned())),
        Err(Error::NotFound(_)) => None,
        Err(error) => return Err(error),
    };
    Ok((here, there))
}

fn report_image(image: &str, outcome: &Outcome) {
    let digests = |before: &Option<String>, after: &str| match before {
        Some(before) => format!("{} to {}", short(before), short(after)),
        None => format!("{}, which was not here before", short(after)),
    };
    match outcome {
        Outcome::Current => Finding::ok(image, "up to date").report(),
        Outcome::Updated(before, after) => Finding::ok(image, "pulled").detail(digests(before, after)).report(),
        Outcome::Available(before, after) => {
            Finding::warning(image, "an update is there").detail(digests(before, after)).report();
        }
        Outcome::Failed(why) => Finding::warning(image, "could not be asked for")
            .detail(why)
            .remedy("check its name, and whether the registry answers and knows the engine's credentials")
            .report(),
    }
}

/// The containers that are made from another image than their name means now, or will after a pull.
async fn behind<'a>(
    engine: &Daemon,
    running: &'a [Container],
    outcomes: &BTreeMap<&str, Outcome>,
) -> Result<Vec<(&'a str, &'a str, String)>> {
    let mut ids = BTreeMap::new();
    let mut behind = Vec::new();
    for container in running {
        let image = container.image.as_str();
        let Some(outcome) = outcomes.get(image) else { continue };
        if let Outcome::Available(_, after) = outcome {
            behind.push((container.name.as_str(), image, format!("the registry has {} now", short(after))));
            continue;
        }
        if !ids.contains_key(image) {
            let id = match engine.image(image.into()).await {
                Ok(found) => Some(found.id),
                Err(Error::NotFound(_)) => None,
                Err(error) => return Err(error.into()),
            };
            ids.insert(image, id);
        }
        if let Some(Some(id)) = ids.get(image)
            && *id != container.image_id
        {
            let why = format!("it is made from {}, and the name means {} now", short(&container.image_id), short(id));
            behind.push((container.name.as_str(), image, why));
        }
    }
    Ok(behind)
}

#[expect(clippy::cast_precision_loss, reason = "counts of images")]
fn measure(outcomes: &BTreeMap<&str, Outcome>, behind: usize) {
    let count = |is: fn(&Outcome) -> bool| outcomes.values().filter(|outcome| is(outcome)).count() as f64;
    Metric::new("images_checked", outcomes.len() as f64).report();
    Metric::new("images_updated", count(|outcome| matches!(outcome, Outcome::Updated(..)))).report();
    Metric::new("updates_available", count(|outcome| matches!(outcome, Outcome::Available(..)))).report();
    Metric::new("images_failed", count(|outcome| matches!(outcome, Outcome::Failed(_)))).report();
    Metric::new("containers_behind", behind as f64).warn_above(0.0).report();
}

/// `2 of 5 images updated; 1 of 7 running containers is behind`.
fn summary(outcomes: &BTreeMap<&str, Outcome>, behind: usize, running: usize) -> String {
    if outcomes.is_empty() {
        return format!("{} with a tag to follow: nothing to do", counted(0_u64, "running container"));
    }
    let updated = outcomes.values().filter(|outcome| matches!(outcome, Outcome::Updated(..))).count();
    let available = outcomes.values().filter(|outcome| matches!(outcome, Outcome::Available(..))).count();
    let failed = outcomes.values().filter(|outcome| matches!(outcome, Outcome::Failed(_))).count();
    let mut text = match (updated, available) {
        (0, 0) => format!("none of {} changed", counted(outcomes.len(), "image")),
        (0, available) => format!("{available} of {} have an update", counted(outcomes.len(), "image")),
        (updated, _) => format!("{updated} of {} updated", counted(outcomes.len(), "image")),
    };
    if failed > 0 {
        text += &format!(", {failed} could not be asked for");
    }
    text + &format!("; {behind} of {} behind", counted(running, "running container"))
}

/// A digest as people see it.
fn short(digest: &str) -> &str {
    let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
    hex.get(..12).unwrap_or(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_tag_can_be_followed() {
        for (image, expected) in [
            ("nginx:1.27", true),
            ("nginx", true),
            ("localhost:5000/app:1", true),
            ("nginx@sha256:aa", false),
            ("sha256:0123", false),
            ("0123456789ab", false),
            ("", false),
        ] {
            assert_eq!(has_tag(image), expected, "{image}");
        }
    }

    #[test]
    fn the_summary_says_what_changed() {
        let digest = || "sha256:1".to_owned();
        let outcomes = BTreeMap::from([
            ("a", Outcome::Current),
            ("b", Outcome::Updated(None, digest())),
            ("c", Outcome::Failed("no".into())),
        ]);
        assert_eq!(
            summary(&outcomes, 1, 7),
            "1 of 3 images updated, 1 could not be asked for; 1 of 7 running containers behind"
        );
        let outcomes = BTreeMap::from([("a", Outcome::Current)]);
        assert_eq!(summary(&outcomes, 0, 1), "none of 1 image changed; 0 of 1 running container behind");
    }
}
