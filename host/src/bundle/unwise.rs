//! What a bundle may do and should be thought about. Pure.

use std::collections::BTreeMap;

use jiff::ZonedDateTime;

use super::{Bundle, Hidden, Problem, Ready, SlotGrant, Source, Task};
use crate::capability::room;

/// How many of a schedule's times are compared.
const TIMES: usize = 500;

/// Everything that is unwise.
pub(super) fn problems(bundle: &Bundle, ready: &[Ready<'_>]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for task in &bundle.tasks {
        for grant in &task.grants {
            without_budget(task, grant, &mut problems);
            credential_in_file(task, grant, &mut problems);
        }
    }
    for ready in ready {
        asked_and_given(ready, &mut problems);
    }
    writing_at_once(bundle, &mut problems);
    problems
}

fn without_budget(task: &Task, grant: &SlotGrant, problems: &mut Vec<Problem>) {
    let Some(room) = room(grant.capability) else { return };
    let destroying: Vec<&str> = grant.access().into_iter().filter(|word| room.destroys.contains(word)).collect();
    if destroying.is_empty() || task.budgets.iter().any(|(slot, _, _)| slot == grant.slot) {
        return;
    }
    let counted = room.budgets.first().copied().unwrap_or_default();
    problems.push(
        Problem::warning(
            format!("task `{}` may {} through `{}` without a budget", task.name, destroying.join(" and "), grant.slot),
            grant.place.clone(),
        )
        .help(format!("say how much is usual: budget = {{ \"{}.{counted}\" = 1000 }}", grant.slot)),
    );
}

fn credential_in_file(task: &Task, grant: &SlotGrant, problems: &mut Vec<Problem>) {
    let holds = |source: &Source| match source {
        Source::Written(target) => url::Url::parse(target.expose()).is_ok_and(|url| url.password().is_some()),
        _ => false,
    };
    let written = |hidden: &Hidden| matches!(hidden.source(), Source::Written(_));
    let setting = grant.secrets.iter().find(|(_, hidden)| hidden.iter().any(written));
    let setting = setting.map(|(setting, _)| format!("`{setting}`"));
    if setting.is_none() && !grant.sources.iter().any(holds) {
        return;
    }
    let what = match &grant.connection {
        Some(name) => format!("connection `{name}`"),
        None => format!("task `{}`, slot `{}`", task.name, grant.slot),
    };
    let problem =
        Problem::warning(format!("{what}: a password stands in the file"), grant.target_place.clone()).help(format!(
            "write `env:NAME`, `file:PATH` or `{{ command = [...] }}` for {}",
            setting.as_deref().unwrap_or("the target")
        ));
    // A connection is said once, however many tasks use it.
    if !problems.contains(&problem) {
        problems.push(problem);
    }
}

/// A plugin that asks for more than it got, and one that got more than it asks for.
fn asked_and_given(ready: &Ready<'_>, problems: &mut Vec<Problem>) {
    for slot in &ready.plugin.description().slots {
        let Some(grant) = ready.task.grants.iter().find(|grant| grant.slot == slot.name) else { continue };
        let Some(room) = room(grant.capability) else { continue };
        let first = room.access.first().copied();
        let surplus: Vec<&str> = grant
            .access()
            .into_iter()
            .filter(|word| Some(*word) != first && !slot.access.iter().any(|asked| asked == word))
            .collect();
        if !surplus.is_empty() {
            problems.push(Problem::warning(
                format!(
                    "task `{}` grants {} on `{}`, which {} does not ask for",
                    ready.task.name,
                    surplus.join(" and "),
                    slot.name,
                    ready.plugin.description().name
                ),
                grant.place.clone(),
            ));
        }
    }
}

/// Two tasks that change the same thing and fall on the same minute.
fn writing_at_once(bundle: &Bundle, problems: &mut Vec<Problem>) {
    // One pair is said once.
    let mut times: BTreeMap<&str, Vec<ZonedDateTime>> = BTreeMap::new();
    let start = jiff::Timestamp::now();
    for (index, task) in bundle.tasks.iter().enumerate() {
        for other in bundle.tasks.iter().skip(index + 1) {
            if task.after.contains(&other.name) || other.after.contains(&task.name) {
                continue;
            }
            let Some((grant, scope)) = both_write(task, other) else { continue };
            for each in [task, other] {
                times.entry(&each.name).or_insert_with(|| match &each.schedule {
                    Some(schedule) => {
                        schedule.after(start.to_zoned_datetime(each.time_zone.clone())).take(TIMES).collect()
                    }
                    None => vec![],
                });
            }
            let of = |task: &Task| times.get(task.name.as_str()).map_or(&[][..], Vec::as_slice);
            let Some(at) = first_common(of(task), of(other)) else { continue };
            problems.push(
                Problem::warning(
                    format!(
                        "tasks `{}` and `{}` both change {scope} and both begin at {}",
                        task.name,
                        other.name,
                        at.strftime("%F %H:%M %Q")
                    ),
                    grant.place.clone(),
                )
                .help(format!("let one wait: after = [\"{}\"] in `{}`", task.name, other.name)),
            );
        }
    }
}

fn first_common<'a>(first: &'a [ZonedDateTime], second: &[ZonedDateTime]) -> Option<&'a ZonedDateTime> {
    let mut second = second.iter().peekable();
    first.iter().find(|time| {
        while second.next_if(|other| other.timestamp() < time.timestamp()).is_some() {}
        second.peek().is_some_and(|other| other.timestamp() == time.timestamp())
    })
}

/// The first's grant with which both change something that is the same, and what that is.
fn both_write<'a>(first: &'a Task, second: &Task) -> Option<(&'a SlotGrant, String)> {
    first.grants.iter().find_map(|grant| {
        let other = second.grants.iter().find(|other| {
            other.capability == grant.capability && other.sources == grant.sources && changes(grant) && changes(other)
        })?;
        let target = grant.connection.clone().map_or_else(|| grant.target(), |name| format!("`{name}`"));
        let scope = |grant: &SlotGrant| {
            ["table", "key", "name", "image"]
                .map(|setting| grant.texts(setting))
                .concat()
                .iter()
                .map(|text| (*text).to_owned())
                .collect::<Vec<_>>()
        };
        let (one, two) = (scope(grant), scope(other));
        if one.is_empty() || two.is_empty() {
            return Some((grant, target));
        }
        let common = one.iter().find(|pattern| two.iter().any(|other| may_meet(pattern, other)))?;
        Some((grant, format!("`{common}` of {target}")))
    })
}

/// Whether a name could match both patterns: they are compared up to the first `*` of either.
fn may_meet(first: &str, second: &str) -> bool {
    let fixed = |pattern: &'_ str| pattern.find('*').unwrap_or(pattern.len());
    if !first.contains('*') && !second.contains('*') {
        return first == second;
    }
    let length = fixed(first).min(fixed(second));
    first.as_bytes().get(..length) == second.as_bytes().get(..length)
}

/// Whether more than looking is granted.
fn changes(grant: &SlotGrant) -> bool {
    grant.access().len() > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_meet_where_a_name_could_match_both() {
        for (first, second, meet) in [
            ("sessions", "sessions", true),
            ("sessions", "users", false),
            ("app.*", "app.users", true),
            ("*", "users", true),
            ("cache:*", "queue:*", false),
        ] {
            assert_eq!(may_meet(first, second), meet, "{first} {second}");
        }
    }
}
