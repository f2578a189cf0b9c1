//! Writes answers: a whole one, a stream, a refusal, a failure. Nothing of a provider's headers goes on but what is
//! listed here.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::Value;

use crate::attempt::{Answer, Answered};
use crate::failure::Failure;
use crate::lane::Lane;
use crate::openai;
use crate::pieces;
use crate::record::{OK, Record};
use crate::stream::{AnswerBody, Flow};

/// A provider's headers that an app may see. `set-cookie`, `location`, `refresh`, `link` and `alt-svc` are not among
/// them: they would lead an app past the sidecar.
const PASSED_ON: [&str; 8] = [
    "openai-processing-ms",
    "retry-after",
    "x-ratelimit-limit-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset-tokens",
];

const PROVIDER: HeaderName = HeaderName::from_static("x-lotse-provider");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-lotse-request-id");
const ATTEMPTS: HeaderName = HeaderName::from_static("x-lotse-attempts");
const REVISION: HeaderName = HeaderName::from_static("x-lotse-revision");
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// Writes what a candidate said.
pub fn write(answered: Answered, mut record: Record, revision: &HeaderValue) -> Response<AnswerBody> {
    let Answered { lane, headers: upstream, answer } = answered;
    let mut headers = HeaderMap::with_capacity(12);
    mark(&mut headers, &record, Some(revision));
    if let Ok(provider) = HeaderValue::from_str(&lane.provider) {
        headers.insert(PROVIDER, provider);
    }
    for name in upstream.keys().filter(|name| PASSED_ON.contains(&name.as_str())) {
        headers.extend(upstream.get(name).map(|value| (name.clone(), value.clone())));
    }
    let (status, body) = match answer {
        Answer::Whole(answer, scanned) => {
            let (pieces, tokens) = openai::annotate(&answer, &scanned, &lane.provider, lane.price.as_ref());
            if let Some(tokens) = tokens {
                record.counts(tokens, lane.price.as_ref().map(|price| price.cost(tokens)));
            }
            let body = AnswerBody::pieces(pieces::put_together(&answer, pieces));
            record.ends(200, OK);
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            (StatusCode::OK, body)
        }
        Answer::Stream(begun) => {
            record.has_content();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            (StatusCode::OK, AnswerBody::Stream(Box::new(Flow::new(*begun, record))))
        }
        Answer::Refusal(status, body) => {
            let body = refusal(status, &body, &lane, &record.request_id);
            record.ends(status.as_u16(), "invalid_request");
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
            (status, AnswerBody::whole(body))
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// What the provider says of a request that is the caller's fault; it never holds a credential, and is always JSON.
fn refusal(status: StatusCode, body: &[u8], lane: &Lane, request_id: &str) -> Bytes {
    if let Ok(text) = std::str::from_utf8(body)
        && serde_json::from_str::<Value>(text).is_ok_and(|body| body.is_object())
    {
        return Bytes::from(lane.scrub(text));
    }
    let failure = Failure::InvalidRequest(format!(
        "{} refused the request with status {} and said nothing that can be passed on",
        lane.provider,
        status.as_u16()
    ));
    Bytes::from(openai::error(&failure, request_id, &[]).to_string())
}

/// Writes a failure, and ends the record.
pub fn fail(failure: &Failure, record: Record, revision: Option<&HeaderValue>) -> Response<AnswerBody> {
    let mut headers = HeaderMap::with_capacity(8);
    mark(&mut headers, &record, revision);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // SDKs would repeat what has already been tried everywhere, or what no repetition mends.
    let may_retry = matches!(failure, Failure::RateLimited { .. } | Failure::NotConfigured | Failure::PolicyStale);
    headers.insert(SHOULD_RETRY, HeaderValue::from_static(if may_retry { "true" } else { "false" }));
    if let Failure::MethodNotAllowed(allowed) = failure {
        headers.insert(header::ALLOW, HeaderValue::from_static(allowed));
    }
    if let Failure::RateLimited { wait: Some(wait) } = failure {
        // Rounded up: who comes back too early is turned away again.
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if matches!(failure, Failure::NotConfigured | Failure::PolicyStale) {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if matches!(failure, Failure::PayloadTooLarge) {
        // The rest of the body is not read; the connection can't carry another call.
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let body = openai::error(failure, &record.request_id, record.attempts()).to_string();
    record.ends(failure.status().as_u16(), failure.code());
    let mut response = Response::new(AnswerBody::whole(Bytes::from(body)));
    *response.status_mut() = failure.status();
    *response.headers_mut() = headers;
    response
}

fn mark(headers: &mut HeaderMap, record: &Record, revision: Option<&HeaderValue>) {
    if let Ok(id) = HeaderValue::from_str(&record.request_id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(ATTEMPTS, HeaderValue::from(record.attempt_count()));
    if let Some(revision) = revision {
        headers.insert(REVISION, revision.clone());
    }
}

/// A JSON answer of the sidecar itself.
pub fn json(status: StatusCode, body: &Value) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::whole(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
