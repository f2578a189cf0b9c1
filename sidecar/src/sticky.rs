//! Who answered a session last: where a provider may still have its prompt in a cache. Pure state; time is a parameter.
//! Entries expire when they are idle, yield when the provider fails, and are bounded. `attempt` notes, `serve` asks.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::time::{Duration, Instant};

use lotse_crds::name::ObjectName;

/// How many sessions are remembered. When there are more, those that are idle longest are forgotten, a quarter at once.
const MOST: usize = 16 * 1024;

/// Who answered which session.
#[derive(Debug, Default)]
pub struct Sticky {
    sessions: HashMap<u64, Session>,
    hasher: RandomState,
}

#[derive(Debug)]
struct Session {
    who: Who,
    until: Instant,
}

/// A candidate by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// The provider.
    pub provider: ObjectName,
    /// The model, as routes call it.
    pub model: String,
}

/// What is remembered of a session instead of its name or its messages. Chance of this process makes it: nobody can guess
/// another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionKey(u64);

impl Sticky {
    /// The key of a session: of what makes its calls belong together.
    pub fn key(&self, of: &impl Hash) -> SessionKey {
        SessionKey(self.hasher.hash_one(of))
    }

    /// Who answered it last, unless it has been idle for too long.
    pub fn who(&self, key: SessionKey, now: Instant) -> Option<&Who> {
        self.sessions.get(&key.0).filter(|session| now < session.until).map(|session| &session.who)
    }

    /// It was answered; the next call belongs there as well, if it comes within `idle`.
    pub fn answered(&mut self, key: SessionKey, who: Who, (now, idle): (Instant, Duration)) {
        if self.sessions.len() >= MOST && !self.sessions.contains_key(&key.0) {
            self.forget(now);
        }
        self.sessions.insert(key.0, Session { who, until: now + idle });
    }

    /// Its provider failed: the next call is free to go elsewhere.
    pub fn failed(&mut self, key: SessionKey) {
        self.sessions.remove(&key.0);
    }

    fn forget(&mut self, now: Instant) {
        self.sessions.retain(|_, session| now < session.until);
        if self.sessions.len() < MOST {
            return;
        }
        let mut ends: Vec<Instant> = self.sessions.values().map(|session| session.until).collect();
        ends.sort_unstable();
        let oldest = ends[MOST / 4];
        self.sessions.retain(|_, session| session.until > oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "any time is as good as another")]
    fn start() -> Instant {
        Instant::now()
    }

    fn who(name: &str) -> Who {
        Who { provider: ObjectName::new("lotse-system", name), model: "m".to_owned() }
    }

    #[test]
    fn a_session_stays_while_it_is_not_idle_and_yields_when_the_provider_fails() {
        let (mut sticky, now, idle) = (Sticky::default(), start(), Duration::from_mins(10));
        let key = sticky.key(&"a session");

        sticky.answered(key, who("paris"), (now, idle));
        assert_eq!(sticky.who(key, now + Duration::from_secs(599)), Some(&who("paris")));
        sticky.answered(key, who("paris"), (now + Duration::from_secs(599), idle));
        assert_eq!(sticky.who(key, now + Duration::from_secs(1198)), Some(&who("paris")));
        assert_eq!(sticky.who(key, now + Duration::from_secs(1199)), None);

        sticky.failed(key);
        assert_eq!(sticky.who(key, now), None);
        assert_eq!(sticky.who(sticky.key(&"another"), now), None);
    }

    #[test]
    fn the_longest_idle_are_forgotten_when_there_are_too_many() {
        let (mut sticky, now, idle) = (Sticky::default(), start(), Duration::from_mins(10));

        for session in 0..=MOST as u64 {
            let at = now + Duration::from_millis(session);
            sticky.answered(sticky.key(&session), who("paris"), (at, idle));
        }

        assert!(sticky.sessions.len() <= MOST);
        assert_eq!(sticky.who(sticky.key(&0_u64), now), None);
        assert_eq!(sticky.who(sticky.key(&(MOST as u64)), now), Some(&who("paris")));
    }
}
