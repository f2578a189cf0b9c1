//! Reads the parts of messages and of tools' outputs.
//! Source: `InputContent` and `OutputMessageContent` of OpenAI's specification 2.3.0.

use serde_json::{Map, Value};

use crate::format::call::{CacheBreakpoint, Content, Media, ModelCall, Part};
use crate::format::{Invalid, data_uri, fields};

/// What the keys of a part hold, whatever its type.
#[derive(Default)]
struct Keys {
    text: Option<String>,
    refusal: Option<String>,
    url: Option<String>,
    id: Option<String>,
    detail: Option<String>,
    name: Option<String>,
    data: Option<String>,
    audio: Option<Map<String, Value>>,
    cache: Option<CacheBreakpoint>,
}

/// Reads a string or a list of parts.
pub(super) fn read(value: Value, at: &str, call: &mut ModelCall) -> Result<Vec<Part>, Invalid> {
    let list = match value {
        Value::String(text) => return Ok(vec![Part::text(text)]),
        Value::Array(list) => list,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
            return Err(Invalid::new(at, "must be a string or a list of parts"));
        }
    };
    let mut parts = Vec::with_capacity(list.len());
    for (index, value) in list.into_iter().enumerate() {
        parts.extend(part(value, &format!("{at}[{index}]"), call)?);
    }
    Ok(parts)
}

fn part(value: Value, at: &str, call: &mut ModelCall) -> Result<Option<Part>, Invalid> {
    let mut object = fields::object(value, at)?;
    let kind = fields::kind(&mut object, at)?;
    if !matches!(
        kind.as_str(),
        "input_text" | "output_text" | "text" | "refusal" | "input_image" | "input_file" | "input_audio"
    ) {
        call.unknown.push((format!("{at}.{kind}"), Value::Object(object)));
        return Ok(None);
    }
    let keys = keys(object, &kind, at, call)?;
    let missing = |name: &str| Invalid::new(format!("{at}.{name}"), "is required");
    let content = match kind.as_str() {
        "refusal" => Content::Refusal(keys.refusal.ok_or_else(|| missing("refusal"))?),
        "input_image" => {
            let media = match (keys.url, keys.id) {
                (Some(url), _) => data_uri::read(url),
                (None, Some(id)) => Media::Id(id),
                (None, None) => return Err(missing("image_url")),
            };
            Content::Image { media, detail: keys.detail }
        }
        "input_file" => {
            let media = match (keys.data, keys.url, keys.id) {
                (Some(data), ..) => data_uri::read_file(data, keys.name.as_deref()),
                (None, Some(url), _) => Media::Url(url),
                (None, None, Some(id)) => Media::Id(id),
                (None, None, None) => return Err(missing("file_data")),
            };
            Content::File { media, name: keys.name, citations: false }
        }
        "input_audio" => audio(keys.audio.ok_or_else(|| missing("input_audio"))?, at)?,
        _ => Content::Text(keys.text.ok_or_else(|| missing("text"))?),
    };
    Ok(Some(Part { content, cache: keys.cache }))
}

fn keys(object: Map<String, Value>, kind: &str, at: &str, call: &mut ModelCall) -> Result<Keys, Invalid> {
    let mut keys = Keys::default();
    for (name, value) in object {
        let at = format!("{at}.{name}");
        match (kind, name.as_str()) {
            _ if value.is_null() => {}
            ("input_text" | "output_text" | "text", "text") => keys.text = Some(fields::string(value, &at)?),
            ("refusal", "refusal") => keys.refusal = Some(fields::string(value, &at)?),
            // What the provider said about its own words; it comes back with them and asks for nothing.
            ("output_text" | "text", "annotations" | "logprobs" | "parsed") => {}
            ("input_image", "image_url") => keys.url = Some(image_url(value, &at, &mut keys.detail)?),
            ("input_image", "detail") => keys.detail = Some(fields::string(value, &at)?),
            ("input_image" | "input_file", "file_id") => keys.id = Some(fields::string(value, &at)?),
            ("input_file", "file_data") => keys.data = Some(fields::string(value, &at)?),
            ("input_file", "file_url") => keys.url = Some(fields::string(value, &at)?),
            ("input_file", "filename") => keys.name = Some(fields::string(value, &at)?),
            ("input_file", "detail") => call.hints.other.push(at),
            ("input_audio", "input_audio") => keys.audio = Some(fields::object(value, &at)?),
            (_, "prompt_cache_breakpoint" | "cache_control") => keys.cache = Some(breakpoint(value, &at, call)?),
            _ => call.unknown.push((at, value)),
        }
    }
    Ok(keys)
}

/// Some send Chat's form here, an object with `url` and `detail`.
fn image_url(value: Value, at: &str, detail: &mut Option<String>) -> Result<String, Invalid> {
    let Value::Object(mut object) = value else { return fields::string(value, at) };
    if let Some(Value::String(text)) = object.remove("detail") {
        *detail = Some(text);
    }
    fields::string(object.remove("url").unwrap_or_default(), &format!("{at}.url"))
}

/// Reads a cache breakpoint: OpenAI's `{mode: explicit}`, or Anthropic's `{type: ephemeral, ttl}` as gateways take it.
pub(super) fn breakpoint(value: Value, at: &str, call: &mut ModelCall) -> Result<CacheBreakpoint, Invalid> {
    let mut cache = CacheBreakpoint::default();
    for (name, value) in fields::object(value, at)? {
        match name.as_str() {
            "mode" | "type" => {}
            "ttl" => cache.ttl = Some(fields::string(value, &format!("{at}.ttl"))?),
            _ => call.unknown.push((format!("{at}.{name}"), value)),
        }
    }
    Ok(cache)
}

fn audio(mut object: Map<String, Value>, at: &str) -> Result<Content, Invalid> {
    let mut get =
        |name: &str| fields::string(object.remove(name).unwrap_or_default(), &format!("{at}.input_audio.{name}"));
    Ok(Content::Audio { data: get("data")?, format: get("format")? })
}
