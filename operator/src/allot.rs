//! Shares a namespace's limits out among its pods. Pure: reports go in, shares come out, time is a parameter.
//!
//! Shares are max-min fair by what pods ask for, what nobody asks for is spread evenly, and everybody gets a little. They
//! stay as they are while they serve everybody. A share is raised only by what nobody may still be holding: a pod counts
//! with the most that it was told until it says that it holds less, one that is cut off with what it held last, and one that
//! was never told with what it uses untold. So no word lets pods use more than the limit together, however late it comes.
//! `rations` keeps a [`Pool`] for each account of a namespace.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lotse_crds::quota::{CallLimits, LimitName};
use lotse_crds::usage::{Share, Used};

/// How long a pod that is cut off keeps its share.
const CUT_OFF: Duration = Duration::from_mins(10);
/// How long a new leader waits for the pods that it has not heard yet before it raises anything: longer than sidecars wait
/// before they come again.
const LEARNING: Duration = Duration::from_secs(40);
/// How long a turn lasts where there is less to share than there are pods.
const TURN: Duration = Duration::from_secs(10);
/// Over which time what pods ask for is averaged, in milliseconds.
const MEMORY: f64 = 10_000.0;
/// What a call is taken to need in tokens when none has been counted.
const GUESS: f64 = 1000.0;

/// An account with a provider or a route, and the pods that share it.
#[derive(Debug, Default)]
pub struct Pool {
    holders: BTreeMap<Arc<str>, Holder>,
}

/// One pod.
#[derive(Debug)]
struct Holder {
    presence: Presence,
    /// Since when it is known that there is such a pod, but not what it holds: it may have been told by another leader.
    unknown: Option<Instant>,
    /// It follows and never says what it uses.
    is_silent: bool,
    tokens_per_call: f64,
    /// As [`LimitName::ALL`] has them.
    parts: [Part; 3],
}

/// What is known of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    /// It was there when this leader began, and has not come since.
    Away,
    /// It follows, and has not said what it holds; when shares were first settled since then.
    Begun(Option<Instant>),
    /// It follows and says what it uses.
    Here,
    /// It followed until then.
    CutOff(Instant),
}

/// One pod's part of one limit.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    /// What it would use in a minute or at once.
    demand: f64,
    /// What it was told last.
    granted: Option<u32>,
    /// In which round that was.
    round: u64,
    /// The most that it may be holding, as long as it has not said that it has heard of that round; and calls that go on.
    most: Option<u32>,
}

/// What one pod asks for, and what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// What it would use.
    pub demand: u32,
    /// What it holds; nothing while it has not been told.
    pub holds: Option<u32>,
}

impl Pool {
    /// A pod was there when this leader began; what it holds is not known.
    pub fn expects(&mut self, pod: &Arc<str>, now: Instant) {
        self.holders.entry(pod.clone()).or_insert_with(|| Holder::new(Presence::Away, Some(now)));
    }

    /// A pod begins to follow.
    pub fn begins(&mut self, pod: &Arc<str>) {
        let holder = self.holders.entry(pod.clone()).or_insert_with(|| Holder::new(Presence::Begun(None), None));
        holder.presence = Presence::Begun(None);
    }

    /// A pod says what it has used, in so many milliseconds, and what it holds, having heard of a round.
    pub fn reports(&mut self, pod: &str, used: &Used, (milliseconds, heard): (u64, u64)) {
        let Some(holder) = self.holders.get_mut(pod) else { return };
        let is_first = std::mem::replace(&mut holder.presence, Presence::Here) != Presence::Here;
        holder.is_silent = false;
        holder.unknown = None;
        holder.learn(used, milliseconds);
        for (part, limit) in holder.parts.iter_mut().zip(LimitName::ALL) {
            // What was begun under a larger share goes on when the pod has heard of a smaller one.
            let goes_on = match limit {
                LimitName::ConcurrentRequests => u32::try_from(used.concurrent).unwrap_or(u32::MAX),
                LimitName::RequestsPerMinute | LimitName::TokensPerMinute => 0,
            };
            if is_first {
                part.learn(used.holds.and_then(|holds| holds.get(limit)), goes_on);
            } else if heard >= part.round {
                part.most = part.granted.map(|granted| granted.max(goes_on));
            }
        }
    }

    /// A pod follows no more, and goes on with what it holds.
    pub fn is_cut_off(&mut self, pod: &str, now: Instant) {
        if let Some(holder) = self.holders.get_mut(pod) {
            holder.presence = Presence::CutOff(now);
        }
    }

    /// A pod is gone, or needs this no more.
    pub fn loses(&mut self, pod: &str) {
        self.holders.remove(pod);
    }

    /// Keeps only the pods that there still are.
    pub fn retain(&mut self, is_there: &dyn Fn(&str) -> bool) {
        self.holders.retain(|pod, _| is_there(pod));
    }

    /// Whether nobody shares it.
    pub fn is_empty(&self) -> bool {
        self.holders.is_empty()
    }

    /// What a pod is to be told, once it has said what it holds.
    pub fn share(&self, pod: &str) -> Option<Share> {
        let holder = self.holders.get(pod).filter(|holder| holder.presence == Presence::Here)?;
        let parts = LimitName::ALL.into_iter().zip(&holder.parts);
        let share = parts.fold(Share::default(), |share, (limit, part)| share.with(limit, part.granted));
        (share != Share::default()).then_some(share)
    }

    /// Shares the limits out anew, in a round that comes after all before.
    pub fn settle(&mut self, limits: &CallLimits, (round, turn): (u64, u64), now: Instant) {
        let lasts = |since: Instant, time: Duration| now.saturating_duration_since(since) < time;
        self.holders.retain(|_, holder| match holder.presence {
            Presence::Away => holder.unknown.is_some_and(|since| lasts(since, CUT_OFF)),
            Presence::CutOff(since) => lasts(since, CUT_OFF),
            Presence::Begun(_) | Presence::Here => true,
        });
        for holder in self.holders.values_mut() {
            if let Presence::Begun(since) = &mut holder.presence {
                // Whoever is limited says so within seconds: this one is not.
                holder.is_silent = !lasts(*since.get_or_insert(now), LEARNING);
            }
        }
        let is_awaited = |holder: &Holder| holder.unknown.is_some_and(|since| lasts(since, LEARNING));
        let may_raise = !self.holders.values().any(is_awaited);
        let untold = Share::untold(limits);
        for (at, limit) in LimitName::ALL.into_iter().enumerate() {
            match limits.get(limit).zip(untold.get(limit)) {
                Some((limit, untold)) => self.settle_one((at, limit, untold), (round, turn), may_raise),
                None => self.holders.values_mut().for_each(|holder| holder.parts[at] = Part::default()),
            }
        }
    }

    /// What those who can't be told hold of one limit. Those of whom it is not known hold an even part each, and together no
    /// more than the others leave: whoever led before granted no more than there is.
    fn away(&self, (at, limit, untold): (usize, u32, u32)) -> u64 {
        let pods = u32::try_from(self.holders.len()).unwrap_or(u32::MAX).max(1);
        let (mut known, mut away, mut unknown) = (0u64, 0u64, 0u64);
        for holder in self.holders.values() {
            let counts = holder.parts[at].counts().map(|counts| u64::from(counts.min(limit)));
            match (counts, holder.presence, holder.unknown) {
                (counts, Presence::Here, _) => known += counts.unwrap_or(untold.into()),
                (Some(counts), ..) => away += counts,
                (None, _, Some(_)) => unknown += u64::from((limit / pods).max(1)),
                (None, _, None) if holder.is_silent => {}
                (None, _, None) => away += u64::from(untold),
            }
        }
        away + unknown.min(u64::from(limit).saturating_sub(known + away))
    }

    /// Shares one limit out: lowers at once, and raises by what is free.
    fn settle_one(&mut self, (at, limit, untold): (usize, u32, u32), (round, turn): (u64, u64), may_raise: bool) {
        let is_here = |holder: &&Holder| holder.presence == Presence::Here;
        let away = self.away((at, limit, untold));
        let rest = u32::try_from(u64::from(limit).saturating_sub(away)).unwrap_or(0);
        let claims: Vec<Claim> = self.holders.values().filter(is_here).map(|holder| holder.parts[at].claim()).collect();
        let targets = divide(rest, &claims, turn);
        let mut here: Vec<(&mut Part, u32)> = self
            .holders
            .values_mut()
            .filter(|holder| holder.presence == Presence::Here)
            .map(|holder| &mut holder.parts[at])
            .zip(targets)
            .collect();
        for (part, target) in &mut here {
            if *target <= part.granted.unwrap_or(untold) {
                part.grant((*target, round), part.counts().unwrap_or(untold));
            }
        }
        if !may_raise {
            return;
        }
        let held: u64 = here.iter().map(|(part, _)| u64::from(part.counts().unwrap_or(untold))).sum();
        let mut free = u32::try_from(u64::from(limit).saturating_sub(away + held)).unwrap_or(0);
        // Who has least comes first.
        here.sort_by_key(|(part, _)| part.granted.unwrap_or(untold));
        for (part, target) in here {
            let counted = part.counts().unwrap_or(untold);
            let reached = target.min(counted.saturating_add(free));
            if reached > part.granted.unwrap_or(untold) {
                part.grant((reached, round), counted.max(reached));
                free -= counted.max(reached) - counted;
            }
        }
    }
}

impl Holder {
    fn new(presence: Presence, unknown: Option<Instant>) -> Self {
        Self { presence, unknown, is_silent: false, tokens_per_call: GUESS, parts: [Part::default(); 3] }
    }

    /// Learns what the pod would use.
    fn learn(&mut self, used: &Used, milliseconds: u64) {
        let milliseconds = as_f64(milliseconds.clamp(200, 600_000));
        if used.begun > 0 && used.tokens > 0 {
            self.tokens_per_call = as_f64(used.tokens) / as_f64(used.begun);
        }
        let a_minute = 60_000.0 / milliseconds;
        let forgotten = (-milliseconds / MEMORY).exp();
        let [requests, tokens, concurrent] = &mut self.parts;
        let average = |part: &mut Part, rate: f64| part.demand = part.demand * forgotten + rate * (1.0 - forgotten);
        average(requests, (as_f64(used.begun) + as_f64(used.refused.requests)) * a_minute);
        average(tokens, (as_f64(used.tokens) + as_f64(used.refused.tokens) * self.tokens_per_call) * a_minute);
        let at_once = as_f64(used.concurrent) + as_f64(used.refused.concurrent);
        concurrent.demand = at_once.max(concurrent.demand * forgotten);
    }
}

impl Part {
    /// Learns what the pod holds when it begins to follow. One that holds nothing is another container than before; what one
    /// was told before and has not heard is told again. So many of its calls go on.
    fn learn(&mut self, holds: Option<u32>, goes_on: u32) {
        match (holds, self.granted) {
            (None, _) => (self.granted, self.most) = (None, None),
            (Some(held), None) => (self.granted, self.most) = (holds, Some(held.max(goes_on))),
            (Some(held), Some(granted)) => self.most = Some(held.max(granted).max(goes_on)),
        }
    }

    /// Grants so much in a round; until the pod has heard of it, it may hold as much as `most`.
    fn grant(&mut self, (granted, round): (u32, u64), most: u32) {
        if self.granted != Some(granted) {
            (self.granted, self.round, self.most) = (Some(granted), round, Some(most));
        }
    }

    /// The most that the pod may be holding; nothing if it was never told.
    fn counts(&self) -> Option<u32> {
        self.granted.max(self.most)
    }

    fn claim(&self) -> Claim {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast saturates")]
        let demand = self.demand.ceil() as u32;
        // What has all but faded is no demand.
        Claim { demand: if self.demand < 0.1 { 0 } else { demand }, holds: self.granted }
    }
}

/// The turn at a time since leadership began.
pub fn turn(since: Duration) -> u64 {
    since.as_secs() / TURN.as_secs()
}

#[expect(clippy::cast_precision_loss, reason = "an average need not be exact")]
fn as_f64(count: u64) -> f64 {
    count as f64
}

/// What each claim gets of a limit: what it holds while that serves everybody, otherwise its fair share.
pub fn divide(limit: u32, claims: &[Claim], turn: u64) -> Vec<u32> {
    let fair = fair(limit, claims, turn);
    let held: Option<Vec<u32>> = claims.iter().map(|claim| claim.holds).collect();
    match held {
        Some(held) if serves(limit, claims, (&held, &fair)) => held,
        Some(_) | None => fair,
    }
}

/// Whether what is held is as good as what would be fair, or nearly.
fn serves(limit: u32, claims: &[Claim], (held, fair): (&[u32], &[u32])) -> bool {
    let sum: u64 = held.iter().copied().map(u64::from).sum();
    let few = claims.len() as u64 <= u64::from(limit);
    sum == u64::from(limit)
        && claims.iter().zip(held.iter().zip(fair)).all(|(claim, (held, fair))| {
            let (held, fair, demand) = (u64::from(*held), u64::from(*fair), u64::from(claim.demand));
            // A little more than it asks for, or seven eighths of what is fair.
            let enough = fair.min(demand + demand.div_ceil(8));
            held * 8 >= enough * 7 && (held > 0 || fair == 0 || (!few && demand == 0))
        })
}

/// Max-min fair shares, which add up to the limit.
fn fair(limit: u32, claims: &[Claim], turn: u64) -> Vec<u32> {
    let count = claims.len() as u64;
    let limit = u64::from(limit);
    if count == 0 {
        return Vec::new();
    }
    if limit < count {
        return one_each(limit, claims, turn);
    }
    let least = (limit / (10 * count)).max(1);
    let asks: Vec<u64> = claims.iter().map(|claim| u64::from(claim.demand).max(least)).collect();
    let mut order: Vec<usize> = (0..claims.len()).collect();
    order.sort_by_key(|at| asks[*at]);
    let (mut shares, mut left) = (vec![0; claims.len()], limit);
    let mut at = 0;
    while at < order.len() {
        let level = left / (count - at as u64);
        let ask = asks[order[at]];
        if ask > level {
            break;
        }
        shares[order[at]] = ask;
        left -= ask;
        at += 1;
    }
    // Either these ask for more than there is, or all have what they ask for and the rest is spread.
    let equal = if at < order.len() { order[at..].to_vec() } else { order };
    spread(left, (&equal, claims), &mut shares);
    shares.into_iter().map(|share| u32::try_from(share).unwrap_or(u32::MAX)).collect()
}

/// Adds what is left in equal parts; what can't be divided stays with whoever has it.
fn spread(left: u64, (equal, claims): (&[usize], &[Claim]), shares: &mut [u64]) {
    let (part, rest) = (left / equal.len() as u64, left % equal.len() as u64);
    let mut order = equal.to_vec();
    order.sort_by_key(|at| (claims[*at].holds.map(u64::from) <= Some(shares[*at] + part), *at));
    for (rank, at) in (0..).zip(order) {
        shares[at] += part + u64::from(rank < rest);
    }
}

/// One for some and none for others, where there is less than one for each: those who ask take turns.
fn one_each(limit: u64, claims: &[Claim], turn: u64) -> Vec<u32> {
    let asks: Vec<usize> = (0..claims.len()).filter(|at| claims[*at].demand > 0).collect();
    let mut order = asks.clone();
    if asks.len() as u64 > limit {
        let first = (turn % asks.len() as u64) * limit % asks.len() as u64;
        order.rotate_left(usize::try_from(first).unwrap_or(0));
    } else {
        let mut idle: Vec<usize> = (0..claims.len()).filter(|at| claims[*at].demand == 0).collect();
        idle.sort_by_key(|at| (claims[*at].holds.unwrap_or(0) == 0, *at));
        order.extend(idle);
    }
    let mut shares = vec![0; claims.len()];
    for at in order.into_iter().take(usize::try_from(limit).unwrap_or(usize::MAX)) {
        shares[at] = 1;
    }
    shares
}

#[cfg(test)]
mod tests;
