//! A snapshot arranged for calls: models are looked up, and each candidate has its lane. Replaced whole, never edited;
//! connections and health of what stays the same are carried over.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderValue;
use lotse_crds::name::ObjectName;
use lotse_crds::plan::Standing;
use lotse_crds::residency::{Memo, Permitted};
use lotse_crds::snapshot::{Candidate, Keys, Route, Snapshot};
use lotse_crds::usage::Account;
use prometheus_client::metrics::counter::Counter;

use crate::bill::Bill;
use crate::failure::Failure;
use crate::lane::{Assembly, Lane, Shared, TableError};
use crate::quota::Quota;
use crate::routes::Remembered;
use crate::server::Origins;
use crate::spending::Purses;

/// A snapshot arranged for calls.
pub struct Table {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// Its revision, as a header's value.
    pub revision: HeaderValue,
    /// Whether any policy opens the door for this workload.
    pub opens: bool,
    /// How old the policy lease may be before somebody should look.
    pub warn_after: Duration,
    /// How old it may be before calls are refused.
    pub refuse_after: Duration,
    /// Whom the decision has permitted today, of this snapshot.
    pub memo: Memo,
    lanes: Vec<Arc<Lane>>,
    origins: Origins,
    remembered: HashMap<ObjectName, Arc<Remembered>>,
    quotas: HashMap<ObjectName, Arc<Quota>>,
    purses: Arc<Purses>,
    exact: HashMap<String, usize>,
    /// Longest first.
    prefixes: Vec<(String, usize)>,
    /// For each route, where the refusals of this snapshot are counted.
    excluded: Vec<Vec<Counter>>,
}

impl Table {
    /// Arranges a snapshot and its keys; `before` lends its connections.
    pub fn new(snapshot: Snapshot, keys: &Keys, shared: &Shared, before: Option<&Self>) -> Result<Self, TableError> {
        let before = before.map(|table| &table.origins);
        let mut assembly = Assembly { keys, shared, before, origins: Origins::new() };
        let mut lanes = Vec::new();
        for route in &snapshot.routes {
            for candidate in route.tiers.iter().flat_map(|tier| &tier.candidates) {
                lanes.push(Arc::new(assembly.lane(&route.name, candidate)?));
            }
        }
        let mut exact = HashMap::new();
        let mut prefixes = Vec::new();
        for (at, route) in snapshot.routes.iter().enumerate() {
            for pattern in &route.models {
                match pattern.0.strip_suffix('*') {
                    Some(prefix) => prefixes.push((prefix.to_owned(), at)),
                    None => drop(exact.insert(pattern.0.clone(), at)),
                }
            }
        }
        prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        let staleness = snapshot.staleness();
        let seconds = |seconds: i32| Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
        Ok(Self {
            warn_after: seconds(staleness.warn_seconds),
            refuse_after: seconds(staleness.refuse_seconds),
            revision: HeaderValue::from_str(&snapshot.revision().0).expect("a revision is hex digits"),
            opens: snapshot.policies.iter().any(|limits| limits.opens),
            excluded: snapshot.routes.iter().map(|route| shared.metrics.of_refused(route)).collect(),
            remembered: snapshot
                .routes
                .iter()
                .map(|route| (route.name.clone(), shared.routes.of(&route.name)))
                .collect(),
            quotas: limited(&snapshot, shared),
            purses: shared.purses.clone(),
            memo: Memo::default(),
            origins: assembly.origins,
            snapshot,
            lanes,
            exact,
            prefixes,
        })
    }

    /// The route that answers for a model name: an exact name before any prefix, a longer prefix before a shorter.
    pub fn route(&self, model: &str) -> Option<&Route> {
        self.snapshot.routes.get(self.route_index(model)?)
    }

    /// The route that answers for exactly this name.
    pub fn exact(&self, model: &str) -> Option<&Route> {
        self.snapshot.routes.get(*self.exact.get(model)?)
    }

    fn route_index(&self, model: &str) -> Option<usize> {
        let by_prefix = || self.prefixes.iter().find(|(prefix, _)| model.starts_with(prefix)).map(|(_, at)| *at);
        self.exact.get(model).copied().or_else(by_prefix)
    }

    /// Counts what was refused when the snapshot was compiled, for one call of a route of this table.
    pub fn count_refused(&self, route: &Route) {
        let index = self.snapshot.routes.iter().position(|each| std::ptr::eq(each, route));
        let counters = index.and_then(|at| self.excluded.get(at));
        for counter in counters.into_iter().flatten() {
            counter.inc();
        }
    }

    /// How a permitted candidate is called.
    pub fn lane(&self, permitted: Permitted<'_>) -> &Arc<Lane> {
        &self.lanes[permitted.candidate().ordinal]
    }

    /// How a candidate stands at this moment, for calls of this kind.
    pub fn standing(&self, candidate: &Candidate, (now, stream): (Instant, bool)) -> Standing {
        self.lanes[candidate.ordinal].standing(now, stream)
    }

    /// What is remembered of a route of this table.
    pub fn remembered(&self, route: &Route) -> &Remembered {
        &self.remembered[&route.name]
    }

    /// Opens the account of one call with a route of this table, or says why it takes none now.
    pub fn bill(&self, route: &Route) -> Result<Bill, Failure> {
        Bill::open(route, self.quotas.get(&route.name), &self.purses)
    }

    /// Whether anything is said of what the models of a route can do, so that a call's needs are worth reading.
    pub fn asks_needs(&self, route: &Route) -> bool {
        let mut candidates = route.tiers.iter().flat_map(|tier| &tier.candidates);
        candidates.any(|candidate| {
            !candidate.supports.is_empty()
                || candidate.context_tokens.is_some()
                || candidate.max_output_tokens.is_some()
        })
    }
}

/// The accounts of the routes that have limits.
fn limited(snapshot: &Snapshot, shared: &Shared) -> HashMap<ObjectName, Arc<Quota>> {
    let limited = snapshot.routes.iter().filter(|route| route.limits.is_some());
    let account = |route: &Route| {
        let quota = shared.quotas.quota(&Account::Route(route.name.clone()), &shared.metrics);
        (route.name.clone(), quota)
    };
    limited.map(account).collect()
}
