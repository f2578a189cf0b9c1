//! Credentials that are exchanged for short-lived ones: which ones manifests ask for, and by what; what is asked of whom,
//! what the answer gives, and when it is due again. Pure: tokens, answers, the time and chance come as values. Who exchanges
//! them fills [`Manifests::exchanged`], and until then `compile` refuses the candidate with `credential_pending`.
//!
//! Hosts are fixed, or made of a region or a cloud that is known here; no manifest names one. [`Ledger`] says what is due,
//! [`request`] and [`read`] how it is asked; the operator and the sidecar's folder mode send.
//!
//! The result is the access token alone for Google Cloud, Azure and OpenAI, and for AWS the JSON of [`AwsKeys`].

use serde::{Deserialize, Serialize};

use crate::compile::Resolved;
use crate::manifests::Manifests;
use crate::name::ObjectName;
use crate::provider::{
    AwsCredential, AwsStaticKeys, AzureAuthority, AzureCredential, Credential, GoogleCloudCredential, SecretKeyRef,
};
use crate::secret::Secret;

mod aws;
mod azure;
mod error;
mod google;
mod http;
mod ledger;
mod oauth;
mod openai;
pub mod refresh;
mod step;
mod subject;

pub use error::ExchangeError;
pub use http::HttpRequest;
pub use ledger::{Ended, Ledger, Wanted};
pub use step::{Exchanged, Inputs, Step, read, request};

/// The only place where a key of a service account of Google Cloud may be exchanged. A key that names another would send
/// a signed assertion there.
pub const GOOGLE_TOKEN_URI: &str = "https://oauth2.googleapis.com/token";

/// What an exchange is known by: the provider, and everything that it says. Another word is another exchange.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExchangeKey {
    /// The provider; Secrets and service accounts are those of its namespace.
    pub provider: ObjectName,
    /// What is exchanged for what.
    pub kind: ExchangeKind,
}

/// A credential that must be exchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// What it is known by.
    pub key: ExchangeKey,
    /// The Secrets whose values it needs, in the provider's namespace.
    pub secrets: Vec<SecretKeyRef>,
    /// The service account whose token it needs, in the provider's namespace.
    pub service_account: Option<String>,
}

/// What is exchanged for what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExchangeKind {
    /// A service account's token for the keys of a role: STS AssumeRoleWithWebIdentity.
    AwsWebIdentity {
        /// The region whose STS is asked.
        region: String,
        /// The role.
        role_arn: String,
        /// What CloudTrail calls the session.
        session_name: String,
        /// The service account.
        service_account_name: String,
    },
    /// Keys for the keys of a role: STS AssumeRole.
    AwsAssumeRole {
        /// The region whose STS is asked.
        region: String,
        /// The role.
        role_arn: String,
        /// What CloudTrail calls the session.
        session_name: String,
        /// What the role's trust policy asks for.
        external_id: Option<String>,
        /// The keys that sign the call.
        keys: AwsStaticKeys,
    },
    /// A service account's token for the keys of the role that EKS associates with it.
    AwsPodIdentity {
        /// The region of the cluster.
        region: String,
        /// The cluster.
        cluster_name: String,
        /// The service account.
        service_account_name: String,
    },
    /// A key of a service account of Google Cloud for an access token.
    GoogleServiceAccount {
        /// The key.
        key: SecretKeyRef,
    },
    /// A service account's token for an access token of Google Cloud.
    GoogleWorkloadIdentity {
        /// The provider of the pool.
        audience: String,
        /// The service account.
        service_account_name: String,
        /// The service account of Google Cloud that is then impersonated.
        impersonate: Option<String>,
    },
    /// A secret or a service account's token for an access token of Microsoft Entra ID.
    Azure {
        /// The tenant.
        tenant_id: String,
        /// The application.
        client_id: String,
        /// What proves that we are the application.
        proof: AzureProof,
        /// Which cloud the tenant is in.
        authority: AzureAuthority,
    },
    /// A service account's token for an access token of OpenAI.
    OpenAI {
        /// The identity provider.
        identity_provider_id: String,
        /// OpenAI's service account.
        service_account_id: String,
        /// The service account.
        service_account_name: String,
    },
}

/// What proves that we are an application of Microsoft Entra ID.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AzureProof {
    /// A secret.
    ClientSecret(SecretKeyRef),
    /// The token of a service account.
    ServiceAccount(String),
}

/// Keys that sign calls to AWS, as they travel: the value of a signing key, and the result of AWS's exchanges.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AwsKeys {
    /// The access key's id.
    pub access_key_id: String,
    /// The secret access key.
    pub secret_access_key: String,
    /// The session's token, where keys are short-lived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_token: Option<String>,
}

impl AwsKeys {
    /// As it travels.
    pub fn to_secret(&self) -> Secret {
        Secret::new(serde_json::to_string(self).expect("strings are JSON"))
    }
}

/// Every credential that must be exchanged for these manifests. One whose Secrets are not there, or can't be used, is left
/// out: `compile` and `survey` say so.
pub fn exchanges(manifests: &Manifests) -> Vec<Exchange> {
    let of = |(name, spec)| {
        let resolved = Resolved::new(manifests, name, spec).ok()?;
        let key = resolved.exchange()?;
        let exchange = Exchange::new(key);
        let is_usable = exchange.secrets.iter().all(|reference| {
            let value = manifests.secret(&name.namespace, reference);
            value.is_some_and(|value| exchange.key.kind.refusal(reference, value).is_none())
        });
        is_usable.then_some(exchange)
    };
    manifests.providers.iter().filter_map(of).collect()
}

/// Takes every exchange for done: for who only explains what manifests mean, and calls nobody.
pub fn assume(manifests: &mut Manifests) {
    let assumed: Vec<ExchangeKey> = exchanges(manifests).into_iter().map(|exchange| exchange.key).collect();
    manifests.exchanged.extend(assumed.into_iter().map(|key| (key, Secret::unread())));
}

impl Exchange {
    fn new(key: ExchangeKey) -> Self {
        let (secrets, service_account) = match &key.kind {
            ExchangeKind::AwsAssumeRole { keys, .. } => (keys.secret_refs().cloned().collect(), None),
            ExchangeKind::GoogleServiceAccount { key } => (vec![key.clone()], None),
            ExchangeKind::Azure { proof: AzureProof::ClientSecret(secret), .. } => (vec![secret.clone()], None),
            ExchangeKind::Azure { proof: AzureProof::ServiceAccount(service_account_name), .. }
            | ExchangeKind::AwsWebIdentity { service_account_name, .. }
            | ExchangeKind::AwsPodIdentity { service_account_name, .. }
            | ExchangeKind::GoogleWorkloadIdentity { service_account_name, .. }
            | ExchangeKind::OpenAI { service_account_name, .. } => (Vec::new(), Some(service_account_name.clone())),
        };
        Self { key, secrets, service_account }
    }
}

impl ExchangeKind {
    /// What a credential must be exchanged for; nothing when it is sent as it is. `region` is the provider's.
    pub(crate) fn of(credential: &Credential, region: Option<&str>) -> Option<Self> {
        let Credential { kind: _, api_key: _, aws, google_cloud, azure, open_ai } = credential;
        if let Some(aws) = aws {
            return Self::of_aws(aws, region.unwrap_or_default());
        }
        if let Some(GoogleCloudCredential { service_account_key, workload_identity }) = google_cloud {
            let by_key = service_account_key.as_ref();
            return by_key.map(|key| Self::GoogleServiceAccount { key: key.secret_ref.clone() }).or_else(|| {
                workload_identity.clone().map(|identity| Self::GoogleWorkloadIdentity {
                    audience: identity.audience,
                    service_account_name: identity.service_account_name,
                    impersonate: identity.impersonate,
                })
            });
        }
        if let Some(AzureCredential { tenant_id, client_id, client_secret, service_account_name, authority }) = azure {
            let secret = client_secret.as_ref().map(|secret| AzureProof::ClientSecret(secret.secret_ref.clone()));
            return Some(Self::Azure {
                tenant_id: tenant_id.clone(),
                client_id: client_id.clone(),
                proof: secret.or_else(|| service_account_name.clone().map(AzureProof::ServiceAccount))?,
                authority: *authority,
            });
        }
        open_ai.clone().map(|identity| Self::OpenAI {
            identity_provider_id: identity.identity_provider_id,
            service_account_id: identity.service_account_id,
            service_account_name: identity.service_account_name,
        })
    }

    fn of_aws(aws: &AwsCredential, region: &str) -> Option<Self> {
        let region = region.to_owned();
        if let Some(identity) = &aws.pod_identity {
            return Some(Self::AwsPodIdentity {
                region,
                cluster_name: identity.cluster_name.clone(),
                service_account_name: identity.service_account_name.clone(),
            });
        }
        let role = aws.assume_role.clone()?;
        let session_name = role.session_name.unwrap_or_else(|| "lotse".to_owned());
        Some(match (role.service_account_name, aws.static_keys.clone()) {
            (Some(service_account_name), _) => {
                Self::AwsWebIdentity { region, role_arn: role.role_arn, session_name, service_account_name }
            }
            (None, keys) => Self::AwsAssumeRole {
                region,
                role_arn: role.role_arn,
                session_name,
                external_id: role.external_id,
                keys: keys?,
            },
        })
    }

    /// Why a value of its Secrets can't be exchanged; nothing when it can.
    pub(crate) fn refusal(&self, reference: &SecretKeyRef, value: &Secret) -> Option<String> {
        match self {
            Self::GoogleServiceAccount { key } if key == reference && !value.is_unread() => {
                service_account_key_refusal(value)
            }
            Self::GoogleServiceAccount { .. }
            | Self::AwsWebIdentity { .. }
            | Self::AwsAssumeRole { .. }
            | Self::AwsPodIdentity { .. }
            | Self::GoogleWorkloadIdentity { .. }
            | Self::Azure { .. }
            | Self::OpenAI { .. } => None,
        }
    }
}

/// Google's libraries take many types of credentials, and some of them name places to send things to. One is taken here.
/// Source: <https://cloud.google.com/docs/authentication/external/externally-sourced-credentials>
fn service_account_key_refusal(value: &Secret) -> Option<String> {
    let Ok(key) = serde_json::from_str::<serde_json::Value>(value.reveal()) else {
        return Some("the key must be the JSON that Google Cloud gives for a service account".to_owned());
    };
    let text = |field: &str| key.get(field).and_then(serde_json::Value::as_str).unwrap_or_default();
    if text("type") != "service_account" {
        return Some(format!("the key must be of type service_account, not `{}`", shortened(text("type"))));
    }
    if text("token_uri") != GOOGLE_TOKEN_URI {
        return Some(format!("the key's token_uri must be {GOOGLE_TOKEN_URI}, and is another"));
    }
    None
}

/// A word of a Secret that people are told: a type, and never more than a type can have.
fn shortened(word: &str) -> &str {
    let is_word = word.len() <= 40 && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if is_word { word } else { "something else" }
}

#[cfg(test)]
mod tests;
