//! The life of a call, in order: guard, read, plan, attempt, answer.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{Request, Response, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use lotse_crds::needs::Needs;
use lotse_crds::plan::{Moment, Plan, plan};
use lotse_crds::residency;
use lotse_crds::snapshot::{Candidate, Keys, Snapshot};
use lotse_crds::wire::Operation;
use lotse_crds::wishes::{Lookup, Wishes};
use tokio::sync::Notify;

use crate::answer;
use crate::attempt::{self, Answer, Answered};
use crate::bound::Bound;
use crate::call::Call;
use crate::endpoint::{self, Endpoint};
use crate::failure::Failure;
use crate::format::messages::count;
use crate::guard;
use crate::lane::{Shared, TableError};
use crate::lease::PolicyLease;
use crate::metadata::{CUT_OFF, Metadata, Routing};
use crate::models;
use crate::moment;
use crate::record::Record;
use crate::session::{self, Session};
use crate::stream::AnswerBody;
use crate::table::Table;

/// How much of a body that is too large is read and thrown away, so that the caller hears the answer.
const MOST_DRAINED: u64 = 128 * 1024 * 1024;

/// How long a call waits for the first snapshot.
const FIRST_TABLE: Duration = Duration::from_secs(10);

/// What all calls share: the table in force, and what is counted.
#[derive(Default)]
pub struct App {
    tables: ArcSwapOption<Table>,
    arrived: Notify,
    /// Whether what is in force is still vouched for.
    pub lease: PolicyLease,
    /// What tables share over their lives.
    pub shared: Shared,
}

impl App {
    /// Puts a snapshot in force, or refuses it whole and keeps the one before.
    pub fn apply(&self, snapshot: Snapshot, keys: &Keys) -> Result<(), TableError> {
        let before = self.tables.load_full();
        let table = Table::new(snapshot, keys, &self.shared, before.as_deref())?;
        self.tables.store(Some(Arc::new(table)));
        self.arrived.notify_waiters();
        Ok(())
    }

    /// The table in force, or the first one if it comes soon: a pod's first call may be made before the operator has said
    /// anything.
    async fn first_table(&self) -> Option<Arc<Table>> {
        let arrived = self.arrived.notified();
        if let Some(table) = self.table() {
            return Some(table);
        }
        drop(tokio::time::timeout(FIRST_TABLE, arrived).await);
        self.table()
    }

    /// Warns once when nobody has vouched for what is in force for too long, and says when somebody does again.
    pub(crate) fn warn_of_age(&self, warned: &mut bool) {
        let (Some(table), Some(age)) = (self.table(), self.lease.age(moment::instant())) else { return };
        self.shared.metrics.policy_age.set(i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
        let is_old = age >= table.warn_after;
        if is_old && !*warned {
            tracing::warn!(
                seconds = age.as_secs(),
                refuses_after = table.refuse_after.as_secs(),
                "the operator has not confirmed the policy for a while; calls will be refused when it stays so"
            );
        } else if *warned && !is_old {
            tracing::info!("the operator has confirmed the policy");
        }
        *warned = is_old;
    }

    /// The table in force.
    pub fn table(&self) -> Option<Arc<Table>> {
        self.tables.load_full()
    }
}

/// Answers one request of the app.
pub async fn answer(app: Arc<App>, request: Request<Incoming>) -> Result<Response<AnswerBody>, Infallible> {
    let (parts, body) = request.into_parts();
    let caller = endpoint::dialect(parts.uri.path());
    let mut record = Record::new(app.shared.metrics.clone());
    if let Some(bound) = parts.extensions.get::<Bound>() {
        record.bound = bound.clone();
    }
    let table = match app.table() {
        Some(table) => Some(table),
        None => app.first_table().await,
    };
    let revision = table.as_ref().map(|table| table.revision.clone());
    let answered = match Endpoint::of(&parts) {
        Err(failure) => Err(failure),
        Ok(endpoint) => match (endpoint, table.as_deref()) {
            (_, Some(table)) if app.lease.is_over(table.refuse_after, moment::instant()) => Err(Failure::PolicyStale),
            (Endpoint::Models, table) => return Ok(models::list(table, &parts, record)),
            (Endpoint::Call(_), None) => Err(Failure::NotConfigured),
            (Endpoint::Call(operation), Some(table)) => call(table, operation, (&parts, body), &mut record).await,
        },
    };
    Ok(match (answered, revision) {
        (Ok(Outcome::Answered(answered)), Some(revision)) => answer::write(*answered, record, &revision),
        (Ok(Outcome::Estimated(tokens)), Some(revision)) => answer::estimate(tokens, record, &revision),
        (Ok(_), None) => answer::fail(caller, &Failure::NotConfigured, record, None),
        (Err(failure), revision) => answer::fail(caller, &failure, record, revision.as_ref()),
    })
}

/// How a call was answered.
enum Outcome {
    /// By a provider.
    Answered(Box<Answered>),
    /// By the sidecar itself: so many tokens, or nearly.
    Estimated(u64),
}

async fn call(
    table: &Table,
    operation: Operation,
    (parts, body): (&Parts, Incoming),
    record: &mut Record,
) -> Result<Outcome, Failure> {
    let body = read(parts, body).await?;
    let body = guard::coding(&parts.headers)?.decode(body)?;
    let call = Call::read(operation, parts, body)?;
    record.asks(&call);
    let snapshot = &table.snapshot;
    call.preferences.check_names(snapshot)?;
    let lookup = Lookup { exact: &|model| table.exact(model), any: &|model| table.route(model) };
    let Some(wishes) = Wishes::find(lookup, &call.model, &call.preferences, &call.routing_fields)? else {
        if !table.opens {
            return Err(Failure::NoDataPolicy(Vec::new()));
        }
        return Err(Failure::ModelNotFound { model: call.model.clone(), known: models::offered(snapshot) });
    };
    let first = wishes.first();
    let route = first.route;
    let session = session::of(&call, first, table.remembered(route));
    let plan = planned(table, &call, &wishes, session);
    record.is_routed(&route.name, &plan.refused);
    table.count_refused(route);
    let answered = if plan.attempts.is_empty() {
        Err(Failure::of_empty_plan(&plan, table.opens))
    } else if operation == Operation::CountTokens && !counts(table, &plan) {
        return Ok(Outcome::Estimated(count::estimate(&call.neutral(route)?.call)));
    } else {
        attempt::run(&call, (table, &plan), session, record).await
    };
    if call.preferences.wants_metadata && endpoint::format(operation).is_some() {
        let asked = (&*call.model, wishes.wishes().len() > 1);
        record.metadata = Some(metadata(snapshot, (asked, &plan), answered.as_ref().ok(), record));
    }
    let mut answered = answered?;
    answered.dropped.extend(wishes.left_out);
    audit(snapshot, answered.lane.ordinal, record);
    Ok(Outcome::Answered(Box::new(answered)))
}

/// Who is tried for a call, and in which order.
fn planned<'t>(table: &'t Table, call: &Call, wishes: &Wishes<'t, '_>, session: Option<Session<'_>>) -> Plan<'t> {
    let instant = moment::instant();
    let wishes = wishes.wishes();
    let reads_needs = wishes.iter().any(|wish| wish.preferences.require_parameters || table.asks_needs(wish.route));
    let needs = if reads_needs { call.needs() } else { Needs::default() };
    let sticky = session.and_then(|Session { remembered, key }| remembered.sticky().who(key, instant).cloned());
    let sticky = sticky.as_ref().map(|who| (&who.provider, who.model.as_str()));
    let standing = |candidate: &Candidate| table.standing(candidate, (instant, call.stream));
    let mut chance = moment::chance;
    let mut moment = Moment {
        now: moment::now(),
        needs: &needs,
        memo: &table.memo,
        sticky,
        standing: &standing,
        chance: &mut chance,
    };
    plan(&wishes, &table.snapshot.policies, &mut moment)
}

/// How the call was routed, for an app that wants to be told; with the model that it asks for, and whether it names more.
fn metadata(
    snapshot: &Snapshot,
    ((requested, has_fallbacks), plan): ((&str, bool), &Plan<'_>),
    answered: Option<&Answered>,
    record: &Record,
) -> Metadata {
    let answered = answered.map(|answered| {
        let status = match &answered.answer {
            Answer::Refusal(status, ..) => status.as_u16(),
            Answer::Whole(..) | Answer::Written(..) | Answer::Stream(_) => 200,
        };
        (answered.lane.ordinal, status)
    });
    let tried = record.tried(answered.map_or(CUT_OFF, |(_, status)| status));
    let namespace = &snapshot.workload.namespace;
    Metadata::of(&Routing { requested, namespace, has_fallbacks, plan, tried: &tried, answered })
}

/// Whether any candidate counts tokens itself.
fn counts(table: &Table, plan: &Plan<'_>) -> bool {
    plan.attempts.iter().any(|attempt| {
        let server = table.lane(attempt.permitted).server.as_ref();
        server.is_some_and(|server| server.native(Operation::CountTokens, false).is_some())
    })
}

/// Counts what auditing policies would have refused of the candidate that answers.
fn audit(snapshot: &Snapshot, ordinal: usize, record: &Record) {
    if snapshot.audits.is_empty() {
        return;
    }
    let Some(candidate) = snapshot.candidates().nth(ordinal) else { return };
    for reason in residency::objections(&snapshot.audits, &candidate.facts, residency::utc_day(moment::now())) {
        if let Some(policy) = &reason.policy {
            record.would_refuse(policy, &candidate.provider, &reason.code);
        }
    }
}

/// Reads a body whole. One that is too large is read on and thrown away, as far as that is reasonable.
async fn read(parts: &Parts, mut body: Incoming) -> Result<Bytes, Failure> {
    let declared = guard::declared_length(&parts.headers);
    let waits = parts.headers.contains_key(header::EXPECT);
    if declared.is_some_and(|length| length > MOST_DRAINED || (waits && length > guard::LARGEST_BODY)) {
        return Err(Failure::PayloadTooLarge);
    }
    let mut whole = Bytes::new();
    let mut joined = BytesMut::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Failure::InvalidRequest("the body broke off".to_owned()))?;
        let Ok(bytes) = frame.into_data() else { continue };
        length += bytes.len() as u64;
        if length > MOST_DRAINED {
            return Err(Failure::PayloadTooLarge);
        }
        if length > guard::LARGEST_BODY {
            joined = BytesMut::new();
            whole = Bytes::new();
        } else if whole.is_empty() && joined.is_empty() {
            whole = bytes;
        } else {
            if joined.is_empty() {
                let expected = declared.unwrap_or(0).min(guard::LARGEST_BODY);
                joined.reserve(usize::try_from(expected).unwrap_or(0));
                joined.extend_from_slice(&std::mem::take(&mut whole));
            }
            joined.extend_from_slice(&bytes);
        }
    }
    if length > guard::LARGEST_BODY {
        return Err(Failure::PayloadTooLarge);
    }
    Ok(if joined.is_empty() { whole } else { joined.freeze() })
}
