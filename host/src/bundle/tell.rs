//! The table `tell`: who is told of what becomes of tasks, and by which way.

use std::path::Path;
use std::time::Duration;

use super::{Source, file};
use crate::policy::glob::Globs;
use crate::tell::{Channel, Kind, Level, Mail, Rule};

/// A way to tell somebody, before its address is had.
#[derive(Clone, Debug)]
pub struct Tell {
    name: String,
    way: Way,
    source: Source,
    from: Option<String>,
    to: Vec<String>,
    tasks: Option<Globs>,
    level: Option<Level>,
    alive: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Webhook,
    Slack,
    Alertmanager,
    Ping,
    Mail,
}

/// What an address must begin with.
const HTTP: &[&str] = &["http://", "https://"];
const SMTP: &[&str] = &["smtp://", "smtps://"];

impl Tell {
    /// Reads what is written.
    pub(super) fn read(name: &str, written: file::Tell) -> Result<Self, String> {
        let file::Tell { webhook, slack, alertmanager, ping, mail, from, to, tasks, level, alive } = written;
        let ways = [
            (Way::Webhook, webhook),
            (Way::Slack, slack),
            (Way::Alertmanager, alertmanager),
            (Way::Ping, ping),
            (Way::Mail, mail),
        ];
        let mut named = ways.into_iter().filter_map(|(way, written)| Some((way, written?)));
        let (Some((way, address)), None) = (named.next(), named.next()) else {
            return Err("it names one way: `webhook`, `slack`, `alertmanager`, `ping` or `mail`".into());
        };
        let source = match &address {
            toml::Value::String(text) => Some(Source::of_text(text)),
            toml::Value::Table(table) => Source::of_table(table),
            _ => None,
        };
        let source = source.ok_or("an address is a text such as \"env:OPS_WEBHOOK\", or `{ command = [...] }`")?;
        if let Source::Written(address) = &source {
            way.check(address.expose())?;
        }
        match way {
            Way::Mail if from.is_none() || to.is_empty() => {
                return Err(
                    "mail has a sender and receivers: from = \"host@example.org\", to = [\"ops@example.org\"]".into()
                );
            }
            Way::Mail => {
                for address in from.iter().chain(&to) {
                    Mail::check(address)?;
                }
            }
            _ if from.is_some() || !to.is_empty() => return Err("`from` and `to` are for mail".into()),
            _ => {}
        }
        if level == Some(Level::Ok) {
            return Err("the level from which on it is told is `warning`, `critical` or `broken`".into());
        }
        if alive.is_some() && !matches!(way, Way::Webhook | Way::Ping) {
            return Err("`alive` is for a ping or a webhook".into());
        }
        if alive.is_some_and(|every| every.0 < 10) {
            return Err("`alive` is 10 s or longer".into());
        }
        let tasks = if tasks.is_empty() { None } else { Some(Globs::new(tasks)?) };
        Ok(Self { name: name.into(), way, source, from, to, tasks, level, alive: alive.map(Into::into) })
    }

    /// The way, with its address.
    ///
    /// # Errors
    /// A credential that is not there, or is no address.
    pub async fn channel(&self, directory: &Path) -> Result<Channel, String> {
        let failed = |error: String| format!("tell `{}`: {error}", self.name);
        let address = self.source.target(directory).await.map_err(failed)?;
        self.way.check(address.expose()).map_err(failed)?;
        let kind = match self.way {
            Way::Webhook => Kind::Webhook(address),
            Way::Slack => Kind::Slack(address),
            Way::Alertmanager => Kind::Alertmanager(address),
            Way::Ping => Kind::Ping(address),
            Way::Mail => {
                let from = self.from.clone().unwrap_or_default();
                Kind::Mail(Mail { server: address, from, to: self.to.clone() })
            }
        };
        let rule = Rule { tasks: self.tasks.clone(), from: self.level.unwrap_or_else(|| kind.from()) };
        Ok(Channel { name: self.name.clone(), rule, kind, alive: self.alive })
    }
}

impl Way {
    /// Whether that is an address of its kind; says nothing of the address, which may hold a credential.
    fn check(self, address: &str) -> Result<(), String> {
        let schemes = if self == Self::Mail { SMTP } else { HTTP };
        let known = schemes.iter().any(|scheme| address.starts_with(scheme)) && url::Url::parse(address).is_ok();
        if known { Ok(()) } else { Err(format!("its address is no URL that begins with {}", schemes.join(" or "))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Tell, String> {
        Tell::read("ops", toml::from_str(text).map_err(|error| error.message().to_owned())?)
    }

    #[test]
    fn one_way_with_its_address() {
        for good in [
            "webhook = 'https://ops.example.org/hook'",
            "slack = 'env:SLACK'",
            "alertmanager = 'http://127.0.0.1:9093'\nlevel = 'critical'",
            "ping = 'https://hc.example.org/ping/key/{task}'\ntasks = ['backup-*']",
            "ping = 'https://hc.example.org/ping/key'\nalive = '1m'",
            "mail = 'smtp://127.0.0.1:25'\nfrom = 'host@example.org'\nto = ['Ops <ops@example.org>']",
            "mail = { command = ['pass', 'smtp'] }\nfrom = 'host@example.org'\nto = ['ops@example.org']",
        ] {
            assert!(read(good).is_ok(), "{good}: {:?}", read(good));
        }
        for (bad, why) in [
            ("", "names one way"),
            ("webhook = 'https://a.example'\nslack = 'https://b.example'", "names one way"),
            ("webhook = 'ops.example.org'", "no URL that begins with http"),
            ("webhook = 1", "an address is a text"),
            ("mail = 'https://a.example'\nfrom = 'a@b.example'\nto = ['c@d.example']", "begins with smtp"),
            ("mail = 'smtp://a.example'", "a sender and receivers"),
            ("mail = 'smtp://a.example'\nfrom = 'nobody'\nto = ['c@d.example']", "`nobody` is no mail address"),
            ("slack = 'https://a.example'\nto = ['c@d.example']", "are for mail"),
            ("slack = 'https://a.example'\nlevel = 'ok'", "`warning`, `critical` or `broken`"),
            ("slack = 'https://a.example'\nalive = '1m'", "for a ping or a webhook"),
            ("ping = 'https://a.example'\nalive = '1s'", "10 s or longer"),
            ("ping = 'https://a.example'\ntask = 'x'", "unknown field"),
        ] {
            let error = read(bad).unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }
}
