//! Sends a call to a provider. The only file that opens a connection to one, and it takes only [`Permitted`].
//!
//! Why connections are polled inline: hyper hands each chunk from a connection's own task to the body's through a
//! channel, which costs two wake-ups a chunk. Here the connection's future travels with the response's body and is
//! polled in the caller's task, so a chunk costs none.
//! HTTP/1.1 only: a stream holds a connection of its own, and no stream waits for another.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use lotse_crds::residency::Permitted;

use crate::dial::{DialError, Place, Wire};
use crate::lane::Lane;
use crate::moment;

/// How long an idle connection is kept. Shorter than servers keep theirs, so that a call seldom meets a closed one.
const IDLE: Duration = Duration::from_secs(20);
/// How many idle connections a provider keeps.
const MOST_IDLE: usize = 64;

/// A provider's server: where it is, and the connections to it that wait for a call.
pub struct Origin {
    place: Place,
    idle: Mutex<Vec<(Connection, Instant)>>,
}

/// A connection, and the future that drives it.
struct Connection {
    sender: http1::SendRequest<Pieces>,
    driver: Pin<Box<http1::Connection<TokioIo<Wire>, Pieces>>>,
}

/// Why no answer came.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No connection could be made; nothing was sent.
    #[error("{0}")]
    Dial(#[from] DialError),
    /// No connection was made in time; nothing was sent.
    #[error("no connection in time")]
    ConnectTimeout,
    /// The connection broke after something was sent.
    #[error("the connection broke before an answer")]
    Broken(#[source] hyper::Error),
    /// The candidate is answered inside the sidecar and has no server.
    #[error("the candidate has no server")]
    NoServer,
}

/// Sends `request` to a permitted candidate. An idle connection that turns out to be closed is replaced as long as not a
/// byte was written; beyond that a request is never sent twice.
pub async fn send(
    permitted: Permitted<'_>,
    lane: &Lane,
    request: Request<Pieces>,
    connect_timeout: Duration,
) -> Result<Response<Inbound>, SendError> {
    debug_assert_eq!(permitted.candidate().ordinal, lane.ordinal, "a lane is looked up by its candidate");
    let origin = &lane.server.as_ref().ok_or(SendError::NoServer)?.origin;
    let mut request = request;
    while let Some(connection) = origin.take_idle().await {
        match connection.exchange(request, origin).await {
            Ok(response) => return Ok(response),
            Err(Exchange::NotSent(unsent)) => request = *unsent,
            Err(Exchange::Broken(error)) => return Err(SendError::Broken(error)),
        }
    }
    let dialling = tokio::time::timeout(connect_timeout, origin.dial());
    let connection = dialling.await.map_err(|_| SendError::ConnectTimeout)??;
    match connection.exchange(request, origin).await {
        Ok(response) => Ok(response),
        Err(Exchange::Broken(error)) => Err(SendError::Broken(error)),
        Err(Exchange::NotSent(_)) => Err(SendError::Dial(DialError::Refused(std::io::ErrorKind::BrokenPipe.into()))),
    }
}

enum Exchange {
    NotSent(Box<Request<Pieces>>),
    Broken(hyper::Error),
}

impl Origin {
    /// A provider's server at `place`.
    pub fn new(place: Place) -> Self {
        Self { place, idle: Mutex::new(Vec::new()) }
    }

    async fn dial(&self) -> Result<Connection, DialError> {
        let wire = self.place.dial().await?;
        let (sender, driver) = http1::Builder::new()
            .handshake(TokioIo::new(wire))
            .await
            .map_err(|error| DialError::Refused(std::io::Error::other(error)))?;
        Ok(Connection { sender, driver: Box::pin(driver) })
    }

    /// The idle connection that was used last and is still open.
    async fn take_idle(&self) -> Option<Connection> {
        loop {
            let (mut connection, since) = self.lock().pop()?;
            let is_fresh = moment::instant().saturating_duration_since(since) < IDLE;
            if is_fresh && poll_fn(|cx| Poll::Ready(connection.is_ready(cx))).await {
                return Some(connection);
            }
        }
    }

    fn keep(&self, connection: Connection) {
        let now = moment::instant();
        let mut idle = self.lock();
        idle.retain(|(_, since)| now.saturating_duration_since(*since) < IDLE);
        if idle.len() < MOST_IDLE {
            idle.push((connection, now));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(Connection, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// Whether the connection is open and waits for a request.
    fn is_ready(&mut self, cx: &mut Context<'_>) -> bool {
        let closed = self.driver.as_mut().poll(cx).is_ready();
        !closed && self.sender.is_ready()
    }

    async fn exchange(mut self, request: Request<Pieces>, origin: &Arc<Origin>) -> Result<Response<Inbound>, Exchange> {
        let answered = {
            let mut answer = pin!(self.sender.try_send_request(request));
            let driver = &mut self.driver;
            let mut is_driven = true;
            poll_fn(|cx| {
                if is_driven && driver.as_mut().poll(cx).is_ready() {
                    is_driven = false;
                }
                answer.as_mut().poll(cx)
            })
            .await
        };
        match answered {
            Ok(response) => {
                let home = origin.clone();
                Ok(response.map(|body| Inbound { body, connection: Some(self), home }))
            }
            Err(mut error) => match error.take_message() {
                Some(unsent) => Err(Exchange::NotSent(Box::new(unsent))),
                None => Err(Exchange::Broken(error.into_error())),
            },
        }
    }
}

/// An answer's body, with the connection that it comes from. Dropping it before its end closes the connection at once;
/// reading it to its end gives the connection back.
pub struct Inbound {
    body: Incoming,
    connection: Option<Connection>,
    home: Arc<Origin>,
}

impl Inbound {
    /// The next bytes of the body.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, hyper::Error>>> {
        let mut is_driven = false;
        loop {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(bytes) if !bytes.is_empty() => return Poll::Ready(Some(Ok(bytes))),
                    _ => {}
                },
                Poll::Ready(Some(Err(error))) => {
                    self.connection = None;
                    return Poll::Ready(Some(Err(error)));
                }
                Poll::Ready(None) => {
                    if let Some(mut connection) = self.connection.take()
                        && connection.is_ready(cx)
                    {
                        self.home.keep(connection);
                    }
                    return Poll::Ready(None);
                }
                // Driving the connection may fill the body; only when both wait is there nothing to do.
                Poll::Pending if is_driven => return Poll::Pending,
                Poll::Pending => {
                    is_driven = true;
                    if let Some(connection) = &mut self.connection
                        && connection.driver.as_mut().poll(cx).is_ready()
                    {
                        self.connection = None;
                    }
                }
            }
        }
    }
}

/// A request's body: pieces of the original and new bytes, sent one after the other without being joined.
#[derive(Clone, Debug, Default)]
pub struct Pieces {
    pieces: VecDeque<Bytes>,
    remaining: u64,
}

impl Pieces {
    /// These bytes, in this order.
    pub fn new(pieces: impl IntoIterator<Item = Bytes>) -> Self {
        let pieces: VecDeque<Bytes> = pieces.into_iter().collect();
        let remaining = pieces.iter().map(|piece| piece.len() as u64).sum();
        Self { pieces, remaining }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        let next = this.pieces.pop_front();
        if let Some(piece) = &next {
            this.remaining -= piece.len() as u64;
        }
        Poll::Ready(next.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}
