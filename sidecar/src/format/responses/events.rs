//! A Responses stream: read from a provider, written for a caller. Called by the pipeline, event by event.
//! Source: OpenAI's specification 2.3.0, recorded streams, and what the official SDKs' stream helpers demand.

mod frames;
mod items;
mod read;
mod write;

pub use read::Reader;
pub use write::Writer;

#[cfg(test)]
mod tests;
