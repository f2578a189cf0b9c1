//! Calls for providers.

use serde_json::{Value, json};

use super::{read, write};
use crate::format::Format;
use crate::format::call::{
    Content, Media, ModelCall, OutputForm, Part, Reasoning, Role, Sampling, Signature, Thinking, Tool, ToolCall,
    ToolChoice, ToolInput, ToolResult, Turn,
};
use crate::format::loss::{Feature, Lost};

fn turn(role: Role, parts: Vec<Part>) -> Turn {
    Turn { role, name: None, parts }
}

fn said(role: Role, text: &str) -> Turn {
    turn(role, vec![Part::text(text)])
}

fn asking() -> ModelCall {
    ModelCall { model: "claude-sonnet-4-5".to_owned(), turns: vec![said(Role::User, "hi")], ..ModelCall::default() }
}

fn called(id: &str, arguments: &str) -> Part {
    Part::new(Content::ToolCall(ToolCall {
        id: id.to_owned(),
        name: "f".to_owned(),
        arguments: arguments.to_owned(),
        custom: false,
        signature: None,
    }))
}

fn result(id: &str, parts: Vec<Part>) -> Part {
    Part::new(Content::ToolResult(ToolResult { call_id: id.to_owned(), parts, is_error: false }))
}

fn tool(name: &str) -> Tool {
    Tool {
        name: name.to_owned(),
        description: None,
        input: ToolInput::Function { schema: None, strict: None },
        cache: None,
    }
}

fn effort(level: &str) -> Reasoning {
    Reasoning { effort: Some(level.to_owned()), ..Reasoning::default() }
}

#[test]
fn a_plain_call_has_what_the_api_requires() {
    let (body, losses) = write(&asking());
    assert_eq!(
        body,
        json!({"model": "claude-sonnet-4-5", "max_tokens": 4096,
            "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]})
    );
    assert_eq!(losses, crate::format::loss::Losses::default());
}

#[test]
fn instructions_become_the_system_and_those_in_the_middle_are_a_change() {
    let mut call = asking();
    call.turns.insert(0, said(Role::System, "one"));
    call.turns.insert(1, said(Role::Developer, "two"));
    let (body, losses) = write(&call);
    assert_eq!(body["system"], json!([{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]));
    assert_eq!(losses.changed, []);
    call.turns.push(said(Role::System, "three"));
    let (body, losses) = write(&call);
    assert_eq!(body["system"][2]["text"], "three");
    assert_eq!(losses.changed, [Feature::SystemTurns]);
}

#[test]
fn instructions_alone_are_what_the_user_says() {
    let call = ModelCall { turns: vec![said(Role::System, "Say hi.")], ..asking() };
    let (body, losses) = write(&call);
    assert_eq!(body["messages"], json!([{"role": "user", "content": [{"type": "text", "text": "Say hi."}]}]));
    assert!(body.get("system").is_none());
    assert_eq!(losses.changed, [Feature::SystemTurns]);
}

#[test]
fn turns_of_one_side_are_one_message_with_results_first() {
    let call = ModelCall {
        turns: vec![
            said(Role::User, "go"),
            said(Role::Assistant, "ok"),
            turn(Role::Assistant, vec![Part::text(" "), called("functions.f:0", "")]),
            said(Role::User, "wait"),
            turn(Role::User, vec![result("functions.f:0", vec![Part::text("r")])]),
        ],
        ..asking()
    };
    let (body, _) = write(&call);
    assert_eq!(
        body["messages"],
        json!([
            {"role": "user", "content": [{"type": "text", "text": "go"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "ok"},
                {"type": "tool_use", "id": "functions_f_0", "name": "f", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "functions_f_0", "content": "r"},
                {"type": "text", "text": "wait"}]},
        ])
    );
}

#[test]
fn arguments_that_are_no_object_are_kept_as_a_text() {
    for arguments in ["[1]", "{\"a\":", "words"] {
        let call = ModelCall { turns: vec![turn(Role::Assistant, vec![called("a", arguments)])], ..asking() };
        assert_eq!(write(&call).0["messages"][0]["content"][0]["input"], json!({"input": arguments}));
    }
    let call = ModelCall { turns: vec![turn(Role::Assistant, vec![called("a", " {\"b\": 1.0}")])], ..asking() };
    assert_eq!(write(&call).0["messages"][0]["content"][0]["input"], json!({"b": 1.0}));
}

#[test]
fn only_thoughts_of_this_dialect_are_sent() {
    let thought = |maker, redacted| {
        let signature = Some(Signature { maker, value: "s".to_owned() });
        Part::new(Content::Thinking(Thinking { text: "t".to_owned(), signature, redacted, id: None }))
    };
    let unsigned = Part::new(Content::Thinking(Thinking { text: "u".to_owned(), ..Thinking::default() }));
    let parts = vec![
        thought(Format::Messages, false),
        thought(Format::Messages, true),
        thought(Format::Converse, false),
        unsigned,
    ];
    let (body, losses) = write(&ModelCall { turns: vec![turn(Role::Assistant, parts)], ..asking() });
    assert_eq!(
        body["messages"][0]["content"],
        json!([{"type": "thinking", "thinking": "t", "signature": "s"}, {"type": "redacted_thinking", "data": "s"}])
    );
    assert_eq!(losses.lost, [Lost::Feature(Feature::Thinking)]);
}

#[test]
fn an_effort_is_a_budget_before_claude_4_6_and_for_others() {
    for model in ["claude-haiku-4-5", "kimi-k2"] {
        let call = ModelCall { model: model.to_owned(), reasoning: Some(effort("high")), ..asking() };
        let (body, losses) = write(&call);
        assert_eq!(body["thinking"], json!({"type": "enabled", "budget_tokens": 16384}));
        assert_eq!(body["max_tokens"], 16384 + 4096);
        assert_eq!(losses.changed, [Feature::ReasoningEffort]);
        let (body, _) = write(&ModelCall { max_tokens: Some(4096), ..call });
        assert_eq!(body["thinking"]["budget_tokens"], 2048);
    }
}

#[test]
fn an_effort_is_an_effort_from_claude_4_6_on() {
    let call =
        ModelCall { model: "eu.anthropic.claude-opus-5-5".to_owned(), reasoning: Some(effort("xhigh")), ..asking() };
    let (body, losses) = write(&call);
    assert_eq!(body["thinking"], json!({"type": "adaptive"}));
    assert_eq!(body["output_config"], json!({"effort": "xhigh"}));
    assert_eq!(losses.changed, []);
    let call = ModelCall { model: "claude-sonnet-4-6".to_owned(), ..call };
    let (body, losses) = write(&call);
    assert_eq!(body["output_config"], json!({"effort": "high"}));
    assert_eq!(losses.changed, [Feature::ReasoningEffort]);
    let (body, _) = write(&ModelCall { reasoning: Some(effort("none")), ..call });
    assert_eq!(body["thinking"], json!({"type": "disabled"}));
}

#[test]
fn a_budget_fits_between_1024_and_the_most_tokens() {
    let budget = |budget, max| {
        let reasoning = Some(Reasoning { budget_tokens: Some(budget), ..Reasoning::default() });
        write(&ModelCall { reasoning, max_tokens: max, ..asking() })
    };
    assert_eq!(budget(2000, Some(4000)).0["thinking"]["budget_tokens"], 2000);
    assert_eq!(budget(2000, Some(4000)).1.changed, []);
    assert_eq!(budget(10, Some(4000)).0["thinking"]["budget_tokens"], 1024);
    assert_eq!(budget(9000, Some(4000)).0["thinking"]["budget_tokens"], 3999);
    assert_eq!(budget(9000, Some(4000)).1.changed, [Feature::ReasoningBudget]);
    let (body, losses) = budget(2000, Some(1024));
    assert!(body.get("thinking").is_none());
    assert_eq!(losses.lost, [Lost::Feature(Feature::ReasoningBudget)]);
    assert_eq!(budget(2000, None).0["max_tokens"], 2000 + 4096);
}

#[test]
fn a_forced_call_of_a_tool_beats_thinking() {
    let call = ModelCall {
        tools: vec![tool("f")],
        tool_choice: Some(ToolChoice::Required),
        reasoning: Some(effort("low")),
        ..asking()
    };
    let (body, losses) = write(&call);
    assert!(body.get("thinking").is_none());
    assert_eq!(body["tool_choice"], json!({"type": "any"}));
    assert_eq!(losses.lost, [Lost::Feature(Feature::ReasoningEffort)]);
    let (body, losses) = write(&ModelCall { model: "claude-opus-5".to_owned(), ..call });
    assert!(body.get("thinking").is_none());
    assert_eq!(body["output_config"], json!({"effort": "low"}));
    assert_eq!((losses.lost, losses.changed), (vec![], vec![Feature::ReasoningEffort]));
}

#[test]
fn calls_without_their_thoughts_are_continued_without_a_budget() {
    let turns = vec![
        said(Role::User, "x"),
        turn(Role::Assistant, vec![called("a", "{}")]),
        turn(Role::User, vec![result("a", vec![])]),
    ];
    let call = ModelCall { turns, reasoning: Some(effort("low")), ..asking() };
    let (body, losses) = write(&call);
    assert!(body.get("thinking").is_none());
    assert_eq!((losses.lost, losses.changed), (vec![], vec![Feature::ReasoningEffort]));
    let (body, _) = write(&ModelCall { model: "glm-5".to_owned(), ..call });
    assert_eq!(body["thinking"]["type"], "enabled");
}

#[test]
fn a_draw_that_the_model_refuses_is_lost_and_a_default_is_left_out() {
    let drawn = |model: &str, temperature: f64, top_p: f64| {
        let number = serde_json::Number::from_f64;
        let sampling = Sampling { temperature: number(temperature), top_p: number(top_p), ..Sampling::default() };
        let (body, losses) = write(&ModelCall { model: model.to_owned(), sampling, ..asking() });
        (body.get("temperature").cloned(), body.get("top_p").cloned(), losses.lost)
    };
    let lost = |feature| vec![Lost::Feature(feature)];
    assert_eq!(drawn("claude-3-7-sonnet-20250219", 0.5, 0.9), (Some(json!(0.5)), Some(json!(0.9)), vec![]));
    assert_eq!(drawn("claude-sonnet-4-5", 0.5, 1.0), (Some(json!(0.5)), None, vec![]));
    assert_eq!(drawn("claude-sonnet-4-5", 1.0, 0.9), (None, Some(json!(0.9)), vec![]));
    assert_eq!(drawn("claude-sonnet-4-5", 0.5, 0.9), (Some(json!(0.5)), None, lost(Feature::TopP)));
    assert_eq!(drawn("claude-opus-4-8", 1.0, 1.0), (None, None, vec![]));
    assert_eq!(drawn("claude-opus-4-8", 0.0, 1.0), (None, None, lost(Feature::Temperature)));
    assert_eq!(drawn("kimi-k2", 1.5, 0.9), (None, Some(json!(0.9)), lost(Feature::Temperature)));
}

#[test]
fn tools_are_written_with_schemas_of_objects() {
    let mut call = asking();
    call.tools = vec![tool("a"), tool("b"), tool("c")];
    call.tools[1].input =
        ToolInput::Function { schema: Some(json!({"properties": {"x": {}}, "$defs": {}})), strict: Some(true) };
    call.tools[2].input = ToolInput::Custom { format: Some(json!({"type": "grammar", "syntax": "lark"})) };
    let (body, losses) = write(&call);
    assert_eq!(body["tools"][0], json!({"name": "a", "input_schema": {"type": "object", "properties": {}}}));
    assert_eq!(
        body["tools"][1],
        json!({"name": "b", "strict": true, "input_schema": {"type": "object", "properties": {"x": {}}, "$defs": {}}})
    );
    assert_eq!(body["tools"][2]["input_schema"]["required"], json!(["input"]));
    assert!(body["tools"][2]["description"].as_str().is_some_and(|text| text.contains("lark")));
    assert_eq!(losses.changed, [Feature::CustomTools]);
}

#[test]
fn a_choice_of_some_tools_is_a_list_of_only_those() {
    let mut call = asking();
    call.tools = vec![tool("a"), tool("b")];
    call.tool_choice = Some(ToolChoice::Allowed { required: true, names: vec!["b".to_owned()] });
    call.parallel_tool_calls = Some(false);
    let (body, losses) = write(&call);
    assert_eq!(body["tools"].as_array().map(Vec::len), Some(1));
    assert_eq!(body["tool_choice"], json!({"type": "any", "disable_parallel_tool_use": true}));
    assert_eq!(losses.changed, [Feature::ToolChoiceAllowed]);
    call.tool_choice = Some(ToolChoice::None);
    assert_eq!(write(&call).0["tool_choice"], json!({"type": "none"}));
    call.tool_choice = None;
    assert_eq!(write(&call).0["tool_choice"], json!({"type": "auto", "disable_parallel_tool_use": true}));
    call.tools.clear();
    assert!(write(&call).0.get("tool_choice").is_none());
}

#[test]
fn pictures_and_documents_find_their_sources_or_are_lost_by_name() {
    let inline = |mime: &str, base64: &str| Media::Inline { mime: mime.to_owned(), base64: base64.to_owned() };
    let file = |media| Part::new(Content::File { media, name: Some("n".to_owned()), citations: true });
    let image = |media| Part::new(Content::Image { media, detail: None });
    let parts = vec![
        image(inline("image/png", "AA==")),
        image(Media::Url("https://a".to_owned())),
        image(Media::Id("file_1".to_owned())),
        file(inline("application/pdf", "JVBE")),
        file(inline("text/csv", "YSxi")),
        file(inline("application/zip", "AA==")),
        Part::new(Content::Audio { data: String::new(), format: "wav".to_owned() }),
    ];
    let (body, losses) = write(&ModelCall { turns: vec![turn(Role::User, parts)], ..asking() });
    let content = &body["messages"][0]["content"];
    assert_eq!(content[0]["source"], json!({"type": "base64", "media_type": "image/png", "data": "AA=="}));
    assert_eq!(content[1]["source"], json!({"type": "url", "url": "https://a"}));
    assert_eq!(content[2]["source"]["media_type"], "application/pdf");
    assert_eq!(
        content[3],
        json!({"type": "document", "title": "n", "citations": {"enabled": true},
            "source": {"type": "text", "media_type": "text/plain", "data": "a,b"}})
    );
    assert_eq!(content.as_array().map(Vec::len), Some(4));
    assert_eq!(losses.lost, [Feature::MediaId, Feature::FileInline, Feature::Audio].map(Lost::Feature));
}

#[test]
fn what_the_dialect_has_no_field_for_is_lost_by_name() {
    let mut call = asking();
    call.sampling.seed = Some(1.into());
    call.sampling.presence_penalty = Some(0.into());
    call.sampling.frequency_penalty = serde_json::Number::from_f64(0.5);
    call.choices = Some(2);
    call.logprobs = Some(0);
    call.output = Some(OutputForm::JsonObject);
    call.stop = vec!["\n".to_owned(), "END".to_owned()];
    call.hints.other = vec!["h".to_owned()];
    call.hints.store = Some(false);
    call.unknown = vec![("u.v".to_owned(), Value::Null)];
    let (body, losses) = write(&call);
    assert_eq!(body["stop_sequences"], json!(["END"]));
    let mut lost = losses.lost;
    lost.sort_by_key(|lost| format!("{lost:?}"));
    let mut expected = vec![
        Lost::Hint("h".to_owned()),
        Lost::Unknown("u.v".to_owned()),
        Lost::Feature(Feature::Seed),
        Lost::Feature(Feature::FrequencyPenalty),
        Lost::Feature(Feature::Choices),
        Lost::Feature(Feature::Logprobs),
        Lost::Feature(Feature::JsonObject),
        Lost::Feature(Feature::Stop),
    ];
    expected.sort_by_key(|lost| format!("{lost:?}"));
    assert_eq!(lost, expected);
}

#[test]
fn a_schema_of_the_answer_keeps_its_description() {
    let output = Some(OutputForm::JsonSchema {
        name: Some("n".to_owned()),
        description: Some("d".to_owned()),
        schema: json!({"type": "object"}),
        strict: Some(true),
    });
    let (body, losses) = write(&ModelCall { output: output.clone(), ..asking() });
    assert_eq!(
        body["output_config"]["format"],
        json!({"type": "json_schema", "schema": {"type": "object", "description": "d"}})
    );
    assert_eq!(losses.lost, []);
    let (_, losses) = write(&ModelCall { output, model: "claude-3-5-haiku-20241022".to_owned(), ..asking() });
    assert_eq!(losses.lost, [Lost::Feature(Feature::JsonSchema)]);
}

#[test]
fn a_prefill_does_not_end_in_white_space_and_is_lost_where_it_is_refused() {
    let call = ModelCall { turns: vec![said(Role::User, "x"), said(Role::Assistant, "The answer is \n")], ..asking() };
    assert_eq!(write(&call).0["messages"][1]["content"][0]["text"], "The answer is");
    let (body, losses) = write(&ModelCall { model: "claude-opus-4-6".to_owned(), ..call });
    assert_eq!(body["messages"].as_array().map(Vec::len), Some(1));
    assert_eq!(losses.lost, [Lost::Feature(Feature::Prefill)]);
}

#[test]
fn an_image_in_a_result_goes_both_ways() {
    let body = json!({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": "a", "is_error": true, "content": [
            {"type": "text", "text": "t"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}]}]}]});
    assert_eq!(write(&read(body.clone()).expect("a call")).0, body);
}

#[test]
fn a_prefill_is_lost_from_claude_4_6_on() {
    for (model, is_lost) in [("claude-opus-4-6", true), ("claude-sonnet-4-5", false), ("kimi-k2", false)] {
        let turns = vec![said(Role::User, "hi"), said(Role::Assistant, "The answer is")];
        let (body, losses) = write(&ModelCall { model: model.to_owned(), turns, ..asking() });

        assert_eq!(losses.lost.contains(&Lost::Feature(Feature::Prefill)), is_lost, "{model}");
        assert_eq!(body["messages"].as_array().map(Vec::len), Some(if is_lost { 1 } else { 2 }), "{model}");
    }
}
