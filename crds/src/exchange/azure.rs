//! Azure: a client secret or a foreign token for an access token of Entra ID.
//! Source: learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow and
//! learn.microsoft.com/entra/identity-platform/reference-error-codes.

use jiff::Timestamp;
use serde_json::Value;

use super::error::ExchangeError;
use super::http::{HttpRequest, is_made_of};
use super::oauth;
use super::step::Exchanged;
use crate::provider::AzureAuthority;

/// Whom we ask.
pub(super) const ENTRA: &str = "Entra ID";
/// The audience of a token that stands for a client secret.
pub(super) const AUDIENCE: &str = "api://AzureADTokenExchange";

/// What proves who asks.
pub(super) enum Proof<'a> {
    /// A client secret.
    ClientSecret(&'a str),
    /// A foreign token.
    Assertion(&'a str),
}

/// Asks for a token.
pub(super) fn request(
    authority: AzureAuthority,
    (tenant, client_id): (&str, &str),
    proof: &Proof<'_>,
) -> Result<HttpRequest, ExchangeError> {
    if !is_made_of(tenant, b".-", 253) || tenant.starts_with('.') {
        return Err(ExchangeError::unusable(ENTRA, "tenantID must be a tenant's id or domain"));
    }
    if !is_made_of(client_id, b"-", 64) {
        return Err(ExchangeError::unusable(ENTRA, "clientID must be an application's id"));
    }
    let (host, scope) = match authority {
        AzureAuthority::Public => ("login.microsoftonline.com", "https://cognitiveservices.azure.com/.default"),
        AzureAuthority::USGovernment => ("login.microsoftonline.us", "https://cognitiveservices.azure.us/.default"),
        AzureAuthority::China => ("login.chinacloudapi.cn", "https://cognitiveservices.azure.cn/.default"),
    };
    let mut pairs = vec![("client_id", client_id), ("grant_type", "client_credentials"), ("scope", scope)];
    match proof {
        Proof::ClientSecret(secret) => pairs.push(("client_secret", secret)),
        Proof::Assertion(token) => {
            pairs.push(("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"));
            pairs.push(("client_assertion", token));
        }
    }
    Ok(HttpRequest::form(format!("https://{host}/{tenant}/oauth2/v2.0/token"), &pairs))
}

/// Reads an answer.
pub(super) fn read(status: u16, body: &[u8], now: Timestamp) -> Result<Exchanged, ExchangeError> {
    if status == 200 {
        return oauth::granted(ENTRA, body, now);
    }
    let error: Value = serde_json::from_slice(body).unwrap_or_default();
    let number = error["error_codes"][0].as_u64();
    let code = number.map_or_else(|| oauth::code(body), |number| format!("AADSTS{number}"));
    let fix = match number {
        Some(70021 | 700_211 | 700_212 | 700_213 | 700_223) => {
            "the application must have a federated credential with the cluster's issuer, audience \
             api://AzureADTokenExchange and subject system:serviceaccount:NAMESPACE:NAME of the ServiceAccount"
        }
        Some(700_024) => "the token is not valid at this time; the clocks must be right",
        Some(7_000_215) => "the Secret must hold the client secret's value, not its id",
        Some(7_000_222) => "the client secret has expired; the Secret must hold a new one",
        Some(700_016) => "the application must exist in this tenant; clientID and tenantID must be right",
        Some(90002 | 900_023) => "tenantID must be the id or a domain of a tenant that exists",
        Some(500_011) => "the tenant must have Azure's AI services (cognitiveservices.azure.com)",
        _ => "tenantID, clientID and the credential must belong together, and the clock here must be right",
    };
    Err(ExchangeError::status(ENTRA, status, &code, fix))
}
