//! Whether data may go to a candidate, and if not, every reason why.
//!
//! This is the only place that decides. `compile` asks it to leave out what is refused, `plan` asks it again before each
//! call (evidence runs out while a snapshot is held), and `explain` prints what it says. What is not known is not
//! allowed, and limits are never the fold of nothing: without a policy that opens, everything is refused.

use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};

use crate::facts::{Facts, JurisdictionFact, PlaceFact, Proof};
use crate::limits::{EvidenceLimits, JurisdictionLimits, Limits};
use crate::name::ObjectName;
use crate::objection::{Objection, PromiseName};
use crate::place::Countries;
use crate::policy::TransferRequirement;
use crate::promises::{ContractType, Role, TransferMechanism};
use crate::snapshot::{Candidate, Reason};

mod memo;

pub use memo::{Asking, Memo};

/// A candidate to which nothing objects. Only [`permit`] makes one, and only a permitted candidate can be called.
#[derive(Clone, Copy, Debug)]
pub struct Permitted<'a>(&'a Candidate);

impl<'a> Permitted<'a> {
    /// The candidate.
    pub fn candidate(self) -> &'a Candidate {
        self.0
    }
}

/// Permits a candidate on this day (see [`utc_day`]), or says every reason against it.
pub fn permit<'a>(policies: &[Limits], candidate: &'a Candidate, today: Date) -> Result<Permitted<'a>, Vec<Reason>> {
    let objections = objections(policies, &candidate.facts, today);
    if objections.is_empty() { Ok(Permitted(candidate)) } else { Err(objections) }
}

/// Every reason why a candidate with these facts may not be given data under these policies, on this day (see [`utc_day`]).
/// None means it may.
#[must_use = "an unread objection is a leak"]
pub fn objections(policies: &[Limits], facts: &Facts, today: Date) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if !policies.iter().any(|limits| limits.opens) {
        reasons.push(Reason::new(&Objection::NoDataPolicy, None));
    }
    for limits in policies {
        let found = judge(limits, facts, today).objections;
        reasons.extend(found.iter().map(|objection| Reason::new(objection, Some(limits.policy.clone()))));
    }
    reasons
}

/// What does not refuse, but should be seen to: evidence that counts although nobody has read it for too long.
pub fn warnings(policies: &[Limits], facts: &Facts, now: Timestamp) -> Vec<(ObjectName, Objection)> {
    let today = utc_day(now);
    let of = |limits: &Limits| {
        let policy = limits.policy.clone();
        judge(limits, facts, today).warnings.into_iter().map(move |warning| (policy.clone(), warning))
    };
    policies.iter().flat_map(of).collect()
}

/// What one demand of a call objects to in promises, by these rules of evidence. Whose word counts is for the caller to know,
/// and whether the candidate is permitted at all is for [`permit`].
pub(crate) fn objections_to_promises(
    demand: &Limits,
    rules: &EvidenceLimits,
    facts: &Facts,
    today: Date,
) -> Vec<Objection> {
    weigh(demand, rules, facts, today).objections
}

/// The day in UTC: promises and conditions end at 00:00 UTC.
pub fn utc_day(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

/// What one policy says of one candidate.
#[derive(Default)]
struct Judgement {
    objections: Vec<Objection>,
    warnings: Vec<Objection>,
}

impl Judgement {
    /// The same promise can be leaned on by several fields; its defect is told once.
    fn object(&mut self, objection: Objection) {
        if !self.objections.contains(&objection) {
            self.objections.push(objection);
        }
    }

    fn warn(&mut self, warning: Objection) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
}

fn judge(limits: &Limits, facts: &Facts, today: Date) -> Judgement {
    let mut judgement = Judgement::default();
    if let Some(why) = &limits.invalid {
        judgement.object(Objection::PolicyInvalid { why: why.clone() });
        return judgement;
    }
    if !limits.leans_on_promises() {
        return judgement;
    }
    if !limits.evidence.attested_in.contains(&facts.attested_by) {
        // To this policy the provider has promised nothing; one sentence says so instead of ten.
        judgement.object(Objection::NotAttested { namespace: facts.attested_by.clone() });
        return judgement;
    }
    weigh(limits, &limits.evidence, facts, today)
}

/// What one policy says of promises that are made to it.
fn weigh(limits: &Limits, rules: &EvidenceLimits, facts: &Facts, today: Date) -> Judgement {
    let mut bench = Bench { limits, rules, facts, today, judgement: Judgement::default() };
    bench.judge_places();
    bench.judge_jurisdiction();
    bench.judge_handling();
    bench.judge_transfers();
    bench.judge_third_parties();
    bench.judgement
}

/// One policy against one candidate on one day.
struct Bench<'a> {
    limits: &'a Limits,
    rules: &'a EvidenceLimits,
    facts: &'a Facts,
    today: Date,
    judgement: Judgement,
}

impl Bench<'_> {
    fn judge_places(&mut self) {
        let (limits, facts) = (self.limits, self.facts);
        for (name, allowed, fact) in [
            (PromiseName::Inference, &limits.inference_regions, &facts.inference),
            (PromiseName::Storage, &limits.storage_regions, &facts.storage),
            (PromiseName::Access, &limits.access_regions, &facts.access),
        ] {
            let Some(allowed) = allowed else { continue };
            let Some(fact) = self.made(name, fact.as_ref()) else { continue };
            self.lean(name, &fact.proofs);
            if !fact.places.is_inside(allowed) {
                self.judgement.object(Objection::RegionNotAllowed {
                    promise: name,
                    places: fact.places.clone(),
                    allowed: *allowed,
                });
            }
        }
    }

    /// A place that is promised and not contradicted; otherwise the objection is raised.
    fn made<'f>(&mut self, name: PromiseName, fact: Option<&'f PlaceFact>) -> Option<&'f PlaceFact> {
        match fact {
            None => {
                self.judgement.object(Objection::NotPromised { promise: name });
                None
            }
            Some(PlaceFact { contradiction: Some(why), .. }) => {
                self.judgement.object(Objection::ResidencyContradiction { promise: name, why: why.clone() });
                None
            }
            made => made,
        }
    }

    fn judge_jurisdiction(&mut self) {
        let (facts, Some(jurisdictions)) = (self.facts, &self.limits.jurisdictions) else { return };
        let Some(fact) = &facts.jurisdiction else {
            self.not_promised_unless_self_operated(PromiseName::Jurisdiction);
            return;
        };
        self.lean(PromiseName::Jurisdiction, &fact.proofs);
        self.judge_homes(jurisdictions, fact);
    }

    fn judge_homes(&mut self, jurisdictions: &JurisdictionLimits, fact: &JurisdictionFact) {
        for (entity, home) in
            [("contracting entity", &fact.contracting_entity), ("ultimate parent", &fact.ultimate_parent)]
        {
            if !home.is_known() {
                self.judgement.object(Objection::JurisdictionNotAllowed { entity, home: home.to_string() });
                continue;
            }
            let left_out = jurisdictions.allowed.map(|allowed| home.countries.without(&allowed)).unwrap_or_default();
            let refused = left_out.union(&home.countries.intersection(&jurisdictions.denied));
            for country in refused.codes() {
                self.judge_conditional(jurisdictions, entity, country);
            }
        }
    }

    fn judge_conditional(&mut self, jurisdictions: &JurisdictionLimits, entity: &'static str, country: String) {
        let Some(condition) = jurisdictions.conditional.iter().find(|condition| condition.country == country) else {
            self.judgement.object(Objection::JurisdictionNotAllowed { entity, home: country });
            return;
        };
        if let Some(until) = condition.until
            && until <= self.today
        {
            self.judgement.object(Objection::JurisdictionConditionLapsed { entity, country, until });
            return;
        }
        let Some(transfers) = &self.facts.transfers else {
            self.judgement.object(Objection::NotPromised { promise: PromiseName::Transfers });
            return;
        };
        self.lean(PromiseName::Transfers, &transfers.proofs);
        let carried = |requirement: &TransferRequirement| {
            transfers.entries.iter().filter(|entry| entry.country == country).any(|entry| match requirement {
                TransferRequirement::AdequacyDecision => entry.mechanism == TransferMechanism::AdequacyDecision,
                TransferRequirement::SCC => entry.mechanism == TransferMechanism::SCC,
                TransferRequirement::BCR => entry.mechanism == TransferMechanism::BCR,
                TransferRequirement::Derogation => entry.mechanism == TransferMechanism::Derogation,
                TransferRequirement::ImpactAssessment => entry.impact_assessed,
            })
        };
        let missing: Vec<_> = condition.requires.iter().copied().filter(|each| !carried(each)).collect();
        if !missing.is_empty() {
            self.judgement.object(Objection::JurisdictionConditionUnmet { entity, country, missing });
        }
    }

    /// Retention, training and the contract: what the provider itself does with content.
    fn judge_handling(&mut self) {
        let (limits, facts) = (self.limits, self.facts);
        if let Some(most) = limits.max_retention_days {
            match &facts.retention {
                None => self.not_promised_unless_self_operated(PromiseName::Retention),
                Some(fact) => {
                    self.lean(PromiseName::Retention, &fact.proofs);
                    if fact.days > most {
                        self.judgement.object(Objection::RetentionTooLong { days: fact.days, most });
                    }
                }
            }
        }
        if limits.forbid_training {
            match &facts.training {
                None => self.not_promised_unless_self_operated(PromiseName::Training),
                Some(fact) => {
                    self.lean(PromiseName::Training, &fact.proofs);
                    if fact.on_customer_data {
                        self.judgement.object(Objection::TrainsOnCustomerData);
                    }
                }
            }
        }
        if limits.require_article28 {
            match &facts.contract {
                None => self.not_promised_unless_self_operated(PromiseName::Contract),
                Some(fact) => {
                    self.lean(PromiseName::Contract, &fact.proofs);
                    if fact.kind != ContractType::Article28 || fact.role != Role::Processor {
                        self.judgement.object(Objection::Article28ContractMissing);
                    }
                }
            }
        }
    }

    fn judge_transfers(&mut self) {
        let (facts, Some(accepted)) = (self.facts, &self.limits.transfer_mechanisms) else { return };
        for (name, fact) in [
            (PromiseName::Inference, &facts.inference),
            (PromiseName::Storage, &facts.storage),
            (PromiseName::Access, &facts.access),
        ] {
            let Some(fact) = self.made(name, fact.as_ref()) else { continue };
            self.lean(name, &fact.proofs);
            if !fact.places.is_known() {
                let country = fact.places.to_string();
                self.judgement.object(Objection::TransferMechanismMissing { country });
                continue;
            }
            for country in fact.places.countries.without(&Countries::eea()).codes() {
                let Some(transfers) = &facts.transfers else {
                    self.judgement.object(Objection::NotPromised { promise: PromiseName::Transfers });
                    break;
                };
                self.lean(PromiseName::Transfers, &transfers.proofs);
                let carries = |entry: &crate::facts::TransferFact| {
                    entry.country == country && accepted.contains(&entry.mechanism)
                };
                if !transfers.entries.iter().any(carries) {
                    self.judgement.object(Objection::TransferMechanismMissing { country });
                }
            }
        }
    }

    /// Certificates and sub-processors: what others do.
    fn judge_third_parties(&mut self) {
        let (limits, facts) = (self.limits, self.facts);
        if !limits.require_certifications.is_empty() {
            if let Some(fact) = &facts.certifications {
                self.lean(PromiseName::Certifications, &fact.proofs);
                let held = |name: &&String| fact.names.contains(name);
                let missing: Vec<_> =
                    limits.require_certifications.iter().filter(|name| !held(name)).cloned().collect();
                if !missing.is_empty() {
                    self.judgement.object(Objection::CertificationMissing { names: missing });
                }
            } else {
                self.judgement.object(Objection::NotPromised { promise: PromiseName::Certifications });
            }
        }
        if let Some(denied) = &limits.denied_subprocessor_countries {
            let Some(fact) = &facts.subprocessors else {
                self.judgement.object(Objection::NotPromised { promise: PromiseName::Subprocessors });
                return;
            };
            self.lean(PromiseName::Subprocessors, &fact.proofs);
            for entry in &fact.entries {
                let is_elsewhere = entry.place.is_known() && entry.place.countries.intersection(denied).is_empty();
                if !is_elsewhere {
                    self.judgement.object(Objection::SubprocessorCountryDenied {
                        name: entry.name.clone(),
                        country: entry.place.to_string(),
                    });
                }
            }
        }
    }

    fn not_promised_unless_self_operated(&mut self, promise: PromiseName) {
        if !self.facts.self_operated {
            self.judgement.object(Objection::NotPromised { promise });
        }
    }

    /// A promise needs one piece of evidence that counts. When none does, each says what is wrong with it.
    fn lean(&mut self, promise: PromiseName, proofs: &[Proof]) {
        let mut defects = Vec::new();
        let mut overdue = None;
        for proof in proofs {
            match self.weigh(promise, proof) {
                Standing::Counts => return,
                Standing::CountsThoughOverdue(warning) => overdue = Some(warning),
                Standing::Lacks(defect) => defects.push(defect),
            }
        }
        if let Some(warning) = overdue {
            self.judgement.warn(warning);
        } else if defects.is_empty() {
            self.judgement.object(Objection::EvidenceMissing { promise });
        } else {
            for defect in defects {
                self.judgement.object(defect);
            }
        }
    }

    fn weigh(&self, promise: PromiseName, proof: &Proof) -> Standing {
        let rules = self.rules;
        let name = || proof.name.clone();
        let Some(found) = &proof.found else {
            return Standing::Lacks(Objection::EvidenceNotFound { promise, name: name() });
        };
        if rules.accept.as_ref().is_some_and(|kinds| !kinds.contains(&found.kind)) {
            return Standing::Lacks(Objection::EvidenceKindNotAccepted { promise, name: name(), kind: found.kind });
        }
        if let Some(on) = found.valid_until
            && on <= self.today
        {
            return Standing::Lacks(Objection::EvidenceExpired { promise, name: name(), on });
        }
        let Some(most) = rules.max_age_days else { return Standing::Counts };
        // A review that lies ahead has not taken place.
        let in_time = found.reviewed_on.is_some_and(|day| (0..=most).contains(&(self.today - day).get_days()));
        if in_time {
            return Standing::Counts;
        }
        let overdue = Objection::EvidenceOverdue { promise, name: name(), reviewed_on: found.reviewed_on, most };
        if rules.exclude_overdue { Standing::Lacks(overdue) } else { Standing::CountsThoughOverdue(overdue) }
    }
}

/// What one piece of evidence is worth to one policy.
enum Standing {
    Counts,
    CountsThoughOverdue(Objection),
    Lacks(Objection),
}

#[cfg(test)]
mod tests;
