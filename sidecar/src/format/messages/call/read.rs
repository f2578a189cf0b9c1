//! Reads a caller's call: the fields beside the conversation, which `blocks` reads.
//!
//! What only tunes caching, billing, tracing or the trimming of an old context is a hint, so that agents written for
//! Anthropic's API work elsewhere. What asks for something that only Anthropic does (its own tools, MCP servers, containers,
//! a place of inference) is unknown, and refused by name.

mod blocks;
mod tools;

use serde_json::{Map, Value};

use blocks::Reading;

use crate::format::Invalid;
use crate::format::call::{CacheBreakpoint, ModelCall, OutputForm, Part, Reasoning, Role, Turn};
use crate::format::fields::{self, Fields};

/// What Claude Code puts before its system prompt for Anthropic's billing. Anthropic takes it out of the prompt; elsewhere it
/// would change with each call and spoil every prompt cache.
const BILLING: &str = "x-anthropic-billing-header:";

/// Fields that change no answer.
const HINTS: [&str; 7] =
    ["speed", "diagnostics", "user_profile_id", "workspace_id", "betas", "anthropic_beta", "anthropic_version"];

/// Edits of an old context. Without them more of it is sent, and thoughts of other makers are not sent anyway.
const TRIMMING: [&str; 2] = ["clear_thinking_20251015", "clear_tool_uses_20250919"];

/// What becomes part of the call only when all fields are read.
#[derive(Default)]
struct Pending {
    system: Vec<Part>,
    thinking: Option<Reasoning>,
    effort: Option<String>,
    cache: Option<CacheBreakpoint>,
}

/// Reads a call. `max_tokens` may be absent, as in a call of `count_tokens`.
pub fn read(body: Map<String, Value>) -> Result<ModelCall, Invalid> {
    let mut call = ModelCall::default();
    let mut reading = Reading::default();
    let mut pending = Pending::default();
    let (mut model, mut messages) = (false, false);
    for (key, value) in body {
        if value.is_null() {
            continue;
        }
        match key.as_str() {
            "model" => {
                call.model = fields::string(value, "model")?;
                model = true;
            }
            "messages" => {
                messages = true;
                call.turns = conversation(value, &mut reading)?;
            }
            "system" => pending.system = system(value, &mut reading)?,
            "tools" => call.tools = tools::tools(value, &mut reading)?,
            "tool_choice" => tools::choice(value, &mut call, &mut reading)?,
            "thinking" => pending.thinking = thinking(value, &mut reading)?,
            "output_config" => output_config(value, &mut call, &mut pending, &mut reading)?,
            "output_format" => call.output = output(value, "output_format", &mut reading)?,
            "cache_control" => pending.cache = reading.cache(Some(value), "cache_control"),
            _ => plain(&key, value, &mut call, &mut reading)?,
        }
    }
    if !model {
        return Err(Invalid::new("model", "is required"));
    }
    if !messages {
        return Err(Invalid::new("messages", "is required"));
    }
    call.reasoning = reasoning(pending.thinking, pending.effort, &mut reading);
    if !pending.system.is_empty() {
        call.turns.insert(0, Turn { role: Role::System, name: None, parts: pending.system });
    }
    if let Some(last) = call.turns.last_mut().and_then(|turn| turn.parts.last_mut()) {
        last.cache = last.cache.take().or(pending.cache);
    }
    call.unknown.append(&mut reading.unknown);
    call.hints.other.append(&mut reading.hints);
    Ok(call)
}

/// Reads a field that needs no context.
fn plain(key: &str, value: Value, call: &mut ModelCall, reading: &mut Reading) -> Result<(), Invalid> {
    match key {
        "max_tokens" => call.max_tokens = Some(fields::count(&value, key)?),
        "stream" => call.stream = fields::boolean(&value, key)?,
        "temperature" => call.sampling.temperature = Some(fields::number(value, key)?),
        "top_p" => call.sampling.top_p = Some(fields::number(value, key)?),
        "top_k" => call.sampling.top_k = Some(fields::number(value, key)?),
        "stop_sequences" => call.stop = stop_sequences(value)?,
        "metadata" => {
            let mut metadata = fields::object(value, key)?;
            call.hints.user = fields::optional(&mut metadata, "user_id", key)?;
            let others = metadata.into_iter().filter(|(_, value)| !value.is_null());
            reading.hints.extend(others.map(|(name, _)| format!("metadata.{name}")));
        }
        "service_tier" => {
            let tier = fields::string(value, key)?;
            call.hints.service_tier = Some(if tier == "standard_only" { "default".to_owned() } else { tier });
        }
        "context_management" => context_management(value, reading)?,
        "mcp_servers" if value.as_array().is_some_and(Vec::is_empty) => {}
        _ if HINTS.contains(&key) => reading.hints.push(key.to_owned()),
        _ => reading.unknown.push((key.to_owned(), value)),
    }
    Ok(())
}

fn conversation(value: Value, reading: &mut Reading) -> Result<Vec<Turn>, Invalid> {
    let messages = fields::list(value, "messages")?;
    if messages.is_empty() {
        return Err(Invalid::new("messages", "must hold at least one message"));
    }
    let mut turns = Vec::with_capacity(messages.len() + 1);
    for (index, message) in messages.into_iter().enumerate() {
        reading.message(message, &format!("messages[{index}]"), &mut turns)?;
    }
    Ok(turns)
}

fn system(value: Value, reading: &mut Reading) -> Result<Vec<Part>, Invalid> {
    let Value::Array(mut blocks) = value else {
        return reading.content(value, "system");
    };
    let text = |block: &Value| block.get("text").and_then(Value::as_str).is_some_and(|text| text.starts_with(BILLING));
    for (index, block) in blocks.iter_mut().enumerate().filter(|(_, block)| text(block)) {
        reading.hints.push(format!("system[{index}]"));
        *block = Value::Null;
    }
    reading.content(Value::Array(blocks), "system")
}

fn stop_sequences(value: Value) -> Result<Vec<String>, Invalid> {
    let items = fields::list(value, "stop_sequences")?;
    let mut stop = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        stop.push(fields::string(item, &format!("stop_sequences[{index}]"))?);
    }
    stop.retain(|text| !text.is_empty());
    Ok(stop)
}

fn context_management(value: Value, reading: &mut Reading) -> Result<(), Invalid> {
    let at = "context_management";
    let mut fields = fields::object(value, at)?;
    let edits = fields::take(&mut fields, "edits").map(|edits| fields::list(edits, "context_management.edits"));
    for (index, edit) in edits.transpose()?.unwrap_or_default().into_iter().enumerate() {
        let path = format!("{at}.edits[{index}]");
        let kind = edit.get("type").and_then(Value::as_str).unwrap_or_default();
        if TRIMMING.contains(&kind) {
            reading.hints.push(path);
        } else {
            reading.unknown.push((path, edit));
        }
    }
    reading.leave(fields, at);
    Ok(())
}

/// `thinking`, but for the effort, which stands elsewhere.
fn thinking(value: Value, reading: &mut Reading) -> Result<Option<Reasoning>, Invalid> {
    let at = "thinking";
    let mut fields = fields::object(value, at)?;
    let kind = fields::required(&mut fields, "type", at)?;
    let mut reasoning = Reasoning::default();
    match kind.as_str() {
        "enabled" => {
            let budget = fields::take(&mut fields, "budget_tokens");
            let budget = budget.ok_or_else(|| Invalid::new("thinking.budget_tokens", "is required"))?;
            reasoning.budget_tokens = Some(fields::count(&budget, "thinking.budget_tokens")?);
        }
        "adaptive" => reasoning.adaptive = true,
        "disabled" => reasoning.effort = Some("none".to_owned()),
        _ => {
            reading.unknown.push(("thinking.type".to_owned(), Value::String(kind)));
            return Ok(None);
        }
    }
    reasoning.summary = fields::optional(&mut fields, "display", at)?;
    reading.leave(fields, at);
    Ok(Some(reasoning))
}

fn output_config(
    value: Value,
    call: &mut ModelCall,
    pending: &mut Pending,
    reading: &mut Reading,
) -> Result<(), Invalid> {
    let at = "output_config";
    let mut fields = fields::object(value, at)?;
    pending.effort = fields::optional(&mut fields, "effort", at)?;
    if let Some(format) = fields::take(&mut fields, "format") {
        call.output = output(format, "output_config.format", reading)?;
    }
    reading.leave(fields, at);
    Ok(())
}

/// A form of the answer. Anthropic always holds an answer to its schema, but takes schemas that strict modes elsewhere refuse,
/// so `strict` stays unsaid.
fn output(value: Value, at: &str, reading: &mut Reading) -> Result<Option<OutputForm>, Invalid> {
    let mut fields = fields::object(value, at)?;
    let kind = fields::required(&mut fields, "type", at)?;
    if kind != "json_schema" {
        reading.unknown.push((format!("{at}.type"), Value::String(kind)));
        return Ok(None);
    }
    let schema = fields::take(&mut fields, "schema");
    let schema = schema.ok_or_else(|| Invalid::new(format!("{at}.schema"), "is required"))?;
    let schema = Value::Object(fields::object(schema, &format!("{at}.schema"))?);
    reading.leave(fields, at);
    Ok(Some(OutputForm::JsonSchema { name: None, description: None, schema, strict: None }))
}

/// One wish from `thinking` and `output_config.effort`. No thinking beats an effort; an effort, which every dialect has, beats a
/// budget.
fn reasoning(thinking: Option<Reasoning>, effort: Option<String>, reading: &mut Reading) -> Option<Reasoning> {
    let Some(mut reasoning) = thinking else {
        return effort.map(|effort| Reasoning { effort: Some(effort), ..Reasoning::default() });
    };
    if effort.is_some() && reasoning.effort.is_some() {
        reading.hints.push("output_config.effort".to_owned());
    } else if effort.is_some() {
        if reasoning.budget_tokens.take().is_some() {
            reading.hints.push("thinking.budget_tokens".to_owned());
        }
        reasoning.effort = effort;
    }
    Some(reasoning)
}

/// Notes the fields of an object that nobody took.
fn leftovers(fields: Fields, at: &str, unknown: &mut Vec<(String, Value)>) {
    let left = fields.into_iter().filter(|(_, value)| !value.is_null());
    unknown.extend(left.map(|(key, value)| (format!("{at}.{key}"), value)));
}
