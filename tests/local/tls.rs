//! TLS to providers: only a certificate that is trusted for them, and for their name, will do.

use lotse_tests::provider::{stream, whole};
use lotse_tests::{Authority, FakeProvider, Sidecar, World};

/// The lines of a provider's spec that trust an authority.
pub(crate) fn trusting(authority: &Authority) -> String {
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

/// A Secret of these values, each PEM.
fn secret(values: &[(&str, &str)]) -> String {
    let mut text =
        "apiVersion: v1\nkind: Secret\nmetadata: {name: shown, namespace: lotse-system}\nstringData:\n".to_owned();
    for (key, pem) in values {
        text += &format!("  {key}: |\n");
        text.extend(pem.lines().map(|line| format!("    {line}\n")));
    }
    text
}

fn showing(authority: &Authority) -> String {
    format!("{}  clientCertificateRef: {{name: shown}}\n", trusting(authority))
}

async fn demanding(own: &Authority, clients: &Authority) -> FakeProvider {
    let says =
        |asked: &lotse_tests::provider::Asked| if asked.wants_stream() { stream("bonjour") } else { whole("bonjour") };
    FakeProvider::plays_over_tls(says, own.demanding_server(&["127.0.0.1"], clients)).await
}

#[tokio::test]
async fn a_server_that_demands_a_certificate_takes_ours_and_no_call_without_or_with_anothers() {
    let (own, clients, other) = (Authority::default(), Authority::default(), Authority::default());
    let paris = demanding(&own, &clients).await;
    let world = |spec: &str| World::default().provider("paris", &paris.tls_url("127.0.0.1"), spec);
    let (chain, key) = clients.client();
    let good = secret(&[("tls.crt", &chain), ("tls.key", &key)]);

    let sidecar = Sidecar::of(&world(&showing(&own)).file("secret.yaml", &good)).await;
    assert_eq!(sidecar.chat().await.said(), "bonjour");
    assert_eq!(sidecar.stream().await.said(), "bonjour");
    assert_eq!(paris.calls(), 2);
    let snapshot = sidecar.admin("/snapshot").await.text();
    assert!(!snapshot.contains("PRIVATE KEY") && !snapshot.contains(key.lines().nth(1).unwrap_or("?")), "{snapshot}");

    let (chain, key) = other.client();
    let anothers = secret(&[("tls.crt", &chain), ("tls.key", &key)]);
    for (what, spec, secret) in
        [("without", trusting(&own), good.as_str()), ("another's", showing(&own), anothers.as_str())]
    {
        let answer = Sidecar::of(&world(&spec).file("secret.yaml", secret)).await.chat().await;

        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (502, "all_providers_failed"), "{what}");
    }
    assert_eq!(paris.calls(), 2);
}

#[tokio::test]
async fn a_client_certificate_without_its_key_is_a_clear_error_and_nothing_is_sent() {
    let (own, clients) = (Authority::default(), Authority::default());
    let paris = demanding(&own, &clients).await;
    let world = World::default().provider("paris", &paris.tls_url("127.0.0.1"), &showing(&own));
    let (chain, _) = clients.client();

    for secrets in [secret(&[("tls.crt", &chain)]), String::new()] {
        let sidecar = Sidecar::of(&world.clone().file("secret.yaml", &secrets)).await;
        let answer = sidecar.chat().await;

        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (404, "no_eligible_provider"),
            "{}",
            answer.text()
        );
        assert_eq!(answer.reasons("lotse-system/paris"), ["credential_not_found"], "{}", answer.text());
        let told = answer.json()["error"]["metadata"]["excluded"][0]["message"].clone();
        let missing = if secrets.is_empty() { "tls.crt" } else { "tls.key" };
        let told = told.as_str().unwrap_or_default();
        assert!(told.contains("lotse-system/shown") && told.contains(missing), "{told}");
    }
    let nonsense =
        secret(&[("tls.crt", &chain), ("tls.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----")]);
    let error = Sidecar::try_of(&world.file("secret.yaml", &nonsense)).await.err().map(|error| format!("{error:?}"));
    assert!(error.as_ref().is_some_and(|error| error.contains("ClientCertificate")), "{error:?}");
    assert_eq!(paris.calls(), 0);
}
