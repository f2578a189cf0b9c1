//! What a call demands of promises. `residency` judges it, exactly as for a DataPolicy and by the rules of evidence of each
//! policy here: what counts for not all of them does not count. Made once for a call, as `judge` asks it of each candidate.

use jiff::civil::Date;

use super::Preferences;
use super::judge::reason;
use crate::facts::Facts;
use crate::limits::{EvidenceLimits, JurisdictionLimits, Limits};
use crate::name::ObjectName;
use crate::objection::Objection;
use crate::place::Countries;
use crate::residency;
use crate::snapshot::Reason;

/// What a call demands of promises.
#[derive(Debug)]
pub(super) struct Demands<'p> {
    /// All of it, as one policy would say it.
    all: Limits,
    /// The same one by one, each with the word of its refusal.
    each: Vec<(&'static str, Limits)>,
    /// The rules of evidence that policies here have, each once.
    rules: Vec<EvidenceLimits>,
    policies: &'p [Limits],
    today: Date,
}

impl<'p> Demands<'p> {
    /// What these preferences demand, if anything.
    pub(super) fn of(asks: &Preferences, policies: &'p [Limits], today: Date) -> Option<Self> {
        let all = Limits {
            inference_regions: asks.places,
            max_retention_days: asks.max_retention_days,
            forbid_training: asks.forbid_training,
            jurisdictions: asks.eu_owned.then(|| JurisdictionLimits {
                allowed: Some(Countries::eu()),
                denied: Countries::default(),
                conditional: Vec::new(),
            }),
            ..nothing()
        };
        if !all.leans_on_promises() {
            return None;
        }
        let mut rules = Vec::with_capacity(1);
        for policy in policies {
            let own = refusing(&policy.evidence);
            if !rules.contains(&own) {
                rules.push(own);
            }
        }
        Some(Self { each: each(&all), all, rules, policies, today })
    }

    /// Adds every reason why a candidate with these facts is out.
    pub(super) fn judge(&self, facts: &Facts, reasons: &mut Vec<Reason>) {
        let counts = |policy: &Limits| policy.evidence.attested_in.contains(&facts.attested_by);
        if self.policies.is_empty() || !self.policies.iter().all(counts) {
            let namespace = &facts.attested_by;
            let why = || format!("what is promised in namespace {namespace} does not count for every policy here");
            reasons.extend(self.each.iter().map(|(code, _)| reason(code, why())));
            return;
        }
        if self.objections(&self.all, facts).next().is_none() {
            return;
        }
        for (code, demand) in &self.each {
            let mut sentences: Vec<String> = Vec::new();
            for objection in self.objections(demand, facts) {
                let sentence = sentence(&objection);
                if !sentences.contains(&sentence) {
                    sentences.push(sentence);
                }
            }
            if !sentences.is_empty() {
                reasons.push(reason(code, sentences.join("; ")));
            }
        }
    }

    /// What one demand objects to, by the rules of each policy.
    fn objections(&self, demand: &Limits, facts: &Facts) -> impl Iterator<Item = Objection> {
        self.rules.iter().flat_map(|rules| residency::objections_to_promises(demand, rules, facts, self.today))
    }
}

/// What of the rules of evidence can refuse a promise: an age that only warns does not, and whose word counts is asked apart.
fn refusing(rules: &EvidenceLimits) -> EvidenceLimits {
    EvidenceLimits {
        accept: rules.accept.clone(),
        max_age_days: rules.max_age_days.filter(|_| rules.exclude_overdue),
        exclude_overdue: rules.exclude_overdue && rules.max_age_days.is_some(),
        attested_in: std::collections::BTreeSet::new(),
    }
}

/// The demands one by one.
fn each(all: &Limits) -> Vec<(&'static str, Limits)> {
    let retention = if all.max_retention_days == Some(0) { "data_policy_zdr" } else { "retention" };
    let each = [
        ("data_region", Limits { inference_regions: all.inference_regions, ..nothing() }),
        (retention, Limits { max_retention_days: all.max_retention_days, ..nothing() }),
        ("data_policy_training", Limits { forbid_training: all.forbid_training, ..nothing() }),
        ("eu_owned", Limits { jurisdictions: all.jurisdictions.clone(), ..nothing() }),
    ];
    each.into_iter().filter(|(_, demand)| demand.leans_on_promises()).collect()
}

/// A demand of a call, before it demands anything. No policy says so.
fn nothing() -> Limits {
    Limits::nothing(ObjectName::new("", ""))
}

/// The sentence of an objection, with the call in the place of the policy; the rules of evidence stay the policies'.
fn sentence(objection: &Objection) -> String {
    if matches!(objection, Objection::EvidenceKindNotAccepted { .. }) {
        return objection.to_string().replace("the policy does", "a policy here does");
    }
    objection.to_string().replace("the policy", "the call").replace("jurisdictions does", "the call does")
}
