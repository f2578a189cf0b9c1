//! Google: a service account's key for an access token, and a foreign token for one, by way of a service account or not.
//! Sources: developers.google.com/identity/protocols/oauth2/service-account, cloud.google.com/iam/docs/reference/sts,
//! cloud.google.com/iam/docs/reference/credentials. These hosts are global: they learn who asks, and nothing of calls.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde_json::json;

use super::GOOGLE_TOKEN_URI;
use super::error::ExchangeError;
use super::http::{HttpRequest, is_made_of};
use super::oauth;
use super::step::{Exchanged, Step};
use crate::secret::Secret;

/// Whom we ask with a key.
pub(super) const OAUTH: &str = "Google's OAuth endpoint";
/// Whom we ask with a token.
pub(super) const STS: &str = "Google's Security Token Service";
/// Whom we ask for a service account's token.
const CREDENTIALS: &str = "Google's IAM Credentials API";

const STS_URI: &str = "https://sts.googleapis.com/v1/token";
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// How long an assertion may be used; the most that Google takes.
const ASSERTION_LIFE: i64 = 3600;

/// The audience that a Kubernetes token must have for a provider of a workload identity pool: the provider's default.
pub(super) fn subject_audience(audience: &str) -> String {
    format!("https:{audience}")
}

/// A key file, as far as we use it.
#[derive(Deserialize)]
struct KeyFile {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    client_email: String,
    #[serde(default)]
    private_key: String,
    private_key_id: Option<String>,
    token_uri: Option<String>,
    universe_domain: Option<String>,
}

/// Asks for a token with an assertion that a service account's key signs.
pub(super) fn service_account(key: &Secret, now: Timestamp) -> Result<HttpRequest, ExchangeError> {
    let unusable = |what: &str| ExchangeError::unusable(OAUTH, what);
    // What serde says of it might quote it.
    let file: KeyFile = serde_json::from_str(key.reveal())
        .map_err(|_| unusable("the Secret must hold the JSON of a service account's key"))?;
    let private_key = Secret::new(file.private_key);
    if file.kind != "service_account" {
        return Err(unusable(
            "the JSON's type must be service_account; another kind of credential may name commands and hosts of its own",
        ));
    }
    if file.token_uri.is_some_and(|uri| uri != GOOGLE_TOKEN_URI) {
        return Err(unusable(
            "the JSON's token_uri must be https://oauth2.googleapis.com/token; no other host is asked",
        ));
    }
    if file.universe_domain.is_some_and(|domain| domain != "googleapis.com") {
        return Err(unusable("the JSON's universe_domain must be googleapis.com"));
    }
    let email = mail(OAUTH, "the JSON's client_email", &file.client_email)?;
    let mut header = json!({"alg": "RS256", "typ": "JWT"});
    if let Some(id) = file.private_key_id {
        header["kid"] = id.into();
    }
    let issued = now.as_second();
    let claims =
        json!({"iss": email, "scope": SCOPE, "aud": GOOGLE_TOKEN_URI, "iat": issued, "exp": issued + ASSERTION_LIFE});
    let encode = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(&header), encode(&claims));
    let signature = rs256(&private_key, signed.as_bytes())
        .ok_or_else(|| unusable("the JSON's private_key must be an RSA key in PEM"))?;
    let assertion = Secret::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)));
    let pairs = [("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", assertion.reveal())];
    Ok(HttpRequest::form(GOOGLE_TOKEN_URI.to_owned(), &pairs))
}

/// RSASSA-PKCS1-v1_5 with SHA-256: the same bytes sign the same text, whatever is drawn for blinding.
fn rs256(key: &Secret, text: &[u8]) -> Option<Vec<u8>> {
    let key = PrivateKeyDer::from_pem_slice(key.reveal().as_bytes()).ok()?;
    let pair = if let PrivateKeyDer::Pkcs1(der) = &key {
        RsaKeyPair::from_der(der.secret_pkcs1_der()).ok()?
    } else {
        // A key that is no RSA key of PKCS #8 is refused here.
        RsaKeyPair::from_pkcs8(key.secret_der()).ok()?
    };
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature).ok()?;
    Some(signature)
}

/// The address of a service account, which may stand in a path.
fn mail<'a>(who: &'static str, field: &str, value: &'a str) -> Result<&'a str, ExchangeError> {
    let is_mail = is_made_of(value, b"@.-_", 254) && value.split('@').filter(|part| !part.is_empty()).count() == 2;
    if is_mail && value.matches('@').count() == 1 {
        return Ok(value);
    }
    Err(ExchangeError::unusable(who, format!("{field} must be a service account's mail address")))
}

/// Asks for a token with a foreign one.
pub(super) fn token_exchange(
    audience: &str,
    impersonate: Option<&str>,
    token: &str,
) -> Result<HttpRequest, ExchangeError> {
    let path = audience.strip_prefix("//iam.googleapis.com/projects/");
    if !path.is_some_and(|path| is_made_of(path, b"/-_.", 512)) {
        let must = "audience must be //iam.googleapis.com/projects/NUMBER/locations/global/workloadIdentityPools/POOL/\
                    providers/PROVIDER";
        return Err(ExchangeError::unusable(STS, must));
    }
    // Said before anything is sent.
    if let Some(email) = impersonate {
        mail(CREDENTIALS, "the service account to act as", email)?;
    }
    let pairs = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("audience", audience),
        ("scope", SCOPE),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
        ("subject_token", token),
    ];
    Ok(HttpRequest::form(STS_URI.to_owned(), &pairs))
}

/// Asks for a service account's token with a federated one.
fn impersonation(email: &str, token: &Secret) -> Result<HttpRequest, ExchangeError> {
    let email = mail(CREDENTIALS, "the service account to act as", email)?;
    let url =
        format!("https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{email}:generateAccessToken");
    let mut request = HttpRequest::json(url, &json!({"scope": [SCOPE]}));
    request.headers.push(("authorization", Secret::new(format!("Bearer {}", token.reveal()))));
    Ok(request)
}

/// Reads an answer to an assertion.
pub(super) fn read_service_account(status: u16, body: &[u8], now: Timestamp) -> Result<Exchanged, ExchangeError> {
    if status == 200 {
        return oauth::granted(OAUTH, body, now);
    }
    let code = oauth::code(body);
    let fix = match code.as_str() {
        "invalid_grant" => {
            "the key must be one of the service account that is not deleted, and the clock here must be right within \
             minutes"
        }
        "invalid_client" | "unauthorized_client" => "the service account must exist and be enabled",
        _ => "the service account's key must be active, and the clock here must be right",
    };
    Err(ExchangeError::status(OAUTH, status, &code, fix))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Generated {
    access_token: String,
    expire_time: Timestamp,
}

/// Reads an answer to a foreign token, or to the request that came of it. Which of the two it is shows by its form.
pub(super) fn read_token_exchange(
    status: u16,
    body: &[u8],
    impersonate: Option<&str>,
    now: Timestamp,
) -> Result<Step, ExchangeError> {
    if status == 200 {
        let Some(email) = impersonate else { return oauth::granted(STS, body, now).map(Step::Done) };
        let Ok(generated) = serde_json::from_slice::<Generated>(body) else {
            let federated = oauth::granted(STS, body, now)?;
            return impersonation(email, &federated.secret).map(Step::Next);
        };
        let expires = oauth::ahead(CREDENTIALS, generated.expire_time, now)?;
        return oauth::bearer(CREDENTIALS, generated.access_token, expires).map(Step::Done);
    }
    let code = oauth::code(body);
    let is_of_credentials = code.bytes().any(|byte| byte.is_ascii_uppercase());
    let (who, fix) = if is_of_credentials {
        let fix = "the federated identity must have roles/iam.workloadIdentityUser on the service account to act as, and \
                   the IAM Credentials API must be enabled in its project";
        (CREDENTIALS, fix)
    } else {
        let fix = "the pool's provider must trust the cluster's issuer and its allowed audiences must hold \
                   https: and the audience; its attribute condition must let the ServiceAccount pass, and the clocks must be \
                   right";
        (STS, fix)
    };
    Err(ExchangeError::status(who, status, &code, fix))
}
