//! Google generateContent, on the Gemini API and on Vertex AI: providers only.
//! Source: Google's published SDK types and the recorded answers of both APIs.

pub mod answer;
mod arguments;
pub mod call;
mod citations;
pub mod events;
mod wire;

use super::answer::Stop;
use wire::FinishReason;

/// Why a candidate ended. Gemini has no reason of its own for tools, and its list grows: what nobody knows is told in its
/// own word.
fn stop(finish: FinishReason, calls_tools: bool) -> Stop {
    match finish.reason.as_str() {
        "STOP" if calls_tools => Stop::ToolUse,
        "STOP" => Stop::End,
        "MAX_TOKENS" => Stop::Length,
        "SAFETY"
        | "RECITATION"
        | "LANGUAGE"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "MODEL_ARMOR"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION" => Stop::Filtered(finish.message),
        _ => Stop::Failed(finish.reason),
    }
}
