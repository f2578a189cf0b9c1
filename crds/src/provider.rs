//! `LLMProvider`: one place that answers model calls, the models it serves, and what it promises about data.
//! Owns the form and the rules that one object alone can break; what it means is for `compile`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fields::BodyFields;
use crate::price::Percent;
use crate::promises::{Evidence, Promises};
use crate::quota::CallLimits;
use crate::selector::LabelSelector;
use crate::simulation::Simulation;

mod credential;
mod model;

pub use credential::{
    ApiKey, AwsAssumeRole, AwsCredential, AwsPodIdentity, AwsStaticKeys, AzureAuthority, AzureCredential, ClientSecret,
    Credential, CredentialType, GoogleCloudCredential, GoogleWorkloadIdentity, OpenAICredential, SecretKeyRef,
    ServiceAccountKey,
};
pub use model::{Ability, DeploymentType, Quantization, ServedModel};

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
    {"rule": "!has(self.baseURL) || !self.baseURL.contains('@')", "message": "baseURL must not carry a user or a password"},
    {"rule": "!has(self.apiVersion) || !has(self.api) || self.api == 'AzureOpenAI'", "message": "apiVersion may only be set when api is AzureOpenAI"},
    {"rule": "has(self.vendor) || has(self.basedOn)", "message": "vendor must be set, unless basedOn is"},
    {"rule": "has(self.models) || has(self.basedOn)", "message": "models must be set, unless basedOn is"},
    {"rule": "!has(self.basedOn) || has(self.credential)", "message": "credential must be set beside basedOn"},
    {"rule": "!has(self.basedOn) || !(has(self.vendor) || has(self.models) || has(self.api) || has(self.baseURL) || has(self.region) || has(self.project) || has(self.apiVersion) || (has(self.operatedBy) && self.operatedBy == 'Self') || has(self.headers) || has(self.force) || has(self.evidence) || has(self.promises) || has(self.consumers) || has(self.tls) || has(self.egressProxy) || has(self.allowedAddresses) || has(self.feePercent) || has(self.simulated))", "message": "nothing but credential and limits may be set beside basedOn"}
]))]
pub struct LLMProviderSpec {
    /// Who runs it: a vendor that Lotse knows (openai, mistral, vllm, …), which gives the dialect, the hosts and the
    /// header of the credential; or any other name, with api and baseURL. Required, unless basedOn is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub vendor: Option<String>,
    /// Bring your own key: a provider of which this has everything but credential and limits; headers out of Secrets and a
    /// client certificate are credentials, too. Its consumers must include this namespace. Of its promises only those count here whose evidence says appliesTo AnyAccount. Pods of this
    /// namespace then use this one wherever a target that names no provider would have meant that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub based_on: Option<BaseRef>,
    /// The dialect it speaks; the vendor's by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<Api>,
    /// Where it listens, such as `https://api.eu.mistral.ai/v1`; the vendor's by default, where it has one.
    #[serde(default, rename = "baseURL", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 8, max = 512), regex(pattern = r"^https?://[^\s?#]+$"))]
    pub base_url: Option<String>,
    /// Where the vendor runs it, by the vendor's own word, where the vendor has regions: eu-central-1 of AWS, europe-west4
    /// or eu of Google Cloud, swedencentral of Azure (the resource's).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub region: Option<String>,
    /// The project of Google Cloud that calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([a-z0-9.:-]*[a-z0-9])?$"))]
    pub project: Option<String>,
    /// The version of Azure's dated API, such as 2024-10-21; its v1 API by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(-[a-z]+)?$"))]
    pub api_version: Option<String>,
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
    /// The models it serves. Required, unless basedOn is set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 256), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub models: Vec<ServedModel>,
    /// What its promises rest on, named once and referred to by promises.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub evidence: Vec<Evidence>,
    /// What it promises about data. What is not promised is not assumed.
    #[serde(default, skip_serializing_if = "Promises::is_empty")]
    pub promises: Promises,
    /// Who else may use it; its own namespace only by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumers: Option<Consumers>,
    /// How TLS is done: by the public roots of the web, and without a certificate of ours, by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// How much each namespace may ask of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<CallLimits>,
    /// What comes on top of the prices below, in per cent, such as "5.5": the fees of an aggregator for topping up, or for
    /// keys of one's own. Counts where price decides, and in what calls cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee_percent: Option<Percent>,
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

/// The provider that another one is based on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BaseRef {
    /// Its name.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// Its namespace; the same by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
pub enum Api {
    /// OpenAI's, and what is compatible with it.
    OpenAI,
    /// Anthropic's Messages; on Vertex AI and Bedrock, with those vendors' paths.
    Anthropic,
    /// Google's generateContent, of the Gemini API or of Vertex AI.
    Gemini,
    /// Amazon Bedrock's Converse.
    Bedrock,
    /// OpenAI's on Azure: the v1 API, or with apiVersion the dated one.
    AzureOpenAI,
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

/// Who may use the provider, besides its own namespace.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Consumers {
    /// The namespaces whose pods may call it, by their labels. An empty selector selects all.
    pub namespace_selector: LabelSelector,
}

/// How TLS with the provider is done.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "has(self.caBundle) || has(self.clientCertificateRef)", "message": "caBundle or clientCertificateRef must be set"}
]))]
pub struct Tls {
    /// PEM certificates that are trusted for it instead of the public roots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65536))]
    pub ca_bundle: Option<String>,
    /// The Secret of type kubernetes.io/tls, in the provider's own namespace, whose certificate we show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate_ref: Option<SecretRef>,
}

/// A Secret in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretRef {
    /// The name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

impl SecretRef {
    /// The chain and the key that a Secret of type kubernetes.io/tls has.
    pub fn tls_keys(&self) -> [SecretKeyRef; 2] {
        ["tls.crt", "tls.key"].map(|key| SecretKeyRef { name: self.name.clone(), key: key.to_owned() })
    }
}

impl LLMProviderSpec {
    /// The vendor's name; empty when `basedOn` stands instead.
    pub fn vendor(&self) -> &str {
        self.vendor.as_deref().unwrap_or_default()
    }
}
