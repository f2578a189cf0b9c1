//! A call in Chat: a caller's is read, a provider's is written. Called by the pipeline.
//! Source: OpenAI API specification 2.3.0; `top_k`, `reasoning` and `cache_control` are OpenRouter's.

mod messages;
mod parts;
mod read;
mod tools;
mod write;
mod write_messages;
mod write_parts;
mod write_tools;

pub use read::read;
pub use write::write;

#[cfg(test)]
mod tests;
