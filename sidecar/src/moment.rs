//! The only place in the data path that asks what time it is and draws numbers; everything else is given both as values.
//! Timers are tokio's, and `attempt` and `stream` set them by its clock.

use std::time::Instant;

use jiff::Timestamp;

/// The time of day, for promises and policies.
#[expect(clippy::disallowed_methods, reason = "this is the shell's one clock")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// The monotonic time, for health and durations: tokio's, which tests can hold and move on.
pub(crate) fn instant() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// A draw from 0 to 1.
#[expect(clippy::disallowed_methods, reason = "this is the shell's one source of chance")]
pub(crate) fn chance() -> f64 {
    fastrand::f64()
}

/// A request id: unique enough to find a call in logs.
#[expect(clippy::disallowed_methods, reason = "this is the shell's one source of chance")]
pub(crate) fn request_id() -> String {
    let drawn = fastrand::u64(..).to_be_bytes().into_iter().chain(fastrand::u32(..).to_be_bytes());
    let digits = drawn.flat_map(|byte| [byte >> 4, byte & 0xf]);
    let mut id = String::with_capacity(28);
    id.push_str("req_");
    id.extend(digits.filter_map(|digit| char::from_digit(digit.into(), 16)));
    id
}

/// What made-up ids of one answer are made from.
#[expect(clippy::disallowed_methods, reason = "this is the shell")]
pub(crate) fn seed() -> u64 {
    fastrand::u64(..)
}
