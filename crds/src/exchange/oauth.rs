//! What token endpoints have in common: an access token and its lifetime in seconds, or an error's code.
//! Source: RFC 6749, sections 5.1 and 5.2; RFC 8693, section 2.2.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::error::ExchangeError;
use super::http::is_plain;
use super::step::Exchanged;
use crate::secret::Secret;

/// The longest access token: it travels in a header.
const LONGEST_ACCESS_TOKEN: usize = 16 * 1024;
/// The longest that a credential is held without being exchanged anew.
const LONGEST_LIFE: i64 = 24 * 60 * 60;

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: Value,
}

/// Reads an answer with status 200.
pub(super) fn granted(who: &'static str, body: &[u8], now: Timestamp) -> Result<Exchanged, ExchangeError> {
    let granted: Granted = serde_json::from_slice(body)
        .map_err(|_| ExchangeError::malformed(who, "its answer has no access_token and expires_in"))?;
    // A number by the RFC; some say it as a string.
    let seconds = match &granted.expires_in {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let seconds = seconds.filter(|seconds: &f64| seconds.is_finite() && *seconds >= 1.0);
    #[expect(clippy::cast_possible_truncation, reason = "a whole number of seconds is meant, and it is bounded")]
    let seconds = seconds.map(|seconds| (seconds as i64).min(LONGEST_LIFE));
    let expires = seconds.and_then(|seconds| now.checked_add(SignedDuration::from_secs(seconds)).ok());
    let expires = expires.ok_or(ExchangeError::malformed(who, "its expires_in is no lifetime"))?;
    bearer(who, granted.access_token, expires)
}

/// A token that can stand in a header, until `expires`.
pub(super) fn bearer(who: &'static str, token: String, expires: Timestamp) -> Result<Exchanged, ExchangeError> {
    let secret = Secret::new(token);
    if !is_plain(secret.reveal(), LONGEST_ACCESS_TOKEN) {
        return Err(ExchangeError::malformed(who, "its access token is no visible ASCII"));
    }
    Ok(Exchanged { secret, expires })
}

/// A time that is given as such: it must lie ahead, and what lies far ahead is cut.
pub(super) fn ahead(who: &'static str, expires: Timestamp, now: Timestamp) -> Result<Timestamp, ExchangeError> {
    if expires <= now {
        let what = "it has expired already, by our clock; the clock here must be right";
        return Err(ExchangeError::malformed(who, what));
    }
    let latest = now.checked_add(SignedDuration::from_secs(LONGEST_LIFE)).unwrap_or(expires);
    Ok(expires.min(latest))
}

/// The code of an error: `{"error": "invalid_grant"}`, or Google's `{"error": {"status": "PERMISSION_DENIED"}}`.
pub(super) fn code(body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let error = &body["error"];
    let code = error.as_str().or(error["status"].as_str()).or(error["code"].as_str()).unwrap_or_default();
    code.to_owned()
}
