//! Recorded answers: what is read of them is what stands in them, and survives being written and read again.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::super::answer;
use super::{events_of, ordered, stream_of, told};
use crate::format::answer::{Said, Stop, Usage};
use crate::format::event::ModelEvent;

/// What an answer comes to.
#[derive(Debug, Default, PartialEq)]
struct Sum {
    id: String,
    text: String,
    thinking: String,
    signatures: Vec<String>,
    citations: usize,
    calls: Vec<(String, String, Value)>,
    stop: Option<Stop>,
    usage: Usage,
}

fn stop_of(reason: &Value, details: &Value) -> Option<Stop> {
    Some(match reason.as_str()? {
        "end_turn" => Stop::End,
        "tool_use" => Stop::ToolUse,
        "max_tokens" => Stop::Length,
        "refusal" => Stop::Filtered(details["explanation"].as_str().map(str::to_owned)),
        other => panic!("{other}"),
    })
}

fn usage_of(usage: &Value, into: &mut Usage, plain: &mut u64) {
    let take = |key: &str, old: u64| usage[key].as_u64().unwrap_or(old);
    *plain = take("input_tokens", *plain);
    into.cached_input = take("cache_read_input_tokens", into.cached_input);
    into.cache_write = take("cache_creation_input_tokens", into.cache_write);
    into.output = take("output_tokens", into.output);
    into.input = *plain + into.cached_input + into.cache_write;
    into.reasoning = usage["output_tokens_details"]["thinking_tokens"].as_u64().unwrap_or(into.reasoning);
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Straight from the events' JSON, without the reader.
fn sum_of_stream(text: &str) -> Sum {
    let mut sum = Sum::default();
    let mut plain = 0;
    let mut blocks: Vec<(Value, String)> = Vec::new();
    let lines = text.lines().map(|line| line.strip_prefix("data:").unwrap_or(line).trim());
    for line in lines.filter(|line| line.starts_with('{')) {
        let event: Value = serde_json::from_str(line).expect("JSON");
        let delta = &event["delta"];
        match event["type"].as_str().expect("a type") {
            "message_start" => {
                sum.id = string(&event["message"]["id"]);
                usage_of(&event["message"]["usage"], &mut sum.usage, &mut plain);
            }
            "content_block_start" => blocks.push((event["content_block"].clone(), String::new())),
            "content_block_delta" => match delta["type"].as_str().expect("a type") {
                "text_delta" => sum.text += delta["text"].as_str().expect("a text"),
                "thinking_delta" => sum.thinking += delta["thinking"].as_str().expect("a text"),
                "signature_delta" => sum.signatures.push(string(&delta["signature"])),
                "citations_delta" => sum.citations += 1,
                "input_json_delta" => {
                    blocks.last_mut().expect("a block").1 += delta["partial_json"].as_str().expect("a text");
                }
                _ => {}
            },
            "message_delta" => {
                usage_of(&event["usage"], &mut sum.usage, &mut plain);
                sum.stop = stop_of(&delta["stop_reason"], &delta["stop_details"]).or(sum.stop);
            }
            _ => {}
        }
    }
    for (block, json) in blocks.into_iter().filter(|(block, _)| block["type"] == "tool_use") {
        let input =
            if json.is_empty() { block["input"].clone() } else { serde_json::from_str(&json).unwrap_or(json.into()) };
        sum.calls.push((string(&block["id"]), string(&block["name"]), input));
    }
    sum
}

fn sum_of_events(events: &[ModelEvent]) -> Sum {
    let mut sum = Sum::default();
    let mut arguments: Vec<String> = Vec::new();
    for event in events {
        match event {
            ModelEvent::Start { id, .. } => sum.id = id.clone().expect("an id"),
            ModelEvent::Text { text, .. } => sum.text += text,
            ModelEvent::Thinking { text, .. } => sum.thinking += text,
            ModelEvent::Signature { signature, .. } => sum.signatures.push(signature.value.clone()),
            ModelEvent::Citation { .. } => sum.citations += 1,
            ModelEvent::ToolCall { id, name, .. } => {
                sum.calls.push((id.clone(), name.clone(), Value::Null));
                arguments.push(String::new());
            }
            ModelEvent::Arguments { index, json, .. } => arguments[*index as usize] += json,
            ModelEvent::Stop { stop, .. } => sum.stop = Some(stop.clone()),
            ModelEvent::Usage(usage) => sum.usage = usage.clone(),
            ModelEvent::End => {}
            ModelEvent::Refusal { .. } | ModelEvent::Failed(_) => panic!("{event:?}"),
        }
    }
    for (call, json) in sum.calls.iter_mut().zip(arguments) {
        call.2 = serde_json::from_str(&json).unwrap_or(json.into());
    }
    sum
}

fn recorded() -> Option<Vec<PathBuf>> {
    let Some(root) = std::env::var_os("LOTSE_VECTORS") else {
        println!("skipped: LOTSE_VECTORS is not set");
        return None;
    };
    let folders = ["recorded/anthropic-sdk-sse", "recorded/vercel-ai/anthropic"];
    let files = folders.iter().flat_map(|folder| fs::read_dir(Path::new(&root).join(folder)).expect("the folder"));
    let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).filter(|path| path.is_file()).collect();
    files.sort();
    Some(files)
}

fn answers_in(text: &str) -> Vec<String> {
    let mut answers = vec![String::new()];
    for line in text.lines() {
        let last = answers.last_mut().expect("one");
        last.push_str(line);
        last.push('\n');
        if line.contains("\"type\":\"message_stop\"") {
            answers.push(String::new());
        }
    }
    answers.retain(|answer| answer.contains("message_start"));
    answers
}

fn is_json(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "json")
}

#[test]
fn recorded_streams_are_read_and_written_as_they_are() {
    let Some(files) = recorded() else { return };
    let mut streams = 0;
    for path in files.iter().filter(|path| !is_json(path)) {
        let text = fs::read_to_string(path).expect("a text");
        let name = path.display();
        if path.ends_with("spliced-message-start.chunks.txt") {
            assert!(events_of(&text).is_err(), "{name}");
            continue;
        }
        // Some recordings are several answers one after the other.
        for text in answers_in(&text) {
            let events = events_of(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            let mut sum = sum_of_stream(&text);
            assert_eq!(sum_of_events(&events), sum, "{name}");
            let stream = stream_of(&events);
            ordered(&stream);
            // One has no reason to stop; a caller is told one.
            sum.stop = sum.stop.or(Some(Stop::End));
            assert_eq!(sum_of_stream(&stream), sum, "{name}");
            streams += 1;
        }
    }
    assert!(streams > 30, "{streams}");
}

#[test]
fn recorded_answers_are_read_and_written_as_they_are() {
    let Some(files) = recorded() else { return };
    let mut answers = 0;
    for path in files.iter().filter(|path| is_json(path)) {
        let body = fs::read(path).expect("a file");
        let name = path.display();
        let json: Value = serde_json::from_slice(&body).expect("JSON");
        let read = answer::read(&body, 0).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut sum = Sum::default();
        let (mut plain, mut usage) = (0, Usage::default());
        usage_of(&json["usage"], &mut usage, &mut plain);
        assert_eq!(read.usage.as_ref(), Some(&usage), "{name}");
        let stop = stop_of(&json["stop_reason"], &json["stop_details"]);
        // One joins an answer of calls and the answer behind it.
        let stop =
            if path.ends_with("anthropic-programmatic-tool-calling.1.json") { Some(Stop::ToolUse) } else { stop };
        assert_eq!(read.choices[0].stop, stop, "{name}");
        for part in &read.choices[0].parts {
            match part {
                Said::Text { text, citations } => {
                    sum.text += text;
                    sum.citations += citations.len();
                }
                Said::Thinking(thoughts) => sum.thinking += &thoughts.text,
                Said::ToolCall(call) => {
                    let arguments = serde_json::from_str(&call.arguments).expect("JSON");
                    sum.calls.push((call.id.clone(), call.name.clone(), arguments));
                }
                Said::Refusal(_) => panic!("{name}"),
            }
        }
        let blocks = json["content"].as_array().expect("content");
        let of = |kind: &str| blocks.iter().filter(|block| block["type"] == kind).cloned().collect::<Vec<_>>();
        assert_eq!(sum.text, of("text").iter().map(|block| string(&block["text"])).collect::<String>(), "{name}");
        assert_eq!(sum.thinking, of("thinking").iter().map(|block| string(&block["thinking"])).collect::<String>());
        let calls = of("tool_use");
        let calls: Vec<_> =
            calls.iter().map(|block| (string(&block["id"]), string(&block["name"]), block["input"].clone())).collect();
        assert_eq!(sum.calls, calls, "{name}");
        assert_eq!(answer::read(&answer::write(&read, &told()), 0).as_ref(), Ok(&read), "{name}");
        answers += 1;
    }
    assert!(answers > 25, "{answers}");
}
