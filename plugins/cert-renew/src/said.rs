//! What a program complained of, without what nobody may see. Pure.

/// An unbroken word of so many characters of base64 is more likely a key than a name.
const SECRET: usize = 40;
/// Characters of a line that are shown.
const SHOWN: usize = 300;

/// The last line that says something; blocks of PEM are left out, and long words of base64 are three dots.
pub(crate) fn last_words(errors: &str) -> Option<String> {
    let mut lines: Vec<&str> = Vec::new();
    let mut inside = false;
    for line in errors.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if line.contains("-----BEGIN") {
            inside = true;
        } else if line.contains("-----END") {
            // What was cut off at its start has no beginning: its lines go too.
            while !inside && lines.last().is_some_and(|line| line.bytes().all(is_base64)) {
                lines.pop();
            }
            inside = false;
        } else if !inside {
            lines.push(line);
        }
    }
    Some(masked(lines.last()?))
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=-_".contains(&byte)
}

fn masked(line: &str) -> String {
    let mut shown = String::new();
    let mut word = String::new();
    for character in line.chars().chain([' ']) {
        if u8::try_from(character).is_ok_and(is_base64) {
            word.push(character);
            continue;
        }
        shown.push_str(if word.len() < SECRET { &word } else { "..." });
        word.clear();
        shown.push(character);
    }
    shown.trim_end().chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_shown_and_no_key() {
        let secret = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg";
        for (errors, shown) in [
            ("", None),
            ("one\n\n  two  \n", Some("two")),
            ("failed\n-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", Some("failed")),
            ("failed\n-----BEGIN PRIVATE KEY-----\nAAAA\nBB==", Some("failed")),
            ("AAAA\nBB==\n-----END PRIVATE KEY-----\nrate limited", Some("rate limited")),
            ("AAAA\nBB==\n-----END PRIVATE KEY-----", None),
            (
                &format!("key {secret}, of /etc/letsencrypt/live/example.org"),
                Some("key ..., of /etc/letsencrypt/live/example.org"),
            ),
            (secret, Some("...")),
        ] {
            assert_eq!(last_words(errors).as_deref(), shown, "{errors}");
        }
        assert_eq!(last_words(&"a ".repeat(1_000)).map(|line| line.len()), Some(SHOWN));
    }
}
