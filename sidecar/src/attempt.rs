//! The only loop: tries a plan in order, within one deadline, until somebody answers.
//!
//! Before its first content a stream, and before its JSON is whole a unary answer, can still go to another candidate;
//! after that never. Both modes share the loop; streaming is a property of the answer. One attempt is in `trial`.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use lotse_crds::body::Scanned;
use lotse_crds::plan::Plan;
use lotse_crds::price::Tokens;
use lotse_crds::snapshot::Route;
use tokio::time::Instant;

use crate::call::Call;
use crate::failure::{AttemptError, AttemptNote, Excluded, Failure};
use crate::format::Format;
use crate::lane::Lane;
use crate::moment;
use crate::outgoing::{Unfit, Writing};
use crate::record::Record;
use crate::simulate;
use crate::table::Table;
use crate::tap::Tap;
use crate::trial::{Clock, End, Trial};
use crate::upstream::Inbound;

/// Who answered, and what.
pub struct Answered {
    /// How the candidate is called.
    pub lane: Arc<Lane>,
    /// The provider's headers.
    pub headers: HeaderMap,
    /// What of the call was left out, as the caller spells it.
    pub dropped: Vec<String>,
    /// What it said.
    pub answer: Answer,
}

/// What a candidate said.
pub enum Answer {
    /// A whole answer in Chat's or Completions' own bytes, and where its fields stand.
    Whole(Bytes, Scanned),
    /// A whole answer that goes out as it is: its Content-Type, and what it counts.
    Written(Bytes, HeaderValue, Option<Tokens>),
    /// A stream that has begun.
    Stream(Box<Begun>),
    /// The request is refused as the caller's fault, with this status and body.
    Refusal(StatusCode, Bytes),
}

/// A stream up to its first content.
pub struct Begun {
    /// What was held back so far.
    pub held: VecDeque<Bytes>,
    /// What is still to come.
    pub source: Source,
    /// What observes it.
    pub tap: Tap,
    /// Its Content-Type, when it is not an event stream of text.
    pub kind: Option<HeaderValue>,
    /// The dialect in which the caller reads errors.
    pub caller: Format,
    /// When the whole call must have ended.
    pub deadline: Instant,
    /// The longest silence.
    pub idle: Duration,
}

/// Where an answer comes from.
pub enum Source {
    /// A provider.
    Wire(Inbound),
    /// The sidecar itself.
    Simulated(simulate::Script),
}

/// The source broke off.
#[derive(Debug)]
pub struct Broken;

impl Source {
    /// The next bytes.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        match self {
            Self::Wire(inbound) => inbound.poll_next(cx).map(|next| next.map(|bytes| bytes.map_err(|_| Broken))),
            Self::Simulated(script) => script.poll_next(cx).map(|next| next.map(|bytes| bytes.map_err(|_| Broken))),
        }
    }

    /// The same, to await.
    pub async fn next(&mut self) -> Option<Result<Bytes, Broken>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }
}

/// Tries the plan's candidates until one answers.
pub async fn run(
    call: &Call,
    (table, route): (&Table, &Route),
    plan: &Plan<'_>,
    record: &mut Record,
) -> Result<Answered, Failure> {
    let total = Instant::now() + Duration::from_secs(u64::try_from(route.timeouts.total_seconds).unwrap_or(0));
    let id = record.request_id.clone();
    let mut writing = Writing::new(call, route, (&id, moment::now().as_second()), plan.attempts.len() == 1);
    let (mut waits, mut unfit) = (Vec::new(), Vec::new());
    for attempt in &plan.attempts {
        if record.attempt_count() == plan.most {
            break;
        }
        let lane = table.lane(attempt.permitted);
        let outgoing = match writing.write(attempt.permitted, lane) {
            Ok(outgoing) => outgoing,
            Err(Unfit::Call(failure)) => return Err(failure),
            Err(why) => {
                unfit.push((lane, why));
                continue;
            }
        };
        record.tries(lane);
        let clock = Clock::new(total, &route.timeouts);
        match (Trial { call, lane, permitted: attempt.permitted, clock, request_id: &id }).run(outgoing).await {
            Ok(answered) => {
                // A whole answer, and a request that was the caller's fault, are no fault of the provider. A stream
                // is judged when it ends.
                if !matches!(answered.answer, Answer::Stream(_)) {
                    lane.note(false);
                }
                return Ok(answered);
            }
            Err(End::Deadline) => {
                lane.note(true);
                record.fails(lane.note_of(&AttemptError::Timeout("sent nothing")));
                return Err(Failure::DeadlineExceeded);
            }
            Err(End::Next(error)) => {
                lane.note(error.is_own_fault());
                lane.heed(&error);
                record.fails(lane.note_of(&error));
                waits.extend(error.wait());
            }
        }
    }
    Err(spent(record.attempts(), &waits, &unfit))
}

/// Why a plan that is spent has no answer: when all ask to wait, so does the answer, for the shortest time.
fn spent(attempts: &[AttemptNote], waits: &[Duration], unfit: &[(&Arc<Lane>, Unfit)]) -> Failure {
    if attempts.is_empty() {
        return nobody_fits(unfit);
    }
    if attempts.iter().all(|note| note.code == "rate_limited") {
        return Failure::RateLimited { wait: waits.iter().copied().min() };
    }
    Failure::AllProvidersFailed
}

/// Why nobody was asked. A field that somebody refuses is what the caller can change.
fn nobody_fits(unfit: &[(&Arc<Lane>, Unfit)]) -> Failure {
    let state = unfit.iter().find_map(|(_, why)| match why {
        Unfit::State(field) => Some(field),
        Unfit::Fields(_) | Unfit::Operation | Unfit::Call(_) => None,
    });
    if let Some(field) = state {
        return Failure::UnsupportedField(format!(
            "`{field}` refers to what a provider keeps, and none that may be used now is known to have made it; send the conversation itself"
        ));
    }
    let fields = unfit.iter().find_map(|(lane, why)| match why {
        Unfit::Fields(fields) => Some((lane, fields)),
        Unfit::State(_) | Unfit::Operation | Unfit::Call(_) => None,
    });
    if let Some((lane, fields)) = fields {
        let fields: Vec<_> = fields.iter().map(|field| format!("`{field}`")).collect();
        return Failure::UnsupportedField(format!(
            "{} cannot honour {}; leave it out, or let the ModelRoute drop such fields (unsupportedFields: Drop)",
            lane.provider,
            fields.join(", ")
        ));
    }
    let excluded = unfit.iter().map(|(lane, _)| Excluded {
        provider: lane.name.clone(),
        model: lane.model.clone(),
        reasons: vec!["operation_not_served".to_owned()],
        policy: None,
        message: "the provider has no endpoint for what is asked".to_owned(),
    });
    Failure::NoEligibleProvider(excluded.collect())
}
