//! A stream of this dialect, read from a provider and written to a caller.
//!
//! Source: the SDK's `types/raw_*_event.py` and `lib/streaming`, and recorded streams.

mod read;
mod write;

pub use read::Reader;
pub use write::Writer;
