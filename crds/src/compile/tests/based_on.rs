//! Bring your own key: what a provider that is based on another inherits, and that keys are never mixed unseen.

use super::*;

const BASE: &str = "{vendor: mistral, baseURL: 'https://api.eu.mistral.ai/v1', credential: {type: APIKey, apiKey: {secretRef: {name: shared, key: k}}},
  headers: [{name: x-open, value: a}, {name: x-closed, secretRef: {name: shared, key: k}}],
  egressProxy: {url: 'http://proxy.example:3128', credential: {secretRef: {name: shared, key: proxy}}},
  models: [{name: m, upstreamName: u, price: {inputPerMillion: '1', outputPerMillion: '2'}}], force: {a: 1},
  consumers: {namespaceSelector: {matchLabels: {team: pilots}}},
  evidence: [{name: any, kind: Contractual, source: s, appliesTo: AnyAccount}, {name: ours, kind: Contractual, source: s}],
  promises: {
    inference: {regions: [EU, EFTA], evidence: [any]}, storage: {regions: [EU, EFTA], evidence: [ours, any]},
    access: {regions: [EU], evidence: [ours]}, retention: {days: 0}}}";
const OWN: &str =
    "{basedOn: {name: shared, namespace: root}, credential: {type: APIKey, apiKey: {secretRef: {name: own, key: k}}}}";

fn namespaces() -> String {
    "apiVersion: v1\nkind: Namespace\nmetadata: {name: team, labels: {team: pilots}}\n---\n".to_owned()
        + "apiVersion: v1\nkind: Namespace\nmetadata: {name: other, labels: {team: pilots}}\n---\n"
}

fn secrets() -> String {
    secret("root", "shared", "{k: shared-key, proxy: 'user:word'}") + &secret("team", "own", "{k: own-key}")
}

fn based(base: &str, own: &str) -> Manifests {
    world(&(provider("root", "shared", base) + &provider("team", "own", own) + &namespaces() + &secrets()))
}

fn pair(name: &str, code: &str) -> (String, String) {
    (name.to_owned(), code.to_owned())
}

#[test]
fn it_has_everything_of_the_base_but_what_proves_who_calls() {
    let (candidate, keys) = only(&based(BASE, OWN), "team");

    assert_eq!(candidate.provider.to_string(), "team/own");
    assert_eq!(candidate.endpoint.upstream_model, "u");
    assert!(candidate.price.is_some() && candidate.endpoint.force.0.contains_key("a"));
    assert_eq!(server(&candidate).base_url, "https://api.eu.mistral.ai/v1");
    let expected = [
        ("team/own/authorization", "Bearer own-key"),
        ("team/own/egress-proxy", "Basic dXNlcjp3b3Jk"),
        ("team/own/x-open", "a"),
    ];
    assert_eq!(keys, BTreeMap::from(expected.map(|(name, value)| pair(name, value))));
}

#[test]
fn only_promises_that_hold_for_any_account_are_inherited_as_the_bases_word() {
    let (candidate, _) = only(&based(BASE, OWN), "team");

    let facts = &candidate.facts;
    assert_eq!(facts.attested_by, "root");
    assert!(facts.inference.is_some());
    let proofs = facts.storage.as_ref().map(|fact| fact.proofs.iter().map(|proof| proof.name.clone()).collect());
    assert_eq!(proofs, Some(vec!["any".to_owned()]));
    assert!(facts.access.is_none() && facts.retention.is_none());
}

#[test]
fn a_models_promise_that_is_not_inherited_does_not_bring_back_the_providers() {
    let base = BASE.replace(
        "name: m, upstreamName: u",
        "name: m, promises: {inference: {regions: [Worldwide], evidence: [ours]}}, upstreamName: u",
    );

    let (candidate, _) = only(&based(&base, OWN), "team");

    assert!(candidate.facts.inference.is_none());
}

#[test]
fn a_promise_of_our_own_server_that_is_not_inherited_is_not_made_good_by_its_being_ours() {
    let own_server = BASE.replace(
        "vendor: mistral, baseURL: 'https://api.eu.mistral.ai/v1'",
        "vendor: vllm, operatedBy: Self, baseURL: 'https://gpu.example/v1'",
    );
    let silent = own_server.replace(", retention: {days: 0}", "");

    assert!(!only(&based(&own_server, OWN), "team").0.facts.self_operated);
    assert!(only(&based(&silent, OWN), "team").0.facts.self_operated);
}

#[test]
fn the_shared_one_is_left_out_where_there_is_a_key_of_ones_own_and_only_there() {
    let manifests = based(BASE, OWN);

    assert_eq!(outcome(&manifests, "team"), [pair("root/shared", "own_key_used"), pair("team/own", "")]);
    assert_eq!(outcome(&manifests, "other"), [pair("root/shared", "")]);
}

#[test]
fn a_key_of_ones_own_that_can_not_be_used_does_not_bring_back_the_shared_one() {
    let own = OWN.replace("name: own", "name: lost");

    assert_eq!(
        outcome(&based(BASE, &own), "team"),
        [pair("root/shared", "own_key_used"), pair("team/own", "credential_not_found")]
    );
    let own = OWN.replace(
        "type: APIKey, apiKey: {secretRef: {name: own, key: k}}",
        "type: OpenAI, openAI: {identityProviderID: i, serviceAccountID: s, serviceAccountName: n}",
    );
    assert_eq!(
        outcome(&based(BASE, &own), "team"),
        [pair("root/shared", "own_key_used"), pair("team/own", "provider_invalid")]
    );
}

#[test]
fn a_target_that_names_the_shared_one_means_it() {
    let mut manifests = based(BASE, OWN);
    let route = manifests.routes.values_mut().next().expect("there is one");
    let named = |namespace: &str, name: &str| {
        Some(crate::route::ProviderRef { name: name.to_owned(), namespace: Some(namespace.to_owned()) })
    };

    route.spec.tiers[0].targets[0].provider = named("root", "shared");
    assert_eq!(outcome(&manifests, "team"), [pair("root/shared", "")]);

    let route = manifests.routes.values_mut().next().expect("there is one");
    route.spec.tiers[0].targets[0].provider = named("team", "own");
    assert_eq!(outcome(&manifests, "team"), [pair("team/own", "")]);
    assert_eq!(outcome(&manifests, "other"), [pair("team/own", "consumer_not_allowed")]);
}

#[test]
fn a_base_must_be_there_be_permitted_be_sound_and_stand_alone() {
    let code = |manifests: &Manifests| {
        let findings = compile(manifests, &workload("team"), at("2026-11-24")).findings;
        findings.iter().find(|finding| finding.object.name == "own").map(|finding| finding.code)
    };
    assert_eq!(code(&based(BASE, OWN)), None);
    assert_eq!(code(&based(BASE, &OWN.replace("name: shared", "name: lost"))), Some("BaseNotFound"));
    assert_eq!(code(&based(&BASE.replace("team: pilots", "team: other"), OWN)), Some("BaseNotPermitted"));

    let mut unsound = based(BASE, OWN);
    unsound.providers.get_mut(&ObjectName::new("root", "shared")).expect("it is there").models.clear();
    assert_eq!(code(&unsound), Some("BaseInvalid"));
    assert!(compile(&unsound, &workload("team"), at("2026-11-24")).snapshot.candidates().next().is_none());

    let chain =
        provider("team", "middle", OWN) + &provider("team", "own", &OWN.replace("shared, namespace: root", "middle"));
    let chain = world(&(provider("root", "shared", BASE) + &chain + &namespaces() + &secrets()));
    assert_eq!(code(&chain), Some("BaseInvalid"));
    assert_eq!(outcome(&chain, "team"), [pair("root/shared", "own_key_used"), pair("team/middle", "own_key_used")]);
}

#[test]
fn a_base_in_the_same_namespace_needs_no_consumers() {
    let documents = provider("team", "shared", &BASE.replace("{matchLabels: {team: pilots}}", "{matchLabels: {a: b}}"))
        + &provider("team", "own", &OWN.replace(", namespace: root", ""))
        + &secret("team", "shared", "{k: shared-key, proxy: 'user:word'}")
        + &secret("team", "own", "{k: own-key}");

    assert_eq!(outcome(&world(&documents), "team"), [pair("team/own", ""), pair("team/shared", "own_key_used")]);
}
