//! Failed authentications: who tried, from where. Pure.
//!
//! A server writes several lines for one attempt; each is counted once.

use std::collections::VecDeque;

/// Lines that may tell of a failed authentication, for a search on the host's side.
pub(crate) const PATTERN: &str = "(?i)(failed (password|publickey|keyboard-interactive|none|login|auth)|\
     auth[a-z]* (failed|failure|error)|login fail|(invalid|illegal|unknown) user|bad (password|login)|\
     (invalid|incorrect|wrong) (password|credential|login|user)|password mismatch|\
     maximum authentication attempts|closed by (authenticating|invalid) user|\
     user [^ ]+ (was not found|not found in)|no such user)";

/// Processes of a server whose attempts are remembered.
const PROCESSES: usize = 256;

/// A failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attempt<'a> {
    pub(crate) address: Option<&'a str>,
    pub(crate) user: Option<&'a str>,
}

/// Tells attempts from lines.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    /// Processes of sshd, and whether what was counted of one was only a sign of an attempt that was to follow.
    processes: VecDeque<(u64, bool)>,
}

impl Attempts {
    /// The attempt that a line tells of; none when it was counted before.
    pub(crate) fn line<'a>(&mut self, line: &'a str) -> Option<Attempt<'a>> {
        if let Some(process) = process_of(line, "sshd") {
            let is_attempt = line.contains("Failed ") && !line.contains("Failed none");
            let known = self.processes.iter_mut().find(|(known, _)| *known == process);
            match (is_attempt, known) {
                // Each such line is one attempt; the first may have been counted by its sign.
                (true, Some((_, announced))) if *announced => {
                    *announced = false;
                    return None;
                }
                (false, Some(_)) => return None,
                (_, Some(_)) => {}
                (is_attempt, None) => {
                    self.processes.push_back((process, !is_attempt));
                    if self.processes.len() > PROCESSES {
                        self.processes.pop_front();
                    }
                }
            }
        }
        Some(Attempt { address: address(line), user: user(line) })
    }
}

/// `12` of `sshd[12]:` or `sshd-session[12]:`.
fn process_of(line: &str, program: &str) -> Option<u64> {
    let (_, rest) = line.split_once(program)?;
    let rest = rest.strip_prefix("-session").unwrap_or(rest);
    let (digits, rest) = rest.strip_prefix('[')?.split_once(']')?;
    rest.starts_with(':').then(|| digits.parse().ok())?
}

/// Where it came from: what follows a word that says so, else the first thing that is an address.
fn address(line: &str) -> Option<&str> {
    let named = [" from ", "rhost=", "client=", "client: ", "addr=", "address=", "remote=", "ip="].iter();
    let named = named.filter_map(|word| line.split_once(word)).filter_map(|(_, rest)| first_address(first_word(rest)));
    named.into_iter().next().or_else(|| line.split_whitespace().find_map(first_address))
}

fn first_word(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or_default()
}

/// The address that a word is, without its brackets, quotes and port.
fn first_address(word: &str) -> Option<&str> {
    let bare = word.trim_matches(|c: char| matches!(c, '[' | ']' | '(' | ')' | '"' | '\'' | ',' | ';' | '.' | '='));
    let bare = bare.rsplit_once('=').map_or(bare, |(_, value)| value);
    if is_address(bare) {
        return Some(bare);
    }
    let (host, port) = bare.rsplit_once(':')?;
    let host = host.trim_matches(['[', ']']);
    (port.bytes().all(|digit| digit.is_ascii_digit()) && is_address(host)).then_some(host)
}

fn is_address(text: &str) -> bool {
    text.parse::<std::net::IpAddr>().is_ok()
}

/// Whose name was tried.
fn user(line: &str) -> Option<&str> {
    for word in [
        "invalid user ",
        "Invalid user ",
        "illegal user ",
        "unknown user ",
        "authenticating user ",
        "for user ",
        " user=",
    ] {
        if let Some((_, rest)) = line.split_once(word) {
            let name = rest.split([' ', ',', ';', '\t']).next().unwrap_or_default();
            // An empty name is one that was tried.
            let name = if name == "from" { "" } else { name };
            return Some(name.trim_matches(['"', '\'']));
        }
    }
    if let Some((_, rest)) = line.split_once(" for ").or_else(|| line.split_once(" user ")) {
        let name = first_word(rest).trim_matches(|c: char| matches!(c, '"' | '\'' | ',' | ':'));
        return (!name.is_empty() && !is_address(name)).then_some(name);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempts(lines: &[&str]) -> Vec<(Option<String>, Option<String>)> {
        let mut attempts = Attempts::default();
        let owned = |text: Option<&str>| text.map(str::to_owned);
        lines.iter().filter_map(|line| attempts.line(line)).map(|it| (owned(it.address), owned(it.user))).collect()
    }

    #[test]
    fn who_tried_and_from_where_is_told() {
        for (line, address, user) in [
            ("sshd[1]: Failed password for root from 203.0.113.9 port 22 ssh2", Some("203.0.113.9"), Some("root")),
            (
                "sshd[2]: Failed password for invalid user admin from 2001:db8::1 port 1 ssh2",
                Some("2001:db8::1"),
                Some("admin"),
            ),
            ("sshd[3]: Invalid user  from 203.0.113.9 port 5", Some("203.0.113.9"), Some("")),
            ("sshd-session[4]: Failed publickey for git from 203.0.113.9 port 5", Some("203.0.113.9"), Some("git")),
            (
                "su: pam_unix(su:auth): authentication failure; logname= uid=0 rhost=203.0.113.7 user=eve",
                Some("203.0.113.7"),
                Some("eve"),
            ),
            (
                "[error] 12#0: *5 user \"eve\": password mismatch, client: 203.0.113.8, server: x",
                Some("203.0.113.8"),
                Some("eve"),
            ),
            ("FATAL: password authentication failed for user \"app\"", None, Some("app")),
            ("login failed addr=203.0.113.6:4711 x", Some("203.0.113.6"), None),
            ("authentication failed (10.0.0.5)", Some("10.0.0.5"), None),
            ("auth error", None, None),
        ] {
            let found = attempts(&[line]);
            assert_eq!(found, [(address.map(Into::into), user.map(Into::into))], "{line}");
        }
    }

    #[test]
    fn an_attempt_that_makes_several_lines_is_one() {
        let invalid = [
            "sshd[7]: Invalid user admin from 203.0.113.9 port 5",
            "sshd[7]: pam_unix(sshd:auth): authentication failure; rhost=203.0.113.9",
            "sshd[7]: Failed password for invalid user admin from 203.0.113.9 port 5 ssh2",
            "sshd[7]: Connection closed by invalid user admin 203.0.113.9 port 5 [preauth]",
        ];
        assert_eq!(attempts(&invalid).len(), 1);
        let three = [
            "sshd[8]: pam_unix(sshd:auth): authentication failure; rhost=203.0.113.9 user=root",
            "sshd[8]: Failed password for root from 203.0.113.9 port 5 ssh2",
            "sshd[8]: Failed password for root from 203.0.113.9 port 5 ssh2",
            "sshd[8]: Failed password for root from 203.0.113.9 port 5 ssh2",
            "sshd[8]: error: maximum authentication attempts exceeded for root from 203.0.113.9",
        ];
        assert_eq!(attempts(&three).len(), 3);
        assert_eq!(attempts(&[invalid, invalid].concat()).len(), 2);
        let others: Vec<String> =
            (0..1_000).map(|n| format!("sshd[{n}]: Failed password for root from ::1 port 1")).collect();
        assert_eq!(attempts(&others.iter().map(String::as_str).collect::<Vec<_>>()).len(), 1_000);
    }
}
