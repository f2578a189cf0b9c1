//! `system` and `messages`: turns as Converse has them, with the roles `user` and `assistant` in alternation.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Serialize;
use serde_json::value::RawValue;

use super::media::{self, Document, Documents, Medium};
use super::{is_claude, thinking};
use crate::format::Format;
use crate::format::call::{CacheBreakpoint, Content, Part, Role, Thinking, ToolCall, ToolResult, Turn};
use crate::format::function::arguments;
use crate::format::loss::{Feature, Losses};

/// The longest id of a call.
const LONGEST_ID: usize = 64;

#[derive(Serialize)]
pub(super) struct Message<'a> {
    role: &'static str,
    content: Vec<Block<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Block<'a> {
    Text(&'a str),
    Image(Medium<'a>),
    Audio(Medium<'a>),
    Document(Document<'a>),
    ToolUse(CallBlock<'a>),
    ToolResult(ResultBlock<'a>),
    ReasoningContent(Reasoning<'a>),
    CachePoint(CachePoint<'a>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CallBlock<'a> {
    tool_use_id: Cow<'a, str>,
    name: &'a str,
    input: Cow<'a, RawValue>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResultBlock<'a> {
    tool_use_id: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    content: Vec<Block<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Reasoning<'a> {
    ReasoningText { text: &'a str, signature: &'a str },
    RedactedContent(&'a str),
}

#[derive(Serialize)]
pub(super) struct CachePoint<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<&'a str>,
}

impl<'a> CachePoint<'a> {
    pub(super) fn new(cache: &'a CacheBreakpoint) -> Self {
        let ttl = cache.ttl.as_deref().filter(|ttl| matches!(*ttl, "5m" | "1h"));
        Self { kind: "default", ttl }
    }
}

struct Writer<'l> {
    losses: &'l mut Losses,
    /// Whether the model has a prompt cache with breakpoints; others refuse them.
    caches: bool,
    documents: Documents,
}

/// The instructions and the conversation.
pub(super) fn write<'a>(turns: &'a [Turn], model: &str, losses: &mut Losses) -> (Vec<Block<'a>>, Vec<Message<'a>>) {
    let caches = is_claude(model) || model.contains("amazon.nova");
    let mut writer = Writer { losses, caches, documents: Documents::default() };
    let mut system = Vec::new();
    let mut messages: Vec<Message<'a>> = Vec::new();
    for turn in turns {
        let role = match turn.role {
            Role::System | Role::Developer => {
                if !messages.is_empty() {
                    // There is one place for instructions, before everything.
                    writer.losses.change(Feature::SystemTurns);
                }
                system.extend(writer.turn(turn));
                continue;
            }
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        let content = writer.turn(turn);
        match messages.last_mut() {
            _ if content.is_empty() => {}
            Some(last) if last.role == role => last.content.extend(content),
            _ => messages.push(Message { role, content }),
        }
    }
    if messages.is_empty() && !system.is_empty() {
        // A conversation needs a turn of the user's: instructions alone become one.
        writer.losses.change(Feature::SystemTurns);
        messages.push(Message { role: "user", content: std::mem::take(&mut system) });
    }
    prefill(&mut messages, model, losses);
    let texts = system.len();
    system.retain(|block| matches!(block, Block::Text(_) | Block::CachePoint(_)));
    losses.lose_if(system.len() < texts, Feature::SystemTurns);
    (system, messages)
}

/// A last turn of the assistant's is gone on with by most models; Claude 4.6 and later refuse it.
fn prefill(messages: &mut Vec<Message<'_>>, model: &str, losses: &mut Losses) {
    let Some(last) = messages.last_mut().filter(|last| last.role == "assistant") else { return };
    if is_claude(model) && thinking::version(model).is_some_and(|version| version >= (4, 6)) {
        losses.lose(Feature::Prefill);
        messages.pop();
    } else if let Some(Block::Text(text)) = last.content.last_mut()
        && text.ends_with(char::is_whitespace)
    {
        // A last text must not end in a space.
        losses.change(Feature::Prefill);
        *text = text.trim_end();
    }
}

impl Writer<'_> {
    fn turn<'a>(&mut self, turn: &'a Turn) -> Vec<Block<'a>> {
        self.losses.lose_if(turn.name.is_some(), Feature::ParticipantName);
        let mut blocks = Vec::new();
        for part in &turn.parts {
            blocks.extend(self.part(part));
            self.cache(part.cache.as_ref(), &mut blocks);
        }
        blocks
    }

    fn cache<'a>(&mut self, cache: Option<&'a CacheBreakpoint>, blocks: &mut Vec<Block<'a>>) {
        let Some(cache) = cache else { return };
        // Nothing before it is nothing to cache.
        if self.caches && !blocks.is_empty() {
            blocks.push(Block::CachePoint(CachePoint::new(cache)));
        } else {
            self.losses.lose(Feature::CacheBreakpoint);
        }
    }

    fn part<'a>(&mut self, part: &'a Part) -> Option<Block<'a>> {
        match &part.content {
            Content::Text(text) | Content::Refusal(text) => plain(text),
            Content::Image { media, detail } => media::image(media, detail.as_deref(), self.losses),
            Content::Audio { data, format } => media::audio(data, format, self.losses),
            Content::File { media, name, citations } => {
                self.documents.document(media, name.as_deref(), *citations, self.losses)
            }
            Content::ToolCall(call) => Some(Block::ToolUse(self.call(call))),
            Content::ToolResult(result) => Some(Block::ToolResult(self.result(result))),
            Content::Thinking(thinking) => self.thinking(thinking).map(Block::ReasoningContent),
        }
    }

    fn call<'a>(&mut self, call: &'a ToolCall) -> CallBlock<'a> {
        self.losses.lose_if(call.signature.is_some(), Feature::ToolCallSignature);
        CallBlock { tool_use_id: id(&call.id), name: &call.name, input: arguments(call, self.losses) }
    }

    fn result<'a>(&mut self, result: &'a ToolResult) -> ResultBlock<'a> {
        let mut content = Vec::new();
        for part in &result.parts {
            self.losses.lose_if(part.cache.is_some(), Feature::CacheBreakpoint);
            match &part.content {
                Content::Audio { .. } => self.losses.lose(Feature::Audio),
                Content::Text(_) | Content::Refusal(_) | Content::Image { .. } | Content::File { .. } => {
                    content.extend(self.part(part));
                }
                Content::ToolCall(_) | Content::ToolResult(_) | Content::Thinking(_) => {}
            }
        }
        if content.is_empty() && result.is_error {
            // The service wants to read what went wrong.
            content.push(Block::Text("error"));
        }
        ResultBlock { tool_use_id: id(&result.call_id), status: result.is_error.then_some("error"), content }
    }

    fn thinking<'a>(&mut self, thinking: &'a Thinking) -> Option<Reasoning<'a>> {
        let Thinking { text, signature, redacted, id: _ } = thinking;
        match signature.as_ref().filter(|signature| signature.maker == Format::Converse) {
            Some(signature) if *redacted => Some(Reasoning::RedactedContent(&signature.value)),
            Some(signature) => Some(Reasoning::ReasoningText { text, signature: &signature.value }),
            None => {
                self.losses.lose(Feature::Thinking);
                None
            }
        }
    }
}

/// Blank texts are refused.
fn plain(text: &str) -> Option<Block<'_>> {
    (!text.trim().is_empty()).then_some(Block::Text(text))
}

/// An id as it is, or, where the service would refuse it, another that is the same for the call and its result.
fn id(given: &str) -> Cow<'_, str> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "_.:-".contains(letter);
    if (1..=LONGEST_ID).contains(&given.len()) && given.chars().all(fits) {
        return Cow::Borrowed(given);
    }
    let mut hasher = DefaultHasher::new();
    given.hash(&mut hasher);
    let kept: String = given.chars().take(40).map(|letter| if fits(letter) { letter } else { '_' }).collect();
    Cow::Owned(format!("{kept}_{:016x}", hasher.finish()))
}
