//! Who has an outage. Pure state: outcomes go in, an opinion comes out, time is a parameter.
//! Health only orders what is permitted; it never permits or forbids.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How far back calls count. Source: OpenRouter's load balancing.
const WINDOW: Duration = Duration::from_secs(30);
/// How many calls count at most.
const MOST: usize = 10;
/// How many failures make an outage at least.
const LEAST_FAULTS: usize = 2;

/// The recent calls of one candidate.
#[derive(Debug, Default)]
pub struct Recent {
    calls: VecDeque<(Instant, bool)>,
}

impl Recent {
    /// Notes a call that ended at `at`, and whether it failed by the provider's own fault.
    pub fn note(&mut self, at: Instant, fault: bool) {
        if self.calls.len() == MOST {
            self.calls.pop_front();
        }
        self.calls.push_back((at, fault));
    }

    /// Whether at least half, and at least two, of the calls of the last 30 s (the last 10 of them) failed by the
    /// provider's own fault.
    pub fn has_outage(&self, now: Instant) -> bool {
        let recent = self.calls.iter().filter(|(at, _)| now.saturating_duration_since(*at) < WINDOW);
        let (calls, faults) =
            recent.fold((0, 0), |(calls, faults), (_, fault)| (calls + 1, faults + usize::from(*fault)));
        faults >= LEAST_FAULTS && faults * 2 >= calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "any time is as good as another")]
    fn after(outcomes: &[bool]) -> (Recent, Instant) {
        let start = Instant::now();
        let mut recent = Recent::default();
        for fault in outcomes {
            recent.note(start, *fault);
        }
        (recent, start)
    }

    #[test]
    fn one_failure_is_no_outage_and_two_of_four_are() {
        let (one, now) = after(&[true]);
        assert!(!one.has_outage(now));

        let (half, now) = after(&[false, true, false, true]);
        assert!(half.has_outage(now));

        let (less, now) = after(&[false, true, false, true, false]);
        assert!(!less.has_outage(now));
    }

    #[test]
    fn only_the_last_ten_calls_of_the_last_thirty_seconds_count() {
        let (recovered, now) =
            after(&[true, true, true, false, false, false, false, false, false, false, false, false, false]);
        assert!(!recovered.has_outage(now));

        let (ill, then) = after(&[true, true]);
        assert!(ill.has_outage(then + Duration::from_secs(29)));
        assert!(!ill.has_outage(then + Duration::from_secs(30)));
    }
}
