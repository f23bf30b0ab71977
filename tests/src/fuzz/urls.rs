//! What a slot's address grants is what is sent, and no server takes it for something else: however often it decodes
//! the path, whatever it takes for a separator, and whenever it resolves `..`.
//!
//! An input is an address, and a URL that a guest asks for, a line each.

use taskhost::fuzzing::{Sent, http_sent};

use super::{Found, ensure};

pub(super) fn check(input: &[u8]) -> Found {
    let Ok(text) = std::str::from_utf8(input) else { return Ok(()) };
    let mut lines = text.split('\n');
    let (base, url) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    // An address grants itself.
    let Some(own) = http_sent(base, base) else { return Ok(()) };
    let Some(sent) = http_sent(base, url) else { return Ok(()) };
    let said = || format!("{base:?} grants {url:?}, sent as {sent:?}");
    ensure((sent.encrypted, &sent.host, sent.port) == (own.encrypted, &own.host, own.port), said)?;
    let visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    ensure(sent.target.starts_with('/') && visible(&sent.target) && visible(&sent.authority), said)?;
    ensure(!sent.authority.contains(['@', '/', '?', '#']), said)?;
    for decodings in 0..6 {
        let (base, path) = (names(&own, decodings), names(&sent, decodings));
        ensure(path.starts_with(&base), || format!("{}: {path:?} after {decodings} decodings", said()))?;
    }
    // What is sent means the same again.
    let scheme = if sent.encrypted { "https" } else { "http" };
    let whole = format!("{scheme}://{}{}", sent.authority, sent.target);
    ensure(http_sent(base, &whole).as_ref() == Some(&sent), || format!("{}, and {whole} as something else", said()))
}

/// The names that a server makes of the path which decodes so often, takes a backslash for a slash, leaves parameters
/// out, and resolves dots last.
fn names(sent: &Sent, decodings: usize) -> Vec<String> {
    let mut path = sent.target.split('?').next().unwrap_or_default().as_bytes().to_vec();
    for _ in 0..decodings {
        path = decoded(&path);
    }
    let path = String::from_utf8_lossy(&path).replace('\\', "/");
    let mut names: Vec<String> = Vec::new();
    for name in path.split('/') {
        match name.split(';').next().unwrap_or_default().trim() {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name.into()),
        }
    }
    names
}

fn decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, others @ ..] = rest {
        let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        if let (b'%', [high, low, after @ ..]) = (first, others)
            && let (Some(high), Some(low)) = (digit(high), digit(low))
        {
            out.push(high * 16 + low);
            rest = after;
        } else {
            out.push(*first);
            rest = others;
        }
    }
    out
}
