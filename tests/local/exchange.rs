//! Identities are exchanged for short-lived credentials: by the operator with tokens of the API server, and by a sidecar
//! with a token of a file. The clouds' hosts are played by a server of the test's own.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use lotse_crds::exchange::{AzureProof, Exchange, ExchangeKey, ExchangeKind, Wanted};
use lotse_crds::manifests::Manifests;
use lotse_crds::name::ObjectName;
use lotse_crds::provider::{AzureAuthority, SecretKeyRef};
use lotse_crds::secret::Secret;
use lotse_operator::exchange::Exchanges as OfOperator;
use lotse_operator::https::Https;
use lotse_sidecar::exchange::{Exchanges as OfSidecar, Way};
use lotse_sidecar::serve::App;
use lotse_tests::provider::{Step, response};
use lotse_tests::proxy::FakeProxy;
use lotse_tests::{Authority, FakeProvider, Sidecar, World};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::json;
use tempfile::TempDir;

const GRANT: &str = r#"{"access_token":"short-lived","expires_in":3600,"token_type":"Bearer"}"#;

fn openai(provider: &str) -> Exchange {
    let kind = ExchangeKind::OpenAI {
        identity_provider_id: "idp_1".to_owned(),
        service_account_id: "svc_1".to_owned(),
        service_account_name: "openai".to_owned(),
    };
    let key = ExchangeKey { provider: ObjectName::new("team-a", provider), kind };
    Exchange { key, secrets: Vec::new(), service_account: Some("openai".to_owned()) }
}

fn entra() -> Exchange {
    let secret = SecretKeyRef { name: "azure".to_owned(), key: "client".to_owned() };
    let kind = ExchangeKind::Azure {
        tenant_id: "contoso.example".to_owned(),
        client_id: "app-1".to_owned(),
        proof: AzureProof::ClientSecret(secret.clone()),
        authority: AzureAuthority::Public,
    };
    let key = ExchangeKey { provider: ObjectName::new("team-a", "azure"), kind };
    Exchange { key, secrets: vec![secret], service_account: None }
}

fn with_client_secret(value: &str) -> Manifests {
    let values = BTreeMap::from([("client".to_owned(), Secret::new(value.to_owned()))]);
    Manifests { secrets: BTreeMap::from([(ObjectName::new("team-a", "azure"), values)]), ..Manifests::default() }
}

fn wanted(exchange: Exchange) -> Vec<Wanted> {
    vec![Wanted::new(exchange, &with_client_secret("client-secret"))]
}

fn roots(authority: &Authority) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(authority.pem().as_bytes()).expect("PEM");
    roots.add(certificate).expect("a certificate");
    roots
}

/// A cloud that answers by this, at these hosts.
async fn cloud(authority: &Authority, hosts: &[&str], status: u16, body: &'static str) -> FakeProvider {
    let script = move |_: &lotse_tests::provider::Asked| vec![Step::Send(response(status, &[], body))];
    FakeProvider::plays_over_tls(script, authority.server(hosts)).await
}

/// An API server that makes tokens of ServiceAccounts, or answers by an error.
async fn api_server(status: u16) -> FakeProvider {
    FakeProvider::plays(move |asked| {
        let body = if status == 201 {
            let spec = asked.json()["spec"].clone();
            json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "metadata": {}, "spec": spec,
                "status": {"token": "e30.e30.c2ln", "expirationTimestamp": "2030-01-01T00:00:00Z"}})
        } else {
            json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": status, "message": "no", "reason": "no"})
        };
        vec![Step::Send(response(status, &[], &body.to_string()))]
    })
    .await
}

fn of_operator(api: &FakeProvider, https: Https) -> Arc<OfOperator> {
    let url = format!("http://{}", api.address()).parse().expect("a URL");
    let client = kube::Client::try_from(kube::Config::new(url)).expect("a client");
    let exchanges = Arc::new(OfOperator::new(client, https, Timestamp::now));
    tokio::spawn(exchanges.clone().run());
    exchanges
}

async fn in_time(what: &str, mut is_so: impl FnMut() -> bool) {
    let waits = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waits).await.expect(what);
}

#[tokio::test]
async fn the_operator_exchanges_a_token_of_the_providers_service_account() {
    let authority = Authority::default();
    let cloud = cloud(&authority, &["auth.openai.com"], 200, GRANT).await;
    let api = api_server(201).await;
    let exchanges = of_operator(&api, Https::instead(cloud.address(), roots(&authority), None));

    exchanges.want(wanted(openai("gpt")));
    exchanges.first_round().await;

    let held = exchanges.held();
    assert_eq!(held.values().map(Secret::reveal).collect::<Vec<_>>(), ["short-lived"]);
    assert_eq!(held.keys().next(), Some(&openai("gpt").key));
    let asked = api.last();
    assert!(asked.head.starts_with("POST /api/v1/namespaces/team-a/serviceaccounts/openai/token"), "{}", asked.head);
    assert_eq!(asked.json()["spec"]["audiences"], json!(["https://api.openai.com/v1"]));
    assert_eq!(asked.json()["spec"]["expirationSeconds"], 600);
    let asked = cloud.last();
    assert!(asked.head.starts_with("POST /oauth/token HTTP/1.1\r\n"), "{}", asked.head);
    assert_eq!(asked.header("host").as_deref(), Some("auth.openai.com"));
    assert_eq!(asked.json()["subject_token"], "e30.e30.c2ln");
    exchanges.want([wanted(openai("gpt")), wanted(openai("other"))].concat());
    in_time("the other one", || exchanges.held().len() == 2).await;
    assert_eq!(cloud.calls(), 2, "what is held is not exchanged again");
}

#[tokio::test]
async fn a_service_account_that_may_not_be_used_is_told_and_nothing_leaves_the_cluster() {
    let authority = Authority::default();
    let cloud = cloud(&authority, &["auth.openai.com"], 200, GRANT).await;
    for (status, what) in [(403, "may not"), (404, "there is none")] {
        let api = api_server(status).await;
        let exchanges = of_operator(&api, Https::instead(cloud.address(), roots(&authority), None));

        exchanges.want(wanted(openai("gpt")));
        exchanges.first_round().await;

        assert!(exchanges.held().is_empty(), "{what}");
        assert!(api.calls() >= 1, "{what}");
    }
    assert_eq!(cloud.calls(), 0);
}

#[tokio::test]
async fn a_client_secret_needs_no_service_account_and_another_one_is_tried_at_once() {
    let authority = Authority::default();
    let script = |asked: &lotse_tests::provider::Asked| {
        let body = String::from_utf8_lossy(&asked.body).into_owned();
        let refusal = r#"{"error":"invalid_client","error_codes":[7000215]}"#;
        let (status, body) = if body.contains("client_secret=right") { (200, GRANT) } else { (401, refusal) };
        vec![Step::Send(response(status, &[], body))]
    };
    let cloud = FakeProvider::plays_over_tls(script, authority.server(&["login.microsoftonline.com"])).await;
    let api = api_server(500).await;
    let exchanges = of_operator(&api, Https::instead(cloud.address(), roots(&authority), None));
    exchanges.want(vec![Wanted::new(entra(), &with_client_secret("wrong"))]);
    exchanges.first_round().await;
    assert!(exchanges.held().is_empty());

    let mut renewed = exchanges.renewed();
    exchanges.want(vec![Wanted::new(entra(), &with_client_secret("right"))]);

    tokio::time::timeout(Duration::from_secs(5), renewed.changed()).await.expect("in time").expect("it runs");
    assert_eq!(exchanges.held().len(), 1);
    assert_eq!(api.calls(), 0);
    assert!(cloud.last().head.starts_with("POST /contoso.example/oauth2/v2.0/token "));
}

#[tokio::test]
async fn the_operator_goes_through_the_egress_proxy_and_shows_it_nothing() {
    let authority = Authority::default();
    let cloud = cloud(&authority, &["login.microsoftonline.com"], 200, GRANT).await;
    let proxy = FakeProxy::answers(200, cloud.address()).await;
    let closed = FakeProxy::answers(403, cloud.address()).await;
    let api = api_server(500).await;
    let nowhere = "127.0.0.1:9".parse().expect("an address");
    let through = |proxy: &FakeProxy| Https::instead(nowhere, roots(&authority), Some(proxy.url()));
    let exchanges = of_operator(&api, through(&proxy));
    exchanges.want(wanted(entra()));
    exchanges.first_round().await;

    assert_eq!(exchanges.held().len(), 1);
    assert!(proxy.heads()[0].starts_with("CONNECT login.microsoftonline.com:443 HTTP/1.1\r\n"));
    assert!(!proxy.heads().concat().contains("client-secret"));
    let refused = of_operator(&api, through(&closed));
    refused.want(wanted(entra()));
    refused.first_round().await;
    assert!(refused.held().is_empty());
    assert_eq!(cloud.calls(), 1);
}

#[tokio::test]
async fn a_host_without_a_certificate_of_the_public_roots_hears_nothing() {
    let (authority, other) = (Authority::default(), Authority::default());
    let elsewhere = cloud(&authority, &["login.example"], 200, GRANT).await;
    let untrusted = cloud(&other, &["login.microsoftonline.com"], 200, GRANT).await;
    let api = api_server(500).await;
    for cloud in [&elsewhere, &untrusted] {
        let exchanges = of_operator(&api, Https::instead(cloud.address(), roots(&authority), None));
        exchanges.want(wanted(entra()));
        exchanges.first_round().await;

        assert!(exchanges.held().is_empty());
        assert_eq!(cloud.calls(), 0);
    }
}

/// What a sidecar exchanges, with a token's file.
struct OnALaptop {
    exchanges: Arc<OfSidecar>,
    app: App,
    folder: TempDir,
}

impl OnALaptop {
    fn at(cloud: &FakeProvider, authority: &Authority) -> Self {
        let folder = TempDir::new().expect("a folder");
        let app = App::default();
        let way = Way::Test(cloud.address(), authority.pem());
        let exchanges = Arc::new(OfSidecar::new(&app.shared, Some(folder.path().join("token")), way));
        tokio::spawn(exchanges.clone().run());
        Self { exchanges, app, folder }
    }

    fn token(&self, text: &str) -> PathBuf {
        let path = self.folder.path().join("token");
        std::fs::write(&path, text).expect("a file");
        path
    }

    async fn holds_one(&self) {
        in_time("a credential", || self.exchanges.held().len() == 1).await;
    }
}

#[tokio::test]
async fn a_sidecar_on_a_laptop_exchanges_the_token_of_a_file_and_reads_it_each_time() {
    let authority = Authority::default();
    let cloud = cloud(&authority, &["127.0.0.1"], 200, GRANT).await;
    let laptop = OnALaptop::at(&cloud, &authority);
    laptop.token("first.to.ken\n");
    let before = laptop.exchanges.generation();

    laptop.exchanges.want(wanted(openai("gpt")));
    laptop.holds_one().await;

    assert_ne!(laptop.exchanges.generation(), before);
    assert_eq!(cloud.last().json()["subject_token"], "first.to.ken");
    assert_eq!(cloud.last().header("host").as_deref(), Some("auth.openai.com"));
    laptop.token("second.to.ken\n");
    laptop.exchanges.want(wanted(openai("other")));
    in_time("another exchange", || cloud.calls() == 2).await;
    assert_eq!(cloud.last().json()["subject_token"], "second.to.ken");
}

#[tokio::test]
async fn a_storm_of_401s_gives_one_exchange() {
    let authority = Authority::default();
    let cloud = cloud(&authority, &["127.0.0.1"], 200, GRANT).await;
    let laptop = OnALaptop::at(&cloud, &authority);
    laptop.token("to.k.en");
    laptop.exchanges.want(wanted(openai("gpt")));
    laptop.holds_one().await;

    for turn in 0..20 {
        // So far apart that each turn is told on; it is the exchange that must not follow each.
        let at = Instant::now() + Duration::from_mins(1) * turn;
        for _ in 0..50 {
            laptop.app.shared.refusals.tell(&ObjectName::new("team-a", "gpt"), at);
            laptop.app.shared.refusals.tell(&ObjectName::new("team-a", "with-an-api-key"), at);
        }
        tokio::task::yield_now().await;
    }

    in_time("one exchange", || cloud.calls() == 2).await;
    laptop.exchanges.want([wanted(openai("gpt")), wanted(openai("other"))].concat());
    in_time("the other one", || laptop.exchanges.held().len() == 2).await;
    assert_eq!(cloud.calls(), 3);
}

#[tokio::test]
async fn without_a_token_nothing_is_asked_and_when_there_is_one_it_is() {
    let authority = Authority::default();
    let cloud = cloud(&authority, &["127.0.0.1"], 200, GRANT).await;
    let laptop = OnALaptop::at(&cloud, &authority);
    let before = laptop.exchanges.generation();
    laptop.exchanges.want(wanted(openai("gpt")));
    in_time("it is tried", || laptop.exchanges.generation() > before).await;
    assert_eq!((cloud.calls(), laptop.exchanges.held().len()), (0, 0));

    laptop.token("to.k.en");

    laptop.holds_one().await;
}

#[tokio::test]
async fn a_credential_that_ends_is_held_no_more() {
    let authority = Authority::default();
    let cloud = FakeProvider::plays_over_tls(
        {
            let asked = std::sync::atomic::AtomicUsize::new(0);
            move |_| {
                let is_first = asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
                let short: &str = r#"{"access_token":"short","expires_in":2}"#;
                let (status, body) = if is_first { (200, short) } else { (503, "{}") };
                vec![Step::Send(response(status, &[], body))]
            }
        },
        authority.server(&["127.0.0.1"]),
    )
    .await;
    let laptop = OnALaptop::at(&cloud, &authority);
    laptop.token("to.k.en");
    laptop.exchanges.want(wanted(openai("gpt")));
    laptop.holds_one().await;
    let generation = laptop.exchanges.generation();
    let began = Timestamp::now();

    in_time("its end", || laptop.exchanges.held().is_empty()).await;

    assert!(Timestamp::now().duration_since(began) <= SignedDuration::from_secs(4));
    assert_ne!(laptop.exchanges.generation(), generation);
    assert!(cloud.calls() >= 2, "it has been tried before it ended");
}

#[tokio::test]
async fn a_call_carries_what_the_identity_was_exchanged_for_and_a_401_renews_it_once() {
    let authority = Authority::default();
    let grants = std::sync::atomic::AtomicUsize::new(0);
    let script = move |_: &lotse_tests::provider::Asked| {
        let number = grants.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let body = format!(r#"{{"access_token":"short-lived-{number}","expires_in":3600}}"#);
        vec![Step::Send(response(200, &[], &body))]
    };
    let cloud = FakeProvider::plays_over_tls(script, authority.server(&["127.0.0.1"])).await;
    let paris = FakeProvider::plays(|asked| {
        if asked.header("authorization").as_deref() == Some("Bearer short-lived-0") {
            return vec![Step::Send(response(401, &[], "{}"))];
        }
        lotse_tests::provider::whole("bonjour")
    })
    .await;
    let spec = format!(
        "vendor: openai\nbaseURL: {}\nallowedAddresses: [127.0.0.0/8]\nconsumers: {{namespaceSelector: {{}}}}\n\
         models: [{{name: m, upstreamName: upstream}}]\ncredential: {{type: OpenAI, openAI: {{identityProviderID: idp_1, \
         serviceAccountID: svc_1, serviceAccountName: openai}}}}\n",
        paris.url()
    );
    let provider = lotse_tests::manifests::object("LLMProvider", "lotse-system", "paris", &spec);
    let world = World::default().file("openai.yaml", &provider);
    let token = TempDir::new().expect("a folder");
    let file = token.path().join("token").to_string_lossy().into_owned();
    let way = Way::Test(cloud.address(), authority.pem());
    let sidecar = Sidecar::exchanging(&world, &["--identity-token", &file], way).await;
    let pending = sidecar.chat().await;
    assert_eq!(pending.status, 404, "{}", pending.text());
    let why = async { while !sidecar.chat().await.text().contains("--identity-token") {} };
    tokio::time::timeout(Duration::from_secs(5), why).await.expect("the reason is told");

    std::fs::write(token.path().join("token"), "to.k.en\n").expect("a file");

    let said = async { while sidecar.chat().await.status != 200 {} };
    tokio::time::timeout(Duration::from_secs(10), said).await.expect("the second credential is taken");
    assert_eq!(paris.last().header("authorization").as_deref(), Some("Bearer short-lived-1"));
    assert_eq!(cloud.calls(), 2);
    assert!(!sidecar.admin("/snapshot").await.text().contains("short-lived"));
}
