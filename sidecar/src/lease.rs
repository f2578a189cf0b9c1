//! The policy lease: how long ago somebody vouched for what is in force. A sidecar that follows the operator refuses calls
//! once nobody has for `staleness.refuseSeconds`; one on a folder needs nobody. Asked by `serve` at each call.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The policy lease.
#[derive(Debug, Default)]
pub struct PolicyLease {
    /// When it was first renewed; before that it does not run.
    began: OnceLock<Instant>,
    /// Milliseconds from then to its last renewal.
    renewed: AtomicU64,
}

impl PolicyLease {
    /// Somebody vouches at `now` for what is in force.
    pub fn renew(&self, now: Instant) {
        let began = self.began.get_or_init(|| now);
        let since = u64::try_from(now.saturating_duration_since(*began).as_millis()).unwrap_or(u64::MAX);
        self.renewed.fetch_max(since, Ordering::Relaxed);
    }

    /// How long ago it was renewed; nothing if it does not run.
    pub fn age(&self, now: Instant) -> Option<Duration> {
        let renewed = *self.began.get()? + Duration::from_millis(self.renewed.load(Ordering::Relaxed));
        Some(now.saturating_duration_since(renewed))
    }

    /// Whether it has run out.
    pub fn is_over(&self, lasts: Duration, now: Instant) -> bool {
        self.age(now).is_some_and(|age| age >= lasts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moment;

    #[test]
    fn a_lease_that_nobody_ever_renewed_does_not_run() {
        assert!(!PolicyLease::default().is_over(Duration::ZERO, moment::instant()));
    }

    #[test]
    fn it_runs_out_when_it_is_not_renewed_in_time() {
        let (lease, start) = (PolicyLease::default(), moment::instant());
        lease.renew(start);
        lease.renew(start + Duration::from_secs(20));

        assert!(!lease.is_over(Duration::from_secs(30), start + Duration::from_secs(49)));
        assert!(lease.is_over(Duration::from_secs(30), start + Duration::from_secs(50)));
        lease.renew(start + Duration::from_mins(1));
        assert!(!lease.is_over(Duration::from_secs(30), start + Duration::from_secs(61)));
    }
}
