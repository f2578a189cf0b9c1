//! Reads a caller's messages: who says what, thinks what and calls what. Called by `read`.

use serde_json::{Map, Value};

use super::parts;
use crate::format::Format;
use crate::format::Invalid;
use crate::format::call::{
    CacheBreakpoint, Content, ModelCall, Part, Role, Signature, Thinking, ToolCall, ToolResult, Turn,
};
use crate::format::chat::fields::{Path, Unknown, list, object, present, required, text};
use crate::format::chat::thoughts::{self, Collected};

/// `messages`. Results of tools that follow each other become one turn.
pub(super) fn read(messages: Vec<Value>, at: &Path<'_>, call: &mut ModelCall) -> Result<Vec<Turn>, Invalid> {
    if messages.is_empty() {
        return Err(at.wrong("must have at least one message"));
    }
    let mut turns: Vec<Turn> = Vec::with_capacity(messages.len());
    for (n, value) in messages.into_iter().enumerate() {
        let at = Path::Item(at, n);
        let mut message = Message { number: n, ..Message::default() };
        for (key, value) in present(object(value, &at)?) {
            message.take(&key, value, &Path::In(&at, &key), call)?;
        }
        let is_result = matches!(message.role.as_deref(), Some("tool" | "function"));
        let turn = message.finish(&at, &turns)?;
        let results = turns.last_mut().filter(|last| is_result && is_results(last));
        match results {
            Some(results) => results.parts.extend(turn.parts),
            None => turns.push(turn),
        }
    }
    Ok(turns)
}

fn is_results(turn: &Turn) -> bool {
    !turn.parts.is_empty() && turn.parts.iter().all(|part| matches!(part.content, Content::ToolResult(_)))
}

#[derive(Default)]
struct Message {
    number: usize,
    role: Option<String>,
    name: Option<String>,
    content: Vec<Part>,
    refusal: Option<String>,
    plain_thoughts: Option<(String, &'static str)>,
    thoughts: Vec<Thinking>,
    calls: Vec<ToolCall>,
    tool_call_id: Option<String>,
    cache: Option<CacheBreakpoint>,
}

impl Message {
    fn take(&mut self, key: &str, value: Value, at: &Path<'_>, call: &mut ModelCall) -> Result<(), Invalid> {
        let unknown = &mut call.unknown;
        match key {
            "role" => self.role = Some(text(value, at)?),
            "name" => self.name = Some(text(value, at)?),
            "content" => self.content = parts::read(value, at, unknown)?,
            "refusal" => self.refusal = Some(text(value, at)?).filter(|refusal| !refusal.is_empty()),
            "reasoning_content" => self.plain_thoughts = Some((text(value, at)?, thoughts::IN_REASONING_CONTENT)),
            "reasoning" => {
                let reasoning = (text(value, at)?, thoughts::IN_REASONING);
                self.plain_thoughts.get_or_insert(reasoning);
            }
            "reasoning_details" => self.thoughts = details(value, at, unknown)?,
            "tool_calls" => {
                for (n, value) in list(value, at)?.into_iter().enumerate() {
                    self.calls.push(tool_call(value, &Path::Item(at, n), unknown)?);
                }
            }
            "function_call" => {
                let (name, arguments) = function(value, at, unknown)?;
                let id = format!("call_{}", self.number);
                self.calls.push(ToolCall { id, name, arguments, custom: false, signature: None });
            }
            "tool_call_id" => self.tool_call_id = Some(text(value, at)?),
            "cache_control" => self.cache = cache(value, at, unknown)?,
            // What an app that sends an answer back sends along.
            "annotations" if value.as_array().is_some_and(Vec::is_empty) => {}
            "annotations" => call.hints.other.push(at.to_string()),
            _ => unknown.push((at.to_string(), value)),
        }
        Ok(())
    }

    fn finish(self, at: &Path<'_>, before: &[Turn]) -> Result<Turn, Invalid> {
        let given = required(self.role.as_deref(), &Path::In(at, "role"))?;
        let role = match given {
            "system" => Role::System,
            "developer" => Role::Developer,
            "user" | "tool" | "function" => Role::User,
            "assistant" => Role::Assistant,
            _ => {
                let known = "must be `system`, `developer`, `user`, `assistant` or `tool`";
                return Err(Path::In(at, "role").wrong(known));
            }
        };
        if role != Role::Assistant && !self.calls.is_empty() {
            return Err(Path::In(at, "tool_calls").wrong("must be in a message of the assistant"));
        }
        let call_id = match given {
            "tool" => Some(required(self.tool_call_id, &Path::In(at, "tool_call_id"))?),
            "function" => Some(required(called(before, self.name.as_deref()), &Path::In(at, "name"))?),
            _ => None,
        };
        let mut parts = Vec::with_capacity(self.content.len() + self.calls.len() + 1);
        let mut thoughts = self.thoughts;
        if let Some((text, place)) = self.plain_thoughts.filter(|(text, _)| thoughts.is_empty() && !text.is_empty()) {
            thoughts.push(Thinking { text, signature: Some(thoughts::place(place)), ..Thinking::default() });
        }
        parts.extend(thoughts.into_iter().map(Content::Thinking).map(Part::new));
        parts.extend(self.content);
        parts.extend(self.refusal.map(Content::Refusal).map(Part::new));
        parts.extend(self.calls.into_iter().map(Content::ToolCall).map(Part::new));
        if let (Some(last), Some(cache)) = (parts.last_mut(), self.cache) {
            last.cache.get_or_insert(cache);
        }
        Ok(match call_id {
            Some(call_id) => {
                let result = ToolResult { call_id, parts, is_error: false };
                Turn { role, name: None, parts: vec![Part::new(Content::ToolResult(result))] }
            }
            None => Turn { role, name: self.name, parts },
        })
    }
}

/// The id of the last call of a function, for the deprecated role `function`.
fn called(before: &[Turn], function: Option<&str>) -> Option<String> {
    let parts = before.iter().rev().flat_map(|turn| turn.parts.iter().rev());
    let mut calls = parts.filter_map(|part| match &part.content {
        Content::ToolCall(call) => Some(call),
        Content::Text(_)
        | Content::Refusal(_)
        | Content::Image { .. }
        | Content::Audio { .. }
        | Content::File { .. }
        | Content::ToolResult(_)
        | Content::Thinking(_) => None,
    });
    calls.find(|call| Some(call.name.as_str()) == function).map(|call| call.id.clone())
}

fn tool_call(value: Value, at: &Path<'_>, unknown: &mut Unknown) -> Result<ToolCall, Invalid> {
    let (mut id, mut called, mut signature) = (None, None, None);
    let mut custom = false;
    for (key, value) in present(object(value, at)?) {
        let at = Path::In(at, &key);
        match key.as_str() {
            "id" => id = Some(text(value, &at)?),
            // Apps that put fragments together keep their index.
            "type" | "index" => {}
            "function" => called = Some(function(value, &at, unknown)?),
            "custom" => {
                custom = true;
                called = Some(custom_call(value, &at, unknown)?);
            }
            "extra_content" => signature = extra(object(value, &at)?, &at, unknown)?,
            _ => unknown.push((at.to_string(), value)),
        }
    }
    let id = required(id, &Path::In(at, "id"))?;
    let (name, arguments) = required(called, &Path::In(at, "function"))?;
    Ok(ToolCall { id, name, arguments, custom, signature })
}

/// A function's name and arguments, which some apps send as an object.
fn function(value: Value, at: &Path<'_>, unknown: &mut Unknown) -> Result<(String, String), Invalid> {
    let (mut name, mut arguments) = (None, String::new());
    for (key, value) in present(object(value, at)?) {
        let at = Path::In(at, &key);
        match key.as_str() {
            "name" => name = Some(text(value, &at)?),
            "arguments" if value.is_object() => arguments = value.to_string(),
            "arguments" => arguments = text(value, &at)?,
            _ => unknown.push((at.to_string(), value)),
        }
    }
    if arguments.trim().is_empty() {
        "{}".clone_into(&mut arguments);
    }
    Ok((required(name, &Path::In(at, "name"))?, arguments))
}

fn custom_call(value: Value, at: &Path<'_>, unknown: &mut Unknown) -> Result<(String, String), Invalid> {
    let (mut name, mut input) = (None, String::new());
    for (key, value) in present(object(value, at)?) {
        let at = Path::In(at, &key);
        match key.as_str() {
            "name" => name = Some(text(value, &at)?),
            "input" => input = text(value, &at)?,
            _ => unknown.push((at.to_string(), value)),
        }
    }
    Ok((required(name, &Path::In(at, "name"))?, input))
}

/// `extra_content.google.thought_signature`.
fn extra(fields: Map<String, Value>, at: &Path<'_>, unknown: &mut Unknown) -> Result<Option<Signature>, Invalid> {
    let mut signature = None;
    for (key, value) in present(fields) {
        let at = Path::In(at, &key);
        if key != "google" {
            unknown.push((at.to_string(), value));
            continue;
        }
        for (key, value) in present(object(value, &at)?) {
            let at = Path::In(&at, &key);
            match key.as_str() {
                "thought_signature" => signature = Some(Signature::read(&text(value, &at)?, Format::Chat)),
                _ => unknown.push((at.to_string(), value)),
            }
        }
    }
    Ok(signature)
}

/// OpenRouter's `reasoning_details`.
fn details(value: Value, at: &Path<'_>, unknown: &mut Unknown) -> Result<Vec<Thinking>, Invalid> {
    let mut collected = Collected::default();
    for (n, value) in list(value, at)?.into_iter().enumerate() {
        let at = Path::Item(at, n);
        let fields = object(value, &at)?;
        let kind = fields.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        if !matches!(kind.as_str(), "reasoning.text" | "reasoning.summary" | "reasoning.encrypted") {
            unknown.push((at.to_string(), Value::Object(fields)));
            continue;
        }
        let mut thinking = Thinking::default();
        let (mut proof, mut format) = (None, None);
        for (key, value) in present(fields) {
            let at = Path::In(&at, &key);
            match key.as_str() {
                "type" | "index" => {}
                "text" | "summary" => thinking.text = text(value, &at)?,
                "signature" | "data" => proof = Some(text(value, &at)?).filter(|proof| !proof.is_empty()),
                "id" => thinking.id = Some(text(value, &at)?),
                "format" => format = Some(text(value, &at)?),
                _ => unknown.push((at.to_string(), value)),
            }
        }
        thinking.signature = proof.map(|proof| thoughts::read_back(format.as_deref(), &proof));
        thinking.redacted = kind == "reasoning.encrypted";
        if thinking.signature.is_some() || !thinking.text.is_empty() {
            collected.push(thinking, kind == "reasoning.summary");
        }
    }
    Ok(collected.into_thoughts())
}

/// `cache_control`, as OpenRouter takes it from Anthropic.
pub(super) fn cache(value: Value, at: &Path<'_>, unknown: &mut Unknown) -> Result<Option<CacheBreakpoint>, Invalid> {
    let mut cache = CacheBreakpoint::default();
    for (key, value) in present(object(value, at)?) {
        let at = Path::In(at, &key);
        match key.as_str() {
            "type" if value == "ephemeral" => {}
            "ttl" => cache.ttl = Some(text(value, &at)?),
            _ => unknown.push((at.to_string(), value)),
        }
    }
    Ok(Some(cache))
}
