//! Sends one request of an exchange over HTTPS, through the egress proxy if there is one. Public roots, no redirects, no
//! proxy of the environment. For `exchange` alone: nothing else in the operator leaves the cluster.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use hickory_resolver::TokioResolver;
use http::{HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use lotse_crds::exchange::HttpRequest;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How long a request may take, with all that it needs.
const DEADLINE: Duration = Duration::from_secs(15);
/// The longest answer that is read.
const LONGEST_ANSWER: usize = 256 * 1024;

/// Sends requests.
pub struct Https {
    tls: TlsConnector,
    proxy: Option<String>,
    /// Tests answer at an address of their own; the names that are asked, and shown by certificates, stay.
    instead: Option<SocketAddr>,
    resolver: OnceLock<TokioResolver>,
}

/// Why there is no answer. Says nothing of what was sent.
#[derive(Debug, thiserror::Error)]
pub enum HttpsError {
    /// The URL is none that can be asked.
    #[error("its URL can't be asked")]
    Url,
    /// No address, or nobody there.
    #[error("{0} can't be reached: {1}; the controller needs a way to port 443, or egressProxy")]
    Unreachable(String, String),
    /// The proxy opens no connection.
    #[error("the egress proxy answers {0} for {1}; it must let the controller reach it")]
    Proxy(StatusCode, String),
    /// TLS or HTTP fails.
    #[error("the connection to {0} fails: {1}")]
    Broken(String, String),
    /// Nothing in time.
    #[error("{0} does not answer in time")]
    Late(String),
}

impl Https {
    /// To the public hosts, through a proxy such as `http://proxy.example:3128`.
    pub fn public(proxy: Option<&str>) -> Self {
        let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
        Self::new(roots, proxy.map(|proxy| proxy.trim_end_matches('/').to_owned()), None)
    }

    /// To one address, whatever host is asked, trusting these roots.
    #[doc(hidden)]
    pub fn instead(address: SocketAddr, roots: RootCertStore, proxy: Option<String>) -> Self {
        Self::new(roots, proxy, Some(address))
    }

    fn new(roots: RootCertStore, proxy: Option<String>, instead: Option<SocketAddr>) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("aws-lc-rs has the default versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self { tls: TlsConnector::from(Arc::new(config)), proxy, instead, resolver: OnceLock::new() }
    }

    /// The status and the body of the answer.
    pub async fn send(&self, request: &HttpRequest) -> Result<(u16, Bytes), HttpsError> {
        let url: Uri = request.url.parse().map_err(|_| HttpsError::Url)?;
        let host = url.host().filter(|_| url.scheme_str() == Some("https")).ok_or(HttpsError::Url)?.to_owned();
        let sent = tokio::time::timeout(DEADLINE, self.send_to(&host, &url, request)).await;
        sent.unwrap_or(Err(HttpsError::Late(host)))
    }

    async fn send_to(&self, host: &str, url: &Uri, request: &HttpRequest) -> Result<(u16, Bytes), HttpsError> {
        let port = url.port_u16().unwrap_or(443);
        let Some(proxy) = &self.proxy else {
            let tcp = self.connect(host, port, self.instead).await?;
            return self.ask(tcp, host, url, request).await;
        };
        let proxy: Uri = proxy.parse().map_err(|_| HttpsError::Url)?;
        let proxy_host = proxy.host().ok_or(HttpsError::Url)?.trim_matches(['[', ']']);
        let tcp = self.connect(proxy_host, proxy.port_u16().unwrap_or(80), None).await?;
        let tunnel = tunnel(tcp, &format!("{host}:{port}")).await?;
        self.ask(tunnel, host, url, request).await
    }

    async fn connect(&self, host: &str, port: u16, instead: Option<SocketAddr>) -> Result<TcpStream, HttpsError> {
        let unreachable = |why: String| HttpsError::Unreachable(host.to_owned(), why);
        let addresses: Vec<SocketAddr> = match (instead, host.parse::<IpAddr>()) {
            (Some(instead), _) => vec![instead],
            (None, Ok(address)) => vec![SocketAddr::new(address, port)],
            (None, Err(_)) => {
                let found = self.resolve(host).await.map_err(|error| unreachable(error.to_string()))?;
                found.into_iter().map(|address| SocketAddr::new(address, port)).collect()
            }
        };
        let mut last = "its name has no address".to_owned();
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(tcp) => return Ok(tcp),
                Err(error) => last = error.to_string(),
            }
        }
        Err(unreachable(last))
    }

    /// Not by the system's library: a program without libraries has none.
    async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, hickory_resolver::net::NetError> {
        let resolver = if let Some(resolver) = self.resolver.get() {
            resolver
        } else {
            let made = TokioResolver::builder_tokio().and_then(hickory_resolver::ResolverBuilder::build)?;
            self.resolver.get_or_init(|| made)
        };
        Ok(resolver.lookup_ip(host).await?.iter().collect())
    }

    /// Speaks TLS and asks.
    async fn ask<S>(&self, stream: S, host: &str, url: &Uri, request: &HttpRequest) -> Result<(u16, Bytes), HttpsError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| HttpsError::Url)?;
        let broken = |why: String| HttpsError::Broken(host.to_owned(), why);
        let tls = self.tls.connect(name, stream).await.map_err(|error| broken(error.to_string()))?;
        let (mut requests, connection) =
            http1::handshake(TokioIo::new(tls)).await.map_err(|error| broken(error.to_string()))?;
        let connection = tokio::spawn(async move { drop(connection.await) });
        let path = url.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let mut builder = Request::builder().method(request.method.clone()).uri(path).header(header::HOST, host);
        for (name, value) in &request.headers {
            let mut value = HeaderValue::from_str(value.reveal()).map_err(|_| HttpsError::Url)?;
            value.set_sensitive(true);
            builder = builder.header(*name, value);
        }
        let body = Full::new(Bytes::copy_from_slice(request.body.reveal().as_bytes()));
        let whole = builder.body(body).map_err(|_| HttpsError::Url)?;
        let response = requests.send_request(whole).await.map_err(|error| broken(error.to_string()))?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), LONGEST_ANSWER).collect().await;
        connection.abort();
        Ok((status, body.map_err(|error| broken(error.to_string()))?.to_bytes()))
    }
}

/// A connection to `authority` by way of a proxy. Source: RFC 9110, section 9.3.6.
async fn tunnel(tcp: TcpStream, authority: &str) -> Result<TokioIo<hyper::upgrade::Upgraded>, HttpsError> {
    let broken = |error: hyper::Error| HttpsError::Broken("the egress proxy".to_owned(), error.to_string());
    let (mut requests, connection) = http1::handshake(TokioIo::new(tcp)).await.map_err(broken)?;
    tokio::spawn(async move { drop(connection.with_upgrades().await) });
    let request = Request::connect(authority).header(header::HOST, authority).body(Empty::<Bytes>::new());
    let response = requests.send_request(request.map_err(|_| HttpsError::Url)?).await.map_err(broken)?;
    match response.status() {
        StatusCode::OK => Ok(TokioIo::new(hyper::upgrade::on(response).await.map_err(broken)?)),
        status => Err(HttpsError::Proxy(status, authority.to_owned())),
    }
}
