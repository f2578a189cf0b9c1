//! Credentials of a provider: a key that is sent as it is, or an identity whose token is exchanged for a short-lived one.
//! Owns the form; what must be exchanged is for `exchange`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What proves to the provider that we may call it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "self.type == 'APIKey' ? has(self.apiKey) : !has(self.apiKey)", "message": "apiKey must be set when type is APIKey, and only then"},
    {"rule": "self.type == 'AWS' ? has(self.aws) : !has(self.aws)", "message": "aws must be set when type is AWS, and only then"},
    {"rule": "self.type == 'GoogleCloud' ? has(self.googleCloud) : !has(self.googleCloud)", "message": "googleCloud must be set when type is GoogleCloud, and only then"},
    {"rule": "self.type == 'Azure' ? has(self.azure) : !has(self.azure)", "message": "azure must be set when type is Azure, and only then"},
    {"rule": "self.type == 'OpenAI' ? has(self.openAI) : !has(self.openAI)", "message": "openAI must be set when type is OpenAI, and only then"}
]))]
pub struct Credential {
    /// Which kind of credential this is; the field of the same name holds it.
    #[serde(rename = "type")]
    pub kind: CredentialType,
    /// A key that goes into the header that the vendor wants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<ApiKey>,
    /// Keys or a role that sign calls (Signature Version 4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws: Option<AwsCredential>,
    /// A service account of Google Cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub google_cloud: Option<GoogleCloudCredential>,
    /// An application of Microsoft Entra ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azure: Option<AzureCredential>,
    /// A service account of OpenAI, by workload identity.
    #[serde(default, rename = "openAI", skip_serializing_if = "Option::is_none")]
    pub open_ai: Option<OpenAICredential>,
}

/// A kind of credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
pub enum CredentialType {
    /// One secret string.
    APIKey,
    /// AWS keys, a role, or EKS Pod Identity.
    AWS,
    /// A service account of Google Cloud.
    GoogleCloud,
    /// An application of Microsoft Entra ID.
    Azure,
    /// OpenAI's workload identity.
    OpenAI,
}

/// One secret string.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApiKey {
    /// The Secret that holds it, in the provider's own namespace.
    pub secret_ref: SecretKeyRef,
}

/// One key of a Secret in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretKeyRef {
    /// The name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key in its data.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// What signs calls to AWS: keys alone; a role that keys or a service account assume; or EKS Pod Identity.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "has(self.staticKeys) || has(self.assumeRole) || has(self.podIdentity)", "message": "one of staticKeys, assumeRole and podIdentity must be set"},
    {"rule": "!has(self.podIdentity) || (!has(self.staticKeys) && !has(self.assumeRole))", "message": "podIdentity must stand alone"},
    {"rule": "!has(self.assumeRole) || has(self.staticKeys) != has(self.assumeRole.serviceAccountName)", "message": "assumeRole must have exactly one of staticKeys beside it and serviceAccountName in it"},
    {"rule": "!has(self.assumeRole) || !has(self.assumeRole.externalID) || has(self.staticKeys)", "message": "externalID may only be set beside staticKeys: web identity has none"}
]))]
pub struct AwsCredential {
    /// Keys that were made once; they sign the calls, or the call that assumes the role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub static_keys: Option<AwsStaticKeys>,
    /// A role, whose keys are short-lived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assume_role: Option<AwsAssumeRole>,
    /// A role that EKS associates with a service account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_identity: Option<AwsPodIdentity>,
}

/// AWS keys in Secrets of the provider's own namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AwsStaticKeys {
    /// Where the access key id is kept.
    #[serde(rename = "accessKeyIDRef")]
    pub access_key_id_ref: SecretKeyRef,
    /// Where the secret access key is kept.
    pub secret_access_key_ref: SecretKeyRef,
    /// Where the session token is kept, if the keys have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_token_ref: Option<SecretKeyRef>,
}

/// A role of AWS that is assumed by STS.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AwsAssumeRole {
    /// The role, such as `arn:aws:iam::123456789012:role/lotse`.
    #[serde(rename = "roleARN")]
    #[schemars(length(min = 20, max = 2048), regex(pattern = r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$"))]
    pub role_arn: String,
    /// What CloudTrail calls the session; lotse by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 64), regex(pattern = r"^[A-Za-z0-9_=,.@-]+$"))]
    pub session_name: Option<String>,
    /// What the role's trust policy asks for under sts:ExternalId; only with staticKeys.
    #[serde(default, rename = "externalID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 1224), regex(pattern = r"^[A-Za-z0-9_+=,.@:/-]+$"))]
    pub external_id: Option<String>,
    /// The service account, in the provider's own namespace, whose token assumes the role (IRSA).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub service_account_name: Option<String>,
}

/// EKS Pod Identity: which association gives the role.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AwsPodIdentity {
    /// The name of the EKS cluster.
    #[schemars(length(min = 1, max = 100), regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"))]
    pub cluster_name: String,
    /// The service account, in the provider's own namespace, that the association names.
    #[schemars(length(min = 1, max = 253))]
    pub service_account_name: String,
}

/// A service account of Google Cloud, by its key or by workload identity federation.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "has(self.serviceAccountKey) != has(self.workloadIdentity)", "message": "exactly one of serviceAccountKey and workloadIdentity must be set"}
]))]
pub struct GoogleCloudCredential {
    /// A key of the service account: the JSON that Google Cloud gives, of type service_account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_key: Option<ServiceAccountKey>,
    /// Workload identity federation: the token of a Kubernetes service account is exchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_identity: Option<GoogleWorkloadIdentity>,
}

/// A key of a service account of Google Cloud.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceAccountKey {
    /// The Secret that holds it, in the provider's own namespace.
    pub secret_ref: SecretKeyRef,
}

/// Workload identity federation with Google Cloud.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GoogleWorkloadIdentity {
    /// The provider of the pool, such as
    /// `//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/cluster`.
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^[^\s]+$"))]
    pub audience: String,
    /// The service account, in the provider's own namespace, whose token is exchanged.
    #[schemars(length(min = 1, max = 253))]
    pub service_account_name: String,
    /// The e-mail address of the service account of Google Cloud that is then impersonated; none by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 6, max = 254), regex(pattern = r"^[a-z0-9.-]+@[a-z0-9.-]+$"))]
    pub impersonate: Option<String>,
}

/// An application of Microsoft Entra ID, by its secret or by workload identity.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "has(self.clientSecret) != has(self.serviceAccountName)", "message": "exactly one of clientSecret and serviceAccountName must be set"}
]))]
pub struct AzureCredential {
    /// The tenant: its id or one of its domains.
    #[serde(rename = "tenantID")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[A-Za-z0-9.-]+$"))]
    pub tenant_id: String,
    /// The application's id.
    #[serde(rename = "clientID")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9-]+$"))]
    pub client_id: String,
    /// A secret of the application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<ClientSecret>,
    /// The service account, in the provider's own namespace, whose token is exchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub service_account_name: Option<String>,
    /// Which cloud the tenant is in.
    #[serde(default)]
    pub authority: AzureAuthority,
}

/// A secret of an application.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientSecret {
    /// The Secret that holds it, in the provider's own namespace.
    pub secret_ref: SecretKeyRef,
}

/// A cloud of Microsoft's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
pub enum AzureAuthority {
    /// The public cloud.
    #[default]
    Public,
    /// Azure operated by 21Vianet.
    China,
    /// Azure Government.
    USGovernment,
}

/// OpenAI's workload identity: the token of a service account is exchanged.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OpenAICredential {
    /// The identity provider, as OpenAI's settings list it.
    #[serde(rename = "identityProviderID")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9_-]+$"))]
    pub identity_provider_id: String,
    /// The service account of OpenAI.
    #[serde(rename = "serviceAccountID")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9_-]+$"))]
    pub service_account_id: String,
    /// The Kubernetes service account, in the provider's own namespace, whose token is exchanged.
    #[schemars(length(min = 1, max = 253))]
    pub service_account_name: String,
}

impl Credential {
    /// The Secrets that it refers to.
    pub fn secret_refs(&self) -> impl Iterator<Item = &SecretKeyRef> {
        let api_key = self.api_key.iter().map(|key| &key.secret_ref);
        let aws = self.aws.iter().filter_map(|aws| aws.static_keys.as_ref()).flat_map(AwsStaticKeys::secret_refs);
        let google = self.google_cloud.iter().filter_map(|google| google.service_account_key.as_ref());
        let azure = self.azure.iter().filter_map(|azure| azure.client_secret.as_ref());
        api_key.chain(aws).chain(google.map(|key| &key.secret_ref)).chain(azure.map(|secret| &secret.secret_ref))
    }
}

impl AwsStaticKeys {
    /// The Secrets that it refers to.
    pub fn secret_refs(&self) -> impl Iterator<Item = &SecretKeyRef> {
        [&self.access_key_id_ref, &self.secret_access_key_ref].into_iter().chain(&self.session_token_ref)
    }
}
