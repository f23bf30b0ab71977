//! What a server says of itself at `/metrics`, in the text format of Prometheus. Pure.

use std::collections::BTreeMap;

/// Sums by name, over the series of each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures(BTreeMap<String, f64>);

impl Figures {
    /// Reads the text; lines that are no sample are passed over.
    pub(crate) fn read(text: &str) -> Self {
        let mut figures = BTreeMap::<String, f64>::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, value)) = split(line) else { continue };
            let name = series.split_once('{').map_or(series, |(name, _)| name);
            let Ok(value) = value.parse::<f64>() else { continue };
            *figures.entry(name.into()).or_default() += value;
        }
        Self(figures)
    }

    /// The sum over all series of that name; none when there is none.
    pub(crate) fn sum(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }
}

/// A series and its value. Labels may hold anything between their quotes; a timestamp may follow the value.
fn split(line: &str) -> Option<(&str, &str)> {
    let end = match line.find('{') {
        None => line.find(' ')?,
        Some(begin) => {
            let (mut quoted, mut escaped) = (false, false);
            let rest = line.get(begin..)?;
            let end = rest.find(|c| {
                let ends = !quoted && c == '}';
                quoted ^= c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            })?;
            begin + end + 1
        }
    };
    let (series, rest) = line.split_at(end);
    Some((series, rest.split_whitespace().next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_read_whatever_their_labels_hold() {
        let figures = Figures::read(
            "# HELP a is something\n# TYPE a counter\na 3\nb{x=\"1\"} 2 1795559051816\nb{x=\"2\",y=\"} 9\"} 0.5\n\
             c{x=\"a \\\" b\"} +Inf\nd NaN\nnothing\ne{unclosed 1\n\n",
        );
        for (name, sum) in
            [("a", Some(3.0)), ("b", Some(2.5)), ("c", Some(f64::INFINITY)), ("e", None), ("nothing", None)]
        {
            assert_eq!(figures.sum(name), sum, "{name}");
        }
    }
}
