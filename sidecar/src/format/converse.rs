//! Amazon Bedrock Converse and ConverseStream: providers only.
//! Source: the service model that botocore publishes (`bedrock-runtime` 2023-09-30) and recorded answers.

pub mod answer;
pub mod call;
pub mod events;
mod wire;

use super::answer::Stop;
use wire::ResponseFields;

/// Why an answer ended. The list is open: what nobody knows is told in its own word.
fn stop(reason: String, fields: Option<ResponseFields>) -> Stop {
    match reason.as_str() {
        "end_turn" => Stop::End,
        "tool_use" => Stop::ToolUse,
        "max_tokens" => Stop::Length,
        "stop_sequence" => Stop::Sequence(fields.and_then(ResponseFields::stop_sequence)),
        "model_context_window_exceeded" => Stop::ContextWindow,
        "guardrail_intervened" | "content_filtered" | "refusal" => Stop::Filtered(None),
        "pause_turn" => Stop::Pause,
        _ => Stop::Failed(reason),
    }
}
