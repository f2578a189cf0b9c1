//! Streams.

use serde_json::{Value, json};

use super::super::events::{Reader, Writer};
use super::{events_of, ordered, stream_of, told};
use crate::format::Format;
use crate::format::answer::{Citation, Stop, Usage};
use crate::format::call::Signature;
use crate::format::error::{ErrorClass, ProviderError};
use crate::format::event::{ModelEvent, RawEvent};

fn start() -> ModelEvent {
    ModelEvent::Start { id: Some("id1".to_owned()), model: Some("m1".to_owned()) }
}

fn text(text: &str) -> ModelEvent {
    ModelEvent::Text { choice: 0, text: text.to_owned(), logprobs: None }
}

fn thinking(text: &str) -> ModelEvent {
    ModelEvent::Thinking { choice: 0, text: text.to_owned() }
}

fn call(index: u32) -> ModelEvent {
    let (id, name) = (format!("c{index}"), format!("f{index}"));
    ModelEvent::ToolCall { choice: 0, index, id, name, custom: false, signature: None }
}

fn arguments(index: u32, json: &str) -> ModelEvent {
    ModelEvent::Arguments { choice: 0, index, json: json.to_owned() }
}

fn signature(maker: Format, redacted: bool) -> ModelEvent {
    ModelEvent::Signature { choice: 0, signature: Signature { maker, value: "s".to_owned() }, redacted }
}

fn stop(stop: Stop) -> ModelEvent {
    ModelEvent::Stop { choice: 0, stop }
}

fn brief(payloads: &[Value]) -> Vec<String> {
    payloads
        .iter()
        .map(|payload| match payload["type"].as_str().expect("a type") {
            "content_block_start" => format!("start {}", payload["content_block"]["type"].as_str().expect("a type")),
            "content_block_delta" => {
                let delta = &payload["delta"];
                let value =
                    ["text", "thinking", "signature", "partial_json"].iter().find_map(|key| delta[key].as_str());
                format!("{} {}", delta["type"].as_str().expect("a type"), value.unwrap_or_default())
            }
            "content_block_stop" => "stop".to_owned(),
            other => other.to_owned(),
        })
        .collect()
}

#[test]
fn a_stream_is_written_in_the_order_of_the_api() {
    let usage = Usage { input: 9, output: 4, ..Usage::default() };
    let stream = stream_of(&[
        start(),
        thinking("hm"),
        text("a"),
        text("b"),
        call(0),
        arguments(0, "{\"x\":"),
        arguments(0, "1}"),
        ModelEvent::Usage(usage),
        stop(Stop::ToolUse),
        ModelEvent::End,
        text("late"),
    ]);
    let payloads = ordered(&stream);
    assert_eq!(
        brief(&payloads),
        [
            "message_start",
            "start thinking",
            "thinking_delta hm",
            "signature_delta ",
            "stop",
            "start text",
            "text_delta a",
            "text_delta b",
            "stop",
            "start tool_use",
            "input_json_delta ",
            "input_json_delta {\"x\":",
            "input_json_delta 1}",
            "stop",
            "message_delta",
            "message_stop",
        ]
    );
    assert_eq!(
        payloads[0]["message"],
        json!({"id": "id1", "type": "message", "role": "assistant", "model": "m1", "content": [], "stop_reason": null,
            "stop_sequence": null, "usage": {"input_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
            "output_tokens": 0}, "provider": "ns/claude"})
    );
    assert_eq!(
        payloads[14],
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": null},
            "usage": {"input_tokens": 9, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 4}})
    );
}

#[test]
fn arguments_that_come_in_turns_are_told_one_call_after_the_other() {
    let stream = stream_of(&[
        start(),
        call(0),
        call(1),
        arguments(0, "{\"a\":\"}"),
        arguments(1, "{\"b\""),
        text("between"),
        arguments(0, "\\\"\"}"),
        arguments(1, ":2}"),
        call(2),
        stop(Stop::End),
        ModelEvent::End,
    ]);
    assert_eq!(
        brief(&ordered(&stream)),
        [
            "message_start",
            "start tool_use",
            "input_json_delta ",
            "input_json_delta {\"a\":\"}",
            "input_json_delta \\\"\"}",
            "stop",
            "start tool_use",
            "input_json_delta ",
            "input_json_delta {\"b\"",
            "input_json_delta :2}",
            "stop",
            "start text",
            "text_delta between",
            "stop",
            "start tool_use",
            "input_json_delta ",
            "stop",
            "message_delta",
            "message_stop",
        ]
    );
}

#[test]
fn signatures_stand_where_they_can_come_back() {
    let stream = stream_of(&[
        start(),
        thinking("own"),
        signature(Format::Messages, false),
        signature(Format::Messages, true),
        thinking("sum"),
        signature(Format::Responses, true),
        signature(Format::Responses, true),
        signature(Format::Gemini, false),
        text("x"),
        stop(Stop::End),
        ModelEvent::End,
    ]);
    let payloads = ordered(&stream);
    assert_eq!(
        brief(&payloads),
        [
            "message_start",
            "start thinking",
            "thinking_delta own",
            "signature_delta s",
            "stop",
            "start redacted_thinking",
            "stop",
            "start thinking",
            "thinking_delta sum",
            "signature_delta lotse.responses.s",
            "stop",
            "start redacted_thinking",
            "stop",
            "start thinking",
            "signature_delta lotse.gemini.s",
            "stop",
            "start text",
            "text_delta x",
            "stop",
            "message_delta",
            "message_stop",
        ]
    );
}

#[test]
fn a_signature_of_a_call_stands_before_it() {
    let signature = Some(Signature { maker: Format::Gemini, value: "g".to_owned() });
    let id = "c".to_owned();
    let call = ModelEvent::ToolCall { choice: 0, index: 0, id, name: "f".to_owned(), custom: false, signature };
    let payloads = ordered(&stream_of(&[start(), call, ModelEvent::End]));
    assert_eq!(payloads[1]["content_block"], json!({"type": "redacted_thinking", "data": "lotse.call.gemini.g"}));
    assert_eq!(payloads[3]["content_block"], json!({"type": "tool_use", "id": "c", "name": "f", "input": {}}));
    assert_eq!(payloads[payloads.len() - 2]["delta"]["stop_reason"], "tool_use");
}

#[test]
fn a_failure_is_an_error_event_and_no_end() {
    let error =
        ProviderError { class: ErrorClass::Overload, code: None, param: None, message: "busy".to_owned(), wait: None };
    let stream = stream_of(&[start(), text("a"), ModelEvent::Failed(error), ModelEvent::End]);
    assert!(stream.ends_with(
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"busy\"}}\n\n"
    ));
    assert!(!stream.contains("message_stop"));
    let stream = stream_of(&[start(), stop(Stop::Failed("malformed_tool_use".to_owned())), ModelEvent::End]);
    assert!(stream.contains("api_error") && !stream.contains("message_stop"));
}

#[test]
fn a_citation_is_told_while_its_text_is_open() {
    let citation = Citation { url: Some("https://a".to_owned()), ..Citation::default() };
    let cited = ModelEvent::Citation { choice: 0, citation };
    let payloads = ordered(&stream_of(&[start(), cited.clone(), text("x"), cited, ModelEvent::End]));
    assert_eq!(payloads.len(), 7);
    assert_eq!(payloads[3]["delta"]["type"], "citations_delta");
}

#[test]
fn an_empty_stream_and_other_choices_are_still_a_message() {
    let other = ModelEvent::Text { choice: 1, text: "x".to_owned(), logprobs: None };
    assert_eq!(
        brief(&ordered(&stream_of(&[other, ModelEvent::End]))),
        ["message_start", "message_delta", "message_stop"]
    );
}

#[test]
fn a_tool_call_without_arguments_gets_an_empty_object() {
    let events = events_of(
        r#"{"type":"message_start","message":{"id":"i","model":"m","usage":{"input_tokens":3,"output_tokens":1}}}
{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"","name":"f","input":{}}}
{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":""}}
{"type":"content_block_stop","index":0}
{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"b","name":"g","input":{"a":1}}}
{"type":"content_block_stop","index":1}
{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9}}"#,
    )
    .expect("a stream");
    let named = |index, id: &str, name: &str| ModelEvent::ToolCall {
        choice: 0,
        index,
        id: id.to_owned(),
        name: name.to_owned(),
        custom: false,
        signature: None,
    };
    assert_eq!(
        events,
        [
            ModelEvent::Start { id: Some("i".to_owned()), model: Some("m".to_owned()) },
            ModelEvent::Usage(Usage { input: 3, output: 1, ..Usage::default() }),
            named(0, "call_0000000000000007_0", "f"),
            arguments(0, "{}"),
            named(1, "b", "g"),
            arguments(1, "{\"a\":1}"),
            ModelEvent::Usage(Usage { input: 3, output: 9, ..Usage::default() }),
            stop(Stop::ToolUse),
            ModelEvent::End,
        ]
    );
}

#[test]
fn a_stream_that_is_cut_is_malformed() {
    let cut = r#"{"type":"message_start","message":{"id":"i"}}
{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}
{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}"#;
    assert!(events_of(cut).is_err());
    assert!(
        events_of(&format!("{cut}\n{{\"type\":\"message_delta\",\"delta\":{{\"stop_reason\":\"end_turn\"}}}}")).is_ok()
    );
    assert!(events_of("").is_err());
}

#[test]
fn errors_in_a_stream_are_read_whatever_their_form() {
    for (name, data, class, message) in [
        (None, r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#, ErrorClass::Overload, "m"),
        (Some("error"), r#"{"error":{"type":"rate_limit_error","message":"m"}}"#, ErrorClass::RateLimit, "m"),
        (Some("error"), "out of order", ErrorClass::Server, "out of order"),
        (None, r#"{"type":"error","error":"broken"}"#, ErrorClass::Server, "broken"),
    ] {
        let (mut reader, mut out) = (Reader::new(0), Vec::new());
        reader.read(RawEvent { name, data: data.as_bytes() }, &mut out).expect("an error event");
        let Some(ModelEvent::Failed(error)) = out.pop() else { panic!("{data}") };
        assert_eq!((error.class, error.message.as_str()), (class, message));
        assert!(reader.close(&mut out).is_ok() && out.is_empty());
    }
}

#[test]
fn unknown_events_blocks_and_deltas_may_look_as_they_like() {
    let events = events_of(
        r#"{"type":"message_start","message":{"id":"i"}}
{"type":"weather","delta":"sunny","index":"x"}
{"type":"content_block_start","index":0,"content_block":{"type":"hologram","text":7}}
{"type":"content_block_delta","index":0,"delta":{"type":"hologram_delta","text":7}}
{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{}"}}
{"type":"content_block_stop","index":0}
{"type":"ping"}
{"type":"message_delta","delta":{"stop_reason":"new_reason"},"usage":{"output_tokens":1}}
{"type":"message_stop"}"#,
    )
    .expect("a stream");
    assert_eq!(events.len(), 4);
    assert_eq!(events[2], stop(Stop::End));
    assert!(events_of(r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":7}}"#).is_err());
}

#[test]
fn counts_that_come_early_stand_in_the_start() {
    let mut writer = Writer::new(told());
    let mut out = Vec::new();
    writer.write(start(), &mut out);
    assert!(out.is_empty());
    writer.write(ModelEvent::Usage(Usage { input: 50, cached_input: 20, ..Usage::default() }), &mut out);
    writer.write(text("a"), &mut out);
    let first = String::from_utf8(out).expect("UTF-8");
    assert!(
        first.contains(
            "\"usage\":{\"input_tokens\":30,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":20"
        )
    );
}
