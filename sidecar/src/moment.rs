//! The only place in the data path that asks what time it is and draws numbers; everything else is given both as values.
//! Timers are tokio's, and `attempt` and `stream` set them by its clock.

use std::time::Instant;

use jiff::Timestamp;

/// The time of day, for promises and policies.
#[expect(clippy::disallowed_methods, reason = "this is the shell's one clock")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// The monotonic time, for health and durations.
#[expect(clippy::disallowed_methods, reason = "this is the shell's one clock")]
pub(crate) fn instant() -> Instant {
    Instant::now()
}

/// A draw from 0 to 1.
#[expect(clippy::disallowed_methods, reason = "this is the shell's one source of chance")]
pub(crate) fn chance() -> f64 {
    fastrand::f64()
}

/// A request id: unique enough to find a call in logs.
#[expect(clippy::disallowed_methods, reason = "this is the shell's one source of chance")]
pub(crate) fn request_id() -> String {
    format!("req_{:016x}{:08x}", fastrand::u64(..), fastrand::u32(..))
}
