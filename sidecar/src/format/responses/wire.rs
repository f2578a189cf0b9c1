//! Answers and events of a Responses provider, as far as they mean anything here, borrowed from the bytes. Everything is
//! optional, and a value of an unexpected type is as good as absent: servers that imitate the API leave out and add a lot.
//! Used by this folder's readers. Source: OpenAI's specification 2.3.0 and recorded answers.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::{Number, Value};

use crate::format::answer::{Citation, Usage as NeutralUsage};

/// A string; a number or a boolean as its text; anything else is none.
#[derive(Debug, Default)]
pub(super) struct Text<'a>(Option<Cow<'a, str>>);

impl Text<'_> {
    /// The text, if there is one that is not empty.
    pub(super) fn get(&self) -> Option<&str> {
        self.0.as_deref().filter(|text| !text.is_empty())
    }

    /// The text, or an empty one.
    pub(super) fn text(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    /// The text as a string of its own, if it is not empty.
    pub(super) fn owned(self) -> Option<String> {
        self.0.map(Cow::into_owned).filter(|text| !text.is_empty())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Some(Cow::Borrowed(text))))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Some(Cow::Owned(text.to_owned()))))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
                Ok(Text(Some(Cow::Borrowed(if value { "true" } else { "false" }))))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
                Ok(Text(Some(Cow::Owned(value.to_string()))))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
                Ok(Text(Some(Cow::Owned(value.to_string()))))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
                Ok(Text(Some(Cow::Owned(value.to_string()))))
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Text(None))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Text(None))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Text(None))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// A response object, whole or in an event.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Response<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    pub(super) model: Text<'a>,
    pub(super) created_at: Option<Value>,
    pub(super) status: Text<'a>,
    pub(super) error: Option<IgnoredAny>,
    pub(super) incomplete_details: Option<Incomplete<'a>>,
    pub(super) output: Option<Vec<Item<'a>>>,
    pub(super) usage: Option<Usage>,
    pub(super) service_tier: Text<'a>,
}

/// Why an answer is not whole.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Incomplete<'a> {
    #[serde(borrow)]
    pub(super) reason: Text<'a>,
}

/// An item of an answer; types that only hosted tools have are skipped by whoever reads.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Item<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Text<'a>,
    pub(super) id: Text<'a>,
    pub(super) call_id: Text<'a>,
    pub(super) name: Text<'a>,
    pub(super) arguments: Text<'a>,
    pub(super) input: Text<'a>,
    pub(super) content: Parts<'a>,
    pub(super) summary: Parts<'a>,
    pub(super) encrypted_content: Text<'a>,
}

/// Parts of a message or of thoughts; a bare string is one part, anything but a list is none.
#[derive(Debug, Default)]
pub(super) struct Parts<'a>(pub(super) Vec<Part<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Parts<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Parts<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of parts")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                let part = Part { text: Text(Some(Cow::Owned(text.to_owned()))), ..Part::default() };
                Ok(Parts(vec![part]))
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Parts::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut parts = Vec::new();
                while let Some(part) = list.next_element()? {
                    parts.push(part);
                }
                Ok(Parts(parts))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Parts::default())
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl Parts<'_> {
    /// Thoughts as one text.
    pub(super) fn joined(&self) -> String {
        let texts: Vec<_> = self.0.iter().filter_map(|part| part.text.get()).collect();
        texts.join("\n\n")
    }
}

/// One part.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Part<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Text<'a>,
    pub(super) text: Text<'a>,
    pub(super) refusal: Text<'a>,
    pub(super) annotations: Option<Vec<Annotation<'a>>>,
    pub(super) logprobs: Option<Value>,
}

/// What a text rests on: a page, or a file that hosted tools found.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Annotation<'a> {
    #[serde(borrow)]
    pub(super) url: Text<'a>,
    pub(super) title: Text<'a>,
    pub(super) filename: Text<'a>,
    pub(super) start_index: Option<Number>,
    pub(super) end_index: Option<Number>,
}

impl Annotation<'_> {
    /// In neutral terms.
    pub(super) fn neutral(self) -> Citation {
        Citation {
            url: self.url.owned(),
            title: self.title.owned().or_else(|| self.filename.owned()),
            quote: None,
            start: self.start_index.and_then(|index| index.as_u64()),
            end: self.end_index.and_then(|index| index.as_u64()),
        }
    }
}

/// What was counted.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Usage {
    input_tokens: Option<Number>,
    input_tokens_details: Option<InputDetails>,
    output_tokens: Option<Number>,
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct InputDetails {
    cached_tokens: Option<Number>,
    cache_write_tokens: Option<Number>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
    reasoning_tokens: Option<Number>,
}

impl Usage {
    /// In neutral terms: the totals are the same.
    pub(super) fn neutral(self) -> NeutralUsage {
        let input = self.input_tokens_details.unwrap_or_default();
        let output = self.output_tokens_details.unwrap_or_default();
        NeutralUsage {
            input: count(self.input_tokens),
            cached_input: count(input.cached_tokens),
            cache_write: count(input.cache_write_tokens),
            output: count(self.output_tokens),
            reasoning: count(output.reasoning_tokens),
            cost: None,
        }
    }
}

fn count(number: Option<Number>) -> u64 {
    number.and_then(|number| whole(&number)).and_then(|number| u64::try_from(number).ok()).unwrap_or_default()
}

/// A whole number, also where it is written as `5.0`.
pub(super) fn whole(number: &Number) -> Option<i64> {
    number.as_i64().or_else(|| number.to_string().split('.').next()?.parse().ok())
}

/// An event of a stream.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Event<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Text<'a>,
    pub(super) output_index: Option<u64>,
    pub(super) content_index: Option<u64>,
    pub(super) summary_index: Option<u64>,
    pub(super) delta: Text<'a>,
    pub(super) text: Text<'a>,
    pub(super) refusal: Text<'a>,
    pub(super) arguments: Text<'a>,
    pub(super) input: Text<'a>,
    pub(super) logprobs: Option<Value>,
    pub(super) item: Option<Item<'a>>,
    pub(super) part: Option<Part<'a>>,
    pub(super) annotation: Option<Annotation<'a>>,
    pub(super) response: Option<Response<'a>>,
    pub(super) error: Option<IgnoredAny>,
}

/// The entries of log probabilities; anything but a list has none.
pub(super) fn entries(logprobs: Option<Value>) -> Vec<Value> {
    if let Some(Value::Array(entries)) = logprobs { entries } else { Vec::new() }
}

/// Log probabilities as Chat has them; none if there are none.
pub(super) fn chat_logprobs(entries: Vec<Value>) -> Option<Value> {
    if entries.is_empty() {
        return None;
    }
    let logprobs = [("content".to_owned(), Value::Array(entries)), ("refusal".to_owned(), Value::Null)];
    Some(Value::Object(logprobs.into_iter().collect()))
}
