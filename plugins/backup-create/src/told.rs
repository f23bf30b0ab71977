//! What became of the files of an archive.

use taskhost_sdk::prelude::*;
use taskhost_sdk::words::count;

/// Files that are named in a finding.
const NAMED: usize = 5;

/// What became of the files.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) members: u64,
    pub(crate) bytes: u64,
    pub(crate) links: Names,
    pub(crate) others: Names,
    pub(crate) unread: Names,
    pub(crate) changed: Names,
}

/// Some names, and how many there are.
#[derive(Default)]
pub(crate) struct Names {
    number: u64,
    first: Vec<String>,
}

impl Names {
    pub(crate) fn add(&mut self, name: String) {
        self.number += 1;
        if self.first.len() < NAMED {
            self.first.push(name);
        }
    }
}

impl std::fmt::Display for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", count(self.number), self.first.join(", "))?;
        match self.number - self.first.len() as u64 {
            0 => Ok(()),
            more => write!(f, " and {} more", count(more)),
        }
    }
}

impl Told {
    /// Says what the archive lacks.
    pub(crate) fn report(&self, name: &str) {
        for (names, title, remedy) in [
            (
                &self.unread,
                "files could not be read",
                "give the host's user the right to read them, or leave them out with exclude=...",
            ),
            (
                &self.changed,
                "files changed while they were read",
                "back up what is always written (a database) by its own dump, and leave it out here with exclude=...",
            ),
            (&self.links, "links are not in the archive", "leave them out with exclude=... if they can be made again"),
        ] {
            if names.number > 0 {
                Finding::warning(name, title).detail(names.to_string()).remedy(remedy).report();
            }
        }
        if self.others.number > 0 {
            log::info(format!("{} left out: sockets, pipes, devices", count(self.others.number)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_many_names_are_told() {
        for (number, expected) in
            [(1, "1: f0"), (5, "5: f0, f1, f2, f3, f4"), (1_007, "1,007: f0, f1, f2, f3, f4 and 1,002 more")]
        {
            let mut names = Names::default();
            for file in 0..number {
                names.add(format!("f{file}"));
            }
            assert_eq!(names.to_string(), expected);
        }
    }
}
