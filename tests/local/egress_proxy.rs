//! Providers behind an HTTP proxy: what it is asked, what it is shown, and what it never sees.

use lotse_tests::proxy::FakeProxy;
use lotse_tests::{Authority, FakeProvider, Sidecar, World};

/// A provider of a name that only the proxy can resolve.
fn world(authority: &Authority, proxy: &FakeProxy, more: &str) -> World {
    let pem: String = authority.pem().lines().map(|line| format!("    {line}\n")).collect();
    let tls = format!("tls:\n  caBundle: |\n{pem}");
    let spec = format!("{tls}egressProxy: {{url: \"{}\"{more}}}", proxy.url());
    World::default().provider("paris", "https://paris.example/v1", &spec)
}

#[tokio::test]
async fn calls_go_through_the_proxy_which_learns_the_name_and_nothing_else() {
    let authority = Authority::default();
    let paris = FakeProvider::says_over_tls("bonjour", authority.server(&["paris.example"])).await;
    let proxy = FakeProxy::answers(200, paris.address()).await;
    let sidecar = Sidecar::of(&world(&authority, &proxy, "")).await;

    assert_eq!(sidecar.chat().await.said(), "bonjour");
    assert_eq!(sidecar.stream().await.said(), "bonjour");

    let heads = proxy.heads();
    assert_eq!(heads.len(), 1, "the connection is kept: {heads:?}");
    assert_eq!(heads[0].lines().next(), Some("CONNECT paris.example:443 HTTP/1.1"));
    assert!(!heads[0].to_lowercase().contains("authorization"), "{heads:?}");
}

#[tokio::test]
async fn a_proxy_is_shown_its_credential_and_the_provider_is_not() {
    let authority = Authority::default();
    let paris = FakeProvider::says_over_tls("bonjour", authority.server(&["paris.example"])).await;
    let proxy = FakeProxy::answers(200, paris.address()).await;
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: way-out, namespace: lotse-system}\nstringData: {user: \"lotse:s3cret\"}\n";
    let credential = ", credential: {secretRef: {name: way-out, key: user}}";
    let world = world(&authority, &proxy, credential).file("secret.yaml", secret);
    let sidecar = Sidecar::of(&world).await;

    assert_eq!(sidecar.chat().await.said(), "bonjour");

    // RFC 7617: base64 of user:password.
    assert!(proxy.heads()[0].contains("Basic bG90c2U6czNjcmV0"), "{:?}", proxy.heads());
    assert_eq!(paris.last().header("proxy-authorization"), None);
    assert!(!sidecar.admin("/snapshot").await.text().contains("bG90c2U6czNjcmV0"));
}

#[tokio::test]
async fn a_proxy_that_refuses_is_a_provider_that_is_unreachable() {
    let authority = Authority::default();
    let paris = FakeProvider::says_over_tls("bonjour", authority.server(&["paris.example"])).await;
    let proxy = FakeProxy::answers(407, paris.address()).await;
    let sidecar = Sidecar::of(&world(&authority, &proxy, "")).await;

    let answer = sidecar.chat().await;

    let attempt = &answer.json()["error"]["metadata"]["attempts"][0];
    assert_eq!(attempt["code"], "unreachable");
    assert!(
        attempt["message"].as_str().is_some_and(|message| message.contains("the egress proxy answers 407")),
        "{attempt}"
    );
    assert_eq!(paris.calls(), 0);
}

#[tokio::test]
async fn a_metadata_address_is_reached_through_no_proxy_either() {
    let nobody = "127.0.0.1:9".parse().expect("an address");
    let proxy = FakeProxy::answers(200, nobody).await;
    let spec = format!("egressProxy: {{url: \"{}\"}}", proxy.url());
    let world = World::default().provider("cloud", "https://169.254.169.254/v1", &spec);
    let sidecar = Sidecar::of(&world).await;

    let answer = sidecar.chat().await;

    assert!(answer.text().contains("metadata address"), "{}", answer.text());
    assert_eq!(proxy.heads(), Vec::<String>::new());
}
