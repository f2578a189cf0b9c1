//! OpenAI Chat Completions: read and written on both sides. Owns the dialect's shapes; called by the pipeline through
//! `call`, `answer` and `events`.
//! Source: OpenAI API specification 2.3.0, and recorded answers of servers that follow it (research of 2026-11).

pub mod answer;
pub mod call;
pub mod custom;
pub mod events;
pub mod own;

pub(super) mod annotations;
pub(super) mod chunks;
pub(super) mod fields;
pub(super) mod lenient;
pub(super) mod logprobs;
pub(super) mod stop;
pub(crate) mod thoughts;
pub(super) mod tool_calls;
pub(super) mod usage;
