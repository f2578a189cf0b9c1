//! What the sidecars of one workload must obey, and what of it each of them is sent.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use lotse_crds::compile::Compiled;
use lotse_crds::delivery::{Hello, delivery_content};
use lotse_crds::finding::Finding;
use lotse_crds::restriction;
use lotse_crds::secret::Secret;
use lotse_crds::snapshot::{Keys, Reason, Refused, Revision, Snapshot};

use crate::rations::Scope;

/// What the sidecars of one workload must obey.
pub struct Offer {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// Its content hash.
    pub revision: Revision,
    /// What there is to say about the objects that concern it.
    pub findings: Vec<Finding>,
    /// What of it is rationed.
    pub scope: Arc<Scope>,
    /// What a sidecar must be able to execute.
    required: BTreeSet<&'static str>,
    keys: Keys,
    content: Bytes,
}

impl Offer {
    pub(super) fn new(compiled: Compiled) -> Self {
        let Compiled { snapshot, keys, findings } = compiled;
        Self {
            revision: snapshot.revision(),
            scope: Arc::new(Scope::new(&snapshot)),
            required: restriction::required(&snapshot),
            content: delivery_content(&snapshot, &keys).into(),
            snapshot,
            findings,
            keys,
        }
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.keys.values().map(Secret::reveal), other.keys.values().map(Secret::reveal));
        self.revision == other.revision && ours.eq(theirs)
    }

    /// What of it is rationed for a sidecar of these abilities. One that gets no candidate uses nothing of any limit.
    pub(super) fn scope_for(&self, hello: &Hello) -> Arc<Scope> {
        if self.missing(hello).is_empty() { self.scope.clone() } else { Arc::default() }
    }

    /// What a sidecar of these abilities can't execute.
    fn missing(&self, hello: &Hello) -> Vec<&'static str> {
        let can = |name: &&&str| hello.restrictions.iter().any(|own| own == **name);
        self.required.iter().filter(|name| !can(name)).copied().collect()
    }

    /// What a sidecar of these abilities is sent, and what it lacks. One that would read over a restriction gets no
    /// candidate at all.
    pub(super) fn for_sidecar(&self, hello: &Hello) -> (Bytes, Revision, Option<String>) {
        let missing = self.missing(hello);
        if missing.is_empty() {
            return (self.content.clone(), self.revision.clone(), None);
        }
        let why = format!(
            "the sidecar is of version {} and can't execute {}; restart the pod to give it the current one",
            hello.version,
            missing.join(", ")
        );
        let closed = closed(&self.snapshot, &why);
        (delivery_content(&closed, &Keys::new()).into(), closed.revision(), Some(why))
    }
}

/// A snapshot without candidates: each is refused, and says why.
fn closed(snapshot: &Snapshot, why: &str) -> Snapshot {
    let mut closed = snapshot.clone();
    for tier in closed.routes.iter_mut().flat_map(|route| &mut route.tiers) {
        for candidate in std::mem::take(&mut tier.candidates) {
            let reason = Reason { code: "sidecar_too_old".to_owned(), message: why.to_owned(), policy: None };
            let (provider, model) = (candidate.provider, candidate.model);
            tier.refused.push(Refused { provider, model, reasons: vec![reason] });
        }
    }
    closed
}
