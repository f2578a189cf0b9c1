//! A stream in Chat: a provider's is read, a caller's is written. Called by the pipeline, event by event.
//! Source: OpenAI API specification 2.3.0, and recorded streams of servers that deviate from it.

mod calls;
mod read;
mod write;

pub use read::Reader;
pub use write::Writer;

#[cfg(test)]
mod tests;
