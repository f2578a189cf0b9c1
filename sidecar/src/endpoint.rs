//! What a path of this port is for: the operation, and the dialect in which its caller reads answers and errors. Pure.

use http::request::Parts;
use lotse_crds::wire::Operation;

use crate::failure::Failure;
use crate::format::Format;
use crate::guard;

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A call that goes to a provider.
    Call(Operation),
    /// `GET /v1/models`.
    Models,
}

/// Paths where a response would be kept by a provider; a call for one can't be taken to whoever made it.
const RESPONSES: &str = "/v1/responses/";

impl Endpoint {
    /// What a request is for, or why it is refused before a byte of its body is read.
    pub fn of(parts: &Parts) -> Result<Self, Failure> {
        guard::caller(parts)?;
        let path = parts.uri.path();
        if path == "/v1/models" {
            guard::method(parts, "GET")?;
            return Ok(Self::Models);
        }
        if path.starts_with(RESPONSES) {
            return Err(Failure::UnsupportedField(
                "responses that a provider keeps can't be fetched, cancelled or deleted here; send the conversation in `input`, with `store` false".to_owned(),
            ));
        }
        let operation = Operation::at(path).ok_or(Failure::NoSuchEndpoint)?;
        guard::method(parts, "POST")?;
        guard::body(parts, takes_forms(operation))?;
        Ok(Self::Call(operation))
    }
}

/// Whether the body may be a form with files.
fn takes_forms(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::ImageEdits
            | Operation::ImageVariations
            | Operation::AudioTranscriptions
            | Operation::AudioTranslations
    )
}

/// The dialect in which the caller of a path reads errors, known before anything else is.
pub fn dialect(path: &str) -> Format {
    match path {
        "/v1/messages" | "/v1/messages/count_tokens" => Format::Messages,
        "/v1/responses" => Format::Responses,
        "/v1/completions" => Format::Completions,
        _ => Format::Chat,
    }
}

/// The dialect of an operation that asks for text; nothing for those that only pass through.
pub fn format(operation: Operation) -> Option<Format> {
    match operation {
        Operation::ChatCompletions => Some(Format::Chat),
        Operation::Completions => Some(Format::Completions),
        Operation::Responses => Some(Format::Responses),
        Operation::Messages => Some(Format::Messages),
        Operation::CountTokens
        | Operation::Embeddings
        | Operation::ImageGenerations
        | Operation::ImageEdits
        | Operation::ImageVariations
        | Operation::AudioSpeech
        | Operation::AudioTranscriptions
        | Operation::AudioTranslations
        | Operation::Moderations
        | Operation::Rerank => None,
    }
}
