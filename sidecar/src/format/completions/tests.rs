//! Legacy Completions: what callers send and get.

use serde_json::{Map, Value, json};

use super::{answer, call, events};
use crate::format::answer::{Choice, ModelAnswer, Said, Stop, Told, Usage};
use crate::format::call::{ModelCall, Part, Role, Thinking, Turn};
use crate::format::event::ModelEvent;

fn body(mut value: Value) -> Map<String, Value> {
    std::mem::take(value.as_object_mut().expect("an object"))
}

fn told() -> Told {
    Told {
        id: "abc".to_owned(),
        created: 1_700_000_000,
        model: "asked".to_owned(),
        provider: "ns/p".to_owned(),
        include_usage: true,
        ..Told::default()
    }
}

#[test]
fn a_prompt_is_one_turn_of_the_user() {
    for prompt in [json!("hi"), json!(["hi"])] {
        let read = call::read(body(json!({
            "model": "m", "prompt": prompt, "max_tokens": 16, "stream": true, "stream_options": {"include_usage": true},
            "stop": "X", "n": 2, "best_of": 2, "user": "u", "echo": false, "suffix": null,
        })));

        let mut expected = ModelCall {
            model: "m".to_owned(),
            stream: true,
            include_usage: true,
            turns: vec![Turn { role: Role::User, name: None, parts: vec![Part::text("hi")] }],
            max_tokens: Some(16),
            stop: vec!["X".to_owned()],
            choices: Some(2),
            ..ModelCall::default()
        };
        expected.hints.user = Some("u".to_owned());
        assert_eq!(read, Ok(expected));
    }
}

#[test]
fn what_only_a_model_without_turns_can_do_is_named() {
    let read = call::read(body(json!({
        "model": "m", "prompt": "hi", "echo": true, "suffix": "s", "best_of": 3, "logprobs": 2, "min_p": 0.1,
    })));

    let unknown = read.expect("a call").unknown;
    let mut paths: Vec<_> = unknown.iter().map(|(path, _)| path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["best_of", "echo", "logprobs", "min_p", "suffix"]);
}

#[test]
fn several_prompts_and_ids_of_tokens_are_refused() {
    for (prompt, message) in [
        (json!(["a", "b"]), "`prompt` must be one prompt here; send a call for each of several prompts"),
        (json!([1, 2]), "`prompt` must be text here: ids of tokens mean something else to every model"),
        (json!([[1, 2]]), "`prompt` must be text here: ids of tokens mean something else to every model"),
        (json!([]), "`prompt` must be one prompt here: a string, or a list of one string"),
        (json!(7), "`prompt` must be one prompt here: a string, or a list of one string"),
        (Value::Null, "`prompt` is required"),
    ] {
        let refused = call::read(body(json!({"model": "m", "prompt": prompt}))).expect_err("no call");
        assert_eq!(refused.to_string(), message, "{prompt}");
    }
}

#[test]
fn an_answer_is_a_text_completion() {
    let thinking = Thinking { text: "hm".to_owned(), ..Thinking::default() };
    let text = Said::Text { text: "Hi".to_owned(), citations: Vec::new() };
    let model_answer = ModelAnswer {
        choices: vec![Choice { parts: vec![Said::Thinking(thinking), text], stop: Some(Stop::Length), logprobs: None }],
        usage: Some(Usage { input: 1, output: 2, ..Usage::default() }),
        ..ModelAnswer::default()
    };

    let written: Value = serde_json::from_slice(&answer::write(&model_answer, &told())).expect("JSON");
    assert_eq!(
        written,
        json!({
            "id": "cmpl-abc", "object": "text_completion", "created": 1_700_000_000, "model": "asked",
            "choices": [{"text": "Hi", "index": 0, "logprobs": null, "finish_reason": "length"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3,
                "prompt_tokens_details": {"cached_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 0}},
            "provider": "ns/p",
        })
    );
}

#[test]
fn a_stream_is_pieces_of_a_text_completion() {
    let mut writer = events::Writer::new(Told { provider: String::new(), ..told() });
    let mut out = Vec::new();
    for event in [
        ModelEvent::Start { id: Some("i".to_owned()), model: Some("m".to_owned()) },
        ModelEvent::Thinking { choice: 0, text: "hm".to_owned() },
        ModelEvent::Text { choice: 0, text: "Hi".to_owned(), logprobs: None },
        ModelEvent::Stop { choice: 0, stop: Stop::ToolUse },
        ModelEvent::Text { choice: 0, text: "late".to_owned(), logprobs: None },
        ModelEvent::End,
    ] {
        writer.write(event, &mut out);
    }

    let head = r#"data: {"id":"i","object":"text_completion","created":1700000000,"model":"m","choices":["#;
    assert_eq!(
        String::from_utf8(out).expect("UTF-8"),
        [
            head,
            r#"{"text":"Hi","index":0,"logprobs":null,"finish_reason":null}],"usage":null}"#,
            "\n\n",
            head,
            r#"{"text":"","index":0,"logprobs":null,"finish_reason":"stop"}],"usage":null}"#,
            "\n\ndata: [DONE]\n\n",
        ]
        .concat()
    );
}
