//! Writes a whole answer for a caller.

use serde::Serialize;
use serde_json::value::RawValue;

use super::super::CALL_TAG;
use super::super::wire::{self, ToldCitation, ToldStop, ToldUsage};
use crate::format::Format;
use crate::format::answer::{Citation, ModelAnswer, Said, Told, Usage};
use crate::format::call::{Thinking, ToolCall};

#[derive(Serialize)]
struct Message<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    role: &'static str,
    model: &'a str,
    content: Vec<Block<'a>>,
    #[serde(flatten)]
    stop: ToldStop<'a>,
    usage: ToldUsage<'a>,
    provider: &'a str,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block<'a> {
    Text {
        text: &'a str,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        citations: Vec<ToldCitation<'a>>,
    },
    Thinking {
        thinking: &'a str,
        signature: String,
    },
    RedactedThinking {
        data: String,
    },
    ToolUse {
        id: &'a str,
        name: &'a str,
        input: Input<'a>,
    },
}

#[derive(Serialize)]
#[serde(untagged)]
enum Input<'a> {
    Object(&'a RawValue),
    Empty {},
    /// Arguments that are no object: the words stay, in the form that a custom tool's have.
    Text {
        input: &'a str,
    },
}

/// Writes a whole answer: the first choice, for a caller of this dialect cannot ask for more.
pub fn write(answer: &ModelAnswer, told: &Told) -> Vec<u8> {
    let choice = answer.choices.first();
    let parts = choice.map(|choice| choice.parts.as_slice()).unwrap_or_default();
    let calls = parts.iter().any(|part| matches!(part, Said::ToolCall(_)));
    let refused = parts.iter().any(|part| matches!(part, Said::Refusal(_)));
    let made_id = format!("msg_{}", told.id);
    let none = Usage::default();
    let message = Message {
        id: answer.id.as_deref().unwrap_or(&made_id),
        kind: "message",
        role: "assistant",
        model: answer.model.as_deref().unwrap_or(&told.model),
        content: parts.iter().flat_map(blocks).flatten().collect(),
        stop: wire::told_stop(choice.and_then(|choice| choice.stop.as_ref()), calls, refused),
        usage: wire::usage(answer.usage.as_ref().unwrap_or(&none), answer.service_tier.as_deref()),
        provider: &told.provider,
    };
    serde_json::to_vec(&message).unwrap_or_default()
}

fn blocks(part: &Said) -> [Option<Block<'_>>; 2] {
    match part {
        Said::Text { text, citations } => [said(text, citations), None],
        Said::Refusal(text) => [said(text, &[]), None],
        Said::Thinking(thoughts) => [thinking(thoughts), None],
        Said::ToolCall(call) => {
            let signature = call.signature.as_ref().map(|signature| Block::RedactedThinking {
                data: format!("{CALL_TAG}{}.{}", signature.maker.name(), signature.value),
            });
            [signature, Some(Block::ToolUse { id: &call.id, name: &call.name, input: input(call) })]
        }
    }
}

fn said<'a>(text: &'a str, citations: &'a [Citation]) -> Option<Block<'a>> {
    let citations = citations.iter().filter_map(wire::citation).collect();
    (!text.is_empty()).then_some(Block::Text { text, citations })
}

fn thinking(thoughts: &Thinking) -> Option<Block<'_>> {
    let signature = thoughts.signature.as_ref().map(|signature| signature.told_in(Format::Messages));
    match signature {
        Some(data) if thoughts.redacted && thoughts.text.is_empty() => Some(Block::RedactedThinking { data }),
        None if thoughts.text.is_empty() => None,
        signature => Some(Block::Thinking { thinking: &thoughts.text, signature: signature.unwrap_or_default() }),
    }
}

fn input(call: &ToolCall) -> Input<'_> {
    let object = |text| serde_json::from_str::<&RawValue>(text).ok().filter(|json| json.get().starts_with('{'));
    match object(&call.arguments) {
        _ if call.arguments.trim().is_empty() => Input::Empty {},
        Some(json) if !call.custom => Input::Object(json),
        _ => Input::Text { input: &call.arguments },
    }
}
