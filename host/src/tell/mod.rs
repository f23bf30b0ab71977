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
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

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

/// What was taken by a receiver: channel, task and how it stands.
pub type Delivered = (String, String, Level);

/// Tells of the tasks of one bundle.
pub struct Teller {
    channels: Vec<Arc<Channel>>,
    /// What was told, or is under way.
    told: Told,
    sender: Option<mpsc::UnboundedSender<Parcel>>,
    post: tokio::task::JoinHandle<()>,
    newest: Newest,
    count: u64,
}

/// A delivery under way.
struct Parcel {
    channel: Arc<Channel>,
    delivery: Delivery,
    /// What is told by it, and its number.
    tells: Option<(String, Level, u64)>,
}

/// The number of the newest message about each task, by channel: what is older is not told after it.
type Newest = Arc<Mutex<BTreeMap<(String, String), u64>>>;

/// The waits between attempts: doubled, up to the longest, until they make a day.
const FIRST_WAIT: Duration = Duration::from_secs(2);
const LONGEST_WAIT: Duration = Duration::from_mins(30);
const GIVE_UP: Duration = Duration::from_hours(24);
/// How long deliveries are waited for when the host ends.
const PARTING: Duration = Duration::from_secs(5);
/// Deliveries that are under way at a time.
const AT_ONCE: usize = 32;

impl Teller {
    /// Tells through these channels, of which `told` is what was told before. What is told from now on comes back when
    /// it was taken: only then it is to be remembered.
    pub fn new(channels: Vec<Channel>, told: Told) -> (Self, mpsc::UnboundedReceiver<Delivered>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let (delivered, taken) = mpsc::unbounded_channel();
        let newest = Newest::default();
        let post = tokio::spawn(deliver(receiver, delivered, newest.clone()));
        let channels = channels.into_iter().map(Arc::new).collect();
        (Self { channels, told, sender: Some(sender), post, newest, count: 0 }, taken)
    }

    /// Other channels from now on. What was told through one of the same name stays told.
    pub fn replace(&mut self, channels: Vec<Channel>) {
        self.channels = channels.into_iter().map(Arc::new).collect();
    }

    /// A run begins: only pings want to know.
    pub fn began(&self, bundle: &str, task: &str, run: &str) {
        for channel in self.channels.iter().filter(|channel| channel.rule.concerns(task)) {
            if let Some(delivery) = channel.start(bundle, task, run) {
                self.send(channel, delivery, None);
            }
        }
    }

    /// A run has ended.
    pub fn ended(&mut self, ended: &Ended) {
        for channel in self.channels.clone().iter().filter(|channel| channel.rule.concerns(&ended.task)) {
            if channel.is_ping() {
                if let Some(delivery) = channel.end(ended) {
                    self.send(channel, delivery, None);
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
            self.count += 1;
            self.newest.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), self.count);
            let tells = Some((ended.task.clone(), now, self.count));
            self.send(channel, channel.message(&Message { say, before, ended }), tells);
            self.told.insert(key, now);
        }
    }

    /// Waits a little for what is under way, and returns what was taken meanwhile. What was not is told anew by the next
    /// host, when the task has run again.
    pub async fn close(&mut self, delivered: &mut mpsc::UnboundedReceiver<Delivered>) -> Vec<Delivered> {
        self.sender = None;
        if tokio::time::timeout(PARTING, &mut self.post).await.is_err() {
            tracing::warn!("messages are under way, and are left");
            self.post.abort();
        }
        std::iter::from_fn(|| delivered.try_recv().ok()).collect()
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
                    self.send(channel, delivery, None);
                }
            }
        }
    }

    fn send(&self, channel: &Arc<Channel>, delivery: Delivery, tells: Option<(String, Level, u64)>) {
        if let Some(sender) = &self.sender {
            // The other end goes when the host does.
            let _ = sender.send(Parcel { channel: channel.clone(), delivery, tells });
        }
    }
}

/// Delivers what comes, each by itself: one receiver that is away holds up no other.
async fn deliver(
    mut parcels: mpsc::UnboundedReceiver<Parcel>,
    delivered: mpsc::UnboundedSender<Delivered>,
    newest: Newest,
) {
    let poster = Poster::new();
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut under_way = JoinSet::new();
    while let Some(parcel) = parcels.recv().await {
        // Those that are through are let go of.
        while under_way.try_join_next().is_some() {}
        let (poster, places) = (poster.clone(), places.clone());
        let (delivered, newest) = (delivered.clone(), newest.clone());
        under_way.spawn(async move {
            if parcel.arrives(&poster, &places, &newest).await
                && let Some((task, level, _)) = parcel.tells
            {
                // The engine may have ended.
                let _ = delivered.send((parcel.channel.name.clone(), task, level));
            }
        });
    }
    while under_way.join_next().await.is_some() {}
}

impl Parcel {
    /// Tries for as long as it makes sense; true when it was taken.
    async fn arrives(&self, poster: &Poster, places: &Semaphore, newest: &Newest) -> bool {
        let begun = tokio::time::Instant::now();
        let mut wait = FIRST_WAIT;
        loop {
            if self.is_overtaken(newest) {
                return false;
            }
            let attempt = async {
                // The semaphore is never closed.
                let _place = places.acquire().await;
                self.channel.deliver(poster, &self.delivery).await
            };
            let name = &self.channel.name;
            match attempt.await {
                Ok(()) => return true,
                // A sign of life that is late is none.
                Err(error) if self.delivery.passing || begun.elapsed() > GIVE_UP => {
                    tracing::warn!(channel = name, "not told, and given up: {error}");
                    return false;
                }
                Err(error) => tracing::warn!(channel = name, "not told yet: {error}"),
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// There is a newer message about the same: nobody is to hear last what was first.
    fn is_overtaken(&self, newest: &Newest) -> bool {
        let Some((task, _, number)) = &self.tells else { return false };
        let newest = newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.get(&(self.channel.name.clone(), task.clone())).is_some_and(|newest| newest > number)
    }
}
