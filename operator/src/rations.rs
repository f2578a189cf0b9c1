//! What is rationed under one leadership: who shares which limits, what has been spent, how providers are said to fare, and
//! what each sidecar is told of it.
//!
//! Nothing is told before it is known what has been spent: a sidecar that hears nothing says nothing, and uses a tenth. The
//! rules are `allot`'s, `spend`'s and `hints`'. `publish` says who follows, `serve` carries the words, `treasury` reads and
//! keeps what was spent; [`run`] settles everything once a second, and passes hints on at once.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use lotse_crds::name::ObjectName;
use lotse_crds::quota::{Budget, CallLimits};
use lotse_crds::residency::utc_day;
use lotse_crds::usage::{Account, Health, MOST_ENTRIES, Spent, Usage};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

mod follower;

use crate::allot::{Pool, turn};
use crate::hints::Hints;
use crate::notice::{Notice, Told};
use crate::pods::PodRecord;
use crate::publish::Publisher;
use crate::spend::Spend;
use follower::Follower;
pub use follower::{Held, Scope, Words};

/// How often shares and spending are settled.
const PERIOD: Duration = Duration::from_secs(1);
/// How long hints are gathered before they are passed on.
const GATHER: Duration = Duration::from_millis(50);
/// How long they wait after others were passed on: in an outage everybody has something to say.
const DISTANCE: Duration = Duration::from_millis(250);

/// The accounts of one namespace, with the limits that hold.
type Pools = BTreeMap<Account, (CallLimits, Pool)>;

/// What is rationed.
pub struct Rations {
    state: Mutex<State>,
    /// Somebody has said how a provider fares.
    hinted: Notify,
}

struct State {
    began: Instant,
    /// How often shares have been settled.
    round: u64,
    /// By the namespace whose accounts they are.
    pools: HashMap<String, Pools>,
    followers: BTreeMap<u64, Follower>,
    /// The stream that each pod began last.
    latest: HashMap<Arc<str>, u64>,
    hints: Hints,
    /// What has been spent; nothing before it is known.
    spend: Option<Spend>,
    /// Of that, what stays when this leader goes.
    kept: Spend,
    told: Told,
    notices: Vec<Notice>,
}

impl Rations {
    /// For a leadership that begins now.
    pub fn new() -> Self {
        let state = State {
            began: Instant::now(),
            round: 0,
            pools: HashMap::new(),
            followers: BTreeMap::new(),
            latest: HashMap::new(),
            hints: Hints::default(),
            spend: None,
            kept: Spend::default(),
            told: Told::default(),
            notices: Vec::new(),
        };
        Self { state: Mutex::new(state), hinted: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A pod was there when this leader began: what it holds is not known until it comes.
    pub fn expects(&self, pod: &PodRecord, scope: &Scope) {
        let mut state = self.state();
        let (uid, now) = (Arc::from(pod.uid.as_str()), Instant::now().into_std());
        for (account, limits) in &scope.accounts {
            state.pool(&pod.workload.namespace, account, *limits).expects(&uid, now);
        }
    }

    /// A sidecar begins to follow.
    pub fn begins(&self, stream: u64, pod: &PodRecord, scope: &Arc<Scope>) -> Words {
        let (mut follower, words) = Follower::new(pod, scope);
        let mut state = self.state();
        state.keeps_only(&follower.namespace, &follower.pod, scope);
        for (account, limits) in &scope.accounts {
            state.pool(&follower.namespace, account, *limits).begins(&follower.pod);
        }
        state.hints.forget(&follower.pod);
        state.latest.insert(follower.pod.clone(), stream);
        if state.spend.is_some() {
            // It is told of health at once, whatever there is: that is what makes it speak.
            follower.tell_health(&mut state.hints, Instant::now().into_std());
        }
        state.followers.insert(stream, follower);
        words
    }

    /// A sidecar that follows does not know these words. It obeys nothing that is limited, and holds nothing.
    pub fn begins_without(&self, pod: &PodRecord) {
        self.state().keeps_only(&pod.workload.namespace, &pod.uid, &Scope::default());
    }

    /// A sidecar that follows obeys another snapshot from now on.
    pub fn obeys(&self, stream: u64, scope: &Arc<Scope>) {
        let mut state = self.state();
        let Some(follower) = state.followers.get_mut(&stream) else { return };
        let before = std::mem::replace(&mut follower.scope, scope.clone());
        let (uid, namespace) = (follower.pod.clone(), follower.namespace.clone());
        state.keeps_only(&namespace, &uid, scope);
        for (account, limits) in &scope.accounts {
            let pool = state.pool(&namespace, account, *limits);
            if !before.accounts.contains_key(account) {
                pool.begins(&uid);
            }
        }
        self.hinted.notify_one();
    }

    /// A sidecar follows no more. It goes on with what it holds, unless its pod is gone.
    pub fn ends(&self, stream: u64) {
        let mut state = self.state();
        let Some(follower) = state.followers.remove(&stream) else { return };
        if state.latest.get(&follower.pod) != Some(&stream) {
            return;
        }
        state.latest.remove(&follower.pod);
        let now = Instant::now().into_std();
        for (_, pool) in state.pools.get_mut(&follower.namespace).into_iter().flat_map(BTreeMap::values_mut) {
            pool.is_cut_off(&follower.pod, now);
        }
    }

    /// Only pods that are still there hold anything.
    pub fn retain(&self, is_there: &dyn Fn(&str) -> bool) {
        for (_, pool) in self.state().pools.values_mut().flat_map(BTreeMap::values_mut) {
            pool.retain(is_there);
        }
    }

    /// A sidecar says what it has used.
    pub fn usage(&self, stream: u64, usage: &Usage) {
        let mut state = self.state();
        let State { followers, pools, latest, .. } = &mut *state;
        let Some(follower) = followers.get(&stream) else { return };
        let Some(pools) = pools.get_mut(&follower.namespace) else { return };
        if latest.get(&follower.pod) != Some(&stream) {
            return;
        }
        for used in usage.used.iter().take(MOST_ENTRIES) {
            // Of what is none of its own it has nothing to say.
            if let Some((_, pool)) = pools.get_mut(&used.account).filter(|_| follower.scope.has(&used.account)) {
                pool.reports(&follower.pod, used, (usage.milliseconds, usage.heard));
            }
        }
    }

    /// A sidecar says what its calls have cost. It names one run on a stream; what is not its own does not count.
    pub fn spent(&self, stream: u64, spent: &Spent) {
        let mut state = self.state();
        let State { followers, spend, .. } = &mut *state;
        let (Some(follower), Some(books)) = (followers.get_mut(&stream), spend) else { return };
        if spent.spent.len() > MOST_ENTRIES || *follower.run.get_or_insert(spent.run) != spent.run {
            return;
        }
        if follower.scope.budgets.is_empty() {
            // Nobody asks what it has spent. It must hear that it is done with it all the same.
            follower.passed_over = follower.passed_over.max(spent.number);
            return;
        }
        books.count(&follower.namespace, spent, &|route| follower.scope.budgets.contains_key(route));
    }

    /// A sidecar says how providers fare.
    pub fn health(&self, stream: u64, health: &Health) {
        let mut state = self.state();
        let State { followers, hints, .. } = &mut *state;
        let Some(follower) = followers.get(&stream) else { return };
        let said = (health.ailments.as_slice(), &follower.scope.candidates);
        if hints.hear(&follower.pod, said, Instant::now().into_std()) {
            self.hinted.notify_one();
        }
    }

    /// It is known what has been spent: from now on sidecars are told what they may use.
    pub fn opens(&self, mut spend: Spend, now: Timestamp) {
        let mut state = self.state();
        state.told = Told::before(&spend);
        state.kept = spend.clone();
        spend.turn(utc_day(now));
        state.spend = Some(spend);
        drop(state);
        self.spread();
    }

    /// What has been spent, if it is to be kept anew.
    pub fn to_keep(&self) -> Option<Spend> {
        let state = self.state();
        let is_due = |spend: &Spend| *spend != state.kept && !(spend.is_empty() && state.kept.is_empty());
        state.spend.clone().filter(is_due)
    }

    /// This stays when this leader goes.
    pub fn keeps(&self, spend: Spend) {
        self.state().kept = spend;
    }

    /// Takes what is to be told of budgets.
    pub fn notices(&self) -> Vec<Notice> {
        std::mem::take(&mut self.state().notices)
    }

    /// What the sidecar of a pod has.
    pub fn held(&self, pod: &str) -> Held {
        let state = self.state();
        let follower = state.latest.get(pod).and_then(|stream| state.followers.get(stream));
        follower.map(Follower::held).unwrap_or_default()
    }

    /// Shares out anew, and tells each sidecar what has changed for it.
    pub fn settle(&self, now: Timestamp) {
        let mut state = self.state();
        let (turn, instant) = (turn(state.began.elapsed()), Instant::now().into_std());
        state.round += 1;
        let round = state.round;
        let State { spend: Some(spend), pools, followers, hints, kept, told, notices, .. } = &mut *state else {
            return;
        };
        spend.turn(utc_day(now));
        hints.expire(instant);
        for (limits, pool) in pools.values_mut().flat_map(BTreeMap::values_mut) {
            pool.settle(limits, (round, turn), instant);
        }
        pools.retain(|_, accounts| {
            accounts.retain(|_, (_, pool)| !pool.is_empty());
            !accounts.is_empty()
        });
        let mut budgets: BTreeMap<(&str, &ObjectName), &Budget> = BTreeMap::new();
        for follower in followers.values_mut() {
            follower.tell_shares(pools.get(&follower.namespace), round);
            follower.tell_spending(spend, kept);
        }
        for follower in followers.values() {
            let own = follower.scope.budgets.iter();
            budgets.extend(own.map(|(route, budget)| ((follower.namespace.as_str(), route), budget)));
        }
        notices.extend(budgets.into_iter().flat_map(|(whose, budget)| told.settle(whose, budget, spend)));
    }

    /// Tells each sidecar what others say of what it may call, if that has changed.
    pub fn spread(&self) {
        let mut state = self.state();
        let State { spend: Some(_), followers, hints, .. } = &mut *state else { return };
        let now = Instant::now().into_std();
        hints.expire(now);
        for follower in followers.values_mut() {
            follower.tell_health(hints, now);
        }
    }
}

impl Default for Rations {
    fn default() -> Self {
        Self::new()
    }
}

impl State {
    /// The pool of an account, under these limits from now on.
    fn pool(&mut self, namespace: &str, account: &Account, limits: CallLimits) -> &mut Pool {
        let accounts = self.pools.entry(namespace.to_owned()).or_default();
        let (held, pool) = accounts.entry(account.clone()).or_default();
        *held = limits;
        pool
    }

    /// A pod holds nothing of what is not in its scope.
    fn keeps_only(&mut self, namespace: &str, pod: &str, scope: &Scope) {
        for (account, (_, pool)) in self.pools.get_mut(namespace).into_iter().flatten() {
            if !scope.has(account) {
                pool.loses(pod);
            }
        }
    }
}

/// Settles everything once a second, and passes hints on at once, until the task is dropped.
pub async fn run(publisher: Arc<Publisher>, now: fn() -> Timestamp) {
    let rations = &publisher.rations;
    let mut seconds = tokio::time::interval(PERIOD);
    seconds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut earliest = Instant::now();
    let mut due: Option<Instant> = None;
    loop {
        tokio::select! {
            _ = seconds.tick() => rations.settle(now()),
            () = rations.hinted.notified() => due = due.or(Some(earliest.max(Instant::now() + GATHER))),
            () = sleep_until(due.unwrap_or(earliest)), if due.is_some() => {
                rations.spread();
                (due, earliest) = (None, Instant::now() + DISTANCE);
            }
        }
    }
}

#[cfg(test)]
mod tests;
