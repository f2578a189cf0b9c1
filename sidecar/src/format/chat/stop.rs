//! `finish_reason`, both ways. Used by readers and writers of answers and events.
//! Source: OpenAI API specification 2.3.0; the words of other servers from their documents and recorded answers.

use crate::format::answer::Stop;

/// What a provider's word means; none for no word. `matched` is the stop text that vLLM and SGLang name beside it.
pub(crate) fn read(reason: &str, matched: Option<&str>, has_calls: bool) -> Option<Stop> {
    Some(match reason {
        "" => return None,
        "length" | "max_tokens" => Stop::Length,
        "model_length" => Stop::ContextWindow,
        "tool_calls" | "function_call" | "tool_use" => Stop::ToolUse,
        "content_filter" => Stop::Filtered(None),
        "error" | "abort" | "repetition" | "insufficient_system_resource" | "malformed_tool_use" => {
            Stop::Failed(reason.to_owned())
        }
        // Gemini's Chat and TGI say `stop` although tools are to be called.
        _ if has_calls => Stop::ToolUse,
        "stop_sequence" => Stop::Sequence(matched.map(str::to_owned)),
        // New words appear; one that nobody knows ends an answer as any other.
        _ => matched.map_or(Stop::End, |matched| Stop::Sequence(Some(matched.to_owned()))),
    })
}

/// How a caller is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told<'a> {
    /// `finish_reason`: one of the specification's words.
    pub(crate) reason: &'static str,
    /// OpenRouter's `native_finish_reason`, where the specification has no word for it.
    pub(crate) native: Option<&'a str>,
    /// vLLM's `stop_reason`: the stop text that came.
    pub(crate) matched: Option<&'a str>,
}

/// Says why an answer ended. A reason that the provider did not give is made up from whether tools are called, for the
/// specification asks for one.
pub(crate) fn told(stop: Option<&Stop>, has_calls: bool) -> Told<'_> {
    let told = |reason| Told { reason, native: None, matched: None };
    match stop {
        None if has_calls => told("tool_calls"),
        None | Some(Stop::End) => told("stop"),
        Some(Stop::Sequence(matched)) => Told { matched: matched.as_deref(), ..told("stop") },
        Some(Stop::Length) => told("length"),
        Some(Stop::ContextWindow) => Told { native: Some("model_context_window_exceeded"), ..told("length") },
        Some(Stop::ToolUse) => told("tool_calls"),
        Some(Stop::Filtered(_)) => told("content_filter"),
        Some(Stop::Pause) => Told { native: Some("pause_turn"), ..told("stop") },
        // The specification has no word for it. `length` says that the answer, or a call in it, is not whole; strictly typed
        // clients refuse OpenRouter's `error`.
        Some(Stop::Failed(word)) => Told { native: Some(word), ..told("length") },
    }
}
