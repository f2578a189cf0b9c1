//! One follower: says hello, takes what comes, acknowledges it.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use http_body_util::BodyExt as _;
use http_body_util::channel::Channel;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use k8s_openapi::api::core::v1::{Secret, Service};
use kube::{Api, Client};
use lotse_crds::delivery::{Ack, Epoch, FromSidecar, Hello, LONGEST_DELIVERY, Lines, Outcome, PATH, line};
use lotse_crds::restriction;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::Heard;
use crate::world::ROOT;

/// Where the controller is, and how it is believed.
pub(crate) struct Endpoint {
    address: SocketAddr,
    name: String,
    tls: TlsConnector,
}

/// A follower.
pub(crate) struct Follower {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) token: String,
    pub(crate) heard: Arc<Heard>,
}

/// What a follower reads of a delivery.
#[derive(Deserialize)]
struct Head {
    delivery: Option<Delivered>,
}

#[derive(Deserialize)]
struct Delivered {
    epoch: Epoch,
}

impl Endpoint {
    /// The Service's address, with the authority of its certificate.
    pub(crate) async fn find(client: &Client) -> anyhow::Result<Self> {
        let service = Api::<Service>::namespaced(client.clone(), ROOT).get("lotse-controller").await?;
        let ip = service.spec.and_then(|spec| spec.cluster_ip).context("the Service has an address")?;
        let secret = Api::<Secret>::namespaced(client.clone(), ROOT).get("lotse-controller-tls").await?;
        let bundle = secret.data.and_then(|mut data| data.remove("ca.crt")).context("the Secret has a bundle")?;
        let mut roots = rustls::RootCertStore::empty();
        for authority in CertificateDer::pem_slice_iter(&bundle.0) {
            roots.add(authority?)?;
        }
        let mut config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self {
            address: SocketAddr::new(ip.parse()?, 14443),
            name: format!("lotse-controller.{ROOT}.svc"),
            tls: TlsConnector::from(Arc::new(config)),
        })
    }
}

impl Follower {
    /// Follows until the stream ends; says why if it should not have.
    pub(crate) async fn run(self) {
        if let Err(error) = self.follow().await {
            crate::say(&format!("a follower has lost its stream: {error:#}"));
        }
    }

    async fn follow(&self) -> anyhow::Result<()> {
        let tcp = TcpStream::connect(self.endpoint.address).await?;
        let name = ServerName::try_from(self.endpoint.name.clone())?;
        let tls = self.endpoint.tls.connect(name, tcp).await?;
        let (mut requests, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(tls)).await?;
        tokio::spawn(connection);
        let (mut says, body) = Channel::<_, std::convert::Infallible>::new(8);
        let restrictions = restriction::EXECUTABLE.map(str::to_owned).to_vec();
        let hello = FromSidecar::Hello(Hello { version: "bench".to_owned(), restrictions, holds: None });
        says.send_data(bytes::Bytes::from(line(&hello))).await?;
        let request = http::Request::post(format!("https://{}:14443{PATH}", self.endpoint.name))
            .header("authorization", format!("Bearer {}", self.token))
            .body(body)?;
        let response = requests.send_request(request).await?;
        if !response.status().is_success() {
            bail!("the controller answers {}", response.status());
        }
        let mut body = response.into_body();
        let mut lines = Lines::new(LONGEST_DELIVERY);
        while let Some(frame) = body.frame().await {
            let Ok(bytes) = frame?.into_data() else { continue };
            for said in lines.push(&bytes)? {
                if let Some(delivered) = serde_json::from_slice::<Head>(&said)?.delivery {
                    let ack = FromSidecar::Ack(Ack { epoch: delivered.epoch, outcome: Outcome::Applied });
                    says.send_data(line(&ack).into()).await?;
                    self.heard.ack();
                }
            }
        }
        Ok(())
    }
}
