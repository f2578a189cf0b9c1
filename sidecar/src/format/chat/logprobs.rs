//! Log probabilities, as OpenAI has them and as Together has them. Used by readers and writers of answers and events.
//! Source: OpenAI API specification 2.3.0, Together's API specification.

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

/// What a server says, as OpenAI says it; nothing for what is none.
pub(crate) fn read(said: Value) -> Option<Value> {
    if ["content", "refusal"].iter().any(|key| said.get(key).is_some_and(Value::is_array)) {
        return Some(said);
    }
    // Together has a list of tokens, and one of their probabilities.
    let (tokens, logprobs) = (said.get("tokens")?.as_array()?, said.get("token_logprobs")?.as_array()?);
    let content: Vec<_> = tokens
        .iter()
        .zip(logprobs)
        .filter(|(token, logprob)| token.is_string() && logprob.is_number())
        .map(|(token, logprob)| json!({"token": token, "logprob": logprob, "bytes": null, "top_logprobs": []}))
        .collect();
    Some(json!({"content": content, "refusal": null}))
}

/// Log probabilities with both of the keys that the specification asks for.
pub(crate) struct Told<'a>(pub(crate) &'a Value);

#[derive(Serialize)]
struct Both<'a> {
    content: Option<&'a Value>,
    refusal: Option<&'a Value>,
}

impl Serialize for Told<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Both { content: self.0.get("content"), refusal: self.0.get("refusal") }.serialize(serializer)
    }
}
