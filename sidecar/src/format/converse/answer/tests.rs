//! Answers of Converse: what each block becomes, and every recorded one.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::format::answer::{Citation, Stop, Usage};

fn answer(value: &Value) -> ModelAnswer {
    read(value.to_string().as_bytes(), 0xAB).expect("an answer")
}

fn of_blocks(blocks: &Value) -> Vec<Said> {
    answer(&json!({"output": {"message": {"role": "assistant", "content": blocks}}})).choices.remove(0).parts
}

#[test]
fn blocks_are_parts_in_their_order() {
    let signature = |value: &str| Some(Signature { maker: Format::Converse, value: value.to_owned() });
    let parts = of_blocks(&json!([
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "c2ln"}}},
        {"reasoningContent": {"redactedContent": "aGlkZGVu"}},
        {"text": "yes"}, {"text": ""}, {"somethingNew": {"text": "x"}},
        {"toolUse": {"toolUseId": "tooluse_1", "name": "f", "input": {"a": 1.0}}},
        {"toolUse": {"name": "g"}},
        {"toolUse": {"toolUseId": "s", "name": "search", "input": {}, "type": "server_tool_use"}},
    ]));
    let call = |id: &str, name: &str, arguments: &str| {
        let (id, name, arguments) = (id.to_owned(), name.to_owned(), arguments.to_owned());
        Said::ToolCall(ToolCall { id, name, arguments, custom: false, signature: None })
    };
    let expected = [
        Said::Thinking(Thinking { text: "hm".to_owned(), signature: signature("c2ln"), ..Thinking::default() }),
        Said::Thinking(Thinking { signature: signature("aGlkZGVu"), redacted: true, ..Thinking::default() }),
        Said::Text { text: "yes".to_owned(), citations: Vec::new() },
        call("tooluse_1", "f", r#"{"a":1.0}"#),
        call("call_00000000000000ab_1", "g", "{}"),
    ];
    assert_eq!(parts, expected);
}

#[test]
fn citations_quote_their_documents() {
    let cited = json!({"title": "Doc", "source": "https://a", "sourceContent": [{"text": "words"}],
        "location": {"documentPage": {"documentIndex": 0, "start": 1, "end": 2}}});
    let web = json!({"source": "not a URL", "location": {"web": {"url": "https://b", "domain": "b"}}});
    let parts = of_blocks(
        &json!([{"citationsContent": {"content": [{"text": "It says "}, {"text": "so."}], "citations": [cited, web]}}]),
    );
    let first = Citation {
        url: Some("https://a".to_owned()),
        title: Some("Doc".to_owned()),
        quote: Some("words".to_owned()),
        ..Citation::default()
    };
    let second = Citation { url: Some("https://b".to_owned()), ..Citation::default() };
    assert_eq!(parts, [Said::Text { text: "It says so.".to_owned(), citations: vec![first, second] }]);
}

#[test]
fn the_cache_is_part_of_the_input() {
    let usage = json!({"inputTokens": 14, "outputTokens": 5, "totalTokens": 1522, "cacheReadInputTokens": 1500,
        "cacheReadInputTokenCount": 1500, "cacheWriteInputTokens": 3, "serverToolUsage": {}});
    let read = answer(&json!({"output": {}, "usage": usage, "serviceTier": {"type": "flex"}}));
    let expected = Usage { input: 1517, cached_input: 1500, cache_write: 3, output: 5, ..Usage::default() };
    assert_eq!(read.usage, Some(expected));
    assert_eq!(read.service_tier.as_deref(), Some("flex"));
}

#[test]
fn stop_reasons_are_an_open_list() {
    for (reason, expected) in [
        ("end_turn", Stop::End),
        ("tool_use", Stop::ToolUse),
        ("max_tokens", Stop::Length),
        ("model_context_window_exceeded", Stop::ContextWindow),
        ("stop_sequence", Stop::Sequence(Some("X".to_owned()))),
        ("guardrail_intervened", Stop::Filtered(None)),
        ("content_filtered", Stop::Filtered(None)),
        ("malformed_tool_use", Stop::Failed("malformed_tool_use".to_owned())),
        ("brand_new", Stop::Failed("brand_new".to_owned())),
    ] {
        let fields = json!({"stop_sequence": "X"});
        let body = json!({"output": {}, "stopReason": reason, "additionalModelResponseFields": fields});
        assert_eq!(answer(&body).choices[0].stop, Some(expected));
    }
    let fields = json!({"delta": {"stop_sequence": null}});
    let body = json!({"output": {}, "stopReason": "stop_sequence", "additionalModelResponseFields": fields});
    assert_eq!(answer(&body).choices[0].stop, Some(Stop::Sequence(None)));
}

#[test]
fn errors_with_status_200_and_pictures_alone_are_no_answers() {
    assert_eq!(read(br#"{"message": "no"}"#, 0), Err(Malformed("an error with status 200".to_owned())));
    assert_eq!(read(br#"{"Message": "no"}"#, 0), Err(Malformed("an error with status 200".to_owned())));
    assert_eq!(read(b"{}", 0), Err(Malformed("the answer has no output".to_owned())));
    let picture = json!({"output": {"message": {"content": [{"image": {"format": "png", "source": {"bytes": ""}}}]}}});
    assert_eq!(read(picture.to_string().as_bytes(), 0), Err(only_media()));
    assert!(read(b"[]x", 0).is_err());
}

#[test]
fn recorded_answers_are_read() {
    let Some(vectors) = std::env::var_os("LOTSE_VECTORS") else {
        println!("skipped: LOTSE_VECTORS is not set");
        return;
    };
    let folder = std::path::Path::new(&vectors).join("recorded/vercel-ai/amazon-bedrock");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("the folder of recordings") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let body = std::fs::read(&path).expect("a recording");
        let value: Value = serde_json::from_slice(&body).expect("JSON");
        let read = read(&body, 1).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let content = value["output"]["message"]["content"].as_array().expect("content");
        let expected: Vec<(&str, String)> = content.iter().map(fact).collect();
        let found: Vec<(&str, String)> = read.choices[0].parts.iter().map(said).collect();
        assert_eq!(found, expected, "{}", path.display());
        let used = value["stopReason"] == "tool_use";
        assert_eq!(read.choices[0].stop, Some(if used { Stop::ToolUse } else { Stop::End }));
        let usage = read.usage.unwrap_or_default();
        assert_eq!(value["usage"]["totalTokens"].as_u64(), Some(usage.input + usage.output), "{}", path.display());
        seen += 1;
    }
    assert_eq!(seen, 11);
}

fn fact(block: &Value) -> (&'static str, String) {
    let string = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if block["text"].is_string() {
        return ("text", string(&block["text"]));
    }
    if block["toolUse"].is_object() {
        return ("call", format!("{}{}", string(&block["toolUse"]["name"]), block["toolUse"]["input"]));
    }
    ("thinking", string(&block["reasoningContent"]["reasoningText"]["text"]))
}

fn said(part: &Said) -> (&'static str, String) {
    match part {
        Said::Text { text, .. } => ("text", text.clone()),
        Said::Refusal(text) => ("refusal", text.clone()),
        Said::Thinking(thinking) => ("thinking", thinking.text.clone()),
        Said::ToolCall(call) => {
            let arguments: Value = serde_json::from_str(&call.arguments).expect("JSON");
            ("call", format!("{}{arguments}", call.name))
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes, 0);
    }
}
