//! Writes an answer for a caller of Completions. Called by the pipeline.
//! Source: OpenAI API specification 2.3.0.

use std::borrow::Cow;

use serde::Serialize;

use crate::format::answer::{Choice, ModelAnswer, Said, Stop, Told};
use crate::format::chat::answer::{id, join};
use crate::format::chat::{stop, usage};

#[derive(Serialize)]
struct Body<'a> {
    id: Cow<'a, str>,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: Vec<Completed<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<usage::Told<'a>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    provider: &'a str,
}

#[derive(Serialize)]
struct Completed<'a> {
    text: Cow<'a, str>,
    index: usize,
    /// Never there: a call that asks for them is refused or sent without.
    logprobs: Option<bool>,
    finish_reason: &'static str,
}

/// Writes an answer as a body that OpenAI's SDKs read. A refusal in words is the text; thoughts have no place.
pub fn write(answer: &ModelAnswer, told: &Told) -> Vec<u8> {
    let body = Body {
        id: id(answer.id.as_deref(), "cmpl-", told),
        object: "text_completion",
        created: answer.created.unwrap_or(told.created),
        model: answer.model.as_deref().unwrap_or(&told.model),
        choices: answer.choices.iter().enumerate().map(completed).collect(),
        usage: answer.usage.as_ref().map(usage::told),
        provider: &told.provider,
    };
    serde_json::to_vec(&body).expect("texts and numbers can be written as JSON")
}

fn completed((index, choice): (usize, &Choice)) -> Completed<'_> {
    let mut text = Cow::Borrowed("");
    for part in &choice.parts {
        match part {
            Said::Text { text: more, .. } | Said::Refusal(more) => join(&mut text, more),
            Said::Thinking(_) | Said::ToolCall(_) => {}
        }
    }
    Completed { text, index, logprobs: None, finish_reason: finish_reason(choice.stop.as_ref()) }
}

/// Why it ended, in a word of this dialect, which knows no tools.
pub(super) fn finish_reason(stop: Option<&Stop>) -> &'static str {
    match stop::told(stop, false).reason {
        "tool_calls" => "stop",
        reason => reason,
    }
}
