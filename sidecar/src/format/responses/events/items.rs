//! The items of a caller's stream that are not finished yet. Used by the writer of streams.

use std::borrow::Cow;

use serde_json::Value;

use super::frames::{AnyPart, Frame, Frames, Spot};
use crate::format::answer::Citation;
use crate::format::function::unwrapped;
use crate::format::responses::output::{Annotation, Item, Part, Summary};

/// An item that has begun.
pub(super) struct Open {
    pub(super) output_index: usize,
    pub(super) id: String,
    pub(super) what: What,
}

/// What it is, and what it holds so far.
pub(super) enum What {
    Message(Vec<Words>),
    Thoughts(String),
    Call(Call),
}

/// One part of a message.
#[derive(Default)]
pub(super) struct Words {
    pub(super) refusal: bool,
    pub(super) text: String,
    pub(super) citations: Vec<Citation>,
    pub(super) logprobs: Vec<Value>,
}

/// A call of a tool.
pub(super) struct Call {
    /// Its place among the answer's calls.
    pub(super) index: u32,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: String,
    pub(super) tool: Tool,
}

/// Of what kind a called tool is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tool {
    Function,
    /// A custom one, called with plain text.
    Custom,
    /// A custom one, called as the function that stood in for it.
    Wrapped,
}

impl Open {
    /// Where it is.
    pub(super) fn spot(&self) -> Spot<'_> {
        Spot { item_id: &self.id, output_index: self.output_index }
    }
}

impl Words {
    /// Ends it.
    pub(super) fn end(&self, spot: Spot<'_>, content_index: usize, frames: &mut Frames, out: &mut Vec<u8>) {
        let base = |kind| Frame { content_index: Some(content_index), ..spot.frame(kind) };
        let part = self.part();
        let done = match &part {
            Part::Refusal { refusal } => Frame { refusal: Some(refusal), ..base("response.refusal.done") },
            Part::OutputText { text, annotations: _, logprobs } => {
                Frame { text: Some(text), logprobs: Some(logprobs), ..base("response.output_text.done") }
            }
        };
        frames.push(done, out);
        frames.push(Frame { part: Some(AnyPart::Content(part)), ..base("response.content_part.done") }, out);
    }

    /// As a part of an item.
    pub(super) fn part(&self) -> Part<'_> {
        if self.refusal {
            return Part::Refusal { refusal: &self.text };
        }
        Part::OutputText {
            text: &self.text,
            annotations: self.citations.iter().map(Annotation::of).collect(),
            logprobs: &self.logprobs,
        }
    }
}

/// Ends thoughts.
pub(super) fn end_thoughts(text: &str, spot: Spot<'_>, frames: &mut Frames, out: &mut Vec<u8>) {
    let base = |kind| Frame { summary_index: Some(0), ..spot.frame(kind) };
    frames.push(Frame { text: Some(text), ..base("response.reasoning_summary_text.done") }, out);
    let part = Some(AnyPart::Summary(Summary { text }));
    frames.push(Frame { part, ..base("response.reasoning_summary_part.done") }, out);
}

impl Call {
    /// Ends its arguments; gives them as the item has them.
    pub(super) fn end(&self, spot: Spot<'_>, frames: &mut Frames, out: &mut Vec<u8>) -> Cow<'_, str> {
        let text = match self.tool {
            Tool::Function if self.arguments.is_empty() => Cow::Borrowed("{}"),
            Tool::Function | Tool::Custom => Cow::Borrowed(self.arguments.as_str()),
            Tool::Wrapped => unwrapped(&self.arguments),
        };
        let untold = self.tool == Tool::Wrapped || self.arguments.is_empty();
        if untold && !text.is_empty() {
            frames.push(Frame { delta: Some(&text), ..spot.frame(self.tool.delta()) }, out);
        }
        frames.push(
            match self.tool {
                Tool::Function => Frame {
                    name: Some(&self.name),
                    arguments: Some(&text),
                    ..spot.frame("response.function_call_arguments.done")
                },
                Tool::Custom | Tool::Wrapped => {
                    Frame { input: Some(&text), ..spot.frame("response.custom_tool_call_input.done") }
                }
            },
            out,
        );
        text
    }

    /// Whether its arguments are whole by now, so that nothing more can come.
    pub(super) fn settled(&self) -> bool {
        match self.tool {
            Tool::Custom => true,
            Tool::Function | Tool::Wrapped => serde_json::from_str::<serde::de::IgnoredAny>(&self.arguments).is_ok(),
        }
    }

    /// As an item.
    pub(super) fn item<'a>(&'a self, id: &'a str, status: &'static str, text: &'a str) -> Item<'a> {
        let Self { index: _, id: call_id, name, arguments: _, tool } = self;
        match tool {
            Tool::Function => Item::FunctionCall { id, status, call_id, name, arguments: text },
            Tool::Custom | Tool::Wrapped => Item::CustomToolCall { id, status, call_id, name, input: text },
        }
    }
}

impl Tool {
    /// The event that brings more of a call's arguments.
    pub(super) fn delta(self) -> &'static str {
        match self {
            Self::Function => "response.function_call_arguments.delta",
            Self::Custom | Self::Wrapped => "response.custom_tool_call_input.delta",
        }
    }
}
