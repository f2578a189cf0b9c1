//! `usage`, as OpenAI's Chat and Completions have it and as other servers deviate from it. Used by readers and writers of
//! answers and events.

use serde::{Deserialize, Serialize};
use serde_json::Number;

use super::lenient::Count;
use crate::format::answer::Usage;

/// What a server counts.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Counted {
    prompt_tokens: Count,
    completion_tokens: Count,
    total_tokens: Count,
    prompt_tokens_details: Option<InputDetails>,
    completion_tokens_details: Option<OutputDetails>,
    /// DeepSeek.
    prompt_cache_hit_tokens: Count,
    /// Moonshot.
    cached_tokens: Count,
    /// SGLang.
    reasoning_tokens: Count,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct InputDetails {
    cached_tokens: Count,
    cache_write_tokens: Count,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
    reasoning_tokens: Count,
}

impl Counted {
    /// In neutral terms. xAI and Gemini's Chat leave thoughts out of `completion_tokens`, but not out of `total_tokens`.
    pub(crate) fn usage(&self) -> Usage {
        let input = self.prompt_tokens.0;
        let details = self.prompt_tokens_details.as_ref();
        let cached = details.map_or(0, |details| details.cached_tokens.0);
        let thought = self.completion_tokens_details.as_ref().map_or(0, |details| details.reasoning_tokens.0);
        let mut reasoning = thought.max(self.reasoning_tokens.0);
        let mut output = self.completion_tokens.0;
        let uncounted = self.total_tokens.0.saturating_sub(input.saturating_add(output));
        if uncounted > 0 && (reasoning == 0 || reasoning == uncounted) {
            output = output.saturating_add(uncounted);
            reasoning = uncounted;
        }
        Usage {
            input,
            cached_input: cached.max(self.prompt_cache_hit_tokens.0).max(self.cached_tokens.0).min(input),
            cache_write: details.map_or(0, |details| details.cache_write_tokens.0),
            output,
            reasoning,
            cost: None,
        }
    }
}

/// What a caller is told.
#[derive(Debug, Serialize)]
pub(crate) struct Told<'a> {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: ToldInput,
    completion_tokens_details: ToldOutput,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<&'a Number>,
}

#[derive(Debug, Serialize)]
struct ToldInput {
    cached_tokens: u64,
    #[serde(skip_serializing_if = "is_zero")]
    cache_write_tokens: u64,
}

#[derive(Debug, Serialize)]
struct ToldOutput {
    reasoning_tokens: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A usage in the dialect's own terms, with OpenRouter's `cost`.
pub(crate) fn told(usage: &Usage) -> Told<'_> {
    Told {
        prompt_tokens: usage.input,
        completion_tokens: usage.output,
        total_tokens: usage.input.saturating_add(usage.output),
        prompt_tokens_details: ToldInput { cached_tokens: usage.cached_input, cache_write_tokens: usage.cache_write },
        completion_tokens_details: ToldOutput { reasoning_tokens: usage.reasoning },
        cost: usage.cost.as_ref(),
    }
}
