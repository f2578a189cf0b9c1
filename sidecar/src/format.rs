//! Dialects: each is read into, and written from, one neutral call. N folders, not N × N converters.
//!
//! A call whose provider speaks the caller's dialect never comes here: its bytes pass. Everything in this folder is pure:
//! bytes and values in, bytes and values out; time and chance are parameters. Called by `attempt`, `tap` and `answer`.

pub mod answer;
pub mod call;
pub mod chat;
pub mod completions;
pub mod converse;
mod data_uri;
pub mod embeddings;
pub mod error;
pub mod event;
pub mod eventstream;
mod fields;
mod function;
pub mod gemini;
pub mod loss;
pub mod messages;
pub mod responses;
pub mod wait;

use serde_json::{Map, Value};

use answer::{ModelAnswer, Told};
use call::ModelCall;
use event::{ModelEvent, RawEvent};
use loss::Losses;

/// A dialect, named after the API that defines it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// OpenAI Chat Completions, `POST /chat/completions`.
    Chat,
    /// OpenAI's legacy Completions, `POST /completions`.
    Completions,
    /// OpenAI Responses, `POST /responses`.
    Responses,
    /// Anthropic Messages, `POST /v1/messages`.
    Messages,
    /// Google `generateContent`, on the Gemini API and on Vertex AI.
    Gemini,
    /// Amazon Bedrock Converse.
    Converse,
}

impl Format {
    /// How logs, documents and tagged values name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Completions => "completions",
            Self::Responses => "responses",
            Self::Messages => "messages",
            Self::Gemini => "gemini",
            Self::Converse => "converse",
        }
    }
}

/// Reads a caller's call. Nobody calls in a provider's own dialect (Gemini, Converse).
pub fn read_call(caller: Format, body: Map<String, Value>) -> Result<ModelCall, Invalid> {
    match caller {
        Format::Chat | Format::Gemini | Format::Converse => chat::call::read(body),
        Format::Completions => completions::call::read(body),
        Format::Responses => responses::call::read(body),
        Format::Messages => messages::call::read(body),
    }
}

/// Writes a call for a provider; nothing for a dialect that no call is translated into.
pub fn write_call(provider: Format, call: &ModelCall, losses: &mut Losses) -> Option<Vec<u8>> {
    match provider {
        Format::Chat => Some(chat::call::write(call, losses)),
        Format::Completions => None,
        Format::Responses => Some(responses::call::write(call, losses)),
        Format::Messages => Some(messages::call::write(call, losses)),
        Format::Gemini => Some(gemini::call::write(call, losses)),
        Format::Converse => Some(converse::call::write(call, losses)),
    }
}

/// The body of a caller without what another provider made, for a provider of the same dialect: thoughts and signatures that
/// it cannot read, and would refuse. Nothing when there is none of it, which is quick to see.
pub fn own(caller: Format, body: &[u8]) -> Option<(Vec<u8>, Losses)> {
    match caller {
        Format::Chat | Format::Completions | Format::Gemini | Format::Converse => {
            chat::own::own(body).map(|body| (body, Losses::default()))
        }
        Format::Responses => responses::own::own(body),
        Format::Messages => messages::own::own(body),
    }
}

/// Reads a provider's whole answer. `seed` is chance, for ids of tool calls that have none.
pub fn read_answer(provider: Format, body: &[u8], seed: u64) -> Result<ModelAnswer, Malformed> {
    match provider {
        Format::Chat | Format::Completions => chat::answer::read(body, seed),
        Format::Responses => responses::answer::read(body, seed),
        Format::Messages => messages::answer::read(body, seed),
        Format::Gemini => gemini::answer::read(body, seed),
        Format::Converse => converse::answer::read(body, seed),
    }
}

/// Writes a whole answer for a caller.
pub fn write_answer(caller: Format, answer: &ModelAnswer, told: &Told) -> Vec<u8> {
    match caller {
        Format::Chat | Format::Gemini | Format::Converse => chat::answer::write(answer, told),
        Format::Completions => completions::answer::write(answer, told),
        Format::Responses => responses::answer::write(answer, told),
        Format::Messages => messages::answer::write(answer, told),
    }
}

/// Reads a provider's stream.
pub enum Reader {
    /// Chat's.
    Chat(Box<chat::events::Reader>),
    /// Responses'.
    Responses(Box<responses::events::Reader>),
    /// Messages'.
    Messages(Box<messages::events::Reader>),
    /// Gemini's.
    Gemini(Box<gemini::events::Reader>),
    /// Converse's.
    Converse(Box<converse::events::Reader>),
}

impl Reader {
    /// A stream that begins. `seed` is chance, for ids of tool calls that have none.
    pub fn new(provider: Format, seed: u64) -> Self {
        match provider {
            Format::Chat | Format::Completions => Self::Chat(Box::new(chat::events::Reader::new(seed))),
            Format::Responses => Self::Responses(Box::new(responses::events::Reader::new(seed))),
            Format::Messages => Self::Messages(Box::new(messages::events::Reader::new(seed))),
            Format::Gemini => Self::Gemini(Box::new(gemini::events::Reader::new(seed))),
            Format::Converse => Self::Converse(Box::new(converse::events::Reader::new(seed))),
        }
    }

    /// Reads the next event into what it says.
    pub fn read(&mut self, event: RawEvent<'_>, out: &mut Vec<ModelEvent>) -> Result<(), Malformed> {
        match self {
            Self::Chat(reader) => reader.read(event, out),
            Self::Responses(reader) => reader.read(event, out),
            Self::Messages(reader) => reader.read(event, out),
            Self::Gemini(reader) => reader.read(event, out),
            Self::Converse(reader) => reader.read(event, out),
        }
    }

    /// The transport has ended: says what is due, or that the stream was cut.
    pub fn close(&mut self, out: &mut Vec<ModelEvent>) -> Result<(), Malformed> {
        match self {
            Self::Chat(reader) => reader.close(out),
            Self::Responses(reader) => reader.close(out),
            Self::Messages(reader) => reader.close(out),
            Self::Gemini(reader) => reader.close(out),
            Self::Converse(reader) => reader.close(out),
        }
    }
}

/// Writes a caller's stream.
pub enum Writer {
    /// Chat's.
    Chat(Box<chat::events::Writer>),
    /// Completions'.
    Completions(Box<completions::events::Writer>),
    /// Responses'.
    Responses(Box<responses::events::Writer>),
    /// Messages'.
    Messages(Box<messages::events::Writer>),
}

impl Writer {
    /// A stream that begins.
    pub fn new(caller: Format, told: Told) -> Self {
        match caller {
            Format::Chat | Format::Gemini | Format::Converse => Self::Chat(Box::new(chat::events::Writer::new(told))),
            Format::Completions => Self::Completions(Box::new(completions::events::Writer::new(told))),
            Format::Responses => Self::Responses(Box::new(responses::events::Writer::new(told))),
            Format::Messages => Self::Messages(Box::new(messages::events::Writer::new(told))),
        }
    }

    /// Writes what is said next.
    pub fn write(&mut self, event: ModelEvent, out: &mut Vec<u8>) {
        match self {
            Self::Chat(writer) => writer.write(event, out),
            Self::Completions(writer) => writer.write(event, out),
            Self::Responses(writer) => writer.write(event, out),
            Self::Messages(writer) => writer.write(event, out),
        }
    }
}

/// What a caller sent is not what its dialect asks for. Becomes 400 `invalid_request`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {message}")]
pub struct Invalid {
    /// Where, as the caller spells it: `messages[2].content`.
    pub field: String,
    /// What it must be, such as `must be a string or a list of parts`.
    pub message: String,
}

impl Invalid {
    /// Says that `field` must be something else.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

/// What a provider sent is no answer or event of its dialect. It never holds what the provider wrote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);
