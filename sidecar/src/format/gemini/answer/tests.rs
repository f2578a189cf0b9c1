//! Answers of Gemini: what each part becomes, and every recorded one.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::format::answer::Usage;

fn answer(value: &Value) -> ModelAnswer {
    read(value.to_string().as_bytes(), 0xAB).expect("an answer")
}

fn of_parts(parts: &Value) -> Choice {
    let body = json!({"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]});
    answer(&body).choices.remove(0)
}

fn text(choice: &Choice) -> String {
    let texts = choice.parts.iter().filter_map(|part| match part {
        Said::Text { text, .. } => Some(text.as_str()),
        Said::Refusal(_) | Said::Thinking(_) | Said::ToolCall(_) => None,
    });
    texts.collect()
}

#[test]
fn a_text_is_one_part_however_many_it_came_in() {
    let choice = of_parts(&json!([{"text": "Hel"}, {"text": ""}, {"text": "lo"}]));
    assert_eq!(choice.parts, [Said::Text { text: "Hello".to_owned(), citations: Vec::new() }]);
    assert_eq!(choice.stop, Some(Stop::End));
}

#[test]
fn calls_without_ids_get_made_up_ones_and_stop_for_tools() {
    let choice = of_parts(&json!([
        {"functionCall": {"name": "a", "args": {"x": 1}}, "thoughtSignature": "c2ln"},
        {"functionCall": {"name": "b"}}, {"functionCall": {"id": "given", "name": "c", "args": null}}, {"functionCall": {}},
    ]));
    let calls = choice.parts.iter().map(|part| match part {
        Said::ToolCall(call) => (call.id.as_str(), call.name.as_str(), call.arguments.as_str()),
        Said::Text { .. } | Said::Refusal(_) | Said::Thinking(_) => ("", "", ""),
    });
    let expected =
        [("call_00000000000000ab_0", "a", r#"{"x":1}"#), ("call_00000000000000ab_1", "b", "{}"), ("given", "c", "{}")];
    assert_eq!(calls.collect::<Vec<_>>(), expected);
    let Said::ToolCall(first) = &choice.parts[0] else { panic!("a call") };
    assert_eq!(first.signature, Some(Signature { maker: Format::Gemini, value: "c2ln".to_owned() }));
    assert_eq!(choice.stop, Some(Stop::ToolUse));
}

#[test]
fn signatures_of_thoughts_stay_with_them_and_those_of_texts_stand_behind_them() {
    let choice = of_parts(&json!([
        {"text": "hm", "thought": true, "thoughtSignature": "b25l"}, {"text": "yes", "thoughtSignature": "dHdv"},
    ]));
    let signature = |value: &str| Some(Signature { maker: Format::Gemini, value: value.to_owned() });
    let thought = Thinking { text: "hm".to_owned(), signature: signature("b25l"), ..Thinking::default() };
    let behind = Thinking { signature: signature("dHdv"), redacted: true, ..Thinking::default() };
    let said = Said::Text { text: "yes".to_owned(), citations: Vec::new() };
    assert_eq!(choice.parts, [Said::Thinking(thought), said, Said::Thinking(behind)]);
}

#[test]
fn thinking_is_part_of_the_output_and_tool_prompts_of_the_input() {
    let usage = json!({"promptTokenCount": 26, "candidatesTokenCount": 23, "thoughtsTokenCount": 132, "totalTokenCount": 181,
        "cachedContentTokenCount": 5, "toolUsePromptTokenCount": 10});
    let read = answer(&json!({"candidates": [{}], "usageMetadata": usage})).usage;
    let expected = Usage { input: 36, cached_input: 5, output: 155, reasoning: 132, ..Usage::default() };
    assert_eq!(read, Some(expected));
}

#[test]
fn a_blocked_prompt_is_an_empty_choice_that_a_filter_took() {
    let read = answer(&json!({"promptFeedback": {"blockReason": "SAFETY"}}));
    let expected = Choice { stop: Some(Stop::Filtered(Some("SAFETY".to_owned()))), ..Choice::default() };
    assert_eq!(read.choices, [expected]);
}

#[test]
fn finish_reasons_are_an_open_list() {
    let expected = [
        ("MAX_TOKENS", Some(Stop::Length)),
        ("SAFETY", Some(Stop::Filtered(None))),
        ("MALFORMED_FUNCTION_CALL", Some(Stop::Failed("MALFORMED_FUNCTION_CALL".to_owned()))),
        ("BRAND_NEW", Some(Stop::Failed("BRAND_NEW".to_owned()))),
        ("FINISH_REASON_UNSPECIFIED", None),
    ];
    for (reason, stop) in expected {
        assert_eq!(answer(&json!({"candidates": [{"finishReason": reason}]})).choices[0].stop, stop);
    }
}

#[test]
fn errors_with_status_200_and_answers_without_candidates_are_no_answers() {
    let error = Malformed("an error with status 200".to_owned());
    assert_eq!(read(br#"{"error": {"code": 429, "message": "m"}}"#, 0), Err(error.clone()));
    assert_eq!(read(br#"[{"error": {"code": 429}}]"#, 0), Err(error));
    assert_eq!(read(b"{}", 0), Err(Malformed("the answer has no candidates".to_owned())));
    let picture =
        json!({"candidates": [{"content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": ""}}]}}]});
    assert_eq!(read(picture.to_string().as_bytes(), 0), Err(only_media()));
    assert!(read(b"<html>", 0).is_err());
}

#[test]
fn grounding_counts_bytes_and_citations_characters() {
    let body = json!({"candidates": [{
        "content": {"parts": [{"text": "thoughts", "thought": true}, {"text": "Größe 5. "}, {"text": "Übel."}]},
        "finishReason": "STOP",
        "groundingMetadata": {
            "groundingChunks": [{"web": {"uri": "https://a", "title": "A"}}, {"maps": {"uri": "https://b"}}],
            "groundingSupports": [
                {"segment": {"endIndex": 10}, "groundingChunkIndices": [0, 7]},
                {"segment": {"partIndex": 2, "startIndex": 0, "endIndex": 6}, "groundingChunkIndices": [1]},
            ],
        },
    }]});
    let choice = answer(&body).choices.remove(0);
    let Some(Said::Text { text, citations }) = choice.parts.last() else { panic!("a text") };
    assert_eq!(text, "Größe 5. Übel.");
    let first = Citation {
        url: Some("https://a".to_owned()),
        title: Some("A".to_owned()),
        start: Some(0),
        end: Some(8),
        quote: None,
    };
    let second = Citation { url: Some("https://b".to_owned()), start: Some(9), end: Some(14), ..Citation::default() };
    assert_eq!(*citations, [first, second]);
}

#[test]
fn log_probabilities_are_told_as_chat_has_them() {
    let result = json!({"chosenCandidates": [{"token": "hi", "tokenId": 5, "logProbability": -0.5}],
        "topCandidates": [{"candidates": [{"token": "hi", "logProbability": -0.5}, {"token": "ho", "logProbability": -2}]}]});
    let read = answer(&json!({"candidates": [{"content": {"parts": [{"text": "hi"}]}, "logprobsResult": result}]}));
    let entry = |token: &str, logprob: Value| json!({"token": token, "logprob": logprob, "bytes": token.as_bytes()});
    let mut drawn = entry("hi", json!(-0.5));
    drawn["top_logprobs"] = json!([entry("hi", json!(-0.5)), entry("ho", json!(-2))]);
    assert_eq!(read.choices[0].logprobs, Some(json!({"content": [drawn], "refusal": null})));
}

#[test]
fn several_candidates_are_choices_in_their_order() {
    let candidate = |index: u32, text: &str| json!({"index": index, "content": {"parts": [{"text": text}]}});
    let read =
        answer(&json!({"candidates": [candidate(1, "b"), candidate(0, "a")], "createTime": "2026-04-02T17:03:50.4Z"}));
    assert_eq!(read.choices.iter().map(text).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(read.created, Some(1_775_149_430));
}

#[test]
fn recorded_answers_are_read() {
    let Some(vectors) = std::env::var_os("LOTSE_VECTORS") else {
        println!("skipped: LOTSE_VECTORS is not set");
        return;
    };
    let recorded = std::path::Path::new(&vectors).join("recorded");
    let mut read_whole = 0;
    for folder in
        ["firebase-gemini/googleai", "firebase-gemini/vertexai", "vercel-ai/google", "vercel-ai/google-vertex"]
    {
        for entry in std::fs::read_dir(recorded.join(folder)).expect("a folder of recordings") {
            let path = entry.expect("an entry").path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let body = std::fs::read(&path).expect("a recording");
            let value: Value = serde_json::from_slice(&body).expect("JSON");
            let candidates = value["candidates"].as_array().filter(|candidates| !candidates.is_empty());
            let blocked =
                value["promptFeedback"].get("blockReason").or(value["promptFeedback"].get("blockReasonMessage"));
            let read = read(&body, 1);
            if path.ends_with("unary-success-image-invalid-safety-ratings.json") {
                assert_eq!(read, Err(only_media()));
                continue;
            }
            assert_eq!(read.is_ok(), candidates.is_some() || blocked.is_some(), "{}: {read:?}", path.display());
            if let (Ok(read), Some(candidates)) = (read, candidates) {
                same_facts(&read, candidates, &value["usageMetadata"]);
                read_whole += 1;
            }
        }
    }
    assert!(read_whole >= 45, "{read_whole}");
}

/// Compares with a reading of the recording's own.
fn same_facts(read: &ModelAnswer, candidates: &[Value], usage: &Value) {
    assert_eq!(read.choices.len(), candidates.len());
    for (choice, candidate) in read.choices.iter().zip(candidates) {
        let parts: Vec<&Value> = candidate["content"]["parts"].as_array().into_iter().flatten().collect();
        let spoken = parts.iter().filter(|part| part["thought"] != true).filter_map(|part| part["text"].as_str());
        assert_eq!(text(choice), spoken.collect::<String>());
        let called = parts.iter().filter_map(|part| part["functionCall"]["name"].as_str()).collect::<Vec<_>>();
        let calls = choice.parts.iter().filter_map(|part| match part {
            Said::ToolCall(call) => Some(call.name.as_str()),
            Said::Text { .. } | Said::Refusal(_) | Said::Thinking(_) => None,
        });
        assert_eq!(calls.collect::<Vec<_>>(), called);
        assert_eq!(choice.stop.is_some(), candidate["finishReason"].is_string());
        assert_eq!(choice.stop == Some(Stop::ToolUse), !called.is_empty() && candidate["finishReason"] == "STOP");
    }
    let count = |name: &str| usage[name].as_u64().unwrap_or(0);
    let read = read.usage.clone().unwrap_or_default();
    assert_eq!(read.input, count("promptTokenCount") + count("toolUsePromptTokenCount"));
    assert_eq!(read.output, count("candidatesTokenCount") + count("thoughtsTokenCount"));
}

#[test]
fn the_signature_of_gemini_3_is_kept_with_its_call() {
    let Some(vectors) = std::env::var_os("LOTSE_VECTORS") else {
        println!("skipped: LOTSE_VECTORS is not set");
        return;
    };
    let path = std::path::Path::new(&vectors).join("recorded/vercel-ai/google/google-tool-call-gemini3.json");
    let body = std::fs::read(path).expect("a recording");
    let answer = read(&body, 1).expect("an answer");
    let Some(Said::ToolCall(call)) = answer.choices[0].parts.first() else { panic!("a call") };
    let value: Value = serde_json::from_slice(&body).expect("JSON");
    let sent = value["candidates"][0]["content"]["parts"][0]["thoughtSignature"].as_str();
    assert_eq!(call.signature.as_ref().map(|signature| signature.value.as_str()), sent);
    assert_eq!(answer.usage, Some(Usage { input: 29, output: 1816, reasoning: 1801, ..Usage::default() }));
}

proptest! {
    #[test]
    fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes, 0);
    }

    #[test]
    fn any_grounding_never_panics(text in ".{0,20}", part in 0_u64..4, start in any::<u64>(), end in any::<u64>()) {
        let segment = json!({"partIndex": part, "startIndex": start, "endIndex": end});
        let body = json!({"candidates": [{"content": {"parts": [{"text": text}, {"text": text}]}, "groundingMetadata": {
            "groundingChunks": [{"web": {"uri": "u"}}],
            "groundingSupports": [{"segment": segment, "groundingChunkIndices": [0, 1]}]}}]});
        let _ = read(body.to_string().as_bytes(), 0);
    }
}
