//! A Docker engine behind a slot, as far as the slot's scope reaches.

use crate::bindings::exports::taskhost::host::task;
use crate::bindings::taskhost::host::docker as wit;
use crate::parameters::is_kebab;
use crate::stream::{Batched, ByteStream, ClosedEarly};
use crate::{Failure, FailureKind, Result};

pub use wit::{
    Container, ContainerDetails, ContainerFilter, ContainerState, Daemon, DiskUsage, Engine, EngineError, Error, Event,
    EventFilter, Health, Image, ImageFilter, KeptItem, Label, LogOptions, Mount, Network, Prune, PruneBuildCache,
    PruneContainers, PruneImages, PruneNetworks, PruneVolumes, Pruned, PrunedItem, PullProgress, Pulled, RunOptions,
    Sample, Usage, Volume,
};

/// A slot for an engine. Make it a constant and name it in `#[task(slots = [...])]`.
///
/// ```
/// use taskhost_sdk::prelude::*;
///
/// const ENGINE: docker::Slot = docker::Slot::new("engine", "what nothing uses is removed").prune();
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "name the slot in `#[task(slots = [...])]`"]
#[expect(clippy::struct_excessive_bools, reason = "each is a word of access")]
pub struct Slot {
    name: &'static str,
    why: &'static str,
    pull: bool,
    prune: bool,
    control: bool,
    run: bool,
    optional: bool,
}

impl Slot {
    /// `why` is shown to the operator who decides.
    ///
    /// # Panics
    /// While compiling, if the name is not kebab-case.
    pub const fn new(name: &'static str, why: &'static str) -> Self {
        assert!(is_kebab(name), "a slot's name is kebab-case: a to z, 0 to 9 and `-`, and a letter first");
        Self { name, why, pull: false, prune: false, control: false, run: false, optional: false }
    }

    /// Asks for reading, which is all that binding grants.
    pub const fn read(self) -> Self {
        self
    }

    /// Asks for pulling images of the repositories that the operator names, too.
    pub const fn pull(self) -> Self {
        Self { pull: true, ..self }
    }

    /// Asks for removing what nothing uses, too.
    pub const fn prune(self) -> Self {
        Self { prune: true, ..self }
    }

    /// Asks for starting, stopping and restarting, too.
    pub const fn control(self) -> Self {
        Self { control: true, ..self }
    }

    /// Asks for running the images that the operator names, too.
    pub const fn run(self) -> Self {
        Self { run: true, ..self }
    }

    /// The run can do without it.
    pub const fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// The engine behind the slot. No connection is made yet.
    ///
    /// # Errors
    /// An optional slot that is not bound.
    pub fn open(&self) -> Result<Daemon, Error> {
        wit::open(self.name)
    }

    #[doc(hidden)]
    pub fn describe(&self) -> task::Slot {
        let words =
            [(true, "read"), (self.pull, "pull"), (self.prune, "prune"), (self.control, "control"), (self.run, "run")];
        task::Slot {
            name: self.name.into(),
            capability: "docker".into(),
            access: words.iter().filter(|(asked, _)| *asked).map(|(_, word)| (*word).into()).collect(),
            optional: self.optional,
            why: self.why.into(),
        }
    }
}

impl Daemon {
    /// Samples of a running container, about one a second: so many, or until it ends.
    ///
    /// # Errors
    /// A container that is not in the scope, and an engine that cannot be asked.
    pub async fn samples(&self, container: &str, samples: Option<u32>) -> Result<Items<Sample>, Error> {
        let (samples, end) = self.stats(container.into(), samples).await?;
        Ok(Items(Batched::new(samples, end)))
    }

    /// What a container wrote.
    ///
    /// # Errors
    /// As [`samples`](Self::samples).
    pub async fn output(&self, container: &str, options: LogOptions) -> Result<ByteStream<Error>, Error> {
        let (bytes, end) = self.logs(container.into(), options).await?;
        Ok(ByteStream::new(bytes, end))
    }

    /// What happens, or happened.
    ///
    /// # Errors
    /// An engine that cannot be asked.
    pub async fn happenings(&self, filter: EventFilter) -> Result<Items<Event>, Error> {
        let (events, end) = self.events(filter).await?;
        Ok(Items(Batched::new(events, end)))
    }

    /// Pulls an image and tells `progress` how it goes.
    ///
    /// # Errors
    /// A repository that is not granted, and what the registry says.
    pub async fn pull_image(&self, reference: &str, mut progress: impl FnMut(&PullProgress)) -> Result<Pulled, Error> {
        let (steps, end) = self.pull(reference.into()).await?;
        let mut steps: Batched<PullProgress, Pulled, Error> = Batched::new(steps, end);
        while let Some(step) = steps.next().await? {
            progress(&step);
        }
        steps.summary.ok_or_else(|| Error::Invalid("the pull did not say how it ended".into()))
    }

    /// Runs an image to its end: what it wrote, at most `limit` bytes of it, and its exit code.
    ///
    /// # Errors
    /// An image that is not granted, one that took too long, or wrote more.
    pub async fn run_to_end(&self, image: &str, options: RunOptions, limit: usize) -> Result<(Vec<u8>, i64), Error> {
        let (mut output, end) = self.run(image.into(), options).await?;
        let mut all = Vec::new();
        loop {
            let (result, read) = output.read(Vec::with_capacity(64 * 1024)).await;
            all.extend_from_slice(&read);
            if all.len() > limit {
                return Err(ClosedEarly(format!("{image} wrote more than {limit} bytes")).into());
            }
            if !matches!(result, wit_bindgen::rt::async_support::StreamResult::Complete(_)) {
                return Ok((all, end.await?));
            }
        }
    }
}

/// Things that come one by one.
pub struct Items<T: 'static>(Batched<T, u64, Error>);

impl<T> Items<T> {
    /// The next one.
    ///
    /// # Errors
    /// What cut them short.
    pub async fn next(&mut self) -> Result<Option<T>, Error> {
        self.0.next().await
    }
}

impl<T> std::fmt::Debug for Items<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Items").finish_non_exhaustive()
    }
}

/// Every container.
impl Default for ContainerFilter {
    fn default() -> Self {
        Self { names: vec![], labels: vec![], images: vec![], states: vec![], sizes: false }
    }
}

/// Every image.
impl Default for ImageFilter {
    fn default() -> Self {
        Self { repositories: vec![], labels: vec![], dangling: false }
    }
}

/// The image's own command, with all that the grant allows.
impl Default for RunOptions {
    fn default() -> Self {
        Self { command: vec![], environment: vec![], memory: None, cpus: None, timeout: None }
    }
}

/// Both outputs, from the beginning to now.
impl Default for LogOptions {
    fn default() -> Self {
        Self {
            since: None,
            until: None,
            tail: None,
            standard_output: true,
            standard_error: true,
            timestamps: false,
            follow: false,
        }
    }
}

impl From<ClosedEarly> for Error {
    fn from(error: ClosedEarly) -> Self {
        Self::Invalid(error.0)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Refused(_) => FailureKind::Refused,
            Error::OverBudget(_) => FailureKind::OverBudget,
            Error::Unavailable(_) => FailureKind::Unavailable,
            Error::TimedOut(_) => FailureKind::TimedOut,
            Error::NotFound(_) | Error::Conflict(_) | Error::Engine(_) | Error::Unsupported(_) | Error::Invalid(_) => {
                FailureKind::Failed
            }
        };
        Self { kind, message: message(&error) }
    }
}

/// An error for people.
pub fn message(error: &Error) -> String {
    match error {
        Error::Refused(message)
        | Error::OverBudget(message)
        | Error::Unavailable(message)
        | Error::TimedOut(message)
        | Error::NotFound(message)
        | Error::Conflict(message)
        | Error::Unsupported(message)
        | Error::Invalid(message) => message.clone(),
        Error::Engine(error) => format!("the engine answered {}: {}", error.status, error.message),
    }
}

/// Whether a container carries a label, and with that value where one is given: `NAME` or `NAME=VALUE`.
///
/// ```
/// use taskhost_sdk::docker::{Label, has_label};
///
/// let labels = [Label { name: "team".into(), value: Some("a".into()) }];
/// assert!(has_label(&labels, "team") && has_label(&labels, "team=a"));
/// assert!(!has_label(&labels, "team=b"));
/// ```
pub fn has_label(labels: &[Label], wanted: &str) -> bool {
    let (name, value) = wanted.split_once('=').map_or((wanted, None), |(name, value)| (name, Some(value)));
    labels.iter().any(|label| label.name == name && (value.is_none() || label.value.as_deref() == value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_asks_for_all_that_it_was_told_to() {
        const SLOT: Slot = Slot::new("engine", "it is kept").pull().prune().control().run().optional();
        let described = SLOT.describe();
        assert_eq!((described.capability.as_str(), described.optional), ("docker", true));
        assert_eq!(described.access, ["read", "pull", "prune", "control", "run"]);
        assert_eq!(Slot::new("engine", "it is read").read().describe().access, ["read"]);
    }

    #[test]
    fn every_error_ends_the_run_in_its_outcome() {
        for (error, kind) in [
            (Error::Refused("no".into()), FailureKind::Refused),
            (Error::OverBudget("no".into()), FailureKind::OverBudget),
            (Error::Unavailable("no".into()), FailureKind::Unavailable),
            (Error::TimedOut("no".into()), FailureKind::TimedOut),
            (Error::NotFound("no".into()), FailureKind::Failed),
            (Error::Conflict("no".into()), FailureKind::Failed),
            (Error::Unsupported("no".into()), FailureKind::Failed),
            (Error::Invalid("no".into()), FailureKind::Failed),
        ] {
            assert_eq!(Failure::from(error), Failure { kind, message: "no".into() });
        }
        let odd = Error::Engine(EngineError { status: 500, message: "odd".into() });
        assert_eq!(Failure::from(odd).message, "the engine answered 500: odd");
    }
}
