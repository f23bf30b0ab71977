//! What is measured of a system whose operator wrote nothing, from the names of metrics that most libraries use: the
//! figures of the runbook with its limits.

use crate::kpi::{self, Kpi};

/// A set by its name.
const SETS: [(&str, &str); 3] = [
    (
        "application",
        // Of libraries for Python, Node and Go, of Spring and of OpenTelemetry. Without an error there is no series of
        // errors.
        r#"
response time p95: histogram_quantile(0.95, sum by (le) (rate({__name__=~"http_request_duration_seconds_bucket|http_server_requests_seconds_bucket|http_server_request_duration_seconds_bucket"}[5m]))) > 0.5, 1 [s]
error rate: 100 * (sum(rate({__name__=~"http_requests_total|http_server_requests_seconds_count|http_server_request_duration_seconds_count",status=~"5.."}[5m])) or sum(rate({__name__=~"http_requests_total",code=~"5.."}[5m])) or sum(rate({__name__=~"http_requests_total",status_code=~"5.."}[5m])) or sum(rate({__name__=~"http_server_request_duration_seconds_count",http_response_status_code=~"5.."}[5m])) or vector(0)) / sum(rate({__name__=~"http_requests_total|http_server_requests_seconds_count|http_server_request_duration_seconds_count"}[5m])) > 1, 5 [%]
throughput: sum(rate({__name__=~"http_requests_total|http_server_requests_seconds_count|http_server_request_duration_seconds_count"}[5m])) [/s]
active requests: sum({__name__=~"http_requests_in_progress|http_requests_in_flight|http_requests_inprogress|http_server_active_requests|nginx_connections_active"})
"#,
    ),
    ("availability", "availability: 100 * avg by (job) (avg_over_time(up[1d])) < 99.9, 99 [%]"),
    (
        "node",
        r#"
node CPU: 100 * (1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m]))) > 80, 95 [%]
node memory: 100 * (1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes) > 85, 95 [%]
node disk: 100 * (1 - node_filesystem_avail_bytes{fstype!~"tmpfs|ramfs|overlay|squashfs|iso9660"} / node_filesystem_size_bytes) > 80, 90 [%]
node inodes: 100 * (1 - node_filesystem_files_free{fstype!~"tmpfs|ramfs|overlay|squashfs|iso9660"} / node_filesystem_files) > 80, 90 [%]
node disk I/O: 100 * rate(node_disk_io_time_seconds_total[5m]) > 80, 95 [%]
node network errors: 100 * sum by (instance) (rate(node_network_receive_errs_total[5m]) + rate(node_network_transmit_errs_total[5m])) / sum by (instance) (rate(node_network_receive_packets_total[5m]) + rate(node_network_transmit_packets_total[5m])) > 0.1, 1 [%]
"#,
    ),
];

/// The figures of the sets of these names, but those that have the name of one that is `written`.
///
/// # Errors
/// A set that is none.
pub(crate) fn figures(names: &[String], written: &[Kpi]) -> Result<Vec<Kpi>, String> {
    let mut figures = Vec::new();
    for name in names.iter().map(|name| name.trim()).filter(|name| !name.is_empty()) {
        let Some((_, text)) = SETS.iter().find(|(set, _)| *set == name) else {
            let all = SETS.map(|(set, _)| format!("`{set}`")).join(", ");
            return Err(format!("there is no set `{name}` of ready figures; there are {all}"));
        };
        figures.extend(kpi::parse(text)?);
    }
    figures.retain(|figure| written.iter().all(|own| own.name != figure.name));
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_is_one_and_what_is_written_comes_first() {
        let names: Vec<String> = SETS.iter().map(|(name, _)| (*name).to_owned()).collect();
        let all = figures(&names, &[]).unwrap();
        assert_eq!(all.len(), 11);
        assert!(all.iter().filter(|figure| figure.limit.is_some()).count() == 9);
        let own = kpi::parse("throughput: x > 1").unwrap();
        assert_eq!(figures(&names, &own).unwrap().len(), 10);
        assert_eq!(figures(&[String::new()], &[]), Ok(vec![]));
        let error = figures(&["nodes".into()], &[]).unwrap_err();
        assert_eq!(error, "there is no set `nodes` of ready figures; there are `application`, `availability`, `node`");
    }
}
