//! What a command does, by what the server itself says of it, and whether the grant allows that. Pure. A command that
//! the server does not describe, and one whose keys cannot be told, is refused.

mod lists;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

use super::grant::{Access, Grant};
use super::shown;
use crate::gate::{Impact, Refusal, SlotName};

/// A command's name in capitals, with its subcommand where it is a container of several.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Name {
    command: String,
    subcommand: Option<String>,
}

/// The longest name; Redis has none of half of it.
const NAME_LIMIT: usize = 64;

impl Name {
    /// The name of the command that these arguments make; none where they make none that any server has.
    pub(super) fn of(arguments: &[Vec<u8>]) -> Option<Self> {
        let word = |argument: &Vec<u8>| {
            let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
            let text = std::str::from_utf8(argument).ok()?;
            let is_name = !text.is_empty() && text.len() <= NAME_LIMIT && argument.iter().all(plain);
            is_name.then(|| text.to_ascii_uppercase())
        };
        let command = word(arguments.first()?)?;
        let subcommand = match arguments.get(1) {
            _ if !lists::CONTAINERS.contains(&command.as_str()) => None,
            Some(argument) => Some(word(argument)?),
            // COMMAND alone is one.
            None if command == "COMMAND" => None,
            None => return None,
        };
        Some(Self { command, subcommand })
    }

    /// As a grant names it: `FLUSHDB`, `CONFIG SET` or `CONFIG|SET`.
    pub(super) fn granted(written: &str) -> Result<Self, String> {
        let words: Vec<_> = written.split(['|', ' ']).map(|word| word.as_bytes().to_vec()).collect();
        match Self::of(&words) {
            Some(name) if words.len() == 1 + usize::from(name.subcommand.is_some()) => Ok(name),
            None if words.len() == 1 && lists::CONTAINERS.contains(&written.to_ascii_uppercase().as_str()) => {
                Err(format!("command={written} is several commands; write it with its subcommand, as in CONFIG SET"))
            }
            _ => Err(format!("command={written}: write it as command=FLUSHDB or command=CONFIG SET")),
        }
    }

    /// The command without its subcommand.
    pub(super) fn command(&self) -> &str {
        &self.command
    }

    /// As COMMAND INFO takes it.
    pub(super) fn for_server(&self) -> String {
        match &self.subcommand {
            Some(subcommand) => format!("{}|{subcommand}", self.command).to_ascii_lowercase(),
            None => self.command.to_ascii_lowercase(),
        }
    }

    fn is(&self, list: &[&str]) -> bool {
        let whole = self.to_string();
        list.contains(&whole.as_str()) || list.contains(&self.command.as_str())
    }

    fn is_script(&self) -> bool {
        self.is(&["EVALSHA", "EVALSHA_RO"])
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.command)?;
        self.subcommand.iter().try_for_each(|subcommand| write!(f, " {subcommand}"))
    }
}

/// Whether an operator may grant a command by its name: not one that would change the connection for others, nor a
/// script.
pub(super) fn may_be_granted(name: &Name) -> Result<(), String> {
    if name.is(lists::SCRIPTS) || name.is_script() {
        return Err(format!("command={name}: a script is granted by its digest, `,script=SHA1`"));
    }
    if name.is(lists::NEVER) {
        return Err(format!("command={name} is never granted: it changes the connection, which others use"));
    }
    Ok(())
}

/// What the server says of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Described {
    pub(super) flags: BTreeSet<String>,
    /// ACL categories, without the `@`.
    pub(super) categories: BTreeSet<String>,
    /// Whether any of its arguments can be keys.
    pub(super) has_keys: bool,
    /// Whether the description is the subcommand's own; servers before 7 describe only the container.
    pub(super) own: bool,
}

impl Described {
    fn has(&self, flag: &str) -> bool {
        self.flags.contains(flag)
    }
}

/// What a command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Reads keys, or something harmless.
    Reads,
    /// Changes keys.
    Writes,
    /// One that the grant names.
    Administers,
    /// A script that the grant lists.
    Script,
}

/// What a command would do, and what it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Class {
    pub(super) kind: Kind,
    pub(super) impact: Impact,
}

/// What can be told without asking the server.
pub(super) fn judge_name(grant: &Grant, slot: SlotName<'_>, arguments: &[Vec<u8>]) -> Result<Name, Refusal> {
    grant.allows(slot, Access::Read)?;
    let refused = |reason: String| Err(Refusal::NotGranted(reason));
    let Some(name) = Name::of(arguments) else {
        let first = arguments.first().map(|argument| shown::key(argument)).unwrap_or_default();
        return refused(format!("`{first}` is no command's name, or it lacks its subcommand"));
    };
    if name.is_script() {
        let digest = arguments.get(1).map(Vec::as_slice).unwrap_or_default();
        if grant.grants_script(digest) {
            return Ok(name);
        }
        return refused(format!(
            "slot `{slot}` does not grant the script {}; {}",
            shown::key(digest),
            slot.with(&["script=SHA1"])
        ));
    }
    if name.is(lists::SCRIPTS) {
        return refused(format!(
            "{name} runs or keeps code that nobody looked at; have a script loaded, {}, and call EVALSHA",
            slot.with(&["script=SHA1"])
        ));
    }
    if name.is(lists::NEVER) {
        return refused(format!("{name} is never let through: it changes the connection, which others use, or waits"));
    }
    if let Some((_, instead)) = lists::BETTER.iter().find(|(command, _)| name.is(&[command])) {
        return refused(format!("{name} is not let through: {instead}"));
    }
    if name.is(&["COPY"]) && arguments.iter().skip(3).any(|argument| argument.eq_ignore_ascii_case(b"DB")) {
        return refused("COPY is let through within the database in use; leave out DB".into());
    }
    if name.is(&["SORT", "SORT_RO"]) && !grant.grants_every_key() && reads_by_pattern(arguments) {
        return refused(format!("{name} with BY or GET reads keys that cannot be told; leave them out"));
    }
    Ok(name)
}

/// Whether SORT looks up other keys: any BY but one without `*`, any GET but `#`.
fn reads_by_pattern(arguments: &[Vec<u8>]) -> bool {
    arguments.iter().zip(arguments.iter().skip(1)).skip(2).any(|(word, operand)| {
        (word.eq_ignore_ascii_case(b"BY") && operand.contains(&b'*'))
            || (word.eq_ignore_ascii_case(b"GET") && operand != b"#")
    })
}

/// What a command does that [`judge_name`] let pass, from the server's description of it, and whether the slot may do
/// that at all; its keys are judged by [`judge_keys`].
pub(super) fn judge_class(
    grant: &Grant,
    slot: SlotName<'_>,
    name: &Name,
    described: Option<&Described>,
) -> (Class, Result<(), Refusal>) {
    let class = |kind, impact| Class { kind, impact };
    let Some(described) = described else {
        let refusal = Refusal::NotGranted(format!("{name} is refused: the server does not say what it does"));
        return (class(Kind::Administers, Impact::Change), Err(refusal));
    };
    if name.is_script() {
        let (impact, access) =
            if name.is(&["EVALSHA_RO"]) { (Impact::Observe, Access::Read) } else { (Impact::Destroy, Access::Write) };
        return (class(Kind::Script, impact), grant.allows(slot, access));
    }
    let harmless = name.is(lists::HARMLESS);
    let risky = !harmless
        && (lists::RISKY_FLAGS.iter().any(|flag| described.has(flag))
            || (described.categories.contains("dangerous") && !name.is(lists::NOT_SO_DANGEROUS)));
    // A container's description holds for all of it, and some of what it contains does more.
    let vague = name.subcommand.is_some() && !described.own && !name.is(lists::TOLD_BY_CONTAINER);
    let writes = described.has("write") || described.has("may_replicate") || name.is(lists::WRITES_UNSAID);
    if !risky && !vague && writes {
        let impact = if name.is(lists::CHANGES) { Impact::Change } else { Impact::Destroy };
        let verdict = grant.allows(slot, Access::Write);
        return (class(Kind::Writes, impact), verdict);
    }
    if harmless || (!risky && !vague && described.has("readonly")) {
        return (class(Kind::Reads, Impact::Observe), grant.allows(slot, Access::Read));
    }
    let impact = match () {
        () if described.has("write") || name.is(lists::DESTROYS) => Impact::Destroy,
        () if described.has("readonly") || name.is(lists::LOOKS) => Impact::Observe,
        () => Impact::Change,
    };
    let verdict = grant.grants_command(name).then_some(()).ok_or_else(|| {
        Refusal::NotGranted(format!(
            "slot `{slot}` does not grant {name}, which is administrative; {}",
            slot.with(&["admin", &format!("command={name}")])
        ))
    });
    (class(Kind::Administers, impact), verdict)
}

/// Whether the keys of a command may be touched; `keys` are what the server says they are, none where it cannot tell.
pub(super) fn judge_keys(
    grant: &Grant,
    slot: SlotName<'_>,
    name: &Name,
    kind: Kind,
    keys: Option<&[Vec<u8>]>,
) -> Result<(), Refusal> {
    let untold = || Err(Refusal::NotGranted(format!("{name} is refused: which keys it touches cannot be told")));
    let Some(keys) = keys else { return untold() };
    match kind {
        Kind::Reads if keys.is_empty() && !grant.grants_every_key() && !name.is(lists::KEYLESS) => untold(),
        Kind::Writes if keys.is_empty() => untold(),
        Kind::Writes => grant.allows_keys(slot, Access::Write, keys),
        Kind::Reads | Kind::Script | Kind::Administers => grant.allows_keys(slot, Access::Read, keys),
    }
}
