//! What is told the host is done, and stands in the history with who told it.

use serde_json::{Value, json};

use super::{NAME, World};

#[test]
fn a_run_that_was_asked_for_is_recorded_with_who_asked() {
    let world = World::served();
    let token = world.token("olga", "operator");
    let cookie = world.sign_in(&token);
    let old = world.path("logs").join("old.log");
    std::fs::write(&old, "a line").unwrap();
    let time = std::time::SystemTime::now() - std::time::Duration::from_hours(24 * 60);
    std::fs::File::options().write(true).open(&old).unwrap().set_modified(time).unwrap();
    let csrf = world.csrf(&cookie);
    let send = |mode: &str| {
        let form = [
            ("csrf", csrf.as_str()),
            ("mode", mode),
            ("p.older-than", "30d"),
            ("p.keep-newest", "0"),
            ("p.pattern", "*.log"),
        ];
        let request = world.request("POST", &format!("{NAME}/tasks/clean/run")).header("cookie", &cookie);
        let answer = request.form(&form).send().expect(303);
        answer.header("location").rsplit('/').next().unwrap().to_owned()
    };
    let rehearsed = world.ended(&token, &send("rehearse"));
    assert_eq!((&rehearsed["run"]["rehearsal"], old.exists()), (&json!(true), true));
    let run = send("perform");
    let performed = world.ended(&token, &run);
    assert_eq!(
        (&performed["run"]["by"], &performed["run"]["outcome"], old.exists()),
        (&json!("olga"), &json!("ok"), false)
    );
    assert_eq!(performed["report"]["run"]["id"], json!(run));
    let page = world.get(&token, &format!("{NAME}/runs/{run}")).expect(200).body;
    assert!(page.contains("old.log") && page.contains("destroy"), "{page}");
    // What is as the bundle has it is not told anew.
    let events = world.get(&token, "/api/v1/events?task=clean").expect(200).json();
    let details: Vec<&str> =
        events["events"].as_array().unwrap().iter().filter_map(|event| event["detail"].as_str()).collect();
    assert_eq!(details, ["a run with pattern=*.log", "a rehearsal with pattern=*.log"]);
}

#[test]
fn a_run_is_stopped_and_one_that_waits_is_taken_back() {
    let world = World::served();
    let token = world.token("olga", "operator");
    let (first, second) = (world.run(&token, "sleep"), world.run(&token, "sleep"));
    world.begun(&token, &first);
    assert!(world.get(&token, &format!("{NAME}/runs/{second}")).expect(200).body.contains("begins when there is room"));
    let waiting = world.get(&token, &format!("/api/v1/runs/{second}")).expect(202).json();
    assert_eq!((&waiting["task"], &waiting["by"], &waiting["waits"]), (&json!("sleep"), &json!("olga"), &json!(true)));
    world.post(&token, &format!("/api/v1/runs/{second}/cancel"), &json!({})).expect(200);
    world.get(&token, &format!("/api/v1/runs/{second}")).expect(404);
    assert!(world.get(&token, &format!("{NAME}/runs/{first}")).expect(200).body.contains("Stop it"));
    world.post(&token, &format!("/api/v1/runs/{first}/cancel"), &json!({})).expect(200);
    let stopped = world.ended(&token, &first);
    assert_eq!(stopped["run"]["outcome"], "cancelled");
    assert!(stopped["report"]["error"].as_str().unwrap().contains("by olga"), "{stopped}");
    assert_eq!(world.post(&token, &format!("/api/v1/runs/{first}/cancel"), &json!({})).expect(409).code(), "conflict");
    world.get(&token, &format!("{NAME}/runs/{second}")).expect(404);
}

#[test]
fn a_task_is_paused_and_resumed() {
    let world = World::served();
    let token = world.token("olga", "operator");
    let clean = |world: &World| world.get(&token, "/api/v1/tasks/clean").expect(200).json()["task"]["standing"].clone();
    let set = |word: &str| world.post(&token, &format!("/api/v1/tasks/clean/{word}"), &json!({})).expect(200).json();
    assert_eq!(set("pause"), json!({"changed": true}));
    assert_eq!(set("pause"), json!({"changed": false}));
    assert_eq!((&clean(&world)["paused"], &clean(&world)["next"]), (&json!(true), &Value::Null));
    set("resume");
    assert!(clean(&world)["next"].is_string());
}

#[test]
fn people_tick_what_they_did() {
    let world = World::served();
    let (token, cookie) = (world.token("olga", "operator"), world.sign_in(&world.token("otto", "operator")));
    let listed = |world: &World| world.get(&token, "/api/v1/checklist").expect(200).json();
    assert_eq!((listed(&world).as_array().unwrap().len(), &listed(&world)[0]["done"]), (2, &json!(false)));
    let tick = json!({"title": "Vendor review", "note": "all <b>well</b>"});
    assert_eq!(world.post(&token, "/api/v1/checklist/tick", &tick).expect(200).json()["by"], "olga");
    world.post(&token, "/api/v1/checklist/tick", &tick).expect(409);
    world.post(&token, "/api/v1/checklist/tick", &json!({"title": "No such"})).expect(404);
    let csrf = world.csrf(&cookie);
    let form = [("csrf", csrf.as_str()), ("title", "Read the <error> log"), ("kind", "daily"), ("note", "")];
    world.request("POST", &format!("{NAME}/tick")).header("cookie", &cookie).form(&form).send().expect(303);
    assert_eq!((&listed(&world)[0]["by"], &listed(&world)[1]["note"]), (&json!("otto"), &json!("all <b>well</b>")));
    let page = world.get(&token, &format!("{NAME}/calendar")).expect(200).body;
    assert!(page.contains("all &lt;b&gt;well&lt;/b&gt;") && page.contains("Take back"), "{page}");
    world.post(&token, "/api/v1/checklist/untick", &json!({"title": "Vendor review"})).expect(200);
    assert_eq!(listed(&world)[1]["done"], false);
}

#[test]
fn what_cannot_be_done_says_why() {
    let world = World::served();
    let token = world.token("olga", "operator");
    let run = "/api/v1/tasks/clean/runs";
    for (request, status, code, message) in [
        (
            world.request("POST", run).json(&json!({"mode": "perform", "arguments": {"older": "1d"}})),
            400,
            "invalid",
            "has no parameter `older`",
        ),
        (world.request("POST", run).json(&json!({"mode": "now"})), 400, "invalid", "unknown variant"),
        (world.request("POST", run).json(&json!({"mode": "perform", "x": 1})), 400, "invalid", "unknown field"),
        (world.request("POST", run).body("text/plain", "x"), 415, "media-type", "application/json"),
        (world.request("POST", run).body("application/json", vec![b' '; 70_000]), 413, "too-large", "64 KiB"),
        (
            world.request("POST", "/api/v1/tasks/none/runs").json(&json!({"mode": "perform"})),
            404,
            "not-found",
            "no such task",
        ),
        (world.request("DELETE", run), 405, "method-not-allowed", "method"),
        (world.request("GET", "/api/v1/none"), 404, "not-found", "nothing"),
        (world.request("GET", "/api/v1/runs?limit=x"), 400, "invalid", "query"),
        (world.request("GET", "/api/v1/runs/none"), 404, "not-found", "no such run"),
        (world.request("GET", "/api/v1/runs/none/events"), 404, "not-found", "no such run"),
        (world.request("GET", "/api/v1/tasks?bundle=other"), 404, "not-found", "no such bundle"),
        (world.request("GET", "/api/v1/log?since=2020-01-01"), 400, "invalid", "`host log` writes longer ones"),
    ] {
        let answer = request.token(&token).send().expect(status);
        assert_eq!(answer.code(), code, "{answer:?}");
        assert!(answer.body.contains(message), "{answer:?}");
    }
    let page = world.get(&token, &format!("{NAME}/tasks/none")).expect(404);
    assert!(page.header("content-type").starts_with("text/html") && page.body.contains("To what runs today"));
}
