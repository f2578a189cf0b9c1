//! Takes out of a caller's body what others than Anthropic made, before the body passes to an Anthropic API as it is.
//!
//! A conversation that another provider answered before comes back with thoughts that are tagged or unsigned, citations
//! without an index, and perhaps with ids that the API refuses. Called by `attempt` for calls that stay in this dialect.

use memchr::memmem;
use serde_json::{Map, Value};

use crate::format::loss::{Feature, Losses};

/// What shows that there is something to take out: a tag of `Signature::told_in`, an empty signature, an empty index.
const SIGNS: [&[u8]; 5] = [
    b"\"lotse.",
    b"\"signature\":\"\"",
    b"\"signature\": \"\"",
    b"\"encrypted_index\":\"\"",
    b"\"encrypted_index\": \"\"",
];

/// The body without what others made, and what that loses; nothing when there is none of it, which is quick to see.
///
/// With a budget Claude refuses to go on from a call of a tool without the thoughts that led to it. Where those are taken out,
/// so is the budget, for this one call.
pub fn own(body: &[u8]) -> Option<(Vec<u8>, Losses)> {
    if !SIGNS.iter().any(|sign| memmem::find(body, sign).is_some()) {
        return None;
    }
    let mut call: Value = serde_json::from_slice(body).ok()?;
    let mut losses = Losses::default();
    let messages = call.get_mut("messages")?.as_array_mut()?;
    messages.retain_mut(|message| {
        let Some(blocks) = message.get_mut("content").and_then(Value::as_array_mut) else {
            return true;
        };
        let before = blocks.len();
        blocks.retain_mut(|block| block.as_object_mut().is_none_or(keep));
        losses.lose_if(blocks.len() < before, Feature::Thinking);
        before == 0 || !blocks.is_empty()
    });
    let unproven = is_unproven(messages);
    if unproven && call["thinking"]["type"] == "enabled" {
        losses.change(Feature::ReasoningBudget);
        drop_budget(call.as_object_mut()?);
    }
    Some((serde_json::to_vec(&call).ok()?, losses))
}

/// Whether a block stays; takes out of it what others made.
fn keep(block: &mut Map<String, Value>) -> bool {
    let kind = block.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let text = |key: &str| block.get(key).and_then(Value::as_str).unwrap_or_default();
    match kind.as_str() {
        "thinking" => !text("signature").is_empty() && !text("signature").starts_with("lotse."),
        "redacted_thinking" => !text("data").starts_with("lotse."),
        "text" => {
            if let Some(citations) = block.get_mut("citations").and_then(Value::as_array_mut) {
                citations.retain(|citation| citation.get("encrypted_index").is_none_or(|index| index != ""));
                if citations.is_empty() {
                    block.remove("citations");
                }
            }
            true
        }
        "tool_use" => {
            clean(block, "id");
            true
        }
        "tool_result" => {
            clean(block, "tool_use_id");
            true
        }
        _ => true,
    }
}

fn clean(block: &mut Map<String, Value>, key: &str) {
    if let Some(Value::String(id)) = block.get_mut(key) {
        *id = super::api_id(id).into_owned();
    }
}

/// Whether the last message of the assistant calls tools but does not begin with thoughts.
fn is_unproven(messages: &[Value]) -> bool {
    let last = messages.iter().rfind(|message| message["role"] == "assistant");
    let Some(blocks) = last.and_then(|message| message["content"].as_array()) else {
        return false;
    };
    let calls = blocks.iter().any(|block| block["type"] == "tool_use");
    let first = blocks.first().and_then(|block| block["type"].as_str()).unwrap_or_default();
    calls && !matches!(first, "thinking" | "redacted_thinking")
}

/// Takes out `thinking`, and the trimming of thoughts, which is refused without it.
fn drop_budget(call: &mut Map<String, Value>) {
    call.remove("thinking");
    let Some(edits) = call.get_mut("context_management").and_then(|config| config.get_mut("edits")) else {
        return;
    };
    let Some(edits) = edits.as_array_mut() else { return };
    edits.retain(|edit| edit["type"].as_str().is_none_or(|kind| !kind.starts_with("clear_thinking")));
    if edits.is_empty() {
        call.remove("context_management");
    }
}
