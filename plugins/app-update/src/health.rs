//! Whether the application is well.

use std::time::Instant;

use taskhost_sdk::http::Error;
use taskhost_sdk::prelude::*;

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(1);
/// How long one look may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where it is asked. Nowhere, it is taken for well.
pub(crate) struct Health {
    slot: &'static http::Slot,
    urls: Vec<String>,
    expect: u32,
    settle: Duration,
}

impl Health {
    /// An optional slot that is not bound is no error, unless paths are given for it.
    pub(crate) fn of(slot: &'static http::Slot, paths: &[String], expect: u32, settle: Duration) -> Result<Self> {
        let bases = match slot.bases() {
            Ok(bases) => bases,
            Err(Error::Refused(_)) if paths.is_empty() => vec![],
            Err(error) => return Err(error.into()),
        };
        let below = |base: &String| {
            let base = base.trim_end_matches('/').to_owned();
            paths.iter().map(move |path| format!("{base}/{}", path.trim_start_matches('/')))
        };
        let urls = if paths.is_empty() { bases } else { bases.iter().flat_map(below).collect() };
        Ok(Self { slot, urls, expect, settle })
    }

    /// Whether there is anything to ask.
    pub(crate) fn is_asked(&self) -> bool {
        !self.urls.is_empty()
    }

    /// What is wrong now, if anything is.
    pub(crate) async fn now(&self) -> Result<Option<String>> {
        for url in &self.urls {
            let wrong = match self.slot.get(url.as_str()).timeout(PATIENCE).await {
                Ok(answer) if u32::from(answer.status()) == self.expect => None,
                Ok(answer) => Some(format!("{url} answers {}", answer.status_line())),
                Err(error @ (Error::Refused(_) | Error::OverBudget(_) | Error::Invalid(_))) => return Err(error.into()),
                Err(error) => Some(http::message(&error)),
            };
            if wrong.is_some() {
                return Ok(wrong);
            }
        }
        Ok(None)
    }

    /// Waits until it is well, as long as it may take; what is wrong then, if anything is.
    pub(crate) async fn settles(&self) -> Result<Option<String>> {
        let begun = Instant::now();
        loop {
            match self.now().await? {
                None => return Ok(None),
                Some(wrong) if begun.elapsed() >= self.settle => return Ok(Some(wrong)),
                Some(_) => std::thread::sleep(PAUSE.min(self.settle)),
            }
        }
    }
}
