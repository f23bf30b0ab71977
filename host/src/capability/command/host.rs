//! The functions of `wit/command.wit`: effect, gate, backend, error.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use wasmtime::component::{Accessor, FutureReader, StreamReader};

use super::arguments;
use super::backend::{self, Course, Limits, Order, Program, Stop};
use super::bindings::{self, Host, HostWithStore};
use super::environment::Environment;
use super::error::Error;
use super::grant::Access;
use super::tasks::{AT_ONCE, Place, Ticket};
use super::template::Template;
use super::{Command, Grant, State};
use crate::capability::load::Held;
use crate::capability::stream::{ByteChunks, ByteReceiver, into_receiver};
use crate::capability::{Data, Notices, Room as _, View};
use crate::gate::{Effect, Gate, Impact, Permit, Refusal, micros};
use crate::policy::text::{clean_line, clean_paragraph};
use crate::policy::units::{Seconds, Size};

type Running = (StreamReader<u8>, FutureReader<Result<bindings::Ended, bindings::Error>>);

/// Pieces of output that may wait for the guest.
const AHEAD: usize = 4;
/// Bytes of a program's last words that a message quotes.
const WORDS: usize = 300;
/// Bytes of standard error that a guest is given.
const ERRORS: usize = 64 * 1024;

impl Host for View<'_, State> {
    fn convert_error(&mut self, error: Error) -> wasmtime::Result<bindings::Error> {
        error.for_guest()
    }

    fn templates(&mut self, slot: String) -> Result<Vec<bindings::Template>, Error> {
        let grant = self.state.grants.get(&slot).cloned().unwrap_or_default();
        let verdict = grant.allows(self.state.gate.slot(Command::NAME, &slot), Access::Observe);
        let effect = Effect::new(Command::NAME, slot.as_str(), "templates", Impact::Observe, "");
        let mut permit = self.state.gate.enter(effect, verdict)?;
        let templates: Vec<bindings::Template> = grant
            .templates()
            .iter()
            .map(|(name, template)| bindings::Template {
                name: name.clone(),
                summary: template.summary.clone(),
                impact: template.impact.into(),
                placeholders: template
                    .placeholders
                    .iter()
                    .map(|(name, placeholder)| bindings::Placeholder {
                        name: name.clone(),
                        kind: placeholder.to_string(),
                        required: placeholder.required(),
                    })
                    .collect(),
                granted: grant
                    .allows(self.state.gate.slot(Command::NAME, &slot), Access::needed(template.impact))
                    .is_ok(),
            })
            .collect();
        permit.rows(templates.len() as u64);
        permit.succeed();
        Ok(templates)
    }
}

impl<T: Send + 'static> HostWithStore<T> for Data<Command> {
    async fn run(
        accessor: &Accessor<T, Self>,
        slot: String,
        template: String,
        given: Vec<bindings::Argument>,
        input: Option<StreamReader<u8>>,
    ) -> Result<Option<Running>, Error> {
        let input = input.map(|input| accessor.with(|access| into_receiver(input, access))).transpose()?;
        let bytes = given.iter().map(|one| one.name.len() + one.value.len() + size_of::<bindings::Argument>()).sum();
        let call = accessor.with(|mut access| Call::new(access.get().state, slot, bytes))?;
        let (permit, chosen) = call.enter(&template, given)?;
        let Some(started) = call.start(permit, chosen, input).await? else { return Ok(None) };
        let Started { output, ended } = started;
        accessor.with(|mut store| {
            let output = StreamReader::new(&mut store, ByteChunks::new(output))?;
            let ended = async move {
                match ended.await.unwrap_or(Err(Error::Abandoned)) {
                    Ok(ended) => Ok(Ok(ended)),
                    Err(error) => error.for_guest().map(Err),
                }
            };
            Ok(Some((output, FutureReader::new(&mut store, ended)?)))
        })
    }
}

/// What one call needs of the state, taken out of the store so that others may run meanwhile.
struct Call {
    slot: Arc<str>,
    gate: Arc<Gate>,
    notices: Notices,
    grant: Arc<Grant>,
    ticket: Ticket,
    /// Its arguments, counted.
    _held: Held,
}

/// A template with values that fit.
struct Chosen {
    name: String,
    template: Template,
    words: Vec<String>,
    given: BTreeMap<String, String>,
}

/// A program at work.
struct Started {
    output: mpsc::Receiver<Bytes>,
    ended: oneshot::Receiver<Result<bindings::Ended, Error>>,
}

impl Call {
    fn new(state: &State, slot: String, bytes: usize) -> Result<Self, Error> {
        Ok(Self {
            _held: state.load.hold(bytes + slot.len())?,
            gate: Arc::clone(&state.gate),
            notices: state.notices.clone(),
            grant: state.grants.get(&slot).cloned().unwrap_or_default(),
            ticket: state.tasks.ticket(),
            slot: slot.into(),
        })
    }

    /// Enters with the whole argument vector, or with what was asked for where it makes none.
    fn enter(&self, name: &str, given: Vec<bindings::Argument>) -> Result<(Permit, Chosen), Error> {
        let template = self.grant.templates().get(name);
        let filled = values(given).and_then(|given| {
            let template = template.ok_or_else(|| self.no_template(name))?;
            let words = template.filled(&given).map_err(|error| format!("template `{name}`: {error}"))?;
            Ok(Chosen { name: name.into(), template: template.clone(), words, given })
        });
        let impact = template.map_or(Impact::Observe, |template| template.impact);
        let target = match &filled {
            Ok(chosen) => format!("{name}: {}", arguments::shown(chosen.words.iter().map(String::as_str))),
            Err(_) => name.into(),
        };
        let verdict = self.grant.allows(self.gate.slot(Command::NAME, &self.slot), Access::needed(impact));
        let effect = Effect::new(Command::NAME, Arc::clone(&self.slot), "run", impact, &target);
        let permit = self.gate.enter(effect, verdict)?;
        match filled {
            Ok(chosen) => Ok((permit, chosen)),
            Err(error) => permit.finish(Err(Error::Invalid(error))),
        }
    }

    fn no_template(&self, name: &str) -> String {
        let known: Vec<String> = self.grant.templates().keys().map(|name| format!("`{name}`")).collect();
        format!("slot `{}` has no template `{}`; it has {}", self.slot, clean_line(name, 64), known.join(", "))
    }

    /// Starts the program, unless this is a rehearsal.
    async fn start(
        self,
        mut permit: Permit,
        chosen: Chosen,
        input: Option<ByteReceiver>,
    ) -> Result<Option<Started>, Error> {
        let directory = std::path::absolute(self.grant.directory()).unwrap_or_else(|_| self.grant.directory().into());
        let paths: Vec<(String, PathBuf)> =
            chosen.template.paths(&chosen.given).map(|(name, path)| (name.into(), path.into())).collect();
        let below = directory.clone();
        let judged = tokio::task::spawn_blocking(move || {
            paths
                .iter()
                .try_for_each(|(name, path)| stays_below(&below, path).map_err(|error| format!("`{name}` {error}")))
        });
        let judged = judged.await.map_err(wasmtime::Error::from).map_err(Error::from);
        let allowed = match judged {
            Ok(judged) => judged.map_err(|error| {
                Refusal::NotGranted(format!("slot `{}`, template `{}`: {error}", self.slot, chosen.name))
            }),
            Err(error) => return permit.finish(Err(error)),
        };
        let allowed = permit.admit(allowed).and_then(|()| permit.charge("commands", 1));
        if let Err(refusal) = allowed {
            return permit.finish(Err(refusal.into()));
        }
        if permit.rehearse() {
            permit.succeed();
            return Ok(None);
        }
        let Some(place) = self.ticket.place() else {
            let full = format!("a run has at most {AT_ONCE} programs at work at once; wait for one to end");
            return permit.finish(Err(Error::Invalid(full)));
        };
        let (sender, output) = mpsc::channel(AHEAD);
        let (begun, started) = oneshot::channel();
        let (done, ended) = oneshot::channel();
        let attendance = Attendance { permit, chosen, directory, notices: self.notices, place };
        // On its own, so that whatever becomes of the call, the program is seen to its end.
        tokio::spawn(async move {
            let ended = attendance.attend(input, sender, begun).await;
            let _ = done.send(ended);
        });
        // A program that does not start says why as its end.
        match started.await {
            Ok(()) => Ok(Some(Started { output, ended })),
            Err(_) => match ended.await {
                Ok(Err(error)) => Err(error),
                Ok(Ok(_)) | Err(_) => Err(Error::Abandoned),
            },
        }
    }
}

/// What is needed to see a program to its end.
struct Attendance {
    permit: Permit,
    chosen: Chosen,
    directory: PathBuf,
    notices: Notices,
    /// Held to the end.
    place: Place,
}

impl Attendance {
    async fn attend(
        self,
        input: Option<ByteReceiver>,
        sender: mpsc::Sender<Bytes>,
        begun: oneshot::Sender<()>,
    ) -> Result<bindings::Ended, Error> {
        let Self { mut permit, chosen, directory, notices, place } = self;
        let Chosen { name, template, words, .. } = chosen;
        let limits = Limits { time: template.timeout, output: template.max_output, over: place.over.clone() };
        let sources = template.environment.clone();
        let (program, has_input) = (template.program(), input.is_some());
        let start = tokio::task::spawn_blocking(move || {
            let environment = Environment::new(&sources)?;
            let program = environment.program(&program, &directory)?;
            let environment_given = environment.variables.clone();
            let order = Order { program, words, directory, environment: environment_given, input: has_input };
            Ok::<(Program, Environment), String>((backend::start(order)?, environment))
        });
        let started = start.await.unwrap_or_else(|error| Err(error.to_string()));
        let (program, environment) = match started {
            Ok(started) => started,
            Err(error) => return permit.finish(Err(Error::Unavailable(format!("template `{name}`: {error}")))),
        };
        // Where nobody waits any more, the output was let go of too.
        let _ = begun.send(());
        let course = match backend::attend(program, input, sender, limits).await {
            Ok(course) => course,
            Err(error) => return permit.finish(Err(Error::Unavailable(format!("template `{name}`: {error}")))),
        };
        permit.bytes(course.output);
        let errors = environment.without_secrets(clean_paragraph(&course.errors, ERRORS));
        let judged = judge(&name, &template, &course, errors);
        if let Some(alive) = course.ended.map(|ended| ended.alive).filter(|alive| *alive > 0) {
            notices
                .add(format!("template `{name}` left {alive} processes of another user, which the host may not end"));
        }
        if let Some(left) = course.ended.map(|ended| ended.left_behind).filter(|left| *left > 0) {
            notices.add(format!(
                "template `{name}` left {left} processes at work in the background, which were ended with it; what is to \
                 stay is started by a service manager"
            ));
        }
        drop(place);
        match (&judged, course.stop) {
            // Journaled as abandoned.
            (_, Some(Stop::LetGo | Stop::Over)) => drop(permit),
            (Ok(ended), _) if ended.success => permit.succeed(),
            (Ok(ended), _) => permit.fail(&how(ended)),
            (Err(error), _) => permit.fail(error),
        }
        judged
    }
}

/// What the guest is told of a program's course.
fn judge(name: &str, template: &Template, course: &Course, errors: String) -> Result<bindings::Ended, Error> {
    let last = last_words(&errors);
    match (course.stop, course.ended) {
        (Some(Stop::TimedOut), _) => Err(Error::TimedOut(format!(
            "template `{name}` did not end within {} and was stopped{last}",
            Seconds(template.timeout.as_secs())
        ))),
        (Some(Stop::TooLarge), _) => Err(Error::TooLarge(format!(
            "template `{name}` wrote more than {} and was stopped; raise its max-output{last}",
            Size(template.max_output)
        ))),
        (Some(Stop::Over), _) => Err(Error::Abandoned),
        (Some(Stop::Lost), _) | (_, None) => Err(Error::Unavailable(format!(
            "template `{name}`: what watches over the program was killed, and the program with it{last}"
        ))),
        (None | Some(Stop::LetGo), Some(ended)) => Ok(bindings::Ended {
            code: ended.code,
            signal: ended.signal,
            success: ended.code.is_some_and(|code| template.success.contains(&code)),
            errors,
            output: course.output,
            left_behind: ended.left_behind,
            duration_us: micros(course.duration),
        }),
    }
}

/// How a program ended, for people.
fn how(ended: &bindings::Ended) -> String {
    let end = match (ended.code, ended.signal) {
        (Some(code), _) => format!("ended with code {code}"),
        (None, Some(signal)) => format!("ended by signal {signal}"),
        (None, None) => "ended".into(),
    };
    end + &last_words(&ended.errors)
}

fn last_words(errors: &str) -> String {
    match errors.lines().rev().map(str::trim).find(|line| !line.is_empty()) {
        Some(line) => format!(": {}", clean_line(line, WORDS)),
        None => String::new(),
    }
}

/// The values by name.
fn values(given: Vec<bindings::Argument>) -> Result<BTreeMap<String, String>, String> {
    let mut values = BTreeMap::new();
    for bindings::Argument { name, value } in given {
        if values.contains_key(&name) {
            return Err(format!("`{}` is given twice", clean_line(&name, 64)));
        }
        values.insert(name, value);
    }
    Ok(values)
}

/// Whether a path leads to something below the directory, as far as it is there; the error goes on after its name.
fn stays_below(directory: &Path, path: &Path) -> Result<(), String> {
    let Ok(root) = directory.canonicalize() else { return Ok(()) };
    let mut at = root.clone();
    for name in path.components() {
        at.push(name);
        if at.symlink_metadata().is_err() {
            return Ok(());
        }
        if !at.canonicalize().is_ok_and(|real| real.starts_with(&root)) {
            return Err(format!("is {}, a link that leads out of {}", path.display(), directory.display()));
        }
    }
    Ok(())
}

impl From<Impact> for bindings::Impact {
    fn from(impact: Impact) -> Self {
        match impact {
            Impact::Observe => Self::Observe,
            Impact::Change => Self::Change,
            Impact::Destroy => Self::Destroy,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_does_not_lead_out_of_the_directory() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("app");
        std::fs::create_dir_all(directory.join("inner")).unwrap();
        std::fs::write(root.path().join("outside"), "").unwrap();
        symlink(root.path(), directory.join("out")).unwrap();
        symlink("inner", directory.join("in")).unwrap();
        symlink("/no/such", directory.join("dangling")).unwrap();
        for (path, stays) in [
            ("inner", true),
            ("inner/new/er", true),
            ("in", true),
            ("in/new", true),
            ("out", false),
            ("out/outside", false),
            ("out/new", false),
            ("dangling", false),
            ("dangling/x", false),
        ] {
            assert_eq!(stays_below(&directory, Path::new(path)).is_ok(), stays, "{path}");
        }
    }
}
