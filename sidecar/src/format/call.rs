//! A model call without any provider's dialect.
//!
//! What a dialect's reader cannot place goes into `unknown`, by the caller's name for it: it is refused by name or dropped
//! when the route says so, never lost in silence. Owned by `format`; each dialect's `call.rs` reads or writes it.

use serde_json::{Number, Value};

use super::Format;

/// A call for text, in neutral terms.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelCall {
    /// The model: what the app asks for, and, when it is written for a provider, what the provider calls it.
    pub model: String,
    /// Whether a stream is asked for.
    pub stream: bool,
    /// Whether a Chat or Completions caller wants its stream to end with a usage; other dialects always do.
    pub include_usage: bool,
    /// The conversation, instructions included, in order.
    pub turns: Vec<Turn>,
    /// The tools that may be called.
    pub tools: Vec<Tool>,
    /// Whether and which tool must be called; the provider's default if absent.
    pub tool_choice: Option<ToolChoice>,
    /// Whether several tools may be called at once.
    pub parallel_tool_calls: Option<bool>,
    /// The form of the answer's text.
    pub output: Option<OutputForm>,
    /// The most tokens that may be generated, reasoning included.
    pub max_tokens: Option<u64>,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// Texts that end the answer; never an empty one.
    pub stop: Vec<String>,
    /// How many answers are wanted; 1 if absent.
    pub choices: Option<u64>,
    /// Whether log probabilities are wanted, and of how many candidates a token: `Some(0)` is only the drawn one.
    pub logprobs: Option<u64>,
    /// How much to think before answering.
    pub reasoning: Option<Reasoning>,
    /// `low`, `medium` or `high`: how much to say.
    pub verbosity: Option<String>,
    /// Things that change no answer: who asks, where to cache, whether to keep.
    pub hints: Hints,
    /// An id of state that a provider keeps (`previous_response_id`, `conversation`), with the caller's name for it.
    pub state: Option<(String, String)>,
    /// Fields that have no neutral place, by the caller's path, such as `logit_bias` or `messages[0].audio`.
    pub unknown: Vec<(String, Value)>,
}

/// How tokens are drawn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sampling {
    /// Temperature; ranges differ: 0–2 at OpenAI and Gemini, 0–1.5 at Mistral, 0–1 at Anthropic.
    pub temperature: Option<Number>,
    /// Nucleus.
    pub top_p: Option<Number>,
    /// The most likely tokens only.
    pub top_k: Option<Number>,
    /// A draw that can be repeated.
    pub seed: Option<Number>,
    /// Penalty for tokens that were there.
    pub presence_penalty: Option<Number>,
    /// Penalty by how often they were.
    pub frequency_penalty: Option<Number>,
    /// Biases by token id, as OpenAI has them.
    pub logit_bias: Option<Value>,
}

/// How much to think before answering. At most one of `effort` and `budget_tokens` is set by a reader.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reasoning {
    /// `none`, `minimal`, `low`, `medium`, `high`, `xhigh` or `max`.
    pub effort: Option<String>,
    /// The most tokens for thinking.
    pub budget_tokens: Option<u64>,
    /// Whether a summary of the thoughts is wanted: `auto`, `concise`, `detailed` (Responses), `summarized`, `omitted`
    /// (Messages, adaptive).
    pub summary: Option<String>,
    /// Whether the provider decides how much (Messages' `adaptive`).
    pub adaptive: bool,
}

/// Things that change no answer. One that cannot be carried is left out, and named in `x-lotse-dropped`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hints {
    /// A name for the end user (`user`, `safety_identifier`, `metadata.user_id`).
    pub user: Option<String>,
    /// Labels of the app (`metadata` at OpenAI).
    pub metadata: Option<Value>,
    /// `auto`, `default`, `flex`, `priority`, …
    pub service_tier: Option<String>,
    /// Where equal prompts meet their cache.
    pub prompt_cache_key: Option<String>,
    /// Whether the provider may keep the answer for later.
    pub store: Option<bool>,
    /// Further fields of this kind, by the caller's path.
    pub other: Vec<String>,
}

/// Who says a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The platform.
    System,
    /// The app's author; older models know only System.
    Developer,
    /// The end user, and tools that were called: results are parts of a user's turn.
    User,
    /// The model.
    Assistant,
}

/// What one side says at once. Readers join results of tools that follow each other into one turn of User, before any
/// other part of it; writers whose dialect has a message a result split them again.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// Who.
    pub role: Role,
    /// The participant's name, where a dialect has one.
    pub name: Option<String>,
    /// What.
    pub parts: Vec<Part>,
}

/// One part of a turn.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// What it is.
    pub content: Content,
    /// A breakpoint of the prompt cache behind it, and how long it should live (`5m`, `1h`), if said.
    pub cache: Option<CacheBreakpoint>,
}

impl Part {
    /// A part without a cache breakpoint.
    pub fn new(content: Content) -> Self {
        Self { content, cache: None }
    }

    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(Content::Text(text.into()))
    }
}

/// Everything up to here is worth caching.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheBreakpoint {
    /// How long: `5m` or `1h`.
    pub ttl: Option<String>,
}

/// What a part is.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Text.
    Text(String),
    /// What an assistant said in place of an answer.
    Refusal(String),
    /// A picture.
    Image {
        /// The picture.
        media: Media,
        /// `auto`, `low` or `high`.
        detail: Option<String>,
    },
    /// Sound.
    Audio {
        /// Base64.
        data: String,
        /// `wav`, `mp3`, …
        format: String,
    },
    /// A document.
    File {
        /// The document.
        media: Media,
        /// Its name.
        name: Option<String>,
        /// Whether answers should cite it.
        citations: bool,
    },
    /// The model calls a tool.
    ToolCall(ToolCall),
    /// What a tool gave.
    ToolResult(ToolResult),
    /// The model thinks.
    Thinking(Thinking),
}

/// Where the bytes of a picture or a document are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Media {
    /// Here.
    Inline {
        /// Such as `image/png`.
        mime: String,
        /// The bytes, in base64.
        base64: String,
    },
    /// Here, as plain text.
    Text(String),
    /// At a URL that the provider would fetch.
    Url(String),
    /// With the provider, under this id.
    Id(String),
}

/// A call of a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    /// The call's id; made up by the reader where the dialect has none.
    pub id: String,
    /// The tool.
    pub name: String,
    /// JSON of an object for functions (`{}` when empty), any text for custom tools.
    pub arguments: String,
    /// Whether the tool is a custom one.
    pub custom: bool,
    /// What the provider wants back with it unchanged (Gemini's thoughtSignature).
    pub signature: Option<Signature>,
}

/// What a tool gave.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolResult {
    /// The call's id.
    pub call_id: String,
    /// Texts, pictures, documents.
    pub parts: Vec<Part>,
    /// Whether the tool failed.
    pub is_error: bool,
}

/// What a model thought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Thinking {
    /// The thoughts, or a summary; empty when they are only kept encrypted.
    pub text: String,
    /// What proves them to the provider that made them.
    pub signature: Option<Signature>,
    /// Whether the signature holds the thoughts themselves, encrypted (`redacted_thinking`, `encrypted_content`).
    pub redacted: bool,
    /// The item's id, where the dialect has one (Responses).
    pub id: Option<String>,
}

/// A value that only the dialect that made it understands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Who made it.
    pub maker: Format,
    /// What it is.
    pub value: String,
}

const TAG: &str = "lotse.";

impl Signature {
    /// As it stands in the dialect of a caller: bare where the caller speaks the maker's own, otherwise tagged with its maker,
    /// so that it finds back.
    pub fn told_in(&self, caller: Format) -> String {
        if self.maker == caller { self.value.clone() } else { format!("{TAG}{}.{}", self.maker.name(), self.value) }
    }

    /// Reads what a caller of dialect `caller` sends back.
    pub fn read(text: &str, caller: Format) -> Self {
        let makers = [Format::Chat, Format::Responses, Format::Messages, Format::Gemini, Format::Converse];
        let tagged = text.strip_prefix(TAG).and_then(|rest| rest.split_once('.'));
        let found =
            tagged.and_then(|(name, value)| Some((makers.into_iter().find(|maker| maker.name() == name)?, value)));
        match found {
            Some((maker, value)) => Self { maker, value: value.to_owned() },
            None => Self { maker: caller, value: text.to_owned() },
        }
    }
}

/// A tool that may be called.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: Option<String>,
    /// What it takes.
    pub input: ToolInput,
    /// A cache breakpoint behind it.
    pub cache: Option<CacheBreakpoint>,
}

/// What a tool takes.
#[derive(Clone, Debug, PartialEq)]
pub enum ToolInput {
    /// An object of this JSON Schema; `None` is an object without properties.
    Function {
        /// The schema.
        schema: Option<Value>,
        /// Whether arguments must fit it exactly.
        strict: Option<bool>,
    },
    /// Any text (OpenAI's custom tools). Dialects without them get a function of one string, `input`.
    Custom {
        /// The grammar, as OpenAI has it.
        format: Option<Value>,
    },
}

/// Whether and which tool must be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolChoice {
    /// The model decides.
    Auto,
    /// None.
    None,
    /// Some tool.
    Required,
    /// This tool.
    Tool(String),
    /// One of these.
    Allowed {
        /// Whether one must be called.
        required: bool,
        /// Their names.
        names: Vec<String>,
    },
}

/// The form of an answer's text.
#[derive(Clone, Debug, PartialEq)]
pub enum OutputForm {
    /// Any text.
    Text,
    /// Some JSON object.
    JsonObject,
    /// JSON of this schema.
    JsonSchema {
        /// A name for the schema; `answer` where a dialect needs one and the caller gave none.
        name: Option<String>,
        /// What it is for.
        description: Option<String>,
        /// The schema.
        schema: Value,
        /// Whether the answer must fit it exactly.
        strict: Option<bool>,
    },
}
