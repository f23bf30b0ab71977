//! What Grafana answers, as far as it is looked at, and how it is asked.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use taskhost_sdk::http::{Response, Slot};
use taskhost_sdk::{Failure, Result};

/// The most bytes of one answer.
const MOST: usize = 32 << 20;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Health {
    pub(crate) database: String,
    pub(crate) version: String,
}

/// A dashboard in a listing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Listed {
    pub(crate) uid: String,
    pub(crate) title: String,
    pub(crate) folder_title: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct DataSource {
    pub(crate) uid: String,
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) is_default: bool,
}

/// A dashboard, whole.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Dashboard {
    pub(crate) meta: Meta,
    pub(crate) dashboard: Value,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Meta {
    /// It comes from a file of the server's own, which cannot be saved over.
    pub(crate) provisioned: bool,
    pub(crate) folder_uid: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Message {
    message: String,
    status: String,
}

/// What an answer came to.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) line: String,
    place: String,
    body: Vec<u8>,
}

impl Answer {
    pub(crate) async fn of(response: Response) -> Result<Self> {
        let (status, line) = (response.status(), response.status_line());
        let place = response.url().split('?').next().unwrap_or_default().to_owned();
        Ok(Self { status, line, place, body: response.bytes(MOST).await? })
    }

    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// What it says, in Grafana's own words where there are some.
    pub(crate) fn said(&self) -> String {
        let message: Message = serde_json::from_slice(&self.body).unwrap_or_default();
        let words = if message.message.is_empty() { message.status } else { message.message };
        if words.is_empty() { self.line.clone() } else { format!("{}: {words}", self.line) }
    }

    /// The JSON of a good answer.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T> {
        if !self.is_success() {
            let way = match self.status {
                401 => "; name a token that is valid with `,bearer=env:NAME`",
                403 => "; give the token's service account the role that this takes",
                _ => "",
            };
            return Err(Failure::new(format!("{} answered {}{way}", self.place, self.said())));
        }
        serde_json::from_slice(&self.body)
            .map_err(|error| Failure::new(format!("{} does not answer as Grafana does: {error}", self.place)))
    }
}

/// What `api/PATH` answers.
pub(crate) async fn get(slot: &Slot, path: &str) -> Result<Answer> {
    Answer::of(slot.get(format!("api/{path}")).await?).await
}
