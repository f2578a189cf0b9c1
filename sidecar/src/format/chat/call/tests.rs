//! What callers send, what providers get, and what is said of the difference.

use proptest::prelude::*;
use serde_json::{Map, Number, Value, json};

use super::{read, write};
use crate::format::call::{
    CacheBreakpoint, Content, Hints, Media, ModelCall, OutputForm, Part, Reasoning, Role, Sampling, Signature,
    Thinking, Tool, ToolCall, ToolChoice, ToolInput, ToolResult, Turn,
};
use crate::format::chat::thoughts::{self, IN_CONTENT, IN_REASONING, IN_REASONING_CONTENT};
use crate::format::loss::{Feature, Losses, Lost};
use crate::format::{Format, Invalid};

fn body(mut value: Value) -> Map<String, Value> {
    std::mem::take(value.as_object_mut().expect("an object"))
}

fn reading(value: Value) -> ModelCall {
    read(body(value)).expect("a call")
}

fn refused(value: Value) -> Invalid {
    read(body(value)).expect_err("no call")
}

/// A call with these messages and nothing else.
fn with_messages(messages: &Value) -> ModelCall {
    reading(json!({"model": "m", "messages": messages}))
}

fn parts(messages: &Value) -> Vec<Content> {
    let turns = with_messages(messages).turns;
    turns.into_iter().flat_map(|turn| turn.parts).map(|part| part.content).collect()
}

fn written(call: &ModelCall) -> (Value, Losses) {
    let mut losses = Losses::default();
    let body = write(call, &mut losses);
    (serde_json::from_slice(&body).expect("JSON"), losses)
}

fn saying(role: Role, contents: Vec<Content>) -> ModelCall {
    let parts = contents.into_iter().map(Part::new).collect();
    let hi = Turn { role: Role::User, name: None, parts: vec![Part::text("hi")] };
    let mut turns = vec![Turn { role, name: None, parts }];
    if role == Role::Assistant {
        turns.push(hi);
    }
    ModelCall { model: "m".to_owned(), turns, ..ModelCall::default() }
}

fn call(id: &str, name: &str, arguments: &str) -> ToolCall {
    ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
        custom: false,
        signature: None,
    }
}

fn result(id: &str, parts: Vec<Part>, is_error: bool) -> Content {
    Content::ToolResult(ToolResult { call_id: id.to_owned(), parts, is_error })
}

/// A call with every field that has a place.
fn whole() -> Value {
    json!({
        "model": "gpt", "messages": [{"role": "user", "content": "hi"}],
        "stream": true, "stream_options": {"include_usage": true, "include_obfuscation": false},
        "max_completion_tokens": 512, "temperature": 0.5, "top_p": 0.9, "top_k": 40, "seed": 7,
        "presence_penalty": 0.1, "frequency_penalty": -0.1, "logit_bias": {"50256": -100},
        "logprobs": true, "top_logprobs": 5, "n": 2, "stop": ["X", ""],
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": true}},
        "tools": [
            {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": true}},
            {"type": "custom", "custom": {"name": "g", "format": {"type": "text"}}}],
        "tool_choice": {"type": "function", "function": {"name": "f"}}, "parallel_tool_calls": false,
        "reasoning_effort": "high", "verbosity": "low", "service_tier": "flex", "store": true, "metadata": {"k": "v"},
        "safety_identifier": "s", "user": "u", "prompt_cache_key": "k", "prompt_cache_retention": "24h",
        "modalities": ["text"], "audio": null,
    })
}

#[test]
fn every_field_of_a_call_finds_its_place() {
    let call = reading(whole());

    let number = |text: &str| Some(text.parse::<Number>().expect("a number"));
    assert_eq!(
        call,
        ModelCall {
            model: "gpt".to_owned(),
            stream: true,
            include_usage: true,
            turns: vec![Turn { role: Role::User, name: None, parts: vec![Part::text("hi")] }],
            tools: vec![
                Tool {
                    name: "f".to_owned(),
                    description: Some("d".to_owned()),
                    input: ToolInput::Function { schema: Some(json!({"type": "object"})), strict: Some(true) },
                    cache: None,
                },
                Tool {
                    name: "g".to_owned(),
                    description: None,
                    input: ToolInput::Custom { format: Some(json!({"type": "text"})) },
                    cache: None,
                },
            ],
            tool_choice: Some(ToolChoice::Tool("f".to_owned())),
            parallel_tool_calls: Some(false),
            output: Some(OutputForm::JsonSchema {
                name: Some("n".to_owned()),
                description: None,
                schema: json!({"type": "object"}),
                strict: Some(true),
            }),
            max_tokens: Some(512),
            sampling: Sampling {
                temperature: number("0.5"),
                top_p: number("0.9"),
                top_k: number("40"),
                seed: number("7"),
                presence_penalty: number("0.1"),
                frequency_penalty: number("-0.1"),
                logit_bias: Some(json!({"50256": -100})),
            },
            stop: vec!["X".to_owned()],
            choices: Some(2),
            logprobs: Some(5),
            reasoning: Some(Reasoning { effort: Some("high".to_owned()), ..Reasoning::default() }),
            verbosity: Some("low".to_owned()),
            hints: Hints {
                user: Some("s".to_owned()),
                metadata: Some(json!({"k": "v"})),
                service_tier: Some("flex".to_owned()),
                prompt_cache_key: Some("k".to_owned()),
                store: Some(true),
                other: ["stream_options.include_obfuscation", "stop[1]", "prompt_cache_retention", "user"]
                    .map(str::to_owned)
                    .to_vec(),
            },
            state: None,
            unknown: Vec::new(),
        }
    );
}

#[test]
fn what_all_servers_do_anyway_is_not_asked_for() {
    let call = reading(json!({
        "model": "m", "messages": [{"role": "user", "content": "hi"}], "n": 1, "presence_penalty": 0,
        "frequency_penalty": 0.0, "logit_bias": {}, "metadata": {}, "logprobs": false, "top_logprobs": 0, "tools": [],
    }));

    assert_eq!(call, saying(Role::User, vec![Content::Text("hi".to_owned())]));
}

#[test]
fn what_nobody_knows_is_named_wherever_it_stands() {
    let call = reading(json!({
        "model": "m", "min_p": 0.1, "web_search_options": {}, "modalities": ["text", "audio"], "nothing": null,
        "stream_options": {"x": 1}, "reasoning": {"effort": "low", "x": 1},
        "response_format": {"type": "json_object", "x": 1},
        "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "x": 1, "tools": [{"type": "function", "function": {"name": "f", "x": 1}}]}},
        "tools": [{"type": "web_search"}, {"type": "function", "x": 1, "function": {"name": "f", "x": 1}}],
        "messages": [
            {"role": "user", "x": 1, "content": [
                {"type": "text", "text": "hi", "x": 1, "cache_control": {"type": "ephemeral", "x": 1}},
                {"type": "image_url", "image_url": {"url": "https://a/b.png", "x": 1}},
                {"type": "video_url", "video_url": {"url": "https://a/b.mp4"}},
                {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav", "x": 1}},
                {"type": "file", "file": {"file_id": "f", "x": 1}}]},
            {"role": "assistant", "audio": {"id": "a"}, "tool_calls": [
                {"id": "c", "x": 1, "function": {"name": "f", "arguments": "{}", "x": 1}, "extra_content": {"x": 1, "google": {"x": 1}}}],
             "reasoning_details": [{"type": "reasoning.server_tool_call"}, {"type": "reasoning.text", "text": "t", "x": 1}]}],
    }));

    let mut paths: Vec<_> = call.unknown.iter().map(|(path, _)| path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(
        paths,
        [
            "messages[0].content[0].cache_control.x",
            "messages[0].content[0].x",
            "messages[0].content[1].image_url.x",
            "messages[0].content[2].video_url",
            "messages[0].content[3].input_audio.x",
            "messages[0].content[4].file.x",
            "messages[0].x",
            "messages[1].audio",
            "messages[1].reasoning_details[0]",
            "messages[1].reasoning_details[1].x",
            "messages[1].tool_calls[0].extra_content.google.x",
            "messages[1].tool_calls[0].extra_content.x",
            "messages[1].tool_calls[0].function.x",
            "messages[1].tool_calls[0].x",
            "min_p",
            "modalities",
            "reasoning.x",
            "response_format.x",
            "stream_options.x",
            "tool_choice.allowed_tools.tools[0].function.x",
            "tool_choice.allowed_tools.x",
            "tools[0].web_search",
            "tools[1].function.x",
            "tools[1].x",
            "web_search_options",
        ]
    );
    assert_eq!(written(&call).1.lost.iter().filter(|lost| matches!(lost, Lost::Unknown(_))).count(), paths.len());
}

#[test]
fn what_is_of_a_wrong_type_is_refused_by_its_name() {
    let user = json!([{"role": "user", "content": "hi"}]);
    for (value, message) in [
        (json!({"messages": user}), "`model` is required"),
        (json!({"model": "m"}), "`messages` is required"),
        (json!({"model": "m", "messages": []}), "`messages` must have at least one message"),
        (json!({"model": "m", "messages": [1]}), "`messages[0]` must be an object"),
        (
            json!({"model": "m", "messages": [{"role": "user", "content": 1}]}),
            "`messages[0].content` must be a string or a list of parts",
        ),
        (json!({"model": "m", "messages": [{"content": "hi"}]}), "`messages[0].role` is required"),
        (
            json!({"model": "m", "messages": [{"role": "tool", "content": "hi"}]}),
            "`messages[0].tool_call_id` is required",
        ),
        (json!({"model": "m", "messages": user, "n": 0}), "`n` must be at least 1"),
        (
            json!({"model": "m", "messages": user, "max_tokens": -1}),
            "`max_tokens` must be a whole number that is not negative",
        ),
        (
            json!({"model": "m", "messages": user, "max_tokens": 1, "max_completion_tokens": 2}),
            "`max_tokens` must not differ from `max_completion_tokens`",
        ),
        (json!({"model": "m", "messages": user, "stop": [1]}), "`stop[0]` must be a string"),
        (json!({"model": "m", "messages": user, "top_logprobs": 2}), "`top_logprobs` needs `logprobs` to be true"),
        (json!({"model": "m", "messages": user, "tools": [{"type": "function"}]}), "`tools[0].function` is required"),
        (
            json!({"model": "m", "messages": user, "tool_choice": "some"}),
            "`tool_choice` must be `none`, `auto`, `required`, or an object that names a tool",
        ),
        (
            json!({"model": "m", "messages": user, "reasoning": {"effort": "low", "max_tokens": 9}}),
            "`reasoning` must have `effort` or `max_tokens`, not both",
        ),
    ] {
        assert_eq!(refused(value.clone()).to_string(), message, "{value}");
    }
}

#[test]
fn results_of_tools_that_follow_each_other_are_one_turn_and_messages_again() {
    let messages = json!([
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": null, "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"x\":1}"}},
            {"id": "b", "type": "function", "function": {"name": "f", "arguments": ""}}]},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "2"}]},
        {"role": "user", "content": "and?"}]);

    let call_read = with_messages(&messages);

    assert_eq!(call_read.turns.len(), 4);
    assert_eq!(
        call_read.turns[2].parts.iter().map(|part| part.content.clone()).collect::<Vec<_>>(),
        [result("a", vec![Part::text("1")], false), result("b", vec![Part::text("2")], false)]
    );
    let (body, losses) = written(&call_read);
    assert_eq!(losses, Losses::default());
    assert_eq!(
        body["messages"],
        json!([
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"x\":1}"}},
                {"id": "b", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "content": "1", "tool_call_id": "a"},
            {"role": "tool", "content": "2", "tool_call_id": "b"},
            {"role": "user", "content": "and?"}])
    );
}

#[test]
fn the_deprecated_functions_are_tools() {
    let call_read = reading(json!({
        "model": "m", "functions": [{"name": "f", "parameters": {"type": "object"}}], "function_call": {"name": "f"},
        "messages": [
            {"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": "1"}],
    }));

    assert_eq!(call_read.tool_choice, Some(ToolChoice::Tool("f".to_owned())));
    let (body, _) = written(&call_read);
    assert_eq!(body["tools"][0]["function"]["name"], "f");
    assert_eq!(body["messages"][0]["tool_calls"][0]["id"], "call_0");
    assert_eq!(body["messages"][1]["tool_call_id"], "call_0");
}

#[test]
fn data_uris_are_bytes_and_other_urls_are_places() {
    let media = |url: &str| {
        let image = json!({"type": "image_url", "image_url": {"url": url}});
        let Content::Image { media, .. } = parts(&json!([{"role": "user", "content": [image]}])).remove(0) else {
            panic!("no image")
        };
        media
    };
    let inline = |mime: &str, base64: &str| Media::Inline { mime: mime.to_owned(), base64: base64.to_owned() };

    assert_eq!(media("data:image/png;base64,AAAA"), inline("image/png", "AAAA"));
    assert_eq!(media("DATA:image/svg+xml;charset=utf-8;base64,AAAA"), inline("image/svg+xml", "AAAA"));
    assert_eq!(media("data:,a%20b%"), inline("text/plain", "YSBiJQ=="));
    assert_eq!(media("https://a/b,c.png"), Media::Url("https://a/b,c.png".to_owned()));
    assert_eq!(media("data:"), Media::Url("data:".to_owned()));
}

#[test]
fn a_file_is_a_data_uri_bare_base64_or_an_id() {
    let file = |file: Value| {
        let file = json!({"type": "file", "file": file});
        let Content::File { media, name, .. } = parts(&json!([{"role": "user", "content": [file]}])).remove(0) else {
            panic!("no file")
        };
        (media, name)
    };
    let inline = |mime: &str| Media::Inline { mime: mime.to_owned(), base64: "AAAA".to_owned() };

    assert_eq!(
        file(json!({"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"})),
        (inline("application/pdf"), Some("a.pdf".to_owned()))
    );
    assert_eq!(file(json!({"filename": "A.CSV", "file_data": "AAAA"})).0, inline("text/csv"));
    assert_eq!(file(json!({"file_data": "AAAA"})).0, inline("application/pdf"));
    assert_eq!(file(json!({"file_data": "https://a/b.pdf"})).0, Media::Url("https://a/b.pdf".to_owned()));
    assert_eq!(file(json!({"file_id": "f1"})).0, Media::Id("f1".to_owned()));
}

#[test]
fn thoughts_that_an_app_sends_back_find_their_maker() {
    let thoughts = |message: Value| {
        let mut thoughts = Vec::new();
        for content in parts(&json!([message])) {
            if let Content::Thinking(thinking) = content {
                thoughts.push(thinking);
            }
        }
        thoughts
    };
    let sealed = |maker: Format, value: &str| Some(Signature { maker, value: value.to_owned() });

    assert_eq!(
        thoughts(json!({"role": "assistant", "content": "x", "reasoning_content": "ab", "reasoning_details": [
            {"type": "reasoning.text", "text": "b", "signature": "lotse.messages.S", "index": 0},
            {"type": "reasoning.encrypted", "data": "lotse.messages.R", "index": 1},
            {"type": "reasoning.summary", "summary": "s", "id": "rs_1", "index": 2},
            {"type": "reasoning.encrypted", "data": "lotse.responses.E", "id": "rs_1", "index": 2},
            {"type": "reasoning.text", "text": "o", "signature": "T", "format": "anthropic-claude-v1", "index": 3}]})),
        [
            Thinking { text: "b".into(), signature: sealed(Format::Messages, "S"), ..Thinking::default() },
            Thinking { signature: sealed(Format::Messages, "R"), redacted: true, ..Thinking::default() },
            Thinking {
                text: "s".into(),
                signature: sealed(Format::Responses, "E"),
                redacted: true,
                id: Some("rs_1".into())
            },
            Thinking {
                text: "o".into(),
                signature: sealed(Format::Chat, "anthropic-claude-v1|T"),
                ..Thinking::default()
            },
        ]
    );
    assert_eq!(
        thoughts(json!({"role": "assistant", "content": "x", "reasoning": "ab"})),
        [Thinking { text: "ab".into(), signature: Some(thoughts::place(IN_REASONING)), ..Thinking::default() }]
    );
}

#[test]
fn thoughts_go_to_a_provider_where_its_kind_of_provider_had_them_and_those_of_others_are_lost() {
    let thinking = |text: &str, signature: Option<Signature>, redacted: bool| {
        Content::Thinking(Thinking { text: text.to_owned(), signature, redacted, id: None })
    };
    let foreign = Signature { maker: Format::Messages, value: "S".to_owned() };
    let own = |value: &str| Some(Signature { maker: Format::Chat, value: value.to_owned() });
    let (body, losses) = written(&saying(
        Role::Assistant,
        vec![
            thinking("a", own(IN_REASONING_CONTENT), false),
            thinking("b", own(IN_REASONING), false),
            thinking("c", own(IN_CONTENT), false),
            thinking("d", own("anthropic-claude-v1|T"), false),
            thinking("", own("R"), true),
            Content::Text("x".to_owned()),
        ],
    ));
    assert_eq!(losses, Losses::default());
    assert_eq!(
        body["messages"][0],
        json!({
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": [{"type": "text", "text": "c"}]}, {"type": "text", "text": "x"}],
            "reasoning_content": "a", "reasoning": "b",
            "reasoning_details": [
                {"type": "reasoning.text", "text": "d", "signature": "T", "format": "anthropic-claude-v1", "index": 0},
                {"type": "reasoning.encrypted", "data": "R", "index": 1}],
        })
    );

    let (body, losses) = written(&saying(
        Role::Assistant,
        vec![thinking("a", Some(foreign), false), thinking("b", None, false), Content::Text("x".to_owned())],
    ));
    assert_eq!(losses.lost, [Lost::Feature(Feature::Thinking)]);
    assert_eq!(body["messages"][0], json!({"role": "assistant", "content": "x"}));
}

#[test]
fn a_tool_call_brings_back_only_what_a_provider_of_chat_signed() {
    let signed =
        |maker| ToolCall { signature: Some(Signature { maker, value: "S".to_owned() }), ..call("c", "f", "{}") };
    let (body, losses) = written(&saying(Role::Assistant, vec![Content::ToolCall(signed(Format::Chat))]));
    assert_eq!(losses, Losses::default());
    assert_eq!(body["messages"][0]["tool_calls"][0]["extra_content"], json!({"google": {"thought_signature": "S"}}));

    let (body, losses) = written(&saying(Role::Assistant, vec![Content::ToolCall(signed(Format::Gemini))]));
    assert_eq!(losses.lost, [Lost::Feature(Feature::ToolCallSignature)]);
    assert!(body["messages"][0]["tool_calls"][0].get("extra_content").is_none());
}

#[test]
fn a_failed_result_says_so_in_words_and_a_picture_in_one_moves_to_the_user() {
    let image = Content::Image {
        media: Media::Inline { mime: "image/png".to_owned(), base64: "AAAA".to_owned() },
        detail: None,
    };
    let (body, losses) = written(&saying(
        Role::User,
        vec![
            result("a", vec![Part::text("no such file")], true),
            result("b", vec![Part::new(image)], false),
            Content::Text("well?".to_owned()),
        ],
    ));

    assert_eq!(losses.changed, [Feature::ToolResultError, Feature::ToolResultImage]);
    assert_eq!(losses.lost, []);
    assert_eq!(
        body["messages"],
        json!([
            {"role": "tool", "content": "Error: no such file", "tool_call_id": "a"},
            {"role": "tool", "content": "The result is in the next message.", "tool_call_id": "b"},
            {"role": "user", "content": [
                {"type": "text", "text": "Result of tool call b:"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                {"type": "text", "text": "well?"}]}])
    );
}

#[test]
fn what_chat_cannot_carry_is_named() {
    let media = |media: Media| Content::File { media, name: None, citations: true };
    let mut call = saying(
        Role::User,
        vec![
            media(Media::Url("https://a/b.pdf".to_owned())),
            media(Media::Text("words".to_owned())),
            Content::Image { media: Media::Id("i".to_owned()), detail: None },
        ],
    );
    call.turns[0].parts[0].cache = Some(CacheBreakpoint::default());
    call.turns.push(Turn { role: Role::Assistant, name: None, parts: vec![Part::text("{")] });
    call.reasoning =
        Some(Reasoning { budget_tokens: Some(4096), summary: Some("auto".to_owned()), ..Reasoning::default() });
    call.hints.metadata = Some(json!({"k": "v"}));
    call.hints.other = vec!["truncation".to_owned()];
    call.state = Some(("previous_response_id".to_owned(), "r".to_owned()));

    let (body, losses) = written(&call);

    assert_eq!(body["reasoning_effort"], "medium");
    assert_eq!(losses.changed, [Feature::FileText, Feature::ReasoningBudget]);
    assert_eq!(
        losses.lost,
        [
            Lost::Feature(Feature::Prefill),
            Lost::Feature(Feature::State),
            Lost::Feature(Feature::CacheBreakpoint),
            Lost::Feature(Feature::Citations),
            Lost::Feature(Feature::FileUrl),
            Lost::Feature(Feature::MediaId),
            Lost::Feature(Feature::ReasoningSummary),
            Lost::Feature(Feature::Metadata),
            Lost::Hint("truncation".to_owned()),
        ]
    );
}

#[test]
fn a_text_file_is_sent_as_the_text_that_it_is() {
    let file = Content::File {
        media: Media::Inline { mime: "text/plain".to_owned(), base64: "aGVsbG8=".to_owned() },
        name: Some("a.txt".to_owned()),
        citations: false,
    };
    let (body, losses) = written(&saying(Role::User, vec![file]));

    assert_eq!(body["messages"][0]["content"], "a.txt\n\nhello");
    assert_eq!(losses.changed, [Feature::FileInline]);
}

#[test]
fn a_stream_always_ends_with_a_usage_and_a_choice_without_tools_is_left_out() {
    let mut call = saying(Role::User, vec![Content::Text("hi".to_owned())]);
    call.stream = true;
    call.tool_choice = Some(ToolChoice::Auto);
    call.parallel_tool_calls = Some(true);

    let (body, losses) = written(&call);

    assert_eq!(
        body,
        json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": true,
            "stream_options": {"include_usage": true}})
    );
    assert_eq!(losses, Losses::default());
}

#[test]
fn openrouters_ways_to_ask_for_thoughts_are_understood() {
    let asked = |mut value: Value| {
        value["model"] = json!("m");
        value["messages"] = json!([{"role": "user", "content": "hi"}]);
        reading(value).reasoning
    };
    let effort = |effort: &str| Some(Reasoning { effort: Some(effort.to_owned()), ..Reasoning::default() });

    assert_eq!(asked(json!({"reasoning": {"effort": "low"}})), effort("low"));
    assert_eq!(asked(json!({"reasoning": {"enabled": true}})), effort("medium"));
    assert_eq!(asked(json!({"reasoning": {"enabled": false, "max_tokens": 9}})), effort("none"));
    assert_eq!(
        asked(json!({"reasoning": {"max_tokens": 2000, "exclude": true}})),
        Some(Reasoning { budget_tokens: Some(2000), summary: Some("omitted".to_owned()), ..Reasoning::default() })
    );
    assert_eq!(asked(json!({})), None);
}

fn word() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9äß\"\\\\\n{}]{1,12}"
}

fn thinking() -> impl Strategy<Value = Vec<Thinking>> {
    let placed = word().prop_map(|text| {
        vec![Thinking { text, signature: Some(thoughts::place(IN_REASONING_CONTENT)), ..Thinking::default() }]
    });
    let sealed = (word(), any::<bool>(), proptest::option::of("[a-z]{3}-v1")).prop_map(|(text, redacted, format)| {
        let text = if redacted { String::new() } else { text };
        let id = redacted.then(|| "rs_1".to_owned());
        Thinking { text, signature: Some(thoughts::seal(format.as_deref(), "SIG=")), redacted, id }
    });
    prop_oneof![Just(Vec::new()), placed, proptest::collection::vec(sealed, 1..3)]
}

fn user_part() -> impl Strategy<Value = Content> {
    let inline = |mime: &str, base64: String| Media::Inline { mime: mime.to_owned(), base64 };
    prop_oneof![
        ("[A-Za-z0-9+/]{4}", proptest::option::of(Just("low".to_owned())))
            .prop_map(move |(data, detail)| Content::Image { media: inline("image/png", data), detail }),
        word().prop_map(|path| Content::Image { media: Media::Url(format!("https://a/{path}")), detail: None }),
        "[A-Za-z0-9+/]{4}".prop_map(|data| Content::Audio { data, format: "wav".to_owned() }),
        (word(), "[A-Za-z0-9+/]{4}").prop_map(move |(name, data)| Content::File {
            media: inline("application/pdf", data),
            name: Some(name),
            citations: false
        }),
        word().prop_map(|id| Content::File { media: Media::Id(id), name: None, citations: false }),
    ]
}

/// What the user says, what the model thinks, says and calls, and what the tools give.
fn exchange() -> impl Strategy<Value = Vec<Turn>> {
    let user = (proptest::option::of(word()), word(), proptest::collection::vec(user_part(), 0..3));
    let calls = proptest::collection::vec((word(), any::<bool>(), proptest::option::of(word())), 1..3);
    let assistant = (thinking(), proptest::option::of(word()), proptest::option::of(word()));
    (user, assistant, calls, word()).prop_map(|((name, text, more), (thoughts, said, refused), calls, given)| {
        let user = std::iter::once(Content::Text(text)).chain(more).map(Part::new).collect();
        let mut assistant: Vec<_> = thoughts.into_iter().map(Content::Thinking).collect();
        assistant.extend(said.map(Content::Text));
        assistant.extend(refused.map(Content::Refusal));
        let mut results = Vec::new();
        for (n, (name, custom, signature)) in calls.into_iter().enumerate() {
            let signature = signature.map(|value| Signature { maker: Format::Chat, value });
            let id = format!("call_{n}");
            let result_parts = vec![Part::text(&given)];
            results.push(Part::new(result(&id, result_parts, false)));
            assistant.push(Content::ToolCall(ToolCall {
                id,
                name,
                arguments: "{\"a\": 1}".to_owned(),
                custom,
                signature,
            }));
        }
        vec![
            Turn { role: Role::User, name, parts: user },
            Turn { role: Role::Assistant, name: None, parts: assistant.into_iter().map(Part::new).collect() },
            Turn { role: Role::User, name: None, parts: results },
        ]
    })
}

fn any_call() -> impl Strategy<Value = ModelCall> {
    let numbers = (proptest::option::of(0..9_u64), proptest::option::of(1..4096_u64), proptest::option::of(2..4_u64));
    let turns = (word(), proptest::collection::vec(exchange(), 1..3)).prop_map(|(text, exchanges)| {
        let system = Turn { role: Role::Developer, name: None, parts: vec![Part::text(text)] };
        std::iter::once(system).chain(exchanges.into_iter().flatten()).collect::<Vec<_>>()
    });
    let output = prop_oneof![
        Just(None),
        Just(Some(OutputForm::JsonObject)),
        word().prop_map(|name| Some(OutputForm::JsonSchema {
            name: Some(name),
            description: None,
            schema: json!({"type": "object"}),
            strict: Some(true),
        })),
    ];
    let choice = prop_oneof![
        Just(None),
        Just(Some(ToolChoice::Required)),
        Just(Some(ToolChoice::Tool("g".to_owned()))),
        Just(Some(ToolChoice::Allowed { required: true, names: vec!["f".to_owned(), "g".to_owned()] })),
    ];
    (turns, numbers, output, choice, any::<bool>()).prop_map(|(turns, numbers, output, tool_choice, stream)| {
        let (small, tokens, choices) = numbers;
        let schema = Some(json!({"type": "object", "properties": {}}));
        let tool = |name: &str, input| Tool { name: name.to_owned(), description: None, input, cache: None };
        ModelCall {
            model: "m".to_owned(),
            stream,
            include_usage: stream,
            turns,
            tools: vec![
                tool("f", ToolInput::Function { schema, strict: None }),
                tool("g", ToolInput::Custom { format: None }),
            ],
            tool_choice,
            parallel_tool_calls: small.map(|small| small % 2 == 0),
            output,
            max_tokens: tokens,
            sampling: Sampling {
                top_k: small.map(Number::from),
                seed: tokens.map(Number::from),
                ..Sampling::default()
            },
            stop: small.map(|small| small.to_string()).into_iter().collect(),
            choices,
            logprobs: small,
            reasoning: tokens.map(|_| Reasoning { effort: Some("low".to_owned()), ..Reasoning::default() }),
            ..ModelCall::default()
        }
    })
}

/// JSON that looks like a call here and there.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop_oneof![
            Just("user"),
            Just("assistant"),
            Just("tool"),
            Just("function"),
            Just("text"),
            Just("image_url"),
            Just("file"),
            Just("reasoning.text"),
            Just("data:a,%"),
            Just("")
        ]
        .prop_map(Value::from),
    ];
    let key = prop_oneof![
        Just("role"),
        Just("content"),
        Just("type"),
        Just("tool_calls"),
        Just("function"),
        Just("name"),
        Just("id"),
        Just("text"),
        Just("image_url"),
        Just("url"),
        Just("file"),
        Just("file_data"),
        Just("reasoning_details"),
        Just("tool_call_id"),
        Just("arguments"),
        Just("thinking"),
    ];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((key.clone(), inner), 0..5)
                .prop_map(|entries| entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

const FIELDS: [&str; 16] = [
    "messages",
    "tools",
    "tool_choice",
    "response_format",
    "reasoning",
    "stop",
    "stream_options",
    "functions",
    "function_call",
    "logit_bias",
    "n",
    "usage",
    "max_tokens",
    "cache_control",
    "metadata",
    "reasoning_effort",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn a_call_that_is_written_is_read_as_the_same_call(call in any_call()) {
        let (body, losses) = written(&call);

        prop_assert_eq!(losses, Losses::default());
        prop_assert_eq!(reading(body), call);
    }

    #[test]
    fn whatever_a_caller_sends_is_read_or_refused_without_a_panic(
        messages in proptest::collection::vec(any_json(), 0..4),
        others in proptest::collection::vec((0..FIELDS.len(), any_json()), 0..4),
    ) {
        let mut value = json!({"model": "m", "messages": messages});
        for (field, given) in others {
            value[FIELDS[field]] = given;
        }
        if let Ok(call) = read(body(value)) {
            written(&call);
        }
    }
}
