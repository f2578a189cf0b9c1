//! When a credential is exchanged anew. Ahead of its end, spread by chance; after a failure ever later; once after a
//! provider has refused it, and then not again for a while. One exchange runs at a time. Pure: shells bring the clock,
//! chance and the exchange itself.
//!
//! A shell sleeps until [`Refresh::wake`], asks [`Refresh::begin`], exchanges if it may, and says how that went.

use jiff::{SignedDuration, Timestamp};

use super::ExchangeKind;

/// The first wait after a failure; each further one is twice as long.
const FIRST_WAIT: SignedDuration = SignedDuration::from_secs(1);
/// The longest wait after a failure.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_mins(5);
/// How long a provider's refusal is not believed again.
const REFUSAL_REST: SignedDuration = SignedDuration::from_mins(1);

/// How long before its end a credential is exchanged anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// From then on it should be.
    pub advisory: SignedDuration,
    /// From then on it must be.
    pub mandatory: SignedDuration,
}

/// Whether a credential is to be exchanged anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Not before this.
    At(Timestamp),
    /// Now; what is held is good for a while yet.
    Should,
    /// Now; what is held ends soon, or has ended.
    Must,
}

impl ExchangeKind {
    /// How long before its end a credential of this kind is exchanged anew, as the vendors' own SDKs do.
    pub fn windows(&self) -> Windows {
        let (advisory, mandatory) = match self {
            Self::AwsWebIdentity { .. } | Self::AwsAssumeRole { .. } | Self::AwsPodIdentity { .. } => (15, 10),
            Self::GoogleServiceAccount { .. } | Self::GoogleWorkloadIdentity { .. } | Self::Azure { .. } => (6, 5),
            Self::OpenAI { .. } => (20, 15),
        };
        Windows { advisory: SignedDuration::from_mins(advisory), mandatory: SignedDuration::from_mins(mandatory) }
    }
}

impl Windows {
    /// The same for a credential of this life: of a short one, half at most.
    fn of_life(self, life: SignedDuration) -> Self {
        let half = life / 2;
        let advisory = self.advisory.min(half);
        Self { advisory, mandatory: self.mandatory.min(half * 3 / 4).min(advisory) }
    }
}

/// Whether a credential is to be exchanged anew. `chance`, from 0 to 1, spreads the time over the advisory window, so that
/// credentials which came together are not renewed together.
pub fn due((obtained, expires): (Timestamp, Timestamp), windows: Windows, chance: f64, now: Timestamp) -> Due {
    let Windows { advisory, mandatory } = windows.of_life(expires.duration_since(obtained).max(SignedDuration::ZERO));
    let spread = part(advisory - mandatory, chance);
    let at = |before: SignedDuration| expires.checked_sub(before).unwrap_or(expires);
    if now >= at(mandatory) {
        Due::Must
    } else if now >= at(advisory - spread) {
        Due::Should
    } else {
        Due::At(at(advisory - spread))
    }
}

/// A part of a duration.
fn part(of: SignedDuration, chance: f64) -> SignedDuration {
    SignedDuration::try_from_secs_f64(of.as_secs_f64() * chance.clamp(0.0, 1.0)).unwrap_or(of)
}

/// The life of one exchange.
#[derive(Clone, Debug)]
pub struct Refresh {
    windows: Windows,
    /// When what is held was obtained, and when it ends.
    held: Option<(Timestamp, Timestamp)>,
    /// When the next exchange is due.
    next: Timestamp,
    running: bool,
    /// What it is made of has changed while one ran: another follows it.
    again: bool,
    failures: u32,
    /// When a provider's refusal was last believed.
    refused: Option<Timestamp>,
}

impl Refresh {
    /// Nothing is held yet, and the first exchange is due at once.
    pub fn new(windows: Windows, now: Timestamp) -> Self {
        Self { windows, held: None, next: now, running: false, again: false, failures: 0, refused: None }
    }

    /// When to ask [`Refresh::begin`] next; none while an exchange runs.
    pub fn wake(&self) -> Option<Timestamp> {
        (!self.running).then_some(self.next)
    }

    /// Whether to exchange now. Whoever hears yes does it, and says [`Refresh::succeeded`] or [`Refresh::failed`].
    pub fn begin(&mut self, now: Timestamp) -> bool {
        let begins = !self.running && now >= self.next;
        self.running |= begins;
        begins
    }

    /// What it is made of has changed: an exchange is due, whatever came of the ones before.
    pub fn restart(&mut self, now: Timestamp) {
        self.again = self.running;
        if !self.running {
            self.failures = 0;
            self.next = self.next.min(now);
        }
    }

    /// The exchange gave a credential that ends at `expires`.
    pub fn succeeded(&mut self, expires: Timestamp, chance: f64, now: Timestamp) {
        self.running = false;
        self.failures = 0;
        self.held = Some((now, expires));
        self.next = match due((now, expires), self.windows, chance, now) {
            Due::At(at) => at,
            // A life of a moment: no storm comes of it.
            Due::Should | Due::Must => later(now, FIRST_WAIT),
        };
        self.next = self.next.max(later(now, FIRST_WAIT));
        self.follow(now);
    }

    /// The exchange gave none. What is held stays, as long as it lives.
    pub fn failed(&mut self, chance: f64, now: Timestamp) {
        self.running = false;
        let doubled = 2_i32.saturating_pow(self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        let wait = FIRST_WAIT.checked_mul(doubled).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
        // Half of it for sure, so that none is short; the other half is drawn.
        self.next = later(now, wait / 2 + part(wait / 2, chance));
        self.follow(now);
    }

    fn follow(&mut self, now: Timestamp) {
        if std::mem::take(&mut self.again) {
            self.failures = 0;
            self.next = self.next.min(later(now, FIRST_WAIT));
        }
    }

    /// A provider has refused the credential that was obtained at `obtained`. One exchange follows, unless one runs, one
    /// has failed and waits, the refusal is of an older credential, or another was believed within the last minute.
    pub fn refused(&mut self, obtained: Timestamp, now: Timestamp) {
        let is_of_what_is_held = self.held.is_some_and(|(held, _)| held == obtained);
        let has_rested = self.refused.is_none_or(|last| now.duration_since(last) >= REFUSAL_REST);
        if is_of_what_is_held && has_rested && !self.running && self.failures == 0 {
            self.refused = Some(now);
            self.next = self.next.min(now);
        }
    }

    /// When what is held was obtained, if it is worth something now.
    pub fn held(&self, now: Timestamp) -> Option<Timestamp> {
        self.held.filter(|(_, expires)| now < *expires).map(|(obtained, _)| obtained)
    }

    /// How many exchanges have failed in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

fn later(now: Timestamp, wait: SignedDuration) -> Timestamp {
    now.checked_add(wait).unwrap_or(now)
}

#[cfg(test)]
mod tests;
