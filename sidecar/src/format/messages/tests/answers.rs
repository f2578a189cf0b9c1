//! Whole answers.

use serde_json::{Number, Value, json};

use super::super::answer::{read, write};
use super::told;
use crate::format::Format;
use crate::format::Malformed;
use crate::format::answer::{Choice, Citation, ModelAnswer, Said, Stop, Usage};
use crate::format::call::{Signature, Thinking, ToolCall};

fn written(answer: &ModelAnswer) -> Value {
    serde_json::from_slice(&write(answer, &told())).expect("JSON")
}

fn saying(parts: Vec<Said>, stop: Option<Stop>) -> ModelAnswer {
    ModelAnswer { choices: vec![Choice { parts, stop, logprobs: None }], ..ModelAnswer::default() }
}

fn text(text: &str) -> Said {
    Said::Text { text: text.to_owned(), citations: vec![] }
}

fn call(arguments: &str, signature: Option<Signature>) -> Said {
    Said::ToolCall(ToolCall {
        id: "c".to_owned(),
        name: "f".to_owned(),
        arguments: arguments.to_owned(),
        custom: false,
        signature,
    })
}

#[test]
fn an_answer_is_read_with_totals() {
    let body = br#"{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[
        {"type":"thinking","thinking":"hm","signature":"c2ln"},{"type":"redacted_thinking","data":"enc"},
        {"type":"server_tool_use","id":"s","name":"web_search","input":{"query":"x"}},
        {"type":"web_search_tool_result","tool_use_id":"s","content":[],"data":7},
        {"type":"text","text":"ok","citations":[{"type":"web_search_result_location","cited_text":"q","url":"https://a","title":"t","encrypted_index":"e"}]},
        {"type":"text","text":"","citations":null},
        {"type":"tool_use","id":"","name":"f","input":{ }},{"type":"tool_use","id":"toolu_1","name":"g","input":{"a": 1}}],
        "stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":10,"cache_creation_input_tokens":20,
        "cache_read_input_tokens":30,"output_tokens":5,"output_tokens_details":{"thinking_tokens":3},"service_tier":"standard"}}"#;
    let answer = read(body, 7).expect("an answer");
    assert_eq!(
        answer.usage,
        Some(Usage { input: 60, cached_input: 30, cache_write: 20, output: 5, reasoning: 3, cost: None })
    );
    assert_eq!(answer.service_tier.as_deref(), Some("default"));
    let choice = &answer.choices[0];
    assert_eq!(choice.stop, Some(Stop::ToolUse));
    assert_eq!(choice.parts.len(), 5);
    let citation = Citation {
        url: Some("https://a".to_owned()),
        title: Some("t".to_owned()),
        quote: Some("q".to_owned()),
        ..Citation::default()
    };
    assert_eq!(choice.parts[2], Said::Text { text: "ok".to_owned(), citations: vec![citation] });
    assert!(
        matches!(&choice.parts[3], Said::ToolCall(call) if call.id == "call_0000000000000007_3" && call.arguments == "{}")
    );
    assert!(matches!(&choice.parts[4], Said::ToolCall(call) if call.arguments == r#"{"a": 1}"#));
}

#[test]
fn an_error_with_status_200_is_no_answer() {
    let error = Err(Malformed("an error with status 200".to_owned()));
    assert_eq!(read(br#"{"type":"error","error":{"type":"overloaded_error","message":"busy"}}"#, 0), error);
    assert!(read(b"{}", 0).is_err());
    assert!(read(br#"{"content":[{"type":"text","text":5}]}"#, 0).is_err());
    assert!(read(br#"{"content":[]}"#, 0).is_ok());
}

#[test]
fn an_answer_is_written_as_the_api_has_it() {
    let mut answer = saying(
        vec![
            Said::Thinking(Thinking { text: "hm".to_owned(), ..Thinking::default() }),
            text("hi"),
            text(""),
            call("", Some(Signature { maker: Format::Gemini, value: "sig".to_owned() })),
        ],
        Some(Stop::End),
    );
    answer.usage = Some(Usage {
        input: 60,
        cached_input: 30,
        cache_write: 20,
        output: 5,
        reasoning: 2,
        cost: Number::from_f64(0.25),
    });
    assert_eq!(
        written(&answer),
        json!({"id": "msg_made1", "type": "message", "role": "assistant", "model": "asked",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": ""},
                {"type": "text", "text": "hi"},
                {"type": "redacted_thinking", "data": "lotse.call.gemini.sig"},
                {"type": "tool_use", "id": "c", "name": "f", "input": {}}],
            "stop_reason": "tool_use", "stop_sequence": null,
            "usage": {"input_tokens": 10, "cache_creation_input_tokens": 20, "cache_read_input_tokens": 30, "output_tokens": 5,
                "output_tokens_details": {"thinking_tokens": 2}, "cost": 0.25},
            "provider": "ns/claude"})
    );
}

#[test]
fn every_stop_has_its_word() {
    for (stop, word) in [
        (None, "end_turn"),
        (Some(Stop::End), "end_turn"),
        (Some(Stop::ToolUse), "end_turn"),
        (Some(Stop::Length), "max_tokens"),
        (Some(Stop::ContextWindow), "model_context_window_exceeded"),
        (Some(Stop::Pause), "pause_turn"),
        (Some(Stop::Filtered(None)), "refusal"),
    ] {
        assert_eq!(written(&saying(vec![text("x")], stop))["stop_reason"], word);
    }
    let body = written(&saying(vec![], Some(Stop::Sequence(Some("X".to_owned())))));
    assert_eq!((&body["stop_reason"], &body["stop_sequence"]), (&json!("stop_sequence"), &json!("X")));
    let body = written(&saying(vec![], Some(Stop::Filtered(Some("why".to_owned())))));
    assert_eq!(body["stop_details"], json!({"type": "refusal", "category": null, "explanation": "why"}));
    let body = written(&saying(vec![Said::Refusal("no".to_owned())], Some(Stop::End)));
    assert_eq!((&body["stop_reason"], &body["content"][0]["text"]), (&json!("refusal"), &json!("no")));
    for cut in [Stop::Length, Stop::Failed("malformed_tool_use".to_owned())] {
        let body = written(&saying(vec![call("{}", None)], Some(cut)));
        assert_eq!(body["stop_reason"], "max_tokens");
    }
}

#[test]
fn a_citation_is_told_when_it_has_a_url() {
    let cited = |url: Option<&str>| Citation { url: url.map(str::to_owned), ..Citation::default() };
    let part = Said::Text { text: "x".to_owned(), citations: vec![cited(Some("https://a")), cited(None)] };
    assert_eq!(
        written(&saying(vec![part], None))["content"][0]["citations"],
        json!([{"type": "web_search_result_location", "cited_text": "", "url": "https://a", "title": null, "encrypted_index": ""}])
    );
}

#[test]
fn arguments_that_are_no_object_are_told_as_a_text() {
    let body = written(&saying(vec![call("{\"a\":", None)], Some(Stop::Length)));
    assert_eq!(body["content"][0]["input"], json!({"input": "{\"a\":"}));
}
