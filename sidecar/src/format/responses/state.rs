//! What of a Responses call leans on state that a provider keeps, and which id a provider gave its answer. Pure; the pipeline
//! keeps a table of who made which id from it, so that a conversation goes back to where it is kept.
//! Source: OpenAI's specification 2.3.0. The spelling of ids is not relied on: gateways make their own.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

/// One thing that a provider keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Where the call says so, as the caller spells it: `input[2].id`.
    pub field: String,
    /// What it is.
    pub what: What,
}

/// What a provider keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// An earlier answer.
    Response(String),
    /// A conversation.
    Conversation(String),
    /// An item of an earlier answer.
    Item(String),
    /// A prompt.
    Prompt(String),
    /// A file.
    File(String),
    /// A store of files to search in.
    VectorStore(String),
    /// A container that code runs in.
    Container(String),
    /// An answer that goes on without the caller, and is fetched later.
    Background,
    /// The answer itself, to be referred to later.
    Store,
}

impl What {
    /// The id of what was made before; none for what is only asked to be kept from now on.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Response(id)
            | Self::Conversation(id)
            | Self::Item(id)
            | Self::Prompt(id)
            | Self::File(id)
            | Self::VectorStore(id)
            | Self::Container(id) => Some(id),
            Self::Background | Self::Store => None,
        }
    }
}

/// What a call leans on, in the order of the call; `Store` stands last, and also where the call is silent, because a Responses
/// provider keeps answers unless it is told not to.
pub fn kept(body: &Map<String, Value>) -> Vec<Kept> {
    let mut found = Vec::new();
    for (name, value) in body {
        match name.as_str() {
            "previous_response_id" => add(&mut found, name, Some(value), What::Response),
            "conversation" => named(&mut found, name, value, What::Conversation),
            "prompt" => named(&mut found, name, value, What::Prompt),
            "background" if value == true => found.push(Kept { field: name.clone(), what: What::Background }),
            "input" => each(value, name, |item, at| self::item(&mut found, item, at)),
            "tools" => each(value, name, |tool, at| self::tool(&mut found, tool, at)),
            _ => {}
        }
    }
    if body.get("store") != Some(&Value::Bool(false)) {
        found.push(Kept { field: "store".to_owned(), what: What::Store });
    }
    found
}

fn add(found: &mut Vec<Kept>, field: &str, value: Option<&Value>, what: fn(String) -> What) {
    if let Some(id) = value.and_then(Value::as_str).filter(|id| !id.is_empty()) {
        found.push(Kept { field: field.to_owned(), what: what(id.to_owned()) });
    }
}

/// An id, or an object with one.
fn named(found: &mut Vec<Kept>, field: &str, value: &Value, what: fn(String) -> What) {
    match value {
        Value::Object(object) => add(found, &format!("{field}.id"), object.get("id"), what),
        Value::String(_) => add(found, field, Some(value), what),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {}
    }
}

fn each(list: &Value, at: &str, mut then: impl FnMut(&Map<String, Value>, &str)) {
    for (index, value) in list.as_array().into_iter().flatten().enumerate() {
        if let Value::Object(object) = value {
            then(object, &format!("{at}[{index}]"));
        }
    }
}

fn item(found: &mut Vec<Kept>, item: &Map<String, Value>, at: &str) {
    let kind = item.get("type").and_then(Value::as_str);
    let reference = kind == Some("item_reference") || (kind.is_none() && !item.contains_key("role"));
    if reference {
        add(found, &format!("{at}.id"), item.get("id"), What::Item);
    }
    for name in ["content", "output"] {
        if let Some(parts) = item.get(name) {
            each(parts, &format!("{at}.{name}"), |part, at| {
                add(found, &format!("{at}.file_id"), part.get("file_id"), What::File);
            });
        }
    }
}

fn tool(found: &mut Vec<Kept>, tool: &Map<String, Value>, at: &str) {
    ids(found, tool.get("vector_store_ids"), &format!("{at}.vector_store_ids"), What::VectorStore);
    match tool.get("container") {
        Some(Value::Object(container)) => {
            ids(found, container.get("file_ids"), &format!("{at}.container.file_ids"), What::File);
        }
        container => add(found, &format!("{at}.container"), container, What::Container),
    }
}

fn ids(found: &mut Vec<Kept>, list: Option<&Value>, at: &str, what: fn(String) -> What) {
    for (index, id) in list.and_then(Value::as_array).into_iter().flatten().enumerate() {
        add(found, &format!("{at}[{index}]"), Some(id), what);
    }
}

/// The id of a whole answer, read no further than to it.
pub fn answer_id(body: &[u8]) -> Option<String> {
    find(body, &["id"])
}

/// The id of the answer that a stream begins with: of the `response.created` event, or of any other that holds a response.
pub fn event_id(data: &[u8]) -> Option<String> {
    find(data, &["response", "id"])
}

fn find(json: &[u8], path: &[&str]) -> Option<String> {
    let mut found = None;
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    // It ends with an error, because it stops as soon as the id is there: what was found counts.
    let _ended = Find { path, found: &mut found }.deserialize(&mut deserializer);
    found
}

/// Looks for a string at a path, and stops there.
struct Find<'p, 'f> {
    path: &'p [&'p str],
    found: &'f mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for Find<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Find<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((wanted, deeper)) = self.path.split_first() else { return Ok(()) };
        while let Some(key) = map.next_key::<std::borrow::Cow<'_, str>>()? {
            if key != *wanted {
                map.next_value::<IgnoredAny>()?;
            } else if deeper.is_empty() {
                *self.found = map.next_value::<Option<String>>()?.filter(|id| !id.is_empty());
                return Ok(());
            } else {
                return map.next_value_seed(Find { path: deeper, found: self.found });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
