//! A whole answer of this dialect, read from a provider and written to a caller.
//!
//! Source: the SDK's `types/message.py` and `types/content_block.py`, and recorded answers.

mod read;
mod write;

pub use read::read;
pub use write::write;
