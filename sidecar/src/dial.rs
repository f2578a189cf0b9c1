//! Opens connections: resolves a name, keeps only addresses that may be dialled, connects to one of those very
//! addresses (no second look-up), and speaks TLS on it. Called by `upstream`, and in part by `follow`.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use ipnet::IpNet;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use lotse_crds::snapshot::Proxy;

use crate::address;
use crate::tunnel::Tunnel;

/// Where a provider listens, and how its connections are made.
pub struct Place {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    allowed: Vec<IpNet>,
    resolver: Arc<Resolver>,
    tunnel: Option<Tunnel>,
}

/// How long a resolver is waited for where good addresses are known.
const PATIENCE: Duration = Duration::from_millis(500);
/// How old addresses may be that stand in for an answer.
const LONGEST_GOOD: Duration = Duration::from_hours(1);

/// Resolves names; made when the first name is asked for.
#[derive(Default)]
pub struct Resolver {
    made: OnceLock<TokioResolver>,
    /// The last good addresses of each name: better than none when nobody can be asked.
    good: Mutex<HashMap<String, (Vec<IpAddr>, Instant)>>,
}

/// Why a name has no addresses.
enum Unanswered {
    /// There is no such name, or it has none: its addresses may be somebody else's by now.
    No(DialError),
    /// Nobody could say.
    Nobody(DialError),
}

/// Why no connection could be made.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The name has no address, or nobody could be asked.
    #[error("its name can't be resolved")]
    Unresolved(#[source] Box<hickory_resolver::net::NetError>),
    /// The resolver's configuration can't be read.
    #[error("the resolver's configuration can't be read")]
    NoResolver(#[source] Box<hickory_resolver::net::NetError>),
    /// None of its addresses may be dialled.
    #[error("its address {0} {1}")]
    Forbidden(IpAddr, &'static str),
    /// Nobody listens, or nobody answers.
    #[error("nobody listens there")]
    Refused(#[source] io::Error),
    /// The TLS handshake failed.
    #[error("TLS fails: {0}")]
    Tls(#[source] io::Error),
    /// The proxy on the way opens no connection.
    #[error("the egress proxy {0}")]
    Proxy(String),
}

/// Why a place can't be made from a snapshot.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The base URL is none.
    #[error("its base URL can't be used")]
    BaseUrl,
    /// The proxy's URL is none.
    #[error("its egressProxy.url can't be used")]
    Proxy,
    /// The certificate that we show, or its key, is none.
    #[error(
        "the Secret of its tls.clientCertificateRef must hold a certificate chain in tls.crt and its key in tls.key"
    )]
    ClientCertificate,
    /// The CA bundle holds no certificate that can be read.
    #[error("its tls.caBundle can't be read")]
    CaBundle,
}

/// TLS as providers of a snapshot share it: the public roots are parsed once.
#[derive(Default)]
pub struct TlsRoots(OnceLock<Arc<rustls::ClientConfig>>);

impl TlsRoots {
    pub(crate) fn public(&self) -> Arc<rustls::ClientConfig> {
        self.0.get_or_init(|| Arc::new(config(public_roots(), b"http/1.1"))).clone()
    }
}

fn public_roots() -> rustls::RootCertStore {
    webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect()
}

/// HTTP/1.1 over TLS, trusting `roots`, and showing the certificate of `identity`: a chain in PEM, and its key.
fn shown(roots: rustls::RootCertStore, identity: Option<&str>) -> Result<rustls::ClientConfig, PlaceError> {
    let Some(identity) = identity else { return Ok(config(roots, b"http/1.1")) };
    let wrong = |_| PlaceError::ClientCertificate;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(identity.as_bytes()).collect();
    let key = PrivateKeyDer::from_pem_slice(identity.as_bytes()).map_err(wrong)?;
    let mut config =
        builder(roots).with_client_auth_cert(chain.map_err(wrong)?, key).map_err(|_| PlaceError::ClientCertificate)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

type Builder = rustls::ConfigBuilder<rustls::ClientConfig, rustls::client::WantsClientCert>;

fn builder(roots: rustls::RootCertStore) -> Builder {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("aws-lc-rs has the default versions")
        .with_root_certificates(roots)
}

/// `protocol` over TLS 1.2 or 1.3, trusting `roots`. Environment variables change nothing here: no key log, no roots of
/// the machine.
pub(crate) fn config(roots: rustls::RootCertStore, protocol: &[u8]) -> rustls::ClientConfig {
    let mut config = builder(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    config
}

impl Place {
    /// The place behind a base URL.
    /// `trust` is the CA bundle that is trusted instead of the public roots, and the certificate that we show.
    pub fn new(
        url: &http::Uri,
        trust: (Option<&str>, Option<&str>),
        allowed: &[IpNet],
        shared: (&TlsRoots, &Arc<Resolver>),
    ) -> Result<Self, PlaceError> {
        let host = url.host().ok_or(PlaceError::BaseUrl)?.trim_matches(['[', ']']).to_owned();
        let is_tls = url.scheme_str() == Some("https");
        let tls = if is_tls {
            let config = match trust {
                (None, None) => shared.0.public(),
                (ca_bundle, identity) => {
                    let roots = ca_bundle.map_or_else(|| Ok(public_roots()), bundle)?;
                    Arc::new(shown(roots, identity)?)
                }
            };
            let name = ServerName::try_from(host.clone()).map_err(|_| PlaceError::BaseUrl)?;
            Some((TlsConnector::from(config), name))
        } else {
            None
        };
        let port = url.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        Ok(Self { host, port, tls, allowed: allowed.to_vec(), resolver: shared.1.clone(), tunnel: None })
    }

    /// The same place, through a proxy that asks for `authorization`.
    pub fn through(
        mut self,
        proxy: &Proxy,
        authorization: Option<&str>,
        shared: (&TlsRoots, &Arc<Resolver>),
    ) -> Result<Self, PlaceError> {
        let port = if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        };
        self.tunnel = Some(Tunnel::new(proxy, (port, authorization), shared)?);
        Ok(self)
    }

    /// A fresh connection.
    pub async fn dial(&self) -> Result<Wire, DialError> {
        if let Some(tunnel) = &self.tunnel {
            // The proxy resolves the name, so only an address that stands there itself can be judged here.
            if let Ok(address) = self.host.parse() {
                self.judged(vec![address])?;
            }
            // In a box: most calls need no tunnel, and should not carry the room for its two handshakes.
            return Box::pin(tunnel.dial(self.tls.as_ref())).await;
        }
        let tcp = connect(&self.addresses().await?, self.port).await?;
        let Some((connector, name)) = &self.tls else { return Ok(Wire::Plain(tcp)) };
        let tls = connector.connect(name.clone(), tcp).await.map_err(DialError::Tls)?;
        Ok(Wire::Tls(Box::new(tls)))
    }

    /// The addresses that may be dialled.
    async fn addresses(&self) -> Result<Vec<IpAddr>, DialError> {
        let all = match self.host.parse() {
            Ok(address) => vec![address],
            Err(_) => self.resolver.resolve(&self.host).await?,
        };
        self.judged(all)
    }

    /// Those of the addresses that may be dialled, or why none may.
    fn judged(&self, all: Vec<IpAddr>) -> Result<Vec<IpAddr>, DialError> {
        let mut forbidden = None;
        let mut allowed = Vec::with_capacity(all.len());
        for address in all {
            match address::refusal(address, self.tls.is_none(), &self.allowed) {
                None => allowed.push(address),
                Some(why) => forbidden = Some(DialError::Forbidden(address, why)),
            }
        }
        match forbidden {
            Some(error) if allowed.is_empty() => Err(error),
            _ => Ok(allowed),
        }
    }
}

/// Connects to the first of these addresses that answers.
pub(crate) async fn connect(addresses: &[IpAddr], port: u16) -> Result<TcpStream, DialError> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match TcpStream::connect(SocketAddr::new(*address, port)).await {
            Ok(stream) => {
                stream.set_nodelay(true).map_err(DialError::Refused)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(DialError::Refused(last))
}

pub(crate) fn bundle(pem: &str) -> Result<rustls::RootCertStore, PlaceError> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in rustls::pki_types::CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|_| PlaceError::CaBundle)?;
        roots.add(certificate).map_err(|_| PlaceError::CaBundle)?;
    }
    if roots.is_empty() { Err(PlaceError::CaBundle) } else { Ok(roots) }
}

impl Resolver {
    pub(crate) async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, DialError> {
        let now = Instant::now();
        let known = self.good().get(host).filter(|(_, at)| now - *at < LONGEST_GOOD).cloned();
        let asked = match &known {
            None => self.ask(host).await,
            Some((known, _)) => match tokio::time::timeout(PATIENCE, self.ask(host)).await {
                Ok(asked) => asked,
                Err(_) => return Ok(known.clone()),
            },
        };
        match (asked, known) {
            (Ok(found), _) => {
                self.good().insert(host.to_owned(), (found.clone(), now));
                Ok(found)
            }
            (Err(Unanswered::No(error)), _) => {
                self.good().remove(host);
                Err(error)
            }
            (Err(Unanswered::Nobody(_)), Some((known, _))) => Ok(known),
            (Err(Unanswered::Nobody(error)), None) => Err(error),
        }
    }

    fn good(&self) -> MutexGuard<'_, HashMap<String, (Vec<IpAddr>, Instant)>> {
        self.good.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, host: &str) -> Result<Vec<IpAddr>, Unanswered> {
        let resolver = if let Some(resolver) = self.made.get() {
            resolver
        } else {
            let made = TokioResolver::builder_tokio()
                .and_then(hickory_resolver::ResolverBuilder::build)
                .map_err(|error| Unanswered::Nobody(DialError::NoResolver(Box::new(error))))?;
            self.made.get_or_init(|| made)
        };
        match resolver.lookup_ip(host).await {
            Ok(found) => Ok(found.iter().collect()),
            Err(error) if error.is_nx_domain() || error.is_no_records_found() => {
                Err(Unanswered::No(DialError::Unresolved(Box::new(error))))
            }
            Err(error) => Err(Unanswered::Nobody(DialError::Unresolved(Box::new(error)))),
        }
    }
}

/// A connection's bytes, with or without TLS.
pub enum Wire {
    /// Without.
    Plain(TcpStream),
    /// With.
    Tls(Box<TlsStream<TcpStream>>),
    /// With, inside that of a proxy.
    Tunnelled(Box<TlsStream<TlsStream<TcpStream>>>),
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tunnelled(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tunnelled(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Tunnelled(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
            Self::Tunnelled(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tunnelled(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tunnelled(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
