//! Prune: chosen from the engine's listing, then each thing through the gate by itself, so that a rehearsal lists what a
//! run removes, and a budget stops between two things.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use super::super::backend::Engine;
use super::super::prune::{self, Chosen, Condition};
use super::{Access, Call, Error, Impact, Patterns, Permit, wit};
use crate::gate::Refusal;
use crate::policy::units::Seconds;

/// What is pruned, for people and for budgets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Images,
    Containers,
    Networks,
    Volumes,
    BuildCache,
}

impl Kind {
    fn of(what: &wit::Prune) -> Self {
        match what {
            wit::Prune::Images(_) => Self::Images,
            wit::Prune::Containers(_) => Self::Containers,
            wit::Prune::Networks(_) => Self::Networks,
            wit::Prune::Volumes(_) => Self::Volumes,
            wit::Prune::BuildCache(_) => Self::BuildCache,
        }
    }

    fn plural(self) -> &'static str {
        match self {
            Self::Images => "images",
            Self::Containers => "containers",
            Self::Networks => "networks",
            Self::Volumes => "volumes",
            Self::BuildCache => "build cache",
        }
    }

    fn operation(self) -> &'static str {
        match self {
            Self::Images => "remove-image",
            Self::Containers => "remove-container",
            Self::Networks => "remove-network",
            Self::Volumes => "remove-volume",
            Self::BuildCache => "prune-build-cache",
        }
    }

    /// What its budget is called.
    fn budget(self) -> Option<&'static str> {
        (self != Self::BuildCache).then_some(self.plural())
    }
}

impl Call {
    pub(super) async fn prune(&self, what: &wit::Prune) -> Result<wit::Pruned, Error> {
        let kind = Kind::of(what);
        let verdict = self.allows(Access::Prune).and_then(|()| match kind {
            // It has no names and no labels, and belongs to everybody.
            Kind::BuildCache if !self.grant.sees_everything() => Err(Refusal::NotGranted(format!(
                "slot `{}` sees only part of the engine, and the build cache is the whole engine's; \
                 a slot without label=, name= and image= can prune it",
                self.slot
            ))),
            _ => Ok(()),
        });
        // Choosing changes nothing; each removal enters by itself.
        let mut permit = self.enter("prune", Impact::Observe, &describe(kind, what), verdict)?;
        let chosen = async {
            let engine = self.engine().await?;
            let chosen = choose(&engine, what).await?;
            Ok::<_, Error>((engine, chosen))
        };
        let (engine, chosen) = match chosen.await {
            Ok(chosen) => chosen,
            Err(error) => return permit.finish(Err(error)),
        };
        permit.rows(chosen.len() as u64);
        permit.bytes(chosen.iter().map(|one| one.bytes).sum());
        permit.succeed();

        if let wit::Prune::BuildCache(filter) = what {
            return self.prune_build_cache(&engine, filter, &chosen).await;
        }
        let mut pruned = wit::Pruned { items: vec![], kept: vec![], bytes: 0 };
        for one in chosen {
            let shown = if one.name.is_empty() { short(&one.id) } else { &one.name };
            let mut permit = self.enter(kind.operation(), Impact::Destroy, shown, self.allows(Access::Prune))?;
            let removed = self.remove(&engine, kind, &one, &mut permit).await;
            let removed = permit.finish(removed);
            let Chosen { id, name, bytes, .. } = one;
            match removed {
                Ok(()) => {
                    pruned.bytes += bytes;
                    pruned.items.push(wit::PrunedItem { id, name, bytes });
                }
                // Somebody else was faster.
                Err(Error::NotFound(_)) => {}
                Err(Error::Conflict(why)) => pruned.kept.push(wit::KeptItem { id, name, why }),
                Err(error) => return Err(error),
            }
        }
        Ok(pruned)
    }

    async fn remove(&self, engine: &Engine, kind: Kind, one: &Chosen, permit: &mut Permit) -> Result<(), Error> {
        if let Some(budget) = kind.budget() {
            permit.charge(budget, 1)?;
        }
        permit.charge("bytes", one.bytes)?;
        permit.bytes(one.bytes);
        if permit.rehearse() {
            return Ok(());
        }
        match kind {
            Kind::Containers => engine.remove_container(&one.handle).await,
            Kind::Networks => engine.remove_network(&one.handle).await,
            Kind::Volumes => engine.remove_volume(&one.handle).await,
            Kind::Images => {
                // A tag that was moved since the listing is another image's now.
                if engine.image_id(&one.handle).await? != one.id {
                    return Err(Error::Conflict("its name was given to another image meanwhile".into()));
                }
                engine.remove_image(&one.handle).await
            }
            Kind::BuildCache => Ok(()),
        }
    }

    async fn prune_build_cache(
        &self,
        engine: &Engine,
        filter: &wit::PruneBuildCache,
        chosen: &[Chosen],
    ) -> Result<wit::Pruned, Error> {
        let bytes = chosen.iter().map(|one| one.bytes).sum();
        let items = || {
            chosen.iter().map(|one| wit::PrunedItem { id: one.id.clone(), name: one.name.clone(), bytes: one.bytes })
        };
        let mut permit =
            self.enter(Kind::BuildCache.operation(), Impact::Destroy, "build cache", self.allows(Access::Prune))?;
        permit.rows(chosen.len() as u64);
        permit.bytes(bytes);
        let done = async {
            permit.charge("bytes", bytes)?;
            if permit.rehearse() {
                return Ok(wit::Pruned { items: items().collect(), kept: vec![], bytes });
            }
            let (removed, freed) = engine.prune_build_cache(filter.older_than).await?;
            let known: HashMap<&str, &Chosen> = chosen.iter().map(|one| (one.id.as_str(), one)).collect();
            let items = removed.into_iter().map(|id| wit::PrunedItem {
                name: known.get(id.as_str()).map(|one| one.name.clone()).unwrap_or_default(),
                bytes: known.get(id.as_str()).map(|one| one.bytes).unwrap_or_default(),
                id,
            });
            Ok(wit::Pruned { items: items.collect(), kept: vec![], bytes: freed })
        };
        let done = done.await;
        permit.finish(done)
    }
}

async fn choose(engine: &Engine, what: &wit::Prune) -> Result<Vec<Chosen>, Error> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let condition = |with: &[String], without: &[String], older_than| {
        Condition::new(with, without, older_than, now).map_err(Error::Invalid)
    };
    match what {
        wit::Prune::Images(filter) => {
            let wanted = prune::Images {
                repositories: Patterns::new(filter.repositories.clone()).map_err(Error::Invalid)?,
                dangling: filter.dangling,
                keep: filter.keep,
            };
            let condition = condition(&filter.labels, &filter.without_labels, filter.older_than)?;
            let listed = engine.images_with_layers().await?;
            Ok(prune::images(&listed.images, &listed.layers, &listed.held, &wanted, &condition))
        }
        wit::Prune::Containers(filter) => {
            let condition = condition(&filter.labels, &filter.without_labels, filter.older_than)?;
            let listed = engine.containers(true).await?;
            let mut ended = HashMap::new();
            // The listing has no time of an end.
            for container in &listed {
                match engine.ended(&container.id).await {
                    Ok(Some(time)) => drop(ended.insert(container.id.clone(), time)),
                    // It never ran, or is gone.
                    Ok(None) | Err(Error::NotFound(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(prune::containers(&listed, &condition, |container| ended.get(&container.id).copied()))
        }
        wit::Prune::Networks(filter) => {
            let condition = condition(&filter.labels, &filter.without_labels, filter.older_than)?;
            Ok(prune::networks(&engine.networks().await?, &condition))
        }
        wit::Prune::Volumes(filter) => {
            let condition = condition(&filter.labels, &filter.without_labels, filter.older_than)?;
            Ok(prune::volumes(&engine.volumes().await?, &condition, filter.named))
        }
        wit::Prune::BuildCache(filter) => engine.unused_build_cache(filter.older_than, now).await,
    }
}

/// `images older than 30d, keeping 3 tags of each repository`.
fn describe(kind: Kind, what: &wit::Prune) -> String {
    let (older_than, labels) = match what {
        wit::Prune::Images(filter) => (filter.older_than, &filter.labels[..]),
        wit::Prune::Containers(filter) => (filter.older_than, &filter.labels[..]),
        wit::Prune::Networks(filter) => (filter.older_than, &filter.labels[..]),
        wit::Prune::Volumes(filter) => (filter.older_than, &filter.labels[..]),
        wit::Prune::BuildCache(filter) => (filter.older_than, &[][..]),
    };
    let mut text = kind.plural().to_owned();
    if let Some(age) = older_than {
        text += &format!(" older than {}", Seconds(age));
    }
    if !labels.is_empty() {
        text += &format!(" with {}", labels.join(", "));
    }
    if let wit::Prune::Images(filter) = what {
        if !filter.repositories.is_empty() {
            text += &format!(" of {}", filter.repositories.join(", "));
        }
        if filter.keep > 0 {
            text += &format!(", keeping {} of each repository", filter.keep);
        }
    }
    text
}

/// An id as people see it.
fn short(id: &str) -> &str {
    let hex = id.strip_prefix("sha256:").unwrap_or(id);
    hex.get(..12).unwrap_or(hex)
}
