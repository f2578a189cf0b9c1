//! The injector: answers the API server's AdmissionReviews over HTTPS. What it answers is `admission`'s and `inject`'s; this
//! file bounds what comes in, serves the certificate of the day, and writes the Events. Every replica answers.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;

use crate::admission::{self, Answer, PodEvent};
use crate::certificates::tls;
use crate::control::ControlError;
use crate::inject::Settings;
use crate::labels::{FIELD_MANAGER, INJECTOR};
use crate::plain::{self, Page, Pages};
use crate::settings::Inject;

/// The longest review that is read. The API server takes objects of up to 3 MiB.
const LARGEST: usize = 8 * 1024 * 1024;
/// How much of a longer one is thrown away.
const MOST_DRAINED: usize = 64 * 1024 * 1024;
/// How long a handshake, and the reading of a review, may take.
const STEP: Duration = Duration::from_secs(5);
/// How long reviews that have begun may take when the injector stops: endpoints take a while to be forgotten.
const DRAIN: Duration = Duration::from_secs(5);

/// What all reviews share.
struct Injector {
    flags: Inject,
    bundle: watch::Receiver<String>,
    recorder: Recorder,
    metrics: Metrics,
}

/// What the injector counts.
struct Metrics {
    registry: Registry,
    reviews: Family<ReviewLabels, Counter>,
    duration: Histogram,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReviewLabels {
    /// `injected`, `refused`, `bad_request`, or the reason why a pod was skipped.
    outcome: &'static str,
}

impl Metrics {
    fn new() -> Self {
        let mut registry = Registry::default();
        let reviews = Family::default();
        let duration = Histogram::new(exponential_buckets(0.0001, 2.0, 14));
        registry.register("lotse_injector_reviews", "Reviews, by what became of the pod", Family::clone(&reviews));
        registry.register("lotse_injector_duration_seconds", "How long reviews take", duration.clone());
        Self { registry, reviews, duration }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        text::encode(&mut text, &self.registry).expect("a string takes any text");
        text
    }
}

/// Runs until `stop` turns true.
pub async fn run(flags: Inject, mut stop: watch::Receiver<bool>) -> Result<(), ControlError> {
    let client = Client::try_default().await.map_err(|error| ControlError::Client(error.into()))?;
    let served = crate::tls::serve(&client, &flags.root_namespace, &tls(INJECTOR), &["h2", "http/1.1"]);
    let reporter = Reporter { controller: FIELD_MANAGER.to_owned(), instance: None };
    let injector = Arc::new(Injector {
        bundle: served.bundle,
        recorder: Recorder::new(client, reporter),
        metrics: Metrics::new(),
        flags: flags.clone(),
    });
    let mut tasks = JoinSet::new();
    tasks.spawn(accept(plain::bind(flags.listen).await?, served.acceptor, injector.clone()));
    tasks.spawn(plain::serve(plain::bind(flags.probes).await?, probes(&injector)));
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "the injector is there");
    drop(stop.wait_for(|stop| *stop).await);
    // The API server may still send reviews here until it has heard that this replica goes.
    tokio::time::sleep(DRAIN).await;
    Ok(())
}

fn probes(injector: &Arc<Injector>) -> Pages {
    let injector = injector.clone();
    Arc::new(move |path| match path {
        "/readyz" if injector.bundle.borrow().is_empty() => {
            Page::text(StatusCode::SERVICE_UNAVAILABLE, "there is no certificate yet")
        }
        "/livez" | "/readyz" => Page::text(StatusCode::OK, "ok"),
        "/metrics" => Page::metrics(injector.metrics.text()),
        _ => Page::text(StatusCode::NOT_FOUND, "there are /livez, /readyz and /metrics"),
    })
}

async fn accept(listener: TcpListener, tls: TlsAcceptor, injector: Arc<Injector>) {
    loop {
        let stream = plain::accept(&listener).await;
        let (tls, injector) = (tls.clone(), injector.clone());
        tokio::spawn(async move {
            drop(stream.set_nodelay(true));
            let Ok(Ok(stream)) = timeout(STEP, tls.accept(stream)).await else { return };
            let answering = service_fn(move |request| answer(injector.clone(), request));
            let mut builder = auto::Builder::new(TokioExecutor::new());
            builder.http1().timer(TokioTimer::new()).header_read_timeout(Duration::from_mins(2));
            builder
                .http2()
                .timer(TokioTimer::new())
                .max_concurrent_streams(250)
                .keep_alive_interval(Duration::from_secs(30));
            drop(builder.serve_connection(TokioIo::new(stream), answering).await);
        });
    }
}

async fn answer(injector: Arc<Injector>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let began = Instant::now();
    let (outcome, response) = match review(&injector, request).await {
        Ok((outcome, review)) => (outcome, respond(StatusCode::OK, "application/json", review)),
        Err((status, why)) => {
            tracing::warn!(status = status.as_u16(), why, "a review is refused");
            ("bad_request", respond(status, "text/plain; charset=utf-8", why.into_bytes()))
        }
    };
    injector.metrics.reviews.get_or_create(&ReviewLabels { outcome }).inc();
    injector.metrics.duration.observe(began.elapsed().as_secs_f64());
    Ok(response)
}

fn respond(status: StatusCode, kind: &'static str, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

async fn review(
    injector: &Arc<Injector>,
    request: Request<Incoming>,
) -> Result<(&'static str, Vec<u8>), (StatusCode, String)> {
    if request.uri().path() != "/mutate" {
        return Err((StatusCode::NOT_FOUND, "there is POST /mutate".to_owned()));
    }
    if request.method() != Method::POST {
        return Err((StatusCode::METHOD_NOT_ALLOWED, "the method must be POST".to_owned()));
    }
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.split(';').next().map(str::trim) != Some("application/json") {
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body must be application/json".to_owned()));
    }
    let body = match timeout(STEP, read(request.into_body())).await {
        Ok(body) => body?,
        Err(_) => return Err((StatusCode::REQUEST_TIMEOUT, "the body took too long".to_owned())),
    };
    let settings = settings(&injector.flags, &injector.bundle.borrow());
    match admission::answer(&body, &settings) {
        Answer::BadRequest(why) => Err((StatusCode::BAD_REQUEST, why)),
        Answer::Review { body, outcome, event } => {
            if let Some(event) = event {
                tokio::spawn(tell(injector.clone(), event));
            }
            Ok((outcome, body))
        }
    }
}

/// Reads a body. One that is too large is read on and thrown away, as far as that is reasonable, so that the caller hears
/// why it is refused.
async fn read(mut body: Incoming) -> Result<Vec<u8>, (StatusCode, String)> {
    let (mut whole, mut length) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?;
        let Ok(bytes) = frame.into_data() else { continue };
        length += bytes.len();
        if length > MOST_DRAINED {
            break;
        }
        if length <= LARGEST {
            whole.extend_from_slice(&bytes);
        }
    }
    if length > LARGEST {
        return Err((StatusCode::PAYLOAD_TOO_LARGE, format!("the body must be at most {LARGEST} bytes")));
    }
    Ok(whole)
}

fn settings(flags: &Inject, bundle: &str) -> Settings {
    Settings::new(&flags.sidecar, &flags.root_namespace, bundle)
}

/// An Event for whoever owns the pod: the pod itself has no name yet when it is made from a template.
async fn tell(injector: Arc<Injector>, event: PodEvent) {
    let reference = ObjectReference {
        api_version: Some(event.api_version),
        kind: Some(event.kind),
        namespace: Some(event.namespace),
        name: Some(event.name),
        uid: event.uid,
        ..ObjectReference::default()
    };
    let event = Event {
        type_: if event.is_warning { EventType::Warning } else { EventType::Normal },
        reason: event.reason,
        note: Some(event.message),
        action: "Inject".to_owned(),
        secondary: None,
    };
    if let Err(error) = injector.recorder.publish(&event, &reference).await {
        tracing::warn!(%error, "can't write an Event");
    }
}
