//! AWS: STS AssumeRoleWithWebIdentity and AssumeRole, and EKS Auth AssumeRoleForPodIdentity.
//! Sources: docs.aws.amazon.com/STS/latest/APIReference, docs.aws.amazon.com/eks/latest/APIReference
//! (API_auth_AssumeRoleForPodIdentity), and the partitions of docs.aws.amazon.com/general/latest/gr/rande.html.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::AwsKeys;
use super::error::ExchangeError;
use super::http::{HttpRequest, is_made_of, is_plain};
use super::oauth;
use super::step::Exchanged;
use crate::sign::{self, Payload, Scope, Signable};

/// Whom we ask.
pub(super) const STS: &str = "AWS STS";
/// Whom we ask.
pub(super) const EKS: &str = "EKS Auth";
/// The audience of a token for STS.
pub(super) const STS_AUDIENCE: &str = "sts.amazonaws.com";
/// The audience of a token for EKS Auth.
pub(super) const EKS_AUDIENCE: &str = "pods.eks.amazonaws.com";
/// The version of STS that is asked.
const VERSION: &str = "2011-06-15";

/// Where the hosts of a region end: classic ones, and those of newer services.
struct Partition {
    classic: &'static str,
    dual: &'static str,
}

/// The partition of a region. A region is `area-place-number`, and areas are known, so that nothing else becomes a host.
fn partition(who: &'static str, region: &str) -> Result<Partition, ExchangeError> {
    let parts: Vec<&str> = region.split('-').collect();
    let is_word = |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_number = |word: &&str| word.len() == 1 && word.bytes().all(|byte| byte.is_ascii_digit());
    let known = match parts.as_slice() {
        ["us", "gov", place, number] if is_word(place) && is_number(number) => Some("us-gov"),
        ["eusc", country, place, number] if is_word(country) && is_word(place) && is_number(number) => Some("eusc"),
        [area, place, number] if is_word(place) && is_number(number) => Some(*area),
        _ => None,
    };
    match known {
        Some("us" | "us-gov" | "eu" | "ap" | "sa" | "ca" | "me" | "af" | "il" | "mx") => {
            Ok(Partition { classic: "amazonaws.com", dual: "api.aws" })
        }
        Some("eusc") => Ok(Partition { classic: "amazonaws.eu", dual: "api.amazonwebservices.eu" }),
        Some("cn") => Ok(Partition { classic: "amazonaws.com.cn", dual: "api.amazonwebservices.com.cn" }),
        _ => Err(ExchangeError::unusable(who, "region must be one of AWS, such as eu-central-1")),
    }
}

fn sts_host(region: &str) -> Result<String, ExchangeError> {
    Ok(format!("sts.{region}.{}", partition(STS, region)?.classic))
}

fn role(role_arn: &str) -> Result<&str, ExchangeError> {
    let is_role = role_arn.starts_with("arn:aws") && role_arn.contains(":role/") && is_plain(role_arn, 2048);
    let must = "roleARN must be that of a role, such as arn:aws:iam::123456789012:role/bedrock";
    if is_role { Ok(role_arn) } else { Err(ExchangeError::unusable(STS, must)) }
}

/// A session's name of what was asked for: 2 to 64 characters of a small set. CloudTrail shows it.
fn session(name: &str) -> String {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    let name: String = name.chars().map(|c| if is_allowed(c) { c } else { '-' }).take(64).collect();
    if name.len() < 2 { "lotse".to_owned() } else { name }
}

/// Asks for a role with a token. Unsigned: the token is the proof.
pub(super) fn web_identity(
    region: &str,
    role_arn: &str,
    (name, token): (&str, &str),
) -> Result<HttpRequest, ExchangeError> {
    let pairs = [
        ("Action", "AssumeRoleWithWebIdentity"),
        ("Version", VERSION),
        ("RoleArn", role(role_arn)?),
        ("RoleSessionName", &session(name)),
        ("WebIdentityToken", token),
    ];
    Ok(HttpRequest::form(format!("https://{}/", sts_host(region)?), &pairs))
}

/// Asks for a role with long-lived keys.
pub(super) fn assume_role(
    (region, role_arn, external_id): (&str, &str, Option<&str>),
    name: &str,
    keys: &AwsKeys,
    now: Timestamp,
) -> Result<HttpRequest, ExchangeError> {
    let host = sts_host(region)?;
    let session = session(name);
    let mut pairs = vec![
        ("Action", "AssumeRole"),
        ("Version", VERSION),
        ("RoleArn", role(role_arn)?),
        ("RoleSessionName", session.as_str()),
    ];
    if let Some(id) = external_id {
        if !is_made_of(id, b"_+=,.@:/-", 1224) {
            return Err(ExchangeError::unusable(STS, "externalID must be letters, digits and _+=,.@:/- only"));
        }
        pairs.push(("ExternalId", id));
    }
    let mut request = HttpRequest::form(format!("https://{host}/"), &pairs);
    let signable = Signable {
        method: request.method.as_str(),
        host: &host,
        path: "/",
        headers: &[("content-type", "application/x-www-form-urlencoded")],
        body: Payload::Bytes(request.body.reveal().as_bytes()),
    };
    let signed = sign::sign(&signable, keys, Scope { service: "sts", region }, now)
        .map_err(|_| ExchangeError::unusable(STS, "its keys can't sign; they must be visible ASCII"))?;
    request.headers.extend(signed.into_iter().map(|header| (header.name, header.value)));
    Ok(request)
}

/// Asks for the role that EKS has for a ServiceAccount.
pub(super) fn pod_identity(region: &str, cluster: &str, token: &str) -> Result<HttpRequest, ExchangeError> {
    let partition = partition(EKS, region)?;
    if !is_made_of(cluster, b"-_", 100) || cluster.starts_with(['-', '_']) {
        return Err(ExchangeError::unusable(
            EKS,
            "cluster must be the name of an EKS cluster: letters, digits, - and _",
        ));
    }
    let url = format!("https://eks-auth.{region}.{}/clusters/{cluster}/assume-role-for-pod-identity", partition.dual);
    Ok(HttpRequest::json(url, &json!({"token": token})))
}

/// Reads an answer of STS.
pub(super) fn read(
    status: u16,
    body: &[u8],
    fix: fn(&str) -> &'static str,
    now: Timestamp,
) -> Result<Exchanged, ExchangeError> {
    let options = roxmltree::ParsingOptions { allow_dtd: false, nodes_limit: 1000, ..Default::default() };
    let text = std::str::from_utf8(body).unwrap_or_default();
    let Ok(document) = roxmltree::Document::parse_with_options(text, options) else {
        return Err(match status {
            200 => ExchangeError::malformed(STS, "its answer is no XML"),
            _ => ExchangeError::status(STS, status, "", fix("")),
        });
    };
    let child = |parent: &str, name: &str| {
        let parent = document.descendants().find(|node| node.tag_name().name() == parent)?;
        let child = parent.children().find(|node| node.tag_name().name() == name)?;
        child.text().map(str::trim).filter(|text| !text.is_empty())
    };
    if status != 200 {
        let code = child("Error", "Code").unwrap_or_default();
        return Err(ExchangeError::status(STS, status, code, fix(code)));
    }
    let found =
        |name| child("Credentials", name).ok_or(ExchangeError::malformed(STS, "its answer lacks a part of the keys"));
    let keys = AwsKeys {
        access_key_id: found("AccessKeyId")?.to_owned(),
        secret_access_key: found("SecretAccessKey")?.to_owned(),
        session_token: Some(found("SessionToken")?.to_owned()),
    };
    let expires =
        found("Expiration")?.parse().map_err(|_| ExchangeError::malformed(STS, "its Expiration is no time"))?;
    credential(STS, &keys, expires, now)
}

fn credential(
    who: &'static str,
    keys: &AwsKeys,
    expires: Timestamp,
    now: Timestamp,
) -> Result<Exchanged, ExchangeError> {
    let session = keys.session_token.as_ref();
    let parts = [Some(&keys.access_key_id), Some(&keys.secret_access_key), session];
    if parts.into_iter().flatten().any(|part| !is_plain(part, 16 * 1024)) {
        return Err(ExchangeError::malformed(who, "a part of its keys is no visible ASCII"));
    }
    Ok(Exchanged { secret: keys.to_secret(), expires: oauth::ahead(who, expires, now)? })
}

#[derive(Deserialize)]
struct PodIdentity {
    credentials: PodCredentials,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PodCredentials {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    /// Seconds since 1970.
    expiration: f64,
}

/// Reads an answer of EKS Auth.
pub(super) fn read_pod_identity(status: u16, body: &[u8], now: Timestamp) -> Result<Exchanged, ExchangeError> {
    if status != 200 {
        let code = serde_json::from_slice::<serde_json::Value>(body).unwrap_or_default();
        let code = code["__type"].as_str().or(code["code"].as_str()).unwrap_or_default();
        let code = code.rsplit('#').next().unwrap_or_default();
        return Err(ExchangeError::status(EKS, status, code, fix_of_pod_identity(code)));
    }
    let PodIdentity { credentials } = serde_json::from_slice(body)
        .map_err(|_| ExchangeError::malformed(EKS, "its answer lacks a part of the keys"))?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a second more or less does not matter; what is no time is refused"
    )]
    let expires = Timestamp::from_second(credentials.expiration as i64);
    let expires = expires.map_err(|_| ExchangeError::malformed(EKS, "its expiration is no time"))?;
    let keys = AwsKeys {
        access_key_id: credentials.access_key_id,
        secret_access_key: credentials.secret_access_key,
        session_token: Some(credentials.session_token),
    };
    credential(EKS, &keys, expires, now)
}

/// What to look at when STS refuses a token.
pub(super) fn fix_of_web_identity(code: &str) -> &'static str {
    match code {
        "AccessDenied" => {
            "the role's trust policy must allow sts:AssumeRoleWithWebIdentity for the cluster's issuer, with :aud \
             sts.amazonaws.com and :sub system:serviceaccount:NAMESPACE:NAME of the ServiceAccount"
        }
        "InvalidIdentityToken" | "IDPRejectedClaim" => {
            "the account must have an IAM OIDC provider of the cluster's issuer with audience sts.amazonaws.com"
        }
        "ExpiredTokenException" | "ExpiredToken" => "the token has expired on the way; the clocks must be right",
        _ => fix_of_any(code),
    }
}

/// What to look at when STS refuses keys.
pub(super) fn fix_of_keys(code: &str) -> &'static str {
    match code {
        "AccessDenied" => {
            "the role's trust policy must allow sts:AssumeRole for the keys' owner (and the external id, if it asks for \
             one), and so must the owner's own policy"
        }
        "InvalidClientTokenId" => {
            "accessKeyID is not known there (any more); the Secret must hold keys that are active"
        }
        "SignatureDoesNotMatch" => {
            "secretAccessKey must be that of accessKeyID, and the clock here must be right within five minutes"
        }
        "RequestExpired" => "the clock here must be right within five minutes",
        _ => fix_of_any(code),
    }
}

fn fix_of_any(code: &str) -> &'static str {
    match code {
        "RegionDisabledException" => "STS must be activated for this region in the account",
        "ValidationError" => "roleARN must be that of a role",
        _ => "the role, its trust policy, the region and the clock here must be right",
    }
}

fn fix_of_pod_identity(code: &str) -> &'static str {
    match code {
        "ResourceNotFoundException" => {
            "the cluster must have a Pod Identity association for the ServiceAccount in the provider's namespace"
        }
        "ExpiredTokenException" => "the token has expired on the way; the clocks must be right",
        "InvalidTokenException" => {
            "EKS Auth takes only tokens of its own cluster, with audience pods.eks.amazonaws.com; where it asks for a \
             running pod, web identity must be used instead"
        }
        _ => {
            "the cluster must have a Pod Identity association for the ServiceAccount, and the role must trust \
             pods.eks.amazonaws.com; where EKS Auth asks for a signed request, web identity must be used instead"
        }
    }
}
