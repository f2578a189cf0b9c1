//! How the callers of each dialect are told that a call has failed: as a body, and as the last event of a stream. Pure.
//! Sources: OpenAI API specification 2.3.0; Anthropic's errors (research of 2026-11).

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::failure::{AttemptNote, Failure};
use crate::format::{Format, error};

/// A failure, and what is known of the call that failed.
#[derive(Clone, Copy)]
pub struct Told<'a> {
    /// Why.
    pub failure: &'a Failure,
    /// Of which call.
    pub request_id: &'a str,
    /// What was tried.
    pub attempts: &'a [AttemptNote],
}

impl Told<'_> {
    /// The sentence. Who reads only this line should still see who failed, and how.
    fn message(&self) -> String {
        let message = self.failure.message();
        if self.attempts.is_empty()
            || !matches!(
                self.failure,
                Failure::AllProvidersFailed | Failure::RetriesSpent | Failure::RateLimited { .. }
            )
        {
            return message;
        }
        let tell = |note: &AttemptNote| format!("{} {}", note.provider, note.message);
        format!("{message}: {}", self.attempts.iter().map(tell).collect::<Vec<_>>().join("; "))
    }
}

/// The failure as a body.
pub fn body(caller: Format, told: Told<'_>) -> Value {
    let kind = error::kind(caller, &told.failure.as_provider_error());
    match caller {
        Format::Messages => json!({
            "type": "error",
            "error": {
                "type": kind,
                "message": told.message(),
                "code": told.failure.code(),
                "metadata": metadata(told),
            },
            "request_id": told.request_id,
        }),
        Format::Chat | Format::Completions | Format::Responses | Format::Gemini | Format::Converse => json!({"error": {
            "message": told.message(),
            "type": kind,
            "param": null,
            "code": told.failure.code(),
            "metadata": metadata(told),
        }}),
    }
}

/// The failure as an event, for a stream whose own state nobody keeps.
pub fn event(caller: Format, told: Told<'_>) -> Bytes {
    let body = body(caller, told);
    Bytes::from(match caller {
        Format::Messages => format!("event: error\ndata: {body}\n\n"),
        Format::Responses => {
            // Flat as specified and nested as recorded: the official SDKs raise an error only for the nested one.
            let error = json!({
                "type": "error",
                "code": told.failure.code(),
                "message": told.message(),
                "param": null,
                "sequence_number": 0,
                "error": body["error"],
            });
            format!("event: error\ndata: {error}\n\n")
        }
        Format::Chat | Format::Completions | Format::Gemini | Format::Converse => format!("data: {body}\n\n"),
    })
}

fn metadata(told: Told<'_>) -> Map<String, Value> {
    let mut metadata = Map::new();
    if !told.failure.excluded().is_empty() {
        metadata.insert("excluded".to_owned(), json!(told.failure.excluded()));
    }
    if !told.attempts.is_empty() {
        metadata.insert("attempts".to_owned(), json!(told.attempts));
    }
    metadata.insert("request_id".to_owned(), told.request_id.into());
    metadata
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::AttemptError;

    fn told(failure: &Failure) -> Told<'_> {
        Told { failure, request_id: "r1", attempts: &[] }
    }

    #[test]
    fn each_dialect_reads_its_own_error_and_the_same_code() {
        let failure = Failure::ModelNotFound { model: "x".to_owned(), known: Vec::new() };

        let openai = body(Format::Chat, told(&failure));
        let anthropic = body(Format::Messages, told(&failure));

        assert_eq!(
            (&openai["error"]["type"], &openai["error"]["code"]),
            (&json!("invalid_request_error"), &json!("model_not_found"))
        );
        assert_eq!((&anthropic["type"], &anthropic["error"]["type"]), (&json!("error"), &json!("not_found_error")));
        assert_eq!(anthropic["error"]["code"], "model_not_found");
        assert_eq!(anthropic["request_id"], "r1");
    }

    #[test]
    fn our_own_failures_have_the_type_words_that_a_providers_have() {
        for (failure, openai, anthropic) in [
            (Failure::PayloadTooLarge, "invalid_request_error", "request_too_large"),
            (Failure::UnsupportedField(String::new()), "invalid_request_error", "invalid_request_error"),
            (Failure::PolicyDenied(Vec::new()), "permission_error", "permission_error"),
            (Failure::OriginRefused, "permission_error", "permission_error"),
            (Failure::RateLimited { wait: None }, "rate_limit_error", "rate_limit_error"),
            (Failure::AllProvidersFailed, "server_error", "api_error"),
            (Failure::StreamCut(AttemptError::Cut), "server_error", "api_error"),
            (Failure::PolicyStale, "server_error", "overloaded_error"),
            (Failure::DeadlineExceeded, "server_error", "timeout_error"),
        ] {
            assert_eq!(body(Format::Chat, told(&failure))["error"]["type"], openai);
            assert_eq!(body(Format::Responses, told(&failure))["error"]["type"], openai);
            assert_eq!(body(Format::Messages, told(&failure))["error"]["type"], anthropic);
        }
    }

    #[test]
    fn the_last_event_of_a_stream_is_named_where_the_dialect_names_events() {
        let failure = Failure::DeadlineExceeded;
        let text = |caller| String::from_utf8(event(caller, told(&failure)).to_vec()).expect("text");

        assert!(text(Format::Chat).starts_with("data: {\"error\""));
        assert!(text(Format::Messages).starts_with("event: error\ndata: {\"type\":\"error\""));
        assert!(
            text(Format::Responses)
                .starts_with("event: error\ndata: {\"type\":\"error\",\"code\":\"deadline_exceeded\"")
        );
        for caller in [Format::Chat, Format::Messages, Format::Responses] {
            assert!(text(caller).ends_with("}\n\n"));
        }
    }
}
