//! How the certificates of one file or handshake hang together (RFC 8446, 4.4.2: the server's own first, then each
//! one's issuer; the root may be left out).

use crate::certificate::Certificate;
use crate::signature;

/// What the certificates are to each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A leaf with what it takes to get to a root, or to an issuer that is not here.
    Chain,
    /// Authorities only, such as a bundle of trust roots: their order means nothing.
    Authorities,
    /// Several leaves: a collection.
    Collection,
}

/// What is wrong with a chain; positions count from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The certificate at `found` should stand at `expected`.
    Order {
        /// Where it is.
        found: usize,
        /// Where it belongs.
        expected: usize,
    },
    /// Others are here, and none is the issuer of the certificate at this position.
    Missing(usize),
    /// The second is the issuer of the first by name, and did not sign it.
    Signature(usize, usize),
    /// The last certificate is a leaf, whose issuer is not here.
    Open(usize),
}

/// The shape of what one file or handshake holds.
pub fn shape(certificates: &[Certificate]) -> Shape {
    match certificates.iter().filter(|certificate| certificate.is_leaf()).count() {
        0 => Shape::Authorities,
        1 => Shape::Chain,
        _ => Shape::Collection,
    }
}

/// The leaf: what the others are there for.
pub fn leaf(certificates: &[Certificate]) -> Option<&Certificate> {
    certificates.iter().find(|certificate| certificate.is_leaf()).or_else(|| certificates.first())
}

/// The faults of `certificates`, read as a chain.
pub fn faults(certificates: &[Certificate]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let Some(start) = leaf(certificates) else { return faults };
    let mut position = certificates.iter().position(|certificate| certificate == start).unwrap_or(0);
    if position != 0 {
        faults.push(Fault::Order { found: position, expected: 0 });
    }
    let mut current = start;
    // Each step goes to a certificate not yet seen, so that a circle of issuers ends.
    let mut seen = vec![position];
    while !current.self_issued() {
        let candidates = || {
            let unseen = certificates.iter().enumerate().filter(|(index, _)| !seen.contains(index));
            unseen.filter(|(_, issuer)| current.names_as_issuer(issuer))
        };
        let verdict = |issuer: &Certificate| signature::verifies(&current.der, &issuer.der);
        // Of several that bear the issuer's name, the one that signed.
        let signer = candidates().find(|(_, issuer)| verdict(issuer) != Some(false));
        let Some((next, issuer)) = signer.or_else(|| candidates().next()) else {
            let mut unseen = certificates.iter().enumerate().filter(|(index, _)| !seen.contains(index));
            if current.is_leaf() {
                faults.push(if unseen.next().is_some() { Fault::Missing(position) } else { Fault::Open(position) });
            } else if unseen.any(|(_, certificate)| certificate.self_issued()) {
                // A root is here, and not that of this authority. Without one, the root is merely left out.
                faults.push(Fault::Missing(position));
            }
            break;
        };
        if signer.is_none() {
            faults.push(Fault::Signature(position, next));
        }
        let in_order = faults.iter().all(|fault| !matches!(fault, Fault::Order { .. }));
        if next != seen.len() && in_order {
            faults.push(Fault::Order { found: next, expected: seen.len() });
        }
        seen.push(next);
        (position, current) = (next, issuer);
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn what_hangs_together_and_what_does_not() {
        let cases: [(&[&str], &[Fault]); 16] = [
            (&["www.example.org", "intermediate"], &[]),
            (&["www.example.org", "intermediate", "root"], &[]),
            (&["rsa", "root"], &[]),
            (&["self"], &[]),
            (&["root"], &[]),
            (&["intermediate"], &[]),
            (&["www.example.org"], &[Fault::Open(0)]),
            (&["www.example.org", "root"], &[Fault::Missing(0)]),
            (&["www.example.org", "rsa"], &[Fault::Missing(0)]),
            (&["intermediate", "www.example.org"], &[Fault::Order { found: 1, expected: 0 }]),
            (&["www.example.org", "root", "intermediate"], &[Fault::Order { found: 2, expected: 1 }]),
            (&["anonymous", "impostor"], &[Fault::Signature(0, 1)]),
            (&["anonymous", "impostor", "root"], &[Fault::Signature(0, 1)]),
            (&["anonymous", "intermediate", "impostor"], &[]),
            (&["www.example.org", "intermediate", "authority"], &[]),
            (&[], &[]),
        ];
        for (names, expected) in cases {
            let certificates: Vec<_> = names.iter().map(|name| fixture(name)).collect();
            assert_eq!(faults(&certificates), expected, "{names:?}");
        }
    }

    #[test]
    fn a_bundle_of_authorities_is_no_chain() {
        assert_eq!(shape(&[fixture("intermediate"), fixture("root")]), Shape::Authorities);
        assert_eq!(shape(&[fixture("www.example.org"), fixture("rsa")]), Shape::Collection);
        assert_eq!(shape(&[fixture("www.example.org"), fixture("root")]), Shape::Chain);
    }
}
