//! Reads a provider's answer.

use serde_json::Value;

use crate::format::answer::{Choice, ModelAnswer, Said, Stop};
use crate::format::call::{Signature, Thinking, ToolCall};
use crate::format::function::made_up_id;
use crate::format::responses::wire::{self, Item, Response};
use crate::format::{Format, Malformed};

/// Reads an answer. `seed` is chance for the ids of calls that have none.
pub fn read(body: &[u8], seed: u64) -> Result<ModelAnswer, Malformed> {
    let response: Response<'_> =
        serde_json::from_slice(body).map_err(|_| Malformed("no Responses answer".to_owned()))?;
    if response.error.is_some() || matches!(response.status.get(), Some("failed" | "cancelled")) {
        return Err(Malformed("an error with status 200".to_owned()));
    }
    if matches!(response.status.get(), Some("queued" | "in_progress")) {
        return Err(Malformed("an answer that is not there yet".to_owned()));
    }
    let items = response.output.ok_or_else(|| Malformed("an answer without output".to_owned()))?;
    let mut choice = Choice::default();
    let mut logprobs = Vec::new();
    let mut calls = 0;
    for item in items {
        match item.kind.get() {
            Some("message") => message(item, &mut choice.parts, &mut logprobs),
            Some("function_call") => {
                choice.parts.push(Said::ToolCall(call(item, false, seed, calls)));
                calls += 1;
            }
            Some("custom_tool_call") => {
                choice.parts.push(Said::ToolCall(call(item, true, seed, calls)));
                calls += 1;
            }
            Some("reasoning") => choice.parts.extend(thinking(item).map(Said::Thinking)),
            // What a hosted tool did; nobody who calls through here can have asked for it.
            Some(_) | None => {}
        }
    }
    let reason = response.incomplete_details.as_ref().and_then(|details| details.reason.get());
    choice.stop = Some(stop(response.status.get(), reason, calls > 0));
    choice.logprobs = wire::chat_logprobs(logprobs);
    Ok(ModelAnswer {
        id: response.id.owned(),
        model: response.model.owned(),
        created: response.created_at.as_ref().and_then(Value::as_number).and_then(wire::whole),
        choices: vec![choice],
        usage: response.usage.map(wire::Usage::neutral),
        service_tier: response.service_tier.owned(),
    })
}

/// Why an answer ended, from what the response says at its end.
pub(in crate::format::responses) fn stop(status: Option<&str>, reason: Option<&str>, calls: bool) -> Stop {
    match (status, reason) {
        (_, Some("content_filter")) => Stop::Filtered(None),
        (_, Some(reason)) if reason.contains("context") => Stop::ContextWindow,
        (_, Some("max_output_tokens" | "max_tokens" | "length")) | (Some("incomplete"), None) => Stop::Length,
        (Some("incomplete"), Some(reason)) => Stop::Failed(reason.to_owned()),
        _ if calls => Stop::ToolUse,
        _ => Stop::End,
    }
}

fn message(item: Item<'_>, parts: &mut Vec<Said>, logprobs: &mut Vec<Value>) {
    for part in item.content.0 {
        if let Some(refusal) = part.refusal.owned() {
            parts.push(Said::Refusal(refusal));
        }
        if let Some(text) = part.text.owned() {
            let annotations = part.annotations.unwrap_or_default();
            let citations = annotations.into_iter().map(wire::Annotation::neutral).collect();
            parts.push(Said::Text { text, citations });
        }
        logprobs.extend(wire::entries(part.logprobs));
    }
}

fn call(item: Item<'_>, custom: bool, seed: u64, index: u32) -> ToolCall {
    let arguments = if custom { item.input.owned() } else { item.arguments.owned() };
    let empty = if custom { "" } else { "{}" };
    ToolCall {
        id: item.call_id.owned().or_else(|| item.id.owned()).unwrap_or_else(|| made_up_id(seed, index)),
        name: item.name.owned().unwrap_or_default(),
        arguments: arguments.unwrap_or_else(|| empty.to_owned()),
        custom,
        signature: None,
    }
}

fn thinking(item: Item<'_>) -> Option<Thinking> {
    let raw = item.content.joined();
    let text = if raw.is_empty() { item.summary.joined() } else { raw };
    let signature = item.encrypted_content.owned().map(|value| Signature { maker: Format::Responses, value });
    let redacted = signature.is_some();
    (!text.is_empty() || signature.is_some()).then(|| Thinking { text, signature, redacted, id: item.id.owned() })
}
