//! The operator's endpoint in the test's own process, with an API server that knows nothing but tokens.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::channel::Channel;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use lotse_crds::name::{Labels, ObjectName, Workload};
use lotse_operator::caller::Callers;
use lotse_operator::pods::{PodRecord, Pods};
use lotse_operator::publish::{Publisher, Standing};
use lotse_operator::serve::{self, Endpoint};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use crate::authority::Authority;
use crate::manifests::World;

/// The operator as sidecars see it.
pub struct Operator {
    authority: Arc<Authority>,
    address: SocketAddr,
    tokens: Tokens,
    pods: Arc<Pods>,
    publisher: watch::Sender<Option<Arc<Publisher>>>,
    alive: watch::Sender<Option<Instant>>,
    accepts: AbortHandle,
    /// Where a pod's files would be.
    pub folder: TempDir,
}

/// What the API server says of each token, and how often it was asked.
#[derive(Clone, Default)]
struct Tokens(Arc<Mutex<(HashMap<String, Value>, usize)>>);

impl Operator {
    /// Leads from the start, under term 1, with nothing declared yet.
    pub async fn new() -> Self {
        let (tokens, pods) = (Tokens::default(), Arc::new(Pods::default()));
        let api = kube::Config::new(api_server(tokens.clone()).await.parse().expect("a URL"));
        let client = kube::Client::try_from(api).expect("a client");
        let (publisher, publishers) = watch::channel(None);
        let (alive, is_alive) = watch::channel(Some(Instant::now()));
        let endpoint = Endpoint { callers: Callers::new(client, pods.clone()), publisher: publishers, alive: is_alive };
        let authority = Arc::new(Authority::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let tls = authority.h2_server(&["localhost", "127.0.0.1"]);
        let accepts = tokio::spawn(serve::accept(listener, tls, Arc::new(endpoint))).abort_handle();
        let folder = TempDir::new().expect("a folder");
        std::fs::write(folder.path().join("ca.crt"), authority.pem()).expect("a file");
        let operator = Self { authority, address, tokens, pods, publisher, alive, accepts, folder };
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
        self.publisher.send_replace(Some(Arc::new(Publisher::new(term))));
    }

    /// Leads no more: streams end, and new ones are sent away.
    pub fn stops_leading(&self) {
        if let Some(before) = self.publisher.send_replace(None) {
            before.close();
        }
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
        self.tokens.0.lock().expect("nobody panics").0.insert(format!("token-of-{name}"), review);
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
        self.tokens.0.lock().expect("nobody panics").1
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
        let publisher = self.publisher.borrow().clone().expect("it leads");
        #[expect(clippy::disallowed_methods, reason = "a harness is a shell")]
        let now = jiff::Timestamp::now();
        publisher.refresh(&manifests, now, &|uid| self.pods.get(uid));
    }

    /// What a sidecar that shows this token and begins with this line is sent first, or the status that it is refused with.
    pub async fn says_to(&self, first_line: &str, token: &str) -> Result<Value, StatusCode> {
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
        let (mut requests, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(tls)).await.expect("it speaks HTTP/2");
        tokio::spawn(connection);
        let (mut says, body) = Channel::<Bytes>::new(2);
        says.send_data(Bytes::from(format!("{first_line}\n"))).await.expect("there is room");
        let request = Request::post(format!("https://localhost:{}/v1/follow", self.address.port()))
            .header("authorization", format!("Bearer {token}"))
            .body(body)
            .expect("a request");
        let response = requests.send_request(request).await.expect("it answers");
        if response.status() != StatusCode::OK {
            return Err(response.status());
        }
        let mut body = response.into_body();
        let mut said = Vec::new();
        while !said.contains(&b'\n') {
            let frame = body.frame().await.expect("there is more").expect("the stream holds");
            said.extend_from_slice(&frame.into_data().unwrap_or_default());
        }
        let end = said.iter().position(|byte| *byte == b'\n').expect("it was looked for");
        Ok(serde_json::from_slice(&said[..end]).expect("a line is JSON"))
    }

    /// Waits until sidecars say that providers refuse their credential, and gives their names.
    pub async fn hears_of_refused_credentials(&self) -> Vec<String> {
        let publisher = self.publisher.borrow().clone().expect("it leads");
        let heard = tokio::time::timeout(std::time::Duration::from_secs(10), publisher.credentials_refused()).await;
        heard.expect("it hears of it").iter().map(ToString::to_string).collect()
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

/// An API server that answers TokenReviews and nothing else; gives its URL.
async fn api_server(tokens: Tokens) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let tokens = tokens.clone();
            let answering = service_fn(move |request| review(tokens.clone(), request));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answering));
        }
    });
    url
}

async fn review(tokens: Tokens, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let body = request.into_body().collect().await?.to_bytes();
    let mut review: Value = serde_json::from_slice(&body).unwrap_or_default();
    let token = review["spec"]["token"].as_str().unwrap_or_default().to_owned();
    let status = {
        let mut tokens = tokens.0.lock().expect("nobody panics");
        tokens.1 += 1;
        tokens.0.get(&token).cloned()
    };
    review["status"] = status.unwrap_or_else(|| json!({"authenticated": false, "error": "it is no token"}));
    let mut response = Response::new(Full::from(review.to_string()));
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}
