//! One vocabulary for what providers say went wrong, whatever their codes and statuses. What may be tried elsewhere follows
//! the class alone.
//!
//! A body is read in two steps: `body` collects words, numbers and sentences from every shape that an error comes in, and
//! `class` makes one class of them. `write` tells a caller in its own dialect. Called by `attempt`, `tap`, `answer` and the
//! dialects' stream readers and writers.

mod body;
mod class;
mod event;
mod sentences;
mod words;
mod write;

use std::time::Duration;

use http::HeaderMap;

use self::body::ErrorBody;
use super::Format;

pub use self::event::{read_event, read_exception};
pub use self::write::{code, kind, response_code, status, told, write};

/// The longest message, in characters.
const LONGEST_MESSAGE: usize = 2000;
/// The longest plain text that is taken for a message.
const LONGEST_TEXT: usize = 500;

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The request is wrong, and would be anywhere.
    Caller,
    /// The credential is missing, wrong or not allowed.
    Auth,
    /// The provider has no such model, deployment or path.
    NotFound,
    /// Too many requests or tokens for now.
    RateLimit,
    /// Money or a quota is used up; waiting seconds does not help.
    Quota,
    /// The provider has too much to do.
    Overload,
    /// The prompt does not fit the model's context.
    ContextLength,
    /// A filter took the prompt.
    ContentFilter,
    /// The provider cannot do what a field asks for.
    Unsupported,
    /// The provider failed.
    Server,
    /// What came is not the provider's dialect.
    UpstreamProtocol,
    /// Nothing came in time.
    Timeout,
    /// No connection could be made.
    Unreachable,
    /// The provider does not serve this region, or the credential belongs to another one.
    Residency,
}

impl ErrorClass {
    /// The stable word, in logs, metrics and `metadata.attempts`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Caller => "invalid_request",
            Self::Auth => "unauthorized",
            Self::NotFound => "not_found",
            Self::RateLimit => "rate_limited",
            Self::Quota => "quota_exhausted",
            Self::Overload => "overloaded",
            Self::ContextLength => "context_length",
            Self::ContentFilter => "content_filter",
            Self::Unsupported => "unsupported_field",
            Self::Server => "server_error",
            Self::UpstreamProtocol => "broken_answer",
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::Residency => "region_refused",
        }
    }
}

impl ErrorClass {
    /// What it is, and what whoever runs the platform does about it; nothing where there is nothing to do but wait.
    pub fn advice(self) -> Option<&'static str> {
        match self {
            Self::Auth => {
                Some("it refuses our credential; see spec.credential of the LLMProvider, and what it may use there")
            }
            Self::NotFound => Some(
                "it has no such model, deployment or path; see models[].upstreamName and baseURL of the LLMProvider",
            ),
            Self::Quota => Some("the quota or credit there is used up"),
            Self::Residency => Some("it refuses this region; see region and baseURL of the LLMProvider"),
            Self::Caller
            | Self::RateLimit
            | Self::Overload
            | Self::ContextLength
            | Self::ContentFilter
            | Self::Unsupported
            | Self::Server
            | Self::UpstreamProtocol
            | Self::Timeout
            | Self::Unreachable => None,
        }
    }
}

/// What a provider says went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderError {
    /// What it comes to.
    pub class: ErrorClass,
    /// The provider's own code, type or status word, if there is one.
    pub code: Option<String>,
    /// The field that it names, if it names one.
    pub param: Option<String>,
    /// What it says to people. May quote the caller's input: goes back to the caller, never into a log.
    pub message: String,
    /// How long it asks to wait, as far as its body says so.
    pub wait: Option<Duration>,
}

/// A refusal as it came.
#[derive(Clone, Copy, Debug)]
pub struct ErrorResponse<'a> {
    /// The status; anything but 2xx.
    pub status: u16,
    /// The headers: Bedrock names the error in one.
    pub headers: &'a HeaderMap,
    /// The body, of any kind; empty if it was not read.
    pub body: &'a [u8],
}

/// Reads a refusal. A body that says nothing leaves the class to the status.
pub fn read(format: Format, response: &ErrorResponse<'_>) -> ProviderError {
    let mut body = ErrorBody::default();
    if let Some(name) = response.headers.get("x-amzn-errortype").and_then(|value| value.to_str().ok()) {
        body.word(name);
    }
    body.read(response.body);
    if body.message.is_empty() && is_readable_text(response) {
        body.message = String::from_utf8_lossy(response.body).into_owned();
    }
    let silent = || format!("the provider answered {} without an error that can be read", response.status);
    finish(format, Some(response.status), body, silent)
}

/// A server that cannot parse a request often says why in plain text, which the caller needs. Pages and a proxy's words about
/// its upstream are not for callers.
fn is_readable_text(response: &ErrorResponse<'_>) -> bool {
    let kind = response.headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    matches!(response.status, 400 | 413 | 422)
        && kind.is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/plain"))
        && response.body.len() <= LONGEST_TEXT
        && !response.body.trim_ascii_start().starts_with(b"<")
}

/// Makes an error of what was collected.
fn finish(format: Format, status: Option<u16>, body: ErrorBody, silent: impl Fn() -> String) -> ProviderError {
    let class = class::of(format, status, &body);
    let param = body.param.or_else(|| (class == ErrorClass::Unsupported).then(|| body::param_in(&body.message))?);
    let wait = body.wait.or_else(|| super::wait::in_words(&body.message)).map(|wait| wait.min(super::wait::LONGEST));
    let message = clean(&body.message);
    ProviderError {
        class,
        code: body.words.into_iter().next(),
        param: param.map(|param| clean(&param)),
        message: if message.is_empty() { silent() } else { message },
        wait,
    }
}

/// A provider's words for people: one line, without control characters, of bounded length.
fn clean(words: &str) -> String {
    let plain = words.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(LONGEST_MESSAGE).collect()
}

#[cfg(test)]
mod tests;
