//! A call as it came in: its body, read once.

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use lotse_crds::body::{self, BodyError, Scanned};
use lotse_crds::snapshot::{Candidate, Route};

use crate::failure::Failure;
use crate::pieces;
use crate::upstream::Pieces;

/// Request headers that go on to a provider. Nothing else does: no credential, cookie or trace of the app.
const FORWARDED: [HeaderName; 2] = [HeaderName::from_static("idempotency-key"), HeaderName::from_static("openai-beta")];

/// A call for a chat completion.
pub struct Call {
    body: Bytes,
    scanned: Scanned,
    /// The model that the app asks for.
    pub model: String,
    /// Whether it asks for a stream.
    pub stream: bool,
    /// The headers that go on to a provider.
    pub headers: HeaderMap,
}

impl Call {
    /// Reads a body, or says what is wrong with it.
    pub fn read(body: Bytes, headers: &HeaderMap) -> Result<Self, Failure> {
        let scanned = body::scan(&body)?;
        scanned.refuse_unsupported(&body)?;
        let model = scanned.model(&body)?;
        let stream = scanned.stream(&body)?;
        let forwarded = FORWARDED.iter().filter_map(|name| Some((name.clone(), headers.get(name)?.clone()))).collect();
        Ok(Self { body, scanned, model, stream, headers: forwarded })
    }

    /// The body for one candidate. What is large is not copied.
    pub fn body_for(&self, route: &Route, candidate: &Candidate) -> Pieces {
        let changes = self.scanned.changes(&self.body, route, candidate);
        let pieces = self.scanned.rewrite(&self.body, changes);
        Pieces::new(pieces::put_together(&self.body, pieces))
    }

    /// Whether the app wants its stream to end with a usage.
    pub fn wants_usage(&self) -> bool {
        let options = self.scanned.value(&self.body, "stream_options");
        options
            .and_then(|options| serde_json::from_slice::<serde_json::Value>(options).ok())
            .is_some_and(|options| options["include_usage"] == true)
    }

    /// How long the prompt is, in bytes.
    pub fn prompt_bytes(&self) -> usize {
        self.scanned.value(&self.body, "messages").map_or(0, <[u8]>::len)
    }
}

impl From<BodyError> for Failure {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Unsupported(_) => Self::UnsupportedField(error.to_string()),
            BodyError::NotJson(_)
            | BodyError::NotAnObject
            | BodyError::DuplicateKey(_)
            | BodyError::WrongType { .. } => Self::InvalidRequest(error.to_string()),
        }
    }
}
