//! Tests of compile: golden snapshots and findings of folders, and laws that hold for all of them.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;

use super::*;
use crate::read::read;

fn folder(name: &str) -> Manifests {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/manifests").join(name);
    let files: BTreeMap<String, String> = std::fs::read_dir(&path)
        .expect("the folder is there")
        .map(|entry| {
            let path = entry.expect("it can be read").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(&path).expect("UTF-8"))
        })
        .collect();
    read(&files, "lotse-system").expect("good manifests")
}

fn at(day: &str) -> Timestamp {
    format!("{day}T00:00:00Z").parse().expect("a day")
}

fn workload(namespace: &str) -> Workload {
    Workload { namespace: namespace.to_owned(), service_account: "default".to_owned(), labels: BTreeMap::new() }
}

#[test]
fn the_quick_starts_snapshot_is_as_it_was() {
    let compiled = compile(&folder("quickstart"), &workload("support"), at("2026-11-24"));

    insta::assert_json_snapshot!("quickstart", compiled.snapshot);
    assert_eq!(compiled.findings, []);
}

#[test]
fn findings_name_the_object_the_field_and_the_fix() {
    let compiled = compile(&folder("findings"), &workload("app"), at("2026-11-24"));

    let told: Vec<String> =
        compiled.findings.iter().map(|finding| format!("{:?}: {finding}", finding.severity)).collect();
    insta::assert_snapshot!("findings", told.join("\n"));
}

#[test]
fn equal_content_is_an_equal_revision_and_other_content_another() {
    let manifests = folder("quickstart");
    let revision =
        |manifests: &Manifests| compile(manifests, &workload("support"), at("2026-11-24")).snapshot.revision();
    let mut changed = manifests.clone();
    for spec in changed.policies.values_mut() {
        spec.max_retention_days = Some(29);
    }

    assert_eq!(revision(&manifests), revision(&folder("quickstart")));
    assert_ne!(revision(&manifests), revision(&changed));
}

#[test]
fn a_snapshot_survives_its_journey() {
    let snapshot = compile(&folder("quickstart"), &workload("support"), at("2026-11-24")).snapshot;

    let json = serde_json::to_string(&snapshot).expect("JSON");
    let read: Snapshot = serde_json::from_str(&json).expect("a snapshot");

    assert_eq!(read, snapshot);
}

#[test]
fn a_policy_that_can_not_be_read_refuses_every_pod_that_it_might_select() {
    let mut manifests = folder("quickstart");
    let broken = |namespace: &str| ObjectName::new(namespace, "broken");
    let verdict = |manifests: &Manifests, namespace: &str| {
        let snapshot = compile(manifests, &workload(namespace), at("2026-11-24")).snapshot;
        snapshot.candidates().count()
    };
    assert_eq!((verdict(&manifests, "support"), verdict(&manifests, "other")), (4, 4));

    manifests.unreadable_policies.insert(broken("support"), "spec: unknown field".to_owned());
    assert_eq!((verdict(&manifests, "support"), verdict(&manifests, "other")), (0, 4));

    manifests.unreadable_policies.insert(broken("lotse-system"), "spec: unknown field".to_owned());
    assert_eq!((verdict(&manifests, "support"), verdict(&manifests, "other")), (0, 0));
}

#[test]
fn a_policy_that_can_not_be_compiled_refuses_what_it_selects() {
    let mut manifests = folder("quickstart");
    let spec = DataPolicySpec { inference_regions: Some(vec!["ZZ".to_owned()]), ..DataPolicySpec::default() };
    manifests.policies.insert(ObjectName::new("support", "typo"), spec);

    let compiled = compile(&manifests, &workload("support"), at("2026-11-24"));

    assert_eq!(compiled.snapshot.candidates().count(), 0);
    let reasons = &compiled.snapshot.routes[0].tiers[0].refused[0].reasons;
    assert!(reasons.iter().any(|reason| reason.code == "policy_invalid" && reason.message.contains("`ZZ`")));
    assert_eq!(compile(&manifests, &workload("other"), at("2026-11-24")).snapshot.candidates().count(), 4);
}

#[test]
fn a_broken_provider_or_route_stops_nothing_else() {
    let mut manifests = folder("quickstart");
    let paris = ObjectName::new("lotse-system", "paris");
    manifests.providers.get_mut(&paris).expect("it is there").models.clear();
    let mut route = manifests.routes.values().next().expect("there is one").clone();
    route.spec.tiers.clear();
    manifests.routes.insert(ObjectName::new("support", "broken"), route);

    let compiled = compile(&manifests, &workload("support"), at("2026-11-24"));

    assert_eq!(compiled.snapshot.candidates().count(), 3);
    let codes: Vec<_> = compiled.findings.iter().map(|finding| (finding.code, finding.object.to_string())).collect();
    assert!(codes.contains(&("Invalid", "lotse-system/paris".to_owned())), "{codes:?}");
    assert!(codes.contains(&("Invalid", "support/broken".to_owned())), "{codes:?}");
}

mod based_on;
mod contradictions;
mod credentials;
mod vendors;

/// Manifests with an open door, a route for model `m`, and these documents.
fn world(documents: &str) -> Manifests {
    let text = format!(
        "apiVersion: lotse.dev/v1alpha1
kind: DataPolicy
metadata: {{name: open, namespace: root}}
spec: {{inferenceRegions: [Worldwide]}}
---
apiVersion: lotse.dev/v1alpha1
kind: ModelRoute
metadata: {{name: r, namespace: root}}
spec: {{namespaceSelector: {{}}, models: [m], tiers: [{{targets: [{{model: m}}]}}]}}
---
{documents}"
    );
    read(&BTreeMap::from([("all.yaml".to_owned(), text)]), "root").unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn provider(namespace: &str, name: &str, spec: &str) -> String {
    format!(
        "apiVersion: lotse.dev/v1alpha1\nkind: LLMProvider\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {spec}\n---\n"
    )
}

fn secret(namespace: &str, name: &str, data: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: {namespace}}}\nstringData: {data}\n---\n"
    )
}

/// Of each provider that the route means: its name, and the codes that it is out for.
fn outcome(manifests: &Manifests, namespace: &str) -> Vec<(String, String)> {
    let snapshot = compile(manifests, &workload(namespace), at("2026-11-24")).snapshot;
    let tier = &snapshot.routes[0].tiers[0];
    let candidates = tier.candidates.iter().map(|candidate| (candidate.provider.to_string(), String::new()));
    let codes =
        |refused: &Refused| refused.reasons.iter().map(|reason| reason.code.clone()).collect::<Vec<_>>().join(" ");
    let refused = tier.refused.iter().map(|refused| (refused.provider.to_string(), codes(refused)));
    let mut all: Vec<_> = candidates.chain(refused).collect();
    all.sort();
    all
}

/// The only candidate, and its keys as text.
fn only(manifests: &Manifests, namespace: &str) -> (crate::snapshot::Candidate, BTreeMap<String, String>) {
    let compiled = compile(manifests, &workload(namespace), at("2026-11-24"));
    let candidates: Vec<_> = compiled.snapshot.candidates().cloned().collect();
    let refused = &compiled.snapshot.routes[0].tiers[0].refused;
    let [candidate] = candidates.as_slice() else { panic!("{candidates:?} {refused:?}") };
    let keys = compiled.keys.iter().map(|(name, value)| (name.0.clone(), value.reveal().to_owned()));
    (candidate.clone(), keys.collect())
}

fn server(candidate: &crate::snapshot::Candidate) -> &crate::snapshot::Server {
    match &candidate.endpoint.target {
        crate::snapshot::Target::Server(server) => server,
        crate::snapshot::Target::Simulated(_) => panic!("simulated"),
    }
}
