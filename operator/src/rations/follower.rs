//! A sidecar that follows: what of its snapshot is rationed, what it was told last, and the words on their way to it.

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use lotse_crds::delivery::{FromOperator, line};
use lotse_crds::name::ObjectName;
use lotse_crds::quota::{Budget, CallLimits};
use lotse_crds::snapshot::Snapshot;
use lotse_crds::usage::{Account, AccountShare, Counted, Health, RouteSpending, Shares, Spending, accounts, budgeted};
use tokio::sync::watch;

use super::Pools;
use crate::hints::{Hints, Name, Until, ailments, is_no_news};
use crate::pods::PodRecord;
use crate::spend::{Spend, Sums};

/// What of a snapshot is rationed.
#[derive(Debug, Default)]
pub struct Scope {
    pub(super) accounts: BTreeMap<Account, CallLimits>,
    pub(super) budgets: BTreeMap<ObjectName, Budget>,
    pub(super) candidates: BTreeSet<Name>,
}

/// A sidecar that follows and knows the words.
pub(super) struct Follower {
    pub(super) pod: Arc<str>,
    pub(super) namespace: String,
    pub(super) scope: Arc<Scope>,
    /// The run that it has named on this stream.
    pub(super) run: Option<u64>,
    /// The last report that said nothing that counts.
    pub(super) passed_over: u64,
    shares: Vec<AccountShare>,
    spending: Option<Spending>,
    health: Option<BTreeMap<Name, Until>>,
    words: [watch::Sender<Option<Bytes>>; 3],
}

/// What a sidecar is told of its rations, as it comes: always the latest of health, shares and spending.
pub struct Words(Option<[watch::Receiver<Option<Bytes>>; 3]>);

const HEALTH: usize = 0;
const SHARES: usize = 1;
const SPENDING: usize = 2;

/// What one sidecar has, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// Its shares.
    pub shares: Vec<AccountShare>,
    /// What its namespace has spent.
    pub spending: Vec<RouteSpending>,
}

impl Scope {
    /// Of a snapshot.
    pub fn new(snapshot: &Snapshot) -> Self {
        Self {
            accounts: accounts(snapshot).collect(),
            budgets: budgeted(snapshot).filter_map(|route| Some((route.name.clone(), route.budget?))).collect(),
            candidates: snapshot.candidates().map(|each| (each.provider.clone(), each.model.clone())).collect(),
        }
    }

    /// Whether an account is among those that it limits.
    pub(super) fn has(&self, account: &Account) -> bool {
        self.accounts.contains_key(account)
    }
}

impl Words {
    /// Of a sidecar that does not know them.
    pub fn none() -> Self {
        Self(None)
    }

    /// The next line. When there will be no more, it never comes: the stream then ends for the same reason.
    pub async fn next(&mut self) -> Bytes {
        let Some([health, shares, spending]) = &mut self.0 else { return pending().await };
        tokio::select! {
            line = next(health) => line,
            line = next(shares) => line,
            line = next(spending) => line,
        }
    }
}

async fn next(word: &mut watch::Receiver<Option<Bytes>>) -> Bytes {
    while word.changed().await.is_ok() {
        if let Some(line) = word.borrow_and_update().clone() {
            return line;
        }
    }
    pending().await
}

impl Follower {
    /// Of a pod that obeys a snapshot of this scope, and what it will be told.
    pub(super) fn new(pod: &PodRecord, scope: &Arc<Scope>) -> (Self, Words) {
        let (health, hears_health) = watch::channel(None);
        let (shares, hears_shares) = watch::channel(None);
        let (spending, hears_spending) = watch::channel(None);
        let follower = Self {
            pod: pod.uid.as_str().into(),
            namespace: pod.workload.namespace.clone(),
            scope: scope.clone(),
            run: None,
            passed_over: 0,
            shares: Vec::new(),
            spending: None,
            health: None,
            words: [health, shares, spending],
        };
        (follower, Words(Some([hears_health, hears_shares, hears_spending])))
    }

    /// What it has.
    pub(super) fn held(&self) -> Held {
        Held {
            shares: self.shares.clone(),
            spending: self.spending.as_ref().map(|spending| spending.routes.clone()).unwrap_or_default(),
        }
    }

    pub(super) fn tell_health(&mut self, hints: &mut Hints, now: Instant) {
        let told = hints.told(&self.pod, &self.scope.candidates);
        if !self.health.as_ref().is_some_and(|before| is_no_news(&told, before)) {
            self.says(HEALTH, &FromOperator::Health(Health { ailments: ailments(&told, now) }));
            self.health = Some(told);
        }
    }

    fn says(&self, word: usize, said: &FromOperator) {
        self.words[word].send_replace(Some(line(said).into()));
    }

    pub(super) fn tell_shares(&mut self, pools: Option<&Pools>, round: u64) {
        let share = |account: &Account| {
            let (_, pool) = pools?.get(account)?;
            Some(AccountShare { account: account.clone(), share: pool.share(&self.pod)? })
        };
        let shares: Vec<AccountShare> = self.scope.accounts.keys().filter_map(share).collect();
        if self.shares != shares {
            self.says(SHARES, &FromOperator::Shares(Shares { number: round, shares: shares.clone() }));
            self.shares = shares;
        }
    }

    pub(super) fn tell_spending(&mut self, spend: &Spend, kept: &Spend) {
        let Some(day) = spend.day() else { return };
        if self.scope.budgets.is_empty() && self.run.is_none() {
            self.spending = None;
            return;
        }
        let route = |route: &ObjectName| {
            let Sums { day, month } = spend.sums(&self.namespace, route);
            RouteSpending { route: route.clone(), day_micros: day, month_micros: month }
        };
        let counted = |spend: &Spend, run| spend.counted(&self.namespace, run).max(self.passed_over);
        let counted = self.run.map(|run| Counted { run, heard: counted(spend, run), kept: counted(kept, run) });
        let spending = Spending { day, routes: self.scope.budgets.keys().map(route).collect(), counted };
        if self.spending.as_ref() != Some(&spending) {
            self.says(SPENDING, &FromOperator::Spending(spending.clone()));
            self.spending = Some(spending);
        }
    }
}
