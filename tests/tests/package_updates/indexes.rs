//! Answers in the shapes of the real indexes, of a few packages.

use serde_json::{Value, json};
use taskhost_tests::http::{Received, Reply};

/// A release of the JSON API: version, day, and what else there is to say.
fn file(day: &str, more: &Value) -> Value {
    let mut file = json!({"filename": "x.tar.gz", "packagetype": "sdist", "size": 1, "yanked": false, "yanked_reason": null,
        "upload_time": format!("{day}T00:00:00"), "upload_time_iso_8601": format!("{day}T00:00:00.000000Z"), "requires_python": null});
    for (key, value) in more.as_object().into_iter().flatten() {
        file[key] = value.clone();
    }
    json!([file])
}

fn project(name: &str, releases: &Value) -> Reply {
    Reply::json(&json!({"info": {"name": name, "version": "1", "yanked": false, "classifiers": []}, "last_serial": 1,
        "releases": releases, "urls": [], "vulnerabilities": []}))
}

fn crate_file(name: &str, versions: &[(&str, bool, &str)]) -> Reply {
    let line = |(version, yanked, day): &(&str, bool, &str)| {
        format!(
            "{{\"name\":\"{name}\",\"vers\":\"{version}\",\"deps\":[],\"cksum\":\"00\",\"features\":{{}},\"yanked\":{yanked},\"pubtime\":\"{day}T00:00:00Z\"}}\n"
        )
    };
    Reply::ok(versions.iter().map(line).collect::<String>())
}

/// All four, each at its own path.
pub(crate) fn answer(request: &Received) -> Reply {
    match request.path() {
        "/pypi/flask/json" => project(
            "Flask",
            &json!({"2.3.0": file("2023-04-25", &json!({})), "2.3.1": file("2023-04-25", &json!({"yanked": true, "yanked_reason": "Broken typing."})),
                    "3.0.0": file("2023-09-30", &json!({"requires_python": ">=3.8"})), "3.1.0": file("2024-11-13", &json!({"requires_python": ">=3.9"})),
                    "4.0.0rc1": file("2025-01-01", &json!({})), "0.1": []}),
        ),
        "/pypi/click/json" => project("click", &json!({"8.1.0": file("2022-03-28", &json!({})), "8.1.7": file("2099-01-01", &json!({}))})),
        "/pypi/nose/json" => Reply::json(&json!({"info": {"classifiers": ["Development Status :: 7 - Inactive"]}, "releases": {"1.3.7": file("2015-06-02", &json!({}))}})),
        "/pypi/simple/flask/" => Reply::new(
            "200 OK",
            &[("content-type", "application/vnd.pypi.simple.v1+json")],
            json!({"meta": {"api-version": "1.1"}, "name": "flask", "versions": ["2.3.0", "3.0.0"], "files": [
                {"filename": "Flask-2.3.0.tar.gz", "url": "x", "hashes": {}, "yanked": false, "upload-time": "2023-04-25T00:00:00Z"},
                {"filename": "flask-3.0.0-py3-none-any.whl", "url": "x", "hashes": {}, "yanked": false, "upload-time": "2023-09-30T00:00:00Z"}]})
            .to_string(),
        ),
        "/crates/se/rd/serde" => crate_file("serde", &[("1.0.100", false, "2019-09-08"), ("1.0.200", true, "2024-05-01"), ("1.0.228", false, "2099-01-01")]),
        "/crates/ti/me/time" => crate_file("time", &[("0.1.43", false, "2020-04-21"), ("0.3.36", false, "2024-04-10"), ("0.4.0-alpha.1", false, "2025-01-01")]),
        "/crates/3/a/abc" => crate_file("abc", &[("1.0.0", true, "2020-01-01")]),
        "/npm/lodash" => Reply::json(&json!({"_id": "lodash", "name": "lodash", "dist-tags": {"latest": "4.17.21"},
            "versions": {"4.17.20": {"name": "lodash"}, "4.17.21": {}, "5.0.0-beta.1": {}},
            "time": {"created": "2012-04-23T16:37:11.912Z", "modified": "2022-01-01T00:00:00.000Z", "4.17.20": "2020-08-13T16:53:54.152Z", "4.17.21": "2021-02-20T15:42:16.891Z"}})),
        "/npm/@scope%2Fui" => Reply::json(&json!({"name": "@scope/ui", "dist-tags": {"latest": "1.4.0"},
            "versions": {"1.2.3": {}, "1.3.0": {}, "1.4.0": {}}, "time": {"1.2.3": "2099-01-01T00:00:00.000Z", "1.4.0": "2099-01-02T00:00:00.000Z"}})),
        "/npm/request" => Reply::json(&json!({"name": "request", "dist-tags": {"latest": "2.88.2"},
            "versions": {"2.88.2": {"deprecated": "request has been deprecated, see https://github.com/request/request/issues/3142"}}, "time": {}})),
        "/go/golang.org/x/net/@latest" => Reply::json(&json!({"Version": "v0.30.0", "Time": "2024-10-04T15:00:00Z"})),
        "/go/golang.org/x/net/@v/v0.30.0.mod" => Reply::ok("module golang.org/x/net\n\ngo 1.18\n"),
        "/go/github.com/!burnt!sushi/toml/@latest" => Reply::json(&json!({"Version": "v1.5.0", "Time": "2025-03-18T00:00:00Z"})),
        "/go/github.com/!burnt!sushi/toml/@v/v1.5.0.mod" => Reply::ok("module github.com/BurntSushi/toml\n\nretract v1.3.0 // Broken.\nretract v1.5.0\n"),
        "/go/github.com/!burnt!sushi/toml/@v/list" => Reply::ok("v1.3.0\nv1.4.0\nv1.5.0\nv1.6.0-beta\n"),
        "/go/github.com/golang-jwt/jwt/@latest" => Reply::json(&json!({"Version": "v3.2.2+incompatible", "Time": "2021-07-30T00:00:00Z"})),
        "/go/github.com/golang-jwt/jwt/v4/@latest" => Reply::json(&json!({"Version": "v4.5.2", "Time": "2025-03-21T00:00:00Z"})),
        "/go/github.com/golang-jwt/jwt/v4/@v/v4.5.2.mod" => Reply::ok("// Deprecated: use v5.\nmodule github.com/golang-jwt/jwt/v4\n"),
        "/go/github.com/golang-jwt/jwt/v5/@latest" => Reply::json(&json!({"Version": "v5.2.2", "Time": "2025-03-21T00:00:00Z"})),
        _ => Reply::new("404 Not Found", &[], "not found"),
    }
}
