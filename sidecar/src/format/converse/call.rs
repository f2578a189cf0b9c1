//! Writes a call for Converse. The model and whether to stream stand in the path. Called by `attempt`.
//! Source: botocore's service model, and refusals that are known of the service.

mod media;
mod messages;
mod thinking;
mod tools;

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Number, Value};

use crate::format::call::{Hints, ModelCall, OutputForm, Sampling};
use crate::format::loss::{Feature, Losses, Lost};
use messages::{Block, Message};
use thinking::ModelFields;
use tools::ToolConfig;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Block<'a>>,
    messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "InferenceConfig::is_empty")]
    inference_config: InferenceConfig<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<ToolConfig<'a>>,
    #[serde(skip_serializing_if = "OutputConfig::is_empty")]
    output_config: OutputConfig<'a>,
    #[serde(skip_serializing_if = "ModelFields::is_empty")]
    additional_model_request_fields: ModelFields<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    additional_model_response_field_paths: Option<[&'static str; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<ServiceTier<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_metadata: Option<&'a Value>,
}

#[derive(Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct InferenceConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<Cow<'a, Number>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<&'a Number>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop_sequences: &'a [String],
}

impl InferenceConfig<'_> {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct OutputConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    text_format: Option<TextFormat<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'a str>,
}

impl OutputConfig<'_> {
    fn is_empty(&self) -> bool {
        self.text_format.is_none() && self.effort.is_none()
    }
}

#[derive(Serialize)]
struct TextFormat<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    structure: Structure<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Structure<'a> {
    json_schema: JsonSchema<'a>,
}

#[derive(Serialize)]
struct JsonSchema<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    /// JSON in a string.
    schema: String,
}

#[derive(Serialize)]
struct ServiceTier<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
}

/// The JSON body for a call. What it cannot carry goes into `losses`.
pub fn write(call: &ModelCall, losses: &mut Losses) -> Vec<u8> {
    let ModelCall {
        model,
        stream,
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
    let mut fields = ModelFields::default();
    let mut inference_config = sample(sampling, model, &mut fields, losses);
    inference_config.max_tokens = *max_tokens;
    inference_config.stop_sequences = stop;
    let effort = reasoning.as_ref().and_then(|reasoning| fields.think(reasoning, model, *max_tokens, losses));
    if fields.thinks() {
        unheat(&mut inference_config, &mut fields, losses);
    }
    let output_config =
        OutputConfig { text_format: output.as_ref().and_then(|form| text_format(form, losses)), effort };
    let (system, messages) = messages::write(turns, model, losses);
    let tool_config = tools::write(tools, tool_choice.as_ref(), turns, model, losses);
    losses.lose_if(choices.is_some_and(|count| count != 1), Feature::Choices);
    losses.lose_if(logprobs.is_some(), Feature::Logprobs);
    losses.lose_if(*parallel_tool_calls == Some(false), Feature::ParallelToolCalls);
    losses.lose_if(verbosity.is_some(), Feature::Verbosity);
    losses.lose_if(state.is_some(), Feature::State);
    losses.lost.extend(unknown.iter().map(|(path, _)| Lost::Unknown(path.clone())));
    let (service_tier, request_metadata) = hint(hints, losses);
    // Claude says which text stopped it, when it is asked.
    let asked = is_claude(model) && !stop.is_empty();
    let path = if *stream { "/delta/stop_sequence" } else { "/stop_sequence" };
    let body = Body {
        system,
        messages,
        inference_config,
        tool_config,
        output_config,
        additional_model_request_fields: fields,
        additional_model_response_field_paths: asked.then_some([path]),
        service_tier,
        request_metadata,
    };
    serde_json::to_vec(&body).expect("a body of strings, numbers and JSON values")
}

/// Whether the model is one of Anthropic's: `eu.anthropic.claude-…`. An ARN of an application's own profile does not say.
fn is_claude(model: &str) -> bool {
    model.contains("anthropic")
}

fn sample<'a>(
    sampling: &'a Sampling,
    model: &str,
    fields: &mut ModelFields<'a>,
    losses: &mut Losses,
) -> InferenceConfig<'a> {
    let Sampling { temperature, top_p, top_k, seed, presence_penalty, frequency_penalty, logit_bias } = sampling;
    if is_claude(model) {
        fields.top_k = top_k.as_ref();
    } else {
        losses.lose_if(top_k.is_some(), Feature::TopK);
    }
    losses.lose_if(seed.is_some(), Feature::Seed);
    losses.lose_if(presence_penalty.is_some(), Feature::PresencePenalty);
    losses.lose_if(frequency_penalty.is_some(), Feature::FrequencyPenalty);
    losses.lose_if(logit_bias.is_some(), Feature::LogitBias);
    let temperature = temperature.as_ref().map(|asked| {
        if asked.as_f64().is_some_and(|value| value > 1.0) {
            // The range ends at 1, where OpenAI's ends at 2.
            losses.change(Feature::Temperature);
            return Cow::Owned(1.into());
        }
        Cow::Borrowed(asked)
    });
    InferenceConfig { temperature, top_p: top_p.as_ref(), ..InferenceConfig::default() }
}

/// A Claude that thinks draws as it likes: it refuses any temperature but 1, a nucleus below 0.95, and the most likely tokens.
fn unheat(config: &mut InferenceConfig<'_>, fields: &mut ModelFields<'_>, losses: &mut Losses) {
    let below = |number: &Number, least: f64| number.as_f64().is_some_and(|value| value < least);
    if config.temperature.take_if(|temperature| below(temperature, 1.0)).is_some() {
        losses.lose(Feature::Temperature);
    }
    if config.top_p.take_if(|nucleus| below(nucleus, 0.95)).is_some() {
        losses.lose(Feature::TopP);
    }
    if fields.top_k.take().is_some() {
        losses.lose(Feature::TopK);
    }
}

fn text_format<'a>(form: &'a OutputForm, losses: &mut Losses) -> Option<TextFormat<'a>> {
    match form {
        OutputForm::Text => None,
        OutputForm::JsonObject => {
            losses.lose(Feature::JsonObject);
            None
        }
        // A schema binds always.
        OutputForm::JsonSchema { name, description, schema, strict: _ } => {
            let (name, description, schema) = (name.as_deref(), description.as_deref(), schema.to_string());
            let structure = Structure { json_schema: JsonSchema { name, description, schema } };
            Some(TextFormat { kind: "json_schema", structure })
        }
    }
}

fn hint<'a>(hints: &'a Hints, losses: &mut Losses) -> (Option<ServiceTier<'a>>, Option<&'a Value>) {
    let Hints { user, metadata, service_tier, prompt_cache_key, store, other } = hints;
    losses.lose_if(user.is_some(), Feature::User);
    losses.lose_if(prompt_cache_key.is_some(), Feature::PromptCacheKey);
    losses.lose_if(*store == Some(true), Feature::Store);
    losses.lost.extend(other.iter().map(|name| Lost::Hint(name.clone())));
    let labels = metadata.as_ref().filter(|metadata| is_request_metadata(metadata));
    let empty = metadata.as_ref().is_some_and(|metadata| metadata.as_object().is_some_and(serde_json::Map::is_empty));
    losses.lose_if(metadata.is_some() && labels.is_none() && !empty, Feature::Metadata);
    let tier = match service_tier.as_deref() {
        Some(kind @ ("priority" | "default" | "flex" | "reserved")) => Some(ServiceTier { kind }),
        None | Some("auto") => None,
        Some(_) => {
            losses.lose(Feature::ServiceTier);
            None
        }
    };
    (tier, labels)
}

/// Up to 16 strings of the letters that the service takes; a label is not worth a refused call.
fn is_request_metadata(metadata: &Value) -> bool {
    let fits = |text: &str| {
        let letter = |letter: char| {
            letter.is_ascii_alphanumeric() || letter.is_ascii_whitespace() || ":_@$#=/+,-.".contains(letter)
        };
        text.len() <= 256 && text.chars().all(letter)
    };
    metadata.as_object().is_some_and(|map| {
        let fit = |(key, value): (&String, &Value)| !key.is_empty() && fits(key) && value.as_str().is_some_and(fits);
        (1..=16).contains(&map.len()) && map.iter().all(fit)
    })
}

#[cfg(test)]
mod tests;
