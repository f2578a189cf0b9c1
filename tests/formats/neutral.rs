//! Neutral calls without what says the same in two ways, so that a call and what comes of it can be compared.

use lotse_sidecar::format::Format;
use lotse_sidecar::format::call::{Content, ModelCall, OutputForm, Part, Reasoning, Role, ToolChoice, ToolInput, Turn};
use serde_json::{Value, json};

/// A call as it stands in a dialect: what only that dialect's writer adds or says otherwise is taken back.
pub(crate) fn plain(mut call: ModelCall, dialect: Format, asked: &ModelCall) -> ModelCall {
    call.include_usage = false;
    call.choices = call.choices.filter(|choices| *choices != 1);
    call.hints.store = call.hints.store.filter(|store| *store);
    // They are told as hints by name.
    call.hints.other.clear();
    if dialect == Format::Messages {
        messages(&mut call, asked);
    } else {
        openai(&mut call);
    }
    for tool in &mut call.tools {
        if let ToolInput::Function { schema, strict } = &mut tool.input {
            *strict = strict.filter(|strict| *strict);
            *schema = schema.take().filter(|schema| *schema != json!({"type": "object", "properties": {}}));
        }
    }
    if call.tools.is_empty() || call.tool_choice == Some(ToolChoice::Auto) {
        call.tool_choice = None;
    }
    call.turns.iter_mut().for_each(turn);
    call.turns.retain(|turn| !turn.parts.is_empty());
    call
}

/// What Anthropic's dialect asks for, and what it has no word for because it always is so.
fn messages(call: &mut ModelCall, asked: &ModelCall) {
    call.max_tokens = call.max_tokens.filter(|_| asked.max_tokens.is_some());
    if let (Some(Reasoning { adaptive, effort, .. }), false) =
        (&mut call.reasoning, asked.reasoning.as_ref().is_some_and(|asked| asked.adaptive))
    {
        *adaptive &= effort.is_none();
    }
    if let Some(summary) = call.reasoning.as_mut().and_then(|reasoning| reasoning.summary.as_mut())
        && summary == "auto"
    {
        "summarized".clone_into(summary);
    }
    if let Some(OutputForm::JsonSchema { name, strict, .. }) = &mut call.output {
        (*name, *strict) = (None, None);
    }
    if call.output == Some(OutputForm::Text) {
        call.output = None;
    }
    for turn in &mut call.turns {
        if turn.role == Role::Developer {
            turn.role = Role::System;
        }
    }
    call.parallel_tool_calls = call.parallel_tool_calls.filter(|parallel| !parallel);
}

/// What OpenAI's dialects have no word for because it always is so, and the name that a schema must have.
fn openai(call: &mut ModelCall) {
    if let Some(Reasoning { adaptive, summary, .. }) = &mut call.reasoning {
        *adaptive = false;
        *summary = summary.take().filter(|summary| summary != "omitted");
    }
    call.reasoning = call.reasoning.take().filter(|reasoning| *reasoning != Reasoning::default());
    if let Some(OutputForm::JsonSchema { name, .. }) = &mut call.output {
        name.get_or_insert_with(|| "answer".to_owned());
    }
}

fn turn(turn: &mut Turn) {
    for part in &mut turn.parts {
        match &mut part.content {
            Content::Thinking(thinking) => {
                thinking.id = None;
                thinking.redacted |= thinking.signature.as_ref().is_some_and(|by| by.maker == Format::Responses);
            }
            // A call without arguments is one of an empty object.
            Content::ToolCall(call) if !call.custom => {
                call.arguments = serde_json::from_str::<Value>(&call.arguments)
                    .map_or_else(|_| call.arguments.clone(), |value| value.to_string());
            }
            Content::Image { detail, .. } => *detail = detail.take().filter(|detail| detail != "auto"),
            Content::ToolResult(result) => result.parts.iter_mut().for_each(|part: &mut Part| {
                if let Content::Image { detail, .. } = &mut part.content {
                    *detail = detail.take().filter(|detail| detail != "auto");
                }
            }),
            Content::Text(_)
            | Content::Refusal(_)
            | Content::Audio { .. }
            | Content::File { .. }
            | Content::ToolCall(_) => {}
        }
    }
}
