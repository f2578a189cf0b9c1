//! What goes out to one candidate: in which dialect, on which path, and with what left out. Pure.
//!
//! A candidate that speaks the caller's dialect gets the caller's bytes but for what must change; another gets what its
//! dialect's writer makes of the neutral call. A field that the candidate cannot honour makes it unfit for the call, or is
//! left out and named, as the route says; it is never lost in silence. Called by `attempt`.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use lotse_crds::body::{self, Change, Edits};
use lotse_crds::residency::Permitted;
use lotse_crds::route::{RequestPreferences, UnsupportedFields};
use lotse_crds::snapshot::{Candidate, Quirks, Route};
use lotse_crds::wire::{Operation, Wire};
use serde_json::{Map, Value};

use crate::bill;
use crate::call::{Body, Call, Neutral};
use crate::endpoint;
use crate::failure::Failure;
use crate::format::answer::Told;
use crate::format::call::{Tool, ToolInput};
use crate::format::embeddings::{self, Encoding, Host};
use crate::format::loss::{Losses, Lost};
use crate::format::messages::hosts;
use crate::format::responses::state::{Kept, What};
use crate::format::{self, Format};
use crate::lane::Lane;
use crate::multipart;
use crate::pieces;
use crate::quirks::{self, Fitted};
use crate::server::Server;

/// A request for one candidate.
pub struct Outgoing {
    /// The path and query.
    pub uri: Uri,
    /// Headers beside the provider's own.
    pub headers: HeaderMap,
    /// The body, in pieces.
    pub body: Vec<Bytes>,
    /// How its answer is read.
    pub way: Way,
    /// What a translated answer tells the caller.
    pub told: Told,
    /// What was left out, as the caller spells it.
    pub dropped: Vec<String>,
}

/// How a candidate's answer becomes the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It is in the caller's dialect: bytes pass.
    Pass,
    /// It is in this dialect, and is translated.
    Translate(Format),
    /// It has vectors for so many inputs, which go out in this form.
    Embed(Host, Encoding, usize),
}

/// Why a candidate is not asked.
#[derive(Debug)]
pub enum Unfit {
    /// It has nothing like what is asked for.
    Operation,
    /// It cannot honour these fields.
    Fields(Vec<String>),
    /// A field refers to what another provider keeps, or somebody who is not known here.
    State(String),
    /// Its provider sets fields, and nothing can be set in a form.
    Form,
    /// The namespace's limits of the provider are reached.
    Limited,
    /// Nobody can be asked: the call is wrong.
    Call(Failure),
}

impl From<Failure> for Unfit {
    fn from(failure: Failure) -> Self {
        Self::Call(failure)
    }
}

/// A call on its way to be written for candidate after candidate: what is read once is kept.
pub struct Writing<'a> {
    call: &'a Call,
    route: &'a Route,
    id: &'a str,
    created: i64,
    is_alone: bool,
    /// What becomes of fields that a candidate can't honour.
    unsupported: UnsupportedFields,
    neutral: Option<Neutral>,
}

const ANTHROPIC_BETA: HeaderName = HeaderName::from_static("anthropic-beta");
const ANTHROPIC_VERSION: HeaderName = HeaderName::from_static("anthropic-version");
/// The version of Messages that our writer writes; what an app writes passes as of the version that it names.
const WRITTEN_VERSION: HeaderValue = HeaderValue::from_static("2023-06-01");

impl<'a> Writing<'a> {
    /// Nothing is written yet. `id` names the call, `created` is now, in seconds since 1970; `is_alone` says that there is one
    /// candidate only.
    pub fn new(call: &'a Call, route: &'a Route, (id, created): (&'a str, i64), is_alone: bool) -> Self {
        let unsupported = if requires_all(call, route) { UnsupportedFields::Refuse } else { route.unsupported_fields };
        Self { call, route, id, created, is_alone, unsupported, neutral: None }
    }

    /// The call for one candidate, or why it can't be asked.
    pub fn write(&mut self, permitted: Permitted<'_>, lane: &Lane) -> Result<Outgoing, Unfit> {
        let candidate = permitted.candidate();
        let Some(server) = &lane.server else { return self.simulated(candidate) };
        let operation = self.call.operation;
        let is_text = endpoint::format(operation).is_some();
        match (server.native(operation, self.call.stream), &server.embeddings) {
            (Some(_), _) if self.must_translate(server) => self.translated(candidate, server),
            (Some(uri), _) => {
                self.keeps_what_it_made(lane)?;
                self.pass(candidate, server, uri)
            }
            (None, Some((host, uri))) if operation == Operation::Embeddings => {
                self.embedded(candidate, *host, uri.clone())
            }
            (None, _) if is_text => self.translated(candidate, server),
            (None, _) => Err(Unfit::Operation),
        }
    }

    /// Whether a call of Chat Completions can't pass although the server has them.
    fn must_translate(&self, server: &Server) -> bool {
        self.call.operation == Operation::ChatCompletions
            && quirks::must_translate(&server.quirks, |key| self.call.value(key))
    }

    fn embedded(&self, candidate: &Candidate, host: Host, uri: Uri) -> Result<Outgoing, Unfit> {
        let mut call = embeddings::read(self.call.fields(self.route)?).map_err(Failure::from)?;
        call.model.clone_from(&candidate.endpoint.upstream_model);
        let mut losses = Losses::default();
        // What this host cannot do at all, another may.
        let written = host.write_call(&call, &mut losses).map_err(|invalid| Unfit::Fields(vec![invalid.field]))?;
        let (written, dropped) = (Bytes::from(written), self.judge(losses)?);
        let scanned = body::scan(&written).map_err(Failure::from)?;
        let force = candidate.endpoint.force.0.iter().map(|(key, value)| Change::new(key, value)).collect();
        let body = pieces::put_together(&written, scanned.rewrite(&written, force));
        let way = Way::Embed(host, call.encoding, call.inputs.count());
        Ok(Outgoing { uri, headers: json_headers(false), body, way, told: self.told(candidate), dropped })
    }

    /// Makes sure that what the call refers to is kept by this provider.
    fn keeps_what_it_made(&self, lane: &Lane) -> Result<(), Unfit> {
        for Kept { field, what } in &self.call.kept {
            // What goes on without the caller would have to be fetched later, from a path that is not served.
            if *what == What::Background {
                return Err(Unfit::Fields(vec![field.clone()]));
            }
            let Some(id) = what.id() else { continue };
            match lane.makers.maker(id) {
                Some(maker) if maker == lane.name => {}
                // Nobody else could have made it.
                None if self.is_alone => {}
                Some(_) | None => return Err(Unfit::State(field.clone())),
            }
        }
        Ok(())
    }

    fn pass(&self, candidate: &Candidate, server: &Server, uri: &Uri) -> Result<Outgoing, Unfit> {
        let call = self.call;
        if call.is_form() {
            self.fits_as_form(candidate, server)?;
        }
        let mut dropped = Vec::new();
        let own = match format::own(call.caller, call.bytes()) {
            None => Cow::Borrowed(call.body()),
            Some((body, losses)) => {
                dropped = self.judge(losses)?;
                Cow::Owned(Body::read(body.into())?)
            }
        };
        let (body, fitted) = if server.quirks.is_empty() {
            (Cow::Borrowed(&*own), Fitted::default())
        } else {
            let body = own.routed(self.route)?;
            let value = |key: &str| body.value(key);
            let fitted = quirks::fit(&server.quirks, (&body.names(), &value), self.unsupported)?;
            (body, fitted)
        };
        dropped.extend(fitted.left_out);
        let mut edits = self.hosted(server, fitted.edits, body.value("anthropic_beta"))?;
        let asks_usage = self.usage_wanted(candidate, server);
        let told = Told { include_usage: asks_usage.is_none(), ..Told::default() };
        edits.set.extend(asks_usage);
        let pieces = body.for_candidate(self.route, candidate, edits);
        let mut headers = json_headers(call.stream);
        headers.insert(header::CONTENT_TYPE, call.content_type());
        if matches!(call.operation, Operation::Messages | Operation::CountTokens) && !is_hosted(server) {
            headers.insert(ANTHROPIC_VERSION, WRITTEN_VERSION);
        }
        headers.extend(call.headers.clone());
        if server.wire == Wire::AnthropicOnBedrock {
            headers.remove(ANTHROPIC_BETA);
        }
        Ok(Outgoing { uri: uri.clone(), headers, body: pieces, way: Way::Pass, told, dropped })
    }

    /// Asks for the usage of a stream that goes on somebody's account, where the app does not: the app is not shown it then.
    fn usage_wanted(&self, candidate: &Candidate, server: &Server) -> Option<Change<'static>> {
        const OPTIONS: &str = "stream_options";
        let call = self.call;
        let is_glanced = matches!(call.operation, Operation::ChatCompletions | Operation::Completions);
        if !(call.stream && is_glanced && bill::counts_tokens(self.route, candidate)) {
            return None;
        }
        // Who does not know the field mostly counts unasked.
        let knows = |name: &String| name != OPTIONS;
        let is_known = server.quirks.unsupported.iter().chain(&server.quirks.strip).all(knows);
        let is_set = [&self.route.defaults, &self.route.overrides, &candidate.endpoint.force];
        let is_set = is_set.iter().any(|fields| fields.0.contains_key(OPTIONS));
        if !is_known || is_set || call.wants_usage() {
            return None;
        }
        let said: Option<Map<String, Value>> = match call.value(OPTIONS) {
            Some(said) => serde_json::from_slice(said).ok()?,
            None => None,
        };
        let mut options = said.unwrap_or_default();
        options.insert("include_usage".to_owned(), Value::Bool(true));
        Some(Change::new(OPTIONS, &options))
    }

    /// A form goes as it is: nothing can be set in it, and nothing taken out.
    fn fits_as_form(&self, candidate: &Candidate, server: &Server) -> Result<(), Unfit> {
        if !candidate.endpoint.force.is_empty() {
            return Err(Unfit::Form);
        }
        let names = self.call.body().names();
        let is_stripped = |name: &str| server.quirks.strip.iter().any(|strip| strip == multipart::plain(name));
        let unfit: Vec<String> = names.iter().filter(|name| is_stripped(name)).map(|name| (*name).to_owned()).collect();
        if unfit.is_empty() { Ok(()) } else { Err(Unfit::Fields(unfit)) }
    }

    fn translated(&mut self, candidate: &Candidate, server: &Server) -> Result<Outgoing, Unfit> {
        let spoken = server.spoken.as_ref().ok_or(Unfit::Operation)?;
        let (written, mut dropped) = self.translate(candidate, spoken.format, &server.quirks)?;
        let written = Bytes::from(written);
        let scanned = body::scan(&written).map_err(Failure::from)?;
        let names: Vec<&str> = scanned.names(&written).collect();
        let value = |key: &str| scanned.value(&written, key);
        let fitted = quirks::fit(&server.quirks, (&names, &value), self.unsupported)?;
        dropped.extend(fitted.left_out);
        let mut edits = self.hosted(server, fitted.edits, None)?;
        let force = &candidate.endpoint.force.0;
        edits.set.retain(|edit| !force.contains_key(edit.key));
        edits.set.extend(force.iter().map(|(key, value)| Change::new(key, value)));
        let body = pieces::put_together(&written, scanned.edit(&written, edits));
        let (uri, mut headers) = (spoken.uri(self.call.stream).clone(), json_headers(self.call.stream));
        if spoken.format == Format::Messages && !is_hosted(server) {
            headers.insert(ANTHROPIC_VERSION, WRITTEN_VERSION);
        }
        Ok(Outgoing { uri, headers, body, way: Way::Translate(spoken.format), told: self.told(candidate), dropped })
    }

    /// A simulated candidate speaks Chat Completions.
    fn simulated(&mut self, candidate: &Candidate) -> Result<Outgoing, Unfit> {
        let caller = endpoint::format(self.call.operation).ok_or(Unfit::Operation)?;
        let (mut way, mut dropped) = (Way::Pass, Vec::new());
        if caller != Format::Chat {
            way = Way::Translate(Format::Chat);
            dropped = self.translate(candidate, Format::Chat, &Quirks::default())?.1;
        }
        Ok(Outgoing {
            uri: Uri::default(),
            headers: HeaderMap::new(),
            body: Vec::new(),
            way,
            told: self.told(candidate),
            dropped,
        })
    }

    /// What a writer of answers must know of the call.
    fn told(&self, candidate: &Candidate) -> Told {
        let is_custom = |tool: &&Tool| matches!(tool.input, ToolInput::Custom { .. });
        let tools = self.neutral.iter().flat_map(|neutral| &neutral.call.tools).filter(is_custom);
        Told {
            id: self.id.to_owned(),
            created: self.created,
            model: self.call.model.clone(),
            provider: candidate.provider.to_string(),
            include_usage: self.call.wants_usage(),
            custom_tools: tools.map(|tool| tool.name.clone()).collect(),
            echo: self.neutral.iter().map(|neutral| neutral.echo.clone()).next().unwrap_or_default(),
        }
    }

    /// The body in another dialect, and what was left out.
    fn translate(
        &mut self,
        candidate: &Candidate,
        dialect: Format,
        quirks: &Quirks,
    ) -> Result<(Vec<u8>, Vec<String>), Unfit> {
        let neutral = match &mut self.neutral {
            Some(neutral) => neutral,
            empty => empty.insert(self.call.neutral(self.route)?),
        };
        neutral.call.model.clone_from(&candidate.endpoint.upstream_model);
        let mut losses = Losses::default();
        let written = if dialect == Format::Chat {
            format::write_call(dialect, &quirks::fit_call(quirks, &neutral.call, &mut losses), &mut losses)
        } else {
            format::write_call(dialect, &neutral.call, &mut losses)
        };
        let written = written.ok_or(Unfit::Operation)?;
        let dropped = self.judge(losses)?;
        Ok((written, dropped))
    }

    /// What is left out, as the caller spells it; or the fields for which the candidate is not asked.
    fn judge(&self, losses: Losses) -> Result<Vec<String>, Unfit> {
        let (mut dropped, mut refused) = (Vec::new(), Vec::new());
        for lost in losses.lost {
            let (name, matters) = match lost {
                Lost::Feature(feature) => {
                    (feature.spelled_in(self.call.caller).unwrap_or("messages").to_owned(), !feature.is_hint())
                }
                Lost::Hint(name) => (name, false),
                Lost::Unknown(name) => (name, true),
            };
            let is_kept = matters && self.unsupported == UnsupportedFields::Refuse;
            if is_kept { refused.push(name) } else { dropped.push(name) }
        }
        if refused.is_empty() { Ok(dropped) } else { Err(Unfit::Fields(refused)) }
    }

    /// What a host of a dialect wants otherwise than the dialect's own maker; `given` is the body's own `anthropic_beta`.
    fn hosted<'e>(&self, server: &'e Server, mut edits: Edits<'e>, given: Option<&[u8]>) -> Result<Edits<'e>, Failure> {
        let hosted = match server.wire {
            Wire::AnthropicOnBedrock => {
                let betas = self.call.headers.get(ANTHROPIC_BETA).and_then(|value| value.to_str().ok());
                hosts::invoke_model(given, betas.as_slice())?
            }
            Wire::AnthropicOnVertex => hosts::raw_predict(self.call.operation),
            Wire::OpenAI | Wire::AzureDeployments { .. } | Wire::Anthropic | Wire::Gemini | Wire::Bedrock => {
                return Ok(edits);
            }
        };
        edits.set.extend(hosted.set);
        edits.remove.extend(hosted.remove);
        Ok(edits)
    }
}

/// Whether the app lets nobody drop any of its fields, and the route lets it say so.
pub(crate) fn requires_all(call: &Call, route: &Route) -> bool {
    route.request_preferences == RequestPreferences::Honor && call.preferences.require_parameters
}

/// Whether Claude is hosted where the version is in the body.
fn is_hosted(server: &Server) -> bool {
    matches!(server.wire, Wire::AnthropicOnBedrock | Wire::AnthropicOnVertex)
}

fn json_headers(stream: bool) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let accept = if stream { "text/event-stream" } else { "application/json" };
    headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
    headers
}

/// A field's value that says the same as its absence.
pub(crate) fn says_nothing(key: &str, value: Option<&[u8]>) -> bool {
    let value = value.and_then(|value| serde_json::from_slice::<Value>(value).ok()).unwrap_or(Value::Null);
    match key {
        "n" | "best_of" => value == 1,
        "tool_choice" | "service_tier" => value == "auto",
        "logprobs" | "store" | "background" | "echo" => value == false,
        "parallel_tool_calls" => value == true,
        "presence_penalty" | "frequency_penalty" => value.as_f64() == Some(0.0),
        _ => false,
    }
}
