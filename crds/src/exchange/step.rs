//! The steps of an exchange, over all kinds: what to send, and what an answer means.

use jiff::Timestamp;

use super::error::ExchangeError;
use super::http::{HttpRequest, is_plain};
use super::{AwsKeys, AzureProof, ExchangeKind, aws, azure, google, openai};
use crate::provider::{AwsStaticKeys, SecretKeyRef};
use crate::secret::Secret;

/// The longest token of an identity. Source: AWS STS, clientTokenType.
const LONGEST_TOKEN: usize = 20_000;

/// What an exchange needs besides what it says itself.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// The token of the identity that [`ExchangeKind::subject`] names.
    pub subject_token: Option<&'a Secret>,
    /// A value of a Secret in the provider's namespace.
    pub secret: &'a dyn Fn(&SecretKeyRef) -> Option<&'a Secret>,
}

/// A credential, and when it ends.
#[derive(Clone, Debug)]
pub struct Exchanged {
    /// A token for a bearer; of AWS, keys that [`AwsKeys::read`] reads.
    pub secret: Secret,
    /// From then on it is worth nothing.
    pub expires: Timestamp,
}

/// What an answer comes to.
#[derive(Clone, Debug)]
pub enum Step {
    /// The credential is there.
    Done(Exchanged),
    /// This is to be sent first. It happens once in an exchange.
    Next(HttpRequest),
}

/// The first request of an exchange.
pub fn request(kind: &ExchangeKind, inputs: Inputs<'_>, now: Timestamp) -> Result<HttpRequest, ExchangeError> {
    let who = kind.who();
    let token = || inputs.token(who);
    match kind {
        ExchangeKind::AwsWebIdentity { region, role_arn, session_name, service_account_name: _ } => {
            aws::web_identity(region, role_arn, (session_name, token()?))
        }
        ExchangeKind::AwsAssumeRole { region, role_arn, session_name, external_id, keys } => {
            let keys = inputs.keys(who, keys)?;
            aws::assume_role((region, role_arn, external_id.as_deref()), session_name, &keys, now)
        }
        ExchangeKind::AwsPodIdentity { region, cluster_name, service_account_name: _ } => {
            aws::pod_identity(region, cluster_name, token()?)
        }
        ExchangeKind::GoogleServiceAccount { key } => google::service_account(&inputs.secret_value(who, key)?, now),
        ExchangeKind::GoogleWorkloadIdentity { audience, impersonate, service_account_name: _ } => {
            google::token_exchange(audience, impersonate.as_deref(), token()?)
        }
        ExchangeKind::Azure { authority, tenant_id, client_id, proof } => match proof {
            AzureProof::ClientSecret(reference) => {
                let secret = inputs.secret_value(who, reference)?;
                azure::request(*authority, (tenant_id, client_id), &azure::Proof::ClientSecret(secret.reveal()))
            }
            AzureProof::ServiceAccount(_) => {
                azure::request(*authority, (tenant_id, client_id), &azure::Proof::Assertion(token()?))
            }
        },
        ExchangeKind::OpenAI { identity_provider_id, service_account_id, service_account_name: _ } => {
            openai::request(identity_provider_id, service_account_id, token()?)
        }
    }
}

/// What an answer means.
pub fn read(kind: &ExchangeKind, status: u16, body: &[u8], now: Timestamp) -> Result<Step, ExchangeError> {
    match kind {
        ExchangeKind::AwsWebIdentity { .. } => aws::read(status, body, aws::fix_of_web_identity, now).map(Step::Done),
        ExchangeKind::AwsAssumeRole { .. } => aws::read(status, body, aws::fix_of_keys, now).map(Step::Done),
        ExchangeKind::AwsPodIdentity { .. } => aws::read_pod_identity(status, body, now).map(Step::Done),
        ExchangeKind::GoogleServiceAccount { .. } => google::read_service_account(status, body, now).map(Step::Done),
        ExchangeKind::GoogleWorkloadIdentity { impersonate, .. } => {
            google::read_token_exchange(status, body, impersonate.as_deref(), now)
        }
        ExchangeKind::Azure { .. } => azure::read(status, body, now).map(Step::Done),
        ExchangeKind::OpenAI { .. } => openai::read(status, body, now).map(Step::Done),
    }
}

impl<'a> Inputs<'a> {
    fn token(&self, who: &'static str) -> Result<&'a str, ExchangeError> {
        let token = self.subject_token.map(|token| token.reveal().trim()).unwrap_or_default();
        if is_plain(token, LONGEST_TOKEN) {
            return Ok(token);
        }
        let what = if token.is_empty() { "there is no identity token" } else { "the identity token is none" };
        Err(ExchangeError::unusable(who, format!("{what}; must be one line of visible ASCII")))
    }

    fn keys(&self, who: &'static str, keys: &AwsStaticKeys) -> Result<AwsKeys, ExchangeError> {
        let value = |reference| Ok(self.secret_value(who, reference)?.reveal().to_owned());
        Ok(AwsKeys {
            access_key_id: value(&keys.access_key_id_ref)?,
            secret_access_key: value(&keys.secret_access_key_ref)?,
            session_token: keys.session_token_ref.as_ref().map(value).transpose()?,
        })
    }

    fn secret_value(&self, who: &'static str, reference: &SecretKeyRef) -> Result<Secret, ExchangeError> {
        let value = (self.secret)(reference).map(|secret| secret.reveal().trim()).unwrap_or_default();
        if value.is_empty() {
            let what = format!("Secret {} has no key `{}`", reference.name, reference.key);
            return Err(ExchangeError::unusable(who, what));
        }
        Ok(Secret::new(value.to_owned()))
    }
}
