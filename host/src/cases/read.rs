//! From a file of cases to [`Case`]s, with everything that is wrong in the file. Reads nothing but its text.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Component, Path};
use std::time::Duration;

use toml::{Spanned, Value};

use super::expand::variants;
use super::file::{self, Common, Expect, File, FileTable, Way};
use super::{Case, Database, Grant, Origin, Plan, Server, Step};
use crate::bundle::read::{argument, shape};
use crate::bundle::{Problem, peel};
use crate::capability::{Binding, Grants, ROOMS, Secret, room};
use crate::gate::{Budgets, Mode};
use crate::plugin::{did_you_mean, nearest_word};
use crate::policy::units::Size;

/// How long a run of a case may take, unless it says otherwise.
const TIMEOUT: Duration = Duration::from_mins(1);

/// The cases of a file, in its order; one that names several servers is several.
///
/// # Errors
/// Every mistake of the file.
pub(crate) fn read(origin: &Origin) -> Result<Vec<Case>, Vec<Problem>> {
    let (file, errors) = peel::read::<File>(&origin.text);
    let mut reader = Reader { problems: errors.iter().map(shape).collect() };
    let cases = file.map(|file| reader.cases(file)).unwrap_or_default();
    if cases.is_empty() && reader.problems.is_empty() {
        reader.problems.push(Problem::error("there is no case; begin one with [[case]]", 0..0));
    }
    reader.problems.sort_by_key(|problem| problem.place.as_ref().map(|place| place.start));
    if reader.problems.is_empty() { Ok(cases) } else { Err(reader.problems) }
}

struct Reader {
    problems: Vec<Problem>,
}

impl Reader {
    fn wrong(&mut self, message: impl Into<String>, place: &Range<usize>) {
        self.problems.push(Problem::error(message, place.clone()));
    }

    fn cases(&mut self, file: File) -> Vec<Case> {
        let mut cases = Vec::new();
        let mut names = BTreeSet::new();
        for (index, case) in file.case.into_iter().enumerate() {
            let place = case.span();
            let case = case.into_inner();
            if case.name.trim().is_empty() || case.name.contains('\n') {
                self.wrong("a case's name says in one line what it shows", &place);
            }
            if !names.insert(case.name.clone()) {
                self.wrong(format!("there are two cases called `{}`", case.name), &place);
            }
            cases.extend(self.case(index, &place, case, &file.common));
        }
        cases
    }

    fn case(&mut self, index: usize, place: &Range<usize>, case: file::Case, common: &Common) -> Vec<Case> {
        let plans = self.plans(&case, common, place);
        let grants = self.grants(&case, common);
        let mode = mode(case.mode.or(common.mode).unwrap_or(Way::Run));
        let arguments = self.arguments(merged(&common.parameters, &case.parameters));
        let budgets = self.budgets(merged(&common.budget, &case.budget));
        let parts = plans.first().map(|(_, plan)| plan.clone()).unwrap_or_default();
        let none = BTreeMap::new();
        let first = Step {
            mode,
            arguments: arguments.into_iter().collect(),
            budgets,
            files: BTreeMap::new(),
            sql: BTreeMap::new(),
            redis: BTreeMap::new(),
            expect: self.expect(case.expect.as_ref(), &parts, mode),
        };
        let mut steps = vec![first];
        for step in case.then {
            let Some(before) = steps.last().cloned() else { continue };
            let step = step.into_inner();
            let mode = step.mode.map_or(before.mode, self::mode);
            let mut arguments: BTreeMap<String, String> = before.arguments.into_iter().collect();
            arguments.extend(self.arguments(merged(&none, &step.parameters)));
            for (name, text) in &step.sql {
                self.known(name, &parts.sql, "database", &text.span());
            }
            for (name, commands) in &step.redis {
                self.known(name, &parts.redis, "database of Redis", &commands.span());
            }
            let own = self.budgets(merged(&BTreeMap::new(), &step.budget));
            steps.push(Step {
                mode,
                arguments: arguments.into_iter().collect(),
                budgets: if step.budget.is_empty() { before.budgets } else { own },
                files: self.files(merged(&BTreeMap::new(), &step.files), true),
                sql: plain(step.sql),
                redis: plain(step.redis),
                expect: self.expect(step.expect.as_ref(), &parts, mode),
            });
        }
        let several = plans.len() > 1;
        let timeout = case.timeout.or(common.timeout).map_or(TIMEOUT, Into::into);
        let memory = case.memory.or(common.memory).map(|size| size.0);
        let of_plan = |(suffix, plan): (String, Plan)| Case {
            name: if several { format!("{} ({suffix})", case.name) } else { case.name.clone() },
            index,
            place: place.clone(),
            plan,
            grants: grants.clone(),
            timeout,
            memory,
            steps: steps.clone(),
        };
        plans.into_iter().map(of_plan).collect()
    }

    /// The worlds: one for each choice of servers, with what tells it from the others.
    fn plans(&mut self, case: &file::Case, common: &Common, place: &Range<usize>) -> Vec<(String, Plan)> {
        let mut plan = Plan { files: self.files(merged(&common.files, &case.files), false), ..Plan::default() };
        let mut databases = BTreeMap::new();
        for (name, sql) in merged(&common.sql, &case.sql) {
            let place = sql.span();
            let mut servers: Vec<Server> = sql
                .get_ref()
                .server
                .0
                .iter()
                .filter_map(|word| word.parse().map_err(|error: String| self.wrong(error, &place)).ok())
                .collect();
            if servers.is_empty() {
                self.wrong(format!("database `{name}` says no server: sqlite, postgres or mariadb"), &place);
                // It stands in, so that what names the database is not wrong as well.
                servers.push(Server::Sqlite);
            }
            if let Some(file) = &sql.get_ref().file {
                self.path(file, true, &place);
            }
            databases.insert(name.clone(), (servers, sql.get_ref().clone()));
        }
        plan.redis = merged(&common.redis, &case.redis)
            .into_iter()
            .map(|(name, redis)| (name.clone(), redis.get_ref().commands.clone()))
            .collect();
        plan.docker = cloned(merged(&common.docker, &case.docker));
        plan.tls = cloned(merged(&common.tls, &case.tls));
        plan.history = cloned(merged(&common.history, &case.history));
        plan.http = cloned(merged(&common.http, &case.http));
        for (name, answers) in merged(&common.http, &case.http) {
            for (line, answer) in answers.get_ref() {
                if !matches!(line.split_once(' '), Some((method, path)) if is_word(method) && path.starts_with('/')) {
                    self.wrong(format!("`{line}` of `{name}`: write it as \"GET /path\""), &answers.span());
                }
                if !(100..=599).contains(&answer.0.status) {
                    self.wrong(format!("{} is no status of HTTP", answer.0.status), &answers.span());
                }
            }
        }
        let mut seen = BTreeSet::new();
        let names = databases.keys().chain(plan.redis.keys()).chain(plan.docker.keys());
        let names = names.chain(plan.tls.keys()).chain(plan.http.keys()).chain(plan.history.keys());
        for name in names.cloned().collect::<Vec<_>>() {
            let kebab = name.starts_with(|first: char| first.is_ascii_lowercase())
                && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
            if !kebab || name == "files" {
                self.wrong(format!("`{name}` names a part of the world in lower-case letters, digits and `-`"), place);
            }
            if !seen.insert(name.clone()) {
                self.wrong(format!("two parts of the world are called `{name}`"), place);
            }
        }
        variants(&databases)
            .into_iter()
            .map(|(suffix, chosen)| {
                let database = |(name, server): (String, Server)| {
                    let sql = databases.get(&name).map(|(_, sql)| sql.clone());
                    sql.map(|sql| (name, Database { server, file: sql.file, statements: sql.statements }))
                };
                (suffix, Plan { sql: chosen.into_iter().filter_map(database).collect(), ..plan.clone() })
            })
            .collect()
    }

    fn files(
        &mut self,
        files: BTreeMap<&String, &Spanned<file::FileSpec>>,
        between: bool,
    ) -> BTreeMap<String, FileTable> {
        let mut out = BTreeMap::new();
        for (path, spec) in files {
            let place = spec.span();
            let table = &spec.get_ref().0;
            self.path(path, false, &place);
            let kinds = [table.content.is_some(), table.size.is_some(), table.copy.is_some(), table.link.is_some()];
            let kinds = kinds.iter().filter(|given| **given).count() + usize::from(table.directory);
            if kinds > 1 {
                self.wrong(format!("`{path}` is one of content, size, copy, link and directory"), &place);
            }
            if table.gone && !between {
                self.wrong(format!("`{path}` is not there before the first run: leave it out"), &place);
            }
            if let Some(copy) = &table.copy {
                self.path(copy, true, &place);
            }
            if let Some(mode) = &table.mode
                && u32::from_str_radix(mode, 8).map_or(true, |bits| bits > 0o7777)
            {
                self.wrong(format!("`{mode}` is no mode: write octal digits, such as \"600\""), &place);
            }
            out.insert(path.clone(), table.clone());
        }
        out
    }

    /// A path is relative and stays below its directory; one beside the cases may begin with `../` once.
    fn path(&mut self, path: &str, beside: bool, place: &Range<usize>) {
        let below = if beside { path.strip_prefix("../").unwrap_or(path) } else { path };
        let plain = Path::new(below).components().all(|part| matches!(part, Component::Normal(_)));
        if below.is_empty() || below.contains('\0') || !plain {
            let wrong = if beside {
                format!("`{path}` does not lie below the directory around the one of the cases")
            } else {
                format!("`{path}` is no path below the case's own directory")
            };
            self.wrong(wrong, place);
        }
    }

    fn grants(&mut self, case: &file::Case, common: &Common) -> Vec<Grant> {
        let parts = Parts::of(case, common);
        let mut grants = Vec::new();
        for (slot, table) in merged(&common.grants, &case.grants) {
            let place = table.span();
            let mut settings = table.get_ref().clone();
            let named: Vec<_> = ROOMS.iter().filter(|room| settings.contains_key(room.name)).collect();
            let [one] = named.as_slice() else {
                let all = ROOMS.iter().map(|room| room.name).collect::<Vec<_>>().join(", ");
                self.wrong(
                    format!("slot `{slot}` is bound to one part of the world, by its capability: {all}"),
                    &place,
                );
                continue;
            };
            let Some(room) = room(one.name) else { continue };
            let targets = match settings.remove(room.name) {
                Some(Value::String(target)) => vec![target],
                Some(Value::Array(targets)) if room.several_targets => {
                    targets.iter().filter_map(Value::as_str).map(Into::into).collect()
                }
                _ => vec![],
            };
            if targets.is_empty() {
                self.wrong(format!("slot `{slot}`: {} names a part of the world", room.name), &place);
            }
            for target in &targets {
                self.target(slot, room.name, target, &parts, &place);
            }
            // On the command line one word may stand alone; so it may here.
            if let Some(Value::String(word)) = settings.get("access") {
                let words = Value::Array(vec![Value::String(word.clone())]);
                settings.insert("access".into(), words);
            }
            // With a target that stands in, so that what is wrong with the settings is found before anything is made.
            let stands_in = Binding {
                secrets: std::collections::BTreeMap::new(),
                target: Secret::new(room.example),
                settings: settings.clone(),
            };
            if let Err(error) = Grants::default().bind(room.name, slot, vec![stands_in]) {
                self.wrong(error.to_string(), &place);
            }
            grants.push(Grant { slot: slot.clone(), room, targets, settings });
        }
        grants
    }

    fn target(&mut self, slot: &str, room: &str, target: &str, parts: &Parts<'_>, place: &Range<usize>) {
        let known = match room {
            "files" | "command" => {
                if target != "." {
                    self.path(target, false, place);
                }
                return;
            }
            // A file of its own for each name.
            "state" => return self.path(target, false, place),
            "sql" => &parts.sql,
            "redis" => &parts.redis,
            "docker" => &parts.docker,
            "tls" => &parts.tls,
            "http" => &parts.http,
            "history" => &parts.history,
            // It is no part of a world; the target is taken as it is written.
            _ => return,
        };
        if !known.contains(target) {
            let near = did_you_mean(nearest_word(target, known.iter().copied()));
            self.wrong(
                format!("slot `{slot}`: the world has no {room} `{target}`{near}; make it with [case.{room}.{target}]"),
                place,
            );
        }
    }

    fn arguments(&mut self, written: BTreeMap<&String, &Spanned<Value>>) -> BTreeMap<String, String> {
        let mut arguments = BTreeMap::new();
        for (name, value) in written {
            match argument(value.get_ref()) {
                Ok(text) => {
                    arguments.insert(name.clone(), text);
                }
                Err(error) => self.wrong(format!("parameter `{name}`: {error}"), &value.span()),
            }
        }
        arguments
    }

    fn budgets(&mut self, written: BTreeMap<&String, &Spanned<Size>>) -> Budgets {
        let mut budgets = Budgets::default();
        for (key, limit) in written {
            match key.split_once('.') {
                Some((slot, what)) => budgets.set(slot, what, limit.get_ref().0),
                None => {
                    let wrong =
                        format!("budget `{key}`: write it as \"SLOT.WHAT\" = N, such as \"database.rows\" = 500");
                    self.wrong(wrong, &limit.span());
                }
            }
        }
        budgets
    }

    fn expect(&mut self, expect: Option<&Spanned<Expect>>, parts: &Plan, mode: Mode) -> Option<Expect> {
        let place = expect?.span();
        let expect = expect?.get_ref().clone();
        for path in expect.files.keys() {
            self.path(path, false, &place);
        }
        for name in expect.rows.keys() {
            self.known(name, &parts.sql, "database", &place);
        }
        for name in expect.replies.keys() {
            self.known(name, &parts.redis, "database of Redis", &place);
        }
        for name in expect.things.keys() {
            self.known(name, &parts.docker, "engine", &place);
        }
        let outcomes = ["done", "failed", "refused", "abandoned"];
        for effect in expect.effects.iter().flatten().chain(&expect.no_effects) {
            if let Some(outcome) = effect.outcome.as_deref().filter(|outcome| !outcomes.contains(outcome)) {
                self.wrong(format!("`{outcome}` is no outcome of an effect: {}", outcomes.join(", ")), &place);
            }
            if effect.decision == Some(crate::gate::Decision::Rehearse) && mode == Mode::Perform {
                self.wrong("nothing is rehearsed in a run: say mode = \"plan\"", &place);
            }
        }
        let ended = expect.outcome.exit_code() < 3;
        if expect.error.is_some() && ended {
            self.wrong("a run that ended well has no error", &place);
        }
        if expect.summary.is_some() && !ended {
            self.wrong("a run that did not end well has no summary; it has an error", &place);
        }
        Some(expect)
    }

    fn known<T>(&mut self, name: &str, parts: &BTreeMap<String, T>, what: &str, place: &Range<usize>) {
        if !parts.contains_key(name) {
            let near = did_you_mean(nearest_word(name, parts.keys().map(String::as_str)));
            self.wrong(format!("the case's world has no {what} `{name}`{near}"), place);
        }
    }
}

/// The names of what a case's world is made of.
struct Parts<'a> {
    sql: BTreeSet<&'a str>,
    redis: BTreeSet<&'a str>,
    docker: BTreeSet<&'a str>,
    tls: BTreeSet<&'a str>,
    http: BTreeSet<&'a str>,
    history: BTreeSet<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(case: &'a file::Case, common: &'a Common) -> Self {
        fn names<'a, T>(common: &'a BTreeMap<String, T>, own: &'a BTreeMap<String, T>) -> BTreeSet<&'a str> {
            common.keys().chain(own.keys()).map(String::as_str).collect()
        }
        Self {
            sql: names(&common.sql, &case.sql),
            redis: names(&common.redis, &case.redis),
            docker: names(&common.docker, &case.docker),
            tls: names(&common.tls, &case.tls),
            http: names(&common.http, &case.http),
            history: names(&common.history, &case.history),
        }
    }
}

/// What is common, and what a case says instead or beside it.
fn merged<'a, T>(common: &'a BTreeMap<String, T>, own: &'a BTreeMap<String, T>) -> BTreeMap<&'a String, &'a T> {
    common.iter().chain(own).collect()
}

fn cloned<T: Clone>(parts: BTreeMap<&String, &Spanned<T>>) -> BTreeMap<String, T> {
    parts.into_iter().map(|(name, part)| (name.clone(), part.get_ref().clone())).collect()
}

fn plain<T>(parts: BTreeMap<String, Spanned<T>>) -> BTreeMap<String, T> {
    parts.into_iter().map(|(name, part)| (name, part.into_inner())).collect()
}

fn mode(way: Way) -> Mode {
    match way {
        Way::Run => Mode::Perform,
        Way::Plan => Mode::Rehearse,
    }
}

/// A method of HTTP.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

impl std::str::FromStr for Server {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "sqlite" => Ok(Self::Sqlite),
            "postgres" => Ok(Self::Postgres),
            "mariadb" => Ok(Self::MariaDb),
            _ => Err(format!("`{text}` is no server: write sqlite, postgres or mariadb")),
        }
    }
}
