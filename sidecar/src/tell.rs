//! When the operator is told what limits and budgets have been used and how providers fare, and in which pieces; and what its
//! word on them does. `follow` carries the words.
//!
//! Usage is told at most once a second, when there is any, and every few seconds while something is limited, so that the
//! operator knows that a share is not needed. Health is told at once. An operator that has not said `Health` on this stream
//! does not know these words, and is told nothing.

use std::future::pending;
use std::time::Duration;

use lotse_crds::delivery::FromSidecar;
use lotse_crds::usage::{Health, MOST_ENTRIES, Shares, Spending, Usage, Used};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::lane::Shared;
use crate::moment;

/// How often usage is told at most.
const PERIOD: Duration = Duration::from_secs(1);
/// How often it is told at least, while something is limited.
const LONGEST: Duration = Duration::from_secs(5);
/// How long health waits for more of it after it was last told.
const GATHER: Duration = Duration::from_millis(100);

/// What the operator is told on one stream.
pub(crate) struct Telling {
    /// Whether the operator knows the words.
    is_understood: bool,
    /// The number of the last shares.
    heard: u64,
    /// When usage may be told next.
    usage_at: Instant,
    /// When it must be.
    usage_by: Instant,
    /// When health may be told next.
    health_at: Instant,
}

/// What is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Usage and spending.
    Usage,
    /// Health.
    Health,
}

/// Whether calls have ended.
pub(crate) type Ended = watch::Receiver<bool>;

/// When usage was last told, over all streams.
#[derive(Default)]
pub(crate) struct Told(Option<std::time::Instant>);

impl Telling {
    /// On a stream that begins now.
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self { is_understood: false, heard: 0, usage_at: now, usage_by: now, health_at: now }
    }

    /// Whether the operator knows the words.
    pub(crate) fn is_understood(&self) -> bool {
        self.is_understood
    }

    /// Waits until something is to be told. It may be dropped and asked again at any time.
    pub(crate) async fn due(&mut self, shared: &Shared) -> Due {
        if !self.is_understood {
            return pending().await;
        }
        let health_at = self.health_at;
        let health = async {
            shared.hints.untold().await;
            sleep_until(health_at).await;
        };
        tokio::select! {
            () = self.usage_is_due(shared) => Due::Usage,
            () = health => Due::Health,
        }
    }

    async fn usage_is_due(&mut self, shared: &Shared) {
        loop {
            sleep_until(self.usage_at).await;
            let now = Instant::now();
            self.usage_at = now + PERIOD;
            let must = now >= self.usage_by && shared.quotas.limit_anything();
            if must || shared.quotas.have_news() || shared.purses.have_news() {
                self.usage_by = now + LONGEST;
                return;
            }
        }
    }

    /// What to say of usage, a line each. What is not said in the end must be put back.
    pub(crate) fn usage(&self, shared: &Shared, told: &mut Told) -> Vec<FromSidecar> {
        let now = moment::instant();
        let since = told.0.map_or(PERIOD, |told| now.saturating_duration_since(told));
        told.0 = Some(now);
        let milliseconds = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        let used = shared.quotas.take();
        let usage = |used: &[Used]| FromSidecar::Usage(Usage { milliseconds, heard: self.heard, used: used.to_vec() });
        let spent = std::iter::from_fn(|| shared.purses.take()).map(FromSidecar::Spent);
        used.chunks(MOST_ENTRIES).map(usage).chain(spent).collect()
    }

    /// Puts back what was not said. Spending is said again by itself.
    pub(crate) fn put_back(shared: &Shared, unsaid: &[FromSidecar]) {
        for word in unsaid {
            match word {
                FromSidecar::Usage(usage) => shared.quotas.put_back(&usage.used),
                FromSidecar::Hello(_)
                | FromSidecar::Ack(_)
                | FromSidecar::CredentialRefused(_)
                | FromSidecar::Spent(_)
                | FromSidecar::Health(_) => {}
            }
        }
    }

    /// What to say of health, a line each. What is not said in the end is said on the next stream.
    pub(crate) fn health(&mut self, shared: &Shared) -> Vec<FromSidecar> {
        self.health_at = Instant::now() + GATHER;
        let ailments = shared.hints.take(moment::instant());
        let health = |ailments: &[_]| FromSidecar::Health(Health { ailments: ailments.to_vec() });
        ailments.chunks(MOST_ENTRIES).map(health).collect()
    }

    /// The operator says what may be used of limits. It is told soon that it was heard, so that it may give others the rest.
    pub(crate) fn hear_shares(&mut self, shared: &Shared, granted: &Shares) {
        tracing::debug!(accounts = granted.shares.len(), "shares are granted");
        shared.quotas.grant(&granted.shares, moment::instant());
        self.heard = granted.number;
        self.usage_by = Instant::now();
    }

    /// The operator says how providers fare. When it says so first, it is told what it can't know yet: the spending that is
    /// not known to be kept, which this gives to be said, and what ails and what is held, which is due.
    pub(crate) fn hear_health(&mut self, shared: &Shared, health: &Health) -> Vec<FromSidecar> {
        let now = moment::instant();
        shared.hints.hear(health, now);
        if std::mem::replace(&mut self.is_understood, true) {
            return Vec::new();
        }
        shared.hints.again(now);
        shared.purses.again().into_iter().map(FromSidecar::Spent).collect()
    }
}

/// The operator says what the namespace has spent.
pub(crate) fn hear_spending(shared: &Shared, spending: &Spending) {
    shared.purses.hear(spending);
}

/// Waits until it is told that calls have ended.
pub(crate) async fn end_of_calls(calls_ended: &mut Ended) {
    if calls_ended.wait_for(|ended| *ended).await.is_err() {
        // Nobody will.
        pending::<()>().await;
    }
}
