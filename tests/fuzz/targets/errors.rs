//! Refusals: bodies, events and exceptions with an error, and how long they ask to wait.
#![no_main]

use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use lotse_fuzz::{CALLERS, PROVIDERS, assert_stream, draw, write_stream};
use lotse_sidecar::format::error::{self, ErrorResponse};
use lotse_sidecar::format::event::ModelEvent;
use lotse_sidecar::format::wait;

const STATUSES: [u16; 10] = [400, 401, 403, 404, 413, 422, 429, 500, 503, 529];

const HEADERS: [&str; 8] = [
    "content-type",
    "retry-after",
    "retry-after-ms",
    "x-amzn-errortype",
    "x-ratelimit-reset-requests",
    "x-ratelimit-remaining-requests",
    "anthropic-ratelimit-tokens-reset",
    "ratelimit-reset",
];

/// Lines before an empty one are headers: the first byte draws the name, the rest is the value.
fn headers(data: &[u8]) -> (HeaderMap, &[u8]) {
    let mut headers = HeaderMap::new();
    let mut rest = data;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let (line, behind) = (&rest[..end], &rest[end + 1..]);
        rest = behind;
        let Some((name, value)) = draw(line, &HEADERS) else { break };
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    (headers, rest)
}

fuzz_target!(|data: &[u8]| {
    let Some((provider, data)) = draw(data, &PROVIDERS) else { return };
    let Some((status, data)) = draw(data, &STATUSES) else { return };
    let (headers, body) = headers(data);
    let response = ErrorResponse { status, headers: &headers, body };
    let refusal = error::read(provider, &response);
    let now = Timestamp::constant(1_764_000_000, 0);
    let waits =
        [wait::asked(&response, &refusal, now), wait::of_headers(&headers, now), wait::of_resets(&headers, now)];
    assert!(waits.iter().flatten().all(|wait| wait.as_secs() <= 24 * 60 * 60), "{waits:?}");
    let text = String::from_utf8_lossy(body);
    let waits = [wait::length(&text), wait::in_words(&text)];
    assert!(waits.iter().flatten().all(|wait| wait.as_secs() <= 24 * 60 * 60), "{waits:?}");
    let name = headers.get("content-type").and_then(|name| name.to_str().ok()).unwrap_or("ThrottlingException");
    let exception = error::read_exception(provider, name, body);
    let found = error::read_event(provider, body);
    for refusal in [Some(refusal), Some(exception), found].into_iter().flatten() {
        assert!(refusal.message.chars().count() <= 2000 && !refusal.message.contains(char::is_control), "{refusal:?}");
        for caller in CALLERS {
            let status = error::status(caller, &refusal);
            assert!(status.is_client_error() || status.is_server_error(), "{status}");
            assert!(error::write(caller, &refusal, "id")["error"]["message"].is_string());
            assert_stream(&write_stream(caller, &[ModelEvent::Failed(refusal.clone())]));
        }
    }
});
