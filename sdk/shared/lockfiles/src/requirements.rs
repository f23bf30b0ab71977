//! pip's requirements files, as pip 25 reads them: a requirement of PEP 508 a line, options, includes, hashes, comments.
//!
//! Markers are not judged: which Python and which system it is for is not known here. What they may leave out counts.

use std::collections::BTreeSet;
use std::str::FromStr as _;

use pep440_rs::{Operator, VersionSpecifiers};

use crate::file::{Contents, Package, Problem};
use crate::{Ecosystem, bounded::MOST};

pub(crate) fn read(text: &str) -> Contents {
    let mut contents = Contents::default();
    let mut seen = BTreeSet::new();
    for (number, line) in logical_lines(text) {
        if contents.packages.len() + contents.unpinned.len() >= MOST || contents.problems.len() >= 100 {
            contents.problems.push(Problem::at(number, "too much of it: the rest is not read"));
            break;
        }
        match parse(&line) {
            Ok(Line::Nothing) => {}
            Ok(Line::Include(path)) => contents.includes.push(path),
            Ok(Line::Pinned { name, version, indexed }) => {
                // The same pin twice is for two markers.
                if seen.insert((Ecosystem::PYPI.normal_name(&name).into_owned(), version.clone())) {
                    contents.packages.push(Package { indexed, ..Package::new(Ecosystem::PYPI, &name, &version) });
                }
            }
            Ok(Line::Unpinned(name)) => contents.unpinned.push(name),
            Err(message) => contents.problems.push(Problem::at(number, message)),
        }
    }
    contents
}

#[derive(Debug, PartialEq)]
enum Line {
    Nothing,
    Include(String),
    Pinned { name: String, version: String, indexed: bool },
    Unpinned(String),
}

/// Lines with their continuations, without comments, with the numbers of their first.
fn logical_lines(text: &str) -> impl Iterator<Item = (usize, String)> {
    let mut lines = text.lines().enumerate();
    std::iter::from_fn(move || {
        let (index, first) = lines.next()?;
        let mut logical = String::new();
        let mut line = first;
        loop {
            // A comment ends with its line, whatever its last character is.
            let content = uncommented(line);
            match content.strip_suffix('\\') {
                Some(start) if content.len() == line.len() => {
                    logical.push_str(start);
                    match lines.next() {
                        Some((_, next)) => line = next,
                        None => break,
                    }
                }
                _ => {
                    logical.push_str(content);
                    break;
                }
            }
        }
        Some((index + 1, logical.trim().to_owned()))
    })
}

/// Without the comment: a `#` at the beginning, or behind a blank.
fn uncommented(line: &str) -> &str {
    let mut before = ' ';
    for (index, character) in line.char_indices() {
        if character == '#' && before.is_whitespace() {
            return line.get(..index).unwrap_or_default();
        }
        before = character;
    }
    line
}

fn parse(line: &str) -> Result<Line, String> {
    if line.is_empty() {
        return Ok(Line::Nothing);
    }
    if line.starts_with('-') {
        return Ok(option(line));
    }
    let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))).unwrap_or(line.len());
    let (name, rest) = line.split_at_checked(end).unwrap_or((line, ""));
    // A path or an address instead of a name.
    let address = rest.starts_with(['/', '\\', ':']) || (rest.starts_with('+') && rest.contains("://"));
    if address || line.starts_with('.') || is_archive(name) {
        return Ok(Line::Unpinned(shown(line)));
    }
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Err(format!("`{}` is no requirement", shown(line)));
    }
    let rest = extras(rest.trim_start()).ok_or_else(|| format!("the extras in `{}` do not end", shown(line)))?;
    if let Some(address) = rest.strip_prefix('@') {
        return Ok(direct(name, address.trim()));
    }
    // The marker, then options of the requirement: `--hash=sha256:...`.
    let specifiers = rest.split(';').next().unwrap_or_default();
    let specifiers = specifiers.split(" --").next().unwrap_or_default().trim();
    let specifiers = specifiers.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(specifiers);
    pin(name, specifiers.trim()).map_err(|message| format!("`{}`: {message}", shown(line)))
}

/// `-r other.txt`, `--constraint=other.txt`; what other options say changes no pin.
fn option(line: &str) -> Line {
    for name in ["-r", "--requirement", "-c", "--constraint"] {
        let Some(rest) = line.strip_prefix(name) else { continue };
        let short = !name.starts_with("--");
        let path = match rest.strip_prefix('=') {
            Some(path) => path,
            None if short || rest.starts_with(char::is_whitespace) => rest,
            None => continue,
        };
        return Line::Include(path.trim().trim_matches('"').to_owned());
    }
    for name in ["-e", "--editable"] {
        if let Some(rest) = line.strip_prefix(name) {
            let rest = rest.trim_start_matches('=').trim();
            let egg = rest.split_once("#egg=").map(|(_, egg)| egg.split(['&', '[']).next().unwrap_or_default());
            return Line::Unpinned(shown(egg.unwrap_or(rest)));
        }
    }
    Line::Nothing
}

/// What follows the extras, if there are any.
fn extras(rest: &str) -> Option<&str> {
    match rest.strip_prefix('[') {
        Some(inside) => inside.split_once(']').map(|(_, rest)| rest.trim_start()),
        None => Some(rest),
    }
}

/// `NAME @ ADDRESS`: a wheel's or archive's name may tell the version.
fn direct(name: &str, address: &str) -> Line {
    let address = address.split([' ', ';', '#', '?']).next().unwrap_or_default();
    let file = address.rsplit('/').next().unwrap_or_default();
    let version = is_archive(file).then(|| version_of(file)).flatten();
    match version {
        Some(version) => Line::Pinned { name: name.into(), version, indexed: false },
        None => Line::Unpinned(name.into()),
    }
}

fn is_archive(name: &str) -> bool {
    [".whl", ".tar.gz", ".zip", ".tar.bz2"].iter().any(|end| name.ends_with(end))
}

/// The version in the name of a wheel or of a source archive.
fn version_of(file: &str) -> Option<String> {
    let version = match file.strip_suffix(".whl") {
        Some(wheel) => wheel.split('-').nth(1)?,
        None => {
            let stem = [".tar.gz", ".zip", ".tar.bz2"].iter().find_map(|end| file.strip_suffix(end))?;
            stem.rsplit_once('-')?.1
        }
    };
    pep440_rs::Version::from_str(version).ok().map(|_| version.to_owned())
}

/// A pin is one `==` without a star, or a `===`, whatever else is asked for beside it.
fn pin(name: &str, specifiers: &str) -> Result<Line, String> {
    if specifiers.is_empty() {
        return Ok(Line::Unpinned(name.into()));
    }
    let pinned = |version: &str| Line::Pinned { name: name.into(), version: version.into(), indexed: true };
    if let Some(exact) = specifiers.strip_prefix("===") {
        return Ok(pinned(exact.trim()));
    }
    let parsed = VersionSpecifiers::from_str(specifiers).map_err(|error| {
        let message = error.to_string();
        message.lines().next().unwrap_or("no version specifier").trim_end_matches(':').to_lowercase()
    })?;
    let exact = parsed.iter().find(|one| matches!(one.operator(), Operator::Equal | Operator::ExactEqual));
    Ok(exact.map_or_else(|| Line::Unpinned(name.into()), |one| pinned(&one.version().to_string())))
}

/// What can be said of a line without a credential that its address may hold.
fn shown(line: &str) -> String {
    let line: String = line.chars().take(120).collect();
    match (line.find("://"), line.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => {
            let before = line.get(..scheme + 3).unwrap_or_default();
            format!("{before}\u{2026}{}", line.get(at..).unwrap_or_default())
        }
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_what_pip_takes_it_for() {
        let pinned =
            |name: &str, version: &str| Ok(Line::Pinned { name: name.into(), version: version.into(), indexed: true });
        let unpinned = |name: &str| Ok(Line::Unpinned(name.into()));
        let include = |path: &str| Ok(Line::Include(path.into()));
        for (line, expected) in [
            ("requests==2.31.0", pinned("requests", "2.31.0")),
            ("requests == 2.31.0", pinned("requests", "2.31.0")),
            ("requests[security,socks]==2.31.0", pinned("requests", "2.31.0")),
            ("requests [security] == 2.31.0", pinned("requests", "2.31.0")),
            ("requests (==2.31.0)", pinned("requests", "2.31.0")),
            ("requests>=2,==2.31.0", pinned("requests", "2.31.0")),
            ("requests==2.31.0 ; python_version < '3.12'", pinned("requests", "2.31.0")),
            ("requests==2.31.0;extra == 'a'", pinned("requests", "2.31.0")),
            ("requests==2.31.0 --hash=sha256:abc --hash=sha256:def", pinned("requests", "2.31.0")),
            ("torch==2.1.0+cpu", pinned("torch", "2.1.0+cpu")),
            ("old===2004d-legacy", pinned("old", "2004d-legacy")),
            ("zope.interface==6.0", pinned("zope.interface", "6.0")),
            ("requests", unpinned("requests")),
            ("requests>=2.0,<3", unpinned("requests")),
            ("requests~=2.31.0", unpinned("requests")),
            ("requests==2.*", unpinned("requests")),
            ("requests!=2.0", unpinned("requests")),
            ("-r base.txt", include("base.txt")),
            ("-rbase.txt", include("base.txt")),
            ("--requirement=sub/base.txt", include("sub/base.txt")),
            ("--requirement sub/base.txt", include("sub/base.txt")),
            ("-c constraints.txt", include("constraints.txt")),
            ("--constraint constraints.txt", include("constraints.txt")),
            ("--index-url https://user:secret@example.org/simple", Ok(Line::Nothing)),
            ("--require-hashes", Ok(Line::Nothing)),
            ("", Ok(Line::Nothing)),
            ("-e .", unpinned(".")),
            ("-e git+https://example.org/x.git@main#egg=x", unpinned("x")),
            ("./local/thing", unpinned("./local/thing")),
            ("./thing-1.0.tar.gz", unpinned("./thing-1.0.tar.gz")),
            ("thing-1.0.whl", unpinned("thing-1.0.whl")),
            ("https://example.org/x.zip", unpinned("https://example.org/x.zip")),
            ("git+https://u:p@example.org/x.git", unpinned("git+https://\u{2026}@example.org/x.git")),
            ("x @ git+https://example.org/x.git@abc", unpinned("x")),
            (
                "x @ https://example.org/x-1.2.3-py3-none-any.whl#sha256=00",
                Ok(Line::Pinned { name: "x".into(), version: "1.2.3".into(), indexed: false }),
            ),
            (
                "x@https://example.org/x-1.2.3.tar.gz ; python_version > '3'",
                Ok(Line::Pinned { name: "x".into(), version: "1.2.3".into(), indexed: false }),
            ),
        ] {
            assert_eq!(parse(line), expected, "{line}");
        }
        for line in
            ["<<<<<<< HEAD", "=======", "requests[security", "requests=2", "requests==", "$(rm -rf /)", "é==1", "a b"]
        {
            assert!(parse(line).is_err(), "{line}: {:?}", parse(line));
        }
    }

    #[test]
    fn comments_and_continuations_are_pips() {
        let text = "# all of it \\\nflask==3.0.0 # the web \\\njinja2==3.1.3 \\\n    --hash=sha256:a \\\n    --hash=sha256:b\nname==1.0#2\n\n\
                    flask==3.0.0 ; sys_platform == 'win32'\n-r more.txt\nlast==1 \\";
        let contents = read(text);
        let packages: Vec<_> = contents.packages.iter().map(|one| format!("{}@{}", one.name, one.version)).collect();
        assert_eq!(packages, ["flask@3.0.0", "jinja2@3.1.3", "last@1"]);
        assert_eq!(contents.includes, ["more.txt"]);
        // As pip: a comment stands behind a blank.
        assert_eq!(contents.problems.len(), 1);
        assert_eq!(contents.problems[0].line, Some(6));
    }

    #[test]
    fn problems_are_bounded() {
        let contents = read(&"?\n".repeat(100_000));
        assert_eq!(contents.problems.len(), 101);
    }
}
