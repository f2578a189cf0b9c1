//! Bring your own key: a namespace's own key for a shared provider, which never mixes with the shared one.

use lotse_tests::manifests::object;
use lotse_tests::provider::{Step, response, whole};
use lotse_tests::{FakeProvider, Sidecar, World};

const SECRETS: &str = "
apiVersion: v1
kind: Secret
metadata: {name: shared, namespace: lotse-system}
stringData: {key: sk-shared, team: shared-team}
---
apiVersion: v1
kind: Secret
metadata: {name: own, namespace: app}
stringData: {key: sk-own}
";

/// A shared provider for these namespaces, and the app's own key for it.
fn world(shared: &FakeProvider, consumers: &str) -> World {
    let base = format!(
        "vendor: vllm\nbaseURL: {}\nallowedAddresses: [127.0.0.0/8]\nconsumers: {{namespaceSelector: {consumers}}}\n\
         models: [{{name: m, upstreamName: upstream}}]\n\
         credential: {{type: APIKey, apiKey: {{secretRef: {{name: shared, key: key}}}}}}\n\
         headers: [{{name: x-open, value: open}}, {{name: x-team, secretRef: {{name: shared, key: team}}}}]\n",
        shared.url()
    );
    let own = "basedOn: {name: shared, namespace: lotse-system}\n\
               credential: {type: APIKey, apiKey: {secretRef: {name: own, key: key}}}";
    World::default()
        .file("base.yaml", &object("LLMProvider", "lotse-system", "shared", &base))
        .file("own.yaml", &object("LLMProvider", "app", "own", own))
        .file("secrets.yaml", SECRETS)
}

#[tokio::test]
async fn a_namespaces_own_key_reaches_the_shared_providers_url_and_the_shared_one_never_does() {
    let shared = FakeProvider::plays(|_| whole("bonjour")).await;
    let sidecar = Sidecar::of(&world(&shared, "{}")).await;

    let answer = sidecar.chat().await;

    assert_eq!((answer.said().as_str(), answer.header("x-lotse-provider")), ("bonjour", Some("app/own")));
    let asked = shared.last();
    assert_eq!(asked.header("authorization").as_deref(), Some("Bearer sk-own"));
    assert_eq!((asked.header("x-open").as_deref(), asked.header("x-team")), (Some("open"), None));
    assert!(!asked.head.contains("shared"), "{}", asked.head);
    assert_eq!((asked.json()["model"].as_str(), shared.calls()), (Some("upstream"), 1));
}

#[tokio::test]
async fn a_namespaces_own_key_that_fails_does_not_bring_back_the_shared_one() {
    let shared = FakeProvider::plays(|asked| {
        let is_own = asked.header("authorization").as_deref() == Some("Bearer sk-own");
        if is_own { vec![Step::Send(response(401, &[], "{}"))] } else { whole("paid by others") }
    })
    .await;
    let refused = Sidecar::of(&world(&shared, "{}")).await.chat().await;
    let lost = world(&shared, "{}").file("secrets.yaml", &SECRETS.replace("name: own", "name: lost"));
    let files: Vec<_> = lost.files().into_iter().collect();
    let without = Sidecar::on_files(&files, &[]).await.expect("well-formed").chat().await;

    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (502, "all_providers_failed"));
    assert_eq!(without.code(), "no_eligible_provider", "{}", without.text());
    assert_eq!(without.reasons("app/own"), ["credential_not_found"]);
    assert_eq!(without.reasons("lotse-system/shared"), ["own_key_used"]);
    assert_eq!(shared.calls(), 1);
}

#[tokio::test]
async fn a_base_whose_consumers_do_not_allow_it_is_refused_with_the_reason() {
    let shared = FakeProvider::plays(|_| whole("stolen")).await;
    let tiers = "- {targets: [{model: m, provider: {name: own, namespace: app}}]}";
    let sidecar = Sidecar::of(&world(&shared, "{matchLabels: {team: pilots}}").tiers(tiers)).await;

    let answer = sidecar.chat().await;

    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (404, "no_eligible_provider"), "{}", answer.text());
    assert_eq!(answer.reasons("app/own"), ["base_not_permitted"]);
    let told = answer.json()["error"]["metadata"]["excluded"][0]["message"].clone();
    assert!(
        told.as_str().is_some_and(|told| told.contains("not among the consumers of lotse-system/shared")),
        "{told}"
    );
    assert_eq!(shared.calls(), 0);
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: app, labels: {team: pilots}}\n";
    let permitted = world(&shared, "{matchLabels: {team: pilots}}").tiers(tiers).file("namespace.yaml", namespace);
    assert_eq!(Sidecar::of(&permitted).await.chat().await.said(), "stolen", "the label alone makes the difference");
}
