//! Writes tools and the choice between them.

use std::borrow::Cow;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::super::model::Model;
use super::turns::CacheControl;
use crate::format::call::{Tool, ToolChoice, ToolInput};
use crate::format::function;
use crate::format::loss::{Feature, Losses};

/// What is written of tools.
pub(super) struct Tools<'a> {
    pub(super) list: Vec<ToolBody<'a>>,
    pub(super) choice: Option<ChoiceBody<'a>>,
}

impl Tools<'_> {
    /// Whether a tool must be called.
    pub(super) fn is_forced(&self) -> bool {
        self.choice.as_ref().is_some_and(|choice| matches!(choice.kind, "any" | "tool"))
    }
}

#[derive(Serialize)]
pub(super) struct ToolBody<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<Cow<'a, str>>,
    input_schema: Schema<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<CacheControl<'a>>,
}

#[derive(Serialize)]
pub(super) struct ChoiceBody<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disable_parallel_tool_use: Option<bool>,
}

/// A schema of arguments; the API wants one of an object.
enum Schema<'a> {
    Nothing,
    OneText,
    Given(&'a Value),
}

impl Serialize for Schema<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Given(Value::Object(fields)) if fields.contains_key("type") => fields.serialize(serializer),
            Self::Given(Value::Object(fields)) => {
                let mut map = serializer.serialize_map(None)?;
                map.serialize_entry("type", "object")?;
                fields.iter().try_for_each(|(key, value)| map.serialize_entry(key, value))?;
                map.end()
            }
            Self::OneText => function::one_text().serialize(serializer),
            Self::Nothing | Self::Given(_) => {
                serde_json::json!({"type": "object", "properties": {}}).serialize(serializer)
            }
        }
    }
}

/// Writes tools and their choice. One choice of some of the tools is a list of only those. Without tools the API refuses a
/// choice; then `auto` and `none` mean nothing anyway.
pub(super) fn write<'a>(
    tools: &'a [Tool],
    choice: Option<&'a ToolChoice>,
    parallel: Option<bool>,
    model: Model,
    losses: &mut Losses,
) -> Tools<'a> {
    let mut offered: Vec<&Tool> = tools.iter().collect();
    if let Some(ToolChoice::Allowed { names, .. }) = choice {
        losses.change(Feature::ToolChoiceAllowed);
        offered.retain(|tool| names.contains(&tool.name));
    }
    let list: Vec<_> = offered.into_iter().map(|tool| body(tool, model, losses)).collect();
    if list.is_empty() {
        match choice {
            Some(ToolChoice::Required) => losses.lose(Feature::ToolChoiceRequired),
            Some(ToolChoice::Tool(_)) => losses.lose(Feature::ToolChoiceNamed),
            Some(ToolChoice::Allowed { required: true, .. }) => losses.lose(Feature::ToolChoiceAllowed),
            Some(ToolChoice::Auto | ToolChoice::None | ToolChoice::Allowed { required: false, .. }) | None => {}
        }
        return Tools { list, choice: None };
    }
    let one = (parallel == Some(false)).then_some(true);
    let (kind, name) = match choice {
        None if one.is_none() => return Tools { list, choice: None },
        None | Some(ToolChoice::Auto | ToolChoice::Allowed { required: false, .. }) => ("auto", None),
        Some(ToolChoice::None) => ("none", None),
        Some(ToolChoice::Required | ToolChoice::Allowed { required: true, .. }) => ("any", None),
        Some(ToolChoice::Tool(name)) => ("tool", Some(name.as_str())),
    };
    let disable_parallel_tool_use = one.filter(|_| kind != "none");
    Tools { list, choice: Some(ChoiceBody { kind, name, disable_parallel_tool_use }) }
}

fn body<'a>(tool: &'a Tool, model: Model, losses: &mut Losses) -> ToolBody<'a> {
    let Tool { name, description, input, cache } = tool;
    let mut body = ToolBody {
        name,
        description: description.as_deref().filter(|text| !text.is_empty()).map(Cow::Borrowed),
        input_schema: Schema::Nothing,
        strict: None,
        cache_control: cache.as_ref().map(CacheControl::new),
    };
    match input {
        ToolInput::Function { schema, strict } => {
            body.input_schema = schema.as_ref().map_or(Schema::Nothing, Schema::Given);
            if *strict == Some(true) && !model.holds_schemas() {
                losses.lose(Feature::StrictTools);
            } else {
                body.strict = strict.filter(|strict| *strict);
            }
        }
        ToolInput::Custom { format } => {
            losses.change(Feature::CustomTools);
            body.input_schema = Schema::OneText;
            let grammar = format.as_ref().filter(|format| format.get("type").is_some_and(|kind| kind == "grammar"));
            if let Some(grammar) = grammar {
                let told = description.as_deref().unwrap_or_default();
                body.description = Some(Cow::Owned(format!("{told}\n\nThe input follows this grammar: {grammar}")));
            }
        }
    }
    body
}
