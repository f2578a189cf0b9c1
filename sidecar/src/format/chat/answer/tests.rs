//! Whole answers: what providers send, what callers get.

use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{read, write};
use crate::format::answer::{Choice, Citation, ModelAnswer, Said, Stop, Told, Usage};
use crate::format::call::{Content, Signature, Thinking, ToolCall};
use crate::format::chat::thoughts::{self, IN_CONTENT, IN_REASONING, IN_REASONING_CONTENT};
use crate::format::{Format, chat, completions};

fn reading(value: &Value) -> ModelAnswer {
    read(value.to_string().as_bytes(), 7).expect("an answer")
}

/// An answer with this message and this reason.
fn message(message: &Value, finish_reason: &str) -> Choice {
    reading(&json!({"choices": [{"index": 0, "message": message, "finish_reason": finish_reason}]})).choices.remove(0)
}

fn text(text: &str) -> Said {
    Said::Text { text: text.to_owned(), citations: Vec::new() }
}

fn thinking(text: &str, place: &str) -> Said {
    Said::Thinking(Thinking { text: text.to_owned(), signature: Some(thoughts::place(place)), ..Thinking::default() })
}

fn told() -> Told {
    Told {
        id: "abc".to_owned(),
        created: 1_700_000_000,
        model: "asked".to_owned(),
        provider: "ns/p".to_owned(),
        ..Told::default()
    }
}

fn writing(answer: &ModelAnswer) -> Value {
    serde_json::from_slice(&write(answer, &told())).expect("JSON")
}

fn saying(parts: Vec<Said>, stop: Stop) -> ModelAnswer {
    let choices = vec![Choice { parts, stop: Some(stop), logprobs: None }];
    ModelAnswer { choices, ..ModelAnswer::default() }
}

#[test]
fn an_answer_of_openai_is_read_whole() {
    let answer = reading(&json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000, "model": "gpt-x", "service_tier": "default",
        "choices": [
            {"index": 1, "finish_reason": "length", "logprobs": null, "message": {"role": "assistant", "content": "two", "refusal": null}},
            {"index": 0, "finish_reason": "stop", "logprobs": {"content": [{"token": "one"}], "refusal": null}, "message": {
                "role": "assistant", "content": "one", "refusal": null, "annotations": [
                    {"type": "url_citation", "url_citation": {"url": "https://a", "title": "A", "start_index": 0, "end_index": 3}}]}}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15,
            "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 3}},
    }));

    let citation =
        Citation { url: Some("https://a".into()), title: Some("A".into()), quote: None, start: Some(0), end: Some(3) };
    assert_eq!(
        answer,
        ModelAnswer {
            id: Some("chatcmpl-1".into()),
            model: Some("gpt-x".into()),
            created: Some(1_700_000_000),
            choices: vec![
                Choice {
                    parts: vec![Said::Text { text: "one".into(), citations: vec![citation] }],
                    stop: Some(Stop::End),
                    logprobs: Some(json!({"content": [{"token": "one"}], "refusal": null})),
                },
                Choice { parts: vec![text("two")], stop: Some(Stop::Length), logprobs: None },
            ],
            usage: Some(Usage { input: 10, cached_input: 4, cache_write: 2, output: 5, reasoning: 3, cost: None }),
            service_tier: Some("default".into()),
        }
    );
}

#[test]
fn each_server_has_its_own_place_for_thoughts() {
    for (given, parts) in [
        (json!({"content": "x", "reasoning_content": "hm"}), vec![thinking("hm", IN_REASONING_CONTENT), text("x")]),
        (json!({"content": "x", "reasoning": "hm"}), vec![thinking("hm", IN_REASONING), text("x")]),
        (
            json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "x"}]}),
            vec![thinking("hm", IN_CONTENT), text("x")],
        ),
        (
            json!({"content": "x", "reasoning": "hm", "reasoning_details": [
                {"type": "reasoning.text", "text": "hm", "signature": "S", "format": "anthropic-claude-v1", "index": 0},
                {"type": "reasoning.encrypted", "data": "R", "index": 1}]}),
            vec![
                Said::Thinking(Thinking {
                    text: "hm".into(),
                    signature: Some(thoughts::seal(Some("anthropic-claude-v1"), "S")),
                    ..Thinking::default()
                }),
                Said::Thinking(Thinking {
                    signature: Some(thoughts::seal(None, "R")),
                    redacted: true,
                    ..Thinking::default()
                }),
                text("x"),
            ],
        ),
        (json!({"content": "", "reasoning_content": null, "reasoning": {}}), vec![]),
    ] {
        assert_eq!(message(&given, "stop").parts, parts, "{given}");
    }
}

#[test]
fn tool_calls_are_read_from_strings_and_objects_with_and_without_ids() {
    let call = |id: &str, arguments: &str, custom: bool| {
        Said::ToolCall(ToolCall {
            id: id.into(),
            name: "f".into(),
            arguments: arguments.into(),
            custom,
            signature: None,
        })
    };
    let choice = message(
        &json!({"content": null, "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"x\": \"\\\"\"}"}},
            {"function": {"name": "f", "arguments": {"x": 1}}},
            {"id": "", "function": {"name": "f", "arguments": ""}},
            {"id": "d", "type": "custom", "custom": {"name": "f", "input": "free"}}],
            "function_call": {"name": "f", "arguments": "{}"}}),
        "stop",
    );

    assert_eq!(
        choice.parts,
        [
            call("a", r#"{"x": "\""}"#, false),
            call("call_0000000000000007_1", r#"{"x":1}"#, false),
            call("call_0000000000000007_2", "{}", false),
            call("d", "free", true),
            call("call_0000000000000007_4", "{}", false),
        ]
    );
    assert_eq!(choice.stop, Some(Stop::ToolUse), "TGI and Gemini say `stop`");
}

#[test]
fn each_servers_reason_for_the_end_is_understood() {
    let stop = |extra: Value| {
        let mut choice = json!({"message": {"content": "x"}});
        choice.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
        reading(&json!({"choices": [choice]})).choices.remove(0).stop
    };
    for (extra, expected) in [
        (json!({"finish_reason": "stop"}), Some(Stop::End)),
        (json!({"finish_reason": "eos"}), Some(Stop::End)),
        (json!({"finish_reason": "stop", "stop_reason": "X"}), Some(Stop::Sequence(Some("X".into())))),
        (json!({"finish_reason": "stop", "matched_stop": 151_645}), Some(Stop::End)),
        (json!({"finish_reason": "stop_sequence"}), Some(Stop::Sequence(None))),
        (json!({"finish_reason": "model_length"}), Some(Stop::ContextWindow)),
        (json!({"finish_reason": "content_filter"}), Some(Stop::Filtered(None))),
        (json!({"finish_reason": "error"}), Some(Stop::Failed("error".into()))),
        (json!({"finish_reason": "brand_new"}), Some(Stop::End)),
        (json!({"finish_reason": ""}), None),
        (json!({}), None),
    ] {
        assert_eq!(stop(extra.clone()), expected, "{extra}");
    }
}

#[test]
fn thoughts_that_a_server_leaves_out_of_the_output_are_added() {
    let usage = |usage: Value| {
        reading(&json!({"choices": [{"message": {"content": "x"}}], "usage": usage})).usage.expect("a usage")
    };
    let counts = |usage: Usage| (usage.input, usage.cached_input, usage.output, usage.reasoning);

    let xai = json!({"prompt_tokens": 291, "completion_tokens": 26, "total_tokens": 513,
        "prompt_tokens_details": {"cached_tokens": 290}, "completion_tokens_details": {"reasoning_tokens": 196}});
    assert_eq!(counts(usage(xai)), (291, 290, 222, 196));
    let gemini = json!({"prompt_tokens": 26, "completion_tokens": 23, "total_tokens": 181});
    assert_eq!(counts(usage(gemini)), (26, 0, 155, 132));
    let deepseek = json!({"prompt_tokens": 339, "completion_tokens": 83, "total_tokens": 422,
        "completion_tokens_details": {"reasoning_tokens": 39}, "prompt_cache_hit_tokens": 320});
    assert_eq!(counts(usage(deepseek)), (339, 320, 83, 39));
    let odd =
        json!({"prompt_tokens": 1.0, "completion_tokens": null, "total_tokens": "many", "prompt_tokens_details": null});
    assert_eq!(counts(usage(odd)), (1, 0, 0, 0));
}

#[test]
fn togethers_log_probabilities_are_told_as_openais() {
    let answer = reading(&json!({"choices": [{"message": {"content": "x"}, "finish_reason": "eos",
        "logprobs": {"tokens": ["x", null], "token_logprobs": [-0.5, -1], "token_ids": [1, 2]}}]}));

    assert_eq!(
        answer.choices[0].logprobs,
        Some(json!({"content": [{"token": "x", "logprob": -0.5, "bytes": null, "top_logprobs": []}], "refusal": null}))
    );
}

/// What an app that keeps a message sends back: the message of an answer, in a call.
fn sent_back(message: &Value) -> Vec<Content> {
    let body = json!({"model": "m", "messages": [message]});
    let call = chat::call::read(body.as_object().expect("an object").clone()).expect("a call");
    assert_eq!(call.unknown, []);
    call.turns.into_iter().flat_map(|turn| turn.parts).map(|part| part.content).collect()
}

#[test]
fn an_app_that_sends_a_message_back_returns_what_its_provider_signed() {
    let signed = |maker, value: &str| Some(Signature { maker, value: value.into() });
    let thoughts = [
        Thinking { text: "a".into(), signature: signed(Format::Messages, "S"), ..Thinking::default() },
        Thinking { signature: signed(Format::Messages, "R"), redacted: true, ..Thinking::default() },
        Thinking {
            text: "sum".into(),
            signature: signed(Format::Responses, "E"),
            redacted: true,
            id: Some("rs_1".into()),
        },
    ];
    let called = ToolCall {
        id: "c".into(),
        name: "f".into(),
        arguments: "{}".into(),
        custom: false,
        signature: signed(Format::Gemini, "G"),
    };
    let mut parts: Vec<_> = thoughts.iter().cloned().map(Said::Thinking).collect();
    parts.extend([text("x"), Said::ToolCall(called.clone())]);

    let message = writing(&saying(parts, Stop::ToolUse))["choices"][0]["message"].take();

    let mut expected: Vec<_> = thoughts.into_iter().map(Content::Thinking).collect();
    expected.extend([Content::Text("x".into()), Content::ToolCall(called)]);
    assert_eq!(sent_back(&message), expected);
}

#[test]
fn plain_thoughts_find_back_to_their_place_through_another_dialect() {
    let choice = message(&json!({"content": "x", "reasoning_content": "hm"}), "stop");
    let Said::Thinking(Thinking { signature: Some(signature), .. }) = &choice.parts[0] else { panic!("no thoughts") };

    let handed_back = Signature::read(&signature.told_in(Format::Messages), Format::Messages);
    assert_eq!(thoughts::kept(&handed_back), Some(thoughts::Kept::Place(IN_REASONING_CONTENT)));
}

#[test]
fn what_is_no_answer_is_refused() {
    for (body, why) in [
        (r#"{"error":{"message":"no"}}"#, "an error with status 200"),
        (r#"{"object":"error","message":"no"}"#, "an error with status 200"),
        (
            r#"{"choices":[{"error":{"code":502},"finish_reason":"error","message":{"content":"x"}}]}"#,
            "an error with status 200",
        ),
        (r#"{"choices":[]}"#, "JSON without choices"),
        (r#"{"choices":null}"#, "JSON without choices"),
        ("<html>", "not an answer of Chat Completions"),
        ("[]", "JSON without choices"),
    ] {
        let malformed = read(body.as_bytes(), 0).expect_err("no answer");
        assert_eq!(malformed.0, why, "{body}");
    }
}

#[test]
fn an_answer_is_written_as_openai_writes_it() {
    let answer = ModelAnswer {
        model: Some("gpt-x".into()),
        choices: vec![Choice {
            parts: vec![
                text("one"),
                Said::Text {
                    text: "zwö".into(),
                    citations: vec![Citation { url: Some("https://a".into()), ..Citation::default() }],
                },
            ],
            stop: Some(Stop::End),
            logprobs: Some(json!({"content": []})),
        }],
        usage: Some(Usage {
            input: 10,
            cached_input: 4,
            cache_write: 0,
            output: 5,
            reasoning: 3,
            cost: "0.5".parse().ok(),
        }),
        service_tier: Some("standard".into()),
        ..ModelAnswer::default()
    };

    assert_eq!(
        writing(&answer),
        json!({
            "id": "chatcmpl-abc", "object": "chat.completion", "created": 1_700_000_000, "model": "gpt-x",
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": "onezwö", "refusal": null, "annotations": [
                    {"type": "url_citation", "url_citation": {"url": "https://a", "title": "https://a", "start_index": 3, "end_index": 6}}]},
                "logprobs": {"content": [], "refusal": null},
                "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15,
                "prompt_tokens_details": {"cached_tokens": 4},
                "completion_tokens_details": {"reasoning_tokens": 3}, "cost": 0.5},
            "service_tier": "default",
            "provider": "ns/p",
        })
    );
}

#[test]
fn thoughts_are_told_twice_where_something_proves_them() {
    let signed = |text: &str, value: &str, redacted: bool| {
        let signature = Some(Signature { maker: Format::Messages, value: value.into() });
        Said::Thinking(Thinking { text: text.into(), signature, redacted, id: None })
    };
    let answer = saying(
        vec![
            thinking("a", IN_REASONING),
            signed("b", "S", false),
            signed("", "R", true),
            signed("c", "E", true),
            text("x"),
        ],
        Stop::End,
    );

    let message = &writing(&answer)["choices"][0]["message"];
    assert_eq!(message["reasoning_content"], "abc");
    assert_eq!(
        message["reasoning_details"],
        json!([
            {"type": "reasoning.text", "text": "b", "signature": "lotse.messages.S", "index": 0},
            {"type": "reasoning.encrypted", "data": "lotse.messages.R", "index": 1},
            {"type": "reasoning.summary", "summary": "c", "index": 2},
            {"type": "reasoning.encrypted", "data": "lotse.messages.E", "index": 3}])
    );
}

#[test]
fn a_custom_tool_that_was_called_as_a_function_is_told_as_a_custom_tool() {
    let call = |arguments: &str, signature| {
        Said::ToolCall(ToolCall {
            id: "c".into(),
            name: "g".into(),
            arguments: arguments.into(),
            custom: false,
            signature,
        })
    };
    let signature = Signature { maker: Format::Gemini, value: "S".into() };
    let answer = saying(vec![call(r#"{"input": "free"}"#, Some(signature)), call("[", None)], Stop::ToolUse);
    let told = Told { custom_tools: vec!["g".into()], ..told() };

    let body: Value = serde_json::from_slice(&write(&answer, &told)).expect("JSON");
    let choice = &body["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!(choice["message"]["content"], Value::Null);
    assert_eq!(
        choice["message"]["tool_calls"],
        json!([
            {"id": "c", "type": "custom", "custom": {"name": "g", "input": "free"},
                "extra_content": {"google": {"thought_signature": "lotse.gemini.S"}}},
            {"id": "c", "type": "custom", "custom": {"name": "g", "input": "["}}])
    );
}

#[test]
fn reasons_that_chat_has_no_word_for_are_told_beside_its_nearest() {
    let choice = |stop: Stop| writing(&saying(Vec::new(), stop))["choices"][0].clone();

    let filtered = choice(Stop::Filtered(Some("not that".into())));
    assert_eq!(
        (&filtered["finish_reason"], &filtered["message"]["refusal"], &filtered["message"]["content"]),
        (&json!("content_filter"), &json!("not that"), &Value::Null)
    );
    let failed = choice(Stop::Failed("malformed_tool_use".into()));
    assert_eq!(
        (&failed["finish_reason"], &failed["native_finish_reason"], &failed["message"]["content"]),
        (&json!("length"), &json!("malformed_tool_use"), &json!(""))
    );
    assert_eq!(choice(Stop::Sequence(Some("X".into())))["stop_reason"], "X");
    assert_eq!(choice(Stop::ContextWindow)["finish_reason"], "length");
}

#[test]
fn an_answer_that_failed_without_words_or_calls_is_known() {
    let failed = |parts| saying(parts, Stop::Failed("error".into())).has_failed();
    let text = |text: &str| Said::Text { text: text.into(), citations: Vec::new() };

    assert!(failed(Vec::new()) && failed(vec![text("")]) && failed(vec![Said::Thinking(Thinking::default())]));
    assert!(!failed(vec![text("a")]) && !failed(vec![Said::Refusal("no".into())]));
    assert!(!saying(Vec::new(), Stop::End).has_failed() && !ModelAnswer::default().has_failed());
}

/// The recorded answers of Chat, by name.
fn recorded() -> Option<Vec<(String, Value)>> {
    let root = Path::new(&std::env::var_os("LOTSE_VECTORS")?).join("recorded");
    let mut folders = vec![root.join("vercel-ai"), root.join("tgi")];
    let mut answers = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "json") {
                let value: Value = serde_json::from_slice(&std::fs::read(&path).expect("a file")).expect("JSON");
                if value["object"] == "chat.completion" {
                    answers.push((path.display().to_string(), value));
                }
            }
        }
    }
    Some(answers)
}

/// All the text in a content, however it is cut.
fn flat(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(chunks) => chunks.iter().filter_map(|chunk| chunk["text"].as_str()).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => String::new(),
    }
}

#[test]
fn recorded_answers_say_the_same_to_callers() {
    let Some(answers) = recorded() else {
        println!("skipped: LOTSE_VECTORS is not set");
        return;
    };
    assert!(answers.len() >= 25, "{}", answers.len());
    for (name, value) in answers {
        let answer = reading(&value);
        let written = writing(&answer);
        let completed: Value = serde_json::from_slice(&completions::answer::write(&answer, &told())).expect("JSON");

        assert_eq!(bare(reading(&written)), bare(answer), "{name}");
        for (n, choice) in value["choices"].as_array().expect("a list").iter().enumerate() {
            let told = &written["choices"][n]["message"];
            assert_eq!(flat(&choice["message"]["content"]), flat(&told["content"]), "{name}");
            assert_eq!(flat(&choice["message"]["content"]), flat(&completed["choices"][n]["text"]), "{name}");
            for key in ["reasoning_content", "reasoning"] {
                if let Some(thoughts) = choice["message"][key].as_str() {
                    assert_eq!(told["reasoning_content"].as_str().unwrap_or_default(), thoughts, "{name}");
                }
            }
            let calls = |message: &Value| {
                let calls = message["tool_calls"].as_array().cloned().unwrap_or_default();
                let facts = calls.iter().map(|call| {
                    (call["id"].clone(), call["function"]["name"].clone(), call["function"]["arguments"].clone())
                });
                facts.collect::<Vec<_>>()
            };
            assert_eq!(calls(&choice["message"]), calls(told), "{name}");
        }
        for count in ["prompt_tokens", "total_tokens"] {
            assert_eq!(value["usage"][count], written["usage"][count], "{name}");
        }
    }
}

/// An answer without what a caller is told otherwise: made-up ids, places of thoughts and of citations, other tiers.
fn bare(mut answer: ModelAnswer) -> ModelAnswer {
    answer.id = answer.id.filter(|id| id != "chatcmpl-abc");
    answer.service_tier = None;
    for part in answer.choices.iter_mut().flat_map(|choice| &mut choice.parts) {
        match part {
            Said::Thinking(thinking) => thinking.signature = None,
            Said::Text { citations, .. } => {
                for citation in citations {
                    *citation = Citation { url: citation.url.take(), ..Citation::default() };
                }
            }
            Said::Refusal(_) | Said::ToolCall(_) => {}
        }
    }
    answer
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2048) })]

    #[test]
    fn whatever_a_provider_sends_is_read_without_a_panic(
        at in 0..500_usize, byte in any::<u8>(), bytes in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let mut body = json!({"id": 1, "choices": [{"index": 0, "finish_reason": "stop", "logprobs": {"content": []}, "message": {
            "content": [{"type": "thinking", "thinking": [{"text": "a"}]}], "reasoning": "b", "reasoning_details": [{"data": "c"}],
            "tool_calls": [{"id": "d", "function": {"name": "e", "arguments": {}}}], "annotations": [{"url_citation": {"url": "f"}}]}}],
            "usage": {"prompt_tokens": 1, "prompt_tokens_details": {"cached_tokens": 1}}}).to_string().into_bytes();
        if let Some(changed) = body.get_mut(at) {
            *changed = byte;
        }
        for body in [body, bytes] {
            if let Ok(answer) = read(&body, 0) {
                write(&answer, &Told::default());
                completions::answer::write(&answer, &Told::default());
            }
        }
    }
}
