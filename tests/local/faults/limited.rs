//! Providers that refuse: for how long, and who is asked instead.

use lotse_tests::manifests::policy;
use lotse_tests::{FakeProvider, Sidecar, World};

const SLOW_DOWN: &str = r#"{"error":{"message":"slow down","type":"rate_limit_error","code":"rate_limit_exceeded"}}"#;

/// A time as HTTP writes it, so many seconds from now.
fn http_date(seconds: i64) -> String {
    let then = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
    then.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

// T07, through the whole sidecar: each form is read, rounded up, and told as seconds.
#[tokio::test]
async fn a_wait_is_understood_in_every_form_and_told_as_whole_seconds() {
    let (future, past, far) = (http_date(30), http_date(-3600), http_date(10 * 365 * 86_400));
    for (headers, seconds) in [
        (vec![("retry-after", "7")], 7..=7),
        (vec![("retry-after", "0")], 0..=0),
        (vec![("retry-after", "1.5")], 2..=2),
        (vec![("retry-after", future.as_str())], 28..=30),
        (vec![("retry-after", past.as_str())], 0..=0),
        (vec![("retry-after", far.as_str())], 86_400..=86_400),
        (vec![("retry-after", "99999999999999999999")], 86_400..=86_400),
        (vec![("retry-after-ms", "1500")], 2..=2),
        (vec![("retry-after-ms", "99999999999999999999")], 86_400..=86_400),
        (vec![("retry-after", "7"), ("retry-after-ms", "250")], 1..=1),
        (vec![("retry-after", "7"), ("retry-after-ms", "soon")], 7..=7),
        (vec![("x-ms-retry-after-ms", "2500")], 3..=3),
        (vec![("retry-after", "7"), ("retry-after", "9")], 7..=9),
        (vec![("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "6m0s")], 360..=360),
    ] {
        let limited = FakeProvider::answers(429, &headers, SLOW_DOWN).await;
        let sidecar = Sidecar::of(&World::of(&[("limited", &limited)])).await;

        for answer in [sidecar.chat().await, sidecar.stream().await] {
            assert_eq!((answer.status.as_u16(), answer.code().as_str()), (429, "rate_limited"), "{headers:?}");
            let wait = answer.header("retry-after").and_then(|wait| wait.parse::<u64>().ok());
            assert!(wait.is_some_and(|wait| seconds.contains(&wait)), "{headers:?}: {wait:?}, not {seconds:?}");
            // What is longer than a minute may be the app's to decide on.
            if *seconds.end() <= 60 {
                assert_eq!(answer.header("x-should-retry"), Some("true"), "{headers:?}");
            }
        }
    }
}

// T07: what can't be understood is no wait of a day, and none of nothing.
#[tokio::test]
async fn a_wait_that_can_not_be_understood_is_as_good_as_none() {
    for value in ["soon", "-1", "1e3", "NaN", "inf", "7 s 9 x", "Tue, 99 Nov 2026 12:00:00 GMT", ""] {
        let limited = FakeProvider::answers(429, &[("retry-after", value)], SLOW_DOWN).await;
        let sidecar = Sidecar::of(&World::of(&[("limited", &limited)])).await;

        let answer = sidecar.chat().await;

        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (429, "rate_limited"), "{value}");
        assert!(
            matches!(answer.header("retry-after"), None | Some("1")),
            "{value}: {:?}",
            answer.header("retry-after")
        );
    }
}

// T08: all who may be asked are limited; who may not is idle, and stays so.
#[tokio::test]
async fn when_all_are_limited_the_shortest_wait_is_told_and_nobody_else_is_asked() {
    let future = http_date(40);
    let (long, dated, short) = (
        FakeProvider::answers(429, &[("retry-after", "90")], SLOW_DOWN).await,
        FakeProvider::answers(429, &[("retry-after", &future)], SLOW_DOWN).await,
        FakeProvider::answers(429, &[("retry-after-ms", "12500")], SLOW_DOWN).await,
    );
    let idle = FakeProvider::says("stolen").await;
    let promise = |region: &str| {
        let place = format!("{{regions: [{region}], evidence: [e]}}");
        format!(
            "evidence: [{{name: e, kind: Contractual, source: s}}]\npromises: {{inference: {place}, storage: {place}, access: {place}}}"
        )
    };
    let world = World::default()
        .provider("long", &long.url(), &promise("FR"))
        .provider("idle", &idle.url(), &promise("US"))
        .provider("dated", &dated.url(), &promise("DE"))
        .provider("short", &short.url(), &promise("IE"))
        .policies(&[policy("lotse-system", "eu", "inferenceRegions: [EU]")]);
    for stream in [false, true] {
        let sidecar = Sidecar::of(&world).await;

        let answer = if stream { sidecar.stream().await } else { sidecar.chat().await };

        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (429, "rate_limited"), "{}", answer.text());
        assert_eq!((answer.header("retry-after"), answer.header("x-should-retry")), (Some("13"), Some("true")));
        let attempts = answer.json()["error"]["metadata"]["attempts"].clone();
        assert_eq!(attempts.as_array().map(Vec::len), Some(3), "{attempts}");
    }
    assert_eq!(idle.calls(), 0);
}

// T08: one that failed in another way may be well again at once, but a wait would say otherwise.
#[tokio::test]
async fn a_wait_is_not_told_when_somebody_failed_in_another_way() {
    let limited = FakeProvider::answers(429, &[("retry-after", "90")], SLOW_DOWN).await;
    let ill = FakeProvider::refuses(500).await;
    let sidecar = Sidecar::of(&World::of(&[("limited", &limited), ("ill", &ill)])).await;

    let answer = sidecar.chat().await;

    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (502, "all_providers_failed"));
    assert_eq!((answer.header("retry-after"), answer.header("x-should-retry")), (None, Some("false")));
}

// T10: the whole table.
#[tokio::test]
async fn every_status_goes_on_to_the_next_but_those_that_are_the_callers_fault() {
    // 446 is the word of Portkey's guardrails for content that they refuse.
    const CALLERS: [u16; 4] = [400, 413, 422, 446];
    const REFUSALS: [u16; 58] = [
        400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 418, 421, 422, 423,
        424, 425, 426, 428, 429, 431, 444, 446, 451, 460, 498, 499, 500, 501, 502, 503, 504, 505, 507, 508, 510, 511,
        520, 521, 522, 523, 524, 525, 526, 527, 529, 530, 598, 599, 600, 999,
    ];
    for status in REFUSALS {
        let (ill, paris) = (FakeProvider::refuses(status).await, FakeProvider::says("bonjour").await);
        let sidecar = Sidecar::of(&World::of(&[("ill", &ill), ("paris", &paris)])).await;

        for (nth, stream) in [false, true].into_iter().enumerate() {
            let answer = if stream { sidecar.stream().await } else { sidecar.chat().await };
            if CALLERS.contains(&status) {
                assert_eq!(answer.status.as_u16(), status);
                assert_eq!(answer.header("x-should-retry"), Some("false"), "{status}");
                assert_eq!((ill.calls(), paris.calls()), (nth + 1, 0), "{status}");
            } else {
                assert_eq!(answer.said(), "bonjour", "{status}: {}", answer.text());
                assert_eq!(paris.calls(), nth + 1, "{status}");
            }
        }
    }
}

// T10: without another to ask, the caller hears our own status, and is told not to repeat what was tried everywhere.
#[tokio::test]
async fn a_refusal_that_nobody_else_can_mend_is_ours_and_not_the_providers() {
    for status in [401, 402, 403, 404, 408, 409, 425, 500, 503, 520, 524, 529, 999] {
        let ill = FakeProvider::refuses(status).await;
        let sidecar = Sidecar::of(&World::of(&[("ill", &ill)])).await;

        for answer in [sidecar.chat().await, sidecar.stream().await] {
            assert_eq!((answer.status.as_u16(), answer.code().as_str()), (502, "all_providers_failed"), "{status}");
            assert_eq!(answer.header("x-should-retry"), Some("false"), "{status}");
            assert_eq!(answer.json()["error"]["metadata"]["attempts"][0]["status"], status, "{status}");
        }
    }
}
