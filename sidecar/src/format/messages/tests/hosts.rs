//! Other hosts, what is taken out on the way to them, and estimates.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lotse_crds::body::{self, Edits};
use lotse_crds::wire::Operation;
use serde_json::{Value, json};

use super::super::count::estimate;
use super::super::hosts::{invoke_model, raw_predict, unwrap_event};
use super::super::own::own;
use super::read;
use crate::format::event::RawEvent;
use crate::format::loss::{Feature, Lost};

fn json(body: &[u8]) -> Value {
    serde_json::from_slice(body).expect("JSON")
}

fn edited(body: &[u8], edits: Edits<'_>) -> Value {
    let scanned = body::scan(body).expect("a body");
    let pieces = crate::pieces::put_together(&bytes::Bytes::copy_from_slice(body), scanned.edit(body, edits));
    json(&pieces.concat())
}

#[test]
fn a_body_for_invoke_model_has_a_version_and_betas_but_no_model() {
    let body = br#"{"model":"m","stream":true,"anthropic_beta":["a"],"max_tokens":1}"#;
    let edits = invoke_model(Some(b"[\"a\"]"), &["claude-code-20250219, b,a", "c,, oauth-2025-04-20"]).expect("edits");
    let written = edited(body, edits);
    assert_eq!(
        written,
        json!({"anthropic_version": "bedrock-2023-05-31", "anthropic_beta": ["a", "b", "c"], "max_tokens": 1})
    );

    let written = edited(br#"{"model":"m","max_tokens":1}"#, invoke_model(None, &[]).expect("edits"));
    assert_eq!(written, json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 1}));
    assert!(invoke_model(Some(b"3"), &[]).is_err());
}

#[test]
fn a_body_for_vertex_has_a_version_and_keeps_its_model_only_to_be_counted() {
    let body = br#"{"model":"m","stream":true,"max_tokens":1}"#;
    let written = edited(body, raw_predict(Operation::Messages));
    assert_eq!(written, json!({"anthropic_version": "vertex-2023-10-16", "stream": true, "max_tokens": 1}));
    assert_eq!(edited(body, raw_predict(Operation::CountTokens))["model"], "m");
}

#[test]
fn a_chunk_holds_an_event() {
    let event = r#"{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":1}}"#;
    let payload = format!(r#"{{"bytes":"{}","p":"abc"}}"#, STANDARD.encode(event));
    let chunk = RawEvent { name: Some("chunk"), data: payload.as_bytes() };
    let unwrapped = unwrap_event(chunk).expect("a chunk").expect("an event");
    assert_eq!(unwrapped.event(), RawEvent { name: Some("message_stop"), data: event.as_bytes() });
    assert!(unwrap_event(RawEvent { name: Some("chunk"), data: br#"{"bytes":"!"}"# }).is_err());
    assert_eq!(unwrap_event(RawEvent { name: Some("initial-response"), data: b"{}" }), Ok(None));
}

#[test]
fn an_exception_is_an_error() {
    let exception = RawEvent { name: Some("serviceUnavailableException"), data: br#"{"message":"busy"}"# };
    let unwrapped = unwrap_event(exception).expect("an exception").expect("an event");
    assert_eq!(
        json(unwrapped.event().data),
        json!({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}})
    );
}

#[test]
fn an_exception_about_the_credential_is_told_in_our_words() {
    let data = br#"{"message":"User: arn:aws:iam::1:user/x is not authorized to perform: bedrock:InvokeModel"}"#;
    let exception = RawEvent { name: Some("accessDeniedException"), data };
    let unwrapped = unwrap_event(exception).expect("an exception").expect("an event");
    let told = json(unwrapped.event().data);
    assert_eq!(told["error"]["type"], "authentication_error");
    assert!(!told.to_string().contains("arn:"), "{told}");
}

#[test]
fn what_others_made_is_taken_out_before_anthropic_reads_it() {
    assert_eq!(own(br#"{"messages":[{"role":"user","content":"about lotse.gemini"}]}"#), None);
    let body = json!({"model": "m", "messages": [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "t", "signature": ""}]},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "t", "signature": "own"},
            {"type": "thinking", "thinking": "t", "signature": "lotse.gemini.x"},
            {"type": "redacted_thinking", "data": "lotse.call.gemini.x"},
            {"type": "text", "text": "a", "citations": [{"type": "web_search_result_location", "encrypted_index": ""}]},
            {"type": "tool_use", "id": "functions.f:0", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "functions.f:0"}]}]});
    let (written, losses) = own(&serde_json::to_vec(&body).expect("JSON")).expect("a change");
    assert_eq!(losses.lost, [Lost::Feature(Feature::Thinking)]);
    assert_eq!(
        json(&written),
        json!({"model": "m", "messages": [
            {"role": "user", "content": "x"},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "t", "signature": "own"},
                {"type": "text", "text": "a"},
                {"type": "tool_use", "id": "functions_f_0", "name": "f", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "functions_f_0"}]}]})
    );
}

#[test]
fn a_budget_goes_with_the_thoughts_that_led_to_a_call() {
    let body = json!({"thinking": {"type": "enabled", "budget_tokens": 2000},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "messages": [{"role": "assistant", "content": [
            {"type": "thinking", "thinking": "t", "signature": "lotse.chat.x"},
            {"type": "tool_use", "id": "a", "name": "f", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a"}]}]});
    let (written, losses) = own(&serde_json::to_vec(&body).expect("JSON")).expect("a change");
    let written = json(&written);
    assert_eq!(
        written.as_object().map(|fields| fields.keys().cloned().collect::<Vec<_>>()),
        Some(vec!["messages".to_owned()])
    );
    assert_eq!(losses.changed, [Feature::ReasoningBudget]);
}

#[test]
fn an_estimate_counts_words_by_their_script_and_the_rest_by_fixed_costs() {
    let count = |content: Value| {
        estimate(&read(json!({"model": "m", "messages": [{"role": "user", "content": content}]})).expect("a call"))
    };
    let none = 4;
    assert_eq!(count(json!("a".repeat(400))), none + 100);
    assert_eq!(count(json!("я".repeat(100))), none + 50);
    assert_eq!(count(json!("語".repeat(100))), none + 100);
    assert_eq!(count(json!("🙂".repeat(100))), none + 200);
    let image =
        json!([{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A".repeat(99_999)}}]);
    assert_eq!(count(image), none + 1600);
    let result = json!([{"type": "tool_result", "tool_use_id": "a", "content": "aaaa"}]);
    assert_eq!(count(result), none + 8 + 1);
}

#[test]
fn an_estimate_grows_with_tools() {
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]});
    let mut with = body.clone();
    with["tools"] = json!([{"name": "f", "description": "d".repeat(400), "input_schema": {"type": "object"}}]);
    let grown = estimate(&read(with).expect("a call")) - estimate(&read(body).expect("a call"));
    assert!((450..480).contains(&grown), "{grown}");
}
