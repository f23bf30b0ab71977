//! What the operator says of traces, by the variables of the OpenTelemetry specification (OpenTelemetry Protocol
//! Exporter, and Environment Variable Specification). Pure: variables are passed in.

use std::borrow::Cow;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;

use super::spans::Attribute;
use crate::capability::Secret;

/// Where traces go, and what is said of their sender.
#[derive(Debug)]
pub(super) struct Settings {
    /// It may hold a credential.
    pub(super) url: Secret,
    /// Marked as sensitive: they hold credentials.
    pub(super) headers: HeaderMap,
    /// What sends.
    pub(super) resource: Vec<Attribute>,
}

impl Settings {
    /// None where no endpoint is named, or tracing is turned off.
    ///
    /// # Errors
    /// What is wrong, by the variable's name and never its value.
    pub(super) fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, String> {
        // An empty one is as one that is not set.
        let variable =
            |name: &str| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        // What is said of traces comes before what is said of all.
        let either = |what: &str| {
            let names = [format!("OTEL_EXPORTER_OTLP_TRACES_{what}"), format!("OTEL_EXPORTER_OTLP_{what}")];
            names.into_iter().find_map(|name| variable(&name).map(|value| (name, value)))
        };
        let off = variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
            || variable("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none");
        let Some((name, endpoint)) = either("ENDPOINT").filter(|_| !off) else { return Ok(None) };
        let url = url::Url::parse(&endpoint).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let mut url = url.ok_or_else(|| format!("{name} is no http or https URL"))?;
        if !name.contains("TRACES") {
            url.set_path(&format!("{}/v1/traces", url.path().trim_end_matches('/')));
        }
        if let Some((name, protocol)) = either("PROTOCOL")
            && !matches!(protocol.as_str(), "http/json" | "http/protobuf")
        {
            return Err(format!(
                "{name} asks for what the host does not speak; set it to http/json, and the endpoint to the collector's \
                 port for HTTP (4318, unless it says otherwise)"
            ));
        }
        let headers = either("HEADERS").map(|(name, list)| headers(&name, &list)).transpose()?.unwrap_or_default();
        let resource = resource(variable("OTEL_SERVICE_NAME"), variable("OTEL_RESOURCE_ATTRIBUTES"))?;
        Ok(Some(Self { url: Secret::new(String::from(url)), headers, resource }))
    }
}

fn headers(variable: &str, list: &str) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs(variable, list)? {
        let name: HeaderName = name.parse().map_err(|_| format!("a name in {variable} is none of a header"))?;
        let mut value = HeaderValue::from_str(&value)
            .map_err(|_| format!("the value of {name} in {variable} is none of a header"))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

fn resource(service: Option<String>, attributes: Option<String>) -> Result<Vec<Attribute>, String> {
    let mut given = attributes.map_or(Ok(vec![]), |list| pairs("OTEL_RESOURCE_ATTRIBUTES", &list))?;
    let defaults = [("service.name", "taskhost"), ("service.version", env!("CARGO_PKG_VERSION"))]
        .map(|(key, value)| (key, value.to_owned()));
    if let Some(service) = service {
        given.retain(|(key, _)| key != "service.name");
        given.push(("service.name".into(), service));
    }
    for (key, value) in defaults {
        if !given.iter().any(|(other, _)| other == key) {
            given.push((key.into(), value));
        }
    }
    Ok(given.into_iter().map(|(key, value)| Attribute::text(Cow::Owned(key), value)).collect())
}

/// `KEY=VALUE,KEY=VALUE`, with `%2C` for a comma in a value.
fn pairs(variable: &str, list: &str) -> Result<Vec<(String, String)>, String> {
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=')?;
        let decoded = |text: &str| percent_decode_str(text.trim()).decode_utf8().ok().map(Cow::into_owned);
        Some((decoded(key).filter(|key| !key.is_empty())?, decoded(value)?))
    };
    let parts = list.split(',').filter(|part| !part.trim().is_empty());
    parts.map(pair).collect::<Option<_>>().ok_or_else(|| format!("{variable} is not written as KEY=VALUE,KEY=VALUE"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<Settings>, String> {
        Settings::read(|name| variables.iter().find(|(named, _)| *named == name).map(|(_, value)| (*value).to_owned()))
    }

    const ALL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
    const TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";

    #[test]
    fn the_endpoint_is_found_as_the_specification_says() {
        for (variables, url) in [
            (vec![], None),
            (vec![(ALL, "")], None),
            (vec![(ALL, "http://a:4318")], Some("http://a:4318/v1/traces")),
            (vec![(ALL, "https://a/otlp/")], Some("https://a/otlp/v1/traces")),
            (vec![(TRACES, "http://a:4318/x")], Some("http://a:4318/x")),
            (vec![(TRACES, "http://a:4318")], Some("http://a:4318/")),
            (vec![(ALL, "http://a"), (TRACES, "http://b/t")], Some("http://b/t")),
            (vec![(ALL, "http://a"), ("OTEL_SDK_DISABLED", "TRUE")], None),
            (vec![(ALL, "http://a"), ("OTEL_TRACES_EXPORTER", "none")], None),
            (vec![(ALL, "http://a"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")], Some("http://a/v1/traces")),
            (
                vec![
                    (ALL, "http://a"),
                    ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
                    ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
                ],
                Some("http://a/v1/traces"),
            ),
        ] {
            let settings = read(&variables).unwrap();
            assert_eq!(settings.as_ref().map(|settings| settings.url.expose()), url, "{variables:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_its_value() {
        for (name, value, said) in [
            (ALL, "a-secret:4318", "OTEL_EXPORTER_OTLP_ENDPOINT is no http or https URL"),
            (TRACES, "a-secret", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is no http or https URL"),
            (
                "OTEL_EXPORTER_OTLP_PROTOCOL",
                "grpc",
                "OTEL_EXPORTER_OTLP_PROTOCOL asks for what the host does not speak",
            ),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a-secret", "OTEL_EXPORTER_OTLP_HEADERS is not written as KEY=VALUE"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x=a-secret%0A", "the value of x in OTEL_EXPORTER_OTLP_HEADERS is none"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a b=a-secret", "a name in OTEL_EXPORTER_OTLP_HEADERS is none"),
            ("OTEL_RESOURCE_ATTRIBUTES", "=a-secret", "OTEL_RESOURCE_ATTRIBUTES is not written as KEY=VALUE"),
        ] {
            // The first of a name counts.
            let error = read(&[(name, value), (ALL, "http://a")]).unwrap_err();
            assert!(error.starts_with(said) && !error.contains("a-secret"), "{error}");
        }
    }

    #[test]
    fn headers_and_the_resource_are_read() {
        let settings = read(&[
            (ALL, "http://a"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Basic%20YTpi, x-scope = 1 ,"),
            ("OTEL_SERVICE_NAME", "night"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,deployment.environment=shop%2C%20one"),
        ]);
        let settings = settings.unwrap().unwrap();
        assert_eq!(settings.headers["authorization"], "Basic YTpi");
        assert_eq!(settings.headers["x-scope"], "1");
        assert!(!format!("{settings:?}").contains("YTpi"), "{settings:?}");
        let resource = serde_json::to_value(&settings.resource).unwrap();
        let text = |key: &str, value: &str| serde_json::json!({ "key": key, "value": { "stringValue": value } });
        let version = env!("CARGO_PKG_VERSION");
        let expected = [
            text("deployment.environment", "shop, one"),
            text("service.name", "night"),
            text("service.version", version),
        ];
        assert_eq!(resource, serde_json::Value::from(expected.to_vec()));
        let plain = read(&[(ALL, "http://a")]).unwrap().unwrap();
        let plain = serde_json::to_value(&plain.resource).unwrap();
        assert_eq!(plain[0], text("service.name", "taskhost"));
    }
}
