//! Custom tools for servers of Chat that know only functions: nearly all but OpenAI's and Azure's. Called by the pipeline,
//! before `call::write`, for vendors whose quirks say so; `Told::custom_tools` turns the answers back.
//! Source: OpenAI API specification 2.3.0 for custom tools; the others' specifications have functions alone.

use std::borrow::Cow;

use crate::format::call::{Content, ModelCall, ToolInput};
use crate::format::function;
use crate::format::loss::{Feature, Losses};

/// Makes custom tools, and the calls of them in the conversation, functions of one string, `input`.
pub fn as_functions(call: &mut ModelCall, losses: &mut Losses) {
    for tool in &mut call.tools {
        if matches!(tool.input, ToolInput::Custom { .. }) {
            let schema = function::schema(tool, losses).map(Cow::into_owned);
            tool.input = ToolInput::Function { schema, strict: None };
        }
    }
    for part in call.turns.iter_mut().flat_map(|turn| &mut turn.parts) {
        if let Content::ToolCall(called) = &mut part.content
            && called.custom
        {
            losses.change(Feature::CustomTools);
            called.arguments = String::from(Box::<str>::from(function::wrapped("input", &called.arguments)));
            called.custom = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::format::chat::call::{read, write};

    #[test]
    fn custom_tools_become_functions_of_one_string() {
        let body = json!({
            "model": "m", "tools": [{"type": "custom", "custom": {"name": "g", "description": "d"}}],
            "tool_choice": {"type": "custom", "custom": {"name": "g"}},
            "messages": [{"role": "assistant", "content": null, "tool_calls": [
                {"id": "c", "type": "custom", "custom": {"name": "g", "input": "a \"b\""}}]}],
        });
        let mut call = read(body.as_object().expect("an object").clone()).expect("a call");
        let mut losses = Losses::default();

        as_functions(&mut call, &mut losses);

        assert_eq!(losses, Losses { lost: Vec::new(), changed: vec![Feature::CustomTools] });
        let written: Value = serde_json::from_slice(&write(&call, &mut losses)).expect("JSON");
        assert_eq!(
            written["tools"],
            json!([{"type": "function", "function": {"name": "g", "description": "d", "parameters":
                {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}}}])
        );
        assert_eq!(written["tool_choice"], json!({"type": "function", "function": {"name": "g"}}));
        assert_eq!(
            written["messages"][0]["tool_calls"][0]["function"],
            json!({"name": "g", "arguments": r#"{"input":"a \"b\""}"#})
        );
    }
}
