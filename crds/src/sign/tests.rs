//! Against the published vectors of AWS and of OpenAI's SDK for Bedrock, found by `LOTSE_VECTORS`; and what goes wrong.

use std::path::{Path, PathBuf};

use aws_sigv4::http_request::{PercentEncodingMode, SessionTokenMode};
use base64::Engine as _;
use serde_json::Value;

use super::*;

fn vectors() -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "a test finds its vectors by it")]
    let found = std::env::var("LOTSE_VECTORS").ok().map(PathBuf::from);
    if found.is_none() {
        println!("skipped: LOTSE_VECTORS is not set");
    }
    found
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn keys(credentials: &Value) -> AwsKeys {
    let get = |snake: &str, camel: &str| credentials[snake].as_str().or(credentials[camel].as_str()).map(str::to_owned);
    AwsKeys {
        access_key_id: get("access_key_id", "accessKeyId").expect("an id"),
        secret_access_key: get("secret_access_key", "secretAccessKey").expect("a key"),
        session_token: get("token", "sessionToken").or(get("session_token", "sessionToken")),
    }
}

fn example() -> AwsKeys {
    AwsKeys {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
        session_token: None,
    }
}

fn value<'a>(headers: &'a [SignatureHeader], name: &str) -> Option<&'a str> {
    headers.iter().find(|header| header.name == name).map(|header| header.value.reveal())
}

/// A request as the vectors write it.
struct Written {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Written {
    fn read(text: &str) -> Self {
        let text = text.replace("\r\n", "\n");
        let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
        let mut lines = head.lines();
        let first = lines.next().expect("a request line");
        let first = first.strip_suffix(" HTTP/1.1").unwrap_or(first);
        let (method, path) = first.split_once(' ').expect("a method");
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in lines {
            match line.split_once(':') {
                Some((name, value)) if !line.starts_with(' ') => {
                    headers.push((name.to_owned(), value.trim().to_owned()));
                }
                _ => {
                    let (_, value) = headers.last_mut().expect("a header before");
                    value.push(' ');
                    value.push_str(line.trim());
                }
            }
        }
        Self { method: method.to_owned(), path: path.to_owned(), headers, body: body.to_owned() }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn folders(of: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> =
        std::fs::read_dir(of).expect("a folder").map(|entry| entry.expect("one").path()).collect();
    all.sort();
    all
}

#[test]
fn signs_as_the_vectors_of_aws_want_it() {
    let Some(vectors) = vectors() else { return };
    let cases = folders(&vectors.join("sigv4/aws-c-auth/v4"));
    for case in &cases {
        let context: Value = serde_json::from_str(&read(&case.join("context.json"))).expect("JSON");
        let written = Written::read(&read(&case.join("request.txt")));
        let mut settings = SigningSettings::default();
        settings.uri_path_normalization_mode = context["normalize"].as_bool().expect("a flag").into();
        if context["sign_body"] == Value::Bool(true) {
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        if context["omit_session_token"] == Value::Bool(true) {
            settings.session_token_mode = SessionTokenMode::Exclude;
        }
        // No wire carries a space: the case is about a path that is still to be encoded.
        let path = written.path.replace(' ', "%20");
        if path != written.path {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
        }
        let headers: Vec<_> = written.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let request = Signable {
            method: &written.method,
            host: "example.amazonaws.com",
            path: &path,
            headers: &headers,
            body: Payload::Bytes(written.body.as_bytes()),
        };
        let (service, region) = (context["service"].as_str(), context["region"].as_str());
        let scope = Scope { service: service.expect("a service"), region: region.expect("a region") };
        let now = context["timestamp"].as_str().and_then(|time| time.parse().ok()).expect("a time");

        let signed = sign_as(&request, &keys(&context["credentials"]), scope, (now, settings));

        let signed = signed.unwrap_or_else(|error| panic!("{}: {error}", case.display()));
        let expected = Written::read(&read(&case.join("header-signed-request.txt")));
        assert_eq!(value(&signed, "authorization"), expected.header("authorization"), "{}", case.display());
        assert_eq!(value(&signed, "x-amz-date"), expected.header("x-amz-date"), "{}", case.display());
        assert_eq!(value(&signed, "x-amz-security-token"), expected.header("x-amz-security-token"));
    }
    assert!(cases.len() >= 38, "{}", cases.len());
}

#[test]
fn a_path_that_is_encoded_already_is_encoded_once_more() {
    let Some(vectors) = vectors() else { return };
    let case = vectors.join("sigv4/smithy-rs-extra/v4/double-url-encode");
    let written = Written::read(&read(&case.join("request.txt")));
    let host = written.header("host").expect("a host");
    let request =
        Signable { method: &written.method, host, path: &written.path, headers: &[], body: Payload::Bytes(b"") };
    let scope = Scope { service: "lambda", region: "us-east-2" };
    let now = "2021-05-11T15:40:45Z".parse().expect("a time");

    // Its signature belongs to keys that are not published; the canonical request that it was made of is.
    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
    let signed = sign_as(&request, &example(), scope, (now, settings)).expect("a signature");

    let canonical = read(&case.join("header-canonical-request.txt"));
    assert!(canonical.contains("arn%253Aaws%253A"));
    let authorization = value(&signed, "authorization").expect("one");
    assert!(authorization.ends_with(&signature_of(&canonical, "20210511T154045Z", "us-east-2", "lambda")));
}

#[test]
fn an_at_sign_in_a_path_is_encoded_and_what_is_encoded_is_encoded_once_more() {
    let Some(vectors) = vectors() else { return };
    let case = vectors.join("sigv4/smithy-rs-extra/v4/double-encode-path");
    let written = Written::read(&read(&case.join("request.txt")));
    let headers = [("host", written.header("host").expect("a host"))];
    let request = Signable {
        method: &written.method,
        host: "",
        path: &written.path,
        headers: &headers,
        body: Payload::Bytes(b""),
    };
    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
    let now = "2021-05-11T15:40:45Z".parse().expect("a time");

    let signed = sign_as(&request, &example(), Scope { service: "service", region: "us-east-1" }, (now, settings));

    let canonical = read(&case.join("header-canonical-request.txt"));
    let signed = signed.expect("a signature");
    let authorization = value(&signed, "authorization").expect("one");
    assert!(authorization.ends_with(&signature_of(&canonical, "20210511T154045Z", "us-east-1", "service")));
}

/// The signature of a canonical request, written out step by step.
fn signature_of(canonical: &str, time: &str, region: &str, service: &str) -> String {
    use aws_lc_rs::{digest, hmac};
    let hash = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
    let day = &time[..8];
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{day}/{region}/{service}/aws4_request\n{hash}");
    let step =
        |key: &[u8], text: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec();
    let mut key = format!("AWS4{}", example().secret_access_key).into_bytes();
    for part in [day, region, service, "aws4_request"] {
        key = step(&key, part);
    }
    hex(&step(&key, &text))
}

#[test]
fn signs_as_the_openai_sdk_does_for_bedrock() {
    let Some(vectors) = vectors() else { return };
    let case: Value =
        serde_json::from_str(&read(&vectors.join("bedrock-openai-sdk/bedrock/v1/sigv4.json"))).expect("JSON");
    let url: http::Uri = case["request"]["url"].as_str().and_then(|url| url.parse().ok()).expect("a URL");
    let request = Signable {
        method: "POST",
        host: url.host().expect("a host"),
        path: url.path(),
        headers: &[("content-type", "application/json")],
        body: Payload::Bytes(case["request"]["body"].as_str().expect("a body").as_bytes()),
    };
    let scope = Scope { service: "bedrock-mantle", region: "us-east-1" };
    let now = case["signingDate"].as_str().and_then(|time| time.parse().ok()).expect("a time");

    let signed = sign(&request, &keys(&case["credentials"]), scope, now).expect("a signature");

    let expected = &case["expected"];
    assert_eq!(value(&signed, "authorization"), expected["authorization"].as_str());
    assert_eq!(value(&signed, "x-amz-content-sha256"), expected["payloadHash"].as_str());
    assert_eq!(value(&signed, "x-amz-date"), expected["date"].as_str());
    assert_eq!(value(&signed, "x-amz-security-token"), Some("fixture-session-token"));
}

#[test]
fn signs_as_the_openai_sdks_share_it() {
    let Some(vectors) = vectors() else { return };
    let suite: Value =
        serde_json::from_str(&read(&vectors.join("bedrock-openai-sdk/bedrock_auth/v1/cases.json"))).expect("JSON");
    let mut tested = 0;
    for case in suite["cases"].as_array().expect("cases").iter().filter(|case| case["kind"] == "sigv4") {
        let (given, expected) = (&case["given"], &case["expected"]["headers"]);
        let url: http::Uri = given["request"]["url"].as_str().and_then(|url| url.parse().ok()).expect("a URL");
        let headers: Vec<_> = given["request"]["headers"].as_object().expect("headers").iter().collect();
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str().expect("text"))).collect();
        let body = given["request"]["body_base64"].as_str().expect("a body");
        let body = base64::engine::general_purpose::STANDARD.decode(body).expect("base64");
        let request = Signable {
            method: "POST",
            host: url.host().expect("a host"),
            path: url.path(),
            headers: &headers,
            body: Payload::Bytes(&body),
        };
        let service = given["signing"]["service"].as_str().expect("a service");
        let scope = Scope { service, region: given["signing"]["region"].as_str().expect("a region") };
        let now = given["signing"]["timestamp"].as_str().and_then(|time| time.parse().ok()).expect("a time");

        let signed = sign(&request, &keys(&given["credentials"]), scope, now).expect("a signature");

        for (name, wanted) in expected.as_object().expect("headers") {
            assert_eq!(value(&signed, name), wanted.as_str(), "{}: {name}", case["id"]);
        }
        assert_eq!(signed.len(), expected.as_object().expect("headers").len());
        tested += 1;
    }
    assert!(tested >= 2);
}

#[test]
fn a_header_that_hops_change_is_not_signed_and_a_digest_stands_for_the_body() {
    let headers = [
        ("Content-Type", "application/json"),
        ("Connection", "keep-alive"),
        ("User-Agent", "x"),
        ("Authorization", "Bearer y"),
        ("X-Amz-Date", "19700101T000000Z"),
        ("TE", "trailers"),
    ];
    let mut request = Signable {
        method: "POST",
        host: "bedrock-runtime.eu-central-1.amazonaws.com",
        path: "/model/eu.anthropic.claude%3A0/converse",
        headers: &headers,
        body: Payload::Bytes(b"{}"),
    };
    let scope = Scope { service: "bedrock", region: "eu-central-1" };
    let now = "2026-11-24T12:00:00Z".parse().expect("a time");

    let signed = sign(&request, &example(), scope, now).expect("a signature");

    let authorization = value(&signed, "authorization").expect("one");
    assert!(authorization.contains("SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date, "));
    let digest = value(&signed, "x-amz-content-sha256").expect("one").to_owned();
    request.body = Payload::Sha256(&digest);
    let again = sign(&request, &example(), scope, now).expect("a signature");
    assert_eq!(value(&again, "authorization"), Some(authorization));
    assert_eq!(value(&signed, "x-amz-security-token"), None);
}

#[test]
fn what_can_t_be_signed_is_an_error_that_tells_nothing_of_it() {
    let scope = Scope { service: "bedrock", region: "eu-central-1" };
    let base = Signable { method: "GET", host: "h", path: "/", headers: &[], body: Payload::Bytes(b"") };
    for request in [
        Signable { path: "/a b", ..base },
        Signable { headers: &[("na me", "v")], ..base },
        Signable { headers: &[("name", "v\nw")], ..base },
        Signable { headers: &[("name", "ü\u{0}")], ..base },
    ] {
        let signed = sign(&request, &example(), scope, Timestamp::UNIX_EPOCH);

        assert_eq!(signed.err(), Some(SignError::Request), "{request:?}");
    }
}

#[test]
fn keys_travel_as_json_and_what_is_none_is_refused() {
    let mut keys = example();
    keys.session_token = Some("to\"ken".to_owned());

    let text = keys.to_secret();
    let read = AwsKeys::read(&text).expect("what was written");

    assert_eq!(
        text.reveal(),
        r#"{"accessKeyId":"AKIDEXAMPLE","secretAccessKey":"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY","sessionToken":"to\"ken"}"#
    );
    assert_eq!(read.session_token.as_deref(), Some("to\"ken"));
    assert!(AwsKeys::read(&example().to_secret()).expect("keys").session_token.is_none());
    for wrong in ["", "AKIDEXAMPLE", "{}", r#"{"accessKeyId":"a","secretAccessKey":""}"#] {
        assert_eq!(AwsKeys::read(&secret(wrong)).err(), Some(SignError::Keys), "{wrong}");
    }
}
