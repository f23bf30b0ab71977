//! What is to be done, from what is there. Pure.
//!
//! A kept pair (`*.previous` with something in it) says that a run ended between its first copy and its last look: the
//! next one must not take what it finds for what is served.

use crate::pair::{Installed, Pair};

/// What is to be done first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// What is installed is good for long.
    Nothing,
    /// Have a certificate issued, and see what came out.
    Renew,
    /// What is issued already takes the place of what is installed.
    Install,
    /// An earlier run copied, and nobody knows whether the server took it.
    Prove,
    /// An earlier run was cut off half-way, and only the old pair is whole.
    PutBack,
}

/// `issued` is what can be read as a pair, `acceptable` whether nothing stands against it; `before` in seconds.
pub(crate) fn work(
    installed: &Installed,
    kept: Option<&Pair>,
    issued: Option<&Pair>,
    acceptable: bool,
    (before, now): (i64, i64),
) -> Work {
    let lasts = |pair: &Pair| pair.leaf.not_after - now > before;
    match (installed, kept) {
        (Installed::Whole(_), Some(_)) => Work::Prove,
        (Installed::Broken(..) | Installed::Absent, kept) => match kept {
            _ if acceptable && issued.is_some_and(lasts) => Work::Install,
            Some(_) => Work::PutBack,
            None => Work::Renew,
        },
        (Installed::Whole(old), None) => {
            let newer = issued.filter(|new| new.leaf.not_after > old.leaf.not_after);
            match newer {
                // What stands against it is told; where time is short, another is asked for first.
                Some(new) if lasts(new) && (acceptable || lasts(old)) => Work::Install,
                None if lasts(old) => Work::Nothing,
                _ => Work::Renew,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pair::Flaw;
    use crate::{DAY, pair};

    #[test]
    fn what_is_there_says_what_is_to_be_done() {
        let ends = |days: i64| {
            let mut pair = pair("rsa", "pkcs1.key");
            pair.leaf.not_after = days * DAY;
            pair
        };
        let whole = |days: i64| Installed::Whole(ends(days));
        let torn = Installed::Broken(Flaw::new("key does not match", ""), None);
        for (case, installed, kept, issued, acceptable, expected) in vec![
            ("good for long", whole(60), None, Some(ends(60)), false, Work::Nothing),
            ("good for long, nothing issued", whole(60), None, None, false, Work::Nothing),
            ("ends soon", whole(30), None, Some(ends(30)), false, Work::Renew),
            ("ended, nothing issued", whole(-1), None, None, false, Work::Renew),
            ("issued by someone else's timer", whole(60), None, Some(ends(89)), true, Work::Install),
            ("the same, with an objection to be told", whole(60), None, Some(ends(89)), false, Work::Install),
            ("ends soon, and is issued already", whole(5), None, Some(ends(89)), true, Work::Install),
            ("ends soon, and what is issued will not do", whole(5), None, Some(ends(89)), false, Work::Renew),
            ("issued, and ends soon itself", whole(5), None, Some(ends(10)), true, Work::Renew),
            ("first", Installed::Absent, None, None, false, Work::Renew),
            ("first, and issued", Installed::Absent, None, Some(ends(89)), true, Work::Install),
            ("torn by hand", torn.clone(), None, Some(ends(89)), true, Work::Install),
            ("torn by hand, nothing to mend it", torn.clone(), None, Some(ends(89)), false, Work::Renew),
            ("killed between the copies", torn.clone(), Some(ends(5)), Some(ends(89)), true, Work::Install),
            ("killed, and the issued one is gone", torn, Some(ends(5)), None, false, Work::PutBack),
            ("killed after the copies", whole(89), Some(ends(5)), Some(ends(89)), false, Work::Prove),
            ("killed before the copies", whole(5), Some(ends(5)), Some(ends(89)), true, Work::Prove),
        ] {
            let work = work(&installed, kept.as_ref(), issued.as_ref(), acceptable, (30 * DAY, 0));
            assert_eq!(work, expected, "{case}");
        }
    }
}
