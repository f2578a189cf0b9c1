//! Hints: what other pods say of how providers fare, and what this one says to them. Pure state, time is a parameter; a hint
//! only orders what is permitted, and runs out by itself.
//!
//! `lane` says what it learns from its own calls and asks what others have learned; it must not say again what it only heard.
//! `follow` carries both ways.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lotse_crds::name::ObjectName;
use lotse_crds::usage::{Ailment, Health};
use tokio::sync::Notify;

/// By how much an end must move to be said again.
const MOVED: Duration = Duration::from_secs(1);
/// No hint is believed for longer, whoever says so.
const LONGEST: Duration = Duration::from_mins(10);

/// What is said of all models at all providers, over the lives of tables.
#[derive(Debug, Default)]
pub struct Hints {
    hints: Mutex<HashMap<(ObjectName, String), Arc<Hint>>>,
    news: Arc<News>,
}

#[derive(Debug, Default)]
struct News {
    is_there: AtomicBool,
    told: Notify,
}

/// What is said of one model at one provider.
#[derive(Debug)]
pub struct Hint {
    news: Arc<News>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What others say.
    heard: Ails,
    /// What we say.
    own: Ails,
    /// Whether that is still to be told.
    is_untold: bool,
}

/// What ails a model at a provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ails {
    /// It has an outage, which is believed until then.
    pub outage_until: Option<Instant>,
    /// It takes no calls until then, by its own word.
    pub limited_until: Option<Instant>,
}

impl Hints {
    /// What is said of a model at a provider. Tables hold it for as long as they may call it.
    pub fn hint(&self, provider: &ObjectName, model: &str) -> Arc<Hint> {
        self.entry((provider.clone(), model.to_owned()))
    }

    fn entry(&self, name: (ObjectName, String)) -> Arc<Hint> {
        let make = || Arc::new(Hint { news: self.news.clone(), state: Mutex::default() });
        self.lock().entry(name).or_insert_with(make).clone()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(ObjectName, String), Arc<Hint>>> {
        self.hints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes all that others say at `now`; of what is not listed they say nothing any more.
    pub fn hear(&self, health: &Health, now: Instant) {
        let mut heard: HashMap<(ObjectName, String), Ails> = HashMap::new();
        for ailment in &health.ailments {
            let until = |milliseconds: u64| now.checked_add(Duration::from_millis(milliseconds).min(LONGEST));
            let ails = Ails {
                outage_until: until(ailment.outage_milliseconds),
                limited_until: until(ailment.limited_milliseconds),
            };
            heard.insert((ailment.provider.clone(), ailment.model.clone()), ails.at(now));
        }
        let mut hints = self.lock();
        hints.retain(|name, hint| Arc::strong_count(hint) > 1 || heard.contains_key(name));
        for (name, hint) in hints.iter() {
            hint.lock().heard = heard.remove(name).unwrap_or_default();
        }
        drop(hints);
        // What is listed before its table comes into force.
        for (name, ails) in heard {
            self.entry(name).lock().heard = ails;
        }
    }

    /// Waits until there is something to tell.
    pub async fn untold(&self) {
        while !self.news.is_there.load(Ordering::Acquire) {
            self.news.told.notified().await;
        }
    }

    /// Takes what is to be told at `now`.
    pub fn take(&self, now: Instant) -> Vec<Ailment> {
        self.news.is_there.store(false, Ordering::Release);
        let hints = self.lock();
        hints.iter().filter_map(|((provider, model), hint)| hint.take((provider, model), now)).collect()
    }

    /// All that ails is to be told, to an operator that has just been found.
    pub fn again(&self, now: Instant) {
        for hint in self.lock().values() {
            let mut state = hint.lock();
            state.is_untold = state.own.at(now) != Ails::default();
        }
        self.news.is_there.store(true, Ordering::Release);
        self.news.told.notify_one();
    }
}

impl Hint {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What our own calls have shown at `now`. Said at each call, it is told only when it is news.
    pub fn say(&self, ails: Ails, now: Instant) {
        let mut state = self.lock();
        if !is_news(state.own.at(now), ails.at(now)) {
            return;
        }
        state.own = ails;
        state.is_untold = true;
        drop(state);
        self.news.is_there.store(true, Ordering::Release);
        self.news.told.notify_one();
    }

    /// What others say at `now`.
    pub fn heard(&self, now: Instant) -> Ails {
        self.lock().heard.at(now)
    }

    fn take(&self, (provider, model): (&ObjectName, &str), now: Instant) -> Option<Ailment> {
        let mut state = self.lock();
        if !std::mem::take(&mut state.is_untold) {
            return None;
        }
        let left = |until: Option<Instant>| {
            let left = until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
            u64::try_from(left.as_millis()).unwrap_or(u64::MAX)
        };
        Some(Ailment {
            provider: provider.clone(),
            model: model.to_owned(),
            outage_milliseconds: left(state.own.outage_until),
            limited_milliseconds: left(state.own.limited_until),
        })
    }
}

impl Ails {
    /// What of it is left at `now`.
    fn at(self, now: Instant) -> Self {
        let left = |until: Option<Instant>| until.filter(|until| *until > now);
        Self { outage_until: left(self.outage_until), limited_until: left(self.limited_until) }
    }
}

fn is_news(before: Ails, after: Ails) -> bool {
    let moved = |before: Option<Instant>, after: Option<Instant>| match (before, after) {
        (None, None) => false,
        (Some(before), Some(after)) => before.max(after).saturating_duration_since(before.min(after)) >= MOVED,
        (Some(_), None) | (None, Some(_)) => true,
    };
    moved(before.outage_until, after.outage_until) || moved(before.limited_until, after.limited_until)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moment;

    const SECOND: Duration = Duration::from_secs(1);

    fn paris() -> ObjectName {
        ObjectName::new("root", "paris")
    }

    fn outage(until: Instant) -> Ails {
        Ails { outage_until: Some(until), limited_until: None }
    }

    fn ailment(outage_milliseconds: u64, limited_milliseconds: u64) -> Ailment {
        Ailment { provider: paris(), model: "m".to_owned(), outage_milliseconds, limited_milliseconds }
    }

    #[test]
    fn what_others_say_holds_until_it_runs_out_or_is_said_no_more() {
        let (hints, now) = (Hints::default(), moment::instant());
        let hint = hints.hint(&paris(), "m");

        hints.hear(&Health { ailments: vec![ailment(30_000, 5000)] }, now);
        let both = Ails { outage_until: Some(now + 30 * SECOND), limited_until: Some(now + 5 * SECOND) };
        assert_eq!(hint.heard(now), both);
        assert_eq!(hint.heard(now + 5 * SECOND), outage(now + 30 * SECOND));
        hints.hear(&Health::default(), now + 6 * SECOND);
        assert_eq!(hint.heard(now + 6 * SECOND), Ails::default());
    }

    #[test]
    fn what_is_heard_before_the_table_comes_is_there_when_it_does_and_is_not_said_again() {
        let (hints, now) = (Hints::default(), moment::instant());

        hints.hear(&Health { ailments: vec![ailment(u64::MAX, 0)] }, now);

        assert_eq!(hints.hint(&paris(), "m").heard(now), outage(now + LONGEST));
        hints.again(now);
        assert_eq!(hints.take(now), []);
    }

    #[test]
    fn only_news_is_told_and_each_only_once() {
        let (hints, now) = (Hints::default(), moment::instant());
        let hint = hints.hint(&paris(), "m");

        hint.say(Ails::default(), now);
        assert_eq!(hints.take(now), [], "that it is well is no news");
        hint.say(outage(now + 30 * SECOND), now);
        assert_eq!(hints.take(now + SECOND), [ailment(29_000, 0)]);
        hint.say(outage(now + 30 * SECOND + SECOND / 2), now + SECOND);
        assert_eq!(hints.take(now + SECOND), []);
        hint.say(Ails::default(), now + 2 * SECOND);
        assert_eq!(hints.take(now + 2 * SECOND), [ailment(0, 0)]);
        assert_eq!(hints.take(now + 2 * SECOND), []);
    }

    #[test]
    fn a_new_operator_is_told_what_still_ails() {
        let (hints, now) = (Hints::default(), moment::instant());
        let (ill, well) = (hints.hint(&paris(), "m"), hints.hint(&paris(), "n"));
        ill.say(outage(now + 30 * SECOND), now);
        well.say(outage(now + SECOND), now);
        assert_eq!(hints.take(now).len(), 2);

        hints.again(now + 2 * SECOND);

        assert_eq!(hints.take(now + 2 * SECOND), [ailment(28_000, 0)]);
    }

    #[tokio::test]
    async fn whoever_waits_for_news_is_woken_by_it() {
        let (hints, now) = (Hints::default(), moment::instant());
        let hint = hints.hint(&paris(), "m");

        let told = async { hint.say(outage(now + SECOND), now) };
        tokio::join!(hints.untold(), told);

        assert_eq!(hints.take(now), [ailment(1000, 0)]);
    }
}
