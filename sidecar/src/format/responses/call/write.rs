//! Writes a call for a provider that speaks Responses, always without state: `store` is false unless the caller wants it, and
//! thoughts come back encrypted.
//! Source: `CreateResponse` of OpenAI's specification 2.3.0.

use super::turns;
use super::written::{Body, Choice, Format as Form, Named, Schema, TextForm, Thought, Tool};
use crate::format::call::{
    Hints, ModelCall, OutputForm, Reasoning, Sampling, Tool as NeutralTool, ToolChoice, ToolInput,
};
use crate::format::loss::{Feature, Losses, Lost};

/// OpenAI refuses a smaller `max_output_tokens`.
const FEWEST_TOKENS: u64 = 16;

/// The tiers that the specification names.
const TIERS: [&str; 7] = ["auto", "default", "flex", "scale", "priority", "fast", "ultrafast"];

/// OpenAI refuses a longer `user`.
const LONGEST_USER: usize = 64;

/// Writes the body.
pub fn write(call: &ModelCall, losses: &mut Losses) -> Vec<u8> {
    let ModelCall {
        model,
        stream,
        // A Responses stream always ends with a usage.
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
    losses.lose_if(!stop.is_empty(), Feature::Stop);
    losses.lose_if(choices.is_some_and(|choices| choices > 1), Feature::Choices);
    losses.lose_if(state.is_some(), Feature::State);
    losses.lost.extend(unknown.iter().map(|(path, _)| Lost::Unknown(path.clone())));
    let Sampling { temperature, top_p, .. } = draw(sampling, losses);

    let (instructions, turns) = turns::instructions(turns);
    let mut body = Body {
        model,
        instructions,
        input: turns::write(turns, losses),
        tools: tools.iter().map(|one| tool(one, losses)).collect(),
        tool_choice: tool_choice.as_ref().map(|choice| chosen(choice, tools)),
        parallel_tool_calls: *parallel_tool_calls,
        max_output_tokens: max_tokens.map(|most| most.max(FEWEST_TOKENS)),
        temperature: temperature.as_ref(),
        top_p: top_p.as_ref(),
        top_logprobs: *logprobs,
        text: text(output.as_ref(), verbosity.as_deref()),
        reasoning: reasoning.as_ref().map(|reasoning| thought(reasoning, losses)),
        include: Vec::new(),
        store: false,
        stream: *stream,
        metadata: None,
        service_tier: None,
        user: None,
        prompt_cache_key: None,
    };
    if max_tokens.is_some_and(|most| most < FEWEST_TOKENS) {
        losses.change(Feature::MaxTokens);
    }
    if body.reasoning.as_ref().is_some_and(|thought| thought.effort != Some("none")) {
        body.include.push("reasoning.encrypted_content");
    }
    if logprobs.is_some() {
        body.include.push("message.output_text.logprobs");
    }
    hint(hints, &mut body, losses);
    serde_json::to_vec(&body).unwrap_or_default()
}

/// Of the ways to draw tokens Responses knows two.
fn draw<'a>(sampling: &'a Sampling, losses: &mut Losses) -> &'a Sampling {
    let Sampling { temperature: _, top_p: _, top_k, seed, presence_penalty, frequency_penalty, logit_bias } = sampling;
    losses.lose_if(top_k.is_some(), Feature::TopK);
    losses.lose_if(seed.is_some(), Feature::Seed);
    losses.lose_if(presence_penalty.is_some(), Feature::PresencePenalty);
    losses.lose_if(frequency_penalty.is_some(), Feature::FrequencyPenalty);
    losses.lose_if(logit_bias.is_some(), Feature::LogitBias);
    sampling
}

fn hint<'a>(hints: &'a Hints, body: &mut Body<'a>, losses: &mut Losses) {
    let Hints { user, metadata, service_tier, prompt_cache_key, store, other } = hints;
    body.user = user.as_deref().filter(|user| user.len() <= LONGEST_USER);
    losses.lose_if(user.is_some() && body.user.is_none(), Feature::User);
    body.metadata = metadata.as_ref();
    body.service_tier = service_tier.as_deref().filter(|tier| TIERS.contains(tier));
    losses.lose_if(service_tier.is_some() && body.service_tier.is_none(), Feature::ServiceTier);
    body.prompt_cache_key = prompt_cache_key.as_deref();
    body.store = *store == Some(true);
    losses.lost.extend(other.iter().map(|name| Lost::Hint(name.clone())));
}

fn tool<'a>(tool: &'a NeutralTool, losses: &mut Losses) -> Tool<'a> {
    let NeutralTool { name, description, input, cache } = tool;
    losses.lose_if(cache.is_some(), Feature::CacheBreakpoint);
    let description = description.as_deref();
    match input {
        // Absent means strict here and not strict everywhere else.
        ToolInput::Function { schema, strict } => {
            Tool::Function { name, description, parameters: Schema(schema.as_ref()), strict: strict.unwrap_or(false) }
        }
        ToolInput::Custom { format } => Tool::Custom { name, description, format: format.as_ref() },
    }
}

fn named<'a>(name: &'a str, tools: &[NeutralTool]) -> Named<'a> {
    let custom = tools.iter().any(|tool| tool.name == name && matches!(tool.input, ToolInput::Custom { .. }));
    Named { kind: if custom { "custom" } else { "function" }, name }
}

fn chosen<'a>(choice: &'a ToolChoice, tools: &[NeutralTool]) -> Choice<'a> {
    match choice {
        ToolChoice::Auto => Choice::Word("auto"),
        ToolChoice::None => Choice::Word("none"),
        ToolChoice::Required => Choice::Word("required"),
        ToolChoice::Tool(name) => Choice::One(named(name, tools)),
        ToolChoice::Allowed { required, names } => Choice::Allowed {
            kind: "allowed_tools",
            mode: if *required { "required" } else { "auto" },
            tools: names.iter().map(|name| named(name, tools)).collect(),
        },
    }
}

fn text<'a>(output: Option<&'a OutputForm>, verbosity: Option<&'a str>) -> Option<TextForm<'a>> {
    let format = output.map(|output| match output {
        OutputForm::Text => Form::Text,
        OutputForm::JsonObject => Form::JsonObject,
        OutputForm::JsonSchema { name, description, schema, strict } => Form::JsonSchema {
            name: name.as_deref().unwrap_or("answer"),
            description: description.as_deref(),
            schema,
            strict: *strict,
        },
    });
    (format.is_some() || verbosity.is_some()).then_some(TextForm { format, verbosity })
}

fn thought<'a>(reasoning: &'a Reasoning, losses: &mut Losses) -> Thought<'a> {
    // Where the model decides by itself how much to think, no effort is said: that is the default here.
    let Reasoning { effort, budget_tokens, summary, adaptive: _ } = reasoning;
    let effort = effort.as_deref().or_else(|| {
        let budget = (*budget_tokens)?;
        losses.change(Feature::ReasoningBudget);
        Some(match budget {
            0 => "none",
            1..2_048 => "low",
            2_048..16_384 => "medium",
            _ => "high",
        })
    });
    let summary = match summary.as_deref() {
        Some("summarized") => {
            losses.change(Feature::ReasoningSummary);
            Some("auto")
        }
        // Thoughts are not shown unless a summary is asked for.
        Some("omitted") | None => None,
        told => told,
    };
    Thought { effort, summary }
}
