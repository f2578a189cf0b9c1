//! The response object that callers get, whole or inside the first and last events of a stream.
//! Source: `Response` of OpenAI's specification 2.3.0; all that it requires is there, whatever the call said.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::format::answer::{Stop, Told, Usage};

/// What every snapshot of one answer says alike.
pub(super) struct Base {
    /// The answer's id.
    pub(super) id: String,
    /// The fields that never change, as the inside of a JSON object.
    fixed: Vec<u8>,
}

/// What differs from one snapshot to the next.
#[derive(Default)]
pub(super) struct Now<'a> {
    /// `in_progress`, `completed`, …
    pub(super) status: &'static str,
    /// A code and a message.
    pub(super) error: Option<(&'a str, &'a str)>,
    /// Why it is not whole.
    pub(super) incomplete: Option<&'static str>,
    /// What was counted.
    pub(super) usage: Option<&'a Usage>,
    /// Which tier served it.
    pub(super) service_tier: Option<&'a str>,
}

#[derive(Serialize)]
struct Head<'a> {
    id: &'a str,
    object: &'static str,
    status: &'static str,
    error: Option<Failure<'a>>,
    incomplete_details: Option<Incomplete>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Counted<'a>>,
}

#[derive(Serialize)]
struct Failure<'a> {
    code: &'a str,
    message: &'a str,
}

#[derive(Serialize)]
struct Incomplete {
    reason: &'static str,
}

#[derive(Serialize)]
struct Counted<'a> {
    input_tokens: u64,
    input_tokens_details: InputDetails,
    output_tokens: u64,
    output_tokens_details: OutputDetails,
    total_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<&'a serde_json::Number>,
}

#[derive(Serialize)]
struct InputDetails {
    cached_tokens: u64,
    cache_write_tokens: u64,
}

#[derive(Serialize)]
struct OutputDetails {
    reasoning_tokens: u64,
}

impl Base {
    /// The fields of the call that are repeated, defaults where it has none, and who answers.
    pub(super) fn new(told: &Told, id: Option<&str>, model: Option<&str>, created: i64) -> Self {
        let id = match id {
            Some(id) if id.starts_with("resp_") => id.to_owned(),
            Some(id) => format!("resp_{id}"),
            None => format!("resp_{}", told.id),
        };
        let mut fixed = json!({
            "created_at": created,
            "model": model.unwrap_or(&told.model),
            "provider": told.provider,
            "background": false,
            "instructions": null,
            "max_output_tokens": null,
            "max_tool_calls": null,
            "metadata": {},
            "parallel_tool_calls": true,
            "previous_response_id": null,
            "reasoning": {"effort": null, "summary": null},
            "store": false,
            "temperature": null,
            "text": {"format": {"type": "text"}},
            "tool_choice": "auto",
            "tools": [],
            "top_logprobs": 0,
            "top_p": null,
            "truncation": "disabled",
        });
        if let Value::Object(fixed) = &mut fixed {
            let repeated: &Map<String, Value> = &told.echo;
            fixed.extend(repeated.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        let mut fixed = serde_json::to_vec(&fixed).unwrap_or_default();
        fixed.pop();
        fixed.drain(..1);
        Self { id, fixed }
    }

    /// Appends a snapshot with these items.
    pub(super) fn write<'i>(&self, now: &Now<'_>, items: impl Iterator<Item = &'i [u8]>, out: &mut Vec<u8>) {
        let head = Head {
            id: &self.id,
            object: "response",
            status: now.status,
            error: now.error.map(|(code, message)| Failure { code, message }),
            incomplete_details: now.incomplete.map(|reason| Incomplete { reason }),
            service_tier: now.service_tier,
            usage: now.usage.map(counted),
        };
        json(out, &head);
        out.pop();
        out.push(b',');
        out.extend_from_slice(&self.fixed);
        out.extend_from_slice(b",\"output\":[");
        for (index, item) in items.enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(item);
        }
        out.extend_from_slice(b"]}");
    }
}

fn counted(usage: &Usage) -> Counted<'_> {
    let Usage { input, cached_input, cache_write, output, reasoning, cost } = usage;
    Counted {
        input_tokens: *input,
        input_tokens_details: InputDetails { cached_tokens: *cached_input, cache_write_tokens: *cache_write },
        output_tokens: *output,
        output_tokens_details: OutputDetails { reasoning_tokens: *reasoning },
        total_tokens: input.saturating_add(*output),
        cost: cost.as_ref(),
    }
}

/// How an answer ended, in this dialect's words.
pub(super) struct Ending {
    /// Of the response.
    pub(super) status: &'static str,
    /// Of its last item.
    pub(super) item: &'static str,
    /// Why it is not whole.
    pub(super) incomplete: Option<&'static str>,
    /// What the provider called its failure.
    pub(super) failed: Option<String>,
}

impl Ending {
    /// Tells an answer's end; one that nobody gave a reason for is whole.
    pub(super) fn of(stop: Option<&Stop>) -> Self {
        let whole = Self { status: "completed", item: "completed", incomplete: None, failed: None };
        let cut = |reason| Self { status: "incomplete", item: "incomplete", incomplete: Some(reason), failed: None };
        match stop {
            None | Some(Stop::End | Stop::Sequence(_) | Stop::ToolUse | Stop::Pause) => whole,
            Some(Stop::Length | Stop::ContextWindow) => cut("max_output_tokens"),
            Some(Stop::Filtered(_)) => cut("content_filter"),
            Some(Stop::Failed(word)) => Self {
                status: "failed",
                item: "incomplete",
                incomplete: None,
                failed: Some(format!("The provider ended the answer with `{word}`.")),
            },
        }
    }
}

/// Appends a value as JSON. Writing what this folder writes into memory cannot fail.
pub(super) fn json<T: Serialize>(out: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(out, value).unwrap_or_default();
}
