//! What is tried next for one call, and when it is over: the rules of failing over, without the waiting. Pure; `attempt`
//! drives it with real attempts, the simulator with scripted ones.
//!
//! A plan's candidates are tried in order, at most as many as the route says, within one deadline, and as far as the retry
//! budget reaches. An error of the caller ends it, unless the route, or the app's own list of models, says that another
//! model may answer; then what is left of the tier, or of the model, is passed over.

use std::time::Instant;

use lotse_crds::plan::{Attempt, Plan};
use lotse_crds::route::CallerError;

use crate::format::error::ErrorClass;

/// How far one call has come.
#[derive(Debug)]
pub struct Pursuit<'p> {
    attempts: &'p [Attempt<'p>],
    most: usize,
    begun: usize,
    next: usize,
    deadline: Instant,
}

/// What comes next.
#[derive(Clone, Copy, Debug)]
pub enum Step<'p> {
    /// This candidate, unless it can't be asked.
    Try(&'p Attempt<'p>),
    /// Nothing: all have been tried, or as many as may be.
    Spent,
    /// Nothing: the time is over.
    Late,
}

impl<'p> Pursuit<'p> {
    /// Nothing has been tried yet; the whole call must have ended at `deadline`.
    pub fn new(plan: &'p Plan<'p>, deadline: Instant) -> Self {
        Self { attempts: &plan.attempts, most: plan.most, begun: 0, next: 0, deadline }
    }

    /// The next candidate. Whether it is then asked is for [`begins`](Self::begins) to hear.
    pub fn step(&mut self, now: Instant) -> Step<'p> {
        if now >= self.deadline {
            return Step::Late;
        }
        match self.attempts.get(self.next) {
            Some(attempt) if self.begun < self.most => {
                self.next += 1;
                Step::Try(attempt)
            }
            Some(_) | None => Step::Spent,
        }
    }

    /// Whether nobody has been asked yet.
    pub fn is_first(&self) -> bool {
        self.begun == 0
    }

    /// A candidate is asked.
    pub fn begins(&mut self) {
        self.begun += 1;
    }

    /// Whether anybody is left to ask.
    pub fn has_more(&self) -> bool {
        self.begun < self.most && self.next < self.attempts.len()
    }

    /// Nobody else is to be asked.
    pub fn ends(&mut self) {
        self.next = self.attempts.len();
    }

    /// Whether an error of the caller, which `attempt` has brought, may be another model's chance. If so, what would say the
    /// same is passed over.
    pub fn goes_on(&mut self, attempt: &Attempt<'_>, class: ErrorClass) -> bool {
        let word = match class {
            ErrorClass::ContextLength => Some(CallerError::ContextLength),
            ErrorClass::ContentFilter => Some(CallerError::ContentFilter),
            ErrorClass::Caller
            | ErrorClass::Auth
            | ErrorClass::NotFound
            | ErrorClass::RateLimit
            | ErrorClass::Quota
            | ErrorClass::Overload
            | ErrorClass::Unsupported
            | ErrorClass::Server
            | ErrorClass::UpstreamProtocol
            | ErrorClass::Timeout
            | ErrorClass::Unreachable
            | ErrorClass::Residency => None,
        };
        let by_route = word.is_some_and(|word| attempt.route.next_tier_on.contains(&word));
        let is_another = |next: &Attempt<'_>| next.stage != attempt.stage || (by_route && next.tier > attempt.tier);
        let passed = self.attempts[self.next..].iter().take_while(|next| !is_another(next)).count();
        if self.next + passed == self.attempts.len() || self.begun >= self.most {
            return false;
        }
        self.next += passed;
        true
    }
}

#[cfg(test)]
mod tests;
