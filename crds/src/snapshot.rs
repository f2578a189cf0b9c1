//! The snapshot: what one workload's sidecar obeys.
//!
//! `compile` makes it, a sidecar holds it, `explain` shows it. It can't hold a secret: credentials and header values are
//! named by [`KeyName`] and travel beside it. Of a refused provider it has the name and the reasons, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::facts::Facts;
use crate::fields::BodyFields;
use crate::limits::Limits;
use crate::name::{ModelPattern, ObjectName, Workload};
use crate::objection::{Objection, snake_case};
use crate::policy::Staleness;
use crate::price::Price;
use crate::provider::{Ability, Quantization};
use crate::quota::{Budget, CallLimits};
use crate::route::{Balance, CallerError, RequestPreferences, Stickiness, Timeouts, UnsupportedFields};
use crate::simulation::Simulation;
use crate::wire::{Operation, Wire};

/// What one workload's sidecar obeys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// Whose it is; of its labels only those that any route or policy reads.
    pub workload: Workload,
    /// The policies that a candidate must pass, each of them.
    pub policies: Vec<Limits>,
    /// Policies that only count what they would refuse.
    pub audits: Vec<Limits>,
    /// The routes that answer this workload, by name.
    pub routes: Vec<Route>,
}

/// One route, for the model names that it won.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// The ModelRoute.
    pub name: ObjectName,
    /// The names it answers for.
    pub models: Vec<ModelPattern>,
    /// Who may answer, first tier first.
    pub tiers: Vec<Tier>,
    /// How long a call waits.
    pub timeouts: Timeouts,
    /// How many candidates are tried for one call; all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<usize>,
    /// Errors of the caller for which the call goes on to the next tier.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next_tier_on: Vec<CallerError>,
    /// After how long a second candidate is asked beside the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hedge_after_milliseconds: Option<i32>,
    /// How fast a stream must be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_tokens_per_second: Option<i32>,
    /// How much the workload's namespace may ask of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<CallLimits>,
    /// How much the workload's namespace may spend on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// Whether the app may choose among the candidates.
    #[serde(default)]
    pub request_preferences: RequestPreferences,
    /// Whose calls stay together.
    #[serde(default)]
    pub stickiness: Stickiness,
    /// Body fields that are set when the app does not set them.
    pub defaults: BodyFields,
    /// Body fields that are always set.
    pub overrides: BodyFields,
    /// What becomes of a field that a target cannot carry.
    #[serde(default)]
    pub unsupported_fields: UnsupportedFields,
}

/// Candidates that stand in for each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tier {
    /// How their order is drawn.
    pub balance: Balance,
    /// Those that nothing objected to when this was compiled.
    pub candidates: Vec<Candidate>,
    /// Those that are out, and why.
    pub refused: Vec<Refused>,
}

/// One model at one provider.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// The place of this candidate among all of the snapshot, from 0.
    pub ordinal: usize,
    /// The provider.
    pub provider: ObjectName,
    /// The model, as routes call it.
    pub model: String,
    /// Its share under balance Weight.
    pub weight: u32,
    /// What it costs, fees included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// The vendor's name.
    #[serde(default)]
    pub vendor: String,
    /// Where the vendor runs it, by the vendor's own word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// What its model is said to be able to do; nothing is known of it if this is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub supports: Vec<Ability>,
    /// How many tokens a call may have, answer included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_tokens: Option<i32>,
    /// How many tokens an answer may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<i32>,
    /// How its weights are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantization: Option<Quantization>,
    /// How much the workload's namespace may ask of its provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<CallLimits>,
    /// What is known of it; judged again before each call.
    pub facts: Facts,
    /// How it is called.
    pub endpoint: Endpoint,
}

/// How a candidate is called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// The dialect and the place.
    pub target: Target,
    /// What the provider calls the model.
    pub upstream_model: String,
    /// Body fields that are always set for this provider.
    pub force: BodyFields,
}

/// Where a call goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Target {
    /// A server.
    Server(Box<Server>),
    /// Answered inside the sidecar.
    Simulated(Simulation),
}

/// A server that answers calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Server {
    /// How it takes calls; [`Wire::url_path`] gives the path of each.
    pub wire: Wire,
    /// Such as `https://api.eu.mistral.ai/v1`, without a slash at its end.
    pub base_url: String,
    /// The operations that it has an endpoint for, as apps call them. A generation that is not among them is translated
    /// into one that is; where the wire has a dialect of its own for generation, none is listed.
    pub operations: BTreeSet<Operation>,
    /// Headers that carry secrets or values of the provider's owner.
    pub headers: Vec<KeyedHeader>,
    /// How calls are signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sigv4: Option<SigV4>,
    /// PEM certificates trusted instead of the public roots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
    /// Which key holds the PEM certificate chain, and after it the PEM private key, that we show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<KeyName>,
    /// Networks that may be dialled though they are not public.
    pub allowed_addresses: Vec<IpNet>,
    /// The proxy on the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<Proxy>,
    /// Where it departs from its dialect.
    #[serde(default, skip_serializing_if = "Quirks::is_empty")]
    pub quirks: Quirks,
}

/// AWS Signature Version 4: the scope, and which key signs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SigV4 {
    /// Such as `bedrock`.
    pub service: String,
    /// Such as `eu-central-1`.
    pub region: String,
    /// Which key holds the credentials: JSON `{"accessKeyId", "secretAccessKey", "sessionToken"?}`.
    pub key: KeyName,
}

/// Where a server departs from its dialect. The fields are top-level fields of the body.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, as a row of the table says it")]
pub struct Quirks {
    /// Fields that it knows by another name: the dialect's, and its own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rename: BTreeMap<String, String>,
    /// Fields that it refuses, or takes and reads over.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub unsupported: BTreeSet<String>,
    /// Fields that an app may not send to it, because they would choose who else gets the call. Taken out in silence.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub strip: BTreeSet<String>,
    /// Values of fields that it knows by another word: the field, the dialect's word, and its own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub replace: BTreeMap<String, BTreeMap<String, String>>,
    /// Types of parts of a message that it does not take.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub unsupported_parts: BTreeSet<String>,
    /// Whether it knows tools with a schema only, and no custom ones.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub function_tools_only: bool,
    /// Whether the ids of tool calls must have nine letters and digits.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub short_tool_ids: bool,
    /// Where it takes back thoughts that it had before; nowhere by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thoughts: Option<Thoughts>,
    /// Whether it does not know the role `developer`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub system_role_only: bool,
    /// Whether it takes images only as data, not as addresses.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub inline_images_only: bool,
    /// The highest temperature that it takes, as a decimal string.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_temperature: Option<String>,
}

/// Where a server has thoughts in a message of Chat Completions, and takes them back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Thoughts {
    /// In a field of their own, `reasoning_content` or `reasoning`.
    Field,
    /// Among the parts of the content, where OpenAI's SDKs cannot read them.
    Content,
}

impl Quirks {
    /// Whether it keeps to its dialect.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A proxy on the way to a provider.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Proxy {
    /// Such as `http://proxy.example:3128`.
    pub url: String,
    /// Which key holds the value of its Proxy-Authorization header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyName>,
    /// PEM certificates trusted for the proxy itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
}

/// A header whose value travels with the keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyedHeader {
    /// The header's name.
    pub name: String,
    /// Which key holds its value.
    pub key: KeyName,
}

/// The name of a value that travels beside a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyName(pub String);

/// A target that is out, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    /// The provider.
    pub provider: ObjectName,
    /// The model, as routes call it.
    pub model: String,
    /// Every reason.
    pub reasons: Vec<Reason>,
}

/// One reason why a candidate is out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The stable word, in snake_case as on the wire.
    pub code: String,
    /// A sentence for people.
    pub message: String,
    /// The policy that says so; none when the reason is no policy's.
    pub policy: Option<ObjectName>,
}

impl Reason {
    /// What the residency decision says.
    pub fn new(objection: &Objection, policy: Option<ObjectName>) -> Self {
        Self { code: snake_case(objection.code()), message: objection.to_string(), policy }
    }

    /// Whether a policy, or the lack of one, says so.
    pub fn is_policy(&self) -> bool {
        self.policy.is_some() || self.code == "no_data_policy"
    }
}

/// The content hash of a snapshot: equal content, equal revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub String);

impl Snapshot {
    /// The first 16 hex digits of the SHA-256 of its JSON.
    pub fn revision(&self) -> Revision {
        let json = serde_json::to_vec(self).expect("a snapshot has only string keys");
        let digest = Sha256::digest(&json);
        let mut text = String::with_capacity(16);
        for byte in &digest[..8] {
            write!(text, "{byte:02x}").expect("a string takes any text");
        }
        Revision(text)
    }

    /// The route that answers for a model name: the most specific of all patterns.
    pub fn route(&self, model: &str) -> Option<&Route> {
        let best = |route: &&Route| {
            route.models.iter().filter(|pattern| pattern.matches(model)).map(ModelPattern::specificity).max()
        };
        // `compile` has left each pattern with one route, so there are no ties.
        self.routes.iter().filter(|route| best(route).is_some()).max_by_key(best)
    }

    /// The route that answers for exactly this name.
    pub fn exact(&self, model: &str) -> Option<&Route> {
        self.routes.iter().find(|route| route.models.iter().any(|pattern| pattern.0 == model && !model.ends_with('*')))
    }

    /// How long the sidecar goes on without hearing from the operator: the smallest of all policies.
    pub fn staleness(&self) -> Staleness {
        let smallest = |of: fn(&Staleness) -> i32| self.policies.iter().map(|limits| of(&limits.staleness)).min();
        let default = Staleness::default();
        Staleness {
            warn_seconds: smallest(|staleness| staleness.warn_seconds).unwrap_or(default.warn_seconds),
            refuse_seconds: smallest(|staleness| staleness.refuse_seconds).unwrap_or(default.refuse_seconds),
        }
    }

    /// All candidates, in the order of their ordinals.
    pub fn candidates(&self) -> impl Iterator<Item = &Candidate> {
        self.routes.iter().flat_map(|route| &route.tiers).flat_map(|tier| &tier.candidates)
    }
}

/// Values that travel beside a snapshot, by name.
pub type Keys = BTreeMap<KeyName, crate::secret::Secret>;

/// Model names as people list them.
pub struct ModelNames<'a>(pub &'a [ModelPattern]);

impl std::fmt::Display for ModelNames<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|pattern| pattern.0.as_str()).collect();
        f.write_str(&names.join(", "))
    }
}
