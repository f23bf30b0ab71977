//! Checksums that lie beside backups: `app.sql.gz.sha256`, and `SHA256SUMS` for a whole directory. Pure.

/// Names of files that hold the checksums of a directory.
const LISTS: [&str; 4] = ["SHA256SUMS", "sha256sums", "SHA256SUMS.txt", "sha256sums.txt"];
/// Suffixes of a file that holds that of one.
const SUFFIXES: [&str; 3] = [".sha256", ".sha256sum", ".sha256.txt"];

/// Globs of files that lie beside backups and are none.
pub(crate) const BESIDE: [&str; 9] = [
    "*.manifest.json",
    "*.sha256",
    "*.sha256sum",
    "*.sha256.txt",
    "SHA256SUMS*",
    "sha256sums*",
    "*.md5",
    "*.asc",
    "*.sig",
];

/// Where the checksum of a backup may be.
pub(crate) fn paths(backup: &str) -> Vec<String> {
    let directory = backup.rsplit_once('/').map_or(String::new(), |(directory, _)| format!("{directory}/"));
    let own = SUFFIXES.iter().map(|suffix| format!("{backup}{suffix}"));
    own.chain(LISTS.iter().map(|list| format!("{directory}{list}"))).collect()
}

/// The checksum that a file beside a backup gives for it: in the form of sha256sum, in that of BSD, or alone.
pub(crate) fn find(content: &str, beside: &str, backup: &str) -> Option<String> {
    let name = backup.rsplit('/').next().unwrap_or(backup);
    let is_list = LISTS.iter().any(|list| beside.rsplit('/').next() == Some(list));
    for line in content.lines().map(str::trim).filter(|line| !line.is_empty()) {
        // `SHA256 (app.sql.gz) = 12ab...`
        if let Some((file, sum)) = line.strip_prefix("SHA256 (").and_then(|rest| rest.rsplit_once(") = ")) {
            if is_of(file, name) && is_sum(sum) {
                return Some(sum.to_ascii_lowercase());
            }
            continue;
        }
        let (sum, file) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        // `*` says that it was read in binary.
        let file = file.trim_start().trim_start_matches('*');
        if is_sum(sum) && (is_of(file, name) || (file.is_empty() && !is_list)) {
            return Some(sum.to_ascii_lowercase());
        }
    }
    None
}

fn is_of(file: &str, name: &str) -> bool {
    file.rsplit('/').next() == Some(name)
}

fn is_sum(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|digit| digit.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_read_in_every_form() {
        let sum = "Ab".repeat(32);
        let other = "cd".repeat(32);
        for (content, beside, expected) in [
            (sum.clone(), "d/a.sql.sha256", true),
            (format!("{sum}\n"), "d/a.sql.sha256", true),
            (format!("{sum}  a.sql\n"), "d/a.sql.sha256", true),
            (format!("{sum} *./backups/a.sql\n"), "d/a.sql.sha256", true),
            (format!("SHA256 (a.sql) = {sum}\n"), "d/a.sql.sha256", true),
            (format!("{other}  b.sql\n{sum}  a.sql\n"), "d/SHA256SUMS", true),
            // One without a name says nothing of this file.
            (sum.clone(), "d/SHA256SUMS", false),
            (format!("{sum}  b.sql\n"), "d/a.sql.sha256", false),
            ("no checksum".into(), "d/a.sql.sha256", false),
            ("abcd  a.sql".into(), "d/a.sql.sha256", false),
            (String::new(), "d/a.sql.sha256", false),
        ] {
            let found = find(&content, beside, "d/a.sql");
            assert_eq!(found, expected.then(|| sum.to_ascii_lowercase()), "{content:?} in {beside}");
        }
    }

    #[test]
    fn checksums_are_looked_for_beside_the_backup() {
        let paths = paths("d/a.sql");
        assert!(paths.contains(&"d/a.sql.sha256".into()) && paths.contains(&"d/SHA256SUMS".into()));
        assert!(super::paths("a.sql").contains(&"SHA256SUMS".into()));
    }
}
