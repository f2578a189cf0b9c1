//! Lanes: what each candidate of a table needs to be called, how it has fared, and where its calls are counted.
//! Made when a snapshot comes into force, so that a call looks nothing up and writes no label.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use http::StatusCode;
use lotse_crds::name::ObjectName;
use lotse_crds::plan::{Health as Opinion, Standing};
use lotse_crds::price::Price;
use lotse_crds::quota::CallLimits;
use lotse_crds::snapshot::{Candidate, Keys};
use lotse_crds::usage::Account;

use crate::dial::{PlaceError, Resolver, TlsRoots};
use crate::exchange::Refusals;
use crate::failure::{AttemptError, AttemptNote};
use crate::format::error::{ErrorClass, ProviderError};
use crate::health::{Health, Outcome};
use crate::hint::Hint;
use crate::makers::Makers;
use crate::metrics::{LaneMetrics, Metrics};
use crate::moment;
use crate::pace::Pace;
use crate::quota::{Entered, Quota, Wait};
use crate::record::CANCELLED;
use crate::routes::Routes;
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
    fitness: Arc<Mutex<Fitness>>,
    hint: Arc<Hint>,
    quota: Option<(Arc<Quota>, CallLimits)>,
    refusals: Arc<Refusals>,
}

/// How a candidate fares, and how fast it is.
#[derive(Debug, Default)]
struct Fitness {
    health: Health,
    pace: Pace,
}

/// What tables share over their lives.
#[derive(Default)]
pub struct Shared {
    pub(crate) tls: TlsRoots,
    /// Resolves names, of providers and of the operator.
    pub(crate) resolver: Arc<Resolver>,
    fitness: Mutex<FitnessByName>,
    /// What is remembered of routes.
    pub routes: Routes,
    makers: Arc<Makers>,
    /// Who has refused a credential.
    pub refusals: Arc<Refusals>,
    /// What limits leave.
    pub quotas: crate::quota::Quotas,
    /// What budgets leave.
    pub purses: Arc<crate::spending::Purses>,
    /// What other pods say of providers.
    pub hints: crate::hint::Hints,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// How candidates fare, by provider and model.
type FitnessByName = HashMap<(ObjectName, String), Arc<Mutex<Fitness>>>;

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
        let fitness = {
            let mut all = self.shared.fitness.lock().unwrap_or_else(PoisonError::into_inner);
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
            fitness,
            hint: self.shared.hints.hint(&candidate.provider, &candidate.model),
            quota: candidate.limits.map(|limits| {
                let account = Account::Provider(candidate.provider.clone());
                (self.shared.quotas.quota(&account, &self.shared.metrics), limits)
            }),
            refusals: self.shared.refusals.clone(),
        })
    }
}

impl Lane {
    fn fitness(&self) -> MutexGuard<'_, Fitness> {
        self.fitness.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the candidate stands now, for calls of this kind.
    pub fn standing(&self, now: Instant, stream: bool) -> Standing {
        let heard = self.hint.heard(now);
        let mut fitness = self.fitness();
        let own = fitness.health.opinion(now);
        // What other pods say only orders, as all of it does.
        let told = match (heard.limited_until, heard.outage_until) {
            (Some(_), _) => Opinion::Limited,
            (None, Some(_)) => Opinion::Outage,
            (None, None) => Opinion::Well,
        };
        Standing {
            health: own.max(told),
            latency: fitness.pace.latency(now, stream),
            throughput: fitness.pace.throughput(now),
        }
    }

    /// A call begins.
    pub fn begins(&self) {
        self.fitness().health.begins(moment::instant());
    }

    /// A call has ended like this.
    pub fn ends(&self, outcome: Outcome) {
        let now = moment::instant();
        let ails = {
            let mut fitness = self.fitness();
            fitness.health.ends(now, outcome);
            fitness.health.ails()
        };
        self.hint.say(ails, now);
    }

    /// Opens the account with the provider for one call, or says when one may come again.
    pub fn enter(&self) -> Result<Option<Entered>, Wait> {
        let Some((quota, limits)) = &self.quota else { return Ok(None) };
        quota.enter(limits, moment::instant()).map(Some)
    }

    /// A stream that began at `began` has its first content.
    pub fn had_content(&self, began: Instant) {
        let now = moment::instant();
        self.fitness().pace.had_content(now, now.saturating_duration_since(began));
    }

    /// An answer that is not streamed, to a call that began at `began`, is whole.
    pub fn answered(&self, began: Instant) {
        let now = moment::instant();
        self.fitness().pace.answered(now, now.saturating_duration_since(began));
    }

    /// So many tokens came since `began`.
    pub fn wrote(&self, tokens: u64, began: Instant) {
        let now = moment::instant();
        self.fitness().pace.wrote(now, tokens, now.saturating_duration_since(began));
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
            | AttemptError::Cut
            | AttemptError::TooSlow(_) => false,
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

    /// An attempt that was cut off because another answered first, as callers are told.
    pub fn note_cancelled(&self) -> AttemptNote {
        let message = "was cut off, because another answered first".to_owned();
        AttemptNote { provider: self.name.clone(), model: self.model.clone(), code: CANCELLED, status: None, message }
    }

    /// A refusal as the caller's fault, after which the call has gone on, as callers are told.
    pub fn note_refused(&self, status: StatusCode, class: ErrorClass) -> AttemptNote {
        let message = format!("answered {} ({})", status.as_u16(), class.code());
        let (provider, model) = (self.name.clone(), self.model.clone());
        AttemptNote { provider, model, code: class.code(), status: Some(status.as_u16()), message }
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
