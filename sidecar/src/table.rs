//! A snapshot arranged for calls: what each candidate needs to be called, and how it has fared. Replaced whole, never
//! edited; connections and health of what stays the same are carried over.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use ipnet::IpNet;
use lotse_crds::name::ObjectName;
use lotse_crds::price::Price;
use lotse_crds::residency::Permitted;
use lotse_crds::snapshot::{Candidate, KeyedHeader, Keys, Snapshot, Target};

use crate::dial::{Place, PlaceError, Resolver, TlsRoots};
use crate::failure::{AttemptError, AttemptNote};
use crate::health::Recent;
use crate::moment;
use crate::upstream::Origin;

/// A snapshot arranged for calls.
pub struct Table {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// Its revision, as a header's value.
    pub revision: HeaderValue,
    lanes: Vec<Arc<Lane>>,
    origins: Origins,
}

/// The servers of a table's candidates.
type Origins = HashMap<OriginKey, Arc<Origin>>;

/// What one candidate needs to be called.
pub struct Lane {
    /// The candidate's ordinal.
    pub ordinal: usize,
    /// Its server; none for a simulated one.
    pub server: Option<Server>,
    /// The provider, as `namespace/name`: for `x-lotse-provider` and bodies.
    pub provider: String,
    /// What it costs.
    pub price: Option<Price>,
    name: ObjectName,
    model: String,
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

/// Connections are shared only by what agrees in all of this.
#[derive(Clone, PartialEq, Eq, Hash)]
struct OriginKey {
    provider: ObjectName,
    base_url: String,
    ca_bundle: Option<String>,
    allowed: Vec<IpNet>,
}

/// What tables share over their lives.
#[derive(Default)]
pub struct Shared {
    tls: TlsRoots,
    resolver: Arc<Resolver>,
    health: Mutex<HealthByName>,
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

impl Table {
    /// Arranges a snapshot and its keys; `before` lends its connections.
    pub fn new(snapshot: Snapshot, keys: &Keys, shared: &Shared, before: Option<&Self>) -> Result<Self, TableError> {
        let mut origins = HashMap::new();
        let mut lanes = Vec::new();
        for candidate in snapshot.candidates() {
            lanes.push(Arc::new(Lane::new(candidate, keys, shared, (&mut origins, before))?));
        }
        let revision = HeaderValue::from_str(&snapshot.revision().0).expect("a revision is hex digits");
        Ok(Self { snapshot, revision, lanes, origins })
    }

    /// How a permitted candidate is called.
    pub fn lane(&self, permitted: Permitted<'_>) -> &Arc<Lane> {
        &self.lanes[permitted.candidate().ordinal]
    }

    /// Whether a candidate has an outage now.
    pub fn has_outage(&self, candidate: &Candidate) -> bool {
        let health = self.lanes[candidate.ordinal].health.lock().unwrap_or_else(PoisonError::into_inner);
        health.has_outage(moment::instant())
    }
}

impl Lane {
    fn new(
        candidate: &Candidate,
        keys: &Keys,
        shared: &Shared,
        origins: (&mut Origins, Option<&Table>),
    ) -> Result<Self, TableError> {
        let (name, model) = (candidate.provider.clone(), candidate.model.clone());
        let health = {
            let mut all = shared.health.lock().unwrap_or_else(PoisonError::into_inner);
            all.entry((name.clone(), model.clone())).or_default().clone()
        };
        Ok(Self {
            ordinal: candidate.ordinal,
            server: Server::new(candidate, keys, shared, origins)?,
            provider: name.to_string(),
            price: candidate.price.clone(),
            name,
            model,
            health,
        })
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

impl Server {
    fn new(
        candidate: &Candidate,
        keys: &Keys,
        shared: &Shared,
        (origins, before): (&mut Origins, Option<&Table>),
    ) -> Result<Option<Self>, TableError> {
        let name = &candidate.provider;
        let Target::OpenAI { base_url, headers, ca_bundle, allowed_addresses } = &candidate.endpoint.target else {
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
        };
        let known = origins.get(&key).or_else(|| before?.origins.get(&key)).cloned();
        let origin = if let Some(origin) = known {
            origin
        } else {
            let place = Place::new(&url, ca_bundle.as_deref(), allowed_addresses, (&shared.tls, &shared.resolver))
                .map_err(|error| TableError::Place(name.clone(), error))?;
            Arc::new(Origin::new(place))
        };
        origins.insert(key, origin.clone());
        Ok(Some(Self {
            origin,
            path: Uri::from(path.clone()),
            host: HeaderValue::from_str(authority.as_str()).map_err(|_| header_error(name, "host"))?,
            headers: header_values(name, headers, keys)?,
        }))
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
