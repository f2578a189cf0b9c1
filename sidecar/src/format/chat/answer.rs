//! A whole answer in Chat: a provider's is read, a caller's is written. Called by the pipeline.
//! Source: OpenAI API specification 2.3.0, and recorded answers of servers that deviate from it.

mod read;
mod write;

pub use read::read;
pub use write::write;
pub(crate) use write::{append, id, join};

#[cfg(test)]
mod tests;
