//! Who is tried for one call, in which order. Pure: time, health and chance are given.
//!
//! Permission is decided first, by `residency`; balance and health only order what is permitted.

use jiff::Timestamp;

use crate::limits::Limits;
use crate::name::ObjectName;
use crate::residency::{Permitted, permit};
use crate::route::Balance;
use crate::snapshot::{Candidate, Reason, Route, Tier};

/// What a plan depends on besides the route.
pub struct Moment<'a> {
    /// The time.
    pub now: Timestamp,
    /// Whether a candidate has an outage.
    pub has_outage: &'a dyn Fn(&Candidate) -> bool,
    /// The next draw, from 0 (excluded) to 1.
    pub chance: &'a mut dyn FnMut() -> f64,
}

/// Who is tried, and who is not.
#[derive(Debug)]
pub struct Plan<'a> {
    /// The candidates that may be tried, in order.
    pub attempts: Vec<Attempt<'a>>,
    /// How many of them are tried at most.
    pub most: usize,
    /// Every target that is out, and why.
    pub refused: Vec<Refusal<'a>>,
}

/// One candidate to try.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// Its tier, from 1.
    pub tier: usize,
    /// The candidate.
    pub permitted: Permitted<'a>,
}

/// A target that is out.
#[derive(Debug)]
pub struct Refusal<'a> {
    /// Its tier, from 1.
    pub tier: usize,
    /// The provider.
    pub provider: &'a ObjectName,
    /// The model, as routes call it.
    pub model: &'a str,
    /// Every reason.
    pub reasons: std::borrow::Cow<'a, [Reason]>,
}

/// Who is tried for one call of a route under these policies, and in which order.
pub fn plan<'a>(route: &'a Route, policies: &[Limits], moment: &mut Moment<'_>) -> Plan<'a> {
    let mut plan = Plan { attempts: Vec::new(), most: route.attempts.unwrap_or(usize::MAX), refused: Vec::new() };
    for (at, tier) in route.tiers.iter().enumerate() {
        let number = at + 1;
        plan.refused.extend(tier.refused.iter().map(|refused| Refusal {
            tier: number,
            provider: &refused.provider,
            model: &refused.model,
            reasons: std::borrow::Cow::Borrowed(&refused.reasons),
        }));
        let mut permitted = Vec::with_capacity(tier.candidates.len());
        for candidate in &tier.candidates {
            match permit(policies, candidate, moment.now) {
                Ok(candidate) => permitted.push(candidate),
                Err(reasons) => plan.refused.push(Refusal {
                    tier: number,
                    provider: &candidate.provider,
                    model: &candidate.model,
                    reasons: std::borrow::Cow::Owned(reasons),
                }),
            }
        }
        let ordered = order(tier, permitted, moment);
        plan.attempts.extend(ordered.into_iter().map(|permitted| Attempt { tier: number, permitted }));
    }
    plan
}

/// The share of a candidate in its tier's draw; 0 is drawn last.
pub fn weight(balance: Balance, candidate: &Candidate) -> f64 {
    match balance {
        Balance::Order | Balance::Weight | Balance::Latency | Balance::Throughput => f64::from(candidate.weight),
        Balance::Price => candidate.price.as_ref().map_or(0.0, crate::price::Price::weight),
    }
}

/// Orders a tier: those with an outage last, and within each part as the balance says.
fn order<'a>(tier: &Tier, mut permitted: Vec<Permitted<'a>>, moment: &mut Moment<'_>) -> Vec<Permitted<'a>> {
    if permitted.len() < 2 {
        return permitted;
    }
    let mut keyed: Vec<(bool, f64, Permitted<'a>)> = permitted
        .drain(..)
        .map(|permitted| {
            let candidate = permitted.candidate();
            let key = match tier.balance {
                Balance::Order | Balance::Latency | Balance::Throughput => 0.0,
                Balance::Weight | Balance::Price => draw(weight(tier.balance, candidate), (moment.chance)()),
            };
            ((moment.has_outage)(candidate), key, permitted)
        })
        .collect();
    keyed.sort_by(|left, right| left.0.cmp(&right.0).then(left.1.total_cmp(&right.1)));
    keyed.into_iter().map(|(_, _, permitted)| permitted).collect()
}

/// An exponential variate of rate `weight`: the smallest of several is each one's with probability weight by sum of
/// weights, and so is each next among the rest (Efraimidis and Spirakis, 2006). Without weight: last.
fn draw(weight: f64, chance: f64) -> f64 {
    if weight > 0.0 { -chance.max(f64::MIN_POSITIVE).ln() / weight } else { f64::INFINITY }
}

#[cfg(test)]
mod tests;
