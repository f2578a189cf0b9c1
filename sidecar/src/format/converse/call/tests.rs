//! Calls for Converse: the whole body for each thing that a call can ask for, and what is said to be lost.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::format::Format;
use crate::format::call::{
    CacheBreakpoint, Content, Media, Part, Reasoning, Role, Signature, Thinking, Tool, ToolCall, ToolChoice, ToolInput,
    ToolResult, Turn,
};

const CLAUDE: &str = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0";

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

fn calls(id: &str, name: &str, arguments: &str) -> Part {
    let (id, name, arguments) = (id.to_owned(), name.to_owned(), arguments.to_owned());
    Part::new(Content::ToolCall(ToolCall { id, name, arguments, custom: false, signature: None }))
}

fn result(id: &str, parts: Vec<Part>, is_error: bool) -> Part {
    Part::new(Content::ToolResult(ToolResult { call_id: id.to_owned(), parts, is_error }))
}

fn call(turns: Vec<Turn>) -> ModelCall {
    ModelCall { model: CLAUDE.to_owned(), turns, ..ModelCall::default() }
}

fn hello() -> ModelCall {
    call(vec![says(Role::User, "hello")])
}

fn tool(name: &str) -> Tool {
    let input = ToolInput::Function { schema: Some(json!({"type": "object"})), strict: None };
    Tool { name: name.to_owned(), description: Some("d".to_owned()), input, cache: None }
}

fn used() -> Vec<Turn> {
    vec![
        says(Role::User, "go"),
        turn(Role::Assistant, vec![Part::text("ok"), calls("1", "f", r#"{"a": 1}"#)]),
        turn(Role::User, vec![result("1", vec![Part::text("done")], false), Part::text("and?")]),
    ]
}

#[test]
fn a_plain_call_has_messages_and_nothing_else() {
    assert_eq!(carried(&hello()), json!({"messages": [{"role": "user", "content": [{"text": "hello"}]}]}));
}

#[test]
fn instructions_stand_apart_turns_are_joined_and_blanks_left_out() {
    let body = carried(&call(vec![
        says(Role::System, "be"),
        says(Role::Developer, "brief"),
        says(Role::User, "a"),
        says(Role::Assistant, " \n"),
        says(Role::User, "b"),
        says(Role::Assistant, "c"),
        says(Role::User, "d"),
    ]));
    let expected = json!({"system": [{"text": "be"}, {"text": "brief"}], "messages": [
        {"role": "user", "content": [{"text": "a"}, {"text": "b"}]}, {"role": "assistant", "content": [{"text": "c"}]},
        {"role": "user", "content": [{"text": "d"}]}]});
    assert_eq!(body, expected);
    let (body, losses) = written(&call(vec![says(Role::System, "s")]));
    assert_eq!(body, json!({"messages": [{"role": "user", "content": [{"text": "s"}]}]}));
    assert_eq!(losses.changed, [Feature::SystemTurns]);
}

#[test]
fn a_last_turn_of_the_assistant_ends_in_no_space_and_is_refused_by_claude_4_6() {
    let turns = || vec![says(Role::User, "a"), says(Role::Assistant, "The answer is ")];
    let (body, losses) = written(&call(turns()));
    assert_eq!(body["messages"][1]["content"], json!([{"text": "The answer is"}]));
    assert_eq!(losses, Losses { lost: Vec::new(), changed: vec![Feature::Prefill] });
    let (body, losses) = written(&ModelCall { model: "eu.anthropic.claude-opus-4-6-v1".to_owned(), ..call(turns()) });
    assert_eq!(body["messages"].as_array().map(Vec::len), Some(1));
    assert_eq!(losses.lost, [Lost::Feature(Feature::Prefill)]);
}

#[test]
fn calls_and_results_of_tools_are_blocks() {
    let mut turns = used();
    turns[2].parts.insert(1, result("2", Vec::new(), true));
    let (body, losses) = written(&ModelCall { tools: vec![tool("f")], ..call(turns) });
    assert_eq!(losses, Losses::default());
    let expected = json!([
        {"role": "user", "content": [{"text": "go"}]},
        {"role": "assistant", "content": [
            {"text": "ok"}, {"toolUse": {"toolUseId": "1", "name": "f", "input": {"a": 1}}}]},
        {"role": "user", "content": [
            {"toolResult": {"toolUseId": "1", "content": [{"text": "done"}]}},
            {"toolResult": {"toolUseId": "2", "status": "error", "content": [{"text": "error"}]}}, {"text": "and?"}]},
    ]);
    assert_eq!(body["messages"], expected);
    assert_eq!(
        body["toolConfig"],
        json!({"tools": [
        {"toolSpec": {"name": "f", "description": "d", "inputSchema": {"json": {"type": "object"}}}}]})
    );
}

#[test]
fn ids_that_the_service_refuses_are_changed_alike_for_call_and_result() {
    let long = "x".repeat(70);
    for id in ["call|1", "", &long, "ümlaut"] {
        let turns = vec![
            turn(Role::Assistant, vec![calls(id, "f", "{}")]),
            turn(Role::User, vec![result(id, Vec::new(), false)]),
        ];
        let body = carried(&ModelCall { tools: vec![tool("f")], ..call(turns) });
        let called = &body["messages"][0]["content"][0]["toolUse"]["toolUseId"];
        assert_eq!(*called, body["messages"][1]["content"][0]["toolResult"]["toolUseId"]);
        let called = called.as_str().expect("an id");
        assert!(
            called.len() <= 64 && called.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_'),
            "{called}"
        );
    }
}

#[test]
fn own_thoughts_go_back_and_foreign_ones_are_left_out() {
    let thought = |maker, redacted| {
        let signature = Some(Signature { maker, value: "s".to_owned() });
        Part::new(Content::Thinking(Thinking { text: "hm".to_owned(), signature, redacted, id: None }))
    };
    let parts = vec![
        thought(Format::Converse, false),
        thought(Format::Converse, true),
        thought(Format::Messages, false),
        Part::text("a"),
    ];
    let (body, losses) = written(&call(vec![turn(Role::Assistant, parts), says(Role::User, "?")]));
    let expected = json!([
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}},
        {"reasoningContent": {"redactedContent": "s"}}, {"text": "a"},
    ]);
    assert_eq!(body["messages"][0]["content"], expected);
    assert_eq!(losses.lost, [Lost::Feature(Feature::Thinking)]);
}

#[test]
fn cache_breakpoints_are_cache_points_where_the_model_has_them() {
    let cached = |text: &str, ttl: Option<&str>| {
        let cache = Some(CacheBreakpoint { ttl: ttl.map(str::to_owned) });
        Part { cache, ..Part::text(text) }
    };
    let turns = vec![turn(Role::System, vec![cached("s", Some("1h"))]), turn(Role::User, vec![cached("a", None)])];
    let cached_tool = Tool { cache: Some(CacheBreakpoint::default()), ..tool("f") };
    let asked = ModelCall { tools: vec![cached_tool], ..call(turns) };
    let body = carried(&asked);
    assert_eq!(body["system"], json!([{"text": "s"}, {"cachePoint": {"type": "default", "ttl": "1h"}}]));
    assert_eq!(body["messages"][0]["content"], json!([{"text": "a"}, {"cachePoint": {"type": "default"}}]));
    assert_eq!(body["toolConfig"]["tools"][1], json!({"cachePoint": {"type": "default"}}));
    let (body, losses) = written(&ModelCall { model: "meta.llama3-3-70b-instruct-v1:0".to_owned(), ..asked });
    assert_eq!(body["system"], json!([{"text": "s"}]));
    assert_eq!(losses.lost, [Lost::Feature(Feature::CacheBreakpoint)]);
}

fn inline(mime: &str) -> Media {
    Media::Inline { mime: mime.to_owned(), base64: "aGk=".to_owned() }
}

#[test]
fn pictures_and_sounds_have_a_format_and_bytes() {
    let image = |media| Part::new(Content::Image { media, detail: None });
    let sound = |format: &str| Part::new(Content::Audio { data: "aGk=".to_owned(), format: format.to_owned() });
    let body = carried(&call(vec![turn(
        Role::User,
        vec![image(inline("image/jpg")), image(inline("image/webp")), sound("wav")],
    )]));
    let expected = json!([
        {"image": {"format": "jpeg", "source": {"bytes": "aGk="}}}, {"image": {"format": "webp", "source": {"bytes": "aGk="}}},
        {"audio": {"format": "wav", "source": {"bytes": "aGk="}}},
    ]);
    assert_eq!(body["messages"][0]["content"], expected);
    for (part, feature) in [
        (image(inline("image/tiff")), Feature::ImageInline),
        (image(Media::Url("https://x/a.png".to_owned())), Feature::ImageUrl),
        (image(Media::Id("file-1".to_owned())), Feature::MediaId),
        (sound("g711"), Feature::Audio),
    ] {
        let (_, losses) = written(&call(vec![turn(Role::User, vec![part, Part::text("?")])]));
        assert_eq!(losses.lost, [Lost::Feature(feature)]);
    }
}

#[test]
fn documents_have_a_name_that_the_service_takes() {
    let file = |media, name: Option<&str>, citations| {
        Part::new(Content::File { media, name: name.map(str::to_owned), citations })
    };
    let word = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
    let body = carried(&call(vec![turn(
        Role::User,
        vec![
            file(inline("application/pdf"), Some("Q3  report_v2 (final).PDF"), true),
            file(inline(word), None, false),
            file(Media::Text("words".to_owned()), None, false),
            file(inline("application/octet-stream"), Some("table.csv"), false),
            file(inline("text/plain"), Some("a.notes.md"), false),
        ],
    )]));
    let content = body["messages"][0]["content"].as_array().expect("content");
    let facts: Vec<_> =
        content.iter().map(|block| (&block["document"]["format"], &block["document"]["name"])).collect();
    let expected = [
        (json!("pdf"), json!("Q3 report-v2 (final)")),
        (json!("docx"), json!("document")),
        (json!("txt"), json!("document (2)")),
        (json!("csv"), json!("table")),
        (json!("md"), json!("a-notes")),
    ];
    assert_eq!(facts, expected.iter().map(|(format, name)| (format, name)).collect::<Vec<_>>());
    assert_eq!(content[0]["document"]["citations"], json!({"enabled": true}));
    assert_eq!(content[2]["document"]["source"]["bytes"], "d29yZHM=");
    for (media, feature) in
        [(inline("application/zip"), Feature::FileInline), (Media::Url("https://x/a.pdf".to_owned()), Feature::FileUrl)]
    {
        let (_, losses) = written(&call(vec![turn(Role::User, vec![file(media, None, false), Part::text("?")])]));
        assert_eq!(losses.lost, [Lost::Feature(feature)]);
    }
}

#[test]
fn tool_choices_are_carried_but_none() {
    let asks =
        |choice, turns| ModelCall { tools: vec![tool("f"), tool("g")], tool_choice: Some(choice), ..call(turns) };
    for (choice, expected) in [
        (ToolChoice::Auto, json!({"auto": {}})),
        (ToolChoice::Required, json!({"any": {}})),
        (ToolChoice::Tool("f".to_owned()), json!({"tool": {"name": "f"}})),
    ] {
        assert_eq!(carried(&asks(choice, used()))["toolConfig"]["toolChoice"], expected);
    }
    let allowed = ToolChoice::Allowed { required: true, names: vec!["g".to_owned()] };
    let (body, losses) = written(&asks(allowed, used()));
    assert_eq!(body["toolConfig"]["toolChoice"], json!({"any": {}}));
    assert_eq!(body["toolConfig"]["tools"].as_array().map(Vec::len), Some(1));
    assert_eq!(losses.changed, [Feature::ToolChoiceAllowed]);
}

#[test]
fn no_tool_means_no_tools_unless_the_past_has_some() {
    let asks = |turns| ModelCall { tools: vec![tool("f")], tool_choice: Some(ToolChoice::None), ..call(turns) };
    assert_eq!(carried(&asks(vec![says(Role::User, "a")]))["toolConfig"], Value::Null);
    let (body, losses) = written(&asks(used()));
    assert_eq!(body["toolConfig"]["tools"].as_array().map(Vec::len), Some(1));
    assert_eq!(losses.lost, [Lost::Feature(Feature::ToolChoiceNone)]);
}

#[test]
fn tools_of_the_past_are_named_when_the_call_has_none() {
    let (body, losses) = written(&call(used()));
    let spec = json!({"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object", "properties": {}}}}});
    assert_eq!(body["toolConfig"], json!({ "tools": [spec] }));
    assert_eq!(losses.changed, [Feature::Tools]);
}

#[test]
fn strict_and_custom_tools_have_schemas() {
    let input = ToolInput::Function { schema: None, strict: Some(true) };
    let strict = Tool { description: None, input, ..tool("f") };
    let custom = Tool { input: ToolInput::Custom { format: None }, ..tool("patch") };
    let (body, losses) = written(&ModelCall { tools: vec![strict, custom], ..hello() });
    let first = json!({"name": "f", "inputSchema": {"json": {"type": "object", "properties": {}}}, "strict": true});
    assert_eq!(body["toolConfig"]["tools"][0]["toolSpec"], first);
    let schema = &body["toolConfig"]["tools"][1]["toolSpec"]["inputSchema"]["json"];
    assert_eq!(schema["required"], json!(["input"]));
    assert_eq!(losses.changed, [Feature::CustomTools]);
}

#[test]
fn how_to_generate_is_carried() {
    let output = OutputForm::JsonSchema {
        name: Some("n".to_owned()),
        description: Some("d".to_owned()),
        schema: json!({"type": "object"}),
        strict: Some(true),
    };
    let sampling = Sampling {
        temperature: Number::from_f64(0.5),
        top_p: Number::from_f64(0.9),
        top_k: Some(40.into()),
        ..Sampling::default()
    };
    let asked = ModelCall {
        sampling,
        output: Some(output),
        stop: vec!["X".to_owned()],
        max_tokens: Some(512),
        choices: Some(1),
        ..hello()
    };
    let body = carried(&asked);
    let expected = json!({"maxTokens": 512, "temperature": 0.5, "topP": 0.9, "stopSequences": ["X"]});
    assert_eq!(body["inferenceConfig"], expected);
    let schema = json!({"name": "n", "description": "d", "schema": r#"{"type":"object"}"#});
    assert_eq!(
        body["outputConfig"],
        json!({"textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}})
    );
    assert_eq!(body["additionalModelRequestFields"], json!({"top_k": 40}));
    assert_eq!(body["additionalModelResponseFieldPaths"], json!(["/stop_sequence"]));
    let body = carried(&ModelCall { stream: true, ..asked.clone() });
    assert_eq!(body["additionalModelResponseFieldPaths"], json!(["/delta/stop_sequence"]));
    let (body, losses) = written(&ModelCall { model: "amazon.nova-pro-v1:0".to_owned(), ..asked });
    assert_eq!(body["additionalModelResponseFieldPaths"], Value::Null);
    assert_eq!(losses.lost, [Lost::Feature(Feature::TopK)]);
}

#[test]
fn a_temperature_above_the_range_is_its_end() {
    let hot = |value| Sampling { temperature: Number::from_f64(value), ..Sampling::default() };
    let (body, losses) = written(&ModelCall { sampling: hot(1.5), ..hello() });
    assert_eq!(body["inferenceConfig"]["temperature"], 1);
    assert_eq!(losses.changed, [Feature::Temperature]);
    assert_eq!(carried(&ModelCall { sampling: hot(1.0), ..hello() })["inferenceConfig"]["temperature"], 1.0);
}

fn thinks(model: &str, reasoning: Reasoning, max_tokens: Option<u64>) -> (Value, Value, Losses) {
    let asked = ModelCall { model: model.to_owned(), reasoning: Some(reasoning), max_tokens, ..hello() };
    let (body, losses) = written(&asked);
    (body["additionalModelRequestFields"]["thinking"].clone(), body["outputConfig"]["effort"].clone(), losses)
}

fn effort(effort: &str) -> Reasoning {
    Reasoning { effort: Some(effort.to_owned()), ..Reasoning::default() }
}

#[test]
fn efforts_are_budgets_or_efforts_by_the_version_of_claude() {
    let budget = |tokens: u64| json!({"type": "enabled", "budget_tokens": tokens});
    let adaptive = || json!({"type": "adaptive"});
    for (model, asked, most, thinking, effort_word) in [
        (CLAUDE, effort("low"), None, budget(2048), Value::Null),
        (CLAUDE, effort("high"), Some(5000), budget(4999), Value::Null),
        (CLAUDE, effort("none"), None, Value::Null, Value::Null),
        (CLAUDE, Reasoning { adaptive: true, ..Reasoning::default() }, None, budget(8192), Value::Null),
        ("anthropic.claude-3-7-sonnet-20250219-v1:0", effort("max"), None, budget(32_000), Value::Null),
        ("global.anthropic.claude-opus-4-6-v1", effort("high"), None, adaptive(), json!("high")),
        ("eu.anthropic.claude-opus-5-5", effort("minimal"), None, adaptive(), json!("low")),
        ("eu.anthropic.claude-sonnet-5-20260901-v1:0", effort("xhigh"), None, adaptive(), json!("xhigh")),
    ] {
        let (found, word, losses) = thinks(model, asked, most);
        assert_eq!((found, word), (thinking, effort_word), "{model}");
        assert!(losses.lost.is_empty());
    }
    for model in ["anthropic.claude-3-5-sonnet-20240620-v1:0", "anthropic.claude-v2:1", "amazon.nova-pro-v1:0"] {
        let (found, word, losses) = thinks(model, effort("low"), None);
        assert_eq!((found, word), (Value::Null, Value::Null));
        assert_eq!(losses.lost, [Lost::Feature(Feature::ReasoningEffort)], "{model}");
    }
    let (found, _, losses) = thinks(CLAUDE, effort("low"), Some(1000));
    assert_eq!((found, losses.lost), (Value::Null, vec![Lost::Feature(Feature::ReasoningEffort)]));
}

#[test]
fn a_claude_that_thinks_draws_as_it_likes() {
    let sampling = || Sampling {
        temperature: Number::from_f64(0.2),
        top_p: Number::from_f64(0.9),
        top_k: Some(40.into()),
        ..Sampling::default()
    };
    let (body, losses) = written(&ModelCall { reasoning: Some(effort("high")), sampling: sampling(), ..hello() });
    assert_eq!(body["inferenceConfig"], Value::Null);
    assert_eq!(body["additionalModelRequestFields"].get("top_k"), None);
    assert_eq!(losses.lost, [Feature::Temperature, Feature::TopP, Feature::TopK].map(Lost::Feature));
    let body = carried(&ModelCall { reasoning: Some(effort("none")), sampling: sampling(), ..hello() });
    assert_eq!(body["inferenceConfig"], json!({"temperature": 0.2, "topP": 0.9}));
}

#[test]
fn budgets_are_carried_where_they_are_taken() {
    let budget = Reasoning { budget_tokens: Some(3000), summary: Some("auto".to_owned()), ..Reasoning::default() };
    let expected = json!({"type": "enabled", "budget_tokens": 3000});
    let (found, _, losses) = thinks("anthropic.claude-sonnet-4-6", budget.clone(), None);
    assert_eq!((found, losses.lost), (expected, vec![Lost::Feature(Feature::ReasoningSummary)]));
    let (found, _, losses) = thinks("anthropic.claude-opus-4-7", budget, None);
    assert_eq!(found, json!({"type": "adaptive", "display": "summarized"}));
    assert_eq!(losses, Losses { lost: Vec::new(), changed: vec![Feature::ReasoningBudget] });
}

#[test]
fn versions_are_read_from_every_form_of_a_name() {
    for (model, expected) in [
        ("anthropic.claude-3-7-sonnet-20250219-v1:0", Some((3, 7))),
        ("eu.anthropic.claude-sonnet-4-20250514-v1:0", Some((4, 0))),
        ("arn:aws:bedrock:eu-west-1:1:inference-profile/eu.anthropic.claude-opus-4-5-20251101-v1:0", Some((4, 5))),
        ("anthropic.claude-opus-5-5", Some((5, 5))),
        ("anthropic.claude-v2:1", Some((1, 0))),
        ("amazon.nova-pro-v1:0", None),
    ] {
        assert_eq!(thinking::version(model), expected, "{model}");
    }
}

#[test]
fn hints_that_the_service_takes_are_carried() {
    let hints = |metadata: Value, tier: &str| Hints {
        metadata: Some(metadata),
        service_tier: Some(tier.to_owned()),
        store: Some(false),
        ..Hints::default()
    };
    let body = carried(&ModelCall { hints: hints(json!({"team": "a b"}), "flex"), ..hello() });
    assert_eq!(body["requestMetadata"], json!({"team": "a b"}));
    assert_eq!(body["serviceTier"], json!({"type": "flex"}));
    assert_eq!(carried(&ModelCall { hints: hints(json!({}), "auto"), ..hello() }), carried(&hello()));
    for metadata in [json!({"a": 1}), json!({"a": "ü"}), json!({"": "a"}), json!({"a": "x".repeat(257)}), json!("a")] {
        let (body, losses) = written(&ModelCall { hints: hints(metadata, "scale"), ..hello() });
        assert_eq!(body, carried(&hello()));
        assert_eq!(losses.lost, [Lost::Feature(Feature::Metadata), Lost::Feature(Feature::ServiceTier)]);
    }
}

#[test]
fn what_has_no_place_is_lost_by_name() {
    let one = || Some(1.into());
    let sampling = Sampling {
        seed: one(),
        presence_penalty: one(),
        frequency_penalty: one(),
        logit_bias: Some(json!({})),
        ..Sampling::default()
    };
    let (body, losses) = written(&ModelCall {
        turns: vec![Turn { name: Some("ann".to_owned()), ..says(Role::User, "hello") }],
        sampling,
        output: Some(OutputForm::JsonObject),
        choices: Some(2),
        logprobs: Some(0),
        parallel_tool_calls: Some(false),
        verbosity: Some("low".to_owned()),
        state: Some(("conversation".to_owned(), "c".to_owned())),
        unknown: vec![("modalities".to_owned(), json!(["audio"]))],
        hints: Hints {
            user: Some("u".to_owned()),
            prompt_cache_key: Some("k".to_owned()),
            store: Some(true),
            other: vec!["x".to_owned()],
            ..Hints::default()
        },
        ..hello()
    });
    assert_eq!(body, carried(&hello()));
    let features = [
        Feature::Seed,
        Feature::PresencePenalty,
        Feature::FrequencyPenalty,
        Feature::LogitBias,
        Feature::JsonObject,
        Feature::ParticipantName,
        Feature::Choices,
        Feature::Logprobs,
        Feature::ParallelToolCalls,
        Feature::Verbosity,
        Feature::State,
    ];
    let mut expected: Vec<Lost> = features.into_iter().map(Lost::Feature).collect();
    expected.push(Lost::Unknown("modalities".to_owned()));
    expected.extend([Feature::User, Feature::PromptCacheKey, Feature::Store].map(Lost::Feature));
    expected.push(Lost::Hint("x".to_owned()));
    assert_eq!(losses.lost, expected);
}

proptest! {
    #[test]
    fn roles_alternate_whatever_the_turns_are(turns in proptest::collection::vec((0_u8..4, ".{0,6}"), 0..12)) {
        let turns = turns.iter().map(|(role, text)| {
            let role = [Role::System, Role::Developer, Role::User, Role::Assistant][usize::from(*role)];
            says(role, text)
        });
        let (body, _) = written(&call(turns.collect()));
        let messages = body["messages"].as_array().expect("messages");
        for pair in messages.windows(2) {
            prop_assert_ne!(&pair[0]["role"], &pair[1]["role"]);
        }
        for block in messages.iter().flat_map(|message| message["content"].as_array().expect("content")) {
            prop_assert!(!block["text"].as_str().expect("text").trim().is_empty());
        }
    }

    #[test]
    fn names_of_documents_are_of_the_letters_that_are_taken(names in proptest::collection::vec(".{0,220}", 1..5)) {
        let parts = names.iter().map(|name| {
            Part::new(Content::File { media: Media::Text("x".to_owned()), name: Some(name.clone()), citations: false })
        });
        let body = carried(&call(vec![turn(Role::User, parts.collect())]));
        let content = body["messages"][0]["content"].as_array().expect("content");
        let mut seen = Vec::new();
        for block in content {
            let name = block["document"]["name"].as_str().expect("a name");
            let fits = |letter: char| letter.is_ascii_alphanumeric() || " -()[]".contains(letter);
            prop_assert!((1..=200).contains(&name.len()) && name.chars().all(fits) && !name.contains("  "), "{}", name);
            prop_assert!(!seen.contains(&name));
            seen.push(name);
        }
    }
}
