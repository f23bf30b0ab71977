//! What an answer is expected to be. Pure.

use regex_lite::{Regex, RegexBuilder};

/// Statuses: single ones, and whole hundreds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statuses(Vec<(u16, u16)>);

/// What the body must say, and must not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Content {
    contains: Option<String>,
    lacks: Option<String>,
    matches: Option<Regex>,
}

impl Statuses {
    /// Reads `200`, `2xx` and the like.
    pub(crate) fn parse(words: &[String]) -> Result<Self, String> {
        let range = |word: &String| {
            let hundreds = word.strip_suffix("xx").or_else(|| word.strip_suffix("XX"));
            let range = match hundreds {
                Some(digit) => {
                    let hundred = digit.parse::<u16>().ok().filter(|digit| (1..6).contains(digit));
                    hundred.map(|digit| (digit * 100, digit * 100 + 99))
                }
                None => word.parse::<u16>().ok().map(|status| (status, status)),
            };
            range
                .filter(|(low, _)| (100..600).contains(low))
                .ok_or_else(|| format!("expect={word} is no status; write it like 200, 2xx or 200,301"))
        };
        let ranges: Vec<_> = words.iter().map(range).collect::<Result<_, _>>()?;
        if ranges.is_empty() { Err("expect names no status; write it like 2xx".into()) } else { Ok(Self(ranges)) }
    }

    pub(crate) fn hold(&self, status: u16) -> bool {
        self.0.iter().any(|(low, high)| (*low..=*high).contains(&status))
    }
}

impl std::fmt::Display for Statuses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |(low, high): &(u16, u16)| {
            if low == high { low.to_string() } else { format!("{}xx", low / 100) }
        };
        f.write_str(&self.0.iter().map(shown).collect::<Vec<_>>().join(" or "))
    }
}

impl Content {
    pub(crate) fn new(
        contains: Option<String>,
        lacks: Option<String>,
        matches: Option<String>,
    ) -> Result<Self, String> {
        let compile = |pattern: String| {
            let regex = RegexBuilder::new(&pattern).multi_line(true).size_limit(1 << 20).build();
            regex.map_err(|error| format!("matches={pattern} is no regular expression: {error}"))
        };
        Ok(Self { contains, lacks, matches: matches.map(compile).transpose()? })
    }

    /// Whether there is anything to look for.
    pub(crate) fn is_any(&self) -> bool {
        self.contains.is_some() || self.lacks.is_some() || self.matches.is_some()
    }

    /// What is wrong with `body`, if anything is.
    pub(crate) fn wrong(&self, body: &str) -> Option<String> {
        if let Some(text) = self.contains.as_ref().filter(|text| !body.contains(text.as_str())) {
            return Some(format!("it does not contain `{text}`"));
        }
        if let Some(text) = self.lacks.as_ref().filter(|text| body.contains(text.as_str())) {
            return Some(format!("it contains `{text}`"));
        }
        let pattern = self.matches.as_ref().filter(|pattern| !pattern.is_match(body))?;
        Some(format!("it does not match `{pattern}`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(words: &[&str]) -> Vec<String> {
        words.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn statuses_are_single_or_by_the_hundred() {
        for (words, status, holds) in [
            (&["2xx"][..], 200, true),
            (&["2xx"], 299, true),
            (&["2xx"], 301, false),
            (&["200", "301"], 301, true),
            (&["200", "4XX"], 404, true),
            (&["200"], 204, false),
        ] {
            assert_eq!(Statuses::parse(&texts(words)).unwrap().hold(status), holds, "{words:?} {status}");
        }
        assert_eq!(Statuses::parse(&texts(&["200", "3xx"])).unwrap().to_string(), "200 or 3xx");
        for word in ["ok", "99", "600", "9xx", "0xx", "xx", "-1", "700xx"] {
            assert!(Statuses::parse(&texts(&[word])).unwrap_err().contains("is no status"), "{word}");
        }
        assert!(Statuses::parse(&[]).is_err());
    }

    #[test]
    fn content_is_looked_for_as_text_or_pattern() {
        let content = |contains: Option<&str>, lacks: Option<&str>, matches: Option<&str>| {
            Content::new(contains.map(Into::into), lacks.map(Into::into), matches.map(Into::into)).unwrap()
        };
        for (content, wrong) in [
            (content(None, None, None), None),
            (content(Some("healthy"), None, None), None),
            (content(Some("sick"), None, None), Some("it does not contain `sick`")),
            (content(None, Some("healthy"), None), Some("it contains `healthy`")),
            (content(None, Some("sick"), None), None),
            (content(None, None, Some(r#""status": *"\w+""#)), None),
            (content(None, None, Some("^second$")), None),
            (content(None, None, Some("^third$")), Some("it does not match `^third$`")),
        ] {
            assert_eq!(content.wrong("{\"status\": \"healthy\"}\nsecond").as_deref(), wrong);
        }
        assert!(Content::new(None, None, Some("(".into())).unwrap_err().contains("is no regular expression"));
        assert!(!content(None, None, None).is_any() && content(None, Some("x"), None).is_any());
    }
}
