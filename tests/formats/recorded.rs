//! Recorded answers of every provider, told to every caller: valid by the callers' API descriptions, and saying the same.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lotse_sidecar::format::answer::Stop;
use lotse_sidecar::format::error;
use lotse_sidecar::format::event::ModelEvent;
use lotse_sidecar::format::{Format, read_answer, write_answer};
use serde_json::Value;

use crate::said::Sum;
use crate::schemas::Description;
use crate::streams::{self, Raw, read, told};

const CALLERS: [Format; 4] = [Format::Chat, Format::Completions, Format::Responses, Format::Messages];

/// What stands in a recording.
enum Recording {
    Whole(Format, Vec<u8>),
    Stream(Format, Vec<Raw>),
}

/// By whose description each caller's answers are judged.
struct Judge {
    openai: Description,
    anthropic: Description,
    events: BTreeMap<String, String>,
    message_events: BTreeMap<String, String>,
}

impl Judge {
    fn new(vectors: &Path) -> Self {
        let (openai, anthropic) = (Description::openai(vectors), Description::anthropic(vectors));
        let events = openai.events("ResponseStreamEvent");
        let message_events = anthropic.events("MessagesStreamEvents");
        Self { openai, anthropic, events, message_events }
    }

    fn whole(&mut self, caller: Format, answer: &Value) -> Vec<String> {
        match caller {
            Format::Chat | Format::Gemini | Format::Converse => {
                self.openai.faults("CreateChatCompletionResponse", answer)
            }
            Format::Completions => self.openai.faults("CreateCompletionResponse", answer),
            Format::Responses => self.openai.faults("Response", answer),
            Format::Messages => self.anthropic.faults("BaseMessagesResult", answer),
        }
    }

    fn event(&mut self, caller: Format, (name, data): &Raw) -> Vec<String> {
        if data == b"[DONE]" {
            return Vec::new();
        }
        let Ok(event) = serde_json::from_slice::<Value>(data) else { return vec!["no JSON".to_owned()] };
        let kind = event["type"].as_str().unwrap_or_default();
        if matches!(caller, Format::Responses | Format::Messages) && name.as_deref() != Some(kind) {
            return vec![format!("the event {name:?} is of type {kind}")];
        }
        match caller {
            Format::Chat | Format::Gemini | Format::Converse => {
                self.openai.faults("CreateChatCompletionStreamResponse", &event)
            }
            Format::Completions => self.openai.faults("CreateCompletionResponse", &event),
            Format::Responses => match self.events.get(kind) {
                Some(schema) => self.openai.faults(&schema.clone(), &event),
                None => vec![format!("no event has the type {kind}")],
            },
            Format::Messages => match self.message_events.get(kind) {
                Some(schema) => self.anthropic.faults(&schema.clone(), &event),
                None => vec![format!("no event has the type {kind}")],
            },
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder of recordings").flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// The dialect of an answer's body.
fn dialect(body: &Value) -> Option<Format> {
    let is = |key: &str, word: &str| body[key] == word;
    if is("object", "chat.completion") {
        return Some(Format::Chat);
    }
    if is("object", "response") {
        return Some(Format::Responses);
    }
    if is("type", "message") {
        return Some(Format::Messages);
    }
    if body.get("candidates").is_some() || body.get("promptFeedback").is_some() {
        return Some(Format::Gemini);
    }
    (body.pointer("/output/message").is_some()).then_some(Format::Converse)
}

/// An event of a stream as it came, and its dialect.
fn event(body: &Value) -> Option<(Format, Raw)> {
    let data = |value: &Value| value.to_string().into_bytes();
    if body["object"] == "chat.completion.chunk" {
        return Some((Format::Chat, (None, data(body))));
    }
    if let Some(kind) = body["type"].as_str() {
        let is_message = kind.starts_with("message_") || kind.starts_with("content_block_") || kind == "ping";
        let format = if is_message { Format::Messages } else { Format::Responses };
        return Some((format, (Some(kind.to_owned()), data(body))));
    }
    if body.get("candidates").is_some() || body.get("promptFeedback").is_some() {
        return Some((Format::Gemini, (None, data(body))));
    }
    let (name, payload) = body.as_object()?.iter().next()?;
    let is_ours = name.starts_with("contentBlock") || name.starts_with("message") || name == "metadata";
    is_ours.then(|| (Format::Converse, (Some(name.clone()), data(payload))))
}

/// The answers in a file: one, or the events of several.
fn recordings(path: &Path) -> Vec<Recording> {
    let Ok(text) = std::fs::read_to_string(path) else { return Vec::new() };
    let lines = match serde_json::from_str::<Value>(&text) {
        Ok(Value::Array(list)) => list,
        Ok(body) if event(&body).is_none() || dialect(&body).is_some() => {
            return dialect(&body).map(|format| Recording::Whole(format, text.into_bytes())).into_iter().collect();
        }
        Ok(body) => vec![body],
        Err(_) => {
            let lines = text.lines().map(|line| line.strip_prefix("data:").unwrap_or(line).trim());
            lines.filter_map(|line| serde_json::from_str(line).ok()).collect()
        }
    };
    let mut streams: Vec<(Format, Vec<Raw>)> = Vec::new();
    for (format, raw) in lines.iter().filter_map(event) {
        let begins = matches!(raw.0.as_deref(), Some("message_start" | "response.created"));
        let ended = |events: &Vec<Raw>| {
            events
                .last()
                .is_some_and(|(name, _)| matches!(name.as_deref(), Some("message_stop" | "response.completed")))
        };
        match streams.last_mut() {
            Some((_, events)) if !(begins && ended(events)) => events.push(raw),
            _ => streams.push((format, vec![raw])),
        }
    }
    streams.into_iter().map(|(format, events)| Recording::Stream(format, events)).collect()
}

/// Tells a whole answer to each caller.
fn tell_whole(judge: &mut Judge, provider: Format, body: &[u8]) -> Result<bool, Vec<String>> {
    if error::read_event(provider, body).is_some() {
        return Ok(false);
    }
    let Ok(answer) = read_answer(provider, body, 7) else { return Ok(false) };
    let sum = Sum::of(&answer);
    let mut wrong = Vec::new();
    for caller in CALLERS {
        let written = write_answer(caller, &answer, &told());
        let value: Value = serde_json::from_slice(&written).expect("JSON");
        wrong.extend(judge.whole(caller, &value).into_iter().map(|fault| format!("{}: {fault}", caller.name())));
        if caller == Format::Completions {
            wrong.extend(completed(&sum, &value));
            continue;
        }
        match read_answer(caller, &written, 7) {
            Ok(again) => wrong.extend(differ(caller, &sum, Sum::of(&again))),
            Err(_) if sum.choices.iter().any(|one| matches!(one.stop, Some(Stop::Failed(_)))) => {}
            Err(malformed) => wrong.push(format!("{}: {malformed}", caller.name())),
        }
    }
    if wrong.is_empty() { Ok(true) } else { Err(wrong) }
}

/// Completions, which no provider's reader reads: its text is there.
fn completed(sum: &Sum, written: &Value) -> Option<String> {
    let sum = sum.clone().told_in(Format::Completions);
    let texts: Vec<_> = written["choices"].as_array()?.iter().map(|choice| choice["text"].as_str()).collect();
    let same = written["choices"].as_array()?.is_empty()
        || texts == sum.choices.iter().map(|one| Some(one.text.as_str())).collect::<Vec<_>>();
    (!same).then(|| format!("completions: {texts:?} of {sum:?}"))
}

fn differ(caller: Format, said: &Sum, again: Sum) -> Option<String> {
    let (said, again) = (said.clone().told_in(caller), again.told_in(caller));
    (said != again).then(|| format!("{} says\n  {again:?}\nof\n  {said:?}", caller.name()))
}

/// Tells a stream to each caller.
fn tell_stream(judge: &mut Judge, provider: Format, events: &[Raw]) -> Result<bool, Vec<String>> {
    let Ok(events) = read(provider, events) else { return Ok(false) };
    let sum = Sum::of_stream(&events);
    let failed = events.iter().any(|event| matches!(event, ModelEvent::Failed(_)))
        || sum.choices.iter().any(|one| matches!(one.stop, Some(Stop::Failed(_))));
    let mut wrong = Vec::new();
    for caller in CALLERS {
        let written = streams::split(&streams::write(caller, &events));
        for event in &written {
            let faults = judge.event(caller, event);
            let told = || String::from_utf8_lossy(&event.1).into_owned();
            let is_error = failed && (caller != Format::Responses);
            wrong.extend(
                faults
                    .into_iter()
                    .filter(|_| !is_error)
                    .map(|fault| format!("{}: {fault} in {}", caller.name(), told())),
            );
        }
        if caller == Format::Completions || failed {
            continue;
        }
        match read(caller, &written) {
            Ok(again) => wrong.extend(differ(caller, &sum, Sum::of_stream(&again))),
            Err(malformed) => wrong.push(format!("{}: {malformed}", caller.name())),
        }
    }
    if wrong.is_empty() { Ok(true) } else { Err(wrong) }
}

#[test]
#[cfg_attr(not(vectors), ignore = "LOTSE_VECTORS is not set")]
fn recorded_answers_are_valid_and_say_the_same_in_every_dialect() {
    let vectors = PathBuf::from(std::env::var_os("LOTSE_VECTORS").expect("the folder of vectors"));
    let mut judge = Judge::new(&vectors);
    let mut told: BTreeMap<(Format, &str), usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for path in files(&vectors.join("recorded")) {
        for recording in recordings(&path) {
            let (key, outcome) = match &recording {
                Recording::Whole(format, body) => ((*format, "whole"), tell_whole(&mut judge, *format, body)),
                Recording::Stream(format, events) => ((*format, "stream"), tell_stream(&mut judge, *format, events)),
            };
            match outcome {
                Ok(is_answer) => *told.entry(key).or_default() += usize::from(is_answer),
                Err(faults) => {
                    let faults = faults.iter().take(4).cloned().collect::<Vec<_>>().join("\n ");
                    wrong.push(format!("{}\n {faults}", path.display()));
                }
            }
        }
    }
    println!("{told:?}");

    assert!(wrong.is_empty(), "{} recordings\n{}", wrong.len(), wrong.join("\n"));
    for (key, least) in [
        ((Format::Chat, "whole"), 25),
        ((Format::Chat, "stream"), 30),
        ((Format::Responses, "whole"), 40),
        ((Format::Responses, "stream"), 30),
        ((Format::Messages, "whole"), 25),
        ((Format::Messages, "stream"), 30),
        ((Format::Gemini, "whole"), 40),
        ((Format::Gemini, "stream"), 30),
        ((Format::Converse, "whole"), 10),
        ((Format::Converse, "stream"), 10),
    ] {
        let count = told.get(&key).copied().unwrap_or_default();
        assert!(count >= least, "{count} of {key:?}");
    }
}
