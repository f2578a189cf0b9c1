//! What answers and events of this dialect share: blocks, counts, stop reasons, citations and errors, as they are on the wire.
//!
//! Used by `answer` and `events`. Source: the SDK's `types/{usage,stop_reason,text_citation,refusal_stop_details}.py`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Number;
use serde_json::value::RawValue;

use crate::format::answer::{Citation, Stop, Usage};
use crate::format::call::Signature;
use crate::format::error::{self, ProviderError};
use crate::format::{Format, Malformed};

/// The block or event's `type`, when nothing else of it is known.
#[derive(Deserialize)]
pub(super) struct Kind<'a> {
    /// The type.
    #[serde(rename = "type", borrow, default)]
    pub(super) kind: Cow<'a, str>,
}

impl<'a> Kind<'a> {
    /// The `type` of a JSON object; empty if it has none.
    pub(super) fn of(json: &'a [u8]) -> Result<Cow<'a, str>, Malformed> {
        serde_json::from_slice::<Self>(json).map(|kind| kind.kind).map_err(|_| Malformed("no JSON object".to_owned()))
    }
}

/// A block of an answer, whatever its type.
#[derive(Deserialize)]
pub(super) struct Block<'a> {
    #[serde(rename = "type", borrow, default)]
    pub(super) kind: Cow<'a, str>,
    pub(super) text: Option<String>,
    pub(super) thinking: Option<String>,
    pub(super) signature: Option<String>,
    pub(super) data: Option<String>,
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    #[serde(borrow)]
    pub(super) input: Option<&'a RawValue>,
    pub(super) citations: Option<Vec<Cited>>,
}

/// The types of block that `Block` reads; the others belong to the provider's own tools.
pub(super) fn is_known(block: &str) -> bool {
    matches!(block, "text" | "thinking" | "redacted_thinking" | "tool_use")
}

/// A signature that this dialect's provider gave; an empty one is none.
pub(super) fn signed(value: Option<String>) -> Option<Signature> {
    value.filter(|value| !value.is_empty()).map(|value| Signature { maker: Format::Messages, value })
}

/// The arguments of a call, whose `input` is an object; nothing when that is empty or absent.
pub(super) fn arguments(input: Option<&RawValue>) -> Option<&str> {
    let json = input?.get();
    let inside = json.strip_prefix('{')?.strip_suffix('}')?;
    (!inside.trim().is_empty()).then_some(json)
}

/// A citation of any type.
#[derive(Deserialize)]
pub(super) struct Cited {
    url: Option<String>,
    source: Option<String>,
    title: Option<String>,
    document_title: Option<String>,
    #[serde(rename = "cited_text")]
    quote: Option<String>,
}

impl From<Cited> for Citation {
    fn from(cited: Cited) -> Self {
        let source = cited.source.filter(|source| source.contains("://"));
        Self {
            url: cited.url.or(source),
            title: cited.title.or(cited.document_title),
            quote: cited.quote,
            start: None,
            end: None,
        }
    }
}

/// A citation as callers read it. The other types point into documents by number, which no other dialect tells.
#[derive(Serialize)]
pub(super) struct ToldCitation<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    cited_text: &'a str,
    url: &'a str,
    title: Option<&'a str>,
    encrypted_index: &'static str,
}

/// How a caller reads a citation; nothing if it has no URL.
pub(super) fn citation(citation: &Citation) -> Option<ToldCitation<'_>> {
    Some(ToldCitation {
        kind: "web_search_result_location",
        cited_text: citation.quote.as_deref().unwrap_or_default(),
        url: citation.url.as_deref()?,
        title: citation.title.as_deref(),
        encrypted_index: "",
    })
}

/// What a provider counted so far; a later count replaces an earlier one field by field.
#[derive(Clone, Default, Deserialize)]
pub(super) struct Counts {
    input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    output_tokens_details: Option<OutputDetails>,
    pub(super) service_tier: Option<String>,
}

#[derive(Clone, Default, Deserialize)]
struct OutputDetails {
    thinking_tokens: Option<u64>,
}

impl Counts {
    /// Takes over what a later count says.
    pub(super) fn correct(&mut self, later: Self) {
        self.input_tokens = later.input_tokens.or(self.input_tokens);
        self.cache_creation_input_tokens = later.cache_creation_input_tokens.or(self.cache_creation_input_tokens);
        self.cache_read_input_tokens = later.cache_read_input_tokens.or(self.cache_read_input_tokens);
        self.output_tokens = later.output_tokens.or(self.output_tokens);
        self.output_tokens_details = later.output_tokens_details.or(self.output_tokens_details.take());
        self.service_tier = later.service_tier.or(self.service_tier.take());
    }

    /// The totals: here `input_tokens` is only what no cache has to do with.
    pub(super) fn usage(&self) -> Usage {
        let cached_input = self.cache_read_input_tokens.unwrap_or(0);
        let cache_write = self.cache_creation_input_tokens.unwrap_or(0);
        Usage {
            input: self.input_tokens.unwrap_or(0).saturating_add(cached_input).saturating_add(cache_write),
            cached_input,
            cache_write,
            output: self.output_tokens.unwrap_or(0),
            reasoning: self.output_tokens_details.as_ref().and_then(|details| details.thinking_tokens).unwrap_or(0),
            cost: None,
        }
    }
}

/// Counts as callers read them, the same in an answer, in `message_start` and in `message_delta`.
#[derive(Serialize)]
pub(super) struct ToldUsage<'a> {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens_details: Option<ToldOutputDetails>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<&'a Number>,
}

#[derive(Serialize)]
struct ToldOutputDetails {
    thinking_tokens: u64,
}

/// How a caller reads counts.
pub(super) fn usage<'a>(usage: &'a Usage, tier: Option<&str>) -> ToldUsage<'a> {
    ToldUsage {
        input_tokens: usage.input.saturating_sub(usage.cached_input).saturating_sub(usage.cache_write),
        cache_creation_input_tokens: usage.cache_write,
        cache_read_input_tokens: usage.cached_input,
        output_tokens: usage.output,
        output_tokens_details: (usage.reasoning > 0).then_some(ToldOutputDetails { thinking_tokens: usage.reasoning }),
        service_tier: tier.and_then(told_tier),
        cost: usage.cost.as_ref(),
    }
}

/// The neutral word for the tier that served.
pub(super) fn read_tier(tier: String) -> String {
    if tier == "standard" { "default".to_owned() } else { tier }
}

fn told_tier(tier: &str) -> Option<&'static str> {
    match tier {
        "default" | "standard" => Some("standard"),
        "priority" => Some("priority"),
        "batch" => Some("batch"),
        _ => None,
    }
}

/// What a refusal says of itself.
#[derive(Deserialize)]
pub(super) struct StopDetails {
    explanation: Option<String>,
}

/// Why an answer ended. The set is open: an unknown reason is an end.
pub(super) fn stop(reason: &str, sequence: Option<String>, details: Option<StopDetails>) -> Stop {
    match reason {
        "max_tokens" => Stop::Length,
        "stop_sequence" => Stop::Sequence(sequence),
        "tool_use" => Stop::ToolUse,
        "pause_turn" | "compaction" => Stop::Pause,
        "refusal" => Stop::Filtered(details.and_then(|details| details.explanation)),
        "model_context_window_exceeded" => Stop::ContextWindow,
        _ => Stop::End,
    }
}

/// Why an answer ended, as callers read it.
#[derive(Serialize)]
pub(super) struct ToldStop<'a> {
    #[serde(rename = "stop_reason")]
    reason: &'static str,
    #[serde(rename = "stop_sequence")]
    sequence: Option<&'a str>,
    #[serde(rename = "stop_details", skip_serializing_if = "Option::is_none")]
    details: Option<ToldStopDetails<'a>>,
}

#[derive(Serialize)]
struct ToldStopDetails<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    category: Option<&'static str>,
    explanation: Option<&'a str>,
}

/// How a caller reads a stop. Calls of tools make it `tool_use` whatever else a provider calls it, and without any it never
/// is: clients go by this word. A provider's failure has no word here: a stream tells it as an error, and a whole answer as one
/// that was cut, whose calls may not be whole.
pub(super) fn told_stop(stop: Option<&Stop>, calls: bool, refused: bool) -> ToldStop<'_> {
    let mut told = ToldStop { reason: "end_turn", sequence: None, details: None };
    match stop {
        Some(Stop::Length | Stop::Failed(_)) => told.reason = "max_tokens",
        Some(Stop::ContextWindow) => told.reason = "model_context_window_exceeded",
        Some(Stop::Pause) => told.reason = "pause_turn",
        Some(Stop::Sequence(sequence)) => {
            told.reason = "stop_sequence";
            told.sequence = sequence.as_deref();
        }
        Some(Stop::Filtered(explanation)) => {
            told.reason = "refusal";
            let explanation = explanation.as_deref();
            told.details = Some(ToldStopDetails { kind: "refusal", category: None, explanation });
        }
        Some(Stop::End | Stop::ToolUse) | None => {
            if calls {
                told.reason = "tool_use";
            } else if refused {
                told.reason = "refusal";
            }
        }
    }
    told
}

/// An error as callers read it.
#[derive(Serialize)]
pub(super) struct ToldError<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    message: &'a str,
}

/// How a caller reads an error.
pub(super) fn told_error(error: &ProviderError) -> ToldError<'_> {
    ToldError { kind: error::kind(Format::Messages, error), message: error::told(error) }
}
