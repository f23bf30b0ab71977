//! A metric through time as a small picture, drawn here: no script, light and dark by the style sheet. Pure.

use jiff::Timestamp;
use maud::{Markup, html};

use crate::report::{Metric, Unit, text};

/// The picture's own units; the page stretches it.
const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 80.0;
/// Room for what is drawn at the edge.
const EDGE: f64 = 5.0;

/// What is drawn: the samples, the oldest first, and the newest one's bounds.
pub(super) struct Plot<'a> {
    pub(super) samples: &'a [(Timestamp, f64)],
    pub(super) newest: &'a Metric,
}

/// What is beyond reckoning is drawn at its edge.
fn sane(value: f64) -> f64 {
    value.clamp(-1e150, 1e150)
}

/// The bounds within the picture's sight, with their classes.
fn bounds(metric: &Metric) -> Vec<(&'static str, f64)> {
    let of = |class, bounds: Option<crate::report::Bounds>| {
        bounds.into_iter().flat_map(move |bounds| [bounds.low, bounds.high]).flatten().map(move |value| (class, value))
    };
    of("warn", metric.warn).chain(of("crit", metric.crit)).filter(|(_, value)| value.abs() < 1e150).collect()
}

/// The lowest and the highest value that is to be seen; never the same.
fn range(samples: &[(Timestamp, f64)], bounds: &[(&'static str, f64)], unit: Unit) -> (f64, f64) {
    let values = || samples.iter().map(|(_, value)| sane(*value));
    let (low, high) =
        values().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    // A bound that is far off would flatten the line.
    let span = (high - low).max(high.abs() * 0.1);
    let near = bounds.iter().map(|(_, value)| *value).filter(|value| (low - span..=high + span).contains(value));
    let (low, high) = near.fold((low, high), |(low, high), value| (low.min(value), high.max(value)));
    // What is counted is seen from nothing, unless that would hide how it changes.
    let low = if unit != Unit::Percent && low >= 0.0 && low < high * 0.5 { 0.0 } else { low };
    if high - low > f64::EPSILON * high.abs() { (low, high) } else { (low - 1.0, high + 1.0) }
}

impl Plot<'_> {
    pub(super) fn draw(&self) -> Markup {
        let bounds = bounds(self.newest);
        let (low, high) = range(self.samples, &bounds, self.newest.unit);
        let y = |value: f64| HEIGHT - EDGE - (sane(value) - low) / (high - low) * (HEIGHT - 2.0 * EDGE);
        let seconds = |time: &Timestamp| time.as_duration().as_secs_f64();
        let first = self.samples.first().map_or(0.0, |(time, _)| seconds(time));
        let length = self.samples.last().map_or(0.0, |(time, _)| seconds(time) - first).max(1.0);
        let x = |time: &Timestamp| EDGE + (seconds(time) - first) / length * (WIDTH - 2.0 * EDGE);
        let points: Vec<String> =
            self.samples.iter().map(|(time, value)| format!("{:.1},{:.1}", x(time), y(*value))).collect();
        let last = self.samples.last().map(|(time, value)| (x(time), y(*value)));
        let shown = |value: f64| text::value(&Metric { value, ..self.newest.clone() });
        let (least, most) =
            self.samples.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), (_, value)| {
                (least.min(*value), most.max(*value))
            });
        let said = format!(
            "{}: {} samples from {} to {}, now {}",
            self.newest.name,
            self.samples.len(),
            shown(least),
            shown(most),
            shown(self.newest.value)
        );
        let view = format!("0 0 {WIDTH} {HEIGHT}");
        html! {
            svg.plot viewBox=(view) role="img" aria-label=(said) preserveAspectRatio="none" {
                title { (said) }
                @for (class, value) in bounds.iter().filter(|(_, value)| (low..=high).contains(value)) {
                    @let at = format!("{:.1}", y(*value));
                    line class=(class) x1="0" x2=(WIDTH) y1=(at) y2=(at) vector-effect="non-scaling-stroke" {}
                }
                polyline.series points=(points.join(" ")) vector-effect="non-scaling-stroke" {}
                @if let Some((x, y)) = last {
                    // A point, which stays round however the picture is stretched.
                    line.last x1=(format!("{x:.1}")) x2=(format!("{x:.1}")) y1=(format!("{y:.1}")) y2=(format!("{y:.1}"))
                        vector-effect="non-scaling-stroke" {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Bounds;

    fn metric(name: &str, value: f64, high: Option<f64>) -> Metric {
        let warn = high.map(|high| Bounds { low: None, high: Some(high) });
        Metric { name: name.into(), subject: None, value, unit: Unit::None, warn, crit: None }
    }

    fn samples(values: &[f64]) -> Vec<(Timestamp, f64)> {
        let time = |place: usize| Timestamp::from_second(1_800_000_000 + 60 * i64::try_from(place).unwrap()).unwrap();
        values.iter().enumerate().map(|(place, value)| (time(place), *value)).collect()
    }

    #[test]
    fn whatever_is_measured_is_within_the_picture() {
        for (values, bound) in [
            (&[1.0, 2.0, 3.0][..], Some(2.5)),
            (&[5.0, 5.0], None),
            (&[0.0], Some(1e300)),
            (&[-1e308, 1e308], None),
            (&[f64::MIN_POSITIVE, 0.0], Some(-1.0)),
            (&[1e15, 1e15 + 1.0], None),
        ] {
            let samples = samples(values);
            let newest = metric("m", *values.last().unwrap(), bound);
            let drawn = Plot { samples: &samples, newest: &newest }.draw().into_string();
            let points = drawn.split_once("points=\"").unwrap().1.split_once('"').unwrap().0;
            for coordinate in points.split([' ', ',']) {
                let number: f64 = coordinate.parse().unwrap();
                assert!((0.0..=WIDTH).contains(&number), "{values:?}: {drawn}");
            }
        }
    }

    #[test]
    fn a_bound_is_drawn_where_it_can_be_seen() {
        let drawn = |bound| {
            let newest = metric("m", 3.0, Some(bound));
            Plot { samples: &samples(&[1.0, 3.0]), newest: &newest }.draw().into_string()
        };
        assert!(drawn(4.0).contains("class=\"warn\"") && !drawn(400.0).contains("class=\"warn\""));
    }

    #[test]
    fn a_name_is_only_text() {
        let newest = metric("\"><script>", 1.0, None);
        let drawn = Plot { samples: &samples(&[1.0]), newest: &newest }.draw().into_string();
        assert!(!drawn.contains("<script>"), "{drawn}");
    }
}
