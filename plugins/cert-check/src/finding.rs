//! What the checks find, in words. Titles are the same for every finding of a kind; details carry the figures.

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Someone should see to it.
    Warning,
    /// Clients fail now, or are about to.
    Critical,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// A path, a path with a certificate's number (`bundle.pem#2`), or an endpoint.
    pub subject: String,
    /// The kind of problem.
    pub title: &'static str,
    /// What was seen.
    pub detail: String,
    /// What to do about it.
    pub remedy: String,
}

impl Finding {
    /// A warning.
    pub fn warning(
        subject: impl Into<String>,
        title: &'static str,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Warning,
            subject: subject.into(),
            title,
            detail: detail.into(),
            remedy: remedy.into(),
        }
    }

    /// A critical problem.
    pub fn critical(
        subject: impl Into<String>,
        title: &'static str,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { severity: Severity::Critical, ..Self::warning(subject, title, detail, remedy) }
    }
}

/// `subject` for the first certificate, `subject#2` for the second.
pub fn numbered(subject: &str, index: usize) -> String {
    if index == 0 { subject.to_owned() } else { format!("{subject}#{}", index + 1) }
}
