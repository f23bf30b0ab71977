//! What the answers say of the server. Pure: answers in, findings out.

use taskhost_sdk::report::Finding;
use taskhost_sdk::words::{counted, some_of};

use crate::api::{DataSource, Health, Listed};
use crate::panels::Panels;

/// Titles of panels that are shown.
const SHOWN: usize = 5;

/// The server's own state.
pub(crate) fn server(health: &Health, line: &str, is_success: bool) -> Option<Finding> {
    if is_success && health.database == "ok" {
        return None;
    }
    let detail = if health.database.is_empty() {
        format!("it answered {line}")
    } else {
        format!("it says that its database is {}", health.database)
    };
    Some(Finding::critical("grafana", "server is not well").detail(detail))
}

/// What a data source's health check said: its status, and whether it was a good answer.
pub(crate) fn source(source: &DataSource, status: u16, said: &str) -> Option<Finding> {
    match status {
        // Not every kind has a check, and not every version knows of one.
        200..=299 | 404 | 501 => None,
        403 => Some(
            Finding::warning(&source.name, "data source cannot be checked")
                .detail(said)
                .remedy("the token takes the permission datasources:query"),
        ),
        _ => Some(
            Finding::critical(&source.name, "data source does not answer")
                .detail(format!("{} ({})", said, source.kind)),
        ),
    }
}

/// The data sources together.
pub(crate) fn sources(sources: &[DataSource]) -> Option<Finding> {
    if sources.is_empty() {
        return Some(
            Finding::warning("data sources", "there is no data source").detail("dashboards have nothing to show"),
        );
    }
    (!sources.iter().any(|source| source.is_default)).then(|| {
        Finding::warning("data sources", "no data source is the default")
            .detail(format!("panels that name none show nothing; there are {}", sources.len()))
    })
}

/// A dashboard as people call it.
pub(crate) fn name(listed: &Listed) -> String {
    match listed.folder_title.as_deref().filter(|folder| !folder.is_empty()) {
        Some(folder) => format!("{folder}/{}", listed.title),
        None => listed.title.clone(),
    }
}

/// One dashboard.
pub(crate) fn dashboard(listed: &Listed, panels: &Panels) -> Vec<Finding> {
    let name = name(listed);
    let mut findings: Vec<Finding> = panels
        .missing
        .iter()
        .map(|(source, titles)| {
            let shown = some_of(&titles.iter().map(String::as_str).collect::<Vec<_>>(), SHOWN);
            Finding::warning(&name, "panels ask a data source that is not there")
                .detail(format!("{} of {} ask `{source}`: {shown}", titles.len(), counted(panels.count, "panel")))
                .remedy("name one that is there, or remove them")
        })
        .collect();
    if panels.count == 0 {
        findings.push(Finding::ok(&name, "dashboard has no panels"));
    }
    findings
}

/// Dashboards that must be there, by title or uid.
pub(crate) fn expected(wanted: &[String], listed: &[Listed]) -> Vec<Finding> {
    let is_there = |name: &String| listed.iter().any(|listed| listed.title == *name || listed.uid == *name);
    wanted
        .iter()
        .filter(|name| !is_there(name))
        .map(|name| {
            Finding::critical(name, "dashboard is missing")
                .detail(format!("it is not among {}", counted(listed.len(), "dashboard")))
                .remedy("import it, or let the token's account see its folder")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(findings: impl IntoIterator<Item = Finding>) -> Vec<String> {
        let line = |finding: Finding| {
            format!("{:?} {} {}: {}", finding.severity(), finding.subject(), finding.title(), finding.text())
        };
        findings.into_iter().map(|finding| line(finding).replace("Severity::", "")).collect()
    }

    #[test]
    fn a_server_is_well_when_its_database_is() {
        let health = |database: &str| Health { database: database.into(), ..Health::default() };
        for (health, line, success, expected) in [
            (health("ok"), "200 OK", true, vec![]),
            (
                health("failing"),
                "503 Service Unavailable",
                false,
                vec!["Critical grafana server is not well: it says that its database is failing"],
            ),
            (
                health(""),
                "502 Bad Gateway",
                false,
                vec!["Critical grafana server is not well: it answered 502 Bad Gateway"],
            ),
        ] {
            assert_eq!(said(server(&health, line, success)), expected);
        }
    }

    #[test]
    fn a_data_source_is_judged_by_its_own_check() {
        let prometheus = DataSource { name: "Prometheus".into(), kind: "prometheus".into(), ..DataSource::default() };
        for (status, expected) in [
            (200, vec![]),
            (404, vec![]),
            (501, vec![]),
            (400, vec!["Critical Prometheus data source does not answer: why (prometheus)"]),
            (500, vec!["Critical Prometheus data source does not answer: why (prometheus)"]),
            (
                403,
                vec![
                    "Warning Prometheus data source cannot be checked: why; the token takes the permission datasources:query",
                ],
            ),
        ] {
            assert_eq!(said(source(&prometheus, status, "why")), expected, "{status}");
        }
        assert_eq!(
            said(sources(&[])),
            ["Warning data sources there is no data source: dashboards have nothing to show"]
        );
        assert_eq!(
            said(sources(std::slice::from_ref(&prometheus))),
            ["Warning data sources no data source is the default: panels that name none show nothing; there are 1"]
        );
        assert!(sources(&[DataSource { is_default: true, ..prometheus }]).is_none());
    }

    #[test]
    fn dashboards_are_named_with_their_folder() {
        let listed = Listed { uid: "u".into(), title: "Overview".into(), folder_title: Some("App".into()) };
        let mut panels = Panels { count: 3, ..Panels::default() };
        assert!(said(dashboard(&listed, &panels)).is_empty());
        panels.missing.insert("gone".into(), vec!["a".into(), "b".into()]);
        assert_eq!(
            said(dashboard(&listed, &panels)),
            [
                "Warning App/Overview panels ask a data source that is not there: 2 of 3 panels ask `gone`: a, b; name one that is there, or remove them"
            ]
        );
        assert_eq!(said(dashboard(&listed, &Panels::default())), ["Ok App/Overview dashboard has no panels: "]);
        let wanted = ["Overview", "u", "Other"].map(String::from);
        assert_eq!(
            said(expected(&wanted, &[listed])),
            [
                "Critical Other dashboard is missing: it is not among 1 dashboard; import it, or let the token's account see its folder"
            ]
        );
    }
}
