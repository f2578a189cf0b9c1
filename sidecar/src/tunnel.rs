//! Reaches a provider through an HTTP proxy: CONNECT, then the provider's TLS inside. The proxy learns the provider's name
//! and nothing of the call. Source: RFC 9110, section 9.3.6. Called by `dial` alone.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use lotse_crds::snapshot::Proxy;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::address;
use crate::dial::{self, DialError, PlaceError, Resolver, TlsRoots, Wire};

/// A way through a proxy to one place.
pub(crate) struct Tunnel {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    /// The place, as CONNECT names it.
    authority: String,
    authorization: Option<http::HeaderValue>,
    resolver: Arc<Resolver>,
}

impl Tunnel {
    /// Through `proxy` to an authority, showing the proxy what it asks for.
    pub(crate) fn new(
        proxy: &Proxy,
        (authority, authorization): (String, Option<&str>),
        shared: (&TlsRoots, &Arc<Resolver>),
    ) -> Result<Self, PlaceError> {
        let url: Uri = proxy.url.parse().map_err(|_| PlaceError::Proxy)?;
        let host = url.host().ok_or(PlaceError::Proxy)?.trim_matches(['[', ']']).to_owned();
        let is_tls = url.scheme_str() == Some("https");
        let tls = if is_tls {
            let config = match proxy.ca_bundle.as_deref() {
                None => shared.0.public(),
                Some(pem) => Arc::new(dial::config(dial::bundle(pem)?, b"http/1.1")),
            };
            Some((TlsConnector::from(config), ServerName::try_from(host.clone()).map_err(|_| PlaceError::Proxy)?))
        } else {
            None
        };
        let mut authorization =
            authorization.map(http::HeaderValue::from_str).transpose().map_err(|_| PlaceError::Proxy)?;
        if let Some(value) = &mut authorization {
            value.set_sensitive(true);
        }
        let port = url.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        Ok(Self { host, port, tls, authority, authorization, resolver: shared.1.clone() })
    }

    /// A fresh connection to the place, with its own TLS if it has one.
    pub(crate) async fn dial(&self, inner: Option<&(TlsConnector, ServerName<'static>)>) -> Result<Wire, DialError> {
        let tcp = self.reach().await?;
        match (&self.tls, inner) {
            (None, None) => Ok(Wire::Plain(self.ask(tcp).await?)),
            (None, Some(inner)) => {
                let tcp = self.ask(tcp).await?;
                Ok(Wire::Tls(Box::new(inner.0.connect(inner.1.clone(), tcp).await.map_err(DialError::Tls)?)))
            }
            (Some(outer), inner) => {
                let tls = outer.0.connect(outer.1.clone(), tcp).await.map_err(DialError::Tls)?;
                let tls = self.ask(tls).await?;
                let Some(inner) = inner else { return Ok(Wire::Tls(Box::new(tls))) };
                let both = inner.0.connect(inner.1.clone(), tls).await.map_err(DialError::Tls)?;
                Ok(Wire::Tunnelled(Box::new(both)))
            }
        }
    }

    /// The proxy itself. It may be anywhere, since the platform names it, but not where clouds keep credentials.
    async fn reach(&self) -> Result<TcpStream, DialError> {
        let all: Vec<IpAddr> = match self.host.parse() {
            Ok(address) => vec![address],
            Err(_) => self.resolver.resolve(&self.host).await?,
        };
        if let Some(address) = all.iter().find(|address| address::is_metadata(**address)) {
            return Err(DialError::Forbidden(*address, "is a cloud's metadata address"));
        }
        dial::connect(&all, self.port).await
    }

    /// Asks for a connection to the place; what is given back is that connection.
    async fn ask<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(&self, stream: S) -> Result<S, DialError> {
        let broken = |error: hyper::Error| DialError::Proxy(format!("breaks off: {error}"));
        let (mut requests, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let mut request = Request::connect(&self.authority).header(header::HOST, &self.authority);
        if let Some(value) = &self.authorization {
            request = request.header(header::PROXY_AUTHORIZATION, value);
        }
        let request = request.body(Empty::<Bytes>::new()).map_err(|_| DialError::Proxy("can't be asked".to_owned()))?;
        let opened = async {
            let response = requests.send_request(request).await.map_err(broken)?;
            match response.status() {
                StatusCode::OK => Ok(()),
                status => Err(DialError::Proxy(format!("answers {}", status.as_u16()))),
            }
        };
        // HTTP ends when the proxy has agreed, and not before: whichever comes first, both are needed.
        let (mut opened, mut connection) = (std::pin::pin!(opened), std::pin::pin!(connection.without_shutdown()));
        let mut ended = None;
        loop {
            tokio::select! {
                biased;
                agreed = &mut opened => {
                    agreed?;
                    break;
                }
                parts = &mut connection, if ended.is_none() => ended = Some(parts),
            }
        }
        let parts = match ended {
            Some(parts) => parts,
            None => connection.await,
        };
        Ok(parts.map_err(broken)?.io.into_inner())
    }
}
