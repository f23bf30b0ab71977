//! How long the way to an endpoint is, from the connections that were made. Pure.

use taskhost_sdk::prelude::*;

use crate::measure::{Limit, Measure};

/// The median of the tries: microseconds of connecting, or why there was no answer. A connection that was kept from an
/// earlier try took no time, and says nothing.
///
/// # Errors
/// An endpoint that did not answer half of them.
pub(crate) fn judge(base: &str, tries: &[Result<u64, String>], limit: Limit) -> Result<Measure, Finding> {
    let failed: Vec<&String> = tries.iter().filter_map(|one| one.as_ref().err()).collect();
    let mut times: Vec<u64> =
        tries.iter().filter_map(|one| one.as_ref().ok()).copied().filter(|time| *time > 0).collect();
    times.sort_unstable();
    let median = times.get(times.len().saturating_sub(1) / 2);
    match median {
        Some(median) if failed.len() * 2 < tries.len() => {
            let milliseconds = f64::from(u32::try_from(*median).unwrap_or(u32::MAX)) / 1000.0;
            Ok(Measure::new("network latency", milliseconds, "ms")
                .on(base)
                .limit(Some(limit))
                .remedy("see where on the way the time goes: mtr, or endpoint-health for the parts of a request"))
        }
        _ => {
            let why = failed.first().map_or("no connection was made", |why| why.as_str());
            let detail = format!("{} of {} tries failed: {why}", failed.len(), tries.len());
            Err(Finding::critical(base, "endpoint does not answer").detail(detail))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_the_connections_counts() {
        let limit = Limit::above(100.0, 500.0);
        let no = || Err::<u64, String>("refused".into());
        for (tries, milliseconds) in [
            (vec![Ok(1_000), Ok(5_000), Ok(3_000)], Some(3.0)),
            (vec![Ok(1_000), Ok(5_000)], Some(1.0)),
            (vec![Ok(2_500), Ok(0), Ok(0)], Some(2.5)),
            (vec![Ok(2_000), no(), Ok(4_000)], Some(2.0)),
            (vec![Ok(2_000), no()], None),
            (vec![no(), no(), Ok(1)], None),
            (vec![Ok(0)], None),
            (vec![], None),
        ] {
            let judged = judge("http://h", &tries, limit);
            assert_eq!(judged.as_ref().ok().map(|measure| measure.value), milliseconds, "{tries:?}");
            if let Err(finding) = judged {
                assert_eq!((finding.subject(), finding.title()), ("http://h", "endpoint does not answer"));
            }
        }
        let slow = judge("http://h", &[Ok(150_000)], limit).unwrap().finding().unwrap();
        assert_eq!(slow.title(), "network latency is above its limit");
        assert!(slow.text().starts_with("150 ms, above 100 ms; critical above 500 ms"), "{}", slow.text());
    }
}
