//! Restrictions by name: what a snapshot asks a sidecar to execute, and what this build can.
//!
//! A sidecar lives as long as its pod, so an operator can be months younger. `Hello` names what the sidecar can execute;
//! the operator gives no routes to one that would read over a restriction. Called by operator and sidecar.

use std::collections::BTreeSet;

use crate::limits::Limits;
use crate::snapshot::{Server, Snapshot, Target};

/// What sidecars of this build can execute: the field names of a DataPolicy, and of an LLMProvider where an older sidecar
/// would go another way.
pub const EXECUTABLE: [&str; 24] = [
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
    "clientCertificate",
    "sigV4",
    "wireAzureDeployments",
    "wireAnthropic",
    "wireAnthropicOnVertex",
    "wireAnthropicOnBedrock",
    "wireGemini",
    "wireBedrock",
    "limits",
    "budget",
];

/// What a sidecar must be able to execute to obey a snapshot.
pub fn required(snapshot: &Snapshot) -> BTreeSet<&'static str> {
    let mut names: BTreeSet<_> = snapshot.policies.iter().flat_map(of).collect();
    if !snapshot.audits.is_empty() {
        names.insert("enforcement");
    }
    for route in &snapshot.routes {
        let set = [("limits", route.limits.is_some()), ("budget", route.budget.is_some())];
        names.extend(set.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name));
    }
    for candidate in snapshot.candidates() {
        names.extend(candidate.limits.map(|_| "limits"));
        if let Target::Server(server) = &candidate.endpoint.target {
            names.extend(of_server(server));
        }
    }
    names
}

fn of_server(server: &Server) -> impl Iterator<Item = &'static str> {
    let set = [
        ("egressProxy", server.proxy.is_some()),
        ("clientCertificate", server.client_certificate.is_some()),
        ("sigV4", server.sigv4.is_some()),
    ];
    let names = set.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name);
    names.chain(server.wire.restriction())
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
    use crate::facts::Facts;
    use crate::fields::BodyFields;
    use crate::name::{Labels, ObjectName, Workload};
    use crate::policy::DataPolicySpec;
    use crate::promises::Promises;
    use crate::quota::{Budget, BudgetAction, CallLimits, Money};
    use crate::route::{Balance, RequestPreferences, Stickiness, UnsupportedFields};
    use crate::snapshot::{Candidate, Endpoint, KeyName, Proxy, Quirks, Route, SigV4, Tier};
    use crate::wire::Wire;

    fn snapshot(policies: Vec<Limits>, audits: Vec<Limits>, wires: Vec<Wire>) -> Snapshot {
        let signs = wires.contains(&Wire::Bedrock);
        let candidates = wires.into_iter().map(candidate).collect();
        let route = Route {
            name: ObjectName::new("r", "all"),
            models: Vec::new(),
            tiers: vec![Tier { balance: Balance::Order, candidates, refused: Vec::new() }],
            timeouts: crate::route::Timeouts::default(),
            attempts: None,
            next_tier_on: Vec::new(),
            hedge_after_milliseconds: None,
            min_tokens_per_second: None,
            limits: None,
            budget: signs.then_some(Budget {
                per_day: Some(Money { micros: 1 }),
                per_month: None,
                action: BudgetAction::Warn,
            }),
            request_preferences: RequestPreferences::default(),
            stickiness: Stickiness::default(),
            defaults: BodyFields::default(),
            overrides: BodyFields::default(),
            unsupported_fields: UnsupportedFields::default(),
        };
        let workload =
            Workload { namespace: "a".to_owned(), service_account: "default".to_owned(), labels: Labels::new() };
        Snapshot { workload, policies, audits, routes: vec![route] }
    }

    fn candidate(wire: Wire) -> Candidate {
        let signs = wire == Wire::Bedrock;
        let key = || KeyName("k".to_owned());
        let server = Server {
            wire,
            base_url: "https://models.example.org".to_owned(),
            operations: BTreeSet::new(),
            headers: Vec::new(),
            sigv4: signs.then(|| SigV4 { service: "bedrock".to_owned(), region: "eu-west-1".to_owned(), key: key() }),
            ca_bundle: None,
            client_certificate: signs.then(key),
            allowed_addresses: Vec::new(),
            proxy: signs.then(|| Proxy { url: "http://proxy:3128".to_owned(), key: None, ca_bundle: None }),
            quirks: Quirks::default(),
        };
        Candidate {
            ordinal: 0,
            provider: ObjectName::new("r", "p"),
            model: "m".to_owned(),
            weight: 1,
            price: None,
            vendor: "x".to_owned(),
            region: None,
            supports: Vec::new(),
            context_tokens: None,
            max_output_tokens: None,
            quantization: None,
            limits: signs.then(CallLimits::default),
            facts: Facts::new("r", &Promises::default(), &[]),
            endpoint: Endpoint {
                target: Target::Server(Box::new(server)),
                upstream_model: "m".to_owned(),
                force: BodyFields::default(),
            },
        }
    }

    #[test]
    fn what_a_snapshot_sets_is_asked_of_the_sidecar_and_this_build_can_do_it() {
        let spec: DataPolicySpec = serde_json::from_value(serde_json::json!({
            "inferenceRegions": ["EU"], "storageRegions": ["EU"], "accessRegions": ["EU"],
            "jurisdictions": {"denied": ["US"]}, "maxRetentionDays": 0, "forbidTraining": true,
            "requireArticle28": true, "transferMechanisms": ["SCC"], "requireCertifications": ["C5"],
            "deniedSubprocessorCountries": ["US"],
        }))
        .expect("the policy is one");
        let policy = |enforced| Limits::new(ObjectName::new("r", enforced), &spec, "r", BTreeSet::new());
        let wires = vec![
            Wire::OpenAI,
            Wire::AzureDeployments { api_version: "2024-10-21".to_owned() },
            Wire::Anthropic,
            Wire::AnthropicOnVertex,
            Wire::AnthropicOnBedrock,
            Wire::Gemini,
            Wire::Bedrock,
        ];

        let required = required(&snapshot(vec![policy("enforced")], vec![policy("audited")], wires));

        assert_eq!(required, EXECUTABLE.into_iter().collect());
    }

    #[test]
    fn a_plain_server_of_openais_dialect_asks_for_nothing() {
        assert_eq!(required(&snapshot(Vec::new(), Vec::new(), vec![Wire::OpenAI])), BTreeSet::new());
    }
}
