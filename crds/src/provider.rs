//! `LLMProvider`: one place that answers model calls, the models it serves, and what it promises about data.
//! Owns the form and the rules that one object alone can break; what it means is for `compile`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fields::BodyFields;
use crate::price::Price;
use crate::promises::{Evidence, Promises};
use crate::selector::LabelSelector;
use crate::simulation::Simulation;

/// One place that answers model calls (one base URL, one credential), the models it serves and their prices, and what
/// it promises about data.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "kubernetes", derive(kube::CustomResource))]
#[cfg_attr(
    feature = "kubernetes",
    kube(
        group = "lotse.dev",
        version = "v1alpha1",
        kind = "LLMProvider",
        plural = "llmproviders",
        shortname = "llmp",
        category = "lotse",
        namespaced,
        doc = "One place that answers model calls, and what it promises about data.",
        status = "crate::status::LLMProviderStatus",
        printcolumn(name = "Vendor", type_ = "string", json_path = ".spec.vendor", description = "The vendor's name."),
        printcolumn(
            name = "Jurisdiction",
            type_ = "string",
            json_path = ".spec.promises.jurisdiction.contractingEntity",
            description = "Where the contracting entity sits."
        ),
        printcolumn(
            name = "Regions",
            type_ = "string",
            json_path = ".status.regions",
            description = "Where content is decrypted."
        ),
        printcolumn(
            name = "Models",
            type_ = "string",
            json_path = ".status.models",
            priority = 1,
            description = "What routes call its models."
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
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "!has(self.simulated) || (has(self.api) && self.api == 'Simulated')", "message": "simulated may only be set when api is Simulated"},
    {"rule": "!has(self.api) || self.api != 'Simulated' || !has(self.baseURL)", "message": "baseURL may not be set when api is Simulated"},
    {"rule": "!has(self.baseURL) || !self.baseURL.startsWith('http://') || (has(self.allowedAddresses) && size(self.allowedAddresses) > 0)", "message": "baseURL may only be http:// when allowedAddresses names the addresses that may be dialled"},
    {"rule": "!has(self.baseURL) || !self.baseURL.contains('@')", "message": "baseURL must not carry a user or a password"}
]))]
pub struct LLMProviderSpec {
    /// Who runs it: a vendor that Lotse knows (openai, mistral, vllm, …), which gives the dialect, the hosts and the
    /// header of the credential; or any other name, with api and baseURL.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub vendor: String,
    /// The dialect it speaks; the vendor's by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<Api>,
    /// Where it listens, such as `https://api.eu.mistral.ai/v1`; the vendor's by default, where it has one.
    #[serde(default, rename = "baseURL", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 8, max = 512), regex(pattern = r"^https?://[^\s?#]+$"))]
    pub base_url: Option<String>,
    /// Self means our own model server: contract, jurisdiction, retention and training need no promise.
    #[serde(default)]
    pub operated_by: Operator,
    /// What proves to the provider that we may call it; none by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<Credential>,
    /// Headers that every call to this provider carries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub headers: Vec<Header>,
    /// Body fields that are always set for this provider, over what the app and the route say.
    #[serde(default, skip_serializing_if = "BodyFields::is_empty")]
    pub force: BodyFields,
    /// The models it serves.
    #[schemars(length(min = 1, max = 256), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub models: Vec<ServedModel>,
    /// What its promises rest on, named once and referred to by promises.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub evidence: Vec<Evidence>,
    /// What it promises about data. What is not promised is not assumed.
    #[serde(default)]
    pub promises: Promises,
    /// Who else may use it; its own namespace only by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumers: Option<Consumers>,
    /// How its TLS certificate is judged; by the public roots of the web by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// The HTTP proxy that its calls go through, by CONNECT. By default the operator's, if it has one and the provider has
    /// no allowedAddresses; proxy variables of the pod are ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress_proxy: Option<EgressProxy>,
    /// Private, loopback or link-local networks that may be dialled for it, as CIDR: models in the cluster, private
    /// links. Without them only public addresses are dialled. http:// works only for these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 43)), extend("x-kubernetes-list-type" = "set"))]
    pub allowed_addresses: Vec<String>,
    /// How a simulated provider behaves; only when api is Simulated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulated: Option<Simulation>,
}

/// An HTTP proxy on the way out. It opens connections by CONNECT (RFC 9110, section 9.3.6) and sees no call.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EgressProxy {
    /// Where it listens: `http://HOST:PORT`, or https:// where the proxy itself speaks TLS.
    #[schemars(length(min = 8, max = 512), regex(pattern = r"^https?://[^\s?#/@]+/?$"))]
    pub url: String,
    /// What proves to the proxy that we may use it: a Secret's value of the form `user:password`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<ProxyCredential>,
    /// PEM certificates trusted for the proxy itself, instead of the public roots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65536))]
    pub ca_bundle: Option<String>,
}

/// What proves to a proxy that we may use it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProxyCredential {
    /// Where `user:password` is kept.
    pub secret_ref: SecretKeyRef,
}

/// A dialect that a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum Api {
    /// OpenAI's Chat Completions, and what is compatible with it.
    OpenAI,
    /// Answered inside the sidecar: for trying out, tests and drills. Needs no key and sends nothing anywhere.
    Simulated,
}

/// Who operates the model server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum Operator {
    /// The vendor: a processor in the sense of the GDPR.
    #[default]
    Vendor,
    /// We ourselves: no third party receives the data.
    #[serde(rename = "Self")]
    Own,
}

/// What proves to the provider that we may call it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "self.type == 'APIKey' ? has(self.apiKey) : !has(self.apiKey)", "message": "apiKey must be set when type is APIKey"}
]))]
pub struct Credential {
    /// Which kind of credential this is; the field of the same name holds it.
    #[serde(rename = "type")]
    pub kind: CredentialType,
    /// A key that goes into the header that the vendor wants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<ApiKey>,
}

/// A kind of credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum CredentialType {
    /// One secret string.
    APIKey,
}

/// One secret string.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApiKey {
    /// The Secret that holds it, in the provider's own namespace.
    pub secret_ref: SecretKeyRef,
}

/// One key of a Secret in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretKeyRef {
    /// The name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key in its data.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// A header that every call to the provider carries.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "has(self.value) != has(self.secretRef)", "message": "exactly one of value and secretRef must be set"}
]))]
pub struct Header {
    /// The header's name, in lower case.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub name: String,
    /// Its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub value: Option<String>,
    /// The Secret that holds its value, in the provider's own namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKeyRef>,
}

/// A model that the provider serves.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServedModel {
    /// What routes call it.
    #[schemars(length(min = 1, max = 256))]
    pub name: String,
    /// What the provider calls it; name by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub upstream_name: Option<String>,
    /// What it costs; unknown by default, and then chosen last where price decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// Promises for this model; each one set here replaces the provider's.
    #[serde(default, skip_serializing_if = "Promises::is_empty")]
    pub promises: Promises,
}

impl ServedModel {
    /// What the provider calls it.
    pub fn upstream_name(&self) -> &str {
        self.upstream_name.as_deref().unwrap_or(&self.name)
    }
}

/// Who may use the provider, besides its own namespace.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Consumers {
    /// The namespaces whose pods may call it, by their labels. An empty selector selects all.
    pub namespace_selector: LabelSelector,
}

/// How the provider's TLS certificate is judged.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tls {
    /// PEM certificates that are trusted for it instead of the public roots.
    #[schemars(length(min = 1, max = 65536))]
    pub ca_bundle: String,
}
