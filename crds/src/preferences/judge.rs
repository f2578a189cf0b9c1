//! Who is out by the preferences of a call, and who comes first; what is not known is not allowed. What must be promised is
//! for `demand`. Called by `plan` for each candidate that the policies permit.

use jiff::civil::Date;

use super::demand::Demands;
use super::{Percentiles, Preferences};
use crate::limits::Limits;
use crate::snapshot::{Candidate, Reason};

/// Whether figures are to be reached or to be kept to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// At least so much: throughput.
    Floor,
    /// At most so much: latency.
    Ceiling,
}

impl Percentiles {
    /// Whether what was measured meets each figure that is set. What was not measured counts against nobody.
    pub fn are_met_by(&self, measured: &Self, bound: Bound) -> bool {
        let pairs =
            [(self.p50, measured.p50), (self.p75, measured.p75), (self.p90, measured.p90), (self.p99, measured.p99)];
        pairs.into_iter().all(|pair| match (pair, bound) {
            ((None, _) | (_, None), _) => true,
            ((Some(asked), Some(measured)), Bound::Floor) => measured >= asked,
            ((Some(asked), Some(measured)), Bound::Ceiling) => measured <= asked,
        })
    }

    /// Whether none is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What an app asks for, made ready once for all the candidates of a call.
#[derive(Debug)]
pub struct Judge<'p> {
    preferences: &'p Preferences,
    /// What must be promised, if anything.
    demands: Option<Demands<'p>>,
}

impl Judge<'_> {
    /// Every reason why a candidate is out for this call.
    #[must_use = "an unread objection is a leak"]
    pub fn objections(&self, candidate: &Candidate) -> Vec<Reason> {
        let mut reasons = Vec::new();
        let asks = self.preferences;
        if self.demands.is_none() && asks.leaves_all() {
            return reasons;
        }
        asks.judge_names(candidate, &mut reasons);
        asks.judge_model(candidate, &mut reasons);
        if let Some(region) = &asks.region
            && candidate.region.as_ref().is_none_or(|known| !known.eq_ignore_ascii_case(region))
        {
            let known = candidate.region.as_deref().unwrap_or("a region that is not known");
            reasons.push(reason("data_region", format!("it is called in {known}; the model's name asks for {region}")));
        }
        if let Some(demands) = &self.demands {
            demands.judge(&candidate.facts, &mut reasons);
        }
        reasons
    }
}

impl Preferences {
    /// Makes these ready to judge the candidates of a call. The policies are the snapshot's: a promise counts here only if it
    /// counts for each of them.
    pub fn judge<'p>(&'p self, policies: &'p [Limits], today: Date) -> Judge<'p> {
        Judge { preferences: self, demands: Demands::of(self, policies, today) }
    }

    /// Whether nothing is said that could leave anybody out, but for what must be promised.
    fn leaves_all(&self) -> bool {
        self.only.is_none()
            && self.ignore.is_empty()
            && !self.is_closed()
            && self.quantizations.is_none()
            && self.max_price.is_none()
            && self.region.is_none()
    }

    /// Whether nobody but those in `order` may answer.
    pub fn is_closed(&self) -> bool {
        !self.order.is_empty() && !self.allow_fallbacks
    }

    /// The candidate's place in `order`, from 0; nothing when it is not there.
    pub fn position(&self, candidate: &Candidate) -> Option<usize> {
        self.order.iter().position(|word| word.names(candidate))
    }

    fn judge_names(&self, candidate: &Candidate, reasons: &mut Vec<Reason>) {
        if let Some(only) = &self.only
            && !only.iter().any(|word| word.names(candidate))
        {
            reasons.push(reason("allowed_providers", format!("{} does not name it", self.only_field)));
        }
        if self.is_closed() && self.position(candidate).is_none() {
            let message = "provider.order does not name it, and allow_fallbacks is false".to_owned();
            reasons.push(reason("allowed_providers", message));
        }
        if let Some(word) = self.ignore.iter().find(|word| word.may_name(candidate)) {
            let says = if word.names(candidate) { "names it" } else { "may name it, as its region is not known" };
            reasons.push(reason("ignored_provider", format!("provider.ignore {says}: {}", word.0)));
        }
    }

    fn judge_model(&self, candidate: &Candidate, reasons: &mut Vec<Reason>) {
        if let Some(kept) = &self.quantizations
            && !kept.contains(&candidate.quantization)
        {
            let known = candidate.quantization.map_or("not known".to_owned(), |known| format!("{known:?}"));
            let message = format!("how its weights are kept is {known}, which the call does not list");
            reasons.push(reason("quantization", message));
        }
        if let Some(most) = &self.max_price {
            let message = match &candidate.price {
                None => "its price is not known; the call has a highest price".to_owned(),
                Some(price) if price.is_within(most) => return,
                Some(price) => format!(
                    "its price is {} and {} US dollars for a million tokens of prompt and of answer, above the call's highest",
                    price.input_per_million.as_f64(),
                    price.output_per_million.as_f64()
                ),
            };
            reasons.push(reason("max_price", message));
        }
    }
}

pub(super) fn reason(code: &str, message: String) -> Reason {
    Reason { code: code.to_owned(), message, policy: None }
}
