//! Who is tried for one call, in which order. Pure: time, health and chance are given.
//!
//! Permission is decided first, by `residency`; then what the app asks and what the call needs leave candidates out;
//! balance, health and the app's wishes only order what is left. The sidecar asks before each call, `explain` shows it.

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::limits::Limits;
use crate::name::ObjectName;
use crate::needs::Needs;
use crate::preferences::{Bound, Judge, Percentiles, Preferences, Sort};
use crate::residency::{Asking, Memo, Permitted, utc_day};
use crate::route::Balance;
use crate::snapshot::{Candidate, Reason, Route, Tier};

/// How often a tier that is ordered by speed begins with somebody else, so that who was slow can show that it no longer is.
const EXPLORED: f64 = 0.05;

/// What a plan depends on besides the route.
pub struct Moment<'a> {
    /// The time.
    pub now: Timestamp,
    /// Whom the decision has permitted before; an empty one where nobody remembers.
    pub memo: &'a Memo,
    /// What the call needs of a model.
    pub needs: &'a Needs,
    /// The provider and model that answered the call's session before.
    pub sticky: Option<(&'a ObjectName, &'a str)>,
    /// How a candidate stands.
    pub standing: &'a dyn Fn(&Candidate) -> Standing,
    /// The next draw, from 0 (excluded) to 1.
    pub chance: &'a mut dyn FnMut() -> f64,
}

/// How a candidate stands, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Standing {
    /// Whether it can be expected to answer.
    pub health: Health,
    /// Seconds to the first content, as measured over five minutes.
    pub latency: Percentiles,
    /// Tokens a second.
    pub throughput: Percentiles,
}

/// Whether a candidate can be expected to answer. The order is that of trying.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// Nothing speaks against it.
    #[default]
    Well,
    /// Too many of its last calls failed.
    Outage,
    /// It asks to be left alone for a while, or its share is used up.
    Limited,
}

/// One model that an app asks for.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'r, 'p> {
    /// The route that answers for it.
    pub route: &'r Route,
    /// What the app asks of routing, the endings of this model's name included.
    pub preferences: &'p Preferences,
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
    /// How many candidates the policies permit; the app's wishes and the call's needs may have left out some of them.
    pub permitted: usize,
}

/// One candidate to try.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// The route that it stands in.
    pub route: &'a Route,
    /// Which of the models that the app asks for, from 0.
    pub stage: usize,
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
    pub reasons: Cow<'a, [Reason]>,
}

/// Who is tried for one call under these policies, and in which order. The app's first wish comes first, and its route's
/// `attempts` bounds the whole.
pub fn plan<'a>(wishes: &[Wish<'a, '_>], policies: &[Limits], moment: &mut Moment<'_>) -> Plan<'a> {
    let most = wishes.first().and_then(|wish| wish.route.attempts).unwrap_or(usize::MAX);
    let plan = Plan { attempts: Vec::new(), most, refused: Vec::new(), permitted: 0 };
    let today = utc_day(moment.now);
    let memo = moment.memo;
    let asking = memo.ask(policies, today);
    let mut planning =
        Planning { policies, today, asking, moment, plan, too_long: Vec::new(), across: Vec::new(), across_at: None };
    for (stage, wish) in wishes.iter().enumerate() {
        planning.stage(*wish, stage);
    }
    planning.done()
}

/// The share of a candidate in its tier's draw; 0 is drawn last.
pub fn weight(balance: Balance, candidate: &Candidate) -> f64 {
    match balance {
        Balance::Order | Balance::Weight | Balance::Latency | Balance::Throughput => f64::from(candidate.weight),
        Balance::Price => candidate.price.as_ref().map_or(0.0, crate::price::Price::weight),
    }
}

/// Puts a plan together.
struct Planning<'p, 'm, 'a> {
    policies: &'p [Limits],
    moment: &'p mut Moment<'m>,
    today: Date,
    asking: Asking<'p>,
    plan: Plan<'a>,
    /// Candidates that are out only because the prompt is too long for them.
    too_long: Vec<(Attempt<'a>, usize)>,
    /// What the app sorts over all its models.
    across: Vec<(Place, Attempt<'a>)>,
    /// Where among the attempts that goes.
    across_at: Option<usize>,
}

/// One of the models that the app asks for, while its route is gone through.
struct Stage<'a, 'p> {
    wish: Wish<'a, 'p>,
    at: usize,
    judge: Judge<'p>,
}

/// Where an attempt stands in its tier: the smaller, the sooner.
#[derive(Clone, Copy)]
struct Place {
    health: Health,
    /// In the app's own order, or who answered its session before.
    position: usize,
    /// Whether it is slower than the app prefers, or not known to be able to do what the call needs.
    is_later: bool,
    drawn: f64,
}

impl<'a> Planning<'_, '_, 'a> {
    fn stage(&mut self, wish: Wish<'a, '_>, stage: usize) {
        let Wish { route, preferences } = wish;
        let is_across = is_across(preferences);
        let asked = Stage { wish, at: stage, judge: preferences.judge(self.policies, self.today) };
        let (start, start_across) = (self.plan.attempts.len(), self.across.len());
        for (at, tier) in route.tiers.iter().enumerate() {
            let number = at + 1;
            self.plan.refused.extend(tier.refused.iter().map(|refused| Refusal {
                tier: number,
                provider: &refused.provider,
                model: &refused.model,
                reasons: Cow::Borrowed(&refused.reasons),
            }));
            let mut left = Vec::with_capacity(tier.candidates.len());
            for candidate in &tier.candidates {
                self.judge(candidate, (&asked, number), &mut left);
            }
            let sorted = self.place(tier, preferences, left);
            if is_across {
                self.across.extend(sorted);
            } else {
                self.plan.attempts.extend(sorted.into_iter().map(|(_, attempt)| attempt));
            }
        }
        if is_across {
            self.across_at.get_or_insert(start);
        }
        if !preferences.allow_fallbacks && preferences.order.is_empty() {
            self.keep_first(start, start_across);
        }
    }

    /// Keeps only the first of a model, which is the first of its first tier, and says of the others that they are out.
    fn keep_first(&mut self, start: usize, start_across: usize) {
        let (attempts, across) = (&mut self.plan.attempts, &mut self.across);
        let late = attempts.split_off(attempts.len().min(start + 1));
        let late_across = across.split_off(across.len().min(start_across + 1));
        let late = late.into_iter().chain(late_across.into_iter().map(|(_, attempt)| attempt));
        self.plan.refused.extend(late.map(|Attempt { tier, permitted, .. }| {
            let candidate = permitted.candidate();
            let message = "allow_fallbacks is false, and somebody else comes first".to_owned();
            let reasons = vec![Reason { code: "allowed_providers".to_owned(), message, policy: None }];
            let reasons = Cow::Owned(reasons);
            Refusal { tier, provider: &candidate.provider, model: &candidate.model, reasons }
        }));
    }

    /// Keeps a candidate, or says why it is out.
    fn judge(&mut self, candidate: &'a Candidate, (stage, tier): (&Stage<'a, '_>, usize), left: &mut Vec<Attempt<'a>>) {
        let Wish { route, preferences } = stage.wish;
        let needs = self.moment.needs;
        let reasons = match self.asking.permit(self.policies, candidate, self.today) {
            Err(reasons) => reasons,
            Ok(permitted) => {
                self.plan.permitted += 1;
                let attempt = Attempt { route, stage: stage.at, tier, permitted };
                let mut reasons = stage.judge.objections(candidate);
                reasons.extend(needs.objections(candidate, preferences.require_parameters));
                if reasons.is_empty() {
                    left.push(attempt);
                    return;
                }
                if reasons.iter().all(|reason| reason.code == TOO_LONG) {
                    self.too_long.push((attempt, self.plan.refused.len()));
                }
                reasons
            }
        };
        let reasons = Cow::Owned(reasons);
        self.plan.refused.push(Refusal { tier, provider: &candidate.provider, model: &candidate.model, reasons });
    }

    /// Orders a tier: who can be expected to answer first, then as the app says, then as the balance says.
    fn place(&mut self, tier: &Tier, preferences: &Preferences, left: Vec<Attempt<'a>>) -> Vec<(Place, Attempt<'a>)> {
        if left.len() < 2 && !is_across(preferences) {
            let alone = Place { health: Health::Well, position: 0, is_later: false, drawn: 0.0 };
            return left.into_iter().map(|attempt| (alone, attempt)).collect();
        }
        let by = By::of(tier.balance, preferences.sort);
        let explored = match by {
            By::Latency | By::Throughput if preferences.sort.is_none() => self.explored(left.len()),
            By::Order | By::Weight | By::Draw | By::Price | By::Latency | By::Throughput => None,
        };
        let mut sorted: Vec<(Place, Attempt<'a>)> = Vec::with_capacity(left.len());
        for (at, attempt) in left.into_iter().enumerate() {
            let mut place = self.place_of(attempt.permitted.candidate(), preferences, by);
            if explored == Some(at) {
                place.drawn = f64::NEG_INFINITY;
            }
            sorted.push((place, attempt));
        }
        sorted.sort_by(|(left, _), (right, _)| left.cmp(right));
        sorted
    }

    /// Who begins now and then, although somebody else is faster.
    fn explored(&mut self, among: usize) -> Option<usize> {
        let chance = &mut *self.moment.chance;
        if chance() >= EXPLORED {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "at most 64"
        )]
        let at = (chance() * among as f64) as usize;
        Some(at.min(among - 1))
    }

    fn place_of(&mut self, candidate: &Candidate, preferences: &Preferences, by: By) -> Place {
        let (needs, sticky) = (self.moment.needs, self.moment.sticky);
        let standing = (self.moment.standing)(candidate);
        let mut chance = || (self.moment.chance)();
        let drawn = match by {
            By::Order => 0.0,
            By::Weight => draw(weight(Balance::Weight, candidate), chance()),
            By::Draw => draw(weight(Balance::Price, candidate), chance()),
            By::Price => candidate.price.as_ref().map_or(f64::INFINITY, crate::price::Price::sum),
            // Who is not known goes first, in an order of chance: that is how it becomes known.
            By::Latency => standing.latency.p50.unwrap_or_else(|| chance() - 1.0),
            By::Throughput => standing.throughput.p50.map_or_else(|| chance() - 1e9, |speed| -speed),
        };
        let is_sticky = || sticky == Some((&candidate.provider, &candidate.model));
        let position = if preferences.order.is_empty() {
            usize::from(sticky.is_some() && !is_sticky())
        } else {
            preferences.position(candidate).unwrap_or(usize::MAX)
        };
        let is_slow = !preferences.max_latency.are_met_by(&standing.latency, Bound::Ceiling)
            || !preferences.min_throughput.are_met_by(&standing.throughput, Bound::Floor);
        let is_unknown = !needs.abilities.is_empty() && candidate.supports.is_empty();
        Place { health: standing.health, position, is_later: is_slow || is_unknown, drawn }
    }

    /// The plan. A prompt that is too long for everybody goes to whom it fits best: the provider counts what we only estimate,
    /// and tells the app in the words that it knows.
    fn done(mut self) -> Plan<'a> {
        self.across.sort_by(|(left, one), (right, other)| one.tier.cmp(&other.tier).then(left.cmp(right)));
        // Models that are sorted alone, by an ending of their own, keep their place before or behind those.
        let at = self.across_at.unwrap_or(0);
        self.plan.attempts.splice(at..at, self.across.drain(..).map(|(_, attempt)| attempt));
        if self.plan.attempts.is_empty() {
            self.too_long.sort_by_key(|(attempt, _)| std::cmp::Reverse(attempt.permitted.candidate().context_tokens));
            self.plan.attempts.extend(self.too_long.first().map(|(attempt, _)| *attempt));
            if let Some((_, refusal)) = self.too_long.first() {
                self.plan.refused.remove(*refusal);
            }
        }
        self.plan
    }
}

/// Whether the app sorts the candidates of all its models together. The tiers of the platform hold all the same.
fn is_across(preferences: &Preferences) -> bool {
    preferences.across_models && preferences.sort.is_some()
}

/// The reason of who is out because a prompt is too long.
const TOO_LONG: &str = "context_length";

/// What orders a tier.
#[derive(Clone, Copy)]
enum By {
    Order,
    Weight,
    /// Chance, weighted by price.
    Draw,
    Price,
    Latency,
    Throughput,
}

impl By {
    fn of(balance: Balance, sort: Option<Sort>) -> Self {
        match (sort, balance) {
            (Some(Sort::Price), _) => Self::Price,
            (Some(Sort::Latency), _) | (None, Balance::Latency) => Self::Latency,
            (Some(Sort::Throughput), _) | (None, Balance::Throughput) => Self::Throughput,
            (None, Balance::Price) => Self::Draw,
            (None, Balance::Order) => Self::Order,
            (None, Balance::Weight) => Self::Weight,
        }
    }
}

impl Place {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let key = |place: &Self| (place.health, place.position, place.is_later);
        key(self).cmp(&key(other)).then(self.drawn.total_cmp(&other.drawn))
    }
}

/// An exponential variate of rate `weight`: the smallest of several is each one's with probability weight by sum of
/// weights, and so is each next among the rest (Efraimidis and Spirakis, 2006). Without weight: last.
fn draw(weight: f64, chance: f64) -> f64 {
    if weight > 0.0 { -chance.max(f64::MIN_POSITIVE).ln() / weight } else { f64::INFINITY }
}

#[cfg(test)]
mod tests;
