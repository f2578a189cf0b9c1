//! Reads a caller's call: every key is placed, or goes into `unknown` by its path.
//! Source: `CreateResponse` of OpenAI's specification 2.3.0, and what Codex CLI sends.

use serde_json::{Map, Value};

use super::{items, tools};
use crate::format::call::{ModelCall, OutputForm, Part, Reasoning, Role, Turn};
use crate::format::{Invalid, fields};

/// What `include` names of hosted tools or of what the caller knows itself: it changes nothing where they aren't called.
const HARMLESS_INCLUDES: [&str; 7] = [
    "reasoning.encrypted_content",
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
];

/// What has to wait until all keys are seen.
#[derive(Default)]
struct Held {
    instructions: Option<String>,
    input: Option<Value>,
    top_logprobs: Option<u64>,
    wants_logprobs: bool,
}

/// Reads a call. Values are moved out of `body`, never copied.
pub fn read(body: Map<String, Value>) -> Result<ModelCall, Invalid> {
    // A stream of this dialect always ends with a usage.
    let mut call = ModelCall { include_usage: true, ..ModelCall::default() };
    let mut held = Held::default();
    for (name, value) in body {
        if !value.is_null() {
            field(&mut call, &mut held, name, value)?;
        }
    }
    if call.model.is_empty() {
        return Err(Invalid::new("model", "is required"));
    }
    settle(call, held)
}

fn settle(mut call: ModelCall, held: Held) -> Result<ModelCall, Invalid> {
    if let Some(text) = held.instructions.filter(|text| !text.is_empty()) {
        call.turns.push(Turn { role: Role::System, name: None, parts: vec![Part::text(text)] });
    }
    match held.input {
        None if call.state.is_none() => return Err(Invalid::new("input", "is required")),
        None => {}
        Some(Value::String(text)) => {
            call.turns.push(Turn { role: Role::User, name: None, parts: vec![Part::text(text)] });
        }
        Some(Value::Array(list)) => items::read(list, &mut call)?,
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) => {
            return Err(Invalid::new("input", "must be a string or a list of items"));
        }
    }
    call.logprobs = match held.top_logprobs {
        Some(0) | None if !held.wants_logprobs => None,
        most => Some(most.unwrap_or(0)),
    };
    Ok(call)
}

fn field(call: &mut ModelCall, held: &mut Held, name: String, value: Value) -> Result<(), Invalid> {
    let at = name.as_str();
    match at {
        "model" => call.model = fields::string(value, at)?,
        "stream" => call.stream = fields::boolean(&value, at)?,
        "input" => held.input = Some(value),
        "instructions" => held.instructions = Some(fields::string(value, at)?),
        "tools" => tools::read(fields::list(value, at)?, call)?,
        "tool_choice" => tools::read_choice(value, call)?,
        "parallel_tool_calls" => call.parallel_tool_calls = Some(fields::boolean(&value, at)?),
        "max_output_tokens" => call.max_tokens = Some(fields::count(&value, at)?),
        "temperature" => call.sampling.temperature = Some(fields::number(value, at)?),
        "top_p" => call.sampling.top_p = Some(fields::number(value, at)?),
        "top_k" => call.sampling.top_k = Some(fields::number(value, at)?),
        "top_logprobs" => held.top_logprobs = Some(fields::count(&value, at)?),
        "include" => held.wants_logprobs |= include(fields::list(value, at)?, call)?,
        "text" => text(fields::object(value, at)?, call)?,
        "reasoning" => reasoning(fields::object(value, at)?, call)?,
        _ => return hint(call, name, value),
    }
    Ok(())
}

fn hint(call: &mut ModelCall, name: String, value: Value) -> Result<(), Invalid> {
    let at = name.as_str();
    match at {
        "user" | "safety_identifier" if call.hints.user.is_none() => call.hints.user = Some(fields::string(value, at)?),
        "metadata" => {
            let labels = fields::object(value, at)?;
            call.hints.metadata = (!labels.is_empty()).then_some(Value::Object(labels));
        }
        "service_tier" => call.hints.service_tier = Some(fields::string(value, at)?),
        "prompt_cache_key" => call.hints.prompt_cache_key = Some(fields::string(value, at)?),
        "store" => call.hints.store = Some(fields::boolean(&value, at)?),
        "truncation" if value == "disabled" => {}
        "background" if value == false => {}
        // Codex says which installation asks; some tune the cache, or tools that only OpenAI hosts. And where nothing is cut
        // off, a prompt that is too long is an error, never another answer.
        "user"
        | "safety_identifier"
        | "client_metadata"
        | "prompt_cache_retention"
        | "prompt_cache_options"
        | "max_tool_calls"
        | "truncation" => call.hints.other.push(name),
        "stream_options" => {
            for (option, value) in fields::object(value, at)? {
                let path = format!("stream_options.{option}");
                match option.as_str() {
                    _ if value.is_null() => {}
                    "include_obfuscation" | "include_usage" => call.hints.other.push(path),
                    _ => call.unknown.push((path, value)),
                }
            }
        }
        _ => return state(call, name, value),
    }
    Ok(())
}

fn state(call: &mut ModelCall, name: String, value: Value) -> Result<(), Invalid> {
    match name.as_str() {
        "previous_response_id" => {
            let id = fields::string(value, &name)?;
            keep(call, name, id);
        }
        "conversation" | "prompt" => {
            let id = match &value {
                Value::String(id) => Some(id.clone()),
                Value::Object(object) => object.get("id").and_then(Value::as_str).map(str::to_owned),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
            };
            let Some(id) = id else { return Err(Invalid::new(name, "must have an id")) };
            keep(call, name, id);
        }
        _ => call.unknown.push((name, value)),
    }
    Ok(())
}

/// Notes state that a provider keeps. What no longer fits into the one place is refused by its own name.
pub(super) fn keep(call: &mut ModelCall, name: String, id: String) {
    if call.state.is_none() {
        call.state = Some((name, id));
    } else {
        call.unknown.push((name, Value::String(id)));
    }
}

/// Reads `include`; says whether log probabilities are wanted.
fn include(list: Vec<Value>, call: &mut ModelCall) -> Result<bool, Invalid> {
    let mut wants_logprobs = false;
    for (index, value) in list.into_iter().enumerate() {
        let at = format!("include[{index}]");
        let name = fields::string(value, &at)?;
        if name == "message.output_text.logprobs" {
            wants_logprobs = true;
        } else if HARMLESS_INCLUDES.contains(&name.as_str()) {
            call.hints.other.push(format!("include.{name}"));
        } else {
            call.unknown.push((at, Value::String(name)));
        }
    }
    Ok(wants_logprobs)
}

fn text(object: Map<String, Value>, call: &mut ModelCall) -> Result<(), Invalid> {
    for (name, value) in object {
        let at = format!("text.{name}");
        match name.as_str() {
            _ if value.is_null() => {}
            "verbosity" => call.verbosity = Some(fields::string(value, &at)?),
            "format" => format(fields::object(value, &at)?, call)?,
            _ => call.unknown.push((at, value)),
        }
    }
    Ok(())
}

fn format(mut object: Map<String, Value>, call: &mut ModelCall) -> Result<(), Invalid> {
    let (mut label, mut description, mut schema, mut strict) = (None, None, None, None);
    let kind = fields::kind(&mut object, "text.format")?;
    for (name, value) in object {
        let at = format!("text.format.{name}");
        match name.as_str() {
            _ if value.is_null() => {}
            "name" => label = Some(fields::string(value, &at)?),
            "description" => description = Some(fields::string(value, &at)?),
            "schema" => schema = Some(value),
            "strict" => strict = Some(fields::boolean(&value, &at)?),
            _ => call.unknown.push((at, value)),
        }
    }
    call.output = match kind.as_str() {
        "text" => Some(OutputForm::Text),
        "json_object" => Some(OutputForm::JsonObject),
        "json_schema" => {
            let schema = schema.ok_or_else(|| Invalid::new("text.format.schema", "is required"))?;
            Some(OutputForm::JsonSchema { name: label, description, schema, strict })
        }
        _ => {
            call.unknown.push((format!("text.format.{kind}"), Value::String(kind)));
            None
        }
    };
    Ok(())
}

fn reasoning(object: Map<String, Value>, call: &mut ModelCall) -> Result<(), Invalid> {
    let mut reasoning = Reasoning::default();
    for (name, value) in object {
        let at = format!("reasoning.{name}");
        match name.as_str() {
            _ if value.is_null() => {}
            "effort" => reasoning.effort = Some(fields::string(value, &at)?),
            "summary" => reasoning.summary = Some(fields::string(value, &at)?),
            // The older name of `summary`.
            "generate_summary" if reasoning.summary.is_none() => reasoning.summary = Some(fields::string(value, &at)?),
            "generate_summary" => {}
            "mode" if value == "standard" => {}
            // Which earlier thoughts are rendered: others' thoughts can't be rendered anyway.
            "context" => call.hints.other.push(at),
            _ => call.unknown.push((at, value)),
        }
    }
    if reasoning != Reasoning::default() {
        call.reasoning = Some(reasoning);
    }
    Ok(())
}
