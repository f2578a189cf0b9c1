//! Faults that were found by playing the others.

use std::time::Duration;

#[cfg(target_os = "linux")]
use lotse_tests::dns::{FakeResolver, Says};
use lotse_tests::provider::{Step, completion, event, last_chunk};
use lotse_tests::{Asks, FakeProvider, Sidecar, Speaks, World};

use super::gone::{call, flood};
#[cfg(target_os = "linux")]
use super::names::{ONE, at, closes, is_within, says};
use super::waits::{FOR_GOOD, asked_at, refuses, two};

// T89: a picture in base64 may be the first content, and its event larger than a megabyte.
#[tokio::test]
async fn a_first_content_of_three_megabytes_passes() {
    let text = "x".repeat(3 * 1024 * 1024);
    let sent = format!("{}data: [DONE]\n\n", event(&text));
    let pieces = sent.as_bytes().chunks(16 * 1024).map(<[u8]>::to_vec).collect();
    let paris = FakeProvider::streams(pieces, vec![Step::Send(last_chunk())]).await;
    let sidecar = Sidecar::of(&World::of(&[("paris", &paris)])).await;

    let answer = sidecar.stream().await;

    assert_eq!((answer.status.as_u16(), answer.said().len(), answer.is_complete), (200, text.len(), true));
}

// T89: many servers end with `data: [DONE]` and no blank line. It is an end where events are translated, and must be one
// where they pass.
#[tokio::test]
async fn a_last_word_that_only_the_end_of_the_stream_ends_is_a_last_word() {
    for end in ["data: [DONE]", "data: [DONE]\n", "data: [DONE]\r\n", "data: [DONE]\r\r"] {
        let pieces = [event("bonjour"), end.to_owned()].map(String::into_bytes).to_vec();
        let paris = FakeProvider::streams(pieces, vec![Step::Send(last_chunk())]).await;
        let sidecar = Sidecar::of(&World::of(&[("paris", &paris)])).await;
        for asks in [Asks::Messages, Asks::Chat] {
            let answer = sidecar.send(asks.request(true)).await;

            assert_eq!(
                (asks.said(&answer).as_str(), answer.is_complete),
                ("bonjour", true),
                "{asks:?}, {end:?}: {}",
                answer.text()
            );
            assert!(!answer.text().contains("error"), "{asks:?}, {end:?}: {}", answer.text());
        }
    }
}

// T91: `identity` is the word for no coding at all.
#[tokio::test]
async fn an_answer_that_says_it_is_not_coded_is_an_answer() {
    let body = completion("bonjour").to_string();
    let paris = FakeProvider::answers(200, &[("content-encoding", "identity")], &body).await;
    let sidecar = Sidecar::of(&World::of(&[("paris", &paris)])).await;

    let answer = sidecar.chat().await;

    assert_eq!((answer.said().as_str(), answer.header("content-encoding")), ("bonjour", None), "{}", answer.text());
}

// T96: an address that was good a moment ago is better than none.
#[cfg(target_os = "linux")]
#[tokio::test]
#[cfg_attr(not(own_network), ignore = "nobody may make a network here")]
async fn when_nobody_can_be_asked_the_last_good_addresses_are_dialled() {
    if !is_within("faults::found::when_nobody_can_be_asked_the_last_good_addresses_are_dialled") {
        return;
    }
    let one = closes("one", "127.0.0.1:0").await;
    let resolver = FakeResolver::says(says(&[ONE], 0)).await;
    let sidecar = Sidecar::of(&at(&one)).await;
    assert_eq!(sidecar.chat().await.said(), "one");
    for failing in [Says::Fails, Says::Nothing] {
        let what = format!("{failing:?}");
        resolver.now_says(failing);

        let answer = sidecar.chat().await;

        let got = (answer.said(), answer.header("x-lotse-attempts").unwrap_or_default().to_owned());
        assert_eq!(got, ("one".to_owned(), "1".to_owned()), "{what}: {}", answer.text());
    }
    // A name that there is no more is another matter: its address may be somebody else's by now.
    resolver.now_says(Says::NoSuchName);
    let calls = one.calls();
    assert_eq!((sidecar.chat().await.code().as_str(), one.calls()), ("all_providers_failed", calls));
}

// T09: Anthropic's word for a limit that somebody has set on spending.
#[tokio::test]
async fn who_has_reached_a_limit_of_spending_is_left_for_long() {
    let body =
        r#"{"type":"error","error":{"message":"no","type":"rate_limit_error","code":"enforced_spend_limit_reached"}}"#;
    let first = refuses(FOR_GOOD, (429, &[], body)).await;
    let (sidecar, _paris) = two(&first).await;

    let moments = asked_at(&first, &sidecar, Duration::from_millis(1500)).await;

    assert_eq!(moments.len(), 1, "{moments:?}");
}

// What is no number says nothing of repetitions.
#[tokio::test]
async fn a_count_of_repetitions_that_is_no_number_is_none() {
    let paris = FakeProvider::says("bonjour").await;
    let sidecar = Sidecar::of(&World::of(&[("paris", &paris)])).await;
    let body = lotse_tests::sidecar::body(false).to_string();
    for count in ["", "many", "-1", "00"] {
        let headers = [("x-stainless-retry-count", count)];
        let request = lotse_tests::client::post("/v1/chat/completions", &headers, body.clone());
        assert_eq!(sidecar.send(request).await.said(), "bonjour", "{count}");
    }

    sidecar.metric_is("lotse_sdk_retries_total 0").await;
}

// T88, T94: an app that does not read has no more time than any other.
#[tokio::test]
async fn the_calls_time_ends_for_an_app_that_does_not_read_too() {
    let floods = FakeProvider::plays(|_| flood()).await;
    let sidecar = Sidecar::of(&World::of(&[("floods", &floods)]).route("timeouts: {totalSeconds: 1}")).await;
    let _app = call(sidecar.running().calls[0], true).await;

    floods.is_left_within(Duration::from_secs(3)).await;
}

// T27: half an event is none, and no app can read it.
#[tokio::test]
async fn a_clean_end_in_an_event_passes_no_half_of_it() {
    for speaks in [Speaks::Anthropic, Speaks::Gemini] {
        for asks in Asks::ALL {
            let half = speaks.piece("never");
            let pieces = vec![speaks.opening(), speaks.piece("bonjour"), half[..half.len() - 20].to_vec()];
            let cut = speaks.streams(pieces).await;
            let sidecar = Sidecar::of(&World::default().provider("cut", &speaks.url(&cut), speaks.spec())).await;

            let answer = sidecar.send(asks.request(true)).await;

            let what = format!("{speaks:?} for {asks:?}: {}", answer.text());
            assert_eq!((asks.said(&answer).as_str(), answer.is_complete), ("bonjour", false), "{what}");
            assert!(answer.named_events().iter().all(|(_, event)| event.is_object()), "{what}");
            asks.last_error(&answer);
        }
    }
    let half = event("never");
    let pieces = [event("bonjour"), half[..half.len() - 20].to_owned()].map(String::into_bytes).to_vec();
    let cut = FakeProvider::streams(pieces, vec![Step::Send(last_chunk())]).await;
    let answer = Sidecar::of(&World::of(&[("cut", &cut)])).await.stream().await;
    assert!(answer.named_events().iter().all(|(_, event)| event.is_object()), "{}", answer.text());
}

// T83: a wait without end is no reason to stop.
#[tokio::test]
async fn a_wait_of_as_many_seconds_as_there_are_is_a_day() {
    let info =
        r#"{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": {"seconds": 18446744073709551615}}"#;
    let body = format!(r#"{{"error": {{"code": 429, "status": "RESOURCE_EXHAUSTED", "details": [{info}]}}}}"#);
    let paris = FakeProvider::answers(200, &[], &body).await;
    let sidecar = Sidecar::of(&World::of(&[("paris", &paris)])).await;

    let answer = sidecar.chat().await;

    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, Some("86400")), "{}", answer.text());
    assert_eq!(sidecar.chat().await.status, 429);
}
