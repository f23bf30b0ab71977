//! How values are spread: percentiles of any number of them in a fixed amount of memory. Pure.
//!
//! A histogram whose classes are as wide as a part of their values (as those of `HdrHistogram` are): each power of two is divided
//! into 128 classes, and a percentile is the middle of its class, so that it is off by at most 1 in 256. Least, greatest,
//! number and mean are exact.

/// Classes for each power of two, as a power of two.
const CLASSES: u32 = 7;
/// From 2^-64 to 2^64; what is nearer to zero counts as zero, and what is beyond as the last class.
const EXPONENTS: u64 = 128;
const LOWEST: u64 = 1023 - 64;
const SIZE: usize = 128 << CLASSES;

/// By how much a percentile may be off, in per cent of its value.
pub(crate) const ERROR_PERCENT: f64 = 0.4;

/// Values, as far as is remembered of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spread {
    positive: Vec<u64>,
    negative: Vec<u64>,
    zero: u64,
    count: u64,
    least: f64,
    greatest: f64,
    mean: f64,
}

impl Spread {
    /// Takes a value in; one that is no number is left out.
    #[expect(clippy::cast_precision_loss, reason = "counts of lines are far below 2^52")]
    pub(crate) fn add(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        if self.count == 0 {
            (self.least, self.greatest) = (value, value);
        }
        self.count += 1;
        self.least = self.least.min(value);
        self.greatest = self.greatest.max(value);
        self.mean += (value - self.mean) / self.count as f64;
        let Some(class) = class(value.abs()) else {
            self.zero += 1;
            return;
        };
        let side = if value > 0.0 { &mut self.positive } else { &mut self.negative };
        if side.is_empty() {
            *side = vec![0; SIZE];
        }
        if let Some(count) = side.get_mut(class) {
            *count += 1;
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn greatest(&self) -> f64 {
        self.greatest
    }

    pub(crate) fn least(&self) -> f64 {
        self.least
    }

    pub(crate) fn mean(&self) -> f64 {
        self.mean
    }

    /// The value that so many per cent are at or below; none of no values.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank among counts, which are far below 2^52"
    )]
    pub(crate) fn percentile(&self, percent: f64) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        let rank = (percent / 100.0 * self.count as f64).ceil().clamp(1.0, self.count as f64) as u64;
        let below_zero = self.negative.iter().enumerate().rev().map(|(class, count)| (-middle(class), *count));
        let above = self.positive.iter().enumerate().map(|(class, count)| (middle(class), *count));
        let mut seen = 0;
        for (value, count) in below_zero.chain([(0.0, self.zero)]).chain(above) {
            seen += count;
            if count > 0 && seen >= rank {
                return Some(value.clamp(self.least, self.greatest));
            }
        }
        Some(self.greatest)
    }
}

/// The class of a value above zero: its exponent and the first bits of its mantissa, which are next to each other in its
/// representation.
fn class(value: f64) -> Option<usize> {
    let bits = value.to_bits() >> (52 - CLASSES);
    let lowest = LOWEST << CLASSES;
    let class = bits.checked_sub(lowest)?.min((EXPONENTS << CLASSES) - 1);
    usize::try_from(class).ok()
}

/// The value in the middle of a class.
fn middle(class: usize) -> f64 {
    let bits = (class as u64 + (LOWEST << CLASSES)) << (52 - CLASSES);
    f64::from_bits(bits | 1 << (51 - CLASSES))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(values: impl IntoIterator<Item = f64>) -> Spread {
        let mut spread = Spread::default();
        values.into_iter().for_each(|value| spread.add(value));
        spread
    }

    #[test]
    fn percentiles_are_off_by_no_more_than_is_said() {
        let mut values: Vec<f64> = (0..100_000).map(|n| f64::from((n * 7_919) % 100_003) / 977.0 + 0.001).collect();
        let spread = spread(values.iter().copied());
        values.sort_by(f64::total_cmp);
        for percent in [0.0, 1.0, 25.0, 50.0, 90.0, 95.0, 99.0, 99.9, 100.0] {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank")]
            let rank = (percent / 100.0 * 100_000.0_f64).ceil().max(1.0) as usize;
            let (real, found) = (values[rank - 1], spread.percentile(percent).unwrap());
            assert!((found - real).abs() <= real * ERROR_PERCENT / 100.0, "{percent}: {found} is not {real}");
        }
        assert_eq!((spread.least(), spread.greatest()), (values[0], values[99_999]));
        let mean = values.iter().sum::<f64>() / 100_000.0;
        assert!((spread.mean() - mean).abs() < mean * 1e-9);
    }

    #[test]
    fn values_of_every_kind_are_taken_or_left_out() {
        for (values, percent, expected) in [
            (&[][..], 50.0, None),
            (&[5.0], 99.0, Some(5.0)),
            (&[0.0, 0.0, 0.0, 7.0], 50.0, Some(0.0)),
            (&[-4.0, -4.0, 1.0], 50.0, Some(-4.0)),
            (&[f64::NAN, f64::INFINITY, 3.0], 100.0, Some(3.0)),
            (&[1e300, 1e300], 50.0, Some(1e300)),
            (&[1e-300, 1e-300], 50.0, Some(1e-300)),
        ] {
            assert_eq!(spread(values.iter().copied()).percentile(percent), expected, "{values:?}");
        }
        let mixed = spread([-8.0, -2.0, 0.0, 2.0, 8.0]);
        for (percent, real) in [(20.0, -8.0), (40.0, -2.0), (60.0, 0.0), (80.0, 2.0), (100.0, 8.0)] {
            let found = mixed.percentile(percent).unwrap();
            assert!((found - real).abs() <= f64::abs(real) * 0.004, "{percent}: {found}");
        }
    }
}
