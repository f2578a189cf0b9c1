//! TLS to providers: only a certificate that is trusted for them, and for their name, will do.

use lotse_tests::{Authority, FakeProvider, Sidecar, World};

fn trusting(authority: &Authority) -> String {
    let pem: String = authority.pem().lines().map(|line| format!("    {line}\n")).collect();
    format!("tls:\n  caBundle: |\n{pem}")
}

#[tokio::test]
async fn a_certificate_of_the_providers_own_authority_is_trusted_by_name_and_by_address() {
    let authority = Authority::default();
    let paris = FakeProvider::says_over_tls("bonjour", authority.server(&["localhost", "127.0.0.1"])).await;
    for host in ["localhost", "127.0.0.1"] {
        let world = World::default().provider("paris", &paris.tls_url(host), &trusting(&authority));
        let sidecar = Sidecar::of(&world).await;

        assert_eq!(sidecar.chat().await.said(), "bonjour", "{host}");
        assert_eq!(sidecar.stream().await.said(), "bonjour", "{host}");
    }
}

#[tokio::test]
async fn another_authority_another_name_and_the_public_roots_are_not_trusted_and_nothing_is_sent() {
    let (own, other) = (Authority::default(), Authority::default());
    let elsewhere = FakeProvider::says_over_tls("stolen", own.server(&["models.example.org"])).await;
    let paris = FakeProvider::says_over_tls("bonjour", own.server(&["localhost", "127.0.0.1"])).await;
    for (what, url, trust) in [
        ("another authority", paris.tls_url("127.0.0.1"), trusting(&other)),
        ("the public roots", paris.tls_url("127.0.0.1"), String::new()),
        ("another name", elsewhere.tls_url("127.0.0.1"), trusting(&own)),
    ] {
        let sidecar = Sidecar::of(&World::default().provider("p", &url, &trust)).await;

        let answer = sidecar.chat().await;

        let attempt = &answer.json()["error"]["metadata"]["attempts"][0];
        assert_eq!(attempt["code"], "unreachable", "{what}: {attempt}");
        assert!(attempt["message"].as_str().is_some_and(|message| message.contains("TLS fails")), "{what}: {attempt}");
    }
    assert_eq!((paris.calls(), elsewhere.calls()), (0, 0));
}

#[tokio::test]
async fn a_ca_bundle_that_holds_no_certificate_is_refused_at_the_start() {
    let broken = "tls:\n  caBundle: |\n    -----BEGIN CERTIFICATE-----\n    AAAA\n    -----END CERTIFICATE-----\n";
    let world = World::default().provider("p", "https://models.example.org/v1", broken);

    let error = Sidecar::try_of(&world).await.err().map(|error| format!("{error:?}")).unwrap_or_default();

    assert!(error.contains("CaBundle"), "{error}");
}

#[tokio::test]
async fn two_providers_at_one_address_share_no_connection_when_they_trust_differently() {
    let (own, other) = (Authority::default(), Authority::default());
    let paris = FakeProvider::says_over_tls("bonjour", own.server(&["127.0.0.1"])).await;
    let world = World::default()
        .provider("trusting", &paris.tls_url("127.0.0.1"), &trusting(&own))
        .provider("mistrusting", &paris.tls_url("127.0.0.1"), &trusting(&other))
        .tiers("- {balance: Order, targets: [{model: m, provider: {name: trusting}}]}")
        .file("second.yaml", &lotse_tests::manifests::object("ModelRoute", "app", "second", "models: [other]\ntiers: [{targets: [{model: m, provider: {name: mistrusting, namespace: lotse-system}}]}]"));
    let sidecar = Sidecar::of(&world).await;
    assert_eq!(sidecar.chat().await.said(), "bonjour");

    let answer = sidecar.send(Sidecar::request(&serde_json::json!({"model": "other", "messages": []}))).await;

    assert_eq!(answer.code(), "all_providers_failed");
    assert_eq!(paris.calls(), 1);
}
