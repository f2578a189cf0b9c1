//! Reads a provider's whole answer. Blocks of the provider's own tools (`server_tool_use`, `web_search_tool_result`, …) are
//! not part of what it says, and are left out.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::wire::{self, Block, Counts, Kind, StopDetails};
use crate::format::Malformed;
use crate::format::answer::{Choice, Citation, ModelAnswer, Said, Stop};
use crate::format::call::{Thinking, ToolCall};
use crate::format::function::made_up_id;

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
    id: Option<String>,
    model: Option<String>,
    #[serde(borrow)]
    content: Option<Vec<&'a RawValue>>,
    stop_reason: Option<String>,
    stop_sequence: Option<String>,
    stop_details: Option<StopDetails>,
    usage: Option<Counts>,
}

/// Reads a whole answer; `seed` is chance for the ids of calls that have none.
pub fn read(body: &[u8], seed: u64) -> Result<ModelAnswer, Malformed> {
    let is_error = || Kind::of(body).is_ok_and(|kind| kind == "error");
    let message: Message = serde_json::from_slice(body)
        .map_err(|_| Malformed(if is_error() { "an error with status 200" } else { "no message" }.to_owned()))?;
    if message.kind == "error" {
        return Err(Malformed("an error with status 200".to_owned()));
    }
    let Some(content) = message.content else {
        return Err(Malformed("a message without content".to_owned()));
    };
    let mut parts = Vec::with_capacity(content.len());
    for raw in content {
        parts.extend(said(raw, seed, parts.len())?);
    }
    let stop = message.stop_reason.map(|reason| wire::stop(&reason, message.stop_sequence, message.stop_details));
    let stop = stop.map(|stop| called(stop, &parts));
    let usage = message.usage.as_ref().map(Counts::usage);
    Ok(ModelAnswer {
        id: message.id,
        model: message.model,
        created: None,
        choices: vec![Choice { parts, stop, logprobs: None }],
        usage,
        service_tier: message.usage.and_then(|counts| counts.service_tier).map(wire::read_tier),
    })
}

/// An end behind calls is a wish for their results: not every server of this dialect says so.
fn called(stop: Stop, parts: &[Said]) -> Stop {
    let calls = parts.iter().any(|part| matches!(part, Said::ToolCall(_)));
    if stop == Stop::End && calls { Stop::ToolUse } else { stop }
}

fn said(raw: &RawValue, seed: u64, place: usize) -> Result<Option<Said>, Malformed> {
    let json = raw.get();
    let Ok(block) = serde_json::from_str::<Block>(json) else {
        let known = Kind::of(json.as_bytes()).is_ok_and(|kind| wire::is_known(&kind));
        return if known { Err(Malformed("a block that is none".to_owned())) } else { Ok(None) };
    };
    let said = match block.kind.as_ref() {
        "text" => text(block),
        "thinking" => thinking(block),
        "redacted_thinking" => wire::signed(block.data).map(|signature| {
            Said::Thinking(Thinking { signature: Some(signature), redacted: true, ..Thinking::default() })
        }),
        "tool_use" => Some(Said::ToolCall(ToolCall {
            id: block.id.filter(|id| !id.is_empty()).unwrap_or_else(|| made_up_id(seed, place)),
            name: block.name.unwrap_or_default(),
            arguments: wire::arguments(block.input).unwrap_or("{}").to_owned(),
            custom: false,
            signature: None,
        })),
        _ => None,
    };
    Ok(said)
}

fn text(block: Block<'_>) -> Option<Said> {
    let text = block.text.unwrap_or_default();
    let citations: Vec<_> = block.citations.unwrap_or_default().into_iter().map(Citation::from).collect();
    (!text.is_empty()).then_some(Said::Text { text, citations })
}

fn thinking(block: Block<'_>) -> Option<Said> {
    let text = block.thinking.unwrap_or_default();
    let signature = wire::signed(block.signature);
    let empty = text.is_empty() && signature.is_none();
    (!empty).then_some(Said::Thinking(Thinking { text, signature, redacted: false, id: None }))
}
