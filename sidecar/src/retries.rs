//! The retry budget of one route: how many attempts there may be beyond the first of each call. It keeps an outage from
//! becoming a storm: when everybody fails, calls fail fast instead of trying everybody. Pure state; time is a parameter.
//! `attempt` asks before each attempt but a call's first.

use std::time::Instant;

/// How far back calls and attempts count, in seconds, which are kept one by one.
const SECONDS: usize = 10;
/// How many further attempts each call earns. Source of the three figures: Linkerd's and Finagle's retry budgets.
const EARNED: f64 = 0.2;
/// How many further attempts there may be in any case, within the seconds that count.
const RESERVE: f64 = 100.0;

/// The retry budget of one route.
#[derive(Debug, Default)]
pub struct RetryBudget {
    /// Calls and further attempts, by second.
    spent: [(u32, u32); SECONDS],
    /// The second that was written last, since `origin`.
    last: u64,
    origin: Option<Instant>,
}

impl RetryBudget {
    /// A call begins. One that an SDK repeats earns nothing.
    pub fn begins(&mut self, now: Instant, is_repeated: bool) {
        let slot = self.slot(now);
        slot.0 = slot.0.saturating_add(u32::from(!is_repeated));
    }

    /// Takes a further attempt, if there is one left.
    pub fn takes(&mut self, now: Instant) -> bool {
        self.slot(now);
        let (calls, taken) = self
            .spent
            .iter()
            .fold((0.0, 0.0), |(calls, taken), slot| (calls + f64::from(slot.0), taken + f64::from(slot.1)));
        let may = taken + 1.0 <= RESERVE + EARNED * calls;
        if may {
            self.slot(now).1 += 1;
        }
        may
    }

    /// The place of this second; what has grown old is forgotten.
    fn slot(&mut self, now: Instant) -> &mut (u32, u32) {
        let origin = *self.origin.get_or_insert(now);
        let second = now.saturating_duration_since(origin).as_secs().max(self.last);
        let gone = (second - self.last).min(SECONDS as u64);
        for step in 1..=gone {
            self.spent[index(self.last + step)] = (0, 0);
        }
        self.last = second;
        &mut self.spent[index(second)]
    }
}

fn index(second: u64) -> usize {
    usize::try_from(second % SECONDS as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// How long a budget that is spent takes to be whole again.
    const RECOVERS: Duration = Duration::from_secs(SECONDS as u64);

    #[expect(clippy::disallowed_methods, reason = "any time is as good as another")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_route_with_few_calls_has_its_reserve_and_no_more() {
        let (mut budget, now) = (RetryBudget::default(), start());

        let taken = (0..500).filter(|_| budget.takes(now)).count();

        assert_eq!(taken, 100);
        assert!(!budget.takes(now + Duration::from_secs(9)));
        assert!(budget.takes(now + RECOVERS));
    }

    #[test]
    fn five_calls_earn_one_further_attempt_unless_an_sdk_repeats_them() {
        let (mut budget, now) = (RetryBudget::default(), start());
        for _ in 0..1000 {
            budget.begins(now, false);
            budget.begins(now, true);
        }

        let taken = (0..2000).filter(|_| budget.takes(now)).count();

        assert_eq!(taken, 300);
    }
}
