//! Removes what was chosen, one thing at a time and never by force: what came into use meanwhile stays.

use std::collections::HashMap;

use bollard::query_parameters::{PruneBuildOptions, RemoveContainerOptions, RemoveImageOptions, RemoveVolumeOptions};

use super::super::prune::Chosen;
use super::listing::{bytes, seconds};
use super::{Engine, Error};

impl Engine {
    pub(crate) async fn remove_container(&self, id: &str) -> Result<(), Error> {
        let options = RemoveContainerOptions { force: false, v: false, link: false };
        self.within(self.client.remove_container(id, Some(options))).await
    }

    pub(crate) async fn remove_network(&self, id: &str) -> Result<(), Error> {
        self.within(self.client.remove_network(id)).await
    }

    pub(crate) async fn remove_volume(&self, name: &str) -> Result<(), Error> {
        let options = RemoveVolumeOptions { force: false };
        self.within(self.client.remove_volume(name, Some(options))).await
    }

    /// The id of the image that a tag or an id means now.
    pub(crate) async fn image_id(&self, handle: &str) -> Result<String, Error> {
        let found = self.within(self.client.inspect_image(handle)).await?;
        Ok(found.id.unwrap_or_default())
    }

    /// By a tag, which leaves the image while it has others, or by the id of one without.
    pub(crate) async fn remove_image(&self, handle: &str) -> Result<(), Error> {
        let options = RemoveImageOptions { force: false, noprune: false, platforms: None };
        self.within(self.client.remove_image(handle, Some(options), None)).await.map(drop)
    }

    /// When a container ended, in seconds since 1970.
    pub(crate) async fn ended(&self, id: &str) -> Result<Option<i64>, Error> {
        let found = self.within(self.client.inspect_container(id, None)).await?;
        Ok(found.state.and_then(|state| state.finished_at).as_deref().and_then(super::listing::seconds))
    }

    /// Entries of the build cache that nothing uses and nothing used for so long.
    pub(crate) async fn unused_build_cache(&self, older_than: Option<u64>, now: i64) -> Result<Vec<Chosen>, Error> {
        let entries = self.usage().await?.build_cache.into_iter();
        let before = now.saturating_sub(older_than.and_then(|age| i64::try_from(age).ok()).unwrap_or_default());
        let unused = entries.filter(|entry| !entry.in_use.unwrap_or_default()).filter(|entry| {
            let used = entry.last_used_at.as_deref().or(entry.created_at.as_deref());
            used.and_then(seconds).is_none_or(|used| used <= before)
        });
        let chosen = unused.map(|entry| {
            let id = entry.id.unwrap_or_default();
            let name = entry.description.unwrap_or_default();
            Chosen { handle: id.clone(), id, name, bytes: bytes(entry.size) }
        });
        Ok(chosen.collect())
    }

    /// The engine's own prune: its entries have no names to be removed by.
    pub(crate) async fn prune_build_cache(&self, older_than: Option<u64>) -> Result<(Vec<String>, u64), Error> {
        let filters = older_than.map(|age| HashMap::from([("until".to_owned(), vec![format!("{age}s")])]));
        let options = PruneBuildOptions { all: Some(true), filters, ..Default::default() };
        let pruned = self.within(self.client.prune_build(Some(options))).await?;
        Ok((pruned.caches_deleted.unwrap_or_default(), bytes(pruned.space_reclaimed)))
    }
}
