//! Serves TLS with a certificate that may change at any time: the Secret that holds it is watched, and each handshake takes
//! what is current. Called by both programs: the controller for its streams, the injector for the webhook.

use std::pin::pin;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// The certificate in force.
#[derive(Debug, Default)]
struct Current(ArcSwapOption<CertifiedKey>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load_full()
    }
}

/// What a watched Secret gives.
pub struct Served {
    /// Accepts TLS with what is current.
    pub acceptor: TlsAcceptor,
    /// The bundle that clients should believe; empty until there is a certificate.
    pub bundle: watch::Receiver<String>,
}

/// Why a Secret can't be served from.
#[derive(Debug, thiserror::Error)]
enum SecretError {
    #[error("it has no key `{0}`")]
    Missing(&'static str),
    #[error("tls.crt or tls.key can't be read")]
    Pem(#[from] rustls::pki_types::pem::Error),
    #[error("tls.crt and tls.key do not belong together or can't be used")]
    Pair(#[from] rustls::Error),
}

/// Watches Secret `name` in `namespace` and serves what it holds. `alpn` names the protocols.
pub fn serve(client: &Client, namespace: &str, name: &str, alpn: &[&str]) -> Served {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let current = Arc::new(Current::default());
    let mut config = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("aws-lc-rs has the default versions")
        .with_no_client_auth()
        .with_cert_resolver(current.clone());
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let (bundle, bundles) = watch::channel(String::new());
    let api = Api::namespaced(client.clone(), namespace);
    tokio::spawn(follow(api, name.to_owned(), (current, provider), bundle));
    Served { acceptor: TlsAcceptor::from(Arc::new(config)), bundle: bundles }
}

async fn follow(
    api: Api<Secret>,
    name: String,
    (current, provider): (Arc<Current>, Arc<CryptoProvider>),
    bundle: watch::Sender<String>,
) {
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let mut events = pin!(watcher(api, config).default_backoff());
    while let Some(event) = events.next().await {
        let secret = match event {
            Ok(Event::Apply(secret) | Event::InitApply(secret)) => secret,
            // A certificate that was taken away is still good until its end; what replaces it comes as a new object.
            Ok(Event::Init | Event::InitDone | Event::Delete(_)) => continue,
            Err(error) => {
                tracing::warn!(%error, secret = name, "can't watch the certificate; the one in force stays");
                continue;
            }
        };
        match certified(&secret, &provider) {
            Ok((key, authorities)) => {
                tracing::info!(secret = name, "a certificate is in force");
                current.0.store(Some(Arc::new(key)));
                bundle.send_replace(authorities);
            }
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                secret = name,
                "the certificate can't be used; the one in force stays"
            ),
        }
    }
}

fn certified(secret: &Secret, provider: &CryptoProvider) -> Result<(CertifiedKey, String), SecretError> {
    let data = secret.data.as_ref();
    let value = |key: &'static str| {
        data.and_then(|data| data.get(key)).map(|value| value.0.as_slice()).ok_or(SecretError::Missing(key))
    };
    let chain: Vec<_> = CertificateDer::pem_slice_iter(value("tls.crt")?).collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(value("tls.key")?)?;
    let certified = CertifiedKey::from_der(chain, key, provider)?;
    Ok((certified, String::from_utf8_lossy(value("ca.crt")?).into_owned()))
}
