//! The status of the three kinds: what the operator says of an object, and `kubectl get` shows.
//!
//! Owns the form alone; what it says is for the operator. Conditions are Kubernetes' own: `Accepted` (valid),
//! `ResolvedRefs` (what it refers to is there and may be used), `Programmed` (the sidecars that it concerns hold it) and
//! `Ready` (all of that, and it does what it says), all four from first sight.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the operator says of an LLMProvider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LLMProviderStatus {
    /// The generation of the spec that this is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub observed_generation: Option<i64>,
    /// How it stands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Where it promises that content is decrypted, in short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub regions: Option<String>,
    /// What routes call its models, in short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub models: Option<String>,
    /// The sidecars that know of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sidecars: Option<SidecarCounts>,
}

/// What the operator says of a ModelRoute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelRouteStatus {
    /// The generation of the spec that this is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub observed_generation: Option<i64>,
    /// How it stands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The names that it answers for, in short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub models: Option<String>,
    /// How many of its candidates every workload may use, such as `2/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub eligible: Option<String>,
    /// Who may answer and who may not, first tier first; at most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub candidates: Vec<CandidateStatus>,
    /// The sidecars that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sidecars: Option<SidecarCounts>,
}

/// What the operator says of a DataPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DataPolicyStatus {
    /// The generation of the spec that this is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub observed_generation: Option<i64>,
    /// How it stands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Where it lets content be decrypted, in short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub regions: Option<String>,
    /// The sidecars that it governs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sidecars: Option<SidecarCounts>,
}

/// One aspect of how an object stands.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Which aspect.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 316))]
    pub type_: String,
    /// Whether it holds.
    pub status: Truth,
    /// The generation of the spec that this is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub observed_generation: Option<i64>,
    /// When status last changed.
    #[schemars(length(max = 64), extend("format" = "date-time"))]
    pub last_transition_time: String,
    /// Why, in a word.
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"))]
    pub reason: String,
    /// Why, in a sentence that says what to do.
    #[schemars(length(max = 32768))]
    pub message: String,
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not.
    False,
    /// Nobody knows.
    Unknown,
}

/// One model at one provider, as a route's workloads may use it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CandidateStatus {
    /// The tier, from 1.
    #[schemars(range(min = 1, max = 8))]
    pub tier: i32,
    /// The provider, as `namespace/name`.
    #[schemars(length(max = 127))]
    pub provider: String,
    /// The model, as routes call it.
    #[schemars(length(max = 256))]
    pub model: String,
    /// Who may use it.
    pub state: CandidateState,
    /// Why not; at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub reasons: Vec<ReasonStatus>,
}

/// Who may use a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum CandidateState {
    /// Every workload of the route.
    Eligible,
    /// Some of them.
    PartlyEligible,
    /// None of them.
    Excluded,
}

/// One reason why a candidate is out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReasonStatus {
    /// The stable word.
    #[schemars(length(max = 64))]
    pub code: String,
    /// The policy that says so; absent when the reason is no policy's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 127))]
    pub policy: Option<String>,
    /// A sentence for people.
    #[schemars(length(max = 1024))]
    pub message: String,
}

/// How many sidecars hold what is current: acknowledgements are counted, not sends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SidecarCounts {
    /// They hold it.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub current: i32,
    /// They have not said so yet, or are not heard from.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub behind: i32,
    /// They have refused it and go on by what they held before, until their policy lease ends.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub refused: i32,
    /// In short, such as `3/3`.
    #[schemars(length(max = 32))]
    pub summary: String,
}

impl SidecarCounts {
    /// With its summary.
    pub fn new(current: i32, behind: i32, refused: i32) -> Self {
        Self { current, behind, refused, summary: format!("{current}/{}", current + behind + refused) }
    }
}

/// A short string for a column.
pub fn short(parts: &[String]) -> String {
    let mut text = parts.join(",");
    if text.len() > 512 {
        let mut end = 509;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    text
}
