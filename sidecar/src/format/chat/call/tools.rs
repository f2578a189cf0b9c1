//! Reads a caller's tools, which of them must be called, and the form of the answer. Called by `read`.

use serde_json::{Map, Value};

use super::messages::cache;
use crate::format::Invalid;
use crate::format::call::{OutputForm, Tool, ToolChoice, ToolInput};
use crate::format::chat::fields::{Path, Unknown, flag, list, object, present, required, text};

/// `tools`.
pub(super) fn read(value: Value, at: &Path<'_>, unknown: &mut Unknown) -> Result<Vec<Tool>, Invalid> {
    let mut tools = Vec::new();
    for (n, value) in list(value, at)?.into_iter().enumerate() {
        let at = Path::Item(at, n);
        tools.extend(tool(object(value, &at)?, &at, unknown)?);
    }
    Ok(tools)
}

/// `functions`, as it was before there were `tools`.
pub(super) fn functions(value: Value, at: &Path<'_>, unknown: &mut Unknown) -> Result<Vec<Tool>, Invalid> {
    let functions = list(value, at)?.into_iter().enumerate();
    functions.map(|(n, value)| function(value, &Path::Item(at, n), unknown)).collect()
}

/// A tool; nothing for one that the provider would run itself, which is unknown.
fn tool(fields: Map<String, Value>, at: &Path<'_>, unknown: &mut Unknown) -> Result<Option<Tool>, Invalid> {
    let kind = fields.get("type").and_then(Value::as_str).unwrap_or("function");
    if kind != "function" && kind != "custom" {
        let named = Path::In(at, kind).to_string();
        unknown.push((named, Value::Object(fields)));
        return Ok(None);
    }
    let kind = kind.to_owned();
    let mut tool = None;
    let mut breakpoint = None;
    for (key, value) in present(fields) {
        let at = Path::In(at, &key);
        match key.as_str() {
            "type" => {}
            "function" if kind == key => tool = Some(function(value, &at, unknown)?),
            "custom" if kind == key => tool = Some(custom(value, &at, unknown)?),
            "cache_control" => breakpoint = cache(value, &at, unknown)?,
            _ => unknown.push((at.to_string(), value)),
        }
    }
    let tool = required(tool, &Path::In(at, &kind))?;
    Ok(Some(Tool { cache: breakpoint, ..tool }))
}

fn function(value: Value, at: &Path<'_>, unknown: &mut Unknown) -> Result<Tool, Invalid> {
    let (mut name, mut description, mut schema, mut strict) = (None, None, None, None);
    for (key, value) in present(object(value, at)?) {
        let at = Path::In(at, &key);
        match key.as_str() {
            "name" => name = Some(text(value, &at)?),
            "description" => description = Some(text(value, &at)?),
            "parameters" => schema = Some(Value::Object(object(value, &at)?)),
            "strict" => strict = Some(flag(&value, &at)?),
            _ => unknown.push((at.to_string(), value)),
        }
    }
    let name = required(name, &Path::In(at, "name"))?;
    Ok(Tool { name, description, input: ToolInput::Function { schema, strict }, cache: None })
}

fn custom(value: Value, at: &Path<'_>, unknown: &mut Unknown) -> Result<Tool, Invalid> {
    let (mut name, mut description, mut format) = (None, None, None);
    for (key, value) in present(object(value, at)?) {
        let at = Path::In(at, &key);
        match key.as_str() {
            "name" => name = Some(text(value, &at)?),
            "description" => description = Some(text(value, &at)?),
            "format" => format = Some(Value::Object(object(value, &at)?)),
            _ => unknown.push((at.to_string(), value)),
        }
    }
    let name = required(name, &Path::In(at, "name"))?;
    Ok(Tool { name, description, input: ToolInput::Custom { format }, cache: None })
}

/// `tool_choice`; Mistral's `any` is `required`.
pub(super) fn choice(value: Value, at: &Path<'_>, unknown: &mut Unknown) -> Result<Option<ToolChoice>, Invalid> {
    let wrong = || at.wrong("must be `none`, `auto`, `required`, or an object that names a tool");
    if let Some(word) = value.as_str() {
        return Ok(Some(match word {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" | "any" => ToolChoice::Required,
            _ => return Err(wrong()),
        }));
    }
    let fields = object(value, at).map_err(|_| wrong())?;
    let kind = fields.get("type").and_then(Value::as_str).unwrap_or("function").to_owned();
    let mut choice = None;
    for (key, value) in present(fields) {
        let at = Path::In(at, &key);
        match (kind.as_str(), key.as_str()) {
            (_, "type") => {}
            ("function", "function") | ("custom", "custom") => {
                choice = Some(ToolChoice::Tool(named(value, &at, unknown)?));
            }
            ("allowed_tools", "allowed_tools") => choice = Some(allowed(value, &at, unknown)?),
            _ => unknown.push((at.to_string(), value)),
        }
    }
    if choice.is_none() && matches!(kind.as_str(), "function" | "custom" | "allowed_tools") {
        return Err(Path::In(at, &kind).wrong("is required"));
    }
    if choice.is_none() {
        unknown.push((Path::In(at, &kind).to_string(), Value::String(kind.clone())));
    }
    Ok(choice)
}

/// The deprecated `function_call`.
pub(super) fn function_choice(
    value: Value,
    at: &Path<'_>,
    unknown: &mut Unknown,
) -> Result<Option<ToolChoice>, Invalid> {
    Ok(Some(match value.as_str() {
        Some("auto") => ToolChoice::Auto,
        Some("none") => ToolChoice::None,
        Some(_) => return Err(at.wrong("must be `none`, `auto`, or an object that names a function")),
        None => ToolChoice::Tool(named(value, at, unknown)?),
    }))
}

/// `{"name": …}`.
fn named(value: Value, at: &Path<'_>, unknown: &mut Unknown) -> Result<String, Invalid> {
    let mut name = None;
    for (key, value) in present(object(value, at)?) {
        let at = Path::In(at, &key);
        match key.as_str() {
            "name" => name = Some(text(value, &at)?),
            _ => unknown.push((at.to_string(), value)),
        }
    }
    required(name, &Path::In(at, "name"))
}

fn allowed(value: Value, at: &Path<'_>, unknown: &mut Unknown) -> Result<ToolChoice, Invalid> {
    let (mut required_one, mut names) = (false, Vec::new());
    for (key, value) in present(object(value, at)?) {
        let at = Path::In(at, &key);
        match key.as_str() {
            "mode" => match value.as_str() {
                Some("auto") => required_one = false,
                Some("required") => required_one = true,
                Some(_) | None => return Err(at.wrong("must be `auto` or `required`")),
            },
            "tools" => {
                for (n, value) in list(value, &at)?.into_iter().enumerate() {
                    let at = Path::Item(&at, n);
                    names.extend(match choice(value, &at, unknown)? {
                        Some(ToolChoice::Tool(name)) => Some(name),
                        Some(_) => return Err(at.wrong("must name a tool")),
                        None => None,
                    });
                }
            }
            _ => unknown.push((at.to_string(), value)),
        }
    }
    Ok(ToolChoice::Allowed { required: required_one, names })
}

/// `response_format`.
pub(super) fn output(value: Value, at: &Path<'_>, unknown: &mut Unknown) -> Result<Option<OutputForm>, Invalid> {
    let mut fields = object(value, at)?;
    let kind = fields.remove("type").as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
    let form = match kind.as_str() {
        "text" => Some(OutputForm::Text),
        "json_object" => Some(OutputForm::JsonObject),
        "json_schema" => {
            let at = Path::In(at, "json_schema");
            Some(json_schema(required(fields.remove("json_schema"), &at)?, &at, unknown)?)
        }
        "" => return Err(Path::In(at, "type").wrong("must be `text`, `json_object` or `json_schema`")),
        _ => {
            unknown.push((Path::In(at, &kind).to_string(), Value::Object(std::mem::take(&mut fields))));
            None
        }
    };
    unknown.extend(present(fields).map(|(key, value)| (Path::In(at, &key).to_string(), value)));
    Ok(form)
}

fn json_schema(value: Value, at: &Path<'_>, unknown: &mut Unknown) -> Result<OutputForm, Invalid> {
    let (mut name, mut description, mut schema, mut strict) = (None, None, None, None);
    for (key, value) in present(object(value, at)?) {
        let at = Path::In(at, &key);
        match key.as_str() {
            "name" => name = Some(text(value, &at)?),
            "description" => description = Some(text(value, &at)?),
            "schema" => schema = Some(Value::Object(object(value, &at)?)),
            "strict" => strict = Some(flag(&value, &at)?),
            _ => unknown.push((at.to_string(), value)),
        }
    }
    let schema = schema.unwrap_or_else(|| Value::Object(Map::new()));
    Ok(OutputForm::JsonSchema { name, description, schema, strict })
}
