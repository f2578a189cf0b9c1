//! Providers that ask to wait are left in peace until their time is over, as long as another can answer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lotse_tests::provider::{Asked, Step, response, stream, whole};
use lotse_tests::{FakeProvider, Sidecar, World};

const SLOW_DOWN: &str = r#"{"error":{"message":"slow down","type":"rate_limit_error","code":"rate_limit_exceeded"}}"#;
/// More than any test lasts.
pub(super) const FOR_GOOD: usize = usize::MAX;

/// A status, headers and a body.
type Refusal = (u16, &'static [(&'static str, &'static str)], &'static str);

/// A provider that refuses its first calls so, and then answers.
pub(super) async fn refuses(times: usize, (status, headers, body): Refusal) -> FakeProvider {
    let calls = AtomicUsize::new(0);
    FakeProvider::plays(move |asked: &Asked| {
        if calls.fetch_add(1, Ordering::SeqCst) < times {
            vec![Step::Send(response(status, headers, body))]
        } else if asked.wants_stream() {
            stream("bonjour")
        } else {
            whole("bonjour")
        }
    })
    .await
}

/// When the provider was asked, as seen by an app that asks all the time: for so long, or until it answers.
pub(super) async fn asked_at(provider: &FakeProvider, sidecar: &Sidecar, time: Duration) -> Vec<Duration> {
    let began = Instant::now();
    let mut moments = Vec::new();
    let mut pace = tokio::time::interval(Duration::from_millis(25));
    while began.elapsed() < time {
        pace.tick().await;
        let before = provider.calls();
        let at = began.elapsed();
        let answer = sidecar.chat().await;
        assert_eq!(answer.status, 200, "another can answer: {}", answer.text());
        if provider.calls() > before {
            moments.push(at);
        }
        if answer.said() == "bonjour" {
            break;
        }
    }
    moments
}

pub(super) async fn two(first: &FakeProvider) -> (Sidecar, FakeProvider) {
    let paris = FakeProvider::says("salut").await;
    (Sidecar::of(&World::of(&[("first", first), ("paris", &paris)])).await, paris)
}

// T07, T08.
#[tokio::test]
async fn who_asks_to_wait_is_not_asked_again_before_its_time_while_another_can_answer() {
    for headers in
        [&[("retry-after", "30")][..], &[("retry-after-ms", "30000")], &[("x-ratelimit-reset-requests", "30s")]]
    {
        let first = refuses(FOR_GOOD, (429, headers, SLOW_DOWN)).await;
        let (sidecar, paris) = two(&first).await;

        for call in 0..6 {
            let answer = if call % 2 == 0 { sidecar.chat().await } else { sidecar.stream().await };
            let attempts = if call == 0 { "2" } else { "1" };
            assert_eq!(
                (answer.said().as_str(), answer.header("x-lotse-attempts")),
                ("salut", Some(attempts)),
                "{headers:?}"
            );
        }

        assert_eq!((first.calls(), paris.calls()), (1, 6), "{headers:?}");
    }
}

// T07: and when the time is over, it is.
#[tokio::test]
async fn who_asked_to_wait_is_asked_again_when_its_time_is_over() {
    let first = refuses(1, (429, &[("retry-after-ms", "600")], SLOW_DOWN)).await;
    let (sidecar, _paris) = two(&first).await;

    let moments = asked_at(&first, &sidecar, Duration::from_secs(5)).await;

    assert_eq!(moments.len(), 2, "{moments:?}");
    let waited = moments[1].saturating_sub(moments[0]).as_millis();
    assert!((550..1500).contains(&waited), "{moments:?}");
}

// T07: without a word about it, a second, then two.
#[tokio::test]
async fn who_does_not_say_how_long_is_left_for_a_second_and_then_for_twice_as_long() {
    let first = refuses(2, (429, &[], SLOW_DOWN)).await;
    let (sidecar, _paris) = two(&first).await;

    let moments = asked_at(&first, &sidecar, Duration::from_secs(8)).await;

    assert_eq!(moments.len(), 3, "{moments:?}");
    let waited = [0, 1].map(|at| moments[at + 1].saturating_sub(moments[at]).as_millis());
    assert!((900..1800).contains(&waited[0]) && (1900..3200).contains(&waited[1]), "{waited:?}");
}

// T08: with nobody else to ask, whoever asks to wait is asked all the same.
#[tokio::test]
async fn who_asks_to_wait_is_still_asked_when_nobody_else_can_answer() {
    let first = refuses(1, (429, &[("retry-after", "30")], SLOW_DOWN)).await;
    let ill = FakeProvider::refuses(500).await;
    let sidecar = Sidecar::of(&World::of(&[("first", &first), ("ill", &ill)])).await;
    assert_eq!(sidecar.chat().await.code(), "all_providers_failed");

    let answer = sidecar.chat().await;

    assert_eq!((answer.said().as_str(), answer.header("x-lotse-attempts")), ("bonjour", Some("2")));
    assert_eq!((first.calls(), ill.calls()), (2, 2));
}

// T09: money that is spent does not come back in a second.
#[tokio::test]
async fn whose_money_is_spent_is_left_for_long_unless_it_says_for_how_long() {
    let spent: [(&str, Refusal); 4] = [
        (
            "a code",
            (
                429,
                &[],
                r#"{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","code":"insufficient_quota"}}"#,
            ),
        ),
        (
            "a sentence",
            (
                429,
                &[],
                r#"{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"x","code":null}}"#,
            ),
        ),
        ("a bill", (402, &[], r#"{"error":{"message":"Insufficient credits","code":402}}"#)),
        ("its type", (429, &[], r#"{"error":{"message":"no","type":"insufficient_quota","code":null}}"#)),
    ];
    let left = spent.map(async |(what, refusal)| {
        let first = refuses(FOR_GOOD, refusal).await;
        let (sidecar, _paris) = two(&first).await;
        let moments = asked_at(&first, &sidecar, Duration::from_millis(2500)).await;
        assert_eq!(moments.len(), 1, "{what}: {moments:?}");
    });
    futures::future::join_all(left).await;

    let body = r#"{"error":{"message":"no","type":"insufficient_quota","code":"insufficient_quota"}}"#;
    let first = refuses(1, (429, &[("retry-after-ms", "600")], body)).await;
    let (sidecar, _paris) = two(&first).await;
    let moments = asked_at(&first, &sidecar, Duration::from_secs(5)).await;
    assert_eq!(moments.len(), 2, "{moments:?}");
}

// T09: with nobody else, no repetition of an SDK mends it.
#[tokio::test]
async fn that_money_is_spent_is_not_told_as_something_to_repeat() {
    let body = r#"{"error":{"message":"no","type":"insufficient_quota","code":"insufficient_quota"}}"#;
    let spent = FakeProvider::answers(429, &[], body).await;
    let sidecar = Sidecar::of(&World::of(&[("spent", &spent)])).await;

    let answer = sidecar.chat().await;

    assert_eq!(
        (answer.header("x-should-retry"), answer.header("retry-after")),
        (Some("false"), None),
        "{}",
        answer.text()
    );
    assert_eq!(answer.json()["error"]["metadata"]["attempts"][0]["status"], 429);
}

// SDKs say how often they have repeated a call.
#[tokio::test]
async fn repetitions_of_an_sdk_are_counted() {
    let paris = FakeProvider::says("bonjour").await;
    let sidecar = Sidecar::of(&World::of(&[("paris", &paris)])).await;
    let body = lotse_tests::sidecar::body(false).to_string();
    for count in ["0", "1", "2"] {
        let headers = [("x-stainless-retry-count", count)];
        let request = lotse_tests::client::post("/v1/chat/completions", &headers, body.clone());
        assert_eq!(sidecar.send(request).await.said(), "bonjour", "{count}");
        assert_eq!(paris.last().header("x-stainless-retry-count"), None, "{count}");
    }

    sidecar.metric_is("lotse_sdk_retries_total 2").await;
}
