//! Responses: a conversation that a provider keeps goes back to whoever keeps it, and what could not be kept to is refused
//! by name.

use http::Request;
use http_body_util::Full;
use lotse_tests::provider::{Asked, Step, chunk, last_chunk, response, stream_head};
use lotse_tests::{Answer, Asks, FakeProvider, Sidecar, World};
use serde_json::{Value, json};

/// The answer of a provider whose ids begin with `name`.
fn answer(id: &str) -> Value {
    json!({
        "id": id, "object": "response", "created_at": 1, "status": "completed", "model": "upstream", "error": null,
        "output": [{"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": "bonjour", "annotations": []}]}],
        "usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15},
    })
}

fn events(id: &str) -> Vec<Step> {
    let mut begun = answer(id);
    begun["status"] = "in_progress".into();
    begun["output"] = json!([]);
    let events = [
        json!({"type": "response.created", "sequence_number": 0, "response": begun}),
        json!({"type": "response.output_text.delta", "sequence_number": 1, "item_id": "msg_1", "output_index": 0,
            "content_index": 0, "delta": "bonjour", "logprobs": []}),
        json!({"type": "response.completed", "sequence_number": 2, "response": answer(id)}),
    ];
    let event = |event: &Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default());
    let mut steps = vec![Step::Send(stream_head())];
    steps.extend(events.iter().map(|each| Step::Send(chunk(event(each).as_bytes()))));
    steps.push(Step::Send(last_chunk()));
    steps
}

/// A provider of Responses, which answers its `n`th call as `NAME_n`.
async fn keeps(name: &'static str) -> FakeProvider {
    let calls = std::sync::atomic::AtomicUsize::new(0);
    FakeProvider::plays(move |asked: &Asked| {
        let id = format!("resp_{name}_{}", calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst));
        if asked.wants_stream() { events(&id) } else { vec![Step::Send(response(200, &[], &answer(&id).to_string()))] }
    })
    .await
}

async fn ask(sidecar: &Sidecar, fields: &Value) -> Answer {
    let mut body = json!({"model": "gpt-4o", "input": "hi"});
    body.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    sidecar.send(Asks::Responses.with(&body)).await
}

/// Berlin stands first; Paris, which made `resp_paris_0`, has answered only because Berlin could not.
async fn two(stream: bool) -> (Sidecar, FakeProvider, FakeProvider) {
    let is_ill = std::sync::atomic::AtomicBool::new(true);
    let berlin = FakeProvider::plays(move |_| {
        let was_ill = is_ill.swap(false, std::sync::atomic::Ordering::SeqCst);
        let (status, body) = if was_ill { (500, json!({})) } else { (200, answer("resp_berlin_0")) };
        vec![Step::Send(response(status, &[], &body.to_string()))]
    })
    .await;
    let paris = keeps("paris").await;
    let sidecar = Sidecar::of(&World::of(&[("berlin", &berlin), ("paris", &paris)])).await;
    let first = ask(&sidecar, &json!({"stream": stream})).await;
    assert_eq!(Asks::Responses.said(&first), "bonjour", "{}", first.text());
    assert_eq!(first.header("x-lotse-provider"), Some("lotse-system/paris"));
    (sidecar, berlin, paris)
}

#[tokio::test]
async fn a_conversation_goes_on_with_whoever_keeps_it_although_another_stands_first() {
    for stream in [false, true] {
        let (sidecar, berlin, paris) = two(stream).await;

        let second = ask(&sidecar, &json!({"previous_response_id": "resp_paris_0"})).await;

        assert_eq!((second.status.as_u16(), &second.json()["id"]), (200, &"resp_paris_1".into()), "{}", second.text());
        assert_eq!(second.header("x-lotse-attempts"), Some("1"));
        assert_eq!(paris.last().json()["previous_response_id"], "resp_paris_0");
        assert_eq!((berlin.calls(), paris.calls()), (1, 2));
        let third = ask(&sidecar, &json!({"previous_response_id": "resp_paris_1"})).await;
        assert_eq!(third.json()["id"], "resp_paris_2");
        let other = ask(&sidecar, &json!({})).await;
        assert_eq!(other.json()["id"], "resp_berlin_0", "the order holds for what nobody keeps");
    }
}

#[tokio::test]
async fn a_conversation_never_goes_to_another_when_its_keeper_is_ill() {
    let calls = std::sync::atomic::AtomicUsize::new(0);
    let berlin = FakeProvider::plays(move |_| {
        let is_first = calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
        let (status, body) = if is_first { (200, answer("resp_berlin_0")) } else { (503, json!({})) };
        vec![Step::Send(response(status, &[], &body.to_string()))]
    })
    .await;
    let paris = keeps("paris").await;
    let sidecar = Sidecar::of(&World::of(&[("berlin", &berlin), ("paris", &paris)])).await;
    ask(&sidecar, &json!({})).await;

    let answer = ask(&sidecar, &json!({"previous_response_id": "resp_berlin_0"})).await;

    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (502, "all_providers_failed"));
    assert_eq!((berlin.calls(), paris.calls()), (2, 0));
}

#[tokio::test]
async fn an_id_that_nobody_is_known_to_have_made_is_refused_by_name_unless_there_is_one_candidate() {
    let (berlin, paris) = (keeps("berlin").await, keeps("paris").await);
    let sidecar = Sidecar::of(&World::of(&[("berlin", &berlin), ("paris", &paris)])).await;
    for (fields, field) in [
        (json!({"previous_response_id": "resp_lost"}), "previous_response_id"),
        (json!({"conversation": {"id": "conv_lost"}}), "conversation.id"),
        (json!({"input": [{"type": "item_reference", "id": "msg_lost"}]}), "input[0].id"),
    ] {
        let answer = ask(&sidecar, &fields).await;

        let error = Asks::Responses.error(&answer);
        assert_eq!((answer.status.as_u16(), &error["code"]), (400, &"unsupported_field".into()), "{field}");
        assert!(error["message"].as_str().is_some_and(|told| told.contains(&format!("`{field}`"))), "{error}");
    }
    assert_eq!((berlin.calls(), paris.calls()), (0, 0));

    let alone = Sidecar::of(&World::of(&[("berlin", &berlin)])).await;
    let answer = ask(&alone, &json!({"previous_response_id": "resp_lost"})).await;
    assert_eq!(answer.json()["id"], "resp_berlin_0");
}

#[tokio::test]
async fn what_would_have_to_be_fetched_later_is_refused_by_name() {
    let paris = keeps("paris").await;
    let sidecar = Sidecar::of(&World::of(&[("paris", &paris)])).await;

    let answer = ask(&sidecar, &json!({"background": true})).await;
    let error = Asks::Responses.error(&answer);
    assert_eq!((answer.status.as_u16(), &error["code"]), (400, &"unsupported_field".into()));
    assert!(error["message"].as_str().is_some_and(|told| told.contains("`background`")), "{error}");

    for (method, path) in [
        ("GET", "/v1/responses/resp_1"),
        ("DELETE", "/v1/responses/resp_1"),
        ("POST", "/v1/responses/resp_1/cancel"),
        ("GET", "/v1/responses/resp_1/input_items"),
    ] {
        let request = Request::builder().method(method).uri(path).header("host", "localhost");
        let answer = sidecar.send(request.body(Full::default()).expect("a request")).await;

        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "unsupported_field"), "{method} {path}");
        let told = answer.json()["error"]["message"].clone();
        assert!(told.as_str().is_some_and(|told| told.contains("`input`")), "{told}");
    }
    assert_eq!(paris.calls(), 0);
    assert_eq!(ask(&sidecar, &json!({"background": false})).await.status, 200);
}

#[tokio::test]
async fn a_provider_of_another_dialect_keeps_nothing_and_is_not_asked_to_go_on() {
    let claude = lotse_tests::Speaks::Anthropic;
    let provider = claude.says("bonjour").await;
    let sidecar = Sidecar::of(&World::default().provider("claude", &claude.url(&provider), claude.spec())).await;

    let answer = ask(&sidecar, &json!({"previous_response_id": "resp_1"})).await;

    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "unsupported_field"), "{}", answer.text());
    assert!(answer.text().contains("`previous_response_id`"), "{}", answer.text());
    assert_eq!(provider.calls(), 0);
}
