//! The OpenAPI document, made from the table of routes.

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::{BASE, ROUTES, Route, Said, shapes};
use crate::web::Method;
use crate::web::auth::Right;
use crate::web::failure::Failed;

const SCHEMAS: &str = "#/components/schemas/";

/// The document, by OpenAPI 3.1.
pub(super) fn openapi() -> Value {
    let (mut generator, mut taking) = (generator(true), generator(false));
    let failed = generator.subschema_for::<Failed>().to_value();
    let mut written = Map::new();
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES.iter() {
        let operation = operation(route, &mut generator, &mut taking, &mut written);
        let path = paths.entry(format!("{BASE}{}", route.path)).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(method(route).into(), operation);
        }
    }
    let mut schemas = taking.take_definitions(true);
    schemas.extend(generator.take_definitions(true));
    schemas.extend(written);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Taskhost",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What `host serve` answers. Where it serves several bundles, `bundle` says which.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer", "description": "Made by `host token add`." } },
            "responses": {
                "failed": {
                    "description": "It was not done; the code is a word for programs, the message says the way out.",
                    "content": { "application/json": { "schema": failed } },
                },
            },
        },
    })
}

/// Of what is answered, in which everything is there, or of what is taken, from which something may be left out.
fn generator(answers: bool) -> SchemaGenerator {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    if answers { settings.for_serialize() } else { settings }.into_generator()
}

fn method(route: &Route) -> &'static str {
    match route.method {
        Method::Get => "get",
        Method::Post => "post",
    }
}

/// `GET /tasks/{task}` is called `get_tasks_task`.
fn name(route: &Route) -> String {
    let words = route.path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    std::iter::once(method(route)).chain(words).collect::<Vec<_>>().join("_")
}

fn operation(
    route: &Route,
    generator: &mut SchemaGenerator,
    taking: &mut SchemaGenerator,
    written: &mut Map<String, Value>,
) -> Value {
    let mut parameters = Vec::new();
    let in_path = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    for name in in_path {
        parameters.push(json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
    }
    if let Some(query) = route.query {
        parameters.extend(in_query(&query(taking).to_value(), taking));
    }
    if route.right != Right::Nothing {
        let bundle = "Of which bundle; of the only one when absent.";
        parameters
            .push(json!({ "name": "bundle", "in": "query", "description": bundle, "schema": { "type": "string" } }));
    }
    let (status, media_type, schema) = match &route.answer {
        Said::Json(status, shape) => (status.as_u16(), "application/json", shape(generator).to_value()),
        Said::Events(shape) => (200, "text/event-stream", shape(generator).to_value()),
        Said::Written(name, text) => (200, "application/json", hoist(name, text, generator, written)),
    };
    let mut responses = Map::new();
    let content = json!({ media_type: { "schema": schema } });
    responses.insert(status.to_string(), json!({ "description": route.summary, "content": content }));
    if let Some(pending) = route.pending {
        let content = json!({ "application/json": { "schema": pending(generator).to_value() } });
        responses.insert("202".into(), json!({ "description": "It has not begun.", "content": content }));
    }
    responses.insert("default".into(), json!({ "$ref": "#/components/responses/failed" }));
    let mut operation = json!({
        "operationId": name(route),
        "summary": route.summary,
        "parameters": parameters,
        "responses": responses,
    });
    if let Some(operation) = operation.as_object_mut() {
        if let Some(role) = route.right.role() {
            operation.insert("security".into(), json!([{ "token": [] }]));
            operation.insert("description".into(), format!("Takes the role {}, or one above it.", role.name()).into());
        } else {
            operation.insert("security".into(), json!([]));
        }
        if let Some(body) = route.body {
            let content = json!({ "application/json": { "schema": body(taking).to_value() } });
            operation.insert("requestBody".into(), json!({ "required": true, "content": content }));
        }
    }
    operation
}

/// The properties of a query's shape, each as a parameter.
fn in_query(reference: &Value, generator: &mut SchemaGenerator) -> Vec<Value> {
    let name = reference.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix(SCHEMAS));
    // It is no schema of its own then.
    let shape = name.and_then(|name| generator.definitions_mut().remove(name)).unwrap_or_default();
    let properties = shape.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let parameter = |(name, schema): (String, Value)| {
        let description = schema.get("description").cloned().unwrap_or_default();
        json!({ "name": name, "in": "query", "description": description, "schema": schema })
    };
    properties.into_iter().map(parameter).collect()
}

/// Takes a schema that is written by hand in, with its definitions beside the others.
fn hoist(name: &str, text: &str, generator: &mut SchemaGenerator, into: &mut Map<String, Value>) -> Value {
    let mut schema: Value = serde_json::from_str(text).unwrap_or_default();
    lead(&mut schema, name);
    let mut definitions = Map::new();
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("$schema");
        if let Some(Value::Object(own)) = schema.remove("$defs") {
            definitions.extend(own.into_iter().map(|(inner, schema)| (format!("{name}-{inner}"), schema)));
        }
    }
    definitions.insert(name.into(), schema);
    into.extend(definitions);
    let reference = json!({ "$ref": format!("{SCHEMAS}{name}") });
    if name != "Recorded" {
        return reference;
    }
    let run = generator.subschema_for::<shapes::Run>().to_value();
    json!({
        "type": "object",
        "required": ["run", "report"],
        "properties": {
            "run": run,
            "report": { "description": "Null while it runs.", "oneOf": [{ "type": "null" }, reference] },
        },
    })
}

/// Leads references to definitions to where they are put.
fn lead(value: &mut Value, name: &str) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                match value {
                    Value::String(to) if key == "$ref" => *to = to.replace("#/$defs/", &format!("{SCHEMAS}{name}-")),
                    other => lead(other, name),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| lead(value, name)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(object) => object.iter().for_each(|(key, value)| match value {
                Value::String(to) if key == "$ref" => found.push(to.clone()),
                other => references(other, found),
            }),
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_route_is_in_it_and_every_reference_leads_somewhere() {
        let document = openapi();
        for route in ROUTES.iter() {
            assert!(document["paths"][format!("{BASE}{}", route.path)][method(route)].is_object(), "{}", route.path);
        }
        let mut found = Vec::new();
        references(&document, &mut found);
        for reference in found {
            let place = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(place).is_some(), "{reference}");
        }
        let names: std::collections::BTreeSet<String> = ROUTES.iter().map(name).collect();
        assert_eq!(names.len(), ROUTES.len());
    }
}
