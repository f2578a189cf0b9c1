//! Streams: held until their first content, then passed byte by byte, and never ended cleanly when they were cut.

use std::time::Duration;

use http_body_util::BodyExt;
use lotse_tests::provider::{Step, chunk, event, events, last_chunk, stream, stream_head};
use lotse_tests::{FakeProvider, Sidecar, World};

/// A stream of these pieces, each an HTTP chunk, that ends as told.
async fn pieces(pieces: Vec<Vec<u8>>, end: Vec<Step>) -> FakeProvider {
    FakeProvider::plays(move |_| {
        let mut steps = vec![Step::Send(stream_head())];
        steps.extend(pieces.iter().map(|piece| Step::Send(chunk(piece))));
        steps.extend(end.clone());
        steps
    })
    .await
}

fn ends() -> Vec<Step> {
    vec![Step::Send(last_chunk())]
}

#[tokio::test]
async fn a_stream_passes_as_it_came_but_for_its_usage() {
    let paris = FakeProvider::says("bonjour tout le monde").await;
    let priced =
        "models: [{name: m, upstreamName: upstream, price: {inputPerMillion: \"2\", outputPerMillion: \"6\"}}]";
    let sidecar = Sidecar::of(&World::default().provider("paris", &paris.url(), priced)).await;

    let answer = sidecar.asks_stream(&serde_json::json!({"stream_options": {"include_usage": true}})).await;

    assert!(answer.is_complete);
    assert_eq!(answer.said(), "bonjour tout le monde");
    assert_eq!(answer.header("content-type"), Some("text/event-stream; charset=utf-8"));
    let sent = events("bonjour tout le monde");
    let usage = sent.len() - 2;
    let unchanged: String =
        sent.iter().enumerate().filter(|(at, _)| *at != usage).map(|(_, event)| event.as_str()).collect();
    let got: String = answer.text().split_inclusive("\n\n").filter(|event| !event.contains("\"cost\"")).collect();
    assert_eq!(got, unchanged);
    let usage = answer.events().pop().expect("a usage");
    assert_eq!((&usage["provider"], &usage["usage"]["cost"]), (&"lotse-system/paris".into(), &50e-6.into()));
}

#[tokio::test]
async fn an_event_may_be_split_at_any_byte() {
    let whole: Vec<u8> = events("gr\u{fc}\u{df}e \u{20ac}").concat().into_bytes();
    let (one, rest) = (whole.iter().map(|byte| vec![*byte]).collect(), whole.clone());
    let bytewise = pieces(one, ends()).await;
    let sidecar = Sidecar::of(&World::of(&[("bytewise", &bytewise)])).await;
    let expected = sidecar.stream().await;
    assert_eq!(expected.said(), "gr\u{fc}\u{df}e \u{20ac}");

    for cut in (1..rest.len()).step_by(7) {
        let cut = pieces(vec![rest[..cut].to_vec(), rest[cut..].to_vec()], ends()).await;
        let sidecar = Sidecar::of(&World::of(&[("bytewise", &cut)])).await;
        assert_eq!(sidecar.stream().await.body, expected.body);
    }
}

#[tokio::test]
async fn carriage_returns_comments_and_named_events_pass_too() {
    let text = events("bonjour").concat().replace('\n', "\r\n");
    let crlf =
        pieces(vec![b": ping\r\n\r\n".to_vec(), b"event: message\r\n".to_vec(), text.clone().into_bytes()], ends())
            .await;
    let sidecar = Sidecar::of(&World::of(&[("crlf", &crlf)])).await;

    let answer = sidecar.stream().await;

    assert!(answer.is_complete);
    assert!(answer.text().starts_with(": ping\r\n\r\nevent: message\r\ndata: "));
    assert!(answer.text().ends_with("data: [DONE]\r\n\r\n"));
}

#[tokio::test]
async fn a_stream_that_breaks_before_its_first_content_goes_to_the_next_candidate() {
    let role = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
    let overloaded = "data: {\"error\":{\"type\":\"overloaded_error\",\"message\":\"later\"}}\n\n";
    let stop = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    let ill = [
        pieces(vec![role.into()], vec![Step::Close]).await,
        pieces(vec![role.into()], ends()).await,
        pieces(vec![role.into(), stop.into()], ends()).await,
        pieces(vec![overloaded.into()], ends()).await,
        pieces(vec![b"<html>no</html>\n\n".to_vec(), b"data: <html>\n\n".to_vec()], ends()).await,
        pieces(vec![], ends()).await,
        FakeProvider::answers(200, &[], "{\"choices\":[]}").await,
    ];
    let paris = FakeProvider::says("bonjour").await;
    let world = ill
        .iter()
        .enumerate()
        .fold(World::default(), |world, (at, ill)| world.provider(&format!("ill-{at}"), &ill.url(), ""));
    let sidecar = Sidecar::of(&world.provider("paris", &paris.url(), "")).await;

    let answer = sidecar.stream().await;

    assert_eq!(answer.said(), "bonjour");
    assert_eq!(answer.header("x-lotse-attempts"), Some("8"));
    assert!(!answer.text().contains("later"));
}

#[tokio::test]
async fn a_stream_that_is_cut_after_its_first_content_ends_with_an_error_and_a_broken_transport() {
    let begun = vec![event("bon").into_bytes(), event("jour").into_bytes()];
    let stop = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n".as_bytes().to_vec();
    let finished = [begun.clone(), vec![stop]].concat();
    let paris = FakeProvider::says("never").await;
    for (what, cut) in [
        ("closed", pieces(begun.clone(), vec![Step::Close]).await),
        ("ended without [DONE]", pieces(begun, ends()).await),
        ("finished without [DONE]", pieces(finished, ends()).await),
    ] {
        let sidecar = Sidecar::of(&World::of(&[("cut", &cut), ("paris", &paris)])).await;

        let answer = sidecar.stream().await;

        assert_eq!(answer.status, 200, "{what}");
        assert!(!answer.is_complete, "{what}");
        assert_eq!(answer.said(), "bonjour", "{what}");
        assert_eq!(answer.code(), "all_providers_failed", "{what}");
        assert!(!answer.text().contains("[DONE]"), "{what}");
    }
    assert_eq!(paris.calls(), 0);
}

#[tokio::test]
async fn an_error_after_content_is_passed_on_once() {
    let error = "data: {\"error\":{\"message\":\"out of memory\",\"code\":\"x\"}}\n\n".as_bytes().to_vec();
    let errs = pieces(vec![event("bon").into_bytes(), error], ends()).await;
    let sidecar = Sidecar::of(&World::of(&[("errs", &errs)])).await;

    let answer = sidecar.stream().await;

    assert!(!answer.is_complete);
    assert_eq!(answer.text().matches("\"error\"").count(), 1);
    assert!(answer.text().contains("out of memory"));
}

#[tokio::test]
async fn silence_after_the_first_content_cuts_the_stream() {
    let silent = pieces(vec![event("bon").into_bytes()], vec![Step::Hang]).await;
    let sidecar = Sidecar::of(&World::of(&[("silent", &silent)]).route("timeouts: {idleMilliseconds: 100}")).await;

    let answer = sidecar.stream().await;

    assert!(!answer.is_complete);
    assert_eq!(answer.events().pop().expect("an error")["error"]["metadata"]["attempts"][0]["code"], "timeout");
    silent.is_left_alone().await;
}

#[tokio::test]
async fn every_piece_begins_the_idle_time_anew() {
    let slow = FakeProvider::plays(|_| {
        let pause = Step::Wait(Duration::from_millis(60));
        let calm = stream("one two three four five six").into_iter();
        calm.flat_map(|step| [step, pause.clone()]).collect()
    })
    .await;
    let sidecar = Sidecar::of(&World::of(&[("slow", &slow)]).route("timeouts: {idleMilliseconds: 400}")).await;

    let answer = sidecar.stream().await;

    assert!(answer.is_complete);
    assert_eq!(answer.said(), "one two three four five six");
}

#[tokio::test]
async fn an_app_that_goes_away_mid_stream_drops_the_providers_call_at_once() {
    let endless = pieces(vec![event("bon").into_bytes()], vec![Step::Hang]).await;
    let sidecar = Sidecar::of(&World::of(&[("endless", &endless)])).await;
    let mut answer = sidecar.open_stream().await;
    let first = answer.body_mut().frame().await.expect("a frame").expect("content");
    assert!(first.data_ref().is_some_and(|bytes| bytes.starts_with(b"data: ")));

    drop(answer);

    endless.is_left_alone().await;
    sidecar
        .metric_is(
            "lotse_calls_total{route=\"lotse-system/route\",provider=\"lotse-system/endless\",code=\"client_gone\"} 1",
        )
        .await;
}

#[tokio::test]
async fn the_first_content_reaches_the_app_before_the_stream_goes_on() {
    let endless = pieces(vec![event("bon").into_bytes()], vec![Step::Hang]).await;
    let sidecar = Sidecar::of(&World::of(&[("endless", &endless)])).await;

    let mut answer = sidecar.open_stream().await;
    let first = answer.body_mut().frame().await.expect("a frame").expect("content");

    assert_eq!(first.data_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned()), Some(event("bon")));
}

#[tokio::test]
async fn an_empty_answer_that_ends_properly_is_an_answer() {
    let stop = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"content_filter\"}]}\n\n".as_bytes().to_vec();
    let empty = pieces(vec![stop, b"data: [DONE]\n\n".to_vec()], ends()).await;
    let sidecar = Sidecar::of(&World::of(&[("empty", &empty)])).await;

    let answer = sidecar.stream().await;

    assert!(answer.is_complete);
    assert!(answer.text().contains("content_filter") && answer.text().ends_with("data: [DONE]\n\n"));
}

#[tokio::test]
async fn a_simulated_provider_is_slow_wrong_or_cut_as_told() {
    let simulated = |name: &str, spec: &str| {
        let spec = format!(
            "vendor: example\napi: Simulated\nconsumers: {{namespaceSelector: {{}}}}\nmodels: [{{name: m}}]\nsimulated: {{answer: one two three four five, {spec}}}"
        );
        lotse_tests::manifests::object("LLMProvider", "lotse-system", name, &spec)
    };
    let world = |provider: &str| World::default().file("simulated.yaml", provider).tiers("- {targets: [{model: m}]}");

    let sidecar = Sidecar::of(&world(&simulated("s", "firstContentMilliseconds: 10, tokensPerSecond: 1000"))).await;
    assert_eq!(sidecar.stream().await.said(), "one two three four five");
    assert_eq!(sidecar.chat().await.said(), "one two three four five");

    let sidecar = Sidecar::of(&world(&simulated("s", "errorPercent: 100, errorStatus: 529"))).await;
    assert_eq!(sidecar.chat().await.json()["error"]["metadata"]["attempts"][0]["status"], 529);

    let sidecar = Sidecar::of(&world(&simulated("s", "cutPercent: 100, cutAfterTokens: 2"))).await;
    let cut = sidecar.stream().await;
    assert_eq!((cut.said().as_str(), cut.is_complete), ("one two ", false));

    let sidecar = Sidecar::of(&world(&simulated("s", "cutPercent: 100, cutAfterTokens: 0"))).await;
    assert_eq!(sidecar.stream().await.status, 502);
}
