//! The straight line through values over time, taken in one by one. Pure.

/// Values with their times, as far as is remembered of them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Line {
    count: f64,
    first: i64,
    last: i64,
    /// Means of times, in seconds after the first, and of values; and the sums of products of what they are off by.
    mean_x: f64,
    mean_y: f64,
    variance: f64,
    covariance: f64,
}

/// How values went.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Slope {
    pub(crate) per_day: f64,
    /// What the line says at its start and its end.
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) seconds: u64,
}

impl Line {
    #[expect(clippy::cast_precision_loss, reason = "seconds of a log are far below 2^52")]
    pub(crate) fn add(&mut self, at: i64, value: f64) {
        if !value.is_finite() {
            return;
        }
        if self.count == 0.0 {
            (self.first, self.last) = (at, at);
        }
        let x = (at - self.first) as f64;
        (self.first, self.last) = (self.first.min(at), self.last.max(at));
        // What was before the first that was seen counts from there, below zero: the means are moved with it.
        let moved = x.min(0.0);
        self.mean_x -= moved;
        let x = x - moved;
        self.count += 1.0;
        let off = x - self.mean_x;
        self.mean_x += off / self.count;
        self.mean_y += (value - self.mean_y) / self.count;
        self.variance += off * (x - self.mean_x);
        self.covariance += off * (value - self.mean_y);
    }

    /// The line, of values at three times at least.
    #[expect(clippy::cast_precision_loss, reason = "seconds of a log are far below 2^52")]
    pub(crate) fn slope(&self) -> Option<Slope> {
        if self.count < 3.0 || self.variance <= 0.0 {
            return None;
        }
        let seconds = self.last.abs_diff(self.first);
        let per_second = self.covariance / self.variance;
        let from = self.mean_y - per_second * self.mean_x;
        let to = from + per_second * seconds as f64;
        Some(Slope { per_day: per_second * 86_400.0, from, to, seconds })
    }
}

impl Slope {
    /// By how much it rose, in per cent of where it began; below zero where it fell.
    pub(crate) fn percent(&self) -> Option<f64> {
        (self.from.abs() > f64::EPSILON).then(|| (self.to - self.from) / self.from.abs() * 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slope(values: &[(i64, f64)]) -> Option<Slope> {
        let mut line = Line::default();
        for (at, value) in values {
            line.add(1_795_403_405 + at, *value);
        }
        line.slope()
    }

    #[test]
    fn a_line_goes_through_its_values_in_any_order() {
        let values: Vec<(i64, f64)> = (0_i32..100).map(|n| (i64::from(n) * 3_600, 500.0 + f64::from(n))).collect();
        let mut shuffled = values.clone();
        shuffled.rotate_left(37);
        for values in [values.clone(), shuffled, values.into_iter().rev().collect()] {
            let slope = slope(&values).unwrap();
            assert!((slope.per_day - 24.0).abs() < 1e-6, "{slope:?}");
            assert!((slope.from - 500.0).abs() < 1e-6 && (slope.to - 599.0).abs() < 1e-6, "{slope:?}");
            assert_eq!(slope.seconds, 99 * 3_600);
            assert!((slope.percent().unwrap() - 19.8).abs() < 1e-6);
        }
    }

    #[test]
    fn too_little_makes_no_line() {
        for values in [&[][..], &[(0, 1.0), (1, 2.0)], &[(5, 1.0), (5, 2.0), (5, 3.0)], &[(0, f64::NAN); 5]] {
            assert_eq!(slope(values), None);
        }
        assert_eq!(slope(&[(0, 0.0), (1, 0.0), (2, 0.0)]).unwrap().percent(), None);
    }
}
