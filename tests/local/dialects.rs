//! Every dialect of an app against every other of a provider: answers and streams arrive in the app's own dialect, and so
//! does everything that goes wrong on the way.

use lotse_tests::client::Answer;
use lotse_tests::manifests::policy;
use lotse_tests::{Asks, FakeProvider, Sidecar, Speaks, World};
use serde_json::json;

/// A provider that speaks a dialect, and behind it one that speaks Gemini's.
async fn before_another(speaks: Speaks, first: &FakeProvider, second: &FakeProvider) -> Sidecar {
    let another = Speaks::Gemini;
    let world = World::default().provider("first", &speaks.url(first), speaks.spec());
    Sidecar::of(&world.provider("second", &another.url(second), another.spec())).await
}

/// A provider that speaks a dialect, alone.
async fn alone(speaks: Speaks, provider: &FakeProvider) -> Sidecar {
    Sidecar::of(&World::default().provider("only", &speaks.url(provider), speaks.spec())).await
}

/// All pairs of a provider's and an app's dialect in which something is translated.
fn pairs() -> impl Iterator<Item = (Speaks, Asks)> {
    let is_translated = |(speaks, asks): &(Speaks, Asks)| (*speaks, *asks) != (Speaks::Anthropic, Asks::Messages);
    all_pairs().filter(is_translated)
}

fn all_pairs() -> impl Iterator<Item = (Speaks, Asks)> {
    Speaks::ALL.into_iter().flat_map(|speaks| Asks::ALL.into_iter().map(move |asks| (speaks, asks)))
}

/// What came before a stream broke is there, and its transport ends as no whole answer does.
fn is_cut(asks: Asks, answer: &Answer, what: &str) {
    assert_eq!((answer.status.as_u16(), asks.said(answer).as_str()), (200, "bon"), "{what}: {}", answer.text());
    assert!(!answer.is_complete, "{what}: {}", answer.text());
}

#[tokio::test]
async fn an_answer_and_a_stream_of_each_dialect_arrive_in_each() {
    for (speaks, asks) in all_pairs() {
        let provider = speaks.says("bonjour").await;
        let sidecar = alone(speaks, &provider).await;
        let what = format!("{speaks:?} for {asks:?}");

        let whole = sidecar.send(asks.request(false)).await;
        assert!(!speaks.wants_stream(&provider.last()), "{what}");
        assert_eq!((whole.status.as_u16(), asks.said(&whole).as_str()), (200, "bonjour"), "{what}: {}", whole.text());
        assert_eq!(whole.json()["provider"], "lotse-system/only", "{what}");

        let stream = sidecar.send(asks.request(true)).await;
        assert!(speaks.wants_stream(&provider.last()), "{what}");
        assert_eq!((stream.status.as_u16(), asks.said(&stream).as_str()), (200, "bonjour"), "{what}");
        assert!(stream.is_complete && asks.ends_well(&stream), "{what}: {}", stream.text());
        assert_eq!(stream.header("content-type"), Some("text/event-stream; charset=utf-8"), "{what}");
        assert_eq!(provider.calls(), 2, "{what}");
    }
}

#[tokio::test]
async fn an_unknown_model_is_told_in_each_dialect() {
    let paris = FakeProvider::says("bonjour").await;
    let sidecar = Sidecar::of(&World::of(&[("paris", &paris)])).await;
    for (asks, kind) in [
        (Asks::Chat, "invalid_request_error"),
        (Asks::Completions, "invalid_request_error"),
        (Asks::Responses, "invalid_request_error"),
        (Asks::Messages, "not_found_error"),
    ] {
        for stream in [false, true] {
            let answer = sidecar.send(asks.of("nobody", stream)).await;

            let error = asks.error(&answer);
            assert_eq!((answer.status.as_u16(), &error["code"]), (404, &json!("model_not_found")), "{asks:?}");
            assert_eq!(error["type"], kind, "{asks:?}");
        }
    }
    assert_eq!(paris.calls(), 0);
}

#[tokio::test]
async fn a_refusal_by_policy_is_told_in_each_dialect_with_its_reasons() {
    let paris = FakeProvider::says("bonjour").await;
    let world = World::of(&[("paris", &paris)]).policies(&[policy("lotse-system", "eu", "inferenceRegions: [EU]")]);
    let sidecar = Sidecar::of(&world).await;
    for asks in Asks::ALL {
        for stream in [false, true] {
            let answer = sidecar.send(asks.request(stream)).await;

            let error = asks.error(&answer);
            assert_eq!((answer.status.as_u16(), &error["code"]), (403, &json!("policy_denied")), "{asks:?}");
            assert_eq!(error["type"], "permission_error", "{asks:?}");
            assert_eq!(error["metadata"]["excluded"][0]["policy"], "lotse-system/eu", "{asks:?}");
        }
    }
    assert_eq!(paris.calls(), 0);
}

#[tokio::test]
async fn that_all_providers_failed_is_told_in_each_dialect_with_the_attempts() {
    for (speaks, asks) in all_pairs() {
        let ill = FakeProvider::answers(500, &[], "{\"message\":\"canary\"}").await;
        for stream in [false, true] {
            let answer = alone(speaks, &ill).await.send(asks.request(stream)).await;

            let (error, what) = (asks.error(&answer), format!("{speaks:?} for {asks:?}"));
            assert_eq!((answer.status.as_u16(), &error["code"]), (502, &json!("all_providers_failed")), "{what}");
            let kind = if asks == Asks::Messages { "api_error" } else { "server_error" };
            assert_eq!(error["type"], kind, "{what}");
            let attempt = &error["metadata"]["attempts"][0];
            assert_eq!((&attempt["code"], &attempt["status"]), (&json!("server_error"), &json!(500)), "{what}");
            assert!(!answer.text().contains("canary"), "{what}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn what_a_provider_of_another_dialect_refuses_comes_back_in_the_callers_and_names_the_provider() {
    for (speaks, asks) in pairs() {
        let body = speaks.refusal("the temperature is out of range").to_string();
        let strict = FakeProvider::answers(400, &[("x-amzn-errortype", "ValidationException")], &body).await;
        let second = FakeProvider::says("never").await;
        for stream in [false, true] {
            let answer = before_another(speaks, &strict, &second).await.send(asks.request(stream)).await;

            let (error, what) = (asks.error(&answer), format!("{speaks:?} for {asks:?}: {}", answer.text()));
            assert_eq!((answer.status.as_u16(), &error["type"]), (400, &json!("invalid_request_error")), "{what}");
            assert_eq!(error["message"], "lotse-system/first: the temperature is out of range", "{what}");
            assert_eq!(answer.header("x-should-retry"), Some("false"), "{what}");
        }
        assert_eq!((strict.calls(), second.calls()), (2, 0), "{speaks:?} for {asks:?}");
    }
}

#[tokio::test]
async fn a_stream_that_breaks_off_after_content_ends_with_an_error_in_the_callers_dialect() {
    for (speaks, asks) in all_pairs() {
        let begun = vec![speaks.opening(), speaks.piece("bon")];
        let second = FakeProvider::says("never").await;
        for (what, cut) in
            [("broken", speaks.breaks_off(begun.clone()).await), ("ended", speaks.streams(begun.clone()).await)]
        {
            let answer = before_another(speaks, &cut, &second).await.send(asks.request(true)).await;

            let what = format!("{what} {speaks:?} for {asks:?}");
            is_cut(asks, &answer, &what);
            let error = asks.last_error(&answer);
            assert!(error["message"].as_str().is_some_and(|message| message.contains("incomplete")), "{what}: {error}");
        }
        assert_eq!(second.calls(), 0, "{speaks:?} for {asks:?}");
    }
}

#[tokio::test]
async fn an_error_in_a_stream_before_content_goes_to_the_next_candidate() {
    for (speaks, asks) in all_pairs() {
        let busy = speaks.streams(vec![speaks.opening(), speaks.error("canary")]).await;
        let second = Speaks::Gemini.says("bonjour").await;

        let sidecar = before_another(speaks, &busy, &second).await;
        let answer = sidecar.send(asks.request(true)).await;

        let what = format!("{speaks:?} for {asks:?}: {}", answer.text());
        assert_eq!((answer.header("x-lotse-attempts"), busy.calls()), (Some("2"), 1), "{what}");
        assert_eq!(answer.header("x-lotse-provider"), Some("lotse-system/second"), "{what}");
        assert!(!answer.text().contains("canary"), "{what}");
        let read = r#"lotse_attempts_total{provider="lotse-system/first",model="m",code="overloaded"} 1"#;
        sidecar.metric_is(read).await;
        assert_eq!((asks.said(&answer).as_str(), asks.ends_well(&answer)), ("bonjour", true), "{what}");
    }
}

#[tokio::test]
async fn an_error_in_a_stream_after_content_is_told_once_in_the_callers_dialect() {
    for (speaks, asks) in all_pairs() {
        let busy = speaks.streams(vec![speaks.opening(), speaks.piece("bon"), speaks.error("out of luck")]).await;
        let second = FakeProvider::says("never").await;

        let answer = before_another(speaks, &busy, &second).await.send(asks.request(true)).await;

        let what = format!("{speaks:?} for {asks:?}: {}", answer.text());
        assert_eq!((answer.status.as_u16(), asks.said(&answer).as_str()), (200, "bon"), "{what}");
        assert_eq!(asks.last_error(&answer)["message"], "out of luck", "{what}");
        // What passes in the caller's own dialect ends as the provider ends it.
        let passes = (speaks, asks) == (Speaks::Anthropic, Asks::Messages);
        assert!(passes || !answer.is_complete, "{what}");
        let errors = answer.named_events().iter().filter(|(name, _)| name == "error").count();
        assert!(errors <= 1, "{what}");
        assert_eq!(second.calls(), 0, "{what}");
    }
}

#[tokio::test]
async fn a_malformed_piece_before_content_goes_to_the_next_candidate() {
    for (speaks, asks) in all_pairs() {
        let ill = speaks.streams(vec![speaks.opening(), speaks.garbage(), speaks.piece("bon")]).await;
        let second = Speaks::Gemini.says("bonjour").await;

        let answer = before_another(speaks, &ill, &second).await.send(asks.request(true)).await;

        let what = format!("{speaks:?} for {asks:?}: {}", answer.text());
        assert_eq!((answer.header("x-lotse-attempts"), ill.calls()), (Some("2"), 1), "{what}");
        assert_eq!((asks.said(&answer).as_str(), asks.ends_well(&answer)), ("bonjour", true), "{what}");
        assert!(answer.is_complete && !answer.text().contains("html"), "{what}");
    }
}

#[tokio::test]
async fn a_malformed_piece_after_content_ends_the_stream_with_an_error_in_the_callers_dialect() {
    for (speaks, asks) in pairs() {
        let ill = speaks.streams(vec![speaks.opening(), speaks.piece("bon"), speaks.garbage(), speaks.ending()]).await;
        let second = FakeProvider::says("never").await;

        let answer = before_another(speaks, &ill, &second).await.send(asks.request(true)).await;

        let what = format!("{speaks:?} for {asks:?}");
        is_cut(asks, &answer, &what);
        asks.last_error(&answer);
        assert!(!answer.text().contains("<html>"), "{what}: {}", answer.text());
        assert_eq!(second.calls(), 0, "{what}");
    }
}

#[tokio::test]
async fn a_binary_stream_may_be_split_at_any_byte() {
    let speaks = Speaks::Bedrock;
    let whole = [speaks.opening(), speaks.piece("bon"), speaks.piece("jour"), speaks.ending()].concat();
    let bytewise = speaks.streams(whole.iter().map(|byte| vec![*byte]).collect()).await;
    let expected = alone(speaks, &bytewise).await.send(Asks::Chat.request(true)).await;
    assert_eq!(Asks::Chat.said(&expected), "bonjour");

    for cut in (1..whole.len()).step_by(37) {
        let halves = speaks.streams(vec![whole[..cut].to_vec(), whole[cut..].to_vec()]).await;
        let answer = alone(speaks, &halves).await.send(Asks::Chat.request(true)).await;

        assert_eq!((Asks::Chat.said(&answer).as_str(), answer.is_complete), ("bonjour", true), "{cut}");
    }
    let cut = speaks.streams(vec![whole[..whole.len() - 3].to_vec()]).await;
    let answer = alone(speaks, &cut).await.send(Asks::Chat.request(true)).await;
    assert!(!answer.is_complete && !Asks::Chat.ends_well(&answer), "{}", answer.text());
}

#[tokio::test]
async fn a_body_of_another_kind_is_no_stream() {
    for (speaks, asks) in all_pairs() {
        let answers_whole = FakeProvider::answers(200, &[], &speaks.whole("bonjour").to_string()).await;

        let answer = alone(speaks, &answers_whole).await.send(asks.request(true)).await;

        let error = asks.error(&answer);
        assert_eq!(error["metadata"]["attempts"][0]["code"], "broken_answer", "{speaks:?} for {asks:?}: {error}");
    }
}
