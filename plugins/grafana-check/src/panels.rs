//! Which data sources the panels of a dashboard ask, and which of them are not there. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::api::DataSource;

/// Names that stand for no data source of the server's.
const BUILT_IN: [&str; 7] = ["", "default", "grafana", "-- Grafana --", "-- Mixed --", "-- Dashboard --", "__expr__"];

/// What the panels of one dashboard ask in vain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Panels {
    pub(crate) count: usize,
    /// Data sources that are not there, with the titles of the panels that ask them.
    pub(crate) missing: BTreeMap<String, Vec<String>>,
}

/// Looks through a dashboard; rows have panels of their own.
pub(crate) fn examine(dashboard: &Value, sources: &[DataSource]) -> Panels {
    let variables: BTreeSet<&str> = dashboard
        .pointer("/templating/list")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|variable| variable["name"].as_str())
        .collect();
    let known = |asked: &str| {
        BUILT_IN.contains(&asked)
            || sources.iter().any(|source| source.uid == asked || source.name == asked)
            || variable(asked).is_some_and(|name| variables.contains(name))
    };
    let mut panels = Panels::default();
    let mut left: Vec<&Value> = children(dashboard).collect();
    left.reverse();
    while let Some(panel) = left.pop() {
        left.extend(children(panel));
        if panel["type"] == "row" {
            continue;
        }
        panels.count += 1;
        let title = panel["title"].as_str().filter(|title| !title.is_empty()).unwrap_or("(no title)");
        for asked in asked(panel).into_iter().filter(|asked| !known(asked)) {
            panels.missing.entry(asked.into()).or_default().push(title.into());
        }
    }
    panels
}

/// Panels, also those in the rows of old dashboards.
fn children(of: &Value) -> impl Iterator<Item = &Value> {
    let rows = of["rows"].as_array().into_iter().flatten();
    let panels = of["panels"].as_array().into_iter().flatten();
    panels.chain(rows.flat_map(|row| row["panels"].as_array().into_iter().flatten()))
}

/// The data sources of a panel: its own, and those of its queries.
fn asked(panel: &Value) -> BTreeSet<&str> {
    let targets = panel["targets"].as_array().into_iter().flatten();
    std::iter::once(&panel["datasource"])
        .chain(targets.map(|target| &target["datasource"]))
        .filter_map(|source| source.as_str().or_else(|| source["uid"].as_str()))
        .collect()
}

/// The name of the variable that `${name}`, `$name` or `[[name]]` stands for.
fn variable(text: &str) -> Option<&str> {
    let braces = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    let brackets = || text.strip_prefix("[[").and_then(|rest| rest.strip_suffix("]]"));
    let name = braces.or_else(brackets).or_else(|| text.strip_prefix('$'))?;
    name.split(':').next()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sources() -> Vec<DataSource> {
        let source = |uid: &str, name: &str| DataSource { uid: uid.into(), name: name.into(), ..DataSource::default() };
        vec![source("abc", "Prometheus"), source("def", "Loki")]
    }

    fn missing(dashboard: &Value) -> Vec<(String, Vec<String>)> {
        examine(dashboard, &sources()).missing.into_iter().collect()
    }

    #[test]
    fn a_panel_asks_what_is_there_in_any_form() {
        for source in [
            json!(null),
            json!("Prometheus"),
            json!("abc"),
            json!({"type": "loki", "uid": "def"}),
            json!("-- Mixed --"),
            json!({"type": "datasource", "uid": "grafana"}),
            json!("${ds}"),
            json!({"uid": "$ds"}),
            json!("[[ds]]"),
            json!("${ds:text}"),
        ] {
            let dashboard = json!({
                "panels": [{"type": "timeseries", "title": "a", "datasource": source}],
                "templating": {"list": [{"name": "ds", "type": "datasource"}]},
            });
            assert_eq!(missing(&dashboard), [], "{source}");
        }
    }

    #[test]
    fn what_is_not_there_is_named_with_its_panels() {
        let dashboard = json!({
            "panels": [
                {"type": "row", "panels": [{"type": "stat", "title": "inner", "datasource": {"uid": "gone"}}]},
                {"type": "graph", "title": "outer", "datasource": "gone"},
                {"type": "graph", "datasource": {"uid": "abc"}, "targets": [{"datasource": {"uid": "other"}}, {}]},
                {"type": "text", "title": "none"},
                {"type": "graph", "title": "unset", "datasource": "${DS_PROMETHEUS}"},
            ],
            "rows": [{"panels": [{"type": "graph", "title": "old", "datasource": "gone"}]}],
        });
        let panels = examine(&dashboard, &sources());
        assert_eq!(panels.count, 6);
        let found: Vec<_> =
            panels.missing.iter().map(|(name, titles)| format!("{name}: {}", titles.join(", "))).collect();
        assert_eq!(found, ["${DS_PROMETHEUS}: unset", "gone: inner, outer, old", "other: (no title)"]);
    }

    #[test]
    fn a_dashboard_of_any_form_is_looked_through() {
        for odd in [
            json!(null),
            json!([]),
            json!({"panels": "x"}),
            json!({"panels": [1, {"panels": 2}]}),
            json!({"rows": [{}]}),
        ] {
            assert!(missing(&odd).is_empty(), "{odd}");
        }
    }
}
