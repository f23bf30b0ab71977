//! How time and memory grow with what there is: three sizes each of rows, keys and files, and a picture of them.

use std::fmt::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::measure::median;
use crate::process::{Places, peak};
use crate::{database, keys, tree};

/// The sizes, as parts of the largest.
const SIZES: [u64; 3] = [100_000, 300_000, 1_000_000];
/// A file takes a block of the disk: there are fewer.
const FILES: [u64; 3] = [20_000, 60_000, 200_000];
const ROUNDS: usize = 3;

/// One thing that there is more and more of.
#[derive(serde::Serialize, serde::Deserialize)]
pub(crate) struct Line {
    /// What, and who goes through it.
    pub(crate) name: String,
    /// By size.
    pub(crate) points: Vec<Point>,
}

/// One size.
#[derive(serde::Serialize, serde::Deserialize)]
pub(crate) struct Point {
    pub(crate) size: u64,
    pub(crate) time: Duration,
    /// The most bytes that the host had.
    pub(crate) memory: u64,
}

/// All three, measured by turns.
pub(super) fn measure(places: &Places, postgres: &str, redis: &str) -> anyhow::Result<Vec<Line>> {
    let fixture = places.fixture("measure");
    let database = format!("database={}", postgres.replace(',', "%2C"));
    let rows = line("rows of PostgreSQL, read", SIZES, |size| {
        let statement = format!("statement={} LIMIT {size}", database::ROWS);
        Ok(places.host(&["run", &fixture, "work=rows", &statement, "--sql", &database]))
    })?;
    let cache = format!("cache={}", redis.replace(',', "%2C"));
    keys::empty(redis)?;
    let mut filled = 0;
    let scanned = line("keys of Redis, measured by redis-keys", SIZES, |size| {
        keys::fill(redis, filled, size)?;
        filled = size;
        Ok(places.host(&["run", "redis-keys", "--redis", &cache]))
    })?;
    keys::empty(redis)?;
    let walked = line("files, walked", FILES, |size| {
        let tree = tree(&places.world.join(format!("tree-{size}")), usize::try_from(size)?)?;
        Ok(places.host(&["run", &fixture, "work=walk", "--files", &format!("tree={}", tree.display())]))
    })?;
    Ok(vec![rows, scanned, walked])
}

fn line(name: &str, sizes: [u64; 3], mut command: impl FnMut(u64) -> anyhow::Result<Command>) -> anyhow::Result<Line> {
    let mut points = Vec::new();
    for size in sizes {
        let mut times = Vec::new();
        let mut memory = 0;
        for round in 0..=ROUNDS {
            let command = command(size)?;
            let begun = Instant::now();
            let most = peak(command).with_context(|| format!("{name}, {size}"))?;
            // The first may have to compile the plugin.
            if round > 0 {
                times.push(begun.elapsed());
                memory = memory.max(most);
            }
        }
        eprint!(".");
        points.push(Point { size, time: median(times), memory });
    }
    eprintln!();
    Ok(Line { name: name.into(), points })
}

/// For the page: the figures, and how they grow from the smallest size to the largest.
pub(super) fn table(lines: &[Line]) -> String {
    let mut out = String::from("| what | size | time | peak memory |\n| --- | --- | --- | --- |\n");
    for line in lines {
        for (index, point) in line.points.iter().enumerate() {
            let name = if index == 0 { line.name.as_str() } else { "" };
            let (time, memory) = (crate::measure::shown(point.time), point.memory >> 20);
            let _ = writeln!(out, "| {name} | {} | {time} | {memory} MiB |", thousands(point.size));
        }
    }
    out.push('\n');
    for line in lines {
        if let [first, .., last] = line.points.as_slice() {
            let times = |of: fn(&Point) -> f64| of(last) / of(first).max(f64::MIN_POSITIVE);
            #[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
            let (size, time, memory) = (
                times(|point| point.size as f64),
                times(|point| point.time.as_secs_f64()),
                times(|point| point.memory as f64),
            );
            let _ = writeln!(
                out,
                "- {}: {size:.0} times as many take {time:.1} times the time and {memory:.1} times the memory.",
                line.name
            );
        }
    }
    out
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

const COLOURS: [&str; 3] = ["#0969da", "#cf222e", "#1a7f37"];
const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 220.0;

/// The picture: time and memory over size, both as multiples of what the smallest size took.
pub(super) fn picture(lines: &[Line]) -> String {
    let mut out = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 860 340\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <style>text{fill:#24292f}.rule{stroke:#8c959f;stroke-opacity:.4}\
         @media(prefers-color-scheme:dark){text{fill:#e6edf3}}</style>\n\
         <title>How time and peak memory grow with rows, keys and files</title>\n",
    );
    let time = |point: &Point| point.time.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "drawn")]
    let memory = |point: &Point| point.memory as f64;
    panel(&mut out, lines, "time, as a multiple of what the smallest size takes", 50.0, time);
    panel(&mut out, lines, "peak memory, likewise", 480.0, memory);
    for ((index, line), colour) in (0_u32..).zip(lines).zip(COLOURS) {
        let y = 298.0 + f64::from(index) * 17.0;
        let _ = writeln!(
            out,
            "<line x1=\"50\" x2=\"74\" y1=\"{}\" y2=\"{}\" stroke=\"{colour}\" stroke-width=\"2\"/><text x=\"82\" y=\"{y}\">{}</text>",
            y - 4.0,
            y - 4.0,
            line.name
        );
    }
    out.push_str("</svg>\n");
    out
}

/// One plot: sizes from 1 to 10, and what they take from 1 to 16, even steps for even factors.
fn panel(out: &mut String, lines: &[Line], title: &str, left: f64, of: impl Fn(&Point) -> f64) {
    const TOP: f64 = 40.0;
    let x = |factor: f64| left + factor.max(1.0).log10() * WIDTH;
    let y = |factor: f64| TOP + HEIGHT - factor.clamp(0.7, 16.0).log(16.0) * HEIGHT;
    let _ = writeln!(out, "<text x=\"{left}\" y=\"22\" font-weight=\"600\">{title}</text>");
    for factor in [1.0, 3.0, 10.0] {
        let (across, up) = (x(factor), y(factor));
        let _ = writeln!(
            out,
            "<line class=\"rule\" x1=\"{left}\" x2=\"{}\" y1=\"{up:.1}\" y2=\"{up:.1}\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{factor}</text>\
             <text x=\"{across:.1}\" y=\"{}\" text-anchor=\"middle\">{factor} x</text>",
            left + WIDTH,
            left - 8.0,
            up + 4.0,
            TOP + HEIGHT + 18.0
        );
    }
    for (line, colour) in lines.iter().zip(COLOURS) {
        let Some(first) = line.points.first() else { continue };
        #[expect(clippy::cast_precision_loss, reason = "drawn")]
        let place = |point: &Point| (x(point.size as f64 / first.size as f64), y(of(point) / of(first)));
        let points: Vec<String> = line.points.iter().map(place).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            points.join(" ")
        );
        for (x, y) in line.points.iter().map(place) {
            let _ = writeln!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"/>");
        }
    }
}
