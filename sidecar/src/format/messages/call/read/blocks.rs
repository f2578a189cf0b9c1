//! Reads messages and their blocks.

use serde_json::Value;

use super::leftovers;
use crate::format::call::{
    CacheBreakpoint, Content, Media, Part, Role, Signature, Thinking, ToolCall, ToolResult, Turn,
};
use crate::format::fields::{self, Fields};
use crate::format::messages::CALL_TAG;
use crate::format::{Format, Invalid};

/// What is noted on the way.
#[derive(Default)]
pub(super) struct Reading {
    /// Fields without a neutral place, by path.
    pub(super) unknown: Vec<(String, Value)>,
    /// Fields that change no answer, by path.
    pub(super) hints: Vec<String>,
    /// The signature of the call that comes next (see `CALL_TAG`).
    carried: Option<Signature>,
}

impl Reading {
    /// Reads a message into a turn. A user's results of tools go before the rest, and join the turn before when that is the
    /// user's too. A message that says nothing is none.
    pub(super) fn message(&mut self, value: Value, at: &str, turns: &mut Vec<Turn>) -> Result<(), Invalid> {
        let mut fields = fields::object(value, at)?;
        let role = match fields::required(&mut fields, "role", at)?.as_str() {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "system" => Role::System,
            _ => return Err(Invalid::new(format!("{at}.role"), "must be `user` or `assistant`")),
        };
        let path = format!("{at}.content");
        let content = fields::take(&mut fields, "content").ok_or_else(|| Invalid::new(path.as_str(), "is required"))?;
        let mut parts = self.content(content, &path)?;
        self.carried = None;
        self.leave(fields, at);
        if parts.is_empty() {
            return Ok(());
        }
        if role == Role::User && parts.iter().any(is_result) {
            if let Some(before) = turns.last_mut().filter(|turn| turn.role == Role::User) {
                before.parts.append(&mut parts);
                before.parts.sort_by_key(|part| !is_result(part));
                return Ok(());
            }
            parts.sort_by_key(|part| !is_result(part));
        }
        turns.push(Turn { role, name: None, parts });
        Ok(())
    }

    /// Reads a text or a list of blocks. Empty texts, which the API refuses but clients send, are left out.
    pub(super) fn content(&mut self, value: Value, at: &str) -> Result<Vec<Part>, Invalid> {
        match value {
            Value::String(text) if text.is_empty() => Ok(Vec::new()),
            Value::String(text) => Ok(vec![Part::text(text)]),
            Value::Array(blocks) => {
                let mut parts = Vec::with_capacity(blocks.len());
                for (index, block) in blocks.into_iter().enumerate().filter(|(_, block)| !block.is_null()) {
                    let path = format!("{at}[{index}]");
                    let block = fields::object(block, &path)?;
                    parts.extend(self.block(block, &path)?);
                }
                Ok(parts)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
                Err(Invalid::new(at, "must be a string or a list of blocks"))
            }
        }
    }

    /// Reads a cache breakpoint. What else it says (`scope`) changes no answer.
    pub(super) fn cache(&mut self, value: Option<Value>, at: &str) -> Option<CacheBreakpoint> {
        let Value::Object(mut fields) = value? else {
            self.hints.push(at.to_owned());
            return None;
        };
        fields.remove("type");
        let ttl = fields::take(&mut fields, "ttl").and_then(|ttl| ttl.as_str().map(str::to_owned));
        let left = fields.into_iter().filter(|(_, value)| !value.is_null());
        self.hints.extend(left.map(|(key, _)| format!("{at}.{key}")));
        Some(CacheBreakpoint { ttl })
    }

    /// Notes the fields of an object that nobody took.
    pub(super) fn leave(&mut self, fields: Fields, at: &str) {
        leftovers(fields, at, &mut self.unknown);
    }

    fn block(&mut self, mut fields: Fields, at: &str) -> Result<Option<Part>, Invalid> {
        let kind = fields::required(&mut fields, "type", at)?;
        let cache = fields.remove("cache_control").filter(|cache| !cache.is_null());
        let content = match kind.as_str() {
            "text" => self.text(&mut fields, at)?,
            "image" => self.image(&mut fields, at)?,
            "document" => self.document(&mut fields, at)?,
            "search_result" => Some(self.search_result(&mut fields, at)?),
            "tool_use" => Some(Content::ToolCall(self.tool_use(&mut fields, at)?)),
            "tool_result" => Some(Content::ToolResult(self.tool_result(&mut fields, at)?)),
            "thinking" => thinking(&mut fields, at)?,
            "redacted_thinking" => self.redacted_thinking(&mut fields, at)?,
            _ => {
                fields.insert("type".to_owned(), Value::String(kind));
                self.unknown.push((at.to_owned(), Value::Object(fields)));
                return Ok(None);
            }
        };
        self.leave(fields, at);
        let path = format!("{at}.cache_control");
        let Some(content) = content else {
            self.hints.extend(cache.map(|_| path));
            return Ok(None);
        };
        let cache = cache.and_then(|cache| self.cache(Some(cache), &path));
        Ok(Some(Part { content, cache }))
    }

    /// A text. The citations of an earlier answer that comes back are no part of what is said.
    fn text(&mut self, fields: &mut Fields, at: &str) -> Result<Option<Content>, Invalid> {
        let text = fields::required(fields, "text", at)?;
        if fields::take(fields, "citations").is_some_and(|cited| cited.as_array().is_none_or(|list| !list.is_empty())) {
            self.hints.push(format!("{at}.citations"));
        }
        Ok((!text.is_empty()).then_some(Content::Text(text)))
    }

    fn image(&mut self, fields: &mut Fields, at: &str) -> Result<Option<Content>, Invalid> {
        let media = self.source(fields, at)?;
        Ok(media.map(|media| Content::Image { media, detail: None }))
    }

    fn document(&mut self, fields: &mut Fields, at: &str) -> Result<Option<Content>, Invalid> {
        let media = self.source(fields, at)?;
        let name = fields::optional(fields, "title", at)?;
        let citations = self.citations(fields, at)?;
        Ok(media.map(|media| Content::File { media, name, citations }))
    }

    /// A result of the caller's own search: a document of text that names where it is from.
    fn search_result(&mut self, fields: &mut Fields, at: &str) -> Result<Content, Invalid> {
        let source = fields::required(fields, "source", at)?;
        let name = fields::optional(fields, "title", at)?;
        let citations = self.citations(fields, at)?;
        let content = fields::take(fields, "content").unwrap_or_default();
        let path = format!("{at}.content");
        let parts = self.content(content, &path)?;
        let text = joined(parts).ok_or_else(|| Invalid::new(path, "must be a list of texts"))?;
        Ok(Content::File { media: Media::Text(format!("{source}\n\n{text}")), name, citations })
    }

    fn citations(&mut self, fields: &mut Fields, at: &str) -> Result<bool, Invalid> {
        let Some(value) = fields::take(fields, "citations") else {
            return Ok(false);
        };
        let path = format!("{at}.citations");
        let mut config = fields::object(value, &path)?;
        let enabled = fields::take(&mut config, "enabled");
        self.leave(config, &path);
        enabled.map_or(Ok(false), |enabled| fields::boolean(&enabled, &format!("{path}.enabled")))
    }

    /// Where a picture or a document is; nothing when the source is of an unknown type, which is noted.
    fn source(&mut self, fields: &mut Fields, at: &str) -> Result<Option<Media>, Invalid> {
        let path = format!("{at}.source");
        let source = fields::take(fields, "source").ok_or_else(|| Invalid::new(path.as_str(), "is required"))?;
        let mut source = fields::object(source, &path)?;
        let kind = fields::required(&mut source, "type", &path)?;
        let media = match kind.as_str() {
            "base64" => Media::Inline {
                mime: fields::required(&mut source, "media_type", &path)?,
                base64: fields::required(&mut source, "data", &path)?,
            },
            "text" => {
                source.remove("media_type");
                Media::Text(fields::required(&mut source, "data", &path)?)
            }
            "url" => Media::Url(fields::required(&mut source, "url", &path)?),
            "file" => Media::Id(fields::required(&mut source, "file_id", &path)?),
            "content" => {
                let content = fields::take(&mut source, "content").unwrap_or_default();
                let path = format!("{path}.content");
                let parts = self.content(content, &path)?;
                let Some(text) = joined(parts) else {
                    self.unknown.push((path, Value::Null));
                    return Ok(None);
                };
                Media::Text(text)
            }
            _ => {
                self.unknown.push((format!("{path}.type"), Value::String(kind)));
                return Ok(None);
            }
        };
        self.leave(source, &path);
        Ok(Some(media))
    }

    fn tool_use(&mut self, fields: &mut Fields, at: &str) -> Result<ToolCall, Invalid> {
        let id = fields::required(fields, "id", at)?;
        let name = fields::required(fields, "name", at)?;
        let input = fields::take(fields, "input").map(|input| fields::object(input, &format!("{at}.input")));
        let input = input.transpose()?.unwrap_or_default();
        let arguments = Value::Object(input).to_string();
        let told = fields::optional(fields, "signature", at)?.filter(|told| !told.is_empty());
        let told = told.map(|told| Signature::read(&told, Format::Messages));
        let signature = self.carried.take().or(told);
        // A call that no code made is a plain one.
        if fields.get("caller").and_then(|caller| caller.get("type")).is_some_and(|kind| kind == "direct") {
            fields.remove("caller");
        }
        Ok(ToolCall { id, name, arguments, custom: false, signature })
    }

    fn tool_result(&mut self, fields: &mut Fields, at: &str) -> Result<ToolResult, Invalid> {
        let call_id = fields::required(fields, "tool_use_id", at)?;
        let content = fields::take(fields, "content").map(|content| self.content(content, &format!("{at}.content")));
        let parts = content.transpose()?.unwrap_or_default();
        let is_error = fields::take(fields, "is_error");
        let is_error = is_error.map(|value| fields::boolean(&value, &format!("{at}.is_error"))).transpose()?;
        Ok(ToolResult { call_id, parts, is_error: is_error.unwrap_or(false) })
    }

    fn redacted_thinking(&mut self, fields: &mut Fields, at: &str) -> Result<Option<Content>, Invalid> {
        let data = fields::required(fields, "data", at)?;
        if let Some(tagged) = data.strip_prefix(CALL_TAG) {
            self.carried = Some(Signature::read(&format!("lotse.{tagged}"), Format::Messages));
            return Ok(None);
        }
        let signature = Some(Signature::read(&data, Format::Messages));
        let thoughts = Thinking { signature, redacted: true, ..Thinking::default() };
        Ok((!data.is_empty()).then_some(Content::Thinking(thoughts)))
    }
}

/// Thoughts that come back. An empty signature is none; thoughts without text or signature are none. What Responses signs it
/// always encrypts.
fn thinking(fields: &mut Fields, at: &str) -> Result<Option<Content>, Invalid> {
    let text = fields::optional(fields, "thinking", at)?.unwrap_or_default();
    let signature = fields::optional(fields, "signature", at)?.filter(|signature| !signature.is_empty());
    let signature = signature.map(|signature| Signature::read(&signature, Format::Messages));
    let redacted = signature.as_ref().is_some_and(|signature| signature.maker == Format::Responses);
    let empty = text.is_empty() && signature.is_none();
    Ok((!empty).then_some(Content::Thinking(Thinking { text, signature, redacted, id: None })))
}

fn is_result(part: &Part) -> bool {
    matches!(part.content, Content::ToolResult(_))
}

/// Texts as one; nothing if there is something else among them.
fn joined(parts: Vec<Part>) -> Option<String> {
    let mut texts = Vec::with_capacity(parts.len());
    for part in parts {
        let Content::Text(text) = part.content else {
            return None;
        };
        texts.push(text);
    }
    Some(texts.join("\n"))
}
