//! Chat and Completions that pass: what an event or an answer says, read no further than it matters. Pure.
//! Source: OpenAI API specification 2.3.0, and what compatible servers do (research of 2026-11).

use std::borrow::Cow;

use bytes::BytesMut;
use lotse_crds::body::{self, Change, Scanned};
use lotse_crds::price::{Price, Tokens};
use memchr::memmem::Finder;
use serde::Deserialize;

use crate::pieces;

/// What one event of a stream says.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// The stream has ended as it should.
    Done,
    /// The provider reports an error.
    Error,
    /// A text, reasoning or tool delta that is not empty.
    Content,
    /// Anything else: a role, an empty delta, a usage.
    Other,
    /// No JSON at all.
    Garbage,
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    choices: Option<Vec<Choice<'a>>>,
    #[serde(default)]
    error: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow, default)]
    delta: Option<Delta<'a>>,
    /// Completions' own.
    #[serde(borrow, default)]
    text: Option<Part<'a>>,
}

impl Choice<'_> {
    fn is_content(&self) -> bool {
        self.delta.as_ref().is_some_and(Delta::is_content) || self.text.as_ref().is_some_and(Part::is_content)
    }
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow, default)]
    content: Option<Part<'a>>,
    #[serde(borrow, default)]
    reasoning_content: Option<Part<'a>>,
    #[serde(borrow, default)]
    reasoning: Option<Part<'a>>,
    #[serde(borrow, default)]
    refusal: Option<Part<'a>>,
    #[serde(default)]
    tool_calls: Option<Vec<serde::de::IgnoredAny>>,
    #[serde(default)]
    function_call: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    audio: Option<serde::de::IgnoredAny>,
}

/// A text, or the list of parts that some servers send instead.
#[derive(Deserialize)]
#[serde(untagged)]
enum Part<'a> {
    #[serde(borrow)]
    Text(Cow<'a, str>),
    Parts(Vec<serde::de::IgnoredAny>),
    Other(serde::de::IgnoredAny),
}

impl Part<'_> {
    fn is_content(&self) -> bool {
        match self {
            Self::Text(text) => !text.is_empty(),
            Self::Parts(parts) => !parts.is_empty(),
            Self::Other(_) => false,
        }
    }
}

impl Delta<'_> {
    fn is_content(&self) -> bool {
        [&self.content, &self.reasoning_content, &self.reasoning, &self.refusal]
            .into_iter()
            .flatten()
            .any(Part::is_content)
            || self.tool_calls.as_ref().is_some_and(|calls| !calls.is_empty())
            || self.function_call.is_some()
            || self.audio.is_some()
    }
}

/// What the data of an event says. Reads it whole: for the events before the first content.
pub fn read_event(data: &[u8]) -> Event {
    if data == b"[DONE]" {
        return Event::Done;
    }
    match serde_json::from_slice::<Chunk<'_>>(data) {
        Err(_) => Event::Garbage,
        Ok(Chunk { error: Some(_), .. }) => Event::Error,
        Ok(Chunk { choices, .. }) => {
            if choices.iter().flatten().any(Choice::is_content) {
                Event::Content
            } else {
                Event::Other
            }
        }
    }
}

/// Looks at events after the first content without reading them whole: a quote inside a JSON string is escaped, so a key
/// is found by its bytes.
pub struct Glance {
    error: Finder<'static>,
    usage: Finder<'static>,
    shows_usage: bool,
}

impl Glance {
    /// Looks at a stream whose app is shown the usage at its end, or not: then it was asked for on the way.
    pub fn new(shows_usage: bool) -> Self {
        Self { error: Finder::new(b"\"error\""), usage: Finder::new(b"\"usage\""), shows_usage }
    }

    /// As [`read_event`], for events after the first content: reads only those that can matter.
    pub fn event(&self, data: &[u8]) -> Event {
        if data == b"[DONE]" {
            Event::Done
        } else if self.error.find(data).is_some() {
            read_event(data)
        } else {
            Event::Content
        }
    }

    /// Whether an event, which has a usage, goes no further: it has nothing else to say, and the app has not asked for it.
    pub fn hides(&self, data: &[u8], scanned: &Scanned) -> bool {
        let is_empty = |choices: &[u8]| choices.iter().filter(|byte| !byte.is_ascii_whitespace()).eq(b"[]");
        !self.shows_usage && scanned.value(data, "choices").is_none_or(is_empty)
    }

    /// Whether the data of an event may hold a usage that is not null.
    pub fn may_have_usage(&self, data: &[u8]) -> bool {
        self.usage.find_iter(data).any(|at| {
            let rest = data[at + 7..].trim_ascii_start();
            rest.strip_prefix(b":").is_some_and(|value| !value.trim_ascii_start().starts_with(b"null"))
        })
    }
}

/// How a dialect names what it counts.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    input: &'static str,
    output: &'static str,
    details: &'static str,
    /// Counts that its input leaves out, and that are input all the same: read from a cache, and written to one.
    apart: Option<[&'static str; 2]>,
}

/// Chat's and Completions' names.
pub const CHAT: Names =
    Names { input: "prompt_tokens", output: "completion_tokens", details: "prompt_tokens_details", apart: None };
/// Responses' names.
pub const RESPONSES: Names =
    Names { input: "input_tokens", output: "output_tokens", details: "input_tokens_details", apart: None };
/// Messages' names.
pub const MESSAGES: Names = Names {
    input: "input_tokens",
    output: "output_tokens",
    details: "",
    apart: Some(["cache_read_input_tokens", "cache_creation_input_tokens"]),
};

#[derive(Deserialize)]
struct Details {
    #[serde(default)]
    cached_tokens: Option<u64>,
}

/// What a `usage` counts; nothing if a count is none.
fn tokens(usage: &[u8], fields: &Scanned, names: Names) -> Option<Tokens> {
    let count = |key| match fields.value(usage, key) {
        None | Some(b"null") => Some(0),
        Some(count) => serde_json::from_slice(count).ok(),
    };
    let details = match fields.value(usage, names.details) {
        None => None,
        Some(details) => serde_json::from_slice::<Option<Details>>(details).ok()?,
    };
    let (input, output): (u64, u64) = (count(names.input)?, count(names.output)?);
    let cached = details.and_then(|details| details.cached_tokens).unwrap_or(0);
    Some(match names.apart {
        None => Tokens { input, cached_input: cached, output },
        Some([read, written]) => {
            let (read, written): (u64, u64) = (count(read)?, count(written)?);
            Tokens { input: input.saturating_add(read).saturating_add(written), cached_input: read, output }
        }
    })
}

/// An answer or an event with OpenRouter's `provider` and `usage.cost` in it, and the tokens that it counts.
pub fn annotate(
    answer: &[u8],
    scanned: &Scanned,
    (provider, price): (&str, Option<&Price>),
    names: Names,
) -> (Vec<body::Piece>, Option<Tokens>) {
    let mut changes = vec![Change::new("provider", &provider)];
    let usage = scanned.value(answer, "usage").and_then(|usage| Some((usage, body::outline(usage).ok()?)));
    let tokens = usage.as_ref().and_then(|(usage, fields)| tokens(usage, fields, names));
    if let (Some((usage, fields)), Some(tokens), Some(price)) = (usage, tokens, price) {
        let mut json = BytesMut::with_capacity(usage.len() + 32);
        pieces::join(usage, &fields.rewrite(usage, vec![Change::new("cost", &price.cost(tokens))]), &mut json);
        changes.push(Change { key: "usage", json: json.into() });
    }
    (scanned.rewrite(answer, changes), tokens)
}

/// Reads a whole answer, or says why it is none: no JSON, or an error in disguise.
pub fn read_answer(answer: &[u8]) -> Result<Scanned, String> {
    let scanned = body::outline(answer).map_err(|error| error.to_string())?;
    match (scanned.value(answer, "choices"), scanned.value(answer, "error")) {
        (Some(_), None | Some(b"null")) => Ok(scanned),
        (_, Some(_)) => Err("an error with status 200".to_owned()),
        (None, None) => Err("JSON without choices".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_delta_that_is_not_empty_is_content() {
        for (data, event) in [
            (r#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#, Event::Other),
            (r#"{"choices":[{"delta":{"role":"assistant","content":null}}]}"#, Event::Other),
            (r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#, Event::Other),
            (r#"{"choices":[],"usage":{"prompt_tokens":1}}"#, Event::Other),
            (r#"{"choices":[{"delta":{"content":"H"}}]}"#, Event::Content),
            (r#"{"choices":[{"delta":{"content":"\u20ac"}}]}"#, Event::Content),
            (r#"{"choices":[{"delta":{"content":[{"type":"text","text":"H"}]}}]}"#, Event::Content),
            (r#"{"choices":[{"delta":{"reasoning_content":"hm"}}]}"#, Event::Content),
            (r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"c"}]}}]}"#, Event::Content),
            (r#"{"choices":[{"index":0,"text":"H"}]}"#, Event::Content),
            (r#"{"choices":[{"index":0,"text":""}]}"#, Event::Other),
            (r#"{"error":{"message":"overloaded"}}"#, Event::Error),
            ("[DONE]", Event::Done),
            ("<html>", Event::Garbage),
        ] {
            assert_eq!(read_event(data.as_bytes()), event, "{data}");
        }
    }

    #[test]
    fn a_usage_is_seen_and_a_null_one_or_one_in_a_text_is_not() {
        assert!(Glance::new(true).may_have_usage(br#"{"choices":[],"usage": {"prompt_tokens":1}}"#));
        assert!(!Glance::new(true).may_have_usage(br#"{"choices":[],"usage":null}"#));
        assert!(!Glance::new(true).may_have_usage(br#"{"choices":[{"delta":{"content":"\"usage\":{}"}}]}"#));
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig {
            failure_persistence: None, ..proptest::prelude::ProptestConfig::with_cases(2048)
        })]

        #[test]
        fn whatever_a_provider_sends_is_read_without_a_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..96)) {
            read_event(&bytes);
            Glance::new(true).event(&bytes);
            Glance::new(true).may_have_usage(&bytes);
            if let Ok(scanned) = read_answer(&bytes) {
                annotate(&bytes, &scanned, ("a/b", None), CHAT);
            }
        }

        #[test]
        fn a_glance_sees_every_error_and_end_that_a_reading_sees(
            at in 0..80_usize, byte in proptest::num::u8::ANY, which in 0..3_usize,
        ) {
            let mut data = [
                &br#"{"error":{"message":"overloaded"},"choices":[]}"#[..],
                br#"{"choices":[{"delta":{"content":"hi \"error\" there"}}]}"#,
                b"[DONE]",
            ][which].to_vec();
            if let Some(changed) = data.get_mut(at) {
                *changed = byte;
            }

            let read = read_event(&data);

            if matches!(read, Event::Done) || (matches!(read, Event::Error) && !data.contains(&b'\\')) {
                proptest::prop_assert_eq!(Glance::new(true).event(&data), read);
            }
        }
    }

    #[test]
    fn a_text_that_speaks_of_errors_is_content() {
        let data = br#"{"choices":[{"delta":{"content":"say \"error\": twice"}}]}"#;

        assert_eq!(Glance::new(true).event(data), Event::Content);
    }
}
