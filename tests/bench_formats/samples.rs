//! Calls of 4 KB, answers of 4 KB and streams of 64 chunks, in every dialect.

use bytes::Bytes;
use lotse_sidecar::format::answer::Told;
use lotse_sidecar::format::call::{
    Content, ModelCall, Part, Role, Sampling, Tool, ToolCall, ToolInput, ToolResult, Turn,
};
use lotse_sidecar::format::loss::Losses;
use lotse_sidecar::format::{Format, write_call};
use serde_json::{Number, Value, json};

/// How many chunks a stream has.
pub(crate) const CHUNKS: usize = 64;

const SENTENCE: &str = "The quick brown fox jumps over the \"lazy\" dog, and the pilot brings the ship home.\n";

/// What a provider sends.
pub(crate) struct Sample {
    /// A whole answer.
    pub(crate) answer: Vec<u8>,
    /// The events of a stream.
    pub(crate) chunks: Vec<(Option<String>, Vec<u8>)>,
}

/// What a writer is told.
pub(crate) fn told() -> Told {
    Told {
        id: "0a1b2c3d4e5f".to_owned(),
        created: 1_764_000_000,
        model: "gpt-4o".to_owned(),
        provider: "team/provider".to_owned(),
        include_usage: true,
        ..Told::default()
    }
}

fn text(bytes: usize) -> String {
    SENTENCE.chars().cycle().take(bytes).collect()
}

/// A conversation with a tool, in a caller's dialect.
pub(crate) fn call(caller: Format) -> Vec<u8> {
    if caller == Format::Completions {
        return json!({"model": "m", "prompt": text(3900), "max_tokens": 500, "temperature": 0.5}).to_string().into();
    }
    let turn = |role, parts| Turn { role, name: None, parts };
    let result = ToolResult { call_id: "call_1".to_owned(), parts: vec![Part::text(text(600))], is_error: false };
    let search = ToolCall {
        id: "call_1".to_owned(),
        name: "search".to_owned(),
        arguments: json!({"query": text(200)}).to_string(),
        custom: false,
        signature: None,
    };
    let schema = json!({"type": "object", "properties": {
        "query": {"type": "string", "description": text(100)},
        "limit": {"type": "integer", "minimum": 1, "maximum": 50},
    }, "required": ["query"]});
    let call = ModelCall {
        model: "m".to_owned(),
        turns: vec![
            turn(Role::System, vec![Part::text(text(600))]),
            turn(Role::User, vec![Part::text(text(1200))]),
            turn(Role::Assistant, vec![Part::new(Content::ToolCall(search))]),
            turn(Role::User, vec![Part::new(Content::ToolResult(result))]),
            turn(Role::Assistant, vec![Part::text(text(300))]),
            turn(Role::User, vec![Part::text(text(300))]),
        ],
        tools: vec![Tool {
            name: "search".to_owned(),
            description: Some(text(120)),
            input: ToolInput::Function { schema: Some(schema), strict: None },
            cache: None,
        }],
        max_tokens: Some(1000),
        sampling: Sampling { temperature: Number::from_f64(0.5), ..Sampling::default() },
        ..ModelCall::default()
    };
    write_call(caller, &call, &mut Losses::default()).expect("a dialect")
}

/// Chat's stream as frames of bytes.
pub(crate) fn frames() -> Vec<Bytes> {
    let chunks = Sample::of(Format::Chat).chunks;
    let frame = |(_, data): (Option<String>, Vec<u8>)| [b"data: ", data.as_slice(), b"\n\n"].concat().into();
    chunks.into_iter().map(frame).collect()
}

fn raw(events: Vec<Value>) -> Vec<(Option<String>, Vec<u8>)> {
    let named = |event: Value| (event["type"].as_str().map(str::to_owned), event.to_string().into_bytes());
    events.into_iter().map(named).collect()
}

fn words() -> impl Iterator<Item = String> {
    (0..CHUNKS).map(|n| format!(" word{n} and more"))
}

impl Sample {
    /// A provider's.
    pub(crate) fn of(provider: Format) -> Self {
        match provider {
            Format::Chat | Format::Completions => chat(),
            Format::Responses => responses(),
            Format::Messages => messages(),
            Format::Gemini => gemini(),
            Format::Converse => converse(),
        }
    }
}

fn chat() -> Sample {
    let answer = json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "choices": [{
        "index": 0, "finish_reason": "tool_calls", "logprobs": null, "message": {"role": "assistant", "content": text(3500),
        "refusal": null, "tool_calls": [{"id": "call_1", "type": "function",
        "function": {"name": "search", "arguments": json!({"query": text(200)}).to_string()}}]}}],
        "usage": {"prompt_tokens": 900, "completion_tokens": 800, "total_tokens": 1700}});
    let piece = |delta: Value, reason: Value| {
        json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": reason}]})
    };
    let mut events: Vec<_> = words().map(|word| piece(json!({"content": word}), Value::Null)).collect();
    events.push(piece(json!({}), json!("stop")));
    let mut chunks = raw(events);
    chunks.push((None, b"[DONE]".to_vec()));
    Sample { answer: answer.to_string().into(), chunks }
}

fn responses() -> Sample {
    let answer = json!({"id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "m", "output": [
        {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": text(3500), "annotations": []}]},
        {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "search", "status": "completed",
            "arguments": json!({"query": text(200)}).to_string()}],
        "usage": {"input_tokens": 900, "output_tokens": 800, "total_tokens": 1700}});
    let mut events = vec![
        json!({"type": "response.created", "response": {"id": "resp_1", "model": "m", "status": "in_progress"}}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": {"type": "message", "id": "msg_1", "content": []}}),
    ];
    events.extend(words().map(|delta| {
        json!({"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "content_index": 0,
            "sequence_number": 9, "delta": delta, "logprobs": []})
    }));
    events
        .push(json!({"type": "response.completed", "response": {"id": "resp_1", "status": "completed", "output": []}}));
    Sample { answer: answer.to_string().into(), chunks: raw(events) }
}

fn messages() -> Sample {
    let answer = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "tool_use",
        "stop_sequence": null, "content": [{"type": "text", "text": text(3500)},
            {"type": "tool_use", "id": "toolu_1", "name": "search", "input": {"query": text(200)}}],
        "usage": {"input_tokens": 900, "output_tokens": 800}});
    let mut events = vec![
        json!({"type": "message_start", "message": {"id": "msg_1", "model": "m", "usage": {"input_tokens": 9, "output_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
    ];
    events.extend(
        words().map(
            |text| json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}),
        ),
    );
    events.push(json!({"type": "content_block_stop", "index": 0}));
    events.push(json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 64}}));
    events.push(json!({"type": "message_stop"}));
    Sample { answer: answer.to_string().into(), chunks: raw(events) }
}

fn gemini() -> Sample {
    let answer = json!({"responseId": "r", "modelVersion": "m", "candidates": [{"index": 0, "finishReason": "STOP", "content": {
        "role": "model", "parts": [{"text": text(3500)}, {"functionCall": {"name": "search", "args": {"query": text(200)}}}]}}],
        "usageMetadata": {"promptTokenCount": 900, "candidatesTokenCount": 800, "totalTokenCount": 1700}});
    let usage = json!({"promptTokenCount": 9, "candidatesTokenCount": 64, "totalTokenCount": 73});
    let mut events: Vec<_> = words()
        .map(|text| {
            json!({"responseId": "r", "modelVersion": "m", "usageMetadata": usage,
                "candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": text}]}}]})
        })
        .collect();
    events.push(json!({"candidates": [{"index": 0, "finishReason": "STOP"}], "usageMetadata": usage}));
    Sample { answer: answer.to_string().into(), chunks: raw(events) }
}

fn converse() -> Sample {
    let answer = json!({"output": {"message": {"role": "assistant", "content": [{"text": text(3500)},
        {"toolUse": {"toolUseId": "t1", "name": "search", "input": {"query": text(200)}}}]}}, "stopReason": "tool_use",
        "usage": {"inputTokens": 900, "outputTokens": 800, "totalTokens": 1700}, "metrics": {"latencyMs": 900}});
    let mut events = vec![("messageStart", json!({"role": "assistant"}))];
    events.extend(words().map(|text| {
        ("contentBlockDelta", json!({"contentBlockIndex": 0, "delta": {"text": text}, "p": "abcdefghijkl"}))
    }));
    events.push(("contentBlockStop", json!({"contentBlockIndex": 0})));
    events.push(("messageStop", json!({"stopReason": "end_turn"})));
    events.push(("metadata", json!({"usage": {"inputTokens": 9, "outputTokens": 64, "totalTokens": 73}})));
    let named = |(name, data): (&str, Value)| (Some(name.to_owned()), data.to_string().into_bytes());
    Sample { answer: answer.to_string().into(), chunks: events.into_iter().map(named).collect() }
}
