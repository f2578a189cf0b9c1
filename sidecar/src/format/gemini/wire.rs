//! What generateContent answers, as far as it is read: one answer, or one event of a stream.
//! Everything is optional: recordings lack any of it, and new keys and values come without notice.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Number, Value, json};

use crate::format::answer::Usage;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::struct_field_names, reason = "the names of the wire")]
pub(super) struct Response<'a> {
    #[serde(borrow)]
    pub(super) candidates: Option<Vec<Candidate<'a>>>,
    pub(super) prompt_feedback: Option<PromptFeedback>,
    pub(super) usage_metadata: Option<UsageMetadata>,
    pub(super) model_version: Option<String>,
    pub(super) response_id: Option<String>,
    pub(super) create_time: Option<String>,
    pub(super) error: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Candidate<'a> {
    pub(super) index: Option<u32>,
    #[serde(borrow)]
    pub(super) content: Option<Content<'a>>,
    pub(super) finish_reason: Option<String>,
    pub(super) finish_message: Option<String>,
    pub(super) citation_metadata: Option<CitationMetadata>,
    pub(super) grounding_metadata: Option<GroundingMetadata>,
    pub(super) logprobs_result: Option<LogprobsResult>,
}

/// A finish reason that was said.
#[derive(Clone, Debug)]
pub(super) struct FinishReason {
    pub(super) reason: String,
    pub(super) message: Option<String>,
}

impl Candidate<'_> {
    pub(super) fn finish(&mut self) -> Option<FinishReason> {
        let reason = self.finish_reason.take().filter(|reason| reason != "FINISH_REASON_UNSPECIFIED")?;
        Some(FinishReason { reason, message: self.finish_message.take() })
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Content<'a> {
    #[serde(borrow)]
    pub(super) parts: Option<Vec<Part<'a>>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Part<'a> {
    pub(super) text: Option<String>,
    pub(super) thought: Option<bool>,
    pub(super) thought_signature: Option<String>,
    #[serde(borrow)]
    pub(super) function_call: Option<FunctionCall<'a>>,
    /// A generated picture or sound; only that it is there is read.
    pub(super) inline_data: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FunctionCall<'a> {
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    #[serde(borrow)]
    pub(super) args: Option<&'a RawValue>,
    pub(super) partial_args: Option<Vec<PartialArg>>,
    pub(super) will_continue: Option<bool>,
}

impl FunctionCall<'_> {
    /// Its arguments as JSON.
    pub(super) fn json(&self) -> String {
        self.args.map_or_else(|| "{}".to_owned(), |args| args.get().to_owned())
    }
}

/// A piece of one argument, of `streamFunctionCallArguments`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PartialArg {
    pub(super) json_path: Option<String>,
    pub(super) string_value: Option<String>,
    pub(super) number_value: Option<Number>,
    pub(super) bool_value: Option<bool>,
    pub(super) will_continue: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PromptFeedback {
    pub(super) block_reason: Option<String>,
    pub(super) block_reason_message: Option<String>,
}

impl PromptFeedback {
    /// Why the prompt was blocked, if it was: feedback with ratings alone blocks nothing.
    pub(super) fn block(self) -> Option<String> {
        self.block_reason_message.or(self.block_reason)
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::struct_field_names, reason = "the names of the wire")]
pub(super) struct UsageMetadata {
    prompt_token_count: Option<u64>,
    tool_use_prompt_token_count: Option<u64>,
    cached_content_token_count: Option<u64>,
    candidates_token_count: Option<u64>,
    thoughts_token_count: Option<u64>,
}

impl UsageMetadata {
    /// The counts, with thinking as a part of the output, which Gemini counts beside it. None where nothing is counted yet.
    pub(super) fn usage(&self) -> Option<Usage> {
        if self.prompt_token_count.is_none() && self.candidates_token_count.is_none() {
            return None;
        }
        let reasoning = self.thoughts_token_count.unwrap_or(0);
        let input = self.prompt_token_count.unwrap_or(0);
        Some(Usage {
            input: input.saturating_add(self.tool_use_prompt_token_count.unwrap_or(0)),
            cached_input: self.cached_content_token_count.unwrap_or(0),
            output: self.candidates_token_count.unwrap_or(0).saturating_add(reasoning),
            reasoning,
            ..Usage::default()
        })
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct CitationMetadata {
    /// Vertex AI's name for it; the Gemini API said `citationSources` first.
    #[serde(alias = "citationSources")]
    pub(super) citations: Option<Vec<CitationSource>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CitationSource {
    pub(super) start_index: Option<u64>,
    pub(super) end_index: Option<u64>,
    pub(super) uri: Option<String>,
    pub(super) title: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GroundingMetadata {
    pub(super) grounding_chunks: Option<Vec<GroundingChunk>>,
    pub(super) grounding_supports: Option<Vec<GroundingSupport>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GroundingChunk {
    pub(super) web: Option<Source>,
    pub(super) retrieved_context: Option<Source>,
    pub(super) maps: Option<Source>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Source {
    pub(super) uri: Option<String>,
    pub(super) title: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GroundingSupport {
    pub(super) segment: Option<Segment>,
    pub(super) grounding_chunk_indices: Option<Vec<usize>>,
}

/// A piece of the answer's text, in bytes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::struct_field_names, reason = "the names of the wire")]
pub(super) struct Segment {
    pub(super) part_index: Option<usize>,
    pub(super) start_index: Option<u64>,
    pub(super) end_index: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LogprobsResult {
    top_candidates: Option<Vec<TopCandidates>>,
    chosen_candidates: Option<Vec<TokenLogprob>>,
}

#[derive(Debug, Deserialize)]
struct TopCandidates {
    candidates: Option<Vec<TokenLogprob>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenLogprob {
    token: Option<String>,
    log_probability: Option<Number>,
}

impl LogprobsResult {
    /// As Chat has them.
    pub(super) fn as_chat(&self) -> Option<Value> {
        let chosen = self.chosen_candidates.as_deref().filter(|chosen| !chosen.is_empty())?;
        let tops = self.top_candidates.as_deref().unwrap_or_default();
        let content = chosen.iter().enumerate().map(|(place, drawn)| {
            let top = tops.get(place).and_then(|top| top.candidates.as_deref()).unwrap_or_default();
            let mut entry = drawn.as_chat();
            entry["top_logprobs"] = top.iter().map(TokenLogprob::as_chat).collect();
            entry
        });
        Some(json!({ "content": content.collect::<Vec<_>>(), "refusal": null }))
    }
}

impl TokenLogprob {
    fn as_chat(&self) -> Value {
        let token = self.token.as_deref().unwrap_or_default();
        // -9999 is OpenAI's word for "unlikely beyond measure".
        let logprob = self.log_probability.clone().unwrap_or_else(|| (-9999).into());
        json!({ "token": token, "logprob": logprob, "bytes": token.as_bytes() })
    }
}

/// Reads an answer or an event; some errors stand alone in an array.
pub(super) fn parse(bytes: &[u8]) -> Result<Response<'_>, serde_json::Error> {
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        let all: Vec<Response<'_>> = serde_json::from_slice(bytes)?;
        return Ok(all.into_iter().find(|response| response.error.is_some()).unwrap_or_default());
    }
    serde_json::from_slice(bytes)
}
