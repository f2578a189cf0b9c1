//! Callers' calls.

use serde_json::{Value, json};

use super::read;
use crate::format::Format;
use crate::format::call::{
    CacheBreakpoint, Content, Media, OutputForm, Part, Reasoning, Role, Signature, Thinking, ToolChoice, ToolInput,
};

fn user(content: Value) -> Value {
    let message =
        Value::Object([("role".to_owned(), json!("user")), ("content".to_owned(), content)].into_iter().collect());
    json!({"model": "m", "max_tokens": 10, "messages": [message]})
}

fn with(key: &str, value: Value) -> Value {
    let mut body = user(json!("hi"));
    body[key] = value;
    body
}

fn unknown(body: Value) -> Vec<String> {
    read(body).expect("a call").unknown.into_iter().map(|(path, _)| path).collect()
}

/// As version 2 sends it.
fn turn_of_claude_code() -> Value {
    json!({
        "model": "claude-sonnet-5-5", "max_tokens": 32000, "stream": true, "temperature": 1,
        "system": [
            {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.0; cch=123;"},
            {"type": "text", "text": "You are Claude Code.", "cache_control": {"type": "ephemeral", "ttl": "1h", "scope": "global"}},
            {"type": "text", "text": ""}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "<system-reminder>x</system-reminder>"}, {"type": "text", "text": "go"}]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": ""},
                {"type": "text", "text": "Reading."},
                {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {"path": "a"}, "caller": {"type": "direct"}},
                {"type": "tool_use", "id": "toolu_2", "name": "Bash", "input": {}}]},
            {"role": "user", "content": [
                {"type": "text", "text": "<system-reminder>y</system-reminder>"},
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "text", "is_error": false},
                {"type": "tool_result", "tool_use_id": "toolu_2", "is_error": true, "cache_control": {"type": "ephemeral"}, "content": [
                    {"type": "text", "text": "boom"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}]}]}],
        "tools": [{"name": "Read", "description": "Reads", "eager_input_streaming": true, "cache_control": {"type": "ephemeral"},
            "input_schema": {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "additionalProperties": false}}],
        "tool_choice": {"type": "auto"},
        "thinking": {"type": "enabled", "budget_tokens": 31999},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "output_config": {"effort": "high"}, "mcp_servers": [], "container": null,
        "metadata": {"user_id": "user_1"},
    })
}

#[test]
fn a_turn_of_claude_code_is_read_without_a_field_that_must_be_refused() {
    let call = read(turn_of_claude_code()).expect("a call");
    assert_eq!(call.unknown, []);
    assert_eq!(
        call.hints.other,
        [
            "system[0]",
            "system[1].cache_control.scope",
            "tools[0].eager_input_streaming",
            "context_management.edits[0]",
            "thinking.budget_tokens"
        ]
        .map(str::to_owned)
        .to_vec()
    );
    assert_eq!(call.hints.user.as_deref(), Some("user_1"));
    assert_eq!(call.reasoning, Some(Reasoning { effort: Some("high".to_owned()), ..Reasoning::default() }));
    let roles: Vec<_> = call.turns.iter().map(|turn| turn.role).collect();
    assert_eq!(roles, [Role::System, Role::User, Role::Assistant, Role::User]);
    let ttl = Some("1h".to_owned());
    assert_eq!(
        call.turns[0].parts,
        [Part { content: Content::Text("You are Claude Code.".to_owned()), cache: Some(CacheBreakpoint { ttl }) }]
    );
    assert_eq!(
        call.turns[2].parts[0].content,
        Content::Thinking(Thinking { text: "hm".to_owned(), ..Thinking::default() })
    );
    let results = &call.turns[3].parts;
    assert!(
        matches!(&results[0].content, Content::ToolResult(result) if result.call_id == "toolu_1" && !result.is_error)
    );
    assert!(matches!(&results[1].content, Content::ToolResult(result) if result.is_error && result.parts.len() == 2));
    assert!(matches!(&results[2].content, Content::Text(_)));
    assert!(results[1].cache.is_some());
}

#[test]
fn what_only_anthropic_does_is_unknown_by_its_path() {
    assert_eq!(
        unknown(with(
            "tools",
            json!([{"name": "a", "input_schema": {}}, {"type": "web_search_20250305", "name": "web_search"}])
        )),
        ["tools[1]"]
    );
    assert_eq!(unknown(with("mcp_servers", json!([{"type": "url"}]))), ["mcp_servers"]);
    assert_eq!(unknown(with("container", json!("c"))), ["container"]);
    assert_eq!(unknown(with("inference_geo", json!("us"))), ["inference_geo"]);
    assert_eq!(
        unknown(with("context_management", json!({"edits": [{"type": "compact_20260112"}]}))),
        ["context_management.edits[0]"]
    );
    assert_eq!(unknown(with("output_config", json!({"task_budget": {"total": 1}}))), ["output_config.task_budget"]);
    assert_eq!(unknown(with("thinking", json!({"type": "between_tools"}))), ["thinking.type"]);
    assert_eq!(
        unknown(with("tools", json!([{"name": "a", "input_examples": [{}], "allowed_callers": ["direct"]}]))),
        ["tools[0].input_examples"]
    );
}

#[test]
fn unknown_keys_and_blocks_are_named_at_any_depth() {
    let body = user(json!([
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
        {"type": "text", "text": "a", "shade": 1, "nothing": null},
        {"type": "image", "source": {"type": "url", "url": "https://a/b.png", "width": 3}},
        {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "tool_reference", "tool_name": "x"}]},
    ]));
    assert_eq!(
        unknown(body),
        [
            "messages[0].content[0]",
            "messages[0].content[1].shade",
            "messages[0].content[2].source.width",
            "messages[0].content[3].content[0]"
        ]
    );
}

#[test]
fn wrong_types_are_refused_by_their_path() {
    for (body, field) in [
        (user(json!(3)), "messages[0].content"),
        (user(json!(["x"])), "messages[0].content[0]"),
        (user(json!([{"type": "text"}])), "messages[0].content[0].text"),
        (with("max_tokens", json!(-1)), "max_tokens"),
        (with("system", json!(1)), "system"),
        (with("tools", json!({})), "tools"),
        (with("tool_choice", json!({"type": "maybe"})), "tool_choice.type"),
        (with("tool_choice", json!({"type": "tool"})), "tool_choice.name"),
        (with("thinking", json!({"type": "enabled"})), "thinking.budget_tokens"),
        (with("stop_sequences", json!([1])), "stop_sequences[0]"),
        (json!({"messages": [{"role": "user", "content": "x"}]}), "model"),
        (json!({"model": "m"}), "messages"),
        (json!({"model": "m", "messages": []}), "messages"),
        (json!({"model": "m", "messages": [{"role": "robot", "content": "x"}]}), "messages[0].role"),
        (user(json!([{"type": "tool_use", "id": "a", "name": "b", "input": "{}"}])), "messages[0].content[0].input"),
    ] {
        assert_eq!(read(body).expect_err(field).field, field);
    }
}

#[test]
fn results_in_several_messages_join_before_the_rest() {
    let call = read(json!({"model": "m", "messages": [
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a"}, {"type": "text", "text": "t"}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "b", "content": ""}]},
        {"role": "user", "content": "next"}]}))
    .expect("a call");
    assert_eq!(call.turns.len(), 2);
    let ids: Vec<_> = call.turns[0]
        .parts
        .iter()
        .map(|part| if let Content::ToolResult(result) = &part.content { result.call_id.as_str() } else { "text" })
        .collect();
    assert_eq!(ids, ["a", "b", "text"]);
}

#[test]
fn a_system_message_in_the_middle_keeps_its_place() {
    let call = read(json!({"model": "m", "system": "s", "messages": [
        {"role": "user", "content": "a"}, {"role": "system", "content": "b"}, {"role": "user", "content": ""}]}))
    .expect("a call");
    let roles: Vec<_> = call.turns.iter().map(|turn| turn.role).collect();
    assert_eq!(roles, [Role::System, Role::User, Role::System]);
}

#[test]
fn thoughts_come_back_to_their_makers() {
    let call = read(json!({"model": "m", "messages": [{"role": "assistant", "content": [
        {"type": "thinking", "thinking": "own", "signature": "c2ln"},
        {"type": "thinking", "thinking": "sum", "signature": "lotse.responses.enc"},
        {"type": "redacted_thinking", "data": "lotse.converse.zzz"},
        {"type": "redacted_thinking", "data": "lotse.call.gemini.thought.sig"},
        {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
        {"type": "tool_use", "id": "b", "name": "f", "input": {}, "signature": "lotse.gemini.two"},
        {"type": "thinking", "thinking": "", "signature": ""}]}]}))
    .expect("a call");
    let parts: Vec<_> = call.turns[0].parts.iter().map(|part| &part.content).collect();
    let signed = |maker, value: &str| Some(Signature { maker, value: value.to_owned() });
    assert_eq!(parts.len(), 5);
    assert!(matches!(parts[0], Content::Thinking(t) if t.signature == signed(Format::Messages, "c2ln") && !t.redacted));
    assert!(matches!(parts[1], Content::Thinking(t) if t.signature == signed(Format::Responses, "enc") && t.redacted));
    assert!(matches!(parts[2], Content::Thinking(t) if t.signature == signed(Format::Converse, "zzz") && t.redacted));
    assert!(matches!(parts[3], Content::ToolCall(c) if c.signature == signed(Format::Gemini, "thought.sig")));
    assert!(matches!(parts[4], Content::ToolCall(c) if c.signature == signed(Format::Gemini, "two")));
}

#[test]
fn thinking_and_effort_are_one_wish() {
    let reasoning = |thinking: Value, effort: Value| {
        let mut body = with("thinking", thinking);
        body["output_config"] = json!({"effort": effort});
        read(body).expect("a call").reasoning
    };
    let disabled = reasoning(json!({"type": "disabled"}), json!("max")).expect("a wish");
    assert_eq!(disabled.effort.as_deref(), Some("none"));
    let adaptive = reasoning(json!({"type": "adaptive", "display": "summarized"}), json!("low")).expect("a wish");
    assert_eq!((adaptive.adaptive, adaptive.effort.as_deref()), (true, Some("low")));
    assert_eq!(adaptive.summary.as_deref(), Some("summarized"));
    let budget = reasoning(json!({"type": "enabled", "budget_tokens": 2000}), Value::Null).expect("a wish");
    assert_eq!(budget.budget_tokens, Some(2000));
    assert_eq!(reasoning(Value::Null, Value::Null), None);
}

#[test]
fn tools_choices_and_forms_of_the_answer_are_read() {
    let mut body = with(
        "tools",
        json!([{"name": "a"}, {"type": "custom", "name": "b", "strict": true, "input_schema": {"type": "object"}}]),
    );
    body["tool_choice"] = json!({"type": "any", "disable_parallel_tool_use": true});
    body["output_config"] = json!({"format": {"type": "json_schema", "schema": {"type": "object"}}});
    body["service_tier"] = json!("standard_only");
    body["cache_control"] = json!({"type": "ephemeral"});
    let call = read(body).expect("a call");
    assert_eq!(call.tools[0].input, ToolInput::Function { schema: None, strict: None });
    assert!(matches!(&call.tools[1].input, ToolInput::Function { schema: Some(_), strict: Some(true) }));
    assert_eq!((call.tool_choice, call.parallel_tool_calls), (Some(ToolChoice::Required), Some(false)));
    assert!(matches!(call.output, Some(OutputForm::JsonSchema { strict: None, .. })));
    assert_eq!(call.hints.service_tier.as_deref(), Some("default"));
    assert_eq!(call.turns[0].parts[0].cache, Some(CacheBreakpoint::default()));
}

#[test]
fn documents_of_every_source_are_read() {
    let call = read(user(json!([
        {"type": "document", "title": "T", "citations": {"enabled": true}, "source": {"type": "text", "media_type": "text/plain", "data": "x"}},
        {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}},
        {"type": "search_result", "source": "https://a", "title": "R", "content": [{"type": "text", "text": "found"}]},
        {"type": "document", "source": {"type": "file", "file_id": "f"}},
    ])))
    .expect("a call");
    assert_eq!(call.unknown, []);
    let media: Vec<_> = call.turns[0]
        .parts
        .iter()
        .map(|part| {
            let Content::File { media, .. } = &part.content else { panic!("a document") };
            media.clone()
        })
        .collect();
    assert_eq!(media[0], Media::Text("x".to_owned()));
    assert_eq!(media[1], Media::Text("a\nb".to_owned()));
    assert_eq!(media[2], Media::Text("https://a\n\nfound".to_owned()));
    assert_eq!(media[3], Media::Id("f".to_owned()));
}
