//! Calls for Gemini: the whole body for each thing that a call can ask for, and what is said to be lost.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::format::Format;
use crate::format::call::{
    CacheBreakpoint, Content, Media, OutputForm, Part, Reasoning, Role, Sampling, Signature, Thinking, Tool, ToolCall,
    ToolChoice, ToolInput, ToolResult, Turn,
};

fn written(call: &ModelCall) -> (Value, Losses) {
    let mut losses = Losses::default();
    let body = write(call, &mut losses);
    (serde_json::from_slice(&body).expect("JSON"), losses)
}

/// What is written when nothing is lost or changed.
fn carried(call: &ModelCall) -> Value {
    let (body, losses) = written(call);
    assert_eq!(losses, Losses::default());
    body
}

fn turn(role: Role, parts: Vec<Part>) -> Turn {
    Turn { role, name: None, parts }
}

fn says(role: Role, text: &str) -> Turn {
    turn(role, vec![Part::text(text)])
}

fn calls(id: &str, name: &str, arguments: &str, signature: Option<Signature>) -> Part {
    let (id, name, arguments) = (id.to_owned(), name.to_owned(), arguments.to_owned());
    Part::new(Content::ToolCall(ToolCall { id, name, arguments, custom: false, signature }))
}

fn result(id: &str, parts: Vec<Part>, is_error: bool) -> Part {
    Part::new(Content::ToolResult(ToolResult { call_id: id.to_owned(), parts, is_error }))
}

fn call(turns: Vec<Turn>) -> ModelCall {
    ModelCall { model: "gemini-2.5-flash".to_owned(), turns, ..ModelCall::default() }
}

fn hello() -> ModelCall {
    call(vec![says(Role::User, "hello")])
}

fn signature(maker: Format, value: &str) -> Signature {
    Signature { maker, value: value.to_owned() }
}

#[test]
fn a_plain_call_has_contents_and_nothing_else() {
    assert_eq!(carried(&hello()), json!({"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}));
}

#[test]
fn instructions_stand_apart_and_turns_of_one_side_are_joined() {
    let body = carried(&call(vec![
        says(Role::System, "be"),
        says(Role::Developer, "brief"),
        says(Role::User, "a"),
        says(Role::User, "b"),
        says(Role::Assistant, "c"),
        says(Role::Assistant, ""),
        says(Role::User, "d"),
    ]));
    let expected = json!({
        "systemInstruction": {"parts": [{"text": "be"}, {"text": "brief"}]},
        "contents": [
            {"role": "user", "parts": [{"text": "a"}, {"text": "b"}]}, {"role": "model", "parts": [{"text": "c"}]},
            {"role": "user", "parts": [{"text": "d"}]},
        ],
    });
    assert_eq!(body, expected);
}

#[test]
fn instructions_in_the_middle_move_to_the_front_and_instructions_alone_become_a_turn() {
    let (body, losses) = written(&call(vec![says(Role::User, "a"), says(Role::System, "s")]));
    assert_eq!(body["systemInstruction"]["parts"][0]["text"], "s");
    assert_eq!(losses.changed, [Feature::SystemTurns]);
    let (body, losses) = written(&call(vec![says(Role::System, "s")]));
    assert_eq!(body, json!({"contents": [{"role": "user", "parts": [{"text": "s"}]}]}));
    assert_eq!(losses.changed, [Feature::SystemTurns]);
}

#[test]
fn results_find_their_calls_by_name_and_order() {
    let body = carried(&call(vec![
        says(Role::User, "go"),
        turn(Role::Assistant, vec![calls("1", "f", r#"{"a": 1}"#, None), calls("2", "g", "", None)]),
        turn(
            Role::User,
            vec![
                result("2", vec![Part::text("two")], true),
                result("1", vec![Part::text("x"), Part::text("y")], false),
            ],
        ),
    ]));
    let expected = json!([
        {"role": "user", "parts": [{"text": "go"}]},
        {"role": "model", "parts": [
            {"functionCall": {"name": "f", "args": {"a": 1}}}, {"functionCall": {"name": "g", "args": {}}}]},
        {"role": "user", "parts": [
            {"functionResponse": {"name": "f", "response": {"output": "x\ny"}}},
            {"functionResponse": {"name": "g", "response": {"error": "two"}}}]},
    ]);
    assert_eq!(body["contents"], expected);
}

#[test]
fn a_last_turn_of_the_model_is_carried_where_it_is_taken() {
    let turns = || vec![says(Role::User, "a"), says(Role::Assistant, "b")];
    for (model, taken) in [
        ("gemini-2.5-flash", true),
        ("gemini-3.1-pro-preview", true),
        ("gemini-3.5-flash-lite", false),
        ("gemini-4-pro", false),
        ("gemini-flash-latest", false),
    ] {
        let (body, losses) = written(&ModelCall { model: model.to_owned(), ..call(turns()) });
        assert_eq!(body["contents"].as_array().map(Vec::len), Some(if taken { 2 } else { 1 }), "{model}");
        assert_eq!(losses.changed.contains(&Feature::Prefill), taken);
        assert_eq!(losses.lost.contains(&Lost::Feature(Feature::Prefill)), !taken);
    }
}

#[test]
fn an_id_that_repeats_means_the_latest_call() {
    let round = |name: &str| {
        [
            turn(Role::Assistant, vec![calls("call_0", name, "{}", None)]),
            turn(Role::User, vec![result("call_0", Vec::new(), false)]),
        ]
    };
    let turns = [vec![says(Role::User, "go")], round("a").into(), round("b").into()].concat();
    let body = carried(&call(turns));
    assert_eq!(body["contents"][2]["parts"][0]["functionResponse"]["name"], "a");
    assert_eq!(body["contents"][4]["parts"][0]["functionResponse"]["name"], "b");
}

#[test]
fn results_stand_alone_and_their_pictures_follow_them() {
    let picture = Media::Inline { mime: "image/png".to_owned(), base64: "aGk=".to_owned() };
    let picture = Part::new(Content::Image { media: picture, detail: None });
    let (body, losses) = written(&call(vec![
        turn(Role::Assistant, vec![calls("1", "f", "{}", None)]),
        turn(Role::User, vec![result("1", vec![picture, Part::text("seen")], false), Part::text("and?")]),
    ]));
    let expected = json!([
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"output": "seen"}}}]},
        {"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": "aGk="}}, {"text": "and?"}]},
    ]);
    assert_eq!(body["contents"].as_array().map(|contents| &contents[1..]), expected.as_array().map(Vec::as_slice));
    assert_eq!(losses.changed, [Feature::ToolResultImage]);
}

#[test]
fn own_signatures_go_back_and_foreign_ones_are_left_out() {
    let thought =
        |signature| Part::new(Content::Thinking(Thinking { text: "hm".to_owned(), signature, ..Thinking::default() }));
    let hidden = Thinking { signature: Some(signature(Format::Gemini, "b")), redacted: true, ..Thinking::default() };
    let parts = vec![
        thought(Some(signature(Format::Gemini, "a"))),
        thought(Some(signature(Format::Messages, "x"))),
        thought(None),
        Part::text("yes"),
        Part::new(Content::Thinking(hidden)),
        calls("1", "f", "{}", Some(signature(Format::Gemini, "c"))),
        calls("2", "f", "{}", Some(signature(Format::Responses, "y"))),
    ];
    let (body, losses) = written(&call(vec![turn(Role::Assistant, parts), says(Role::User, "?")]));
    let expected = json!([
        {"text": "hm", "thought": true, "thoughtSignature": "a"}, {"text": "yes"}, {"text": "", "thoughtSignature": "b"},
        {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "c"}, {"functionCall": {"name": "f", "args": {}}},
    ]);
    assert_eq!(body["contents"][0]["parts"], expected);
    assert_eq!(losses.lost, [Lost::Feature(Feature::Thinking), Lost::Feature(Feature::ToolCallSignature)]);
}

#[test]
fn gemini_3_is_told_that_the_first_call_of_a_step_is_foreign() {
    let turns = vec![
        turn(Role::Assistant, vec![calls("1", "f", "{}", None), calls("2", "f", "{}", None)]),
        turn(Role::User, vec![result("1", Vec::new(), false), result("2", Vec::new(), false)]),
    ];
    for (model, expected) in [
        ("gemini-3-pro-preview", json!("skip_thought_signature_validator")),
        ("google/gemini-3.1-flash", json!("skip_thought_signature_validator")),
        ("gemini-flash-latest", json!("skip_thought_signature_validator")),
        ("gemini-2.5-pro", Value::Null),
        ("gemma-3", Value::Null),
    ] {
        let body = carried(&ModelCall { model: model.to_owned(), ..call(turns.clone()) });
        assert_eq!(body["contents"][0]["parts"][0]["thoughtSignature"], expected, "{model}");
        assert_eq!(body["contents"][0]["parts"][1]["thoughtSignature"], Value::Null, "{model}");
    }
}

#[test]
fn media_that_google_can_fetch_is_named_by_its_type() {
    let image = |url: &str| Part::new(Content::Image { media: Media::Url(url.to_owned()), detail: None });
    let body = carried(&call(vec![turn(Role::User, vec![image("https://x/a.JPG?v=1"), image("gs://b/c.webp")])]));
    let expected = json!([
        {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://x/a.JPG?v=1"}},
        {"fileData": {"mimeType": "image/webp", "fileUri": "gs://b/c.webp"}},
    ]);
    assert_eq!(body["contents"][0]["parts"], expected);
    for url in ["http://x/a.png", "https://x/picture", "https://x.png/"] {
        let (_, losses) = written(&call(vec![turn(Role::User, vec![image(url), Part::text("?")])]));
        assert_eq!(losses.lost, [Lost::Feature(Feature::ImageUrl)], "{url}");
    }
}

#[test]
fn sound_and_documents_are_inline() {
    let file = |media: Media| Part::new(Content::File { media, name: Some("n".to_owned()), citations: false });
    let parts = vec![
        Part::new(Content::Audio { data: "aGk=".to_owned(), format: "wav".to_owned() }),
        file(Media::Inline { mime: "application/pdf".to_owned(), base64: "aGk=".to_owned() }),
        file(Media::Text("words".to_owned())),
        file(Media::Id("file-1".to_owned())),
    ];
    let (body, losses) = written(&call(vec![turn(Role::User, parts)]));
    let expected = json!([
        {"inlineData": {"mimeType": "audio/wav", "data": "aGk="}}, {"inlineData": {"mimeType": "application/pdf", "data": "aGk="}},
        {"text": "words"},
    ]);
    assert_eq!(body["contents"][0]["parts"], expected);
    assert_eq!(losses, Losses { lost: vec![Lost::Feature(Feature::MediaId)], changed: vec![Feature::FileText] });
}

fn tool(name: &str, strict: Option<bool>) -> Tool {
    let input = ToolInput::Function { schema: Some(json!({"type": "object"})), strict };
    Tool { name: name.to_owned(), description: Some("d".to_owned()), input, cache: None }
}

#[test]
fn tools_are_function_declarations_with_json_schema() {
    let bare = Tool { description: None, input: ToolInput::Function { schema: None, strict: None }, ..tool("g", None) };
    let body = carried(&ModelCall { tools: vec![tool("f", None), bare], ..hello() });
    let expected = json!([{"functionDeclarations": [
        {"name": "f", "description": "d", "parametersJsonSchema": {"type": "object"}}, {"name": "g"}]}]);
    assert_eq!(body["tools"], expected);
    assert_eq!(body["toolConfig"], Value::Null);
}

#[test]
fn tool_choices_are_modes() {
    let names = || vec!["f".to_owned()];
    for (choice, expected) in [
        (ToolChoice::Auto, json!({"mode": "AUTO"})),
        (ToolChoice::None, json!({"mode": "NONE"})),
        (ToolChoice::Required, json!({"mode": "ANY"})),
        (ToolChoice::Tool("f".to_owned()), json!({"mode": "ANY", "allowedFunctionNames": ["f"]})),
        (ToolChoice::Allowed { required: true, names: names() }, json!({"mode": "ANY", "allowedFunctionNames": ["f"]})),
    ] {
        let body = carried(&ModelCall { tools: vec![tool("f", None)], tool_choice: Some(choice), ..hello() });
        assert_eq!(body["toolConfig"]["functionCallingConfig"], expected);
    }
    let choice = ToolChoice::Allowed { required: false, names: names() };
    let tools = vec![tool("f", None), tool("g", None)];
    let (body, losses) = written(&ModelCall { tools, tool_choice: Some(choice), ..hello() });
    assert_eq!(body["tools"][0]["functionDeclarations"].as_array().map(Vec::len), Some(1));
    assert_eq!(losses.changed, [Feature::ToolChoiceAllowed]);
}

#[test]
fn strict_tools_are_validated() {
    let (body, losses) = written(&ModelCall { tools: vec![tool("f", Some(true))], ..hello() });
    assert_eq!(body["toolConfig"]["functionCallingConfig"]["mode"], "VALIDATED");
    assert_eq!(losses.changed, [Feature::StrictTools]);
    let tool_choice = Some(ToolChoice::Required);
    let body = carried(&ModelCall { tools: vec![tool("f", Some(true))], tool_choice, ..hello() });
    assert_eq!(body["toolConfig"]["functionCallingConfig"]["mode"], "ANY");
}

#[test]
fn a_custom_tool_is_a_function_of_one_string() {
    let tool = Tool { input: ToolInput::Custom { format: None }, ..tool("patch", None) };
    let mut used =
        call(vec![turn(Role::Assistant, vec![calls("1", "patch", "*** \"text\"", None)]), says(Role::User, "?")]);
    let Content::ToolCall(call) = &mut used.turns[0].parts[0].content else { panic!("a call") };
    call.custom = true;
    let (body, losses) = written(&ModelCall { tools: vec![tool], ..used });
    let declared = &body["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"];
    assert_eq!(declared["properties"], json!({"input": {"type": "string"}}));
    assert_eq!(body["contents"][0]["parts"][0]["functionCall"]["args"], json!({"input": "*** \"text\""}));
    assert_eq!(losses.changed, [Feature::CustomTools]);
}

#[test]
fn arguments_that_are_no_object_keep_their_words() {
    for arguments in ["[1]", "{oops", "\"x\"", "{} {}"] {
        let turns = vec![turn(Role::Assistant, vec![calls("1", "f", arguments, None)]), says(Role::User, "?")];
        let (body, losses) = written(&call(turns));
        assert_eq!(body["contents"][0]["parts"][0]["functionCall"]["args"], json!({ "arguments": arguments }));
        assert_eq!(losses.changed, [Feature::Tools]);
    }
}

#[test]
fn how_to_generate_is_carried() {
    let sampling = Sampling {
        temperature: serde_json::Number::from_f64(1.5),
        top_k: Some(40.into()),
        seed: Some(7.into()),
        presence_penalty: Some(1.into()),
        ..Sampling::default()
    };
    let schema = json!({"type": "object"});
    let output =
        Some(OutputForm::JsonSchema { name: Some("n".to_owned()), description: None, schema, strict: Some(true) });
    let stop = vec!["X".to_owned()];
    let body = carried(&ModelCall {
        sampling,
        output,
        stop,
        max_tokens: Some(512),
        choices: Some(2),
        logprobs: Some(3),
        parallel_tool_calls: Some(true),
        ..hello()
    });
    let expected = json!({"temperature": 1.5, "topK": 40, "candidateCount": 2, "maxOutputTokens": 512, "stopSequences": ["X"],
        "presencePenalty": 1, "seed": 7, "responseLogprobs": true, "logprobs": 3, "responseMimeType": "application/json",
        "responseJsonSchema": {"type": "object"}});
    assert_eq!(body["generationConfig"], expected);
    let body =
        carried(&ModelCall { logprobs: Some(0), choices: Some(1), output: Some(OutputForm::JsonObject), ..hello() });
    assert_eq!(body["generationConfig"], json!({"responseLogprobs": true, "responseMimeType": "application/json"}));
}

fn thinks(model: &str, reasoning: Reasoning) -> (Value, Losses) {
    let (body, losses) = written(&ModelCall { model: model.to_owned(), reasoning: Some(reasoning), ..hello() });
    (body["generationConfig"]["thinkingConfig"].clone(), losses)
}

#[test]
fn efforts_are_levels_or_budgets() {
    for (model, effort, expected) in [
        ("gemini-3-pro", "minimal", json!({"includeThoughts": true, "thinkingLevel": "MINIMAL"})),
        ("gemini-3.1-pro", "high", json!({"includeThoughts": true, "thinkingLevel": "HIGH"})),
        ("gemini-3-flash", "max", json!({"includeThoughts": true, "thinkingLevel": "HIGH"})),
        ("gemini-3-flash", "none", json!({"thinkingLevel": "MINIMAL"})),
        ("gemini-2.5-flash", "low", json!({"includeThoughts": true, "thinkingBudget": 1024})),
        ("gemini-2.5-flash", "none", json!({"thinkingBudget": 0})),
        ("gemini-2.5-pro", "none", json!({"thinkingBudget": 128})),
        ("gemini-flash-latest", "medium", json!({"includeThoughts": true, "thinkingBudget": 8192})),
    ] {
        let (config, losses) = thinks(model, Reasoning { effort: Some(effort.to_owned()), ..Reasoning::default() });
        assert_eq!(config, expected, "{model} {effort}");
        assert!(losses.lost.is_empty());
    }
}

#[test]
fn budgets_and_summaries_are_carried() {
    let budget = Reasoning { budget_tokens: Some(2000), ..Reasoning::default() };
    assert_eq!(thinks("gemini-3-pro", budget).0, json!({"includeThoughts": true, "thinkingBudget": 2000}));
    let adaptive = Reasoning { adaptive: true, summary: Some("omitted".to_owned()), ..Reasoning::default() };
    assert_eq!(thinks("gemini-2.5-pro", adaptive.clone()).0, json!({"thinkingBudget": -1}));
    assert_eq!(thinks("gemini-3-pro", adaptive).0, Value::Null);
    let old = Reasoning { effort: Some("high".to_owned()), ..Reasoning::default() };
    let (config, losses) = thinks("gemini-2.0-flash", old);
    assert_eq!((config, losses.lost), (Value::Null, vec![Lost::Feature(Feature::ReasoningEffort)]));
}

#[test]
fn what_has_no_place_is_lost_by_name() {
    let part = Part { cache: Some(CacheBreakpoint::default()), ..Part::text("hello") };
    let hints = Hints {
        user: Some("u".to_owned()),
        metadata: Some(json!({"a": "b"})),
        service_tier: Some("flex".to_owned()),
        prompt_cache_key: Some("k".to_owned()),
        store: Some(true),
        other: vec!["stream_options.x".to_owned()],
    };
    let (body, losses) = written(&ModelCall {
        turns: vec![Turn { role: Role::User, name: Some("ann".to_owned()), parts: vec![part] }],
        sampling: Sampling { logit_bias: Some(json!({"1": 2})), ..Sampling::default() },
        parallel_tool_calls: Some(false),
        verbosity: Some("low".to_owned()),
        state: Some(("previous_response_id".to_owned(), "r".to_owned())),
        unknown: vec![("messages[0].audio".to_owned(), json!(1))],
        hints,
        ..hello()
    });
    assert_eq!(body, carried(&hello()));
    let features = [
        Feature::LogitBias,
        Feature::ParticipantName,
        Feature::CacheBreakpoint,
        Feature::ParallelToolCalls,
        Feature::Verbosity,
        Feature::State,
    ];
    let mut expected: Vec<Lost> = features.into_iter().map(Lost::Feature).collect();
    expected.push(Lost::Unknown("messages[0].audio".to_owned()));
    let hints = [Feature::User, Feature::Metadata, Feature::ServiceTier, Feature::PromptCacheKey, Feature::Store];
    expected.extend(hints.into_iter().map(Lost::Feature));
    expected.push(Lost::Hint("stream_options.x".to_owned()));
    assert_eq!(losses.lost, expected);
}

proptest! {
    #[test]
    fn any_text_and_arguments_give_good_json(text in ".{0,30}", arguments in "[{}\":a0, \\\\]{0,20}", custom: bool) {
        let mut part = calls("1", "f", &arguments, None);
        if let Content::ToolCall(call) = &mut part.content {
            call.custom = custom;
        }
        let turns = vec![says(Role::User, &text), turn(Role::Assistant, vec![part]), turn(Role::User, vec![result("1", vec![Part::text(text)], false)])];
        let (body, _) = written(&call(turns));
        let contents = body["contents"].as_array().expect("contents");
        let called = contents.iter().find(|content| content["role"] == "model").expect("a call");
        prop_assert!(called["parts"][0]["functionCall"]["args"].is_object());
    }
}
