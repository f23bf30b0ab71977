//! From a bundle file to a [`Bundle`], with everything that is wrong in the file itself. Pure but for the file's name.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use jiff::tz::TimeZone;
use sha2::{Digest as _, Sha256};
use toml::{Spanned, Table, Value};

use super::credential::{Hidden, Source};
use super::file::{Defaults, File};
use super::{Bundle, ChecklistEntry, History, Places, Problem, Schedule, SlotGrant, Task, Tell, file, peel};
use crate::capability::{ROOMS, RoomWords};
use crate::gate::Budgets;
use crate::plugin::{DEFAULT_TIMEOUT, did_you_mean, nearest_word};
use crate::schedule::{Limits, Opening, Window};

/// How much runs at a time, unless the file says otherwise.
const JOBS: usize = 4;
/// How long to wait before a run is repeated, unless the file says otherwise.
const RETRY_DELAY: Duration = Duration::from_secs(30);

/// Reads the bundle in `text`, the content of the file at `path`.
///
/// # Errors
/// Every mistake that the file shows by itself.
pub fn read(path: &Path, text: &str) -> Result<Bundle, Vec<Problem>> {
    let (file, errors) = peel::read::<File>(text);
    let mut reader = Reader { text, problems: errors.iter().map(shape).collect() };
    let bundle = file.map(|file| reader.bundle(path, file));
    reader.problems.sort_by_key(|problem| problem.place.as_ref().map(|place| place.start));
    match bundle {
        Some(bundle) if reader.problems.is_empty() => Ok(bundle),
        _ => Err(reader.problems),
    }
}

/// What TOML or the types of the file say.
pub(crate) fn shape(error: &toml::de::Error) -> Problem {
    let message = error.message();
    let near = message.strip_prefix("unknown field `").and_then(|rest| {
        let (written, known) = rest.split_once('`')?;
        nearest_word(written, known.split('`').skip(1).step_by(2)).map(|near| format!("did you mean `{near}`?"))
    });
    Problem { weight: super::Weight::Error, message: message.into(), help: near, place: error.span() }
}

struct Reader<'a> {
    text: &'a str,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn wrong(&mut self, message: impl Into<String>, place: &Range<usize>) {
        self.problems.push(Problem::error(message, place.clone()));
    }

    /// What is wrong in settings that are tables, each at its own place. True when nothing is.
    fn examined(
        &mut self,
        room: &RoomWords,
        settings: &Table,
        what: &str,
        keys: &[&str],
        place: &Range<usize>,
    ) -> bool {
        let mistakes = (room.examine)(settings);
        for mistake in &mistakes {
            let keys: Vec<String> = keys.iter().map(|key| (*key).into()).chain(mistake.keys.iter().cloned()).collect();
            let place = crate::policy::place::of(self.text, &keys).unwrap_or_else(|| place.clone());
            self.wrong(format!("{what}: {}", mistake.message), &place);
        }
        mistakes.is_empty()
    }

    fn bundle(&mut self, path: &Path, file: File) -> Bundle {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let directory = std::path::absolute(directory).unwrap_or_else(|_| directory.into());
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let zone = self.zone(file.time_zone.as_ref()).unwrap_or(TimeZone::UTC);
        let history = file.history.and_then(|written| {
            let place = written.span();
            History::read(written, &directory).map_err(|error| self.wrong(error, &place)).ok()
        });
        let connections = self.connections(&file.connections);
        let limits = self.limits(file.limits, &connections);
        let windows = self.windows(&file.defaults.windows);
        let blackouts = self.windows(&file.defaults.blackouts);
        let shared = Shared { defaults: &file.defaults, opening: Opening { windows, blackouts } };
        let names: BTreeSet<String> = file.tasks.keys().cloned().collect();
        let mut tasks: Vec<Task> = file
            .tasks
            .into_iter()
            .map(|(name, task)| self.task(name, task, &names, &connections, &shared, &zone, &directory))
            .collect();
        tasks.sort_by_key(|task| task.places.task.start);
        self.circles(&tasks);
        Bundle {
            time_zone: zone,
            name: file.name.or(stem).unwrap_or_else(|| "bundle".into()),
            maintainer: file.maintainer,
            limits,
            tell: self.tell(file.tell),
            history,
            plugins: file.plugins.iter().map(|plugins| directory.join(plugins)).collect(),
            tasks,
            checklist: file.checklist.into_iter().map(Spanned::into_inner).map(ChecklistEntry::from).collect(),
            directory,
        }
    }

    fn zone(&mut self, name: Option<&Spanned<String>>) -> Option<TimeZone> {
        let name = name?;
        let zone = TimeZone::get(name.get_ref());
        if zone.is_err() {
            let wrong =
                format!("there is no time zone `{}`; write its IANA name, such as `Europe/Berlin`", name.get_ref());
            self.wrong(wrong, &name.span());
        }
        zone.ok()
    }

    fn connections(&mut self, written: &BTreeMap<String, Spanned<Table>>) -> BTreeMap<String, Option<Target>> {
        let mut connections = BTreeMap::new();
        for (name, table) in written {
            let mut settings = table.get_ref().clone();
            let target = self.target(&mut settings, &format!("connection `{name}`"), &table.span());
            if target.is_some() && settings.contains_key("access") {
                let wrong = format!("connection `{name}` has access; each task's own grant says what it may do");
                self.wrong(wrong, &table.span());
            }
            let what = format!("connection `{name}`");
            let target =
                target.filter(|(room, _)| self.examined(room, &settings, &what, &["connections", name], &table.span()));
            connections.insert(
                name.clone(),
                target.map(|(room, sources)| Target { room, sources, settings, place: table.span() }),
            );
        }
        connections
    }

    /// Takes the one target out of a table.
    fn target(
        &mut self,
        table: &mut Table,
        what: &str,
        place: &Range<usize>,
    ) -> Option<(&'static RoomWords, Vec<Source>)> {
        let named: Vec<&RoomWords> = ROOMS.iter().filter(|room| table.contains_key(room.name)).collect();
        let all = || ROOMS.iter().map(|room| format!("`{}`", room.name)).collect::<Vec<_>>().join(", ");
        let [room] = named.as_slice() else {
            let wrong = if named.is_empty() {
                format!("{what} names no target; write one by its capability ({}), such as `sql = \"env:URL\"`", all())
            } else {
                format!("{what} names targets of {} capabilities; a slot is of one", named.len())
            };
            self.wrong(wrong, place);
            return None;
        };
        let room = crate::capability::room(room.name)?;
        let texts = |values: &[Value]| -> Option<Vec<String>> {
            values.iter().map(|value| value.as_str().map(String::from)).collect()
        };
        let sources: Option<Vec<Source>> = match table.remove(room.name)? {
            Value::String(text) => Some(vec![Source::of_text(&text)]),
            Value::Array(values) if room.several_targets => {
                texts(&values).map(|texts| texts.iter().map(|text| Source::of_text(text)).collect())
            }
            Value::Table(table) => Source::of_table(&table).map(|source| vec![source]),
            _ => None,
        };
        if sources.as_ref().is_none_or(Vec::is_empty) {
            let wrong = format!(
                "{what}: {} is a text ({}), or `{{ command = [\"PROGRAM\", \"ARGUMENT\"] }}` for one that a program prints",
                room.name, room.target
            );
            self.wrong(wrong, place);
            return None;
        }
        Some((room, sources?))
    }

    #[expect(clippy::too_many_arguments, reason = "what a task is made of")]
    fn task(
        &mut self,
        name: String,
        task: Spanned<file::Task>,
        names: &BTreeSet<String>,
        connections: &BTreeMap<String, Option<Target>>,
        shared: &Shared<'_>,
        zone: &TimeZone,
        directory: &Path,
    ) -> Task {
        let defaults = shared.defaults;
        let place = task.span();
        let task = task.into_inner();
        if !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
            self.wrong(format!("task `{name}`: a name is lower-case letters, digits and `-`"), &place);
        }
        let schedule = task.schedule.as_ref().and_then(|schedule| {
            let parsed = Schedule::parse(schedule.get_ref());
            parsed.map_err(|error| self.wrong(error, &schedule.span())).ok()
        });
        let mut after = Vec::new();
        for earlier in &task.after {
            if !names.contains(earlier.get_ref()) {
                let near = did_you_mean(nearest_word(earlier.get_ref(), names.iter().map(String::as_str)));
                self.wrong(format!("there is no task `{}`{near}", earlier.get_ref()), &earlier.span());
            }
            after.push(earlier.get_ref().clone());
        }
        let mut budgets = Budgets::default();
        let mut budget_places = BTreeMap::new();
        for (key, limit) in &task.budget {
            match key.split_once('.') {
                Some((slot, what)) => budgets.set(slot, what, limit.get_ref().0),
                None => self.wrong(
                    format!("budget `{key}`: write it as \"SLOT.WHAT\" = N, such as \"database.rows\" = 500"),
                    &limit.span(),
                ),
            }
            budget_places.insert(key.clone(), limit.span());
        }
        let mut arguments = Vec::new();
        let mut parameter_places = BTreeMap::new();
        for (key, value) in &task.parameters {
            match argument(value.get_ref()) {
                Ok(text) => arguments.push((key.clone(), text)),
                Err(error) => self.wrong(format!("parameter `{key}`: {error}"), &value.span()),
            }
            parameter_places.insert(key.clone(), value.span());
        }
        let grants = task.grants.iter();
        let grants =
            grants.filter_map(|(slot, table)| self.grant(&name, slot, table, connections, directory)).collect();
        let kind = task.kind.or_else(|| schedule.as_ref().and_then(Schedule::kind));
        let time_zone = self.zone(task.time_zone.as_ref()).unwrap_or_else(|| zone.clone());
        let opening = Opening {
            windows: task
                .windows
                .as_ref()
                .map_or_else(|| shared.opening.windows.clone(), |windows| self.windows(windows)),
            blackouts: [shared.opening.blackouts.clone(), self.windows(&task.blackouts)].concat(),
        };
        let seconds = |own: Option<crate::policy::units::Seconds>, shared: Option<_>, standard: Duration| {
            own.or(shared).map_or(standard, Duration::from)
        };
        Task {
            description: task.description,
            plugin: task.plugin.get_ref().clone(),
            arguments,
            grants,
            budgets,
            kind,
            schedule,
            time_zone,
            timeout: seconds(task.timeout, defaults.timeout, DEFAULT_TIMEOUT),
            memory: task.memory.or(defaults.memory).map(|size| size.0),
            retries: task.retries.or(defaults.retries).unwrap_or(0),
            retry_delay: seconds(task.retry_delay, defaults.retry_delay, RETRY_DELAY),
            overlap: task.overlap.or(defaults.overlap).unwrap_or_default(),
            catch_up: task.catch_up.or(defaults.catch_up).unwrap_or_default(),
            jitter: spread(&name, seconds(task.jitter, defaults.jitter, Duration::ZERO)),
            opening,
            priority: task.priority,
            after,
            places: Places {
                task: place,
                plugin: task.plugin.span(),
                parameters: parameter_places,
                budgets: budget_places,
            },
            name,
        }
    }

    fn windows(&mut self, written: &[Spanned<String>]) -> Vec<Window> {
        let windows = written.iter().filter_map(|window| {
            Window::parse(window.get_ref()).map_err(|error| self.wrong(error, &window.span())).ok()
        });
        windows.collect()
    }

    fn tell(&mut self, written: BTreeMap<String, Spanned<file::Tell>>) -> Vec<Tell> {
        let mut all = Vec::new();
        for (name, tell) in written {
            let place = tell.span();
            match Tell::read(&name, tell.into_inner()) {
                Ok(tell) => all.push(tell),
                Err(error) => self.wrong(format!("tell `{name}`: {error}"), &place),
            }
        }
        all
    }

    fn limits(&mut self, written: file::Limits, connections: &BTreeMap<String, Option<Target>>) -> Limits {
        for (name, limit) in &written.connections {
            if !connections.contains_key(name) {
                let near = did_you_mean(nearest_word(name, connections.keys().map(String::as_str)));
                self.wrong(format!("limits: there is no connection `{name}`{near}"), &limit.span());
            }
        }
        let number = |limit: std::num::NonZeroU16| usize::from(limit.get());
        Limits {
            runs: written.runs.map_or(JOBS, number),
            connections: written
                .connections
                .into_iter()
                .map(|(name, limit)| (name, number(limit.into_inner())))
                .collect(),
        }
    }

    fn grant(
        &mut self,
        task: &str,
        slot: &str,
        table: &Spanned<Table>,
        connections: &BTreeMap<String, Option<Target>>,
        directory: &Path,
    ) -> Option<SlotGrant> {
        let place = table.span();
        let mut settings = table.get_ref().clone();
        let (connection, target) = match settings.remove("connection") {
            Some(Value::String(name)) => {
                if let Some(second) = ROOMS.iter().find(|room| settings.contains_key(room.name)) {
                    let wrong = format!(
                        "slot `{slot}` names the connection `{name}` and a target of its own (`{}`)",
                        second.name
                    );
                    self.wrong(wrong, &place);
                }
                let Some(target) = connections.get(&name) else {
                    let near = did_you_mean(nearest_word(&name, connections.keys().map(String::as_str)));
                    self.wrong(format!("slot `{slot}`: there is no connection `{name}`{near}"), &place);
                    return None;
                };
                // What is wrong with the connection was said there.
                let target = target.clone()?;
                self.examined(
                    target.room,
                    &settings,
                    &format!("slot `{slot}`"),
                    &["tasks", task, "grants", slot],
                    &place,
                )
                .then_some(())?;
                for (key, value) in &target.settings {
                    settings.entry(key.as_str()).or_insert_with(|| value.clone());
                }
                (Some(name), target)
            }
            Some(_) => {
                self.wrong(format!("slot `{slot}`: a connection is a name"), &place);
                return None;
            }
            None => {
                let (room, sources) = self.target(&mut settings, &format!("slot `{slot}`"), &place)?;
                self.examined(room, &settings, &format!("slot `{slot}`"), &["tasks", task, "grants", slot], &place)
                    .then_some(())?;
                (None, Target { room, sources, settings: Table::new(), place: place.clone() })
            }
        };
        // On the command line one word may stand alone; so it may here.
        if let Some(Value::String(word)) = settings.get("access") {
            let words = Value::Array(vec![Value::String(word.clone())]);
            settings.insert("access".into(), words);
        }
        for path in target.room.paths {
            if let Some(Value::String(written)) = settings.get_mut(*path) {
                *written = directory.join(&*written).to_string_lossy().into_owned();
            }
        }
        let mut secrets = BTreeMap::new();
        for key in target.room.secrets {
            let Some(value) = settings.remove(*key) else { continue };
            match Hidden::of_setting(&value) {
                Some(hidden) => drop(secrets.insert(*key, hidden)),
                None => self.wrong(
                    format!(
                        "slot `{slot}`: `{key}` is a text such as \"env:NAME\", or `{{ command = [\"PROGRAM\", \
                         \"ARGUMENT\"] }}` for one that a program prints"
                    ),
                    &place,
                ),
            }
        }
        Some(SlotGrant {
            slot: slot.into(),
            capability: target.room.name,
            connection,
            sources: target.sources,
            settings,
            secrets,
            target_place: target.place,
            place,
        })
    }

    /// Tasks that wait for each other would never begin.
    fn circles(&mut self, tasks: &[Task]) {
        let after: BTreeMap<&str, &[String]> =
            tasks.iter().map(|task| (task.name.as_str(), task.after.as_slice())).collect();
        for task in tasks {
            let mut seen = BTreeSet::new();
            let mut left: Vec<&str> = task.after.iter().map(String::as_str).collect();
            while let Some(name) = left.pop() {
                if name == task.name {
                    self.wrong(format!("task `{name}` waits for itself, by way of `after`"), &task.places.task);
                    break;
                }
                if seen.insert(name) {
                    left.extend(after.get(name).copied().unwrap_or_default().iter().map(String::as_str));
                }
            }
        }
    }
}

/// What holds for tasks that do not say otherwise.
struct Shared<'a> {
    defaults: &'a Defaults,
    opening: Opening,
}

/// By how much a task is put off: always by as much, and others by less or more.
fn spread(name: &str, most: Duration) -> Duration {
    let digest = Sha256::digest(name.as_bytes());
    let number = digest.iter().take(4).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    Duration::from_secs((most.as_secs().min(u64::from(u32::MAX)) * number) >> 32)
}

/// What a connection, or a grant without one, stands for.
#[derive(Clone)]
struct Target {
    room: &'static RoomWords,
    sources: Vec<Source>,
    settings: Table,
    place: Range<usize>,
}

/// A parameter's value as it is written on the command line.
pub(crate) fn argument(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        Value::Boolean(truth) => Ok(truth.to_string()),
        Value::Datetime(time) => Ok(time.to_string()),
        Value::Array(values) => {
            let texts: Result<Vec<String>, String> = values.iter().map(argument).collect();
            let texts = texts?;
            match texts.iter().find(|text| text.contains(',')) {
                Some(text) => Err(format!("`{text}` holds a comma, which parts the texts of a list")),
                None => Ok(texts.join(",")),
            }
        }
        Value::Table(_) => Err("a value is a text, a number, true or false, or a list of texts".into()),
    }
}

impl From<file::ChecklistEntry> for ChecklistEntry {
    fn from(entry: file::ChecklistEntry) -> Self {
        Self { title: entry.title, kind: entry.kind, detail: entry.detail }
    }
}
