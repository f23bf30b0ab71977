//! Which indexes are worth a rebuild, in which order, and which are left and why. Pure.

/// An index with what a rebuild would make of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Candidate {
    /// `schema.name`, or `table.name`.
    pub(crate) name: String,
    pub(crate) bytes: u64,
    /// After a rebuild; none where it cannot be told.
    pub(crate) rebuilt: Option<u64>,
    /// What it had after this task last rebuilt it.
    pub(crate) remembered: Option<u64>,
    /// Why it cannot be rebuilt without keeping writers out.
    pub(crate) blocking: Option<&'static str>,
    /// The role may rebuild it.
    pub(crate) permitted: bool,
    /// An earlier rebuild of it left these.
    pub(crate) remains: Vec<String>,
    /// The operator named it.
    pub(crate) named: bool,
}

impl Candidate {
    /// Bytes that a rebuild gives back.
    pub(crate) fn gain(&self) -> u64 {
        self.rebuilt.map_or(0, |rebuilt| self.bytes.saturating_sub(rebuilt))
    }

    /// The same in per cent.
    pub(crate) fn percent(&self) -> f64 {
        percent(self.gain(), self.bytes)
    }
}

/// `part` of `whole` in per cent; 0 of nothing.
#[expect(clippy::cast_precision_loss, reason = "a share is shown with one decimal")]
pub(crate) fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

/// From when a rebuild is worth the work: both must be reached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) percent: f64,
    pub(crate) bytes: u64,
}

impl Limits {
    pub(crate) fn reached(&self, gain: u64, whole: u64) -> bool {
        gain > 0 && gain >= self.bytes && percent(gain, whole) >= self.percent
    }
}

/// What becomes of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is not worth a rebuild.
    Fine,
    /// It is rebuilt.
    Rebuild,
    /// Worth it, and this one knows why not.
    Blocking(&'static str),
    /// Another rebuild would add to what an earlier one left.
    Remains,
    /// The role may not.
    Denied,
    /// The last rebuild left it as large: the estimate is wrong.
    Known,
}

/// What becomes of it.
pub(crate) fn fate(index: &Candidate, limits: &Limits) -> Fate {
    if !index.named && !limits.reached(index.gain(), index.bytes) {
        return Fate::Fine;
    }
    if let Some(why) = index.blocking {
        return Fate::Blocking(why);
    }
    if !index.permitted {
        return Fate::Denied;
    }
    if !index.remains.is_empty() {
        return Fate::Remains;
    }
    // It has to have grown since by what would be worth a rebuild.
    let grown = index.remembered.map(|bytes| index.bytes.saturating_sub(bytes));
    match grown {
        Some(grown) if !index.named && !limits.reached(grown, index.bytes) => Fate::Known,
        _ => Fate::Rebuild,
    }
}

/// The largest gain first.
pub(crate) fn order(one: &Candidate, other: &Candidate) -> std::cmp::Ordering {
    (other.gain(), &one.name).cmp(&(one.gain(), &other.name))
}

/// The index of which `name` is what a concurrent rebuild left behind: `_ccnew` did not end, `_ccold` was not dropped. The
/// server shortens long names.
pub(crate) fn rebuilt_from(name: &str) -> Option<(&str, &'static str)> {
    ["_ccnew", "_ccold"].into_iter().find_map(|mark| {
        let at = name.rfind(mark)?;
        let rest = name.get(at + mark.len()..)?;
        rest.chars().all(|digit| digit.is_ascii_digit()).then_some((name.get(..at)?, mark))
    })
}

/// Bytes of a name that the server keeps.
const NAME: usize = 63;

/// Whether `remains` was left by a rebuild of `index`, both without their schema.
pub(crate) fn is_of(remains: &str, index: &str) -> bool {
    rebuilt_from(remains).is_some_and(|(base, mark)| {
        base == index || (index.len() + mark.len() > NAME && base.len() > NAME / 2 && index.starts_with(base))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { percent: 30.0, bytes: 1_000 };

    fn index(bytes: u64, rebuilt: u64) -> Candidate {
        Candidate { name: "i".into(), bytes, rebuilt: Some(rebuilt), permitted: true, ..Candidate::default() }
    }

    #[test]
    fn an_index_is_rebuilt_when_it_is_worth_it_and_can_be() {
        for (case, index, expected) in [
            ("half is bloat", index(10_000, 5_000), Fate::Rebuild),
            ("exactly both", index(3_333, 2_333), Fate::Rebuild),
            ("a small share", index(100_000, 71_000), Fate::Fine),
            ("a large share of little", index(1_500, 501), Fate::Fine),
            ("smaller than estimated", index(1_000, 5_000), Fate::Fine),
            ("not estimated", Candidate { rebuilt: None, ..index(10_000, 0) }, Fate::Fine),
            ("named", Candidate { named: true, rebuilt: None, ..index(10_000, 0) }, Fate::Rebuild),
            ("not concurrently", Candidate { blocking: Some("why"), ..index(10_000, 1) }, Fate::Blocking("why")),
            (
                "named, and not concurrently",
                Candidate { blocking: Some("why"), named: true, ..index(1, 1) },
                Fate::Blocking("why"),
            ),
            ("fine, and not concurrently", Candidate { blocking: Some("why"), ..index(10_000, 9_999) }, Fate::Fine),
            ("not the role's", Candidate { permitted: false, ..index(10_000, 1) }, Fate::Denied),
            ("with remains", Candidate { remains: vec!["i_ccnew".into()], ..index(10_000, 1) }, Fate::Remains),
            (
                "as large as the last rebuild left it",
                Candidate { remembered: Some(9_900), ..index(10_000, 1) },
                Fate::Known,
            ),
            ("grown since", Candidate { remembered: Some(7_000), ..index(10_000, 1) }, Fate::Rebuild),
            ("named again", Candidate { remembered: Some(10_000), named: true, ..index(10_000, 1) }, Fate::Rebuild),
        ] {
            assert_eq!(fate(&index, &LIMITS), expected, "{case}");
        }
    }

    #[test]
    fn the_largest_gain_goes_first() {
        let named = |name: &str, bytes, rebuilt| Candidate { name: name.into(), ..index(bytes, rebuilt) };
        let mut all = [named("b", 10, 5), named("large", 1_000, 999), named("a", 10, 5), named("most", 100, 1)];
        all.sort_by(order);
        assert_eq!(all.map(|index| index.name), ["most", "a", "b", "large"]);
    }

    #[test]
    fn remains_are_known_by_their_names() {
        for (name, expected) in [
            ("i_ccnew", Some(("i", "_ccnew"))),
            ("i_ccold3", Some(("i", "_ccold"))),
            ("i_ccnew_ccnew1", Some(("i_ccnew", "_ccnew"))),
            ("i_ccnewer", None),
            ("i", None),
        ] {
            assert_eq!(rebuilt_from(name), expected, "{name}");
        }
        let long = "a".repeat(63);
        let short = format!("{}_ccnew", "a".repeat(57));
        for (remains, index, expected) in [
            ("i_ccnew", "i", true),
            ("i_ccnew", "ii", false),
            ("ii_ccnew", "i", false),
            (short.as_str(), long.as_str(), true),
            ("aaa_ccnew", long.as_str(), false),
        ] {
            assert_eq!(is_of(remains, index), expected, "{remains} {index}");
        }
    }
}
