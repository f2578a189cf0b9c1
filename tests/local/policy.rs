//! What an app hears when policy keeps its call: a status, a code, and each provider's reasons with the policy's name.

use lotse_tests::manifests::{object, policy};
use lotse_tests::{FakeProvider, Sidecar, World};

fn promising(region: &str) -> String {
    let place = format!("{{regions: [{region}], evidence: [e]}}");
    format!(
        "evidence: [{{name: e, kind: Contractual, source: s, validUntil: 2999-01-01}}]\npromises: {{inference: {place}, storage: {place}, access: {place}}}"
    )
}

async fn world(promise: &str, policies: &[String]) -> (Sidecar, FakeProvider) {
    let provider = FakeProvider::says("bonjour").await;
    let world = World::default().provider("p", &provider.url(), promise).policies(policies);
    (Sidecar::of(&world).await, provider)
}

#[tokio::test]
async fn without_a_policy_that_opens_nothing_is_allowed() {
    for policies in [
        vec![],
        vec![policy("app", "tenant", "inferenceRegions: [EEA]")],
        vec![policy("lotse-system", "no-regions", "maxRetentionDays: 0")],
        vec![policy("lotse-system", "audit", "enforcement: Audit\ninferenceRegions: [EEA]")],
        vec![policy("lotse-system", "others", "namespaceSelector: {matchLabels: {a: b}}\ninferenceRegions: [EEA]")],
        vec![policy("lotse-system", "accounts", "serviceAccountNames: [billing]\ninferenceRegions: [EEA]")],
    ] {
        let (sidecar, provider) = world(&promising("FR"), &policies).await;

        let (whole, stream) = (sidecar.chat().await, sidecar.stream().await);

        for answer in [whole, stream, sidecar.get("/v1/models").await] {
            assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "no_data_policy"), "{policies:?}");
        }
        assert!(sidecar.chat().await.reasons("lotse-system/p").contains(&"no_data_policy".to_owned()));
        assert_eq!(provider.calls(), 0);
    }
}

#[tokio::test]
async fn a_refusal_names_the_provider_the_policy_and_the_reasons() {
    let (sidecar, provider) =
        world(&promising("US"), &[policy("lotse-system", "eu", "inferenceRegions: [EU]\nforbidTraining: true")]).await;

    let answer = sidecar.chat().await;

    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "policy_denied"));
    let excluded = &answer.json()["error"]["metadata"]["excluded"];
    assert_eq!(excluded[0]["provider"], "lotse-system/p");
    assert_eq!(excluded[0]["policy"], "lotse-system/eu");
    let expected =
        ["inference_region_not_allowed", "storage_region_not_allowed", "access_region_not_allowed", "not_promised"];
    assert_eq!(answer.reasons("lotse-system/p"), expected);
    assert!(!answer.text().contains("127.0.0.1"), "a refused provider's address is nobody's business");
    assert!(!sidecar.admin("/snapshot").await.text().contains("127.0.0.1"));
    assert_eq!(answer.header("x-should-retry"), Some("false"));
    assert_eq!(provider.calls(), 0);
}

#[tokio::test]
async fn two_policies_that_share_no_place_leave_nobody_and_both_are_named() {
    let policies =
        [policy("lotse-system", "fr", "inferenceRegions: [FR]"), policy("app", "de", "inferenceRegions: [DE]")];
    // The tenant's policy believes its own namespace and the root.
    let (sidecar, _) = world(&promising("FR, DE"), &policies).await;

    let answer = sidecar.chat().await;

    assert_eq!(answer.code(), "policy_denied");
    let excluded = answer.json()["error"]["metadata"]["excluded"].as_array().cloned().unwrap_or_default();
    let named: Vec<_> = excluded.iter().filter_map(|entry| entry["policy"].as_str()).collect();
    assert_eq!(named, ["app/de", "lotse-system/fr"]);
}

#[tokio::test]
async fn a_tenant_that_attests_for_itself_is_not_believed() {
    let provider = FakeProvider::says("bonjour").await;
    let own = format!(
        "vendor: vllm\nbaseURL: {}\nallowedAddresses: [127.0.0.0/8]\nmodels: [{{name: own}}]\n{}",
        provider.url(),
        promising("FR")
    );
    let files = object("LLMProvider", "app", "own", &own)
        + &object("ModelRoute", "app", "own", "models: [gpt-4o]\ntiers: [{targets: [{model: own}]}]");
    let strict =
        World::default().policies(&[policy("lotse-system", "eu", "inferenceRegions: [EU]")]).file("own.yaml", &files);
    let open = World::default().file("own.yaml", &files);
    let tiers = "- {targets: [{model: nothing}]}";

    let answer = Sidecar::of(&strict.tiers(tiers)).await.chat().await;
    assert_eq!(answer.code(), "policy_denied");
    assert_eq!(answer.reasons("app/own"), ["not_attested"]);

    // Worldwide leans on no promise, so nobody needs to be believed.
    assert_eq!(Sidecar::of(&open.tiers(tiers)).await.chat().await.said(), "bonjour");
}

#[tokio::test]
async fn evidence_that_is_missing_unknown_or_past_excludes_with_its_reason() {
    let place = |evidence: &str| {
        format!(
            "promises: {{inference: {{regions: [FR]{evidence}}}, storage: {{regions: [FR]{evidence}}}, access: {{regions: [FR]{evidence}}}}}"
        )
    };
    let past = "evidence: [{name: e, kind: Contractual, source: s, validUntil: 2020-01-01}]";
    for (promise, code) in [
        (place(""), "evidence_missing"),
        (place(", evidence: [nothing]"), "evidence_not_found"),
        (format!("{past}\n{}", place(", evidence: [e]")), "evidence_expired"),
    ] {
        let (sidecar, _) = world(&promise, &[policy("lotse-system", "eu", "inferenceRegions: [EU]")]).await;

        let answer = sidecar.chat().await;

        assert_eq!(
            (answer.code().as_str(), answer.reasons("lotse-system/p")),
            ("policy_denied", vec![code.to_owned()])
        );
    }
}

#[tokio::test]
async fn a_route_to_nobody_or_to_somebody_elses_provider_leaves_nobody() {
    let provider = FakeProvider::says("bonjour").await;
    let spec =
        format!("vendor: vllm\nbaseURL: {}\nallowedAddresses: [127.0.0.0/8]\nmodels: [{{name: m}}]", provider.url());
    let theirs = object("LLMProvider", "other", "theirs", &spec);
    let unkeyed = object(
        "LLMProvider",
        "app",
        "unkeyed",
        &format!("{spec}\ncredential: {{type: APIKey, apiKey: {{secretRef: {{name: s, key: k}}}}}}"),
    );
    for (target, provider, code) in [
        ("{model: m, provider: {name: nobody}}", "lotse-system/nobody", "provider_not_found"),
        ("{model: m, provider: {name: theirs, namespace: other}}", "other/theirs", "consumer_not_allowed"),
        ("{model: x, provider: {name: unkeyed, namespace: app}}", "app/unkeyed", "model_not_served"),
        ("{model: m, provider: {name: unkeyed, namespace: app}}", "app/unkeyed", "credential_not_found"),
    ] {
        let world = World::default()
            .tiers(&format!("- {{targets: [{target}]}}"))
            .file("theirs.yaml", &(theirs.clone() + &unkeyed));
        let sidecar = Sidecar::of(&world).await;

        let answer = sidecar.chat().await;

        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (404, "no_eligible_provider"), "{target}");
        assert_eq!(answer.reasons(provider), [code]);
        assert_eq!(sidecar.get("/v1/models").await.json()["data"], serde_json::json!([]));
    }
}

#[tokio::test]
async fn an_auditing_policy_refuses_nothing_and_counts_what_it_would_refuse() {
    let policies = [
        policy("lotse-system", "open", "inferenceRegions: [Worldwide]"),
        policy("lotse-system", "audit", "enforcement: Audit\ninferenceRegions: [EU]"),
    ];
    let (sidecar, _) = world(&promising("US"), &policies).await;

    assert_eq!(sidecar.chat().await.said(), "bonjour");

    let line = "lotse_audit_would_refuse_total{policy=\"lotse-system/audit\",provider=\"lotse-system/p\",reason=\"inference_region_not_allowed\"} 1";
    sidecar.metric_is(line).await;
}

#[tokio::test]
async fn the_most_specific_model_name_answers_then_the_own_namespace_then_the_older() {
    let route = |namespace: &str, name: &str, created: &str, models: &str, provider: &str| {
        let text = object(
            "ModelRoute",
            namespace,
            name,
            &format!(
                "models: {models}\ntiers: [{{targets: [{{model: m, provider: {{name: {provider}, namespace: lotse-system}}}}]}}]"
            ),
        );
        text.replace("metadata: {", &format!("metadata: {{creationTimestamp: {created}, "))
    };
    let [a, b, c] = [FakeProvider::says("a").await, FakeProvider::says("b").await, FakeProvider::says("c").await];
    let routes = [
        route("app", "any", "2026-01-01T00:00:00Z", "[\"*\"]", "a"),
        route("app", "younger", "2026-03-01T00:00:00Z", "[\"gpt-*\"]", "a"),
        route("app", "older", "2026-02-01T00:00:00Z", "[\"gpt-*\"]", "b"),
    ];
    let world = World::of(&[("a", &a), ("b", &b), ("c", &c)])
        .tiers("- {targets: [{model: m, provider: {name: c}}]}")
        .file("routes.yaml", &routes.concat());
    let sidecar = Sidecar::of(&world).await;
    let ask = |model: &str| Sidecar::request(&serde_json::json!({"model": model, "messages": []}));

    assert_eq!(sidecar.send(ask("gpt-4o")).await.said(), "c", "an exact name of the root before a prefix of one's own");
    assert_eq!(sidecar.send(ask("gpt-5")).await.said(), "b", "the older of two");
    assert_eq!(sidecar.send(ask("claude")).await.said(), "a", "any other");
}
