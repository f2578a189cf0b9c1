//! Reads the content of a caller's message. Called by `messages`.

use serde_json::Value;

use super::messages::cache;
use crate::format::Invalid;
use crate::format::call::{CacheBreakpoint, Content, Media, Part, Thinking};
use crate::format::chat::fields::{Path, Unknown, list, object, present, required, text};
use crate::format::chat::thoughts;
use crate::format::data_uri;

/// A string, or a list of parts. An empty text says nothing.
pub(super) fn read(value: Value, at: &Path<'_>, unknown: &mut Unknown) -> Result<Vec<Part>, Invalid> {
    if let Value::String(text) = value {
        return Ok(if text.is_empty() { Vec::new() } else { vec![Part::text(text)] });
    }
    let list = list(value, at).map_err(|_| at.wrong("must be a string or a list of parts"))?;
    let mut parts = Vec::with_capacity(list.len());
    for (n, value) in list.into_iter().enumerate() {
        parts.extend(part(value, &Path::Item(at, n), unknown)?);
    }
    Ok(parts)
}

/// A part; nothing for an empty text, and for a kind that nobody knows, which is unknown.
fn part(value: Value, at: &Path<'_>, unknown: &mut Unknown) -> Result<Option<Part>, Invalid> {
    let fields = object(value, at)?;
    let kind = required(fields.get("type").and_then(Value::as_str), &Path::In(at, "type"))?.to_owned();
    if !matches!(kind.as_str(), "text" | "image_url" | "input_audio" | "file" | "refusal" | "thinking") {
        unknown.push((Path::In(at, &kind).to_string(), Value::Object(fields)));
        return Ok(None);
    }
    let (mut content, mut breakpoint) = (None, None);
    for (key, value) in present(fields) {
        let at = Path::In(at, &key);
        match key.as_str() {
            "type" => {}
            "cache_control" => breakpoint = cache(value, &at, unknown)?,
            "prompt_cache_breakpoint" => breakpoint = Some(CacheBreakpoint::default()),
            _ if key != kind => unknown.push((at.to_string(), value)),
            "text" => content = Some(Content::Text(text(value, &at)?)),
            "refusal" => content = Some(Content::Refusal(text(value, &at)?)),
            "image_url" => content = Some(image(value, &at, unknown)?),
            "input_audio" => content = Some(audio(value, &at, unknown)?),
            "file" => content = Some(file(value, &at, unknown)?),
            _ => content = Some(thinking(value, &at, unknown)?),
        }
    }
    let content = required(content, &Path::In(at, &kind))?;
    let is_empty = matches!(&content, Content::Text(text) if text.is_empty()) && breakpoint.is_none();
    Ok((!is_empty).then_some(Part { content, cache: breakpoint }))
}

/// `image_url`: an object, or the bare URL that some apps send.
fn image(value: Value, at: &Path<'_>, unknown: &mut Unknown) -> Result<Content, Invalid> {
    if let Value::String(url) = value {
        return Ok(Content::Image { media: data_uri::read(url), detail: None });
    }
    let (mut url, mut detail) = (None, None);
    for (key, value) in present(object(value, at)?) {
        let at = Path::In(at, &key);
        match key.as_str() {
            "url" => url = Some(text(value, &at)?),
            "detail" => detail = Some(text(value, &at)?),
            _ => unknown.push((at.to_string(), value)),
        }
    }
    let media = data_uri::read(required(url, &Path::In(at, "url"))?);
    Ok(Content::Image { media, detail })
}

fn audio(value: Value, at: &Path<'_>, unknown: &mut Unknown) -> Result<Content, Invalid> {
    let (mut data, mut format) = (None, None);
    for (key, value) in present(object(value, at)?) {
        let at = Path::In(at, &key);
        match key.as_str() {
            "data" => data = Some(text(value, &at)?),
            "format" => format = Some(text(value, &at)?),
            _ => unknown.push((at.to_string(), value)),
        }
    }
    let data = required(data, &Path::In(at, "data"))?;
    let format = required(format, &Path::In(at, "format"))?;
    Ok(Content::Audio { data, format })
}

fn file(value: Value, at: &Path<'_>, unknown: &mut Unknown) -> Result<Content, Invalid> {
    let (mut name, mut data, mut id) = (None, None, None);
    for (key, value) in present(object(value, at)?) {
        let at = Path::In(at, &key);
        match key.as_str() {
            "filename" => name = Some(text(value, &at)?),
            "file_data" => data = Some(text(value, &at)?),
            "file_id" => id = Some(text(value, &at)?),
            _ => unknown.push((at.to_string(), value)),
        }
    }
    let media = match (data, id) {
        (Some(data), None) => data_uri::read_file(data, name.as_deref()),
        (None, Some(id)) => Media::Id(id),
        (Some(_), Some(_)) => return Err(at.wrong("must have `file_data` or `file_id`, not both")),
        (None, None) => return Err(at.wrong("must have `file_data` or `file_id`")),
    };
    Ok(Content::File { media, name, citations: false })
}

/// Mistral's thoughts: a list of texts.
fn thinking(value: Value, at: &Path<'_>, unknown: &mut Unknown) -> Result<Content, Invalid> {
    let mut thoughts = String::new();
    for part in read(value, at, unknown)? {
        match part.content {
            Content::Text(text) => thoughts.push_str(&text),
            Content::Refusal(_)
            | Content::Image { .. }
            | Content::Audio { .. }
            | Content::File { .. }
            | Content::ToolCall(_)
            | Content::ToolResult(_)
            | Content::Thinking(_) => return Err(at.wrong("must be a list of texts")),
        }
    }
    let signature = Some(thoughts::place(thoughts::IN_CONTENT));
    Ok(Content::Thinking(Thinking { text: thoughts, signature, ..Thinking::default() }))
}
