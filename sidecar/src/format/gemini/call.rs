//! Writes a call for generateContent. The model and whether to stream stand in the path. Called by `attempt`.
//! Source: Google's SDK types; research of what Vertex AI and the Gemini API refuse.
//!
//! Only what both APIs take is written. A call's id, for one, is refused as an unknown field by Vertex AI, so results find
//! their calls by name and order.

mod contents;
mod generation;
mod tools;

use serde::Serialize;

use crate::format::call::{Hints, ModelCall};
use crate::format::loss::{Feature, Losses, Lost};
use contents::Content;
use generation::GenerationConfig;
use tools::{ToolConfig, Tools};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<Content<'a>>,
    contents: Vec<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<[Tools<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<ToolConfig<'a>>,
    #[serde(skip_serializing_if = "GenerationConfig::is_empty")]
    generation_config: GenerationConfig<'a>,
}

/// The JSON body for a call. What it cannot carry goes into `losses`.
pub fn write(call: &ModelCall, losses: &mut Losses) -> Vec<u8> {
    let ModelCall {
        model,
        stream: _,
        include_usage: _,
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
    let mut generation = GenerationConfig::default();
    generation.sample(sampling, losses);
    generation.limit(*max_tokens, stop, *choices, *logprobs);
    if let Some(form) = output {
        generation.form(form, losses);
    }
    if let Some(reasoning) = reasoning {
        generation.think(reasoning, model, losses);
    }
    let (system_instruction, contents) = contents::write(turns, model, losses);
    let (tools, tool_config) = tools::write(tools, tool_choice.as_ref(), losses);
    losses.lose_if(*parallel_tool_calls == Some(false), Feature::ParallelToolCalls);
    losses.lose_if(verbosity.is_some(), Feature::Verbosity);
    losses.lose_if(state.is_some(), Feature::State);
    losses.lost.extend(unknown.iter().map(|(path, _)| Lost::Unknown(path.clone())));
    lose_hints(hints, losses);
    let body = Body {
        system_instruction,
        contents,
        tools: tools.map(|tools| [tools]),
        tool_config,
        generation_config: generation,
    };
    serde_json::to_vec(&body).expect("a body of strings, numbers and JSON values")
}

/// `labels` and `serviceTier` are each known to only one of the two APIs.
fn lose_hints(hints: &Hints, losses: &mut Losses) {
    let Hints { user, metadata, service_tier, prompt_cache_key, store, other } = hints;
    losses.lose_if(user.is_some(), Feature::User);
    losses.lose_if(metadata.is_some(), Feature::Metadata);
    // `auto` and `default` are what happens anyway.
    let tier = service_tier.as_deref().is_some_and(|tier| !matches!(tier, "auto" | "default" | "standard"));
    losses.lose_if(tier, Feature::ServiceTier);
    losses.lose_if(prompt_cache_key.is_some(), Feature::PromptCacheKey);
    losses.lose_if(*store == Some(true), Feature::Store);
    losses.lost.extend(other.iter().map(|name| Lost::Hint(name.clone())));
}

/// The generation of a Gemini model: (2, 5) for `gemini-2.5-flash`. None for an alias such as `gemini-flash-latest`, and for
/// other models.
fn generation_of(model: &str) -> Option<(u32, u32)> {
    let (_, version) = model.split_once("gemini-")?;
    let version = version.split('-').next()?;
    let (major, minor) = version.split_once('.').unwrap_or((version, "0"));
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests;
