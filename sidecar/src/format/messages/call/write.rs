//! Writes a call for a provider of this dialect: the fields beside the conversation, which `turns` writes.
//!
//! `max_tokens`, which the API asks for, is 4096 where the caller names none, and more by as much as is given for thinking:
//! no loss, for without it there is no call. A value that only repeats the API's default (a penalty of 0, a temperature of 1
//! where none may be set) is left out without a word.

mod thinking;
mod tools;
mod turns;

use serde::{Serialize, Serializer};
use serde_json::{Number, Value};

use super::model::Model;
use crate::format::call::{Hints, ModelCall, OutputForm, Sampling};
use crate::format::loss::{Feature, Losses, Lost};
use thinking::{ThinkingBody, Thought};
use tools::{ChoiceBody, ToolBody};
use turns::{Block, Message};

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    max_tokens: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<ThinkingBody>,
    #[serde(skip_serializing_if = "OutputConfig::is_empty")]
    output_config: OutputConfig<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<&'a Number>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stop_sequences: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<ToolBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<ChoiceBody<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Block<'a>>,
    messages: Vec<Message<'a>>,
}

#[derive(Serialize)]
struct OutputConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<FormatBody<'a>>,
}

impl OutputConfig<'_> {
    fn is_empty(&self) -> bool {
        self.effort.is_none() && self.format.is_none()
    }
}

#[derive(Serialize)]
struct FormatBody<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    schema: Described<'a>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    user_id: &'a str,
}

/// A schema, with a description of its own where it has none.
struct Described<'a> {
    schema: &'a Value,
    description: Option<&'a str>,
}

impl Serialize for Described<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.schema.as_object(), self.description) {
            (Some(fields), Some(description)) if !fields.contains_key("description") => {
                let added = std::iter::once(("description", Entry::Text(description)));
                serializer
                    .collect_map(fields.iter().map(|(key, value)| (key.as_str(), Entry::Value(value))).chain(added))
            }
            _ => self.schema.serialize(serializer),
        }
    }
}

/// One field of an object that is written with a field more.
#[derive(Serialize)]
#[serde(untagged)]
enum Entry<'a> {
    Value(&'a Value),
    Text(&'a str),
}

/// Writes the JSON body.
pub fn write(call: &ModelCall, losses: &mut Losses) -> Vec<u8> {
    let ModelCall {
        model: name,
        stream,
        include_usage: _, // a stream of this dialect always tells it
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
    let model = Model::named(name);
    let mut conversation = turns::write(turns, losses);
    let tools = tools::write(tools, tool_choice.as_ref(), *parallel_tool_calls, model, losses);
    let wish = thinking::Wish {
        reasoning: reasoning.as_ref(),
        max_tokens: *max_tokens,
        model,
        forced: tools.is_forced(),
        unproven: conversation.unproven,
    };
    let Thought { thinking, effort, max_tokens } = thinking::write(&wish, losses);
    let thinks = thinking.as_ref().is_some_and(ThinkingBody::is_on);
    turns::prefill(&mut conversation.messages, model.takes_prefill() && !(thinks && model.is_claude()), losses);
    let drawn = draw(sampling, model, thinks, losses);
    lose_absent(call, losses);
    losses.lose_if(choices.is_some_and(|choices| choices > 1), Feature::Choices);
    losses.lose_if(logprobs.is_some(), Feature::Logprobs);
    losses.lose_if(verbosity.is_some(), Feature::Verbosity);
    losses.lose_if(state.is_some(), Feature::State);
    losses.lost.extend(unknown.iter().map(|(path, _)| Lost::Unknown(path.clone())));
    let body = Body {
        model: name,
        max_tokens,
        stream: *stream,
        thinking,
        output_config: OutputConfig { effort, format: form(output.as_ref(), model, losses) },
        temperature: drawn.temperature,
        top_p: drawn.top_p,
        top_k: drawn.top_k,
        stop_sequences: stops(stop, losses),
        metadata: hints.user.as_deref().map(|user_id| Metadata { user_id }),
        service_tier: hint(hints, losses),
        tools: tools.list,
        tool_choice: tools.choice,
        system: conversation.system,
        messages: conversation.messages,
    };
    serde_json::to_vec(&body).unwrap_or_default()
}

/// What this dialect has no field for.
fn lose_absent(call: &ModelCall, losses: &mut Losses) {
    let Sampling { temperature: _, top_p: _, top_k: _, seed, presence_penalty, frequency_penalty, logit_bias } =
        &call.sampling;
    losses.lose_if(seed.is_some(), Feature::Seed);
    losses.lose_if(presence_penalty.as_ref().is_some_and(|number| !is(number, 0.0)), Feature::PresencePenalty);
    losses.lose_if(frequency_penalty.as_ref().is_some_and(|number| !is(number, 0.0)), Feature::FrequencyPenalty);
    let biases = logit_bias.as_ref().is_some_and(|bias| bias.as_object().is_none_or(|biases| !biases.is_empty()));
    losses.lose_if(biases, Feature::LogitBias);
}

/// Loses what is no hint of this dialect, and gives the tier.
fn hint(hints: &Hints, losses: &mut Losses) -> Option<&'static str> {
    let Hints { user: _, metadata, service_tier, prompt_cache_key, store, other } = hints;
    losses.lose_if(metadata.is_some(), Feature::Metadata);
    losses.lose_if(prompt_cache_key.is_some(), Feature::PromptCacheKey);
    losses.lose_if(*store == Some(true), Feature::Store);
    losses.lost.extend(other.iter().cloned().map(Lost::Hint));
    match service_tier.as_deref()? {
        "auto" => Some("auto"),
        "default" => Some("standard_only"),
        _ => {
            losses.lose(Feature::ServiceTier);
            None
        }
    }
}

/// A form of the answer's text. The API holds an answer to any schema exactly, and knows no JSON without one.
fn form<'a>(output: Option<&'a OutputForm>, model: Model, losses: &mut Losses) -> Option<FormatBody<'a>> {
    match output? {
        OutputForm::Text => None,
        OutputForm::JsonObject => {
            losses.lose(Feature::JsonObject);
            None
        }
        OutputForm::JsonSchema { .. } if !model.holds_schemas() => {
            losses.lose(Feature::JsonSchema);
            None
        }
        OutputForm::JsonSchema { name: _, description, schema, strict: _ } => {
            let schema = Described { schema, description: description.as_deref() };
            Some(FormatBody { kind: "json_schema", schema })
        }
    }
}

/// The API refuses a stop text of white space only.
fn stops<'a>(stop: &'a [String], losses: &mut Losses) -> Vec<&'a str> {
    losses.lose_if(stop.iter().any(|text| text.trim().is_empty()), Feature::Stop);
    stop.iter().map(String::as_str).filter(|text| !text.trim().is_empty()).collect()
}

struct Drawn<'a> {
    temperature: Option<&'a Number>,
    top_p: Option<&'a Number>,
    top_k: Option<&'a Number>,
}

/// How tokens are drawn. A temperature above 1 is lost, not bent to 1. Claude takes none beside thinking, and no `top_p` below
/// 0.95; from 4.1 on not both at once; from 4.7 on neither.
fn draw<'a>(sampling: &'a Sampling, model: Model, thinks: bool, losses: &mut Losses) -> Drawn<'a> {
    let fixed = model.draws_alone() || (thinks && model.is_claude());
    let mut temperature = sampling.temperature.as_ref();
    let hot = temperature.is_some_and(|number| number.as_f64().is_some_and(|value| value > 1.0));
    if hot || fixed {
        losses.lose_if(temperature.is_some_and(|number| !is(number, 1.0)), Feature::Temperature);
        temperature = None;
    }
    let mut top_p = sampling.top_p.as_ref();
    let wide = top_p.is_some_and(|number| number.as_f64().is_some_and(|value| value >= 0.95));
    if model.draws_alone() || (fixed && !wide) {
        losses.lose_if(top_p.is_some_and(|number| !is(number, 1.0)), Feature::TopP);
        top_p = None;
    }
    if model.draws_one_way() && temperature.is_some() && top_p.is_some() {
        if temperature.is_some_and(|number| is(number, 1.0)) {
            temperature = None;
        } else {
            losses.lose_if(top_p.is_some_and(|number| !is(number, 1.0)), Feature::TopP);
            top_p = None;
        }
    }
    let mut top_k = sampling.top_k.as_ref();
    if fixed {
        losses.lose_if(top_k.is_some(), Feature::TopK);
        top_k = None;
    }
    Drawn { temperature, top_p, top_k }
}

fn is(number: &Number, value: f64) -> bool {
    number.as_f64().is_some_and(|number| (number - value).abs() < 1e-9)
}
