//! Round trips and whatever bytes come.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::answer;
use super::super::events::Reader;
use super::{events_of, ordered, stream_of, told, write};
use crate::format::Format;
use crate::format::answer::{Choice, ModelAnswer, Said, Stop, Usage};
use crate::format::call::{
    CacheBreakpoint, Content, Media, ModelCall, Part, Reasoning, Role, Signature, Thinking, Tool, ToolCall, ToolChoice,
    ToolInput, ToolResult, Turn,
};
use crate::format::event::{ModelEvent, RawEvent};

fn words() -> impl Strategy<Value = String> {
    "[a-zA-Zäß語🙂\"\\\\\n]{0,8}[a-z]"
}

fn object() -> impl Strategy<Value = String> {
    prop_oneof![Just("{}".to_owned()), words().prop_map(|text| json!({"a": text, "b": [1, {"c": "}"}]}).to_string())]
}

fn cache() -> impl Strategy<Value = Option<CacheBreakpoint>> {
    prop_oneof![
        Just(None),
        Just(Some(CacheBreakpoint { ttl: None })),
        Just(Some(CacheBreakpoint { ttl: Some("1h".to_owned()) })),
    ]
}

fn media() -> impl Strategy<Value = Media> {
    prop_oneof![
        Just(Media::Inline { mime: "image/png".to_owned(), base64: "AAAA".to_owned() }),
        words().prop_map(|path| Media::Url(format!("https://a/{path}"))),
    ]
}

fn picture() -> impl Strategy<Value = Content> {
    media().prop_map(|media| Content::Image { media, detail: None })
}

fn document() -> impl Strategy<Value = Content> {
    (words(), proptest::option::of(words()), any::<bool>()).prop_map(|(text, name, citations)| Content::File {
        media: Media::Text(text),
        name,
        citations,
    })
}

fn part(content: impl Strategy<Value = Content>) -> impl Strategy<Value = Part> {
    (content, cache()).prop_map(|(content, cache)| Part { content, cache })
}

fn seen() -> impl Strategy<Value = Part> {
    part(prop_oneof![words().prop_map(Content::Text), picture(), document()])
}

fn result() -> impl Strategy<Value = Part> {
    part(
        ("[a-z0-9_-]{1,9}", vec(seen(), 0..3), any::<bool>())
            .prop_map(|(call_id, parts, is_error)| Content::ToolResult(ToolResult { call_id, parts, is_error })),
    )
}

fn thought() -> impl Strategy<Value = Part> {
    (words(), words(), any::<bool>()).prop_map(|(text, value, redacted)| {
        let signature = Some(Signature { maker: Format::Messages, value });
        let text = if redacted { String::new() } else { text };
        Part::new(Content::Thinking(Thinking { text, signature, redacted, id: None }))
    })
}

fn tool_call() -> impl Strategy<Value = ToolCall> {
    ("[a-z0-9_-]{1,9}", words(), object()).prop_map(|(id, name, arguments)| ToolCall {
        id,
        name,
        arguments,
        custom: false,
        signature: None,
    })
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let user = (vec(result(), 0..3), vec(seen(), 1..3)).prop_map(|(results, seen)| [results, seen].concat());
    let assistant = (
        vec(thought(), 0..2),
        vec(part(words().prop_map(Content::Text)), 1..3),
        vec(part(tool_call().prop_map(Content::ToolCall)), 0..3),
    )
        .prop_map(|(thoughts, texts, calls)| [thoughts, texts, calls].concat());
    let system = vec(part(words().prop_map(Content::Text)), 0..3);
    (system, vec((user, assistant), 1..4)).prop_map(|(system, pairs)| {
        let said = |role, parts| Turn { role, name: None, parts };
        let pairs =
            pairs.into_iter().flat_map(|(user, assistant)| [said(Role::User, user), said(Role::Assistant, assistant)]);
        let system = (!system.is_empty()).then(|| said(Role::System, system));
        system.into_iter().chain(pairs).collect()
    })
}

fn tools() -> impl Strategy<Value = (Vec<Tool>, Option<ToolChoice>)> {
    let schema = prop_oneof![
        Just(json!({"type": "object", "properties": {"z": {"type": "string"}, "a": {}}})),
        Just(json!({"type": "object", "properties": {}})),
    ];
    let strict = prop_oneof![Just(None), Just(Some(true))];
    let tool = (words(), proptest::option::of(words()), schema, strict, cache()).prop_map(
        |(name, description, schema, strict, cache)| Tool {
            name,
            description,
            input: ToolInput::Function { schema: Some(schema), strict },
            cache,
        },
    );
    let choice = prop_oneof![Just(ToolChoice::Auto), Just(ToolChoice::None), words().prop_map(ToolChoice::Tool)];
    prop_oneof![Just((vec![], None)), (vec(tool, 1..3), proptest::option::of(choice)),]
}

fn model_call() -> impl Strategy<Value = ModelCall> {
    let rest = (
        2000..9999u64,
        any::<bool>(),
        proptest::option::of(1024..1999u64),
        vec(words(), 0..3),
        proptest::option::of(words()),
    );
    (turns(), tools(), rest).prop_map(|(turns, (tools, tool_choice), (max, stream, budget, stop, user))| {
        let mut call = ModelCall {
            model: "kimi".to_owned(),
            stream,
            turns,
            tools,
            tool_choice,
            max_tokens: Some(max),
            stop,
            ..ModelCall::default()
        };
        call.sampling.temperature = serde_json::Number::from_f64(0.5);
        call.hints.user = user;
        call.reasoning = budget.map(|budget| Reasoning { budget_tokens: Some(budget), ..Reasoning::default() });
        call
    })
}

/// Any JSON of words that readers look for.
fn any_json() -> impl Strategy<Value = Value> {
    let keys = [
        "type",
        "role",
        "content",
        "text",
        "messages",
        "model",
        "system",
        "tools",
        "source",
        "input",
        "thinking",
        "data",
        "id",
        "name",
        "user",
        "assistant",
        "tool_use",
        "tool_result",
        "document",
        "image",
        "base64",
        "url",
        "signature",
        "delta",
        "message_start",
        "message",
        "content_block",
        "content_block_start",
        "content_block_delta",
        "index",
        "usage",
        "text_delta",
        "input_json_delta",
        "partial_json",
        "error",
        "cache_control",
        "citations",
        "search_result",
    ];
    let word = proptest::sample::select(keys.to_vec());
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((word.clone(), inner), 0..6).prop_map(|fields| Value::Object(
                fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
            )),
        ]
    })
}

/// Events of calls that are told in turns, and texts and thoughts among them.
fn shuffled() -> impl Strategy<Value = (Vec<ModelEvent>, Vec<String>)> {
    (vec(object(), 1..4), vec((0..6u32, words()), 0..30)).prop_map(|(calls, steps)| {
        let mut events = Vec::new();
        let mut told = vec![None; calls.len()];
        let mut piece = |index: usize, most: usize, events: &mut Vec<ModelEvent>| {
            let number = u32::try_from(index).expect("few calls");
            let done = told[index].get_or_insert_with(|| {
                let (id, name) = (format!("c{index}"), "f".to_owned());
                events.push(ModelEvent::ToolCall {
                    choice: 0,
                    index: number,
                    id,
                    name,
                    custom: false,
                    signature: None,
                });
                0
            });
            let json: String = calls[index].chars().skip(*done).take(most).collect();
            *done += json.chars().count();
            if !json.is_empty() {
                events.push(ModelEvent::Arguments { choice: 0, index: number, json });
            }
        };
        for (step, text) in steps {
            match step {
                0..4 => piece(step as usize % calls.len(), 3, &mut events),
                4 => events.push(ModelEvent::Text { choice: 0, text, logprobs: None }),
                _ => events.push(ModelEvent::Thinking { choice: 0, text }),
            }
        }
        for index in 0..calls.len() {
            piece(index, usize::MAX, &mut events);
        }
        (events, calls)
    })
}

fn texts(events: &[ModelEvent]) -> String {
    events
        .iter()
        .filter_map(|event| {
            let (ModelEvent::Text { text, .. } | ModelEvent::Thinking { text, .. }) = event else { return None };
            Some(text.as_str())
        })
        .collect()
}

proptest! {
    #[test]
    fn a_call_that_is_written_and_read_is_the_same(call in model_call()) {
        let mut call = call;
        // A prefill loses its white space at the end, and an old call of a tool without thoughts its budget; both on purpose.
        call.turns.push(Turn { role: Role::User, name: None, parts: vec![Part::text("end")] });
        let (body, losses) = write(&call);
        prop_assert_eq!(losses, crate::format::loss::Losses::default());
        prop_assert_eq!(super::read(body).expect("a call"), call);
    }

    #[test]
    fn any_call_is_read_or_refused(body in any_json()) {
        if let Value::Object(mut fields) = body {
            fields.insert("model".to_owned(), "m".into());
            if let Ok(call) = super::super::call::read(fields) {
                write(&call);
                super::super::count::estimate(&call);
            }
        }
    }

    #[test]
    fn any_messages_are_read_or_refused(content in any_json()) {
        if let Ok(call) = super::read(json!({"model": "m", "messages": [{"role": "user", "content": content}]})) {
            write(&call);
        }
    }

    #[test]
    fn any_answer_is_read_or_refused(bytes in vec(any::<u8>(), 0..64), body in any_json()) {
        let _ = answer::read(&bytes, 0);
        if let Ok(answer) = answer::read(body.to_string().as_bytes(), 0) {
            answer::write(&answer, &told());
        }
    }

    #[test]
    fn any_stream_is_read_or_refused_and_written_in_order(bytes in vec(any::<u8>(), 0..64), bodies in vec(any_json(), 0..8)) {
        let mut reader = Reader::new(0);
        let mut out = Vec::new();
        let _ = reader.read(RawEvent { name: None, data: &bytes }, &mut out);
        for body in bodies {
            let _ = reader.read(RawEvent { name: Some("content_block_start"), data: body.to_string().as_bytes() }, &mut out);
        }
        out.retain(|event| !matches!(event, ModelEvent::Failed(_) | ModelEvent::End));
        out.push(ModelEvent::End);
        ordered(&stream_of(&out));
    }

    #[test]
    fn calls_told_in_turns_keep_their_arguments((events, calls) in shuffled()) {
        let mut all = events.clone();
        all.push(ModelEvent::Stop { choice: 0, stop: Stop::ToolUse });
        all.push(ModelEvent::End);
        let stream = stream_of(&all);
        ordered(&stream);
        let back = events_of(&stream).expect("a stream");
        prop_assert_eq!(texts(&back), texts(&events));
        let mut arguments = std::collections::BTreeMap::<String, String>::new();
        let mut ids = Vec::new();
        for event in back {
            if let ModelEvent::ToolCall { id, .. } = event {
                ids.push(id);
            } else if let ModelEvent::Arguments { index, json, .. } = event {
                arguments.entry(ids[index as usize].clone()).or_default().push_str(&json);
            }
        }
        for (index, call) in calls.iter().enumerate() {
            prop_assert_eq!(arguments.get(&format!("c{index}")), Some(call));
        }
    }

    #[test]
    fn an_answer_that_is_written_and_read_is_the_same(
        texts in vec(words(), 0..3), calls in vec(tool_call(), 0..3), counts in (0..99u64, 0..99u64, 0..99u64, 0..99u64),
    ) {
        let stop = if calls.is_empty() { Stop::Length } else { Stop::ToolUse };
        let texts = texts.into_iter().map(|text| Said::Text { text, citations: vec![] });
        let parts: Vec<_> = texts.chain(calls.into_iter().map(Said::ToolCall)).collect();
        let (plain, cached_input, cache_write, output) = counts;
        let input = plain + cached_input + cache_write;
        let said = ModelAnswer {
            id: Some("i".to_owned()),
            model: Some("m".to_owned()),
            choices: vec![Choice { parts, stop: Some(stop), logprobs: None }],
            usage: Some(Usage { input, cached_input, cache_write, output, ..Usage::default() }),
            service_tier: Some("default".to_owned()),
            ..ModelAnswer::default()
        };
        prop_assert_eq!(answer::read(&answer::write(&said, &told()), 0).expect("an answer"), said);
    }
}
