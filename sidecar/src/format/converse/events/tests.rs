//! Streams of Converse: what each message becomes, and every recorded one, as frames.

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::format::answer::{Citation, Stop, Usage};
use crate::format::error::ErrorClass;
use crate::format::eventstream::Splitter;

/// Feeds `{name: payload}` objects.
fn feed(events: &[Value]) -> (Vec<ModelEvent>, Result<(), Malformed>) {
    let mut reader = Reader::new(0xAB);
    let mut out = Vec::new();
    for event in events {
        let (name, payload) = event.as_object().and_then(|event| event.iter().next()).expect("an event");
        let payload = payload.to_string();
        let read = reader.read(RawEvent { name: Some(name), data: payload.as_bytes() }, &mut out);
        if read.is_err() {
            return (out, read);
        }
    }
    let closed = reader.close(&mut out);
    (out, closed)
}

fn delta(block: u32, delta: &Value) -> Value {
    json!({"contentBlockDelta": {"contentBlockIndex": block, "delta": delta, "p": "abcdef"}})
}

fn begin(block: u32, id: &str, name: &str) -> Value {
    json!({"contentBlockStart": {"contentBlockIndex": block, "start": {"toolUse": {"toolUseId": id, "name": name}}}})
}

fn input(block: u32, json: &str) -> Value {
    delta(block, &json!({"toolUse": {"input": json}}))
}

fn end(block: u32) -> Value {
    json!({"contentBlockStop": {"contentBlockIndex": block}})
}

fn stopped(reason: &str) -> Value {
    json!({"messageStop": {"stopReason": reason}})
}

fn counted() -> Value {
    json!({"metadata": {"usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 12, "cacheReadInputTokens": 5}}})
}

const START: ModelEvent = ModelEvent::Start { id: None, model: None };

fn text(text: &str) -> ModelEvent {
    ModelEvent::Text { choice: 0, text: text.to_owned(), logprobs: None }
}

fn call(index: u32, id: &str, name: &str) -> ModelEvent {
    ModelEvent::ToolCall { choice: 0, index, id: id.to_owned(), name: name.to_owned(), custom: false, signature: None }
}

fn arguments(index: u32, json: &str) -> ModelEvent {
    ModelEvent::Arguments { choice: 0, index, json: json.to_owned() }
}

fn stop(stop: Stop) -> ModelEvent {
    ModelEvent::Stop { choice: 0, stop }
}

fn usage() -> ModelEvent {
    ModelEvent::Usage(Usage { input: 8, cached_input: 5, output: 4, ..Usage::default() })
}

#[test]
fn the_end_is_behind_stop_and_usage() {
    let hello =
        || vec![json!({"messageStart": {"role": "assistant", "p": "x"}}), delta(0, &json!({"text": "hi"})), end(0)];
    let expected = [START, text("hi"), stop(Stop::End), usage(), ModelEvent::End];
    let (events, closed) = feed(&[hello(), vec![stopped("end_turn"), counted(), counted()]].concat());
    assert_eq!((events.as_slice(), closed), (expected.as_slice(), Ok(())));
    let (events, closed) = feed(&[hello(), vec![counted(), stopped("end_turn")]].concat());
    assert_eq!(closed, Ok(()));
    assert_eq!(events, [START, text("hi"), usage(), stop(Stop::End), ModelEvent::End]);
    let (events, closed) = feed(&[hello(), vec![stopped("end_turn")]].concat());
    assert_eq!(closed, Ok(()));
    assert_eq!(events, [START, text("hi"), stop(Stop::End), ModelEvent::End]);
}

#[test]
fn a_stream_without_a_stop_was_cut() {
    let (events, closed) = feed(&[delta(0, &json!({"text": "hi"})), counted()]);
    assert_eq!(events, [START, text("hi"), usage()]);
    assert!(closed.is_err());
    assert!(feed(&[]).1.is_err());
}

#[test]
fn calls_may_alternate_and_one_without_arguments_gets_an_empty_object() {
    let (events, closed) = feed(&[
        begin(0, "a", "f"),
        begin(0, "a", "f"),
        begin(1, "b", "g"),
        begin(2, "", "h"),
        input(0, ""),
        input(0, "{\"x\""),
        input(1, "{}"),
        input(0, ":1}"),
        end(0),
        end(1),
        stopped("tool_use"),
        counted(),
    ]);
    assert_eq!(closed, Ok(()));
    let expected = [
        START,
        call(0, "a", "f"),
        call(1, "b", "g"),
        call(2, "call_00000000000000ab_2", "h"),
        arguments(0, "{\"x\""),
        arguments(1, "{}"),
        arguments(0, ":1}"),
        arguments(2, "{}"),
        stop(Stop::ToolUse),
        usage(),
        ModelEvent::End,
    ];
    assert_eq!(events, expected);
}

#[test]
fn tools_of_bedrock_are_not_the_callers() {
    let own = json!({"contentBlockStart": {"contentBlockIndex": 0,
        "start": {"toolUse": {"toolUseId": "s", "name": "search", "type": "server_tool_use"}}}});
    let (events, _) = feed(&[own, input(0, "{}"), end(0), begin(1, "a", "f"), end(1), stopped("tool_use")]);
    assert_eq!(events, [START, call(0, "a", "f"), arguments(0, "{}"), stop(Stop::ToolUse), ModelEvent::End]);
}

#[test]
fn arguments_without_a_call_are_malformed() {
    assert!(feed(&[input(0, "{}"), stopped("tool_use")]).1.is_err());
    assert!(feed(&[begin(0, "a", "f"), end(0), input(0, "{}")]).1.is_err());
}

#[test]
fn thoughts_are_signed_and_citations_told() {
    let reasons = |value: Value| delta(0, &json!({ "reasoningContent": value }));
    let (events, _) = feed(&[
        reasons(json!({"text": "hm"})),
        reasons(json!({"text": ""})),
        reasons(json!({"signature": "c2ln"})),
        reasons(json!({"redactedContent": "aGk="})),
        delta(1, &json!({"citation": {"title": "T", "sourceContent": [{"text": "q"}]}})),
        stopped("end_turn"),
    ]);
    let signature = |value: &str| Signature { maker: Format::Converse, value: value.to_owned() };
    let citation = Citation { title: Some("T".to_owned()), quote: Some("q".to_owned()), ..Citation::default() };
    let expected = [
        START,
        ModelEvent::Thinking { choice: 0, text: "hm".to_owned() },
        ModelEvent::Signature { choice: 0, signature: signature("c2ln"), redacted: false },
        ModelEvent::Signature { choice: 0, signature: signature("aGk="), redacted: true },
        ModelEvent::Citation { choice: 0, citation },
        stop(Stop::End),
        ModelEvent::End,
    ];
    assert_eq!(events, expected);
}

#[test]
fn exceptions_are_failures_of_their_class() {
    for (name, message, class) in [
        ("throttlingException", "Too many", ErrorClass::RateLimit),
        ("ThrottlingException", "Too many", ErrorClass::RateLimit),
        ("validationException", "bad", ErrorClass::Caller),
        ("validationException", "Input is too long for requested model.", ErrorClass::ContextLength),
        ("modelStreamErrorException", "m", ErrorClass::Server),
        ("internalServerException", "m", ErrorClass::Server),
        ("serviceUnavailableException", "m", ErrorClass::Overload),
        ("modelTimeoutException", "m", ErrorClass::Timeout),
        ("InternalFailure", "m", ErrorClass::Server),
    ] {
        let (events, closed) =
            feed(&[delta(0, &json!({"text": "a"})), json!({name: {"message": message}}), stopped("end_turn")]);
        assert_eq!(closed, Ok(()));
        let (code, message) = (Some(name.to_owned()), message.to_owned());
        let failed = ProviderError { class, code, param: None, message, wait: None };
        assert_eq!(events, [START, text("a"), ModelEvent::Failed(failed)]);
    }
    let original = json!({"modelStreamErrorException": {"originalStatusCode": 500, "originalMessage": "why"}});
    assert!(matches!(&feed(&[original]).0[0], ModelEvent::Failed(error) if error.message == "why"));
}

#[test]
fn unknown_events_are_passed_over() {
    let (events, closed) = feed(&[json!({"somethingNew": {"text": "x"}}), stopped("end_turn")]);
    assert_eq!((events, closed), (vec![START, stop(Stop::End), ModelEvent::End], Ok(())));
}

#[test]
fn the_text_that_stopped_it_is_told() {
    let fields = json!({"delta": {"stop_sequence": "X"}});
    let (events, _) =
        feed(&[json!({"messageStop": {"stopReason": "stop_sequence", "additionalModelResponseFields": fields}})]);
    assert_eq!(events[1], stop(Stop::Sequence(Some("X".to_owned()))));
}

/// A recording's events, as the frames they came in, through the splitter in pieces.
fn replay(lines: &str, size: usize) -> Vec<ModelEvent> {
    let mut bytes = Vec::new();
    for line in lines.lines().filter(|line| !line.trim().is_empty()) {
        let event: Value = serde_json::from_str(line).expect("JSON");
        let (name, payload) = event.as_object().and_then(|event| event.iter().next()).expect("an event");
        let header = |name: &'static str, value: &str| Header::new(name, HeaderValue::String(value.to_owned().into()));
        let headers = vec![header(":event-type", name), header(":message-type", "event")];
        let message = Message::new_from_parts(headers, payload.to_string());
        write_message_to(&message, &mut bytes).expect("a small message");
    }
    let (mut splitter, mut messages) = (Splitter::default(), Vec::new());
    let (mut reader, mut out) = (Reader::new(1), Vec::new());
    for piece in bytes.chunks(size) {
        splitter.push(piece, &mut messages).expect("good frames");
        for message in messages.drain(..) {
            reader.read(message.as_event(), &mut out).expect("good events");
        }
    }
    splitter.close().expect("a whole last frame");
    reader.close(&mut out).expect("a whole stream");
    out
}

#[test]
fn recorded_streams_are_read() {
    let Some(vectors) = std::env::var_os("LOTSE_VECTORS") else {
        println!("skipped: LOTSE_VECTORS is not set");
        return;
    };
    let folder = std::path::Path::new(&vectors).join("recorded/vercel-ai/amazon-bedrock");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("the folder of recordings") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if !name.ends_with(".chunks.txt") {
            continue;
        }
        let lines = std::fs::read_to_string(&path).expect("a recording");
        let events = replay(&lines, 7);
        assert_eq!(events, replay(&lines, usize::MAX), "{name}");
        same_facts(&events, &lines, &name);
        seen += 1;
    }
    assert_eq!(seen, 12);
}

/// Compares with a reading of the recording's own.
fn same_facts(events: &[ModelEvent], lines: &str, name: &str) {
    let sent: Vec<Value> = lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let all = |path: &str| sent.iter().filter_map(|event| event.pointer(path)).cloned().collect::<Vec<_>>();
    let joined = |path: &str| all(path).iter().filter_map(Value::as_str).collect::<String>();
    let (mut said, mut thought, mut called, mut argued, mut usage) =
        (String::new(), String::new(), Vec::new(), String::new(), Usage::default());
    for event in events {
        match event {
            ModelEvent::Text { text, .. } => said.push_str(text),
            ModelEvent::Thinking { text, .. } => thought.push_str(text),
            ModelEvent::ToolCall { name, .. } => called.push(json!(name)),
            ModelEvent::Arguments { json, .. } => argued.push_str(json),
            ModelEvent::Usage(counts) => usage = counts.clone(),
            ModelEvent::Start { .. }
            | ModelEvent::Refusal { .. }
            | ModelEvent::Signature { .. }
            | ModelEvent::Citation { .. }
            | ModelEvent::Stop { .. }
            | ModelEvent::Failed(_)
            | ModelEvent::End => {}
        }
    }
    assert_eq!(said, joined("/contentBlockDelta/delta/text"), "{name}");
    assert_eq!(thought, joined("/contentBlockDelta/delta/reasoningContent/text"), "{name}");
    assert_eq!(called, all("/contentBlockStart/start/toolUse/name"), "{name}");
    let whole = joined("/contentBlockDelta/delta/toolUse/input");
    assert_eq!(argued, if whole.is_empty() && !called.is_empty() { "{}".to_owned() } else { whole }, "{name}");
    let total = all("/metadata/usage/totalTokens").first().and_then(Value::as_u64);
    assert_eq!(total.unwrap_or(0), usage.input + usage.output, "{name}");
    let reason = all("/messageStop/stopReason");
    let used = events.contains(&stop(Stop::ToolUse));
    assert_eq!(used, reason == [json!("tool_use")], "{name}");
    assert_eq!(events.last(), Some(&ModelEvent::End), "{name}");
}

proptest! {
    #[test]
    fn any_bytes_never_panic(
        events in proptest::collection::vec((0_usize..8, proptest::collection::vec(any::<u8>(), 0..60)), 0..5),
    ) {
        let names = ["messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata",
            "throttlingException", "other"];
        let (mut reader, mut out) = (Reader::new(0), Vec::new());
        for (name, data) in &events {
            let _ = reader.read(RawEvent { name: Some(names[*name]), data }, &mut out);
        }
        let _ = reader.close(&mut out);
    }
}
