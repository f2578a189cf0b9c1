//! Anthropic Messages, at Anthropic and where Claude is hosted: read and written on both sides.
//!
//! Wire facts: the types of Anthropic's Python SDK 2.13, its streaming accumulator and its clients for other hosts, and
//! recorded answers. Thoughts and calls of other makers travel through a Messages caller in `thinking` and
//! `redacted_thinking` blocks, tagged by `Signature::told_in`; a thought without a signature has an empty one.

pub mod answer;
pub mod call;
pub mod count;
pub mod events;
pub mod hosts;
pub mod own;
mod wire;

use std::borrow::Cow;

/// What stands before the data of a `redacted_thinking` block that holds the signature of the tool call behind it. A
/// `tool_use` block has no field for it that every client sends back, a block of thoughts has.
const CALL_TAG: &str = "lotse.call.";

/// An id of a call as the API takes it: letters, digits, `_` and `-`. The same for a call and its result.
fn api_id(id: &str) -> Cow<'_, str> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    match id {
        "" => Cow::Borrowed("call"),
        id if id.chars().all(fits) => Cow::Borrowed(id),
        id => Cow::Owned(id.chars().map(|letter| if fits(letter) { letter } else { '_' }).collect()),
    }
}

#[cfg(test)]
mod tests;
