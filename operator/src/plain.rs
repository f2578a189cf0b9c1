//! A small HTTP/1.1 server for probes, metrics and the loopback admin port. Both programs use it.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};

/// What is answered.
pub struct Page {
    /// The status.
    pub status: StatusCode,
    /// The media type.
    pub kind: &'static str,
    /// The body.
    pub body: String,
}

/// Answers a path.
pub type Pages = Arc<dyn Fn(&str) -> Page + Send + Sync>;

impl Page {
    /// Plain text.
    pub fn text(status: StatusCode, body: &str) -> Self {
        Self { status, kind: "text/plain; charset=utf-8", body: format!("{body}\n") }
    }

    /// Metrics.
    pub fn metrics(body: String) -> Self {
        Self { status: StatusCode::OK, kind: "application/openmetrics-text; version=1.0.0; charset=utf-8", body }
    }

    /// JSON.
    pub fn json(body: &serde_json::Value) -> Self {
        Self { status: StatusCode::OK, kind: "application/json", body: body.to_string() }
    }
}

/// Opens a port. Where the machine has no IPv6, `[::]` means `0.0.0.0`.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Err(error)
            if address.ip().is_unspecified() && address.is_ipv6() && error.kind() != io::ErrorKind::AddrInUse =>
        {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        opened => opened,
    }
}

/// The next connection. Out of file descriptors, most likely, others are given time to end.
pub async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                tracing::warn!(%error, "can't accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Answers until the task is dropped.
pub async fn serve(listener: TcpListener, pages: Pages) {
    loop {
        let stream = accept(&listener).await;
        let pages = pages.clone();
        tokio::spawn(async move {
            let answering = service_fn(move |request: Request<Incoming>| {
                let page = pages(request.uri().path());
                async move { Ok::<_, Infallible>(response(page)) }
            });
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(30));
            drop(builder.serve_connection(TokioIo::new(stream), answering).await);
        });
    }
}

fn response(page: Page) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(page.body));
    *response.status_mut() = page.status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(page.kind));
    response
}
