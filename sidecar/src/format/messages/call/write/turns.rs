//! Writes the conversation: instructions, messages and their blocks.
//!
//! Turns of one side that follow each other are one message, results of tools first in it. Empty texts, which the API refuses,
//! are left out. A conversation may begin with the assistant: the API takes it.

mod blocks;

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::format::call::{CacheBreakpoint, Content, Part, Role, Turn};
use crate::format::loss::{Feature, Losses};

#[derive(Serialize)]
pub(super) struct Message<'a> {
    role: &'static str,
    content: Vec<Block<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block<'a> {
    Text {
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl<'a>>,
    },
    Image {
        source: Source<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl<'a>>,
    },
    Document {
        source: Source<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        citations: Option<Citations>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl<'a>>,
    },
    ToolUse {
        id: Cow<'a, str>,
        name: &'a str,
        input: Input<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl<'a>>,
    },
    ToolResult {
        tool_use_id: Cow<'a, str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        content: Option<ResultContent<'a>>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl<'a>>,
    },
    Thinking {
        thinking: &'a str,
        signature: &'a str,
    },
    RedactedThinking {
        data: &'a str,
    },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Source<'a> {
    Base64 { media_type: &'a str, data: &'a str },
    Text { media_type: &'static str, data: Cow<'a, str> },
    Url { url: &'a str },
}

#[derive(Serialize)]
pub(super) struct Citations {
    enabled: bool,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum ResultContent<'a> {
    Text(&'a str),
    Blocks(Vec<Block<'a>>),
}

/// Arguments, which are an object here.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Input<'a> {
    Object(&'a RawValue),
    Empty {},
    /// Of a custom tool, or no object.
    Text {
        input: &'a str,
    },
}

#[derive(Serialize)]
pub(super) struct CacheControl<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<&'a str>,
}

impl<'a> CacheControl<'a> {
    pub(super) fn new(cache: &'a CacheBreakpoint) -> Self {
        Self { kind: "ephemeral", ttl: cache.ttl.as_deref() }
    }
}

/// A written conversation.
pub(super) struct Conversation<'a> {
    pub(super) system: Vec<Block<'a>>,
    pub(super) messages: Vec<Message<'a>>,
    /// Whether the last message of the assistant calls tools but does not begin with thoughts.
    pub(super) unproven: bool,
}

/// Writes a conversation. Instructions behind its first turn go to the others before it; when there are only instructions,
/// they are what the user says, for the API wants a message.
pub(super) fn write<'a>(turns: &'a [Turn], losses: &mut Losses) -> Conversation<'a> {
    let mut system = Vec::new();
    let mut messages: Vec<Message<'a>> = Vec::with_capacity(turns.len());
    for Turn { role, name, parts } in turns {
        losses.lose_if(name.is_some(), Feature::ParticipantName);
        let role = match role {
            Role::System | Role::Developer => {
                let before = system.len();
                system.extend(parts.iter().filter_map(|part| instruction(part, losses)));
                if system.len() > before && !messages.is_empty() {
                    losses.change(Feature::SystemTurns);
                }
                continue;
            }
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        let blocks = parts.iter().filter_map(|part| blocks::write(part, losses));
        if let Some(last) = messages.last_mut().filter(|last| last.role == role) {
            last.content.extend(blocks);
            continue;
        }
        let content: Vec<_> = blocks.collect();
        if !content.is_empty() {
            messages.push(Message { role, content });
        }
    }
    if messages.is_empty() && !system.is_empty() {
        losses.change(Feature::SystemTurns);
        messages.push(Message { role: "user", content: std::mem::take(&mut system) });
    }
    for message in &mut messages {
        message.content.sort_by_key(|block| !matches!(block, Block::ToolResult { .. }));
    }
    let unproven = is_unproven(&messages);
    Conversation { system, messages, unproven }
}

/// Instructions are texts; anything else has no place among them.
fn instruction<'a>(part: &'a Part, losses: &mut Losses) -> Option<Block<'a>> {
    let block = blocks::write(part, losses)?;
    if matches!(block, Block::Text { .. }) {
        return Some(block);
    }
    losses.lose(match &part.content {
        Content::Image { .. } => Feature::ImageInline,
        Content::File { .. } => Feature::FileInline,
        Content::Thinking(_) => Feature::Thinking,
        Content::ToolCall(_) | Content::ToolResult(_) => Feature::Tools,
        Content::Text(_) | Content::Refusal(_) | Content::Audio { .. } => Feature::SystemTurns,
    });
    None
}

/// The start of the answer, if the conversation ends with one. The API refuses it beside thinking, Claude from 4.6 on always,
/// and everywhere one that ends in white space.
pub(super) fn prefill(messages: &mut Vec<Message<'_>>, taken: bool, losses: &mut Losses) {
    let last = messages.last_mut().filter(|message| message.role == "assistant");
    let Some(Block::Text { text, .. }) = last.and_then(|message| message.content.last_mut()) else {
        return;
    };
    *text = text.trim_end();
    if !taken {
        losses.lose(Feature::Prefill);
        messages.pop();
    }
}

fn is_unproven(messages: &[Message<'_>]) -> bool {
    let last = messages.iter().rfind(|message| message.role == "assistant");
    let Some(Message { content, .. }) = last else {
        return false;
    };
    let calls = content.iter().any(|block| matches!(block, Block::ToolUse { .. }));
    let thoughts = matches!(content.first(), Some(Block::Thinking { .. } | Block::RedactedThinking { .. }));
    calls && !thoughts
}
