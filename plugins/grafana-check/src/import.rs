//! Dashboards from files, made ready to be saved. Pure.

use serde_json::{Map, Value};

use crate::api::DataSource;

/// A dashboard to be saved.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ready {
    pub(crate) uid: String,
    pub(crate) title: String,
    pub(crate) dashboard: Value,
}

/// Reads a file as Grafana exports it, or as its API gives it, with its inputs filled in.
pub(crate) fn read(bytes: &[u8], sources: &[DataSource]) -> Result<Ready, String> {
    let mut value: Value = serde_json::from_slice(bytes).map_err(|error| format!("it is no JSON: {error}"))?;
    if let Some(inner) = value.get_mut("dashboard").filter(|inner| inner.is_object()) {
        value = inner.take();
    }
    let Value::Object(mut dashboard) = value else { return Err("it is no dashboard: no JSON object".into()) };
    let text = |dashboard: &Map<String, Value>, key: &str| {
        let text = dashboard.get(key).and_then(Value::as_str).map(str::trim);
        text.filter(|text| !text.is_empty()).map(String::from)
    };
    let title = text(&dashboard, "title").ok_or("it is no dashboard: it has no title")?;
    let uid = text(&dashboard, "uid").ok_or("it has no uid: each import would make another of it; give it one")?;
    if !dashboard.contains_key("panels") && !dashboard.contains_key("rows") {
        return Err("it is no dashboard: it has no panels".into());
    }
    let inputs = dashboard.remove("__inputs");
    for key in ["id", "version", "iteration", "__requires", "__elements"] {
        dashboard.remove(key);
    }
    let mut whole = Value::Object(dashboard);
    for input in inputs.as_ref().and_then(Value::as_array).into_iter().flatten() {
        let (name, replacement) = filled(input, sources)?;
        replace(&mut whole, &format!("${{{name}}}"), &replacement);
    }
    Ok(Ready { uid, title, dashboard: whole })
}

/// The name of an input, and what stands for it here.
fn filled(input: &Value, sources: &[DataSource]) -> Result<(String, String), String> {
    let text = |key: &str| input[key].as_str().unwrap_or_default();
    let name = text("name");
    if text("type") != "datasource" {
        return Ok((name.into(), text("value").into()));
    }
    let kind = text("pluginId");
    let fitting: Vec<&DataSource> = sources.iter().filter(|source| source.kind == kind).collect();
    match fitting.as_slice() {
        [only] => Ok((name.into(), only.uid.clone())),
        [] => Err(format!("its input {name} takes a data source of type {kind}, and there is none")),
        several => match several.iter().find(|source| source.is_default) {
            Some(standard) => Ok((name.into(), standard.uid.clone())),
            None => Err(format!(
                "its input {name} takes a data source of type {kind}, and there are {}: name one in the file",
                several.len()
            )),
        },
    }
}

/// In every text of `value`.
fn replace(value: &mut Value, from: &str, to: &str) {
    match value {
        Value::String(text) if text.contains(from) => *text = text.replace(from, to),
        Value::Array(values) => values.iter_mut().for_each(|value| replace(value, from, to)),
        Value::Object(fields) => fields.values_mut().for_each(|value| replace(value, from, to)),
        _ => {}
    }
}

/// Whether what is there is what would be saved.
pub(crate) fn is_same(ready: &Value, there: &Value) -> bool {
    let bare = |value: &Value| {
        let mut fields = value.as_object().cloned().unwrap_or_default();
        for key in ["id", "version", "iteration"] {
            fields.remove(key);
        }
        fields
    };
    bare(ready) == bare(there)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn source(uid: &str, kind: &str, is_default: bool) -> DataSource {
        DataSource { uid: uid.into(), kind: kind.into(), is_default, ..DataSource::default() }
    }

    fn import(value: &Value, sources: &[DataSource]) -> Result<Ready, String> {
        read(value.to_string().as_bytes(), sources)
    }

    #[test]
    fn what_grafana_exports_is_made_ready() {
        let exported = json!({
            "__inputs": [
                {"name": "DS_PROMETHEUS", "type": "datasource", "pluginId": "prometheus"},
                {"name": "VAR_JOB", "type": "constant", "value": "app"},
            ],
            "__requires": [], "__elements": {},
            "id": 7, "version": 3, "uid": "u", "title": " Overview ",
            "panels": [{"datasource": {"uid": "${DS_PROMETHEUS}"}, "targets": [{"expr": "up{job=\"${VAR_JOB}\"}"}]}],
        });
        let ready = import(&exported, &[source("abc", "prometheus", false), source("x", "loki", true)]).unwrap();
        assert_eq!((ready.uid.as_str(), ready.title.as_str()), ("u", "Overview"));
        let expected = json!({
            "uid": "u", "title": " Overview ",
            "panels": [{"datasource": {"uid": "abc"}, "targets": [{"expr": "up{job=\"app\"}"}]}],
        });
        assert_eq!(ready.dashboard, expected);
        // As the API gives it.
        let whole = json!({"meta": {}, "dashboard": expected});
        assert_eq!(import(&whole, &[]).unwrap().dashboard, ready.dashboard);
        assert!(is_same(
            &ready.dashboard,
            &json!({
                "id": 9, "version": 12, "uid": "u", "title": " Overview ",
                "panels": [{"datasource": {"uid": "abc"}, "targets": [{"expr": "up{job=\"app\"}"}]}],
            })
        ));
        assert!(!is_same(&ready.dashboard, &json!({"uid": "u", "title": "Overview"})));
    }

    #[test]
    fn what_cannot_be_imported_says_why() {
        let input = |kind: &str| json!({"__inputs": [{"name": "DS", "type": "datasource", "pluginId": kind}], "uid": "u", "title": "t", "panels": []});
        let several = [source("a", "prometheus", false), source("b", "prometheus", false)];
        let standard = [source("a", "prometheus", false), source("b", "prometheus", true)];
        for (value, sources, message) in [
            (json!([]), &[][..], "no JSON object"),
            (json!({"uid": "u", "panels": []}), &[], "it has no title"),
            (json!({"title": "t", "panels": []}), &[], "it has no uid"),
            (json!({"title": "t", "uid": "", "panels": []}), &[], "it has no uid"),
            (json!({"title": "t", "uid": "u"}), &[], "it has no panels"),
            (input("prometheus"), &[], "of type prometheus, and there is none"),
            (input("prometheus"), &several, "of type prometheus, and there are 2: name one in the file"),
        ] {
            let error = import(&value, sources).unwrap_err();
            assert!(error.contains(message), "{value}: {error}");
        }
        assert!(import(&input("prometheus"), &standard).is_ok());
        assert!(read(b"{", &[]).unwrap_err().contains("it is no JSON"));
    }
}
