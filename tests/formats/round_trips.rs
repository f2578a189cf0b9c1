//! Chance: what two dialects can both carry comes through both unchanged, calls and streams alike.

use lotse_sidecar::format::answer::{Stop, Usage};
use lotse_sidecar::format::call::{
    Content, Hints, Media, ModelCall, OutputForm, Part, Reasoning, Role, Sampling, Signature, Tool, ToolCall,
    ToolChoice, ToolInput, ToolResult, Turn,
};
use lotse_sidecar::format::event::ModelEvent;
use lotse_sidecar::format::loss::Losses;
use lotse_sidecar::format::{Format, read_call, write_call};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use serde_json::{Map, Number, Value, json};

use crate::neutral::plain;
use crate::said::Sum;
use crate::streams;

/// Dialects that both callers and providers speak.
const BOTH: [Format; 3] = [Format::Chat, Format::Responses, Format::Messages];

fn words() -> impl Strategy<Value = String> {
    "[a-zA-Z\u{20ac}\u{1f600}\"\\\\\n<>&][ -~\n\u{e4}\u{2028}]{0,20}[a-z.]"
}

fn arguments() -> impl Strategy<Value = String> {
    proptest::collection::btree_map("[a-z]{1,4}", words(), 0..3)
        .prop_map(|map| serde_json::to_string(&map).expect("texts"))
}

fn base64() -> impl Strategy<Value = String> {
    "([A-Za-z0-9+/]{4}){1,8}"
}

/// What a user shows or says.
fn shown() -> impl Strategy<Value = Part> {
    prop_oneof![
        words().prop_map(Part::text),
        base64().prop_map(|base64| Part::new(Content::Image {
            media: Media::Inline { mime: "image/png".to_owned(), base64 },
            detail: None
        })),
        "[a-z]{1,8}".prop_map(|name| Part::new(Content::Image {
            media: Media::Url(format!("https://example.com/{name}.png")),
            detail: None
        })),
        ("[a-z]{1,8}", base64()).prop_map(|(name, base64)| Part::new(Content::File {
            media: Media::Inline { mime: "application/pdf".to_owned(), base64 },
            name: Some(format!("{name}.pdf")),
            citations: false
        })),
    ]
}

/// A user's turn with one text at most, because texts beside each other may become one.
fn asked() -> impl Strategy<Value = Turn> {
    vec(shown(), 1..4).prop_map(|mut parts| {
        let mut has_text = false;
        parts.retain(|part| !matches!(part.content, Content::Text(_)) || !std::mem::replace(&mut has_text, true));
        Turn { role: Role::User, name: None, parts }
    })
}

/// What the model says and calls, what its tools give, and what is asked next.
fn exchange() -> impl Strategy<Value = Vec<Turn>> {
    let calls = vec(("[a-z]{1,6}", arguments(), words()), 0..3);
    (words(), calls, asked()).prop_map(|(text, calls, next)| {
        let mut said = vec![Part::text(text)];
        let mut results = Vec::new();
        for (n, (name, arguments, given)) in calls.into_iter().enumerate() {
            let id = format!("call_{name}{n}");
            let result = ToolResult { call_id: id.clone(), parts: vec![Part::text(given)], is_error: false };
            results.push(Part::new(Content::ToolResult(result)));
            said.push(Part::new(Content::ToolCall(ToolCall { id, name, arguments, custom: false, signature: None })));
        }
        let said = Turn { role: Role::Assistant, name: None, parts: said };
        if results.is_empty() {
            return vec![said, next];
        }
        vec![
            said,
            Turn { role: Role::User, name: None, parts: results },
            Turn { role: Role::Assistant, name: None, parts: vec![Part::text("so")] },
            next,
        ]
    })
}

fn tools() -> impl Strategy<Value = Vec<Tool>> {
    let schema = of(words())
        .prop_map(|description| json!({"type": "object", "properties": {"a": {"description": description}}}));
    let tool = (of(words()), of(schema), any::<bool>());
    vec(tool, 0..3).prop_map(|tools| {
        let numbered = tools.into_iter().enumerate();
        let tool = |(n, (description, schema, strict))| Tool {
            name: format!("f{n}"),
            description,
            input: ToolInput::Function { schema, strict: Some(strict) },
            cache: None,
        };
        numbered.map(tool).collect()
    })
}

fn number() -> impl Strategy<Value = Number> {
    (0..=100_u32).prop_map(|percent| Number::from_f64(f64::from(percent) / 100.0).expect("a number"))
}

/// Fields that all of the three have.
fn call() -> impl Strategy<Value = ModelCall> {
    let turns = (of(words()), asked(), vec(exchange(), 0..3)).prop_map(|(instructions, asked, more)| {
        let said = |text| Turn { role: Role::System, name: None, parts: vec![Part::text(text)] };
        instructions.map(said).into_iter().chain([asked]).chain(more.into_iter().flatten()).collect::<Vec<_>>()
    });
    let choice = prop_oneof![
        Just(ToolChoice::Auto),
        Just(ToolChoice::None),
        Just(ToolChoice::Required),
        Just(ToolChoice::Tool("f0".to_owned()))
    ];
    let output = of(words()).prop_map(|words| {
        words.map(|words| OutputForm::JsonSchema {
            name: Some("answer".to_owned()),
            description: None,
            schema: json!({"type": "object", "title": words}),
            strict: None,
        })
    });
    let effort = prop_oneof![Just("low"), Just("medium"), Just("high")];
    let tuning = (of(16..9999_u64), of(number()), of(number()), of(effort), of("[a-z]{1,20}"));
    (turns, tools(), of(choice), of(Just(false)), output, tuning, any::<bool>()).prop_map(
        |(turns, tools, choice, parallel, output, (max_tokens, temperature, top_p, effort, user), stream)| ModelCall {
            model: "m".to_owned(),
            stream,
            turns,
            tool_choice: choice.filter(|_| !tools.is_empty()),
            parallel_tool_calls: parallel.filter(|_| !tools.is_empty()),
            tools,
            output,
            max_tokens,
            sampling: Sampling { temperature, top_p, ..Sampling::default() },
            reasoning: effort.map(|effort| Reasoning { effort: Some(effort.to_owned()), ..Reasoning::default() }),
            hints: Hints { user, ..Hints::default() },
            ..ModelCall::default()
        },
    )
}

/// What Claude refuses beside each other is taken out.
fn for_claude(mut call: ModelCall) -> ModelCall {
    "claude-sonnet-4-6".clone_into(&mut call.model);
    let forced = matches!(call.tool_choice, Some(ToolChoice::Required | ToolChoice::Tool(_)));
    if forced {
        call.reasoning = None;
    }
    if call.reasoning.is_some() {
        call.sampling.temperature = None;
    }
    call.sampling.top_p = None;
    // None and one after the other are not both said.
    if call.tool_choice == Some(ToolChoice::None) {
        call.parallel_tool_calls = None;
    }
    call
}

/// What is said in a stream, a piece at a time.
#[derive(Clone, Debug)]
enum Piece {
    Text(Vec<String>),
    Thoughts(Vec<String>, bool),
    Call(String, Vec<(String, String)>),
}

fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let texts = || vec(words(), 1..4);
    let arguments = vec(("[a-z]{1,3}", words()), 0..3);
    vec(
        prop_oneof![
            texts().prop_map(Piece::Text),
            (texts(), any::<bool>()).prop_map(|(texts, signed)| Piece::Thoughts(texts, signed)),
            ("[a-z]{1,6}", arguments).prop_map(|(name, arguments)| Piece::Call(name, arguments)),
        ],
        0..6,
    )
}

/// The events of a stream of this dialect.
fn events(pieces: Vec<Piece>, usage: Usage, is_cut: bool, maker: Format) -> Vec<ModelEvent> {
    let mut events = vec![ModelEvent::Start { id: Some("id".to_owned()), model: Some("m".to_owned()) }];
    let mut calls = 0;
    for piece in pieces {
        match piece {
            Piece::Text(texts) => {
                events.extend(texts.into_iter().map(|text| ModelEvent::Text { choice: 0, text, logprobs: None }));
            }
            Piece::Thoughts(texts, is_signed) => {
                events.extend(texts.into_iter().map(|text| ModelEvent::Thinking { choice: 0, text }));
                let signature = Signature { maker, value: "sig".to_owned() };
                events.extend(is_signed.then_some(ModelEvent::Signature { choice: 0, signature, redacted: false }));
            }
            Piece::Call(name, fields) => {
                let id = format!("call_{calls}");
                events.push(ModelEvent::ToolCall { choice: 0, index: calls, id, name, custom: false, signature: None });
                let object: Map<String, Value> = fields.into_iter().map(|(key, value)| (key, value.into())).collect();
                let json = Value::Object(object).to_string();
                let middle = (1..json.len()).find(|at| json.is_char_boundary(*at)).unwrap_or_default();
                let halves = [&json[..middle], &json[middle..]].map(str::to_owned);
                let more = halves.into_iter().filter(|half| !half.is_empty());
                events.extend(more.map(|json| ModelEvent::Arguments { choice: 0, index: calls, json }));
                calls += 1;
            }
        }
    }
    let whole = if calls == 0 { Stop::End } else { Stop::ToolUse };
    events.push(ModelEvent::Stop { choice: 0, stop: if is_cut { Stop::Length } else { whole } });
    events.extend([ModelEvent::Usage(usage), ModelEvent::End]);
    events
}

fn usage() -> impl Strategy<Value = Usage> {
    (0..999_u64, 0..999_u64, 0..999_u64, 0..999_u64, 0..999_u64).prop_map(
        |(plain, cached, written, said, reasoning)| Usage {
            input: plain + cached + written,
            cached_input: cached,
            cache_write: written,
            output: said + reasoning,
            reasoning,
            cost: None,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn what_dialects_have_in_common_comes_through_each(call in call()) {
        for dialect in BOTH {
            let call = if dialect == Format::Messages { for_claude(call.clone()) } else { call.clone() };
            let mut losses = Losses::default();
            let written = write_call(dialect, &call, &mut losses).expect("a provider's dialect");
            prop_assert_eq!(&losses, &Losses::default(), "{}", dialect.name());
            let body: Map<String, Value> = serde_json::from_slice(&written).expect("an object");
            let read = read_call(dialect, body).expect("what is written is read");
            prop_assert_eq!(plain(read, dialect, &call), plain(call.clone(), dialect, &call), "{}", dialect.name());
        }
    }

    #[test]
    fn a_stream_says_the_same_when_it_is_read_again(
        pieces in pieces(), usage in usage(), is_cut in any::<bool>(),
    ) {
        for dialect in BOTH {
            let events = events(pieces.clone(), usage.clone(), is_cut, dialect);
            let again = streams::read(dialect, &streams::split(&streams::write(dialect, &events)));
            let again = again.expect("what is written is read");
            prop_assert_eq!(Sum::of_stream(&again), Sum::of_stream(&events), "{}", dialect.name());
            prop_assert_eq!(again.last(), Some(&ModelEvent::End));
        }
    }
}
