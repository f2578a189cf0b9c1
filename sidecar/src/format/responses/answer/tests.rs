//! Whole answers: as providers send them, as callers get them, and both ways in a row.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{read, write};
use crate::format::answer::{Choice, Citation, ModelAnswer, Said, Stop, Told, Usage};
use crate::format::call::{Signature, Thinking, ToolCall};
use crate::format::{Format, Malformed};

fn answer(body: &Value) -> ModelAnswer {
    read(body.to_string().as_bytes(), 7).expect("an answer")
}

fn told() -> Told {
    Told {
        id: "abc".to_owned(),
        created: 5,
        model: "asked".to_owned(),
        provider: "ns/p".to_owned(),
        custom_tools: vec!["patch".to_owned()],
        ..Told::default()
    }
}

fn written(answer: &ModelAnswer) -> Value {
    serde_json::from_slice(&write(answer, &told())).expect("JSON")
}

fn of(parts: Vec<Said>, stop: Stop) -> ModelAnswer {
    let choice = Choice { parts, stop: Some(stop), logprobs: None };
    ModelAnswer { choices: vec![choice], ..ModelAnswer::default() }
}

fn text(text: &str) -> Said {
    Said::Text { text: text.to_owned(), citations: Vec::new() }
}

fn call(name: &str, arguments: &str, custom: bool, signature: Option<Signature>) -> Said {
    let (id, name, arguments) = ("call_1".to_owned(), name.to_owned(), arguments.to_owned());
    Said::ToolCall(ToolCall { id, name, arguments, custom, signature })
}

fn with_id(id: &str, mut said: Said) -> Said {
    if let Said::ToolCall(call) = &mut said {
        id.clone_into(&mut call.id);
    }
    said
}

#[test]
#[allow(clippy::too_many_lines, reason = "it is one answer with everything")]
fn all_that_an_answer_says_is_read_in_order() {
    let body = json!({
        "id": "resp_1", "object": "response", "created_at": 1_700_000_000.0, "status": "completed", "model": "m", "error": null,
        "service_tier": "default",
        "output": [
            {"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAA", "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}]},
            {"type": "reasoning", "id": "rs_2", "summary": [], "content": [{"type": "reasoning_text", "text": "raw"}]},
            {"type": "reasoning", "id": "rs_3", "summary": [], "encrypted_content": "gBBB"},
            {"type": "reasoning", "id": "rs_4", "summary": []},
            {"type": "tool_search_call", "arguments": {"query": "x"}},
            {"type": "message", "content": [
                {"type": "output_text", "text": "t", "logprobs": [{"token": "t", "logprob": -0.5, "bytes": [116], "top_logprobs": []}],
                 "annotations": [{"type": "url_citation", "url": "https://a", "title": "A", "start_index": 0, "end_index": 1},
                                 {"type": "file_citation", "file_id": "f", "filename": "a.md", "index": 3}]},
                {"type": "refusal", "refusal": "no"}]},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "", "status": "completed"},
            {"type": "custom_tool_call", "name": "g", "input": "raw"}
        ],
        "usage": {"input_tokens": 9.0, "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2}, "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 3}, "total_tokens": 14}
    });

    let read = answer(&body);

    let thinking = |text: &str, value: Option<&str>, redacted: bool, id: &str| {
        let signature = value.map(|value| Signature { maker: Format::Responses, value: value.to_owned() });
        Said::Thinking(Thinking { text: text.to_owned(), signature, redacted, id: Some(id.to_owned()) })
    };
    let page = Citation {
        url: Some("https://a".to_owned()),
        title: Some("A".to_owned()),
        quote: None,
        start: Some(0),
        end: Some(1),
    };
    let file = Citation { title: Some("a.md".to_owned()), ..Citation::default() };
    let custom = with_id("call_0000000000000007_1", call("g", "raw", true, None));
    let function = with_id("c", call("f", "{}", false, None));
    assert_eq!(read.id.as_deref(), Some("resp_1"));
    assert_eq!(read.created, Some(1_700_000_000));
    assert_eq!(read.service_tier.as_deref(), Some("default"));
    assert_eq!(
        read.choices[0].parts,
        [
            thinking("a\n\nb", Some("gAAA"), true, "rs_1"),
            thinking("raw", None, false, "rs_2"),
            thinking("", Some("gBBB"), true, "rs_3"),
            Said::Text { text: "t".to_owned(), citations: vec![page, file] },
            Said::Refusal("no".to_owned()),
            function,
            custom,
        ]
    );
    assert_eq!(read.choices[0].stop, Some(Stop::ToolUse));
    let logprobs =
        json!({"content": [{"token": "t", "logprob": -0.5, "bytes": [116], "top_logprobs": []}], "refusal": null});
    assert_eq!(read.choices[0].logprobs, Some(logprobs));
    let usage = Usage { input: 9, cached_input: 4, cache_write: 2, output: 5, reasoning: 3, cost: None };
    assert_eq!(read.usage, Some(usage));
}

#[test]
fn an_answer_that_is_not_whole_says_why() {
    let stop = |status: &str, details: Value| {
        answer(&json!({"status": status, "incomplete_details": details, "output": []})).choices[0].stop.clone()
    };

    assert_eq!(stop("completed", json!(null)), Some(Stop::End));
    assert_eq!(stop("incomplete", json!({"reason": "max_output_tokens"})), Some(Stop::Length));
    assert_eq!(stop("incomplete", json!({"reason": "content_filter"})), Some(Stop::Filtered(None)));
    assert_eq!(stop("incomplete", json!(null)), Some(Stop::Length));
    assert_eq!(stop("incomplete", json!({"reason": "melted"})), Some(Stop::Failed("melted".to_owned())));
}

#[test]
fn what_is_no_answer_is_malformed() {
    let malformed = |body: &str| read(body.as_bytes(), 0).expect_err("no answer").0;

    assert_eq!(malformed("x"), "no Responses answer");
    assert_eq!(malformed("{}"), "an answer without output");
    assert_eq!(malformed(r#"{"error":{"message":"m"}}"#), "an error with status 200");
    assert_eq!(malformed(r#"{"status":"failed","output":[]}"#), "an error with status 200");
    assert_eq!(malformed(r#"{"status":"queued","output":[]}"#), "an answer that is not there yet");
    assert_eq!(read(b"", 0), Err(Malformed("no Responses answer".to_owned())));
}

#[test]
fn a_caller_gets_all_that_the_specification_requires() {
    let mut answer = of(vec![text("hi")], Stop::End);
    answer.id = Some("chatcmpl-1".to_owned());
    answer.model = Some("m-2".to_owned());
    answer.service_tier = Some("standard".to_owned());
    answer.usage = Some(Usage {
        input: 9,
        cached_input: 4,
        cache_write: 0,
        output: 5,
        reasoning: 3,
        cost: serde_json::Number::from_f64(0.25),
    });
    let mut told = told();
    told.echo.insert("temperature".to_owned(), json!(0.5));
    told.echo
        .insert("tools".to_owned(), json!([{"type": "function", "name": "f", "parameters": null, "strict": null}]));

    let body: Value = serde_json::from_slice(&write(&answer, &told)).expect("JSON");

    assert_eq!(
        body,
        json!({
            "id": "resp_chatcmpl-1",
            "object": "response",
            "created_at": 5,
            "status": "completed",
            "error": null,
            "incomplete_details": null,
            "service_tier": "default",
            "model": "m-2",
            "provider": "ns/p",
            "background": false,
            "instructions": null,
            "max_output_tokens": null,
            "max_tool_calls": null,
            "metadata": {},
            "parallel_tool_calls": true,
            "previous_response_id": null,
            "reasoning": {"effort": null, "summary": null},
            "store": false,
            "temperature": 0.5,
            "text": {"format": {"type": "text"}},
            "tool_choice": "auto",
            "tools": [{"type": "function", "name": "f", "parameters": null, "strict": null}],
            "top_logprobs": 0,
            "top_p": null,
            "truncation": "disabled",
            "output": [{"type": "message", "id": "msg_abc_0", "status": "completed", "role": "assistant", "content": [
                {"type": "output_text", "text": "hi", "annotations": [], "logprobs": []}]}],
            "usage": {
                "input_tokens": 9, "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
                "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 3}, "total_tokens": 14, "cost": 0.25
            }
        })
    );
}

#[test]
fn thoughts_and_calls_are_items_of_their_own() {
    let signature = |maker, value: &str| Some(Signature { maker, value: value.to_owned() });
    let thinking = |text: &str, signature, redacted| {
        Said::Thinking(Thinking { text: text.to_owned(), signature, redacted, id: None })
    };
    let parts = vec![
        thinking("so", signature(Format::Messages, "c2ln"), false),
        thinking("", signature(Format::Messages, "ZGF0YQ"), true),
        thinking("", signature(Format::Messages, "b21pdA"), false),
        text("a"),
        Said::Refusal("no".to_owned()),
        call("f", "", false, signature(Format::Gemini, "Z2Vt")),
        call("patch", r#"{"input":"*** \"x\""}"#, false, None),
        call("patch", "not wrapped", false, None),
        call("g", "raw", true, None),
    ];

    let body = written(&of(parts, Stop::ToolUse));

    assert_eq!(
        body["output"],
        json!([
            {"type": "reasoning", "id": "rs_abc_0", "summary": [{"type": "summary_text", "text": "so"}], "encrypted_content": "lotse.messages.c2ln"},
            {"type": "reasoning", "id": "rs_abc_1", "summary": [], "encrypted_content": "lotse.messages.ZGF0YQ"},
            {"type": "reasoning", "id": "rs_abc_2", "summary": [{"type": "summary_text", "text": ""}], "encrypted_content": "lotse.messages.b21pdA"},
            {"type": "message", "id": "msg_abc_3", "status": "completed", "role": "assistant", "content": [
                {"type": "output_text", "text": "a", "annotations": [], "logprobs": []}, {"type": "refusal", "refusal": "no"}]},
            {"type": "reasoning", "id": "rs_abc_4", "summary": [], "encrypted_content": "lotse.call.gemini.Z2Vt"},
            {"type": "function_call", "id": "fc_abc_5", "status": "completed", "call_id": "call_1", "name": "f", "arguments": "{}"},
            {"type": "custom_tool_call", "id": "ctc_abc_6", "status": "completed", "call_id": "call_1", "name": "patch", "input": "*** \"x\""},
            {"type": "custom_tool_call", "id": "ctc_abc_7", "status": "completed", "call_id": "call_1", "name": "patch", "input": "not wrapped"},
            {"type": "custom_tool_call", "id": "ctc_abc_8", "status": "completed", "call_id": "call_1", "name": "g", "input": "raw"}
        ])
    );
}

#[test]
fn an_answer_that_was_cut_is_incomplete() {
    let body = written(&of(vec![call("f", "{}", false, None), text("a")], Stop::Length));
    assert_eq!(body["status"], "incomplete");
    assert_eq!(body["incomplete_details"], json!({"reason": "max_output_tokens"}));
    assert_eq!(body["output"][0]["status"], "completed");
    assert_eq!(body["output"][1]["status"], "incomplete");

    let body = written(&of(vec![], Stop::Filtered(Some("no".to_owned()))));
    assert_eq!(body["incomplete_details"], json!({"reason": "content_filter"}));

    let body = written(&of(vec![text("a")], Stop::Failed("malformed_tool_use".to_owned())));
    assert_eq!(body["status"], "failed");
    assert_eq!(body["error"]["code"], "server_error");
}

fn word() -> impl Strategy<Value = String> {
    "[a-zäß \"\\\\\n]{1,12}"
}

fn citation() -> impl Strategy<Value = Citation> {
    (word(), word(), 0u64..99, 0u64..99).prop_map(|(url, title, start, end)| Citation {
        url: Some(url),
        title: Some(title),
        quote: None,
        start: Some(start),
        end: Some(end),
    })
}

fn said() -> impl Strategy<Value = Said> {
    let makers = prop_oneof![Just(Format::Responses), Just(Format::Messages), Just(Format::Gemini)];
    prop_oneof![
        (word(), proptest::collection::vec(citation(), 0..2))
            .prop_map(|(text, citations)| Said::Text { text, citations }),
        word().prop_map(Said::Refusal),
        (proptest::option::of(word()), word(), makers).prop_map(|(text, value, maker)| {
            let text = text.unwrap_or_default();
            // A reader of a provider's answers takes every value for the provider's own.
            let value = Signature { maker, value }.told_in(Format::Responses);
            let signature = Some(Signature { maker: Format::Responses, value });
            Said::Thinking(Thinking { text, signature, redacted: true, id: Some("rs_x".to_owned()) })
        }),
        (word(), word(), any::<bool>()).prop_map(|(name, arguments, custom)| call(&name, &arguments, custom, None)),
    ]
}

proptest! {
    #[test]
    fn an_answer_is_read_as_it_was_written(
        parts in proptest::collection::vec(said(), 0..6),
        counts in (0u64..99, 0u64..99, 0u64..99, 0u64..99),
        cut in any::<bool>()
    ) {
        let calls = parts.iter().any(|said| matches!(said, Said::ToolCall(_)));
        let stop = if cut { Stop::Length } else if calls { Stop::ToolUse } else { Stop::End };
        let mut answer = of(parts, stop);
        let (input, cached_input, output, reasoning) = counts;
        answer.id = Some("resp_1".to_owned());
        answer.model = Some("m".to_owned());
        answer.created = Some(9);
        answer.usage = Some(Usage { input, cached_input, cache_write: 0, output, reasoning, cost: None });

        prop_assert_eq!(read(&write(&answer, &told()), 0), Ok(answer));
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let _read = read(&bytes, 0);
    }

    #[test]
    fn no_json_makes_a_reader_panic(text in "\\{\"(output|error|usage|status)\":[\\[\\]{}\":,a-z0-9]{0,40}\\}") {
        let _read = read(text.as_bytes(), 0);
    }
}
