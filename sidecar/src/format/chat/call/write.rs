//! Writes a call for a provider. Called by the pipeline as `call::write`.
//! Source: OpenAI API specification 2.3.0.
//!
//! The body is OpenAI's own dialect and `top_k`; what single vendors call otherwise is renamed elsewhere. A stream always
//! ends with a usage, whether the caller wants to see it or not.

use serde::Serialize;
use serde_json::{Number, Value};

use super::write_messages::{self, Message};
use super::write_tools::{self, Format, Tool, Which};
use crate::format::call::{Content, Hints, ModelCall, Reasoning, Role, Sampling, Turn};
use crate::format::loss::{Feature, Losses, Lost};

#[derive(Default, Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "is_false")]
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logit_bias: Option<&'a Value>,
    #[serde(skip_serializing_if = "is_false")]
    logprobs: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_logprobs: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<u64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<Format<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Which<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verbosity: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_cache_key: Option<&'a str>,
    #[serde(skip_serializing_if = "is_false")]
    store: bool,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// Writes a call for a provider, and notes what is not in it.
pub fn write(call: &ModelCall, losses: &mut Losses) -> Vec<u8> {
    let ModelCall {
        model,
        stream,
        include_usage: _, // The writer of the answer sees to it.
        turns,
        tools,
        tool_choice,
        parallel_tool_calls,
        output,
        max_tokens,
        sampling,
        stop,
        choices,
        logprobs,
        reasoning,
        verbosity,
        hints,
        state,
        unknown,
    } = call;
    lose_prefill(turns, losses);
    losses.lose_if(state.is_some(), Feature::State);
    losses.lost.extend(unknown.iter().map(|(path, _)| Lost::Unknown(path.clone())));
    // Without tools there is nothing to choose, and OpenAI refuses a choice.
    let has_tools = !tools.is_empty();
    let mut body = Body {
        model,
        messages: write_messages::write(turns, losses),
        stream: *stream,
        stream_options: stream.then_some(StreamOptions { include_usage: true }),
        max_completion_tokens: *max_tokens,
        logprobs: logprobs.is_some(),
        top_logprobs: logprobs.filter(|top| *top > 0),
        n: choices.filter(|n| *n != 1),
        stop,
        response_format: output.as_ref().map(write_tools::format),
        tools: write_tools::tools(tools, losses),
        tool_choice: tool_choice.as_ref().filter(|_| has_tools).map(|choice| write_tools::choice(choice, tools)),
        parallel_tool_calls: parallel_tool_calls.filter(|_| has_tools),
        reasoning_effort: reasoning.as_ref().and_then(|reasoning| effort(reasoning, losses)),
        verbosity: verbosity.as_deref(),
        ..Body::default()
    };
    body.sample(sampling);
    body.hint(hints, losses);
    serde_json::to_vec(&body).expect("texts and numbers can be written as JSON")
}

impl<'a> Body<'a> {
    fn sample(&mut self, sampling: &'a Sampling) {
        let Sampling { temperature, top_p, top_k, seed, presence_penalty, frequency_penalty, logit_bias } = sampling;
        self.temperature = temperature.as_ref();
        self.top_p = top_p.as_ref();
        self.top_k = top_k.as_ref();
        self.seed = seed.as_ref();
        self.presence_penalty = presence_penalty.as_ref();
        self.frequency_penalty = frequency_penalty.as_ref();
        self.logit_bias = logit_bias.as_ref();
    }

    fn hint(&mut self, hints: &'a Hints, losses: &mut Losses) {
        let Hints { user, metadata, service_tier, prompt_cache_key, store, other } = hints;
        self.user = user.as_deref();
        // False is what Chat does anyway, and not every server knows the field.
        self.store = *store == Some(true);
        // OpenAI refuses labels of an answer that it does not keep.
        self.metadata = metadata.as_ref().filter(|_| self.store);
        losses.lose_if(metadata.is_some() && !self.store, Feature::Metadata);
        self.prompt_cache_key = prompt_cache_key.as_deref();
        self.service_tier = service_tier.as_deref().and_then(|tier| match tier {
            "auto" | "default" | "flex" | "scale" | "priority" | "fast" => Some(tier),
            "standard" | "standard_only" => Some("default"),
            _ => {
                losses.lose(Feature::ServiceTier);
                None
            }
        });
        losses.lost.extend(other.iter().map(|path| Lost::Hint(path.clone())));
    }
}

/// How much to think, in OpenAI's words. A budget becomes the word that is near it.
fn effort<'a>(reasoning: &'a Reasoning, losses: &mut Losses) -> Option<&'a str> {
    // A provider that decides for itself is one that is told nothing.
    let Reasoning { effort, budget_tokens, summary, adaptive: _ } = reasoning;
    losses.lose_if(summary.is_some(), Feature::ReasoningSummary);
    if let (None, Some(budget)) = (effort, budget_tokens) {
        losses.change(Feature::ReasoningBudget);
        return Some(match budget {
            0 => "none",
            1..=2048 => "low",
            2049..=8192 => "medium",
            _ => "high",
        });
    }
    effort.as_deref()
}

/// Chat does not go on with an answer that has begun; it answers anew.
fn lose_prefill(turns: &[Turn], losses: &mut Losses) {
    let begun = turns.last().filter(|turn| turn.role == Role::Assistant);
    let is_prefill = begun.is_some_and(|turn| {
        turn.parts.iter().all(|part| match part.content {
            Content::Text(_) | Content::Refusal(_) | Content::Thinking(_) => true,
            Content::Image { .. }
            | Content::Audio { .. }
            | Content::File { .. }
            | Content::ToolCall(_)
            | Content::ToolResult(_) => false,
        })
    });
    losses.lose_if(is_prefill, Feature::Prefill);
}
