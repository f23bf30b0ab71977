//! The name of a new plugin: the host's own rule for names, and what Rust, cargo and this project keep for themselves. Pure.

/// Words that are no name of a function, in the edition that new plugins are written in.
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn", "else",
    "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod",
    "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static", "struct", "super", "trait", "true",
    "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];
/// Crates that every crate sees, and directories of cargo's own.
const OF_CARGO: &[&str] =
    &["alloc", "build", "core", "deps", "examples", "incremental", "main", "proc-macro", "std", "test"];
/// Packages that the build of a plugin is made of, and programs of this project.
const OF_THE_PROJECT: &[&str] = &["host", "taskhost", "wit-bindgen", "world", "xtask"];
/// As the host has it.
const LONGEST: usize = 64;

/// Whether a plugin may be called so.
///
/// # Errors
/// Why not.
pub(super) fn check(name: &str) -> Result<(), String> {
    let shown = crate::policy::text::clean_line(name, LONGEST);
    let kebab = name.starts_with(|first: char| first.is_ascii_lowercase())
        && !name.ends_with('-')
        && !name.contains("--")
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && name.len() <= LONGEST;
    if !kebab {
        let near = nearest(name).map(|near| format!(", such as `{near}`")).unwrap_or_default();
        return Err(format!(
            "`{shown}` is no name of a plugin: write lower-case letters, digits and single hyphens, a letter first, at \
             most {LONGEST} of them{near}"
        ));
    }
    if KEYWORDS.contains(&name) {
        return Err(format!("`{shown}` is a keyword of Rust; choose another name, such as `{shown}-check`"));
    }
    if OF_CARGO.contains(&name) || OF_THE_PROJECT.contains(&name) || name.starts_with("taskhost-") {
        return Err(format!("`{shown}` is taken by the tools that build a plugin; choose another name"));
    }
    Ok(())
}

/// The name that was probably meant.
fn nearest(name: &str) -> Option<String> {
    let mut near = String::new();
    for character in name.chars() {
        match character {
            'A'..='Z' if near.ends_with(|last: char| last.is_ascii_lowercase()) => {
                near.push('-');
                near.push(character.to_ascii_lowercase());
            }
            'A'..='Z' | 'a'..='z' | '0'..='9' => near.push(character.to_ascii_lowercase()),
            _ if !near.is_empty() && !near.ends_with('-') => near.push('-'),
            _ => {}
        }
    }
    near.truncate(LONGEST);
    let near = near.trim_end_matches('-');
    near.starts_with(|first: char| first.is_ascii_lowercase()).then(|| near.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_that_the_host_rust_and_cargo_take() {
        let longest = "a".repeat(LONGEST);
        for name in ["old-files", "a", "x2", "type-check", &longest] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
        for (name, expected) in [
            ("", "is no name of a plugin"),
            ("Old_Files", "such as `old-files`"),
            ("oldFiles", "such as `old-files`"),
            ("../../etc", "such as `etc`"),
            ("a/b", "such as `a-b`"),
            ("-a", "such as `a`"),
            ("a-", "such as `a`"),
            ("a--b", "such as `a-b`"),
            ("1a", "is no name of a plugin"),
            ("größe", "such as `gr-e`"),
            ("a\u{1b}[2J", "a\\u{1b}[2J"),
            (&format!("{longest}a"), "at most 64"),
            ("type", "is a keyword of Rust; choose another name, such as `type-check`"),
            ("gen", "is a keyword"),
            ("test", "is taken by the tools"),
            ("main", "is taken by the tools"),
            ("taskhost-sdk", "is taken by the tools"),
            ("host", "is taken by the tools"),
        ] {
            let error = check(name).unwrap_err();
            assert!(error.contains(expected), "{name}: {error}");
        }
    }
}
