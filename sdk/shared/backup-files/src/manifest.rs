//! The manifest beside a backup: what its maker says is in it. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// `NAME.manifest.json`. Every field may be missing; fields that are not known are left alone, for whoever else reads it.
#[derive(Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
pub struct Manifest {
    /// When the backup was made, as text for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Rows by table: `{"public.users": 1234}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tables: BTreeMap<String, u64>,
    /// SHA-256 of the backup file as it is stored, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Bytes of the backup file as it is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

impl Manifest {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let manifest: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if let Some(sum) = &manifest.sha256
            && !(sum.len() == 64 && sum.bytes().all(|digit| digit.is_ascii_hexdigit()))
        {
            return Err(format!("`sha256` is \"{sum}\", not 64 hexadecimal digits"));
        }
        Ok(manifest)
    }
}

/// Where a backup's manifest may lie: `NAME.manifest.json` for the whole name, and without `.gz`, `.zst` and `.sql`.
pub fn manifest_paths(path: &str) -> Vec<String> {
    let mut stem = path;
    let mut paths = vec![format!("{path}.manifest.json")];
    for suffix in [".gz", ".zst", ".sql", ".dump"] {
        if let Some(shorter) = stem.strip_suffix(suffix) {
            stem = shorter;
            paths.push(format!("{stem}.manifest.json"));
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_says_what_it_knows() {
        let sum = "AB".repeat(32);
        let text =
            format!(r#"{{"created": "2026-11-23", "tables": {{"public.users": 12}}, "sha256": "{sum}", "by": 1}}"#);
        let manifest = Manifest::parse(text.as_bytes()).unwrap();
        assert_eq!(manifest.tables, BTreeMap::from([("public.users".into(), 12)]));
        assert_eq!((manifest.created.as_deref(), manifest.sha256), (Some("2026-11-23"), Some(sum)));
        assert_eq!(Manifest::parse(b"{}").unwrap(), Manifest::default());
    }

    #[test]
    fn a_manifest_is_read_back_as_it_was_written() {
        let manifest = Manifest { bytes: Some(12), created: Some("2026-11-23".into()), ..Manifest::default() };
        let text = serde_json::to_string(&manifest).unwrap();
        assert_eq!(text, r#"{"created":"2026-11-23","bytes":12}"#);
        assert_eq!(Manifest::parse(text.as_bytes()).unwrap(), manifest);
    }

    #[test]
    fn a_manifest_that_makes_no_sense_says_where() {
        for (text, expected) in [
            ("", "EOF"),
            ("[]", "line 1"),
            (r#"{"tables": {"a": -1}}"#, "line 1 column 19"),
            (r#"{"tables": {"a": "many"}}"#, "invalid type: string"),
            (r#"{"sha256": "abc"}"#, "not 64 hexadecimal digits"),
        ] {
            let error = Manifest::parse(text.as_bytes()).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_manifest_lies_beside_its_backup() {
        assert_eq!(
            manifest_paths("d/app-1.sql.gz"),
            ["d/app-1.sql.gz.manifest.json", "d/app-1.sql.manifest.json", "d/app-1.manifest.json"]
        );
        assert_eq!(manifest_paths("app.sql"), ["app.sql.manifest.json", "app.manifest.json"]);
    }
}
