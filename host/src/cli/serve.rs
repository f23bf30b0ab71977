//! `host serve`: bundles at their times, and the page about them, until it is told to end.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use clap::Args;
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::ending::Ending;
use super::{Global, fail};
use crate::meters::Meters;
use crate::policy::text::count;
use crate::policy::units::Seconds;
use crate::serve::{Engine, HOST, Loader, Service, Setup};
use crate::trace::Exporter;
use crate::web::{self, Door, Gate, Site, TokensFile};

#[derive(Args)]
pub(super) struct Arguments {
    /// The bundle files. Each keeps a history of its own or shares one.
    #[arg(value_name = "BUNDLE", required = true)]
    bundles: Vec<PathBuf>,
    /// How long runs may go on when the host is told to end (SIGTERM or Ctrl-C); then they are stopped, and clean up.
    #[arg(long, value_name = "TIME", default_value = "30s")]
    grace: Seconds,
    /// Who runs the host, for the history [default: the user's name, or `host`].
    #[arg(long, value_name = "NAME", env = "TASKHOST_MAINTAINER")]
    maintainer: Option<String>,
    #[command(flatten)]
    page: Page,
}

/// Where the page and the API are, and whose.
#[derive(Args)]
struct Page {
    /// Where the page and the API are served, such as `127.0.0.1:7717`; `none` for neither.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7717")]
    listen: Listen,
    /// Who may use them: a file that `host token add` writes. Without it everybody who reaches the host may look, and nobody
    /// may change anything.
    #[arg(long, value_name = "FILE")]
    tokens: Option<PathBuf>,
    /// The certificate to serve them with, and those that lead to its authority, as PEM.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// The certificate's key, as PEM.
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// A proxy stands before the host, and nobody reaches the host but through it: it speaks TLS with browsers, and says in
    /// `X-Forwarded-For` for whom it asks.
    #[arg(long)]
    behind_proxy: bool,
    /// The header in which that proxy names who signed in there, and which it never passes on from a browser. Their roles are
    /// those of the same names in the tokens file; whom it does not know may look.
    #[arg(long, value_name = "HEADER", requires = "behind_proxy")]
    proxy_user_header: Option<axum::http::HeaderName>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listen {
    None,
    At(SocketAddr),
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self::None);
        }
        // A name may stand for any address.
        let text = text.strip_prefix("localhost:").map_or(text.to_owned(), |port| format!("127.0.0.1:{port}"));
        let address =
            text.parse().map_err(|_| format!("`{text}` is no address and port; write 127.0.0.1:7717, or none"))?;
        Ok(Self::At(address))
    }
}

impl Page {
    /// Whether it may be served so.
    fn check(&self, address: SocketAddr) -> Result<(), String> {
        let open = !address.ip().is_loopback();
        if open && self.tls_certificate.is_none() && !self.behind_proxy {
            return Err(format!(
                "{address} can be reached from other machines, and what is signed in with could be read on the way; add \
                 --tls-certificate and --tls-key, or --behind-proxy where a proxy speaks TLS"
            ));
        }
        if (open || self.behind_proxy) && self.tokens.is_none() {
            return Err(
                "whoever reaches the host from another machine must sign in; make a token with `host token add NAME \
                        --role operator --tokens FILE` and add --tokens FILE"
                    .into(),
            );
        }
        Ok(())
    }

    /// Listens, where that is wanted.
    async fn open(&self) -> Result<Option<(Door, Gate)>, String> {
        let Listen::At(address) = self.listen else { return Ok(None) };
        self.check(address)?;
        let tokens = self.tokens.clone().map(TokensFile::open).transpose()?;
        let mut gate = Gate::new(tokens)?;
        gate.loopback = address.ip().is_loopback();
        gate.tls = self.tls_certificate.is_some();
        gate.proxy = self.behind_proxy;
        gate.user_header.clone_from(&self.proxy_user_header);
        let mut door = Door::open(address).await?;
        if let (Some(certificate), Some(key)) = (&self.tls_certificate, &self.tls_key) {
            door = door.with_tls(certificate, key)?;
        }
        Ok(Some((door, gate)))
    }
}

/// 0 when it ended in order, 3 when it could not begin.
pub(super) async fn execute(global: &Global, arguments: Arguments) -> u8 {
    match serve(global, arguments).await {
        Ok(()) => 0,
        Err(error) => fail(&error),
    }
}

async fn serve(global: &Global, arguments: Arguments) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("failed to listen for signals: {error}");
    let hang_up = signal(SignalKind::hangup()).map_err(failed)?;
    let ending = Ending::listen().map_err(failed)?;
    let page = arguments.page.open().await?;
    let host = Arc::new(global.host()?);
    let stop = CancellationToken::new();
    let (meters, exporter) = (Meters::default(), Exporter::of_environment());
    let mut engines = Vec::new();
    for path in arguments.bundles {
        let setup = Setup {
            loader: Loader { path, host: host.clone(), directories: global.plugin_path() },
            operator: arguments
                .maintainer
                .clone()
                .or_else(|| std::env::var("USER").ok())
                .unwrap_or_else(|| HOST.into()),
            meters: meters.clone(),
            exporter: exporter.clone(),
            grace: arguments.grace.into(),
            stop: stop.clone(),
        };
        engines.push(Engine::new(setup).await?);
    }
    let services: Vec<Service> = engines.iter().map(Engine::service).collect();
    if let Some(twice) = twice(&services) {
        return Err(format!("two bundles are called `{twice}`; give each a `name` of its own"));
    }
    // The page is there for as long as runs may go on.
    let closed = CancellationToken::new();
    let page = match page {
        None => None,
        Some((door, gate)) => {
            super::print(&format!("listening on {}\n", door.url()?));
            let site = Site::new(services.clone(), meters, gate, closed.clone());
            Some(tokio::spawn(web::serve(site, door, closed.clone())))
        }
    };
    tokio::spawn(end_on_signal(ending, stop));
    tokio::spawn(reload_on_signal(hang_up, services.clone()));
    let mut running = JoinSet::new();
    let serving = format!("serving {}", count(engines.len(), "bundle"));
    for (number, engine) in engines.into_iter().enumerate() {
        let mut watchdog = Watchdog::new(number == 0);
        running.spawn(engine.run(move || watchdog.beat()));
    }
    tell(&[NotifyState::Ready, NotifyState::Status(&serving)]);
    for service in &services {
        let bundle = &service.loaded().bundle;
        tracing::info!("serving {}: {}", bundle.name, count(bundle.tasks.len(), "task"));
    }
    while let Some(ended) = running.join_next().await {
        // Where one breaks, the others are not told; they go on.
        if let Err(error) = ended {
            tracing::error!("a bundle is served no more: {error}");
        }
    }
    tell(&[NotifyState::Stopping]);
    closed.cancel();
    if let Some(page) = page {
        let _ = page.await;
    }
    for lost in exporter.close().await {
        tracing::warn!("{lost}");
    }
    Ok(())
}

/// A name that two bundles have.
fn twice(services: &[Service]) -> Option<String> {
    let names: Vec<String> = services.iter().map(|service| service.loaded().bundle.name.clone()).collect();
    names
        .iter()
        .enumerate()
        .find(|(place, name)| names.iter().take(*place).any(|other| other == *name))
        .map(|(_, name)| name.clone())
}

/// The first Ctrl-C or SIGTERM ends the host in order; the second at once.
async fn end_on_signal(mut ending: Ending, stop: CancellationToken) {
    ending.told().await;
    tracing::info!("told to end; once more to leave at once");
    tell(&[NotifyState::Stopping]);
    stop.cancel();
    ending.told().await;
    std::process::exit(3);
}

async fn reload_on_signal(mut hang_up: Signal, services: Vec<Service>) {
    while hang_up.recv().await.is_some() {
        for service in &services {
            // The engine says what is wrong.
            let _ = service.reload(HOST).await;
        }
    }
}

/// Tells systemd, where it asks.
fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!("systemd was not told: {error}");
    }
}

/// Tells systemd that the loop goes round, where it asks for that.
struct Watchdog {
    every: Option<std::time::Duration>,
    last: std::time::Instant,
}

impl Watchdog {
    fn new(used: bool) -> Self {
        // Twice as often as it must be.
        let every = sd_notify::watchdog_enabled().filter(|_| used).map(|limit| limit / 2);
        Self { every, last: std::time::Instant::now() }
    }

    fn beat(&mut self) {
        if self.every.is_some_and(|every| self.last.elapsed() >= every) {
            self.last = std::time::Instant::now();
            tell(&[NotifyState::Watchdog]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_can_reach_is_signed_in_to_and_cannot_be_read_on_the_way() {
        for (listen, tokens, tls, proxy, refused) in [
            ("127.0.0.1:0", false, false, false, None),
            ("[::1]:0", false, false, false, None),
            ("localhost:7717", true, false, false, None),
            ("0.0.0.0:7717", true, false, false, Some("can be reached from other machines")),
            ("192.0.2.1:7717", false, false, false, Some("can be reached from other machines")),
            ("0.0.0.0:7717", false, true, false, Some("must sign in")),
            ("127.0.0.1:7717", false, false, true, Some("must sign in")),
            ("0.0.0.0:7717", true, true, false, None),
            ("[::]:7717", true, false, true, None),
        ] {
            let Ok(Listen::At(address)) = listen.parse() else { panic!("{listen}") };
            let page = Page {
                listen: Listen::At(address),
                tokens: tokens.then(|| "tokens".into()),
                tls_certificate: tls.then(|| "certificate".into()),
                tls_key: tls.then(|| "key".into()),
                behind_proxy: proxy,
                proxy_user_header: None,
            };
            let checked = page.check(address);
            match refused {
                None => assert_eq!(checked, Ok(()), "{listen}"),
                Some(why) => assert!(checked.unwrap_err().contains(why), "{listen}"),
            }
        }
        assert_eq!("none".parse(), Ok(Listen::None));
        assert!("example.org:80".parse::<Listen>().is_err());
    }
}
