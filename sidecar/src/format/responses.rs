//! OpenAI Responses, stateless: read and written on both sides.
//!
//! Owned by `format`. Wire facts: OpenAI API specification 2.3.0, and recorded answers of OpenAI, Azure OpenAI, xAI, LM Studio
//! and GitHub Copilot (research of 2026-11).

pub mod answer;
pub mod call;
pub mod events;
mod output;
pub mod own;
mod snapshot;
pub mod state;
mod wire;

#[cfg(test)]
mod tests;
