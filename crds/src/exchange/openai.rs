//! OpenAI: a foreign token for an access token of a service account.
//! Source: OpenAI's SDK for Python, `openai/auth`.

use jiff::Timestamp;
use serde_json::json;

use super::error::ExchangeError;
use super::http::{HttpRequest, is_made_of};
use super::oauth;
use super::step::Exchanged;

/// Whom we ask.
pub(super) const WHO: &str = "OpenAI's token endpoint";
/// The audience of a token for OpenAI.
pub(super) const AUDIENCE: &str = "https://api.openai.com/v1";

/// Asks for a token.
pub(super) fn request(
    identity_provider: &str,
    service_account: &str,
    token: &str,
) -> Result<HttpRequest, ExchangeError> {
    for (field, value) in [("identityProviderID", identity_provider), ("serviceAccountID", service_account)] {
        if !is_made_of(value, b"-_.:", 256) {
            return Err(ExchangeError::unusable(WHO, format!("{field} must be an id that OpenAI has given")));
        }
    }
    let body = json!({
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": token,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "identity_provider_id": identity_provider,
        "service_account_id": service_account,
    });
    Ok(HttpRequest::json("https://auth.openai.com/oauth/token".to_owned(), &body))
}

/// Reads an answer.
pub(super) fn read(status: u16, body: &[u8], now: Timestamp) -> Result<Exchanged, ExchangeError> {
    if status == 200 {
        return oauth::granted(WHO, body, now);
    }
    let fix = "the identity provider at OpenAI must know the cluster's issuer and audience https://api.openai.com/v1, and \
               the service account must be bound to the ServiceAccount's subject; the clocks must be right";
    Err(ExchangeError::status(WHO, status, &oauth::code(body), fix))
}
