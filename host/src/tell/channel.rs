//! Where messages go: one way to one receiver, with its rule.

use std::time::Duration;

use hyper::header::HeaderMap;

use super::mail::Post;
use super::message::Message;
use super::rule::Rule;
use super::{Ended, Level, mail};
use crate::capability::Secret;
use crate::post::Poster;

/// A way to tell somebody.
#[derive(Clone, Debug)]
pub struct Channel {
    /// As the bundle calls it.
    pub name: String,
    /// By which way.
    pub kind: Kind,
    /// Of what.
    pub rule: Rule,
    /// How often it is told that the host lives, where it is.
    pub alive: Option<Duration>,
}

/// The ways. An address may hold a credential.
#[derive(Clone, Debug)]
pub enum Kind {
    /// JSON of our own.
    Webhook(Secret),
    /// As Slack, Mattermost and others take it.
    Slack(Secret),
    /// The base address of an Alertmanager.
    Alertmanager(Secret),
    /// As healthchecks.io takes it: the start, the end and a failure of each run. `{task}` in it is the task's name.
    Ping(Secret),
    /// Electronic mail.
    Mail(Mail),
}

/// How mail is sent.
#[derive(Clone, Debug)]
pub struct Mail {
    /// `smtps://USER:PASSWORD@HOST` or `smtp://HOST?tls=required`.
    pub server: Secret,
    /// From whom.
    pub from: String,
    /// To whom.
    pub to: Vec<String>,
}

/// What is delivered.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    what: What,
    /// It is worth nothing when it is late.
    pub(super) passing: bool,
}

#[derive(Clone, Debug)]
enum What {
    Request { url: Secret, kind: &'static str, body: String },
    Mail(Post),
}

impl Channel {
    /// Whether it wants every run.
    pub(super) fn is_ping(&self) -> bool {
        matches!(self.kind, Kind::Ping(_))
    }

    /// A run begins.
    pub(super) fn start(&self, _bundle: &str, task: &str, run: &str) -> Option<Delivery> {
        let Kind::Ping(url) = &self.kind else { return None };
        self.ping(url, task, "/start", run, String::new())
    }

    /// A run has ended, for who wants every one. One that will be repeated is told by a line that changes nothing.
    pub(super) fn end(&self, ended: &Ended) -> Option<Delivery> {
        let Kind::Ping(url) = &self.kind else { return None };
        let path = match ended.level {
            _ if ended.again => "/log",
            level if level >= self.rule.from => "/fail",
            _ => "",
        };
        let mut body = format!("{}: {}", ended.outcome, ended.said);
        for finding in &ended.findings {
            body += &format!("\n{finding}");
        }
        self.ping(url, &ended.task, path, &ended.run, body)
    }

    fn ping(&self, url: &Secret, task: &str, path: &str, run: &str, body: String) -> Option<Delivery> {
        // Where it is a sign of the host's life, it is none of a task's.
        if self.alive.is_some() {
            return None;
        }
        let url = url.expose().replace("{task}", task);
        let url = Secret::new(format!("{}{path}?rid={run}", url.trim_end_matches('/')));
        Some(Delivery { what: What::Request { url, kind: "text/plain; charset=utf-8", body }, passing: false })
    }

    /// The host lives.
    pub(super) fn alive(&self) -> Option<Delivery> {
        let (Kind::Ping(url) | Kind::Webhook(url)) = &self.kind else { return None };
        let what = What::Request { url: url.clone(), kind: "text/plain; charset=utf-8", body: "alive".into() };
        Some(Delivery { what, passing: true })
    }

    /// What is to be told, in its form.
    pub(super) fn message(&self, message: &Message<'_>) -> Delivery {
        let request = |url: &Secret, body: serde_json::Value| What::Request {
            url: url.clone(),
            kind: "application/json",
            body: body.to_string(),
        };
        let what = match &self.kind {
            Kind::Webhook(url) | Kind::Ping(url) => request(url, message.json()),
            Kind::Slack(url) => request(url, message.slack()),
            Kind::Alertmanager(base) => {
                let url = Secret::new(format!("{}/api/v2/alerts", base.expose().trim_end_matches('/')));
                request(&url, message.alert())
            }
            Kind::Mail(mail) => What::Mail(Post::new(mail, message.line(), message.text())),
        };
        Delivery { what, passing: false }
    }

    pub(super) async fn deliver(&self, poster: &Poster, delivery: &Delivery) -> Result<(), String> {
        match &delivery.what {
            What::Request { url, kind, body } => {
                let taken = poster.post(url, kind, &HeaderMap::new(), body.clone()).await;
                taken.map(drop).map_err(|error| error.to_string())
            }
            What::Mail(post) => mail::send(post).await,
        }
    }
}

impl Kind {
    /// From when on it tells, unless the bundle says otherwise.
    pub fn from(&self) -> Level {
        match self {
            // A ping that a warning makes fail would wake people for what can wait.
            Self::Ping(_) => Level::Critical,
            _ => Level::Warning,
        }
    }
}
