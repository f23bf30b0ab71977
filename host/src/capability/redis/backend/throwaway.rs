//! A database for one trial of a plugin, on a server that whoever tries it names: one that is empty, marked as taken in
//! database 0, and emptied again. It is filled and looked at as that server's administrator; a plugin never comes here.
//! It must never empty a database that it did not fill.

use std::time::Duration;

use redis::{Cmd, Value};

use super::super::target::Target;
use super::connect::Connection;
use crate::capability::Secret;

/// Says in database 0 that a database is in use, while that may last.
const TAKEN: &str = "taskhost:taken:";
/// Says in database 0 that what is in a database is from here, so that what a killed host left can be emptied.
const FILLED: &str = "taskhost:filled:";
/// Longer than any trial.
const HOURS: &str = "3600";
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of the replies to one call.
const REPLIES: u64 = 16 << 20;
/// Databases of a server that does not say.
const DATABASES: u32 = 16;

/// One database, while this is.
pub(crate) struct Throwaway {
    url: url::Url,
    number: u32,
}

impl Throwaway {
    /// An empty database of the server of that URL.
    pub(crate) async fn take(url: &Secret) -> Result<Self, String> {
        // It could quote the URL.
        let mut url = url::Url::parse(url.expose()).map_err(|_| "the URL makes no sense".to_owned())?;
        url.set_path("/0");
        let keeper = Self { url, number: 0 };
        let databases = match keeper.ask(0, &[words(&["CONFIG", "GET", "databases"])]).await?.first() {
            Some(reply) => reply.rsplit([',', ' ']).next().and_then(|last| last.parse().ok()).unwrap_or(DATABASES),
            None => DATABASES,
        };
        for number in 1..databases {
            let taken = words(&["SET", &format!("{TAKEN}{number}"), "1", "NX", "EX", HOURS]);
            if keeper.ask(0, &[taken]).await?.first().map(String::as_str) != Some("OK") {
                continue;
            }
            let own = Self { url: keeper.url.clone(), number };
            let filled = keeper.ask(0, &[words(&["EXISTS", &format!("{FILLED}{number}")])]).await?;
            if filled.first().map(String::as_str) == Some("1") {
                own.ask(number, &[words(&["FLUSHDB"])]).await?;
            }
            if own.ask(number, &[words(&["DBSIZE"])]).await?.first().map(String::as_str) == Some("0") {
                own.ask(0, &[words(&["SET", &format!("{FILLED}{number}"), "1"])]).await?;
                return Ok(own);
            }
            // Somebody else's: the mark of it is let run out, so that it is not looked at again soon.
        }
        Err("no database of the server is empty and free".into())
    }

    /// What a slot is bound to.
    pub(crate) fn target(&self) -> Secret {
        let mut url = self.url.clone();
        url.set_path(&format!("/{}", self.number));
        Secret::new(url)
    }

    /// Its number.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// Runs commands; the first that the server refuses is an error.
    pub(crate) async fn run(&self, commands: &[Vec<String>]) -> Result<(), String> {
        let replies = self.ask(self.number, commands).await?;
        let refused = replies.iter().zip(commands).find(|(reply, _)| reply.starts_with(REFUSED));
        refused.map_or(Ok(()), |(reply, command)| Err(format!("{}: {reply}", command.join(" "))))
    }

    /// What the server answers to a command, as a text.
    pub(crate) async fn reply(&self, command: &[String]) -> Result<String, String> {
        let replies = self.ask(self.number, &[command.to_vec()]).await?;
        replies.into_iter().next().ok_or_else(|| "the server answered nothing".into())
    }

    /// Empties it, and gives it back.
    pub(crate) async fn discard(self) -> Result<(), String> {
        self.ask(self.number, &[words(&["FLUSHDB"])]).await?;
        let marks = [TAKEN, FILLED].map(|mark| words(&["DEL", &format!("{mark}{}", self.number)]));
        self.ask(0, &marks).await.map(drop)
    }

    async fn ask(&self, database: u32, commands: &[Vec<String>]) -> Result<Vec<String>, String> {
        if commands.is_empty() {
            return Ok(vec![]);
        }
        let mut url = self.url.clone();
        url.set_path(&format!("/{database}"));
        let target = Target::parse(&Secret::new(url), None)?;
        let mut connection = Connection::open(&target, PATIENCE).await.map_err(|error| error.to_string())?;
        let commands: Vec<Cmd> = commands
            .iter()
            .map(|words| {
                let mut command = Cmd::new();
                for word in words {
                    command.arg(word);
                }
                command
            })
            .collect();
        let replies = connection.send(&target, &commands, REPLIES).await.map_err(|error| error.to_string())?;
        Ok(replies.iter().map(text).collect())
    }
}

/// What an error of the server's begins with, as a text.
const REFUSED: &str = "error: ";

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

/// A reply as people read it.
fn text(reply: &Value) -> String {
    match reply {
        Value::Nil => "(nil)".into(),
        Value::Int(number) => number.to_string(),
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(text) => text.clone(),
        Value::Okay => "OK".into(),
        Value::Double(number) => number.to_string(),
        Value::Boolean(truth) => truth.to_string(),
        Value::Array(values) | Value::Set(values) => values.iter().map(text).collect::<Vec<_>>().join(", "),
        Value::Map(pairs) => {
            pairs.iter().map(|(key, value)| format!("{} {}", text(key), text(value))).collect::<Vec<_>>().join(", ")
        }
        Value::ServerError(error) => {
            format!("{REFUSED}{} {}", error.code(), error.details().unwrap_or_default()).trim_end().into()
        }
        other => format!("{other:?}"),
    }
}
