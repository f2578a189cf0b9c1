//! Accepts connections and drains them at the end.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::admin;
use crate::bound::Bound;
use crate::serve::{self, App};
use crate::stream::AnswerBody;

/// How long a caller may take to send the head of a request, the wait between two requests included. Longer than SDKs keep
/// idle connections, so that none meets a closed one.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);
/// How long calls may take to end when the sidecar stops. A pod whose time is up leaves two seconds more.
const DRAIN: Duration = Duration::from_secs(5);
/// How much of a connection hyper reads ahead.
const READ_AHEAD: usize = 256 * 1024;

/// Who answers on a port.
#[derive(Clone)]
pub enum Service {
    /// Calls of the app.
    Calls(Arc<App>),
    /// Questions of the pod's operators.
    Admin(Arc<App>),
    /// Probes and metrics.
    Probes(Arc<App>),
}

/// Where calls are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// On both loopback addresses.
    Loopback(u16),
    /// On this one.
    Address(SocketAddr),
}

/// A port can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody else listens there, or it is not ours to use.
    #[error("can't listen on {0}")]
    Bind(SocketAddr, #[source] io::Error),
    /// The machine has no loopback address.
    #[error("neither 127.0.0.1 nor [::1] can be used on port {0}")]
    NoLoopback(u16),
}

impl Listen {
    /// Opens the port: on what there is of both loopback addresses, or on the one that is asked for.
    pub async fn open(self) -> Result<Vec<TcpListener>, ListenError> {
        match self {
            Self::Address(address) => Ok(vec![bind(address).await?]),
            Self::Loopback(port) => {
                let mut open = Vec::new();
                for ip in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
                    match bind(SocketAddr::new(ip, port)).await {
                        Ok(listener) => open.push(listener),
                        // A pod may have only one family. A port that is taken is another matter.
                        Err(ListenError::Bind(_, error)) if is_family_missing(&error) => {}
                        Err(error) => return Err(error),
                    }
                }
                if open.is_empty() { Err(ListenError::NoLoopback(port)) } else { Ok(open) }
            }
        }
    }
}

/// Opens one port. Where the machine has no IPv6, `[::]` means `0.0.0.0`.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, ListenError> {
    let opened = TcpListener::bind(address).await;
    let opened = match opened {
        Err(error) if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) && is_family_missing(&error) => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        opened => opened,
    };
    opened.map_err(|error| ListenError::Bind(address, error))
}

fn is_family_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported)
        || error.raw_os_error() == Some(97)
}

/// Accepts connections until `stop` turns true, then lets calls end, for at most five seconds.
pub async fn accept(listener: TcpListener, service: Service, mut stop: watch::Receiver<bool>) {
    let graceful = GracefulShutdown::new();
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(READ_AHEAD);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, most likely: give others time to end.
                tracing::warn!(%error, "can't accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        if stream.set_nodelay(true).is_err() {
            continue;
        }
        let (service, bound) = (service.clone(), Bound::default());
        let told = bound.clone();
        let answering = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(told.clone());
            answer(service.clone(), request)
        });
        let connection = graceful.watch(builder.serve_connection(TokioIo::new(stream), answering));
        // A caller that goes away, or a stream that was cut, is in the record of its call.
        tokio::spawn(async move { bound.keep(connection).await });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("calls were still being answered when the time to end was up");
    }
}

async fn answer(service: Service, request: Request<Incoming>) -> Result<Response<AnswerBody>, Infallible> {
    match service {
        Service::Calls(app) => serve::answer(app, request).await,
        Service::Admin(app) => Ok(admin::admin(&app, &request.into_parts().0)),
        Service::Probes(app) => Ok(admin::probes(&app, &request.into_parts().0)),
    }
}
