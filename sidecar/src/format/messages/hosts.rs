//! What other hosts of Claude want of the same body, and what they wrap its stream in.
//!
//! Source: the SDK's clients for Bedrock and Vertex, and the service model of Bedrock's runtime. Called by `outgoing` and
//! `frames`.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lotse_crds::body::{Change, Edits};
use lotse_crds::wire::Operation;
use serde::{Deserialize, Serialize};

use super::wire::{self, Kind, ToldError};
use crate::format::Invalid;
use crate::format::event::RawEvent;
use crate::format::{Format, Malformed, error};

/// `anthropic_version` in a body for Bedrock's InvokeModel.
const BEDROCK_VERSION: &str = "bedrock-2023-05-31";
/// `anthropic_version` in a body for Vertex AI.
const VERTEX_VERSION: &str = "vertex-2023-10-16";

/// Betas that name a client or how it signed in, no feature of the API: Bedrock refuses a call that names them.
const CLIENT_BETAS: [&str; 2] = ["claude-code-", "oauth-"];

/// What Bedrock's InvokeModel wants otherwise: the model and whether to stream stand in the URL, and betas in the body. `given`
/// is the body's own `anthropic_beta`; `betas` are the values of `anthropic-beta` headers, each a comma list, which go behind
/// those.
pub fn invoke_model(given: Option<&[u8]>, betas: &[&str]) -> Result<Edits<'static>, Invalid> {
    let wrong = |_| Invalid::new("anthropic_beta", "must be a list of strings");
    let given = given.map(serde_json::from_slice::<Option<Vec<String>>>).transpose().map_err(wrong)?;
    let mut list = given.flatten().unwrap_or_default();
    let named = betas.iter().flat_map(|header| header.split(',')).map(str::trim).filter(|beta| !beta.is_empty());
    for beta in named.filter(|beta| !CLIENT_BETAS.iter().any(|client| beta.starts_with(client))) {
        if !list.iter().any(|listed| listed == beta) {
            list.push(beta.to_owned());
        }
    }
    let mut set = vec![Change::new("anthropic_version", &BEDROCK_VERSION)];
    set.extend((!list.is_empty()).then(|| Change::new("anthropic_beta", &list)));
    Ok(Edits { set, remove: vec!["model", "stream"], ..Edits::default() })
}

/// What Vertex AI's `rawPredict` and `streamRawPredict` want otherwise: the model stands in the URL, but for
/// `count-tokens:rawPredict`, which keeps it; `stream` and the header `anthropic-beta` stay.
pub fn raw_predict(operation: Operation) -> Edits<'static> {
    let remove = if operation == Operation::CountTokens { Vec::new() } else { vec!["model"] };
    Edits { set: vec![Change::new("anthropic_version", &VERTEX_VERSION)], remove, ..Edits::default() }
}

/// An event of Anthropic's own, out of an event of InvokeModel's stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwrapped {
    name: String,
    data: Vec<u8>,
}

impl Unwrapped {
    /// The event, as `events::Reader` reads it.
    pub fn event(&self) -> RawEvent<'_> {
        RawEvent { name: Some(&self.name), data: &self.data }
    }
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    bytes: Cow<'a, str>,
}

#[derive(Serialize)]
struct ErrorEvent<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    error: ToldError<'a>,
}

/// Unwraps an event of InvokeModel's stream: a `chunk` holds an event of Anthropic's, an exception becomes an `error`, and
/// other types are none.
pub fn unwrap_event(event: RawEvent<'_>) -> Result<Option<Unwrapped>, Malformed> {
    match event.name {
        Some("chunk") => {
            let chunk: Chunk =
                serde_json::from_slice(event.data).map_err(|_| Malformed("a chunk without bytes".to_owned()))?;
            let data = STANDARD
                .decode(chunk.bytes.as_bytes())
                .map_err(|_| Malformed("a chunk whose bytes are no base64".to_owned()))?;
            let name = Kind::of(&data)?.into_owned();
            Ok(Some(Unwrapped { name, data }))
        }
        Some(name) if name.ends_with("Exception") || error::read_event(Format::Converse, event.data).is_some() => {
            let error = error::read_exception(Format::Converse, name, event.data);
            let told = ErrorEvent { kind: "error", error: wire::told_error(&error) };
            let data = serde_json::to_vec(&told).unwrap_or_default();
            Ok(Some(Unwrapped { name: "error".to_owned(), data }))
        }
        _ => Ok(None),
    }
}
