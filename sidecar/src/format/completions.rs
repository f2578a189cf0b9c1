//! OpenAI's legacy Completions: callers only. A prompt becomes one turn of the user; the answer's text is the completion.
//! Owns the dialect's shapes; called by the pipeline through `call`, `answer` and `events`.
//! Source: OpenAI API specification 2.3.0.

pub mod answer;
pub mod call;
pub mod events;

#[cfg(test)]
mod tests;
