//! Keeps to limits: how many calls and tokens each limited provider and route may still have. Pure state: calls go in, and
//! may or must wait; time is a parameter.
//!
//! Requests and tokens refill evenly, a minute's worth in a minute, up to ten seconds' worth, so that neither a burst nor a
//! share that has just moved here doubles a limit. Tokens are debited when they are known, and may go below nothing. A
//! [`Quota`] outlives tables, and keeps its level when its limit changes. `lane` and `serve` ask it, `follow` tells it the
//! share that the operator has granted and takes what was used.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lotse_crds::quota::{CallLimits, LimitName};
use lotse_crds::usage::{Account, AccountShare, Refused, Share, Used};
use prometheus_client::metrics::counter::Counter;

use crate::metrics::Metrics;

/// One call or token, as levels count: what a rate of one a minute refills in a minute of nanoseconds.
const ONE: i128 = 60_000_000_000;
/// For how long a level fills at most.
const DEPTH: Duration = Duration::from_secs(10);
/// How long to wait when nobody can know how long it takes: a call must end, or a share must come.
const A_WHILE: Duration = Duration::from_secs(1);

/// All accounts, over the lives of tables.
#[derive(Debug, Default)]
pub struct Quotas {
    quotas: Mutex<HashMap<Account, Arc<Quota>>>,
    common: Arc<Common>,
}

/// What all accounts of a sidecar have in common.
#[derive(Debug, Default)]
struct Common {
    /// Whether limits are shared with other pods. They are not on a folder.
    is_shared: AtomicBool,
    /// Whether anything was used, refused or granted since it was last reported.
    has_news: AtomicBool,
}

/// The account with one provider or one route.
#[derive(Debug)]
pub struct Quota {
    common: Arc<Common>,
    state: Mutex<State>,
    /// Where calls that are refused are counted, as [`LimitName::ALL`] has them.
    limited: [Counter; 3],
}

#[derive(Debug, Default)]
struct State {
    /// What the operator has granted, since it first has.
    share: Option<Share>,
    requests: Bucket,
    tokens: Bucket,
    under_way: u64,
    counted: Counts,
}

/// What was counted since the last report.
#[derive(Debug, Default)]
struct Counts {
    begun: u64,
    tokens: u64,
    most_under_way: u64,
    refused: Refused,
}

/// A level that refills by a rate a minute.
#[derive(Debug, Default)]
struct Bucket {
    /// Since when it has been filled by which rate. Nothing before its first use: then it is full.
    since: Option<(Instant, u32)>,
    /// In parts of [`ONE`].
    level: i128,
}

/// A call must wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// For which limit.
    pub limit: LimitName,
    /// When it may come again; for calls under way nobody knows, and this is a while.
    pub after: Duration,
}

/// A call that is under way. Dropped, it is no longer.
#[derive(Debug)]
#[must_use = "a call is under way only while this is held"]
pub struct Entered {
    quota: Arc<Quota>,
}

impl Quotas {
    /// Limits are shared with other pods from now on: until a share is granted, a tenth is used.
    pub fn are_shared(&self) {
        self.common.is_shared.store(true, Ordering::Relaxed);
    }

    /// The account of this name. Tables hold it for as long as it is limited.
    pub fn quota(&self, account: &Account, metrics: &Metrics) -> Arc<Quota> {
        let mut quotas = self.lock();
        if let Some(quota) = quotas.get(account) {
            return quota.clone();
        }
        let limited = LimitName::ALL.map(|limit| metrics.of_limit(account, limit));
        let quota = Arc::new(Quota { common: self.common.clone(), state: Mutex::default(), limited });
        quotas.insert(account.clone(), quota.clone());
        self.common.has_news.store(true, Ordering::Relaxed);
        quota
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Account, Arc<Quota>>> {
        self.quotas.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the shares that the operator grants. Of an account that is not among them the last one stays.
    pub fn grant(&self, shares: &[AccountShare], now: Instant) {
        let quotas = self.lock();
        for AccountShare { account, share } in shares {
            if let Some(quota) = quotas.get(account) {
                quota.grant(*share, now);
            }
        }
    }

    /// Whether anything is limited.
    pub fn limit_anything(&self) -> bool {
        self.lock().values().any(is_in_force)
    }

    /// Whether there is anything new to report.
    pub fn have_news(&self) -> bool {
        self.common.has_news.load(Ordering::Relaxed)
    }

    /// What was used since this was last asked, of all accounts in force. Those that no table limits any more are forgotten.
    pub fn take(&self) -> Vec<Used> {
        self.common.has_news.store(false, Ordering::Relaxed);
        let mut quotas = self.lock();
        quotas.retain(|_, quota| is_in_force(quota));
        quotas.iter().map(|(account, quota)| quota.take(account)).collect()
    }

    /// Takes back what was taken and could not be told.
    pub fn put_back(&self, used: &[Used]) {
        let quotas = self.lock();
        for used in used {
            if let Some(quota) = quotas.get(&used.account) {
                quota.put_back(used);
            }
        }
        self.common.has_news.store(true, Ordering::Relaxed);
    }
}

/// Whether a table or a call holds it.
fn is_in_force(quota: &Arc<Quota>) -> bool {
    Arc::strong_count(quota) > 1
}

impl Quota {
    /// A call begins at `now`, if this pod's share of `limits` lets it. It is under way until what is given is dropped.
    pub fn enter(self: &Arc<Self>, limits: &CallLimits, now: Instant) -> Result<Entered, Wait> {
        let mut state = self.lock();
        let share = self.share(&state, limits);
        self.common.has_news.store(true, Ordering::Relaxed);
        if let Err(wait) = state.enter(&share, limits, now) {
            drop(state);
            self.limited[wait.limit as usize].inc();
            return Err(wait);
        }
        Ok(Entered { quota: self.clone() })
    }

    /// The provider has counted tokens at `now`, of a call that may still be under way or have ended.
    pub fn debit(&self, tokens: u64, now: Instant) {
        let mut state = self.lock();
        state.counted.tokens = state.counted.tokens.saturating_add(tokens);
        state.tokens.debit(tokens, now);
        self.common.has_news.store(true, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn share(&self, state: &State, limits: &CallLimits) -> Share {
        if self.common.is_shared.load(Ordering::Relaxed) {
            state.share.unwrap_or_default().under(limits)
        } else {
            Share::whole(limits)
        }
    }

    fn grant(&self, share: Share, now: Instant) {
        let mut state = self.lock();
        if state.share == Some(share) {
            return;
        }
        // What was refilled until now was refilled by the share before.
        state.requests.turn(share.requests_per_minute, now);
        state.tokens.turn(share.tokens_per_minute, now);
        state.share = Some(share);
        self.common.has_news.store(true, Ordering::Relaxed);
    }

    fn take(&self, account: &Account) -> Used {
        let mut state = self.lock();
        let (holds, under_way) = (state.share, state.under_way);
        let before = std::mem::take(&mut state.counted);
        state.counted.most_under_way = under_way;
        Used {
            account: account.clone(),
            begun: before.begun,
            tokens: before.tokens,
            concurrent: before.most_under_way,
            refused: before.refused,
            holds,
        }
    }

    fn put_back(&self, used: &Used) {
        let counted = &mut self.lock().counted;
        counted.begun += used.begun;
        counted.tokens = counted.tokens.saturating_add(used.tokens);
        counted.most_under_way = counted.most_under_way.max(used.concurrent);
        counted.refused.requests += used.refused.requests;
        counted.refused.tokens += used.refused.tokens;
        counted.refused.concurrent += used.refused.concurrent;
    }
}

impl State {
    fn enter(&mut self, share: &Share, limits: &CallLimits, now: Instant) -> Result<(), Wait> {
        let is_full = share.concurrent_requests.is_some_and(|most| self.under_way >= most.into());
        // Who must wait for two things waits for the later one; that a call ends is the least known.
        let waits = [
            self.requests.wait((share.requests_per_minute, limits.requests_per_minute), now),
            self.tokens.wait((share.tokens_per_minute, limits.tokens_per_minute), now),
            is_full.then_some(A_WHILE),
        ];
        let waits = LimitName::ALL.into_iter().zip(waits);
        let longest =
            waits.filter_map(|(limit, after)| Some(Wait { limit, after: after? })).max_by_key(|wait| wait.after);
        if let Some(wait) = longest {
            let refused = &mut self.counted.refused;
            match wait.limit {
                LimitName::RequestsPerMinute => refused.requests += 1,
                LimitName::TokensPerMinute => refused.tokens += 1,
                LimitName::ConcurrentRequests => refused.concurrent += 1,
            }
            return Err(wait);
        }
        self.requests.debit(1, now);
        self.under_way += 1;
        self.counted.begun += 1;
        self.counted.most_under_way = self.counted.most_under_way.max(self.under_way);
        Ok(())
    }
}

impl Bucket {
    /// Turns to another rate at `now`. What is there stays, as far as the new rate can hold it.
    fn turn(&mut self, rate: Option<u32>, now: Instant) {
        let Some((since, before)) = self.since else { return };
        let Some(rate) = rate else { return };
        let passed = nanoseconds(now.saturating_duration_since(since));
        self.level = (self.level + i128::from(before) * passed).min(capacity(before)).min(capacity(rate));
        self.since = Some((now, rate));
    }

    /// How long until there is one, if there is a rate and there is none now.
    fn wait(&mut self, (rate, limit): (Option<u32>, Option<i32>), now: Instant) -> Option<Duration> {
        let rate = rate?;
        if self.since.is_none() {
            self.level = capacity(rate);
            self.since = Some((now, rate));
        }
        self.turn(Some(rate), now);
        if rate == 0 {
            // Others have it all; shares this small go round.
            let limit = u32::try_from(limit.unwrap_or(1)).unwrap_or(1).max(1);
            return Some((Duration::from_mins(1) / limit).max(A_WHILE));
        }
        let missing = ONE - self.level;
        (missing > 0).then(|| {
            let wait = (missing + i128::from(rate) - 1) / i128::from(rate);
            Duration::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX))
        })
    }

    fn debit(&mut self, count: u64, now: Instant) {
        if let Some((_, rate)) = self.since {
            self.turn(Some(rate), now);
            self.level -= i128::from(count) * ONE;
        }
    }
}

/// The most that a rate fills: ten seconds' worth, and at least one.
fn capacity(rate: u32) -> i128 {
    (i128::from(rate) * nanoseconds(DEPTH)).max(ONE)
}

fn nanoseconds(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::from(u64::MAX))
}

impl Entered {
    /// The provider has counted tokens at `now`.
    pub fn debit(&self, tokens: u64, now: Instant) {
        self.quota.debit(tokens, now);
    }

    /// Nothing was sent after all: the call counts as not begun.
    pub fn withdraw(self) {
        let mut state = self.quota.lock();
        state.requests.level += ONE;
        state.counted.begun = state.counted.begun.saturating_sub(1);
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut state = self.quota.lock();
        state.under_way = state.under_way.saturating_sub(1);
        self.quota.common.has_news.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
