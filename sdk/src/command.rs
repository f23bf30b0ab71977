//! Programs that the operator wrote down as templates, by slot.

use crate::bindings::exports::taskhost::host::task;
use crate::bindings::taskhost::host::command as wit;
use crate::parameters::is_kebab;
use crate::stream::CHUNK;
use crate::{Failure, FailureKind, Result};
use wit_bindgen::rt::async_support::{FutureReader, StreamReader, StreamResult};

pub use wit::{Argument, Ended, Error, Impact, Placeholder, Template};

/// A slot for programs. Make it a constant and name it in `#[task(slots = [...])]`.
///
/// ```
/// use taskhost_sdk::prelude::*;
///
/// const DUMP: command::Slot = command::Slot::new("dump", "the database is dumped by it").run();
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "name the slot in `#[task(slots = [...])]`"]
pub struct Slot {
    name: &'static str,
    why: &'static str,
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
        Self { name, why, run: false, optional: false }
    }

    /// Asks for the templates that observe, which is all that binding grants.
    pub const fn observe(self) -> Self {
        self
    }

    /// Asks for all of the slot's templates.
    pub const fn run(self) -> Self {
        Self { run: true, ..self }
    }

    /// The run can do without it.
    pub const fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// What the operator offers.
    ///
    /// # Errors
    /// An optional slot that is not bound.
    pub fn templates(&self) -> Result<Vec<Template>, Error> {
        wit::templates(self.name)
    }

    /// A program by its template's name, to be given values and started.
    pub fn template(&self, name: &str) -> Command {
        Command { slot: self.name, template: name.into(), arguments: vec![], input: None }
    }

    #[doc(hidden)]
    pub fn describe(&self) -> task::Slot {
        let access = if self.run { vec!["observe".into(), "run".into()] } else { vec!["observe".into()] };
        task::Slot {
            name: self.name.into(),
            capability: "command".into(),
            access,
            optional: self.optional,
            why: self.why.into(),
        }
    }
}

/// A program about to be started.
#[must_use = "a program is started by `start`, `output`, `output_text` or `wait`"]
pub struct Command {
    slot: &'static str,
    template: String,
    arguments: Vec<Argument>,
    input: Option<Input>,
}

enum Input {
    Bytes(Vec<u8>),
    Stream(StreamReader<u8>),
}

impl Command {
    /// A value for a placeholder.
    pub fn with(mut self, placeholder: &str, value: impl Into<String>) -> Self {
        self.arguments.push(Argument { name: placeholder.into(), value: value.into() });
        self
    }

    /// What it reads on standard input; nothing otherwise.
    pub fn input(self, bytes: impl Into<Vec<u8>>) -> Self {
        Self { input: Some(Input::Bytes(bytes.into())), ..self }
    }

    /// A stream that it reads on standard input: one that the host gave does not pass through the plugin's memory.
    pub fn input_from(self, stream: StreamReader<u8>) -> Self {
        Self { input: Some(Input::Stream(stream)), ..self }
    }

    /// Starts it. None in a rehearsal, unless its template observes.
    ///
    /// # Errors
    /// A template or value that is refused, and a program that cannot be started.
    pub async fn start(self) -> Result<Option<Running>, Error> {
        let input = self.input.map(|input| match input {
            Input::Stream(stream) => stream,
            Input::Bytes(bytes) => {
                let (mut writer, reader) = crate::bindings::wit_stream::new();
                wit_bindgen::spawn_local(async move {
                    // What is left over, the program did not want.
                    let _: Vec<u8> = writer.write_all(bytes).await;
                });
                reader
            }
        });
        let started = wit::run(self.slot.into(), self.template, self.arguments, input).await?;
        Ok(started.map(|(output, ended)| Running { output, read: false, ended: Ending(ended) }))
    }

    /// Runs it to its end: what it wrote, when that are at most `limit` bytes, and how it ended. None in a rehearsal,
    /// unless its template observes.
    ///
    /// # Errors
    /// As [`start`](Self::start), more bytes than `limit`, and a program that was stopped.
    pub async fn output(self, limit: usize) -> Result<Option<(Vec<u8>, Ended)>, Error> {
        let name = self.template.clone();
        let Some(mut running) = self.start().await? else { return Ok(None) };
        let mut all = Vec::new();
        let mut buffer = Vec::new();
        while let Some(piece) = running.next(buffer).await {
            all.extend_from_slice(&piece);
            if all.len() > limit {
                return Err(Error::TooLarge(format!("template `{name}` wrote more than {limit} bytes")));
            }
            buffer = piece;
        }
        Ok(Some((all, running.finish().await?)))
    }

    /// As [`output`](Self::output), as text; bytes that are not UTF-8 are replaced.
    ///
    /// # Errors
    /// As [`output`](Self::output).
    pub async fn output_text(self, limit: usize) -> Result<Option<(String, Ended)>, Error> {
        let output = self.output(limit).await?;
        Ok(output.map(|(bytes, ended)| (String::from_utf8_lossy(&bytes).into_owned(), ended)))
    }

    /// Runs it to its end; what it writes is left unread. None in a rehearsal, unless its template observes.
    ///
    /// # Errors
    /// As [`start`](Self::start), and a program that was stopped.
    pub async fn wait(self) -> Result<Option<Ended>, Error> {
        let Some(mut running) = self.start().await? else { return Ok(None) };
        let mut buffer = Vec::new();
        while let Some(piece) = running.next(buffer).await {
            buffer = piece;
        }
        running.finish().await.map(Some)
    }
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Command").field("slot", &self.slot).field("template", &self.template).finish_non_exhaustive()
    }
}

/// A program at work. Dropping it before its output is read to the end ends the program.
pub struct Running {
    output: StreamReader<u8>,
    /// Whether its output was read to the end: to read on would be a trap.
    read: bool,
    ended: Ending,
}

impl Running {
    /// The next bytes of its output, in a buffer that is used again; none when there are no more, however often it is
    /// asked.
    pub async fn next(&mut self, mut buffer: Vec<u8>) -> Option<Vec<u8>> {
        if self.read {
            return None;
        }
        buffer.clear();
        buffer.reserve(CHUNK);
        loop {
            let (result, read) = self.output.read(buffer).await;
            // The last bytes may come with the end.
            self.read = !matches!(result, StreamResult::Complete(_));
            if !read.is_empty() {
                return Some(read);
            }
            if self.read {
                return None;
            }
            buffer = read;
        }
    }

    /// How it ended, once its output was read. Ends a program that still writes.
    ///
    /// # Errors
    /// A program that was stopped because its time was over, or because it wrote too much.
    pub async fn finish(self) -> Result<Ended, Error> {
        drop(self.output);
        self.ended.finish().await
    }

    /// Its output, to be passed on (into a file, say), and its end, to be awaited afterwards: output that was cut short
    /// looks like output that ended.
    pub fn split(self) -> (StreamReader<u8>, Ending) {
        (self.output, self.ended)
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").finish_non_exhaustive()
    }
}

/// How a program whose output was passed on ended.
#[must_use = "a program that failed may have written half of its output: `finish` tells"]
pub struct Ending(FutureReader<Result<Ended, Error>>);

impl Ending {
    /// How it ended.
    ///
    /// # Errors
    /// A program that was stopped because its time was over, or because it wrote too much.
    pub async fn finish(self) -> Result<Ended, Error> {
        self.0.await
    }
}

impl std::fmt::Debug for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ending").finish_non_exhaustive()
    }
}

impl Ended {
    /// Whether its exit code is one that the template takes for success.
    pub fn success(&self) -> bool {
        self.success
    }

    /// The last line of what it complained of.
    pub fn last_words(&self) -> Option<&str> {
        self.errors.lines().rev().map(str::trim).find(|line| !line.is_empty())
    }
}

/// For people: `ended with code 3: no such table`.
impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.code, self.signal) {
            (Some(code), _) => write!(f, "ended with code {code}")?,
            (None, Some(signal)) => write!(f, "ended by signal {signal}")?,
            (None, None) => f.write_str("ended")?,
        }
        match self.last_words() {
            Some(words) if !self.success => write!(f, ": {words}"),
            _ => Ok(()),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Refused(_) => FailureKind::Refused,
            Error::OverBudget(_) => FailureKind::OverBudget,
            Error::Unavailable(_) => FailureKind::Unavailable,
            Error::TimedOut(_) => FailureKind::TimedOut,
            Error::Invalid(_) | Error::TooLarge(_) => FailureKind::Failed,
        };
        Self { kind, message: message(&error) }
    }
}

/// An error for people.
pub fn message(error: &Error) -> String {
    match error {
        Error::Refused(message)
        | Error::OverBudget(message)
        | Error::Invalid(message)
        | Error::Unavailable(message)
        | Error::TimedOut(message)
        | Error::TooLarge(message) => message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_asks_for_all_that_it_was_told_to() {
        let described = Slot::new("dump", "it is made by it").run().optional().describe();
        assert_eq!((described.capability.as_str(), described.optional), ("command", true));
        assert_eq!(described.access, ["observe", "run"]);
        assert_eq!(Slot::new("dump", "it is asked").observe().describe().access, ["observe"]);
    }

    #[test]
    fn an_end_is_told_with_the_last_words() {
        let ended = |code, signal, errors: &str| Ended {
            code,
            signal,
            success: code == Some(0),
            errors: errors.into(),
            output: 0,
            left_behind: 0,
            duration_us: 0,
        };
        for (ended, shown) in [
            (ended(Some(0), None, "done\n"), "ended with code 0"),
            (ended(Some(3), None, "one\n two \n\n"), "ended with code 3: two"),
            (ended(None, Some(9), ""), "ended by signal 9"),
        ] {
            assert_eq!(ended.to_string(), shown);
        }
    }

    #[test]
    fn every_error_ends_the_run_in_its_outcome() {
        for (error, kind) in [
            (Error::Refused("no".into()), FailureKind::Refused),
            (Error::OverBudget("no".into()), FailureKind::OverBudget),
            (Error::Invalid("no".into()), FailureKind::Failed),
            (Error::Unavailable("no".into()), FailureKind::Unavailable),
            (Error::TimedOut("no".into()), FailureKind::TimedOut),
            (Error::TooLarge("no".into()), FailureKind::Failed),
        ] {
            assert_eq!(Failure::from(error), Failure { kind, message: "no".into() });
        }
    }
}
