//! Signs requests for AWS: Signature Version 4, in headers. Called for Bedrock by the sidecar and for STS by `exchange`.
//!
//! The path is taken as it is sent, percent-encoded once, and encoded once more for the signature, as all services but S3
//! want it. The time is a parameter.
//! Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html.

use std::fmt;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    self, PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
};
use aws_sigv4::sign::v4;
use jiff::Timestamp;

use crate::exchange::AwsKeys;
use crate::secret::Secret;

/// What hops change or take away, and what the signature itself brings.
const UNSIGNED: [&str; 15] = [
    "authorization",
    "connection",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
    "x-amzn-trace-id",
];

impl AwsKeys {
    /// Reads `{"accessKeyId", "secretAccessKey", "sessionToken"}`.
    pub fn read(text: &Secret) -> Result<Self, SignError> {
        // What serde would say of it might quote it.
        let keys: Self = serde_json::from_str(text.reveal()).map_err(|_| SignError::Keys)?;
        let is_whole = !keys.access_key_id.is_empty() && !keys.secret_access_key.is_empty();
        is_whole.then_some(keys).ok_or(SignError::Keys)
    }
}

/// A request, as far as it is signed.
#[derive(Clone, Copy, Debug)]
pub struct Signable<'a> {
    /// Such as POST.
    pub method: &'a str,
    /// The value of the Host header.
    pub host: &'a str,
    /// The path and the query, as they are sent.
    pub path: &'a str,
    /// The other headers; those that hops may change are left out here, and a Host among them wins.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body.
    pub body: Payload<'a>,
}

/// A body, as far as it is signed.
#[derive(Clone, Copy)]
pub enum Payload<'a> {
    /// Its bytes.
    Bytes(&'a [u8]),
    /// Its SHA-256, in lower-case hex digits.
    Sha256(&'a str),
}

impl fmt::Debug for Payload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[body]")
    }
}

/// Which service is asked, and where.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// Such as `bedrock`, `bedrock-mantle` or `sts`.
    pub service: &'a str,
    /// Such as `eu-central-1`; that of the host.
    pub region: &'a str,
}

/// A header that the signed request must carry, in place of one of the same name.
#[derive(Clone, Debug)]
pub struct SignatureHeader {
    /// In lower case.
    pub name: &'static str,
    /// Its value.
    pub value: Secret,
}

/// Why a request can't be signed. Names nothing of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The keys are not of the form in which they travel.
    #[error("its AWS keys must be JSON with accessKeyId, secretAccessKey and, if short-lived, sessionToken")]
    Keys,
    /// A header or the path can't be sent at all.
    #[error("its path or one of its headers can't be signed")]
    Request,
}

/// The headers that sign a request: `authorization`, `x-amz-date`, `x-amz-content-sha256` and, for short-lived keys,
/// `x-amz-security-token`.
pub fn sign(
    request: &Signable<'_>,
    keys: &AwsKeys,
    scope: Scope<'_>,
    now: Timestamp,
) -> Result<Vec<SignatureHeader>, SignError> {
    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Enabled;
    sign_as(request, keys, scope, (now, settings))
}

fn sign_as(
    request: &Signable<'_>,
    keys: &AwsKeys,
    scope: Scope<'_>,
    (now, settings): (Timestamp, SigningSettings),
) -> Result<Vec<SignatureHeader>, SignError> {
    let AwsKeys { access_key_id, secret_access_key, session_token } = keys;
    let credentials =
        Credentials::new(access_key_id.as_str(), secret_access_key.as_str(), session_token.clone(), None, "lotse");
    let identity = credentials.into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(scope.region)
        .name(scope.service)
        .time(SystemTime::from(now))
        .settings(settings)
        .build()
        .map_err(|_| SignError::Request)?;
    let is_signed = |(name, _): &&(&str, &str)| !UNSIGNED.iter().any(|other| name.eq_ignore_ascii_case(other));
    let mut headers: Vec<(&str, &str)> = request.headers.iter().filter(is_signed).copied().collect();
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        headers.push(("host", request.host));
    }
    // The body itself is not handed over: whoever signs might log it.
    let digest = match request.body {
        Payload::Bytes(bytes) => hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref()),
        Payload::Sha256(digest) => digest.to_owned(),
    };
    let body = SignableBody::Precomputed(digest);
    let signable = SignableRequest::new(request.method, request.path, headers.into_iter(), body)
        .map_err(|_| SignError::Request)?;
    let signed = http_request::sign(signable, &parameters.into()).map_err(|_| SignError::Request)?;
    let (headers, _) = signed.into_parts().0.into_parts();
    let kept = headers
        .iter()
        .map(|header| SignatureHeader { name: header.name(), value: Secret::new(header.value().to_owned()) });
    Ok(kept.collect())
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

#[cfg(test)]
mod tests;
