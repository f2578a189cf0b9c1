//! Writes an answer for a caller of Chat. Called by the pipeline as `answer::write`.
//! Source: OpenAI API specification 2.3.0; `reasoning_details`, `native_finish_reason`, `provider` and `cost` are OpenRouter's.

use std::borrow::Cow;

use serde::Serialize;

use crate::format::answer::{Choice, ModelAnswer, Said, Stop, Told};
use crate::format::chat::thoughts::{self, Entry};
use crate::format::chat::tool_calls::{self, Written};
use crate::format::chat::{annotations, logprobs, stop, usage};

#[derive(Serialize)]
struct Body<'a> {
    id: Cow<'a, str>,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: Vec<Answered<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<usage::Told<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    provider: &'a str,
}

#[derive(Serialize)]
struct Answered<'a> {
    index: usize,
    message: Message<'a>,
    logprobs: Option<logprobs::Told<'a>>,
    finish_reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    native_finish_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_reason: Option<&'a str>,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Option<Cow<'a, str>>,
    refusal: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    reasoning_content: Cow<'a, str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasoning_details: Vec<Entry<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    annotations: Vec<annotations::Written<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Written<'a>>,
}

/// Writes an answer as a body that OpenAI's SDKs read.
pub fn write(answer: &ModelAnswer, told: &Told) -> Vec<u8> {
    let body = Body {
        id: id(answer.id.as_deref(), "chatcmpl-", told),
        object: "chat.completion",
        created: answer.created.unwrap_or(told.created),
        model: answer.model.as_deref().unwrap_or(&told.model),
        choices: answer.choices.iter().enumerate().map(|(index, choice)| answered(index, choice, told)).collect(),
        usage: answer.usage.as_ref().map(usage::told),
        service_tier: answer.service_tier.as_deref().and_then(tier),
        provider: &told.provider,
    };
    serde_json::to_vec(&body).expect("texts and numbers can be written as JSON")
}

/// The provider's id, or a made-up one of this dialect.
pub(crate) fn id<'a>(given: Option<&'a str>, prefix: &str, told: &Told) -> Cow<'a, str> {
    given.map_or_else(|| Cow::Owned(format!("{prefix}{}", told.id)), Cow::Borrowed)
}

/// A tier as the specification knows it; Responses knows one more.
fn tier(tier: &str) -> Option<&str> {
    match tier {
        "standard" => Some("default"),
        "auto" | "default" | "flex" | "scale" | "priority" | "fast" => Some(tier),
        _ => None,
    }
}

fn answered<'a>(index: usize, choice: &'a Choice, told: &Told) -> Answered<'a> {
    let message = message(choice, told);
    let said = stop::told(choice.stop.as_ref(), !message.tool_calls.is_empty());
    Answered {
        index,
        message,
        logprobs: choice.logprobs.as_ref().map(logprobs::Told),
        finish_reason: said.reason,
        native_finish_reason: said.native,
        stop_reason: said.matched,
    }
}

fn message<'a>(choice: &'a Choice, told: &Told) -> Message<'a> {
    let mut content = None;
    let mut refusal = None;
    let mut message = Message {
        role: "assistant",
        content: None,
        refusal: None,
        reasoning_content: Cow::Borrowed(""),
        reasoning_details: Vec::new(),
        annotations: Vec::new(),
        tool_calls: Vec::new(),
    };
    for part in &choice.parts {
        match part {
            Said::Text { text, citations } => {
                append(&mut content, text);
                if !citations.is_empty() {
                    let to = content.as_deref().map_or(0, |text| text.chars().count());
                    let from = to - text.chars().count();
                    let cited = citations.iter().map(|cited| annotations::write(cited, from as u64, to as u64));
                    message.annotations.extend(cited);
                }
            }
            Said::Refusal(words) => append(&mut refusal, words),
            Said::Thinking(thinking) => {
                join(&mut message.reasoning_content, &thinking.text);
                let index = Entry::next(&message.reasoning_details);
                thoughts::entries(thinking, index, &mut message.reasoning_details);
            }
            Said::ToolCall(call) => message.tool_calls.push(tool_calls::told(call, &told.custom_tools)),
        }
    }
    if let (None, Some(Stop::Filtered(Some(why)))) = (&refusal, &choice.stop) {
        append(&mut refusal, why);
    }
    if content.is_none() && refusal.is_none() && message.tool_calls.is_empty() {
        content = Some(Cow::Borrowed(""));
    }
    Message { content, refusal, ..message }
}

/// Adds to a text that may not be there yet; borrows as long as there is one piece.
pub(crate) fn append<'a>(text: &mut Option<Cow<'a, str>>, more: &'a str) {
    match text {
        Some(text) => join(text, more),
        None => *text = Some(Cow::Borrowed(more)),
    }
}

/// Adds to a text.
pub(crate) fn join<'a>(text: &mut Cow<'a, str>, more: &'a str) {
    if text.is_empty() {
        *text = Cow::Borrowed(more);
    } else if !more.is_empty() {
        text.to_mut().push_str(more);
    }
}
