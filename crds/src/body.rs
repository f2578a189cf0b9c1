//! A request's body: read once, changed only where it must be, and sent as it was judged.
//!
//! `scan` reads the body whole and notes where its top-level fields stand; duplicate keys at any depth are refused,
//! because two readers could take two different values. `rewrite` says how the body for one candidate is put together
//! from pieces of the original and new values: nothing else changes, not even white space.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use serde::de::{self, Deserializer as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::fields::BodyFields;
use crate::snapshot::{Candidate, Route};

/// The fields of a body, by where they stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scanned {
    members: Vec<Member>,
    /// Just behind the opening brace.
    opening: usize,
    length: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Member {
    key: String,
    value: Range<usize>,
}

/// A field that is set, and the JSON that it is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The field's name.
    pub key: String,
    /// Its new value.
    pub json: Vec<u8>,
}

/// A piece of a rewritten body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Bytes of the original.
    Kept(Range<usize>),
    /// New bytes.
    New(Vec<u8>),
}

impl Piece {
    /// How many bytes it is.
    pub fn len(&self) -> usize {
        match self {
            Self::Kept(range) => range.len(),
            Self::New(bytes) => bytes.len(),
        }
    }

    /// Whether it is no byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Why a body can't be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is not JSON.
    #[error("the body must be JSON: {0}")]
    NotJson(String),
    /// It is JSON, but not an object.
    #[error("the body must be a JSON object")]
    NotAnObject,
    /// A key is there twice, at any depth.
    #[error("the body has the key `{0}` twice in one object; each key must be there once")]
    DuplicateKey(String),
    /// A field is not of the type that the API gives it.
    #[error("`{field}` must be {expected}")]
    WrongType {
        /// The field.
        field: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// A field would be passed on without being honoured.
    #[error("`{0}` is not honoured here and would change who answers; leave it out, and let the ModelRoute decide")]
    Unsupported(&'static str),
}

/// Fields by which an aggregator would choose another provider or model than the one that was judged.
const NOT_HONOURED: [&str; 2] = ["models", "provider"];

/// Reads a body and notes where its fields stand. A key that is there twice, at any depth, is refused.
pub fn scan(body: &[u8]) -> Result<Scanned, BodyError> {
    read(body, true)
}

/// As [`scan`], but looks for duplicate keys in the outermost object only: for what a provider sends, which nobody judges.
pub fn outline(body: &[u8]) -> Result<Scanned, BodyError> {
    read(body, false)
}

fn read(body: &[u8], is_deep: bool) -> Result<Scanned, BodyError> {
    let not_json = |error: serde_json::Error| BodyError::NotJson(error.to_string());
    let text = std::str::from_utf8(body).map_err(|_| BodyError::NotJson("it is not UTF-8".to_owned()))?;
    let opening = text.find(|letter: char| !letter.is_ascii_whitespace()).unwrap_or(0);
    if !text[opening..].starts_with('{') {
        serde_json::from_str::<de::IgnoredAny>(text).map_err(not_json)?;
        return Err(BodyError::NotAnObject);
    }
    let mut members = Vec::with_capacity(16);
    let mut duplicate = None;
    let mut reader = serde_json::Deserializer::from_str(text);
    let top_level = TopLevel { text, is_deep, members: &mut members, duplicate: &mut duplicate };
    let read = reader.deserialize_map(top_level).and_then(|()| reader.end());
    match (duplicate, read) {
        (Some(key), _) => Err(BodyError::DuplicateKey(key)),
        (None, Err(error)) => Err(not_json(error)),
        (None, Ok(())) => Ok(Scanned { members, opening: opening + 1, length: body.len() }),
    }
}

impl Scanned {
    /// The bytes of a field's value.
    pub fn value<'b>(&self, body: &'b [u8], key: &str) -> Option<&'b [u8]> {
        let member = self.members.iter().find(|member| member.key == key)?;
        body.get(member.value.clone())
    }

    /// The model that the app asks for.
    pub fn model(&self, body: &[u8]) -> Result<String, BodyError> {
        let wrong = BodyError::WrongType { field: "model", expected: "a string that names a model" };
        let value = self.value(body, "model").ok_or_else(|| wrong.clone())?;
        serde_json::from_slice(value).map_err(|_| wrong)
    }

    /// Whether the app asks for a stream.
    pub fn stream(&self, body: &[u8]) -> Result<bool, BodyError> {
        match self.value(body, "stream") {
            None | Some(b"false" | b"null") => Ok(false),
            Some(b"true") => Ok(true),
            Some(_) => Err(BodyError::WrongType { field: "stream", expected: "true or false" }),
        }
    }

    /// Refuses fields that would be passed on without being honoured.
    pub fn refuse_unsupported(&self) -> Result<(), BodyError> {
        match NOT_HONOURED.into_iter().find(|field| self.has(field)) {
            Some(field) => Err(BodyError::Unsupported(field)),
            None => Ok(()),
        }
    }

    fn has(&self, key: &str) -> bool {
        self.members.iter().any(|member| member.key == key)
    }

    /// The fields that a candidate's body sets, in the order that decides: what the route sets when the app does not,
    /// what the app says, what the route always sets, what the provider always sets. The model is the provider's name
    /// for it.
    pub fn changes(&self, route: &Route, candidate: &Candidate) -> Vec<Change> {
        let mut changes = vec![Change::new("model", &candidate.endpoint.upstream_model)];
        let mut set = |fields: &BodyFields, only_absent: bool| {
            for (key, value) in &fields.0 {
                if only_absent && self.has(key) {
                    continue;
                }
                let change = Change::new(key, value);
                match changes.iter_mut().find(|change| change.key == *key) {
                    Some(old) => *old = change,
                    None => changes.push(change),
                }
            }
        };
        set(&route.defaults, true);
        set(&route.overrides, false);
        set(&candidate.endpoint.force, false);
        changes
    }

    /// The body with these fields set, as pieces of the original and new values.
    pub fn rewrite(&self, changes: Vec<Change>) -> Vec<Piece> {
        let mut pieces = vec![Piece::Kept(0..self.opening)];
        let (present, absent): (Vec<Change>, Vec<Change>) =
            changes.into_iter().partition(|change| self.has(&change.key));
        let mut inserted = Vec::new();
        for change in absent {
            inserted.extend(json(&change.key));
            inserted.push(b':');
            inserted.extend(change.json);
            inserted.push(b',');
        }
        if self.members.is_empty() {
            inserted.pop();
        }
        pieces.push(Piece::New(inserted));
        let mut kept = self.opening;
        let mut replaced: Vec<(&Member, Vec<u8>)> = Vec::with_capacity(present.len());
        for change in present {
            let member = self.members.iter().find(|member| member.key == change.key);
            replaced.extend(member.map(|member| (member, change.json)));
        }
        replaced.sort_by_key(|(member, _)| member.value.start);
        for (member, json) in replaced {
            pieces.push(Piece::Kept(kept..member.value.start));
            pieces.push(Piece::New(json));
            kept = member.value.end;
        }
        pieces.push(Piece::Kept(kept..self.length));
        pieces.retain(|piece| !piece.is_empty());
        pieces
    }
}

impl Change {
    /// Sets `key` to `value`.
    pub fn new(key: &str, value: &impl serde::Serialize) -> Self {
        Self { key: key.to_owned(), json: json(value) }
    }
}

fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("what is set is JSON")
}

/// Notes the fields of the outermost object.
struct TopLevel<'a> {
    text: &'a str,
    is_deep: bool,
    members: &'a mut Vec<Member>,
    duplicate: &'a mut Option<String>,
}

impl<'de> Visitor<'de> for TopLevel<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = Keys::default();
        while let Some(key) = map.next_key_seed(Key)? {
            seen.note(key.clone(), self.duplicate)?;
            let raw: &'de RawValue = map.next_value()?;
            let value = raw.get();
            if self.is_deep && value.starts_with(['{', '[']) {
                let mut nested = serde_json::Deserializer::from_str(value);
                nested.deserialize_any(Nested { duplicate: self.duplicate }).map_err(de::Error::custom)?;
            }
            let start = value.as_ptr() as usize - self.text.as_ptr() as usize;
            self.members.push(Member { key: key.into_owned(), value: start..start + value.len() });
        }
        Ok(())
    }
}

/// Walks a value of any depth and refuses duplicate keys.
struct Nested<'a> {
    duplicate: &'a mut Option<String>,
}

impl<'de> de::DeserializeSeed<'de> for Nested<'_> {
    type Value = ();

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Nested<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = Keys::default();
        while let Some(key) = map.next_key_seed(Key)? {
            seen.note(key, self.duplicate)?;
            map.next_value_seed(Nested { duplicate: self.duplicate })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        while sequence.next_element_seed(Nested { duplicate: self.duplicate })?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// A key, borrowed from the body unless an escape is in it.
struct Key;

impl<'de> de::DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}

/// The keys of one object. Few are compared one by one; many are hashed, so that no body takes quadratic time.
#[derive(Default)]
struct Keys<'de> {
    few: Vec<Cow<'de, str>>,
    many: HashSet<Cow<'de, str>>,
}

impl<'de> Keys<'de> {
    const FEW: usize = 16;

    fn note<E: de::Error>(&mut self, key: Cow<'de, str>, duplicate: &mut Option<String>) -> Result<(), E> {
        let is_known = if self.many.is_empty() && self.few.len() < Self::FEW {
            self.few.contains(&key)
        } else {
            self.many.extend(self.few.drain(..));
            self.many.contains(&key)
        };
        if is_known {
            *duplicate = Some(key.into_owned());
            return Err(E::custom("duplicate key"));
        }
        if self.many.is_empty() {
            self.few.push(key);
        } else {
            self.many.insert(key);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
