//! Reads a caller's tools, and which of them must be called. Tools that only OpenAI hosts go into `unknown` under their type,
//! so that a refusal names them: `tools[1].web_search`.
//! Source: `Tool` and `ToolChoiceParam` of OpenAI's specification 2.3.0.

use serde_json::{Map, Value};

use super::content;
use crate::format::call::{ModelCall, Tool, ToolChoice, ToolInput};
use crate::format::{Invalid, fields};

/// Reads `tools`.
pub(super) fn read(list: Vec<Value>, call: &mut ModelCall) -> Result<(), Invalid> {
    for (index, value) in list.into_iter().enumerate() {
        let at = format!("tools[{index}]");
        let mut object = fields::object(value, &at)?;
        let kind = fields::kind(&mut object, &at)?;
        if kind == "function" || kind == "custom" {
            let tool = tool(object, kind == "custom", &at, call)?;
            call.tools.push(tool);
        } else {
            call.unknown.push((format!("{at}.{kind}"), Value::Object(object)));
        }
    }
    Ok(())
}

fn tool(object: Map<String, Value>, custom: bool, at: &str, call: &mut ModelCall) -> Result<Tool, Invalid> {
    let (mut label, mut description, mut schema, mut strict, mut format, mut cache) =
        (None, None, None, None, None, None);
    for (name, value) in object {
        let at = format!("{at}.{name}");
        match name.as_str() {
            _ if value.is_null() => {}
            "name" => label = Some(fields::string(value, &at)?),
            "description" => description = Some(fields::string(value, &at)?),
            "parameters" if !custom => schema = Some(Value::Object(fields::object(value, &at)?)),
            "strict" if !custom => strict = Some(fields::boolean(&value, &at)?),
            // `text` is what a custom tool takes anyway.
            "format" if custom && value.get("type").is_some_and(|kind| kind == "text") => {}
            "format" if custom => format = Some(value),
            "cache_control" => cache = Some(content::breakpoint(value, &at, call)?),
            "defer_loading" if value == false => {}
            "allowed_callers" if value == serde_json::json!(["direct"]) => {}
            _ => call.unknown.push((at, value)),
        }
    }
    let name =
        label.filter(|name| !name.is_empty()).ok_or_else(|| Invalid::new(format!("{at}.name"), "is required"))?;
    let input = if custom { ToolInput::Custom { format } } else { ToolInput::Function { schema, strict } };
    Ok(Tool { name, description, input, cache })
}

/// Reads `tool_choice`.
pub(super) fn read_choice(value: Value, call: &mut ModelCall) -> Result<(), Invalid> {
    const AT: &str = "tool_choice";
    if let Some(word) = value.as_str() {
        call.tool_choice = Some(match word {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" => ToolChoice::Required,
            _ => return Err(Invalid::new(AT, "must be auto, none, required or an object")),
        });
        return Ok(());
    }
    let mut object = fields::object(value, AT)?;
    let kind = fields::kind(&mut object, AT)?;
    match kind.as_str() {
        "function" | "custom" => {
            let name = object.remove("name").ok_or_else(|| Invalid::new("tool_choice.name", "is required"))?;
            call.tool_choice = Some(ToolChoice::Tool(fields::string(name, "tool_choice.name")?));
            rest(object, call);
        }
        "allowed_tools" => allowed(object, call)?,
        _ => call.unknown.push((format!("{AT}.{kind}"), Value::Object(object))),
    }
    Ok(())
}

fn allowed(mut object: Map<String, Value>, call: &mut ModelCall) -> Result<(), Invalid> {
    let required = object.remove("mode").is_some_and(|mode| mode == "required");
    let tools =
        object.remove("tools").map_or_else(|| Ok(Vec::new()), |tools| fields::list(tools, "tool_choice.tools"))?;
    let mut names = Vec::new();
    for (index, tool) in tools.into_iter().enumerate() {
        let at = format!("tool_choice.tools[{index}]");
        let mut tool = fields::object(tool, &at)?;
        let kind = fields::kind(&mut tool, &at)?;
        match (kind.as_str(), tool.remove("name")) {
            ("function" | "custom", Some(Value::String(name))) => names.push(name),
            _ => call.unknown.push((format!("{at}.{kind}"), Value::Object(tool))),
        }
    }
    call.tool_choice = Some(ToolChoice::Allowed { required, names });
    rest(object, call);
    Ok(())
}

fn rest(object: Map<String, Value>, call: &mut ModelCall) {
    let left = object.into_iter().filter(|(_, value)| !value.is_null());
    call.unknown.extend(left.map(|(name, value)| (format!("tool_choice.{name}"), value)));
}
