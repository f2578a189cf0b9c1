//! What Converse answers, as far as it is read: a whole answer, and the payloads of a stream.
//! Everything is optional, and unknown keys are passed over: payloads are padded with random ones.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::format::answer::{Citation, Usage};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Response<'a> {
    #[serde(borrow)]
    pub(super) output: Option<Output<'a>>,
    pub(super) stop_reason: Option<String>,
    pub(super) usage: Option<TokenUsage>,
    pub(super) additional_model_response_fields: Option<ResponseFields>,
    pub(super) service_tier: Option<ServiceTier>,
    #[serde(alias = "Message")]
    pub(super) message: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Output<'a> {
    #[serde(borrow)]
    pub(super) message: Option<Message<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    pub(super) content: Option<Vec<Block<'a>>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ServiceTier {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
}

/// A block of an answer; one key tells what it is.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Block<'a> {
    pub(super) text: Option<String>,
    #[serde(borrow)]
    pub(super) tool_use: Option<CallBlock<'a>>,
    pub(super) reasoning_content: Option<ReasoningContent>,
    pub(super) citations_content: Option<CitationsContent>,
    /// A generated picture or sound; only that it is there is read.
    pub(super) image: Option<serde::de::IgnoredAny>,
    pub(super) audio: Option<serde::de::IgnoredAny>,
    pub(super) video: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CallBlock<'a> {
    pub(super) tool_use_id: Option<String>,
    pub(super) name: Option<String>,
    #[serde(borrow)]
    pub(super) input: Option<&'a RawValue>,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReasoningContent {
    pub(super) reasoning_text: Option<ReasoningText>,
    pub(super) redacted_content: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ReasoningText {
    pub(super) text: Option<String>,
    pub(super) signature: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CitationsContent {
    pub(super) content: Option<Vec<TextOnly>>,
    pub(super) citations: Option<Vec<Cited>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct TextOnly {
    pub(super) text: Option<String>,
}

/// A citation, whole or as a delta.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cited {
    title: Option<String>,
    source: Option<String>,
    source_content: Option<Vec<TextOnly>>,
    location: Option<Location>,
}

#[derive(Debug, Deserialize)]
struct Location {
    web: Option<Web>,
}

#[derive(Debug, Deserialize)]
struct Web {
    url: Option<String>,
}

impl Cited {
    /// Its places are those in the documents, not in the answer: what was cited is told as a quote.
    pub(super) fn citation(self) -> Citation {
        let web = self.location.and_then(|location| location.web).and_then(|web| web.url);
        let source = self.source.filter(|source| source.starts_with("https://") || source.starts_with("http://"));
        let quote: String = self.source_content.into_iter().flatten().filter_map(|content| content.text).collect();
        Citation {
            url: web.or(source),
            title: self.title,
            quote: (!quote.is_empty()).then_some(quote),
            start: None,
            end: None,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::struct_field_names, reason = "the names of the wire")]
pub(super) struct TokenUsage {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_write_input_tokens: Option<u64>,
}

impl TokenUsage {
    /// The counts, with the cache as a part of the input, which Bedrock counts beside it.
    pub(super) fn usage(&self) -> Usage {
        let cached_input = self.cache_read_input_tokens.unwrap_or(0);
        let cache_write = self.cache_write_input_tokens.unwrap_or(0);
        let input = self.input_tokens.unwrap_or(0).saturating_add(cached_input).saturating_add(cache_write);
        Usage { input, cached_input, cache_write, output: self.output_tokens.unwrap_or(0), ..Usage::default() }
    }
}

/// What the model itself answered, of the paths that the call named: `/stop_sequence`, or `/delta/stop_sequence` in a stream.
#[derive(Debug, Deserialize)]
pub(super) struct ResponseFields {
    stop_sequence: Option<String>,
    delta: Option<DeltaFields>,
}

#[derive(Debug, Deserialize)]
struct DeltaFields {
    stop_sequence: Option<String>,
}

impl ResponseFields {
    pub(super) fn stop_sequence(self) -> Option<String> {
        self.stop_sequence.or_else(|| self.delta?.stop_sequence)
    }
}

/// A payload of a stream; which keys it has depends on the event.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Payload {
    pub(super) content_block_index: Option<u64>,
    pub(super) start: Option<Start>,
    pub(super) delta: Option<Delta>,
    pub(super) stop_reason: Option<String>,
    pub(super) additional_model_response_fields: Option<ResponseFields>,
    pub(super) usage: Option<TokenUsage>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Start {
    pub(super) tool_use: Option<ToolUseStart>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolUseStart {
    pub(super) tool_use_id: Option<String>,
    pub(super) name: Option<String>,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Delta {
    pub(super) text: Option<String>,
    pub(super) tool_use: Option<ToolUseDelta>,
    pub(super) reasoning_content: Option<ReasoningDelta>,
    pub(super) citation: Option<Cited>,
    pub(super) image: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ToolUseDelta {
    pub(super) input: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReasoningDelta {
    pub(super) text: Option<String>,
    pub(super) signature: Option<String>,
    pub(super) redacted_content: Option<String>,
}

/// A call of a tool that Bedrock runs itself, which is not the caller's.
pub(super) fn is_own_tool(kind: Option<&str>) -> bool {
    kind == Some("server_tool_use")
}
