//! A stream's events without any provider's dialect. A reader makes them from a provider's frames, a writer makes a caller's
//! frames from them.
//!
//! Order, for one choice: `Start` (once), then deltas; a `ToolCall` before its `Arguments`; `Signature` behind the `Thinking`
//! that it proves; then `Stop`; `Usage` at any time, the last one counts; `End` last and once. Indices of tool calls count from
//! 0 within a choice, whatever the provider counts.

use serde_json::Value;

use super::answer::{Citation, Stop, Usage};
use super::call::Signature;
use super::error::ProviderError;

/// One event as it came: an SSE event, or a message of an AWS event stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawEvent<'a> {
    /// SSE's `event:`, or `:event-type` / `:exception-type`.
    pub name: Option<&'a str>,
    /// SSE's `data:` lines, joined; or the message's payload.
    pub data: &'a [u8],
}

/// What a stream says next.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelEvent {
    /// It has begun.
    Start {
        /// The provider's id for the answer.
        id: Option<String>,
        /// The model that the provider names.
        model: Option<String>,
    },
    /// More text.
    Text {
        /// Of which choice.
        choice: u32,
        /// The text; never empty.
        text: String,
        /// Log probabilities, as Chat has them.
        logprobs: Option<Value>,
    },
    /// More of a refusal in words.
    Refusal {
        /// Of which choice.
        choice: u32,
        /// The words; never empty.
        text: String,
    },
    /// More thoughts.
    Thinking {
        /// Of which choice.
        choice: u32,
        /// The thoughts; never empty.
        text: String,
    },
    /// What proves the thoughts so far, or, with `redacted`, holds thoughts of its own that nobody may read.
    Signature {
        /// Of which choice.
        choice: u32,
        /// The value.
        signature: Signature,
        /// Whether it holds the thoughts themselves.
        redacted: bool,
    },
    /// A tool is being called.
    ToolCall {
        /// Of which choice.
        choice: u32,
        /// The call's place among the choice's calls.
        index: u32,
        /// The call's id; made up by the reader where the dialect has none.
        id: String,
        /// The tool.
        name: String,
        /// Whether the tool is a custom one.
        custom: bool,
        /// What the provider wants back with it.
        signature: Option<Signature>,
    },
    /// More of a call's arguments.
    Arguments {
        /// Of which choice.
        choice: u32,
        /// The call's place among the choice's calls.
        index: u32,
        /// A piece of JSON, or of a custom tool's text; never empty.
        json: String,
    },
    /// What the text so far rests on.
    Citation {
        /// Of which choice.
        choice: u32,
        /// What it is.
        citation: Citation,
    },
    /// A choice has ended.
    Stop {
        /// Which.
        choice: u32,
        /// Why.
        stop: Stop,
    },
    /// What was counted; replaces what was said before.
    Usage(Usage),
    /// The provider reports an error; nothing follows but the end of the stream.
    Failed(ProviderError),
    /// The stream has ended as its dialect ends.
    End,
}

impl ModelEvent {
    /// Whether it commits the call to this provider: a text, reasoning or tool delta that is not empty.
    pub fn is_content(&self) -> bool {
        match self {
            Self::Text { .. }
            | Self::Refusal { .. }
            | Self::Thinking { .. }
            | Self::ToolCall { .. }
            | Self::Arguments { .. } => true,
            Self::Signature { redacted, .. } => *redacted,
            Self::Start { .. }
            | Self::Citation { .. }
            | Self::Stop { .. }
            | Self::Usage(_)
            | Self::Failed(_)
            | Self::End => false,
        }
    }
}
