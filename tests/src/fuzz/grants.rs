//! What an operator writes is refused or understood, never more than it says, and a credential in it is never shown.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use taskhost::capability::{Binding, Grants, ROOMS, RoomWords};
use taskhost::policy::address::{covered, network, special};
use taskhost::policy::endpoint::{EndpointPattern, HostName, HostPattern};
use taskhost::policy::glob::Globs;
use taskhost::policy::units::{Seconds, Size};

use super::{Found, ensure};

/// Stands for `{secret}` in an input, and in what variables and files hold.
const SECRET: &str = "hunter2-hunter2";

pub(super) fn check(input: &[u8]) -> Found {
    let Ok(text) = std::str::from_utf8(input) else { return Ok(()) };
    let written = text.replace("{secret}", SECRET);
    for room in ROOMS {
        binding(room, &written)?;
    }
    units(text)?;
    endpoint(text)?;
    host(text)?;
    globs(text)
}

fn binding(room: &RoomWords, written: &str) -> Found {
    let held = || format!("postgres://role:{SECRET}@127.0.0.1/shop");
    let (slot, rest) = written.split_once('=').unwrap_or((written, ""));
    let (target, settings) = rest.split_once(',').unwrap_or((rest, ""));
    // Where it stands beside the target, it is no credential.
    let secret_elsewhere = slot.contains(SECRET) || settings.contains(SECRET);
    let hides = |what: &str, said: &str| {
        ensure(secret_elsewhere || !said.contains(SECRET), || {
            format!("--{} {written}: {what} shows the credential: {said}", room.name)
        })
    };
    let parsed = Binding::parse(room, written, |_| Some(held()), |_| Ok(held() + "\n"));
    let (slot, binding) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return hides("the refusal", &error.to_string()),
    };
    hides("Debug of the binding", &format!("{binding:?}"))?;
    let mut grants = Grants::default();
    if let Err(error) = grants.bind(room.name, &slot, vec![binding]) {
        // A directory or an endpoint is what its room is about, and is named where it is wrong.
        let names_target = matches!(room.name, "files" | "tls");
        return if names_target { Ok(()) } else { hides("the refusal", &error.to_string()) };
    }
    if matches!(room.name, "sql" | "http") {
        hides("Debug of the grant", &format!("{grants:?}"))?;
    }
    let granted = grants.access(room.name, &slot).ok_or("a slot that was bound is not bound")?;
    let words: Vec<_> = settings.split(',').map(|word| word.strip_prefix("access=").unwrap_or(word)).collect();
    for word in granted {
        ensure(room.access.first() == Some(&word) || words.contains(&word), || {
            format!("--{} {written} ({target}): grants {word}, which was not written", room.name)
        })?;
    }
    Ok(())
}

fn units(text: &str) -> Found {
    if let Ok(seconds) = text.parse::<Seconds>() {
        let shown = seconds.to_string();
        ensure(shown.parse() == Ok(seconds), || format!("{text} is {seconds:?}, shown as {shown}"))?;
    }
    if let Ok(size) = text.parse::<Size>() {
        let shown = size.to_string();
        // Rounded where it shows a fraction.
        ensure(shown.contains('.') || shown.parse() == Ok(size), || format!("{text} is {size:?}, shown as {shown}"))?;
    }
    Ok(())
}

fn endpoint(text: &str) -> Found {
    let Ok(pattern) = text.parse::<EndpointPattern>() else { return Ok(()) };
    let shown = pattern.to_string();
    ensure(shown.parse() == Ok(pattern.clone()), || format!("{text} is {pattern:?}, shown as {shown}"))?;
    if let HostPattern::Exact(host) = &pattern.host {
        ensure(pattern.matches(host, pattern.port), || format!("{shown} does not mean {host}"))?;
        ensure(!pattern.matches(host, pattern.port ^ 1), || format!("{shown} means another port"))?;
    }
    Ok(())
}

fn host(text: &str) -> Found {
    let Ok(host) = text.parse::<HostName>() else { return Ok(()) };
    let shown = host.to_string();
    ensure(shown.parse() == Ok(host.clone()), || format!("{text} is {host:?}, shown as {shown}"))?;
    match host {
        HostName::Name(name) => {
            ensure(!is_address(&name), || format!("{text} is the name {name}, which a resolver reads as an address"))?;
            let plain =
                |c: char| c.is_ascii() && !c.is_ascii_uppercase() && !c.is_control() && !" /@:%#?*[]".contains(c);
            ensure(name.chars().all(plain), || format!("{text} is the name {name:?}"))
        }
        HostName::Address(address) => {
            ensure(address == address.to_canonical(), || format!("{text} is {address}"))?;
            // The same in its IPv6 dress.
            if let IpAddr::V4(four) = address {
                let dressed = IpAddr::V6(four.to_ipv6_mapped());
                ensure(special(address) == special(dressed), || format!("{address} and {dressed} differ"))?;
                let translated = IpAddr::V6(nat64(four));
                ensure(special(address).is_none() || special(translated).is_some(), || {
                    format!("{address} is special, and not as {translated}")
                })?;
            }
            let own = network(&address.to_string()).map_err(|error| format!("{text}: {error}"))?;
            ensure(covered(address, &[own]), || format!("{own} does not cover {address}"))
        }
    }
}

fn nat64(address: Ipv4Addr) -> Ipv6Addr {
    let [a, b, c, d] = address.octets();
    Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
}

/// What `inet_aton` takes: up to four numbers, decimal, octal or hexadecimal.
fn is_address(name: &str) -> bool {
    let is_number = |label: &str| {
        let hexadecimal = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
        hexadecimal.map_or_else(
            || !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_digit()),
            |digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        )
    };
    name.split('.').count() <= 4 && name.split('.').all(is_number)
}

/// The first line is a glob, the others are paths.
fn globs(text: &str) -> Found {
    let mut lines = text.lines();
    let Some(glob) = lines.next() else { return Ok(()) };
    let Ok(globs) = Globs::new(vec![glob.to_owned()]) else { return Ok(()) };
    // What is written without the special characters can be told by hand.
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-*?/ ".contains(c);
    let by_hand = glob.chars().all(plain) && !glob.contains("**");
    for path in lines {
        let name = path.rsplit('/').next().unwrap_or_default();
        let matches = globs.matches(path.as_bytes(), name.len());
        if by_hand && path.is_ascii() {
            let pattern = glob.strip_prefix('/').unwrap_or(glob);
            let subject = if glob.contains('/') { path } else { name };
            let expected = wildcard(pattern.as_bytes(), subject.as_bytes());
            ensure(matches == expected, || format!("`{glob}` on `{path}`: {matches}, and {expected} by hand"))?;
        }
    }
    Ok(())
}

/// `*` for any characters but `/`, `?` for one.
fn wildcard(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => {
            wildcard(rest, text) || matches!(text, [first, others @ ..] if *first != b'/' && wildcard(pattern, others))
        }
        ([b'?', rest @ ..], [first, others @ ..]) => *first != b'/' && wildcard(rest, others),
        ([one, rest @ ..], [first, others @ ..]) => one == first && wildcard(rest, others),
        _ => false,
    }
}
