//! Times candidates side by side, round by round, so that a noisy machine disturbs all of them alike, and compares
//! medians as ratios.

use std::time::{Duration, Instant};

use anyhow::Context as _;

/// A thing to time. Each call is one round, and must do the same work as the others.
pub(crate) type Candidate<'a> = (&'static str, Box<dyn FnMut() -> anyhow::Result<()> + 'a>);

/// One comparison, measured.
#[derive(serde::Serialize, serde::Deserialize)]
pub(crate) struct Comparison {
    /// What was compared.
    pub(crate) title: String,
    /// What Taskhost wants, in words.
    pub(crate) aim: String,
    /// How it was done, for whoever repeats it.
    pub(crate) method: String,
    /// Ours first.
    pub(crate) times: Vec<(String, Duration)>,
    /// Whether the aim is met.
    pub(crate) met: bool,
    /// Where it is missed: where the time goes, and what was tried.
    pub(crate) missed: String,
    /// Rounds of which the median was taken.
    pub(crate) rounds: usize,
}

/// Times each candidate once a round, after one round that does not count.
pub(crate) fn side_by_side(rounds: usize, candidates: &mut [Candidate<'_>]) -> anyhow::Result<Vec<(String, Duration)>> {
    let mut samples = vec![Vec::with_capacity(rounds); candidates.len()];
    for round in 0..=rounds {
        for ((name, candidate), samples) in candidates.iter_mut().zip(&mut samples) {
            let begun = Instant::now();
            candidate().with_context(|| format!("{name} failed"))?;
            if round > 0 {
                samples.push(begun.elapsed());
            }
        }
        eprint!(".");
    }
    eprintln!();
    Ok(candidates.iter().zip(samples).map(|((name, _), samples)| ((*name).to_owned(), median(samples))).collect())
}

/// The middle of the samples.
pub(crate) fn median(mut samples: Vec<Duration>) -> Duration {
    samples.sort_unstable();
    samples.get(samples.len() / 2).copied().unwrap_or_default()
}

/// `ours / theirs`.
pub(crate) fn ratio(ours: Duration, theirs: Duration) -> f64 {
    ours.as_secs_f64() / theirs.as_secs_f64().max(f64::MIN_POSITIVE)
}

/// With a unit that fits.
pub(crate) fn shown(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        s if s < 1e-3 => format!("{:.1} us", s * 1e6),
        s if s < 1.0 => format!("{:.1} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}
