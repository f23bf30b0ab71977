//! Which series are looked at, and up to where they may go: the upper bounds that their tasks gave them, or what the operator
//! wrote. Pure.

use taskhost_sdk::history::Series;
use taskhost_sdk::words::size;

/// What a series counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    Bytes,
    Percent,
    Plain,
}

impl Scale {
    pub(crate) fn of(unit: &str) -> Self {
        match unit {
            "bytes" => Self::Bytes,
            "percent" => Self::Percent,
            _ => Self::Plain,
        }
    }

    /// For people.
    pub(crate) fn shown(self, value: f64) -> String {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole bytes are shown")]
        match self {
            Self::Bytes => format!("{}{}", if value < 0.0 { "-" } else { "" }, size(value.abs() as u64)),
            Self::Percent => format!("{} %", rounded(value)),
            Self::Plain => rounded(value),
        }
    }
}

/// With as many decimals as say something.
fn rounded(value: f64) -> String {
    let decimals = match value.abs() {
        0.0 | 100.0.. => 0,
        1.0..100.0 => 1,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Up to where a series may go; one of them at least is there.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Bounds {
    pub(crate) warn: Option<f64>,
    pub(crate) crit: Option<f64>,
}

/// `[TASK/]METRIC=VALUE`, as an operator wrote it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rule {
    task: Option<String>,
    metric: String,
    limit: f64,
}

/// Bytes of what may be written of one.
const LONGEST: usize = 200;

/// Reads the rules.
///
/// # Errors
/// The first that is none, and how one is written.
pub(crate) fn rules(texts: &[String]) -> Result<Vec<Rule>, String> {
    texts.iter().map(|text| text.trim()).filter(|text| !text.is_empty()).map(rule).collect()
}

fn rule(text: &str) -> Result<Rule, String> {
    let wrong = || {
        let shown: String = text.chars().take(80).collect();
        format!("`{shown}` is no limit; write it as METRIC=40GiB, TASK/METRIC=95% or METRIC=1000")
    };
    let (name, value) = text.rsplit_once('=').filter(|_| text.len() <= LONGEST).ok_or_else(wrong)?;
    let (task, metric) = match name.split_once('/') {
        Some((task, metric)) => (Some(task.trim().to_owned()), metric),
        None => (None, name),
    };
    let limit = amount(value.trim()).filter(|limit| limit.is_finite() && *limit > 0.0).ok_or_else(wrong)?;
    if metric.trim().is_empty() || task.as_ref().is_some_and(String::is_empty) {
        return Err(wrong());
    }
    Ok(Rule { task, metric: metric.trim().into(), limit })
}

fn amount(text: &str) -> Option<f64> {
    let units =
        [("TiB", 1_u64 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1), ("%", 1), ("", 1)];
    let (number, factor) = units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)))?;
    Some(number.trim_end().parse::<f64>().ok()? * crate::as_number(factor))
}

/// The bounds of a series: what is written of it, else what its task gave it. None when it has none, and when it is neither
/// of bytes nor of per cent and nothing is written.
pub(crate) fn of(series: &Series, rules: &[Rule]) -> Option<Bounds> {
    let written = rules.iter().find(|rule| {
        rule.task.as_ref().is_none_or(|task| matches(task, &series.task)) && matches(&rule.metric, &series.metric)
    });
    let upper = |bounds: &Option<taskhost_sdk::history::Bounds>| {
        bounds.as_ref().and_then(|bounds| bounds.high).filter(|high| high.is_finite())
    };
    let warn = upper(&series.warn);
    if let Some(rule) = written {
        return Some(Bounds { warn: warn.filter(|warn| *warn < rule.limit), crit: Some(rule.limit) });
    }
    let crit = upper(&series.crit);
    let counts = Scale::of(&series.unit) != Scale::Plain && (warn.is_some() || crit.is_some());
    counts.then_some(Bounds { warn, crit })
}

/// Whether a name is as a pattern says, in which `*` stands for anything.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        let Some((_, after)) = name.split_once(piece) else { return false };
        name = after;
    }
    name.ends_with(last)
}

/// How a series is called: `database-size: database_bytes (shop)`.
pub(crate) fn name(series: &Series) -> String {
    let subject = series.subject.as_ref().map(|subject| format!(" ({subject})")).unwrap_or_default();
    format!("{}: {}{subject}", series.task, series.metric)
}

#[cfg(test)]
mod tests {
    use taskhost_sdk::history::Bounds as Told;

    use super::*;

    fn series(unit: &str, warn: Option<f64>, crit: Option<f64>) -> Series {
        let bounds = |high: Option<f64>| high.map(|high| Told { low: None, high: Some(high) });
        Series {
            task: "size".into(),
            metric: "database_bytes".into(),
            subject: Some("shop".into()),
            unit: unit.into(),
            samples: 1,
            first: 0,
            last: 0,
            value: 1.0,
            warn: bounds(warn),
            crit: bounds(crit),
        }
    }

    #[test]
    fn a_series_has_the_bounds_of_its_task_or_those_that_are_written() {
        let none = || vec![];
        let texts = |text: &str| rules(&[text.to_owned()]).unwrap();
        let both = |warn, crit| Some(Bounds { warn, crit });
        for (unit, warn, crit, rules, bounds) in [
            ("bytes", Some(5.0), Some(9.0), none(), both(Some(5.0), Some(9.0))),
            ("bytes", None, Some(9.0), none(), both(None, Some(9.0))),
            ("percent", Some(5.0), None, none(), both(Some(5.0), None)),
            ("bytes", None, None, none(), None),
            ("none", Some(5.0), Some(9.0), none(), None),
            ("bytes", Some(f64::INFINITY), None, none(), None),
            ("bytes", None, None, texts("database_bytes=1KiB"), both(None, Some(1024.0))),
            ("bytes", Some(5.0), Some(9.0), texts("size/database_*=7"), both(Some(5.0), Some(7.0))),
            ("bytes", Some(5.0), Some(9.0), texts("*=3"), both(None, Some(3.0))),
            ("none", None, None, texts("database_bytes=70%"), both(None, Some(70.0))),
            ("bytes", None, None, texts("other/database_bytes=7"), None),
        ] {
            assert_eq!(of(&series(unit, warn, crit), &rules), bounds, "{unit} {warn:?} {crit:?} {rules:?}");
        }
        let low = Series { crit: Some(Told { low: Some(1.0), high: None }), ..series("bytes", None, None) };
        assert_eq!(of(&low, &[]), None, "what must not fall has no end above");
    }

    #[test]
    fn limits_are_read_or_named_as_wrong() {
        for (text, limit) in
            [("a=1.5 GiB", 1.5 * 1_073_741_824.0), ("t/a = 95%", 95.0), ("a=3TiB", 3_298_534_883_328.0)]
        {
            assert!((rule(text).unwrap().limit - limit).abs() < 0.5, "{text}");
        }
        for text in ["a", "=5", "a=", "a=x", "a=-1", "a=0", "a=inf", "a=NaN", "/a=1", "t/=1", &"a".repeat(300)] {
            assert!(rule(text).unwrap_err().contains("is no limit; write it as METRIC=40GiB"), "{text}");
        }
        assert_eq!(rules(&[" ".into()]), Ok(vec![]));
    }

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, name, fits) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("a*", "ab", true),
            ("*b", "ab", true),
            ("*_bytes*", "database_bytes_now", true),
            ("a*b*c", "axbxc", true),
            ("a*b*c", "axcxb", false),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn figures_are_written_for_people() {
        for (scale, value, shown) in [
            (Scale::Bytes, 1536.0, "1.5 KiB"),
            (Scale::Bytes, -1536.0, "-1.5 KiB"),
            (Scale::Percent, 81.25, "81.2 %"),
            (Scale::Percent, 0.0421, "0.042 %"),
            (Scale::Plain, 1200.0, "1200"),
        ] {
            assert_eq!(scale.shown(value), shown);
        }
        assert_eq!(name(&series("bytes", None, None)), "size: database_bytes (shop)");
    }
}
