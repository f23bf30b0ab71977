//! `pnpm-lock.yaml`, lockfile versions 5 to 9: the keys of its `packages`, which pnpm writes one a line.

use crate::Ecosystem;
use crate::bounded::MOST;
use crate::file::{Contents, Package, Problem};

pub(crate) fn read(text: &str) -> Contents {
    let mut lines = text.lines();
    let Some(version) = lines.by_ref().take(20).find_map(|line| line.strip_prefix("lockfileVersion:")) else {
        return Contents::broken("there is no `lockfileVersion` at its beginning");
    };
    let slashes = version.trim().trim_matches(['\'', '"']).starts_with('5');
    let mut contents = Contents::default();
    let mut within = false;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_end();
        if !line.starts_with(' ') && !line.is_empty() && !line.starts_with('#') {
            within = line == "packages:";
        } else if within && line.strip_prefix("  ").is_some_and(|key| !key.starts_with([' ', '#'])) {
            if contents.packages.len() >= MOST || contents.problems.len() >= 100 {
                contents.problems.push(Problem::at(number + 1, "too much of it: the rest is not read"));
                return contents;
            }
            let key = line.trim().trim_end_matches(':').trim_matches(['\'', '"']);
            match package(key, slashes) {
                Some(package) => contents.packages.push(package),
                // What lies beside the lockfile, or comes from elsewhere.
                None if key.contains(':') => contents.unpinned.push(key.into()),
                None => contents.problems.push(Problem::at(number + 1, format!("`{key}` is no package"))),
            }
        } else if within
            && line == "    dev: true"
            && let Some(package) = contents.packages.last_mut()
        {
            package.development = true;
        }
    }
    contents
}

/// `/name/1.0.0_peer@2` (5), `/name@1.0.0(peer@2)` (6), `name@1.0.0` (9).
fn package(key: &str, slashes: bool) -> Option<Package> {
    let key = key.split('(').next().unwrap_or_default();
    if key.contains(':') {
        return None;
    }
    let key = key.strip_prefix('/').unwrap_or(key);
    let (name, version) = if slashes {
        let parts = if key.starts_with('@') { 2 } else { 1 };
        let at = key.match_indices('/').nth(parts - 1)?.0;
        let (name, version) = key.split_at_checked(at)?;
        (name, version.trim_start_matches('/').split('_').next().unwrap_or_default())
    } else {
        key.rsplit_once('@')?
    };
    let good = !name.is_empty() && version.starts_with(|c: char| c.is_ascii_digit());
    good.then(|| Package::new(Ecosystem::NPM, name, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_generation_of_keys_is_read() {
        for (text, expected) in [
            (
                "lockfileVersion: 5.4\n\nspecifiers:\n  a: ^1\n\npackages:\n\n  /a/1.0.0:\n    resolution: {integrity: x}\n    dev: true\n\n  \
                 /@s/b/2.0.0_a@1.0.0:\n    dependencies:\n      a: 1.0.0\n    dev: false\n",
                &[("a@1.0.0", true), ("@s/b@2.0.0", false)][..],
            ),
            (
                "lockfileVersion: '6.0'\n\npackages:\n\n  /a@1.0.0:\n    dev: true\n\n  /@s/b@2.0.0(a@1.0.0):\n    dev: false\n",
                &[("a@1.0.0", true), ("@s/b@2.0.0", false)],
            ),
            (
                "lockfileVersion: '9.0'\n\nimporters:\n\n  .:\n    dependencies:\n      a:\n        specifier: ^1\n        version: 1.0.0\n\n\
                 packages:\n\n  a@1.0.0:\n    resolution: {integrity: x}\n\n  '@s/b@2.0.0':\n    resolution: {}\n\n  \
                 ours@file:../ours:\n    resolution: {}\n\nsnapshots:\n\n  a@1.0.0: {}\n",
                &[("a@1.0.0", false), ("@s/b@2.0.0", false)],
            ),
        ] {
            let contents = read(text);
            assert_eq!(contents.problems, []);
            let packages: Vec<_> = contents
                .packages
                .iter()
                .map(|one| (format!("{}@{}", one.name, one.version), one.development))
                .collect();
            let expected: Vec<_> = expected.iter().map(|(name, dev)| ((*name).to_owned(), *dev)).collect();
            assert_eq!(packages, expected);
        }
    }

    #[test]
    fn what_is_no_key_is_a_problem() {
        assert_eq!(read("packages:\n  a@1.0.0:\n").problems.len(), 1);
        let contents = read("lockfileVersion: '9.0'\npackages:\n  nonsense:\n  a@:\n  a@1.0.0:\n");
        assert_eq!((contents.packages.len(), contents.problems.len()), (1, 2));
    }
}
