//! `ModelRoute`: a model name that apps ask for, and who may answer it.
//! Owns the form and the rules that one object alone can break; what it means is for `compile` and `plan`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fields::BodyFields;
use crate::price::MaxPrice;
use crate::quota::{Budget, CallLimits};
use crate::selector::LabelSelector;

/// A model name that apps ask for, and who may answer it: tiers of targets, how a target is chosen, how long to wait.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "kubernetes", derive(kube::CustomResource))]
#[cfg_attr(
    feature = "kubernetes",
    kube(
        group = "lotse.dev",
        version = "v1alpha1",
        kind = "ModelRoute",
        plural = "modelroutes",
        shortname = "mroute",
        category = "lotse",
        namespaced,
        doc = "A model name that apps ask for, and who may answer it.",
        status = "crate::status::ModelRouteStatus",
        printcolumn(
            name = "Models",
            type_ = "string",
            json_path = ".status.models",
            description = "The names an app may ask for."
        ),
        printcolumn(
            name = "Eligible",
            type_ = "string",
            json_path = ".status.eligible",
            description = "How many of its candidates every workload may use."
        ),
        printcolumn(
            name = "Sidecars",
            type_ = "string",
            json_path = ".status.sidecars.summary",
            description = "How many of the sidecars that it concerns hold it."
        ),
        printcolumn(
            name = "Ready",
            type_ = "string",
            json_path = ".status.conditions[?(@.type==\"Ready\")].status",
            description = "Whether it does what it says."
        ),
        printcolumn(
            name = "Reason",
            type_ = "string",
            json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
            description = "Why, in a word."
        ),
        printcolumn(
            name = "Message",
            type_ = "string",
            json_path = ".status.conditions[?(@.type==\"Ready\")].message",
            priority = 1,
            description = "Why, in a sentence."
        ),
        printcolumn(
            name = "Age",
            type_ = "date",
            json_path = ".metadata.creationTimestamp",
            description = "How long the object has been there."
        )
    )
)]
pub struct ModelRouteSpec {
    /// The names an app may ask for; a trailing * stands for any rest. The most specific name wins, then a route of the
    /// pod's own namespace, then the older.
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 256), regex(pattern = r"^[^*\s]*\*?$")), extend("x-kubernetes-list-type" = "set"))]
    pub models: Vec<String>,
    /// The namespaces whose pods it is for; an empty selector selects all. Only in the root namespace: elsewhere, and
    /// without it, a route is for the pods of its own namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
    /// The pods it is for; all by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_selector: Option<LabelSelector>,
    /// Who may answer. A tier is tried when the one before it is spent.
    #[schemars(length(min = 1, max = 8), extend("x-kubernetes-list-type" = "atomic"))]
    pub tiers: Vec<TierSpec>,
    /// How long to wait.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// How many targets are tried for one call; all by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 64))]
    pub attempts: Option<i32>,
    /// The highest price; who is dearer, or has no price, gets no call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_price: Option<MaxPrice>,
    /// Errors of the caller that another model may not have: the call goes on to the next tier, past what is left of its own.
    /// None by default: the app hears them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2), extend("x-kubernetes-list-type" = "set"))]
    pub next_tier_on: Vec<CallerError>,
    /// After how long without an answer, or without the first content of a stream, a second target is asked beside the first.
    /// Who answers first is heard, the other is cut off; both may bill. Off by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 10, max = 3_600_000))]
    pub hedge_after_milliseconds: Option<i32>,
    /// How fast a stream must be, at least, over each ten seconds after its first content. A slower one ends with an error.
    /// Off by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub min_tokens_per_second: Option<i32>,
    /// How much each namespace may ask of this route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<CallLimits>,
    /// How much each namespace may spend on this route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// Whether the app may choose among the targets: by the fields `provider` and `models` of its request, and by endings of
    /// the model's name. It can only leave targets out and order them.
    #[serde(default)]
    pub request_preferences: RequestPreferences,
    /// Whose calls go to the target of the call before, where a provider may still have their prompt in its cache.
    #[serde(default)]
    pub stickiness: Stickiness,
    /// Body fields that are set when the app does not set them.
    #[serde(default, skip_serializing_if = "BodyFields::is_empty")]
    pub defaults: BodyFields,
    /// Body fields that are always set, over what the app says.
    #[serde(default, skip_serializing_if = "BodyFields::is_empty")]
    pub overrides: BodyFields,
    /// What becomes of a field that a target's dialect cannot carry: the call is refused by that target, which is the
    /// default, or the field is left out and named in the header x-lotse-dropped.
    #[serde(default)]
    pub unsupported_fields: UnsupportedFields,
}

/// What becomes of a field that cannot be carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum UnsupportedFields {
    /// The target is not asked; when none can carry the field, the call is refused by its name.
    #[default]
    Refuse,
    /// It is left out, and the answer names it.
    Drop,
}

/// An error of the caller that another model may not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
pub enum CallerError {
    /// The prompt is too long for the model.
    ContextLength,
    /// The provider's filter takes the prompt.
    ContentFilter,
}

/// Whether the app may choose among the targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum RequestPreferences {
    /// It may.
    #[default]
    Honor,
    /// What it says is left out, and named in the header x-lotse-dropped.
    Ignore,
}

/// Whose calls stay together, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Stickiness {
    /// What makes calls belong together.
    pub by: StickBy,
    /// After how many seconds without a call they no longer do.
    #[schemars(range(min = 1, max = 86_400))]
    pub idle_seconds: i32,
}

impl Default for Stickiness {
    fn default() -> Self {
        Self { by: StickBy::Session, idle_seconds: 600 }
    }
}

/// What makes calls belong together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum StickBy {
    /// Nothing.
    None,
    /// The session that the app names: the field `session_id`, the header x-session-id, or the field `prompt_cache_key`.
    #[default]
    Session,
    /// The session; where none is named, the first messages: the system's and the user's first.
    PromptPrefix,
}

/// Targets that stand in for each other.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TierSpec {
    /// How the order of targets is drawn for each call; those with an outage go last.
    #[serde(default)]
    pub balance: Balance,
    /// Who may answer in this tier.
    #[schemars(length(min = 1, max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub targets: Vec<TargetSpec>,
}

/// How the order of targets is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum Balance {
    /// By chance, weighted with the inverse square of the price; who has no price goes last.
    #[default]
    Price,
    /// As listed.
    Order,
    /// By chance, weighted with weight.
    Weight,
    /// Who had the first content soonest, by the median of the last five minutes, first. Now and then another is tried, so
    /// that who was slow can show that it no longer is.
    Latency,
    /// Who had most tokens a second, by the median of the last five minutes, first; others now and then.
    Throughput,
}

/// A model at one provider, or at every provider that serves it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TargetSpec {
    /// The provider; by default every provider that the pod's namespace may use and that serves the model, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderRef>,
    /// The model, by the name that the provider gives it in models.
    #[schemars(length(min = 1, max = 256))]
    pub model: String,
    /// How much of the calls it gets under balance Weight, against the others; 1 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub weight: Option<i32>,
}

/// A provider by name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProviderRef {
    /// Its name.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// Its namespace; the route's by default. A provider of another namespace must name the pod's namespace among its
    /// consumers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
}

/// How long a call waits.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Timeouts {
    /// For a connection to one target, TLS included.
    #[schemars(range(min = 1, max = 60_000))]
    pub connect_milliseconds: i32,
    /// From the request to the first content of a stream, or to the first byte of an answer that is not streamed.
    #[schemars(range(min = 1, max = 3_600_000))]
    pub first_content_milliseconds: i32,
    /// Between two pieces of an answer.
    #[schemars(range(min = 1, max = 3_600_000))]
    pub idle_milliseconds: i32,
    /// For the whole call, over all attempts.
    #[schemars(range(min = 1, max = 86_400))]
    pub total_seconds: i32,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect_milliseconds: 2_000,
            first_content_milliseconds: 60_000,
            idle_milliseconds: 30_000,
            total_seconds: 600,
        }
    }
}
