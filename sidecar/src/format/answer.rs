//! A whole answer without any provider's dialect.

use serde_json::{Number, Value};

use super::call::{Thinking, ToolCall};

/// What a provider answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelAnswer {
    /// The provider's id for it, if it gave one.
    pub id: Option<String>,
    /// The model that the provider names.
    pub model: Option<String>,
    /// When it was made, in seconds since 1970, if the provider says so.
    pub created: Option<i64>,
    /// The answers, by index; one but for `n` > 1.
    pub choices: Vec<Choice>,
    /// What it counts.
    pub usage: Option<Usage>,
    /// The tier that served it.
    pub service_tier: Option<String>,
}

impl ModelAnswer {
    /// Whether the provider says that it went wrong, and nobody is helped by what there is: no words and no calls. Thoughts
    /// alone are no answer.
    pub fn has_failed(&self) -> bool {
        !self.choices.is_empty() && self.choices.iter().all(Choice::has_failed)
    }
}

/// One answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choice {
    /// What it says, in order.
    pub parts: Vec<Said>,
    /// Why it ended; none when the provider did not say.
    pub stop: Option<Stop>,
    /// Log probabilities, as Chat has them (`{content: […], refusal: …}`).
    pub logprobs: Option<Value>,
}

impl Choice {
    fn has_failed(&self) -> bool {
        let says = |said: &Said| match said {
            Said::Text { text, .. } | Said::Refusal(text) => !text.is_empty(),
            Said::ToolCall(_) => true,
            Said::Thinking(_) => false,
        };
        matches!(self.stop, Some(Stop::Failed(_))) && !self.parts.iter().any(says)
    }
}

/// A part of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// Text, and what it rests on.
    Text {
        /// The text.
        text: String,
        /// What it rests on.
        citations: Vec<Citation>,
    },
    /// A refusal in words.
    Refusal(String),
    /// Thoughts.
    Thinking(Thinking),
    /// A call of a tool.
    ToolCall(ToolCall),
}

/// What a text rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Citation {
    /// Where it is.
    pub url: Option<String>,
    /// What it is called.
    pub title: Option<String>,
    /// The words that are cited.
    pub quote: Option<String>,
    /// Where in the text of the answer the cited statement begins, in characters.
    pub start: Option<u64>,
    /// Where it ends.
    pub end: Option<u64>,
}

/// Why an answer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It was complete.
    End,
    /// One of the caller's stop texts came; which one, if the provider says so.
    Sequence(Option<String>),
    /// The most tokens were generated.
    Length,
    /// The context window was full.
    ContextWindow,
    /// Tools are to be called.
    ToolUse,
    /// A filter took it, or the model refused: with the provider's explanation, if there is one.
    Filtered(Option<String>),
    /// A loop of the provider's own tools paused.
    Pause,
    /// The provider says that it went wrong, in its own word (`error`, `malformed_tool_use`, `abort`). Without content it is no
    /// answer. With content it never looks like a success: Responses says `failed`, a stream of Messages ends with an error,
    /// and the others, which have no word for it, say that the answer was cut: `length` (with OpenRouter's
    /// `native_finish_reason` beside it) and `max_tokens`.
    Failed(String),
}

/// What was counted, in tokens. Totals: cached and written input is part of `input`, thinking is part of `output`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    /// All of the prompt.
    pub input: u64,
    /// As much of it came from a cache.
    pub cached_input: u64,
    /// As much of it was written to one.
    pub cache_write: u64,
    /// All that was generated.
    pub output: u64,
    /// As much of it was thinking.
    pub reasoning: u64,
    /// What it costs in US dollars, as OpenRouter's `usage.cost`; readers leave it out, the pipeline sets it.
    pub cost: Option<Number>,
}

/// What a writer tells a caller that no provider says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// An id for answers whose provider gives none; letters and digits. Writers put their dialect's prefix before it
    /// (`chatcmpl-`, `resp_`, `msg_`), and make ids of items from it.
    pub id: String,
    /// Now, in seconds since 1970.
    pub created: i64,
    /// The model that the app asked for; what `model` says when the provider names none.
    pub model: String,
    /// Who answers, as `namespace/name`: goes into `provider`, beside the dialect's own fields, as OpenRouter has it.
    pub provider: String,
    /// Whether a Chat or Completions stream ends with a usage.
    pub include_usage: bool,
    /// The custom tools of the call. A provider without them was given a function of one string, `input`, and calls that:
    /// writers unwrap `{"input": "…"}` again.
    pub custom_tools: Vec<String>,
    /// Fields of the call that a Responses answer repeats, as `responses::call::echo` picks them; empty for other dialects.
    pub echo: serde_json::Map<String, Value>,
}
