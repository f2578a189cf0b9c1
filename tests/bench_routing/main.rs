//! What routing costs: planning one call over 64 candidates, going on to the second provider after the first has failed, and
//! the timers of a hundred thousand streams that are idle.
//!
//! ```text
//! cargo run --release -p lotse-tests --bin bench-routing
//! ```
//!
//! Failing over is measured through the sidecar in this process, over loopback, beside the same call to a provider that is
//! well: each pair in turn, so that whatever else the machine does hits both alike.

mod failover;
mod plans;
mod timers;

use std::io::{self, Write as _};
use std::time::{Duration, Instant};

#[expect(clippy::disallowed_methods, reason = "time is what a benchmark measures")]
fn now() -> Instant {
    Instant::now()
}

/// The value below which so many of a hundred are.
fn percentile(times: &mut [Duration], share: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() * share / 100).min(times.len() - 1)]
}

fn main() -> anyhow::Result<()> {
    let mut out = io::stdout();
    plans::measure(&mut out)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(failover::measure(&mut out))?;
    runtime.block_on(timers::measure(&mut out))?;
    out.flush()?;
    Ok(())
}
