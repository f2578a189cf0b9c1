//! How a candidate fares: whether it has an outage, and until when it wants to be left alone. Pure state: outcomes go in,
//! an opinion comes out, time is a parameter. Health only orders what is permitted; it never permits or forbids. `lane`
//! keeps one for each candidate.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use lotse_crds::plan::Health as Opinion;

use crate::hint::Ails;

/// How far back calls count, and how long an outage lasts before a call tries whether it is over. Source: OpenRouter's load
/// balancing.
const WINDOW: Duration = Duration::from_secs(30);
/// How many calls count at most.
const MOST: usize = 10;
/// How many failures make an outage at least.
const LEAST_FAULTS: usize = 2;
/// How long a call that tries whether an outage is over may take before another may.
const LONGEST_PROBE: Duration = Duration::from_mins(1);
/// How long a provider is left alone that asks for it without saying how long: at first, and at most.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// No provider is left alone for longer, whatever it asks for.
const LONGEST_NAMED: Duration = Duration::from_hours(24);
/// The same when it says that money or a quota is used up: waiting seconds does not help.
const QUOTA_WAIT: Duration = Duration::from_mins(10);

/// How one candidate fares.
#[derive(Debug, Default)]
pub struct Health {
    /// When the last calls ended, and whether they failed by the provider's own fault.
    calls: VecDeque<(Instant, bool)>,
    outage: Option<Outage>,
    wait: Option<Wait>,
}

#[derive(Clone, Copy, Debug)]
struct Outage {
    /// When the next call may try whether it is over.
    until: Instant,
    /// When a call began that tries it.
    probe: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Wait {
    until: Instant,
    /// Whether the provider has named it. Then no call that was under way ends it sooner.
    is_named: bool,
    /// The wait that comes next if none is named.
    next: Duration,
}

/// How a call ended, as far as health goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered, or refused by the caller's fault.
    Answered,
    /// It failed by the provider's own fault, which asks to wait for so long, if it does.
    Fault(Option<Duration>),
    /// The provider asks to wait, for so long if it says so; whether because a quota is used up.
    Limited(Option<Duration>, bool),
    /// It says nothing of the provider: cut off, refused for its credential, redirected.
    Nothing,
}

impl Health {
    /// A call begins. If it tries whether an outage is over, others wait for what it finds.
    pub fn begins(&mut self, at: Instant) {
        if let Some(outage) = &mut self.outage
            && outage.is_ready(at)
        {
            outage.probe = Some(at);
        }
    }

    /// A call has ended.
    pub fn ends(&mut self, at: Instant, outcome: Outcome) {
        match outcome {
            Outcome::Answered => {
                self.wait = self.wait.filter(|wait| wait.is_named && at < wait.until);
                let was_probe = self.outage.is_some_and(|outage| outage.probe.is_some());
                if was_probe {
                    self.calls.clear();
                }
                self.note(at, false);
                if was_probe || !self.is_failing(at) {
                    self.outage = None;
                }
            }
            Outcome::Fault(wait) => {
                self.note(at, true);
                if let Some(asked) = wait {
                    self.waits(at, asked, true);
                }
                if self.outage.is_some_and(|outage| outage.probe.is_some()) || self.is_failing(at) {
                    self.outage = Some(Outage { until: at + WINDOW, probe: None });
                }
            }
            Outcome::Limited(wait, is_quota) => {
                self.free_probe();
                let next = self.wait.map_or(FIRST_WAIT, |wait| wait.next);
                self.waits(at, wait.unwrap_or(if is_quota { QUOTA_WAIT } else { next }), wait.is_some());
            }
            Outcome::Nothing => self.free_probe(),
        }
    }

    /// How it stands.
    pub fn opinion(&self, now: Instant) -> Opinion {
        if self.wait.is_some_and(|wait| now < wait.until) {
            Opinion::Limited
        } else if self.outage.is_some_and(|outage| !outage.is_ready(now)) {
            Opinion::Outage
        } else {
            Opinion::Well
        }
    }

    /// What is worth telling other pods.
    pub fn ails(&self) -> Ails {
        Ails { outage_until: self.outage.map(|outage| outage.until), limited_until: self.wait.map(|wait| wait.until) }
    }

    fn waits(&mut self, at: Instant, asked: Duration, is_named: bool) {
        let next = self.wait.map_or(FIRST_WAIT, |wait| wait.next);
        let mut wait = Wait { until: at + asked.min(LONGEST_NAMED), is_named, next: (next * 2).min(LONGEST_WAIT) };
        if let Some(named) = self.wait.filter(|named| named.is_named && !is_named && named.until > wait.until) {
            (wait.until, wait.is_named) = (named.until, true);
        }
        self.wait = Some(wait);
    }

    fn free_probe(&mut self) {
        if let Some(outage) = &mut self.outage {
            outage.probe = None;
        }
    }

    fn note(&mut self, at: Instant, fault: bool) {
        if self.calls.len() == MOST {
            self.calls.pop_front();
        }
        self.calls.push_back((at, fault));
    }

    /// Whether at least half, and at least two, of the calls of the last 30 s (the last 10 of them) failed by the provider's own
    /// fault.
    fn is_failing(&self, now: Instant) -> bool {
        let recent = self.calls.iter().filter(|(at, _)| now.saturating_duration_since(*at) < WINDOW);
        let (calls, faults) =
            recent.fold((0, 0), |(calls, faults), (_, fault)| (calls + 1, faults + usize::from(*fault)));
        faults >= LEAST_FAULTS && faults * 2 >= calls
    }
}

impl Outage {
    /// Whether a call may try if it is over: one at a time.
    fn is_ready(self, now: Instant) -> bool {
        now >= self.until && self.probe.is_none_or(|began| now.saturating_duration_since(began) >= LONGEST_PROBE)
    }
}

#[cfg(test)]
mod tests;
