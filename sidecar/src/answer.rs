//! Writes answers: a whole one, a stream, a refusal, a failure. Nothing of a provider's headers goes on but what is
//! listed here.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use lotse_crds::price::Tokens;
use serde_json::Value;

use crate::attempt::{Answer, Answered};
use crate::caller::{self, Told};
use crate::failure::Failure;
use crate::format::Format;
use crate::lane::Lane;
use crate::metadata::Metadata;
use crate::moment;
use crate::openai;
use crate::pieces;
use crate::record::{OK, Record};
use crate::stream::{AnswerBody, Flow};

/// A provider's headers that an app may see. `set-cookie`, `location`, `refresh`, `link` and `alt-svc` are not among
/// them: they would lead an app past the sidecar.
const PASSED_ON: [&str; 11] = [
    "anthropic-ratelimit-requests-remaining",
    "anthropic-ratelimit-tokens-remaining",
    "openai-processing-ms",
    "request-id",
    "retry-after",
    "x-ratelimit-limit-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset-tokens",
];

/// The longest wait for which an SDK may sleep. Anthropic's sleeps for as long as it is told, be it weeks; OpenAI's gives up
/// beyond two minutes.
const LONGEST_NAP: Duration = Duration::from_mins(2);

/// The longest list of names in a header, in characters.
const LONGEST_LIST: usize = 1024;

const PROVIDER: HeaderName = HeaderName::from_static("x-lotse-provider");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-lotse-request-id");
const ATTEMPTS: HeaderName = HeaderName::from_static("x-lotse-attempts");
const REVISION: HeaderName = HeaderName::from_static("x-lotse-revision");
const DROPPED: HeaderName = HeaderName::from_static("x-lotse-dropped");
const ESTIMATED: HeaderName = HeaderName::from_static("x-lotse-estimated");
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// Charges what a whole answer counts; of one that counts nothing what its bytes are, four to a token.
fn counts(record: &mut Record, (lane, began): (&Lane, std::time::Instant), tokens: Option<Tokens>, bytes: usize) {
    let Some(tokens) = tokens else { return record.estimates(bytes as u64 / 4, lane.price.as_ref()) };
    lane.wrote(tokens.output, began);
    record.counts(tokens, lane.price.as_ref().map(|price| price.cost(tokens)));
}

/// Writes what a candidate said.
pub fn write(answered: Answered, mut record: Record, revision: &HeaderValue) -> Response<AnswerBody> {
    let Answered { lane, began, headers: upstream, dropped, answer } = answered;
    let mut metadata = record.metadata.take();
    let mut headers = HeaderMap::with_capacity(12);
    mark(&mut headers, &record, Some(revision));
    if let Ok(provider) = HeaderValue::from_str(&lane.provider) {
        headers.insert(PROVIDER, provider);
    }
    if !dropped.is_empty()
        && let Ok(names) = HeaderValue::from_str(&listed(&dropped))
    {
        headers.insert(DROPPED, names);
    }
    for name in upstream.keys().filter(|name| PASSED_ON.contains(&name.as_str())) {
        headers.extend(upstream.get(name).map(|value| (name.clone(), value.clone())));
    }
    let (status, body) = match answer {
        Answer::Whole(answer, scanned) => {
            let (pieces, tokens) = openai::annotate(&answer, &scanned, lane.told(), openai::CHAT);
            counts(&mut record, (&lane, began), tokens, answer.len());
            let body = AnswerBody::pieces(pieces::put_together(&answer, pieces));
            record.ends(200, OK);
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            (StatusCode::OK, body)
        }
        Answer::Written(answer, kind, tokens) => {
            counts(&mut record, (&lane, began), tokens, answer.len());
            record.ends(200, OK);
            headers.insert(header::CONTENT_TYPE, kind);
            (StatusCode::OK, AnswerBody::whole(answer))
        }
        Answer::Stream(begun) => {
            record.has_content();
            let kind = begun.kind.clone();
            let kind = kind.unwrap_or(HeaderValue::from_static("text/event-stream; charset=utf-8"));
            headers.insert(header::CONTENT_TYPE, kind);
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            (StatusCode::OK, AnswerBody::Stream(Box::new(Flow::new(*begun, record, metadata.take()))))
        }
        Answer::Refusal(status, body, _) => {
            record.ends(status.as_u16(), "invalid_request");
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
            (status, AnswerBody::whole(body))
        }
    };
    let mut response = Response::new(told(body, metadata));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// A whole body with the metadata in it, if the app wants it.
fn told(body: AnswerBody, metadata: Option<Metadata>) -> AnswerBody {
    match (body, metadata) {
        (AnswerBody::Whole(pieces), Some(metadata)) => {
            let whole = Vec::from(pieces).concat();
            AnswerBody::whole(metadata.beside(Bytes::from(whole)))
        }
        (body @ (AnswerBody::Whole(_) | AnswerBody::Stream(_)), _) => body,
    }
}

/// Names for a header: an app chooses some of them, so what no header can hold is shown as `?`.
fn listed(names: &[String]) -> String {
    let visible = |letter: char| if letter.is_ascii_graphic() || letter == ' ' { letter } else { '?' };
    names.join(", ").chars().take(LONGEST_LIST).map(visible).collect()
}

/// Writes how many tokens a call has, when nobody was asked: an estimate, and marked as one.
pub fn estimate(tokens: u64, record: Record, revision: &HeaderValue) -> Response<AnswerBody> {
    let mut response = json(StatusCode::OK, &serde_json::json!({"input_tokens": tokens}));
    mark(response.headers_mut(), &record, Some(revision));
    response.headers_mut().insert(ESTIMATED, HeaderValue::from_static("true"));
    record.ends(200, OK);
    response
}

/// Writes a failure, and ends the record.
pub fn fail(
    caller: Format,
    failure: &Failure,
    mut record: Record,
    revision: Option<&HeaderValue>,
) -> Response<AnswerBody> {
    let mut headers = HeaderMap::with_capacity(8);
    mark(&mut headers, &record, revision);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // SDKs would repeat what has already been tried everywhere, or what no repetition mends.
    let may_retry = matches!(
        failure,
        Failure::RateLimited { .. } | Failure::LimitReached { .. } | Failure::NotConfigured | Failure::PolicyStale
    ) && failure.wait(moment::now()).is_none_or(|wait| wait <= LONGEST_NAP);
    headers.insert(SHOULD_RETRY, HeaderValue::from_static(if may_retry { "true" } else { "false" }));
    if let Failure::MethodNotAllowed(allowed) = failure {
        headers.insert(header::ALLOW, HeaderValue::from_static(allowed));
    }
    if let Some(wait) = failure.wait(moment::now()) {
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
    let told = Told { failure, request_id: &record.request_id, attempts: record.attempts() };
    let body = AnswerBody::whole(Bytes::from(caller::body(caller, told).to_string()));
    let body = self::told(body, record.metadata.take());
    record.ends(failure.status().as_u16(), failure.code());
    let mut response = Response::new(body);
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
