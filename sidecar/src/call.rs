//! A call as it came in: its body, read once.

use std::borrow::Cow;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use lotse_crds::body::{self, BodyError, Change, Edits, Scanned};
use lotse_crds::needs::Needs;
use lotse_crds::preferences::{self, Asked, Preferences};
use lotse_crds::snapshot::{Candidate, Route};
use lotse_crds::wire::Operation;
use serde_json::{Map, Value};

use crate::endpoint;
use crate::failure::Failure;
use crate::format::call::ModelCall;
use crate::format::responses::state::{self, Kept};
use crate::format::{self, Format};
use crate::multipart::{self, Form};
use crate::pieces;

/// Request headers that go on to a provider of the caller's dialect. Nothing else does: no credential, cookie or trace of
/// the app.
const FORWARDED: [HeaderName; 4] = [
    HeaderName::from_static("anthropic-beta"),
    HeaderName::from_static("anthropic-version"),
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("openai-beta"),
];

/// A call.
pub struct Call {
    /// What it asks for.
    pub operation: Operation,
    /// The dialect in which the app reads answers and errors.
    pub caller: Format,
    /// The model that the app asks for.
    pub model: String,
    /// Whether it asks for a stream.
    pub stream: bool,
    /// The headers that go on to a provider.
    pub headers: HeaderMap,
    /// What of it leans on state that a provider keeps; only for Responses.
    pub kept: Vec<Kept>,
    /// What the app asks of routing.
    pub preferences: Preferences,
    /// The fields that said so, which are no longer in the body.
    pub routing_fields: Vec<&'static str>,
    /// Whether the app's SDK repeats by itself a call that has failed before.
    pub is_repeated: bool,
    body: Body,
}

/// The session that the app names, and whether it wants to hear how it was routed. Source: OpenRouter's documentation.
const SESSION: HeaderName = HeaderName::from_static("x-session-id");
const METADATA: HeaderName = HeaderName::from_static("x-openrouter-metadata");
/// How often an SDK has repeated a call by itself. Source: openai-python and anthropic-python, made by Stainless.
const RETRY_COUNT: HeaderName = HeaderName::from_static("x-stainless-retry-count");

/// A call in neutral terms.
pub struct Neutral {
    /// The call.
    pub call: ModelCall,
    /// What of it an answer of Responses repeats.
    pub echo: Map<String, Value>,
}

/// A call's body, and where its fields stand.
#[derive(Clone)]
pub struct Body {
    bytes: Bytes,
    content: Content,
}

/// What a body is.
#[derive(Clone)]
enum Content {
    Json(Scanned),
    Form(Form, HeaderValue),
}

impl Call {
    /// Reads a body, or says what is wrong with it.
    pub fn read(operation: Operation, parts: &Parts, body: Bytes) -> Result<Self, Failure> {
        let headers = &parts.headers;
        let kind = headers.get(header::CONTENT_TYPE);
        let boundary = kind.and_then(|kind| multipart::boundary(kind.to_str().ok()?));
        let (mut preferences, mut routing_fields) = (Preferences::default(), Vec::new());
        let (body, model, stream) = if let (Some(boundary), Some(kind)) = (boundary, kind) {
            let form = Form::read(&body, &boundary)?;
            let (model, stream) = (form.model.clone(), form.stream);
            (Body { bytes: body, content: Content::Form(form, kind.clone()) }, model, stream)
        } else {
            let scanned = body::scan(&body)?;
            preferences = Preferences::read(&body, &scanned, asked_in(headers, operation))?;
            routing_fields = preferences::routing_fields(&body, &scanned, operation);
            let stream = scanned.stream(&body)?;
            let named = preferences.models.first().filter(|_| scanned.value(&body, "model").is_none()).cloned();
            // Whoever writes the call in another dialect reads the model where it always stands.
            let set = named.iter().map(|model| Change::new("model", model)).collect();
            let model = named.clone().map_or_else(|| scanned.model(&body), Ok)?;
            let edits = Edits { set, remove: routing_fields.clone(), ..Edits::default() };
            (Body { bytes: body, content: Content::Json(scanned) }.edited(edits)?, model, stream)
        };
        let forwarded = FORWARDED.iter().filter_map(|name| Some((name.clone(), headers.get(name)?.clone()))).collect();
        let caller = endpoint::dialect(parts.uri.path());
        let kept = if operation == Operation::Responses { state::kept(&fields(&body.bytes)?) } else { Vec::new() };
        let is_repeated = headers
            .get(RETRY_COUNT)
            .and_then(|count| count.to_str().ok()?.parse::<u32>().ok())
            .is_some_and(|count| count > 0);
        let headers = forwarded;
        Ok(Self { operation, caller, model, stream, headers, kept, preferences, routing_fields, is_repeated, body })
    }

    /// What the call needs of a model. Of a form nothing is known.
    pub fn needs(&self) -> Needs {
        match &self.body.content {
            Content::Json(scanned) => Needs::read(&self.body.bytes, scanned, self.operation),
            Content::Form(..) => Needs::default(),
        }
    }

    /// The Content-Type that goes with the body.
    pub fn content_type(&self) -> HeaderValue {
        match &self.body.content {
            Content::Json(_) => HeaderValue::from_static("application/json"),
            Content::Form(_, kind) => kind.clone(),
        }
    }

    /// The value of a top-level field; nothing in a form.
    pub fn value(&self, key: &str) -> Option<&[u8]> {
        self.body.value(key)
    }

    /// Whether the body is a form with files.
    pub fn is_form(&self) -> bool {
        matches!(self.body.content, Content::Form(..))
    }

    /// The body as it came.
    pub fn bytes(&self) -> &[u8] {
        &self.body.bytes
    }

    /// The body.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// The call's fields, with what the route sets.
    pub fn fields(&self, route: &Route) -> Result<Map<String, Value>, Failure> {
        let mut fields = fields(&self.body.bytes)?;
        for (key, value) in &route.defaults.0 {
            if !fields.contains_key(key) {
                fields.insert(key.clone(), value.clone());
            }
        }
        fields.extend(route.overrides.0.iter().map(|(key, value)| (key.clone(), value.clone())));
        Ok(fields)
    }

    /// The call in neutral terms, with what the route sets. Only for operations that ask for text, and to count it.
    pub fn neutral(&self, route: &Route) -> Result<Neutral, Failure> {
        let fields = self.fields(route)?;
        let echo = match self.caller {
            Format::Responses => format::responses::call::echo(&fields),
            Format::Chat | Format::Completions | Format::Messages | Format::Gemini | Format::Converse => Map::new(),
        };
        Ok(Neutral { call: format::read_call(self.caller, fields)?, echo })
    }

    /// Whether the app wants its stream to end with a usage.
    pub fn wants_usage(&self) -> bool {
        let options = self.body.value("stream_options");
        options
            .and_then(|options| serde_json::from_slice::<Value>(options).ok())
            .is_some_and(|options| options["include_usage"] == true)
    }

    /// How many tokens the prompt has: an estimate.
    pub fn prompt_tokens(&self) -> u64 {
        match self.needs().least_prompt_tokens {
            // It is small, and then not looked into.
            0 => self.prompt_bytes() as u64 / 4,
            least => least,
        }
    }

    /// How long the prompt is, in bytes.
    pub fn prompt_bytes(&self) -> usize {
        let fields = ["messages", "input", "prompt"].into_iter();
        fields.filter_map(|field| self.body.value(field)).map(<[u8]>::len).next().unwrap_or(0)
    }
}

impl Body {
    /// Reads a body of JSON.
    pub fn read(bytes: Bytes) -> Result<Self, Failure> {
        let scanned = body::scan(&bytes)?;
        Ok(Self { bytes, content: Content::Json(scanned) })
    }

    /// The same with these edits: what is for us does not go on.
    fn edited(self, edits: Edits<'_>) -> Result<Self, Failure> {
        match &self.content {
            Content::Json(scanned) if edits != Edits::default() => {
                let pieces = pieces::put_together(&self.bytes, scanned.edit(&self.bytes, edits));
                Self::read(Bytes::from(pieces.concat()))
            }
            Content::Json(_) | Content::Form(..) => Ok(self),
        }
    }

    /// The value of a top-level field; nothing in a form.
    pub fn value(&self, key: &str) -> Option<&[u8]> {
        match &self.content {
            Content::Json(scanned) => scanned.value(&self.bytes, key),
            Content::Form(..) => None,
        }
    }

    /// The names of the fields of a form, or the top-level ones of JSON.
    pub fn names(&self) -> Vec<&str> {
        match &self.content {
            Content::Json(scanned) => scanned.names(&self.bytes).collect(),
            Content::Form(form, _) => form.names.iter().map(String::as_str).collect(),
        }
    }

    /// The body with what the route sets in it. A form stays as it is.
    pub fn routed(&self, route: &Route) -> Result<Cow<'_, Self>, Failure> {
        let Content::Json(scanned) = &self.content else { return Ok(Cow::Borrowed(self)) };
        let absent = route.defaults.0.iter().filter(|(key, _)| scanned.value(&self.bytes, key).is_none());
        let absent = absent.filter(|(key, _)| !route.overrides.0.contains_key(*key));
        let changes: Vec<Change<'_>> =
            absent.chain(&route.overrides.0).map(|(key, value)| Change::new(key, value)).collect();
        if changes.is_empty() {
            return Ok(Cow::Borrowed(self));
        }
        let pieces = pieces::put_together(&self.bytes, scanned.rewrite(&self.bytes, changes));
        Ok(Cow::Owned(Self::read(Bytes::from(pieces.concat()))?))
    }

    /// The body for a candidate that speaks the caller's dialect, made to fit by `edits`. What is large is not copied.
    pub fn for_candidate<'a>(&self, route: &'a Route, candidate: &'a Candidate, mut edits: Edits<'a>) -> Vec<Bytes> {
        match &self.content {
            Content::Form(form, _) => form.with_model(&self.bytes, &candidate.endpoint.upstream_model).into(),
            Content::Json(scanned) => {
                // An edit knows what the route sets, and not what the provider always does, which comes last.
                let force = &candidate.endpoint.force.0;
                edits.set.retain(|edit| !force.contains_key(edit.key));
                let mut changes = scanned.changes(&self.bytes, route, candidate);
                changes.retain(|change| edits.set.iter().all(|edit| edit.key != change.key));
                edits.set.append(&mut changes);
                pieces::put_together(&self.bytes, scanned.edit(&self.bytes, edits))
            }
        }
    }
}

/// What headers say of routing.
fn asked_in(headers: &HeaderMap, operation: Operation) -> Asked<'_> {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    Asked { operation, session_id: text(&SESSION), metadata: text(&METADATA) }
}

fn fields(body: &[u8]) -> Result<Map<String, Value>, Failure> {
    serde_json::from_slice(body).map_err(|error| Failure::InvalidRequest(error.to_string()))
}

impl From<BodyError> for Failure {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::NotJson(_)
            | BodyError::NotAnObject
            | BodyError::DuplicateKey(_)
            | BodyError::WrongType { .. } => Self::InvalidRequest(error.to_string()),
        }
    }
}
