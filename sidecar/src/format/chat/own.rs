//! Takes out of a caller's body what others than providers of Chat made, before the body passes to one as it is.
//!
//! An app that was answered by another dialect's provider sends thoughts and signatures back, tagged with their maker. No
//! provider of Chat can read them, and OpenAI, Groq and Mistral refuse fields that they do not know. Called by `attempt` for
//! calls that stay in this dialect.

use memchr::memmem;
use serde_json::{Map, Value};

/// How a tag of `Signature::told_in` begins.
const TAG: &str = "lotse.";

/// The body without what others made; nothing when there is none of it, which is quick to see.
pub fn own(body: &[u8]) -> Option<Vec<u8>> {
    memmem::find(body, b"\"lotse.")?;
    let mut call: Value = serde_json::from_slice(body).ok()?;
    let messages = call.get_mut("messages")?.as_array_mut()?;
    for message in messages.iter_mut().filter_map(Value::as_object_mut) {
        clean(message);
    }
    serde_json::to_vec(&call).ok()
}

/// A message is one provider's: if one of its thoughts is tagged, all are another's.
fn clean(message: &mut Map<String, Value>) {
    let details = message.get("reasoning_details").and_then(Value::as_array);
    let is_foreign =
        details.into_iter().flatten().any(|detail| is_tagged(detail, "signature") || is_tagged(detail, "data"));
    if is_foreign {
        message.shift_remove("reasoning_details");
        message.shift_remove("reasoning_content");
    }
    let calls = message.get_mut("tool_calls").and_then(Value::as_array_mut);
    for call in calls.into_iter().flatten().filter_map(Value::as_object_mut) {
        let google = call.get("extra_content").and_then(|extra| extra.get("google"));
        if google.is_some_and(|google| is_tagged(google, "thought_signature")) {
            call.shift_remove("extra_content");
        }
    }
}

fn is_tagged(object: &Value, key: &str) -> bool {
    object.get(key).and_then(Value::as_str).is_some_and(|value| value.starts_with(TAG))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn owned(messages: &Value) -> Option<Value> {
        let body = json!({"model": "m", "messages": messages}).to_string();
        own(body.as_bytes()).map(|body| serde_json::from_slice::<Value>(&body).expect("JSON")["messages"].take())
    }

    #[test]
    fn thoughts_and_signatures_of_others_are_taken_out() {
        let call = |extra: Value| json!({"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}, "extra_content": extra});
        let messages = json!([
            {"role": "assistant", "content": "x", "reasoning_content": "ab", "reasoning_details": [
                {"type": "reasoning.summary", "summary": "a", "index": 0},
                {"type": "reasoning.encrypted", "data": "lotse.responses.E", "index": 1}]},
            {"role": "assistant", "content": null, "tool_calls": [
                call(json!({"google": {"thought_signature": "lotse.gemini.S"}})),
                call(json!({"google": {"thought_signature": "S"}}))]}]);

        let mut first = call(Value::Null);
        first.as_object_mut().expect("an object").shift_remove("extra_content");
        assert_eq!(
            owned(&messages),
            Some(json!([
                {"role": "assistant", "content": "x"},
                {"role": "assistant", "content": null, "tool_calls": [
                    first, call(json!({"google": {"thought_signature": "S"}}))]}]))
        );
    }

    #[test]
    fn what_a_provider_of_chat_made_passes_as_it_is() {
        let messages = json!([{"role": "assistant", "content": "lotse. is a word", "reasoning_content": "a",
            "reasoning_details": [{"type": "reasoning.text", "text": "a", "signature": "S"}]}]);
        assert_eq!(owned(&messages), Some(messages));
        assert_eq!(owned(&json!([{"role": "user", "content": "hi"}])), None);
        assert_eq!(own(b"\"lotse."), None);
    }
}
