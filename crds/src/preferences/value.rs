//! A value that an app wrote, and its full name: read as one type, or refused by that name. Used by `read`.
//!
//! The body was scanned, so its JSON is known to be whole; what is read here is only which kind of value it is.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::Refused;
use crate::body::{Scanned, outline};

/// How many entries a list may have.
pub(super) const MOST_ENTRIES: usize = 100;
/// How many characters a word may have.
pub(super) const LONGEST: usize = 256;

/// A value that is there and is not null.
#[derive(Debug)]
pub(super) struct Value<'b> {
    name: String,
    json: &'b [u8],
}

/// An object whose fields are all known.
pub(super) struct Object<'b> {
    name: String,
    json: &'b [u8],
    fields: Scanned,
}

impl<'b> Value<'b> {
    /// The value of a field; nothing when it is null, which says no more than its absence.
    pub(super) fn new(name: impl Into<String>, json: &'b [u8]) -> Option<Self> {
        (json != b"null").then(|| Self { name: name.into(), json })
    }

    /// The field's full name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The refusal that says what it must be.
    pub(super) fn must_be(&self, what: impl fmt::Display) -> Refused {
        Refused::invalid(&self.name, format!("must be {what}"))
    }

    /// Whether it is an object.
    pub(super) fn is_object(&self) -> bool {
        self.json.first() == Some(&b'{')
    }

    /// Whether it is a string.
    pub(super) fn is_text(&self) -> bool {
        self.json.first() == Some(&b'"')
    }

    /// True or false.
    pub(super) fn flag(&self) -> Result<bool, Refused> {
        match self.json {
            b"true" => Ok(true),
            b"false" => Ok(false),
            _ => Err(self.must_be("true or false")),
        }
    }

    /// A string that is not empty and not too long.
    pub(super) fn text(&self) -> Result<String, Refused> {
        let text = self.string().filter(|text| !text.is_empty());
        text.ok_or_else(|| self.must_be(format_args!("a string of 1 to {LONGEST} characters")))
    }

    /// A string that is not too long.
    pub(super) fn string(&self) -> Option<String> {
        // A character is six bytes at most, unless it is written as a pair of surrogates.
        let may_be_short = self.json.len() <= 12 * LONGEST + 2;
        let text: String = may_be_short.then(|| serde_json::from_slice(self.json).ok())??;
        (text.chars().nth(LONGEST).is_none()).then_some(text)
    }

    /// One of some words.
    pub(super) fn one_of<T: Copy>(&self, words: &[(&str, T)]) -> Result<T, Refused> {
        let said = self.string();
        let found = words.iter().find(|(word, _)| said.as_deref() == Some(word));
        found.map(|(_, meant)| *meant).ok_or_else(|| {
            let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            self.must_be(words.join(", "))
        })
    }

    /// A number that is not negative.
    pub(super) fn number(&self) -> Result<f64, Refused> {
        let number = if self.is_text() { None } else { serde_json::from_slice(self.json).ok() };
        number.filter(|number| *number >= 0.0).ok_or_else(|| self.must_be("a number, not negative"))
    }

    /// A number that is not negative, written as a number or as a string.
    pub(super) fn amount(&self) -> Result<f64, Refused> {
        let number = match self.string() {
            Some(text) => serde_json::from_str(&text).ok(),
            None => serde_json::from_slice(self.json).ok(),
        };
        let what = "US dollars for a million tokens, as a number or as a string with one, not negative";
        number.filter(|number: &f64| *number >= 0.0).ok_or_else(|| self.must_be(what))
    }

    /// A whole number that is not negative; one that is too large is as large as can be.
    pub(super) fn whole(&self) -> Result<i32, Refused> {
        let number: Option<u64> = serde_json::from_slice(self.json).ok();
        let number = number.ok_or_else(|| self.must_be("a whole number, not negative"))?;
        Ok(i32::try_from(number).unwrap_or(i32::MAX))
    }

    /// The entries of a list. One that is too long is not read to its end.
    pub(super) fn list(&self) -> Result<Vec<Value<'b>>, Refused> {
        if self.json.first() != Some(&b'[') {
            return Err(self.must_be("a list"));
        }
        let entries: Entries<'b> = serde_json::from_slice(self.json)
            .map_err(|_| self.must_be(format_args!("a list of at most {MOST_ENTRIES} entries")))?;
        let entry = |(at, entry): (usize, &&'b RawValue)| Self {
            name: format!("{}[{at}]", self.name),
            json: entry.get().as_bytes(),
        };
        Ok(entries.0.iter().enumerate().map(entry).collect())
    }

    /// An object that has none but these fields.
    pub(super) fn object(&self, known: &[&str]) -> Result<Object<'b>, Refused> {
        if !self.is_object() {
            return Err(self.must_be("an object"));
        }
        let fields = outline(self.json).map_err(|_| self.must_be("an object"))?;
        if let Some(name) = fields.names(self.json).find(|name| !known.contains(name)) {
            let shown: String = name.chars().take(64).collect();
            let why = format!("is no field that is known here; `{}` may have {}", self.name, known.join(", "));
            return Err(Refused::invalid(format!("{}.{shown}", self.name), why));
        }
        Ok(Object { name: self.name.clone(), json: self.json, fields })
    }
}

impl<'b> Object<'b> {
    /// A field that is there and not null.
    pub(super) fn get(&self, key: &str) -> Option<Value<'b>> {
        let json = self.fields.value(self.json, key)?;
        Value::new(format!("{}.{key}", self.name), json)
    }

    /// A field that is true or false.
    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, Refused> {
        self.get(key).map(|value| value.flag()).transpose()
    }
}

/// The entries of a list that is not too long.
struct Entries<'b>(Vec<&'b RawValue>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(List).map(Self)
    }
}

struct List;

impl<'de> Visitor<'de> for List {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = seq.next_element()? {
            if entries.len() == MOST_ENTRIES {
                return Err(serde::de::Error::custom("too long"));
            }
            entries.push(entry);
        }
        Ok(entries)
    }
}
