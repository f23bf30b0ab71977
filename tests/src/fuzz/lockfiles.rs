//! A lockfile ends in packages and problems, whatever it holds: bounded in number and length, with versions whose order
//! is one.

use std::cmp::Ordering;

use lockfiles::{Contents, Exception, Format, Version, read};

use super::{Found, ensure};

const FORMATS: [Format; 10] = [
    Format::Requirements,
    Format::PythonLock,
    Format::PipfileLock,
    Format::CargoLock,
    Format::PackageLock,
    Format::YarnLock,
    Format::PnpmLock,
    Format::GoModule,
    Format::GoSum,
    Format::Sbom,
];

pub(super) fn check(input: &[u8]) -> Found {
    for format in FORMATS {
        let contents = read(format, input);
        bounded(format, &contents, input)?;
        ensure(contents == read(format, input), || format!("{format:?} is read in two ways"))?;
        ordered(&contents)?;
    }
    // An exception that is one is understood again as it is shown.
    let text = String::from_utf8_lossy(input);
    if let Ok(exception) = Exception::parse(&text) {
        let package = exception.package.as_ref().map(|package| format!(" in {package}")).unwrap_or_default();
        let shown = format!("{}{package} until {}: {}", exception.subject, exception.until, exception.reason);
        ensure(Exception::parse(&shown).as_ref() == Ok(&exception), || format!("`{shown}` is another exception"))?;
    }
    Ok(())
}

fn bounded(format: Format, contents: &Contents, input: &[u8]) -> Found {
    let Contents { packages, unpinned, includes, unknown, problems } = contents;
    let entries = packages.len() + unpinned.len() + includes.len() + unknown.len();
    // Nothing comes from nothing.
    ensure(entries <= input.len(), || format!("{format:?}: {entries} entries of {} bytes", input.len()))?;
    ensure(problems.len() <= input.len() + 1, || format!("{format:?}: {} problems", problems.len()))?;
    for problem in problems {
        ensure(!problem.message.is_empty() && problem.message.len() < 300, || format!("{format:?}: {problem}"))?;
    }
    for package in packages {
        ensure(!package.version.contains(['\n', '\r']), || format!("{format:?}: a version of two lines: {package:?}"))?;
    }
    Ok(())
}

/// Each pair of versions has an order, turned around the other way round; from one to itself is no way.
fn ordered(contents: &Contents) -> Found {
    let versions: Vec<(&str, Version)> = contents
        .packages
        .iter()
        .take(16)
        .filter_map(|package| Some((package.version.as_str(), Version::parse(&package.ecosystem, &package.version)?)))
        .collect();
    for (text, one) in &versions {
        ensure(one.compare(one) == Some(Ordering::Equal), || format!("{text} is not itself"))?;
        for (other_text, other) in &versions {
            let (there, back) = (one.compare(other), other.compare(one));
            ensure(there == back.map(Ordering::reverse), || format!("{text} and {other_text}: {there:?}, {back:?}"))?;
            let _ = one.jump_to(other);
        }
    }
    Ok(())
}
