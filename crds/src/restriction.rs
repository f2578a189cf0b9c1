//! Restrictions by name: what a snapshot asks a sidecar to execute, and what this build can.
//!
//! A sidecar lives as long as its pod, so an operator can be months younger. `Hello` names what the sidecar can execute;
//! the operator gives no routes to one that would read over a restriction. Called by operator and sidecar.

use std::collections::BTreeSet;

use crate::limits::Limits;
use crate::snapshot::{Snapshot, Target};

/// What sidecars of this build can execute: the field names of a DataPolicy, and of an LLMProvider where an older sidecar
/// would go another way.
pub const EXECUTABLE: [&str; 14] = [
    "inferenceRegions",
    "storageRegions",
    "accessRegions",
    "jurisdictions",
    "maxRetentionDays",
    "forbidTraining",
    "requireArticle28",
    "transferMechanisms",
    "requireCertifications",
    "deniedSubprocessorCountries",
    "evidence",
    "staleness",
    "enforcement",
    "egressProxy",
];

/// What a sidecar must be able to execute to obey a snapshot.
pub fn required(snapshot: &Snapshot) -> BTreeSet<&'static str> {
    let mut names: BTreeSet<_> = snapshot.policies.iter().flat_map(of).collect();
    if !snapshot.audits.is_empty() {
        names.insert("enforcement");
    }
    let has_proxy = |target: &Target| matches!(target, Target::OpenAI { proxy: Some(_), .. });
    if snapshot.candidates().any(|candidate| has_proxy(&candidate.endpoint.target)) {
        names.insert("egressProxy");
    }
    names
}

fn of(limits: &Limits) -> Vec<&'static str> {
    let set = [
        ("inferenceRegions", limits.inference_regions.is_some()),
        ("storageRegions", limits.storage_regions.is_some()),
        ("accessRegions", limits.access_regions.is_some()),
        ("jurisdictions", limits.jurisdictions.is_some()),
        ("maxRetentionDays", limits.max_retention_days.is_some()),
        ("forbidTraining", limits.forbid_training),
        ("requireArticle28", limits.require_article28),
        ("transferMechanisms", limits.transfer_mechanisms.is_some()),
        ("requireCertifications", !limits.require_certifications.is_empty()),
        ("deniedSubprocessorCountries", limits.denied_subprocessor_countries.is_some()),
        ("evidence", limits.leans_on_promises()),
        ("staleness", true),
    ];
    set.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::ObjectName;
    use crate::policy::DataPolicySpec;

    #[test]
    fn what_a_policy_sets_is_asked_of_the_sidecar_and_this_build_can_do_it() {
        let spec: DataPolicySpec = serde_json::from_value(serde_json::json!({
            "inferenceRegions": ["EU"], "storageRegions": ["EU"], "accessRegions": ["EU"],
            "jurisdictions": {"denied": ["US"]}, "maxRetentionDays": 0, "forbidTraining": true,
            "requireArticle28": true, "transferMechanisms": ["SCC"], "requireCertifications": ["C5"],
            "deniedSubprocessorCountries": ["US"],
        }))
        .expect("the policy is one");
        let policy = |enforced| Limits::new(ObjectName::new("r", enforced), &spec, "r", BTreeSet::new());
        let snapshot = Snapshot {
            workload: crate::name::Workload {
                namespace: "a".to_owned(),
                service_account: "default".to_owned(),
                labels: crate::name::Labels::new(),
            },
            policies: vec![policy("enforced")],
            audits: vec![policy("audited")],
            routes: Vec::new(),
        };

        let required = required(&snapshot);

        assert_eq!(required, EXECUTABLE.into_iter().filter(|name| *name != "egressProxy").collect());
    }
}
