//! Limits: what one policy demands, arranged so that the decision compares and never parses.
//!
//! One `Limits` a policy, and a candidate must pass each of them: policies are never folded into one, so that order,
//! age and number can't loosen and every refusal names its policy.

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::name::ObjectName;
use crate::place::{Countries, Places};
use crate::policy::{
    ConditionalJurisdiction, DataPolicySpec, Enforcement, Jurisdictions, OnOverdue, Staleness, TransferRequirement,
};
use crate::promises::{EvidenceKind, TransferMechanism};

/// What one policy demands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// The policy.
    pub policy: ObjectName,
    /// Whether this is an enforcing policy of the root namespace that sets `inferenceRegions`. Without one of these
    /// nothing is allowed.
    pub opens: bool,
    /// Why the policy can't be understood; then it refuses everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalid: Option<String>,
    /// Where content may be decrypted; anywhere if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inference_regions: Option<Countries>,
    /// Where it may be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_regions: Option<Countries>,
    /// Wherefrom people may reach it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_regions: Option<Countries>,
    /// Whose law may reach the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jurisdictions: Option<JurisdictionLimits>,
    /// How many days content may be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_retention_days: Option<i32>,
    /// Whether training must be promised away.
    #[serde(default)]
    pub forbid_training: bool,
    /// Whether the provider must be a processor under an Article 28 contract.
    #[serde(default)]
    pub require_article28: bool,
    /// The mechanisms of which one must carry each transfer out of the EEA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer_mechanisms: Option<BTreeSet<TransferMechanism>>,
    /// Certificates that the provider must hold.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub require_certifications: BTreeSet<String>,
    /// Countries in which no sub-processor may sit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denied_subprocessor_countries: Option<Countries>,
    /// What counts as evidence, and whose word.
    pub evidence: EvidenceLimits,
    /// How long a sidecar goes on without the operator.
    pub staleness: Staleness,
}

/// Whose law may reach the provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JurisdictionLimits {
    /// Only these; if absent, all but `denied`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Countries>,
    /// None of these.
    #[serde(default)]
    pub denied: Countries,
    /// Countries admitted on conditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditional: Vec<JurisdictionCondition>,
}

/// A country admitted on conditions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JurisdictionCondition {
    /// The country's code.
    pub country: String,
    /// What its transfers must carry.
    pub requires: BTreeSet<TransferRequirement>,
    /// From this day on it is admitted no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
}

/// What counts as evidence, and whose word.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceLimits {
    /// The kinds that count; all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept: Option<BTreeSet<EvidenceKind>>,
    /// How many days ago it may have been reviewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_days: Option<i32>,
    /// Whether overdue evidence counts no more; otherwise it only warns.
    #[serde(default)]
    pub exclude_overdue: bool,
    /// The namespaces whose providers are believed.
    pub attested_in: BTreeSet<String>,
}

impl Limits {
    /// A policy that can't be understood: it refuses everything, and says why.
    pub fn invalid(policy: ObjectName, why: String) -> Self {
        Self { invalid: Some(why), ..Self::nothing(policy) }
    }

    /// One that demands nothing, and opens nothing.
    pub(crate) fn nothing(policy: ObjectName) -> Self {
        Self {
            policy,
            opens: false,
            invalid: None,
            inference_regions: None,
            storage_regions: None,
            access_regions: None,
            jurisdictions: None,
            max_retention_days: None,
            forbid_training: false,
            require_article28: false,
            transfer_mechanisms: None,
            require_certifications: BTreeSet::new(),
            denied_subprocessor_countries: None,
            evidence: EvidenceLimits::default(),
            staleness: Staleness::default(),
        }
    }

    /// What `spec` demands. `attested_in` is what its evidence rules come to among the namespaces that are there.
    pub fn new(policy: ObjectName, spec: &DataPolicySpec, root_namespace: &str, attested_in: BTreeSet<String>) -> Self {
        let region = |own: &Option<Vec<String>>| {
            let words = own.as_ref().or(spec.inference_regions.as_ref())?;
            let places = Places::expand(words);
            (!places.worldwide).then_some(places.countries)
        };
        let enforces = spec.enforcement == Enforcement::Enforce;
        Self {
            opens: enforces && policy.namespace == root_namespace && spec.inference_regions.is_some(),
            policy,
            invalid: None,
            inference_regions: region(&spec.inference_regions),
            storage_regions: region(&spec.storage_regions),
            access_regions: region(&spec.access_regions),
            jurisdictions: spec.jurisdictions.as_ref().map(JurisdictionLimits::from),
            max_retention_days: spec.max_retention_days,
            forbid_training: spec.forbid_training,
            require_article28: spec.require_article28,
            transfer_mechanisms: spec.transfer_mechanisms.as_ref().map(|list| list.iter().copied().collect()),
            require_certifications: spec.require_certifications.iter().flatten().cloned().collect(),
            denied_subprocessor_countries: spec
                .denied_subprocessor_countries
                .as_ref()
                .map(|list| Places::expand(list).countries),
            evidence: EvidenceLimits {
                accept: spec.evidence.accept.as_ref().map(|list| list.iter().copied().collect()),
                max_age_days: spec.evidence.max_age_days,
                exclude_overdue: spec.evidence.on_overdue == OnOverdue::Exclude,
                attested_in,
            },
            staleness: spec.staleness,
        }
    }

    /// Whether this needs any promise at all. `Worldwide` does not.
    pub fn leans_on_promises(&self) -> bool {
        self.inference_regions.is_some()
            || self.storage_regions.is_some()
            || self.access_regions.is_some()
            || self.jurisdictions.is_some()
            || self.max_retention_days.is_some()
            || self.forbid_training
            || self.require_article28
            || self.transfer_mechanisms.is_some()
            || !self.require_certifications.is_empty()
            || self.denied_subprocessor_countries.is_some()
    }
}

impl From<&Jurisdictions> for JurisdictionLimits {
    fn from(spec: &Jurisdictions) -> Self {
        Self {
            allowed: spec.allowed.as_ref().map(|list| Places::expand(list).countries),
            denied: spec.denied.as_ref().map(|list| Places::expand(list).countries).unwrap_or_default(),
            conditional: spec.conditional.iter().flatten().map(JurisdictionCondition::from).collect(),
        }
    }
}

impl From<&ConditionalJurisdiction> for JurisdictionCondition {
    fn from(spec: &ConditionalJurisdiction) -> Self {
        Self { country: spec.country.clone(), requires: spec.requires.iter().copied().collect(), until: spec.until }
    }
}
