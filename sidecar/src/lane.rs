//! Lanes: what each candidate of a table needs to be called, how it has fared, and where its calls are counted.
//! Made when a snapshot comes into force, so that a call looks nothing up and writes no label.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use ipnet::IpNet;
use lotse_crds::name::ObjectName;
use lotse_crds::price::Price;
use lotse_crds::secret::Secret;
use lotse_crds::snapshot::{Candidate, KeyedHeader, Keys, Proxy, Target};

use crate::dial::{Place, PlaceError, Resolver, TlsRoots};
use crate::failure::{AttemptError, AttemptNote};
use crate::health::Recent;
use crate::metrics::{LaneMetrics, Metrics};
use crate::moment;
use crate::upstream::Origin;

/// What one candidate needs to be called.
pub struct Lane {
    /// The candidate's ordinal.
    pub ordinal: usize,
    /// Its server; none for a simulated one.
    pub server: Option<Server>,
    /// The provider's name.
    pub name: ObjectName,
    /// The provider, as `namespace/name`: for `x-lotse-provider` and bodies.
    pub provider: String,
    /// The model, as routes call it.
    pub model: String,
    /// What it costs.
    pub price: Option<Price>,
    /// Where its calls are counted.
    pub metrics: LaneMetrics,
    health: Arc<Mutex<Recent>>,
}

/// A candidate's server.
pub struct Server {
    /// Where it is, and the connections to it.
    pub origin: Arc<Origin>,
    /// The path of its chat completions.
    pub path: Uri,
    /// The value of its Host header.
    pub host: HeaderValue,
    /// The headers of every call: credentials and the provider's own.
    pub headers: HeaderMap,
}

/// The servers of a table's candidates. Connections are shared only by what agrees in all of the key.
pub(crate) type Origins = HashMap<OriginKey, Arc<Origin>>;

/// What must agree for connections to be shared.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct OriginKey {
    provider: ObjectName,
    base_url: String,
    ca_bundle: Option<String>,
    allowed: Vec<IpNet>,
    proxy: Option<Proxy>,
    proxy_key: Option<String>,
}

/// What tables share over their lives.
#[derive(Default)]
pub struct Shared {
    tls: TlsRoots,
    /// Resolves names, of providers and of the operator.
    pub(crate) resolver: Arc<Resolver>,
    health: Mutex<HealthByName>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// How candidates have fared, by provider and model.
type HealthByName = HashMap<(ObjectName, String), Arc<Mutex<Recent>>>;

/// Why a snapshot can't be used. It is then refused whole.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// A provider's server can't be described.
    #[error("LLMProvider {0}: {1}")]
    Place(ObjectName, #[source] PlaceError),
    /// A key is missing or holds what no header can.
    #[error("LLMProvider {0}: the value of header `{1}` is missing or can't be sent; must be visible ASCII")]
    Header(ObjectName, String),
}

/// What the lanes of a new table are made from.
pub(crate) struct Assembly<'a> {
    pub(crate) keys: &'a Keys,
    pub(crate) shared: &'a Shared,
    /// The servers of the table before, whose connections go on.
    pub(crate) before: Option<&'a Origins>,
    /// The servers of the new table.
    pub(crate) origins: Origins,
}

impl Assembly<'_> {
    /// The lane of a candidate of `route`.
    pub(crate) fn lane(&mut self, route: &ObjectName, candidate: &Candidate) -> Result<Lane, TableError> {
        let (name, model) = (candidate.provider.clone(), candidate.model.clone());
        let health = {
            let mut all = self.shared.health.lock().unwrap_or_else(PoisonError::into_inner);
            all.entry((name.clone(), model.clone())).or_default().clone()
        };
        Ok(Lane {
            ordinal: candidate.ordinal,
            server: self.server(candidate)?,
            provider: name.to_string(),
            price: candidate.price.clone(),
            metrics: self.shared.metrics.of_lane(route, &name, &model),
            name,
            model,
            health,
        })
    }

    fn server(&mut self, candidate: &Candidate) -> Result<Option<Server>, TableError> {
        let name = &candidate.provider;
        let Target::OpenAI { base_url, headers, ca_bundle, allowed_addresses, proxy } = &candidate.endpoint.target
        else {
            return Ok(None);
        };
        let no_url = || TableError::Place(name.clone(), PlaceError::BaseUrl);
        let url: Uri = format!("{base_url}/chat/completions").parse().map_err(|_| no_url())?;
        let (authority, path) = url.authority().zip(url.path_and_query()).ok_or_else(no_url)?;
        let key = OriginKey {
            provider: name.clone(),
            base_url: base_url.clone(),
            ca_bundle: ca_bundle.clone(),
            allowed: allowed_addresses.clone(),
            proxy: proxy.clone(),
            proxy_key: self.proxy_key(name, proxy.as_ref())?.map(|key| key.reveal().to_owned()),
        };
        let known = self.origins.get(&key).or_else(|| self.before?.get(&key)).cloned();
        let origin = if let Some(origin) = known {
            origin
        } else {
            let shared = (&self.shared.tls, &self.shared.resolver);
            let at = |error| TableError::Place(name.clone(), error);
            let mut place = Place::new(&url, ca_bundle.as_deref(), allowed_addresses, shared).map_err(at)?;
            if let Some(proxy) = proxy {
                place = place.through(proxy, key.proxy_key.as_deref(), shared).map_err(at)?;
            }
            Arc::new(Origin::new(place))
        };
        self.origins.insert(key, origin.clone());
        Ok(Some(Server {
            origin,
            path: Uri::from(path.clone()),
            host: HeaderValue::from_str(authority.as_str()).map_err(|_| header_error(name, "host"))?,
            headers: header_values(name, headers, self.keys)?,
        }))
    }
}

impl Assembly<'_> {
    /// What a proxy asks for; a key that is missing refuses the snapshot.
    fn proxy_key(&self, name: &ObjectName, proxy: Option<&Proxy>) -> Result<Option<&Secret>, TableError> {
        match proxy.and_then(|proxy| proxy.key.as_ref()) {
            None => Ok(None),
            Some(key) => self.keys.get(key).map(Some).ok_or_else(|| header_error(name, "proxy-authorization")),
        }
    }
}

impl Lane {
    /// Whether the candidate has an outage now.
    pub fn has_outage(&self) -> bool {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).has_outage(moment::instant())
    }

    /// Notes how a call ended, and whether it failed by the provider's own fault.
    pub fn note(&self, fault: bool) {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).note(moment::instant(), fault);
    }

    /// An attempt at this candidate that failed, as callers are told.
    pub fn note_of(&self, error: &AttemptError) -> AttemptNote {
        AttemptNote {
            provider: self.name.clone(),
            model: self.model.clone(),
            code: error.code(),
            status: error.status(),
            message: error.message(),
        }
    }

    /// Takes the credentials out of bytes that a provider sent, should it have echoed them.
    pub fn scrub(&self, text: &str) -> String {
        let mut clean = text.to_owned();
        let headers = self.server.iter().flat_map(|server| server.headers.values());
        for value in headers.filter_map(|value| value.to_str().ok()) {
            let secret = value.strip_prefix("Bearer ").unwrap_or(value);
            if secret.len() >= 4 {
                clean = clean.replace(secret, "[redacted]");
            }
        }
        clean
    }
}

fn header_values(name: &ObjectName, headers: &[KeyedHeader], keys: &Keys) -> Result<HeaderMap, TableError> {
    let mut values = HeaderMap::with_capacity(headers.len());
    for header in headers {
        let value = keys.get(&header.key).and_then(|secret| HeaderValue::from_str(secret.reveal()).ok());
        let (Ok(header_name), Some(mut value)) = (HeaderName::try_from(&header.name), value) else {
            return Err(header_error(name, &header.name));
        };
        value.set_sensitive(true);
        values.insert(header_name, value);
    }
    Ok(values)
}

fn header_error(name: &ObjectName, header: &str) -> TableError {
    TableError::Header(name.clone(), header.to_owned())
}
