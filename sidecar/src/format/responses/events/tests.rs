//! Streams: as providers send them, as callers get them, both ways in a row, and what was recorded.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Reader, Writer};
use crate::format::answer::{Citation, Stop, Told, Usage};
use crate::format::call::Signature;
use crate::format::error::{ErrorClass, ProviderError};
use crate::format::event::{ModelEvent, RawEvent};
use crate::format::{Format, Malformed};

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

/// What a caller gets, as payloads; the framing is checked on the way.
fn write(events: impl IntoIterator<Item = ModelEvent>) -> Vec<Value> {
    let mut writer = Writer::new(told());
    let mut out = Vec::new();
    for event in events {
        writer.write(event, &mut out);
    }
    payloads(&out)
}

fn payloads(sse: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(sse).expect("UTF-8");
    let mut payloads = Vec::new();
    for event in text.split_terminator("\n\n") {
        let (name, data) = event.split_once('\n').expect("two lines");
        let payload: Value = serde_json::from_str(data.strip_prefix("data: ").expect("data")).expect("JSON");
        assert_eq!(name.strip_prefix("event: "), payload["type"].as_str());
        assert_eq!(payload["sequence_number"].as_u64(), u64::try_from(payloads.len()).ok());
        payloads.push(payload);
    }
    payloads
}

fn kinds(payloads: &[Value]) -> Vec<&str> {
    payloads.iter().filter_map(|payload| payload["type"].as_str()?.strip_prefix("response.")).collect()
}

fn read(events: &[Value]) -> (Vec<ModelEvent>, Result<(), Malformed>) {
    let mut reader = Reader::new(7);
    let mut out = Vec::new();
    for event in events {
        let data = event.to_string();
        reader.read(RawEvent { name: None, data: data.as_bytes() }, &mut out).expect("an event");
    }
    let closed = reader.close(&mut out);
    (out, closed)
}

fn start() -> ModelEvent {
    ModelEvent::Start { id: Some("resp_1".to_owned()), model: Some("m".to_owned()) }
}

fn text(text: &str) -> ModelEvent {
    ModelEvent::Text { choice: 0, text: text.to_owned(), logprobs: None }
}

fn thinking(text: &str) -> ModelEvent {
    ModelEvent::Thinking { choice: 0, text: text.to_owned() }
}

fn signature(maker: Format, value: &str, redacted: bool) -> ModelEvent {
    ModelEvent::Signature { choice: 0, signature: Signature { maker, value: value.to_owned() }, redacted }
}

fn call(index: u32, name: &str, custom: bool) -> ModelEvent {
    ModelEvent::ToolCall {
        choice: 0,
        index,
        id: format!("call_{index}"),
        name: name.to_owned(),
        custom,
        signature: None,
    }
}

fn arguments(index: u32, json: &str) -> ModelEvent {
    ModelEvent::Arguments { choice: 0, index, json: json.to_owned() }
}

fn stop(stop: Stop) -> ModelEvent {
    ModelEvent::Stop { choice: 0, stop }
}

fn created() -> Value {
    json!({"type": "response.created", "response": {"id": "resp_1", "model": "m", "output": []}})
}

fn completed() -> Value {
    json!({"type": "response.completed", "response": {"id": "resp_1", "status": "completed", "output": [], "usage": {"input_tokens": 2, "output_tokens": 1}}})
}

fn counted() -> ModelEvent {
    ModelEvent::Usage(Usage { input: 2, output: 1, ..Usage::default() })
}

#[test]
fn a_text_has_all_its_events_in_order() {
    let usage = ModelEvent::Usage(Usage { input: 3, output: 2, ..Usage::default() });
    let events = write([start(), text("Hel"), text("lo"), stop(Stop::End), usage, ModelEvent::End]);

    assert_eq!(
        kinds(&events),
        [
            "created",
            "in_progress",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "completed",
        ]
    );
    assert_eq!(events[0]["response"]["status"], "in_progress");
    assert_eq!(events[0]["response"].get("usage"), None);
    assert_eq!(
        events[2],
        json!({"type": "response.output_item.added", "sequence_number": 2, "output_index": 0, "item":
            {"type": "message", "id": "msg_abc_0", "status": "in_progress", "role": "assistant", "content": []}})
    );
    assert_eq!(
        events[3],
        json!({"type": "response.content_part.added", "sequence_number": 3, "item_id": "msg_abc_0", "output_index": 0, "content_index": 0,
            "part": {"type": "output_text", "text": "", "annotations": [], "logprobs": []}})
    );
    assert_eq!(
        events[4],
        json!({"type": "response.output_text.delta", "sequence_number": 4, "item_id": "msg_abc_0", "output_index": 0, "content_index": 0,
            "delta": "Hel", "logprobs": []})
    );
    assert_eq!(events[6]["text"], "Hello");
    assert_eq!(events[7]["part"]["text"], "Hello");
    assert_eq!(events[8]["item"]["status"], "completed");
    let response = &events[9]["response"];
    assert_eq!(response["id"], "resp_1");
    assert_eq!(response["model"], "m");
    assert_eq!(response["status"], "completed");
    assert_eq!(response["output"], json!([events[8]["item"]]));
    assert_eq!(response["usage"]["total_tokens"], 5);
    assert_eq!(response["provider"], "ns/p");
}

#[test]
fn what_the_call_said_is_in_every_response() {
    let mut told = told();
    told.echo.insert("tool_choice".to_owned(), json!("required"));
    let mut writer = Writer::new(told);
    let mut out = Vec::new();
    writer.write(start(), &mut out);
    writer.write(ModelEvent::End, &mut out);
    let events = payloads(&out);

    assert_eq!(kinds(&events), ["created", "in_progress", "completed"]);
    assert!(events.iter().all(|event| event["response"]["tool_choice"] == "required"));
}

#[test]
fn calls_that_follow_each_other_end_before_the_next_begins() {
    let events = write([
        start(),
        call(0, "f", false),
        arguments(0, r#"{"a":"#),
        arguments(0, "1}"),
        call(1, "g", false),
        arguments(1, "{}"),
        stop(Stop::ToolUse),
        ModelEvent::End,
    ]);

    assert_eq!(
        kinds(&events)[2..],
        [
            "output_item.added",
            "function_call_arguments.delta",
            "function_call_arguments.delta",
            "function_call_arguments.done",
            "output_item.done",
            "output_item.added",
            "function_call_arguments.delta",
            "function_call_arguments.done",
            "output_item.done",
            "completed",
        ]
    );
    assert_eq!(
        events[5],
        json!({"type": "response.function_call_arguments.done", "sequence_number": 5, "item_id": "fc_abc_0", "output_index": 0,
            "name": "f", "arguments": "{\"a\":1}"})
    );
    assert_eq!(
        events[6]["item"],
        json!({"type": "function_call", "id": "fc_abc_0", "status": "completed", "call_id": "call_0", "name": "f", "arguments": "{\"a\":1}"})
    );
    assert_eq!(events[7]["output_index"], 1);
}

#[test]
fn calls_whose_pieces_are_mixed_are_told_apart() {
    let events = write([
        call(0, "f", false),
        call(1, "g", false),
        arguments(0, r#"{"a":"#),
        arguments(1, r#"{"b":"#),
        arguments(0, "1}"),
        arguments(1, "2}"),
        stop(Stop::ToolUse),
        ModelEvent::End,
    ]);

    let output = &events.last().expect("an end")["response"]["output"];
    assert_eq!(output[0]["arguments"], r#"{"a":1}"#);
    assert_eq!(output[1]["arguments"], r#"{"b":2}"#);
}

#[test]
fn a_call_without_arguments_gets_an_empty_object() {
    let events = write([call(0, "f", false), stop(Stop::ToolUse), ModelEvent::End]);

    assert_eq!(events[3]["delta"], "{}");
    assert_eq!(events[4]["arguments"], "{}");
    assert_eq!(events[5]["item"]["arguments"], "{}");
}

#[test]
fn a_wrapped_custom_tool_is_unwrapped_when_it_is_whole() {
    let events = write([
        start(),
        call(0, "patch", false),
        arguments(0, r#"{"input":"*** Be"#),
        arguments(0, r#"gin \"x\""}"#),
        call(1, "grep", true),
        arguments(1, "a b"),
        stop(Stop::ToolUse),
        ModelEvent::End,
    ]);

    assert_eq!(
        kinds(&events)[2..],
        [
            "output_item.added",
            "custom_tool_call_input.delta",
            "custom_tool_call_input.done",
            "output_item.done",
            "output_item.added",
            "custom_tool_call_input.delta",
            "custom_tool_call_input.done",
            "output_item.done",
            "completed",
        ]
    );
    assert_eq!(events[2]["item"]["type"], "custom_tool_call");
    assert_eq!(events[3]["delta"], "*** Begin \"x\"");
    assert_eq!(events[4]["input"], "*** Begin \"x\"");
    assert_eq!(
        events[5]["item"],
        json!({"type": "custom_tool_call", "id": "ctc_abc_0", "status": "completed", "call_id": "call_0", "name": "patch", "input": "*** Begin \"x\""})
    );
    assert_eq!(events[7]["delta"], "a b");
}

#[test]
fn thoughts_are_summaries_and_signatures_close_them() {
    let events = write([
        start(),
        thinking("so "),
        thinking("far"),
        signature(Format::Messages, "c2ln", false),
        signature(Format::Messages, "ZGF0YQ", true),
        text("a"),
        stop(Stop::End),
        ModelEvent::End,
    ]);

    assert_eq!(
        kinds(&events)[2..13],
        [
            "output_item.added",
            "reasoning_summary_part.added",
            "reasoning_summary_text.delta",
            "reasoning_summary_text.delta",
            "reasoning_summary_text.done",
            "reasoning_summary_part.done",
            "output_item.done",
            "output_item.added",
            "output_item.done",
            "output_item.added",
            "content_part.added",
        ]
    );
    assert_eq!(events[6]["text"], "so far");
    assert_eq!(events[6]["summary_index"], 0);
    assert_eq!(
        events[8]["item"],
        json!({"type": "reasoning", "id": "rs_abc_0", "summary": [{"type": "summary_text", "text": "so far"}], "encrypted_content": "lotse.messages.c2ln"})
    );
    assert_eq!(
        events[10]["item"],
        json!({"type": "reasoning", "id": "rs_abc_1", "summary": [], "encrypted_content": "lotse.messages.ZGF0YQ"})
    );
}

#[test]
fn a_signature_without_thoughts_proves_hidden_ones() {
    let events = write([signature(Format::Messages, "c2ln", false), text("a"), ModelEvent::End]);

    let item = &events.last().expect("an end")["response"]["output"][0];
    assert_eq!(item["summary"], json!([{"type": "summary_text", "text": ""}]));
}

#[test]
fn the_signature_of_a_call_is_an_item_before_it() {
    let signed = ModelEvent::ToolCall {
        choice: 0,
        index: 0,
        id: "c".to_owned(),
        name: "f".to_owned(),
        custom: false,
        signature: Some(Signature { maker: Format::Gemini, value: "Z2Vt".to_owned() }),
    };
    let events = write([signed, arguments(0, "{}"), stop(Stop::ToolUse), ModelEvent::End]);

    let output = &events.last().expect("an end")["response"]["output"];
    assert_eq!(output[0]["encrypted_content"], "lotse.call.gemini.Z2Vt");
    assert_eq!(output[1]["type"], "function_call");
}

#[test]
fn refusals_and_citations_are_parts_of_the_message() {
    let citation = Citation {
        url: Some("https://a".to_owned()),
        title: Some("A".to_owned()),
        quote: None,
        start: Some(0),
        end: Some(1),
    };
    let refusal = ModelEvent::Refusal { choice: 0, text: "no".to_owned() };
    let logprobs = Some(json!({"content": [{"token": "a", "logprob": 0.0, "bytes": [97], "top_logprobs": []}]}));
    let events = write([
        ModelEvent::Text { choice: 0, text: "a".to_owned(), logprobs },
        ModelEvent::Citation { choice: 0, citation },
        refusal,
        stop(Stop::End),
        ModelEvent::End,
    ]);

    assert_eq!(
        kinds(&events)[2..],
        [
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.annotation.added",
            "output_text.done",
            "content_part.done",
            "content_part.added",
            "refusal.delta",
            "refusal.done",
            "content_part.done",
            "output_item.done",
            "completed",
        ]
    );
    let annotation =
        json!({"type": "url_citation", "url": "https://a", "title": "A", "start_index": 0, "end_index": 1});
    assert_eq!(events[5]["annotation"], annotation);
    assert_eq!(events[5]["annotation_index"], 0);
    assert_eq!(events[4]["logprobs"][0]["token"], "a");
    assert_eq!(events[6]["logprobs"][0]["token"], "a");
    assert_eq!(events[8]["content_index"], 1);
    assert_eq!(events[10]["refusal"], "no");
    assert_eq!(events[12]["item"]["content"][0]["annotations"], json!([annotation]));
    assert_eq!(events[12]["item"]["content"][1], json!({"type": "refusal", "refusal": "no"}));
}

#[test]
fn a_cut_answer_ends_incomplete() {
    let events = write([text("a"), stop(Stop::Length), ModelEvent::End, text("late"), ModelEvent::End]);
    let last = events.last().expect("an end");

    assert_eq!(last["type"], "response.incomplete");
    assert_eq!(last["response"]["status"], "incomplete");
    assert_eq!(last["response"]["incomplete_details"], json!({"reason": "max_output_tokens"}));
    assert_eq!(last["response"]["output"][0]["status"], "incomplete");
    assert_eq!(last["response"]["usage"]["total_tokens"], 0);

    let events = write([stop(Stop::Filtered(None)), ModelEvent::End]);
    assert_eq!(events[2]["response"]["incomplete_details"], json!({"reason": "content_filter"}));

    let events = write([stop(Stop::Failed("abort".to_owned())), ModelEvent::End]);
    assert_eq!(events[2]["type"], "response.failed");
    assert_eq!(events[2]["response"]["error"]["code"], "server_error");
}

#[test]
fn a_failure_is_an_error_and_a_failed_response_and_nothing_more() {
    let failed = ModelEvent::Failed(ProviderError {
        class: ErrorClass::Quota,
        code: Some("billing".to_owned()),
        param: None,
        message: "no money".to_owned(),
        wait: None,
    });
    let events = write([start(), text("a"), failed, ModelEvent::End, text("b")]);

    let said = "the provider's quota or credit is used up";
    assert_eq!(events.len(), 7);
    assert_eq!(
        events[5],
        json!({"type": "error", "sequence_number": 5, "code": "insufficient_quota", "message": said, "param": null,
            "error": {"type": "insufficient_quota", "code": "insufficient_quota", "message": said, "param": null}})
    );
    assert_eq!(events[6]["type"], "response.failed");
    assert_eq!(events[6]["response"]["error"], json!({"code": "insufficient_quota", "message": said}));
}

#[test]
fn other_choices_have_no_place_here() {
    let other = ModelEvent::Text { choice: 1, text: "b".to_owned(), logprobs: None };
    let events = write([text("a"), other, stop(Stop::End), ModelEvent::End]);

    assert_eq!(events.last().expect("an end")["response"]["output"][0]["content"][0]["text"], "a");
}

#[test]
fn a_stream_without_its_optional_events_is_read() {
    let message = json!({"type": "message", "content": [{"type": "output_text", "text": "hi"}]});
    let done = json!({"type": "response.output_item.done", "item": message});
    let only_items = read(&[done.clone(), done, completed()]);
    let expected = [
        ModelEvent::Start { id: None, model: None },
        text("hi"),
        text("hi"),
        stop(Stop::End),
        counted(),
        ModelEvent::End,
    ];
    assert_eq!(only_items, (expected.to_vec(), Ok(())));

    let only_end = read(&[
        json!({"type": "response.completed", "response": {"id": "resp_1", "model": "m", "status": "completed", "output": [
            message, {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}]}}),
    ]);
    let call = ModelEvent::ToolCall {
        choice: 0,
        index: 0,
        id: "c".to_owned(),
        name: "f".to_owned(),
        custom: false,
        signature: None,
    };
    let expected = [start(), text("hi"), call, arguments(0, "{}"), stop(Stop::ToolUse), ModelEvent::End];
    assert_eq!(only_end, (expected.to_vec(), Ok(())));
}

#[test]
fn what_deltas_leave_out_is_taken_from_the_done_events() {
    let events = read(&[
        created(),
        json!({"type": "response.output_item.added", "output_index": 0, "item": {"type": "message", "id": "a", "content": []}}),
        json!({"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "Hel"}),
        json!({"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": ""}),
        json!({"type": "response.output_text.done", "output_index": 0, "content_index": 0, "text": "Hello"}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": {"type": "message", "id": "b", "content": [
            {"type": "output_text", "text": "Hello!", "annotations": [{"type": "url_citation", "url": "https://a"}]}]}}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": {"type": "message", "id": "b", "content": [
            {"type": "output_text", "text": "Hello!"}]}}),
        completed(),
    ]);

    let citation = Citation { url: Some("https://a".to_owned()), ..Citation::default() };
    let expected = [
        start(),
        text("Hel"),
        text("lo"),
        text("!"),
        ModelEvent::Citation { choice: 0, citation },
        stop(Stop::End),
        counted(),
        ModelEvent::End,
    ];
    assert_eq!(events, (expected.to_vec(), Ok(())));
}

#[test]
fn thoughts_of_both_kinds_are_read_once() {
    let delta = |kind: &str, index: u64, text: &str| json!({"type": format!("response.{kind}.delta"), "output_index": 0, "summary_index": index, "content_index": index, "delta": text});
    let done = json!({"type": "response.output_item.done", "output_index": 0, "item": {"type": "reasoning", "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "ab"}, {"type": "summary_text", "text": "c"}],
        "content": [{"type": "reasoning_text", "text": "raw"}], "encrypted_content": "gAAA"}});

    let summary = [
        delta("reasoning_summary_text", 0, "a"),
        delta("reasoning_summary_text", 0, "b"),
        delta("reasoning_summary_text", 1, "c"),
        done.clone(),
        completed(),
    ];
    let (events, _) = read(&summary);
    assert_eq!(
        events[1..5],
        [thinking("a"), thinking("b"), thinking("\n\nc"), signature(Format::Responses, "gAAA", true)]
    );

    let (events, _) = read(&[delta("reasoning_text", 0, "raw"), done, completed()]);
    assert_eq!(events[1..3], [thinking("raw"), signature(Format::Responses, "gAAA", true)]);

    let hidden = json!({"type": "response.output_item.done", "item": {"type": "reasoning", "summary": [], "encrypted_content": "gAAA"}});
    let (events, _) = read(&[hidden, completed()]);
    assert_eq!(events[1], signature(Format::Responses, "gAAA", true));
}

#[test]
fn a_stream_of_openrouter_is_read_without_event_names() {
    let mut reader = Reader::new(0);
    let mut out = Vec::new();
    for data in [created().to_string(), completed().to_string(), "[DONE]".to_owned()] {
        reader.read(RawEvent { name: None, data: data.as_bytes() }, &mut out).expect("an event");
    }
    assert_eq!(reader.close(&mut out), Ok(()));
    assert_eq!(out, [start(), stop(Stop::End), counted(), ModelEvent::End]);
}

#[test]
fn a_name_of_the_event_stands_in_for_a_missing_type() {
    let mut reader = Reader::new(0);
    let mut out = Vec::new();
    let event = RawEvent { name: Some("response.output_text.delta"), data: br#"{"delta":"a"}"# };
    reader.read(event, &mut out).expect("an event");
    assert_eq!(out[1], text("a"));
}

#[test]
fn a_cut_stream_is_malformed() {
    assert!(read(&[created()]).1.is_err());
    let mut reader = Reader::new(0);
    assert!(reader.read(RawEvent { name: None, data: b"<html>" }, &mut Vec::new()).is_err());
}

#[test]
fn errors_are_read_nested_flat_and_bare() {
    let failed = |event: Value| match read(&[event, completed()]) {
        (events, Ok(())) => match events.as_slice() {
            [ModelEvent::Failed(error)] => error.clone(),
            other => panic!("{other:?}"),
        },
        (_, Err(error)) => panic!("{error}"),
    };

    let nested = failed(
        json!({"type": "error", "error": {"type": "insufficient_quota", "code": "insufficient_quota", "message": "m", "param": null}}),
    );
    assert_eq!((nested.class, nested.message.as_str()), (ErrorClass::Quota, "m"));
    let flat = failed(json!({"type": "error", "code": "rate_limit_exceeded", "message": "m", "param": "p"}));
    assert_eq!((flat.class, flat.param.as_deref()), (ErrorClass::RateLimit, Some("p")));
    let response = failed(
        json!({"type": "response.failed", "response": {"status": "failed", "error": {"code": "server_error", "message": "m"}}}),
    );
    assert_eq!((response.class, response.code.as_deref()), (ErrorClass::Server, Some("server_error")));
    let gateway = failed(json!({"error": {"code": 429, "message": "m"}}));
    assert_eq!((gateway.class, gateway.code.as_deref()), (ErrorClass::RateLimit, None));
    let word = failed(json!({"error": "melted"}));
    assert_eq!((word.class, word.message.as_str()), (ErrorClass::Server, "melted"));
    let in_completed = failed(
        json!({"type": "response.completed", "response": {"status": "failed", "error": {"code": "context_length_exceeded"}}}),
    );
    assert_eq!(in_completed.class, ErrorClass::ContextLength);
}

#[test]
fn items_that_all_stand_at_the_same_place_are_told_apart_by_their_ends() {
    let item = |id: &str, kind: &str| {
        json!({"type": format!("response.output_item.{kind}"), "output_index": 0,
            "item": {"type": "function_call", "id": id, "call_id": id, "name": "f", "arguments": if kind == "done" { "{}" } else { "" }}})
    };
    let (events, _) = read(&[
        item("a", "added"),
        item("a", "added"),
        item("a", "done"),
        item("b", "added"),
        item("b", "done"),
        completed(),
    ]);

    let indices: Vec<_> = events
        .iter()
        .filter_map(|event| {
            let ModelEvent::ToolCall { index, id, .. } = event else { return None };
            Some((*index, id.as_str()))
        })
        .collect();
    assert_eq!(indices, [(0, "a"), (1, "b")]);
    assert_eq!(events.iter().filter(|event| matches!(event, ModelEvent::Arguments { .. })).count(), 2);
}

fn word() -> impl Strategy<Value = String> {
    "[a-zäß \"\\\\\n]{1,12}"
}

/// Content in a row, as a well-behaved reader gives it.
fn contents() -> impl Strategy<Value = Vec<ModelEvent>> {
    let words = || proptest::collection::vec(word(), 1..4);
    let content = prop_oneof![
        words().prop_map(|words| words.iter().map(|word| text(word)).collect::<Vec<_>>()),
        words().prop_map(|words| {
            words.into_iter().map(|text| ModelEvent::Refusal { choice: 0, text }).collect::<Vec<_>>()
        }),
        (words(), word()).prop_map(|(words, value)| {
            let mut events: Vec<_> = words.iter().map(|word| thinking(word)).collect();
            events.push(signature(Format::Responses, &value, true));
            events
        }),
        word().prop_map(|value| vec![signature(Format::Responses, &value, true)]),
        (words(), any::<bool>()).prop_map(|(words, custom)| {
            let mut events = vec![call(0, "f", custom)];
            let whole = serde_json::to_string(&words.concat()).expect("JSON");
            if custom {
                events.extend(words.iter().map(|word| arguments(0, word)));
            } else {
                events.extend([arguments(0, "{\"a\":"), arguments(0, &whole), arguments(0, "}")]);
            }
            events
        }),
    ];
    proptest::collection::vec(content, 0..6).prop_map(|contents| {
        let mut calls = 0;
        let mut all = vec![start()];
        for event in contents.into_iter().flatten() {
            if let ModelEvent::ToolCall { name, custom, .. } = &event {
                calls += 1;
                all.push(call(calls - 1, name, *custom));
            } else if let ModelEvent::Arguments { json, .. } = &event {
                all.push(arguments(calls - 1, json));
            } else {
                all.push(event);
            }
        }
        all.push(stop(if calls > 0 { Stop::ToolUse } else { Stop::End }));
        all.extend([
            ModelEvent::Usage(Usage { input: 3, cached_input: 1, output: 2, ..Usage::default() }),
            ModelEvent::End,
        ]);
        all
    })
}

proptest! {
    #[test]
    fn a_stream_is_read_as_it_was_written(events in contents()) {
        let (again, closed) = read(&write(events.clone()));

        prop_assert_eq!(closed, Ok(()));
        prop_assert_eq!(again, events);
    }

    /// The last event says the same as all before it.
    #[test]
    fn the_last_event_holds_every_item_that_was_done(events in contents()) {
        let events = write(events);
        let done: Vec<_> = events.iter().filter(|event| event["type"] == "response.output_item.done").map(|event| event["item"].clone()).collect();
        let added = events.iter().filter(|event| event["type"] == "response.output_item.added").count();
        let last = &events.last().expect("an end")["response"]["output"];

        prop_assert_eq!(added, done.len());
        prop_assert_eq!(last, &Value::Array(done));
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let _read = Reader::new(0).read(RawEvent { name: None, data: &bytes }, &mut Vec::new());
    }

    #[test]
    fn no_order_of_events_makes_a_reader_or_a_writer_panic(order in proptest::collection::vec((0usize..16, 0u64..3, word()), 0..30)) {
        let types = [
            "response.created", "response.output_item.added", "response.output_item.done", "response.content_part.added",
            "response.output_text.delta", "response.output_text.done", "response.refusal.delta", "response.refusal.done",
            "response.reasoning_summary_text.delta", "response.reasoning_text.delta", "response.reasoning_text.done",
            "response.function_call_arguments.delta", "response.function_call_arguments.done",
            "response.custom_tool_call_input.done", "response.output_text.annotation.added", "response.incomplete",
        ];
        let kinds = ["message", "function_call", "reasoning"];
        let mut reader = Reader::new(0);
        let mut writer = Writer::new(told());
        let mut out = Vec::new();
        for (kind, index, word) in order {
            let item = json!({"type": kinds[usize::try_from(index).expect("small")], "name": word, "arguments": word, "content": word, "encrypted_content": word});
            let event = json!({"type": types[kind], "output_index": index, "delta": word, "text": word, "arguments": word, "item": item, "annotation": {"url": word}});
            let mut events = Vec::new();
            let _read = reader.read(RawEvent { name: None, data: event.to_string().as_bytes() }, &mut events);
            for event in events {
                if let ModelEvent::Text { text, .. } | ModelEvent::Thinking { text, .. } = &event {
                    prop_assert!(!text.is_empty());
                }
                writer.write(event, &mut out);
            }
        }
        payloads(&out);
    }
}
