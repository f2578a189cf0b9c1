//! The world of a simulation: providers by name, how they fare, and an app that calls at a steady rate.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use lotse_crds::compile::compile;
use lotse_crds::name::Workload;
use lotse_crds::read::read;
use lotse_sidecar::serve::{App, answer};
use lotse_tests::manifests::{object, policy};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// A provider of a simulation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Provider {
    /// Its name.
    pub(crate) name: &'static str,
    /// Where it decrypts content.
    pub(crate) region: &'static str,
    /// What a million tokens of prompt cost, in US dollars.
    pub(crate) dollars: &'static str,
    /// How many of a hundred calls it refuses.
    pub(crate) refuses: u32,
    /// How long it takes to its first content, in milliseconds.
    pub(crate) takes: u32,
}

/// A provider in the EU that is well.
pub(crate) fn well(name: &'static str) -> Provider {
    Provider { name, region: "DE", dollars: "1", refuses: 0, takes: 100 }
}

/// A sidecar whose policy allows the EU only, and what its app has heard.
pub(crate) struct Simulation {
    app: Arc<App>,
    route: &'static str,
    idle: Arc<Mutex<Vec<SendRequest<Full<Bytes>>>>>,
    start: Instant,
}

/// What an app has heard of its calls.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    /// By status.
    pub(crate) statuses: BTreeMap<u16, u32>,
    /// By the provider that answered.
    pub(crate) answered: BTreeMap<String, u32>,
    /// The most attempts that any call took.
    pub(crate) most_attempts: u32,
    /// How long the longest call took.
    pub(crate) longest: Duration,
    /// Streams that did not end as they should.
    pub(crate) cut: u32,
}

impl Simulation {
    /// Providers, and more lines of the route's spec. Chance is drawn from `seed`.
    pub(crate) fn of(providers: &[Provider], route: &'static str, seed: u64) -> Self {
        fastrand::seed(seed);
        let simulation = Self { app: Arc::new(App::default()), route, idle: Arc::default(), start: Instant::now() };
        simulation.is(providers);
        simulation
    }

    /// From now on the providers fare like this.
    pub(crate) fn is(&self, providers: &[Provider]) {
        let mut text = policy("lotse-system", "europe", "inferenceRegions: [EU]");
        for Provider { name, region, dollars, refuses, takes } in providers {
            let spec = format!(
                "vendor: x\napi: Simulated\nconsumers: {{namespaceSelector: {{}}}}\n\
                 evidence: [{{name: dpa, kind: Contractual, source: 'contract 1', reviewedOn: 2026-01-01}}]\n\
                 promises: {{inference: {{regions: [{region}], evidence: [dpa]}}, storage: {{regions: [{region}], evidence: [dpa]}}, access: {{regions: [{region}], evidence: [dpa]}}}}\n\
                 models: [{{name: m, price: {{inputPerMillion: \"{dollars}\", outputPerMillion: \"0\"}}}}]\n\
                 simulated: {{errorPercent: {refuses}, firstContentMilliseconds: {takes}}}"
            );
            text += &object("LLMProvider", "lotse-system", name, &spec);
        }
        text += &object(
            "ModelRoute",
            "lotse-system",
            "route",
            &format!("namespaceSelector: {{}}\nmodels: [m]\n{}", self.route),
        );
        let files = BTreeMap::from([("all.yaml".to_owned(), text)]);
        let manifests = read(&files, "lotse-system").expect("good manifests");
        let workload =
            Workload { namespace: "app".to_owned(), service_account: "default".to_owned(), labels: BTreeMap::new() };
        let now: Timestamp = "2026-11-01T12:00:00Z".parse().expect("a time");
        let compiled = compile(&manifests, &workload, now);
        self.app.apply(compiled.snapshot, &compiled.keys).expect("the snapshot is good");
    }

    /// How long it has run.
    pub(crate) fn time(&self) -> Duration {
        self.start.elapsed()
    }

    /// Calls at a steady rate for so many calls, streamed and not in turn, and waits for the last to end.
    pub(crate) async fn calls(&self, count: u32, each: Duration) -> Heard {
        let heard = Arc::new(Mutex::new(Heard::default()));
        let mut calls = JoinSet::new();
        let start = Instant::now();
        for number in 0..count {
            sleep_until(start + each * number).await;
            let (app, idle, heard) = (self.app.clone(), self.idle.clone(), heard.clone());
            calls.spawn(async move { call(app, idle, heard, number % 2 == 0).await });
            while calls.try_join_next().is_some() {}
        }
        calls.join_all().await;
        Arc::into_inner(heard).expect("all calls have ended").into_inner().expect("nobody panics")
    }

    /// How many attempts each provider has had, from the metrics.
    pub(crate) fn attempts(&self) -> BTreeMap<String, u64> {
        let mut attempts = BTreeMap::new();
        for line in self.app.shared.metrics.text().lines().filter(|line| line.starts_with("lotse_attempts_total{")) {
            let label = line.split("provider=\"lotse-system/").nth(1).and_then(|rest| rest.split('"').next());
            let count = line.rsplit(' ').next().and_then(|count| count.parse::<u64>().ok());
            *attempts.entry(label.unwrap_or_default().to_owned()).or_default() += count.unwrap_or(0);
        }
        attempts
    }
}

type Idle = Arc<Mutex<Vec<SendRequest<Full<Bytes>>>>>;

async fn call(app: Arc<App>, idle: Idle, heard: Arc<Mutex<Heard>>, stream: bool) {
    let mut sender = match pooled(&idle) {
        Some(sender) => sender,
        None => connect(app).await,
    };
    let body = format!(r#"{{"model":"m","stream":{stream},"messages":[{{"role":"user","content":"hi"}}]}}"#);
    let request = Request::post("/v1/chat/completions")
        .header("host", "127.0.0.1")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))
        .expect("a request");
    let began = Instant::now();
    sender.ready().await.expect("the connection is there");
    let response = sender.send_request(request).await.expect("an answer");
    let (parts, body) = response.into_parts();
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (provider, attempts) = (header("x-lotse-provider").to_owned(), header("x-lotse-attempts").parse().unwrap_or(0));
    let collected = body.collect().await.map(http_body_util::Collected::to_bytes);
    let is_whole = collected
        .as_ref()
        .is_ok_and(|body| !stream || parts.status != StatusCode::OK || body.ends_with(b"data: [DONE]\n\n"));
    let mut heard = heard.lock().expect("nobody panics");
    *heard.statuses.entry(parts.status.as_u16()).or_default() += 1;
    *heard.answered.entry(provider).or_default() += 1;
    heard.most_attempts = heard.most_attempts.max(attempts);
    heard.longest = heard.longest.max(began.elapsed());
    heard.cut += u32::from(!is_whole);
    if collected.is_ok() {
        idle.lock().expect("nobody panics").push(sender);
    }
}

fn pooled(idle: &Idle) -> Option<SendRequest<Full<Bytes>>> {
    let mut idle = idle.lock().expect("nobody panics");
    // A connection whose other end has been idle for too long is closed; it is not used again.
    std::iter::from_fn(|| idle.pop()).find(|sender| !sender.is_closed())
}

async fn connect(app: Arc<App>) -> SendRequest<Full<Bytes>> {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let service = service_fn(move |request| answer(app.clone(), request));
    tokio::spawn(async move {
        drop(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(theirs), service).await);
    });
    let (sender, connection) = http1::handshake(TokioIo::new(ours)).await.expect("a connection");
    tokio::spawn(async move { drop(connection.await) });
    sender
}
