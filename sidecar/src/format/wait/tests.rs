//! How long providers ask to wait, in all of their forms.

use super::*;

fn now() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().expect("a time")
}

fn map(headers: &[(&'static str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).expect("a header"))
    };
    headers.iter().map(pair).collect()
}

fn milliseconds(wait: Option<Duration>) -> Option<u64> {
    wait.map(|wait| u64::try_from(wait.as_millis()).expect("at most a day"))
}

fn waits(headers: &[(&'static str, &str)]) -> Option<u64> {
    milliseconds(of_headers(&map(headers), now()))
}

fn limited(class: ErrorClass) -> ProviderError {
    ProviderError { class, code: None, param: None, message: String::new(), wait: None }
}

fn asks(headers: &[(&'static str, &str)], body: &str, error: &ProviderError) -> Option<u64> {
    let response = ErrorResponse { status: 429, headers: &map(headers), body: body.as_bytes() };
    milliseconds(asked(&response, error, now()))
}

#[test]
fn seconds_milliseconds_and_dates_are_understood_and_capped() {
    for (value, milliseconds) in [
        ("7", Some(7000)),
        ("0", Some(0)),
        ("1.5", Some(1500)),
        ("20s", Some(20_000)),
        ("-1", None),
        ("1e3", None),
        (".", None),
        ("", None),
        ("1.2.3", None),
        ("99999999999999999999", Some(86_400_000)),
        ("100000", Some(86_400_000)),
        ("Tue, 24 Nov 2026 12:00:30 GMT", Some(30_000)),
        ("Tue, 24 Nov 2026 11:00:00 GMT", Some(0)),
        ("Mon, 24 Nov 2026 12:00:30 GMT", Some(30_000)),
        ("Tuesday, 24-Nov-26 12:00:30 GMT", Some(30_000)),
        ("Tue Nov 24 12:00:30 2026", Some(30_000)),
        ("2026-11-24T12:01:00Z", Some(60_000)),
        ("soon", None),
    ] {
        assert_eq!(waits(&[("retry-after", value)]), milliseconds, "{value}");
    }
    assert_eq!(waits(&[("retry-after", "7"), ("retry-after-ms", "250")]), Some(250));
    assert_eq!(waits(&[("retry-after", "7"), ("x-ms-retry-after-ms", "250.5")]), Some(250));
    assert_eq!(waits(&[("retry-after", "7"), ("retry-after-ms", "soon")]), Some(7000));
    assert_eq!(waits(&[]), None);
}

#[test]
fn lengths_are_understood_whole_or_not_at_all() {
    for (text, milliseconds_of) in [
        ("34.4s", Some(34_400)),
        ("34.074824224s", Some(34_074)),
        ("6m0s", Some(360_000)),
        ("1h2m3.5s", Some(3_723_500)),
        ("2ms", Some(2)),
        ("0s", Some(0)),
        ("900\u{b5}s", Some(0)),
        ("1d", Some(86_400_000)),
        ("3d", Some(86_400_000)),
        ("07:46:12", Some(27_972_000)),
        ("0.00:01:00", Some(60_000)),
        ("6 minutes", Some(360_000)),
        ("6m0", None),
        ("s", None),
        ("5 parsecs", None),
        ("1:2", None),
        ("1:2:3:4", None),
    ] {
        assert_eq!(milliseconds(length(text)), milliseconds_of, "{text}");
    }
}

#[test]
fn sentences_that_name_a_wait_are_understood() {
    for (sentence, milliseconds_of) in [
        ("Rate limit reached. Limit: 3 / min. Please try again in 20s. Contact us", Some(20_000)),
        ("Limit 500000, Used 499000. Please try again in 7m12.5s. Visit https://a.b", Some(432_500)),
        ("on requests per min (RPM). Please try again in 250ms.", Some(250)),
        ("exceeded call rate limit. Please retry after 7 seconds. Please go here", Some(7000)),
        ("* Quota exceeded. Please retry in 34.074824224s.", Some(34_074)),
        ("Rate limit is exceeded. Try again in 6 seconds.", Some(6000)),
        ("Out of call volume quota. Quota will be replenished in 07:46:12.", Some(27_972_000)),
        ("Please try again later", None),
        ("Please try again in a moment", None),
    ] {
        assert_eq!(milliseconds(in_words(sentence)), milliseconds_of, "{sentence}");
    }
}

#[test]
fn a_reset_counts_only_beside_a_refusal_for_a_limit() {
    let headers = [("x-ratelimit-reset-requests", "8.64s"), ("x-ratelimit-reset-tokens", "6m0s")];
    assert_eq!(asks(&headers, "", &limited(ErrorClass::RateLimit)), Some(360_000));
    assert_eq!(asks(&headers, "", &limited(ErrorClass::Server)), None);
    assert_eq!(asks(&headers, "", &limited(ErrorClass::Auth)), None);
}

#[test]
fn the_limit_that_is_spent_decides() {
    let openai = [
        ("x-ratelimit-remaining-requests", "0"),
        ("x-ratelimit-reset-requests", "8.64s"),
        ("x-ratelimit-remaining-tokens", "149000"),
        ("x-ratelimit-reset-tokens", "6m0s"),
    ];
    assert_eq!(asks(&openai, "", &limited(ErrorClass::RateLimit)), Some(8640));
    let anthropic = [
        ("anthropic-ratelimit-requests-limit", "50"),
        ("anthropic-ratelimit-requests-remaining", "49"),
        ("anthropic-ratelimit-requests-reset", "2026-11-24T12:00:01Z"),
        ("anthropic-ratelimit-input-tokens-remaining", "0"),
        ("anthropic-ratelimit-input-tokens-reset", "2026-11-24T12:00:42Z"),
    ];
    assert_eq!(asks(&anthropic, "", &limited(ErrorClass::RateLimit)), Some(42_000));
    assert_eq!(asks(&[("x-ratelimit-reset", "1795521630")], "", &limited(ErrorClass::RateLimit)), Some(30_000));
    assert_eq!(asks(&[("x-ratelimit-reset", "1795521630000")], "", &limited(ErrorClass::RateLimit)), Some(30_000));
    assert_eq!(asks(&[("x-ratelimit-reset", "1")], "", &limited(ErrorClass::RateLimit)), Some(1000));
    assert_eq!(asks(&[("ratelimit-reset", "12")], "", &limited(ErrorClass::RateLimit)), Some(12_000));
}

#[test]
fn headers_come_before_the_body_and_the_body_before_resets() {
    let error = ProviderError { wait: Some(Duration::from_millis(34_400)), ..limited(ErrorClass::RateLimit) };
    let headers = [("retry-after", "3"), ("x-ratelimit-reset", "9")];
    assert_eq!(asks(&headers, "", &error), Some(3000));
    assert_eq!(asks(&headers[1..], "", &error), Some(34_400));
    let endless = ProviderError { wait: Some(Duration::MAX), ..error };
    assert_eq!(asks(&[], "", &endless), Some(86_400_000));
}

#[test]
fn headers_that_a_gateway_quotes_in_its_body_are_read() {
    let body = r#"{"error":{"code":429,"message":"Rate limit exceeded: free-models-per-min",
        "metadata":{"headers":{"X-RateLimit-Limit":"20","X-RateLimit-Remaining":"0","X-RateLimit-Reset":"1795521630000"}}}}"#;
    assert_eq!(asks(&[], body, &limited(ErrorClass::RateLimit)), Some(30_000));
    let body = r#"{"error":{"metadata":{"headers":{"Retry-After":5}}}}"#;
    assert_eq!(asks(&[], body, &limited(ErrorClass::RateLimit)), Some(5000));
    assert_eq!(asks(&[], "<html>", &limited(ErrorClass::RateLimit)), None);
}

proptest::proptest! {
    #[test]
    fn whatever_a_header_says_no_wait_is_longer_than_a_day(value in "[ -~]{0,40}") {
        for name in ["retry-after", "retry-after-ms", "x-ratelimit-reset-tokens"] {
            let map = map(&[(name, &value)]);
            let wait = of_headers(&map, now()).or_else(|| of_resets(&map, now()));
            proptest::prop_assert!(wait.unwrap_or_default() <= LONGEST);
        }
        proptest::prop_assert!(in_words(&value).unwrap_or_default() <= LONGEST);
    }

    #[test]
    fn no_sentence_makes_it_panic(sentence in "(try again in )?\\PC{0,30}") {
        let _ = (in_words(&sentence), length(&sentence));
    }
}
