//! The endpoint that sidecars follow: HTTP/2 over TLS, one request a sidecar, JSON lines both ways.
//!
//! Anybody in the cluster can connect, so everything is bounded: handshakes at once, the time for each step, the length of
//! a line. A caller without a good token hears a status and nothing else. Called by `control`; who calls is for `caller`,
//! what they are sent for `publish`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::channel::{Channel, Sender};
use http_body_util::{BodyExt as _, Either, Full};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use lotse_crds::delivery::{
    FromOperator, FromSidecar, HEARTBEAT_SECONDS, Heartbeat, Hello, LONGEST_ACK, Lines, PATH, delivery_line, line,
};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;

use crate::caller::{Callers, Refusal};
use crate::plain;
use crate::pods::PodRecord;
use crate::publish::{Following, Publisher, Sent};

/// How long a handshake, a head and a Hello may take, each.
const STEP: Duration = Duration::from_secs(10);
/// How many handshakes go on at once; more wait.
const HANDSHAKES: usize = 256;
/// How long a connection may be there without anybody following on it.
const IDLE: Duration = Duration::from_secs(20);
/// How long a sidecar may take to read what it is sent. Then it is no longer kept waiting for, and comes again.
const SLOWEST_READ: Duration = Duration::from_secs(20);
/// How long a stream lasts at most: tokens are renewed, and streams find a new leader's pod evenly.
const LONGEST_STREAM: Duration = Duration::from_mins(30);
/// How long the API server may be out of reach before heartbeats stop. What nobody vouches for must not stay in force.
const LONGEST_SILENCE: Duration = Duration::from_mins(1);
/// Flow-control window and send buffer, in bytes: a stream is idle most of its life.
const WINDOW: u32 = 64 * 1024;

type Body = Either<Full<Bytes>, Channel<Bytes, BrokenOff>>;

/// The stream ends before its end.
#[derive(Debug, thiserror::Error)]
#[error("broken off")]
pub struct BrokenOff;

/// What the endpoint answers with.
pub struct Endpoint {
    /// Tells whose a token is.
    pub callers: Callers,
    /// Who publishes: nobody while this replica does not lead.
    pub publisher: watch::Receiver<Option<Arc<Publisher>>>,
    /// When the API server last answered for the three kinds.
    pub alive: watch::Receiver<Option<Instant>>,
}

/// Accepts connections until the task is dropped.
pub async fn accept(listener: TcpListener, tls: TlsAcceptor, endpoint: Arc<Endpoint>) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES));
    loop {
        let Ok(turn) = handshakes.clone().acquire_owned().await else { return };
        let stream = plain::accept(&listener).await;
        let (tls, endpoint) = (tls.clone(), endpoint.clone());
        tokio::spawn(async move {
            // A handshake that fails is a scanner or a probe; who matters comes again and says why.
            let Ok(Ok(stream)) = timeout(STEP, tls.accept(stream)).await else { return };
            drop(turn);
            let follows = Arc::new(Notify::new());
            let told = follows.clone();
            let answering = service_fn(move |request| answer(endpoint.clone(), told.clone(), request));
            let connection = http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .initial_stream_window_size(WINDOW)
                .initial_connection_window_size(WINDOW)
                .max_send_buf_size(WINDOW as usize)
                .max_concurrent_streams(4)
                .max_header_list_size(16 * 1024)
                .keep_alive_interval(Some(Duration::from_secs(15)))
                .keep_alive_timeout(Duration::from_secs(20))
                .serve_connection(TokioIo::new(stream), answering);
            let mut connection = std::pin::pin!(connection);
            // Whoever does not follow is not kept: a connection costs memory, and anybody can make one.
            tokio::select! {
                _ = &mut connection => return,
                () = follows.notified() => {}
                () = tokio::time::sleep(IDLE) => return,
            }
            drop(connection.await);
        });
    }
}

async fn answer(
    endpoint: Arc<Endpoint>,
    follows: Arc<Notify>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let (parts, body) = request.into_parts();
    Ok(match begin(&endpoint, &parts, body).await {
        Ok(response) => {
            follows.notify_one();
            response
        }
        Err((status, message)) => {
            let mut response = Response::new(Either::Left(Full::from(format!("{message}\n"))));
            *response.status_mut() = status;
            if status == StatusCode::SERVICE_UNAVAILABLE {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            response
        }
    })
}

/// Identifies the caller, reads its Hello and starts its stream.
async fn begin(
    endpoint: &Arc<Endpoint>,
    parts: &Parts,
    mut body: Incoming,
) -> Result<Response<Body>, (StatusCode, String)> {
    if parts.uri.path() != PATH {
        return Err((StatusCode::NOT_FOUND, format!("there is POST {PATH}")));
    }
    if parts.method != Method::POST {
        return Err((StatusCode::METHOD_NOT_ALLOWED, "the method must be POST".to_owned()));
    }
    let not_here = || (StatusCode::SERVICE_UNAVAILABLE, "this replica does not lead; come again".to_owned());
    let publisher = endpoint.publisher.borrow().clone().ok_or_else(not_here)?;
    let token = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = token.and_then(|value| value.strip_prefix("Bearer "));
    let pod = endpoint.callers.identify(token).await.map_err(|refusal| (status_of(&refusal), refusal.to_string()))?;
    let mut lines = Lines::new(LONGEST_ACK);
    let (hello, pending) = match timeout(STEP, read_hello(&mut body, &mut lines)).await {
        Ok(Ok(read)) => read,
        Ok(Err(why)) => {
            tracing::warn!(pod = %pod.name, why, "a sidecar's first line is refused");
            return Err((StatusCode::BAD_REQUEST, why));
        }
        Err(_) => return Err((StatusCode::REQUEST_TIMEOUT, "the first line took too long".to_owned())),
    };
    tracing::info!(pod = %pod.name, version = hello.version, holds = hello.holds.as_ref().map(|r| r.0.as_str()), "a sidecar follows");
    let following = publisher.follow(pod.clone(), hello).ok_or_else(not_here)?;
    let (sender, channel) = Channel::new(1);
    let stream = Stream { pod, following, lines, alive: endpoint.alive.clone() };
    tokio::spawn(stream.run(sender, body, pending));
    Ok(Response::new(Either::Right(channel)))
}

fn status_of(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::NoToken | Refusal::NotAuthenticated => StatusCode::UNAUTHORIZED,
        Refusal::NotBound | Refusal::NoSuchPod | Refusal::NotInjected => StatusCode::FORBIDDEN,
        Refusal::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The first line, and the whole lines that came with it.
async fn read_hello(body: &mut Incoming, lines: &mut Lines) -> Result<(Hello, Vec<Vec<u8>>), String> {
    loop {
        let frame = body.frame().await.ok_or("the request ended before its first line")?;
        let Ok(bytes) = frame.map_err(|error| error.to_string())?.into_data() else { continue };
        let mut whole = lines.push(&bytes).map_err(|error| error.to_string())?.into_iter();
        let Some(first) = whole.next() else { continue };
        return match serde_json::from_slice(&first) {
            Ok(FromSidecar::Hello(hello)) => Ok((hello, whole.collect())),
            Ok(
                FromSidecar::Ack(_)
                | FromSidecar::CredentialRefused(_)
                | FromSidecar::Usage(_)
                | FromSidecar::Spent(_)
                | FromSidecar::Health(_),
            ) => Err("the first line must be a hello".to_owned()),
            Err(error) => Err(format!("the first line is no hello: {error}")),
        };
    }
}

/// One sidecar's stream.
struct Stream {
    pod: PodRecord,
    following: Following,
    lines: Lines,
    alive: watch::Receiver<Option<Instant>>,
}

impl Stream {
    async fn run(mut self, mut sender: Sender<Bytes, BrokenOff>, body: Incoming, pending: Vec<Vec<u8>>) {
        let ended = match self.follow(&mut sender, body, pending).await {
            Ok(why) => why,
            Err(why) => {
                // Not a clean end, so that nobody takes it for one.
                sender.abort(BrokenOff);
                tracing::warn!(pod = %self.pod.name, why, "a sidecar's stream is broken off");
                return;
            }
        };
        tracing::info!(pod = %self.pod.name, why = ended, "a sidecar follows no more");
    }

    /// Sends what is new, says what is current, and takes what the sidecar says, until one side ends it.
    async fn follow(
        &mut self,
        sender: &mut Sender<Bytes, BrokenOff>,
        body: Incoming,
        pending: Vec<Vec<u8>>,
    ) -> Result<&'static str, String> {
        let mut acks = body.into_data_stream();
        let until = tokio::time::sleep(LONGEST_STREAM);
        tokio::pin!(until);
        let mut beats = tokio::time::interval(Duration::from_secs(HEARTBEAT_SECONDS));
        beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        for line in pending {
            self.hear(&line)?;
        }
        let first = self.following.sent.borrow_and_update().clone();
        deliver(sender, &first).await?;
        loop {
            tokio::select! {
                changed = self.following.sent.changed() => {
                    if changed.is_err() {
                        return Ok("its pod is gone or follows anew, or leadership has ended");
                    }
                    let sent = self.following.sent.borrow_and_update().clone();
                    deliver(sender, &sent).await?;
                }
                word = self.following.words.next() => write(sender, word).await?,
                _ = beats.tick() => {
                    if self.is_vouched_for() {
                        let epoch = self.following.sent.borrow().epoch;
                        write(sender, line(&FromOperator::Heartbeat(Heartbeat { epoch })).into()).await?;
                    }
                }
                bytes = acks.next() => match bytes {
                    Some(Ok(bytes)) => {
                        for line in self.lines.push(&bytes).map_err(|error| error.to_string())? {
                            self.hear(&line)?;
                        }
                    }
                    Some(Err(_)) | None => return Ok("it has gone"),
                },
                () = &mut until => return Ok("it has lasted long enough"),
            }
        }
    }

    fn hear(&self, line: &[u8]) -> Result<(), String> {
        match serde_json::from_slice(line) {
            Ok(FromSidecar::Ack(ack)) => {
                self.following.ack(ack);
                Ok(())
            }
            Ok(FromSidecar::CredentialRefused(refused)) => {
                self.following.credential_refused(refused.provider);
                Ok(())
            }
            Ok(FromSidecar::Usage(usage)) => {
                self.following.rations().usage(self.following.id, &usage);
                Ok(())
            }
            Ok(FromSidecar::Spent(spent)) => {
                self.following.rations().spent(self.following.id, &spent);
                Ok(())
            }
            Ok(FromSidecar::Health(health)) => {
                self.following.rations().health(self.following.id, &health);
                Ok(())
            }
            Ok(FromSidecar::Hello(_)) => Err("a second hello".to_owned()),
            Err(error) => Err(format!("a line can't be understood: {error}")),
        }
    }

    /// Whether what is published is still known to be what is declared.
    fn is_vouched_for(&self) -> bool {
        self.alive.borrow().is_some_and(|at| at.elapsed() < LONGEST_SILENCE)
    }
}

async fn deliver(sender: &mut Sender<Bytes, BrokenOff>, sent: &Sent) -> Result<(), String> {
    write(sender, delivery_line(sent.epoch).into()).await?;
    write(sender, sent.content.clone()).await
}

async fn write(sender: &mut Sender<Bytes, BrokenOff>, bytes: Bytes) -> Result<(), String> {
    match timeout(SLOWEST_READ, sender.send_data(bytes)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err("it has gone".to_owned()),
        Err(_) => Err("it reads too slowly".to_owned()),
    }
}
