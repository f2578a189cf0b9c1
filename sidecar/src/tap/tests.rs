//! What events mean for the attempt that they belong to.

use super::*;
use crate::format::error::{ErrorClass, ProviderError};

fn text() -> ModelEvent {
    ModelEvent::Text { choice: 0, text: "a".to_owned(), logprobs: None }
}

fn stop(stop: Stop) -> ModelEvent {
    ModelEvent::Stop { choice: 0, stop }
}

fn failed() -> ModelEvent {
    let message = "busy".to_owned();
    ModelEvent::Failed(ProviderError { class: ErrorClass::Overload, code: None, param: None, message, wait: None })
}

#[test]
fn a_stop_that_is_a_failure_is_the_attempts_before_the_first_content() {
    let stopped = stop(Stop::Failed("malformed_tool_use".to_owned()));
    let error = Progress::default().sees(&stopped).expect_err("a failed attempt");
    assert_eq!(error.code(), "broken_answer");
    assert!(!error.message().contains("malformed_tool_use"));

    let mut progress = Progress::default();
    progress.sees(&text()).expect("content");
    progress.sees(&stopped).expect("too late for another attempt");
    assert!(progress.has_error && !progress.is_done);
    progress.sees(&ModelEvent::End).expect("an end");
    assert!(progress.is_done);
}

#[test]
fn another_stop_without_content_is_an_answer() {
    let mut progress = Progress::default();
    progress.sees(&stop(Stop::Filtered(None))).expect("an answer");
    assert!(!progress.has_error && !progress.has_content);
}

#[test]
fn an_error_is_the_attempts_before_the_first_content_and_the_streams_after_it() {
    let error = Progress::default().sees(&failed()).expect_err("a failed attempt");
    assert_eq!(error.code(), "overloaded");

    let mut progress = Progress::default();
    progress.sees(&text()).expect("content");
    progress.sees(&failed()).expect("too late for another attempt");
    assert!(progress.has_error && progress.is_done);
}
