//! `toolConfig`.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Value, json};

use super::is_claude;
use super::messages::CachePoint;
use crate::format::call::{Content, Tool, ToolChoice, Turn};
use crate::format::function;
use crate::format::loss::{Feature, Losses};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolConfig<'a> {
    tools: Vec<Entry<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Entry<'a> {
    ToolSpec(Spec<'a>),
    CachePoint(CachePoint<'a>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Spec<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    input_schema: Schema<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

#[derive(Serialize)]
struct Schema<'a> {
    json: Cow<'a, Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Choice<'a> {
    Auto {},
    Any {},
    Tool { name: &'a str },
}

/// There is no choice of none: without tools in the conversation all are left out. With some they must stay, since the
/// service refuses blocks of tools without a `toolConfig`; that is also why tools that only the past knows are named there.
pub(super) fn write<'a>(
    tools: &'a [Tool],
    choice: Option<&'a ToolChoice>,
    turns: &'a [Turn],
    model: &str,
    losses: &mut Losses,
) -> Option<ToolConfig<'a>> {
    let past = past(turns);
    if tools.is_empty() {
        return of_the_past(past?, losses);
    }
    let mut offered: Vec<&Tool> = tools.iter().collect();
    let tool_choice = match choice {
        None => None,
        Some(ToolChoice::Auto) => Some(Choice::Auto {}),
        Some(ToolChoice::Required) => Some(Choice::Any {}),
        Some(ToolChoice::Tool(name)) => Some(Choice::Tool { name }),
        Some(ToolChoice::None) => {
            past.as_ref()?;
            losses.lose(Feature::ToolChoiceNone);
            None
        }
        Some(ToolChoice::Allowed { required, names }) => {
            // What may not be called is not offered.
            losses.change(Feature::ToolChoiceAllowed);
            offered.retain(|tool| names.contains(&tool.name));
            Some(if *required { Choice::Any {} } else { Choice::Auto {} })
        }
    };
    if offered.is_empty() {
        return of_the_past(past?, losses);
    }
    let mut entries = Vec::with_capacity(offered.len());
    for tool in offered {
        entries.push(Entry::ToolSpec(spec(tool, losses)));
        if let Some(cache) = &tool.cache {
            // Others than Claude have no breakpoints among tools.
            losses.lose_if(!is_claude(model), Feature::CacheBreakpoint);
            entries.extend(is_claude(model).then(|| Entry::CachePoint(CachePoint::new(cache))));
        }
    }
    Some(ToolConfig { tools: entries, tool_choice })
}

fn spec<'a>(tool: &'a Tool, losses: &mut Losses) -> Spec<'a> {
    Spec {
        name: &tool.name,
        description: tool.description.as_deref().filter(|description| !description.is_empty()),
        input_schema: Schema { json: function::schema(tool, losses).unwrap_or_else(anything) },
        strict: function::is_strict(tool).then_some(true),
    }
}

fn anything<'a>() -> Cow<'a, Value> {
    Cow::Owned(json!({"type": "object", "properties": {}}))
}

/// The names of the tools that the conversation has calls of; none if it has no block of a tool.
fn past(turns: &[Turn]) -> Option<Vec<&str>> {
    let mut names = Vec::new();
    let mut found = false;
    for part in turns.iter().flat_map(|turn| &turn.parts) {
        match &part.content {
            Content::ToolCall(call) => {
                found = true;
                if !names.contains(&call.name.as_str()) {
                    names.push(&call.name);
                }
            }
            Content::ToolResult(_) => found = true,
            Content::Text(_)
            | Content::Refusal(_)
            | Content::Image { .. }
            | Content::Audio { .. }
            | Content::File { .. }
            | Content::Thinking(_) => {}
        }
    }
    found.then_some(names)
}

fn of_the_past<'a>(names: Vec<&'a str>, losses: &mut Losses) -> Option<ToolConfig<'a>> {
    losses.change(Feature::Tools);
    let schema = || Schema { json: anything() };
    let specs = names.into_iter().map(|name| Spec { name, description: None, input_schema: schema(), strict: None });
    let tools: Vec<_> = specs.map(Entry::ToolSpec).collect();
    (!tools.is_empty()).then_some(ToolConfig { tools, tool_choice: None })
}
