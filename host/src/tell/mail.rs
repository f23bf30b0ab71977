//! Sends what is told by mail.

use std::time::Duration;

use lettre::message::Mailbox;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};

use super::Mail;

/// How long a server may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// A mail that is to be sent.
#[derive(Clone, Debug)]
pub(super) struct Post {
    mail: Mail,
    subject: String,
    text: String,
}

impl Post {
    pub(super) fn new(mail: &Mail, subject: String, text: String) -> Self {
        Self { mail: mail.clone(), subject, text }
    }
}

impl Mail {
    /// Whether that is the address of somebody.
    ///
    /// # Errors
    /// It is not.
    pub fn check(address: &str) -> Result<(), String> {
        let parsed: Result<Mailbox, _> = address.parse();
        parsed.map(drop).map_err(|_| format!("`{address}` is no mail address"))
    }
}

pub(super) async fn send(post: &Post) -> Result<(), String> {
    let Post { mail, subject, text } = post;
    let mailbox = |address: &str| address.parse::<Mailbox>().map_err(|_| format!("`{address}` is no mail address"));
    let mut message = Message::builder().from(mailbox(&mail.from)?).subject(subject);
    for address in &mail.to {
        message = message.to(mailbox(address)?);
    }
    let message = message.body(text.clone()).map_err(|error| format!("it is no mail: {error}"))?;
    // What it says of a URL may quote it.
    let server = AsyncSmtpTransport::<Tokio1Executor>::from_url(mail.server.expose())
        .map_err(|_| "the mail server's address is not understood".to_owned())?
        .build();
    tokio::time::timeout(PATIENCE, server.send(message))
        .await
        .map_err(|_| format!("the mail server did not take it within {} s", PATIENCE.as_secs()))?
        .map(drop)
        .map_err(|error| format!("the mail server did not take it: {error}"))
}
