//! How long a provider asks to wait. Pure.
//! Source: RFC 9110, section 10.2.3, and the `retry-after-ms` header of OpenAI and Azure.

use std::time::Duration;

use http::HeaderMap;
use jiff::Timestamp;

/// No wait is longer; what asks for more has an outage, or errs.
const LONGEST: Duration = Duration::from_hours(1);

/// The wait that the headers ask for, if they ask for one that can be understood.
pub fn wait(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let milliseconds = text("retry-after-ms").and_then(whole).map(Duration::from_millis);
    let wait = milliseconds.or_else(|| {
        let value = text("retry-after")?;
        whole(value).map(Duration::from_secs).or_else(|| until(value, now))
    });
    wait.map(|wait| wait.min(LONGEST))
}

fn whole(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // More digits than a number holds is a long wait, not none.
    digits.then(|| text.parse().unwrap_or(LONGEST.as_secs() * 1000))
}

fn until(text: &str, now: Timestamp) -> Option<Duration> {
    let date = httpdate::parse_http_date(text).ok()?;
    let now = std::time::SystemTime::from(now);
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(headers: &[(&'static str, &'static str)]) -> Option<u64> {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().expect("a time");
        let map: HeaderMap = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), http::HeaderValue::from_static(value)))
            .collect();
        wait(&map, now).map(|wait| u64::try_from(wait.as_millis()).expect("at most an hour"))
    }

    #[test]
    fn seconds_milliseconds_and_dates_are_understood_and_capped() {
        for (value, milliseconds) in [
            ("7", Some(7000)),
            ("0", Some(0)),
            ("-1", None),
            ("1e3", None),
            ("99999999999999999999", Some(3_600_000)),
            ("Tue, 24 Nov 2026 12:00:30 GMT", Some(30_000)),
            ("Tue, 24 Nov 2026 11:00:00 GMT", Some(0)),
            ("soon", None),
        ] {
            assert_eq!(waits(&[("retry-after", value)]), milliseconds, "{value}");
        }
        assert_eq!(waits(&[("retry-after", "7"), ("retry-after-ms", "250")]), Some(250));
        assert_eq!(waits(&[]), None);
    }
}
