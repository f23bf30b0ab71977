//! Whether what was issued may take the place of what is installed. Pure: the time is passed in.

use certificates::chain::{self, Fault, Shape};
use certificates::words::{date, described, span};
use certificates::{Certificate, name};
use taskhost_sdk::words::some_of;

use crate::pair::{Flaw, Installed, Pair};

/// Names that a finding shows.
const NAMED: usize = 10;

/// In the names of issuers that no client trusts: Let's Encrypt's staging, old and new, and Pebble.
const STAGING: [&str; 4] = ["(staging)", "fake le ", "happy hacker fake", "pebble "];

/// What the operator set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings<'a> {
    /// What it must be valid for; none means all that the installed one is valid for.
    pub(crate) names: &'a [String],
    /// A staging issuer's, and a self-signed one, will do.
    pub(crate) staging: bool,
    /// A chain without the leaf's issuer will not.
    pub(crate) require_issuer: bool,
    /// Seconds since 1970.
    pub(crate) now: i64,
}

/// All that stands against it.
pub(crate) fn objections(installed: &Installed, issued: &Pair, settings: &Settings<'_>) -> Vec<Flaw> {
    let mut flaws = in_time(issued, settings.now);
    if let Some(old) = installed.pair().filter(|old| issued.leaf.not_after <= old.leaf.not_after) {
        let (new, old) = (date(issued.leaf.not_after), date(old.leaf.not_after));
        flaws.push(Flaw::new("not newer", format!("it ends on {new}, and the one installed on {old}")));
    }
    flaws.extend(lost(installed.leaf(), &issued.leaf, settings.names));
    flaws.extend(in_chain(&issued.chain, settings.require_issuer));
    flaws.extend(issuer(issued, settings.staging));
    flaws
}

fn in_time(issued: &Pair, now: i64) -> Vec<Flaw> {
    let leaf = &issued.leaf;
    let mut flaws = Vec::new();
    if now < leaf.not_before {
        let from = date(leaf.not_before);
        flaws.push(Flaw::new("not yet valid", format!("it is valid from {from}, in {}", span(leaf.not_before - now))));
    }
    if leaf.not_after <= now {
        let detail = format!("it expired {} ago, on {}", span(now - leaf.not_after), date(leaf.not_after));
        flaws.push(Flaw::new("expired", detail));
    }
    // A chain is no better than what is above the leaf.
    for above in issued.chain.iter().skip(1).filter(|above| above.not_after <= now) {
        let detail = format!("{} expired on {}", described(above), date(above.not_after));
        flaws.push(Flaw::new("expired in the chain", detail));
    }
    flaws
}

fn lost(old: Option<&Certificate>, new: &Certificate, wanted: &[String]) -> Option<Flaw> {
    let of_old = || {
        let old = old?;
        Some(old.dns_names.iter().cloned().chain(old.addresses.iter().map(ToString::to_string)).collect())
    };
    let wanted: Vec<String> = if wanted.is_empty() { of_old().unwrap_or_default() } else { wanted.to_vec() };
    let lost: Vec<&str> = wanted.iter().filter(|name| !name::covers(new, name)).map(String::as_str).collect();
    (!lost.is_empty()).then(|| Flaw::new("names are missing", format!("it is not valid for {}", some_of(&lost, NAMED))))
}

fn in_chain(certificates: &[Certificate], require_issuer: bool) -> Vec<Flaw> {
    match chain::shape(certificates) {
        Shape::Authorities => return vec![Flaw::new("no certificate of a server", "it holds authorities only")],
        Shape::Collection => return vec![Flaw::new("no chain", "it holds certificates of several servers")],
        Shape::Chain => {}
    }
    let called = |at: &usize| certificates.get(*at).map(described).unwrap_or_default();
    let flaw = |fault: &Fault| match fault {
        Fault::Open(_) if !require_issuer => None,
        Fault::Open(at) | Fault::Missing(at) => {
            Some(Flaw::new("missing intermediate", format!("the issuer of {} is not in it", called(at))))
        }
        Fault::Order { found, expected } => {
            let detail = format!("{} is number {}, and should be number {}", called(found), found + 1, expected + 1);
            Some(Flaw::new("chain out of order", detail))
        }
        Fault::Signature(at, issuer) => {
            let detail = format!("{} was not signed by {}", called(at), called(issuer));
            Some(Flaw::new("signature does not fit", detail))
        }
    };
    chain::faults(certificates).iter().filter_map(flaw).collect()
}

fn issuer(issued: &Pair, staging: bool) -> Option<Flaw> {
    if staging {
        return None;
    }
    if issued.leaf.self_issued() {
        return Some(Flaw::new("self-signed", format!("{}: no client trusts it", described(&issued.leaf))));
    }
    let mut names = issued.chain.iter().map(|one| &one.issuer_name);
    let test = names.find(|name| STAGING.iter().any(|mark| name.to_lowercase().contains(mark)))?;
    Some(Flaw::new("staging issuer", format!("issued by `{test}`, which no client trusts")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DAY, bytes, chain, pair};

    fn titles(installed: &Installed, issued: &Pair, settings: &Settings<'_>) -> Vec<&'static str> {
        objections(installed, issued, settings).iter().map(|flaw| flaw.title).collect()
    }

    fn settings(now: i64) -> Settings<'static> {
        Settings { names: &[], staging: false, require_issuer: true, now }
    }

    #[test]
    fn what_is_in_order_may_be_installed() {
        let issued = chain(&["www.example.org.pem", "intermediate.pem"], "pkcs8-ec.key");
        let now = issued.leaf.not_before + DAY;
        assert_eq!(titles(&Installed::Absent, &issued, &settings(now)), [""; 0]);
        let mut old = issued.clone();
        old.leaf.not_after -= DAY;
        assert_eq!(titles(&Installed::Whole(old), &issued, &settings(now)), [""; 0]);
    }

    #[test]
    fn each_objection_is_made() {
        let good = chain(&["www.example.org.pem", "intermediate.pem"], "pkcs8-ec.key");
        let now = good.leaf.not_before + DAY;
        let with = |change: &dyn Fn(&mut Pair)| {
            let mut changed = good.clone();
            change(&mut changed);
            changed
        };
        let parts = |files: &[&str]| chain(files, "pkcs8-ec.key");
        let old = Installed::Whole(good.clone());
        for (case, installed, issued, now, expected) in [
            ("the same", &old, good.clone(), now, &["not newer"][..]),
            ("early", &Installed::Absent, good.clone(), now - 2 * DAY, &["not yet valid"]),
            ("late", &Installed::Absent, good.clone(), good.leaf.not_after, &["expired", "expired in the chain"]),
            (
                "fewer names",
                &old,
                with(&|new| {
                    new.leaf.not_after += 1;
                    new.leaf.dns_names.retain(|name| name.starts_with('*'));
                    new.leaf.addresses.clear();
                }),
                now,
                &["names are missing"],
            ),
            ("alone", &Installed::Absent, parts(&["www.example.org.pem"]), now, &["missing intermediate"]),
            (
                "not its issuer",
                &Installed::Absent,
                parts(&["www.example.org.pem", "root.pem"]),
                now,
                &["missing intermediate"],
            ),
            (
                "root before",
                &Installed::Absent,
                parts(&["www.example.org.pem", "root.pem", "intermediate.pem"]),
                now,
                &["chain out of order"],
            ),
            ("two", &Installed::Absent, parts(&["www.example.org.pem", "rsa.pem"]), now, &["no chain"]),
            (
                "an authority",
                &Installed::Absent,
                with(&|new| new.chain.drain(..1).for_each(drop)),
                now,
                &["no certificate of a server"],
            ),
            (
                "staging",
                &Installed::Absent,
                with(&|new| new.chain[1].issuer_name = "(STAGING) Pretend Pear X1".into()),
                now,
                &["staging issuer"],
            ),
        ] {
            assert_eq!(titles(installed, &issued, &settings(now)), expected, "{case}");
        }
    }

    #[test]
    fn the_operator_may_say_that_it_is_meant() {
        let alone = chain(&["www.example.org.pem"], "pkcs8-ec.key");
        let now = alone.leaf.not_before + DAY;
        assert_eq!(titles(&Installed::Absent, &alone, &Settings { require_issuer: false, ..settings(now) }), [""; 0]);
        let names = ["www.example.org".to_owned(), "192.0.2.7".into(), "a.shop.example.org".into()];
        let other = Installed::Broken(Flaw::new("", ""), Some(pair("rsa", "pkcs1.key").leaf));
        let named = Settings { names: &names, require_issuer: false, ..settings(now) };
        assert_eq!(titles(&other, &alone, &named), [""; 0]);
        let names = ["example.org".to_owned()];
        let flaws = objections(&other, &alone, &Settings { names: &names, ..named });
        assert_eq!(flaws, [Flaw::new("names are missing", "it is not valid for example.org")]);
    }

    #[test]
    fn a_self_signed_one_is_for_tests_only() {
        let (leaf, _) = crate::pair::chain_of(&bytes("self.pem")).unwrap();
        let own = Pair { chain: vec![leaf.clone()], leaf, certificate: vec![], key: vec![] };
        let settings = settings(own.leaf.not_before + DAY);
        assert_eq!(titles(&Installed::Absent, &own, &settings), ["self-signed"]);
        assert_eq!(titles(&Installed::Absent, &own, &Settings { staging: true, ..settings }), [""; 0]);
    }
}
