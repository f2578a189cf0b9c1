//! Routing metadata: says in an answer how its call was routed, to an app that asks for that with the header
//! `X-OpenRouter-Metadata: enabled`. `serve` has it made as soon as it is known who answers; `answer` puts it into whole
//! answers and errors, `stream` into streams. Pure.
//! Source: OpenRouter's OpenAPI (2026-08) and its documentation of router metadata.

use bytes::Bytes;
use lotse_crds::body::{self, Change};
use lotse_crds::facts::Facts;
use lotse_crds::name::ObjectName;
use lotse_crds::plan::{Attempt, Plan};
use serde::Serialize;

use crate::failure::AttemptNote;
use crate::passed;

pub use told::Telling;

mod told;

/// The field of answers, events and errors.
const FIELD: &str = "openrouter_metadata";

/// The status of an attempt that was cut off, because another answered first or the call was over. Nobody sends it.
pub const CUT_OFF: u16 = 499;

/// The metadata of one call, as JSON.
#[derive(Clone, Debug)]
pub struct Metadata(Vec<u8>);

/// How a call was routed.
#[derive(Clone, Copy)]
pub struct Routing<'a> {
    /// The model that the app asks for.
    pub requested: &'a str,
    /// The namespace that calls.
    pub namespace: &'a str,
    /// Whether the app names further models for when the first can't answer.
    pub has_fallbacks: bool,
    /// Who could be tried.
    pub plan: &'a Plan<'a>,
    /// Every attempt.
    pub tried: &'a [Tried<'a>],
    /// The ordinal of the candidate that answers, and the status of its answer.
    pub answered: Option<(usize, u16)>,
}

/// One attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Tried<'a> {
    /// The provider, as `namespace/name`.
    pub provider: &'a ObjectName,
    /// The model, as routes call it.
    pub model: &'a str,
    /// The provider's status; where it gave none, what a gateway would say in its place.
    pub status: u16,
}

#[derive(Serialize)]
struct Written<'a> {
    requested: &'a str,
    strategy: Strategy,
    region: Option<String>,
    summary: String,
    attempt: usize,
    is_byok: bool,
    endpoints: Endpoints<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<Params>,
    attempts: &'a [Tried<'a>],
}

/// OpenRouter has more; they are for routers that choose the model themselves.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Strategy {
    /// The model that was asked for.
    Direct,
    /// The first of several that can answer.
    Fallback,
}

#[derive(Serialize)]
struct Endpoints<'a> {
    total: usize,
    available: Vec<Endpoint<'a>>,
}

#[derive(Serialize)]
struct Endpoint<'a> {
    provider: &'a ObjectName,
    model: &'a str,
    selected: bool,
}

#[derive(Serialize)]
struct Params {
    /// Tokens a second.
    throughput_floor: i32,
}

impl Metadata {
    /// Writes how a call was routed.
    pub fn of(routing: &Routing<'_>) -> Self {
        let Routing { requested, namespace, has_fallbacks, plan, tried, answered } = *routing;
        let is_selected = |attempt: &Attempt<'_>| {
            answered.is_some_and(|(ordinal, _)| attempt.permitted.candidate().ordinal == ordinal)
        };
        let selected = plan.attempts.iter().find(|attempt| is_selected(attempt));
        let candidate = selected.map(|attempt| attempt.permitted.candidate());
        let available = plan.attempts.iter().map(|attempt| {
            let candidate = attempt.permitted.candidate();
            Endpoint { provider: &candidate.provider, model: &candidate.model, selected: is_selected(attempt) }
        });
        let by_whom = candidate.map_or_else(|| "none".to_owned(), |candidate| candidate.provider.to_string());
        let floor = selected.and_then(|attempt| attempt.route.min_tokens_per_second);
        let written = Written {
            requested,
            strategy: if has_fallbacks { Strategy::Fallback } else { Strategy::Direct },
            region: candidate.and_then(|candidate| region(&candidate.facts)),
            summary: format!("available={}, selected={by_whom}", plan.attempts.len()),
            attempt: routing.number(),
            is_byok: candidate.is_some_and(|candidate| candidate.provider.namespace == namespace),
            endpoints: Endpoints { total: plan.attempts.len() + plan.refused.len(), available: available.collect() },
            params: floor.map(|throughput_floor| Params { throughput_floor }),
            attempts: tried,
        };
        Self(serde_json::to_vec(&written).expect("texts and numbers can be written as JSON"))
    }

    /// A body with the metadata in it. What is no JSON object stays as it is.
    pub fn beside(&self, body: Bytes) -> Bytes {
        self.put_into(&body).map_or(body, Bytes::from)
    }

    fn put_into(&self, object: &[u8]) -> Option<Vec<u8>> {
        let fields = body::outline(object).ok()?;
        Some(passed::rewritten(object, &fields, vec![Change { key: FIELD, json: self.0.clone() }]))
    }
}

impl Routing<'_> {
    /// The number of the attempt that answers, from 1, or of the last when all failed; 0 when nobody was asked.
    fn number(&self) -> usize {
        let candidate = |ordinal| {
            let candidates = self.plan.attempts.iter().map(|attempt| attempt.permitted.candidate());
            candidates.into_iter().find(|candidate| candidate.ordinal == ordinal)
        };
        let place = self.answered.and_then(|(ordinal, status)| {
            let who = candidate(ordinal)?;
            let is_it = |tried: &Tried<'_>| {
                (tried.provider, tried.model, tried.status) == (&who.provider, who.model.as_str(), status)
            };
            self.tried.iter().position(is_it)
        });
        place.map_or(self.tried.len(), |place| place + 1)
    }
}

/// Where content is decrypted, as far as that is promised, is a place, and is not contradicted.
fn region(facts: &Facts) -> Option<String> {
    let inference = facts.inference.as_ref()?;
    let is_promised = inference.contradiction.is_none() && inference.places.is_known();
    is_promised.then(|| inference.places.to_string())
}

impl<'a> From<&'a AttemptNote> for Tried<'a> {
    fn from(note: &'a AttemptNote) -> Self {
        // An error that came with status 200 was none of an answer.
        let status = note.status.filter(|status| *status >= 300).unwrap_or(match note.code {
            "timeout" => 504,
            "rate_limited" => 429,
            crate::record::CANCELLED => CUT_OFF,
            _ => 502,
        });
        Self { provider: &note.provider, model: &note.model, status }
    }
}

#[cfg(test)]
mod tests;
