//! From a resolved provider to the server that its candidates call, with the keys that it needs.

use base64::Engine as _;

use super::CandidateKeys;
use super::endpoint::Endpoint;
use super::resolved::Resolved;
use crate::exchange::AwsKeys;
use crate::manifests::Manifests;
use crate::name::ObjectName;
use crate::provider::{AwsStaticKeys, Credential, CredentialType, EgressProxy, Header, SecretKeyRef};
use crate::secret::Secret;
use crate::snapshot::{KeyName, KeyedHeader, Proxy, Server, SigV4, Target};

/// What a call would lack.
pub(super) enum Lacking {
    /// A Secret, or a key of it.
    Secret(ObjectName, String),
    /// The result of an exchange, and why it is not there if that is known.
    Exchange(Option<String>),
    /// A Secret that can be used.
    Usable(String),
}

impl Lacking {
    /// The stable word, and a sentence.
    pub(super) fn reason(self) -> (&'static str, String) {
        match self {
            Self::Secret(name, key) => ("credential_not_found", format!("Secret {name} has no key `{key}`")),
            Self::Exchange(None) => ("credential_pending", "its credential has not been exchanged yet".to_owned()),
            Self::Exchange(Some(why)) => ("credential_pending", format!("its credential can't be exchanged: {why}")),
            Self::Usable(why) => ("credential_invalid", why),
        }
    }
}

/// The target of a provider's candidates.
pub(super) fn target(manifests: &Manifests, resolved: &Resolved<'_>) -> Result<(Target, CandidateKeys), Lacking> {
    let Some(endpoint) = &resolved.endpoint else {
        return Ok((Target::Simulated(resolved.spec.simulated.clone().unwrap_or_default()), Vec::new()));
    };
    let mut packing = Packing { manifests, resolved, endpoint, headers: Vec::new(), keys: Vec::new() };
    let sigv4 = packing.credential()?;
    packing.headers()?;
    let spec = &resolved.spec;
    let client_certificate = packing.client_certificate()?;
    let proxy = packing.proxy()?;
    let server = Server {
        wire: endpoint.wire.clone(),
        base_url: endpoint.base_url.clone(),
        operations: endpoint.offering.operations.clone(),
        headers: packing.headers,
        sigv4,
        ca_bundle: spec.tls.as_ref().and_then(|tls| tls.ca_bundle.clone()),
        client_certificate,
        allowed_addresses: spec.allowed_addresses.iter().filter_map(|network| network.parse().ok()).collect(),
        proxy,
        quirks: endpoint.offering.quirks.clone(),
    };
    Ok((Target::Server(Box::new(server)), packing.keys))
}

/// Puts a server together.
struct Packing<'a> {
    manifests: &'a Manifests,
    resolved: &'a Resolved<'a>,
    endpoint: &'a Endpoint<'static>,
    headers: Vec<KeyedHeader>,
    keys: CandidateKeys,
}

impl Packing<'_> {
    fn secret(&self, reference: &SecretKeyRef) -> Result<&Secret, Lacking> {
        self.secret_in(&self.resolved.name.namespace, reference)
    }

    fn secret_in(&self, namespace: &str, reference: &SecretKeyRef) -> Result<&Secret, Lacking> {
        self.manifests
            .secret(namespace, reference)
            .ok_or_else(|| Lacking::Secret(ObjectName::new(namespace, &reference.name), reference.key.clone()))
    }

    fn key(&mut self, what: &str, value: Secret) -> KeyName {
        let key = KeyName(format!("{}/{what}", self.resolved.name));
        self.keys.push((key.clone(), value));
        key
    }

    fn carry(&mut self, header: &str, value: Secret) {
        let key = self.key(header, value);
        self.headers.push(KeyedHeader { name: header.to_owned(), key });
    }

    /// Carries the credential in its header, or says how it signs.
    fn credential(&mut self) -> Result<Option<SigV4>, Lacking> {
        let Some(credential) = self.resolved.spec.credential.clone() else { return Ok(None) };
        if let Some(api_key) = &credential.api_key {
            let header = &self.endpoint.offering.key_header;
            let value = Secret::new(format!("{}{}", header.prefix, self.secret(&api_key.secret_ref)?.reveal().trim()));
            self.carry(&header.name.clone(), value);
            return Ok(None);
        }
        let value = self.exchanged(&credential)?;
        if credential.kind != CredentialType::AWS {
            self.carry("authorization", Secret::new(format!("Bearer {}", value.reveal().trim())));
            return Ok(None);
        }
        Ok(Some(SigV4 {
            service: self.endpoint.service.unwrap_or_default().to_owned(),
            region: self.endpoint.region.clone().unwrap_or_default(),
            key: self.key("aws", value),
        }))
    }

    /// What the credential has been exchanged for, or the AWS keys that sign as they are.
    fn exchanged(&self, credential: &Credential) -> Result<Secret, Lacking> {
        let Some(exchange) = self.resolved.exchange() else {
            let keys =
                credential.aws.as_ref().and_then(|aws| aws.static_keys.as_ref()).ok_or(Lacking::Exchange(None))?;
            return self.static_keys(keys);
        };
        for reference in credential.secret_refs() {
            if let Some(why) = exchange.kind.refusal(reference, self.secret(reference)?) {
                let name = ObjectName::new(&self.resolved.name.namespace, &reference.name);
                return Err(Lacking::Usable(format!("Secret {name}: {why}")));
            }
        }
        let why = || self.manifests.unexchanged.get(&exchange).cloned();
        self.manifests.exchanged.get(&exchange).cloned().ok_or_else(|| Lacking::Exchange(why()))
    }

    fn static_keys(&self, keys: &AwsStaticKeys) -> Result<Secret, Lacking> {
        let value = |reference: &SecretKeyRef| Ok(self.secret(reference)?.reveal().trim().to_owned());
        let keys = AwsKeys {
            access_key_id: value(&keys.access_key_id_ref)?,
            secret_access_key: value(&keys.secret_access_key_ref)?,
            session_token: keys.session_token_ref.as_ref().map(value).transpose()?,
        };
        Ok(keys.to_secret())
    }

    /// The provider's own headers, and of the vendor's those that it does not set.
    fn headers(&mut self) -> Result<(), Lacking> {
        let own = self.resolved.spec.headers.clone();
        for (name, value) in &self.endpoint.offering.headers {
            if own.iter().all(|header| header.name != *name) {
                self.carry(name, Secret::new(value.clone()));
            }
        }
        for header in &own {
            let value = self.header_value(header)?;
            self.carry(&header.name, value);
        }
        Ok(())
    }

    fn header_value(&self, header: &Header) -> Result<Secret, Lacking> {
        match &header.secret_ref {
            Some(reference) => self.secret(reference).cloned(),
            None => Ok(Secret::new(header.value.clone().unwrap_or_default())),
        }
    }

    fn client_certificate(&mut self) -> Result<Option<KeyName>, Lacking> {
        let Some(reference) = self.resolved.spec.tls.as_ref().and_then(|tls| tls.client_certificate_ref.as_ref())
        else {
            return Ok(None);
        };
        let [chain, key] = reference.tls_keys();
        let (chain, key) = (self.secret(&chain)?.reveal().trim(), self.secret(&key)?.reveal().trim());
        let both = Secret::new(format!("{chain}\n{key}\n"));
        Ok(Some(self.key("client-certificate", both)))
    }

    fn proxy(&mut self) -> Result<Option<Proxy>, Lacking> {
        let spec = &self.resolved.spec;
        let proxy = spec.egress_proxy.as_ref().or_else(|| {
            // What is in the cluster is not on the way out of it.
            self.manifests.egress_proxy.as_ref().filter(|_| spec.allowed_addresses.is_empty())
        });
        let Some(EgressProxy { url, credential, ca_bundle }) = proxy.cloned() else { return Ok(None) };
        let mut key = None;
        if let Some(credential) = credential {
            // It is the way that is proved to, not the provider: who has said the way has said its credential.
            let value = self.secret_in(&self.resolved.origin.namespace, &credential.secret_ref)?;
            let basic = base64::engine::general_purpose::STANDARD.encode(value.reveal().trim());
            key = Some(self.key("egress-proxy", Secret::new(format!("Basic {basic}"))));
        }
        Ok(Some(Proxy { url: url.trim_end_matches('/').to_owned(), key, ca_bundle }))
    }
}
