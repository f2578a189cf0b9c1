//! `tools` and `toolConfig`.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;

use crate::format::call::{Tool, ToolChoice};
use crate::format::function;
use crate::format::loss::{Feature, Losses};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tools<'a> {
    function_declarations: Vec<Declaration<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Declaration<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters_json_schema: Option<Cow<'a, Value>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolConfig<'a> {
    function_calling_config: FunctionCallingConfig<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FunctionCallingConfig<'a> {
    mode: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allowed_function_names: Vec<&'a str>,
}

pub(super) fn write<'a>(
    tools: &'a [Tool],
    choice: Option<&'a ToolChoice>,
    losses: &mut Losses,
) -> (Option<Tools<'a>>, Option<ToolConfig<'a>>) {
    if tools.is_empty() {
        return (None, None);
    }
    let mut offered: Vec<&Tool> = tools.iter().collect();
    if let Some(ToolChoice::Allowed { required: false, names }) = choice {
        // Names can be allowed only where a call is required: what may not be called is not offered.
        losses.change(Feature::ToolChoiceAllowed);
        offered.retain(|tool| names.contains(&tool.name));
    }
    losses.lose_if(offered.iter().any(|tool| tool.cache.is_some()), Feature::CacheBreakpoint);
    let strict = offered.iter().any(|tool| function::is_strict(tool));
    let config = choose(choice, strict, losses);
    let declarations = offered.into_iter().map(|tool| Declaration {
        name: &tool.name,
        description: tool.description.as_deref(),
        parameters_json_schema: function::schema(tool, losses),
    });
    let function_declarations: Vec<_> = declarations.collect();
    if function_declarations.is_empty() {
        return (None, None);
    }
    (Some(Tools { function_declarations }), config)
}

/// Arguments are held to their schemas wherever a call is required, and, where it is not, in the mode VALIDATED.
fn choose<'a>(choice: Option<&'a ToolChoice>, strict: bool, losses: &mut Losses) -> Option<ToolConfig<'a>> {
    let (mode, allowed_function_names) = match choice {
        None | Some(ToolChoice::Auto | ToolChoice::Allowed { required: false, .. }) if strict => {
            losses.change(Feature::StrictTools);
            ("VALIDATED", Vec::new())
        }
        None => return None,
        Some(ToolChoice::Auto | ToolChoice::Allowed { required: false, .. }) => ("AUTO", Vec::new()),
        Some(ToolChoice::None) => ("NONE", Vec::new()),
        Some(ToolChoice::Required) => ("ANY", Vec::new()),
        Some(ToolChoice::Tool(name)) => ("ANY", vec![name.as_str()]),
        Some(ToolChoice::Allowed { required: true, names }) => ("ANY", names.iter().map(String::as_str).collect()),
    };
    Some(ToolConfig { function_calling_config: FunctionCallingConfig { mode, allowed_function_names } })
}
