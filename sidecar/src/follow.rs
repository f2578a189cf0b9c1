//! Follows the operator: one HTTP/2 request over TLS, JSON lines both ways, again and again for as long as the pod lives.
//!
//! What arrives is taken whole or refused whole, and either is said. What was in force stays while nobody is there, until
//! the policy lease ends. The token is read anew for each request and shown only after the handshake. The words are
//! `lotse_crds::delivery`'s, `tell` says when those on limits, budgets and health are due; `lib` starts this.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::BodyExt as _;
use http_body_util::channel::{Channel, Sender};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use lotse_crds::delivery::{
    Ack, CredentialRefused, Delivery, Epoch, FromOperator, FromSidecar, Hello, LONGEST_DELIVERY, LineTooLong, Lines,
    Outcome, PATH, line,
};
use lotse_crds::name::ObjectName;
use lotse_crds::restriction;
use rustls::pki_types::ServerName;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use crate::dial::{self, DialError};
use crate::metrics::SnapshotLabels;
use crate::moment;
use crate::serve::App;
use crate::tell::{Due, Ended, Telling, Told, end_of_calls, hear_spending};

/// How long connecting, the handshake and the answer's head may take together.
const CONNECT: Duration = Duration::from_secs(10);
/// How long the wait before another try is at first, and at most. Each wait is drawn from zero to its length, so that
/// thousands of sidecars do not come at once.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How long the operator may be silent: several heartbeats.
const SILENCE: Duration = Duration::from_secs(25);

/// Where the operator is, and what proves both sides to each other.
#[derive(Clone, Debug)]
pub struct Follow {
    /// Such as `https://lotse-controller.lotse-system.svc:14443`.
    pub operator: Uri,
    /// The file of the authorities to believe; read for each connection.
    pub authorities_file: PathBuf,
    /// The authorities to believe while there is no file.
    pub authorities: Option<String>,
    /// The file of the token; read for each connection, since it is renewed.
    pub token_file: PathBuf,
}

/// Why a stream did not begin, or ended.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// A file that the pod should have can't be read.
    #[error("{0} can't be read")]
    File(PathBuf, #[source] io::Error),
    /// No authority to believe.
    #[error("there is no authority to believe")]
    Authorities,
    /// The operator's address is none.
    #[error("the operator's address must be https://HOST:PORT")]
    Address,
    /// No connection.
    #[error("the operator can't be reached")]
    Dial(#[from] DialError),
    /// HTTP/2 does not come about or breaks.
    #[error("the connection fails")]
    Http(#[from] hyper::Error),
    /// The operator answers no.
    #[error("the operator answers {0}: {1}")]
    Status(StatusCode, String),
    /// Nothing in time.
    #[error("the operator is silent")]
    Silent,
    /// What it says can't be understood.
    #[error("the operator says what can't be understood: {0}")]
    Garbage(String),
    /// A line without end.
    #[error(transparent)]
    Line(#[from] LineTooLong),
}

/// What is held, over all streams.
#[derive(Default)]
struct Held {
    epoch: Option<Epoch>,
    told: Told,
}

impl Follow {
    /// Follows until calls have ended, and then until the operator has heard what they have cost; not at all when it is not
    /// there.
    pub async fn run(self, app: Arc<App>, mut calls_ended: Ended) {
        app.shared.quotas.are_shared();
        app.shared.purses.begin(moment::seed());
        let mut held = Held::default();
        let mut wait = FIRST_WAIT;
        let mut said = String::new();
        loop {
            let began = moment::instant();
            let ended = self.once(&app, &mut held, &mut calls_ended).await;
            if began.elapsed() > Duration::from_mins(1) {
                wait = FIRST_WAIT;
                said.clear();
            }
            match ended {
                // The operator ends streams when it is replaced and when tokens are due; another is there at once.
                Ok(()) => {
                    wait = FIRST_WAIT;
                    said.clear();
                }
                Err(error) => {
                    let words = told_whole(&error);
                    // Said once, not at each try.
                    if words != said {
                        tracing::warn!("not following: {words}");
                        said = words;
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(wait.mul_f64(moment::chance())) => {}
                () = end_of_calls(&mut calls_ended) => return,
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// One stream, from its beginning to its end.
    async fn once(&self, app: &App, held: &mut Held, calls_ended: &mut Ended) -> Result<(), FollowError> {
        let opened = tokio::select! {
            opened = timeout(CONNECT, self.open(app)) => opened,
            () = end_of_calls(calls_ended) => return Ok(()),
        };
        let Ok(opened) = opened else { return Err(FollowError::Silent) };
        let (mut answers, says) = opened?;
        tracing::info!("following the operator");
        let mut stream = Stream { app, held, says, telling: Telling::new() };
        let mut lines = Lines::new(LONGEST_DELIVERY);
        let mut silent_at = Instant::now() + SILENCE;
        let mut is_leaving = false;
        loop {
            if is_leaving && !stream.waits_to_be_heard() {
                return Ok(());
            }
            let frame = tokio::select! {
                frame = timeout_at(silent_at, answers.frame()) => frame,
                () = end_of_calls(calls_ended), if !is_leaving => {
                    is_leaving = true;
                    stream.tell(Due::Usage).await?;
                    continue;
                }
                refused = app.shared.refusals.next() => {
                    stream.tell_refused(refused).await?;
                    continue;
                }
                due = stream.telling.due(&app.shared) => {
                    stream.tell(due).await?;
                    continue;
                }
            };
            let Ok(frame) = frame else { return Err(FollowError::Silent) };
            silent_at = Instant::now() + SILENCE;
            let Some(frame) = frame else { return Ok(()) };
            let Ok(bytes) = frame?.into_data() else { continue };
            for line in lines.push(&bytes)? {
                stream.hear(&line).await?;
            }
        }
    }

    async fn open(&self, app: &App) -> Result<(Incoming, Sender<Bytes>), FollowError> {
        let token = read(&self.token_file)?;
        let tls = self.connect(app).await?;
        let (mut requests, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(Some(Duration::from_secs(15)))
            .keep_alive_timeout(Duration::from_secs(10))
            .initial_stream_window_size(256 * 1024)
            .initial_connection_window_size(256 * 1024)
            .handshake(TokioIo::new(tls))
            .await?;
        tokio::spawn(async move { drop(connection.await) });
        let (mut says, body) = Channel::new(4);
        let hello = FromSidecar::Hello(Hello {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            restrictions: restriction::EXECUTABLE.map(str::to_owned).to_vec(),
            holds: app.table().map(|table| table.snapshot.revision()),
        });
        // The channel has room, so this does not wait for the request that it belongs to.
        drop(says.send_data(line(&hello).into()).await);
        let uri = format!("{}{PATH}", self.operator.to_string().trim_end_matches('/'));
        let request = Request::post(uri)
            .header(header::AUTHORIZATION, format!("Bearer {}", token.trim()))
            .header(header::CONTENT_TYPE, "application/jsonl")
            .body(body)
            .map_err(|_| FollowError::Address)?;
        let response = requests.send_request(request).await?;
        let (status, body) = (response.status(), response.into_body());
        if status == StatusCode::OK { Ok((body, says)) } else { Err(FollowError::Status(status, short(body).await)) }
    }

    /// TLS with the operator. Its certificate must be of an authority that the pod was given, for the name that was asked.
    async fn connect(&self, app: &App) -> Result<tokio_rustls::client::TlsStream<TcpStream>, FollowError> {
        let host = self.operator.host().ok_or(FollowError::Address)?.trim_matches(['[', ']']).to_owned();
        let port = self.operator.port_u16().unwrap_or(443);
        let name = ServerName::try_from(host.clone()).map_err(|_| FollowError::Address)?;
        let config = dial::config(dial::bundle(&self.authorities()?).map_err(|_| FollowError::Authorities)?, b"h2");
        let mut last = DialError::Refused(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
        let addresses = match host.parse() {
            Ok(address) => vec![address],
            Err(_) => app.shared.resolver.resolve(&host).await?,
        };
        for address in addresses {
            match TcpStream::connect(SocketAddr::new(address, port)).await {
                Ok(tcp) => {
                    tcp.set_nodelay(true).map_err(DialError::Refused)?;
                    let connector = TlsConnector::from(Arc::new(config));
                    return Ok(connector.connect(name, tcp).await.map_err(DialError::Tls)?);
                }
                Err(error) => last = DialError::Refused(error),
            }
        }
        Err(last.into())
    }

    fn authorities(&self) -> Result<String, FollowError> {
        match (read(&self.authorities_file), &self.authorities) {
            (Ok(file), _) if !file.trim().is_empty() => Ok(file),
            // The ConfigMap of the namespace may come after its first pod; the pod has been given what it needs till then.
            (_, Some(given)) => Ok(given.clone()),
            (Err(error), None) => Err(error),
            (Ok(_), None) => Err(FollowError::Authorities),
        }
    }
}

fn read(path: &Path) -> Result<String, FollowError> {
    std::fs::read_to_string(path).map_err(|error| FollowError::File(path.to_owned(), error))
}

/// A stream that has begun.
struct Stream<'a> {
    app: &'a App,
    held: &'a mut Held,
    says: Sender<Bytes>,
    telling: Telling,
}

/// What of a delivery can be read though the rest can't: it is refused by this name.
#[derive(Deserialize)]
struct Unreadable {
    delivery: UnreadableDelivery,
}

#[derive(Deserialize)]
struct UnreadableDelivery {
    epoch: Epoch,
}

impl Stream<'_> {
    async fn hear(&mut self, line: &[u8]) -> Result<(), FollowError> {
        match serde_json::from_slice(line) {
            Ok(FromOperator::Delivery(delivery)) => {
                let epoch = delivery.epoch;
                let outcome = match self.take(*delivery) {
                    Ok(()) => Outcome::Applied,
                    Err(why) => Outcome::Refused(why),
                };
                self.ack(epoch, outcome).await
            }
            Ok(FromOperator::Heartbeat(heartbeat)) => {
                // Only who holds what is current is vouched for.
                if self.held.epoch == Some(heartbeat.epoch) {
                    self.app.lease.renew(moment::instant());
                }
                Ok(())
            }
            Ok(FromOperator::Shares(shares)) => {
                self.telling.hear_shares(&self.app.shared, &shares);
                Ok(())
            }
            Ok(FromOperator::Spending(spending)) => {
                hear_spending(&self.app.shared, &spending);
                Ok(())
            }
            Ok(FromOperator::Health(health)) => {
                let words = self.telling.hear_health(&self.app.shared, &health);
                self.say_all(&words).await
            }
            Err(error) => match serde_json::from_slice::<Unreadable>(line) {
                Ok(unreadable) => {
                    let why = format!("it can't be read by version {}: {error}", env!("CARGO_PKG_VERSION"));
                    self.ack(unreadable.delivery.epoch, Outcome::Refused(why)).await
                }
                Err(_) => Err(FollowError::Garbage(error.to_string())),
            },
        }
    }

    /// Puts a delivery in force, or says why not and keeps what was.
    fn take(&mut self, delivery: Delivery) -> Result<(), String> {
        let Delivery { epoch, revision, snapshot, keys } = delivery;
        if self.held.epoch.is_some_and(|held| epoch < held) {
            return Err("it is older than what is held".to_owned());
        }
        if snapshot.revision() != revision {
            return Err(format!("its content does not hash to revision {}", revision.0));
        }
        self.app.apply(snapshot, &keys).map_err(|error| error.to_string())?;
        self.held.epoch = Some(epoch);
        self.app.lease.renew(moment::instant());
        Ok(())
    }

    async fn ack(&mut self, epoch: Epoch, outcome: Outcome) -> Result<(), FollowError> {
        let word = if outcome == Outcome::Applied { "applied" } else { "refused" };
        self.app.shared.metrics.snapshots.get_or_create(&SnapshotLabels { outcome: word }).inc();
        let revision = self.app.table().map(|table| table.snapshot.revision().0);
        match &outcome {
            Outcome::Applied => tracing::info!(revision, "a snapshot is in force"),
            Outcome::Refused(why) => tracing::error!(revision, why, "a snapshot is refused, what was in force stays"),
        }
        self.say(&FromSidecar::Ack(Ack { epoch, outcome })).await
    }

    /// Says who has refused a credential: the operator may have a newer one, or get one.
    async fn tell_refused(&mut self, providers: BTreeSet<ObjectName>) -> Result<(), FollowError> {
        for provider in providers {
            self.say(&FromSidecar::CredentialRefused(CredentialRefused { provider })).await?;
        }
        Ok(())
    }

    /// Whether the operator has something to say yet of what was spent.
    fn waits_to_be_heard(&self) -> bool {
        self.telling.is_understood() && !self.app.shared.purses.are_heard()
    }

    /// Tells what is due of limits, budgets and health.
    async fn tell(&mut self, due: Due) -> Result<(), FollowError> {
        let words = match due {
            Due::Usage if !self.telling.is_understood() => return Ok(()),
            Due::Usage => self.telling.usage(&self.app.shared, &mut self.held.told),
            Due::Health => self.telling.health(&self.app.shared),
        };
        self.say_all(&words).await
    }

    /// Says one word after the other; what can't be said any more is put back.
    async fn say_all(&mut self, words: &[FromSidecar]) -> Result<(), FollowError> {
        for (at, word) in words.iter().enumerate() {
            if let Err(error) = self.say(word).await {
                Telling::put_back(&self.app.shared, &words[at..]);
                return Err(error);
            }
        }
        Ok(())
    }

    async fn say(&mut self, said: &FromSidecar) -> Result<(), FollowError> {
        match timeout(CONNECT, self.says.send_data(line(said).into())).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(FollowError::Silent),
        }
    }
}

/// The first words of an answer that says no.
async fn short(mut body: Incoming) -> String {
    let bytes = match body.frame().await {
        Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
        Some(Err(_)) | None => Bytes::new(),
    };
    String::from_utf8_lossy(&bytes).trim().chars().take(200).collect()
}

fn told_whole(error: &FollowError) -> String {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use tokio::sync::watch;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn when_calls_end_and_the_operator_is_not_there_nobody_waits_for_it() {
        let operator = Uri::from_static("https://127.0.0.1:1");
        let (authorities_file, token_file) = (PathBuf::from("/nowhere/ca"), PathBuf::from("/nowhere/token"));
        let follow = Follow { operator, authorities_file, authorities: None, token_file };
        let (began, (ended, calls_ended)) = (Instant::now(), watch::channel(false));
        let following = tokio::spawn(follow.run(Arc::default(), calls_ended));
        tokio::task::yield_now().await;
        assert!(!following.is_finished());

        ended.send_replace(true);
        following.await.expect("it ends");

        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
