//! Streams of Gemini: what each event becomes, and every recorded one.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::format::error::{ErrorClass, ProviderError};

fn feed(events: &[Value]) -> (Vec<ModelEvent>, Result<(), Malformed>) {
    let texts: Vec<String> = events.iter().map(Value::to_string).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    feed_texts(&texts)
}

fn feed_texts(events: &[&str]) -> (Vec<ModelEvent>, Result<(), Malformed>) {
    let mut reader = Reader::new(0xAB);
    let mut out = Vec::new();
    for event in events {
        let read = reader.read(RawEvent { name: None, data: event.as_bytes() }, &mut out);
        if read.is_err() {
            return (out, read);
        }
    }
    let closed = reader.close(&mut out);
    (out, closed)
}

fn parts(parts: &Value) -> Value {
    json!({"candidates": [{"content": {"role": "model", "parts": parts}}]})
}

fn finish(reason: &str) -> Value {
    json!({"candidates": [{"finishReason": reason}]})
}

const START: ModelEvent = ModelEvent::Start { id: None, model: None };

fn text(text: &str) -> ModelEvent {
    ModelEvent::Text { choice: 0, text: text.to_owned(), logprobs: None }
}

fn call(index: u32, name: &str) -> ModelEvent {
    let id = format!("call_00000000000000ab_{index}");
    ModelEvent::ToolCall { choice: 0, index, id, name: name.to_owned(), custom: false, signature: None }
}

fn arguments(index: u32, json: &str) -> ModelEvent {
    ModelEvent::Arguments { choice: 0, index, json: json.to_owned() }
}

fn stop(stop: Stop) -> ModelEvent {
    ModelEvent::Stop { choice: 0, stop }
}

#[test]
fn every_event_may_say_stop_and_the_stop_is_told_once_at_the_end() {
    let event = |text: &str| json!({"candidates": [{"content": {"parts": [{"text": text}]}, "finishReason": "STOP"}]});
    let (events, closed) = feed(&[event("First "), event("Second ")]);
    assert_eq!(closed, Ok(()));
    assert_eq!(events, [START, text("First "), text("Second "), stop(Stop::End), ModelEvent::End]);
}

#[test]
fn a_bare_error_ends_the_stream_and_nothing_follows() {
    let error = json!({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "wait",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}]}});
    let (events, closed) = feed(&[parts(&json!([{"text": "a"}])), error, finish("STOP")]);
    assert_eq!(closed, Ok(()));
    let failed = ProviderError {
        class: ErrorClass::RateLimit,
        code: Some("RESOURCE_EXHAUSTED".to_owned()),
        param: None,
        message: "wait".to_owned(),
        wait: Some(Duration::from_millis(34_500)),
    };
    assert_eq!(events, [START, text("a"), ModelEvent::Failed(failed)]);
}

#[test]
fn a_stream_without_a_finish_was_cut() {
    let (events, closed) = feed(&[parts(&json!([{"text": "a"}]))]);
    assert_eq!(events, [START, text("a")]);
    assert_eq!(closed, Err(Malformed("the stream ended before the answer did".to_owned())));
    assert!(feed(&[]).1.is_err());
}

#[test]
fn whole_calls_have_arguments_at_once() {
    let sent = json!([{"functionCall": {"name": "a", "args": {"x": 1}}}, {"functionCall": {"name": "b"}}]);
    let (events, _) = feed(&[parts(&sent), finish("STOP")]);
    let expected = [
        START,
        call(0, "a"),
        arguments(0, r#"{"x":1}"#),
        call(1, "b"),
        arguments(1, "{}"),
        stop(Stop::ToolUse),
        ModelEvent::End,
    ];
    assert_eq!(events, expected);
}

#[test]
fn arguments_in_pieces_are_put_together() {
    let piece = |partial: Value, more: bool| {
        parts(&json!([{"functionCall": {"partialArgs": [partial], "willContinue": more}}]))
    };
    let (events, closed) = feed(&[
        parts(&json!([{"functionCall": {"name": "f", "willContinue": true}}])),
        piece(json!({"jsonPath": "$.ops[0].name", "stringValue": "ap", "willContinue": true}), true),
        piece(json!({"jsonPath": "$.ops[0].name", "stringValue": "ple", "willContinue": true}), true),
        piece(json!({"jsonPath": "$.ops[0].name", "stringValue": ""}), true),
        parts(&json!([{"functionCall": {"willContinue": true}}])),
        piece(json!({"jsonPath": "$.ops[1]['odd key']", "numberValue": 0.5}), true),
        piece(json!({"jsonPath": "$.on", "boolValue": true}), true),
        piece(json!({"jsonPath": "$.off", "nullValue": null}), true),
        parts(&json!([{"functionCall": {}}])),
        parts(&json!([{"functionCall": {"name": "g", "willContinue": true}}])),
        piece(json!({"jsonPath": "$.last", "stringValue": "x", "willContinue": true}), true),
        finish("STOP"),
    ]);
    assert_eq!(closed, Ok(()));
    let first = r#"{"ops":[{"name":"apple"},{"odd key":0.5}],"on":true,"off":null}"#;
    let expected = [
        START,
        call(0, "f"),
        arguments(0, first),
        call(1, "g"),
        arguments(1, r#"{"last":"x"}"#),
        stop(Stop::ToolUse),
        ModelEvent::End,
    ];
    assert_eq!(events, expected);
}

#[test]
fn pieces_without_a_place_are_malformed() {
    for path in ["", "$", "x", "$.", "$.a..b", "$[x]", "$[9999999]", "$['a", "$.a[18446744073709551615]", "$.s.t"] {
        let pieces = json!([{"jsonPath": "$.s", "stringValue": "x"}, {"jsonPath": path, "boolValue": true}]);
        let (_, closed) = feed(&[parts(&json!([{"functionCall": {"name": "f", "partialArgs": pieces}}]))]);
        assert!(closed.is_err(), "{path}");
    }
}

#[test]
fn signatures_come_with_calls_or_behind_what_they_prove() {
    let signature = |value: &str| Signature { maker: Format::Gemini, value: value.to_owned() };
    let (events, _) = feed(&[
        parts(&json!([{"text": "hm", "thought": true, "thoughtSignature": "a"}, {"text": "x"}])),
        parts(&json!([{"text": "", "thoughtSignature": "b"}])),
        parts(&json!([{"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "c"}])),
        finish("STOP"),
    ]);
    assert_eq!(events[1], ModelEvent::Thinking { choice: 0, text: "hm".to_owned() });
    assert_eq!(events[2], ModelEvent::Signature { choice: 0, signature: signature("a"), redacted: false });
    assert_eq!(events[3], text("x"));
    assert_eq!(events[4], ModelEvent::Signature { choice: 0, signature: signature("b"), redacted: true });
    let ModelEvent::ToolCall { signature: Some(found), .. } = &events[5] else { panic!("a call with a signature") };
    assert_eq!(*found, signature("c"));
}

#[test]
fn a_blocked_prompt_ends_as_filtered() {
    let (events, closed) = feed(&[json!({"promptFeedback": {"blockReason": "SAFETY", "blockReasonMessage": "no"}})]);
    assert_eq!(closed, Ok(()));
    assert_eq!(events, [START, stop(Stop::Filtered(Some("no".to_owned()))), ModelEvent::End]);
}

#[test]
fn only_a_picture_is_no_answer() {
    let picture = json!([{"inlineData": {"mimeType": "image/png", "data": "aGk="}}]);
    assert!(feed(&[parts(&picture), finish("STOP")]).1.is_err());
    assert!(feed(&[parts(&picture), parts(&json!([{"text": "there"}])), finish("STOP")]).1.is_ok());
}

#[test]
fn choices_are_apart() {
    let candidate = |index: u32, text: &str| json!({"index": index, "content": {"parts": [{"text": text}]}});
    let (events, closed) = feed(&[
        json!({"candidates": [candidate(0, "a"), candidate(1, "b")]}),
        json!({"candidates": [{"index": 1, "finishReason": "MAX_TOKENS"}]}),
        json!({"candidates": [{"index": 0, "finishReason": "STOP"}]}),
    ]);
    assert_eq!(closed, Ok(()));
    assert!(events.contains(&ModelEvent::Stop { choice: 1, stop: Stop::Length }));
    assert!(events.contains(&stop(Stop::End)));
}

#[test]
fn citations_of_a_growing_grounding_are_told_once() {
    let grounded = |text: &str, end: u32| {
        json!({"candidates": [{"content": {"parts": [{"text": text}]}, "groundingMetadata": {
            "groundingChunks": [{"web": {"uri": "https://a"}}],
            "groundingSupports": [{"segment": {"endIndex": end}, "groundingChunkIndices": [0]}]}}]})
    };
    let (events, _) = feed(&[grounded("ä", 2), grounded("b", 2), finish("STOP")]);
    let citation = Citation { url: Some("https://a".to_owned()), start: Some(0), end: Some(1), ..Citation::default() };
    let expected =
        [START, text("ä"), text("b"), ModelEvent::Citation { choice: 0, citation }, stop(Stop::End), ModelEvent::End];
    assert_eq!(events, expected);
}

/// What a recording holds, cut naively.
fn recorded(path: &str) -> Option<Vec<String>> {
    let Some(vectors) = std::env::var_os("LOTSE_VECTORS") else {
        println!("skipped: LOTSE_VECTORS is not set");
        return None;
    };
    let path = std::path::Path::new(&vectors).join("recorded").join(path);
    let content = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let content = content.replace("\r\n", "\n");
    if path.to_string_lossy().ends_with(".chunks.txt") {
        return Some(content.lines().map(str::to_owned).collect());
    }
    Some(content.split("\n\n").map(|event| event.trim_start_matches("data:").to_owned()).collect())
}

fn replay(path: &str) -> Option<(Vec<ModelEvent>, Result<(), Malformed>)> {
    let events = recorded(path)?;
    Some(feed_texts(&events.iter().map(String::as_str).collect::<Vec<_>>()))
}

/// Text, arguments by call, whether it stopped and what was counted.
fn facts(events: &[ModelEvent]) -> (String, Vec<(String, String)>, Vec<Stop>, Usage) {
    let (mut said, mut calls, mut stops, mut counted) = (String::new(), Vec::new(), Vec::new(), Usage::default());
    for event in events {
        match event {
            ModelEvent::Text { text, .. } => said.push_str(text),
            ModelEvent::ToolCall { name, .. } => calls.push((name.clone(), String::new())),
            ModelEvent::Arguments { index, json, .. } => {
                let place = usize::try_from(*index).expect("small");
                calls[place].1.push_str(json);
            }
            ModelEvent::Stop { stop, .. } => stops.push(stop.clone()),
            ModelEvent::Usage(usage) => counted = usage.clone(),
            ModelEvent::Start { .. }
            | ModelEvent::Refusal { .. }
            | ModelEvent::Thinking { .. }
            | ModelEvent::Signature { .. }
            | ModelEvent::Citation { .. }
            | ModelEvent::Failed(_)
            | ModelEvent::End => {}
        }
    }
    (said, calls, stops, counted)
}

#[test]
fn all_recorded_streams_end_as_their_names_say() {
    let Some(vectors) = std::env::var_os("LOTSE_VECTORS") else {
        println!("skipped: LOTSE_VECTORS is not set");
        return;
    };
    let mut seen = 0;
    for folder in ["firebase-gemini/googleai", "firebase-gemini/vertexai", "vercel-ai/google"] {
        for entry in std::fs::read_dir(std::path::Path::new(&vectors).join("recorded").join(folder)).expect("a folder")
        {
            let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
            if !(name.starts_with("streaming-") || name.ends_with(".chunks.txt")) {
                continue;
            }
            let (events, closed) = replay(&format!("{folder}/{name}")).expect("a recording");
            let ended = events.last() == Some(&ModelEvent::End);
            let failed = matches!(events.last(), Some(ModelEvent::Failed(_)));
            seen += 1;
            // One is a picture alone, one of the first Vertex AI, which never said that an answer was over.
            if name.starts_with("streaming-success-image") || name == "streaming-success-quotes-escaped.txt" {
                assert!(!ended && closed.is_err(), "{name}");
                continue;
            }
            if !name.starts_with("streaming-failure") {
                assert!(ended && closed.is_ok(), "{name}: {closed:?}");
                assert!(events.iter().any(ModelEvent::is_content), "{name}");
                continue;
            }
            let filtered = |stop: &Stop| matches!(stop, Stop::Filtered(_) | Stop::Failed(_));
            let taken = ended && facts(&events).2.iter().all(filtered);
            assert!(failed || taken || closed.is_err(), "{name}: {events:?}");
        }
    }
    assert!(seen > 45, "{seen}");
}

#[test]
fn recorded_arguments_in_pieces_are_whole() {
    let Some((events, _)) = replay("vercel-ai/google/google-stream-tool-call-arguments.chunks.txt") else { return };
    let (said, calls, stops, counted) = facts(&events);
    let weather = |place: &str| ("getWeather".to_owned(), json!({ "location": place }).to_string());
    assert_eq!((said.as_str(), calls), ("", vec![weather("Boston"), weather("San Francisco")]));
    assert_eq!(stops, [Stop::ToolUse]);
    assert_eq!(counted, Usage { input: 26, output: 155, reasoning: 132, ..Usage::default() });
    assert!(matches!(&events[1], ModelEvent::ToolCall { signature: Some(_), .. }));

    let path = "vercel-ai/google/google-stream-tool-call-array-arguments-missing-terminal-function-call.chunks.txt";
    let (_, calls, stops, _) = facts(&replay(path).expect("a recording").0);
    let item =
        |name: &str, id: &str, price: f64| json!({"action": "add", "description": name, "itemid": id, "price": price});
    let expected = json!({"operations": [
        item("Fresh red apple", "apple_001", 0.5), item("Ripe yellow banana", "banana_001", 0.3),
    ]});
    assert_eq!(serde_json::from_str::<Value>(&calls[0].1).expect("JSON"), expected);
    assert_eq!(stops, [Stop::ToolUse]);

    let path = "vercel-ai/google/google-vertex-stream-tool-call-arguments-nested.1.chunks.txt";
    let (_, calls, _, _) = facts(&replay(path).expect("a recording").0);
    let arguments: Value = serde_json::from_str(&calls[0].1).expect("JSON");
    assert_eq!(arguments["recipe"]["steps"].as_array().map(Vec::len), Some(10));
    assert_eq!(
        arguments["recipe"]["steps"][1],
        "Cook lasagna noodles according to package directions, drain and set aside."
    );
    assert_eq!(arguments["recipe"]["ingredients"][9], json!({"amount": "1/2 tsp", "name": "Pepper"}));

    let path = "vercel-ai/google/google-stream-no-args-tool-call.chunks.txt";
    let (_, calls, _, _) = facts(&replay(path).expect("a recording").0);
    assert_eq!(calls[0], ("read_theme".to_owned(), "{}".to_owned()));
    assert_eq!(calls[1], ("read_screen".to_owned(), json!({"id": "A"}).to_string()));
}

#[test]
fn a_recorded_error_in_the_middle_is_a_failure() {
    let Some((events, closed)) = replay("firebase-gemini/vertexai/streaming-failure-error-mid-stream.txt") else {
        return;
    };
    assert_eq!(closed, Ok(()));
    assert_eq!(facts(&events).0, "First Second ");
    assert!(matches!(events.last(), Some(ModelEvent::Failed(error)) if error.code.as_deref() == Some("CANCELLED")));
}

proptest! {
    #[test]
    fn any_bytes_never_panic(events in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 0..5)) {
        let mut reader = Reader::new(0);
        let mut out = Vec::new();
        for event in &events {
            let _ = reader.read(RawEvent { name: None, data: event }, &mut out);
        }
        let _ = reader.close(&mut out);
    }

    #[test]
    fn any_place_of_a_piece_never_panics(path in r#"\$?([.\['a0\]"]|\[[0-3]\]|\.b){0,8}"#) {
        let pieces = json!([{"jsonPath": path, "stringValue": "x", "willContinue": true}, {"jsonPath": path, "stringValue": "y"}]);
        let _ = feed(&[parts(&json!([{"functionCall": {"name": "f", "partialArgs": pieces}}])), finish("STOP")]);
    }
}
