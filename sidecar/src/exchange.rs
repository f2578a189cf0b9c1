//! Exchanges identities for short-lived credentials in folder mode, as the operator does in a cluster. The identity's token
//! is a file's; it is read for each exchange, since whoever makes it renews it. `lotse_crds::exchange` says what is sent,
//! what an answer means and when it is due again; `folder` wants and takes, `lib` starts it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, Request, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use jiff::{SignedDuration, Timestamp};
use lotse_crds::exchange::{Ended, ExchangeKey, Exchanged, HttpRequest, Ledger, Step, Wanted, exchanges, read};
use lotse_crds::manifests::Manifests;
use lotse_crds::name::ObjectName;
use lotse_crds::secret::Secret;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::dial::{DialError, Place, PlaceError, Resolver, TlsRoots};
use crate::lane::Shared;
use crate::moment;

/// How long a request may take, with all that it needs.
const DEADLINE: Duration = Duration::from_secs(15);
/// The longest answer that is read.
const LONGEST_ANSWER: usize = 256 * 1024;
/// The longest sleep: a clock that has been set, or a machine that has slept, is seen.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// How the fixed hosts are reached.
#[derive(Clone, Debug)]
pub enum Way {
    /// By their names, as the public roots vouch for them.
    Public,
    /// At one address of a test's own, as these PEM certificates vouch for it.
    Test(SocketAddr, String),
}

/// How long a provider's refusals are not told again: every call says the same until a new credential is there.
const REST: Duration = Duration::from_secs(10);

/// Providers that have refused their credential since somebody last looked.
#[derive(Debug, Default)]
pub struct Refusals {
    providers: Mutex<Refused>,
    told: Notify,
}

#[derive(Debug, Default)]
struct Refused {
    untold: BTreeSet<ObjectName>,
    last: BTreeMap<ObjectName, Instant>,
}

/// What is exchanged, and what has come of it.
pub struct Exchanges {
    tls: TlsRoots,
    resolver: Arc<Resolver>,
    refusals: Arc<Refusals>,
    identity: Option<PathBuf>,
    way: Way,
    ledger: Mutex<Ledger>,
    /// Others are wanted.
    asked: Notify,
    /// Counts what has changed in what is held.
    generation: AtomicU64,
}

/// Why there is no answer. Says nothing of what was sent.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("its URL or a header can't be sent")]
    Request,
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error("it can't be reached: {0}")]
    Dial(#[from] DialError),
    #[error("the connection fails: {0}")]
    Broken(#[from] hyper::Error),
    #[error("its answer can't be read: {0}")]
    Answer(Box<dyn std::error::Error + Send + Sync>),
    #[error("it does not answer in time")]
    Late,
}

impl Refusals {
    /// A provider answers 401 at `now`.
    pub fn tell(&self, provider: &ObjectName, now: Instant) {
        {
            let mut refused = self.lock();
            if refused.last.get(provider).is_some_and(|last| now.saturating_duration_since(*last) < REST) {
                return;
            }
            refused.last.insert(provider.clone(), now);
            refused.untold.insert(provider.clone());
        }
        self.told.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Refused> {
        self.providers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until somebody has, and says who.
    pub(crate) async fn next(&self) -> BTreeSet<ObjectName> {
        self.told.notified().await;
        std::mem::take(&mut self.lock().untold)
    }
}

impl Exchanges {
    /// Nothing is wanted yet. `identity` is the file of the identity's token.
    pub fn new(shared: &Shared, identity: Option<PathBuf>, way: Way) -> Self {
        Self {
            tls: TlsRoots::default(),
            resolver: shared.resolver.clone(),
            refusals: shared.refusals.clone(),
            identity,
            way,
            ledger: Mutex::default(),
            asked: Notify::new(),
            generation: AtomicU64::new(0),
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wants what these manifests need, and gives them what is held of it.
    pub fn fill(&self, manifests: &mut Manifests) {
        let wanted = exchanges(manifests).into_iter().map(|exchange| Wanted::new(exchange, manifests)).collect();
        self.want(wanted);
        self.ledger().fill(manifests);
    }

    /// These are wanted, and no others.
    pub fn want(&self, wanted: Vec<Wanted>) {
        self.ledger().want(wanted, moment::now());
        self.asked.notify_one();
    }

    /// What is held.
    pub fn held(&self) -> BTreeMap<ExchangeKey, Secret> {
        self.ledger().held().map(|(key, secret)| (key.clone(), secret.clone())).collect()
    }

    /// Another number whenever manifests are to be compiled anew.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    fn changed(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// Exchanges whatever is due, for as long as the task lives.
    pub async fn run(self: Arc<Self>) {
        let mut running = JoinSet::new();
        loop {
            for wanted in self.ledger().begin(moment::now()) {
                let exchanges = self.clone();
                running.spawn(async move {
                    let outcome = exchanges.exchange(&wanted).await;
                    exchanges.end(&wanted.exchange.key, outcome);
                });
            }
            if self.ledger().expire(moment::now()) {
                self.changed();
            }
            let wake = self.ledger().wake();
            tokio::select! {
                () = self.asked.notified() => {}
                refused = self.refusals.next() => {
                    for provider in &refused {
                        self.ledger().refused(provider, moment::now());
                    }
                }
                Some(_) = running.join_next() => {}
                () = tokio::time::sleep(until(wake, moment::now())) => {}
            }
        }
    }

    fn end(&self, key: &ExchangeKey, outcome: Result<Exchanged, String>) {
        let provider = key.provider.to_string();
        let told = outcome.as_ref().map(|exchanged| exchanged.expires).map_err(Clone::clone);
        match (self.ledger().end(key, outcome, moment::chance(), moment::now()), told) {
            (Ended::Renewed, Ok(expires)) => {
                tracing::info!(provider, %expires, "a credential has been exchanged");
                self.changed();
            }
            (Ended::Failed, Err(why)) => {
                tracing::warn!(provider, "no credential, it will be tried again: {why}");
                self.changed();
            }
            (Ended::Renewed | Ended::Failed | Ended::FailedAgain | Ended::Unwanted, _) => {}
        }
    }

    async fn exchange(&self, wanted: &Wanted) -> Result<Exchanged, String> {
        let kind = &wanted.exchange.key.kind;
        let token = kind.subject().map(|(_, audience)| self.token(&audience)).transpose()?;
        let mut request = wanted.request(token.as_ref(), moment::now()).map_err(|error| error.to_string())?;
        for _ in 0..2 {
            let asked = tokio::time::timeout(DEADLINE, self.ask(&request)).await.unwrap_or(Err(AskError::Late));
            let (status, body) = asked.map_err(|error| format!("{}: {error}", kind.who()))?;
            match read(kind, status, &body, moment::now()).map_err(|error| error.to_string())? {
                Step::Done(exchanged) => return Ok(exchanged),
                Step::Next(next) => request = next,
            }
        }
        Err(format!("{} leads from one request to another", kind.who()))
    }

    fn token(&self, audience: &str) -> Result<Secret, String> {
        let file = |path: &Path| {
            let read = std::fs::read_to_string(path).map(Secret::new);
            read.map_err(|error| format!("--identity-token {} can't be read: {error}", path.display()))
        };
        let must = || format!("--identity-token must name a file that holds a token for audience {audience}");
        self.identity.as_deref().ok_or_else(must).and_then(file)
    }

    async fn ask(&self, request: &HttpRequest) -> Result<(u16, Bytes), AskError> {
        let url: Uri = request.url.parse().map_err(|_| AskError::Request)?;
        let host = url.host().ok_or(AskError::Request)?;
        let shared = (&self.tls, &self.resolver);
        let place = match &self.way {
            Way::Public => Place::new(&url, (None, None), &[], shared)?,
            Way::Test(address, roots) => {
                let url = format!("https://{address}").parse().map_err(|_| AskError::Request)?;
                Place::new(&url, (Some(roots), None), &[address.ip().into()], shared)?
            }
        };
        let (mut requests, connection) = http1::handshake(TokioIo::new(place.dial().await?)).await?;
        let path = url.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let mut builder = Request::builder().method(request.method.clone()).uri(path).header(header::HOST, host);
        for (name, value) in &request.headers {
            let mut value = HeaderValue::from_str(value.reveal()).map_err(|_| AskError::Request)?;
            value.set_sensitive(true);
            builder = builder.header(*name, value);
        }
        let body = Full::new(Bytes::copy_from_slice(request.body.reveal().as_bytes()));
        let whole = builder.body(body).map_err(|_| AskError::Request)?;
        let answered = async {
            let response = requests.send_request(whole).await?;
            let status = response.status().as_u16();
            let body = Limited::new(response.into_body(), LONGEST_ANSWER).collect().await;
            Ok((status, body.map_err(AskError::Answer)?.to_bytes()))
        };
        // The connection is driven only for as long as the answer takes.
        let (mut answered, mut connection) = (std::pin::pin!(answered), std::pin::pin!(connection));
        let mut ended = false;
        loop {
            tokio::select! {
                biased;
                answer = &mut answered => return answer,
                _ = &mut connection, if !ended => ended = true,
            }
        }
    }
}

/// How long to sleep until a time.
fn until(wake: Option<Timestamp>, now: Timestamp) -> Duration {
    let left = wake.map(|wake| wake.duration_since(now).max(SignedDuration::ZERO).unsigned_abs());
    left.unwrap_or(LONGEST_SLEEP).min(LONGEST_SLEEP)
}
