//! What callers send, as neutral calls; neutral calls, as providers get them; and both ways in a row.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{echo, read, write};
use crate::format::call::{
    CacheBreakpoint, Content, Media, ModelCall, OutputForm, Part, Reasoning, Role, Sampling, Signature, Thinking, Tool,
    ToolCall, ToolChoice, ToolInput, ToolResult, Turn,
};
use crate::format::loss::{Feature, Losses, Lost};
use crate::format::responses::own::own as own_of;
use crate::format::{Format, Invalid};

fn object(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).expect("an object")
}

fn call(body: Value) -> ModelCall {
    read(object(body)).expect("a call")
}

fn invalid(body: Value) -> Invalid {
    read(object(body)).expect_err("no call")
}

fn input(items: &Value) -> ModelCall {
    call(json!({"model": "m", "input": items}))
}

/// What nobody knows, by its name; in which order it stands is nobody's business.
fn unknown(call: &ModelCall) -> Vec<&str> {
    let mut paths: Vec<_> = call.unknown.iter().map(|(path, _)| path.as_str()).collect();
    paths.sort_unstable();
    paths
}

fn written(call: &ModelCall) -> (Value, Losses) {
    let mut losses = Losses::default();
    let body = serde_json::from_slice(&write(call, &mut losses)).expect("JSON");
    (body, losses)
}

fn turn(role: Role, parts: Vec<Part>) -> Turn {
    Turn { role, name: None, parts }
}

fn tool_call(id: &str, name: &str, arguments: &str, custom: bool) -> Part {
    let (id, name, arguments) = (id.to_owned(), name.to_owned(), arguments.to_owned());
    Part::new(Content::ToolCall(ToolCall { id, name, arguments, custom, signature: None }))
}

fn result(id: &str, parts: Vec<Part>) -> Part {
    Part::new(Content::ToolResult(ToolResult { call_id: id.to_owned(), parts, is_error: false }))
}

/// A second request of Codex CLI, as it sends it.
fn codex() -> Value {
    json!({
        "model": "gpt-5-codex",
        "instructions": "You are Codex.",
        "input": [
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "<permissions>"}]},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "<environment>"}]},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "list, then patch"}]},
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "**Listing**"}], "content": null,
             "encrypted_content": "lotse.messages.c2ln"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I look."}], "phase": "commentary"},
            {"type": "function_call", "name": "shell", "arguments": "{\"command\":[\"ls\"]}", "call_id": "call_1"},
            {"type": "custom_tool_call", "status": "completed", "call_id": "call_2", "name": "apply_patch", "input": "*** Begin Patch"},
            {"type": "function_call_output", "call_id": "call_1", "output": "a.rs\n"},
            {"type": "custom_tool_call_output", "call_id": "call_2", "output": "Success"}
        ],
        "tools": [
            {"type": "function", "name": "shell", "description": "Runs.", "strict": false,
             "parameters": {"type": "object", "properties": {"command": {"type": "array", "items": {"type": "string"}}}, "required": ["command"], "additionalProperties": false}},
            {"type": "custom", "name": "apply_patch", "description": "Patches.",
             "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"}}
        ],
        "tool_choice": "auto",
        "parallel_tool_calls": false,
        "reasoning": {"effort": "medium", "summary": "auto"},
        "store": false,
        "stream": true,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "0199",
        "text": {"verbosity": "low"},
        "client_metadata": {"x-codex-installation-id": "1"}
    })
}

#[test]
fn what_codex_sends_is_understood_whole() {
    let call = call(codex());

    assert_eq!(call.unknown, []);
    assert_eq!(call.state, None);
    assert!(call.stream);
    let signature = Signature { maker: Format::Messages, value: "c2ln".to_owned() };
    let thinking = Thinking { text: "**Listing**".to_owned(), signature: Some(signature), redacted: false, id: None };
    assert_eq!(
        call.turns,
        [
            turn(Role::System, vec![Part::text("You are Codex.")]),
            turn(Role::Developer, vec![Part::text("<permissions>")]),
            turn(Role::User, vec![Part::text("<environment>")]),
            turn(Role::User, vec![Part::text("list, then patch")]),
            turn(
                Role::Assistant,
                vec![
                    Part::new(Content::Thinking(thinking)),
                    Part::text("I look."),
                    tool_call("call_1", "shell", r#"{"command":["ls"]}"#, false),
                    tool_call("call_2", "apply_patch", "*** Begin Patch", true),
                ]
            ),
            turn(
                Role::User,
                vec![result("call_1", vec![Part::text("a.rs\n")]), result("call_2", vec![Part::text("Success")])]
            ),
        ]
    );
    assert_eq!(call.tools.len(), 2);
    assert_eq!(
        call.tools[1].input,
        ToolInput::Custom { format: Some(json!({"type": "grammar", "syntax": "lark", "definition": "start: x"})) }
    );
    assert!(matches!(&call.tools[0].input, ToolInput::Function { schema: Some(_), strict: Some(false) }));
    assert_eq!(call.tool_choice, Some(ToolChoice::Auto));
    assert_eq!(call.parallel_tool_calls, Some(false));
    let reasoning =
        Reasoning { effort: Some("medium".to_owned()), summary: Some("auto".to_owned()), ..Reasoning::default() };
    assert_eq!(call.reasoning, Some(reasoning));
    assert_eq!(call.verbosity.as_deref(), Some("low"));
    assert_eq!(call.hints.store, Some(false));
    assert_eq!(call.hints.prompt_cache_key.as_deref(), Some("0199"));
    assert_eq!(call.hints.other, ["include.reasoning.encrypted_content", "client_metadata", "input[].phase"]);
}

#[test]
fn hosted_tools_are_unknown_by_their_type() {
    let call = call(json!({"model": "m", "input": "x", "tools": [
        {"type": "function", "name": "f", "parameters": null},
        {"type": "web_search", "external_web_access": false},
        {"type": "local_shell"},
        {"type": "file_search", "vector_store_ids": ["vs_1"]},
        {"type": "mcp", "server_label": "s", "server_url": "https://example.com"}
    ], "tool_choice": {"type": "web_search"}}));

    assert_eq!(
        unknown(&call),
        [
            "tool_choice.web_search",
            "tools[1].web_search",
            "tools[2].local_shell",
            "tools[3].file_search",
            "tools[4].mcp"
        ]
    );
    assert_eq!(call.tools.len(), 1);
    assert_eq!(call.tools[0].input, ToolInput::Function { schema: None, strict: None });
}

#[test]
fn the_easy_form_and_a_bare_string_are_messages() {
    assert_eq!(call(json!({"model": "m", "input": "hi"})).turns, [turn(Role::User, vec![Part::text("hi")])]);
    assert_eq!(
        input(&json!([{"role": "system", "content": "s"}, {"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}])).turns,
        [
            turn(Role::System, vec![Part::text("s")]),
            turn(Role::User, vec![Part::text("u")]),
            turn(Role::Assistant, vec![Part::text("a")]),
        ]
    );
}

#[test]
fn an_answer_that_an_sdk_sends_back_asks_for_nothing_new() {
    let call = input(&json!([
        {"id": "rs_1", "type": "reasoning", "summary": [], "status": null},
        {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "phase": null, "content": [
            {"type": "output_text", "text": "a", "annotations": [{"type": "url_citation", "url": "https://a"}], "logprobs": [], "parsed": null},
            {"type": "refusal", "refusal": "no"}]},
        {"id": "fc_1", "type": "function_call", "call_id": "c", "name": "f", "arguments": "", "status": "completed", "parsed_arguments": {}},
        {"type": "function_call_output", "call_id": "c", "output": [
            {"type": "input_text", "text": "t"}, {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}]}
    ]));

    assert_eq!(call.unknown, []);
    assert_eq!(call.hints.other, ["input[].reasoning"]);
    let image = Content::Image {
        media: Media::Inline { mime: "image/png".to_owned(), base64: "AAAA".to_owned() },
        detail: None,
    };
    assert_eq!(
        call.turns,
        [
            turn(
                Role::Assistant,
                vec![Part::text("a"), Part::new(Content::Refusal("no".to_owned())), tool_call("c", "f", "{}", false)]
            ),
            turn(Role::User, vec![result("c", vec![Part::text("t"), Part::new(image)])]),
        ]
    );
}

#[test]
fn results_stand_behind_the_turn_that_called() {
    let call = input(&json!([
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
        {"type": "function_call", "call_id": "b", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": "1"},
        {"type": "message", "role": "user", "content": "meanwhile"},
        {"type": "function_call_output", "call_id": "b", "output": "2"},
        {"type": "message", "role": "assistant", "content": "done"},
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": "3"},
        {"type": "message", "role": "assistant", "content": "end"},
        {"type": "function_call_output", "call_id": "nobody", "output": "4"}
    ]));

    assert_eq!(
        call.turns,
        [
            turn(Role::Assistant, vec![tool_call("a", "f", "{}", false), tool_call("b", "f", "{}", false)]),
            turn(Role::User, vec![result("a", vec![Part::text("1")]), result("b", vec![Part::text("2")])]),
            turn(Role::User, vec![Part::text("meanwhile")]),
            turn(Role::Assistant, vec![Part::text("done"), tool_call("a", "f", "{}", false)]),
            turn(Role::User, vec![result("a", vec![Part::text("3")])]),
            turn(Role::Assistant, vec![Part::text("end")]),
            turn(Role::User, vec![result("nobody", vec![Part::text("4")])]),
        ]
    );
}

#[test]
fn the_signature_of_a_call_comes_back_to_its_call() {
    let call = input(&json!([
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "lotse.call.gemini.c2ln"},
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
        {"type": "function_call", "call_id": "b", "name": "f", "arguments": "{}"}
    ]));

    let signatures: Vec<_> = call.turns[0]
        .parts
        .iter()
        .map(|part| {
            let Content::ToolCall(call) = &part.content else { panic!("no call: {part:?}") };
            call.signature.clone()
        })
        .collect();
    assert_eq!(signatures, [Some(Signature { maker: Format::Gemini, value: "c2ln".to_owned() }), None]);
}

#[test]
fn proven_but_hidden_thoughts_are_told_from_encrypted_ones() {
    let thoughts = |summary: Value| {
        let call = input(&json!([{"type": "reasoning", "summary": summary, "encrypted_content": "lotse.messages.x"}]));
        let part = &call.turns[0].parts[0];
        let Content::Thinking(thinking) = &part.content else { panic!("no thoughts: {part:?}") };
        (thinking.text.clone(), thinking.redacted)
    };

    assert_eq!(thoughts(json!([])), (String::new(), true));
    assert_eq!(thoughts(json!([{"type": "summary_text", "text": ""}])), (String::new(), false));
    assert_eq!(
        thoughts(json!([{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}])),
        ("a\n\nb".to_owned(), false)
    );
}

#[test]
fn references_to_kept_state_are_state() {
    let state = |body: Value| call(body).state.map(|(name, id)| format!("{name}={id}"));

    assert_eq!(
        state(json!({"model": "m", "previous_response_id": "resp_1"})).as_deref(),
        Some("previous_response_id=resp_1")
    );
    assert_eq!(
        state(json!({"model": "m", "input": [], "conversation": {"id": "conv_1"}})).as_deref(),
        Some("conversation=conv_1")
    );
    assert_eq!(state(json!({"model": "m", "prompt": {"id": "pmpt_1"}})).as_deref(), Some("prompt=pmpt_1"));
    assert_eq!(
        state(json!({"model": "m", "input": [{"role": "user", "content": "x"}, {"id": "msg_1"}]})).as_deref(),
        Some("input[1].item_reference=msg_1")
    );
    let both = call(
        json!({"model": "m", "previous_response_id": "r", "input": [{"type": "item_reference", "id": "i"}], "background": true}),
    );
    assert_eq!(unknown(&both), ["background", "input[0].item_reference"]);
}

#[test]
fn keys_that_nobody_knows_are_named_at_any_depth() {
    let call = call(json!({
        "model": "m",
        "context_management": [{"type": "compaction"}],
        "moderation": null,
        "input": [
            {"type": "message", "role": "user", "x": 1, "content": [{"type": "input_text", "text": "t", "foo": 1, "bar": null}, {"type": "computer_screenshot", "image_url": "u"}]},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "namespace": "n", "caller": {"type": "program"}},
            {"type": "web_search_call", "id": "ws_1"},
            {"type": "compaction", "encrypted_content": "x"},
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "t", "y": 1}]}
        ],
        "text": {"a": 1, "format": {"type": "json_object", "b": 1}},
        "reasoning": {"effort": "low", "mode": "pro"},
        "stream_options": {"include_obfuscation": false, "c": 1},
        "tools": [{"type": "function", "name": "f", "d": 1, "defer_loading": true}],
        "tool_choice": {"type": "function", "name": "f", "e": 1},
        "include": ["f"],
        "seed": 1
    }));

    assert_eq!(
        unknown(&call),
        [
            "context_management",
            "include[0]",
            "input[0].content[0].foo",
            "input[0].content[1].computer_screenshot",
            "input[0].x",
            "input[1].caller",
            "input[1].namespace",
            "input[2].web_search_call",
            "input[3].compaction",
            "input[4].summary[0].y",
            "reasoning.mode",
            "seed",
            "stream_options.c",
            "text.a",
            "text.format.b",
            "tool_choice.e",
            "tools[0].d",
            "tools[0].defer_loading",
        ]
    );
    assert_eq!(call.hints.other, ["stream_options.include_obfuscation"]);
}

#[test]
fn wrong_types_are_said_where_they_stand() {
    let cases = [
        (json!({"input": "x"}), "model", "is required"),
        (json!({"model": 1}), "model", "must be a string"),
        (json!({"model": "m"}), "input", "is required"),
        (json!({"model": "m", "input": 1}), "input", "must be a string or a list of items"),
        (json!({"model": "m", "input": ["x"]}), "input[0]", "must be an object"),
        (
            json!({"model": "m", "input": [{"type": "message", "role": "tool", "content": "x"}]}),
            "input[0].role",
            "must be user, assistant, system or developer",
        ),
        (
            json!({"model": "m", "input": [{"role": "user", "content": 1}]}),
            "input[0].content",
            "must be a string or a list of parts",
        ),
        (
            json!({"model": "m", "input": [{"role": "user", "content": [{"type": "input_text"}]}]}),
            "input[0].content[0].text",
            "is required",
        ),
        (
            json!({"model": "m", "input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}),
            "input[0].call_id",
            "is required",
        ),
        (
            json!({"model": "m", "input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": {}}]}),
            "input[0].arguments",
            "must be a string",
        ),
        (
            json!({"model": "m", "input": [{"type": "function_call_output", "call_id": "c"}]}),
            "input[0].output",
            "is required",
        ),
        (json!({"model": "m", "input": "x", "tools": {}}), "tools", "must be a list"),
        (json!({"model": "m", "input": "x", "tools": [{"type": "function"}]}), "tools[0].name", "is required"),
        (
            json!({"model": "m", "input": "x", "max_output_tokens": -1}),
            "max_output_tokens",
            "must be a whole number that is not negative",
        ),
        (
            json!({"model": "m", "input": "x", "text": {"format": {"type": "json_schema", "name": "n"}}}),
            "text.format.schema",
            "is required",
        ),
        (
            json!({"model": "m", "input": "x", "tool_choice": "any"}),
            "tool_choice",
            "must be auto, none, required or an object",
        ),
        (json!({"model": "m", "conversation": 1}), "conversation", "must have an id"),
    ];
    for (body, field, message) in cases {
        assert_eq!(invalid(body), Invalid::new(field, message));
    }
}

#[test]
fn pictures_documents_and_sound_are_read_from_where_they_are() {
    let call = input(&json!([{"role": "user", "content": [
        {"type": "input_image", "image_url": "https://a/b.png", "detail": "low"},
        {"type": "input_image", "file_id": "file_1"},
        {"type": "input_image", "image_url": {"url": "data:image/png;charset=x;base64,QQ=="}},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,QQ=="},
        {"type": "input_file", "filename": "a.CSV", "file_data": "QQ=="},
        {"type": "input_file", "file_url": "https://a/b.pdf"},
        {"type": "input_audio", "input_audio": {"data": "QQ==", "format": "wav"}},
        {"type": "input_text", "text": "t", "prompt_cache_breakpoint": {"mode": "explicit"}}
    ]}]));

    let inline = |mime: &str| Media::Inline { mime: mime.to_owned(), base64: "QQ==".to_owned() };
    let image = |media, detail: Option<&str>| Content::Image { media, detail: detail.map(str::to_owned) };
    let file = |media, name: Option<&str>| Content::File { media, name: name.map(str::to_owned), citations: false };
    let contents: Vec<_> = call.turns[0].parts.iter().map(|part| part.content.clone()).collect();
    assert_eq!(
        contents,
        [
            image(Media::Url("https://a/b.png".to_owned()), Some("low")),
            image(Media::Id("file_1".to_owned()), None),
            image(inline("image/png"), None),
            file(inline("application/pdf"), Some("a.pdf")),
            file(inline("text/csv"), Some("a.CSV")),
            file(Media::Url("https://a/b.pdf".to_owned()), None),
            Content::Audio { data: "QQ==".to_owned(), format: "wav".to_owned() },
            Content::Text("t".to_owned()),
        ]
    );
    assert_eq!(call.turns[0].parts[7].cache, Some(CacheBreakpoint::default()));
    assert_eq!(call.unknown, []);
}

#[test]
fn log_probabilities_are_wanted_by_either_field() {
    let logprobs = |mut body: Value| {
        body["model"] = json!("m");
        body["input"] = json!("x");
        call(body).logprobs
    };

    assert_eq!(logprobs(json!({})), None);
    assert_eq!(logprobs(json!({"top_logprobs": 0})), None);
    assert_eq!(logprobs(json!({"top_logprobs": 3})), Some(3));
    assert_eq!(logprobs(json!({"include": ["message.output_text.logprobs"]})), Some(0));
    assert_eq!(logprobs(json!({"include": ["message.output_text.logprobs"], "top_logprobs": 2})), Some(2));
}

#[test]
fn a_chat_call_goes_out_stateless_and_flat() {
    let call = ModelCall {
        model: "gpt".to_owned(),
        stream: true,
        include_usage: true,
        turns: vec![
            turn(Role::System, vec![Part::text("s")]),
            turn(Role::User, vec![Part::text("u")]),
            turn(Role::Assistant, vec![Part::text(""), tool_call("c", "f", "", false)]),
            turn(Role::User, vec![result("c", vec![Part::text("r")])]),
        ],
        tools: vec![Tool {
            name: "f".to_owned(),
            description: None,
            input: ToolInput::Function { schema: None, strict: None },
            cache: None,
        }],
        tool_choice: Some(ToolChoice::Tool("f".to_owned())),
        max_tokens: Some(5),
        reasoning: Some(Reasoning { budget_tokens: Some(4096), ..Reasoning::default() }),
        ..ModelCall::default()
    };

    let (body, losses) = written(&call);

    assert_eq!(
        body,
        json!({
            "model": "gpt",
            "instructions": "s",
            "input": [
                {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "u"}]},
                {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c", "output": "r"}
            ],
            "tools": [{"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}, "strict": false}],
            "tool_choice": {"type": "function", "name": "f"},
            "max_output_tokens": 16,
            "reasoning": {"effort": "medium"},
            "include": ["reasoning.encrypted_content"],
            "store": false,
            "stream": true
        })
    );
    assert_eq!(losses.lost, []);
    assert_eq!(losses.changed, [Feature::ReasoningBudget, Feature::MaxTokens]);
}

#[test]
fn what_has_no_field_is_lost_by_name() {
    let call = ModelCall {
        model: "m".to_owned(),
        turns: vec![
            Turn { role: Role::User, name: Some("ada".to_owned()), parts: vec![Part::text("u")] },
            turn(Role::Assistant, vec![Part::text("so")]),
        ],
        sampling: Sampling {
            top_k: Some(1.into()),
            seed: Some(1.into()),
            presence_penalty: Some(1.into()),
            frequency_penalty: Some(1.into()),
            logit_bias: Some(json!({})),
            ..Sampling::default()
        },
        stop: vec!["x".to_owned()],
        choices: Some(2),
        state: Some(("previous_response_id".to_owned(), "r".to_owned())),
        unknown: vec![("prediction".to_owned(), json!({}))],
        ..ModelCall::default()
    };
    let mut call = call;
    call.hints.other = vec!["verbosity_x".to_owned()];
    call.hints.user = Some("u".repeat(65));
    call.hints.service_tier = Some("standard_only".to_owned());

    let (body, losses) = written(&call);

    assert_eq!(body["store"], json!(false));
    assert_eq!(body.get("user"), None);
    let mut lost = losses.lost;
    let features = [
        Feature::Stop,
        Feature::Choices,
        Feature::State,
        Feature::TopK,
        Feature::Seed,
        Feature::PresencePenalty,
        Feature::FrequencyPenalty,
        Feature::LogitBias,
        Feature::Prefill,
        Feature::ParticipantName,
        Feature::User,
        Feature::ServiceTier,
    ];
    for feature in features {
        let position = lost.iter().position(|lost| *lost == Lost::Feature(feature));
        lost.remove(position.unwrap_or_else(|| panic!("{feature:?} is not lost")));
    }
    assert_eq!(lost, [Lost::Unknown("prediction".to_owned()), Lost::Hint("verbosity_x".to_owned())]);
}

#[test]
fn only_thoughts_of_this_dialect_go_back_and_only_before_what_they_led_to() {
    let thinking = |maker: Format| {
        Part::new(Content::Thinking(Thinking {
            text: "t".to_owned(),
            signature: Some(Signature { maker, value: "v".to_owned() }),
            redacted: false,
            id: None,
        }))
    };
    let write = |parts: Vec<Part>| {
        let turns = vec![turn(Role::Assistant, parts), turn(Role::User, vec![Part::text("u")])];
        let (body, losses) = written(&ModelCall { model: "m".to_owned(), turns, ..ModelCall::default() });
        (body["input"][0]["type"].clone(), losses.lost)
    };

    let own = write(vec![thinking(Format::Responses), Part::text("a")]);
    assert_eq!(own, (json!("reasoning"), vec![]));
    let lost = vec![Lost::Feature(Feature::Thinking)];
    assert_eq!(write(vec![thinking(Format::Messages), Part::text("a")]), (json!("message"), lost.clone()));
    assert_eq!(write(vec![thinking(Format::Responses)]), (json!("message"), lost));
}

#[test]
fn a_failed_tool_says_so_in_its_text() {
    let failed = |parts: Vec<Part>| {
        let failed = ToolResult { call_id: "c".to_owned(), parts, is_error: true };
        let turns = vec![turn(Role::User, vec![Part::new(Content::ToolResult(failed))])];
        let (body, losses) = written(&ModelCall { model: "m".to_owned(), turns, ..ModelCall::default() });
        assert_eq!(losses.changed, [Feature::ToolResultError]);
        body["input"][0]["output"].clone()
    };

    assert_eq!(failed(vec![Part::text("gone")]), json!("Error: gone"));
    assert_eq!(failed(vec![]), json!("Error"));
    assert_eq!(
        failed(vec![Part::text("a"), Part::text("b")]),
        json!([{"type": "input_text", "text": "Error:"}, {"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}])
    );
}

#[test]
fn an_echo_has_what_an_answer_must_have() {
    let echo = echo(&object(json!({
        "model": "m", "input": "x", "store": true, "previous_response_id": "r", "temperature": 0.5, "user": null,
        "tools": [{"type": "function", "name": "f"}, {"type": "web_search"}], "text": {"verbosity": "low"},
        "reasoning": {"effort": "low"}, "instructions": "i"
    })));

    assert_eq!(
        Value::Object(echo),
        json!({
            "instructions": "i",
            "temperature": 0.5,
            "tools": [{"type": "function", "name": "f", "parameters": null, "strict": null}, {"type": "web_search"}],
            "text": {"verbosity": "low", "format": {"type": "text"}},
            "reasoning": {"effort": "low", "summary": null}
        })
    );
}

#[test]
fn thoughts_that_others_signed_are_taken_out_of_a_call_that_passes() {
    let reasoning = |encrypted: Value| json!({"type": "reasoning", "summary": [], "encrypted_content": encrypted});
    let body = json!({"input": [
        reasoning(json!("gAAA")), reasoning(json!("lotse.messages.x")), reasoning(json!("lotse.call.gemini.x")),
        reasoning(json!(null)), {"role": "user", "content": "u", "encrypted_content": "lotse.messages.x"}
    ]});

    let (own, losses) = own_of(body.to_string().as_bytes()).expect("less");
    let left: Value = serde_json::from_slice(&own).expect("JSON");
    assert_eq!(left["input"], json!([body["input"][0], body["input"][3], body["input"][4]]));
    assert_eq!(losses.lost, [Lost::Feature(Feature::Thinking)]);
    assert_eq!(own_of(&own), None);
    assert_eq!(own_of(br#"{"input":"\"lotse."}"#), None);
}

fn word() -> impl Strategy<Value = String> {
    "[a-zäß \"\\\\\n]{1,12}"
}

fn media() -> impl Strategy<Value = Media> {
    prop_oneof![
        "[A-Za-z0-9+/]{4,8}".prop_map(|base64| Media::Inline { mime: "image/png".to_owned(), base64 }),
        word().prop_map(|path| Media::Url(format!("https://example.com/{path}"))),
        word().prop_map(Media::Id),
    ]
}

fn said() -> impl Strategy<Value = Part> {
    prop_oneof![
        word().prop_map(Part::text),
        media().prop_map(|media| Part::new(Content::Image { media, detail: Some("low".to_owned()) })),
        (media(), word())
            .prop_map(|(media, name)| { Part::new(Content::File { media, name: Some(name), citations: false }) }),
    ]
}

fn thinking() -> impl Strategy<Value = Part> {
    (proptest::option::of(word()), word(), proptest::option::of(word())).prop_map(|(text, value, id)| {
        let text = text.unwrap_or_default();
        let signature = Some(Signature { maker: Format::Responses, value });
        Part::new(Content::Thinking(Thinking { text, signature, redacted: true, id }))
    })
}

/// What the user says, and what comes of it: a text, or calls and their results.
fn exchange() -> impl Strategy<Value = Vec<Turn>> {
    let output = prop_oneof![word().prop_map(|text| vec![Part::text(text)]), proptest::collection::vec(said(), 2..3)];
    let calls = proptest::collection::vec((word(), word(), any::<bool>(), output), 0..3);
    (proptest::collection::vec(said(), 1..4), proptest::option::of(thinking()), word(), calls).prop_map(
        |(said, thinking, text, calls)| {
            let mut parts: Vec<_> = thinking.into_iter().collect();
            parts.push(Part::text(text));
            let mut results = Vec::new();
            for (index, (name, arguments, custom, output)) in calls.into_iter().enumerate() {
                let id = format!("call_{index}");
                parts.push(tool_call(&id, &name, &format!("x{arguments}"), custom));
                results.push(result(&id, output));
            }
            let mut turns = vec![turn(Role::User, said), turn(Role::Assistant, parts)];
            if !results.is_empty() {
                turns.push(turn(Role::User, results));
            }
            turns
        },
    )
}

fn tools() -> impl Strategy<Value = Vec<Tool>> {
    let input = prop_oneof![
        any::<bool>().prop_map(|strict| ToolInput::Function {
            schema: Some(json!({"type": "object", "properties": {"a": {"type": "string"}}})),
            strict: Some(strict)
        }),
        Just(ToolInput::Custom { format: Some(json!({"type": "grammar", "syntax": "regex", "definition": "a"})) }),
        Just(ToolInput::Custom { format: None }),
    ];
    let tool = (word(), proptest::option::of(word()), input).prop_map(|(name, description, input)| Tool {
        name,
        description,
        input,
        cache: None,
    });
    proptest::collection::vec(tool, 0..3)
}

fn choice() -> impl Strategy<Value = ToolChoice> {
    prop_oneof![
        Just(ToolChoice::Auto),
        Just(ToolChoice::None),
        Just(ToolChoice::Required),
        word().prop_map(ToolChoice::Tool),
        (any::<bool>(), proptest::collection::vec(word(), 0..3))
            .prop_map(|(required, names)| ToolChoice::Allowed { required, names }),
    ]
}

fn form() -> impl Strategy<Value = OutputForm> {
    prop_oneof![
        Just(OutputForm::Text),
        Just(OutputForm::JsonObject),
        (word(), proptest::option::of(any::<bool>())).prop_map(|(name, strict)| OutputForm::JsonSchema {
            name: Some(name),
            description: None,
            schema: json!({"type": "object"}),
            strict
        }),
    ]
}

prop_compose! {
    fn calls()(
        model in "[a-z]{1,8}",
        stream in any::<bool>(),
        instructions in proptest::option::of(word()),
        exchanges in proptest::collection::vec(exchange(), 0..3),
        last in proptest::collection::vec(said(), 1..3),
        tools in tools(),
        tool_choice in proptest::option::of(choice()),
        output in proptest::option::of(form()),
        numbers in (proptest::option::of(16u64..9999), proptest::option::of(0u64..9), any::<Option<bool>>(), any::<bool>()),
        texts in (proptest::option::of(word()), proptest::option::of(word()), proptest::option::of(word())),
    ) -> ModelCall {
        let system = instructions.map(|text| turn(Role::System, vec![Part::text(text)]));
        let turns = system.into_iter().chain(exchanges.into_iter().flatten()).chain([turn(Role::User, last)]).collect();
        let (max_tokens, logprobs, parallel_tool_calls, store) = numbers;
        let (verbosity, effort, user) = texts;
        let mut call = ModelCall {
            model, stream, include_usage: true, turns, tools, tool_choice, output, max_tokens, logprobs, parallel_tool_calls, verbosity,
            reasoning: effort.map(|effort| Reasoning { effort: Some(effort), ..Reasoning::default() }),
            ..ModelCall::default()
        };
        call.sampling.temperature = max_tokens.map(Into::into);
        call.hints.store = Some(store);
        call.hints.user = user;
        call
    }
}

proptest! {
    #[test]
    fn a_call_is_read_as_it_was_written(call in calls()) {
        let mut losses = Losses::default();
        let body = serde_json::from_slice(&write(&call, &mut losses)).expect("JSON");
        let mut again = read(object(body)).expect("a call");
        again.hints.other.clear();

        prop_assert_eq!(losses, Losses::default());
        prop_assert_eq!(again, call);
    }

    #[test]
    fn no_body_makes_a_reader_panic(text in "[\\[\\]{}\":,a-z0-9_.]{0,80}") {
        if let Ok(body) = serde_json::from_str(&text) {
            let _read = read(body);
        }
    }

    /// Whatever stands in a key's place, the answer is a call or a sentence.
    #[test]
    fn no_value_in_the_place_of_another_makes_a_reader_panic(place in 0usize..400, value in 0usize..6) {
        let mut body = codex();
        let mut left = place;
        let values = [json!(null), json!(1), json!("x"), json!([]), json!({}), json!([{"type": "x"}])];
        replace(&mut body, &mut left, &values[value]);
        if let Value::Object(body) = body {
            let _echo = echo(&body);
            if let Ok(call) = read(body) {
                let _written = write(&call, &mut Losses::default());
            }
        }
    }
}

/// Puts `value` in the place of the value that is the `left`-th from here.
fn replace(at: &mut Value, left: &mut usize, value: &Value) {
    if *left == 0 {
        *left = usize::MAX;
        *at = value.clone();
        return;
    }
    *left -= 1;
    let inner: Vec<&mut Value> = match at {
        Value::Array(list) => list.iter_mut().collect(),
        Value::Object(map) => map.values_mut().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    for at in inner {
        if *left < usize::MAX / 2 {
            replace(at, left, value);
        }
    }
}
