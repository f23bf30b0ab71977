//! Versions of Debian's packages, compared as dpkg does: deb-version(7).

use std::cmp::Ordering;

/// `[epoch:]upstream[-revision]`.
#[derive(Clone, Debug)]
pub(crate) struct Debian {
    pub(crate) epoch: u32,
    pub(crate) upstream: String,
    revision: String,
}

impl Debian {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (epoch, rest) = match text.split_once(':') {
            Some((epoch, rest)) => (epoch.parse().ok()?, rest),
            None => (0, text),
        };
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        let plain = |text: &str, also: &str| {
            text.bytes().all(|byte| byte.is_ascii_alphanumeric() || also.as_bytes().contains(&byte))
        };
        let good = !upstream.is_empty() && plain(upstream, ".+-:~_") && plain(revision, ".+~_");
        good.then(|| Self { epoch, upstream: upstream.into(), revision: revision.into() })
    }

    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        (self.epoch.cmp(&other.epoch))
            .then_with(|| compare(self.upstream.as_bytes(), other.upstream.as_bytes()))
            .then_with(|| compare(self.revision.as_bytes(), other.revision.as_bytes()))
    }
}

/// Parts that are no digits and parts that are take turns; `~` sorts before the end, and letters before the rest.
fn compare(mut one: &[u8], mut other: &[u8]) -> Ordering {
    while !one.is_empty() || !other.is_empty() {
        loop {
            let weights = (weight(one), weight(other));
            if weights == (0, 0) {
                break;
            }
            if weights.0 != weights.1 {
                return weights.0.cmp(&weights.1);
            }
            (one, other) = (one.get(1..).unwrap_or_default(), other.get(1..).unwrap_or_default());
        }
        let (first, second);
        (first, one) = number(one);
        (second, other) = number(other);
        let ordering = first.len().cmp(&second.len()).then_with(|| first.cmp(second));
        if ordering.is_ne() {
            return ordering;
        }
    }
    Ordering::Equal
}

/// Of the first byte, among what is no digit; digits and the end weigh nothing.
fn weight(text: &[u8]) -> i32 {
    match text.first() {
        None | Some(b'0'..=b'9') => 0,
        Some(b'~') => -1,
        Some(&byte) if byte.is_ascii_alphabetic() => i32::from(byte),
        Some(&byte) => i32::from(byte) + 256,
    }
}

/// The digits that it begins with, without zeros before them, and what follows.
fn number(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    (digits.get(zeros..).unwrap_or_default(), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_in_the_order_that_dpkg_has_them_in() {
        let order = [
            "0~~",
            "0~~a",
            "0~",
            "0",
            "0.1",
            "1.0~beta1~svn1245",
            "1.0~beta1",
            "1.0",
            "1.0-1",
            "1.0-1+deb12u1",
            "1.0-2",
            "1.0a",
            "1.0+b1",
            "1.0.1",
            "1.2",
            "1.10",
            "1.10.0",
            "2.36-9+deb12u4",
            "2.36-9+deb12u10",
            "1:0.1",
            "2:0",
        ];
        let parsed: Vec<_> = order.iter().map(|text| Debian::parse(text).unwrap()).collect();
        for (first, one) in parsed.iter().enumerate() {
            for (second, other) in parsed.iter().enumerate() {
                assert_eq!(one.compare(other), first.cmp(&second), "{} {}", order[first], order[second]);
            }
        }
    }

    #[test]
    fn what_is_equal_and_what_is_no_version() {
        for (one, other) in [("1.0", "1.00"), ("0:1.0", "1.0"), ("1.0-0", "1.0"), ("01", "1")] {
            let (one, other) = (Debian::parse(one).unwrap(), Debian::parse(other).unwrap());
            assert_eq!(one.compare(&other), Ordering::Equal);
        }
        for text in ["", ":", "a:1", "1:", "-1", "1 0", "1\u{e9}", "99999999999:1"] {
            assert!(Debian::parse(text).is_none(), "{text}");
        }
    }
}
