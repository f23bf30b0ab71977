//! What the engine says of its disk, in the form that every version from 20.10 on can give.

use bollard::models::{BuildCache, Volume};
use futures::TryStreamExt as _;
use serde::Deserialize;

use super::{Engine, Error};

/// Bytes of the answer.
const LENGTH_LIMIT: usize = 64 << 20;
/// The last version of the API that gives this form.
const LAST: bollard::ClientVersion = bollard::ClientVersion { major_version: 1, minor_version: 51 };

/// What is read of `/system/df`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Reported {
    volumes: Option<Vec<Volume>>,
    build_cache: Option<Vec<BuildCache>>,
}

/// What is known from nowhere else.
#[derive(Debug, Default)]
pub(super) struct DiskUsage {
    /// With their sizes, which the engine's list of volumes does not have.
    pub(super) volumes: Vec<Volume>,
    /// Of the engine's builder.
    pub(super) build_cache: Vec<BuildCache>,
}

impl Engine {
    /// Asks for the usage. The engine goes through all volumes for it.
    pub(super) async fn usage(&self) -> Result<DiskUsage, Error> {
        let spoken = self.client.client_version();
        let version = if LAST < spoken { LAST } else { spoken };
        let path = format!("/v{}.{}/system/df", version.major_version, version.minor_version);
        // The library knows the answer's form of API 1.52 alone. An export is the one answer that it hands on as it comes,
        // whatever the connection is made of: this one asks for another path.
        let client = self.client.clone().with_request_modifier(move |mut request| {
            let mut parts = request.uri().clone().into_parts();
            parts.path_and_query = path.parse().ok();
            if let Ok(usage) = parts.try_into() {
                *request.uri_mut() = usage;
            }
            request
        });
        let answer = client.export_container("usage").try_fold(Vec::new(), async |mut answer, piece| {
            if answer.len() + piece.len() <= LENGTH_LIMIT {
                answer.extend_from_slice(&piece);
            }
            Ok(answer)
        });
        let reported: Reported = serde_json::from_slice(&self.within(answer).await?).map_err(|error| {
            Error::Unsupported(format!("the Docker engine's disk usage is not understood: {error}"))
        })?;
        Ok(DiskUsage {
            volumes: reported.volumes.unwrap_or_default(),
            build_cache: reported.build_cache.unwrap_or_default(),
        })
    }
}

/// Bytes of a volume; none when the engine could not tell.
pub(super) fn volume_size(volume: &Volume) -> Option<u64> {
    volume.usage_data.as_ref().and_then(|usage| u64::try_from(usage.size).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As an engine of 20.10 answers.
    #[test]
    fn the_old_form_is_read() {
        let answer = r#"{
            "LayersSize": 4096, "Images": [], "Containers": [], "BuilderSize": 3072000,
            "Volumes": [{"CreatedAt": "2026-01-01T00:00:00Z", "Driver": "local", "Labels": null, "Mountpoint": "/m",
                "Name": "data", "Options": null, "Scope": "local", "UsageData": {"RefCount": 1, "Size": 70000}}],
            "BuildCache": [{"ID": "hw53o5aio51xtltp5xjp8v7fx", "Parent": "", "Type": "regular",
                "Description": "pulled from busybox", "InUse": false, "Shared": true, "Size": 0,
                "CreatedAt": "2026-01-01T00:00:00.5Z", "LastUsedAt": "2026-01-02T00:00:00.5Z", "UsageCount": 26}]
        }"#;
        let reported: Reported = serde_json::from_str(answer).unwrap();
        assert_eq!(reported.volumes.unwrap().first().and_then(volume_size), Some(70_000));
        let cache = reported.build_cache.unwrap();
        assert_eq!(cache.first().unwrap().description.as_deref(), Some("pulled from busybox"));
        let nothing: Reported = serde_json::from_str(r#"{"Volumes": null, "BuildCache": null}"#).unwrap();
        assert!(nothing.volumes.is_none() && nothing.build_cache.is_none());
    }
}
