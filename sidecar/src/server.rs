//! A candidate's server: where it is, the connections to it, and how a call to it is addressed and authenticated.
//! Made when a snapshot comes into force, so that a call looks nothing up and formats no path.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri, header};
use ipnet::IpNet;
use lotse_crds::exchange::AwsKeys;
use lotse_crds::name::ObjectName;
use lotse_crds::secret::Secret;
use lotse_crds::sign::{self, Payload, Scope, SignError, Signable};
use lotse_crds::snapshot::{self, Candidate, KeyName, KeyedHeader, Keys, Proxy, Quirks, Target};
use lotse_crds::wire::{Operation, Wire};
use sha2::{Digest, Sha256};

use crate::dial::{Place, PlaceError};
use crate::format::Format;
use crate::format::embeddings::Host;
use crate::lane::{Assembly, TableError};
use crate::moment;
use crate::upstream::{Origin, Pieces};

/// A candidate's server.
pub struct Server {
    /// Where it is, and the connections to it.
    pub origin: Arc<Origin>,
    /// How it takes calls.
    pub wire: Wire,
    /// Where it departs from its dialect.
    pub quirks: Quirks,
    /// Where it answers calls for text that are not in its dialect.
    pub spoken: Option<Spoken>,
    /// Where it answers calls for embeddings, if not as OpenAI does.
    pub embeddings: Option<(Host, Uri)>,
    host: HeaderValue,
    headers: HeaderMap,
    signing: Option<Signing>,
    native: Vec<(Operation, Paths)>,
}

/// How calls to a server are signed.
struct Signing {
    service: String,
    region: String,
    keys: AwsKeys,
}

/// The dialect in which a server answers calls for text, and where.
pub struct Spoken {
    /// The dialect.
    pub format: Format,
    paths: Paths,
}

/// The path of a whole answer, and that of a stream.
struct Paths([Uri; 2]);

impl Paths {
    fn of(&self, stream: bool) -> &Uri {
        &self.0[usize::from(stream)]
    }
}

impl Spoken {
    /// The path and query.
    pub fn uri(&self, stream: bool) -> &Uri {
        self.paths.of(stream)
    }
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
    client_certificate: Option<String>,
}

impl Server {
    /// The path and query of an operation that the server has itself.
    pub fn native(&self, operation: Operation, stream: bool) -> Option<&Uri> {
        let (_, paths) = self.native.iter().find(|(native, _)| *native == operation)?;
        Some(paths.of(stream))
    }

    /// Puts in what the server asks for. Last, so that nothing an app sends stands beside a provider's own headers.
    pub(crate) fn authenticate(&self, request: &mut Request<Pieces>, body: &[Bytes]) -> Result<(), SignError> {
        let headers = request.headers_mut();
        headers.insert(header::HOST, self.host.clone());
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
        match &self.signing {
            None => Ok(()),
            Some(signing) => signing.sign(request, body),
        }
    }

    /// The values that no answer may show.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        let signing = self.signing.iter().flat_map(|Signing { keys, .. }| {
            [Some(keys.access_key_id.as_str()), Some(&keys.secret_access_key), keys.session_token.as_deref()]
        });
        let headers = self.headers.values().filter_map(|value| value.to_str().ok());
        headers.chain(signing.flatten())
    }
}

impl Signing {
    fn sign(&self, request: &mut Request<Pieces>, body: &[Bytes]) -> Result<(), SignError> {
        let digest = sha256(body);
        let mut headers = Vec::with_capacity(request.headers().len());
        for (name, value) in request.headers() {
            headers.push((name.as_str(), value.to_str().map_err(|_| SignError::Request)?));
        }
        let signable = Signable {
            method: request.method().as_str(),
            host: "",
            path: request.uri().path_and_query().map_or("/", PathAndQuery::as_str),
            headers: &headers,
            body: Payload::Sha256(&digest),
        };
        let scope = Scope { service: &self.service, region: &self.region };
        for signed in sign::sign(&signable, &self.keys, scope, moment::now())? {
            let mut value = HeaderValue::from_str(signed.value.reveal()).map_err(|_| SignError::Request)?;
            value.set_sensitive(true);
            request.headers_mut().insert(signed.name, value);
        }
        Ok(())
    }
}

fn sha256(body: &[Bytes]) -> String {
    let mut digest = Sha256::new();
    for piece in body {
        digest.update(piece);
    }
    digest.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a string takes any text");
        hex
    })
}

impl Assembly<'_> {
    /// The server of a candidate; none for a simulated one.
    pub(crate) fn server(&mut self, candidate: &Candidate) -> Result<Option<Server>, TableError> {
        let name = &candidate.provider;
        let Target::Server(spec) = &candidate.endpoint.target else { return Ok(None) };
        let no_url = || TableError::Place(name.clone(), PlaceError::BaseUrl);
        let url: Uri = spec.base_url.parse().map_err(|_| no_url())?;
        let authority = url.authority().ok_or_else(no_url)?;
        let paths = |operation| paths(spec, url.path(), operation, &candidate.endpoint.upstream_model);
        // What Gemini and Bedrock have is not in any caller's dialect.
        let is_own = !matches!(spec.wire, Wire::Gemini | Wire::Bedrock);
        let native =
            spec.operations.iter().filter(|_| is_own).filter_map(|operation| Some((*operation, paths(*operation)?)));
        let spoken = spoken(spec).and_then(|(operation, format)| Some(Spoken { format, paths: paths(operation)? }));
        let embeds = host(spec, &candidate.endpoint.upstream_model);
        let embeddings = embeds.and_then(|host| Some((host, paths(Operation::Embeddings)?.0[0].clone())));
        Ok(Some(Server {
            embeddings,
            origin: self.origin(name, spec, &url)?,
            wire: spec.wire.clone(),
            quirks: spec.quirks.clone(),
            native: native.collect(),
            spoken,
            host: HeaderValue::from_str(authority.as_str()).map_err(|_| header_error(name, "host"))?,
            headers: header_values(name, &spec.headers, self.keys)?,
            signing: self.signing(name, spec)?,
        }))
    }

    fn origin(&mut self, name: &ObjectName, spec: &snapshot::Server, url: &Uri) -> Result<Arc<Origin>, TableError> {
        let proxy_key = spec.proxy.as_ref().and_then(|proxy| proxy.key.as_ref());
        let key = OriginKey {
            provider: name.clone(),
            base_url: spec.base_url.clone(),
            ca_bundle: spec.ca_bundle.clone(),
            allowed: spec.allowed_addresses.clone(),
            proxy: spec.proxy.clone(),
            proxy_key: self.revealed(name, proxy_key, "proxy-authorization")?,
            client_certificate: self.revealed(name, spec.client_certificate.as_ref(), "client certificate")?,
        };
        if let Some(known) = self.origins.get(&key).or_else(|| self.before?.get(&key)).cloned() {
            self.origins.insert(key, known.clone());
            return Ok(known);
        }
        let at = |error| TableError::Place(name.clone(), error);
        let shared = (&self.shared.tls, &self.shared.resolver);
        let trust = (spec.ca_bundle.as_deref(), key.client_certificate.as_deref());
        let mut place = Place::new(url, trust, &spec.allowed_addresses, shared).map_err(at)?;
        if let Some(proxy) = &spec.proxy {
            place = place.through(proxy, key.proxy_key.as_deref(), shared).map_err(at)?;
        }
        let origin = Arc::new(Origin::new(place));
        self.origins.insert(key, origin.clone());
        Ok(origin)
    }

    fn signing(&self, name: &ObjectName, spec: &snapshot::Server) -> Result<Option<Signing>, TableError> {
        let Some(sigv4) = &spec.sigv4 else { return Ok(None) };
        let missing = || header_error(name, header::AUTHORIZATION.as_str());
        let secret = self.keys.get(&sigv4.key).ok_or_else(missing)?;
        let keys = AwsKeys::read(secret).map_err(|_| missing())?;
        Ok(Some(Signing { service: sigv4.service.clone(), region: sigv4.region.clone(), keys }))
    }

    /// The value of a key; one that is missing refuses the snapshot.
    fn revealed(&self, name: &ObjectName, key: Option<&KeyName>, what: &str) -> Result<Option<String>, TableError> {
        let Some(key) = key else { return Ok(None) };
        let value: &Secret = self.keys.get(key).ok_or_else(|| header_error(name, what))?;
        Ok(Some(value.reveal().to_owned()))
    }
}

fn paths(spec: &snapshot::Server, base_path: &str, operation: Operation, model: &str) -> Option<Paths> {
    let path = |stream| spec.wire.url_path(base_path, operation, model, stream)?.parse::<Uri>().ok();
    Some(Paths([path(false)?, path(true)?]))
}

/// The operation and dialect in which a server answers calls for text.
fn spoken(spec: &snapshot::Server) -> Option<(Operation, Format)> {
    match spec.wire {
        Wire::OpenAI | Wire::AzureDeployments { .. } => [
            (Operation::ChatCompletions, Format::Chat),
            (Operation::Responses, Format::Responses),
            (Operation::Messages, Format::Messages),
        ]
        .into_iter()
        .find(|(operation, _)| spec.operations.contains(operation)),
        Wire::Anthropic | Wire::AnthropicOnVertex | Wire::AnthropicOnBedrock => {
            Some((Operation::Messages, Format::Messages))
        }
        Wire::Gemini => Some((Operation::ChatCompletions, Format::Gemini)),
        Wire::Bedrock => Some((Operation::ChatCompletions, Format::Converse)),
    }
}

/// How a server takes calls for embeddings, if not as OpenAI does.
fn host(spec: &snapshot::Server, model: &str) -> Option<Host> {
    match spec.wire {
        Wire::Gemini if spec.base_url.contains("/publishers/") => Some(Host::Vertex),
        Wire::Gemini => Some(Host::Gemini),
        Wire::Bedrock if model.contains("titan-embed") => Some(Host::Titan),
        Wire::Bedrock if model.contains("cohere.embed") => Some(Host::Cohere),
        Wire::Bedrock
        | Wire::OpenAI
        | Wire::AzureDeployments { .. }
        | Wire::Anthropic
        | Wire::AnthropicOnVertex
        | Wire::AnthropicOnBedrock => None,
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
