//! Thoughts in Chat, for which OpenAI has no place and others have four: `reasoning_content` (DeepSeek, SGLang, llama.cpp, xAI),
//! `reasoning` (vLLM, Ollama, Groq, OpenRouter), chunks of `content` (Mistral), and OpenRouter's `reasoning_details`, the
//! only ones that prove or seal. Used by readers and writers of calls, answers and events.
//!
//! Thoughts that nothing proves carry as their signature where they stood, so that they can be sent back to the provider in
//! the shape in which it takes them; other dialects hand a signature back unread.

use serde::{Deserialize, Serialize};

use super::lenient::Words;
use crate::format::Format;
use crate::format::call::{Signature, Thinking};

/// The thoughts stood in `reasoning_content`.
pub(crate) const IN_REASONING_CONTENT: &str = "in:reasoning_content";
/// They stood in `reasoning`.
pub(crate) const IN_REASONING: &str = "in:reasoning";
/// They stood in a chunk of `content`.
pub(crate) const IN_CONTENT: &str = "in:content";

/// Says where thoughts stood that nothing proves.
pub(crate) fn place(place: &str) -> Signature {
    Signature { maker: Format::Chat, value: place.to_owned() }
}

/// A signature or sealed thoughts of `reasoning_details`. OpenRouter asks for its `format` back, so that it is kept with it.
pub(crate) fn seal(format: Option<&str>, value: &str) -> Signature {
    let value = format.map_or_else(|| value.to_owned(), |format| format!("{format}|{value}"));
    Signature { maker: Format::Chat, value }
}

/// What a caller of Chat sends back.
pub(crate) fn read_back(format: Option<&str>, value: &str) -> Signature {
    let signature = Signature::read(value, Format::Chat);
    if signature.maker == Format::Chat && signature.value == value { seal(format, value) } else { signature }
}

/// What a provider of Chat wants back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept<'a> {
    /// Plain thoughts, in this place.
    Place(&'a str),
    /// A signature or sealed thoughts, with OpenRouter's word for their kind.
    Sealed(Option<&'a str>, &'a str),
}

/// Takes a signature of Chat's own apart; nothing for those of others.
pub(crate) fn kept(signature: &Signature) -> Option<Kept<'_>> {
    if signature.maker != Format::Chat {
        return None;
    }
    let value = signature.value.as_str();
    if [IN_REASONING_CONTENT, IN_REASONING, IN_CONTENT].contains(&value) {
        return Some(Kept::Place(value));
    }
    Some(match value.split_once('|') {
        Some((format, sealed)) => Kept::Sealed(Some(format), sealed),
        None => Kept::Sealed(None, value),
    })
}

/// An entry of `reasoning_details` as providers send it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Detail<'a> {
    #[serde(borrow, rename = "type")]
    kind: Words<'a>,
    #[serde(borrow)]
    text: Words<'a>,
    #[serde(borrow)]
    summary: Words<'a>,
    #[serde(borrow)]
    signature: Words<'a>,
    #[serde(borrow)]
    data: Words<'a>,
    #[serde(borrow)]
    id: Words<'a>,
    #[serde(borrow)]
    format: Words<'a>,
}

impl Detail<'_> {
    /// Thoughts that can be read.
    pub(crate) fn words(&self) -> Option<&str> {
        self.text.text().or(self.summary.text())
    }

    /// Whether it is a summary, of which the sealed thoughts may follow.
    pub(crate) fn is_summary(&self) -> bool {
        self.kind.text() == Some("reasoning.summary")
    }

    /// What proves or seals thoughts, and whether it seals them.
    pub(crate) fn signature(&self) -> Option<(Signature, bool)> {
        let format = self.format.text();
        match (self.signature.text(), self.data.text()) {
            (Some(signature), _) => Some((seal(format, signature), false)),
            (None, Some(data)) => Some((seal(format, data), true)),
            (None, None) => None,
        }
    }

    /// The item's id.
    pub(crate) fn id(&self) -> Option<String> {
        self.id.owned()
    }
}

/// The entries of a `reasoning_details`, joined to thoughts.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    /// The thoughts so far.
    pub(crate) thoughts: Vec<Thinking>,
    last_is_summary: bool,
}

impl Collected {
    /// The thoughts. Those that nothing proves stood where their provider would take them back.
    pub(crate) fn into_thoughts(mut self) -> Vec<Thinking> {
        for thinking in &mut self.thoughts {
            thinking.signature.get_or_insert_with(|| place(IN_REASONING));
        }
        self.thoughts
    }

    /// Takes an entry. Summaries of one item are one text, and its sealed thoughts may stand right behind them.
    pub(crate) fn push(&mut self, next: Thinking, is_summary: bool) {
        let joins = self.last_is_summary;
        self.last_is_summary = is_summary;
        match self.thoughts.last_mut().filter(|last| joins && last.id == next.id) {
            Some(last) if is_summary => last.text.push_str(&next.text),
            Some(last) if next.redacted => {
                last.signature = next.signature;
                last.redacted = true;
            }
            Some(_) | None => self.thoughts.push(next),
        }
    }
}

/// An entry of `reasoning_details` as it is written.
#[derive(Debug, Serialize)]
pub(crate) struct Entry<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<&'a str>,
    index: usize,
}

impl Entry<'_> {
    /// The index of the next entry.
    pub(crate) fn next(entries: &[Self]) -> usize {
        entries.last().map_or(0, |last| last.index + 1)
    }
}

/// Adds the entries that carry a thinking with a signature: with Chat's own it stands as its provider wrote it, others are
/// tagged. Thoughts that only have a place need none.
pub(crate) fn entries<'a>(thinking: &'a Thinking, index: usize, entries: &mut Vec<Entry<'a>>) {
    let Some(signature) = thinking.signature.as_ref() else {
        return;
    };
    let (format, value) = match kept(signature) {
        Some(Kept::Place(_)) => return,
        Some(Kept::Sealed(format, value)) => (format, value.to_owned()),
        None => (None, signature.told_in(Format::Chat)),
    };
    if value.is_empty() {
        return;
    }
    let id = thinking.id.as_deref();
    let words = (!thinking.text.is_empty()).then_some(thinking.text.as_str());
    let entry = Entry { kind: "", text: None, summary: None, signature: None, data: None, id, format, index };
    if thinking.redacted {
        // SDKs put entries where their index says, so that no two have the same.
        let sealed = Entry { kind: "reasoning.encrypted", data: Some(value), ..entry };
        if words.is_some() {
            let summary = Entry { kind: "reasoning.summary", summary: words, data: None, signature: None, ..sealed };
            entries.push(summary);
        }
        entries.push(Entry { index: index + usize::from(words.is_some()), ..sealed });
    } else {
        entries.push(Entry { kind: "reasoning.text", text: words.or(Some("")), signature: Some(value), ..entry });
    }
}
