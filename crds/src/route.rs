//! `ModelRoute`: a model name that apps ask for, and who may answer it.
//! Owns the form and the rules that one object alone can break; what it means is for `compile` and `plan`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fields::BodyFields;
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
