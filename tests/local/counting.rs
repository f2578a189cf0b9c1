//! How many tokens a call has, and which models there are, as an Anthropic SDK asks.

use http::Request;
use http_body_util::Full;
use lotse_tests::client::post;
use lotse_tests::{Asks, FakeProvider, Sidecar, Speaks, World};
use serde_json::{Value, json};

const COUNT: &str = "/v1/messages/count_tokens";

fn question(words: usize) -> String {
    json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "word ".repeat(words)}]}).to_string()
}

#[tokio::test]
async fn a_provider_that_counts_is_asked() {
    let claude = FakeProvider::answers(200, &[], r#"{"input_tokens": 2095}"#).await;
    let paris = FakeProvider::says("never").await;
    let world = World::default().provider("paris", &paris.url(), "").provider(
        "claude",
        &Speaks::Anthropic.url(&claude),
        Speaks::Anthropic.spec(),
    );
    let sidecar = Sidecar::of(&world).await;

    let answer = sidecar.send(post(COUNT, &[("anthropic-version", "2023-06-01")], question(5))).await;

    assert_eq!((answer.status.as_u16(), &answer.json()["input_tokens"]), (200, &json!(2095)), "{}", answer.text());
    assert_eq!(answer.header("x-lotse-estimated"), None);
    assert_eq!(answer.header("x-lotse-provider"), Some("lotse-system/claude"));
    assert_eq!(
        claude.last().json(),
        serde_json::from_str::<Value>(&question(5).replace("gpt-4o", "upstream")).unwrap_or_default()
    );
    assert!(claude.last().head.starts_with("POST /v1/messages/count_tokens HTTP/1.1\r\n"));
    assert_eq!((claude.calls(), paris.calls()), (1, 0));
}

#[tokio::test]
async fn where_nobody_counts_the_answer_is_an_estimate_and_says_so() {
    for speaks in [None, Some(Speaks::Gemini), Some(Speaks::Bedrock)] {
        let provider = FakeProvider::says("never").await;
        let (url, spec) = speaks.map_or((provider.url(), ""), |speaks| (speaks.url(&provider), speaks.spec()));
        let sidecar = Sidecar::of(&World::default().provider("p", &url, spec)).await;
        let count = async |words| {
            let answer = sidecar.send(post(COUNT, &[], question(words))).await;
            assert_eq!((answer.status.as_u16(), answer.header("x-lotse-estimated")), (200, Some("true")), "{speaks:?}");
            assert_eq!(answer.header("x-lotse-attempts"), Some("0"), "{speaks:?}");
            answer.json()["input_tokens"].as_u64().expect("a number")
        };

        let (few, many) = (count(10).await, count(1000).await);

        assert!((10..60).contains(&few) && (900..2000).contains(&many), "{speaks:?}: {few}, {many}");
        assert_eq!(provider.calls(), 0, "{speaks:?}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_count_is_told_in_anthropics_shape() {
    let paris = FakeProvider::says("never").await;
    let sidecar = Sidecar::of(&World::of(&[("paris", &paris)])).await;
    for (body, status, code) in [
        (r#"{"model":"gpt-4o","messages":7}"#, 400, "invalid_request"),
        (r#"{"model":"nobody","messages":[]}"#, 404, "model_not_found"),
    ] {
        let answer = sidecar.send(post(COUNT, &[], body)).await;

        assert_eq!((answer.status.as_u16(), &Asks::Messages.error(&answer)["code"]), (status, &json!(code)));
    }
}

fn models(headers: &[(&str, &str)]) -> Request<Full<bytes::Bytes>> {
    let mut request = Request::get("/v1/models").header("host", "localhost");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::default()).expect("a request")
}

#[tokio::test]
async fn models_are_listed_in_the_shape_of_who_asks() {
    let paris = FakeProvider::says("never").await;
    let second = lotse_tests::manifests::object(
        "ModelRoute",
        "app",
        "second",
        "models: [claude-opus, \"many/*\"]\ntiers: [{targets: [{model: m}]}]",
    );
    let sidecar = Sidecar::of(&World::of(&[("paris", &paris)]).file("second.yaml", &second)).await;

    let openai = sidecar.send(models(&[])).await.json();
    let anthropic = sidecar.send(models(&[("anthropic-version", "2023-06-01"), ("x-api-key", "k")])).await.json();

    assert_eq!((&openai["object"], &openai["data"][0]["object"]), (&json!("list"), &json!("model")));
    assert_eq!((&openai["data"][0]["id"], openai["data"].as_array().map(Vec::len)), (&json!("claude-opus"), Some(2)));
    let ids: Vec<&str> =
        anthropic["data"].as_array().into_iter().flatten().filter_map(|model| model["id"].as_str()).collect();
    assert_eq!(ids, ["claude-opus", "gpt-4o"]);
    let first = &anthropic["data"][0];
    assert_eq!((&first["type"], &first["display_name"]), (&json!("model"), &json!("claude-opus")));
    assert!(first["created_at"].as_str().is_some_and(|at| at.ends_with('Z')));
    assert_eq!(
        (&anthropic["has_more"], &anthropic["first_id"], &anthropic["last_id"]),
        (&json!(false), &json!("claude-opus"), &json!("gpt-4o"))
    );
    assert_eq!(anthropic.get("object"), None);
}

#[tokio::test]
async fn that_there_are_no_models_is_told_in_the_shape_of_who_asks() {
    let sidecar = Sidecar::of(&World::default().policies(&[])).await;

    let answer = sidecar.send(models(&[("anthropic-version", "2023-06-01")])).await;

    assert_eq!((answer.status.as_u16(), &Asks::Messages.error(&answer)["code"]), (403, &json!("no_data_policy")));
}
