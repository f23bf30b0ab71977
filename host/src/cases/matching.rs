//! Which of several expected things is which of several that were found. Pure.

/// Pairs as many as can be: an expected thing may fit several that were found, and each is taken once. Gives what is left
/// of both, by their positions.
pub(super) fn unmatched(
    expected: usize,
    found: usize,
    fits: impl Fn(usize, usize) -> bool,
) -> (Vec<usize>, Vec<usize>) {
    // Of each found thing, the expected one that has it.
    let mut taken: Vec<Option<usize>> = vec![None; found];
    for one in 0..expected {
        let mut tried = vec![false; found];
        place(one, &mut taken, &mut tried, &fits);
    }
    let missing = (0..expected).filter(|one| !taken.contains(&Some(*one))).collect();
    let extra = taken.iter().enumerate().filter(|(_, one)| one.is_none()).map(|(position, _)| position).collect();
    (missing, extra)
}

/// Gives `one` something that fits, for which another may have to move on.
fn place(one: usize, taken: &mut [Option<usize>], tried: &mut [bool], fits: &impl Fn(usize, usize) -> bool) -> bool {
    for position in 0..taken.len() {
        let seen = tried.get(position).copied().unwrap_or(true);
        if seen || !fits(one, position) {
            continue;
        }
        if let Some(tried) = tried.get_mut(position) {
            *tried = true;
        }
        let free = match taken.get(position).copied().flatten() {
            None => true,
            Some(other) => place(other, taken, tried, fits),
        };
        if free {
            if let Some(taken) = taken.get_mut(position) {
                *taken = Some(one);
            }
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_paired_as_can_be() {
        // The first fits anything, the second only the first that was found.
        let fits = |one: usize, position: usize| one == 0 || position == 0;
        assert_eq!(unmatched(2, 2, fits), (vec![], vec![]));
        assert_eq!(unmatched(3, 2, fits), (vec![2], vec![]));
        assert_eq!(unmatched(1, 3, |_, position| position == 1), (vec![], vec![0, 2]));
        assert_eq!(unmatched(1, 0, |_, _| true), (vec![0], vec![]));
        assert_eq!(unmatched(0, 1, |_, _| true), (vec![], vec![0]));
    }
}
