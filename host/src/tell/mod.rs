//! Tells people, and what watches for them: one message when a task breaks, one when it gets worse, one when it mends;
//! never one a run. Where a run's start, end and silence are wanted instead, there are pings.
//!
//! What is told leaves the host by the addresses that the bundle names and by nothing else, and never holds up a run: a
//! receiver that is away is tried again for a day, and then given up with a line in the log.

mod channel;
mod mail;
mod message;
mod rule;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;

pub use channel::{Channel, Kind, Mail};
pub use message::Message;
pub use rule::{Level, Rule, Say};

use crate::post::Poster;
use channel::Delivery;

/// What a run was, for whoever is told of it.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The bundle's name.
    pub bundle: String,
    /// The task's.
    pub task: String,
    /// The run's id.
    pub run: String,
    /// How it ended; a run that will be repeated is told of by none but pings.
    pub level: Level,
    /// It will be repeated: nobody is told yet.
    pub again: bool,
    /// How it ended, in a word.
    pub outcome: &'static str,
    /// What it said of itself, or why it did not end well.
    pub said: String,
    /// Its worst findings, a line each.
    pub findings: Vec<String>,
    /// When it ended.
    pub at: Timestamp,
}

/// What was told last, by channel and task.
pub type Told = BTreeMap<(String, String), Level>;

/// Tells of the tasks of one bundle.
pub struct Teller {
    channels: Vec<Arc<Channel>>,
    told: Told,
    sender: mpsc::UnboundedSender<(Arc<Channel>, Delivery)>,
}

/// The waits between attempts: doubled, up to the longest, until they make a day.
const FIRST_WAIT: Duration = Duration::from_secs(2);
const LONGEST_WAIT: Duration = Duration::from_mins(30);
const GIVE_UP: Duration = Duration::from_hours(24);
/// Deliveries that are under way at a time.
const AT_ONCE: usize = 32;

impl Teller {
    /// Tells through these channels, of which `told` is what was told before.
    pub fn new(channels: Vec<Channel>, told: Told) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::spawn(deliver(receiver));
        Self { channels: channels.into_iter().map(Arc::new).collect(), told, sender }
    }

    /// Other channels from now on. What was told through one of the same name stays told.
    pub fn replace(&mut self, channels: Vec<Channel>) {
        self.channels = channels.into_iter().map(Arc::new).collect();
    }

    /// A run begins: only pings want to know.
    pub fn began(&self, bundle: &str, task: &str, run: &str) {
        for channel in self.channels.iter().filter(|channel| channel.rule.concerns(task)) {
            if let Some(delivery) = channel.start(bundle, task, run) {
                self.send(channel, delivery);
            }
        }
    }

    /// A run has ended. Returns what is told now, to be remembered.
    pub fn ended(&mut self, ended: &Ended) -> Vec<(String, String, Level)> {
        let mut changes = Vec::new();
        for channel in self.channels.clone().iter().filter(|channel| channel.rule.concerns(&ended.task)) {
            if channel.is_ping() {
                if let Some(delivery) = channel.end(ended) {
                    self.send(channel, delivery);
                }
                continue;
            }
            if ended.again {
                continue;
            }
            let key = (channel.name.clone(), ended.task.clone());
            let before = self.told.get(&key).copied().unwrap_or(Level::Ok);
            let Some(say) = channel.rule.say(before, ended.level) else { continue };
            let now = if say == Say::Mends { Level::Ok } else { ended.level };
            self.send(channel, channel.message(&Message { say, before, ended }));
            self.told.insert(key.clone(), now);
            changes.push((key.0, key.1, now));
        }
        changes
    }

    /// The host lives: for whoever would miss it.
    pub fn beat(&self, due: &mut BTreeMap<String, tokio::time::Instant>) {
        let now = tokio::time::Instant::now();
        for channel in &self.channels {
            let Some(every) = channel.alive else { continue };
            let next = due.entry(channel.name.clone()).or_insert(now);
            if *next <= now {
                *next = now + every;
                if let Some(delivery) = channel.alive() {
                    self.send(channel, delivery);
                }
            }
        }
    }

    fn send(&self, channel: &Arc<Channel>, delivery: Delivery) {
        // The other end goes when the host does.
        let _ = self.sender.send((channel.clone(), delivery));
    }
}

/// Delivers what comes, each by itself: one receiver that is away holds up no other.
async fn deliver(mut receiver: mpsc::UnboundedReceiver<(Arc<Channel>, Delivery)>) {
    let poster = Poster::new();
    let places = Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
    while let Some((channel, delivery)) = receiver.recv().await {
        let (poster, places) = (poster.clone(), places.clone());
        tokio::spawn(async move {
            let begun = tokio::time::Instant::now();
            let mut wait = FIRST_WAIT;
            loop {
                let attempt = async {
                    // The semaphore is never closed.
                    let _place = places.acquire().await;
                    channel.deliver(&poster, &delivery).await
                };
                match attempt.await {
                    Ok(()) => return,
                    // A sign of life that is late is none.
                    Err(error) if delivery.passing || begun.elapsed() > GIVE_UP => {
                        return tracing::warn!(channel = channel.name, "not told, and given up: {error}");
                    }
                    Err(error) => tracing::warn!(channel = channel.name, "not told yet: {error}"),
                }
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
        });
    }
}
