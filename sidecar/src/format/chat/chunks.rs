//! The frames of a stream for callers: an envelope that stays the same, and a choice that changes. Used by the writers of
//! events of `chat` and `completions`.
//! Source: OpenAI API specification 2.3.0; order and null usages as recorded.

use serde::Serialize;

use super::answer::id;
use super::usage;
use crate::format::Format;
use crate::format::answer::{Told, Usage};
use crate::format::error::{self, ProviderError};

/// What stands in every chunk before its choices, written once.
pub(crate) struct Frame {
    head: Vec<u8>,
    tail: &'static [u8],
}

/// What names a stream: its dialect's prefix for ids and its `object`.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    /// Before an id that is made up.
    pub(crate) prefix: &'static str,
    /// The type of its chunks.
    pub(crate) object: &'static str,
}

#[derive(Serialize)]
struct Head<'a> {
    id: &'a str,
    object: &'a str,
    created: i64,
    model: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    provider: &'a str,
}

impl Frame {
    /// The envelope of a stream whose provider gives it this id and model.
    pub(crate) fn new(kind: Kind, given: Option<&str>, model: Option<&str>, told: &Told) -> Self {
        let head = Head {
            id: &id(given, kind.prefix, told),
            object: kind.object,
            created: told.created,
            model: model.unwrap_or(&told.model),
            provider: &told.provider,
        };
        let mut bytes = b"data: ".to_vec();
        serde_json::to_writer(&mut bytes, &head).expect("texts can be written as JSON");
        bytes.pop();
        bytes.extend_from_slice(b",\"choices\":[");
        let tail: &[u8] = if told.include_usage { b"],\"usage\":null}\n\n" } else { b"]}\n\n" };
        Self { head: bytes, tail }
    }

    /// Writes a chunk with one choice.
    pub(crate) fn choice<T: Serialize>(&self, choice: &T, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        serde_json::to_writer(&mut *out, choice).expect("texts and numbers can be written as JSON");
        out.extend_from_slice(self.tail);
    }

    /// Writes the chunk without choices that counts.
    pub(crate) fn usage(&self, usage: &Usage, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(b"],\"usage\":");
        serde_json::to_writer(&mut *out, &usage::told(usage)).expect("numbers can be written as JSON");
        out.extend_from_slice(b"}\n\n");
    }
}

/// Writes the clean end.
pub(crate) fn done(out: &mut Vec<u8>) {
    out.extend_from_slice(b"data: [DONE]\n\n");
}

#[derive(Serialize)]
struct Failed<'a> {
    error: Fault<'a>,
    #[serde(skip_serializing_if = "str::is_empty")]
    provider: &'a str,
}

#[derive(Serialize)]
struct Fault<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    param: Option<&'a str>,
    code: &'static str,
}

/// Writes an error, behind which nothing follows.
pub(crate) fn failed(error: &ProviderError, provider: &str, out: &mut Vec<u8>) {
    let fault = Fault {
        message: error::told(error),
        kind: error::kind(Format::Chat, error),
        param: error.param.as_deref(),
        code: error::code(error.class),
    };
    out.extend_from_slice(b"data: ");
    serde_json::to_writer(&mut *out, &Failed { error: fault, provider }).expect("texts can be written as JSON");
    out.extend_from_slice(b"\n\n");
}
