//! What an error's body says, whatever its shape: OpenAI's envelope, Google's, Anthropic's, AWS's, a list of faults by field,
//! or flat. All shapes are understood from everybody: an OpenAI-compatible server often answers in the words of the framework
//! or gateway that it is made with.
//!
//! Sources: the providers' specs, and bodies as they came over the wire.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::format::wait;

/// How deep bodies quote bodies: a gateway quotes a provider's body as a text.
const DEEPEST: u8 = 8;
/// How many faults of a list are told.
const MOST_FAULTS: usize = 5;
/// No code is longer.
const LONGEST_WORD: usize = 100;
/// What a gateway says when the words that matter are the quoted provider's.
const HOLLOW: [&str; 2] = ["Provider returned error", "Upstream error"];
/// Whether and where a message names the field that it refuses: what stands before the name.
const BEFORE_PARAM: [&str; 6] = [
    "Unsupported parameter: '",
    "Unsupported value: '",
    "Unknown parameter: '",
    "Unrecognized request argument supplied: ",
    "Unknown name \"",
    "Unrecognized request arguments supplied: ",
];
/// What stands behind the name, where it comes first.
const BEHIND_PARAM: [&str; 2] = [": Extra inputs are not permitted", ": Extra fields not permitted"];

/// What an error's body says.
#[derive(Debug, Default)]
pub(super) struct ErrorBody {
    /// The sentence for people, as it came.
    pub(super) message: String,
    /// Codes, types, status words and reasons, the most telling first. The first is told.
    pub(super) words: Vec<String>,
    /// Further text that tells the class but is not passed on: names of quotas, debug notes, a quoted provider's body.
    pub(super) hints: String,
    /// The field that is at fault.
    pub(super) param: Option<String>,
    /// A status that the body names.
    pub(super) number: Option<u16>,
    /// How long to wait.
    pub(super) wait: Option<Duration>,
    /// Whether a quota is exceeded that is zero.
    pub(super) no_quota: bool,
}

impl ErrorBody {
    /// Reads a body; one that is neither JSON nor an event with JSON says nothing.
    pub(super) fn read(&mut self, body: &[u8]) {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii();
        // A server that was asked for a stream may refuse in one.
        let data = if body.starts_with(b"event:") || body.starts_with(b"data:") {
            body.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"data:"))
        } else {
            Some(body)
        };
        if let Some(value) = data.and_then(|data| serde_json::from_slice::<Value>(data).ok()) {
            self.take(&value, 0);
        }
    }

    /// Adds a code, type or status word. AWS writes `namespace#Name:address`.
    pub(super) fn word(&mut self, word: &str) {
        let word = word.rsplit('#').next().unwrap_or(word);
        let word = word.split(':').next().unwrap_or(word).trim();
        let says_nothing = ["", "error", "failed", "failure", "None", "null"].contains(&word);
        let is_word = word.len() <= LONGEST_WORD && word.bytes().all(|byte| byte.is_ascii_graphic());
        if says_nothing || !is_word || word.bytes().all(|byte| byte.is_ascii_digit()) {
            return;
        }
        if !self.words.iter().any(|known| known == word) {
            self.words.push(word.to_owned());
        }
    }

    /// Collects from any value that is, or holds, an error.
    pub(super) fn take(&mut self, value: &Value, depth: u8) {
        if depth > DEEPEST {
            return;
        }
        match value {
            // Google's compatible endpoint wraps its object in a list.
            Value::Array(list) => self.faults(list, depth),
            Value::String(text) => self.sentence(text, depth),
            Value::Object(object) => self.object(object, depth),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn object(&mut self, object: &Map<String, Value>, depth: u8) {
        let has_message = ["message", "error_description", "detail"].iter().any(|key| object.contains_key(*key));
        match object.get("error") {
            // `{"error": "not_found", "message": "…"}` and `{"error": "Unauthorized"}`.
            Some(Value::String(text)) => {
                self.word(text);
                if !has_message {
                    self.sentence(text, depth);
                }
            }
            Some(error) => self.take(error, depth + 1),
            None => {}
        }
        for key in ["code", "type", "__type", "status", "error_type", "reason"] {
            match object.get(key) {
                Some(Value::String(text)) => {
                    self.word(text);
                    self.status(text.parse().ok());
                }
                Some(Value::Number(number)) => self.status(number.as_u64()),
                Some(_) | None => {}
            }
        }
        for key in ["statusCode", "status_code", "originalStatusCode", "http_status"] {
            self.status(object.get(key).and_then(Value::as_u64));
        }
        if self.param.is_none() {
            let param = object.get("param").and_then(Value::as_str).filter(|param| !["", "None"].contains(param));
            self.param = param.map(ToOwned::to_owned);
        }
        for key in ["message", "Message", "error_description", "originalMessage", "detail", "msg", "title"] {
            if let Some(message) = object.get(key) {
                self.take(message, depth + 1);
            }
        }
        for key in ["innererror", "inner_error", "Output", "errors"] {
            if let Some(inner) = object.get(key) {
                self.take(inner, depth + 1);
            }
        }
        if let Some(Value::Array(details)) = object.get("details") {
            for detail in details {
                self.detail(detail, depth);
            }
        }
        if let Some(Value::Object(metadata)) = object.get("metadata") {
            self.metadata(metadata, depth);
        }
    }

    fn status(&mut self, number: Option<u64>) {
        let number = number.and_then(|number| u16::try_from(number).ok());
        self.number = self.number.or(number.filter(|number| (400..600).contains(number)));
    }

    /// The first sentence is the message; what comes after it only helps to tell the class.
    fn sentence(&mut self, text: &str, depth: u8) {
        let text = text.trim();
        if text.starts_with('{')
            && depth < DEEPEST
            && let Ok(quoted @ Value::Object(_)) = serde_json::from_str(text)
        {
            self.take(&quoted, depth + 1);
        } else if self.message.is_empty() || HOLLOW.contains(&self.message.as_str()) {
            text.clone_into(&mut self.message);
        } else {
            self.hint(Some(text));
        }
    }

    fn hint(&mut self, text: Option<&str>) {
        if let Some(text) = text {
            self.hints.push('\n');
            self.hints.push_str(text);
        }
    }

    /// A list of faults by field, as FastAPI makes it (`{loc, msg, type}`), or a list of errors.
    fn faults(&mut self, list: &[Value], depth: u8) {
        let mut told: Vec<String> = Vec::new();
        for fault in list.iter().take(MOST_FAULTS) {
            let (Some(path), Some(says)) = (fault.get("loc").and_then(path), fault.get("msg").and_then(Value::as_str))
            else {
                self.take(fault, depth + 1);
                continue;
            };
            if let Some(kind) = fault.get("type").and_then(Value::as_str) {
                self.word(kind);
            }
            told.push(if path.is_empty() { says.to_owned() } else { format!("{path}: {says}") });
            if self.param.is_none() && !path.is_empty() {
                self.param = Some(path);
            }
        }
        if !told.is_empty() {
            self.sentence(&told.join("; "), DEEPEST);
        }
    }

    /// One of Google's details, or of Azure's.
    fn detail(&mut self, detail: &Value, depth: u8) {
        let kind = detail.get("@type").and_then(Value::as_str).unwrap_or_default();
        match kind.rsplit('.').next().unwrap_or_default() {
            "ErrorInfo" => {
                if let Some(reason) = detail.get("reason").and_then(Value::as_str) {
                    self.word(reason);
                }
                self.no_quota |= text(detail, "/metadata/quota_limit_value") == Some("0");
                self.hint(text(detail, "/metadata/quota_limit"));
            }
            "RetryInfo" => {
                let written = || wait::length(text(detail, "/retryDelay")?);
                let counted = || detail.pointer("/retryDelay/seconds")?.as_u64().map(Duration::from_secs);
                self.wait = self.wait.or_else(written).or_else(counted);
            }
            "QuotaFailure" => {
                for violation in detail.get("violations").and_then(Value::as_array).into_iter().flatten() {
                    for key in ["quotaId", "quotaMetric", "description"] {
                        self.hint(violation.get(key).and_then(Value::as_str));
                    }
                }
            }
            "BadRequest" => {
                let field = text(detail, "/fieldViolations/0/field");
                self.param = self.param.take().or_else(|| field.map(ToOwned::to_owned));
                self.hint(text(detail, "/fieldViolations/0/description"));
            }
            // May hold a credential: it tells the class, but is never told.
            "DebugInfo" => self.hint(text(detail, "/detail")),
            // The message again, in another language.
            "LocalizedMessage" | "Help" => {}
            _ => self.take(detail, depth + 1),
        }
    }

    /// OpenRouter's metadata: its own word, why an input was flagged, and what the provider behind it said.
    fn metadata(&mut self, metadata: &Map<String, Value>, depth: u8) {
        let reasons = metadata.get("reasons").and_then(Value::as_array);
        if reasons.is_some_and(|reasons| !reasons.is_empty()) || metadata.contains_key("flagged_input") {
            self.word("moderation");
        }
        for key in ["error_type", "provider_code"] {
            if let Some(word) = metadata.get(key).and_then(Value::as_str) {
                self.word(word);
            }
        }
        if let Some(raw) = metadata.get("raw") {
            self.take(raw, depth + 1);
        }
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str()
}

/// `["body", "messages", 0, "content"]` as callers write it: `messages[0].content`.
fn path(loc: &Value) -> Option<String> {
    let mut path = String::new();
    for (at, step) in loc.as_array()?.iter().enumerate() {
        match step {
            Value::String(name) if at == 0 && ["body", "query", "header", "path"].contains(&name.as_str()) => {}
            Value::String(name) if path.is_empty() => path.push_str(name),
            Value::String(name) => {
                path.push('.');
                path.push_str(name);
            }
            Value::Number(index) => path = format!("{path}[{index}]"),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {}
        }
    }
    Some(path)
}

/// The field that a message says is unknown or unsupported.
pub(super) fn param_in(message: &str) -> Option<String> {
    let named = BEFORE_PARAM.iter().find_map(|before| {
        let (_, rest) = message.split_once(before)?;
        rest.split(['\'', '"', ' ', ',']).next()
    });
    let first = || BEHIND_PARAM.iter().find_map(|behind| message.split_once(behind)?.0.split_whitespace().last());
    named.or_else(first).filter(|param| !param.is_empty()).map(ToOwned::to_owned)
}
