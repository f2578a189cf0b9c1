//! Takes out of a caller's body what others than Responses providers made, before the body passes to one as it is.
//!
//! A conversation that another dialect's provider answered before comes back with thoughts that are tagged with their maker, and
//! a Responses provider refuses what it cannot decrypt. Called by `attempt` for calls that stay in this dialect.

use memchr::memmem;
use serde_json::Value;

use crate::format::Format;
use crate::format::call::Signature;
use crate::format::loss::{Feature, Losses};
use crate::format::responses::output::CALL_SIGNATURE;

/// The body without what others made, and what that loses; nothing when there is none of it, which is quick to see.
pub fn own(body: &[u8]) -> Option<(Vec<u8>, Losses)> {
    memmem::find(body, b"\"lotse.")?;
    let mut call: Value = serde_json::from_slice(body).ok()?;
    let input = call.get_mut("input")?.as_array_mut()?;
    let before = input.len();
    input.retain(|item| item.get("type").is_none_or(|kind| kind != "reasoning") || !is_foreign(item));
    if input.len() == before {
        return None;
    }
    let mut losses = Losses::default();
    losses.lose(Feature::Thinking);
    Some((serde_json::to_vec(&call).ok()?, losses))
}

fn is_foreign(item: &Value) -> bool {
    let encrypted = item.get("encrypted_content").and_then(Value::as_str).unwrap_or_default();
    encrypted.starts_with(CALL_SIGNATURE) || Signature::read(encrypted, Format::Responses).maker != Format::Responses
}
