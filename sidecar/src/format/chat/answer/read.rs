//! Reads a provider's answer. Called by the pipeline as `answer::read`.
//! Source: OpenAI API specification 2.3.0; where others deviate, as recorded.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;

use crate::format::answer::{Choice, Citation, ModelAnswer, Said};
use crate::format::call::{Thinking, ToolCall};
use crate::format::chat::annotations::{self, Annotation, Source};
use crate::format::chat::lenient::{Count, Words};
use crate::format::chat::thoughts::{self, Collected, Detail};
use crate::format::chat::tool_calls::{Fragment, Function};
use crate::format::chat::usage::Counted;
use crate::format::chat::{logprobs, stop};
use crate::format::function::made_up_id;
use crate::format::{Format, Malformed, error};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body<'a> {
    #[serde(borrow)]
    id: Words<'a>,
    #[serde(borrow)]
    object: Words<'a>,
    #[serde(borrow)]
    model: Words<'a>,
    created: Count,
    #[serde(borrow)]
    choices: Option<Vec<Answered<'a>>>,
    usage: Option<Counted>,
    #[serde(borrow)]
    service_tier: Words<'a>,
    /// Perplexity.
    #[serde(borrow)]
    citations: Option<Vec<Words<'a>>>,
    /// Perplexity.
    #[serde(borrow)]
    search_results: Option<Vec<Source<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Answered<'a> {
    index: Option<Count>,
    #[serde(borrow)]
    message: Option<Message<'a>>,
    #[serde(borrow)]
    finish_reason: Words<'a>,
    /// vLLM: the stop text, or the number of a token.
    stop_reason: Option<Value>,
    /// SGLang: the same.
    matched_stop: Option<Value>,
    logprobs: Option<Value>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Message<'a> {
    #[serde(borrow)]
    content: Words<'a>,
    #[serde(borrow)]
    refusal: Words<'a>,
    #[serde(borrow)]
    reasoning_content: Words<'a>,
    #[serde(borrow)]
    reasoning: Words<'a>,
    #[serde(borrow)]
    reasoning_details: Option<Vec<Detail<'a>>>,
    #[serde(borrow)]
    tool_calls: Option<Vec<Fragment<'a>>>,
    #[serde(borrow)]
    function_call: Option<Function<'a>>,
    #[serde(borrow)]
    annotations: Option<Vec<Annotation<'a>>>,
}

/// Reads a provider's answer. `seed` is chance for ids of tool calls that have none.
pub fn read(body: &[u8], seed: u64) -> Result<ModelAnswer, Malformed> {
    let malformed = |what: &str| Malformed(what.to_owned());
    if error::read_event(Format::Chat, body).is_some() {
        return Err(malformed("an error with status 200"));
    }
    let body: Body<'_> = serde_json::from_slice(body).map_err(|_| malformed("not an answer of Chat Completions"))?;
    let sources = annotations::sources(body.search_results.as_deref(), body.citations.as_deref());
    let mut reading = Reading { seed, calls: 0, sources };
    let mut choices: Vec<_> = body.choices.into_iter().flatten().enumerate().collect();
    if choices.is_empty() {
        return Err(malformed("JSON without choices"));
    }
    choices.sort_by_key(|(at, choice)| choice.index.map_or(*at as u64, |index| index.0));
    Ok(ModelAnswer {
        id: body.id.owned(),
        model: body.model.owned(),
        created: i64::try_from(body.created.0).ok().filter(|created| *created > 0),
        choices: choices.into_iter().map(|(_, choice)| reading.choice(choice)).collect(),
        usage: body.usage.map(|usage| usage.usage()),
        service_tier: body.service_tier.owned(),
    })
}

struct Reading {
    seed: u64,
    calls: usize,
    sources: Vec<Citation>,
}

impl Reading {
    fn choice(&mut self, choice: Answered<'_>) -> Choice {
        let mut parts = Vec::new();
        if let Some(message) = choice.message {
            self.message(message, &mut parts);
        }
        let has_calls = parts.iter().any(|part| matches!(part, Said::ToolCall(_)));
        let matched = [&choice.stop_reason, &choice.matched_stop].into_iter().flatten().find_map(Value::as_str);
        let stop = stop::read(&choice.finish_reason.flat(), matched, has_calls);
        Choice { parts, stop, logprobs: choice.logprobs.and_then(logprobs::read) }
    }

    fn message(&mut self, message: Message<'_>, parts: &mut Vec<Said>) {
        thoughts_of(&message, parts);
        content_of(&message.content, parts);
        let mut citations: Vec<_> = message.annotations.iter().flatten().filter_map(Annotation::citation).collect();
        citations.extend(self.sources.iter().cloned());
        let first_text = parts.iter_mut().find_map(|part| match part {
            Said::Text { citations, .. } => Some(citations),
            Said::Refusal(_) | Said::Thinking(_) | Said::ToolCall(_) => None,
        });
        if let Some(rests_on) = first_text {
            *rests_on = citations;
        }
        parts.extend(message.refusal.owned().map(Said::Refusal));
        let deprecated = message.function_call.map(Fragment::of_function);
        for call in message.tool_calls.into_iter().flatten().chain(deprecated) {
            parts.push(Said::ToolCall(self.call(&call)));
        }
    }

    fn call(&mut self, call: &Fragment<'_>) -> ToolCall {
        let n = self.calls;
        self.calls += 1;
        let custom = call.is_custom();
        let arguments = match call.arguments() {
            arguments if arguments.trim().is_empty() && !custom => "{}".to_owned(),
            arguments => arguments.into_owned(),
        };
        ToolCall {
            id: call.id().map_or_else(|| made_up_id(self.seed, n), str::to_owned),
            name: call.name().unwrap_or_default().to_owned(),
            arguments,
            custom,
            signature: call.signature(),
        }
    }
}

/// The thoughts beside the content. `reasoning` says the same as `reasoning_details`, which prove it.
fn thoughts_of(message: &Message<'_>, parts: &mut Vec<Said>) {
    let plain = |words: &Words<'_>, place: &str| {
        let text = words.flat().into_owned();
        (!text.is_empty()).then(|| Thinking { text, signature: Some(thoughts::place(place)), ..Thinking::default() })
    };
    let mut collected = Collected::default();
    for detail in message.reasoning_details.iter().flatten() {
        let (signature, redacted) = detail.signature().map_or((None, false), |(value, sealed)| (Some(value), sealed));
        let text = detail.words().unwrap_or_default().to_owned();
        if signature.is_some() || !text.is_empty() {
            collected.push(Thinking { text, signature, redacted, id: detail.id() }, detail.is_summary());
        }
    }
    let proven = collected.thoughts.iter().any(|thinking| thinking.signature.is_some());
    let has_text = collected.thoughts.iter().any(|thinking| !thinking.text.is_empty());
    let beside = plain(&message.reasoning_content, thoughts::IN_REASONING_CONTENT)
        .or_else(|| plain(&message.reasoning, thoughts::IN_REASONING));
    if let Some(beside) = beside.filter(|_| !proven || !has_text) {
        if !proven {
            collected.thoughts.clear();
        }
        parts.push(Said::Thinking(beside));
    }
    parts.extend(collected.into_thoughts().into_iter().map(Said::Thinking));
}

/// The content: a text, or Mistral's chunks.
fn content_of(content: &Words<'_>, parts: &mut Vec<Said>) {
    let say = |text: Cow<'_, str>| Said::Text { text: text.into_owned(), citations: Vec::new() };
    match content {
        Words::Nothing => {}
        Words::Text(text) if text.is_empty() => {}
        Words::Text(text) => parts.push(say(Cow::Borrowed(text))),
        Words::Chunks(chunks) => {
            for chunk in chunks {
                if let Some(text) = chunk.text.text() {
                    parts.push(say(Cow::Borrowed(text)));
                } else if let Some(words) = chunk.refusal.text() {
                    parts.push(Said::Refusal(words.to_owned()));
                } else if !chunk.thinking.flat().is_empty() {
                    parts.push(Said::Thinking(Thinking {
                        text: chunk.thinking.flat().into_owned(),
                        signature: Some(thoughts::place(thoughts::IN_CONTENT)),
                        ..Thinking::default()
                    }));
                }
            }
        }
    }
}
