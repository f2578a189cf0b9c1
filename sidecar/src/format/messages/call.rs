//! A call of this dialect, read from a caller and written for a provider.
//!
//! Source: the SDK's `types/message_create_params.py` (stable and beta) and the blocks that it names.

mod model;
mod read;
mod write;

pub use read::read;
pub use write::write;
