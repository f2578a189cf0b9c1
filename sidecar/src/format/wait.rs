//! How long a provider asks to wait, in every form that is in use. Pure: now is a parameter. Called by `attempt`; the error
//! readers use `length` and `in_words`.
//!
//! Sources: RFC 9110, section 10.2.3 (`retry-after`); OpenAI and Azure (`retry-after-ms`, `x-ms-retry-after-ms`,
//! `x-ratelimit-reset-*` as `6m0s`); Anthropic (`anthropic-ratelimit-*-reset`, RFC 3339); Google (`RetryInfo.retryDelay`);
//! OpenRouter (`X-RateLimit-Reset` in milliseconds since 1970, also inside the body); Azure API Management (`07:46:12`).

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::{rfc2822, strtime};
use jiff::tz::TimeZone;
use serde_json::Value;

use super::error::{ErrorClass, ErrorResponse, ProviderError};

/// No wait is longer; what asks for more has an outage, or errs.
pub(crate) const LONGEST: Duration = Duration::from_hours(24);
/// From here on a number of milliseconds counts from 1970.
const MILLISECONDS_SINCE_1970: f64 = 1e11;
/// From here on a number of seconds does.
const SECONDS_SINCE_1970: f64 = 1e9;
/// HTTP's two obsolete dates, which must still be understood.
const OBSOLETE_DATES: [&str; 2] = ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
/// What stands before a length in a sentence.
const MARKERS: [&str; 7] =
    ["try again in ", "retry in ", "retry after ", "retrying in ", "again after ", "replenished in ", "please wait "];

/// How long this refusal asks to wait: what its headers ask for, else its body, else, where a limit was hit, when that limit
/// is reset.
pub fn asked(response: &ErrorResponse<'_>, error: &ProviderError, now: Timestamp) -> Option<Duration> {
    let explicit = of_headers(response.headers, now).or(error.wait.map(|wait| wait.min(LONGEST)));
    if explicit.is_some() || !matches!(error.class, ErrorClass::RateLimit | ErrorClass::Quota | ErrorClass::Overload) {
        return explicit;
    }
    of_resets(response.headers, now).or_else(|| {
        let quoted = quoted_headers(response.body)?;
        of_headers(&quoted, now).or_else(|| of_resets(&quoted, now))
    })
}

/// The wait that `retry-after` and its relatives ask for, if they ask for one that can be understood.
pub fn of_headers(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let milliseconds = |name: &str| {
        let wait = number(text(headers, name)?)? / 1000.0;
        Some(seconds(wait))
    };
    milliseconds("retry-after-ms")
        .or_else(|| milliseconds("x-ms-retry-after-ms"))
        .or_else(|| until(text(headers, "retry-after")?, now))
        .map(|wait| wait.min(LONGEST))
}

/// When the limits that are spent are reset, by the headers that nearly every provider sends with nearly every answer. They
/// say something of a wait only beside a refusal for a limit. Where no limit is said to be spent, the slowest counts.
pub fn of_resets(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let mut spent: Option<Duration> = None;
    let mut all: Option<Duration> = None;
    for (name, value) in headers {
        let name = name.as_str();
        let is_limit = name.contains("ratelimit-") || name.starts_with("anthropic-priority-");
        if !is_limit || !name.contains("reset") {
            continue;
        }
        let Some(wait) = value.to_str().ok().and_then(|value| until(value.trim(), now)) else { continue };
        all = all.max(Some(wait));
        let remaining = text(headers, &name.replacen("reset", "remaining", 1)).and_then(number);
        if remaining.is_some_and(|remaining| remaining <= 0.0) {
            spent = spent.max(Some(wait));
        }
    }
    spent.or(all).map(|wait| wait.min(LONGEST))
}

/// A length such as `34.4s`, `6m0s`, `2ms` or `07:46:12`; nothing else may stand beside it.
pub fn length(text: &str) -> Option<Duration> {
    let text = text.trim().to_lowercase();
    let (wait, rest) = clock(&text).or_else(|| units(&text))?;
    rest.trim().is_empty().then_some(wait.min(LONGEST))
}

/// A length that a sentence names: `Please try again in 6m0s.`, `retry after 7 seconds`.
pub fn in_words(sentence: &str) -> Option<Duration> {
    let sentence = sentence.to_lowercase();
    let after = MARKERS.iter().filter_map(|marker| Some(sentence.find(marker)? + marker.len()));
    let lengths = after.filter_map(|at| {
        let rest = sentence.get(at..)?;
        clock(rest).or_else(|| units(rest))
    });
    lengths.map(|(wait, _)| wait.min(LONGEST)).next()
}

/// Seconds, a length, or a time in any of its forms.
fn until(text: &str, now: Timestamp) -> Option<Duration> {
    if let Some(number) = number(text) {
        return Some(if number >= MILLISECONDS_SINCE_1970 {
            seconds(number / 1000.0 - seconds_since_1970(now))
        } else if number >= SECONDS_SINCE_1970 {
            seconds(number - seconds_since_1970(now))
        } else {
            seconds(number)
        });
    }
    length(text).or_else(|| {
        let time = text.parse::<Timestamp>().ok().or_else(|| http_date(text))?;
        // A time that is past is no wait.
        Some(Duration::try_from(time.duration_since(now)).unwrap_or_default())
    })
}

fn http_date(text: &str) -> Option<Timestamp> {
    let current = rfc2822::DateTimeParser::new().relaxed_weekday(true).parse_timestamp(text).ok();
    current.or_else(|| {
        let obsolete = |form: &str| -> Option<DateTime> { strtime::parse(form, text).ok()?.to_datetime().ok() };
        let date = OBSOLETE_DATES.into_iter().find_map(obsolete)?;
        Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })
}

#[allow(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit a double exactly")]
fn seconds_since_1970(now: Timestamp) -> f64 {
    now.as_millisecond() as f64 / 1000.0
}

/// Seconds as a wait; too many are the longest wait, not none, and a time that is past is no wait.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(LONGEST)
}

/// Digits with at most one point: no sign and no exponent, which nobody sends on purpose.
fn number(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if plain && text.bytes().any(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// Numbers with units at the beginning of a text, and what follows them.
fn units(text: &str) -> Option<(Duration, &str)> {
    let mut rest = text;
    let mut total: Option<f64> = None;
    loop {
        let from_number = rest.trim_start();
        let digits = from_number.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(from_number.len());
        let (digits, from_unit) = from_number.split_at(digits);
        let from_unit = from_unit.trim_start();
        let end = from_unit.find(|c: char| !c.is_alphabetic()).unwrap_or(from_unit.len());
        let (unit, after) = from_unit.split_at(end);
        let (Some(count), Some(unit)) = (number(digits), unit_seconds(unit)) else { break };
        total = Some(total.unwrap_or_default() + count * unit);
        rest = after;
    }
    Some((seconds(total?), rest))
}

fn unit_seconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "d" | "day" | "days" => 86_400.0,
        "h" | "hour" | "hours" => 3600.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "ms" | "millisecond" | "milliseconds" => 1e-3,
        "us" | "\u{b5}s" | "\u{3bc}s" => 1e-6,
        "ns" => 1e-9,
        _ => return None,
    })
}

/// `[days.]hours:minutes:seconds` at the beginning of a text, and what follows it.
fn clock(text: &str) -> Option<(Duration, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':').unwrap_or(text.len());
    let (clock, rest) = text.split_at(end);
    let mut parts = clock.trim_end_matches('.').split(':');
    let (hours, minutes, last) = (parts.next()?, parts.next()?, parts.next()?);
    let (days, hours) = hours.split_once('.').unwrap_or(("0", hours));
    let total = number(days)? * 86_400.0 + number(hours)? * 3600.0 + number(minutes)? * 60.0 + number(last)?;
    parts.next().is_none().then(|| (seconds(total), rest))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

/// OpenRouter quotes the headers of the provider behind it, as `error.metadata.headers`.
fn quoted_headers(body: &[u8]) -> Option<HeaderMap> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let quoted = body.pointer("/error/metadata/headers")?.as_object()?;
    let pairs = quoted.iter().filter_map(|(name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        Some((HeaderName::try_from(name.as_str()).ok()?, HeaderValue::try_from(value).ok()?))
    });
    Some(pairs.collect())
}

#[cfg(test)]
mod tests;
