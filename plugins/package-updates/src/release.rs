//! What an index says of one package: its releases, and what is said against them.

use lockfiles::OffsetDateTime;

/// One release.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Release {
    /// As the index has it.
    pub version: String,
    /// None where the index does not tell.
    pub published: Option<OffsetDateTime>,
    /// It was taken back; the reason may be empty.
    pub yanked: Option<String>,
    /// It should not be used any more; the reason may be empty.
    pub deprecated: Option<String>,
    /// The versions of Python that it is for: `>=3.9`.
    pub requires_python: Option<String>,
}

/// All that an index says of a package.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listing {
    /// In no order.
    pub releases: Vec<Release>,
    /// The one that an index calls the latest, where it does.
    pub latest: Option<String>,
    /// The package as a whole should not be used any more.
    pub deprecated: Option<String>,
    /// Whether `releases` are all that there are.
    pub complete: bool,
    /// The same module's next generations under other names, for Go: path and version.
    pub successor: Option<(String, String)>,
}

impl Listing {
    /// The release of that version, as it is written, or as it is meant.
    pub fn release(&self, version: &str, same: impl Fn(&str) -> bool) -> Option<&Release> {
        let exact = self.releases.iter().find(|release| release.version == version);
        exact.or_else(|| self.releases.iter().find(|release| same(&release.version)))
    }
}
