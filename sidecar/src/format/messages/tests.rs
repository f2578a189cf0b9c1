//! The dialect from both sides: golden examples, round trips, whatever bytes come, and recorded answers.

mod answers;
mod chance;
mod events;
mod hosts;
mod read;
mod recorded;
mod write;

use serde_json::Value;

use crate::format::answer::Told;
use crate::format::call::ModelCall;
use crate::format::event::{ModelEvent, RawEvent};
use crate::format::loss::Losses;
use crate::format::messages::events::{Reader, Writer};
use crate::format::{Invalid, Malformed};

fn told() -> Told {
    Told { id: "made1".to_owned(), model: "asked".to_owned(), provider: "ns/claude".to_owned(), ..Told::default() }
}

fn read(body: Value) -> Result<ModelCall, Invalid> {
    let Value::Object(fields) = body else { panic!("an object") };
    super::call::read(fields)
}

fn write(call: &ModelCall) -> (Value, Losses) {
    let mut losses = Losses::default();
    let body = super::call::write(call, &mut losses);
    (serde_json::from_slice(&body).expect("JSON"), losses)
}

/// Reads a stream of SSE text or of one JSON event a line.
fn events_of(text: &str) -> Result<Vec<ModelEvent>, Malformed> {
    let mut reader = Reader::new(7);
    let mut out = Vec::new();
    for line in text.lines() {
        let data = line.strip_prefix("data:").unwrap_or(line).trim();
        if data.starts_with('{') {
            reader.read(RawEvent { name: None, data: data.as_bytes() }, &mut out)?;
        }
    }
    reader.close(&mut out)?;
    Ok(out)
}

fn stream_of(events: &[ModelEvent]) -> String {
    let mut writer = Writer::new(told());
    let mut out = Vec::new();
    for event in events {
        writer.write(event.clone(), &mut out);
    }
    String::from_utf8(out).expect("UTF-8")
}

/// The payloads of a written stream, with the order of the real API checked.
fn ordered(stream: &str) -> Vec<Value> {
    let mut payloads: Vec<Value> = Vec::new();
    for event in stream.split_terminator("\n\n") {
        let (name, data) = event.split_once('\n').expect("two lines");
        let payload: Value = serde_json::from_str(data.strip_prefix("data: ").expect("data")).expect("JSON");
        assert_eq!(name.strip_prefix("event: "), payload["type"].as_str(), "{event}");
        payloads.push(payload);
    }
    let (mut open, mut next, mut stage) = (None, 0, 0);
    for payload in &payloads {
        match payload["type"].as_str().expect("a type") {
            "message_start" => {
                assert_eq!(stage, 0);
                stage = 1;
            }
            "content_block_start" => {
                assert_eq!((stage, open), (1, None), "{stream}");
                assert_eq!(payload["index"], next);
                open = Some(next);
                next += 1;
            }
            "content_block_delta" => assert_eq!(payload["index"].as_u64(), open, "{stream}"),
            "content_block_stop" => assert_eq!(payload["index"].as_u64(), open.take(), "{stream}"),
            "message_delta" => {
                assert_eq!((stage, open), (1, None), "{stream}");
                stage = 2;
            }
            "message_stop" => {
                assert_eq!(stage, 2);
                stage = 3;
            }
            "error" => stage = 3,
            other => panic!("{other}"),
        }
    }
    assert_eq!(stage, 3, "{stream}");
    payloads
}
