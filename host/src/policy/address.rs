//! Which addresses a public name may lead to. Pure: the caller resolves, asks here, and connects to the very address
//! that was asked about, so that a name cannot change its meaning in between.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// What is special about `address`, if it is not an ordinary one on the public internet: a name from the outside that
/// leads there reaches into the host's own network. After the IANA special-purpose address registries.
pub fn special(address: IpAddr) -> Option<&'static str> {
    match address.to_canonical() {
        IpAddr::V4(address) => special_v4(address),
        IpAddr::V6(address) => special_v6(address),
    }
}

/// Whether one of `networks` holds `address`.
pub fn covered(address: IpAddr, networks: &[IpNet]) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}

/// Reads a network (`10.0.0.0/8`) or a single address (`10.0.0.5`).
///
/// # Errors
/// A text that is neither, with how to write it.
pub fn network(text: &str) -> Result<IpNet, String> {
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical())))
        .map_err(|_| format!("`{text}` is not an address range; write it like 10.0.0.0/8, 192.168.1.7 or fd00::/8"))
}

fn special_v4(address: Ipv4Addr) -> Option<&'static str> {
    Some(match address.octets() {
        [0, 0, 0, 0] => "the unspecified address",
        [0, ..] => "an address of this network",
        [127, ..] => "a loopback address",
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => "a private address",
        [100, 64..=127, ..] => "an address shared behind a carrier's NAT",
        [169, 254, ..] => "a link-local address",
        [192, 0, 0, _] => "an address kept for protocols",
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => "an address kept for documentation",
        [192, 88, 99, _] => "a 6to4 relay address",
        [198, 18 | 19, ..] => "an address kept for benchmarks",
        [224..=239, ..] => "a multicast address",
        [255, 255, 255, 255] => "the broadcast address",
        [240..=255, ..] => "a reserved address",
        _ => return None,
    })
}

fn special_v6(address: Ipv6Addr) -> Option<&'static str> {
    let [.., a, b, c, d] = address.octets();
    Some(match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => "the unspecified address",
        [0, 0, 0, 0, 0, 0, 0, 1] => "a loopback address",
        // NAT64 (RFC 6052): in a network without IPv4, every IPv4 name leads here; what counts is the address within.
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] => return special_v4(Ipv4Addr::new(a, b, c, d)),
        [0xfc00..=0xfdff, ..] => "a private address",
        [0xfe80..=0xfebf, ..] => "a link-local address",
        [0xfec0..=0xfeff, ..] => "a site-local address",
        [0xff00..=0xffff, ..] => "a multicast address",
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => "an address kept for documentation",
        [0x2001, 0, ..] => "a Teredo address",
        [0x2001, 0..=0x1ff, ..] => "an address kept for protocols",
        [0x2002, ..] => "a 6to4 address",
        [0x2000..=0x3fff, ..] => return None,
        _ => "a reserved address",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ordinary_public_addresses_are_not_special() {
        for (address, kind) in [
            ("93.184.215.14", None),
            ("1.1.1.1", None),
            ("172.15.255.255", None),
            ("172.32.0.0", None),
            ("100.63.255.255", None),
            ("100.128.0.0", None),
            ("0.0.0.0", Some("unspecified")),
            ("0.1.2.3", Some("this network")),
            ("127.0.0.1", Some("loopback")),
            ("127.255.255.254", Some("loopback")),
            ("10.1.2.3", Some("private")),
            ("172.16.0.1", Some("private")),
            ("172.31.255.255", Some("private")),
            ("192.168.0.1", Some("private")),
            ("100.64.0.1", Some("carrier")),
            ("169.254.169.254", Some("link-local")),
            ("192.0.0.1", Some("protocols")),
            ("192.0.2.1", Some("documentation")),
            ("198.18.0.1", Some("benchmarks")),
            ("224.0.0.1", Some("multicast")),
            ("240.0.0.1", Some("reserved")),
            ("255.255.255.255", Some("broadcast")),
            ("2606:4700::1111", None),
            ("2a00:1450:4001::1", None),
            ("::", Some("unspecified")),
            ("::1", Some("loopback")),
            ("::ffff:127.0.0.1", Some("loopback")),
            ("::ffff:10.0.0.1", Some("private")),
            ("::ffff:1.1.1.1", None),
            ("::127.0.0.1", Some("reserved")),
            ("64:ff9b::7f00:1", Some("loopback")),
            ("64:ff9b::101:101", None),
            ("64:ff9b:1::101:101", Some("reserved")),
            ("fd00::1", Some("private")),
            ("fe80::1", Some("link-local")),
            ("fec0::1", Some("site-local")),
            ("ff02::1", Some("multicast")),
            ("2001:db8::1", Some("documentation")),
            ("3fff::1", Some("documentation")),
            ("2001::1", Some("Teredo")),
            ("2001:10::1", Some("protocols")),
            ("2002:7f00:1::", Some("6to4")),
            ("100::1", Some("reserved")),
            ("5f00::1", Some("reserved")),
        ] {
            let found = special(address.parse().unwrap());
            match kind {
                None => assert_eq!(found, None, "{address}"),
                Some(kind) => assert!(found.is_some_and(|found| found.contains(kind)), "{address}: {found:?}"),
            }
        }
    }

    #[test]
    fn a_network_covers_its_addresses_also_in_their_ipv6_dress() {
        let networks = [network("10.0.0.0/8").unwrap(), network("192.168.1.7").unwrap(), network("fd00::/8").unwrap()];
        for (address, inside) in [
            ("10.255.0.1", true),
            ("::ffff:10.0.0.1", true),
            ("11.0.0.1", false),
            ("192.168.1.7", true),
            ("192.168.1.8", false),
            ("fd12::1", true),
            ("fe80::1", false),
        ] {
            assert_eq!(covered(address.parse().unwrap(), &networks), inside, "{address}");
        }
        assert!(!covered([127, 0, 0, 1].into(), &[]));
        assert!(network("10.0.0.0/33").unwrap_err().contains("write it like 10.0.0.0/8"));
    }
}
