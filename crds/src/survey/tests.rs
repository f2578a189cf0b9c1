//! Tests of survey: what is told, and when.

use std::collections::BTreeMap;

use super::*;
use crate::read::read;

fn manifests(yaml: &str) -> Manifests {
    read(&BTreeMap::from([("all.yaml".to_owned(), yaml.to_owned())]), "root").expect("good manifests")
}

fn at(day: &str) -> Timestamp {
    format!("{day}T09:00:00Z").parse().expect("a day")
}

const PROVIDER: &str = "
apiVersion: lotse.dev/v1alpha1
kind: LLMProvider
metadata: {name: paris, namespace: root}
spec:
  vendor: acme
  api: Simulated
  models: [{name: m}]
  consumers: {namespaceSelector: {}}
  evidence: [{name: dpa, kind: Contractual, source: contract, validUntil: 2026-12-01}]
  promises:
    inference: {regions: [FR], evidence: [dpa]}
    storage: {regions: [FR], evidence: [dpa]}
    access: {regions: [FR], evidence: [dpa]}
---
apiVersion: lotse.dev/v1alpha1
kind: ModelRoute
metadata: {name: chat, namespace: team}
spec: {models: [m], tiers: [{targets: [{model: m}]}]}
---
apiVersion: lotse.dev/v1alpha1
kind: DataPolicy
metadata: {name: eu, namespace: root}
spec: {inferenceRegions: [EU]}
";

fn told(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(ToString::to_string).collect()
}

#[test]
fn a_route_that_will_have_nobody_left_within_thirty_days_is_told_to_both_its_owners() {
    let findings = survey(&manifests(PROVIDER), at("2026-11-24"));

    insta::assert_snapshot!("stranding", told(&findings).join("\n"));
}

#[test]
fn what_ends_later_is_not_told_yet_and_what_has_ended_is_told_as_it_is() {
    assert_eq!(told(&survey(&manifests(PROVIDER), at("2026-10-31"))), Vec::<String>::new());

    let after = survey(&manifests(PROVIDER), at("2026-12-01"));

    assert_eq!(after.iter().map(|finding| finding.code).collect::<Vec<_>>(), ["NoEligibleProvider"]);
}

#[test]
fn a_credential_that_is_not_there_is_told() {
    let keyed = PROVIDER.replace("api: Simulated", "api: OpenAI\n  baseURL: https://paris.example/v1\n  credential: {type: APIKey, apiKey: {secretRef: {name: keys, key: paris}}}");

    let findings = survey(&manifests(&keyed), at("2026-10-31"));

    assert!(findings.iter().any(|finding| finding.code == "CredentialsNotFound"), "{findings:?}");
}

#[test]
fn each_pod_selector_is_a_workload_of_its_own() {
    let selecting =
        PROVIDER.replace("spec: {models: [m],", "spec: {podSelector: {matchLabels: {app: chat}}, models: [m],");

    let workloads = workloads(&manifests(&selecting));

    let labels: Vec<usize> = workloads.iter().map(|workload| workload.labels.len()).collect();
    assert_eq!((workloads[0].namespace.as_str(), labels), ("team", vec![0, 1]));
}
