//! The OpenAPI document says what is answered: every route is asked, and held to it.

use serde_json::{Value, json};

use super::World;

#[test]
fn every_answer_is_as_the_document_says() {
    let world = World::served();
    let token = world.token("anna", "approver");
    let document = world.get("", "/api/v1/openapi.json").expect(200).json();
    for task in ["clean", "forge"] {
        let run = world.run(&token, task);
        world.ended(&token, &run);
    }
    let sleeping = world.run(&token, "sleep");
    world.begun(&token, &sleeping);
    let waiting = world.run(&token, "sleep");
    let forged = world.get(&token, "/api/v1/runs?task=forge").expect(200).json()["runs"][0]["id"].clone();
    let forged = forged.as_str().unwrap();
    let tick = json!({"title": "Vendor review"});
    let asked = [
        ("get", "/bundles", "/bundles".to_owned(), Value::Null),
        ("get", "/tasks", "/tasks".into(), Value::Null),
        ("get", "/tasks/{task}", "/tasks/clean".into(), Value::Null),
        (
            "post",
            "/tasks/{task}/runs",
            "/tasks/clean/runs".into(),
            json!({"mode": "rehearse", "arguments": {"older-than": "1d"}}),
        ),
        ("post", "/tasks/{task}/pause", "/tasks/clean/pause".into(), Value::Null),
        ("post", "/tasks/{task}/resume", "/tasks/clean/resume".into(), Value::Null),
        ("post", "/tasks/{task}/drop", "/tasks/clean/drop".into(), Value::Null),
        ("get", "/runs", "/runs?outcome=ok&limit=1".into(), Value::Null),
        ("get", "/runs/{id}", format!("/runs/{forged}"), Value::Null),
        ("get", "/runs/{id}", format!("/runs/{sleeping}"), Value::Null),
        ("get", "/runs/{id}", format!("/runs/{waiting}"), Value::Null),
        ("post", "/runs/{id}/cancel", format!("/runs/{waiting}/cancel"), Value::Null),
        ("post", "/runs/{id}/cancel", format!("/runs/{sleeping}/cancel"), Value::Null),
        ("get", "/issues", "/issues".into(), Value::Null),
        ("get", "/checklist", "/checklist".into(), Value::Null),
        ("post", "/checklist/tick", "/checklist/tick".into(), tick.clone()),
        ("post", "/checklist/untick", "/checklist/untick".into(), tick),
        ("get", "/events", "/events?limit=2".into(), Value::Null),
        ("get", "/grants", "/grants".into(), Value::Null),
        ("get", "/log", "/log".into(), Value::Null),
        ("post", "/reload", "/reload".into(), Value::Null),
        ("get", "/openapi.json", "/openapi.json".into(), Value::Null),
    ];
    for (method, path, target, body) in &asked {
        let request = world.request(&method.to_uppercase(), &format!("/api/v1{target}")).token(&token);
        let answer = if body.is_null() { request.send() } else { request.json(body).send() };
        let operation = &document["paths"][format!("/api/v1{path}")][method];
        let schema = &operation["responses"][answer.status.to_string()]["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{method} {path}: {answer:?}");
        holds(&document, schema, &answer.json(), path);
        if !body.is_null() {
            holds(&document, &operation["requestBody"]["content"]["application/json"]["schema"], body, path);
        }
    }
    let failed = &document["components"]["responses"]["failed"]["content"]["application/json"]["schema"];
    holds(&document, failed, &world.get("", "/api/v1/tasks").expect(401).json(), "a failure");
    // Nothing is left out; the events are in a test of their own.
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let found = asked.iter().any(|(asked, of, ..)| asked == method && format!("/api/v1{of}") == *path);
            assert!(found || path.ends_with("/events") && path.contains("runs"), "{method} {path} was not asked");
        }
    }
}

fn holds(document: &Value, schema: &Value, answer: &Value, what: &str) {
    let whole = json!({"allOf": [schema], "components": document["components"]});
    let validator = jsonschema::validator_for(&whole).unwrap();
    let problems: Vec<_> =
        validator.iter_errors(answer).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(problems.is_empty(), "{what}: {problems:?}\n{answer:#}");
}
