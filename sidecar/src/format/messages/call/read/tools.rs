//! Reads tools and the choice between them.

use serde_json::Value;

use super::blocks::Reading;
use crate::format::call::{ModelCall, Tool, ToolChoice, ToolInput};
use crate::format::{Invalid, fields};

/// Reads `tools`. Those that Anthropic defines (`web_search_20250305`, `bash_20250124`, …) have no neutral form.
pub(super) fn tools(value: Value, reading: &mut Reading) -> Result<Vec<Tool>, Invalid> {
    let items = fields::list(value, "tools")?;
    let mut tools = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        let at = format!("tools[{index}]");
        let kind = item.get("type").and_then(Value::as_str);
        if kind.is_some_and(|kind| kind != "custom") {
            reading.unknown.push((at, item));
        } else {
            tools.push(tool(item, &at, reading)?);
        }
    }
    Ok(tools)
}

fn tool(value: Value, at: &str, reading: &mut Reading) -> Result<Tool, Invalid> {
    let mut fields = fields::object(value, at)?;
    fields.remove("type");
    let name = fields::required(&mut fields, "name", at)?;
    let description = fields::optional(&mut fields, "description", at)?;
    let schema = fields::take(&mut fields, "input_schema");
    let schema = schema.map(|schema| fields::object(schema, &format!("{at}.input_schema"))).transpose()?;
    let schema = schema.filter(|schema| !schema.is_empty()).map(Value::Object);
    let strict = fields::take(&mut fields, "strict");
    let strict = strict.map(|strict| fields::boolean(&strict, &format!("{at}.strict"))).transpose()?;
    let cache = reading.cache(fields.remove("cache_control"), &format!("{at}.cache_control"));
    // How the arguments are streamed, and when the tool's text is loaded, changes no answer.
    for hint in ["eager_input_streaming", "defer_loading"] {
        if fields::take(&mut fields, hint).is_some_and(|value| value != Value::Bool(false)) {
            reading.hints.push(format!("{at}.{hint}"));
        }
    }
    let direct = |callers: &Value| callers.as_array().is_some_and(|list| list.iter().all(|caller| caller == "direct"));
    if fields.get("allowed_callers").is_some_and(direct) {
        fields.remove("allowed_callers");
    }
    reading.leave(fields, at);
    Ok(Tool { name, description, input: ToolInput::Function { schema, strict }, cache })
}

/// Reads `tool_choice`, and in it whether several tools may be called at once.
pub(super) fn choice(value: Value, call: &mut ModelCall, reading: &mut Reading) -> Result<(), Invalid> {
    let at = "tool_choice";
    let mut fields = fields::object(value, at)?;
    let kind = fields::required(&mut fields, "type", at)?;
    call.tool_choice = Some(match kind.as_str() {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Tool(fields::required(&mut fields, "name", at)?),
        _ => return Err(Invalid::new("tool_choice.type", "must be `auto`, `any`, `tool` or `none`")),
    });
    if let Some(disable) = fields::take(&mut fields, "disable_parallel_tool_use") {
        let disable = fields::boolean(&disable, "tool_choice.disable_parallel_tool_use")?;
        call.parallel_tool_calls = Some(!disable);
    }
    reading.leave(fields, at);
    Ok(())
}
