//! Whether a certificate is valid for a host (RFC 6125, as browsers apply it: the subject's common name does not count).

use std::net::IpAddr;

use crate::certificate::Certificate;

/// Whether `certificate` names `host`, a name or an address.
pub fn covers(certificate: &Certificate, host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = host.parse::<IpAddr>() {
        return certificate.addresses.contains(&address);
    }
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    certificate.dns_names.iter().any(|name| name_covers(name, &host))
}

fn name_covers(name: &str, host: &str) -> bool {
    let name = name.trim_end_matches('.');
    match name.strip_prefix("*.") {
        // A wildcard stands for one label, and not for a part of one.
        Some(parent) => {
            parent.contains('.')
                && host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == parent)
        }
        None => name == host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn a_host_is_covered_by_an_alternative_name_only() {
        let certificate = fixture("www.example.org");
        for (host, covered) in [
            ("www.example.org", true),
            ("WWW.Example.ORG.", true),
            ("example.org", false),
            ("a.shop.example.org", true),
            ("shop.example.org", false),
            ("a.b.shop.example.org", false),
            (".shop.example.org", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("2001:db8::7", true),
            ("[2001:db8::7]", true),
            ("", false),
        ] {
            assert_eq!(covers(&certificate, host), covered, "{host}");
        }
        assert!(!covers(&fixture("nameless"), "nameless"), "a common name alone counts for nothing");
        assert!(!name_covers("*.org", "example.org"), "a wildcard above a whole domain");
        assert!(!name_covers("*", "localhost"));
    }
}
