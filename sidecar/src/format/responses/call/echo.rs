//! The fields of a call that every Responses answer repeats. Called by the pipeline before the call's body is read.
//! Source: the `Response` object of OpenAI's specification 2.3.0, and recorded answers.

use serde_json::{Map, Value, json};

/// What is repeated as it came. Not `store`, `background` and `previous_response_id`: whoever translates keeps no state, so an
/// answer must not say that it did.
const REPEATED: [&str; 16] = [
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "parallel_tool_calls",
    "prompt_cache_key",
    "prompt_cache_retention",
    "reasoning",
    "safety_identifier",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "user",
];

/// Picks from a call what its answer repeats, with the keys filled in that the specification demands of an answer but not of a
/// call. Goes into `Told::echo`.
pub fn echo(body: &Map<String, Value>) -> Map<String, Value> {
    let mut echo = Map::new();
    for name in REPEATED {
        if let Some(value) = body.get(name).filter(|value| !value.is_null()) {
            echo.insert(name.to_owned(), value.clone());
        }
    }
    if let Some(Value::Array(tools)) = echo.get_mut("tools") {
        tools.iter_mut().for_each(complete_tool);
    }
    if let Some(Value::Object(text)) = echo.get_mut("text")
        && text.get("format").is_none_or(Value::is_null)
    {
        text.insert("format".to_owned(), json!({"type": "text"}));
    }
    if let Some(Value::Object(reasoning)) = echo.get_mut("reasoning") {
        for name in ["effort", "summary"] {
            reasoning.entry(name).or_insert(Value::Null);
        }
    }
    echo
}

/// Function tools of an answer always have `parameters` and `strict`.
fn complete_tool(tool: &mut Value) {
    if let Value::Object(tool) = tool
        && tool.get("type").and_then(Value::as_str) == Some("function")
    {
        for name in ["parameters", "strict"] {
            tool.entry(name).or_insert(Value::Null);
        }
    }
}
