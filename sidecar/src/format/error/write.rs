//! A provider's error in the caller's dialect: the status, the type word, the code and the body. Called by `answer`, and for
//! errors inside streams by the dialects' writers.
//!
//! Sources: OpenAI's and Anthropic's error pages, OpenAI's specification 2.3.0, and what their SDKs and Codex CLI look at.

use http::StatusCode;
use serde_json::{Value, json};

use super::event::SILENT;
use super::{ErrorClass, ProviderError};
use crate::format::Format;

/// The words that say that a request is too large; HTTP has a status of its own for it.
const TOO_LARGE: [&str; 3] = ["request_too_large", "payload_too_large", "RequestEntityTooLarge"];

/// The whole body of a refusal, in the caller's dialect.
pub fn write(caller: Format, error: &ProviderError, request_id: &str) -> Value {
    let (kind, code, message) = (kind(caller, error), code(error.class), told(error));
    match caller {
        Format::Messages => json!({
            "type": "error",
            "error": { "type": kind, "message": message, "code": code, "param": error.param },
            "request_id": request_id,
        }),
        Format::Chat | Format::Completions | Format::Responses | Format::Gemini | Format::Converse => json!({
            "error": { "message": message, "type": kind, "param": error.param, "code": code },
        }),
    }
}

/// What is told of it. A credential, a bill, a limit, a region and what an account may use are the platform's: what a provider
/// says of them names accounts, and at times parts of the key, and the caller can mend none of it.
pub fn told(error: &ProviderError) -> &str {
    match error.class {
        ErrorClass::Auth => "the provider refused the credential that it is called with",
        ErrorClass::Quota => "the provider's quota or credit is used up",
        ErrorClass::RateLimit => "the provider takes no more requests or tokens for now",
        ErrorClass::NotFound => "the provider has no such model, deployment or path",
        ErrorClass::Residency => "the provider refuses this region",
        ErrorClass::Caller
        | ErrorClass::Overload
        | ErrorClass::ContextLength
        | ErrorClass::ContentFilter
        | ErrorClass::Unsupported
        | ErrorClass::Server
        | ErrorClass::UpstreamProtocol
        | ErrorClass::Timeout
        | ErrorClass::Unreachable => {
            if error.message.is_empty() {
                SILENT
            } else {
                &error.message
            }
        }
    }
}

/// The status that the caller gets. Only what the caller can mend is a 4xx; a credential, a bill, a region or a model's name at
/// the provider are the platform's, and a 401 or 404 would send the caller looking at its own.
pub fn status(caller: Format, error: &ProviderError) -> StatusCode {
    match error.class {
        ErrorClass::Caller if is_too_large(error) => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorClass::Caller | ErrorClass::ContextLength | ErrorClass::ContentFilter | ErrorClass::Unsupported => {
            StatusCode::BAD_REQUEST
        }
        // As each API has it: OpenAI's SDKs look for a quota beside 429, Anthropic's for a bill beside 402.
        ErrorClass::Quota if caller == Format::Messages => StatusCode::PAYMENT_REQUIRED,
        ErrorClass::RateLimit | ErrorClass::Quota => StatusCode::TOO_MANY_REQUESTS,
        ErrorClass::Overload if caller == Format::Messages => {
            StatusCode::from_u16(529).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
        }
        ErrorClass::Overload => StatusCode::SERVICE_UNAVAILABLE,
        ErrorClass::Timeout => StatusCode::GATEWAY_TIMEOUT,
        ErrorClass::Auth
        | ErrorClass::NotFound
        | ErrorClass::Server
        | ErrorClass::UpstreamProtocol
        | ErrorClass::Unreachable
        | ErrorClass::Residency => StatusCode::BAD_GATEWAY,
    }
}

fn is_too_large(error: &ProviderError) -> bool {
    error.code.as_deref().is_some_and(|code| TOO_LARGE.contains(&code))
}

/// The dialect's type word. Where OpenAI failed itself it says `server_error`, Anthropic `api_error`.
pub fn kind(caller: Format, error: &ProviderError) -> &'static str {
    match caller {
        Format::Messages if error.class == ErrorClass::Caller && is_too_large(error) => "request_too_large",
        Format::Messages => anthropic(error.class),
        Format::Chat | Format::Completions | Format::Responses | Format::Gemini | Format::Converse => {
            openai(error.class)
        }
    }
}

fn openai(class: ErrorClass) -> &'static str {
    match class {
        ErrorClass::Caller
        | ErrorClass::NotFound
        | ErrorClass::ContextLength
        | ErrorClass::ContentFilter
        | ErrorClass::Unsupported => "invalid_request_error",
        ErrorClass::Auth => "authentication_error",
        ErrorClass::Residency => "permission_error",
        ErrorClass::RateLimit => "rate_limit_error",
        ErrorClass::Quota => "insufficient_quota",
        ErrorClass::Overload
        | ErrorClass::Server
        | ErrorClass::UpstreamProtocol
        | ErrorClass::Timeout
        | ErrorClass::Unreachable => "server_error",
    }
}

fn anthropic(class: ErrorClass) -> &'static str {
    match class {
        ErrorClass::Caller | ErrorClass::ContextLength | ErrorClass::ContentFilter | ErrorClass::Unsupported => {
            "invalid_request_error"
        }
        ErrorClass::Auth => "authentication_error",
        ErrorClass::Residency => "permission_error",
        ErrorClass::NotFound => "not_found_error",
        ErrorClass::RateLimit => "rate_limit_error",
        ErrorClass::Quota => "billing_error",
        ErrorClass::Overload => "overloaded_error",
        ErrorClass::Timeout => "timeout_error",
        ErrorClass::Server | ErrorClass::UpstreamProtocol | ErrorClass::Unreachable => "api_error",
    }
}

/// The stable code that a caller sees: OpenAI's where apps look for it, else the class's own word.
pub fn code(class: ErrorClass) -> &'static str {
    match class {
        ErrorClass::ContextLength => "context_length_exceeded",
        ErrorClass::Quota => "insufficient_quota",
        ErrorClass::NotFound => "model_not_found",
        ErrorClass::Caller
        | ErrorClass::Auth
        | ErrorClass::RateLimit
        | ErrorClass::Overload
        | ErrorClass::ContentFilter
        | ErrorClass::Unsupported
        | ErrorClass::Server
        | ErrorClass::UpstreamProtocol
        | ErrorClass::Timeout
        | ErrorClass::Unreachable
        | ErrorClass::Residency => class.code(),
    }
}

/// The code in a response of Responses, whose words are a list: OpenAI's `ResponseErrorCode`, and what Codex CLI tells apart.
pub fn response_code(class: ErrorClass) -> &'static str {
    match class {
        ErrorClass::Quota => "insufficient_quota",
        ErrorClass::RateLimit => "rate_limit_exceeded",
        ErrorClass::Overload => "server_is_overloaded",
        ErrorClass::ContextLength => "context_length_exceeded",
        ErrorClass::Caller | ErrorClass::ContentFilter | ErrorClass::Unsupported => "invalid_prompt",
        ErrorClass::Auth
        | ErrorClass::Residency
        | ErrorClass::NotFound
        | ErrorClass::Server
        | ErrorClass::UpstreamProtocol
        | ErrorClass::Timeout
        | ErrorClass::Unreachable => "server_error",
    }
}
