//! Every way in which a call ends without an answer, and how the caller is told: status, code, words.
//! Pure. One exhaustive match for each; the vocabulary is DESIGN.md's, in snake_case on the wire.

use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
use lotse_crds::name::ObjectName;
use lotse_crds::plan::{Plan, Refusal};
use lotse_crds::preferences::Refused;
use lotse_crds::snapshot::Reason;
use serde::Serialize;

use crate::format::Invalid;
use crate::format::error::{ErrorClass, ProviderError};
use crate::quota::Wait;
use crate::spending::Reset;

mod attempt;

pub use attempt::{AttemptError, AttemptNote};

/// Why a call ended without an answer.
#[derive(Clone, Debug)]
pub enum Failure {
    /// The request can't be understood.
    InvalidRequest(String),
    /// There is no such endpoint.
    NoSuchEndpoint,
    /// A field would not be honoured.
    UnsupportedField(String),
    /// No policy opens the door for this workload.
    NoDataPolicy(Vec<Excluded>),
    /// Policies refuse every candidate.
    PolicyDenied(Vec<Excluded>),
    /// A browser's page calls.
    OriginRefused,
    /// No route answers for the model.
    ModelNotFound {
        /// The model.
        model: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// No candidate is left, and not because of a policy.
    NoEligibleProvider(Vec<Excluded>),
    /// The endpoint knows another method.
    MethodNotAllowed(&'static str),
    /// The body is too large.
    PayloadTooLarge,
    /// The body is not plain JSON.
    UnsupportedMediaType(String),
    /// The call was meant for another host.
    MisdirectedRequest,
    /// Every candidate that was tried asks to wait.
    RateLimited {
        /// The shortest wait that any of them named.
        wait: Option<Duration>,
    },
    /// A limit of the route is reached.
    LimitReached {
        /// The route.
        route: ObjectName,
        /// Which limit, and when a call may come again.
        wait: Wait,
    },
    /// A budget of the route is spent.
    BudgetExhausted {
        /// The route.
        route: ObjectName,
        /// Which budget, and when the next day or month begins.
        reset: Reset,
    },
    /// Every candidate that was tried failed.
    AllProvidersFailed,
    /// Those that were tried failed, and the route's retry budget has no further attempt.
    RetriesSpent,
    /// There is nothing to obey yet.
    NotConfigured,
    /// What is in force has not been vouched for in time.
    PolicyStale,
    /// The call took longer than the route allows.
    DeadlineExceeded,
    /// A stream broke off after its first content.
    StreamCut(AttemptError),
}

/// A candidate that is out, as callers are told: one entry a provider and policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Excluded {
    /// The provider, as `namespace/name`.
    pub provider: ObjectName,
    /// The model, as routes call it.
    pub model: String,
    /// The stable words.
    pub reasons: Vec<String>,
    /// The policy that says so, if one does.
    pub policy: Option<ObjectName>,
    /// The sentences for people.
    pub message: String,
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Invalid { .. } => Self::InvalidRequest(refused.to_string()),
            Refused::Unsupported { .. } => Self::UnsupportedField(refused.to_string()),
        }
    }
}

impl From<Invalid> for Failure {
    fn from(invalid: Invalid) -> Self {
        Self::InvalidRequest(invalid.to_string())
    }
}

impl Failure {
    /// The stable word.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidRequest(_) | Self::NoSuchEndpoint => "invalid_request",
            Self::UnsupportedField(_) => "unsupported_field",
            Self::NoDataPolicy(_) => "no_data_policy",
            Self::PolicyDenied(_) => "policy_denied",
            Self::OriginRefused => "origin_refused",
            Self::ModelNotFound { .. } => "model_not_found",
            Self::NoEligibleProvider(_) => "no_eligible_provider",
            Self::MethodNotAllowed(_) => "method_not_allowed",
            Self::PayloadTooLarge => "payload_too_large",
            Self::UnsupportedMediaType(_) => "unsupported_media_type",
            Self::MisdirectedRequest => "misdirected_request",
            Self::RateLimited { .. } | Self::LimitReached { .. } => "rate_limited",
            Self::BudgetExhausted { .. } => "budget_exhausted",
            Self::AllProvidersFailed | Self::RetriesSpent | Self::StreamCut(_) => "all_providers_failed",
            Self::NotConfigured => "not_configured",
            Self::PolicyStale => "policy_stale",
            Self::DeadlineExceeded => "deadline_exceeded",
        }
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::InvalidRequest(_) | Self::UnsupportedField(_) => StatusCode::BAD_REQUEST,
            Self::NoDataPolicy(_) | Self::PolicyDenied(_) | Self::OriginRefused => StatusCode::FORBIDDEN,
            Self::NoSuchEndpoint | Self::ModelNotFound { .. } | Self::NoEligibleProvider(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::MisdirectedRequest => StatusCode::MISDIRECTED_REQUEST,
            Self::RateLimited { .. } | Self::LimitReached { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::BudgetExhausted { .. } => StatusCode::PAYMENT_REQUIRED,
            Self::AllProvidersFailed | Self::RetriesSpent | Self::StreamCut(_) => StatusCode::BAD_GATEWAY,
            Self::NotConfigured | Self::PolicyStale => StatusCode::SERVICE_UNAVAILABLE,
            Self::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// The sentence for the caller.
    pub fn message(&self) -> String {
        match self {
            Self::InvalidRequest(why) | Self::UnsupportedField(why) | Self::UnsupportedMediaType(why) => why.clone(),
            Self::NoSuchEndpoint => {
                "there is no such endpoint; there are GET /v1/models and POST /v1/chat/completions, /v1/completions, /v1/responses, /v1/embeddings, /v1/messages, /v1/messages/count_tokens, /v1/images/…, /v1/audio/…, /v1/moderations and /v1/rerank".to_owned()
            }
            Self::NoDataPolicy(_) => "no DataPolicy lets this workload's data go anywhere; an enforcing DataPolicy of the root namespace that sets inferenceRegions must select it".to_owned(),
            Self::PolicyDenied(excluded) => {
                format!("policy refuses every provider of this model; metadata.excluded says why: {}", told(excluded))
            }
            Self::OriginRefused => "calls from a browser's page are refused: a page of somebody else could use this port".to_owned(),
            Self::ModelNotFound { model, known } if known.is_empty() => {
                format!("no ModelRoute answers `{model}` for this workload, nor any other model")
            }
            Self::ModelNotFound { model, known } => {
                format!("no ModelRoute answers `{model}` for this workload; there are {}", known.join(", "))
            }
            Self::NoEligibleProvider(excluded) => format!("no provider is left for this model: {}", told(excluded)),
            Self::MethodNotAllowed(allowed) => format!("the method must be {allowed}"),
            Self::PayloadTooLarge => "the body must be at most 32 MiB".to_owned(),
            Self::MisdirectedRequest => {
                "the Host header must name this port: 127.0.0.1, [::1] or localhost".to_owned()
            }
            Self::RateLimited { .. } => "every provider that may be used asks to wait, or this namespace has reached its limits".to_owned(),
            Self::LimitReached { route, wait } => {
                format!("this namespace has reached the {} of ModelRoute {route}", wait.limit.word())
            }
            Self::BudgetExhausted { route, reset } => format!(
                "this namespace has spent the {} US dollars of ModelRoute {route} for this {}; it begins anew at {}",
                reset.budget,
                reset.period.word(),
                reset.at
            ),
            Self::AllProvidersFailed => "every provider that may be used failed".to_owned(),
            Self::RetriesSpent => "the providers that were asked failed, and so many calls of this ModelRoute fail that its retry budget lets no further one be asked".to_owned(),
            Self::NotConfigured => "no configuration has arrived yet; try again shortly".to_owned(),
            Self::PolicyStale => "the operator has not confirmed the policy for longer than the DataPolicy's staleness.refuseSeconds; see whether lotse-controller runs and can be reached".to_owned(),
            Self::DeadlineExceeded => "the call took longer than the ModelRoute's timeouts.totalSeconds".to_owned(),
            Self::StreamCut(why) => format!("the provider {}; what came before is incomplete", why.message()),
        }
    }

    /// After how long a call may come again, if that is known.
    pub fn wait(&self, now: Timestamp) -> Option<Duration> {
        match self {
            Self::RateLimited { wait } => *wait,
            Self::LimitReached { wait, .. } => Some(wait.after),
            Self::BudgetExhausted { reset, .. } => Duration::try_from(reset.at.duration_since(now)).ok(),
            Self::InvalidRequest(_)
            | Self::NoSuchEndpoint
            | Self::UnsupportedField(_)
            | Self::NoDataPolicy(_)
            | Self::PolicyDenied(_)
            | Self::OriginRefused
            | Self::ModelNotFound { .. }
            | Self::NoEligibleProvider(_)
            | Self::MethodNotAllowed(_)
            | Self::PayloadTooLarge
            | Self::UnsupportedMediaType(_)
            | Self::MisdirectedRequest
            | Self::AllProvidersFailed
            | Self::RetriesSpent
            | Self::NotConfigured
            | Self::PolicyStale
            | Self::DeadlineExceeded
            | Self::StreamCut(_) => None,
        }
    }

    /// As dialects and a stream's writer tell it.
    pub fn as_provider_error(&self) -> ProviderError {
        ProviderError {
            class: self.class(),
            code: Some(self.code().to_owned()),
            param: None,
            message: self.message(),
            wait: None,
        }
    }

    /// The class whose words the dialects have for it: a policy that refuses reads as a region that refuses.
    fn class(&self) -> ErrorClass {
        match self {
            Self::InvalidRequest(_)
            | Self::MethodNotAllowed(_)
            | Self::PayloadTooLarge
            | Self::UnsupportedMediaType(_)
            | Self::MisdirectedRequest => ErrorClass::Caller,
            Self::UnsupportedField(_) => ErrorClass::Unsupported,
            Self::NoDataPolicy(_) | Self::PolicyDenied(_) | Self::OriginRefused => ErrorClass::Residency,
            Self::NoSuchEndpoint | Self::ModelNotFound { .. } | Self::NoEligibleProvider(_) => ErrorClass::NotFound,
            Self::RateLimited { .. } | Self::LimitReached { .. } => ErrorClass::RateLimit,
            Self::BudgetExhausted { .. } => ErrorClass::Quota,
            Self::AllProvidersFailed | Self::RetriesSpent | Self::StreamCut(_) => ErrorClass::Server,
            Self::NotConfigured | Self::PolicyStale => ErrorClass::Overload,
            Self::DeadlineExceeded => ErrorClass::Timeout,
        }
    }

    /// The candidates that are out.
    pub fn excluded(&self) -> &[Excluded] {
        match self {
            Self::NoDataPolicy(excluded) | Self::PolicyDenied(excluded) | Self::NoEligibleProvider(excluded) => {
                excluded
            }
            Self::InvalidRequest(_)
            | Self::NoSuchEndpoint
            | Self::UnsupportedField(_)
            | Self::OriginRefused
            | Self::ModelNotFound { .. }
            | Self::MethodNotAllowed(_)
            | Self::PayloadTooLarge
            | Self::UnsupportedMediaType(_)
            | Self::MisdirectedRequest
            | Self::RateLimited { .. }
            | Self::LimitReached { .. }
            | Self::BudgetExhausted { .. }
            | Self::AllProvidersFailed
            | Self::RetriesSpent
            | Self::NotConfigured
            | Self::PolicyStale
            | Self::DeadlineExceeded
            | Self::StreamCut(_) => &[],
        }
    }

    /// Why a plan without attempts has none. `opens` says whether any policy opens the door. When the policies permit somebody,
    /// it is the app's own wishes that leave nobody.
    pub fn of_empty_plan(plan: &Plan<'_>, opens: bool) -> Self {
        let refused = &plan.refused;
        let excluded: Vec<Excluded> = refused.iter().flat_map(Excluded::of).collect();
        if !opens {
            Self::NoDataPolicy(excluded)
        } else if plan.permitted > 0 {
            Self::NoEligibleProvider(excluded)
        } else if refused.iter().any(|refusal| refusal.reasons.iter().any(Reason::is_policy)) {
            Self::PolicyDenied(excluded)
        } else {
            Self::NoEligibleProvider(excluded)
        }
    }
}

fn told(excluded: &[Excluded]) -> String {
    if excluded.is_empty() {
        return "its ModelRoute has no target that this workload may use".to_owned();
    }
    // The sentences are long and stand in metadata; who reads only this line should still see who is out and why.
    let short = |excluded: &Excluded| format!("{} ({})", excluded.provider, excluded.reasons.join(", "));
    excluded.iter().map(short).collect::<Vec<_>>().join("; ")
}

impl Excluded {
    /// One entry for each policy that refuses, and one for what no policy says.
    fn of(refusal: &Refusal<'_>) -> Vec<Self> {
        let mut entries: Vec<Self> = Vec::new();
        for reason in refusal.reasons.iter() {
            if let Some(entry) = entries.iter_mut().find(|entry| entry.policy == reason.policy) {
                entry.message = format!("{}, and {}", entry.message, reason.message);
                if !entry.reasons.contains(&reason.code) {
                    entry.reasons.push(reason.code.clone());
                }
            } else {
                entries.push(Self {
                    provider: refusal.provider.clone(),
                    model: refusal.model.to_owned(),
                    reasons: vec![reason.code.clone()],
                    policy: reason.policy.clone(),
                    message: reason.message.clone(),
                });
            }
        }
        entries
    }
}
