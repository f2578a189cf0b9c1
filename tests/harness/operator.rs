//! The operator's endpoint in the test's own process, with what it rations and keeps, and an API server that knows little.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http::StatusCode;
use lotse_crds::name::{Labels, ObjectName, Workload};
use lotse_operator::caller::Callers;
use lotse_operator::pods::{PodRecord, Pods};
use lotse_operator::publish::{Publisher, Standing};
use lotse_operator::rations::{self, Held};
use lotse_operator::serve::{self, Endpoint};
use lotse_operator::treasury::Treasury;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use crate::api::Api;
use crate::authority::Authority;
use crate::follower::Follower;
use crate::manifests::World;

/// The operator as sidecars see it.
pub struct Operator {
    authority: Arc<Authority>,
    address: SocketAddr,
    /// Its API server.
    pub api: Api,
    client: kube::Client,
    leads: Mutex<Option<Leads>>,
    pods: Arc<Pods>,
    publisher: watch::Sender<Option<Arc<Publisher>>>,
    alive: watch::Sender<Option<Instant>>,
    accepts: AbortHandle,
    /// Where a pod's files would be.
    pub folder: TempDir,
}

/// What goes on while it leads.
struct Leads {
    publisher: Arc<Publisher>,
    treasury: Arc<Treasury>,
    tasks: JoinSet<()>,
    is_declared: bool,
}

impl Operator {
    /// Leads from the start, under term 1, with nothing declared yet.
    pub async fn new() -> Self {
        let pods = Arc::new(Pods::default());
        let (api, url) = Api::start().await;
        let client = kube::Client::try_from(kube::Config::new(url.parse().expect("a URL"))).expect("a client");
        let (publisher, publishers) = watch::channel(None);
        let (alive, is_alive) = watch::channel(Some(Instant::now()));
        let callers = Callers::new(client.clone(), pods.clone());
        let endpoint = Endpoint { callers, publisher: publishers, alive: is_alive };
        let authority = Arc::new(Authority::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let tls = authority.h2_server(&["localhost", "127.0.0.1"]);
        let accepts = tokio::spawn(serve::accept(listener, tls, Arc::new(endpoint))).abort_handle();
        let folder = TempDir::new().expect("a folder");
        std::fs::write(folder.path().join("ca.crt"), authority.pem()).expect("a file");
        let leads = Mutex::new(None);
        let operator = Self { authority, address, api, client, leads, pods, publisher, alive, accepts, folder };
        operator.pod("app", "app-0");
        operator.leads(1);
        operator
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.address.port())
    }

    /// Its authority.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Begins to lead under a term.
    pub fn leads(&self, term: u64) {
        self.stops_leading();
        let publisher = Arc::new(Publisher::new(term));
        let treasury = Arc::new(Treasury::new(&self.client, "lotse-system", "lotse-controller-0"));
        let mut tasks = JoinSet::new();
        tasks.spawn(treasury.clone().run(publisher.clone(), now));
        tasks.spawn(rations::run(publisher.clone(), now));
        self.publisher.send_replace(Some(publisher.clone()));
        *self.leads.lock().expect("nobody panics") = Some(Leads { publisher, treasury, tasks, is_declared: false });
    }

    /// Leads no more, at once: streams end, and new ones are sent away.
    pub fn stops_leading(&self) {
        self.publisher.send_replace(None);
        if let Some(before) = self.leads.lock().expect("nobody panics").take() {
            before.publisher.close();
        }
    }

    /// Leads no more, in good order: what has been spent is written first.
    pub async fn gives_up_leading(&self) {
        self.publisher.send_replace(None);
        let before = self.leads.lock().expect("nobody panics").take();
        let Some(Leads { publisher, treasury, mut tasks, .. }) = before else { return };
        publisher.close();
        tasks.shutdown().await;
        treasury.close(&publisher.rations).await;
    }

    /// The API server is no longer heard from.
    pub fn loses_the_api_server(&self) {
        self.alive.send_replace(None);
    }

    /// Takes no more connections; those that there are go on.
    pub fn closes_its_port(&self) {
        self.accepts.abort();
    }

    /// A pod with a sidecar; its token is `token-of-NAME`.
    pub fn pod(&self, namespace: &str, name: &str) {
        let uid = format!("uid-of-{name}");
        self.pods.apply(PodRecord {
            name: ObjectName::new(namespace, name),
            uid: uid.clone(),
            workload: Workload {
                namespace: namespace.to_owned(),
                service_account: "default".to_owned(),
                labels: Labels::new(),
            },
            injected: true,
            alive: true,
        });
        let review = json!({
            "authenticated": true,
            "audiences": ["lotse-operator"],
            "user": {
                "username": format!("system:serviceaccount:{namespace}:default"),
                "extra": {
                    "authentication.kubernetes.io/pod-name": [name],
                    "authentication.kubernetes.io/pod-uid": [uid],
                },
            },
        });
        self.api.knows(&format!("token-of-{name}"), review);
        let token = self.folder.path().join("token");
        if !token.exists() {
            std::fs::write(token, format!("token-of-{name}")).expect("a file");
        }
    }

    /// A pod that is deleted.
    pub fn deletes(&self, name: &str) {
        self.pods.remove(&format!("uid-of-{name}"));
    }

    /// How often the API server was asked about tokens.
    pub fn reviews(&self) -> usize {
        self.api.reviews()
    }

    /// Waits until the API server has been asked about a token.
    pub async fn is_asked_of_a_token(&self) {
        let asked = async {
            while self.reviews() == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), asked).await.expect("a sidecar shows its token");
    }

    /// Declares these manifests, as an apply would.
    pub fn declares(&self, world: &World) {
        let files = world.files().into_iter().collect();
        let manifests = Arc::new(lotse_crds::read::read(&files, "lotse-system").expect("good manifests"));
        let mut leads = self.leads.lock().expect("nobody panics");
        let leads = leads.as_mut().expect("it leads");
        if !std::mem::replace(&mut leads.is_declared, true) {
            leads.publisher.expects(&manifests, now(), &self.pods.all());
        }
        leads.publisher.refresh(&manifests, now(), &|uid| self.pods.get(uid));
    }

    /// A stream that begins with this line and token, or the status that it is refused with.
    pub async fn is_followed(&self, first_line: &str, token: &str) -> Result<Follower, StatusCode> {
        let mut roots = rustls::RootCertStore::empty();
        for authority in CertificateDer::pem_slice_iter(self.authority.pem().as_bytes()) {
            roots.add(authority.expect("PEM")).expect("an authority");
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("default versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let tcp = TcpStream::connect(self.address).await.expect("it listens");
        let name = ServerName::try_from("localhost").expect("a name");
        let tls = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.expect("it is believed");
        Follower::begin(tls, (first_line, token)).await
    }

    /// What a sidecar that shows this token and begins with this line is sent first, or the status that it is refused with.
    pub async fn says_to(&self, first_line: &str, token: &str) -> Result<Value, StatusCode> {
        Ok(self.is_followed(first_line, token).await?.next().await)
    }

    /// Waits until sidecars say that providers refuse their credential, and gives their names.
    pub async fn hears_of_refused_credentials(&self) -> Vec<String> {
        let publisher = self.publisher.borrow().clone().expect("it leads");
        let heard = tokio::time::timeout(std::time::Duration::from_secs(10), publisher.credentials_refused()).await;
        heard.expect("it hears of it").iter().map(ToString::to_string).collect()
    }

    /// What the sidecar of a pod has been told that it has.
    pub fn rations(&self, pod: &str) -> Held {
        let publisher = self.publisher.borrow().clone();
        publisher.map(|publisher| publisher.rations.held(&format!("uid-of-{pod}"))).unwrap_or_default()
    }

    /// How those who follow stand.
    pub fn standings(&self) -> Vec<Standing> {
        let publisher = self.publisher.borrow().clone();
        publisher
            .map(|publisher| publisher.sidecars().iter().map(|sidecar| sidecar.standing).collect())
            .unwrap_or_default()
    }

    /// Waits until those who follow stand so.
    pub async fn sees(&self, standings: &[Standing]) {
        let seen = async {
            while self.standings() != standings {
                tokio::task::yield_now().await;
            }
        };
        let in_time = tokio::time::timeout(std::time::Duration::from_secs(10), seen).await;
        assert!(in_time.is_ok(), "they stand so: {:?}", self.standings());
    }
}

#[expect(clippy::disallowed_methods, reason = "a harness is a shell")]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
