//! What is counted. One spelling from YAML to metric; labels come from manifests and from closed sets, never from what
//! an app or a provider writes. Sources of `gen_ai_*` names: OpenTelemetry GenAI semantic conventions 1.41.

use std::collections::HashSet;

use lotse_crds::name::ObjectName;
use lotse_crds::quota::LimitName;
use lotse_crds::snapshot::{Reason, Route};
use lotse_crds::usage::Account;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// What is counted.
pub struct Metrics {
    registry: Registry,
    /// Calls of the app, by how they ended.
    pub calls: Family<CallLabels, Counter>,
    /// Attempts at providers, by how they ended.
    pub attempts: Family<AttemptLabels, Counter>,
    /// Providers that a policy kept from a call.
    pub excluded: Family<PolicyLabels, Counter>,
    /// Calls that an auditing policy would have refused.
    pub audit_would_refuse: Family<PolicyLabels, Counter>,
    /// Calls that a limit kept from a provider or a route.
    pub limited: Family<LimitLabels, Counter>,
    /// How long calls take.
    pub duration: Family<ProviderLabels, Histogram>,
    /// How long streams take to their first content.
    pub first_content: Family<ProviderLabels, Histogram>,
    /// Tokens, by provider and type.
    pub tokens: Family<TokenLabels, Counter>,
    /// What calls cost, in millionths of a US dollar.
    pub cost: Family<ProviderLabels, Counter>,
    /// Snapshots, by whether they were applied.
    pub snapshots: Family<SnapshotLabels, Counter>,
    /// Calls that an SDK repeated by itself.
    pub sdk_retries: Counter,
    /// Calls that are being answered.
    pub active: Gauge,
    /// Seconds since somebody has vouched for what is in force.
    pub policy_age: Gauge,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CallLabels {
    /// The ModelRoute, or nothing.
    pub route: String,
    /// The provider that answered, or nothing.
    pub provider: String,
    /// `ok`, `client_gone`, or the error's code.
    pub code: &'static str,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct AttemptLabels {
    /// The provider.
    pub provider: String,
    /// The model, as routes call it.
    pub model: String,
    /// `ok`, or the attempt's code.
    pub code: &'static str,
}

/// What a policy says of a provider.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PolicyLabels {
    /// The policy, or nothing.
    pub policy: String,
    /// The provider.
    pub provider: String,
    /// The reason's code.
    pub reason: String,
}

/// A limit of a provider or a route.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct LimitLabels {
    /// The provider, or nothing.
    pub provider: String,
    /// The route, or nothing.
    pub route: String,
    /// The limit's name.
    pub limit: &'static str,
}

/// A model at a provider.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ProviderLabels {
    /// The provider.
    pub provider: String,
    /// The model, as routes call it.
    pub model: String,
}

/// Tokens of a provider.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct TokenLabels {
    /// The provider.
    pub provider: String,
    /// The model, as routes call it.
    pub model: String,
    /// `input` or `output`.
    pub gen_ai_token_type: &'static str,
}

/// Whether a snapshot was applied.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct SnapshotLabels {
    /// `applied` or `refused`.
    pub outcome: &'static str,
}

/// Where the calls of one candidate of one route are counted when all goes well: looked up once, not at each call.
#[derive(Clone)]
pub struct LaneMetrics {
    /// Calls that were answered.
    pub calls: Counter,
    /// Attempts that were answered.
    pub attempts: Counter,
    /// How long calls take.
    pub duration: Histogram,
    /// How long streams take to their first content.
    pub first_content: Histogram,
    /// Tokens of prompts.
    pub input_tokens: Counter,
    /// Tokens of answers.
    pub output_tokens: Counter,
    /// What calls cost, in millionths of a US dollar.
    pub cost: Counter,
}

impl PolicyLabels {
    /// Why a provider is out.
    pub fn new(provider: &ObjectName, reason: &Reason) -> Self {
        Self {
            policy: reason.policy.as_ref().map(ToString::to_string).unwrap_or_default(),
            provider: provider.to_string(),
            reason: reason.code.clone(),
        }
    }
}

fn seconds() -> Histogram {
    // The conventions end at 81.92 s; models that reason take longer.
    Histogram::new(exponential_buckets(0.01, 2.0, 16))
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            calls: Family::default(),
            attempts: Family::default(),
            excluded: Family::default(),
            audit_would_refuse: Family::default(),
            limited: Family::default(),
            duration: Family::new_with_constructor(seconds),
            first_content: Family::new_with_constructor(seconds),
            tokens: Family::default(),
            cost: Family::default(),
            snapshots: Family::default(),
            sdk_retries: Counter::default(),
            active: Gauge::default(),
            policy_age: Gauge::default(),
        };
        let registry = &mut metrics.registry;
        registry.register("lotse_calls", "Calls of the app, by how they ended", metrics.calls.clone());
        registry.register("lotse_attempts", "Attempts at providers, by how they ended", metrics.attempts.clone());
        registry.register("lotse_excluded", "Providers that a policy kept from a call", metrics.excluded.clone());
        registry.register(
            "lotse_audit_would_refuse",
            "Calls that an auditing policy would have refused",
            metrics.audit_would_refuse.clone(),
        );
        registry.register(
            "lotse_limited",
            "Calls that a limit kept from a provider or a route",
            metrics.limited.clone(),
        );
        registry.register("gen_ai_client_operation_duration_seconds", "How long calls take", metrics.duration.clone());
        registry.register(
            "gen_ai_client_operation_time_to_first_chunk_seconds",
            "How long streams take to their first content",
            metrics.first_content.clone(),
        );
        registry.register("lotse_tokens", "Tokens that providers counted", metrics.tokens.clone());
        registry.register(
            "lotse_cost_microdollars",
            "What calls cost, in millionths of a US dollar",
            metrics.cost.clone(),
        );
        registry.register("lotse_snapshots", "Snapshots, by whether they were applied", metrics.snapshots.clone());
        registry.register(
            "lotse_policy_age_seconds",
            "Seconds since the operator has confirmed the policy; 0 on a folder",
            metrics.policy_age.clone(),
        );
        registry.register(
            "lotse_sdk_retries",
            "Calls that the app's SDK repeated by itself, as x-stainless-retry-count says",
            metrics.sdk_retries.clone(),
        );
        registry.register("lotse_active_calls", "Calls that are being answered", metrics.active.clone());
        metrics
    }

    /// Where the calls of a candidate are counted when all goes well.
    pub fn of_lane(&self, route: &ObjectName, provider: &ObjectName, model: &str) -> LaneMetrics {
        let (provider, model) = (provider.to_string(), model.to_owned());
        let tokens = |gen_ai_token_type| {
            let labels = TokenLabels { provider: provider.clone(), model: model.clone(), gen_ai_token_type };
            self.tokens.get_or_create_owned(&labels)
        };
        let call = CallLabels { route: route.to_string(), provider: provider.clone(), code: "ok" };
        let attempt = AttemptLabels { provider: provider.clone(), model: model.clone(), code: "ok" };
        let labels = ProviderLabels { provider: provider.clone(), model: model.clone() };
        LaneMetrics {
            calls: self.calls.get_or_create_owned(&call),
            attempts: self.attempts.get_or_create_owned(&attempt),
            duration: self.duration.get_or_create_owned(&labels),
            first_content: self.first_content.get_or_create_owned(&labels),
            input_tokens: tokens("input"),
            output_tokens: tokens("output"),
            cost: self.cost.get_or_create_owned(&labels),
        }
    }

    /// Where the calls that one limit keeps back are counted.
    pub fn of_limit(&self, account: &Account, limit: LimitName) -> Counter {
        let (provider, route) = match account {
            Account::Provider(name) => (name.to_string(), String::new()),
            Account::Route(name) => (String::new(), name.to_string()),
        };
        self.limited.get_or_create_owned(&LimitLabels { provider, route, limit: limit.word() })
    }

    /// Where the refusals of a route are counted: one counter a provider, policy and word.
    pub fn of_refused(&self, route: &Route) -> Vec<Counter> {
        let refused = route.tiers.iter().flat_map(|tier| &tier.refused);
        let labels: HashSet<PolicyLabels> = refused
            .flat_map(|refused| refused.reasons.iter().map(|reason| PolicyLabels::new(&refused.provider, reason)))
            .collect();
        labels.iter().map(|labels| self.excluded.get_or_create_owned(labels)).collect()
    }

    /// All of it, as OpenMetrics text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        text::encode(&mut text, &self.registry).expect("a string takes any text");
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
