//! Whether figures over time lie on a line that rises: least squares.

/// A line through points, and how well they lie on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Line {
    /// By how much it rises a second.
    pub(crate) slope: f64,
    /// From 0 (the points have nothing of a line) to 1 (they lie on it).
    pub(crate) fit: f64,
}

/// The line through (seconds, value); none for fewer than two moments.
pub(crate) fn line(points: &[(f64, f64)]) -> Option<Line> {
    #[expect(clippy::cast_precision_loss, reason = "thousands of points at most")]
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (middle, level) = (mean(|point| point.0), mean(|point| point.1));
    let sum = |of: &dyn Fn(f64, f64) -> f64| points.iter().map(|(x, y)| of(x - middle, y - level)).sum::<f64>();
    let (spread, together, height) = (sum(&|x, _| x * x), sum(&|x, y| x * y), sum(&|_, y| y * y));
    if spread <= 0.0 {
        return None;
    }
    let fit = if height > 0.0 { together * together / (spread * height) } else { 0.0 };
    Some(Line { slope: together / spread, fit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_and_noise_is_none() {
        let steady: Vec<_> = (0..20).map(|x| (f64::from(x), 100.0 + 3.0 * f64::from(x))).collect();
        let found = line(&steady).unwrap();
        assert!((found.slope - 3.0).abs() < 1e-9 && (found.fit - 1.0).abs() < 1e-9);
        let saw: Vec<_> = (0..20).map(|x| (f64::from(x), 100.0 + f64::from(x % 2) * 10.0)).collect();
        assert!(line(&saw).unwrap().fit < 0.1);
        let flat: Vec<_> = (0..20).map(|x| (f64::from(x), 100.0)).collect();
        assert!(line(&flat).unwrap().slope.abs() < 1e-9);
        assert_eq!(line(&[(1.0, 1.0), (1.0, 2.0)]), None);
        assert_eq!(line(&[]), None);
    }
}
