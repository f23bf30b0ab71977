//! The plain-text words that come before TLS: SMTP (RFC 3207), IMAP (RFC 9051, 6.2.1) and PostgreSQL (`SSLRequest`).
//! Everything that the other end says is bounded, and nothing that it says before TLS counts afterwards.

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::super::bindings::Starttls;
use crate::policy::text::clean_line;

/// Why TLS could not be begun.
#[derive(Debug)]
pub(super) enum Failure {
    /// The connection, or the TLS library's error in it.
    Io(std::io::Error),
    /// The other end did not say what the protocol asks for.
    Dialogue(String),
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

/// The most bytes of one line.
const LINE_LIMIT: usize = 4 * 1024;
/// The most bytes of all lines together.
const TALK_LIMIT: usize = 64 * 1024;
/// PostgreSQL's `SSLRequest`: its length, and the code that stands where a version would.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// Brings the other end to the point where the TLS handshake begins.
pub(super) async fn begin(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    starttls: Starttls,
) -> Result<(), Failure> {
    match starttls {
        Starttls::None => Ok(()),
        Starttls::Smtp => smtp(&mut Talk::new(stream)).await,
        Starttls::Imap => imap(&mut Talk::new(stream)).await,
        Starttls::Postgres => postgres(stream).await,
    }
}

async fn smtp<S: AsyncRead + AsyncWrite + Unpin>(talk: &mut Talk<'_, S>) -> Result<(), Failure> {
    let greeting = talk.smtp_reply().await?;
    expect_code(&greeting, "220", "a greeting")?;
    talk.say("EHLO localhost\r\n").await?;
    let extensions = talk.smtp_reply().await?;
    expect_code(&extensions, "250", "an answer to EHLO")?;
    if !extensions.iter().any(|line| line.get(4..).is_some_and(|word| word.trim().eq_ignore_ascii_case("STARTTLS"))) {
        return Err(Failure::Dialogue("the server does not offer STARTTLS".into()));
    }
    talk.say("STARTTLS\r\n").await?;
    let answer = talk.smtp_reply().await?;
    expect_code(&answer, "220", "an answer to STARTTLS")?;
    talk.ended()
}

fn expect_code(reply: &[String], code: &str, what: &str) -> Result<(), Failure> {
    match reply.last() {
        Some(line) if line.starts_with(code) => Ok(()),
        line => Err(unexpected(&format!("{what} with {code}"), line.map_or("", String::as_str))),
    }
}

async fn imap<S: AsyncRead + AsyncWrite + Unpin>(talk: &mut Talk<'_, S>) -> Result<(), Failure> {
    let greeting = talk.line().await?;
    if !greeting.to_ascii_uppercase().starts_with("* OK") {
        return Err(unexpected("a greeting with * OK", &greeting));
    }
    talk.say("a1 STARTTLS\r\n").await?;
    loop {
        let line = talk.line().await?;
        if line.starts_with("* ") {
            continue;
        }
        if line.to_ascii_lowercase().starts_with("a1 ok") {
            return talk.ended();
        }
        return Err(unexpected("OK to STARTTLS", &line));
    }
}

async fn postgres(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Result<(), Failure> {
    stream.write_all(&SSL_REQUEST).await?;
    // One byte, no more: what follows belongs to the handshake.
    match stream.read_u8().await? {
        b'S' => Ok(()),
        b'N' => Err(Failure::Dialogue("the server does not offer TLS".into())),
        b'E' => Err(Failure::Dialogue("the server answered the request for TLS with an error".into())),
        _ => Err(Failure::Dialogue("the answer to the request for TLS is not one of a PostgreSQL server".into())),
    }
}

fn unexpected(expected: &str, line: &str) -> Failure {
    Failure::Dialogue(format!("expected {expected}, and the server said `{}`", clean_line(line, 120)))
}

/// A dialogue line by line.
struct Talk<'a, S> {
    stream: &'a mut S,
    /// Read and not yet looked at.
    buffer: Vec<u8>,
    /// Bytes read so far.
    read: usize,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Talk<'a, S> {
    fn new(stream: &'a mut S) -> Self {
        Self { stream, buffer: Vec::new(), read: 0 }
    }

    async fn say(&mut self, line: &str) -> Result<(), Failure> {
        Ok(self.stream.write_all(line.as_bytes()).await?)
    }

    /// The next line, without its end.
    async fn line(&mut self) -> Result<String, Failure> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            if self.buffer.len() > LINE_LIMIT || self.read > TALK_LIMIT {
                return Err(Failure::Dialogue("the server says more before TLS than the protocol allows".into()));
            }
            let mut chunk = [0; 1024];
            let count = self.stream.read(&mut chunk).await?;
            if count == 0 {
                return Err(Failure::Dialogue("the server closed the connection before TLS began".into()));
            }
            self.read += count;
            self.buffer.extend_from_slice(chunk.split_at(count).0);
        }
    }

    /// The lines of one SMTP reply: all but the last have a hyphen after the code.
    async fn smtp_reply(&mut self) -> Result<Vec<String>, Failure> {
        let mut lines = Vec::new();
        loop {
            let line = self.line().await?;
            let more = line.as_bytes().get(3) == Some(&b'-');
            lines.push(line);
            if !more {
                return Ok(lines);
            }
        }
    }

    /// Nothing may follow the last answer: it would be plain text that passes for what came through TLS.
    fn ended(&self) -> Result<(), Failure> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        Err(Failure::Dialogue("the server went on in plain text after it had agreed to TLS".into()))
    }
}
