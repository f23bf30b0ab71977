//! One renewal, step by step.

use std::collections::BTreeSet;

use certificates::words::{date, span};
use taskhost_sdk::command::Command;
use taskhost_sdk::prelude::*;
use taskhost_sdk::words::counted;

use crate::due::{self, Work};
use crate::judge::{self, Settings};
use crate::pair::{Flaw, Installed, Pair};
use crate::place::{Place, previous};
use crate::server::Server;
use crate::trouble::Trouble;
use crate::{DAY, said};

/// Days below which a certificate that was not renewed is critical.
const CRITICAL_DAYS: i64 = 7;

pub(crate) struct Renewal<'a> {
    pub(crate) command: Command,
    pub(crate) issued: Place,
    pub(crate) installed: Place,
    pub(crate) server: Server,
    pub(crate) settings: Settings<'a>,
    /// What is valid for no longer is renewed, in seconds.
    pub(crate) before: i64,
}

/// How it ended.
struct Ended {
    summary: String,
    /// What is installed is whole.
    whole: bool,
    /// When what is installed ends.
    not_after: Option<i64>,
}

impl Ended {
    fn with(pair: Option<&Pair>, summary: impl Into<String>) -> Self {
        Self { summary: summary.into(), whole: pair.is_some(), not_after: pair.map(|pair| pair.leaf.not_after) }
    }
}

impl Renewal<'_> {
    pub(crate) async fn run(self) -> Result<String> {
        let installed = self.installed.installed().await?;
        let kept = self.installed.kept().await?;
        let issued = self.issued.issued().await?;
        let (before, now, subject) = (self.before, self.settings.now, self.installed.certificate.clone());
        if kept.is_some() {
            Finding::warning(&subject, "an earlier renewal was cut off")
                .detail(format!(
                    "it kept the old pair as {}, and nobody knows whether the new one is served",
                    previous("*")
                ))
                .report();
        }
        let ended = self.carry_out(&installed, kept.as_ref(), issued).await;
        if let Installed::Broken(flaw, _) = &installed {
            let finding = match &ended {
                Ok(ended) if ended.whole && rehearsing() => {
                    Finding::warning(&subject, flaw.title).detail("would be put right")
                }
                Ok(ended) if ended.whole => {
                    Finding::warning(&subject, flaw.title).detail(format!("{}; it was put right", flaw.detail))
                }
                _ => Finding::critical(&subject, flaw.title)
                    .detail(flaw.detail.clone())
                    .remedy("put a certificate and the key that it was requested with there"),
            };
            finding.report();
        }
        let ended = ended?;
        if let Some(not_after) = ended.not_after {
            #[expect(clippy::cast_precision_loss, reason = "hundredths of days are far below 2^52")]
            let days = |seconds: i64| (seconds * 100).div_euclid(DAY) as f64 / 100.0;
            Metric::new("certificate_days_left", days(not_after - now))
                .subject(subject)
                .unit(Unit::Days)
                .warn_below(days(before.min(21 * DAY)))
                .crit_below(days(before.min(CRITICAL_DAYS * DAY)))
                .report();
        }
        Ok(ended.summary)
    }

    async fn carry_out(
        mut self,
        installed: &Installed,
        mut kept: Option<&Pair>,
        issued: Result<Pair, Flaw>,
    ) -> Result<Ended> {
        let readable = issued.as_ref().ok();
        let acceptable = readable.is_some_and(|issued| self.objections(installed, issued).is_empty());
        let times = (self.before, self.settings.now);
        let mut work = due::work(installed, kept, readable, acceptable, times);
        if let (Work::Prove, Some(pair), Some(old)) = (work, installed.pair(), kept) {
            if let Some(ended) = self.prove(pair, old).await? {
                return Ok(ended);
            }
            kept = None;
            work = due::work(installed, None, readable, acceptable, times);
        }
        let pair = installed.pair();
        match (work, kept) {
            (Work::PutBack, Some(old)) => {
                let back = self.back(old).await;
                let summary = match (back, rehearsing()) {
                    (true, true) => "would put the old pair back",
                    (true, false) => "the old pair was put back",
                    (false, _) => "putting the old pair back failed",
                };
                Ok(Ended::with(back.then_some(old), summary))
            }
            (Work::Install, kept) => self.install(installed, kept, issued).await,
            (Work::Renew, kept) => {
                if let Some(failed) = self.renew().await? {
                    Finding::critical("renew", "the renewal failed").detail(failed).report();
                    return Ok(Ended::with(pair, "the renewal failed; nothing was changed"));
                }
                let issued = self.issued.issued().await?;
                if rehearsing() {
                    return self.rehearse(pair, issued.ok(), "have a certificate issued, check it, copy it").await;
                }
                if let (Some(old), Ok(new)) = (pair, &issued)
                    && old.is(new)
                {
                    return Ok(self.not_renewed(old));
                }
                self.install(installed, kept, issued).await
            }
            _ => self.nothing(pair).await,
        }
    }

    fn objections(&self, installed: &Installed, issued: &Pair) -> Vec<Flaw> {
        judge::objections(installed, issued, &self.settings)
    }

    /// What is installed lasts; whether it is what is served is worth a look.
    async fn nothing(&self, pair: Option<&Pair>) -> Result<Ended> {
        let Some(pair) = pair else { return Ok(Ended::with(None, "nothing to do")) };
        let answers = self.server.look(&pair.leaf).await.or_else(|trouble| trouble.stopped().map(|_| vec![]))?;
        for answer in answers.iter().filter(|answer| !answer.right) {
            Finding::warning(&answer.endpoint, "does not present the installed certificate")
                .detail(&*answer.text)
                .remedy("restart what serves it")
                .report();
        }
        let (left, until) = (span(pair.leaf.not_after - self.settings.now), date(pair.leaf.not_after));
        let summary = format!("nothing to do: `{}` is valid for {left} yet, until {until}", pair.leaf.name);
        Ok(Ended::with(Some(pair), summary))
    }

    fn not_renewed(&self, old: &Pair) -> Ended {
        let left = old.leaf.not_after - self.settings.now;
        let until = date(old.leaf.not_after);
        let finding = if left < CRITICAL_DAYS * DAY { Finding::critical } else { Finding::warning };
        finding(&self.issued.certificate, "not renewed")
            .detail(format!("the program succeeded, and the certificate is still the one that ends on {until}"))
            .remedy("look into the program's own log, and whether it renews as early as renew-before says")
            .report();
        Ended::with(Some(old), format!("not renewed: the certificate still ends on {until}"))
    }

    /// Runs the program; what it failed with, if it did.
    async fn renew(&mut self) -> Result<Option<String>> {
        progress(0, None, "having the certificate issued");
        let command = std::mem::replace(&mut self.command, crate::RENEW.template(""));
        let ended = match command.wait().await.map_err(Trouble::from) {
            Ok(None) => return Ok(None),
            Ok(Some(ended)) if ended.success() => return Ok(None),
            Ok(Some(ended)) => ended,
            Err(trouble) => return trouble.stopped().map(Some),
        };
        let how = match (ended.code, ended.signal) {
            (Some(code), _) => format!("ended with code {code}"),
            (None, signal) => format!("ended by signal {}", signal.unwrap_or_default()),
        };
        let said = said::last_words(&ended.errors).map(|said| format!(": {said}"));
        Ok(Some(how + &said.unwrap_or_default()))
    }

    /// Checks what was issued, copies it, restarts, looks, and goes back where that fails.
    async fn install(&self, installed: &Installed, kept: Option<&Pair>, issued: Result<Pair, Flaw>) -> Result<Ended> {
        let issued = match issued {
            Ok(issued) => match self.objections(installed, &issued) {
                flaws if flaws.is_empty() => issued,
                flaws => return self.refuse(&flaws, installed.pair(), kept).await,
            },
            Err(flaw) => return self.refuse(&[flaw], installed.pair(), kept).await,
        };
        let old = kept.or(installed.pair());
        if rehearsing() {
            let what = format!("copy `{}`, valid until {},", issued.leaf.name, date(issued.leaf.not_after));
            return self.rehearse(old, Some(issued), &what).await;
        }
        let before = self.server.look(&issued.leaf).await.or_else(|trouble| trouble.stopped().map(|_| vec![]))?;
        let trusted = Server::trusted(&before);
        if kept.is_none()
            && let Some(old) = old
            && let Err(trouble) = self.installed.keep(old).await
        {
            let reason = trouble.stopped()?;
            Finding::critical(&self.installed.certificate, "the old pair cannot be kept").detail(reason).report();
            return Ok(Ended::with(Some(old), "not installed: there would be no way back"));
        }
        if let Err(trouble) = self.serve(&issued, &trusted).await {
            return self.failed(trouble, old, &issued).await;
        }
        self.forget().await?;
        if self.server.is_unknown() {
            next_action("restart what serves the certificate");
        }
        let until = date(issued.leaf.not_after);
        let was = old.map(|old| format!(", and not {}", date(old.leaf.not_after))).unwrap_or_default();
        let shown = self.server.shown();
        Ok(Ended::with(Some(&issued), format!("installed `{}`, valid until {until}{was}; {shown}", issued.leaf.name)))
    }

    async fn serve(&self, pair: &Pair, trusted: &BTreeSet<String>) -> Result<(), Trouble> {
        progress(0, None, "copying certificate and key");
        self.installed.put(pair).await?;
        self.server.restart().await?;
        self.proves(pair, trusted).await
    }

    /// A rehearsal changed nothing that could be seen.
    async fn proves(&self, pair: &Pair, trusted: &BTreeSet<String>) -> Result<(), Trouble> {
        if rehearsing() {
            return Ok(());
        }
        progress(0, None, "looking whether it is served");
        self.server.proves(&pair.leaf, trusted).await
    }

    /// What was issued stays where it is; a torn pair gives way to the one that was kept.
    async fn refuse(&self, flaws: &[Flaw], installed: Option<&Pair>, kept: Option<&Pair>) -> Result<Ended> {
        for flaw in flaws {
            Finding::critical(&self.issued.certificate, flaw.title)
                .detail(&*flaw.detail)
                .remedy("it was not copied: have it issued as it should be")
                .report();
        }
        let why = format!("not installed: {} to what was issued", counted(flaws.len(), "objection"));
        match kept {
            None => Ok(Ended::with(installed, why)),
            Some(old) => {
                let back = self.back(old).await;
                Ok(Ended::with(back.then_some(old), why))
            }
        }
    }

    async fn failed(&self, trouble: Trouble, old: Option<&Pair>, new: &Pair) -> Result<Ended> {
        Finding::critical(&self.installed.certificate, "the new certificate is not served")
            .detail(trouble.message())
            .remedy("look into the log of what serves it")
            .report();
        let back = match old {
            Some(old) => self.back(old).await,
            None => false,
        };
        let what = match (old, back) {
            (None, _) => "there is no old pair to put back",
            (_, true) => "the old pair was put back",
            (_, false) => "putting the old pair back failed, too",
        };
        match trouble {
            Trouble::Stopped(failure) => Err(Failure { message: format!("{}; {what}", failure.message), ..failure }),
            Trouble::Broken(_) => {
                let pair = if back { old } else { old.is_none().then_some(new) };
                Ok(Ended::with(pair, format!("the new certificate is not served; {what}")))
            }
        }
    }

    /// Puts a pair back and has it served; whether that worked.
    async fn back(&self, old: &Pair) -> bool {
        match self.serve(old, &BTreeSet::new()).await {
            Ok(()) => {
                let detail = format!("`{}`, valid until {}", old.leaf.name, date(old.leaf.not_after));
                let title = if rehearsing() { "the old pair would be put back" } else { "the old pair was put back" };
                Finding::warning(&self.installed.certificate, title).detail(detail).report();
                self.forget().await.is_ok()
            }
            Err(trouble) => {
                let remedy = format!("the old pair is kept as {}; the next run goes on from there", previous("*"));
                Finding::critical(&self.installed.certificate, "putting the old pair back failed")
                    .detail(trouble.message())
                    .remedy(remedy)
                    .report();
                false
            }
        }
    }

    /// Has what an earlier run copied served, by a restart if need be; if that fails, the old pair is put back, and the
    /// run is at its end.
    async fn prove(&self, pair: &Pair, old: &Pair) -> Result<Option<Ended>> {
        let answers = self.server.look(&pair.leaf).await.or_else(|trouble| trouble.stopped().map(|_| vec![]))?;
        let presented = !answers.is_empty() && answers.iter().all(|answer| answer.right);
        if !presented {
            let proof = async {
                self.server.restart().await?;
                self.proves(pair, &BTreeSet::new()).await
            };
            if let Err(trouble) = proof.await {
                // An old pair that is the same is no way back.
                if !old.is(pair) {
                    return self.failed(trouble, Some(old), pair).await.map(Some);
                }
                let message = trouble.stopped()?;
                Finding::critical(&self.installed.certificate, "the installed certificate is not served")
                    .detail(message)
                    .remedy("look into the log of what serves it")
                    .report();
            }
        }
        self.forget().await?;
        Ok(None)
    }

    async fn forget(&self) -> Result<()> {
        match self.installed.forget().await {
            Ok(()) => Ok(()),
            Err(Trouble::Stopped(failure)) => Err(failure),
            Err(Trouble::Broken(reason)) => {
                Finding::warning(previous(&self.installed.key), "the old key is still kept").detail(reason).report();
                Ok(())
            }
        }
    }

    /// Lists what would be done. Where what would be issued is not known, what is there stands for it.
    async fn rehearse(&self, old: Option<&Pair>, issued: Option<Pair>, what: &str) -> Result<Ended> {
        let steps = async {
            if let Some(old) = old {
                self.installed.keep(old).await?;
            }
            if let Some(pair) = issued.as_ref().or(old) {
                self.installed.put(pair).await?;
            }
            self.server.restart().await?;
            self.installed.forget().await
        };
        if let Err(trouble) = steps.await {
            let reason = trouble.stopped()?;
            Finding::critical(&self.installed.certificate, "would fail").detail(reason).report();
        }
        Ok(Ended::with(old.or(issued.as_ref()), format!("would {what} with its key, restart and look")))
    }
}
