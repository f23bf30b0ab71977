//! Small plots: as SVG whose colours are the page's style's, in the light and in the dark; and as a line of text. Pure.

use std::fmt::Write as _;

use taskhost_sdk::history::Bounds;

use crate::figures::Figure;
use crate::html::Text;
use crate::period::{self, Time};
use crate::runs::{End, Ends, Task};

/// Of a figure's plot.
const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 56.0;
/// So that no line is cut.
const MARGIN: f64 = 4.0;
/// Of the bars.
const BAR_HEIGHT: f64 = 96.0;
/// Of one outcome.
const CELL: usize = 7;

/// Where a value is between two others: 0 to 1. Halves, as the difference of two large ones may be too large.
fn share(value: f64, low: f64, high: f64) -> f64 {
    let whole = high / 2.0 - low / 2.0;
    if whole > 0.0 { ((value / 2.0 - low / 2.0) / whole).clamp(0.0, 1.0) } else { 0.5 }
}

/// A figure through the period, with its bounds where they are near.
pub(crate) fn line(out: &mut String, figure: &Figure, time: &Time) -> std::fmt::Result {
    let (mut low, mut high) = (figure.lowest, figure.highest);
    let reach = (high / 2.0 - low / 2.0).max(high.abs() / 8.0);
    let ends = |bounds: &Option<Bounds>| bounds.map_or([None, None], |bounds| [bounds.high, bounds.low]);
    let near = |end: &f64| end.is_finite() && *end / 2.0 <= high / 2.0 + reach && *end / 2.0 >= low / 2.0 - reach;
    let mut lines = Vec::new();
    for (class, bounds) in [("warning", &figure.warn), ("critical", &figure.crit)] {
        lines.extend(ends(bounds).into_iter().flatten().filter(near).map(|end| (class, end)));
    }
    for (_, end) in &lines {
        (low, high) = (low.min(*end), high.max(*end));
    }
    let across = |at: u64| MARGIN + share(number(at), number(time.since), number(time.until)) * (WIDTH - 2.0 * MARGIN);
    let up = |value: f64| HEIGHT - MARGIN - share(value, low, high) * (HEIGHT - 2.0 * MARGIN);
    let said = figure.range().unwrap_or_else(|| figure.shown(figure.value));
    let name = figure.name();
    write!(
        out,
        "<svg class=\"plot\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}: {}\">",
        Text(&name),
        Text(&said)
    )?;
    for (class, end) in lines {
        let up = up(end);
        write!(out, "<path class=\"bound {class}\" d=\"M{MARGIN} {up:.1}H{:.1}\"/>", WIDTH - MARGIN)?;
    }
    let mut path = String::new();
    for (index, (at, value)) in figure.points.iter().enumerate() {
        write!(path, "{}{:.1} {:.1}", if index == 0 { 'M' } else { 'L' }, across(*at), up(*value))?;
    }
    if figure.points.len() > 1 {
        write!(out, "<path class=\"line\" d=\"{path}\"/>")?;
    }
    if let Some((at, value)) = figure.points.last() {
        write!(out, "<circle class=\"last\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\"/>", across(*at), up(*value))?;
    }
    out.push_str("</svg>");
    Ok(())
}

/// How many runs ended in which way, through the period.
pub(crate) fn bars(out: &mut String, bars: &[Ends], time: &Time) -> std::fmt::Result {
    let most = bars.iter().map(|bar| bar.all()).max().unwrap_or_default();
    if most == 0 {
        return Ok(());
    }
    let (width, wide) = (600.0, number(bars.len()));
    let step = width / wide;
    write!(
        out,
        "<svg class=\"bars\" viewBox=\"0 0 {width} {BAR_HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"Runs by how they ended, {most} at \
         most\">"
    )?;
    for (index, bar) in bars.iter().enumerate() {
        let left = number(index) * step + step * 0.1;
        let begin = time.begin(index);
        let mut top = BAR_HEIGHT;
        write!(out, "<g><title>from {}: {} runs</title>", period::moment(begin), bar.all())?;
        for end in End::ALL {
            let height = number(bar.of(end)) / number(most) * (BAR_HEIGHT - 2.0);
            if height > 0.0 {
                top -= height;
                // A gap tells one part from the next without its colour.
                let (tall, wide) = ((height - 1.0).max(0.5), step * 0.8);
                let class = end.class();
                write!(
                    out,
                    "<rect class=\"{class}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{wide:.1}\" height=\"{tall:.1}\"/>"
                )?;
            }
        }
        out.push_str("</g>");
    }
    let bar = match time.bar() {
        period::HOUR => "hour".into(),
        period::DAY => "day".into(),
        length => format!("{} days", length / period::DAY),
    };
    let (first, last) = (period::moment(time.begin(0)), period::moment(time.until));
    writeln!(
        out,
        "</svg>\n<p class=\"axis quiet\"><span>{first}</span><span>runs in each {bar}</span><span>{last}</span></p>"
    )
}

/// How a task's newest runs ended, one by one.
pub(crate) fn strip(out: &mut String, task: &Task) -> std::fmt::Result {
    let width = task.latest.len() * CELL;
    write!(
        out,
        "<svg class=\"strip\" width=\"{width}\" height=\"14\" viewBox=\"0 0 {width} 14\" role=\"img\" aria-label=\"Its last \
         {} runs\">",
        task.latest.len()
    )?;
    for (index, (at, end)) in task.latest.iter().enumerate() {
        // What did not go well is also lower, for who cannot tell the colours.
        let top = match end {
            End::Ok => 6,
            End::Warning => 3,
            End::Critical | End::Unknown => 0,
        };
        write!(
            out,
            "<rect class=\"{}\" x=\"{}\" y=\"{top}\" width=\"{}\" height=\"{}\"><title>{}: {}</title></rect>",
            end.class(),
            index * CELL,
            CELL - 2,
            14 - top,
            period::moment(*at),
            end.name()
        )?;
    }
    out.push_str("</svg>");
    Ok(())
}

/// `▁▂▄▇`: at most so many of them.
pub(crate) fn text(points: &[(u64, f64)], most: usize) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let low = points.iter().map(|point| point.1).fold(f64::INFINITY, f64::min);
    let high = points.iter().map(|point| point.1).fold(f64::NEG_INFINITY, f64::max);
    let chunk = points.len().div_ceil(most.max(1)).max(1);
    let block = |points: &[(u64, f64)]| {
        let value = points.iter().map(|point| point.1).fold(f64::NEG_INFINITY, f64::max);
        let place = share(value, low, high) * 7.0;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 7")]
        BLOCKS.get(if high > low { place.round() as usize } else { 0 }).copied()
    };
    points.chunks(chunk).filter_map(block).collect()
}

#[expect(clippy::cast_precision_loss, reason = "places on a page")]
fn number(count: impl TryInto<u64>) -> f64 {
    count.try_into().unwrap_or(u64::MAX) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::tests::{samples, series};
    use crate::figures::{self};
    use crate::page::tests::{HOSTILE, week};
    use crate::period::Period;

    fn plotted(values: &[f64], warn: Option<f64>) -> String {
        let mut series = series("a", "b", Some(HOSTILE), "percent", 0.0);
        series.warn = warn.map(|high| Bounds { low: None, high: Some(high) });
        let figure = figures::figure(None, &series, &samples(values), 0).unwrap();
        let mut out = String::new();
        line(&mut out, &figure, &Time::new(Period::Daily, None, 86_400)).unwrap();
        out
    }

    #[test]
    fn every_figure_has_a_plot_within_its_frame() {
        for values in [
            &[1.0][..],
            &[1.0, 1.0],
            &[0.0, 0.0, 0.0],
            &[f64::MAX, f64::MIN, 0.0],
            &[-5.0, 5.0, 1e-300],
            &(0..1000_u32).map(f64::from).collect::<Vec<_>>(),
        ] {
            let svg = plotted(values, None);
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            let inside = |attribute: &str, most: f64| {
                let value = svg.split(attribute).nth(1).unwrap().split('"').next().unwrap().parse::<f64>().unwrap();
                (0.0..=most).contains(&value)
            };
            assert!(inside("cx=\"", WIDTH) && inside("cy=\"", HEIGHT), "{svg}");
        }
    }

    #[test]
    fn a_bound_is_drawn_where_it_is_near() {
        assert!(plotted(&[70.0, 75.0], Some(80.0)).contains("class=\"bound warning\""));
        assert!(!plotted(&[1.0, 2.0], Some(80.0)).contains("bound"));
    }

    #[test]
    fn no_text_of_another_s_is_markup_in_a_plot() {
        let page = week(HOSTILE);
        let mut out = plotted(&[1.0], None);
        bars(&mut out, &page.ran.bars, &page.time).unwrap();
        strip(&mut out, &page.ran.tasks[0]).unwrap();
        assert!(!out.contains("<script") && !out.contains("\"on'") && out.contains("&lt;script&gt;"), "{out}");
        assert_eq!(out.matches("<rect").count(), 4 + 3);
    }

    #[test]
    fn a_line_of_text_shows_the_shape() {
        let points = |values: &[f64]| values.iter().zip(0..).map(|(value, at)| (at, *value)).collect::<Vec<_>>();
        assert_eq!(text(&points(&[0.0, 1.0, 2.0, 7.0]), 9), "▁▂▃█");
        assert_eq!(text(&points(&[5.0, 5.0]), 9), "▁▁");
        assert_eq!(text(&points(&[1.0; 100]), 10).chars().count(), 10);
        assert_eq!(text(&[], 10), "");
    }
}
