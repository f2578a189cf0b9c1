//! An API server that knows tokens, what has been spent, routes by their names, and Events, and nothing else. It can be told
//! to fail.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// The path of the ConfigMap of what has been spent.
const SPEND: &str = "/api/v1/namespaces/lotse-system/configmaps/lotse-spend";

/// The API server.
#[derive(Clone, Default)]
pub struct Api {
    state: Arc<Mutex<State>>,
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    /// What is said of each token.
    tokens: HashMap<String, Value>,
    reviews: usize,
    /// What has been spent, as it is kept.
    spend: Option<Value>,
    version: u64,
    events: Vec<Value>,
    fails: bool,
    failed: usize,
}

impl Api {
    /// Starts it; gives it and its URL.
    pub async fn start() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let api = Self::default();
        let answers = api.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let api = answers.clone();
                let answering = service_fn(move |request| answer(api.clone(), request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answering));
            }
        });
        (api, url)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics")
    }

    /// What a review says of a token.
    pub fn knows(&self, token: &str, review: Value) {
        self.state().tokens.insert(token.to_owned(), review);
    }

    /// How often it was asked about tokens.
    pub fn reviews(&self) -> usize {
        self.state().reviews
    }

    /// From now on, or no more, it fails whoever asks what has been spent.
    pub fn fails(&self, fails: bool) {
        self.state().fails = fails;
    }

    /// Somebody else writes what has been spent.
    pub fn is_given(&self, spend: &str) {
        self.state().keep(&json!({"spend.json": spend}));
        self.changed.send_replace(());
    }

    /// Waits until `what` has come about.
    async fn until(&self, what: impl Fn(&State) -> bool) {
        let mut changes = self.changed.subscribe();
        let waits = async {
            while !what(&self.state()) {
                changes.changed().await.expect("it is there");
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(30), waits).await.expect("it comes about");
    }

    /// Waits until it has failed somebody who asked.
    pub async fn has_failed(&self) {
        self.until(|state| state.failed > 0).await;
    }

    /// Waits until something is kept of what has been spent, and gives it.
    pub async fn keeps(&self, what: impl Fn(&Value) -> bool) -> Value {
        self.until(|state| state.kept().is_some_and(|kept| what(&kept))).await;
        self.state().kept().expect("it was waited for")
    }

    /// Waits until there is an Event of this reason, and gives it.
    pub async fn has_event(&self, reason: &str) -> Value {
        let find = |state: &State| state.events.iter().find(|event| event["reason"] == reason).cloned();
        self.until(|state| find(state).is_some()).await;
        find(&self.state()).expect("it was waited for")
    }

    /// How many Events there are.
    pub fn events(&self) -> usize {
        self.state().events.len()
    }
}

impl State {
    fn keep(&mut self, data: &Value) {
        self.version += 1;
        let metadata = json!({"name": "lotse-spend", "resourceVersion": self.version.to_string()});
        self.spend = Some(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}));
    }

    fn kept(&self) -> Option<Value> {
        serde_json::from_str(self.spend.as_ref()?["data"]["spend.json"].as_str()?).ok()
    }

    /// Takes an apply as the API server does: over the version that it names, and over no other.
    fn apply(&mut self, map: &Value) -> (StatusCode, Value) {
        let held = self.spend.as_ref().map(|spend| spend["metadata"]["resourceVersion"].clone());
        let named = map["metadata"].get("resourceVersion").cloned();
        if named.is_some() && named != held {
            return (StatusCode::CONFLICT, status(StatusCode::CONFLICT, "Conflict"));
        }
        self.keep(&map["data"]);
        (StatusCode::OK, self.spend.clone().unwrap_or_default())
    }

    fn answer(&mut self, method: &Method, path: &str, body: Value) -> (StatusCode, Value) {
        if path == SPEND && self.fails {
            self.failed += 1;
            return (StatusCode::INTERNAL_SERVER_ERROR, status(StatusCode::INTERNAL_SERVER_ERROR, "InternalError"));
        }
        let not_found = || (StatusCode::NOT_FOUND, status(StatusCode::NOT_FOUND, "NotFound"));
        match (method.as_str(), path) {
            ("POST", "/apis/authentication.k8s.io/v1/tokenreviews") => (StatusCode::CREATED, self.review(body)),
            ("GET", SPEND) => self.spend.clone().map_or_else(not_found, |spend| (StatusCode::OK, spend)),
            ("PATCH", SPEND) => self.apply(&body),
            ("GET", path) if path.contains("/modelroutes/") => {
                let mut names = path.rsplit('/');
                let (name, namespace) = (names.next(), names.nth(1));
                let metadata = json!({"name": name, "namespace": namespace, "uid": "uid-of-a-route"});
                let kind =
                    json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": metadata});
                (StatusCode::OK, kind)
            }
            ("POST", path) if path.starts_with("/apis/events.k8s.io/v1/") => {
                self.events.push(body.clone());
                (StatusCode::CREATED, body)
            }
            _ => not_found(),
        }
    }

    fn review(&mut self, mut review: Value) -> Value {
        self.reviews += 1;
        let token = review["spec"]["token"].as_str().unwrap_or_default();
        let status = self.tokens.get(token).cloned();
        review["status"] = status.unwrap_or_else(|| json!({"authenticated": false, "error": "it is no token"}));
        review
    }
}

fn status(code: StatusCode, reason: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": reason, "code": code.as_u16(), "message": ""})
}

async fn answer(api: Api, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let body = serde_json::from_slice(&body.collect().await?.to_bytes()).unwrap_or_default();
    let (status, answer) = api.state().answer(&parts.method, parts.uri.path(), body);
    api.changed.send_replace(());
    let mut response = Response::new(Full::from(answer.to_string()));
    *response.status_mut() = status;
    Ok(response)
}
