//! Items of an answer as a caller gets them; shared by whole answers and streams.
//! Source: `OutputItem` of OpenAI's specification 2.3.0, and recorded answers.

use serde::Serialize;
use serde_json::Value;

use crate::format::Format;
use crate::format::answer::Citation;
use crate::format::call::Signature;

/// Before the encrypted content of a reasoning item that holds no thoughts but what the next call of a tool is signed with.
/// Responses has no field for it on a call, and Codex sends back nothing of an item but its meaning.
/// The maker's name and the value follow.
pub(super) const CALL_SIGNATURE: &str = "lotse.call.";

/// An item of an answer.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Item<'a> {
    Message {
        id: &'a str,
        status: &'static str,
        role: &'static str,
        content: Vec<Part<'a>>,
    },
    FunctionCall {
        id: &'a str,
        status: &'static str,
        call_id: &'a str,
        name: &'a str,
        arguments: &'a str,
    },
    CustomToolCall {
        id: &'a str,
        status: &'static str,
        call_id: &'a str,
        name: &'a str,
        input: &'a str,
    },
    Reasoning {
        id: &'a str,
        summary: Vec<Summary<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        encrypted_content: Option<&'a str>,
    },
}

/// A part of a message.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Part<'a> {
    OutputText { text: &'a str, annotations: Vec<Annotation<'a>>, logprobs: &'a [Value] },
    Refusal { refusal: &'a str },
}

/// One summary of thoughts.
#[derive(Serialize)]
#[serde(tag = "type", rename = "summary_text")]
pub(super) struct Summary<'a> {
    pub(super) text: &'a str,
}

/// What a text rests on.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Annotation<'a> {
    UrlCitation { url: &'a str, title: &'a str, start_index: u64, end_index: u64 },
    FileCitation { file_id: &'a str, filename: &'a str, index: u64 },
}

impl<'a> Annotation<'a> {
    /// A citation of a page, or, where it has no address, of a document that the caller sent.
    pub(super) fn of(citation: &'a Citation) -> Self {
        let Citation { url, title, quote: _, start, end } = citation;
        let title = title.as_deref().unwrap_or_default();
        let start_index = start.unwrap_or_default();
        match url {
            Some(url) => Self::UrlCitation { url, title, start_index, end_index: end.unwrap_or(start_index) },
            None => Self::FileCitation { file_id: title, filename: title, index: start_index },
        }
    }
}

/// The entries of log probabilities in Chat's form, which are the same here.
pub(super) fn logprobs(chat: Option<&Value>) -> &[Value] {
    chat.and_then(|chat| chat.get("content")).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// What a signature of thoughts looks like to a caller.
pub(super) fn encrypted(signature: &Signature) -> String {
    signature.told_in(Format::Responses)
}

/// What a signature of a call looks like to a caller.
pub(super) fn encrypted_for_call(signature: &Signature) -> String {
    let Signature { maker, value } = signature;
    format!("{CALL_SIGNATURE}{}.{value}", maker.name())
}
