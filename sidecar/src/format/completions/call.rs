//! Reads a caller's call of Completions. Called by the pipeline.
//! Source: OpenAI API specification 2.3.0. Its default of 16 tokens is not kept: a model that thinks first would use them up
//! and say nothing.

use serde_json::{Map, Value};

use crate::format::Invalid;
use crate::format::call::{ModelCall, Part, Role, Turn};
use crate::format::chat::fields::{
    Path, choices, count, flag, number, number_but_zero, object, present, required, stop, stream_options, text,
};

const ONE_PROMPT: &str = "must be one prompt here: a string, or a list of one string";

/// Reads a caller's call. What only a model without turns can do (`suffix`, `echo`, `best_of`, `logprobs`) goes to `unknown`.
pub fn read(body: Map<String, Value>) -> Result<ModelCall, Invalid> {
    let mut call = ModelCall::default();
    let mut model = None;
    let mut prompt = None;
    let mut best_of = None;
    for (key, value) in present(body) {
        let at = Path::Field(&key);
        match key.as_str() {
            "model" => model = Some(text(value, &at)?),
            "prompt" => prompt = Some(read_prompt(value, &at)?),
            "best_of" => best_of = Some(count(&value, &at)?),
            _ => take(&mut call, &key, value)?,
        }
    }
    call.model = required(model, &Path::Field("model"))?;
    let prompt = required(prompt, &Path::Field("prompt"))?;
    call.turns = vec![Turn { role: Role::User, name: None, parts: vec![Part::text(prompt)] }];
    // As many as are wanted is the default.
    if let Some(best_of) = best_of.filter(|best_of| *best_of > call.choices.unwrap_or(1)) {
        call.unknown.push(("best_of".to_owned(), best_of.into()));
    }
    Ok(call)
}

fn take(call: &mut ModelCall, key: &str, value: Value) -> Result<(), Invalid> {
    let at = Path::Field(key);
    let sampling = &mut call.sampling;
    match key {
        "stream" => call.stream = flag(&value, &at)?,
        "stream_options" => {
            call.include_usage = stream_options(value, &at, &mut call.hints.other, &mut call.unknown)?;
        }
        "max_tokens" => call.max_tokens = Some(count(&value, &at)?),
        "n" => call.choices = choices(&value, &at)?,
        "stop" => call.stop = stop(value, &at, &mut call.hints.other)?,
        "temperature" => sampling.temperature = Some(number(value, &at)?),
        "top_p" => sampling.top_p = Some(number(value, &at)?),
        "top_k" => sampling.top_k = Some(number(value, &at)?),
        "seed" => sampling.seed = Some(number(value, &at)?),
        "presence_penalty" => sampling.presence_penalty = number_but_zero(value, &at)?,
        "frequency_penalty" => sampling.frequency_penalty = number_but_zero(value, &at)?,
        "logit_bias" => {
            let bias = object(value, &at)?;
            sampling.logit_bias = (!bias.is_empty()).then_some(Value::Object(bias));
        }
        "user" => call.hints.user = Some(text(value, &at)?),
        "echo" if value == false => {}
        "suffix" if value == "" => {}
        _ => call.unknown.push((key.to_owned(), value)),
    }
    Ok(())
}

/// A string, or a list of one: an answer has one prompt behind it in every other dialect.
fn read_prompt(value: Value, at: &Path<'_>) -> Result<String, Invalid> {
    match value {
        Value::String(prompt) => Ok(prompt),
        Value::Array(mut list) => match (list.pop(), list.is_empty()) {
            (Some(Value::String(prompt)), true) => Ok(prompt),
            (Some(Value::String(_)), false) => {
                Err(at.wrong("must be one prompt here; send a call for each of several prompts"))
            }
            (Some(Value::Number(_) | Value::Array(_)), _) => {
                Err(at.wrong("must be text here: ids of tokens mean something else to every model"))
            }
            (None | Some(Value::Null | Value::Bool(_) | Value::Object(_)), _) => Err(at.wrong(ONE_PROMPT)),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Err(at.wrong(ONE_PROMPT)),
    }
}
