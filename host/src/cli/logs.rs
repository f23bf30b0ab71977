//! `host logs`: what one run said; with `--follow`, as it says it, from the host that serves it.

use std::time::Duration;

use clap::Args;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Request, StatusCode, Uri};
use serde_json::Value;

use super::place::Place;
use super::show::find;
use super::{fail, json, print};
use crate::capability::Secret;
use crate::history::{Reader, Run};
use crate::policy::text::clean_line;
use crate::post::{client, reason};

#[derive(Args)]
pub(super) struct Arguments {
    /// A bundle that keeps a history (a path that ends with .toml), or a history: a file, `postgres://...` or `env:NAME`.
    #[arg(value_name = "BUNDLE|HISTORY")]
    of: String,
    /// A run's id, or a part of one that no other has; or a task's name, for its newest run.
    run: String,
    /// Go on until the run has ended. What it says meanwhile comes from the host that serves it.
    #[arg(long, short)]
    follow: bool,
    /// The address of that host's page.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:7717", env = "TASKHOST_SERVER")]
    server: String,
    /// The token for it, where that host asks for one.
    #[arg(long, value_name = "TOKEN", env = "TASKHOST_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// A line each, with its level.
    Text,
    /// A JSON object a line.
    Json,
}

/// How often a run that nobody tells of is looked for.
const NAP: Duration = Duration::from_millis(500);
/// Bytes of one event.
const EVENT: usize = 1 << 20;

/// The exit code of the run with `--follow`, 0 without.
pub(super) async fn execute(arguments: &Arguments) -> u8 {
    match logs(arguments).await {
        Ok(code) | Err(code) => code,
    }
}

async fn logs(arguments: &Arguments) -> Result<u8, u8> {
    let place = Place::find(&arguments.of).await?;
    let reader = place.reader();
    let run = find(&reader, place.bundle_name(), &arguments.run).await.map_err(|error| fail(&error))?;
    if run.outcome.is_some() || !arguments.follow {
        if run.outcome.is_none() {
            return Err(fail(&format!(
                "{} runs still, and its log is recorded when it has ended; add --follow",
                run.task
            )));
        }
        recorded(&reader, &run, arguments.format).await?;
        return Ok(0);
    }
    let heard = match watch(arguments, &run).await {
        Ok(heard) => heard,
        Err(error) => {
            eprintln!("{}: {error}; its log comes when it has ended", clean_line(&arguments.server, 200));
            false
        }
    };
    let ended = loop {
        let now = reader.run(&run.id).await.map_err(|error| fail(&error.to_string()))?;
        match now {
            Some(run) if run.outcome.is_some() => break run,
            Some(_) => tokio::time::sleep(NAP).await,
            None => return Err(fail("the run is in the history no more")),
        }
    };
    if !heard {
        recorded(&reader, &ended, arguments.format).await?;
    }
    let outcome = ended.outcome.unwrap_or(crate::report::Outcome::Interrupted);
    if arguments.format == Format::Text {
        print(&format!("{}: {}: {}\n", ended.task, outcome.name(), clean_line(ended.said(), 1000)));
    }
    Ok(outcome.exit_code())
}

async fn recorded(reader: &Reader, run: &Run, format: Format) -> Result<(), u8> {
    let report = reader.report(run).await.map_err(|error| fail(&error.to_string()))?;
    for line in &report.log {
        print(&match format {
            Format::Json => compact(line),
            Format::Text => format!("{:5} {}\n", line.level, line.message),
        });
    }
    Ok(())
}

fn compact(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).map_or_else(|_| json(value), |line| line + "\n")
}

/// Prints what the run says until it has ended. True when all of it was heard.
async fn watch(arguments: &Arguments, run: &Run) -> Result<bool, String> {
    let address = format!("{}/api/v1/runs/{}/events", arguments.server.trim_end_matches('/'), run.id);
    let uri: Uri = address.parse().map_err(|_| "it is no URL".to_owned())?;
    let mut request = Request::get(uri);
    if let Some(token) = &arguments.token {
        let token = Secret::new(format!("Bearer {token}"));
        request = request.header(hyper::header::AUTHORIZATION, token.expose());
    }
    let request = request.body(Full::<Bytes>::default()).map_err(|_| "the token is none".to_owned())?;
    let answer =
        client()?.request(request).await.map_err(|error| format!("it cannot be reached: {}", reason(&error)))?;
    match answer.status() {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            return Err("it asks for a token; give it as TASKHOST_TOKEN".into());
        }
        status => return Err(format!("it answered {status}")),
    }
    let mut body = answer.into_body();
    let (mut kept, mut whole) = (Vec::new(), true);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| format!("it broke off: {}", reason(&error)))?;
        kept.extend_from_slice(frame.data_ref().map(AsRef::as_ref).unwrap_or_default());
        // An event ends with an empty line.
        while let Some(end) = kept.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<u8> = kept.drain(..end + 2).collect();
            let (name, data) = parts(&String::from_utf8_lossy(&event));
            match name.as_str() {
                "ended" => return Ok(whole),
                "missed" => whole = false,
                _ => say(&name, &data, arguments.format),
            }
        }
        if kept.len() > EVENT {
            return Err("what it says is no event".into());
        }
    }
    Err("it broke off".into())
}

/// An event's name and data.
fn parts(event: &str) -> (String, String) {
    let of = |field: &str| {
        let lines = event.lines().filter_map(|line| line.strip_prefix(field));
        lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
    };
    (of("event:"), of("data:"))
}

fn say(name: &str, data: &str, format: Format) {
    let Ok(value) = serde_json::from_str::<Value>(data) else { return };
    let text = |key: &str| clean_line(value.get(key).and_then(Value::as_str).unwrap_or_default(), 4096);
    match (format, name) {
        (Format::Json, "log") => print(&compact(&value)),
        (Format::Text, "log") => print(&format!("{:5} {}\n", text("level"), text("message"))),
        (Format::Text, "finding") => print(&format!("{:5} {}: {}\n", text("severity"), text("subject"), text("title"))),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_as_they_are_written() {
        for (event, name, data) in [
            ("event: log\ndata: {\"level\":\"info\"}\nid: 3\n\n", "log", "{\"level\":\"info\"}"),
            ("event:ended\ndata:{}\n\n", "ended", "{}"),
            (": kept alive\n\n", "", ""),
            ("data: a\ndata: b\n\n", "", "a\nb"),
        ] {
            assert_eq!(parts(event), (name.to_owned(), data.to_owned()), "{event:?}");
        }
    }
}
