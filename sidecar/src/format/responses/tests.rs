//! Recorded answers of OpenAI, Azure OpenAI, xAI, LM Studio and GitHub Copilot, through the readers and the writers; streams of
//! other dialects' providers, as a Responses caller gets them; and a call of Codex CLI, as each provider gets it.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{answer, events, state};
use crate::format::answer::{Said, Stop, Told};
use crate::format::error::ErrorClass;
use crate::format::event::{ModelEvent, RawEvent};
use crate::format::loss::{Feature, Losses, Lost};
use crate::format::{self, Format};

/// What an answer comes to, whoever tells it.
#[derive(Debug, Default, PartialEq)]
struct Facts {
    text: String,
    calls: Vec<(String, String, String)>,
    encrypted: usize,
    citations: usize,
    input: u64,
    output: u64,
}

const FOLDERS: [&str; 4] = ["openai/responses", "open-responses/responses", "xai/responses", "azure"];

fn recorded(folders: &[&str], ending: &str) -> Option<Vec<(String, Vec<u8>)>> {
    let Some(root) = std::env::var_os("LOTSE_VECTORS") else {
        println!("skipped: LOTSE_VECTORS is not set");
        return None;
    };
    let root = Path::new(&root).join("recorded/vercel-ai");
    let mut paths: Vec<PathBuf> = Vec::new();
    for folder in folders {
        let entries = std::fs::read_dir(root.join(folder)).expect("a folder of recordings");
        paths.extend(entries.map(|entry| entry.expect("an entry").path()));
    }
    paths.retain(|path| path.to_string_lossy().ends_with(ending));
    paths.sort();
    assert!(!paths.is_empty(), "recordings are missing");
    let name = |path: &Path| path.file_name().expect("a name").to_string_lossy().into_owned();
    Some(paths.iter().map(|path| (name(path), std::fs::read(path).expect("a file"))).collect())
}

fn told() -> Told {
    Told { id: "abc".to_owned(), model: "asked".to_owned(), provider: "ns/p".to_owned(), ..Told::default() }
}

fn texts<'v>(list: &'v Value, key: &str) -> Vec<&'v str> {
    list.as_array().into_iter().flatten().filter_map(|part| part[key].as_str()).collect()
}

/// What a response object says, read by hand.
fn facts(response: &Value) -> Facts {
    let mut facts = Facts {
        input: response["usage"]["input_tokens"].as_u64().unwrap_or_default(),
        output: response["usage"]["output_tokens"].as_u64().unwrap_or_default(),
        ..Facts::default()
    };
    for item in response["output"].as_array().into_iter().flatten() {
        let text = |key: &str| item[key].as_str().unwrap_or_default().to_owned();
        match item["type"].as_str() {
            Some("message") => {
                facts.text.push_str(&texts(&item["content"], "text").concat());
                for part in item["content"].as_array().into_iter().flatten() {
                    facts.citations += part["annotations"].as_array().map_or(0, Vec::len);
                }
            }
            Some("function_call") => facts.calls.push((text("call_id"), text("name"), text("arguments"))),
            Some("custom_tool_call") => facts.calls.push((text("call_id"), text("name"), text("input"))),
            Some("reasoning") => facts.encrypted += usize::from(item["encrypted_content"].is_string()),
            _ => {}
        }
    }
    facts
}

fn neutral(events: &[ModelEvent]) -> Facts {
    let mut facts = Facts::default();
    for event in events {
        match event {
            ModelEvent::Text { text, .. } => facts.text.push_str(text),
            ModelEvent::ToolCall { id, name, .. } => facts.calls.push((id.clone(), name.clone(), String::new())),
            ModelEvent::Arguments { index, json, .. } => {
                facts.calls[usize::try_from(*index).expect("small")].2.push_str(json);
            }
            ModelEvent::Signature { .. } => facts.encrypted += 1,
            ModelEvent::Citation { .. } => facts.citations += 1,
            ModelEvent::Usage(usage) => (facts.input, facts.output) = (usage.input, usage.output),
            ModelEvent::Start { .. }
            | ModelEvent::Refusal { .. }
            | ModelEvent::Thinking { .. }
            | ModelEvent::Stop { .. }
            | ModelEvent::Failed(_)
            | ModelEvent::End => {}
        }
    }
    facts
}

#[test]
fn recorded_answers_keep_what_they_say() {
    for (name, body) in recorded(&FOLDERS, ".json").into_iter().flatten() {
        let raw: Value = serde_json::from_slice(&body).expect("JSON");
        if raw.get("output").is_none() {
            assert!(answer::read(&body, 0).is_err(), "{name}");
            continue;
        }
        let read = answer::read(&body, 0).expect("an answer");
        let written: Value = serde_json::from_slice(&answer::write(&read, &told())).expect("JSON");

        assert_eq!(facts(&written), facts(&raw), "{name}");
        assert_eq!(state::answer_id(&body).as_deref(), raw["id"].as_str(), "{name}");
        let calls = read.choices[0].parts.iter().any(|said| matches!(said, Said::ToolCall(_)));
        let expected = if calls { Stop::ToolUse } else { Stop::End };
        assert_eq!(read.choices[0].stop, Some(expected), "{name}");
    }
}

#[test]
fn recorded_streams_keep_what_they_say() {
    for (name, body) in recorded(&FOLDERS, ".chunks.txt").into_iter().flatten() {
        // Two events of the one lack a brace; the other's last events tell more than its deltas do.
        if name.starts_with("parallel-tool-call-wrapper") || name == "openai-shell-container.1.chunks.txt" {
            continue;
        }
        let lines: Vec<_> = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
        let mut reader = events::Reader::new(0);
        let mut read = Vec::new();
        for data in &lines {
            reader.read(RawEvent { name: None, data }, &mut read).expect("an event");
        }
        assert_eq!(reader.close(&mut read), Ok(()), "{name}");
        // Some recordings hold several streams; only the first is read.
        let ends = ["response.completed", "response.failed"];
        let mut payloads = lines.iter().map(|line| serde_json::from_slice::<Value>(line).expect("JSON"));
        let last = payloads.find(|event| event["type"].as_str().is_some_and(|kind| ends.contains(&kind)));
        let last = last.expect("an end");
        assert!(state::event_id(lines[0]).is_some(), "{name}");
        if let Some(ModelEvent::Failed(error)) = read.last() {
            assert_eq!((name.as_str(), error.class), ("openai-error.1.chunks.txt", ErrorClass::Quota));
            continue;
        }
        assert_eq!(neutral(&read), facts(&last["response"]), "{name}");
        assert_eq!(read.last(), Some(&ModelEvent::End), "{name}");

        let mut writer = events::Writer::new(told());
        let mut out = Vec::new();
        for event in read {
            writer.write(event, &mut out);
        }
        let end = out.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().expect("a last line");
        let written: Value = serde_json::from_slice(&end["data: ".len()..]).expect("JSON");
        assert_eq!(facts(&written["response"]), facts(&last["response"]), "{name}");
    }
}

/// Reads what a writer of this dialect wrote.
fn read_again(sse: &[u8]) -> Vec<ModelEvent> {
    let mut reader = events::Reader::new(0);
    let mut read = Vec::new();
    for line in sse.split(|byte| *byte == b'\n') {
        if let Some(data) = line.strip_prefix(b"data: ") {
            reader.read(RawEvent { name: None, data }, &mut read).expect("an event");
        }
    }
    assert_eq!(reader.close(&mut read), Ok(()));
    read
}

#[test]
fn recorded_streams_of_other_dialects_reach_a_responses_caller() {
    let providers = [
        (Format::Messages, ["anthropic"].as_slice()),
        (Format::Gemini, &["google"]),
        (Format::Chat, &["openai/chat", "mistral", "deepseek", "groq"]),
    ];
    let mut whole = 0;
    for (provider, folders) in providers {
        for (name, body) in recorded(folders, ".chunks.txt").into_iter().flatten() {
            let mut reader = format::Reader::new(provider, 1);
            let mut read = Vec::new();
            let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
            let all = lines.map(|data| reader.read(RawEvent { name: None, data }, &mut read)).all(|read| read.is_ok());
            // What another dialect's reader refuses is its own affair.
            if !all || reader.close(&mut read).is_err() || read.last() != Some(&ModelEvent::End) {
                continue;
            }
            let mut writer = events::Writer::new(told());
            let mut out = Vec::new();
            for event in read.clone() {
                writer.write(event, &mut out);
            }
            let again = read_again(&out);

            let (mut expected, mut got) = (neutral(&read), neutral(&again));
            for (_, _, arguments) in &mut expected.calls {
                if arguments.is_empty() {
                    arguments.push_str("{}");
                }
            }
            // A signature of a call is an item of its own here, and a citation needs a text that is being written.
            (expected.encrypted, got.encrypted, expected.citations, got.citations) = (0, 0, 0, 0);
            assert_eq!(got, expected, "{name}");
            whole += 1;
        }
    }
    assert!(whole > 30 || std::env::var_os("LOTSE_VECTORS").is_none(), "only {whole} streams were whole");
}

#[test]
fn a_call_of_codex_reaches_every_provider() {
    let body = json!({
        "model": "m", "instructions": "You are Codex.", "stream": true, "store": false, "tool_choice": "auto",
        "parallel_tool_calls": false, "reasoning": {"effort": "medium", "summary": "auto"},
        "include": ["reasoning.encrypted_content"], "prompt_cache_key": "k", "text": {"verbosity": "low"},
        "input": [
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "<permissions>"}]},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "patch it"}]},
            {"type": "reasoning", "summary": [], "content": null, "encrypted_content": "gAAA"},
            {"type": "function_call", "name": "shell", "arguments": "{\"command\":[\"ls\"]}", "call_id": "call_1"},
            {"type": "custom_tool_call", "call_id": "call_2", "name": "apply_patch", "input": "*** Begin \"Patch\""},
            {"type": "function_call_output", "call_id": "call_1", "output": "a.rs"},
            {"type": "custom_tool_call_output", "call_id": "call_2", "output": "Success"}
        ],
        "tools": [
            {"type": "function", "name": "shell", "description": "Runs.", "strict": false,
             "parameters": {"type": "object", "properties": {"command": {"type": "array", "items": {"type": "string"}}}}},
            {"type": "custom", "name": "apply_patch", "description": "Patches.", "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"}}
        ]
    });
    let Value::Object(body) = body else { panic!("no object") };
    let mut call = super::call::read(body).expect("a call");

    for provider in [Format::Chat, Format::Responses, Format::Messages, Format::Gemini, Format::Converse] {
        let mut losses = Losses::default();
        // Whether Converse can say how much to think hangs on the model.
        "eu.anthropic.claude-sonnet-4-5-20250929-v1:0".clone_into(&mut call.model);
        let written = format::write_call(provider, &call, &mut losses).expect("a body");
        let written = String::from_utf8(written).expect("UTF-8");

        for needle in
            ["You are Codex.", "<permissions>", "patch it", "ls", "*** Begin", "a.rs", "Success", "apply_patch"]
        {
            assert!(written.contains(needle), "{provider:?} lacks {needle}: {written}");
        }
        for lost in losses.lost {
            let harmless = match &lost {
                // These two have no field for it.
                Lost::Feature(Feature::ParallelToolCalls) => matches!(provider, Format::Gemini | Format::Converse),
                Lost::Feature(feature) => feature.is_hint(),
                Lost::Hint(_) => true,
                Lost::Unknown(_) => false,
            };
            assert!(harmless, "{provider:?} loses {lost:?}");
        }
    }
}
