//! A run is watched while it runs.

use std::io::BufRead as _;

use super::World;
use super::http::head;

/// The names of the events, and their data, until the last.
fn events(world: &World, token: &str, run: &str, last: Option<&str>) -> Vec<(String, String)> {
    let mut request = world.request("GET", &format!("/api/v1/runs/{run}/events")).token(token);
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    let mut stream = request.open();
    let (status, headers) = head(&mut stream);
    assert_eq!(status, 200);
    assert!(headers.contains(&("content-type".into(), "text/event-stream".into())), "{headers:?}");
    let (mut found, mut name) = (Vec::new(), String::new());
    for line in stream.lines() {
        let line = line.unwrap();
        if let Some(event) = line.strip_prefix("event: ") {
            event.clone_into(&mut name);
        } else if let Some(data) = line.strip_prefix("data: ") {
            found.push((name.clone(), data.to_owned()));
            if name == "ended" {
                return found;
            }
        }
    }
    panic!("the stream ended before the run: {found:?}");
}

#[test]
fn what_a_run_says_comes_as_it_says_it() {
    let world = World::served();
    let token = world.token("olga", "operator");
    let run = world.run(&token, "collect");
    // From before it begins, to its end.
    let found = events(&world, &token, &run, None);
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["begun", "log", "ended"], "{found:?}");
    assert!(found[1].1.contains("\"message\":\"listed\""), "{found:?}");
    assert!(found[2].1.contains("\"outcome\":\"ok\""), "{found:?}");
    // It is in the history by then, and who comes later is told so.
    assert_eq!(world.ended(&token, &run)["run"]["outcome"], "ok");
    assert_eq!(events(&world, &token, &run, None), found[2..]);
}

#[test]
fn who_comes_back_is_told_what_is_new() {
    let world = World::served();
    let token = world.token("olga", "operator");
    let run = world.run(&token, "collect");
    world.begun(&token, &run);
    let found = events(&world, &token, &run, Some("1"));
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["begun", "ended"], "{found:?}");
}

#[test]
fn the_page_of_a_run_that_goes_on_needs_no_script() {
    let world = World::served();
    let token = world.token("olga", "operator");
    let run = world.run(&token, "sleep");
    world.begun(&token, &run);
    let page = world.get(&token, &format!("{}/runs/{run}", super::NAME)).expect(200).body;
    assert!(page.contains("<noscript><meta http-equiv=\"refresh\""), "{page}");
    assert!(page.contains(&format!("data-events=\"/api/v1/runs/{run}/events?bundle=shop+%26")), "{page}");
}
