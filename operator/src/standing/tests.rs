//! Tests of standing: what is said of an object, given findings and acknowledgements.

use std::collections::BTreeMap;

use lotse_crds::compile;
use lotse_crds::name::Labels;
use lotse_crds::read::read;
use lotse_crds::survey;

use super::*;
use crate::pods::PodRecord;
use crate::publish::Publisher;

fn now() -> Timestamp {
    "2026-11-24T10:00:00Z".parse().expect("a time")
}

const WORLD: &str = "
apiVersion: lotse.dev/v1alpha1
kind: LLMProvider
metadata: {name: paris, namespace: root}
spec:
  vendor: acme
  api: Simulated
  models: [{name: m}]
  consumers: {namespaceSelector: {}}
  evidence: [{name: dpa, kind: Contractual, source: contract}]
  promises:
    inference: {regions: [FR], evidence: [dpa]}
    storage: {regions: [FR], evidence: [dpa]}
    access: {regions: [FR], evidence: [dpa]}
---
apiVersion: lotse.dev/v1alpha1
kind: LLMProvider
metadata: {name: ohio, namespace: root}
spec: {vendor: acme, api: Simulated, models: [{name: m}], consumers: {namespaceSelector: {}}}
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

fn manifests(yaml: &str) -> Manifests {
    read(&BTreeMap::from([("all.yaml".to_owned(), yaml.to_owned())]), "root").expect("good manifests")
}

fn workload() -> Workload {
    Workload { namespace: "team".to_owned(), service_account: "default".to_owned(), labels: Labels::new() }
}

/// What is said when these sidecars stand so.
fn said(yaml: &str, sidecars: &[(Standing, Option<&str>)]) -> BTreeMap<Object, Said> {
    let manifests = Arc::new(manifests(yaml));
    let publisher = Publisher::new(1);
    let offer = publisher.offer(&manifests, &workload(), now());
    let sidecar = |(at, (standing, why)): (usize, &(Standing, Option<&str>))| Sidecar {
        pod: PodRecord {
            name: ObjectName::new("team", format!("chat-{at}")),
            uid: at.to_string(),
            workload: workload(),
            injected: true,
            alive: true,
        },
        version: "0.1.0".to_owned(),
        offer: offer.clone(),
        standing: *standing,
        why: why.map(str::to_owned),
    };
    let sidecars: Vec<Sidecar> = sidecars.iter().enumerate().map(sidecar).collect();
    let mut findings: BTreeSet<Finding> = offer.findings.iter().cloned().collect();
    findings.extend(survey::credentials(&manifests));
    let offers = [(workload(), offer)];
    let world = World { manifests: &manifests, offers: &offers, findings: &findings, sidecars: &sidecars, now: now() };
    standing(&world, &BTreeMap::new())
}

fn route() -> Object {
    (Kind::ModelRoute, ObjectName::new("team", "chat"))
}

fn policy() -> Object {
    (Kind::DataPolicy, ObjectName::new("root", "eu"))
}

fn verdicts(said: &Said) -> Vec<String> {
    let one = |verdict: &Verdict| {
        let mark = if verdict.truth == Truth::True { "" } else { "not " };
        format!("{mark}{} ({}): {}", verdict.aspect, verdict.reason, verdict.message)
    };
    said.verdicts.iter().map(one).collect()
}

#[test]
fn every_object_has_all_four_conditions_from_first_sight() {
    let said = said(WORLD, &[]);

    for (object, said) in &said {
        let aspects: Vec<&str> = said.verdicts.iter().map(|verdict| verdict.aspect).collect();
        assert_eq!(aspects[..4], ["Accepted", "ResolvedRefs", "Programmed", "Ready"], "{object:?}");
    }
    assert_eq!(said.len(), 4);
}

#[test]
fn candidates_say_who_may_answer_and_who_may_not_and_by_whose_policy() {
    let said = said(WORLD, &[(Standing::Current, None)]);

    insta::assert_json_snapshot!("candidates", said[&route()].candidates);
    assert_eq!(said[&route()].sidecars.summary, "1/1");
}

#[test]
fn acknowledgements_decide_whether_an_object_is_programmed() {
    use Standing::{Behind, Current, Refused, Silent};
    let programmed = |sidecars: &[(Standing, Option<&str>)]| verdicts(&said(WORLD, sidecars)[&route()])[2].clone();

    assert_eq!(programmed(&[]), "Programmed (NoSidecars): no sidecar needs it yet");
    assert_eq!(programmed(&[(Current, None), (Current, None)]), "Programmed (Programmed): 2 of 2 sidecars hold it");
    let behind = programmed(&[(Current, None), (Behind, None), (Silent, None)]);
    assert_eq!(
        behind,
        "not Programmed (Pending): 2 of 3 sidecars have not said that they hold it; `lotse status` names them"
    );
    let refused = programmed(&[(Refused, Some("it can't be read")), (Current, None)]);
    assert_eq!(refused, "not Programmed (Refused): 1 of 2 sidecars refuse it: team/chat-0: it can't be read");
}

#[test]
fn a_policy_that_strands_a_route_says_which_and_the_route_says_why() {
    let said = said(&WORLD.replace("[EU]", "[CH]"), &[(Standing::Current, None)]);

    insta::assert_snapshot!(
        "stranded",
        format!("{}\n--\n{}", verdicts(&said[&route()]).join("\n"), verdicts(&said[&policy()]).join("\n"))
    );
}

#[test]
fn what_ends_within_thirty_days_is_told_before_it_does() {
    let ending = WORLD.replace("source: contract}", "source: contract, validUntil: 2026-12-10}");

    let said = said(&ending, &[(Standing::Current, None)]);

    for object in [route(), policy()] {
        let told = verdicts(&said[&object]).pop().expect("there are some");
        assert!(told.starts_with("LosesLastCandidate (EndsSoon): from 2026-12-10"), "{told}");
        assert!(verdicts(&said[&object])[3].starts_with("Ready"), "it still does what it says");
    }
}

#[test]
fn a_missing_secret_is_an_unresolved_reference_of_the_provider() {
    let keyed = WORLD.replacen(
        "api: Simulated",
        "api: OpenAI\n  baseURL: https://paris.example/v1\n  credential: {type: APIKey, apiKey: {secretRef: {name: keys, key: paris}}}",
        1,
    );

    let said = said(&keyed, &[]);

    let provider = verdicts(&said[&(Kind::LLMProvider, ObjectName::new("root", "paris"))]);
    assert!(provider[1].starts_with("not ResolvedRefs (CredentialsNotFound): Secret root/keys has no key `paris`"));
    assert!(provider[3].starts_with("not Ready (CredentialsNotFound)"), "{provider:?}");
}

#[test]
fn what_can_not_be_decoded_is_not_accepted_and_stops_nothing_else() {
    let manifests = manifests(WORLD);
    let compiled = compile(&manifests, &workload(), now());
    let broken = (Kind::DataPolicy, ObjectName::new("root", "broken"));
    let world = World {
        manifests: &manifests,
        offers: &[],
        findings: &compiled.findings.into_iter().collect(),
        sidecars: &[],
        now: now(),
    };

    let said = standing(&world, &BTreeMap::from([(broken.clone(), "unknown field `x`".to_owned())]));

    assert_eq!(verdicts(&said[&broken])[0], "not Accepted (Invalid): it can't be read: unknown field `x`");
    assert_eq!(verdicts(&said[&policy()])[0], "Accepted (Accepted): ");
}
