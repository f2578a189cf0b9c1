//! A whole Responses answer: read from a provider, written for a caller. Called by the pipeline.
//! Source: `Response` of OpenAI's specification 2.3.0, and recorded answers.

mod read;
mod write;

pub use read::read;
pub(super) use read::stop;
pub use write::write;

#[cfg(test)]
mod tests;
