//! Lanes: what each candidate of a table needs to be called, how it has fared, and where its calls are counted.
//! Made when a snapshot comes into force, so that a call looks nothing up and writes no label.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use lotse_crds::name::ObjectName;
use lotse_crds::price::Price;
use lotse_crds::snapshot::{Candidate, Keys};

use crate::dial::{PlaceError, Resolver, TlsRoots};
use crate::exchange::Refusals;
use crate::failure::{AttemptError, AttemptNote};
use crate::format::error::ProviderError;
use crate::health::Recent;
use crate::makers::Makers;
use crate::metrics::{LaneMetrics, Metrics};
use crate::moment;
use crate::server::{Origins, Server};

/// What one candidate needs to be called.
pub struct Lane {
    /// The candidate's ordinal.
    pub ordinal: usize,
    /// Its server; none for a simulated one.
    pub server: Option<Server>,
    /// The provider's name.
    pub name: ObjectName,
    /// The provider, as `namespace/name`: for `x-lotse-provider` and bodies.
    pub provider: String,
    /// The model, as routes call it.
    pub model: String,
    /// What it costs.
    pub price: Option<Price>,
    /// Where its calls are counted.
    pub metrics: LaneMetrics,
    /// Who made the ids of answers that providers keep.
    pub makers: Arc<Makers>,
    health: Arc<Mutex<Recent>>,
    refusals: Arc<Refusals>,
}

/// What tables share over their lives.
#[derive(Default)]
pub struct Shared {
    pub(crate) tls: TlsRoots,
    /// Resolves names, of providers and of the operator.
    pub(crate) resolver: Arc<Resolver>,
    health: Mutex<HealthByName>,
    makers: Arc<Makers>,
    /// Who has refused a credential.
    pub refusals: Arc<Refusals>,
    /// What limits leave.
    pub quotas: crate::quota::Quotas,
    /// What budgets leave.
    pub purses: crate::spending::Purses,
    /// What other pods say of providers.
    pub hints: crate::hint::Hints,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// How candidates have fared, by provider and model.
type HealthByName = HashMap<(ObjectName, String), Arc<Mutex<Recent>>>;

/// Why a snapshot can't be used. It is then refused whole.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// A provider's server can't be described.
    #[error("LLMProvider {0}: {1}")]
    Place(ObjectName, #[source] PlaceError),
    /// A key is missing or holds what no header can.
    #[error("LLMProvider {0}: the value of header `{1}` is missing or can't be sent; must be visible ASCII")]
    Header(ObjectName, String),
}

/// What the lanes of a new table are made from.
pub(crate) struct Assembly<'a> {
    pub(crate) keys: &'a Keys,
    pub(crate) shared: &'a Shared,
    /// The servers of the table before, whose connections go on.
    pub(crate) before: Option<&'a Origins>,
    /// The servers of the new table.
    pub(crate) origins: Origins,
}

impl Assembly<'_> {
    /// The lane of a candidate of `route`.
    pub(crate) fn lane(&mut self, route: &ObjectName, candidate: &Candidate) -> Result<Lane, TableError> {
        let (name, model) = (candidate.provider.clone(), candidate.model.clone());
        let health = {
            let mut all = self.shared.health.lock().unwrap_or_else(PoisonError::into_inner);
            all.entry((name.clone(), model.clone())).or_default().clone()
        };
        Ok(Lane {
            ordinal: candidate.ordinal,
            server: self.server(candidate)?,
            provider: name.to_string(),
            price: candidate.price.clone(),
            metrics: self.shared.metrics.of_lane(route, &name, &model),
            name,
            model,
            makers: self.shared.makers.clone(),
            health,
            refusals: self.shared.refusals.clone(),
        })
    }
}

impl Lane {
    /// Whether the candidate has an outage now.
    pub fn has_outage(&self) -> bool {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).has_outage(moment::instant())
    }

    /// Notes how a call ended, and whether it failed by the provider's own fault.
    pub fn note(&self, fault: bool) {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).note(moment::instant(), fault);
    }

    /// Notes that the provider has refused its credential, if this error says so.
    pub fn heed(&self, error: &AttemptError) {
        // AWS says 403 of a token that has expired.
        let is_expired =
            |error: &ProviderError| error.code.as_deref().is_some_and(|code| code.contains("ExpiredToken"));
        let is_refused = match error {
            AttemptError::Provider { status, error } => status.is_some_and(|status| status == 401) || is_expired(error),
            AttemptError::Unreachable(_)
            | AttemptError::Timeout(_)
            | AttemptError::Redirect(_)
            | AttemptError::BrokenAnswer(_)
            | AttemptError::Cut => false,
        };
        if is_refused {
            self.refusals.tell(&self.name, moment::instant());
        }
    }

    /// An attempt at this candidate that failed, as callers are told.
    pub fn note_of(&self, error: &AttemptError) -> AttemptNote {
        AttemptNote {
            provider: self.name.clone(),
            model: self.model.clone(),
            code: error.code(),
            status: error.status(),
            message: error.message(),
        }
    }

    /// What answers say of the candidate: the provider's name, and the price that their cost is made from.
    pub fn told(&self) -> (&str, Option<&Price>) {
        (&self.provider, self.price.as_ref())
    }

    /// Takes the credentials out of bytes that a provider sent, should it have echoed them.
    pub fn scrub(&self, text: &str) -> String {
        let mut clean = text.to_owned();
        for value in self.server.iter().flat_map(Server::secrets) {
            let secret = value.strip_prefix("Bearer ").unwrap_or(value);
            if secret.len() >= 4 {
                clean = clean.replace(secret, "[redacted]");
            }
        }
        clean
    }
}
