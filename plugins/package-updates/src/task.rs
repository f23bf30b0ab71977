//! The plugin's way to the host: parameters and slots in, findings and metrics out.

use std::str::FromStr as _;

use lockfiles::survey::{EXCLUDE, PATTERN, Pinned, Survey};
use lockfiles::{Ecosystem, Exceptions, Jump, OffsetDateTime, Package};
use taskhost_sdk::command::Impact;
use taskhost_sdk::files::Directory;
use taskhost_sdk::prelude::*;
use taskhost_sdk::report::next_action_on;
use taskhost_sdk::words::counted;

use crate::index;
use crate::judge::{Rules, Standing, judge};
use crate::listed;
use crate::say::{self, Limits, Tally, Warn};

const LOCKFILES: files::Slot =
    files::Slot::new("lockfiles", "the directory whose lockfiles and bills of materials are read").read().optional();
const LIST: command::Slot = command::Slot::new(
    "list",
    "lists what is outdated where it is installed: pip list --outdated --format=json, npm outdated --json, apt list \
     --upgradable",
)
.observe()
.optional();

/// Next actions of one run.
const ACTIONS: usize = 30;
/// The most bytes that a list may have.
const LIST_LIMIT: usize = 8 << 20;

#[derive(Parameters)]
struct Options {
    /// Names of files to read; none means every kind of lockfile and bill of materials that is known.
    #[parameter(default = "")]
    pattern: Vec<String>,
    /// Paths or names to leave out, as in `archive/**`; a directory that matches is not entered.
    #[parameter(default = EXCLUDE)]
    exclude: Vec<String>,
    /// Packages that are only for building and testing count too, where the lockfile tells them apart.
    #[parameter(default = true)]
    development: bool,
    /// Packages count too that only other packages ask for, where the lockfile tells them apart.
    #[parameter(default = false)]
    indirect: bool,
    /// Alphas, betas and release candidates count as releases.
    #[parameter(default = false)]
    pre_releases: bool,
    /// Only releases count that are for this version of Python, such as 3.11.
    python: Option<String>,
    /// Only releases count that have been out for so long.
    #[parameter(default = "0s", max = "52w")]
    min_age: Duration,
    /// An update this far away or farther is a warning.
    #[parameter(default = Warn::Major)]
    warn: Warn,
    /// And any that has been there for longer than this.
    #[parameter(default = "26w", min = "1d", max = "520w")]
    max_behind: Duration,
    /// What is let pass: `django until 2030-12-31: why`.
    #[parameter(default = "")]
    ignore: Vec<String>,
}

/// Reads, asks, judges.
#[task(
    summary = "says which pinned packages are behind, by how much and for how long, yanked or deprecated",
    slots = [LOCKFILES, index::PYPI, index::CRATES, index::NPM, index::GO, LIST],
    memory = "256MiB"
)]
async fn package_updates(options: Options) -> Result<String> {
    let now = OffsetDateTime::now_utc();
    let mut exceptions = Exceptions::parse(&options.ignore).map_err(Failure::invalid)?;
    let python = options.python.as_deref().map(|text| {
        pep440_rs::Version::from_str(text)
            .map_err(|_| Failure::invalid(format!("python={text} is no version; write it like 3.11")))
    });
    let rules = Rules {
        pre_releases: options.pre_releases,
        python: python.transpose()?,
        min_age: options.min_age.as_secs(),
        now,
    };
    let limits = Limits { warn: options.warn, max_behind: options.max_behind.as_secs(), today: now.date() };
    let directory = match LOCKFILES.open() {
        Ok(directory) => Some(directory),
        Err(files::Error::Refused(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let templates = match LIST.templates() {
        Ok(templates) => templates,
        Err(command::Error::Refused(_)) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let indexed = index::any()?;
    if templates.is_empty() && (directory.is_none() || !indexed) {
        return Err(Failure::invalid(
            "there is nothing to compare; add --files lockfiles=DIRECTORY and an index such as --http \
             pypi=https://pypi.org, or --command list=FILE with a template that lists what is outdated",
        ));
    }

    let mut tally = Tally::default();
    let mut said = Vec::new();
    for template in templates {
        let lines = list(&template, &limits, &mut tally, &mut exceptions).await?;
        said.push(format!("{} listed by `{}`", counted(lines, "update"), template.name));
    }
    if let Some(directory) = directory.filter(|_| indexed) {
        said.insert(0, pins(&directory, &options, &rules, &limits, &mut tally, &mut exceptions).await?);
    }
    for finding in tally.rest().into_iter().chain(say::exceptions(&exceptions, now.date())) {
        finding.report();
    }
    conclude(&tally);
    Ok(summary(&tally, &said))
}

/// Reads pins, and asks the indexes for each.
async fn pins(
    directory: &Directory,
    options: &Options,
    rules: &Rules,
    limits: &Limits,
    tally: &mut Tally,
    exceptions: &mut Exceptions,
) -> Result<String> {
    let all: Vec<String> = PATTERN.split(',').map(Into::into).collect();
    let pattern = if options.pattern.is_empty() { &all } else { &options.pattern };
    let survey = Survey::of(directory, pattern, &options.exclude).await?;
    let problems = survey.findings();
    if survey.files() == 0 && problems.is_empty() {
        return Err(Failure::new("no file below slot `lockfiles` is a lockfile; name them with `pattern`"));
    }
    for finding in problems {
        finding.report();
    }
    let counts = |package: &Package| {
        package.indexed
            && (options.development || !package.development)
            && (options.indirect || package.direct != Some(false))
            && (package.ecosystem != Ecosystem::GO || package.name != "stdlib")
    };
    let packages: Vec<&Pinned> = survey.pinned().into_iter().filter(|pinned| counts(&pinned.package)).collect();
    let plain: Vec<&Package> = packages.iter().map(|pinned| &pinned.package).collect();
    let answers = index::ask(&plain, rules.now).await.context("asking the indexes")?;
    if let Some(failure) = &answers.failure
        && answers.listings.is_empty()
        && answers.missing.is_empty()
    {
        return Err(failure.clone()).context("asking the indexes");
    }
    let mut checked = 0;
    for pinned in &packages {
        let key = (pinned.package.ecosystem.clone(), pinned.package.name.clone());
        let standing = match answers.listings.get(&key) {
            Some(listing) => judge(&pinned.package, listing, rules),
            None if answers.missing.contains(&key) => Standing { missing: true, ..Standing::default() },
            None => continue,
        };
        checked += 1;
        for finding in tally.pin(pinned, &standing, limits, exceptions) {
            finding.report();
        }
    }
    for finding in answers.findings() {
        finding.report();
    }
    Ok(format!("{} of {} compared", counted(checked, "pin"), counted(survey.files(), "file")))
}

/// Runs one template and judges what it lists; returns how many lines that are.
async fn list(
    template: &command::Template,
    limits: &Limits,
    tally: &mut Tally,
    exceptions: &mut Exceptions,
) -> Result<usize> {
    let name = &template.name;
    let unfit = if !matches!(template.impact, Impact::Observe) {
        Some("it is not marked as one that observes")
    } else if template.placeholders.iter().any(|placeholder| placeholder.required) {
        Some("it has placeholders that nothing here fills")
    } else {
        None
    };
    if let Some(why) = unfit {
        Finding::warning(name, "template not run").detail(why).remedy("write one for this slot alone").report();
        return Ok(0);
    }
    progress(0, None, format!("listing with `{name}`"));
    let output = match LIST.template(name).output(LIST_LIMIT).await {
        Ok(Some(output)) => output,
        Ok(None) => return Ok(0),
        Err(error @ (command::Error::Refused(_) | command::Error::OverBudget(_))) => return Err(error.into()),
        Err(error) => {
            let failure = Failure::from(error);
            Finding::warning(name, "no list")
                .detail(failure.message)
                .remedy("see what is wrong with the template")
                .report();
            return Ok(0);
        }
    };
    let (bytes, ended) = output;
    match listed::read(&bytes) {
        // npm ends with 1 when something is outdated: what counts is what it says.
        Ok(lines) if !lines.is_empty() || ended.success => {
            for line in &lines {
                if let Some(finding) = tally.line(name, line, limits, exceptions) {
                    finding.report();
                }
            }
            Ok(lines.len())
        }
        unread => {
            let why = unread.err().unwrap_or_else(|| "it lists nothing".into());
            let code = ended.code.map_or("a signal".into(), |code| format!("code {code}"));
            let errors = ended.errors.trim().lines().next_back().unwrap_or_default().to_owned();
            Finding::warning(name, "no list")
                .detail(format!("{why}; it ended with {code}: {errors}"))
                .remedy("see what is wrong with the template")
                .report();
            Ok(0)
        }
    }
}

/// Figures and next actions.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn conclude(tally: &Tally) {
    for jump in [Jump::Major, Jump::Minor, Jump::Patch] {
        let count = tally.outdated.get(&jump).copied().unwrap_or_default();
        Metric::new("packages_outdated", count as f64).subject(jump.word()).report();
    }
    for (name, count) in [
        ("packages_yanked", tally.yanked),
        ("packages_deprecated", tally.deprecated),
        ("packages_not_in_the_index", tally.missing),
        ("security_updates", tally.security),
        ("updates_let_pass", tally.let_pass),
    ] {
        Metric::new(name, count as f64).report();
    }
    for (subject, action) in tally.actions.iter().take(ACTIONS) {
        next_action_on(subject, action);
    }
}

fn summary(tally: &Tally, said: &[String]) -> String {
    let mut summary = said.join(", ");
    summary += &match tally.outdated() {
        0 => ": none is behind".to_owned(),
        many => format!(": {many} behind ({})", tally.jumps()),
    };
    for (count, what) in [
        (tally.security, "for security"),
        (tally.yanked, "yanked"),
        (tally.deprecated, "deprecated"),
        (tally.missing, "not in the index"),
        (tally.let_pass, "let pass"),
    ] {
        if count > 0 {
            summary += &format!(", {count} {what}");
        }
    }
    summary
}
