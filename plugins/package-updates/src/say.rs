//! What is said of pins: a finding for what should be seen to, and one a file for what merely can be updated. Pure.

use std::collections::BTreeMap;

use lockfiles::survey::Pinned;
use lockfiles::{Date, Exceptions, Jump, OffsetDateTime};
use taskhost_sdk::prelude::*;
use taskhost_sdk::words::{counted, some_of};

use crate::judge::Standing;
use crate::listed::Listed;

/// From which jump on an update is a warning.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warn {
    /// Any.
    Patch,
    /// More than repairs.
    Minor,
    /// One that may break something.
    Major,
    /// None, unless it has been out for too long.
    Never,
}

/// From where something is said.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// By the size of the jump.
    pub warn: Warn,
    /// Or by the seconds that there has been an update.
    pub max_behind: u64,
    /// To tell which exceptions still hold.
    pub today: Date,
}

impl Limits {
    fn warns(&self, jump: Jump, behind: Option<u64>) -> bool {
        let by_jump = match self.warn {
            Warn::Patch => true,
            Warn::Minor => jump >= Jump::Minor,
            Warn::Major => jump >= Jump::Major,
            Warn::Never => false,
        };
        by_jump || behind.is_some_and(|behind| behind > self.max_behind)
    }
}

/// What came of all pins.
#[derive(Debug, Default)]
pub struct Tally {
    /// Pins with an update, by its jump.
    pub outdated: BTreeMap<Jump, usize>,
    /// Pins that were taken back.
    pub yanked: usize,
    /// Pins that should not be used any more.
    pub deprecated: usize,
    /// Pins that the index does not have.
    pub missing: usize,
    /// Let pass by an exception.
    pub let_pass: usize,
    /// Updates that repair a vulnerability, as far as a list tells.
    pub security: usize,
    /// What to do.
    pub actions: Vec<(String, String)>,
    /// Updates that nobody need hurry with, by file.
    rest: BTreeMap<String, Vec<String>>,
    /// Pins whose versions cannot be compared.
    odd: Vec<String>,
}

const DAY: u64 = 86_400;

impl Tally {
    /// How many have an update.
    pub fn outdated(&self) -> usize {
        self.outdated.values().sum()
    }

    /// Judges one pin by where it stands.
    pub fn pin(
        &mut self,
        pinned: &Pinned,
        standing: &Standing,
        limits: &Limits,
        exceptions: &mut Exceptions,
    ) -> Vec<Finding> {
        let package = &pinned.package;
        let subject = format!("{} {}", package.name, package.version);
        let files: Vec<&str> = pinned.files.iter().map(String::as_str).collect();
        let place = format!("pinned in {}", some_of(&files, 3));
        let mut findings = Vec::new();
        let nothing = standing.update.is_none()
            && standing.yanked.is_none()
            && standing.deprecated.is_none()
            && !standing.missing;
        if standing.odd {
            self.odd.push(subject.clone());
        }
        if nothing {
            return findings;
        }
        if let Some(exception) = exceptions.hold(&[&package.name], &package.name, limits.today) {
            self.let_pass += 1;
            let detail = format!("until {}: {}", exception.until, exception.reason);
            return vec![Finding::ok(subject, "let pass").detail(detail)];
        }
        let newer = standing.update.as_ref().map(|update| match &update.name {
            Some(name) => format!("{name} {}", update.version),
            None => update.version.clone(),
        });
        if let Some(why) = &standing.yanked {
            self.yanked += 1;
            let remedy =
                newer.as_ref().map_or("ask its authors what to use instead".into(), |newer| format!("pin {newer}"));
            findings.push(
                Finding::warning(&subject, "yanked release")
                    .detail(format!("{}; {place}", reason("it was taken back", why)))
                    .remedy(remedy),
            );
            self.actions.extend(
                newer.as_ref().map(|newer| (subject.clone(), format!("replace the yanked release by {newer}"))),
            );
        }
        if let Some(why) = &standing.deprecated {
            self.deprecated += 1;
            findings.push(
                Finding::warning(&subject, "deprecated package")
                    .detail(format!("{}; {place}", reason("it should not be used any more", why)))
                    .remedy("look for what takes its place: nobody will repair it"),
            );
        }
        if standing.missing {
            self.missing += 1;
            findings.push(
                Finding::warning(&subject, "not in the index")
                    .detail(format!("the index has no such version; {place}"))
                    .remedy("see where it is from: a release that was removed, a private package, or a wrong name"),
            );
        }
        if let Some(update) = &standing.update {
            *self.outdated.entry(update.jump).or_default() += 1;
            let newer = newer.unwrap_or_default();
            let line = format!("{newer}{} ({})", of(update.published), update.jump.word());
            if limits.warns(update.jump, update.behind) {
                let behind = match update.behind {
                    Some(behind) => format!(
                        ", {} behind over {}",
                        counted(update.releases, "release"),
                        counted(behind / DAY, "day")
                    ),
                    None => String::new(),
                };
                findings.push(
                    Finding::warning(&subject, "outdated")
                        .detail(format!("{line} is there, the pin is{}{behind}; {place}", since(standing.published)))
                        .remedy(format!("update it to {newer}, or a step towards it")),
                );
                if standing.yanked.is_none() {
                    self.actions.push((subject, format!("update to {newer} ({})", update.jump.word())));
                }
            } else {
                let file = pinned.files.first().cloned().unwrap_or_default();
                self.rest.entry(file).or_default().push(format!("{subject} to {line}"));
            }
        }
        findings
    }

    /// Judges one line of a package manager's list.
    pub fn line(
        &mut self,
        template: &str,
        listed: &Listed,
        limits: &Limits,
        exceptions: &mut Exceptions,
    ) -> Option<Finding> {
        let subject = format!("{} {}", listed.name, listed.current);
        if let Some(exception) = exceptions.hold(&[&listed.name], &listed.name, limits.today) {
            self.let_pass += 1;
            let detail = format!("until {}: {}", exception.until, exception.reason);
            return Some(Finding::ok(subject, "let pass").detail(detail));
        }
        // What cannot be compared may be anything.
        let jump = listed.jump.unwrap_or(Jump::Major);
        *self.outdated.entry(jump).or_default() += 1;
        let line = format!("{} ({})", listed.latest, listed.jump.map_or("unlike", Jump::word));
        if listed.security {
            self.security += 1;
            self.actions.insert(0, (subject.clone(), format!("install the security update {}", listed.latest)));
            let finding =
                Finding::warning(subject, "security update").detail(format!("{line} is there; listed by `{template}`"));
            return Some(finding.remedy("install it"));
        }
        if limits.warns(jump, None) {
            self.actions.push((subject.clone(), format!("update to {line}")));
            let finding =
                Finding::warning(subject, "outdated").detail(format!("{line} is there; listed by `{template}`"));
            return Some(finding.remedy(format!("update it to {}", listed.latest)));
        }
        self.rest.entry(template.to_owned()).or_default().push(format!("{subject} to {line}"));
        None
    }

    /// What is left to say at the end.
    pub fn rest(&self) -> Vec<Finding> {
        let mut findings: Vec<Finding> = self
            .rest
            .iter()
            .map(|(file, lines)| {
                Finding::ok(file, "can be updated").detail(format!(
                    "{}: {}",
                    counted(lines.len(), "package"),
                    lines.join(", ")
                ))
            })
            .collect();
        if !self.odd.is_empty() {
            let odd: Vec<&str> = self.odd.iter().map(String::as_str).collect();
            findings.push(Finding::ok("versions", "cannot be compared").detail(format!(
                "{}: {}",
                counted(odd.len(), "package"),
                some_of(&odd, 10)
            )));
        }
        findings
    }

    /// `3 major, 10 minor`.
    pub fn jumps(&self) -> String {
        let jumps: Vec<_> =
            self.outdated.iter().rev().map(|(jump, count)| format!("{count} {}", jump.word())).collect();
        jumps.join(", ")
    }
}

fn reason(what: &str, why: &str) -> String {
    let why = why.trim().trim_end_matches('.');
    if why.is_empty() { what.to_owned() } else { format!("{what}: {}", why.chars().take(300).collect::<String>()) }
}

fn of(time: Option<OffsetDateTime>) -> String {
    time.map(|time| format!(" of {}", time.date())).unwrap_or_default()
}

fn since(time: Option<OffsetDateTime>) -> String {
    time.map_or_else(|| " older".to_owned(), |time| format!(" of {}", time.date()))
}

/// What is said of the exceptions themselves, at the end.
pub fn exceptions(exceptions: &Exceptions, today: Date) -> Vec<Finding> {
    let expired = exceptions.expired(today).map(|one| {
        Finding::warning(&one.subject, "an exception is over")
            .detail(format!("it was let pass until {}: {}", one.until, one.reason))
            .remedy("update it, or decide anew and give it another day")
    });
    expired.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::Update;
    use lockfiles::{Ecosystem, Exception, Package, rfc3339};
    use taskhost_sdk::report::Severity;

    fn limits() -> Limits {
        let today = Exception::parse("x until 2024-06-01: y").unwrap().until;
        Limits { warn: Warn::Major, max_behind: 180 * DAY, today }
    }

    fn pinned() -> Pinned {
        let package = Package {
            ecosystem: Ecosystem::PYPI,
            name: "flask".into(),
            version: "2.3.0".into(),
            direct: None,
            development: false,
            indexed: true,
        };
        Pinned { package, files: vec!["requirements.txt".into()] }
    }

    fn standing(jump: Jump, behind: Option<u64>) -> Standing {
        let update = Update {
            version: "3.0.0".into(),
            name: None,
            published: rfc3339("2023-09-30T00:00:00Z"),
            jump,
            behind: behind.map(|days| days * DAY),
            releases: 3,
        };
        Standing { update: Some(update), published: rfc3339("2023-04-25T00:00:00Z"), ..Standing::default() }
    }

    fn said(standing: &Standing, limits: &Limits) -> Vec<(Severity, String, String)> {
        let mut tally = Tally::default();
        let findings = tally.pin(&pinned(), standing, limits, &mut Exceptions::default());
        let all = findings.into_iter().chain(tally.rest());
        all.map(|one| (one.severity(), one.title().to_owned(), one.text())).collect()
    }

    #[test]
    fn an_update_is_a_warning_by_its_jump_or_by_how_long_it_is_there() {
        let never = Limits { warn: Warn::Never, ..limits() };
        let patch = Limits { warn: Warn::Patch, ..limits() };
        for (standing, limits, expected) in [
            (standing(Jump::Major, Some(1)), limits(), Severity::Warning),
            (standing(Jump::Minor, Some(180)), limits(), Severity::Ok),
            (standing(Jump::Minor, Some(181)), limits(), Severity::Warning),
            (standing(Jump::Patch, None), limits(), Severity::Ok),
            (standing(Jump::Patch, None), patch, Severity::Warning),
            (standing(Jump::Major, None), never, Severity::Ok),
            (standing(Jump::Major, Some(181)), never, Severity::Warning),
        ] {
            assert_eq!(said(&standing, &limits)[0].0, expected, "{standing:?} {limits:?}");
        }
        assert_eq!(said(&Standing::default(), &limits()), []);
    }

    #[test]
    fn what_is_said_has_days_and_a_way_out() {
        let minor = said(&standing(Jump::Minor, Some(3)), &limits());
        assert_eq!(
            minor,
            [(Severity::Ok, "can be updated".into(), "1 package: flask 2.3.0 to 3.0.0 of 2023-09-30 (minor)".into())]
        );
        let major = said(&standing(Jump::Major, Some(245)), &limits());
        assert_eq!(
            major[0].2,
            "3.0.0 of 2023-09-30 (major) is there, the pin is of 2023-04-25, 3 releases behind over 245 days; pinned in \
             requirements.txt; update it to 3.0.0, or a step towards it"
        );
        let bad = Standing {
            yanked: Some("Leaks.".into()),
            deprecated: Some(String::new()),
            missing: true,
            ..standing(Jump::Patch, None)
        };
        let bad: Vec<_> =
            said(&bad, &limits()).into_iter().map(|(_, title, text)| format!("{title}: {text}")).collect();
        assert_eq!(bad[0], "yanked release: it was taken back: Leaks; pinned in requirements.txt; pin 3.0.0");
        assert!(bad[1].starts_with("deprecated package: it should not be used any more; pinned in"), "{}", bad[1]);
        assert!(bad[2].starts_with("not in the index: "), "{}", bad[2]);
        assert!(bad[3].starts_with("can be updated: "), "{}", bad[3]);
    }

    #[test]
    fn what_is_let_pass_is_shown_until_its_day() {
        for (text, title) in [
            ("Flask until 2024-06-01: waits for the rewrite", "let pass"),
            ("flask until 2024-05-31: waits for the rewrite", "outdated"),
            ("django until 2024-06-01: waits for the rewrite", "outdated"),
        ] {
            let mut exceptions = Exceptions::parse(&[text.into()]).unwrap();
            let findings = Tally::default().pin(&pinned(), &standing(Jump::Major, None), &limits(), &mut exceptions);
            assert_eq!(findings[0].title(), title, "{text}");
            let over = super::exceptions(&exceptions, limits().today);
            assert_eq!(over.len(), usize::from(text.contains("05-31")));
        }
    }

    #[test]
    fn a_line_of_a_list_is_judged_alike_and_security_comes_first() {
        let listed =
            |jump, security| Listed { name: "x".into(), current: "1".into(), latest: "2".into(), jump, security };
        let mut tally = Tally::default();
        let mut titles = Vec::new();
        for one in [
            listed(Some(Jump::Patch), false),
            listed(Some(Jump::Major), false),
            listed(None, false),
            listed(Some(Jump::Patch), true),
        ] {
            let finding = tally.line("apt", &one, &limits(), &mut Exceptions::default());
            titles.push(finding.map(|finding| finding.title().to_owned()));
        }
        assert_eq!(titles, [None, Some("outdated".into()), Some("outdated".into()), Some("security update".into())]);
        assert_eq!((tally.outdated(), tally.security, tally.jumps().as_str()), (4, 1, "2 major, 2 patch"));
        assert_eq!(tally.actions[0].1, "install the security update 2");
    }
}
