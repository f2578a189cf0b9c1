//! Tests of needs: what each dialect asks for, an estimate that is not too high, and who can't serve the call.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::body::scan;
use crate::facts::Facts;
use crate::fields::BodyFields;
use crate::name::ObjectName;
use crate::promises::Promises;
use crate::snapshot::{Endpoint, Target};

fn read_bytes(operation: Operation, body: &[u8]) -> Needs {
    Needs::read(body, &scan(body).expect("it can be scanned"), operation)
}

#[expect(clippy::needless_pass_by_value, reason = "tests write their JSON where it is read")]
fn read(operation: Operation, body: Value) -> Needs {
    read_bytes(operation, &serde_json::to_vec(&body).expect("JSON"))
}

fn abilities(operation: Operation, body: Value) -> Vec<Ability> {
    read(operation, body).abilities.into_iter().collect()
}

fn candidate(supports: &[Ability]) -> Candidate {
    Candidate {
        ordinal: 0,
        provider: ObjectName::new("r", "p"),
        model: "m".to_owned(),
        weight: 1,
        price: None,
        vendor: "x".to_owned(),
        region: None,
        supports: supports.to_vec(),
        context_tokens: None,
        max_output_tokens: None,
        quantization: None,
        limits: None,
        facts: Facts::new("r", &Promises::default(), &[]),
        endpoint: Endpoint {
            target: Target::Simulated(serde_json::from_value(json!({})).expect("a simulation")),
            upstream_model: "m".to_owned(),
            force: BodyFields::default(),
        },
    }
}

fn codes(needs: &Needs, candidate: &Candidate, require_parameters: bool) -> Vec<String> {
    needs.objections(candidate, require_parameters).into_iter().map(|reason| reason.code).collect()
}

/// About so many bytes of prose.
fn prose(bytes: usize) -> String {
    "A harbour pilot takes every ship through local waters by local law. ".repeat(bytes / 68)
}

const CHAT: Operation = Operation::ChatCompletions;
const RESPONSES: Operation = Operation::Responses;
const MESSAGES: Operation = Operation::Messages;

#[test]
fn a_plain_call_needs_nothing() {
    let plain = json!({
        "model": "m", "messages": [{"role": "user", "content": "What is an \"image\" of image_url?"}], "tools": [],
        "functions": null, "response_format": {"type": "json_object"}, "text": {"format": {"type": "text"}},
        "reasoning_effort": "none", "reasoning": {"effort": "none"}, "thinking": {"type": "disabled"}, "max_tokens": null,
    });

    assert_eq!(read(CHAT, plain), Needs::default());
}

#[test]
fn tools_are_needed_when_there_are_any() {
    for (body, needs) in [
        (json!({"tools": [{"type": "function"}]}), true),
        (json!({"functions": [{"name": "f"}]}), true),
        (json!({"tools": []}), false),
        (json!({"tools": null}), false),
        (json!({"tools": "all"}), false),
    ] {
        assert_eq!(abilities(CHAT, body.clone()) == [Ability::Tools], needs, "{body}");
    }
    assert_eq!(read_bytes(CHAT, b"{\"tools\": [ \n ]}"), Needs::default());
    assert_eq!(read_bytes(CHAT, b"{\"tools\": [ \n {}]}").abilities, BTreeSet::from([Ability::Tools]));
}

#[test]
fn a_schema_is_asked_for_in_each_dialects_field() {
    let schema = json!({"type": "json_schema", "schema": {"type": "object"}, "json_schema": {"name": "n"}});
    for (operation, body) in [
        (CHAT, json!({"response_format": schema})),
        (RESPONSES, json!({"text": {"verbosity": "low", "format": schema}})),
        (MESSAGES, json!({"output_format": schema})),
        (MESSAGES, json!({"output_config": {"effort": "low", "format": schema}})),
    ] {
        assert_eq!(abilities(operation, body.clone()), [Ability::StructuredOutput], "{body}");
    }
    for body in
        [json!({"text": "json_schema"}), json!({"output_config": {"effort": "low"}}), json!({"text": {"format": 3}})]
    {
        assert_eq!(abilities(RESPONSES, body.clone()), [], "{body}");
    }
}

#[test]
fn thought_is_needed_when_it_is_asked_for() {
    for (body, needs) in [
        (json!({"reasoning_effort": "minimal"}), true),
        (json!({"reasoning_effort": "none"}), false),
        (json!({"reasoning_effort": null}), false),
        (json!({"reasoning": {"effort": "high"}}), true),
        (json!({"reasoning": {"summary": "auto"}}), true),
        (json!({"reasoning": {"max_tokens": 2000}}), true),
        (json!({"reasoning": {"enabled": true}}), true),
        (json!({"reasoning": {"enabled": false, "effort": "high"}}), false),
        (json!({"reasoning": {"effort": "none", "summary": "auto"}}), false),
        (json!({"reasoning": {"effort": null, "summary": null}}), false),
        (json!({"reasoning": {"exclude": true}}), false),
        (json!({"reasoning": {}}), false),
        (json!({"reasoning": null}), false),
        (json!({"thinking": {"type": "enabled", "budget_tokens": 1024}}), true),
        (json!({"thinking": {"type": "adaptive"}}), true),
        (json!({"thinking": {"type": "disabled"}}), false),
        (json!({"thinking": {}}), false),
        (json!({"thinking": false}), false),
        (json!({"thinking": true}), true),
    ] {
        assert_eq!(abilities(MESSAGES, body.clone()) == [Ability::Reasoning], needs, "{body}");
    }
}

#[test]
fn images_are_found_in_each_dialect_and_wherever_they_stand() {
    let chat = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}});
    let image = json!({"type": "image", "source": {"type": "base64", "data": "AAAA"}});
    let input = json!({"type": "input_image", "image_url": "https://a/b.png"});
    for (operation, body) in [
        (CHAT, json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "t"}, chat]}]})),
        (CHAT, json!({"messages": [{"role": "tool", "tool_call_id": "c", "content": [chat]}]})),
        (MESSAGES, json!({"messages": [{"role": "user", "content": [image]}]})),
        (MESSAGES, json!({"messages": [{"role": "user", "content": [{"type": "tool_result", "content": [image]}]}]})),
        (RESPONSES, json!({"input": [{"role": "user", "content": [input]}]})),
        (RESPONSES, json!({"input": [{"type": "function_call_output", "call_id": "c", "output": [input]}]})),
        (
            RESPONSES,
            json!({"input": [{"type": "computer_call_output",
                "output": {"type": "computer_screenshot", "image_url": "data:image/png;base64,AAAA"}}]}),
        ),
    ] {
        assert_eq!(abilities(operation, body.clone()), [Ability::Vision], "{body}");
    }
}

#[test]
fn what_only_speaks_of_images_shows_none() {
    for (operation, body) in [
        (CHAT, json!({"messages": [{"role": "user", "content": "\"image\" and \"image_url\""}]})),
        (CHAT, json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "image"}]}]})),
        (
            MESSAGES,
            json!({"messages": [{"role": "assistant", "content": [
            {"type": "tool_use", "id": "t", "name": "draw", "input": {"type": "image", "content": [{"type": "image"}]}}]}]}),
        ),
        (RESPONSES, json!({"input": "image_url"})),
        (RESPONSES, json!({"input": ["image", 3, null, true, -1, 0.5, {"type": 3, "image": 1}]})),
        (CHAT, json!({"metadata": {"type": "image"}, "tools": [], "messages": []})),
    ] {
        assert_eq!(abilities(operation, body.clone()), [], "{body}");
    }
}

#[test]
fn what_has_no_prompt_needs_nothing() {
    let body = json!({"input": [{"type": "input_image"}], "tools": [1], "max_tokens": 3, "prompt": prose(100_000)});

    assert_eq!(read(Operation::Embeddings, body.clone()), Needs::default());
    assert_eq!(read(Operation::ImageGenerations, body), Needs::default());
}

#[test]
fn the_answers_length_is_the_least_that_is_said() {
    let said = |body| read(CHAT, body).output_tokens;

    assert_eq!(said(json!({"max_tokens": 100})), Some(100));
    assert_eq!(said(json!({"max_tokens": 100, "max_completion_tokens": 50})), Some(50));
    assert_eq!(said(json!({"max_output_tokens": 0})), Some(0));
    assert_eq!(said(json!({"max_tokens": "100", "max_completion_tokens": -1})), None);
}

#[test]
fn the_prompts_length_is_estimated_from_its_text_alone() {
    let chat =
        |content: Value| read(CHAT, json!({"messages": [{"role": "user", "content": content}]})).least_prompt_tokens;
    let text = prose(600_000);
    let url = format!("data:image/png;base64,{}", "iVBORw0KGgoAAAANSUhEUgAAAAUA".repeat(40_000));
    let lines = "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4AAAABCDEFGHI\n".repeat(10_000);

    let least = chat(json!(text));
    // The text has 13 words, hence 13 tokens at least, in 68 bytes.
    assert!((80_000..600_000 / 68 * 13).contains(&least), "{least}");
    assert_eq!(chat(json!("short")), 0);
    assert!(chat(json!([{"type": "image_url", "image_url": {"url": url}}])) < 20);
    assert!(chat(json!([{"type": "file", "file": {"file_data": lines}}])) < 20);
    assert!(chat(json!(" ".repeat(1_000_000))) < 20);
    assert!(chat(json!("- - - - ".repeat(100_000))) < 800_000 / 4);
    let pretty =
        serde_json::to_vec_pretty(&json!({"messages": vec![json!({"role": "user", "content": "ok"}); 10_000]}));
    assert!(read_bytes(CHAT, &pretty.expect("JSON")).least_prompt_tokens < 30_000);
}

#[test]
fn each_dialects_prompt_is_measured_and_a_batch_is_not() {
    let text = prose(120_000);
    let least = |operation, body| read(operation, body).least_prompt_tokens;

    assert!(least(MESSAGES, json!({"system": text, "messages": []})) > 15_000);
    assert!(least(RESPONSES, json!({"instructions": text, "input": "hi"})) > 15_000);
    assert!(least(RESPONSES, json!({"input": text})) > 15_000);
    assert!(least(Operation::Completions, json!({"prompt": text})) > 15_000);
    assert_eq!(least(Operation::Completions, json!({"prompt": [text, text]})), 0);
}

#[test]
fn a_prompt_of_which_the_provider_may_leave_out_a_part_has_no_least_length() {
    let text = prose(120_000);
    let least = |operation, body| read(operation, body).least_prompt_tokens;

    assert_eq!(least(RESPONSES, json!({"input": text, "truncation": "auto"})), 0);
    assert!(least(RESPONSES, json!({"input": text, "truncation": "disabled", "plugins": []})) > 0);
    assert_eq!(least(MESSAGES, json!({"messages": [{"role": "user", "content": text}], "context_management": {}})), 0);
    assert_eq!(least(CHAT, json!({"messages": [{"content": text}], "transforms": ["middle-out"]})), 0);
    let thought = json!({"role": "assistant", "content": [{"type": "thinking", "thinking": text, "signature": "s"}]});
    assert_eq!(least(MESSAGES, json!({"messages": [thought]})), 0);
    assert_eq!(least(CHAT, json!({"messages": [{"role": "assistant", "reasoning_content": text}]})), 0);
}

#[test]
fn who_lacks_an_ability_is_out_and_who_says_nothing_only_if_it_is_required() {
    let needs = read(CHAT, json!({"tools": [{}], "reasoning_effort": "low"}));
    let both = candidate(&[Ability::Reasoning, Ability::Tools, Ability::Vision]);

    for require in [false, true] {
        assert_eq!(codes(&needs, &both, require), [""; 0]);
        assert_eq!(codes(&Needs::default(), &candidate(&[]), require), [""; 0]);
    }
    assert_eq!(codes(&needs, &candidate(&[Ability::Tools]), false), ["ability_not_supported"]);
    assert_eq!(codes(&needs, &candidate(&[Ability::Tools]), true), ["require_parameters"]);
    assert_eq!(codes(&needs, &candidate(&[]), false), [""; 0]);
    assert_eq!(codes(&needs, &candidate(&[]), true), ["require_parameters"]);
    let told = needs.objections(&candidate(&[Ability::Vision]), false);
    assert_eq!(told[0].message, "the call needs Tools and Reasoning, which the model is not said to support");
}

#[test]
fn who_takes_fewer_tokens_is_out() {
    let takes = |context_tokens, max_output_tokens| Candidate { context_tokens, max_output_tokens, ..candidate(&[]) };
    let needs = Needs { least_prompt_tokens: 1000, output_tokens: Some(24), ..Needs::default() };

    assert_eq!(codes(&needs, &takes(Some(1024), Some(24)), false), [""; 0]);
    assert_eq!(codes(&needs, &takes(Some(1023), None), false), ["context_length"]);
    assert_eq!(codes(&needs, &takes(None, Some(23)), false), ["max_output_tokens"]);
    assert_eq!(codes(&needs, &takes(Some(10), Some(1)), false), ["context_length", "max_output_tokens"]);
    assert_eq!(codes(&needs, &takes(None, None), true), [""; 0]);
    let huge = Needs { least_prompt_tokens: u64::MAX, output_tokens: Some(u64::MAX), ..Needs::default() };
    assert_eq!(codes(&huge, &takes(Some(i32::MAX), None), false), ["context_length"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn the_estimate_is_never_above_a_token_for_each_word(words in proptest::collection::vec("[a-zäöüßа-яéè]{1,8}", 1000)) {
        let words = vec![words; 6].concat();
        let text = words.join(" ");
        let least = read(CHAT, json!({"messages": [{"role": "user", "content": text}]})).least_prompt_tokens;

        prop_assert!(least > 3000 && least <= 6010, "{}", least);
    }
}

proptest! {
    #[test]
    fn reading_any_turns_never_panics(turns in "[\\[\\]{}\":,a-z \\\\]{0,80}") {
        let _ = prompt::shows_images(turns.as_bytes());
        let _ = prompt::shows_images(format!("[{{\"type\":\"image\",\"content\":{turns}}}]").as_bytes());
    }
}
