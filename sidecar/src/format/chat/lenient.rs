//! Types that read what servers send where the specification has something narrower: a list for a text, a number for a
//! string, null for anything. Borrowed from the answer where JSON allows it. Used by the readers of answers and events.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A text, or the list of chunks that some servers send instead.
#[derive(Clone, Debug, Default)]
pub(crate) enum Words<'a> {
    /// Nothing, or what is no text at all.
    #[default]
    Nothing,
    /// A text.
    Text(Cow<'a, str>),
    /// Mistral's content.
    Chunks(Vec<Chunk<'a>>),
}

/// One chunk of Mistral's content, or a part as requests have them.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Chunk<'a> {
    /// `text`, `thinking`, `refusal`, …
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Words<'a>,
    /// A text.
    #[serde(borrow)]
    pub(crate) text: Words<'a>,
    /// Thoughts, as a text or as chunks.
    #[serde(borrow)]
    pub(crate) thinking: Words<'a>,
    /// A refusal.
    #[serde(borrow)]
    pub(crate) refusal: Words<'a>,
}

impl Words<'_> {
    /// The text, unless it is empty.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) if !text.is_empty() => Some(text),
            Self::Text(_) | Self::Nothing | Self::Chunks(_) => None,
        }
    }

    /// As [`Words::text`], for keeps.
    pub(crate) fn owned(&self) -> Option<String> {
        self.text().map(str::to_owned)
    }

    /// All of its text, whatever chunks it is cut into.
    pub(crate) fn flat(&self) -> Cow<'_, str> {
        match self {
            Self::Nothing => Cow::Borrowed(""),
            Self::Text(text) => Cow::Borrowed(text),
            Self::Chunks(chunks) => chunks.iter().filter_map(|chunk| chunk.text.text()).collect::<String>().into(),
        }
    }
}

struct WordsVisitor;

impl<'de> Visitor<'de> for WordsVisitor {
    type Value = Words<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Words::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Words::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Words::Nothing)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Words::Nothing)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Words::Text(Cow::Owned(number.to_string())))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Words::Text(Cow::Owned(number.to_string())))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Words::Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut chunks = Vec::new();
        while let Some(chunk) = list.next_element()? {
            chunks.push(chunk);
        }
        Ok(Words::Chunks(chunks))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Words::Nothing)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Words<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordsVisitor)
    }
}

/// A count. Null, or what is no number, counts nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count(pub(crate) u64);

struct CountVisitor;

impl<'de> Visitor<'de> for CountVisitor {
    type Value = Count;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a count")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Count(number))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Count(0))
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast of a float saturates")]
    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Count(number as u64))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Count(0))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Count(0))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Count(text.parse().unwrap_or(0)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Count(0))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Count(0))
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CountVisitor)
    }
}

/// A call's arguments as text: what stands in the string, or the object itself where a server sends one.
pub(crate) fn arguments(raw: Option<&RawValue>) -> Cow<'_, str> {
    let raw = raw.map_or("", RawValue::get);
    if raw.starts_with('"') {
        match serde_json::from_str(raw) {
            Ok(Words::Text(text)) => text,
            Ok(Words::Nothing | Words::Chunks(_)) | Err(_) => Cow::Borrowed(""),
        }
    } else {
        Cow::Borrowed(raw)
    }
}
