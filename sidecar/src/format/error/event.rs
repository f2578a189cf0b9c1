//! Errors where an answer should be: an event of a stream, or a body with status 200.
//!
//! Sources: OpenAI (nested under `error`), OpenAI's Responses (flat `type: error`, or inside `response.failed`), OpenRouter
//! (beside or inside `choices`), Anthropic, Google (also in a list), AWS (an exception message, or `__type`), Ollama and TGI
//! (a text under `error`), Mistral and SGLang (flat `object: error`).

use memchr::memmem;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use super::body::ErrorBody;
use super::{LONGEST_TEXT, ProviderError, finish};
use crate::format::Format;

/// What is told of an error that says nothing.
pub(super) const SILENT: &str = "the provider reported an error without a message";

/// The keys by which an error is known; their values are not read before one is.
#[derive(Deserialize)]
struct Probe<'a> {
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    object: Option<&'a RawValue>,
    #[serde(borrow, rename = "__type")]
    aws: Option<&'a RawValue>,
    #[serde(borrow, alias = "Message")]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    output: Option<&'a RawValue>,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
    #[serde(borrow)]
    choices: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Inner<'a> {
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// The error in an event or in a body with status 200; none when it is anything else. Costs one pass over what mentions
/// `error` at all, and next to nothing otherwise.
pub fn read_event(format: Format, data: &[u8]) -> Option<ProviderError> {
    let data = data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data).trim_ascii();
    let mentions = |word: &str| memmem::find(data, word.as_bytes()).is_some();
    let may_be_exception = format == Format::Converse && mentions("essage\"");
    if !(may_be_exception || mentions("\"error\"") || mentions("\"__type\"")) {
        return None;
    }
    let found = if data.starts_with(b"[") {
        let probes: Vec<Probe<'_>> = serde_json::from_slice(data).ok()?;
        find(format, probes.first()?, data)?
    } else {
        find(format, &serde_json::from_slice(data).ok()?, data)?
    };
    let error: Value = serde_json::from_slice(found).ok()?;
    let mut body = ErrorBody::default();
    body.take(&error, 0);
    Some(finish(format, None, body, silent))
}

/// The error in an event that is known to be one by its name: an exception of an AWS event stream, or SSE's `event: error`,
/// behind which may stand plain text.
pub fn read_exception(format: Format, name: &str, payload: &[u8]) -> ProviderError {
    let mut body = ErrorBody::default();
    body.word(name);
    body.read(payload);
    if body.message.is_empty() && payload.len() <= LONGEST_TEXT && !payload.trim_ascii_start().starts_with(b"<") {
        let is_json = serde_json::from_slice::<IgnoredAny>(payload).is_ok();
        let text = std::str::from_utf8(payload).ok().filter(|_| !is_json);
        text.unwrap_or_default().clone_into(&mut body.message);
    }
    finish(format, None, body, silent)
}

fn silent() -> String {
    SILENT.to_owned()
}

/// The part that holds the error.
fn find<'a>(format: Format, probe: &Probe<'a>, whole: &'a [u8]) -> Option<&'a [u8]> {
    // Where the error is an object, what stands beside it is the answer's.
    if let Some(error) = probe.error.filter(|error| says(error) && error.get().starts_with(['{', '['])) {
        return Some(error.get().as_bytes());
    }
    let is = |value: Option<&RawValue>, word: &str| value.is_some_and(|value| value.get() == word);
    if probe.error.is_some_and(says)
        || is(probe.kind, "\"error\"")
        || is(probe.object, "\"error\"")
        || probe.aws.is_some()
        || format == Format::Converse && probe.output.is_none() && probe.message.is_some_and(is_text)
    {
        return Some(whole);
    }
    let inner = |value: &'a RawValue| -> Option<&'a [u8]> {
        let inner: Inner<'a> = serde_json::from_str(value.get()).ok()?;
        inner.error.filter(|error| says(error)).map(|error| error.get().as_bytes())
    };
    if let Some(found) = probe.response.and_then(inner) {
        return Some(found);
    }
    let choices: Vec<&'a RawValue> = serde_json::from_str(probe.choices?.get()).ok()?;
    choices.into_iter().find_map(inner)
}

/// Whether what stands under `error` is one: many answers carry an empty one.
fn says(error: &RawValue) -> bool {
    !matches!(error.get(), "null" | "false" | "\"\"" | "{}" | "[]" | "0")
}

fn is_text(value: &RawValue) -> bool {
    value.get().starts_with('"')
}
