//! Writes one part of a turn as a block.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use super::{Block, CacheControl, Citations, Input, ResultContent, Source};
use crate::format::Format;
use crate::format::call::{Content, Media, Part, Thinking, ToolCall, ToolResult};
use crate::format::loss::{Feature, Losses};
use crate::format::messages::api_id;

/// Writes a part; nothing when the dialect has no place for it, which is noted, or when it says nothing.
pub(super) fn write<'a>(part: &'a Part, losses: &mut Losses) -> Option<Block<'a>> {
    let Part { content, cache } = part;
    let cache_control = cache.as_ref().map(CacheControl::new);
    let block = match content {
        Content::Text(text) | Content::Refusal(text) => {
            (!text.trim().is_empty()).then_some(Block::Text { text, cache_control })
        }
        Content::Image { media, detail } => {
            losses.lose_if(detail.as_ref().is_some_and(|detail| detail != "auto"), Feature::ImageDetail);
            image(media, losses).map(|source| Block::Image { source, cache_control })
        }
        Content::Audio { .. } => {
            losses.lose(Feature::Audio);
            None
        }
        Content::File { media, name, citations } => document(media, losses).map(|source| Block::Document {
            source,
            title: name.as_deref().filter(|name| !name.is_empty()),
            citations: citations.then_some(Citations { enabled: true }),
            cache_control,
        }),
        Content::ToolCall(call) => Some(tool_use(call, cache_control, losses)),
        Content::ToolResult(result) => Some(tool_result(result, cache_control, losses)),
        Content::Thinking(thoughts) => thinking(thoughts, losses),
    };
    let cached = matches!(content, Content::Thinking(_)) || block.is_none();
    losses.lose_if(cached && cache.is_some(), Feature::CacheBreakpoint);
    block
}

/// A picture. An id is another provider's.
fn image<'a>(media: &'a Media, losses: &mut Losses) -> Option<Source<'a>> {
    match media {
        Media::Inline { mime, base64 } => Some(Source::Base64 { media_type: mime, data: base64 }),
        Media::Url(url) => Some(Source::Url { url }),
        Media::Text(_) => {
            losses.lose(Feature::ImageInline);
            None
        }
        Media::Id(_) => {
            losses.lose(Feature::MediaId);
            None
        }
    }
}

/// A document: PDF, or plain text. Text in base64 is written as text.
fn document<'a>(media: &'a Media, losses: &mut Losses) -> Option<Source<'a>> {
    match media {
        Media::Inline { mime, base64 } if mime == "application/pdf" => {
            Some(Source::Base64 { media_type: mime, data: base64 })
        }
        Media::Inline { mime, base64 } => {
            let text = if is_text(mime) { STANDARD.decode(base64).ok() } else { None };
            let Some(text) = text.and_then(|bytes| String::from_utf8(bytes).ok()) else {
                losses.lose(Feature::FileInline);
                return None;
            };
            losses.change(Feature::FileInline);
            Some(Source::Text { media_type: "text/plain", data: Cow::Owned(text) })
        }
        Media::Text(text) => Some(Source::Text { media_type: "text/plain", data: Cow::Borrowed(text) }),
        Media::Url(url) => Some(Source::Url { url }),
        Media::Id(_) => {
            losses.lose(Feature::MediaId);
            None
        }
    }
}

fn is_text(mime: &str) -> bool {
    mime.starts_with("text/") || mime == "application/json"
}

fn tool_use<'a>(call: &'a ToolCall, cache_control: Option<CacheControl<'a>>, losses: &mut Losses) -> Block<'a> {
    let ToolCall { id, name, arguments, custom, signature } = call;
    losses.lose_if(signature.is_some(), Feature::ToolCallSignature);
    let object = serde_json::from_str::<&RawValue>(arguments).ok().filter(|json| json.get().starts_with('{'));
    let input = match object {
        Some(json) if !custom => Input::Object(json),
        _ if arguments.trim().is_empty() && !custom => Input::Empty {},
        _ => Input::Text { input: arguments },
    };
    Block::ToolUse { id: api_id(id), name, input, cache_control }
}

fn tool_result<'a>(result: &'a ToolResult, cache_control: Option<CacheControl<'a>>, losses: &mut Losses) -> Block<'a> {
    let ToolResult { call_id, parts, is_error } = result;
    let content = match parts.as_slice() {
        [] => None,
        [Part { content: Content::Text(text), cache: None }] => Some(ResultContent::Text(text)),
        parts => Some(ResultContent::Blocks(parts.iter().filter_map(|part| write(part, losses)).collect())),
    };
    Block::ToolResult { tool_use_id: api_id(call_id), content, is_error: *is_error, cache_control }
}

/// Thoughts that this dialect's provider signed; it refuses all others.
fn thinking<'a>(thoughts: &'a Thinking, losses: &mut Losses) -> Option<Block<'a>> {
    let Thinking { text, signature, redacted, id: _ } = thoughts;
    match signature.as_ref().filter(|signature| signature.maker == Format::Messages) {
        Some(signature) if *redacted => Some(Block::RedactedThinking { data: &signature.value }),
        Some(signature) => Some(Block::Thinking { thinking: text, signature: &signature.value }),
        None => {
            losses.lose(Feature::Thinking);
            None
        }
    }
}
