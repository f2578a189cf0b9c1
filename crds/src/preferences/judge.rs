//! Who is out by the preferences of a call, and who comes first. What is promised is judged by `residency`, exactly as for a
//! DataPolicy; what is not known is not allowed. Called by `plan` for each candidate that the policies permit.

use jiff::civil::Date;

use super::{Percentiles, Preferences};
use crate::limits::{JurisdictionLimits, Limits};
use crate::name::ObjectName;
use crate::objection::Objection;
use crate::place::Countries;
use crate::residency;
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

impl Preferences {
    /// Every reason why a candidate is out for this call. The policies are the snapshot's: a promise counts here only if it
    /// counts for each of them.
    #[must_use = "an unread objection is a leak"]
    pub fn objections(&self, candidate: &Candidate, policies: &[Limits], today: Date) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if self.leaves_all() {
            return reasons;
        }
        self.judge_names(candidate, &mut reasons);
        self.judge_model(candidate, &mut reasons);
        if let Some(region) = &self.region
            && candidate.region.as_ref().is_none_or(|known| !known.eq_ignore_ascii_case(region))
        {
            let known = candidate.region.as_deref().unwrap_or("a region that is not known");
            reasons.push(reason("data_region", format!("it is called in {known}; the model's name asks for {region}")));
        }
        self.judge_promises(candidate, policies, today, &mut reasons);
        reasons
    }

    /// Whether nothing is said that could leave anybody out.
    fn leaves_all(&self) -> bool {
        self.only.is_none()
            && self.ignore.is_empty()
            && !self.is_closed()
            && self.quantizations.is_none()
            && self.max_price.is_none()
            && self.region.is_none()
            && !self.asks_for_promises()
    }

    fn asks_for_promises(&self) -> bool {
        self.places.is_some() || self.max_retention_days.is_some() || self.forbid_training || self.eu_owned
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

    fn judge_promises(&self, candidate: &Candidate, policies: &[Limits], today: Date, reasons: &mut Vec<Reason>) {
        if !self.asks_for_promises() {
            return;
        }
        let facts = &candidate.facts;
        let counts = |policy: &Limits| policy.evidence.attested_in.contains(&facts.attested_by);
        let is_believed = !policies.is_empty() && policies.iter().all(counts);
        for (code, demand) in self.demands().into_iter().flatten() {
            if !is_believed {
                let namespace = &facts.attested_by;
                let message = format!("what is promised in namespace {namespace} does not count for every policy here");
                reasons.push(reason(code, message));
                continue;
            }
            let found = residency::objections_to_promises(&demand, facts, today);
            if !found.is_empty() {
                let sentences: Vec<_> = found.iter().map(sentence).collect();
                reasons.push(reason(code, sentences.join("; ")));
            }
        }
    }

    /// What the candidate's promises must say, as policies say it, each with the word of its refusal.
    fn demands(&self) -> [Option<(&'static str, Limits)>; 4] {
        let retention = if self.max_retention_days == Some(0) { "data_policy_zdr" } else { "retention" };
        [
            self.places.map(|places| ("data_region", Limits { inference_regions: Some(places), ..nothing() })),
            self.max_retention_days.map(|days| (retention, Limits { max_retention_days: Some(days), ..nothing() })),
            self.forbid_training.then(|| ("data_policy_training", Limits { forbid_training: true, ..nothing() })),
            self.eu_owned.then(|| {
                let allowed = Some(Countries::eu());
                let jurisdictions =
                    JurisdictionLimits { allowed, denied: Countries::default(), conditional: Vec::new() };
                ("eu_owned", Limits { jurisdictions: Some(jurisdictions), ..nothing() })
            }),
        ]
    }
}

/// A demand of a call, before it demands anything. No policy says so.
fn nothing() -> Limits {
    Limits::nothing(ObjectName::new("", ""))
}

/// The sentence of an objection, with the call in the place of the policy.
fn sentence(objection: &Objection) -> String {
    objection.to_string().replace("the policy", "the call").replace("jurisdictions does", "the call does")
}

fn reason(code: &str, message: String) -> Reason {
    Reason { code: code.to_owned(), message, policy: None }
}
