//! Who signed in: a random id in a cookie stands for a token, for a while. Kept in memory alone, by the id's digest.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use data_encoding::BASE64URL_NOPAD;

use super::tokens::digest;
use crate::web::random;

/// How long nobody may use one, and how long it lasts at most.
pub(in crate::web) const IDLE: Duration = Duration::from_hours(12);
const LONGEST: Duration = Duration::from_hours(7 * 24);
/// How many there are at most; the one that was used longest ago goes.
const MOST: usize = 1_000;

#[derive(Debug, Default)]
pub(in crate::web) struct Sessions(Mutex<BTreeMap<[u8; 32], Session>>);

#[derive(Debug)]
struct Session {
    /// The digest of the token that it stands for: whose it is, the tokens file says each time.
    token: [u8; 32],
    made: Instant,
    used: Instant,
}

impl Session {
    fn lasts(&self, now: Instant) -> bool {
        now.duration_since(self.used) < IDLE && now.duration_since(self.made) < LONGEST
    }
}

impl Sessions {
    /// Begins one, and returns its id.
    pub(in crate::web) fn begin(&self, token: [u8; 32], now: Instant) -> Result<String, String> {
        let id = BASE64URL_NOPAD.encode(&random()?);
        let mut sessions = self.lock();
        sessions.retain(|_, session| session.lasts(now));
        while sessions.len() >= MOST {
            let oldest = sessions.iter().min_by_key(|(_, session)| session.used).map(|(key, _)| *key);
            oldest.and_then(|key| sessions.remove(&key));
        }
        sessions.insert(digest(&id), Session { token, made: now, used: now });
        Ok(id)
    }

    /// The digest of the token that it stands for.
    pub(in crate::web) fn token(&self, id: &str, now: Instant) -> Option<[u8; 32]> {
        let mut sessions = self.lock();
        let session = sessions.get_mut(&digest(id)).filter(|session| session.lasts(now))?;
        session.used = now;
        Some(session.token)
    }

    pub(in crate::web) fn end(&self, id: &str) {
        self.lock().remove(&digest(id));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<[u8; 32], Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_when_nobody_uses_it_and_in_a_week_at_the_latest() {
        let (sessions, begun) = (Sessions::default(), Instant::now());
        let id = sessions.begin([1; 32], begun).unwrap();
        let mut now = begun;
        for _ in 0..15 {
            now += IDLE.checked_sub(Duration::from_hours(1)).unwrap();
            assert_eq!(sessions.token(&id, now), Some([1; 32]));
        }
        assert_eq!(sessions.token(&id, begun + LONGEST), None);
        let other = sessions.begin([2; 32], begun).unwrap();
        assert_eq!(sessions.token(&other, begun + IDLE), None);
        let third = sessions.begin([3; 32], begun).unwrap();
        sessions.end(&third);
        assert_eq!((sessions.token(&third, begun), sessions.token("", begun)), (None, None));
    }

    #[test]
    fn there_are_only_so_many() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let first = sessions.begin([0; 32], now).unwrap();
        for second in 1..=MOST {
            sessions.begin([1; 32], now + Duration::from_millis(second as u64)).unwrap();
        }
        // Within one expression the lock would be held for both.
        let count = sessions.lock().len();
        assert_eq!((count, sessions.token(&first, now)), (MOST, None));
    }
}
