//! Keeps secrets out of what is shown of lines. Pure.
//!
//! A report goes further than a log does: what looks like a password, a token or a key is masked in every sample and every
//! template, whatever else the operator has masked. It cannot know all secrets; a sample is short for that reason too.

use regex_lite::Regex;

/// What is masked in any case, and by what.
const KNOWN: [(&str, &str); 7] = [
    // A header or a field with a word before the secret.
    (
        r#"(?i)\b(authorization|proxy-authorization)("?'?\s*[:=]\s*"?'?)(basic|bearer|digest|token|negotiate)?\s*[^\s"',;]+"#,
        "$1$2***",
    ),
    (
        r#"(?i)([a-z0-9_.-]*(?:password|passwd|passphrase|secret|token|api[_-]?key|apikey|access[_-]?key|private[_-]?key|credential|cookie|session[_-]?id|sessionid|csrf)[a-z0-9_-]*)("?'?\s*[:=]\s*)("[^"]*"?|'[^']*'?|[^\s"',;&)}\]]+)"#,
        "$1$2***",
    ),
    (r#"(?i)\b(pwd|pass|auth|sig|signature)("?'?\s*=\s*)("[^"]*"?|'[^']*'?|[^\s"',;&)}\]]+)"#, "$1$2***"),
    // In a URL.
    (r"://[^/\s:@]*:[^/\s@]+@", "://***@"),
    // A token of JWT, a key of AWS, tokens of GitHub, GitLab, Slack and Stripe.
    (r"\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*)?", "***"),
    (
        r"\b(A[KS]IA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{20,}|glpat-[A-Za-z0-9_-]{16,}|xox[abprs]-[A-Za-z0-9-]{8,}|sk_(live|test)_[A-Za-z0-9]{8,})",
        "***",
    ),
    // Numbers of payment cards.
    (r"\b\d{4}[ -]?\d{4}[ -]?\d{4}[ -]?\d{1,7}\b", "***"),
];

/// What is masked.
pub(crate) struct Secrets {
    known: Vec<(Regex, &'static str)>,
    own: Vec<Regex>,
}

impl Secrets {
    /// With what the operator wants masked besides.
    ///
    /// # Errors
    /// What is no regular expression.
    pub(crate) fn new(own: &[String]) -> Result<Self, String> {
        let compiled = |pattern: &String| {
            Regex::new(pattern).map_err(|error| format!("mask: `{pattern}` is no regular expression: {error}"))
        };
        let known = KNOWN.into_iter().filter_map(|(pattern, by)| Some((Regex::new(pattern).ok()?, by))).collect();
        Ok(Self { known, own: own.iter().map(compiled).collect::<Result<_, _>>()? })
    }

    /// The text without its secrets, cut at `limit` bytes.
    pub(crate) fn masked(&self, text: &[u8], limit: usize) -> String {
        // A secret that the cut would fall into must be seen whole.
        let text = text.get(..4 * limit).unwrap_or(text);
        let mut text = String::from_utf8_lossy(text).into_owned();
        for (pattern, by) in &self.known {
            replace(&mut text, pattern, by);
        }
        for pattern in &self.own {
            replace(&mut text, pattern, "***");
        }
        if text.len() > limit {
            text.truncate(text.floor_char_boundary(limit));
            text += "...";
        }
        text
    }
}

fn replace(text: &mut String, pattern: &Regex, by: &str) {
    if let std::borrow::Cow::Owned(replaced) = pattern.replace_all(text, by) {
        *text = replaced;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_secret_is_masked() {
        let secrets = Secrets::new(&[]).unwrap();
        assert_eq!(secrets.known.len(), KNOWN.len(), "each is a regular expression");
        for (text, expected) in [
            ("login user=eve password=hunter2 ok", "login user=eve password=*** ok"),
            ("{\"db_password\": \"two words\", \"n\": 1}", "{\"db_password\": ***, \"n\": 1}"),
            ("DB_PASSWORD='x y' retry", "DB_PASSWORD=*** retry"),
            ("GET /?access_token=abc&page=2", "GET /?access_token=***&page=2"),
            ("Authorization: Bearer abc.def-ghi", "Authorization: ***"),
            ("\"authorization\":\"Basic dXNlcjpwYXNz\"", "\"authorization\":\"***\""),
            ("postgres://app:s3cret@db/x failed", "postgres://***@db/x failed"),
            ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln end", "jwt *** end"),
            ("key AKIAIOSFODNN7EXAMPLE used", "key *** used"),
            ("card 4111 1111 1111 1111 declined", "card *** declined"),
            ("Cookie: session=abc; x=1", "Cookie: ***; x=1"),
            ("pwd=x pass=y", "pwd=*** pass=***"),
            ("password reset for eve", "password reset for eve"),
            ("passed 12 of 13 tests", "passed 12 of 13 tests"),
        ] {
            assert_eq!(secrets.masked(text.as_bytes(), 200), expected, "{text}");
        }
    }

    #[test]
    fn what_the_operator_names_is_masked_and_the_rest_is_cut() {
        let secrets = Secrets::new(&["[\\w.]+@[\\w.]+".into()]).unwrap();
        assert_eq!(secrets.masked(b"mail to eve@example.org bounced", 100), "mail to *** bounced");
        assert_eq!(secrets.masked(b"0123456789", 5), "01234...");
        let cat = "\u{1f408}".repeat(10);
        assert_eq!(secrets.masked(cat.as_bytes(), 6), "\u{1f408}...");
        // The secret begins before the cut and ends behind it.
        assert_eq!(secrets.masked(b"abc token=0123456789abcdef", 15), "abc token=***");
        assert!(Secrets::new(&["(".into()]).is_err());
    }
}
