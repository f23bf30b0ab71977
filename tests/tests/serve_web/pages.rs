//! What pages show: others' texts as texts, lists piece by piece, and headers that keep browsers from harm.

use serde_json::{Value, json};

use super::{NAME, World};

const PAGES: [&str; 8] = ["/", "/calendar", "/runs", "/grants", "/log", "/events", "/tasks/forge", "/tasks/clean"];

#[test]
fn what_others_wrote_is_only_text() {
    let world = World::served();
    let token = world.token("<i>olga</i>", "operator");
    let run = world.run(&token, "forge");
    world.ended(&token, &run);
    world.ended(&token, &world.run(&token, "forge"));
    let pages = PAGES.map(String::from).into_iter().chain([format!("/runs/{run}")]);
    for page in pages {
        let text = world.get(&token, &format!("{NAME}{page}")).expect(200).body;
        for markup in ["<script>alert", "<error>", "<b>sons", "<i>old", "<i>olga", " onload=", "style=\""] {
            assert!(!text.contains(markup), "{page} has {markup}\n{text}");
        }
        assert!(text.contains("&lt;b&gt;sons&lt;/b&gt;"), "{page}");
    }
    assert!(world.get(&token, &format!("{NAME}/runs/{run}")).body.contains("&lt;script&gt;alert(1)"));
    assert!(world.get(&token, &format!("{NAME}/tasks/forge")).body.contains("<svg class=\"plot\""));
}

#[test]
fn every_answer_keeps_browsers_from_harm() {
    let world = World::served();
    let token = world.token("olga", "operator");
    let style = world.get(&token, &format!("{NAME}/")).body;
    let style =
        style.split("href=\"").find(|part| part.starts_with("/assets/style.css")).unwrap().split('"').next().unwrap();
    for (target, status) in
        [(format!("{NAME}/"), 200), ("/none".into(), 404), ("/api/v1/tasks".into(), 200), (style.into(), 200)]
    {
        let answer = world.get(&token, &target).expect(status);
        let policy = answer.header("content-security-policy");
        for part in
            ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"]
        {
            assert!(policy.contains(part), "{target}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "same-origin");
        let kept = if target.starts_with("/assets") { "public, max-age=31536000, immutable" } else { "no-store" };
        assert_eq!(answer.header("cache-control"), kept, "{target}");
    }
    let tag = world.get("", style).expect(200).header("etag").to_owned();
    world.request("GET", style).header("if-none-match", &tag).send().expect(304);
}

#[test]
fn runs_come_piece_by_piece() {
    let world = World::served();
    let token = world.token("olga", "operator");
    for _ in 0..5 {
        world.ended(&token, &world.run(&token, "forge"));
    }
    let (mut seen, mut target) = (Vec::new(), "/api/v1/runs?limit=2".to_owned());
    loop {
        let page = world.get(&token, &target).expect(200).json();
        seen.extend(page["runs"].as_array().unwrap().iter().map(|run| run["number"].as_i64().unwrap()));
        let Some(next) = page["next"].as_i64() else { break };
        target = format!("/api/v1/runs?limit=2&before={next}");
    }
    assert!(seen.len() == 5 && seen.is_sorted_by(|newer, older| newer > older), "{seen:?}");
    let none = world.get(&token, &format!("{NAME}/runs?show=timed-out")).expect(200).body;
    assert!(none.contains("No such run is recorded"));
}

#[test]
fn the_log_is_taken_along() {
    let world = World::served();
    let token = world.token("olga", "operator");
    world.ended(&token, &world.run(&token, "forge"));
    let log = world.get(&token, &format!("{NAME}/log?format=markdown")).expect(200);
    assert!(log.header("content-disposition").starts_with("attachment") && log.body.contains("forge"), "{log:?}");
    let html = world.get(&token, &format!("{NAME}/log?format=html")).expect(200);
    assert!(html.header("content-disposition").starts_with("attachment") && !html.body.contains("<script>"));
}

#[test]
fn each_bundle_has_its_own_pages() {
    let mut world = World::new();
    let other = "name = \"depot\"\nhistory = \"depot.db\"\n[tasks.tidy]\nplugin = \"file-cleanup\"\nparameters = { older-than = \"1d\" }\n\
                 grants.directory = { files = \"logs\", access = [\"delete\"] }\n";
    std::fs::write(world.path("depot.toml"), other).unwrap();
    let other = world.path("depot.toml").display().to_string();
    world.serve(&[&other]);
    let first = world.get("", "/").expect(200).body;
    assert!(first.contains("href=\"/depot/\"") && first.contains(&format!("href=\"{NAME}/\"")), "{first}");
    assert_eq!(world.get("", "/depot").expect(303).header("location"), "/depot/");
    assert!(world.get("", "/depot/tasks/tidy").expect(200).body.contains("file-cleanup"));
    world.get("", "/depot/tasks/clean").expect(404);
    assert!(world.get("", "/api/v1/tasks").expect(400).body.contains("?bundle=NAME"));
    let tasks = world.get("", "/api/v1/tasks?bundle=depot").expect(200).json();
    assert_eq!(tasks.as_array().unwrap().len(), 1);
}

/// What a list of the API says, of these fields.
fn said(world: &World, token: &str, target: &str, list: &str, fields: &[&str]) -> Vec<Vec<Value>> {
    let answer = world.get(token, target).expect(200).json();
    let all = if list.is_empty() { &answer } else { &answer[list] };
    all.as_array().unwrap().iter().map(|one| fields.iter().map(|field| one[*field].clone()).collect()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_on_a_server_is_shown_like_one_in_a_file() {
    let database = taskhost_tests::postgres().await;
    let shown = [None, Some(database.url().to_string())].map(|server| {
        let mut world = World::new();
        if let Some(server) = server {
            let bundle = std::fs::read_to_string(world.path("bundle.toml")).unwrap();
            std::fs::write(world.path("bundle.toml"), bundle.replace("history.db", &server)).unwrap();
        }
        let token = world.token("olga", "operator");
        world.serve(&["--tokens", &world.path("tokens").display().to_string()]);
        let runs = ["forge", "clean"].map(|task| world.run(&token, task));
        for run in &runs {
            world.ended(&token, run);
        }
        world.post(&token, "/api/v1/checklist/tick", &json!({"title": "Vendor review"})).expect(200);
        world.post(&token, "/api/v1/tasks/clean/pause", &Value::Null).expect(200);
        world.noted(&token, |event| event["what"] == "paused");
        let pages = PAGES.map(String::from).into_iter().chain(runs.iter().map(|run| format!("/runs/{run}")));
        for page in pages.chain(["/runs?task=clean&show=ok".into(), "/log?format=markdown&part=on-demand".into()]) {
            world.get(&token, &format!("{NAME}{page}")).expect(200);
        }
        let calendar = world.get(&token, &format!("{NAME}/calendar")).body;
        let marks = ["ok", "critical"].map(|class| calendar.matches(&format!("<a class=\"{class}\" href")).count());
        let get = |target, list, fields: &[&str]| said(&world, &token, target, list, fields);
        (
            get("/api/v1/runs", "runs", &["task", "outcome", "by", "rehearsal", "summary", "warnings", "criticals"]),
            get("/api/v1/issues", "", &["task", "severity", "subject", "title", "detail"]),
            get("/api/v1/checklist", "", &["title", "kind", "period", "by", "note"]),
            get("/api/v1/events", "events", &["by", "what", "task", "detail"]),
            get("/api/v1/log", "entries", &["date", "part", "maintainer", "next_actions", "notes"]),
            marks,
        )
    });
    assert_eq!(shown[0], shown[1]);
    assert_eq!((shown[0].0.len(), shown[0].5), (2, [1, 1]));
}
