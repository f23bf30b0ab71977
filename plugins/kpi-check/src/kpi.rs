//! The lines in which an operator writes what is to be measured: `NAME: EXPRESSION > WARN, CRITICAL [UNIT]`. Pure.
//!
//! The expression is in `PromQL`, and is the server's business: here it is only told from what stands around it. `<` in place of
//! `>` is for what must not fall below. The critical limit, all limits, and the unit may be left out. Lines may be joined
//! with `;`, and one that begins with `#` is a comment.

use crate::measure::{Limit, Side};

/// Something that a server is asked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kpi {
    pub(crate) name: String,
    pub(crate) expression: String,
    pub(crate) limit: Option<Limit>,
    pub(crate) unit: String,
}

/// What of it can be written at most.
const MOST: usize = 200;
const LONGEST_NAME: usize = 64;
const LONGEST_UNIT: usize = 16;

const FORM: &str = "write it as NAME: EXPRESSION > WARN, CRITICAL [UNIT]";

/// All that is written.
///
/// # Errors
/// The first line that is none, and what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Vec<Kpi>, String> {
    let mut kpis: Vec<Kpi> = Vec::new();
    for line in lines(text) {
        let kpi = line_of(line).map_err(|wrong| format!("`{}`: {wrong}", shown(line)))?;
        if kpis.iter().any(|other| other.name == kpi.name) {
            return Err(format!("`{}` is there twice", kpi.name));
        }
        kpis.push(kpi);
    }
    if kpis.len() > MOST { Err(format!("{} figures are more than {MOST}", kpis.len())) } else { Ok(kpis) }
}

fn shown(line: &str) -> String {
    if line.chars().count() > 80 { line.chars().take(80).chain(['…']).collect() } else { line.into() }
}

/// The parts between line ends and `;`, without those in quotes, comments and what is empty.
fn lines(text: &str) -> Vec<&str> {
    let mut cuts = vec![];
    // A comment holds no quotes: it ends with its line.
    for line in text.split('\n') {
        if line.trim_start().starts_with('#') {
            continue;
        }
        let mut from = 0;
        for (at, character, _) in plain(line) {
            if character == ';' {
                cuts.extend(line.get(from..at));
                from = at + 1;
            }
        }
        cuts.extend(line.get(from..));
    }
    cuts.into_iter().map(str::trim).filter(|line| !line.is_empty()).collect()
}

fn line_of(line: &str) -> Result<Kpi, String> {
    let colon = plain(line).find(|(at, character, _)| {
        let next = line.get(at + 1..).and_then(|rest| rest.chars().next());
        *character == ':' && next.is_none_or(char::is_whitespace)
    });
    let Some((name, rest)) = colon.and_then(|(at, _, _)| Some((line.get(..at)?, line.get(at + 1..)?))) else {
        return Err(format!("there is no name; {FORM}"));
    };
    let (name, rest) = (name.trim(), rest.trim());
    if name.is_empty() || name.len() > LONGEST_NAME || name.contains(['{', '(', '[', '"', '=']) {
        return Err(format!("a name is a few words; {FORM}"));
    }
    let (rest, unit) = unit_of(rest)?;
    let (expression, limit) = limit_of(rest)?;
    if expression.is_empty() {
        return Err(format!("there is no expression; {FORM}"));
    }
    Ok(Kpi { name: name.into(), expression: expression.into(), limit, unit: unit.into() })
}

/// What stands before a unit at the end, which a space sets apart from what could be a range.
fn unit_of(text: &str) -> Result<(&str, &str), String> {
    let Some((before, unit)) = text.strip_suffix(']').and_then(|text| text.rsplit_once('[')) else {
        return Ok((text, ""));
    };
    if !before.ends_with(char::is_whitespace) {
        return Ok((text, ""));
    }
    let unit = unit.trim();
    if unit.is_empty() || unit.len() > LONGEST_UNIT || unit.contains(['"', '{', '(']) {
        return Err("a unit is a short word, as [s], [ms], [%], [B] or [/s]".into());
    }
    Ok((before.trim_end(), unit))
}

/// What stands before the last comparison that is followed by numbers alone. Any other is the expression's own.
fn limit_of(text: &str) -> Result<(&str, Option<Limit>), String> {
    let last = plain(text).filter(|(_, character, depth)| *depth == 0 && matches!(character, '<' | '>')).last();
    let Some((at, sign, _)) = last else { return Ok((text, None)) };
    let (before, after) = (text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default());
    let Some(numbers) = numbers(after.strip_prefix('=').unwrap_or(after)) else { return Ok((text, None)) };
    if after.starts_with('=') {
        return Err(format!("a limit is written with > or <, not with {sign}="));
    }
    let side = if sign == '>' { Side::Above } else { Side::Below };
    let (warn, critical) = match numbers.as_slice() {
        [warn] => (*warn, None),
        [warn, critical] => (*warn, Some(*critical)),
        _ => return Err("there are two limits at most: the one of a warning, and the critical one".into()),
    };
    let beyond = |critical: f64| match side {
        Side::Above => critical >= warn,
        Side::Below => critical <= warn,
    };
    if !critical.is_none_or(beyond) {
        return Err(format!("the critical limit comes before the one of a warning, {warn}"));
    }
    Ok((before.trim_end(), Some(Limit { side, warn, critical })))
}

fn numbers(text: &str) -> Option<Vec<f64>> {
    text.split(',').map(|number| number.trim().parse::<f64>().ok().filter(|number| number.is_finite())).collect()
}

/// The characters outside of quotes, each with its place and how many parentheses, braces and brackets are open.
fn plain(text: &str) -> impl Iterator<Item = (usize, char, u32)> {
    let mut quote = None;
    let mut escaped = false;
    let mut depth = 0_u32;
    text.char_indices().filter_map(move |(at, character)| {
        if let Some(open) = quote {
            if escaped {
                escaped = false;
            } else if character == '\\' && open != '`' {
                escaped = true;
            } else if character == open {
                quote = None;
            }
            return None;
        }
        match character {
            '"' | '\'' | '`' => {
                quote = Some(character);
                return None;
            }
            '(' | '{' | '[' => depth += 1,
            ')' | '}' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        Some((at, character, depth))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Kpi {
        let mut kpis = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(kpis.len(), 1, "{text}: {kpis:?}");
        kpis.remove(0)
    }

    #[expect(clippy::unnecessary_wraps, reason = "what a line has or has not")]
    fn limit(side: Side, warn: f64, critical: Option<f64>) -> Option<Limit> {
        Some(Limit { side, warn, critical })
    }

    #[test]
    fn a_line_is_a_name_an_expression_limits_and_a_unit() {
        use Side::{Above, Below};
        for (text, name, expression, limits, unit) in [
            ("p95: a > 0.5, 1 [s]", "p95", "a", limit(Above, 0.5, Some(1.0)), "s"),
            ("p95: a > 0.5 [s]", "p95", "a", limit(Above, 0.5, None), "s"),
            ("p95: a>0.5,1", "p95", "a", limit(Above, 0.5, Some(1.0)), ""),
            ("up all day: avg(up) < 99.9, 99 [%]", "up all day", "avg(up)", limit(Below, 99.9, Some(99.0)), "%"),
            ("throughput: sum(rate(x[5m])) [/s]", "throughput", "sum(rate(x[5m]))", None, "/s"),
            ("raw: x[5m]", "raw", "x[5m]", None, ""),
            ("rule: job:errors:rate5m > 1", "rule", "job:errors:rate5m", limit(Above, 1.0, None), ""),
            ("down: count(up == 0) > 0", "down", "count(up == 0)", limit(Above, 0.0, None), ""),
            ("hot: count(t > 80) > 2, 4", "hot", "count(t > 80)", limit(Above, 2.0, Some(4.0)), ""),
            ("hot: t > 80 > 90", "hot", "t > 80", limit(Above, 90.0, None), ""),
            ("pairs: a > b", "pairs", "a > b", None, ""),
            ("low: a < -1, -2.5e3", "low", "a", limit(Below, -1.0, Some(-2500.0)), ""),
            ("text: x{a=\"b > 1; c: d\"} > 2", "text", "x{a=\"b > 1; c: d\"}", limit(Above, 2.0, None), ""),
            ("text: x{a='\\'>1', b=`\\`} > 2", "text", "x{a='\\'>1', b=`\\`}", limit(Above, 2.0, None), ""),
        ] {
            let kpi = one(text);
            assert_eq!(
                (kpi.name.as_str(), kpi.expression.as_str(), kpi.unit.as_str()),
                (name, expression, unit),
                "{text}"
            );
            assert_eq!(kpi.limit, limits, "{text}");
        }
    }

    #[test]
    fn lines_are_joined_and_commented() {
        let text = "\n# it's a comment; with: this > 1\n a: x ; b: y > 1\n\nc: z{l=\"#;\"}\n";
        let names: Vec<_> = parse(text).unwrap().into_iter().map(|kpi| kpi.name).collect();
        assert_eq!(names, ["a", "b", "c"]);
        assert_eq!(parse(""), Ok(vec![]));
    }

    #[test]
    fn what_is_no_such_line_says_what_is_wrong() {
        for (text, wrong) in [
            ("sum(x) > 1", "there is no name; write it as NAME: EXPRESSION > WARN, CRITICAL [UNIT]"),
            ("job:errors:rate5m > 1", "there is no name"),
            ("x{a=\": \"} > 1", "there is no name"),
            (": x", "a name is a few words"),
            ("sum(x): y", "a name is a few words"),
            ("a:", "there is no expression"),
            ("a: > 1", "there is no expression"),
            ("a: x > 1, 0.5", "the critical limit comes before the one of a warning, 1"),
            ("a: x < 1, 2", "the critical limit comes before"),
            ("a: x > 1, 2, 3", "two limits at most"),
            ("a: x >= 1", "not with >="),
            ("a: x > 1 [a very long unit indeed]", "a unit is a short word"),
            ("a: x\na: y", "`a` is there twice"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(wrong), "{text}: {error}");
        }
        let many: String = (0..201).map(|index| format!("k{index}: x\n")).collect();
        assert!(parse(&many).is_err());
    }

    #[test]
    fn anything_is_taken_or_refused_and_never_more() {
        for text in [
            "\"",
            "a: \"",
            "a: ((((",
            "a: ))))> 1",
            "a: `\\",
            "ä: ö > 1 [µs]",
            "a: \u{0}",
            ";;;",
            "a: x > NaN",
            "a: x > inf",
        ] {
            let _ = parse(text);
        }
        assert_eq!(one("ä: ö > 1 [µs]").unit, "µs");
        assert_eq!(one("a: x > inf").limit, None);
    }
}
