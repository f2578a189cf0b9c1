//! One class for each error. A word that only one class has decides, whatever the status; then sentences, where the status
//! leaves room for them; then the status; and where there is none, as in a stream, the vague words.
//!
//! Sources: `words` and `sentences`; for statuses RFC 9110, and what Portkey, Fireworks, Groq, Cloudflare and Anthropic add to it.

use super::ErrorClass;
use super::body::ErrorBody;
use super::sentences::{CURRENT_QUOTA, LONG_QUOTAS, SENTENCES, Sentences};
use super::words::{LIMITED, VAGUE, WORDS};
use crate::format::Format;

/// The class of an error: `status` is HTTP's, if there is one beside 2xx.
pub(super) fn of(format: Format, status: Option<u16>, body: &ErrorBody) -> ErrorClass {
    let status = status.filter(|status| !(200..300).contains(status)).or(body.number).unwrap_or(0);
    let words: Vec<String> = body.words.iter().map(|word| bare(word)).collect();
    let said = format!("{}{}", body.message, body.hints).to_lowercase().replace('\u{2019}', "'");
    let decided = WORDS.iter().find(|(_, known)| words.iter().any(|word| known.contains(&word.as_str())));
    let class = decided
        .map(|(class, _)| *class)
        .or_else(|| by_sentence(status, &said))
        .or_else(|| bedrock_denies(format, &said))
        .unwrap_or_else(|| by_status(status, &words, &said));
    if class != ErrorClass::RateLimit {
        return class;
    }
    let google = words.iter().any(|word| word == "resourceexhausted");
    let money = !google && said.contains(CURRENT_QUOTA);
    let long = LONG_QUOTAS.iter().any(|quota| said.contains(quota));
    if money || long || body.no_quota || is_of_zero(&said) { ErrorClass::Quota } else { class }
}

/// `ThrottlingException`, `rate_limit_error` and `RESOURCE_EXHAUSTED` without what differs between languages.
fn bare(word: &str) -> String {
    let letters: String = word.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let short = letters.strip_suffix("exception").or_else(|| letters.strip_suffix("error"));
    short.filter(|short| !short.is_empty()).map_or_else(|| letters.clone(), ToOwned::to_owned)
}

fn by_sentence(status: u16, said: &str) -> Option<ErrorClass> {
    let speaks = |row: &&Sentences| row.beside.contains(&status) && row.parts.iter().any(|part| said.contains(part));
    SENTENCES.iter().find(speaks).map(|row| row.class)
}

/// Bedrock says no more than this to an account that may not use a model.
fn bedrock_denies(format: Format, said: &str) -> Option<ErrorClass> {
    (format == Format::Converse && said.trim() == "operation not allowed").then_some(ErrorClass::Auth)
}

/// A limit of zero never fills up: `…free_tier_requests, limit: 0, model: …`.
fn is_of_zero(said: &str) -> bool {
    said.match_indices("limit: 0").any(|(at, part)| {
        let next = said.as_bytes().get(at + part.len());
        !next.is_some_and(|byte| byte.is_ascii_digit() || *byte == b'.')
    })
}

fn by_status(status: u16, words: &[String], said: &str) -> ErrorClass {
    match status {
        400 | 411 | 413 | 417 | 422 => ErrorClass::Caller,
        401 | 403 | 407 => ErrorClass::Auth,
        // 412 is Portkey's and Fireworks' word for a budget that is spent.
        402 | 412 => ErrorClass::Quota,
        404 | 405 | 410 | 501 => ErrorClass::NotFound,
        408 | 504 | 524 => ErrorClass::Timeout,
        429 => ErrorClass::RateLimit,
        // Portkey's guardrails.
        446 => ErrorClass::ContentFilter,
        451 => ErrorClass::Residency,
        // 498 is Groq's word for a tier without capacity.
        498 | 503 | 529 => ErrorClass::Overload,
        0 => by_vague_words(words, said),
        409 | 424 | 425 | 499 | 500..=599 => ErrorClass::Server,
        _ => ErrorClass::UpstreamProtocol,
    }
}

fn by_vague_words(words: &[String], said: &str) -> ErrorClass {
    let has = |known: &[&str]| words.iter().any(|word| known.contains(&word.as_str()));
    if has(&VAGUE) {
        ErrorClass::Caller
    } else if has(&LIMITED) || ["rate limit", "too many requests"].iter().any(|part| said.contains(part)) {
        ErrorClass::RateLimit
    } else {
        ErrorClass::Server
    }
}
