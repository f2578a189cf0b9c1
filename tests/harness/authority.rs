//! A certificate authority of a test's own, and servers with its certificates.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

/// A certificate authority.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Default for Authority {
    fn default() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names are fine");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self { issuer: CertifiedIssuer::self_signed(params, key).expect("a certificate") }
    }
}

impl Authority {
    /// Its certificate, as PEM.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A server with a certificate for these names or addresses.
    pub fn server(&self, names: &[&str]) -> TlsAcceptor {
        self.speaking(names, &[])
    }

    /// The same, that speaks HTTP/2.
    pub fn h2_server(&self, names: &[&str]) -> TlsAcceptor {
        self.speaking(names, &[b"h2"])
    }

    /// A server that talks to those alone who show a certificate of `clients`.
    pub fn demanding_server(&self, names: &[&str], clients: &Self) -> TlsAcceptor {
        let mut roots = RootCertStore::empty();
        roots.add(clients.issuer.der().clone()).expect("a certificate");
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
        self.verifying(names, &[], verifier.build().expect("there is a root"))
    }

    /// A client's certificate and its key, as PEM.
    pub fn client(&self) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["lotse".to_owned()]).expect("a good name");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }

    /// A server that speaks these protocols, the first that the client offers.
    pub fn speaking(&self, names: &[&str], protocols: &[&[u8]]) -> TlsAcceptor {
        self.verifying(names, protocols, WebPkiClientVerifier::no_client_auth())
    }

    fn verifying(&self, names: &[&str], protocols: &[&[u8]], verifier: Arc<dyn ClientCertVerifier>) -> TlsAcceptor {
        let key = KeyPair::generate().expect("a key");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let params = CertificateParams::new(names).expect("good names");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("default versions")
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![certificate.der().clone()], private)
            .expect("the key is the certificate's");
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
