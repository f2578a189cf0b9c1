//! Writes the conversation. A turn becomes one message, and one more for each result of a tool in it.
//! Called by `write`.
//!
//! Texts that stand alone become one string: DeepSeek and others take no list where a string will do.

use std::borrow::Cow;

use serde::Serialize;

use super::write_parts::{self, Part, Results};
use crate::format::Format;
use crate::format::call::{Content, Media, Role, Thinking, ToolCall, Turn};
use crate::format::chat::answer::{append, join};
use crate::format::chat::thoughts::{self, Entry, Kept};
use crate::format::chat::tool_calls::Written;
use crate::format::loss::{Feature, Losses};

/// A message.
#[derive(Default, Serialize)]
pub(super) struct Message<'a> {
    role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    content: Option<write_parts::Written<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    reasoning_content: Cow<'a, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    reasoning: Cow<'a, str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasoning_details: Vec<Entry<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Written<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
}

/// Writes turns as messages.
pub(super) fn write<'a>(turns: &'a [Turn], losses: &mut Losses) -> Vec<Message<'a>> {
    let mut messages = Vec::with_capacity(turns.len());
    for turn in turns {
        match turn.role {
            Role::System => messages.push(said(turn, "system", Vec::new(), losses)),
            Role::Developer => messages.push(said(turn, "developer", Vec::new(), losses)),
            Role::Assistant => messages.push(assistant(turn, losses)),
            Role::User => user(turn, &mut messages, losses),
        }
    }
    messages
}

/// A turn of the user: the results first, for they must follow their calls at once, then what Chat's results cannot hold,
/// then what the user says.
fn user<'a>(turn: &'a Turn, messages: &mut Vec<Message<'a>>, losses: &mut Losses) {
    let mut moved = Vec::new();
    let mut has_results = false;
    for part in &turn.parts {
        if let Content::ToolResult(result) = &part.content {
            has_results = true;
            losses.lose_if(part.cache.is_some(), Feature::CacheBreakpoint);
            let Results { content, moved: beyond } = write_parts::result(result, losses);
            moved.extend(beyond);
            let tool_call_id = Some(result.call_id.as_str());
            messages.push(Message { role: "tool", content: Some(content), tool_call_id, ..Message::default() });
        }
    }
    let says_more = turn.parts.iter().any(|part| !matches!(part.content, Content::ToolResult(_)));
    if says_more || !moved.is_empty() || !has_results {
        messages.push(said(turn, "user", moved, losses));
    }
}

/// What system, developer and user say, behind what is there already.
fn said<'a>(turn: &'a Turn, role: &'static str, before: Vec<Part<'a>>, losses: &mut Losses) -> Message<'a> {
    let mut parts = before;
    for part in &turn.parts {
        losses.lose_if(part.cache.is_some(), Feature::CacheBreakpoint);
        match &part.content {
            Content::Text(text) | Content::Refusal(text) => parts.push(Part::text(text)),
            Content::Image { media, detail } => parts.extend(write_parts::image(media, detail.as_deref(), losses)),
            Content::Audio { data, format } => parts.push(Part::audio(data, format)),
            Content::File { media, name, citations } => {
                losses.lose_if(*citations, Feature::Citations);
                parts.extend(write_parts::file(media, name.as_deref(), losses));
            }
            Content::ToolResult(_) if role == "user" => {}
            // Only callers that mean something else by these roles could get here.
            Content::ToolResult(_) | Content::ToolCall(_) => losses.lose(Feature::Tools),
            Content::Thinking(_) => losses.lose(Feature::Thinking),
        }
    }
    let content = Some(write_parts::written(parts, "\n"));
    Message { role, name: turn.name.as_deref(), content, ..Message::default() }
}

fn assistant<'a>(turn: &'a Turn, losses: &mut Losses) -> Message<'a> {
    let mut message = Message { role: "assistant", name: turn.name.as_deref(), ..Message::default() };
    let mut parts = Vec::new();
    for part in &turn.parts {
        losses.lose_if(part.cache.is_some(), Feature::CacheBreakpoint);
        match &part.content {
            Content::Text(text) => parts.push(Part::text(text)),
            Content::Refusal(words) => append(&mut message.refusal, words),
            Content::ToolCall(call) => message.tool_calls.push(tool_call(call, losses)),
            Content::Thinking(thinking) => message.think(thinking, &mut parts, losses),
            Content::Image { media, .. } => losses.lose(match media {
                Media::Inline { .. } | Media::Text(_) => Feature::ImageInline,
                Media::Url(_) => Feature::ImageUrl,
                Media::Id(_) => Feature::MediaId,
            }),
            Content::Audio { .. } => losses.lose(Feature::Audio),
            Content::File { media, .. } => losses.lose(match media {
                Media::Inline { .. } => Feature::FileInline,
                Media::Text(_) => Feature::FileText,
                Media::Url(_) => Feature::FileUrl,
                Media::Id(_) => Feature::MediaId,
            }),
            Content::ToolResult(_) => losses.lose(Feature::Tools),
        }
    }
    // Null is for a message that says something else.
    let is_silent = parts.is_empty() && (message.refusal.is_some() || !message.tool_calls.is_empty());
    message.content = (!is_silent).then(|| write_parts::written(parts, ""));
    message
}

fn tool_call<'a>(call: &'a ToolCall, losses: &mut Losses) -> Written<'a> {
    let ToolCall { id, name, arguments, custom, signature } = call;
    let own = signature.as_ref().filter(|signature| signature.maker == Format::Chat);
    losses.lose_if(signature.is_some() && own.is_none(), Feature::ToolCallSignature);
    Written::call(id, name, Cow::Borrowed(arguments), *custom).signed(own)
}

impl<'a> Message<'a> {
    /// Thoughts go back in the shape in which a provider of Chat sent them; those of others mean nothing to it.
    fn think(&mut self, thinking: &'a Thinking, parts: &mut Vec<Part<'a>>, losses: &mut Losses) {
        match thinking.signature.as_ref().and_then(thoughts::kept) {
            None => losses.lose(Feature::Thinking),
            Some(Kept::Place(thoughts::IN_CONTENT)) => parts.push(Part::thinking(&thinking.text)),
            Some(Kept::Place(thoughts::IN_REASONING)) => join(&mut self.reasoning, &thinking.text),
            Some(Kept::Place(_)) => join(&mut self.reasoning_content, &thinking.text),
            Some(Kept::Sealed(..)) => {
                let index = Entry::next(&self.reasoning_details);
                thoughts::entries(thinking, index, &mut self.reasoning_details);
            }
        }
    }
}
