//! The server itself: its configuration, its storage, and what it drops.

use taskhost_sdk::report::{Finding, Severity};
use taskhost_sdk::words::count;

use super::span;
use crate::api::Runtime;
use crate::figures::Figures;

/// A counter that stays at zero where all is well.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counter {
    pub(crate) name: &'static str,
    severity: Severity,
    title: &'static str,
    /// What each of them is.
    what: &'static str,
}

const STORAGE: &str = "storage fails";
const DROPPED: &str = "samples are dropped";

/// The counters that are looked at.
pub(crate) const COUNTERS: [Counter; 14] = [
    critical("prometheus_tsdb_compactions_failed_total", "compactions that failed"),
    critical("prometheus_tsdb_head_truncations_failed_total", "truncations of the head that failed"),
    critical("prometheus_tsdb_wal_truncations_failed_total", "truncations of the write-ahead log that failed"),
    critical("prometheus_tsdb_checkpoint_creations_failed_total", "checkpoints that failed"),
    critical("prometheus_tsdb_reloads_failures_total", "reloads of blocks that failed"),
    critical("prometheus_tsdb_wal_corruptions_total", "corruptions of the write-ahead log"),
    critical("prometheus_tsdb_mmap_chunk_corruptions_total", "corruptions of chunks"),
    warning("prometheus_target_scrapes_exceeded_sample_limit_total", DROPPED, "scrapes over sample_limit"),
    warning("prometheus_target_scrapes_exceeded_body_size_limit_total", DROPPED, "scrapes over body_size_limit"),
    warning(
        "prometheus_target_scrapes_sample_duplicate_timestamp_total",
        DROPPED,
        "samples of one time with other values",
    ),
    warning("prometheus_target_scrapes_sample_out_of_order_total", DROPPED, "samples out of order"),
    warning("prometheus_remote_storage_samples_failed_total", "remote storage fails", "samples that were not taken"),
    warning("prometheus_remote_storage_samples_dropped_total", "remote storage fails", "samples that were dropped"),
    warning("prometheus_notifications_dropped_total", "notifications are dropped", "notifications"),
];

const fn critical(name: &'static str, what: &'static str) -> Counter {
    Counter { name, severity: Severity::Critical, title: STORAGE, what }
}

const fn warning(name: &'static str, title: &'static str, what: &'static str) -> Counter {
    Counter { name, severity: Severity::Warning, title, what }
}

/// The configuration, as it was last loaded.
pub(crate) fn configuration(runtime: &Runtime, now: f64) -> Option<Finding> {
    (!runtime.reload_config_success).then(|| {
        Finding::critical("configuration", "configuration was not loaded")
            .detail(format!("the one of {} ago is still in use", span(now - runtime.last_config_time.0)))
            .remedy("`promtool check config` says what is wrong with the file")
    })
}

/// What the server's own checks found.
pub(crate) fn corruptions(runtime: &Runtime) -> Option<Finding> {
    (runtime.corruption_count > 0).then(|| {
        Finding::critical("storage", STORAGE)
            .detail(format!("{} corruptions were found since the start", count(runtime.corruption_count)))
    })
}

/// What service discovery cannot do.
pub(crate) fn discovery(figures: &Figures) -> Option<Finding> {
    let failed = figures.sum("prometheus_sd_failed_configs").filter(|failed| *failed > 0.0)?;
    Some(
        Finding::warning("discovery", "service discovery fails")
            .detail(format!("{failed} of its configurations could not be loaded")),
    )
}

/// A counter that is not zero. `lately` is by how much it grew in the `window`, where the server knows; else it counts
/// from the start.
pub(crate) fn counter(counter: &Counter, total: f64, lately: Option<f64>, window: f64, uptime: f64) -> Option<Finding> {
    let (number, time) = match lately {
        Some(lately) => (lately.round(), format!("the last {}", span(window))),
        None => (total, format!("{} since the start", span(uptime))),
    };
    (number > 0.0).then(|| {
        Finding::new(counter.severity, counter.name, counter.title)
            .detail(format!("{number} {} in {time}", counter.what))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Moment;

    const NOW: f64 = 1_800_000_000.0;

    fn said(finding: Option<Finding>) -> Option<String> {
        finding.map(|finding| {
            format!("{:?} {}: {}", finding.severity(), finding.title(), finding.text()).replace("Severity::", "")
        })
    }

    #[test]
    fn a_configuration_that_was_not_loaded_is_critical() {
        let runtime =
            Runtime { reload_config_success: true, last_config_time: Moment(NOW - 60.0), ..Runtime::default() };
        assert_eq!(said(configuration(&runtime, NOW)), None);
        let failed = Runtime { reload_config_success: false, ..runtime };
        assert_eq!(
            said(configuration(&failed, NOW)).unwrap(),
            "Critical configuration was not loaded: the one of 1 min ago is still in use; `promtool check config` says what is wrong with the file"
        );
        assert_eq!(said(corruptions(&Runtime::default())), None);
        let corrupt = Runtime { corruption_count: 2, ..Runtime::default() };
        assert_eq!(
            said(corruptions(&corrupt)).unwrap(),
            "Critical storage fails: 2 corruptions were found since the start"
        );
    }

    #[test]
    fn a_counter_counts_lately_where_that_is_known() {
        let compactions = COUNTERS[0];
        for (total, lately, expected) in [
            (3.0, None, Some("Critical storage fails: 3 compactions that failed in 2 h since the start")),
            (3.0, Some(1.0), Some("Critical storage fails: 1 compactions that failed in the last 1 h")),
            (3.0, Some(0.0), None),
            (0.0, None, None),
        ] {
            assert_eq!(said(counter(&compactions, total, lately, 3_600.0, 7_200.0)).as_deref(), expected);
        }
    }

    #[test]
    fn discovery_that_fails_is_named() {
        let figures = |value: u32| Figures::read(&format!("prometheus_sd_failed_configs{{name=\"scrape\"}} {value}\n"));
        assert_eq!(said(discovery(&figures(0))), None);
        assert_eq!(
            said(discovery(&figures(1))).unwrap(),
            "Warning service discovery fails: 1 of its configurations could not be loaded"
        );
        assert_eq!(said(discovery(&Figures::default())), None);
    }
}
