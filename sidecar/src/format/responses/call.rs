//! A Responses call: read from a caller, written for a provider, and the part of it that an answer repeats.
//!
//! Called by the pipeline through `read`, `write` and `echo`. Wire facts: OpenAI API specification 2.3.0, and what Codex CLI
//! and the official SDKs send.

mod content;
mod echo;
mod items;
mod read;
mod tools;
mod turns;
mod write;
mod written;

pub use echo::echo;
pub use read::read;
pub use write::write;

#[cfg(test)]
mod tests;
