//! Which URLs are asked: the addresses of the slot, or paths below each of them. Pure.

/// The most URLs of one run.
const MOST: usize = 200;

/// The URLs, each once. A path that begins with `/` is one of the server, others are below the address; a URL stands for
/// itself.
pub(crate) fn urls(bases: &[String], paths: &[String]) -> Result<Vec<String>, String> {
    let mut urls = Vec::new();
    let mut add = |url: String| {
        if !urls.contains(&url) {
            urls.push(url);
        }
    };
    if paths.is_empty() {
        bases.iter().cloned().for_each(&mut add);
    }
    for path in paths {
        if path.contains("://") {
            add(path.clone());
            continue;
        }
        for base in bases {
            add(if path.starts_with('/') {
                format!("{}{path}", origin(base))
            } else {
                format!("{}/{path}", base.trim_end_matches('/'))
            });
        }
    }
    if urls.len() > MOST {
        return Err(format!("{} URLs are more than {MOST}; make more runs of them", urls.len()));
    }
    Ok(urls)
}

/// Scheme, host and port.
fn origin(url: &str) -> &str {
    let begin = url.find("://").map_or(0, |at| at + 3);
    let end = url.get(begin..).and_then(|rest| rest.find('/')).map_or(url.len(), |at| begin + at);
    url.get(..end).unwrap_or(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_asked_below_each_address() {
        for (bases, paths, expected) in [
            (&["http://a", "http://b/x"][..], &[][..], &["http://a", "http://b/x"][..]),
            (&["http://a", "http://a"], &[], &["http://a"]),
            (&["http://a", "http://b/x/"], &["health"], &["http://a/health", "http://b/x/health"]),
            (&["http://a:8000/x"], &["/health", "ready?full"], &["http://a:8000/health", "http://a:8000/x/ready?full"]),
            (&["http://a"], &["http://a/y", "z"], &["http://a/y", "http://a/z"]),
            (&["https://[::1]:8443"], &["/"], &["https://[::1]:8443/"]),
        ] {
            let texts = |of: &[&str]| of.iter().map(ToString::to_string).collect::<Vec<_>>();
            assert_eq!(urls(&texts(bases), &texts(paths)).unwrap(), expected);
        }
        let many: Vec<String> = (0..=MOST).map(|index| format!("p{index}")).collect();
        assert!(urls(&["http://a".into()], &many).unwrap_err().contains("more than 200"));
    }
}
