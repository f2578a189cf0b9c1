//! Writes tools, which of them must be called, and the form of the answer. Called by `write`.

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::format::call::{self, OutputForm, ToolChoice, ToolInput};
use crate::format::loss::{Feature, Losses};

/// A tool.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Tool<'a> {
    Function { function: Function<'a> },
    Custom { custom: Custom<'a> },
}

#[derive(Serialize)]
pub(super) struct Function<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    parameters: Schema<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

#[derive(Serialize)]
pub(super) struct Custom<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<&'a Value>,
}

/// What a function takes; an object without properties where nothing is said.
struct Schema<'a>(Option<&'a Value>);

#[derive(Serialize)]
struct NoProperties {
    #[serde(rename = "type")]
    kind: &'static str,
    properties: Empty,
}

#[derive(Serialize)]
struct Empty {}

impl Serialize for Schema<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(schema) => schema.serialize(serializer),
            None => NoProperties { kind: "object", properties: Empty {} }.serialize(serializer),
        }
    }
}

/// Writes tools. A breakpoint of a cache behind one has no field.
pub(super) fn tools<'a>(tools: &'a [call::Tool], losses: &mut Losses) -> Vec<Tool<'a>> {
    let mut written = Vec::with_capacity(tools.len());
    for call::Tool { name, description, input, cache } in tools {
        losses.lose_if(cache.is_some(), Feature::CacheBreakpoint);
        let description = description.as_deref();
        written.push(match input {
            ToolInput::Function { schema, strict } => Tool::Function {
                function: Function { name, description, parameters: Schema(schema.as_ref()), strict: *strict },
            },
            ToolInput::Custom { format } => {
                Tool::Custom { custom: Custom { name, description, format: format.as_ref() } }
            }
        });
    }
    written
}

/// Whether and which tool must be called.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Which<'a> {
    Word(&'static str),
    Tool(NamedTool<'a>),
    Allowed(AllowedTools<'a>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum NamedTool<'a> {
    Function { function: Named<'a> },
    Custom { custom: Named<'a> },
}

#[derive(Serialize)]
pub(super) struct Named<'a> {
    name: &'a str,
}

#[derive(Serialize)]
pub(super) struct AllowedTools<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    allowed_tools: Allowed<'a>,
}

#[derive(Serialize)]
struct Allowed<'a> {
    mode: &'static str,
    tools: Vec<NamedTool<'a>>,
}

/// Writes a choice among these tools.
pub(super) fn choice<'a>(choice: &'a ToolChoice, tools: &[call::Tool]) -> Which<'a> {
    match choice {
        ToolChoice::Auto => Which::Word("auto"),
        ToolChoice::None => Which::Word("none"),
        ToolChoice::Required => Which::Word("required"),
        ToolChoice::Tool(name) => Which::Tool(named(name, tools)),
        ToolChoice::Allowed { required, names } => Which::Allowed(AllowedTools {
            kind: "allowed_tools",
            allowed_tools: Allowed {
                mode: if *required { "required" } else { "auto" },
                tools: names.iter().map(|name| named(name, tools)).collect(),
            },
        }),
    }
}

fn named<'a>(name: &'a str, tools: &[call::Tool]) -> NamedTool<'a> {
    let is_custom = tools.iter().any(|tool| tool.name == name && matches!(tool.input, ToolInput::Custom { .. }));
    if is_custom {
        NamedTool::Custom { custom: Named { name } }
    } else {
        NamedTool::Function { function: Named { name } }
    }
}

/// The form of the answer's text.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Format<'a> {
    Text,
    JsonObject,
    JsonSchema { json_schema: JsonSchema<'a> },
}

#[derive(Serialize)]
pub(super) struct JsonSchema<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    schema: &'a Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

/// Writes the form of the answer's text.
pub(super) fn format(output: &OutputForm) -> Format<'_> {
    match output {
        OutputForm::Text => Format::Text,
        OutputForm::JsonObject => Format::JsonObject,
        OutputForm::JsonSchema { name, description, schema, strict } => Format::JsonSchema {
            json_schema: JsonSchema {
                name: name.as_deref().unwrap_or("answer"),
                description: description.as_deref(),
                schema,
                strict: *strict,
            },
        },
    }
}
