//! Tools as dialects have them that know only functions and JSON objects: a custom tool is a function of one string, `input`.
//! And ids for calls that come without one. Called by the dialects' readers and writers.

use std::borrow::Cow;
use std::fmt::Display;

use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use super::call::{Content, Part, Tool, ToolCall, ToolInput};
use super::loss::{Feature, Losses};

/// A call's arguments as a JSON object, as they came where they are one.
pub(super) fn arguments<'a>(call: &'a ToolCall, losses: &mut Losses) -> Cow<'a, RawValue> {
    let given = call.arguments.trim();
    if call.custom {
        losses.change(Feature::CustomTools);
        return Cow::Owned(wrapped("input", &call.arguments));
    }
    if given.is_empty() {
        return Cow::Owned(RawValue::from_string("{}".to_owned()).expect("an object"));
    }
    match serde_json::from_str::<&RawValue>(given) {
        Ok(raw) if raw.get().starts_with('{') => Cow::Borrowed(raw),
        Ok(_) | Err(_) => {
            // A model wrote what is no object, and the caller sends it back: the words are kept.
            losses.change(Feature::Tools);
            Cow::Owned(wrapped("arguments", &call.arguments))
        }
    }
}

/// `{"key": "text"}`.
pub(super) fn wrapped(key: &str, text: &str) -> Box<RawValue> {
    to_raw_value(&json!({ key: text })).expect("an object of one string")
}

/// What a tool takes, as JSON Schema; none where the caller gave none.
pub(super) fn schema<'a>(tool: &'a Tool, losses: &mut Losses) -> Option<Cow<'a, Value>> {
    match &tool.input {
        ToolInput::Function { schema, strict: _ } => schema.as_ref().map(Cow::Borrowed),
        ToolInput::Custom { format: _ } => {
            losses.change(Feature::CustomTools);
            Some(Cow::Owned(one_text()))
        }
    }
}

/// The schema of the function that stands in for a custom tool.
pub(super) fn one_text() -> Value {
    json!({"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]})
}

/// The text for a custom tool that was called as a function of one string; what is no such call stays as it is.
pub(super) fn unwrapped(arguments: &str) -> Cow<'_, str> {
    #[derive(Deserialize)]
    struct Wrapped {
        input: String,
    }
    serde_json::from_str::<Wrapped>(arguments).map_or(Cow::Borrowed(arguments), |wrapped| Cow::Owned(wrapped.input))
}

/// Whether arguments must fit the tool's schema exactly.
pub(super) fn is_strict(tool: &Tool) -> bool {
    match tool.input {
        ToolInput::Function { schema: _, strict } => strict == Some(true),
        ToolInput::Custom { .. } => false,
    }
}

/// The texts of a tool's result, one behind the other.
pub(super) fn joined_text(parts: &[Part]) -> Cow<'_, str> {
    let mut texts = parts.iter().filter_map(|part| match &part.content {
        Content::Text(text) | Content::Refusal(text) => Some(text.as_str()),
        Content::Image { .. }
        | Content::Audio { .. }
        | Content::File { .. }
        | Content::ToolCall(_)
        | Content::ToolResult(_)
        | Content::Thinking(_) => None,
    });
    let Some(first) = texts.next() else { return Cow::Borrowed("") };
    texts.fold(Cow::Borrowed(first), |joined, text| Cow::Owned(format!("{joined}\n{text}")))
}

/// An id for the nth call of an answer whose provider gives none.
pub(super) fn made_up_id(seed: u64, nth: impl Display) -> String {
    format!("call_{seed:016x}_{nth}")
}
